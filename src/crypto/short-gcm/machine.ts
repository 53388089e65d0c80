import { instantiate } from '../web-assembly.ts';
import { AAD, DIFFERENCE, H, INPUT, MASK, MODULE } from './module.ts';

/** The module's functions; scripts/make-gcm-wasm.mjs says what each does. */
interface Functions {
  readonly memory: { readonly buffer: ArrayBuffer };
  seal(aad: number, length: number): void;
  open(aad: number, length: number): void;
  wipe(length: number): void;
}

/** The instance and views of its memory. One a thread: every operation is finished before the next starts. */
export class Machine {
  readonly bytes: Uint8Array;
  readonly #run: Functions;
  readonly #difference: Int32Array;

  private constructor(run: Functions) {
    this.#run = run;
    this.bytes = new Uint8Array(run.memory.buffer);
    this.#difference = new Int32Array(run.memory.buffer, DIFFERENCE, 4);
  }

  /** @throws if the environment forbids WebAssembly or has none. */
  static instantiate(): Machine {
    return new Machine(instantiate(MODULE) as Functions);
  }

  /** Brings in what both ways need: `keystream` is the mask of the tag and the keystream behind it. */
  prepare(h: Uint8Array, keystream: Uint8Array, aad: Uint8Array): void {
    const { bytes } = this;
    bytes.set(h, H);
    bytes.set(keystream, MASK);
    for (let i = 0; i < aad.length; i++) bytes[AAD + i] = aad[i] as number;
  }

  /** Encrypts `buffer[start, end)` in place and puts the tag behind it. */
  seal(aadLength: number, buffer: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.bytes.set(buffer.subarray(start, end), INPUT);
    this.#run.seal(aadLength, length);
    buffer.set(this.bytes.subarray(INPUT, INPUT + length + 16), start);
    this.#run.wipe(length);
  }

  /** The plaintext of what is `sealed`, in memory of its own; null where the tag does not fit. */
  open(aadLength: number, sealed: Uint8Array): Uint8Array | null {
    const length = sealed.length - 16;
    this.bytes.set(sealed, INPUT);
    this.#run.open(aadLength, length);
    const plaintext = this.#isRight() ? this.bytes.slice(INPUT, INPUT + length) : null;
    this.#run.wipe(length);
    return plaintext;
  }

  #isRight(): boolean {
    let difference = 0;
    for (let i = 0; i < 4; i++) difference |= this.#difference[i] as number;
    return difference === 0;
  }
}
