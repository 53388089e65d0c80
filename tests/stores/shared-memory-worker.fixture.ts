/** A thread that works on shared memory together with others, and says what it got. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedMemoryStore } from '../../src/entry/stores/shared-memory.ts';
import { Random } from '../support/random.ts';

const { buffer, job, me, rounds, keys } = workerData as {
  buffer: SharedArrayBuffer;
  job: 'take' | 'add' | 'mix' | 'churn';
  me: number;
  rounds: number;
  keys: number;
};
const store = SharedMemoryStore.open(buffer);
const gate = new Int32Array((workerData as { gate: SharedArrayBuffer }).gate);
const until = Date.now() + 600_000;

/** The value of a key: every byte follows from it, so that two mixed up would show. */
function valueFor(key: string, length: number): Uint8Array {
  const value = new Uint8Array(length);
  for (let i = 0; i < length; i++) value[i] = (key.charCodeAt(i % key.length) + i) & 0xff;
  return value;
}

function retried<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_STORE_BUSY') throw error;
    }
  }
}

const random = new Random(me + 1);

// All begin at once.
Atomics.add(gate, 0, 1);
Atomics.notify(gate, 0);
while (Atomics.load(gate, 1) === 0) Atomics.wait(gate, 1, 0, 10);

const got: string[] = [];
let wrong = 0;
for (let round = 0; round < rounds; round++) {
  const key = `k${job === 'mix' || job === 'churn' ? random.below(keys) : (round * 7 + me) % keys}`;
  if (job === 'take') {
    if (retried(() => store.take(key)) !== null) got.push(key);
  } else if (job === 'add') {
    if (retried(() => store.add(key, valueFor(key, 50), until))) got.push(key);
  } else {
    const which = random.below(4);
    const value = which === 0 ? null : retried(() => (which === 1 ? store.take(key) : store.get(key)));
    if (which === 0) retried(() => store.put(key, valueFor(key, random.below(3000)), until));
    if (value !== null && !valueFor(key, value.length).every((byte, i) => byte === value[i])) wrong++;
  }
}
parentPort?.postMessage({ got, wrong });
