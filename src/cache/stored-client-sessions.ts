/**
 * A client's sessions in a store: they outlive the process, and processes share them. A peer has a fixed
 * number of places for TLS 1.3 tickets and one for a TLS 1.2 session. A ticket is looked at first, so that
 * what does not fit stays, and is then taken by the store's atomic `take`, so that of all processes one gets
 * it. Newest first, by the time that stands before each: a hint for the order and nothing else.
 */
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { toHex, utf8 } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import type { Timers } from '../util/timers.ts';
import { settleWithin } from './awaitable.ts';
import {
  type ClientSessions,
  type Fits,
  isSingleUse,
  type TakenSession,
  whyNotKept,
} from './client-session-cache.ts';
import { type ClientSessionKey, clientSessionKeyText, fitsClientKey } from './client-session-key.ts';
import { missReason } from './errors.ts';
import type { SessionSealer } from './session-sealer.ts';
import type { SessionStore } from './store.ts';
import { MAX_STORE_LIFETIME_MS } from './store-source.ts';

export interface StoredClientSessionsOptions {
  readonly store: SessionStore;
  readonly sealer: SessionSealer;
  /** SHA-256 of the crypto provider: a key in the store does not tell whom a client talks to. */
  readonly digest: (bytes: Uint8Array) => Uint8Array;
  /**
   * Of the crypto provider: processes that have not looked yet begin at different places, and seldom write over
   * each other's tickets. Without it all begin at the first.
   */
  readonly random?: (length: number) => Uint8Array;
  readonly clock?: Clock;
  /** Without timers a take waits for the store as long as that takes. */
  readonly timers?: Timers;
  /** Milliseconds a take may last. Default 1,000. */
  readonly limitMs?: number;
  /** Default `tlsession:`. */
  readonly prefix?: string;
  /** Default 4. */
  readonly ticketsPerPeer?: number;
}

/** Bytes before the sealed session: its time, a 64-bit float. */
const TIME_BYTES = 8;
const MAX_COUNTED_PEERS = 1024;

interface Candidate {
  readonly place: string;
  readonly timeMs: number;
  readonly bytes: Uint8Array;
}

export class StoredClientSessions implements ClientSessions {
  readonly #options: StoredClientSessionsOptions;
  readonly #clock: Clock;
  readonly #tickets: number;
  /** Places in the order in which this process writes to them, where it knows of nothing there. */
  readonly #unknown: readonly number[];
  /**
   * Places of a peer, the next to be written to first: what was empty when it was looked at, then the oldest.
   * Least recently used first.
   */
  readonly #next: Map<string, readonly number[]> = new Map();

  constructor(options: StoredClientSessionsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#tickets = options.ticketsPerPeer ?? 4;
    if (!Number.isInteger(this.#tickets) || this.#tickets < 1 || this.#tickets > 64) {
      throw new RangeError('ticketsPerPeer is a whole number from 1 to 64');
    }
    const [first = 0] = options.random?.(1) ?? [];
    this.#unknown = Array.from({ length: this.#tickets }, (_, i) => (first + i) % this.#tickets);
  }

  /** Never rejects: what the store does wrong is the reason of a miss. */
  async take(key: ClientSessionKey, fits: Fits = () => null): Promise<TakenSession> {
    const { timers, limitMs } = this.#options;
    // Once it is given up, a ticket that is still being fetched is of no use to anybody: it is dropped.
    const late = (taken: TakenSession): void => taken.session?.release('StoredClientSessions.take');
    const settled = await settleWithin(this.#take(key, fits), timers ?? null, limitMs ?? 1000, late);
    if (settled.kind === 'answer') return settled.value;
    return { session: null, reason: settled.kind === 'slow' ? 'store-slow' : missReason(settled.error) };
  }

  /** Never rejects. */
  async put(key: ClientSessionKey, session: SessionCore): Promise<ResumptionReason | null> {
    const nowMs = this.#clock.wallMs();
    const reason = whyNotKept(session, nowMs) ?? fitsClientKey(session.body('put'), key);
    if (reason !== null) return reason;
    const peer = this.#peer(key);
    const place = isSingleUse(session) ? this.#ticketPlace(peer, this.#nextOf(peer)) : `${peer}:m`;
    // All that needs the session is done before the first wait: the caller's reference need not last.
    try {
      const endMs = Math.min(session.expiresAtMs, nowMs + MAX_STORE_LIFETIME_MS);
      const sealed = this.#options.sealer.seal(session, place);
      const bytes = new Uint8Array(TIME_BYTES + sealed.length);
      new DataView(bytes.buffer).setFloat64(0, session.timeMs('put'));
      bytes.set(sealed, TIME_BYTES);
      sealed.fill(0);
      await this.#options.store.put(place, bytes, endMs);
      return null;
    } catch (error) {
      return missReason(error);
    }
  }

  /** Drops a peer's sessions. @throws what the store throws. */
  async forget(key: ClientSessionKey): Promise<void> {
    const peer = this.#peer(key);
    this.#next.delete(peer);
    await Promise.all(this.#places(peer).map((place) => this.#options.store.delete(place)));
  }

  async #take(key: ClientSessionKey, fits: Fits): Promise<TakenSession> {
    const { store, sealer } = this.#options;
    const peer = this.#peer(key);
    const found = await Promise.all(
      this.#places(peer).map(async (place): Promise<Candidate | null> => {
        const bytes = await store.get(place);
        if (bytes === null || bytes.length < TIME_BYTES) return null;
        return { place, bytes, timeMs: new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0) };
      }),
    );
    this.#looked(peer, found);
    const candidates = found.filter((each) => each !== null).sort((a, b) => (a.timeMs < b.timeMs ? 1 : -1));
    let reason: ResumptionReason | null = null;
    for (const { place, bytes } of candidates) {
      const session = sealer.open(bytes.subarray(TIME_BYTES), place);
      if (typeof session === 'string') {
        reason ??= session;
        continue;
      }
      let misfit: ResumptionReason | null;
      let mine = false;
      try {
        misfit = this.#misfit(session, place, peer, key, fits);
        // Whoever takes it first has it.
        if (misfit === null) mine = !isSingleUse(session) || (await this.#takeSame(place, bytes));
      } catch (error) {
        session.free('StoredClientSessions.take');
        throw error;
      }
      if (mine) {
        if (isSingleUse(session)) this.#emptied(peer, place);
        session.takeFromApplication('StoredClientSessions.take');
        return { session, reason: null };
      }
      session.free('StoredClientSessions.take');
      if (misfit !== null && (reason === null || reason === 'expired')) reason = misfit;
    }
    return { session: null, reason: reason ?? 'no-session-saved' };
  }

  #misfit(
    session: SessionCore,
    place: string,
    peer: string,
    key: ClientSessionKey,
    fits: Fits,
  ): ResumptionReason | null {
    // A ticket in the place of what may be used again would be: it is not believed.
    if (isSingleUse(session) === (place === `${peer}:m`)) return 'bad-stored-session';
    return (
      whyNotKept(session, this.#clock.wallMs()) ?? fitsClientKey(session.body('take'), key) ?? fits(session)
    );
  }

  /** Takes a place, and says whether what lay there is what was looked at. Another one is lost: two processes met. */
  async #takeSame(place: string, bytes: Uint8Array): Promise<boolean> {
    const taken = await this.#options.store.take(place);
    if (taken === null) return false;
    const same = taken.length === bytes.length && taken.every((byte, i) => byte === bytes[i]);
    taken.fill(0);
    return same;
  }

  #places(peer: string): string[] {
    const tickets = Array.from({ length: this.#tickets }, (_, i) => this.#ticketPlace(peer, i));
    return [...tickets, `${peer}:m`];
  }

  #ticketPlace(peer: string, i: number): string {
    return `${peer}:${i}`;
  }

  #peer(key: ClientSessionKey): string {
    const digest = toHex(this.#options.digest(utf8(clientSessionKeyText(key))));
    return `${this.#options.prefix ?? 'tlsession:'}c:${digest}`;
  }

  #nextOf(peer: string): number {
    const [next = 0, ...others] = this.#next.get(peer) ?? this.#unknown;
    this.#remember(peer, [...others, next]);
    return next;
  }

  /** What lies at each place tells where another process's ticket would be overwritten. */
  #looked(peer: string, found: readonly (Candidate | null)[]): void {
    // By the store's own word, which decides nothing but the order.
    const timeOf = (place: number): number => found[place]?.timeMs || 0;
    this.#remember(
      peer,
      [...this.#unknown].sort((a, b) => timeOf(a) - timeOf(b)),
    );
  }

  #emptied(peer: string, place: string): void {
    const order = this.#next.get(peer) ?? this.#unknown;
    const isIt = (each: number): boolean => this.#ticketPlace(peer, each) === place;
    this.#remember(peer, [...order.filter(isIt), ...order.filter((each) => !isIt(each))]);
  }

  #remember(peer: string, order: readonly number[]): void {
    this.#next.delete(peer);
    this.#next.set(peer, order);
    if (this.#next.size > MAX_COUNTED_PEERS) this.#next.delete(this.#next.keys().next().value as string);
  }
}
