/** Early data under OpenSSL's names: SSL_read_early_data(3) and its kin. */
import type { SSL } from './ssl.ts';
import type { Settings, SSL_CTX } from './ssl-ctx.ts';

/** `ret` 1 or 0, and how much was taken. A client's first I/O, with a session that allows it. */
export function SSL_write_early_data(ssl: SSL, data: Uint8Array): { ret: number; written: number } {
  ssl.check('SSL_write_early_data');
  return ssl.writeEarly(data);
}

/** `ret` is SSL_READ_EARLY_DATA_ERROR, _SUCCESS or _FINISH. A server's first I/O. */
export function SSL_read_early_data(ssl: SSL, buffer: Uint8Array): { ret: number; readbytes: number } {
  ssl.check('SSL_read_early_data');
  return ssl.readEarly(buffer);
}

export function SSL_get_early_data_status(ssl: SSL): number {
  return ssl.earlyDataStatus;
}

type Limited = SSL_CTX | SSL;
function setLimit(target: Limited, field: 'maxEarlyData' | 'recvMaxEarlyData', bytes: number): number {
  if (!(bytes >= 0)) return 0;
  target.settings[field] = Math.min(bytes, 0xffffffff);
  return 1;
}

/** Bytes of early data that new tickets promise. Default 0. */
export function SSL_CTX_set_max_early_data(ctx: SSL_CTX, bytes: number): number {
  return setLimit(ctx, 'maxEarlyData', bytes);
}
export function SSL_CTX_get_max_early_data(ctx: SSL_CTX): number {
  return ctx.settings.maxEarlyData;
}
export function SSL_set_max_early_data(ssl: SSL, bytes: number): number {
  return setLimit(ssl, 'maxEarlyData', bytes);
}
export function SSL_get_max_early_data(ssl: SSL): number {
  return ssl.settings.maxEarlyData;
}
/** Bytes of early data that are taken at most. Default 16384. */
export function SSL_CTX_set_recv_max_early_data(ctx: SSL_CTX, bytes: number): number {
  return setLimit(ctx, 'recvMaxEarlyData', bytes);
}
export function SSL_CTX_get_recv_max_early_data(ctx: SSL_CTX): number {
  return ctx.settings.recvMaxEarlyData;
}
export function SSL_set_recv_max_early_data(ssl: SSL, bytes: number): number {
  return setLimit(ssl, 'recvMaxEarlyData', bytes);
}
export function SSL_get_recv_max_early_data(ssl: SSL): number {
  return ssl.settings.recvMaxEarlyData;
}

/** The callback has the last word on early data that everything else allows. */
export function SSL_CTX_set_allow_early_data_cb(
  ctx: SSL_CTX,
  callback: NonNullable<Settings['allowEarlyData']>['cb'] | null,
  arg: unknown = null,
): void {
  ctx.settings.allowEarlyData = callback === null ? null : { cb: callback, arg };
}
export function SSL_set_allow_early_data_cb(
  ssl: SSL,
  callback: NonNullable<Settings['allowEarlyData']>['cb'] | null,
  arg: unknown = null,
): void {
  ssl.settings.allowEarlyData = callback === null ? null : { cb: callback, arg };
}
