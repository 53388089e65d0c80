/** What a secure connection says of itself, by the names of tls.TLSSocket and net.Socket. */

import { X509Certificate } from 'node:crypto';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type {
  CipherNameAndProtocol,
  DetailedPeerCertificate,
  EphemeralKeyInfo,
  PeerCertificate,
} from 'node:tls';
import type { ChannelBindingType } from '../connection/channel-binding.ts';
import type { Connection } from '../connection/connection.ts';
import type { Credential } from '../handshake/config.ts';
import type { ConnectionInfo } from '../handshake/info.ts';
import { chooseScheme } from '../handshake/shared/signatures.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import type { EarlyDataReason, ResumptionReason } from '../session/resumption-reason.ts';
import { type Session, sessionHandle } from '../session/session.ts';
import { UsageError } from '../util/errors.ts';
import { cipherSuites, groupName, NamedGroup, signatureSchemeName, versionName } from '../util/registries.ts';
import { fingerprintView, legacyCertificate, peerCertificate } from './certificate-view.ts';
import { SocketBase } from './events.ts';
import {
  invalidArgType,
  outOfRange,
  requireBytes,
  requireFunction,
  requireInteger,
  requireObject,
  requireString,
} from './node-errors.ts';
import type { SecureContext } from './secure-context.ts';
import type { SocketSetup } from './setup.ts';

function isIdle(socket: SecureStream): void {
  socket.emit('timeout');
}
function destroyNow(socket: SecureStream): void {
  socket.destroy();
}

const ADDRESSES = [
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'localAddress',
  'localPort',
  'localFamily',
] as const;

/**
 * `instanceof net.Socket` holds, as for node:tls: programs ask for it. The constructor is Duplex's alone, so
 * there is no handle, and none of net.Socket's own state: what its prototype reads of it is overridden here.
 */
export abstract class SecureStream extends SocketBase {
  static {
    Object.setPrototypeOf(SecureStream.prototype, Socket.prototype);
    for (const name of ADDRESSES) {
      Object.defineProperty(SecureStream.prototype, name, {
        configurable: true,
        get(this: SecureStream): string | number | undefined {
          return this.#socket?.[name];
        },
      });
    }
    Object.defineProperty(SecureStream.prototype, 'timeout', {
      configurable: true,
      get(this: SecureStream): number | undefined {
        return this.#idleMs;
      },
    });
  }

  // Of the net.Socket beneath, if there is one. Accessors, which as such could not be optional, as these are.
  declare readonly remoteAddress: string | undefined;
  declare readonly remotePort: number | undefined;
  declare readonly remoteFamily: string | undefined;
  declare readonly localAddress?: string;
  declare readonly localPort?: number;
  declare readonly localFamily?: string;
  /** Of setTimeout(), in milliseconds; 0 for never again, undefined for never asked. */
  declare readonly timeout?: number;

  #idleTimer: ReturnType<typeof setTimeout> | null = null;
  #idleMs: number | undefined;

  /** @internal The engine beneath, for the C names and for tests. */
  abstract get engine(): Connection;
  /** What this connection runs over. */
  abstract get transport(): Duplex;
  /** @internal */
  abstract get setup(): SocketSetup;
  /** @internal By setKeyCert(). */
  abstract ownContext: SecureContext | null;
  /** @internal By SNICallback. */
  abstract chosenContext: SecureContext | null;
  /** @internal */
  abstract get isServer(): boolean;
  /** @internal Whether the handshake was completed. */
  abstract get isSecure(): boolean;
  abstract get bytesWritten(): number;

  // Sessions -------------------------------------------------------------------------------------------

  /** @internal What SSL_get_session borrows. */
  get borrowedSession(): SessionCore | null {
    return this.engine.session;
  }

  /**
   * The latest session as bytes for `session` of a later connect(): an envelope, which keeps what the
   * session is bound to. In TLS 1.3 it comes after the handshake: wait for `session`.
   */
  getSession(): Buffer<ArrayBuffer> | undefined {
    const session = this.engine.session;
    if (session === null || !session.isResumable('getSession')) return undefined;
    return asBuffer(encodeEnvelope(session, 'getSession'));
  }

  /**
   * A handle of the caller's own on the latest session, to free one day (SSL_get1_session(3)); null before
   * the handshake is complete and after the connection is gone.
   */
  takeSession(): Session | null {
    const session = this.engine.session;
    if (session === null || !session.upRef('takeSession')) return null;
    return sessionHandle(session, 'takeSession');
  }

  isSessionReused(): boolean {
    return this.isSecure && this.engine.info.resumed;
  }

  /** Why no session was resumed; null when one was, or before that is known. */
  get resumptionReason(): ResumptionReason | null {
    return this.engine.info.resumptionReason;
  }

  /** Why early data was not taken; null when it was, or before that is known. */
  get earlyDataReason(): EarlyDataReason | null {
    return this.engine.info.earlyDataReason;
  }

  /** The ticket of the latest session; undefined when it has none. */
  getTLSTicket(): Buffer<ArrayBuffer> | undefined {
    const ticket = this.engine.session?.field(Field.ticket, 'getTLSTicket');
    return ticket === undefined || ticket.length === 0 ? undefined : asBuffer(ticket);
  }

  // What was agreed ------------------------------------------------------------------------------------

  /** Everything that is known of the connection. */
  get info(): ConnectionInfo {
    return this.engine.info;
  }

  /** `TLSv1.3`; null before the version is negotiated. */
  getProtocol(): string | null {
    const { version } = this.engine.info;
    return version === 0 ? null : versionName(version);
  }

  /** Undefined before a suite is agreed on, though the type, which is node:tls's, does not say so. */
  getCipher(): CipherNameAndProtocol {
    const suite = cipherSuites.get(this.engine.info.cipherSuite);
    if (suite === undefined) return undefined as unknown as CipherNameAndProtocol;
    return { name: suite.opensslName, standardName: suite.name, version: versionName(suite.version) };
  }

  /** At a client, the key exchange; null at a server, as in node:tls. */
  getEphemeralKeyInfo(): EphemeralKeyInfo | object | null {
    if (this.isServer) return null;
    const { group } = this.engine.info;
    return (
      GROUPS.get(group) ?? (group === 0 ? {} : { type: 'TLSGroup', name: groupName(group), size: undefined })
    );
  }

  getPeerCertificate(detailed: true): DetailedPeerCertificate;
  getPeerCertificate(detailed?: false): PeerCertificate;
  getPeerCertificate(detailed?: boolean): PeerCertificate | DetailedPeerCertificate;
  getPeerCertificate(detailed = false): PeerCertificate {
    const { peerFingerprint } = this.engine.info;
    if (peerFingerprint !== null) return fingerprintView(peerFingerprint);
    return legacyCertificate(this.engine.info.peerChain, detailed ? this.#context.anchors : null);
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    return peerCertificate(this.engine.info.peerChain);
  }

  get #context(): SecureContext {
    return this.chosenContext ?? this.setup.context;
  }

  /** The certificate that this end showed, or would show. */
  get #shown(): Credential | undefined {
    const { credentials } = this.ownContext ?? this.#context;
    const { signatureScheme, version } = this.engine.info;
    return (
      credentials.find((each) => chooseScheme(each, [signatureScheme], version) !== null) ?? credentials[0]
    );
  }

  getX509Certificate(): X509Certificate | undefined {
    const leaf = this.#shown?.chain[0];
    return leaf === undefined ? undefined : new X509Certificate(leaf);
  }

  getCertificate(): PeerCertificate | object | null {
    return legacyCertificate(this.#shown?.chain ?? [], null);
  }

  getFinished(): Buffer<ArrayBuffer> | undefined {
    const { finished } = this.engine.info;
    return finished === null ? undefined : Buffer.from(finished);
  }

  getPeerFinished(): Buffer<ArrayBuffer> | undefined {
    const { peerFinished } = this.engine.info;
    return peerFinished === null ? undefined : Buffer.from(peerFinished);
  }

  /** RFC 5705; RFC 8446, 7.5. `length` in bytes. @throws {UsageError} before the handshake is complete. */
  exportKeyingMaterial(length: number, label: string, context?: Uint8Array): Buffer<ArrayBuffer> {
    requireInteger(length, 'length', 1, 0xffff_ffff);
    requireString(label, 'label');
    if (context !== undefined) requireBytes(context, 'context');
    if (!this.isSecure) {
      throw new UsageError('ERR_TLS_INVALID_STATE', 'TLS socket connection must be securely established');
    }
    return asBuffer(this.engine.exportKeyingMaterial(label, context ?? null, length));
  }

  /**
   * Channel binding for an authentication above TLS, as SCRAM-SHA-256-PLUS: `tls-exporter` (RFC 9266),
   * `tls-server-end-point` or `tls-unique` (RFC 5929). Null where the type has none here: the second at a server that
   * resumed, the third in TLS 1.3.
   * @throws {UsageError} before the handshake is complete; in TLS 1.2 without the extended master secret also for
   * `tls-exporter`, and for `tls-unique` of a resumption; for `tls-exporter` also after the end.
   */
  getChannelBinding(type: ChannelBindingType): Buffer | null {
    const binding = this.engine.channelBinding(type);
    return binding === null ? null : asBuffer(binding);
  }

  /** Not in TLS 1.3, and not here in TLS 1.2: it is refused, as a peer's is. */
  renegotiate(
    options: { readonly rejectUnauthorized?: boolean; readonly requestCert?: boolean },
    callback?: (error: Error | null) => void,
  ): false {
    requireObject(options, 'options');
    if (callback !== undefined) requireFunction(callback, 'callback');
    const error = new UsageError(
      'ERR_TLS_RENEGOTIATION_UNSUPPORTED',
      'TLS session renegotiation is unsupported by this TLS implementation',
    );
    if (callback !== undefined) process.nextTick(callback, error);
    return false;
  }

  /** There is none: does nothing. */
  disableRenegotiation(): void {}

  /** Does nothing: `keylog` and a capture show more. */
  enableTrace(): void {}

  // As a net.Socket ------------------------------------------------------------------------------------

  get #socket(): Socket | null {
    return this.transport instanceof Socket ? this.transport : null;
  }

  get connecting(): boolean {
    return this.#socket?.connecting ?? false;
  }

  get pending(): boolean {
    return this.#socket?.pending ?? false;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable) return this.writable ? 'open' : 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  address(): AddressInfo | object {
    return this.#socket?.address() ?? {};
  }

  setNoDelay(on = true): this {
    this.#socket?.setNoDelay(on);
    return this;
  }

  setKeepAlive(on = false, initialDelayMs = 0): this {
    this.#socket?.setKeepAlive(on, initialDelayMs);
    return this;
  }

  /** Bytes that were written and wait. */
  get bufferSize(): number {
    return this.writableLength;
  }

  /** @internal By the names that net.Socket's prototype reads. */
  get _bytesDispatched(): number {
    return this.bytesWritten;
  }

  /** @internal */
  get _connecting(): boolean {
    return this.connecting;
  }

  /** The addresses that were tried, as `address:port`, where net.connect tries several. */
  get autoSelectFamilyAttemptedAddresses(): string[] {
    const socket = this.#socket as { autoSelectFamilyAttemptedAddresses?: string[] } | null;
    return socket?.autoSelectFamilyAttemptedAddresses ?? [];
  }

  /** IP_TOS, where this Node has it. */
  setTypeOfService(value: number): this {
    (this.#socket as { setTypeOfService?(value: number): unknown } | null)?.setTypeOfService?.(value);
    return this;
  }

  getTypeOfService(): number {
    return (this.#socket as { getTypeOfService?(): number } | null)?.getTypeOfService?.() ?? 0;
  }

  ref(): this {
    this.#socket?.ref();
    return this;
  }

  unref(): this {
    this.#socket?.unref();
    return this;
  }

  /** Connects the net.Socket beneath, where none was given. */
  connect(...args: unknown[]): this {
    const socket = this.#socket;
    if (socket === null) {
      throw new UsageError('ERR_INVALID_HANDLE_TYPE', 'what is beneath is no net.Socket');
    }
    (socket.connect as (...args: unknown[]) => Socket)(...args);
    return this;
  }

  /** Ends the connection with a TCP reset, or without one where its end is just on its way out. */
  resetAndDestroy(): this {
    const socket = this.#socket;
    // The kernel resets nothing while it shuts down, and a net.Socket that asks for it then never says `close`.
    if (socket?.destroyed === false && !isShuttingDown(socket)) socket.resetAndDestroy();
    return this.destroy();
  }

  /** `timeout` after so many milliseconds without a byte either way; 0 for never. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (typeof timeoutMs !== 'number') throw invalidArgType('msecs', 'of type number', timeoutMs);
    if (!(timeoutMs >= 0 && timeoutMs < Infinity)) {
      throw outOfRange('msecs', 'a non-negative finite number', timeoutMs);
    }
    if (callback !== undefined) requireFunction(callback, 'callback');
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleMs = timeoutMs;
    this.#idleTimer = timeoutMs === 0 || this.destroyed ? null : setTimeout(isIdle, timeoutMs, this).unref();
    if (callback !== undefined) {
      if (timeoutMs === 0) this.off('timeout', callback);
      else this.once('timeout', callback);
    }
    return this;
  }

  /** @internal A byte went one way or the other. */
  touch(): void {
    if (this.#idleTimer !== null) this.#idleTimer.refresh();
  }

  /** @internal */
  stopIdleTimer(): void {
    if (this.#idleTimer !== null) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
  }

  /** Ends, and destroys when all that was written has left. */
  destroySoon(): void {
    if (this.writable) this.end();
    // What has arrived (tickets, most often) is read first: closed with input unread, TCP resets the connection,
    // and what is on its way out is lost.
    // The first of the two turns may already be past the reading.
    const afterReading = (): void => void setImmediate(() => setImmediate(destroyNow, this));
    if (this.writableFinished) afterReading();
    else this.once('finish', afterReading);
  }

  /** SignatureSchemes that both ends know, by OpenSSL's names. */
  getSharedSigalgs(): string[] {
    const ours = this.setup.config.signatureSchemes;
    return this.engine.info.peerSignatureSchemes
      .filter((scheme) => ours.includes(scheme))
      .map((scheme) => SIGALGS.get(scheme) ?? signatureSchemeName(scheme));
  }
}

const GROUPS: ReadonlyMap<number, EphemeralKeyInfo> = new Map([
  [NamedGroup.x25519, { type: 'ECDH', name: 'X25519', size: 253 }],
  [NamedGroup.secp256r1, { type: 'ECDH', name: 'prime256v1', size: 256 }],
  [NamedGroup.secp384r1, { type: 'ECDH', name: 'secp384r1', size: 384 }],
  [NamedGroup.secp521r1, { type: 'ECDH', name: 'secp521r1', size: 521 }],
]);

const SIGALGS: ReadonlyMap<number, string> = new Map([
  [0x0401, 'RSA+SHA256'],
  [0x0501, 'RSA+SHA384'],
  [0x0601, 'RSA+SHA512'],
  [0x0403, 'ECDSA+SHA256'],
  [0x0503, 'ECDSA+SHA384'],
  [0x0603, 'ECDSA+SHA512'],
  [0x0804, 'RSA-PSS+SHA256'],
  [0x0805, 'RSA-PSS+SHA384'],
  [0x0806, 'RSA-PSS+SHA512'],
  [0x0807, 'Ed25519+UNDEF'],
  [0x0808, 'Ed448+UNDEF'],
  [0x0809, 'RSA-PSS+SHA256'],
  [0x080a, 'RSA-PSS+SHA384'],
  [0x080b, 'RSA-PSS+SHA512'],
]);

/** The same bytes as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

function isShuttingDown({ writableEnded, writableFinished, writableLength }: Socket): boolean {
  return writableEnded && !writableFinished && writableLength === 0;
}
