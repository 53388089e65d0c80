/** A TLS 1.3 client after its handshake: tickets, key updates, certificates asked for late (RFC 8446, 4.6). */
import type { TrafficSecretPair } from '../../schedule/tls13.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import { TlsAlertError } from '../../util/errors.ts';
import type { CipherSuite } from '../../util/registries.ts';
import { readCertificateRequest13 } from '../../wire/message/certificate-request.ts';
import { readNewSessionTicket13 } from '../../wire/message/new-session-ticket.ts';
import { writeFinished } from '../../wire/message/small.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { MAX_TICKET_LIFETIME_SEC, makeSession, type SessionFacts } from '../shared/sessions.ts';
import { installTrafficKeys, type LateSecrets, TrafficSecrets } from '../shared/traffic.ts';
import { type Reads, State, unexpected } from '../state.ts';
import { keepRequest } from './encrypted-extensions.ts';
import { sendClientCertificate } from './finish.ts';

/** What is left of a finished handshake. */
export interface Finished13 {
  readonly suite: CipherSuite;
  /** What all sessions of this connection have in common. */
  readonly facts: SessionFacts;
  readonly late: LateSecrets;
  readonly transcript: Transcript;
  readonly application: TrafficSecretPair;
  /** The server's application data is being read with these keys already. */
  readonly readsAlready: boolean;
}

export class EstablishedClient13 extends State {
  readonly name = 'established';
  readonly #host: Host<ClientConfig>;
  readonly #finished: Finished13;
  readonly #traffic: TrafficSecrets;
  /** The transcript's hash up to our Finished: what the resumption secret is derived over. */
  readonly #transcriptHash: Uint8Array;
  #tickets = 0;
  #requestsInRow = 0;

  constructor(host: Host<ClientConfig>, finished: Finished13) {
    super();
    this.#host = host;
    this.#finished = finished;
    this.#transcriptHash = finished.transcript.peek();
    if (!finished.readsAlready) {
      installTrafficKeys(host, 'read', finished.suite, finished.application.server);
    }
    installTrafficKeys(host, 'write', finished.suite, finished.application.client);
    this.#traffic = new TrafficSecrets(
      host,
      finished.suite,
      finished.application.server,
      finished.application.client,
      () => finished.late.forgetMaster(this.#transcriptHash),
    );
    host.applicationDataHook = (): void => {
      this.#requestsInRow = 0;
      this.#traffic.onApplicationData();
    };
    host.track(this.#traffic);
  }

  override get reads(): Reads {
    return 'data';
  }

  override get handshaking(): boolean {
    return false;
  }

  onMessage(type: number, message: Uint8Array): State {
    const body = message.subarray(4);
    switch (type) {
      case HandshakeType.new_session_ticket:
        this.#onTicket(body);
        return this;
      case HandshakeType.key_update:
        this.#traffic.onKeyUpdate(body);
        return this;
      case HandshakeType.certificate_request:
        if (this.#host.config.postHandshakeAuth) return this.#onCertificateRequest(body, message);
        throw unexpected(type, this.name);
      default:
        throw unexpected(type, this.name);
    }
  }

  #onTicket(body: Uint8Array): void {
    const host = this.#host;
    const ticket = readNewSessionTicket13(body);
    if (++this.#tickets > host.limits.tickets) throw TlsAlertError.local('too-many-tickets');
    // A lifetime of zero: to be discarded at once. More than a week is refused by the RFC; it is cut.
    if (ticket.lifetimeSec === 0 || !host.config.tickets) return;
    const lifetimeSec = Math.min(ticket.lifetimeSec, MAX_TICKET_LIFETIME_SEC);
    const psk = this.#finished.late.resumption(this.#transcriptHash).psk(ticket.nonce);
    const session = makeSession(
      {
        ...this.#finished.facts,
        masterKey: psk,
        // OpenSSL gives a client's ticket an id, so that caches have a key: the ticket's digest.
        id: host.provider.digest('sha256', ticket.ticket),
        ticket: ticket.ticket,
        ticketLifetimeHint: lifetimeSec,
        ticketAgeAdd: ticket.ageAdd,
        maxEarlyData: ticket.maxEarlyData ?? 0,
      },
      host.nowMs(),
      Math.min(lifetimeSec, host.config.sessionTimeoutSec),
    );
    psk.fill(0);
    // It becomes the connection's own as its event is taken: several tickets may come in one flight.
    host.emit({ type: 'session', session });
  }

  /** RFC 8446, 4.6.2: the transcript goes on from the handshake's, for each request anew. */
  #onCertificateRequest(body: Uint8Array, message: Uint8Array): State {
    const host = this.#host;
    const request = keepRequest(readCertificateRequest13(body));
    if (request.context.length === 0) {
      throw TlsAlertError.local('illegal-parameter', 'a request after the handshake needs a context');
    }
    if (++this.#requestsInRow > host.limits.certificateRequests) {
      throw TlsAlertError.local('too-many-certificate-requests');
    }
    // Nothing can be answered any more behind our close_notify.
    if (host.writable !== 'data') return this;
    const transcript = this.#finished.transcript.fork();
    transcript.update(message);
    const answer: Uint8Array[] = [];
    return host.wait<'client-certificate'>(
      {
        kind: 'client-certificate',
        signatureSchemes: request.signatureSchemes,
        authorities: request.authorities,
        certificateTypes: request.certificateTypes,
      },
      (credential) =>
        sendClientCertificate(
          host,
          transcript,
          request,
          credential,
          () => {
            this.#sendAnswer(answer, transcript);
            return this;
          },
          answer,
        ),
      null,
      'data',
      false,
    );
  }

  #sendAnswer(answer: readonly Uint8Array[], transcript: Transcript): void {
    const host = this.#host;
    if (host.writable !== 'data') return;
    for (const message of answer) host.send(message);
    const { scratch } = host;
    scratch.reset();
    writeFinished(scratch, this.#traffic.writeVerifyData(transcript.peek()));
    host.send(scratch.view());
  }
}
