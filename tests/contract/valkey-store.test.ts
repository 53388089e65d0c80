import { Redis as Ioredis, Cluster as IoredisCluster } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectValkey, type ValkeyClient, ValkeyStore } from '../../src/entry/stores/valkey.ts';
import { describeWithPeers } from '../support/peer.ts';
import {
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
  withRedis,
} from '../support/redis.ts';
import { type StoreUnderTest, storeContract } from './store.ts';

const UNTIL = (): number => Date.now() + 60_000;
const value = new Uint8Array(4).fill(9);

describeWithPeers(['redis-server'], 'ValkeyStore', ({ 'redis-server': path }) => {
  let server: RedisServer;
  let small: RedisServer;
  let cluster: RedisCluster;
  const clients: (() => unknown)[] = [];

  beforeAll(async () => {
    [server, small, cluster] = await Promise.all([
      startRedis(path),
      startRedis(path, ['--maxmemory-policy', 'noeviction']),
      startRedisCluster(path),
    ]);
  });
  afterAll(async () => {
    for (const end of clients) end();
    for (const each of [server, small, cluster]) await each?.[Symbol.asyncDispose]();
  });

  let prefixes = 0;
  async function under(connect: () => Promise<ValkeyClient>, spread = 1): Promise<StoreUnderTest> {
    const prefix = `test-${prefixes++}`;
    const [store, other] = await Promise.all(
      [0, 1].map(async () => new ValkeyStore({ client: await connect(), prefix, spread })),
    );
    return {
      store: store as ValkeyStore,
      other: other as ValkeyStore,
      nowMs: () => Date.now(),
      pass: (ms) => new Promise((done) => setTimeout(done, ms)),
    };
  }

  const redis = async (url: string): Promise<ValkeyClient> => {
    const client = createClient({ url });
    clients.push(() => client.destroy());
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const redisCluster = async (): Promise<ValkeyClient> => {
    const client = createCluster({ rootNodes: cluster.urls.map((url) => ({ url })) });
    clients.push(() => client.destroy());
    await client.connect();
    return client as unknown as ValkeyClient;
  };
  const ioredis = async (url: string): Promise<ValkeyClient> => {
    const client = new Ioredis(url);
    clients.push(() => client.disconnect());
    return client;
  };
  const ioredisCluster = async (): Promise<ValkeyClient> => {
    const client = new IoredisCluster(cluster.urls as string[]);
    clients.push(() => client.disconnect());
    return client;
  };
  /** A server that refuses when it is full, emptied for each test. */
  const emptied = async (): Promise<string> => {
    await withRedis(small.url, async (client) => {
      await client.sendCommand(['FLUSHALL']);
      const used = /used_memory:(\d+)/.exec(String(await client.sendCommand(['INFO', 'memory'])))?.[1];
      await client.sendCommand(['CONFIG', 'SET', 'maxmemory', String(Number(used) + 800_000)]);
    });
    return small.url;
  };

  storeContract(
    'redis, one server',
    () => under(() => redis(server.url)),
    async () => {
      const url = await emptied();
      return under(() => redis(url));
    },
  );
  storeContract(
    'redis, a cluster of three',
    () => under(redisCluster, 8),
    async () => {
      const url = await emptied();
      return under(() => redis(url));
    },
  );
  storeContract(
    'ioredis, one server',
    () => under(() => ioredis(server.url)),
    async () => {
      const url = await emptied();
      return under(() => ioredis(url));
    },
  );
  storeContract(
    'ioredis, a cluster of three',
    () => under(ioredisCluster, 8),
    async () => {
      const url = await emptied();
      return under(() => ioredis(url));
    },
  );

  describe('beside the contract', () => {
    it('keeps all keys under one hash tag, or spread over as many as asked', async () => {
      const one = new ValkeyStore({ client: await redisCluster(), prefix: 'one' });
      const many = new ValkeyStore({ client: await redisCluster(), prefix: 'many', spread: 32 });
      for (let i = 0; i < 100; i++) {
        await one.put(`k${i}`, value, UNTIL());
        await many.put(`k${i}`, value, UNTIL());
      }
      const counts = await Promise.all(
        cluster.nodes.map(({ url }) =>
          withRedis(url, async (client) => {
            const keys = (await client.sendCommand(['KEYS', '*'])) as unknown as string[];
            return [
              keys.filter((key) => key.startsWith('{one}:')).length,
              keys.filter((key) => /^\{many\.\d+\}:/.test(key)).length,
            ] as const;
          }),
        ),
      );
      expect(counts.map(([n]) => n).sort((a, b) => b - a)).toEqual([100, 0, 0]);
      for (const [, n] of counts) expect(n).toBeGreaterThan(0);
      let listed = 0;
      for await (const _ of many) listed++;
      expect(listed).toBe(100);
    });

    it('lists only its own, whatever the prefix has in it', async () => {
      const odd = new ValkeyStore({ client: await redis(server.url), prefix: 'a*[b]?' });
      const other = new ValkeyStore({ client: await redis(server.url), prefix: 'aXb?' });
      const longer = new ValkeyStore({ client: await redis(server.url), prefix: 'a*[b]?.1' });
      await odd.put('mine', value, UNTIL());
      await other.put('other', value, UNTIL());
      await longer.put('longer', value, UNTIL());
      const keys: string[] = [];
      for await (const { key } of odd) keys.push(key);
      expect(keys).toEqual(['mine']);
      for (const prefix of ['', 'a{b', 'a b', 'x'.repeat(65)]) {
        expect(() => new ValkeyStore({ client: { send, primaries }, prefix })).toThrow(RangeError);
      }
    });
    const send = async (): Promise<unknown> => null;
    const primaries = async (): Promise<[]> => [];

    it('says in the same step who answered: another process, or another history, is another witness', async () => {
      await using first = await startRedis(path);
      await using second = await startRedis(path);
      const one = new ValkeyStore({ client: await redis(first.url) });
      const two = new ValkeyStore({ client: await ioredis(second.url) });
      const a = await one.addWitnessed('a', value, UNTIL());
      expect(a).toEqual({ added: true, witness: expect.stringMatching(/^\w{40}:\w{40}$/) });
      expect(await one.addWitnessed('a', value, UNTIL())).toEqual({ added: false, witness: a.witness });
      expect((await one.addWitnessed('a', value, Date.now() - 1)).added).toBe(false);
      const b = await two.addWitnessed('b', value, UNTIL());
      expect(b.witness).not.toBe(a.witness);
      // The second follows the first, and is then put in its place: the same process, another history.
      await withRedis(second.url, async (client) => {
        await client.sendCommand(['REPLICAOF', '127.0.0.1', String(first.port)]);
        while (!/master_link_status:up/.test(String(await client.sendCommand(['INFO', 'replication'])))) {
          await new Promise((done) => setTimeout(done, 20));
        }
        await expect(two.addWitnessed('c', value, UNTIL())).rejects.toMatchObject({
          code: 'ERR_STORE_FAILED',
        });
        await client.sendCommand(['REPLICAOF', 'NO', 'ONE']);
      });
      const c = await two.addWitnessed('c', value, UNTIL());
      expect(new Set([a.witness, b.witness, c.witness]).size).toBe(3);
      expect((await two.addWitnessed('a', value, UNTIL())).added).toBe(false);
    });

    it('believes no reply that such a server does not give', async () => {
      let reply: unknown;
      const store = new ValkeyStore({
        client: { send: async () => reply, primaries: async () => [async () => reply] },
      });
      const calls = [
        () => store.get('k'),
        () => store.put('k', value, UNTIL()),
        () => store.add('k', value, UNTIL()),
        () => store.addWitnessed('k', value, UNTIL()),
        () => store.take('k'),
        () => store.delete('k'),
        async () => {
          for await (const _ of store);
        },
      ];
      for (reply of [undefined, { a: 1 }, [1, 2], ['x', ['y']], true, 1n]) {
        for (const call of calls) {
          await expect(call()).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' });
        }
      }
      // The answer to another key.
      reply = ['{tlsession}:other', 1, 'a'.repeat(40), 'b'.repeat(40)];
      await expect(store.addWitnessed('k', value, UNTIL())).rejects.toMatchObject({
        code: 'ERR_STORE_FAILED',
      });
    });

    it('has a client of its own, which does without a server until there is one', async () => {
      const gone = await startRedis(path);
      const { port, url } = gone;
      await gone[Symbol.asyncDispose]();
      const store = await connectValkey({ url, waitMs: 100 });
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' });
      await using _ = await startRedis(path, [], port);
      await expect.poll(() => store.get('a').catch(() => 'not yet'), { timeout: 15_000 }).toBeNull();
      await store.put('a', value, UNTIL());
      expect(await store.take('a')).toEqual(value);
      await store.close();
      await expect(store.get('a')).rejects.toMatchObject({ code: 'ERR_STORE_CLOSED' });
    });
  });
});
