/** The lifetime of a TLS 1.3 ticket (RFC 8446, 4.6.1), from servers that keep to it and from one that does not. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { NewSessionTicket13 } from '../../src/wire/message/new-session-ticket.ts';
import { engineCredential, Memory, Pair } from '../support/engine-pair.ts';

const WEEK_SEC = 604_800;
let sent: number | null = null;

vi.mock('../../src/wire/message/new-session-ticket.ts', async (original) => {
  const real = await original<typeof import('../../src/wire/message/new-session-ticket.ts')>();
  return {
    ...real,
    writeNewSessionTicket13: (writer: never, ticket: NewSessionTicket13, grease: number) =>
      real.writeNewSessionTicket13(writer, { ...ticket, lifetimeSec: sent ?? ticket.lifetimeSec }, grease),
  };
});

const credential = await engineCredential();
const client = { minVersion: 0x0304, sessionTimeoutSec: 100 * WEEK_SEC };

afterEach(() => {
  sent = null;
});

describe('a ticket of TLS 1.3', () => {
  test('lives a week at most at the server, whatever its sessions live', () => {
    using memory = new Memory();
    using pair = new Pair(credential, { client, server: { sessionTimeoutSec: 2 * WEEK_SEC } }, memory).run();
    for (const session of [...pair.server.sessions, ...pair.client.sessions]) {
      expect(session.body('test').ticketLifetimeHint).toBe(WEEK_SEC);
    }
    expect([pair.server.sessions.length, pair.client.sessions.length]).toEqual([2, 2]);
  });

  test('that promises more is cut to a week by the client', () => {
    sent = 2 * WEEK_SEC;
    using memory = new Memory();
    using pair = new Pair(credential, { client }, memory).run();
    const [session] = pair.client.sessions;
    expect(session?.body('test').ticketLifetimeHint).toBe(WEEK_SEC);
    expect(session?.timeoutSec('test')).toBe(WEEK_SEC);
  });

  test('with a lifetime of zero is discarded at once', () => {
    sent = 0;
    using memory = new Memory();
    using pair = new Pair(credential, { client }, memory).run();
    expect([pair.client.error, pair.client.sessions.length, pair.server.sessions.length]).toEqual([
      null,
      0,
      2,
    ]);
  });
});
