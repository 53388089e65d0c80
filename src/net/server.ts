/** tls.createServer, over this engine. */
import { captureRejectionSymbol } from 'node:events';
import type { BlockList, ServerOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import { readSession } from '../session/forms.ts';
import { UsageError } from '../util/errors.ts';
import { ServerBase } from './events.ts';
import { HandshakeWatch } from './handshake-watch.ts';
import { hasKeyLogFile } from './key-log-file.ts';
import {
  CodedTypeError,
  invalidArgType,
  invalidArgValue,
  requireBoolean,
  requireBytes,
  requireFunction,
  requireNumber,
  requireObject,
  requireString,
} from './node-errors.ts';
import { SecureContext, type SecureContextLike, type SecureContextOptions } from './secure-context.ts';
import { type OcspCallback, requireContext } from './server-callbacks.ts';
import { type ServerPolicy, type SocketSetup, serverSetup } from './setup.ts';
import { TLSSocket } from './socket.ts';
import type { SocketListener } from './socket-parts.ts';

/** The options of tls.createServer that are spoken here, by the same names; those of net.createServer too. */
export interface ServerOptions extends SecureContextOptions, ServerPolicy {
  /** A context that is made already, instead of the options of one. */
  readonly secureContext?: SecureContextLike | undefined;
  /** Milliseconds until an unfinished handshake fails and its connection is closed. Default 120,000. */
  readonly handshakeTimeout?: number | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  /** Connections begin paused, for plaintext: the handshake goes on. */
  readonly pauseOnConnect?: boolean | undefined;
  readonly noDelay?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  /** Of both directions, in bytes. */
  readonly highWaterMark?: number | undefined;
  readonly blockList?: BlockList | undefined;
  /** Of TLS 1.2's PSK suites, which are not spoken: checked, and without effect. */
  readonly pskIdentityHint?: string | undefined;
  /** Checked, and without effect: docs/node-tls.md says what to use. */
  readonly enableTrace?: boolean | undefined;
}

const DEFAULT_HANDSHAKE_TIMEOUT_MS = 120_000;

function checkServerOptions(options: ServerOptions): void {
  if (typeof options !== 'object') throw invalidArgType('options', 'of type object', options);
  const { ALPNCallback, ALPNProtocols, SNICallback, pskCallback, pskIdentityHint, enableTrace } = options;
  if (ALPNCallback && ALPNProtocols) {
    throw new CodedTypeError(
      'ERR_TLS_ALPN_CALLBACK_WITH_PROTOCOLS',
      'The ALPNCallback and ALPNProtocols TLS options are mutually exclusive',
    );
  }
  if (ALPNCallback) requireFunction(ALPNCallback, 'options.ALPNCallback');
  if (options.handshakeTimeout) requireNumber(options.handshakeTimeout, 'options.handshakeTimeout');
  if (SNICallback) requireFunction(SNICallback, 'options.SNICallback');
  if (pskCallback) requireFunction(pskCallback, 'options.pskCallback');
  if (pskIdentityHint) requireString(pskIdentityHint, 'options.pskIdentityHint');
  if (enableTrace !== undefined && enableTrace !== null) requireBoolean(enableTrace, 'options.enableTrace');
}

/** What net.Server is told. It never pauses: the handshake has to be read. */
function netOptions(options: ServerOptions): ServerOpts {
  const { keepAlive, keepAliveInitialDelay, highWaterMark, blockList } = options;
  const passed = Object.entries({ keepAlive, keepAliveInitialDelay, highWaterMark, blockList });
  return {
    allowHalfOpen: true,
    noDelay: options.noDelay ?? true,
    ...Object.fromEntries(passed.filter(([, value]) => value !== undefined)),
  };
}

export class Server extends ServerBase implements SocketListener {
  readonly #options: ServerOptions;
  #context: SecureContext;
  readonly #watch: HandshakeWatch<TLSSocket> | null;
  /** By what listeners and names there are. */
  #setups: (SocketSetup | undefined)[] = [];
  readonly #names: { readonly pattern: RegExp; readonly context: SecureContext }[] = [];

  constructor(secureConnectionListener?: (socket: TLSSocket) => void);
  /** @throws what node:tls throws for options that it refuses, and as `new SecureContext`. */
  constructor(options?: ServerOptions | null, secureConnectionListener?: (socket: TLSSocket) => void);
  constructor(
    given?: ServerOptions | null | ((socket: TLSSocket) => void),
    second?: (socket: TLSSocket) => void,
  ) {
    const [options, listener] = typeof given === 'function' ? [{}, given] : [given ?? {}, second];
    checkServerOptions(options);
    super(netOptions(options));
    this.#options = options;
    this.#context =
      options.secureContext === undefined || options.secureContext === null
        ? new SecureContext(options)
        : requireContext(options.secureContext);
    const limitMs = options.handshakeTimeout || DEFAULT_HANDSHAKE_TIMEOUT_MS;
    this.#watch =
      limitMs > 0 ? new HandshakeWatch(limitMs, this.#context.clock, TLSSocket.handshakeIsLate) : null;
    this.#watchSessions();
    this.on('connection', (transport: Duplex) => this.#accept(transport));
    if (listener !== undefined) this.on('secureConnection', listener);
  }

  static {
    // With captureRejections: a listener that fails costs its own connection.
    Object.defineProperty(Server.prototype, captureRejectionSymbol, {
      configurable: true,
      value(this: Server, error: Error, event: string | symbol, socket: TLSSocket): void {
        if (event === 'secureConnection') socket.destroy(error);
        else this.emit('error', error);
      },
    });
  }

  /** The context that connections get whose name no other was added for. */
  get context(): SecureContext {
    return this.#context;
  }

  #accept(transport: Duplex): void {
    const setup = this.#setup();
    const socket = new TLSSocket(transport, {
      setup,
      config: setup.config,
      listener: this,
      session: null,
      sessions: null,
      allowHalfOpen: this.#options.allowHalfOpen ?? false,
      highWaterMark: this.#options.highWaterMark,
      handshakeTimeoutMs: 0,
      readsDirectly: false,
      connecting: false,
      target: null,
    });
    if (this.#options.pauseOnConnect === true) socket.pause();
    this.#watch?.begin(socket);
  }

  /** What connections share, as the server's listeners are now. */
  #setup(): SocketSetup {
    const keyLog = hasKeyLogFile() || this.listenerCount('keylog') > 0;
    // A look-up outside needs a name to look up: tickets that are ids, in both versions.
    const statefulTickets =
      this.#options.statefulTickets ??
      (this.listenerCount('resumeSession') > 0 || !this.#context.settings.tickets);
    const ocsp = this.listenerCount('OCSPRequest') > 0 ? this.#askOcsp : null;
    const key =
      (keyLog ? 1 : 0) |
      (statefulTickets ? 2 : 0) |
      (this.#names.length > 0 ? 4 : 0) |
      (ocsp === null ? 0 : 8);
    let setup = this.#setups[key];
    if (setup === undefined) {
      const policy: ServerPolicy =
        this.#names.length === 0 || this.#options.SNICallback !== undefined
          ? this.#options
          : { ...this.#options, SNICallback: (name, done) => done(null, this.#contextFor(name)) };
      setup = serverSetup(this.#context, policy, {
        keyLog,
        statefulTickets,
        ocsp,
        stored: (session) => this.#storing.get(session),
      });
      this.#setups[key] = setup;
    }
    return setup;
  }

  /** What `newSession` has not called back for yet. */
  readonly #storing = new WeakMap<SessionCore, Promise<undefined>>();

  readonly #askOcsp: OcspCallback = (certificate, issuer, done) => {
    this.emit('OCSPRequest', certificate, issuer, done);
  };

  #contextFor(name: string): SecureContext {
    for (let i = this.#names.length - 1; i >= 0; i--) {
      const entry = this.#names[i];
      if (entry?.pattern.test(name)) return entry.context;
    }
    return this.#context;
  }

  // SocketListener -------------------------------------------------------------------------------------

  /** @internal */
  secure(socket: TLSSocket): void {
    this.emit('secureConnection', socket);
  }

  /** @internal */
  early(socket: TLSSocket): boolean {
    return this.emit('earlyConnection', socket);
  }

  /** @internal */
  settled(socket: TLSSocket): void {
    this.#watch?.end(socket);
  }

  /** @internal */
  failed(socket: TLSSocket, error: Error): void {
    this.emit('tlsClientError', error, socket);
  }

  /** @internal */
  keylog(line: Buffer, socket: TLSSocket): void {
    this.emit('keylog', line, socket);
  }

  // Sessions kept elsewhere ----------------------------------------------------------------------------

  #watchSessions(): void {
    const { sessions } = this.#context;
    sessions.callbacks.onNew = (session): boolean => {
      if (this.listenerCount('newSession') === 0) return false;
      const id = Buffer.from(session.field(Field.id, 'newSession'));
      const bytes = Buffer.from(encodeEnvelope(session, 'newSession'));
      this.#storing.set(
        session,
        new Promise((stored) => {
          this.emit('newSession', id, bytes, () => stored(undefined));
        }),
      );
      return false;
    };
    sessions.callbacks.onGet = (id) => {
      if (this.listenerCount('resumeSession') === 0) return null;
      return new Promise((resolve, reject) => {
        this.emit('resumeSession', Buffer.from(id), (error: Error | null, data?: Uint8Array | null): void => {
          if (error !== null && error !== undefined) reject(error);
          else if (data === null || data === undefined) resolve(null);
          else {
            try {
              const { session } = readSession(data, null, this.#context.clock.wallMs(), 'resumeSession');
              resolve({ session, copy: false });
            } catch (failure) {
              reject(failure);
            }
          }
        });
      });
    };
  }

  // Contexts -------------------------------------------------------------------------------------------

  /**
   * Later connections use these options. Given ticket keys and the session timeout stay unless they are
   * replaced; other tickets, and sessions, of the context before are not known to the new one.
   */
  setSecureContext(options: SecureContextOptions): void {
    requireObject(options, 'options');
    const { ticketKeys, ticketKeyring, fleet, sessionTimeout } = this.#options;
    this.#context = new SecureContext({
      ...options,
      ticketKeys: options.ticketKeys ?? ticketKeys,
      ticketKeyring: options.ticketKeyring ?? ticketKeyring,
      fleet: options.fleet ?? fleet,
      sessionTimeout: options.sessionTimeout ?? sessionTimeout,
    });
    this.#setups = [];
    this.#watchSessions();
  }

  /** `hostname` may have `*` for a label. The last that matches wins. */
  addContext(hostname: string, context: SecureContextLike | SecureContextOptions): void {
    if (!hostname) {
      throw new UsageError(
        'ERR_TLS_REQUIRED_SERVER_NAME',
        '"servername" is required parameter for Server.addContext',
      );
    }
    const source = hostname.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^.]*');
    this.#names.push({
      pattern: new RegExp(`^${source}$`, 'i'),
      context:
        'context' in context ? requireContext(context) : new SecureContext(context as SecureContextOptions),
    });
  }

  /** 48 bytes: name, HMAC key and AES key of 16 bytes each. **Secret.** */
  getTicketKeys(): Buffer<ArrayBuffer> {
    return Buffer.from(this.#context.tickets.shareKeys() as Uint8Array<ArrayBuffer>);
  }

  /** Tickets of the keys before open until they expire. */
  setTicketKeys(keys: NodeJS.ArrayBufferView): void {
    requireBytes(keys);
    if (keys.byteLength !== 48) {
      throw invalidArgValue('keys', keys.byteLength, 'must be exactly 48 bytes');
    }
    this.#context.tickets.setKeys(new Uint8Array(keys.buffer, keys.byteOffset, keys.byteLength));
  }
}

export function createServer(secureConnectionListener?: (socket: TLSSocket) => void): Server;
export function createServer(
  options: ServerOptions,
  secureConnectionListener?: (socket: TLSSocket) => void,
): Server;
export function createServer(
  options?: ServerOptions | ((socket: TLSSocket) => void),
  listener?: (socket: TLSSocket) => void,
): Server {
  return new Server(options as ServerOptions, listener);
}
