import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import type { PathReason } from '../../src/pki/reason.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { describeWithPeers, runPeer } from '../support/peer.ts';
import { Random } from '../support/random.ts';
import { pem } from './der.ts';
import { DAY, EKU, ext, issue, issueCa, OIDS, type TestCertificate } from './make.ts';
import { issueOcsp, type OcspSpec } from './make-status.ts';

/** `openssl ocsp` judges by the machine's clock. */
const now = Math.floor(Date.now() / 1000) * 1000;
const within = { notBefore: now - DAY, notAfter: now + DAY };
const root = issueCa('CN=root', within);
const ca = issueCa('CN=ca', { ...within, issuer: root });
const leaf = issue({ ...within, issuer: ca });
const other = issue({ ...within, issuer: ca, subject: 'CN=other' });
const stranger = issueCa('CN=stranger', within);

const delegate = (spec: Parameters<typeof issue>[0] = {}): TestCertificate =>
  issue({ ...within, subject: 'CN=responder', issuer: ca, purposes: [EKU.ocsp], names: [], ...spec });

type Change = (random: Random) => Partial<OcspSpec>;

const answers: readonly (readonly [title: string, expected: PathReason | null, change: Change])[] = [
  ['good', null, (random) => ({ hash: random.pick(['sha1', 'sha256'] as const), byKey: random.chance(0.5) })],
  ['good, by a delegate', null, (random) => ({ responder: delegate(), byKey: random.chance(0.5) })],
  ['revoked', 'revoked', (random) => ({ status: 'revoked', byKey: random.chance(0.5) })],
  ['unknown', 'ocsp-unknown', (random) => ({ status: 'unknown', responder: random.pick([ca, delegate()]) })],
  ['out of date', 'ocsp-expired', (random) => ({ nextUpdate: now - DAY / 4 - 1000 * random.below(10_000) })],
  ['broken signature', 'ocsp-invalid', () => ({ breakSignature: true })],
  ['about another certificate', 'ocsp-invalid', () => ({ certificate: other })],
  ['by a stranger', 'ocsp-invalid', () => ({ responder: stranger })],
  [
    'by a delegate that is not for OCSP',
    'ocsp-invalid',
    () => ({ responder: delegate({ purposes: [EKU.server] }) }),
  ],
  ['by a delegate of the root', 'ocsp-invalid', () => ({ responder: delegate({ issuer: stranger }) })],
  [
    'by a delegate whose signature is broken',
    'ocsp-invalid',
    () => ({ responder: delegate({ breakSignature: true }) }),
  ],
  ['no answer', 'ocsp-invalid', (random) => ({ responseStatus: random.pick([1, 2, 3, 5, 6]) })],
];

describeWithPeers(['openssl'], 'openssl ocsp', ({ openssl }) => {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-ocsp-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const paths = {
    root: file('root.pem', pem(root.der)),
    ca: file('ca.pem', pem(ca.der)),
    leaf: file('leaf.pem', pem(leaf.der)),
  };

  it('agrees on 240 answers, each of our reasons at least 20 times', async () => {
    const random = new Random(6960);
    const hits = new Map<PathReason | null, number>();
    for (let i = 0; i < 240; i++) {
      const [title, expected, change] = answers[i % answers.length] as (typeof answers)[number];
      const changed = change(random);
      const ocsp = issueOcsp({
        certificate: leaf,
        issuer: ca,
        thisUpdate: now - DAY / 2,
        nextUpdate: now + DAY / 2,
        producedAt: now - DAY / 2,
        ...changed,
      });
      const ours = validateCertificatePath({
        provider: nodeProvider,
        chain: [leaf.der, ca.der],
        anchors: TrustAnchors.from(root.der),
        purpose: 'server',
        atMs: now,
        ocsp,
      });
      const reason = ours.ok ? null : ours.reason;
      expect(reason, title).toBe(expected);
      hits.set(reason, (hits.get(reason) ?? 0) + 1);
      const hash = changed.hash === 'sha256' ? ['-sha256'] : [];
      const args = [
        'ocsp',
        '-respin',
        file(`${i}.der`, ocsp),
        ...hash,
        '-issuer',
        paths.ca,
        '-cert',
        paths.leaf,
      ];
      const { stdout, stderr } = await runPeer(openssl, [...args, '-CAfile', paths.root, '-no_nonce']);
      const said = `${stdout}${stderr}`;
      const verified = said.includes('Response verify OK');
      const good = verified && /leaf\.pem: good/.test(said) && !said.includes('Status times invalid');
      expect(good, `${title}\n${said}`).toBe(ours.ok);
      if (reason === 'revoked') expect(said).toMatch(/leaf\.pem: revoked/);
      if (reason === 'ocsp-unknown') expect(said).toMatch(/leaf\.pem: unknown/);
      if (reason === 'ocsp-expired') expect(said).toMatch(/Status times invalid|status expired/i);
    }
    for (const [reason, count] of hits) expect(count, String(reason)).toBeGreaterThanOrEqual(20);
  }, 120_000);
});

it('holds up must-staple and features on random paths, which OpenSSL has no rule for', () => {
  const random = new Random(7633);
  const hits = new Map<string, number>();
  for (let i = 0; i < 100; i++) {
    const demanded = random.pick([[5], [17], [5, 17], [23]]);
    const own = random.pick([[5], [17], [5, 17], [23], [5, 17, 23]]);
    const above = issueCa('CN=above', { ...within, issuer: root, add: [ext.feature(demanded)] });
    const below = issue({ ...within, issuer: above, add: [ext.feature(own)], omit: [OIDS.aki] });
    const result = validateCertificatePath({
      provider: nodeProvider,
      chain: [below.der, above.der],
      anchors: TrustAnchors.from(root.der),
      purpose: 'server',
      atMs: now,
      ocsp: null,
    });
    const missing = demanded.some((feature) => !own.includes(feature));
    const expected = missing ? 'feature-missing' : own.includes(5) ? 'staple-required' : 'accepted';
    const reason = result.ok ? 'accepted' : result.reason;
    expect(reason).toBe(expected);
    hits.set(reason, (hits.get(reason) ?? 0) + 1);
  }
  expect(hits.get('feature-missing')).toBeGreaterThanOrEqual(20);
  expect(hits.get('staple-required')).toBeGreaterThanOrEqual(20);
});
