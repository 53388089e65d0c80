/** The two BIOs of an SSL: records in, one at a time, and output that goes out as there is room. */
import type { BIO } from './bio.ts';

export class Transport {
  #rbio: BIO | null = null;
  #wbio: BIO | null = null;
  /** Output that the BIO had no room for. */
  #outbox: Uint8Array | null = null;

  get rbio(): BIO | null {
    return this.#rbio;
  }

  get wbio(): BIO | null {
    return this.#wbio;
  }

  /** Takes over one reference of the application's. */
  set rbio(bio: BIO | null) {
    bio?.take();
    this.#rbio?.release();
    this.#rbio = bio;
  }

  set wbio(bio: BIO | null) {
    bio?.take();
    this.#wbio?.release();
    this.#wbio = bio;
  }

  /** Some output is still here. */
  get isFull(): boolean {
    return this.#outbox !== null;
  }

  /** No bytes will come any more. */
  get isEnded(): boolean {
    return this.#rbio?.isEnded === true;
  }

  /** Writes what waited and then `output`. False when the BIO has no room for all of it, or there is none. */
  send(output: Uint8Array | null): boolean {
    let rest = this.#outbox;
    if (rest === null) rest = output;
    else if (output !== null) {
      const both = new Uint8Array(rest.length + output.length);
      both.set(rest);
      both.set(output, rest.length);
      rest = both;
    }
    if (rest === null) return true;
    const count = this.#wbio === null ? 0 : this.#wbio.write(rest);
    this.#outbox = count === rest.length ? null : rest.subarray(count);
    return this.#outbox === null;
  }

  /**
   * The next record, or as much of it as is there; null for nothing. One record, as in C: what lies behind it is
   * for the next call, should this one have enough. A copy, and off the BIO before anybody is called: a callback
   * may write to it, or read.
   */
  receive(): Uint8Array | null {
    const pending = this.#rbio?.view();
    if (pending === undefined || pending.length === 0) return null;
    const bytes = pending.slice(0, recordLength(pending));
    this.#rbio?.skip(bytes.length);
    return bytes;
  }

  /** The connection is over; the BIOs stay. */
  forget(): void {
    this.#outbox = null;
  }

  release(): void {
    this.rbio = null;
    this.wbio = null;
    this.#outbox = null;
  }
}

/** Of the record that begins here, as far as it is there. Whether it is one, the engine finds out. */
function recordLength(bytes: Uint8Array): number {
  if (bytes.length < 5) return bytes.length;
  return 5 + (((bytes[3] as number) << 8) | (bytes[4] as number));
}
