/** Pairs that speak TLS 1.2, for tests of its handshakes and sessions. */
import { expect } from 'vitest';
import type { Job } from '../../src/handshake/jobs.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { ProtocolVersion } from '../../src/util/registries.ts';
import { engineCredential, type Memory, Pair, type PairOptions, text } from './engine-pair.ts';
import { readMessages, readRecords } from './wire.ts';

export const only12: { readonly minVersion: number; readonly maxVersion: number } = {
  minVersion: ProtocolVersion.TLS1_2,
  maxVersion: ProtocolVersion.TLS1_2,
};
/** Servers whose sessions come back by ticket, or by id. */
export const byTicket: { readonly sessionIds: true } = { sessionIds: true };
export const byId: { readonly sessionIds: true; readonly tickets: false } = {
  sessionIds: true,
  tickets: false,
};

const credential = await engineCredential();

/** The fault of an end, as far as the wire knows of it. */
export function fault(error: Error | null): { alert: number; reason: string | null; origin: string } | null {
  return error instanceof TlsAlertError
    ? { alert: error.alert, reason: error.reason, origin: error.origin }
    : null;
}

/** A connection of TLS 1.2. */
export function pairOf(memory: Memory, options: PairOptions): Pair {
  return new Pair(credential, { ...options, client: { ...only12, ...options.client } }, memory).run();
}

/** The client's session of a full handshake, with a reference of the test's own. */
export function firstSession(memory: Memory, options: PairOptions = {}): SessionCore {
  using pair = pairOf(memory, options);
  expect(pair.client.error ?? pair.server.error).toBeNull();
  const session = pair.client.sessions[0];
  if (session === undefined) throw new Error('no session came');
  session.retain('test');
  return session;
}

export function expectSound(pair: Pair): void {
  expect(pair.client.error ?? pair.server.error).toBeNull();
  pair.client.connection.write(text('c'));
  pair.server.connection.write(text('s'));
  pair.run();
  expect([pair.server.received, pair.client.received]).toEqual(['c', 's']);
}

/** Types of the handshake messages that the server sent in the clear. */
export function fromServer(pair: Pair): number[] {
  const types: number[] = [];
  for (const flight of pair.toClient) {
    for (const { type, payload } of readRecords(flight)) {
      if (type === 20) return types;
      if (type === 22) types.push(...readMessages(payload).map((message) => message[0] as number));
    }
  }
  return types;
}

export function jobsOf(pair: Pair, end: 'client' | 'server'): Job[] {
  return pair[end].events.flatMap((event) => (event.type === 'job' ? [event.job] : []));
}
