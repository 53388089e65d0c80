/** A client's beginning: what to offer, the first ClientHello, and the keys of early data. */
import type { KeyExchange } from '../../crypto/provider.ts';
import { Transcript } from '../../schedule/transcript.ts';
import { Field } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import type { EarlyDataReason, ResumptionReason } from '../../session/resumption-reason.ts';
import { EMPTY, equalBytes } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import type { ClientConfig, ExternalPsk } from '../config.ts';
import type { Host } from '../host.ts';
import { installTrafficKeys } from '../shared/traffic.ts';
import type { State } from '../state.ts';
import { ExpectServerHello } from './expect-server-hello.ts';
import {
  chooseGrease,
  type HelloBase,
  offeredVersions,
  type WrittenHello,
  writeClientHello,
} from './hello.ts';
import { whyNotOffer } from './offer.ts';
import { externalOffer, fillBinders, type PskOffer, releaseOffers, ticketOffer } from './psk-offer.ts';

/** Everything that was offered, for the states that read the answers. */
export interface Offer {
  readonly base: HelloBase;
  readonly transcript: Transcript;
  keyShares: readonly KeyExchange[];
  psks: readonly PskOffer[];
  /** Early data goes out under the first PSK. */
  earlyData: boolean;
  written: WrittenHello;
  /** The session offered, of either version; one library reference of its own. */
  readonly session: SessionCore | null;
}

export function startClient(host: Host<ClientConfig>): State {
  const { config } = host;
  const versions = offeredVersions(config);
  if (versions.length === 0 || config.cipherSuites.length === 0) {
    throw TlsAlertError.local('no-common-version', 'nothing is left to offer');
  }
  const { session } = config;
  if (session === null) {
    host.info.resumptionReason = config.noSessionReason;
    return askForExternalPsk(host, versions, null);
  }
  const reason = whyNotOffer(config, session, host.nowMs());
  if (reason !== null && reason !== 'unbound') return withoutSession(host, versions, reason);
  if (reason === null && !config.verifyOnResume) return withSession(host, versions, session);

  // The session cannot say under which trust its peer was accepted: its certificate is checked now, as if
  // it had just arrived (DESIGN rule 6).
  const body = session.body('connection');
  if (body.peer === null) {
    if (reason === null) return withSession(host, versions, session);
    return withoutSession(host, versions, 'unbound');
  }
  const chain = (body.chain ?? [body.peer]).map((certificate) => certificate.der);
  host.hold(session);
  return host.wait<'verify-certificate'>(
    {
      kind: 'verify-certificate',
      peer: 'server',
      chain,
      serverName: config.serverName,
      ocspRequested: false,
      ocspResponse: null,
      sctList: null,
      resumption: true,
    },
    (answer) => {
      const next = answer.ok
        ? withSession(host, versions, session)
        : withoutSession(host, versions, reason ?? 'peer-certificate-invalid');
      host.letGo(session);
      return next;
    },
    () => {
      host.letGo(session);
      return withoutSession(host, versions, reason ?? 'peer-certificate-invalid');
    },
  );
}

function withoutSession(host: Host<ClientConfig>, versions: number[], reason: ResumptionReason): State {
  host.info.resumptionReason = reason;
  return askForExternalPsk(host, versions, null);
}

function withSession(host: Host<ClientConfig>, versions: number[], session: SessionCore): State {
  host.hold(session);
  host.info.resumptionReason = 'declined';
  return askForExternalPsk(host, versions, session);
}

function askForExternalPsk(host: Host<ClientConfig>, versions: number[], session: SessionCore | null): State {
  if (!host.config.externalPsk || !versions.includes(ProtocolVersion.TLS1_3)) {
    return sendFirstHello(host, versions, session, null);
  }
  return host.wait<'offer-psk'>({ kind: 'offer-psk', hash: null }, (psk) =>
    sendFirstHello(host, versions, session, psk),
  );
}

function sendFirstHello(
  host: Host<ClientConfig>,
  versions: number[],
  session: SessionCore | null,
  external: ExternalPsk | null,
): State {
  const { config, provider } = host;
  const tls13 = versions.includes(ProtocolVersion.TLS1_3);
  const psks: PskOffer[] = [];
  if (session !== null && session.body('connection').version === ProtocolVersion.TLS1_3) {
    psks.push(ticketOffer(host, session));
  }
  if (external !== null) psks.push(externalOffer(host, external));

  const random = host.random(32);
  host.clientRandom = random;
  const base: HelloBase = {
    random,
    sessionId: chooseSessionId(host, session, tls13),
    versions,
    cipherSuites: config.cipherSuites.filter((id) => {
      const suite = cipherSuites.get(id);
      return suite !== undefined && versions.includes(suite.version);
    }),
    grease: config.grease ? chooseGrease(config.random) : null,
    ticket12: ticketFor12(config, session),
  };
  const keyShares: KeyExchange[] = [];
  if (tls13) {
    for (const group of config.groups.slice(0, config.keyShareCount)) {
      keyShares.push(host.track(provider.generateKeyExchange(group)));
    }
  }
  const first = psks[0];
  if (first !== undefined) {
    host.info.offered = 'psk';
    host.info.resumptionReason = 'declined';
  } else if (session !== null) {
    host.info.offered = session.body('connection').length(Field.ticket) > 0 ? 'ticket' : 'session-id';
  }
  const noEarlyData = whyNoEarlyData(config, first);
  const earlyData = noEarlyData === null;
  host.info.earlyDataOffered = earlyData;
  host.info.earlyDataReason = noEarlyData;

  const offer: Offer = {
    base,
    transcript: new Transcript(provider),
    keyShares,
    psks,
    earlyData,
    written: { sent: [], bindersLength: 0 },
    session,
  };
  sendHello(host, offer, null);
  // Only the record of the first hello says TLS 1.0 (RFC 8446, 5.1).
  host.writer.endRecord();
  host.writer.headerVersion = ProtocolVersion.TLS1_2;
  // Until a version is agreed on, a ChangeCipherSpec may only be a middlebox's decoration.
  if (tls13) host.reader.ignoreChangeCipherSpec = true;
  if (tls13 && config.compatibilityMode) host.writer.changeCipherSpecPending = true;
  if (earlyData && first !== undefined) startEarlyData(host, offer, first);
  return new ExpectServerHello(host, offer, null);
}

/** Writes, binds and sends a hello; the transcript takes it in. Used for both hellos. */
export function sendHello(host: Host<ClientConfig>, offer: Offer, cookie: Uint8Array | null): void {
  const { scratch } = host;
  offer.written = writeClientHello(scratch, host.config, offer.base, {
    keyShares: offer.keyShares,
    cookie,
    earlyData: offer.earlyData,
    identities: offer.psks.map(({ identity, obfuscatedAge }) => ({ identity, obfuscatedAge })),
    binderLengths: offer.psks.map(({ binderLength }) => binderLength),
  });
  const hello = scratch.view();
  if (offer.psks.length > 0) fillBinders(offer, hello);
  host.send(hello);
  offer.transcript.update(hello);
}

/** Wipes the private keys and gives back the sessions of an offer that has been answered. */
export function endOffer(host: Host<ClientConfig>, offer: Offer): void {
  for (const share of offer.keyShares) share.destroy();
  releaseOffers(host, offer.psks);
  if (offer.session !== null) host.letGo(offer.session);
}

function chooseSessionId(host: Host<ClientConfig>, session: SessionCore | null, tls13: boolean): Uint8Array {
  if (session !== null) {
    const body = session.body('connection');
    if (body.version === ProtocolVersion.TLS1_2) {
      // With a ticket the id only has to be recognisable when it is echoed (RFC 5077, 3.4).
      const id = body.copy(Field.id);
      if (id.length > 0) return id;
      return host.provider.digest('sha256', body.view(Field.ticket));
    }
  }
  return tls13 && host.config.compatibilityMode ? host.random(32) : new Uint8Array(0);
}

function ticketFor12(config: ClientConfig, session: SessionCore | null): Uint8Array | null {
  if (!config.tickets || !config.tickets12 || config.minVersion > ProtocolVersion.TLS1_2) return null;
  if (session === null) return new Uint8Array(0);
  const body = session.body('connection');
  return body.version === ProtocolVersion.TLS1_2 ? body.copy(Field.ticket) : new Uint8Array(0);
}

/** Null: early data goes out under the first pre-shared key. */
function whyNoEarlyData(config: ClientConfig, psk: PskOffer | undefined): EarlyDataReason | null {
  if (!config.earlyData) return 'early-data-not-offered';
  if (psk === undefined) return 'early-data-not-resumed';
  const body = psk.session.body('connection');
  if (body.maxEarlyData === 0) return 'early-data-not-allowed';
  if (!config.cipherSuites.includes(body.cipher)) return 'early-data-other-cipher';
  // The early data's protocol is the session's: one that is not offered now cannot be confirmed.
  const alpn = body.view(Field.alpn);
  const offered = alpn.length === 0 || config.alpn.some((protocol) => equalBytes(protocol, alpn));
  return offered ? null : 'early-data-other-alpn';
}

function startEarlyData(host: Host<ClientConfig>, offer: Offer, psk: PskOffer): void {
  const { writer } = host;
  const body = psk.session.body('connection');
  const suite = cipherSuites.get(body.cipher);
  if (suite === undefined) throw TlsAlertError.local('internal-error');
  const hash = offer.transcript.peekWith(suite.hash, EMPTY);
  const secret = psk.early.clientTraffic(hash);
  // The middlebox's ChangeCipherSpec goes right behind the hello (RFC 8446, D.4).
  if (host.config.compatibilityMode) writer.appendChangeCipherSpec();
  installTrafficKeys(host, 'write', suite, secret);
  secret.destroy();
  host.writable = 'early';
  host.earlyDataBudget = body.maxEarlyData;
  const exporter = host.track(psk.early.exporter(hash));
  host.earlyExporter = (label, context, length) => exporter.export(label, context, length);
}
