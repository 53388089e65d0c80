/**
 * The engine: a TLS connection without a transport. Bytes from the peer go in by `receive`, bytes for the
 * peer come out by `takeOutput`, and everything else is an event. It does no I/O, reads no clock, draws no
 * randomness of its own, and calls nothing back.
 */

import { checkConfig } from '../handshake/check-config.ts';
import { startClient } from '../handshake/client/start.ts';
import type { ClientConfig, ServerConfig } from '../handshake/config.ts';
import type { ConnectionEvent } from '../handshake/events.ts';
import { Host } from '../handshake/host.ts';
import type { ConnectionInfo } from '../handshake/info.ts';
import type { JobAnswer } from '../handshake/jobs.ts';
import { startServer } from '../handshake/server/start.ts';
import { type State, Waiting } from '../handshake/state.ts';
import { readAlert } from '../record/record-reader.ts';
import type { SessionCore } from '../session/core.ts';
import { copyBytes, plainBytes } from '../util/bytes.ts';
import { TlsAlertError, TlsessionError, UsageError } from '../util/errors.ts';
import { Alert, ProtocolVersion } from '../util/registries.ts';
import { AlertLevel, ContentType } from '../wire/numbers.ts';
import { type ChannelBindingType, endPointBinding, exporterBinding } from './channel-binding.ts';

export class Connection {
  readonly #host: Host;
  #state: State | null = null;
  #error: TlsessionError | null = null;
  /** `close` was called; it waits while nothing may be written yet. */
  #closeWanted = false;
  #closeSent = false;
  #closeReceived = false;
  #destroyed = false;
  #warnings = 0;
  /** Application data that was written before it could be sent. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #handshakeDone = false;

  /** @throws {UsageError} for what no peer could make sense of. */
  constructor(config: ClientConfig | ServerConfig) {
    checkConfig(config);
    this.#host = new Host(config);
  }

  /** A client sends its hello, a server waits for one. Call once. */
  start(): void {
    if (this.#state !== null) throw new UsageError('ERR_TLS_STARTED', 'the connection was started before');
    const host = this.#host;
    this.#run(() =>
      host.config.role === 'client'
        ? startClient(host as Host<ClientConfig>)
        : startServer(host as Host<ServerConfig>),
    );
  }

  // What the peer sent -------------------------------------------------------------------------------

  /**
   * Takes bytes of any number from the transport. The array is borrowed: it may be reused after the call.
   * A fault of the peer's is no exception: an alert is in the output and an `error` event at the end.
   */
  receive(bytes: Uint8Array): void {
    if (this.#isOver || bytes.length === 0) return;
    try {
      this.#host.reader.push(plainBytes(bytes));
      this.#pump();
      this.#host.reader.keepRest();
      this.#host.joiner.keepRest();
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * The transport has ended. Without a close_notify before, this is a truncation: a fault during the
   * handshake, and afterwards for the application to judge (`closeReceived`).
   */
  receiveEnd(): void {
    if (this.#isOver || this.#closeReceived) return;
    if (!this.#handshakeDone) {
      this.#finishWithError(
        new TlsessionError('ECONNRESET', 'the peer closed the connection before the handshake was complete'),
      );
    }
  }

  /** Everything that waits for the transport, as bytes that belong to the caller; null for nothing. */
  takeOutput(): Uint8Array | null {
    try {
      return this.#host.writer.take();
    } catch (error) {
      this.#fail(error);
      return null;
    }
  }

  /**
   * Memory to put the next output in: what `takeOutput` gives is then a part of it, if it was large enough.
   * Until then it belongs to the connection.
   */
  lendOutput(buffer: Uint8Array): void {
    if (!this.#destroyed) this.#host.writer.lend(buffer);
  }

  /**
   * Most plaintext in a record from now on, in bytes, 1 to 16384 (SSL_set_max_send_fragment(3)). What the peer
   * asked for by record_size_limit stays a bound.
   */
  limitFragments(bytes: number): void {
    this.#host.writer.ownLimit = bytes;
  }

  get hasOutput(): boolean {
    return this.#host.writer.pending > 0;
  }

  /**
   * The next thing to know, or null. With a client's `session` event that session becomes the connection's, and
   * with a TLS 1.3 server's job to make a ticket the session that the ticket is for.
   */
  nextEvent(): ConnectionEvent | null {
    const event = this.#host.events.shift();
    if (event === undefined) return null;
    const session = sessionToAdopt(event, this.#host);
    if (session !== null) {
      session.retain('connection');
      this.#host.adoptSession(session);
    }
    return event;
  }

  // Jobs ---------------------------------------------------------------------------------------------

  /** The answer to a job. Late, unknown and second answers are ignored: false then. */
  finishJob(id: number, answer: JobAnswer): boolean {
    if (this.#isOver) return false;
    const side = this.#host.takeSideJob(id);
    if (side !== null) {
      this.#guard(() => side.done(answer as never));
      return true;
    }
    const state = this.#state;
    if (!(state instanceof Waiting) || state.jobId !== id) return false;
    this.#run(() => state.resume(answer));
    return true;
  }

  /** The job failed. What that means is the state's to say: mostly the handshake's end. */
  failJob(id: number, error: unknown): boolean {
    if (this.#isOver) return false;
    const side = this.#host.takeSideJob(id);
    if (side !== null) {
      this.#guard(() => side.failed(error));
      return true;
    }
    const state = this.#state;
    if (!(state instanceof Waiting) || state.jobId !== id) return false;
    this.#run(() => state.fail(error));
    return true;
  }

  /** True while a job holds everything up: the transport should stop reading. */
  get isWaiting(): boolean {
    return this.#state instanceof Waiting;
  }

  // Application data ---------------------------------------------------------------------------------

  /**
   * Sends application data. Before the handshake is complete it waits in a bounded buffer; to send early
   * data use `writeEarly`. The bytes are copied or sealed before the call returns.
   * @throws {UsageError} after `close`, after an error, or when the buffer is full.
   */
  write(data: Uint8Array): void {
    this.#checkWritable();
    if (this.#host.writable === 'data') {
      this.#guard(() => this.#seal(data));
      return;
    }
    if (this.#waitingBytes + data.length > this.#host.limits.pendingOutputBytes) {
      throw new UsageError('ERR_TLS_BUFFER_FULL', 'too much was written before the handshake was complete');
    }
    this.#waiting.push(copyBytes(data));
    this.#waitingBytes += data.length;
  }

  /** Whether `write` sends now and does not buffer. */
  get canWrite(): boolean {
    return this.#host.writable === 'data' && !this.#isOver && !this.#closeWanted;
  }

  /**
   * Sends as much of `data` as may go out as early data now and returns that number of bytes; 0 when none
   * may. Whoever recorded it can replay it: only for what is safe to do twice (RFC 8446, 8).
   */
  writeEarly(data: Uint8Array): number {
    this.#checkWritable();
    const host = this.#host;
    if (host.writable !== 'early') return 0;
    // An early key is never updated: at its limit there is no more early data.
    const room = host.writer.recordsLeft(recordLimit(host)) * host.writer.maxFragment;
    const count = Math.min(data.length, host.earlyDataBudget, room);
    host.earlyDataBudget -= count;
    if (count > 0)
      this.#guard(() => host.writer.append(ContentType.application_data, data.subarray(0, count)));
    return count;
  }

  /** Bytes that `writeEarly` would take now. */
  get earlyDataBudget(): number {
    return this.#host.writable === 'early' ? this.#host.earlyDataBudget : 0;
  }

  /**
   * Sends close_notify: this end will write no more (RFC 8446, 6.1). Reading goes on. While the handshake is not
   * complete it waits, behind what was written before; a handshake that fails ends with its own alert.
   */
  close(): void {
    if (this.#isOver) return;
    this.#closeWanted = true;
    this.endEarlyData();
    this.#guard(() => this.#sendClose());
  }

  #sendClose(): void {
    if (this.#closeSent || this.#host.writable !== 'data') return;
    this.#flushWaiting();
    this.#host.sendAlert(AlertLevel.warning, Alert.close_notify);
    this.#closeSent = true;
    this.#host.closeWriting();
  }

  /** Ends the connection with an alert of the application's choice. */
  abort(alert: number = Alert.user_canceled): void {
    if (this.#isOver) return;
    if (!this.#closeSent) this.#guard(() => this.#host.sendAlert(AlertLevel.fatal, alert));
    this.#closeWanted = true;
    this.#closeSent = true;
    if (this.#error === null)
      this.#finishWithError(new TlsessionError('ERR_TLS_ABORTED', 'the connection was given up'));
  }

  /**
   * New keys for what this end sends; with `requestPeer` the peer is asked to do the same. TLS 1.3.
   * @throws {UsageError} where there are none to update: in TLS 1.2, before the handshake is complete, after the end.
   */
  updateKeys(requestPeer: boolean): void {
    this.#checkWritable();
    const update = this.#host.updateKey;
    if (update === null) throw new UsageError('ERR_TLS_NO_KEY_UPDATE', 'there are no keys to update');
    this.#guard(() => update(requestPeer));
  }

  /**
   * Ends early data that `holdEarlyData` keeps open: the client's half of the handshake goes out. False when
   * there is none to end yet, or none any more.
   */
  endEarlyData(): boolean {
    const end = this.#host.endEarlyData;
    if (end === null || this.#isOver) return false;
    this.#run(end);
    return true;
  }

  /**
   * Asks the client for a certificate after the handshake (RFC 8446, 4.6.2). False unless a TLS 1.3 server is
   * done and the client said that it would answer. While a request is unanswered another one does nothing.
   * `required`: a client without a certificate is turned away.
   */
  requestCertificate(required: boolean): boolean {
    const request = this.#host.requestCertificate;
    if (request === null || this.#isOver || this.isWaiting || this.#closeWanted) return false;
    this.#guard(() => request(required));
    return this.#error === null;
  }

  /** Server: the client said that it answers requests after the handshake. */
  get answersLate(): boolean {
    return this.#host.requestCertificate !== null;
  }

  /** Server: a request after the handshake is unanswered. */
  get isAskingLate(): boolean {
    return this.#host.isAskingLate;
  }

  /** Queues one more ticket (SSL_new_session_ticket). False unless a TLS 1.3 server is done. */
  issueTicket(): boolean {
    const issue = this.#host.issueTicket;
    if (issue === null || !this.canWrite) return false;
    this.#guard(issue);
    return this.#error === null;
  }

  /** Keying material (RFC 5705; RFC 8446, 7.5). @throws {UsageError} before there is any, and when the keys are gone. */
  exportKeyingMaterial(label: string, context: Uint8Array | null, length: number): Uint8Array {
    this.#checkNotDestroyed();
    const exporter = this.#host.exporter;
    if (exporter === null) throw new UsageError('ERR_TLS_NO_EXPORTER', 'the handshake is not complete');
    return exporter(label, context, length);
  }

  /**
   * From early data's keys (RFC 8446, 7.5): not unique to the connection under replay. @throws {UsageError} when there
   * are none, and when they are gone.
   */
  exportEarlyKeyingMaterial(label: string, context: Uint8Array | null, length: number): Uint8Array {
    this.#checkNotDestroyed();
    const exporter = this.#host.earlyExporter;
    if (exporter === null) throw new UsageError('ERR_TLS_NO_EXPORTER', 'there is no early data');
    return exporter(label, context, length);
  }

  /**
   * Channel binding of the given type. Null where there is none: of type `tls-server-end-point` for a certificate that
   * has none (RFC 5929, 4.1), without a certificate, and at a server that resumed, which no longer knows the one that
   * it showed; of type `tls-unique` in TLS 1.3. `tls-exporter` is there for all of these.
   * @throws {UsageError} before the handshake is complete; in TLS 1.2 without the extended master secret also for
   * `tls-exporter`, and for `tls-unique` of a resumption: they would bind to nothing (RFC 9266, 3; RFC 7627, 1); for
   * `tls-exporter` also when the keys are gone.
   */
  channelBinding(type: ChannelBindingType): Uint8Array | null {
    const { info, config, provider } = this.#host;
    if (!this.#handshakeDone) throw new UsageError('ERR_TLS_NO_EXPORTER', 'the handshake is not complete');
    switch (type) {
      case 'tls-exporter':
        return exporterBinding((label, context, length) => this.exportKeyingMaterial(label, context, length));
      case 'tls-server-end-point': {
        const certificate = config.role === 'client' ? info.peerChain[0] : info.ownCertificate;
        return certificate === undefined || certificate === null
          ? null
          : endPointBinding(provider, certificate);
      }
      case 'tls-unique': {
        if (info.version !== ProtocolVersion.TLS1_2) return null;
        // Two resumptions of one secret, made so by whoever stands between them, finish alike (RFC 7627, 1).
        if (info.resumed && !info.extendedMasterSecret) {
          throw new UsageError(
            'ERR_TLS_EXPORTER_UNSAFE',
            'a resumption without the extended master secret has no tls-unique',
          );
        }
        // The client finishes first, but where a session is resumed.
        const first = (config.role === 'client') === info.resumed ? info.peerFinished : info.finished;
        return first === null ? null : copyBytes(first);
      }
      default:
        throw new UsageError('ERR_TLS_CHANNEL_BINDING', `no channel binding: ${String(type)}`);
    }
  }

  /** Wipes keys and gives back the session. Jobs that are still out are forgotten. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#state = null;
    for (const data of this.#waiting) data.fill(0);
    this.#waiting = [];
    this.#host.destroy();
  }

  // What is known ------------------------------------------------------------------------------------

  get info(): ConnectionInfo {
    return this.#host.info;
  }

  /** What SSL_get_session borrows: good while the connection lives. */
  get session(): SessionCore | null {
    return this.#host.session;
  }

  get isHandshaking(): boolean {
    return !this.#handshakeDone;
  }

  get error(): TlsessionError | null {
    return this.#error;
  }

  get closeSent(): boolean {
    return this.#closeSent;
  }

  get closeReceived(): boolean {
    return this.#closeReceived;
  }

  /** For messages and tests: the name of the state. */
  get stateName(): string {
    return this.#state?.name ?? 'idle';
  }

  // Inside -------------------------------------------------------------------------------------------

  get #isOver(): boolean {
    return this.#destroyed || this.#error !== null;
  }

  #checkNotDestroyed(): void {
    if (this.#destroyed) throw new UsageError('ERR_TLS_DESTROYED', 'the connection was destroyed');
  }

  #checkWritable(): void {
    this.#checkNotDestroyed();
    if (this.#error !== null) throw new UsageError('ERR_TLS_FAILED', 'the connection has failed');
    if (this.#closeWanted) throw new UsageError('ERR_TLS_CLOSED', 'this end was closed before');
  }

  /** Runs a step that gives the next state, then whatever input was waiting for it. */
  #run(step: () => State): void {
    if (this.#isOver) return;
    try {
      this.#enter(step());
      this.#pump();
      this.#host.reader.keepRest();
      this.#host.joiner.keepRest();
    } catch (error) {
      this.#fail(error);
    }
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(error);
    }
  }

  #enter(state: State): void {
    this.#state = state;
    if (!this.#handshakeDone && !state.handshaking) {
      this.#handshakeDone = true;
    }
    if (this.#host.writable !== 'data') return;
    if (this.#waiting.length > 0) this.#flushWaiting();
    if (this.#closeWanted) this.#sendClose();
  }

  #flushWaiting(): void {
    if (this.#host.writable !== 'data') return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const data of waiting) {
      this.#seal(data);
      data.fill(0);
    }
  }

  /** Records and messages, until there are no more or a job holds them up. */
  #pump(): void {
    const { reader, joiner } = this.#host;
    for (;;) {
      while (!(this.#state instanceof Waiting) && !this.#isOver && joiner.next()) {
        this.#onMessage(joiner.message);
      }
      if (this.#state instanceof Waiting || this.#isOver) return;
      // The next record may take the place of the one in which a message has begun.
      joiner.keepRest();
      if (!reader.next()) return;
      this.#onRecord(reader.type, reader.payload);
    }
  }

  #onMessage(message: Uint8Array): void {
    const state = this.#state as State;
    // After close_notify nothing may come; what does is ignored (RFC 8446, 6.1).
    if (this.#closeReceived) return;
    this.#enter(state.onMessage(message[0] as number, message));
  }

  #onRecord(type: number, payload: Uint8Array): void {
    if (this.#closeReceived && type !== ContentType.alert) return;
    const { joiner } = this.#host;
    if (type === ContentType.handshake) {
      joiner.push(payload);
      return;
    }
    if (!joiner.isEmpty) throw TlsAlertError.local('interleaved-record');
    switch (type) {
      case ContentType.application_data:
        this.#onData(payload);
        return;
      case ContentType.alert:
        this.#onAlert(payload);
        return;
      case ContentType.change_cipher_spec:
        if (payload.length !== 1 || payload[0] !== 1) throw TlsAlertError.local('bad-change-cipher-spec');
        this.#enter((this.#state as State).onChangeCipherSpec());
        return;
      default:
        throw TlsAlertError.local('bad-record-type');
    }
  }

  #onData(payload: Uint8Array): void {
    const reads = (this.#state as State).reads;
    if (reads === 'nothing')
      throw TlsAlertError.local('unexpected-message', 'application data in the handshake');
    if (payload.length === 0) return;
    this.#warnings = 0;
    this.#host.onApplicationData(payload.length, reads);
    // Decrypted bytes are the provider's fresh ones; early or late, nobody else holds them.
    this.#host.emit({ type: 'data', data: payload, early: reads === 'early' });
  }

  #onAlert(payload: Uint8Array): void {
    const { fatal, description } = readAlert(payload);
    if (description === Alert.close_notify) {
      if (!this.#closeReceived) {
        this.#closeReceived = true;
        if (!this.#handshakeDone) {
          throw new TlsessionError(
            'ECONNRESET',
            'the peer closed the connection before the handshake was complete',
          );
        }
        this.#host.emit({ type: 'close-notify' });
      }
      return;
    }
    if (fatal) throw TlsAlertError.peer(description);
    // In TLS 1.3 every other alert is an error whatever its level says (RFC 8446, 6); user_canceled is let be.
    if (this.#host.info.version === ProtocolVersion.TLS1_3 && description !== Alert.user_canceled) {
      throw TlsAlertError.peer(description);
    }
    if (++this.#warnings > this.#host.limits.warningAlerts) throw TlsAlertError.local('too-many-warnings');
    this.#host.emit({ type: 'warning', alert: description });
  }

  #seal(data: Uint8Array): void {
    const { writer } = this.#host;
    for (let at = 0; at < data.length; ) {
      this.#host.beforeApplicationData?.();
      const limit = recordLimit(this.#host);
      if (writer.recordsLeft(limit) === 0) {
        if (this.#host.updateKey === null) throw TlsAlertError.local('record-limit');
        this.#host.updateKey(false);
      }
      const end = Math.min(data.length, at + writer.recordsLeft(limit) * writer.maxFragment);
      writer.append(
        ContentType.application_data,
        at === 0 && end === data.length ? data : data.subarray(at, end),
      );
      at = end;
    }
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    let fault: TlsessionError;
    if (error instanceof TlsAlertError) {
      fault = error;
    } else if (error instanceof TlsessionError && error.code === 'ECONNRESET') {
      fault = error;
    } else {
      fault = TlsAlertError.local('internal-error', undefined, { cause: error });
    }
    if (fault instanceof TlsAlertError && fault.origin === 'local' && !this.#closeSent) {
      try {
        this.#host.sendAlert(AlertLevel.fatal, fault.alert);
      } catch {
        // The keys are unusable: then there is no alert to send, and the error event says why.
      }
    }
    this.#finishWithError(fault);
  }

  #finishWithError(error: TlsessionError): void {
    this.#error = error;
    this.#host.closeWriting();
    this.#state = null;
    for (const data of this.#waiting) data.fill(0);
    this.#waiting = [];
    this.#host.onFailure(error);
    this.#host.emit({ type: 'error', error });
  }
}

function sessionToAdopt(event: ConnectionEvent, { config, info }: Host): SessionCore | null {
  if (event.type === 'session') return config.role === 'client' ? event.session : null;
  if (event.type !== 'job' || info.version !== ProtocolVersion.TLS1_3) return null;
  const { job } = event;
  return job.kind === 'seal-ticket' || job.kind === 'store-session' ? job.session : null;
}

/** Records that the key may protect which is written under now. */
function recordLimit({ limits, writer }: Host): number {
  switch (writer.protection?.suite.aead) {
    case 'chacha20-poly1305':
      return Math.max(1, limits.recordsPerChachaKey);
    case 'aes-128-ccm':
    case 'aes-128-ccm-8':
      return Math.max(1, limits.recordsPerCcmKey);
    default:
      return Math.max(1, limits.recordsPerAesKey);
  }
}
