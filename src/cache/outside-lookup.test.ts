import { describe, expect, it, vi } from 'vitest';
import { context, session, settled, throwing } from '../../tests/support/session-contexts.ts';
import { idOf, makeSession, TestTimers } from '../../tests/support/sessions.ts';
import type { SessionCore } from '../session/core.ts';
import { CacheMode } from './modes.ts';
import type { GetAnswer, LookupResult, SessionSource } from './outside-lookup.ts';

describe('lookup', () => {
  it('finds in the cache, with a reference for the caller', () => {
    const onGet = vi.fn(() => null);
    const cache = context({ callbacks: { onGet } });
    const one = session({ id: 1 });
    cache.add(one);
    const found = cache.lookup(0x0303, idOf(1)) as LookupResult;
    expect(found).toEqual({ session: one, from: 'cache', reason: null });
    expect(one.libraryReferences).toBe(2);
    found.session?.release('test');
    expect([onGet.mock.calls.length, cache.stats.misses]).toEqual([0, 0]);
  });

  it('asks the callback with a copy of the id, and takes a reference of its own', () => {
    const connection = { name: 'connection' };
    const one = session({ id: 1 });
    const id = idOf(1);
    const cache = context({
      callbacks: {
        onGet: (asked, which) => {
          expect([asked, which]).toEqual([idOf(1), connection]);
          asked.fill(0);
          return one;
        },
      },
    });
    const found = cache.lookup(0x0303, id, connection) as LookupResult;
    expect([found.session, found.from, id]).toEqual([one, 'callback', idOf(1)]);
    // The caller's and the cache's: it was added, as the mode lets it.
    expect([one.applicationReferences, one.libraryReferences, cache.number]).toEqual([1, 2, 1]);
    expect([cache.stats.misses, cache.stats.cbHits]).toEqual([1, 1]);
    found.session?.release('test');
  });

  it('takes over the reference when copy is false, and adds nothing under NO_INTERNAL_STORE', () => {
    const one = makeSession({ id: 1 });
    const cache = context({
      mode: CacheMode.SERVER | CacheMode.NO_INTERNAL_STORE,
      callbacks: { onGet: () => ({ session: one, copy: false }) },
    });
    const found = cache.lookup(0x0303, idOf(1)) as LookupResult;
    expect([one.applicationReferences, one.libraryReferences, cache.number]).toEqual([0, 1, 0]);
    found.session?.release('test');
    expect(one.hasEnded).toBe(true);
  });

  it('does not look in the cache under NO_INTERNAL_LOOKUP, nor count a miss', async () => {
    const cache = context({ mode: CacheMode.SERVER | CacheMode.NO_INTERNAL_LOOKUP });
    cache.add(session({ id: 1 }));
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual([null, 'not-found']);
    expect(cache.stats.misses).toBe(0);
  });

  it('ignores a session that is marked, and frees it when it was given away', async () => {
    const one = makeSession({ id: 1 });
    one.markNotResumable();
    const cache = context({ callbacks: { onGet: () => ({ session: one, copy: false }) } });
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual([null, 'not-resumable']);
    expect([one.hasEnded, cache.stats.cbHits]).toEqual([true, 0]);
  });

  it.each([
    ['throws', (): GetAnswer => throwing(new Error('misbehaves')) as never],
    ['gives away what it does not have', (): GetAnswer => ({ session: ended(), copy: false })],
    ['returns what has ended', (): GetAnswer => ended()],
    ['rejects', () => Promise.reject(new Error('misbehaves'))],
  ])('is a miss with its reason when the callback %s', async (_, onGet) => {
    const reportError = vi.fn();
    const cache = context({ reportError, callbacks: { onGet } });
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual([null, 'store-failed']);
    expect([reportError.mock.calls.length, cache.stats.callbackErrors]).toEqual([1, 1]);
  });

  it('waits for an answer that comes later, and no longer than the limit', async () => {
    const timers = new TestTimers();
    let answer: (answer: GetAnswer) => void = () => {};
    const onGet = (): Promise<GetAnswer> =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const cache = context({ timers, lookupLimitMs: 50, callbacks: { onGet } });

    const inTime = cache.lookup(0x0303, idOf(1));
    timers.pass(49);
    answer(session({ id: 1 }));
    expect(await settled(inTime)).toEqual(['callback', null]);
    expect(timers.waiting).toBe(0);

    const late = cache.lookup(0x0303, idOf(2));
    timers.pass(50);
    expect(await settled(late)).toEqual([null, 'store-slow']);
    // What then comes after all is not kept, and its reference is given back.
    const gift = makeSession({ id: 2 });
    answer({ session: gift, copy: false });
    await Promise.resolve();
    await Promise.resolve();
    expect(gift.hasEnded).toBe(true);
  });

  it('is not hurt by late answers of nothing, of what was freed, nor by a thenable that throws', async () => {
    const timers = new TestTimers();
    const reportError = vi.fn();
    let answer: (answer: unknown) => void = () => {};
    const onGet = vi.fn(() => new Promise<unknown>((resolve) => (answer = resolve)) as Promise<GetAnswer>);
    const cache = context({ timers, lookupLimitMs: 50, callbacks: { onGet }, reportError });
    const freed = makeSession({ id: 2 });
    freed.retain('test');
    freed.free();
    for (const late of [undefined, { session: freed, copy: false }, 'nonsense']) {
      const found = cache.lookup(0x0303, idOf(1));
      timers.pass(50);
      expect(await settled(found)).toEqual([null, 'store-slow']);
      // Were this an unhandled rejection, the run would fail.
      answer(late);
      await new Promise((done) => setTimeout(done, 1));
    }
    freed.release('test');
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: an application's own.
      then: () => {
        throw new Error('no promise');
      },
    };
    onGet.mockReturnValueOnce(thenable as unknown as Promise<GetAnswer>);
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual([null, 'store-failed']);
    expect(reportError).toHaveBeenCalledTimes(1);
  });

  it('bounds how many wait', async () => {
    const timers = new TestTimers();
    const cache = context({
      timers,
      maxPendingLookups: 2,
      callbacks: { onGet: () => new Promise(() => {}) },
    });
    const waiting = [cache.lookup(0x0303, idOf(1)), cache.lookup(0x0303, idOf(2))];
    expect(await settled(cache.lookup(0x0303, idOf(3)))).toEqual([null, 'store-busy']);
    timers.pass(1_000);
    for (const each of waiting) expect(await settled(each)).toEqual([null, 'store-slow']);
  });

  it('asks the source last', async () => {
    const source = {
      find: vi.fn<SessionSource['find']>(() => 'unknown-key'),
      add: vi.fn<SessionSource['add']>(),
      remove: vi.fn<SessionSource['remove']>(),
      consume: vi.fn<SessionSource['consume']>(() => true),
    };
    const cache = context({ source, callbacks: { onGet: () => Promise.resolve(null) } });
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual([null, 'unknown-key']);
    const stored = makeSession({ id: 1 });
    source.find.mockReturnValueOnce(Promise.resolve(stored));
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual(['store', null]);
    expect([stored.hasEnded, cache.number]).toEqual([true, 0]);
    source.find.mockReturnValueOnce(Promise.reject(new Error('gone')));
    expect(await settled(cache.lookup(0x0303, idOf(1)))).toEqual([null, 'store-failed']);
  });
});

function ended(): SessionCore {
  const core = makeSession({ id: 9 });
  core.free();
  return core;
}

describe('single use', () => {
  it('is granted once', () => {
    const cache = context();
    const one = session({ id: 1 });
    cache.add(one);
    expect(cache.consume(one)).toBe(true);
    expect(one.isMarkedNotResumable).toBe(true);
    expect(cache.consume(one)).toBe(false);
  });

  it("is the source's to grant where there is one; late, failed or slow is no", async () => {
    const timers = new TestTimers();
    const consume = vi.fn<SessionSource['consume']>();
    const source = { find: () => 'not-found' as const, add: () => {}, remove: vi.fn(), consume };
    const cache = context({ source, timers });
    const one = session({ id: 1 });
    cache.add(one);
    for (const [answer, granted] of [
      [true, true],
      [false, false],
      [Promise.resolve(true), true],
      [Promise.reject(new Error('gone')), false],
    ] as const) {
      consume.mockReturnValueOnce(answer);
      expect(await cache.consume(one)).toBe(granted);
    }
    consume.mockReturnValueOnce(new Promise(() => {}));
    const slow = cache.consume(one);
    timers.pass(1_000);
    expect(await slow).toBe(false);
    consume.mockImplementationOnce(() => throwing(new Error('gone')) as never);
    expect(cache.consume(one)).toBe(false);
    expect(source.remove).not.toHaveBeenCalled();
  });

  it('waits among the look-ups, of which so many may wait', async () => {
    const timers = new TestTimers();
    const consume = vi.fn<SessionSource['consume']>(() => new Promise(() => {}));
    const source = { find: () => 'not-found' as const, add: () => {}, remove: vi.fn(), consume };
    const cache = context({ source, timers, maxPendingLookups: 1 });
    const waiting = cache.consume(session({ id: 1 }));
    expect(cache.consume(session({ id: 2 }))).toBe(false);
    expect(consume).toHaveBeenCalledTimes(1);
    timers.pass(1_000);
    expect(await waiting).toBe(false);
    consume.mockReturnValueOnce(true);
    expect(cache.consume(session({ id: 3 }))).toBe(true);
  });
});
