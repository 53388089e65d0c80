/** What a socket is made of: as connect() and a Server say, or out of the options of `new TLSSocket()`. */
import { type Server as NetServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ClientConfig, ServerConfig } from '../handshake/config.ts';
import type { SessionCore } from '../session/core.ts';
import { hasKeyLogFile } from './key-log-file.ts';
import type { SecureContextLike, SecureContextOptions } from './secure-context.ts';
import { requireContext } from './server-callbacks.ts';
import { type SessionInput, takeSessionInput } from './session-input.ts';
import type { SessionPlace } from './session-offer.ts';
import { type ClientPolicy, clientSetup, type ServerPolicy, type SocketSetup, serverSetup } from './setup.ts';
import { sharedContext } from './shared-contexts.ts';
import type { TLSSocket } from './socket.ts';
import type { ConnectTarget } from './transport.ts';

/** Who is told of a server's socket. */
export interface SocketListener {
  secure(socket: TLSSocket): void;
  /** Its early data is taken: whether somebody wants to read it in the stream, and to answer it at once. */
  early(socket: TLSSocket): boolean;
  /** Its handshake is over, in whatever way. */
  settled(socket: TLSSocket): void;
  /** It failed before it was secure. */
  failed(socket: TLSSocket, error: Error): void;
  keylog(line: Buffer, socket: TLSSocket): void;
}

/** @internal What `connect` and `Server` make a socket of. */
export interface SocketParts {
  readonly setup: SocketSetup;
  readonly config: ClientConfig | ServerConfig;
  /** Server: who is told. */
  readonly listener: SocketListener | null;
  /** Client: to resume; one library reference that the socket takes over. */
  readonly session: SessionCore | null;
  /** Client: where sessions come from and go to, under which key. */
  readonly sessions: SessionPlace | null;
  readonly allowHalfOpen: boolean;
  /** Of both directions, in bytes; undefined for Node's. */
  readonly highWaterMark?: number | undefined;
  /** Client: milliseconds that the handshake may take; 0 for no limit. */
  readonly handshakeTimeoutMs: number;
  /** The transport hands its bytes to `onRead` and emits no `data`. */
  readonly readsDirectly: boolean;
  /** A net.Socket that is still connecting. */
  readonly connecting: boolean;
  /** Client: where it goes, for errors to say. */
  readonly target: ConnectTarget | null;
}

/** By the names of tls.TLSSocket's options. */
export interface TLSSocketOptions
  extends SecureContextOptions,
    Omit<ClientPolicy, 'pskCallback'>,
    Omit<ServerPolicy, 'pskCallback'> {
  readonly pskCallback?: ClientPolicy['pskCallback'] | ServerPolicy['pskCallback'];
  /** Default false. */
  readonly isServer?: boolean | undefined;
  /** Whose `OCSPRequest` is asked. */
  readonly server?: NetServer | undefined;
  readonly secureContext?: SecureContextLike | undefined;
  /** Client: what to resume. */
  readonly session?: SessionInput | null | undefined;
  /** Client: the name to ask for, and to check; without it only the path to a trusted certificate is checked. */
  readonly servername?: string | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  readonly highWaterMark?: number | undefined;
  readonly enableTrace?: boolean | undefined;
}

/** @internal `socket`: null for one that TLSSocket.connect() is to connect. */
export function partsOf(socket: Duplex, options: TLSSocketOptions): SocketParts {
  const context =
    options.secureContext === undefined
      ? sharedContext(options)
      : requireContext(options.secureContext, 'options.secureContext');
  const common = {
    listener: null,
    sessions: null,
    allowHalfOpen:
      options.allowHalfOpen ?? (socket as Duplex & { allowHalfOpen?: boolean }).allowHalfOpen ?? false,
    highWaterMark: options.highWaterMark,
    handshakeTimeoutMs: 0,
    readsDirectly: false,
    connecting: socket instanceof Socket && (socket.connecting || socket.pending),
    target: null,
  };
  if (options.isServer === true) {
    const { server } = options;
    const setup = serverSetup(context, options as ServerPolicy, {
      keyLog: true,
      statefulTickets: options.statefulTickets ?? !context.settings.tickets,
      stored: () => undefined,
      ocsp:
        server === undefined || server.listenerCount('OCSPRequest') === 0
          ? null
          : (certificate, issuer, done) => void server.emit('OCSPRequest', certificate, issuer, done),
    });
    return { ...common, setup, config: setup.config, session: null };
  }
  const setup = clientSetup(context, options as ClientPolicy);
  const session =
    options.session === undefined || options.session === null
      ? null
      : takeSessionInput(options.session, context.clock.wallMs());
  const serverName = options.servername ?? null;
  const config = { ...setup.config, serverName, session, keyLog: hasKeyLogFile() };
  return { ...common, setup, config, session };
}
