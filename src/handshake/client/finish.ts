/** The client's last flight in TLS 1.3, and the session that comes of the handshake. */
import { chainBeganMs } from '../../cache/session-check.ts';
import type { TrafficSecretPair } from '../../schedule/tls13.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import type { SessionBindings } from '../../session/body.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { writeCertificate13, writeCompressedCertificate } from '../../wire/message/certificate.ts';
import type { CertificateRequest } from '../../wire/message/certificate-request.ts';
import { writeCertificateVerify } from '../../wire/message/certificate-verify.ts';
import { writeEmptyMessage, writeFinished } from '../../wire/message/small.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig, Credential } from '../config.ts';
import type { Host } from '../host.ts';
import { chooseCompressor, compressCertificate } from '../shared/certificates.ts';
import { makeSession, type SessionFacts } from '../shared/sessions.ts';
import { certificateVerifyContent, chooseScheme } from '../shared/signatures.ts';
import { installTrafficKeys, LateSecrets } from '../shared/traffic.ts';
import { type Reads, State } from '../state.ts';
import type { Hello13, ServerIdentity } from './encrypted-extensions.ts';
import { EstablishedClient13 } from './established.ts';
import { endOffer, type Offer } from './start.ts';

export function finishClient13(
  host: Host<ClientConfig>,
  offer: Offer,
  hello: Hello13,
  identity: ServerIdentity,
  request: CertificateRequest | null,
): State {
  const { transcript } = offer;
  const master = hello.handshake.toMaster();
  const hash = transcript.peek();
  const application = master.traffic(hash);
  host.track(application.client);
  host.track(application.server);
  const late = new LateSecrets(host, master, hash);
  const done = (): State => complete(host, offer, hello, identity, late, application);
  if (offer.earlyData) {
    if (host.config.holdEarlyData) return new HoldEarlyData(host, offer, hello, application, done);
    endEarlyData(host, offer, hello);
  }
  if (request === null) return done();
  return host.wait<'client-certificate'>(
    {
      kind: 'client-certificate',
      signatureSchemes: request.signatureSchemes,
      authorities: request.authorities,
      certificateTypes: request.certificateTypes,
    },
    (credential) => sendClientCertificate(host, transcript, request, credential, done),
  );
}

function endEarlyData(host: Host<ClientConfig>, offer: Offer, hello: Hello13): void {
  const { scratch } = host;
  host.writable = 'nothing';
  scratch.reset();
  writeEmptyMessage(scratch, HandshakeType.end_of_early_data);
  host.send(scratch.view());
  offer.transcript.update(scratch.view());
  installTrafficKeys(host, 'write', hello.suite, hello.traffic.client);
}

/**
 * The server has finished, and early data still goes out until the application ends it. What the server
 * answers meanwhile is read; a message of its own ends early data, for it is answered to a finished client.
 */
class HoldEarlyData extends State {
  readonly name = 'holdEarlyData';
  readonly #end: () => State;

  constructor(
    host: Host<ClientConfig>,
    offer: Offer,
    hello: Hello13,
    application: TrafficSecretPair,
    done: () => State,
  ) {
    super();
    installTrafficKeys(host, 'read', hello.suite, application.server);
    this.#end = (): State => {
      host.endEarlyData = null;
      endEarlyData(host, offer, hello);
      return done();
    };
    host.endEarlyData = this.#end;
  }

  override get reads(): Reads {
    return 'data';
  }

  onMessage(type: number, message: Uint8Array): State {
    return this.#end().onMessage(type, message);
  }
}

/**
 * Certificate and, if there is one, CertificateVerify; in the handshake or after it. After it the messages go to
 * `later`: all of an answer has to stand together on the wire (RFC 8446, 4.6.2), while a signature may take its
 * time and the application goes on writing.
 */
export function sendClientCertificate(
  host: Host<ClientConfig>,
  transcript: Transcript,
  request: CertificateRequest,
  credential: Credential | null,
  next: () => State,
  later: Uint8Array[] | null = null,
): State {
  const { scratch } = host;
  const send = (): void => {
    if (later === null) host.send(scratch.view());
    else later.push(scratch.copy());
    transcript.update(scratch.view());
  };
  const compressor =
    credential === null ? null : chooseCompressor(host.config.certificateCompressors, request.compression);
  const ocsp = request.wantsOcsp ? (credential?.ocspResponse ?? null) : null;
  const sct = request.wantsSct ? (credential?.sctList ?? null) : null;
  const compressed =
    compressor === null || credential === null
      ? null
      : compressCertificate(host, compressor, request.context, credential, ocsp, sct);
  scratch.reset();
  host.info.ownCertificate = credential?.chain[0] ?? null;
  if (compressed !== null) writeCompressedCertificate(scratch, compressed);
  else writeCertificate13(scratch, request.context, credential?.chain ?? [], ocsp, sct);
  send();
  if (credential === null) return next();

  const scheme = chooseScheme(credential, request.signatureSchemes, ProtocolVersion.TLS1_3);
  if (scheme === null) throw TlsAlertError.local('no-common-signature-scheme');
  const content = certificateVerifyContent('client', transcript.peek());
  return host.wait<'sign'>(
    { kind: 'sign', credential, scheme, content },
    (signature) => {
      host.info.signatureScheme = scheme;
      scratch.reset();
      writeCertificateVerify(scratch, scheme, signature);
      send();
      return next();
    },
    (error) => {
      throw TlsAlertError.local('sign-failed', undefined, { cause: error });
    },
    later === null ? 'nothing' : 'data',
    later === null,
  );
}

function complete(
  host: Host<ClientConfig>,
  offer: Offer,
  hello: Hello13,
  identity: ServerIdentity,
  late: LateSecrets,
  application: TrafficSecretPair,
): State {
  const { transcript } = offer;
  const { scratch } = host;
  const verifyData = hello.traffic.client.verifyData(transcript.peek());
  host.info.finished = verifyData;
  scratch.reset();
  writeFinished(scratch, verifyData);
  host.send(scratch.view());
  transcript.update(scratch.view());

  const facts = sessionFacts(host, hello, identity);
  host.adoptSession(makeSession(facts, host.nowMs(), host.config.sessionTimeoutSec));
  const state = new EstablishedClient13(host, {
    suite: hello.suite,
    facts,
    late,
    transcript,
    application,
    readsAlready: host.config.holdEarlyData && offer.earlyData,
  });
  hello.traffic.client.destroy();
  hello.traffic.server.destroy();
  endOffer(host, offer);
  host.reader.ignoreChangeCipherSpec = false;
  host.writable = 'data';
  host.emit({ type: 'handshake' });
  return state;
}

function sessionFacts(host: Host<ClientConfig>, hello: Hello13, identity: ServerIdentity): SessionFacts {
  const { config, info } = host;
  const { psk } = hello;
  const bindings: SessionBindings = Object.freeze({
    host: config.serverName,
    port: config.port,
    trust: config.trust,
    clientAuth: config.clientAuth,
    // An external key is no session: its own handshake begins a chain.
    authenticatedAtMs: psk?.kind === 'ticket' ? chainBeganMs(psk.session) : host.nowMs(),
  });
  return {
    version: ProtocolVersion.TLS1_3,
    cipherSuite: hello.suite.id,
    group: info.group,
    masterKey: null,
    id: null,
    sidCtx: new Uint8Array(0),
    serverName: config.serverName,
    alpn: info.alpn,
    ticket: null,
    ticketAppdata: null,
    ticketLifetimeHint: 0,
    ticketAgeAdd: 0,
    maxEarlyData: 0,
    extendedMasterSecret: false,
    verifyResult: identity.verifyResult,
    peer: identity.chain[0] ?? null,
    chain: identity.chain.length === 0 ? null : identity.chain,
    bindings,
  };
}
