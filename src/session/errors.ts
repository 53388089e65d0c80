import { DecodeError, TlsessionError } from '../util/errors.ts';

export type SessionErrorCode =
  /** The session has ended: its last reference went, its bytes are wiped. */
  | 'ERR_SESSION_ENDED'
  /** A free without a reference of the application's to give back. */
  | 'ERR_SESSION_OVER_FREE'
  /** A handle that was freed before. */
  | 'ERR_SESSION_HANDLE_FREED'
  /** A setter on a session that a cache holds. */
  | 'ERR_SESSION_IN_CACHE'
  /** A session without a cipher suite has no serialised form. */
  | 'ERR_SESSION_NO_CIPHER'
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

export type SessionFormatCode =
  /** A structure version other than 1. */
  | 'ERR_SESSION_STRUCTURE_VERSION'
  /** A protocol version that is neither TLS (or SSL 3) nor DTLS. */
  | 'ERR_SESSION_PROTOCOL_VERSION'
  /** A cipher suite that is not two bytes long. */
  | 'ERR_SESSION_CIPHER_LENGTH'
  /** A cipher suite that OpenSSL does not know. */
  | 'ERR_SESSION_CIPHER_UNKNOWN'
  /** A byte string longer or shorter than its field may be. */
  | 'ERR_SESSION_FIELD_LENGTH'
  /** A certificate or public key whose outermost DER is not one. */
  | 'ERR_SESSION_CERTIFICATE'
  /** Bytes after the session. */
  | 'ERR_SESSION_TRAILING_BYTES'
  /** An envelope that breaks off, contradicts itself, or has a version that is not known. */
  | 'ERR_SESSION_ENVELOPE'
  /** A text without a session in PEM. */
  | 'ERR_SESSION_PEM_MISSING'
  /** A PEM block without its end, or with another's. */
  | 'ERR_SESSION_PEM_END'
  | 'ERR_SESSION_PEM_BASE64'
  | 'ERR_SESSION_PEM_ENCRYPTED'
  /** The form in which newer versions of Node hand out client sessions, broken. */
  | 'ERR_SESSION_NODE_FORM'
  /** None of the forms that can be told apart. */
  | 'ERR_SESSION_UNKNOWN_FORM';

/** Input that is well-formed as far as its outer syntax goes, but not a session. */
export class SessionFormatError extends DecodeError {
  declare readonly code: SessionFormatCode;

  constructor(code: SessionFormatCode, message: string, offset: number) {
    super(code, message, offset);
  }

  override get name(): string {
    return 'SessionFormatError';
  }
}
