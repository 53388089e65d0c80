/**
 * Project Wycheproof's vectors, which are not part of this repository: they stand in ../shared/vectors beside
 * the checkout, or beside its parent for a work tree.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createNodeProvider, NodeEcdh, NodeX25519, nodeProvider } from '../../src/crypto/node/index.ts';
import { expand } from '../../src/schedule/hkdf.ts';
import { concatBytes, fromHex, toHex } from '../../src/util/bytes.ts';
import { type AeadName, NamedGroup } from '../../src/util/registries.ts';

interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
}
interface Group<Test> {
  readonly tests: readonly (Test & Vector)[];
}

const FOLDER = [1, 2]
  .map((up) => join(import.meta.dirname, '../..', ...Array(up).fill('..'), 'shared/vectors/wycheproof'))
  .find((folder) => existsSync(folder));

function groups<Extra, Test>(file: string): readonly (Group<Test> & Extra)[] {
  const path = join(FOLDER ?? '', file);
  return (JSON.parse(readFileSync(path, 'utf8')) as { testGroups: readonly (Group<Test> & Extra)[] })
    .testGroups;
}

const missing = FOLDER === undefined ? ' [skipped: ../shared/vectors/wycheproof is not there]' : '';

interface AeadVector {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

/** What this library's AEAD interface has no room for: it must say so, and do nothing. */
function fitsTls(aead: AeadName, test: AeadVector): boolean {
  return test.iv.length === 24 && test.key.length === (aead === 'aes-128-gcm' ? 32 : 64);
}

describe.skipIf(FOLDER === undefined).each([nodeProvider, createNodeProvider({ short: false })])(
  `Wycheproof, provider $name${missing}`,
  (provider) => {
    it.each([
      ['aes-128-gcm', 'aes_gcm_test.json', 128, 100],
      ['aes-256-gcm', 'aes_gcm_test.json', 256, 100],
      ['chacha20-poly1305', 'chacha20_poly1305_test.json', 256, 300],
    ] as const)('%s', (aead, file, keySize, least) => {
      let tests = 0;
      for (const group of groups<{ keySize: number; ivSize: number }, AeadVector>(file)) {
        if (group.keySize !== keySize) continue;
        for (const test of group.tests) {
          tests++;
          const [nonce, aad, message] = [fromHex(test.iv), fromHex(test.aad), fromHex(test.msg)];
          const sealed = fromHex(test.ct + test.tag);
          const key = provider.aeadKey(aead, fromHex(test.key));
          if (!fitsTls(aead, test)) {
            expect(() => key.open(nonce, aad, sealed)).toThrow(RangeError);
            expect(() => key.sealInPlace(nonce, aad, sealed, 0, 0)).toThrow(RangeError);
            continue;
          }
          // A provider may go another way from a key's second message on.
          for (let time = 0; time < 2; time++) {
            const opened = key.open(nonce, aad, sealed);
            if (test.result === 'valid') {
              expect(opened === null ? null : toHex(opened), `opens ${test.tcId}`).toBe(test.msg);
              const buffer = concatBytes(message, new Uint8Array(16));
              key.sealInPlace(nonce, aad, buffer, 0, message.length);
              expect(toHex(buffer), `seals ${test.tcId}`).toBe(test.ct + test.tag);
            } else {
              expect(opened, `refuses ${test.tcId}`).toBeNull();
            }
          }
        }
      }
      expect(tests).toBeGreaterThanOrEqual(least);
    });

    it.each([
      ['sha256', 'hkdf_sha256_test.json'],
      ['sha384', 'hkdf_sha384_test.json'],
    ] as const)('HKDF with %s', (hash, file) => {
      interface HkdfVector {
        readonly ikm: string;
        readonly salt: string;
        readonly info: string;
        readonly size: number;
        readonly okm: string;
      }
      for (const { tests } of groups<object, HkdfVector>(file)) {
        for (const test of tests) {
          const prk = provider.hmac(hash, fromHex(test.salt), fromHex(test.ikm));
          const key = provider.hmacKey(hash, prk);
          const info = concatBytes(fromHex(test.info), Uint8Array.of(1));
          if (test.result === 'valid') {
            expect(toHex(expand(key, info, test.size)), `${test.tcId}`).toBe(test.okm);
          } else {
            expect(() => expand(key, info, test.size), `${test.tcId}`).toThrow(RangeError);
          }
        }
      }
    });
  },
);

interface ExchangeVector {
  readonly public: string;
  readonly private: string;
  readonly shared: string;
}

describe.skipIf(FOLDER === undefined)(`Wycheproof, key exchange${missing}`, () => {
  it('X25519: what is acceptable is taken, but for the all-zero secret', () => {
    let zero = 0;
    for (const { tests } of groups<object, ExchangeVector>('x25519_test.json')) {
      for (const test of tests) {
        const secret = NodeX25519.fromPrivate(fromHex(test.private)).derive(fromHex(test.public));
        if (test.flags.includes('ZeroSharedSecret')) {
          zero++;
          expect(secret, `${test.tcId}`).toBeNull();
        } else {
          expect(secret === null ? null : toHex(secret), `${test.tcId}`).toBe(test.shared);
        }
      }
    }
    expect(zero).toBe(31);
  });

  it('P-256: uncompressed points on the curve, and nothing else', () => {
    let refused = 0;
    for (const { tests } of groups<object, ExchangeVector>('ecdh_secp256r1_ecpoint_test.json')) {
      for (const test of tests) {
        const own = NodeEcdh.fromPrivate(NamedGroup.secp256r1, fromHex(test.private));
        const secret = own.derive(fromHex(test.public));
        if (test.result === 'valid') {
          expect(secret === null ? null : toHex(secret), `${test.tcId}`).toBe(test.shared);
        } else {
          refused++;
          expect(secret, `${test.tcId}`).toBeNull();
        }
      }
    }
    expect(refused).toBe(25);
  });
});
