import { describe, expect, test } from 'vitest';
import {
  parseAlpn,
  parseCiphers,
  parseGroups,
  parseMaxVersion,
  parseMinVersion,
  parseSignatureSchemes,
} from './options.ts';

const ALL = [0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc02b, 0xc02f];

describe('versions', () => {
  test('bounds by the names of node:tls', () => {
    expect(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'].map(parseMinVersion)).toEqual([
      0x303, 0x303, 0x303, 0x304,
    ]);
    expect(['TLSv1.2', 'TLSv1.3'].map(parseMaxVersion)).toEqual([0x303, 0x304]);
    for (const bad of ['TLSv1.1', 'SSLv3', '', 'tlsv1.3']) {
      expect(() => parseMaxVersion(bad), bad).toThrow(/is not a valid maximum TLS protocol version/);
    }
    expect(() => parseMinVersion('SSLv3')).toThrow(/is not a valid minimum TLS protocol version/);
  });
});

describe('cipher lists', () => {
  const DEFAULT_13 = ['1302', '1303', '1301'];
  const ids = (list: string): string[] => parseCiphers(list, ALL).ids.map((id) => id.toString(16));

  test.each([
    ['TLS_AES_128_GCM_SHA256', ['1301']],
    ['TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384', ['1303', '1302']],
    ['ECDHE-RSA-AES128-GCM-SHA256', ['c02f']],
    ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', ['c02f']],
    ['ECDHE+AESGCM', ['c02c', 'c030', 'c02b', 'c02f']],
    ['HIGH:!aNULL:!MD5', ['c02c', 'c030', 'cca9', 'cca8', 'c02b', 'c02f']],
    ['DEFAULT:!ECDSA', ['c030', 'cca8', 'c02f']],
    ['ALL:-CHACHA20:+AES256', ['c02b', 'c02f', 'c02c', 'c030']],
    ['!CHACHA20:ALL', ['c02c', 'c030', 'c02b', 'c02f']],
    ['kECDHE+CHACHA20+aRSA', ['cca8']],
    ['AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=2', ['c02c']],
    ['TLS_AES_256_GCM_SHA384, ECDHE-RSA-CHACHA20-POLY1305', ['1302', 'cca8']],
  ])('%s', (list, expected) => {
    // Without a suite of TLS 1.3 in the list those are as they were.
    const of13 = expected.some((id) => id.startsWith('13'));
    expect(ids(list)).toEqual(of13 ? expected : [...DEFAULT_13, ...expected]);
  });

  test('what names nothing is refused; what OpenSSL has and this engine has not leaves TLS 1.3', () => {
    for (const list of [
      'nonsense',
      'ALL:!ALL',
      'TLS_NULL',
      'TLS_AES_128_GCM_SHA256:!TLS_AES_128_GCM_SHA256',
    ]) {
      expect(() => parseCiphers(list, ALL), list).toThrow(/no cipher match/);
    }
    expect(() => parseCiphers('', ALL)).toThrow(/options.ciphers/);
    for (const list of ['AES128-SHA', 'PSK', 'PSK+HIGH']) expect(ids(list), list).toEqual(DEFAULT_13);
  });

  test('says which versions are left', () => {
    expect(parseCiphers('TLS_AES_128_GCM_SHA256', ALL)).toMatchObject({ has13: true, has12: false });
    expect(parseCiphers('HIGH', ALL)).toMatchObject({ has13: true, has12: true });
    expect(parseCiphers('AES128-SHA', ALL)).toMatchObject({ has13: true, has12: false });
  });
});

test('groups', () => {
  const available = [0x1d, 0x17, 0x18, 0x19];
  expect(parseGroups('auto', available)).toEqual(available);
  expect(parseGroups('P-256:x25519:secp384r1:prime256v1', available)).toEqual([0x17, 0x1d, 0x18, 0x17]);
  for (const bad of ['X448', '', 'X25519MLKEM768', 'P-256:']) {
    expect(() => parseGroups(bad, available), bad).toThrow(/no key exchange group/);
  }
});

test('signature schemes', () => {
  expect(parseSignatureSchemes('ecdsa_secp256r1_sha256:RSA-PSS+SHA256:ed25519')).toEqual([
    0x403, 0x804, 0x809, 0x807,
  ]);
  expect(parseSignatureSchemes('ECDSA+SHA256:ecdsa_secp256r1_sha256')).toEqual([0x403]);
  expect(() => parseSignatureSchemes('DSA+SHA1')).toThrow(/no signature scheme/);
});

test('application protocols', () => {
  const names = (value: readonly (string | Uint8Array)[] | Uint8Array): string[] =>
    parseAlpn(value).map((name) => Buffer.from(name).toString());
  expect(names(['h2', Buffer.from('http/1.1')])).toEqual(['h2', 'http/1.1']);
  expect(names(Buffer.from('\x02h2\x08http/1.1'))).toEqual(['h2', 'http/1.1']);
  expect(names([])).toEqual([]);
  for (const [bad, code] of [
    [[''], 'ERR_INVALID_ARG_VALUE'],
    [['x'.repeat(256)], 'ERR_OUT_OF_RANGE'],
    [Buffer.from('\x00'), 'ERR_INVALID_ARG_VALUE'],
    [Buffer.from('\x05h2'), 'ERR_INVALID_ARG_VALUE'],
  ] as const) {
    expect(() => parseAlpn(bad)).toThrow(expect.objectContaining({ code }));
  }
});
