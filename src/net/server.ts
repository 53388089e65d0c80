/** tls.createServer, over this engine. */
import { Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { Field } from '../session/body.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import { readSession } from '../session/forms.ts';
import { HandshakeWatch } from './handshake-watch.ts';
import { hasKeyLogFile } from './key-log-file.ts';
import { SecureContext, type SecureContextOptions } from './secure-context.ts';
import type { OcspCallback } from './server-callbacks.ts';
import { type ServerPolicy, type SocketSetup, serverSetup } from './setup.ts';
import { type SocketListener, TLSSocket } from './socket.ts';

/** The options of tls.createServer that are spoken here, by the same names; those of net.createServer too. */
export interface ServerOptions extends SecureContextOptions, ServerPolicy {
  readonly secureContext?: SecureContext | undefined;
  /** Milliseconds until an unfinished handshake fails. Default 120,000. */
  readonly handshakeTimeout?: number | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  readonly highWaterMark?: number | undefined;
}

const DEFAULT_HANDSHAKE_TIMEOUT_MS = 120_000;

export class Server extends NetServer implements SocketListener {
  readonly #options: ServerOptions;
  #context: SecureContext;
  readonly #watch: HandshakeWatch<TLSSocket> | null;
  /** By what listeners and names there are. */
  #setups: (SocketSetup | undefined)[] = [];
  readonly #names: { readonly pattern: RegExp; readonly context: SecureContext }[] = [];

  constructor(options: ServerOptions = {}, listener?: (socket: TLSSocket) => void) {
    super({
      allowHalfOpen: true,
      noDelay: true,
      ...(options.keepAlive === undefined ? {} : { keepAlive: options.keepAlive }),
      ...(options.keepAliveInitialDelay === undefined
        ? {}
        : { keepAliveInitialDelay: options.keepAliveInitialDelay }),
      ...(options.highWaterMark === undefined ? {} : { highWaterMark: options.highWaterMark }),
    });
    this.#options = options;
    this.#context = options.secureContext ?? new SecureContext(options);
    const limitMs = options.handshakeTimeout ?? DEFAULT_HANDSHAKE_TIMEOUT_MS;
    this.#watch =
      limitMs > 0 ? new HandshakeWatch(limitMs, this.#context.clock, TLSSocket.handshakeIsLate) : null;
    this.#watchSessions();
    this.on('connection', (transport: Duplex) => this.#accept(transport));
    if (listener !== undefined) this.on('secureConnection', listener);
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
      handshakeTimeoutMs: 0,
      readsDirectly: false,
      connecting: false,
      target: null,
    });
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
      setup = serverSetup(this.#context, policy, { keyLog, statefulTickets, ocsp });
      this.#setups[key] = setup;
    }
    return setup;
  }

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
      this.emit('newSession', id, Buffer.from(encodeEnvelope(session, 'newSession')), (): void => {});
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

  /** Later connections use these options; tickets and sessions of the context before are not known to it. */
  setSecureContext(options: SecureContextOptions): void {
    this.#context = new SecureContext(options);
    this.#setups = [];
    this.#watchSessions();
  }

  /** `hostname` may have `*` for a label. The last that matches wins. */
  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    if (hostname === '') throw new TypeError('addContext needs a host name');
    const source = hostname.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^.]*');
    this.#names.push({
      pattern: new RegExp(`^${source}$`, 'i'),
      context: context instanceof SecureContext ? context : new SecureContext(context),
    });
  }

  /** 48 bytes: name, HMAC key and AES key of 16 bytes each. **Secret.** */
  getTicketKeys(): Buffer {
    return Buffer.from(this.#context.tickets.shareKeys());
  }

  /** Tickets of the keys before open until they expire. */
  setTicketKeys(keys: Uint8Array): void {
    this.#context.tickets.setKeys(keys);
  }
}

export function createServer(listener?: (socket: TLSSocket) => void): Server;
export function createServer(options: ServerOptions, listener?: (socket: TLSSocket) => void): Server;
export function createServer(
  options?: ServerOptions | ((socket: TLSSocket) => void),
  listener?: (socket: TLSSocket) => void,
): Server {
  return typeof options === 'function' ? new Server({}, options) : new Server(options, listener);
}
