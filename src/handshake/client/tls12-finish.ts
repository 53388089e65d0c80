/** The end of a TLS 1.2 handshake at the client: ticket, ChangeCipherSpec, Finished, and the session (RFC 5077). */
import { Field, type SessionBindings } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import { EMPTY } from '../../util/bytes.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { type NewSessionTicket12, readNewSessionTicket12 } from '../../wire/message/new-session-ticket.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ClientConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { makeSession } from '../shared/sessions.ts';
import type { Secured12 } from '../shared/tls12.ts';
import { State, unexpected } from '../state.ts';
import type { ServerIdentity } from './encrypted-extensions.ts';
import type { ClientHello12 } from './tls12.ts';
import { EstablishedClient12 } from './tls12-established.ts';
import { ClientState12 } from './tls12-state.ts';

/** Where the handshake came from. */
type Origin =
  | { readonly kind: 'full'; readonly identity: ServerIdentity }
  /** The session is the connection's. This end's Finished is still to be sent. */
  | { readonly kind: 'resumed'; readonly session: SessionCore };

interface Ending {
  readonly hello: ClientHello12;
  readonly secured: Secured12;
  readonly origin: Origin;
  /** A copy; null when none came, or an empty one. */
  readonly ticket: NewSessionTicket12 | null;
}

export function expectServerFinish(
  host: Host<ClientConfig>,
  hello: ClientHello12,
  secured: Secured12,
  origin: Origin,
): State {
  const ending: Ending = { hello, secured, origin, ticket: null };
  return hello.expectTicket
    ? new ExpectNewSessionTicket12(host, ending)
    : new ExpectChangeCipherSpec(host, ending);
}

class ExpectNewSessionTicket12 extends ClientState12 {
  readonly name = 'expectNewSessionTicket';
  readonly #ending: Ending;

  constructor(host: Host<ClientConfig>, ending: Ending) {
    super(host, ending.hello.helloRequests);
    this.#ending = ending;
  }

  protected onHandshakeMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.new_session_ticket) throw unexpected(type, this.name);
    const { lifetimeSec, ticket } = readNewSessionTicket12(message.subarray(4));
    this.#ending.hello.transcript.update(message);
    // Empty: the server changed its mind (RFC 5077, 3.3), and whatever there was before stays.
    const kept = ticket.length === 0 ? null : { lifetimeSec, ticket: ticket.slice() };
    return new ExpectChangeCipherSpec(this.host, { ...this.#ending, ticket: kept });
  }
}

class ExpectChangeCipherSpec extends ClientState12 {
  readonly name = 'expectChangeCipherSpec';
  readonly #ending: Ending;

  constructor(host: Host<ClientConfig>, ending: Ending) {
    super(host, ending.hello.helloRequests);
    this.#ending = ending;
  }

  protected onHandshakeMessage(type: number): State {
    throw unexpected(type, this.name);
  }

  override onChangeCipherSpec(): State {
    this.#ending.secured.startReading();
    return new ExpectFinished12(this.host, this.#ending);
  }
}

/** Finished comes immediately behind ChangeCipherSpec, and not even a HelloRequest in between (RFC 5246, 7.4.9). */
class ExpectFinished12 extends State {
  readonly name = 'expectFinished';
  readonly #host: Host<ClientConfig>;
  readonly #ending: Ending;

  constructor(host: Host<ClientConfig>, ending: Ending) {
    super();
    this.#host = host;
    this.#ending = ending;
  }

  onMessage(type: number, message: Uint8Array): State {
    if (type !== HandshakeType.finished) throw unexpected(type, this.name);
    const host = this.#host;
    const { hello, secured, origin } = this.#ending;
    secured.checkFinished(message);
    if (origin.kind === 'resumed') secured.sendFinished();
    const made = this.#makeSession();
    if (made !== null) host.adoptSession(made);
    secured.end();
    host.writable = 'data';
    host.emit({ type: 'handshake' });
    if (made?.isResumable('connection') === true) {
      made.retain('connection');
      host.emit({ type: 'session', session: made });
    }
    return new EstablishedClient12(host, hello.helloRequests);
  }

  /** A new session, with its reference; null when the old one goes on as it was. */
  #makeSession(): SessionCore | null {
    const { origin, ticket } = this.#ending;
    if (origin.kind === 'full') return this.#fullSession(origin.identity);
    return ticket === null ? null : this.#renewedSession(origin.session, ticket);
  }

  #fullSession(identity: ServerIdentity): SessionCore {
    const host = this.#host;
    const { config, info } = host;
    const { hello, secured, ticket } = this.#ending;
    const bindings: SessionBindings = Object.freeze({
      host: config.serverName,
      port: config.port,
      trust: config.trust,
      clientAuth: config.clientAuth,
      authenticatedAtMs: host.nowMs(),
    });
    const masterKey = secured.masterKey();
    const session = makeSession(
      {
        version: ProtocolVersion.TLS1_2,
        cipherSuite: hello.suite.id,
        group: info.group,
        masterKey,
        id: ticket === null ? hello.sessionId : ticketId(host, ticket),
        sidCtx: EMPTY,
        serverName: config.serverName,
        alpn: info.alpn,
        ticket: ticket?.ticket ?? null,
        ticketAppdata: null,
        ticketLifetimeHint: ticket?.lifetimeSec ?? 0,
        ticketAgeAdd: 0,
        maxEarlyData: 0,
        extendedMasterSecret: hello.extended,
        verifyResult: identity.verifyResult,
        peer: identity.chain[0] ?? null,
        chain: identity.chain,
        bindings,
      },
      host.nowMs(),
      timeoutOf(config, ticket),
    );
    masterKey.fill(0);
    return session;
  }

  /** A session is not changed under those who share it: its duplicate gets the new ticket, as in OpenSSL. */
  #renewedSession(session: SessionCore, ticket: NewSessionTicket12): SessionCore {
    const host = this.#host;
    const call = 'NewSessionTicket';
    const renewed = session.dup(call);
    renewed.takeFromApplication(call);
    renewed.setField(Field.ticket, ticket.ticket, call);
    renewed.setField(Field.id, ticketId(host, ticket), call);
    renewed.setField(Field.alpn, host.info.alpn, call);
    renewed.ownBody(call).ticketLifetimeHint = ticket.lifetimeSec;
    renewed.setTimeMs(host.nowMs(), call);
    renewed.setTimeoutSec(timeoutOf(host.config, ticket), call);
    return renewed;
  }
}

/** OpenSSL's: a name that the server will echo and that caches can use for a key. */
function ticketId(host: Host<ClientConfig>, { ticket }: NewSessionTicket12): Uint8Array {
  return host.provider.digest('sha256', ticket);
}

/** A lifetime of zero is one that the server does not say (RFC 5077, 3.3). */
function timeoutOf(config: ClientConfig, ticket: NewSessionTicket12 | null): number {
  const hint = ticket?.lifetimeSec ?? 0;
  return hint === 0 ? config.sessionTimeoutSec : Math.min(hint, config.sessionTimeoutSec);
}
