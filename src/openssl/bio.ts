/** Memory BIOs, BIO_s_mem(3): as much of them as reading and writing sessions takes. */
import { utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';

/** What BIO_new takes: the kind of BIO. */
export interface BIO_METHOD {
  readonly name: string;
}

const MEMORY: BIO_METHOD = Object.freeze({ name: 'memory buffer' });

export class BIO {
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #references = 1;
  /** BIO_new_mem_buf: what was given is read, and nothing may be written. */
  readonly isReadOnly: boolean;

  /** Use BIO_new or BIO_new_mem_buf. Keeps a copy of `contents`. */
  constructor(contents: Uint8Array | null) {
    this.isReadOnly = contents !== null;
    if (contents !== null) this.#append(contents);
  }

  upRef(): void {
    this.#check();
    this.#references++;
  }

  free(): void {
    this.#check();
    if (--this.#references === 0) this.#bytes.fill(0);
  }

  get pending(): number {
    this.#check();
    return this.#end - this.#start;
  }

  /** What was not read yet; a view, valid until the next call. */
  view(): Uint8Array {
    this.#check();
    return this.#bytes.subarray(this.#start, this.#end);
  }

  skip(length: number): void {
    this.#start += Math.min(length, this.pending);
  }

  write(bytes: Uint8Array): void {
    this.#check();
    this.#append(bytes);
  }

  reset(): void {
    this.#check();
    if (this.isReadOnly) {
      this.#start = 0;
      return;
    }
    this.#bytes.fill(0);
    this.#start = 0;
    this.#end = 0;
  }

  #append(bytes: Uint8Array): void {
    const pending = this.#end - this.#start;
    if (this.#end + bytes.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(64, 2 * (pending + bytes.length)));
      grown.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes.fill(0);
      this.#bytes = grown;
      this.#start = 0;
      this.#end = pending;
    }
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  #check(): void {
    if (this.#references === 0) throw new UsageError('ERR_BIO_FREED', 'this BIO was freed before');
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

/** How many bytes were written: all, or −2 for a BIO that is only read from. */
export function BIO_write(bio: BIO, bytes: Uint8Array): number {
  if (bio.isReadOnly) return -2;
  bio.write(bytes);
  return bytes.length;
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
