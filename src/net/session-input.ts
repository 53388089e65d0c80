/** The session that a caller wants to resume, in whatever form it comes. */
import { SessionCore } from '../session/core.ts';
import { decodeSession } from '../session/der.ts';
import { decodeEnvelope, isEnvelope } from '../session/envelope.ts';
import { UsageError } from '../util/errors.ts';

/** A session, tlsession's own form, or OpenSSL's DER. */
export type SessionInput = SessionCore | Uint8Array;

/**
 * The session, with one library reference for the caller to release.
 * @throws {DecodeError} for bytes that are none, {SessionError} for one that has ended.
 */
export function takeSessionInput(input: SessionInput, nowMs: number): SessionCore {
  const call = 'connect';
  if (input instanceof SessionCore) {
    input.retain(call);
    return input;
  }
  if (!(input instanceof Uint8Array)) {
    throw new UsageError('ERR_INVALID_ARG_TYPE', 'session is a Session, or bytes');
  }
  const session = isEnvelope(input) ? decodeEnvelope(input, call) : decodeSession(input, nowMs, call);
  session.takeFromApplication(call);
  return session;
}
