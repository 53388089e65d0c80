/**
 * The store contract over a SharedArrayBuffer: the worker threads of one process. One thread makes the memory,
 * hands it to the others (`workerData`, `postMessage`), and each opens it. It answers at once, and has a fixed
 * size; when it is full the expired go first, then what was not looked at lately.
 *
 * What it holds is as safe as the process: any thread can read the memory. Sessions are sealed before they come
 * here all the same, as for any other store.
 */
import { CacheError } from '../../cache/errors.ts';
import {
  checkStoreKey,
  checkStoreValue,
  type SessionStore,
  type StoreEntry,
  type WitnessedAdd,
} from '../../cache/store.ts';
import { latin1, utf8 } from '../../util/bytes.ts';
import { type Clock, systemClock } from '../../util/clock.ts';
import { type Dimensions, dimensions, Header, MAGIC, totalBytes, VERSION } from './layout.ts';
import { SharedShard } from './shared-shard.ts';

export interface SharedMemoryStoreOptions {
  /** Of everything. Default 32 MiB, at least 16 KiB, at most 1 GiB. */
  readonly bytes?: number;
  /** Values lie in whole blocks of so many bytes, a multiple of 8. Default 512. */
  readonly blockBytes?: number;
  readonly clock?: Clock;
}

export class SharedMemoryStore implements SessionStore {
  /** What other threads open. */
  readonly buffer: SharedArrayBuffer;
  readonly #shards: readonly SharedShard[];
  readonly #clock: Clock;
  #closed = false;

  private constructor(buffer: SharedArrayBuffer, size: Dimensions, clock: Clock | undefined) {
    this.buffer = buffer;
    this.#clock = clock ?? systemClock;
    this.#shards = Array.from({ length: size.shards }, (_, i) => new SharedShard(buffer, size, i));
  }

  /** New memory. @throws {RangeError} for sizes that cannot be. */
  static create(options: SharedMemoryStoreOptions = {}): SharedMemoryStore {
    const bytes = options.bytes ?? 32 * 2 ** 20;
    const blockBytes = options.blockBytes ?? 512;
    if (!(bytes >= 16_384 && bytes <= 2 ** 30)) {
      throw new RangeError('a shared memory has 16,384 to 2^30 bytes');
    }
    if (
      !Number.isInteger(blockBytes / 8) ||
      blockBytes < 64 ||
      blockBytes > 65_536 ||
      blockBytes * 8 > bytes
    ) {
      throw new RangeError('a block has 64 to 65,536 bytes, in eights, and there are eight blocks or more');
    }
    const size = dimensions(bytes, blockBytes);
    const buffer = new SharedArrayBuffer(totalBytes(size));
    const words = new Int32Array(buffer);
    words[Header.version] = VERSION;
    words[Header.shards] = size.shards;
    words[Header.entries] = size.entries;
    words[Header.blocks] = size.blocks;
    words[Header.blockBytes] = size.blockBytes;
    const store = new SharedMemoryStore(buffer, size, options.clock);
    for (const shard of store.#shards) shard.reset();
    Atomics.store(words, Header.magic, MAGIC);
    return store;
  }

  /**
   * The memory that another thread made.
   * @throws {CacheError} `ERR_STORE_FAILED` for what is no such memory.
   */
  static open(
    buffer: SharedArrayBuffer,
    options: Pick<SharedMemoryStoreOptions, 'clock'> = {},
  ): SharedMemoryStore {
    const words = buffer.byteLength < Header.words * 4 ? null : new Int32Array(buffer, 0, Header.words);
    const [magic, version, shards = 0, entries = 0, blocks = 0, blockBytes = 0] = words ?? [];
    const size = { shards, entries, blocks, blockBytes };
    if (magic !== MAGIC || version !== VERSION || totalBytes(size) !== buffer.byteLength) {
      throw new CacheError('ERR_STORE_FAILED', 'not a shared memory of sessions');
    }
    return new SharedMemoryStore(buffer, size, options.clock);
  }

  /** How often a part was emptied since a thread had died in the middle of a change. */
  get resets(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.resets, 0);
  }

  get(key: string): Uint8Array | null {
    return this.#with(key, (shard, bytes, hash, nowMs) => {
      const index = shard.find(bytes, hash, nowMs);
      if (index < 0) return null;
      shard.touch(index);
      return shard.valueOf(index);
    });
  }

  put(key: string, value: Uint8Array, expiresAtMs: number): void {
    checkStoreValue(value, expiresAtMs);
    this.#with(key, (shard, bytes, hash, nowMs) => {
      const index = shard.find(bytes, hash, nowMs);
      if (index >= 0) shard.remove(index);
      if (nowMs <= expiresAtMs) shard.insert(bytes, hash, value, expiresAtMs, false, nowMs);
    });
  }

  /** @throws {CacheError} `ERR_STORE_FAILED` when there is no room that may be made. */
  add(key: string, value: Uint8Array, expiresAtMs: number): boolean {
    checkStoreValue(value, expiresAtMs);
    return this.#with(key, (shard, bytes, hash, nowMs) => {
      if (shard.find(bytes, hash, nowMs) >= 0 || nowMs > expiresAtMs) return false;
      if (shard.insert(bytes, hash, value, expiresAtMs, true, nowMs)) return true;
      throw new CacheError('ERR_STORE_FAILED', 'the shared memory is full of what may not be dropped');
    });
  }

  /** A part that was emptied has lost what it acknowledged: how often that was is the witness. */
  addWitnessed(key: string, value: Uint8Array, expiresAtMs: number): WitnessedAdd {
    const added = this.add(key, value, expiresAtMs);
    // Counted up before a part is emptied, and never down: no older than the answer.
    return { added, witness: `resets ${this.resets}` };
  }

  take(key: string): Uint8Array | null {
    return this.#with(key, (shard, bytes, hash, nowMs) => {
      const index = shard.find(bytes, hash, nowMs);
      if (index < 0) return null;
      const value = shard.valueOf(index);
      return shard.remove(index) ? value : null;
    });
  }

  delete(key: string): boolean {
    return this.#with(key, (shard, bytes, hash, nowMs) => {
      const index = shard.find(bytes, hash, nowMs);
      return index >= 0 && shard.remove(index);
    });
  }

  /** Drops what has expired; returns how much. It would go by itself when room is needed. */
  sweep(): number {
    this.#checkOpen();
    let swept = 0;
    for (const shard of this.#shards) swept += locked(shard, () => shard.sweep(this.#clock.wallMs()));
    return swept;
  }

  /** Of this thread: the memory and what is in it stay. */
  close(): void {
    this.#closed = true;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreEntry, void, undefined> {
    this.#checkOpen();
    for (const shard of this.#shards) {
      const keys = locked(shard, () => [...shard.indexes()].map((index) => shard.keyOf(index)));
      for (const bytes of keys) {
        if (bytes === null) continue;
        const key = latin1(bytes);
        const entry = this.#with(key, (_, __, hash, nowMs): StoreEntry | null => {
          const index = shard.find(bytes, hash, nowMs);
          const value = index < 0 ? null : shard.valueOf(index);
          return value === null ? null : { key, value, expiresAtMs: shard.expiryOf(index) };
        });
        if (entry !== null) yield entry;
      }
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new CacheError('ERR_STORE_CLOSED', 'the store is closed');
  }

  #with<T>(key: string, act: (shard: SharedShard, bytes: Uint8Array, hash: number, nowMs: number) => T): T {
    this.#checkOpen();
    checkStoreKey(key);
    const bytes = utf8(key);
    const hash = hashOf(bytes);
    const shard = this.#shards[(hash >>> 16) % this.#shards.length] as SharedShard;
    const nowMs = this.#clock.wallMs();
    return locked(shard, () => act(shard, bytes, hash, nowMs));
  }
}

function locked<T>(shard: SharedShard, act: () => T): T {
  shard.lock();
  try {
    return act();
  } finally {
    shard.unlock();
  }
}

/** FNV-1a with a final mix. Keys are digests or come from this process: nobody outside chooses where they fall. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return hash ^ (hash >>> 16);
}
