/**
 * What the library needs of a cryptographic implementation. Everything here is synchronous: what may have
 * to wait (a key in an HSM, a certificate check over the network) is a job of the connection's, not of the
 * provider's. The default is `crypto/node` (node:crypto); one contract suite runs against every provider.
 *
 * Arguments are borrowed for the call; results are fresh arrays that belong to the caller, unless a line
 * says otherwise.
 */
import type { AeadName, HashName } from '../util/registries.ts';

/** A running hash. */
export interface HashState {
  update(data: Uint8Array): void;
  /** The digest of all that came so far; the state stays usable. */
  peek(): Uint8Array;
  /** An independent state with the same input so far. */
  fork(): HashState;
}

/** A keyed MAC whose key is set up once. */
export interface HmacKey {
  /** HMAC over `data`. */
  sign(data: Uint8Array): Uint8Array;
  /** Forgets the key as far as JavaScript can. The object may not be used after. */
  destroy(): void;
}

/** One direction's AEAD key. Nonces are 12 bytes, tags as long as `aeadTagLength` says. */
export interface AeadKey {
  /**
   * Encrypts `buffer[start, end)` in place and writes the tag at `end`, where `buffer` must have room for it.
   * @throws {RangeError} for a nonce that is too short or long, a tag without room, and for AES-CCM over nothing:
   * OpenSSL does not do that, and a record of TLS 1.3 has a byte at least.
   */
  sealInPlace(nonce: Uint8Array, aad: Uint8Array, buffer: Uint8Array, start: number, end: number): void;
  /**
   * Decrypts ciphertext with its tag at the end. Null when it does not authenticate; unauthenticated bytes
   * never leave the provider.
   */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null;
  destroy(): void;
}

/** A private key of a key exchange, with its public half as it goes on the wire. */
export interface KeyExchange {
  readonly group: number;
  /** For a KEM this is the client's encapsulation key. */
  readonly publicKey: Uint8Array;
  /**
   * The shared secret with the peer's public value (for a KEM: the ciphertext). Null when that value is
   * malformed, not on the curve, or gives the all-zero secret (RFC 8446, 7.4.2). Usable once.
   */
  derive(peer: Uint8Array): Uint8Array | null;
  destroy(): void;
}

export type KeyType = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa' | 'rsa-pss' | 'ed25519' | 'ed448';

/** A public key from a certificate's SubjectPublicKeyInfo. */
export interface PublicKey {
  readonly type: KeyType;
  /** Modulus length in bits for RSA, field size for curves. */
  readonly bits: number;
  /**
   * Verifies a TLS signature by SignatureScheme code point (RFC 8446, 4.2.3). False also when the scheme
   * does not fit the key's type. ECDSA with a curve other than the scheme's is the caller's to refuse: in
   * TLS 1.2 the code points do not fix the curve.
   */
  verify(scheme: number, data: Uint8Array, signature: Uint8Array): boolean;
}

/** A private key that signs in this process. */
export interface PrivateKey {
  readonly type: KeyType;
  readonly bits: number;
  /** @throws if the scheme does not fit the key. */
  sign(scheme: number, data: Uint8Array): Uint8Array;
}

export interface CryptoProvider {
  readonly name: string;

  /** `length` bytes from a cryptographically secure source. */
  random(length: number): Uint8Array;

  digest(hash: HashName, data: Uint8Array): Uint8Array;
  createHash(hash: HashName): HashState;
  hmacKey(hash: HashName, key: Uint8Array): HmacKey;
  /** One-shot HMAC. */
  hmac(hash: HashName, key: Uint8Array, data: Uint8Array): Uint8Array;

  /** Imports a traffic key. `key` may be wiped by the caller afterwards. */
  aeadKey(aead: AeadName, key: Uint8Array): AeadKey;
  supportsAead(aead: AeadName): boolean;

  /** AES-CBC with PKCS#7 padding, for OpenSSL's ticket format. 16- or 32-byte keys. */
  cbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Null when the padding is wrong. Call only after the MAC is verified. */
  cbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array | null;

  /** NamedGroup code points that work here, in order of preference. */
  readonly groups: readonly number[];
  /** A fresh key pair. @throws {TypeError} for a group not in `groups`. */
  generateKeyExchange(group: number): KeyExchange;
  /**
   * The server's half: a fresh key against the client's public value, both at once since a KEM needs it so.
   * Null when the peer's value is bad.
   */
  respondKeyExchange(group: number, peer: Uint8Array): { publicKey: Uint8Array; secret: Uint8Array } | null;

  /** Null when the key is of a kind that is not supported or is malformed. */
  importPublicKey(spki: Uint8Array): PublicKey | null;
  /** PKCS#8, SEC1 or PKCS#1, PEM or DER. @throws {TypeError} with a readable reason. */
  importPrivateKey(key: string | Uint8Array, passphrase?: string): PrivateKey;
}
