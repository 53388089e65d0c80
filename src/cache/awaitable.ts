/** What may be there at once or later: stores in this process answer at once, others do not. */
import type { Timers } from '../util/timers.ts';

export type Awaitable<T> = T | PromiseLike<T>;

export function isPromiseLike<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** How an answer came, or did not. */
export type Settled<T> =
  | { readonly kind: 'answer'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'slow' };

/**
 * Waits for an answer, but no longer than `limitMs` (null timers: as long as it takes). Never rejects.
 * What comes too late goes to `late`, so that a reference in it can be given back.
 */
export function settleWithin<T>(
  pending: PromiseLike<T>,
  timers: Timers | null,
  limitMs: number,
  late: (value: T) => void,
): Promise<Settled<T>> {
  return new Promise((resolve) => {
    let open = true;
    const timer = timers?.after(limitMs, () => {
      open = false;
      resolve({ kind: 'slow' });
    });
    const close = (settled: Settled<T>): void => {
      open = false;
      timer?.cancel();
      resolve(settled);
    };
    // Any thenable will do, also one that throws.
    Promise.resolve(pending).then(
      (value) => {
        if (open) close({ kind: 'answer', value });
        else giveBack(late, value);
      },
      (error: unknown) => {
        if (open) close({ kind: 'failed', error });
      },
    );
  });
}

/** Nobody waits any more who could hear of an error: say of a reference that was not the giver's to give. */
function giveBack<T>(late: (value: T) => void, value: T): void {
  try {
    late(value);
  } catch {}
}
