/** What `new TLSSocket(socket, options)` is made of, as far as connect() and a Server do not say. */
import { type Server as NetServer, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hasKeyLogFile } from './key-log-file.ts';
import type { SecureContextLike, SecureContextOptions } from './secure-context.ts';
import { requireContext } from './server-callbacks.ts';
import { type SessionInput, takeSessionInput } from './session-input.ts';
import { type ClientPolicy, clientSetup, type ServerPolicy, serverSetup } from './setup.ts';
import { sharedContext } from './shared-contexts.ts';
import type { SocketParts } from './socket.ts';

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
