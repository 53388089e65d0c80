import { EMPTY } from '../util/bytes.ts';
import { TlsAlertError } from '../util/errors.ts';
import type { Limits } from '../util/limits.ts';
import { HandshakeType, messageName } from '../wire/numbers.ts';

/**
 * Cuts the stream of handshake records into messages. A message may be spread over records and a record may
 * hold several; the limit on a message is checked as soon as its header is there.
 */
export class MessageJoiner {
  /** The message that `next` found: the whole of it, header and body, as a view. */
  message: Uint8Array = EMPTY;
  #data: Uint8Array = EMPTY;
  #position = 0;
  readonly #limits: Limits;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  push(fragment: Uint8Array): void {
    const rest = this.#data.length - this.#position;
    if (rest === 0) {
      this.#data = fragment;
      this.#position = 0;
      return;
    }
    const joined = new Uint8Array(rest + fragment.length);
    joined.set(this.#data.subarray(this.#position));
    joined.set(fragment, rest);
    this.#data = joined;
    this.#position = 0;
  }

  next(): boolean {
    const available = this.#data.length - this.#position;
    if (available < 4) return false;
    const data = this.#data;
    const at = this.#position;
    const type = data[at] as number;
    const length =
      ((data[at + 1] as number) << 16) | ((data[at + 2] as number) << 8) | (data[at + 3] as number);
    const limit =
      type === HandshakeType.certificate || type === HandshakeType.compressed_certificate
        ? this.#limits.certificateMessageBytes
        : this.#limits.handshakeMessageBytes;
    if (length > limit) {
      throw TlsAlertError.local('message-too-long', `${messageName(type)} of ${length} bytes`);
    }
    if (available < 4 + length) return false;
    this.message = data.subarray(at, at + 4 + length);
    this.#position = at + 4 + length;
    return true;
  }

  /** Whether bytes of a message are waiting: none may be when the keys change (RFC 8446, 5.1). */
  get isEmpty(): boolean {
    return this.#position === this.#data.length;
  }

  /** Copies what waits for its end: the fragment it points to was only borrowed. */
  keepRest(): void {
    if (this.isEmpty) {
      this.#data = EMPTY;
      this.#position = 0;
      return;
    }
    this.#data = this.#data.slice(this.#position);
    this.#position = 0;
  }

  destroy(): void {
    this.#data = EMPTY;
    this.#position = 0;
    this.message = EMPTY;
  }
}
