/**
 * The application's word on tickets that come back (SSL_CTX_set_session_ticket_cb(3)): it sees whether one
 * opened, and says whether it is used and whether a new one follows.
 */
import type { Awaitable } from '../cache/awaitable.ts';
import { whenAnswered } from '../cache/store.ts';
import type { OpenTicketAnswer } from '../handshake/jobs.ts';
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { type Session, sessionHandle } from '../session/session.ts';
import { TlsAlertError } from '../util/errors.ts';
import type { SessionTickets } from './job-runner.ts';

/** What is known of a ticket that a client showed. */
export interface ShownTicket {
  /**
   * What was sealed in it: null when it did not open. The handle ends with the call; `session.ref()` makes one
   * that does not.
   */
  readonly session: Session | null;
  /** Why it did not open; null when it did. */
  readonly reason: ResumptionReason | null;
  /** Whether its key has been retired, so that a new ticket should follow. */
  readonly renew: boolean;
  /** ProtocolVersion of the handshake. */
  readonly version: number;
}

/**
 * `use` it and send no new one; `use-renew` use it and send a new one; `ignore` make a full handshake and send
 * no ticket; `ignore-renew` make a full handshake, with a ticket; `abort` end the handshake. To use one that
 * did not open ends it too.
 */
export type TicketDecision = 'use' | 'use-renew' | 'ignore' | 'ignore-renew' | 'abort';

export type OnTicket = (ticket: ShownTicket) => TicketDecision;

/** Tickets with the application's word on those that come back. What it throws ends the handshake. */
export class PolicyTickets implements SessionTickets {
  readonly #tickets: SessionTickets;
  readonly #decide: OnTicket;

  constructor(tickets: SessionTickets, decide: OnTicket) {
    this.#tickets = tickets;
    this.#decide = decide;
  }

  seal(session: SessionCore, lifetimeSec: number): Awaitable<Uint8Array | null> {
    return this.#tickets.seal(session, lifetimeSec);
  }

  open(ticket: Uint8Array, version: number, sessionId: Uint8Array): Awaitable<OpenTicketAnswer> {
    const answer = this.#tickets.open(ticket, version, sessionId);
    return whenAnswered(answer, (opened) => this.#decided(opened, version));
  }

  #decided(answer: OpenTicketAnswer, version: number): OpenTicketAnswer {
    const session = answer.opened ? answer.session : null;
    let used = false;
    try {
      const decision = this.#ask(answer, session, version);
      if (decision === 'ignore' || decision === 'ignore-renew') {
        return { opened: false, reason: 'refused-by-callback', sendNone: decision === 'ignore' };
      }
      if (session === null || (decision !== 'use' && decision !== 'use-renew')) throw aborted();
      used = true;
      return { opened: true, session, renew: decision === 'use-renew', sendNone: decision === 'use' };
    } finally {
      if (!used) session?.release('onTicket');
    }
  }

  #ask(answer: OpenTicketAnswer, session: SessionCore | null, version: number): TicketDecision {
    let handle: Session | null = null;
    if (session !== null) {
      session.upRef('onTicket');
      handle = sessionHandle(session, 'onTicket');
    }
    try {
      return this.#decide({
        session: handle,
        reason: answer.opened ? null : answer.reason,
        renew: answer.opened && answer.renew,
        version,
      });
    } catch (cause) {
      throw TlsAlertError.local('ticket-callback-abort', undefined, { cause });
    } finally {
      handle?.[Symbol.dispose]();
    }
  }
}

function aborted(): TlsAlertError {
  return TlsAlertError.local('ticket-callback-abort');
}
