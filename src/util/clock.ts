/**
 * Time is given to the library, never taken by it: everything that needs the hour or an interval gets a
 * `Clock`. `systemClock` is the only place that reads the machine's.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z, as the calendar has it: may jump when the clock is set. */
  wallMs(): number;
  /** Milliseconds from any fixed point, never going back: for intervals and time limits. */
  monotonicMs(): number;
}

export const systemClock: Clock = Object.freeze({
  wallMs: (): number => Date.now(),
  monotonicMs: (): number => performance.now(),
});
