/**
 * The session half of an SSL_CTX: the cache that a context keeps, its mode, sizes and timeouts, its
 * callbacks and its counters, and what an engine does with them before, during and after a handshake.
 * The C names (`SSL_CTX_sess_*` and their kin) and the idiomatic `SessionCache` are two faces of this.
 *
 * Rules that hold for every method:
 * - The cache holds exactly one reference of the library's to each session in it.
 * - No callback runs while anything is half-changed. A session that left is out of table, list and queue
 *   before the remove callback sees it, and is still alive then. A callback may call anything here.
 * - A callback that throws keeps nothing from happening. From a method that the application called, the
 *   error comes out once all is done; from one that the engine calls, it goes to `reportError`.
 * - A session is linked into one cache at a time. Added to a second one, that one holds a duplicate, which
 *   shares the body; OpenSSL corrupts both caches' lists instead. The duplicate has times and ex_data of its
 *   own, and a mark on one is not a mark on the other.
 */
import type { CacheMessage, Channel } from '../diagnostics/channels.ts';
import { Field } from '../session/body.ts';
import type { SessionCore, SessionOwner } from '../session/core.ts';
import { hasExFree } from '../session/ex-data.ts';
import type { EarlyDataReason, ResumptionReason } from '../session/resumption-reason.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { rethrowLater } from '../util/listeners.ts';
import { ProtocolVersion } from '../util/registries.ts';
import type { Timers } from '../util/timers.ts';
import { type Awaitable, isPromiseLike } from './awaitable.ts';
import { type CacheStats, newCacheStats } from './cache-stats.ts';
import { CacheError, throwCollected } from './errors.ts';
import { hashKey } from './keyed-hash.ts';
import { CacheMode } from './modes.ts';
import {
  type GetAnswer,
  type LookupHost,
  type LookupResult,
  OutsideLookup,
  type SessionSource,
} from './outside-lookup.ts';
import { isExpired } from './session-check.ts';
import { SessionTable } from './session-table.ts';

/** Sessions; 0 is without a bound (SSL_SESSION_CACHE_MAX_SIZE_DEFAULT). */
export const DEFAULT_CACHE_SIZE: number = 1024 * 20;
/** Seconds: what a handshake gives a session to live, unless the context says otherwise. */
export const DEFAULT_SESSION_TIMEOUT_SEC = 7200;
/** Milliseconds that a handshake waits for a look-up. */
export const DEFAULT_LOOKUP_LIMIT_MS = 1000;
/** Look-ups that may wait at once; one more is answered with a miss. */
export const DEFAULT_MAX_PENDING_LOOKUPS = 1024;
/** How deep callbacks that change the cache may nest. */
export const MAX_CALLBACK_DEPTH = 32;

/** The callbacks of SSL_CTX_sess_set_new_cb(3) and its kin. `connection` is what the engine was told it is. */
export interface SessionCallbacks {
  /**
   * A session was made. The callback is given a reference: true keeps it, and the application frees it one
   * day; false gives it back.
   */
  onNew: ((session: SessionCore, connection: unknown) => boolean) | null;
  /** A session is looked for that the cache does not have. The id is a copy. */
  onGet: ((id: Uint8Array, connection: unknown) => Awaitable<GetAnswer>) | null;
  /** A session left the cache, or was removed though it was not there. The reference is not the callback's. */
  onRemove: ((session: SessionCore) => void) | null;
}

export interface SessionContextOptions {
  /** 8 random bytes or more: the key of the hash table. */
  readonly seed: Uint8Array;
  readonly clock?: Clock;
  /** Without timers a look-up is waited for as long as it takes. */
  readonly timers?: Timers;
  /** Sessions kept at most, 0 for no bound. Default 20,480. */
  readonly size?: number;
  /** Of new sessions. Default 7,200 s. */
  readonly timeoutSec?: number;
  /** `CacheMode` bits. Default SERVER. */
  readonly mode?: number;
  readonly callbacks?: Partial<SessionCallbacks>;
  readonly source?: SessionSource;
  readonly lookupLimitMs?: number | undefined;
  readonly maxPendingLookups?: number | undefined;
  /** Told of look-ups and changes, once they are whole. */
  readonly channel?: Channel<CacheMessage> | undefined;
  /** Gets what a callback threw where no caller of the application's is there to catch it. Default: rethrown in a task of its own. */
  readonly reportError?: (error: unknown) => void;
}

/** `replaced`: another session had that id. `present`: that very session was there, and C returns 0. */
export type AddResult = 'added' | 'replaced' | 'present';

/** What a finished handshake says of its session. */
export interface EstablishedSession {
  readonly role: 'client' | 'server';
  readonly resumed: boolean;
  /** Whether this end asked for the peer's certificate. */
  readonly verifiesPeer: boolean;
  /** TLS 1.3 server: early data is offered, and a session serves once. */
  readonly singleUse: boolean;
  /** SSL_OP_NO_TICKET: sessions live here, and not in tickets. */
  readonly noTickets: boolean;
  /** Passed on to callbacks. */
  readonly connection?: unknown;
}

let contexts = 0;

export class SessionContext implements SessionOwner {
  /** By which messages of the channels tell contexts apart: counts from 1 in each thread of a process. */
  readonly id: number = ++contexts;
  mode: number;
  /** Sessions kept at most, 0 for no bound. A smaller value takes effect with the next one added. */
  size: number;
  timeoutSec: number;
  source: SessionSource | null;
  readonly callbacks: SessionCallbacks;
  readonly clock: Clock;
  readonly #table: SessionTable;
  readonly #stats: CacheStats = newCacheStats();
  readonly #reportError: (error: unknown) => void;
  readonly #channel: Channel<CacheMessage> | null;
  readonly #outside: OutsideLookup;
  #depth = 0;

  constructor(options: SessionContextOptions) {
    this.#table = new SessionTable(hashKey(options.seed));
    this.clock = options.clock ?? systemClock;
    this.size = options.size ?? DEFAULT_CACHE_SIZE;
    this.timeoutSec = options.timeoutSec ?? DEFAULT_SESSION_TIMEOUT_SEC;
    this.mode = options.mode ?? CacheMode.SERVER;
    this.callbacks = { onNew: null, onGet: null, onRemove: null, ...options.callbacks };
    this.source = options.source ?? null;
    this.#outside = new OutsideLookup(
      this.#lookupHost(),
      options.timers ?? null,
      options.lookupLimitMs ?? DEFAULT_LOOKUP_LIMIT_MS,
      options.maxPendingLookups ?? DEFAULT_MAX_PENDING_LOOKUPS,
    );
    this.#reportError = options.reportError ?? rethrowLater;
    this.#channel = options.channel ?? null;
  }

  /** The counters, live: read them, do not write them. */
  get stats(): Readonly<CacheStats> {
    this.#stats.number = this.#table.count;
    return this.#stats;
  }

  get number(): number {
    return this.#table.count;
  }

  // The cache ----------------------------------------------------------------------------------------

  /**
   * SSL_CTX_add_session(3). When the cache is full, what has expired makes way, earliest first, and then
   * what was used longest ago; neither is marked, so whoever holds one may still resume it.
   * @throws what the remove callback or an ex_data callback threw, after all is done.
   */
  add(session: SessionCore): AddResult {
    const call = 'SSL_CTX_add_session';
    this.#guardDepth(call);
    const present = this.#presentTwin(session, call);
    if (present !== null) {
      if ((this.mode & CacheMode.UPDATE_TIME) !== 0) present.setTimeMs(this.clock.wallMs(), call);
      return 'present';
    }

    // The duplicate's ex_data callbacks run here, before anything is looked at.
    let held = session;
    if (session.owner === null) held.retain(call);
    else {
      held = session.dup(call);
      held.takeFromApplication(call);
    }
    if ((this.mode & CacheMode.UPDATE_TIME) !== 0) held.setTimeMs(this.clock.wallMs(), call);

    const table = this.#table;
    try {
      table.reserve(held.expiresAtMs);
    } catch (error) {
      held.release(call);
      throw error;
    }
    // From here to the insertion nobody else's code runs, not even a clock's.
    const full = this.size > 0 && table.count >= this.size;
    const nowMs = full ? this.clock.wallMs() : 0;
    let displaced: SessionCore | null = null;
    let evicted: SessionCore[] | null = null;
    const there = table.findKeyOf(held.body(call));
    if (there >= 0) {
      displaced = this.#takeOut(there);
      this.#stats.replaced++;
    } else if (full) evicted = this.#makeRoom(nowMs);
    held.slot = table.insert(held);
    held.owner = this;
    this.#stats.added++;
    const isWatched = this.#channel?.hasSubscribers === true;
    if (displaced === null && evicted === null) {
      if (isWatched) this.#publish('add', 1);
      return 'added';
    }

    const expired = isWatched ? (evicted ?? []).filter((each) => isExpired(each, nowMs)).length : 0;
    const errors: unknown[] = [];
    if (displaced !== null) letGo(displaced, errors);
    for (const session of evicted ?? []) {
      this.#tellRemoved(session, errors);
      letGo(session, errors);
    }
    if (isWatched) {
      this.#publish(displaced === null ? 'add' : 'replace', 1);
      if (evicted !== null) this.#publish('evict', evicted.length, { expired });
    }
    throwCollected(errors, 'several callbacks of the session cache threw');
    return displaced === null ? 'added' : 'replaced';
  }

  /** SSL_has_matching_session_id(3). Not a use: the order of eviction stays. */
  has(version: number, id: Uint8Array): boolean {
    return this.#table.find(version, id) >= 0;
  }

  /**
   * The session under that key, with one reference of the library's for the caller; null when there is
   * none. Counts as a use. Says nothing about expiry, nor calls anybody.
   */
  acquire(version: number, id: Uint8Array, call: string): SessionCore | null {
    const slot = this.#table.find(version, id);
    if (slot < 0) return null;
    this.#table.touch(slot);
    const session = this.#table.at(slot);
    session.retain(call);
    return session;
  }

  /**
   * SSL_CTX_remove_session(3): takes out whatever is kept under the session's key, marks the session that
   * was passed as not resumable, and tells the remove callback of it, also when nothing was there. False
   * for null, for an empty id (then nothing happens at all), and when nothing was there.
   */
  remove(session: SessionCore | null): boolean {
    if (session === null) return false;
    const errors: unknown[] = [];
    const found = this.#remove(session, errors);
    throwCollected(errors, 'several callbacks of the session cache threw');
    return found;
  }

  /**
   * SSL_CTX_flush_sessions(3): takes out all that expired before `nowMs`, earliest first, marks it and
   * tells the remove callback. Returns how many.
   */
  flush(nowMs: number): number {
    this.#guardDepth('SSL_CTX_flush_sessions');
    // Where nobody can be called, each goes as it is taken out; otherwise all are out before the first goes.
    if (this.callbacks.onRemove === null && !hasExFree()) {
      const flushed = this.#table.takeExpired(nowMs, endInSilence);
      this.#stats.flushed += flushed;
      if (flushed > 0 && this.#channel?.hasSubscribers) this.#publish('flush', flushed);
      return flushed;
    }
    const expired: SessionCore[] = [];
    this.#table.takeExpired(nowMs, (session) => expired.push(session));
    return this.#flushed(expired);
  }

  /** Takes everything out, as flush does: SSL_CTX_flush_sessions with time 0, and the end of a context. */
  clear(): number {
    this.#guardDepth('SSL_CTX_flush_sessions');
    return this.#flushed(this.#table.takeAll());
  }

  /** The sessions in the cache, most recently used first: borrowed, and true of this moment. */
  sessions(): readonly SessionCore[] {
    return this.#table.list();
  }

  /** @internal A cached session's time or timeout changed. */
  sessionTimesChanged(session: SessionCore): void {
    this.#table.reschedule(session.slot);
  }

  // What an engine calls -----------------------------------------------------------------------------

  handshakeStarted(role: 'client' | 'server'): void {
    if (role === 'client') this.#stats.connect++;
    else this.#stats.accept++;
  }

  /** `reason`: why nothing was resumed; null when a session was. */
  handshakeFinished(role: 'client' | 'server', reason: ResumptionReason | null): void {
    if (role === 'client') this.#stats.connectGood++;
    else this.#stats.acceptGood++;
    if (reason === null) this.#stats.hits++;
    else this.#stats.notResumed[reason]++;
    if (role === 'server' && reason === 'expired') this.#stats.timeouts++;
  }

  /** `reason`: why early data was not taken; null when it was. */
  earlyDataDecided(reason: EarlyDataReason | null): void {
    if (reason === null) this.#stats.earlyDataAccepted++;
    else this.#stats.earlyDataRefused[reason]++;
  }

  /**
   * A server looks for the session that a client offered by id, or by a stateful TLS 1.3 ticket: first
   * here, then by the get callback, then in the source. An answer that has to be waited for is a promise,
   * which never rejects and is kept to the time limit.
   */
  lookup(version: number, id: Uint8Array, connection?: unknown): Awaitable<LookupResult> {
    const result = this.#lookup(version, id, connection);
    if (!this.#channel?.hasSubscribers) return result;
    return isPromiseLike(result) ? result.then((later) => this.#published(later)) : this.#published(result);
  }

  #published(result: LookupResult): LookupResult {
    const { session, from, reason } = result;
    this.#publish(session === null ? 'miss' : 'hit', 1, { from, reason });
    return result;
  }

  #lookup(version: number, id: Uint8Array, connection: unknown): Awaitable<LookupResult> {
    if ((this.mode & CacheMode.NO_INTERNAL_LOOKUP) === 0) {
      const session = this.acquire(version, id, 'session lookup');
      if (session !== null) {
        if (!isExpired(session, this.clock.wallMs())) return { session, from: 'cache', reason: null };
        this.#removeForEngine(session);
        session.release('session lookup');
        return { session: null, from: null, reason: 'expired' };
      }
      this.#stats.misses++;
    }
    return this.#outside.find(version, id, connection);
  }

  /**
   * A session that serves once is used up: true to at most one caller in all who share it. To be asked
   * after the binder was verified, and whether or not early data came with it.
   */
  consume(session: SessionCore): Awaitable<boolean> {
    // What is kept outside alone can be told of its end, and not asked: the callback gave it, and so it is good.
    const outside = (this.mode & CacheMode.NO_INTERNAL_STORE) !== 0 && this.#outside.wasGiven(session);
    const found = this.#removeForEngine(session, false) || outside;
    if (outside) return true;
    return this.source === null ? found : this.#outside.consume(this.source, session);
  }

  /**
   * Whether the get callback gave this session. It may give it again, to other processes too: that it was used
   * up here proves nothing, and no early data may rest on it.
   */
  wasGiven(session: SessionCore): boolean {
    return this.#outside.wasGiven(session);
  }

  /**
   * A handshake made or renewed a session (OpenSSL's ssl_update_cache): keeps it, tells the new callback
   * and the source, and flushes once in 255 connections. In TLS 1.3 called for every ticket.
   */
  established(session: SessionCore, facts: EstablishedSession): void {
    const body = session.body('session established');
    if (body.length(Field.id) === 0 || session.isMarkedNotResumable) return;
    const server = facts.role === 'server';
    // Without a context, a session in which the client proved itself could be resumed in any other.
    if (server && facts.verifiesPeer && body.length(Field.sidCtx) === 0) return;
    const bit = server ? CacheMode.SERVER : CacheMode.CLIENT;
    if ((this.mode & bit) === 0) return;
    const tls13 = body.version === ProtocolVersion.TLS1_3;
    if (!facts.resumed || tls13) {
      // What a stateless TLS 1.3 ticket holds need not be kept here; a remove callback wants to hear of it.
      const stateful = !tls13 || !server || facts.singleUse || facts.noTickets;
      const keeps = stateful || this.callbacks.onRemove !== null;
      if ((this.mode & CacheMode.NO_INTERNAL_STORE) === 0 && keeps) this.#quietly(() => this.add(session));
      this.#tellNew(session, facts.connection);
      if (server && stateful) this.#tellSource((source) => source.add(session));
    }
    const good = server ? this.#stats.acceptGood : this.#stats.connectGood;
    if ((this.mode & CacheMode.NO_AUTO_CLEAR) === 0 && (good & 0xff) === 0xff) {
      this.#quietly(() => this.flush(this.clock.wallMs()));
    }
  }

  /** A session may not be resumed any more: a fatal alert, or an unclean end under the C names. */
  spoiled(session: SessionCore): void {
    session.markNotResumable();
    this.#removeForEngine(session);
  }

  /** A TLS 1.3 client completed a handshake in which it offered this session: a ticket serves once. */
  usedUp(session: SessionCore): void {
    if ((this.mode & CacheMode.CLIENT) !== 0) this.#removeForEngine(session);
  }

  // Beneath ------------------------------------------------------------------------------------------

  #lookupHost(): LookupHost {
    const context = this;
    return {
      callbacks: this.callbacks,
      get source() {
        return context.source;
      },
      callBack: (call) => this.#callBack(call),
      callbackFailed: (error) => this.#callbackFailed(error),
      reportError: (error) => this.#reportError(error),
      received: (session) => this.#received(session),
      letGo: (session) => this.#quietly(() => session.release('get_session_cb')),
    };
  }

  #received(session: SessionCore): SessionCore | null {
    this.#stats.cbHits++;
    if ((this.mode & CacheMode.NO_INTERNAL_STORE) !== 0) return null;
    this.#quietly(() => this.add(session));
    const slot = this.#table.findKeyOf(session.body('get_session_cb'));
    return slot < 0 ? null : this.#table.at(slot);
  }

  /** A callback that changes the cache may be called again by that, and so on: not without end. */
  #callBack<T>(call: () => T): T {
    this.#depth++;
    try {
      return call();
    } finally {
      this.#depth--;
    }
  }

  /** What the cache already holds for this very session: itself, or the duplicate made of it. */
  #presentTwin(session: SessionCore, call: string): SessionCore | null {
    if (session.owner === this) return session;
    if (session.owner === null) return null;
    const body = session.body(call);
    const slot = this.#table.findKeyOf(body);
    if (slot < 0) return null;
    const twin = this.#table.at(slot);
    return twin.body(call) === body ? twin : null;
  }

  #takeOut(slot: number): SessionCore {
    const session = this.#table.remove(slot);
    session.owner = null;
    return session;
  }

  /** Takes out as many as it takes for one more to fit. */
  #makeRoom(nowMs: number): SessionCore[] {
    const table = this.#table;
    const evicted: SessionCore[] = [];
    while (table.count >= this.size) {
      const expired = table.firstExpiryMs < nowMs;
      evicted.push(this.#takeOut(expired ? table.firstToExpire : table.leastRecent));
      this.#stats.cacheFull++;
      if (expired) this.#stats.evictedExpired++;
      else this.#stats.evictedLeastRecent++;
    }
    return evicted;
  }

  #remove(session: SessionCore, errors: unknown[], tellSource = true): boolean {
    this.#guardDepth('SSL_CTX_remove_session');
    const call = 'SSL_CTX_remove_session';
    let slot = session.slot;
    if (session.owner === this) {
      if (this.#table.idLength(slot) === 0) return false;
    } else {
      const body = session.body(call);
      if (body.length(Field.id) === 0) return false;
      slot = this.#table.findKeyOf(body);
    }
    const removed = slot < 0 ? null : this.#takeOut(slot);
    if (removed !== null) this.#stats.removed++;
    session.markNotResumable();
    if (this.source !== null && tellSource) this.#tellSource((source) => source.remove(session));
    if (this.callbacks.onRemove !== null) {
      // The callback may give back the last reference that keeps the session passed alive.
      session.retain(call);
      this.#tellRemoved(session, errors);
      letGo(session, errors);
    }
    if (removed !== null) letGo(removed, errors);
    if (removed !== null && this.#channel?.hasSubscribers) this.#publish('remove', 1);
    return removed !== null;
  }

  /** All are out of the table; now they are marked, told of (earliest first) and let go. */
  #flushed(sessions: SessionCore[]): number {
    if (this.callbacks.onRemove !== null) sessions.sort(byExpiry);
    for (const session of sessions) {
      session.owner = null;
      session.markNotResumable();
    }
    this.#stats.flushed += sessions.length;
    const errors: unknown[] = [];
    for (const session of sessions) {
      this.#tellRemoved(session, errors);
      letGo(session, errors);
    }
    if (sessions.length > 0 && this.#channel?.hasSubscribers) this.#publish('flush', sessions.length);
    throwCollected(errors, 'several callbacks of the session cache threw');
    return sessions.length;
  }

  #tellRemoved(session: SessionCore, errors: unknown[]): void {
    const { onRemove } = this.callbacks;
    if (onRemove === null) return;
    try {
      this.#callBack(() => onRemove(session));
    } catch (error) {
      this.#stats.callbackErrors++;
      errors.push(error);
    }
  }

  #tellNew(session: SessionCore, connection: unknown): void {
    const { onNew } = this.callbacks;
    const call = 'new_session_cb';
    if (onNew === null || !session.upRef(call)) return;
    const held = session.applicationReferences;
    let keeps = false;
    try {
      keeps = this.#callBack(() => onNew(session, connection));
    } catch (error) {
      this.#callbackFailed(error);
      // It may have given its reference back before it threw.
      keeps = session.applicationReferences < held;
    }
    if (keeps) return;
    this.#quietly(() => {
      session.takeFromApplication(call);
      session.release(call);
    });
  }

  #tellSource(tell: (source: SessionSource) => void): void {
    if (this.source === null) return;
    try {
      tell(this.source);
    } catch (error) {
      this.#reportError(error);
    }
  }

  #removeForEngine(session: SessionCore, tellSource = true): boolean {
    const errors: unknown[] = [];
    let found = false;
    this.#quietly(() => {
      found = this.#remove(session, errors, tellSource);
    });
    for (const error of errors) this.#reportError(error);
    return found;
  }

  #publish(
    kind: CacheMessage['kind'],
    count: number,
    more: Partial<Pick<CacheMessage, 'expired' | 'from' | 'reason'>> = {},
  ): void {
    const number = this.#table.count;
    this.#channel?.publish({
      context: this.id,
      kind,
      count,
      expired: 0,
      from: null,
      reason: null,
      ...more,
      number,
    });
  }

  #quietly(step: () => unknown): void {
    try {
      step();
    } catch (error) {
      this.#reportError(error);
    }
  }

  #callbackFailed(error: unknown): void {
    this.#stats.callbackErrors++;
    this.#reportError(error);
  }

  #guardDepth(call: string): void {
    if (this.#depth < MAX_CALLBACK_DEPTH) return;
    throw new CacheError(
      'ERR_CACHE_REENTRY',
      `${call}: callbacks of the session cache have called it ${MAX_CALLBACK_DEPTH} deep; nothing was changed`,
    );
  }
}

function byExpiry(a: SessionCore, b: SessionCore): number {
  // Both may be infinitely far.
  return a.expiresAtMs < b.expiresAtMs ? -1 : a.expiresAtMs > b.expiresAtMs ? 1 : 0;
}

/** A session that was flushed goes, where that calls nobody. */
function endInSilence(session: SessionCore): void {
  session.owner = null;
  session.markNotResumable();
  session.release('session cache');
}

/** The cache gives back its reference. When it was the last, ex_data callbacks run, and may throw. */
function letGo(session: SessionCore, errors: unknown[]): void {
  try {
    session.release('session cache');
  } catch (error) {
    errors.push(error);
  }
}
