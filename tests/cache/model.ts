/**
 * What a context's cache must do, written as plainly as it can be: arrays, linear searches, no cleverness.
 * tests/cache/model.test.ts runs it beside the real one.
 */

export const MAX_DEPTH = 32;
export const UPDATE_TIME = 0x400;

export interface ModelSession {
  readonly label: string;
  readonly key: string;
  readonly emptyId: boolean;
  /** Two sessions over one body have the same object here. */
  readonly body: object;
  app: number;
  lib: number;
  timeMs: number;
  timeoutSec: number;
  marked: boolean;
  owner: ModelCache | null;
  ended: boolean;
}

export const expiry = (session: ModelSession): number => session.timeMs + session.timeoutSec * 1000;

export class ModelCache {
  /** Least recently used first. */
  entries: ModelSession[] = [];
  size = 0;
  mode = 0;
  onRemove: ((session: ModelSession) => void) | null = null;
  /** True keeps the reference. */
  onNew: ((session: ModelSession) => boolean) | null = null;
  /** A session, and whether its reference is the application's still. */
  onGet: (() => { session: ModelSession; copy: boolean } | null) | null = null;
  stats = {
    added: 0,
    replaced: 0,
    cacheFull: 0,
    evictedExpired: 0,
    evictedLeastRecent: 0,
    flushed: 0,
    removed: 0,
    misses: 0,
    cbHits: 0,
    callbackErrors: 0,
  };
  readonly now: () => number;
  depth = 0;

  constructor(now: () => number) {
    this.now = now;
  }

  find(key: string): ModelSession | null {
    return this.entries.find((entry) => entry.key === key) ?? null;
  }

  use(key: string): ModelSession | null {
    const found = this.find(key);
    if (found !== null) this.entries = [...this.entries.filter((entry) => entry !== found), found];
    return found;
  }

  add(session: ModelSession): 'added' | 'replaced' | 'present' {
    this.#guard();
    const there = this.find(session.key);
    const twin = session.owner !== null && there !== null && there.body === session.body;
    if (there !== null && (there === session || twin)) {
      if (this.mode & UPDATE_TIME) there.timeMs = this.now();
      return 'present';
    }
    let held = session;
    if (session.owner === null) session.lib++;
    else held = { ...session, label: `${session.label}'`, app: 0, lib: 1, owner: null };
    if (this.mode & UPDATE_TIME) held.timeMs = this.now();
    const out: ModelSession[] = [];
    if (there !== null) {
      this.#take(there);
      this.stats.replaced++;
    } else if (this.size > 0) {
      while (this.entries.length >= this.size) {
        const expired = this.#byExpiry().find((entry) => this.now() > expiry(entry));
        const goes = expired ?? (this.entries[0] as ModelSession);
        this.stats.cacheFull++;
        if (expired) this.stats.evictedExpired++;
        else this.stats.evictedLeastRecent++;
        out.push(this.#take(goes));
      }
    }
    this.entries.push(held);
    held.owner = this;
    this.stats.added++;
    const errors: unknown[] = [];
    if (there !== null) drop(there);
    for (const gone of out) {
      this.#tell(gone, errors);
      drop(gone);
    }
    if (errors.length > 0) throw errors[0];
    return there === null ? 'added' : 'replaced';
  }

  remove(session: ModelSession): boolean {
    this.#guard();
    if (session.emptyId) return false;
    const found = this.find(session.key);
    if (found !== null) {
      this.#take(found);
      this.stats.removed++;
    }
    session.marked = true;
    const errors: unknown[] = [];
    if (this.onRemove !== null) {
      session.lib++;
      this.#tell(session, errors);
      drop(session);
    }
    if (found !== null) drop(found);
    if (errors.length > 0) throw errors[0];
    return found !== null;
  }

  flush(nowMs: number | null): number {
    this.#guard();
    // Without a time the order is that of use; either way the callback hears of the earliest expiry first.
    const out = nowMs === null ? [...this.entries] : this.entries.filter((entry) => nowMs > expiry(entry));
    for (const gone of out) {
      this.#take(gone);
      gone.marked = true;
    }
    this.stats.flushed += out.length;
    const errors: unknown[] = [];
    if (this.onRemove !== null) out.sort((a, b) => expiry(a) - expiry(b));
    for (const gone of out) {
      this.#tell(gone, errors);
      drop(gone);
    }
    if (errors.length > 0) throw errors[0];
    return out.length;
  }

  /** What a server does with an id; a session comes with a reference of the library's. */
  lookup(key: string): ModelSession | string {
    const found = this.use(key);
    if (found !== null) {
      found.lib++;
      if (this.now() <= expiry(found)) return found;
      this.#quietly(() => this.remove(found));
      drop(found);
      return 'expired';
    }
    this.stats.misses++;
    if (this.onGet === null) return 'not-found';
    let answer: ReturnType<NonNullable<ModelCache['onGet']>>;
    this.depth++;
    try {
      answer = this.onGet();
    } catch {
      this.stats.callbackErrors++;
      return 'store-failed';
    } finally {
      this.depth--;
    }
    if (answer === null) return 'not-found';
    const { session, copy } = answer;
    if (session.ended || (!copy && session.app === 0)) {
      this.stats.callbackErrors++;
      return 'store-failed';
    }
    if (!copy) session.app--;
    session.lib++;
    if (session.marked) {
      drop(session);
      return 'not-resumable';
    }
    this.stats.cbHits++;
    this.#quietly(() => this.add(session));
    return session;
  }

  /** A server's handshake made a session. */
  established(session: ModelSession): void {
    if (session.emptyId || session.marked) return;
    this.#quietly(() => this.add(session));
    if (this.onNew === null || session.ended) return;
    session.app++;
    const held = session.app;
    let keeps: boolean;
    this.depth++;
    try {
      keeps = this.onNew(session);
    } catch {
      this.stats.callbackErrors++;
      keeps = session.app < held;
    }
    this.depth--;
    if (keeps) return;
    this.#quietly(() => free(session));
  }

  #quietly(step: () => unknown): void {
    try {
      step();
    } catch {}
  }

  #byExpiry(): ModelSession[] {
    return [...this.entries].sort((a, b) => expiry(a) - expiry(b));
  }

  #take(session: ModelSession): ModelSession {
    this.entries = this.entries.filter((entry) => entry !== session);
    session.owner = null;
    return session;
  }

  #tell(session: ModelSession, errors: unknown[]): void {
    if (this.onRemove === null) return;
    this.depth++;
    try {
      this.onRemove(session);
    } catch (error) {
      this.stats.callbackErrors++;
      errors.push(error);
    }
    this.depth--;
  }

  #guard(): void {
    if (this.depth >= MAX_DEPTH) throw new Error('too deep');
  }
}

/** One reference of the library's less. */
export function drop(session: ModelSession): void {
  session.lib--;
  end(session);
}

/** One reference of the application's less; throws when it has none. */
export function free(session: ModelSession): void {
  if (session.app === 0) throw new Error('over-free');
  session.app--;
  end(session);
}

function end(session: ModelSession): void {
  if (session.app + session.lib === 0) session.ended = true;
}
