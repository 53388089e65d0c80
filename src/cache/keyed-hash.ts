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
  return { k0: word(seed, at), k1: word(seed, at + 4) };
}

/**
 * Hashes a message: the word `prefix`, then `bytes[start, start + length)` in little-endian words, the last
 * padded with zeros (so that the prefix has to tell lengths apart). The words are left in `words`, for
 * whoever wants to compare them. Returns a signed 32-bit number.
 */
export function keyedHash(
  key: HashKey,
  prefix: number,
  bytes: Uint8Array,
  start: number,
  length: number,
  words: Int32Array,
): number {
  const { k0, k1 } = key;
  const count = (length + 3) >> 2;
  const whole = length >> 2;
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  let m = prefix | 0;
  words[0] = m;
  // One loop for reading and mixing: the processor does both at once. The last turn mixes the length in.
  for (let i = 0; ; i++) {
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
    if (i < whole) {
      m = word(bytes, start + i * 4);
      words[i + 1] = m;
    } else if (i < count) {
      m = lastWord(bytes, start + i * 4, length & 3);
      words[i + 1] = m;
    } else if (i === count) m = ((count + 1) * 4) << 24;
    else break;
  }
  v2 ^= 0xff;
  for (let i = 0; i < 3; i++) {
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
  }
  return v1 ^ v3;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function lastWord(bytes: Uint8Array, at: number, rest: number): number {
  let last = bytes[at] as number;
  if (rest > 1) last |= (bytes[at + 1] as number) << 8;
  if (rest > 2) last |= (bytes[at + 2] as number) << 16;
  return last;
}
