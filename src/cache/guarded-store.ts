/**
 * Any store, kept from doing harm: a call that takes too long fails, a store that keeps failing is left alone
 * for a while, and no more calls of the last minute wait for it than a number allows. A handshake that asks through
 * this waits `limitMs` at most, and not at all once the store is known to be down.
 *
 * Reads and writes fail apart: a store that is full still answers. After a rest one call is let through to
 * see; its success ends the rest, its failure begins the next. Nothing has to be done by hand.
 */
import { type Clock, systemClock } from '../util/clock.ts';
import { tell } from '../util/listeners.ts';
import type { Timers } from '../util/timers.ts';
import { type Awaitable, isPromiseLike, settleWithin } from './awaitable.ts';
import { CacheError } from './errors.ts';
import type { SessionStore, StoreEntry, WitnessedAdd } from './store.ts';

/** Milliseconds. A look-up that has taken this long costs the client more than the full handshake would. */
export const DEFAULT_STORE_LIMIT_MS = 200;
export const DEFAULT_MAX_PENDING_CALLS = 1024;
/** Failures in a row. */
export const DEFAULT_STORE_FAILURES = 5;
export const DEFAULT_STORE_REST_MS = 1000;
/** Calls to see whether the store is back that may hang, beyond all that hang already. */
const MAX_HANGING_PROBES = 64;
/** Milliseconds after which an answer is not expected any more: the call's place is given to another. */
const FORGOTTEN_MS = 60_000;

export interface GuardedStoreOptions {
  readonly store: SessionStore;
  readonly timers: Timers;
  readonly clock?: Clock;
  /** Milliseconds that a call may take. Default 200. */
  readonly limitMs?: number;
  /**
   * Calls that the store may owe an answer, those that were given up among them, for a minute. Default 1,024.
   */
  readonly maxPending?: number;
  /** Failures in a row after which the store is left alone. Default 5. */
  readonly failures?: number;
  /** Milliseconds for which it is. Default 1,000. */
  readonly restMs?: number;
  /** Told when the store goes down, with the last error, and when it is back, with null. */
  readonly onChange?: (side: StoreSide, error: unknown) => void;
}

export type StoreSide = 'read' | 'write';

export interface GuardedStoreStats {
  /** Calls that the store owes an answer. */
  readonly pending: number;
  /** Calls that were not answered in time, that failed, and that were not begun: too many, or at rest. */
  readonly slow: number;
  readonly failed: number;
  readonly busy: number;
  readonly refused: number;
  /** Whether calls go through. */
  readonly reads: 'up' | 'down';
  readonly writes: 'up' | 'down';
}

class Breaker {
  failures = 0;
  down = false;
  probing = false;
  retryAtMs = 0;
}

export class GuardedStore implements SessionStore {
  readonly addWitnessed?: NonNullable<SessionStore['addWitnessed']>;
  readonly #store: SessionStore;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #maxPending: number;
  readonly #failures: number;
  readonly #restMs: number;
  readonly #onChange: (side: StoreSide, error: unknown) => void;
  readonly #breakers: Readonly<Record<StoreSide, Breaker>> = { read: new Breaker(), write: new Breaker() };
  /** Calls that the store owes an answer, the oldest first. */
  readonly #owed: Set<{ readonly sinceMs: number }> = new Set();
  #slow = 0;
  #failed = 0;
  #busy = 0;
  #refused = 0;

  constructor(options: GuardedStoreOptions) {
    this.#store = options.store;
    this.#timers = options.timers;
    this.#clock = options.clock ?? systemClock;
    this.#limitMs = positive(options.limitMs ?? DEFAULT_STORE_LIMIT_MS, 'limitMs');
    this.#maxPending = positive(options.maxPending ?? DEFAULT_MAX_PENDING_CALLS, 'maxPending');
    this.#failures = positive(options.failures ?? DEFAULT_STORE_FAILURES, 'failures');
    this.#restMs = positive(options.restMs ?? DEFAULT_STORE_REST_MS, 'restMs');
    this.#onChange = options.onChange ?? (() => {});
    const { store } = options;
    if (store.addWitnessed !== undefined) {
      this.addWitnessed = (key, value, expiresAtMs): Awaitable<WitnessedAdd> =>
        this.#call('write', () =>
          (store.addWitnessed as NonNullable<SessionStore['addWitnessed']>)(key, value, expiresAtMs),
        );
    }
  }

  get stats(): GuardedStoreStats {
    const state = (side: StoreSide): 'up' | 'down' => (this.#breakers[side].down ? 'down' : 'up');
    return {
      pending: this.#owed.size,
      slow: this.#slow,
      failed: this.#failed,
      busy: this.#busy,
      refused: this.#refused,
      reads: state('read'),
      writes: state('write'),
    };
  }

  get(key: string): Awaitable<Uint8Array | null> {
    return this.#call('read', () => this.#store.get(key), wipe);
  }

  put(key: string, value: Uint8Array, expiresAtMs: number): Awaitable<void> {
    return this.#call('write', () => this.#store.put(key, value, expiresAtMs));
  }

  add(key: string, value: Uint8Array, expiresAtMs: number): Awaitable<boolean> {
    return this.#call('write', () => this.#store.add(key, value, expiresAtMs));
  }

  take(key: string): Awaitable<Uint8Array | null> {
    return this.#call('read', () => this.#store.take(key), wipe);
  }

  delete(key: string): Awaitable<boolean> {
    return this.#call('read', () => this.#store.delete(key));
  }

  close(): Awaitable<void> {
    return this.#store.close();
  }

  /** Without limits: maintenance has no client waiting. */
  [Symbol.asyncIterator](): AsyncIterator<StoreEntry> {
    return this.#store[Symbol.asyncIterator]();
  }

  #call<T>(side: StoreSide, call: () => Awaitable<T>, late: (value: T) => void = ignore): Awaitable<T> {
    const breaker = this.#breakers[side];
    const probe = this.#enter(breaker);
    let answer: Awaitable<T>;
    try {
      answer = call();
      // Some thenables do their work each time that they are asked: they are asked once.
      if (isPromiseLike(answer)) return this.#wait(side, probe, Promise.resolve(answer), late);
    } catch (error) {
      throw this.#failedWith(side, probe, error);
    }
    this.#succeeded(side, probe);
    return answer;
  }

  /** Whether this call is to see if the store is back. @throws {CacheError} when there may be none. */
  #enter(breaker: Breaker): boolean {
    if (breaker.down) {
      if (
        breaker.probing ||
        this.#clock.monotonicMs() < breaker.retryAtMs ||
        !this.#hasRoom(this.#maxPending + MAX_HANGING_PROBES)
      ) {
        this.#refused++;
        throw new CacheError('ERR_STORE_DOWN', 'the store failed lately, and is left alone for a while');
      }
      breaker.probing = true;
      return true;
    }
    if (!this.#hasRoom(this.#maxPending)) {
      this.#busy++;
      throw new CacheError('ERR_STORE_BUSY', `${this.#owed.size} calls are waiting for the store`);
    }
    return false;
  }

  /** A store that was replaced under its calls never answers them: for want of room the oldest are forgotten. */
  #hasRoom(most: number): boolean {
    if (this.#owed.size < most) return true;
    const endMs = this.#clock.monotonicMs() - Math.max(FORGOTTEN_MS, 2 * this.#limitMs);
    for (const call of this.#owed) {
      if (call.sinceMs > endMs) break;
      this.#owed.delete(call);
    }
    return this.#owed.size < most;
  }

  async #wait<T>(side: StoreSide, probe: boolean, answer: Promise<T>, late: (value: T) => void): Promise<T> {
    const call = { sinceMs: this.#clock.monotonicMs() };
    this.#owed.add(call);
    const answered = (): void => void this.#owed.delete(call);
    answer.then(answered, answered);
    const settled = await settleWithin(answer, this.#timers, this.#limitMs, late);
    if (settled.kind === 'answer') {
      this.#succeeded(side, probe);
      return settled.value;
    }
    if (settled.kind === 'failed') throw this.#failedWith(side, probe, settled.error);
    this.#slow++;
    const error = new CacheError('ERR_STORE_SLOW', `the store did not answer in ${this.#limitMs} ms`);
    this.#count(side, probe, error);
    throw error;
  }

  #succeeded(side: StoreSide, probe: boolean): void {
    const breaker = this.#breakers[side];
    // An answer that was on its way before the rest says nothing of now.
    if (breaker.down && !probe) return;
    breaker.failures = 0;
    if (!probe) return;
    breaker.down = false;
    breaker.probing = false;
    tell(this.#onChange, side, null);
  }

  #failedWith(side: StoreSide, probe: boolean, error: unknown): unknown {
    // The caller's mistake, and not the store's.
    if (error instanceof CacheError && error.code === 'ERR_STORE_VALUE') {
      if (probe) this.#breakers[side].probing = false;
      return error;
    }
    this.#failed++;
    this.#count(side, probe, error);
    return error;
  }

  #count(side: StoreSide, probe: boolean, error: unknown): void {
    const breaker = this.#breakers[side];
    if (probe) breaker.probing = false;
    else if (breaker.down || ++breaker.failures < this.#failures) return;
    const was = breaker.down;
    breaker.down = true;
    breaker.failures = 0;
    breaker.retryAtMs = this.#clock.monotonicMs() + this.#restMs;
    if (!was) tell(this.#onChange, side, error);
  }
}

function positive(value: number, what: string): number {
  if (!(value > 0)) throw new RangeError(`${what} of a guarded store is a positive number`);
  return value;
}

function wipe(value: Uint8Array | null): void {
  value?.fill(0);
}

function ignore(): void {}
