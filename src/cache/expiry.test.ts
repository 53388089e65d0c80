import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExpiryHeap } from './expiry-heap.ts';
import { ExpiryQueue } from './expiry-queue.ts';

/** Takes everything out one by one: the keys must come in order. */
function drain(heap: ExpiryHeap | ExpiryQueue): [number, number][] {
  const out: [number, number][] = [];
  while (heap.count > 0) {
    const item = heap.first;
    out.push([item, heap.keyOf(item)]);
    expect(heap.firstKey).toBe(heap.keyOf(item));
    heap.remove(item);
  }
  return out;
}

describe.each([ExpiryHeap, ExpiryQueue])('%o', (Expiry) => {
  it('is empty at first, and again at the end', () => {
    const heap = new Expiry();
    expect([heap.count, heap.first, heap.firstKey]).toEqual([0, -1, Number.POSITIVE_INFINITY]);
    expect(heap.takeBelow(Number.POSITIVE_INFINITY)).toEqual([]);
    heap.add(3, 10);
    heap.clear();
    expect(heap.count).toBe(0);
  });

  it('takes strictly what is below the limit', () => {
    const heap = new Expiry();
    [5, 1, 4, 2, 3].forEach((key) => {
      heap.add(key, key);
    });
    expect(heap.takeBelow(1)).toEqual([]);
    expect(heap.takeBelow(3).sort()).toEqual([1, 2]);
    expect(drain(heap)).toEqual([
      [3, 3],
      [4, 4],
      [5, 5],
    ]);
  });

  it('holds what never expires, and takes what is not a number for expired', () => {
    const heap = new Expiry();
    heap.add(0, Number.POSITIVE_INFINITY);
    heap.add(1, 2 ** 63 * 1000);
    heap.add(2, Number.NaN);
    heap.add(3, 0);
    expect(heap.takeBelow(1e15).sort()).toEqual([2, 3]);
    heap.move(0, Number.NaN);
    expect(heap.first).toBe(0);
  });

  it('agrees with a sorted list, whatever is added, moved, removed and taken', () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.tuple(fc.constant('add' as const), fc.nat(120), fc.integer({ min: 0, max: 50 })),
      },
      {
        weight: 2,
        arbitrary: fc.tuple(fc.constant('move' as const), fc.nat(120), fc.integer({ min: 0, max: 50 })),
      },
      { weight: 2, arbitrary: fc.tuple(fc.constant('remove' as const), fc.nat(120), fc.constant(0)) },
      {
        weight: 1,
        arbitrary: fc.tuple(fc.constant('take' as const), fc.constant(0), fc.integer({ min: 0, max: 50 })),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new Expiry();
        const model = new Map<number, number>();
        for (const [what, item, key] of steps) {
          if (what === 'take') {
            const expected = [...model].filter(([, at]) => at < key).map(([which]) => which);
            expect(heap.takeBelow(key).sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
            for (const which of expected) model.delete(which);
          } else if (what === 'add' && !model.has(item)) {
            heap.add(item, key);
            model.set(item, key);
          } else if (what === 'move' && model.has(item)) {
            heap.move(item, key);
            model.set(item, key);
          } else if (what === 'remove' && model.has(item)) {
            heap.remove(item);
            model.delete(item);
          }
          expect(heap.count).toBe(model.size);
          for (const [which, at] of model) expect(heap.keyOf(which)).toBe(at);
        }
        const drained = drain(heap);
        expect(drained.map(([, key]) => key)).toEqual([...model.values()].sort((a, b) => a - b));
        expect(new Set(drained.map(([item]) => item))).toEqual(new Set(model.keys()));
      }),
      { numRuns: 300 },
    );
  });
});
