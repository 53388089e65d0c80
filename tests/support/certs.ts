/**
 * Throw-away certificates for tests: a root, an intermediate and leaves, made in memory. Nothing here needs
 * a program on the machine.
 */
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AuthorityInfoAccessExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';

export type KeyKind = 'p256' | 'p384' | 'p521' | 'rsa2048' | 'ed25519';

const DAY_MS = 86_400_000;
const EKU = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;
const GENERATE: Record<
  KeyKind,
  webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams | { name: 'Ed25519' }
> = {
  p256: { name: 'ECDSA', namedCurve: 'P-256' },
  p384: { name: 'ECDSA', namedCurve: 'P-384' },
  p521: { name: 'ECDSA', namedCurve: 'P-521' },
  rsa2048: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
  ed25519: { name: 'Ed25519' },
};
const SIGN: Record<KeyKind, { name: string; hash?: string }> = {
  p256: { name: 'ECDSA', hash: 'SHA-256' },
  p384: { name: 'ECDSA', hash: 'SHA-384' },
  p521: { name: 'ECDSA', hash: 'SHA-512' },
  rsa2048: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ed25519: { name: 'Ed25519' },
};

/** A certificate with its private key. */
export interface Credential {
  readonly kind: KeyKind;
  readonly certificate: X509Certificate;
  readonly der: Uint8Array;
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export interface CertificateOptions {
  /** The subject as RFC 4514 text. */
  readonly subject: string;
  readonly kind?: KeyKind;
  /** Who signs; absent, the certificate signs itself. */
  readonly issuer?: Credential;
  /** Names for subjectAltName. */
  readonly names?: readonly { readonly type: 'dns' | 'ip' | 'email' | 'url'; readonly value: string }[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** A CA, with this path length (`Infinity` for none); absent, an end entity. */
  readonly pathLength?: number;
  /** Usages for extKeyUsage; absent, there is no such extension. */
  readonly purposes?: readonly ('server' | 'client')[];
  /** Addresses for authorityInfoAccess. */
  readonly access?: { readonly ocsp: string; readonly caIssuers: string };
  /** Instead of all of these. */
  readonly extensions?: readonly Extension[];
}

async function generateKeys(kind: KeyKind): Promise<webcrypto.CryptoKeyPair> {
  return (await crypto.subtle.generateKey(GENERATE[kind], true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair;
}

function usualExtensions(options: CertificateOptions): Extension[] {
  const { pathLength, purposes, names, access } = options;
  const extensions: Extension[] = [];
  if (pathLength === undefined) {
    extensions.push(new BasicConstraintsExtension(false, undefined, true));
    extensions.push(new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true));
  } else {
    const bound = Number.isFinite(pathLength) ? pathLength : undefined;
    extensions.push(new BasicConstraintsExtension(true, bound, true));
    extensions.push(new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true));
  }
  if (purposes) extensions.push(new ExtendedKeyUsageExtension(purposes.map((purpose) => EKU[purpose])));
  if (names) extensions.push(new SubjectAlternativeNameExtension(names.map((name) => ({ ...name }))));
  if (access) extensions.push(new AuthorityInfoAccessExtension(access));
  return extensions;
}

/** Makes one certificate with a fresh key; valid from yesterday for a month unless told otherwise. */
export async function makeCertificate(options: CertificateOptions): Promise<Credential> {
  const kind = options.kind ?? 'p256';
  const keys = await generateKeys(kind);
  const now = Date.now();
  const signer = options.issuer;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: `01${Buffer.from(crypto.getRandomValues(new Uint8Array(15))).toString('hex')}`,
    subject: options.subject,
    issuer: signer?.certificate.subject ?? options.subject,
    notBefore: options.notBefore ?? new Date(now - DAY_MS),
    notAfter: options.notAfter ?? new Date(now + 30 * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: signer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: SIGN[signer?.kind ?? kind],
    extensions: [...(options.extensions ?? usualExtensions(options))],
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    kind,
    certificate,
    der: new Uint8Array(certificate.rawData),
    certPem: `${certificate.toString('pem')}\n`,
    keyPem: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
    keys,
  };
}

/** A revocation list of an authority, in PEM; good for a day. */
export async function makeCrl(issuer: Credential, revoked: readonly Credential[]): Promise<string> {
  const now = Date.now();
  const list = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(now - DAY_MS),
    nextUpdate: new Date(now + DAY_MS),
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(now - 1000),
    })),
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: SIGN[issuer.kind],
  });
  return `${PemConverter.encode(list.rawData, 'X509 CRL')}\n`;
}

/** A root, an intermediate under it, and a leaf for `localhost`, `127.0.0.1` and `::1`. */
export interface Chain {
  readonly root: Credential;
  readonly intermediate: Credential;
  readonly leaf: Credential;
  /** The root: what a peer is given to trust. */
  readonly caPem: string;
  /** The leaf and then the intermediate: what an end sends. */
  readonly chainPem: string;
  /** The leaf's key, PKCS#8. */
  readonly keyPem: string;
}

export interface ChainOptions {
  /** The leaf's key. P-256 by default. */
  readonly kind?: KeyKind;
  /** The keys of root and intermediate. P-256 by default. */
  readonly caKind?: KeyKind;
  /** DNS names of the leaf. `localhost` by default; the loopback addresses are always there too. */
  readonly names?: readonly string[];
  readonly purposes?: readonly ('server' | 'client')[];
}

export async function makeChain(options: ChainOptions = {}): Promise<Chain> {
  const kind = options.caKind ?? 'p256';
  const root = await makeCertificate({ subject: 'CN=Test Root,O=tlsession', kind, pathLength: Infinity });
  const intermediate = await makeCertificate({
    subject: 'CN=Test Intermediate,O=tlsession',
    kind,
    issuer: root,
    pathLength: 0,
  });
  const names = options.names ?? ['localhost'];
  const leaf = await makeCertificate({
    subject: `CN=${names[0] ?? 'leaf'}`,
    kind: options.kind ?? 'p256',
    issuer: intermediate,
    purposes: options.purposes ?? ['server', 'client'],
    names: [
      ...names.map((value) => ({ type: 'dns' as const, value })),
      { type: 'ip', value: '127.0.0.1' },
      { type: 'ip', value: '::1' },
    ],
  });
  return chainOf(root, intermediate, leaf);
}

export function chainOf(root: Credential, intermediate: Credential, leaf: Credential): Chain {
  return {
    root,
    intermediate,
    leaf,
    caPem: root.certPem,
    chainPem: leaf.certPem + intermediate.certPem,
    keyPem: leaf.keyPem,
  };
}

const shared = new Map<KeyKind, Promise<Chain>>();

/** The usual chain with this kind of leaf key, made once a test file. */
export function testChain(kind: KeyKind = 'p256'): Promise<Chain> {
  let chain = shared.get(kind);
  if (!chain) {
    chain = makeChain({ kind });
    shared.set(kind, chain);
  }
  return chain;
}

/** A chain as files, for programs that take paths. */
export interface ChainFiles extends Disposable {
  readonly folder: string;
  readonly ca: string;
  readonly leaf: string;
  readonly intermediate: string;
  readonly chain: string;
  readonly key: string;
}

/** Writes the chain to a temporary folder, which `using` or `[Symbol.dispose]()` removes. */
export function writeChain(chain: Chain): ChainFiles {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-certs-'));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    folder,
    ca: write('ca.pem', chain.caPem),
    leaf: write('leaf.pem', chain.leaf.certPem),
    intermediate: write('intermediate.pem', chain.intermediate.certPem),
    chain: write('chain.pem', chain.chainPem),
    key: write('key.pem', chain.keyPem),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
