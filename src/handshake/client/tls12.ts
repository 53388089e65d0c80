/** TLS 1.2 at the client: the ServerHello, and whether it resumes (RFC 5246, 7.3 and 7.4.1.3). */
import { MASTER_SECRET_LENGTH, MasterSecret12 } from '../../schedule/tls12.ts';
import { Field } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import { equalBytes } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, ProtocolVersion } from '../../util/registries.ts';
import { checkPointFormats } from '../../wire/extension/lists.ts';
import { readRecordSizeLimit, readRenegotiationInfo, readSctList } from '../../wire/extension/small.ts';
import { expectEmpty } from '../../wire/extensions.ts';
import type { ServerHello } from '../../wire/message/server-hello.ts';
import { ExtensionType } from '../../wire/numbers.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { chainOf, hasExtendedMasterSecret } from '../shared/sessions.ts';
import { type Hello12, Secured12 } from '../shared/tls12.ts';
import type { State } from '../state.ts';
import { acceptAlpn } from './encrypted-extensions.ts';
import { endOffer, type Offer } from './start.ts';
import { expectServerFinish } from './tls12-finish.ts';
import { ExpectCertificate12 } from './tls12-flight.ts';
import { HelloRequests } from './tls12-state.ts';

const SERVER_HELLO_12: readonly number[] = [
  ExtensionType.server_name,
  ExtensionType.status_request,
  // Answers nothing in TLS 1.2, but there are servers that send it.
  ExtensionType.supported_groups,
  ExtensionType.ec_point_formats,
  ExtensionType.application_layer_protocol_negotiation,
  ExtensionType.signed_certificate_timestamp,
  ExtensionType.extended_master_secret,
  ExtensionType.record_size_limit,
  ExtensionType.session_ticket,
  ExtensionType.renegotiation_info,
];

/** What the ServerHello decided beyond what both ends keep. */
export interface ClientHello12 extends Hello12 {
  /** The id of a new session; empty when the server keeps none. */
  readonly sessionId: Uint8Array;
  /** A NewSessionTicket will come, perhaps an empty one (RFC 5077, 3.2). */
  readonly expectTicket: boolean;
  /** A CertificateStatus may come (RFC 6066, 8). */
  readonly mayStaple: boolean;
  readonly helloRequests: HelloRequests;
}

export function continueTls12(
  host: Host<ClientConfig>,
  offer: Offer,
  hello: ServerHello,
  suite: CipherSuite,
  message: Uint8Array,
): State {
  const { info } = host;
  refuseAfterEarlyData(host, offer);
  info.version = ProtocolVersion.TLS1_2;
  info.cipherSuite = suite.id;
  info.serverName = host.config.serverName;
  host.reader.version = ProtocolVersion.TLS1_2;
  host.reader.ignoreChangeCipherSpec = false;
  host.writer.changeCipherSpecPending = false;

  const session = resumedSession(offer, hello);
  const extended = readAnswers(host, offer, hello, session !== null);
  const { transcript } = offer;
  // The messages themselves are signed by a client certificate, and who resumes shows none.
  transcript.choose(suite.hash, session === null);
  transcript.update(message);
  const agreed: ClientHello12 = {
    suite,
    transcript,
    serverRandom: hello.random.slice(),
    extended,
    sessionId: hello.sessionId.slice(),
    expectTicket: hello.extensions.has(ExtensionType.session_ticket),
    mayStaple: hello.extensions.has(ExtensionType.status_request),
    helloRequests: new HelloRequests(host),
  };
  if (session !== null) return resume(host, offer, agreed, session);
  if (offer.session !== null || offer.psks.length > 0) info.resumptionReason = whyDeclined(offer);
  endOffer(host, offer);
  return new ExpectCertificate12(host, agreed);
}

/** Early data belongs to TLS 1.3: a server that knew of it and now does not is not to be believed (RFC 8446, D.3). */
function refuseAfterEarlyData(host: Host<ClientConfig>, offer: Offer): void {
  if (!offer.earlyData) return;
  host.info.earlyDataReason = 'early-data-other-version';
  host.writable = 'nothing';
  host.writer.setProtection(null);
  throw TlsAlertError.local('no-common-version', 'the server chose TLS 1.2 after early data was sent');
}

/** The session that was offered, if the server echoes its id; null for a full handshake. */
function resumedSession(offer: Offer, hello: ServerHello): SessionCore | null {
  if (hello.sessionId.length === 0 || !equalBytes(hello.sessionId, offer.base.sessionId)) return null;
  const { session } = offer;
  if (session === null || session.body('connection').version !== ProtocolVersion.TLS1_2) {
    // The id was random, for middleboxes: no server can know it.
    throw TlsAlertError.local('session-changed', 'a session that was not offered is resumed');
  }
  return session;
}

function whyDeclined(offer: Offer): 'declined' | 'other-version' {
  return offer.session?.body('connection').version === ProtocolVersion.TLS1_2 ? 'declined' : 'other-version';
}

/** Takes in the extensions; whether the extended master secret was agreed on. */
function readAnswers(host: Host<ClientConfig>, offer: Offer, hello: ServerHello, resumed: boolean): boolean {
  const { config, info } = host;
  const { extensions } = hello;
  extensions.checkAnswers('ServerHello', SERVER_HELLO_12, offer.written.sent);
  for (const type of [
    ExtensionType.server_name,
    ExtensionType.status_request,
    ExtensionType.extended_master_secret,
    ExtensionType.session_ticket,
  ]) {
    const body = extensions.get(type);
    if (body !== undefined) expectEmpty(body, type);
  }
  const formats = extensions.get(ExtensionType.ec_point_formats);
  if (formats !== undefined) checkPointFormats(formats);
  const alpn = extensions.get(ExtensionType.application_layer_protocol_negotiation);
  if (alpn !== undefined) info.alpn = acceptAlpn(host, alpn);
  const sct = extensions.get(ExtensionType.signed_certificate_timestamp);
  if (sct !== undefined) {
    const list = readSctList(sct);
    // It speaks of a certificate that is not shown again.
    if (!resumed) info.sctList = list.slice();
  }
  const limit = extensions.get(ExtensionType.record_size_limit);
  if (limit !== undefined) limitRecords(host, offer, readRecordSizeLimit(limit));

  const renegotiation = extensions.get(ExtensionType.renegotiation_info);
  if (renegotiation === undefined ? config.requireSecureRenegotiation : isNotInitial(renegotiation)) {
    throw TlsAlertError.local('renegotiation-info');
  }
  info.renegotiationInfo = renegotiation !== undefined;
  const extended = extensions.has(ExtensionType.extended_master_secret);
  if (!extended && config.requireExtendedMasterSecret) throw TlsAlertError.local('extended-master-secret');
  info.extendedMasterSecret = extended;
  return extended;
}

/** A first handshake has nothing to renegotiate (RFC 5746, 3.4). */
function isNotInitial(body: Uint8Array): boolean {
  return readRenegotiationInfo(body).length !== 0;
}

/** Unlike in TLS 1.3 there is no type byte for the limit to count (RFC 8449, 4). */
function limitRecords(host: Host<ClientConfig>, offer: Offer, peerLimit: number): void {
  const { config } = host;
  host.writer.maxFragment = Math.min(config.maxSendFragment, peerLimit);
  const counted = offer.base.versions.includes(ProtocolVersion.TLS1_3) ? 1 : 0;
  host.reader.recordSizeLimit = config.recordSizeLimit + counted;
}

/** The checks of RFC 5246, 7.4.1.3 and RFC 7627, 5.3: a session is resumed as it was, or not at all. */
function resume(host: Host<ClientConfig>, offer: Offer, agreed: ClientHello12, session: SessionCore): State {
  const { info, provider } = host;
  const body = session.body('connection');
  // From here on it is the connection's session, and falls with it (RFC 5246, 7.2.2).
  session.retain('connection');
  host.adoptSession(session);
  endOffer(host, offer);
  if (body.cipher !== agreed.suite.id) throw TlsAlertError.local('session-changed', 'cipher suite');
  if (hasExtendedMasterSecret(session) !== agreed.extended) {
    throw TlsAlertError.local('extended-master-secret-changed');
  }
  const masterKey = body.view(Field.masterKey);
  if (masterKey.length !== MASTER_SECRET_LENGTH)
    throw TlsAlertError.local('session-changed', 'master secret');
  info.resumed = true;
  info.resumptionReason = null;
  info.resumedBy = info.offered === 'session-id' ? 'session-id' : 'ticket';
  info.group = body.kexGroup;
  info.verifyResult = body.verifyResult;
  info.peerChain = chainOf(session);
  const master = MasterSecret12.resume(provider, agreed.suite.hash, masterKey);
  return expectServerFinish(host, agreed, new Secured12(host, agreed, master), { kind: 'resumed', session });
}
