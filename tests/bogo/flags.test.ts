import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseFlags, Unimplemented, unimplementedFlags } from './flags.ts';

describe('the command line of the shim', () => {
  it('gives a flag to all connections, or to the one that its prefix names', () => {
    const { initial, resume, retry } = parseFlags([
      '-async',
      '-on-initial-expect-alpn',
      'foo',
      '-on-resume-enable-early-data',
      '-on-retry-expect-version',
      '772',
    ]);
    expect([initial.async, resume.async, retry.async]).toEqual([true, true, true]);
    expect([initial['expect-alpn'], resume['expect-alpn']]).toEqual(['foo', null]);
    expect([initial['enable-early-data'], resume['enable-early-data'], retry['enable-early-data']]).toEqual([
      false,
      true,
      false,
    ]);
    expect([resume['expect-version'], retry['expect-version']]).toEqual([null, 772]);
  });

  it('gathers repeated numbers, and reads base64, negative numbers and empty text', () => {
    const { initial } = parseFlags([
      ...['-curves', '23', '-curves', '29'],
      ...['-ocsp-response', 'AQIDBA=='],
      ...['-expect-ticket-age-skew', '-60'],
      ...['-expect-alpn', ''],
    ]);
    expect(initial.curves).toEqual([23, 29]);
    expect(initial['ocsp-response']).toEqual(new Uint8Array([1, 2, 3, 4]));
    expect(initial['expect-ticket-age-skew']).toBe(-60);
    expect(initial['expect-alpn']).toBe('');
  });

  it('keeps what is for the shim and skips what is for a handshaker, with its value', () => {
    const { initial, resume } = parseFlags([
      ...['-on-handshaker-curves', '23'],
      ...['-on-shim-curves', '29'],
      '-on-shim-on-resume-no-ticket',
    ]);
    expect(initial.curves).toEqual([29]);
    expect([initial['no-ticket'], resume['no-ticket']]).toEqual([false, true]);
  });

  it('says which flag it does not know, without its prefix', () => {
    for (const flag of ['-psk', '-on-resume-psk', '-never-heard-of']) {
      let thrown: unknown = null;
      try {
        parseFlags(['-server', flag, 'value']);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(Unimplemented);
      expect((thrown as Unimplemented).flag).toBe(flag.replace('-on-resume', ''));
    }
  });

  it('refuses a number that is none and a value that is missing', () => {
    expect(() => parseFlags(['-port', '12x'])).toThrow(Unimplemented);
    expect(() => parseFlags(['-port'])).toThrow(Unimplemented);
  });
});

describe('the figures', () => {
  const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
  const { passed } = JSON.parse(read('expected.json')) as { passed: number };

  it('are the same wherever they stand', () => {
    expect(read('../../README.md')).toContain(`${passed} passed, 0 failed`);
    expect(read('../../docs/bogo.md')).toContain(`| ${passed} | 0 |`);
  });

  it('are no worse than the goal', () => {
    const { sessions, earlyData } = JSON.parse(read('expected.json')) as Record<string, number>;
    expect(passed).toBeGreaterThanOrEqual(1300);
    expect(sessions).toBeGreaterThanOrEqual(330);
    expect(earlyData).toBeGreaterThanOrEqual(100);
  });
});

describe('what the suite leaves out', () => {
  const config = JSON.parse(readFileSync(new URL('config.json', import.meta.url), 'utf8')) as {
    DisabledTests: Record<string, string>;
  };

  it('has a reason of the allowed kinds for every pattern', () => {
    for (const [pattern, reason] of Object.entries(config.DisabledTests)) {
      expect(reason, pattern).toMatch(/^(DTLS$|QUIC$|not a goal: |BoringSSL's API: |OpenSSL's behaviour)/);
    }
  });

  it('answers no flag about resumption, tickets, early data or waiting with "not implemented"', () => {
    const flags = Object.keys(unimplementedFlags).filter((flag) => !/^(quic|handshaker)-/.test(flag));
    expect(flags.filter((flag) => /resum|session|ticket|early-data|async/.test(flag))).toEqual([]);
  });
});

it('the figures are the same wherever they stand', () => {
  const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
  const expected = JSON.parse(read('tests/bogo/expected.json')) as Record<string, number>;
  const row = /^\| (\d{4}-\d\d-\d\d) \| (\d+) \| (\d+) \| \d+ \| (\d+) \| (\d+) \|$/m.exec(
    read('docs/bogo.md'),
  );
  const [, date, passed, failed, sessions, earlyData] = row ?? [];
  expect([passed, failed, sessions, earlyData].map(Number)).toEqual([
    expected['passed'],
    0,
    expected['sessions'],
    expected['earlyData'],
  ]);
  expect(read('README.md')).toContain(`${passed} passed, ${failed} failed (${date})`);
});
