/** The key schedule of TLS 1.2: the PRF (RFC 5246, section 5) and all that is made with it. */
import type { AeadKey, CryptoProvider, HmacKey } from '../crypto/provider.ts';
import { concatBytes, copyBytes, utf8 } from '../util/bytes.ts';
import { type AeadName, aeadKeyLength } from '../util/registries.ts';
import type { ScheduleHash } from './hkdf.ts';
import type { KeyLogSink } from './key-log.ts';

export const MASTER_SECRET_LENGTH = 48;
export const VERIFY_DATA_LENGTH = 12;

const LABEL_MASTER = utf8('master secret');
const LABEL_EXTENDED_MASTER = utf8('extended master secret');
const LABEL_KEY_EXPANSION = utf8('key expansion');
const LABEL_CLIENT_FINISHED = utf8('client finished');
const LABEL_SERVER_FINISHED = utf8('server finished');

/** P_hash over label and seed; `length` bytes of it, the caller's. */
export function prf(key: HmacKey, label: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  const first = concatBytes(label, seed);
  let a = key.sign(first);
  const size = a.length;
  const block = new Uint8Array(size + first.length);
  block.set(first, size);
  for (let at = 0; at < length; at += size) {
    block.set(a);
    const part = key.sign(block);
    out.set(part.subarray(0, Math.min(size, length - at)), at);
    part.fill(0);
    if (at + size < length) {
      const next = key.sign(a);
      a.fill(0);
      a = next;
    }
  }
  a.fill(0);
  block.fill(0);
  return out;
}

/** One direction's key and the fixed part of its nonces: 4 bytes for GCM (RFC 5288), 12 for ChaCha20 (RFC 7905). */
export interface TrafficKeys12 {
  readonly key: AeadKey;
  readonly iv: Uint8Array;
}

/** master_secret of a TLS 1.2 session. */
export class MasterSecret12 {
  readonly #provider: CryptoProvider;
  readonly #bytes: Uint8Array;
  #key: HmacKey | null;

  private constructor(provider: CryptoProvider, hash: ScheduleHash, bytes: Uint8Array) {
    this.#provider = provider;
    this.#bytes = bytes;
    this.#key = provider.hmacKey(hash, bytes);
  }

  static #derive(
    provider: CryptoProvider,
    hash: ScheduleHash,
    premaster: Uint8Array,
    label: Uint8Array,
    seed: Uint8Array,
  ): MasterSecret12 {
    const key = provider.hmacKey(hash, premaster);
    const bytes = prf(key, label, seed, MASTER_SECRET_LENGTH);
    key.destroy();
    return new MasterSecret12(provider, hash, bytes);
  }

  /** RFC 5246, 8.1, for a peer without the extended master secret. Arguments are only read. */
  static fromPremaster(
    provider: CryptoProvider,
    hash: ScheduleHash,
    premaster: Uint8Array,
    clientRandom: Uint8Array,
    serverRandom: Uint8Array,
  ): MasterSecret12 {
    const seed = concatBytes(clientRandom, serverRandom);
    return MasterSecret12.#derive(provider, hash, premaster, LABEL_MASTER, seed);
  }

  /** RFC 7627, 4: bound to the transcript up to ClientKeyExchange. */
  static extended(
    provider: CryptoProvider,
    hash: ScheduleHash,
    premaster: Uint8Array,
    sessionHash: Uint8Array,
  ): MasterSecret12 {
    return MasterSecret12.#derive(provider, hash, premaster, LABEL_EXTENDED_MASTER, sessionHash);
  }

  /** Of a session that is resumed. `master` is copied. @throws {RangeError} unless it is 48 bytes. */
  static resume(provider: CryptoProvider, hash: ScheduleHash, master: Uint8Array): MasterSecret12 {
    if (master.length !== MASTER_SECRET_LENGTH) throw new RangeError('a master secret is 48 bytes');
    return new MasterSecret12(provider, hash, copyBytes(master));
  }

  #live(): HmacKey {
    if (this.#key === null) throw new TypeError('the master secret is used up');
    return this.#key;
  }

  /** A copy of the 48 bytes, for the session. */
  bytes(): Uint8Array {
    this.#live();
    return copyBytes(this.#bytes);
  }

  /** Tells `sink` of the master secret, as `CLIENT_RANDOM`. */
  log(sink: KeyLogSink): void {
    const copy = this.bytes();
    sink('CLIENT_RANDOM', copy);
    copy.fill(0);
  }

  /** The key block (RFC 5246, 6.3) of an AEAD suite: no MAC keys. */
  keys(
    aead: AeadName,
    clientRandom: Uint8Array,
    serverRandom: Uint8Array,
  ): { client: TrafficKeys12; server: TrafficKeys12 } {
    const keyLength = aeadKeyLength(aead);
    const ivLength = aead === 'chacha20-poly1305' ? 12 : 4;
    const seed = concatBytes(serverRandom, clientRandom);
    const block = prf(this.#live(), LABEL_KEY_EXPANSION, seed, 2 * (keyLength + ivLength));
    const ivs = 2 * keyLength;
    const pair = {
      client: {
        key: this.#provider.aeadKey(aead, block.subarray(0, keyLength)),
        iv: copyBytes(block.subarray(ivs, ivs + ivLength)),
      },
      server: {
        key: this.#provider.aeadKey(aead, block.subarray(keyLength, ivs)),
        iv: copyBytes(block.subarray(ivs + ivLength)),
      },
    };
    block.fill(0);
    return pair;
  }

  /** verify_data of a Finished (RFC 5246, 7.4.9), 12 bytes, over the hash of the transcript. */
  verifyData(sender: 'client' | 'server', transcriptHash: Uint8Array): Uint8Array {
    const label = sender === 'client' ? LABEL_CLIENT_FINISHED : LABEL_SERVER_FINISHED;
    return prf(this.#live(), label, transcriptHash, VERIFY_DATA_LENGTH);
  }

  /**
   * Exported keying material (RFC 5705, 4). Unlike in TLS 1.3, no context and an empty one differ.
   * Meaningful only with the extended master secret (RFC 7627, 5.4): the caller sees to that.
   * @throws {RangeError} for a context over 65535 bytes.
   */
  export(
    label: string,
    context: Uint8Array | null,
    length: number,
    clientRandom: Uint8Array,
    serverRandom: Uint8Array,
  ): Uint8Array {
    if (context === null) {
      return prf(this.#live(), utf8(label), concatBytes(clientRandom, serverRandom), length);
    }
    if (context.length > 0xffff) throw new RangeError('an exporter context is at most 65535 bytes');
    const size = Uint8Array.of(context.length >> 8, context.length & 0xff);
    const seed = concatBytes(clientRandom, serverRandom, size, context);
    return prf(this.#live(), utf8(label), seed, length);
  }

  destroy(): void {
    this.#key?.destroy();
    this.#key = null;
    this.#bytes.fill(0);
  }
}
