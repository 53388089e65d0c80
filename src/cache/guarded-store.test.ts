import { describe, expect, it, vi } from 'vitest';
import { TestClock, TestTimers } from '../../tests/support/sessions.ts';
import { GuardedStore, type GuardedStoreOptions } from './guarded-store.ts';
import { MemoryStore } from './memory-store.ts';

const value = new Uint8Array(4).fill(9);
const UNTIL = Number.MAX_SAFE_INTEGER;

function under(options: Partial<GuardedStoreOptions> = {}) {
  const clock = new TestClock();
  const timers = new TestTimers();
  const store = new MemoryStore({ clock });
  const onChange = vi.fn();
  const guarded = new GuardedStore({
    store,
    clock,
    timers,
    failures: 3,
    maxPending: 4,
    onChange,
    ...options,
  });
  return { clock, timers, store, guarded, onChange };
}

const codeOf = async (call: () => unknown): Promise<string> => {
  try {
    await call();
    return 'answered';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('GuardedStore', () => {
  it('answers, whatever whoever is told of its state throws', async () => {
    const later: (() => void)[] = [];
    vi.stubGlobal('queueMicrotask', (run: () => void) => later.push(run));
    try {
      const { clock, store, guarded } = under({
        failures: 1,
        onChange: () => {
          throw new Error('of the listener');
        },
      });
      const broken = vi.spyOn(store, 'get').mockImplementation(() => {
        throw new Error('of the store');
      });
      expect(() => guarded.get('a')).toThrow('of the store');
      broken.mockRestore();
      clock.monotonic += 2000;
      expect(guarded.get('a')).toBeNull();
      expect(guarded.stats.reads).toBe('up');
      expect(later.length).toBe(2);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('passes answers on, at once where the store answers at once', async () => {
    const { guarded } = under();
    expect(guarded.put('a', value, UNTIL)).toBeUndefined();
    expect([guarded.get('a'), guarded.add('a', value, UNTIL), guarded.delete('b')]).toEqual([
      value,
      false,
      false,
    ]);
    expect(guarded.take('a')).toEqual(value);
    expect(guarded.addWitnessed).toBeUndefined();
    guarded.put('b', value, UNTIL);
    for await (const { key } of guarded) expect(key).toBe('b');
    guarded.close();
    expect(await codeOf(() => guarded.get('a'))).toBe('ERR_STORE_CLOSED');
  });

  it('waits no longer than the limit, and leaves a store alone that keeps failing', async () => {
    const { guarded, store, timers, clock, onChange } = under();
    const late: ((value: Uint8Array) => void)[] = [];
    const get = vi.spyOn(store, 'get');
    get.mockImplementation(() => new Promise((done) => late.push(done)) as never);
    for (let i = 0; i < 3; i++) {
      const answer = codeOf(() => guarded.get('a'));
      timers.pass(200);
      expect(await answer).toBe('ERR_STORE_SLOW');
    }
    expect(guarded.stats).toMatchObject({ slow: 3, pending: 3, reads: 'down', writes: 'up' });
    expect([await codeOf(() => guarded.get('a')), get.mock.calls.length]).toEqual(['ERR_STORE_DOWN', 3]);
    expect(onChange.mock.calls).toEqual([['read', expect.objectContaining({ code: 'ERR_STORE_SLOW' })]]);
    // What comes too late is nobody's, and wiped; and it ends no rest.
    const secret = value.slice();
    late.shift()?.(secret);
    await Promise.resolve();
    await Promise.resolve();
    expect([secret, guarded.stats.pending, guarded.stats.reads]).toEqual([new Uint8Array(4), 2, 'down']);
    // One call goes through when the rest is over; if it fails, the next rest begins.
    clock.passSec(1);
    const probe = codeOf(() => guarded.get('a'));
    expect(await codeOf(() => guarded.get('a'))).toBe('ERR_STORE_DOWN');
    timers.pass(200);
    expect(await probe).toBe('ERR_STORE_SLOW');
    expect(await codeOf(() => guarded.get('a'))).toBe('ERR_STORE_DOWN');
    clock.passSec(1);
    get.mockReset();
    expect(await codeOf(() => guarded.get('a'))).toBe('answered');
    expect(guarded.stats.reads).toBe('up');
    expect(onChange.mock.calls[1]).toEqual(['read', null]);
  });

  it('goes on reading from a store that takes no more', async () => {
    const { guarded, store } = under();
    vi.spyOn(store, 'put').mockImplementation(() => {
      throw new Error('OOM command not allowed');
    });
    for (let i = 0; i < 3; i++) expect(() => guarded.put('a', value, UNTIL)).toThrow('OOM');
    expect(await codeOf(() => guarded.add('a', value, UNTIL))).toBe('ERR_STORE_DOWN');
    expect(guarded.get('a')).toBeNull();
    expect(guarded.stats).toMatchObject({ writes: 'down', reads: 'up', failed: 3, refused: 1 });
  });

  it('has no more calls wait than it may, also when none is ever answered', async () => {
    const { guarded, store, timers, clock } = under({ failures: 1000 });
    const get = vi.spyOn(store, 'get').mockReturnValue(new Promise(() => {}) as never);
    const calls = Array.from({ length: 6 }, () => codeOf(() => guarded.get('a')));
    timers.pass(200);
    expect(await Promise.all(calls)).toEqual([
      ...Array(4).fill('ERR_STORE_SLOW'),
      ...Array(2).fill('ERR_STORE_BUSY'),
    ]);
    expect([guarded.stats.pending, get.mock.calls.length, timers.waiting]).toEqual([4, 4, 0]);
    // Those that were never answered are forgotten when a minute has passed, and no sooner.
    clock.monotonic += 59_999;
    expect(await codeOf(() => guarded.get('a'))).toBe('ERR_STORE_BUSY');
    get.mockReset();
    clock.monotonic += 1;
    expect(await codeOf(() => guarded.get('a'))).toBe('answered');
    expect(guarded.stats).toMatchObject({ pending: 0, busy: 3, reads: 'up' });
  });

  it('finds a store that is back by itself, however many calls were never answered', async () => {
    const { guarded, store, timers, clock } = under({ failures: 1, restMs: 100 });
    const hanging = vi.spyOn(store, 'get').mockReturnValue(new Promise(() => {}) as never);
    let most = 0;
    for (let i = 0; i < 3_000; i++) {
      const answer = codeOf(() => guarded.get('a'));
      timers.pass(200);
      await answer;
      most = Math.max(most, guarded.stats.pending);
      clock.monotonic += 100;
    }
    // Five minutes: as many probes hang as may, and a minute later as many more.
    expect([most, hanging.mock.calls.length]).toEqual([4 + 64, 5 * (4 + 64)]);
    hanging.mockReset();
    clock.monotonic += 60_000;
    expect([await codeOf(() => guarded.get('a')), guarded.stats]).toEqual([
      'answered',
      expect.objectContaining({ pending: 0, reads: 'up' }),
    ]);
  });

  it("does not blame the store for a caller's mistake", async () => {
    const { guarded } = under();
    for (let i = 0; i < 10; i++) expect(await codeOf(() => guarded.get('a b'))).toBe('ERR_STORE_VALUE');
    expect(guarded.stats).toMatchObject({ failed: 0, reads: 'up' });
  });

  it('asks once, also where an answer is made by whoever waits for it', async () => {
    const { guarded, store } = under();
    const take = vi.spyOn(store, 'take');
    const asked = vi.fn((done: (value: Uint8Array) => void) => done(Uint8Array.of(1)));
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
    take.mockReturnValue({ then: asked } as never);
    expect(await guarded.take('a')).toEqual(Uint8Array.of(1));
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it('a thenable that throws is a store that failed, and no probe that never ends', async () => {
    const { guarded, store, clock } = under({ failures: 1, restMs: 100 });
    const broken = vi.spyOn(store, 'get').mockReturnValue({
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
      then() {
        throw new Error('of the thenable');
      },
    } as never);
    await expect(guarded.get('a')).rejects.toThrow('of the thenable');
    clock.monotonic += 100;
    await expect(guarded.get('a')).rejects.toThrow('of the thenable');
    broken.mockRestore();
    clock.monotonic += 100;
    expect(guarded.get('a')).toBeNull();
    expect(guarded.stats).toMatchObject({ pending: 0, reads: 'up' });
  });
});
