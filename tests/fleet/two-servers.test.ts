/** Two servers that share nothing but a fleet: what a session was made on, and where it resumes. */
import { connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type ConnectOptions,
  createFleet,
  type Fleet,
  MemoryStore,
  type ServerOptions,
} from '../../src/entry/index.ts';
import { listen, type TestServer, trusting, visit } from '../net/pair.ts';

const secret = 'a secret of the fleet, 32 bytes or more';
const fleets: Fleet[] = [];
afterEach(async () => {
  for (const fleet of fleets.splice(0)) await fleet.close();
});

async function pair(options: ServerOptions = {}): Promise<[TestServer, TestServer]> {
  const store = new MemoryStore();
  const one = async (): Promise<TestServer> => {
    const fleet = createFleet({ store, secret });
    fleets.push(fleet);
    expect(await fleet.ready).toBe(true);
    return listen({ fleet, ...options });
  };
  return [await one(), await one()];
}

/** As through a balancer: one port for the client, whichever server is behind it. */
function through(site: TestServer, options: ConnectOptions): Promise<ConnectOptions> {
  return trusting(443, { ...options, socket: connectTcp(site.port, '127.0.0.1') });
}

const V12: ConnectOptions = { maxVersion: 'TLSv1.2' };
const V13: ConnectOptions = { minVersion: 'TLSv1.3' };
const cases: [string, ConnectOptions, ServerOptions][] = [
  ['TLS 1.2 by session id', V12, { statefulTickets: true }],
  ['TLS 1.2 by ticket', V12, {}],
  ['TLS 1.3 by a stateful ticket', V13, { statefulTickets: true }],
  ['TLS 1.3 by a stateless ticket', V13, {}],
];

describe('a session made on one server resumes on the other', () => {
  test.each(cases)('%s', async (_, client, server) => {
    const [first, second] = await pair(server);
    await using one = first;
    await using two = second;
    const made = await visit(await through(one, client));
    expect(made.socket.isSessionReused()).toBe(false);
    const session = made.sessions[0] as Buffer;
    const back = await visit(await through(two, { ...client, session }), 'hello', 0);
    expect([back.socket.isSessionReused(), two.sockets[0]?.resumptionReason, back.text]).toEqual([
      true,
      null,
      'hello',
    ]);
  });
});
