/** TLS 1.3 at the client, from EncryptedExtensions to Finished (RFC 8446, 4.3 and 4.4; appendix A.1). */
import type { PublicKey } from '../../crypto/provider.ts';
import type { HandshakeSecret, TrafficSecretPair } from '../../schedule/tls13.ts';
import type { PeerCertificate } from '../../session/body.ts';
import { Field } from '../../session/body.ts';
import { equalBytes, equalSecret, latin1 } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import type { CipherSuite } from '../../util/registries.ts';
import { readAlpnAnswer } from '../../wire/extension/alpn.ts';
import { readRecordSizeLimit } from '../../wire/extension/small.ts';
import { Extensions, expectEmpty } from '../../wire/extensions.ts';
import { readCertificate13 } from '../../wire/message/certificate.ts';
import { type CertificateRequest, readCertificateRequest13 } from '../../wire/message/certificate-request.ts';
import { ExtensionType, HandshakeType } from '../../wire/numbers.ts';
import { Reader } from '../../wire/reader.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { VerifyCertificateAnswer } from '../jobs.ts';
import { acceptCertificateVerify } from '../shared/certificate-verify.ts';
import { expandCertificate, keepChain, leafKey } from '../shared/certificates.ts';
import { installTrafficKeys } from '../shared/traffic.ts';
import { State, unexpected } from '../state.ts';
import { finishClient13 } from './finish.ts';
import type { PskOffer } from './psk-offer.ts';
import type { Offer } from './start.ts';

/** What the ServerHello decided. */
export interface Hello13 {
  readonly suite: CipherSuite;
  readonly handshake: HandshakeSecret;
  readonly traffic: TrafficSecretPair;
  readonly psk: PskOffer | null;
}

/** What is known of the server when its Finished is due. */
export interface ServerIdentity {
  readonly chain: readonly PeerCertificate[];
  readonly verifyResult: number;
}

const ENCRYPTED_EXTENSIONS: readonly number[] = [
  ExtensionType.server_name,
  ExtensionType.supported_groups,
  ExtensionType.application_layer_protocol_negotiation,
  ExtensionType.record_size_limit,
  ExtensionType.early_data,
];

export class ExpectEncryptedExtensions extends State {
  readonly name = 'expectEncryptedExtensions';
  readonly #host: Host<ClientConfig>;
  readonly #offer: Offer;
  readonly #hello: Hello13;

  constructor(host: Host<ClientConfig>, offer: Offer, hello: Hello13) {
    super();
    this.#host = host;
    this.#offer = offer;
    this.#hello = hello;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.encrypted_extensions) throw unexpected(type, this.name);
    const host = this.#host;
    const offer = this.#offer;
    const reader = new Reader(message, 4);
    const extensions = Extensions.read(reader);
    reader.finish();
    extensions.checkAnswers('EncryptedExtensions', ENCRYPTED_EXTENSIONS, offer.written.sent);

    const name = extensions.get(ExtensionType.server_name);
    if (name !== undefined) expectEmpty(name, ExtensionType.server_name);
    const alpn = extensions.get(ExtensionType.application_layer_protocol_negotiation);
    if (alpn !== undefined) host.info.alpn = acceptAlpn(host, alpn);
    const limit = extensions.get(ExtensionType.record_size_limit);
    if (limit !== undefined) {
      // The limit counts the inner type byte (RFC 8449, 4).
      host.writer.maxFragment = Math.min(host.config.maxSendFragment, readRecordSizeLimit(limit) - 1);
      host.reader.recordSizeLimit = host.config.recordSizeLimit;
    }
    this.#earlyData(extensions.get(ExtensionType.early_data));
    offer.transcript.update(message);
    host.info.serverName = host.config.serverName;
    if (this.#hello.psk === null) return new ExpectCertificate(host, offer, this.#hello, null);
    const { psk } = this.#hello;
    const body = psk.session.body('connection');
    const chain = body.chain ?? (body.peer === null ? [] : [body.peer]);
    host.info.peerChain = chain.map((certificate) => certificate.der);
    host.info.verifyResult = body.verifyResult;
    return new ExpectFinished(host, offer, this.#hello, { chain, verifyResult: body.verifyResult }, null);
  }

  #earlyData(answer: Uint8Array | undefined): void {
    const host = this.#host;
    const offer = this.#offer;
    if (answer !== undefined) {
      expectEmpty(answer, ExtensionType.early_data);
      const { psk } = this.#hello;
      if (!offer.earlyData || psk === null || psk !== offer.psks[0]) {
        throw TlsAlertError.local('early-data-unexpected');
      }
      this.#checkEarlyBinding(psk);
      host.info.earlyDataAccepted = true;
      host.info.earlyDataReason = null;
      host.emit({ type: 'early-data', accepted: true, reason: null });
      return;
    }
    if (!offer.earlyData) return;
    offer.earlyData = false;
    host.writable = 'nothing';
    host.info.earlyDataReason = 'early-data-declined';
    installTrafficKeys(host, 'write', this.#hello.suite, this.#hello.traffic.client);
    host.emit({ type: 'early-data', accepted: false, reason: 'early-data-declined' });
  }

  /** Early data was written for what the session had; a server that took it must have the same. */
  #checkEarlyBinding(psk: PskOffer): void {
    const body = psk.session.body('connection');
    if (body.cipher !== this.#hello.suite.id) throw TlsAlertError.local('session-changed', 'cipher suite');
    const before = body.view(Field.alpn);
    const now = this.#host.info.alpn ?? new Uint8Array(0);
    if (!equalBytes(before, now)) throw TlsAlertError.local('session-changed', 'application protocol');
    const name = body.has(Field.hostname) ? latin1(body.view(Field.hostname)) : null;
    if (psk.kind === 'ticket' && name !== this.#host.config.serverName) {
      throw TlsAlertError.local('session-changed', 'host name');
    }
  }
}

/** Takes a server's ALPN answer, which has to be one of ours. */
export function acceptAlpn(host: Host<ClientConfig>, body: Uint8Array): Uint8Array {
  const protocol = readAlpnAnswer(body);
  const { config } = host;
  if (!config.allowUnknownAlpn && !config.alpn.some((offered) => equalBytes(offered, protocol))) {
    throw TlsAlertError.local('wrong-alpn');
  }
  return protocol.slice();
}

/** Certificate, or a CertificateRequest before it. */
class ExpectCertificate extends State {
  readonly #host: Host<ClientConfig>;
  readonly #offer: Offer;
  readonly #hello: Hello13;
  readonly #request: CertificateRequest | null;

  constructor(host: Host<ClientConfig>, offer: Offer, hello: Hello13, request: CertificateRequest | null) {
    super();
    this.#host = host;
    this.#offer = offer;
    this.#hello = hello;
    this.#request = request;
  }

  get name(): string {
    return this.#request === null ? 'expectCertificateOrRequest' : 'expectCertificate';
  }

  onMessage(type: number, message: Uint8Array): State {
    const host = this.#host;
    const body = message.subarray(4);
    if (type === HandshakeType.certificate_request && this.#request === null) {
      const request = keepRequest(readCertificateRequest13(body));
      if (request.context.length !== 0) {
        throw TlsAlertError.local('illegal-parameter', 'a context in the handshake');
      }
      host.info.certificateRequested = true;
      this.#offer.transcript.update(message);
      return new ExpectCertificate(host, this.#offer, this.#hello, request);
    }
    if (type === HandshakeType.certificate) {
      return this.#onCertificate(body, message);
    }
    if (
      type === HandshakeType.compressed_certificate &&
      this.#offer.written.sent.includes(ExtensionType.compress_certificate)
    ) {
      const expanded = expandCertificate(host, body);
      return this.#onCertificate(expanded, message);
    }
    throw unexpected(type, this.name);
  }

  #onCertificate(body: Uint8Array, message: Uint8Array): State {
    const host = this.#host;
    const certificate = readCertificate13(body, this.#offer.written.sent, host.limits.chainCertificates);
    if (certificate.context.length !== 0) {
      throw TlsAlertError.local('illegal-parameter', 'a context in the handshake');
    }
    const leaf = certificate.chain[0];
    if (leaf === undefined) throw TlsAlertError.local('no-certificate');
    const key = leafKey(host, leaf, true);
    const chain = keepChain(certificate.chain);
    this.#offer.transcript.update(message);
    const peerChain = chain.map((kept) => kept.der);
    host.info.peerChain = peerChain;
    host.info.ocspResponse = certificate.ocspResponse?.slice() ?? null;
    host.info.sctList = certificate.sctList?.slice() ?? null;
    return host.wait<'verify-certificate'>(
      {
        kind: 'verify-certificate',
        peer: 'server',
        chain: peerChain,
        serverName: host.config.serverName,
        ocspRequested: host.config.requestOcsp,
        ocspResponse: host.info.ocspResponse,
        sctList: host.info.sctList,
        resumption: false,
      },
      (answer) => {
        checkVerifyAnswer(host, answer);
        const identity = { chain, verifyResult: answer.verifyResult };
        return new ExpectCertificateVerify(host, this.#offer, this.#hello, key, identity, this.#request);
      },
    );
  }
}

export function checkVerifyAnswer(host: Host, answer: VerifyCertificateAnswer): void {
  host.info.verifyResult = answer.verifyResult;
  if (answer.ok) return;
  throw TlsAlertError.local(answer.reason, answer.detail, { cause: answer.cause, alert: answer.alert });
}

/** A copy that outlives its message. */
export function keepRequest(request: CertificateRequest): CertificateRequest {
  return {
    ...request,
    context: request.context.slice(),
    authorities: request.authorities.map((name) => name.slice()),
    certificateTypes: request.certificateTypes.slice(),
  };
}

class ExpectCertificateVerify extends State {
  readonly name = 'expectCertificateVerify';
  readonly #host: Host<ClientConfig>;
  readonly #offer: Offer;
  readonly #hello: Hello13;
  readonly #key: PublicKey;
  readonly #identity: ServerIdentity;
  readonly #request: CertificateRequest | null;

  constructor(
    host: Host<ClientConfig>,
    offer: Offer,
    hello: Hello13,
    key: PublicKey,
    identity: ServerIdentity,
    request: CertificateRequest | null,
  ) {
    super();
    this.#host = host;
    this.#offer = offer;
    this.#hello = hello;
    this.#key = key;
    this.#identity = identity;
    this.#request = request;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.certificate_verify) throw unexpected(type, this.name);
    const host = this.#host;
    const { transcript } = this.#offer;
    acceptCertificateVerify(host, 'server', this.#key, transcript, message);
    return new ExpectFinished(host, this.#offer, this.#hello, this.#identity, this.#request);
  }
}

class ExpectFinished extends State {
  readonly name = 'expectFinished';
  readonly #host: Host<ClientConfig>;
  readonly #offer: Offer;
  readonly #hello: Hello13;
  readonly #identity: ServerIdentity;
  readonly #request: CertificateRequest | null;

  constructor(
    host: Host<ClientConfig>,
    offer: Offer,
    hello: Hello13,
    identity: ServerIdentity,
    request: CertificateRequest | null,
  ) {
    super();
    this.#host = host;
    this.#offer = offer;
    this.#hello = hello;
    this.#identity = identity;
    this.#request = request;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.finished) throw unexpected(type, this.name);
    const { transcript } = this.#offer;
    const expected = this.#hello.traffic.server.verifyData(transcript.peek());
    const received = message.subarray(4);
    if (received.length !== expected.length) {
      throw TlsAlertError.local('decode-error', 'Finished of a wrong length');
    }
    if (!equalSecret(expected, received)) throw TlsAlertError.local('bad-finished');
    this.#host.requireRecordBoundary();
    this.#host.info.peerFinished = expected;
    transcript.update(message);
    return finishClient13(this.#host, this.#offer, this.#hello, this.#identity, this.#request);
  }
}
