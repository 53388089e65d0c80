/**
 * Where a cache keeps its sessions: a hash table over (version, id), a list by use and a queue by expiry,
 * all in a few typed arrays. It knows nothing of references or callbacks: who puts a session in or takes
 * one out deals with those, after the change is whole.
 *
 * A session has a slot: a number that indexes `#sessions` and a row of `#rows`, and that the session itself
 * remembers. A row has the key in it, so that looking up touches a cell and a row and no session:
 *
 *     hash, next older slot, next newer slot, version × 256 + length of id, id (8 words, padded with zeros)
 */
import { Field, type SessionBody } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { ExpiryQueue } from './expiry-queue.ts';
import { type HashKey, keyedHash } from './keyed-hash.ts';

const ROW = 12;
const HASH = 0;
const OLDER = 1;
const NEWER = 2;
const KEY = 3;
const KEY_WORDS = 9;
/** Bytes of a session id (RFC 5246, 7.4.1.2). */
const MAX_ID = 32;

const FIRST_SLOTS = 16;
/** An empty table keeps room for this many and gives back what it had beyond that. */
const KEPT_SLOTS = 1024;
const NONE = -1;
/** Cells a slot at most: the table is never more than three quarters full. */
const MAX_LOAD = 0.75;
/** Cells to go over for each that is to be emptied, before it is better to look for that one. */
const SWEEP = 8;

/** Beyond this many sessions a cache refuses to grow: every index stays a small integer. */
export const MAX_SESSIONS: number = 2 ** 26;

export class SessionTable {
  readonly #hashKey: HashKey;
  /** The key that was looked for last, how many words of it are used, its hash, and whose, between a look and an insertion. */
  readonly #key: Int32Array = new Int32Array(KEY_WORDS);
  #keyWords = 0;
  #keyHash = 0;
  #keyOf: SessionBody | null = null;
  #count = 0;
  #sessions: (SessionCore | null)[] = [];
  #rows: Int32Array = new Int32Array(FIRST_SLOTS * ROW);
  /** The first free slot below `#sessions.length`; the others follow in OLDER. */
  #free = NONE;
  #newest = NONE;
  #oldest = NONE;
  readonly #expiry: ExpiryQueue = new ExpiryQueue();
  /** Two words a cell: slot + 1, or 0 for an empty one, and the hash. */
  #cells: Int32Array = new Int32Array(FIRST_SLOTS * 2 * 2);
  /** Number of cells − 1. */
  #mask: number = FIRST_SLOTS * 2 - 1;

  constructor(key: HashKey) {
    this.#hashKey = key;
  }

  get count(): number {
    return this.#count;
  }

  /** The session in a slot. */
  at(slot: number): SessionCore {
    return this.#sessions[slot] as SessionCore;
  }

  /** The slot of the session with that version and id, or −1. Changes nothing. */
  find(version: number, id: Uint8Array): number {
    if (id.length > MAX_ID) return NONE;
    this.#keyOf = null;
    this.#loadKey(version, id, 0, id.length);
    return this.#lookUp();
  }

  /** The slot of whatever is kept under the key of a session with that body, or −1. */
  findKeyOf(body: SessionBody): number {
    this.#loadKeyOf(body);
    this.#keyOf = body;
    return this.#lookUp();
  }

  /** Length of the id of the session in a slot, in bytes. */
  idLength(slot: number): number {
    return (this.#rows[slot * ROW + KEY] as number) & 0xff;
  }

  #loadKeyOf(body: SessionBody): void {
    this.#loadKey(body.version, body.bytes, body.start(Field.id), body.length(Field.id));
  }

  #loadKey(version: number, bytes: Uint8Array, start: number, length: number): void {
    this.#keyWords = 1 + ((length + 3) >> 2);
    this.#keyHash = keyedHash(this.#hashKey, (version << 8) | length, bytes, start, length, this.#key);
  }

  #lookUp(): number {
    const hash = this.#keyHash;
    const words = this.#keyWords;
    const cells = this.#cells;
    const mask = this.#mask;
    const rows = this.#rows;
    const key = this.#key;
    for (let cell = hash & mask; ; cell = (cell + 1) & mask) {
      const slot = (cells[cell * 2] as number) - 1;
      if (slot === NONE) return NONE;
      if (cells[cell * 2 + 1] !== hash) continue;
      const at = slot * ROW + KEY;
      let i = 0;
      while (i < words && rows[at + i] === key[i]) i++;
      if (i === words) return slot;
    }
  }

  /**
   * Puts in a session whose key is not there, as the most recently used; returns its slot. There has to be room:
   * `reserve` was called for it, and nothing but removals came between. When the key was looked for just before,
   * and nothing but removals came between, it is not made again.
   */
  insert(session: SessionCore): number {
    const body = session.body('insert');
    if (this.#keyOf !== body) this.#loadKeyOf(body);
    this.#keyOf = null;
    const hash = this.#keyHash;
    const words = this.#keyWords;
    let slot = this.#free;
    const fresh = slot === NONE;
    if (fresh) slot = this.#sessions.length;
    this.#expiry.add(slot, session.expiresAtMs);
    if (fresh) this.#sessions.push(session);
    else {
      this.#free = this.#rows[slot * ROW + OLDER] as number;
      this.#sessions[slot] = session;
    }
    const row = slot * ROW;
    this.#rows[row + HASH] = hash;
    for (let i = 0; i < words; i++) this.#rows[row + KEY + i] = this.#key[i] as number;
    this.#linkNewest(slot);
    this.#occupy(this.#cells, this.#mask, slot, hash);
    this.#count++;
    return slot;
  }

  /** Takes a session out. */
  remove(slot: number): SessionCore {
    this.#expiry.remove(slot);
    this.#vacate(slot);
    return this.#forget(slot);
  }

  /**
   * Takes out every session that expired before `nowMs`, in no order, and hands each to `taken` while it is
   * in the processor's cache. `taken` may not run anybody else's code: the table is whole only at the end.
   */
  takeExpired(nowMs: number, taken: (session: SessionCore) => void): number {
    const slots = this.#expiry.takeBelow(nowMs);
    const sweeps = slots.length * SWEEP > this.#mask;
    if (sweeps) this.#sweep(slots);
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number;
      if (!sweeps) this.#vacate(slot);
      taken(this.#forget(slot));
    }
    if (this.#count === 0 && this.#rows.length > KEPT_SLOTS * ROW) this.#reset();
    return slots.length;
  }

  /** Takes out everything, least recently used first, and gives the memory back. */
  takeAll(): SessionCore[] {
    const taken = this.list().reverse();
    this.#reset();
    return taken;
  }

  #reset(): void {
    this.#count = 0;
    this.#sessions = [];
    this.#rows = new Int32Array(FIRST_SLOTS * ROW);
    this.#free = NONE;
    this.#newest = NONE;
    this.#oldest = NONE;
    this.#expiry.clear();
    this.#cells = new Int32Array(FIRST_SLOTS * 2 * 2);
    this.#mask = FIRST_SLOTS * 2 - 1;
  }

  /** The slot used longest ago, or −1. */
  get leastRecent(): number {
    return this.#oldest;
  }

  /** The slot that expires first, or −1. */
  get firstToExpire(): number {
    return this.#expiry.first;
  }

  /** When the first expires, in milliseconds since 1970; infinity when the table is empty. */
  get firstExpiryMs(): number {
    return this.#expiry.firstKey;
  }

  /** Makes a slot the most recently used. */
  touch(slot: number): void {
    if (slot === this.#newest) return;
    this.#unlink(slot);
    this.#linkNewest(slot);
  }

  /** Sorts a slot in anew, after the times of its session changed. */
  reschedule(slot: number): void {
    this.#expiry.move(slot, this.at(slot).expiresAtMs);
  }

  /** All sessions, most recently used first: a copy. */
  list(): SessionCore[] {
    const all: SessionCore[] = [];
    for (let slot = this.#newest; slot !== NONE; slot = this.#rows[slot * ROW + OLDER] as number) {
      all.push(this.at(slot));
    }
    return all;
  }

  /** Takes a slot that no cell names any more, and that is out of the queue, out of the rest. */
  #forget(slot: number): SessionCore {
    const session = this.at(slot);
    this.#unlink(slot);
    this.#sessions[slot] = null;
    this.#rows[slot * ROW + OLDER] = this.#free;
    this.#free = slot;
    this.#count--;
    return session;
  }

  // The list by use ----------------------------------------------------------------------------------

  #linkNewest(slot: number): void {
    const rows = this.#rows;
    const next = this.#newest;
    rows[slot * ROW + OLDER] = next;
    rows[slot * ROW + NEWER] = NONE;
    if (next === NONE) this.#oldest = slot;
    else rows[next * ROW + NEWER] = slot;
    this.#newest = slot;
  }

  #unlink(slot: number): void {
    const rows = this.#rows;
    const older = rows[slot * ROW + OLDER] as number;
    const newer = rows[slot * ROW + NEWER] as number;
    if (newer === NONE) this.#newest = older;
    else rows[newer * ROW + OLDER] = older;
    if (older === NONE) this.#oldest = newer;
    else rows[older * ROW + NEWER] = newer;
  }

  // The hash table: linear probing, with the gap closed on removal ------------------------------------

  #occupy(cells: Int32Array, mask: number, slot: number, hash: number): void {
    let cell = hash & mask;
    while (cells[cell * 2] !== 0) cell = (cell + 1) & mask;
    cells[cell * 2] = slot + 1;
    cells[cell * 2 + 1] = hash;
  }

  #vacate(slot: number): void {
    const cells = this.#cells;
    const mask = this.#mask;
    let gap = (this.#rows[slot * ROW + HASH] as number) & mask;
    while (cells[gap * 2] !== slot + 1) gap = (gap + 1) & mask;
    // Whatever follows moves into the gap, unless that would put it before the cell where it belongs.
    for (let cell = (gap + 1) & mask; cells[cell * 2] !== 0; cell = (cell + 1) & mask) {
      const hash = cells[cell * 2 + 1] as number;
      if (((cell - hash) & mask) < ((cell - gap) & mask)) continue;
      cells[gap * 2] = cells[cell * 2] as number;
      cells[gap * 2 + 1] = hash;
      gap = cell;
    }
    cells[gap * 2] = 0;
  }

  /**
   * Empties the cells of many slots: goes over all cells once, in the order in which they lie, which is
   * cheaper than to look for a good part of them here and there.
   */
  #sweep(slots: readonly number[]): void {
    const leaving = new Uint8Array(this.#sessions.length);
    for (let i = 0; i < slots.length; i++) leaving[slots[i] as number] = 1;
    const cells = this.#cells;
    const mask = this.#mask;
    // Whoever stands behind an empty cell is where it belongs, and can only move towards it.
    let start = 0;
    while (cells[start * 2] !== 0) start++;
    for (let i = 1; i <= mask; i++) {
      const cell = (start + i) & mask;
      const mark = cells[cell * 2] as number;
      if (mark === 0) continue;
      cells[cell * 2] = 0;
      if (leaving[mark - 1] === 0) this.#occupy(cells, mask, mark - 1, cells[cell * 2 + 1] as number);
    }
  }

  /**
   * Makes sure that one more session, which expires then, can be inserted without memory, whatever is removed
   * before: so that what comes between this and the insertion need not be undone.
   * @throws {RangeError} when `MAX_SESSIONS` are there, or memory runs out. Nothing has changed then.
   */
  reserve(expiresAtMs: number): void {
    const slots = this.#sessions.length;
    // Whichever slot is free by then.
    this.#expiry.reserve(this.#free === NONE ? slots : slots - 1, expiresAtMs);
    if (this.#free === NONE && slots * ROW === this.#rows.length) {
      if (slots >= MAX_SESSIONS) throw new RangeError(`a cache holds at most ${MAX_SESSIONS} sessions`);
      const rows = new Int32Array(this.#rows.length * 2);
      rows.set(this.#rows);
      this.#rows = rows;
    }
    if (this.#count + 1 <= (this.#mask + 1) * MAX_LOAD) return;
    const mask = this.#mask * 2 + 1;
    const cells = new Int32Array((mask + 1) * 2);
    const old = this.#cells;
    for (let cell = 0; cell < old.length; cell += 2) {
      const mark = old[cell] as number;
      if (mark !== 0) this.#occupy(cells, mask, mark - 1, old[cell + 1] as number);
    }
    this.#cells = cells;
    this.#mask = mask;
  }
}
