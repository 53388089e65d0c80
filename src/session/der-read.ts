/** d2i_SSL_SESSION(3): reading the DER form of `der.ts`. */
import { copyBytes } from '../util/bytes.ts';
import { isKnownCipher } from '../util/cipher-names.ts';
import { DerReader, DerTag } from '../util/der.ts';
import {
  FIELD_COUNT,
  FIELD_LIMITS,
  Field,
  fieldName,
  PeerCertificate,
  packRanges,
  SessionBody,
} from './body.ts';
import { SessionCore } from './core.ts';
import {
  ALWAYS_WRITTEN,
  DerForm,
  lowBits,
  STRUCTURE_VERSION,
  Tag,
  TWO_32,
  type WideInteger,
} from './der-form.ts';
import { type SessionFormatCode, SessionFormatError } from './errors.ts';

/** The timeout of a session whose file says none, in seconds (d2i_SSL_SESSION). */
export const ABSENT_TIMEOUT_SEC = 3;

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
  readOctets(reader, Field.id);
  readOctets(reader, Field.masterKey);
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
    if (tag <= last || tag > Tag.peerRpk) reader.fail('an element of another type was expected');
    last = tag;
    elements |= 1 << tag;
    if (tag === Tag.keyArg) {
      const keyArgEnd = reader.enter(0x80);
      keyArg = copyBytes(bytes.subarray(reader.at, keyArgEnd));
      reader.at = keyArgEnd;
      continue;
    }
    const elementEnd = reader.enter(0xa0 | tag);
    let value = 1;
    switch (tag) {
      case Tag.time:
        timeMs = integers.readTime();
        value = timeMs;
        break;
      case Tag.timeout:
        value = timeoutSec = integers.read(tag, 8, true);
        break;
      case Tag.peer:
        peer = readCertificate(reader, elementEnd);
        break;
      case Tag.verifyResult:
        value = verifyResult = integers.read(tag, 4, true);
        break;
      case Tag.lifetimeHint:
        value = ticketLifetimeHint = integers.read(tag, 8, false);
        break;
      case Tag.compression:
        value = compression = readCompression(reader);
        break;
      case Tag.flags:
        value = flags = integers.read(tag, 8, false);
        // A number does not keep the low bits of a wide value, and the low bits are the flags.
        if (!Number.isSafeInteger(value)) flags = lowBits(bytes, elementEnd);
        break;
      case Tag.ageAdd:
        value = ticketAgeAdd = integers.read(tag, 4, false);
        break;
      case Tag.maxEarlyData:
        value = maxEarlyData = integers.read(tag, 4, false);
        break;
      case Tag.maxFragment:
        value = maxFragmentLength = integers.read(tag, 4, false);
        break;
      case Tag.kexGroup:
        kexGroup = integers.read(tag, 4, false);
        break;
      default: {
        const field = FIELD_OF_TAG[tag] as number;
        present |= 1 << field;
        readOctets(reader, field);
        if (tag === Tag.peerRpk) checkPublicKey(bytes, starts[field] as number, reader.at);
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
    (elements & (1 << Tag.time)) !== 0 &&
    (elements & (1 << Tag.timeout)) !== 0;
  const body = new SessionBody(packRanges(bytes, starts, ends), present, {
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
  const fields: (number | undefined)[] = new Array(Tag.peerRpk + 1).fill(undefined);
  fields[Tag.sidCtx] = Field.sidCtx;
  fields[Tag.hostname] = Field.hostname;
  fields[Tag.pskHint] = Field.pskHint;
  fields[Tag.pskIdentity] = Field.pskIdentity;
  fields[Tag.ticket] = Field.ticket;
  fields[Tag.srpUsername] = Field.srpUsername;
  fields[Tag.alpn] = Field.alpn;
  fields[Tag.ticketAppdata] = Field.ticketAppdata;
  fields[Tag.peerRpk] = Field.peerRpk;
  return Object.freeze(fields);
})();

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

/** Notes where the bytes of a field lie. */
function readOctets(reader: DerReader, field: number): void {
  const end = reader.enter(DerTag.octetString);
  const limit = FIELD_LIMITS[field] as number;
  if (end - reader.at > limit) {
    refuse('ERR_SESSION_FIELD_LENGTH', `${fieldName(field)} of more than ${limit} bytes`, reader.at);
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

const NO_WIDE: readonly WideInteger[] = Object.freeze([]);

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
    if (!Number.isSafeInteger(timeMs)) this.#keep(Tag.time, timeMs, start);
    return timeMs;
  }

  #keep(tag: number, value: number, start: number): void {
    // The element's identifier and length take two bytes: its contents are at most nine.
    const contents = copyBytes(this.#reader.bytes.subarray(start + 2, this.#reader.at));
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
