import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TrustAnchors } from '../../src/pki/anchors.ts';
import { RevocationLists } from '../../src/pki/crl.ts';
import type { PathOptions } from '../../src/pki/result.ts';
import { validateCertificatePath } from '../../src/pki/validate.ts';
import { pem } from './der.ts';
import { DAY, EKU, ext, generalName, issue, issueCa, OIDS, type TestCertificate } from './make.ts';
import { issueCrl } from './make-status.ts';

/** node:tls judges by the machine's clock, so these paths are made around it. */
const now = Math.floor(Date.now() / 1000) * 1000;
const within = { notBefore: now - DAY, notAfter: now + DAY };
const ca = (subject: string, spec: Parameters<typeof issueCa>[1] = {}): TestCertificate =>
  issueCa(subject, { ...within, ...spec });
const end = (spec: Parameters<typeof issue>[0] = {}): TestCertificate =>
  issue({ ...within, names: [generalName.dns('example.com')], ...spec });

const root = ca('CN=root');
const inner = ca('CN=inner', { issuer: root });
const leaf = end({ issuer: inner });
const stranger = ca('CN=stranger');

interface Scene {
  readonly title: string;
  readonly chain: readonly TestCertificate[];
  readonly trusted: TestCertificate;
  readonly name?: string;
  readonly crls?: readonly Uint8Array[];
  readonly code: string | null;
}

const scenes: readonly Scene[] = [
  { title: 'a good path', chain: [leaf, inner], trusted: root, code: null },
  { title: 'a good path that ends in its root', chain: [leaf, inner, root], trusted: root, code: null },
  {
    title: 'a self-signed leaf',
    chain: [end({ subject: 'CN=self' })],
    trusted: root,
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  },
  {
    title: 'a root that is not trusted',
    chain: [leaf, inner, root],
    trusted: stranger,
    code: 'SELF_SIGNED_CERT_IN_CHAIN',
  },
  { title: 'a leaf alone', chain: [leaf], trusted: root, code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
  {
    title: 'a CA whose issuer is missing',
    chain: [leaf, inner],
    trusted: stranger,
    code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  },
  {
    title: 'a leaf that has expired',
    chain: [end({ issuer: inner, notBefore: now - 2 * DAY, notAfter: now - DAY }), inner],
    trusted: root,
    code: 'CERT_HAS_EXPIRED',
  },
  {
    title: 'a CA that has expired',
    chain: [leaf, ca('CN=inner', { issuer: root, notBefore: now - 2 * DAY, notAfter: now - DAY })],
    trusted: root,
    code: 'CERT_HAS_EXPIRED',
  },
  {
    title: 'a leaf that is not valid yet',
    chain: [end({ issuer: inner, notBefore: now + DAY, notAfter: now + 2 * DAY }), inner],
    trusted: root,
    code: 'CERT_NOT_YET_VALID',
  },
  {
    title: 'a broken signature',
    chain: [end({ issuer: inner, breakSignature: true }), inner],
    trusted: root,
    code: 'CERT_SIGNATURE_FAILURE',
  },
  {
    title: 'an issuer that is no CA',
    chain: [leaf, ca('CN=inner', { issuer: root, add: [ext.basic(false)], omit: [OIDS.usage] })],
    trusted: root,
    code: 'INVALID_PURPOSE',
  },
  {
    title: 'a path length',
    chain: [leaf, inner],
    trusted: ca('CN=root', { pathLength: 0 }),
    code: 'PATH_LENGTH_EXCEEDED',
  },
  {
    title: 'a leaf for clients',
    chain: [end({ issuer: inner, purposes: [EKU.client] }), inner],
    trusted: root,
    code: 'INVALID_PURPOSE',
  },
  {
    title: 'another name',
    chain: [leaf, inner],
    trusted: root,
    name: 'example.org',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  {
    title: 'a revoked leaf',
    chain: [leaf, inner],
    trusted: root,
    crls: [
      issueCrl({
        issuer: inner,
        thisUpdate: now - DAY,
        nextUpdate: now + DAY,
        revoked: [{ serial: leaf.serial, atMs: now - DAY }],
      }),
      issueCrl({ issuer: root, thisUpdate: now - DAY, nextUpdate: now + DAY }),
    ],
    code: 'CERT_REVOKED',
  },
  {
    title: 'a list that has expired',
    chain: [leaf, inner],
    trusted: root,
    crls: [
      issueCrl({ issuer: inner, thisUpdate: now - 2 * DAY, nextUpdate: now - DAY }),
      issueCrl({ issuer: root, thisUpdate: now - DAY, nextUpdate: now + DAY }),
    ],
    code: 'CRL_HAS_EXPIRED',
  },
  {
    title: 'a list whose signature is broken',
    chain: [leaf, inner],
    trusted: root,
    crls: [
      issueCrl({ issuer: inner, thisUpdate: now - DAY, nextUpdate: now + DAY, breakSignature: true }),
      issueCrl({ issuer: root, thisUpdate: now - DAY, nextUpdate: now + DAY }),
    ],
    code: 'CRL_SIGNATURE_FAILURE',
  },
  {
    title: 'a list that is missing',
    chain: [leaf, inner],
    trusted: root,
    crls: [issueCrl({ issuer: root, thisUpdate: now - DAY, nextUpdate: now + DAY })],
    code: 'UNABLE_TO_GET_CRL',
  },
  {
    title: 'an issuer without keyCertSign',
    chain: [leaf, ca('CN=inner', { issuer: root, add: [ext.usage(['cRLSign'])] })],
    trusted: root,
    code: 'UNSPECIFIED',
  },
  {
    title: 'a leaf whose key is for data alone',
    chain: [end({ issuer: inner, add: [ext.usage(['dataEncipherment'])] }), inner],
    trusted: root,
    code: 'INVALID_PURPOSE',
  },
  {
    title: 'a CA for clients',
    chain: [leaf, ca('CN=inner', { issuer: root, purposes: [EKU.client] })],
    trusted: root,
    code: 'INVALID_PURPOSE',
  },
  {
    title: 'an unknown critical extension',
    chain: [end({ issuer: inner, add: [ext.raw('1.2.3.4', true, Uint8Array.of(5, 0))] }), inner],
    trusted: root,
    code: 'UNSPECIFIED',
  },
  {
    title: 'a name outside of the permitted',
    chain: [leaf, ca('CN=inner', { issuer: root, add: [ext.names([generalName.dns('example.org')], [])] })],
    trusted: root,
    code: 'UNSPECIFIED',
  },
  {
    title: 'an excluded name',
    chain: [leaf, ca('CN=inner', { issuer: root, add: [ext.names([], [generalName.dns('example.com')])] })],
    trusted: root,
    code: 'UNSPECIFIED',
  },
  {
    title: 'an issuer of version 1',
    chain: [leaf, ca('CN=inner', { issuer: root, version: 1, extensions: null })],
    trusted: root,
    code: 'INVALID_PURPOSE',
  },
  {
    title: 'a list with an unknown critical extension',
    chain: [leaf, inner],
    trusted: root,
    crls: [
      issueCrl({
        issuer: inner,
        thisUpdate: now - DAY,
        nextUpdate: now + DAY,
        add: [ext.raw('1.2.3.4', true, Uint8Array.of(5, 0))],
      }),
      issueCrl({ issuer: root, thisUpdate: now - DAY, nextUpdate: now + DAY }),
    ],
    code: 'UNSPECIFIED',
  },
  {
    title: 'a list that is not valid yet',
    chain: [leaf, inner],
    trusted: root,
    crls: [
      issueCrl({ issuer: inner, thisUpdate: now + DAY, nextUpdate: now + 2 * DAY }),
      issueCrl({ issuer: root, thisUpdate: now - DAY, nextUpdate: now + DAY }),
    ],
    code: 'CRL_NOT_YET_VALID',
  },
];

/** What node:tls says of the same path. */
async function askNode(scene: Scene): Promise<string | null> {
  const [first] = scene.chain as [TestCertificate];
  const server = tls.createServer({
    cert: scene.chain.map(({ der }) => pem(der)).join(''),
    key: first.key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const socket = tls.connect({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      servername: scene.name ?? 'example.com',
      ca: pem(scene.trusted.der),
      rejectUnauthorized: false,
      ...(scene.crls === undefined ? {} : { crl: scene.crls.map((der) => pem(der, 'X509 CRL')) }),
    });
    await once(socket, 'secureConnect');
    const code = socket.authorized ? null : (socket.authorizationError as unknown as string | null);
    socket.destroy();
    return code;
  } finally {
    server.close();
  }
}

describe('authorizationError', () => {
  it.each(scenes.map((scene) => [scene.title, scene] as const))('%s', async (_, scene) => {
    const options: Partial<PathOptions> =
      scene.crls === undefined ? {} : { crls: RevocationLists.from(scene.crls), requireCrl: 'chain' };
    const result = validateCertificatePath({
      provider: nodeProvider,
      chain: scene.chain.map(({ der }) => der),
      anchors: TrustAnchors.from(scene.trusted.der),
      purpose: 'server',
      name: scene.name ?? 'example.com',
      atMs: now,
      ...options,
    });
    expect(result.ok ? null : result.nodeCode).toBe(scene.code);
    expect(await askNode(scene)).toBe(scene.code);
  });
});
