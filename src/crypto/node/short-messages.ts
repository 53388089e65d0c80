import { getCiphers, type KeyObject } from 'node:crypto';
import type { AeadName } from '../../util/registries.ts';
import type { AeadKey } from '../provider.ts';
import { LONGEST_AAD } from '../short-aead.ts';
import { Machine as ChaChaMachine } from '../short-chacha/machine.ts';
import { LONGEST as LONGEST_CHACHA, ShortChaChaKey } from '../short-chacha/short-chacha.ts';
import { Machine as GcmMachine } from '../short-gcm/machine.ts';
import { LONGEST as LONGEST_GCM, ShortGcmKey } from '../short-gcm/short-gcm.ts';
import { ifAllowed } from '../web-assembly.ts';
import { NodeAes } from './aes.ts';

/** `load` when it is first asked for: compiling a module takes a millisecond or two. */
function lazily<T>(load: () => T): () => T {
  let loaded: { readonly value: T } | null = null;
  return () => {
    loaded ??= { value: load() };
    return loaded.value;
  };
}

const chaCha = lazily(() => ifAllowed(() => ChaChaMachine.instantiate()));
/** Null also where OpenSSL is set up to leave AES by itself out. */
const gcm = lazily(() => {
  const ciphers = getCiphers();
  if (!ciphers.includes('aes-128-ecb') || !ciphers.includes('aes-256-ecb')) return null;
  return ifAllowed(() => GcmMachine.instantiate());
});

/**
 * A key's short messages, which this library's own modules protect and open: to make a cipher for each costs
 * node:crypto some 5 µs and leaves work for the collector. Up to 2 KiB of AES-GCM and 3 KiB of ChaCha20-Poly1305 that
 * is more than the message itself takes here.
 */
export interface ShortMessages {
  /** What is to protect or open a message of `length` bytes; null where that is node:crypto's. */
  keyFor(length: number, aad: Uint8Array): AeadKey | null;
  destroy(): void;
}

class ShortChaChaMessages implements ShortMessages {
  readonly #key: ShortChaChaKey;

  constructor(key: ShortChaChaKey) {
    this.#key = key;
  }

  keyFor(length: number, aad: Uint8Array): AeadKey | null {
    return length <= LONGEST_CHACHA && aad.length <= LONGEST_AAD ? this.#key : null;
  }

  destroy(): void {
    this.#key.destroy();
  }
}

class ShortGcmMessages implements ShortMessages {
  readonly #machine: GcmMachine;
  readonly #key: Uint8Array | KeyObject;
  #made: AeadKey | null = null;
  #hasSeenOne = false;

  constructor(machine: GcmMachine, key: Uint8Array | KeyObject) {
    this.#machine = machine;
    this.#key = key;
  }

  /** Null for a key's first message: many keys of a handshake have no other, and a cipher has to be made here too. */
  keyFor(length: number, aad: Uint8Array): AeadKey | null {
    if (length > LONGEST_GCM || aad.length > LONGEST_AAD) return null;
    if (this.#hasSeenOne) this.#made ??= new ShortGcmKey(this.#machine, new NodeAes(this.#key));
    this.#hasSeenOne = true;
    return this.#made;
  }

  destroy(): void {
    this.#made?.destroy();
    this.#made = null;
  }
}

/** Null where WebAssembly is missing. `key` is copied, `imported` borrowed for as long as the object lives. */
export function shortMessages(
  aead: Exclude<AeadName, `${string}-ccm${string}`>,
  key: Uint8Array,
  imported: Uint8Array | KeyObject,
): ShortMessages | null {
  if (aead === 'chacha20-poly1305') {
    const machine = chaCha();
    return machine === null ? null : new ShortChaChaMessages(new ShortChaChaKey(machine, key));
  }
  const machine = gcm();
  return machine === null ? null : new ShortGcmMessages(machine, imported);
}
