import { EMPTY } from '../util/bytes.ts';

/**
 * Bytes that arrive in pieces and leave from the front. A piece is read where it lies; only what is left of
 * it when its owner wants it back is copied, into a buffer that grows by doubling, so that a peer who sends
 * one byte at a time costs linear time.
 */
export class InputBuffer {
  data: Uint8Array = EMPTY;
  position = 0;
  end = 0;
  #owned = false;

  get available(): number {
    return this.end - this.position;
  }

  push(piece: Uint8Array): void {
    const rest = this.end - this.position;
    if (rest === 0) {
      this.data = piece;
      this.position = 0;
      this.end = piece.length;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.data.length - this.end < piece.length) this.#own(rest + piece.length);
    this.data.set(piece, this.end);
    this.end += piece.length;
  }

  /** Copies what is left, if it still lies in the piece that was pushed. */
  keep(): void {
    if (this.end === this.position) this.clear();
    else if (!this.#owned) this.#own(this.end - this.position);
  }

  clear(): void {
    this.data = EMPTY;
    this.position = 0;
    this.end = 0;
    this.#owned = false;
  }

  #own(needed: number): void {
    const larger = new Uint8Array(Math.max(64, needed * 2));
    const rest = this.data.subarray(this.position, this.end);
    larger.set(rest);
    this.data = larger;
    this.end = rest.length;
    this.position = 0;
    this.#owned = true;
  }
}
