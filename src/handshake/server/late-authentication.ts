/** A certificate that a server asks for after the handshake (RFC 8446, 4.6.2), from request to Finished. */
import type { PublicKey } from '../../crypto/provider.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import type { PeerCertificate } from '../../session/body.ts';
import { equalBytes, equalSecret } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { readCertificate13 } from '../../wire/message/certificate.ts';
import { writeCertificateRequest13 } from '../../wire/message/certificate-request.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { acceptCertificateVerify } from '../shared/certificate-verify.ts';
import { expandable, keepChain, leafKey } from '../shared/certificates.ts';
import { type Reads, State, unexpected } from '../state.ts';
import { verifyClient } from './client-certificate.ts';

export interface LateIdentity {
  readonly chain: readonly PeerCertificate[];
  readonly verifyResult: number;
}

/** What the states below have in common. */
interface Asked {
  readonly host: Host<ServerConfig>;
  readonly context: Uint8Array;
  /** The handshake's, with the request behind it. */
  readonly transcript: Transcript;
  readonly required: boolean;
  readonly clientVerifyData: (transcriptHash: Uint8Array) => Uint8Array;
  readonly done: (identity: LateIdentity) => State;
}

/** A request that is out. Its answer begins with the client's Certificate, whenever that comes. */
export class LateAuthentication {
  readonly #asked: Asked;

  /** Sends the request. `transcript` is the handshake's up to the client's Finished; it is not changed. */
  constructor(
    host: Host<ServerConfig>,
    transcript: Transcript,
    authorities: readonly Uint8Array[],
    required: boolean,
    clientVerifyData: (transcriptHash: Uint8Array) => Uint8Array,
    done: (identity: LateIdentity) => State,
  ) {
    const { scratch } = host;
    // Unpredictable: an answer that was made beforehand fits none (RFC 8446, 4.3.2).
    const context = host.random(32);
    scratch.reset();
    writeCertificateRequest13(
      scratch,
      context,
      host.config.signatureSchemes,
      authorities,
      expandable(host.config.certificateCompressors),
    );
    host.send(scratch.view());
    const fork = transcript.fork();
    fork.update(scratch.view());
    this.#asked = { host, context, transcript: fork, required, clientVerifyData, done };
  }

  /** `body`: what `clientCertificateBody` made of `message`. */
  onCertificate(body: Uint8Array, message: Uint8Array): State {
    const asked = this.#asked;
    const { host, transcript } = asked;
    const certificate = readCertificate13(body, [], host.limits.chainCertificates);
    if (!equalBytes(certificate.context, asked.context)) {
      throw TlsAlertError.local('illegal-parameter', 'a certificate for another request');
    }
    transcript.update(message);
    const leaf = certificate.chain[0];
    if (leaf === undefined) {
      if (asked.required) throw TlsAlertError.local('certificate-required');
      return new ExpectLateFinished(asked, { chain: [], verifyResult: 0 });
    }
    const key = leafKey(host, leaf, true);
    const chain = keepChain(certificate.chain);
    return verifyClient(
      host,
      chain,
      certificate,
      (verifyResult) => new ExpectLateCertificateVerify(asked, key, { chain, verifyResult }),
    );
  }
}

abstract class LateState extends State {
  protected readonly asked: Asked;
  protected readonly identity: LateIdentity;

  constructor(asked: Asked, identity: LateIdentity) {
    super();
    this.asked = asked;
    this.identity = identity;
  }

  // The three messages come one behind the other, but data that was on its way may lie in between.
  override get reads(): Reads {
    return 'data';
  }

  override get handshaking(): boolean {
    return false;
  }
}

class ExpectLateCertificateVerify extends LateState {
  readonly name = 'expectLateCertificateVerify';
  readonly #key: PublicKey;

  constructor(asked: Asked, key: PublicKey, identity: LateIdentity) {
    super(asked, identity);
    this.#key = key;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.certificate_verify) throw unexpected(type, this.name);
    const { host, transcript } = this.asked;
    acceptCertificateVerify(host, 'client', this.#key, transcript, message);
    return new ExpectLateFinished(this.asked, this.identity);
  }
}

class ExpectLateFinished extends LateState {
  readonly name = 'expectLateFinished';

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.finished) throw unexpected(type, this.name);
    const { transcript, clientVerifyData, done } = this.asked;
    const expected = clientVerifyData(transcript.peek());
    const received = message.subarray(4);
    if (received.length !== expected.length) {
      throw TlsAlertError.local('decode-error', 'Finished of a wrong length');
    }
    if (!equalSecret(expected, received)) throw TlsAlertError.local('bad-finished');
    return done(this.identity);
  }
}
