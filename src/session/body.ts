/**
 * The part of a session that does not change while it is shared: secrets, identities, names, certificates.
 * All byte strings lie in one slab (`slab-pool.ts`), so that a session has one piece of memory and not one a
 * field, and wiping it is one loop.
 *
 *     slab = 12 × uint24 (where each field ends, little-endian) ‖ field 0 ‖ field 1 ‖ …
 */
import { copyBytes, EMPTY, utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { SESSION_LIMITS } from '../util/limits.ts';
import { SessionError } from './errors.ts';
import { ownSlab, type SlabChunk, takeSlab } from './slab-pool.ts';

/** The byte strings of a session, in the order in which they lie in the slab. */
export const Field = {
  masterKey: 0,
  id: 1,
  sidCtx: 2,
  hostname: 3,
  alpn: 4,
  ticket: 5,
  ticketAppdata: 6,
  pskHint: 7,
  pskIdentity: 8,
  srpUsername: 9,
  earlySecret: 10,
  peerRpk: 11,
} as const;
export type FieldIndex = (typeof Field)[keyof typeof Field];

export const FIELD_COUNT = 12;
const HEADER = FIELD_COUNT * 3;
const NAMES = Object.keys(Field);

/** A field's name, for messages. */
export function fieldName(field: number): string {
  return NAMES[field] ?? 'a field';
}

/** The largest value each field may have, in bytes. */
export const FIELD_LIMITS: readonly number[] = Object.freeze([
  SESSION_LIMITS.masterKeyBytes,
  SESSION_LIMITS.idBytes,
  SESSION_LIMITS.idBytes, // sidCtx
  SESSION_LIMITS.stringBytes, // hostname
  SESSION_LIMITS.stringBytes, // alpn: 255 on the wire, more by SSL_SESSION_set1_alpn_selected
  SESSION_LIMITS.stringBytes, // ticket
  SESSION_LIMITS.ticketAppdataBytes,
  SESSION_LIMITS.stringBytes, // pskHint
  SESSION_LIMITS.stringBytes, // pskIdentity
  SESSION_LIMITS.stringBytes, // srpUsername
  SESSION_LIMITS.earlySecretBytes,
  SESSION_LIMITS.stringBytes, // peerRpk
]);

/**
 * A certificate as its peer sent it. Shared among the sessions, the cache and the connections of one peer;
 * it holds nothing secret, so it is not counted and not wiped.
 */
export class PeerCertificate {
  readonly #der: Uint8Array;

  /** Keeps a copy. */
  constructor(der: Uint8Array) {
    this.#der = new Uint8Array(der);
  }

  /** A copy of the DER. */
  get der(): Uint8Array {
    return this.#der.slice();
  }

  get byteLength(): number {
    return this.#der.length;
  }

  /** @internal The bytes themselves, for codecs: never handed out, never written to. */
  static view(certificate: PeerCertificate): Uint8Array {
    return certificate.#der;
  }
}

/** What a ticket may keep of its peer's certificate in its place. */
export interface PeerFingerprint {
  /** SHA-256 of the certificate's DER: 32 bytes. */
  readonly sha256: Uint8Array;
  /** How long it is valid, in milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * What a session is bound to beyond what OpenSSL's DER can say. Digests are SHA-256 over a description that
 * the layer that makes them defines; here they are only kept and compared.
 */
export interface SessionBindings {
  /** The name that the peer proved when the session was first made; null when none was asked for. */
  readonly host: string | null;
  /** TCP port, 0 when not known. */
  readonly port: number;
  /** Which anchors and which profile decided about the peer's certificate. */
  readonly trust: Uint8Array;
  /** Which client certificate or policy was used, empty for none. */
  readonly clientAuth: Uint8Array;
  /** When the peer was first authenticated, in milliseconds since 1970: kept over a chain of resumptions. */
  readonly authenticatedAtMs: number;
}

/** What a binding may hold at most, in bytes: what its vector in the envelope can carry. */
const BINDING_LIMIT = 255;

/** A frozen copy that shares no array. @throws {UsageError} `ERR_SESSION_BINDINGS` */
export function copyBindings(from: SessionBindings): SessionBindings {
  const { host, port, trust, clientAuth, authenticatedAtMs } = from;
  if (host !== null && (host === '' || utf8(host).length > BINDING_LIMIT)) {
    throw badBindings(`host is null or 1 to ${BINDING_LIMIT} bytes`);
  }
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) throw badBindings('port is 0 to 65535');
  if (trust.length > BINDING_LIMIT || clientAuth.length > BINDING_LIMIT) {
    throw badBindings(`trust and clientAuth are digests, of at most ${BINDING_LIMIT} bytes`);
  }
  if (!Number.isSafeInteger(authenticatedAtMs) || authenticatedAtMs < 0) {
    throw badBindings('authenticatedAtMs is a whole number of milliseconds since 1970');
  }
  return Object.freeze({
    host,
    port,
    trust: copyBytes(trust),
    clientAuth: copyBytes(clientAuth),
    authenticatedAtMs,
  });
}

function badBindings(what: string): UsageError {
  return new UsageError('ERR_SESSION_BINDINGS', `bindings of a session: ${what}`);
}

/** Numbers of a body, with the defaults of SSL_SESSION_new. */
export interface BodyScalars {
  /** ProtocolVersion; 0 as long as nothing set it. */
  version: number;
  /** Two-byte cipher suite id; 0 for none. */
  cipher: number;
  /** NamedGroup of the key exchange, 0 for none. */
  kexGroup: number;
  /** X509_V_* code. 1 (unspecified) in a fresh session, 0 is success. */
  verifyResult: number;
  /** Seconds, from NewSessionTicket. */
  ticketLifetimeHint: number;
  /** 32 bits, unsigned. */
  ticketAgeAdd: number;
  /** Bytes. */
  maxEarlyData: number;
  /** Mode of RFC 6066, 4; 255 is OpenSSL's "unspecified". */
  maxFragmentLength: number;
  /** Bit 0: extended master secret. */
  flags: number;
  compression: number;
}

export const FLAG_EXTENDED_MASTER_SECRET = 1;
export const MFL_UNSPECIFIED = 255;

export class SessionBody {
  /** How many heads share this body. */
  sharers = 1;
  /** Where the slab lies, and where in it: `slab-pool.ts`. */
  #chunk: SlabChunk;
  #base: number;
  /** A bit a field: present, though perhaps empty (in C a pointer that is not NULL). */
  present: number;
  version: number;
  cipher: number;
  kexGroup: number;
  verifyResult: number;
  ticketLifetimeHint: number;
  /** Kept as a signed 32-bit number, so that it needs no box of its own. */
  ageAddInt32: number;
  maxEarlyData: number;
  maxFragmentLength: number;
  flags: number;
  compression: number;
  peer: PeerCertificate | null = null;
  /** The whole chain as sent, leaf first; not stored in DER. */
  chain: readonly PeerCertificate[] | null = null;
  /** Null: unbound, as everything is that came from plain DER. */
  bindings: SessionBindings | null = null;
  /** Instead of `peer`, for a session out of a ticket that has no room for it. */
  peerFingerprint: PeerFingerprint | null = null;
  /**
   * What the DER form left out or wrote unusually, so that re-encoding gives the same bytes. Belongs to the
   * codec; null for anything that was not decoded.
   */
  form: object | null = null;
  /** A client has offered it: in TLS 1.3 it must not do so again (RFC 8446, C.4). */
  wasOffered = false;

  /** Takes over the slab that was taken last from `chunk`. */
  constructor(chunk: SlabChunk, present: number, from: Readonly<BodyScalars>) {
    this.#chunk = chunk;
    this.#base = chunk.taken;
    this.present = present;
    this.version = from.version;
    this.cipher = from.cipher;
    this.kexGroup = from.kexGroup;
    this.verifyResult = from.verifyResult;
    this.ticketLifetimeHint = from.ticketLifetimeHint;
    this.ageAddInt32 = from.ticketAgeAdd | 0;
    this.maxEarlyData = from.maxEarlyData;
    this.maxFragmentLength = from.maxFragmentLength;
    this.flags = from.flags;
    this.compression = from.compression;
  }

  get ticketAgeAdd(): number {
    return this.ageAddInt32 >>> 0;
  }

  /** What the slab lies in, beside those of other sessions: `start` and `length` say where to look. */
  get bytes(): Uint8Array {
    return this.#chunk.bytes;
  }

  /** Where a field begins in `bytes`. */
  start(field: number): number {
    const base = this.#base;
    if (field === 0) return base + HEADER;
    const at = base + field * 3 - 3;
    const bytes = this.#chunk.bytes;
    return (
      base + ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16))
    );
  }

  /** Length in bytes; 0 for an absent field. */
  length(field: number): number {
    if ((this.present & (1 << field)) === 0) return 0;
    return this.start(field + 1) - this.start(field);
  }

  has(field: number): boolean {
    return (this.present & (1 << field)) !== 0;
  }

  /** @internal The whole slab, as a view: for tests of what is left in it. */
  static slabForTest(body: SessionBody): Uint8Array {
    return body.bytes.subarray(body.#base, body.start(FIELD_COUNT));
  }

  /** A view into the slab: for the library's own reading, never handed out. */
  view(field: number): Uint8Array {
    if ((this.present & (1 << field)) === 0) return EMPTY;
    return this.bytes.subarray(this.start(field), this.start(field + 1));
  }

  copy(field: number): Uint8Array {
    if ((this.present & (1 << field)) === 0) return new Uint8Array(0);
    return this.bytes.slice(this.start(field), this.start(field + 1));
  }

  /**
   * A body of its own with one field replaced; null removes it.
   * @throws {SessionError} `ERR_SESSION_VALUE_TOO_LONG` for a value over the field's limit.
   */
  withField(field: FieldIndex, value: Uint8Array | null): SessionBody {
    const given = value === null ? 0 : value.length;
    if (given > (FIELD_LIMITS[field] as number)) throw tooLong(field, given);
    const base = this.#base;
    const end = this.start(FIELD_COUNT);
    const cut = this.start(field);
    const rest = this.start(field + 1);
    const grown = given - (rest - cut);
    const chunk = takeSlab(end - base + grown);
    const { bytes: to, taken: start } = chunk;
    const { bytes: from } = this;
    copyRange(from, base, cut, to, start);
    if (value !== null) copyRange(value, 0, given, to, start + cut - base);
    copyRange(from, rest, end, to, start + rest - base + grown);
    for (let i = field; i < FIELD_COUNT; i++) putEnd(to, start, i, this.start(i + 1) - base + grown);
    const changed = this.#onto(
      chunk,
      value === null ? this.present & ~(1 << field) : this.present | (1 << field),
    );
    // What was offered was the ticket that it had.
    if (field === Field.ticket) changed.wasOffered = false;
    return changed;
  }

  clone(): SessionBody {
    const { bytes } = this;
    const base = this.#base;
    const end = this.start(FIELD_COUNT);
    const chunk = takeSlab(end - base);
    copyRange(bytes, base, end, chunk.bytes, chunk.taken);
    return this.#onto(chunk, this.present);
  }

  #onto(chunk: SlabChunk, present: number): SessionBody {
    const clone = new SessionBody(chunk, present, this);
    clone.peer = this.peer;
    clone.chain = this.chain;
    clone.bindings = this.bindings;
    clone.peerFingerprint = this.peerFingerprint;
    clone.form = this.form;
    clone.wasOffered = this.wasOffered;
    return clone;
  }

  /** One sharer less; the last one wipes. */
  release(): void {
    if (--this.sharers === 0) this.#wipe();
  }

  /** Everything goes, and not the secrets alone: ticket, application data and names too. */
  #wipe(): void {
    this.#chunk.giveBack(this.#base);
    this.#chunk = EMPTY_CHUNK;
    this.#base = 0;
    this.present = 0;
    this.ageAddInt32 = 0;
    this.peer = null;
    this.chain = null;
    this.bindings = null;
    this.peerFingerprint = null;
    this.form = null;
  }
}

export type FieldValues = readonly (Uint8Array | null | undefined)[];

function presence(fields: FieldValues): number {
  let present = 0;
  for (let i = 0; i < FIELD_COUNT; i++) if (fields[i] != null) present |= 1 << i;
  return present;
}

/** @throws {SessionError} `ERR_SESSION_VALUE_TOO_LONG` for a value over its field's limit. */
function packFields(fields: FieldValues): SlabChunk {
  let total = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    const length = fields[i]?.length ?? 0;
    if (length > (FIELD_LIMITS[i] as number)) throw tooLong(i, length);
    total += length;
  }
  return pack(fields, takeSlab(total));
}

function pack(fields: FieldValues, chunk: SlabChunk): SlabChunk {
  const { bytes, taken: base } = chunk;
  let at = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    const value = fields[i];
    if (value != null) {
      copyRange(value, 0, value.length, bytes, base + at);
      at += value.length;
    }
    putEnd(bytes, base, i, at);
  }
  return chunk;
}

/** As `packFields`, with each value given as a range of one source, within its field's limit. */
export function packRanges(source: Uint8Array, starts: Int32Array, ends: Int32Array): SlabChunk {
  let total = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    total += (ends[i] as number) - (starts[i] as number);
  }
  const chunk = takeSlab(total);
  const { bytes, taken: base } = chunk;
  let at = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    const start = starts[i] as number;
    const length = (ends[i] as number) - start;
    copyRange(source, start, start + length, bytes, base + at);
    at += length;
    putEnd(bytes, base, i, at);
  }
  return chunk;
}

/** Says where field `i` ends, counted from the slab's own beginning. */
function putEnd(bytes: Uint8Array, base: number, i: number, end: number): void {
  bytes[base + i * 3] = end;
  bytes[base + i * 3 + 1] = end >> 8;
  bytes[base + i * 3 + 2] = end >> 16;
}

function copyRange(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  // For short values a loop is cheaper than the call into `set`.
  if (end - start > 48) to.set(from.subarray(start, end), at);
  else for (let i = start; i < end; i++) to[at + i - start] = from[i] as number;
}

function tooLong(field: number, length: number): SessionError {
  return new SessionError(
    'ERR_SESSION_VALUE_TOO_LONG',
    `${fieldName(field)} of a session holds at most ${FIELD_LIMITS[field]} bytes, not ${length}`,
  );
}

/** Every field absent: what a body has before anything is set, and after it was wiped. Never given back. */
const EMPTY_CHUNK: SlabChunk = pack([], ownSlab(HEADER));

const DEFAULTS: Readonly<BodyScalars> = Object.freeze({
  version: 0,
  cipher: 0,
  kexGroup: 0,
  verifyResult: 1,
  ticketLifetimeHint: 0,
  ticketAgeAdd: 0,
  maxEarlyData: 0,
  maxFragmentLength: MFL_UNSPECIFIED,
  flags: 0,
  compression: 0,
});

/**
 * The body that every fresh session begins with. This module itself is a sharer, so it is never wiped and
 * the first setter always copies.
 */
export const DEFAULT_BODY: SessionBody = new SessionBody(EMPTY_CHUNK, 0, DEFAULTS);

/** A new body in one step. What is not given has SSL_SESSION_new's value. */
export function makeBody(fields: FieldValues, scalars: Readonly<Partial<BodyScalars>>): SessionBody {
  return new SessionBody(packFields(fields), presence(fields), { ...DEFAULTS, ...scalars });
}
