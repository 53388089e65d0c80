/**
 * SSL_new(3): a connection over two BIOs, under OpenSSL's names. A call does as much as the bytes that are
 * there allow, and says by SSL_get_error what it waits for.
 */
import { Connection } from '../connection/connection.ts';
import { type JobOwner, JobRunner } from '../connection/job-runner.ts';
import { reportCompleted, reportFailed } from '../connection/report.ts';
import type { ConnectionEvent } from '../handshake/events.ts';
import { ConnectionInfo } from '../handshake/info.ts';
import type { Job, SelectJob } from '../handshake/jobs.ts';
import { nodeDiagnostics } from '../net/diagnostics.ts';
import type { SessionCore } from '../session/core.ts';
import { equalBytes } from '../util/bytes.ts';
import { TlsessionError, UsageError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { type ClientHello, readClientHello } from '../wire/message/client-hello.ts';
import type { BIO } from './bio.ts';
import { ERR_LIB_SSL, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, raise } from './err.ts';
import { ExDataClass, type ExValues } from './ex-data-class.ts';
import type { Ssl } from './ssl.ts';
import { SSL_CLIENT_HELLO_ERROR, SSL_CLIENT_HELLO_RETRY } from './ssl-client-hello.ts';
import {
  SSL_ERROR_NONE,
  SSL_ERROR_SSL,
  SSL_ERROR_SYSCALL,
  SSL_ERROR_WANT_ASYNC,
  SSL_ERROR_WANT_CLIENT_HELLO_CB,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_RECEIVED_SHUTDOWN,
  SSL_SENT_SHUTDOWN,
} from './ssl-codes.ts';
import { type Settings, type SSL_CTX, SSL_VERIFY_PEER } from './ssl-ctx.ts';
import { raiseFailure, SslFault } from './ssl-fault.ts';
import { HeldSessions } from './ssl-held-sessions.ts';
import {
  SSL_R_CALLBACK_FAILED,
  SSL_R_CONNECTION_TYPE_NOT_SET,
  SSL_R_UNEXPECTED_EOF_WHILE_READING,
} from './ssl-reason-codes.ts';
import { servicesOf } from './ssl-services.ts';
import { clientSetup, serverSetup } from './ssl-setup.ts';
import { cookiesOf } from './ssl-stateless.ts';
import { Transport } from './ssl-transport.ts';
import { type SSL_SESSION, sessionOf } from './types.ts';

export const connectionExData: ExDataClass<Ssl> = new ExDataClass<Ssl>();

/** The handshake of a connection, its session and its end; what goes through it is `Ssl`'s, in ssl.ts. */
export abstract class SslCore implements JobOwner {
  readonly #settings: Settings;
  readonly #exData: ExValues;
  #ctx: SSL_CTX;
  /** Where sessions and tickets are kept: the first context, also when SSL_set_SSL_CTX gave another. */
  readonly sessionCtx: SSL_CTX;
  /** For server_name and, with verification, for the certificate. */
  hostname: string | null = null;
  role: 'client' | 'server' | null = null;
  verifyResult = 0;
  /** While the client-hello callback runs. */
  hello: ClientHello | null = null;
  readonly #transport: Transport = new Transport();
  readonly #sessions: HeldSessions = new HeldSessions();
  #connection: Connection | null = null;
  #runner: JobRunner | null = null;
  protected inbox: Uint8Array[] = [];
  protected earlyInbox: Uint8Array[] = [];
  protected code: number = SSL_ERROR_NONE;
  protected isDone = false;
  #references = 1;
  /** A call is under way: what a callback may not do to this SSL. */
  #isBusy = false;
  protected earlyState: 'none' | 'open' | 'finished' = 'none';
  #pausedHello: { readonly id: number; readonly job: SelectJob } | null = null;
  /** The bytes of a write that the BIO did not take whole: it has to be made again. */
  protected pendingWrite: number | null = null;
  protected ticketsWanted = 0;
  protected ticketsArmed = false;
  protected certificateWanted = false;
  /** What SSL_set_shutdown said. */
  protected saidShutdown = 0;
  #resumable: boolean | null = null;
  /** The transport ended without a close_notify. */
  protected isCut = false;
  #beganMs: number | null = null;

  /** Use SSL_new. */
  constructor(ctx: SSL_CTX, settings: Settings = ctx.settings) {
    ctx.hold();
    ctx.hold();
    this.#ctx = ctx;
    this.sessionCtx = ctx;
    this.#settings = { ...settings };
    try {
      this.#exData = connectionExData.create(this.self());
    } catch (error) {
      ctx.release();
      ctx.release();
      throw error;
    }
  }

  check(call: string): void {
    if (this.#references === 0) throw new UsageError('ERR_OPENSSL_SSL_ENDED', `${call}: the SSL was freed`);
  }

  /** As callbacks know it. */
  protected abstract self(): Ssl;

  /** Tickets that are wanted, and a request for the client's certificate. */
  protected abstract sendLate(): boolean;

  // What the functions reach an SSL by: after its end there is nothing to reach.

  get settings(): Settings {
    this.check('SSL');
    return this.#settings;
  }

  get exData(): ExValues {
    this.check('SSL');
    return this.#exData;
  }

  /** Certificates and callbacks come from it. */
  get ctx(): SSL_CTX {
    this.check('SSL');
    return this.#ctx;
  }

  get transport(): Transport {
    this.check('SSL');
    return this.#transport;
  }

  /** One call at a time: a callback that calls back into the SSL it was called for would find it half-changed. */
  protected operate<T>(call: string, step: () => T): T {
    this.check(call);
    if (this.#isBusy) {
      throw new UsageError('ERR_OPENSSL_REENTRY', `${call}: called from a callback of this very SSL`);
    }
    this.#isBusy = true;
    try {
      return step();
    } finally {
      this.#isBusy = false;
    }
  }

  get connection(): Connection | null {
    this.check('SSL');
    return this.#connection;
  }

  /** As SSL_get_session and its kin see a connection. */
  get engine(): { readonly session: SessionCore | null; readonly info: ConnectionInfo } {
    this.check('SSL_get_session');
    return { session: this.session, info: this.#connection?.info ?? new ConnectionInfo() };
  }

  get version(): number {
    this.check('SSL_version');
    const negotiated = this.#connection?.info.version ?? 0;
    return negotiated === 0 ? this.settings.maxVersion : negotiated;
  }

  get isFinished(): boolean {
    this.check('SSL_is_init_finished');
    return this.isDone;
  }

  get isBefore(): boolean {
    return this.#connection === null;
  }

  /** SSL_set_connect_state and SSL_set_accept_state: a handshake begins anew. */
  becomes(role: 'client' | 'server'): void {
    this.operate('SSL_set_connect_state', () => {
      if (this.#connection !== null) this.clearNow();
      this.role = role;
    });
  }

  get errorCode(): number {
    this.check('SSL_get_error');
    return this.code;
  }

  get rbio(): BIO | null {
    this.check('SSL_get_rbio');
    return this.#transport.rbio;
  }

  get wbio(): BIO | null {
    this.check('SSL_get_wbio');
    return this.#transport.wbio;
  }

  get shutdownState(): number {
    const connection = this.#connection;
    if (connection === null) return this.saidShutdown;
    // A close_notify counts once the data in front of it is read.
    const received = connection.closeReceived && this.inbox.length === 0;
    return (
      this.saidShutdown |
      (connection.closeSent ? SSL_SENT_SHUTDOWN : 0) |
      (received ? SSL_RECEIVED_SHUTDOWN : 0)
    );
  }

  set shutdownState(state: number) {
    this.saidShutdown = state & (SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  /** A server that reads early data, and a client that writes it. */
  get acceptsEarlyData(): boolean {
    return this.earlyState !== 'none';
  }

  get sendsEarlyData(): boolean {
    return this.earlyState === 'open';
  }

  /** What the not-resumable callback says, asked once a handshake. */
  get mayBeResumed(): boolean {
    const { notResumable } = this.settings;
    this.#resumable ??= notResumable === null || notResumable(this.self(), 1) === 0;
    return this.#resumable;
  }

  // Sessions ---------------------------------------------------------------------------------------------

  /** Borrowed. */
  get session(): SessionCore | null {
    return this.#sessions.follow(this.#connection?.session ?? null);
  }

  setSession(session: SessionCore | null): void {
    session?.body('SSL_set_session');
    this.#dropBadSession();
    this.#sessions.current = session;
    if (session !== null) this.verifyResult = session.body('SSL_set_session').verifyResult;
  }

  /** A connection that ends without a close_notify of ours takes its session with it, as OpenSSL has it. */
  #dropBadSession(): boolean {
    if (!this.isDone || (this.shutdownState & SSL_SENT_SHUTDOWN) !== 0) return false;
    const { session } = this;
    if (session === null) return false;
    this.sessionCtx.sessions.spoiled(session);
    return true;
  }

  /** A callback's reference, until the connection ends: the engine takes its own. */
  keep(session: SSL_SESSION): SessionCore {
    const core = sessionOf(session, 'psk_use_session');
    core.takeFromApplication('psk_use_session');
    this.#sessions.keep(core);
    return core;
  }

  /** A library reference that somebody took for this connection. */
  keepGiven(session: SessionCore): void {
    this.#sessions.keep(session);
  }

  // The handshake ----------------------------------------------------------------------------------------

  /** 1 when it is complete; otherwise −1 or 0, and `errorCode` says why. */
  handshake(): number {
    return this.operate('SSL_do_handshake', () => this.doHandshake());
  }

  protected doHandshake(): number {
    if (this.role === null) return this.refuse(SSL_R_CONNECTION_TYPE_NOT_SET);
    if (!this.hasMethod) return this.refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, 0);
    const connection = this.#connection ?? this.begin();
    this.work(() => {
      // Whoever wants the handshake complete has no more early data to write.
      if (!this.isDone && this.role === 'client') connection.endEarlyData();
      return this.isDone;
    });
    if (connection.error !== null || !this.isDone || this.#transport.isFull) return this.failed(-1);
    if ((this.ticketsArmed || this.certificateWanted) && !this.sendLate()) return this.failed(-1);
    if (this.role === 'server' && this.earlyState === 'open') this.earlyState = 'finished';
    this.code = SSL_ERROR_NONE;
    return 1;
  }

  /** Whether the context's method has this role. */
  protected get hasMethod(): boolean {
    return this.role !== null && this.ctx.method[this.role];
  }

  /** A call that may not be made now. */
  protected refuse(reason: number, ret = -1): number {
    raise(ERR_LIB_SSL, reason);
    this.code = SSL_ERROR_SSL;
    return ret;
  }

  protected failed(ret: number): number {
    if (this.#connection !== null && this.#connection.error !== null) this.code = SSL_ERROR_SSL;
    return ret;
  }

  protected begin(stateless = false): Connection {
    const role = this.role as 'client' | 'server';
    const config =
      role === 'client'
        ? clientSetup(this.self(), this.#sessions.offer(), this.earlyState === 'open')
        : serverSetup(this.self(), stateless ? cookiesOf(this.self()) : null);
    this.sessionCtx.sessions.handshakeStarted(role);
    if (nodeDiagnostics.handshake.hasSubscribers) this.#beganMs = this.ctx.clock.monotonicMs();
    this.#runner = new JobRunner(servicesOf(this.self()));
    const connection = new Connection(config);
    this.#connection = connection;
    connection.start();
    return connection;
  }

  // Bytes ------------------------------------------------------------------------------------------------

  /** A job that had to wait is answered: the next call goes on. */
  jobSettled(): void {}

  /** Goes on until `enough`, or until there is nothing left to do. */
  protected work(enough: () => boolean): void {
    const connection = this.#connection as Connection;
    for (;;) {
      if (this.#pausedHello !== null) this.#askAboutHello(connection, this.#pausedHello);
      this.takeEvents(connection);
      if (!this.flush()) return;
      const isEnough = enough();
      // What was enough may have had something to say.
      this.takeEvents(connection);
      if (!this.flush() || isEnough) return;
      if (connection.error !== null) {
        this.code = SSL_ERROR_SSL;
        return;
      }
      if (this.#pausedHello !== null) {
        this.code = SSL_ERROR_WANT_CLIENT_HELLO_CB;
        return;
      }
      if (connection.isWaiting) {
        this.code = SSL_ERROR_WANT_ASYNC;
        return;
      }
      if (!this.#receive(connection)) return;
    }
  }

  /** False when there is nothing to read now. */
  #receive(connection: Connection): boolean {
    const transport = this.#transport;
    if (transport.rbio === null) {
      this.code = SSL_ERROR_SYSCALL;
      return false;
    }
    const bytes = transport.receive();
    if (bytes !== null) {
      connection.receive(bytes);
      return true;
    }
    if (!transport.isEnded || connection.closeReceived) {
      this.code = SSL_ERROR_WANT_READ;
      return false;
    }
    // The transport's end without a close_notify is somebody's cut (SSL_OP_IGNORE_UNEXPECTED_EOF is not there).
    if (this.isDone) {
      this.isCut = true;
      const session = this.session;
      if (session !== null) this.sessionCtx.sessions.spoiled(session);
      raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
      connection.abort();
      this.takeEvents(connection, true);
    } else {
      connection.receiveEnd();
      this.takeEvents(connection);
    }
    this.code = SSL_ERROR_SSL;
    return false;
  }

  /** False when the BIO has no room for all of it. */
  protected flush(): boolean {
    if (this.#transport.send(this.#connection?.takeOutput() ?? null)) return true;
    this.code = this.#transport.wbio === null ? SSL_ERROR_SYSCALL : SSL_ERROR_WANT_WRITE;
    return false;
  }

  protected takeEvents(connection: Connection, silent = false): void {
    for (let event = connection.nextEvent(); event !== null; event = connection.nextEvent()) {
      if (!(silent && event.type === 'error')) this.#on(connection, event);
    }
  }

  #on(connection: Connection, event: ConnectionEvent): void {
    switch (event.type) {
      case 'job':
        this.#onJob(connection, event.id, event.job);
        return;
      case 'handshake':
        this.#onHandshake(connection);
        return;
      case 'data':
        (event.early ? this.earlyInbox : this.inbox).push(event.data);
        return;
      case 'session':
        this.#onSession(event.session);
        return;
      case 'error':
        this.#onError(connection, event.error);
        return;
      case 'keylog':
        this.ctx.keyLog?.(this.self(), event.line);
        return;
      case 'early-data':
      case 'close-notify':
      case 'warning':
        return;
    }
  }

  #onJob(connection: Connection, id: number, job: Job): void {
    if (job.kind === 'select' && this.ctx.clientHello !== null) {
      this.#askAboutHello(connection, { id, job });
      return;
    }
    if (job.kind === 'store-session') {
      try {
        this.#beforeStoring(connection, job.session);
      } catch (error) {
        connection.failJob(id, error);
        return;
      }
    }
    (this.#runner as JobRunner).run(connection, id, job, this);
  }

  #beforeStoring(connection: Connection, session: SessionCore): void {
    if (!this.mayBeResumed) {
      session.markNotResumable();
      throw new UsageError('ERR_OPENSSL_NOT_RESUMABLE', 'the session may not be resumed');
    }
    if (connection.info.version === ProtocolVersion.TLS1_3) this.sessionCtx.tickets.announce(this.self());
  }

  #askAboutHello(connection: Connection, paused: { readonly id: number; readonly job: SelectJob }): void {
    this.#pausedHello = null;
    const { clientHello } = this.ctx;
    let answer: number;
    try {
      this.hello = readClientHello(paused.job.clientHello.subarray(4));
      answer = clientHello === null ? 1 : clientHello.cb(this.self(), clientHello.arg);
    } catch (error) {
      connection.failJob(paused.id, error);
      return;
    } finally {
      this.hello = null;
    }
    if (answer === SSL_CLIENT_HELLO_RETRY) this.#pausedHello = paused;
    else if (answer === SSL_CLIENT_HELLO_ERROR) {
      connection.failJob(paused.id, new SslFault(SSL_R_CALLBACK_FAILED, 'the client-hello callback refused'));
    } else (this.#runner as JobRunner).run(connection, paused.id, paused.job, this);
  }

  #onHandshake(connection: Connection): void {
    const { info } = connection;
    const role = this.role as 'client' | 'server';
    this.isDone = true;
    this.verifyResult = info.verifyResult;
    const { sessions } = this.sessionCtx;
    reportCompleted(info, role, sessions, nodeDiagnostics, this.#beganMs);
    const { offered } = this.#sessions;
    if (role === 'client' && offered !== null && info.version === ProtocolVersion.TLS1_3) {
      sessions.usedUp(offered);
    }
  }

  #onSession(session: SessionCore): void {
    try {
      if (this.role === 'client') {
        const { info } = this.#connection as Connection;
        const { sessions } = this.sessionCtx;
        const { offered } = this.#sessions;
        // A new ticket takes the place of the session that it came with (RFC 5077, 3.3).
        if (info.resumed && info.version === ProtocolVersion.TLS1_2 && offered !== null) {
          sessions.usedUp(offered);
        }
        sessions.established(session, {
          role: 'client',
          resumed: info.resumed,
          verifiesPeer: (this.settings.verifyMode & SSL_VERIFY_PEER) !== 0,
          singleUse: false,
          noTickets: false,
          connection: this,
        });
      }
    } finally {
      session.release('connection');
    }
  }

  #onError(connection: Connection, error: Error): void {
    this.code = SSL_ERROR_SSL;
    // A fatal alert, either way, takes the session with it, also the one that was only offered.
    const { session } = this;
    if (session !== null) this.sessionCtx.sessions.spoiled(session);
    if (!this.isDone) this.#reportFailure(connection, error);
    raiseFailure(error);
  }

  #reportFailure(connection: Connection, error: Error): void {
    const { sessions } = this.sessionCtx;
    const role = this.role as 'client' | 'server';
    reportFailed(connection.info, role, error, sessions, nodeDiagnostics, this.#beganMs);
  }

  // Its end -------------------------------------------------------------------------------------------

  /** SSL_clear: ready for another connection. A session that ended well stays, to be resumed. */
  clear(): void {
    this.operate('SSL_clear', () => this.clearNow());
  }

  protected clearNow(): void {
    if (this.#dropBadSession()) this.#sessions.current = null;
    this.endConnection();
    this.verifyResult = this.#sessions.current?.body('SSL_clear').verifyResult ?? 0;
  }

  protected endConnection(): void {
    // What the engine has is the current session, unless another was set since.
    void this.session;
    const connection = this.#connection;
    if (connection !== null && !this.isDone && connection.error === null) {
      const error = new TlsessionError('ERR_TLS_DESTROYED', 'given up before the handshake was complete');
      this.#reportFailure(connection, error);
    }
    connection?.destroy();
    this.#connection = null;
    this.#runner = null;
    this.#sessions.endConnection();
    for (const bytes of [...this.inbox, ...this.earlyInbox]) bytes.fill(0);
    this.inbox = [];
    this.earlyInbox = [];
    this.#transport.forget();
    this.pendingWrite = null;
    this.#pausedHello = null;
    this.ticketsWanted = 0;
    this.ticketsArmed = false;
    this.certificateWanted = false;
    this.isDone = false;
    this.earlyState = 'none';
    this.saidShutdown = 0;
    this.#resumable = null;
    this.isCut = false;
    this.#beganMs = null;
    this.code = SSL_ERROR_NONE;
  }

  upRef(): void {
    this.check('SSL_up_ref');
    this.#references++;
  }

  /** What a callback throws comes out when everything is undone. */
  free(): void {
    this.check('SSL_free');
    if (this.#references > 1) {
      this.#references--;
      return;
    }
    this.operate('SSL_free', () => {
      const errors: unknown[] = [];
      const step = (what: () => void): void => {
        try {
          what();
        } catch (error) {
          errors.push(error);
        }
      };
      step(() => void this.#dropBadSession());
      this.endConnection();
      step(() => {
        this.#sessions.current = null;
      });
      step(() => connectionExData.release(this.self(), this.#exData));
      this.#transport.release();
      step(() => this.#ctx.release());
      step(() => this.sessionCtx.release());
      this.#references = 0;
      if (errors.length === 1) throw errors[0];
      if (errors.length > 1) throw new AggregateError(errors, 'several callbacks threw in SSL_free');
    });
  }

  /** SSL_set_SSL_CTX, mostly from a servername callback: certificates and id context come from there. */
  changeContext(ctx: SSL_CTX): void {
    if (ctx === this.ctx) return;
    ctx.hold();
    const before = this.ctx;
    this.#ctx = ctx;
    this.settings.credentials = ctx.settings.credentials;
    // As in C: an id context that was never changed for this SSL follows the context.
    if (equalBytes(this.settings.sidCtx, before.settings.sidCtx)) this.settings.sidCtx = ctx.settings.sidCtx;
    before.release();
  }
}
