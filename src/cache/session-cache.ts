/**
 * The cache of a context as TypeScript programs hold it: sessions in and out are handles, each its owner's
 * to free. The same cache has C's names in `tlsession/openssl`.
 */
import type { SessionCore } from '../session/core.ts';
import { type Session, sessionCore, sessionHandle } from '../session/session.ts';
import { type Awaitable, isPromiseLike } from './awaitable.ts';
import type { CacheStats } from './cache-stats.ts';
import type { GetAnswer } from './outside-lookup.ts';
import type { AddResult, SessionContext } from './session-context.ts';

/** A session was made. The handle is the callback's: it keeps it, or frees it. */
export type OnNewSession = (session: Session, connection: unknown) => void;
/** A session is wanted that the cache does not have. The handle that is returned becomes the cache's. */
export type OnGetSession = (id: Uint8Array, connection: unknown) => Awaitable<Session | null>;
/** A session left the cache. The handle ends with the call; `session.ref()` makes one that does not. */
export type OnRemoveSession = (session: Session) => void;

export class SessionCache {
  readonly #context: SessionContext;

  /** A face of the context's cache, which stays the context's. */
  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** The context's number, `context` in the messages of the channels. */
  get id(): number {
    return this.#context.id;
  }

  /** Sessions in the cache. */
  get size(): number {
    return this.#context.number;
  }

  /** Sessions kept at most, 0 for no bound. A smaller one takes effect with the next session added. */
  get capacity(): number {
    return this.#context.size;
  }

  set capacity(sessions: number) {
    if (!Number.isSafeInteger(sessions) || sessions < 0) {
      throw new RangeError('the capacity of a cache is a whole number of sessions, 0 for no bound');
    }
    this.#context.size = sessions;
  }

  /** What was counted, as OpenSSL names it and finer: a copy. */
  get stats(): CacheStats {
    const { stats } = this.#context;
    return { ...stats, notResumed: { ...stats.notResumed }, earlyDataRefused: { ...stats.earlyDataRefused } };
  }

  /** Adds a session; the handle stays the caller's. See `SessionContext.add`. */
  add(session: Session): AddResult {
    return this.#context.add(sessionCore(session, 'SessionCache.add'));
  }

  has(version: number, id: Uint8Array): boolean {
    return this.#context.has(version, id);
  }

  /** A handle of the caller's on the session with that version and id, or null. Counts as a use. */
  get(version: number, id: Uint8Array): Session | null {
    const call = 'SessionCache.get';
    const core = this.#context.acquire(version, id, call);
    if (core === null) return null;
    core.giveToApplication(call);
    return sessionHandle(core, call);
  }

  /** Takes out what is kept under the session's key, and marks the session as not to be resumed. */
  remove(session: Session): boolean {
    return this.#context.remove(sessionCore(session, 'SessionCache.remove'));
  }

  /** Takes out all that expired before a time, by default now; returns how many. */
  flush(nowMs: number = this.#context.clock.wallMs()): number {
    return this.#context.flush(nowMs);
  }

  /** Takes everything out; returns how many. */
  clear(): number {
    return this.#context.clear();
  }

  /** Handles of the caller's on all sessions, most recently used first. */
  sessions(): Session[] {
    return this.#context.sessions().map((core) => anotherHandle(core, 'SessionCache.sessions'));
  }

  set onNew(callback: OnNewSession | null) {
    this.#context.callbacks.onNew =
      callback === null ? null : (core, connection) => tellNew(callback, core, connection);
  }

  set onGet(callback: OnGetSession | null) {
    this.#context.callbacks.onGet =
      callback === null
        ? null
        : (id, connection) => {
            const answer = callback(id, connection);
            return isPromiseLike(answer) ? answer.then(givenAway) : givenAway(answer);
          };
  }

  set onRemove(callback: OnRemoveSession | null) {
    this.#context.callbacks.onRemove =
      callback === null
        ? null
        : (core) => {
            const handle = anotherHandle(core, 'onRemove');
            try {
              callback(handle);
            } finally {
              handle[Symbol.dispose]();
            }
          };
  }
}

function anotherHandle(core: SessionCore, call: string): Session {
  core.upRef(call);
  return sessionHandle(core, call);
}

/** The reference is the application's already: the handle takes it over, and is the callback's for good. */
function tellNew(callback: OnNewSession, core: SessionCore, connection: unknown): true {
  const handle = sessionHandle(core, 'onNew');
  try {
    callback(handle, connection);
  } catch (error) {
    handle[Symbol.dispose]();
    throw error;
  }
  return true;
}

function givenAway(handle: Session | null): GetAnswer {
  if (handle === null || handle === undefined) return null;
  const session = sessionCore(handle, 'onGet');
  session.upRef('onGet');
  handle.free();
  return { session, copy: false };
}
