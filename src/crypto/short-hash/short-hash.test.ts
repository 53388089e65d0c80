import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { concatBytes, fromHex, toHex, utf8 } from '../../util/bytes.ts';
import { Machine } from './machine.ts';
import { H256, INPUT, INPUT_LENGTH } from './module.ts';
import { ShortHash } from './short-hash.ts';

const NAMES = ['sha256', 'sha384', 'sha512'] as const;

function loaded(): ShortHash {
  const short = ShortHash.load();
  if (short === null) throw new Error('no WebAssembly here');
  return short;
}

const short = loaded();

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 4) + length) & 0xff;
  return bytes;
}

describe('the known answers', () => {
  // FIPS 180-4's examples, as NIST publishes them.
  it.each([
    ['sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    [
      'sha256',
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    [
      'sha384',
      'abc',
      'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7',
    ],
    [
      'sha384',
      'abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu',
      '09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039',
    ],
    [
      'sha512',
      'abc',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    ],
  ] as const)('%s of %s', (name, text, wanted) => {
    expect(toHex(short.digest(name, utf8(text)))).toBe(wanted);
  });

  // RFC 4231, cases 1 to 7 (5 is about truncation).
  const aa = 'aa'.repeat(131);
  const long =
    'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.';
  it.each([
    [
      '0b'.repeat(20),
      utf8('Hi There'),
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
      'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6',
    ],
    [
      '4a656665',
      utf8('what do ya want for nothing?'),
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
    ],
    [
      'aa'.repeat(20),
      fromHex('dd'.repeat(50)),
      '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe',
      '88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27',
    ],
    [
      '0102030405060708090a0b0c0d0e0f10111213141516171819',
      fromHex('cd'.repeat(50)),
      '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b',
      '3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb',
    ],
    [
      aa,
      utf8('Test Using Larger Than Block-Size Key - Hash Key First'),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
      '4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952',
    ],
    [
      aa,
      utf8(long),
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
      '6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e',
    ],
  ] as const)('HMAC, RFC 4231, key %s', (key, data, wanted256, wanted384) => {
    expect(toHex(short.hmac('sha256', fromHex(key), data))).toBe(wanted256);
    expect(toHex(short.hmac('sha384', fromHex(key), data))).toBe(wanted384);
    expect(toHex(short.hmacKey('sha256', fromHex(key)).sign(data))).toBe(wanted256);
    expect(toHex(short.hmacKey('sha384', fromHex(key)).sign(data))).toBe(wanted384);
  });

  it('a million times "a"', () => {
    const state = short.createHash('sha384');
    const part = utf8('a'.repeat(1000));
    for (let i = 0; i < 1000; i++) state.update(part);
    expect(toHex(state.peek())).toBe(
      '9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b07b8b3dc38ecc4ebae97ddd87f3d8985',
    );
  });
});

describe.each(NAMES)('%s beside node:crypto', (name) => {
  it('over every length from 0 to 600, with keys of every length too', () => {
    for (let length = 0; length <= 600; length++) {
      const data = pattern(length);
      const key = pattern(length % 300);
      expect(toHex(short.digest(name, data))).toBe(createHash(name).update(data).digest('hex'));
      const mac = createHmac(name, key).update(data).digest('hex');
      expect(toHex(short.hmac(name, key, data))).toBe(mac);
      expect(toHex(short.hmacKey(name, key).sign(data))).toBe(mac);
    }
  });

  it('around the end of its memory, and beyond', () => {
    const sizes = [INPUT_LENGTH - 1, INPUT_LENGTH, INPUT_LENGTH + 1, 0x8000, 0x8001, 200_000];
    for (const size of sizes) {
      const data = pattern(size);
      const wanted = createHash(name).update(data).digest('hex');
      expect(toHex(short.digest(name, data))).toBe(wanted);
      const mac = createHmac(name, 'key').update(data).digest('hex');
      expect(toHex(short.hmac(name, utf8('key'), data))).toBe(mac);
      expect(toHex(short.hmacKey(name, utf8('key')).sign(data))).toBe(mac);
      for (const head of [0, 1, 63, 64, 127, 128, 200]) {
        const state = short.createHash(name);
        state.update(data.subarray(0, head));
        state.update(data.subarray(head));
        expect(toHex(state.peek())).toBe(wanted);
      }
    }
  });

  it('over updates of random lengths, with forks that go their own way', () => {
    let seed = 12345;
    const next = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 60; round++) {
      const mine = short.createHash(name);
      const theirs = createHash(name);
      for (let part = 0; part < 12; part++) {
        const data = pattern(next(400));
        mine.update(data);
        theirs.update(data);
        if (next(3) === 0) {
          const fork = mine.fork();
          fork.update(utf8('aside'));
          expect(toHex(fork.peek())).toBe(theirs.copy().update('aside').digest('hex'));
        }
        expect(toHex(mine.peek())).toBe(theirs.copy().digest('hex'));
      }
    }
  });
});

describe('secrets', () => {
  /** A ShortHash whose machine can be looked into. */
  function open(): { hash: ShortHash; memory: Uint8Array; tables: string } {
    let machine: Machine | null = null;
    const original = Machine.instantiate.bind(Machine);
    const spy = vi.spyOn(Machine, 'instantiate').mockImplementation(() => {
      machine = original();
      return machine;
    });
    const hash = loaded();
    spy.mockRestore();
    const memory = (machine as unknown as Machine).bytes;
    return { hash, memory, tables: toHex(memory.subarray(H256 - 256, INPUT)) };
  }

  it('are gone from the memory after every operation', () => {
    const { hash, memory, tables } = open();
    const clean = (): void => {
      expect(memory.subarray(0, H256 - 256).every((byte) => byte === 0)).toBe(true);
      expect(memory.subarray(INPUT).every((byte) => byte === 0)).toBe(true);
      expect(toHex(memory.subarray(H256 - 256, INPUT))).toBe(tables);
    };
    clean();
    for (const name of NAMES) {
      for (const length of [0, 1, 32, 55, 56, 64, 100, 111, 112, 128, 129, 300, 5000, 40_000, 70_000]) {
        const data = pattern(length);
        hash.digest(name, data);
        clean();
        hash.hmac(name, data, data);
        clean();
        const key = hash.hmacKey(name, data);
        clean();
        key.sign(data);
        clean();
        const state = hash.createHash(name);
        state.update(data);
        clean();
        state.update(utf8('more'));
        state.peek();
        clean();
      }
    }
  });

  it('are gone from a destroyed key', () => {
    const key = short.hmacKey('sha256', utf8('key'));
    key.destroy();
    key.destroy();
    expect(() => key.sign(utf8('data'))).toThrow(TypeError);
  });
});

describe('the module', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('is what the script makes', () => {
    const script = join(import.meta.dirname, '../../../scripts/make-hash-wasm.mjs');
    execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' });
  });

  it('is done without where there is no WebAssembly', () => {
    vi.stubGlobal('WebAssembly', undefined);
    expect(ShortHash.load()).toBeNull();
    vi.stubGlobal('WebAssembly', {
      Module: class {
        constructor() {
          throw new EvalError('forbidden');
        }
      },
    });
    expect(ShortHash.load()).toBeNull();
  });

  it('keeps two instances apart', () => {
    const other = loaded();
    const one = short.createHash('sha384');
    const two = other.createHash('sha384');
    one.update(utf8('a'));
    two.update(utf8('b'));
    one.update(concatBytes(utf8('c'), pattern(200)));
    expect(toHex(one.peek())).toBe(createHash('sha384').update('ac').update(pattern(200)).digest('hex'));
    expect(toHex(two.peek())).toBe(createHash('sha384').update('b').digest('hex'));
  });
});
