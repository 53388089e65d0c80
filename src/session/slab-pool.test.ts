import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownSlab, type SlabChunk, takeSlab } from './slab-pool.ts';

interface Slab {
  readonly chunk: SlabChunk;
  readonly start: number;
  readonly bytes: number;
  readonly mark: number;
}

function take(bytes: number, mark: number): Slab {
  const chunk = takeSlab(bytes);
  const start = chunk.taken;
  expect(start + bytes).toBeLessThanOrEqual(chunk.bytes.length);
  expect(chunk.bytes.subarray(start, start + bytes).every((byte) => byte === 0)).toBe(true);
  chunk.bytes.fill(mark, start, start + bytes);
  return { chunk, start, bytes, mark };
}

const intact = ({ chunk, start, bytes, mark }: Slab): boolean =>
  chunk.bytes.subarray(start, start + bytes).every((byte) => byte === mark);

describe('the pool of slabs', () => {
  it('gives each a place of its own, all zero, whatever was there before', () => {
    const sizes = fc.constantFrom(1, 31, 32, 33, 324, 350, 2047, 2048, 2049, 70_000);
    const step = fc.oneof(
      { weight: 3, arbitrary: sizes.map((bytes) => ({ bytes, back: -1 })) },
      { weight: 2, arbitrary: fc.nat(1000).map((back) => ({ bytes: 0, back })) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const held: Slab[] = [];
        let mark = 0;
        for (const { bytes, back } of steps) {
          if (back < 0) held.push(take(bytes, (mark++ % 255) + 1));
          else if (held.length > 0) {
            const [slab] = held.splice(back % held.length, 1) as [Slab];
            expect(intact(slab)).toBe(true);
            slab.chunk.giveBack(slab.start);
            expect(
              slab.chunk.bytes.subarray(slab.start, slab.start + slab.bytes).every((byte) => byte === 0),
            ).toBe(true);
          }
          expect(held.every(intact)).toBe(true);
        }
        for (const { chunk, start } of held) chunk.giveBack(start);
      }),
      { numRuns: 100 },
    );
  });

  it('serves from what was given back before it takes more', () => {
    const first = Array.from({ length: 100 }, () => take(1500, 1));
    const chunks = new Set(first.map(({ chunk }) => chunk));
    for (const { chunk, start } of first.slice(10, 60)) chunk.giveBack(start);
    const again = Array.from({ length: 40 }, () => take(1500, 2));
    expect(again.every(({ chunk }) => chunks.has(chunk))).toBe(true);
    for (const { chunk, start } of [...first.slice(0, 10), ...first.slice(60), ...again]) {
      chunk.giveBack(start);
    }
  });

  it('keeps no more than one chunk of a size where all is free', () => {
    const all = Array.from({ length: 1000 }, () => take(1100, 1));
    for (const { chunk, start } of all) chunk.giveBack(start);
    const chunks = new Set(all.map(({ chunk }) => chunk));
    expect([...chunks].filter(({ place }) => place >= 0)).toHaveLength(1);
  });

  it('leaves what is never given back to the collector', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const chunks = new Set<WeakRef<SlabChunk>>();
    const lose = (): void => {
      for (let i = 0; i < 500; i++) chunks.add(new WeakRef(takeSlab(900)));
    };
    lose();
    // A WeakRef holds what it was made for until the task has ended.
    await new Promise((done) => setImmediate(done));
    collect();
    const left = new Set([...chunks].map((chunk) => chunk.deref()).filter((chunk) => chunk !== undefined));
    // The one that has room still.
    expect(left.size).toBeLessThanOrEqual(1);
  });

  it('has none beside one that is on its own', () => {
    const chunk = ownSlab(36);
    expect([chunk.isFull, chunk.bytes.length, chunk.taken]).toEqual([true, 64, 0]);
  });
});
