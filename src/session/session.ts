/**
 * The session as TypeScript programs hold it: a handle an owner. Each handle stands for one reference;
 * `ref()` makes another for another owner, and using or freeing a handle that was freed throws, however many
 * others live. What is read from a session is a copy.
 */
import { copyBytes, latin1 } from '../util/bytes.ts';
import { opensslCipherName } from '../util/cipher-names.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';
import { inspectAs } from '../util/inspect.ts';
import { groupName, versionName } from '../util/registries.ts';
import {
  Field,
  type FieldIndex,
  FLAG_EXTENDED_MASTER_SECRET,
  MFL_UNSPECIFIED,
  type PeerCertificate,
  type SessionBindings,
  type SessionBody,
} from './body.ts';
import { SessionCore } from './core.ts';
import { decodeSession, type EncodeOptions, encodeSession, encodeSessionInto } from './der.ts';
import { describeSession, isSingleUse, type SessionDescription } from './describe.ts';
import { decodeEnvelope, encodeEnvelope } from './envelope.ts';
import { SessionError } from './errors.ts';
import { readSession } from './forms.ts';
import { wrapNodeForm } from './node-form.ts';
import { decodePem, encodePem } from './pem.ts';
import { type Resumability, resumability } from './resumability.ts';
import { printKeyLog, printSession } from './text.ts';
import { type ReferenceLog, startLog } from './tracing.ts';

export interface SessionOptions {
  /** Where a new session gets its time from, and one whose file has none. The system's by default. */
  readonly clock?: Clock;
}

export interface DescribeSessionOptions {
  /** **Shows the secrets.** Default false. */
  readonly secrets?: boolean;
  /** What resumability is judged against. The system's by default. */
  readonly clock?: Clock;
}

// Given by the class itself, so that nobody but this module makes handles or sees behind them.
let makeHandle: (core: SessionCore, call: string) => Session;
let getCore: (session: Session, call: string) => SessionCore;

export class Session implements Disposable {
  #core: SessionCore | null;
  readonly #label: string;
  readonly #log: ReferenceLog | null;

  /** Takes over one reference of the application's. Made by the static methods and by `sessionHandle`. */
  private constructor(core: SessionCore, call: string) {
    this.#core = core;
    this.#label = core.label;
    this.#log = startLog(this, `a handle on ${core.label}`);
    if (this.#log !== null) this.#log.note('taken', 'application', call);
    core.countHandle(1);
  }

  static {
    inspectAs(Session, (session) => `Session ${JSON.stringify(session)}`);
    makeHandle = (core, call) => new Session(core, call);
    getCore = (session, call) => session.#need(call);
  }

  /** An empty session with the defaults of SSL_SESSION_new(3): timeout 304 s, time now, verify result 1. */
  static create({ clock = systemClock }: SessionOptions = {}): Session {
    return new Session(SessionCore.create(clock, 'Session.create'), 'Session.create');
  }

  /**
   * Reads OpenSSL's DER. The session is unbound.
   * @throws {DecodeError} for what is not one; {SessionFormatError} among them says more.
   */
  static fromDER(bytes: Uint8Array, { clock = systemClock }: SessionOptions = {}): Session {
    return new Session(decodeSession(bytes, clock.wallMs(), 'Session.fromDER'), 'Session.fromDER');
  }

  /** Reads the first session in a PEM text. @throws {DecodeError} */
  static fromPEM(text: string, { clock = systemClock }: SessionOptions = {}): Session {
    const der = decodePem(text);
    try {
      return new Session(decodeSession(der, clock.wallMs(), 'Session.fromPEM'), 'Session.fromPEM');
    } finally {
      der.fill(0);
    }
  }

  /** Reads tlsession's own form, bindings included. @throws {DecodeError} */
  static fromEnvelope(bytes: Uint8Array): Session {
    return new Session(decodeEnvelope(bytes, 'Session.fromEnvelope'), 'Session.fromEnvelope');
  }

  /**
   * Reads any of the forms, told apart by how they begin: DER, PEM, an envelope, and what newer Node
   * versions give to `'session'`. @throws {DecodeError}
   */
  static from(bytes: Uint8Array, { clock = systemClock }: SessionOptions = {}): Session {
    const { session } = readSession(bytes, null, clock.wallMs(), 'Session.from');
    return new Session(session, 'Session.from');
  }

  // References ---------------------------------------------------------------------------------------

  /** Another handle on the same session, for another owner. @throws {SessionError} at the largest count. */
  ref(): Session {
    const core = this.#need('Session.ref');
    if (!core.upRef('Session.ref')) {
      throw new SessionError(
        'ERR_SESSION_LIBRARY_COUNT',
        `Session.ref: ${core.label} has too many references`,
      );
    }
    return new Session(core, 'Session.ref');
  }

  /** A session of its own with the same contents, in no cache (SSL_SESSION_dup(3)). */
  dup(): Session {
    return new Session(this.#need('Session.dup').dup('Session.dup'), 'Session.dup');
  }

  /** Gives this handle's reference back; with the last one the session ends and is wiped. */
  free(): void {
    const core = this.#need('Session.free');
    this.#core = null;
    if (this.#log !== null) this.#log.note('dropped', 'application', 'Session.free');
    core.countHandle(-1);
    core.free('Session.free');
  }

  /** As `free()`, and nothing at all on a handle that was freed before. */
  [Symbol.dispose](): void {
    if (this.#core !== null) this.free();
  }

  get isFreed(): boolean {
    return this.#core === null;
  }

  /** Whether both are handles on one session. */
  isSame(other: Session): boolean {
    return this.#need('Session.isSame') === other.#need('Session.isSame');
  }

  // Identity and secrets -----------------------------------------------------------------------------

  /** At most 32 bytes. */
  get id(): Uint8Array {
    return this.#bytes(Field.id, 'id');
  }
  set id(value: Uint8Array) {
    this.#set(Field.id, value, 'id');
  }

  /** Which application or policy the session belongs to (SSL_SESSION_set1_id_context(3)), at most 32 bytes. */
  get idContext(): Uint8Array {
    return this.#bytes(Field.sidCtx, 'idContext');
  }
  set idContext(value: Uint8Array) {
    this.#set(Field.sidCtx, value, 'idContext');
  }

  /** **Secret.** TLS 1.2's master secret, TLS 1.3's resumption PSK; at most 512 bytes. Wipe the copy. */
  get masterKey(): Uint8Array {
    return this.#bytes(Field.masterKey, 'masterKey');
  }
  set masterKey(value: Uint8Array) {
    this.#set(Field.masterKey, value, 'masterKey');
  }

  /** **Secret.** Null when there is none; at most 65,535 bytes. */
  get ticket(): Uint8Array | null {
    return this.#optional(Field.ticket, 'ticket');
  }
  set ticket(value: Uint8Array | null) {
    this.#set(Field.ticket, value, 'ticket');
  }

  /** What the application keeps with the ticket; at most 1 MiB. */
  get ticketAppdata(): Uint8Array | null {
    return this.#optional(Field.ticketAppdata, 'ticketAppdata');
  }
  set ticketAppdata(value: Uint8Array | null) {
    this.#set(Field.ticketAppdata, value, 'ticketAppdata');
  }

  // What was negotiated ------------------------------------------------------------------------------

  /** ProtocolVersion: 0x0304 for TLS 1.3; 0 as long as nothing set it. */
  get protocolVersion(): number {
    return this.#body('protocolVersion').version;
  }
  set protocolVersion(value: number) {
    this.#setNumber('version', value, 0xffff, 'protocolVersion');
  }

  /** `TLSv1.3`, as OpenSSL and Node say it. */
  get protocol(): string {
    return versionName(this.protocolVersion);
  }

  /** The two-byte id of the cipher suite, 0 for none. */
  get cipherId(): number {
    return this.#body('cipherId').cipher;
  }
  set cipherId(value: number) {
    this.#setNumber('cipher', value, 0xffff, 'cipherId');
  }

  /** OpenSSL's name of the cipher suite; null for none. */
  get cipher(): string | null {
    return opensslCipherName(this.cipherId);
  }

  /** The key exchange's group, null when it is not known. */
  get group(): string | null {
    const { kexGroup } = this.#body('group');
    return kexGroup === 0 ? null : groupName(kexGroup);
  }

  /** The server name of the handshake (SNI), one character a byte; null when there was none. */
  get hostname(): string | null {
    return this.#text(Field.hostname, 'hostname');
  }
  set hostname(value: string | null) {
    this.#setText(Field.hostname, value, 'hostname');
  }

  /** The application protocol, one character a byte; null when there was none. */
  get alpn(): string | null {
    return this.#text(Field.alpn, 'alpn');
  }
  set alpn(value: string | null) {
    this.#setText(Field.alpn, value, 'alpn');
  }

  get extendedMasterSecret(): boolean {
    return (this.#body('extendedMasterSecret').flags & FLAG_EXTENDED_MASTER_SECRET) !== 0;
  }

  /** In bytes, as RFC 6066 counts the modes; null when it was not negotiated. */
  get maxFragmentLength(): 512 | 1024 | 2048 | 4096 | null {
    const mode = this.#body('maxFragmentLength').maxFragmentLength;
    return mode === MFL_UNSPECIFIED ? null : (([null, 512, 1024, 2048, 4096] as const)[mode] ?? null);
  }

  // The peer -----------------------------------------------------------------------------------------

  get peerCertificate(): PeerCertificate | null {
    return this.#body('peerCertificate').peer;
  }

  /** As the peer sent it, its own first; null when it is not known, as in everything that came from DER. */
  get peerChain(): readonly PeerCertificate[] | null {
    return this.#body('peerChain').chain;
  }

  /** SubjectPublicKeyInfo, for a peer without a certificate (RFC 7250). */
  get peerRawPublicKey(): Uint8Array | null {
    return this.#optional(Field.peerRpk, 'peerRawPublicKey');
  }

  /** An X509_V_* code: 0 for a peer that was verified. */
  get verifyResult(): number {
    return this.#body('verifyResult').verifyResult;
  }

  /** What the session is bound to; null for one that came from a form that cannot say. */
  get bindings(): SessionBindings | null {
    const { bindings } = this.#body('bindings');
    return (
      bindings && {
        ...bindings,
        trust: copyBytes(bindings.trust),
        clientAuth: copyBytes(bindings.clientAuth),
      }
    );
  }
  set bindings(value: SessionBindings | null) {
    this.#need('Session.bindings').setBindings(value, 'Session.bindings');
  }

  // Time and use -------------------------------------------------------------------------------------

  /** When it was made, in milliseconds since 1970. May be set while a cache holds it, which re-sorts. */
  get timeMs(): number {
    return this.#need('Session.timeMs').timeMs('Session.timeMs');
  }
  set timeMs(value: number) {
    this.#need('Session.timeMs').setTimeMs(value, 'Session.timeMs');
  }

  /** How long it may be resumed from then, in seconds. May be set while a cache holds it. */
  get timeoutSec(): number {
    return this.#need('Session.timeoutSec').timeoutSec('Session.timeoutSec');
  }
  set timeoutSec(value: number) {
    this.#need('Session.timeoutSec').setTimeoutSec(value, 'Session.timeoutSec');
  }

  /** What the server said of its ticket, in seconds; 0 when it said nothing. */
  get ticketLifetimeHintSec(): number {
    return this.#body('ticketLifetimeHintSec').ticketLifetimeHint;
  }

  /** How many bytes of early data the session allows; 0 for none. */
  get maxEarlyData(): number {
    return this.#body('maxEarlyData').maxEarlyData;
  }
  set maxEarlyData(value: number) {
    this.#setNumber('maxEarlyData', value, 0xffff_ffff, 'maxEarlyData');
  }

  /** True in TLS 1.3, where a client uses a session once (RFC 8446, C.4). */
  get isSingleUse(): boolean {
    return isSingleUse(this.#body('isSingleUse'));
  }

  /** Whether a client has offered it to a server: one of TLS 1.3 is then used up. */
  get wasOffered(): boolean {
    return this.#body('wasOffered').wasOffered;
  }

  /** SSL_SESSION_is_resumable(3): not marked, and it has an id or a ticket. Says nothing about time. */
  get isResumable(): boolean {
    return this.#need('Session.isResumable').isResumable('Session.isResumable');
  }

  /** Whether it could be resumed at that time (milliseconds since 1970), why not, and until when. */
  resumability(nowMs: number = systemClock.wallMs()): Resumability {
    return resumability(this.#need('Session.resumability'), nowMs, 'Session.resumability');
  }

  // Forms --------------------------------------------------------------------------------------------

  /** @throws {SessionError} `ERR_SESSION_NO_CIPHER` when it has no cipher suite; so all forms but JSON. */
  toDER(options?: EncodeOptions): Uint8Array {
    return encodeSession(this.#need('Session.toDER'), options);
  }

  /** Writes the DER into `buffer` and returns the offset after it. @throws {RangeError} when it does not fit. */
  encodeInto(buffer: Uint8Array, offset = 0, options?: EncodeOptions): number {
    return encodeSessionInto(this.#need('Session.encodeInto'), buffer, offset, options);
  }

  toPEM(): string {
    const der = this.toDER();
    const text = encodePem(der);
    der.fill(0);
    return text;
  }

  toEnvelope(): Uint8Array {
    return encodeEnvelope(this.#need('Session.toEnvelope'), 'Session.toEnvelope');
  }

  /**
   * What newer Node versions take as `session` in `tls.connect`. `host` has to be the `servername` (or else
   * the `host`) of that call; by default the name that the session is bound to, or its SNI.
   * @throws {UsageError} `ERR_SESSION_NODE_HOST` when there is no name
   */
  toNode(host: string | null = this.bindings?.host ?? this.hostname): Uint8Array {
    const der = this.toDER();
    const bytes = wrapNodeForm(der, host ?? '');
    der.fill(0);
    return bytes;
  }

  /** The line of an NSS key log, or null without id or secret. **It shows the secret.** */
  toKeyLog(): string | null {
    return printKeyLog(this.#need('Session.toKeyLog'), 'Session.toKeyLog');
  }

  /** What `openssl sess_id -text` prints, one character a byte. **It shows the secret.** */
  toText(): string {
    return printSession(this.#need('Session.toText'), 'Session.toText').text;
  }

  /** The session as plain data. @throws {SessionError} when the handle was freed. */
  describe({ secrets = false, clock = systemClock }: DescribeSessionOptions = {}): SessionDescription {
    return describeSession(
      this.#need('Session.describe'),
      { nowMs: clock.wallMs(), secrets },
      'Session.describe',
    );
  }

  /** For `JSON.stringify`: lengths and public facts, never a secret. */
  toJSON(): Record<string, unknown> {
    return this.#core === null ? { session: this.#label, freed: true } : this.#core.toJSON();
  }

  // --------------------------------------------------------------------------------------------------

  #need(call: string): SessionCore {
    if (this.#core === null) {
      const history = this.#log?.describe() ?? ' (TLSESSION_TRACE_REFS=1 says where)';
      throw new SessionError(
        'ERR_SESSION_HANDLE_FREED',
        `${call}: this handle on ${this.#label} was freed before${history}`,
      );
    }
    return this.#core;
  }

  #body(name: string): SessionBody {
    const call = `Session.${name}`;
    return this.#need(call).body(call);
  }

  #bytes(field: FieldIndex, name: string): Uint8Array {
    return this.#body(name).copy(field);
  }

  #optional(field: FieldIndex, name: string): Uint8Array | null {
    const body = this.#body(name);
    return body.has(field) ? body.copy(field) : null;
  }

  #text(field: FieldIndex, name: string): string | null {
    const body = this.#body(name);
    return body.has(field) ? latin1(body.view(field)) : null;
  }

  #set(field: FieldIndex, value: Uint8Array | null, name: string): void {
    const call = `Session.${name}`;
    this.#need(call).setField(field, value, call);
  }

  #setText(field: FieldIndex, value: string | null, name: string): void {
    this.#set(field, value === null ? null : fromLatin1(value, name), name);
  }

  #setNumber(key: 'version' | 'cipher' | 'maxEarlyData', value: number, limit: number, name: string): void {
    const call = `Session.${name}`;
    if (!Number.isInteger(value) || value < 0 || value > limit) {
      throw new UsageError('ERR_SESSION_VALUE', `${call} is a whole number from 0 to ${limit}`);
    }
    this.#need(call).ownBody(call)[key] = value;
  }
}

function fromLatin1(text: string, name: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) {
      throw new UsageError('ERR_SESSION_VALUE', `Session.${name} has one character a byte: encode it first`);
    }
    bytes[i] = code;
  }
  return bytes;
}

/** @internal A handle that takes over one reference of the application's. For the layers above, not exported. */
export function sessionHandle(core: SessionCore, call: string): Session {
  return makeHandle(core, call);
}

/** @internal The session behind a handle; it keeps its reference. @throws when the handle was freed. */
export function sessionCore(session: Session, call: string): SessionCore {
  return getCore(session, call);
}
