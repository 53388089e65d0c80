import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { type Certificate, parseCertificate } from '../../src/pki/certificate.ts';
import { RevocationLists } from '../../src/pki/crl.ts';
import { generalNameText } from '../../src/pki/general-name.ts';
import type { PathOptions } from '../../src/pki/result.ts';
import { checkServerName } from '../../src/pki/server-name.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { equalBytes } from '../../src/util/bytes.ts';
import { DecodeError, UsageError } from '../../src/util/errors.ts';
import {
  ANY_POLICY,
  EKU,
  ext,
  generalName,
  ipRange,
  issue,
  issueCa,
  keyFor,
  NOW,
  type TestCertificate,
} from '../pki/make.ts';
import { crlExt, issueCrl, issueOcsp } from '../pki/make-status.ts';
import { Random } from '../support/random.ts';

const CERTIFICATES = 100_000;
const SEED = Number(process.env['FUZZ_SEED'] ?? 5280);

const { dns, email, uri, ip, directory, other } = generalName;
const everything = [
  ext.policies([ANY_POLICY, '1.2.3.4']),
  ext.mappings([['1.2.3', '1.2.4']]),
  ext.policyConstraints(5, 5),
  ext.inhibitAny(5),
  ext.feature([5]),
  ext.names(
    [dns('example.com'), directory('CN=leaf'), ipRange('192.0.2.0/24'), email('example.com')],
    [uri('.bad.example')],
  ),
  ext.crlPoint('http://ca.example/1.crl'),
];
const root = issueCa('CN=root', { pathLength: 3, add: [ext.names([], [dns('bad.example')])] });
const ca = issueCa('CN=ca', { issuer: root, purposes: [EKU.server, EKU.client], add: everything });
const rsa = issueCa('CN=ca', { issuer: root, key: keyFor('rsa', 'rsa2048') });
const leaves = [ca, rsa].map((issuer) =>
  issue({
    issuer,
    purposes: [EKU.server, EKU.client],
    names: [
      dns('example.com'),
      dns('*.example.com'),
      ip('192.0.2.1'),
      email('a@example.com'),
      directory('CN=leaf'),
      other('1.2.3', ext.feature([5]).value),
    ],
    add: [ext.policies(['1.2.3.4']), ext.feature([5]), ext.crlPoint('http://ca.example/1.crl')],
  }),
);
const crl = issueCrl({
  issuer: ca,
  revoked: [{ serial: Uint8Array.of(5), reason: 1 }],
  add: [crlExt.scope(null, [1])],
});
const ocsp = issueOcsp({
  certificate: leaves[0] as TestCertificate,
  issuer: ca,
  responder: issue({ subject: 'CN=r', issuer: ca, purposes: [EKU.ocsp] }),
});

/** Starts of elements, nested ones too, as far as lengths make sense. */
function elements(
  der: Uint8Array,
  start = 0,
  end = der.length,
  list: [number, number][] = [],
): [number, number][] {
  let at = start;
  while (at + 2 <= end && list.length < 400) {
    let length = der[at + 1] as number;
    let contents = at + 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0 || size > 3) break;
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (der[contents + i] ?? 0);
      contents += size;
    }
    if (contents + length > end) break;
    list.push([at, contents + length]);
    if (((der[at] as number) & 0x20) !== 0) elements(der, contents, contents + length, list);
    at = contents + length;
  }
  return list;
}

const pool = [root, ca, rsa, ...leaves].map(({ der }) => ({ der, parts: elements(der) }));

/** Breaks bytes the ways that files break and that attackers break them. */
function mutate(der: Uint8Array, random: Random): Uint8Array {
  const copy = der.slice();
  const at = random.below(copy.length);
  const own = elements(der);
  // The last three need a frame to work with.
  switch (random.below(own.length === 0 ? 6 : 9)) {
    case 0:
      (copy[at] as number) ^= 1 << random.below(8);
      return copy;
    case 1:
      copy[at] = random.pick([0x00, 0x01, 0x30, 0x7f, 0x80, 0x81, 0x84, 0xff, 0xa0, 0x03]);
      return copy;
    case 2:
      return copy.slice(0, at);
    case 3:
      return Uint8Array.from([...copy.slice(0, at), random.below(256), ...copy.slice(at)]);
    case 4:
      return Uint8Array.from([...copy.slice(0, at), ...copy.slice(at + 1 + random.below(4))]);
    case 5: {
      for (let i = 0; i < 3; i++) copy[random.below(copy.length)] = random.below(256);
      return copy;
    }
    case 6: {
      // An element of another certificate in place of one of this, lengths not mended.
      const source = random.pick(pool);
      const [from, to] = random.pick(source.parts);
      const [start, end] = random.pick(own);
      return Uint8Array.from([...copy.slice(0, start), ...source.der.slice(from, to), ...copy.slice(end)]);
    }
    case 7: {
      // An element of the same length from elsewhere: the frame stays whole.
      const source = random.pick(pool);
      const [start, end] = random.pick(own);
      const fits = source.parts.find(([from, to]) => to - from === end - start && source.der !== der);
      if (fits !== undefined) copy.set(source.der.slice(fits[0], fits[1]), start);
      else (copy[start] as number) ^= 0x20;
      return copy;
    }
    default: {
      const [start, end] = random.pick(own);
      return Uint8Array.from([...copy.slice(0, end), ...copy.slice(start, end), ...copy.slice(end)]);
    }
  }
}

const GETTERS: readonly ((certificate: Certificate) => unknown)[] = [
  (c) => c.notBeforeMs + c.notAfterMs,
  (c) => c.issuer.key + c.subject.key + c.subject.isOrdered,
  (c) => String(c.issuer) + String(c.subject),
  (c) => c.extensions,
  (c) => c.basicConstraints,
  (c) => c.keyUsage,
  (c) => c.extendedKeyUsage,
  (c) => c.subjectKeyIdentifier,
  (c) => c.authorityKeyIdentifier,
  (c) => c.subjectAltNames?.map(generalNameText),
  (c) => c.nameConstraints,
  (c) => c.key,
  (c) => checkServerName(c, 'example.com', { commonNameFallback: true }),
];

/** Runs what may only throw an error of that type. */
function only(type: typeof DecodeError | typeof UsageError, body: () => unknown): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (error instanceof type) return false;
    throw error;
  }
}

const anchors = TrustAnchors.from(root.der);
const base: Omit<PathOptions, 'chain' | 'anchors'> = {
  provider: nodeProvider,
  purpose: 'server',
  name: 'example.com',
  atMs: NOW,
};

describe('mutated', () => {
  it(`certificates, ${CERTIFICATES}: typed errors alone, and no changed byte is ever accepted`, () => {
    const random = new Random(SEED);
    let parsed = 0;
    let changed = 0;
    for (let i = 0; i < CERTIFICATES; i++) {
      const which = i % 4;
      const issuer = which % 2 === 0 ? ca : rsa;
      const leaf = leaves[which % 2] as TestCertificate;
      const original = which < 2 ? leaf : issuer;
      let der = mutate(original.der, random);
      if (random.chance(0.2)) der = mutate(der, random);
      let certificate: Certificate | null = null;
      if (only(DecodeError, () => (certificate = parseCertificate(der))) && certificate !== null) {
        parsed++;
        for (const get of GETTERS) only(DecodeError, () => get(certificate as Certificate));
      }
      if (equalBytes(der, original.der)) continue;
      changed++;
      const chain = which < 2 ? [der, issuer.der] : [leaf.der, der];
      const result = validateCertificatePath({
        ...base,
        chain,
        anchors,
        profile: random.chance(0.5) ? 'rfc5280' : 'compatible',
        traceAttempts: true,
      });
      if (result.ok) expect.fail(`mutation ${i} was accepted`);
    }
    // The mutations are neither all coarse nor all without effect.
    expect(parsed).toBeGreaterThan(CERTIFICATES / 5);
    expect(changed).toBeGreaterThan(CERTIFICATES * 0.95);
  }, 240_000);

  it('anchors: refused when they are read, or of no harm', () => {
    const random = new Random(SEED + 1);
    const leaf = leaves[0] as TestCertificate;
    for (let i = 0; i < 10_000; i++) {
      let set: TrustAnchors | null = null;
      if (!only(UsageError, () => (set = TrustAnchors.from(mutate(root.der, random)))) || set === null)
        continue;
      validateCertificatePath({ ...base, chain: [leaf.der, ca.der], anchors: set });
    }
  }, 60_000);

  it('revocation lists and OCSP answers: the same', () => {
    const random = new Random(SEED + 2);
    const leaf = leaves[0] as TestCertificate;
    let accepted = 0;
    for (let i = 0; i < 10_000; i++) {
      let crls: RevocationLists | undefined;
      const bytes = mutate(crl, random);
      only(UsageError, () => (crls = RevocationLists.from(bytes)));
      const options = { ...base, chain: [leaf.der, ca.der], anchors, requireCrl: 'leaf' as const };
      const result = validateCertificatePath({ ...options, crls });
      if (result.ok && !equalBytes(bytes, crl)) expect.fail(`list ${i} was believed`);
      const status = mutate(ocsp, random);
      const answered = validateCertificatePath({ ...base, chain: [leaf.der, ca.der], anchors, ocsp: status });
      if (answered.ok) accepted++;
    }
    // What is outside of the signature (the certificates sent along) may change.
    expect(accepted).toBeLessThan(2000);
  }, 60_000);
});
