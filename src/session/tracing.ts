/**
 * Where references come from and where they go. Off, it costs one comparison with null a call. On (by
 * `setReferenceTracing(true)` or `TLSESSION_TRACE_REFS=1` in the environment when the library is loaded),
 * every reference taken or dropped is kept with its stack, error messages quote them, and sessions that
 * the garbage collector finds with references outstanding are listed in `leakReport()`.
 */

import { SESSION_LIMITS } from '../util/limits.ts';

export type ReferenceEvent = 'taken' | 'dropped';
export type ReferenceOwner = 'application' | 'library';

export interface TracedReference {
  readonly event: ReferenceEvent;
  /** The function that took or dropped it, e.g. `SSL_SESSION_up_ref`. */
  readonly call: string;
  /** Whose reference it is. */
  readonly owner: ReferenceOwner;
  /** The caller's stack, innermost first, without this library's tracing frames. */
  readonly stack: string;
}

export interface Leak {
  /** As in error messages: `session #12`, or `a handle on session #12`. */
  readonly session: string;
  /** References that were never given back. For a handle, its one. */
  readonly application: number;
  readonly library: number;
  readonly references: readonly TracedReference[];
}

export class ReferenceLog {
  readonly session: string;
  readonly events: TracedReference[] = [];
  application = 0;
  library = 0;
  /** How many of the application's are held by handles, each of which reports itself. */
  handles = 0;

  constructor(session: string) {
    this.session = session;
  }

  note(event: ReferenceEvent, owner: ReferenceOwner, call: string): void {
    const step = event === 'taken' ? 1 : -1;
    if (owner === 'application') this.application += step;
    else this.library += step;
    if (this.events.length === SESSION_LIMITS.tracedEvents) this.events.splice(1, 1);
    this.events.push({ event, owner, call, stack: callerStack() });
  }

  describe(): string {
    const lines = this.events.map(
      ({ event, owner, call, stack }) => `  ${event} (${owner}) by ${call}\n${stack}`,
    );
    return lines.length === 0 ? '' : `\nreferences of ${this.session}, oldest first:\n${lines.join('\n')}`;
  }
}

/** How many callers of a reference are kept. */
const STACK_LINES = 8;

interface StackLimited {
  stackTraceLimit?: number;
}

function callerStack(): string {
  const errors = Error as StackLimited;
  const limit = errors.stackTraceLimit;
  // Some of the innermost frames are this library's own: ask for more than are kept.
  errors.stackTraceLimit = STACK_LINES + 4;
  const stack = new Error().stack ?? '';
  if (limit === undefined) delete errors.stackTraceLimit;
  else errors.stackTraceLimit = limit;
  // The first four lines are `Error`, this function, `note`, and the session's own method.
  const lines = stack.split('\n').slice(4, 4 + STACK_LINES);
  return lines.map((line) => `  ${line}`).join('\n');
}

interface Environment {
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
}

let tracing = (globalThis as Environment).process?.env?.['TLSESSION_TRACE_REFS'] === '1';
const leaks: Leak[] = [];

const collected: FinalizationRegistry<ReferenceLog> = new FinalizationRegistry((log) => {
  const application = log.application - log.handles;
  if (application + log.library === 0 || leaks.length === SESSION_LIMITS.leaks) return;
  leaks.push({
    session: log.session,
    application,
    library: log.library,
    references: log.events,
  });
});

/** Turns tracing on or off for objects made from now on. */
export function setReferenceTracing(on: boolean): void {
  tracing = on;
}

export function isReferenceTracing(): boolean {
  return tracing;
}

/** A log for a new object, or null when tracing is off. */
export function startLog(owner: object, session: string): ReferenceLog | null {
  if (!tracing) return null;
  const log = new ReferenceLog(session);
  collected.register(owner, log);
  return log;
}

/**
 * Sessions and handles that were collected while references to them were outstanding, oldest first, since
 * the last call. Only what was made with tracing on can be listed, and only after the collector ran.
 */
export function leakReport(): readonly Leak[] {
  return leaks.splice(0, leaks.length);
}
