/**
 * SSL_SESSION_new(3) and its family: references, fields and ex_data of a session under OpenSSL's names.
 * What C returns is returned, 1 and 0 included; a string or bytes that C fills in are the result. Bytes that
 * C lends (get0) are copies here. What C leaves undefined throws.
 */
import { FIELD_LIMITS, Field, type FieldIndex, MFL_UNSPECIFIED } from '../session/body.ts';
import { SessionCore } from '../session/core.ts';
import { wholeSeconds } from '../session/der.ts';
import {
  type ExDupCallback,
  type ExFreeCallback,
  type ExNewCallback,
  newExIndex,
} from '../session/ex-data.ts';
import { utf8 } from '../util/bytes.ts';
import { systemClock } from '../util/clock.ts';
import {
  ERR_LIB_CRYPTO,
  ERR_LIB_SSL,
  ERR_R_CRYPTO_LIB,
  ERR_R_MALLOC_FAILURE,
  ERR_R_PASSED_INVALID_ARGUMENT,
  raise,
  SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG,
  SSL_R_SSL_SESSION_ID_TOO_LONG,
} from './err.ts';
import { cipherOf, type SSL_CIPHER, type SSL_SESSION, sessionOf, type X509 } from './types.ts';

/** The longest session id and the longest session id context, in bytes. */
export const SSL_MAX_SSL_SESSION_ID_LENGTH = 32;
export const SSL_MAX_SID_CTX_LENGTH = 32;

// References -------------------------------------------------------------------------------------------

/** A new session with one reference; null when an ex_data callback threw. */
export function SSL_SESSION_new(): SSL_SESSION | null {
  try {
    return SessionCore.create(systemClock, 'SSL_SESSION_new');
  } catch (error) {
    return failedBy(error);
  }
}

/** A copy with one reference, in no cache; null when an ex_data callback threw. */
export function SSL_SESSION_dup(source: SSL_SESSION): SSL_SESSION | null {
  const session = sessionOf(source, 'SSL_SESSION_dup');
  session.body('SSL_SESSION_dup');
  try {
    return session.dup('SSL_SESSION_dup');
  } catch (error) {
    return failedBy(error);
  }
}

/** One more reference. 1, or 0 at the largest count. */
export function SSL_SESSION_up_ref(session: SSL_SESSION): number {
  return sessionOf(session, 'SSL_SESSION_up_ref').upRef('SSL_SESSION_up_ref') ? 1 : 0;
}

/**
 * Gives one reference back; with the last, the session ends. Null does nothing.
 * @throws {SessionError} when the application has no reference to give back, also while a cache or a
 * connection still holds the session.
 */
export function SSL_SESSION_free(session: SSL_SESSION | null): void {
  if (session !== null) sessionOf(session, 'SSL_SESSION_free').free('SSL_SESSION_free');
}

function failedBy(error: unknown): null {
  raise(ERR_LIB_SSL, ERR_R_CRYPTO_LIB, error instanceof Error ? error.message : 'an ex_data callback threw');
  return null;
}

// Time -------------------------------------------------------------------------------------------------

/** When it was made, in seconds since 1970; 0 for null. */
export function SSL_SESSION_get_time_ex(session: SSL_SESSION | null): number {
  if (session === null) return 0;
  return wholeSeconds(sessionOf(session, 'SSL_SESSION_get_time_ex').timeMs('SSL_SESSION_get_time_ex'));
}

/** Sets it, and re-sorts the cache that holds it. Returns the time; 0 for null. */
export function SSL_SESSION_set_time_ex(session: SSL_SESSION | null, seconds: number): number {
  if (session === null) return 0;
  sessionOf(session, 'SSL_SESSION_set_time_ex').setTimeMs(seconds * 1000, 'SSL_SESSION_set_time_ex');
  return seconds;
}

/** How long it may be resumed, in seconds; 0 for null. */
export function SSL_SESSION_get_timeout(session: SSL_SESSION | null): number {
  if (session === null) return 0;
  return sessionOf(session, 'SSL_SESSION_get_timeout').timeoutSec('SSL_SESSION_get_timeout');
}

/** 1; 0 for null or a negative number. */
export function SSL_SESSION_set_timeout(session: SSL_SESSION | null, seconds: number): number {
  if (session === null || seconds < 0) return 0;
  sessionOf(session, 'SSL_SESSION_set_timeout').setTimeoutSec(seconds, 'SSL_SESSION_set_timeout');
  return 1;
}

// The older and the shorter names of the same.
export const SSL_SESSION_get_time: typeof SSL_SESSION_get_time_ex = SSL_SESSION_get_time_ex;
export const SSL_SESSION_set_time: typeof SSL_SESSION_set_time_ex = SSL_SESSION_set_time_ex;
export const SSL_get_time: typeof SSL_SESSION_get_time_ex = SSL_SESSION_get_time_ex;
export const SSL_set_time: typeof SSL_SESSION_set_time_ex = SSL_SESSION_set_time_ex;
export const SSL_get_timeout: typeof SSL_SESSION_get_timeout = SSL_SESSION_get_timeout;
export const SSL_set_timeout: typeof SSL_SESSION_set_timeout = SSL_SESSION_set_timeout;

// What was negotiated ----------------------------------------------------------------------------------

/** ProtocolVersion; 0 as long as nothing set it. */
export function SSL_SESSION_get_protocol_version(session: SSL_SESSION): number {
  return bodyOf(session, 'SSL_SESSION_get_protocol_version').version;
}

/** Always 1; the number is not looked at. */
export function SSL_SESSION_set_protocol_version(session: SSL_SESSION, version: number): number {
  return setNumber(session, 'version', version | 0, 'SSL_SESSION_set_protocol_version');
}

export function SSL_SESSION_get0_cipher(session: SSL_SESSION): SSL_CIPHER | null {
  return cipherOf(bodyOf(session, 'SSL_SESSION_get0_cipher').cipher);
}

/** Always 1; null removes it. */
export function SSL_SESSION_set_cipher(session: SSL_SESSION, cipher: SSL_CIPHER | null): number {
  return setNumber(session, 'cipher', cipher === null ? 0 : cipher.id & 0xffff, 'SSL_SESSION_set_cipher');
}

/** The server name of the handshake, or null. */
export function SSL_SESSION_get0_hostname(session: SSL_SESSION): string | null {
  const bytes = getBytes(session, Field.hostname, 'SSL_SESSION_get0_hostname');
  return bytes && decoder.decode(bytes);
}

/** Null clears it. A text is stored in UTF-8 and ends, as in C, at a zero byte. */
export function SSL_SESSION_set1_hostname(
  session: SSL_SESSION,
  hostname: string | Uint8Array | null,
): number {
  const bytes = typeof hostname === 'string' ? utf8(hostname) : hostname;
  const end = bytes?.indexOf(0) ?? -1;
  const value = bytes !== null && end >= 0 ? bytes.subarray(0, end) : bytes;
  return setBytes(session, Field.hostname, value, 'SSL_SESSION_set1_hostname');
}

/** The application protocol without its length byte; empty when there is none. */
export function SSL_SESSION_get0_alpn_selected(session: SSL_SESSION): Uint8Array {
  return bodyOf(session, 'SSL_SESSION_get0_alpn_selected').copy(Field.alpn);
}

/** Null or empty clears it. */
export function SSL_SESSION_set1_alpn_selected(session: SSL_SESSION, protocol: Uint8Array | null): number {
  const value = protocol === null || protocol.length === 0 ? null : protocol;
  return setBytes(session, Field.alpn, value, 'SSL_SESSION_set1_alpn_selected');
}

/** The compression method's number; 0 for none. */
export function SSL_SESSION_get_compress_id(session: SSL_SESSION): number {
  return bodyOf(session, 'SSL_SESSION_get_compress_id').compression;
}

/** The mode of RFC 6066; 0 when none was negotiated. */
export function SSL_SESSION_get_max_fragment_length(session: SSL_SESSION): number {
  const mode = bodyOf(session, 'SSL_SESSION_get_max_fragment_length').maxFragmentLength;
  return mode === MFL_UNSPECIFIED ? 0 : mode;
}

// Tickets and early data -------------------------------------------------------------------------------

/** 1 if it has a ticket of at least one byte. */
export function SSL_SESSION_has_ticket(session: SSL_SESSION): number {
  return bodyOf(session, 'SSL_SESSION_has_ticket').length(Field.ticket) > 0 ? 1 : 0;
}

/** Seconds; 0 when the server said nothing. */
export function SSL_SESSION_get_ticket_lifetime_hint(session: SSL_SESSION): number {
  return bodyOf(session, 'SSL_SESSION_get_ticket_lifetime_hint').ticketLifetimeHint;
}

/** Null when there is none. */
export function SSL_SESSION_get0_ticket(session: SSL_SESSION): Uint8Array | null {
  return getBytes(session, Field.ticket, 'SSL_SESSION_get0_ticket');
}

/** Null when there is none. */
export function SSL_SESSION_get0_ticket_appdata(session: SSL_SESSION): Uint8Array | null {
  return getBytes(session, Field.ticketAppdata, 'SSL_SESSION_get0_ticket_appdata');
}

/** 1; null or empty clears it. 0 for more than 1 MiB. */
export function SSL_SESSION_set1_ticket_appdata(session: SSL_SESSION, data: Uint8Array | null): number {
  const value = data === null || data.length === 0 ? null : data;
  return setBytes(session, Field.ticketAppdata, value, 'SSL_SESSION_set1_ticket_appdata');
}

/** Bytes. */
export function SSL_SESSION_get_max_early_data(session: SSL_SESSION): number {
  return bodyOf(session, 'SSL_SESSION_get_max_early_data').maxEarlyData;
}

/** Always 1. The number is taken as 32 bits, unsigned. */
export function SSL_SESSION_set_max_early_data(session: SSL_SESSION, bytes: number): number {
  return setNumber(session, 'maxEarlyData', bytes >>> 0, 'SSL_SESSION_set_max_early_data');
}

// The peer ---------------------------------------------------------------------------------------------

/** The peer's certificate, or null. It may be kept: it does not change and is not counted. */
export function SSL_SESSION_get0_peer(session: SSL_SESSION): X509 | null {
  return bodyOf(session, 'SSL_SESSION_get0_peer').peer;
}

/** The peer's raw public key as SubjectPublicKeyInfo, or null. */
export function SSL_SESSION_get0_peer_rpk(session: SSL_SESSION): Uint8Array | null {
  return getBytes(session, Field.peerRpk, 'SSL_SESSION_get0_peer_rpk');
}

// Identity and secret ----------------------------------------------------------------------------------

export function SSL_SESSION_get_id(session: SSL_SESSION): Uint8Array {
  return bodyOf(session, 'SSL_SESSION_get_id').copy(Field.id);
}

/** 1; 0 and an error for more than 32 bytes. Empty is allowed. */
export function SSL_SESSION_set1_id(session: SSL_SESSION, id: Uint8Array): number {
  if (id.length > SSL_MAX_SSL_SESSION_ID_LENGTH) {
    raise(ERR_LIB_SSL, SSL_R_SSL_SESSION_ID_TOO_LONG);
    return 0;
  }
  return setBytes(session, Field.id, id, 'SSL_SESSION_set1_id');
}

export function SSL_SESSION_get0_id_context(session: SSL_SESSION): Uint8Array {
  return bodyOf(session, 'SSL_SESSION_get0_id_context').copy(Field.sidCtx);
}

/** 1; 0 and an error for more than 32 bytes. */
export function SSL_SESSION_set1_id_context(session: SSL_SESSION, context: Uint8Array): number {
  if (context.length > SSL_MAX_SID_CTX_LENGTH) {
    raise(ERR_LIB_SSL, SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG);
    return 0;
  }
  return setBytes(session, Field.sidCtx, context, 'SSL_SESSION_set1_id_context');
}

/** 1 if it is not marked as not resumable and has an id or a ticket. Says nothing about its time. */
export function SSL_SESSION_is_resumable(session: SSL_SESSION): number {
  return sessionOf(session, 'SSL_SESSION_is_resumable').isResumable('SSL_SESSION_is_resumable') ? 1 : 0;
}

/** How long the secret is, for an `outlen` of 0; otherwise its first `outlen` bytes, or all. */
export function SSL_SESSION_get_master_key(session: SSL_SESSION, outlen: 0): number;
export function SSL_SESSION_get_master_key(session: SSL_SESSION, outlen?: number): Uint8Array;
export function SSL_SESSION_get_master_key(session: SSL_SESSION, outlen = Infinity): Uint8Array | number {
  const body = bodyOf(session, 'SSL_SESSION_get_master_key');
  if (outlen === 0) return body.length(Field.masterKey);
  return body.view(Field.masterKey).slice(0, outlen);
}

/** 1; 0 for more than 512 bytes. */
export function SSL_SESSION_set1_master_key(session: SSL_SESSION, key: Uint8Array): number {
  if (key.length > (FIELD_LIMITS[Field.masterKey] as number)) return 0;
  return setBytes(session, Field.masterKey, key, 'SSL_SESSION_set1_master_key');
}

// ex_data ----------------------------------------------------------------------------------------------

/**
 * An index for a value of the program's on every session, with callbacks for when a session is made,
 * duplicated and released. −1 when 1,024 are taken. Index 0 is SSL_SESSION_set_app_data's.
 */
export function SSL_SESSION_get_ex_new_index(
  argl: number,
  argp: unknown,
  newFunc: ExNewCallback | null,
  dupFunc: ExDupCallback | null,
  freeFunc: ExFreeCallback | null,
): number {
  const index = newExIndex(argl, argp, newFunc, dupFunc, freeFunc);
  if (index === -1) raise(ERR_LIB_CRYPTO, ERR_R_MALLOC_FAILURE);
  return index;
}

/** 1; 0 and an error for an index that nobody registered. Allowed while a cache holds the session. */
export function SSL_SESSION_set_ex_data(session: SSL_SESSION, index: number, value: unknown): number {
  if (sessionOf(session, 'SSL_SESSION_set_ex_data').setExData(index, value)) return 1;
  raise(ERR_LIB_CRYPTO, ERR_R_PASSED_INVALID_ARGUMENT);
  return 0;
}

/** Null for what was not set. */
export function SSL_SESSION_get_ex_data(session: SSL_SESSION, index: number): unknown {
  return sessionOf(session, 'SSL_SESSION_get_ex_data').getExData(index);
}

/** 1. */
export function SSL_SESSION_set_app_data(session: SSL_SESSION, value: unknown): number {
  return SSL_SESSION_set_ex_data(session, 0, value);
}

export function SSL_SESSION_get_app_data(session: SSL_SESSION): unknown {
  return SSL_SESSION_get_ex_data(session, 0);
}

// ------------------------------------------------------------------------------------------------------

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function bodyOf(session: SSL_SESSION, call: string): ReturnType<SessionCore['body']> {
  return sessionOf(session, call).body(call);
}

function getBytes(session: SSL_SESSION, field: FieldIndex, call: string): Uint8Array | null {
  const body = bodyOf(session, call);
  return body.has(field) ? body.copy(field) : null;
}

function setNumber(
  session: SSL_SESSION,
  key: 'version' | 'cipher' | 'maxEarlyData',
  value: number,
  call: string,
): 1 {
  sessionOf(session, call).ownBody(call)[key] = value;
  return 1;
}

/** 1, or 0 for a value over the field's limit, which in C only the memory is. */
function setBytes(session: SSL_SESSION, field: FieldIndex, value: Uint8Array | null, call: string): number {
  const core = sessionOf(session, call);
  if (value !== null && value.length > (FIELD_LIMITS[field] as number)) {
    core.body(call);
    raise(ERR_LIB_SSL, ERR_R_PASSED_INVALID_ARGUMENT, `${value.length} bytes`);
    return 0;
  }
  core.setField(field, value, call);
  return 1;
}
