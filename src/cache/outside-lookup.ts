/**
 * The part of a look-up that leaves the internal cache: the get callback, then the source, each waited for within
 * one limit of time and of number.
 */
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import type { Timers } from '../util/timers.ts';
import { type Awaitable, isPromiseLike, type Settled, settleWithin } from './awaitable.ts';
import { missReason } from './errors.ts';

/**
 * What the get callback returns: a session, of which the library takes a reference of its own, or one with
 * `copy` false, whose reference the application gives away. Null: not found.
 */
export type GetAnswer = SessionCore | { readonly session: SessionCore; readonly copy: boolean } | null;

/**
 * Sessions beyond this process, asked after the internal cache and the get callback. Every method may
 * answer at once or later; an error is a miss.
 */
export interface SessionSource {
  /** A fresh session, whose one reference is the application's and passes to the library; or why there is none. */
  find(version: number, id: Uint8Array): Awaitable<SessionCore | ResumptionReason>;
  /** Keeps what it needs of a session that a handshake made. The reference stays the caller's. */
  add(session: SessionCore): void;
  /** Drops a session that went bad, or was removed by the application. */
  remove(session: SessionCore): void;
  /** Drops it, and answers whether it was there: true to at most one caller. */
  consume(session: SessionCore): Awaitable<boolean>;
}

/** What a look-up found. `session` comes with one reference of the library's, which the caller releases. */
export interface LookupResult {
  readonly session: SessionCore | null;
  readonly from: 'cache' | 'callback' | 'store' | null;
  /** Null when there is a session. */
  readonly reason: ResumptionReason | null;
}

/** What a look-up needs of the context that it is made for. */
export interface LookupHost {
  readonly callbacks: {
    readonly onGet: ((id: Uint8Array, connection: unknown) => Awaitable<GetAnswer>) | null;
  };
  readonly source: SessionSource | null;
  /** Runs a callback of the application's: what it may do is bounded. */
  callBack<T>(call: () => T): T;
  callbackFailed(error: unknown): void;
  reportError(error: unknown): void;
  /** The callback gave it: counts that, keeps it, and returns what is kept under its key. */
  received(session: SessionCore): SessionCore | null;
  /** Gives a reference back; nothing comes out. */
  letGo(session: SessionCore): void;
}

export class OutsideLookup {
  readonly #host: LookupHost;
  readonly #timers: Timers | null;
  readonly #limitMs: number;
  readonly #maxPending: number;
  /** Sessions that the get callback gave: nobody knows whom else it gives them to. */
  readonly #given: WeakSet<SessionCore> = new WeakSet();
  #pending = 0;

  /** `limitMs`: of each answer. Without timers it is waited for as long as it takes. */
  constructor(host: LookupHost, timers: Timers | null, limitMs: number, maxPending: number) {
    this.#host = host;
    this.#timers = timers;
    this.#limitMs = limitMs;
    this.#maxPending = maxPending;
  }

  /** Never rejects. */
  find(version: number, id: Uint8Array, connection: unknown): Awaitable<LookupResult> {
    const asked = this.#askCallback(id, connection);
    if (isPromiseLike(asked)) {
      return asked.then((result) =>
        result.session === null ? this.#askSource(version, id, result) : result,
      );
    }
    return asked.session === null ? this.#askSource(version, id, asked) : asked;
  }

  /** Whether the source had it, for this caller alone. Never rejects. */
  consume(source: SessionSource, session: SessionCore): Awaitable<boolean> {
    if (this.#pending >= this.#maxPending) return false;
    let answer: Awaitable<boolean>;
    try {
      answer = source.consume(session);
    } catch {
      return false;
    }
    if (!isPromiseLike(answer)) return answer;
    return this.#wait(answer, ignore).then((settled) => settled.kind === 'answer' && settled.value);
  }

  wasGiven(session: SessionCore): boolean {
    return this.#given.has(session);
  }

  #askCallback(id: Uint8Array, connection: unknown): Awaitable<LookupResult> {
    const { onGet } = this.#host.callbacks;
    if (onGet === null) return NOT_FOUND;
    if (this.#pending >= this.#maxPending) return missed('store-busy');
    let answer: Awaitable<GetAnswer>;
    try {
      answer = this.#host.callBack(() => onGet(id.slice(), connection));
    } catch (error) {
      this.#host.callbackFailed(error);
      return missed('store-failed');
    }
    if (!isPromiseLike(answer)) return this.#received(answer);
    return this.#wait(answer, dropDonated).then((settled) => {
      if (settled.kind === 'answer') return this.#received(settled.value);
      if (settled.kind === 'slow') return missed('store-slow');
      this.#host.callbackFailed(settled.error);
      return missed('store-failed');
    });
  }

  #received(answer: GetAnswer): LookupResult {
    // A callback in plain JavaScript may well return nothing.
    if (answer === null || answer === undefined) return NOT_FOUND;
    const call = 'get_session_cb';
    let session: SessionCore;
    try {
      session = 'session' in answer ? answer.session : answer;
      if ('session' in answer && !answer.copy) session.takeFromApplication(call);
      else session.retain(call);
    } catch (error) {
      this.#host.callbackFailed(error);
      return missed('store-failed');
    }
    if (session.isMarkedNotResumable) {
      this.#host.letGo(session);
      return missed('not-resumable');
    }
    this.#given.add(session);
    // One that another cache holds is kept as a duplicate.
    const kept = this.#host.received(session);
    if (kept !== null) this.#given.add(kept);
    return { session, from: 'callback', reason: null };
  }

  /** `before`: the miss that stays the answer when there is no source, or the source knows no better. */
  #askSource(version: number, id: Uint8Array, before: LookupResult): Awaitable<LookupResult> {
    if (this.#host.source === null) return before;
    if (this.#pending >= this.#maxPending) return missed('store-busy');
    let answer: Awaitable<SessionCore | ResumptionReason>;
    try {
      answer = this.#host.source.find(version, id.slice());
    } catch (error) {
      return missed(missReason(error));
    }
    if (!isPromiseLike(answer)) return this.#fromSource(answer, before);
    return this.#wait(answer, dropFound).then((settled) => {
      if (settled.kind === 'answer') return this.#fromSource(settled.value, before);
      return missed(settled.kind === 'slow' ? 'store-slow' : missReason(settled.error));
    });
  }

  #fromSource(answer: SessionCore | ResumptionReason, before: LookupResult): LookupResult {
    if (typeof answer === 'string') return answer === 'not-found' ? before : missed(answer);
    try {
      answer.takeFromApplication('session store');
    } catch (error) {
      this.#host.reportError(error);
      return missed('store-failed');
    }
    return { session: answer, from: 'store', reason: null };
  }

  async #wait<T>(answer: PromiseLike<T>, late: (value: T) => void): Promise<Settled<T>> {
    this.#pending++;
    try {
      return await settleWithin(answer, this.#timers, this.#limitMs, late);
    } finally {
      this.#pending--;
    }
  }
}

const NOT_FOUND: LookupResult = Object.freeze({ session: null, from: null, reason: 'not-found' });

function missed(reason: ResumptionReason): LookupResult {
  return { session: null, from: null, reason };
}

function dropDonated(answer: GetAnswer): void {
  // A callback in plain JavaScript may well answer nothing.
  if (answer && 'session' in answer && !answer.copy) answer.session.free('get_session_cb');
}

function dropFound(answer: SessionCore | ResumptionReason): void {
  if (typeof answer !== 'string') answer.free('session store');
}

function ignore(): void {}
