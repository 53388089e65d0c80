import type { SessionCore } from '../session/core.ts';

/**
 * The sessions of an SSL, one library reference each: the current one, the one that its handshake was begun with,
 * and those that were given to it until its connection ends.
 */
export class HeldSessions {
  #current: SessionCore | null = null;
  /** What the engine last had as its session; it becomes the current one when that changes. */
  #engines: SessionCore | null = null;
  #offered: SessionCore | null = null;
  readonly #kept: SessionCore[] = [];

  /** Borrowed, as all that is handed out here. */
  get current(): SessionCore | null {
    return this.#current;
  }

  set current(session: SessionCore | null) {
    // First the new one's reference: it may be the very session that is dropped.
    session?.retain('SSL_set_session');
    const before = this.#current;
    this.#current = session;
    before?.release('SSL_set_session');
  }

  get offered(): SessionCore | null {
    return this.#offered;
  }

  /** The current session, after what the engine has now. */
  follow(engines: SessionCore | null): SessionCore | null {
    if (engines !== null && engines !== this.#engines) {
      this.#engines = engines;
      this.current = engines;
    }
    return this.#current;
  }

  /** A client begins a handshake with the current session, if there is one. */
  offer(): SessionCore | null {
    this.#current?.retain('SSL_connect');
    this.#offered?.release('SSL_connect');
    this.#offered = this.#current;
    return this.#offered;
  }

  /** Takes over a library reference, until the connection ends. */
  keep(session: SessionCore): void {
    this.#kept.push(session);
  }

  /** The connection is over: the current one stays. */
  endConnection(): void {
    this.#engines = null;
    this.#offered?.release('SSL_connect');
    this.#offered = null;
    for (const session of this.#kept.splice(0)) session.release('psk_use_session');
  }
}
