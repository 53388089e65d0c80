import { describe, expect, it } from 'vitest';
import { toHex } from '../util/bytes.ts';
import { TicketError } from './errors.ts';
import {
  readTicketKey,
  readTicketKeyLines,
  type TicketKeyLayout,
  ticketKeyLayouts,
  ticketKeyLength,
  writeTicketKey,
  writeTicketKeyLines,
} from './key-layouts.ts';

function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i);
}

function hexRange(from: number, to: number): string {
  return toHex(counting(to).subarray(from));
}

/** Where each key lies, as the servers' manuals have it. */
const PLACES: readonly (readonly [TicketKeyLayout, number, [number, number], [number, number]])[] = [
  // layout, length, AES key, HMAC key
  ['openssl80', 80, [48, 80], [16, 48]],
  ['haproxy80', 80, [16, 48], [48, 80]],
  ['nginx48', 48, [16, 32], [32, 48]],
  ['node48', 48, [32, 48], [16, 32]],
];

describe('layouts of ticket keys', () => {
  it.each(PLACES)('%s: %i bytes', (layout, length, aes, hmac) => {
    const bytes = counting(length);
    const key = readTicketKey(layout, bytes);
    expect(ticketKeyLength(layout)).toBe(length);
    expect(key.format).toBe('openssl');
    expect(toHex(key.name)).toBe(hexRange(0, 16));
    expect(toHex(key.aesKey)).toBe(hexRange(...aes));
    expect(toHex(key.hmacKey)).toBe(hexRange(...hmac));
    expect(toHex(writeTicketKey(layout, key))).toBe(toHex(bytes));
    bytes.fill(0xff);
    expect(toHex(key.name)).toBe(hexRange(0, 16));
    for (const wrong of [0, 16, length - 1, length + 1, 2 * length]) {
      expect(() => readTicketKey(layout, counting(wrong))).toThrow(TicketError);
    }
  });

  it('covers all that there are', () => {
    expect(ticketKeyLayouts).toEqual(PLACES.map(([layout]) => layout));
    expect(() => readTicketKey('openssl48' as TicketKeyLayout, counting(48))).toThrow(/unknown layout/);
    expect(() => readTicketKey('toString' as TicketKeyLayout, counting(48))).toThrow(/unknown layout/);
  });

  it('refuses to write keys of the other size', () => {
    const short = readTicketKey('nginx48', counting(48));
    const long = readTicketKey('openssl80', counting(80));
    expect(() => writeTicketKey('openssl80', short)).toThrow(TicketError);
    expect(() => writeTicketKey('node48', long)).toThrow(TicketError);
    expect(toHex(writeTicketKey('node48', short))).toBe(
      hexRange(0, 16) + hexRange(32, 48) + hexRange(16, 32),
    );
    expect(() => writeTicketKey('nginx48', { ...short, name: counting(15) })).toThrow(TicketError);
    expect(() => writeTicketKey('nginx48', { ...short, hmacKey: counting(32) })).toThrow(TicketError);
  });

  it('reads and writes lines of base64, as HAProxy has them', () => {
    const keys = [1, 2, 3].map((fill) => readTicketKey('haproxy80', new Uint8Array(80).fill(fill)));
    const text = writeTicketKeyLines('haproxy80', keys);
    expect(text.split('\n')[1]).toBe(Buffer.alloc(80, 2).toString('base64'));
    const again = readTicketKeyLines('haproxy80', `\n${text.replaceAll('\n', '\r\n')}\n`);
    expect(again).toEqual(keys);
    expect(readTicketKeyLines('nginx48', Buffer.alloc(48, 9).toString('base64'))).toHaveLength(1);
  });

  it('names the line that is wrong', () => {
    const good = Buffer.alloc(80, 1).toString('base64');
    const read = (text: string) => () => readTicketKeyLines('haproxy80', text);
    expect(read(`${good}\n\nnot base64!\n`)).toThrow(/line 3 of the ticket keys is not base64/);
    expect(read(`${good}\n${Buffer.alloc(48).toString('base64')}`)).toThrow(
      /line 2 .* is 48 bytes; haproxy80 has 80/,
    );
    expect(read(`${good.slice(0, -1)}`)).toThrow(/line 1 of the ticket keys is not base64/);
    expect(read('')).toThrow(/no ticket key/);
    expect(read(`${good}\n`.repeat(65))).toThrow(/more than 64/);
  });
});
