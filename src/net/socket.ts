/** TLSSocket: the engine between a transport and a stream, its events told by the names of node:tls. */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isPromiseLike } from '../cache/awaitable.ts';
import type { TakenSession } from '../cache/client-session-cache.ts';
import { nodeCodeForVerifyResult } from '../connection/certificate-check.ts';
import { Connection } from '../connection/connection.ts';
import { reportCompleted, reportFailed } from '../connection/report.ts';
import type { ClientConfig } from '../handshake/config.ts';
import type { ConnectionEvent } from '../handshake/events.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { latin1 } from '../util/bytes.ts';
import { TlsessionError, UsageError } from '../util/errors.ts';
import { inspectAs } from '../util/inspect.ts';
import { nodeDiagnostics } from './diagnostics.ts';
import { writeKeyLog } from './key-log-file.ts';
import { requireInteger, requireString } from './node-errors.ts';
import { FLUSH_BYTES } from './output-pool.ts';
import type { SecureContext, SecureContextLike, SecureContextOptions } from './secure-context.ts';
import { asBuffer, SecureStream } from './secure-stream.ts';
import { requireContext } from './server-callbacks.ts';
import { type SessionInput, takeSessionInput } from './session-input.ts';
import { keepIn, SessionOffer, takeFrom } from './session-offer.ts';
import type { SocketOwner, SocketSetup } from './setup.ts';
import { sharedContext } from './shared-contexts.ts';
import { type Callback, type OutputOwner, SocketOutput } from './socket-output.ts';
import { partsOf, type SocketParts, type TLSSocketOptions } from './socket-parts.ts';
import { asSslError } from './ssl-error.ts';
import { closedError, disconnectedError, endTransport } from './transport.ts';
import { TransportListeners } from './transport-listeners.ts';

/** A text at run time; see TLSSocket.authorizationError. */
export type AuthorizationError = string & Error;

// What others may call of a socket's, which the class gives.
let start: (socket: TLSSocket) => void;
let late: (socket: TLSSocket) => void;
let listeners: TransportListeners<TLSSocket>;

function startNow(socket: TLSSocket): void {
  if (!socket.destroyed) start(socket);
}
function handshakeIsLate(socket: TLSSocket): void {
  late(socket);
}
function emitClose(socket: TLSSocket, hadError: boolean): void {
  socket.emit('close', hadError);
}
function ignore(): void {}

/** Why nothing is read from the transport. */
const CONSUMER = 1;
const JOB = 2;

export class TLSSocket extends SecureStream implements SocketOwner, OutputOwner {
  readonly encrypted: true = true;
  /** Whether the peer proved who it is to somebody who is trusted here. */
  authorized = false;
  /**
   * Node's code for why not, as text; null when it is, or when nobody asked. `@types/node` calls it an Error: the
   * type is both, so that it goes where either is expected.
   */
  authorizationError: AuthorizationError = null as unknown as AuthorizationError;
  /** The application protocol agreed on; false for none, null before the handshake is complete. */
  alpnProtocol: string | false | null = null;
  /** The name that the client asked for; false for none, null before it is known. */
  servername: string | false | null = null;
  /** @internal Why the peer's certificate was refused. */
  refusal: Error | null = null;
  /** @internal By setKeyCert(). */
  ownContext: SecureContext | null = null;
  /** @internal By SNICallback. */
  chosenContext: SecureContext | null = null;

  #connection: Connection;
  readonly #transport: Duplex;
  #parts: SocketParts;
  readonly #isServer: boolean;
  #secure = false;
  /** The handshake is complete; it is announced when its tickets are on their way. */
  #announce = false;
  #working = false;
  readonly #output: SocketOutput;
  #stopped = 0;
  #inputEnded = false;
  #handshakeTimer: ReturnType<typeof setTimeout> | null = null;
  #begun = false;
  /** When the handshake began, on the monotonic clock; null when nobody asks. */
  #beganMs: number | null = null;
  #failure: Error | null = null;
  readonly #offer: SessionOffer;
  /** Sessions that callbacks made, for as long as the handshake lasts. */
  #kept: SessionCore[] | null = null;
  /** What is being read, for the length of that. */
  #input: Uint8Array | null = null;
  /** Server: early bytes are part of the stream, as its first; and it may be written to. */
  #handedOver = false;
  #earlyBytes = 0;
  /** Server: early bytes that nobody wanted in the stream. */
  #earlyKept: Uint8Array[] = [];
  #bytesRead = 0;

  /**
   * TLS over any Duplex; without one, over a net.Socket that `connect()` is to connect. A client verifies its
   * server unless `rejectUnauthorized` is false. Most callers want `connect` or `createServer`.
   */
  constructor(socket?: Duplex | null, options?: TLSSocketOptions);
  /** @internal */
  constructor(transport: Duplex, parts: SocketParts);
  constructor(socket?: Duplex | null, given: TLSSocketOptions | SocketParts = {}) {
    const transport = socket ?? new Socket({ allowHalfOpen: true });
    const byHand = !('setup' in given);
    const parts = byHand ? partsOf(transport, given) : given;
    // 'close' says whether there was an error, as a net.Socket's does: it is emitted here.
    super({
      allowHalfOpen: parts.allowHalfOpen,
      emitClose: false,
      writableHighWaterMark: FLUSH_BYTES,
      ...(parts.highWaterMark === undefined ? {} : { highWaterMark: parts.highWaterMark }),
    });
    this.#transport = transport;
    this.#output = new SocketOutput(this, transport);
    this.#parts = parts;
    // As in node:tls, whoever makes a socket by hand may do without listening for errors.
    if (byHand) this.on('error', ignore);
    this.#isServer = parts.config.role === 'server';
    this.#offer = new SessionOffer(parts.session);
    this.#connection = new Connection(parts.config);
    listeners.attach(transport, this, parts.readsDirectly, parts.connecting);
    if (this.#isServer) this.#begin();
    // Whoever called connect() attaches listeners in this turn.
    else if (!parts.connecting) process.nextTick(startNow, this);
    if (parts.handshakeTimeoutMs > 0) {
      this.#handshakeTimer = setTimeout(handshakeIsLate, parts.handshakeTimeoutMs, this);
    }
  }

  static {
    start = (socket) => socket.#start();
    listeners = new TransportListeners<TLSSocket>({
      connected: (socket) => {
        socket.emit('connect');
        startNow(socket);
      },
      received: (socket, chunk) => socket.#onData(chunk),
      ended: (socket) => socket.#onEnd(),
      closed: (socket) => socket.#onClose(),
      drained: (socket) => socket.#output.drained(),
      broken: (socket, error) => socket.#fail(error),
      told: (socket, event, args) => socket.emit(event, ...args),
    });
    late = (socket) => socket.#onLate();
    inspectAs(TLSSocket, (socket) => {
      const role = socket.#isServer ? 'server' : 'client';
      return `TLSSocket { ${role}, ${socket.getProtocol() ?? socket.#connection.stateName} }`;
    });
  }

  // From the transport ---------------------------------------------------------------------------------

  #start(): void {
    const { sessions } = this.#parts;
    if (sessions === null || this.#offer.session !== null) {
      this.#startWith(null);
      return;
    }
    const taken = takeFrom(sessions, this.#parts.config as ClientConfig);
    if (!isPromiseLike(taken)) this.#startTaken(taken);
    else taken.then((later) => this.#startTaken(later));
  }

  #startTaken({ session, reason }: TakenSession): void {
    this.#offer.replace(session);
    if (this.destroyed) this.#offer.replace(null);
    else this.#startWith(reason);
  }

  /** `reason`: why a cache had nothing to offer. */
  #startWith(reason: ResumptionReason | null): void {
    const config = this.#parts.config as ClientConfig;
    const { session } = this.#offer;
    // Whoever wants the secrets has said so by now.
    const keyLog = config.keyLog || this.listenerCount('keylog') > 0;
    if (keyLog !== config.keyLog || session !== config.session || reason !== null) {
      const noSessionReason = reason ?? config.noSessionReason;
      this.#connection = new Connection({ ...config, keyLog, session, noSessionReason });
    }
    if (config.earlyData && session !== null) {
      this.#output.startEarly(session.field(Field.alpn, 'connect'));
    }
    this.#begin();
    this.work();
    this.#output.continueEarly();
    this.#offer.settle(false);
  }

  #begin(): void {
    const { context } = this.#parts.setup;
    if (nodeDiagnostics.handshake.hasSubscribers) this.#beganMs = context.clock.monotonicMs();
    this.#begun = true;
    context.sessions.handshakeStarted(this.#isServer ? 'server' : 'client');
    this.#connection.start();
  }

  #onData(chunk: Uint8Array): void {
    this.touch();
    this.#input = chunk;
    this.#connection.receive(chunk);
    this.work();
    this.#input = null;
  }

  #onEnd(): void {
    this.#connection.receiveEnd();
    this.work();
    if (this.#secure) this.#endInput();
  }

  #onClose(): void {
    if (this.destroyed) return;
    if (!this.#secure) {
      this.#fail(disconnectedError(this.#isServer ? null : (this.#parts.target ?? {})));
      return;
    }
    if (!this.#inputEnded) {
      this.destroy();
      return;
    }
    // What came before may still wait for its reader, but nothing can be written any more.
    if (!this.#output.refuse(closedError()) && !this.writableEnded) this.end();
  }

  /** @internal The handshake took too long. */
  static handshakeIsLate(socket: TLSSocket): void {
    late(socket);
  }

  #onLate(): void {
    this.#handshakeTimer = null;
    this.#fail(new TlsessionError('ERR_TLS_HANDSHAKE_TIMEOUT', 'TLS handshake timeout'));
  }

  // Events of the engine -------------------------------------------------------------------------------

  /** @internal Takes what the engine has to say, and sends what it has to send, in one write. */
  work(): void {
    if (this.#working || this.destroyed) return;
    const connection = this.#connection;
    this.#working = true;
    try {
      for (;;) {
        const event = connection.nextEvent();
        if (event !== null) this.#on(event);
        else if (this.#announce) this.#becomeSecure();
        else break;
      }
    } finally {
      this.#working = false;
      this.#output.flush();
      this.#stop(JOB, connection.isWaiting);
    }
  }

  #on(event: ConnectionEvent): void {
    switch (event.type) {
      case 'job':
        this.#parts.setup.runner.run(this.#connection, event.id, event.job, this);
        return;
      case 'handshake':
        this.#announce = true;
        return;
      case 'data':
        if (this.#announce) this.#becomeSecure();
        this.#onPlaintext(event.data, event.early);
        return;
      case 'session':
        if (this.#announce) this.#becomeSecure();
        this.#onSession(event.session);
        return;
      case 'keylog':
        this.#onKeyLog(event.line);
        return;
      case 'early-data':
        if (this.#isServer) this.#handedOver = event.accepted && this.#handOver();
        else this.#output.earlyDecided(event.accepted);
        this.emit('earlyDataStatus', event.accepted, event.reason);
        return;
      case 'warning':
        return;
      case 'close-notify':
        if (this.#announce) this.#becomeSecure();
        this.#endInput();
        return;
      case 'error':
        if (this.#announce) this.#becomeSecure();
        this.#fail(this.refusal ?? this.#explain(event.error));
    }
  }

  #onPlaintext(data: Uint8Array, early: boolean): void {
    this.#bytesRead += data.length;
    // Whoever recorded early data can send it again: it never joins the rest unseen.
    if (early) this.#onEarly(data);
    else if (!this.push(data)) this.#stop(CONSUMER, true);
  }

  #onEarly(data: Uint8Array): void {
    this.#earlyBytes += data.length;
    if (this.#handedOver) {
      // There is no more of it than the ticket promised: nobody needs to be stopped.
      this.push(data);
      return;
    }
    this.#earlyKept.push(data);
    this.emit('earlyData', asBuffer(data));
  }

  /** Whoever takes the socket now reads early bytes, and may answer before the handshake is complete. */
  #handOver(): boolean {
    this.#describe();
    return this.#parts.listener?.early(this) ?? false;
  }

  #onSession(session: SessionCore): void {
    const told = !this.#isServer && this.listenerCount('session') > 0;
    let bytes: Uint8Array | null = null;
    try {
      if (this.#parts.sessions !== null) keepIn(this.#parts.sessions, session);
      if (told) bytes = encodeEnvelope(session, 'session');
    } finally {
      // The connection has a reference of its own.
      session.release('connection');
    }
    if (bytes !== null) this.emit('session', asBuffer(bytes));
  }

  #onKeyLog(text: string): void {
    const line = Buffer.from(`${text}\n`);
    writeKeyLog(line);
    if (this.#isServer) this.#parts.listener?.keylog(line, this);
    this.emit('keylog', line);
  }

  #becomeSecure(): void {
    this.#announce = false;
    if (this.destroyed) return;
    this.#secure = true;
    this.#handshakeOver();
    this.#offer.settle(true);
    const { setup } = this.#parts;
    this.#describe();
    const { info } = this.#connection;
    try {
      this.#output.resendEarly();
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#output.open();
    if (this.destroyed) return;
    const role = this.#isServer ? 'server' : 'client';
    reportCompleted(info, role, setup.context.sessions, nodeDiagnostics, this.#beganMs);
    if (this.#isServer) {
      if (!this.#handedOver) this.#parts.listener?.secure(this);
    } else {
      if (this.listenerCount('OCSPResponse') > 0) {
        this.emit('OCSPResponse', info.ocspResponse === null ? null : asBuffer(info.ocspResponse));
      }
      this.emit('secureConnect');
    }
    // After what it means, as in node:tls, where the library itself listens first.
    this.emit('secure');
    const finishing = this.#output.takeFinishing();
    if (finishing !== null) this.#output.finish(finishing, this.#inputEnded);
  }

  /** What was agreed on, for the application to see. */
  #describe(): void {
    const { info } = this.#connection;
    const { setup } = this.#parts;
    this.alpnProtocol = info.alpn === null ? false : latin1(info.alpn);
    this.servername = info.serverName ?? false;
    if (setup.requestCert) {
      const present = info.peerChain.length > 0 || info.peerFingerprint !== null;
      // Who has the pre-shared key is who it was given to.
      this.authorized = info.externalPsk || (info.verifyResult === 0 && present);
      if (!this.authorized) {
        const code = nodeCodeForVerifyResult(present ? info.verifyResult : NO_CERTIFICATE);
        this.authorizationError = code as AuthorizationError;
      }
    }
  }

  #endInput(): void {
    if (this.#inputEnded || this.destroyed) return;
    this.#inputEnded = true;
    this.push(null);
    // So that 'end' comes though nobody reads, as from a net.Socket.
    this.read(0);
  }

  /** The engine's error as node:tls would tell of it. */
  #explain(error: Error & { readonly code?: string }): Error {
    if (error.code === 'ECONNRESET')
      return disconnectedError(this.#isServer ? null : (this.#parts.target ?? {}));
    const first = this.#isServer && this.#input !== null ? latin1(this.#input.subarray(0, 8)) : '';
    return asSslError(error, first);
  }

  #fail(error: Error & { readonly code?: string }): void {
    if (this.destroyed) return;
    // A peer that said its end and went does not wait for ours: as with node:tls, that is no error.
    if (this.#output.isFarewell && (error.code === 'EPIPE' || error.code === 'ECONNRESET')) {
      this.destroy();
      return;
    }
    // Its alert goes out first.
    this.#output.flush();
    this.#failure ??= error;
    if (!this.#isServer || this.#secure || this.#handedOver || this.#parts.listener === null) {
      this.destroy(error);
      return;
    }
    // Whoever is told may destroy it with that error, as node:https and fastify do: then it is told already.
    this.on('error', ignore);
    this.#parts.listener?.failed(this, error);
    this.destroy();
  }

  /** @internal */
  keep(session: SessionCore): void {
    this.#kept ??= [];
    this.#kept.push(session);
  }

  /** @internal A job that had to wait is answered. */
  jobSettled(): void {
    this.work();
    this.#offer.settle(false);
  }

  #stop(why: number, on: boolean): void {
    const before = this.#stopped;
    this.#stopped = on ? before | why : before & ~why;
    if (before === 0 && this.#stopped !== 0) this.#transport.pause();
    else if (before !== 0 && this.#stopped === 0) this.#transport.resume();
  }

  /** @internal A server may answer early data before it knows that the client is there. */
  get maySend(): boolean {
    return this.#secure || (this.#handedOver && this.#connection.canWrite);
  }

  /** @internal */
  get isWorking(): boolean {
    return this.#working;
  }

  // Duplex ---------------------------------------------------------------------------------------------

  override _read(): void {
    if (this.#stopped !== 0) this.#stop(CONSUMER, false);
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Callback): void {
    this.#output.put([chunk], done);
  }

  override _writev(items: { chunk: Uint8Array }[], done: Callback): void {
    this.#output.put(
      items.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: Callback): void {
    if (this.#secure) this.#output.finish(done, this.#inputEnded);
    else this.#output.finishLater(done);
  }

  override _destroy(error: Error | null, done: Callback): void {
    if (!this.#secure) {
      this.#handshakeOver();
      if (this.#begun && nodeDiagnostics.handshake.hasSubscribers) this.#reportFailure(error);
    }
    this.stopIdleTimer();
    this.#offer.settle(true);
    this.#connection.destroy();
    this.#output.destroy(error ?? new TlsessionError('ERR_STREAM_DESTROYED', 'the socket was destroyed'));
    const transport = this.#transport;
    listeners.letGo(transport, this.#parts.connecting);
    endTransport(transport, error, (failure) => {
      done(failure);
      process.nextTick(emitClose, this, error !== null);
    });
  }

  #reportFailure(error: Error | null): void {
    const { engine } = this;
    const failure =
      engine.error ?? this.#failure ?? error ?? new TlsessionError('ERR_TLS_DESTROYED', 'given up');
    const role = this.#isServer ? 'server' : 'client';
    reportFailed(engine.info, role, failure, this.setup.context.sessions, nodeDiagnostics, this.#beganMs);
  }

  #handshakeOver(): void {
    this.#parts.listener?.settled(this);
    for (const session of this.#kept ?? []) session.release('pskCallback');
    this.#kept = null;
    if (this.#handshakeTimer === null) return;
    clearTimeout(this.#handshakeTimer);
    this.#handshakeTimer = null;
  }

  // What the rest is read from -------------------------------------------------------------------------

  /** @internal */
  get setup(): SocketSetup {
    return this.#parts.setup;
  }

  /** @internal */
  get isServer(): boolean {
    return this.#isServer;
  }

  /** @internal */
  get isSecure(): boolean {
    return this.#secure;
  }

  /** @internal */
  get engine(): Connection {
    return this.#connection;
  }

  /** Client: changes what the handshake will be made with. @throws {UsageError} when it has begun. */
  #prepare(change: Partial<ClientConfig>): void {
    if (this.#begun) throw new UsageError('ERR_TLS_STARTED', 'the handshake has begun');
    const { sessions } = this.#parts;
    const config = { ...(this.#parts.config as ClientConfig), ...change };
    this.#parts = {
      ...this.#parts,
      config,
      sessions: sessions && { ...sessions, key: { ...sessions.key, serverName: config.serverName ?? '' } },
    };
    this.#connection = new Connection(config);
  }

  /** Client: the name to ask for and to check. @throws {UsageError} when the handshake has begun. */
  setServername(name: string): void {
    requireString(name, 'name');
    if (this.#isServer) {
      throw new UsageError('ERR_TLS_SNI_FROM_SERVER', 'Cannot issue SNI from a TLS server-side socket');
    }
    this.#prepare({ serverName: name === '' ? null : name });
  }

  /** Client: what to resume, as the option `session`. @throws {UsageError} when the handshake has begun. */
  setSession(input: SessionInput): void {
    if (this.#isServer)
      throw new UsageError('ERR_TLS_SERVER_SESSION', 'a server does not choose the session');
    const session = takeSessionInput(input, this.#parts.setup.context.clock.wallMs());
    try {
      this.#prepare({ session });
    } catch (error) {
      session.release('connect');
      throw error;
    }
    this.#offer.replace(session);
  }

  /** Server: whose certificates are shown, from SNICallback or ALPNCallback. */
  setKeyCert(context: SecureContextLike | SecureContextOptions): void {
    this.ownContext =
      'context' in context ? requireContext(context) : sharedContext(context as SecureContextOptions);
  }

  /** Most plaintext in a record from now on, 512 to 16384 bytes; false for any other number. */
  setMaxSendFragment(size: number): boolean {
    requireInteger(size, 'size', -0x8000_0000, 0x7fff_ffff);
    if (size < 512 || size > 16_384) return false;
    if (this.#begun) this.#connection.limitFragments(size);
    else this.#prepare({ maxSendFragment: size });
    return true;
  }

  /**
   * Server: how many of the first bytes of the stream came as early data, so far; without a listener of
   * `earlyConnection` none, and `earlyData` has them. Client: bytes that went out as early data.
   */
  get earlyBytes(): number {
    if (this.#isServer) return this.#handedOver ? this.#earlyBytes : 0;
    return this.#output.earlyBytes;
  }

  /** Server: early data that nobody wanted in the stream, apart from it: it may have been sent before. */
  get earlyData(): Buffer {
    return Buffer.concat(this.#earlyKept);
  }

  /** Whether the handshake is complete. A server that answers early data may be written to before. */
  get handshakeComplete(): boolean {
    return this.#secure;
  }

  /** TLS 1.3: new keys for what this end sends, and with `requestPeer` for what it receives. */
  updateKeys(requestPeer = false): void {
    this.#connection.updateKeys(requestPeer);
    this.work();
  }

  /** A TLS 1.3 server: sends one more ticket (SSL_new_session_ticket(3)). */
  issueTicket(): boolean {
    const issued = this.#connection.issueTicket();
    this.work();
    return issued;
  }

  get transport(): Duplex {
    return this.#transport;
  }

  get secureConnecting(): boolean {
    return !this.#secure && !this.destroyed;
  }

  /** Application bytes received and sent. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#output.bytes;
  }
}

/** X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: what node:tls says when no certificate came. */
const NO_CERTIFICATE = 2;

/** @internal For net.connect's `onread`. */
export const onRead: (this: unknown, length: number, buffer: Uint8Array) => boolean = listeners.onRead;
