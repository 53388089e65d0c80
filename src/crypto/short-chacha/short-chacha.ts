/**
 * ChaCha20-Poly1305 (RFC 8439) for short messages, where the work is a fraction of a microsecond and node:crypto makes
 * a cipher for every message. Nothing is prepared for a key: it is copied, and brought in with each message.
 *
 * The time depends on lengths only: neither the instructions nor the addresses depend on the bytes, but for whether a
 * tag was right, which is no secret. What is secret in the module's memory is zeroed before a call returns.
 */
import { KEY_WORDS, Machine } from './machine.ts';
import { INPUT_LENGTH } from './module.ts';

/** The longest message, in bytes without the tag: 3 KiB, and what TLS adds to it. */
export const LONGEST: number = INPUT_LENGTH;

/**
 * One key. Messages are at most `LONGEST` bytes, additional data `LONGEST_AAD` (short-aead.ts), nonces 12: not checked
 * here.
 */
export class ShortChaChaKey {
  readonly #machine: Machine;
  /** Copied by words, which is done faster. */
  readonly #key: Int32Array = new Int32Array(KEY_WORDS);

  /** Copies `key`, 32 bytes. */
  constructor(machine: Machine, key: Uint8Array) {
    this.#machine = machine;
    new Uint8Array(this.#key.buffer).set(key);
  }

  /** As `AeadKey.sealInPlace`. */
  sealInPlace(nonce: Uint8Array, aad: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    this.#machine.prepare(this.#key, nonce);
    this.#machine.seal(aad, buffer, start, end);
  }

  /** As `AeadKey.open`. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    this.#machine.prepare(this.#key, nonce);
    return this.#machine.open(aad, sealed);
  }

  /** Forgets the key. The object may not be used after. */
  destroy(): void {
    this.#key.fill(0);
  }
}

export class ShortChaCha {
  readonly #machine: Machine;

  private constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Null where WebAssembly is missing or forbidden. */
  static load(): ShortChaCha | null {
    try {
      return new ShortChaCha(Machine.instantiate());
    } catch {
      return null;
    }
  }

  /** Copies `key`, 32 bytes. */
  key(key: Uint8Array): ShortChaChaKey {
    return new ShortChaChaKey(this.#machine, key);
  }
}
