/**
 * What sharing costs: clients that go back and forth between two servers, with each kind of store between them
 * and with none, for servers of this library and for stock node:tls. Both servers and the clients (node:tls) are
 * in one process a configuration, so the figures are for comparing and not for capacity. TLS 1.3, X25519, P-256.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as nodeTls from 'node:tls';
import { createFleet, createServer, type Fleet, MemoryStore, type SessionStore } from '../src/entry/index.ts';
import { type SharedSessions, STATEFUL_TICKETS, shareSessions } from '../src/entry/node-tls.ts';
import { LmdbStore } from '../src/entry/stores/lmdb.ts';
import { SharedMemoryStore } from '../src/entry/stores/shared-memory.ts';
import { connectValkey } from '../src/entry/stores/valkey.ts';
import { median, type Plan, type Report, type Row, takeTurns } from './harness.ts';
import { makeIdentity, type Stack, StackProcess } from './stack-process.ts';

/** The Redis of the run, for the processes that want it. */
const REDIS_VARIABLE = 'TLSESSION_BENCH_REDIS';

const STORES = ['none', 'keys', 'memory', 'shared memory', 'LMDB', 'Redis'] as const;
type StoreName = (typeof STORES)[number];

interface Order {
  /** `run` connects and answers with handshakes a second; the others tell of the last run. */
  readonly figure: 'run' | 'resumed' | 'p50' | 'p99';
  readonly connections: number;
  readonly clients: number;
}

interface Server {
  address(): unknown;
  close(): unknown;
  listen(port: number, host: string, done: () => void): unknown;
}

async function openStores(name: StoreName): Promise<{ stores: SessionStore[]; close: () => Promise<void> }> {
  switch (name) {
    case 'memory':
    case 'keys': {
      const store = new MemoryStore();
      return { stores: [store, store], close: async () => store.close() };
    }
    case 'shared memory': {
      const one = SharedMemoryStore.create();
      const two = SharedMemoryStore.open(one.buffer);
      return {
        stores: [one, two],
        close: async () => {
          one.close();
          two.close();
        },
      };
    }
    case 'LMDB': {
      const folder = mkdtempSync(join(tmpdir(), 'tlsession-bench-'));
      const store = await LmdbStore.open({ path: join(folder, 'sessions') });
      return {
        stores: [store, store],
        close: async () => {
          await store.close();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    }
    case 'Redis': {
      const url = process.env[REDIS_VARIABLE] ?? '';
      const stores = [await connectValkey({ url }), await connectValkey({ url })];
      return { stores, close: async () => void (await Promise.all(stores.map((store) => store.close()))) };
    }
    case 'none':
      return { stores: [], close: async () => {} };
  }
}

const both = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ecdhCurve: 'X25519' } as const;

/** `kind/store`: two servers with that store between them. */
export async function fleetStack(name: string): Promise<Stack<Order>> {
  const [kind = '', storeName = 'none'] = name.split('/') as [string, StoreName];
  const { ca, cert, key } = await makeIdentity();
  const { stores, close } = await openStores(storeName);
  const secret = 'a secret for one run of a benchmark';
  const fleets: Fleet[] = stores.map((store) =>
    createFleet({
      store,
      secret,
      keys: { format: 'openssl', opensslKeyBytes: 16 },
      // A busy machine is no store that is gone, and a figure is not to come of a full handshake for one.
      limits: { limitMs: 5_000 },
    }),
  );
  for (const { ready } of fleets) if (!(await ready)) throw new Error(`${name}: no ticket keys`);
  const stateful = storeName !== 'none' && storeName !== 'keys';
  const common = { ...both, cert, key, sessionIdContext: 'bench' };
  const shared: SharedSessions[] = [];
  const servers: Server[] = [0, 1].map((i) => {
    const fleet = fleets[i];
    const greet = (socket: {
      on(event: 'error', listener: () => void): unknown;
      end(text: string): unknown;
    }) => {
      socket.on('error', () => {});
      socket.end('!');
    };
    if (kind === 'tlsession') return createServer({ ...common, fleet, statefulTickets: stateful }, greet);
    const server = nodeTls.createServer({ ...common, ...(stateful ? STATEFUL_TICKETS : {}) }, greet);
    if (fleet !== undefined) {
      shared.push(shareSessions(server, { fleet, dangerouslyUseTicketKeyCallback: !stateful }));
    }
    return server;
  });
  await Promise.all(
    servers.map((server) => new Promise<void>((done) => void server.listen(0, '127.0.0.1', () => done()))),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);

  let resumed = 0;
  let times: number[] = [];
  const visit = (at: number, session: Buffer | undefined): Promise<Buffer | undefined> =>
    new Promise((done, fail) => {
      const began = performance.now();
      // To the client both servers are one.
      const transport = connectTcp(ports[at % 2] as number, '127.0.0.1');
      const socket = nodeTls.connect({
        ...both,
        ca,
        host: 'localhost',
        servername: 'localhost',
        socket: transport,
        ...(session === undefined ? {} : { session }),
      });
      let latest: Buffer | undefined;
      socket.on('session', (bytes) => {
        latest = bytes;
      });
      socket.on('secureConnect', () => {
        times.push(performance.now() - began);
        if (socket.isSessionReused()) resumed++;
        socket.resume();
      });
      socket.on('error', fail);
      socket.on('close', () => done(latest));
    });
  const run = async ({ connections, clients }: Order): Promise<number> => {
    resumed = 0;
    times = [];
    const began = performance.now();
    let left = connections;
    await Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        let session: Buffer | undefined;
        for (let at = client; left-- > 0; at++) session = await visit(at, session);
      }),
    );
    return (connections * 1000) / (performance.now() - began);
  };
  const quantile = (share: number): number => {
    const sorted = [...times].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  };
  return {
    measure: async (order) => {
      if (order.figure === 'run') return run(order);
      // Each client begins without a session: of the others all could have been resumed.
      if (order.figure === 'resumed') return (100 * resumed) / (times.length - order.clients);
      return quantile(order.figure === 'p50' ? 0.5 : 0.99);
    },
    close: async () => {
      for (const server of servers) server.close();
      for (const each of shared) each.stop();
      await Promise.all(fleets.map((fleet) => fleet.close()));
      await close();
    },
  };
}

/** A Redis without files; null where the program is not there. */
async function startRedis(): Promise<{ url: string; child: ChildProcess } | null> {
  const probe = createTcpServer();
  await new Promise<void>((done) => void probe.listen(0, '127.0.0.1', () => done()));
  const { port } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
    stdio: 'ignore',
    cwd: tmpdir(),
  });
  const started = await new Promise<boolean>((done) => {
    child.once('error', () => done(false));
    const attempt = (): void => {
      const socket = connectTcp(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        done(true);
      });
      socket.once('error', () => setTimeout(attempt, 50));
    };
    child.once('spawn', attempt);
  });
  return started ? { url: `redis://127.0.0.1:${port}`, child } : null;
}

export async function fleet(plan: Plan): Promise<Report> {
  const redis = await startRedis();
  if (redis !== null) process.env[REDIS_VARIABLE] = redis.url;
  else plan.say('redis-server is not here: its rows are left out');
  const names = STORES.filter((name) => name !== 'Redis' || redis !== null);
  const stacks = new Map<string, StackProcess<Order>>();
  try {
    for (const kind of ['tlsession', 'node:tls']) {
      for (const store of names)
        stacks.set(`${kind}/${store}`, new StackProcess<Order>('fleet', `${kind}/${store}`));
    }
    const count = plan.smoke ? 8 : 400;
    const figures = new Map<string, { rate: number[]; resumed: number[]; p50: number[]; p99: number[] }>();
    const subjects = Object.fromEntries(
      [...stacks].map(([name, stack]) => [
        name,
        async (): Promise<number> => {
          plan.say(name);
          const kept = figures.get(name) ?? { rate: [], resumed: [], p50: [], p99: [] };
          figures.set(name, kept);
          const many = { connections: count, clients: 4 };
          kept.rate.push(await stack.measure({ figure: 'run', ...many }));
          kept.resumed.push(await stack.measure({ figure: 'resumed', ...many }));
          // Latency with nobody else about.
          const one = { connections: count, clients: 1 };
          await stack.measure({ figure: 'run', ...one });
          kept.p50.push(await stack.measure({ figure: 'p50', ...one }));
          kept.p99.push(await stack.measure({ figure: 'p99', ...one }));
          return 0;
        },
      ]),
    );
    await takeTurns(plan, subjects);
    const of = (name: string, figure: 'rate' | 'resumed' | 'p50' | 'p99'): number =>
      median(figures.get(name)?.[figure] ?? []);
    const rows: Row[] = [];
    const row = (what: string, unit: string, ours: number, peer: string, theirs: number): void => {
      rows.push({ what, unit, ours, peer, theirs, ratio: ours / theirs, spread: null, target: null });
    };
    for (const kind of ['tlsession', 'node:tls']) {
      for (const store of names) {
        const name = `${kind}/${store}`;
        const title = `${kind}, ${TITLES[store]}`;
        row(
          `${title}: handshakes`,
          '/s',
          of(name, 'rate'),
          'node:tls, no store',
          of('node:tls/none', 'rate'),
        );
        row(`${title}: resumed`, '%', of(name, 'resumed'), 'resumable', 100);
        row(`${title}: latency p50`, 'ms', of(name, 'p50'), `${kind}, no store`, of(`${kind}/none`, 'p50'));
        row(`${title}: latency p99`, 'ms', of(name, 'p99'), `${kind}, no store`, of(`${kind}/none`, 'p99'));
      }
    }
    return {
      title: 'fleet: clients between two servers, all in one process a row, by the wall clock',
      rows,
      facts: { node: process.version, OpenSSL: process.versions.openssl, 'connections a run': count },
    };
  } finally {
    for (const stack of stacks.values()) stack[Symbol.dispose]();
    redis?.child.kill();
  }
}

const TITLES: Record<StoreName, string> = {
  none: 'no store',
  keys: 'ticket keys alone',
  memory: 'memory',
  'shared memory': 'SharedArrayBuffer',
  LMDB: 'LMDB',
  Redis: 'Redis',
};
