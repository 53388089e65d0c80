/** What is under way to a store: bounded, counted, and nobody waits for it but who asks to. */
import { tell } from '../util/listeners.ts';
import { type Awaitable, isPromiseLike } from './awaitable.ts';

export const DEFAULT_MAX_PENDING_WRITES = 1024;

export class StoreWrites {
  readonly #pending: Set<Promise<void>> = new Set();
  readonly #max: number;
  readonly #onError: (error: unknown) => void;
  /** Writes that failed, and those that were not begun since too many were under way. */
  failed = 0;
  skipped = 0;

  constructor(max: number, onError: (error: unknown) => void) {
    this.#max = max;
    this.#onError = onError;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Begins a write. It never throws, and never rejects anywhere. */
  run(write: () => Awaitable<unknown>): void {
    if (this.#pending.size >= this.#max) {
      this.skipped++;
      return;
    }
    let answer: Awaitable<unknown>;
    try {
      answer = write();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (!isPromiseLike(answer)) return;
    const settled: Promise<void> = Promise.resolve(answer).then(
      () => void this.#pending.delete(settled),
      (error: unknown) => {
        this.#pending.delete(settled);
        this.#fail(error);
      },
    );
    this.#pending.add(settled);
  }

  /** Resolves when all that is under way now has ended, well or badly. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #fail(error: unknown): void {
    this.failed++;
    tell(this.#onError, error);
  }
}
