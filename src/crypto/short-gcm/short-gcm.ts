/**
 * GCM (NIST SP 800-38D) for short messages over a block cipher of somebody else's, where the work is a microsecond
 * and node:crypto makes a cipher, with the key's schedule, for every message. The key is set up once; then a message
 * is one call of the block cipher, over all its counters, and the module's hash.
 *
 * The time depends on lengths only: neither the instructions nor the addresses depend on the bytes, but for whether a
 * tag was right, which is no secret. What is secret in the module's memory is zeroed before a call returns.
 */
import { ShortAeadKey } from '../short-aead.ts';
import type { Machine } from './machine.ts';
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
const counters: Uint8Array = new Uint8Array(LONGEST + BLOCK);
const nonceWords: Int32Array = new Int32Array(counters.buffer);
// There are fewer than 256.
for (let i = 0; i < counters.length / BLOCK; i++) counters[i * BLOCK + 15] = i + 1;

export class ShortGcmKey extends ShortAeadKey<Machine> {
  readonly #cipher: BlockCipher;
  /** The cipher's zero block: GHASH's key. */
  readonly #h: Uint8Array;

  /** Takes over `cipher`. */
  constructor(machine: Machine, cipher: BlockCipher) {
    super(machine);
    this.#cipher = cipher;
    this.#h = cipher.encrypt(new Uint8Array(BLOCK));
  }

  override destroy(): void {
    this.#cipher.destroy();
    this.#h.fill(0);
  }

  protected override bring(nonce: Uint8Array, length: number): void {
    const keystream = this.#keystream(nonce, BLOCK + ((length + BLOCK - 1) & -BLOCK));
    try {
      this.machine.prepare(this.#h, keystream);
    } finally {
      keystream.fill(0);
    }
  }

  /** `size` bytes of it, in whole blocks: the mask of the tag, and what is added to the message. */
  #keystream(nonce: Uint8Array, size: number): Uint8Array {
    counters.set(nonce);
    const first = nonceWords[0] as number;
    const second = nonceWords[1] as number;
    const third = nonceWords[2] as number;
    for (let i = 4; i < size >> 2; i += 4) {
      nonceWords[i] = first;
      nonceWords[i + 1] = second;
      nonceWords[i + 2] = third;
    }
    try {
      return this.#cipher.encrypt(counters.subarray(0, size));
    } finally {
      // A nonce of TLS 1.3 tells the IV, which is a secret.
      for (let i = 0; i < size >> 2; i += 4) {
        nonceWords[i] = 0;
        nonceWords[i + 1] = 0;
        nonceWords[i + 2] = 0;
      }
    }
  }
}
