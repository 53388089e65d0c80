import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { type AeadName, aeadTagLength } from '../../util/registries.ts';
import type { AeadKey } from '../provider.ts';
import { decrypt, encryptInPlace, importKey, NONCE_LENGTH } from './aead.ts';

/** AES-CCM, which has to know the length beforehand and takes all in one piece (RFC 3610). */
export class NodeCcmKey implements AeadKey {
  readonly #tagLength: number;
  readonly #options: { readonly authTagLength: number };
  #key: Uint8Array | KeyObject | null;

  constructor(aead: AeadName, key: Uint8Array) {
    this.#tagLength = aeadTagLength(aead);
    this.#options = Object.freeze({ authTagLength: this.#tagLength });
    this.#key = importKey(aead, key);
  }

  sealInPlace(nonce: Uint8Array, aad: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    if (this.#key === null) throw new TypeError('the AEAD key is destroyed');
    if (nonce.length !== NONCE_LENGTH) throw new RangeError('a nonce is 12 bytes');
    if (start >= end) throw new RangeError('there is nothing to seal');
    if (end + this.#tagLength > buffer.length) throw new RangeError('no room for the tag');
    const cipher = createCipheriv('aes-128-ccm', this.#key, nonce, this.#options);
    cipher.setAAD(aad, { plaintextLength: end - start });
    encryptInPlace(cipher, buffer, start, end);
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    if (this.#key === null) throw new TypeError('the AEAD key is destroyed');
    if (nonce.length !== NONCE_LENGTH) throw new RangeError('a nonce is 12 bytes');
    const end = sealed.length - this.#tagLength;
    if (end <= 0) return null;
    const decipher = createDecipheriv('aes-128-ccm', this.#key, nonce, this.#options);
    decipher.setAuthTag(sealed.subarray(end));
    decipher.setAAD(aad, { plaintextLength: end });
    return decrypt(decipher, sealed.subarray(0, end));
  }

  destroy(): void {
    if (this.#key instanceof Uint8Array) this.#key.fill(0);
    this.#key = null;
  }
}
