import crypto, { createCipheriv, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { concatBytes, toHex } from '../../util/bytes.ts';
import { ShortAeadMachine } from '../short-aead.ts';
import { LONGEST as LONGEST_CHACHA, ShortChaChaKey } from '../short-chacha/short-chacha.ts';
import { LONGEST as LONGEST_GCM, ShortGcmKey } from '../short-gcm/short-gcm.ts';
import { NodeAeadKey } from './aead.ts';
import { NodeAes } from './aes.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.doUnmock('node:crypto');
  vi.unstubAllGlobals();
  vi.resetModules();
});

const nonce = randomBytes(12);

function seal(key: NodeAeadKey, aad: Uint8Array, plaintext: Uint8Array): string {
  const buffer = concatBytes(plaintext, new Uint8Array(16));
  key.sealInPlace(nonce, aad, buffer, 0, plaintext.length);
  return toHex(buffer);
}

describe.each([
  ['aes-128-gcm', 16, LONGEST_GCM, 2],
  ['aes-256-gcm', 32, LONGEST_GCM, 2],
  ['chacha20-poly1305', 32, LONGEST_CHACHA, 1],
] as const)('%s', (name, keyLength, longest, first) => {
  it(`goes by the module from message ${first} on, up to ${longest} bytes and 16 of additional data`, () => {
    const secret = randomBytes(keyLength);
    const key = new NodeAeadKey(name, secret, true);
    const own = vi.spyOn(ShortAeadMachine.prototype, 'seal');
    const ownOpen = vi.spyOn(ShortAeadMachine.prototype, 'open');
    let short = 0;
    let expected = 0;
    for (const length of [0, longest + 1, 100, longest, 5000, longest - 1, longest + 16, 1]) {
      for (const aadLength of [5, 0, 16, 17, 20, 13]) {
        const [aad, plaintext] = [randomBytes(aadLength), randomBytes(length)];
        const cipher = createCipheriv(name as 'aes-128-gcm', secret, nonce, { authTagLength: 16 });
        cipher.setAAD(aad);
        const wanted = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
        expect(seal(key, aad, plaintext)).toBe(wanted.toString('hex'));
        if (length <= longest && aadLength <= 16 && ++short >= first) expected++;
        expect(own).toHaveBeenCalledTimes(expected);

        const opened = ownOpen.mock.calls.length;
        expect(key.open(nonce, aad, wanted)).toEqual(new Uint8Array(plaintext));
        if (length > longest || aadLength > 16) expect(ownOpen).toHaveBeenCalledTimes(opened);
        else if (++short >= first) expect(ownOpen).toHaveBeenCalledTimes(opened + 1);
        wanted[wanted.length - 1] = (wanted.at(-1) as number) ^ 1;
        expect(key.open(nonce, aad, wanted)).toBeNull();
        if (length <= longest && aadLength <= 16) short++;
      }
    }
    expect(expected).toBeGreaterThan(15);
  });

  it('does without the module where it may not', () => {
    const own = vi.spyOn(ShortAeadMachine.prototype, 'seal');
    const key = new NodeAeadKey(name, randomBytes(keyLength), false);
    for (let i = 0; i < 3; i++) seal(key, randomBytes(5), randomBytes(10));
    expect(own).not.toHaveBeenCalled();
  });

  it('refuses a part that is not there', () => {
    const key = new NodeAeadKey(name, randomBytes(keyLength), true);
    for (let i = 0; i < 3; i++) {
      expect(() => key.sealInPlace(nonce, randomBytes(5), new Uint8Array(100), -5, 3)).toThrow(
        'no such part',
      );
      seal(key, randomBytes(5), randomBytes(10));
    }
  });

  it('lets go of all that it knows of the key when it is destroyed, once', () => {
    const isGcm = name !== 'chacha20-poly1305';
    const destroyed = vi.spyOn(isGcm ? ShortGcmKey.prototype : ShortChaChaKey.prototype, 'destroy');
    const aes = vi.spyOn(NodeAes.prototype, 'destroy');
    const key = new NodeAeadKey(name, randomBytes(keyLength), true);
    for (let i = 0; i < 3; i++) seal(key, randomBytes(5), randomBytes(10));
    expect(destroyed).not.toHaveBeenCalled();
    key.destroy();
    expect(destroyed).toHaveBeenCalledOnce();
    expect(aes).toHaveBeenCalledTimes(isGcm ? 1 : 0);
    expect(() => seal(key, randomBytes(5), randomBytes(10))).toThrow(TypeError);
    key.destroy();
    expect(aes).toHaveBeenCalledTimes(isGcm ? 1 : 0);
  });
});

it('NodeAes cannot be used when it is destroyed', () => {
  const aes = new NodeAes(randomBytes(16));
  expect(aes.encrypt(new Uint8Array(32))).toHaveLength(32);
  aes.destroy();
  expect(() => aes.encrypt(new Uint8Array(16))).toThrow();
});

describe('where OpenSSL is set up otherwise', () => {
  async function providerWith(changes: Partial<typeof crypto>) {
    vi.resetModules();
    // Not on every version; a module that is put in another's place has to say so.
    const missing = { encapsulate: undefined, decapsulate: undefined };
    vi.doMock('node:crypto', () => ({ ...missing, ...crypto, default: crypto, ...changes }));
    return await import('./provider.ts');
  }

  it("in FIPS mode all is node:crypto's, unless it is asked for", async () => {
    const inFips = await providerWith({ getFips: () => 1 });
    expect(inFips.nodeProvider.name).toBe('node-native');
    expect(inFips.createNodeProvider({ short: true }).name).toBe('node');
    const usual = await providerWith({ getFips: () => 0 });
    expect(usual.nodeProvider.name).toBe('node');
  });

  it.each([
    ['missing', undefined],
    [
      'forbidden',
      {
        Module: class {
          constructor() {
            throw new EvalError('forbidden');
          }
        },
      },
    ],
  ])("where WebAssembly is %s all is node:crypto's", async (_, api) => {
    vi.stubGlobal('WebAssembly', api);
    const { nodeProvider } = await providerWith({});
    for (const [name, length] of [
      ['aes-128-gcm', 16],
      ['chacha20-poly1305', 32],
    ] as const) {
      const secret = randomBytes(length);
      const key = nodeProvider.aeadKey(name, secret);
      const plain = new NodeAeadKey(name, secret, false);
      for (let i = 0; i < 3; i++) {
        const buffer = new Uint8Array(10 + 16);
        key.sealInPlace(nonce, randomBytes(0), buffer, 0, 10);
        expect(toHex(buffer)).toBe(seal(plain, randomBytes(0), new Uint8Array(10)));
      }
    }
  });

  it("without AES by itself AES-GCM is node:crypto's", async () => {
    const ciphers = crypto.getCiphers().filter((each) => !each.endsWith('-ecb'));
    const { nodeProvider } = await providerWith({
      getCiphers: () => ciphers,
      createCipheriv: ((cipher: string, ...rest: [Uint8Array, Uint8Array]) => {
        if (!ciphers.includes(cipher)) throw new Error('unsupported');
        return createCipheriv(cipher, ...rest);
      }) as typeof createCipheriv,
    });
    const secret = randomBytes(16);
    const key = nodeProvider.aeadKey('aes-128-gcm', secret);
    const plain = new NodeAeadKey('aes-128-gcm', secret, false);
    for (let i = 0; i < 3; i++) {
      const buffer = new Uint8Array(10 + 16);
      key.sealInPlace(nonce, randomBytes(0), buffer, 0, 10);
      expect(toHex(buffer)).toBe(seal(plain, randomBytes(0), new Uint8Array(10)));
    }
  });
});
