/**
 * Memory for the byte strings of sessions. A typed array of its own for every session costs more than what
 * lies in it: two objects, a buffer of the system's and a collector that has to free it. So slabs of a size
 * lie side by side in chunks, and what is given back serves the next session.
 *
 * A chunk is held by the bodies whose slabs lie in it, and by the pool only while a slab of it is free. So
 * what nobody gives back is lost to the pool, but not to the collector: it goes with the last of its chunk.
 */

/** Slabs come in multiples of this many bytes, so that words can be cleared and not bytes. */
const STEP = 32;
/** A larger slab has a chunk to itself, which is not kept. */
const LARGEST_SHARED = 2048;
const FIRST_SLABS = 8;
const CHUNK_BYTES = 65_536;

export class SlabChunk {
  /** All zero wherever no slab is in use. */
  readonly bytes: Uint8Array;
  /** Where the slab that was taken last begins. */
  taken = 0;
  readonly #words: Float64Array;
  readonly #slabBytes: number;
  readonly #home: SlabSize | null;
  /** Where each free slab begins; those beyond `#freeCount` are in use. */
  readonly #free: Int32Array;
  #freeCount: number;
  /** The place in its home's list, −1 for none. */
  place = -1;

  constructor(slabBytes: number, slabs: number, home: SlabSize | null) {
    const buffer = new ArrayBuffer(slabBytes * slabs);
    this.bytes = new Uint8Array(buffer);
    this.#words = new Float64Array(buffer);
    this.#slabBytes = slabBytes;
    this.#home = home;
    this.#free = new Int32Array(slabs);
    this.#freeCount = slabs;
    for (let i = 0; i < slabs; i++) this.#free[i] = (slabs - 1 - i) * slabBytes;
  }

  get isFull(): boolean {
    return this.#freeCount === 0;
  }

  get isEmpty(): boolean {
    return this.#freeCount === this.#free.length;
  }

  /** Takes a free slab, of which there is one; it is all zero. */
  take(): void {
    this.taken = this.#free[--this.#freeCount] as number;
  }

  /** Wipes a slab and gives it back. */
  giveBack(start: number): void {
    const words = this.#words;
    const end = (start + this.#slabBytes) >> 3;
    // Cheaper than the call into `fill`, up to half a kilobyte; a large slab is not worth a case of its own.
    for (let i = start >> 3; i < end; i += 4) {
      words[i] = 0;
      words[i + 1] = 0;
      words[i + 2] = 0;
      words[i + 3] = 0;
    }
    this.#free[this.#freeCount++] = start;
    if (this.#home !== null) this.#home.gotBack(this);
  }
}

/** The chunks of one size of slab that have a free one. */
class SlabSize {
  readonly #slabBytes: number;
  readonly #chunks: SlabChunk[] = [];
  #nextSlabs = FIRST_SLABS;

  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
  }

  take(): SlabChunk {
    const chunks = this.#chunks;
    let chunk = chunks[chunks.length - 1];
    if (chunk === undefined) {
      chunk = new SlabChunk(this.#slabBytes, this.#nextSlabs, this);
      this.#nextSlabs = Math.min(this.#nextSlabs * 2, Math.floor(CHUNK_BYTES / this.#slabBytes));
      this.#list(chunk);
    }
    chunk.take();
    if (chunk.isFull) this.#unlist(chunk);
    return chunk;
  }

  /** A slab of that chunk was given back: the chunk can serve again, or is not needed any more. */
  gotBack(chunk: SlabChunk): void {
    if (chunk.place < 0) this.#list(chunk);
    else if (chunk.isEmpty && this.#chunks.length > 1) this.#unlist(chunk);
  }

  #list(chunk: SlabChunk): void {
    chunk.place = this.#chunks.length;
    this.#chunks.push(chunk);
  }

  #unlist(chunk: SlabChunk): void {
    const last = this.#chunks.pop() as SlabChunk;
    if (last !== chunk) {
      this.#chunks[chunk.place] = last;
      last.place = chunk.place;
    }
    chunk.place = -1;
  }
}

const sizes: SlabSize[] = Array.from(
  { length: LARGEST_SHARED / STEP },
  (_, i) => new SlabSize((i + 1) * STEP),
);

/** Takes a slab of at least `bytes` bytes, all zero. It begins at `taken` of the chunk that is returned. */
export function takeSlab(bytes: number): SlabChunk {
  const step = (bytes + STEP - 1) >> 5;
  if (step <= LARGEST_SHARED / STEP) return (sizes[step - 1] as SlabSize).take();
  return ownSlab(bytes);
}

/** As `takeSlab`, with nothing beside it. */
export function ownSlab(bytes: number): SlabChunk {
  const chunk = new SlabChunk(((bytes + STEP - 1) >> 5) * STEP, 1, null);
  chunk.take();
  return chunk;
}
