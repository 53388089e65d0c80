import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pem } from '../../tests/pki/der.ts';
import { issueCa } from '../../tests/pki/make.ts';
import { utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { certificateBytes, TrustAnchors } from './anchors.ts';
import { RevocationLists } from './crl.ts';
import { oidFromText, oidKey, oidText } from './oid.ts';
import { decodePem } from './pem.ts';

describe('PEM', () => {
  it('gives the blocks of the labels asked for, whatever stands around them', () => {
    const text = `# a comment\n${pem(Uint8Array.of(1, 2, 3))}\r\nBag Attributes\n${pem(Uint8Array.of(4), 'PRIVATE KEY')}${pem(Uint8Array.of(5))}the end`;
    expect(decodePem(text, 'CERTIFICATE')).toEqual([Uint8Array.of(1, 2, 3), Uint8Array.of(5)]);
    expect(decodePem(text, 'CERTIFICATE', 'PRIVATE KEY')).toHaveLength(3);
    expect(decodePem('nothing', 'CERTIFICATE')).toEqual([]);
  });

  it('round-trips any bytes, with either line ending', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodePem(pem(bytes), 'CERTIFICATE')).toEqual([bytes]);
        expect(decodePem(pem(bytes).replaceAll('\n', '\r\n'), 'CERTIFICATE')).toEqual([bytes]);
      }),
    );
  });

  it('refuses broken blocks of those labels alone', () => {
    const whole = pem(Uint8Array.of(1, 2, 3));
    for (const broken of [
      whole.slice(0, -5),
      whole.replace('END', 'ENX'),
      whole.replace('AQID', 'AQI'),
      whole.replace('AQID', 'AQ*D'),
      '-----BEGIN CERTIFICATE',
    ]) {
      expect(() => decodePem(broken, 'CERTIFICATE'), broken).toThrow(UsageError);
    }
    expect(decodePem(whole.replace('AQID', '!!!!'), 'X509 CRL')).toEqual([]);
  });
});

describe('certificates from outside', () => {
  const { der } = issueCa('CN=root');

  it('are PEM text, PEM bytes or DER', () => {
    for (const source of [pem(der), utf8(pem(der)), utf8(`text in front\n${pem(der)}`), der]) {
      expect(certificateBytes(source)).toEqual([der]);
    }
    expect(() => certificateBytes('no certificate')).toThrow(UsageError);
  });

  it('say which of them cannot be read', () => {
    expect(() => TrustAnchors.from([der, Uint8Array.of(1)])).toThrow(/trust anchor 1 cannot be read/);
    expect(() => TrustAnchors.from([der, pem(der).slice(0, -9)])).toThrow(/trust anchor 1/);
    expect(() => RevocationLists.from([der])).toThrow(/revocation list 0 cannot be read/);
    expect(() => RevocationLists.from('nothing')).toThrow(/no revocation list/);
  });
});

describe('object identifiers', () => {
  it('are keys and dotted texts', () => {
    for (const text of [
      '0.39',
      '1.0',
      '2.5.29.15',
      '2.999',
      '1.2.840.113549.1.1.11',
      '2.25.340282366920938463463374607431768211455',
    ]) {
      expect(oidText(oidFromText(text))).toBe(text);
    }
    expect(oidKey(Uint8Array.of(0x55, 0x1d, 0x0f))).toBe(oidFromText('2.5.29.15'));
    expect(oidKey(Uint8Array.of(0x55, 0x1d, 0xff))).not.toBe(oidFromText('2.5.29.127'));
  });

  it('are refused when they are none', () => {
    for (const bad of ['', '1', '3.1', '1.40', '1..2', '1.2.', '1.02', 'a.b', '1.-2']) {
      expect(() => oidFromText(bad), bad).toThrow(RangeError);
    }
  });
});
