/**
 * A stock `tls.Server` whose sessions live in a store that others share. Session ids work in TLS 1.2 as node:tls
 * means them to. In TLS 1.3 a stateful ticket is the session's id, but node:tls asks for the legacy session id
 * of the hello, which is random there (nodejs/node#60847): so the hello is read before node:tls gets it, and
 * travels beside the connection in an AsyncLocalStorage, where the events find it. Nothing of node:tls that is
 * not documented is changed.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { constants } from 'node:crypto';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { type Awaitable, isPromiseLike, settleWithin } from '../cache/awaitable.ts';
import { checkResumable } from '../cache/session-check.ts';
import { DEFAULT_LOOKUP_LIMIT_MS, DEFAULT_MAX_PENDING_LOOKUPS } from '../cache/session-context.ts';
import type { StoreSource } from '../cache/store-source.ts';
import { isPeerValid } from '../handshake/shared/certificates.ts';
import { nodeTimers } from '../net/secure-context.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { decodeSession, encodeSession } from '../session/der.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { utf8 } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { TlsessionError, UsageError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { type FirstHello, peekFirstHello } from './first-hello.ts';
import { BindingOf } from './server-binding.ts';

/** Milliseconds that a client has for its hello: node:tls's own limit on a handshake. */
export const DEFAULT_HELLO_LIMIT_MS = 120_000;
/** Milliseconds that a handshake waits for its session to be saved. */
export const DEFAULT_SAVE_WAIT_MS = 25;

/** Options of `tls.createServer` without which TLS 1.3 never comes to a store. */
export const STATEFUL_TICKETS: { readonly secureOptions: number } = Object.freeze({
  secureOptions: constants.SSL_OP_NO_TICKET,
});

export interface StoreSharingOptions {
  /** Where sessions are kept: `fleet.sessions`, or a `StoreSource` over a store and its sealer. */
  readonly source: StoreSource;
  /** Milliseconds a handshake waits for the store; then it is a full one. Default 1,000. */
  readonly lookupLimitMs?: number | undefined;
  /** Look-ups that may wait at once; one more is a miss. Default 1,024. */
  readonly maxPendingLookups?: number | undefined;
  /**
   * Milliseconds a TLS 1.2 handshake waits for its own session to be saved, so that a client which comes back
   * at once finds it. Default 25; 0 does not wait. TLS 1.3 never waits: node:tls would lose data.
   */
  readonly saveWaitMs?: number | undefined;
  /** Milliseconds a client has for its first message. Default 120,000, as node:tls. */
  readonly helloLimitMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

export interface SharedSessionStats {
  /** Sessions that were sent to the store, and those that node:tls gave and that could not be read. */
  readonly saved: number;
  readonly unreadable: number;
  /** Look-ups that gave a session, and those that did not, by reason. */
  readonly hits: number;
  readonly misses: Readonly<Partial<Record<ResumptionReason, number>>>;
  readonly pendingWrites: number;
  readonly failedWrites: number;
  readonly skippedWrites: number;
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

type SessionDone = (error: Error | null, session: Buffer | null) => void;
type ConnectionListener = (this: tls.Server, socket: Duplex) => void;

/** What node:tls keeps on a server, beside what it declares. */
interface ServerFields {
  readonly requestCert?: boolean;
  readonly sessionIdContext?: string;
  readonly maxVersion?: string;
  readonly secureProtocol?: string;
  readonly secureOptions?: number;
}

export class StoreSharing {
  readonly #server: tls.Server;
  readonly #source: StoreSource;
  readonly #clock: Clock;
  readonly #lookupLimitMs: number;
  readonly #maxPending: number;
  readonly #saveWaitMs: number;
  readonly #helloLimitMs: number;
  readonly #hellos: AsyncLocalStorage<{ hello: FirstHello }> = new AsyncLocalStorage();
  readonly #listeners: readonly ConnectionListener[];
  readonly #onConnection: ConnectionListener;
  readonly #binding: BindingOf;
  #pending = 0;
  #saved = 0;
  #unreadable = 0;
  #hits = 0;
  readonly #misses: Partial<Record<ResumptionReason, number>> = {};
  #stopped = false;

  /** @throws {UsageError} `ERR_NODE_TLS_SHARE` */
  constructor(server: tls.Server, options: StoreSharingOptions) {
    if (server.listenerCount('newSession') > 0 || server.listenerCount('resumeSession') > 0) {
      throw new UsageError(
        'ERR_NODE_TLS_SHARE',
        'the server has listeners for newSession or resumeSession already: only one can answer',
      );
    }
    this.#server = server;
    this.#binding = new BindingOf(server);
    this.#clock = options.clock ?? systemClock;
    this.#lookupLimitMs = options.lookupLimitMs ?? DEFAULT_LOOKUP_LIMIT_MS;
    this.#maxPending = options.maxPendingLookups ?? DEFAULT_MAX_PENDING_LOOKUPS;
    this.#saveWaitMs = options.saveWaitMs ?? DEFAULT_SAVE_WAIT_MS;
    this.#helloLimitMs = options.helloLimitMs ?? DEFAULT_HELLO_LIMIT_MS;
    this.#source = options.source;

    // node:tls's own is among them; whatever else looks at raw connections goes on doing so, a little later.
    this.#listeners = server.listeners('connection') as ConnectionListener[];
    const sharing = this;
    this.#onConnection = function onConnection(socket): void {
      sharing.#take(socket);
    };
    server.removeAllListeners('connection');
    server.on('connection', this.#onConnection);
    server.on('newSession', this.#onNew);
    server.on('resumeSession', this.#onResume);
    server.on('secureConnection', this.#onSecure);
  }

  get stats(): SharedSessionStats {
    return {
      saved: this.#saved,
      unreadable: this.#unreadable,
      hits: this.#hits,
      misses: { ...this.#misses },
      ...this.#source.stats,
    };
  }

  /** Resolves when what is being written now has been, or has failed. */
  settled(): Promise<void> {
    return this.#source.settled();
  }

  /** Gives the server back as it was. Connections that were accepted before are answered with misses. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    const server = this.#server;
    server.off('connection', this.#onConnection);
    for (const listener of this.#listeners) server.on('connection', listener);
    server.off('newSession', this.#onNew);
    server.off('resumeSession', this.#onResume);
    server.off('secureConnection', this.#onSecure);
  }

  #take(socket: Duplex): void {
    peekFirstHello(
      socket,
      this.#helloLimitMs,
      (hello) => {
        if (hello === null) this.#handOver(socket);
        else this.#hellos.run({ hello }, () => this.#handOver(socket));
      },
      (error) => {
        socket.destroy();
        this.#server.emit('tlsClientError', error, socket as tls.TLSSocket);
      },
    );
  }

  #handOver(socket: Duplex): void {
    for (const listener of this.#listeners) listener.call(this.#server, socket);
  }

  /** The store of a connection's context lives as long as the connection: the name is what is still asked for. */
  readonly #onSecure = (): void => {
    const held = this.#hellos.getStore();
    if (held === undefined) return;
    held.hello = { ...held.hello, sessionId: NO_BYTES, pskIdentity: null, offeredCiphers: [] };
  };

  readonly #onNew = (_id: Buffer, data: Buffer, done: () => void): void => {
    const hello = this.#hellos.getStore()?.hello;
    let waiting = false;
    try {
      if (hello !== undefined && !this.#stopped) waiting = this.#save(data, hello, done);
    } finally {
      if (!waiting) done();
    }
  };

  /** Whether `done` will be called when the session is saved, or that has taken too long. */
  #save(data: Buffer, hello: FirstHello, done: () => void): boolean {
    const call = 'shareSessions';
    let session: SessionCore;
    let is13: boolean;
    try {
      session = decodeSession(data, this.#clock.wallMs(), call);
      is13 = session.body(call).version === ProtocolVersion.TLS1_3;
    } catch (error) {
      if (!TlsessionError.is(error)) throw error;
      this.#unreadable++;
      return false;
    }
    try {
      // node:tls's sessions do not say for which name they were made, nor under which policy.
      const { trust, clientAuth } = this.#binding.current;
      if (hello.serverName !== null) session.setField(Field.hostname, utf8(hello.serverName), call);
      session.setBindings(
        { host: hello.serverName, port: 0, trust, clientAuth, authenticatedAtMs: session.timeMs(call) },
        call,
      );
      this.#source.add(session);
      this.#saved++;
    } finally {
      session.free(call);
    }
    // In TLS 1.3, Node before 26 loses what is written with `end` when this answers later than at once.
    if (is13 || this.#saveWaitMs === 0 || this.#source.stats.pendingWrites === 0) return false;
    void settleWithin(this.#source.settled(), nodeTimers, this.#saveWaitMs, () => {}).then(done);
    return true;
  }

  readonly #onResume = (id: Buffer, done: SessionDone): void => {
    const hello = this.#hellos.getStore()?.hello;
    if (hello === undefined || this.#stopped) {
      this.#miss('unbound', done);
      return;
    }
    const { pskIdentity } = hello;
    if (pskIdentity === null && hello.offersTls13 && this.#speaksTls13()) {
      // The id is random, and means nothing (RFC 8446, 4.1.2): nothing was asked for.
      done(null, null);
      return;
    }
    if (this.#pending >= this.#maxPending) {
      this.#miss('store-busy', done);
      return;
    }
    const version = pskIdentity === null ? ProtocolVersion.TLS1_2 : ProtocolVersion.TLS1_3;
    const wanted = pskIdentity ?? new Uint8Array(id);
    let found: Awaitable<SessionCore | ResumptionReason>;
    try {
      // Longer than an id, an identity is a ticket of another server's.
      found = wanted.length > 32 ? 'unknown-key' : this.#source.find(version, wanted);
    } catch {
      found = 'store-failed';
    }
    if (!isPromiseLike(found)) {
      this.#answer(found, version, hello, done);
      return;
    }
    this.#pending++;
    const late = (value: SessionCore | ResumptionReason): void => {
      if (typeof value !== 'string') value.free('shareSessions');
    };
    void settleWithin(found, nodeTimers, this.#lookupLimitMs, late).then((settled) => {
      this.#pending--;
      if (settled.kind === 'answer') this.#answer(settled.value, version, hello, done);
      else this.#miss(settled.kind === 'slow' ? 'store-slow' : 'store-failed', done);
    });
  };

  #answer(
    found: SessionCore | ResumptionReason,
    version: number,
    hello: FirstHello,
    done: SessionDone,
  ): void {
    if (typeof found === 'string') {
      this.#miss(found, done);
      return;
    }
    const call = 'shareSessions';
    let data: Uint8Array;
    try {
      const reason = this.#whyNot(found, version, hello);
      if (reason !== null) {
        this.#miss(reason, done);
        return;
      }
      // As node:tls gave it.
      found.setField(Field.hostname, null, call);
      data = encodeSession(found);
    } finally {
      found.free(call);
    }
    this.#hits++;
    // Read before it returns; a connection that has gone away since throws nothing.
    done(null, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    data.fill(0);
  }

  /** Null also where RFC 7627 or RFC 5246 want the handshake to end: that is OpenSSL's to do, with its alert. */
  #whyNot(session: SessionCore, version: number, hello: FirstHello): ResumptionReason | null {
    const server = this.#server as ServerFields;
    const { trust, clientAuth } = this.#binding.current;
    const is12 = version === ProtocolVersion.TLS1_2;
    const refusal = checkResumable(session, {
      version,
      nowMs: this.#clock.wallMs(),
      idContext: utf8(server.sessionIdContext ?? ''),
      // Whoever asks is in the bindings.
      verifiesPeer: false,
      extendedMasterSecret: is12 ? hello.extendedMasterSecret : null,
      hostname: hello.serverName === null ? null : utf8(hello.serverName),
      trust,
      clientAuth,
      ...(is12 ? { offeredCiphers: hello.offeredCiphers } : {}),
    });
    if (refusal !== null) return refusal.failure === null ? refusal.reason : null;
    if (server.requestCert !== true || isPeerValid(session.body('shareSessions'), this.#clock.wallMs())) {
      return null;
    }
    return 'peer-certificate-invalid';
  }

  #speaksTls13(): boolean {
    const { maxVersion, secureProtocol } = this.#server as ServerFields;
    return secureProtocol === undefined && (maxVersion ?? tls.DEFAULT_MAX_VERSION) === 'TLSv1.3';
  }

  #miss(reason: ResumptionReason, done: SessionDone): void {
    this.#misses[reason] = (this.#misses[reason] ?? 0) + 1;
    done(null, null);
  }
}
