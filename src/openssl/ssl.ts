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
import { TlsAlertError, TlsessionError, UsageError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { type ClientHello, readClientHello } from '../wire/message/client-hello.ts';
import type { BIO } from './bio.ts';
import { ERR_LIB_SSL, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, raise, SSL_R_BAD_LENGTH } from './err.ts';
import { ExDataClass, type ExValues } from './ex-data-class.ts';
import { SSL_CLIENT_HELLO_ERROR, SSL_CLIENT_HELLO_RETRY } from './ssl-client-hello.ts';
import {
  SSL_EARLY_DATA_ACCEPTED,
  SSL_EARLY_DATA_NOT_SENT,
  SSL_EARLY_DATA_REJECTED,
  SSL_ERROR_NONE,
  SSL_ERROR_SSL,
  SSL_ERROR_SYSCALL,
  SSL_ERROR_WANT_ASYNC,
  SSL_ERROR_WANT_CLIENT_HELLO_CB,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  SSL_READ_EARLY_DATA_ERROR,
  SSL_READ_EARLY_DATA_FINISH,
  SSL_READ_EARLY_DATA_SUCCESS,
  SSL_RECEIVED_SHUTDOWN,
  SSL_SENT_SHUTDOWN,
} from './ssl-codes.ts';
import { type Settings, type SSL_CTX, SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER } from './ssl-ctx.ts';
import { raiseFailure, SslFault } from './ssl-fault.ts';
import {
  SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY,
  SSL_R_CALLBACK_FAILED,
  SSL_R_CONNECTION_TYPE_NOT_SET,
  SSL_R_EXTENSION_NOT_RECEIVED,
  SSL_R_INVALID_CONFIG,
  SSL_R_NOT_SERVER,
  SSL_R_PROTOCOL_IS_SHUTDOWN,
  SSL_R_REQUEST_SENT,
  SSL_R_SHUTDOWN_WHILE_IN_INIT,
  SSL_R_STILL_IN_INIT,
  SSL_R_TOO_MUCH_EARLY_DATA,
  SSL_R_UNEXPECTED_EOF_WHILE_READING,
  SSL_R_UNINITIALIZED,
  SSL_R_WRONG_SSL_VERSION,
} from './ssl-reason-codes.ts';
import { checkEarlySession, servicesOf } from './ssl-services.ts';
import { clientSetup, serverSetup } from './ssl-setup.ts';
import { cookiesOf } from './ssl-stateless.ts';
import { Transport } from './ssl-transport.ts';
import { type SSL_SESSION, sessionOf } from './types.ts';

export const connectionExData: ExDataClass<Ssl> = new ExDataClass<Ssl>();

/** A connection. Programs hold it by the functions below, under the type SSL. */
export class Ssl implements JobOwner {
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
  /** The current session: one library reference. */
  #session: SessionCore | null = null;
  /** What the engine last had as its session; it becomes the current one when that changes. */
  #engineSession: SessionCore | null = null;
  /** What this handshake was begun with: one library reference. */
  #offered: SessionCore | null = null;
  #connection: Connection | null = null;
  #runner: JobRunner | null = null;
  #inbox: Uint8Array[] = [];
  #early: Uint8Array[] = [];
  #error = SSL_ERROR_NONE;
  #done = false;
  #references = 1;
  /** A call is under way: what a callback may not do to this SSL. */
  #isBusy = false;
  #earlyState: 'none' | 'open' | 'finished' = 'none';
  #pausedHello: { readonly id: number; readonly job: SelectJob } | null = null;
  /** The bytes of a write that the BIO did not take whole: it has to be made again. */
  #pendingWrite: number | null = null;
  #ticketsWanted = 0;
  #ticketsArmed = false;
  #certificateWanted = false;
  /** What SSL_set_shutdown said. */
  #shutdown = 0;
  #resumable: boolean | null = null;
  /** The transport ended without a close_notify. */
  #isCut = false;
  #beganMs: number | null = null;
  readonly #kept: SessionCore[] = [];

  /** Use SSL_new. */
  constructor(ctx: SSL_CTX, settings: Settings = ctx.settings) {
    ctx.hold();
    ctx.hold();
    this.#ctx = ctx;
    this.sessionCtx = ctx;
    this.#settings = { ...settings };
    try {
      this.#exData = connectionExData.create(this);
    } catch (error) {
      ctx.release();
      ctx.release();
      throw error;
    }
  }

  check(call: string): void {
    if (this.#references === 0) throw new UsageError('ERR_OPENSSL_SSL_ENDED', `${call}: the SSL was freed`);
  }

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
  #operate<T>(call: string, step: () => T): T {
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
    return this.#done;
  }

  get isBefore(): boolean {
    return this.#connection === null;
  }

  /** SSL_set_connect_state and SSL_set_accept_state: a handshake begins anew. */
  becomes(role: 'client' | 'server'): void {
    this.#operate('SSL_set_connect_state', () => {
      if (this.#connection !== null) this.#clear();
      this.role = role;
    });
  }

  get errorCode(): number {
    this.check('SSL_get_error');
    return this.#error;
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
    if (connection === null) return this.#shutdown;
    // A close_notify counts once the data in front of it is read.
    const received = connection.closeReceived && this.#inbox.length === 0;
    return (
      this.#shutdown | (connection.closeSent ? SSL_SENT_SHUTDOWN : 0) | (received ? SSL_RECEIVED_SHUTDOWN : 0)
    );
  }

  set shutdownState(state: number) {
    this.#shutdown = state & (SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }

  /** A server that reads early data, and a client that writes it. */
  get acceptsEarlyData(): boolean {
    return this.#earlyState !== 'none';
  }

  get sendsEarlyData(): boolean {
    return this.#earlyState === 'open';
  }

  /** What the not-resumable callback says, asked once a handshake. */
  get mayBeResumed(): boolean {
    const { notResumable } = this.settings;
    this.#resumable ??= notResumable === null || notResumable(this, 1) === 0;
    return this.#resumable;
  }

  // Sessions ---------------------------------------------------------------------------------------------

  /** Borrowed. */
  get session(): SessionCore | null {
    const engines = this.#connection?.session ?? null;
    if (engines !== null && engines !== this.#engineSession) {
      this.#engineSession = engines;
      this.#replaceSession(engines);
    }
    return this.#session;
  }

  #replaceSession(session: SessionCore | null): void {
    // First the new one's reference: it may be the very session that is dropped.
    session?.retain('SSL_set_session');
    const before = this.#session;
    this.#session = session;
    before?.release('SSL_set_session');
  }

  setSession(session: SessionCore | null): void {
    session?.body('SSL_set_session');
    this.#dropBadSession();
    this.#replaceSession(session);
    if (session !== null) this.verifyResult = session.body('SSL_set_session').verifyResult;
  }

  /** A connection that ends without a close_notify of ours takes its session with it, as OpenSSL has it. */
  #dropBadSession(): boolean {
    if (!this.#done || (this.shutdownState & SSL_SENT_SHUTDOWN) !== 0) return false;
    const { session } = this;
    if (session === null) return false;
    this.sessionCtx.sessions.spoiled(session);
    return true;
  }

  /** A callback's reference, until the connection ends: the engine takes its own. */
  keep(session: SSL_SESSION): SessionCore {
    const core = sessionOf(session, 'psk_use_session');
    core.takeFromApplication('psk_use_session');
    this.#kept.push(core);
    return core;
  }

  /** A library reference that somebody took for this connection. */
  keepGiven(session: SessionCore): void {
    this.#kept.push(session);
  }

  // The handshake ----------------------------------------------------------------------------------------

  /** 1 when it is complete; otherwise −1 or 0, and `errorCode` says why. */
  handshake(): number {
    return this.#operate('SSL_do_handshake', () => this.#handshake());
  }

  #handshake(): number {
    if (this.role === null) return this.#refuse(SSL_R_CONNECTION_TYPE_NOT_SET);
    if (!this.#hasMethod) return this.#refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, 0);
    if (this.#connection === null) this.#start();
    const connection = this.#connection as unknown as Connection;
    this.#work(() => {
      // Whoever wants the handshake complete has no more early data to write.
      if (!this.#done && this.role === 'client') connection.endEarlyData();
      return this.#done;
    });
    if (connection.error !== null || !this.#done || this.#transport.isFull) return this.#failed(-1);
    if ((this.#ticketsArmed || this.#certificateWanted) && !this.#sendLate()) return this.#failed(-1);
    if (this.role === 'server' && this.#earlyState === 'open') this.#earlyState = 'finished';
    this.#error = SSL_ERROR_NONE;
    return 1;
  }

  /** Whether the context's method has this role. */
  get #hasMethod(): boolean {
    return this.role !== null && this.ctx.method[this.role];
  }

  /** A call that may not be made now. */
  #refuse(reason: number, ret = -1): number {
    raise(ERR_LIB_SSL, reason);
    this.#error = SSL_ERROR_SSL;
    return ret;
  }

  #failed(ret: number): number {
    if (this.#connection !== null && this.#connection.error !== null) this.#error = SSL_ERROR_SSL;
    return ret;
  }

  #start(stateless = false): void {
    const role = this.role as 'client' | 'server';
    const before = this.#offered;
    this.#offered = role === 'client' ? this.#session : null;
    this.#offered?.retain('SSL_connect');
    before?.release('SSL_connect');
    const config =
      role === 'client'
        ? clientSetup(this, this.#offered, this.#earlyState === 'open')
        : serverSetup(this, stateless ? cookiesOf(this) : null);
    this.sessionCtx.sessions.handshakeStarted(role);
    if (nodeDiagnostics.handshake.hasSubscribers) this.#beganMs = this.ctx.clock.monotonicMs();
    this.#runner = new JobRunner(servicesOf(this));
    this.#connection = new Connection(config);
    this.#connection.start();
  }

  // Bytes ------------------------------------------------------------------------------------------------

  /** A job that had to wait is answered: the next call goes on. */
  jobSettled(): void {}

  /** Goes on until `enough`, or until there is nothing left to do. */
  #work(enough: () => boolean): void {
    const connection = this.#connection as Connection;
    for (;;) {
      if (this.#pausedHello !== null) this.#askAboutHello(connection, this.#pausedHello);
      this.#takeEvents(connection);
      if (!this.#flush()) return;
      const isEnough = enough();
      // What was enough may have had something to say.
      this.#takeEvents(connection);
      if (!this.#flush() || isEnough) return;
      if (connection.error !== null) {
        this.#error = SSL_ERROR_SSL;
        return;
      }
      if (this.#pausedHello !== null) {
        this.#error = SSL_ERROR_WANT_CLIENT_HELLO_CB;
        return;
      }
      if (connection.isWaiting) {
        this.#error = SSL_ERROR_WANT_ASYNC;
        return;
      }
      if (!this.#receive(connection)) return;
    }
  }

  /** False when there is nothing to read now. */
  #receive(connection: Connection): boolean {
    const transport = this.#transport;
    if (transport.rbio === null) {
      this.#error = SSL_ERROR_SYSCALL;
      return false;
    }
    const bytes = transport.receive();
    if (bytes !== null) {
      connection.receive(bytes);
      return true;
    }
    if (!transport.isEnded || connection.closeReceived) {
      this.#error = SSL_ERROR_WANT_READ;
      return false;
    }
    // The transport's end without a close_notify is somebody's cut (SSL_OP_IGNORE_UNEXPECTED_EOF is not there).
    if (this.#done) {
      this.#isCut = true;
      const session = this.session;
      if (session !== null) this.sessionCtx.sessions.spoiled(session);
      raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
      connection.abort();
      this.#takeEvents(connection, true);
    } else {
      connection.receiveEnd();
      this.#takeEvents(connection);
    }
    this.#error = SSL_ERROR_SSL;
    return false;
  }

  /** False when the BIO has no room for all of it. */
  #flush(): boolean {
    if (this.#transport.send(this.#connection?.takeOutput() ?? null)) return true;
    this.#error = this.#transport.wbio === null ? SSL_ERROR_SYSCALL : SSL_ERROR_WANT_WRITE;
    return false;
  }

  #takeEvents(connection: Connection, silent = false): void {
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
        (event.early ? this.#early : this.#inbox).push(event.data);
        return;
      case 'session':
        this.#onSession(event.session);
        return;
      case 'error':
        this.#onError(connection, event.error);
        return;
      case 'keylog':
        this.ctx.keyLog?.(this, event.line);
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
    if (job.kind === 'store-session' && !this.mayBeResumed) {
      job.session.markNotResumable();
      connection.failJob(id, new UsageError('ERR_OPENSSL_NOT_RESUMABLE', 'the session may not be resumed'));
      return;
    }
    (this.#runner as JobRunner).run(connection, id, job, this);
  }

  #askAboutHello(connection: Connection, paused: { readonly id: number; readonly job: SelectJob }): void {
    this.#pausedHello = null;
    const { clientHello } = this.ctx;
    let answer: number;
    try {
      this.hello = readClientHello(paused.job.clientHello.subarray(4));
      answer = clientHello === null ? 1 : clientHello.cb(this, clientHello.arg);
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
    this.#done = true;
    this.verifyResult = info.verifyResult;
    const { sessions } = this.sessionCtx;
    reportCompleted(info, role, sessions, nodeDiagnostics, this.#beganMs);
    if (role === 'client' && this.#offered !== null && info.version === ProtocolVersion.TLS1_3) {
      sessions.usedUp(this.#offered);
    }
  }

  #onSession(session: SessionCore): void {
    try {
      if (this.role === 'client') {
        const { info } = this.#connection as Connection;
        // A new ticket takes the place of the session that it came with (RFC 5077, 3.3).
        if (info.resumed && info.version === ProtocolVersion.TLS1_2 && this.#offered !== null) {
          this.sessionCtx.sessions.usedUp(this.#offered);
        }
        this.sessionCtx.sessions.established(session, {
          role: 'client',
          resumed: (this.#connection as Connection).info.resumed,
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
    this.#error = SSL_ERROR_SSL;
    // A fatal alert, either way, takes the session with it, also the one that was only offered.
    const { session } = this;
    if (session !== null) this.sessionCtx.sessions.spoiled(session);
    if (!this.#done) this.#reportFailure(connection, error);
    raiseFailure(error);
  }

  #reportFailure(connection: Connection, error: Error): void {
    const { clock } = this.ctx;
    const role = this.role as 'client' | 'server';
    reportFailed(connection.info, role, error, clock, nodeDiagnostics, this.#beganMs);
  }

  // Data -------------------------------------------------------------------------------------------------

  read(buffer: Uint8Array, keep: boolean): number {
    return this.#operate('SSL_read', () => this.#read(buffer, keep));
  }

  #read(buffer: Uint8Array, keep: boolean): number {
    if (this.role === null) return this.#refuse(SSL_R_UNINITIALIZED);
    if ((this.#shutdown & SSL_RECEIVED_SHUTDOWN) !== 0) {
      this.#error = SSL_ERROR_ZERO_RETURN;
      return 0;
    }
    const isEarlyClient = this.role === 'client' && this.#earlyState === 'open' && !this.#done;
    // A client may read while it writes early data; everybody else reads after the handshake.
    if (!isEarlyClient && (!this.#done || this.#ticketsArmed || this.#certificateWanted)) {
      const ret = this.#handshake();
      if (ret !== 1) return ret;
    }
    if (this.#inbox.length === 0) this.#work(() => this.#inbox.length > 0);
    if (this.#inbox.length > 0) {
      this.#error = SSL_ERROR_NONE;
      return takeFrom(this.#inbox, buffer, keep);
    }
    const connection = this.#connection as Connection;
    if (connection.closeReceived && connection.error === null) {
      this.#error = SSL_ERROR_ZERO_RETURN;
      return 0;
    }
    // In C a read that meets the end, or a fatal alert, is 0.
    const { error } = connection;
    const isPeers = error instanceof TlsAlertError && error.origin === 'peer';
    return this.#failed(this.#isCut || isPeers ? 0 : -1);
  }

  get pending(): number {
    this.check('SSL_pending');
    return this.#inbox[0]?.length ?? 0;
  }

  write(data: Uint8Array): number {
    return this.#operate('SSL_write', () => this.#write(data));
  }

  #write(data: Uint8Array): number {
    if (this.role === null) return this.#refuse(SSL_R_UNINITIALIZED);
    if ((this.shutdownState & SSL_SENT_SHUTDOWN) !== 0) return this.#refuse(SSL_R_PROTOCOL_IS_SHUTDOWN);
    if (this.#pendingWrite === null) {
      const ret = this.#done ? 1 : this.#handshake();
      if (ret !== 1) return ret;
    }
    const connection = this.#connection as Connection;
    if (connection.error !== null) return this.#failed(-1);
    return this.#writeNow(connection, data, () => connection.write(data));
  }

  #writeNow(connection: Connection, data: Uint8Array, write: () => void): number {
    if (this.#pendingWrite !== null) {
      const length = this.#pendingWrite;
      if (data.length < length) return this.#refuse(SSL_R_BAD_LENGTH);
      if (!this.#flush()) return -1;
      this.#pendingWrite = null;
      this.#error = SSL_ERROR_NONE;
      return length;
    }
    // Between two records: the place for what waited to go out.
    if (!this.#sendLate() || !this.#flush()) return this.#failed(-1);
    if (data.length > 0) {
      write();
      this.#takeEvents(connection);
      if (connection.error !== null) return this.#failed(-1);
      if (!this.#flush()) {
        this.#pendingWrite = data.length;
        return -1;
      }
    }
    this.#error = SSL_ERROR_NONE;
    return data.length;
  }

  /** Client: all or nothing, as the session allows; the first I/O. Server: an answer before the handshake is over. */
  writeEarly(data: Uint8Array): { ret: number; written: number } {
    const written = this.#operate('SSL_write_early_data', () =>
      this.role === 'server' ? this.#answerEarly(data) : this.#writeEarly(data),
    );
    return written < 0 ? { ret: 0, written: 0 } : { ret: 1, written };
  }

  #answerEarly(data: Uint8Array): number {
    const connection = this.#connection;
    if (connection === null || this.#earlyState === 'none' || !connection.canWrite) {
      return this.#refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
    }
    return this.#writeNow(connection, data, () => connection.write(data));
  }

  #writeEarly(data: Uint8Array): number {
    if (this.role === null) return this.#refuse(SSL_R_UNINITIALIZED);
    if (this.#connection === null) {
      const session = this.#session;
      const promised = session === null ? 0 : session.body('SSL_write_early_data').maxEarlyData;
      if (!this.#hasMethod || (promised === 0 && this.settings.pskUse === null)) {
        return this.#refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      }
      if (session !== null && promised > 0) {
        try {
          checkEarlySession(this, session);
        } catch (error) {
          if (!(error instanceof SslFault)) throw error;
          return this.#refuse(error.reason);
        }
      }
      this.#earlyState = 'open';
      this.#start();
      // Only until the hello is out: what the server says is read by the next call.
      this.#work(() => true);
    }
    const connection = this.#connection as unknown as Connection;
    if (connection.error !== null) return this.#failed(-1);
    if (this.#pendingWrite === null) {
      // Nothing to write it with, or no more: refused, finished, or never promised.
      if (connection.earlyDataBudget === 0 && data.length > 0) {
        return this.#refuse(
          this.#done || connection.info.earlyDataReason !== null
            ? ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED
            : SSL_R_TOO_MUCH_EARLY_DATA,
        );
      }
      if (data.length > connection.earlyDataBudget) return this.#refuse(SSL_R_TOO_MUCH_EARLY_DATA);
    }
    return this.#writeNow(connection, data, () => connection.writeEarly(data));
  }

  readEarly(buffer: Uint8Array): { ret: number; readbytes: number } {
    return this.#operate('SSL_read_early_data', () => this.#readEarly(buffer));
  }

  #readEarly(buffer: Uint8Array): { ret: number; readbytes: number } {
    const failure = { ret: SSL_READ_EARLY_DATA_ERROR, readbytes: 0 };
    if (this.role === null) {
      this.#refuse(SSL_R_UNINITIALIZED);
      return failure;
    }
    const isFirst = this.#connection === null;
    const isLate = this.#earlyState === 'finished' || (!isFirst && this.#earlyState === 'none');
    if (this.role === 'client' || !this.#hasMethod || isLate) {
      this.#refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      return failure;
    }
    if (isFirst) {
      this.#earlyState = 'open';
      this.#start();
    }
    const { info } = this.#connection as unknown as Connection;
    const isOver = (): boolean =>
      this.#done ||
      info.earlyDataEnded ||
      // A TLS 1.3 server's flight is out, or its HelloRetryRequest, and there will be no early data.
      (info.version === ProtocolVersion.TLS1_3 &&
        !info.earlyDataAccepted &&
        (info.earlyDataReason !== null || info.helloRetryRequest));
    if (this.#early.length === 0) this.#work(() => this.#early.length > 0 || isOver());
    if (this.#early.length > 0) {
      this.#error = SSL_ERROR_NONE;
      return { ret: SSL_READ_EARLY_DATA_SUCCESS, readbytes: takeFrom(this.#early, buffer, false) };
    }
    if ((this.#connection as unknown as Connection).error !== null) {
      this.#failed(0);
      return failure;
    }
    if (!isOver() || this.#transport.isFull) return failure;
    this.#error = SSL_ERROR_NONE;
    this.#earlyState = 'finished';
    return { ret: SSL_READ_EARLY_DATA_FINISH, readbytes: 0 };
  }

  get earlyDataStatus(): number {
    this.check('SSL_get_early_data_status');
    const info = this.#connection?.info;
    if (info === undefined || !info.earlyDataOffered) return SSL_EARLY_DATA_NOT_SENT;
    return info.earlyDataAccepted ? SSL_EARLY_DATA_ACCEPTED : SSL_EARLY_DATA_REJECTED;
  }

  // Its end ----------------------------------------------------------------------------------------------

  /** 1 when both close_notify are through, 0 when only ours is out, −1 otherwise. */
  shutdown(): number {
    return this.#operate('SSL_shutdown', () => this.#shutDown());
  }

  #shutDown(): number {
    if (this.role === null) return this.#refuse(SSL_R_UNINITIALIZED);
    const connection = this.#connection;
    if (connection === null || !this.#done) return this.#refuse(SSL_R_SHUTDOWN_WHILE_IN_INIT);
    if (this.settings.quietShutdown) {
      this.#shutdown = SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN;
      return 1;
    }
    if ((this.shutdownState & SSL_SENT_SHUTDOWN) === 0) {
      connection.close();
      this.#takeEvents(connection);
      if (!this.#flush()) return -1;
    } else if (!this.#flush()) return -1;
    else if ((this.shutdownState & SSL_RECEIVED_SHUTDOWN) === 0) {
      this.#work(() => connection.closeReceived || this.#inbox.length > 0);
      if (this.#inbox.length > 0) return this.#refuse(SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY);
      if (!connection.closeReceived) return this.#failed(-1);
    }
    const isBoth = (this.shutdownState & SSL_RECEIVED_SHUTDOWN) !== 0;
    // C has nothing to say where 0 is returned, and SSL_get_error then says SYSCALL.
    this.#error = isBoth ? SSL_ERROR_NONE : SSL_ERROR_SYSCALL;
    return isBoth ? 1 : 0;
  }

  /** SSL_clear: ready for another connection. A session that ended well stays, to be resumed. */
  clear(): void {
    this.#operate('SSL_clear', () => this.#clear());
  }

  #clear(): void {
    if (this.#dropBadSession()) this.#replaceSession(null);
    this.#endConnection();
    this.verifyResult = this.#session?.body('SSL_clear').verifyResult ?? 0;
  }

  #endConnection(): void {
    // What the engine has is the current session, unless another was set since.
    void this.session;
    const connection = this.#connection;
    if (connection !== null && !this.#done && connection.error === null) {
      const error = new TlsessionError('ERR_TLS_DESTROYED', 'given up before the handshake was complete');
      this.#reportFailure(connection, error);
    }
    connection?.destroy();
    this.#connection = null;
    this.#runner = null;
    this.#engineSession = null;
    this.#offered?.release('SSL_connect');
    this.#offered = null;
    for (const session of this.#kept.splice(0)) session.release('psk_use_session');
    for (const bytes of [...this.#inbox, ...this.#early]) bytes.fill(0);
    this.#inbox = [];
    this.#early = [];
    this.#transport.forget();
    this.#pendingWrite = null;
    this.#pausedHello = null;
    this.#ticketsWanted = 0;
    this.#ticketsArmed = false;
    this.#certificateWanted = false;
    this.#done = false;
    this.#earlyState = 'none';
    this.#shutdown = 0;
    this.#resumable = null;
    this.#isCut = false;
    this.#beganMs = null;
    this.#error = SSL_ERROR_NONE;
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
    this.#operate('SSL_free', () => {
      const errors: unknown[] = [];
      const step = (what: () => void): void => {
        try {
          what();
        } catch (error) {
          errors.push(error);
        }
      };
      step(() => void this.#dropBadSession());
      this.#endConnection();
      step(() => this.#replaceSession(null));
      step(() => connectionExData.release(this, this.#exData));
      this.#transport.release();
      step(() => this.#ctx.release());
      step(() => this.sessionCtx.release());
      this.#references = 0;
      if (errors.length === 1) throw errors[0];
      if (errors.length > 1) throw new AggregateError(errors, 'several callbacks threw in SSL_free');
    });
  }

  // Tickets, certificates, cookies, contexts --------------------------------------------------------------

  /** True when one more ticket will go out: with the next call between two records. */
  newTicket(): boolean {
    this.check('SSL_new_session_ticket');
    const connection = this.#connection;
    if (connection === null || !this.#done || this.role !== 'server' || connection.error !== null)
      return false;
    if (this.version !== ProtocolVersion.TLS1_3) return false;
    this.#ticketsWanted++;
    if (this.#pendingWrite === null) this.#ticketsArmed = true;
    return true;
  }

  /** Tickets that are wanted, and a request for the client's certificate. False when the BIO is full, or on failure. */
  #sendLate(): boolean {
    const connection = this.#connection as Connection;
    const tickets = this.#ticketsWanted;
    this.#ticketsWanted = 0;
    this.#ticketsArmed = false;
    // Behind our close_notify nothing may go out.
    if (connection.closeSent) return this.#flush();
    for (let i = 0; i < tickets && connection.error === null; i++) {
      connection.issueTicket();
      this.#takeEvents(connection);
    }
    if (this.#certificateWanted) {
      this.#certificateWanted = false;
      connection.requestCertificate((this.settings.verifyMode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) !== 0);
    }
    this.#takeEvents(connection);
    return connection.error === null && this.#flush();
  }

  /** 1 when a request for the client's certificate will go out, with the next call. */
  requestCertificate(): number {
    this.check('SSL_verify_client_post_handshake');
    const refuse = (reason: number): number => {
      raise(ERR_LIB_SSL, reason);
      return 0;
    };
    if (this.version !== ProtocolVersion.TLS1_3 || this.#connection === null) {
      return refuse(SSL_R_WRONG_SSL_VERSION);
    }
    if (this.role !== 'server') return refuse(SSL_R_NOT_SERVER);
    if (!this.#done || this.#certificateWanted) return refuse(SSL_R_STILL_IN_INIT);
    if (!this.#connection.answersLate) return refuse(SSL_R_EXTENSION_NOT_RECEIVED);
    if (this.#connection.isAskingLate) return refuse(SSL_R_REQUEST_SENT);
    if ((this.settings.verifyMode & SSL_VERIFY_PEER) === 0) return refuse(SSL_R_INVALID_CONFIG);
    this.#certificateWanted = true;
    return 1;
  }

  /** SSL_stateless(3). */
  stateless(): number {
    return this.#operate('SSL_stateless', () => {
      this.#clear();
      this.role ??= 'server';
      if (this.role !== 'server' || !this.ctx.method.server) {
        return this.#refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      }
      this.#start(true);
      const connection = this.#connection as unknown as Connection;
      const isRetrySent = (): boolean => connection.stateName === 'statelessRetrySent';
      this.#work(() => isRetrySent() || connection.info.cookieVerified);
      if (connection.error !== null || this.#transport.isFull) return this.#failed(-1);
      if (connection.info.cookieVerified) return 1;
      if (!isRetrySent()) return -1;
      // Whoever it was, nothing of it stays.
      this.#endConnection();
      return 0;
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

export type SSL = Ssl;

function takeFrom(queue: Uint8Array[], buffer: Uint8Array, keep: boolean): number {
  const first = queue[0] as Uint8Array;
  const count = Math.min(first.length, buffer.length);
  buffer.set(first.subarray(0, count));
  if (!keep) {
    if (count === first.length) queue.shift();
    else queue[0] = first.subarray(count);
  }
  return count;
}
