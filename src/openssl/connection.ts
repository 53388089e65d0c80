/** The sessions of a connection under OpenSSL's names: which it has, and whether it resumed one. */
import type { ConnectionInfo } from '../handshake/info.ts';
import type { SessionCore } from '../session/core.ts';
import { UsageError } from '../util/errors.ts';
import type { Ssl } from './ssl.ts';
import { type SSL_SESSION, sessionOf } from './types.ts';

/** A connection as these functions see it: the engine's. */
interface Engine {
  readonly session: SessionCore | null;
  readonly info: ConnectionInfo;
}

/** A connection: a `TLSSocket` of `connect` or `createServer`, or a `Connection` of `tlsession/engine`. */
export type SSL = Engine | { readonly engine: Engine };

function engineOf(ssl: SSL | null, call: string): Engine {
  if (ssl === null || typeof ssl !== 'object') {
    throw new UsageError('ERR_OPENSSL_NULL', `${call}: ${ssl === null ? 'NULL' : 'this'} is not an SSL`);
  }
  return 'engine' in ssl ? ssl.engine : ssl;
}

/**
 * The connection's session: the latest, in TLS 1.3 of the latest ticket. Borrowed: it is good for as long as
 * the connection lives, and must not be freed. Null before the handshake is complete.
 */
export function SSL_get_session(ssl: SSL): SSL_SESSION | null {
  return engineOf(ssl, 'SSL_get_session').session;
}

/** Another name of SSL_get_session. */
export function SSL_get0_session(ssl: SSL): SSL_SESSION | null {
  return engineOf(ssl, 'SSL_get0_session').session;
}

/** The same with a reference of the caller's own, to be given back with SSL_SESSION_free. */
export function SSL_get1_session(ssl: SSL): SSL_SESSION | null {
  const { session } = engineOf(ssl, 'SSL_get1_session');
  return session?.upRef('SSL_get1_session') === true ? session : null;
}

/** 1 when the handshake resumed a session or used an external key, otherwise 0. */
export function SSL_session_reused(ssl: SSL): number {
  return engineOf(ssl, 'SSL_session_reused').info.resumed ? 1 : 0;
}

/** 1. The SSL takes a reference; the session before is dropped, and removed if its connection ended badly. */
export function SSL_set_session(ssl: Ssl, session: SSL_SESSION | null): number {
  ssl.check('SSL_set_session');
  ssl.setSession(session === null ? null : sessionOf(session, 'SSL_set_session'));
  return 1;
}

/** The older name of SSL_session_reused. */
export const SSL_cache_hit: typeof SSL_session_reused = SSL_session_reused;

/** 1: session, certificates and id context of `from` are `to`'s too. */
export function SSL_copy_session_id(to: Ssl, from: Ssl): number {
  from.check('SSL_copy_session_id');
  to.check('SSL_copy_session_id');
  to.setSession(from.session);
  to.settings.credentials = from.settings.credentials;
  to.settings.sidCtx = from.settings.sidCtx.slice();
  return 1;
}
