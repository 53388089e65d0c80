/** What is beneath a secure socket: how it is given up, and what is wrong with it. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TlsessionError } from '../util/errors.ts';

/** By the names of net.connect's options. */
export interface ConnectTarget {
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  readonly localAddress?: string | undefined;
}

/** How long an alert may take to leave a transport that is being given up, in milliseconds. */
const ALERT_LIMIT_MS = 1000;

/**
 * Gives the transport up. What is still on its way out (an alert) has a moment to leave. `done` is called once,
 * with `error`, though the transport may be one that never says `close`.
 */
export function endTransport(
  transport: Duplex,
  error: Error | null,
  done: (error: Error | null) => void,
): void {
  if (transport.destroyed || transport.writableLength === 0 || error === null) {
    transport.destroy();
    if (!(transport instanceof Socket) || transport.closed) done(error);
    else transport.once('close', () => done(error));
    return;
  }
  const over = (): void => {
    clearTimeout(timer);
    transport.off('close', over);
    transport.off('finish', over);
    transport.destroy();
    done(error);
  };
  const timer = setTimeout(over, ALERT_LIMIT_MS);
  transport.once('close', over);
  transport.once('finish', over);
  transport.end();
}

/** Of a write that comes too late. */
export function closedError(): TlsessionError {
  return new TlsessionError('EPIPE', 'the connection is closed');
}

/** Of a transport that gives something else than bytes; as node:tls says it. */
export function notBytes(): TlsessionError {
  return new TlsessionError('ERR_STREAM_WRAP', 'Stream has StringDecoder set or is in objectMode');
}

/** The peer closed the connection before the handshake was complete. `target`: where a client went; null at a server. */
export function disconnectedError(target: ConnectTarget | null): TlsessionError {
  if (target === null) return new TlsessionError('ECONNRESET', 'socket hang up');
  const { path, host, port, localAddress } = target;
  return Object.assign(
    new TlsessionError(
      'ECONNRESET',
      'Client network socket disconnected before secure TLS connection was established',
    ),
    { path, host, port, localAddress },
  );
}
