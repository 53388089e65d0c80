/** A pre-shared key from outside in the form that the engine takes: a session that was never negotiated. */
import { ProtocolVersion, TLS_AES_128_GCM_SHA256 } from '../util/registries.ts';
import { Field, makeBody } from './body.ts';
import { SessionCore } from './core.ts';

/**
 * As OpenSSL makes it of the answer of SSL_CTX_set_psk_client_callback(3): for TLS_AES_128_GCM_SHA256, whose
 * hash RFC 8446, 4.2.11 takes where none was agreed on. One library reference for the caller to release.
 */
export function externalKeySession(key: Uint8Array, call: string): SessionCore {
  const fields: (Uint8Array | null)[] = [];
  fields[Field.masterKey] = key;
  const body = makeBody(fields, { version: ProtocolVersion.TLS1_3, cipher: TLS_AES_128_GCM_SHA256 });
  const session = SessionCore.fromBody(body, 0, Number.MAX_SAFE_INTEGER, call);
  session.takeFromApplication(call);
  return session;
}
