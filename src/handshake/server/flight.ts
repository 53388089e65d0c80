/** The server's flight in TLS 1.3: ServerHello to Finished (RFC 8446, 4.1.3, 4.3, 4.4). */
import { EarlySecret, type HandshakeSecret, type TrafficSecretPair } from '../../schedule/tls13.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { writeAlpn } from '../../wire/extension/alpn.ts';
import { writeServerKeyShare } from '../../wire/extension/key-share.ts';
import { writeSelectedVersion, writeU16List } from '../../wire/extension/lists.ts';
import { writeSelectedPsk } from '../../wire/extension/pre-shared-key.ts';
import { writeRecordSizeLimit } from '../../wire/extension/small.ts';
import { writeEmptyExtension } from '../../wire/extensions.ts';
import { writeCertificate13, writeCompressedCertificate } from '../../wire/message/certificate.ts';
import { writeCertificateRequest13 } from '../../wire/message/certificate-request.ts';
import { writeCertificateVerify } from '../../wire/message/certificate-verify.ts';
import { writeServerHello } from '../../wire/message/server-hello.ts';
import { writeFinished } from '../../wire/message/small.ts';
import { ExtensionType, HandshakeType } from '../../wire/numbers.ts';
import type { Credential, ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { chooseCompressor, compressCertificate, expandable } from '../shared/certificates.ts';
import { certificateVerifyContent, chooseScheme } from '../shared/signatures.ts';
import { installTrafficKeys, LateSecrets } from '../shared/traffic.ts';
import type { State } from '../state.ts';
import { expectClientFlight } from './client-flight.ts';
import type { Agreed13 } from './negotiate13.ts';
import { type ChosenPsk, skippedBytes } from './psk.ts';

/** What the flight needs after its ServerHello. */
export interface Flight13 {
  readonly agreed: Agreed13;
  readonly psk: ChosenPsk | null;
  readonly handshake: HandshakeSecret;
  readonly traffic: TrafficSecretPair;
  /** Whether a CertificateRequest went out. */
  readonly certificateRequested: boolean;
}

/** `group` is null only for a PSK without a key exchange. */
export function sendServerFlight(
  host: Host<ServerConfig>,
  agreed: Agreed13,
  group: number | null,
  psk: ChosenPsk | null,
): State {
  const { request, settings, suite, transcript } = agreed;
  const { scratch, info, provider } = host;
  const useDhe = psk === null || psk.dhe;
  if (psk === null) checkFullHandshake(agreed, group);
  const exchange = useDhe ? exchangeKeys(host, agreed, group) : null;

  scratch.reset();
  writeServerHello(scratch, host.random(32), request.hello.sessionId, suite.id, (writer) => {
    if (psk !== null) writeSelectedPsk(writer, psk.index);
    if (exchange !== null) {
      writeServerKeyShare(writer, { group: info.group, keyExchange: exchange.publicKey });
    }
    writeSelectedVersion(writer, ProtocolVersion.TLS1_3);
  });
  host.send(scratch.view());
  transcript.update(scratch.view());
  // For middleboxes (RFC 8446, D.4), whether or not the client sent a session id for them; behind a
  // HelloRetryRequest they have had it.
  if (host.config.compatibilityMode && !agreed.retried) host.writer.appendChangeCipherSpec();

  const early = psk === null ? EarlySecret.create(provider, suite.hash, null, host.keyLog) : psk.early;
  let clientEarly = null;
  if (psk?.earlyData === true) {
    const helloHash = provider.digest(suite.hash, request.message);
    clientEarly = early.clientTraffic(helloHash);
    const exporter = host.track(early.exporter(helloHash));
    host.earlyExporter = (label, context, length) => exporter.export(label, context, length);
  }
  const handshake = host.track(early.toHandshake(exchange?.secret ?? null));
  exchange?.secret.fill(0);
  const traffic = handshake.traffic(transcript.peek());
  host.track(traffic.client);
  host.track(traffic.server);
  installTrafficKeys(host, 'write', suite, traffic.server);
  if (clientEarly !== null) {
    installTrafficKeys(host, 'read', suite, clientEarly);
    clientEarly.destroy();
  } else {
    installTrafficKeys(host, 'read', suite, traffic.client);
    if (request.earlyData) host.reader.skipEarlyData(skippedBytes(host), false);
  }

  sendEncryptedExtensions(host, agreed, psk);
  const certificateRequested = psk === null && settings.clientCertificate !== 'none';
  const flight: Flight13 = { agreed, psk, handshake, traffic, certificateRequested };
  if (psk !== null) return sendFinished(host, flight);
  if (certificateRequested) {
    scratch.reset();
    writeCertificateRequest13(
      scratch,
      new Uint8Array(0),
      host.config.signatureSchemes,
      settings.clientCertificateAuthorities,
      expandable(host.config.certificateCompressors),
    );
    host.send(scratch.view());
    transcript.update(scratch.view());
  }
  return sendCertificate(host, flight);
}

function checkFullHandshake(agreed: Agreed13, group: number | null): void {
  const { request } = agreed;
  if (request.signatureSchemes === null) {
    throw TlsAlertError.local('missing-extension', 'signature_algorithms');
  }
  if (request.groups === null) throw TlsAlertError.local('missing-extension', 'supported_groups');
  if (group === null) throw TlsAlertError.local('no-common-group');
}

function exchangeKeys(
  host: Host<ServerConfig>,
  agreed: Agreed13,
  group: number | null,
): { publicKey: Uint8Array; secret: Uint8Array } {
  const share = agreed.request.keyShares?.find((entry) => entry.group === group);
  if (share === undefined) throw TlsAlertError.local('missing-extension', 'key_share');
  const exchange = host.provider.respondKeyExchange(share.group, share.keyExchange);
  if (exchange === null) throw TlsAlertError.local('bad-key-share');
  host.info.group = share.group;
  return exchange;
}

function sendEncryptedExtensions(host: Host<ServerConfig>, agreed: Agreed13, psk: ChosenPsk | null): void {
  const { scratch, config } = host;
  const { request, settings } = agreed;
  scratch.reset();
  scratch.u8(HandshakeType.encrypted_extensions);
  const message = scratch.open24();
  const extensions = scratch.open16();
  if (config.advertiseGroups) writeU16List(scratch, ExtensionType.supported_groups, config.groups);
  if (settings.alpn !== null) writeAlpn(scratch, [settings.alpn]);
  if (request.recordSizeLimit !== null && config.recordSizeLimit > 0) {
    writeRecordSizeLimit(scratch, config.recordSizeLimit + 1);
    host.writer.maxFragment = Math.min(config.maxSendFragment, request.recordSizeLimit - 1);
    host.reader.recordSizeLimit = config.recordSizeLimit;
  }
  // Also for a session that is resumed: unlike in TLS 1.2 the name is this connection's own (RFC 8446, 4.2.11).
  if (request.serverName !== null) writeEmptyExtension(scratch, ExtensionType.server_name);
  if (psk?.earlyData === true) writeEmptyExtension(scratch, ExtensionType.early_data);
  scratch.close16(extensions);
  scratch.close24(message);
  host.send(scratch.view());
  agreed.transcript.update(scratch.view());
}

/** The first credential that can sign something the client can verify. */
export function chooseCredential(
  credentials: readonly Credential[],
  peerSchemes: readonly number[],
  version: number,
  accept: (credential: Credential) => boolean,
): { credential: Credential; scheme: number } {
  for (const credential of credentials) {
    if (!accept(credential)) continue;
    const scheme = chooseScheme(credential, peerSchemes, version);
    if (scheme !== null) return { credential, scheme };
  }
  throw TlsAlertError.local('no-common-signature-scheme');
}

function sendCertificate(host: Host<ServerConfig>, flight: Flight13): State {
  const { request, settings, transcript } = flight.agreed;
  const { scratch, config } = host;
  const { credential, scheme } = chooseCredential(
    settings.credentials,
    request.signatureSchemes ?? [],
    ProtocolVersion.TLS1_3,
    () => true,
  );
  const ocsp = request.wantsOcsp ? (credential.ocspResponse ?? null) : null;
  const sct = request.wantsSct ? (credential.sctList ?? null) : null;
  const compressor = chooseCompressor(config.certificateCompressors, request.compression);
  host.info.ownCertificate = credential.chain[0] ?? null;
  const context = new Uint8Array(0);
  const compressed =
    compressor === null ? null : compressCertificate(host, compressor, context, credential, ocsp, sct);
  scratch.reset();
  if (compressed !== null) writeCompressedCertificate(scratch, compressed);
  else writeCertificate13(scratch, context, credential.chain, ocsp, sct);
  host.send(scratch.view());
  transcript.update(scratch.view());

  const content = certificateVerifyContent('server', transcript.peek());
  return host.wait<'sign'>(
    { kind: 'sign', credential, scheme, content },
    (signature) => {
      host.info.signatureScheme = scheme;
      scratch.reset();
      writeCertificateVerify(scratch, scheme, signature);
      host.send(scratch.view());
      transcript.update(scratch.view());
      return sendFinished(host, flight);
    },
    (error) => {
      throw TlsAlertError.local('sign-failed', undefined, { cause: error });
    },
  );
}

function sendFinished(host: Host<ServerConfig>, flight: Flight13): State {
  const { transcript, suite } = flight.agreed;
  const { scratch, info } = host;
  const verifyData = flight.traffic.server.verifyData(transcript.peek());
  info.finished = verifyData;
  scratch.reset();
  writeFinished(scratch, verifyData);
  host.send(scratch.view());
  transcript.update(scratch.view());

  const master = flight.handshake.toMaster();
  const hash = transcript.peek();
  const application = master.traffic(hash);
  host.track(application.client);
  host.track(application.server);
  const late = new LateSecrets(host, master, hash);
  installTrafficKeys(host, 'write', suite, application.server);
  return expectClientFlight(host, flight, late, application);
}
