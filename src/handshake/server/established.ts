/** A TLS 1.3 server after its handshake: tickets out, key updates in (RFC 8446, 4.6). */
import type { TrafficSecretPair } from '../../schedule/tls13.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import { TlsAlertError } from '../../util/errors.ts';
import type { CipherSuite } from '../../util/registries.ts';
import { writeNewSessionTicket13 } from '../../wire/message/new-session-ticket.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import { Writer } from '../../wire/writer.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { MAX_TICKET_LIFETIME_SEC, makeSession, newSessionId, type SessionFacts } from '../shared/sessions.ts';
import { installTrafficKeys, type LateSecrets, TrafficSecrets } from '../shared/traffic.ts';
import { type Reads, State, unexpected } from '../state.ts';
import { clientCertificateBody } from './client-certificate.ts';
import { LateAuthentication, type LateIdentity } from './late-authentication.ts';
import type { ServerSettings } from './start.ts';

export interface FinishedServer13 {
  readonly suite: CipherSuite;
  readonly settings: ServerSettings;
  /** What all sessions of this connection have in common. */
  readonly facts: SessionFacts;
  readonly late: LateSecrets;
  /** Up to the client's Finished. */
  readonly transcriptHash: Uint8Array;
  /** The same to go on from, for a client that answers requests after the handshake; null for others. */
  readonly lateTranscript: Transcript | null;
  /** The client said that it can resume in a way that is possible here. */
  readonly takesTickets: boolean;
  readonly resumed: boolean;
  readonly application: TrafficSecretPair;
  /** No ticket lives beyond this, in milliseconds since 1970. */
  readonly keysEndMs: number;
}

export class EstablishedServer13 extends State {
  readonly name = 'established';
  readonly #host: Host<ServerConfig>;
  readonly #finished: FinishedServer13;
  readonly #traffic: TrafficSecrets;
  #facts: SessionFacts;
  #asked: LateAuthentication | null = null;
  #tickets = 0;

  constructor(host: Host<ServerConfig>, finished: FinishedServer13) {
    super();
    this.#host = host;
    this.#finished = finished;
    this.#facts = finished.facts;
    installTrafficKeys(host, 'read', finished.suite, finished.application.client);
    this.#traffic = new TrafficSecrets(
      host,
      finished.suite,
      finished.application.client,
      finished.application.server,
      () => finished.late.forgetMaster(finished.transcriptHash),
    );
    host.applicationDataHook = (): void => this.#traffic.onApplicationData();
    host.issueTicket = (): void => this.#issueTicket();
    const { lateTranscript } = finished;
    if (lateTranscript !== null) {
      host.requestCertificate = (required): void => this.#requestCertificate(lateTranscript, required);
    }
    host.track(this.#traffic);
  }

  override get reads(): Reads {
    return 'data';
  }

  override get handshaking(): boolean {
    return false;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type === HandshakeType.key_update) {
      this.#traffic.onKeyUpdate(message.subarray(4));
      return this;
    }
    const body = this.#asked === null ? null : clientCertificateBody(this.#host, type, message);
    if (this.#asked === null || body === null) throw unexpected(type, this.name);
    return this.#asked.onCertificate(body, message);
  }

  #requestCertificate(transcript: Transcript, required: boolean): void {
    const host = this.#host;
    if (this.#asked !== null) return;
    host.isAskingLate = true;
    this.#asked = new LateAuthentication(
      host,
      transcript,
      this.#finished.settings.clientCertificateAuthorities,
      required,
      (hash) => this.#traffic.readVerifyData(hash),
      (identity) => this.#onIdentity(identity),
    );
  }

  /** Sessions from before do not know the client's certificate: there are new ones, as from OpenSSL. */
  #onIdentity({ chain, verifyResult }: LateIdentity): State {
    const host = this.#host;
    this.#asked = null;
    host.isAskingLate = false;
    const before = this.#facts;
    const { bindings } = before;
    this.#facts = {
      ...before,
      verifyResult,
      peer: chain[0] ?? null,
      chain: chain.length === 0 ? null : chain,
      bindings: bindings === null ? null : Object.freeze({ ...bindings, authenticatedAtMs: host.nowMs() }),
    };
    host.adoptSession(makeSession(this.#facts, host.nowMs(), host.config.sessionTimeoutSec));
    this.issueFirstTickets();
    return this;
  }

  /** Two after a full handshake, one after a resumption; none for a client that could not use them. */
  issueFirstTickets(): void {
    const { config } = this.#host;
    const { settings, takesTickets, resumed } = this.#finished;
    if (this.#host.sendNoTicket || this.#host.writable !== 'data') return;
    if (config.ticketCount === 0 || (!settings.tickets && !config.statefulTickets)) return;
    if (!takesTickets) return;
    const count = resumed ? 1 : config.ticketCount;
    for (let i = 0; i < count; i++) this.#issueTicket();
  }

  #issueTicket(): void {
    const host = this.#host;
    const { config } = host;
    const leftSec = this.#leftSec();
    // What could not be resumed any more is not worth a message.
    if (leftSec <= 0) return;
    const lifetimeSec = Math.min(config.sessionTimeoutSec, MAX_TICKET_LIFETIME_SEC, leftSec);
    const nonce = ticketNonce(this.#tickets++);
    const masterKey = this.#finished.late.resumption(this.#finished.transcriptHash).psk(nonce);
    const random = host.random(4);
    const ageAdd = new DataView(random.buffer, random.byteOffset, 4).getUint32(0);
    const id = newSessionId(host);
    const maxEarlyData = config.replayGuard ? config.maxEarlyData : 0;
    const session = makeSession(
      {
        ...this.#facts,
        masterKey,
        id,
        ticketLifetimeHint: lifetimeSec,
        ticketAgeAdd: ageAdd,
        maxEarlyData,
      },
      host.nowMs(),
      lifetimeSec,
    );
    masterKey.fill(0);
    // Its reference is the job's and then the event's; the connection takes one of its own with the job.
    host.holdGiven(session);
    const send = (ticket: Uint8Array | null): void => {
      // Nothing follows a close_notify. The session stays good: a cache may have it.
      const goesOut = host.writable === 'data';
      if (goesOut && ticket !== null && ticket.length > 0 && ticket.length <= 0xffff) {
        this.#send({
          lifetimeSec,
          ageAdd,
          nonce,
          ticket,
          maxEarlyData: maxEarlyData > 0 ? maxEarlyData : null,
        });
      }
      host.passOn(session);
      host.emit({ type: 'session', session });
    };
    const failed = (error: unknown): void => {
      host.letGo(session);
      // A ticket that cannot be made costs a resumption, not a connection; only a callback that says so ends it.
      if (error instanceof TlsAlertError) throw error;
    };
    if (config.statefulTickets) {
      host.startSideJob<'store-session'>({ kind: 'store-session', session }, () => send(id), failed);
    } else {
      host.startSideJob<'seal-ticket'>({ kind: 'seal-ticket', session, lifetimeSec }, send, failed);
    }
  }

  /** Seconds that anything may live that comes of this connection's keys. */
  #leftSec(): number {
    const host = this.#host;
    const { facts, keysEndMs } = this.#finished;
    const beganMs = facts.bindings?.authenticatedAtMs ?? host.nowMs();
    const chainEndMs = beganMs + host.config.maxKeyingMaterialAgeSec * 1000;
    return Math.floor((Math.min(chainEndMs, keysEndMs) - host.nowMs()) / 1000);
  }

  #send(ticket: Parameters<typeof writeNewSessionTicket13>[1]): void {
    const writer = new Writer(ticket.ticket.length + 64);
    writeNewSessionTicket13(writer, ticket, this.#host.config.grease ? 0x0a0a : 0);
    this.#host.send(writer.view());
    writer.buffer.fill(0);
  }
}

/** OpenSSL's: eight bytes, big-endian, counting from zero. */
function ticketNonce(counter: number): Uint8Array {
  const nonce = new Uint8Array(8);
  new DataView(nonce.buffer).setUint32(4, counter);
  return nonce;
}
