/**
 * Which requests of a connection came as early data, in whole or in part (RFC 8470, 3). An http.Server says
 * when a request's header is complete and not where it began. So the bytes are counted in front of its parser,
 * and where that does not tell, the doubtful request counts as early: that costs a round trip, never a replay.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from '../net/socket.ts';

const CR_LF_CR_LF = 0x0d0a0d0a;

const early: WeakSet<IncomingMessage> = new WeakSet();
const marks: WeakMap<object, EarlyMarks> = new WeakMap();

export class EarlyMarks {
  readonly #socket: TLSSocket;
  #delivered = 0;
  /** The last four early bytes. */
  #tail = 0;
  /** What the parser sees now came early. */
  #inEarlyBytes = true;
  /** The next request may have begun in early bytes. */
  #nextIsDoubtful = false;
  #last: IncomingMessage | null = null;
  readonly #onData: (chunk: Uint8Array) => void;

  /** Listens to the socket from now on: before its parser does. */
  constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.#onData = (chunk): void => this.#count(chunk);
    socket.on('data', this.#onData);
    marks.set(socket, this);
  }

  #count(chunk: Uint8Array): void {
    // A chunk is of one kind: what came early is pushed apart from what did not.
    if (this.#delivered < this.#socket.earlyBytes) {
      for (const byte of chunk.subarray(-4)) this.#tail = ((this.#tail << 8) | byte) >>> 0;
      this.#delivered += chunk.length;
      return;
    }
    this.#inEarlyBytes = false;
    this.#nextIsDoubtful = !this.#endedBetweenRequests();
    this.#socket.off('data', this.#onData);
  }

  /** Whether it is certain that no request began in early bytes beyond those that were announced. */
  #endedBetweenRequests(): boolean {
    const last = this.#last;
    if (last === null) return false;
    const { headers } = last;
    const hasBody =
      headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0;
    // Its body goes on in what did not come early, and the next request behind it.
    if (hasBody) return !last.complete;
    return this.#tail === CR_LF_CR_LF;
  }

  /** A header is complete. */
  mark(request: IncomingMessage): void {
    if (this.#inEarlyBytes) this.#last = request;
    else if (!this.#nextIsDoubtful) return;
    this.#nextIsDoubtful = false;
    early.add(request);
  }
}

/** To be called as its header is complete, before anybody else hears of the request. */
export function markRequest(request: IncomingMessage): void {
  marks.get(request.socket)?.mark(request);
}

/** Whether any byte of the request came, or may have come, as early data of its connection. */
export function cameEarly(request: IncomingMessage): boolean {
  return early.has(request);
}
