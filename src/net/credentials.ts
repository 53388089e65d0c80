/** Keys and certificates as createSecureContext takes them: PEM, DER, PKCS#12. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Credential } from '../handshake/config.ts';
import { certificateBytes } from '../pki/anchors.ts';
import { copyBytes } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { requireString, requireTextOrBytes } from './node-errors.ts';
import { type Pkcs12, readPkcs12 } from './pkcs12.ts';

/** PEM, or DER for certificates. */
export type CertificateInput = string | NodeJS.ArrayBufferView;
export type KeyInput =
  | string
  | NodeJS.ArrayBufferView
  | { readonly pem: string | NodeJS.ArrayBufferView; readonly passphrase?: string | undefined };
/** DER, as bytes or with a character a byte. */
export type PfxInput =
  | string
  | NodeJS.ArrayBufferView
  | { readonly buf: string | NodeJS.ArrayBufferView; readonly passphrase?: string | undefined };

export interface CredentialOptions {
  /** Certificate chains, leaf first, each in one text; one for each key. */
  readonly cert?: CertificateInput | readonly CertificateInput[] | null | undefined;
  readonly key?: KeyInput | readonly KeyInput[] | null | undefined;
  /** Of keys and of PFX files. */
  readonly passphrase?: string | undefined;
  /** PKCS#12: a key, its certificate, and others, which are sent where they fit and trusted. */
  readonly pfx?: PfxInput | readonly PfxInput[] | null | undefined;
}

export interface Credentials {
  readonly credentials: readonly Credential[];
  /** Certificates that came with a PFX and are trusted, as node:tls does. DER. */
  readonly alsoTrusted: readonly Uint8Array[];
}

/** One or more, as a list. */
export function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

/** Text as it is, bytes as a copy. @throws {CodedTypeError} for anything else. */
export function textOrBytes(value: string | NodeJS.ArrayBufferView, name: string): string | Uint8Array {
  requireTextOrBytes(value, name);
  if (typeof value === 'string') return value;
  return copyBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
}

/**
 * @throws {UsageError} `ERR_OSSL_X509_KEY_VALUES_MISMATCH` for a key without its certificate; what node:crypto
 * throws for a key that it cannot read; what readPkcs12() throws.
 */
export function readCredentials(options: CredentialOptions, provider: CryptoProvider): Credentials {
  const { cert, key, passphrase } = options;
  const chains = cert ? listOf<CertificateInput>(cert).map((input) => readChain(input)) : [];
  const credentials: Credential[] = [];
  if (key) {
    for (const input of listOf<KeyInput>(key)) {
      const { pem, phrase } = keyParts(input, passphrase);
      // A key alone is nothing yet: the certificate may be another context's.
      if (chains.length > 0) credentials.push(pair(pem, phrase, chains, provider));
    }
  }
  const alsoTrusted: Uint8Array[] = [];
  if (options.pfx) {
    for (const input of listOf<PfxInput>(options.pfx)) {
      const { keyPem, certificates } = readPfx(input, passphrase);
      if (keyPem === null) {
        alsoTrusted.push(...certificates);
        continue;
      }
      const found = certificates.map((der) => [der]);
      const credential = pair(keyPem, undefined, found, provider);
      const [leaf] = credential.chain as [Uint8Array];
      const others = certificates.filter((der) => der !== leaf);
      credentials.push({ ...credential, chain: [leaf, ...chainOf(leaf, others)] });
      alsoTrusted.push(...others);
    }
  }
  return { credentials, alsoTrusted };
}

function readChain(input: CertificateInput): Uint8Array[] {
  return certificateBytes(textOrBytes(input, 'options.cert')).map(copyBytes);
}

/** As with OpenSSL, a chain goes with the key that is its own, whatever the order. */
function pair(
  pem: string | Uint8Array,
  phrase: string | undefined,
  chains: readonly (readonly Uint8Array[])[],
  provider: CryptoProvider,
): Credential {
  // First, so that what is wrong is told in OpenSSL's words. A passphrase that is missing is an empty one.
  const nodeKey = createPrivateKey({
    key: typeof pem === 'string' ? pem : Buffer.from(pem),
    passphrase: phrase ?? '',
  });
  const privateKey = provider.importPrivateKey(pem, phrase);
  const chain = chains.find((candidate) =>
    new X509Certificate(candidate[0] as Uint8Array).checkPrivateKey(nodeKey),
  );
  if (chain === undefined) {
    throw new UsageError(
      'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
      'key values mismatch: no certificate has the public half of the private key',
    );
  }
  return { chain, keyType: privateKey.type, keyBits: privateKey.bits, key: privateKey };
}

function keyParts(
  input: KeyInput,
  passphrase: string | undefined,
): { pem: string | Uint8Array; phrase: string | undefined } {
  const parts =
    typeof input === 'object' && input !== null && !ArrayBuffer.isView(input) && 'pem' in input
      ? input
      : null;
  const pem = textOrBytes((parts?.pem ?? input) as string | NodeJS.ArrayBufferView, 'options.key');
  const phrase = parts?.passphrase ?? passphrase ?? undefined;
  if (phrase !== undefined) requireString(phrase, 'options.passphrase');
  return { pem, phrase };
}

function readPfx(input: PfxInput, passphrase: string | undefined): Pkcs12 {
  const parts = typeof input === 'object' && input !== null && !ArrayBuffer.isView(input) ? input : null;
  const value = textOrBytes((parts?.buf ?? input) as string | NodeJS.ArrayBufferView, 'options.pfx');
  const phrase = parts?.passphrase ?? passphrase ?? '';
  requireString(phrase, 'options.passphrase');
  return readPkcs12(typeof value === 'string' ? Buffer.from(value, 'latin1') : value, phrase);
}

/** The issuers of a leaf, upwards, without the root. */
function chainOf(leaf: Uint8Array, others: readonly Uint8Array[]): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const rest = others.map((der) => ({ der, certificate: new X509Certificate(der) }));
  for (let last = new X509Certificate(leaf); ; ) {
    const at = rest.findIndex(({ certificate }) => last.checkIssued(certificate));
    const [issuer] = at === -1 ? [] : rest.splice(at, 1);
    if (issuer === undefined || issuer.certificate.checkIssued(issuer.certificate)) return chain;
    chain.push(issuer.der);
    last = issuer.certificate;
  }
}
