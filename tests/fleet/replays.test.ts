/**
 * 10,000 replays over TCP at 8 server processes that share a store. Real clients connect through a tee, which
 * passes what they send on to one process and, in the same moment, copies of their first flight to all; later
 * it sends the copies once more. Who took which early data is what each process saw come out of its sockets.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ConnectOptions, connect, type SessionStore } from '../../src/entry/index.ts';
import { LmdbStore } from '../../src/entry/stores/lmdb.ts';
import { connectValkey } from '../../src/entry/stores/valkey.ts';
import { trusting, visit } from '../net/pair.ts';
import { bundle } from '../support/bundle.ts';
import { testChain } from '../support/certs.ts';
import { describeWithPeers, type RunningPeer, spawnPeer } from '../support/peer.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import type { ReplayPlan, ReplayReport } from './fixtures/replays.fixture.ts';
import { age } from './processes.ts';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const PROCESSES = 8;
const HELLOS = 625;
/** Copies of a hello: one for each process at once with the original, and one for each a little later. */
const COPIES = 2 * PROCESSES;
/** Hellos before the copies come once more: by then they are old, and still fresh. */
const CHUNK = 25;
/** As many tickets come with a full handshake: each hello has one of its own. */
const TICKETS = 20;
/** Clients at a time. */
const LANES = 5;

const APPLICATION_DATA = 23;

/** Where the first record of early data ends; null while it has not come. */
function flightEnd(bytes: Buffer): number | null {
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    if (end > bytes.length) return null;
    if (bytes[at] === APPLICATION_DATA) return end;
    at = end;
  }
  return null;
}

async function connected(port: number): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

/** Sends a copy, and leaves when the server has answered: what it did by then counts. */
async function replay(socket: Socket, flight: Buffer): Promise<void> {
  // A server that closes with something unread resets the connection: that is an end like any other.
  socket.on('error', () => {});
  socket.once('data', () => socket.end());
  socket.resume();
  socket.write(flight);
  await new Promise((done) => socket.once('close', done));
}

/** A tee before the servers: what it saw of each client, and copies on their way. */
class Tee implements AsyncDisposable {
  readonly #server: Server;
  readonly #ports: readonly number[];
  /** First flights, in the order in which they came. */
  readonly flights: Buffer[] = [];
  readonly #clients: Set<Socket> = new Set();
  readonly #copies: Set<Promise<void>> = new Set();
  readonly #faults: unknown[] = [];
  sent = 0;

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = createServer((client) => {
      this.#clients.add(client);
      client.once('close', () => this.#clients.delete(client)).on('error', () => {});
      this.#relay(client).catch((error: unknown) => {
        this.#faults.push(error);
        client.destroy();
      });
    });
  }

  static async before(ports: readonly number[]): Promise<Tee> {
    const tee = new Tee(ports);
    tee.#server.listen(0, '127.0.0.1');
    await once(tee.#server, 'listening');
    return tee;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #relay(client: Socket): Promise<void> {
    const turn = this.flights.length % this.#ports.length;
    const up = await connected(this.#ports[turn] as number);
    up.on('error', () => {});
    const sockets = await Promise.all(this.#ports.map(connected));
    let bytes = Buffer.alloc(0);
    let end: number | null = null;
    while (end === null) {
      const [chunk] = (await once(client, 'data')) as [Buffer];
      bytes = Buffer.concat([bytes, chunk]);
      end = flightEnd(bytes);
    }
    client.pause();
    const flight = bytes.subarray(0, end);
    this.flights.push(flight);
    // All in one turn; the original is the first of them, or the last, or in between.
    const at = this.flights.length % (sockets.length + 1);
    for (const [i, socket] of sockets.entries()) {
      if (i === at) up.write(bytes);
      this.#send(socket, flight);
    }
    if (at === sockets.length) up.write(bytes);
    // What breaks on one side has ended on the other.
    up.once('close', () => client.end());
    client.once('close', () => up.destroy());
    up.pipe(client);
    client.pipe(up);
  }

  #send(socket: Socket, flight: Buffer): void {
    this.sent++;
    const copy: Promise<void> = replay(socket, flight).finally(() => this.#copies.delete(copy));
    this.#copies.add(copy);
  }

  /** Sends copies of these flights once more to every process. */
  async again(flights: readonly Buffer[]): Promise<void> {
    for (const flight of flights) {
      for (const socket of await Promise.all(this.#ports.map(connected))) this.#send(socket, flight);
    }
  }

  /** Resolves when every copy has been answered, and its connection is over. */
  async settled(): Promise<void> {
    await Promise.all(this.#copies);
    expect(this.#faults).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

/** As through a balancer: one port for the client, whichever server is behind it. */
function through(port: number, options: ConnectOptions = {}): Promise<ConnectOptions> {
  return trusting(443, { ...options, minVersion: 'TLSv1.3', socket: connectTcp(port, '127.0.0.1') });
}

/** A client of ours sends a text as early data, and says whether the server had it as that. */
async function send(
  port: number,
  session: Buffer,
  text: string,
): Promise<{ answer: string; reused: boolean }> {
  const socket = connect(await through(port, { session, earlyData: true }));
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  socket.write(text);
  await once(socket, 'close');
  return { answer, reused: socket.isSessionReused() };
}

interface Site {
  readonly store: SessionStore;
  readonly place: string;
  /** Takes the store from the servers, by what can happen to it. */
  readonly cut: () => Promise<unknown>;
}

function suite(kind: ReplayPlan['kind'], open: () => Promise<Site>): void {
  describe(`8 processes over ${kind}`, () => {
    const processes: { readonly peer: RunningPeer; readonly port: number }[] = [];
    let site: Site | undefined;
    const tickets: Buffer[] = [];
    let visits = 0;

    beforeAll(async () => {
      site = await open();
      await age(site.store);
      const { keyPem, chainPem } = await testChain();
      const file = await bundle('tests/fleet/fixtures/replays.fixture.ts');
      const plan: ReplayPlan = { kind, place: site.place, key: keyPem, cert: chainPem, ticketCount: TICKETS };
      await Promise.all(
        Array.from({ length: PROCESSES }, async () => {
          const peer = spawnPeer(process.execPath, ['--enable-source-maps', file, JSON.stringify(plan)]);
          const { port } = JSON.parse(await line(peer, 0)) as { port: number };
          processes.push({ peer, port });
        }),
      );
    });
    afterAll(async () => {
      await Promise.all(processes.map(({ peer }) => peer.stop()));
      await site?.store.close();
    });

    /** Fetches so many tickets, from one process after another. */
    async function stock(count: number): Promise<void> {
      while (tickets.length < count) {
        const port = processes[visits++ % PROCESSES]?.port as number;
        const { sessions } = await visit(await through(port), 'hello', TICKETS);
        tickets.push(...sessions);
      }
    }

    async function line(peer: RunningPeer, index: number): Promise<string> {
      await vi.waitUntil(() => peer.stdout.split('\n').length > index + 1, { timeout: 90_000, interval: 20 });
      return peer.stdout.split('\n')[index] as string;
    }

    async function reports(): Promise<ReplayReport[]> {
      return Promise.all(
        processes.map(async ({ peer }) => {
          const had = peer.stdout.split('\n').length - 1;
          peer.stdin.write('report\n');
          return JSON.parse(await line(peer, had)) as ReplayReport;
        }),
      );
    }

    const sum = (all: readonly ReplayReport[], count: (report: ReplayReport) => number): number =>
      all.reduce((total, report) => total + count(report), 0);

    function verdicts(all: readonly ReplayReport[]): Record<string, number> {
      const total: Record<string, number> = {};
      for (const { verdicts: own } of all) {
        for (const [verdict, count] of Object.entries(own)) total[verdict] = (total[verdict] ?? 0) + count;
      }
      return total;
    }

    test('10,000 replays: the early data of each hello is taken exactly once', async () => {
      await using tee = await Tee.before(processes.map(({ port }) => port));
      const texts = Array.from({ length: HELLOS }, (_, i) => `order ${i}`);
      const answers = new Map<string, string>();
      for (let from = 0; from < HELLOS; from += CHUNK) {
        await stock(CHUNK);
        const waiting = texts.slice(from, from + CHUNK);
        const lane = async (): Promise<void> => {
          for (let text = waiting.pop(); text !== undefined; text = waiting.pop()) {
            const { answer, reused } = await send(tee.port, tickets.pop() as Buffer, text);
            answers.set(text, reused ? answer : `${answer}, by a full handshake`);
            await tee.settled();
          }
        };
        await Promise.all(Array.from({ length: LANES }, lane));
        await tee.again(tee.flights.slice(from, from + CHUNK));
        await tee.settled();
      }
      expect([tee.flights.length, tee.sent]).toEqual([HELLOS, HELLOS * COPIES]);
      expect(HELLOS * COPIES).toBe(10_000);

      const all = await reports();
      const counts = verdicts(all);
      const { admitted, 'early-data-replayed': replayed = 0 } = counts;
      // On a machine that is too busy a guard gives up waiting, and the hello may be lost to all: never twice.
      const { 'early-data-guard-slow': slow = 0, 'early-data-guard-failed': failed = 0 } = counts;
      expect(counts).toEqual({
        admitted,
        'early-data-replayed': replayed,
        ...(slow === 0 ? {} : { 'early-data-guard-slow': slow }),
        ...(failed === 0 ? {} : { 'early-data-guard-failed': failed }),
      });
      // One that came late was stale, and the guard was not asked.
      expect(replayed).toBeGreaterThan(0.75 * HELLOS * COPIES);
      const early = all.flatMap((report) => report.early);
      expect(early.filter((text, i) => early.indexOf(text) !== i)).toEqual([]);
      expect(texts.filter((text) => !early.includes(text)).length).toBeLessThanOrEqual(slow + failed);
      expect(slow + failed).toBeLessThan(HELLOS / 10);
      expect(early.filter((text) => !texts.includes(text))).toEqual([]);
      expect([admitted, sum(all, ({ taken }) => taken)]).toEqual([early.length, early.length]);
      // Every process won some, and no server made a signature for a replay.
      expect(Math.min(...all.map(({ taken }) => taken))).toBeGreaterThan(0);
      expect(sum(all, ({ full }) => full)).toBe(visits);
      // A client whose copy was faster had its text taken behind the handshake, and never went without.
      const late = all.flatMap((report) => report.late).filter((text) => text !== 'hello');
      expect(late.length).toBeLessThan(HELLOS);
      for (const text of texts) expect(answers.get(text)).toBe(late.includes(text) ? 'late' : 'early');
    });

    test('with the store unreachable early data is refused, and the handshake is completed', async () => {
      await stock(1 + 4 * PROCESSES);
      const before = await reports();
      const first = await send(processes[0]?.port as number, tickets.pop() as Buffer, 'while it was there');
      expect(first).toEqual({ answer: 'early', reused: true });
      await site?.cut();
      await Promise.all(
        processes.flatMap(({ port }, i) =>
          Array.from({ length: 4 }, async (_, n) => {
            const text = `without a store, ${i}.${n}`;
            expect(await send(port, tickets.pop() as Buffer, text)).toEqual({ answer: 'late', reused: true });
          }),
        ),
      );
      const after = await reports();
      const grown = verdicts(after);
      for (const [verdict, count] of Object.entries(verdicts(before)))
        grown[verdict] = (grown[verdict] ?? 0) - count;
      const { admitted, 'early-data-guard-slow': slow = 0, 'early-data-guard-failed': failed = 0 } = grown;
      expect([admitted, slow + failed]).toEqual([1, 4 * PROCESSES]);
      expect(sum(after, ({ taken }) => taken) - sum(before, ({ taken }) => taken)).toBe(1);
      expect(sum(after, ({ full }) => full)).toBe(sum(before, ({ full }) => full));
    });
  });
}

describe('over LMDB', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-replays-'));
  let holder: RunningPeer | undefined;
  afterAll(async () => {
    await holder?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  suite('lmdb', async () => {
    const place = join(folder, 'sessions');
    const store = await LmdbStore.open({ path: place });
    /** A process that stops in the middle of a write keeps the lock from all others. */
    const cut = async (): Promise<void> => {
      const path = JSON.stringify(store.path);
      holder = spawnPeer(process.execPath, [
        ...['--input-type=module', '--eval'],
        `import { writeSync } from 'node:fs';
         import { open } from 'lmdb';
         open({ path: ${path}, noSubdir: true, maxDbs: 4, encoding: 'binary' }).transactionSync(() => {
           writeSync(1, 'held');
           Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120_000);
         });`,
      ]);
      await holder.waitFor(/held/);
    };
    return { store, place, cut };
  });
});

describeWithPeers(['redis-server'], 'with redis-server', ({ 'redis-server': path }) => {
  let server: RedisServer | undefined;
  afterAll(() => server?.[Symbol.asyncDispose]());
  suite('redis', async () => {
    server = await startRedis(path);
    const { url } = server;
    return {
      store: await connectValkey({ url }),
      place: url,
      cut: () => server?.peer.stop() as Promise<unknown>,
    };
  });
});
