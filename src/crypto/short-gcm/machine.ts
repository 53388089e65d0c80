import { ShortAeadMachine } from '../short-aead.ts';
import { AAD, DIFFERENCE, H, INPUT, MASK, MODULE } from './module.ts';

/** The module that scripts/make-gcm-wasm.mjs makes, with what both ways need at its place. */
export class Machine extends ShortAeadMachine {
  /** @throws if the environment forbids WebAssembly or has none. */
  static instantiate(): Machine {
    return new Machine(MODULE, { AAD, INPUT, DIFFERENCE });
  }

  /** `keystream` is the mask of the tag and the keystream behind it. */
  prepare(h: Uint8Array, keystream: Uint8Array): void {
    this.bytes.set(h, H);
    this.bytes.set(keystream, MASK);
  }
}
