/** undici's buildConnector over this engine: for `connect` of an Agent, a Client or a Pool, and so for fetch. */
import { connect as netConnect, type Socket } from 'node:net';
import { ClientSessionCache } from '../cache/client-session-cache.ts';
import { type ConnectOptions, connect, requireSessionCache } from './connect.ts';

export interface ConnectorOptions extends Omit<ConnectOptions, 'host' | 'port' | 'socket' | 'path'> {
  /** Offers HTTP/2 as well. Default false, as in undici 7. */
  readonly allowH2?: boolean | undefined;
  /** A Unix domain socket. */
  readonly socketPath?: string | null | undefined;
  /** Milliseconds until a connection that is not secure yet fails. Default 10,000; 0 for never. */
  readonly timeout?: number | undefined;
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds. Default 60,000. */
  readonly keepAliveInitialDelay?: number | undefined;
}

/** What undici asks for. */
export interface ConnectorTarget {
  readonly hostname: string;
  readonly host?: string | undefined;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | undefined;
  readonly localAddress?: string | null | undefined;
  /** A connection through a proxy. */
  readonly httpSocket?: Socket | undefined;
}

export type Connector = (
  target: ConnectorTarget,
  callback: (...result: [null, Socket] | [Error, null]) => void,
) => void;

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_KEEP_ALIVE_DELAY_MS = 60_000;

/**
 * A connector whose sessions are kept in a cache by peer and policy: `sessionCache`, or one of the connector's
 * own, which lives as long as it.
 */
export function buildConnector(options: ConnectorOptions = {}): Connector {
  const { allowH2, socketPath, timeout, keepAlive, keepAliveInitialDelay, ...tls } = options;
  const { sessionCache = new ClientSessionCache() } = options;
  requireSessionCache(sessionCache);
  const path = socketPath ?? undefined;
  const ALPNProtocols = tls.ALPNProtocols ?? (allowH2 ? ['h2', 'http/1.1'] : ['http/1.1']);
  return (target, callback) => {
    const { hostname, port, protocol } = target;
    const localAddress = target.localAddress ?? undefined;
    const secure = protocol === 'https:';
    const socket = secure
      ? connect({
          ...tls,
          sessionCache,
          ALPNProtocols,
          path,
          host: hostname,
          port: port || 443,
          servername: target.servername || tls.servername || nameOf(target.host) || hostname,
          localAddress,
          socket: target.httpSocket,
          handshakeTimeout: timeout ?? DEFAULT_TIMEOUT_MS,
        })
      : path === undefined
        ? netConnect({ host: hostname, port: Number(port || 80), ...(localAddress && { localAddress }) })
        : netConnect({ path });
    socket.setNoDelay(true);
    if (keepAlive ?? true) socket.setKeepAlive(true, keepAliveInitialDelay ?? DEFAULT_KEEP_ALIVE_DELAY_MS);
    const onError = (error: Error): void => callback(error, null);
    socket.once('error', onError);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.off('error', onError);
      callback(null, socket);
    });
  };
}

/** The name of a Host header. */
function nameOf(host: string | undefined): string | undefined {
  if (host === undefined || host.startsWith('[')) return undefined;
  return host.split(':', 1)[0];
}
