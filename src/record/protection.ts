import type { AeadKey } from '../crypto/provider.ts';
import { aeadTagLength, type CipherSuite } from '../util/registries.ts';

/** Longest plaintext of a record (RFC 8446, 5.1). */
export const MAX_PLAINTEXT = 16_384;
/** Longest protected record in TLS 1.3 (5.2) and TLS 1.2 (RFC 5246, 6.2.3). */
export const MAX_CIPHERTEXT_13 = 16_640;
export const MAX_CIPHERTEXT_12 = 18_432;
export const HEADER_LENGTH = 5;
/** The longest tag. */
export const TAG_LENGTH = 16;

/** Sequence numbers end here: far above any key's limit, far below the last exact integer. */
const LAST_SEQUENCE = 2 ** 48;

/**
 * One direction's record protection: a key, its IV and a sequence number (RFC 8446, 5.3; RFC 5288, 3;
 * RFC 7905, 2). Knows how nonces and additional data are made in either version and nothing of framing.
 */
export class RecordProtection {
  readonly version: 0x0303 | 0x0304;
  /** Bytes in front of the ciphertext: the explicit nonce of AES-GCM in TLS 1.2. */
  readonly prefix: 0 | 8;
  readonly suite: CipherSuite;
  /** Bytes behind the ciphertext. */
  readonly tagLength: number;
  readonly #key: AeadKey;
  readonly #iv: Uint8Array;
  readonly #nonce: Uint8Array = new Uint8Array(12);
  readonly #aad: Uint8Array;
  #sequence = 0;

  /** Takes over `key` and `iv`: 12 bytes, or 4 for AES-GCM in TLS 1.2. */
  constructor(version: 0x0303 | 0x0304, suite: CipherSuite, key: AeadKey, iv: Uint8Array) {
    this.version = version;
    this.suite = suite;
    this.tagLength = aeadTagLength(suite.aead);
    this.prefix = version === 0x0303 && suite.aead !== 'chacha20-poly1305' ? 8 : 0;
    this.#key = key;
    this.#iv = new Uint8Array(12);
    this.#iv.set(iv);
    iv.fill(0);
    this.#aad = new Uint8Array(version === 0x0304 ? 5 : 13);
  }

  /** Records protected or opened so far. */
  get sequence(): number {
    return this.#sequence;
  }

  get isExhausted(): boolean {
    return this.#sequence >= LAST_SEQUENCE;
  }

  /** Bytes that a record grows by behind its header. */
  get overhead(): number {
    return this.prefix + this.tagLength + (this.version === 0x0304 ? 1 : 0);
  }

  /**
   * Protects `buffer[start, end)` in place; the tag goes to `end`. `start` is behind header and prefix. For
   * TLS 1.3 the content ends with its type byte and `type` is 23.
   */
  seal(type: number, buffer: Uint8Array, start: number, end: number): void {
    if (this.prefix === 8) this.#writeSequence(buffer, start - 8);
    this.#prepare(type, this.version === 0x0304 ? end - start + this.tagLength : end - start);
    if (this.prefix === 8) this.#nonce.set(buffer.subarray(start - 8, start), 4);
    this.#key.sealInPlace(this.#nonce, this.#aad, buffer, start, end);
    this.#sequence++;
  }

  /** Opens the payload of a record. Null when it does not authenticate; the sequence then stays. */
  open(type: number, payload: Uint8Array): Uint8Array | null {
    const overhead = this.prefix + this.tagLength;
    if (payload.length < overhead) return null;
    this.#prepare(type, this.version === 0x0304 ? payload.length : payload.length - overhead);
    let sealed = payload;
    if (this.prefix === 8) {
      this.#nonce.set(payload.subarray(0, 8), 4);
      sealed = payload.subarray(8);
    }
    const plaintext = this.#key.open(this.#nonce, this.#aad, sealed);
    if (plaintext !== null) this.#sequence++;
    return plaintext;
  }

  destroy(): void {
    this.#key.destroy();
    this.#iv.fill(0);
    this.#nonce.fill(0);
  }

  #prepare(type: number, length: number): void {
    const nonce = this.#nonce;
    const iv = this.#iv;
    const low = this.#sequence >>> 0;
    const high = (this.#sequence / 0x1_0000_0000) >>> 0;
    nonce.set(iv);
    if (this.prefix === 0) {
      // Two 32-bit halves: BigInt would cost ten times as much.
      nonce[4] = (iv[4] as number) ^ (high >>> 24);
      nonce[5] = (iv[5] as number) ^ (high >>> 16);
      nonce[6] = (iv[6] as number) ^ (high >>> 8);
      nonce[7] = (iv[7] as number) ^ high;
      nonce[8] = (iv[8] as number) ^ (low >>> 24);
      nonce[9] = (iv[9] as number) ^ (low >>> 16);
      nonce[10] = (iv[10] as number) ^ (low >>> 8);
      nonce[11] = (iv[11] as number) ^ low;
    }
    const aad = this.#aad;
    let at = 0;
    if (this.version === 0x0303) {
      this.#writeSequence(aad, 0);
      at = 8;
    }
    aad[at] = type;
    aad[at + 1] = 3;
    aad[at + 2] = 3;
    aad[at + 3] = length >> 8;
    aad[at + 4] = length;
  }

  #writeSequence(target: Uint8Array, at: number): void {
    const low = this.#sequence >>> 0;
    const high = (this.#sequence / 0x1_0000_0000) >>> 0;
    target[at] = high >>> 24;
    target[at + 1] = high >>> 16;
    target[at + 2] = high >>> 8;
    target[at + 3] = high;
    target[at + 4] = low >>> 24;
    target[at + 5] = low >>> 16;
    target[at + 6] = low >>> 8;
    target[at + 7] = low;
  }
}
