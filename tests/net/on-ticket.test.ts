/**
 * The ticket callback's matrix on the idiomatic side: each decision, for a ticket that opened and for one that did
 * not, in both versions; whether the connection is resumed, and how many new tickets come. And keys that do not
 * last as long as what they seal.
 */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import {
  type ConnectOptions,
  connect,
  createSecureContext,
  type ServerOptions,
  type ShownTicket,
  type TicketDecision,
  TicketKeyring,
} from '../../src/entry/index.ts';
import { listen, trusting, visit } from './pair.ts';

/** Visits once more with a session, and says what came of it. */
async function come(
  options: ConnectOptions,
  session: Buffer,
): Promise<{ resumed: boolean; tickets: number; failed: boolean }> {
  const socket = connect({ ...options, session });
  let tickets = 0;
  let failed = false;
  socket.on('session', () => tickets++);
  socket.on('error', () => {
    failed = true;
  });
  socket.on('data', () => socket.end());
  socket.write('hello');
  await new Promise((done) => socket.once('close', done));
  return { resumed: socket.isSessionReused(), tickets, failed };
}

const NO = { resumed: false, failed: false };
const YES = { resumed: true, failed: false };
const FATAL = { resumed: false, tickets: 0, failed: true };

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  const tls13 = version === 'TLSv1.3';
  const full = tls13 ? 2 : 1;

  test.each([
    ['use', { ...YES, tickets: 0 }, FATAL],
    // TLS 1.2: the renewed ticket keeps the session's own life, and is a session for the client all the same.
    ['use-renew', { ...YES, tickets: 1 }, FATAL],
    ['ignore', { ...NO, tickets: 0 }, { ...NO, tickets: 0 }],
    ['ignore-renew', { ...NO, tickets: full }, { ...NO, tickets: full }],
    ['abort', FATAL, FATAL],
    ['nonsense', FATAL, FATAL],
    ['throws', FATAL, FATAL],
  ] as const)('%s', async (decision, opened, unopened) => {
    const shown: Omit<ShownTicket, 'session'>[] = [];
    const held: boolean[] = [];
    const onTicket = ({ session, ...rest }: ShownTicket): TicketDecision => {
      shown.push(rest);
      held.push(session !== null);
      if (decision === 'throws') throw new Error('no');
      return decision as TicketDecision;
    };
    const policy: ServerOptions = { minVersion: version, maxVersion: version, onTicket };
    await using server = await listen(policy);
    const options = await trusting(server.port, { minVersion: version, maxVersion: version });
    const { sessions } = await visit(options, 'hello', full);
    expect(shown).toEqual([]);
    const outcome = await come(options, sessions[0] as Buffer);
    // A TLS 1.2 server that sends no id and no ticket leaves nothing to come back with; with an id it does.
    const byId = !tls13 && !opened.failed && !opened.resumed && opened.tickets === 0 ? 1 : 0;
    expect(outcome).toEqual({ ...opened, tickets: opened.tickets + byId });
    // The same of a ticket whose key is gone.
    server.server.context.tickets.ring.install(
      [{ role: 'current', material: { format: 'aead', name: new Uint8Array(16), key: new Uint8Array(32) } }],
      Date.now(),
      { forget: true },
    );
    const again = await come(options, (tls13 ? sessions[1] : sessions[0]) as Buffer);
    const byIdAgain = !tls13 && !unopened.failed && unopened.tickets === 0 ? 1 : 0;
    expect(again).toEqual({ ...unopened, tickets: unopened.tickets + byIdAgain });
    const number = tls13 ? 0x0304 : 0x0303;
    expect(shown).toEqual([
      { reason: null, renew: false, version: number },
      { reason: 'unknown-key', renew: false, version: number },
    ]);
    expect(held).toEqual([true, false]);
  });
});

test('keys that end before the sessions do are refused, those of a ring too', () => {
  using keyring = TicketKeyring.create({ provider: nodeProvider, ticketLifetimeSec: 3600 }, Date.now());
  expect(() => createSecureContext({ ticketKeyring: keyring, sessionTimeout: 3601 })).toThrow(/3600 s/);
  createSecureContext({ ticketKeyring: keyring, sessionTimeout: 3600 }).destroy();
});

test("a context's own keys last as long as its longest tickets", () => {
  for (const sessionTimeout of [300, 7200, 14 * 86_400, 2 ** 31 - 1]) {
    using context = createSecureContext({ sessionTimeout });
    expect(context.tickets.ring.ticketLifetimeSec).toBe(sessionTimeout);
  }
});
