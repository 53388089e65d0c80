/**
 * X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): ML-KEM-768 (FIPS 203) and X25519 side by side, so that the
 * secret holds as long as either of the two does. On the wire and in the secret ML-KEM's half comes first.
 */
import { NamedGroup } from '../util/registries.ts';
import type { CryptoProvider, KeyExchange } from './provider.ts';

export const ML_KEM_768_PUBLIC_KEY_LENGTH = 1184;
export const ML_KEM_768_CIPHERTEXT_LENGTH = 1088;
const SECRET_LENGTH = 32;
const X25519_LENGTH = 32;

/** The client's half of ML-KEM-768. */
export interface MlKemKeyPair {
  /** The encapsulation key, 1184 bytes. */
  readonly publicKey: Uint8Array;
  /** The 32-byte secret, or null for a ciphertext of the wrong form. */
  decapsulate(ciphertext: Uint8Array): Uint8Array | null;
  destroy(): void;
}

/** What X25519MLKEM768 needs of an implementation of ML-KEM-768. */
export interface MlKem768 {
  generate(): MlKemKeyPair;
  /** Null when the encapsulation key fails FIPS 203's input check (section 7.2). */
  encapsulate(publicKey: Uint8Array): { ciphertext: Uint8Array; secret: Uint8Array } | null;
}

type X25519 = Pick<CryptoProvider, 'generateKeyExchange' | 'respondKeyExchange'>;

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** Joins two secrets and wipes them. */
function joinSecrets(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = join(first, second);
  first.fill(0);
  second.fill(0);
  return joined;
}

class HybridKeyExchange implements KeyExchange {
  readonly group: number = NamedGroup.x25519mlkem768;
  readonly publicKey: Uint8Array;
  readonly #kem: MlKemKeyPair;
  readonly #ecdh: KeyExchange;

  constructor(kem: MlKemKeyPair, ecdh: KeyExchange) {
    this.#kem = kem;
    this.#ecdh = ecdh;
    this.publicKey = join(kem.publicKey, ecdh.publicKey);
  }

  derive(peer: Uint8Array): Uint8Array | null {
    if (peer.length !== ML_KEM_768_CIPHERTEXT_LENGTH + X25519_LENGTH) {
      this.destroy();
      return null;
    }
    const kemSecret = this.#kem.decapsulate(peer.subarray(0, ML_KEM_768_CIPHERTEXT_LENGTH));
    const ecdhSecret = this.#ecdh.derive(peer.subarray(ML_KEM_768_CIPHERTEXT_LENGTH));
    this.destroy();
    if (kemSecret === null || kemSecret.length !== SECRET_LENGTH || ecdhSecret === null) {
      kemSecret?.fill(0);
      ecdhSecret?.fill(0);
      return null;
    }
    return joinSecrets(kemSecret, ecdhSecret);
  }

  destroy(): void {
    this.#kem.destroy();
    this.#ecdh.destroy();
  }
}

export function generateHybrid(kem: MlKem768, x25519: X25519): KeyExchange {
  return new HybridKeyExchange(kem.generate(), x25519.generateKeyExchange(NamedGroup.x25519));
}

export function respondHybrid(
  kem: MlKem768,
  x25519: X25519,
  peer: Uint8Array,
): { publicKey: Uint8Array; secret: Uint8Array } | null {
  if (peer.length !== ML_KEM_768_PUBLIC_KEY_LENGTH + X25519_LENGTH) return null;
  // The cheap half first: a bad X25519 share must not cost an encapsulation.
  const ecdh = x25519.respondKeyExchange(NamedGroup.x25519, peer.subarray(ML_KEM_768_PUBLIC_KEY_LENGTH));
  if (ecdh === null) return null;
  const encapsulated = kem.encapsulate(peer.subarray(0, ML_KEM_768_PUBLIC_KEY_LENGTH));
  if (encapsulated === null) {
    ecdh.secret.fill(0);
    return null;
  }
  return {
    publicKey: join(encapsulated.ciphertext, ecdh.publicKey),
    secret: joinSecrets(encapsulated.secret, ecdh.secret),
  };
}

/** The shape of `ml_kem768` from the npm package `@noble/post-quantum`: handed in, never imported here. */
export interface NobleMlKem768 {
  keygen(): { publicKey: Uint8Array; secretKey: Uint8Array };
  encapsulate(publicKey: Uint8Array): { cipherText: Uint8Array; sharedSecret: Uint8Array };
  decapsulate(cipherText: Uint8Array, secretKey: Uint8Array): Uint8Array;
}

class NobleKeyPair implements MlKemKeyPair {
  readonly publicKey: Uint8Array;
  readonly #noble: NobleMlKem768;
  readonly #secretKey: Uint8Array;

  constructor(noble: NobleMlKem768) {
    const { publicKey, secretKey } = noble.keygen();
    this.#noble = noble;
    this.publicKey = publicKey;
    this.#secretKey = secretKey;
  }

  decapsulate(ciphertext: Uint8Array): Uint8Array | null {
    try {
      return this.#noble.decapsulate(ciphertext, this.#secretKey);
    } catch {
      return null;
    }
  }

  destroy(): void {
    this.#secretKey.fill(0);
  }
}

function fromNoble(noble: NobleMlKem768): MlKem768 {
  return {
    generate: () => new NobleKeyPair(noble),
    encapsulate: (publicKey) => {
      try {
        const { cipherText, sharedSecret } = noble.encapsulate(publicKey);
        return { ciphertext: cipherText, secret: sharedSecret };
      } catch {
        return null;
      }
    },
  };
}

/**
 * `base` with X25519MLKEM768 by `@noble/post-quantum`'s `ml_kem768`, for a Node without ML-KEM of its own.
 * The group comes last in the order of preference: it costs some milliseconds there. A provider that has
 * the group already is returned as it is.
 */
export function withNobleMlKem(base: CryptoProvider, ml_kem768: NobleMlKem768): CryptoProvider {
  if (base.groups.includes(NamedGroup.x25519mlkem768)) return base;
  const kem = fromNoble(ml_kem768);
  return {
    name: `${base.name}+noble-ml-kem`,
    random: (length) => base.random(length),
    digest: (hash, data) => base.digest(hash, data),
    createHash: (hash) => base.createHash(hash),
    hmacKey: (hash, key) => base.hmacKey(hash, key),
    hmac: (hash, key, data) => base.hmac(hash, key, data),
    aeadKey: (aead, key) => base.aeadKey(aead, key),
    supportsAead: (aead) => base.supportsAead(aead),
    cbcEncrypt: (key, iv, plaintext) => base.cbcEncrypt(key, iv, plaintext),
    cbcDecrypt: (key, iv, ciphertext) => base.cbcDecrypt(key, iv, ciphertext),
    groups: Object.freeze([...base.groups, NamedGroup.x25519mlkem768]),
    generateKeyExchange: (group) =>
      group === NamedGroup.x25519mlkem768 ? generateHybrid(kem, base) : base.generateKeyExchange(group),
    respondKeyExchange: (group, peer) =>
      group === NamedGroup.x25519mlkem768
        ? respondHybrid(kem, base, peer)
        : base.respondKeyExchange(group, peer),
    importPublicKey: (spki) => base.importPublicKey(spki),
    importPrivateKey: (key, passphrase) => base.importPrivateKey(key, passphrase),
  };
}
