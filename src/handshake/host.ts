import type { CryptoProvider } from '../crypto/provider.ts';
import { MessageJoiner } from '../record/message-joiner.ts';
import type { RecordProtection } from '../record/protection.ts';
import { RecordReader } from '../record/record-reader.ts';
import { RecordWriter } from '../record/record-writer.ts';
import { type KeyLogSink, keyLogLine } from '../schedule/key-log.ts';
import type { SessionCore } from '../session/core.ts';
import { TlsAlertError, type TlsessionError } from '../util/errors.ts';
import type { Limits } from '../util/limits.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { ContentType } from '../wire/numbers.ts';
import { Writer } from '../wire/writer.ts';
import type { ClientConfig, ServerConfig } from './config.ts';
import type { ConnectionEvent } from './events.ts';
import { ConnectionInfo } from './info.ts';
import type { JobAnswers, JobKind, JobOf } from './jobs.ts';
import { type Reads, type State, Waiting } from './state.ts';

/** Which application data this end may write now. */
export type Writable = 'nothing' | 'early' | 'data';

/** A job that holds up nothing: its answer comes back here whatever the state is then. */
interface SideJob {
  readonly done: (answer: never) => void;
  readonly failed: (error: unknown) => void;
}

/** Something that holds secrets and can forget them. May be told so twice. */
interface Destroyable {
  destroy(): void;
}

/**
 * The outside world as a state sees it: the record layer, events, jobs, and what was agreed. One a
 * connection. It decides nothing about the protocol.
 */
export class Host<C extends ClientConfig | ServerConfig = ClientConfig | ServerConfig> {
  readonly config: C;
  readonly provider: CryptoProvider;
  readonly limits: Limits;
  readonly reader: RecordReader;
  readonly writer: RecordWriter;
  readonly joiner: MessageJoiner;
  readonly info: ConnectionInfo = new ConnectionInfo();
  readonly events: ConnectionEvent[] = [];
  /** For building messages: its content is good until the next message is built. */
  readonly scratch: Writer = new Writer();
  /** Early data that may still be written, in bytes. */
  earlyDataBudget = 0;
  /** The connection's session: one library reference. What SSL_get_session borrows. */
  #session: SessionCore | null = null;
  readonly #held: SessionCore[] = [];
  #writable: Writable = 'nothing';
  #writingClosed = false;
  readonly #sideJobs: Map<number, SideJob> = new Map();
  readonly #secrets: Destroyable[] = [];
  #jobs = 0;
  /** Exporters, once there is something to export from (RFC 8446, 7.5; RFC 5705). */
  exporter: ((label: string, context: Uint8Array | null, length: number) => Uint8Array) | null = null;
  earlyExporter: ((label: string, context: Uint8Array | null, length: number) => Uint8Array) | null = null;
  /** Rotates this end's write key (TLS 1.3); null while it cannot be. */
  updateKey: ((requestPeer: boolean) => void) | null = null;
  /** Called in front of each write of application data, after the handshake. */
  beforeApplicationData: (() => void) | null = null;
  /** Client: ends early data that is held open. Null while there is none. */
  endEarlyData: (() => State) | null = null;
  /** Server: asks for the client's certificate after the handshake. Null while it cannot be. */
  requestCertificate: ((required: boolean) => void) | null = null;
  isAskingLate = false;
  /** Queues tickets beyond those that a handshake sends (server, TLS 1.3). */
  issueTicket: (() => void) | null = null;
  /** Server: the ticket that came is still good, or a callback wants none: no new one goes out. */
  sendNoTicket = false;
  clientRandom: Uint8Array = new Uint8Array(32);
  /** Turns secrets into key log events, if anybody asked for them. */
  readonly keyLog: KeyLogSink | null;

  constructor(config: C) {
    this.config = config;
    this.provider = config.provider;
    this.limits = config.limits;
    this.reader = new RecordReader(config.limits);
    this.writer = new RecordWriter();
    this.writer.maxFragment = config.maxSendFragment;
    this.writer.paddingBlock = config.recordPadding;
    this.joiner = new MessageJoiner(config.limits);
    this.keyLog = config.keyLog
      ? (label, secret): void => {
          this.emit({ type: 'keylog', line: keyLogLine(label, this.clientRandom, secret) });
        }
      : null;
  }

  get session(): SessionCore | null {
    return this.#session;
  }

  /** Takes over one library reference of `session` and gives back the one before. */
  adoptSession(session: SessionCore | null): void {
    const before = this.#session;
    this.#session = session;
    before?.release('connection');
  }

  /** Takes a library reference for as long as the handshake needs the session. */
  hold(session: SessionCore): void {
    session.retain('connection');
    this.#held.push(session);
  }

  /** Takes over a library reference that somebody else took: a job's answer, a session just made. */
  holdGiven(session: SessionCore): void {
    this.#held.push(session);
  }

  /** Gives back what `hold` or `holdGiven` took. */
  letGo(session: SessionCore): void {
    const at = this.#held.lastIndexOf(session);
    if (at < 0) return;
    this.#held.splice(at, 1);
    session.release('connection');
  }

  /** A reference that was held passes to somebody else: an event's receiver. */
  passOn(session: SessionCore): void {
    const at = this.#held.lastIndexOf(session);
    if (at >= 0) this.#held.splice(at, 1);
  }

  /** Secrets of the handshake, to be forgotten with the connection wherever it ends. */
  track<T extends Destroyable>(secret: T): T {
    this.#secrets.push(secret);
    return secret;
  }

  nowMs(): number {
    return this.config.clock.wallMs();
  }

  random(length: number): Uint8Array {
    return this.config.random(length);
  }

  /** Hands a whole handshake message to the record layer. */
  send(message: Uint8Array): void {
    this.writer.append(ContentType.handshake, message);
  }

  /** An alert in a record of its own, under the keys of the moment. */
  sendAlert(level: number, description: number): void {
    this.writer.endRecord();
    this.writer.append(ContentType.alert, new Uint8Array([level, description]));
    this.writer.endRecord();
  }

  emit(event: ConnectionEvent): void {
    this.events.push(event);
  }

  /** New keys for reading. No byte of a message may lie across the change (RFC 8446, 5.1). */
  setReadProtection(protection: RecordProtection): void {
    this.requireRecordBoundary();
    this.reader.setProtection(protection);
  }

  /**
   * The peer's flight ends here, and with it a record: nothing that it could not have known yet may lie
   * behind (RFC 8446, 5.1). Asked before anything is answered, so that the alert goes out under the keys that
   * the peer still reads with.
   */
  requireRecordBoundary(): void {
    if (!this.joiner.isEmpty) throw TlsAlertError.local('message-across-key-change');
  }

  setWriteProtection(protection: RecordProtection): void {
    this.writer.setProtection(protection);
  }

  /** Pauses the handshake for a job. */
  wait<K extends JobKind>(
    job: JobOf<K>,
    next: (answer: JobAnswers[K]) => State,
    failed: ((error: unknown) => State) | null = null,
    reads: Reads = 'nothing',
    handshaking = true,
  ): State {
    const id = ++this.#jobs;
    this.events.push({ type: 'job', id, job });
    return new Waiting(id, next as (answer: JobAnswers[JobKind]) => State, failed, reads, handshaking);
  }

  /** Starts a job that holds up nothing. */
  startSideJob<K extends JobKind>(
    job: JobOf<K>,
    done: (answer: JobAnswers[K]) => void,
    failed: (error: unknown) => void,
  ): void {
    const id = ++this.#jobs;
    this.#sideJobs.set(id, { done, failed });
    this.events.push({ type: 'job', id, job });
  }

  /** A job that holds up nothing is answered: once. */
  takeSideJob(id: number): SideJob | null {
    const side = this.#sideJobs.get(id) ?? null;
    this.#sideJobs.delete(id);
    return side;
  }

  get writable(): Writable {
    return this.#writable;
  }

  /** For good `nothing` once writing is closed, however far the handshake still goes. */
  set writable(what: Writable) {
    if (!this.#writingClosed) this.#writable = what;
  }

  /** Behind close_notify or a fatal alert this end has nothing more to say (RFC 8446, 6.1). */
  closeWriting(): void {
    this.#writable = 'nothing';
    this.#writingClosed = true;
    this.updateKey = null;
    this.beforeApplicationData = null;
    this.issueTicket = null;
    this.requestCertificate = null;
    this.endEarlyData = null;
  }

  /** Set by the state that reads data: counts, limits, and what ends a run of KeyUpdates. */
  applicationDataHook: ((length: number, reads: Reads) => void) | null = null;

  onApplicationData(length: number, reads: Reads): void {
    this.applicationDataHook?.(length, reads);
  }

  /** TLS 1.2: a session does not outlive a fatal alert (RFC 5246, 7.2.2). */
  onFailure(error: TlsessionError): void {
    if (!(error instanceof TlsAlertError) || this.info.version !== ProtocolVersion.TLS1_2) return;
    this.#session?.markNotResumable();
  }

  destroy(): void {
    for (const secret of this.#secrets.splice(0)) secret.destroy();
    for (const session of this.#held.splice(0)) session.release('connection');
    this.reader.destroy();
    this.writer.destroy();
    this.joiner.destroy();
    this.adoptSession(null);
    this.#sideJobs.clear();
    this.exporter = null;
    this.earlyExporter = null;
    this.closeWriting();
    for (const event of this.events) {
      if (event.type === 'session') event.session.release('connection');
    }
    if (this.events.length > 0) this.events.length = 0;
  }
}
