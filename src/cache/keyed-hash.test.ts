import { describe, expect, it } from 'vitest';
import { hashKey, keyedHash, loadWords } from './keyed-hash.ts';

/** The bytes 00 01 02 …, as every test of SipHash has them for key and message. */
const counting = Uint8Array.from({ length: 64 }, (_, i) => i);

function hashOf(bytes: Uint8Array): number {
  const words = new Int32Array((bytes.length + 3) >> 2);
  loadWords(bytes, 0, bytes.length, words, 0);
  const { k0, k1 } = hashKey(counting);
  return keyedHash(k0, k1, words, words.length) >>> 0;
}

describe('HalfSipHash-1-3', () => {
  // Known answers for whole words, as Linux's hsiphash gives them on 32-bit machines.
  it.each([
    [0, 0x5814c896],
    [4, 0x7e059ea6],
    [8, 0x577999b1],
    [12, 0x6b28096c],
    [32, 0xbc6dda8d],
  ])('of %i bytes', (length, hash) => {
    expect(hashOf(counting.subarray(0, length))).toBe(hash);
  });

  it('depends on every bit of the key and of the message', () => {
    const words = Int32Array.of(1, 2, 3);
    const { k0, k1 } = hashKey(counting);
    const hashes = new Set([keyedHash(k0, k1, words, 3)]);
    for (let bit = 0; bit < 32; bit++) {
      hashes.add(keyedHash(k0 ^ (1 << bit), k1, words, 3));
      hashes.add(keyedHash(k0, k1 ^ (1 << bit), words, 3));
      for (let at = 0; at < 3; at++) {
        const other = words.slice();
        other[at] = (other[at] as number) ^ (1 << bit);
        hashes.add(keyedHash(k0, k1, other, 3));
      }
    }
    expect(hashes.size).toBe(1 + 5 * 32);
  });

  it('wants a whole key', () => {
    expect(() => hashKey(new Uint8Array(7))).toThrow(RangeError);
    expect(() => hashKey(new Uint8Array(15), 8)).toThrow(RangeError);
    expect(hashKey(counting, 8)).toEqual({ k0: 0x0b0a0908, k1: 0x0f0e0d0c });
  });
});

describe('loadWords', () => {
  it('pads the last word with zeros, whatever was there', () => {
    const words = new Int32Array(3).fill(-1);
    loadWords(counting, 1, 5, words, 1);
    expect([...words]).toEqual([-1, 0x04030201, 0x05]);
    loadWords(Uint8Array.of(0xff, 0xff, 0xff), 0, 3, words, 0);
    expect(words[0]).toBe(0xffffff);
    loadWords(Uint8Array.of(0xff, 0xff), 0, 2, words, 0);
    expect(words[0]).toBe(0xffff);
  });
});
