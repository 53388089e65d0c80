import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LmdbStore, type LmdbStoreOptions } from '../../src/entry/stores/lmdb.ts';
import { TestClock } from '../support/sessions.ts';
import { type StoreUnderTest, storeContract } from './store.ts';

const folder = mkdtempSync(join(tmpdir(), 'tlsession-lmdb-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newPath = (): string => join(folder, `store-${files++}.mdb`);

const open = async (options: Partial<LmdbStoreOptions> = {}): Promise<StoreUnderTest> => {
  const clock = new TestClock();
  const path = newPath();
  const store = await LmdbStore.open({ path, clock, ...options });
  return {
    store,
    other: await LmdbStore.open({ path, clock, ...options }),
    nowMs: () => clock.wallMs(),
    pass: async (ms) => clock.passSec(ms / 1000),
  };
};

storeContract('LMDB', open, () => open({ maxBytes: 300_000 }));
storeContract(
  'LMDB, durable',
  () => open({ durable: true }),
  () => open({ maxBytes: 300_000 }),
);

describe('LmdbStore', () => {
  const value = new Uint8Array(1000).fill(9);

  it('keeps what was written for those who come after, and counts it', async () => {
    const clock = new TestClock();
    const path = newPath();
    const first = await LmdbStore.open({ path, clock });
    await first.put('a', value, clock.wall + 60_000);
    const bytes = first.byteLength;
    expect(bytes).toBeGreaterThan(1000);
    await first.close();
    const second = await LmdbStore.open({ path, clock });
    expect([second.get('a'), second.byteLength]).toEqual([value, bytes]);
    await second.delete('a');
    expect(second.byteLength).toBe(0);
    await second.close();
    expect(statSync(second.path).mode & 0o777).toBe(0o600);
  });

  it('drops the expired first, then what expires first, and its file stays bounded', async () => {
    const clock = new TestClock();
    const path = newPath();
    const store = await LmdbStore.open({ path, clock, maxBytes: 20_000 });
    const until = clock.wall + 60_000;
    for (let i = 0; i < 10; i++) await store.put(`late-${i}`, value, until + i);
    for (let i = 0; i < 5; i++) await store.put(`soon-${i}`, value, clock.wall + 1_000);
    clock.passSec(2);
    for (let i = 0; i < 8; i++) await store.put(`new-${i}`, value, until);
    const there = async (): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of store) keys.push(key);
      return keys.map((key) => key.slice(0, 3)).sort();
    };
    // All that had expired made way, and of the rest one, which expires before all others.
    expect((await there()).filter((kind) => kind === 'soo')).toEqual([]);
    expect(store.get('late-9')).toEqual(value);
    expect(store.byteLength).toBeLessThanOrEqual(20_000);
    for (let i = 0; i < 2000; i++) await store.put(`churn-${i}`, value, until + i);
    expect(store.byteLength).toBeLessThanOrEqual(20_000);
    expect(statSync(store.path).size).toBeLessThan(2 ** 20);
    clock.passSec(120);
    expect(await store.sweep()).toBeGreaterThan(5);
    expect(store.byteLength).toBe(0);
    await store.close();
  });

  it('throws away a file that is older than the machine, and says so when it cannot open one', async () => {
    const clock = new TestClock();
    const path = newPath();
    const first = await LmdbStore.open({ path, clock });
    await first.put('a', value, clock.wall + 60_000);
    await first.close();
    // As if it came from another start of the machine.
    const older = `${path}-01234567`;
    renameSync(first.path, older);
    writeFileSync(`${path}-other`, 'of somebody else');
    const second = await LmdbStore.open({ path, clock });
    expect([second.get('a'), existsSync(older), existsSync(`${path}-other`)]).toEqual([null, false, true]);
    await second.close();
    const broken = newPath();
    writeFileSync(broken, Buffer.alloc(20_000, 0x55));
    await expect(LmdbStore.open({ path: broken, durable: true })).rejects.toMatchObject({
      code: 'ERR_STORE_FAILED',
    });
    const good = await LmdbStore.open({ path: broken });
    await good.close();
    writeFileSync(good.path, Buffer.alloc(20_000, 0x55));
    const third = await LmdbStore.open({ path: broken });
    expect(third.get('a')).toBeNull();
    await third.close();
  });

  it('is a witness of the start of the machine', async () => {
    const clock = new TestClock();
    const store = await LmdbStore.open({ path: newPath(), clock });
    const one = await store.addWitnessed('a', value, clock.wall + 60_000);
    const two = await store.addWitnessed('a', value, clock.wall + 60_000);
    expect([one.added, two.added, one.witness === two.witness]).toEqual([true, false, true]);
    await store.close();
  });
});
