/** The end of a TLS 1.2 handshake at the server: ChangeCipherSpec, Finished, ticket, and the session (RFC 5077). */
import type { SessionBindings } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import { EMPTY } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { writeNewSessionTicket12 } from '../../wire/message/new-session-ticket.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { makeSession } from '../shared/sessions.ts';
import type { Secured12 } from '../shared/tls12.ts';
import { type Reads, State, unexpected } from '../state.ts';
import type { ClientIdentity12 } from './tls12-client-flight.ts';
import type { Chosen12 } from './tls12-flight.ts';

/** The server finishes first: ticket if there is one to renew, ChangeCipherSpec, Finished. */
export function answerResumption(
  host: Host<ServerConfig>,
  secured: Secured12,
  session: SessionCore,
  renew: boolean,
): State {
  const finish = (): State => {
    secured.sendFinished();
    return new ExpectChangeCipherSpec(secured, () => establish(host, secured));
  };
  if (!renew) return finish();
  const leftSec = Math.max(0, Math.floor((session.expiresAtMs - host.nowMs()) / 1000));
  // The client knows how long the session lives already, and the renewed ticket makes it no longer.
  return sendTicket(host, secured, session, { sealSec: leftSec, saySec: 0 }, finish);
}

/** The client finishes first. */
export function expectClientFinish(
  host: Host<ServerConfig>,
  chosen: Chosen12,
  secured: Secured12,
  identity: ClientIdentity12,
): State {
  return new ExpectChangeCipherSpec(secured, () => finishFull(host, chosen, secured, identity));
}

class ExpectChangeCipherSpec extends State {
  readonly name = 'expectChangeCipherSpec';
  readonly #secured: Secured12;
  readonly #next: () => State;

  constructor(secured: Secured12, next: () => State) {
    super();
    this.#secured = secured;
    this.#next = next;
  }

  onMessage(type: number): State {
    throw unexpected(type, this.name);
  }

  override onChangeCipherSpec(): State {
    this.#secured.startReading();
    return new ExpectClientFinished12(this.#secured, this.#next);
  }
}

class ExpectClientFinished12 extends State {
  readonly name = 'expectClientFinished';
  readonly #secured: Secured12;
  readonly #next: () => State;

  constructor(secured: Secured12, next: () => State) {
    super();
    this.#secured = secured;
    this.#next = next;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.finished) throw unexpected(type, this.name);
    this.#secured.checkFinished(message);
    return this.#next();
  }
}

/** The session is made and named before the client may come back with it. */
function finishFull(
  host: Host<ServerConfig>,
  chosen: Chosen12,
  secured: Secured12,
  identity: ClientIdentity12,
): State {
  const session = newSession(host, chosen, secured, identity);
  host.adoptSession(session);
  const finish = (isNamed: boolean): State => {
    secured.sendFinished();
    const state = establish(host, secured);
    if (isNamed) {
      session.retain('connection');
      host.emit({ type: 'session', session });
    }
    return state;
  };
  if (chosen.willSendTicket) {
    const timeoutSec = lifetimeSec(host.config);
    return sendTicket(host, secured, session, { sealSec: timeoutSec, saySec: timeoutSec }, finish);
  }
  if (chosen.sessionId.length === 0) return finish(false);
  return host.wait<'store-session'>(
    { kind: 'store-session', session },
    () => finish(true),
    (error) => {
      if (error instanceof TlsAlertError) throw error;
      return finish(false);
    },
  );
}

function newSession(
  host: Host<ServerConfig>,
  chosen: Chosen12,
  secured: Secured12,
  identity: ClientIdentity12,
): SessionCore {
  const { asked, hello, sessionId } = chosen;
  const { settings, request } = asked;
  const { chain, verifyResult } = identity;
  const bindings: SessionBindings = Object.freeze({
    host: null,
    port: 0,
    trust: settings.trust,
    clientAuth: settings.clientAuth,
    authenticatedAtMs: host.nowMs(),
  });
  const masterKey = secured.masterKey();
  const session = makeSession(
    {
      version: ProtocolVersion.TLS1_2,
      cipherSuite: hello.suite.id,
      group: chosen.group,
      masterKey,
      id: sessionId.length === 0 ? null : sessionId,
      sidCtx: settings.sessionIdContext,
      serverName: request.serverName,
      alpn: settings.alpn,
      ticket: null,
      ticketAppdata: null,
      ticketLifetimeHint: 0,
      ticketAgeAdd: 0,
      maxEarlyData: 0,
      extendedMasterSecret: hello.extended,
      verifyResult,
      peer: chain[0] ?? null,
      chain: chain.length === 0 ? null : chain,
      bindings,
    },
    host.nowMs(),
    lifetimeSec(host.config),
  );
  masterKey.fill(0);
  return session;
}

function lifetimeSec({ sessionTimeoutSec, maxKeyingMaterialAgeSec }: ServerConfig): number {
  return Math.min(sessionTimeoutSec, maxKeyingMaterialAgeSec);
}

/** NewSessionTicket was promised: where there is no ticket after all, an empty one (RFC 5077, 3.3). */
function sendTicket(
  host: Host<ServerConfig>,
  secured: Secured12,
  session: SessionCore,
  lifetime: { readonly sealSec: number; readonly saySec: number },
  next: (isNamed: boolean) => State,
): State {
  const send = (sealed: Uint8Array | null): State => {
    const usable = sealed !== null && sealed.length > 0 && sealed.length <= 0xffff;
    const { scratch } = host;
    scratch.reset();
    writeNewSessionTicket12(scratch, {
      lifetimeSec: usable ? lifetime.saySec : 0,
      ticket: usable ? sealed : EMPTY,
    });
    host.send(scratch.view());
    secured.hello.transcript.update(scratch.view());
    return next(usable);
  };
  return host.wait<'seal-ticket'>(
    { kind: 'seal-ticket', session, lifetimeSec: lifetime.sealSec },
    send,
    (error) => {
      if (error instanceof TlsAlertError) throw error;
      return send(null);
    },
  );
}

function establish(host: Host<ServerConfig>, secured: Secured12): State {
  secured.end();
  host.writable = 'data';
  host.emit({ type: 'handshake' });
  return new EstablishedServer12();
}

/** A TLS 1.2 server after its handshake. */
class EstablishedServer12 extends State {
  readonly name = 'established';

  override get reads(): Reads {
    return 'data';
  }

  override get handshaking(): boolean {
    return false;
  }

  /** A client that began to renegotiate already waits for an answer that will not come: the end is kinder. */
  onMessage(type: number): State {
    if (type === HandshakeType.client_hello) throw TlsAlertError.local('renegotiation-refused');
    throw unexpected(type, this.name);
  }
}
