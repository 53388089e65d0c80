/**
 * A context's stateless tickets. By default they are in OpenSSL's form under keys of the context's own
 * (SSL_CTX_set_tlsext_ticket_key_cb(3)), and hold the envelope: what a session is bound to has to come back
 * with it. Under keys that were given they hold what other programs with these keys can read.
 */
import type { Awaitable } from '../cache/awaitable.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Channel, TicketKeyMessage } from '../diagnostics/channels.ts';
import type { OpenTicketAnswer } from '../handshake/jobs.ts';
import type { SessionCore } from '../session/core.ts';
import { TicketError } from '../ticket/errors.ts';
import { readTicketKey, writeTicketKey } from '../ticket/key-layouts.ts';
import type { OpensslTicketKey } from '../ticket/key-material.ts';
import { type TicketKeyRecord, TicketKeyring } from '../ticket/keyring.ts';
import type { SharedTicketSealer, TicketSealer } from '../ticket/sealer.ts';
import { openSessionTicket, sealSessionTicket } from '../ticket/session-ticket.ts';
import type { Clock } from '../util/clock.ts';
import type { SessionTickets } from './job-runner.ts';
import { type TicketPeer, ticketEnvelope } from './ticket-form.ts';

/** Seconds that a key of the context's own seals: 12 h, or what 16 previous keys need to outlive long tickets. */
function rotationFor(ticketLifetimeSec: number): number {
  return Math.max(43_200, Math.ceil(ticketLifetimeSec / 16));
}

export interface ContextTicketsOptions {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly sessionTimeoutSec: number;
  /** In the layout of node:tls: 48 bytes. */
  readonly ticketKeys?: Uint8Array | undefined;
  /** Keys that are kept elsewhere; the context does not destroy it. Or keys for a ring of the context's own. */
  readonly keyring?: TicketKeyring | SharedTicketSealer | readonly TicketKeyRecord[] | undefined;
  /** What of a client's certificate goes into tickets that nobody else reads. Default `leaf`. */
  readonly peer?: TicketPeer | undefined;
  /** Told of what happens to the keys. */
  readonly channel?: Channel<TicketKeyMessage> | undefined;
}

export class ContextTickets implements SessionTickets {
  readonly #sealer: TicketSealer;
  readonly #provider: CryptoProvider;
  readonly #clock: Clock;
  /** Whether nobody else has the keys. */
  #own: boolean;
  readonly #given: boolean;
  readonly #peer: TicketPeer;

  /**
   * @throws {TicketError} `ERR_TICKET_KEY` for ticket keys that are not 48 bytes; `ERR_TICKET_KEYRING` for keys
   * that end before the sessions do.
   */
  constructor(options: ContextTicketsOptions) {
    const { provider, clock, sessionTimeoutSec, ticketKeys, channel } = options;
    const records = isRecords(options.keyring) ? options.keyring : undefined;
    const keyring = isRecords(options.keyring) ? undefined : options.keyring;
    const keys =
      ticketKeys === undefined
        ? records
        : [{ role: 'current', material: readTicketKey('node48', ticketKeys) } as const];
    this.#peer = options.peer ?? 'leaf';
    this.#provider = provider;
    this.#clock = clock;
    this.#given = keyring !== undefined;
    this.#own = keys === undefined && keyring === undefined;
    if (keyring !== undefined && keyring.ticketLifetimeSec < sessionTimeoutSec) {
      throw new TicketError(
        'ERR_TICKET_KEYRING',
        `sessions would live for ${sessionTimeoutSec} s, and keys are kept for tickets of ${keyring.ticketLifetimeSec} s`,
      );
    }
    this.#sealer =
      keyring ??
      TicketKeyring.create(
        {
          provider,
          format: 'openssl',
          // TLS 1.2 knows no bound to the life of a ticket: its key has to last as long.
          ticketLifetimeSec: sessionTimeoutSec,
          ...(ticketKeys === undefined ? { rotateEverySec: rotationFor(sessionTimeoutSec) } : {}),
          ...(keys === undefined ? {} : { keys }),
        },
        clock.wallMs(),
      );
    if (channel !== undefined && this.#sealer instanceof TicketKeyring) this.#sealer.reportTo(channel);
  }

  /** @throws {TicketError} `ERR_TICKET_KEYRING` when the keys are a fleet's, which changes them itself. */
  get ring(): TicketKeyring {
    if (this.#sealer instanceof TicketKeyring) return this.#sealer;
    throw new TicketError(
      'ERR_TICKET_KEYRING',
      "the ticket keys are a fleet's, and are not given or taken here",
    );
  }

  seal(session: SessionCore): Uint8Array | null {
    const nowMs = this.#clock.wallMs();
    // What other programs read they know in their form alone.
    const shared = !this.#own && this.#sealer.format === 'openssl';
    if (shared) return sealSessionTicket(this.#sealer, session, nowMs);
    const plaintext = ticketEnvelope(this.#provider, session, this.#peer);
    const ticket = this.#sealer.seal(plaintext, nowMs);
    plaintext.fill(0);
    return ticket;
  }

  open(ticket: Uint8Array): Awaitable<OpenTicketAnswer> {
    const answer = this.#open(ticket);
    const sealer = this.#sealer;
    if (answer.opened || answer.reason !== 'unknown-key' || !isShared(sealer)) return answer;
    // Another node may have begun to seal with a key that this one has not heard of.
    const found = sealer.refresh();
    if (typeof found === 'boolean') return found ? this.#open(ticket) : answer;
    const copy = ticket.slice();
    return found.then((learned) => (learned ? this.#open(copy) : answer));
  }

  #open(ticket: Uint8Array): OpenTicketAnswer {
    const result = openSessionTicket(this.#sealer, ticket, this.#clock.wallMs());
    if (!result.opened) return { opened: false, reason: result.reason };
    return { opened: true, session: result.session, renew: result.renew };
  }

  /** Wipes the keys, unless the keyring was given. */
  destroy(): void {
    if (!this.#given) this.ring.destroy();
  }

  /**
   * The current key in the layout of node:tls, to share it. A key that has no such form, as those that the
   * context makes for itself, makes way for one that has; its tickets still open until they expire.
   */
  shareKeys(): Uint8Array {
    const current = this.#exportCurrent();
    const key = current !== null && current.aesKey.length === 16 ? current : this.#install(this.#freshKey());
    this.#own = false;
    return writeTicketKey('node48', key);
  }

  /** Later tickets are under these keys. Those of the keys before open until they expire. */
  setKeys(bytes: Uint8Array): void {
    this.#install(readTicketKey('node48', bytes));
    this.#own = false;
  }

  #install(material: OpensslTicketKey): OpensslTicketKey {
    this.ring.install([{ role: 'current', material }], this.#clock.wallMs());
    return material;
  }

  #freshKey(): OpensslTicketKey {
    const provider = this.#provider;
    return {
      format: 'openssl',
      name: provider.random(16),
      aesKey: provider.random(16),
      hmacKey: provider.random(16),
    };
  }

  #exportCurrent(): OpensslTicketKey | null {
    const current = this.ring.export().find(({ role }) => role === 'current');
    return current?.material.format === 'openssl' ? current.material : null;
  }
}

function isRecords(keyring: ContextTicketsOptions['keyring']): keyring is readonly TicketKeyRecord[] {
  return Array.isArray(keyring);
}

function isShared(sealer: TicketSealer): sealer is SharedTicketSealer {
  return 'refresh' in sealer;
}
