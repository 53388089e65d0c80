/** Shared memory among real worker threads, one of which is killed in the middle of what it does. */
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { SharedMemoryStore } from '../../src/entry/stores/shared-memory.ts';
import { StoreReplayGuard } from '../../src/fleet/replay-guard.ts';
import { bundle } from '../support/bundle.ts';

const WORKERS = 4;
const file = await bundle('tests/stores/shared-memory-worker.fixture.ts');

interface Report {
  readonly got: readonly string[];
  readonly wrong: number;
}

async function run(
  store: SharedMemoryStore,
  job: 'take' | 'add' | 'mix' | 'churn',
  rounds: number,
  keys: number,
  meanwhile: (workers: readonly Worker[]) => Promise<void> = async () => {},
): Promise<Report[]> {
  const gate = new SharedArrayBuffer(8);
  const words = new Int32Array(gate);
  const workers = Array.from(
    { length: WORKERS },
    (_, me) => new Worker(file, { workerData: { buffer: store.buffer, gate, job, me, rounds, keys } }),
  );
  const reports = workers.map(
    (worker) =>
      new Promise<Report | null>((done, fail) => {
        worker.once('message', done);
        worker.once('error', fail);
        worker.once('exit', () => done(null));
      }),
  );
  while (Atomics.load(words, 0) < WORKERS) await new Promise((done) => setTimeout(done, 5));
  Atomics.store(words, 1, 1);
  Atomics.notify(words, 1);
  await meanwhile(workers);
  const all = await Promise.all(reports);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return all.filter((report) => report !== null);
}

test('of all threads that take a value, one gets it', async () => {
  const store = SharedMemoryStore.create({ bytes: 2 ** 22 });
  const keys = 3000;
  for (let i = 0; i < keys; i++) store.put(`k${i}`, new Uint8Array(100), Date.now() + 600_000);
  const got = (await run(store, 'take', keys, keys)).flatMap((report) => report.got);
  expect(got).toHaveLength(keys);
  expect(new Set(got).size).toBe(keys);
});

test('of all threads that add a value, one does', async () => {
  const store = SharedMemoryStore.create({ bytes: 2 ** 23 });
  const keys = 3000;
  const got = (await run(store, 'add', keys, keys)).flatMap((report) => report.got);
  expect(got).toHaveLength(keys);
  expect(new Set(got).size).toBe(keys);
});

test('whatever they do at once in a store that is too small, no value is torn or another one', async () => {
  const store = SharedMemoryStore.create({ bytes: 2 ** 18 });
  const reports = await run(store, 'mix', 30_000, 400);
  expect(reports.map(({ wrong }) => wrong)).toEqual(Array(WORKERS).fill(0));
  expect(store.resets).toBe(0);
});

test('threads that are killed in the middle of a change hold up nobody for long', async () => {
  const store = SharedMemoryStore.create({ bytes: 2 ** 18 });
  for (let round = 0; round < 4; round++) {
    const reports = await run(store, 'churn', 8_000, 300, async (workers) => {
      await new Promise((done) => setTimeout(done, 20 + round * 7));
      await Promise.all(workers.slice(0, 2).map((worker) => worker.terminate()));
    });
    expect(reports.length).toBeGreaterThanOrEqual(WORKERS - 2);
    expect(reports.map(({ wrong }) => wrong)).toEqual(reports.map(() => 0));
  }
});

test('a lock whose holder is dead is taken over, and what it guarded begins anew', () => {
  const store = SharedMemoryStore.create({ bytes: 2 ** 18 });
  const other = SharedMemoryStore.open(store.buffer);
  store.put('a', new Uint8Array(10), Date.now() + 60_000);
  // As a thread leaves it that was killed: the first word of the first shard.
  new Int32Array(store.buffer)[8] = 77;
  let failures = 0;
  for (; failures < 1000; failures++) {
    try {
      other.get('a');
      break;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_STORE_BUSY' });
    }
  }
  expect(failures).toBeGreaterThan(50);
  expect([other.resets, other.get('a'), store.get('a')]).toEqual([1, null, null]);
  store.put('a', new Uint8Array(10), Date.now() + 60_000);
  expect(other.take('a')).toEqual(new Uint8Array(10));
});

test('a hello with early data is not admitted again when its part of the memory was emptied', () => {
  let nowMs = Date.UTC(2026, 0, 1);
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
  const store = SharedMemoryStore.create({ bytes: 2 ** 18, clock });
  const guard = new StoreReplayGuard({ provider: nodeProvider, store, clock });
  const hello = (number: number) => guard.admit({ binder: new Uint8Array(32).fill(number) });
  expect(hello(1)).toBe('early-data-guard-starting');
  nowMs += 140_000;
  expect([hello(2), hello(2)]).toEqual(['admitted', 'early-data-replayed']);
  new Int32Array(store.buffer)[8] = 77;
  let verdict = hello(2);
  for (let i = 0; i < 1000 && verdict === 'early-data-guard-failed'; i++) verdict = hello(2);
  expect([store.resets, verdict]).toEqual([1, 'early-data-guard-starting']);
  nowMs += 140_000;
  expect(hello(3)).toBe('admitted');
});
