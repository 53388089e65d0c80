/**
 * The store contract over LMDB: processes of one host, and those that come after them. Reads are answered at
 * once from the map; writes go into transactions that one process at a time has, so a take is taken once.
 *
 *     entries   key                      expires_at (float64), stays (uint8), value
 *     order     [stays, expires_at, key]
 *     counts    'bytes'                  what the entries take
 *
 * The size is bounded by that count, since the file of LMDB grows as it needs to and never shrinks: it settles
 * at a small multiple of `maxBytes`. When there is no room the expired go, and then what expires first; what
 * was added (`add`) stays until its time.
 *
 * Unless `durable` is set nothing waits for the disk. That is safe when a process dies, and not when the
 * machine does: so the file is named after the machine's start, and those of earlier ones are thrown away.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { CacheError } from '../../cache/errors.ts';
import {
  checkStoreKey,
  checkStoreValue,
  type SessionStore,
  type StoreEntry,
  type WitnessedAdd,
} from '../../cache/store.ts';
import { copyBytes } from '../../util/bytes.ts';
import { type Clock, systemClock } from '../../util/clock.ts';

export interface LmdbStoreOptions {
  /**
   * A file, made if it is not there; beside it lies one that ends in `-lock`. Unless `durable`, eight digits
   * that stand for the machine's start come after the name.
   */
  readonly path: string;
  /** Of keys and values together. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Whether what was written outlives the machine; writes then cost a sync of the disk. Default false. */
  readonly durable?: boolean;
  readonly clock?: Clock;
}

const HEADER = 9;
/** What an entry takes beside its key, twice, and its value: in two trees. */
const OVERHEAD = 96;
/** Expired entries that a write clears away besides. */
const SWEPT_A_WRITE = 4;
const BYTES = 'bytes';

type Outcome<T> =
  | { readonly full: false; readonly value: T }
  | { readonly full: boolean; readonly error: unknown };
type OrderKey = [stays: number, expiresAtMs: number, key: string];

export class LmdbStore implements SessionStore {
  /** The file that is used. */
  readonly path: string;
  readonly #root: RootDatabase<Uint8Array, string>;
  readonly #entries: Database<Uint8Array, string>;
  readonly #order: Database<Uint8Array, OrderKey>;
  readonly #counts: Database<number, string>;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #witness: string;
  /** Transactions under way: the environment may not go before them. */
  readonly #pending: Set<PromiseLike<unknown>> = new Set();
  #closed = false;

  private constructor(
    root: RootDatabase<Uint8Array, string>,
    path: string,
    options: LmdbStoreOptions,
    witness: string,
  ) {
    this.path = path;
    this.#root = root;
    this.#entries = root.openDB({ name: 'entries', encoding: 'binary' });
    this.#order = root.openDB({ name: 'order', encoding: 'binary' });
    this.#counts = root.openDB({ name: 'counts', encoding: 'ordered-binary' });
    this.#maxBytes = options.maxBytes ?? 64 * 2 ** 20;
    this.#clock = options.clock ?? systemClock;
    this.#witness = witness;
  }

  /**
   * The package `lmdb` has to be installed.
   * @throws {CacheError} `ERR_STORE_FAILED` when the file cannot be opened: the cause says why.
   */
  static async open(options: LmdbStoreOptions): Promise<LmdbStore> {
    const { open } = await import('lmdb');
    const { durable = false } = options;
    const boot = bootId();
    const path = durable ? options.path : `${options.path}-${boot.slice(0, 8)}`;
    try {
      if (!durable) discardOthers(options.path, path);
      // The native code ends the process over a file that is none of its own.
      if (!isEnvironment(path)) {
        if (durable) throw new Error('the file is not one of LMDB');
        discard(path);
      }
      const root = open<Uint8Array, string>({
        path,
        noSubdir: true,
        maxDbs: 4,
        encoding: 'binary',
        noSync: !durable,
        // Freed pages keep nothing of what lay there before.
        noMemInit: false,
        ...{ permissionsMode: 0o600 },
      });
      // What processes that died were reading holds on to pages that could be used.
      root.readerCheck();
      return new LmdbStore(root, path, options, boot);
    } catch (cause) {
      throw failure('cannot open', cause);
    }
  }

  get(key: string): Uint8Array | null {
    this.#use(key);
    const bytes = this.#read(key);
    if (bytes === null || this.#clock.wallMs() > expiryOf(bytes)) return null;
    return copyBytes(bytes.subarray(HEADER));
  }

  put(key: string, value: Uint8Array, expiresAtMs: number): Promise<void> {
    return this.#write(key, () => {
      checkStoreValue(value, expiresAtMs);
      const entry = entryOf(value, expiresAtMs, 0);
      return (nowMs): void => {
        this.#remove(key);
        if (nowMs <= expiresAtMs) this.#insert(key, entry, nowMs);
      };
    });
  }

  add(key: string, value: Uint8Array, expiresAtMs: number): Promise<boolean> {
    return this.#write(key, () => {
      checkStoreValue(value, expiresAtMs);
      const entry = entryOf(value, expiresAtMs, 1);
      return (nowMs): boolean => {
        const there = this.#read(key);
        if (nowMs > expiresAtMs || (there !== null && nowMs <= expiryOf(there))) return false;
        this.#remove(key);
        if (this.#insert(key, entry, nowMs)) return true;
        throw new CacheError('ERR_STORE_FAILED', 'the LMDB store is full of what may not be dropped');
      };
    });
  }

  /** The witness is the machine's start: what it acknowledged before may not have reached the disk. */
  async addWitnessed(key: string, value: Uint8Array, expiresAtMs: number): Promise<WitnessedAdd> {
    return { added: await this.add(key, value, expiresAtMs), witness: this.#witness };
  }

  take(key: string): Promise<Uint8Array | null> {
    return this.#write(key, () => (nowMs) => {
      const bytes = this.#read(key);
      if (bytes === null) return null;
      const value = nowMs > expiryOf(bytes) ? null : copyBytes(bytes.subarray(HEADER));
      this.#remove(key);
      return value;
    });
  }

  delete(key: string): Promise<boolean> {
    return this.#write(key, () => (nowMs) => {
      const bytes = this.#read(key);
      if (bytes === null) return false;
      const lived = nowMs <= expiryOf(bytes);
      this.#remove(key);
      return lived;
    });
  }

  /** Removes what has expired; resolves to how much. It would go by itself when room is needed. */
  sweep(): Promise<number> {
    return this.#write(null, () => (nowMs) => this.#sweep(nowMs, Number.POSITIVE_INFINITY));
  }

  /** What the entries take: the bound of `maxBytes` is on this. */
  get byteLength(): number {
    this.#checkOpen();
    this.#root.resetReadTxn();
    return this.#counts.get(BYTES) ?? 0;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled([...this.#pending]);
    try {
      await this.#root.close();
    } catch (cause) {
      throw failure('cannot close', cause);
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreEntry, void, undefined> {
    this.#checkOpen();
    this.#root.resetReadTxn();
    // The keys of one moment: what is put meanwhile may sort behind, and would keep this from ending.
    const keys = [...this.#entries.getKeys()];
    for (const key of keys) {
      this.#use(key);
      const bytes = this.#read(key);
      if (bytes === null) continue;
      const expiresAtMs = expiryOf(bytes);
      if (this.#clock.wallMs() > expiresAtMs) continue;
      yield { key, value: copyBytes(bytes.subarray(HEADER)), expiresAtMs };
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new CacheError('ERR_STORE_CLOSED', 'the store is closed');
  }

  #use(key: string): void {
    this.#checkOpen();
    checkStoreKey(key);
    // Another process may have written since this turn of the event loop began.
    this.#root.resetReadTxn();
  }

  /** A copy: what `getBinaryFast` lends has a `length` of its own, which `subarray` does not see from Node 24 on. */
  #read(key: string): Uint8Array | null {
    const bytes = this.#entries.getBinary(key);
    return bytes === undefined || bytes.length < HEADER ? null : bytes;
  }

  /** `prepare` checks and copies before anything waits; what it returns runs inside the transaction. */
  async #write<T>(key: string | null, prepare: () => (nowMs: number) => T): Promise<T> {
    if (key === null) this.#checkOpen();
    else this.#use(key);
    const act = prepare();
    let answer = await this.#transact(act);
    // The disk is full, or the map cannot grow: half of it makes way, and what was asked for is tried again.
    if (answer.full) {
      await this.#transact((nowMs) => this.#makeRoom(this.#maxBytes / 2, nowMs));
      answer = await this.#transact(act);
    }
    if ('error' in answer) {
      if (answer.error instanceof CacheError) throw answer.error;
      throw failure('cannot write', answer.error);
    }
    return answer.value;
  }

  async #transact<T>(act: (nowMs: number) => T): Promise<Outcome<T>> {
    this.#checkOpen();
    // An error inside would undo what others in the same transaction did: it is carried out as a value.
    const transaction = this.#root.transaction((): Outcome<T> => {
      try {
        this.#checkOpen();
        return { full: false, value: act(this.#clock.wallMs()) };
      } catch (error) {
        return { full: isFull(error), error };
      }
    });
    this.#pending.add(transaction);
    try {
      return await transaction;
    } catch (error) {
      return { full: isFull(error), error };
    } finally {
      this.#pending.delete(transaction);
    }
  }

  /** Within a transaction. Whether there was room, or could be made. */
  #insert(key: string, entry: Uint8Array, nowMs: number): boolean {
    const size = sizeOf(key, entry);
    if (size > this.#maxBytes) return false;
    this.#sweep(nowMs, SWEPT_A_WRITE);
    if (!this.#makeRoom(this.#maxBytes - size, nowMs)) return false;
    this.#entries.putSync(key, entry);
    this.#order.putSync([entry[8] as number, expiryOf(entry), key], NO_BYTES);
    this.#count(size);
    return true;
  }

  /** Within a transaction: until no more than so many bytes are left. */
  #makeRoom(bytes: number, nowMs: number): boolean {
    if ((this.#counts.get(BYTES) ?? 0) <= bytes) return true;
    this.#sweep(nowMs, Number.POSITIVE_INFINITY);
    while ((this.#counts.get(BYTES) ?? 0) > bytes) {
      const first = this.#firstOf(0);
      if (first === null) return false;
      this.#remove(first[2]);
    }
    return true;
  }

  #sweep(nowMs: number, most: number): number {
    let swept = 0;
    for (const stays of [0, 1]) {
      while (swept < most) {
        const first = this.#firstOf(stays);
        if (first === null || nowMs <= first[1]) break;
        this.#remove(first[2]);
        swept++;
      }
    }
    return swept;
  }

  #firstOf(stays: number): OrderKey | null {
    for (const key of this.#order.getKeys({ start: [stays, Number.NEGATIVE_INFINITY, ''], limit: 1 })) {
      return key[0] === stays ? key : null;
    }
    return null;
  }

  #remove(key: string): void {
    const bytes = this.#read(key);
    if (bytes === null) return;
    const size = sizeOf(key, bytes);
    const order: OrderKey = [bytes[8] as number, expiryOf(bytes), key];
    this.#entries.removeSync(key);
    this.#order.removeSync(order);
    this.#count(-size);
  }

  #count(bytes: number): void {
    this.#counts.putSync(BYTES, Math.max(0, (this.#counts.get(BYTES) ?? 0) + bytes));
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0);

function entryOf(value: Uint8Array, expiresAtMs: number, stays: 0 | 1): Buffer {
  const entry = Buffer.alloc(HEADER + value.length);
  entry.writeDoubleBE(expiresAtMs, 0);
  entry[8] = stays;
  entry.set(value, HEADER);
  return entry;
}

function expiryOf(entry: Uint8Array): number {
  return new DataView(entry.buffer, entry.byteOffset).getFloat64(0);
}

function sizeOf(key: string, entry: Uint8Array): number {
  return 2 * key.length + entry.length + OVERHEAD;
}

function isFull(error: unknown): boolean {
  return /MDB_MAP_FULL|MDB_TXN_FULL|ENOSPC|No space left/.test(String((error as Error)?.message));
}

function failure(what: string, cause: unknown): CacheError {
  const words = cause instanceof Error ? cause.message.slice(0, 200) : 'no answer';
  return new CacheError('ERR_STORE_FAILED', `the LMDB store ${what}: ${words}`, { cause });
}

/** Which start of the machine this is; the same for all its processes. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // Where nothing tells, all starts count as one: docs/stores.md says what that means for early data.
    return '00000000';
  }
}

/** What earlier starts of the machine left behind. */
function discardOthers(path: string, current: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) return;
  const begin = `${basename(path)}-`;
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(begin) || name.startsWith(basename(current))) continue;
    if (/^[0-9a-f]{8}(-lock)?$/.test(name.slice(begin.length))) rmSync(join(folder, name), { force: true });
  }
}

function discard(path: string): void {
  for (const file of [path, `${path}-lock`]) rmSync(file, { force: true });
}

/** MDB_MAGIC, after the head of the first page; in the order of bytes of the machine that wrote it. */
const MAGIC_AT = 24;
const MAGIC = 0xbeefc0de;

/** Whether LMDB may open the file: it begins as its own do, or is not there yet. */
function isEnvironment(path: string): boolean {
  if (!existsSync(path) || statSync(path).size === 0) return true;
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(MAGIC_AT + 4);
    if (readSync(file, head, 0, head.length, 0) < head.length) return false;
    return [head.readUInt32LE(MAGIC_AT), head.readUInt32BE(MAGIC_AT)].includes(MAGIC);
  } finally {
    closeSync(file);
  }
}
