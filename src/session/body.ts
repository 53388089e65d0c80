/**
 * The part of a session that does not change while it is shared: secrets, identities, names, certificates.
 * All byte strings lie in one slab, so that a session has one array and not one a field, duplicating it
 * copies nothing, and wiping it is one fill.
 *
 *     slab = 12 × uint24 (where each field ends, little-endian) ‖ field 0 ‖ field 1 ‖ …
 */
import { copyBytes, EMPTY, utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { SESSION_LIMITS } from '../util/limits.ts';
import { SessionError } from './errors.ts';

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
  slab: Uint8Array;
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
  /**
   * What the DER form left out or wrote unusually, so that re-encoding gives the same bytes. Belongs to the
   * codec; null for anything that was not decoded.
   */
  form: object | null = null;
  /** A client has offered it: in TLS 1.3 it must not do so again (RFC 8446, C.4). */
  wasOffered = false;

  constructor(slab: Uint8Array, present: number, from: Readonly<BodyScalars>) {
    this.slab = slab;
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

  start(field: number): number {
    if (field === 0) return HEADER;
    const at = field * 3 - 3;
    const slab = this.slab;
    return (slab[at] as number) | ((slab[at + 1] as number) << 8) | ((slab[at + 2] as number) << 16);
  }

  /** Length in bytes; 0 for an absent field. */
  length(field: number): number {
    if ((this.present & (1 << field)) === 0) return 0;
    return this.start(field + 1) - this.start(field);
  }

  has(field: number): boolean {
    return (this.present & (1 << field)) !== 0;
  }

  /** A view into the slab: for the library's own reading, never handed out. */
  view(field: number): Uint8Array {
    if ((this.present & (1 << field)) === 0) return EMPTY;
    return this.slab.subarray(this.start(field), this.start(field + 1));
  }

  copy(field: number): Uint8Array {
    if ((this.present & (1 << field)) === 0) return new Uint8Array(0);
    return this.slab.slice(this.start(field), this.start(field + 1));
  }

  /** A body of its own with one field replaced; null removes it. */
  withField(field: FieldIndex, value: Uint8Array | null): SessionBody {
    const fields: (Uint8Array | null)[] = new Array(FIELD_COUNT);
    for (let i = 0; i < FIELD_COUNT; i++) fields[i] = this.has(i) ? this.view(i) : null;
    fields[field] = value;
    const changed = this.#withSlab(packFields(fields), presence(fields));
    // What was offered was the ticket that it had.
    if (field === Field.ticket) changed.wasOffered = false;
    return changed;
  }

  clone(): SessionBody {
    return this.#withSlab(this.slab.slice(), this.present);
  }

  #withSlab(slab: Uint8Array, present: number): SessionBody {
    const clone = new SessionBody(slab, present, this);
    clone.peer = this.peer;
    clone.chain = this.chain;
    clone.bindings = this.bindings;
    clone.form = this.form;
    clone.wasOffered = this.wasOffered;
    return clone;
  }

  /** One sharer less; the last one wipes. */
  release(): void {
    if (--this.sharers === 0) wipeBody(this);
  }
}

/**
 * The master key goes first and then the id, as in OpenSSL, and then everything else too (ticket, appdata,
 * names, early secret): that is how they lie in the slab, and a fill goes from front to back. One fill, since
 * a second costs more than all the bytes.
 */
function wipeBody(body: SessionBody): void {
  body.slab.fill(0);
  body.slab = EMPTY_SLAB;
  body.present = 0;
  body.ageAddInt32 = 0;
  body.peer = null;
  body.chain = null;
  body.bindings = null;
  body.form = null;
}

export type FieldValues = readonly (Uint8Array | null | undefined)[];

export function presence(fields: FieldValues): number {
  let present = 0;
  for (let i = 0; i < FIELD_COUNT; i++) if (fields[i] != null) present |= 1 << i;
  return present;
}

/** @throws {SessionError} `ERR_SESSION_VALUE_TOO_LONG` for a value over its field's limit. */
export function packFields(fields: FieldValues): Uint8Array {
  let total = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    const length = fields[i]?.length ?? 0;
    if (length > (FIELD_LIMITS[i] as number)) throw tooLong(i, length);
    total += length;
  }
  const slab = new Uint8Array(total);
  let at = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    const value = fields[i];
    if (value != null && value.length > 0) {
      // For short values a loop is cheaper than the call into `set`.
      if (value.length <= 48) for (let j = 0; j < value.length; j++) slab[at + j] = value[j] as number;
      else slab.set(value, at);
      at += value.length;
    }
    slab[i * 3] = at;
    slab[i * 3 + 1] = at >> 8;
    slab[i * 3 + 2] = at >> 16;
  }
  return slab;
}

/** As `packFields`, with each value given as a range of one source, within its field's limit. */
export function packRanges(source: Uint8Array, starts: Int32Array, ends: Int32Array): Uint8Array {
  let total = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    total += (ends[i] as number) - (starts[i] as number);
  }
  const slab = new Uint8Array(total);
  let at = HEADER;
  for (let i = 0; i < FIELD_COUNT; i++) {
    const start = starts[i] as number;
    const length = (ends[i] as number) - start;
    if (length <= 48) for (let j = 0; j < length; j++) slab[at + j] = source[start + j] as number;
    else slab.set(source.subarray(start, start + length), at);
    at += length;
    slab[i * 3] = at;
    slab[i * 3 + 1] = at >> 8;
    slab[i * 3 + 2] = at >> 16;
  }
  return slab;
}

function tooLong(field: number, length: number): SessionError {
  return new SessionError(
    'ERR_SESSION_VALUE_TOO_LONG',
    `${fieldName(field)} of a session holds at most ${FIELD_LIMITS[field]} bytes, not ${length}`,
  );
}

const EMPTY_SLAB: Uint8Array = packFields([]);

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
export const DEFAULT_BODY: SessionBody = new SessionBody(EMPTY_SLAB, 0, DEFAULTS);

/** A new body in one step. What is not given has SSL_SESSION_new's value. */
export function makeBody(fields: FieldValues, scalars: Readonly<Partial<BodyScalars>>): SessionBody {
  return new SessionBody(packFields(fields), presence(fields), { ...DEFAULTS, ...scalars });
}
