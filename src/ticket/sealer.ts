import type { ResumptionReason } from '../session/resumption-reason.ts';

/**
 * How a ticket is protected: `openssl` is OpenSSL's own form, for keys that other programs share; `aead` is
 * tlsession's.
 */
export type TicketFormat = 'openssl' | 'aead';

/** What exactly is wrong with a ticket that does not open. For logs and tests: the reason is for decisions. */
export type TicketFault =
  | 'empty'
  /** Shorter than the shortest ticket, or not a whole number of cipher blocks. */
  | 'bad-length'
  | 'no-such-key'
  /** It names a key, and is not what that key sealed. */
  | 'bad-mac'
  /** It authenticates, and its padding is wrong all the same: made by another program, and broken there. */
  | 'bad-padding';

export type TicketOpenResult =
  | {
      readonly opened: true;
      /** What was sealed, in memory of its own: the caller's to wipe. */
      readonly plaintext: Uint8Array;
      /** True when the key seals no more: a new ticket should go out before this one dies with it. */
      readonly renew: boolean;
      readonly format: TicketFormat;
    }
  | {
      readonly opened: false;
      readonly reason: Extract<ResumptionReason, 'empty-ticket' | 'unknown-key' | 'bad-ticket'>;
      readonly fault: TicketFault;
    };

/** Seals and opens tickets. What is in them is not its business. */
export interface TicketSealer {
  /** The form in which `seal` makes tickets at present. */
  readonly format: TicketFormat;
  /**
   * A ticket with `plaintext` in it, up to 0xff00 bytes; null when no ticket can be made now: the plaintext is
   * longer, or no key may seal. `plaintext` is only read.
   * @param nowMs milliseconds since 1970.
   */
  seal(plaintext: Uint8Array, nowMs: number): Uint8Array | null;
  /** Never throws for anything in `ticket`. */
  open(ticket: Uint8Array, nowMs: number): TicketOpenResult;
}

/** A sealer whose keys come from elsewhere, where one may have come meanwhile. */
export interface SharedTicketSealer extends TicketSealer {
  /** The longest life of a ticket that the keys are kept for, in seconds. */
  readonly ticketLifetimeSec: number;
  /** A ticket named a key that is not known: looks for it. Whether any was found. Never rejects. */
  refresh(): boolean | PromiseLike<boolean>;
}

/** OpenSSL's limit for what is in a ticket, which leaves room for the rest within the 65535 bytes of the wire. */
export const MAX_TICKET_PLAINTEXT = 0xff00;
