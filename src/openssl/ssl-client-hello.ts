/** The ClientHello before anything is decided: SSL_CTX_set_client_hello_cb(3). */
import type { ClientHello } from '../wire/message/client-hello.ts';
import type { SSL } from './ssl.ts';
import type { SSL_CTX } from './ssl-ctx.ts';

export const SSL_CLIENT_HELLO_SUCCESS = 1;
export const SSL_CLIENT_HELLO_ERROR = 0;
export const SSL_CLIENT_HELLO_RETRY = -1;

/** One of SSL_CLIENT_HELLO_*; RETRY is asked again by the next call, SSL_get_error says WANT_CLIENT_HELLO_CB. */
export type SSL_client_hello_cb = (ssl: SSL, arg: unknown) => number;

/** Called in front of the servername callback. The version is chosen by then, which in C it is not. */
export function SSL_CTX_set_client_hello_cb(
  ctx: SSL_CTX,
  callback: SSL_client_hello_cb | null,
  arg: unknown = null,
): void {
  ctx.clientHello = callback === null ? null : { cb: callback, arg };
}

function helloOf(ssl: SSL): ClientHello | null {
  ssl.check('SSL_client_hello');
  return ssl.hello;
}

// Outside the callback there is no hello: C returns 0 then.
const NONE = new Uint8Array(0);

/** The session id that the client offers; empty for none, and outside the callback. A copy. */
export function SSL_client_hello_get0_session_id(ssl: SSL): Uint8Array {
  return helloOf(ssl)?.sessionId.slice() ?? NONE;
}

export function SSL_client_hello_get0_random(ssl: SSL): Uint8Array {
  return helloOf(ssl)?.random.slice() ?? NONE;
}

export function SSL_client_hello_get0_legacy_version(ssl: SSL): number {
  return helloOf(ssl)?.legacyVersion ?? 0;
}

/** Two bytes a suite, as on the wire. */
export function SSL_client_hello_get0_ciphers(ssl: SSL): Uint8Array {
  const suites = helloOf(ssl)?.cipherSuites ?? [];
  return Uint8Array.from(suites.flatMap((id) => [id >> 8, id & 0xff]));
}

export function SSL_client_hello_get0_compression_methods(ssl: SSL): Uint8Array {
  return helloOf(ssl)?.compressionMethods.slice() ?? NONE;
}

/** The types in order of arrival. */
export function SSL_client_hello_get1_extensions_present(ssl: SSL): number[] {
  return [...(helloOf(ssl)?.extensions.types ?? [])];
}

/** An extension's body, a copy; null where C returns 0. */
export function SSL_client_hello_get0_ext(ssl: SSL, type: number): Uint8Array | null {
  return helloOf(ssl)?.extensions.get(type)?.slice() ?? null;
}
