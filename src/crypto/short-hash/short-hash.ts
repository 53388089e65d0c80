/**
 * SHA-256, SHA-384, SHA-512 and HMAC for short inputs, where the work is a few hundred nanoseconds and a call
 * into node:crypto costs one to three microseconds. An HMAC key keeps the states after its inner and outer
 * block, so that a MAC of a short input is two compressions.
 *
 * The functions run in time that depends on lengths only: neither the instructions nor the addresses depend
 * on the bytes. What is secret in the module's memory is zeroed before a call returns.
 */
import type { HashState, HmacKey } from '../provider.ts';
import { ifAllowed } from '../web-assembly.ts';
import { type Algorithm, algorithm, Machine, type ShortHashName } from './machine.ts';
import { INPUT_LENGTH, KEY } from './module.ts';
import { ShortHashState } from './state.ts';

class ShortHmacKey implements HmacKey {
  readonly #machine: Machine;
  readonly #algorithm: Algorithm;
  /** Inner state and outer state; null after destroy. */
  #states: Int32Array | null;

  constructor(machine: Machine, algorithm: Algorithm, states: Int32Array) {
    this.#machine = machine;
    this.#algorithm = algorithm;
    this.#states = states;
  }

  sign(data: Uint8Array): Uint8Array {
    const states = this.#states;
    if (states === null) throw new TypeError('the HMAC key is destroyed');
    const machine = this.#machine;
    const { wide, digestLength } = this.#algorithm;
    if (data.length > INPUT_LENGTH) return this.#signLong(states, data);
    // INNER and OUTER are 64 bytes each; the states of 32-bit words fill half of it.
    const { units } = machine;
    const half = states.length >> 1;
    for (let i = 0; i < half; i++) {
      units[(KEY >> 2) + i] = states[i] as number;
      units[(KEY >> 2) + 16 + i] = states[half + i] as number;
    }
    machine.input(data);
    if (wide) machine.run.hmac512(data.length, digestLength);
    else machine.run.hmac256(data.length, digestLength);
    const mac = machine.output(digestLength);
    machine.run.wipe(0);
    return mac;
  }

  #signLong(states: Int32Array, data: Uint8Array): Uint8Array {
    const half = states.length >> 1;
    const { block } = this.#algorithm;
    const inner = new ShortHashState(this.#machine, this.#algorithm, states.slice(0, half), block);
    inner.update(data);
    const outer = new ShortHashState(this.#machine, this.#algorithm, states.slice(half), block);
    outer.update(inner.peek());
    const mac = outer.peek();
    inner.wipe();
    outer.wipe();
    return mac;
  }

  destroy(): void {
    this.#states?.fill(0);
    this.#states = null;
  }
}

export class ShortHash {
  readonly #machine: Machine;

  private constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Null where WebAssembly is missing or forbidden. */
  static load(): ShortHash | null {
    return ifAllowed(() => new ShortHash(Machine.instantiate()));
  }

  static has(name: string): name is ShortHashName {
    return name === 'sha256' || name === 'sha384' || name === 'sha512';
  }

  digest(name: ShortHashName, data: Uint8Array): Uint8Array {
    const chosen = algorithm(name);
    if (data.length > INPUT_LENGTH) {
      const state = this.createHash(name);
      state.update(data);
      return state.peek();
    }
    const machine = this.#machine;
    machine.input(data);
    if (chosen.wide) machine.run.hash512(chosen.initial, data.length);
    else machine.run.hash256(chosen.initial, data.length);
    const digest = machine.output(chosen.digestLength);
    machine.run.wipe(data.length);
    return digest;
  }

  createHash(name: ShortHashName): HashState {
    const chosen = algorithm(name);
    return new ShortHashState(
      this.#machine,
      chosen,
      this.#machine.readUnits(chosen.initial, chosen.stateUnits),
      0,
    );
  }

  /** Leaves the states of `key` at KEY, in the module. */
  #setKey(chosen: Algorithm, key: Uint8Array): void {
    const machine = this.#machine;
    if (key.length > chosen.block) {
      const digest = this.digest(chosen.name, key);
      machine.input(digest);
      digest.fill(0);
    } else {
      machine.input(key);
    }
    if (chosen.wide) machine.run.hmacKey512(chosen.initial);
    else machine.run.hmacKey256(chosen.initial);
  }

  hmacKey(name: ShortHashName, key: Uint8Array): HmacKey {
    const chosen = algorithm(name);
    this.#setKey(chosen, key);
    const machine = this.#machine;
    const { units } = machine;
    const half = chosen.stateUnits;
    const states = new Int32Array(2 * half);
    for (let i = 0; i < half; i++) {
      states[i] = units[(KEY >> 2) + i] as number;
      states[half + i] = units[(KEY >> 2) + 16 + i] as number;
    }
    machine.run.wipe(0);
    return new ShortHmacKey(machine, chosen, states);
  }

  hmac(name: ShortHashName, key: Uint8Array, data: Uint8Array): Uint8Array {
    const chosen = algorithm(name);
    if (data.length > INPUT_LENGTH) {
      const imported = this.hmacKey(name, key);
      const mac = imported.sign(data);
      imported.destroy();
      return mac;
    }
    this.#setKey(chosen, key);
    const machine = this.#machine;
    machine.input(data);
    if (chosen.wide) machine.run.hmac512(data.length, chosen.digestLength);
    else machine.run.hmac256(data.length, chosen.digestLength);
    const mac = machine.output(chosen.digestLength);
    machine.run.wipe(0);
    return mac;
  }
}
