/**
 * The common forms of SubjectPublicKeyInfo (RFC 5480, RFC 8410, RFC 8017) read by hand into a JWK. With
 * OpenSSL 3.0 (Node 20) node:crypto takes 75 to 115 µs for the DER and 3 to 65 µs for the JWK of the same
 * key; with later ones RSA and EdDSA still gain a little, and curves lose. Whatever is not exactly of one of
 * these forms is left to node:crypto.
 */
import type { JsonWebKey } from 'node:crypto';
import type { KeyType } from '../provider.ts';

export interface KnownSpki {
  readonly type: KeyType;
  readonly bits: number;
  readonly jwk: JsonWebKey;
}

interface FixedForm {
  readonly prefix: Uint8Array;
  readonly length: number;
  readonly type: KeyType;
  readonly bits: number;
  readonly kty: 'EC' | 'OKP';
  readonly crv: string;
}

const ID_EC_PUBLIC_KEY = [6, 7, 42, 134, 72, 206, 61, 2, 1];
const FIXED: readonly FixedForm[] = [
  {
    prefix: Uint8Array.of(
      48,
      89,
      48,
      19,
      ...ID_EC_PUBLIC_KEY,
      6,
      8,
      42,
      134,
      72,
      206,
      61,
      3,
      1,
      7,
      3,
      66,
      0,
      4,
    ),
    length: 91,
    type: 'ec-p256',
    bits: 256,
    kty: 'EC',
    crv: 'P-256',
  },
  {
    prefix: Uint8Array.of(48, 118, 48, 16, ...ID_EC_PUBLIC_KEY, 6, 5, 43, 129, 4, 0, 34, 3, 98, 0, 4),
    length: 120,
    type: 'ec-p384',
    bits: 384,
    kty: 'EC',
    crv: 'P-384',
  },
  {
    prefix: Uint8Array.of(
      48,
      129,
      155,
      48,
      16,
      ...ID_EC_PUBLIC_KEY,
      6,
      5,
      43,
      129,
      4,
      0,
      35,
      3,
      129,
      134,
      0,
      4,
    ),
    length: 158,
    type: 'ec-p521',
    bits: 521,
    kty: 'EC',
    crv: 'P-521',
  },
  {
    prefix: Uint8Array.of(48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0),
    length: 44,
    type: 'ed25519',
    bits: 255,
    kty: 'OKP',
    crv: 'Ed25519',
  },
  {
    prefix: Uint8Array.of(48, 67, 48, 5, 6, 3, 43, 101, 113, 3, 58, 0),
    length: 69,
    type: 'ed448',
    bits: 448,
    kty: 'OKP',
    crv: 'Ed448',
  },
];

const SLOW_DECODER = process.versions.openssl.startsWith('3.0.');

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

function base64url(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('base64url');
}

function readFixed(spki: Uint8Array): KnownSpki | null {
  for (const form of FIXED) {
    if (spki.length !== form.length || !startsWith(spki, form.prefix)) continue;
    const start = form.prefix.length;
    if (form.kty === 'EC' && !SLOW_DECODER) return null;
    if (form.kty === 'OKP') {
      const x = base64url(spki, start, spki.length);
      return { type: form.type, bits: form.bits, jwk: { kty: 'OKP', crv: form.crv, x } };
    }
    const middle = start + (spki.length - start) / 2;
    const x = base64url(spki, start, middle);
    const y = base64url(spki, middle, spki.length);
    return { type: form.type, bits: form.bits, jwk: { kty: 'EC', crv: form.crv, x, y } };
  }
  return null;
}

const RSA_ALGORITHM = Uint8Array.of(48, 13, 6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0);

/** Where a DER element's content starts and ends; null unless it has `tag` and a shortest-form length. */
function element(bytes: Uint8Array, at: number, tag: number): { start: number; end: number } | null {
  if (bytes[at] !== tag) return null;
  const first = bytes[at + 1];
  if (first === undefined) return null;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 2) return null;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start++] ?? 0);
    if (length < (count === 1 ? 0x80 : 0x100)) return null;
  }
  return start + length > bytes.length ? null : { start, end: start + length };
}

/** A positive INTEGER's digits without the sign byte. */
function positiveInteger(bytes: Uint8Array, at: number): { start: number; end: number } | null {
  const found = element(bytes, at, 2);
  if (found === null || found.end === found.start) return null;
  const first = bytes[found.start] as number;
  if (first >= 0x80) return null;
  if (first > 0) return found;
  const second = bytes[found.start + 1];
  if (found.end - found.start < 2 || second === undefined || second < 0x80) return null;
  return { start: found.start + 1, end: found.end };
}

function readRsa(spki: Uint8Array): KnownSpki | null {
  const outer = element(spki, 0, 0x30);
  if (outer === null || outer.end !== spki.length) return null;
  if (!startsWith(spki.subarray(outer.start), RSA_ALGORITHM)) return null;
  const bits = element(spki, outer.start + RSA_ALGORITHM.length, 3);
  if (bits === null || bits.end !== spki.length || spki[bits.start] !== 0) return null;
  const key = element(spki, bits.start + 1, 0x30);
  if (key === null || key.end !== spki.length) return null;
  const modulus = positiveInteger(spki, key.start);
  if (modulus === null) return null;
  const exponent = positiveInteger(spki, modulus.end);
  if (exponent === null || exponent.end !== key.end) return null;
  const top = spki[modulus.start] as number;
  return {
    type: 'rsa',
    bits: (modulus.end - modulus.start) * 8 - Math.clz32(top) + 24,
    jwk: {
      kty: 'RSA',
      n: base64url(spki, modulus.start, modulus.end),
      e: base64url(spki, exponent.start, exponent.end),
    },
  };
}

/** Null when the key is of another form, or malformed: node:crypto decides then. */
export function spkiToJwk(spki: Uint8Array): KnownSpki | null {
  return readFixed(spki) ?? readRsa(spki);
}
