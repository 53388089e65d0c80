/**
 * What goes into a ticket: the session, as the form of the key wants it. Keys of OpenSSL's form are shared
 * with programs that know plain DER only; keys of our own seal the envelope, with what the session is
 * bound to.
 */
import type { SessionCore } from '../session/core.ts';
import { decodeSession, encodeSession } from '../session/der.ts';
import { decodeEnvelope, encodeEnvelope, isEnvelope } from '../session/envelope.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { TlsessionError } from '../util/errors.ts';
import type { TicketFault, TicketFormat, TicketSealer } from './sealer.ts';

/** The answer to a handshake that asks what is in a ticket. */
export type OpenedSessionTicket =
  | {
      readonly opened: true;
      /** With one reference, the library's, for whoever asked. */
      readonly session: SessionCore;
      readonly renew: boolean;
      readonly format: TicketFormat;
    }
  | {
      readonly opened: false;
      readonly reason: Extract<ResumptionReason, 'empty-ticket' | 'unknown-key' | 'bad-ticket'>;
      /** `bad-session`: it opened, and what is in it is no session. */
      readonly fault: TicketFault | 'bad-session';
    };

/**
 * A ticket of `session`, which is only read; null when it is too large for one, or no key may seal now.
 * @throws {SessionError} when the session has ended or has no cipher suite.
 */
export function sealSessionTicket(
  sealer: TicketSealer,
  session: SessionCore,
  nowMs: number,
): Uint8Array | null {
  const plaintext =
    sealer.format === 'openssl' ? encodeSession(session) : encodeEnvelope(session, 'sealTicket');
  const ticket = sealer.seal(plaintext, nowMs);
  plaintext.fill(0);
  return ticket;
}

/** Never throws for anything in `ticket`. */
export function openSessionTicket(
  sealer: TicketSealer,
  ticket: Uint8Array,
  nowMs: number,
): OpenedSessionTicket {
  const result = sealer.open(ticket, nowMs);
  if (!result.opened) return result;
  const { plaintext, renew, format } = result;
  try {
    const session = readSession(plaintext, nowMs);
    if (session === null) return { opened: false, reason: 'bad-ticket', fault: 'bad-session' };
    session.takeFromApplication('openTicket');
    return { opened: true, session, renew, format };
  } finally {
    plaintext.fill(0);
  }
}

/** Null unless the whole of `plaintext` is one session: OpenSSL too lets no byte follow it in a ticket. */
function readSession(plaintext: Uint8Array, nowMs: number): SessionCore | null {
  try {
    return isEnvelope(plaintext)
      ? decodeEnvelope(plaintext, 'openTicket')
      : decodeSession(plaintext, nowMs, 'openTicket');
  } catch (error) {
    if (TlsessionError.is(error)) return null;
    throw error;
  }
}
