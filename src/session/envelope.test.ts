import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CERTIFICATE, makeSession, sessionValues } from '../../tests/session/arbitrary.ts';
import { concatBytes, fromHex, toHex, utf8 } from '../util/bytes.ts';
import { DecodeError } from '../util/errors.ts';
import { Field, makeBody, PeerCertificate, type SessionBindings } from './body.ts';
import { SessionCore } from './core.ts';
import { decodeSession, encodeSession } from './der.ts';
import { decodeEnvelope, encodeEnvelope, isEnvelope } from './envelope.ts';

const BINDINGS: SessionBindings = {
  host: 'example.org',
  port: 443,
  trust: fromHex('0102'),
  clientAuth: fromHex('03'),
  authenticatedAtMs: 1_795_423_188_777,
};

function session(timeMs = 1_795_423_188_777, timeoutSec = 7200): SessionCore {
  const body = makeBody([fromHex('bb'), fromHex('aa')], { version: 0x0304, cipher: 0x1301, verifyResult: 0 });
  return SessionCore.fromBody(body, timeMs, timeoutSec, 'test');
}

/** The envelope's bytes and the DER within, for a session that is freed afterwards. */
function sealed(made: SessionCore): { der: Uint8Array; envelope: Uint8Array } {
  const pair = { der: encodeSession(made), envelope: encodeEnvelope(made) };
  made.free();
  return pair;
}

const uint24 = (length: number): Uint8Array => Uint8Array.of(length >> 16, length >> 8, length);
const head = (flags: number, ms = 777): Uint8Array =>
  fromHex(`d3544c53010${flags}${ms.toString(16).padStart(4, '0')}`);

describe('the envelope', () => {
  it('is laid out as docs/session-format.md says: unbound', () => {
    const { der, envelope } = sealed(session());
    expect(toHex(envelope)).toBe(toHex(concatBytes(head(0), uint24(der.length), der)));
  });

  it('is laid out as docs/session-format.md says: bound, with a chain, not resumable', () => {
    const made = session();
    const peer = new PeerCertificate(CERTIFICATE);
    const issuers = [new PeerCertificate(fromHex('3003020101')), new PeerCertificate(fromHex('30020500'))];
    made.setPeer(peer, [peer, ...issuers], 'test');
    made.setBindings(BINDINGS, 'test');
    made.markNotResumable();
    const { der, envelope } = sealed(made);
    expect(toHex(envelope)).toBe(
      toHex(
        concatBytes(
          head(7),
          uint24(der.length),
          der,
          fromHex('00000f 000005 3003020101 000004 30020500'.replaceAll(' ', '')),
          Uint8Array.of(11),
          utf8('example.org'),
          fromHex('01bb 02 0102 01 03 000001a2078fb729'.replaceAll(' ', '')),
        ),
      ),
    );
    const again = decodeEnvelope(envelope);
    expect(again.body('test').bindings).toEqual(BINDINGS);
    expect(again.body('test').chain?.map((certificate) => toHex(certificate.der))).toEqual([
      toHex(CERTIFICATE),
      '3003020101',
      '30020500',
    ]);
    expect(again.body('test').chain?.[0]).toBe(again.body('test').peer);
    expect(again.isMarkedNotResumable).toBe(true);
    expect(again.timeMs('test')).toBe(1_795_423_188_777);
    expect([again.applicationReferences, again.libraryReferences]).toEqual([1, 0]);
    again.free();
  });

  it('brings back what plain DER does not', () => {
    const made = session();
    made.setBindings({ ...BINDINGS, host: null, port: 0 }, 'test');
    const fromDer = decodeSession(encodeSession(made), 0);
    expect(fromDer.body('test').bindings).toBeNull();
    expect(fromDer.timeMs('test')).toBe(1_795_423_188_000);
    const fromEnvelope = decodeEnvelope(encodeEnvelope(made));
    expect(fromEnvelope.body('test').bindings).toEqual({ ...BINDINGS, host: null, port: 0 });
    for (const one of [made, fromDer, fromEnvelope]) one.free();
  });

  it('remembers that it was offered, as a copy does, and a new ticket does not', () => {
    const made = session();
    made.setField(Field.ticket, fromHex('01'), 'test');
    expect(encodeEnvelope(made)[5]).toBe(0);
    made.body('test').wasOffered = true;
    const envelope = encodeEnvelope(made);
    expect(envelope[5]).toBe(8);
    const again = decodeEnvelope(envelope);
    const copy = again.dup();
    copy.setField(Field.hostname, fromHex('61'), 'test');
    expect([again, copy].map((one) => one.body('test').wasOffered)).toEqual([true, true]);
    copy.setField(Field.ticket, fromHex('02'), 'test');
    expect([again, copy].map((one) => one.body('test').wasOffered)).toEqual([true, false]);
    for (const one of [made, again, copy]) one.free();
  });

  it('has a fingerprint in place of a certificate, and never beside one', () => {
    const made = session();
    const fingerprint = {
      sha256: new Uint8Array(32).fill(7),
      notBeforeMs: 5,
      notAfterMs: 253_402_300_799_000,
    };
    made.ownBody('test').peerFingerprint = fingerprint;
    const envelope = encodeEnvelope(made);
    expect(envelope[5]).toBe(16);
    expect(toHex(envelope.subarray(-48))).toBe(`${'07'.repeat(32)}00000000000000050000e677d21fd818`);
    const again = decodeEnvelope(envelope);
    expect(again.body('test').peerFingerprint).toEqual(fingerprint);
    const copy = again.dup();
    expect(copy.body('test').peerFingerprint).toEqual(fingerprint);
    copy.setPeer(new PeerCertificate(CERTIFICATE), null, 'test');
    expect([copy.body('test').peerFingerprint, encodeEnvelope(copy)[5]]).toEqual([null, 0]);
    for (let length = envelope.length - 48; length < envelope.length; length++) {
      expect(() => decodeEnvelope(envelope.subarray(0, length))).toThrow(DecodeError);
    }
    const both = concatBytes(encodeEnvelope(copy), envelope.subarray(-48));
    both[5] = 16;
    expect(() => decodeEnvelope(both)).toThrow(/certificate and a fingerprint/);
    for (const one of [made, again, copy]) one.free();
  });

  it('keeps a raw public key', () => {
    const made = session();
    made.setField(Field.peerRpk, fromHex('3009300306012703020001'), 'test');
    const again = decodeEnvelope(encodeEnvelope(made));
    expect(toHex(again.field(Field.peerRpk, 'test'))).toBe('3009300306012703020001');
    made.free();
    again.free();
  });

  it.each([
    [0, 0],
    [999, 0],
    [1, 1],
    [-1, 7200],
    [-1500, 3],
    [1_795_423_188_000, 0],
    [5000, 2 ** 63],
    [2 ** 63 * 1000, 5],
  ])('keeps the time %d ms and the timeout %d s exactly', (timeMs, timeoutSec) => {
    const again = decodeEnvelope(sealed(session(timeMs, timeoutSec)).envelope);
    expect(again.timeMs('test')).toBe(timeMs);
    expect(again.timeoutSec('test')).toBe(timeoutSec);
    again.free();
  });

  it('says the times that a file left out and its reader assumed', () => {
    const bare = decodeSession(fromHex('3014020101020203040402130104000400b303020100'), 123_456);
    expect(toHex(encodeSession(bare))).not.toContain('a1');
    const again = decodeEnvelope(encodeEnvelope(bare));
    expect(again.timeMs('test')).toBe(123_456);
    expect(again.timeoutSec('test')).toBe(3);
    bare.free();
    again.free();
  });

  it('is the same again after a round trip, for any values', () => {
    fc.assert(
      fc.property(sessionValues, fc.nat(999), fc.boolean(), (values, ms, bound) => {
        const made = makeSession(values);
        if (Number.isSafeInteger(values.timeSec * 1000 + ms))
          made.setTimeMs(values.timeSec * 1000 + ms, 'test');
        if (bound) made.setBindings(BINDINGS, 'test');
        const envelope = encodeEnvelope(made);
        const again = decodeEnvelope(envelope);
        expect(toHex(encodeEnvelope(again))).toBe(toHex(envelope));
        expect(again.timeMs('test')).toBe(made.timeMs('test'));
        made.free();
        again.free();
      }),
      { numRuns: 300 },
    );
  });

  it('is told from other forms by its first bytes', () => {
    expect(isEnvelope(fromHex('d3544c53'))).toBe(true);
    expect(isEnvelope(fromHex('d3544c'))).toBe(false);
    expect(isEnvelope(fromHex('d3544c54'))).toBe(false);
  });
});

describe('an envelope is refused', () => {
  const { der } = sealed(session());
  const inner = concatBytes(uint24(der.length), der);
  const binding = (text: string): Uint8Array => fromHex(text.replaceAll(' ', ''));
  const AFTER = '01bb 02 0102 01 03 000001a2078fb729';
  it.each([
    ['when it is empty', new Uint8Array(0)],
    ['of another version', concatBytes(fromHex('d3544c53020002'), inner)],
    ['with a flag that is not known', concatBytes(fromHex('d3544c5301100000'), inner)],
    ['with 1,000 milliseconds', concatBytes(head(0, 1000), inner)],
    ['with something after it', concatBytes(head(0), inner, Uint8Array.of(0))],
    ['with something after the DER', concatBytes(head(0), uint24(der.length + 1), der, Uint8Array.of(0))],
    ['with a vector that is too long', concatBytes(head(0), uint24(der.length + 1), der)],
    ['with a chain and no peer certificate', concatBytes(head(4), inner, fromHex('000000'))],
    ['with issuers longer than their vector', concatBytes(head(4), inner, fromHex('000004000002300000'))],
    ['with an empty issuer', concatBytes(head(4), inner, fromHex('000003000000'))],
    ['with an issuer that is none', concatBytes(head(4), inner, fromHex('0000060000033000ff'))],
    ['with too many issuers', concatBytes(head(4), inner, fromHex(`0000a5${'0000023000'.repeat(33)}`))],
    ['with a host that is not UTF-8', concatBytes(head(1), inner, binding(`01 ff ${AFTER}`))],
    ['authenticated too far away', concatBytes(head(1), inner, binding('00 01bb 00 00 0020000000000000'))],
    ['with bindings that break off', concatBytes(head(1), inner, binding('00 01bb 00 00 00000000000000'))],
    [
      'with milliseconds of no exact time',
      concatBytes(head(0, 1), sealed(session(2 ** 63 * 1000)).envelope.subarray(8)),
    ],
  ])('%s', (_, bytes) => {
    expect(() => decodeEnvelope(bytes)).toThrow(DecodeError);
    expect(() => decodeEnvelope(bytes)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_(SESSION_ENVELOPE|TLS_DER)$/) }),
    );
  });

  it('wherever it breaks off', () => {
    const made = session();
    made.setBindings(BINDINGS, 'test');
    const { envelope } = sealed(made);
    for (let length = 0; length < envelope.length; length++) {
      expect(() => decodeEnvelope(envelope.subarray(0, length)), String(length)).toThrow(DecodeError);
    }
  });
});

describe('bindings', () => {
  it('are copied in, and frozen', () => {
    const made = session();
    const trust = fromHex('0102');
    made.setBindings({ ...BINDINGS, trust }, 'test');
    trust.fill(9);
    expect(made.body('test').bindings?.trust).toEqual(fromHex('0102'));
    expect(Object.isFrozen(made.body('test').bindings)).toBe(true);
    made.setBindings(null, 'test');
    expect(made.body('test').bindings).toBeNull();
    made.free();
  });

  it('may be as large as an envelope can hold', () => {
    const largest = {
      host: `${'ü'.repeat(127)}a`,
      port: 0xffff,
      trust: new Uint8Array(255).fill(1),
      clientAuth: new Uint8Array(255).fill(2),
      authenticatedAtMs: Number.MAX_SAFE_INTEGER,
    };
    for (const bindings of [largest, { ...largest, authenticatedAtMs: 0, port: 0 }]) {
      const made = session();
      made.setBindings(bindings, 'test');
      const again = decodeEnvelope(encodeEnvelope(made));
      expect(again.body('test').bindings).toEqual(bindings);
      made.free();
      again.free();
    }
  });

  it.each([
    { host: '' },
    { host: 'a'.repeat(256) },
    { host: 'ü'.repeat(128) },
    { port: -1 },
    { port: 0x1_0000 },
    { port: 1.5 },
    { trust: new Uint8Array(256) },
    { clientAuth: new Uint8Array(256) },
    { authenticatedAtMs: -1 },
    { authenticatedAtMs: 0.5 },
    { authenticatedAtMs: 2 ** 53 },
    { authenticatedAtMs: Number.NaN },
  ])('are refused when no envelope could hold them: %j', (part) => {
    const made = session();
    expect(() => made.setBindings({ ...BINDINGS, ...part }, 'test')).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_BINDINGS' }),
    );
    expect(made.body('test').bindings).toBeNull();
    made.free();
  });
});
