/**
 * What the connections of one shim process share: a ring of ticket keys, the sessions by id, and a clock that
 * moves only when the runner says so.
 */
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { readTicketKey } from '../../src/ticket/key-layouts.ts';
import { TicketKeyring } from '../../src/ticket/keyring.ts';
import { toHex } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';

/** When the runner's certificate for RSA was valid. */
export const WHEN_VALID_MS: number = Date.UTC(2016, 6, 20);

/** Starts at the machine's hour, or another, and goes on by itself only in whole steps of `-resumption-delay`. */
export class SteppedClock implements Clock {
  #nowMs: number;

  constructor(startMs: number = Date.now()) {
    this.#nowMs = startMs;
  }

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
 * The keyring of one process. A key of the runner's is in the layout that BoringSSL has in common with nginx, and
 * seals OpenSSL's form: the runner opens such tickets by itself, changes what is in them and seals them again.
 */
export function makeKeyring(key: Uint8Array | null, nowMs: number): TicketKeyring {
  const provider = nodeProvider;
  if (key === null) return TicketKeyring.create({ provider }, nowMs);
  const material = readTicketKey('nginx48', key);
  return TicketKeyring.create({ provider, keys: [{ role: 'current', material }] }, nowMs);
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
