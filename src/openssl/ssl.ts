/**
 * SSL_new(3): a connection over two BIOs, under OpenSSL's names. A call does as much as the bytes that are
 * there allow, and says by SSL_get_error what it waits for.
 */
import { checkCertificate } from '../connection/certificate-check.ts';
import { Connection } from '../connection/connection.ts';
import { clientConfig, serverConfig } from '../connection/defaults.ts';
import { type JobOwner, JobRunner, NO_SERVICES } from '../connection/job-runner.ts';
import { reportCompleted, reportFailed } from '../connection/report.ts';
import type { ClientConfig, ExternalPsk, ServerConfig } from '../handshake/config.ts';
import type { ConnectionEvent } from '../handshake/events.ts';
import { ConnectionInfo } from '../handshake/info.ts';
import type { SelectAnswer, VerifyCertificateAnswer, VerifyCertificateJob } from '../handshake/jobs.ts';
import { nodeDiagnostics } from '../net/diagnostics.ts';
import { PeerCertificate } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { externalKeySession } from '../session/external-key.ts';
import { equalBytes, utf8 } from '../util/bytes.ts';
import { TlsAlertError, TlsessionError, UsageError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import type { BIO } from './bio.ts';
import {
  SSL_EARLY_DATA_ACCEPTED,
  SSL_EARLY_DATA_NOT_SENT,
  SSL_EARLY_DATA_REJECTED,
  SSL_READ_EARLY_DATA_ERROR,
  SSL_READ_EARLY_DATA_FINISH,
  SSL_READ_EARLY_DATA_SUCCESS,
} from './early-data-codes.ts';
import { ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, raise } from './err.ts';
import { ExDataClass, type ExValues } from './ex-data-class.ts';
import {
  type Settings,
  type SSL_CTX,
  SSL_OP_ALLOW_NO_DHE_KEX,
  SSL_OP_CIPHER_SERVER_PREFERENCE,
  SSL_OP_NO_ANTI_REPLAY,
  SSL_OP_NO_TICKET,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_PEER,
} from './ssl-ctx.ts';
import { type SSL_SESSION, sessionOf, type X509 } from './types.ts';

// SSL_get_error(3).
export const SSL_ERROR_NONE = 0;
export const SSL_ERROR_SSL = 1;
export const SSL_ERROR_WANT_READ = 2;
export const SSL_ERROR_SYSCALL = 5;
export const SSL_ERROR_ZERO_RETURN = 6;
export const SSL_ERROR_WANT_ASYNC = 9;

// SSL_get_shutdown(3).
export const SSL_SENT_SHUTDOWN = 1;
export const SSL_RECEIVED_SHUTDOWN = 2;

/** SSL_AD_REASON_OFFSET: a peer's alert as a reason on the error queue. */
const ALERT_OFFSET = 1000;
const SSL_R_SSL_HANDSHAKE_FAILURE = 229;
/** OpenSSL tries ten times to find an id that its cache does not have. */
const ID_TRIES = 10;

export const connectionExData: ExDataClass<Ssl> = new ExDataClass<Ssl>();

/** A connection. Programs hold it by the functions below, under the type SSL. */
export class Ssl implements JobOwner {
  readonly settings: Settings;
  readonly exData: ExValues;
  ctx: SSL_CTX;
  rbio: BIO | null = null;
  wbio: BIO | null = null;
  /** For server_name and, with verification, for the certificate. */
  hostname: string | null = null;
  role: 'client' | 'server' | null = null;
  /** What SSL_set_session gave, or what the last connection left: one library reference. */
  #offered: SessionCore | null = null;
  #connection: Connection | null = null;
  #runner: JobRunner | null = null;
  #inbox: Uint8Array[] = [];
  #early: Uint8Array[] = [];
  #error = SSL_ERROR_NONE;
  #done = false;
  #freed = false;
  #earlyState: 'none' | 'waiting' | 'finished' = 'none';
  verifyResult = 0;
  #beganMs: number | null = null;

  /** Use SSL_new. */
  constructor(ctx: SSL_CTX, settings: Settings = ctx.settings) {
    ctx.upRef();
    this.ctx = ctx;
    this.settings = { ...settings };
    this.exData = connectionExData.create(this);
  }

  check(call: string): void {
    if (this.#freed) throw new UsageError('ERR_OPENSSL_SSL_ENDED', `${call}: the SSL was freed`);
  }

  get connection(): Connection | null {
    return this.#connection;
  }

  /** As SSL_get_session and its kin see a connection. */
  get engine(): { readonly session: SessionCore | null; readonly info: ConnectionInfo } {
    this.check('SSL_get_session');
    return { session: this.session, info: this.#connection?.info ?? new ConnectionInfo() };
  }

  get version(): number {
    const negotiated = this.#connection?.info.version ?? 0;
    return negotiated === 0 ? this.settings.maxVersion : negotiated;
  }

  get isFinished(): boolean {
    return this.#done;
  }

  get errorCode(): number {
    return this.#error;
  }

  get shutdownState(): number {
    const connection = this.#connection;
    if (connection === null) return 0;
    return (
      (connection.closeSent ? SSL_SENT_SHUTDOWN : 0) | (connection.closeReceived ? SSL_RECEIVED_SHUTDOWN : 0)
    );
  }

  // Sessions ---------------------------------------------------------------------------------------------

  /** Borrowed. */
  get session(): SessionCore | null {
    return this.#connection?.session ?? this.#offered;
  }

  setSession(session: SessionCore | null): void {
    // First the new one's reference: it may be the very session that is dropped.
    session?.retain('SSL_set_session');
    this.#dropBadSession();
    this.#offered?.release('SSL_set_session');
    this.#offered = session;
    if (session !== null) this.verifyResult = session.body('SSL_set_session').verifyResult;
  }

  /** A connection that ends without a close_notify of ours takes its session with it, as OpenSSL has it. */
  #dropBadSession(): boolean {
    const connection = this.#connection;
    if (connection === null || connection.closeSent || !this.#done) return false;
    const { session } = connection;
    if (session === null) return false;
    this.ctx.sessions.spoiled(session);
    return true;
  }

  // The handshake ----------------------------------------------------------------------------------------

  /** 1 when it is complete, −1 otherwise; then `errorCode` says why. */
  handshake(): number {
    if (this.role === null) throw new UsageError('ERR_OPENSSL_NO_ROLE', 'set connect or accept state first');
    if (this.#connection === null) this.#start();
    this.#work(() => this.#done);
    if (this.#done) {
      this.#error = SSL_ERROR_NONE;
      return 1;
    }
    return -1;
  }

  #start(): void {
    const config = this.role === 'client' ? this.#clientConfig() : this.#serverConfig();
    this.ctx.sessions.handshakeStarted(config.role);
    if (nodeDiagnostics.handshake.hasSubscribers) this.#beganMs = this.ctx.clock.monotonicMs();
    this.#runner = new JobRunner({
      ...NO_SERVICES,
      verify: (job) => this.#verify(job),
      tickets: {
        seal: (session) => this.#sealTicket(session),
        open: (ticket, version) => this.ctx.tickets.open(this, ticket, version),
      },
      sessions: this.ctx.sessions,
      replayGuard: {
        scope: 'early-data',
        windowMs: Number.POSITIVE_INFINITY,
        admit: () => (this.#allowsEarlyData() ? 'admitted' : 'early-data-refused-by-callback'),
      },
      select: (job) => this.#select(job.alpn),
      clientCertificate: () => this.settings.credentials[0] ?? null,
      offerPsk: (job) => this.#offerPsk(job.hash),
      findPsk: (job) => this.#findPsk(job.identity),
      verifiesPeer: (this.settings.verifyMode & SSL_VERIFY_PEER) !== 0,
    });
    this.#connection = new Connection(config);
    this.#connection.start();
  }

  #common(): Partial<ClientConfig> & Partial<ServerConfig> {
    const { settings, ctx } = this;
    return {
      clock: ctx.clock,
      minVersion: settings.minVersion,
      maxVersion: settings.maxVersion,
      ...(settings.cipherSuites === null ? {} : { cipherSuites: settings.cipherSuites }),
      ...(settings.groups === null ? {} : { groups: settings.groups }),
      alpn: settings.alpn,
      sessionTimeoutSec: ctx.sessions.timeoutSec,
      allowPskKe: (settings.options & SSL_OP_ALLOW_NO_DHE_KEX) !== 0,
      trust: utf8(`${settings.verifyMode} ${ctx.anchors.id}`),
    } as Partial<ClientConfig> & Partial<ServerConfig>;
  }

  #clientConfig(): ClientConfig {
    const { settings, ctx } = this;
    const session = this.#offered;
    return clientConfig(ctx.provider, {
      ...(this.#common() as Partial<ClientConfig>),
      serverName: this.hostname,
      session,
      tickets: (settings.options & SSL_OP_NO_TICKET) === 0,
      earlyData: this.#earlyState !== 'none',
      externalPsk: settings.pskUse !== null || settings.pskClient !== null,
      verifyPeer: (settings.verifyMode & SSL_VERIFY_PEER) !== 0,
      postHandshakeAuth: false,
    });
  }

  #serverConfig(): ServerConfig {
    const { settings, ctx } = this;
    const noTickets = (settings.options & SSL_OP_NO_TICKET) !== 0;
    const antiReplay = (settings.options & SSL_OP_NO_ANTI_REPLAY) === 0;
    const verify = settings.verifyMode;
    return serverConfig(ctx.provider, {
      ...(this.#common() as Partial<ServerConfig>),
      credentials: settings.credentials,
      selectByJob: ctx.alpnSelect !== null || ctx.servername !== null,
      clientCertificate:
        (verify & SSL_VERIFY_PEER) === 0
          ? 'none'
          : (verify & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) === 0
            ? 'request'
            : 'require',
      sessionIdContext: settings.sidCtx,
      preferServerCiphers: (settings.options & SSL_OP_CIPHER_SERVER_PREFERENCE) !== 0,
      ticketCount: noTickets && (ctx.sessions.mode & 2) === 0 ? 0 : settings.numTickets,
      tickets: !noTickets,
      sessionIds: true,
      generateSessionId: settings.generateId === null ? null : () => this.#generateId(),
      // OpenSSL: without tickets, or with early data under its anti-replay, the ticket is only a name.
      statefulTickets: noTickets || (settings.maxEarlyData > 0 && antiReplay),
      maxEarlyData: settings.maxEarlyData,
      receiveMaxEarlyData: settings.recvMaxEarlyData,
      replayGuard: settings.maxEarlyData > 0,
      externalPsk: settings.pskFind !== null || settings.pskServer !== null,
      // A name that differs is the servername callback's matter in OpenSSL, but a session made for one name
      // serves no other (DESIGN rule 6).
      bindServerName: true,
    });
  }

  #generateId(): Uint8Array {
    const generate = this.settings.generateId;
    for (let attempt = 0; generate !== null && attempt < ID_TRIES; attempt++) {
      const id = generate(this, 32);
      if (id === null || id.length === 0 || id.length > 32) break;
      if (!this.ctx.sessions.has(this.version, id)) return id;
    }
    throw TlsAlertError.local('internal-error', 'the callback gave no session id that is free');
  }

  #verify(job: VerifyCertificateJob): VerifyCertificateAnswer {
    const { settings, ctx } = this;
    const answer = checkCertificate(job, {
      provider: ctx.provider,
      clock: ctx.clock,
      anchors: ctx.anchors,
      paths: ctx.paths,
      reject: (settings.verifyMode & SSL_VERIFY_PEER) !== 0,
      checkName: this.hostname !== null,
    });
    const callback = settings.verifyCallback;
    let decided = answer;
    if (callback !== null) {
      const passed = answer.ok && answer.verifyResult === 0 ? 1 : 0;
      const chain: X509[] = job.chain.map((der) => new PeerCertificate(der));
      decided =
        callback(passed, answer.verifyResult, chain) === 0
          ? answer.ok
            ? { ok: false, reason: 'certificate-unknown', verifyResult: answer.verifyResult }
            : answer
          : { ok: true, verifyResult: answer.verifyResult };
    }
    this.verifyResult = decided.verifyResult;
    return decided;
  }

  #select(offered: readonly Uint8Array[]): SelectAnswer {
    const before = this.ctx;
    const { servername } = before;
    if (servername !== null) {
      const result = servername.cb(this, servername.arg);
      if (result === 2) throw TlsAlertError.local('unknown-name');
    }
    const { settings } = this;
    const changed: SelectAnswer =
      this.ctx === before ? {} : { credentials: settings.credentials, sessionIdContext: settings.sidCtx };
    const { alpnSelect } = this.ctx;
    if (alpnSelect === null || offered.length === 0) return changed;
    const chosen = alpnSelect.cb(this, offered, alpnSelect.arg);
    if (chosen === 'fatal') return { ...changed, alpn: 'refuse' };
    if (chosen === null) return { ...changed, alpn: null };
    const protocol = offered.find((each) => equalBytes(each, chosen));
    if (protocol === undefined) throw TlsAlertError.local('no-common-alpn');
    return { ...changed, alpn: protocol };
  }

  #sealTicket(session: SessionCore): Uint8Array | null {
    const { notResumable } = this.settings;
    if (notResumable !== null && notResumable(this, 1) !== 0) {
      session.markNotResumable();
      return null;
    }
    return this.ctx.tickets.seal(this, session);
  }

  #allowsEarlyData(): boolean {
    const allow = this.settings.allowEarlyData;
    return allow === null || allow.cb(this, allow.arg) !== 0;
  }

  #offerPsk(hash: 'sha256' | 'sha384' | null): ExternalPsk | null {
    const { pskUse, pskClient } = this.settings;
    if (pskUse !== null) {
      const { ret, identity, session } = pskUse(this, hash);
      if (ret === 0) {
        if (session !== null) sessionOf(session, 'psk_use_session').free('psk_use_session');
        throw TlsAlertError.local('internal-error', 'psk_use_session returned 0');
      }
      if (session !== null) return { identity: identity ?? new Uint8Array(0), session: this.#keep(session) };
    }
    const old = pskClient?.(this, null) ?? null;
    if (old === null || old.psk.length === 0) return null;
    const session = externalKeySession(old.psk, 'psk_client');
    this.#kept.push(session);
    return { identity: old.identity, session };
  }

  #findPsk(identity: Uint8Array): SessionCore | null {
    const { pskFind, pskServer } = this.settings;
    if (pskFind !== null) {
      const { ret, session } = pskFind(this, identity);
      if (ret === 0) {
        if (session !== null) sessionOf(session, 'psk_find_session').free('psk_find_session');
        throw TlsAlertError.local('internal-error', 'psk_find_session returned 0');
      }
      if (session !== null) {
        const core = sessionOf(session, 'psk_find_session');
        core.takeFromApplication('psk_find_session');
        return core;
      }
    }
    const old = pskServer?.(this, identity) ?? null;
    if (old === null || old.length === 0) return null;
    return externalKeySession(old, 'psk_server');
  }

  readonly #kept: SessionCore[] = [];

  /** A callback's reference, until the connection ends: the engine takes its own. */
  #keep(session: SSL_SESSION): SessionCore {
    const core = sessionOf(session, 'psk_use_session');
    core.takeFromApplication('psk_use_session');
    this.#kept.push(core);
    return core;
  }

  // Bytes ------------------------------------------------------------------------------------------------

  /** A job that had to wait is answered: the next call goes on. */
  jobSettled(): void {}

  /** Goes on until `enough`, or until there is nothing left to do. */
  #work(enough: () => boolean): void {
    const connection = this.#connection as Connection;
    for (;;) {
      for (let event = connection.nextEvent(); event !== null; event = connection.nextEvent()) {
        this.#on(connection, event);
      }
      this.#flush(connection);
      if (enough() || this.#error === SSL_ERROR_SSL) return;
      if (connection.isWaiting) {
        this.#error = SSL_ERROR_WANT_ASYNC;
        return;
      }
      const pending = this.rbio?.view() ?? new Uint8Array(0);
      if (pending.length === 0 || connection.error !== null) {
        this.#error = connection.error === null ? SSL_ERROR_WANT_READ : SSL_ERROR_SSL;
        return;
      }
      this.#error = SSL_ERROR_NONE;
      connection.receive(pending);
      this.rbio?.skip(pending.length);
    }
  }

  #flush(connection: Connection): void {
    const output = connection.takeOutput();
    if (output !== null) this.wbio?.write(output);
  }

  #on(connection: Connection, event: ConnectionEvent): void {
    switch (event.type) {
      case 'job':
        (this.#runner as JobRunner).run(connection, event.id, event.job, this);
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
      case 'early-data':
        if (!event.accepted) this.#earlyState = 'finished';
        return;
      case 'error':
        this.#onError(connection, event.error);
        return;
      case 'close-notify':
      case 'keylog':
      case 'warning':
        return;
    }
  }

  #onHandshake(connection: Connection): void {
    const { info } = connection;
    const role = this.role as 'client' | 'server';
    this.#done = true;
    if (this.#earlyState === 'waiting') this.#earlyState = 'finished';
    this.verifyResult = info.verifyResult;
    const { sessions } = this.ctx;
    reportCompleted(info, role, sessions, nodeDiagnostics, this.#beganMs);
    if (role === 'client' && this.#offered !== null && info.version === ProtocolVersion.TLS1_3) {
      sessions.usedUp(this.#offered);
    }
  }

  #onSession(session: SessionCore): void {
    try {
      if (this.role === 'client') {
        this.ctx.sessions.established(session, {
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

  #reportFailure(connection: Connection, error: Error): void {
    const { clock } = this.ctx;
    const role = this.role as 'client' | 'server';
    reportFailed(connection.info, role, error, clock, nodeDiagnostics, this.#beganMs);
  }

  #onError(connection: Connection, error: Error): void {
    this.#error = SSL_ERROR_SSL;
    const { session } = connection;
    if (!this.#done) this.#reportFailure(connection, error);
    if (session !== null && this.#done) this.ctx.sessions.spoiled(session);
    if (error instanceof TlsAlertError) {
      const reason = error.origin === 'peer' ? ALERT_OFFSET + error.alert : SSL_R_SSL_HANDSHAKE_FAILURE;
      raise(ERR_LIB_SSL, reason, error.message);
    } else raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, error.message);
  }

  // Data -------------------------------------------------------------------------------------------------

  read(buffer: Uint8Array, keep: boolean): number {
    if (!this.#done && this.handshake() !== 1) return -1;
    if (this.#inbox.length === 0) this.#work(() => this.#inbox.length > 0);
    if (this.#inbox.length === 0) {
      if (this.#connection?.closeReceived === true && this.#error !== SSL_ERROR_SSL) {
        this.#error = SSL_ERROR_ZERO_RETURN;
        return 0;
      }
      return -1;
    }
    this.#error = SSL_ERROR_NONE;
    return takeFrom(this.#inbox, buffer, keep);
  }

  get pending(): number {
    return this.#inbox[0]?.length ?? 0;
  }

  write(data: Uint8Array): number {
    if (!this.#done && this.#connection?.canWrite !== true && this.handshake() !== 1) return -1;
    const connection = this.#connection as Connection;
    if (connection.error !== null || connection.closeSent) {
      this.#error = SSL_ERROR_SSL;
      return -1;
    }
    connection.write(data);
    this.#flush(connection);
    this.#error = SSL_ERROR_NONE;
    return data.length;
  }

  /** Client: as much as the session allows; the first I/O. Server: an answer before the handshake is over. */
  writeEarly(data: Uint8Array): { ret: number; written: number } {
    if (this.role === 'server') {
      const written = this.write(data);
      return written < 0 ? { ret: 0, written: 0 } : { ret: 1, written };
    }
    if (this.#connection === null) {
      if (this.#offered === null && this.settings.pskUse === null) {
        raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, 'there is no early data to write now');
        this.#error = SSL_ERROR_SSL;
        return { ret: 0, written: 0 };
      }
      this.#earlyState = 'waiting';
      this.#start();
      // Only until the hello is out: what the server says is read by the next call.
      this.#work(() => true);
    }
    const connection = this.#connection as Connection | null;
    const written = connection?.writeEarly(data) ?? 0;
    if (connection === null || (written === 0 && data.length > 0)) {
      raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, 'there is no early data to write now');
      this.#error = SSL_ERROR_SSL;
      return { ret: 0, written: 0 };
    }
    this.#flush(connection);
    this.#error = SSL_ERROR_NONE;
    return { ret: 1, written };
  }

  readEarly(buffer: Uint8Array): { ret: number; readbytes: number } {
    if (this.role === 'client') throw new UsageError('ERR_OPENSSL_ROLE', 'only a server reads early data');
    if (this.#earlyState === 'none') this.#earlyState = 'waiting';
    if (this.#connection === null) this.#start();
    const info = (): Connection => this.#connection as Connection;
    if (this.#early.length === 0) {
      this.#work(
        () =>
          this.#early.length > 0 ||
          this.#earlyState === 'finished' ||
          this.#done ||
          (info().info.version !== 0 && info().info.earlyDataReason === 'early-data-not-offered'),
      );
    }
    if (this.#early.length > 0) {
      this.#error = SSL_ERROR_NONE;
      return { ret: SSL_READ_EARLY_DATA_SUCCESS, readbytes: takeFrom(this.#early, buffer, false) };
    }
    if (this.#error === SSL_ERROR_SSL) return { ret: SSL_READ_EARLY_DATA_ERROR, readbytes: 0 };
    const { info: facts } = info();
    if (this.#done || this.#earlyState === 'finished' || (facts.version !== 0 && !facts.earlyDataAccepted)) {
      this.#error = SSL_ERROR_NONE;
      return { ret: SSL_READ_EARLY_DATA_FINISH, readbytes: 0 };
    }
    return { ret: SSL_READ_EARLY_DATA_ERROR, readbytes: 0 };
  }

  get earlyDataStatus(): number {
    const info = this.#connection?.info;
    if (info === undefined || !info.earlyDataOffered) return SSL_EARLY_DATA_NOT_SENT;
    return info.earlyDataAccepted ? SSL_EARLY_DATA_ACCEPTED : SSL_EARLY_DATA_REJECTED;
  }

  /** 1 when both close_notify are through, 0 when only ours is out, −1 before the handshake. */
  shutdown(): number {
    const connection = this.#connection;
    if (connection === null || !this.#done) {
      this.#error = SSL_ERROR_SSL;
      return -1;
    }
    connection.close();
    this.#flush(connection);
    if (!connection.closeReceived) this.#work(() => connection.closeReceived);
    this.#error = connection.closeReceived ? SSL_ERROR_NONE : SSL_ERROR_SYSCALL;
    return connection.closeReceived ? 1 : 0;
  }

  newTicket(): boolean {
    const connection = this.#connection;
    if (connection === null || !this.#done || this.role !== 'server' || !connection.issueTicket())
      return false;
    // The ticket's job is answered now; it goes out with the next write, or with the handshake's call.
    for (let event = connection.nextEvent(); event !== null; event = connection.nextEvent()) {
      this.#on(connection, event);
    }
    return true;
  }

  // Its end ----------------------------------------------------------------------------------------------

  /** SSL_clear: ready for another connection. A session that ended well stays, to be resumed. */
  clear(): void {
    const bad = this.#dropBadSession();
    const session = bad ? null : this.session;
    session?.retain('SSL_clear');
    this.#offered?.release('SSL_clear');
    this.#offered = session;
    this.#endConnection();
  }

  #endConnection(): void {
    const connection = this.#connection;
    if (connection !== null && !this.#done && connection.error === null) {
      const error = new TlsessionError('ERR_TLS_DESTROYED', 'given up before the handshake was complete');
      this.#reportFailure(connection, error);
    }
    connection?.destroy();
    this.#connection = null;
    this.#runner = null;
    for (const session of this.#kept.splice(0)) session.release('psk_use_session');
    this.#inbox = [];
    this.#early = [];
    this.#done = false;
    this.#earlyState = 'none';
    this.#error = SSL_ERROR_NONE;
  }

  free(): void {
    this.check('SSL_free');
    this.#freed = true;
    this.#dropBadSession();
    this.#endConnection();
    this.#offered?.release('SSL_free');
    this.#offered = null;
    connectionExData.release(this, this.exData);
    this.rbio?.free();
    if (this.wbio !== this.rbio) this.wbio?.free();
    this.ctx.free();
  }

  /** SSL_set_SSL_CTX, mostly from a servername callback: certificates and id context come from there. */
  changeContext(ctx: SSL_CTX): void {
    if (ctx === this.ctx) return;
    ctx.upRef();
    const before = this.ctx;
    this.ctx = ctx;
    this.settings.credentials = ctx.settings.credentials;
    // As in C: an id context that was never changed for this SSL follows the context.
    if (equalBytes(this.settings.sidCtx, before.settings.sidCtx)) this.settings.sidCtx = ctx.settings.sidCtx;
    before.free();
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
