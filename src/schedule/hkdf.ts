/** HKDF (RFC 5869) as TLS 1.3 uses it: HKDF-Expand-Label (RFC 8446, 7.1). */
import type { CryptoProvider, HmacKey } from '../crypto/provider.ts';
import { EMPTY, utf8 } from '../util/bytes.ts';

/** The hashes that TLS 1.3's suites and TLS 1.2's PRF are made with. */
export type ScheduleHash = 'sha256' | 'sha384';

export function hashLength(hash: ScheduleHash): 32 | 48 {
  return hash === 'sha256' ? 32 : 48;
}

const PREFIX = 'tls13 ';
/** label<7..255> with the prefix. */
const MAX_LABEL = 255 - PREFIX.length;

/**
 * A label with the HkdfLabel structures that were made of it, each ready for the first HMAC of HKDF-Expand:
 * length, label, context, and the counter byte 1. Only the context changes from one use to the next, so a
 * structure is filled in again instead of being built again. Nothing in it is secret.
 */
export class Label {
  readonly #text: Uint8Array;
  readonly #ready: Map<number, Uint8Array> = new Map();

  /** @throws {RangeError} for a label longer than 249 bytes in UTF-8. */
  constructor(text: string) {
    this.#text = utf8(PREFIX + text);
    if (this.#text.length > MAX_LABEL + PREFIX.length) throw new RangeError('a label is at most 249 bytes');
  }

  /** Valid until the next call with the same two lengths. */
  info(length: number, context: Uint8Array): Uint8Array {
    const key = length * 256 + context.length;
    let info = this.#ready.get(key);
    if (info === undefined) {
      info = this.#build(length, context.length);
      this.#ready.set(key, info);
    }
    if (context.length > 0) info.set(context, info.length - 1 - context.length);
    return info;
  }

  #build(length: number, contextLength: number): Uint8Array {
    const text = this.#text;
    const info = new Uint8Array(2 + 1 + text.length + 1 + contextLength + 1);
    info[0] = length >> 8;
    info[1] = length & 0xff;
    info[2] = text.length;
    info.set(text, 3);
    info[3 + text.length] = contextLength;
    info[info.length - 1] = 1;
    return info;
  }
}

/**
 * HKDF-Expand-Label with the secret as an imported key. Up to the hash's length it is exactly one HMAC.
 * The result belongs to the caller.
 * @throws {RangeError} if `length` is over 255 hashes or 65535, or `context` over 255 bytes.
 */
export function expandLabel(key: HmacKey, label: Label, context: Uint8Array, length: number): Uint8Array {
  if (context.length > 255) throw new RangeError('a context is at most 255 bytes');
  if (!(length >= 0 && length <= 0xffff)) throw new RangeError('an expansion is at most 65535 bytes');
  return expand(key, label.info(length, context), length);
}

/**
 * HKDF-Expand (RFC 5869, 2.3). `info` comes with the byte 1 at its end, the first value of the counter, so
 * that it can be signed as it is.
 * @throws {RangeError} if `length` is over 255 hashes.
 */
export function expand(key: HmacKey, info: Uint8Array, length: number): Uint8Array {
  const first = key.sign(info);
  if (first.length === length) return first;
  const out = new Uint8Array(length);
  if (first.length > length) {
    out.set(first.subarray(0, length));
    first.fill(0);
    return out;
  }
  if (length > 255 * first.length) throw new RangeError('an expansion is at most 255 hashes');
  // T(i) = HMAC(secret, T(i-1) || info || i)
  const size = first.length;
  const block = new Uint8Array(size + info.length);
  block.set(info, size);
  let part = first;
  let at = 0;
  for (let counter = 2; ; counter++) {
    out.set(part.subarray(0, Math.min(size, length - at)), at);
    at += size;
    if (at >= length) break;
    block.set(part);
    part.fill(0);
    block[block.length - 1] = counter;
    part = key.sign(block);
  }
  part.fill(0);
  block.fill(0);
  return out;
}

const ZEROS_32: Uint8Array = new Uint8Array(32);
const ZEROS_48: Uint8Array = new Uint8Array(48);

/** The "0" of RFC 8446, 7.1: hash-length zero bytes. Shared; never to be written. */
export function zeros(hash: ScheduleHash): Uint8Array {
  return hash === 'sha256' ? ZEROS_32 : ZEROS_48;
}

const emptyHashes: WeakMap<CryptoProvider, { sha256?: Uint8Array; sha384?: Uint8Array }> = new WeakMap();

/** The hash of no bytes, computed once for each provider. Shared; never to be written. */
export function emptyHash(provider: CryptoProvider, hash: ScheduleHash): Uint8Array {
  let known = emptyHashes.get(provider);
  if (known === undefined) {
    known = {};
    emptyHashes.set(provider, known);
  }
  known[hash] ??= provider.digest(hash, EMPTY);
  return known[hash];
}
