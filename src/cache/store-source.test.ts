import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { idOf, makeSession, NOON, TestClock, TestTimers } from '../../tests/support/sessions.ts';
import type { SessionCore } from '../session/core.ts';
import { utf8 } from '../util/bytes.ts';
import type { ClientSessionKey } from './client-session-key.ts';
import { MemoryStore } from './memory-store.ts';
import type { LookupResult } from './outside-lookup.ts';
import { SessionContext } from './session-context.ts';
import { plainSealer } from './session-sealer.ts';
import { StoreSource } from './store-source.ts';
import { StoredClientSessions, type StoredClientSessionsOptions } from './stored-client-sessions.ts';

const seed = new Uint8Array(8).fill(3);
const made: SessionCore[] = [];

function session(sketch: Parameters<typeof makeSession>[0]): SessionCore {
  const core = makeSession({ cipher: 0x1301, ...sketch });
  made.push(core);
  return core;
}

afterEach(() => {
  for (const each of made.splice(0)) each.free();
});

describe('StoreSource', () => {
  it('fails no handshake, nor anybody who waits for it, by what its listener throws', async () => {
    const later: (() => void)[] = [];
    vi.stubGlobal('queueMicrotask', (run: () => void) => later.push(run));
    try {
      const store = new MemoryStore();
      const source = new StoreSource({
        store,
        sealer: plainSealer,
        onError: () => {
          throw new Error('of the listener');
        },
      });
      vi.spyOn(store, 'put')
        .mockImplementationOnce(() => {
          throw new Error('of the store');
        })
        .mockImplementationOnce(() => Promise.reject(new Error('of the store')) as never);
      const one = session({ id: 1 });
      source.add(one);
      source.add(one);
      await source.settled();
      expect([source.stats.failedWrites, later.length]).toEqual([2, 2]);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  const server = {
    role: 'server',
    resumed: false,
    verifiesPeer: false,
    singleUse: true,
    noTickets: false,
  } as const;

  it('lets one process resume what another made, and only one use it up', async () => {
    const clock = new TestClock();
    const store = new MemoryStore({ clock });
    const [first, second] = [0, 1].map(() => {
      const source = new StoreSource({ store, sealer: plainSealer, clock });
      return new SessionContext({ seed, clock, source });
    }) as [SessionContext, SessionContext];
    const one = session({ id: 1, version: 0x0304 });
    first.established(one, server);
    const found = (await second.lookup(0x0304, idOf(1))) as LookupResult;
    expect([found.from, found.session?.field(0, 'test')]).toEqual(['store', one.field(0, 'test')]);
    expect([await second.consume(found.session as SessionCore), await first.consume(one)]).toEqual([
      true,
      false,
    ]);
    found.session?.release('test');
    expect((await second.lookup(0x0304, idOf(1))).reason).toBe('not-found');
    first.clear();
  });

  it('drops what went bad, and what is longer than a store keeps', async () => {
    const clock = new TestClock();
    const store = new MemoryStore({ clock });
    const source = new StoreSource({ store, sealer: plainSealer, clock });
    const one = session({ id: 1, timeoutSec: 2 ** 40 });
    source.add(one);
    expect(store.size).toBe(1);
    clock.passSec(14 * 86_400 + 1);
    expect(await source.find(0x0303, idOf(1))).toBe('not-found');
    const two = session({ id: 2, timeMs: clock.wall });
    source.add(two);
    source.remove(two);
    expect(await source.find(0x0303, idOf(2))).toBe('not-found');
    source.add(session({}));
    expect([store.size, source.consume(session({}))]).toEqual([0, false]);
  });

  it('believes nothing that lies in the wrong place or is damaged', () => {
    const clock = new TestClock();
    const store = new MemoryStore({ clock });
    const source = new StoreSource({ store, sealer: plainSealer, clock });
    source.add(session({ id: 1 }));
    const place = (id: number): string => `tlsession:s:303:${Buffer.from(idOf(id)).toString('hex')}`;
    const bytes = store.get(place(1)) as Uint8Array;
    store.put(place(2), bytes, NOON + 60_000);
    store.put(place(3), bytes.subarray(0, 50), NOON + 60_000);
    expect([source.find(0x0303, idOf(2)), source.find(0x0303, idOf(3))]).toEqual([
      'bad-stored-session',
      'bad-stored-session',
    ]);
  });

  it('counts writes that fail or are too many, and hangs nobody on them', async () => {
    const onError = vi.fn();
    const hanging = new Promise<void>(() => {});
    const store = new MemoryStore();
    const put = vi.spyOn(store, 'put');
    const source = new StoreSource({ store, sealer: plainSealer, maxPendingWrites: 2, onError });
    const one = session({ id: 1 });
    put.mockImplementationOnce(() => {
      throw new Error('full');
    });
    source.add(one);
    put.mockReturnValueOnce(Promise.reject(new Error('gone')) as never);
    source.add(one);
    await source.settled();
    expect([onError.mock.calls.length, source.stats.failedWrites, source.stats.pendingWrites]).toEqual([
      2, 2, 0,
    ]);
    put.mockReturnValue(hanging as never);
    for (let i = 0; i < 5; i++) source.add(one);
    expect(source.stats).toEqual({ pendingWrites: 2, failedWrites: 2, skippedWrites: 3 });
  });
});

describe('StoredClientSessions', () => {
  const KEY: ClientSessionKey = {
    peer: 'api.example',
    port: 443,
    serverName: 'api.example',
    alpn: [utf8('h2')],
    trust: Uint8Array.of(1),
    clientAuth: new Uint8Array(0),
  };
  const digest = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

  function open(
    options: Partial<StoredClientSessionsOptions> = {},
  ): [StoredClientSessions, MemoryStore, TestClock] {
    const clock = new TestClock();
    const store = new MemoryStore({ clock });
    return [
      new StoredClientSessions({ store, sealer: plainSealer, digest, clock, ...options }),
      store,
      clock,
    ];
  }

  const ticket = (id: number, more: Parameters<typeof makeSession>[0] = {}): SessionCore =>
    session({
      id,
      version: 0x0304,
      ticket: Uint8Array.of(id),
      lifetimeHint: 300,
      timeMs: NOON + id,
      ...more,
    });

  async function take(
    sessions: StoredClientSessions,
    ...more: Parameters<StoredClientSessions['take']>[1][]
  ) {
    const taken = await sessions.take(KEY, ...more);
    const ticket = taken.session?.field(5, 'test')[0];
    taken.session?.release('test');
    return ticket ?? taken.reason;
  }

  it('gives each ticket once, newest first, also after a restart', async () => {
    const [sessions, store, clock] = open();
    for (let id = 1; id <= 6; id++) expect(await sessions.put(KEY, ticket(id))).toBeNull();
    expect(store.size).toBe(4);
    clock.passSec(1);
    const restarted = new StoredClientSessions({ store, sealer: plainSealer, digest, clock });
    expect([
      await take(restarted),
      await take(sessions),
      await take(restarted),
      await take(sessions),
    ]).toEqual([6, 5, 4, 3]);
    expect(await take(sessions)).toBe('no-session-saved');
  });

  it('writes where nothing lies, or the oldest, whichever process put it there', async () => {
    const [one, store, clock] = open();
    const process = (first: number) =>
      new StoredClientSessions({
        store,
        sealer: plainSealer,
        digest,
        clock,
        random: () => Uint8Array.of(first),
      });
    // Two that have not looked.
    const two = process(2);
    for (const [id, sessions] of [one, two, one, two].entries()) await sessions.put(KEY, ticket(id + 1));
    expect(store.size).toBe(4);
    // One that takes a ticket has looked: its two go where that lay, and in place of the oldest.
    const three = process(0);
    expect(await take(three)).toBe(4);
    for (const id of [5, 6]) await three.put(KEY, ticket(id));
    expect([await take(two), await take(two), await take(two), await take(two), await take(two)]).toEqual([
      6,
      5,
      3,
      2,
      'no-session-saved',
    ]);
  });

  it('gives one ticket to one of many', async () => {
    const [sessions] = open();
    await sessions.put(KEY, ticket(1));
    const got = await Promise.all(Array.from({ length: 8 }, () => take(sessions)));
    expect(got.filter((each) => each === 1)).toEqual([1]);
  });

  it('lends a TLS 1.2 session, leaves what does not fit, and forgets', async () => {
    const [sessions, store] = open();
    await sessions.put(KEY, session({ id: 1, ticket: Uint8Array.of(9) }));
    expect([await take(sessions), await take(sessions)]).toEqual([9, 9]);
    await sessions.put(KEY, ticket(1));
    expect(await take(sessions, () => 'other-hash')).toBe('other-hash');
    expect(store.size).toBe(2);
    expect((await sessions.take({ ...KEY, port: 1 })).reason).toBe('no-session-saved');
    await sessions.forget(KEY);
    expect([await take(sessions), store.size]).toEqual(['no-session-saved', 0]);
    expect(await sessions.put(KEY, ticket(2, { lifetimeHint: 0 }))).toBe('expired');
  });

  it('is a miss with its reason when the store is slow, broken or wrong', async () => {
    const timers = new TestTimers();
    const [sessions, store] = open({ timers });
    await sessions.put(KEY, ticket(1));
    const get = vi.spyOn(store, 'get');
    get.mockReturnValueOnce(new Promise(() => {}) as never);
    const slow = take(sessions);
    timers.pass(1000);
    expect(await slow).toBe('store-slow');
    get.mockReturnValueOnce(Promise.reject(new Error('gone')) as never);
    expect(await take(sessions)).toBe('store-failed');
    get.mockReturnValueOnce(new Uint8Array(60));
    expect(await take(sessions)).toBe('bad-stored-session');
    vi.spyOn(store, 'put').mockImplementation(() => {
      throw new Error('full');
    });
    expect(await sessions.put(KEY, ticket(2))).toBe('store-failed');
    // A ticket moved to where sessions are lent from is not lent.
    get.mockRestore();
    for await (const { key, value } of store) {
      vi.mocked(store.put).mockRestore();
      store.delete(key);
      store.put(key.replace(/:\d$/, ':m'), value, NOON + 60_000);
    }
    expect(await take(sessions)).toBe('bad-stored-session');
  });
});
