import type { CryptoProvider, HashState } from '../crypto/provider.ts';
import { concatBytes, copyBytes, EMPTY } from '../util/bytes.ts';
import type { ScheduleHash } from './hkdf.ts';

const MESSAGE_HASH = 254;

/**
 * The transcript of a handshake: what both ends hash to prove that they saw the same messages (RFC 8446,
 * 4.4.1; RFC 5246, 7.4.9). It exists before the hash is negotiated: until `choose` it keeps the
 * messages, then one running hash that is peeked at.
 */
export class Transcript {
  readonly #provider: CryptoProvider;
  #hash: ScheduleHash | null = null;
  #state: HashState | null = null;
  /** The messages themselves; null once only their hash is kept. */
  #messages: Uint8Array[] | null = [];

  constructor(provider: CryptoProvider) {
    this.#provider = provider;
  }

  /** The hash that was chosen, or null. */
  get hash(): ScheduleHash | null {
    return this.#hash;
  }

  /** Adds a handshake message with its header. `message` is borrowed. */
  update(message: Uint8Array): void {
    if (this.#messages !== null) this.#messages.push(copyBytes(message));
    this.#state?.update(message);
  }

  /**
   * Fixes the hash. The messages are forgotten, unless `keep` says that a TLS 1.2 CertificateVerify, which
   * signs them by a hash of its own (RFC 5246, 7.4.8), may still come; `forgetMessages` ends that. Choosing
   * the same hash again changes nothing.
   */
  choose(hash: ScheduleHash, keep: boolean = false): void {
    if (this.#hash !== null) {
      if (this.#hash !== hash) throw new TypeError('the hash of the transcript is chosen already');
      return;
    }
    const state = this.#provider.createHash(hash);
    for (const message of this.#messages ?? []) state.update(message);
    this.#hash = hash;
    this.#state = state;
    if (!keep) this.#messages = null;
  }

  /** The hash of all messages so far. @throws {TypeError} before `choose`. */
  peek(): Uint8Array {
    if (this.#state === null) throw new TypeError('the hash of the transcript is not chosen yet');
    return this.#state.peek();
  }

  /**
   * The hash of all messages so far and `partial`, which is not added: for the binders, over a ClientHello
   * that is cut before them (RFC 8446, 4.2.11.2). `hash` is the one of the pre-shared key.
   * @throws {TypeError} if another hash was chosen already: such a key cannot be used after a
   * HelloRetryRequest.
   */
  peekWith(hash: ScheduleHash, partial: Uint8Array): Uint8Array {
    let state: HashState;
    if (this.#state !== null) {
      if (hash !== this.#hash) throw new TypeError('the transcript runs by another hash');
      state = this.#state.fork();
    } else {
      if (this.#messages === null || this.#messages.length === 0) return this.#provider.digest(hash, partial);
      state = this.#provider.createHash(hash);
      for (const message of this.#messages) state.update(message);
    }
    state.update(partial);
    return state.peek();
  }

  /**
   * Puts the synthetic message_hash message in the place of ClientHello1, for a HelloRetryRequest (RFC 8446,
   * 4.4.1). Call with the first ClientHello as the only message, after `choose`.
   */
  replaceByMessageHash(): void {
    if (this.#hash === null) throw new TypeError('the hash of the transcript is not chosen yet');
    const digest = this.peek();
    const synthetic = new Uint8Array(4 + digest.length);
    synthetic[0] = MESSAGE_HASH;
    synthetic[3] = digest.length;
    synthetic.set(digest, 4);
    this.#state = this.#provider.createHash(this.#hash);
    this.#state.update(synthetic);
    if (this.#messages !== null) this.#messages = [synthetic];
  }

  /** An independent transcript that goes on from here. @throws {TypeError} before `choose`. */
  fork(): Transcript {
    if (this.#state === null) throw new TypeError('the hash of the transcript is not chosen yet');
    const copy = new Transcript(this.#provider);
    copy.#hash = this.#hash;
    copy.#state = this.#state.fork();
    copy.#messages = null;
    return copy;
  }

  /** All messages so far, for TLS 1.2's CertificateVerify. @throws {TypeError} if they were not kept. */
  messages(): Uint8Array {
    if (this.#messages === null) throw new TypeError('the messages of the transcript were not kept');
    return this.#messages.length === 0 ? EMPTY : concatBytes(...this.#messages);
  }

  /** No CertificateVerify of TLS 1.2 can come any more: only the hash is kept from here on. */
  forgetMessages(): void {
    if (this.#state !== null) this.#messages = null;
  }
}
