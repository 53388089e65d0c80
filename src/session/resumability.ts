/**
 * Whether a session could be resumed at all, by what it says of itself. What it is bound to (name, trust, …)
 * is compared where it is resumed; nothing here knows the other side.
 */
import { cipherSuites, ProtocolVersion } from '../util/registries.ts';
import { Field } from './body.ts';
import type { SessionCore } from './core.ts';

const TEXTS = {
  'not-resumable': 'it is marked as not to be resumed',
  'already-offered': 'it was used before, and TLS 1.3 uses a session once',
  'no-id-or-ticket': 'it has neither a session id nor a ticket to be known by',
  'no-secret': 'it has no secret',
  'no-cipher': 'it has no cipher suite',
  'unsupported-version': 'its protocol version is not TLS 1.2 or 1.3',
  'unsupported-cipher': 'its cipher suite is not supported',
  expired: 'its timeout is over',
  'ticket-expired': 'the lifetime that the server gave its ticket is over',
} as const;

/** Why a session cannot be resumed: the closed list. */
export type NotResumableReason = keyof typeof TEXTS;

export const notResumableReasons: readonly NotResumableReason[] = Object.freeze(
  Object.keys(TEXTS) as NotResumableReason[],
);

/** The sentence for a reason. */
export function notResumableText(reason: NotResumableReason): string {
  return TEXTS[reason];
}

export interface Resumability {
  readonly resumable: boolean;
  /** Every reason that holds, in the order of the list; empty when it is resumable. */
  readonly reasons: readonly NotResumableReason[];
  /** The last millisecond, since 1970, at which time does not stand in the way. May be infinitely far. */
  readonly untilMs: number;
}

/** RFC 8446, 4.6.1: a ticket lives a week at most, whatever the server says. */
export const MAX_TICKET_LIFETIME_SEC = 604_800;

/** @throws {SessionError} `ERR_SESSION_ENDED` */
export function resumability(session: SessionCore, nowMs: number, call = 'resumability'): Resumability {
  const body = session.body(call);
  const reasons: NotResumableReason[] = [];
  if (session.isMarkedNotResumable) reasons.push('not-resumable');
  if (body.length(Field.id) === 0 && body.length(Field.ticket) === 0) reasons.push('no-id-or-ticket');
  if (body.length(Field.masterKey) === 0) reasons.push('no-secret');
  const isTls13 = body.version === ProtocolVersion.TLS1_3;
  if (isTls13 && body.wasOffered) reasons.push('already-offered');
  if (!isTls13 && body.version !== ProtocolVersion.TLS1_2) reasons.push('unsupported-version');
  if (body.cipher === 0) reasons.push('no-cipher');
  else if (!cipherSuites.has(body.cipher)) reasons.push('unsupported-cipher');

  if (nowMs > session.expiresAtMs) reasons.push('expired');
  let untilMs = session.expiresAtMs;
  // Only in TLS 1.3 is the lifetime more than a hint, and 0 means: discard it at once. A server's own
  // session has no ticket and says nothing about one.
  if (isTls13 && body.length(Field.ticket) > 0) {
    const lifetimeSec = Math.min(body.ticketLifetimeHint, MAX_TICKET_LIFETIME_SEC);
    const ticketUntilMs = session.timeMs(call) + lifetimeSec * 1000;
    if (lifetimeSec === 0 || nowMs > ticketUntilMs) reasons.push('ticket-expired');
    untilMs = Math.min(untilMs, ticketUntilMs);
  }
  reasons.sort((a, b) => notResumableReasons.indexOf(a) - notResumableReasons.indexOf(b));
  return { resumable: reasons.length === 0, reasons, untilMs };
}
