/**
 * What every CryptoProvider must do, whatever it is made of. node:crypto serves as the oracle for hashes,
 * signatures and ciphers; the vectors of Wycheproof and the RFCs are in tests/vectors.
 */
import * as crypto from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import { fromHex, toHex, utf8 } from '../../src/util/bytes.ts';
import {
  type AeadName,
  aeadKeyLength,
  aeadTagLength,
  groupName,
  type HashName,
  NamedGroup,
  SignatureScheme,
} from '../../src/util/registries.ts';

const HASHES: readonly HashName[] = ['sha1', 'sha256', 'sha384', 'sha512'];
const AEADS: readonly AeadName[] = [
  'aes-128-gcm',
  'aes-256-gcm',
  'chacha20-poly1305',
  'aes-128-ccm',
  'aes-128-ccm-8',
];

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 17 + (i >> 3)) & 0xff;
  return bytes;
}

function expectPlain(bytes: Uint8Array): void {
  expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
}

function oracleHash(name: HashName, data: Uint8Array): string {
  return crypto.createHash(name).update(data).digest('hex');
}

function oracleHmac(name: HashName, key: Uint8Array, data: Uint8Array): string {
  return crypto.createHmac(name, key).update(data).digest('hex');
}

function describeHashes(provider: CryptoProvider): void {
  describe.each(HASHES)('%s', (name) => {
    it('digests every length from 0 to 300', () => {
      for (let length = 0; length <= 300; length++) {
        const data = pattern(length, length);
        const digest = provider.digest(name, data);
        expect(toHex(digest)).toBe(oracleHash(name, data));
        if (length === 0) expectPlain(digest);
      }
    });

    it('runs over parts of every length, with peeks that change nothing', () => {
      for (const step of [1, 3, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000]) {
        const data = pattern(2500, step);
        const state = provider.createHash(name);
        for (let at = 0; at < data.length; at += step) {
          state.update(data.subarray(at, at + step));
          if (at % (7 * step) === 0) {
            expect(toHex(state.peek())).toBe(oracleHash(name, data.subarray(0, at + step)));
          }
        }
        expect(toHex(state.peek())).toBe(oracleHash(name, data));
        expect(toHex(state.peek())).toBe(oracleHash(name, data));
      }
    });

    it('peeks before anything was hashed', () => {
      expect(toHex(provider.createHash(name).peek())).toBe(oracleHash(name, new Uint8Array(0)));
    });

    it('forks into independent states', () => {
      const state = provider.createHash(name);
      state.update(utf8('common'));
      const fork = state.fork();
      state.update(utf8('left'));
      fork.update(utf8('right'));
      expect(toHex(state.peek())).toBe(oracleHash(name, utf8('commonleft')));
      expect(toHex(fork.peek())).toBe(oracleHash(name, utf8('commonright')));
    });

    it('borrows its input: later changes do not reach the digest', () => {
      const data = pattern(40, 1);
      const wanted = oracleHash(name, data);
      const state = provider.createHash(name);
      state.update(data);
      data.fill(0xee);
      expect(toHex(state.peek())).toBe(wanted);
    });

    it('signs HMACs with keys of every length around the block, over every length from 0 to 300', () => {
      for (const keyLength of [0, 1, 16, 20, 32, 48, 63, 64, 65, 100, 127, 128, 129, 200]) {
        const secret = pattern(keyLength, keyLength);
        const key = provider.hmacKey(name, secret);
        for (let length = 0; length <= 300; length += keyLength === 32 ? 1 : 29) {
          const data = pattern(length, length);
          const wanted = oracleHmac(name, secret, data);
          expect(toHex(key.sign(data))).toBe(wanted);
          expect(toHex(provider.hmac(name, secret, data))).toBe(wanted);
        }
        key.destroy();
        expect(() => key.sign(utf8('x'))).toThrow(TypeError);
      }
    });

    it('keeps its own copy of an HMAC key', () => {
      const secret = pattern(32, 9);
      const wanted = oracleHmac(name, secret, utf8('data'));
      const key = provider.hmacKey(name, secret);
      secret.fill(0);
      expect(toHex(key.sign(utf8('data')))).toBe(wanted);
    });

    it('hashes a long input', () => {
      const data = pattern(100_000, 5);
      expect(toHex(provider.digest(name, data))).toBe(oracleHash(name, data));
      expect(toHex(provider.hmac(name, pattern(32, 1), data))).toBe(oracleHmac(name, pattern(32, 1), data));
    });
  });

  it('gives digests that belong to the caller', () => {
    const first = provider.digest('sha256', utf8('a'));
    const copy = toHex(first);
    const second = provider.digest('sha256', utf8('b'));
    second.fill(0);
    expect(toHex(first)).toBe(copy);
    first.fill(0);
    expect(toHex(provider.digest('sha256', utf8('a')))).toBe(copy);
  });
}

function describeAeads(provider: CryptoProvider): void {
  describe.each(AEADS.filter((aead) => provider.supportsAead(aead)))('%s', (aead) => {
    const secret = pattern(aeadKeyLength(aead), 3);
    const tag = aeadTagLength(aead);
    const isCcm = aead.includes('-ccm');
    const nonce = pattern(12, 4);
    const aad = pattern(5, 5);

    it('seals in place as node:crypto does, and opens', () => {
      for (const length of [isCcm ? 2 : 0, 1, 15, 16, 17, 64, 255, 1000, 2100, 16_385]) {
        const plaintext = pattern(length, length);
        const name = aead.replace('-ccm-8', '-ccm') as 'aes-128-ccm';
        const cipher = crypto.createCipheriv(name, secret, nonce, { authTagLength: tag });
        cipher.setAAD(aad, { plaintextLength: length });
        const wanted = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);

        // A provider may go another way from a key's second message on.
        const key = provider.aeadKey(aead, secret);
        for (let time = 0; time < 3; time++) {
          const buffer = new Uint8Array(length + tag + 9).fill(0xaa);
          buffer.set(plaintext, 5);
          key.sealInPlace(nonce, aad, buffer, 5, 5 + length);
          expect(Buffer.compare(buffer.subarray(5, 5 + tag + length), wanted)).toBe(0);
          expect([...buffer.subarray(0, 5), ...buffer.subarray(5 + tag + length)]).toEqual(
            Array(9).fill(0xaa),
          );

          const opened = key.open(nonce, aad, wanted);
          if (opened === null) throw new Error('did not open');
          expectPlain(opened);
          expect(Buffer.compare(opened, plaintext)).toBe(0);
        }
      }
    });

    it('refuses any changed byte, nonce or additional data, and what is too short', () => {
      const key = provider.aeadKey(aead, secret);
      const sealed = new Uint8Array(20 + tag);
      sealed.set(pattern(20, 1));
      key.sealInPlace(nonce, aad, sealed, 0, 20);
      expect(key.open(nonce, aad, sealed)).not.toBeNull();
      for (let i = 0; i < sealed.length; i++) {
        const changed = sealed.slice();
        changed[i] = (changed[i] as number) ^ 1;
        expect(key.open(nonce, aad, changed)).toBeNull();
      }
      expect(key.open(pattern(12, 5), aad, sealed)).toBeNull();
      expect(key.open(nonce, pattern(5, 6), sealed)).toBeNull();
      for (let length = 0; length < sealed.length; length++) {
        expect(key.open(nonce, aad, sealed.subarray(0, length))).toBeNull();
      }
    });

    it('copies its key, refuses bad lengths, and is gone after destroy', () => {
      const own = secret.slice();
      const key = provider.aeadKey(aead, own);
      own.fill(0);
      const sealed = new Uint8Array(1 + tag);
      key.sealInPlace(nonce, aad, sealed, 0, 1);
      expect(provider.aeadKey(aead, secret).open(nonce, aad, sealed)).toEqual(Uint8Array.of(0));
      expect(() => provider.aeadKey(aead, secret.subarray(1))).toThrow(RangeError);
      expect(() => key.sealInPlace(nonce, aad, new Uint8Array(tag), 0, 1)).toThrow(RangeError);
      if (isCcm) expect(() => key.sealInPlace(nonce, aad, sealed, 0, 0)).toThrow(RangeError);
      expect(() => key.sealInPlace(nonce.subarray(1), aad, sealed, 0, 1)).toThrow(RangeError);
      key.destroy();
      expect(() => key.open(nonce, aad, sealed)).toThrow(TypeError);
    });
  });

  it('encrypts and decrypts AES-CBC with both key lengths', () => {
    const iv = pattern(16, 8);
    for (const keyLength of [16, 32]) {
      const key = pattern(keyLength, 7);
      for (const length of [0, 1, 15, 16, 17, 500]) {
        const plaintext = pattern(length, length);
        const cipher = crypto.createCipheriv(`aes-${keyLength * 8}-cbc`, key, iv);
        const wanted = Buffer.concat([cipher.update(plaintext), cipher.final()]);
        expect(Buffer.compare(provider.cbcEncrypt(key, iv, plaintext), wanted)).toBe(0);
        const opened = provider.cbcDecrypt(key, iv, wanted);
        expect(opened === null ? null : toHex(opened)).toBe(toHex(plaintext));
      }
      const sealed = provider.cbcEncrypt(key, iv, pattern(20, 1));
      expect(provider.cbcDecrypt(key, iv, sealed.subarray(0, 17))).toBeNull();
      sealed[sealed.length - 17] = (sealed[sealed.length - 17] as number) ^ 0x80;
      expect(provider.cbcDecrypt(key, iv, sealed)).toBeNull();
    }
    expect(() => provider.cbcEncrypt(pattern(24, 1), iv, pattern(1, 1))).toThrow(RangeError);
    expect(() => provider.cbcEncrypt(pattern(16, 1), iv.subarray(1), pattern(1, 1))).toThrow(RangeError);
  });
}

/** Lengths of the client's share, the server's, and the secret. */
const LENGTHS: ReadonlyMap<number, readonly [number, number, number]> = new Map([
  [NamedGroup.x25519, [32, 32, 32]],
  [NamedGroup.secp256r1, [65, 65, 32]],
  [NamedGroup.secp384r1, [97, 97, 48]],
  [NamedGroup.secp521r1, [133, 133, 66]],
  [NamedGroup.x25519mlkem768, [1216, 1120, 64]],
]);

function describeKeyExchange(provider: CryptoProvider): void {
  describe.each(provider.groups.map((group) => [groupName(group), group] as const))('%s', (_, group) => {
    it('agrees on a secret', () => {
      for (let round = 0; round < 5; round++) {
        const client = provider.generateKeyExchange(group);
        expect(client.group).toBe(group);
        expectPlain(client.publicKey);
        const server = provider.respondKeyExchange(group, client.publicKey);
        if (server === null) throw new Error('refused');
        const secret = client.derive(server.publicKey);
        if (secret === null) throw new Error('refused');
        expectPlain(secret);
        expect(toHex(secret)).toBe(toHex(server.secret));
        expect([client.publicKey.length, server.publicKey.length, secret.length]).toEqual(LENGTHS.get(group));
      }
    });

    it('never repeats a key', () => {
      const keys = new Set(
        Array.from({ length: 8 }, () => toHex(provider.generateKeyExchange(group).publicKey)),
      );
      expect(keys.size).toBe(8);
    });

    it('is used once', () => {
      const peer = provider.generateKeyExchange(group);
      const server = provider.respondKeyExchange(group, peer.publicKey);
      if (server === null) throw new Error('refused');
      expect(peer.derive(server.publicKey)).not.toBeNull();
      expect(() => peer.derive(server.publicKey)).toThrow(TypeError);
      const gone = provider.generateKeyExchange(group);
      gone.destroy();
      expect(() => gone.derive(server.publicKey)).toThrow(TypeError);
    });

    it('refuses values of any other length', () => {
      const [clientLength, serverLength] = LENGTHS.get(group) ?? [0, 0];
      for (const wrong of [0, 1, clientLength - 1, clientLength + 1]) {
        expect(provider.respondKeyExchange(group, new Uint8Array(wrong).fill(4))).toBeNull();
      }
      for (const wrong of [0, 1, serverLength - 1, serverLength + 1]) {
        expect(provider.generateKeyExchange(group).derive(new Uint8Array(wrong).fill(4))).toBeNull();
      }
    });
  });

  it('refuses a group that it does not have', () => {
    expect(() => provider.generateKeyExchange(0x0100)).toThrow(TypeError);
    expect(() => provider.respondKeyExchange(0x0100, new Uint8Array(32))).toThrow(TypeError);
  });

  it('refuses points off the curve, compressed points and infinity', () => {
    const group = NamedGroup.secp256r1;
    const point = provider.generateKeyExchange(group).publicKey;
    const off = point.slice();
    off[64] = (off[64] as number) ^ 1;
    const compressed = Uint8Array.from([2 + ((point[64] as number) & 1), ...point.subarray(1, 33)]);
    const hybrid = Uint8Array.from([6 + ((point[64] as number) & 1), ...point.subarray(1)]);
    for (const bad of [
      off,
      compressed,
      hybrid,
      Uint8Array.of(0),
      new Uint8Array(65),
      new Uint8Array(65).fill(255),
    ]) {
      expect(provider.respondKeyExchange(group, bad)).toBeNull();
    }
    expect(provider.respondKeyExchange(group, point)).not.toBeNull();
  });

  it('refuses X25519 values of small order, whose secret is zero', () => {
    const small = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ];
    for (const peer of small) {
      expect(provider.respondKeyExchange(NamedGroup.x25519, fromHex(peer))).toBeNull();
      expect(provider.generateKeyExchange(NamedGroup.x25519).derive(fromHex(peer))).toBeNull();
    }
  });

  // Not skipped where it is missing: the suite runs with an ML-KEM from outside as well.
  if (!provider.groups.includes(NamedGroup.x25519mlkem768)) return;

  it('refuses an ML-KEM key with a coefficient out of range, and a hybrid share with a bad X25519 half', () => {
    const share = provider.generateKeyExchange(NamedGroup.x25519mlkem768).publicKey;
    const out = share.slice();
    out.fill(0xff, 0, 3);
    expect(provider.respondKeyExchange(NamedGroup.x25519mlkem768, out)).toBeNull();
    const zero = share.slice();
    zero.fill(0, 1184);
    expect(provider.respondKeyExchange(NamedGroup.x25519mlkem768, zero)).toBeNull();
  });

  it('gives another secret, and no error, for an ML-KEM ciphertext that was changed (implicit rejection)', () => {
    const client = provider.generateKeyExchange(NamedGroup.x25519mlkem768);
    const server = provider.respondKeyExchange(NamedGroup.x25519mlkem768, client.publicKey);
    if (server === null) throw new Error('refused');
    const changed = server.publicKey.slice();
    changed[0] = (changed[0] as number) ^ 1;
    const secret = client.derive(changed);
    expect(secret?.length).toBe(64);
    expect(toHex(secret as Uint8Array)).not.toBe(toHex(server.secret));
    // The X25519 half is the same and comes second.
    expect(toHex((secret as Uint8Array).subarray(32))).toBe(toHex(server.secret.subarray(32)));
  });
}

interface KeyCase {
  readonly type: string;
  readonly bits: number;
  readonly pair: crypto.KeyPairKeyObjectResult;
  readonly schemes: readonly number[];
}

function keyCases(): KeyCase[] {
  const S = SignatureScheme;
  const ec = (namedCurve: string) => crypto.generateKeyPairSync('ec', { namedCurve });
  const ecdsa = [S.ecdsa_secp256r1_sha256, S.ecdsa_secp384r1_sha384, S.ecdsa_secp521r1_sha512];
  return [
    { type: 'ec-p256', bits: 256, pair: ec('P-256'), schemes: ecdsa },
    { type: 'ec-p384', bits: 384, pair: ec('P-384'), schemes: ecdsa },
    { type: 'ec-p521', bits: 521, pair: ec('P-521'), schemes: ecdsa },
    { type: 'ed25519', bits: 255, pair: crypto.generateKeyPairSync('ed25519'), schemes: [S.ed25519] },
    { type: 'ed448', bits: 448, pair: crypto.generateKeyPairSync('ed448'), schemes: [S.ed448] },
    {
      type: 'rsa',
      bits: 2048,
      pair: crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }),
      schemes: [
        S.rsa_pkcs1_sha256,
        S.rsa_pkcs1_sha384,
        S.rsa_pkcs1_sha512,
        S.rsa_pss_rsae_sha256,
        S.rsa_pss_rsae_sha384,
        S.rsa_pss_rsae_sha512,
      ],
    },
    {
      type: 'rsa-pss',
      bits: 2048,
      pair: crypto.generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
      schemes: [S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512],
    },
  ];
}

function describeSignatures(provider: CryptoProvider): void {
  const data = pattern(130, 2);
  const every = Object.values(SignatureScheme);

  describe.each(keyCases())('a key of type $type', ({ type, bits, pair, schemes }) => {
    const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
    const pkcs8 = pair.privateKey.export({ type: 'pkcs8', format: 'der' });

    it('is imported with its type and size', () => {
      const publicKey = provider.importPublicKey(spki);
      expect([publicKey?.type, publicKey?.bits]).toEqual([type, bits]);
      const privateKey = provider.importPrivateKey(pkcs8);
      expect([privateKey.type, privateKey.bits]).toEqual([type, bits]);
    });

    it('is the same key when it is imported again, also from memory that changed in between', () => {
      const own = new Uint8Array(spki);
      const signature = provider.importPrivateKey(pkcs8).sign(schemes[0] as number, data);
      expect(provider.importPublicKey(own)?.verify(schemes[0] as number, data, signature)).toBe(true);
      own.fill(0);
      expect(provider.importPublicKey(own)).toBeNull();
      expect(provider.importPublicKey(spki)?.verify(schemes[0] as number, data, signature)).toBe(true);
    });

    it('signs what it verifies, and nothing else verifies', () => {
      const publicKey = provider.importPublicKey(spki);
      if (publicKey === null) throw new Error('refused');
      const privateKey = provider.importPrivateKey(pkcs8);
      for (const scheme of schemes) {
        const signature = privateKey.sign(scheme, data);
        expectPlain(signature);
        expect(publicKey.verify(scheme, data, signature)).toBe(true);
        expect(publicKey.verify(scheme, pattern(130, 3), signature)).toBe(false);
        const changed = signature.slice();
        changed[changed.length >> 1] = (changed[changed.length >> 1] as number) ^ 1;
        expect(publicKey.verify(scheme, data, changed)).toBe(false);
        expect(publicKey.verify(scheme, data, signature.subarray(1))).toBe(false);
        expect(publicKey.verify(scheme, data, new Uint8Array(0))).toBe(false);
        for (const other of schemes) {
          if (other !== scheme) expect(publicKey.verify(other, data, signature)).toBe(false);
        }
      }
    });

    it('takes no signature without its leading zero byte (RFC 8017, 8.1.2 and 8.2.2)', () => {
      if (!type.startsWith('rsa')) return;
      const publicKey = provider.importPublicKey(spki);
      const privateKey = provider.importPrivateKey(pkcs8);
      const [scheme] = schemes as [number];
      // One signature in 256 begins with a zero byte.
      for (let tries = 0; tries < 10_000; tries++) {
        const content = pattern(32 + (tries >> 8), tries & 0xff);
        const signature = privateKey.sign(scheme, content);
        if (signature[0] !== 0) continue;
        expect(publicKey?.verify(scheme, content, signature)).toBe(true);
        expect(publicKey?.verify(scheme, content, signature.subarray(1))).toBe(false);
        return;
      }
      throw new Error('no signature begins with a zero byte');
    });

    it('is not used with schemes of other key types', () => {
      const publicKey = provider.importPublicKey(spki);
      const privateKey = provider.importPrivateKey(pkcs8);
      const sha1 = [SignatureScheme.ecdsa_sha1, SignatureScheme.rsa_pkcs1_sha1] as number[];
      for (const scheme of every) {
        if (schemes.includes(scheme) || sha1.includes(scheme)) continue;
        expect(() => privateKey.sign(scheme, data)).toThrow(TypeError);
        expect(publicKey?.verify(scheme, data, pattern(64, 1))).toBe(false);
      }
      expect(() => privateKey.sign(0x1234, data)).toThrow(TypeError);
      expect(publicKey?.verify(0x1234, data, pattern(64, 1))).toBe(false);
    });

    it('is refused when its SubjectPublicKeyInfo is cut or has bytes after its end', () => {
      for (const length of [0, 1, 10, spki.length >> 1, spki.length - 1]) {
        expect(provider.importPublicKey(spki.subarray(0, length))).toBeNull();
      }
    });
  });

  it('imports private keys from PEM and DER in every common form', () => {
    const ec = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const encryption = { cipher: 'aes-256-cbc', passphrase: 'secret' };
    for (const [key, form, type] of [
      [ec, 'sec1', 'ec-p256'],
      [ec, 'pkcs8', 'ec-p256'],
      [rsa, 'pkcs1', 'rsa'],
      [rsa, 'pkcs8', 'rsa'],
    ] as const) {
      const pem = key.export({ format: 'pem', type: form as 'pkcs8' }) as string;
      expect(provider.importPrivateKey(pem).type).toBe(type);
      expect(provider.importPrivateKey(`some text\n${pem}`).type).toBe(type);
      expect(provider.importPrivateKey(utf8(pem)).type).toBe(type);
      expect(provider.importPrivateKey(key.export({ format: 'der', type: form as 'pkcs8' })).type).toBe(type);
      const locked = key.export({ format: 'pem', type: form as 'pkcs8', ...encryption }) as string;
      expect(provider.importPrivateKey(locked, 'secret').type).toBe(type);
      expect(() => provider.importPrivateKey(locked)).toThrow(/encrypted, and no passphrase/);
      expect(() => provider.importPrivateKey(locked, 'wrong')).toThrow(/passphrase does not open it/);
    }
    const der = ec.export({ format: 'der', type: 'pkcs8', ...encryption });
    expect(provider.importPrivateKey(der, 'secret').type).toBe('ec-p256');
    expect(() => provider.importPrivateKey(der)).toThrow(TypeError);
  });

  it('says in words what is wrong with a private key', () => {
    const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const publicPem = pair.publicKey.export({ format: 'pem', type: 'spki' }) as string;
    expect(() => provider.importPrivateKey(publicPem)).toThrow(/the PEM text holds a PUBLIC KEY/);
    expect(() => provider.importPrivateKey('nothing')).toThrow(/neither PEM nor DER/);
    expect(() => provider.importPrivateKey(new Uint8Array(0))).toThrow(TypeError);
    expect(() => provider.importPrivateKey(Uint8Array.of(0x30, 3, 1, 2, 3))).toThrow(
      /neither PKCS#8 nor SEC1/,
    );
    expect(() =>
      provider.importPrivateKey('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
    ).toThrow(/malformed/);
    const x = crypto
      .generateKeyPairSync('x25519')
      .privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
    expect(() => provider.importPrivateKey(x)).toThrow(/cannot use here: x25519/);
    const k1 = crypto.generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    expect(() => provider.importPrivateKey(k1.privateKey.export({ format: 'der', type: 'pkcs8' }))).toThrow(
      /secp256k1/,
    );
    expect(provider.importPublicKey(k1.publicKey.export({ format: 'der', type: 'spki' }))).toBeNull();
  });
}

/** Runs the whole contract against `provider`; call it at the top of a test file. */
export function describeProvider(provider: CryptoProvider): void {
  describe(`the provider contract: ${provider.name}`, () => {
    describeHashes(provider);
    describeAeads(provider);
    describeKeyExchange(provider);
    describeSignatures(provider);

    it('draws random bytes of any length, never the same', () => {
      for (const length of [0, 1, 4, 12, 32, 255, 256, 257, 5000]) {
        const bytes = provider.random(length);
        expectPlain(bytes);
        expect(bytes.length).toBe(length);
      }
      const seen = new Set(Array.from({ length: 1000 }, () => toHex(provider.random(16))));
      expect(seen.size).toBe(1000);
      const before = provider.random(32);
      const copy = toHex(before);
      provider.random(4096);
      for (let i = 0; i < 300; i++) provider.random(32).fill(0);
      expect(toHex(before)).toBe(copy);
    });
  });
}
