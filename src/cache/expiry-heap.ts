/**
 * A heap of small integers ("items", such as slot numbers) by the time at which each expires. Four children
 * a node: half the depth of a binary heap, and the keys of one node's children lie in one cache line or two.
 *
 * Add, move and remove cost O(log n) at worst; adding what expires last, as a cache with one timeout does,
 * and removing from an arbitrary place cost O(1) on average. Taking all k that have expired costs
 * O(k + k·log(n/k)), in whatever order they were added: none that stays is looked at but to fill a gap.
 */
const FIRST_CAPACITY = 16;

export class ExpiryHeap {
  #count = 0;
  /** By place: when it expires, and which item it is. */
  #keys: Float64Array = new Float64Array(FIRST_CAPACITY);
  #items: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** By item: its place. Meaningless for an item that is not in the heap. */
  #places: Int32Array = new Int32Array(FIRST_CAPACITY);

  get count(): number {
    return this.#count;
  }

  /** The item that expires first, or −1. */
  get first(): number {
    return this.#count === 0 ? -1 : (this.#items[0] as number);
  }

  /** When the first expires; infinity when there is none. */
  get firstKey(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : (this.#keys[0] as number);
  }

  /** When that item, which is in the heap, expires. */
  keyOf(item: number): number {
    return this.#keys[this.#places[item] as number] as number;
  }

  /** Makes sure that an item up to `item` can be added without memory. */
  reserve(item: number): void {
    if (this.#count === this.#items.length) {
      this.#keys = grown(this.#keys, new Float64Array(this.#count * 2));
      this.#items = grown(this.#items, new Int32Array(this.#count * 2));
    }
    if (item >= this.#places.length) {
      let capacity = this.#places.length * 2;
      while (capacity <= item) capacity *= 2;
      this.#places = grown(this.#places, new Int32Array(capacity));
    }
  }

  /** Adds an item that is not in the heap. A key that is not a number counts as expired. */
  add(item: number, key: number): void {
    this.reserve(item);
    this.#rise(this.#count++, item, ordered(key));
  }

  /** Gives an item, which is in the heap, another key. */
  move(item: number, key: number): void {
    this.#settle(this.#places[item] as number, item, ordered(key));
  }

  /** Removes an item, which is in the heap. */
  remove(item: number): void {
    const place = this.#places[item] as number;
    const last = --this.#count;
    if (place === last) return;
    this.#settle(place, this.#items[last] as number, this.#keys[last] as number);
  }

  /** Removes every item whose key is below `limit`; returns them in no order. */
  takeBelow(limit: number): number[] {
    const keys = this.#keys;
    const items = this.#items;
    const count = this.#count;
    if (count === 0 || !((keys[0] as number) < limit)) return [];
    // What has expired hangs together at the top. Breadth first, the places come out in ascending order.
    const places = [0];
    for (let i = 0; i < places.length; i++) {
      const child = (places[i] as number) * 4 + 1;
      const end = Math.min(child + 4, count);
      for (let place = child; place < end; place++) {
        if ((keys[place] as number) < limit) places.push(place);
      }
    }
    const taken: number[] = new Array(places.length);
    for (let i = 0; i < places.length; i++) taken[i] = items[places[i] as number] as number;
    // Last gap first: whatever lies behind it stays, so the last of all fits there. It can only sink: what is
    // above a gap is a gap too, which gets its own new item, and that one sinks past this if it has to.
    for (let i = places.length - 1; i >= 0; i--) {
      const place = places[i] as number;
      const last = --this.#count;
      if (place !== last) this.#sink(place, items[last] as number, keys[last] as number);
    }
    return taken;
  }

  /** Forgets everything, and the memory that it took. */
  clear(): void {
    this.#count = 0;
    this.#keys = new Float64Array(FIRST_CAPACITY);
    this.#items = new Int32Array(FIRST_CAPACITY);
    this.#places = new Int32Array(FIRST_CAPACITY);
  }

  #settle(place: number, item: number, key: number): void {
    if (place > 0 && (this.#keys[(place - 1) >> 2] as number) > key) this.#rise(place, item, key);
    else this.#sink(place, item, key);
  }

  #rise(from: number, item: number, key: number): void {
    const keys = this.#keys;
    const items = this.#items;
    const places = this.#places;
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      const parentKey = keys[parent] as number;
      if (parentKey <= key) break;
      const parentItem = items[parent] as number;
      keys[place] = parentKey;
      items[place] = parentItem;
      places[parentItem] = place;
      place = parent;
    }
    keys[place] = key;
    items[place] = item;
    places[item] = place;
  }

  #sink(from: number, item: number, key: number): void {
    const keys = this.#keys;
    const items = this.#items;
    const places = this.#places;
    const count = this.#count;
    let place = from;
    for (;;) {
      const child = place * 4 + 1;
      if (child >= count) break;
      let least = child;
      let leastKey = keys[child] as number;
      const end = Math.min(child + 4, count);
      for (let i = child + 1; i < end; i++) {
        const childKey = keys[i] as number;
        if (childKey < leastKey) {
          least = i;
          leastKey = childKey;
        }
      }
      if (leastKey >= key) break;
      const leastItem = items[least] as number;
      keys[place] = leastKey;
      items[place] = leastItem;
      places[leastItem] = place;
      place = least;
    }
    keys[place] = key;
    items[place] = item;
    places[item] = place;
  }
}

function ordered(key: number): number {
  return Number.isNaN(key) ? Number.NEGATIVE_INFINITY : key;
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
