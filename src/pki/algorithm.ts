/**
 * Which keys and signatures certificates may have. Signature algorithms are mapped to the TLS code points
 * that the crypto provider verifies by (RFC 8446, 4.2.3); what has no such code point is not verified.
 */
import { latin1 } from '../util/bytes.ts';
import { contextConstructed, DerReader, DerTag } from '../util/der.ts';
import { DecodeError } from '../util/errors.ts';
import { SignatureScheme } from '../util/registries.ts';
import { oidFromText, oidKey } from './oid.ts';

export type CertificateKeyType = 'rsa' | 'rsa-pss' | 'ec-p256' | 'ec-p384' | 'ec-p521' | 'ed25519' | 'ed448';

export interface CertificateKey {
  readonly type: CertificateKeyType;
  /** Modulus length for RSA, field size for curves. */
  readonly bits: number;
}

const OID_RSA = oidFromText('1.2.840.113549.1.1.1');
const OID_RSA_PSS = oidFromText('1.2.840.113549.1.1.10');
const OID_MGF1 = oidFromText('1.2.840.113549.1.1.8');
const OID_EC = oidFromText('1.2.840.10045.2.1');
const OID_ED25519 = oidFromText('1.3.101.112');
const OID_ED448 = oidFromText('1.3.101.113');

const CURVES: ReadonlyMap<string, readonly [CertificateKeyType, number]> = new Map([
  [oidFromText('1.2.840.10045.3.1.7'), ['ec-p256', 256]],
  [oidFromText('1.3.132.0.34'), ['ec-p384', 384]],
  [oidFromText('1.3.132.0.35'), ['ec-p521', 521]],
]);

/** Which keys may sign and be certified, and which signatures count. Applies to every key of a path. */
export interface AlgorithmPolicy {
  readonly keys: readonly CertificateKeyType[];
  /** Smallest and largest RSA modulus in bits: below is weak, above only costs time. */
  readonly rsaMinBits: number;
  readonly rsaMaxBits: number;
  readonly hashes: readonly SignatureHash[];
}

/** Hashes under signatures; `intrinsic` is EdDSA's own. SHA-1 and older are not to be had. */
export type SignatureHash = 'sha256' | 'sha384' | 'sha512' | 'intrinsic';

/** The policy of both profiles. */
export const defaultAlgorithms: AlgorithmPolicy = Object.freeze({
  keys: ['rsa', 'rsa-pss', 'ec-p256', 'ec-p384', 'ec-p521', 'ed25519', 'ed448'] as const,
  rsaMinBits: 2048,
  rsaMaxBits: 8192,
  hashes: ['sha256', 'sha384', 'sha512', 'intrinsic'] as const,
});

/** Why the policy does not allow a key, as a sentence part; null when it does. */
export function refuseKey(key: CertificateKey, allowed: AlgorithmPolicy): string | null {
  if (!allowed.keys.includes(key.type)) return `a key of type ${key.type}`;
  if (key.type !== 'rsa' && key.type !== 'rsa-pss') return null;
  if (key.bits < allowed.rsaMinBits) return `an RSA key of ${key.bits} bits, less than ${allowed.rsaMinBits}`;
  if (key.bits > allowed.rsaMaxBits) return `an RSA key of ${key.bits} bits, more than ${allowed.rsaMaxBits}`;
  return null;
}

/** Largest public exponent, in bits: a longer one makes verifying as slow as signing. */
const RSA_MAX_EXPONENT_BITS = 33;

function bitLength(magnitude: Uint8Array): number {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start++;
  if (start === magnitude.length) return 0;
  return (magnitude.length - start) * 8 - (Math.clz32(magnitude[start] as number) - 24);
}

function rsaBits(publicKey: Uint8Array): number | string {
  const outer = new DerReader(publicKey);
  const reader = outer.readSequence();
  outer.end();
  const modulus = reader.readIntegerBytes();
  const exponent = reader.readIntegerBytes();
  reader.end();
  if (((modulus[0] as number) | (exponent[0] as number)) & 0x80) return 'a negative RSA key';
  const bits = bitLength(modulus);
  const exponentBits = bitLength(exponent);
  const odd = ((modulus[modulus.length - 1] as number) & (exponent[exponent.length - 1] as number) & 1) === 1;
  if (!odd || exponentBits < 2) return 'an RSA key that is no RSA key';
  if (exponentBits > RSA_MAX_EXPONENT_BITS) return `an RSA exponent of ${exponentBits} bits`;
  return bits;
}

/**
 * What kind of key a SubjectPublicKeyInfo holds, or a sentence part that says why it is not allowed. Only
 * the form is looked at; whether a point lies on its curve is the provider's to find out.
 */
export function readKey(spki: Uint8Array): CertificateKey | string {
  try {
    const outer = new DerReader(spki);
    const info = outer.readSequence();
    outer.end();
    const algorithm = info.readSequence();
    const oid = oidKey(algorithm.readOid());
    const publicKey = info.readBitString();
    info.end();
    switch (oid) {
      case OID_RSA:
      case OID_RSA_PSS: {
        if (oid === OID_RSA) algorithm.readNull();
        else if (!algorithm.done) {
          // The key is bound to one hash: fine as long as the signature says the same, which it must by itself.
          algorithm.readSequence();
        }
        algorithm.end();
        const bits = rsaBits(publicKey);
        if (typeof bits === 'string') return bits;
        return { type: oid === OID_RSA ? 'rsa' : 'rsa-pss', bits };
      }
      case OID_EC: {
        if (algorithm.peekTag() !== DerTag.oid) return 'an elliptic curve that is not given by its name';
        const curve = CURVES.get(oidKey(algorithm.readOid()));
        algorithm.end();
        if (curve === undefined) return 'an elliptic curve that is not allowed';
        const size = Math.ceil(curve[1] / 8);
        const form = publicKey[0];
        const whole = form === 0x04 && publicKey.length === 1 + 2 * size;
        const compressed = (form === 0x02 || form === 0x03) && publicKey.length === 1 + size;
        return whole || compressed ? { type: curve[0], bits: curve[1] } : 'a malformed elliptic curve point';
      }
      case OID_ED25519:
      case OID_ED448: {
        algorithm.end();
        const size = oid === OID_ED25519 ? 32 : 57;
        if (publicKey.length !== size) return 'a malformed Edwards curve key';
        return oid === OID_ED25519 ? { type: 'ed25519', bits: 255 } : { type: 'ed448', bits: 448 };
      }
      default:
        return 'a kind of key that is not allowed';
    }
  } catch (error) {
    if (error instanceof DecodeError) return `a malformed key (${error.message})`;
    throw error;
  }
}

/** A signature algorithm: its hash, and the code point to verify by for each type of key that it fits. */
export interface SignatureAlgorithm {
  readonly hash: SignatureHash;
  readonly schemes: Partial<Record<CertificateKeyType, number>>;
}

function ecdsa(hash: SignatureHash, scheme: number): SignatureAlgorithm {
  // In X.509 the hash does not fix the curve (RFC 5758, 3.2).
  return { hash, schemes: { 'ec-p256': scheme, 'ec-p384': scheme, 'ec-p521': scheme } };
}

const NULL_PARAMETERS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  [
    oidFromText('1.2.840.113549.1.1.11'),
    { hash: 'sha256', schemes: { rsa: SignatureScheme.rsa_pkcs1_sha256 } },
  ],
  [
    oidFromText('1.2.840.113549.1.1.12'),
    { hash: 'sha384', schemes: { rsa: SignatureScheme.rsa_pkcs1_sha384 } },
  ],
  [
    oidFromText('1.2.840.113549.1.1.13'),
    { hash: 'sha512', schemes: { rsa: SignatureScheme.rsa_pkcs1_sha512 } },
  ],
]);

const NO_PARAMETERS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  [oidFromText('1.2.840.10045.4.3.2'), ecdsa('sha256', SignatureScheme.ecdsa_secp256r1_sha256)],
  [oidFromText('1.2.840.10045.4.3.3'), ecdsa('sha384', SignatureScheme.ecdsa_secp384r1_sha384)],
  [oidFromText('1.2.840.10045.4.3.4'), ecdsa('sha512', SignatureScheme.ecdsa_secp521r1_sha512)],
  [OID_ED25519, { hash: 'intrinsic', schemes: { ed25519: SignatureScheme.ed25519 } }],
  [OID_ED448, { hash: 'intrinsic', schemes: { ed448: SignatureScheme.ed448 } }],
]);

const WEAK: ReadonlyMap<string, string> = new Map([
  [oidFromText('1.2.840.113549.1.1.2'), 'MD2'],
  [oidFromText('1.2.840.113549.1.1.3'), 'MD4'],
  [oidFromText('1.2.840.113549.1.1.4'), 'MD5'],
  [oidFromText('1.2.840.113549.1.1.5'), 'SHA-1'],
  [oidFromText('1.3.14.3.2.29'), 'SHA-1'],
  [oidFromText('1.2.840.10045.4.1'), 'SHA-1'],
  [oidFromText('1.2.840.10040.4.3'), 'DSA with SHA-1'],
]);

function pss(hash: SignatureHash, rsae: number, own: number): SignatureAlgorithm {
  return { hash, schemes: { rsa: rsae, 'rsa-pss': own } };
}

const PSS_BY_HASH: ReadonlyMap<string, readonly [saltLength: number, SignatureAlgorithm]> = new Map([
  [
    oidFromText('2.16.840.1.101.3.4.2.1'),
    [32, pss('sha256', SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.rsa_pss_pss_sha256)],
  ],
  [
    oidFromText('2.16.840.1.101.3.4.2.2'),
    [48, pss('sha384', SignatureScheme.rsa_pss_rsae_sha384, SignatureScheme.rsa_pss_pss_sha384)],
  ],
  [
    oidFromText('2.16.840.1.101.3.4.2.3'),
    [64, pss('sha512', SignatureScheme.rsa_pss_rsae_sha512, SignatureScheme.rsa_pss_pss_sha512)],
  ],
]);

/** AlgorithmIdentifier of a hash, with NULL parameters or none (RFC 4055, 2.1). */
function readHash(reader: DerReader): string {
  const algorithm = reader.readSequence();
  const hash = oidKey(algorithm.readOid());
  if (!algorithm.done) algorithm.readNull();
  algorithm.end();
  return hash;
}

/** RSASSA-PSS-params (RFC 4055, 3.1), of which only TLS's choice is taken: one hash, a salt as long as it. */
function readPss(parameters: DerReader): SignatureAlgorithm | string {
  const params = parameters.readSequence();
  const refused = 'RSA-PSS with SHA-1 or with unusual parameters';
  const hashField = params.readOptional(contextConstructed(0));
  if (hashField === null) return refused;
  const hash = readHash(hashField);
  hashField.end();
  const maskField = params.readOptional(contextConstructed(1));
  if (maskField === null) return refused;
  const mask = maskField.readSequence();
  if (oidKey(mask.readOid()) !== OID_MGF1) return refused;
  const maskHash = readHash(mask);
  mask.end();
  maskField.end();
  const saltField = params.readOptional(contextConstructed(2));
  if (saltField === null) return refused;
  const salt = saltField.readInteger(0, 0xffff);
  saltField.end();
  params.end();
  const known = PSS_BY_HASH.get(hash);
  if (known === undefined || maskHash !== hash || salt !== known[0]) return refused;
  return known[1];
}

const cache = new Map<string, SignatureAlgorithm | string>();
/** The identifiers that are allowed are few; a bound keeps a stream of odd ones from growing the table. */
const CACHE_LIMIT = 64;

/** What an AlgorithmIdentifier stands for, or a sentence part that says why it is not allowed. */
export function readSignatureAlgorithm(der: Uint8Array): SignatureAlgorithm | string {
  if (der.length > 128) return 'a signature algorithm that is not allowed';
  const key = latin1(der);
  const known = cache.get(key);
  if (known !== undefined) return known;
  const result = decodeSignatureAlgorithm(der);
  if (cache.size < CACHE_LIMIT) cache.set(key, result);
  return result;
}

/** Signatures by MD5 or SHA-1, which RFC 5929 has SHA-256 stand in for. */
const REPLACED: ReadonlySet<string> = new Set(
  [
    '1.2.840.113549.1.1.4',
    '1.2.840.113549.1.1.5',
    '1.3.14.3.2.29',
    '1.2.840.10045.4.1',
    '1.2.840.10040.4.3',
  ].map(oidFromText),
);

/**
 * The hash that tls-server-end-point takes of a certificate with this signatureAlgorithm (RFC 5929, 4.1). Null where
 * that is not defined: for EdDSA, and for what is not known here.
 */
export function endPointHash(der: Uint8Array): 'sha256' | 'sha384' | 'sha512' | null {
  const known = readSignatureAlgorithm(der);
  if (typeof known !== 'string') return known.hash === 'intrinsic' ? null : known.hash;
  try {
    const oid = oidKey(new DerReader(der).readSequence().readOid());
    return REPLACED.has(oid) ? 'sha256' : null;
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

function decodeSignatureAlgorithm(der: Uint8Array): SignatureAlgorithm | string {
  try {
    const outer = new DerReader(der);
    const reader = outer.readSequence();
    outer.end();
    const oid = oidKey(reader.readOid());
    const weak = WEAK.get(oid);
    if (weak !== undefined) return `a signature with ${weak}`;
    const none = NO_PARAMETERS.get(oid);
    if (none !== undefined) {
      reader.end();
      return none;
    }
    const nulled = NULL_PARAMETERS.get(oid);
    if (nulled !== undefined) {
      // RFC 4055, 5: NULL must be written, and its absence must be understood.
      if (!reader.done) reader.readNull();
      reader.end();
      return nulled;
    }
    if (oid === OID_RSA_PSS) {
      const schemes = readPss(reader);
      reader.end();
      return schemes;
    }
    return 'a signature algorithm that is not allowed';
  } catch (error) {
    if (error instanceof DecodeError) return `a malformed signature algorithm (${error.message})`;
    throw error;
  }
}

/**
 * What verifying one signature costs, in units of a P-256 verification (about 0.15 ms where this was
 * measured), keys being imported each time.
 */
export function verificationCost(key: CertificateKey): number {
  switch (key.type) {
    case 'rsa':
    case 'rsa-pss':
      return Math.max(0.5, (key.bits / 4096) ** 2);
    case 'ec-p256':
    case 'ed25519':
      return 1;
    case 'ec-p384':
      return 5;
    default:
      return 8;
  }
}
