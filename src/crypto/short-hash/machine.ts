import { instantiate } from '../web-assembly.ts';
import { H256, H384, H512, INPUT, MODULE, OUT } from './module.ts';

/** The module's functions; scripts/make-hash-wasm.mjs says what each does. */
interface Functions {
  readonly memory: { readonly buffer: ArrayBuffer };
  compress256(count: number): void;
  finish256(length: number, bitsHigh: number, bitsLow: number): void;
  hash256(initial: number, length: number): void;
  hmacKey256(initial: number): void;
  hmac256(length: number, digestLength: number): void;
  compress512(count: number): void;
  finish512(length: number, bitsHigh: number, bitsLow: number): void;
  hash512(initial: number, length: number): void;
  hmacKey512(initial: number): void;
  hmac512(length: number, digestLength: number): void;
  wipe(length: number): void;
}

export type ShortHashName = 'sha256' | 'sha384' | 'sha512';

/** One hash function. */
export interface Algorithm {
  readonly name: ShortHashName;
  /** True for words of 64 bits: SHA-384 and SHA-512. */
  readonly wide: boolean;
  /** Address of the initial state. */
  readonly initial: number;
  readonly digestLength: number;
  /** Bytes of a block. */
  readonly block: number;
  /** The state's size in 32-bit units. */
  readonly stateUnits: number;
}

function narrow(name: ShortHashName, initial: number, digestLength: number): Algorithm {
  return Object.freeze({ name, wide: false, initial, digestLength, block: 64, stateUnits: 8 });
}

function wide(name: ShortHashName, initial: number, digestLength: number): Algorithm {
  return Object.freeze({ name, wide: true, initial, digestLength, block: 128, stateUnits: 16 });
}

const SHA256 = narrow('sha256', H256, 32);
const SHA384 = wide('sha384', H384, 48);
const SHA512 = wide('sha512', H512, 64);

export function algorithm(name: ShortHashName): Algorithm {
  switch (name) {
    case 'sha256':
      return SHA256;
    case 'sha384':
      return SHA384;
    default:
      return SHA512;
  }
}

/** The instance and views of its memory. One a thread: every operation is finished before the next starts. */
export class Machine {
  readonly run: Functions;
  readonly bytes: Uint8Array;
  readonly units: Int32Array;

  private constructor(run: Functions) {
    this.run = run;
    this.bytes = new Uint8Array(run.memory.buffer);
    this.units = new Int32Array(run.memory.buffer);
  }

  /** @throws if the environment forbids WebAssembly or has none. */
  static instantiate(): Machine {
    return new Machine(instantiate(MODULE) as Functions);
  }

  input(data: Uint8Array): void {
    this.bytes.set(data, INPUT);
  }

  /** The digest of `length` bytes in memory of its own. */
  output(length: number): Uint8Array {
    const digest = new Uint8Array(length);
    const { bytes } = this;
    for (let i = 0; i < length; i++) digest[i] = bytes[OUT + i] as number;
    return digest;
  }

  /** Reads `count` 32-bit units of a state at `address`. */
  readUnits(address: number, count: number): Int32Array {
    const copy = new Int32Array(count);
    const { units } = this;
    const start = address >> 2;
    for (let i = 0; i < count; i++) copy[i] = units[start + i] as number;
    return copy;
  }

  writeUnits(address: number, state: Int32Array): void {
    const { units } = this;
    const start = address >> 2;
    for (let i = 0; i < state.length; i++) units[start + i] = state[i] as number;
  }
}
