/** The server's flight of a full TLS 1.2 handshake: Certificate to ServerHelloDone (RFC 5246, 7.4.2 to 7.4.5). */
import type { PublicKey } from '../../crypto/provider.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { readCertificateStatus } from '../../wire/extension/small.ts';
import { readCertificate12 } from '../../wire/message/certificate.ts';
import { type CertificateRequest, readCertificateRequest12 } from '../../wire/message/certificate-request.ts';
import { readServerKeyExchange } from '../../wire/message/key-exchange.ts';
import { expectEmptyMessage } from '../../wire/message/small.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { keepChain, leafKey } from '../shared/certificates.ts';
import { schemeFits } from '../shared/signatures.ts';
import { groupOfKey, isCurve, keyExchangeContent, suiteFitsKey } from '../shared/tls12.ts';
import { type State, unexpected } from '../state.ts';
import { checkVerifyAnswer, keepRequest, type ServerIdentity } from './encrypted-extensions.ts';
import type { ClientHello12 } from './tls12.ts';
import { answerServer } from './tls12-answer.ts';
import { ClientState12 } from './tls12-state.ts';

/** The server's certificate, before anybody judged it. */
interface ShownCertificate {
  readonly key: PublicKey;
  readonly chain: ServerIdentity['chain'];
}

/** The server's half of the key exchange; its signature is verified. */
export interface ServerShare {
  readonly group: number;
  readonly publicKey: Uint8Array;
}

export class ExpectCertificate12 extends ClientState12 {
  readonly name = 'expectCertificate';
  readonly #hello: ClientHello12;

  constructor(host: Host<ClientConfig>, hello: ClientHello12) {
    super(host, hello.helloRequests);
    this.#hello = hello;
  }

  protected onHandshakeMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.certificate) throw unexpected(type, this.name);
    const { host } = this;
    const { config } = host;
    const { suite, transcript } = this.#hello;
    const certificate = readCertificate12(message.subarray(4), host.limits.chainCertificates);
    const leaf = certificate.chain[0];
    if (leaf === undefined) throw TlsAlertError.local('no-certificate');
    const key = leafKey(host, leaf, config.enforceKeyUsage);
    if (!suiteFitsKey(suite, key.type)) {
      throw TlsAlertError.local('illegal-parameter', 'a certificate that the cipher suite does not go with');
    }
    const group = groupOfKey(key.type);
    if (group !== null && !config.groups.includes(group)) {
      throw TlsAlertError.local('illegal-parameter', 'a certificate on a curve that was not offered');
    }
    transcript.update(message);
    const chain = keepChain(certificate.chain);
    host.info.peerChain = chain.map((kept) => kept.der);
    const shown: ShownCertificate = { key, chain };
    if (this.#hello.mayStaple) return new ExpectCertificateStatus12(host, this.#hello, shown);
    return verifyServer(
      host,
      shown,
      (identity) => new ExpectServerKeyExchange(host, this.#hello, key, identity),
    );
  }
}

function verifyServer(
  host: Host<ClientConfig>,
  shown: ShownCertificate,
  next: (identity: ServerIdentity) => State,
): State {
  const { info, config } = host;
  return host.wait<'verify-certificate'>(
    {
      kind: 'verify-certificate',
      peer: 'server',
      chain: info.peerChain,
      serverName: config.serverName,
      ocspRequested: config.requestOcsp,
      ocspResponse: info.ocspResponse,
      sctList: info.sctList,
      resumption: false,
    },
    (answer) => {
      checkVerifyAnswer(host, answer);
      return next({ chain: shown.chain, verifyResult: answer.verifyResult });
    },
  );
}

/** A server that said it would staple may still change its mind (RFC 6066, 8). */
class ExpectCertificateStatus12 extends ClientState12 {
  readonly name = 'expectCertificateStatus';
  readonly #hello: ClientHello12;
  readonly #shown: ShownCertificate;

  constructor(host: Host<ClientConfig>, hello: ClientHello12, shown: ShownCertificate) {
    super(host, hello.helloRequests);
    this.#hello = hello;
    this.#shown = shown;
  }

  protected onHandshakeMessage(type: number, message: Uint8Array): State {
    const { host } = this;
    const shown = this.#shown;
    const expectKeyExchange = (identity: ServerIdentity): ExpectServerKeyExchange =>
      new ExpectServerKeyExchange(host, this.#hello, shown.key, identity);
    if (type === HandshakeType.certificate_status) {
      host.info.ocspResponse = readCertificateStatus(message.subarray(4)).slice();
      this.#hello.transcript.update(message);
      return verifyServer(host, shown, expectKeyExchange);
    }
    if (type !== HandshakeType.server_key_exchange) throw unexpected(type, this.name);
    // The message waits for the verdict on the certificate, and the buffer that it lies in does not.
    const kept = message.slice();
    return verifyServer(host, shown, (identity) => expectKeyExchange(identity).onMessage(type, kept));
  }
}

class ExpectServerKeyExchange extends ClientState12 {
  readonly name = 'expectServerKeyExchange';
  readonly #hello: ClientHello12;
  readonly #key: PublicKey;
  readonly #identity: ServerIdentity;

  constructor(host: Host<ClientConfig>, hello: ClientHello12, key: PublicKey, identity: ServerIdentity) {
    super(host, hello.helloRequests);
    this.#hello = hello;
    this.#key = key;
    this.#identity = identity;
  }

  protected onHandshakeMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.server_key_exchange) throw unexpected(type, this.name);
    const { host } = this;
    const { config, info } = host;
    const { group, publicKey, params, scheme, signature } = readServerKeyExchange(message.subarray(4));
    if (!isCurve(group) || !config.groups.includes(group)) throw TlsAlertError.local('wrong-group');
    if (
      !config.signatureSchemes.includes(scheme) ||
      !schemeFits(scheme, this.#key.type, ProtocolVersion.TLS1_2)
    ) {
      throw TlsAlertError.local('wrong-signature-scheme');
    }
    const content = keyExchangeContent(host, this.#hello.serverRandom, params);
    if (!this.#key.verify(scheme, content, signature)) throw TlsAlertError.local('bad-signature');
    info.group = group;
    info.peerSignatureScheme = scheme;
    this.#hello.transcript.update(message);
    const share: ServerShare = { group, publicKey: publicKey.slice() };
    return new ExpectServerHelloDone(host, this.#hello, this.#identity, share, null);
  }
}

/** ServerHelloDone, or a CertificateRequest before it. */
class ExpectServerHelloDone extends ClientState12 {
  readonly #hello: ClientHello12;
  readonly #identity: ServerIdentity;
  readonly #share: ServerShare;
  readonly #request: CertificateRequest | null;

  constructor(
    host: Host<ClientConfig>,
    hello: ClientHello12,
    identity: ServerIdentity,
    share: ServerShare,
    request: CertificateRequest | null,
  ) {
    super(host, hello.helloRequests);
    this.#hello = hello;
    this.#identity = identity;
    this.#share = share;
    this.#request = request;
  }

  get name(): string {
    return this.#request === null ? 'expectRequestOrServerHelloDone' : 'expectServerHelloDone';
  }

  protected onHandshakeMessage(type: number, message: Uint8Array): State {
    const { host } = this;
    if (type === HandshakeType.certificate_request && this.#request === null) {
      const request = keepRequest(readCertificateRequest12(message.subarray(4)));
      host.info.certificateRequested = true;
      this.#hello.transcript.update(message);
      return new ExpectServerHelloDone(host, this.#hello, this.#identity, this.#share, request);
    }
    if (type !== HandshakeType.server_hello_done) throw unexpected(type, this.name);
    expectEmptyMessage(type, message.subarray(4));
    host.requireRecordBoundary();
    this.#hello.transcript.update(message);
    return answerServer(host, this.#hello, this.#identity, this.#share, this.#request);
  }
}
