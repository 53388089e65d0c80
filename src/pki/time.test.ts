import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generalizedTime, time } from '../../tests/pki/der.ts';
import { utf8 } from '../util/bytes.ts';
import { DerReader } from '../util/der.ts';
import { CertificateError } from './reason.ts';
import { readTime, timeText } from './time.ts';

const utc = (text: string): DerReader => new DerReader(Uint8Array.of(0x17, text.length, ...utf8(text)));
const general = (text: string): DerReader => new DerReader(Uint8Array.of(0x18, text.length, ...utf8(text)));

describe('times of X.509', () => {
  it('have two-digit years from 1950 to 2049', () => {
    expect(readTime(utc('500101000000Z'))).toEqual({ ms: Date.UTC(1950, 0), canonical: true });
    expect(readTime(utc('491231235959Z'))).toEqual({
      ms: Date.UTC(2049, 11, 31, 23, 59, 59),
      canonical: true,
    });
  });

  it('have four-digit years otherwise, and those before 2050 are not in the form that RFC 5280 wants', () => {
    expect(readTime(general('20500101000000Z'))).toEqual({ ms: Date.UTC(2050, 0), canonical: true });
    expect(readTime(general('20491231235959Z')).canonical).toBe(false);
    expect(readTime(general('99991231235959Z')).ms).toBe(Date.UTC(9999, 11, 31, 23, 59, 59));
    expect(readTime(general('00000229000000Z')).ms).toBeLessThan(Date.UTC(1, 0));
  });

  it('agree with the calendar', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11) / 1000 }),
        (seconds) => {
          expect(readTime(new DerReader(time(seconds * 1000))).ms).toBe(seconds * 1000);
          expect(readTime(new DerReader(generalizedTime(seconds * 1000))).ms).toBe(seconds * 1000);
        },
      ),
    );
  });

  it('know leap years', () => {
    for (const day of ['20000229', '20240229', '24000229'])
      expect(readTime(general(`${day}000000Z`)).ms).toBeDefined();
    for (const day of ['19000229', '20230229', '21000229']) {
      expect(() => readTime(general(`${day}000000Z`)), day).toThrow(CertificateError);
    }
  });

  it.each([
    '500101000000', // no zone
    '5001010000Z', // no seconds
    '500101000000+0000',
    '500101000000z',
    '501301000000Z',
    '500001000000Z',
    '500132000000Z',
    '500100000000Z',
    '500101240000Z',
    '500101006000Z',
    '500101000060Z',
    '50010100000 Z',
    '5001010000-1Z',
    '',
  ])('refuse %j', (text) => {
    expect(() => readTime(utc(text))).toThrow(CertificateError);
    expect(() => readTime(general(`20${text}`))).toThrow(CertificateError);
  });

  it('refuse other types', () => {
    expect(() => readTime(new DerReader(Uint8Array.of(0x04, 1, 0x30)))).toThrow(CertificateError);
    expect(() => readTime(new DerReader(new Uint8Array(0)))).toThrow(CertificateError);
    expect(() => readTime(general('20500101000000.5Z'))).toThrow(CertificateError);
  });

  it('print in UTC', () => {
    expect(timeText(Date.UTC(2024, 1, 29, 1, 2, 3))).toBe('2024-02-29T01:02:03Z');
    expect(timeText(Number.MAX_VALUE)).toMatch(/ ms$/);
  });
});
