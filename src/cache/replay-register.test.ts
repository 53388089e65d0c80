import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeSession, NOON, TestClock } from '../../tests/support/sessions.ts';
import type { SessionSource } from './outside-lookup.ts';
import { singleUseGuard } from './replay-guard.ts';
import { ReplayRegister, type ReplayRegisterOptions } from './replay-register.ts';
import { SessionContext } from './session-context.ts';

const seed = Uint8Array.from({ length: 16 }, (_, i) => i * 7);
const WINDOW = 20_000;

function binder(number: number, length = 32): Uint8Array {
  const bytes = new Uint8Array(length).fill(0x5a);
  new DataView(bytes.buffer).setUint32(length - 4, number);
  return bytes;
}

/** A register that is past its start. */
function ready(options: Partial<ReplayRegisterOptions> = {}): [ReplayRegister, TestClock] {
  const clock = new TestClock();
  const register = new ReplayRegister({ seed, clock, ...options });
  clock.passSec(register.windowMs / 1000);
  return [register, clock];
}

describe('ReplayRegister', () => {
  it('admits a hello once', () => {
    const [register] = ready();
    for (let i = 0; i < 1000; i++) {
      expect(register.admit({ binder: binder(i) })).toBe('admitted');
      expect(register.admit({ binder: binder(i) })).toBe('early-data-replayed');
    }
    // Another length is another binder, also where padding makes the words the same.
    const short = Uint8Array.of(1, 2, 3);
    expect(register.admit({ binder: short })).toBe('admitted');
    expect(register.admit({ binder: Uint8Array.of(1, 2, 3, 0) })).toBe('admitted');
    expect(register.admit({ binder: binder(1, 48) })).toBe('admitted');
  });

  it('refuses everything for one window after its start, by both clocks, and remembers it', () => {
    const clock = new TestClock();
    const register = new ReplayRegister({ seed, clock });
    expect(register.admit({ binder: binder(1) })).toBe('early-data-guard-starting');
    clock.passSec(19.999);
    expect(register.admit({ binder: binder(2) })).toBe('early-data-guard-starting');
    clock.passSec(0.001);
    expect(register.admit({ binder: binder(2) })).toBe('early-data-replayed');
    expect(register.admit({ binder: binder(3) })).toBe('admitted');

    // A machine that starts in 1970 and is set right a moment later has not waited.
    const wrong = new TestClock(0);
    const early = new ReplayRegister({ seed, clock: wrong });
    wrong.wall = NOON;
    wrong.monotonic = 5;
    expect(early.admit({ binder: binder(1) })).toBe('early-data-guard-starting');

    // Nor has one whose clock is set back while it waits: what came before the start is fresh still.
    const slow = new TestClock();
    const late = new ReplayRegister({ seed, clock: slow });
    slow.passSec(15);
    slow.wall -= 10_000;
    slow.passSec(10);
    expect(late.admit({ binder: binder(1) })).toBe('early-data-guard-starting');
  });

  it('remembers for a whole window wherever in it the hello came', () => {
    for (const offset of [0, 1, WINDOW / 2, WINDOW - 1]) {
      const [register, clock] = ready();
      clock.passSec(offset / 1000);
      expect(register.admit({ binder: binder(1) })).toBe('admitted');
      clock.passSec(WINDOW / 1000);
      expect(register.admit({ binder: binder(1) })).toBe('early-data-replayed');
      clock.passSec((WINDOW * 3) / 1000);
      expect(register.count).toBe(1);
      expect(register.admit({ binder: binder(2) })).toBe('admitted');
      expect(register.count).toBe(1);
    }
  });

  it('refuses when the clock is set back to a time of which it knows nothing any more', () => {
    const [register, clock] = ready();
    expect(register.admit({ binder: binder(1) })).toBe('admitted');
    const then = clock.wall;
    clock.passSec(1000);
    expect(register.admit({ binder: binder(2) })).toBe('admitted');
    // By this clock the first hello is fresh again.
    clock.wall = then;
    expect(register.admit({ binder: binder(1) })).toBe('early-data-guard-starting');
    clock.passSec(900);
    expect(register.admit({ binder: binder(3) })).toBe('early-data-guard-starting');
    clock.passSec(80);
    expect(register.admit({ binder: binder(3) })).toBe('admitted');
    expect(register.admit({ binder: binder(2) })).toBe('early-data-replayed');
  });

  it('refuses when it is full, forgets nothing, and stays as small as it said', () => {
    const capacity = 1000;
    const [register, clock] = ready({ capacity });
    for (let i = 0; i < capacity; i++) expect(register.admit({ binder: binder(i) })).toBe('admitted');
    for (let i = 0; i < 10_000; i++) {
      expect(register.admit({ binder: binder(capacity + i) })).toBe('early-data-guard-full');
    }
    for (let i = 0; i < capacity; i++)
      expect(register.admit({ binder: binder(i) })).toBe('early-data-replayed');
    clock.passSec(WINDOW / 1000);
    for (let i = 0; i < capacity; i++) {
      expect(register.admit({ binder: binder(50_000 + i) })).toBe('admitted');
      expect(register.admit({ binder: binder(i) })).toBe('early-data-replayed');
    }
    expect(register.byteLength).toBeLessThanOrEqual(capacity * 63);
    expect(register.count).toBe(2 * capacity);
    // What a flood took is given back.
    for (let i = 0; i < 8; i++) {
      clock.passSec(WINDOW / 1000);
      register.admit({ binder: binder(90_000 + i) });
    }
    expect(register.byteLength).toBeLessThanOrEqual(3 * 256 * 8);
  });

  it('never admits a hello twice within a window, whatever the clock does', () => {
    const step = fc.record({
      hello: fc.nat(15),
      wall: fc.integer({ min: -50_000, max: 50_000 }),
      passes: fc.nat(20_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const clock = new TestClock();
        const register = new ReplayRegister({ seed, clock, capacity: 20 });
        /** The wall time at which each hello was admitted: it is fresh within a window of it. */
        const admitted = new Map<number, number[]>();
        for (const { hello, wall, passes } of steps) {
          clock.monotonic += passes;
          clock.wall += wall;
          if (register.admit({ binder: binder(hello) }) !== 'admitted') continue;
          const before = admitted.get(hello) ?? [];
          for (const at of before) expect(Math.abs(at - clock.wall)).toBeGreaterThan(WINDOW);
          admitted.set(hello, [...before, clock.wall]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses to be made, or asked, wrongly', () => {
    const clock = new TestClock();
    for (const options of [{ windowMs: 0 }, { windowMs: Number.NaN }, { capacity: 0 }, { capacity: 1.5 }]) {
      expect(() => new ReplayRegister({ seed, clock, ...options })).toThrow(RangeError);
    }
    expect(() => new ReplayRegister({ seed: seed.subarray(1), clock })).toThrow(RangeError);
    const [register] = ready();
    expect(() => register.admit({ binder: new Uint8Array(0) })).toThrow(RangeError);
    expect(() => register.admit({ binder: new Uint8Array(65) })).toThrow(RangeError);
  });
});

describe('singleUseGuard', () => {
  it('admits a session once, and an external key never', async () => {
    let answer: ReturnType<SessionSource['consume']> = true;
    const session = makeSession({ id: 1, version: 0x0304 });
    const context = new SessionContext({ seed });
    const guard = singleUseGuard(context);
    expect(guard.scope).toBe('resumption');
    context.add(session);
    const attempt = { binder: binder(1), session, consumed: false };
    expect(guard.admit(attempt)).toBe('admitted');
    expect(guard.admit(attempt)).toBe('early-data-replayed');
    // What the handshake itself has taken out is nobody else's.
    expect(guard.admit({ ...attempt, consumed: true })).toBe('admitted');
    expect(guard.admit({ ...attempt, session: null })).toBe('early-data-guard-failed');

    context.source = { find: () => 'not-found', add: () => {}, remove: () => {}, consume: () => answer };
    expect(guard.admit(attempt)).toBe('admitted');
    answer = Promise.resolve(true);
    expect(await guard.admit(attempt)).toBe('admitted');
    answer = Promise.resolve(false);
    expect(await guard.admit(attempt)).toBe('early-data-replayed');
    session.free();
  });
});
