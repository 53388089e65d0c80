/** Memory BIOs, BIO_s_mem(3), and pairs of them, BIO_new_bio_pair(3). */
import { utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';

/** What BIO_new takes: the kind of BIO. */
export interface BIO_METHOD {
  readonly name: string;
}

const MEMORY: BIO_METHOD = Object.freeze({ name: 'memory buffer' });

/** Bytes that wait, in order. */
class Queue {
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** A view, valid until the next call. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  skip(length: number): void {
    this.#start += Math.min(length, this.length);
  }

  rewind(): void {
    this.#start = 0;
  }

  append(bytes: Uint8Array): void {
    const pending = this.length;
    if (this.#end + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(64, 2 * (pending + bytes.length)));
      grown.set(this.view());
      this.#bytes.fill(0);
      this.#bytes = grown;
      this.#start = 0;
      this.#end = pending;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  clear(): void {
    this.#bytes.fill(0);
    this.#start = 0;
    this.#end = 0;
  }
}

export class BIO {
  readonly #inbox: Queue = new Queue();
  /** Where a write goes: to this BIO itself, or in a pair to the other one. */
  #target: BIO = this;
  /** What waits at the other end at most; a write takes no more. */
  #room = Number.POSITIVE_INFINITY;
  #isEnded = false;
  #application = 1;
  #library = 0;
  /** BIO_new_mem_buf: what was given is read, and nothing may be written. */
  readonly isReadOnly: boolean;

  /** Use BIO_new or BIO_new_mem_buf. Keeps a copy of `contents`. */
  constructor(contents: Uint8Array | null) {
    this.isReadOnly = contents !== null;
    if (contents !== null) this.#inbox.append(contents);
  }

  /** Two ends of a pipe. At most `roomA` bytes wait that `a` wrote. */
  static pair(roomA: number, roomB: number): [BIO, BIO] {
    const [a, b] = [new BIO(null), new BIO(null)];
    a.#target = b;
    b.#target = a;
    a.#room = roomA;
    b.#room = roomB;
    return [a, b];
  }

  upRef(): void {
    this.#check();
    this.#application++;
  }

  /** @throws {UsageError} when the application has no reference to give back. */
  free(): void {
    this.#check();
    if (this.#application === 0) {
      throw new UsageError('ERR_BIO_OVERFREED', 'BIO_free: an SSL holds this BIO, the application does not');
    }
    this.#application--;
    this.#endIfUnused();
  }

  /** An SSL takes over a reference that the application had. */
  take(): void {
    this.#check();
    if (this.#application === 0) {
      throw new UsageError('ERR_BIO_OVERFREED', 'SSL_set_bio: the application has no reference to give');
    }
    this.#application--;
    this.#library++;
  }

  /** An SSL gives it up. */
  release(): void {
    this.#library--;
    this.#endIfUnused();
  }

  #endIfUnused(): void {
    if (this.#application + this.#library > 0) return;
    this.#inbox.clear();
    // In a pair the other end reads what is there, and then the end.
    if (this.#target !== this) this.#target.#isEnded = true;
  }

  get pending(): number {
    this.#check();
    return this.#inbox.length;
  }

  /** No more bytes will come. */
  get isEnded(): boolean {
    return this.#isEnded && this.#inbox.length === 0;
  }

  /** What was not read yet; a view, valid until the next call. */
  view(): Uint8Array {
    this.#check();
    return this.#inbox.view();
  }

  skip(length: number): void {
    this.#check();
    this.#inbox.skip(length);
  }

  /** How many bytes were taken. */
  write(bytes: Uint8Array): number {
    this.#check();
    const target = this.#target;
    const count = Math.min(bytes.length, Math.max(0, this.#room - target.#inbox.length));
    target.#inbox.append(bytes.subarray(0, count));
    return count;
  }

  /** BIO_shutdown_wr: the other end reads what is there, and then the end. */
  shutdownWrite(): void {
    this.#check();
    this.#target.#isEnded = true;
  }

  reset(): void {
    this.#check();
    if (this.isReadOnly) this.#inbox.rewind();
    else this.#inbox.clear();
  }

  #check(): void {
    if (this.#application + this.#library === 0) {
      throw new UsageError('ERR_BIO_FREED', 'this BIO was freed before');
    }
  }
}

export function BIO_s_mem(): BIO_METHOD {
  return MEMORY;
}

/** An empty BIO to write to and read from; null for a method that is not BIO_s_mem(). */
export function BIO_new(method: BIO_METHOD): BIO | null {
  return method === MEMORY ? new BIO(null) : null;
}

/** A BIO to read these bytes (or this text, in UTF-8) from. They are copied. */
export function BIO_new_mem_buf(contents: Uint8Array | string): BIO {
  return new BIO(toBytes(contents));
}

/** 1, or 0 for null. The last one wipes what the BIO holds. */
export function BIO_free(bio: BIO | null): number {
  if (bio === null) return 0;
  bio.free();
  return 1;
}

export function BIO_up_ref(bio: BIO): number {
  bio.upRef();
  return 1;
}

/** Up to `length` bytes; null when there are none, where C returns −1. */
export function BIO_read(bio: BIO, length: number): Uint8Array | null {
  if (bio.pending === 0) return null;
  const bytes = bio.view().slice(0, Math.max(0, length));
  bio.skip(bytes.length);
  return bytes;
}

/** @internal @throws {UsageError} `ERR_OPENSSL_NULL` where C would follow a NULL, or something else, to its end. */
export function bioOf(bio: BIO, call: string): BIO {
  if (bio instanceof BIO) return bio;
  throw new UsageError('ERR_OPENSSL_NULL', `${call}: ${bio === null ? 'NULL' : 'this'} is not a BIO`);
}

/** How many bytes were taken; −1 when there is no room in a pair, −2 for a BIO that is only read from. */
export function BIO_write(bio: BIO, bytes: Uint8Array): number {
  if (bioOf(bio, 'BIO_write').isReadOnly) return -2;
  const count = bio.write(bytes);
  return count === 0 && bytes.length > 0 ? -1 : count;
}

/**
 * Two BIOs, each the other's peer: what is written to one is read from the other. A size is how many bytes
 * may wait that this end wrote; 0 stands for 17 KiB, which a whole record fits into.
 */
export function BIO_new_bio_pair(writeSize1: number, writeSize2: number): [BIO, BIO] {
  return BIO.pair(writeSize1 || DEFAULT_PAIR_SIZE, writeSize2 || DEFAULT_PAIR_SIZE);
}
const DEFAULT_PAIR_SIZE = 17 * 1024;

/** 1. The peer of a pair reads what is there, and then the end. */
export function BIO_shutdown_wr(bio: BIO): number {
  bio.shutdownWrite();
  return 1;
}

/** Writes the text in UTF-8; the result is as BIO_write's. */
export function BIO_puts(bio: BIO, text: string): number {
  return BIO_write(bio, utf8(text));
}

/** How many bytes wait to be read. */
export function BIO_pending(bio: BIO): number {
  return bio.pending;
}

export function BIO_eof(bio: BIO): number {
  return bio.pending === 0 ? 1 : 0;
}

/** A copy of what waits to be read; it still waits. */
export function BIO_get_mem_data(bio: BIO): Uint8Array {
  return bio.view().slice();
}

/** Empties it, or, when it is only read from, begins again. */
export function BIO_reset(bio: BIO): number {
  bio.reset();
  return 1;
}

function toBytes(contents: Uint8Array | string): Uint8Array {
  return typeof contents === 'string' ? utf8(contents) : contents;
}
