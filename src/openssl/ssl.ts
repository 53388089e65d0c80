/** What goes through a connection: data, early data, its end, and what a server sends late. */
import type { Connection } from '../connection/connection.ts';
import { TlsAlertError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { ERR_LIB_SSL, ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, raise, SSL_R_BAD_LENGTH } from './err.ts';
import {
  SSL_EARLY_DATA_ACCEPTED,
  SSL_EARLY_DATA_NOT_SENT,
  SSL_EARLY_DATA_REJECTED,
  SSL_ERROR_NONE,
  SSL_ERROR_SYSCALL,
  SSL_ERROR_ZERO_RETURN,
  SSL_READ_EARLY_DATA_ERROR,
  SSL_READ_EARLY_DATA_FINISH,
  SSL_READ_EARLY_DATA_SUCCESS,
  SSL_RECEIVED_SHUTDOWN,
  SSL_SENT_SHUTDOWN,
} from './ssl-codes.ts';
import { SslCore } from './ssl-core.ts';
import { SSL_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_PEER } from './ssl-ctx.ts';
import { SslFault } from './ssl-fault.ts';
import {
  SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY,
  SSL_R_EXTENSION_NOT_RECEIVED,
  SSL_R_INVALID_CONFIG,
  SSL_R_NOT_SERVER,
  SSL_R_PROTOCOL_IS_SHUTDOWN,
  SSL_R_REQUEST_SENT,
  SSL_R_SHUTDOWN_WHILE_IN_INIT,
  SSL_R_STILL_IN_INIT,
  SSL_R_TOO_MUCH_EARLY_DATA,
  SSL_R_UNINITIALIZED,
  SSL_R_WRONG_SSL_VERSION,
} from './ssl-reason-codes.ts';
import { checkEarlySession } from './ssl-services.ts';

/** A connection. Programs hold it by the functions of ssl-connection.ts and its kin, under the type SSL. */
export class Ssl extends SslCore {
  protected override self(): Ssl {
    return this;
  }

  // Data -------------------------------------------------------------------------------------------------

  read(buffer: Uint8Array, keep: boolean): number {
    return this.operate('SSL_read', () => this.#read(buffer, keep));
  }

  #read(buffer: Uint8Array, keep: boolean): number {
    if (this.role === null) return this.refuse(SSL_R_UNINITIALIZED);
    if ((this.saidShutdown & SSL_RECEIVED_SHUTDOWN) !== 0) {
      this.code = SSL_ERROR_ZERO_RETURN;
      return 0;
    }
    const isEarlyClient = this.role === 'client' && this.earlyState === 'open' && !this.isDone;
    // A client may read while it writes early data; everybody else reads after the handshake.
    if (!isEarlyClient && (!this.isDone || this.ticketsArmed || this.certificateWanted)) {
      const ret = this.doHandshake();
      if (ret !== 1) return ret;
    }
    if (this.inbox.length === 0) this.work(() => this.inbox.length > 0);
    if (this.inbox.length > 0) {
      this.code = SSL_ERROR_NONE;
      return takeFrom(this.inbox, buffer, keep);
    }
    const connection = this.connection as Connection;
    if (connection.closeReceived && connection.error === null) {
      this.code = SSL_ERROR_ZERO_RETURN;
      return 0;
    }
    // In C a read that meets the end, or a fatal alert, is 0.
    const { error } = connection;
    const isPeers = error instanceof TlsAlertError && error.origin === 'peer';
    return this.failed(this.isCut || isPeers ? 0 : -1);
  }

  get pending(): number {
    this.check('SSL_pending');
    return this.inbox[0]?.length ?? 0;
  }

  write(data: Uint8Array): number {
    return this.operate('SSL_write', () => this.#write(data));
  }

  #write(data: Uint8Array): number {
    if (this.role === null) return this.refuse(SSL_R_UNINITIALIZED);
    if ((this.shutdownState & SSL_SENT_SHUTDOWN) !== 0) return this.refuse(SSL_R_PROTOCOL_IS_SHUTDOWN);
    if (this.pendingWrite === null) {
      const ret = this.isDone ? 1 : this.doHandshake();
      if (ret !== 1) return ret;
    }
    const connection = this.connection as Connection;
    if (connection.error !== null) return this.failed(-1);
    return this.#writeNow(connection, data, () => connection.write(data));
  }

  #writeNow(connection: Connection, data: Uint8Array, write: () => void): number {
    if (this.pendingWrite !== null) {
      const length = this.pendingWrite;
      if (data.length < length) return this.refuse(SSL_R_BAD_LENGTH);
      if (!this.flush()) return -1;
      this.pendingWrite = null;
      this.code = SSL_ERROR_NONE;
      return length;
    }
    // Between two records: the place for what waited to go out.
    if (!this.sendLate() || !this.flush()) return this.failed(-1);
    if (data.length > 0) {
      write();
      this.takeEvents(connection);
      if (connection.error !== null) return this.failed(-1);
      if (!this.flush()) {
        this.pendingWrite = data.length;
        return -1;
      }
    }
    this.code = SSL_ERROR_NONE;
    return data.length;
  }

  /** Client: all or nothing, as the session allows; the first I/O. Server: an answer before the handshake is over. */
  writeEarly(data: Uint8Array): { ret: number; written: number } {
    const written = this.operate('SSL_write_early_data', () =>
      this.role === 'server' ? this.#answerEarly(data) : this.#writeEarly(data),
    );
    return written < 0 ? { ret: 0, written: 0 } : { ret: 1, written };
  }

  #answerEarly(data: Uint8Array): number {
    const connection = this.connection;
    if (connection === null || this.earlyState === 'none' || !connection.canWrite) {
      return this.refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
    }
    return this.#writeNow(connection, data, () => connection.write(data));
  }

  #writeEarly(data: Uint8Array): number {
    if (this.role === null) return this.refuse(SSL_R_UNINITIALIZED);
    let { connection } = this;
    if (connection === null) {
      const session = this.session;
      const promised = session === null ? 0 : session.body('SSL_write_early_data').maxEarlyData;
      if (!this.hasMethod || (promised === 0 && this.settings.pskUse === null)) {
        return this.refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      }
      if (session !== null && promised > 0) {
        try {
          checkEarlySession(this, session);
        } catch (error) {
          if (!(error instanceof SslFault)) throw error;
          return this.refuse(error.reason);
        }
      }
      this.earlyState = 'open';
      connection = this.begin();
      // Only until the hello is out: what the server says is read by the next call.
      this.work(() => true);
    }
    if (connection.error !== null) return this.failed(-1);
    if (this.pendingWrite === null) {
      // Nothing to write it with, or no more: refused, finished, or never promised.
      if (connection.earlyDataBudget === 0 && data.length > 0) {
        return this.refuse(
          this.isDone || connection.info.earlyDataReason !== null
            ? ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED
            : SSL_R_TOO_MUCH_EARLY_DATA,
        );
      }
      if (data.length > connection.earlyDataBudget) return this.refuse(SSL_R_TOO_MUCH_EARLY_DATA);
    }
    return this.#writeNow(connection, data, () => connection.writeEarly(data));
  }

  readEarly(buffer: Uint8Array): { ret: number; readbytes: number } {
    return this.operate('SSL_read_early_data', () => this.#readEarly(buffer));
  }

  #readEarly(buffer: Uint8Array): { ret: number; readbytes: number } {
    const failure = { ret: SSL_READ_EARLY_DATA_ERROR, readbytes: 0 };
    if (this.role === null) {
      this.refuse(SSL_R_UNINITIALIZED);
      return failure;
    }
    let { connection } = this;
    const isFirst = connection === null;
    const isLate = this.earlyState === 'finished' || (!isFirst && this.earlyState === 'none');
    if (this.role === 'client' || !this.hasMethod || isLate) {
      this.refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      return failure;
    }
    if (connection === null) {
      this.earlyState = 'open';
      connection = this.begin();
    }
    const { info } = connection;
    const isOver = (): boolean =>
      this.isDone ||
      info.earlyDataEnded ||
      // A TLS 1.3 server's flight is out, or its HelloRetryRequest, and there will be no early data.
      (info.version === ProtocolVersion.TLS1_3 &&
        !info.earlyDataAccepted &&
        (info.earlyDataReason !== null || info.helloRetryRequest));
    if (this.earlyInbox.length === 0) this.work(() => this.earlyInbox.length > 0 || isOver());
    if (this.earlyInbox.length > 0) {
      this.code = SSL_ERROR_NONE;
      return { ret: SSL_READ_EARLY_DATA_SUCCESS, readbytes: takeFrom(this.earlyInbox, buffer, false) };
    }
    if (connection.error !== null) {
      this.failed(0);
      return failure;
    }
    if (!isOver() || this.transport.isFull) return failure;
    this.code = SSL_ERROR_NONE;
    this.earlyState = 'finished';
    return { ret: SSL_READ_EARLY_DATA_FINISH, readbytes: 0 };
  }

  get earlyDataStatus(): number {
    this.check('SSL_get_early_data_status');
    const info = this.connection?.info;
    if (info === undefined || !info.earlyDataOffered) return SSL_EARLY_DATA_NOT_SENT;
    return info.earlyDataAccepted ? SSL_EARLY_DATA_ACCEPTED : SSL_EARLY_DATA_REJECTED;
  }

  // Its end ----------------------------------------------------------------------------------------------

  /** 1 when both close_notify are through, 0 when only ours is out, −1 otherwise. */
  shutdown(): number {
    return this.operate('SSL_shutdown', () => this.#shutDown());
  }

  #shutDown(): number {
    if (this.role === null) return this.refuse(SSL_R_UNINITIALIZED);
    const connection = this.connection;
    if (connection === null || !this.isDone) return this.refuse(SSL_R_SHUTDOWN_WHILE_IN_INIT);
    if (this.settings.quietShutdown) {
      this.saidShutdown = SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN;
      return 1;
    }
    if ((this.shutdownState & SSL_SENT_SHUTDOWN) === 0) {
      connection.close();
      this.takeEvents(connection);
      if (!this.flush()) return -1;
    } else if (!this.flush()) return -1;
    else if ((this.shutdownState & SSL_RECEIVED_SHUTDOWN) === 0) {
      this.work(() => connection.closeReceived || this.inbox.length > 0);
      if (this.inbox.length > 0) return this.refuse(SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY);
      if (!connection.closeReceived) return this.failed(-1);
    }
    const isBoth = (this.shutdownState & SSL_RECEIVED_SHUTDOWN) !== 0;
    // C has nothing to say where 0 is returned, and SSL_get_error then says SYSCALL.
    this.code = isBoth ? SSL_ERROR_NONE : SSL_ERROR_SYSCALL;
    return isBoth ? 1 : 0;
  }

  // Tickets, certificates, cookies, contexts --------------------------------------------------------------

  /** True when one more ticket will go out: with the next call between two records. */
  newTicket(): boolean {
    this.check('SSL_new_session_ticket');
    const connection = this.connection;
    if (connection === null || !this.isDone || this.role !== 'server' || connection.error !== null)
      return false;
    if (this.version !== ProtocolVersion.TLS1_3) return false;
    this.ticketsWanted++;
    if (this.pendingWrite === null) this.ticketsArmed = true;
    return true;
  }

  /** Tickets that are wanted, and a request for the client's certificate. False when the BIO is full, or on failure. */
  protected override sendLate(): boolean {
    const connection = this.connection as Connection;
    const tickets = this.ticketsWanted;
    this.ticketsWanted = 0;
    this.ticketsArmed = false;
    // Behind our close_notify nothing may go out.
    if (connection.closeSent) return this.flush();
    for (let i = 0; i < tickets && connection.error === null; i++) {
      connection.issueTicket();
      this.takeEvents(connection);
    }
    if (this.certificateWanted) {
      this.certificateWanted = false;
      connection.requestCertificate((this.settings.verifyMode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) !== 0);
    }
    this.takeEvents(connection);
    return connection.error === null && this.flush();
  }

  /** 1 when a request for the client's certificate will go out, with the next call. */
  requestCertificate(): number {
    this.check('SSL_verify_client_post_handshake');
    const refuse = (reason: number): number => {
      raise(ERR_LIB_SSL, reason);
      return 0;
    };
    if (this.version !== ProtocolVersion.TLS1_3 || this.connection === null) {
      return refuse(SSL_R_WRONG_SSL_VERSION);
    }
    if (this.role !== 'server') return refuse(SSL_R_NOT_SERVER);
    if (!this.isDone || this.certificateWanted) return refuse(SSL_R_STILL_IN_INIT);
    if (!this.connection.answersLate) return refuse(SSL_R_EXTENSION_NOT_RECEIVED);
    if (this.connection.isAskingLate) return refuse(SSL_R_REQUEST_SENT);
    if ((this.settings.verifyMode & SSL_VERIFY_PEER) === 0) return refuse(SSL_R_INVALID_CONFIG);
    this.certificateWanted = true;
    return 1;
  }

  /** SSL_stateless(3). */
  stateless(): number {
    return this.operate('SSL_stateless', () => {
      this.clearNow();
      this.role ??= 'server';
      if (this.role !== 'server' || !this.ctx.method.server) {
        return this.refuse(ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED);
      }
      const connection = this.begin(true);
      const isRetrySent = (): boolean => connection.stateName === 'statelessRetrySent';
      this.work(() => isRetrySent() || connection.info.cookieVerified);
      if (connection.error !== null || this.transport.isFull) return this.failed(-1);
      if (connection.info.cookieVerified) return 1;
      if (!isRetrySent()) return -1;
      // Whoever it was, nothing of it stays.
      this.endConnection();
      return 0;
    });
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
