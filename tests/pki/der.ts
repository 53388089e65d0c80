/** A DER writer for tests: it writes what it is told to, wrong or right. */

import { oidFromText } from '../../src/pki/oid.ts';
import { concatBytes, latin1, utf8 } from '../../src/util/bytes.ts';

export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const contents = concatBytes(...parts);
  const length: number[] = [];
  if (contents.length < 0x80) {
    length.push(contents.length);
  } else {
    for (let rest = contents.length; rest > 0; rest = Math.floor(rest / 256)) length.unshift(rest & 0xff);
    length.unshift(0x80 | length.length);
  }
  return concatBytes(Uint8Array.of(tag, ...length), contents);
}

export const seq = (...parts: readonly Uint8Array[]): Uint8Array => tlv(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Uint8Array => tlv(0x31, ...parts);
export const bool = (value: boolean): Uint8Array => Uint8Array.of(1, 1, value ? 0xff : 0);
export const nil = (): Uint8Array => Uint8Array.of(5, 0);
export const octets = (bytes: Uint8Array): Uint8Array => tlv(4, bytes);
export const bits = (bytes: Uint8Array, tag = 3): Uint8Array => tlv(tag, Uint8Array.of(0), bytes);
export const context = (number: number, ...parts: readonly Uint8Array[]): Uint8Array =>
  tlv(0xa0 | number, ...parts);
export const primitive = (number: number, bytes: Uint8Array): Uint8Array => tlv(0x80 | number, bytes);

/** The contents of an INTEGER. */
export function intBytes(value: number | bigint): Uint8Array {
  let rest = BigInt(value);
  const bytes: number[] = [];
  for (;;) {
    bytes.unshift(Number(rest & 0xffn));
    rest >>= 8n;
    const top = (bytes[0] as number) >= 0x80;
    if ((rest === 0n && !top) || (rest === -1n && top)) return Uint8Array.from(bytes);
  }
}

export const int = (value: number | bigint, tag = 2): Uint8Array => tlv(tag, intBytes(value));

export function oidBytes(dotted: string): Uint8Array {
  return Uint8Array.from(oidFromText(dotted), (character) => character.charCodeAt(0));
}

export const oid = (dotted: string): Uint8Array => tlv(6, oidBytes(dotted));

export function namedBits(numbers: readonly number[], tag = 3): Uint8Array {
  if (numbers.length === 0) return tlv(tag, Uint8Array.of(0));
  const highest = Math.max(...numbers);
  const bytes = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const number of numbers) (bytes[number >> 3] as number) |= 0x80 >> (number & 7);
  return tlv(tag, Uint8Array.of(7 - (highest % 8)), bytes);
}

export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
export const utf8String = (text: string): Uint8Array => tlv(0x0c, utf8(text));
export const printableString = (text: string): Uint8Array => tlv(0x13, ascii(text));
export const ia5String = (text: string): Uint8Array => tlv(0x16, ascii(text));

/** UTCTime through 2049, GeneralizedTime after, as RFC 5280 has it. */
export function time(ms: number): Uint8Array {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+Z$/g, '');
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050
    ? tlv(0x17, ascii(`${digits.slice(2)}Z`))
    : tlv(0x18, ascii(`${digits}Z`));
}

export const generalizedTime = (ms: number): Uint8Array =>
  tlv(0x18, ascii(`${new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+Z$/g, '')}Z`));

export function pem(der: Uint8Array, label = 'CERTIFICATE'): string {
  const lines = btoa(latin1(der)).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
