import { afterEach, describe, expect, it, vi } from 'vitest';
import { context, made, seed, server, session, throwing } from '../../tests/support/session-contexts.ts';
import { idOf, makeSession, NOON, TestClock } from '../../tests/support/sessions.ts';
import type { SessionCore } from '../session/core.ts';
import { newExIndex } from '../session/ex-data.ts';
import { CacheMode } from './modes.ts';
import type { LookupResult, SessionSource } from './outside-lookup.ts';
import { SessionContext } from './session-context.ts';

describe('SSL_CTX_add_session', () => {
  it('takes one reference, and not a second for the same object', () => {
    const cache = context();
    const one = session({ id: 1 });
    expect(cache.add(one)).toBe('added');
    expect([one.libraryReferences, one.owner, cache.number]).toEqual([1, cache, 1]);
    expect(cache.add(one)).toBe('present');
    expect([one.libraryReferences, cache.number, cache.stats.added]).toEqual([1, 1, 1]);
  });

  it('replaces another object with the same key, without a callback and without a mark', () => {
    const onRemove = vi.fn();
    const cache = context({ callbacks: { onRemove } });
    const old = session({ id: 1 });
    const young = session({ id: 1 });
    cache.add(old);
    expect(cache.add(young)).toBe('replaced');
    expect([old.owner, old.libraryReferences, old.isResumable('test')]).toEqual([null, 0, true]);
    expect([cache.number, cache.stats.number, cache.stats.replaced]).toEqual([1, 1, 1]);
    expect(onRemove).not.toHaveBeenCalled();
  });

  it('keeps one id in two versions apart', () => {
    const cache = context();
    cache.add(session({ id: 1, version: 0x0303 }));
    expect(cache.add(session({ id: 1, version: 0x0304 }))).toBe('added');
    expect([cache.has(0x0303, idOf(1)), cache.has(0x0304, idOf(1)), cache.has(0x0302, idOf(1))]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('keeps ids apart that are a part of one another, or end in zeros', () => {
    const cache = context();
    const ids = [[], [0], [0, 0], [1], [1, 0], [1, 0, 0, 0], [1, 0, 0, 0, 0]];
    for (const id of ids) expect(cache.add(session({ id: Uint8Array.from(id) }))).toBe('added');
    for (const id of ids) expect(cache.has(0x0303, Uint8Array.from(id))).toBe(true);
    expect(cache.has(0x0303, new Uint8Array(3))).toBe(false);
    expect(cache.has(0x0303, new Uint8Array(33))).toBe(false);
  });

  it('accepts an empty id, which remove then refuses, and flush does not', () => {
    const onRemove = vi.fn();
    const cache = context({ callbacks: { onRemove } });
    const nameless = session({});
    expect(cache.add(nameless)).toBe('added');
    expect(cache.remove(nameless)).toBe(false);
    expect([onRemove.mock.calls.length, nameless.isMarkedNotResumable, cache.number]).toEqual([0, false, 1]);
    expect(cache.clear()).toBe(1);
  });

  it('refuses a session that has ended', () => {
    const gone = makeSession({ id: 1 });
    gone.free();
    expect(() => context().add(gone)).toThrow(/has ended/);
  });

  it('sets the time when UPDATE_TIME says so, also of what is there already', () => {
    const clock = new TestClock();
    const cache = context({ clock, mode: CacheMode.SERVER | CacheMode.UPDATE_TIME });
    const one = session({ id: 1, timeMs: NOON - 1_000_000, timeoutSec: 10 });
    cache.add(one);
    expect(one.timeMs('test')).toBe(NOON);
    clock.passSec(8);
    expect(cache.add(one)).toBe('present');
    clock.passSec(8);
    expect(cache.flush(clock.wallMs())).toBe(0);
    clock.passSec(3);
    expect(cache.flush(clock.wallMs())).toBe(1);
  });

  it('holds a duplicate of what another cache holds', () => {
    const first = context();
    const second = context();
    const one = session({ id: 1 });
    first.add(one);
    expect(second.add(one)).toBe('added');
    const [twin] = second.sessions() as [SessionCore];
    expect(twin).not.toBe(one);
    expect([twin.owner, twin.applicationReferences, twin.libraryReferences]).toEqual([second, 0, 1]);
    // Neither list is touched by what happens in the other.
    expect(second.add(one)).toBe('present');
    expect(second.remove(one)).toBe(true);
    expect([first.number, second.number, one.owner]).toEqual([1, 0, first]);
    expect(twin.hasEnded).toBe(true);
  });

  it('adds nothing when the duplicate cannot be made', () => {
    let fail = true;
    const index = newExIndex(
      0,
      null,
      null,
      (_to, _from, value) => {
        if (fail && value === 'fragile') throw new Error('dup callback');
        return value;
      },
      null,
    );
    const first = context();
    const second = context();
    const one = session({ id: 1 });
    one.setExData(index, 'fragile');
    first.add(one);
    expect(() => second.add(one)).toThrow('dup callback');
    expect([second.number, one.libraryReferences]).toEqual([0, 1]);
    fail = false;
    expect(second.add(one)).toBe('added');
  });
});

describe('a full cache', () => {
  it('of size N holds N', () => {
    const cache = context({ size: 3 });
    for (let id = 1; id <= 10; id++) {
      cache.add(session({ id }));
      expect(cache.number).toBe(Math.min(id, 3));
    }
    expect(cache.stats.cacheFull).toBe(7);
    const one = context({ size: 1 });
    one.add(session({ id: 1 }));
    one.add(session({ id: 2 }));
    expect([one.number, one.has(0x0303, idOf(2))]).toEqual([1, true]);
  });

  it('lets what has expired go first, earliest first, and then what was used longest ago', () => {
    const clock = new TestClock();
    const removed: SessionCore[] = [];
    const cache = context({ clock, size: 3, callbacks: { onRemove: (gone) => removed.push(gone) } });
    const [a, b, c] = [
      // Expires before the others, and is used again.
      session({ id: 1, timeoutSec: 100 }),
      session({ id: 2, timeoutSec: 20 }),
      session({ id: 3 }),
    ];
    for (const each of [a, b, c]) cache.add(each);
    clock.passSec(21);
    cache.add(session({ id: 4 }));
    expect(removed).toEqual([b]);
    cache.acquire(0x0303, idOf(1), 'test')?.release('test');
    cache.add(session({ id: 5 }));
    expect(removed).toEqual([b, c]);
    // A look without a use changes nothing.
    cache.has(0x0303, idOf(4));
    cache.add(session({ id: 6 }));
    expect(cache.has(0x0303, idOf(4))).toBe(false);
    expect([cache.stats.evictedExpired, cache.stats.evictedLeastRecent, cache.stats.cacheFull]).toEqual([
      1, 2, 3,
    ]);
  });

  it('leaves what it evicts resumable for those who hold it', () => {
    const onRemove = vi.fn();
    const cache = context({ size: 1, callbacks: { onRemove } });
    const one = session({ id: 1 });
    cache.add(one);
    cache.add(session({ id: 2 }));
    expect(onRemove).toHaveBeenCalledWith(one);
    expect([one.isResumable('test'), one.owner, one.libraryReferences]).toEqual([true, null, 0]);
  });

  it('shrinks with the next one added, and stays bounded by ids that are empty and by marks', () => {
    // CVE-2024-2511: marked sessions with a cleared id could not be evicted, and the cache grew for ever.
    const cache = context({ size: 0 });
    for (let id = 1; id <= 5; id++) cache.add(session({ id }));
    cache.size = 2;
    expect(cache.number).toBe(5);
    cache.add(session({ id: 6 }));
    expect(cache.number).toBe(2);
    for (let i = 0; i < 10; i++) {
      const marked = session({ version: 0x0300 + i });
      marked.markNotResumable();
      cache.add(marked);
      expect(cache.number).toBe(2);
    }
  });
});

describe('SSL_CTX_remove_session', () => {
  it('takes out what is under the key, but marks and reports what was passed', () => {
    const onRemove = vi.fn();
    const cache = context({ callbacks: { onRemove } });
    const kept = session({ id: 1 });
    const passed = session({ id: 1 });
    cache.add(kept);
    expect(cache.remove(passed)).toBe(true);
    expect(onRemove.mock.calls).toEqual([[passed]]);
    expect([kept.isMarkedNotResumable, passed.isMarkedNotResumable]).toEqual([false, true]);
    expect([kept.libraryReferences, kept.owner]).toEqual([0, null]);
  });

  it('reports and marks what was not there, and is false for it and for null', () => {
    const onRemove = vi.fn();
    const cache = context({ callbacks: { onRemove } });
    const one = session({ id: 1 });
    expect(cache.remove(one)).toBe(false);
    expect([onRemove.mock.calls.length, one.isResumable('test')]).toEqual([1, false]);
    expect(cache.remove(null)).toBe(false);
  });

  it('calls back before the free, with the cache already without it', () => {
    const cache = context();
    const one = makeSession({ id: 1 });
    cache.add(one);
    one.free();
    const onRemove = vi.fn((gone: SessionCore) => {
      expect([gone.hasEnded, gone.owner, cache.number, cache.has(0x0303, idOf(1))]).toEqual([
        false,
        null,
        0,
        false,
      ]);
      expect(() => gone.free()).toThrow(/holds no reference/);
    });
    cache.callbacks.onRemove = onRemove;
    expect(cache.remove(one)).toBe(true);
    expect([onRemove.mock.calls.length, one.hasEnded]).toEqual([1, true]);
  });
});

describe('SSL_CTX_flush_sessions', () => {
  it('test_session_timeout: strictly after time and timeout, in any order of adding, and all at 0', () => {
    const clock = new TestClock();
    const cache = context({ clock });
    const [early, middle, late] = [
      session({ id: 1, timeMs: NOON - 10_000, timeoutSec: 100 }),
      session({ id: 2, timeMs: NOON, timeoutSec: 100 }),
      session({ id: 3, timeMs: NOON + 10_000, timeoutSec: 100 }),
    ];
    for (const each of [late, early, middle]) cache.add(each);
    expect(cache.flush(NOON + 90_000)).toBe(0);
    expect(cache.flush(NOON + 90_001)).toBe(1);
    expect([early.owner, middle.owner, late.owner]).toEqual([null, cache, cache]);
    expect([early.isMarkedNotResumable, middle.isMarkedNotResumable]).toEqual([true, false]);
    expect(cache.flush(NOON + 1_000_000)).toBe(2);

    for (const each of [early, middle, late]) cache.add(each);
    expect([cache.number, cache.clear(), cache.number]).toEqual([3, 3, 0]);
  });

  it('sorts anew what changes its time or timeout while it is there', () => {
    const cache = context();
    const one = session({ id: 1, timeoutSec: 100 });
    const two = session({ id: 2, timeoutSec: 200 });
    cache.add(one);
    cache.add(two);
    one.setTimeoutSec(400, 'test');
    two.setTimeMs(NOON - 150_000, 'test');
    expect(cache.flush(NOON + 60_000)).toBe(1);
    expect([one.owner, two.owner]).toEqual([cache, null]);
  });

  it('tells of the earliest first, when all are out already, and frees each after its call', () => {
    const cache = context();
    const heard: number[] = [];
    for (const [id, timeoutSec] of [
      [1, 30],
      [2, 10],
      [3, 20],
    ] as const) {
      const one = makeSession({ id, timeoutSec });
      cache.add(one);
      one.free();
    }
    cache.callbacks.onRemove = (gone) => {
      expect([cache.number, gone.hasEnded]).toEqual([0, false]);
      heard.push(gone.timeoutSec('test'));
    };
    expect(cache.flush(NOON + 60_000)).toBe(3);
    expect(heard).toEqual([10, 20, 30]);
  });

  it('goes on after a callback that throws, and throws when all is done', () => {
    const cache = context();
    for (let id = 1; id <= 3; id++) cache.add(session({ id }));
    cache.callbacks.onRemove = () => throwing(new Error('misbehaves'));
    expect(() => cache.clear()).toThrow(AggregateError);
    expect([cache.number, cache.stats.callbackErrors, cache.stats.flushed]).toEqual([0, 3, 3]);
    for (const each of made) expect(each.libraryReferences).toBe(0);
  });

  it('goes on after an ex_data callback that throws as the last reference goes', () => {
    const index = newExIndex(0, null, null, null, (_session, value) => {
      if (value === 'explosive') throw new Error('free callback');
    });
    const cache = context();
    const ids = [1, 2, 3];
    for (const id of ids) {
      const one = makeSession({ id });
      one.setExData(index, 'explosive');
      cache.add(one);
      one.free();
    }
    expect(() => cache.clear()).toThrow(AggregateError);
    expect(cache.number).toBe(0);
  });
});

describe('callbacks that change the cache', () => {
  it('may add the evicted one again, and are stopped where that has no end', () => {
    const cache = context({ size: 1 });
    cache.callbacks.onRemove = (gone) => cache.add(gone);
    cache.add(session({ id: 1 }));
    expect(() => cache.add(session({ id: 2 }))).toThrow(/deep; nothing was changed/);
    expect(cache.number).toBe(1);
    expect(made.map((each) => each.libraryReferences).sort()).toEqual([0, 1]);
    // And it works on as ever.
    cache.callbacks.onRemove = null;
    expect(cache.add(session({ id: 3 }))).toBe('added');
  });

  it('may clear it while it is flushed', () => {
    const cache = context();
    for (let id = 1; id <= 20; id++) cache.add(session({ id, timeoutSec: id }));
    cache.callbacks.onRemove = () => void cache.clear();
    expect(cache.flush(NOON + 10_500)).toBe(10);
    expect([cache.number, cache.stats.flushed]).toEqual([0, 20]);
  });
});

describe('after a handshake', () => {
  it('adds, then tells the new callback, which keeps a reference or gives it back', () => {
    const kept: SessionCore[] = [];
    const connection = {};
    const cache = context({
      callbacks: {
        onNew: (fresh, which) => {
          expect([fresh.owner, which]).toEqual([cache, connection]);
          kept.push(fresh);
          return kept.length === 1;
        },
      },
    });
    const one = session({ id: 1 });
    const two = session({ id: 2 });
    for (const each of [one, two]) cache.established(each, { ...server, connection });
    expect([one.applicationReferences, two.applicationReferences, cache.number]).toEqual([2, 1, 2]);
  });

  it('lets the new callback free what it keeps, as C does, and reports one that gives back what it freed', () => {
    const reportError = vi.fn();
    const cache = context({ reportError });
    const fresh = makeSession({ id: 1 });
    fresh.takeFromApplication('engine');
    cache.callbacks.onNew = (given) => {
      given.free();
      return true;
    };
    cache.established(fresh, server);
    expect([fresh.applicationReferences, fresh.libraryReferences, reportError.mock.calls.length]).toEqual([
      0, 2, 0,
    ]);
    cache.callbacks.onNew = (given) => {
      given.free();
      return false;
    };
    cache.established(fresh, server);
    expect(reportError).toHaveBeenCalledOnce();
    fresh.release('engine');
  });

  it('takes the reference back from a new callback that throws', () => {
    const reportError = vi.fn();
    const cache = context({
      reportError,
      callbacks: { onNew: () => throwing(new Error('misbehaves')) as never },
    });
    const one = session({ id: 1 });
    cache.established(one, server);
    expect([one.applicationReferences, reportError.mock.calls.length]).toEqual([1, 1]);
    cache.callbacks.onNew = (given) => {
      given.free();
      throw new Error('misbehaves');
    };
    cache.established(one, server);
    expect(one.applicationReferences).toBe(1);
  });

  it.each([
    ['an empty id', {}, server, CacheMode.BOTH],
    ['client certificates without a context', { id: 1 }, { ...server, verifiesPeer: true }, CacheMode.BOTH],
    ['the server bit off', { id: 1 }, server, CacheMode.CLIENT],
    ['the client bit off', { id: 1 }, { ...server, role: 'client' as const }, CacheMode.SERVER],
    ['a TLS 1.2 session that was resumed', { id: 1 }, { ...server, resumed: true }, CacheMode.BOTH],
  ])('does nothing for %s', (_, sketch, facts, mode) => {
    const onNew = vi.fn(() => false);
    const cache = context({ mode, callbacks: { onNew } });
    cache.established(session(sketch), facts);
    expect([cache.number, onNew.mock.calls.length]).toEqual([0, 0]);
  });

  it('keeps no TLS 1.3 session of a server whose tickets hold all, unless somebody needs it', () => {
    const tls13 = { id: 1, version: 0x0304 };
    const onNew = vi.fn(() => false);
    const cache = context({ callbacks: { onNew } });
    cache.established(session(tls13), { ...server, resumed: true });
    expect([cache.number, onNew.mock.calls.length]).toEqual([0, 1]);
    for (const facts of [
      { ...server, singleUse: true },
      { ...server, noTickets: true },
    ]) {
      cache.established(session(tls13), facts);
      expect(cache.clear()).toBe(1);
    }
    cache.callbacks.onRemove = () => {};
    cache.established(session(tls13), server);
    expect(cache.number).toBe(1);
    const client = context({ mode: CacheMode.CLIENT });
    client.established(session(tls13), { ...server, role: 'client' });
    expect(client.number).toBe(1);
  });

  it('skips what is marked, and the cache under NO_INTERNAL_STORE', () => {
    const onNew = vi.fn(() => false);
    const cache = context({ mode: CacheMode.BOTH | CacheMode.NO_INTERNAL_STORE, callbacks: { onNew } });
    cache.established(session({ id: 1 }), server);
    expect([cache.number, onNew.mock.calls.length]).toEqual([0, 1]);
    const marked = session({ id: 2 });
    marked.markNotResumable();
    cache.established(marked, server);
    expect(onNew).toHaveBeenCalledOnce();
  });

  it('flushes once in 256 good handshakes, unless NO_AUTO_CLEAR', () => {
    for (const [mode, left] of [
      [CacheMode.SERVER, 0],
      [CacheMode.SERVER | CacheMode.NO_AUTO_CLEAR, 1],
    ] as const) {
      const clock = new TestClock();
      const cache = context({ clock, mode });
      cache.add(session({ id: 1, timeoutSec: 1 }));
      clock.passSec(2);
      const resumed = session({ id: 2 });
      for (let good = 0; good < 256; good++) {
        expect(cache.number).toBe(1);
        cache.established(resumed, { ...server, resumed: true });
        cache.handshakeFinished('server', null);
      }
      expect([cache.number, cache.stats.acceptGood, cache.stats.hits]).toEqual([left, 256, 256]);
    }
  });

  it('tells the source of what can be looked up, and of nothing that a ticket holds', () => {
    const source = {
      find: vi.fn<SessionSource['find']>(() => 'not-found'),
      add: vi.fn<SessionSource['add']>(),
      remove: vi.fn<SessionSource['remove']>(),
      consume: vi.fn<SessionSource['consume']>(() => true),
    };
    const cache = context({ source, mode: CacheMode.BOTH });
    cache.established(session({ id: 1, version: 0x0304 }), server);
    cache.established(session({ id: 2 }), { ...server, role: 'client' });
    expect(source.add).not.toHaveBeenCalled();
    const one = session({ id: 3 });
    cache.established(one, server);
    expect(source.add.mock.calls).toEqual([[one]]);
    cache.spoiled(one);
    expect(source.remove.mock.calls).toEqual([[one]]);
    // Making room and flushing are this cache's own affair.
    cache.clear();
    expect(source.remove).toHaveBeenCalledOnce();
  });
});

describe('counters and the rest', () => {
  it('counts handshakes and reasons', () => {
    const cache = context();
    cache.handshakeStarted('server');
    cache.handshakeStarted('client');
    cache.handshakeFinished('server', 'other-name');
    cache.handshakeFinished('client', null);
    cache.earlyDataDecided(null);
    cache.earlyDataDecided('early-data-replayed');
    const { stats } = cache;
    expect([stats.accept, stats.connect, stats.acceptGood, stats.connectGood, stats.hits]).toEqual([
      1, 1, 1, 1, 1,
    ]);
    expect([stats.notResumed['other-name'], stats.notResumed.expired]).toEqual([1, 0]);
    expect([stats.earlyDataAccepted, stats.earlyDataRefused['early-data-replayed']]).toEqual([1, 1]);
  });

  it('removes what it finds expired, and counts what a handshake says was', () => {
    const clock = new TestClock();
    const onRemove = vi.fn();
    const cache = context({ clock, callbacks: { onRemove } });
    const one = session({ id: 1, timeoutSec: 5 });
    cache.add(one);
    const id = idOf(1);
    clock.wall += 5_000;
    const found = cache.lookup(0x0303, id) as LookupResult;
    expect(found.session).toBe(one);
    found.session?.release('test');
    clock.wall += 1;
    expect(cache.lookup(0x0303, id)).toEqual({ session: null, from: null, reason: 'expired' });
    expect([cache.number, cache.stats.misses, onRemove.mock.calls.length]).toEqual([0, 0, 1]);
    // A ticket that has expired counts as well, so the handshake says it, once for either.
    expect(cache.stats.timeouts).toBe(0);
    cache.handshakeFinished('server', 'expired');
    cache.handshakeFinished('client', 'expired');
    expect([cache.stats.timeouts, cache.stats.notResumed.expired]).toEqual([1, 2]);
  });

  it('a TLS 1.3 client uses its session up, where it caches', () => {
    for (const [mode, left] of [
      [CacheMode.CLIENT, 0],
      [CacheMode.SERVER, 1],
    ] as const) {
      const cache = context({ mode });
      const one = session({ id: 1, version: 0x0304 });
      cache.add(one);
      cache.usedUp(one);
      expect(cache.number).toBe(left);
    }
  });

  it('reports what the engine cannot catch, and by default lets the process know', async () => {
    const uncaught = vi.fn();
    const micro = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation(uncaught);
    const cache = new SessionContext({
      seed,
      callbacks: { onRemove: () => throwing(new Error('misbehaves')) },
    });
    const one = session({ id: 1 });
    cache.add(one);
    cache.spoiled(one);
    micro.mockRestore();
    expect(uncaught).toHaveBeenCalledOnce();
    expect(uncaught.mock.calls[0]?.[0]).toThrow('misbehaves');
    expect(cache.number).toBe(0);
  });
});

/** No more than 16 words at once. */
class Scarce extends Int32Array {
  constructor(size: number) {
    if (size > 16) throw new RangeError('Array buffer allocation failed');
    super(size);
  }
}

describe('memory', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('an insertion that runs out of memory leaves everything as it was', () => {
    const cache = context();
    const there = Array.from({ length: 16 }, (_, i) => session({ id: i + 1 }));
    for (const each of there) cache.add(each);
    const late = session({ id: 99 });
    vi.stubGlobal('Int32Array', Scarce);
    expect(() => cache.add(late)).toThrow('allocation failed');
    expect([late.owner, late.applicationReferences, late.libraryReferences]).toEqual([null, 1, 0]);
    expect([cache.number, cache.sessions().length, cache.stats.added]).toEqual([16, 16, 16]);
    vi.unstubAllGlobals();
    expect(cache.has(0x0303, idOf(99))).toBe(false);
    expect(cache.add(late)).toBe('added');
    expect(cache.flush(Number.POSITIVE_INFINITY)).toBe(17);
  });

  it('a replacement that runs out of memory leaves the one that it would replace, whichever slots are free', () => {
    const cache = context();
    // Each of the first eight expires before all others: a run of the queue each. The twin will have to go into its heap.
    const there = Array.from({ length: 60 }, (_, i) => session({ id: i + 1, timeoutSec: 9000 - i }));
    for (const each of there.slice(0, 8)) cache.add(each);
    for (const [i, each] of there.slice(8).entries()) {
      each.setTimeoutSec(20_000 + i, 'test');
      cache.add(each);
    }
    expect(cache.remove(there[9] as SessionCore)).toBe(true);
    const twin = session({ id: 60, timeoutSec: 1 });
    vi.stubGlobal('Int32Array', Scarce);
    expect(() => cache.add(twin)).toThrow('allocation failed');
    vi.unstubAllGlobals();
    expect([cache.number, cache.stats.replaced, twin.owner]).toEqual([59, 0, null]);
    expect(there[59]?.owner).toBe(cache);
    expect(cache.add(twin)).toBe('replaced');
  });
});
