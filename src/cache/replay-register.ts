/**
 * A register of the hellos that were admitted lately (RFC 8446, 8.2), for stateless tickets and external
 * keys in one process. It is bounded twice: in time, since a hello that is no longer fresh need not be
 * remembered, and in number. When it is full it refuses; it never forgets what may still be replayed.
 *
 * Time is the wall clock, as it is for freshness: what the one forgets the other must refuse. So early data
 * is refused
 * - for one window after the start, by both clocks, since a predecessor may have admitted anything;
 * - while the wall clock shows a time for which the register has forgotten what it knew: a clock that was
 *   set back makes old hellos fresh again. It may lag by one window; beyond that it has to catch up.
 *
 * Three generations of one window each: the youngest is written to, all are searched, the oldest is cleared
 * when its time is over. An entry is 8 bytes of a keyed hash: two hellos that agree in it cost one of them
 * its early data, once in 2^64 divided by the entries.
 */
import { type Clock, systemClock } from '../util/clock.ts';
import { type HashKey, hashKey, keyedHash } from './keyed-hash.ts';
import type { ReplayAttempt, ReplayGuard, ReplayVerdict } from './replay-guard.ts';

/** Milliseconds: covers a server that lets a client's clock be 10 s off, with room. */
export const DEFAULT_REPLAY_WINDOW_MS = 20_000;
/** Hellos a window. */
export const DEFAULT_REPLAY_CAPACITY = 200_000;

const GENERATIONS = 3;
const FIRST_CELLS = 256;
/** Bytes of a binder: the longest hash of TLS 1.3 has 48. */
const MAX_BINDER = 64;

export interface ReplayRegisterOptions {
  /** 16 random bytes or more: the keys of the hash. */
  readonly seed: Uint8Array;
  readonly clock?: Clock;
  /** Default 20,000 ms. */
  readonly windowMs?: number;
  /**
   * Hellos admitted in one window at most, default 200,000. The register takes up to 63 bytes for each:
   * three generations of at most two and two thirds cells of 8 bytes.
   */
  readonly capacity?: number;
}

export class ReplayRegister implements ReplayGuard {
  readonly scope = 'early-data';
  readonly windowMs: number;
  readonly #capacity: number;
  readonly #clock: Clock;
  readonly #highKey: HashKey;
  readonly #lowKey: HashKey;
  readonly #words: Int32Array = new Int32Array(1 + MAX_BINDER / 4);
  readonly #generations: Generation[];
  #youngest = 0;
  /** When the youngest began; it moves on by whole windows. */
  #beganMs: number;
  /** The latest time that the wall clock showed. */
  #latestMs: number;
  readonly #readyWallMs: number;
  readonly #readyMonotonicMs: number;

  constructor(options: ReplayRegisterOptions) {
    this.#clock = options.clock ?? systemClock;
    this.windowMs = options.windowMs ?? DEFAULT_REPLAY_WINDOW_MS;
    this.#capacity = options.capacity ?? DEFAULT_REPLAY_CAPACITY;
    if (!(this.windowMs > 0) || !Number.isFinite(this.windowMs)) {
      throw new RangeError('the window of a replay register is a positive number of milliseconds');
    }
    if (!Number.isInteger(this.#capacity) || this.#capacity < 1 || this.#capacity > 2 ** 26) {
      throw new RangeError('the capacity of a replay register is a whole number from 1 to 67,108,864');
    }
    this.#highKey = hashKey(options.seed);
    this.#lowKey = hashKey(options.seed, 8);
    this.#generations = Array.from({ length: GENERATIONS }, () => new Generation(this.#capacity));
    const wallMs = this.#clock.wallMs();
    this.#beganMs = wallMs;
    this.#latestMs = wallMs;
    this.#readyWallMs = wallMs + this.windowMs;
    this.#readyMonotonicMs = this.#clock.monotonicMs() + this.windowMs;
  }

  /** Hellos remembered now. */
  get count(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.count, 0);
  }

  /** Bytes that the register takes now. */
  get byteLength(): number {
    return this.#generations.reduce((sum, generation) => sum + generation.byteLength, 0);
  }

  /** @throws {RangeError} for a binder of no or more than 64 bytes: the caller's fault, not the peer's. */
  admit({ binder }: Pick<ReplayAttempt, 'binder'>): ReplayVerdict {
    if (binder.length === 0 || binder.length > MAX_BINDER) {
      throw new RangeError('a binder has 1 to 64 bytes');
    }
    const wallMs = this.#clock.wallMs();
    this.#advance(wallMs);
    if (wallMs < this.#latestMs - this.windowMs) return 'early-data-guard-starting';

    const { length } = binder;
    // Never 0, which marks an empty cell.
    const high = keyedHash(this.#highKey, length, binder, 0, length, this.#words) || 1;
    const low = keyedHash(this.#lowKey, length, binder, 0, length, this.#words);
    for (const generation of this.#generations) if (generation.has(high, low)) return 'early-data-replayed';

    const youngest = this.#generations[this.#youngest] as Generation;
    if (youngest.count >= this.#capacity) return 'early-data-guard-full';
    // What is refused for being early is remembered all the same: the attacker may hold it back.
    youngest.add(high, low);
    if (wallMs < this.#readyWallMs || this.#clock.monotonicMs() < this.#readyMonotonicMs) {
      return 'early-data-guard-starting';
    }
    return 'admitted';
  }

  #advance(wallMs: number): void {
    if (!(wallMs > this.#latestMs)) return;
    this.#latestMs = wallMs;
    const windows = Math.floor((wallMs - this.#beganMs) / this.windowMs);
    if (windows === 0) return;
    this.#beganMs += windows * this.windowMs;
    for (let i = 0; i < Math.min(windows, GENERATIONS); i++) {
      this.#youngest = (this.#youngest + 1) % GENERATIONS;
      this.#generations[this.#youngest]?.clear();
    }
  }
}

/** A set of 64-bit numbers: open addressing, two words a cell, never more than three quarters full. */
class Generation {
  readonly #maxCells: number;
  #cells: Int32Array = new Int32Array(FIRST_CELLS * 2);
  #mask: number = FIRST_CELLS - 1;
  count = 0;

  constructor(capacity: number) {
    let cells = FIRST_CELLS;
    while (cells * 0.75 < capacity) cells *= 2;
    this.#maxCells = cells;
  }

  get byteLength(): number {
    return this.#cells.byteLength;
  }

  has(high: number, low: number): boolean {
    const cells = this.#cells;
    for (let cell = high & this.#mask; ; cell = (cell + 1) & this.#mask) {
      const there = cells[cell * 2];
      if (there === 0) return false;
      if (there === high && cells[cell * 2 + 1] === low) return true;
    }
  }

  /** Adds a number that is not there, with a `high` that is not 0. */
  add(high: number, low: number): void {
    if (this.count + 1 > (this.#mask + 1) * 0.75 && this.#mask + 1 < this.#maxCells) this.#grow();
    this.#put(high, low);
    this.count++;
  }

  clear(): void {
    if (this.count === 0) return;
    // A generation that was hardly used gives back what a flood made it take.
    if (this.count * 8 < this.#mask + 1 && this.#mask + 1 > FIRST_CELLS) {
      this.#cells = new Int32Array(FIRST_CELLS * 2);
      this.#mask = FIRST_CELLS - 1;
    } else this.#cells.fill(0);
    this.count = 0;
  }

  #put(high: number, low: number): void {
    let cell = high & this.#mask;
    while (this.#cells[cell * 2] !== 0) cell = (cell + 1) & this.#mask;
    this.#cells[cell * 2] = high;
    this.#cells[cell * 2 + 1] = low;
  }

  #grow(): void {
    const old = this.#cells;
    this.#cells = new Int32Array(old.length * 2);
    this.#mask = this.#mask * 2 + 1;
    for (let cell = 0; cell < old.length; cell += 2) {
      if (old[cell] !== 0) this.#put(old[cell] as number, old[cell + 1] as number);
    }
  }
}
