/**
 * ChaCha20-Poly1305 (RFC 8439) for short messages, where the work is a fraction of a microsecond and node:crypto makes
 * a cipher for every message. Nothing is prepared for a key: it is copied, and brought in with each message.
 *
 * The time depends on lengths only: neither the instructions nor the addresses depend on the bytes, but for whether a
 * tag was right, which is no secret. What is secret in the module's memory is zeroed before a call returns.
 */
import { ShortAeadKey } from '../short-aead.ts';
import { KEY_WORDS, type Machine } from './machine.ts';
import { INPUT_LENGTH } from './module.ts';

/** The longest message, in bytes without the tag: 3 KiB, and what TLS adds to it. */
export const LONGEST: number = INPUT_LENGTH;

export class ShortChaChaKey extends ShortAeadKey<Machine> {
  /** Copied by words, which is done faster. */
  readonly #key: Int32Array = new Int32Array(KEY_WORDS);

  /** Copies `key`, 32 bytes. */
  constructor(machine: Machine, key: Uint8Array) {
    super(machine);
    new Uint8Array(this.#key.buffer).set(key);
  }

  protected override bring(nonce: Uint8Array): void {
    this.machine.prepare(this.#key, nonce);
  }

  override destroy(): void {
    this.#key.fill(0);
  }
}
