import { randomFillSync } from 'node:crypto';

const POOL_SIZE = 4096;
/** A request longer than this goes to node:crypto alone and leaves the pool as it is. */
const LARGEST_FROM_POOL = 256;

/**
 * Random bytes drawn from node:crypto 4 KiB at a time: a call for 32 bytes costs a tenth of its own
 * `randomBytes`. Each byte is wiped from the pool as it is handed out, so that a later look at this
 * process's memory does not give away nonces and key shares of the past.
 */
export class RandomPool {
  readonly #pool = new Uint8Array(POOL_SIZE);
  #used: number = POOL_SIZE;

  take(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    if (length > LARGEST_FROM_POOL) {
      randomFillSync(bytes);
      return bytes;
    }
    if (this.#used + length > POOL_SIZE) {
      randomFillSync(this.#pool);
      this.#used = 0;
    }
    const start = this.#used;
    const end = start + length;
    for (let from = start, to = 0; from < end; from++, to++) bytes[to] = this.#pool[from] as number;
    this.#pool.fill(0, start, end);
    this.#used = end;
    return bytes;
  }
}
