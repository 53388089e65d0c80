/** Contexts and sessions for the tests of one file, given back after each of them. */
import { afterEach } from 'vitest';
import type { LookupResult } from '../../src/cache/outside-lookup.ts';
import {
  type EstablishedSession,
  SessionContext,
  type SessionContextOptions,
} from '../../src/cache/session-context.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { makeSession, TestClock } from './sessions.ts';

export const seed: Uint8Array = new Uint8Array(8).fill(5);
export const made: SessionCore[] = [];
const contexts: SessionContext[] = [];

export function session(sketch: Parameters<typeof makeSession>[0]): SessionCore {
  const core = makeSession(sketch);
  made.push(core);
  return core;
}

export function context(options: Partial<SessionContextOptions> = {}): SessionContext {
  const made = new SessionContext({ seed, clock: new TestClock(), reportError: throwing, ...options });
  contexts.push(made);
  return made;
}

export function throwing(error: unknown): void {
  throw error;
}

/** What a test made is given back; the harness then counts that nothing lives. */
afterEach(() => {
  for (const each of contexts.splice(0)) {
    each.callbacks.onRemove = null;
    each.clear();
  }
  for (const each of made.splice(0)) while (each.applicationReferences > 0) each.free();
});

export const server: EstablishedSession = {
  role: 'server',
  resumed: false,
  verifiesPeer: false,
  singleUse: false,
  noTickets: false,
};

export async function settled(
  result: LookupResult | PromiseLike<LookupResult>,
): Promise<[string | null, string | null]> {
  const { session, from, reason } = await result;
  session?.release('test');
  return [from, reason];
}
