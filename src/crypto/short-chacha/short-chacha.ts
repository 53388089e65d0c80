/**
 * ChaCha20-Poly1305 (RFC 8439) for short messages, where the work is a fraction of a microsecond and node:crypto makes
 * a cipher for every message. Nothing is prepared for a key: it is copied, and brought in with each message.
 *
 * The time depends on lengths only: neither the instructions nor the addresses depend on the bytes, but for whether a
 * tag was right, which is no secret. What is secret in the module's memory is zeroed before a call returns.
 */
import { ifAllowed } from '../web-assembly.ts';
import { KEY_WORDS, Machine } from './machine.ts';
import { INPUT_LENGTH } from './module.ts';

/** The longest message, in bytes without the tag: 3 KiB, and what TLS adds to it. */
export const LONGEST: number = INPUT_LENGTH;

/** Bytes of a tag. */
const TAG = 16;

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
    const machine = this.#machine;
    try {
      machine.begin(aad, end - start);
      machine.prepare(this.#key, nonce);
      machine.seal(aad.length, buffer, start, end);
    } finally {
      machine.wipe();
    }
  }

  /** As `AeadKey.open`. */
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const machine = this.#machine;
    try {
      machine.begin(aad, sealed.length - TAG);
      machine.prepare(this.#key, nonce);
      return machine.open(aad.length, sealed);
    } finally {
      machine.wipe();
    }
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
    return ifAllowed(() => new ShortChaCha(Machine.instantiate()));
  }

  /** Copies `key`, 32 bytes. */
  key(key: Uint8Array): ShortChaChaKey {
    return new ShortChaChaKey(this.#machine, key);
  }
}
