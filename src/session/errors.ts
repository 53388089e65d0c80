import { TlsessionError } from '../util/errors.ts';

export type SessionErrorCode =
  /** The session has ended: its last reference went, its bytes are wiped. */
  | 'ERR_SESSION_ENDED'
  /** A free without a reference of the application's to give back. */
  | 'ERR_SESSION_OVER_FREE'
  /** A handle that was freed before. */
  | 'ERR_SESSION_HANDLE_FREED'
  /** A setter on a session that a cache holds. */
  | 'ERR_SESSION_IN_CACHE'
  /** A value longer than its field. */
  | 'ERR_SESSION_VALUE_TOO_LONG'
  /** The library gave back a reference that it does not have: a fault of ours, or of a store's. */
  | 'ERR_SESSION_LIBRARY_COUNT';

/** What C leaves undefined, said at once. The message names the session, the call and, when traced, the places. */
export class SessionError extends TlsessionError {
  declare readonly code: SessionErrorCode;

  constructor(code: SessionErrorCode, message: string) {
    super(code, message);
  }

  override get name(): string {
    return 'SessionError';
  }
}
