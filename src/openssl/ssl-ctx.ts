/**
 * SSL_CTX_new(3) and what connections take from a context: certificates, versions, verification, options.
 * What concerns sessions is in ssl-ctx-sessions.ts and ssl-tickets.ts.
 */
import { CacheMode } from '../cache/modes.ts';
import { SessionContext } from '../cache/session-context.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Credential } from '../handshake/config.ts';
import { nodeDiagnostics } from '../net/diagnostics.ts';
import { certificateBytes, TrustAnchors } from '../pki/anchors.ts';
import { PathCache } from '../pki/path-cache.ts';
import { copyBytes } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';
import { cipherSuites, ProtocolVersion } from '../util/registries.ts';
import { ERR_LIB_SSL, ERR_R_PASSED_INVALID_ARGUMENT, raise } from './err.ts';
import { ExDataClass, type ExValues } from './ex-data-class.ts';
import type { SSL } from './ssl.ts';
import type { SSL_client_hello_cb } from './ssl-client-hello.ts';
import { SSL_R_CALLBACK_FAILED, SSL_R_NO_CIPHER_MATCH } from './ssl-reason-codes.ts';
import type { SSL_stateless_cookie_generate_cb, SSL_stateless_cookie_verify_cb } from './ssl-stateless.ts';
import type { TicketCallbacks } from './ssl-tickets.ts';
import type { SSL_SESSION, X509 } from './types.ts';

/** TLS_method(3): which roles the connections of a context may have. */
export interface SSL_METHOD {
  readonly name: string;
  readonly client: boolean;
  readonly server: boolean;
}

const BOTH: SSL_METHOD = Object.freeze({ name: 'TLS_method', client: true, server: true });
const CLIENT: SSL_METHOD = Object.freeze({ name: 'TLS_client_method', client: true, server: false });
const SERVER: SSL_METHOD = Object.freeze({ name: 'TLS_server_method', client: false, server: true });

export function TLS_method(): SSL_METHOD {
  return BOTH;
}
export function TLS_client_method(): SSL_METHOD {
  return CLIENT;
}
export function TLS_server_method(): SSL_METHOD {
  return SERVER;
}

// SSL_CTX_set_options(3): those that mean something here.
export const SSL_OP_NO_EXTENDED_MASTER_SECRET = 0x1;
export const SSL_OP_ALLOW_NO_DHE_KEX = 0x400;
export const SSL_OP_NO_TICKET = 0x4000;
export const SSL_OP_NO_COMPRESSION = 0x20000;
export const SSL_OP_ENABLE_MIDDLEBOX_COMPAT = 0x100000;
export const SSL_OP_CIPHER_SERVER_PREFERENCE = 0x400000;
export const SSL_OP_NO_ANTI_REPLAY = 0x1000000;
export const SSL_OP_PREFER_NO_DHE_KEX: number = 2 ** 35;

/** Options are 64 bits in C, more than JavaScript's bit operators take. */
export function hasOption(options: number, option: number): boolean {
  return (BigInt(options) & BigInt(option)) !== 0n;
}

/** @internal */
export function addOptions(settings: Settings, options: number): number {
  settings.options = Number(BigInt(settings.options) | BigInt(options));
  return settings.options;
}

/** @internal */
export function removeOptions(settings: Settings, options: number): number {
  const both = BigInt(settings.options) & BigInt(options);
  settings.options = Number(BigInt(settings.options) - both);
  return settings.options;
}

// What a servername callback returns.
export const SSL_TLSEXT_ERR_OK = 0;
export const SSL_TLSEXT_ERR_ALERT_WARNING = 1;
export const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
export const SSL_TLSEXT_ERR_NOACK = 3;

// SSL_CTX_set_verify(3).
export const SSL_VERIFY_NONE = 0;
export const SSL_VERIFY_PEER = 1;
export const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;

/** Called with whether the built-in check passed, its X509_V_* code and the chain; 1 lets the handshake go on. */
export type SSL_verify_cb = (preverifyOk: number, verifyResult: number, chain: readonly X509[]) => number;
/** Gives the protocol to answer with, one of `offered`; null for SSL_TLSEXT_ERR_NOACK, 'fatal' for an alert. */
export type SSL_alpn_select_cb = (
  ssl: SSL,
  offered: readonly Uint8Array[],
  arg: unknown,
) => Uint8Array | null | 'fatal';
/** May change the SSL's context (SSL_set_SSL_CTX); gives one of SSL_TLSEXT_ERR_*. */
export type SSL_servername_cb = (ssl: SSL, arg: unknown) => number;
/** DER OCSPResponse to staple, or null for none. In C: SSL_set_tlsext_status_ocsp_resp from the callback. */
export type SSL_status_cb = (ssl: SSL, arg: unknown) => Uint8Array | null;
/** A line of the NSS key log, without its end. */
export type SSL_CTX_keylog_cb_func = (ssl: SSL, line: string) => void;
/** Fills in an id: the bytes, at most `length` of them, or null for 0, which ends the handshake. */
export type GEN_SESSION_CB = (ssl: SSL, length: number) => Uint8Array | null;
/** Non-zero: the session of this handshake may not be resumed. */
export type SSL_not_resumable_cb = (ssl: SSL, isForwardSecure: number) => number;
/** 1 allows early data that everything else allows. */
export type SSL_allow_early_data_cb = (ssl: SSL, arg: unknown) => number;
/** 1, with the identity and the session whose reference passes to the library; null session: no PSK; 0 aborts. */
export type SSL_psk_use_session_cb = (
  ssl: SSL,
  hash: 'sha256' | 'sha384' | null,
) => { readonly ret: number; readonly identity?: Uint8Array; readonly session: SSL_SESSION | null };
/** 1, with the session whose reference passes to the library, or null to fall through to the ticket; 0 aborts. */
export type SSL_psk_find_session_cb = (
  ssl: SSL,
  identity: Uint8Array,
) => { readonly ret: number; readonly session: SSL_SESSION | null };
/** The older forms: the key's bytes; empty or null for none. */
export type SSL_psk_client_cb = (
  ssl: SSL,
  hint: Uint8Array | null,
) => { readonly identity: Uint8Array; readonly psk: Uint8Array } | null;
export type SSL_psk_server_cb = (ssl: SSL, identity: Uint8Array) => Uint8Array | null;

/** What an SSL begins with and may change for itself. */
export interface Settings {
  credentials: readonly Credential[];
  minVersion: number;
  maxVersion: number;
  cipherSuites: readonly number[] | null;
  groups: readonly number[] | null;
  alpn: readonly Uint8Array[];
  options: number;
  verifyMode: number;
  verifyCallback: SSL_verify_cb | null;
  sidCtx: Uint8Array;
  numTickets: number;
  maxEarlyData: number;
  recvMaxEarlyData: number;
  allowEarlyData: { readonly cb: SSL_allow_early_data_cb; readonly arg: unknown } | null;
  generateId: GEN_SESSION_CB | null;
  notResumable: SSL_not_resumable_cb | null;
  pskUse: SSL_psk_use_session_cb | null;
  pskFind: SSL_psk_find_session_cb | null;
  pskClient: SSL_psk_client_cb | null;
  pskServer: SSL_psk_server_cb | null;
  postHandshakeAuth: boolean;
  quietShutdown: boolean;
  /** Client: ask for a stapled OCSP response. */
  statusType: boolean;
}

/** A context. Programs hold it by the functions below. */
export class SSL_CTX {
  readonly method: SSL_METHOD;
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly sessions: SessionContext;
  readonly settings: Settings;
  readonly paths: PathCache = new PathCache();
  readonly exData: ExValues;
  anchors: TrustAnchors = TrustAnchors.from([]);
  alpnSelect: { readonly cb: SSL_alpn_select_cb; readonly arg: unknown } | null = null;
  servername: { readonly cb: SSL_servername_cb; readonly arg: unknown } | null = null;
  status: { readonly cb: SSL_status_cb; readonly arg: unknown } | null = null;
  clientHello: { readonly cb: SSL_client_hello_cb; readonly arg: unknown } | null = null;
  keyLog: SSL_CTX_keylog_cb_func | null = null;
  cookieGenerate: SSL_stateless_cookie_generate_cb | null = null;
  cookieVerify: SSL_stateless_cookie_verify_cb | null = null;
  /** For the MAC of cookies. */
  readonly cookieKey: Uint8Array;
  readonly tickets: TicketCallbacks;
  /** References of the application, and those of its SSLs. */
  #application = 1;
  #library = 0;

  /** Use SSL_CTX_new. */
  constructor(method: SSL_METHOD, provider: CryptoProvider, clock: Clock, tickets: TicketCallbacks) {
    this.method = method;
    this.provider = provider;
    this.clock = clock;
    this.tickets = tickets;
    this.sessions = new SessionContext({
      seed: provider.random(16),
      clock,
      mode: CacheMode.SERVER,
      channel: nodeDiagnostics.cache,
      // A callback that throws has nobody to catch it: the queue tells.
      reportError: (error) =>
        raise(ERR_LIB_SSL, SSL_R_CALLBACK_FAILED, error instanceof Error ? error.message : ''),
    });
    this.settings = {
      credentials: [],
      minVersion: ProtocolVersion.TLS1_2,
      maxVersion: ProtocolVersion.TLS1_3,
      cipherSuites: null,
      groups: null,
      alpn: [],
      options: SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT,
      verifyMode: SSL_VERIFY_NONE,
      verifyCallback: null,
      sidCtx: new Uint8Array(0),
      numTickets: 2,
      maxEarlyData: 0,
      recvMaxEarlyData: 16_384,
      allowEarlyData: null,
      generateId: null,
      notResumable: null,
      pskUse: null,
      pskFind: null,
      pskClient: null,
      pskServer: null,
      postHandshakeAuth: false,
      quietShutdown: false,
      statusType: false,
    };
    this.cookieKey = provider.random(32);
    this.exData = contextExData.create(this);
  }

  upRef(): void {
    this.check('SSL_CTX_up_ref');
    this.#application++;
  }

  /** An SSL takes a reference. */
  hold(): void {
    this.check('SSL_new');
    this.#library++;
  }

  /** An SSL gives its reference back. */
  release(): void {
    this.#library--;
    this.#endIfUnused();
  }

  /** @throws {UsageError} when the application has no reference to give back, though SSLs hold some. */
  free(): void {
    this.check('SSL_CTX_free');
    if (this.#application === 0) {
      throw new UsageError(
        'ERR_OPENSSL_CTX_OVERFREED',
        'SSL_CTX_free: the references that are left are those of SSLs',
      );
    }
    this.#application--;
    this.#endIfUnused();
  }

  /** With the last reference everything in the cache is flushed, before the context's ex_data goes. */
  #endIfUnused(): void {
    if (this.#application + this.#library > 0) return;
    const errors: unknown[] = [];
    // The remove callback may still ask the context for its ex_data, but for no reference.
    this.#library = 1;
    for (const step of [
      () => this.sessions.clear(),
      () => contextExData.release(this, this.exData),
      () => this.tickets.destroy(),
      () => this.cookieKey.fill(0),
    ]) {
      try {
        step();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#library = 0;
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'several callbacks threw in SSL_CTX_free');
  }

  check(call: string): void {
    if (this.#application + this.#library === 0) {
      throw new UsageError(
        'ERR_OPENSSL_CTX_ENDED',
        `${call}: the SSL_CTX has ended: its last reference was freed`,
      );
    }
  }
}

export const contextExData: ExDataClass<SSL_CTX> = new ExDataClass<SSL_CTX>();

let makeTickets: ((provider: CryptoProvider, clock: Clock) => TicketCallbacks) | null = null;
/** @internal ssl-tickets.ts says how a context's tickets are made. */
export function setTicketMaker(make: (provider: CryptoProvider, clock: Clock) => TicketCallbacks): void {
  makeTickets = make;
}

/** A context with one reference. The clock is for tests; C takes the machine's. */
export function SSL_CTX_new(method: SSL_METHOD, clock: Clock = systemClock): SSL_CTX {
  return SSL_CTX_new_ex(null, null, method, clock);
}

/**
 * The same with a library context: here, the cryptography provider; null for node:crypto. There are no
 * property queries, and `propq` is not looked at.
 */
export function SSL_CTX_new_ex(
  libctx: CryptoProvider | null,
  _propq: string | null,
  method: SSL_METHOD,
  clock: Clock = systemClock,
): SSL_CTX {
  if (makeTickets === null) throw new UsageError('ERR_OPENSSL_NOT_LOADED', 'tickets are not loaded');
  const provider = libctx ?? nodeProvider;
  return new SSL_CTX(method, provider, clock, makeTickets(provider, clock));
}

export function SSL_CTX_up_ref(ctx: SSL_CTX): number {
  ctx.upRef();
  return 1;
}

/** Null does nothing. @throws {UsageError} when no reference is left. */
export function SSL_CTX_free(ctx: SSL_CTX | null): void {
  ctx?.free();
}

export function SSL_CTX_get_ex_new_index(
  argl: number,
  argp: unknown,
  onNew: Parameters<ExDataClass<SSL_CTX>['newIndex']>[2],
  onFree: Parameters<ExDataClass<SSL_CTX>['newIndex']>[3],
): number {
  return contextExData.newIndex(argl, argp, onNew, onFree);
}

export function SSL_CTX_set_ex_data(ctx: SSL_CTX, index: number, value: unknown): number {
  return contextExData.set(ctx.exData, index, value) ? 1 : 0;
}

export function SSL_CTX_get_ex_data(ctx: SSL_CTX, index: number): unknown {
  return contextExData.get(ctx.exData, index);
}

/**
 * SSL_CTX_use_cert_and_key(3): a chain (PEM or DER, leaf first) with its private key (PEM or DER). One more
 * call with a key of another type adds; with the same type it replaces.
 */
export function SSL_CTX_use_cert_and_key(
  ctx: SSL_CTX,
  chain: string | Uint8Array,
  key: string | Uint8Array,
): number {
  return useCredential(ctx.provider, ctx.settings, chain, key);
}

/** @internal */
export function useCredential(
  provider: CryptoProvider,
  settings: Settings,
  chain: string | Uint8Array,
  key: string | Uint8Array,
): number {
  try {
    const privateKey = provider.importPrivateKey(key);
    const credential: Credential = {
      chain: certificateBytes(chain),
      keyType: privateKey.type,
      keyBits: privateKey.bits,
      key: privateKey,
    };
    const others = settings.credentials.filter(({ keyType }) => keyType !== credential.keyType);
    settings.credentials = [...others, credential];
    return 1;
  } catch (error) {
    raise(ERR_LIB_SSL, ERR_R_PASSED_INVALID_ARGUMENT, error instanceof Error ? error.message : '');
    return 0;
  }
}

/** Certificates to trust, as SSL_CTX_load_verify_file(3) reads them from a file: PEM or DER. */
export function SSL_CTX_load_verify_certs(ctx: SSL_CTX, certificates: string | Uint8Array): number {
  try {
    ctx.anchors = TrustAnchors.from([certificates]);
    return 1;
  } catch (error) {
    raise(ERR_LIB_SSL, ERR_R_PASSED_INVALID_ARGUMENT, error instanceof Error ? error.message : '');
    return 0;
  }
}

export function SSL_CTX_set_verify(ctx: SSL_CTX, mode: number, callback: SSL_verify_cb | null): void {
  ctx.settings.verifyMode = mode;
  ctx.settings.verifyCallback = callback;
}

/** The options as they are then. */
export function SSL_CTX_set_options(ctx: SSL_CTX, options: number): number {
  return addOptions(ctx.settings, options);
}

export function SSL_CTX_clear_options(ctx: SSL_CTX, options: number): number {
  return removeOptions(ctx.settings, options);
}

export function SSL_CTX_get_options(ctx: SSL_CTX): number {
  return ctx.settings.options;
}

/** 1; 0 for a version that is not spoken here. 0 means the lowest there is. */
export function SSL_CTX_set_min_proto_version(ctx: SSL_CTX, version: number): number {
  return setVersion(ctx.settings, 'minVersion', version === 0 ? ProtocolVersion.TLS1_2 : version);
}

export function SSL_CTX_set_max_proto_version(ctx: SSL_CTX, version: number): number {
  return setVersion(ctx.settings, 'maxVersion', version === 0 ? ProtocolVersion.TLS1_3 : version);
}

/** @internal */
export function setVersion(settings: Settings, field: 'minVersion' | 'maxVersion', version: number): number {
  if (version !== ProtocolVersion.TLS1_2 && version !== ProtocolVersion.TLS1_3) return 0;
  settings[field] = version;
  return 1;
}

/** Suites by OpenSSL's or IANA's names with colons between, of both versions. 0 when none is known. */
export function SSL_CTX_set_ciphersuites(ctx: SSL_CTX, list: string): number {
  return setSuites(ctx.provider, ctx.settings, list);
}

/** @internal */
export function setSuites(provider: CryptoProvider, settings: Settings, list: string): number {
  const ids = suitesByName(provider, list);
  if (ids === null) {
    raise(ERR_LIB_SSL, SSL_R_NO_CIPHER_MATCH);
    return 0;
  }
  settings.cipherSuites = ids;
  return 1;
}

function suitesByName(provider: CryptoProvider, list: string): readonly number[] | null {
  const ids = new Set<number>();
  for (const name of list.split(':')) {
    for (const suite of cipherSuites.values()) {
      const isNamed = suite.name === name || suite.opensslName === name;
      if (isNamed && provider.supportsAead(suite.aead)) ids.add(suite.id);
    }
  }
  return ids.size === 0 ? null : [...ids];
}

/** NamedGroup numbers, in order of preference. */
export function SSL_CTX_set1_groups(ctx: SSL_CTX, groups: readonly number[]): number {
  return setGroups(ctx.provider, ctx.settings, groups);
}

/** @internal */
export function setGroups(provider: CryptoProvider, settings: Settings, groups: readonly number[]): number {
  if (groups.length === 0 || groups.some((group) => !provider.groups.includes(group))) return 0;
  settings.groups = [...groups];
  return 1;
}

/** Protocol names as they go on the wire, each behind its length. As in C, **0 is success**. */
export function SSL_CTX_set_alpn_protos(ctx: SSL_CTX, protos: Uint8Array): number {
  const list = alpnList(protos);
  if (list === null) return 1;
  ctx.settings.alpn = list;
  return 0;
}

/** @internal Null for a list that is malformed. */
export function alpnList(protos: Uint8Array): Uint8Array[] | null {
  const list: Uint8Array[] = [];
  for (let at = 0; at < protos.length; ) {
    const length = protos[at] as number;
    if (length === 0 || at + 1 + length > protos.length) return null;
    list.push(copyBytes(protos.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return list;
}

export function SSL_CTX_set_alpn_select_cb(
  ctx: SSL_CTX,
  callback: SSL_alpn_select_cb | null,
  arg: unknown = null,
): void {
  ctx.alpnSelect = callback === null ? null : { cb: callback, arg };
}

export function SSL_CTX_set_tlsext_servername_callback(
  ctx: SSL_CTX,
  callback: SSL_servername_cb | null,
  arg: unknown = null,
): void {
  ctx.servername = callback === null ? null : { cb: callback, arg };
}

/** Servers of this context staple what the callback returns; in C it sets the response and returns a code. */
export function SSL_CTX_set_tlsext_status_cb(
  ctx: SSL_CTX,
  callback: SSL_status_cb | null,
  arg: unknown = null,
): number {
  ctx.status = callback === null ? null : { cb: callback, arg };
  return 1;
}

export function SSL_CTX_set_keylog_callback(ctx: SSL_CTX, callback: SSL_CTX_keylog_cb_func | null): void {
  ctx.keyLog = callback;
}

export function SSL_CTX_get_keylog_callback(ctx: SSL_CTX): SSL_CTX_keylog_cb_func | null {
  return ctx.keyLog;
}

/** Whether clients say that they answer requests for a certificate after the handshake. Default: no. */
export function SSL_CTX_set_post_handshake_auth(ctx: SSL_CTX, value: number): void {
  ctx.settings.postHandshakeAuth = value !== 0;
}

export function SSL_CTX_set_quiet_shutdown(ctx: SSL_CTX, mode: number): void {
  ctx.settings.quietShutdown = mode !== 0;
}
