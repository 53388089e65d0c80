import {
  createHash,
  createHmac,
  createSecretKey,
  type Hash,
  hash as hashOnce,
  type KeyObject,
} from 'node:crypto';
import type { HashName } from '../../util/registries.ts';
import type { CryptoProvider, HashState, HmacKey } from '../provider.ts';
import { ShortHash } from '../short-hash/short-hash.ts';
import { plain } from './plain.ts';

class NodeHashState implements HashState {
  readonly #hash: Hash;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  peek(): Uint8Array {
    return plain(this.#hash.copy().digest());
  }

  fork(): NodeHashState {
    return new NodeHashState(this.#hash.copy());
  }
}

class NodeHmacKey implements HmacKey {
  readonly #name: HashName;
  #key: KeyObject | null;

  constructor(name: HashName, key: Uint8Array) {
    this.#name = name;
    this.#key = createSecretKey(key);
  }

  sign(data: Uint8Array): Uint8Array {
    if (this.#key === null) throw new TypeError('the HMAC key is destroyed');
    return plain(createHmac(this.#name, this.#key).update(data).digest());
  }

  destroy(): void {
    this.#key = null;
  }
}

export type HashFunctions = Pick<CryptoProvider, 'digest' | 'createHash' | 'hmacKey' | 'hmac'>;

/** Hashes by node:crypto alone. */
export const nativeHashes: HashFunctions = Object.freeze({
  digest: (name: HashName, data: Uint8Array) => plain(hashOnce(name, data, 'buffer')),
  createHash: (name: HashName) => new NodeHashState(createHash(name)),
  hmacKey: (name: HashName, key: Uint8Array) => new NodeHmacKey(name, key),
  // Through a key object even for one use: on Node 24 a raw key costs ten times as much.
  hmac: (name: HashName, key: Uint8Array, data: Uint8Array) => new NodeHmacKey(name, key).sign(data),
});

/**
 * Where node:crypto's speed a byte makes up for its price a call. Measured on Node 20, 24 and 26 (see
 * `npm run bench -- crypto`): it hashes SHA-256 by the processor's own instructions, SHA-384 hardly faster
 * than the module does.
 */
const SHORT_DIGEST_256 = 128;
const SHORT_DIGEST_512 = 768;
/** For HMAC the two calls of a key object come on top. */
const SHORT_HMAC_256 = 1024;
const SHORT_HMAC_512 = 4096;

/** Hashes by `short` where it is faster, and else by node:crypto. */
export function mixedHashes(short: ShortHash): HashFunctions {
  return Object.freeze({
    digest: (name: HashName, data: Uint8Array) =>
      ShortHash.has(name) && data.length <= (name === 'sha256' ? SHORT_DIGEST_256 : SHORT_DIGEST_512)
        ? short.digest(name, data)
        : nativeHashes.digest(name, data),
    // A transcript is a few hundred bytes to some thousands, by the certificates: for SHA-256 node:crypto
    // is as fast with the shortest chains and far ahead with longer ones.
    createHash: (name: HashName) =>
      ShortHash.has(name) && name !== 'sha256' ? short.createHash(name) : nativeHashes.createHash(name),
    hmacKey: (name: HashName, key: Uint8Array) =>
      ShortHash.has(name) ? short.hmacKey(name, key) : nativeHashes.hmacKey(name, key),
    hmac: (name: HashName, key: Uint8Array, data: Uint8Array) =>
      ShortHash.has(name) && data.length <= (name === 'sha256' ? SHORT_HMAC_256 : SHORT_HMAC_512)
        ? short.hmac(name, key, data)
        : nativeHashes.hmac(name, key, data),
  });
}
