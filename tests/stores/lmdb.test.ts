/** LMDB among processes that are killed in the middle of what they write, and on a disk that is full. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { LmdbStore } from '../../src/entry/stores/lmdb.ts';
import { age, ServerProcess } from '../fleet/processes.ts';
import { bundle } from '../support/bundle.ts';

const file = await bundle('tests/fleet/server-process.fixture.ts');
const secret = 'a secret of the fleet, 32 bytes or more';
const folder = mkdtempSync(join(tmpdir(), 'tlsession-lmdb-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const UNTIL = (): number => Date.now() + 60_000;

/** How many of the next writes find no room. */
let fullFor = 0;
vi.mock('lmdb', async (load) => {
  const lmdb = await load<typeof import('lmdb')>();
  const open = (...args: Parameters<typeof lmdb.open>): ReturnType<typeof lmdb.open> => {
    const root = lmdb.open(...args);
    const openDB = root.openDB.bind(root) as (options: { name: string }) => {
      putSync(...put: unknown[]): void;
    };
    root.openDB = ((options: { name: string }) => {
      const db = openDB(options);
      if (options.name !== 'entries') return db;
      const put = db.putSync.bind(db);
      db.putSync = (...values) => {
        if (fullFor-- > 0) throw new Error('MDB_MAP_FULL: Environment mapsize limit reached');
        put(...values);
      };
      return db;
    }) as never;
    return root;
  };
  return { ...lmdb, open };
});

test('a map that is full makes room and tries again, and says so when that does not help', async () => {
  const store = await LmdbStore.open({ path: join(folder, 'full'), maxBytes: 100_000 });
  const value = new Uint8Array(1000).fill(1);
  for (let i = 0; i < 60; i++) await store.put(`k${i}`, value, UNTIL() + i);
  expect(store.byteLength).toBeGreaterThan(60_000);
  fullFor = 1;
  await store.put('wanted', value, UNTIL() + 1000);
  expect([store.get('wanted'), store.get('k0'), store.get('k59')]).toEqual([value, null, value]);
  expect(store.byteLength).toBeLessThan(52_000);
  fullFor = 100;
  await expect(store.put('more', value, UNTIL())).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' });
  await expect(store.add('more', value, UNTIL())).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' });
  fullFor = 0;
  expect([await store.add('more', value, UNTIL()), await store.take('wanted')]).toEqual([true, value]);
  await store.close();
});

test('processes that are killed while they write hold up nobody, and break nothing', {
  timeout: 120_000,
}, async () => {
  const place = join(folder, 'killed');
  const store = await LmdbStore.open({ path: place });
  await age(store);
  const processes = await Promise.all(
    Array.from({ length: 4 }, (_, i) =>
      ServerProcess.start(file, { kind: 'lmdb', place, secret, hellos: 10_000, seed: i + 1 }),
    ),
  );
  try {
    for (const { peer } of processes) peer.stdin.write('begin\n');
    for (const { peer } of processes.slice(0, 2)) {
      await new Promise((done) => setTimeout(done, 150));
      process.kill(peer.pid, 'SIGKILL');
    }
    const rest = processes.slice(2);
    await Promise.all(rest.map(({ peer }) => peer.waitFor(/"verdicts"/, 90_000)));
    const admitted = rest.flatMap((each) => each.said().flatMap((line) => line.admitted ?? []));
    expect(new Set(admitted).size).toBe(admitted.length);
    expect(admitted.length).toBeGreaterThan(0);
    await store.put('after', new Uint8Array(3), UNTIL());
    expect(await store.take('after')).toEqual(new Uint8Array(3));
    let hellos = 0;
    for await (const { key } of store) if (/^r:[0-9a-f]{40}$/.test(key)) hellos++;
    // All that were admitted, by the dead too, and the one of the beginning.
    expect(hellos).toBe(10_001);
  } finally {
    for (const each of processes) await each[Symbol.asyncDispose]();
    await store.close();
  }
});
