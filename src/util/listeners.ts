/** Calls to what an application gave to be told of things: what it throws is its own affair, and is not lost. */

/** Out of whatever is under way, so that it is whole when the error comes out (an `uncaughtException`). */
export function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Tells a listener; never throws. */
export function tell<T extends readonly unknown[]>(listener: (...told: T) => void, ...told: T): void {
  try {
    listener(...told);
  } catch (error) {
    rethrowLater(error);
  }
}
