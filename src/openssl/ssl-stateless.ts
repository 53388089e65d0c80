/**
 * SSL_stateless(3): a HelloRetryRequest that the server forgets. Its state goes out in a cookie:
 *
 *     struct {
 *         uint8  version = 1;
 *         uint64 time;                  seconds since 1970
 *         opaque state<0..2^16-1>;      the engine's
 *         opaque cookie<0..2^16-1>;     the application's
 *         opaque mac[32];               HMAC-SHA256 over all before it, under a key of the context's
 *     } Cookie;
 */
import type { RetryCookies } from '../handshake/config.ts';
import { equalSecret } from '../util/bytes.ts';
import { TlsessionError } from '../util/errors.ts';
import { Reader } from '../wire/reader.ts';
import { Writer } from '../wire/writer.ts';
import type { SSL, Ssl } from './ssl.ts';
import type { SSL_CTX } from './ssl-ctx.ts';
import { SslFault } from './ssl-fault.ts';
import {
  SSL_R_COOKIE_GEN_CALLBACK_FAILURE,
  SSL_R_COOKIE_MISMATCH,
  SSL_R_NO_COOKIE_CALLBACK_SET,
} from './ssl-reason-codes.ts';

/** A cookie serves for ten minutes. */
const MAX_AGE_SEC = 600;
/** SSL_COOKIE_LENGTH. */
const MAX_COOKIE = 4096;
const MAC_LENGTH = 32;

/** Returns the cookie's bytes, 1 to 4096; null for failure. */
export type SSL_stateless_cookie_generate_cb = (ssl: SSL) => Uint8Array | null;
/** 1 for a cookie that the generate callback made for this client. */
export type SSL_stateless_cookie_verify_cb = (ssl: SSL, cookie: Uint8Array) => number;

export function cookiesOf(ssl: Ssl): RetryCookies {
  const { ctx } = ssl;
  const mac = (bytes: Uint8Array): Uint8Array => ctx.provider.hmac('sha256', ctx.cookieKey, bytes);
  const nowSec = (): number => Math.floor(ctx.clock.wallMs() / 1000);
  return {
    seal: (state) => {
      const { cookieGenerate } = ctx;
      if (cookieGenerate === null) throw new SslFault(SSL_R_NO_COOKIE_CALLBACK_SET, 'nobody makes cookies');
      const cookie = cookieGenerate(ssl);
      if (cookie === null || cookie.length === 0 || cookie.length > MAX_COOKIE) {
        throw new SslFault(SSL_R_COOKIE_GEN_CALLBACK_FAILURE, 'the callback made no cookie');
      }
      const writer = new Writer(state.length + cookie.length + 64);
      writer.u8(1);
      const sec = nowSec();
      writer.u32(Math.floor(sec / 0x1_0000_0000));
      writer.u32(sec >>> 0);
      writer.vector16(state);
      writer.vector16(cookie);
      writer.bytes(mac(writer.copy()));
      return writer.copy();
    },
    open: (bytes) => {
      const { cookieVerify } = ctx;
      if (cookieVerify === null) throw new SslFault(SSL_R_NO_COOKIE_CALLBACK_SET, 'nobody verifies cookies');
      const signed = bytes.subarray(0, Math.max(0, bytes.length - MAC_LENGTH));
      if (bytes.length <= MAC_LENGTH || !equalSecret(mac(signed), bytes.subarray(signed.length))) return null;
      try {
        const reader = new Reader(signed);
        if (reader.u8() !== 1) return null;
        const madeSec = reader.u32() * 0x1_0000_0000 + reader.u32();
        const state = reader.vector16().slice();
        const cookie = reader.vector16().slice();
        reader.finish();
        const age = nowSec() - madeSec;
        if (age < 0 || age > MAX_AGE_SEC) return 'stale';
        if (cookieVerify(ssl, cookie) !== 1) {
          throw new SslFault(SSL_R_COOKIE_MISMATCH, 'the callback refused the cookie');
        }
        return state;
      } catch (error) {
        // Under a good MAC everything has its form, but nothing hangs on that.
        if (TlsessionError.is(error)) return null;
        throw error;
      }
    },
  };
}

/** Both are needed for SSL_stateless. */
export function SSL_CTX_set_stateless_cookie_generate_cb(
  ctx: SSL_CTX,
  callback: SSL_stateless_cookie_generate_cb | null,
): void {
  ctx.cookieGenerate = callback;
}

export function SSL_CTX_set_stateless_cookie_verify_cb(
  ctx: SSL_CTX,
  callback: SSL_stateless_cookie_verify_cb | null,
): void {
  ctx.cookieVerify = callback;
}

/**
 * Clears the SSL and reads a ClientHello. 1: it brought a cookie that holds, and SSL_accept goes on. 0: a
 * HelloRetryRequest with a cookie went out, and the SSL may serve somebody else. −1: neither, and
 * SSL_get_error says why. TLS 1.3 alone.
 */
export function SSL_stateless(ssl: SSL): number {
  return ssl.stateless();
}
