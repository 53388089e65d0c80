/**
 * Servers in processes of their own over LMDB and over redis: sessions made on one resume on the other in all
 * four ways, and no hello with early data is taken twice.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ConnectOptions, connect, type SessionStore } from '../../src/entry/index.ts';
import { LmdbStore } from '../../src/entry/stores/lmdb.ts';
import { connectValkey } from '../../src/entry/stores/valkey.ts';
import { trusting, visit } from '../net/pair.ts';
import { bundle } from '../support/bundle.ts';
import { testChain } from '../support/certs.ts';
import { describeWithPeers } from '../support/peer.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { age, ServerProcess } from './processes.ts';
import type { ProcessOptions } from './server-process.fixture.ts';

const secret = 'a secret of the fleet, 32 bytes or more';
const V12: ConnectOptions = { maxVersion: 'TLSv1.2' };
const V13: ConnectOptions = { minVersion: 'TLSv1.3' };
// Ten processes have to start, on whatever machine.
vi.setConfig({ testTimeout: 240_000 });

const file = await bundle('tests/fleet/server-process.fixture.ts');

/** As through a balancer: one port for the client, whichever server is behind it. */
async function through(server: ServerProcess, options: ConnectOptions): Promise<ConnectOptions> {
  return trusting(443, { ...options, socket: connectTcp(server.port, '127.0.0.1') });
}

/** What a client sends at first with early data, to whoever wants it. */
async function recorded(session: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  const socket = connect(await trusting(443, { ...V13, session, earlyData: true, socket: sink }));
  socket.on('error', () => {});
  socket.write('once and only once');
  await expect.poll(() => Buffer.concat(chunks).length).toBeGreaterThan(500);
  socket.destroy();
  return Buffer.concat(chunks);
}

/** Sends bytes, and stays until the server has answered. */
function sent(port: number, bytes: Buffer): Promise<Socket> {
  return new Promise((done, fail) => {
    const socket = connectTcp(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('error', fail);
    socket.once('data', () => done(socket));
  });
}

function suite(
  kind: 'lmdb' | 'redis',
  hellos: number,
  open: () => Promise<{ store: SessionStore; place: string }>,
): void {
  describe(`over ${kind}`, () => {
    let place: string;
    let store: SessionStore;

    beforeAll(async () => {
      ({ store, place } = await open());
      await age(store);
    });
    afterAll(() => store?.close());

    async function servers(count: number, server: ProcessOptions['server'] = {}): Promise<ServerProcess[]> {
      const { keyPem, chainPem } = await testChain();
      const options = { kind, place, secret, server: { key: keyPem, cert: chainPem, ...server } };
      return Promise.all(Array.from({ length: count }, () => ServerProcess.start(file, options)));
    }

    test.each([
      ['TLS 1.2 by session id', V12, { statefulTickets: true }],
      ['TLS 1.2 by ticket', V12, {}],
      ['TLS 1.3 by a stateful ticket', V13, { statefulTickets: true }],
      ['TLS 1.3 by a stateless ticket', V13, {}],
    ] as const)('what one process made another resumes: %s', async (_, client, options) => {
      const [one, two] = (await servers(2, options)) as [ServerProcess, ServerProcess];
      await using first = one;
      await using second = two;
      const made = await visit(await through(first, client));
      const session = made.sessions[0] as Buffer;
      const back = await visit(await through(second, { ...client, session }), 'hello', 0);
      expect([made.socket.isSessionReused(), back.socket.isSessionReused(), back.text]).toEqual([
        false,
        true,
        'hello',
      ]);
      expect(second.events('secure')).toEqual([expect.objectContaining({ reused: true, reason: null })]);
    });

    test('one hello with early data, sent to two processes at once, is taken by one', async () => {
      const [one, two] = (await servers(2, { maxEarlyData: 4096, ticketCount: 20 })) as [
        ServerProcess,
        ServerProcess,
      ];
      await using first = one;
      await using second = two;
      const { sessions } = await visit(await through(first, V13), 'hello', 20);
      for (const [i, session] of sessions.entries()) {
        const bytes = await recorded(session);
        const sockets = await Promise.all([first, second, first].map(({ port }) => sent(port, bytes)));
        const taken = (): number => first.events('early').length + second.events('early').length;
        await expect.poll(taken, { timeout: 10_000 }).toBe(i + 1);
        for (const socket of sockets) socket.destroy();
        expect(taken()).toBe(i + 1);
      }
    });

    test(`${hellos} hellos at each of 8 processes: each is admitted once`, async () => {
      const count = hellos;
      const processes = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          ServerProcess.start(file, { kind, place, secret, hellos: count, seed: i + 1 }),
        ),
      );
      try {
        for (const { peer } of processes) peer.stdin.write('begin\n');
        await Promise.all(processes.map(({ peer }) => peer.waitFor(/"verdicts"/, 120_000)));
        const reports = processes.map((process) =>
          process.said().find(({ admitted }) => admitted !== undefined),
        );
        const admitted = reports.flatMap((report) => report?.admitted ?? []);
        expect(new Set(admitted).size).toBe(count);
        expect(admitted).toHaveLength(count);
        const refused = reports.map((report) => report?.verdicts?.['early-data-replayed'] ?? 0);
        expect(refused.reduce((sum, n) => sum + n, 0)).toBe(7 * count);
      } finally {
        for (const process of processes) await process[Symbol.asyncDispose]();
      }
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), 'tlsession-processes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

suite('lmdb', 10_000, async () => {
  const place = join(folder, 'sessions');
  return { place, store: await LmdbStore.open({ path: place }) };
});

describeWithPeers(['redis-server'], 'with redis-server', ({ 'redis-server': path }) => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(path);
  });
  afterAll(() => server?.[Symbol.asyncDispose]());
  suite('redis', 2_500, async () => ({ place: server.url, store: await connectValkey({ url: server.url }) }));
});
