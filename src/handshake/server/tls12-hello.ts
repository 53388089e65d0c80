/** The ServerHello of TLS 1.2, of a full handshake and of one that resumes (RFC 5246, 7.4.1.3). */
import { ProtocolVersion } from '../../util/registries.ts';
import { writeAlpn } from '../../wire/extension/alpn.ts';
import { writeU8List } from '../../wire/extension/lists.ts';
import { writeRecordSizeLimit, writeRenegotiationInfo } from '../../wire/extension/small.ts';
import { writeEmptyExtension } from '../../wire/extensions.ts';
import { DOWNGRADE_TLS12, writeServerHello } from '../../wire/message/server-hello.ts';
import { ExtensionType } from '../../wire/numbers.ts';
import type { Writer } from '../../wire/writer.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { Hello12 } from '../shared/tls12.ts';
import type { Asked12 } from './tls12.ts';

export interface HelloAnswer12 {
  readonly suite: Hello12['suite'];
  readonly sessionId: Uint8Array;
  readonly resumed: boolean;
  readonly willSendTicket: boolean;
  /** A CertificateStatus will follow the certificate. */
  readonly staple: boolean;
  readonly sctList: Uint8Array | null;
}

export function sendServerHello12(host: Host<ServerConfig>, asked: Asked12, answer: HelloAnswer12): Hello12 {
  const { scratch } = host;
  const serverRandom = host.random(32);
  // A client that could do better learns from this that nobody in between lowered the version (RFC 8446, 4.1.3).
  if (host.config.maxVersion >= ProtocolVersion.TLS1_3) serverRandom.set(DOWNGRADE_TLS12, 24);
  scratch.reset();
  writeServerHello(scratch, serverRandom, answer.sessionId, answer.suite.id, (writer) =>
    writeExtensions(writer, host, asked, answer),
  );
  host.send(scratch.view());
  asked.transcript.update(scratch.view());
  return {
    suite: answer.suite,
    transcript: asked.transcript,
    serverRandom,
    extended: asked.request.extendedMasterSecret,
  };
}

function writeExtensions(
  writer: Writer,
  host: Host<ServerConfig>,
  { request, settings }: Asked12,
  answer: HelloAnswer12,
): void {
  const { config } = host;
  if (request.secureRenegotiation) writeRenegotiationInfo(writer, new Uint8Array(0));
  // The name is acknowledged only where it was used to decide (RFC 6066, 3): not for a resumed session.
  if (request.serverName !== null && !answer.resumed) {
    writeEmptyExtension(writer, ExtensionType.server_name);
  }
  if (request.hello.extensions.has(ExtensionType.ec_point_formats)) {
    writeU8List(writer, ExtensionType.ec_point_formats, [0]);
  }
  if (answer.willSendTicket) writeEmptyExtension(writer, ExtensionType.session_ticket);
  if (answer.staple) writeEmptyExtension(writer, ExtensionType.status_request);
  if (answer.sctList !== null) {
    writer.u16(ExtensionType.signed_certificate_timestamp);
    writer.vector16(answer.sctList);
  }
  if (settings.alpn !== null) writeAlpn(writer, [settings.alpn]);
  if (request.extendedMasterSecret) writeEmptyExtension(writer, ExtensionType.extended_master_secret);
  if (request.recordSizeLimit !== null && config.recordSizeLimit > 0) {
    writeRecordSizeLimit(writer, config.recordSizeLimit);
    host.writer.maxFragment = Math.min(config.maxSendFragment, request.recordSizeLimit);
    host.reader.recordSizeLimit = config.recordSizeLimit;
  }
}
