/** Two servers that share nothing but a fleet: where sessions resume, and what happens when the store lies or is gone. */
import { connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type ConnectOptions,
  createFleet,
  type Fleet,
  MemoryStore,
  type ServerOptions,
  type SessionStore,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { SharedMemoryStore } from '../../src/entry/stores/shared-memory.ts';
import { echo, listen, type TestServer, trusting, visit } from '../net/pair.ts';
import { age } from './processes.ts';

const secret = 'a secret of the fleet, 32 bytes or more';
const fleets: Fleet[] = [];
afterEach(async () => {
  for (const fleet of fleets.splice(0)) await fleet.close();
});

async function site(
  store: SessionStore,
  options: ServerOptions = {},
  secrets: string = secret,
  onConnection?: (socket: TLSSocket) => void,
): Promise<TestServer> {
  const fleet = createFleet({ store, secret: secrets });
  fleets.push(fleet);
  expect(await fleet.ready).toBe(true);
  return listen({ fleet, ...options }, onConnection);
}

/** As through a balancer: one port for the client, whichever server is behind it. */
function through(server: TestServer, options: ConnectOptions): Promise<ConnectOptions> {
  return trusting(443, { ...options, socket: connectTcp(server.port, '127.0.0.1') });
}

const V12: ConnectOptions = { maxVersion: 'TLSv1.2' };
const V13: ConnectOptions = { minVersion: 'TLSv1.3' };
const ways: [string, ConnectOptions, ServerOptions][] = [
  ['TLS 1.2 by session id', V12, { statefulTickets: true }],
  ['TLS 1.2 by ticket', V12, {}],
  ['TLS 1.3 by a stateful ticket', V13, { statefulTickets: true }],
  ['TLS 1.3 by a stateless ticket', V13, {}],
];
const stores: [string, () => () => SessionStore][] = [
  [
    'memory',
    () => {
      const store = new MemoryStore();
      return () => store;
    },
  ],
  [
    'shared memory',
    () => {
      const { buffer } = SharedMemoryStore.create();
      return () => SharedMemoryStore.open(buffer);
    },
  ],
];

describe.each(stores)('over %s, a session made on one server resumes on the other', (_, make) => {
  test.each(ways)('%s', async (_way, client, server) => {
    const open = make();
    await using one = await site(open(), server);
    await using two = await site(open(), server);
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

describe('what lies in the store', () => {
  /** Where the one session lies. */
  async function placeOf(
    store: MemoryStore,
  ): Promise<{ key: string; value: Uint8Array; expiresAtMs: number }> {
    for await (const entry of store) if (entry.key.startsWith('s:')) return entry;
    throw new Error('there is no session in the store');
  }

  const bad: [string, (value: Uint8Array) => Uint8Array, string][] = [
    [
      'changed',
      (value) => value.map((byte, i) => (i === value.length - 20 ? byte ^ 1 : byte)),
      'stored-tampered',
    ],
    ['cut off', (value) => value.slice(0, 100), 'stored-truncated'],
    ['of another version', (value) => Uint8Array.of(2, ...value.subarray(1)), 'stored-other-version'],
    [
      'sealed by others',
      (value) => value.map((byte, i) => (i === 3 ? byte ^ 1 : byte)),
      'stored-unknown-key',
    ],
    ['nothing', () => new Uint8Array(0), 'stored-truncated'],
  ];
  test.each(bad)('%s: the handshake is a full one, and says why', async (_, change, reason) => {
    const store = new MemoryStore();
    await using one = await site(store, { statefulTickets: true });
    await using two = await site(store, { statefulTickets: true });
    const made = await visit(await through(one, V13));
    for await (const entry of store) {
      if (entry.key.startsWith('s:')) store.put(entry.key, change(entry.value), entry.expiresAtMs);
    }
    const session = made.sessions[0] as Buffer;
    const back = await visit(await through(two, { ...V13, session }), 'hello', 0);
    expect([back.socket.isSessionReused(), back.text, two.sockets[0]?.resumptionReason]).toEqual([
      false,
      'hello',
      reason,
    ]);
    expect(two.server.context.sessions.stats.notResumed[reason as 'stored-tampered']).toBe(1);
    expect(two.failures).toEqual([]);
  });

  test('tells neither a session nor its id, and cannot be moved to another', async () => {
    const store = new MemoryStore();
    await using one = await site(store, { statefulTickets: true, ticketCount: 1 });
    await using two = await site(store, { statefulTickets: true, ticketCount: 1 });
    const first = await visit(await through(one, V12));
    const { key, value } = await placeOf(store);
    const id = first.socket.getSession()?.toString('hex') ?? '';
    // The session id of TLS 1.2 goes over the wire in clear; 32 bytes of what the client holds are the id.
    expect(id).not.toContain(key.split(':').at(-1));
    const mine = await visit(await through(one, V12));
    for await (const entry of store) {
      if (entry.key.startsWith('s:') && entry.key !== key) store.put(entry.key, value, entry.expiresAtMs);
    }
    const moved = await visit(
      await through(two, { ...V12, session: mine.sessions[0] as Buffer }),
      'hello',
      0,
    );
    expect([moved.socket.isSessionReused(), two.sockets[0]?.resumptionReason]).toEqual([
      false,
      'stored-tampered',
    ]);
  });

  test('is of no use to whoever has another secret; of two, the older still opens', async () => {
    const store = new MemoryStore();
    await using one = await site(store, { statefulTickets: true });
    const made = await visit(await through(one, V12));
    const session = made.sessions[0] as Buffer;
    const other = 'the secret of somebody else, who reads the store';
    const alien = createFleet({ store: new MemoryStore(), secret: other });
    fleets.push(alien);
    await alien.ready;
    await using three = await listen({ statefulTickets: true, sessionSource: alien.sessions });
    expect(three.server.context.sessions.source).toBe(alien.sessions);
    const both = createFleet({ store, secret: ['a new secret of the fleet, 32 bytes or more', secret] });
    fleets.push(both);
    await both.ready;
    await using two = await listen({ statefulTickets: true, fleet: both });
    const back = await visit(await through(two, { ...V12, session }), 'hello', 0);
    expect(back.socket.isSessionReused()).toBe(true);
  });
});

describe('early data', () => {
  async function visitEarly(server: TestServer, session: Buffer): Promise<{ reused: boolean; text: string }> {
    const back = await visit(await through(server, { ...V13, session, earlyData: true }), 'early words', 0);
    return { reused: back.socket.isSessionReused(), text: back.text };
  }

  test('is taken where the store is there, and refused where it is not; the handshake is completed', async () => {
    const store = new MemoryStore();
    await age(store);
    let gone = false;
    const failing: SessionStore = {
      get: (key) => (gone ? Promise.reject(new Error('gone')) : store.get(key)),
      put: (key, value, untilMs) => store.put(key, value, untilMs),
      add: (key, value, untilMs) => {
        if (gone) throw new Error('gone');
        return store.add(key, value, untilMs);
      },
      take: (key) => store.take(key),
      delete: (key) => store.delete(key),
      close: () => {},
      [Symbol.asyncIterator]: () => store[Symbol.asyncIterator](),
    };
    const early: TLSSocket[] = [];
    await using one = await site(store, { maxEarlyData: 4096, ticketCount: 4 });
    await using two = await site(failing, { maxEarlyData: 4096 }, secret, (socket) => {
      if (!early.includes(socket)) echo(socket);
    });
    // With a listener early bytes are the first of the stream, and may be answered at once.
    two.server.on('earlyConnection', (socket: TLSSocket) => {
      early.push(socket);
      echo(socket);
    });
    const { sessions } = await visit(await through(one, V13), 'hello', 4);
    expect(await visitEarly(two, sessions[0] as Buffer)).toEqual({ reused: true, text: 'early words' });
    expect(early.map(({ earlyDataReason }) => earlyDataReason)).toEqual([null]);
    gone = true;
    expect(await visitEarly(two, sessions[1] as Buffer)).toEqual({ reused: true, text: 'early words' });
    expect([early.length, two.sockets.at(-1)?.earlyDataReason]).toEqual([1, 'early-data-guard-failed']);
    expect(two.failures).toEqual([]);
  });

  test('is refused over a store that is new, for as long as it may have forgotten', async () => {
    const store = new MemoryStore();
    await using one = await site(store, { maxEarlyData: 4096 });
    const { sessions } = await visit(await through(one, V13), 'hello', 2);
    expect(await visitEarly(one, sessions[0] as Buffer)).toEqual({ reused: true, text: 'early words' });
    expect(one.sockets[1]?.earlyDataReason).toBe('early-data-guard-starting');
  });
});

test('keys that end before the sessions do are refused', async () => {
  const fleet = createFleet({ store: new MemoryStore(), secret });
  fleets.push(fleet);
  await expect(listen({ fleet, sessionTimeout: 86_400 })).rejects.toMatchObject({
    code: 'ERR_TICKET_KEYRING',
  });
});
