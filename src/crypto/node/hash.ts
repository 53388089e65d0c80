import {
  createHash,
  createHmac,
  createSecretKey,
  type Hash,
  hash as hashOnce,
  type KeyObject,
} from 'node:crypto';
import type { HashName } from '../../util/registries.ts';
import type { HashState, HmacKey } from '../provider.ts';
import { plain } from './plain.ts';

export function nodeDigest(name: HashName, data: Uint8Array): Uint8Array {
  return plain(hashOnce(name, data, 'buffer'));
}

export class NodeHashState implements HashState {
  readonly #hash: Hash;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  static create(name: HashName): NodeHashState {
    return new NodeHashState(createHash(name));
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

export class NodeHmacKey implements HmacKey {
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

export function nodeHmac(name: HashName, key: Uint8Array, data: Uint8Array): Uint8Array {
  return plain(createHmac(name, key).update(data).digest());
}
