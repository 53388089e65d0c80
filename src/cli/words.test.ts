import { describe, expect, it } from 'vitest';
import { bytesText, dateText, durationText, jsonText, painter, printable } from './words.ts';

describe('words', () => {
  it.each([
    [0, 'less than 1 s'],
    [999, 'less than 1 s'],
    [-5, 'less than 1 s'],
    [1000, '1 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [3_605_000, '1 h'],
    [6_180_000, '1 h 43 min'],
    [86_400_000, '1 day'],
    [2 * 86_400_000 + 3_600_000, '2 days 1 h'],
    [365 * 86_400_000, '1 year'],
    [800 * 86_400_000, '2 years 70 days'],
    [1e30, 'more than a million years'],
    [Infinity, 'more than a million years'],
    [Number.NaN, 'more than a million years'],
  ])('durationText(%d)', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  it('dates are of UTC, as far as a calendar goes', () => {
    expect(dateText(1_795_423_188_777)).toBe('2026-11-23 08:39:48 UTC');
    expect(dateText(-1)).toBe('1969-12-31 23:59:59 UTC');
    expect(dateText(2 ** 63)).toBe('9223372036854776000 ms since 1970');
  });

  it('counts bytes', () => {
    expect([0, 1, 999, 1000, 1_234_567].map(bytesText)).toEqual([
      '0 bytes',
      '1 byte',
      '999 bytes',
      '1,000 bytes',
      '1,234,567 bytes',
    ]);
  });

  it('escapes what a terminal would act on', () => {
    expect(printable('a\x1b[31m\x9b1m\n\u202eb\u{e0001}é')).toBe(
      'a\\x1b[31m\\x9b1m\\x0a\\u{202e}b\\u{e0001}é',
    );
    const json = jsonText({ a: 'x\x1b\x9b\u202e\u2028é' });
    expect(json).toBe('{\n  "a": "x\\u001b\\u009b\\u202e\\u2028é"\n}');
    expect(JSON.parse(json)).toEqual({ a: 'x\x1b\x9b\u202e\u2028é' });
  });

  it('paints only where there are colours', () => {
    expect(painter(false)('red', 'x')).toBe('x');
    expect(painter(true)('red', 'x')).toBe('\x1b[31mx\x1b[39m');
  });
});
