/** The client's flight in TLS 1.3, read by the server: early data's end, certificate, Finished. */
import { chainBeganMs } from '../../cache/session-check.ts';
import type { PublicKey } from '../../crypto/provider.ts';
import type { TrafficSecretPair } from '../../schedule/tls13.ts';
import { Field, type PeerCertificate, type SessionBindings } from '../../session/body.ts';
import { equalSecret } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { type CertificateMessage, readCertificate13 } from '../../wire/message/certificate.ts';
import { expectEmptyMessage } from '../../wire/message/small.ts';
import { ExtensionType, HandshakeType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { acceptCertificateVerify } from '../shared/certificate-verify.ts';
import { keepChain, leafKey } from '../shared/certificates.ts';
import { makeSession, type SessionFacts } from '../shared/sessions.ts';
import { installTrafficKeys, type LateSecrets } from '../shared/traffic.ts';
import { type Reads, State, unexpected } from '../state.ts';
import { clientCertificateBody, verifyClient, verifyResumedClient } from './client-certificate.ts';
import { EstablishedServer13 } from './established.ts';
import type { Flight13 } from './flight.ts';

/** What the last states of a server share. */
interface Ending {
  readonly flight: Flight13;
  readonly late: LateSecrets;
  readonly application: TrafficSecretPair;
}

interface ClientIdentity {
  readonly chain: readonly PeerCertificate[];
  readonly verifyResult: number;
}

export function expectClientFlight(
  host: Host<ServerConfig>,
  flight: Flight13,
  late: LateSecrets,
  application: TrafficSecretPair,
): State {
  const ending: Ending = { flight, late, application };
  if (flight.psk !== null) {
    const { session, earlyData } = flight.psk;
    return verifyResumedClient(host, session, () => {
      const { peer, chain, verifyResult } = session.body('connection');
      const identity: ClientIdentity = { chain: chain ?? (peer === null ? [] : [peer]), verifyResult };
      if (!earlyData) return new ExpectClientFinished(host, ending, identity);
      // There is a request to answer already. Without early data nobody to answer is proven yet.
      host.writable = 'data';
      return new ExpectEndOfEarlyData(host, ending, identity);
    });
  }
  if (flight.certificateRequested) return new ExpectClientCertificate(host, ending);
  return new ExpectClientFinished(host, ending, { chain: [], verifyResult: 0 });
}

class ExpectEndOfEarlyData extends State {
  readonly name = 'expectEndOfEarlyData';
  readonly #host: Host<ServerConfig>;
  readonly #ending: Ending;
  readonly #identity: ClientIdentity;

  constructor(host: Host<ServerConfig>, ending: Ending, identity: ClientIdentity) {
    super();
    this.#host = host;
    this.#ending = ending;
    this.#identity = identity;
    const session = ending.flight.psk?.session;
    const promised = session === undefined ? 0 : session.body('connection').maxEarlyData;
    let left = Math.min(promised, host.config.receiveMaxEarlyData);
    host.applicationDataHook = (length, reads): void => {
      if (reads !== 'early') return;
      left -= length;
      if (left < 0) throw TlsAlertError.local('early-data-too-long');
    };
  }

  override get reads(): Reads {
    return 'early';
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.end_of_early_data) throw unexpected(type, this.name);
    expectEmptyMessage(type, message.subarray(4));
    const { flight } = this.#ending;
    flight.agreed.transcript.update(message);
    this.#host.applicationDataHook = null;
    this.#host.info.earlyDataEnded = true;
    installTrafficKeys(this.#host, 'read', flight.agreed.suite, flight.traffic.client);
    return new ExpectClientFinished(this.#host, this.#ending, this.#identity);
  }
}

class ExpectClientCertificate extends State {
  readonly name = 'expectClientCertificate';
  readonly #host: Host<ServerConfig>;
  readonly #ending: Ending;

  constructor(host: Host<ServerConfig>, ending: Ending) {
    super();
    this.#host = host;
    this.#ending = ending;
  }

  onMessage(type: number, message: Uint8Array): State {
    const host = this.#host;
    const body = clientCertificateBody(host, type, message);
    if (body === null) throw unexpected(type, this.name);
    const { agreed } = this.#ending.flight;
    const certificate = readCertificate13(body, [], host.limits.chainCertificates);
    if (certificate.context.length !== 0) {
      throw TlsAlertError.local('illegal-parameter', 'a context in the handshake');
    }
    agreed.transcript.update(message);
    if (certificate.chain.length === 0) {
      if (agreed.settings.clientCertificate === 'require') throw TlsAlertError.local('certificate-required');
      return new ExpectClientFinished(host, this.#ending, { chain: [], verifyResult: 0 });
    }
    return this.#verify(certificate);
  }

  #verify(certificate: CertificateMessage): State {
    const host = this.#host;
    const key = leafKey(host, certificate.chain[0] as Uint8Array, true);
    const chain = keepChain(certificate.chain);
    return verifyClient(
      host,
      chain,
      certificate,
      (verifyResult) => new ExpectClientCertificateVerify(host, this.#ending, key, { chain, verifyResult }),
    );
  }
}

class ExpectClientCertificateVerify extends State {
  readonly name = 'expectClientCertificateVerify';
  readonly #host: Host<ServerConfig>;
  readonly #ending: Ending;
  readonly #key: PublicKey;
  readonly #identity: ClientIdentity;

  constructor(host: Host<ServerConfig>, ending: Ending, key: PublicKey, identity: ClientIdentity) {
    super();
    this.#host = host;
    this.#ending = ending;
    this.#key = key;
    this.#identity = identity;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.certificate_verify) throw unexpected(type, this.name);
    const host = this.#host;
    const { transcript } = this.#ending.flight.agreed;
    acceptCertificateVerify(host, 'client', this.#key, transcript, message);
    return new ExpectClientFinished(host, this.#ending, this.#identity);
  }
}

class ExpectClientFinished extends State {
  readonly name = 'expectClientFinished';
  readonly #host: Host<ServerConfig>;
  readonly #ending: Ending;
  readonly #identity: ClientIdentity;

  constructor(host: Host<ServerConfig>, ending: Ending, identity: ClientIdentity) {
    super();
    this.#host = host;
    this.#ending = ending;
    this.#identity = identity;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.finished) throw unexpected(type, this.name);
    const host = this.#host;
    const { flight, late, application } = this.#ending;
    const { transcript } = flight.agreed;
    const expected = flight.traffic.client.verifyData(transcript.peek());
    const received = message.subarray(4);
    if (received.length !== expected.length) {
      throw TlsAlertError.local('decode-error', 'Finished of a wrong length');
    }
    if (!equalSecret(expected, received)) throw TlsAlertError.local('bad-finished');
    host.info.peerFinished = expected;
    transcript.update(message);
    flight.traffic.client.destroy();
    flight.traffic.server.destroy();

    const facts = this.#facts();
    const resumed = flight.psk?.kind === 'ticket' ? flight.psk : null;
    // Without a key exchange there is nothing new in the keys: they live no longer than those resumed from.
    const keysEndMs =
      resumed !== null && !resumed.dhe ? resumed.session.expiresAtMs : Number.POSITIVE_INFINITY;
    host.adoptSession(makeSession(facts, host.nowMs(), host.config.sessionTimeoutSec));
    if (flight.psk !== null) host.letGo(flight.psk.session);
    host.reader.ignoreChangeCipherSpec = false;
    host.writable = 'data';
    const { request } = flight.agreed;
    const modes = request.pskModes;
    const state = new EstablishedServer13(host, {
      suite: flight.agreed.suite,
      settings: flight.agreed.settings,
      facts,
      late,
      transcriptHash: transcript.peek(),
      lateTranscript: request.hello.extensions.has(ExtensionType.post_handshake_auth) ? transcript : null,
      takesTickets: modes !== null && (modes.dhe || (modes.plain && host.config.allowPskKe)),
      resumed: flight.psk !== null,
      application,
      keysEndMs,
    });
    host.emit({ type: 'handshake' });
    state.issueFirstTickets();
    return state;
  }

  #facts(): SessionFacts {
    const host = this.#host;
    const { flight } = this.#ending;
    const { psk } = flight;
    const { settings, suite } = flight.agreed;
    const before = psk?.session.body('connection') ?? null;
    const bindings: SessionBindings = Object.freeze({
      host: null,
      port: 0,
      trust: settings.trust,
      clientAuth: settings.clientAuth,
      // An external key is no session: its own handshake begins a chain.
      authenticatedAtMs: psk?.kind === 'ticket' ? chainBeganMs(psk.session) : host.nowMs(),
    });
    const { chain, verifyResult } = this.#identity;
    return {
      version: ProtocolVersion.TLS1_3,
      cipherSuite: suite.id,
      group: host.info.group,
      masterKey: null,
      id: null,
      sidCtx: settings.sessionIdContext,
      serverName: flight.agreed.request.serverName,
      alpn: settings.alpn,
      ticket: null,
      ticketAppdata: before?.has(Field.ticketAppdata) ? before.copy(Field.ticketAppdata) : null,
      ticketLifetimeHint: 0,
      ticketAgeAdd: 0,
      maxEarlyData: 0,
      extendedMasterSecret: false,
      verifyResult,
      peer: chain[0] ?? null,
      chain: chain.length === 0 ? null : chain,
      bindings,
      peerFingerprint: before?.peerFingerprint ?? null,
    };
  }
}
