import { instantiate } from '../web-assembly.ts';
import { AAD, DIFFERENCE, INPUT, KEY, KEY_LENGTH, MASK, MODULE, SUM } from './module.ts';

/** The module's functions; scripts/make-gcm-wasm.mjs says what each does. */
interface Functions {
  readonly memory: { readonly buffer: ArrayBuffer };
  key(): void;
  seal(aad: number, length: number): void;
  open(aad: number, length: number): void;
  wipe(length: number): void;
}

/** 32-bit units of what `key` makes of H. */
const KEY_UNITS = KEY_LENGTH / 4;

/** The instance and views of its memory. One a thread: every operation is finished before the next starts. */
export class Machine {
  readonly bytes: Uint8Array;
  readonly #run: Functions;
  readonly #units: Int32Array;

  private constructor(run: Functions) {
    this.#run = run;
    this.bytes = new Uint8Array(run.memory.buffer);
    this.#units = new Int32Array(run.memory.buffer);
  }

  /** @throws if the environment forbids WebAssembly or has none. */
  static instantiate(): Machine {
    return new Machine(instantiate(MODULE) as Functions);
  }

  /** What multiplication by `h`, 16 bytes, needs. */
  hashKey(h: Uint8Array): Int32Array {
    this.bytes.set(h, SUM);
    this.#run.key();
    const key = new Int32Array(KEY_UNITS);
    for (let i = 0; i < KEY_UNITS; i++) key[i] = this.#units[(KEY >> 2) + i] as number;
    this.#run.wipe(0);
    return key;
  }

  /** Brings in what both ways need: `keystream` is the mask of the tag and the keystream behind it. */
  prepare(key: Int32Array, keystream: Uint8Array, aad: Uint8Array): void {
    const { bytes } = this;
    for (let i = 0; i < KEY_UNITS; i++) this.#units[(KEY >> 2) + i] = key[i] as number;
    bytes.set(keystream, MASK);
    for (let i = 0; i < 16; i++) bytes[AAD + i] = aad[i] as number;
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
    const at = DIFFERENCE >> 2;
    const difference = (this.#units[at] as number) | (this.#units[at + 1] as number);
    const plaintext = difference === 0 ? this.bytes.slice(INPUT, INPUT + length) : null;
    this.#run.wipe(length);
    return plaintext;
  }
}
