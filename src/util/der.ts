/**
 * A strict reader of DER (ITU-T X.690), for certificates and for OpenSSL's session structure. It copies
 * nothing: what it returns are views of its input. Every length is checked before it is trusted, every
 * shortest form is enforced, and a reader that is done with says so with `end()`.
 *
 * Only what these formats use is read: tags of one byte, definite lengths up to 2^32 - 1.
 */
import { DecodeError } from './errors.ts';

/** Identifier octets of the universal types (X.680, 8.6), with the constructed bit where DER demands it. */
export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of `[number]` IMPLICIT over a primitive type. `number` is at most 30. */
export function contextPrimitive(number: number): number {
  return 0x80 | number;
}

/** The identifier octet of `[number]` EXPLICIT, or IMPLICIT over a constructed type. */
export function contextConstructed(number: number): number {
  return 0xa0 | number;
}

/** Longest INTEGER that `readInteger` turns into a number without loss: 6 bytes are below 2^53. */
const SAFE_INTEGER_BYTES = 6;

/**
 * Reads one level of DER, front to back; `readConstructed` and its kin return a reader of the level below.
 * Every method that reads throws {@link DecodeError} with code `ERR_TLS_DER` and the offset in the bytes
 * that the outermost reader was given; after a throw the position is unspecified.
 */
export class DerReader {
  readonly bytes: Uint8Array;
  /** Offset in `bytes` of what is read next. */
  at: number;
  /** Offset in `bytes` where this level ends. */
  readonly limit: number;

  /** Reads `bytes[start, limit)`. The bytes are borrowed: they must not change while this reader or a view lives. */
  constructor(bytes: Uint8Array, start = 0, limit: number = bytes.length) {
    if (start < 0 || start > limit || limit > bytes.length) throw new RangeError('outside of the bytes');
    this.bytes = bytes;
    this.at = start;
    this.limit = limit;
  }

  /** Whether nothing is left at this level. */
  get done(): boolean {
    return this.at === this.limit;
  }

  /** The next identifier octet, or -1 at the end. */
  peekTag(): number {
    return this.at < this.limit ? (this.bytes[this.at] as number) : -1;
  }

  /** @throws {DecodeError} if anything is left at this level. */
  end(): void {
    if (this.at !== this.limit) this.fail('bytes are left over');
  }

  /** Reads an element of that tag and returns its contents as a reader of its own. */
  readConstructed(tag: number): DerReader {
    const end = this.enter(tag);
    const inner = new DerReader(this.bytes, this.at, end);
    this.at = end;
    return inner;
  }

  readSequence(): DerReader {
    return this.readConstructed(DerTag.sequence);
  }

  readSet(): DerReader {
    return this.readConstructed(DerTag.set);
  }

  /** As {@link readConstructed}, or null, with nothing read, when another tag or the end comes. */
  readOptional(tag: number): DerReader | null {
    return this.peekTag() === tag ? this.readConstructed(tag) : null;
  }

  /** Reads an element of that tag and returns its contents octets. */
  readContents(tag: number): Uint8Array {
    const end = this.enter(tag);
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  /** Reads an element of that tag and returns it whole, identifier and length included. */
  readElement(tag: number): Uint8Array {
    const start = this.at;
    this.at = this.enter(tag);
    return this.bytes.subarray(start, this.at);
  }

  /** Reads an element of any tag and returns it whole. */
  readAnyElement(): Uint8Array {
    return this.readElement(this.anyTag());
  }

  /** Reads past an element of any tag; only its header is looked at. */
  skip(): void {
    this.at = this.enter(this.anyTag());
  }

  /** X.690, 11.1: FF is true, 00 is false, nothing else is DER. */
  readBoolean(tag: number = DerTag.boolean): boolean {
    const end = this.enter(tag);
    if (end - this.at !== 1) this.fail('a BOOLEAN is one byte');
    const value = this.bytes[this.at] as number;
    if (value !== 0x00 && value !== 0xff) this.fail('a BOOLEAN is 00 or FF');
    this.at = end;
    return value === 0xff;
  }

  /** The contents of an INTEGER (two's complement, big-endian, at least one byte), in its shortest form. */
  readIntegerBytes(tag: number = DerTag.integer): Uint8Array {
    const end = this.enter(tag);
    const start = this.at;
    if (start === end) this.fail('an INTEGER without a byte');
    if (end - start > 1) {
      const top = (((this.bytes[start] as number) << 1) | ((this.bytes[start + 1] as number) >> 7)) & 0x1ff;
      if (top === 0 || top === 0x1ff) this.fail('an INTEGER that is not in its shortest form');
    }
    this.at = end;
    return this.bytes.subarray(start, end);
  }

  /** An INTEGER (or, by its tag, an ENUMERATED) between `min` and `max`, which lie within ±2^47. */
  readInteger(min: number, max: number, tag: number = DerTag.integer): number {
    const start = this.at;
    const contents = this.readIntegerBytes(tag);
    let value = 0;
    if (contents.length <= SAFE_INTEGER_BYTES) {
      value = ((contents[0] as number) << 24) >> 24;
      for (let i = 1; i < contents.length; i++) value = value * 256 + (contents[i] as number);
    }
    if (contents.length > SAFE_INTEGER_BYTES || value < min || value > max) {
      this.fail('an INTEGER out of range', start);
    }
    return value;
  }

  /** The contents of an OBJECT IDENTIFIER, checked to be well-formed (X.690, 8.19). */
  readOid(tag: number = DerTag.oid): Uint8Array {
    const end = this.enter(tag);
    const start = this.at;
    if (start === end || ((this.bytes[end - 1] as number) & 0x80) !== 0) {
      this.fail('an OBJECT IDENTIFIER that breaks off');
    }
    for (let i = start, first = true; i < end; i++) {
      const byte = this.bytes[i] as number;
      if (first && byte === 0x80) this.fail('an OBJECT IDENTIFIER that is not in its shortest form');
      first = (byte & 0x80) === 0;
    }
    this.at = end;
    return this.bytes.subarray(start, end);
  }

  readOctetString(): Uint8Array {
    return this.readContents(DerTag.octetString);
  }

  readNull(): void {
    if (this.enter(DerTag.null) !== this.at) this.fail('a NULL with contents');
  }

  /** A BIT STRING of whole bytes, as keys and signatures are. */
  readBitString(tag: number = DerTag.bitString): Uint8Array {
    const end = this.enter(tag);
    if (end === this.at) this.fail('a BIT STRING without its first byte');
    if (this.bytes[this.at] !== 0) this.fail('a BIT STRING that is not whole bytes');
    const view = this.bytes.subarray(this.at + 1, end);
    this.at = end;
    return view;
  }

  /**
   * A BIT STRING with named bits (X.690, 11.2.2: no trailing zero bits), of which bits 0 to 31 are known.
   * Bit n of the ASN.1 is bit n of the result (`1 << n`, as an unsigned number); later bits are dropped.
   * `trailingZeros` takes BER's freedom to write bits that are not set.
   */
  readNamedBits(tag: number = DerTag.bitString, trailingZeros = false): number {
    const end = this.enter(tag);
    const start = this.at;
    if (end === start) this.fail('a BIT STRING without its first byte');
    const unused = this.bytes[start] as number;
    if (unused > 7 || (end - start === 1 && unused !== 0))
      this.fail('a BIT STRING with impossible unused bits');
    if (end - start > 1) {
      const last = this.bytes[end - 1] as number;
      if ((last & ((1 << unused) - 1)) !== 0) this.fail('a BIT STRING with unused bits that are set');
      if (((last >> unused) & 1) === 0 && !trailingZeros) this.fail('named bits with trailing zeros');
    }
    let bits = 0;
    for (let i = start + 1; i < end && i < start + 5; i++) {
      const byte = this.bytes[i] as number;
      const base = (i - start - 1) * 8;
      for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) bits |= 1 << (base + bit);
    }
    this.at = end;
    return bits >>> 0;
  }

  private anyTag(): number {
    if (this.at >= this.limit) this.fail('an element is missing');
    return this.bytes[this.at] as number;
  }

  /**
   * Enters an element of that tag: checks identifier and length, leaves `at` at the contents and returns
   * where they end. For codecs that keep offsets and not views; only this level's end has been checked, so
   * one that goes on inside an element that it entered compares the ends itself.
   */
  enter(tag: number): number {
    const { bytes, at, limit } = this;
    if (at >= limit) this.fail('an element is missing');
    if (bytes[at] !== tag) this.fail('an element of another type was expected');
    if ((tag & 0x1f) === 0x1f) this.fail('a tag of more than one byte');
    if (at + 1 >= limit) this.fail('an element breaks off');
    let length = bytes[at + 1] as number;
    let start = at + 2;
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size === 0) this.fail('an indefinite length');
      if (size > 4) this.fail('a length of more than four bytes');
      if (size > limit - start) this.fail('an element breaks off');
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + (bytes[start + i] as number);
      if (length < 0x80 || length < 2 ** (8 * (size - 1)))
        this.fail('a length that is not in its shortest form');
      start += size;
    }
    if (length > limit - start) this.fail('an element is longer than what holds it');
    this.at = start;
    return start + length;
  }

  /** Refuses the input at `offset`. @throws {DecodeError} always */
  fail(what: string, offset: number = this.at): never {
    throw new DecodeError('ERR_TLS_DER', what, offset);
  }
}

/**
 * The dotted form of an OBJECT IDENTIFIER's contents, as `readOid` returns them. Arcs may be longer than
 * 53 bits (UUIDs under 2.25 are), so they are counted in BigInt when they must.
 */
export function oidToText(contents: Uint8Array): string {
  let text = '';
  let arc = 0;
  let wide: bigint | null = null;
  for (const byte of contents) {
    if (wide === null && arc > 2 ** 45) wide = BigInt(arc);
    if (wide !== null) wide = (wide << 7n) | BigInt(byte & 0x7f);
    else arc = arc * 128 + (byte & 0x7f);
    if ((byte & 0x80) !== 0) continue;
    if (text === '') {
      const root = wide !== null || arc >= 80 ? 2 : arc >= 40 ? 1 : 0;
      text = `${root}.${wide === null ? arc - root * 40 : wide - 80n}`;
    } else {
      text += `.${wide ?? arc}`;
    }
    arc = 0;
    wide = null;
  }
  return text;
}
