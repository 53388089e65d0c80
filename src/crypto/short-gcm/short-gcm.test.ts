import { execFileSync } from 'node:child_process';
import { createCipheriv, randomBytes, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toHex } from '../../util/bytes.ts';
import { Machine } from './machine.ts';
import { type BlockCipher, LONGEST, ShortGcmKey } from './short-gcm.ts';

const machine = Machine.instantiate();
const NONE = new Uint8Array();

function aes(key: Uint8Array): BlockCipher {
  const cipher = createCipheriv(key.length === 16 ? 'aes-128-ecb' : 'aes-256-ecb', key, null);
  cipher.setAutoPadding(false);
  return { encrypt: (blocks) => cipher.update(blocks), destroy: () => void cipher.final() };
}

function seal(key: ShortGcmKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const buffer = concatBytes(plaintext, new Uint8Array(16));
  key.sealInPlace(nonce, aad, buffer, 0, plaintext.length);
  return buffer;
}

describe('the known answers of the specification of GCM', () => {
  const plaintext =
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
  const zeros = '00'.repeat(16);
  // Those of its test cases whose nonce has 12 bytes and whose additional data are not longer than a block.
  it.each([
    [1, zeros, '00'.repeat(12), '', '', '58e2fccefa7e3061367f1d57a4e7455a'],
    [
      2,
      zeros,
      '00'.repeat(12),
      zeros,
      '0388dace60b6a392f328c2b971b2fe78',
      'ab6e47d42cec13bdf53a67b21257bddf',
    ],
    [
      3,
      'feffe9928665731c6d6a8f9467308308',
      'cafebabefacedbaddecaf888',
      plaintext,
      '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985',
      '4d5c2af327cd64a62cf35abd2ba6fab4',
    ],
    [13, zeros + zeros, '00'.repeat(12), '', '', '530f8afbc74536b9a963b4f1c4cb738b'],
    [
      14,
      zeros + zeros,
      '00'.repeat(12),
      zeros,
      'cea7403d4d606b6e074ec5d3baf39d18',
      'd0d1c8a799996bf0265b98b5d48ab919',
    ],
    [
      15,
      'feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308',
      'cafebabefacedbaddecaf888',
      plaintext,
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad',
      'b094dac5d93471bdec1a502270e3cc6c',
    ],
  ])('test case %i', (_, key, nonce, message, ciphertext, tag) => {
    const short = new ShortGcmKey(machine, aes(fromHex(key)));
    const sealed = seal(short, fromHex(nonce), NONE, fromHex(message));
    expect(toHex(sealed)).toBe(ciphertext + tag);
    const opened = short.open(fromHex(nonce), NONE, sealed);
    expect(opened === null ? null : toHex(opened)).toBe(message);
  });
});

/** NIST SP 800-38D, 6.3 and 6.4, bit by bit: blocks are numbers whose highest bit is the coefficient of x^0. */
function ghash(h: bigint, blocks: readonly bigint[]): bigint {
  return blocks.reduce((sum, block) => {
    const x = sum ^ block;
    let product = 0n;
    let shifted = h;
    for (let bit = 127n; bit >= 0n; bit--) {
      if ((x >> bit) & 1n) product ^= shifted;
      shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n;
    }
    return product;
  }, 0n);
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x0${toHex(bytes)}`);
}

/** The bytes of a block. */
function block(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(32, '0'));
}

describe('the hash', () => {
  /** No cipher: zeros but for the first block that is asked for, which is where H comes from. */
  function hashKey(h: Uint8Array): BlockCipher {
    let isFirst = true;
    return {
      encrypt(blocks) {
        const out = new Uint8Array(blocks.length);
        if (isFirst) out.set(h);
        isFirst = false;
        return out;
      },
      destroy: () => {},
    };
  }

  function check(h: Uint8Array, data: Uint8Array): void {
    const padded = new Uint8Array((data.length + 15) & -16);
    padded.set(data);
    const blocks = Array.from({ length: padded.length / 16 }, (_, i) =>
      number(padded.subarray(16 * i, 16 * i + 16)),
    );
    const wanted = ghash(number(h), [0n, ...blocks, BigInt(8 * data.length)]);
    const sealed = seal(new ShortGcmKey(machine, hashKey(h)), new Uint8Array(12), NONE, data);
    expect(toHex(sealed.subarray(data.length))).toBe(toHex(block(wanted)));
  }

  it('of every single bit under every single bit', () => {
    for (let i = 0; i < 128; i++) {
      for (let j = 0; j < 128; j++) check(block(1n << BigInt(i)), block(1n << BigInt(j)));
    }
  });

  it('of the ends of the range, and of blocks at random', () => {
    const full = block((1n << 128n) - 1n);
    for (const h of [block(0n), block(1n), block(1n << 127n), full]) {
      for (const one of [block(0n), full, concatBytes(full, full, full)]) check(h, one);
    }
    for (let round = 0; round < 1000; round++) check(randomBytes(16), randomBytes(randomInt(0, 100)));
  });
});

describe.each([128, 256])('beside node:crypto, AES-%i', (bits) => {
  function compare(length: number, aadLength: number): void {
    const [secret, nonce] = [randomBytes(bits / 8), randomBytes(12)];
    const [aad, plaintext] = [randomBytes(aadLength), randomBytes(length)];
    const cipher = createCipheriv(`aes-${bits}-gcm` as 'aes-128-gcm', secret, nonce);
    cipher.setAAD(aad);
    const wanted = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const key = new ShortGcmKey(machine, aes(secret));
    const buffer = new Uint8Array(length + 16 + 7).fill(0xaa);
    buffer.set(plaintext, 3);
    key.sealInPlace(nonce, aad, buffer, 3, 3 + length);
    expect(toHex(buffer.subarray(3, 3 + length + 16))).toBe(toHex(wanted));
    expect([...buffer.subarray(0, 3), ...buffer.subarray(3 + length + 16)]).toEqual(Array(7).fill(0xaa));
    expect(key.open(nonce, aad, wanted)).toEqual(new Uint8Array(plaintext));
    const at = randomInt(0, wanted.length);
    wanted[at] = (wanted[at] as number) ^ (1 << randomInt(0, 8));
    expect(key.open(nonce, aad, wanted)).toBeNull();
    key.destroy();
  }

  it('over every length, with additional data of every length', () => {
    for (let length = 0; length <= LONGEST; length++) compare(length, length % 17);
  });
});

describe('what was changed', () => {
  it('is refused, whichever bit, nonce or additional data', () => {
    const key = new ShortGcmKey(machine, aes(randomBytes(16)));
    const [nonce, aad] = [randomBytes(12), randomBytes(5)];
    for (const length of [0, 1, 16, 37]) {
      const sealed = seal(key, nonce, aad, randomBytes(length));
      expect(key.open(nonce, aad, sealed)).not.toBeNull();
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const changed = sealed.slice();
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(key.open(nonce, aad, changed)).toBeNull();
      }
      expect(key.open(randomBytes(12), aad, sealed)).toBeNull();
      expect(key.open(nonce, randomBytes(5), sealed)).toBeNull();
      expect(key.open(nonce, concatBytes(aad, new Uint8Array(1)), sealed)).toBeNull();
    }
  });
});

describe('secrets', () => {
  it('are gone from the memory after every operation, and the keystream from where it came', () => {
    const memory = machine.bytes;
    const handedOut: Uint8Array[] = [];
    const counters: Uint8Array[] = [];
    const cipher = aes(randomBytes(32));
    const key = new ShortGcmKey(machine, {
      encrypt(blocks) {
        const out = cipher.encrypt(blocks);
        handedOut.push(out);
        counters.push(blocks);
        return out;
      },
      destroy: () => cipher.destroy(),
    });
    const [nonce, aad] = [randomBytes(12), randomBytes(13)];
    const isClean = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
    for (const length of [0, 1, 15, 16, 17, 64, 300, 1000, LONGEST]) {
      const sealed = seal(key, nonce, aad, randomBytes(length));
      expect(isClean(memory)).toBe(true);
      expect(key.open(nonce, aad, sealed)).not.toBeNull();
      expect(isClean(memory)).toBe(true);
      sealed[0] = (sealed[0] as number) ^ 1;
      expect(key.open(nonce, aad, sealed)).toBeNull();
      expect(isClean(memory)).toBe(true);
    }
    const [h, ...keystreams] = handedOut;
    expect(keystreams).toHaveLength(27);
    expect(keystreams.every(isClean)).toBe(true);
    // Of the nonces too: the counters alone stay.
    const nonces = counters.slice(1).map((blocks) => blocks.filter((_, i) => i % 16 < 12));
    expect(nonces.every(isClean)).toBe(true);
    expect(isClean(h as Uint8Array)).toBe(false);
    key.destroy();
    expect(isClean(h as Uint8Array)).toBe(true);
  });
});

describe('the module', () => {
  it('is what the script makes', () => {
    const script = join(import.meta.dirname, '../../../scripts/make-gcm-wasm.mjs');
    execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' });
  });
});
