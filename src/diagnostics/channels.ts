/**
 * What the library tells whoever watches it: four channels, each with one type of message. The engine knows
 * only this interface, which a channel of node:diagnostics_channel has as it is; `net/diagnostics.ts` connects
 * the two under the names `tlsession:handshake`, `:resumption`, `:cache` and `:ticket-key`.
 *
 * No message is made where nobody subscribes. None holds a secret, a session id, a ticket or a certificate.
 */
import type { EarlyDataReason, ResumptionReason } from '../session/resumption-reason.ts';

/** Where messages of one type go. A subscriber that throws is its own affair: `publish` never does. */
export interface Channel<Message> {
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
}

export type Role = 'client' | 'server';

/**
 * What a client showed to be resumed: a TLS 1.2 session id or ticket, or pre-shared keys of TLS 1.3. A hello
 * may hold more; this is what was looked at first, or what could not count in the version that was chosen.
 */
export type ResumptionOffer = 'none' | 'session-id' | 'ticket' | 'psk';

/**
 * By what a connection was resumed. A `stateful-ticket` names a session in a cache; to a client it is a
 * ticket as any other.
 */
export type ResumptionMethod = 'session-id' | 'ticket' | 'stateful-ticket' | 'external-psk';

/** `tlsession:handshake`: a handshake was completed, or failed after it began. */
export interface HandshakeMessage {
  /** The context's number, its cache's `id`: unlike that of any other in this thread. */
  readonly context: number;
  readonly role: Role;
  readonly completed: boolean;
  /** `TLSv1.3`; null when it failed before a version was chosen. */
  readonly protocol: string | null;
  /** The suite's name in the IANA registry; null likewise. */
  readonly cipher: string | null;
  /** The group of the key exchange; null for none. */
  readonly group: string | null;
  /** The name that the client asked for. */
  readonly serverName: string | null;
  /** The application protocol agreed on. */
  readonly alpn: string | null;
  readonly resumed: boolean;
  readonly helloRetryRequest: boolean;
  /** Why it failed: a reason of the closed list of failures (docs/diagnostics.md), or the code of another error. Null when it was completed. */
  readonly failure: string | null;
  /** The alert that went out or came in, by its name in RFC 8446, 6; null for none. */
  readonly alert: string | null;
  readonly alertFrom: 'local' | 'peer' | null;
  /** From its first byte to its end, in milliseconds; null when nobody subscribed as it began. */
  readonly durationMs: number | null;
}

/** `tlsession:resumption`: what was offered in a handshake that was completed, what came of it, and why. */
export interface ResumptionMessage {
  /** The context's number, as in `HandshakeMessage`. */
  readonly context: number;
  readonly role: Role;
  readonly protocol: string;
  readonly serverName: string | null;
  readonly offered: ResumptionOffer;
  readonly resumed: boolean;
  /** Null unless it was resumed. */
  readonly by: ResumptionMethod | null;
  /** Null when it was resumed. */
  readonly reason: ResumptionReason | null;
  readonly earlyDataOffered: boolean;
  readonly earlyDataAccepted: boolean;
  /** Null when it was accepted. */
  readonly earlyDataReason: EarlyDataReason | null;
  /** Server, TLS 1.3: how much older the client says its ticket is than this clock does, in milliseconds. Null without a ticket. */
  readonly ticketAgeSkewMs: number | null;
}

/** `tlsession:cache`: a look-up of a server, or a change of what a context's cache keeps. */
export interface CacheMessage {
  /** The context's number, as in `HandshakeMessage`. */
  readonly context: number;
  /**
   * `hit`, `miss` a look-up; `add` a session was put in; `replace` it took the place of another with its id;
   * `evict` sessions made way; `flush` they had expired or all were taken out; `remove` one was taken out.
   */
  readonly kind: 'hit' | 'miss' | 'add' | 'replace' | 'evict' | 'flush' | 'remove';
  /** Sessions that it is about. */
  readonly count: number;
  /** `evict`: how many of them had expired; 0 otherwise. */
  readonly expired: number;
  /** `hit`: who had it; null otherwise. */
  readonly from: 'cache' | 'callback' | 'store' | null;
  /** `miss`: why; null otherwise. */
  readonly reason: ResumptionReason | null;
  /** Sessions in the cache after it. */
  readonly number: number;
}

/** `tlsession:ticket-key`: a change in a keyring, which several contexts may use: its keys have names. */
export interface TicketKeyMessage {
  /** As in `TicketKeyEvent`. */
  readonly kind: 'created' | 'current' | 'previous' | 'wiped' | 'exhausted';
  readonly role: 'next' | 'current' | 'previous';
  /** The key's name in hexadecimal, which stands in clear in each of its tickets. */
  readonly name: string;
  readonly format: 'openssl' | 'aead';
  /** Tickets that it sealed here. */
  readonly seals: number;
  /** When it will be wiped, in milliseconds since 1970; null while that is not known. */
  readonly endMs: number | null;
  readonly atMs: number;
}

export interface Diagnostics {
  readonly handshake: Channel<HandshakeMessage>;
  readonly resumption: Channel<ResumptionMessage>;
  readonly cache: Channel<CacheMessage>;
  readonly ticketKey: Channel<TicketKeyMessage>;
}
