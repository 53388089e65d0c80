/** What every session store keeps to: `storeContract('name', open)` in a test file of the store's own. */
import { afterEach, describe, expect, it } from 'vitest';
import { MAX_STORE_KEY, MAX_STORE_VALUE, type SessionStore, type StoreEntry } from '../../src/cache/store.ts';

export interface StoreUnderTest {
  readonly store: SessionStore;
  /** A second handle on the same data, as another process has; the same store where there is no such thing. */
  readonly other: SessionStore;
  /** The wall clock that the store goes by. */
  nowMs(): number;
  /** Lets that much time pass for the store. */
  pass(ms: number): Promise<void>;
}

const text = (value: Uint8Array | null): string | null =>
  value === null ? null : new TextDecoder().decode(value);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/**
 * `openSmall`: a store that holds some two hundred values of 1,000 bytes at most, for what happens when it is
 * full.
 */
export function storeContract(
  name: string,
  open: () => Promise<StoreUnderTest>,
  openSmall: () => Promise<StoreUnderTest>,
): void {
  describe(`the store contract: ${name}`, () => {
    let under: StoreUnderTest | null = null;

    async function fresh(): Promise<StoreUnderTest> {
      under = await open();
      return under;
    }

    async function list(store: SessionStore): Promise<StoreEntry[]> {
      const all: StoreEntry[] = [];
      for await (const entry of store) all.push(entry);
      return all.sort((a, b) => (a.key < b.key ? -1 : 1));
    }

    afterEach(async () => {
      await under?.store.close();
      if (under !== null && under.other !== under.store) await under.other.close();
      under = null;
    });

    it('returns what was put, and null for what was not', async () => {
      const { store, other, nowMs } = await fresh();
      await store.put('a', bytes('one'), nowMs() + 60_000);
      expect([text(await store.get('a')), text(await other.get('a')), await store.get('b')]).toEqual([
        'one',
        'one',
        null,
      ]);
      await other.put('a', bytes('two'), nowMs() + 60_000);
      expect(text(await store.get('a'))).toBe('two');
    });

    it('keeps every byte, no bytes at all, and the longest value', async () => {
      const { store, nowMs } = await fresh();
      const all = Uint8Array.from({ length: 256 }, (_, i) => i);
      await store.put('all', all, nowMs() + 60_000);
      await store.put('none', new Uint8Array(0), nowMs() + 60_000);
      expect(await store.get('all')).toEqual(all);
      expect(await store.get('none')).toEqual(new Uint8Array(0));
      expect(await store.take('none')).toEqual(new Uint8Array(0));
      const longest = new Uint8Array(MAX_STORE_VALUE).fill(0x5a);
      await store.put('longest', longest, nowMs() + 60_000);
      const back = await store.get('longest');
      expect([back?.length, back?.every((byte) => byte === 0x5a)]).toEqual([MAX_STORE_VALUE, true]);
    });

    it('takes keys of every printable character and of the greatest length, and tells them apart', async () => {
      const { store, nowMs } = await fresh();
      const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('');
      const keys = [
        printable,
        'k'.repeat(MAX_STORE_KEY),
        'k'.repeat(MAX_STORE_KEY - 1),
        'k',
        'K',
        'k*',
        'k?',
        'k:',
      ];
      for (const key of keys) await store.put(key, bytes(key), nowMs() + 60_000);
      for (const key of keys) expect(text(await store.get(key))).toBe(key);
      await store.delete('k*');
      expect(text(await store.get('k?'))).toBe('k?');
    });

    it('refuses keys, values and times that not every store can hold, and changes nothing', async () => {
      const { store, nowMs } = await fresh();
      const refuse = async (call: () => unknown): Promise<void> => {
        await expect((async () => call())()).rejects.toMatchObject({ code: 'ERR_STORE_VALUE' });
      };
      for (const key of ['', 'k'.repeat(MAX_STORE_KEY + 1), 'a b', 'a\n', 'ä']) {
        await refuse(() => store.put(key, bytes('x'), nowMs() + 60_000));
        await refuse(() => store.add(key, bytes('x'), nowMs() + 60_000));
        await refuse(() => store.get(key));
        await refuse(() => store.take(key));
        await refuse(() => store.delete(key));
      }
      await refuse(() => store.put('a', new Uint8Array(MAX_STORE_VALUE + 1), nowMs() + 60_000));
      await refuse(() => store.put('a', bytes('x'), Number.POSITIVE_INFINITY));
      await refuse(() => store.put('a', bytes('x'), Number.NaN));
      await refuse(() => store.add('a', bytes('x'), Number.NaN));
      expect(await list(store)).toEqual([]);
    });

    it('copies on the way in and on the way out', async () => {
      const { store, nowMs } = await fresh();
      const value = bytes('value');
      await store.put('a', value, nowMs() + 60_000);
      value.fill(0);
      const out = await store.get('a');
      expect(text(out)).toBe('value');
      out?.fill(0);
      expect(text(await store.get('a'))).toBe('value');
      for await (const entry of store) entry.value.fill(0);
      expect(text(await store.take('a'))).toBe('value');
    });

    it('adds where there is nothing, and only there', async () => {
      const { store, other, nowMs, pass } = await fresh();
      const until = nowMs() + 60_000;
      expect(await store.add('a', bytes('one'), until)).toBe(true);
      expect([await other.add('a', bytes('two'), until), await store.add('a', bytes('two'), until)]).toEqual([
        false,
        false,
      ]);
      expect(text(await other.get('a'))).toBe('one');
      await store.delete('a');
      expect(await other.add('a', bytes('three'), nowMs() + 200)).toBe(true);
      await pass(400);
      expect(await store.add('a', bytes('four'), nowMs() + 60_000)).toBe(true);
      expect(text(await other.get('a'))).toBe('four');
      expect([await store.add('over', bytes('x'), nowMs() - 1), await store.get('over')]).toEqual([
        false,
        null,
      ]);
    });

    it('adds for one of many who do so at once', async () => {
      const { store, other, nowMs } = await fresh();
      for (let round = 0; round < 20; round++) {
        const adders = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? store : other));
        const until = nowMs() + 60_000;
        const added = await Promise.all(
          adders.map((adder, i) => adder.add(`round-${round}`, bytes(`${i}`), until)),
        );
        expect(added.filter((was) => was)).toHaveLength(1);
        expect(text(await store.get(`round-${round}`))).toBe(`${added.indexOf(true)}`);
      }
    });

    it('takes once', async () => {
      const { store, other, nowMs } = await fresh();
      await store.put('a', bytes('one'), nowMs() + 60_000);
      expect(text(await other.take('a'))).toBe('one');
      expect([await store.take('a'), await store.get('a'), await other.get('a')]).toEqual([null, null, null]);
    });

    it('gives a value to one of many who take it at once', async () => {
      const { store, other, nowMs } = await fresh();
      for (let round = 0; round < 20; round++) {
        await store.put('a', bytes(`round ${round}`), nowMs() + 60_000);
        const takers = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? store : other));
        const got = await Promise.all(takers.map((taker) => taker.take('a')));
        expect(got.filter((value) => value !== null).map(text)).toEqual([`round ${round}`]);
      }
    });

    it('deletes, and says whether there was something', async () => {
      const { store, other, nowMs } = await fresh();
      await store.put('a', bytes('one'), nowMs() + 60_000);
      expect([await other.delete('a'), await store.delete('a'), await store.get('a')]).toEqual([
        true,
        false,
        null,
      ]);
    });

    it('forgets what has expired, in get, take, delete and the list', async () => {
      const { store, other, nowMs, pass } = await fresh();
      const soon = nowMs() + 400;
      for (const key of ['get', 'take', 'delete', 'list']) await store.put(key, bytes(key), soon);
      await store.put('stays', bytes('stays'), nowMs() + 60_000);
      expect(text(await other.get('get'))).toBe('get');
      await pass(600);
      expect([await other.get('get'), await store.take('take'), await store.delete('delete')]).toEqual([
        null,
        null,
        false,
      ]);
      expect((await list(other)).map(({ key }) => key)).toEqual(['stays']);
    });

    it('gives a value a new time with a new put, and removes by one that is over', async () => {
      const { store, nowMs, pass } = await fresh();
      await store.put('longer', bytes('x'), nowMs() + 200);
      await store.put('longer', bytes('y'), nowMs() + 60_000);
      await store.put('shorter', bytes('x'), nowMs() + 60_000);
      await store.put('shorter', bytes('y'), nowMs() + 200);
      await store.put('over', bytes('x'), nowMs() + 60_000);
      await store.put('over', bytes('y'), nowMs() - 1);
      expect(await store.get('over')).toBeNull();
      await pass(400);
      expect([text(await store.get('longer')), await store.get('shorter')]).toEqual(['y', null]);
    });

    it('lists everything once, also while it changes', async () => {
      const { store, nowMs } = await fresh();
      const keys = Array.from({ length: 300 }, (_, i) => `key-${String(i).padStart(3, '0')}`);
      const until = nowMs() + 60_000;
      for (const key of keys) await store.put(key, bytes(key), until);
      const all = await list(store);
      expect(all.map(({ key }) => key)).toEqual(keys);
      for (const { key, value, expiresAtMs } of all) {
        expect(text(value)).toBe(key);
        expect(Math.abs(expiresAtMs - until)).toBeLessThanOrEqual(1_000);
      }
      const seen: string[] = [];
      for await (const { key } of store) {
        seen.push(key);
        await store.delete(key);
        await store.put(`new-${key}`, bytes(key), until);
      }
      expect(seen.filter((key) => !key.startsWith('new-')).sort()).toEqual(keys);
      expect(new Set(seen).size).toBe(seen.length);
    });

    it('keeps what was added when it is full, and drops or refuses what is put', async () => {
      under = await openSmall();
      const { store, nowMs } = under;
      const value = new Uint8Array(1000).fill(7);
      const until = nowMs() + 60_000;
      const tried = async (call: () => unknown): Promise<boolean> => {
        try {
          return (await call()) !== false;
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_STORE_FAILED' });
          return false;
        }
      };
      for (let i = 0; i < 20; i++) expect(await store.add(`added-${i}`, value, nowMs() + 30_000)).toBe(true);
      for (let i = 0; i < 1000; i++) await tried(() => store.put(`put-${i}`, value, until));
      let kept = 0;
      for await (const { key } of store) if (key.startsWith('put-')) kept++;
      expect(kept).toBeGreaterThan(0);
      expect(kept).toBeLessThan(1000);
      for (let i = 0; i < 20; i++)
        expect(await tried(() => store.add(`added-${i}`, value, until))).toBe(false);
      // And when all that there is was added, no more is: none of it makes way.
      let added = 20;
      while (added < 1200 && (await tried(() => store.add(`added-${added}`, value, until)))) added++;
      expect(added).toBeLessThan(1200);
      for (let i = 0; i < added; i++) expect(await store.get(`added-${i}`)).not.toBeNull();
    });

    it('refuses every call after it was closed', async () => {
      const { store, nowMs } = await fresh();
      await store.put('a', bytes('one'), nowMs() + 60_000);
      await store.close();
      await store.close();
      const calls: (() => unknown)[] = [
        () => store.get('a'),
        () => store.put('a', bytes('x'), nowMs() + 60_000),
        () => store.add('a', bytes('x'), nowMs() + 60_000),
        () => store.take('a'),
        () => store.delete('a'),
        () => list(store),
      ];
      for (const call of calls) {
        await expect((async () => call())()).rejects.toMatchObject({ code: 'ERR_STORE_CLOSED' });
      }
    });
  });
}
