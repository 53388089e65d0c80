/** Waiting for what says nothing when it happens: another process, or the far end of a connection. */
import { setTimeout as delay } from 'node:timers/promises';

type Found<T> = Exclude<T, null | undefined | false>;

/**
 * Asks again and again until there is an answer, and returns it. A limit is there only so that a test fails with a
 * word, `what`, and not by its own timeout.
 */
export async function until<T>(
  ask: () => T | Promise<T>,
  what: string | (() => string),
  limitMs = 15_000,
): Promise<Found<T>> {
  const end = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer as Found<T>;
    if (performance.now() > end) {
      throw new Error(`not within ${limitMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await delay(10);
  }
}
