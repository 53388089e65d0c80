/**
 * The contract of a session store: bytes under a key until a time. Memory, LMDB and Valkey/Redis implement
 * it; one suite (tests/contract/store.ts) holds them all to it. What the bytes are is the caller's affair:
 * whatever leaves the process is sealed before it comes here.
 */
import { type Awaitable, isPromiseLike } from './awaitable.ts';
import { CacheError } from './errors.ts';

export interface StoreEntry {
  readonly key: string;
  /** A copy. */
  readonly value: Uint8Array;
  /** Milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** What `addWitnessed` answers. */
export interface WitnessedAdd {
  readonly added: boolean;
  /**
   * Names the one copy of the data that answered, and that life of it: another name means that what was
   * acknowledged before may be lost. At most 128 characters.
   */
  readonly witness: string;
}

/**
 * Every method may answer at once or later. A store that cannot answer throws or rejects; it never answers
 * `null` for "I do not know". Values are copied on the way in and belong to the caller on the way out.
 */
export interface SessionStore {
  /** The value, or null when there is none or its time is over. */
  get(key: string): Awaitable<Uint8Array | null>;
  /**
   * Keeps a value until a time, in place of any other under that key; one whose time is over already only
   * removes. A store that is full drops something else: what has expired first.
   */
  put(key: string, value: Uint8Array, expiresAtMs: number): Awaitable<void>;
  /**
   * Puts a value only where there is none: true to exactly one of all who add the same key at once, in
   * whatever process. One whose time is over already adds nothing, and is answered with false. What was added
   * is not dropped before its time to make room: a store that has none left throws.
   */
  add(key: string, value: Uint8Array, expiresAtMs: number): Awaitable<boolean>;
  /**
   * As `add`, and says which copy of the data answered, in the same step. Only of stores that can fall back
   * to an older state: those that replicate asynchronously, or that do not outlive the machine.
   */
  addWitnessed?(key: string, value: Uint8Array, expiresAtMs: number): Awaitable<WitnessedAdd>;
  /**
   * Removes and returns the value, in one step that nothing can come between: of all who take a key at
   * once, in whatever process, at most one gets the value.
   */
  take(key: string): Awaitable<Uint8Array | null>;
  /** Whether there was something to remove. */
  delete(key: string): Awaitable<boolean>;
  /** Lets go of whatever the store holds open. What was under way fails; so does every call after. */
  close(): Awaitable<void>;
  /**
   * For maintenance: everything that has not expired, in no order. What changes meanwhile may or may not
   * be seen; nothing else is missed or seen twice.
   */
  [Symbol.asyncIterator](): AsyncIterator<StoreEntry>;
}

/** Characters of a key, each printable ASCII and no blank. LMDB's keys are not longer. */
export const MAX_STORE_KEY = 255;
/** Bytes of a value. */
export const MAX_STORE_VALUE: number = 2 ** 20;

/** @throws {CacheError} `ERR_STORE_VALUE` for a key that not every store can hold. */
export function checkStoreKey(key: string): void {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new CacheError(
      'ERR_STORE_VALUE',
      `a store's key is 1 to ${MAX_STORE_KEY} printable ASCII characters`,
    );
  }
}

/** @throws {CacheError} `ERR_STORE_VALUE` for a value or a time that not every store can hold. */
export function checkStoreValue(value: Uint8Array, expiresAtMs: number): void {
  if (value.length > MAX_STORE_VALUE) {
    throw new CacheError('ERR_STORE_VALUE', `a store's value has at most ${MAX_STORE_VALUE} bytes`);
  }
  if (!Number.isFinite(expiresAtMs)) {
    throw new CacheError('ERR_STORE_VALUE', 'what is put into a store expires at some time');
  }
}

/** Runs `use` on an answer, at once if it is there. */
export function whenAnswered<T, R>(answer: Awaitable<T>, use: (value: T) => R): Awaitable<R> {
  return isPromiseLike(answer) ? answer.then(use) : use(answer);
}
