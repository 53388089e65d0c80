/**
 * Connections under OpenSSL's names: SSL_new(3), SSL_connect(3), SSL_read(3), SSL_shutdown(3) and what a
 * program asks of a connection.
 */
import { utf8 } from '../util/bytes.ts';
import { ProtocolVersion, versionName } from '../util/registries.ts';
import type { BIO } from './bio.ts';
import { ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, raise } from './err.ts';
import type { ExDataClass } from './ex-data-class.ts';
import { type SSL, Ssl } from './ssl.ts';
import { SSL_ERROR_NONE } from './ssl-codes.ts';
import { connectionExData } from './ssl-core.ts';
import {
  addOptions,
  alpnList,
  removeOptions,
  type SSL_CTX,
  type SSL_verify_cb,
  setGroups,
  setSuites,
  setVersion,
  useCredential,
} from './ssl-ctx.ts';
import { SSL_R_SSL3_EXT_INVALID_SERVERNAME } from './ssl-reason-codes.ts';
import { SSL_SESSION_get_protocol_version, SSL_SESSION_get0_hostname } from './ssl-session.ts';
import { cipherOf, type SSL_CIPHER, type X509 } from './types.ts';

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

/**
 * Another SSL with the same settings, session and ex_data; no BIO is shared. Of one that has begun its
 * handshake, as in C, no other can be made: it is the same again, with one more reference.
 */
export function SSL_dup(ssl: SSL): SSL {
  ssl.check('SSL_dup');
  if (!ssl.isBefore) {
    ssl.upRef();
    return ssl;
  }
  const copy = new Ssl(ssl.ctx, ssl.settings);
  copy.hostname = ssl.hostname;
  copy.role = ssl.role;
  copy.setSession(ssl.session);
  copy.verifyResult = ssl.verifyResult;
  connectionExData.copy(copy.exData, ssl.exData);
  return copy;
}

/** 1. */
export function SSL_up_ref(ssl: SSL): number {
  ssl.upRef();
  return 1;
}

/**
 * Takes over one reference of each BIO that is new to the SSL; the same one for both is one reference. The
 * cases are SSL_set_bio(3)'s: what stays where it was takes nothing, but where rbio alone changes and both
 * were one BIO, wbio is taken over again.
 */
export function SSL_set_bio(ssl: SSL, rbio: BIO | null, wbio: BIO | null): void {
  ssl.check('SSL_set_bio');
  if (rbio === ssl.rbio && wbio === ssl.wbio) return;
  if (rbio !== null && rbio === wbio) rbio.upRef();
  if (rbio === ssl.rbio) ssl.transport.wbio = wbio;
  else if (wbio === ssl.wbio && ssl.rbio !== ssl.wbio) ssl.transport.rbio = rbio;
  else {
    ssl.transport.rbio = rbio;
    ssl.transport.wbio = wbio;
  }
}

/** Takes over one reference. */
export function SSL_set0_rbio(ssl: SSL, bio: BIO | null): void {
  ssl.check('SSL_set0_rbio');
  ssl.transport.rbio = bio;
}

/** Takes over one reference. Output that the BIO before had no room for goes to this one. */
export function SSL_set0_wbio(ssl: SSL, bio: BIO | null): void {
  ssl.check('SSL_set0_wbio');
  ssl.transport.wbio = bio;
}

/** Borrowed. */
export function SSL_get_rbio(ssl: SSL): BIO | null {
  return ssl.rbio;
}

/** Borrowed. */
export function SSL_get_wbio(ssl: SSL): BIO | null {
  return ssl.wbio;
}

export function SSL_get_SSL_CTX(ssl: SSL): SSL_CTX {
  return ssl.ctx;
}

/** Null: the context that it was made of. */
export function SSL_set_SSL_CTX(ssl: SSL, ctx: SSL_CTX | null): SSL_CTX {
  ssl.check('SSL_set_SSL_CTX');
  ssl.changeContext(ctx ?? ssl.sessionCtx);
  return ssl.ctx;
}

export function SSL_set_connect_state(ssl: SSL): void {
  ssl.becomes('client');
}

export function SSL_set_accept_state(ssl: SSL): void {
  ssl.becomes('server');
}

/** 1 when complete; −1 otherwise, and SSL_get_error says why. */
export function SSL_do_handshake(ssl: SSL): number {
  ssl.check('SSL_do_handshake');
  return ssl.handshake();
}

export function SSL_connect(ssl: SSL): number {
  ssl.check('SSL_connect');
  ssl.role ??= 'client';
  return SSL_do_handshake(ssl);
}

export function SSL_accept(ssl: SSL): number {
  ssl.check('SSL_accept');
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

/** As SSL_read: `ret` 1 with at least a byte, otherwise 0. */
export function SSL_read_ex(ssl: SSL, buffer: Uint8Array): { ret: number; readbytes: number } {
  const count = ssl.read(buffer, false);
  return count > 0 ? { ret: 1, readbytes: count } : { ret: 0, readbytes: 0 };
}

/** As SSL_read_ex, and the bytes stay. */
export function SSL_peek_ex(ssl: SSL, buffer: Uint8Array): { ret: number; readbytes: number } {
  const count = ssl.read(buffer, true);
  return count > 0 ? { ret: 1, readbytes: count } : { ret: 0, readbytes: 0 };
}

/** As SSL_write; writing nothing is a success. */
export function SSL_write_ex(ssl: SSL, data: Uint8Array): { ret: number; written: number } {
  const count = ssl.write(data);
  return count < 0 || (count === 0 && data.length > 0) ? { ret: 0, written: 0 } : { ret: 1, written: count };
}

/** SSL_SENT_SHUTDOWN and SSL_RECEIVED_SHUTDOWN. */
export function SSL_get_shutdown(ssl: SSL): number {
  ssl.check('SSL_get_shutdown');
  return ssl.shutdownState;
}

/** Says that close_notify was sent, or received, though it was not: the session stays good. */
export function SSL_set_shutdown(ssl: SSL, mode: number): void {
  ssl.check('SSL_set_shutdown');
  ssl.shutdownState = mode;
}

/** With 1 SSL_shutdown sends nothing and waits for nothing, and the session stays good. */
export function SSL_set_quiet_shutdown(ssl: SSL, mode: number): void {
  ssl.settings.quietShutdown = mode !== 0;
}

/** Why the last call returned what it did: one of SSL_ERROR_*. */
export function SSL_get_error(ssl: SSL, ret: number): number {
  ssl.check('SSL_get_error');
  return ret > 0 ? SSL_ERROR_NONE : ssl.errorCode;
}

/** 1 when the handshake is complete. */
export function SSL_is_init_finished(ssl: SSL): number {
  return ssl.isFinished ? 1 : 0;
}

/** 1 before and during the handshake. */
export function SSL_in_init(ssl: SSL): number {
  return ssl.isFinished ? 0 : 1;
}

/** 1 for a server. */
export function SSL_is_server(ssl: SSL): number {
  ssl.check('SSL_is_server');
  return ssl.role === 'server' ? 1 : 0;
}

/** The suite agreed on, or null. */
export function SSL_get_current_cipher(ssl: SSL): SSL_CIPHER | null {
  const id = ssl.connection?.info.cipherSuite ?? 0;
  return id === 0 ? null : cipherOf(id);
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
  return addOptions(ssl.settings, options);
}

export function SSL_clear_options(ssl: SSL, options: number): number {
  return removeOptions(ssl.settings, options);
}

export function SSL_get_options(ssl: SSL): number {
  return ssl.settings.options;
}

/** As SSL_CTX_set_verify, for one connection. A server asks by it at its next handshake, or after one. */
export function SSL_set_verify(ssl: SSL, mode: number, callback: SSL_verify_cb | null): void {
  ssl.settings.verifyMode = mode;
  if (callback !== null) ssl.settings.verifyCallback = callback;
}

/** As SSL_CTX_use_cert_and_key, for one connection. */
export function SSL_use_cert_and_key(ssl: SSL, chain: string | Uint8Array, key: string | Uint8Array): number {
  return useCredential(ssl.ctx.provider, ssl.settings, chain, key);
}

/** As SSL_CTX_set_ciphersuites, for one connection. */
export function SSL_set_ciphersuites(ssl: SSL, list: string): number {
  return setSuites(ssl.ctx.provider, ssl.settings, list);
}

/** As SSL_CTX_set1_groups, for one connection. */
export function SSL_set1_groups(ssl: SSL, groups: readonly number[]): number {
  return setGroups(ssl.ctx.provider, ssl.settings, groups);
}

/** Client: TLSEXT_STATUSTYPE_ocsp asks for a stapled response. 1; 0 for another type. */
export function SSL_set_tlsext_status_type(ssl: SSL, type: number): number {
  ssl.check('SSL_set_tlsext_status_type');
  if (type !== TLSEXT_STATUSTYPE_ocsp) return 0;
  ssl.settings.statusType = true;
  return 1;
}
export const TLSEXT_STATUSTYPE_ocsp = 1;

/** The response that the server stapled, a copy; null for none. */
export function SSL_get_tlsext_status_ocsp_resp(ssl: SSL): Uint8Array | null {
  return ssl.connection?.info.ocspResponse?.slice() ?? null;
}

/** Client: whether it says that it answers requests for a certificate after the handshake. */
export function SSL_set_post_handshake_auth(ssl: SSL, value: number): void {
  ssl.settings.postHandshakeAuth = value !== 0;
}

/**
 * 1 when the client will be asked for a certificate, with the next SSL_do_handshake, SSL_read or SSL_write.
 * 0 and an error unless a TLS 1.3 server is done that verifies, whose client said that it would answer.
 */
export function SSL_verify_client_post_handshake(ssl: SSL): number {
  return ssl.requestCertificate();
}

/** TLSEXT_MAXLEN_host_name, in bytes. */
const MAX_HOST_NAME = 255;

/** The name to ask for; null for none. 1; 0 and an error for a name that is empty, or longer than 255 bytes. */
export function SSL_set_tlsext_host_name(ssl: SSL, name: string | null): number {
  ssl.check('SSL_set_tlsext_host_name');
  ssl.hostname = null;
  if (name === null) return 1;
  const length = utf8(name).length;
  if (length === 0 || length > MAX_HOST_NAME || name.includes('\0')) {
    raise(ERR_LIB_SSL, SSL_R_SSL3_EXT_INVALID_SERVERNAME);
    return 0;
  }
  ssl.hostname = name;
  return 1;
}

/**
 * Client: the name that is asked for; before the handshake, without one, that of a TLS 1.2 session that is
 * set. Server: the name that the client asked for, or null.
 */
export function SSL_get_servername(ssl: SSL): string | null {
  ssl.check('SSL_get_servername');
  if (ssl.role === 'server') return ssl.connection?.info.serverName ?? null;
  const { session, hostname } = ssl;
  if (hostname !== null || !ssl.isBefore || session === null) return hostname;
  const isOld = SSL_SESSION_get_protocol_version(session) !== ProtocolVersion.TLS1_3;
  return isOld ? SSL_SESSION_get0_hostname(session) : null;
}

/** As in C, **0 is success**. */
export function SSL_set_alpn_protos(ssl: SSL, protos: Uint8Array): number {
  ssl.check('SSL_set_alpn_protos');
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
  ssl.check('SSL_get_verify_result');
  return ssl.verifyResult;
}

/** The peer's certificate, borrowed; null when it sent none. */
export function SSL_get0_peer_certificate(ssl: SSL): X509 | null {
  ssl.check('SSL_get0_peer_certificate');
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
  ssl.check('SSL_export_keying_material');
  try {
    return ssl.connection?.exportKeyingMaterial(label, context, length) ?? null;
  } catch (error) {
    raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR, error instanceof Error ? error.message : '');
    return null;
  }
}
