/**
 * A fleet in a time of its own: nodes with clocks that differ, a store at the end of a network that delays and
 * loses, and a scheduler that lets hours pass in microseconds. Everything comes from one seed.
 */
import { CacheError } from '../../src/cache/errors.ts';
import type { SessionStore, StoreEntry } from '../../src/cache/store.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import type { Clock } from '../../src/util/clock.ts';
import type { Timer, Timers } from '../../src/util/timers.ts';
import { Random } from '../support/random.ts';

const LONGEST_CHAIN = 14;
/** One for all: what an error costs is the place that it remembers. */
const NO_ANSWER = new CacheError('ERR_STORE_SLOW', 'no answer');

interface Event {
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
}

/** True time, and what happens when. */
export class World {
  nowMs: number;
  readonly random: Random;
  readonly provider: CryptoProvider;
  /** A heap by time, then by order. */
  readonly #events: Event[] = [];
  #order = 0;
  #ran = 0;

  constructor(seed: number, startMs: number) {
    this.nowMs = startMs;
    this.random = new Random(seed);
    this.provider = { ...nodeProvider, random: this.random.bytes };
  }

  at(ms: number, run: () => void): Event {
    const event: Event = { at: Math.max(ms, this.nowMs), order: this.#order++, run };
    const heap = this.#events;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!earlier(event, heap[parent] as Event)) break;
      heap[place] = heap[parent] as Event;
      place = parent;
    }
    heap[place] = event;
    return event;
  }

  after(ms: number, run: () => void): Event {
    return this.at(this.nowMs + ms, run);
  }

  /** Lets everything happen up to a time. */
  async runUntil(endMs: number): Promise<void> {
    const heap = this.#events;
    for (;;) {
      const event = heap[0];
      if (event === undefined || event.at > endMs) break;
      this.#pop();
      if (event.run === null) continue;
      this.nowMs = event.at;
      event.run();
      // All that follows from it, before the next: no chain of promises between two events is longer.
      for (let i = 0; i < LONGEST_CHAIN; i++) await null;
      if (++this.#ran % 4096 === 0) await new Promise(setImmediate);
    }
    this.nowMs = endMs;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!earlier(heap[child] as Event, last)) break;
      heap[place] = heap[child] as Event;
      place = child;
    }
    heap[place] = last;
  }
}

function earlier(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

interface Kept {
  readonly value: Uint8Array;
  readonly untilMs: number;
}

/** The store itself, at the other end of the network. */
export class Central {
  /** No node reaches it. */
  down = false;
  entries: Map<string, Kept> = new Map();
  /** What a replica that is a little behind has. */
  #behind: Map<string, Kept> = new Map();
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  get(key: string): Uint8Array | null {
    const kept = this.entries.get(key);
    if (kept === undefined || this.world.nowMs > kept.untilMs) return null;
    // Not a copy: nobody here writes to it, and a million would be made.
    return kept.value;
  }

  set(key: string, value: Uint8Array, ttlMs: number): void {
    this.entries.set(key, { value: value.slice(), untilMs: this.world.nowMs + ttlMs });
  }

  /** The replica takes over what there is now. */
  replicate(): void {
    this.#behind = new Map(this.entries);
  }

  /** The replica becomes the primary: what came since is lost. */
  failOver(): void {
    this.entries = new Map(this.#behind);
  }
}

export interface Link {
  /** Until then the node does not reach the store. */
  cutUntilMs: number;
  dead: boolean;
}

/** What a node sees of the store: its answers come late, or not at all. */
export class RemoteStore implements SessionStore {
  readonly #central: Central;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #loss: number;
  /** Told of every lock that this node got. */
  onLock: () => void = () => {};

  constructor(central: Central, clock: Clock, link: Link, loss: number) {
    this.#central = central;
    this.#clock = clock;
    this.#link = link;
    this.#loss = loss;
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.#remote(() => this.#central.get(key));
  }

  put(key: string, value: Uint8Array, expiresAtMs: number): Promise<void> {
    const ttlMs = expiresAtMs - this.#clock.wallMs();
    return this.#remote(() => this.#central.set(key, value, ttlMs));
  }

  async add(key: string, value: Uint8Array, expiresAtMs: number): Promise<boolean> {
    const ttlMs = expiresAtMs - this.#clock.wallMs();
    const added = await this.#remote(() => {
      if (this.#central.get(key) !== null) return false;
      this.#central.set(key, value, ttlMs);
      return true;
    });
    if (added) this.onLock();
    return added;
  }

  take(): Promise<Uint8Array | null> {
    throw new Error('nobody takes here');
  }

  delete(key: string): Promise<boolean> {
    return this.#remote(() => this.#central.entries.delete(key));
  }

  close(): void {}

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreEntry, void, undefined> {}

  #remote<T>(act: () => T): Promise<T> {
    const { world } = this.#central;
    const { random } = world;
    return new Promise((done, fail) => {
      const lost = (): void => fail(NO_ANSWER);
      const reached = (): boolean =>
        !this.#central.down && !this.#link.dead && world.nowMs >= this.#link.cutUntilMs;
      // Most answers come in milliseconds, some take seconds.
      const thereMs = random.chance(0.02) ? random.between(0, 4000) : random.between(0, 40);
      const fate = random.next();
      if (fate < this.#loss) {
        world.after(1000, lost);
        return;
      }
      world.after(thereMs, () => {
        if (!reached()) {
          world.after(200, lost);
          return;
        }
        const value = act();
        // Done, and the node does not hear of it.
        if (fate < 2 * this.#loss) world.after(1000, lost);
        else done(value);
      });
    });
  }
}

export function timersOf(world: World): Timers {
  return {
    after(delayMs: number, run: () => void): Timer {
      const event = world.after(delayMs, run);
      return {
        cancel: () => {
          event.run = null;
        },
      };
    },
  };
}

/** A clock that is so much ahead of true time. */
export function clockOf(world: World, aheadMs: number): Clock {
  return { wallMs: () => world.nowMs + aheadMs, monotonicMs: () => world.nowMs };
}
