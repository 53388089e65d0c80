/**
 * A redis-server that is stopped and started, slow, silent, talking nonsense, full, or replaced by its replica,
 * under a load of real handshakes on two servers that share sessions through it. Whatever it does, every
 * handshake is completed; what waits for it stays within its number; and when it is well again, sessions resume
 * across the servers with nobody doing anything.
 */
import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { createFleet, type Fleet, StoreReplayGuard } from '../../src/entry/index.ts';
import { connectValkey, type ValkeyStore } from '../../src/entry/stores/valkey.ts';
import { listen, type TestServer, trusting, visit } from '../net/pair.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { describeWithPeers } from '../support/peer.ts';
import { type RedisServer, startRedis, withRedis } from '../support/redis.ts';

vi.setConfig({ testTimeout: 120_000 });
const secret = 'a secret of the fleet, 32 bytes or more';
const LOADERS = 3;

interface Site {
  readonly fleet: Fleet;
  readonly store: ValkeyStore;
  readonly server: TestServer;
}

describeWithPeers(['redis-server'], 'a fleet over a redis-server with faults', ({ 'redis-server': path }) => {
  let redis: RedisServer;
  let proxy: FaultyProxy;
  let sites: Site[] = [];
  let load: Load;

  async function open(): Promise<Site> {
    const store = await connectValkey({ url: proxy.url });
    const fleet = createFleet({ store, secret, limits: { maxPending: 64, restMs: 200 } });
    await fleet.ready;
    // Stateful tickets: every handshake has something to ask of the store.
    return { store, fleet, server: await listen({ fleet, statefulTickets: true, ticketCount: 1 }) };
  }

  beforeAll(async () => {
    redis = await startRedis(path);
    proxy = await FaultyProxy.start(redis.port);
  });
  beforeEach(async () => {
    proxy.mode = 'pass';
    proxy.target = redis.port;
    sites = [await open(), await open()];
    load = new Load(sites);
    load.start();
    await load.untilResumed();
  });
  afterEach(async () => {
    await load.stop();
    for (const { server, fleet, store } of sites) {
      await server[Symbol.asyncDispose]();
      await fleet.close();
      await store.close();
    }
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await redis?.[Symbol.asyncDispose]();
  });

  /** While the fault lasts handshakes go on, as full ones; after it they resume again. */
  async function through(fault: () => Promise<void>, end: () => Promise<void>): Promise<void> {
    await fault();
    await load.completes(40);
    const { fleet } = sites[0] as Site;
    expect([fleet.store.stats.reads, fleet.store.stats.writes]).toContain('down');
    for (const site of sites) expect(site.fleet.store.stats.pending).toBeLessThanOrEqual(64 + 64);
    const during = load.resumedAcross;
    await load.completes(20);
    expect(load.resumedAcross).toBe(during);
    await end();
    await load.untilResumed();
    expect(load.failures).toEqual([]);
    for (const site of sites) await expect.poll(() => site.fleet.store.stats.pending).toBeLessThan(16);
  }

  test('stopped, and started again', async () => {
    const { port } = redis;
    for (let round = 0; round < 2; round++) {
      await through(
        async () => redis[Symbol.asyncDispose](),
        async () => {
          redis = await startRedis(path, [], port);
        },
      );
    }
  });

  test.each(['slow', 'silent', 'garbage', 'refuse'] as const)('%s', async (mode) => {
    await through(
      async () => {
        proxy.mode = mode;
        if (mode === 'refuse') proxy.cut();
      },
      async () => {
        proxy.mode = 'pass';
      },
    );
  });

  test('full', async () => {
    const set = (bytes: number) => async (): Promise<void> => {
      await withRedis(redis.url, (client) =>
        client.sendCommand(['CONFIG', 'SET', 'maxmemory', String(bytes)]),
      );
    };
    await withRedis(redis.url, (client) =>
      client.sendCommand(['CONFIG', 'SET', 'maxmemory-policy', 'noeviction']),
    );
    await through(set(1), set(0));
    // It never ceased to answer.
    for (const site of sites) expect(site.fleet.store.stats.reads).toBe('up');
  });

  test('replaced by its replica: early data is refused until nothing from before is fresh', async () => {
    const replica = await startRedis(path);
    const { store } = sites[0] as Site;
    const guard = new StoreReplayGuard({
      provider: nodeProvider,
      store,
      prefix: 'guard:',
      freshMs: 300,
      maxClockSkewMs: 0,
    });
    const admit = (): PromiseLike<string> | string => guard.admit({ binder: nodeProvider.random(32) });
    expect(await admit()).toBe('early-data-guard-starting');
    await expect.poll(admit).toBe('admitted');
    await withRedis(replica.url, async (client) => {
      await client.sendCommand(['REPLICAOF', '127.0.0.1', String(redis.port)]);
      const info = async (): Promise<string> => String(await client.sendCommand(['INFO', 'replication']));
      await expect.poll(info, { timeout: 20_000 }).toContain('master_link_status:up');
    });
    const old = redis;
    await old[Symbol.asyncDispose]();
    await load.completes(20);
    await withRedis(replica.url, (client) => client.sendCommand(['REPLICAOF', 'NO', 'ONE']));
    redis = replica;
    proxy.target = replica.port;
    let first = '';
    await expect
      .poll(
        async () => {
          const verdict = await admit();
          if (first === '' && verdict !== 'early-data-guard-failed' && verdict !== 'early-data-guard-slow') {
            first = verdict;
          }
          return verdict;
        },
        { timeout: 20_000, interval: 20 },
      )
      .toBe('admitted');
    expect(first).toBe('early-data-guard-starting');
    await load.untilResumed();
    expect(load.failures).toEqual([]);
  });
});

/** Clients that connect to one server and then to the other, each with what the last one gave it. */
class Load {
  readonly failures: string[] = [];
  completed = 0;
  /** Handshakes that resumed what the other server had made. */
  resumedAcross = 0;
  readonly #sites: readonly Site[];
  #stopped = false;
  #loaders: Promise<void>[] = [];

  constructor(sites: readonly Site[]) {
    this.#sites = sites;
  }

  start(): void {
    this.#loaders = Array.from({ length: LOADERS }, (_, i) => this.#run(i));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loaders);
  }

  /** Resolves when so many more handshakes are complete. */
  async completes(count: number): Promise<void> {
    const end = this.completed + count;
    await expect.poll(() => this.completed >= end, { timeout: 60_000, interval: 10 }).toBe(true);
  }

  async untilResumed(): Promise<void> {
    const end = this.resumedAcross + 10;
    await expect.poll(() => this.resumedAcross >= end, { timeout: 60_000, interval: 10 }).toBe(true);
  }

  async #run(first: number): Promise<void> {
    let session: Buffer | null = null;
    for (let at = first; !this.#stopped; at++) {
      const { server } = this.#sites[at % this.#sites.length] as Site;
      try {
        const options = await trusting(443, {
          minVersion: 'TLSv1.3',
          socket: connectTcp(server.port, '127.0.0.1'),
          handshakeTimeout: 20_000,
          ...(session === null ? {} : { session }),
        });
        const { socket, text, sessions } = await visit(options);
        if (text !== 'hello') throw new Error(`the echo was ${JSON.stringify(text)}`);
        if (socket.isSessionReused()) this.resumedAcross++;
        session = sessions.at(-1) ?? null;
        this.completed++;
      } catch (error) {
        this.failures.push(String(error));
        session = null;
      }
    }
  }
}
