/**
 * The error queue, ERR_get_error(3): why the last calls failed, with OpenSSL 3's numbers and texts. One queue
 * for the realm that loaded this module, as C has one a thread.
 */

import { SESSION_LIMITS } from '../util/limits.ts';
import { SSL_REASON_TEXTS } from './ssl-reason-codes.ts';

/** The libraries that raise something here, as OpenSSL numbers them. */
export const ERR_LIB_SYS = 2;
export const ERR_LIB_PEM = 9;
export const ERR_LIB_ASN1 = 13;
export const ERR_LIB_CRYPTO = 15;
export const ERR_LIB_SSL = 20;
export const ERR_LIB_BIO = 32;

const LIBRARIES: ReadonlyMap<number, string> = new Map([
  [ERR_LIB_SYS, 'system library'],
  [ERR_LIB_PEM, 'PEM routines'],
  [ERR_LIB_ASN1, 'asn1 encoding routines'],
  [ERR_LIB_CRYPTO, 'common libcrypto routines'],
  [ERR_LIB_SSL, 'SSL routines'],
  [ERR_LIB_BIO, 'BIO routines'],
]);

const FATAL = 1 << 18;
const COMMON = 2 << 18;

// Reasons that every library may give.
export const ERR_R_MALLOC_FAILURE: number = 256 | FATAL | COMMON;
export const ERR_R_PASSED_NULL_PARAMETER: number = 258 | FATAL | COMMON;
export const ERR_R_INTERNAL_ERROR: number = 259 | FATAL | COMMON;
export const ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED: number = 257 | FATAL | COMMON;
export const ERR_R_PASSED_INVALID_ARGUMENT: number = 262 | COMMON;
export const ERR_R_NESTED_ASN1_ERROR: number = 266 | COMMON;
export const ERR_R_ASN1_LIB: number = ERR_LIB_ASN1 | COMMON;
export const ERR_R_CRYPTO_LIB: number = ERR_LIB_CRYPTO | COMMON;

// Reasons of one library.
export const SSL_R_CIPHER_CODE_WRONG_LENGTH = 137;
export const SSL_R_UNKNOWN_CIPHER_TYPE = 249;
export const SSL_R_UNKNOWN_SSL_VERSION = 254;
export const SSL_R_UNSUPPORTED_SSL_VERSION = 259;
export const SSL_R_BAD_LENGTH = 271;
export const SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG = 273;
export const SSL_R_SSL_SESSION_ID_TOO_LONG = 408;
export const ASN1_R_DECODE_ERROR = 110;
export const PEM_R_BAD_BASE64_DECODE = 100;
export const PEM_R_BAD_END_LINE = 102;
export const PEM_R_NO_START_LINE = 108;
export const PEM_R_UNSUPPORTED_ENCRYPTION = 114;

const COMMON_REASONS: ReadonlyMap<number, string> = new Map([
  [ERR_R_MALLOC_FAILURE, 'malloc failure'],
  [ERR_R_PASSED_NULL_PARAMETER, 'passed a null parameter'],
  [ERR_R_INTERNAL_ERROR, 'internal error'],
  [ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED, 'called a function you should not call'],
  [ERR_R_PASSED_INVALID_ARGUMENT, 'passed invalid argument'],
  [ERR_R_NESTED_ASN1_ERROR, 'nested asn1 error'],
  [ERR_R_ASN1_LIB, 'ASN1 lib'],
  [ERR_R_CRYPTO_LIB, 'CRYPTO lib'],
]);

const REASONS: ReadonlyMap<number, string> = new Map([
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CIPHER_CODE_WRONG_LENGTH), 'cipher code wrong length'],
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNKNOWN_CIPHER_TYPE), 'unknown cipher type'],
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNKNOWN_SSL_VERSION), 'unknown ssl version'],
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_UNSUPPORTED_SSL_VERSION), 'unsupported ssl version'],
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_BAD_LENGTH), 'bad length'],
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG), 'ssl session id context too long'],
  [ERR_PACK(ERR_LIB_SSL, 0, SSL_R_SSL_SESSION_ID_TOO_LONG), 'ssl session id too long'],
  [ERR_PACK(ERR_LIB_ASN1, 0, ASN1_R_DECODE_ERROR), 'decode error'],
  [ERR_PACK(ERR_LIB_PEM, 0, PEM_R_BAD_BASE64_DECODE), 'bad base64 decode'],
  [ERR_PACK(ERR_LIB_PEM, 0, PEM_R_BAD_END_LINE), 'bad end line'],
  [ERR_PACK(ERR_LIB_PEM, 0, PEM_R_NO_START_LINE), 'no start line'],
  [ERR_PACK(ERR_LIB_PEM, 0, PEM_R_UNSUPPORTED_ENCRYPTION), 'unsupported encryption'],
]);

/** An error as one number: 8 bits of library above 23 of reason. `func` is not used since OpenSSL 3. */
export function ERR_PACK(lib: number, _func: number, reason: number): number {
  return (((lib & 0xff) << 23) | (reason & 0x7f_ffff)) >>> 0;
}

export function ERR_GET_LIB(error: number): number {
  return (error >>> 23) & 0xff;
}

export function ERR_GET_REASON(error: number): number {
  return error & 0x7f_ffff;
}

/** An entry of the queue, as ERR_get_error_all(3) gives it, less the places in C files. */
export interface ErrorEntry {
  readonly error: number;
  /** What else there is to say; empty for nothing. Never holds a secret. */
  readonly data: string;
}

const queue: ErrorEntry[] = [];

/** @internal Puts an error on the queue. */
export function raise(lib: number, reason: number, data = ''): void {
  if (queue.length === SESSION_LIMITS.errors) queue.shift();
  queue.push({ error: ERR_PACK(lib, 0, reason), data });
}

/** Takes the oldest error off the queue; 0 when there is none. */
export function ERR_get_error(): number {
  return queue.shift()?.error ?? 0;
}

/** As ERR_get_error, with the data; null when there is none. */
export function ERR_get_error_all(): ErrorEntry | null {
  return queue.shift() ?? null;
}

/** The oldest error, which stays; 0 when there is none. */
export function ERR_peek_error(): number {
  return queue[0]?.error ?? 0;
}

/** The latest error, which stays; 0 when there is none. */
export function ERR_peek_last_error(): number {
  return queue.at(-1)?.error ?? 0;
}

export function ERR_clear_error(): void {
  queue.length = 0;
}

/** `SSL routines`; null for a library that is not known. */
export function ERR_lib_error_string(error: number): string | null {
  return LIBRARIES.get(ERR_GET_LIB(error)) ?? null;
}

/** `bad length`; null for a reason that is not known. */
export function ERR_reason_error_string(error: number): string | null {
  const reason = ERR_GET_REASON(error);
  const ofSsl = ERR_GET_LIB(error) === ERR_LIB_SSL ? SSL_REASON_TEXTS.get(reason) : undefined;
  return REASONS.get(error) ?? ofSsl ?? COMMON_REASONS.get(reason) ?? null;
}

/** `error:0A00010F:SSL routines::bad length`. */
export function ERR_error_string(error: number): string {
  const code = (error >>> 0).toString(16).toUpperCase().padStart(8, '0');
  const lib = ERR_lib_error_string(error) ?? `lib(${ERR_GET_LIB(error)})`;
  const reason = ERR_reason_error_string(error) ?? `reason(${ERR_GET_REASON(error)})`;
  return `error:${code}:${lib}::${reason}`;
}
