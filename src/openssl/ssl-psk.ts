/** Pre-shared keys under OpenSSL's names: SSL_CTX_set_psk_use_session_callback(3) and the older forms. */
import type { SSL } from './ssl.ts';
import type { Settings, SSL_CTX } from './ssl-ctx.ts';

export function SSL_CTX_set_psk_use_session_callback(ctx: SSL_CTX, callback: Settings['pskUse']): void {
  ctx.settings.pskUse = callback;
}
export function SSL_set_psk_use_session_callback(ssl: SSL, callback: Settings['pskUse']): void {
  ssl.settings.pskUse = callback;
}
export function SSL_CTX_set_psk_find_session_callback(ctx: SSL_CTX, callback: Settings['pskFind']): void {
  ctx.settings.pskFind = callback;
}
export function SSL_set_psk_find_session_callback(ssl: SSL, callback: Settings['pskFind']): void {
  ssl.settings.pskFind = callback;
}
export function SSL_CTX_set_psk_client_callback(ctx: SSL_CTX, callback: Settings['pskClient']): void {
  ctx.settings.pskClient = callback;
}
export function SSL_set_psk_client_callback(ssl: SSL, callback: Settings['pskClient']): void {
  ssl.settings.pskClient = callback;
}
export function SSL_CTX_set_psk_server_callback(ctx: SSL_CTX, callback: Settings['pskServer']): void {
  ctx.settings.pskServer = callback;
}
export function SSL_set_psk_server_callback(ssl: SSL, callback: Settings['pskServer']): void {
  ssl.settings.pskServer = callback;
}
