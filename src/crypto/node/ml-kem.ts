import * as crypto from 'node:crypto';
import {
  ML_KEM_768_CIPHERTEXT_LENGTH,
  ML_KEM_768_PUBLIC_KEY_LENGTH,
  type MlKem768,
  type MlKemKeyPair,
} from '../ml-kem.ts';
import { plain } from './plain.ts';

/** SubjectPublicKeyInfo up to the key: SEQUENCE, id-alg-ml-kem-768, BIT STRING. */
const SPKI_PREFIX = Uint8Array.of(
  48,
  130,
  4,
  178,
  48,
  11,
  6,
  9,
  96,
  134,
  72,
  1,
  101,
  3,
  4,
  4,
  2,
  3,
  130,
  4,
  161,
  0,
);

/** node:crypto's ML-KEM (Node 24.7 and later), which the type declarations for Node 20 do not have. */
interface WithKem {
  encapsulate?(key: crypto.KeyObject): { sharedKey: Uint8Array; ciphertext: Uint8Array };
  decapsulate?(key: crypto.KeyObject, ciphertext: Uint8Array): Uint8Array;
}
const { encapsulate, decapsulate } = crypto as WithKem;

const GENERATE = Object.freeze({
  publicKeyEncoding: Object.freeze({ format: 'der' as const, type: 'spki' as const }),
});
interface Generated {
  readonly publicKey: Uint8Array;
  readonly privateKey: crypto.KeyObject;
}

function generate(): Generated {
  return crypto.generateKeyPairSync('ml-kem-768' as never, GENERATE as never) as unknown as Generated;
}

class NodeMlKemKeyPair implements MlKemKeyPair {
  readonly publicKey: Uint8Array;
  #privateKey: crypto.KeyObject | null;

  constructor() {
    const { publicKey, privateKey } = generate();
    this.publicKey = plain(publicKey.subarray(publicKey.length - ML_KEM_768_PUBLIC_KEY_LENGTH));
    this.#privateKey = privateKey;
  }

  decapsulate(ciphertext: Uint8Array): Uint8Array | null {
    if (this.#privateKey === null || decapsulate === undefined) return null;
    if (ciphertext.length !== ML_KEM_768_CIPHERTEXT_LENGTH) return null;
    try {
      return plain(decapsulate(this.#privateKey, ciphertext));
    } catch {
      return null;
    }
  }

  destroy(): void {
    this.#privateKey = null;
  }
}

const nodeMlKem: MlKem768 = {
  generate: () => new NodeMlKemKeyPair(),
  encapsulate: (publicKey) => {
    if (encapsulate === undefined || publicKey.length !== ML_KEM_768_PUBLIC_KEY_LENGTH) return null;
    const spki = Buffer.alloc(SPKI_PREFIX.length + ML_KEM_768_PUBLIC_KEY_LENGTH);
    spki.set(SPKI_PREFIX);
    spki.set(publicKey, SPKI_PREFIX.length);
    try {
      // OpenSSL checks the coefficients of the encapsulation key when it imports it (FIPS 203, 7.2).
      const key = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' });
      const { sharedKey, ciphertext } = encapsulate(key);
      return { ciphertext: plain(ciphertext), secret: plain(sharedKey) };
    } catch {
      return null;
    }
  },
};

/** Node's own ML-KEM-768, or null where this Node (or the OpenSSL that it was built with) has none. */
export function detectNodeMlKem(): MlKem768 | null {
  if (encapsulate === undefined || decapsulate === undefined) return null;
  try {
    generate();
    return nodeMlKem;
  } catch {
    return null;
  }
}
