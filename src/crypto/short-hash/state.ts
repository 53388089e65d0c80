import type { HashState } from '../provider.ts';
import type { Algorithm, Machine } from './machine.ts';
import { INPUT, STATE } from './module.ts';

/** Whole blocks are taken this many bytes at a time. A multiple of both block sizes. */
const CHUNK = 0x8000;

/** A running hash: its state and the bytes of the last block that is not full yet. */
export class ShortHashState implements HashState {
  readonly #machine: Machine;
  readonly #algorithm: Algorithm;
  readonly #state: Int32Array;
  readonly #rest: Uint8Array;
  #total: number;

  /** Takes over `state`; `total` bytes, whole blocks, went into it. */
  constructor(machine: Machine, algorithm: Algorithm, state: Int32Array, total: number) {
    this.#machine = machine;
    this.#algorithm = algorithm;
    this.#state = state;
    this.#rest = new Uint8Array(algorithm.block);
    this.#total = total;
  }

  update(data: Uint8Array): void {
    const { block } = this.#algorithm;
    const held = this.#total % block;
    this.#total += data.length;
    if (held + data.length < block) {
      this.#rest.set(data, held);
      return;
    }
    const { bytes } = this.#machine;
    this.#machine.writeUnits(STATE, this.#state);
    let used = Math.min(data.length, CHUNK - held);
    if (held > 0) bytes.set(held === block ? this.#rest : this.#rest.subarray(0, held), INPUT);
    bytes.set(used === data.length ? data : data.subarray(0, used), INPUT + held);
    let length = held + used;
    let whole = length - (length % block);
    let widest = length;
    this.#compress(whole / block);
    while (used < data.length) {
      // Only the last chunk can end within a block: CHUNK is a multiple of the block.
      length = Math.min(data.length - used, CHUNK);
      bytes.set(data.subarray(used, used + length), INPUT);
      used += length;
      whole = length - (length % block);
      if (length > widest) widest = length;
      if (whole > 0) this.#compress(whole / block);
    }
    const left = length - whole;
    for (let i = 0; i < left; i++) this.#rest[i] = bytes[INPUT + whole + i] as number;
    const { units } = this.#machine;
    for (let i = 0; i < this.#state.length; i++) this.#state[i] = units[(STATE >> 2) + i] as number;
    this.#machine.run.wipe(widest);
  }

  #compress(count: number): void {
    if (this.#algorithm.wide) this.#machine.run.compress512(count);
    else this.#machine.run.compress256(count);
  }

  peek(): Uint8Array {
    const { block, digestLength, wide } = this.#algorithm;
    const machine = this.#machine;
    const held = this.#total % block;
    machine.writeUnits(STATE, this.#state);
    const { bytes } = machine;
    for (let i = 0; i < held; i++) bytes[INPUT + i] = this.#rest[i] as number;
    const bitsHigh = Math.floor(this.#total / 0x20000000);
    const bitsLow = (this.#total << 3) | 0;
    if (wide) machine.run.finish512(held, bitsHigh, bitsLow);
    else machine.run.finish256(held, bitsHigh, bitsLow);
    const digest = machine.output(digestLength);
    machine.run.wipe(2 * block);
    return digest;
  }

  fork(): ShortHashState {
    const held = this.#total % this.#algorithm.block;
    const copy = new ShortHashState(this.#machine, this.#algorithm, this.#state.slice(), this.#total);
    for (let i = 0; i < held; i++) copy.#rest[i] = this.#rest[i] as number;
    return copy;
  }

  /** Zeroes the state and what is held of the input. The object may not be used after. */
  wipe(): void {
    this.#state.fill(0);
    this.#rest.fill(0);
  }
}
