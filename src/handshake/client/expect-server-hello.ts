import { EarlySecret, type TrafficSecret } from '../../schedule/tls13.ts';
import type { EarlyDataReason } from '../../session/resumption-reason.ts';
import { equalBytes } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import { readRetryGroup, readServerKeyShare } from '../../wire/extension/key-share.ts';
import { readSelectedVersion } from '../../wire/extension/lists.ts';
import { readSelectedPsk } from '../../wire/extension/pre-shared-key.ts';
import { readCookie } from '../../wire/extension/small.ts';
import {
  DOWNGRADE_TLS11,
  DOWNGRADE_TLS12,
  readServerHello,
  type ServerHello,
} from '../../wire/message/server-hello.ts';
import { ExtensionType, HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig, ExternalPsk } from '../config.ts';
import type { Host } from '../host.ts';
import { installTrafficKeys } from '../shared/traffic.ts';
import { State, unexpected } from '../state.ts';
import { ExpectEncryptedExtensions } from './encrypted-extensions.ts';
import { externalOffer, type PskOffer, releaseOffers } from './psk-offer.ts';
import { type Offer, sendHello } from './start.ts';
import { continueTls12 } from './tls12.ts';

const SERVER_HELLO_13: readonly number[] = [
  ExtensionType.supported_versions,
  ExtensionType.key_share,
  ExtensionType.pre_shared_key,
];
const HELLO_RETRY: readonly number[] = [
  ExtensionType.supported_versions,
  ExtensionType.key_share,
  ExtensionType.cookie,
];

/** What a HelloRetryRequest fixed. */
interface Retried {
  readonly suite: CipherSuite;
}

export class ExpectServerHello extends State {
  readonly name = 'expectServerHello';
  readonly #host: Host<ClientConfig>;
  readonly #offer: Offer;
  readonly #retried: Retried | null;

  constructor(host: Host<ClientConfig>, offer: Offer, retried: Retried | null) {
    super();
    this.#host = host;
    this.#offer = offer;
    this.#retried = retried;
  }

  onMessage(type: number, message: Uint8Array): State {
    // A server may ask for a renegotiation at any time in TLS 1.2; during a handshake it is ignored
    // (RFC 5246, 7.4.1.1), but never between hellos that may still become TLS 1.3.
    if (type !== HandshakeType.server_hello) throw unexpected(type, this.name);
    const hello = readServerHello(message.subarray(4));
    const version = this.#checkVersion(hello);
    if (hello.compressionMethod !== 0) throw TlsAlertError.local('wrong-compression');
    const { session } = this.#offer;
    if (session !== null && session.body('connection').version !== version) {
      this.#host.info.resumptionReason = 'other-version';
    }
    const suite = this.#checkSuite(hello, version);
    if (version === ProtocolVersion.TLS1_2) {
      if (this.#retried !== null) throw TlsAlertError.local('illegal-parameter', 'TLS 1.2 after a retry');
      return continueTls12(this.#host, this.#offer, hello, suite, message);
    }
    this.#host.info.version = version;
    this.#host.reader.version = version;
    this.#host.requireRecordBoundary();
    if (!equalBytes(hello.sessionId, this.#offer.base.sessionId)) {
      throw TlsAlertError.local('illegal-parameter', 'the session id is not echoed');
    }
    return hello.isHelloRetryRequest
      ? this.#onRetry(hello, suite, message)
      : this.#onHello(hello, suite, message);
  }

  #checkVersion(hello: ServerHello): number {
    const { versions } = this.#offer.base;
    const selected = hello.extensions.get(ExtensionType.supported_versions);
    if (selected === undefined) {
      const version = hello.legacyVersion;
      if (hello.isHelloRetryRequest) {
        throw TlsAlertError.local('missing-extension', 'supported_versions in HelloRetryRequest');
      }
      if (version !== ProtocolVersion.TLS1_2 || !versions.includes(version)) {
        throw TlsAlertError.local('no-common-version', `the server chose 0x${version.toString(16)}`);
      }
      if (versions.includes(ProtocolVersion.TLS1_3)) {
        const tail = hello.random.subarray(24);
        if (equalBytes(tail, DOWNGRADE_TLS12) || equalBytes(tail, DOWNGRADE_TLS11)) {
          throw TlsAlertError.local('downgrade-detected');
        }
      }
      return version;
    }
    if (!versions.includes(ProtocolVersion.TLS1_3)) {
      throw TlsAlertError.local('unsolicited-extension', 'supported_versions in ServerHello');
    }
    if (
      hello.legacyVersion !== ProtocolVersion.TLS1_2 ||
      readSelectedVersion(selected) !== ProtocolVersion.TLS1_3
    ) {
      throw TlsAlertError.local('illegal-parameter', 'an impossible version in ServerHello');
    }
    return ProtocolVersion.TLS1_3;
  }

  #checkSuite(hello: ServerHello, version: number): CipherSuite {
    const suite = cipherSuites.get(hello.cipherSuite);
    if (
      suite === undefined ||
      suite.version !== version ||
      !this.#offer.base.cipherSuites.includes(suite.id)
    ) {
      throw TlsAlertError.local('wrong-cipher', `0x${hello.cipherSuite.toString(16)}`);
    }
    return suite;
  }

  // HelloRetryRequest (RFC 8446, 4.1.4) ----------------------------------------------------------------

  #onRetry(hello: ServerHello, suite: CipherSuite, message: Uint8Array): State {
    const host = this.#host;
    const offer = this.#offer;
    if (this.#retried !== null) throw TlsAlertError.local('second-hello-retry');
    // A cookie answers nothing: it is the one extension that may come unasked (RFC 8446, 4.2.2).
    hello.extensions.checkAnswers('HelloRetryRequest', HELLO_RETRY, [
      ...offer.written.sent,
      ExtensionType.cookie,
    ]);
    const share = hello.extensions.get(ExtensionType.key_share);
    const cookieBody = hello.extensions.get(ExtensionType.cookie);
    const cookie = cookieBody === undefined ? null : readCookie(cookieBody).slice();
    if (share === undefined && cookie === null) throw TlsAlertError.local('useless-hello-retry');
    if (share !== undefined) {
      const group = readRetryGroup(share);
      if (!host.config.groups.includes(group)) throw TlsAlertError.local('wrong-group');
      if (offer.keyShares.some((key) => key.group === group))
        throw TlsAlertError.local('useless-hello-retry');
      for (const key of offer.keyShares) key.destroy();
      offer.keyShares = [host.track(host.provider.generateKeyExchange(group))];
    }
    host.info.helloRetryRequest = true;
    offer.transcript.choose(suite.hash);
    offer.transcript.replaceByMessageHash();
    offer.transcript.update(message);
    this.#endEarlyData('early-data-hello-retry');
    // Only keys of the suite's hash can still be bound (RFC 8446, 4.1.4).
    const kept: PskOffer[] = [];
    const dropped: PskOffer[] = [];
    for (const psk of offer.psks) (psk.hash === suite.hash ? kept : dropped).push(psk);
    releaseOffers(
      host,
      dropped.filter((psk) => psk.kind === 'ticket'),
    );
    const externals = [...dropped, ...kept].filter((psk) => psk.kind === 'external');
    if (externals.length === 0) {
      offer.psks = kept;
      return this.#sendSecond(suite, cookie);
    }
    // OpenSSL asks its callback again with the hash that is now fixed, and so does this.
    releaseOffers(host, externals);
    const tickets = kept.filter((psk) => psk.kind === 'ticket');
    return host.wait<'offer-psk'>({ kind: 'offer-psk', hash: suite.hash }, (psk: ExternalPsk | null) => {
      const again = psk === null ? [] : [externalOffer(host, psk)];
      offer.psks = [...tickets, ...again.filter(({ hash }) => hash === suite.hash)];
      releaseOffers(
        host,
        again.filter(({ hash }) => hash !== suite.hash),
      );
      return this.#sendSecond(suite, cookie);
    });
  }

  #sendSecond(suite: CipherSuite, cookie: Uint8Array | null): State {
    const { info } = this.#host;
    if (info.offered === 'psk' && this.#offer.psks.length === 0) info.resumptionReason = 'other-hash';
    sendHello(this.#host, this.#offer, cookie);
    return new ExpectServerHello(this.#host, this.#offer, { suite });
  }

  #endEarlyData(reason: EarlyDataReason): void {
    const host = this.#host;
    if (!this.#offer.earlyData) return;
    this.#offer.earlyData = false;
    host.writable = 'nothing';
    host.writer.setProtection(null);
    host.info.earlyDataReason = reason;
    host.emit({ type: 'early-data', accepted: false, reason });
  }

  // ServerHello of TLS 1.3 (RFC 8446, 4.1.3) -----------------------------------------------------------

  #onHello(hello: ServerHello, suite: CipherSuite, message: Uint8Array): State {
    const host = this.#host;
    const offer = this.#offer;
    if (this.#retried !== null && this.#retried.suite !== suite) {
      throw TlsAlertError.local('wrong-cipher', 'another suite than the HelloRetryRequest chose');
    }
    hello.extensions.checkAnswers('ServerHello', SERVER_HELLO_13, offer.written.sent);
    const psk = this.#choosePsk(hello, suite);
    const secret = this.#keyExchange(hello, psk);
    offer.transcript.choose(suite.hash);
    offer.transcript.update(message);

    host.info.cipherSuite = suite.id;
    host.info.extendedMasterSecret = true;
    host.info.resumed = psk !== null;
    host.info.externalPsk = psk?.kind === 'external';
    if (psk !== null) {
      host.info.resumptionReason = null;
      host.info.resumedBy = psk.kind === 'external' ? 'external-psk' : 'ticket';
    }
    if (offer.earlyData && psk !== offer.psks[0]) this.#rejectEarlyKeys();

    const early = psk === null ? EarlySecret.create(host.provider, suite.hash, null, host.keyLog) : psk.early;
    const handshake = host.track(early.toHandshake(secret));
    secret?.fill(0);
    const traffic = handshake.traffic(offer.transcript.peek());
    host.track(traffic.client);
    host.track(traffic.server);
    installTrafficKeys(host, 'read', suite, traffic.server);
    this.#installWriteKeys(suite, traffic.client);
    for (const share of offer.keyShares) share.destroy();
    offer.keyShares = [];
    return new ExpectEncryptedExtensions(host, offer, { suite, handshake, traffic, psk });
  }

  #choosePsk(hello: ServerHello, suite: CipherSuite): PskOffer | null {
    const selected = hello.extensions.get(ExtensionType.pre_shared_key);
    if (selected === undefined) return null;
    const psk = this.#offer.psks[readSelectedPsk(selected)];
    if (psk === undefined || psk.hash !== suite.hash) throw TlsAlertError.local('wrong-psk');
    return psk;
  }

  /** The shared secret, or null for a PSK without Diffie-Hellman. */
  #keyExchange(hello: ServerHello, psk: PskOffer | null): Uint8Array | null {
    const host = this.#host;
    const share = hello.extensions.get(ExtensionType.key_share);
    if (share === undefined) {
      if (psk !== null && host.config.allowPskKe) return null;
      throw TlsAlertError.local('missing-extension', 'key_share in ServerHello');
    }
    if (psk !== null && host.config.allowPskKe && host.config.pskKeOnly) {
      throw TlsAlertError.local('illegal-parameter', 'key_share with psk_ke');
    }
    const { group, keyExchange } = readServerKeyShare(share);
    const key = this.#offer.keyShares.find((candidate) => candidate.group === group);
    if (key === undefined) throw TlsAlertError.local('wrong-group');
    const secret = key.derive(keyExchange);
    if (secret === null) throw TlsAlertError.local('bad-key-share');
    host.info.group = group;
    return secret;
  }

  /** Early data under a key that the server did not take: nothing more goes out under it. */
  #rejectEarlyKeys(): void {
    const isResumed = this.#host.info.resumed;
    this.#endEarlyData(isResumed ? 'early-data-not-first' : 'early-data-not-resumed');
  }

  #installWriteKeys(suite: CipherSuite, secret: TrafficSecret): void {
    // With early data on its way the write keys stay until EndOfEarlyData, or until it is refused.
    if (this.#offer.earlyData) return;
    installTrafficKeys(this.#host, 'write', suite, secret);
  }
}
