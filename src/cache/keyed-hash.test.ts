import { describe, expect, it } from 'vitest';
import { hashKey, keyedHash } from './keyed-hash.ts';

/** The bytes 00 01 02 …, as every test of SipHash has them for key and message. */
const counting = Uint8Array.from({ length: 64 }, (_, i) => i);

const key = hashKey(counting);

/** Of a message of whole words and at least one, the first of which goes in as the prefix. */
function hashOf(message: Uint8Array, words: Int32Array = new Int32Array(message.length >> 2)): number {
  const prefix = new DataView(message.buffer, message.byteOffset).getInt32(0, true);
  return keyedHash(key, prefix, message, 4, message.length - 4, words) >>> 0;
}

describe('HalfSipHash-1-3', () => {
  // Known answers for whole words, as Linux's hsiphash gives them on 32-bit machines.
  it.each([
    [4, 0x7e059ea6],
    [8, 0x577999b1],
    [12, 0x6b28096c],
    [32, 0xbc6dda8d],
  ])('of %i bytes', (length, hash) => {
    expect(hashOf(counting.subarray(0, length))).toBe(hash);
  });

  it('depends on every bit of the key, the prefix and the message', () => {
    const words = new Int32Array(4);
    const message = counting.subarray(5, 16);
    const hashes = new Set([keyedHash(key, 1, message, 0, 11, words)]);
    for (let bit = 0; bit < 32; bit++) {
      hashes.add(keyedHash({ ...key, k0: key.k0 ^ (1 << bit) }, 1, message, 0, 11, words));
      hashes.add(keyedHash({ ...key, k1: key.k1 ^ (1 << bit) }, 1, message, 0, 11, words));
      hashes.add(keyedHash(key, 1 ^ (1 << bit), message, 0, 11, words));
    }
    for (let bit = 0; bit < 88; bit++) {
      const other = message.slice();
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      hashes.add(keyedHash(key, 1, other, 0, 11, words));
    }
    expect(hashes.size).toBe(1 + 3 * 32 + 88);
  });

  it('leaves the words, the last padded with zeros, and those beyond as they were', () => {
    const words = new Int32Array(4).fill(-1);
    for (const [length, left] of [
      [0, [7, -1, -1, -1]],
      [1, [7, 1, -1, -1]],
      [2, [7, 0x0201, -1, -1]],
      [3, [7, 0x030201, -1, -1]],
      [4, [7, 0x04030201, -1, -1]],
      [7, [7, 0x04030201, 0x070605, -1]],
    ] as const) {
      words.fill(-1);
      keyedHash(key, 7, counting, 1, length, words);
      expect([...words]).toEqual(left);
    }
  });

  it('wants a whole key', () => {
    expect(() => hashKey(new Uint8Array(7))).toThrow(RangeError);
    expect(() => hashKey(new Uint8Array(15), 8)).toThrow(RangeError);
    expect(hashKey(counting, 8)).toEqual({ k0: 0x0b0a0908, k1: 0x0f0e0d0c });
  });
});
