import { createCipheriv, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { concatBytes, toHex } from '../util/bytes.ts';
import { ShortAeadMachine } from './short-aead.ts';
import { Machine as ChaChaMachine } from './short-chacha/machine.ts';
import { ShortChaChaKey } from './short-chacha/short-chacha.ts';
import { Machine as GcmMachine } from './short-gcm/machine.ts';
import { ShortGcmKey } from './short-gcm/short-gcm.ts';

afterEach(() => vi.restoreAllMocks());

const failure = new RangeError('Array buffer allocation failed');

function throwOnce(target: object, method: string): void {
  vi.spyOn(target as Record<string, () => unknown>, method).mockImplementationOnce(() => {
    throw failure;
  });
}

describe.each(['aes-128-gcm', 'chacha20-poly1305'] as const)('%s, when something is thrown', (name) => {
  const machine = name === 'aes-128-gcm' ? GcmMachine.instantiate() : ChaChaMachine.instantiate();
  const secret = randomBytes(name === 'aes-128-gcm' ? 16 : 32);
  const nonce = randomBytes(12);
  const [longAad, shortAad] = [randomBytes(16), randomBytes(5)];
  const [long, short] = [randomBytes(2000), randomBytes(40)];

  function newKey(): ShortGcmKey | ShortChaChaKey {
    if (machine instanceof ChaChaMachine) return new ShortChaChaKey(machine, secret);
    const aes = createCipheriv('aes-128-ecb', secret, null).setAutoPadding(false);
    return new ShortGcmKey(machine, { encrypt: (blocks) => aes.update(blocks), destroy: () => {} });
  }

  function sealed(key: ShortGcmKey | ShortChaChaKey, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const buffer = concatBytes(plaintext, new Uint8Array(16));
    key.sealInPlace(nonce, aad, buffer, 0, plaintext.length);
    return buffer;
  }

  function byNode(aad: Uint8Array, plaintext: Uint8Array): string {
    const cipher = createCipheriv(name as 'aes-128-gcm', secret, nonce, { authTagLength: 16 });
    cipher.setAAD(aad);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString('hex');
  }

  const isClean = (): boolean => machine.bytes.every((byte) => byte === 0);

  it('nothing is left in the memory, and the next message comes out right', () => {
    const key = newKey();
    const record = sealed(key, longAad, long);
    const attempts: [string, () => void][] = [
      ['there is no memory for the plaintext', () => throwOnce(machine.bytes, 'slice')],
      ['the message cannot be brought in', () => throwOnce(machine.bytes, 'set')],
      ['sealing ends half-way', () => throwOnce(ShortAeadMachine.prototype, 'seal')],
      ['opening ends half-way', () => throwOnce(ShortAeadMachine.prototype, 'open')],
    ];
    for (const [what, arrange] of attempts) {
      arrange();
      const act = (): unknown => [sealed(key, longAad, long), key.open(nonce, longAad, record)];
      expect(act, what).toThrow(failure);
      vi.restoreAllMocks();
      expect(isClean(), what).toBe(true);
      expect(toHex(sealed(newKey(), shortAad, short)), what).toBe(byNode(shortAad, short));
    }
  });

  it('the memory is cleaned before the next message, if even wiping failed', () => {
    const key = newKey();
    throwOnce(ShortAeadMachine.prototype, 'wipe');
    expect(() => sealed(key, longAad, long)).toThrow(failure);
    expect(isClean()).toBe(false);
    expect(toHex(sealed(newKey(), shortAad, short))).toBe(byNode(shortAad, short));
    expect(isClean()).toBe(true);
  });
});
