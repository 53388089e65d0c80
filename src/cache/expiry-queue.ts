/**
 * Small integers ("items", such as slot numbers) by the time at which each expires: what is asked of it is
 * the next to expire, and all that have expired.
 *
 * Sessions of one timeout expire in the order in which they come, and a context seldom has more than a few
 * timeouts. So up to eight runs, each a list in order of expiry, take what can be appended to one of them;
 * each timeout soon has a run to itself. Adding, moving and removing there is O(1), and taking what has
 * expired walks each list from its front. What fits no run goes into a heap, where it costs O(log n).
 */
import { ExpiryHeap } from './expiry-heap.ts';

const RUNS = 8;
const FIRST_CAPACITY = 16;
const NONE = -1;
/** In place of the item before it: not in a run. */
const IN_HEAP = -2;

/** An item's 16 bytes: the one that expires before it in its run, the one after it, and its key. */
const WORDS = 4;
const LATER = 1;
const DOUBLES = 2;
const KEY = 1;

export class ExpiryQueue {
  #count = 0;
  #links: Int32Array = new Int32Array(FIRST_CAPACITY * WORDS);
  #keys: Float64Array = new Float64Array(this.#links.buffer);
  readonly #heads: Int32Array = new Int32Array(RUNS).fill(NONE);
  readonly #tails: Int32Array = new Int32Array(RUNS).fill(NONE);
  /** The key of each run's tail. */
  readonly #ends: Float64Array = new Float64Array(RUNS);
  readonly #heap: ExpiryHeap = new ExpiryHeap();

  get count(): number {
    return this.#count;
  }

  /** The item that expires first, or −1. */
  get first(): number {
    const run = this.#firstRun();
    return run === NONE ? this.#heap.first : (this.#heads[run] as number);
  }

  /** When the first expires; infinity when there is none. */
  get firstKey(): number {
    const run = this.#firstRun();
    return run === NONE ? this.#heap.firstKey : this.keyOf(this.#heads[run] as number);
  }

  /** When that item, which is in the queue, expires. */
  keyOf(item: number): number {
    return this.#keys[item * DOUBLES + KEY] as number;
  }

  /** Makes sure that an item up to `item` can be added with that key without memory. */
  reserve(item: number, key: number): void {
    this.#reserveLinks(item);
    if (this.#runFor(ordered(key)) === NONE) this.#heap.reserve(item);
  }

  /** Adds an item that is not in the queue. A key that is not a number counts as expired. */
  add(item: number, key: number): void {
    this.#reserveLinks(item);
    this.#count++;
    this.#put(item, ordered(key));
  }

  /** Gives an item, which is in the queue, another key. */
  move(item: number, key: number): void {
    this.#take(item);
    this.#put(item, ordered(key));
  }

  /** Removes an item, which is in the queue. */
  remove(item: number): void {
    this.#count--;
    this.#take(item);
  }

  /** Removes every item whose key is below `limit`; returns them in no order. */
  takeBelow(limit: number): number[] {
    const taken = this.#heap.takeBelow(limit);
    const links = this.#links;
    const keys = this.#keys;
    for (let run = 0; run < RUNS; run++) {
      let item = this.#heads[run] as number;
      while (item !== NONE && (keys[item * DOUBLES + KEY] as number) < limit) {
        taken.push(item);
        item = links[item * WORDS + LATER] as number;
      }
      this.#heads[run] = item;
      if (item === NONE) this.#tails[run] = NONE;
      else links[item * WORDS] = NONE;
    }
    this.#count -= taken.length;
    return taken;
  }

  /** Forgets everything, and the memory that it took. */
  clear(): void {
    this.#count = 0;
    this.#links = new Int32Array(FIRST_CAPACITY * WORDS);
    this.#keys = new Float64Array(this.#links.buffer);
    this.#heads.fill(NONE);
    this.#tails.fill(NONE);
    this.#heap.clear();
  }

  #reserveLinks(item: number): void {
    if (item * WORDS < this.#links.length) return;
    let capacity = this.#links.length * 2;
    while (capacity <= item * WORDS) capacity *= 2;
    const links = new Int32Array(capacity);
    links.set(this.#links);
    this.#links = links;
    this.#keys = new Float64Array(links.buffer);
  }

  /** The run whose head expires before all other items; −1 when that is in the heap, or nothing is there. */
  #firstRun(): number {
    let first = NONE;
    let firstKey = this.#heap.firstKey;
    for (let run = 0; run < RUNS; run++) {
      const head = this.#heads[run] as number;
      if (head === NONE) continue;
      const key = this.keyOf(head);
      // In the heap may be one that never expires, as this one.
      if (key < firstKey || (first === NONE && this.#heap.count === 0)) {
        first = run;
        firstKey = key;
      }
    }
    return first;
  }

  /** The run to whose end that key fits best, or an empty one; −1 when there is none. */
  #runFor(key: number): number {
    let best = NONE;
    let bestEnd = Number.NEGATIVE_INFINITY;
    let empty = NONE;
    for (let run = 0; run < RUNS; run++) {
      if (this.#tails[run] === NONE) {
        empty = run;
        continue;
      }
      const end = this.#ends[run] as number;
      // The nearest end: what is far off leaves the other runs to what expires soon.
      if (end <= key && end >= bestEnd) {
        best = run;
        bestEnd = end;
      }
    }
    return best === NONE ? empty : best;
  }

  #put(item: number, key: number): void {
    const links = this.#links;
    this.#keys[item * DOUBLES + KEY] = key;
    const run = this.#runFor(key);
    if (run === NONE) {
      links[item * WORDS] = IN_HEAP;
      this.#heap.add(item, key);
      return;
    }
    const tail = this.#tails[run] as number;
    links[item * WORDS] = tail;
    links[item * WORDS + LATER] = NONE;
    if (tail === NONE) this.#heads[run] = item;
    else links[tail * WORDS + LATER] = item;
    this.#tails[run] = item;
    this.#ends[run] = key;
  }

  #take(item: number): void {
    const links = this.#links;
    const sooner = links[item * WORDS] as number;
    if (sooner === IN_HEAP) {
      this.#heap.remove(item);
      return;
    }
    const later = links[item * WORDS + LATER] as number;
    if (sooner === NONE) this.#heads[this.#heads.indexOf(item)] = later;
    else links[sooner * WORDS + LATER] = later;
    if (later === NONE) {
      const run = this.#tails.indexOf(item);
      this.#tails[run] = sooner;
      if (sooner !== NONE) this.#ends[run] = this.keyOf(sooner);
    } else links[later * WORDS] = sooner;
  }
}

function ordered(key: number): number {
  return Number.isNaN(key) ? Number.NEGATIVE_INFINITY : key;
}
