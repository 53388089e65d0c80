/**
 * A client's sessions, by peer and policy. TLS 1.3 tickets are taken, each once, newest first, so that two
 * connections never show one ticket (RFC 8446, C.4); a TLS 1.2 session is lent, and stays. What has expired
 * is never given out. Bounded in peers, which go least recently used first, and in tickets a peer, which go
 * oldest first.
 */
import { Field } from '../session/body.ts';
import type { SessionCore, SessionOwner } from '../session/core.ts';
import { MAX_TICKET_LIFETIME_SEC } from '../session/resumability.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { ProtocolVersion } from '../util/registries.ts';
import type { Awaitable } from './awaitable.ts';
import { type ClientSessionKey, clientSessionKeyText, fitsClientKey } from './client-session-key.ts';
import { throwCollected } from './errors.ts';

/** Why this connection would not offer a session; null when it would. May not call the cache. */
export type Fits = (session: SessionCore) => ResumptionReason | null;

/** `session` comes with one reference of the library's, which the caller releases. */
export type TakenSession =
  | { readonly session: SessionCore; readonly reason: null }
  | { readonly session: null; readonly reason: ResumptionReason };

/** What a client asks for sessions: the cache of this file, one over a store, or the application's own. */
export interface ClientSessions {
  /** A session for a new connection, or why there is none. */
  take(key: ClientSessionKey, fits?: Fits): Awaitable<TakenSession>;
  /** Keeps a session that a connection received; null, or why it is not kept. The caller's reference stays the caller's. */
  put(key: ClientSessionKey, session: SessionCore): Awaitable<ResumptionReason | null>;
}

export interface ClientSessionCacheOptions {
  readonly clock?: Clock;
  /** Default 1,024. */
  readonly maxPeers?: number;
  /** Default 8. */
  readonly maxSessionsPerPeer?: number;
}

export interface ClientCacheStats {
  /** Peers and sessions kept now. */
  readonly peers: number;
  readonly sessions: number;
  readonly puts: number;
  /** Takes that got a session, and those that got none. */
  readonly hits: number;
  readonly misses: number;
  /** Sessions dropped: because they had expired, to make room at a peer, and with a peer that made room. */
  readonly expired: number;
  readonly overflowed: number;
  readonly evicted: number;
}

export const DEFAULT_MAX_PEERS = 1024;
export const DEFAULT_MAX_SESSIONS_PER_PEER = 8;

interface Peer {
  readonly text: string;
  readonly key: ClientSessionKey;
  /** Oldest first. */
  readonly sessions: SessionCore[];
}

export class ClientSessionCache implements ClientSessions, SessionOwner {
  readonly #clock: Clock;
  readonly #maxPeers: number;
  readonly #maxSessions: number;
  /** Least recently used first. */
  readonly #peers: Map<string, Peer> = new Map();
  #sessions = 0;
  #puts = 0;
  #hits = 0;
  #misses = 0;
  #expired = 0;
  #overflowed = 0;
  #evicted = 0;

  constructor(options: ClientSessionCacheOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#maxPeers = bound(options.maxPeers ?? DEFAULT_MAX_PEERS, 'maxPeers');
    this.#maxSessions = bound(
      options.maxSessionsPerPeer ?? DEFAULT_MAX_SESSIONS_PER_PEER,
      'maxSessionsPerPeer',
    );
  }

  get stats(): ClientCacheStats {
    return {
      peers: this.#peers.size,
      sessions: this.#sessions,
      puts: this.#puts,
      hits: this.#hits,
      misses: this.#misses,
      expired: this.#expired,
      overflowed: this.#overflowed,
      evicted: this.#evicted,
    };
  }

  /**
   * Keeps a session, as the newest of its peer; a TLS 1.2 session takes the place of another. One that a
   * cache holds already is kept as a duplicate. @throws what an ex_data callback threw, after all is done.
   */
  put(key: ClientSessionKey, session: SessionCore): ResumptionReason | null {
    const call = 'ClientSessionCache.put';
    const nowMs = this.#clock.wallMs();
    const reason = whyNotKept(session, nowMs) ?? fitsClientKey(session.body(call), key);
    if (reason !== null) return reason;
    const text = clientSessionKeyText(key);
    if (session.owner === this && this.#peers.get(text)?.sessions.includes(session)) return null;

    let held = session;
    if (session.owner === null) held.retain(call);
    else {
      held = session.dup(call);
      held.takeFromApplication(call);
    }
    held.owner = this;
    const peer = this.#use(text) ?? { text, key: Object.freeze({ ...key }), sessions: [] };
    this.#peers.set(text, peer);
    const dropped = this.#dropUseless(peer, nowMs);
    if (!isSingleUse(held)) {
      const old = peer.sessions.findIndex((each) => !isSingleUse(each));
      if (old >= 0) dropped.push(...peer.sessions.splice(old, 1));
    }
    while (peer.sessions.length >= this.#maxSessions) {
      dropped.push(peer.sessions.shift() as SessionCore);
      this.#overflowed++;
    }
    peer.sessions.push(held);
    this.#sessions++;
    this.#puts++;
    while (this.#peers.size > this.#maxPeers) {
      const oldest = this.#peers.values().next().value as Peer;
      this.#evicted += oldest.sessions.length;
      this.#peers.delete(oldest.text);
      dropped.push(...oldest.sessions);
    }
    this.#letGo(dropped);
    return null;
  }

  /**
   * The newest session of a peer that has not expired and that fits. The reason of a miss is that of the
   * newest that did not fit; `no-session-saved` when there was none.
   */
  take(key: ClientSessionKey, fits: Fits = () => null): TakenSession {
    const nowMs = this.#clock.wallMs();
    const peer = this.#use(clientSessionKeyText(key));
    if (peer === null) return this.#missed('no-session-saved');
    // Before anything changes: what `fits` throws changes nothing.
    let chosen: SessionCore | null = null;
    let reason: ResumptionReason | null = null;
    for (let i = peer.sessions.length - 1; i >= 0 && chosen === null; i--) {
      const session = peer.sessions[i] as SessionCore;
      const misfit = whyNotKept(session, nowMs) ?? fitsClientKey(session.body('take'), key) ?? fits(session);
      if (misfit === null) chosen = session;
      else if (reason === null || reason === 'expired') reason = misfit;
    }
    if (chosen !== null) {
      if (isSingleUse(chosen)) {
        peer.sessions.splice(peer.sessions.indexOf(chosen), 1);
        chosen.owner = null;
        this.#sessions--;
      } else chosen.retain('ClientSessionCache.take');
    }
    const dropped = this.#dropUseless(peer, nowMs);
    this.#forgetIfEmpty(peer);
    this.#letGo(dropped);
    if (chosen === null) return this.#missed(reason ?? 'no-session-saved');
    this.#hits++;
    return { session: chosen, reason: null };
  }

  /** How many sessions are kept for a peer, those that have expired and were not dropped yet among them. */
  count(key: ClientSessionKey): number {
    return this.#peers.get(clientSessionKeyText(key))?.sessions.length ?? 0;
  }

  /** Drops a peer's sessions; returns how many. */
  forget(key: ClientSessionKey): number {
    const peer = this.#peers.get(clientSessionKeyText(key));
    if (peer === undefined) return 0;
    this.#peers.delete(peer.text);
    this.#letGo(peer.sessions);
    return peer.sessions.length;
  }

  /** Drops one session, if it is kept here: what a connection learned to be bad. */
  remove(session: SessionCore): boolean {
    if (session.owner !== this) return false;
    for (const peer of this.#peers.values()) {
      const at = peer.sessions.indexOf(session);
      if (at < 0) continue;
      peer.sessions.splice(at, 1);
      this.#forgetIfEmpty(peer);
      this.#letGo([session]);
      return true;
    }
    return false;
  }

  /** Drops what has expired or was marked; returns how many. It would never be given out anyway. */
  sweep(): number {
    const nowMs = this.#clock.wallMs();
    const dropped: SessionCore[] = [];
    for (const peer of [...this.#peers.values()]) {
      dropped.push(...this.#dropUseless(peer, nowMs));
      this.#forgetIfEmpty(peer);
    }
    this.#letGo(dropped);
    return dropped.length;
  }

  clear(): void {
    const dropped = [...this.#peers.values()].flatMap(({ sessions }) => sessions);
    this.#peers.clear();
    this.#letGo(dropped);
  }

  /** All sessions with their keys, oldest first within a peer: borrowed, and true of this moment. */
  list(): readonly { readonly key: ClientSessionKey; readonly session: SessionCore }[] {
    return [...this.#peers.values()].flatMap(({ key, sessions }) =>
      sessions.map((session) => ({ key, session })),
    );
  }

  /** @internal Expiry is looked at when it matters: there is nothing to sort. */
  sessionTimesChanged(): void {}

  #use(text: string): Peer | null {
    const peer = this.#peers.get(text);
    if (peer === undefined) return null;
    this.#peers.delete(text);
    this.#peers.set(text, peer);
    return peer;
  }

  #dropUseless(peer: Peer, nowMs: number): SessionCore[] {
    const dropped: SessionCore[] = [];
    for (let i = peer.sessions.length - 1; i >= 0; i--) {
      const reason = whyNotKept(peer.sessions[i] as SessionCore, nowMs);
      if (reason === null) continue;
      // One that was marked meanwhile is of no more use than one that has expired.
      dropped.push(...peer.sessions.splice(i, 1));
      if (reason === 'expired') this.#expired++;
    }
    return dropped;
  }

  #forgetIfEmpty(peer: Peer): void {
    if (peer.sessions.length === 0) this.#peers.delete(peer.text);
  }

  /** These are out of every list; ex_data callbacks may run as they go. */
  #letGo(sessions: readonly SessionCore[]): void {
    this.#sessions -= sessions.length;
    for (const session of sessions) session.owner = null;
    const errors: unknown[] = [];
    for (const session of sessions) {
      try {
        session.release('ClientSessionCache');
      } catch (error) {
        errors.push(error);
      }
    }
    throwCollected(errors, 'several ex_data free callbacks threw');
  }

  #missed(reason: ResumptionReason): TakenSession {
    this.#misses++;
    return { session: null, reason };
  }
}

/** Whether a session may be shown to a server only once: every TLS 1.3 ticket. */
export function isSingleUse(session: SessionCore): boolean {
  return session.body('isSingleUse').version === ProtocolVersion.TLS1_3;
}

/** Why a session is of no use to a client, by its own account; null when it is. */
export function whyNotKept(session: SessionCore, nowMs: number): ResumptionReason | null {
  const body = session.body('client cache');
  if (!session.isResumable('client cache')) return 'not-resumable';
  if (nowMs > session.expiresAtMs) return 'expired';
  if (body.version === ProtocolVersion.TLS1_3) {
    // RFC 8446, 4.6.1: no longer than the lifetime, which is a week at most; 0 means at once.
    const lifetimeSec = Math.min(body.ticketLifetimeHint, MAX_TICKET_LIFETIME_SEC);
    if (body.length(Field.ticket) === 0) return 'not-resumable';
    if (lifetimeSec === 0 || nowMs > session.timeMs('client cache') + lifetimeSec * 1000) return 'expired';
  }
  return null;
}

function bound(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${name} is a whole number of at least 1`);
  return value;
}
