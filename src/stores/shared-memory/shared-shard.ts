/**
 * One shard of the shared memory: a hash table with its own lock, entries and blocks. Everything here is called
 * with the lock held, but for `lock` itself.
 *
 * A worker may be terminated at any instruction, also while it holds the lock. Whoever finds the same holder
 * for too long takes the lock over and empties the shard: a cache may forget, and half a change may not stay.
 * Indexes are checked before they are followed and every walk has an end, so that nothing in the memory,
 * however broken, does more than lose entries.
 */
import { CacheError } from '../../cache/errors.ts';
import { type Dimensions, Entry, Header, Shard, State, shardWords } from './layout.ts';

/** Waits, of a millisecond at most, that one call makes for the lock before it fails. */
const WAITS_A_CALL = 10;
/** Waits by this thread for one and the same holder, over all calls, after which it counts as dead. */
const WAITS_FOR_DEAD = 1000;
const SPINS = 200;

export class SharedShard {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #size: Dimensions;
  readonly #base: number;
  readonly #buckets: number;
  readonly #entries: number;
  readonly #nexts: number;
  readonly #blocks: number;
  #ticket = 0;
  #seenHolder = 0;
  #waits = 0;

  constructor(buffer: SharedArrayBuffer, size: Dimensions, index: number) {
    this.#words = new Int32Array(buffer);
    this.#floats = new Float64Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#size = size;
    this.#base = Header.words + index * shardWords(size);
    this.#buckets = this.#base + Shard.words;
    // A float64 lies on an even word.
    this.#entries = this.#buckets + size.entries + (size.entries & 1);
    this.#nexts = this.#entries + size.entries * Entry.words;
    const allWords = Header.words + size.shards * shardWords(size);
    this.#blocks = allWords * 4 + index * size.blocks * size.blockBytes;
  }

  get resets(): number {
    return Atomics.load(this.#words, this.#base + Shard.resets);
  }

  /** Empties it: at the beginning, and when its holder died. */
  reset(): void {
    const { entries, blocks, blockBytes } = this.#size;
    const words = this.#words;
    words.fill(0, this.#buckets, this.#nexts + blocks);
    this.#bytes.fill(0, this.#blocks, this.#blocks + blocks * blockBytes);
    for (let i = 0; i < entries; i++) words[this.#at(i) + Entry.next] = i + 1 < entries ? i + 2 : 0;
    for (let i = 0; i < blocks; i++) words[this.#nexts + i] = i + 1 < blocks ? i + 2 : 0;
    words[this.#base + Shard.freeEntry] = 1;
    words[this.#base + Shard.freeBlock] = 1;
    words[this.#base + Shard.freeBlocks] = blocks;
    words[this.#base + Shard.hand] = 0;
    this.#setEarliest(Number.POSITIVE_INFINITY);
  }

  /** @throws {CacheError} `ERR_STORE_BUSY` when another thread holds it for too long. */
  lock(): void {
    const words = this.#words;
    const at = this.#base + Shard.lock;
    // No two holders have the same number: who waits sees whether it is still the same one.
    const ticket = (Atomics.add(words, Header.tickets, 1) & 0x3fffffff) + 1;
    let holder = 0;
    for (let i = 0; i < SPINS; i++) {
      holder = Atomics.compareExchange(words, at, 0, ticket);
      if (holder === 0) {
        this.#locked(ticket);
        return;
      }
    }
    for (let i = 0; i < WAITS_A_CALL; i++) {
      Atomics.wait(words, at, holder, 1);
      const before = holder;
      holder = Atomics.compareExchange(words, at, 0, ticket);
      if (holder === 0) {
        this.#locked(ticket);
        return;
      }
      if (holder !== before || holder !== this.#seenHolder) {
        this.#seenHolder = holder;
        this.#waits = 0;
      } else if (++this.#waits >= WAITS_FOR_DEAD) {
        if (Atomics.compareExchange(words, at, holder, ticket) !== holder) continue;
        this.#locked(ticket);
        Atomics.add(words, this.#base + Shard.resets, 1);
        this.reset();
        return;
      }
    }
    throw new CacheError('ERR_STORE_BUSY', 'another thread holds this part of the shared memory');
  }

  unlock(): void {
    const at = this.#base + Shard.lock;
    if (Atomics.compareExchange(this.#words, at, this.#ticket, 0) === this.#ticket) {
      Atomics.notify(this.#words, at, 1);
    }
  }

  /** The entry's index, or −1. What has expired is removed. */
  find(key: Uint8Array, hash: number, nowMs: number): number {
    const { entries } = this.#size;
    let index = this.#index(this.#words[this.#bucketOf(hash)] as number, entries);
    for (let steps = 0; index >= 0 && steps < entries; steps++) {
      const at = this.#at(index);
      if (this.#words[at + Entry.hash] === hash && this.#hasKey(index, key)) {
        if (nowMs <= this.expiryOf(index)) return index;
        this.remove(index);
        return -1;
      }
      index = this.#index(this.#words[at + Entry.next] as number, entries);
    }
    return -1;
  }

  expiryOf(index: number): number {
    return this.#floats[(this.#at(index) + Entry.expiry) >> 1] as number;
  }

  /** Marks it as looked at: the hand passes it by once. */
  touch(index: number): void {
    const at = this.#at(index) + Entry.state;
    Atomics.compareExchange(this.#words, at, State.idle, State.used);
  }

  /** A copy of the value; null for an entry that is broken. */
  valueOf(index: number): Uint8Array | null {
    const at = this.#at(index);
    return this.#gather(
      index,
      this.#words[at + Entry.keyBytes] as number,
      this.#words[at + Entry.valueBytes] as number,
    );
  }

  keyOf(index: number): Uint8Array | null {
    return this.#gather(index, 0, this.#words[this.#at(index) + Entry.keyBytes] as number);
  }

  /** The entries that are there, by index. */
  *indexes(): Generator<number, void, undefined> {
    for (let i = 0; i < this.#size.entries; i++) {
      if (this.#words[this.#at(i) + Entry.state] !== State.free) yield i;
    }
  }

  /** Whether there was room, or could be made. The key is not there. */
  insert(
    key: Uint8Array,
    hash: number,
    value: Uint8Array,
    expiresAtMs: number,
    stays: boolean,
    nowMs: number,
  ): boolean {
    const words = this.#words;
    const { blockBytes, blocks, entries } = this.#size;
    const needed = Math.max(1, Math.ceil((key.length + value.length) / blockBytes));
    if (needed > blocks || !this.#makeRoom(needed, nowMs)) return false;
    const index = this.#index(words[this.#base + Shard.freeEntry] as number, entries);
    if (index < 0) return false;
    const at = this.#at(index);
    words[this.#base + Shard.freeEntry] = words[at + Entry.next] as number;
    words[at + Entry.firstBlock] = this.#scatter(key, value, needed);
    words[at + Entry.hash] = hash;
    words[at + Entry.keyBytes] = key.length;
    words[at + Entry.valueBytes] = value.length;
    this.#floats[(at + Entry.expiry) >> 1] = expiresAtMs;
    const bucket = this.#bucketOf(hash);
    words[at + Entry.next] = words[bucket] as number;
    words[bucket] = index + 1;
    if (expiresAtMs < this.#earliest()) this.#setEarliest(expiresAtMs);
    Atomics.store(words, at + Entry.state, stays ? State.stays : State.idle);
    return true;
  }

  /** Removes the entry: true to one of all who try, even to one that lost the lock while it slept. */
  remove(index: number): boolean {
    const words = this.#words;
    const at = this.#at(index);
    const state = Atomics.load(words, at + Entry.state);
    if (
      state === State.free ||
      Atomics.compareExchange(words, at + Entry.state, state, State.free) !== state
    ) {
      return false;
    }
    this.#unlink(index);
    this.#freeBlocksOf(index);
    words[at + Entry.next] = words[this.#base + Shard.freeEntry] as number;
    words[this.#base + Shard.freeEntry] = index + 1;
    return true;
  }

  /** Removes what has expired; returns how much. */
  sweep(nowMs: number): number {
    let swept = 0;
    let earliest = Number.POSITIVE_INFINITY;
    for (const index of this.indexes()) {
      const expiry = this.expiryOf(index);
      if (nowMs > expiry) swept += this.remove(index) ? 1 : 0;
      else earliest = Math.min(earliest, expiry);
    }
    this.#setEarliest(earliest);
    return swept;
  }

  #locked(ticket: number): void {
    this.#ticket = ticket;
    this.#seenHolder = 0;
    this.#waits = 0;
  }

  #at(index: number): number {
    return this.#entries + index * Entry.words;
  }

  #index(stored: number, count: number): number {
    return stored >= 1 && stored <= count ? stored - 1 : -1;
  }

  #bucketOf(hash: number): number {
    return this.#buckets + ((hash >>> 0) % this.#size.entries);
  }

  #earliest(): number {
    return this.#floats[(this.#base + Shard.earliest) >> 1] as number;
  }

  #setEarliest(ms: number): void {
    this.#floats[(this.#base + Shard.earliest) >> 1] = ms;
  }

  #makeRoom(needed: number, nowMs: number): boolean {
    const words = this.#words;
    const { entries } = this.#size;
    const fits = (): boolean =>
      (words[this.#base + Shard.freeBlocks] as number) >= needed && words[this.#base + Shard.freeEntry] !== 0;
    if (fits()) return true;
    if (this.#earliest() < nowMs) this.sweep(nowMs);
    // Twice around: the first time takes from what was used its mark.
    for (let steps = 0; !fits() && steps < 2 * entries; steps++) {
      const index = (words[this.#base + Shard.hand] as number) % entries;
      words[this.#base + Shard.hand] = (index + 1) % entries;
      const at = this.#at(index) + Entry.state;
      if (words[at] === State.used) words[at] = State.idle;
      else if (words[at] === State.idle) this.remove(index);
    }
    return fits();
  }

  #hasKey(index: number, key: Uint8Array): boolean {
    if (this.#words[this.#at(index) + Entry.keyBytes] !== key.length) return false;
    const there = this.keyOf(index);
    return there?.every((byte, i) => byte === key[i]) ?? false;
  }

  /** Bytes of an entry, from its blocks. */
  #gather(index: number, from: number, length: number): Uint8Array | null {
    const { blockBytes, blocks } = this.#size;
    if (length < 0 || from < 0 || from + length > blocks * blockBytes) return null;
    const out = new Uint8Array(length);
    let block = this.#index(this.#words[this.#at(index) + Entry.firstBlock] as number, blocks);
    let skip = from;
    for (let at = 0; at < length; ) {
      if (block < 0) return null;
      if (skip < blockBytes) {
        const start = this.#blocks + block * blockBytes + skip;
        const part = Math.min(blockBytes - skip, length - at);
        out.set(this.#bytes.subarray(start, start + part), at);
        at += part;
        skip = 0;
      } else skip -= blockBytes;
      block = this.#index(this.#words[this.#nexts + block] as number, blocks);
    }
    return out;
  }

  /** Writes key and value into free blocks; returns the first as it is stored. */
  #scatter(key: Uint8Array, value: Uint8Array, needed: number): number {
    const words = this.#words;
    const { blockBytes, blocks } = this.#size;
    const first = words[this.#base + Shard.freeBlock] as number;
    let block = this.#index(first, blocks);
    let done = 0;
    for (let i = 0; i < needed && block >= 0; i++) {
      const start = this.#blocks + block * blockBytes;
      let room = blockBytes;
      while (room > 0 && done < key.length + value.length) {
        const inKey = done < key.length;
        const source = inKey ? key : value;
        const at = inKey ? done : done - key.length;
        const part = Math.min(room, source.length - at);
        this.#bytes.set(source.subarray(at, at + part), start + blockBytes - room);
        done += part;
        room -= part;
      }
      const next = words[this.#nexts + block] as number;
      if (i === needed - 1) {
        words[this.#nexts + block] = 0;
        words[this.#base + Shard.freeBlock] = next;
      }
      block = this.#index(next, blocks);
    }
    (words[this.#base + Shard.freeBlocks] as number) -= needed;
    return first;
  }

  #unlink(index: number): void {
    const words = this.#words;
    const { entries } = this.#size;
    let link = this.#bucketOf(words[this.#at(index) + Entry.hash] as number);
    for (let steps = 0; steps < entries; steps++) {
      const next = this.#index(words[link] as number, entries);
      if (next < 0) return;
      const after = this.#at(next) + Entry.next;
      if (next === index) {
        words[link] = words[after] as number;
        return;
      }
      link = after;
    }
  }

  /** Wipes them, too. */
  #freeBlocksOf(index: number): void {
    const words = this.#words;
    const { blockBytes, blocks } = this.#size;
    let block = this.#index(words[this.#at(index) + Entry.firstBlock] as number, blocks);
    for (let steps = 0; block >= 0 && steps < blocks; steps++) {
      const start = this.#blocks + block * blockBytes;
      this.#bytes.fill(0, start, start + blockBytes);
      const next = words[this.#nexts + block] as number;
      words[this.#nexts + block] = words[this.#base + Shard.freeBlock] as number;
      words[this.#base + Shard.freeBlock] = block + 1;
      (words[this.#base + Shard.freeBlocks] as number)++;
      block = this.#index(next, blocks);
    }
  }
}
