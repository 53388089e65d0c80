/** node:https over this engine. HTTP stays Node's own; only who speaks TLS is another. */
import {
  type ClientRequest,
  Server as HttpServer,
  type ServerOptions as HttpServerOptions,
  type IncomingMessage,
  type RequestListener,
} from 'node:http';
import {
  type AgentOptions as NodeAgentOptions,
  request as nodeRequest,
  Agent as StockAgent,
  type RequestOptions as StockRequestOptions,
} from 'node:https';
import type { Duplex } from 'node:stream';
import { ClientSessionCache, type ClientSessions } from '../cache/client-session-cache.ts';
import { type ConnectOptions, connect, requireSessionCache } from './connect.ts';
import type { SecureContext, SecureContextOptions } from './secure-context.ts';
import { Server as TlsServer, type ServerOptions as TlsServerOptions } from './server.ts';
import type { TLSSocket } from './socket.ts';

// Servers ------------------------------------------------------------------------------------------------

/** The options of https.createServer: those of http.createServer and those of this library's own. */
export type ServerOptions = TlsServerOptions & HttpServerOptions;

/** Events of a TLS server that are an https server's as well. Some change what is done, by being listened for. */
const FORWARDED: ReadonlySet<string> = new Set(['newSession', 'resumeSession', 'OCSPRequest', 'keylog']);

export class Server extends HttpServer {
  readonly #tls: TlsServer;

  constructor(listener?: RequestListener);
  constructor(options: ServerOptions, listener?: RequestListener);
  constructor(options: ServerOptions | RequestListener = {}, listener?: RequestListener) {
    const given = typeof options === 'function' ? {} : options;
    super(given as HttpServerOptions, typeof options === 'function' ? options : listener);
    // What speaks HTTP on a connection: it gets those that are secure.
    const [serve] = this.listeners('connection') as ((this: HttpServer, socket: TLSSocket) => void)[];
    this.removeAllListeners('connection');
    const alpn = given.ALPNCallback === undefined ? { ALPNProtocols: ['http/1.1'] } : {};
    const tls = new TlsServer({ ...alpn, ...given }, (socket) => {
      serve?.call(this, socket);
      this.emit('secureConnection', socket);
    });
    this.#tls = tls;
    tls.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      this.emit('tlsClientError', error, socket);
      if (!this.emit('clientError', error, socket)) socket.destroy();
    });
    this.on('connection', (transport: Duplex) => void tls.emit('connection', transport));
    this.on('newListener', (name: string) => {
      if (!FORWARDED.has(name) || tls.listenerCount(name) > 0) return;
      tls.on(name, (...args: unknown[]) => void this.emit(name, ...args));
    });
    this.on('removeListener', (name: string) => {
      if (FORWARDED.has(name) && this.listenerCount(name) === 0) tls.removeAllListeners(name);
    });
  }

  /** The context that connections get whose name no other was added for. */
  get context(): SecureContext {
    return this.#tls.context;
  }

  setSecureContext(options: SecureContextOptions): void {
    this.#tls.setSecureContext(options);
  }

  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    this.#tls.addContext(hostname, context);
  }

  /** **Secret.** */
  getTicketKeys(): Buffer {
    return this.#tls.getTicketKeys();
  }

  setTicketKeys(keys: Uint8Array): void {
    this.#tls.setTicketKeys(keys);
  }
}

export function createServer(listener?: RequestListener): Server;
export function createServer(options: ServerOptions, listener?: RequestListener): Server;
export function createServer(options?: ServerOptions | RequestListener, listener?: RequestListener): Server {
  return typeof options === 'function' ? new Server(options) : new Server(options ?? {}, listener);
}

// Clients ------------------------------------------------------------------------------------------------

/** The options of an https.Agent; those of TLS are this library's. */
export type AgentOptions = Omit<NodeAgentOptions, keyof ConnectOptions> &
  ConnectOptions & {
    /**
     * Where sessions are kept, for several agents or for longer than one lives. Default: a cache of the agent's
     * own, which `destroy` clears; none with `maxCachedSessions: 0`.
     */
    readonly sessionCache?: ClientSessions | undefined;
  };

/** Keeps connections as https.Agent does, and sessions in a cache: each TLS 1.3 ticket is offered once. */
export class Agent extends StockAgent {
  readonly #sessions: ClientSessions | undefined;
  /** The one that goes with the agent. */
  readonly #own: ClientSessionCache | undefined;

  constructor(options: AgentOptions = {}) {
    const { sessionCache, ...rest } = options;
    if (sessionCache !== undefined) requireSessionCache(sessionCache);
    super(rest as NodeAgentOptions);
    const caches = sessionCache === undefined && options.maxCachedSessions !== 0;
    this.#own = caches ? new ClientSessionCache() : undefined;
    this.#sessions = sessionCache ?? this.#own;
  }

  /** @internal Called by node:http. */
  override createConnection(options: StockRequestOptions): TLSSocket {
    return connect({ sessionCache: this.#sessions, ...(options as ConnectOptions) });
  }

  override destroy(): void {
    super.destroy();
    this.#own?.clear();
  }
}

export const globalAgent: Agent = new Agent({ keepAlive: true, timeout: 5000 });

export type RequestOptions = Omit<StockRequestOptions, keyof ConnectOptions | 'agent'> &
  Omit<ConnectOptions, 'path'> & {
    readonly path?: string | null | undefined;
    readonly agent?: StockAgent | boolean | undefined;
  };
type OnResponse = (response: IncomingMessage) => void;

export function request(options: RequestOptions | string | URL, onResponse?: OnResponse): ClientRequest;
export function request(url: string | URL, options: RequestOptions, onResponse?: OnResponse): ClientRequest;
export function request(
  first: RequestOptions | string | URL,
  second?: RequestOptions | OnResponse,
  third?: OnResponse,
): ClientRequest {
  const hasUrl = typeof first === 'string' || first instanceof URL;
  const options: RequestOptions = (hasUrl ? (typeof second === 'object' ? second : {}) : first) ?? {};
  const onResponse = typeof second === 'function' ? second : third;
  // `false` asks for a connection of its own.
  const agent =
    options.agent === false ? new Agent({ maxCachedSessions: 0 }) : (options.agent ?? globalAgent);
  const withAgent = { ...options, agent } as StockRequestOptions;
  return hasUrl ? nodeRequest(first, withAgent, onResponse) : nodeRequest(withAgent, onResponse);
}

export function get(options: RequestOptions | string | URL, onResponse?: OnResponse): ClientRequest;
export function get(url: string | URL, options: RequestOptions, onResponse?: OnResponse): ClientRequest;
export function get(
  first: RequestOptions | string | URL,
  second?: RequestOptions | OnResponse,
  third?: OnResponse,
): ClientRequest {
  const made = request(first as string, second as RequestOptions, third);
  made.end();
  return made;
}
