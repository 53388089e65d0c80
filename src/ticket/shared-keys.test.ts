import { describe, expect, test } from 'vitest';
import { writeTicketKeyLines } from './key-layouts.ts';
import type { OpensslTicketKey } from './key-material.ts';
import { haproxyTicketKeys, nginxTicketKeys } from './shared-keys.ts';

function bytes(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (first + index) & 0xff);
}

describe('nginx', () => {
  test('the first file seals, the others open, each by its length', () => {
    const keys = nginxTicketKeys([bytes(80, 0), bytes(48, 100)]);
    expect(keys.map(({ role }) => role)).toEqual(['current', 'previous']);
    // 80 bytes: name, HMAC, AES. 48: name, AES, HMAC.
    const [long, short] = keys.map(({ material }) => material as OpensslTicketKey);
    expect(long).toMatchObject({ name: bytes(16, 0), hmacKey: bytes(32, 16), aesKey: bytes(32, 48) });
    expect(short).toMatchObject({ name: bytes(16, 100), aesKey: bytes(16, 116), hmacKey: bytes(16, 132) });
  });

  test('another length, and no file', () => {
    expect(() => nginxTicketKeys([bytes(64, 0)])).toThrow(/80 bytes, not 64/);
    expect(() => nginxTicketKeys([])).toThrow(/no ticket key file/);
  });
});

describe('HAProxy', () => {
  const lines = (length: 16 | 32, count: number): string => {
    const keys = Array.from(
      { length: count },
      (_, index): OpensslTicketKey => ({
        format: 'openssl',
        name: bytes(16, index),
        aesKey: bytes(length, index + 50),
        hmacKey: bytes(length, index + 100),
      }),
    );
    return writeTicketKeyLines(length === 16 ? 'nginx48' : 'haproxy80', keys);
  };

  test.each([16, 32] as const)('the last but one seals, the last is next, keys of %i bytes', (length) => {
    const keys = haproxyTicketKeys(`\n${lines(length, 4)}`);
    expect(keys.map(({ role }) => role)).toEqual(['previous', 'previous', 'current', 'next']);
    expect(keys[2]?.material).toMatchObject({ name: bytes(16, 2), aesKey: bytes(length, 52) });
  });

  test('one key, two lengths, no base64', () => {
    expect(() => haproxyTicketKeys(lines(32, 1))).toThrow(/last key but one/);
    expect(() => haproxyTicketKeys(lines(16, 1) + lines(32, 1))).toThrow(
      /line 2 .* 80 bytes; nginx48 has 48/,
    );
    expect(() => haproxyTicketKeys('?')).toThrow(/line 1 .* not base64/);
  });
});
