import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../util/bytes.ts';
import { certificateCompressors } from './certificate-compression.ts';

const text = new Uint8Array(3000).map((_, i) => (i * i) % 61);

describe.each([
  ['zlib', 1, deflateSync],
  ['brotli', 2, brotliCompressSync],
] as const)('%s', (name, id, reference) => {
  const compressor = certificateCompressors.get(name);
  const compress = (bytes: Uint8Array) => compressor?.compress?.(bytes) as Uint8Array;
  const expand = (bytes: Uint8Array, most: number) => compressor?.decompress?.(bytes, most) ?? null;

  test('there and back, once for what is sent again', () => {
    expect(compressor?.id).toBe(id);
    const compressed = compress(text);
    expect(compressed.length).toBeLessThan(text.length / 2);
    expect(expand(compressed, text.length)).toEqual(text);
    expect(compress(text.slice())).toBe(compressed);
    expect(expand(new Uint8Array(reference(text)), text.length)).toEqual(text);
    expect(Object.getPrototypeOf(expand(compressed, 3000))).toBe(Uint8Array.prototype);
  });

  test('what only grows is sent as it is', () => {
    const noise = new Uint8Array(40).map((_, i) => (i * 37 + ((i * i * 11) % 251)) & 0xff);
    expect(compress(noise)).toBeNull();
    expect(compress(noise)).toBeNull();
  });

  test('never more than was said, however much there is', () => {
    expect(expand(compress(text), text.length - 1)).toBeNull();
    // 4 MiB of zeros in a few bytes: no more than 1000 of them ever exist.
    const bomb = new Uint8Array(reference(new Uint8Array(2 ** 22)));
    expect(bomb.length).toBeLessThan(100_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 50; i++) expect(expand(bomb, 1000)).toBeNull();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 21);
  });

  test('exactly one stream, whole', () => {
    const good = new Uint8Array(reference(text));
    for (let end = 0; end < good.length; end += 7) expect(expand(good.subarray(0, end), 3000)).toBeNull();
    expect(expand(concatBytes(good, new Uint8Array([0])), 3000)).toBeNull();
    expect(expand(concatBytes(good, good), 6000)).toBeNull();
    expect(expand(new Uint8Array(0), 10)).toBeNull();
    for (const other of [deflateRawSync, gzipSync]) {
      expect(expand(new Uint8Array(other(text)), 3000)).toBeNull();
    }
    for (let at = 0; at < 40; at++) {
      const bad = good.slice();
      bad[at] = (bad[at] as number) ^ 0x55;
      const out = expand(bad, 3000);
      expect(out === null || out.length <= 3000).toBe(true);
    }
  });
});
