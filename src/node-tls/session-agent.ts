/** What makes connections for node:https, undici and node:http2, with sessions from a cache of ours. */
import * as http2 from 'node:http2';
import * as https from 'node:https';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { isPromiseLike } from '../cache/awaitable.ts';
import { ClientSessionCache, type ClientSessions } from '../cache/client-session-cache.ts';
import { isIpLiteral } from '../util/ip-literal.ts';
import type { NodeConnectOptions } from './client-key.ts';
import { NodeClientSessions, type NodeClientSessionsOptions } from './client-sessions.ts';

/** `sessions` by default is a cache in memory, of its own. */
export type SessionKeeping = Omit<NodeClientSessionsOptions, 'sessions'> & {
  readonly sessions?: ClientSessions | undefined;
};

function keeper(options: SessionKeeping): NodeClientSessions {
  return new NodeClientSessions({ ...options, sessions: options.sessions ?? new ClientSessionCache() });
}

/**
 * Connects as `tls.connect` does, with a session if there is one. The promise is fulfilled with the socket
 * before its handshake.
 */
async function connect(sessions: NodeClientSessions, options: NodeConnectOptions): Promise<tls.TLSSocket> {
  const prepared = await sessions.prepare(options);
  const socket = tls.connect(prepared.options as tls.ConnectionOptions);
  prepared.attach(socket);
  return socket;
}

// https ------------------------------------------------------------------------------------------------------

export type SessionAgentOptions = https.AgentOptions & SessionKeeping;

type SocketCallback = (error: Error | null, socket?: Duplex) => void;

export class SessionAgent extends https.Agent {
  readonly #sessions: NodeClientSessions;
  readonly #proxied: boolean;

  constructor(options: SessionAgentOptions = {}) {
    const { sessions, clock, onResumption, ...own } = options;
    // The cache of node:https has one session a name, shows it to several connections, and knows no time.
    super({ ...own, maxCachedSessions: 0 });
    this.#sessions = keeper({ sessions, clock, onResumption });
    const { proxyEnv } = own as { proxyEnv?: unknown };
    this.#proxied = typeof proxyEnv === 'object' && proxyEnv !== null;
  }

  /** Resolves when the sessions that have come are saved, or could not be. Await it before the process ends. */
  settled(): Promise<void> {
    return this.#sessions.settled();
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    // The socket that node:https has first is the proxy's, and its sessions are not the peer's.
    if (this.#proxied) return super.createConnection(options, callback);
    const done = callback as SocketCallback | undefined;
    const prepared = this.#sessions.prepare(options as NodeConnectOptions);
    if (!isPromiseLike(prepared)) {
      const socket = super.createConnection(prepared.options as https.RequestOptions) as tls.TLSSocket;
      prepared.attach(socket);
      return socket;
    }
    const connected = prepared.then((ready) => {
      const socket = super.createConnection(ready.options as https.RequestOptions) as tls.TLSSocket;
      ready.attach(socket);
      return socket;
    });
    connected.then(
      (socket) => done?.(null, socket),
      (error: unknown) => done?.(error as Error),
    );
    return undefined;
  }
}

/**
 * An `https.Agent` whose sessions are kept by peer and policy, used once each in TLS 1.3, dropped when they
 * expire, and, with `sessions` over a store, there after a restart.
 */
export function sessionAgent(options: SessionAgentOptions = {}): SessionAgent {
  return new SessionAgent(options);
}

// undici -----------------------------------------------------------------------------------------------------

/** What undici asks of a `connect` function. */
export interface UndiciTarget {
  readonly hostname: string;
  readonly host?: string | undefined;
  readonly protocol: string;
  readonly port: string;
  readonly servername?: string | null | undefined;
  readonly localAddress?: string | null | undefined;
  readonly httpSocket?: net.Socket | undefined;
}

export type UndiciConnect = (
  target: UndiciTarget,
  callback: (
    ...outcome: [error: null, socket: net.Socket | tls.TLSSocket] | [error: Error, socket: null]
  ) => void,
) => void;

export type UndiciConnectOptions = SessionKeeping &
  tls.ConnectionOptions & {
    /** Offer HTTP/2, as undici's `allowH2`. Default false. */
    readonly allowH2?: boolean | undefined;
    /** Milliseconds that a connection may take to be ready. Default 10,000, as undici's; 0 for no limit. */
    readonly timeout?: number | undefined;
  };

/** A `connect` for undici's Client, Pool and Agent. */
export function undiciConnect(options: UndiciConnectOptions = {}): UndiciConnect {
  const { sessions, clock, onResumption, allowH2 = false, timeout = 10_000, ...own } = options;
  const kept = keeper({ sessions, clock, onResumption });
  return (target, callback) => {
    const { hostname, protocol, port, servername, localAddress, httpSocket } = target;
    const from = localAddress ? { localAddress } : {};
    if (protocol !== 'https:') {
      const socket = net.connect({ ...from, host: hostname, port: Number(port || 80) });
      whenReady(socket, 'connect', timeout, callback);
      return;
    }
    // undici writes an IPv6 address as URLs do.
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const name = servername || own.servername || (isIpLiteral(host) ? undefined : host);
    const wanted = {
      ...own,
      ...from,
      ...(name === undefined ? {} : { servername: name }),
      ...(httpSocket === undefined ? {} : { socket: httpSocket }),
      ALPNProtocols: own.ALPNProtocols ?? (allowH2 ? ['h2', 'http/1.1'] : ['http/1.1']),
      host,
      port: Number(port || 443),
    };
    connect(kept, wanted).then(
      (socket) => whenReady(socket, 'secureConnect', timeout, callback),
      (error: unknown) => callback(error as Error, null),
    );
  };
}

function whenReady(
  socket: net.Socket,
  event: string,
  timeoutMs: number,
  callback: Parameters<UndiciConnect>[1],
): void {
  socket.setKeepAlive(true, 60_000);
  socket.setNoDelay(true);
  const timer =
    timeoutMs > 0
      ? setTimeout(() => {
          const error = Object.assign(new Error('Connect Timeout Error'), {
            code: 'UND_ERR_CONNECT_TIMEOUT',
          });
          socket.destroy(error);
        }, timeoutMs)
      : undefined;
  const onReady = (): void => {
    stop();
    callback(null, socket);
  };
  const onError = (error: Error): void => {
    stop();
    callback(error, null);
  };
  const stop = (): void => {
    clearTimeout(timer);
    socket.off(event, onReady);
    socket.off('error', onError);
  };
  socket.once(event, onReady);
  socket.once('error', onError);
}

// http2 ------------------------------------------------------------------------------------------------------

export type Http2ConnectOptions = SessionKeeping & Omit<http2.SecureClientSessionOptions, 'createConnection'>;

/** Makes HTTP/2 sessions to one origin after another, with TLS sessions from one cache. */
export type Http2Connect = (
  authority: string | URL,
  options?: Omit<http2.SecureClientSessionOptions, 'createConnection'>,
) => Promise<http2.ClientHttp2Session>;

/**
 * `http2.connect` with sessions from a cache. A promise, since a session may have to come from a store.
 * It is fulfilled with a session that is not connected yet, as `http2.connect` gives it.
 */
export function http2Connect(options: Http2ConnectOptions = {}): Http2Connect {
  const { sessions, clock, onResumption, ...own } = options;
  const kept = keeper({ sessions, clock, onResumption });
  return async (authority, more = {}) => {
    const url = new URL(authority);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const all = { ...own, ...more };
    if (url.protocol === 'http:') return http2.connect(url, all);
    const name = all.servername ?? (isIpLiteral(host) ? undefined : host);
    const prepared = await kept.prepare({
      ...all,
      ALPNProtocols: ['h2'],
      host,
      port: Number(url.port || 443),
      ...(name === undefined ? {} : { servername: name }),
    } as NodeConnectOptions);
    const session = http2.connect(url, {
      ...all,
      createConnection: () => {
        const socket = tls.connect(prepared.options as tls.ConnectionOptions);
        prepared.attach(socket);
        return socket;
      },
    });
    return session;
  };
}
