/** Which session a TLS 1.2 hello resumes: by ticket (RFC 5077) or by id (RFC 5246, 7.4.1.2), or why none. */
import { MASTER_SECRET_LENGTH } from '../../schedule/tls12.ts';
import { Field } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import type { ResumptionReason } from '../../session/resumption-reason.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { type CipherSuite, cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import { ExtensionType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { State } from '../state.ts';
import { verifyResumedClient, verifyUnboundClient } from './client-certificate.ts';
import { whyNotResumable } from './resumable.ts';
import type { Asked12 } from './tls12.ts';

export interface Resumption12 {
  /** With one library reference, which the host holds. */
  readonly session: SessionCore;
  readonly suite: CipherSuite;
  readonly byId: boolean;
  /** Whether a ticket goes out with it. */
  readonly renew: boolean;
}

type Next = (resumption: Resumption12 | null) => State;

/**
 * A ticket comes first. Without one, or with an empty one, the id counts; a ticket that does not open does not
 * fall back to it (RFC 5077, 3.4).
 */
export function findSession12(host: Host<ServerConfig>, asked: Asked12, next: Next): State {
  const { request, settings } = asked;
  const ticket = settings.tickets ? request.ticket : null;
  if (request.ticket !== null && request.ticket.length > 0) host.info.offered = 'ticket';
  if (ticket !== null && (ticket.length > 0 || host.config.openEmptyTickets)) {
    return openTicket(host, asked, ticket, next);
  }
  return findById(host, asked, next);
}

/** `before`: why the ticket does not count, when there was one to judge. */
function findById(
  host: Host<ServerConfig>,
  asked: Asked12,
  next: Next,
  before: ResumptionReason | null = null,
): State {
  const { request, settings } = asked;
  const { sessionId } = request.hello;
  const full = (reason: ResumptionReason): State => {
    host.info.resumptionReason = reason;
    return next(null);
  };
  if (request.hello.extensions.has(ExtensionType.pre_shared_key)) {
    host.info.offered = 'psk';
    return full('other-version');
  }
  if (sessionId.length === 0) return full(before ?? whyNoneOffered(asked));
  if (!host.config.sessionIds) {
    // A client that also speaks TLS 1.3 may send an id that names nothing (RFC 8446, D.4).
    if (request.offeredVersions.includes(ProtocolVersion.TLS1_3)) return full(whyNoneOffered(asked));
    host.info.offered = 'session-id';
    return full('resumption-disabled');
  }
  // Or a random one, for middleboxes: nobody can tell before it is looked up.
  host.info.offered = 'session-id';
  return host.wait<'find-session'>(
    { kind: 'find-session', version: ProtocolVersion.TLS1_2, id: sessionId.slice() },
    (answer) => {
      if (!answer.found) return full(before ?? answer.reason);
      // Who resumes by its id and asks for tickets gets one, as from OpenSSL.
      const renew = settings.tickets && request.ticket !== null && !host.sendNoTicket;
      return consider(host, asked, answer.session, { byId: true, renew }, next);
    },
    (error) => failed(error, full),
  );
}

function whyNoneOffered({ request, settings }: Asked12): ResumptionReason {
  if (request.ticket === null) return 'no-session-offered';
  if (request.ticket.length === 0) return 'empty-ticket';
  return settings.tickets ? 'no-session-offered' : 'resumption-disabled';
}

function openTicket(host: Host<ServerConfig>, asked: Asked12, ticket: Uint8Array, next: Next): State {
  const full = (reason: ResumptionReason): State => {
    host.info.resumptionReason = reason;
    return next(null);
  };
  return host.wait<'open-ticket'>(
    {
      kind: 'open-ticket',
      version: ProtocolVersion.TLS1_2,
      ticket: ticket.slice(),
      sessionId: asked.request.hello.sessionId.slice(),
    },
    (answer) => {
      if (!answer.opened) {
        host.sendNoTicket = answer.sendNone === true;
        // A callback that ignores the ticket leaves the id to speak, as with OpenSSL.
        if (ticket.length === 0 || host.sendNoTicket) {
          return findById(host, asked, next, answer.reason);
        }
        return full(answer.reason);
      }
      return consider(host, asked, answer.session, { byId: false, renew: answer.renew }, next);
    },
    (error) => failed(error, full),
  );
}

/** A store or keyring that fails costs a resumption; only a callback that says so ends the handshake. */
function failed(error: unknown, full: (reason: ResumptionReason) => State): State {
  if (error instanceof TlsAlertError) throw error;
  return full('store-failed');
}

/** Takes over the reference that came with `session`. */
function consider(
  host: Host<ServerConfig>,
  asked: Asked12,
  session: SessionCore,
  how: { readonly byId: boolean; readonly renew: boolean },
  next: Next,
): State {
  host.holdGiven(session);
  const refuse = (reason: ResumptionReason): State => {
    host.letGo(session);
    host.info.resumptionReason = reason;
    return next(null);
  };
  const verdict = judge(host, asked, session, how.byId);
  if (typeof verdict === 'string') return refuse(verdict);
  return verifyUnboundClient(
    host,
    asked.settings,
    session,
    () => verifyResumedClient(host, session, () => next({ session, suite: verdict, ...how })),
    () => refuse('unbound'),
  );
}

/**
 * OpenSSL's checks in its order (ssl_get_prev_session), and DESIGN rule 6. The suite of the session, or why it
 * is not resumed; a client that breaks a rule by asking is refused altogether.
 */
function judge(
  host: Host<ServerConfig>,
  asked: Asked12,
  session: SessionCore,
  byId: boolean,
): CipherSuite | ResumptionReason {
  const { request, settings } = asked;
  const body = session.body('connection');
  const suite = cipherSuites.get(body.cipher);
  const speaksIt = suite?.version === ProtocolVersion.TLS1_2 && host.config.cipherSuites.includes(suite.id);
  const refusal = whyNotResumable(host, settings, request, session, {
    ...(byId ? { helloId: request.hello.sessionId } : {}),
    // Whoever offers a session offers its suite (RFC 5246, 7.4.1.2); one that is not spoken here needs no blame.
    ...(speaksIt ? { offeredCiphers: request.hello.cipherSuites } : {}),
  });
  if (refusal !== null) return refusal;
  if (body.length(Field.masterKey) !== MASTER_SECRET_LENGTH) return 'not-resumable';
  if (suite === undefined || !speaksIt) return 'other-cipher';
  return suite;
}
