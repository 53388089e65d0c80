/**
 * TLS 1.3 tickets that clients of this process have offered. A session that is held says so itself; one that
 * comes as bytes cannot, and may be a copy of any that came before.
 */
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { ProtocolVersion } from '../util/registries.ts';

/** Tickets remembered. What is forgotten can be offered again: that costs privacy and nothing else. */
const KEPT = 16_384;

/** What stands for each ticket, the oldest first. */
const used = new Set<string>();

/** The end of a ticket: in every known form its MAC, or all of a ticket that is a name. */
const KEY_LENGTH = 32;

function keyOf(session: SessionCore): string | null {
  const body = session.body('connect');
  if (body.version !== ProtocolVersion.TLS1_3 || !body.has(Field.ticket)) return null;
  const ticket = body.view(Field.ticket);
  const length = Math.min(ticket.length, KEY_LENGTH);
  const start = ticket.byteOffset + ticket.length - length;
  return Buffer.from(ticket.buffer, start, length).toString('latin1');
}

/** Marks a session that was just read if its ticket was offered before. */
export function recallTicket(session: SessionCore): void {
  const key = keyOf(session);
  if (key !== null && used.has(key)) session.body('connect').wasOffered = true;
}

/** Remembers the ticket of a session that was offered. */
export function rememberTicket(session: SessionCore): void {
  if (!session.body('connect').wasOffered) return;
  const key = keyOf(session);
  if (key === null) return;
  used.add(key);
  if (used.size <= KEPT) return;
  for (const oldest of used) {
    used.delete(oldest);
    break;
  }
}
