/** Which pre-shared key a server takes (RFC 8446, 4.2.11), and whether its early data (4.2.10). */
import { EarlySecret } from '../../schedule/tls13.ts';
import { Field } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import type { EarlyDataReason, ResumptionReason } from '../../session/resumption-reason.ts';
import { EMPTY, equalBytes, equalSecret, latin1 } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import { ExtensionType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { State } from '../state.ts';
import { verifyUnboundClient } from './client-certificate.ts';
import { chooseSuite } from './client-hello.ts';
import type { Agreed13 } from './negotiate13.ts';
import { whyNotResumable } from './resumable.ts';
import type { ServerSettings } from './start.ts';

/** A key that was chosen; its binder is verified. */
export interface ChosenPsk {
  readonly index: number;
  readonly kind: 'ticket' | 'external';
  /** One library reference; the connection's to give back. */
  readonly session: SessionCore;
  readonly early: EarlySecret;
  /** Key exchange on top (psk_dhe_ke). */
  readonly dhe: boolean;
  readonly earlyData: boolean;
}

interface FoundPsk {
  readonly kind: 'ticket' | 'external';
  readonly session: SessionCore;
  /** Its ticket is only a name. */
  readonly stateful: boolean;
}

interface Candidate extends FoundPsk {
  readonly index: number;
}

type Next = (psk: ChosenPsk | null) => State;

/** `hasGroup`: a key exchange is possible; without one only psk_ke is. */
export function choosePsk(host: Host<ServerConfig>, agreed: Agreed13, hasGroup: boolean, next: Next): State {
  const { request } = agreed;
  const full = (reason: ResumptionReason): State => {
    host.info.resumptionReason = reason;
    addHello(agreed);
    noEarlyData(host, 'early-data-not-resumed');
    return next(null);
  };
  const { psks, pskModes } = request;
  if (psks === null) {
    // A ticket of TLS 1.2 came along in case that version is chosen.
    const ticket = request.hello.extensions.get(ExtensionType.session_ticket);
    if (ticket === undefined || ticket.length === 0) return full('no-session-offered');
    host.info.offered = 'ticket';
    return full('other-version');
  }
  host.info.offered = 'psk';
  const plain = pskModes?.plain === true && host.config.allowPskKe;
  const dhe = pskModes?.dhe === true && hasGroup && !(plain && host.config.preferPskKe);
  if (!dhe && !plain) return full('psk-mode');

  let reason: ResumptionReason = 'not-found';
  const count = Math.min(psks.identities.length, host.limits.pskIdentities);
  const tryNext = (index: number): State => {
    if (index >= count) {
      // What is known of none that was looked at may be known of one that was not.
      const unknown = reason === 'not-found' || reason === 'unknown-key';
      return full(unknown && index < psks.identities.length ? 'too-many-identities' : reason);
    }
    const identity = (psks.identities[index] as { identity: Uint8Array }).identity;
    return findPsk(host, agreed, identity, (found) => {
      if (typeof found === 'string') {
        reason = found;
        return tryNext(index + 1);
      }
      const candidate: Candidate = { index, ...found };
      host.holdGiven(candidate.session);
      const refuse = (why: ResumptionReason): State => {
        host.letGo(candidate.session);
        // A ticket that opened and is not used after all is as good as none.
        host.sendNoTicket = false;
        reason = why;
        return tryNext(index + 1);
      };
      const refusal = whyNotResume(host, agreed.settings, agreed, candidate);
      if (refusal !== null) return refuse(refusal);
      const accept = (): State => acceptPsk(host, agreed, candidate, dhe, next, full);
      if (candidate.kind === 'external') return accept();
      return verifyUnboundClient(host, agreed.settings, candidate.session, accept, () => refuse('unbound'));
    });
  };
  return tryNext(0);
}

/** The ClientHello joins the transcript: once, after the binders, which are over what came before. */
function addHello(agreed: Agreed13): void {
  agreed.transcript.choose(agreed.suite.hash);
  if (agreed.retried) agreed.transcript.update(agreed.request.message);
}

type Found = FoundPsk | ResumptionReason;

/** Asks in turn: is it an external key, a stateful ticket, a sealed one? */
function findPsk(
  host: Host<ServerConfig>,
  agreed: Agreed13,
  identity: Uint8Array,
  next: (found: Found) => State,
): State {
  const { config } = host;
  const ticket = (): State => {
    if (!agreed.settings.tickets && !config.statefulTickets) return next('resumption-disabled');
    if (config.statefulTickets && identity.length === 32) {
      return host.wait<'find-session'>(
        { kind: 'find-session', version: ProtocolVersion.TLS1_3, id: identity.slice() },
        (answer) =>
          next(answer.found ? { kind: 'ticket', session: answer.session, stateful: true } : answer.reason),
        () => next('store-failed'),
      );
    }
    if (!agreed.settings.tickets) return next('resumption-disabled');
    return host.wait<'open-ticket'>(
      { kind: 'open-ticket', version: ProtocolVersion.TLS1_3, ticket: identity.slice(), sessionId: EMPTY },
      (answer) => {
        host.sendNoTicket = answer.sendNone === true;
        return next(
          answer.opened ? { kind: 'ticket', session: answer.session, stateful: false } : answer.reason,
        );
      },
      (error) => {
        if (error instanceof TlsAlertError) throw error;
        return next('store-failed');
      },
    );
  };
  if (!config.externalPsk) return ticket();
  return host.wait<'find-psk'>({ kind: 'find-psk', identity: identity.slice() }, (session) =>
    session === null ? ticket() : next({ kind: 'external', session, stateful: false }),
  );
}

/** The checks of OpenSSL's section 2 and of DESIGN rule 6, each with its reason. */
function whyNotResume(
  host: Host<ServerConfig>,
  settings: ServerSettings,
  agreed: Agreed13,
  candidate: Candidate,
): ResumptionReason | null {
  const { session, kind } = candidate;
  const body = session.body('connection');
  if (kind === 'ticket') {
    const reason = whyNotResumable(host, settings, agreed.request, session);
    if (reason !== null) return reason;
  } else if (body.version !== ProtocolVersion.TLS1_3) {
    // An external key is not a session of any context (OpenSSL #31964): its owner chose to give it.
    return 'other-version';
  }
  if (body.length(Field.masterKey) === 0) return 'not-resumable';
  const suite = cipherSuites.get(body.cipher);
  return suite !== undefined && fitSuite(host, agreed, suite) ? null : 'other-hash';
}

/**
 * Makes the suite one of the key's hash, if there is one in common: a preference among suites is worth less
 * than a resumption (RFC 8446, 4.2.11). Fixed after a HelloRetryRequest.
 */
function fitSuite(host: Host<ServerConfig>, agreed: Agreed13, wanted: CipherSuite): boolean {
  if (agreed.suite.hash === wanted.hash) return true;
  if (agreed.retried) return false;
  const id = chooseSuite(host.config, agreed.request, (id) => cipherSuites.get(id)?.hash === wanted.hash);
  const suite = id === null ? undefined : cipherSuites.get(id);
  if (suite === undefined) return false;
  agreed.suite = suite;
  host.info.cipherSuite = suite.id;
  return true;
}

/**
 * In front of a HelloRetryRequest, which fixes the suite: an external key that the hello names decides about
 * its hash, or it could not be used in the second hello. The key is asked for again then, as by OpenSSL.
 */
export function fitExternalPsk(host: Host<ServerConfig>, agreed: Agreed13, next: () => State): State {
  const identity = agreed.request.psks?.identities[0]?.identity;
  if (!host.config.externalPsk || identity === undefined) return next();
  return host.wait<'find-psk'>({ kind: 'find-psk', identity: identity.slice() }, (session) => {
    if (session === null) return next();
    const suite = cipherSuites.get(session.body('connection').cipher);
    session.release('connection');
    if (suite?.version === ProtocolVersion.TLS1_3) fitSuite(host, agreed, suite);
    return next();
  });
}

/** The binder first: nothing is consumed for a client that does not have the key. */
function acceptPsk(
  host: Host<ServerConfig>,
  agreed: Agreed13,
  candidate: Candidate,
  dhe: boolean,
  next: Next,
  full: (reason: ResumptionReason) => State,
): State {
  const { request, transcript, suite } = agreed;
  const { session, index, kind } = candidate;
  const psks = request.psks as NonNullable<typeof request.psks>;
  const early = host.track(
    EarlySecret.create(
      host.provider,
      suite.hash,
      session.body('connection').view(Field.masterKey),
      host.keyLog,
    ),
  );
  const truncated = request.message.subarray(0, request.message.length - psks.bindersLength);
  const before = agreed.retried
    ? transcript.peekWith(suite.hash, truncated)
    : host.provider.digest(suite.hash, truncated);
  const expected = early.binder(kind === 'external' ? 'external' : 'resumption', before);
  if (!equalSecret(expected, psks.binders[index] ?? EMPTY)) {
    early.destroy();
    throw TlsAlertError.local('bad-binder');
  }
  if (kind === 'ticket') {
    const ageMs = host.nowMs() - session.timeMs('connection');
    host.info.ticketAgeSkewMs = clientAgeMs(agreed, candidate) - ageMs;
  }
  const accept = (earlyData: boolean): State => {
    host.info.resumed = true;
    host.info.externalPsk = kind === 'external';
    host.info.resumedBy =
      kind === 'external' ? 'external-psk' : candidate.stateful ? 'stateful-ticket' : 'ticket';
    host.info.resumptionReason = null;
    addHello(agreed);
    return next({ index, kind, session, early, dhe, earlyData });
  };
  const withEarlyData = (consumed: boolean): State => {
    const refusal = whyNoEarlyData(host, agreed, candidate);
    if (refusal !== null) {
      noEarlyData(host, refusal);
      return accept(false);
    }
    return askReplayGuard(host, agreed, candidate, expected, consumed, accept);
  };
  const { statefulTickets, singleUseTickets } = host.config;
  if (kind === 'external' || !statefulTickets || !singleUseTickets) return withEarlyData(false);
  const replayed = (): State => {
    early.destroy();
    host.letGo(session);
    return full('replayed');
  };
  return host.wait<'consume-session'>(
    { kind: 'consume-session', session },
    (first) => (first ? withEarlyData(true) : replayed()),
    replayed,
  );
}

function askReplayGuard(
  host: Host<ServerConfig>,
  agreed: Agreed13,
  candidate: Candidate,
  binder: Uint8Array,
  consumed: boolean,
  accept: (earlyData: boolean) => State,
): State {
  const refuse = (reason: EarlyDataReason): State => {
    noEarlyData(host, reason);
    return accept(false);
  };
  const { session } = candidate;
  return host.wait<'replay'>(
    {
      kind: 'replay',
      binder: binder.slice(),
      session: candidate.kind === 'external' ? null : session,
      consumed,
      sentAtMs: session.timeMs('connection') + clientAgeMs(agreed, candidate),
    },
    (answer) => {
      if (!answer.accept) return refuse(answer.reason ?? 'early-data-replayed');
      host.info.earlyDataAccepted = true;
      host.info.earlyDataReason = null;
      host.emit({ type: 'early-data', accepted: true, reason: null });
      return accept(true);
    },
    () => refuse('early-data-guard-failed'),
  );
}

/** Milliseconds since the ticket was made, by the client's clock. */
function clientAgeMs(agreed: Agreed13, candidate: Candidate): number {
  const { identities } = agreed.request.psks as NonNullable<typeof agreed.request.psks>;
  const obfuscated = identities[candidate.index]?.obfuscatedAge ?? 0;
  // Modulo 2^32 (RFC 8446, 4.2.11.1); OpenSSL saturates at zero instead.
  return (obfuscated - candidate.session.body('connection').ticketAgeAdd) >>> 0;
}

/** How far the client's age may be from ours, in milliseconds: OpenSSL's window of 10 s, both ways 1 s slack. */
const AGE_TOLERANCE_MS = 10_000;

function whyNoEarlyData(
  host: Host<ServerConfig>,
  agreed: Agreed13,
  candidate: Candidate,
): EarlyDataReason | null {
  const { request, settings, suite } = agreed;
  const { session, index, kind } = candidate;
  const body = session.body('connection');
  if (!request.earlyData)
    return agreed.retried && host.info.earlyDataOffered ? 'early-data-hello-retry' : 'early-data-not-offered';
  if (!host.config.replayGuard || host.config.maxEarlyData === 0) return 'early-data-disabled';
  if (agreed.retried) return 'early-data-hello-retry';
  if (index !== 0) return 'early-data-not-first';
  if (body.maxEarlyData === 0) return 'early-data-not-allowed';
  if (body.cipher !== suite.id) return 'early-data-other-cipher';
  if (!equalBytes(body.view(Field.alpn), settings.alpn ?? EMPTY)) return 'early-data-other-alpn';
  const name = body.has(Field.hostname) ? latin1(body.view(Field.hostname)) : null;
  if (kind === 'ticket' && name !== request.serverName) return 'early-data-other-name';
  return Math.abs(host.info.ticketAgeSkewMs) > AGE_TOLERANCE_MS ? 'early-data-ticket-age' : null;
}

function noEarlyData(host: Host<ServerConfig>, reason: EarlyDataReason): void {
  const { info } = host;
  if (!info.earlyDataOffered) {
    info.earlyDataReason = 'early-data-not-offered';
    return;
  }
  info.earlyDataReason = reason;
  host.emit({ type: 'early-data', accepted: false, reason });
}

/** Bytes of early data to skip when none is taken: what a ticket of this server promised may be on its way. */
export function skippedBytes({ config, limits }: Host<ServerConfig>): number {
  return config.skipMaxEarlyData ?? Math.max(limits.skippedEarlyDataBytes, config.maxEarlyData);
}
