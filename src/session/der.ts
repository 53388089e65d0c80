/**
 * The serialised form that OpenSSL gives a session, i2d_SSL_SESSION(3) and d2i_SSL_SESSION(3):
 *
 *     SSLSession ::= SEQUENCE {
 *       structureVersion   INTEGER (1),
 *       sslVersion         INTEGER,              -- ProtocolVersion, 0x0304 for TLS 1.3
 *       cipher             OCTET STRING,         -- two bytes
 *       sessionID          OCTET STRING,         -- at most 32
 *       masterKey          OCTET STRING,         -- in TLS 1.3 the resumption PSK; at most 512
 *       keyArg         [0] IMPLICIT OCTET STRING OPTIONAL,  -- of SSL 2: never written, ignored
 *       time           [1] INTEGER OPTIONAL,     -- seconds since 1970, 64 bits
 *       timeout        [2] INTEGER OPTIONAL,     -- seconds, 64 bits
 *       peer           [3] Certificate OPTIONAL,
 *       sessionIDCtx   [4] OCTET STRING OPTIONAL,           -- always written, even when empty
 *       verifyResult   [5] INTEGER OPTIONAL,     -- X509_V_*, 32 bits
 *       hostname       [6] OCTET STRING OPTIONAL,
 *       pskHint        [7] OCTET STRING OPTIONAL,
 *       pskIdentity    [8] OCTET STRING OPTIONAL,
 *       lifetimeHint   [9] INTEGER OPTIONAL,     -- seconds, 64 bits unsigned
 *       ticket        [10] OCTET STRING OPTIONAL,
 *       compression   [11] OCTET STRING OPTIONAL,           -- one byte
 *       srpUsername   [12] OCTET STRING OPTIONAL,
 *       flags         [13] INTEGER OPTIONAL,     -- 64 bits unsigned; 1: extended master secret
 *       ageAdd        [14] INTEGER OPTIONAL,     -- 32 bits unsigned, and so the rest
 *       maxEarlyData  [15] INTEGER OPTIONAL,
 *       alpn          [16] OCTET STRING OPTIONAL,
 *       maxFragment   [17] INTEGER OPTIONAL,
 *       ticketAppdata [18] OCTET STRING OPTIONAL,
 *       kexGroup      [19] INTEGER OPTIONAL,     -- since 3.0: always written, even when 0
 *       peerRPK       [20] OCTET STRING OPTIONAL -- since 3.2: SubjectPublicKeyInfo
 *     }
 *
 * All tags but [0] are EXPLICIT. An INTEGER that is OPTIONAL is left out when it is 0, unless a line says
 * otherwise. What a file did differently is remembered (`DerForm`), so that a session that was read and not
 * changed is written back byte for byte.
 */

import { isKnownCipher } from '../util/cipher-names.ts';
import { DerReader, DerTag } from '../util/der.ts';
import { FIELD_COUNT, Field, PeerCertificate, packRanges, SessionBody } from './body.ts';
import { SessionCore } from './core.ts';
import { SessionError, type SessionFormatCode, SessionFormatError } from './errors.ts';

const STRUCTURE_VERSION = 1;
/** The timeout of a session whose file says none, in seconds (d2i_SSL_SESSION). */
export const ABSENT_TIMEOUT_SEC = 3;

const TAG = Object.freeze({
  keyArg: 0,
  time: 1,
  timeout: 2,
  peer: 3,
  sidCtx: 4,
  verifyResult: 5,
  hostname: 6,
  pskHint: 7,
  pskIdentity: 8,
  lifetimeHint: 9,
  ticket: 10,
  compression: 11,
  srpUsername: 12,
  flags: 13,
  ageAdd: 14,
  maxEarlyData: 15,
  alpn: 16,
  maxFragment: 17,
  ticketAppdata: 18,
  kexGroup: 19,
  peerRpk: 20,
});

const ALWAYS_WRITTEN = (1 << TAG.sidCtx) | (1 << TAG.kexGroup);

/** An INTEGER beyond what a number holds exactly, with the number that stands for it. */
interface WideInteger {
  readonly tag: number;
  readonly value: number;
  readonly contents: Uint8Array;
}

/**
 * How a file differs from what i2d_SSL_SESSION would have written for the same values. Each entry counts
 * only as long as the value it speaks of is unchanged, so setters need not know about it.
 */
class DerForm {
  /** Bit n: element [n] was in the file. */
  readonly elements: number;
  readonly keyArg: Uint8Array | null;
  readonly wide: readonly WideInteger[];
  /** What was taken for a time and a timeout that the file does not give. */
  readonly assumedTimeMs: number;
  readonly assumedTimeoutSec: number;

  constructor(
    elements: number,
    keyArg: Uint8Array | null,
    wide: readonly WideInteger[],
    assumedTimeMs: number,
    assumedTimeoutSec: number,
  ) {
    this.elements = elements;
    this.keyArg = keyArg;
    this.wide = wide;
    this.assumedTimeMs = assumedTimeMs;
    this.assumedTimeoutSec = assumedTimeoutSec;
  }

  had(tag: number): boolean {
    return (this.elements & (1 << tag)) !== 0;
  }
}

function formOf(body: SessionBody): DerForm | null {
  return body.form instanceof DerForm ? body.form : null;
}

// Reading ----------------------------------------------------------------------------------------------

/** What stands for a time and a timeout that are absent (which is how 0 is written). */
export interface AbsentTimes {
  readonly timeMs: number;
  readonly timeoutSec: number;
}

export interface DecodedSession {
  readonly session: SessionCore;
  /** Offset of the first byte after it. */
  readonly end: number;
}

/**
 * Reads a session that is the whole of `bytes`. A missing time becomes `nowMs`, a missing timeout 3 s. The
 * result has one reference, the application's, and no bindings. Nothing of `bytes` is kept.
 *
 * @throws {DecodeError} `ERR_TLS_DER` for what is not DER, and {SessionFormatError} for DER that is no
 * session; then nothing was made.
 */
export function decodeSession(bytes: Uint8Array, nowMs: number, call = 'd2i_SSL_SESSION'): SessionCore {
  const { session, end } = decodeSessionAt(bytes, 0, nowMs, call);
  if (end === bytes.length) return session;
  session.free(call);
  throw new SessionFormatError('ERR_SESSION_TRAILING_BYTES', 'there are bytes after the session', end);
}

/** As {@link decodeSession}, from an offset, and bytes may follow: they are the caller's. */
export function decodeSessionAt(
  bytes: Uint8Array,
  offset: number,
  nowMs: number,
  call = 'd2i_SSL_SESSION',
): DecodedSession {
  return decodeRange(bytes, offset, bytes.length, { timeMs: nowMs, timeoutSec: ABSENT_TIMEOUT_SEC }, call);
}

/** Where each field lies in the input. Filled and used up within one call that calls nobody back. */
const starts = new Int32Array(FIELD_COUNT);
const ends = new Int32Array(FIELD_COUNT);

/** @internal Reads the session that begins at `offset`, for the envelope: with its own absent values. */
export function decodeRange(
  bytes: Uint8Array,
  offset: number,
  limit: number,
  absent: AbsentTimes,
  call: string,
): DecodedSession {
  const reader = new DerReader(bytes, offset, limit);
  starts.fill(0);
  ends.fill(0);
  const integers = new IntegerReader(reader);
  const end = reader.enter(DerTag.sequence);

  const structure = integers.read(-1, 4, false);
  if (structure !== STRUCTURE_VERSION) {
    refuse('ERR_SESSION_STRUCTURE_VERSION', 'a session structure of another version than 1', offset);
  }
  const versionAt = reader.at;
  const version = integers.read(-1, 4, true);
  if (!isTlsOrDtls(version)) {
    refuse('ERR_SESSION_PROTOCOL_VERSION', 'a session of a protocol that is not TLS', versionAt);
  }
  const cipher = readCipher(reader);
  readMandatory(reader, Field.id, 32);
  readMandatory(reader, Field.masterKey, 512);
  const fixedEnd = reader.at;

  let elements = 0;
  let present = (1 << Field.masterKey) | (1 << Field.id);
  let keyArg: Uint8Array | null = null;
  let timeMs = absent.timeMs;
  let timeoutSec = absent.timeoutSec;
  let peer: PeerCertificate | null = null;
  let verifyResult = 0;
  let ticketLifetimeHint = 0;
  let compression = 0;
  let flags = 0;
  let ticketAgeAdd = 0;
  let maxEarlyData = 0;
  let maxFragmentLength = 0;
  let kexGroup = 0;
  let zeros = 0;

  if (fixedEnd > end) reader.fail('an element is longer than what holds it', fixedEnd);
  let last = -1;
  while (reader.at < end) {
    const identifier = bytes[reader.at] as number;
    const tag = identifier & 0x1f;
    if (tag <= last || tag > TAG.peerRpk) reader.fail('an element of another type was expected');
    last = tag;
    elements |= 1 << tag;
    if (tag === TAG.keyArg) {
      const keyArgEnd = reader.enter(0x80);
      keyArg = bytes.slice(reader.at, keyArgEnd);
      reader.at = keyArgEnd;
      continue;
    }
    const elementEnd = reader.enter(0xa0 | tag);
    let value = 1;
    switch (tag) {
      case TAG.time:
        timeMs = integers.readTime();
        value = timeMs;
        break;
      case TAG.timeout:
        value = timeoutSec = integers.read(tag, 8, true);
        break;
      case TAG.peer:
        peer = readCertificate(reader, elementEnd);
        break;
      case TAG.verifyResult:
        value = verifyResult = integers.read(tag, 4, true);
        break;
      case TAG.lifetimeHint:
        value = ticketLifetimeHint = integers.read(tag, 8, false);
        break;
      case TAG.compression:
        value = compression = readCompression(reader);
        break;
      case TAG.flags:
        value = flags = integers.read(tag, 8, false);
        // A number does not keep the low bits of a wide value, and the low bits are the flags.
        if (!Number.isSafeInteger(value)) flags = lowBits(bytes, elementEnd);
        break;
      case TAG.ageAdd:
        value = ticketAgeAdd = integers.read(tag, 4, false);
        break;
      case TAG.maxEarlyData:
        value = maxEarlyData = integers.read(tag, 4, false);
        break;
      case TAG.maxFragment:
        value = maxFragmentLength = integers.read(tag, 4, false);
        break;
      case TAG.kexGroup:
        kexGroup = integers.read(tag, 4, false);
        break;
      default: {
        const field = FIELD_OF_TAG[tag] as number;
        present |= 1 << field;
        const octetsEnd = reader.enter(DerTag.octetString);
        starts[field] = reader.at;
        ends[field] = octetsEnd;
        reader.at = octetsEnd;
        if (tag === TAG.sidCtx && octetsEnd - (starts[field] as number) > 32) {
          refuse('ERR_SESSION_FIELD_LENGTH', 'a session id context of more than 32 bytes', reader.at);
        }
        if (tag === TAG.peerRpk) checkPublicKey(bytes, starts[field] as number, octetsEnd);
      }
    }
    if (value === 0) zeros |= 1 << tag;
    if (reader.at !== elementEnd) reader.fail('an element does not end where it says');
  }
  if (reader.at !== end) reader.fail('an element is longer than what holds it');

  const usual =
    keyArg === null &&
    zeros === 0 &&
    integers.wide.length === 0 &&
    (elements & ALWAYS_WRITTEN) === ALWAYS_WRITTEN &&
    (elements & (1 << TAG.time)) !== 0 &&
    (elements & (1 << TAG.timeout)) !== 0;
  const body = new SessionBody(packed(bytes, fixedEnd), present, {
    version,
    cipher,
    kexGroup,
    verifyResult,
    ticketLifetimeHint,
    ticketAgeAdd,
    maxEarlyData,
    maxFragmentLength,
    flags,
    compression,
  });
  body.peer = peer;
  if (!usual) body.form = new DerForm(elements, keyArg, integers.wide, absent.timeMs, absent.timeoutSec);
  return { session: SessionCore.fromBody(body, timeMs, timeoutSec, call), end };
}

const FIELD_OF_TAG: readonly (number | undefined)[] = (() => {
  const fields: (number | undefined)[] = new Array(TAG.peerRpk + 1).fill(undefined);
  fields[TAG.sidCtx] = Field.sidCtx;
  fields[TAG.hostname] = Field.hostname;
  fields[TAG.pskHint] = Field.pskHint;
  fields[TAG.pskIdentity] = Field.pskIdentity;
  fields[TAG.ticket] = Field.ticket;
  fields[TAG.srpUsername] = Field.srpUsername;
  fields[TAG.alpn] = Field.alpn;
  fields[TAG.ticketAppdata] = Field.ticketAppdata;
  fields[TAG.peerRpk] = Field.peerRpk;
  return Object.freeze(fields);
})();

/** A field over its limit is the input's fault here, and not a caller's. */
function packed(bytes: Uint8Array, offset: number): Uint8Array {
  try {
    return packRanges(bytes, starts, ends);
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    throw new SessionFormatError('ERR_SESSION_FIELD_LENGTH', error.message, offset);
  }
}

/** As d2i_SSL_SESSION judges it: major version 3, DTLS, or the odd number of DTLS 0.9. */
function isTlsOrDtls(version: number): boolean {
  return version >> 8 === 0x03 || version >> 8 === 0xfe || version === 0x0100;
}

function readCipher(reader: DerReader): number {
  const end = reader.enter(DerTag.octetString);
  const at = reader.at;
  if (end - at !== 2) refuse('ERR_SESSION_CIPHER_LENGTH', 'a cipher suite that is not two bytes long', at);
  const cipher = ((reader.bytes[at] as number) << 8) | (reader.bytes[at + 1] as number);
  if (!isKnownCipher(cipher)) refuse('ERR_SESSION_CIPHER_UNKNOWN', 'a cipher suite that is not known', at);
  reader.at = end;
  return cipher;
}

function readMandatory(reader: DerReader, field: number, limit: number): void {
  const end = reader.enter(DerTag.octetString);
  if (end - reader.at > limit) {
    const what = field === Field.id ? 'a session id' : 'a master key';
    refuse('ERR_SESSION_FIELD_LENGTH', `${what} of more than ${limit} bytes`, reader.at);
  }
  starts[field] = reader.at;
  ends[field] = end;
  reader.at = end;
}

function readCompression(reader: DerReader): number {
  const end = reader.enter(DerTag.octetString);
  if (end - reader.at !== 1) {
    refuse('ERR_SESSION_FIELD_LENGTH', 'a compression method that is not one byte long', reader.at);
  }
  reader.at = end;
  return reader.bytes[end - 1] as number;
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }; the rest is read when asked for. */
function readCertificate(reader: DerReader, end: number): PeerCertificate {
  const start = reader.at;
  if (!isSequenceOf(reader.bytes, start, end, [DerTag.sequence, DerTag.sequence, DerTag.bitString])) {
    refuse('ERR_SESSION_CERTIFICATE', 'the peer certificate is not one', start);
  }
  reader.at = end;
  return new PeerCertificate(reader.bytes.subarray(start, end));
}

/** SubjectPublicKeyInfo ::= SEQUENCE { algorithm, subjectPublicKey } */
function checkPublicKey(bytes: Uint8Array, start: number, end: number): void {
  if (!isSequenceOf(bytes, start, end, [DerTag.sequence, DerTag.bitString])) {
    refuse('ERR_SESSION_CERTIFICATE', 'the peer raw public key is not one', start);
  }
}

function isSequenceOf(bytes: Uint8Array, start: number, end: number, tags: readonly number[]): boolean {
  const outer = new DerReader(bytes, start, end);
  if (outer.enter(DerTag.sequence) !== end) return false;
  for (const tag of tags) {
    if (outer.peekTag() !== tag) return false;
    outer.at = outer.enter(tag);
  }
  return outer.at === end;
}

function refuse(code: SessionFormatCode, what: string, offset: number): never {
  throw new SessionFormatError(code, what, offset);
}

const TWO_32 = 0x1_0000_0000;
const NO_WIDE: readonly WideInteger[] = Object.freeze([]);

function lowBits(bytes: Uint8Array, end: number): number {
  const tail = ((bytes[end - 3] as number) << 16) | ((bytes[end - 2] as number) << 8);
  return (((bytes[end - 4] as number) << 24) | tail | (bytes[end - 1] as number)) >>> 0;
}

/** INTEGERs of 32 and 64 bits, signed or not, and which of them a number cannot hold. */
class IntegerReader {
  readonly #reader: DerReader;
  wide: readonly WideInteger[] = NO_WIDE;

  constructor(reader: DerReader) {
    this.#reader = reader;
  }

  read(tag: number, bytes: 4 | 8, signed: boolean): number {
    const start = this.#reader.at;
    const value = this.#value(bytes, signed);
    if (!Number.isSafeInteger(value)) this.#keep(tag, value, start);
    return value;
  }

  /** Seconds in the file, milliseconds in the session. */
  readTime(): number {
    const start = this.#reader.at;
    const timeMs = this.#value(8, true) * 1000;
    if (!Number.isSafeInteger(timeMs)) this.#keep(TAG.time, timeMs, start);
    return timeMs;
  }

  #keep(tag: number, value: number, start: number): void {
    // The element's identifier and length take two bytes: its contents are at most nine.
    const contents = this.#reader.bytes.slice(start + 2, this.#reader.at);
    this.wide = [...this.wide, { tag, value, contents }];
  }

  #value(size: 4 | 8, signed: boolean): number {
    const reader = this.#reader;
    const start = reader.at;
    const end = reader.enter(DerTag.integer);
    const bytes = reader.bytes;
    let at = reader.at;
    if (at === end) reader.fail('an INTEGER without a byte', start);
    const first = bytes[at] as number;
    if (end - at > 1) {
      const top = (first << 1) | ((bytes[at + 1] as number) >> 7);
      if (top === 0 || top === 0x1ff) reader.fail('an INTEGER that is not in its shortest form', start);
    }
    if (!signed) {
      if (first >= 0x80) reader.fail('an INTEGER that may not be negative', start);
      if (first === 0) at++;
    }
    if (end - at > size) reader.fail('an INTEGER out of range', start);
    let high = signed && first >= 0x80 ? -1 : 0;
    for (; end - at > 4; at++) high = high * 256 + (bytes[at] as number);
    let low = high < 0 && end - at < 4 ? -1 : 0;
    for (; at < end; at++) low = (low << 8) | (bytes[at] as number);
    reader.at = end;
    return high * TWO_32 + (low >>> 0);
  }
}

// Writing ----------------------------------------------------------------------------------------------

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
  if (assumed === null || assumed.had(TAG.time) || timeMs !== assumed.assumedTimeMs) {
    at = putOptional(out, at, form, TAG.time, wholeSeconds(timeMs), timeMs);
  }
  const timeoutSec = session.timeoutSec(call);
  if (assumed === null || assumed.had(TAG.timeout) || timeoutSec !== assumed.assumedTimeoutSec) {
    at = putOptional(out, at, form, TAG.timeout, timeoutSec, timeoutSec);
  }
  if (body.peer !== null) at = putCertificate(out, at, body.peer);
  if (form === null || form.had(TAG.sidCtx) || body.length(Field.sidCtx) > 0) {
    at = putField(out, at, TAG.sidCtx, body, Field.sidCtx);
  }
  at = putOptional(out, at, form, TAG.verifyResult, body.verifyResult);
  at = putPresent(out, at, TAG.hostname, body, Field.hostname);
  at = putPresent(out, at, TAG.pskHint, body, Field.pskHint);
  at = putPresent(out, at, TAG.pskIdentity, body, Field.pskIdentity);
  at = putOptional(out, at, form, TAG.lifetimeHint, body.ticketLifetimeHint);
  at = putPresent(out, at, TAG.ticket, body, Field.ticket);
  at = putCompression(out, at, form, body.compression);
  at = putPresent(out, at, TAG.srpUsername, body, Field.srpUsername);
  at = putOptional(out, at, form, TAG.flags, body.flags);
  at = putOptional(out, at, form, TAG.ageAdd, body.ticketAgeAdd);
  at = putOptional(out, at, form, TAG.maxEarlyData, body.maxEarlyData);
  at = putPresent(out, at, TAG.alpn, body, Field.alpn);
  at = putOptional(out, at, form, TAG.maxFragment, body.maxFragmentLength);
  at = putPresent(out, at, TAG.ticketAppdata, body, Field.ticketAppdata);
  if (form === null || form.had(TAG.kexGroup) || body.kexGroup !== 0) {
    at = putInteger(out, at, TAG.kexGroup, body.kexGroup);
  }
  return rawPublicKey ? putPresent(out, at, TAG.peerRpk, body, Field.peerRpk) : at;
}

/** The numbers of a session that have 64 bits in C, exact also where a number of JavaScript is not. */
export function exactInteger(session: SessionCore, which: 'time' | 'timeout' | 'lifetimeHint'): bigint {
  const body = session.body('exactInteger');
  const tag = TAG[which];
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
  const signed = tag === TAG.time || tag === TAG.timeout;
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
  if (tag !== TAG.flags) return wide.value === value;
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
  if (compression === 0 && (form === null || !form.had(TAG.compression))) return at;
  if (out !== null) {
    out[at] = 0xa0 | TAG.compression;
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
  const contents = putHeader(out, at, 0xa0 | TAG.peer, der.length);
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
  const slab = body.slab;
  const start = body.start(field);
  if (length <= 48) for (let i = 0; i < length; i++) out[at + i] = slab[start + i] as number;
  else out.set(slab.subarray(start, start + length), at);
  return at + length;
}
