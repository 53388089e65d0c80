import { type Cipher, createCipheriv, type KeyObject } from 'node:crypto';
import type { BlockCipher } from '../short-gcm/short-gcm.ts';

/** AES over whole blocks. One cipher of node:crypto's serves for all of them, whose key is set up once. */
export class NodeAes implements BlockCipher {
  readonly #cipher: Cipher;

  /** `key`: 16 or 32 bytes. */
  constructor(key: Uint8Array | KeyObject) {
    const length = key instanceof Uint8Array ? key.length : key.symmetricKeySize;
    this.#cipher = createCipheriv(length === 16 ? 'aes-128-ecb' : 'aes-256-ecb', key, null);
    this.#cipher.setAutoPadding(false);
  }

  encrypt(blocks: Uint8Array): Uint8Array {
    return this.#cipher.update(blocks);
  }

  /** OpenSSL clears the key when it frees what `final` ends. */
  destroy(): void {
    this.#cipher.final();
  }
}
