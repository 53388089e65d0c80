/**
 * Sessions in DER, PEM and words under OpenSSL's names: d2i_SSL_SESSION(3), PEM_read_SSL_SESSION(3),
 * SSL_SESSION_print(3).
 */
import { decodeSessionAt, encodeSession } from '../session/der.ts';
import { SessionError, type SessionFormatCode, SessionFormatError } from '../session/errors.ts';
import { decodePemAt, encodePem } from '../session/pem.ts';
import { printKeyLog, printSession } from '../session/text.ts';
import { latin1, utf8 } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import { DecodeError, UsageError } from '../util/errors.ts';
import { type BIO, BIO_write, bioOf } from './bio.ts';
import {
  ASN1_R_DECODE_ERROR,
  ERR_LIB_ASN1,
  ERR_LIB_PEM,
  ERR_LIB_SSL,
  ERR_R_ASN1_LIB,
  ERR_R_CRYPTO_LIB,
  ERR_R_NESTED_ASN1_ERROR,
  PEM_R_BAD_BASE64_DECODE,
  PEM_R_BAD_END_LINE,
  PEM_R_NO_START_LINE,
  PEM_R_UNSUPPORTED_ENCRYPTION,
  raise,
  SSL_R_BAD_LENGTH,
  SSL_R_CIPHER_CODE_WRONG_LENGTH,
  SSL_R_UNKNOWN_CIPHER_TYPE,
  SSL_R_UNKNOWN_SSL_VERSION,
  SSL_R_UNSUPPORTED_SSL_VERSION,
} from './err.ts';
import { type FILE, type SSL_SESSION, sessionOf } from './types.ts';

/** Where a call reads on, as C's `pp` points: it is moved past what was read, and not by a failure. */
export interface Cursor {
  offset: number;
}

// DER --------------------------------------------------------------------------------------------------

/** The session in DER; null for null and for a session without a cipher suite, where C returns 0. */
export function i2d_SSL_SESSION(session: SSL_SESSION | null): Uint8Array | null {
  if (session === null) return null;
  const core = sessionOf(session, 'i2d_SSL_SESSION');
  try {
    return encodeSession(core);
  } catch (error) {
    if (error instanceof SessionError && error.code === 'ERR_SESSION_NO_CIPHER') return null;
    throw error;
  }
}

/**
 * Reads a session from DER; what follows it is the caller's. The result has one reference. Null, with an
 * error, for what is not a session; then nothing was made.
 */
export function d2i_SSL_SESSION(bytes: Uint8Array, cursor: Cursor = { offset: 0 }): SSL_SESSION | null {
  try {
    const { session, end } = decodeSessionAt(bytes, cursor.offset, systemClock.wallMs(), 'd2i_SSL_SESSION');
    cursor.offset = end;
    return session;
  } catch (error) {
    raiseDecode(error);
    return null;
  }
}

/** As d2i_SSL_SESSION: there is no library context and there are no properties here. */
export function d2i_SSL_SESSION_ex(
  bytes: Uint8Array,
  cursor?: Cursor,
  _libctx: unknown = null,
  _propq: string | null = null,
): SSL_SESSION | null {
  return d2i_SSL_SESSION(bytes, cursor);
}

/** 1; 0 as i2d_SSL_SESSION returns null, or when the BIO cannot be written to. */
export function i2d_SSL_SESSION_bio(bio: BIO, session: SSL_SESSION | null): number {
  const der = i2d_SSL_SESSION(session);
  return der !== null && writeAll(bio, der) ? 1 : 0;
}

/** Reads one session from a BIO and leaves what follows it there. */
export function d2i_SSL_SESSION_bio(bio: BIO): SSL_SESSION | null {
  const cursor = { offset: 0 };
  const session = d2i_SSL_SESSION(bioOf(bio, 'd2i_SSL_SESSION_bio').view(), cursor);
  bio.skip(cursor.offset);
  return session;
}

/** OpenSSL's reasons; for a cipher suite that it does not know it fails without one, and this does not. */
function raiseDecode(error: unknown): void {
  if (error instanceof SessionFormatError) {
    switch (error.code) {
      case 'ERR_SESSION_STRUCTURE_VERSION':
        raise(ERR_LIB_SSL, SSL_R_UNKNOWN_SSL_VERSION, error.message);
        return;
      case 'ERR_SESSION_PROTOCOL_VERSION':
        raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_SSL_VERSION, error.message);
        return;
      case 'ERR_SESSION_CIPHER_LENGTH':
        raise(ERR_LIB_SSL, SSL_R_CIPHER_CODE_WRONG_LENGTH, error.message);
        return;
      case 'ERR_SESSION_CIPHER_UNKNOWN':
        raise(ERR_LIB_SSL, SSL_R_UNKNOWN_CIPHER_TYPE, error.message);
        return;
      case 'ERR_SESSION_FIELD_LENGTH':
        raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH, error.message);
        return;
      default:
        raise(ERR_LIB_ASN1, ASN1_R_DECODE_ERROR, error.message);
        return;
    }
  }
  if (error instanceof DecodeError) {
    raise(ERR_LIB_ASN1, ASN1_R_DECODE_ERROR, `${error.message} at byte ${error.offset}`);
    raise(ERR_LIB_ASN1, ERR_R_NESTED_ASN1_ERROR);
    return;
  }
  // Left over is what an ex_data callback of the program's threw.
  raise(ERR_LIB_SSL, ERR_R_CRYPTO_LIB, error instanceof Error ? error.message : 'an ex_data callback threw');
}

// PEM --------------------------------------------------------------------------------------------------

/** 1; 0 and an error for a session without a cipher suite, or when the BIO cannot be written to. */
export function PEM_write_bio_SSL_SESSION(bio: BIO, session: SSL_SESSION): number {
  const pem = toPem(session);
  return pem !== null && writeAll(bio, pem) ? 1 : 0;
}

/** Reads on to the next session in PEM, and past it; null, with an error, when there is none or it is broken. */
export function PEM_read_bio_SSL_SESSION(bio: BIO): SSL_SESSION | null {
  const cursor = { offset: 0 };
  const session = fromPem(latin1(bioOf(bio, 'PEM_read_bio_SSL_SESSION').view()), cursor);
  bio.skip(cursor.offset);
  return session;
}

/** As PEM_write_bio_SSL_SESSION, to a stream. */
export function PEM_write_SSL_SESSION(file: FILE, session: SSL_SESSION): number {
  const pem = toPem(session);
  if (pem === null) return 0;
  writeFile(file, pem, 'PEM_write_SSL_SESSION');
  return 1;
}

/** As PEM_read_bio_SSL_SESSION, from all that a stream has to give. */
export function PEM_read_SSL_SESSION(file: FILE): SSL_SESSION | null {
  if (file.read === undefined) throw notAFile('PEM_read_SSL_SESSION', 'read from');
  let text = '';
  for (let chunk = file.read(); chunk !== null; chunk = file.read()) {
    text += typeof chunk === 'string' ? chunk : latin1(chunk);
  }
  return fromPem(text, { offset: 0 });
}

function toPem(session: SSL_SESSION): Uint8Array | null {
  const der = i2d_SSL_SESSION(session);
  if (der === null) {
    raise(ERR_LIB_PEM, ERR_R_ASN1_LIB);
    return null;
  }
  const pem = utf8(encodePem(der));
  der.fill(0);
  return pem;
}

function fromPem(text: string, cursor: Cursor): SSL_SESSION | null {
  let der: Uint8Array;
  try {
    const block = decodePemAt(text, cursor.offset);
    der = block.der;
    cursor.offset = block.end;
  } catch (error) {
    if (!(error instanceof SessionFormatError)) throw error;
    cursor.offset = error.offset;
    raise(ERR_LIB_PEM, pemReason(error.code), error.message);
    return null;
  }
  const session = d2i_SSL_SESSION(der);
  der.fill(0);
  if (session === null) raise(ERR_LIB_PEM, ERR_R_ASN1_LIB);
  return session;
}

function pemReason(code: SessionFormatCode): number {
  switch (code) {
    case 'ERR_SESSION_PEM_BASE64':
      return PEM_R_BAD_BASE64_DECODE;
    case 'ERR_SESSION_PEM_END':
      return PEM_R_BAD_END_LINE;
    case 'ERR_SESSION_PEM_ENCRYPTED':
      return PEM_R_UNSUPPORTED_ENCRYPTION;
    default:
      return PEM_R_NO_START_LINE;
  }
}

// Words ------------------------------------------------------------------------------------------------

/** What `openssl sess_id -text` prints, **the secret too**. 1; 0 for null, and where OpenSSL gives up. */
export function SSL_SESSION_print(bio: BIO, session: SSL_SESSION | null): number {
  if (session === null) return 0;
  const { text, complete } = printSession(sessionOf(session, 'SSL_SESSION_print'));
  return writeAll(bio, fromLatin1(text)) && complete ? 1 : 0;
}

/** As SSL_SESSION_print, to a stream. */
export function SSL_SESSION_print_fp(file: FILE, session: SSL_SESSION | null): number {
  if (session === null) return 0;
  const { text, complete } = printSession(sessionOf(session, 'SSL_SESSION_print_fp'), 'SSL_SESSION_print_fp');
  writeFile(file, fromLatin1(text), 'SSL_SESSION_print_fp');
  return complete ? 1 : 0;
}

/** The line of an NSS key log, **with the secret**. 1; 0 for null, and without an id or a secret. */
export function SSL_SESSION_print_keylog(bio: BIO, session: SSL_SESSION | null): number {
  if (session === null) return 0;
  const line = printKeyLog(sessionOf(session, 'SSL_SESSION_print_keylog'));
  return line !== null && writeAll(bio, fromLatin1(line)) ? 1 : 0;
}

// ------------------------------------------------------------------------------------------------------

function writeAll(bio: BIO, bytes: Uint8Array): boolean {
  return BIO_write(bio, bytes) === bytes.length;
}

function writeFile(file: FILE, bytes: Uint8Array, call: string): void {
  if (file.write === undefined) throw notAFile(call, 'written to');
  file.write(bytes);
}

function notAFile(call: string, what: string): UsageError {
  return new UsageError('ERR_OPENSSL_FILE', `${call}: this stream cannot be ${what}`);
}

function fromLatin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
