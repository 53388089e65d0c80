/**
 * The sessions of stock node:tls's clients in a cache of ours. Before one is offered, the peer's certificate in
 * it is held to the connection's name and to the time once more: node:tls checks a name only in full handshakes.
 */
import { X509Certificate } from 'node:crypto';
import * as tls from 'node:tls';
import { type Awaitable, isPromiseLike } from '../cache/awaitable.ts';
import type { ClientSessions, TakenSession } from '../cache/client-session-cache.ts';
import type { ClientSessionKey } from '../cache/client-session-key.ts';
import { isPeerValid } from '../handshake/shared/certificates.ts';
import { PeerCertificate } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { encodeSession } from '../session/der.ts';
import { readSession } from '../session/forms.ts';
import { wrapNodeForm } from '../session/node-form.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { clientKeyOf, type NodeConnectOptions, nameOf } from './client-key.ts';
import { nodeWrapsSessions } from './node-session.ts';

/** What became of the session of one connection. */
export interface ResumptionReport {
  readonly host: string;
  readonly port: number;
  /** Whether a session was offered. */
  readonly offered: boolean;
  readonly resumed: boolean;
  /** Why not; null when it was resumed. `declined`: offered, and the server did not take it. */
  readonly reason: ResumptionReason | null;
}

export interface NodeClientSessionsOptions {
  readonly sessions: ClientSessions;
  readonly clock?: Clock | undefined;
  /** Told of each connection, once its handshake is complete. */
  readonly onResumption?: ((report: ResumptionReport) => void) | undefined;
}

/** A connection to be made. */
export interface PreparedConnection {
  /** For `tls.connect`: the caller's, and with a session if there is one. */
  readonly options: NodeConnectOptions;
  /** Call it with the socket that `tls.connect` made, in the same turn. */
  attach(socket: tls.TLSSocket): void;
}

export class NodeClientSessions {
  readonly #sessions: ClientSessions;
  readonly #clock: Clock;
  readonly #onResumption: ((report: ResumptionReport) => void) | null;
  readonly #saving: Set<PromiseLike<unknown>> = new Set();

  constructor(options: NodeClientSessionsOptions) {
    this.#sessions = options.sessions;
    this.#clock = options.clock ?? systemClock;
    this.#onResumption = options.onResumption ?? null;
  }

  /** Resolves when the sessions that have come are saved, or could not be: before a process ends. */
  async settled(): Promise<void> {
    while (this.#saving.size > 0) await Promise.all(this.#saving);
  }

  /**
   * Takes a session for a connection with these options. A store that fails costs the resumption: this never
   * throws or rejects for it. A caller's own `session` is left alone.
   */
  prepare(options: NodeConnectOptions): Awaitable<PreparedConnection> {
    const reject = options.rejectUnauthorized ?? process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0';
    const key = clientKeyOf(options, reject);
    if (options.session !== undefined) return this.#prepared(options, key, null, null);
    const fits = (session: SessionCore): ResumptionReason | null =>
      whyNotOffer(session, options, reject, this.#clock.wallMs());
    let taken: Awaitable<TakenSession>;
    try {
      taken = this.#sessions.take(key, fits);
    } catch {
      taken = { session: null, reason: 'store-failed' };
    }
    const use = ({ session, reason }: TakenSession): PreparedConnection =>
      this.#prepared(options, key, session, reason);
    if (!isPromiseLike(taken)) return use(taken);
    return taken.then(use, () => use({ session: null, reason: 'store-failed' }));
  }

  /** `session` comes with a reference of the library's. */
  #prepared(
    options: NodeConnectOptions,
    key: ClientSessionKey,
    session: SessionCore | null,
    reason: ResumptionReason | null,
  ): PreparedConnection {
    const call = 'NodeClientSessions';
    let bytes: Buffer | null = null;
    let firstMs: number | null = null;
    if (session !== null) {
      try {
        firstMs = session.body(call).bindings?.authenticatedAtMs ?? null;
        bytes = forNode(session, nameOf(options));
      } finally {
        session.release(call);
      }
    }
    const offered = bytes !== null || options.session !== undefined;
    return {
      options: bytes === null ? options : { ...options, session: bytes },
      attach: (socket) => {
        // tls.connect has read it.
        bytes?.fill(0);
        this.#attach(socket, key, { offered, reason, firstMs });
      },
    };
  }

  #attach(
    socket: tls.TLSSocket,
    key: ClientSessionKey,
    before: { offered: boolean; reason: ResumptionReason | null; firstMs: number | null },
  ): void {
    // In TLS 1.2 the session comes before node:tls has looked at the certificate.
    let early: Buffer[] | null = [];
    let firstMs = this.#clock.wallMs();
    const onSession = (bytes: Buffer): void => {
      if (early === null) this.#keep(key, bytes, firstMs);
      else early.push(bytes);
    };
    socket.on('session', onSession);
    socket.once('secureConnect', () => {
      const resumed = socket.isSessionReused();
      // A chain of resumptions rests on the one full handshake at its head.
      if (resumed) firstMs = before.firstMs ?? firstMs;
      // node:tls does not announce a ticket that a TLS 1.2 server renewed.
      if (resumed && socket.getProtocol() === 'TLSv1.2') early?.push(socket.getSession() ?? Buffer.alloc(0));
      for (const bytes of early ?? []) this.#keep(key, bytes, firstMs);
      early = null;
      const reason = resumed ? null : before.offered ? 'declined' : (before.reason ?? 'no-session-saved');
      this.#onResumption?.({ host: key.peer, port: key.port, offered: before.offered, resumed, reason });
    });
    socket.once('close', () => {
      early = null;
      socket.off('session', onSession);
    });
  }

  /** Keeps what node:tls gave. It is no concern of the connection's whether that works. */
  #keep(key: ClientSessionKey, bytes: Uint8Array, authenticatedAtMs: number): void {
    const call = 'NodeClientSessions';
    let session: SessionCore;
    try {
      session = readSession(bytes, null, this.#clock.wallMs(), call).session;
    } catch {
      return;
    }
    try {
      const { serverName: host, port, trust, clientAuth } = key;
      session.setBindings({ host, port, trust, clientAuth, authenticatedAtMs }, call);
      const kept = this.#sessions.put(key, session);
      if (isPromiseLike(kept)) {
        const saving: PromiseLike<unknown> = kept
          .then(undefined, () => {})
          .then(() => this.#saving.delete(saving));
        this.#saving.add(saving);
      }
    } catch {
      // A store that is gone costs this session and nothing else.
    } finally {
      session.free(call);
    }
  }
}

function forNode(session: SessionCore, host: string): Buffer {
  const der = encodeSession(session);
  if (!nodeWrapsSessions()) return Buffer.from(der.buffer, der.byteOffset, der.byteLength);
  const bytes = wrapNodeForm(der, host);
  der.fill(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const VERSIONS: Readonly<Record<string, number>> = {
  'TLSv1.2': ProtocolVersion.TLS1_2,
  'TLSv1.3': ProtocolVersion.TLS1_3,
};

function whyNotOffer(
  session: SessionCore,
  options: NodeConnectOptions,
  reject: boolean,
  nowMs: number,
): ResumptionReason | null {
  const body = session.body('NodeClientSessions');
  const least = VERSIONS[options.minVersion ?? tls.DEFAULT_MIN_VERSION] ?? 0;
  const most = VERSIONS[options.maxVersion ?? tls.DEFAULT_MAX_VERSION] ?? ProtocolVersion.TLS1_3;
  if (body.version < least || body.version > most) return 'other-version';
  if (!reject) return null;
  if (body.peer === null) return options.pskCallback === undefined ? 'unbound' : null;
  if (!isPeerValid(body, nowMs)) return 'peer-certificate-invalid';
  const check = options.checkServerIdentity ?? tls.checkServerIdentity;
  try {
    const certificate = new X509Certificate(PeerCertificate.view(body.peer)).toLegacyObject();
    const error = check(nameOf(options), certificate as unknown as tls.PeerCertificate);
    return error === undefined ? null : 'other-name';
  } catch {
    return 'other-name';
  }
}
