/** What the modules of the AEADs for short messages have in common; scripts/lib/short-aead.mjs makes that of them. */
import type { AeadKey } from './provider.ts';
import { instantiate } from './web-assembly.ts';

/** Bytes of a tag. */
const TAG = 16;

/** The longest additional data, in bytes: one block. */
export const LONGEST_AAD = 16;

interface Functions {
  readonly memory: { readonly buffer: ArrayBuffer };
  seal(aad: number, length: number): void;
  open(aad: number, length: number): void;
  /** Zeroes all that an input of `length` bytes has left in the memory. */
  wipe(length: number): void;
}

/** Where the module has what: addresses in bytes. */
export interface ShortAeadLayout {
  readonly AAD: number;
  readonly INPUT: number;
  /** Sixteen bytes, zero where `open` found the tag right. */
  readonly DIFFERENCE: number;
}

/**
 * The instance and views of its memory. One a thread: every operation is finished before the next starts. An operation
 * is `begin`, what the cipher needs, `seal` or `open`, and, whatever was thrown, `wipe`.
 */
export abstract class ShortAeadMachine {
  readonly bytes: Uint8Array;
  protected readonly words: Int32Array;
  readonly #run: Functions;
  readonly #layout: ShortAeadLayout;
  /** The length of the message that the memory may have something of; −1 when it is all zero. */
  #used = -1;

  /**
   * `module` is in base64.
   * @throws if the environment forbids WebAssembly or has none.
   */
  protected constructor(module: string, layout: ShortAeadLayout) {
    this.#run = instantiate(module) as Functions;
    this.#layout = layout;
    this.bytes = new Uint8Array(this.#run.memory.buffer);
    this.words = new Int32Array(this.#run.memory.buffer);
  }

  /** Of a message of `length` bytes, without the tag. */
  begin(aad: Uint8Array, length: number): void {
    // Somebody's stack ended in `wipe` itself.
    if (this.#used >= 0) this.bytes.fill(0);
    this.#used = length;
    const { AAD } = this.#layout;
    for (let i = 0; i < LONGEST_AAD; i++) this.bytes[AAD + i] = i < aad.length ? (aad[i] as number) : 0;
  }

  /** Encrypts `buffer[start, end)` in place and puts the tag behind it. */
  seal(aadLength: number, buffer: Uint8Array, start: number, end: number): void {
    const { INPUT } = this.#layout;
    const length = end - start;
    this.bytes.set(buffer.subarray(start, end), INPUT);
    this.#run.seal(aadLength, length);
    buffer.set(this.bytes.subarray(INPUT, INPUT + length + TAG), start);
  }

  /** The plaintext of what is `sealed`, in memory of its own; null where the tag does not fit. */
  open(aadLength: number, sealed: Uint8Array): Uint8Array | null {
    const { INPUT } = this.#layout;
    const length = sealed.length - TAG;
    this.bytes.set(sealed, INPUT);
    this.#run.open(aadLength, length);
    return this.#isRight() ? this.bytes.slice(INPUT, INPUT + length) : null;
  }

  /** Zeroes all that was used since `begin`. */
  wipe(): void {
    if (this.#used < 0) return;
    this.#run.wipe(this.#used);
    this.#used = -1;
  }

  #isRight(): boolean {
    const first = this.#layout.DIFFERENCE >> 2;
    let difference = 0;
    for (let i = 0; i < 4; i++) difference |= this.words[first + i] as number;
    return difference === 0;
  }
}

/**
 * One key. The longest message is the module's to say; additional data are at most `LONGEST_AAD` bytes, nonces 12: not
 * checked here.
 */
export abstract class ShortAeadKey<Machine extends ShortAeadMachine> implements AeadKey {
  protected readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** Brings in what the cipher needs for a message of `length` bytes. */
  protected abstract bring(nonce: Uint8Array, length: number): void;

  /** Forgets the key. The object may not be used after. */
  abstract destroy(): void;

  sealInPlace(nonce: Uint8Array, aad: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
    const { machine } = this;
    try {
      machine.begin(aad, end - start);
      this.bring(nonce, end - start);
      machine.seal(aad.length, buffer, start, end);
    } finally {
      machine.wipe();
    }
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const { machine } = this;
    const length = sealed.length - TAG;
    try {
      machine.begin(aad, length);
      this.bring(nonce, length);
      return machine.open(aad.length, sealed);
    } finally {
      machine.wipe();
    }
  }
}
