/**
 * Early data once in a whole fleet: the register of hellos (RFC 8446, 8.2) in a store, where the first to add
 * a hello is the only one. What cannot be asked, or not in time, is refused; the handshake goes on without.
 *
 * A store may have lost what it acknowledged: it was made anew, or a replica that was behind took over. So
 * each life of the store is marked in the store itself when it is first met, and early data is refused until
 * it has lasted one window: by then no hello of a life before is fresh. A store that says who answered
 * (`addWitnessed`) is judged by that very answer; any other has one life, from its first use.
 *
 * Two servers that both take themselves for the primary (a split) can each admit a hello once. Only the store
 * can keep that from happening: docs/stores.md says how.
 */
import { type Awaitable, isPromiseLike } from '../cache/awaitable.ts';
import { missReason } from '../cache/errors.ts';
import type { ReplayAttempt, ReplayGuard, ReplayVerdict } from '../cache/replay-guard.ts';
import { DEFAULT_REPLAY_WINDOW_MS } from '../cache/replay-register.ts';
import type { SessionStore, WitnessedAdd } from '../cache/store.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { concatBytes, toHex, utf8 } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';

export interface StoreReplayGuardOptions {
  readonly provider: CryptoProvider;
  readonly store: SessionStore;
  readonly clock?: Clock;
  /** Before the keys in the store. Default none. */
  readonly prefix?: string;
  /** How long a hello may be fresh on one server's clock, in milliseconds. Default 20,000. */
  readonly freshMs?: number;
  /** How far the clocks of two servers may be apart, in milliseconds. Default 60,000. */
  readonly maxClockSkewMs?: number;
}

/** Lives of the store that are remembered: one a shard of a cluster, and those before. */
const MAX_LIVES = 256;
/** A mark in the store outlasts this; one that is found gone is made anew, at the price of one window. */
const MARK_MS = 30 * 86_400_000;
const NOTHING: Uint8Array = new Uint8Array(0);

export class StoreReplayGuard implements ReplayGuard {
  readonly scope = 'early-data';
  readonly windowMs: number;
  readonly #provider: CryptoProvider;
  readonly #store: SessionStore;
  readonly #clock: Clock;
  readonly #prefix: string;
  /** A life of the store has to be this old: by its age on a clock that may be apart from that of its mark. */
  readonly #readyMs: number;
  /** Since when each life of the store is known, on this clock. Least recently met first. */
  readonly #lives: Map<string, number> = new Map();

  constructor(options: StoreReplayGuardOptions) {
    this.#provider = options.provider;
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#prefix = options.prefix ?? '';
    const freshMs = options.freshMs ?? DEFAULT_REPLAY_WINDOW_MS;
    const skewMs = options.maxClockSkewMs ?? 60_000;
    if (!(freshMs > 0) || !(skewMs >= 0))
      throw new RangeError('the times of a replay guard are not negative');
    this.windowMs = freshMs + skewMs;
    this.#readyMs = this.windowMs + skewMs;
  }

  admit({ binder }: Pick<ReplayAttempt, 'binder'>): Awaitable<ReplayVerdict> {
    const digest = this.#provider.digest('sha256', concatBytes(utf8('tlsession hello\0'), binder));
    const key = `${this.#prefix}r:${toHex(digest.subarray(0, 20))}`;
    // Kept for twice as long as it may be fresh: a clock may be set while it lies there.
    const untilMs = this.#clock.wallMs() + 2 * this.windowMs;
    try {
      const store = this.#store;
      const answer =
        store.addWitnessed === undefined
          ? store.add(key, NOTHING, untilMs)
          : store.addWitnessed(key, NOTHING, untilMs);
      if (!isPromiseLike(answer)) return this.#judge(answer);
      return answer.then((added) => this.#judge(added)).then(undefined, failed);
    } catch (error) {
      return failed(error);
    }
  }

  #judge(answer: boolean | WitnessedAdd): Awaitable<ReplayVerdict> {
    const { added, witness } = typeof answer === 'boolean' ? { added: answer, witness: '' } : answer;
    if (!added) return 'early-data-replayed';
    const sinceMs = this.#lives.get(witness);
    if (sinceMs !== undefined) return this.#byAge(sinceMs);
    const life = this.#provider.digest('sha256', utf8(`tlsession store\0${witness}`));
    const mark = `${this.#prefix}r:life:${toHex(life.subarray(0, 16))}`;
    const known = this.#meet(mark);
    if (!isPromiseLike(known)) return this.#remember(witness, known);
    return known.then((ms) => this.#remember(witness, ms));
  }

  /** Since when the store knows this life of its own: from now on, if it does not. */
  #meet(mark: string): Awaitable<number> {
    const nowMs = this.#clock.wallMs();
    const value = new Uint8Array(8);
    new DataView(value.buffer).setFloat64(0, nowMs);
    const added = this.#store.add(mark, value, nowMs + MARK_MS);
    if (!isPromiseLike(added)) return added ? nowMs : this.#readMark(mark, nowMs);
    return added.then((first) => (first ? nowMs : this.#readMark(mark, nowMs)));
  }

  #readMark(mark: string, nowMs: number): Awaitable<number> {
    const read = (bytes: Uint8Array | null): number => {
      if (bytes === null || bytes.length !== 8) return nowMs;
      const sinceMs = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0);
      // What lies in the future, or is no time, is not believed.
      return Number.isFinite(sinceMs) ? Math.min(sinceMs, nowMs) : nowMs;
    };
    const found = this.#store.get(mark);
    return isPromiseLike(found) ? found.then(read) : read(found);
  }

  #remember(witness: string, sinceMs: number): ReplayVerdict {
    this.#lives.delete(witness);
    this.#lives.set(witness, sinceMs);
    if (this.#lives.size > MAX_LIVES) this.#lives.delete(this.#lives.keys().next().value as string);
    return this.#byAge(sinceMs);
  }

  #byAge(sinceMs: number): ReplayVerdict {
    return this.#clock.wallMs() - sinceMs >= this.#readyMs ? 'admitted' : 'early-data-guard-starting';
  }
}

function failed(error: unknown): ReplayVerdict {
  return missReason(error) === 'store-slow' ? 'early-data-guard-slow' : 'early-data-guard-failed';
}
