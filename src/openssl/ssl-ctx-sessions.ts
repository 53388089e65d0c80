/** A context's cache under OpenSSL's names: SSL_CTX_sess_set_get_cb(3), SSL_CTX_add_session(3) and their kin. */

import type { CacheStats } from '../cache/cache-stats.ts';
import { CacheMode } from '../cache/modes.ts';
import { DEFAULT_SESSION_TIMEOUT_SEC } from '../cache/session-context.ts';
import type { SessionCore } from '../session/core.ts';
import { copyBytes } from '../util/bytes.ts';
import { ERR_LIB_SSL, raise, SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG } from './err.ts';
import type { SSL, Ssl } from './ssl.ts';
import type { GEN_SESSION_CB, SSL_CTX, SSL_not_resumable_cb } from './ssl-ctx.ts';
import { SSL_MAX_SID_CTX_LENGTH } from './ssl-session.ts';
import { type SSL_SESSION, sessionOf } from './types.ts';

export const SSL_SESS_CACHE_OFF: number = CacheMode.OFF;
export const SSL_SESS_CACHE_CLIENT: number = CacheMode.CLIENT;
export const SSL_SESS_CACHE_SERVER: number = CacheMode.SERVER;
export const SSL_SESS_CACHE_BOTH: number = CacheMode.BOTH;
export const SSL_SESS_CACHE_NO_AUTO_CLEAR: number = CacheMode.NO_AUTO_CLEAR;
export const SSL_SESS_CACHE_NO_INTERNAL_LOOKUP: number = CacheMode.NO_INTERNAL_LOOKUP;
export const SSL_SESS_CACHE_NO_INTERNAL_STORE: number = CacheMode.NO_INTERNAL_STORE;
export const SSL_SESS_CACHE_NO_INTERNAL: number = CacheMode.NO_INTERNAL;
export const SSL_SESS_CACHE_UPDATE_TIME: number = CacheMode.UPDATE_TIME;

// Modes, sizes, times ------------------------------------------------------------------------------------

/** Returns the mode before. */
export function SSL_CTX_set_session_cache_mode(ctx: SSL_CTX, mode: number): number {
  const before = ctx.sessions.mode;
  ctx.sessions.mode = mode;
  return before;
}

export function SSL_CTX_get_session_cache_mode(ctx: SSL_CTX): number {
  return ctx.sessions.mode;
}

/** Returns the size before; a negative size changes nothing and returns 0. 0 is no bound. */
export function SSL_CTX_sess_set_cache_size(ctx: SSL_CTX, size: number): number {
  if (size < 0) return 0;
  const before = ctx.sessions.size;
  ctx.sessions.size = size;
  return before;
}

export function SSL_CTX_sess_get_cache_size(ctx: SSL_CTX): number {
  return ctx.sessions.size;
}

/** Seconds that new sessions may be resumed. Returns the timeout before; 0 sets the method's default. */
export function SSL_CTX_set_timeout(ctx: SSL_CTX, seconds: number): number {
  const before = ctx.sessions.timeoutSec;
  ctx.sessions.timeoutSec = seconds === 0 ? DEFAULT_SESSION_TIMEOUT_SEC : seconds;
  return before;
}

export function SSL_CTX_get_timeout(ctx: SSL_CTX): number {
  return ctx.sessions.timeoutSec;
}

/** 7200 seconds. */
export function SSL_get_default_timeout(_ssl: SSL): number {
  return DEFAULT_SESSION_TIMEOUT_SEC;
}

// Sessions by hand ---------------------------------------------------------------------------------------

/** 1 when it was added, 0 when this very session was there. The cache takes a reference of its own. */
export function SSL_CTX_add_session(ctx: SSL_CTX, session: SSL_SESSION): number {
  return ctx.sessions.add(sessionOf(session, 'SSL_CTX_add_session')) === 'present' ? 0 : 1;
}

/** 1 when it was found. The remove callback is called either way, but for null and for an empty id. */
export function SSL_CTX_remove_session(ctx: SSL_CTX, session: SSL_SESSION | null): number {
  if (session === null) return 0;
  return ctx.sessions.remove(sessionOf(session, 'SSL_CTX_remove_session')) ? 1 : 0;
}

/** Removes what has expired at `seconds` since 1970; everything at 0. */
export function SSL_CTX_flush_sessions_ex(ctx: SSL_CTX, seconds: number): void {
  if (seconds === 0) ctx.sessions.clear();
  else ctx.sessions.flush(seconds * 1000);
}

/** The older name of the same. */
export const SSL_CTX_flush_sessions: typeof SSL_CTX_flush_sessions_ex = SSL_CTX_flush_sessions_ex;

/** The sessions in the cache: in C a read-only view of the hash table, here a list of this moment. Borrowed. */
export function SSL_CTX_sessions(ctx: SSL_CTX): readonly SSL_SESSION[] {
  return ctx.sessions.sessions();
}

// Callbacks ----------------------------------------------------------------------------------------------

/** 1: the callback keeps the reference that it was given, and frees it one day. 0: the library takes it back. */
export type SSL_new_session_cb = (ssl: SSL, session: SSL_SESSION) => number;
export type SSL_remove_session_cb = (ctx: SSL_CTX, session: SSL_SESSION) => void;
/** Null, or the session; with `copy` 0 its reference passes to the library, otherwise the library takes one. */
export type SSL_get_session_cb = (
  ssl: SSL,
  id: Uint8Array,
) => SSL_SESSION | { readonly session: SSL_SESSION; readonly copy: number } | null;

interface Callbacks {
  onNew: SSL_new_session_cb | null;
  onRemove: SSL_remove_session_cb | null;
  onGet: SSL_get_session_cb | null;
}
const callbacks = new WeakMap<SSL_CTX, Callbacks>();

function callbacksOf(ctx: SSL_CTX): Callbacks {
  let known = callbacks.get(ctx);
  if (known === undefined) {
    known = { onNew: null, onRemove: null, onGet: null };
    callbacks.set(ctx, known);
  }
  return known;
}

export function SSL_CTX_sess_set_new_cb(ctx: SSL_CTX, callback: SSL_new_session_cb | null): void {
  callbacksOf(ctx).onNew = callback;
  ctx.sessions.callbacks.onNew =
    callback === null ? null : (session, ssl): boolean => callback(ssl as Ssl, session) !== 0;
}

export function SSL_CTX_sess_get_new_cb(ctx: SSL_CTX): SSL_new_session_cb | null {
  return callbacksOf(ctx).onNew;
}

export function SSL_CTX_sess_set_remove_cb(ctx: SSL_CTX, callback: SSL_remove_session_cb | null): void {
  callbacksOf(ctx).onRemove = callback;
  ctx.sessions.callbacks.onRemove =
    callback === null ? null : (session: SessionCore): void => callback(ctx, session);
}

export function SSL_CTX_sess_get_remove_cb(ctx: SSL_CTX): SSL_remove_session_cb | null {
  return callbacksOf(ctx).onRemove;
}

export function SSL_CTX_sess_set_get_cb(ctx: SSL_CTX, callback: SSL_get_session_cb | null): void {
  callbacksOf(ctx).onGet = callback;
  ctx.sessions.callbacks.onGet =
    callback === null
      ? null
      : (id, ssl) => {
          const answer = callback(ssl as Ssl, id);
          if (answer === null) return null;
          if ('copy' in answer) {
            return { session: sessionOf(answer.session, 'get_session_cb'), copy: answer.copy !== 0 };
          }
          return sessionOf(answer, 'get_session_cb');
        };
}

export function SSL_CTX_sess_get_get_cb(ctx: SSL_CTX): SSL_get_session_cb | null {
  return callbacksOf(ctx).onGet;
}

/** The callback decides about every session of this context's servers. */
export function SSL_CTX_set_not_resumable_session_callback(
  ctx: SSL_CTX,
  callback: SSL_not_resumable_cb | null,
): void {
  ctx.settings.notResumable = callback;
}

export function SSL_set_not_resumable_session_callback(
  ssl: SSL,
  callback: SSL_not_resumable_cb | null,
): void {
  ssl.settings.notResumable = callback;
}

// Ids ----------------------------------------------------------------------------------------------------

/** The callback is asked once for each id; one that the cache has already ends the handshake. */
export function SSL_CTX_set_generate_session_id(ctx: SSL_CTX, callback: GEN_SESSION_CB | null): number {
  ctx.settings.generateId = callback;
  return 1;
}

export function SSL_set_generate_session_id(ssl: SSL, callback: GEN_SESSION_CB | null): number {
  ssl.settings.generateId = callback;
  return 1;
}

/** At most 32 bytes; 0 and an error for more. */
export function SSL_CTX_set_session_id_context(ctx: SSL_CTX, context: Uint8Array): number {
  return setContext(ctx.settings, context);
}

export function SSL_set_session_id_context(ssl: SSL, context: Uint8Array): number {
  return setContext(ssl.settings, context);
}

function setContext(settings: { sidCtx: Uint8Array }, context: Uint8Array): number {
  if (context.length > SSL_MAX_SID_CTX_LENGTH) {
    raise(ERR_LIB_SSL, SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG);
    return 0;
  }
  settings.sidCtx = copyBytes(context);
  return 1;
}

/** Whether the internal cache has a session of this SSL's version with this id. 0 for more than 32 bytes. */
export function SSL_has_matching_session_id(ssl: SSL, id: Uint8Array): number {
  if (id.length > 32) return 0;
  return ssl.sessionCtx.sessions.has(ssl.version, id) ? 1 : 0;
}

// Counters -----------------------------------------------------------------------------------------------

type Counter = {
  [K in keyof CacheStats]: CacheStats[K] extends number ? K : never;
}[keyof CacheStats];
const counter =
  (name: Counter): ((ctx: SSL_CTX) => number) =>
  (ctx) =>
    ctx.sessions.stats[name];

/** Sessions in the cache now. */
export function SSL_CTX_sess_number(ctx: SSL_CTX): number {
  return ctx.sessions.number;
}
/** Handshakes begun by clients of this context. */
export const SSL_CTX_sess_connect: (ctx: SSL_CTX) => number = counter('connect');
/** Those that were completed. */
export const SSL_CTX_sess_connect_good: (ctx: SSL_CTX) => number = counter('connectGood');
/** Always 0: there is no renegotiation. */
export const SSL_CTX_sess_connect_renegotiate: (ctx: SSL_CTX) => number = counter('connectRenegotiate');
export const SSL_CTX_sess_accept: (ctx: SSL_CTX) => number = counter('accept');
export const SSL_CTX_sess_accept_good: (ctx: SSL_CTX) => number = counter('acceptGood');
export const SSL_CTX_sess_accept_renegotiate: (ctx: SSL_CTX) => number = counter('acceptRenegotiate');
/** Handshakes that resumed. */
export const SSL_CTX_sess_hits: (ctx: SSL_CTX) => number = counter('hits');
/** Sessions that the get callback found. */
export const SSL_CTX_sess_cb_hits: (ctx: SSL_CTX) => number = counter('cbHits');
export const SSL_CTX_sess_misses: (ctx: SSL_CTX) => number = counter('misses');
/** Sessions that were offered or found after their time. */
export const SSL_CTX_sess_timeouts: (ctx: SSL_CTX) => number = counter('timeouts');
/** Sessions that went because the cache was full. */
export const SSL_CTX_sess_cache_full: (ctx: SSL_CTX) => number = counter('cacheFull');
