/** Two Duplexes joined in memory, with back-pressure, that count what passes and can be cut at any byte. */
import { Duplex } from 'node:stream';

/** How a wire ends: as a transport that is destroyed, one that fails, or one that ends in order. */
export type CutKind = 'destroy' | 'error' | 'end';

export class WireEnd extends Duplex {
  other!: WireEnd;
  /** Bytes that were taken from the writer here. */
  carried = 0;
  /** Cut when so many bytes were carried; the rest of that write is lost. */
  cutAt: number = Number.POSITIVE_INFINITY;
  cutKind: CutKind = 'destroy';
  #write: { chunk: Buffer; done: (error?: Error | null) => void } | null = null;

  /** Whoever writes has to wait until the other end has taken what came before. */
  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    if (this.other.destroyed) {
      // As into a socket whose peer has gone: it is taken, and nobody gets it.
      done();
      return;
    }
    this.#write = { chunk, done };
    queueMicrotask(() => this.other.pull());
  }

  #wanted = false;

  override _read(): void {
    this.#wanted = true;
    this.pull();
  }

  /** Takes what the other end wants to write, if anything is wanted here. */
  pull(): void {
    if (this.destroyed || !this.#wanted) return;
    this.other.give(this);
  }

  give(to: WireEnd): void {
    const write = this.#write;
    if (write === null || this.destroyed) return;
    this.#write = null;
    const room = this.cutAt - this.carried;
    const chunk = write.chunk.subarray(0, Math.min(write.chunk.length, room));
    this.carried += chunk.length;
    // Before what it sets off: that may ask for more.
    if (chunk.length > 0) to.arrive(Buffer.from(chunk));
    write.done();
    if (write.chunk.length >= room) this.cut();
  }

  /** The receiver's array is its own, as from a socket: what was lent may be written over. */
  arrive(chunk: Buffer): void {
    this.#wanted = false;
    this.push(chunk);
  }

  cut(): void {
    this.cutAt = Number.POSITIVE_INFINITY;
    if (this.cutKind === 'end') {
      if (!this.other.readableEnded && !this.other.destroyed) this.other.push(null);
      this.destroy();
      return;
    }
    const error = (): Error | undefined =>
      this.cutKind === 'error' ? Object.assign(new Error('cut'), { code: 'ECONNRESET' }) : undefined;
    this.destroy(error());
    this.other.destroy(error());
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.other.destroyed) this.other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const write = this.#write;
    this.#write = null;
    write?.done(error ?? new Error('the wire is gone'));
    if (!this.other.destroyed) queueMicrotask(() => this.other.hangUp());
    done(error);
  }

  /** The other end is gone: what is read ends. */
  hangUp(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
    // Nothing that is written arrives any more.
    const write = this.#write;
    this.#write = null;
    write?.done();
  }
}

export function makeWire(highWaterMark = 16_384): [WireEnd, WireEnd] {
  const one = new WireEnd({ highWaterMark, allowHalfOpen: true });
  const other = new WireEnd({ highWaterMark, allowHalfOpen: true });
  one.other = other;
  other.other = one;
  return [one, other];
}
