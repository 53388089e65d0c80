import { TlsAlertError } from '../util/errors.ts';

/**
 * Reads the TLS presentation language (RFC 8446, 3) from a view. Every length is checked before it is
 * used; whatever does not fit ends in `decode_error`. Views that come out share the input's memory: they
 * are good until the input is, and what is to be kept is copied.
 */
export class Reader {
  readonly buffer: Uint8Array;
  position: number;
  readonly end: number;

  constructor(buffer: Uint8Array, start = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  u8(): number {
    if (this.position >= this.end) throw truncated();
    return this.buffer[this.position++] as number;
  }

  u16(): number {
    const at = this.position;
    if (this.end - at < 2) throw truncated();
    this.position = at + 2;
    return ((this.buffer[at] as number) << 8) | (this.buffer[at + 1] as number);
  }

  u24(): number {
    const at = this.position;
    if (this.end - at < 3) throw truncated();
    this.position = at + 3;
    const buffer = this.buffer;
    return ((buffer[at] as number) << 16) | ((buffer[at + 1] as number) << 8) | (buffer[at + 2] as number);
  }

  u32(): number {
    const high = this.u16();
    return high * 0x10000 + this.u16();
  }

  bytes(length: number): Uint8Array {
    const at = this.position;
    if (length > this.end - at) throw truncated();
    this.position = at + length;
    return this.buffer.subarray(at, at + length);
  }

  /** opaque<min..max> with a one-byte length. */
  vector8(min = 0): Uint8Array {
    return this.#atLeast(this.bytes(this.u8()), min);
  }

  /** opaque<min..max> with a two-byte length. */
  vector16(min = 0): Uint8Array {
    return this.#atLeast(this.bytes(this.u16()), min);
  }

  vector24(min = 0): Uint8Array {
    return this.#atLeast(this.bytes(this.u24()), min);
  }

  /** A reader over the next vector with a two-byte length. */
  sub16(min = 0): Reader {
    return this.#sub(this.u16(), min);
  }

  sub24(min = 0): Reader {
    return this.#sub(this.u24(), min);
  }

  rest(): Uint8Array {
    return this.bytes(this.end - this.position);
  }

  /** Every structure ends exactly at its end. */
  finish(): void {
    if (this.position !== this.end) throw TlsAlertError.local('decode-error', 'bytes after the end');
  }

  #sub(length: number, min: number): Reader {
    const at = this.position;
    if (length > this.end - at) throw truncated();
    if (length < min) throw tooShort();
    this.position = at + length;
    return new Reader(this.buffer, at, at + length);
  }

  #atLeast(bytes: Uint8Array, min: number): Uint8Array {
    if (bytes.length < min) throw tooShort();
    return bytes;
  }
}

function truncated(): TlsAlertError {
  return TlsAlertError.local('decode-error', 'truncated');
}

function tooShort(): TlsAlertError {
  return TlsAlertError.local('decode-error', 'a vector is shorter than it may be');
}

/** A list of uint16 that fills `body` exactly behind a two-byte length. At least one. */
export function readU16List(body: Uint8Array): number[] {
  const reader = new Reader(body);
  const list = reader.sub16(2);
  reader.finish();
  return readU16s(list);
}

/** All that is left of `reader`, as uint16. */
export function readU16s(reader: Reader): number[] {
  if (reader.remaining % 2 !== 0) throw TlsAlertError.local('decode-error', 'an odd list of uint16');
  const values: number[] = [];
  while (reader.remaining > 0) values.push(reader.u16());
  return values;
}
