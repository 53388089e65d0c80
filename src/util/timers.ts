/**
 * Time limits are given to the library as its clocks are: what has to wait no longer than so many
 * milliseconds gets a `Timers`. Node's and the browser's `setTimeout` make one; tests turn the hands.
 */
export interface Timers {
  /** Calls `run` once, not before `delayMs` milliseconds have passed, unless it is cancelled before. */
  after(delayMs: number, run: () => void): Timer;
}

export interface Timer {
  /** No effect after `run` was called. */
  cancel(): void;
}
