import { EMPTY } from '../util/bytes.ts';
import { TlsAlertError } from '../util/errors.ts';
import type { Limits } from '../util/limits.ts';
import { HandshakeType, messageName } from '../wire/numbers.ts';
import { InputBuffer } from './input-buffer.ts';

/** A record with less than this is mostly overhead. */
const TINY_BYTES = 16;

/**
 * Cuts the stream of handshake records into messages. A message may be spread over records and a record may
 * hold several; the limit on a message is checked as soon as its header is there.
 */
export class MessageJoiner {
  /** The message that `next` found: the whole of it, header and body, as a view. */
  message: Uint8Array = EMPTY;
  readonly #input: InputBuffer = new InputBuffer();
  readonly #limits: Limits;
  #lastIsTiny = false;
  #tiny = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Borrowed until `keepRest`. */
  push(fragment: Uint8Array): void {
    this.#lastIsTiny = fragment.length < TINY_BYTES;
    this.#input.push(fragment);
  }

  next(): boolean {
    if (this.#cut()) return true;
    if (this.#lastIsTiny && this.#input.available > 0) {
      this.#lastIsTiny = false;
      if (++this.#tiny > this.#limits.tinyRecords) throw TlsAlertError.local('too-many-tiny-records');
    }
    return false;
  }

  #cut(): boolean {
    const input = this.#input;
    if (input.available < 4) return false;
    const data = input.data;
    const at = input.position;
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
    if (input.available < 4 + length) return false;
    input.position = at + 4 + length;
    this.message = data.subarray(at, input.position);
    return true;
  }

  /** Whether no byte of a message is waiting: so it must be when the keys change (RFC 8446, 5.1). */
  get isEmpty(): boolean {
    return this.#input.available === 0;
  }

  /** Copies what waits for its end: the fragment it lies in was only borrowed. */
  keepRest(): void {
    this.#input.keep();
  }

  destroy(): void {
    this.#input.clear();
    this.message = EMPTY;
  }
}
