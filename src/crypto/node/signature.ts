import * as crypto from 'node:crypto';
import { SignatureScheme, signatureSchemeName } from '../../util/registries.ts';
import type { KeyType, PrivateKey, PublicKey } from '../provider.ts';
import { plain } from './plain.ts';
import { Recent } from './recent.ts';
import { spkiToJwk } from './spki.ts';

type Hash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** How a SignatureScheme is computed: which keys may, with which hash, with which padding. */
interface Method {
  readonly family: 'ecdsa' | 'pkcs1' | 'pss-rsae' | 'pss-pss' | 'ed25519' | 'ed448';
  readonly hash: Hash | null;
}

const METHODS: ReadonlyMap<number, Method> = new Map<number, Method>([
  [SignatureScheme.rsa_pkcs1_sha1, { family: 'pkcs1', hash: 'sha1' }],
  [SignatureScheme.rsa_pkcs1_sha256, { family: 'pkcs1', hash: 'sha256' }],
  [SignatureScheme.rsa_pkcs1_sha384, { family: 'pkcs1', hash: 'sha384' }],
  [SignatureScheme.rsa_pkcs1_sha512, { family: 'pkcs1', hash: 'sha512' }],
  [SignatureScheme.ecdsa_sha1, { family: 'ecdsa', hash: 'sha1' }],
  [SignatureScheme.ecdsa_secp256r1_sha256, { family: 'ecdsa', hash: 'sha256' }],
  [SignatureScheme.ecdsa_secp384r1_sha384, { family: 'ecdsa', hash: 'sha384' }],
  [SignatureScheme.ecdsa_secp521r1_sha512, { family: 'ecdsa', hash: 'sha512' }],
  [SignatureScheme.rsa_pss_rsae_sha256, { family: 'pss-rsae', hash: 'sha256' }],
  [SignatureScheme.rsa_pss_rsae_sha384, { family: 'pss-rsae', hash: 'sha384' }],
  [SignatureScheme.rsa_pss_rsae_sha512, { family: 'pss-rsae', hash: 'sha512' }],
  [SignatureScheme.rsa_pss_pss_sha256, { family: 'pss-pss', hash: 'sha256' }],
  [SignatureScheme.rsa_pss_pss_sha384, { family: 'pss-pss', hash: 'sha384' }],
  [SignatureScheme.rsa_pss_pss_sha512, { family: 'pss-pss', hash: 'sha512' }],
  [SignatureScheme.ed25519, { family: 'ed25519', hash: null }],
  [SignatureScheme.ed448, { family: 'ed448', hash: null }],
]);

function fits(method: Method, type: KeyType): boolean {
  switch (method.family) {
    case 'ecdsa':
      return type === 'ec-p256' || type === 'ec-p384' || type === 'ec-p521';
    case 'pkcs1':
    case 'pss-rsae':
      return type === 'rsa';
    case 'pss-pss':
      return type === 'rsa-pss';
    default:
      return type === method.family;
  }
}

type KeyInput = crypto.KeyObject | { key: crypto.KeyObject; padding: number; saltLength?: number };

function keyInput(method: Method, key: crypto.KeyObject): KeyInput {
  switch (method.family) {
    case 'pkcs1':
      return { key, padding: crypto.constants.RSA_PKCS1_PADDING };
    case 'pss-rsae':
    case 'pss-pss':
      return {
        key,
        padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
        saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
      };
    default:
      return key;
  }
}

/** What kind of key it is and how long; null for a kind that TLS has no scheme for. */
function describe(key: crypto.KeyObject): { type: KeyType; bits: number } | null {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType as string | undefined) {
    case 'rsa':
      return { type: 'rsa', bits: details?.modulusLength ?? 0 };
    case 'rsa-pss':
      return { type: 'rsa-pss', bits: details?.modulusLength ?? 0 };
    case 'ed25519':
      return { type: 'ed25519', bits: 255 };
    case 'ed448':
      return { type: 'ed448', bits: 448 };
    case 'ec':
      switch (details?.namedCurve) {
        case 'prime256v1':
          return { type: 'ec-p256', bits: 256 };
        case 'secp384r1':
          return { type: 'ec-p384', bits: 384 };
        case 'secp521r1':
          return { type: 'ec-p521', bits: 521 };
        default:
          return null;
      }
    default:
      return null;
  }
}

class NodePublicKey implements PublicKey {
  readonly type: KeyType;
  readonly bits: number;
  readonly #key: crypto.KeyObject;

  constructor(key: crypto.KeyObject, type: KeyType, bits: number) {
    this.#key = key;
    this.type = type;
    this.bits = bits;
  }

  verify(scheme: number, data: Uint8Array, signature: Uint8Array): boolean {
    const method = METHODS.get(scheme);
    if (method === undefined || !fits(method, this.type)) return false;
    // RFC 8017, 8.1.2 and 8.2.2, step 1: as long as the modulus. OpenSSL also takes one without its leading zeros.
    if (this.type.startsWith('rsa') && signature.length !== (this.bits + 7) >> 3) return false;
    try {
      return crypto.verify(method.hash, data, keyInput(method, this.#key), signature);
    } catch {
      return false;
    }
  }
}

class NodePrivateKey implements PrivateKey {
  readonly type: KeyType;
  readonly bits: number;
  readonly #key: crypto.KeyObject;

  constructor(key: crypto.KeyObject, type: KeyType, bits: number) {
    this.#key = key;
    this.type = type;
    this.bits = bits;
  }

  sign(scheme: number, data: Uint8Array): Uint8Array {
    const method = METHODS.get(scheme);
    if (method === undefined || !fits(method, this.type)) {
      throw new TypeError(`a key of type ${this.type} cannot sign ${signatureSchemeName(scheme)}`);
    }
    return plain(crypto.sign(method.hash, data, keyInput(method, this.#key)));
  }
}

/**
 * Imported public keys, by their SubjectPublicKeyInfo. With OpenSSL 3.0 the import of a P-256 key costs as
 * much as a signature's verification with it, and most clients meet the same few servers and authorities.
 */
const recentKeys = new Recent<NodePublicKey>(128);
/** The largest key that is remembered: RSA of 8192 bits takes some 1060 bytes. */
const MAX_RECENT_SPKI = 1200;

export function importNodePublicKey(spki: Uint8Array): PublicKey | null {
  const bytes = Buffer.from(spki.buffer, spki.byteOffset, spki.length);
  if (spki.length > MAX_RECENT_SPKI) return importAnew(bytes);
  const name = bytes.toString('latin1');
  const known = recentKeys.get(name);
  if (known !== undefined) return known;
  const key = importAnew(bytes);
  if (key !== null) recentKeys.set(name, key);
  return key;
}

function importAnew(spki: Buffer): NodePublicKey | null {
  try {
    const known = spkiToJwk(spki);
    if (known !== null) {
      const key = crypto.createPublicKey({ key: known.jwk, format: 'jwk' });
      return new NodePublicKey(key, known.type, known.bits);
    }
    const key = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const found = describe(key);
    return found === null ? null : new NodePublicKey(key, found.type, found.bits);
  } catch {
    return null;
  }
}

const DER_TYPES = ['pkcs8', 'sec1', 'pkcs1'] as const;

function parsePem(pem: string, passphrase: string | undefined): crypto.KeyObject {
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(pem)?.[1];
  if (label === undefined) throw new TypeError('not a private key: neither PEM nor DER');
  if (!/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(pem)) {
    throw new TypeError(`not a private key: the PEM text holds a ${label}`);
  }
  try {
    return crypto.createPrivateKey(
      passphrase === undefined ? { key: pem, format: 'pem' } : { key: pem, format: 'pem', passphrase },
    );
  } catch (cause) {
    const encrypted = label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type:.*ENCRYPTED/m.test(pem);
    if (!encrypted) throw new TypeError('the private key in the PEM text is malformed', { cause });
    throw new TypeError(
      passphrase === undefined
        ? 'the private key is encrypted, and no passphrase was given'
        : 'the private key is encrypted, and the passphrase does not open it',
      { cause },
    );
  }
}

function parseDer(der: Uint8Array, passphrase: string | undefined): crypto.KeyObject {
  const key = Buffer.from(der.buffer, der.byteOffset, der.length);
  for (const type of DER_TYPES) {
    try {
      return crypto.createPrivateKey(
        passphrase === undefined ? { key, format: 'der', type } : { key, format: 'der', type, passphrase },
      );
    } catch {
      // Not of this form: the next, or the error below.
    }
  }
  throw new TypeError(
    passphrase === undefined
      ? 'not a private key: the DER bytes are neither PKCS#8 nor SEC1 nor PKCS#1, or they are encrypted'
      : 'not a private key: the DER bytes are neither PKCS#8 nor SEC1 nor PKCS#1, or the passphrase does not open them',
  );
}

function startsLikePem(bytes: Uint8Array): boolean {
  // DER of a key is a SEQUENCE (0x30); what starts otherwise is taken for text, with its preamble if any.
  return bytes[0] !== 0x30;
}

export function importNodePrivateKey(input: string | Uint8Array, passphrase?: string): PrivateKey {
  let key: crypto.KeyObject;
  if (typeof input === 'string') {
    key = parsePem(input, passphrase);
  } else if (startsLikePem(input)) {
    const text = Buffer.from(input.buffer, input.byteOffset, input.length).toString('latin1');
    key = parsePem(text, passphrase);
  } else {
    key = parseDer(input, passphrase);
  }
  const found = describe(key);
  if (found === null) {
    const what = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'unknown';
    throw new TypeError(`a private key of a kind that TLS cannot use here: ${what}`);
  }
  return new NodePrivateKey(key, found.type, found.bits);
}
