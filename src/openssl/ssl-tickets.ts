/**
 * Tickets under OpenSSL's names: SSL_CTX_set_tlsext_ticket_keys(3), SSL_CTX_set_tlsext_ticket_key_evp_cb(3),
 * SSL_CTX_set_session_ticket_cb(3), SSL_CTX_set_num_tickets(3). The whole matrix of what the two callbacks
 * may return is in this file.
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import type { OpenTicketAnswer } from '../handshake/jobs.ts';
import { Field } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { decodeSession, encodeSession } from '../session/der.ts';
import { readTicketKey, writeTicketKey } from '../ticket/key-layouts.ts';
import { generateKeyMaterial, type OpensslTicketKey, wipeKeyMaterial } from '../ticket/key-material.ts';
import { TicketKeyring } from '../ticket/keyring.ts';
import { ticketCipher } from '../ticket/ticket-cipher.ts';
import type { Clock } from '../util/clock.ts';
import { TlsAlertError, TlsessionError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { ERR_LIB_SSL, ERR_R_PASSED_INVALID_ARGUMENT, raise } from './err.ts';
import type { SSL, Ssl } from './ssl.ts';
import { type SSL_CTX, setTicketMaker } from './ssl-ctx.ts';
import { SSL_R_INVALID_TICKET_KEYS_LENGTH } from './ssl-reason-codes.ts';
import type { SSL_SESSION } from './types.ts';

/** A session that came out of a ticket or not; what the decrypt callback sees. */
export const SSL_TICKET_FATAL_ERR_MALLOC = 0;
export const SSL_TICKET_FATAL_ERR_OTHER = 1;
export const SSL_TICKET_NONE = 2;
export const SSL_TICKET_EMPTY = 3;
export const SSL_TICKET_NO_DECRYPT = 4;
export const SSL_TICKET_SUCCESS = 5;
export const SSL_TICKET_SUCCESS_RENEW = 6;

/** What the decrypt callback returns. */
export const SSL_TICKET_RETURN_ABORT = 0;
export const SSL_TICKET_RETURN_IGNORE = 1;
export const SSL_TICKET_RETURN_IGNORE_RENEW = 2;
export const SSL_TICKET_RETURN_USE = 3;
export const SSL_TICKET_RETURN_USE_RENEW = 4;

/** The keys that a key callback sets up: in C, by EVP_EncryptInit_ex and EVP_MAC_CTX_set_params. */
export interface TicketKeyAnswer {
  /** <0 fatal; 0 no key: ignore the ticket, or send none; 1 use; 2 use and renew. */
  readonly ret: number;
  /** 16 bytes; when encrypting it names the key. When decrypting it is not read. */
  readonly keyName?: Uint8Array;
  /** 16 or 32 bytes, for AES-CBC. */
  readonly aesKey?: Uint8Array;
  /** For HMAC-SHA256. */
  readonly hmacKey?: Uint8Array;
}

/** `keyName` is the ticket's when decrypting (`enc` 0), and null when encrypting (`enc` 1). */
export type SSL_ticket_key_cb = (ssl: SSL, keyName: Uint8Array | null, enc: 0 | 1) => TicketKeyAnswer;
/** Before a session goes into a ticket: may set its appdata. 0 ends the handshake. */
export type SSL_CTX_generate_session_ticket_fn = (ssl: SSL, arg: unknown) => number;
/** `session` is null unless the status is a success; borrowed. Returns one of SSL_TICKET_RETURN_*. */
export type SSL_CTX_decrypt_session_ticket_fn = (
  ssl: SSL,
  session: SSL_SESSION | null,
  keyName: Uint8Array,
  status: number,
  arg: unknown,
) => number;

const NO_NAME = new Uint8Array(0);

/** A context's tickets: its keys, and what the program says about them. */
export class TicketCallbacks {
  readonly #provider: CryptoProvider;
  readonly #clock: Clock;
  #keys: OpensslTicketKey;
  #ring: TicketKeyring;
  keyCallback: SSL_ticket_key_cb | null = null;
  generate: SSL_CTX_generate_session_ticket_fn | null = null;
  decrypt: SSL_CTX_decrypt_session_ticket_fn | null = null;
  arg: unknown = null;

  constructor(provider: CryptoProvider, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
    this.#keys = generateKeyMaterial(provider.random.bind(provider), 'openssl') as OpensslTicketKey;
    this.#ring = this.#makeRing();
  }

  get keys(): OpensslTicketKey {
    return this.#keys;
  }

  /** The tickets of the keys before do not open any more, as in C. */
  set keys(keys: OpensslTicketKey) {
    this.destroy();
    this.#keys = keys;
    this.#ring = this.#makeRing();
  }

  #makeRing(): TicketKeyring {
    const nowMs = this.#clock.wallMs();
    return TicketKeyring.create(
      {
        provider: this.#provider,
        format: 'openssl',
        ticketLifetimeSec: 1,
        keys: [{ role: 'current', material: this.#keys, createdMs: nowMs, activeMs: nowMs }],
      },
      nowMs,
    );
  }

  destroy(): void {
    this.#ring.destroy();
    wipeKeyMaterial(this.#keys);
  }

  /**
   * Tells the program that a ticket is about to be made: its last chance to change the session. In TLS 1.3 also
   * where the ticket is only the name of a session in the cache. @throws {TlsAlertError} where it refuses.
   */
  announce(ssl: Ssl): void {
    if (this.generate !== null && this.generate(ssl, this.arg) === 0) throw aborted();
  }

  /** Null: no ticket. @throws {TlsAlertError} where a callback ends the handshake. */
  seal(ssl: Ssl, session: SessionCore): Uint8Array | null {
    this.announce(ssl);
    const plain = encodeSession(session);
    try {
      if (this.keyCallback === null) return this.#ring.seal(plain, this.#clock.wallMs());
      const answer = this.keyCallback(ssl, null, 1);
      if (answer.ret < 0) throw aborted();
      if (answer.ret === 0) return null;
      return this.#withKeys(answer, (cipher) => cipher.seal(plain));
    } finally {
      plain.fill(0);
    }
  }

  /** `sessionId`: of the TLS 1.2 hello; the session gets it, for that is what the server's hello echoes. */
  open(ssl: Ssl, ticket: Uint8Array, version: number, sessionId: Uint8Array): OpenTicketAnswer {
    const { status, session, reason } = this.#decrypt(ssl, ticket, version);
    if (session !== null && version === ProtocolVersion.TLS1_2 && sessionId.length > 0) {
      session.setField(Field.id, sessionId, 'ticket');
    }
    if (this.decrypt === null) {
      if (session === null) return { opened: false, reason };
      return used(session, status === SSL_TICKET_SUCCESS_RENEW);
    }
    const keyName = ticket.length >= 16 ? ticket.slice(0, 16) : NO_NAME;
    let choice: number;
    try {
      choice = this.decrypt(ssl, session, keyName, status, this.arg);
    } catch (error) {
      session?.release('ticket callback');
      throw error;
    }
    switch (choice) {
      case SSL_TICKET_RETURN_USE:
      case SSL_TICKET_RETURN_USE_RENEW:
        if (session === null) throw aborted();
        return used(session, choice === SSL_TICKET_RETURN_USE_RENEW);
      case SSL_TICKET_RETURN_IGNORE:
      case SSL_TICKET_RETURN_IGNORE_RENEW:
        session?.release('ticket callback');
        return {
          opened: false,
          // Where there is nothing to refuse, the ticket says why.
          reason: session === null ? reason : 'refused-by-callback',
          sendNone: choice === SSL_TICKET_RETURN_IGNORE,
        };
      default:
        session?.release('ticket callback');
        throw aborted();
    }
  }

  #decrypt(ssl: Ssl, ticket: Uint8Array, version: number): Decrypted {
    if (ticket.length === 0) return NO_TICKET;
    if (this.keyCallback === null) {
      const opened = this.#ring.open(ticket, this.#clock.wallMs());
      if (!opened.opened) return unopened(opened.reason);
      // With default keys TLS 1.3 always renews, TLS 1.2 never.
      return this.#decrypted(opened.plaintext, version >= ProtocolVersion.TLS1_3);
    }
    // Shorter than a name, an IV and a MAC: nobody's.
    if (ticket.length < 64) return unopened('unknown-key');
    const keyName = ticket.slice(0, 16);
    const answer = this.keyCallback(ssl, keyName.slice(), 0);
    if (answer.ret < 0) throw aborted();
    if (answer.ret === 0) return unopened('unknown-key');
    const opened = this.#withKeys({ ...answer, keyName }, (cipher) => cipher.open(ticket));
    return typeof opened === 'string' ? unopened('bad-ticket') : this.#decrypted(opened, answer.ret === 2);
  }

  #decrypted(plain: Uint8Array, renew: boolean): Decrypted {
    const session = this.#read(plain);
    if (session === null) return unopened('bad-ticket');
    return { status: renew ? SSL_TICKET_SUCCESS_RENEW : SSL_TICKET_SUCCESS, session, reason: null };
  }

  #read(plain: Uint8Array): SessionCore | null {
    try {
      const session = decodeSession(plain, this.#clock.wallMs(), 'ticket');
      session.takeFromApplication('ticket');
      return session;
    } catch (error) {
      if (TlsessionError.is(error)) return null;
      throw error;
    } finally {
      plain.fill(0);
    }
  }

  #withKeys<T>(answer: TicketKeyAnswer, use: (cipher: ReturnType<typeof ticketCipher>) => T): T {
    const { keyName, aesKey, hmacKey } = answer;
    if (keyName?.length !== 16 || aesKey === undefined || hmacKey === undefined) throw aborted();
    const cipher = ticketCipher(this.#provider, this.#provider.random.bind(this.#provider), {
      format: 'openssl',
      name: keyName,
      aesKey,
      hmacKey,
    });
    try {
      return use(cipher);
    } finally {
      cipher.destroy();
    }
  }
}

type TicketReason = Extract<OpenTicketAnswer, { opened: false }>['reason'];

/** What is in a ticket, or why that is not known. `status`: what the program's callback is told. */
type Decrypted =
  | { readonly status: number; readonly session: SessionCore; readonly reason: null }
  | { readonly status: number; readonly session: null; readonly reason: TicketReason };

const NO_TICKET: Decrypted = { status: SSL_TICKET_EMPTY, session: null, reason: 'empty-ticket' };

function unopened(reason: TicketReason): Decrypted {
  return { status: SSL_TICKET_NO_DECRYPT, session: null, reason };
}

function used(session: SessionCore, renew: boolean): OpenTicketAnswer {
  return { opened: true, session, renew, sendNone: !renew };
}

function aborted(): TlsAlertError {
  return TlsAlertError.local('ticket-callback-abort');
}

setTicketMaker((provider, clock) => new TicketCallbacks(provider, clock));

/** 1; 0 and an error unless it is 80 bytes: name 16, HMAC key 32, AES key 32. Null returns 80. */
export function SSL_CTX_set_tlsext_ticket_keys(ctx: SSL_CTX, keys: Uint8Array | null): number {
  if (keys === null) return 80;
  if (keys.length !== 80) {
    raise(ERR_LIB_SSL, SSL_R_INVALID_TICKET_KEYS_LENGTH);
    return 0;
  }
  ctx.tickets.keys = readTicketKey('openssl80', keys);
  return 1;
}

/** The 80 bytes; `length` other than 80 is 0 in C, here null. */
export function SSL_CTX_get_tlsext_ticket_keys(ctx: SSL_CTX): Uint8Array {
  return writeTicketKey('openssl80', ctx.tickets.keys);
}

export function SSL_CTX_set_tlsext_ticket_key_evp_cb(
  ctx: SSL_CTX,
  callback: SSL_ticket_key_cb | null,
): number {
  ctx.tickets.keyCallback = callback;
  return 1;
}

/** The older name; C's two differ in the types of the contexts that the callback sets up. */
export const SSL_CTX_set_tlsext_ticket_key_cb: typeof SSL_CTX_set_tlsext_ticket_key_evp_cb =
  SSL_CTX_set_tlsext_ticket_key_evp_cb;

/** Always 1. */
export function SSL_CTX_set_session_ticket_cb(
  ctx: SSL_CTX,
  generate: SSL_CTX_generate_session_ticket_fn | null,
  decrypt: SSL_CTX_decrypt_session_ticket_fn | null,
  arg: unknown = null,
): number {
  ctx.tickets.generate = generate;
  ctx.tickets.decrypt = decrypt;
  ctx.tickets.arg = arg;
  return 1;
}

/** TLS 1.3 tickets after a full handshake; 2 by default. */
export function SSL_CTX_set_num_tickets(ctx: SSL_CTX, count: number): number {
  return setCount(ctx.settings, count);
}
export function SSL_CTX_get_num_tickets(ctx: SSL_CTX): number {
  return ctx.settings.numTickets;
}
export function SSL_set_num_tickets(ssl: SSL, count: number): number {
  return setCount(ssl.settings, count);
}
export function SSL_get_num_tickets(ssl: SSL): number {
  return ssl.settings.numTickets;
}

function setCount(settings: { numTickets: number }, count: number): number {
  if (!Number.isInteger(count) || count < 0) {
    raise(ERR_LIB_SSL, ERR_R_PASSED_INVALID_ARGUMENT);
    return 0;
  }
  settings.numTickets = count;
  return 1;
}

/** 1 when a ticket was queued for the next write; 0 unless this is a TLS 1.3 server that is done. */
export function SSL_new_session_ticket(ssl: SSL): number {
  return ssl.newTicket() ? 1 : 0;
}
