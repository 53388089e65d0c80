/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash on 32-bit words): a hash for tables, keyed so that
 * nobody who chooses session ids can choose where they fall. It is not a MAC and is never used as one.
 */

/** The secret of a table: 8 random bytes. */
export interface HashKey {
  readonly k0: number;
  readonly k1: number;
}

/** Reads a key from `seed`, at `at`. @throws {RangeError} when fewer than 8 bytes are there. */
export function hashKey(seed: Uint8Array, at = 0): HashKey {
  if (seed.length < at + 8) throw new RangeError('a hash key takes 8 bytes of the seed');
  const words = new Int32Array(2);
  loadWords(seed, at, 8, words, 0);
  return { k0: words[0] as number, k1: words[1] as number };
}

/** Writes `bytes[start, start + length)` into `words` from `to` on, little-endian, the last word padded with zeros. */
export function loadWords(
  bytes: Uint8Array,
  start: number,
  length: number,
  words: Int32Array,
  to: number,
): void {
  const whole = start + (length & ~3);
  let at = start;
  let word = to;
  for (; at < whole; at += 4) {
    words[word++] =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
  }
  const rest = length & 3;
  if (rest === 0) return;
  let last = bytes[at] as number;
  if (rest > 1) last |= (bytes[at + 1] as number) << 8;
  if (rest > 2) last |= (bytes[at + 2] as number) << 16;
  words[word] = last;
}

/** The hash of the first `count` words, as a signed 32-bit number. */
export function keyedHash(k0: number, k1: number, words: Int32Array, count: number): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  // A round a word, one for the length, three with none to end: written once, as it is the inner loop.
  for (let i = 0; i < count + 4; i++) {
    const m = i < count ? (words[i] as number) : i === count ? (count * 4) << 24 : 0;
    if (i === count + 1) v2 ^= 0xff;
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  return v1 ^ v3;
}
