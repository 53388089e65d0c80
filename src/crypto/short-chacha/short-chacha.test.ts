import { execFileSync } from 'node:child_process';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { concatBytes, fromHex, toHex, utf8 } from '../../util/bytes.ts';
import { LONGEST_AAD } from '../short-aead.ts';
import { instantiate } from '../web-assembly.ts';
import { Machine } from './machine.ts';
import { AAD, BLOCKS, COUNTER, DIFFERENCE, INPUT, INPUT_LENGTH, KEY, MODULE, NONCE, TAG } from './module.ts';
import { LONGEST, ShortChaChaKey } from './short-chacha.ts';

/** Keys of one machine. */
function keysOf(machine: Machine): { key(bytes: Uint8Array): ShortChaChaKey } {
  return { key: (bytes) => new ShortChaChaKey(machine, bytes) };
}

const short = keysOf(Machine.instantiate());

/** Numbers that are the same in every run. */
function numbers(seed: number): { below(limit: number): number; bytes(length: number): Uint8Array } {
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return { below, bytes: (length) => Uint8Array.from({ length }, () => below(256)) };
}

/** What `key` makes of `plaintext`: ciphertext and tag. */
function sealed(key: ShortChaChaKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const buffer = new Uint8Array(plaintext.length + 16);
  buffer.set(plaintext);
  key.sealInPlace(nonce, aad, buffer, 0, plaintext.length);
  return buffer;
}

const OPTIONS = { authTagLength: 16 };

function sealedByNode(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, OPTIONS);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return concatBytes(ciphertext, cipher.getAuthTag());
}

/** The module itself. */
function raw() {
  const run = instantiate(MODULE) as {
    readonly memory: { readonly buffer: ArrayBuffer };
    blocks(end: number): void;
    poly1305(at: number, end: number): void;
    seal(aad: number, length: number): void;
    open(aad: number, length: number): void;
    wipe(length: number): void;
  };
  return { run, memory: new Uint8Array(run.memory.buffer) };
}

describe('the known answers', () => {
  const { run, memory } = raw();

  it('ChaCha20, RFC 8439 2.3.2 and the first of A.1', () => {
    const block = (key: Uint8Array, counter: number, nonce: Uint8Array) => {
      memory.set(key, KEY);
      memory[COUNTER] = counter;
      memory.set(nonce, NONCE);
      run.blocks(BLOCKS + 1);
      const made = toHex(memory.subarray(BLOCKS, BLOCKS + 64));
      run.wipe(0);
      return made;
    };
    const key = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(block(key, 1, fromHex('000000090000004a00000000'))).toBe(
      '10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4ed2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e',
    );
    expect(block(new Uint8Array(32), 0, new Uint8Array(12))).toBe(
      '76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586',
    );
  });

  // Those of RFC 8439 A.3 that are whole blocks: what fails where words are carried, reduced or added wrongly.
  const one = `01${'00'.repeat(15)}`;
  const two = `02${'00'.repeat(15)}`;
  const none = '00'.repeat(16);
  const all = 'ff'.repeat(16);
  it.each([
    ['nothing', none + none, '00'.repeat(64), none],
    ['a sum of 2^130 - 2', two + none, all, `03${'00'.repeat(15)}`],
    ['an addition of s beyond 2^128', two + all, two, `03${'00'.repeat(15)}`],
    [
      'a carry into a word of ones',
      one + none,
      `${all}f0${'ff'.repeat(15)}11${'00'.repeat(15)}`,
      `05${'00'.repeat(15)}`,
    ],
    ['a sum of the prime', one + none, `${all}fb${'fe'.repeat(15)}${'01'.repeat(16)}`, none],
    ['a sum of the prime less one', two + none, `fd${'ff'.repeat(15)}`, `fa${'ff'.repeat(15)}`],
    [
      'a sum of 131 bits on the way',
      `01000000000000000400000000000000${none}`,
      `e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000`,
      `14000000000000005500000000000000`,
    ],
    [
      'a sum of 131 bits at the end',
      `01000000000000000400000000000000${none}`,
      `e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000`,
      `13${'00'.repeat(15)}`,
    ],
  ])('Poly1305, %s', (_, key, data, tag) => {
    expect(toHex(mac(run, memory, fromHex(key), fromHex(data)))).toBe(tag);
    expect(toHex(macByHand(fromHex(key), fromHex(data)))).toBe(tag);
  });

  it('the AEAD, RFC 8439 2.8.2', () => {
    const key = short.key(Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i));
    const nonce = fromHex('070000004041424344454647');
    const aad = fromHex('50515253c0c1c2c3c4c5c6c7');
    const plaintext = utf8(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    );
    const wanted =
      'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116' +
      '1ae10b594f09e26a7e902ecbd0600691';
    expect(toHex(sealed(key, nonce, aad, plaintext))).toBe(wanted);
    expect(key.open(nonce, aad, fromHex(wanted))).toEqual(plaintext);
  });

  it('the AEAD, RFC 8439 A.5', () => {
    const key = short.key(fromHex('1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0'));
    const nonce = fromHex('000000000102030405060708');
    const aad = fromHex('f33388860000000000004e91');
    const wanted = fromHex(
      '64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b' +
        'eead9d67890cbb22392336fea1851f38',
    );
    const plaintext = utf8(
      'Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted by other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them other than as /\u201cwork in progress./\u201d',
    );
    expect(key.open(nonce, aad, wanted)).toEqual(plaintext);
    expect(sealed(key, nonce, aad, plaintext)).toEqual(wanted);
  });
});

const PRIME = 2n ** 130n - 5n;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((all, byte) => (all << 8n) | BigInt(byte), 0n);
}

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

const clamped = (key: Uint8Array): bigint =>
  littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;

/** Poly1305's sum over whole blocks, as the RFC's text has it. */
function sumByHand(r: bigint, data: Uint8Array): bigint {
  let sum = 0n;
  for (let at = 0; at < data.length; at += 16) {
    sum = ((sum + littleEndian(data.subarray(at, at + 16)) + 2n ** 128n) * r) % PRIME;
  }
  return sum;
}

function macByHand(key: Uint8Array, data: Uint8Array): Uint8Array {
  return bytesOf(sumByHand(clamped(key), data) + littleEndian(key.subarray(16)));
}

function mac(
  run: ReturnType<typeof raw>['run'],
  memory: Uint8Array,
  key: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  memory.set(key, BLOCKS);
  memory.set(data, INPUT);
  run.poly1305(INPUT, INPUT + data.length);
  const tag = memory.slice(TAG, TAG + 16);
  run.wipe(data.length);
  return tag;
}

describe('Poly1305 beside its definition', () => {
  const { run, memory } = raw();

  it('over blocks and keys of many ones and zeros', () => {
    const { below, bytes } = numbers(1);
    const piece = (): Uint8Array => {
      const fill = [0x00, 0xff, 0xfe, 0x01, 0xfb][below(5)] as number;
      switch (below(4)) {
        case 0:
          return bytes(16);
        case 1:
          return new Uint8Array(16).fill(fill);
        case 2:
          return new Uint8Array(16).fill(fill).fill(0xff, below(16));
        default: {
          const ones = new Uint8Array(16).fill(0xff);
          ones[below(16)] = fill;
          return ones;
        }
      }
    };
    for (let round = 0; round < 4000; round++) {
      const key = concatBytes(piece(), piece());
      const data = concatBytes(...Array.from({ length: 1 + below(9) }, piece));
      expect(toHex(mac(run, memory, key, data))).toBe(toHex(macByHand(key, data)));
    }
  });

  it('over the largest key and blocks, as many as fit', () => {
    const key = new Uint8Array(32).fill(0xff);
    for (const length of [16, 32, 48, 1024, INPUT_LENGTH]) {
      const data = new Uint8Array(length).fill(0xff);
      expect(toHex(mac(run, memory, key, data))).toBe(toHex(macByHand(key, data)));
    }
  });

  it('where the sum is 0 to 5 once the prime has been taken from it', () => {
    const { bytes } = numbers(2);
    const power = (base: bigint, exponent: bigint): bigint => {
      let result = 1n;
      for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % PRIME) {
        if (rest & 1n) result = (result * square) % PRIME;
      }
      return result;
    };
    let found = 0;
    while (found < 60) {
      const key = bytes(32);
      const r = clamped(key);
      const data = bytes(48);
      // The last block that makes the sum so: there is one where this is from 2^128 to 2^129.
      const target = BigInt(found % 6);
      const block = (target * power(r, PRIME - 2n) - sumByHand(r, data) + 2n * PRIME) % PRIME;
      if (block >> 128n !== 1n) continue;
      const whole = concatBytes(data, bytesOf(block));
      expect(sumByHand(r, whole)).toBe(target);
      expect(toHex(mac(run, memory, key, whole))).toBe(toHex(macByHand(key, whole)));
      found++;
    }
  });
});

describe('beside node:crypto', () => {
  it('over every length', () => {
    const { bytes } = numbers(3);
    for (let length = 0; length <= LONGEST; length++) {
      const keyBytes = bytes(32);
      const key = short.key(keyBytes);
      const nonce = bytes(12);
      const aad = bytes(length % (LONGEST_AAD + 1));
      const plaintext = bytes(length);
      const wanted = sealedByNode(keyBytes, nonce, aad, plaintext);
      expect(toHex(sealed(key, nonce, aad, plaintext))).toBe(toHex(wanted));
      expect(toHex(key.open(nonce, aad, wanted) ?? new Uint8Array(1))).toBe(toHex(plaintext));
    }
  });

  it('with additional data of every length, also after longer ones', () => {
    const { bytes } = numbers(4);
    const keyBytes = bytes(32);
    const key = short.key(keyBytes);
    for (let size = LONGEST_AAD; size >= 0; size--) {
      const [nonce, aad, plaintext] = [bytes(12), bytes(size), bytes(80 + size)];
      const wanted = sealedByNode(keyBytes, nonce, aad, plaintext);
      expect(sealed(key, nonce, aad, plaintext)).toEqual(wanted);
      expect(key.open(nonce, aad, wanted)).toEqual(plaintext);
    }
  });

  it('over ciphertexts of ones and zeros', () => {
    const { below, bytes } = numbers(5);
    for (let round = 0; round < 1000; round++) {
      const [keyBytes, nonce, aad] = [bytes(32), bytes(12), bytes(below(LONGEST_AAD + 1))];
      const ciphertext = new Uint8Array(below(200)).fill(below(2) * 0xff).fill(0xff, below(200));
      // A stream cipher makes the plaintext of a ciphertext by encrypting it.
      const plaintext = sealedByNode(keyBytes, nonce, aad, ciphertext).subarray(0, -16);
      const wanted = sealedByNode(keyBytes, nonce, aad, plaintext);
      expect(wanted.subarray(0, -16)).toEqual(ciphertext);
      const key = short.key(keyBytes);
      expect(toHex(sealed(key, nonce, aad, plaintext))).toBe(toHex(wanted));
      expect(key.open(nonce, aad, wanted)).toEqual(plaintext);
    }
  });

  it('in the middle of a buffer, of which nothing else changes', () => {
    const { bytes } = numbers(6);
    const [keyBytes, nonce, aad] = [bytes(32), bytes(12), bytes(5)];
    for (const length of [0, 1, 15, 16, 17, 64, 200]) {
      const buffer = bytes(length + 60);
      const before = buffer.slice();
      const wanted = sealedByNode(keyBytes, nonce, aad, buffer.slice(21, 21 + length));
      short.key(keyBytes).sealInPlace(nonce, aad, buffer, 21, 21 + length);
      expect(buffer.subarray(21, 37 + length)).toEqual(wanted);
      expect(buffer.subarray(0, 21)).toEqual(before.subarray(0, 21));
      expect(buffer.subarray(37 + length)).toEqual(before.subarray(37 + length));
      const came = buffer.slice();
      const opened = short.key(keyBytes).open(nonce, aad, came.subarray(21, 37 + length));
      expect(opened).toEqual(before.slice(21, 21 + length));
      expect(opened?.buffer.byteLength).toBe(length);
      expect(came).toEqual(buffer);
    }
  });

  it('which opens what is sealed here', () => {
    const { bytes } = numbers(7);
    const [keyBytes, nonce, aad, plaintext] = [bytes(32), bytes(12), bytes(13), bytes(333)];
    const record = sealed(short.key(keyBytes), nonce, aad, plaintext);
    const decipher = createDecipheriv('chacha20-poly1305', keyBytes, nonce, OPTIONS);
    decipher.setAAD(aad, { plaintextLength: plaintext.length });
    decipher.setAuthTag(record.subarray(-16));
    expect(new Uint8Array(decipher.update(record.subarray(0, -16)))).toEqual(plaintext);
    decipher.final();
  });
});

describe('what is not right', () => {
  const { bytes } = numbers(8);
  const [keyBytes, nonce, aad] = [bytes(32), bytes(12), bytes(5)];
  const key = short.key(keyBytes);

  it.each([0, 1, 16, 31, 64, 100])('is refused by every bit, at %i bytes', (length) => {
    const record = sealed(key, nonce, aad, bytes(length));
    for (const part of [record, nonce, aad]) {
      for (let bit = 0; bit < 8 * part.length; bit++) {
        const at = bit >> 3;
        const good = part[at] as number;
        part[at] = good ^ (1 << (bit & 7));
        expect(key.open(nonce, aad, record)).toBeNull();
        part[at] = good;
      }
    }
    expect(key.open(nonce, aad, record)).not.toBeNull();
  });

  it('is refused where zeros are added to the message or the additional data, or taken away', () => {
    const record = sealed(key, nonce, aad, bytes(20));
    const longer = concatBytes(record.subarray(0, 20), new Uint8Array(1), record.subarray(20));
    expect(key.open(nonce, aad, longer)).toBeNull();
    expect(key.open(nonce, concatBytes(aad, new Uint8Array(1)), record)).toBeNull();
    const withZero = sealed(key, nonce, Uint8Array.of(1, 0), bytes(20));
    expect(key.open(nonce, Uint8Array.of(1), withZero)).toBeNull();
  });

  it('is not decrypted', () => {
    const { run, memory } = raw();
    for (const length of [1, 64, 100, 300]) {
      const plaintext = utf8('plain text '.repeat(30)).subarray(0, length);
      const record = sealedByNode(keyBytes, nonce, aad, plaintext);
      const bring = (): void => {
        memory.set(keyBytes, KEY);
        memory.set(nonce, NONCE);
        memory.set(aad, AAD);
        memory.set(record, INPUT);
      };
      for (const at of [0, length - 1, length, length + 7, length + 8, length + 15]) {
        record[at] = (record[at] as number) ^ 0x80;
        bring();
        run.open(aad.length, length);
        expect(memory.subarray(INPUT, INPUT + length)).toEqual(record.subarray(0, length));
        expect(memory.subarray(DIFFERENCE, DIFFERENCE + 16).some((byte) => byte !== 0)).toBe(true);
        run.wipe(length);
        record[at] = (record[at] as number) ^ 0x80;
      }
      bring();
      run.open(aad.length, length);
      expect(memory.subarray(INPUT, INPUT + length)).toEqual(plaintext);
      run.wipe(length);
    }
  });
});

describe('secrets', () => {
  it('are gone from the memory after every operation', () => {
    const machine = Machine.instantiate();
    const zeros = new Uint8Array(machine.bytes.length);
    const clean = (): void => expect(Buffer.compare(machine.bytes, zeros)).toBe(0);
    clean();
    const { bytes } = numbers(9);
    const lengths = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 191, 192, 193, 320, 321, 1000];
    for (let short = 70; short >= 0; short--) lengths.push(LONGEST - short);
    for (const length of lengths) {
      const [nonce, aad] = [bytes(12), bytes(length % (LONGEST_AAD + 1))];
      const key = keysOf(machine).key(bytes(32));
      clean();
      const record = sealed(key, nonce, aad, bytes(length));
      clean();
      expect(key.open(nonce, aad, record)).not.toBeNull();
      clean();
      record[length] = (record[length] as number) ^ 1;
      expect(key.open(nonce, aad, record)).toBeNull();
      clean();
    }
  });

  it('are gone from a destroyed key, and are not taken from the caller', () => {
    const machine = Machine.instantiate();
    const given = numbers(10).bytes(32);
    const key = keysOf(machine).key(given);
    const prepare = vi.spyOn(machine, 'prepare');
    sealed(key, new Uint8Array(12), Uint8Array.of(1), Uint8Array.of(2));
    const kept = prepare.mock.lastCall?.[0] as Int32Array;
    expect(new Uint8Array(kept.buffer)).toEqual(given);
    key.destroy();
    key.destroy();
    expect(kept.every((word) => word === 0)).toBe(true);
    expect(given).toEqual(numbers(10).bytes(32));
  });

  it('are those of the key, whatever becomes of the bytes it was made of', () => {
    const given = numbers(11).bytes(32);
    const [nonce, aad, text] = [new Uint8Array(12), Uint8Array.of(1), utf8('text')];
    const wanted = sealedByNode(given, nonce, aad, text);
    const key = short.key(given);
    given.fill(0);
    expect(sealed(key, nonce, aad, text)).toEqual(wanted);
  });
});

describe('the module', () => {
  it('is what the script makes', () => {
    const script = join(import.meta.dirname, '../../../scripts/make-chacha-wasm.mjs');
    execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' });
  });

  it('keeps two instances, and two keys of one, apart', () => {
    const other = keysOf(Machine.instantiate());
    const { bytes } = numbers(12);
    const keyBytes = [bytes(32), bytes(32), bytes(32)] as const;
    const keys = [short.key(keyBytes[0]), other.key(keyBytes[1]), other.key(keyBytes[2])] as const;
    const [nonce, aad] = [bytes(12), bytes(13)];
    for (let round = 0; round < 30; round++) {
      const plaintext = bytes(10 * round);
      const records = keys.map((key) => sealed(key, nonce, aad, plaintext));
      keys.forEach((key, i) => {
        expect(records[i]).toEqual(sealedByNode(keyBytes[i] as Uint8Array, nonce, aad, plaintext));
        expect(records.map((record) => key.open(nonce, aad, record) !== null)).toEqual(
          keys.map((_, j) => i === j),
        );
      });
    }
    keys[1].destroy();
    const record = sealed(keys[0], nonce, aad, utf8('text'));
    expect(keys[0].open(nonce, aad, record)).toEqual(utf8('text'));
  });
});
