/**
 * A server's sessions in a store that others share: other processes, other hosts. Reads wait (and the
 * context limits for how long); writes do not, and a store that is slow, full or gone costs resumption and
 * nothing else.
 */
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import type { Awaitable } from './awaitable.ts';
import type { SessionSource } from './outside-lookup.ts';
import type { SessionSealer } from './session-sealer.ts';
import { type SessionStore, whenAnswered } from './store.ts';
import { DEFAULT_MAX_PENDING_WRITES, StoreWrites } from './store-writes.ts';

/** Nothing is kept longer than two weeks, however long its session says that it lives. */
export const MAX_STORE_LIFETIME_MS: number = 14 * 86_400_000;

export interface StoreSourceOptions {
  readonly store: SessionStore;
  readonly sealer: SessionSealer;
  readonly clock?: Clock;
  /** Before every key, to share a store with others. Default `tlsession:`. */
  readonly prefix?: string;
  readonly maxPendingWrites?: number;
  /** Told of every failed write. Default: they are counted and nothing else. */
  readonly onError?: (error: unknown) => void;
}

export class StoreSource implements SessionSource {
  readonly #store: SessionStore;
  readonly #sealer: SessionSealer;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #writes: StoreWrites;

  constructor(options: StoreSourceOptions) {
    this.#store = options.store;
    this.#sealer = options.sealer;
    this.#clock = options.clock ?? systemClock;
    this.#prefix = options.prefix ?? 'tlsession:';
    this.#writes = new StoreWrites(
      options.maxPendingWrites ?? DEFAULT_MAX_PENDING_WRITES,
      options.onError ?? (() => {}),
    );
  }

  get stats(): {
    readonly pendingWrites: number;
    readonly failedWrites: number;
    readonly skippedWrites: number;
  } {
    return {
      pendingWrites: this.#writes.pending,
      failedWrites: this.#writes.failed,
      skippedWrites: this.#writes.skipped,
    };
  }

  find(version: number, id: Uint8Array): Awaitable<SessionCore | ResumptionReason> {
    const place = this.#place(version, id);
    return whenAnswered(this.#store.get(place), (bytes): SessionCore | ResumptionReason => {
      if (bytes === null) return 'not-found';
      const session = this.#sealer.open(bytes, place);
      bytes.fill(0);
      if (typeof session === 'string') return session;
      // A store that answers with what lies elsewhere is not believed, whatever the sealer says.
      const body = session.body('session store');
      if (this.#place(body.version, body.view(Field.id)) === place) return session;
      session.free('session store');
      return 'bad-stored-session';
    });
  }

  add(session: SessionCore): void {
    const place = this.#placeOf(session);
    if (place === null) return;
    const endMs = Math.min(session.expiresAtMs, this.#clock.wallMs() + MAX_STORE_LIFETIME_MS);
    this.#writes.run(() => {
      const bytes = this.#sealer.seal(session, place);
      const written = this.#store.put(place, bytes, endMs);
      return whenAnswered(written, () => bytes.fill(0));
    });
  }

  remove(session: SessionCore): void {
    const place = this.#placeOf(session);
    if (place !== null) this.#writes.run(() => this.#store.delete(place));
  }

  consume(session: SessionCore): Awaitable<boolean> {
    const place = this.#placeOf(session);
    if (place === null) return false;
    return whenAnswered(this.#store.take(place), (bytes) => {
      bytes?.fill(0);
      return bytes !== null;
    });
  }

  /** Resolves when every write that is under way has ended: before a process ends, or a test looks. */
  settled(): Promise<void> {
    return this.#writes.settled();
  }

  #placeOf(session: SessionCore): string | null {
    const body = session.body('session store');
    return body.length(Field.id) === 0 ? null : this.#place(body.version, body.view(Field.id));
  }

  #place(version: number, id: Uint8Array): string {
    return `${this.#prefix}s:${this.#sealer.name(version, id)}`;
  }
}
