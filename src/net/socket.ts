import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Awaitable, isPromiseLike } from '../cache/awaitable.ts';
import type { ClientSessions, TakenSession } from '../cache/client-session-cache.ts';
import type { ClientSessionKey } from '../cache/client-session-key.ts';
import { nodeCodeForVerifyResult } from '../connection/certificate-check.ts';
import { Connection } from '../connection/connection.ts';
import { reportCompleted, reportFailed } from '../connection/report.ts';
import { whyNotOffer } from '../handshake/client/offer.ts';
import type { ClientConfig, ServerConfig } from '../handshake/config.ts';
import type { ConnectionEvent } from '../handshake/events.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { latin1 } from '../util/bytes.ts';
import { TlsessionError, UsageError } from '../util/errors.ts';
import { inspectAs } from '../util/inspect.ts';
import { nodeDiagnostics } from './diagnostics.ts';
import { EarlyOutput } from './early-output.ts';
import { writeKeyLog } from './key-log-file.ts';
import { invalidArgType, outOfRange, requireFunction, requireInteger, requireString } from './node-errors.ts';
import { FLUSH_BYTES, giveBuffer, takeBuffer } from './output-pool.ts';
import type { SecureContext, SecureContextLike, SecureContextOptions } from './secure-context.ts';
import { asBuffer, SecureStream } from './secure-stream.ts';
import { requireContext } from './server-callbacks.ts';
import { type SessionInput, takeSessionInput } from './session-input.ts';
import type { SocketOwner, SocketSetup } from './setup.ts';
import { sharedContext } from './shared-contexts.ts';
import { partsOf, type TLSSocketOptions } from './socket-parts.ts';
import { asSslError } from './ssl-error.ts';
import { closedError, endTransport, notBytes } from './transport.ts';
import { rememberTicket } from './used-tickets.ts';

/** Output of so many bytes is put in memory that is used again. */
const LEND_AT = 8192;

/** A text at run time; see TLSSocket.authorizationError. */
export type AuthorizationError = string & Error;

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
  readonly sessions: { readonly cache: ClientSessions; readonly key: ClientSessionKey } | null;
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

/** By the names of net.connect's options. */
export interface ConnectTarget {
  readonly path?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | string | undefined;
  readonly localAddress?: string | undefined;
}

const kTls: unique symbol = Symbol('tlsession');
type Transport = Duplex & { [kTls]?: TLSSocket };
type Callback = (error?: Error | null) => void;

/** A write, and how far it has come. */
interface Write {
  readonly chunks: readonly Uint8Array[];
  readonly done: Callback;
  /** The chunk that comes next, and how much of it is gone. */
  index: number;
  offset: number;
}

// One listener for all sockets, which finds its own on the transport: no closure a connection. What they may
// call is given by the class.
let start: (socket: TLSSocket) => void;
let received: (socket: TLSSocket, chunk: Uint8Array) => void;
let ended: (socket: TLSSocket) => void;
let closed: (socket: TLSSocket) => void;
let drained: (socket: TLSSocket) => void;
let broken: (socket: TLSSocket, error: Error) => void;
let flush: (socket: TLSSocket) => void;
let late: (socket: TLSSocket) => void;

function onData(this: Transport, chunk: unknown): void {
  const socket = this[kTls] as TLSSocket;
  if (chunk instanceof Uint8Array) received(socket, chunk);
  else broken(socket, notBytes());
}
/** @internal For net.connect's `onread`: the bytes are good for this call. */
export function onRead(this: unknown, length: number, buffer: Uint8Array): boolean {
  const socket = (this as Transport)[kTls];
  if (socket !== undefined) received(socket, buffer.subarray(0, length));
  return true;
}
function onEnd(this: Transport): void {
  ended(this[kTls] as TLSSocket);
}
function onClose(this: Transport): void {
  closed(this[kTls] as TLSSocket);
}
function onError(this: Transport, error: Error): void {
  broken(this[kTls] as TLSSocket, error);
}
function onDrain(this: Transport): void {
  drained(this[kTls] as TLSSocket);
}
function onConnect(this: Transport): void {
  const socket = this[kTls] as TLSSocket;
  socket.emit('connect');
  if (!socket.destroyed) start(socket);
}
/** What else a net.Socket says on its way; each has a listener that is named after it. */
const ON_THE_WAY: Readonly<Record<string, (this: Transport, ...args: unknown[]) => void>> =
  Object.fromEntries(
    ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout', 'ready'].map(
      (name) => [
        name,
        function (this: Transport, ...args: unknown[]) {
          (this[kTls] as TLSSocket).emit(name, ...args);
        },
      ],
    ),
  );
function startNow(socket: TLSSocket): void {
  if (!socket.destroyed) start(socket);
}
function flushNow(socket: TLSSocket): void {
  flush(socket);
}
function handshakeIsLate(socket: TLSSocket): void {
  late(socket);
}
function isIdle(socket: TLSSocket): void {
  socket.emit('timeout');
}
function emitClose(socket: TLSSocket, hadError: boolean): void {
  socket.emit('close', hadError);
}
function destroyNow(socket: TLSSocket): void {
  socket.destroy();
}
function ignore(): void {}

/** Why nothing is read from the transport. */
const CONSUMER = 1;
const JOB = 2;

export class TLSSocket extends SecureStream implements SocketOwner {
  readonly encrypted: true = true;
  /** Of setTimeout(), in milliseconds; 0 for never again, undefined for never asked. */
  declare readonly timeout?: number;
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
  readonly #transport: Transport;
  #parts: SocketParts;
  readonly #isServer: boolean;
  #secure = false;
  /** The handshake is complete; it is announced when its tickets are on their way. */
  #announce = false;
  #working = false;
  #flushQueued = false;
  /** Application bytes given to the engine since the last flush. */
  #unsent = 0;
  /** The transport has enough for now. */
  #blocked = false;
  /** Of a write that is with the transport, which has enough for now. */
  #waiting: Callback | null = null;
  /** A write that waits for the handshake, or of which a part waits for the transport. */
  #write: Write | null = null;
  /** An end that waits for the handshake. */
  #finishing: Callback | null = null;
  /** The transport has done with what it was given as soon as it says so: memory for it is used again. */
  readonly #recycles: boolean;
  /** Where the output of the moment is put. */
  #lent: Uint8Array | null = null;
  #stopped = 0;
  #inputEnded = false;
  #handshakeTimer: ReturnType<typeof setTimeout> | null = null;
  #idleTimer: ReturnType<typeof setTimeout> | null = null;
  #idleMs: number | undefined;
  #begun = false;
  /** When the handshake began, on the monotonic clock; null when nobody asks. */
  #beganMs: number | null = null;
  #failure: Error | null = null;
  /** To resume; given back as soon as the engine has it. */
  #offered: SessionCore | null;
  /** The peer has said its end, and close_notify is all that is still to be sent. */
  #farewell = false;
  /** Sessions that callbacks made, for as long as the handshake lasts. */
  #kept: SessionCore[] | null = null;
  /** What is being read, for the length of that. */
  #input: Uint8Array | null = null;
  /** Server: early bytes are part of the stream, as its first; and it may be written to. */
  #handedOver = false;
  #earlyBytes = 0;
  /** Server: early bytes that nobody wanted in the stream. */
  #earlyKept: Uint8Array[] = [];
  /** Client: what went out early. */
  #earlyOutput: EarlyOutput | null = null;
  #bytesRead = 0;
  #bytesWritten = 0;

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
    this.#recycles = transport.constructor === Socket;
    this.#parts = parts;
    // As in node:tls, whoever makes a socket by hand may do without listening for errors.
    if (byHand) this.on('error', ignore);
    this.#isServer = parts.config.role === 'server';
    this.#offered = parts.session;
    this.#connection = new Connection(parts.config);
    (transport as Transport)[kTls] = this;
    if (!parts.readsDirectly) transport.on('data', onData);
    // Whoever spoke on it before (STARTTLS) may have paused it.
    if (transport.isPaused()) transport.resume();
    transport.on('end', onEnd);
    transport.on('close', onClose);
    transport.on('error', onError);
    if (this.#isServer) this.#begin();
    else if (parts.connecting) {
      transport.once('connect', onConnect);
      for (const name in ON_THE_WAY) transport.on(name, ON_THE_WAY[name] as () => void);
    }
    // Whoever called connect() attaches listeners in this turn.
    else process.nextTick(startNow, this);
    if (parts.handshakeTimeoutMs > 0) {
      this.#handshakeTimer = setTimeout(handshakeIsLate, parts.handshakeTimeoutMs, this);
    }
  }

  static {
    start = (socket) => socket.#start();
    received = (socket, chunk) => socket.#onData(chunk);
    ended = (socket) => socket.#onEnd();
    closed = (socket) => socket.#onClose();
    drained = (socket) => socket.#onDrain();
    broken = (socket, error) => socket.#fail(error);
    flush = (socket) => socket.#flush();
    late = (socket) => socket.#onLate();
    Object.defineProperty(TLSSocket.prototype, 'timeout', {
      configurable: true,
      get(this: TLSSocket): number | undefined {
        return this.#idleMs;
      },
    });
    inspectAs(TLSSocket, (socket) => {
      const role = socket.#isServer ? 'server' : 'client';
      return `TLSSocket { ${role}, ${socket.getProtocol() ?? socket.#connection.stateName} }`;
    });
  }

  // From the transport ---------------------------------------------------------------------------------

  #start(): void {
    const { sessions } = this.#parts;
    if (sessions === null || this.#offered !== null) {
      this.#startWith(this.#offered, null);
      return;
    }
    const { config, setup } = this.#parts;
    const fits = (session: SessionCore): ResumptionReason | null => {
      const reason = whyNotOffer(config as ClientConfig, session, setup.context.clock.wallMs());
      // The peer of one that does not say what it is bound to is checked again.
      return reason === 'unbound' ? null : reason;
    };
    let taken: Awaitable<TakenSession>;
    try {
      taken = sessions.cache.take(sessions.key, fits);
    } catch {
      taken = { session: null, reason: 'store-failed' };
    }
    if (!isPromiseLike(taken)) {
      this.#startWith(taken.session, taken.reason);
      return;
    }
    taken.then(
      ({ session, reason }) => {
        if (!this.destroyed) this.#startWith(session, reason);
        else session?.release('connect');
      },
      () => {
        if (!this.destroyed) this.#startWith(null, 'store-failed');
      },
    );
  }

  /** `session` comes with a reference of the socket's own. */
  #startWith(session: SessionCore | null, reason: ResumptionReason | null): void {
    const config = this.#parts.config as ClientConfig;
    this.#offered = session;
    // Whoever wants the secrets has said so by now.
    const keyLog = config.keyLog || this.listenerCount('keylog') > 0;
    if (keyLog !== config.keyLog || session !== config.session || reason !== null) {
      const noSessionReason = reason ?? config.noSessionReason;
      this.#connection = new Connection({ ...config, keyLog, session, noSessionReason });
    }
    if (config.earlyData && session !== null) {
      this.#earlyOutput = new EarlyOutput(session.field(Field.alpn, 'connect'));
    }
    this.#begin();
    this.#work();
    this.#sendEarly();
    this.#settleOffer(false);
  }

  #begin(): void {
    const { context } = this.#parts.setup;
    if (nodeDiagnostics.handshake.hasSubscribers) this.#beganMs = context.clock.monotonicMs();
    this.#begun = true;
    context.sessions.handshakeStarted(this.#isServer ? 'server' : 'client');
    this.#connection.start();
  }

  /** Gives back the session that came with the options, once it has been offered or never will be. */
  #settleOffer(over: boolean): void {
    const session = this.#offered;
    if (session === null || !(over || session.body('connect').wasOffered)) return;
    this.#offered = null;
    rememberTicket(session);
    session.release('connect');
  }

  #onData(chunk: Uint8Array): void {
    if (this.#idleTimer !== null) this.#idleTimer.refresh();
    this.#input = chunk;
    this.#connection.receive(chunk);
    this.#work();
    this.#input = null;
  }

  #onEnd(): void {
    this.#connection.receiveEnd();
    this.#work();
    if (this.#secure) this.#endInput();
  }

  #onClose(): void {
    if (this.destroyed) return;
    if (!this.#secure) {
      this.#fail(this.#disconnected());
      return;
    }
    if (!this.#inputEnded) {
      this.destroy();
      return;
    }
    // What came before may still wait for its reader, but nothing can be written any more.
    const waiting = this.#waiting ?? this.#write?.done ?? null;
    this.#waiting = null;
    this.#write = null;
    if (waiting !== null) waiting(closedError());
    else if (!this.writableEnded) this.end();
  }

  #onDrain(): void {
    this.#blocked = false;
    if (this.#write !== null && this.#maySend) {
      this.#send(this.#write);
      return;
    }
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    waiting();
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

  /** Takes what the engine has to say, and sends what it has to send, in one write. */
  #work(): void {
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
      this.#flush();
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
        else this.#earlyOutput?.decided(event.accepted);
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
      if (this.#parts.sessions !== null) this.#keep(session, this.#parts.sessions);
      if (told) bytes = encodeEnvelope(session, 'session');
    } finally {
      // The connection has a reference of its own.
      session.release('connection');
    }
    if (bytes !== null) this.emit('session', asBuffer(bytes));
  }

  #keep(session: SessionCore, { cache, key }: NonNullable<SocketParts['sessions']>): void {
    // A cache that cannot keep it costs a resumption, and has ways of its own to say so.
    try {
      const kept = cache.put(key, session);
      if (isPromiseLike(kept)) kept.then(ignore, ignore);
    } catch {}
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
    this.#settleOffer(true);
    const { setup } = this.#parts;
    this.#describe();
    const { info } = this.#connection;
    if (!this.#resend()) return;
    if (this.#write !== null) this.#send(this.#write);
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
    const finishing = this.#finishing;
    if (finishing !== null) {
      this.#finishing = null;
      this.#finish(finishing);
    }
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

  /** Early data that was refused goes out first. False: it may not, and that was the end. */
  #resend(): boolean {
    const early = this.#earlyOutput;
    if (early === null) return true;
    try {
      for (const chunk of early.takeRefused(this.#connection.info.alpn)) {
        this.#connection.write(chunk);
        chunk.fill(0);
      }
      return true;
    } catch (error) {
      this.#fail(error as Error);
      return false;
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
    if (error.code === 'ECONNRESET') return this.#disconnected();
    const first = this.#isServer && this.#input !== null ? latin1(this.#input.subarray(0, 8)) : '';
    return asSslError(error, first);
  }

  /** The other end closed the connection before the handshake was complete. */
  #disconnected(): Error {
    if (this.#isServer) return new TlsessionError('ECONNRESET', 'socket hang up');
    const { path, host, port, localAddress } = this.#parts.target ?? {};
    return Object.assign(
      new TlsessionError(
        'ECONNRESET',
        'Client network socket disconnected before secure TLS connection was established',
      ),
      { path, host, port, localAddress },
    );
  }

  #fail(error: Error & { readonly code?: string }): void {
    if (this.destroyed) return;
    // A peer that said its end and went does not wait for ours: as with node:tls, that is no error.
    if (this.#farewell && (error.code === 'EPIPE' || error.code === 'ECONNRESET')) {
      this.destroy();
      return;
    }
    // Its alert goes out first.
    this.#flush();
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
    this.#work();
    this.#settleOffer(false);
  }

  // To the transport -----------------------------------------------------------------------------------

  #flush(): void {
    this.#flushQueued = false;
    this.#unsent = 0;
    const transport = this.#transport;
    if (this.destroyed || transport.destroyed) return;
    const output = this.#connection.takeOutput();
    if (output === null) {
      // The keys may be used up: that is an event.
      if (this.#connection.error !== null && !this.#working) this.#work();
      return;
    }
    const lent = this.#lent;
    this.#lent = null;
    if (!transport.writable) return;
    const goesOn =
      lent !== null && output.buffer === lent.buffer
        ? transport.write(output, (error) => {
            if (error === null || error === undefined) giveBuffer(lent);
          })
        : transport.write(output);
    if (!goesOn && !this.#blocked) {
      this.#blocked = true;
      transport.once('drain', onDrain);
    }
  }

  #stop(why: number, on: boolean): void {
    const before = this.#stopped;
    this.#stopped = on ? before | why : before & ~why;
    if (before === 0 && this.#stopped !== 0) this.#transport.pause();
    else if (before !== 0 && this.#stopped === 0) this.#transport.resume();
  }

  /** As much as the transport takes; the rest when it has drained. */
  #send(write: Write): void {
    const transport = this.#transport;
    if (transport.destroyed || !transport.writable) {
      this.#write = null;
      write.done(closedError());
      return;
    }
    if (this.#idleTimer !== null) this.#idleTimer.refresh();
    try {
      while (write.index < write.chunks.length) {
        const chunk = write.chunks[write.index] as Uint8Array;
        const end = Math.min(chunk.length, write.offset + FLUSH_BYTES - this.#unsent);
        this.#encrypt(write.offset === 0 && end === chunk.length ? chunk : chunk.subarray(write.offset, end));
        write.offset = end;
        if (end === chunk.length) {
          write.index++;
          write.offset = 0;
        }
        if (this.#unsent >= FLUSH_BYTES) {
          this.#flush();
          // Who was told of it may have ended all this, or the transport has enough.
          if (this.#write !== write || this.#blocked) break;
        }
      }
    } catch (error) {
      this.#write = null;
      write.done(error as Error);
      return;
    }
    if (this.#write !== write || write.index < write.chunks.length) return;
    this.#write = null;
    if (this.#unsent > 0 && !this.#working && !this.#flushQueued) {
      this.#flushQueued = true;
      process.nextTick(flushNow, this);
    }
    if (this.#blocked) this.#waiting = write.done;
    else write.done();
  }

  #encrypt(data: Uint8Array): void {
    if (this.#lent === null && this.#recycles && this.#unsent + data.length >= LEND_AT) {
      this.#lent = takeBuffer();
      this.#connection.lendOutput(this.#lent);
    }
    this.#connection.write(data);
    this.#unsent += data.length;
    this.#bytesWritten += data.length;
  }

  #finish(done: Callback): void {
    const transport = this.#transport;
    this.#farewell = this.#inputEnded && transport.writableLength === 0 && !this.#connection.hasOutput;
    this.#connection.close();
    this.#flush();
    if (transport.destroyed || transport.writableEnded) done();
    else transport.end(() => done());
  }

  // Duplex ---------------------------------------------------------------------------------------------

  override _read(): void {
    if (this.#stopped !== 0) this.#stop(CONSUMER, false);
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Callback): void {
    this.#put([chunk], done);
  }

  override _writev(items: { chunk: Uint8Array }[], done: Callback): void {
    this.#put(
      items.map(({ chunk }) => chunk),
      done,
    );
  }

  #put(chunks: readonly Uint8Array[], done: Callback): void {
    this.#write = { chunks, done, index: 0, offset: 0 };
    if (this.#maySend) this.#send(this.#write);
    else this.#sendEarly();
  }

  /** A server may answer early data before it knows that the client is there. */
  get #maySend(): boolean {
    return this.#secure || (this.#handedOver && this.#connection.canWrite);
  }

  /** Client: of a write that waits for the handshake, what may go out as early data. */
  #sendEarly(): void {
    const write = this.#write;
    const early = this.#earlyOutput;
    if (write === null || early === null || this.#secure || !this.#begun) return;
    let sent = 0;
    while (write.index < write.chunks.length) {
      const chunk = write.chunks[write.index] as Uint8Array;
      const count = early.write(this.#connection, chunk.subarray(write.offset));
      sent += count;
      write.offset += count;
      if (write.offset < chunk.length) break;
      write.index++;
      write.offset = 0;
    }
    if (sent === 0) return;
    this.#bytesWritten += sent;
    this.#flush();
    if (this.#write !== write || write.index < write.chunks.length) return;
    this.#write = null;
    write.done();
  }

  override _final(done: Callback): void {
    if (this.#secure) this.#finish(done);
    else this.#finishing = done;
  }

  override _destroy(error: Error | null, done: Callback): void {
    if (!this.#secure) {
      this.#handshakeOver();
      if (this.#begun && nodeDiagnostics.handshake.hasSubscribers) this.#reportFailure(error);
    }
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    this.#settleOffer(true);
    this.#connection.destroy();
    this.#earlyOutput?.destroy();
    const waiting = this.#waiting ?? this.#write?.done ?? this.#finishing;
    this.#waiting = null;
    this.#write = null;
    this.#finishing = null;
    if (waiting !== null)
      waiting(error ?? new TlsessionError('ERR_STREAM_DESTROYED', 'the socket was destroyed'));
    const transport = this.#transport;
    letGo(transport, this.#parts.connecting);
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
    reportFailed(engine.info, role, failure, this.setup.context.clock, nodeDiagnostics, this.#beganMs);
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
    this.#offered?.release('connect');
    this.#offered = session;
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

  /** Connects the net.Socket beneath, where none was given. */
  connect(...args: unknown[]): this {
    if (!(this.#transport instanceof Socket)) {
      throw new UsageError('ERR_INVALID_HANDLE_TYPE', 'what is beneath is no net.Socket');
    }
    (this.#transport.connect as (...args: unknown[]) => Socket)(...args);
    return this;
  }

  /** Ends the connection with a TCP reset. */
  resetAndDestroy(): this {
    if (this.#transport instanceof Socket && !this.#transport.destroyed) this.#transport.resetAndDestroy();
    return this.destroy();
  }

  /**
   * Server: how many of the first bytes of the stream came as early data, so far; without a listener of
   * `earlyConnection` none, and `earlyData` has them. Client: bytes that went out as early data.
   */
  get earlyBytes(): number {
    if (this.#isServer) return this.#handedOver ? this.#earlyBytes : 0;
    return this.#earlyOutput?.bytes ?? 0;
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
    this.#work();
  }

  /** A TLS 1.3 server: sends one more ticket (SSL_new_session_ticket(3)). */
  issueTicket(): boolean {
    const issued = this.#connection.issueTicket();
    this.#work();
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
    return this.#bytesWritten;
  }

  /** `timeout` after so many milliseconds without a byte either way; 0 for never. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (typeof timeoutMs !== 'number') throw invalidArgType('msecs', 'of type number', timeoutMs);
    if (!(timeoutMs >= 0 && timeoutMs < Infinity)) {
      throw outOfRange('msecs', 'a non-negative finite number', timeoutMs);
    }
    if (callback !== undefined) requireFunction(callback, 'callback');
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleMs = timeoutMs;
    this.#idleTimer = timeoutMs === 0 || this.destroyed ? null : setTimeout(isIdle, timeoutMs, this).unref();
    if (callback !== undefined) {
      if (timeoutMs === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    return this;
  }

  /** Ends, and destroys when all that was written has left. */
  destroySoon(): void {
    if (this.writable) this.end();
    // What has arrived (tickets, most often) is read first: closed with input unread, TCP resets the connection,
    // and what is on its way out is lost.
    // The first of the two turns may already be past the reading.
    const afterReading = (): void => void setImmediate(() => setImmediate(destroyNow, this));
    if (this.writableFinished) afterReading();
    else this.once('finish', afterReading);
  }
}

/** X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: what node:tls says when no certificate came. */
const NO_CERTIFICATE = 2;

function letGo(transport: Duplex, connecting: boolean): void {
  transport.off('data', onData);
  transport.off('end', onEnd);
  transport.off('close', onClose);
  transport.off('error', onError);
  transport.off('drain', onDrain);
  if (connecting) {
    transport.off('connect', onConnect);
    for (const name in ON_THE_WAY) transport.off(name, ON_THE_WAY[name] as () => void);
  }
  transport.on('error', ignore);
}
