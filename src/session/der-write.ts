/** i2d_SSL_SESSION(3): writing the DER form of `der.ts`. */
import { DerTag } from '../util/der.ts';
import { Field, PeerCertificate, type SessionBody } from './body.ts';
import type { SessionCore } from './core.ts';
import {
  type DerForm,
  formOf,
  lowBits,
  STRUCTURE_VERSION,
  Tag,
  TWO_32,
  type WideInteger,
} from './der-form.ts';
import { SessionError } from './errors.ts';

export interface EncodeOptions {
  /**
   * Whether to write the peer's raw public key as [20]. OpenSSL reads it since 3.2 and refuses the whole
   * session before. Default false.
   */
  readonly rawPublicKey?: boolean;
}

/** How many bytes {@link encodeSession} gives. @throws {SessionError} as it does. */
export function encodedLength(session: SessionCore, options: EncodeOptions = {}): number {
  const length = put(null, 0, session, options.rawPublicKey === true, false, 'i2d_SSL_SESSION');
  return 1 + lengthSize(length) + length;
}

/**
 * The session in DER, as i2d_SSL_SESSION(3) writes it; one that was read and not changed, byte for byte as
 * it was.
 * @throws {SessionError} `ERR_SESSION_NO_CIPHER` when it has no cipher suite, `ERR_SESSION_ENDED`.
 */
export function encodeSession(session: SessionCore, options: EncodeOptions = {}): Uint8Array {
  return encodeWith(session, options.rawPublicKey === true, false, 'i2d_SSL_SESSION');
}

/**
 * Writes it into `buffer` at `offset` and returns the offset after it.
 * @throws {RangeError} when there is not enough room; then nothing was written.
 */
export function encodeSessionInto(
  session: SessionCore,
  buffer: Uint8Array,
  offset = 0,
  options: EncodeOptions = {},
): number {
  const rawPublicKey = options.rawPublicKey === true;
  const length = put(null, 0, session, rawPublicKey, false, 'i2d_SSL_SESSION');
  const total = 1 + lengthSize(length) + length;
  if (offset < 0 || offset + total > buffer.length) {
    throw new RangeError(`a session of ${total} bytes does not fit at ${offset} of ${buffer.length} bytes`);
  }
  const at = putHeader(buffer, offset, DerTag.sequence, length);
  return put(buffer, at, session, rawPublicKey, false, 'i2d_SSL_SESSION');
}

/**
 * @internal `explicitTimes` writes also a time and a timeout that the file they came from left out, so that
 * they are the same wherever and whenever they are read; for the envelope.
 */
export function encodeWith(
  session: SessionCore,
  rawPublicKey: boolean,
  explicitTimes: boolean,
  call: string,
): Uint8Array {
  const length = put(null, 0, session, rawPublicKey, explicitTimes, call);
  const out = new Uint8Array(1 + lengthSize(length) + length);
  put(out, putHeader(out, 0, DerTag.sequence, length), session, rawPublicKey, explicitTimes, call);
  return out;
}

/** Writes the contents of the SEQUENCE at `at`, or, with no `out`, only counts. Returns the offset after. */
function put(
  out: Uint8Array | null,
  start: number,
  session: SessionCore,
  rawPublicKey: boolean,
  explicitTimes: boolean,
  call: string,
): number {
  const body = session.body(call);
  const cipher = body.cipher;
  if (cipher === 0) {
    throw new SessionError('ERR_SESSION_NO_CIPHER', `${call}: ${session.label} has no cipher suite`);
  }
  const form = formOf(body);
  const assumed = explicitTimes ? null : form;
  let at = putInteger(out, start, -1, STRUCTURE_VERSION);
  at = putInteger(out, at, -1, body.version);
  if (out !== null) {
    out[at] = DerTag.octetString;
    out[at + 1] = 2;
    out[at + 2] = cipher >> 8;
    out[at + 3] = cipher;
  }
  at += 4;
  at = putField(out, at, -1, body, Field.id);
  at = putField(out, at, -1, body, Field.masterKey);
  if (form !== null && form.keyArg !== null) at = putKeyArg(out, at, form.keyArg);

  const timeMs = session.timeMs(call);
  if (assumed === null || assumed.had(Tag.time) || timeMs !== assumed.assumedTimeMs) {
    at = putOptional(out, at, form, Tag.time, wholeSeconds(timeMs), timeMs);
  }
  const timeoutSec = session.timeoutSec(call);
  if (assumed === null || assumed.had(Tag.timeout) || timeoutSec !== assumed.assumedTimeoutSec) {
    at = putOptional(out, at, form, Tag.timeout, timeoutSec, timeoutSec);
  }
  if (body.peer !== null) at = putCertificate(out, at, body.peer);
  if (form === null || form.had(Tag.sidCtx) || body.length(Field.sidCtx) > 0) {
    at = putField(out, at, Tag.sidCtx, body, Field.sidCtx);
  }
  at = putOptional(out, at, form, Tag.verifyResult, body.verifyResult);
  at = putPresent(out, at, Tag.hostname, body, Field.hostname);
  at = putPresent(out, at, Tag.pskHint, body, Field.pskHint);
  at = putPresent(out, at, Tag.pskIdentity, body, Field.pskIdentity);
  at = putOptional(out, at, form, Tag.lifetimeHint, body.ticketLifetimeHint);
  at = putPresent(out, at, Tag.ticket, body, Field.ticket);
  at = putCompression(out, at, form, body.compression);
  at = putPresent(out, at, Tag.srpUsername, body, Field.srpUsername);
  at = putOptional(out, at, form, Tag.flags, body.flags);
  at = putOptional(out, at, form, Tag.ageAdd, body.ticketAgeAdd);
  at = putOptional(out, at, form, Tag.maxEarlyData, body.maxEarlyData);
  at = putPresent(out, at, Tag.alpn, body, Field.alpn);
  at = putOptional(out, at, form, Tag.maxFragment, body.maxFragmentLength);
  at = putPresent(out, at, Tag.ticketAppdata, body, Field.ticketAppdata);
  if (form === null || form.had(Tag.kexGroup) || body.kexGroup !== 0) {
    at = putInteger(out, at, Tag.kexGroup, body.kexGroup);
  }
  return rawPublicKey ? putPresent(out, at, Tag.peerRpk, body, Field.peerRpk) : at;
}

/** The numbers of a session that have 64 bits in C, exact also where a number of JavaScript is not. */
export function exactInteger(session: SessionCore, which: 'time' | 'timeout' | 'lifetimeHint'): bigint {
  const body = session.body('exactInteger');
  const tag = Tag[which];
  const timeMs = session.timeMs('exactInteger');
  let value = body.ticketLifetimeHint;
  if (which === 'time') value = wholeSeconds(timeMs);
  if (which === 'timeout') value = session.timeoutSec('exactInteger');
  const same = which === 'time' ? timeMs : value;
  for (const wide of formOf(body)?.wide ?? []) {
    if (wide.tag === tag && wide.value === same) return toBigInt(wide.contents);
  }
  const exact = BigInt(value);
  const [least, most] = which === 'lifetimeHint' ? [0n, 2n ** 64n - 1n] : [-(2n ** 63n), 2n ** 63n - 1n];
  return exact < least ? least : exact > most ? most : exact;
}

function toBigInt(contents: Uint8Array): bigint {
  let value = BigInt(((contents[0] as number) << 24) >> 24);
  for (let i = 1; i < contents.length; i++) value = (value << 8n) | BigInt(contents[i] as number);
  return value;
}

/** Milliseconds as whole seconds, towards the past. Beyond exact milliseconds the nearest. */
export function wholeSeconds(timeMs: number): number {
  return Number.isSafeInteger(timeMs) ? Math.floor(timeMs / 1000) : Math.round(timeMs / 1000);
}

function lengthSize(length: number): number {
  if (length < 0x80) return 1;
  return length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 4;
}

function putHeader(out: Uint8Array | null, at: number, tag: number, length: number): number {
  const size = lengthSize(length);
  if (out === null) return at + 1 + size;
  out[at] = tag;
  if (size === 1) {
    out[at + 1] = length;
    return at + 2;
  }
  out[at + 1] = 0x80 | (size - 1);
  for (let i = 0; i < size - 1; i++) out[at + size - i] = length >> (8 * i);
  return at + 1 + size;
}

/** How many bytes the contents of an INTEGER take. */
function integerSize(value: number): number {
  const magnitude = value < 0 ? -value - 1 : value;
  let size = 1;
  for (let limit = 0x80; magnitude >= limit && size < 9; limit *= 256) size++;
  return size;
}

const INT64_LIMIT = 2 ** 63;

/** An INTEGER, in `[tag]` unless `tag` is −1. What is beyond 64 bits becomes the nearest that is not. */
function putInteger(out: Uint8Array | null, at: number, tag: number, value: number): number {
  // The largest numbers of C have no exact double: LONG_MAX reads as 2^63 and is written as 2^63 − 1.
  const signed = tag === Tag.time || tag === Tag.timeout;
  const overflows = signed ? value >= INT64_LIMIT : value >= 2 * INT64_LIMIT;
  const underflows = value <= -INT64_LIMIT;
  const size = underflows || (overflows && signed) ? 8 : overflows ? 9 : integerSize(value);
  if (out === null) return at + (tag < 0 ? 2 : 4) + size;
  if (tag >= 0) {
    out[at++] = 0xa0 | tag;
    out[at++] = size + 2;
  }
  out[at++] = DerTag.integer;
  out[at++] = size;
  if (overflows || underflows) {
    out.fill(underflows ? 0 : 0xff, at, at + size);
    out[at] = underflows ? 0x80 : signed ? 0x7f : 0;
    return at + size;
  }
  const low = value >>> 0;
  const high = Math.floor(value / TWO_32);
  for (let i = size - 1; i >= 0; i--, at++) {
    out[at] = i < 4 ? low >>> (8 * i) : i < 8 ? high >>> (8 * (i - 4)) : 0;
  }
  return at;
}

/** `same` is what a wide INTEGER was remembered by, when it is not the value itself. */
function putOptional(
  out: Uint8Array | null,
  at: number,
  form: DerForm | null,
  tag: number,
  value: number,
  same: number = value,
): number {
  if (form !== null) {
    for (const wide of form.wide) {
      if (wide.tag === tag && remembers(wide, tag, same)) return putContents(out, at, tag, wide.contents);
    }
    if (value === 0 && !form.had(tag)) return at;
  } else if (value === 0) {
    return at;
  }
  return putInteger(out, at, tag, value);
}

function remembers(wide: WideInteger, tag: number, value: number): boolean {
  if (tag !== Tag.flags) return wide.value === value;
  return lowBits(wide.contents, wide.contents.length) === value;
}

function putContents(out: Uint8Array | null, at: number, tag: number, contents: Uint8Array): number {
  const size = contents.length;
  if (out !== null) {
    out[at] = 0xa0 | tag;
    out[at + 1] = size + 2;
    out[at + 2] = DerTag.integer;
    out[at + 3] = size;
    out.set(contents, at + 4);
  }
  return at + 4 + size;
}

function putCompression(
  out: Uint8Array | null,
  at: number,
  form: DerForm | null,
  compression: number,
): number {
  if (compression === 0 && (form === null || !form.had(Tag.compression))) return at;
  if (out !== null) {
    out[at] = 0xa0 | Tag.compression;
    out[at + 1] = 3;
    out[at + 2] = DerTag.octetString;
    out[at + 3] = 1;
    out[at + 4] = compression;
  }
  return at + 5;
}

function putKeyArg(out: Uint8Array | null, at: number, keyArg: Uint8Array): number {
  const contents = putHeader(out, at, 0x80, keyArg.length);
  if (out !== null) out.set(keyArg, contents);
  return contents + keyArg.length;
}

function putCertificate(out: Uint8Array | null, at: number, peer: PeerCertificate): number {
  const der = PeerCertificate.view(peer);
  const contents = putHeader(out, at, 0xa0 | Tag.peer, der.length);
  if (out !== null) out.set(der, contents);
  return contents + der.length;
}

function putPresent(
  out: Uint8Array | null,
  at: number,
  tag: number,
  body: SessionBody,
  field: number,
): number {
  return body.has(field) ? putField(out, at, tag, body, field) : at;
}

/** An OCTET STRING, in `[tag]` unless `tag` is −1. */
function putField(out: Uint8Array | null, at: number, tag: number, body: SessionBody, field: number): number {
  const length = body.length(field);
  const inner = 1 + lengthSize(length) + length;
  if (tag >= 0) at = putHeader(out, at, 0xa0 | tag, inner);
  if (out === null) return at + inner;
  at = putHeader(out, at, DerTag.octetString, length);
  const { bytes } = body;
  const start = body.start(field);
  if (length <= 48) for (let i = 0; i < length; i++) out[at + i] = bytes[start + i] as number;
  else out.set(bytes.subarray(start, start + length), at);
  return at + length;
}
