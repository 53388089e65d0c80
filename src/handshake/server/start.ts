/** A server's beginning: the ClientHello, what the application wants for it, and which version goes on. */
import { Transcript } from '../../schedule/transcript.ts';
import { equalBytes } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { Credential, ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { SelectAnswer } from '../jobs.ts';
import { State, unexpected } from '../state.ts';
import { type ClientRequest, chooseAlpn, readRequest } from './client-hello.ts';
import { negotiate13 } from './negotiate13.ts';
import { negotiate12 } from './tls12.ts';

/** The server's side for this one connection: its configuration, changed by a `select` job's answer. */
export interface ServerSettings {
  readonly credentials: readonly Credential[];
  /** The protocol to answer ALPN with; null: no answer. */
  readonly alpn: Uint8Array | null;
  readonly clientCertificate: 'none' | 'request' | 'require';
  readonly clientCertificateAuthorities: readonly Uint8Array[];
  readonly sessionIdContext: Uint8Array;
  readonly trust: Uint8Array;
  readonly clientAuth: Uint8Array;
  readonly tickets: boolean;
}

export function startServer(host: Host<ServerConfig>): State {
  // A client's ChangeCipherSpec stands in front of its second hello, which here may be the first (RFC 8446, D.4).
  if (host.config.cookies !== null) host.reader.ignoreChangeCipherSpec = true;
  return new ExpectClientHello(host);
}

class ExpectClientHello extends State {
  readonly name = 'expectClientHello';
  readonly #host: Host<ServerConfig>;

  constructor(host: Host<ServerConfig>) {
    super();
    this.#host = host;
    // A client that comes back with a cookie may have sent a middlebox's ChangeCipherSpec first.
    if (host.config.cookies !== null) host.reader.ignoreChangeCipherSpec = true;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.client_hello) throw unexpected(type, this.name);
    const host = this.#host;
    const { config, info } = host;
    host.writer.headerVersion = ProtocolVersion.TLS1_2;
    host.requireRecordBoundary();
    const request = readRequest(message, config);
    info.version = request.version;
    info.serverName = request.serverName;
    info.peerSignatureSchemes = request.signatureSchemes ?? [];
    host.reader.version = request.version;
    host.clientRandom = request.hello.random;
    const transcript = new Transcript(host.provider);
    transcript.update(message);
    if (!config.selectByJob) return this.#select(request, transcript, {});
    return host.wait<'select'>(
      {
        kind: 'select',
        serverName: request.serverName,
        alpn: request.alpn ?? [],
        signatureSchemes: request.signatureSchemes ?? [],
        cipherSuites: request.hello.cipherSuites,
        groups: request.groups ?? [],
        versions: request.offeredVersions,
        wantsOcsp: request.wantsOcsp,
        version: request.version,
        clientHello: request.message.slice(),
      },
      (answer) => this.#select(request, transcript, answer),
    );
  }

  #select(request: ClientRequest, transcript: Transcript, answer: SelectAnswer): State {
    const host = this.#host;
    const { config } = host;
    if (answer.alpn === 'refuse') throw TlsAlertError.local('no-common-alpn');
    checkAlpnAnswer(request, answer.alpn);
    const settings: ServerSettings = {
      credentials: answer.credentials ?? config.credentials,
      alpn: answer.alpn === undefined ? chooseAlpn(config, request) : answer.alpn,
      clientCertificate: answer.clientCertificate ?? config.clientCertificate,
      clientCertificateAuthorities:
        answer.clientCertificateAuthorities ?? config.clientCertificateAuthorities,
      sessionIdContext: answer.sessionIdContext ?? config.sessionIdContext,
      trust: answer.trust ?? config.trust,
      clientAuth: answer.clientAuth ?? config.clientAuth,
      tickets: answer.tickets ?? config.tickets,
    };
    host.info.alpn = settings.alpn;
    if (config.cookies !== null && request.version !== ProtocolVersion.TLS1_3) {
      throw TlsAlertError.local('no-common-version', 'only TLS 1.3 has cookies');
    }
    return request.version === ProtocolVersion.TLS1_3
      ? negotiate13(host, settings, request, transcript, null)
      : negotiate12(host, settings, request, transcript);
  }
}

/** An application that answers with a protocol the client does not know has failed (RFC 7301, 3.2). */
function checkAlpnAnswer(request: ClientRequest, answer: Uint8Array | null | undefined): void {
  if (answer === undefined || answer === null) return;
  if (request.alpn?.some((offered) => equalBytes(offered, answer)) === true) return;
  throw TlsAlertError.local('job-failed', 'a protocol was selected that the client did not offer');
}
