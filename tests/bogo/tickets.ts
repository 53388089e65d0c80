/**
 * What the connections of one shim process share: a key for tickets, the sessions by id, and a clock that
 * moves only when the runner says so.
 */
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { decodeSession, encodeSession } from '../../src/session/der.ts';
import { decodeEnvelope, encodeEnvelope, isEnvelope } from '../../src/session/envelope.ts';
import { concatBytes, equalBytes, equalSecret, toHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';

const NAME_LENGTH = 16;
const IV_LENGTH = 16;
const MAC_LENGTH = 32;

/** Starts at the machine's hour and goes on by itself only in whole steps of `-resumption-delay`. */
export class SteppedClock implements Clock {
  #nowMs: number = Date.now();

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  advance(seconds: number): void {
    this.#nowMs += seconds * 1000;
  }
}

/**
 * OpenSSL's ticket format with BoringSSL's key layout, name ‖ HMAC key ‖ AES key of 16 bytes each: the
 * runner opens, changes and closes these tickets by itself. With a key of the runner's the content is plain DER, which
 * is what it can change; otherwise an envelope, as the library's own tickets have it.
 */
export class TicketBox {
  readonly #name: Uint8Array;
  readonly #macKey: Uint8Array;
  readonly #encryptionKey: Uint8Array;
  readonly #plainDer: boolean;

  constructor(key: Uint8Array | null) {
    const all = key ?? nodeProvider.random(48);
    this.#name = all.slice(0, 16);
    this.#macKey = all.slice(16, 32);
    this.#encryptionKey = all.slice(32, 48);
    this.#plainDer = key !== null;
  }

  seal(session: SessionCore): Uint8Array {
    const content = this.#plainDer ? encodeSession(session) : encodeEnvelope(session);
    const iv = nodeProvider.random(IV_LENGTH);
    const sealed = concatBytes(this.#name, iv, nodeProvider.cbcEncrypt(this.#encryptionKey, iv, content));
    return concatBytes(sealed, nodeProvider.hmac('sha256', this.#macKey, sealed));
  }

  /** Null for a ticket of another key; 'bad' for one that was damaged. The session has the library's reference. */
  open(ticket: Uint8Array, nowMs: number): SessionCore | null | 'bad' {
    if (!equalBytes(ticket.subarray(0, NAME_LENGTH), this.#name)) return null;
    const end = ticket.length - MAC_LENGTH;
    if (end < NAME_LENGTH + 2 * IV_LENGTH) return 'bad';
    const mac = nodeProvider.hmac('sha256', this.#macKey, ticket.subarray(0, end));
    if (!equalSecret(mac, ticket.subarray(end))) return 'bad';
    const iv = ticket.subarray(NAME_LENGTH, NAME_LENGTH + IV_LENGTH);
    const content = nodeProvider.cbcDecrypt(
      this.#encryptionKey,
      iv,
      ticket.subarray(NAME_LENGTH + IV_LENGTH, end),
    );
    if (content === null) return 'bad';
    try {
      const session = isEnvelope(content) ? decodeEnvelope(content) : decodeSession(content, nowMs);
      session.takeFromApplication('open-ticket');
      return session;
    } catch {
      return 'bad';
    }
  }
}

/** Sessions under their ids, each with one reference of the library's. */
export class SessionShelf {
  readonly #sessions = new Map<string, SessionCore>();

  put(session: SessionCore): void {
    const key = toHex(session.field(Field.id, 'bogo'));
    session.retain('bogo');
    this.#sessions.get(key)?.release('bogo');
    this.#sessions.set(key, session);
  }

  /** With one more reference for whoever asked. */
  get(id: Uint8Array): SessionCore | null {
    const session = this.#sessions.get(toHex(id)) ?? null;
    session?.retain('bogo');
    return session;
  }

  clear(): void {
    for (const session of this.#sessions.values()) session.release('bogo');
    this.#sessions.clear();
  }
}
