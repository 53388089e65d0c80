/**
 * GCM (NIST SP 800-38D) for short messages over a block cipher of somebody else's, where the work is a microsecond
 * and node:crypto makes a cipher, with the key's schedule, for every message. The key is set up once; then a message
 * is one call of the block cipher, over all its counters, and the module's hash.
 *
 * The time depends on lengths only: neither the instructions nor the addresses depend on the bytes, but for whether a
 * tag was right, which is no secret. What is secret in the module's memory is zeroed before a call returns.
 */
import { Machine } from './machine.ts';
import { INPUT_LENGTH } from './module.ts';

/** A block cipher under one key, with blocks of 16 bytes. */
export interface BlockCipher {
  /** Each of `blocks` by itself, in memory that is the caller's to wipe. */
  encrypt(blocks: Uint8Array): Uint8Array;
  /** Forgets the key. The object may not be used after. */
  destroy(): void;
}

/** The longest message, in bytes without the tag: 2 KiB, and what TLS adds to it. */
export const LONGEST: number = INPUT_LENGTH;

const BLOCK = 16;

/** Counter blocks: the nonce, then the number of the block, from 1 on. Whole words are written, not bytes. */
const counters: Uint8Array = new Uint8Array(LONGEST + 2 * BLOCK);
const nonceWords: Int32Array = new Int32Array(counters.buffer);
for (let i = 0; i < counters.length / BLOCK; i++) {
  counters[i * BLOCK + 14] = (i + 1) >> 8;
  counters[i * BLOCK + 15] = i + 1;
}

/** One key. Messages are at most `LONGEST` bytes, additional data `LONGEST_AAD` (short-aead.ts), nonces 12: not checked here. */
export class ShortGcmKey {
  readonly #machine: Machine;
  readonly #cipher: BlockCipher;
  /** The cipher's zero block: GHASH's key. */
  readonly #h: Uint8Array;

  /** Takes over `cipher`. */
  constructor(machine: Machine, cipher: BlockCipher) {
    this.#machine = machine;
    this.#cipher = cipher;
    this.#h = cipher.encrypt(new Uint8Array(BLOCK));
  }

  /** As `AeadKey.sealInPlace`. */
  sealInPlace(nonce: Uint8Array, aad: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    this.#prepare(nonce, end - start);
    this.#machine.seal(aad, buffer, start, end);
  }

  /** As `AeadKey.open`. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    this.#prepare(nonce, sealed.length - BLOCK);
    return this.#machine.open(aad, sealed);
  }

  destroy(): void {
    this.#cipher.destroy();
    this.#h.fill(0);
  }

  #prepare(nonce: Uint8Array, length: number): void {
    const size = BLOCK + ((length + BLOCK - 1) & -BLOCK);
    counters.set(nonce);
    const first = nonceWords[0] as number;
    const second = nonceWords[1] as number;
    const third = nonceWords[2] as number;
    for (let i = 4; i < size >> 2; i += 4) {
      nonceWords[i] = first;
      nonceWords[i + 1] = second;
      nonceWords[i + 2] = third;
    }
    const keystream = this.#cipher.encrypt(counters.subarray(0, size));
    this.#machine.prepare(this.#h, keystream);
    keystream.fill(0);
  }
}

export class ShortGcm {
  readonly #machine: Machine;

  private constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Null where WebAssembly is missing or forbidden. */
  static load(): ShortGcm | null {
    try {
      return new ShortGcm(Machine.instantiate());
    } catch {
      return null;
    }
  }

  /** Takes over `cipher`. */
  key(cipher: BlockCipher): ShortGcmKey {
    return new ShortGcmKey(this.#machine, cipher);
  }
}
