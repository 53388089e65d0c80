import { ShortAeadMachine } from '../short-aead.ts';
import { AAD, DIFFERENCE, INPUT, KEY, MODULE, NONCE } from './module.ts';

/** Words of a key, and of a nonce. */
export const KEY_WORDS = 8;
const NONCE_LENGTH = 12;

/** The module that scripts/make-chacha-wasm.mjs makes, with what both ways need at its place. */
export class Machine extends ShortAeadMachine {
  /** @throws if the environment forbids WebAssembly or has none. */
  static instantiate(): Machine {
    return new Machine(MODULE, { AAD, INPUT, DIFFERENCE });
  }

  prepare(key: Int32Array, nonce: Uint8Array): void {
    for (let i = 0; i < KEY_WORDS; i++) this.words[(KEY >> 2) + i] = key[i] as number;
    for (let i = 0; i < NONCE_LENGTH; i++) this.bytes[NONCE + i] = nonce[i] as number;
  }
}
