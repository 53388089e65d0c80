/** Client: the session that a connection offers to resume, and where those come from and go to. */
import { type Awaitable, isPromiseLike } from '../cache/awaitable.ts';
import type { ClientSessions, TakenSession } from '../cache/client-session-cache.ts';
import type { ClientSessionKey } from '../cache/client-session-key.ts';
import { whyNotOffer } from '../handshake/client/offer.ts';
import type { ClientConfig } from '../handshake/config.ts';
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { rememberTicket } from './used-tickets.ts';

/** A cache of sessions, and what this connection's are kept under. */
export interface SessionPlace {
  readonly cache: ClientSessions;
  readonly key: ClientSessionKey;
}

const STORE_FAILED: TakenSession = { session: null, reason: 'store-failed' };

/** One that may be offered, with a reference for the caller to release. A store that fails is a miss. */
export function takeFrom({ cache, key }: SessionPlace, config: ClientConfig): Awaitable<TakenSession> {
  const fits = (session: SessionCore): ResumptionReason | null => {
    const reason = whyNotOffer(config, session, config.clock.wallMs());
    // The peer of one that does not say what it is bound to is checked again.
    return reason === 'unbound' ? null : reason;
  };
  try {
    const taken = cache.take(key, fits);
    return isPromiseLike(taken) ? taken.then(undefined, () => STORE_FAILED) : taken;
  } catch {
    return STORE_FAILED;
  }
}

/** A cache that cannot keep it costs a resumption, and has ways of its own to say so. */
export function keepIn({ cache, key }: SessionPlace, session: SessionCore): void {
  try {
    const kept = cache.put(key, session);
    if (isPromiseLike(kept)) kept.then(undefined, () => {});
  } catch {}
}

/** Holds the one reference of what is offered, until the engine has it. */
export class SessionOffer {
  #session: SessionCore | null;

  /** Takes over a library reference. */
  constructor(session: SessionCore | null) {
    this.#session = session;
  }

  get session(): SessionCore | null {
    return this.#session;
  }

  /** Takes over a library reference, and gives back the one before. */
  replace(session: SessionCore | null): void {
    this.#session?.release('connect');
    this.#session = session;
  }

  /** Gives it back once it has been offered, or, with `over`, since it never will be. */
  settle(over: boolean): void {
    const session = this.#session;
    if (session === null || !(over || session.body('connect').wasOffered)) return;
    this.#session = null;
    rememberTicket(session);
    session.release('connect');
  }
}
