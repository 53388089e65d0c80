/**
 * Writes the TLS presentation language into one growing buffer. Lengths that are not known yet are opened
 * as a mark and filled in when closed, so nothing is built twice.
 */
export class Writer {
  buffer: Uint8Array;
  length = 0;

  constructor(capacity = 512) {
    this.buffer = new Uint8Array(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes and returns where they begin. */
  reserve(count: number): number {
    const at = this.length;
    const needed = at + count;
    if (needed > this.buffer.length) this.#grow(needed);
    this.length = needed;
    return at;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.buffer[at] = value >> 8;
    this.buffer[at + 1] = value;
  }

  u24(value: number): void {
    const at = this.reserve(3);
    this.buffer[at] = value >> 16;
    this.buffer[at + 1] = value >> 8;
    this.buffer[at + 2] = value;
  }

  u32(value: number): void {
    this.u16((value / 0x10000) & 0xffff);
    this.u16(value & 0xffff);
  }

  bytes(value: Uint8Array): void {
    const at = this.reserve(value.length);
    this.buffer.set(value, at);
  }

  vector8(value: Uint8Array): void {
    if (value.length > 0xff) throw new RangeError('a vector is longer than its length can say');
    this.u8(value.length);
    this.bytes(value);
  }

  vector16(value: Uint8Array): void {
    if (value.length > 0xffff) throw new RangeError('a vector is longer than its length can say');
    this.u16(value.length);
    this.bytes(value);
  }

  vector24(value: Uint8Array): void {
    if (value.length > 0xffffff) throw new RangeError('a vector is longer than its length can say');
    this.u24(value.length);
    this.bytes(value);
  }

  /** Opens a vector with a one-byte length; give what comes back to `close8`. */
  open8(): number {
    return this.reserve(1);
  }

  close8(mark: number): void {
    const length = this.length - mark - 1;
    if (length > 0xff) throw new RangeError('a vector is longer than its length can say');
    this.buffer[mark] = length;
  }

  open16(): number {
    return this.reserve(2);
  }

  close16(mark: number): void {
    const length = this.length - mark - 2;
    if (length > 0xffff) throw new RangeError('a vector is longer than its length can say');
    this.buffer[mark] = length >> 8;
    this.buffer[mark + 1] = length;
  }

  open24(): number {
    return this.reserve(3);
  }

  close24(mark: number): void {
    const length = this.length - mark - 3;
    if (length > 0xffffff) throw new RangeError('a vector is longer than its length can say');
    this.buffer[mark] = length >> 16;
    this.buffer[mark + 1] = length >> 8;
    this.buffer[mark + 2] = length;
  }

  /** What was written from `start` on, as a view that the next write may invalidate. */
  view(start = 0): Uint8Array {
    return this.buffer.subarray(start, this.length);
  }

  /** A copy of what was written from `start` on. */
  copy(start = 0): Uint8Array {
    return this.buffer.slice(start, this.length);
  }
}
