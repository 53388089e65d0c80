import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../util/bytes.ts';
import { DEFAULT_BODY, Field, makeBody, SessionBody } from './body.ts';
import { liveSessionCount, SessionCore } from './core.ts';
import { SessionError } from './errors.ts';
import { newExIndex } from './ex-data.ts';

/** Indexes are for the life of the process: each test switches its own callbacks on, and off at its end. */
class Class {
  on = false;
  readonly index: number;
  onNew: ((session: SessionCore) => unknown) | null = null;
  onDup: ((to: SessionCore, from: SessionCore, value: unknown) => unknown) | null = null;
  onFree: ((session: SessionCore, value: unknown) => void) | null = null;
  readonly calls: unknown[][] = [];

  constructor() {
    const { calls } = this;
    this.index = newExIndex(
      7,
      'argp',
      (session, index, argl, argp) => {
        if (!this.on) return undefined;
        calls.push(['new', index, argl, argp]);
        return this.onNew?.(session);
      },
      (to, from, value, index, argl, argp) => {
        if (!this.on) return undefined;
        calls.push(['dup', value, index, argl, argp]);
        return this.onDup?.(to, from, value);
      },
      (session, value, index, argl, argp) => {
        if (!this.on) return;
        calls.push(['free', value, index, argl, argp]);
        this.onFree?.(session, value);
      },
    );
  }

  [Symbol.dispose](): void {
    this.on = false;
  }
}

const first = new Class();
const second = new Class();

function using(...classes: Class[]): Disposable {
  for (const one of classes) {
    one.on = true;
    one.onNew = null;
    one.onDup = null;
    one.onFree = null;
    one.calls.length = 0;
  }
  return {
    [Symbol.dispose]: () => {
      for (const one of classes) one[Symbol.dispose]();
    },
  };
}

function code(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return error instanceof SessionError ? error.code : String(error);
  }
  return 'nothing was thrown';
}

describe('ex_data', () => {
  it('keeps a value a session and an index; index 0 is the application data', () => {
    const [a, b] = [SessionCore.create(), SessionCore.create()];
    expect(first.index).toBeGreaterThan(0);
    expect(second.index).toBe(first.index + 1);
    expect(a.setExData(0, 'zero')).toBe(true);
    expect(a.setExData(second.index, 'second')).toBe(true);
    expect([a.getExData(0), a.getExData(first.index), a.getExData(second.index)]).toEqual([
      'zero',
      null,
      'second',
    ]);
    expect([b.getExData(0), b.getExData(second.index)]).toEqual([null, null]);
    for (const bad of [-1, 0.5, second.index + 1, Number.NaN]) {
      expect(a.setExData(bad, 'x')).toBe(false);
      expect(a.getExData(bad)).toBeNull();
    }
    a.setExData(0, undefined);
    expect(a.getExData(0)).toBeNull();
    a.free();
    b.free();
  });

  it('runs the new callback of every index, which returns a value or sets it', () => {
    using _ = using(first, second);
    first.onNew = () => 'made';
    second.onNew = (session) => {
      session.setExData(second.index, 'set');
      return undefined;
    };
    const session = SessionCore.create();
    expect([session.getExData(first.index), session.getExData(second.index)]).toEqual(['made', 'set']);
    expect(first.calls).toEqual([['new', first.index, 7, 'argp']]);
    session.free();
    expect(first.calls[1]).toEqual(['free', 'made', first.index, 7, 'argp']);
    expect(second.calls[1]).toEqual(['free', 'set', second.index, 7, 'argp']);
  });

  it('runs the free callbacks once, at zero, before anything is wiped, with null for what was not set', () => {
    using _ = using(first);
    let seen = '';
    first.onFree = (session) => {
      seen = toHex(session.field(Field.masterKey, 'test')) + toHex(session.field(Field.id, 'test'));
    };
    const session = SessionCore.fromBody(makeBody([fromHex('aabb'), fromHex('cc')], {}), 0, 1, 'test');
    session.upRef();
    session.free();
    expect(first.calls.filter(([what]) => what === 'free')).toEqual([]);
    session.free();
    expect(seen).toBe('aabbcc');
    expect(first.calls.filter(([what]) => what === 'free')).toEqual([['free', null, first.index, 7, 'argp']]);
  });

  it('cannot bring a session back from a free callback', () => {
    using _ = using(first);
    const codes: string[] = [];
    let copy: SessionCore | null = null;
    first.onFree = (session) => {
      if (copy !== null) return;
      codes.push(
        code(() => session.upRef()),
        code(() => session.retain('cache')),
        code(() => session.free()),
      );
      copy = session.dup();
    };
    const session = SessionCore.create();
    session.setField(Field.id, fromHex('aa'), 'test');
    session.free();
    expect(codes).toEqual(['ERR_SESSION_ENDED', 'ERR_SESSION_ENDED', 'ERR_SESSION_OVER_FREE']);
    expect(session.hasEnded).toBe(true);
    // A duplicate is another session: it lives on with what the ended one had.
    const made = copy as unknown as SessionCore;
    expect(toHex(made.field(Field.id, 'test'))).toBe('aa');
    made.free();
  });

  it('ends and wipes also when free callbacks throw, and runs all of them', () => {
    using _ = using(first, second);
    first.onFree = () => {
      throw new Error('one');
    };
    const session = SessionCore.create();
    session.setField(Field.id, fromHex('aa'), 'test');
    const slab = SessionBody.slabForTest(session.body('test'));
    const live = liveSessionCount();
    expect(() => session.free()).toThrow('one');
    expect(second.calls.some(([what]) => what === 'free')).toBe(true);
    expect([session.hasEnded, liveSessionCount()]).toEqual([true, live - 1]);
    expect(slab.every((byte) => byte === 0)).toBe(true);
    second.onFree = () => {
      throw new Error('two');
    };
    const other = SessionCore.create();
    other.retain('cache');
    other.free();
    expect(() => other.release('cache')).toThrow(AggregateError);
    expect(other.hasEnded).toBe(true);
  });

  it('shares values with a duplicate, or gives it what the dup callback returns', () => {
    using _ = using(first, second);
    const shared = { shared: true };
    const session = SessionCore.create();
    session.setExData(0, shared);
    session.setExData(first.index, 1);
    session.setExData(second.index, 2);
    first.onDup = (_to, _from, value) => (value as number) + 10;
    second.onDup = () => null;
    const copy = session.dup();
    expect(copy.getExData(0)).toBe(shared);
    expect([copy.getExData(first.index), copy.getExData(second.index)]).toEqual([11, null]);
    expect([session.getExData(first.index), session.getExData(second.index)]).toEqual([1, 2]);
    expect(first.calls.filter(([what]) => what === 'dup')).toEqual([['dup', 1, first.index, 7, 'argp']]);
    first.onDup = () => undefined;
    const again = session.dup();
    expect(again.getExData(first.index)).toBe(1);
    for (const one of [session, copy, again]) one.free();
  });

  it('goes through dup as far as the source has values, as CRYPTO_dup_ex_data does', () => {
    using _ = using(first, second);
    first.onNew = (session) => (session.isMarkedNotResumable ? undefined : 'new');
    second.onNew = () => 'new';
    const bare = SessionCore.create();
    first.on = false;
    second.on = false;
    // A source without any: the callbacks are not asked, and the duplicate keeps what its own new ones made.
    const source = SessionCore.create();
    first.on = true;
    second.on = true;
    const fresh = source.dup();
    expect([fresh.getExData(first.index), fresh.getExData(second.index)]).toEqual(['new', 'new']);
    expect(first.calls.some(([what]) => what === 'dup')).toBe(false);
    // A source with values up to the first index: there they replace what is new, beyond they do not.
    source.setExData(first.index, 'old');
    const partly = source.dup();
    expect([partly.getExData(first.index), partly.getExData(second.index)]).toEqual(['old', 'new']);
    expect(second.calls.some(([what]) => what === 'dup')).toBe(false);
    for (const one of [bare, source, fresh, partly]) one.free();
  });

  it('makes nothing when a new callback throws, and leaves nothing over', () => {
    using _ = using(first, second);
    first.onNew = () => 'made';
    second.onNew = () => {
      throw new Error('no');
    };
    const live = liveSessionCount();
    const { sharers } = DEFAULT_BODY;
    expect(() => SessionCore.create()).toThrow('no');
    expect(liveSessionCount()).toBe(live);
    expect(DEFAULT_BODY.sharers).toBe(sharers);
    // What the first one had made is given back to it.
    expect(first.calls).toEqual([
      ['new', first.index, 7, 'argp'],
      ['free', 'made', first.index, 7, 'argp'],
    ]);
    const body = makeBody([fromHex('aa')], {});
    const slab = SessionBody.slabForTest(body);
    expect(() => SessionCore.fromBody(body, 0, 1, 'test')).toThrow('no');
    expect(slab.every((byte) => byte === 0)).toBe(true);
  });

  it('makes no duplicate when a dup callback or a new callback throws', () => {
    using _ = using(first);
    const session = SessionCore.create();
    session.setField(Field.id, fromHex('aa'), 'test');
    session.setExData(first.index, 'value');
    const live = liveSessionCount();
    const seen: SessionCore[] = [];
    first.onDup = (to) => {
      seen.push(to);
      throw new Error('no');
    };
    expect(() => session.dup()).toThrow('no');
    first.onNew = (made) => {
      seen.push(made);
      throw new Error('not even');
    };
    expect(() => session.dup()).toThrow('not even');
    // Whoever kept what a callback was shown holds a session that has ended.
    expect(seen.map((made) => [made.hasEnded, made.references])).toEqual([
      [true, 0],
      [true, 0],
    ]);
    expect(seen.map((made) => code(() => made.free()))).toEqual([
      'ERR_SESSION_OVER_FREE',
      'ERR_SESSION_OVER_FREE',
    ]);
    expect(liveSessionCount()).toBe(live);
    expect(session.body('test').sharers).toBe(1);
    expect(toHex(session.field(Field.id, 'test'))).toBe('aa');
    session.free();
  });

  it('has 1,024 indexes', () => {
    let last = second.index;
    for (;;) {
      const index = newExIndex(0, null, null, null, null);
      if (index === -1) break;
      expect(index).toBe(last + 1);
      last = index;
    }
    expect(last).toBe(1023);
    const session = SessionCore.create();
    expect(session.setExData(1023, 'last')).toBe(true);
    expect(session.setExData(1024, 'none')).toBe(false);
    session.free();
  });
});
