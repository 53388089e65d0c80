/**
 * The form in which tlsession keeps sessions of its own: OpenSSL's DER and, around it, what DER has no field
 * for. In the presentation language of RFC 8446, section 3 (`docs/session-format.md` says more):
 *
 *     opaque Certificate<1..2^24-1>;                  // one X.509 certificate, DER
 *     opaque Digest<0..255>;
 *
 *     struct {
 *         opaque host<0..255>;                        // UTF-8; empty: none was asked for
 *         uint16 port;                                // 0: not known
 *         Digest trust;
 *         Digest client_auth;
 *         uint64 authenticated_at;                    // milliseconds since 1970
 *     } Bindings;
 *
 *     struct {                                        // instead of the session's certificate
 *         opaque sha256[32];
 *         uint64 not_before;                          // milliseconds since 1970; 0 for before that
 *         uint64 not_after;
 *     } PeerFingerprint;
 *
 *     struct {
 *         uint8  magic[4] = { 0xD3, 0x54, 0x4C, 0x53 };
 *         uint8  envelope_version = 1;
 *         uint8  flags;                               // 1 bound, 2 not resumable, 4 has a chain,
 *                                                 // 8 offered before, 16 has a fingerprint; others 0
 *         uint16 milliseconds;                        // 0..999: the session's time below the second
 *         opaque session<1..2^24-1>;                  // SSLSession in DER, [20] included
 *         select (flags & 4) { case 4: Certificate issuers<0..2^24-1>; };
 *         select (flags & 1) { case 1: Bindings; };
 *         select (flags & 16) { case 16: PeerFingerprint; };
 *     } SessionEnvelope;
 *
 * Inside an envelope a time or a timeout that the DER leaves out is 0: nothing depends on when it is read.
 * It is neither encrypted nor authenticated: whoever keeps it where others can write seals it first.
 */
import { copyBytes, latin1, utf8 } from '../util/bytes.ts';
import { DerReader, DerTag } from '../util/der.ts';
import { SESSION_LIMITS } from '../util/limits.ts';
import { PeerCertificate, type PeerFingerprint, type SessionBindings } from './body.ts';
import type { SessionCore } from './core.ts';
import { decodeRange, encodeWith } from './der.ts';
import { SessionFormatError } from './errors.ts';

export const ENVELOPE_MAGIC: readonly number[] = Object.freeze([0xd3, 0x54, 0x4c, 0x53]);
const ENVELOPE_VERSION = 1;
const BOUND = 1;
const NOT_RESUMABLE = 2;
const HAS_CHAIN = 4;
const WAS_OFFERED = 8;
const HAS_FINGERPRINT = 16;
const FINGERPRINT_BYTES = 32;
/** Bytes of what is always there, less the DER itself. */
const FIXED = 11;

/** Whether bytes begin as an envelope does. */
export function isEnvelope(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && ENVELOPE_MAGIC.every((byte, i) => bytes[i] === byte);
}

/** @throws {SessionError} `ERR_SESSION_NO_CIPHER` when it has no cipher suite, `ERR_SESSION_ENDED`. */
export function encodeEnvelope(session: SessionCore, call = 'toEnvelope'): Uint8Array {
  const body = session.body(call);
  const der = encodeWith(session, true, true, call);
  const issuers = body.chain === null ? null : body.chain.slice(1).map((c) => PeerCertificate.view(c));
  const bindings = body.bindings;
  const host = bindings === null || bindings.host === null ? new Uint8Array(0) : utf8(bindings.host);

  let length = FIXED + der.length;
  let issuersLength = 0;
  if (issuers !== null) {
    for (const issuer of issuers) issuersLength += 3 + issuer.length;
    length += 3 + issuersLength;
  }
  if (bindings !== null) length += 1 + host.length + 2 + 1 + bindings.trust.length;
  if (bindings !== null) length += 1 + bindings.clientAuth.length + 8;

  const fingerprint = body.peer === null ? body.peerFingerprint : null;
  if (fingerprint !== null) length += FINGERPRINT_BYTES + 16;

  const out = new Uint8Array(length);
  out.set(ENVELOPE_MAGIC);
  out[4] = ENVELOPE_VERSION;
  out[5] =
    (bindings === null ? 0 : BOUND) |
    (session.isMarkedNotResumable ? NOT_RESUMABLE : 0) |
    (issuers === null ? 0 : HAS_CHAIN) |
    (body.wasOffered ? WAS_OFFERED : 0) |
    (fingerprint === null ? 0 : HAS_FINGERPRINT);
  const timeMs = session.timeMs(call);
  const milliseconds = Number.isSafeInteger(timeMs) ? timeMs - Math.floor(timeMs / 1000) * 1000 : 0;
  let at = putUint(out, 6, milliseconds, 2);
  at = putOpaque(out, at, der, 3);
  der.fill(0);
  if (issuers !== null) {
    at = putUint(out, at, issuersLength, 3);
    for (const issuer of issuers) at = putOpaque(out, at, issuer, 3);
  }
  if (bindings !== null) {
    at = putOpaque(out, at, host, 1);
    at = putUint(out, at, bindings.port, 2);
    at = putOpaque(out, at, bindings.trust, 1);
    at = putOpaque(out, at, bindings.clientAuth, 1);
    at = putUint(out, at, bindings.authenticatedAtMs, 8);
  }
  if (fingerprint !== null) {
    out.set(fingerprint.sha256, at);
    at = putUint(out, at + FINGERPRINT_BYTES, Math.max(0, fingerprint.notBeforeMs), 8);
    putUint(out, at, Math.max(0, fingerprint.notAfterMs), 8);
  }
  return out;
}

/**
 * Reads an envelope that is the whole of `bytes`. The result has one reference, the application's.
 * @throws {DecodeError} as `decodeSession` does for the DER within, {SessionFormatError}
 * `ERR_SESSION_ENVELOPE` for everything around it; then nothing was made.
 */
export function decodeEnvelope(bytes: Uint8Array, call = 'fromEnvelope'): SessionCore {
  if (!isEnvelope(bytes)) throw bad('not a session envelope', 0);
  const cursor = new Cursor(bytes, 4);
  const version = cursor.uint(1);
  if (version !== ENVELOPE_VERSION)
    throw bad(`a session envelope of version ${version}, which is not known`, 4);
  const flags = cursor.uint(1);
  if ((flags & ~(BOUND | NOT_RESUMABLE | HAS_CHAIN | WAS_OFFERED | HAS_FINGERPRINT)) !== 0)
    throw bad('flags that are not known', 5);
  const milliseconds = cursor.uint(2);
  if (milliseconds > 999) throw bad('a second has no more than 1,000 milliseconds', 6);
  const derEnd = cursor.vector(3);
  const derStart = cursor.at;
  cursor.at = derEnd;
  const issuers = (flags & HAS_CHAIN) === 0 ? null : readIssuers(cursor);
  const bindings = (flags & BOUND) === 0 ? null : readBindings(cursor);
  const fingerprint = (flags & HAS_FINGERPRINT) === 0 ? null : readFingerprint(cursor);
  if (cursor.at !== bytes.length) throw bad('there are bytes after the session', cursor.at);

  // The session comes last: from here on it is made, and must not be left over when something throws.
  const { session, end } = decodeRange(bytes, derStart, derEnd, { timeMs: 0, timeoutSec: 0 }, call);
  try {
    if (end !== derEnd) throw bad('there are bytes after the DER', end);
    const timeMs = session.timeMs(call);
    if (milliseconds !== 0) {
      if (!Number.isSafeInteger(timeMs)) throw bad('milliseconds of a time that is too far away', 6);
      session.setTimeMs(timeMs + milliseconds, call);
    }
    if (issuers !== null) {
      const peer = session.body(call).peer;
      if (peer === null) throw bad('a chain without a peer certificate', derEnd);
      session.setPeer(peer, [peer, ...issuers], call);
    }
    if (bindings !== null) session.ownBody(call).bindings = bindings;
    if (fingerprint !== null) {
      if (session.body(call).peer !== null) throw bad('a certificate and a fingerprint in its place', derEnd);
      session.ownBody(call).peerFingerprint = fingerprint;
    }
    if ((flags & NOT_RESUMABLE) !== 0) session.markNotResumable();
    if ((flags & WAS_OFFERED) !== 0) session.body(call).wasOffered = true;
    return session;
  } catch (error) {
    session.free(call);
    throw error;
  }
}

function readIssuers(cursor: Cursor): PeerCertificate[] {
  const end = cursor.vector(3);
  const issuers: PeerCertificate[] = [];
  while (cursor.at < end) {
    if (issuers.length === SESSION_LIMITS.issuers)
      throw bad(`more than ${SESSION_LIMITS.issuers} certificates`, cursor.at);
    const start = cursor.at;
    const certificateEnd = cursor.vector(3);
    if (certificateEnd > end) throw bad('a certificate is longer than what holds it', start);
    const reader = new DerReader(cursor.bytes, cursor.at, certificateEnd);
    if (reader.enter(DerTag.sequence) !== certificateEnd) throw bad('a certificate that is not one', start);
    issuers.push(new PeerCertificate(cursor.bytes.subarray(cursor.at, certificateEnd)));
    cursor.at = certificateEnd;
  }
  if (cursor.at !== end) throw bad('certificates are longer than what holds them', end);
  return issuers;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readBindings(cursor: Cursor): SessionBindings {
  const hostAt = cursor.at;
  const host = readHost(cursor.opaque(1), hostAt);
  const port = cursor.uint(2);
  const trust = cursor.opaque(1);
  const clientAuth = cursor.opaque(1);
  const timeAt = cursor.at;
  const authenticatedAtMs = cursor.uint(8);
  if (!Number.isSafeInteger(authenticatedAtMs)) throw bad('a time that is too far away', timeAt);
  // Every bound of copyBindings is one of this form's own, and the arrays are copies already.
  return Object.freeze({ host, port, trust, clientAuth, authenticatedAtMs });
}

function readFingerprint(cursor: Cursor): PeerFingerprint {
  const sha256 = cursor.fixed(FINGERPRINT_BYTES);
  const timeAt = cursor.at;
  const notBeforeMs = cursor.uint(8);
  const notAfterMs = cursor.uint(8);
  if (!Number.isSafeInteger(notBeforeMs) || !Number.isSafeInteger(notAfterMs)) {
    throw bad('a time that is too far away', timeAt);
  }
  return Object.freeze({ sha256, notBeforeMs, notAfterMs });
}

function readHost(bytes: Uint8Array, offset: number): string | null {
  if (bytes.length === 0) return null;
  if (bytes.every((byte) => byte < 0x80)) return latin1(bytes);
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw bad('a host name that is not UTF-8', offset);
  }
}

function putUint(out: Uint8Array, at: number, value: number, size: number): number {
  let rest = value;
  for (let i = size - 1; i >= 0; i--) {
    out[at + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return at + size;
}

function putOpaque(out: Uint8Array, at: number, bytes: Uint8Array, lengthSize: number): number {
  const start = putUint(out, at, bytes.length, lengthSize);
  out.set(bytes, start);
  return start + bytes.length;
}

class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  uint(size: number): number {
    if (size > this.bytes.length - this.at) throw bad('the envelope breaks off', this.bytes.length);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (this.bytes[this.at + i] as number);
    this.at += size;
    return value;
  }

  /** Enters a vector: `at` is its first byte, the result the offset after its last. */
  vector(lengthSize: number): number {
    const start = this.at;
    const length = this.uint(lengthSize);
    if (length > this.bytes.length - this.at) throw bad('a vector is longer than the envelope', start);
    return this.at + length;
  }

  fixed(length: number): Uint8Array {
    if (length > this.bytes.length - this.at) throw bad('the envelope breaks off', this.bytes.length);
    const bytes = copyBytes(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return bytes;
  }

  opaque(lengthSize: number): Uint8Array {
    const end = this.vector(lengthSize);
    const bytes = copyBytes(this.bytes.subarray(this.at, end));
    this.at = end;
    return bytes;
  }
}

function bad(what: string, offset: number): SessionFormatError {
  return new SessionFormatError('ERR_SESSION_ENVELOPE', what, offset);
}
