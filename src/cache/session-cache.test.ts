import { describe, expect, it, vi } from 'vitest';
import { idOf, makeSession, NOON, TestClock } from '../../tests/support/sessions.ts';
import { type Session, sessionHandle } from '../session/session.ts';
import type { LookupResult } from './outside-lookup.ts';
import { SessionCache } from './session-cache.ts';
import { SessionContext } from './session-context.ts';

const server = {
  role: 'server',
  resumed: false,
  verifiesPeer: false,
  singleUse: false,
  noTickets: false,
} as const;

function open(reportError?: (error: unknown) => void): [SessionCache, SessionContext, TestClock] {
  const clock = new TestClock();
  const seed = new Uint8Array(8).fill(9);
  const context = new SessionContext({ seed, clock, ...(reportError === undefined ? {} : { reportError }) });
  return [new SessionCache(context), context, clock];
}

const handle = (id: number, timeoutSec = 300): Session =>
  sessionHandle(makeSession({ id, timeoutSec }), 'test');

describe('SessionCache', () => {
  it('takes and gives handles, each its owner’s to free', () => {
    const [cache] = open();
    const mine = handle(1);
    expect([cache.add(mine), cache.add(mine), cache.size]).toEqual(['added', 'present', 1]);
    mine.free();
    const found = cache.get(0x0303, idOf(1)) as Session;
    const [listed] = cache.sessions() as [Session];
    expect([found.isFreed, cache.get(0x0303, idOf(2)), cache.has(0x0303, idOf(1))]).toEqual([
      false,
      null,
      true,
    ]);
    expect(cache.remove(found)).toBe(true);
    found.free();
    listed.free();
    expect(() => cache.add(found)).toThrow(/freed/);
  });

  it('flushes by its clock, clears, and counts in a copy', () => {
    const [cache, , clock] = open();
    for (const [id, seconds] of [
      [1, 5],
      [2, 50],
    ] as const) {
      const one = handle(id, seconds);
      cache.add(one);
      one.free();
    }
    clock.passSec(6);
    const { stats } = cache;
    expect([cache.flush(), cache.flush(NOON), cache.clear(), stats.flushed, cache.stats.flushed]).toEqual([
      1, 0, 1, 0, 2,
    ]);
    expect(() => {
      cache.capacity = -1;
    }).toThrow(RangeError);
    cache.capacity = 1;
    expect(cache.capacity).toBe(1);
  });

  it('gives the new callback a handle for good, and takes it from one that throws', () => {
    const reportError = vi.fn();
    const [cache, context] = open(reportError);
    const core = makeSession({ id: 1 });
    let kept: Session | null = null;
    cache.onNew = (session) => {
      kept = session;
    };
    context.established(core, server);
    expect(core.applicationReferences).toBe(2);
    (kept as Session | null)?.free();
    cache.onNew = () => {
      throw new Error('misbehaves');
    };
    context.established(core, server);
    expect([core.applicationReferences, reportError.mock.calls.length]).toEqual([1, 1]);
    cache.onNew = (session) => session.free();
    context.established(core, server);
    expect([core.applicationReferences, reportError.mock.calls.length]).toEqual([1, 1]);
    core.free();
    cache.clear();
  });

  it('lends the remove callback a handle that ends with the call', () => {
    const [cache] = open();
    const one = handle(1);
    cache.add(one);
    one.free();
    let lent: Session | null = null;
    let kept: Session | null = null;
    cache.onRemove = (session) => {
      lent = session;
      kept = session.ref();
    };
    cache.clear();
    expect((lent as Session | null)?.isFreed).toBe(true);
    (kept as Session | null)?.free();
  });

  it('takes over the handle that the get callback returns, now or later', async () => {
    const [cache, context] = open();
    for (const answer of [handle(1), Promise.resolve(handle(2)), null] as const) {
      cache.onGet = () => answer;
      const found = (await context.lookup(0x0303, idOf(9))) as LookupResult;
      const given = await answer;
      expect([found.from, given?.isFreed ?? true]).toEqual([given === null ? null : 'callback', true]);
      found.session?.release('test');
    }
    cache.onGet = null;
    expect(cache.clear()).toBe(2);
  });
});
