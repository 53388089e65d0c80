/**
 * Connections under OpenSSL's names: SSL_new(3), SSL_connect(3), SSL_read(3), SSL_shutdown(3) and what a
 * program asks of a connection.
 */
import { ProtocolVersion, versionName } from '../util/registries.ts';
import type { BIO } from './bio.ts';
import { ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, raise } from './err.ts';
import type { ExDataClass } from './ex-data-class.ts';
import { connectionExData, type SSL, SSL_ERROR_NONE, Ssl } from './ssl.ts';
import { alpnList, type SSL_CTX, setVersion } from './ssl-ctx.ts';
import type { X509 } from './types.ts';

/** A connection of a context, which it takes a reference to. */
export function SSL_new(ctx: SSL_CTX): SSL {
  return new Ssl(ctx);
}

/** Null does nothing. The BIOs go with it. */
export function SSL_free(ssl: SSL | null): void {
  ssl?.free();
}

/** Always 1. Settings stay, the connection goes; a session that ended well stays to be resumed. */
export function SSL_clear(ssl: SSL): number {
  ssl.check('SSL_clear');
  ssl.clear();
  return 1;
}

/** Another connection with the same settings and session; no BIO is shared. */
export function SSL_dup(ssl: SSL): SSL {
  ssl.check('SSL_dup');
  const copy = new Ssl(ssl.ctx, ssl.settings);
  copy.hostname = ssl.hostname;
  copy.role = ssl.role;
  copy.setSession(ssl.session);
  return copy;
}

/** Takes over one reference of each BIO. The same one for both is one reference. */
export function SSL_set_bio(ssl: SSL, rbio: BIO | null, wbio: BIO | null): void {
  ssl.check('SSL_set_bio');
  if (ssl.rbio !== rbio) ssl.rbio?.free();
  if (ssl.wbio !== wbio && ssl.wbio !== ssl.rbio) ssl.wbio?.free();
  ssl.rbio = rbio;
  ssl.wbio = wbio;
}

export function SSL_get_SSL_CTX(ssl: SSL): SSL_CTX {
  return ssl.ctx;
}

export function SSL_set_SSL_CTX(ssl: SSL, ctx: SSL_CTX): SSL_CTX {
  ssl.changeContext(ctx);
  return ssl.ctx;
}

export function SSL_set_connect_state(ssl: SSL): void {
  ssl.role = 'client';
}

export function SSL_set_accept_state(ssl: SSL): void {
  ssl.role = 'server';
}

/** 1 when complete; −1 otherwise, and SSL_get_error says why. */
export function SSL_do_handshake(ssl: SSL): number {
  ssl.check('SSL_do_handshake');
  return ssl.handshake();
}

export function SSL_connect(ssl: SSL): number {
  ssl.role ??= 'client';
  return SSL_do_handshake(ssl);
}

export function SSL_accept(ssl: SSL): number {
  ssl.role ??= 'server';
  return SSL_do_handshake(ssl);
}

/** Fills `buffer` and returns the number of bytes; 0 at close_notify, −1 otherwise. */
export function SSL_read(ssl: SSL, buffer: Uint8Array): number {
  ssl.check('SSL_read');
  return ssl.read(buffer, false);
}

/** As SSL_read, and the bytes stay. */
export function SSL_peek(ssl: SSL, buffer: Uint8Array): number {
  ssl.check('SSL_peek');
  return ssl.read(buffer, true);
}

/** Bytes that a read gives without more input. */
export function SSL_pending(ssl: SSL): number {
  return ssl.pending;
}

/** The number of bytes written, or −1. */
export function SSL_write(ssl: SSL, data: Uint8Array): number {
  ssl.check('SSL_write');
  return ssl.write(data);
}

/** 1: both ends have said close_notify. 0: only this one. −1: the handshake is not complete. */
export function SSL_shutdown(ssl: SSL): number {
  ssl.check('SSL_shutdown');
  return ssl.shutdown();
}

/** SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN. */
export function SSL_get_shutdown(ssl: SSL): number {
  return ssl.shutdownState;
}

/** Why the last call returned what it did: one of SSL_ERROR_*. */
export function SSL_get_error(ssl: SSL, ret: number): number {
  return ret > 0 ? SSL_ERROR_NONE : ssl.errorCode;
}

/** 1 when the handshake is complete. */
export function SSL_is_init_finished(ssl: SSL): number {
  return ssl.isFinished ? 1 : 0;
}

/** The version negotiated, or the highest that would be. */
export function SSL_version(ssl: SSL): number {
  return ssl.version;
}

export function SSL_get_version(ssl: SSL): string {
  return versionName(ssl.version);
}

export function SSL_set_min_proto_version(ssl: SSL, version: number): number {
  return setVersion(ssl.settings, 'minVersion', version === 0 ? ProtocolVersion.TLS1_2 : version);
}

export function SSL_set_max_proto_version(ssl: SSL, version: number): number {
  return setVersion(ssl.settings, 'maxVersion', version === 0 ? ProtocolVersion.TLS1_3 : version);
}

export function SSL_set_options(ssl: SSL, options: number): number {
  ssl.settings.options |= options;
  return ssl.settings.options;
}

/** The name to ask for. Null: none. */
export function SSL_set_tlsext_host_name(ssl: SSL, name: string | null): number {
  ssl.hostname = name;
  return 1;
}

/** Client: the name that is asked for. Server: the name that the client asked for, or null. */
export function SSL_get_servername(ssl: SSL): string | null {
  return ssl.role === 'client' ? ssl.hostname : (ssl.connection?.info.serverName ?? null);
}

/** As in C, **0 is success**. */
export function SSL_set_alpn_protos(ssl: SSL, protos: Uint8Array): number {
  const list = alpnList(protos);
  if (list === null) return 1;
  ssl.settings.alpn = list;
  return 0;
}

/** Empty when there is none. */
export function SSL_get0_alpn_selected(ssl: SSL): Uint8Array {
  return ssl.connection?.info.alpn?.slice() ?? new Uint8Array(0);
}

/** X509_V_* of the peer's certificate. */
export function SSL_get_verify_result(ssl: SSL): number {
  return ssl.verifyResult;
}

/** The peer's certificate, borrowed; null when it sent none. */
export function SSL_get0_peer_certificate(ssl: SSL): X509 | null {
  return ssl.session?.body('SSL_get0_peer_certificate').peer ?? null;
}

export function SSL_get_ex_new_index(
  argl: number,
  argp: unknown,
  onNew: Parameters<ExDataClass<Ssl>['newIndex']>[2],
  onFree: Parameters<ExDataClass<Ssl>['newIndex']>[3],
): number {
  return connectionExData.newIndex(argl, argp, onNew, onFree);
}

export function SSL_set_ex_data(ssl: SSL, index: number, value: unknown): number {
  return connectionExData.set(ssl.exData, index, value) ? 1 : 0;
}

export function SSL_get_ex_data(ssl: SSL, index: number): unknown {
  return connectionExData.get(ssl.exData, index);
}

/** 1: keying material by RFC 5705 or RFC 8446, 7.5 is the result; null where C returns 0. */
export function SSL_export_keying_material(
  ssl: SSL,
  length: number,
  label: string,
  context: Uint8Array | null,
): Uint8Array | null {
  try {
    return ssl.connection?.exportKeyingMaterial(label, context, length) ?? null;
  } catch (error) {
    raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, error instanceof Error ? error.message : '');
    return null;
  }
}
