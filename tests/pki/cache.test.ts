import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { RevocationLists } from '../../src/pki/crl.ts';
import { PathCache } from '../../src/pki/path-cache.ts';
import type { PathOptions, PathResult } from '../../src/pki/result.ts';
import type { PathProvider } from '../../src/pki/signatures.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { DAY, EKU, generalName, issue, issueCa, NOW } from './make.ts';
import { issueCrl, issueOcsp } from './make-status.ts';

const root = issueCa('CN=root');
const ca = issueCa('CN=ca', { issuer: root, notBefore: NOW - 10 * DAY, notAfter: NOW + 10 * DAY });
const leaf = issue({
  issuer: ca,
  purposes: [EKU.server, EKU.client],
  names: [generalName.dns('a.example'), generalName.dns('b.example')],
});
const anchors = TrustAnchors.from(root.der);

let imports = 0;
const provider: PathProvider = {
  digest: nodeProvider.digest.bind(nodeProvider),
  importPublicKey(spki) {
    imports++;
    return nodeProvider.importPublicKey(spki);
  },
};

function validate(cache: PathCache, options: Partial<PathOptions> = {}): PathResult {
  return validateCertificatePath({
    provider,
    chain: [leaf.der, ca.der],
    anchors,
    purpose: 'server',
    atMs: NOW,
    cache,
    ...options,
  });
}

describe('a remembered path', () => {
  it('is verified once', () => {
    const cache = new PathCache();
    const first = validate(cache);
    const before = imports;
    const second = validate(cache);
    expect(imports).toBe(before);
    expect(second).toEqual(first);
    expect(cache.counts).toEqual({ hits: 1, misses: 1 });
  });

  it('is held against the name every time', () => {
    const cache = new PathCache();
    expect(validate(cache, { name: 'a.example' })).toMatchObject({ ok: true, matchedName: 'DNS:a.example' });
    expect(validate(cache, { name: 'b.example' })).toMatchObject({ ok: true, matchedName: 'DNS:b.example' });
    expect(validate(cache, { name: 'c.example' })).toMatchObject({ ok: false, reason: 'name-mismatch' });
    expect(validate(cache)).toMatchObject({ ok: true, matchedName: null });
    expect(cache.counts.hits).toBe(3);
  });

  it('counts to the last second of its shortest certificate, and not beyond', () => {
    const cache = new PathCache();
    validate(cache);
    const last = NOW + 10 * DAY + 999;
    expect(validate(cache, { atMs: last })).toMatchObject({ ok: true });
    expect(cache.counts.hits).toBe(1);
    expect(validate(cache, { atMs: last + 1 })).toMatchObject({ ok: false, reason: 'expired', depth: 1 });
    expect(cache.size).toBe(0);
  });

  it('does not count before its time, when the clock was set back', () => {
    const cache = new PathCache();
    validate(cache);
    expect(validate(cache, { atMs: NOW - 10 * DAY })).toMatchObject({ ok: true });
    expect(cache.counts.hits).toBe(1);
    expect(validate(cache, { atMs: NOW - 10 * DAY - 1 })).toMatchObject({
      ok: false,
      reason: 'not-yet-valid',
    });
  });

  it('belongs to its anchors, purpose, profile, rules and chain', () => {
    const cache = new PathCache();
    validate(cache);
    const changes: Partial<PathOptions>[] = [
      { anchors: TrustAnchors.from(root.der) },
      { purpose: 'client' },
      { profile: 'rfc5280' },
      { maxDepth: 3 },
      { keyUsage: [] },
      { policies: { inhibitAny: true } },
      { algorithms: { hashes: ['sha256'] } },
      { checkAnchorDates: true },
      { chain: [leaf.der, ca.der, root.der] },
      { ocsp: null },
      { crls: RevocationLists.from(issueCrl({ issuer: ca })) },
      { commonNameFallback: true, name: 'a.example' },
    ];
    for (const change of changes)
      expect(validate(cache, change), JSON.stringify(Object.keys(change))).toMatchObject({ ok: true });
    expect(cache.counts).toEqual({ hits: 0, misses: changes.length + 1 });
    expect(validate(cache, { anchors: TrustAnchors.from(issueCa('CN=other').der) })).toMatchObject({
      ok: false,
    });
  });

  it('cannot be confused by moving bytes from one certificate to the next', () => {
    const cache = new PathCache();
    validate(cache);
    const joined = new Uint8Array([...leaf.der, ...ca.der]);
    expect(validate(cache, { chain: [joined] })).toMatchObject({ ok: false });
    expect(validate(cache, { chain: [joined.slice(0, 10), joined.slice(10)] })).toMatchObject({ ok: false });
  });

  it('lasts no longer than the list and the status that it rests on', () => {
    const cache = new PathCache();
    const crls = RevocationLists.from(issueCrl({ issuer: ca, nextUpdate: NOW + 1000 }));
    validate(cache, { crls });
    expect(validate(cache, { crls, atMs: NOW + 1999 })).toMatchObject({ ok: true });
    expect(cache.counts.hits).toBe(1);
    expect(validate(cache, { crls, atMs: NOW + 2000 })).toMatchObject({ ok: false, reason: 'crl-expired' });

    const ocsp = issueOcsp({ certificate: leaf, issuer: ca, nextUpdate: NOW + 1000 });
    validate(cache, { ocsp });
    expect(validate(cache, { ocsp, atMs: NOW + 1000 })).toMatchObject({ ok: true });
    expect(validate(cache, { ocsp, atMs: NOW + 1001 })).toMatchObject({ ok: false, reason: 'ocsp-expired' });
  });

  it('does not depend on the bytes that it was given', () => {
    const cache = new PathCache();
    const chain = [leaf.der.slice(), ca.der.slice()];
    const result = validate(cache, { chain });
    for (const der of chain) der.fill(0);
    expect(result).toMatchObject({ ok: true });
    if (result.ok) expect(result.leaf.der).toEqual(leaf.der);
    expect(validate(cache)).toMatchObject({ ok: true });
    expect(cache.counts.hits).toBe(1);
  });

  it('is not looked for under bytes that no path would be found in', () => {
    const cache = new PathCache();
    expect(validate(cache, { chain: [leaf.der, new Uint8Array(300_000)] })).toMatchObject({
      reason: 'budget-exceeded',
    });
    expect(cache.counts.misses).toBe(0);
  });

  it('is never a refusal', () => {
    const cache = new PathCache();
    for (let i = 0; i < 3; i++)
      expect(validate(cache, { atMs: NOW + 1000 * DAY })).toMatchObject({ ok: false });
    expect(cache.size).toBe(0);
  });
});

describe('the room', () => {
  const leaves = Array.from({ length: 10 }, (_, i) =>
    issue({ subject: `CN=leaf ${i}`, issuer: ca, key: leaf.key }),
  );

  it('is bounded in paths; the least recently used leaves first', () => {
    const cache = new PathCache({ maxEntries: 3 });
    for (const { der } of leaves.slice(0, 3)) validate(cache, { chain: [der, ca.der] });
    validate(cache, { chain: [leaves[0]!.der, ca.der] });
    validate(cache, { chain: [leaves[3]!.der, ca.der] });
    expect(cache.size).toBe(3);
    const hits = cache.counts.hits;
    validate(cache, { chain: [leaves[0]!.der, ca.der] });
    expect(cache.counts.hits).toBe(hits + 1);
    validate(cache, { chain: [leaves[1]!.der, ca.der] });
    expect(cache.counts.hits).toBe(hits + 1);
  });

  it('is bounded in bytes, and what would fill it is not kept', () => {
    const size = leaf.der.length + ca.der.length;
    const cache = new PathCache({ maxBytes: size * 9 });
    for (const { der } of leaves) validate(cache, { chain: [der, ca.der] });
    expect(cache.size).toBeLessThan(10);
    expect(cache.bytes).toBeLessThanOrEqual(size * 9);
    cache.clear();
    expect([cache.size, cache.bytes]).toEqual([0, 0]);
    const small = new PathCache({ maxBytes: size * 4 });
    validate(small);
    expect(small.size).toBe(0);
  });
});
