/** The session that a caller wants to resume, in whatever form it comes. */
import { SessionCore } from '../session/core.ts';
import { readSession } from '../session/forms.ts';
import { Session, sessionCore } from '../session/session.ts';
import { UsageError } from '../util/errors.ts';
import { recallTicket } from './used-tickets.ts';

/**
 * A session; or bytes of one: tlsession's own form, OpenSSL's DER or PEM, or what node:tls gives; or a text with
 * a character a byte.
 */
export type SessionInput = Session | SessionCore | Uint8Array | string;

/**
 * The session, with one library reference for the caller to release.
 * @throws {DecodeError} for bytes that are none, {SessionError} for one that has ended.
 */
export function takeSessionInput(input: SessionInput, nowMs: number): SessionCore {
  const call = 'connect';
  if (typeof input === 'string') return takeSessionInput(Buffer.from(input, 'latin1'), nowMs);
  if (input instanceof Uint8Array) {
    const { session } = readSession(input, null, nowMs, call);
    session.takeFromApplication(call);
    recallTicket(session);
    return session;
  }
  if (!(input instanceof Session) && !(input instanceof SessionCore)) {
    throw new UsageError('ERR_INVALID_ARG_TYPE', 'session is a Session, or bytes');
  }
  const session = input instanceof Session ? sessionCore(input, call) : input;
  session.retain(call);
  return session;
}
