import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  getCiphers,
  type KeyObject,
} from 'node:crypto';
import { copyBytes } from '../../util/bytes.ts';
import { type AeadName, aeadKeyLength } from '../../util/registries.ts';
import type { AeadKey } from '../provider.ts';
import { giveBack } from './give-back.ts';
import { plain } from './plain.ts';
import { type ShortMessages, shortMessages } from './short-messages.ts';

const TAG_LENGTH = 16;
export const NONCE_LENGTH = 12;
const OPTIONS = Object.freeze({ authTagLength: TAG_LENGTH });

/**
 * Whether ciphers are given keys as bytes. That costs them no more than a key object, whose making is saved
 * (1.5 µs on Node 20), and bytes can be wiped. Only on Node 23 to 25 a raw key makes each record cost four
 * times as much.
 */
const RAW_KEYS = ((major: number) => major < 23 || major > 25)(Number.parseInt(process.versions.node, 10));

/** What is kept of a key. @throws {RangeError} for one that is too short or long. */
export function importKey(aead: AeadName, key: Uint8Array): Uint8Array | KeyObject {
  if (key.length !== aeadKeyLength(aead)) {
    throw new RangeError(`a key for ${aead} is ${aeadKeyLength(aead)} bytes, not ${key.length}`);
  }
  return RAW_KEYS ? copyBytes(key) : createSecretKey(key);
}

/** Encrypts `buffer[start, end)` and puts the tag behind it. */
export function encryptInPlace(
  cipher: Pick<CipherGCM, 'update' | 'final' | 'getAuthTag'>,
  buffer: Uint8Array,
  start: number,
  end: number,
): void {
  const encrypted = cipher.update(buffer.subarray(start, end));
  buffer.set(encrypted, start);
  giveBack(encrypted);
  cipher.final();
  buffer.set(cipher.getAuthTag(), end);
}

/** The plaintext, whose tag `decipher` has been given; null, and nothing left, where that does not fit. */
export function decrypt(
  decipher: Pick<DecipherGCM, 'update' | 'final'>,
  ciphertext: Uint8Array,
): Uint8Array | null {
  const opened = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    opened.fill(0);
    return null;
  }
  return plain(opened);
}

/** `key` itself, or an object made of it. */
function cipherKey(key: Uint8Array): Uint8Array | KeyObject {
  return RAW_KEYS ? key : createSecretKey(key);
}

/** All but AES-CCM. */
type StreamAead = Exclude<AeadName, `${string}-ccm${string}`>;

/** node:crypto's types know GCM and ChaCha20 by separate overloads; the calls made here are the same. */
function encryptor(aead: StreamAead, key: Uint8Array | KeyObject, nonce: Uint8Array): CipherGCM {
  return aead === 'chacha20-poly1305'
    ? (createCipheriv(aead, key, nonce, OPTIONS) as CipherGCM)
    : createCipheriv(aead, key, nonce, OPTIONS);
}

function decryptor(aead: StreamAead, key: Uint8Array | KeyObject, nonce: Uint8Array): DecipherGCM {
  return aead === 'chacha20-poly1305'
    ? (createDecipheriv(aead, key, nonce, OPTIONS) as DecipherGCM)
    : createDecipheriv(aead, key, nonce, OPTIONS);
}

export class NodeAeadKey implements AeadKey {
  readonly #aead: StreamAead;
  #key: Uint8Array | KeyObject | null;
  readonly #short: ShortMessages | null;

  /** `short`: this library's own modules protect and open short messages. */
  constructor(aead: StreamAead, key: Uint8Array, short: boolean) {
    this.#aead = aead;
    this.#key = importKey(aead, key);
    this.#short = short ? shortMessages(aead, key, this.#key) : null;
  }

  sealInPlace(nonce: Uint8Array, aad: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    if (this.#key === null) throw new TypeError('the AEAD key is destroyed');
    if (nonce.length !== NONCE_LENGTH) throw new RangeError('a nonce is 12 bytes');
    if (start < 0 || start > end || end + TAG_LENGTH > buffer.length) {
      throw new RangeError('no such part, or no room for the tag');
    }
    const short = this.#short?.keyFor(end - start, aad);
    if (short) {
      short.sealInPlace(nonce, aad, buffer, start, end);
      return;
    }
    const cipher = encryptor(this.#aead, this.#key, nonce);
    cipher.setAAD(aad);
    encryptInPlace(cipher, buffer, start, end);
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    if (this.#key === null) throw new TypeError('the AEAD key is destroyed');
    if (nonce.length !== NONCE_LENGTH) throw new RangeError('a nonce is 12 bytes');
    const end = sealed.length - TAG_LENGTH;
    if (end < 0) return null;
    const short = this.#short?.keyFor(end, aad);
    if (short) return short.open(nonce, aad, sealed);
    const decipher = decryptor(this.#aead, this.#key, nonce);
    decipher.setAAD(aad);
    decipher.setAuthTag(sealed.subarray(end));
    return decrypt(decipher, sealed.subarray(0, end));
  }

  destroy(): void {
    if (this.#key instanceof Uint8Array) this.#key.fill(0);
    this.#key = null;
    this.#short?.destroy();
  }
}

const available: ReadonlySet<string> = new Set(getCiphers());

export function nodeSupportsAead(aead: AeadName): boolean {
  return available.has(aead === 'aes-128-ccm-8' ? 'aes-128-ccm' : aead);
}

function cbcName(key: Uint8Array, iv: Uint8Array): 'aes-128-cbc' | 'aes-256-cbc' {
  if (iv.length !== 16) throw new RangeError('an IV for AES-CBC is 16 bytes');
  if (key.length === 16) return 'aes-128-cbc';
  if (key.length === 32) return 'aes-256-cbc';
  throw new RangeError(`a key for AES-CBC is 16 or 32 bytes here, not ${key.length}`);
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  head.fill(0);
  tail.fill(0);
  return whole;
}

export function nodeCbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(cbcName(key, iv), cipherKey(key), iv);
  return joined(cipher.update(plaintext), cipher.final());
}

export function nodeCbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array | null {
  const decipher = createDecipheriv(cbcName(key, iv), cipherKey(key), iv);
  const head = decipher.update(ciphertext);
  let tail: Uint8Array;
  try {
    tail = decipher.final();
  } catch {
    head.fill(0);
    return null;
  }
  return joined(head, tail);
}
