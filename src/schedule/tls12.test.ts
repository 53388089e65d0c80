import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../crypto/node/index.ts';
import { concatBytes, fromHex, toHex, utf8 } from '../util/bytes.ts';
import type { ScheduleHash } from './hkdf.ts';
import { MasterSecret12, prf } from './tls12.ts';

/** The vectors that the IETF's TLS working group passed around when TLS 1.2 was new. */
const PRF_VECTORS: readonly (readonly [ScheduleHash, string, string, string])[] = [
  [
    'sha256',
    '9bbe436ba940f017b17652849a71db35',
    'a0ba9f936cda311827a6f796ffd5198c',
    'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7' +
      '077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66',
  ],
  [
    'sha384',
    'b80b733d6ceefcdc71566ea48e5567df',
    'cd665cf6a8447dd6ff8b27555edb7465',
    '7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0e534cb40' +
      '0fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d9184259b5bf8cd4d90fa0d' +
      '31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e0990703d73e56f',
  ],
];

const CLIENT_RANDOM = new Uint8Array(32).fill(1);
const SERVER_RANDOM = new Uint8Array(32).fill(2);
const PREMASTER = new Uint8Array(32).fill(3);

/** P_hash written the other way round: all blocks by the definition, then cut. */
function slowPrf(hash: ScheduleHash, secret: Uint8Array, label: string, seed: Uint8Array, length: number) {
  const full = concatBytes(utf8(label), seed);
  const a = [full];
  const blocks: Uint8Array[] = [];
  for (let i = 1; blocks.length * 32 < length + 64; i++) {
    a.push(nodeProvider.hmac(hash, secret, a[i - 1] as Uint8Array));
    blocks.push(nodeProvider.hmac(hash, secret, concatBytes(a[i] as Uint8Array, full)));
  }
  return toHex(concatBytes(...blocks).subarray(0, length));
}

describe('the TLS 1.2 PRF', () => {
  it.each(PRF_VECTORS)('gives the known output with %s', (hash, secret, seed, wanted) => {
    const key = nodeProvider.hmacKey(hash, fromHex(secret));
    expect(toHex(prf(key, utf8('test label'), fromHex(seed), wanted.length / 2))).toBe(wanted);
  });

  it('cuts at any length', () => {
    const key = nodeProvider.hmacKey('sha256', PREMASTER);
    for (let length = 0; length <= 100; length++) {
      const out = toHex(prf(key, utf8('label'), CLIENT_RANDOM, length));
      expect(out).toBe(slowPrf('sha256', PREMASTER, 'label', CLIENT_RANDOM, length));
    }
  });
});

describe('MasterSecret12', () => {
  it('is made of the premaster secret and the randoms, or of the session hash', () => {
    const plain = MasterSecret12.fromPremaster(
      nodeProvider,
      'sha256',
      PREMASTER,
      CLIENT_RANDOM,
      SERVER_RANDOM,
    );
    const seed = concatBytes(CLIENT_RANDOM, SERVER_RANDOM);
    expect(toHex(plain.bytes())).toBe(slowPrf('sha256', PREMASTER, 'master secret', seed, 48));
    const sessionHash = nodeProvider.digest('sha384', utf8('messages'));
    const extended = MasterSecret12.extended(nodeProvider, 'sha384', PREMASTER, sessionHash);
    expect(toHex(extended.bytes())).toBe(
      slowPrf('sha384', PREMASTER, 'extended master secret', sessionHash, 48),
    );
  });

  it.each([
    ['aes-128-gcm', 16, 4],
    ['aes-256-gcm', 32, 4],
    ['chacha20-poly1305', 32, 12],
  ] as const)(
    'cuts the key block of %s into keys and IVs, server random first',
    (aead, keyLength, ivLength) => {
      const raw: string[] = [];
      const provider = {
        ...nodeProvider,
        aeadKey: (name: typeof aead, key: Uint8Array) => {
          raw.push(toHex(key));
          return nodeProvider.aeadKey(name, key);
        },
      } as typeof nodeProvider;
      const bytes = new Uint8Array(48).fill(9);
      const master = MasterSecret12.resume(provider, 'sha256', bytes);
      const { client, server } = master.keys(aead, CLIENT_RANDOM, SERVER_RANDOM);
      const seed = concatBytes(SERVER_RANDOM, CLIENT_RANDOM);
      const block = slowPrf('sha256', bytes, 'key expansion', seed, 2 * (keyLength + ivLength));
      expect(raw.join('') + toHex(client.iv) + toHex(server.iv)).toBe(block);
      expect(raw[0]?.length).toBe(2 * keyLength);
      // In memory of their own: the block is wiped.
      expect(client.iv.buffer.byteLength).toBe(ivLength);
    },
  );

  it('signs Finished by the sender', () => {
    const bytes = new Uint8Array(48).fill(9);
    const master = MasterSecret12.resume(nodeProvider, 'sha256', bytes);
    const hash = nodeProvider.digest('sha256', utf8('messages'));
    expect(toHex(master.verifyData('client', hash))).toBe(
      slowPrf('sha256', bytes, 'client finished', hash, 12),
    );
    expect(toHex(master.verifyData('server', hash))).toBe(
      slowPrf('sha256', bytes, 'server finished', hash, 12),
    );
  });

  it('exports without a context, with an empty one and with one, all different (RFC 5705)', () => {
    const bytes = new Uint8Array(48).fill(9);
    const master = MasterSecret12.resume(nodeProvider, 'sha256', bytes);
    const randoms = concatBytes(CLIENT_RANDOM, SERVER_RANDOM);
    const run = (context: Uint8Array | null) =>
      toHex(master.export('EXPERIMENTAL x', context, 50, CLIENT_RANDOM, SERVER_RANDOM));
    expect(run(null)).toBe(slowPrf('sha256', bytes, 'EXPERIMENTAL x', randoms, 50));
    expect(run(new Uint8Array(0))).toBe(
      slowPrf('sha256', bytes, 'EXPERIMENTAL x', concatBytes(randoms, Uint8Array.of(0, 0)), 50),
    );
    expect(run(new Uint8Array(258))).toBe(
      slowPrf(
        'sha256',
        bytes,
        'EXPERIMENTAL x',
        concatBytes(randoms, Uint8Array.of(1, 2), new Uint8Array(258)),
        50,
      ),
    );
    expect(() => master.export('x', new Uint8Array(65536), 1, CLIENT_RANDOM, SERVER_RANDOM)).toThrow(
      RangeError,
    );
  });

  it('copies what it is given, refuses other lengths, logs, and is gone after destroy', () => {
    const bytes = new Uint8Array(48).fill(9);
    const master = MasterSecret12.resume(nodeProvider, 'sha256', bytes);
    bytes.fill(0);
    expect(toHex(master.bytes())).toBe('09'.repeat(48));
    let logged: Uint8Array | null = null;
    master.log((label, secret) => {
      expect([label, toHex(secret)]).toEqual(['CLIENT_RANDOM', '09'.repeat(48)]);
      logged = secret;
    });
    expect(logged).toEqual(new Uint8Array(48));
    expect(() => MasterSecret12.resume(nodeProvider, 'sha256', new Uint8Array(47))).toThrow(RangeError);
    master.destroy();
    expect(() => master.bytes()).toThrow(TypeError);
    expect(() => master.verifyData('client', bytes)).toThrow(TypeError);
  });
});
