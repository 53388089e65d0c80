import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { type AnchorSource, TrustAnchors } from '../../src/pki/anchors.ts';
import type { PathOptions, PathResult } from '../../src/pki/result.ts';
import type { PathProvider } from '../../src/pki/signatures.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import {
  type Algorithm,
  algorithms,
  DAY,
  ext,
  generalName,
  issue,
  issueCa,
  type KeyKind,
  keyFor,
  NOW,
  OIDS,
  pssAlgorithm,
  type TestCertificate,
} from './make.ts';

const provider: PathProvider = nodeProvider;

function validate(
  chain: readonly (TestCertificate | Uint8Array)[],
  anchors: readonly AnchorSource[],
  options: Partial<PathOptions> = {},
): PathResult {
  return validateCertificatePath({
    provider,
    chain: chain.map((entry) => ('der' in entry ? entry.der : entry)),
    anchors: TrustAnchors.from(anchors),
    purpose: 'server',
    atMs: NOW,
    ...options,
  });
}

/** Subjects of the path and of the anchor, or the reason. */
function route(result: PathResult): string {
  if (!result.ok) return `${result.reason} at ${result.depth}`;
  return [...result.path.map(({ subject }) => String(subject)), String(result.anchor.subject)].join(' < ');
}

/** Counts signature verifications. */
function counting(): PathProvider & { verified: number } {
  const counter = {
    verified: 0,
    digest: nodeProvider.digest.bind(nodeProvider),
    importPublicKey(spki: Uint8Array) {
      const key = nodeProvider.importPublicKey(spki);
      if (key === null) return null;
      return {
        type: key.type,
        bits: key.bits,
        verify: (scheme: number, data: Uint8Array, signature: Uint8Array) => {
          counter.verified++;
          return key.verify(scheme, data, signature);
        },
      };
    },
  };
  return counter;
}

const root = issueCa('CN=root');
const ca = issueCa('CN=ca', { issuer: root });
const leaf = issue({ issuer: ca });

describe('what is given besides the path', () => {
  it('does not matter: order, repetitions, strangers, the root, the leaf again, bytes that are no certificate', () => {
    const sub = issueCa('CN=sub', { issuer: ca });
    const deep = issue({ issuer: sub });
    const bag = [
      ca.der,
      sub.der,
      sub.der,
      root.der,
      deep.der,
      issueCa('CN=stranger').der,
      Uint8Array.of(1, 2, 3),
      new Uint8Array(0),
      ca.der.slice(0, 100),
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(bag, { minLength: bag.length }), (shuffled) => {
        expect(route(validate([deep, ...shuffled], [root.der]))).toBe('CN=leaf < CN=sub < CN=ca < CN=root');
      }),
      { numRuns: 50 },
    );
  });

  it('is named when it cannot be read and something is missing', () => {
    const result = validate([leaf, Uint8Array.of(1, 2, 3)], [root.der]);
    expect(result).toMatchObject({
      reason: 'unknown-issuer',
      message: expect.stringContaining('1 of the certificates'),
    });
  });
});

describe('several ways up', () => {
  const other = issueCa('CN=other root');
  const cross = issueCa('CN=ca', { issuer: other });

  it('takes the cross-signed one when only its root is trusted, in either order', () => {
    for (const bag of [
      [ca, cross],
      [cross, ca],
    ]) {
      expect(route(validate([leaf, ...bag], [other.der]))).toBe('CN=leaf < CN=ca < CN=other root');
      expect(route(validate([leaf, ...bag], [root.der]))).toBe('CN=leaf < CN=ca < CN=root');
    }
  });

  it('goes over a cross-signed root to an older one', () => {
    const crossRoot = issueCa('CN=root', { issuer: other });
    expect(route(validate([leaf, ca, root, crossRoot], [other.der]))).toBe(
      'CN=leaf < CN=ca < CN=root < CN=other root',
    );
  });

  it('passes over an expired twin of an intermediate, in either order', () => {
    const expired = issueCa('CN=ca', { issuer: root, notAfter: NOW - DAY });
    for (const bag of [
      [ca, expired],
      [expired, ca],
    ]) {
      expect(validate([leaf, ...bag], [root.der])).toMatchObject({ ok: true });
    }
    expect(route(validate([leaf, expired], [root.der]))).toBe('expired at 1');
  });

  it('passes over an expired twin of an anchor', () => {
    const expired = issueCa('CN=root', { notAfter: NOW - DAY });
    for (const anchors of [
      [expired.der, root.der],
      [root.der, expired.der],
    ]) {
      expect(validate([leaf, ca], anchors, { profile: 'rfc5280' })).toMatchObject({ ok: true });
    }
  });

  it('passes over a way whose constraints refuse, for one without', () => {
    const strict = issueCa('CN=strict', {
      issuer: root,
      add: [ext.names([], [generalName.dns('example.com')])],
    });
    const under = issueCa('CN=ca', { issuer: strict });
    for (const bag of [
      [under, ca, strict],
      [ca, under, strict],
    ]) {
      expect(route(validate([leaf, ...bag], [root.der]))).toBe('CN=leaf < CN=ca < CN=root');
    }
    expect(route(validate([leaf, under, strict], [root.der]))).toBe('name-excluded at 0');
  });
});

describe('many keys of one name', () => {
  const keys = Array.from({ length: 40 }, (_, i) => keyFor(`namesake ${i}`));
  const namesakes = keys.map((key) => issueCa('CN=ca', { issuer: root, key, omit: [OIDS.ski] }));

  it('finds the one that signed, without any key identifier', () => {
    for (const index of [0, 20, 39]) {
      const signed = issue({ issuer: namesakes[index]!, omit: [OIDS.aki] });
      expect(validate([signed, ...namesakes], [root.der]), String(index)).toMatchObject({ ok: true });
    }
  });

  it('finds the one that signed among anchors', () => {
    const anchors = keys.map((key) => issueCa('CN=ca', { key, omit: [OIDS.ski] }).der);
    const signed = issue({ issuer: namesakes[39]!, omit: [OIDS.aki] });
    expect(validate([signed], anchors)).toMatchObject({ ok: true });
  });

  it('tries the one that the key identifier names first', () => {
    const named = keys.map((key) => issueCa('CN=ca', { issuer: root, key }));
    const counter = counting();
    const signed = issue({ issuer: named[39]! });
    expect(validate([signed, ...named], [root.der], { provider: counter })).toMatchObject({ ok: true });
    expect(counter.verified).toBe(2);
  });

  it('takes key identifiers for hints: wrong ones keep no path from being found', () => {
    const wrong = issueCa('CN=ca', { issuer: root, add: [ext.ski(Uint8Array.of(9, 9))] });
    expect(validate([leaf, wrong], [root.der])).toMatchObject({ ok: true });
    const both = [wrong, ...namesakes.slice(0, 5)];
    expect(validate([leaf, ...both], [root.der])).toMatchObject({ ok: true });
  });
});

describe('circles', () => {
  const a = keyFor('a');
  const b = keyFor('b');
  const nameOf = (text: string) => issueCa(text).subjectDer;
  const aByB = issueCa('CN=a', { key: a, issuer: { subjectDer: nameOf('CN=b'), key: b } });
  const bByA = issueCa('CN=b', { key: b, issuer: { subjectDer: nameOf('CN=a'), key: a } });
  const below = issue({ issuer: aByB });

  it('ends when two CAs sign each other and nobody else', () => {
    expect(validate([below, aByB, bByA], [root.der])).toMatchObject({ ok: false, alert: 'unknown-ca' });
    expect(validate([below, aByB, bByA], [root.der], { maxDepth: 255 })).toMatchObject({ ok: false });
  });

  it('finds the way out of it', () => {
    const bByRoot = issueCa('CN=b', { key: b, issuer: root });
    for (const bag of [
      [aByB, bByA, bByRoot],
      [bByRoot, bByA, aByB],
    ]) {
      expect(route(validate([below, ...bag], [root.der]))).toBe('CN=leaf < CN=a < CN=b < CN=root');
    }
  });

  it('has no use for a certificate twice', () => {
    expect(validate([below, aByB, aByB, bByA, bByA], [issueCa('CN=a', { key: a }).der])).toMatchObject({
      ok: true,
      path: { length: 1 },
    });
  });
});

describe('anchors', () => {
  it('may be intermediates', () => {
    expect(route(validate([leaf, ca], [ca.der]))).toBe('CN=leaf < CN=ca');
    expect(route(validate([leaf], [ca.der], { profile: 'rfc5280' }))).toBe('CN=leaf < CN=ca');
  });

  it('may be a name and a key', () => {
    const anchor = { subject: root.subjectDer, spki: root.key.spki };
    expect(route(validate([leaf, ca], [anchor], { profile: 'rfc5280' }))).toBe('CN=leaf < CN=ca < CN=root');
    const limited = { ...anchor, constraints: { maxPathLength: 0 } };
    expect(route(validate([leaf, ca], [limited]))).toBe('path-length-exceeded at 1');
  });

  it('may be the leaf itself under the compatible profile, byte for byte', () => {
    const own = issue({ subject: 'CN=self' });
    expect(route(validate([own], [own.der]))).toBe('CN=self < CN=self');
    expect(validate([leaf], [leaf.der])).toMatchObject({ ok: true, path: { length: 1 } });
    expect(validate([own], [own.der], { profile: 'rfc5280' })).toMatchObject({ ok: false });
    expect(route(validate([own], [issue({ subject: 'CN=self' }).der]))).toBe('not-a-ca at 1');
    // It must be for that purpose, name and time all the same.
    expect(route(validate([own], [own.der], { purpose: 'client' }))).toBe('extended-key-usage at 0');
    expect(route(validate([own], [own.der], { name: 'other.example' }))).toBe('name-mismatch at 0');
    expect(route(validate([own], [own.der], { atMs: NOW + 1000 * DAY }))).toBe('expired at 0');
    const forClients = { certificate: own.der, constraints: { purposes: ['client' as const] } };
    expect(validate([own], [forClients])).toMatchObject({ ok: false });
  });

  it('of version 1 may issue: it has no way to say what a key is for', () => {
    const old = issueCa('CN=root', { version: 1, extensions: null });
    expect(validate([leaf, ca], [old.der])).toMatchObject({ ok: true });
    expect(route(validate([leaf, ca], [old.der], { profile: 'rfc5280' }))).toBe('profile-violation at 2');
  });

  it('keeps its own signature to itself under the compatible profile', () => {
    expect(validate([leaf, ca], [issueCa('CN=root', { breakSignature: true }).der])).toMatchObject({
      ok: true,
    });
  });

  it('is found under a name that differs in case, spaces and string type', () => {
    const anchor = issueCa('CN=  ROOT', { key: keyFor('CN=root') });
    expect(validate([leaf, ca], [anchor.der])).toMatchObject({ ok: true });
  });

  it('counts once however often it is given', () => {
    expect(TrustAnchors.from([root.der, root.der, ca.der]).size).toBe(2);
  });
});

describe('a refusal', () => {
  it('lists the paths tried when asked', () => {
    const expired = issueCa('CN=ca', { issuer: root, notAfter: NOW - DAY });
    const wrong = issueCa('CN=ca', { issuer: root, key: keyFor('another ca') });
    const result = validate([leaf, expired, wrong], [root.der], { traceAttempts: true });
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.attempts.map(({ reason, depth }) => `${reason} at ${depth}`).sort()).toEqual([
      'expired at 1',
      'unknown-issuer at 0',
    ]);
    expect(validate([leaf, expired, wrong], [root.der])).toMatchObject({ attempts: [] });
  });

  it('prefers the path that came farthest', () => {
    const expired = issueCa('CN=ca', { issuer: root, notAfter: NOW - DAY });
    const other = issueCa('CN=ca', {
      issuer: { subjectDer: issueCa('CN=nobody').subjectDer, key: keyFor('nobody') },
    });
    expect(route(validate([leaf, other, expired], [root.der]))).toBe('expired at 1');
  });
});

describe('how a path ends', () => {
  it('is self-signed only when no other key is named', () => {
    const self = { subjectDer: root.subjectDer, key: root.key };
    // A root's next key, certified by a key that nobody has sent.
    const next = issueCa('CN=root', {
      key: keyFor('next key'),
      issuer: { ...self, key: keyFor('lost key') },
    });
    const below = issue({ issuer: next });
    const stranger = issueCa('CN=stranger');
    expect(route(validate([below, next], [stranger.der]))).toBe('unknown-issuer at 1');
    expect(route(validate([leaf, ca, root], [stranger.der]))).toBe('self-signed-in-chain at 2');
  });

  it('has Node’s word for a leaf alone and another for a longer path', () => {
    expect(validate([leaf], [root.der])).toMatchObject({ nodeCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    expect(validate([leaf, ca], [])).toMatchObject({ nodeCode: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' });
    const otherKey = issueCa('CN=ca', { key: keyFor('another ca') });
    expect(validate([leaf], [otherKey.der])).toMatchObject({ nodeCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    const otherRoot = issueCa('CN=root', { key: keyFor('another root') });
    expect(validate([leaf, ca], [otherRoot.der])).toMatchObject({
      nodeCode: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    });
  });

  it('is explained by at most 32 attempts', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      issueCa('CN=ca', { issuer: root, serial: i + 1, notAfter: NOW - DAY }),
    );
    const result = validate([leaf, ...many], [root.der], { traceAttempts: true });
    expect(result).toMatchObject({ ok: false, attempts: { length: 32 } });
  });
});

describe('bags that are made to take long', () => {
  const names = Array.from({ length: 100 }, (_, i) => i);

  it('ends without a signature when no way leads to an anchor', () => {
    const counter = counting();
    const bag = names.map((i) => issueCa('CN=x', { key: keyFor(`x${i % 50}`), serial: i + 1 }));
    const start = issue({ issuer: bag[99]! });
    expect(validate([start, ...bag], [root.der], { provider: counter })).toMatchObject({ ok: false });
    expect(counter.verified).toBe(0);
  });

  it('stops at the budget of signatures when every way seems to lead to one', () => {
    const counter = counting();
    const anchor = issueCa('CN=x', { key: keyFor('anchor') });
    const bag = names.map((i) =>
      issueCa('CN=x', { key: keyFor(`x${i % 50}`), issuer: anchor, omit: [OIDS.aki], breakSignature: true }),
    );
    const start = issue({ issuer: bag[99]!, omit: [OIDS.aki] });
    expect(route(validate([start, ...bag], [anchor.der], { provider: counter }))).toBe(
      'budget-exceeded at 0',
    );
    expect(counter.verified).toBeLessThanOrEqual(100);
  });

  it('verifies a pair of certificate and key once, however many paths it is part of', () => {
    const counter = counting();
    const bad = issueCa('CN=top', { issuer: root, breakSignature: true });
    const middle = Array.from({ length: 20 }, (_, i) =>
      issueCa('CN=ca', { key: keyFor(`m${i}`), issuer: bad, omit: [OIDS.ski] }),
    );
    const start = issue({ issuer: middle[19]!, omit: [OIDS.aki] });
    expect(validate([start, bad, ...middle], [root.der], { provider: counter })).toMatchObject({ ok: false });
    expect(counter.verified).toBe(1);
  });
});

describe('keys and signatures', () => {
  it.each([
    ['p256', algorithms.ecdsaSha256],
    ['p256', algorithms.ecdsaSha384],
    ['p256', algorithms.ecdsaSha512],
    ['p384', algorithms.ecdsaSha256],
    ['p384', algorithms.ecdsaSha384],
    ['p521', algorithms.ecdsaSha512],
    ['p521', algorithms.ecdsaSha256],
    ['rsa2048', algorithms.sha256Rsa],
    ['rsa2048', algorithms.sha384Rsa],
    ['rsa2048', algorithms.sha512Rsa],
    ['rsa2048', pssAlgorithm('sha256', 32)],
    ['rsa2048', pssAlgorithm('sha384', 48)],
    ['rsa2048', pssAlgorithm('sha512', 64)],
    ['rsa-pss', pssAlgorithm('sha256', 32)],
    ['rsa-pss', pssAlgorithm('sha512', 64)],
    ['ed25519', algorithms.ed25519],
    ['ed448', algorithms.ed448],
  ] as [KeyKind, Algorithm][])('of %s verify, with this algorithm and no other', (kind, algorithm) => {
    const issuer = issueCa('CN=signer', { key: keyFor('signer', kind), issuer: root });
    const signed = issue({ issuer, algorithm, key: keyFor('signed', kind) });
    expect(validate([signed, issuer], [root.der])).toMatchObject({ ok: true });
    const broken = issue({ issuer, algorithm, breakSignature: true });
    expect(route(validate([broken, issuer], [root.der]))).toBe('bad-signature at 0');
  });
});
