import { hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../crypto/node/index.ts';
import { EMPTY, toHex, utf8 } from '../util/bytes.ts';
import { emptyHash, expandLabel, Label } from './hkdf.ts';

/**
 * HKDF-Expand-Label by node:crypto's HKDF, which always extracts first: the pseudo-random key to expand from
 * is then what extracting gives, and is computed here by HMAC.
 */
function oracle(hash: 'sha256' | 'sha384', label: string, context: Uint8Array, length: number) {
  const name = utf8(`tls13 ${label}`);
  const info = Uint8Array.from([length >> 8, length & 255, name.length, ...name, context.length, ...context]);
  const prk = nodeProvider.hmac(hash, utf8('salt'), utf8('input'));
  return {
    prk,
    // Node 26 refuses to make nothing.
    wanted:
      length === 0 ? '' : toHex(new Uint8Array(hkdfSync(hash, utf8('input'), utf8('salt'), info, length))),
  };
}

describe('HKDF-Expand-Label', () => {
  it.each(['sha256', 'sha384'] as const)('expands as node:crypto does, with %s, to every length', (hash) => {
    const context = nodeProvider.digest(hash, utf8('transcript'));
    for (const length of [0, 1, 12, 16, 31, 32, 33, 47, 48, 49, 64, 96, 97, 144, 1000]) {
      for (const [text, ctx] of [
        ['key', EMPTY],
        ['c hs traffic', context],
        ['a longer label of some other protocol', utf8('xy')],
      ] as const) {
        const { prk, wanted } = oracle(hash, text, ctx, length);
        const key = nodeProvider.hmacKey(hash, prk);
        const label = new Label(text);
        expect(toHex(expandLabel(key, label, ctx, length))).toBe(wanted);
        expect(toHex(expandLabel(key, label, ctx, length))).toBe(wanted);
      }
    }
  });

  it('keeps contexts of one length apart', () => {
    const key = nodeProvider.hmacKey('sha256', utf8('secret'));
    const label = new Label('derived');
    const first = toHex(expandLabel(key, label, utf8('aaaa'), 32));
    const second = toHex(expandLabel(key, label, utf8('bbbb'), 32));
    expect(first).not.toBe(second);
    expect(toHex(expandLabel(key, label, utf8('aaaa'), 32))).toBe(first);
    expect(toHex(expandLabel(key, label, EMPTY, 32))).not.toBe(first);
  });

  it('is one HMAC up to the length of the hash', () => {
    let calls = 0;
    const inner = nodeProvider.hmacKey('sha256', utf8('secret'));
    const counting = {
      sign(data: Uint8Array): Uint8Array {
        calls++;
        return inner.sign(data);
      },
      destroy(): void {},
    };
    for (const length of [0, 12, 16, 32]) expandLabel(counting, new Label('key'), EMPTY, length);
    expect(calls).toBe(4);
    expandLabel(counting, new Label('key'), EMPTY, 33);
    expect(calls).toBe(6);
  });

  it('refuses what does not fit its structure', () => {
    const key = nodeProvider.hmacKey('sha256', utf8('secret'));
    expect(() => new Label('x'.repeat(250))).toThrow(RangeError);
    expect(expandLabel(key, new Label('x'.repeat(249)), new Uint8Array(255), 5).length).toBe(5);
    const label = new Label('key');
    expect(() => expandLabel(key, label, new Uint8Array(256), 16)).toThrow(RangeError);
    expect(() => expandLabel(key, label, EMPTY, 255 * 32 + 1)).toThrow(RangeError);
    expect(expandLabel(key, label, EMPTY, 255 * 32).length).toBe(255 * 32);
    expect(() => expandLabel(key, label, EMPTY, 65536)).toThrow(RangeError);
    expect(() => expandLabel(key, label, EMPTY, -1)).toThrow(RangeError);
    expect(() => expandLabel(key, label, EMPTY, Number.NaN)).toThrow(RangeError);
  });

  it('knows the hash of nothing', () => {
    expect(toHex(emptyHash(nodeProvider, 'sha256'))).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    expect(emptyHash(nodeProvider, 'sha256')).toBe(emptyHash(nodeProvider, 'sha256'));
    expect(emptyHash(nodeProvider, 'sha384').length).toBe(48);
  });
});
