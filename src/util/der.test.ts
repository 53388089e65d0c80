import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from './bytes.ts';
import { contextConstructed, contextPrimitive, DerReader, DerTag, oidToText } from './der.ts';
import { DecodeError } from './errors.ts';

const reader = (hex: string): DerReader => new DerReader(fromHex(hex.replaceAll(' ', '')));

function refuses(hex: string, read: (r: DerReader) => unknown, text: RegExp): void {
  expect(() => read(reader(hex)), hex).toThrow(DecodeError);
  expect(() => read(reader(hex)), hex).toThrow(text);
}

describe('lengths', () => {
  it('reads short and long forms, and views instead of copies', () => {
    const bytes = fromHex(`30820101${'00'.repeat(257)}`);
    const contents = new DerReader(bytes).readContents(DerTag.sequence);
    expect(contents.length).toBe(257);
    expect(contents.buffer).toBe(bytes.buffer);
    expect(reader(`3081 80 ${'00'.repeat(128)}`).readElement(0x30).length).toBe(131);
    expect(reader(`30 7f ${'00'.repeat(127)}`).readElement(0x30).length).toBe(129);
  });

  it.each([
    ['30 80 00 00', /indefinite/],
    ['30 81 01 00', /shortest/],
    [`30 81 7f ${'00'.repeat(127)}`, /shortest/],
    [`30 82 00 80 ${'00'.repeat(128)}`, /shortest/],
    ['30 85 01 00 00 00 00', /four bytes/],
    ['30 ff', /four bytes/],
    ['30 82 01', /breaks off/],
    ['30', /breaks off/],
    ['', /missing/],
    ['30 02 00', /longer than/],
    ['30 84 ff ff ff ff 00', /longer than/],
    ['3f 01 00', /more than one byte/],
  ])('refuses %s', (hex, text) => {
    refuses(hex, (r) => r.readAnyElement(), text);
    refuses(hex, (r) => r.skip(), text);
  });

  it('never reads past the level that holds an element', () => {
    const inner = reader('30 03 04 02 aa bb').readSequence();
    expect(() => inner.readOctetString()).toThrow(/longer than/);
    const cut = new DerReader(fromHex('04820001'), 0, 3);
    expect(() => cut.skip()).toThrow(/breaks off/);
  });
});

describe('tags', () => {
  it('refuses another tag with the offset in the outermost bytes', () => {
    const inner = reader('30 03 02 01 05').readSequence();
    try {
      inner.readOctetString();
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_TLS_DER', offset: 2 });
    }
  });

  it('leaves an optional element that is not there', () => {
    const r = reader('30 05 a1 03 02 01 05').readSequence();
    expect(r.readOptional(contextConstructed(0))).toBeNull();
    const wrapped = r.readOptional(contextConstructed(1));
    expect(wrapped?.readInteger(0, 10)).toBe(5);
    wrapped?.end();
    expect(r.readOptional(contextConstructed(2))).toBeNull();
    expect(r.peekTag()).toBe(-1);
    r.end();
    expect(contextPrimitive(2)).toBe(0x82);
  });

  it('says when bytes are left over', () => {
    const r = reader('05 00 05 00');
    r.readNull();
    expect(r.done).toBe(false);
    expect(() => r.end()).toThrow(/left over/);
    r.readNull();
    expect(r.done).toBe(true);
  });
});

describe('BOOLEAN and NULL', () => {
  it('knows the two values of DER', () => {
    expect(reader('01 01 ff').readBoolean()).toBe(true);
    expect(reader('01 01 00').readBoolean()).toBe(false);
    refuses('01 01 01', (r) => r.readBoolean(), /00 or FF/);
    refuses('01 00', (r) => r.readBoolean(), /one byte/);
    refuses('01 02 ff ff', (r) => r.readBoolean(), /one byte/);
    refuses('05 01 00', (r) => r.readNull(), /contents/);
  });
});

describe('INTEGER', () => {
  it.each([
    ['02 01 00', 0],
    ['02 01 7f', 127],
    ['02 02 00 80', 128],
    ['02 01 80', -128],
    ['02 01 ff', -1],
    ['02 02 ff 7f', -129],
    ['02 06 7f ff ff ff ff ff', 2 ** 47 - 1],
    ['02 06 80 00 00 00 00 00', -(2 ** 47)],
  ])('reads %s', (hex, value) => {
    expect(reader(hex).readInteger(-(2 ** 47), 2 ** 47)).toBe(value);
  });

  it('refuses what is not in its shortest form or out of range', () => {
    refuses('02 00', (r) => r.readInteger(0, 1), /without a byte/);
    refuses('02 02 00 7f', (r) => r.readInteger(0, 1000), /shortest/);
    refuses('02 02 ff 80', (r) => r.readIntegerBytes(), /shortest/);
    refuses('02 01 05', (r) => r.readInteger(0, 4), /out of range/);
    refuses('02 01 ff', (r) => r.readInteger(0, 4), /out of range/);
    refuses('02 07 01 00 00 00 00 00 00', (r) => r.readInteger(0, 2 ** 47), /out of range/);
  });

  it('agrees with arithmetic for any number', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 46), max: 2 ** 46 }), (value) => {
        let hex = BigInt.asUintN(56, BigInt(value)).toString(16).padStart(14, '0');
        while (hex.length > 2 && (/^00[0-7]/.test(hex) || /^ff[89a-f]/.test(hex))) hex = hex.slice(2);
        const der = `02${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`;
        expect(reader(der).readInteger(-(2 ** 47), 2 ** 47)).toBe(value);
      }),
    );
  });
});

describe('BIT STRING', () => {
  it('reads whole bytes', () => {
    expect(reader('03 03 00 aa bb').readBitString()).toEqual(fromHex('aabb'));
    expect(reader('03 01 00').readBitString().length).toBe(0);
    refuses('03 00', (r) => r.readBitString(), /first byte/);
    refuses('03 02 01 80', (r) => r.readBitString(), /whole bytes/);
  });

  it('reads named bits', () => {
    expect(reader('03 02 07 80').readNamedBits()).toBe(1);
    expect(reader('03 02 01 06').readNamedBits()).toBe((1 << 5) | (1 << 6));
    expect(reader('03 03 07 00 80').readNamedBits()).toBe(1 << 8);
    expect(reader('03 01 00').readNamedBits()).toBe(0);
    expect(reader('03 05 00 00 00 00 01').readNamedBits()).toBe(2 ** 31);
    expect(reader('03 06 00 80 00 00 00 01').readNamedBits()).toBe(1);
    refuses('03 00', (r) => r.readNamedBits(), /first byte/);
    refuses('03 01 01', (r) => r.readNamedBits(), /impossible/);
    refuses('03 02 08 80', (r) => r.readNamedBits(), /impossible/);
    refuses('03 02 07 81', (r) => r.readNamedBits(), /that are set/);
    refuses('03 02 06 80', (r) => r.readNamedBits(), /trailing zeros/);
    refuses('03 02 00 00', (r) => r.readNamedBits(), /trailing zeros/);
    expect(reader('03 02 00 06').readNamedBits(DerTag.bitString, true)).toBe((1 << 5) | (1 << 6));
    refuses('03 02 01 07', (r) => r.readNamedBits(DerTag.bitString, true), /that are set/);
  });
});

describe('OBJECT IDENTIFIER', () => {
  it.each([
    ['06 03 55 1d 0f', '2.5.29.15'],
    ['06 09 2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
    ['06 01 27', '0.39'],
    ['06 01 28', '1.0'],
    ['06 01 50', '2.0'],
    ['06 02 81 34', '2.100'],
  ])('reads %s', (hex, text) => {
    const contents = fromHex(hex.replaceAll(' ', '').slice(4));
    expect(reader(hex).readOid()).toEqual(contents);
    expect(oidToText(contents)).toBe(text);
  });

  it('keeps arcs of any size exact', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 128n }), (arc) => {
        const groups: number[] = [Number(arc & 0x7fn)];
        for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) groups.unshift(Number(rest & 0x7fn) | 0x80);
        const contents = Uint8Array.from([0x69, ...groups]);
        const r = new DerReader(Uint8Array.from([0x06, contents.length, ...contents]));
        expect(oidToText(r.readOid())).toBe(`2.25.${arc}`);
      }),
    );
  });

  it('refuses what is malformed', () => {
    refuses('06 00', (r) => r.readOid(), /breaks off/);
    refuses('06 02 55 81', (r) => r.readOid(), /breaks off/);
    refuses('06 03 55 80 01', (r) => r.readOid(), /shortest/);
    refuses('06 02 80 01', (r) => r.readOid(), /shortest/);
  });
});

describe('any bytes', () => {
  it('are read to the end or refused with a typed error', () => {
    const walk = (r: DerReader, depth: number): void => {
      while (!r.done) {
        const tag = r.peekTag();
        if ((tag & 0x20) !== 0 && depth < 8) walk(r.readConstructed(tag), depth + 1);
        else r.skip();
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          walk(new DerReader(bytes), 0);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
