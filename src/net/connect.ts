/** tls.connect, over this engine. */
import {
  type BlockList,
  type LookupFunction,
  type NetConnectOpts,
  connect as netConnect,
  type Socket,
} from 'node:net';
import { addAbortSignal, type Duplex } from 'node:stream';
import type { ClientSessions } from '../cache/client-session-cache.ts';
import type { ClientSessionKey } from '../cache/client-session-key.ts';
import type { ClientConfig } from '../handshake/config.ts';
import { NamedGroup } from '../util/registries.ts';
import { hasKeyLogFile } from './key-log-file.ts';
import {
  CodedTypeError,
  invalidArgType,
  requireBoolean,
  requireFunction,
  requireNumber,
} from './node-errors.ts';
import type { SecureContextLike, SecureContextOptions } from './secure-context.ts';
import { type AlpnCallback, requireContext, type SniCallback } from './server-callbacks.ts';
import { type SessionInput, takeSessionInput } from './session-input.ts';
import { type ClientPolicy, clientSetup } from './setup.ts';
import { sharedContext } from './shared-contexts.ts';
import { onRead, TLSSocket } from './socket.ts';

/** The options of tls.connect that are spoken here, by the same names; those of net.connect pass through. */
export interface ConnectOptions extends SecureContextOptions, ClientPolicy {
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  /** A Unix domain socket; `host` and `port` are ignored. */
  readonly path?: string | undefined;
  /** A transport that is connected, or a net.Socket that is on its way. */
  readonly socket?: Duplex | undefined;
  readonly secureContext?: SecureContextLike | undefined;
  /** The name to ask for and to check. Default: `host`, or else `localhost`. */
  readonly servername?: string | undefined;
  /** What to resume. In TLS 1.3 each is offered once, unless `reuseTickets` says otherwise. */
  readonly session?: SessionInput | null | undefined;
  /**
   * Where sessions are taken from and kept, by peer, name, port, protocols, trust and client certificate: for
   * all connections that may resume each other's. `session` goes before it.
   */
  readonly sessionCache?: ClientSessions | undefined;
  /**
   * What is written before the handshake is complete goes out as early data, as far as the session allows it
   * (RFC 8446, 2.3). Anybody on the way can send it again: only for what is safe to do twice. What the server
   * refuses goes out again behind the handshake by itself, if the protocol is still the one that it was
   * written for.
   */
  readonly earlyData?: boolean | undefined;
  /** Offer a TLS 1.3 session again that was offered before: observers can then link the two (RFC 8446, C.4). */
  readonly reuseTickets?: boolean | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  /** Idle time in milliseconds until `timeout` is emitted. */
  readonly timeout?: number | undefined;
  /** Milliseconds until an unfinished handshake fails. Default: no limit. */
  readonly handshakeTimeout?: number | undefined;
  /** Key shares in the first hello, from the front of the groups. Default 1; 2 if the first is post-quantum. */
  readonly keyShareCount?: number | undefined;
  /** Of both directions, in bytes. */
  readonly highWaterMark?: number | undefined;
  /** Destroys the connection with an AbortError. */
  readonly signal?: AbortSignal | undefined;
  /** Default true: a handshake is made of small writes that wait for each other. */
  readonly noDelay?: boolean | undefined;
  // As net.connect has them.
  readonly lookup?: LookupFunction | undefined;
  readonly family?: number | undefined;
  readonly hints?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  readonly autoSelectFamily?: boolean | undefined;
  readonly autoSelectFamilyAttemptTimeout?: number | undefined;
  readonly blockList?: BlockList | undefined;
  // Of servers; a client has no use for them.
  readonly requestCert?: boolean | undefined;
  readonly SNICallback?: SniCallback | undefined;
  readonly ALPNCallback?: AlpnCallback | undefined;
  /** Diffie-Hellman over finite fields is not spoken: checked, and without effect. */
  readonly minDHSize?: number | undefined;
  /** Checked, and without effect: docs/node-tls.md says what to use. */
  readonly enableTrace?: boolean | undefined;
}

export function connect(options: ConnectOptions, secureConnectListener?: () => void): TLSSocket;
export function connect(
  port: number,
  host?: string,
  options?: ConnectOptions,
  secureConnectListener?: () => void,
): TLSSocket;
export function connect(
  port: number,
  options?: ConnectOptions,
  secureConnectListener?: () => void,
): TLSSocket;
export function connect(
  path: string,
  options?: ConnectOptions,
  secureConnectListener?: () => void,
): TLSSocket;
export function connect(...args: readonly unknown[]): TLSSocket {
  const { options, listener } = readArguments(args);
  checkConnectOptions(options);
  const context =
    options.secureContext === undefined || options.secureContext === null
      ? sharedContext(options)
      : requireContext(options.secureContext);
  const setup = clientSetup(context, options);
  const serverName = options.servername || options.host || 'localhost';
  const port = Number(options.port ?? 0);
  const session =
    options.session === undefined || options.session === null
      ? null
      : takeSessionInput(options.session, context.clock.wallMs());
  const config: ClientConfig = {
    ...setup.config,
    serverName,
    port,
    session,
    ticketReuse: options.reuseTickets ?? false,
    earlyData: options.earlyData ?? false,
    keyLog: hasKeyLogFile(),
    keyShareCount: options.keyShareCount ?? defaultKeyShares(setup.config.groups),
  };
  let transport: Duplex;
  const readsDirectly = options.socket === undefined && READ_BUFFER !== null;
  try {
    transport = options.socket ?? openSocket(options);
  } catch (error) {
    session?.release('connect');
    throw error;
  }
  const socket = new TLSSocket(transport, {
    setup,
    config,
    listener: null,
    session,
    sessions: options.sessionCache === undefined ? null : cacheOf(options.sessionCache, options, config),
    allowHalfOpen: options.allowHalfOpen ?? false,
    highWaterMark: options.highWaterMark,
    handshakeTimeoutMs: options.handshakeTimeout ?? 0,
    readsDirectly,
    connecting: (transport as Socket).connecting === true,
    target: options,
  });
  if (listener !== undefined) socket.once('secureConnect', listener);
  if (options.timeout) socket.setTimeout(options.timeout);
  // A transport that is made here listens to it itself.
  if (options.socket && options.signal) addAbortSignal(options.signal, socket);
  return socket;
}

function cacheOf(
  cache: ClientSessions,
  { host, path }: ConnectOptions,
  { serverName, port, alpn, trust, clientAuth }: ClientConfig,
): { cache: ClientSessions; key: ClientSessionKey } {
  const peer = path ?? host ?? 'localhost';
  return { cache, key: { peer, port, serverName, alpn, trust, clientAuth } };
}

/** Servers that do not know ML-KEM yet are spared a second round trip. */
function defaultKeyShares(groups: readonly number[]): number {
  return groups[0] === NamedGroup.x25519mlkem768 ? 2 : 1;
}

/** Options of net.connect that are handed to it. */
const PASSED_ON = [
  'lookup',
  'family',
  'hints',
  'localAddress',
  'localPort',
  'keepAlive',
  'keepAliveInitialDelay',
  'autoSelectFamily',
  'autoSelectFamilyAttemptTimeout',
  'blockList',
  'signal',
] as const;

/**
 * Where sockets that are opened here put what they read: one buffer for all, since a read is dealt with
 * before the next one begins. On Windows a read holds its buffer from the moment it is asked for.
 */
const READ_BUFFER: Uint8Array | null = process.platform === 'win32' ? null : new Uint8Array(65_536);

function openSocket(options: ConnectOptions): Socket {
  const { host, port } = options;
  // node:http's agents say null for none.
  const path = options.path ?? undefined;
  if (path === undefined && port === undefined) {
    throw new CodedTypeError(
      'ERR_MISSING_ARGS',
      'The "options" or "port" or "path" argument must be specified',
    );
  }
  const tcp: Record<string, unknown> =
    path === undefined ? { host: host ?? 'localhost', port: Number(port) } : { path };
  tcp['noDelay'] = options.noDelay ?? true;
  tcp['allowHalfOpen'] = true;
  if (READ_BUFFER !== null) tcp['onread'] = { buffer: READ_BUFFER, callback: onRead };
  for (const name of PASSED_ON) if (options[name] !== undefined) tcp[name] = options[name];
  return netConnect(tcp as unknown as NetConnectOpts);
}

function checkConnectOptions(options: ConnectOptions): void {
  const { checkServerIdentity, minDHSize, pskCallback, enableTrace, sessionCache } = options;
  if (checkServerIdentity !== undefined) requireFunction(checkServerIdentity, 'options.checkServerIdentity');
  if (minDHSize !== undefined) requireNumber(minDHSize, 'options.minDHSize', 1);
  if (pskCallback) requireFunction(pskCallback, 'pskCallback');
  if (enableTrace !== undefined && enableTrace !== null) requireBoolean(enableTrace, 'options.enableTrace');
  if (sessionCache !== undefined) requireSessionCache(sessionCache);
}

/** @internal */
export function requireSessionCache(cache: Partial<ClientSessions> | null): void {
  if (typeof cache?.take === 'function' && typeof cache.put === 'function') return;
  throw invalidArgType('options.sessionCache', 'a ClientSessionCache, or what has its take and put', cache);
}

/** (options), (port, host, options), (port, options) or (path, options), each with a listener behind. */
function readArguments(args: readonly unknown[]): {
  options: ConnectOptions;
  listener: (() => void) | undefined;
} {
  const last = args.at(-1);
  const listener = typeof last === 'function' ? (last as () => void) : undefined;
  const [first, second, third] = args;
  if (typeof first === 'object' && first !== null) {
    return { options: { ...first, ...optionsIn(second) }, listener };
  }
  const address: ConnectOptions = isPort(first) ? { port: first } : { path: first as string };
  const named = typeof second === 'string' && isPort(first) ? { ...address, host: second } : address;
  return { options: { ...named, ...optionsIn(second), ...optionsIn(third) }, listener };
}

function optionsIn(argument: unknown): ConnectOptions {
  return typeof argument === 'object' && argument !== null ? argument : {};
}

/** As net.connect tells a port from a path. */
function isPort(value: unknown): value is number | string {
  return typeof value === 'number' || (typeof value === 'string' && /^\s*\d+\s*$/.test(value));
}
