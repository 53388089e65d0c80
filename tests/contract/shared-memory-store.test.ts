import { expect, test } from 'vitest';
import { SharedMemoryStore } from '../../src/entry/stores/shared-memory.ts';
import { Random } from '../support/random.ts';
import { TestClock } from '../support/sessions.ts';
import { type StoreUnderTest, storeContract } from './store.ts';

const open = async (bytes: number, blockBytes = 512): Promise<StoreUnderTest> => {
  const clock = new TestClock();
  const store = SharedMemoryStore.create({ bytes, blockBytes, clock });
  return {
    store,
    other: SharedMemoryStore.open(store.buffer, { clock }),
    nowMs: () => clock.wallMs(),
    pass: async (ms) => clock.passSec(ms / 1000),
  };
};
storeContract(
  'shared memory',
  () => open(2 ** 24),
  () => open(300_000),
);
storeContract(
  'shared memory, small blocks',
  () => open(2 ** 22, 64),
  () => open(300_000, 64),
);

test('drops the expired first, and what was looked at last', async () => {
  const clock = new TestClock();
  const store = SharedMemoryStore.create({ bytes: 16_384, blockBytes: 512, clock });
  const value = new Uint8Array(900).fill(9);
  const until = clock.wall + 60_000;
  store.put('looked-at', value, until);
  store.put('soon', value, clock.wall + 1_000);
  const there = (): string[] => Array.from({ length: 40 }, (_, i) => `k${i}`).filter((key) => keys.has(key));
  const keys = new Set<string>();
  const list = async (): Promise<void> => {
    keys.clear();
    for await (const { key } of store) keys.add(key);
  };
  for (let i = 0; i < 40; i++) {
    store.put(`k${i}`, value, until);
    expect(store.get('looked-at')).toEqual(value);
  }
  await list();
  expect(there().length).toBeGreaterThan(3);
  expect(there().length).toBeLessThan(20);
  store.put('soon', value, clock.wall + 1_000);
  clock.passSec(2);
  await list();
  const before = there();
  store.put('new', value, until);
  await list();
  expect([there(), store.get('new')]).toEqual([before, value]);
  clock.passSec(120);
  expect(store.sweep()).toBeGreaterThan(5);
  expect(store.get('new')).toBeNull();
});

test('opens only what is such a memory', () => {
  for (const bytes of [0, 8, 32, 65_536]) {
    expect(() => SharedMemoryStore.open(new SharedArrayBuffer(bytes))).toThrow(
      expect.objectContaining({ code: 'ERR_STORE_FAILED' }),
    );
  }
  for (const options of [{ bytes: 1000 }, { blockBytes: 63 }, { blockBytes: 100_000 }, { bytes: 2 ** 31 }]) {
    expect(() => SharedMemoryStore.create(options)).toThrow(RangeError);
  }
});

test('memory that is broken loses entries, and hangs nobody', () => {
  const store = SharedMemoryStore.create({ bytes: 32_768 });
  const words = new Int32Array(store.buffer);
  const random = new Random(1);
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < 20; i++) {
      try {
        store.put(`k${random.below(50)}`, new Uint8Array(random.below(2000)), Date.now() + 60_000);
        store.get(`k${random.below(50)}`);
        store.take(`k${random.below(50)}`);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_STORE_/) });
      }
    }
    // Anything but the header and the lock.
    words[16 + random.below(words.length - 16)] = random.below(2 ** 32) | 0;
  }
});
