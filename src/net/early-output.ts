/**
 * What a client wrote as early data, until the server has said whether it takes it. The server of a refused
 * handshake has thrown it away, so it may go out again behind the handshake, as RFC 8446, 4.2.10 leaves to the
 * application: whoever turns early data on has said yes. But only for the protocol that it was written for.
 */
import type { Connection } from '../connection/connection.ts';
import { copyBytes, EMPTY, equalBytes } from '../util/bytes.ts';
import { TlsessionError } from '../util/errors.ts';

/** Bytes kept of one connection, and so the early data that is sent at most. */
const MAX_KEPT = 65_536;

export class EarlyOutput {
  /** The application protocol that it is written for: the session's. */
  readonly #alpn: Uint8Array;
  #sent: Uint8Array[] = [];
  #bytes = 0;
  #refused = false;

  constructor(alpn: Uint8Array) {
    this.#alpn = alpn;
  }

  /** Bytes that went out early. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sends what may go out early now, from the front; returns how much that was. */
  write(connection: Connection, data: Uint8Array): number {
    const room = Math.min(data.length, MAX_KEPT - this.#bytes, connection.earlyDataBudget);
    if (room <= 0) return 0;
    const count = connection.writeEarly(data.subarray(0, room));
    if (count === 0) return 0;
    this.#sent.push(copyBytes(data.subarray(0, count)));
    this.#bytes += count;
    return count;
  }

  decided(accepted: boolean): void {
    if (accepted) this.#forget();
    else this.#refused = true;
  }

  /**
   * What has to go out before anything else, now that the handshake is complete.
   * @throws {TlsessionError} `ERR_TLS_EARLY_DATA_PROTOCOL` when there is some and another protocol was chosen.
   */
  takeRefused(alpn: Uint8Array | null): Uint8Array[] {
    const sent = this.#sent;
    this.#sent = [];
    if (!this.#refused || sent.length === 0) return [];
    if (equalBytes(alpn ?? EMPTY, this.#alpn)) return sent;
    throw new TlsessionError(
      'ERR_TLS_EARLY_DATA_PROTOCOL',
      'early data was refused, and another application protocol was chosen than it was written for',
    );
  }

  #forget(): void {
    for (const chunk of this.#sent) chunk.fill(0);
    this.#sent = [];
  }

  destroy(): void {
    this.#forget();
  }
}
