/**
 * Stateless tickets under one key of a context, in OpenSSL's layout (SSL_CTX_set_tlsext_ticket_key_cb(3)):
 *
 *     name[16] ‖ IV[16] ‖ AES-CBC(session) ‖ HMAC-SHA256(all before)
 *
 * The session inside is an envelope: what it is bound to has to come back with it.
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import type { OpenTicketAnswer } from '../handshake/jobs.ts';
import type { SessionCore } from '../session/core.ts';
import { decodeEnvelope, encodeEnvelope } from '../session/envelope.ts';
import { copyBytes, equalBytes, equalSecret } from '../util/bytes.ts';
import { DecodeError, UsageError } from '../util/errors.ts';
import type { TicketSealer } from './job-runner.ts';

const NAME = 16;
const IV = 16;
const MAC = 32;
const BLOCK = 16;

/** The keys of SSL_CTX_set_tlsext_ticket_keys(3) (80 bytes) or of node:tls (48 bytes). */
export interface TicketKeys {
  readonly name: Uint8Array;
  /** 16 or 32 bytes. */
  readonly hmac: Uint8Array;
  readonly aes: Uint8Array;
}

const UNKNOWN_KEY: OpenTicketAnswer = Object.freeze({ opened: false, reason: 'unknown-key' });
const BAD_TICKET: OpenTicketAnswer = Object.freeze({ opened: false, reason: 'bad-ticket' });

/** node48: name[16] ‖ hmac[16] ‖ aes[16]. @throws {UsageError} for another length. */
export function ticketKeysFromNode(bytes: Uint8Array): TicketKeys {
  if (bytes.length !== 48) {
    throw new UsageError('ERR_INVALID_ARG_VALUE', 'session ticket keys must be 48 bytes');
  }
  return {
    name: copyBytes(bytes.subarray(0, 16)),
    hmac: copyBytes(bytes.subarray(16, 32)),
    aes: copyBytes(bytes.subarray(32, 48)),
  };
}

export class ContextTickets implements TicketSealer {
  readonly #provider: CryptoProvider;
  #keys: TicketKeys;

  /** Takes over `keys`. */
  constructor(provider: CryptoProvider, keys: TicketKeys) {
    this.#provider = provider;
    this.#keys = keys;
  }

  get keys(): TicketKeys {
    return this.#keys;
  }

  /** Tickets of the keys before are not opened any more. */
  set keys(keys: TicketKeys) {
    this.#keys.hmac.fill(0);
    this.#keys.aes.fill(0);
    this.#keys = keys;
  }

  seal(session: SessionCore): Uint8Array {
    const provider = this.#provider;
    const { name, hmac, aes } = this.#keys;
    const plain = encodeEnvelope(session, 'ticket');
    const iv = provider.random(IV);
    const sealed = provider.cbcEncrypt(aes, iv, plain);
    plain.fill(0);
    const end = NAME + IV + sealed.length;
    const ticket = new Uint8Array(end + MAC);
    ticket.set(name);
    ticket.set(iv, NAME);
    ticket.set(sealed, NAME + IV);
    ticket.set(provider.hmac('sha256', hmac, ticket.subarray(0, end)), end);
    return ticket;
  }

  open(ticket: Uint8Array): OpenTicketAnswer {
    const { name, hmac, aes } = this.#keys;
    if (ticket.length < NAME || !equalBytes(ticket.subarray(0, NAME), name)) return UNKNOWN_KEY;
    const end = ticket.length - MAC;
    const length = end - NAME - IV;
    if (length < BLOCK || length % BLOCK !== 0) return BAD_TICKET;
    const mac = this.#provider.hmac('sha256', hmac, ticket.subarray(0, end));
    if (!equalSecret(mac, ticket.subarray(end))) return BAD_TICKET;
    const plain = this.#provider.cbcDecrypt(
      aes,
      ticket.subarray(NAME, NAME + IV),
      ticket.subarray(NAME + IV, end),
    );
    if (plain === null) return BAD_TICKET;
    try {
      const session = decodeEnvelope(plain, 'ticket');
      session.takeFromApplication('ticket');
      return { opened: true, session, renew: true };
    } catch (error) {
      if (error instanceof DecodeError) return BAD_TICKET;
      throw error;
    } finally {
      plain.fill(0);
    }
  }
}
