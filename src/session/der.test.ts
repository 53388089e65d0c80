import * as asn1js from 'asn1js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CERTIFICATE,
  makeSession,
  type SessionValues,
  sessionValues,
} from '../../tests/session/arbitrary.ts';
import { equalBytes, fromHex, toHex, utf8 } from '../util/bytes.ts';
import { DecodeError } from '../util/errors.ts';
import { Field } from './body.ts';
import { SessionCore } from './core.ts';
import { decodeSession, decodeSessionAt, encodedLength, encodeSession, encodeSessionInto } from './der.ts';
import { SessionFormatError } from './errors.ts';

const NOW = 1_795_423_188_777;
const hex = (text: string): Uint8Array => fromHex(text.replaceAll(/\s+/g, ''));

/** DER by the element, so that a test can say what is wrong with it. */
function tlv(tag: number, ...contents: (Uint8Array | string)[]): string {
  const body = contents
    .map((part) => (typeof part === 'string' ? part.replaceAll(/\s+/g, '') : toHex(part)))
    .join('');
  const length = body.length / 2;
  const size = length < 0x80 ? 0 : Math.ceil(Math.log2(length + 1) / 8);
  const first = size === 0 ? length : 0x80 | size;
  const byte = (value: number, width: number): string => value.toString(16).padStart(width * 2, '0');
  return `${byte(tag, 1)}${byte(first, 1)}${size === 0 ? '' : byte(length, size)}${body}`;
}

const FIXED = '020101 02020304 04021301 0401aa 0402bbcc';
const TIMES = 'a103020105 a203020107';
/** The elements that OpenSSL 3.0 always writes, around others. */
const whole = (middle = '', end = '', peer = ''): string =>
  tlv(0x30, FIXED, TIMES, peer, 'a4020400', middle, 'b30302011d', end);

function roundTrip(der: Uint8Array): Uint8Array {
  const session = decodeSession(der, NOW);
  const again = encodeSession(session);
  session.free();
  return again;
}

describe('a session in DER', () => {
  it('has the values that a file gives, and defaults for the rest', () => {
    const session = decodeSession(hex(whole('a603040178 aa0404021122 ac03040173')), NOW, 'test');
    const body = session.body('test');
    expect(body.version).toBe(0x0304);
    expect(body.cipher).toBe(0x1301);
    expect(session.timeMs('test')).toBe(5000);
    expect(session.timeoutSec('test')).toBe(7);
    expect(toHex(session.field(Field.id, 'test'))).toBe('aa');
    expect(toHex(session.field(Field.masterKey, 'test'))).toBe('bbcc');
    expect(toHex(session.field(Field.hostname, 'test'))).toBe('78');
    expect(toHex(session.field(Field.ticket, 'test'))).toBe('1122');
    expect(toHex(session.field(Field.srpUsername, 'test'))).toBe('73');
    expect(body.has(Field.sidCtx)).toBe(true);
    expect(body.has(Field.alpn)).toBe(false);
    expect(body.kexGroup).toBe(0x1d);
    expect([body.verifyResult, body.maxFragmentLength, body.compression, body.flags]).toEqual([0, 0, 0, 0]);
    expect(body.bindings).toBeNull();
    expect(session.isMarkedNotResumable).toBe(false);
    expect([session.applicationReferences, session.libraryReferences]).toEqual([1, 0]);
    session.free();
  });

  it('keeps nothing of what it was read from, also of a Buffer, whose slices are views', () => {
    const wide = 'a10a02087ffffffffffffbff a209020720000000000001';
    const text = tlv(0x30, FIXED, '8003010203', wide, tlv(0xa3, CERTIFICATE), 'a4020400 b303020100');
    for (const der of [hex(text), Buffer.from(hex(text))]) {
      const session = decodeSession(der, NOW);
      der.fill(0xff);
      expect(toHex(encodeSession(session))).toBe(text);
      session.free();
    }
  });

  it('writes what SSL_SESSION_new makes as OpenSSL does, once it has a cipher suite', () => {
    const session = SessionCore.create({ wallMs: () => 5999, monotonicMs: () => 0 });
    expect(() => encodeSession(session)).toThrow(expect.objectContaining({ code: 'ERR_SESSION_NO_CIPHER' }));
    session.ownBody('test').cipher = 0x1301;
    session.ownBody('test').version = 0x0304;
    expect(toHex(encodeSession(session))).toBe(
      tlv(
        0x30,
        '020101 02020304 04021301 0400 0400 a103020105 a20402020130 a4020400 a503020101 b104020200ff b303020100',
      ),
    );
    session.free();
  });

  it('agrees with an ASN.1 library about every element, for any values', () => {
    fc.assert(
      fc.property(sessionValues, (values) => {
        const session = makeSession(values);
        const der = encodeSession(session);
        session.free();
        expect(toHex(new Uint8Array(oracle(values).toBER()))).toBe(toHex(der));
      }),
      { numRuns: 300 },
    );
  });

  it('comes back with the same values, for any values', () => {
    fc.assert(
      fc.property(sessionValues, (values) => {
        const session = makeSession(values);
        const der = encodeSession(session);
        const again = decodeSession(der, 0);
        const [a, b] = [session.body('test'), again.body('test')];
        for (const field of Object.values(Field)) {
          // The DER form has no field for the one, and writes the other even when it is not there.
          if (field === Field.earlySecret || field === Field.sidCtx) continue;
          expect(b.has(field), String(field)).toBe(a.has(field) || field <= Field.id);
          expect(equalBytes(a.view(field), b.view(field))).toBe(true);
        }
        for (const key of [
          'version',
          'cipher',
          'kexGroup',
          'verifyResult',
          'ticketLifetimeHint',
          'ticketAgeAdd',
          'maxEarlyData',
          'maxFragmentLength',
          'flags',
          'compression',
        ] as const) {
          expect(b[key], key).toBe(a[key]);
        }
        expect(again.timeMs('test')).toBe(session.timeMs('test'));
        expect(again.timeoutSec('test')).toBe(values.timeoutSec === 0 ? 3 : values.timeoutSec);
        expect(b.peer === null).toBe(values.peer === null);
        if (b.peer) expect(b.peer.der).toEqual(values.peer);
        expect(encodeSession(again)).toEqual(der);
        session.free();
        again.free();
      }),
      { numRuns: 300 },
    );
  });
});

describe('a file that differs from what we would write', () => {
  it.each([
    ['from OpenSSL 1.1.1, without [19]', tlv(0x30, FIXED, TIMES, 'a4020400')],
    ['without [4]', tlv(0x30, FIXED, TIMES, 'b303020100')],
    ['without a time and a timeout', tlv(0x30, FIXED, 'a4020400 b303020100')],
    ['without a time', tlv(0x30, FIXED, 'a203020107 a4020400 b303020100')],
    ['without a timeout', tlv(0x30, FIXED, 'a103020105 a4020400 b303020100')],
    ['with the key_arg of old', tlv(0x30, FIXED, '8003010203', TIMES, 'a4020400 b303020100')],
    [
      'with zeros written out',
      whole('a503020100 a903020100 ab03040100 ad03020100 ae03020100 af03020100 b103020100'),
    ],
    ['with a time of zero', tlv(0x30, FIXED, 'a103020100 a203020100 a4020400 b303020100')],
    ['with empty strings', whole('a6020400 a7020400 a8020400 aa020400 ac020400 b0020400 b2020400')],
    ['with a raw public key, less that', whole()],
  ])('is written back as it was: %s', (_, text) => {
    expect(toHex(roundTrip(hex(text)))).toBe(text);
  });

  it.each([
    ['the largest time', 'a10a02087fffffffffffffff a203020107', 2 ** 63 * 1000, 7],
    ['the smallest time', 'a10a02088000000000000000 a203020107', -(2 ** 63) * 1000, 7],
    ['the largest timeout', 'a103020105 a20a02087fffffffffffffff', 5000, 2 ** 63],
    [
      'numbers that have no double',
      'a10a02087ffffffffffffbff a209020720000000000001',
      (2 ** 63 - 1025) * 1000,
      2 ** 53,
    ],
    ['a negative timeout', 'a103020105 a2030201ff', 5000, -1],
  ])('is written back as it was: %s', (_, times, timeMs, timeoutSec) => {
    const der = tlv(0x30, FIXED, times, 'a4020400 b303020100');
    expect(toHex(roundTrip(hex(der)))).toBe(der);
    const session = decodeSession(hex(der), NOW);
    expect(session.timeMs('test')).toBe(timeMs);
    expect(session.timeoutSec('test')).toBe(timeoutSec);
    session.free();
  });

  it.each([
    ['a lifetime hint', 'a90b0209 00ffffffffffffffff', 'a90a0208 7fffffffffffffff'],
    ['flags', 'ad0b0209 00ffffffffffffffff', 'ad0a0208 7fffffff00000000'],
  ])('is written back as it was: 64 bits of %s', (_, ...elements) => {
    for (const element of elements) {
      const text = whole(element);
      expect(toHex(roundTrip(hex(text)))).toBe(text);
    }
  });

  it('keeps the low bits of wide flags, which are the flags', () => {
    const session = decodeSession(hex(whole('ad0a0208 7fffffff00000001')), NOW);
    expect(session.body('test').flags).toBe(1);
    session.free();
  });

  it('no longer holds for what was changed', () => {
    const change = (text: string, edit: (session: SessionCore) => void): string => {
      const session = decodeSession(hex(text), NOW);
      edit(session);
      const der = toHex(encodeSession(session));
      session.free();
      return der;
    };
    const bare = tlv(0x30, FIXED);
    expect(change(bare, (s) => s.setTimeMs(9000, 't'))).toBe(tlv(0x30, FIXED, 'a103020109'));
    expect(change(bare, (s) => s.setTimeoutSec(9, 't'))).toBe(tlv(0x30, FIXED, 'a203020109'));
    expect(change(bare, (s) => s.setField(Field.sidCtx, hex('77'), 't'))).toBe(
      tlv(0x30, FIXED, 'a403040177'),
    );
    expect(change(bare, (s) => Object.assign(s.ownBody('t'), { kexGroup: 0x17 }))).toBe(
      tlv(0x30, FIXED, 'b303020117'),
    );
    const wide = tlv(0x30, FIXED, 'a10a02087ffffffffffffbff a209020720000000000001 a4020400 b303020100');
    expect(change(wide, (s) => s.setTimeMs(5000, 't'))).toContain('a103020105');
    expect(change(wide, (s) => s.setTimeoutSec(7, 't'))).toContain('a203020107');
    const flags = whole('ad0b0209 00ffffffffffffffff');
    expect(change(flags, (s) => Object.assign(s.ownBody('t'), { flags: 1 }))).toBe(whole('ad03020101'));
  });

  it('takes now for a missing time and 3 seconds for a missing timeout', () => {
    const session = decodeSession(hex(tlv(0x30, FIXED)), NOW);
    expect(session.timeMs('test')).toBe(NOW);
    expect(session.timeoutSec('test')).toBe(3);
    session.free();
  });

  it('gives a raw public key back only when asked', () => {
    const spki = '3009300306012703020001';
    const text = whole('', tlv(0xb4, tlv(0x04, spki)));
    const session = decodeSession(hex(text), NOW);
    expect(toHex(session.field(Field.peerRpk, 'test'))).toBe(spki);
    expect(toHex(encodeSession(session))).toBe(whole());
    expect(toHex(encodeSession(session, { rawPublicKey: true }))).toBe(text);
    expect(encodedLength(session, { rawPublicKey: true })).toBe(text.length / 2);
    const room = new Uint8Array(text.length / 2);
    expect(encodeSessionInto(session, room, 0, { rawPublicKey: true })).toBe(room.length);
    expect(toHex(room)).toBe(text);
    expect(encodeSessionInto(session, room)).toBe(whole().length / 2);
    session.free();
  });
});

describe('numbers that were set and have no place in 64 bits', () => {
  it('become the nearest that has', () => {
    const session = decodeSession(hex(whole()), NOW);
    session.setTimeoutSec(2 ** 63, 'test');
    expect(toHex(encodeSession(session))).toContain('a20a02087fffffffffffffff');
    session.setTimeoutSec(2 ** 70, 'test');
    expect(toHex(encodeSession(session))).toContain('a20a02087fffffffffffffff');
    session.setTimeMs(-(2 ** 63) * 1000, 'test');
    expect(toHex(encodeSession(session))).toContain('a10a02088000000000000000');
    session.setTimeMs(-(2 ** 80), 'test');
    expect(toHex(encodeSession(session))).toContain('a10a02088000000000000000');
    session.ownBody('test').ticketLifetimeHint = 2 ** 64;
    expect(toHex(encodeSession(session))).toContain('a90b020900ffffffffffffffff');
    session.ownBody('test').ticketLifetimeHint = 2 ** 63;
    expect(toHex(encodeSession(session))).toContain('a90b0209008000000000000000');
    session.free();
  });
});

describe('encodeSessionInto', () => {
  it('writes nothing when there is not enough room', () => {
    const session = decodeSession(hex(whole()), NOW);
    const length = encodedLength(session);
    for (const [size, offset] of [
      [length - 1, 0],
      [length + 4, 5],
      [length, -1],
    ] as const) {
      const buffer = new Uint8Array(size).fill(0x55);
      expect(() => encodeSessionInto(session, buffer, offset)).toThrow(RangeError);
      expect(buffer.every((byte) => byte === 0x55)).toBe(true);
    }
    session.free();
    expect(() => encodedLength(session)).toThrow(expect.objectContaining({ code: 'ERR_SESSION_ENDED' }));
  });
});

describe('refusals', () => {
  const certificate = tlv(0x30, '3000 3000 030100');
  it.each([
    ['nothing', '', 'ERR_TLS_DER'],
    ['another type', '0401aa', 'ERR_TLS_DER'],
    ['an indefinite length', '3080 0000', 'ERR_TLS_DER'],
    ['structure version 0', tlv(0x30, '020100 02020304 04021301 0400 0400'), 'ERR_SESSION_STRUCTURE_VERSION'],
    ['structure version 2', tlv(0x30, '020102 02020304 04021301 0400 0400'), 'ERR_SESSION_STRUCTURE_VERSION'],
    ['a negative structure version', tlv(0x30, '0201ff 02020304 04021301 0400 0400'), 'ERR_TLS_DER'],
    ['SSL 2', tlv(0x30, '020101 02020200 04021301 0400 0400'), 'ERR_SESSION_PROTOCOL_VERSION'],
    ['major version 4', tlv(0x30, '020101 02020400 04021301 0400 0400'), 'ERR_SESSION_PROTOCOL_VERSION'],
    ['a negative version', tlv(0x30, '020101 0202fcff 04021301 0400 0400'), 'ERR_SESSION_PROTOCOL_VERSION'],
    [
      'a cipher suite of one byte',
      tlv(0x30, '020101 02020304 040113 0400 0400'),
      'ERR_SESSION_CIPHER_LENGTH',
    ],
    [
      'a cipher suite of three bytes',
      tlv(0x30, '020101 02020304 0403001301 0400 0400'),
      'ERR_SESSION_CIPHER_LENGTH',
    ],
    [
      'an unknown cipher suite',
      tlv(0x30, '020101 02020304 04021399 0400 0400'),
      'ERR_SESSION_CIPHER_UNKNOWN',
    ],
    [
      'an id of 33 bytes',
      tlv(0x30, '020101 02020304 04021301', tlv(4, '00'.repeat(33)), '0400'),
      'ERR_SESSION_FIELD_LENGTH',
    ],
    [
      'a key of 513 bytes',
      tlv(0x30, '020101 02020304 04021301 0400', tlv(4, '00'.repeat(513))),
      'ERR_SESSION_FIELD_LENGTH',
    ],
    ['a missing key', tlv(0x30, '020101 02020304 04021301 0400'), 'ERR_TLS_DER'],
    [
      'a context of 33 bytes',
      tlv(0x30, FIXED, tlv(0xa4, tlv(4, '00'.repeat(33)))),
      'ERR_SESSION_FIELD_LENGTH',
    ],
    ['a ticket of 64 KiB', whole(tlv(0xaa, tlv(4, '00'.repeat(0x1_0000)))), 'ERR_SESSION_FIELD_LENGTH'],
    ['two bytes of compression', whole('ab0404020101'), 'ERR_SESSION_FIELD_LENGTH'],
    ['no byte of compression', whole('ab020400'), 'ERR_SESSION_FIELD_LENGTH'],
    ['a certificate with a tail', whole('', '', tlv(0xa3, certificate, '0500')), 'ERR_SESSION_CERTIFICATE'],
    [
      'a certificate that is too short',
      whole('', '', tlv(0xa3, tlv(0x30, '3000 3000'))),
      'ERR_SESSION_CERTIFICATE',
    ],
    [
      'a certificate of the wrong parts',
      whole('', '', tlv(0xa3, tlv(0x30, '3000 0500 030100'))),
      'ERR_SESSION_CERTIFICATE',
    ],
    ['a certificate that breaks off', whole('', '', 'a3073009 3000 3000 0301'), 'ERR_TLS_DER'],
    ['a raw public key that is none', whole('', 'b4040402 3000'), 'ERR_SESSION_CERTIFICATE'],
    ['elements out of order', tlv(0x30, FIXED, 'a203020107 a103020105'), 'ERR_TLS_DER'],
    ['an element twice', tlv(0x30, FIXED, 'a103020105 a103020105'), 'ERR_TLS_DER'],
    ['an element that is not known', whole('', 'b503020101'), 'ERR_TLS_DER'],
    ['an element of another class', tlv(0x30, FIXED, '6103020105'), 'ERR_TLS_DER'],
    ['an implicit tag', tlv(0x30, FIXED, '810105'), 'ERR_TLS_DER'],
    ['an element with a tail', tlv(0x30, FIXED, 'a1050201050500'), 'ERR_TLS_DER'],
    ['an element that reaches over its own end', tlv(0x30, FIXED, 'a1020201 a203020105'), 'ERR_TLS_DER'],
    ['an integer in more bytes than it needs', tlv(0x30, FIXED, 'a10402020005'), 'ERR_TLS_DER'],
    ['a negative integer in more bytes than it needs', tlv(0x30, FIXED, 'a1040202ff85'), 'ERR_TLS_DER'],
    ['an integer without a byte', tlv(0x30, FIXED, 'a1020200'), 'ERR_TLS_DER'],
    ['a time of 65 bits', tlv(0x30, FIXED, 'a10b0209008000000000000000'), 'ERR_TLS_DER'],
    ['a verify result of 33 bits', whole('a50702050080000000'), 'ERR_TLS_DER'],
    ['a negative lifetime hint', whole('a9030201ff'), 'ERR_TLS_DER'],
    ['a negative maximum fragment length', whole('b1030201ff'), 'ERR_TLS_DER'],
    ['an age_add of 33 bits', whole('ae0702050100000000'), 'ERR_TLS_DER'],
    ['a context that is not a string', tlv(0x30, FIXED, 'a403020100'), 'ERR_TLS_DER'],
    ['something after it', `${whole()}00`, 'ERR_SESSION_TRAILING_BYTES'],
    ['a last element longer than the whole', `300c${FIXED.replaceAll(' ', '')}`, 'ERR_TLS_DER'],
  ])('%s', (_, text, code) => {
    expect(() => decodeSession(hex(text), NOW)).toThrow(expect.objectContaining({ code }));
    expect(() => decodeSession(hex(text), NOW)).toThrow(DecodeError);
    if (code !== 'ERR_TLS_DER') expect(() => decodeSession(hex(text), NOW)).toThrow(SessionFormatError);
  });

  it('of everything that breaks off', () => {
    const der = hex(whole('', '', tlv(0xa3, CERTIFICATE)));
    for (let length = 0; length < der.length; length++) {
      expect(() => decodeSession(der.subarray(0, length), NOW), String(length)).toThrow(DecodeError);
    }
  });

  it('leave what follows a session to a caller who asks for that', () => {
    const der = hex(whole());
    const around = new Uint8Array(der.length + 7);
    around.set(der, 3);
    const { session, end } = decodeSessionAt(around, 3, NOW);
    expect(end).toBe(3 + der.length);
    expect(encodeSession(session)).toEqual(der);
    session.free();
  });
});

/** The same session as an ASN.1 library builds it from the schema. */
function oracle(values: SessionValues): asn1js.Sequence {
  const { Integer, OctetString, Constructed, Sequence, fromBER } = asn1js;
  const octets = (bytes: Uint8Array): asn1js.OctetString =>
    new OctetString({ valueHex: bytes.slice().buffer });
  const integer = (value: number): asn1js.Integer => Integer.fromBigInt(BigInt(value));
  const explicit = (tagNumber: number, value: asn1js.BaseBlock): asn1js.Constructed =>
    new Constructed({ idBlock: { tagClass: 3, tagNumber }, value: [value] });
  const elements: asn1js.BaseBlock[] = [
    integer(1),
    integer(values.version),
    octets(Uint8Array.of(values.cipher >> 8, values.cipher)),
    octets(values.fields[Field.id] ?? utf8('')),
    octets(values.fields[Field.masterKey] ?? utf8('')),
  ];
  const number = (tag: number, value: number, always = false): void => {
    if (value !== 0 || always) elements.push(explicit(tag, integer(value)));
  };
  const string = (tag: number, value: Uint8Array | null | undefined): void => {
    if (value) elements.push(explicit(tag, octets(value)));
  };
  number(1, values.timeSec);
  number(2, values.timeoutSec);
  if (values.peer) elements.push(explicit(3, fromBER(values.peer.slice().buffer).result as asn1js.BaseBlock));
  string(4, values.fields[Field.sidCtx] ?? utf8(''));
  number(5, values.verifyResult);
  string(6, values.fields[Field.hostname]);
  string(7, values.fields[Field.pskHint]);
  string(8, values.fields[Field.pskIdentity]);
  number(9, values.ticketLifetimeHint);
  string(10, values.fields[Field.ticket]);
  if (values.compression) string(11, Uint8Array.of(values.compression));
  string(12, values.fields[Field.srpUsername]);
  number(13, values.flags);
  number(14, values.ticketAgeAdd);
  number(15, values.maxEarlyData);
  string(16, values.fields[Field.alpn]);
  number(17, values.maxFragmentLength);
  string(18, values.fields[Field.ticketAppdata]);
  number(19, values.kexGroup, true);
  return new Sequence({ value: elements });
}
