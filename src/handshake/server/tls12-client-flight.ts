/** The client's flight of a full TLS 1.2 handshake, read by the server (RFC 5246, 7.4.6 to 7.4.8). */
import type { KeyExchange, PublicKey } from '../../crypto/provider.ts';
import type { PeerCertificate } from '../../session/body.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { readCertificate12 } from '../../wire/message/certificate.ts';
import { readCertificateVerify } from '../../wire/message/certificate-verify.ts';
import { readClientKeyExchange } from '../../wire/message/key-exchange.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { keepChain, leafKey } from '../shared/certificates.ts';
import { schemeFits } from '../shared/signatures.ts';
import { deriveMaster12, Secured12 } from '../shared/tls12.ts';
import { State, unexpected } from '../state.ts';
import { verifyClient } from './client-certificate.ts';
import { expectClientFinish } from './tls12-finish.ts';
import type { Chosen12 } from './tls12-flight.ts';

/** What the client showed of itself; an empty chain for nothing. */
export interface ClientIdentity12 {
  readonly chain: readonly PeerCertificate[];
  /** Null without a certificate. */
  readonly key: PublicKey | null;
  readonly verifyResult: number;
}

const NOBODY: ClientIdentity12 = { chain: [], key: null, verifyResult: 0 };

export function expectClientFlight12(
  host: Host<ServerConfig>,
  chosen: Chosen12,
  exchange: KeyExchange,
): State {
  return chosen.asksClient
    ? new ExpectClientCertificate12(host, chosen, exchange)
    : new ExpectClientKeyExchange(host, chosen, exchange, NOBODY);
}

class ExpectClientCertificate12 extends State {
  readonly name = 'expectClientCertificate';
  readonly #host: Host<ServerConfig>;
  readonly #chosen: Chosen12;
  readonly #exchange: KeyExchange;

  constructor(host: Host<ServerConfig>, chosen: Chosen12, exchange: KeyExchange) {
    super();
    this.#host = host;
    this.#chosen = chosen;
    this.#exchange = exchange;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.certificate) throw unexpected(type, this.name);
    const host = this.#host;
    const { asked, hello } = this.#chosen;
    const certificate = readCertificate12(message.subarray(4), host.limits.chainCertificates);
    const next = (identity: ClientIdentity12): State =>
      new ExpectClientKeyExchange(host, this.#chosen, this.#exchange, identity);
    hello.transcript.update(message);
    const leaf = certificate.chain[0];
    if (leaf === undefined) {
      if (asked.settings.clientCertificate === 'require') throw TlsAlertError.local('no-client-certificate');
      return next(NOBODY);
    }
    const key = leafKey(host, leaf, true);
    const chain = keepChain(certificate.chain);
    return verifyClient(host, chain, null, (verifyResult) => next({ chain, key, verifyResult }));
  }
}

class ExpectClientKeyExchange extends State {
  readonly name = 'expectClientKeyExchange';
  readonly #host: Host<ServerConfig>;
  readonly #chosen: Chosen12;
  readonly #exchange: KeyExchange;
  readonly #identity: ClientIdentity12;

  constructor(host: Host<ServerConfig>, chosen: Chosen12, exchange: KeyExchange, identity: ClientIdentity12) {
    super();
    this.#host = host;
    this.#chosen = chosen;
    this.#exchange = exchange;
    this.#identity = identity;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.client_key_exchange) throw unexpected(type, this.name);
    const host = this.#host;
    const { hello } = this.#chosen;
    const premaster = this.#exchange.derive(readClientKeyExchange(message.subarray(4)));
    this.#exchange.destroy();
    if (premaster === null) throw TlsAlertError.local('bad-key-share');
    hello.transcript.update(message);
    const secured = new Secured12(host, hello, deriveMaster12(host, hello, premaster));
    const { key } = this.#identity;
    if (key !== null) {
      return new ExpectClientCertificateVerify12(host, this.#chosen, secured, this.#identity, key);
    }
    hello.transcript.forgetMessages();
    return expectClientFinish(host, this.#chosen, secured, this.#identity);
  }
}

class ExpectClientCertificateVerify12 extends State {
  readonly name = 'expectClientCertificateVerify';
  readonly #host: Host<ServerConfig>;
  readonly #chosen: Chosen12;
  readonly #secured: Secured12;
  readonly #identity: ClientIdentity12;
  readonly #key: PublicKey;

  constructor(
    host: Host<ServerConfig>,
    chosen: Chosen12,
    secured: Secured12,
    identity: ClientIdentity12,
    key: PublicKey,
  ) {
    super();
    this.#host = host;
    this.#chosen = chosen;
    this.#secured = secured;
    this.#identity = identity;
    this.#key = key;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.certificate_verify) throw unexpected(type, this.name);
    const host = this.#host;
    const { transcript } = this.#chosen.hello;
    const { scheme, signature } = readCertificateVerify(message.subarray(4));
    if (
      !host.config.signatureSchemes.includes(scheme) ||
      !schemeFits(scheme, this.#key.type, ProtocolVersion.TLS1_2)
    ) {
      throw TlsAlertError.local('wrong-signature-scheme');
    }
    if (!this.#key.verify(scheme, transcript.messages(), signature)) {
      throw TlsAlertError.local('bad-signature');
    }
    host.info.peerSignatureScheme = scheme;
    transcript.forgetMessages();
    transcript.update(message);
    return expectClientFinish(host, this.#chosen, this.#secured, this.#identity);
  }
}
