/**
 * The head of a session: its two reference counts, its times, its ex_data and its place in a cache, over a
 * shared body. This is what the C names call SSL_SESSION; the idiomatic `Session` is a handle on one.
 *
 * Counts (SSL_SESSION_free(3) and DESIGN rule 4): the application's references and the library's own
 * (contexts, connections, a callback in progress) are counted apart. Only the application's can be given
 * back by `free`; the session ends when both counts are zero.
 */
import { opensslCipherName } from '../util/cipher-names.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';
import { inspectAs } from '../util/inspect.ts';
import { SESSION_LIMITS } from '../util/limits.ts';
import { versionName } from '../util/registries.ts';
import {
  copyBindings,
  DEFAULT_BODY,
  Field,
  type FieldIndex,
  type PeerCertificate,
  type SessionBindings,
  type SessionBody,
} from './body.ts';
import { SessionError } from './errors.ts';
import { hasExNew, isExIndex, runExDup, runExFree, runExNew } from './ex-data.ts';
import { type ReferenceLog, startLog } from './tracing.ts';

/** The timeout of SSL_SESSION_new, in seconds: 5 minutes and 4 seconds. */
export const DEFAULT_TIMEOUT_SEC = 304;

/** up_ref fails there instead of wrapping. */
const MAX_REFERENCES = SESSION_LIMITS.references;

/** The cache that holds a session, as the session sees it. One session is linked into one cache at a time. */
export interface SessionOwner {
  /** Called after the time or the timeout of a cached session changed, so that the cache can re-sort. */
  sessionTimesChanged(session: SessionCore): void;
}

let serials = 0;
let live = 0;

/** How many sessions of this process have not ended: for tests that prove that references balance. */
export function liveSessionCount(): number {
  return live;
}

function throwCollected(thrown: readonly unknown[]): void {
  if (thrown.length === 1) throw thrown[0];
  if (thrown.length > 1) throw new AggregateError(thrown, 'several ex_data free callbacks threw');
}

function badTime(call: string, what: string): UsageError {
  return new UsageError('ERR_SESSION_TIME', `${call}: ${what}`);
}

export class SessionCore {
  #body: SessionBody | null;
  #application = 1;
  #library = 0;
  #timeMs: number;
  #timeoutSec: number = DEFAULT_TIMEOUT_SEC;
  #exData: unknown[] | null = null;
  #log: ReferenceLog | null;
  #notResumable = false;
  #ending = false;
  readonly #serial: number;
  /** The cache that this session is linked into. Set and cleared by the cache alone. */
  owner: SessionOwner | null = null;
  /** The cache's own mark for this session, e.g. a slot number. Meaningless without `owner`. */
  slot = -1;

  /**
   * Takes over one sharer of `body`. The new session has one reference, the application's.
   * `call` names what made it, for the trace.
   * @throws what an ex_data new callback throws; then nothing was made, the body's sharer is given back and
   * the free callbacks saw what the earlier ones had put there.
   */
  constructor(body: SessionBody, timeMs: number, call: string) {
    this.#body = body;
    this.#timeMs = timeMs;
    this.#serial = ++serials;
    this.#log = startLog(this, `session #${this.#serial}`);
    if (this.#log !== null) this.#log.note('taken', 'application', call);
    live++;
    if (hasExNew()) this.#runNewCallbacks(call);
  }

  #runNewCallbacks(call: string): void {
    try {
      runExNew(this);
    } catch (error) {
      this.#application = 0;
      if (this.#log !== null) this.#log.note('dropped', 'application', call);
      this.#end();
      throw error;
    }
  }

  /** SSL_SESSION_new(3): everything zero but timeout 304 s, time now, verify result 1, one reference. */
  static create(clock: Clock = systemClock, call = 'SSL_SESSION_new'): SessionCore {
    DEFAULT_BODY.sharers++;
    return new SessionCore(DEFAULT_BODY, clock.wallMs(), call);
  }

  /** A session over a body made elsewhere (a handshake, a decoder), whose one sharer it takes over. */
  static fromBody(body: SessionBody, timeMs: number, timeoutSec: number, call: string): SessionCore {
    const session = new SessionCore(body, timeMs, call);
    session.#timeoutSec = timeoutSec;
    return session;
  }

  /**
   * SSL_SESSION_dup(3): an uncached copy with one reference. The body is shared until one of the two
   * changes; ex_data goes through its dup callbacks; owner and cache links are not copied.
   * @throws what a dup callback throws; then nothing was made.
   */
  dup(call = 'SSL_SESSION_dup'): SessionCore {
    const body = this.body(call);
    body.sharers++;
    const copy = new SessionCore(body, this.#timeMs, call);
    copy.#timeoutSec = this.#timeoutSec;
    copy.#notResumable = this.#notResumable;
    if (this.#exData !== null) this.#dupExData(copy, this.#exData, call);
    return copy;
  }

  #dupExData(copy: SessionCore, values: readonly unknown[], call: string): void {
    try {
      runExDup(copy, this, values);
    } catch (error) {
      copy.#application = 0;
      if (copy.#log !== null) copy.#log.note('dropped', 'application', call);
      copy.#end();
      throw error;
    }
  }

  // References ---------------------------------------------------------------------------------------

  /** SSL_SESSION_up_ref(3): one more reference of the application's. False at the largest count. */
  upRef(call = 'SSL_SESSION_up_ref'): boolean {
    if (this.#body === null || this.#ending) throw this.#ended(call);
    if (this.#application + this.#library >= MAX_REFERENCES) return false;
    this.#application++;
    if (this.#log !== null) this.#log.note('taken', 'application', call);
    return true;
  }

  /**
   * SSL_SESSION_free(3): gives back one reference of the application's.
   * @throws {SessionError} when the application has none, also while a cache or a connection holds the
   * session: that is the count that would go wrong later, somewhere else.
   */
  free(call = 'SSL_SESSION_free'): void {
    if (this.#application === 0) throw this.#overFree(call);
    this.#application--;
    if (this.#log !== null) this.#log.note('dropped', 'application', call);
    if (this.#application === 0 && this.#library === 0) throwCollected(this.#end());
  }

  /** One more reference of the library's own. @throws {SessionError} at the largest count, or at the end. */
  retain(call: string): void {
    if (this.#body === null || this.#ending) throw this.#ended(call);
    if (this.#application + this.#library >= MAX_REFERENCES) throw this.#tooMany(call);
    this.#library++;
    if (this.#log !== null) this.#log.note('taken', 'library', call);
  }

  /** Gives back one reference of the library's own. */
  release(call: string): void {
    if (this.#library === 0) throw this.#libraryCount(call);
    this.#library--;
    if (this.#log !== null) this.#log.note('dropped', 'library', call);
    if (this.#application === 0 && this.#library === 0) throwCollected(this.#end());
  }

  /** A reference of the library's becomes the application's: a callback that takes ownership. */
  giveToApplication(call: string): void {
    if (this.#library === 0) throw this.#libraryCount(call);
    this.#library--;
    this.#application++;
    if (this.#log !== null) {
      this.#log.note('dropped', 'library', call);
      this.#log.note('taken', 'application', call);
    }
  }

  /** A reference of the application's becomes the library's: a callback that donates one. */
  takeFromApplication(call: string): void {
    if (this.#body === null) throw this.#ended(call);
    if (this.#application === 0) throw this.#overFree(call);
    this.#application--;
    this.#library++;
    if (this.#log !== null) {
      this.#log.note('dropped', 'application', call);
      this.#log.note('taken', 'library', call);
    }
  }

  /** @internal A handle took over (+1) or gave up (−1) a reference of the application's: for the leak report. */
  countHandle(step: 1 | -1): void {
    if (this.#log !== null) this.#log.handles += step;
  }

  /** References of the application's that are outstanding. */
  get applicationReferences(): number {
    return this.#application;
  }

  get libraryReferences(): number {
    return this.#library;
  }

  /** What C's counter would show. 0 when the session has ended. */
  get references(): number {
    return this.#application + this.#library;
  }

  get hasEnded(): boolean {
    return this.#body === null;
  }

  /** @internal For the test of the largest count: no program reaches it by counting. */
  static setApplicationReferencesForTest(session: SessionCore, count: number): void {
    session.#application = count;
  }

  /** Returns what the free callbacks threw, after everything is wiped. */
  #end(): readonly unknown[] {
    this.#ending = true;
    const thrown = runExFree(this);
    const body = this.#body as SessionBody;
    this.#body = null;
    this.#exData = null;
    this.#timeMs = 0;
    live--;
    body.release();
    return thrown;
  }

  // The body -----------------------------------------------------------------------------------------

  /** The body to read from. @throws {SessionError} `ERR_SESSION_ENDED` */
  body(call: string): SessionBody {
    const body = this.#body;
    if (body === null) throw this.#ended(call);
    return body;
  }

  /**
   * A body that belongs to this head alone, to change numbers in.
   * @throws {SessionError} when the session has ended or a cache holds it.
   */
  ownBody(call: string): SessionBody {
    const body = this.#changeable(call);
    if (body.sharers === 1) return body;
    const own = body.clone();
    body.release();
    this.#body = own;
    return own;
  }

  /** Replaces one byte string; null removes it. The value is copied. */
  setField(field: FieldIndex, value: Uint8Array | null, call: string): void {
    const body = this.#changeable(call);
    const own = body.withField(field, value);
    body.release();
    this.#body = own;
  }

  /** A copy of a byte string; empty when it is absent. */
  field(field: FieldIndex, call: string): Uint8Array {
    return this.body(call).copy(field);
  }

  /** `chain` is as the peer sent it, its first certificate being `peer`; null when only the leaf is known. */
  setPeer(peer: PeerCertificate | null, chain: readonly PeerCertificate[] | null, call: string): void {
    if (chain !== null && (peer === null || chain[0] !== peer)) {
      throw new UsageError('ERR_SESSION_CHAIN', `${call}: a chain begins with the peer's own certificate`);
    }
    const body = this.ownBody(call);
    body.peer = peer;
    body.chain = chain === null ? null : Object.freeze([...chain]);
    body.peerFingerprint = null;
  }

  /** Keeps a copy. @throws {UsageError} `ERR_SESSION_BINDINGS` for what no envelope could hold. */
  setBindings(bindings: SessionBindings | null, call: string): void {
    const kept = bindings === null ? null : copyBindings(bindings);
    this.ownBody(call).bindings = kept;
  }

  #changeable(call: string): SessionBody {
    const body = this.body(call);
    if (this.owner !== null) {
      throw new SessionError(
        'ERR_SESSION_IN_CACHE',
        `${call}: ${this.label} is in a cache and may not change; only its time, timeout and ex_data may. ` +
          'Change a duplicate, or remove it from the cache first',
      );
    }
    return body;
  }

  // Time ---------------------------------------------------------------------------------------------

  /** When the session was made, in milliseconds since 1970. */
  timeMs(call: string): number {
    if (this.#body === null) throw this.#ended(call);
    return this.#timeMs;
  }

  /** @throws {UsageError} for what is not a finite number. */
  setTimeMs(timeMs: number, call: string): void {
    if (this.#body === null) throw this.#ended(call);
    if (!Number.isFinite(timeMs)) throw badTime(call, 'a time is a number of milliseconds');
    this.#timeMs = timeMs;
    if (this.owner !== null) this.owner.sessionTimesChanged(this);
  }

  /** How long it may be resumed, in seconds from its time. May be as large as 2^63−1, as in C. */
  timeoutSec(call: string): number {
    if (this.#body === null) throw this.#ended(call);
    return this.#timeoutSec;
  }

  /** @throws {UsageError} for what is not a finite number of 0 or more. */
  setTimeoutSec(timeoutSec: number, call: string): void {
    if (this.#body === null) throw this.#ended(call);
    if (!(timeoutSec >= 0 && timeoutSec < Infinity)) {
      throw badTime(call, 'a timeout is a number of seconds, 0 or more');
    }
    this.#timeoutSec = timeoutSec;
    if (this.owner !== null) this.owner.sessionTimesChanged(this);
  }

  /** The last millisecond at which it may still be resumed: OpenSSL's comparison is strict. */
  get expiresAtMs(): number {
    return this.#timeMs + this.#timeoutSec * 1000;
  }

  // Resumability -------------------------------------------------------------------------------------

  /** Marks it as not to be resumed: a bad shutdown, an eviction, a callback's decision. */
  markNotResumable(): void {
    this.#notResumable = true;
  }

  /** @internal Clears the mark: for the duplicate that a renewed ticket is made from. */
  clearNotResumable(): void {
    this.#notResumable = false;
  }

  get isMarkedNotResumable(): boolean {
    return this.#notResumable;
  }

  /** SSL_SESSION_is_resumable(3): not marked, and it has an id or a ticket. Says nothing about expiry. */
  isResumable(call: string): boolean {
    const body = this.body(call);
    return !this.#notResumable && (body.length(Field.id) > 0 || body.length(Field.ticket) > 0);
  }

  // ex_data ------------------------------------------------------------------------------------------

  /** False for an index that nobody registered. Allowed while a cache holds the session. */
  setExData(index: number, value: unknown, call = 'SSL_SESSION_set_ex_data'): boolean {
    if (this.#body === null) throw this.#ended(call);
    if (!isExIndex(index)) return false;
    this.#exData ??= [];
    this.#exData[index] = value;
    return true;
  }

  getExData(index: number, call = 'SSL_SESSION_get_ex_data'): unknown {
    if (this.#body === null) throw this.#ended(call);
    return this.#exData?.[index] ?? null;
  }

  // Words --------------------------------------------------------------------------------------------

  /** How messages name this session: a number that means nothing outside this process. */
  get label(): string {
    return `session #${this.#serial}`;
  }

  #ended(call: string): SessionError {
    return new SessionError(
      'ERR_SESSION_ENDED',
      `${call}: ${this.label} has ended: its last reference was given back${this.#history()}`,
    );
  }

  #overFree(call: string): SessionError {
    if (this.#body === null) {
      return new SessionError(
        'ERR_SESSION_OVER_FREE',
        `${call}: ${this.label} has ended already: there is no reference left to give back${this.#history()}`,
      );
    }
    if (this.#ending) {
      return new SessionError(
        'ERR_SESSION_OVER_FREE',
        `${call}: ${this.label} is ending: its last reference was given back already${this.#history()}`,
      );
    }
    return new SessionError(
      'ERR_SESSION_OVER_FREE',
      `${call}: the application holds no reference to ${this.label}; ` +
        `${this.#library === 1 ? 'the one that is left belongs' : `all ${this.#library} that are left belong`} ` +
        `to the library (a cache or a connection)${this.#history()}`,
    );
  }

  #libraryCount(call: string): SessionError {
    return new SessionError(
      'ERR_SESSION_LIBRARY_COUNT',
      `${call}: the library holds no reference to ${this.label}${this.#history()}`,
    );
  }

  #tooMany(call: string): SessionError {
    return new SessionError(
      'ERR_SESSION_LIBRARY_COUNT',
      `${call}: ${this.label} has as many references as can be counted`,
    );
  }

  #history(): string {
    if (this.#log !== null) return this.#log.describe();
    return ' (TLSESSION_TRACE_REFS=1 says where each was taken and dropped)';
  }

  /** Lengths and public facts only: safe to log. */
  toJSON(): Record<string, unknown> {
    const body = this.#body;
    if (body === null) return { session: this.label, ended: true };
    return {
      session: this.label,
      references: { application: this.#application, library: this.#library },
      protocol: versionName(body.version),
      cipher: opensslCipherName(body.cipher),
      timeMs: this.#timeMs,
      timeoutSec: this.#timeoutSec,
      idLength: body.length(Field.id),
      masterKeyLength: body.length(Field.masterKey),
      ticketLength: body.length(Field.ticket),
      resumable: this.isResumable('toJSON'),
    };
  }

  static {
    inspectAs(SessionCore, (core) => `SSL_SESSION ${JSON.stringify(core.toJSON())}`);
  }
}
