/** The sessions of a connection under OpenSSL's names: which it has, and whether it resumed one. */
import type { ConnectionInfo } from '../handshake/info.ts';
import type { SessionCore } from '../session/core.ts';
import { UsageError } from '../util/errors.ts';
import type { SSL_SESSION } from './types.ts';

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
