/**
 * TLS 1.3 tickets that clients of this process have offered. A session that is held says so itself; one that
 * comes as bytes cannot, and may be a copy of any that came before.
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { ProtocolVersion } from '../util/registries.ts';

/** Tickets remembered. What is forgotten can be offered again: that costs privacy and nothing else. */
const KEPT = 16_384;

/** Digests of tickets, the oldest first. */
const used = new Set<string>();

function keyOf(session: SessionCore, provider: CryptoProvider): string | null {
  const body = session.body('connect');
  if (body.version !== ProtocolVersion.TLS1_3 || !body.has(Field.ticket)) return null;
  const digest = provider.digest('sha256', body.view(Field.ticket));
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString('latin1');
}

/** Marks a session that was just read if its ticket was offered before. */
export function recallTicket(session: SessionCore, provider: CryptoProvider): void {
  const key = keyOf(session, provider);
  if (key !== null && used.has(key)) session.body('connect').wasOffered = true;
}

/** Remembers the ticket of a session that was offered. */
export function rememberTicket(session: SessionCore, provider: CryptoProvider): void {
  if (!session.body('connect').wasOffered) return;
  const key = keyOf(session, provider);
  if (key === null) return;
  used.add(key);
  if (used.size <= KEPT) return;
  for (const oldest of used) {
    used.delete(oldest);
    break;
  }
}
