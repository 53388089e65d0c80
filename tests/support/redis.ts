/** redis-server for tests: one, a primary with a replica, a cluster of three; without files, on loopback. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type RedisClientType } from 'redis';
import { freePort, type PeerServer, startPeerServer } from './peer.ts';
import { until } from './until.ts';

export interface RedisServer extends PeerServer {
  readonly url: string;
}

/** Starts a server with no persistence; `port` fixes where, for one that comes back. */
export async function startRedis(
  path: string,
  args: readonly string[] = [],
  port?: number,
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-redis-'));
  const server = await startPeerServer({
    path,
    args: (free) => [
      ...['--port', String(port ?? free), '--bind', '127.0.0.1', '--dir', folder],
      ...['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0', ...args],
    ],
    ready: /Ready to accept connections/,
  });
  const at = port ?? server.port;
  return {
    port: at,
    peer: server.peer,
    url: `redis://127.0.0.1:${at}`,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One client for `use`, and none after. */
export async function withRedis<T>(url: string, use: (client: RedisClientType) => Promise<T>): Promise<T> {
  const client = createClient({ url, RESP: 2 }) as unknown as RedisClientType;
  client.on('error', () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    client.destroy();
  }
}

export interface RedisCluster extends AsyncDisposable {
  readonly urls: readonly string[];
  readonly nodes: readonly RedisServer[];
}

/** Three primaries, each with a third of the slots. */
export async function startRedisCluster(path: string): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  };
  try {
    const buses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const bus = await freePort();
      buses.push(bus);
      nodes.push(await startRedis(path, ['--cluster-enabled', 'yes', '--cluster-port', String(bus)]));
    }
    const bounds = [0, 5461, 10923, 16384] as const;
    for (const [i, node] of nodes.entries()) {
      await withRedis(node.url, async (client) => {
        const [from, to] = [bounds[i] as number, (bounds[i + 1] as number) - 1];
        await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', String(from), String(to)]);
        await client.sendCommand(['CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1)]);
      });
    }
    await withRedis((nodes[0] as RedisServer).url, async (client) => {
      for (const [i, node] of nodes.entries()) {
        if (i === 0) continue;
        await client.sendCommand(['CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(buses[i])]);
      }
    });
    for (const node of nodes) {
      await withRedis(node.url, async (client) => {
        let info = '';
        await until(
          async () => {
            info = String(await client.sendCommand(['CLUSTER', 'INFO']));
            return /cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info);
          },
          () => `the cluster comes together:\n${info}`,
          20_000,
        );
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes, urls: nodes.map(({ url }) => url), [Symbol.asyncDispose]: stop };
}
