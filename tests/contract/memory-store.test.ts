import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { TestClock } from '../support/sessions.ts';
import { type StoreUnderTest, storeContract } from './store.ts';

const open = async (maxEntries?: number): Promise<StoreUnderTest> => {
  const clock = new TestClock();
  const store = new MemoryStore({ clock, ...(maxEntries === undefined ? {} : { maxEntries }) });
  return {
    store,
    other: store,
    nowMs: () => clock.wallMs(),
    pass: async (ms) => clock.passSec(ms / 1000),
  };
};
storeContract(
  'memory',
  () => open(),
  () => open(200),
);

describe('MemoryStore', () => {
  const value = new Uint8Array(10);

  it('holds no more entries and no more bytes than it may, and drops the expired first', () => {
    const clock = new TestClock();
    const store = new MemoryStore({ clock, maxEntries: 3, maxBytes: 100 });
    const until = clock.wall + 60_000;
    store.put('a', value, until);
    store.put('b', value, clock.wall + 1_000);
    store.put('c', value, until);
    clock.passSec(2);
    store.put('d', value, until);
    expect([store.get('a'), store.get('b'), store.size]).toEqual([value, null, 3]);
    store.put('e', value, until);
    // `a` was used since.
    expect([store.get('c'), store.get('a'), store.size]).toEqual([null, value, 3]);
    store.put('long', new Uint8Array(95), until);
    expect([store.size, store.byteLength]).toEqual([1, 95]);
    store.put('long', value, until);
    expect(store.byteLength).toBe(10);
  });

  it('does not keep what is longer than all that it may hold', () => {
    const store = new MemoryStore({ clock: new TestClock(), maxBytes: 100 });
    store.put('a', value, Number.MAX_SAFE_INTEGER);
    store.put('a', new Uint8Array(101), Number.MAX_SAFE_INTEGER);
    expect([store.get('a'), store.size]).toEqual([null, 0]);
  });

  it('sweeps out what has expired', () => {
    const clock = new TestClock();
    const store = new MemoryStore({ clock });
    for (let i = 1; i <= 10; i++) store.put(`k${i}`, value, clock.wall + i * 1_000);
    clock.passSec(5.5);
    expect([store.size, store.sweep(), store.size, store.byteLength]).toEqual([10, 5, 5, 50]);
  });
});
