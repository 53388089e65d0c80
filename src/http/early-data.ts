/** Early data under HTTP (RFC 8470): requests that are marked, status 425, and the header `Early-Data`. */
import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Server as TlsServer } from '../net/server.ts';
import type { TLSSocket } from '../net/socket.ts';
import { cameEarly, EarlyMarks, markRequest } from './early-marks.ts';

/** Status 425, Too Early (RFC 8470, 5.2). */
export const TOO_EARLY = 425;

/**
 * How a request may have been replayed: `connection` its bytes came as early data here, and the handshake is not
 * complete; `forwarded` an intermediary says so by `Early-Data: 1`, and only it knows when that is over; null:
 * not at all, or not any more.
 */
export type EarlyDataRisk = 'connection' | 'forwarded' | null;

/** What `http.Server` has events for, each with a request first. */
const REQUEST_EVENTS = ['request', 'checkContinue', 'checkExpectation', 'upgrade', 'connect'] as const;

/**
 * Gives the connections of a TLS server to an http.Server, those with early data as soon as that is accepted:
 * their requests are marked, and what is answered at once leaves before the handshake is complete. What
 * happens to marked requests is decided by `guardEarlyData`, or with `earlyDataRisk` by hand.
 */
export function serveEarlyData(tls: TlsServer, http: Server): void {
  for (const event of REQUEST_EVENTS) http.prependListener(event, markRequest);
  tls.on('secureConnection', (socket: TLSSocket) => void http.emit('connection', socket));
  tls.on('earlyConnection', (socket: TLSSocket) => {
    new EarlyMarks(socket);
    http.emit('connection', socket);
  });
}

/** Whether and how a request may be a replay. */
export function earlyDataRisk(request: IncomingMessage): EarlyDataRisk {
  // Several of them, or other values, are no reason to trust it more (RFC 8470, 5.1).
  if (request.headers['early-data'] !== undefined) return 'forwarded';
  return cameEarly(request) && !isComplete(request) ? 'connection' : null;
}

function isComplete(request: IncomingMessage): boolean {
  return (request.socket as Partial<TLSSocket>).handshakeComplete !== false;
}

/**
 * `process` it though it may be a replay; `wait` until the handshake is complete, which no replay can make it;
 * `refuse` it with 425, upon which the client sends it again. A request that was forwarded cannot wait: it
 * is refused instead.
 */
export type EarlyDataChoice = 'process' | 'wait' | 'refuse';

export interface EarlyDataGuardOptions {
  /**
   * Asked for each request that may be a replay. By default those of a connection wait, and of those that were
   * forwarded the safe ones (GET, HEAD, OPTIONS; RFC 9110, 9.2.1) are processed and the others refused.
   */
  readonly choose?:
    | ((request: IncomingMessage, risk: 'connection' | 'forwarded') => EarlyDataChoice)
    | undefined;
}

const SAFE: readonly (string | undefined)[] = ['GET', 'HEAD', 'OPTIONS'];

function byDefault(request: IncomingMessage, risk: 'connection' | 'forwarded'): EarlyDataChoice {
  if (risk === 'connection') return 'wait';
  return SAFE.includes(request.method) ? 'process' : 'refuse';
}

/** A listener of `request`, `checkContinue`, `upgrade` and their kin. */
type Listener<Rest extends unknown[]> = (request: IncomingMessage, ...rest: Rest) => unknown;

/**
 * A listener that hears of a request only when it is not a replay, or may be one:
 *
 *     const app = http.createServer(guardEarlyData(express()));
 *     serveEarlyData(server, app);
 */
export function guardEarlyData(listener: RequestListener, options?: EarlyDataGuardOptions): RequestListener;
export function guardEarlyData<Rest extends unknown[]>(
  listener: Listener<Rest>,
  options?: EarlyDataGuardOptions,
): Listener<Rest>;
export function guardEarlyData<Rest extends unknown[]>(
  listener: Listener<Rest>,
  { choose = byDefault }: EarlyDataGuardOptions = {},
): Listener<Rest> {
  return function (this: unknown, request, ...rest): unknown {
    const risk = earlyDataRisk(request);
    const choice = risk === null ? 'process' : choose(request, risk);
    switch (choice) {
      case 'process':
        return listener.call(this, request, ...rest);
      case 'wait':
        if (risk === 'forwarded') return refuse(rest[0]);
        request.socket.once('secure', () => listener.call(this, request, ...rest));
        return undefined;
      default:
        return refuse(rest[0]);
    }
  };
}

/** `to`: the response, or for an upgrade or CONNECT the socket. */
function refuse(to: unknown): void {
  if (to instanceof ServerResponse) {
    to.writeHead(TOO_EARLY, 'Too Early', { 'content-length': 0 }).end();
    return;
  }
  (to as TLSSocket).end('HTTP/1.1 425 Too Early\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

/**
 * What an intermediary adds to a request that it forwards: `Early-Data: 1` as long as it may be a replay
 * (RFC 8470, 5.1). An answer of 425 to it is passed on; one to a request without it is the intermediary's own
 * matter, see `retryTooEarly`.
 */
export function earlyDataHeaders(request: IncomingMessage): { readonly 'early-data'?: '1' } {
  return earlyDataRisk(request) === null ? {} : { 'early-data': '1' };
}

/** The status of an answer, by the name that fetch or node:http gives it. */
export interface AnswerWithStatus {
  readonly status?: number | undefined;
  readonly statusCode?: number | undefined;
}

/**
 * A client's side: sends with early data, and once more without when the answer is 425 (RFC 8470, 5.2). `send`
 * makes the request anew each time, on a connection with or without `earlyData`; what it gave for the refused
 * one is handed to `discard`, to free its connection.
 */
export async function retryTooEarly<Answer extends AnswerWithStatus>(
  send: (early: boolean) => Promise<Answer>,
  discard: (answer: Answer) => unknown = () => {},
): Promise<Answer> {
  const answer = await send(true);
  if ((answer.status ?? answer.statusCode) !== TOO_EARLY) return answer;
  await discard(answer);
  return send(false);
}
