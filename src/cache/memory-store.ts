/** A store in this process's memory: for one process, and the measure of all others. It answers at once. */
import { copyBytes } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { CacheError } from './errors.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { checkStoreKey, checkStoreValue, type SessionStore, type StoreEntry } from './store.ts';

export interface MemoryStoreOptions {
  readonly clock?: Clock;
  /** Default 20,480. */
  readonly maxEntries?: number;
  /** Of the values together. Default 64 MiB. */
  readonly maxBytes?: number;
}

interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly expiresAtMs: number;
  /** Its number in the heap. */
  readonly item: number;
  /** Added, and not put: it stays until its time. */
  readonly stays: boolean;
}

export class MemoryStore implements SessionStore {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  /** Least recently used first: a use takes an entry out and puts it in again. */
  readonly #entries: Map<string, Entry> = new Map();
  /** What may not be dropped for room. */
  readonly #staying: Map<string, Entry> = new Map();
  readonly #heap: ExpiryHeap = new ExpiryHeap();
  readonly #byItem: (Entry | null)[] = [];
  readonly #freeItems: number[] = [];
  #bytes = 0;
  #closed = false;

  constructor(options: MemoryStoreOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#maxEntries = options.maxEntries ?? 20_480;
    this.#maxBytes = options.maxBytes ?? 64 * 2 ** 20;
  }

  /** Entries, those that have expired and were not dropped yet among them. */
  get size(): number {
    return this.#entries.size + this.#staying.size;
  }

  /** Bytes of all values. */
  get byteLength(): number {
    return this.#bytes;
  }

  get(key: string): Uint8Array | null {
    const entry = this.#live(key);
    if (entry === null) return null;
    if (!entry.stays) {
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    return copyBytes(entry.value);
  }

  put(key: string, value: Uint8Array, expiresAtMs: number): void {
    checkStoreValue(value, expiresAtMs);
    const there = this.#live(key);
    if (there !== null) this.#drop(there);
    this.#insert(key, value, expiresAtMs, false);
  }

  /** @throws {CacheError} `ERR_STORE_FAILED` when there is no room that may be made. */
  add(key: string, value: Uint8Array, expiresAtMs: number): boolean {
    checkStoreValue(value, expiresAtMs);
    if (this.#live(key) !== null || this.#clock.wallMs() > expiresAtMs) return false;
    if (this.#insert(key, value, expiresAtMs, true)) return true;
    throw new CacheError('ERR_STORE_FAILED', 'the store is full of what may not be dropped');
  }

  /** Whether there was room, or could be made. */
  #insert(key: string, value: Uint8Array, expiresAtMs: number, stays: boolean): boolean {
    const nowMs = this.#clock.wallMs();
    if (nowMs > expiresAtMs || value.length > this.#maxBytes || this.#maxEntries < 1) return false;
    while (this.size >= this.#maxEntries || this.#bytes + value.length > this.#maxBytes) {
      const first = this.#firstToGo(nowMs);
      if (first === null) return false;
      this.#drop(first);
    }
    const item = this.#freeItems.pop() ?? this.#byItem.length;
    const entry: Entry = { key, value: copyBytes(value), expiresAtMs, item, stays };
    this.#byItem[item] = entry;
    this.#heap.add(item, expiresAtMs);
    (stays ? this.#staying : this.#entries).set(key, entry);
    this.#bytes += value.length;
    return true;
  }

  take(key: string): Uint8Array | null {
    const entry = this.#live(key);
    if (entry === null) return null;
    const value = copyBytes(entry.value);
    this.#drop(entry);
    return value;
  }

  delete(key: string): boolean {
    const entry = this.#live(key);
    if (entry !== null) this.#drop(entry);
    return entry !== null;
  }

  /** Drops what has expired; returns how much. It would go by itself when room is needed. */
  sweep(): number {
    this.#use();
    const items = this.#heap.takeBelow(this.#clock.wallMs());
    for (const item of items) this.#forget(this.#byItem[item] as Entry);
    return items.length;
  }

  close(): void {
    for (const entry of [...this.#entries.values(), ...this.#staying.values()]) this.#drop(entry);
    this.#closed = true;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreEntry, void, undefined> {
    this.#use();
    for (const key of [...this.#entries.keys(), ...this.#staying.keys()]) {
      const entry = this.#live(key);
      if (entry !== null) yield { key, value: copyBytes(entry.value), expiresAtMs: entry.expiresAtMs };
    }
  }

  #use(): void {
    if (this.#closed) throw new CacheError('ERR_STORE_CLOSED', 'the store is closed');
  }

  #live(key: string): Entry | null {
    this.#use();
    checkStoreKey(key);
    const entry = this.#entries.get(key) ?? this.#staying.get(key) ?? null;
    if (entry === null || this.#clock.wallMs() <= entry.expiresAtMs) return entry;
    this.#drop(entry);
    return null;
  }

  #firstToGo(nowMs: number): Entry | null {
    if (this.#heap.firstKey < nowMs) return this.#byItem[this.#heap.first] as Entry;
    return this.#entries.values().next().value ?? null;
  }

  #drop(entry: Entry): void {
    this.#heap.remove(entry.item);
    this.#forget(entry);
  }

  #forget(entry: Entry): void {
    this.#byItem[entry.item] = null;
    this.#freeItems.push(entry.item);
    (entry.stays ? this.#staying : this.#entries).delete(entry.key);
    this.#bytes -= entry.value.length;
    entry.value.fill(0);
  }
}
