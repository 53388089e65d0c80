/**
 * The little of a Valkey or Redis client that the store needs, and how to get it from the clients of npm:
 * `redis` (node-redis, a client or a cluster) and `ioredis` (likewise). They are described by what is used of
 * them, so that neither has to be installed to compile against this.
 */

/** One server, or the cluster behind it. */
export interface ValkeyCommands {
  /**
   * Sends a command to the primary that has `key`, and resolves to its reply: texts as bytes where the client
   * can, arrays as arrays, null for nothing. Rejects when there is no connection; never waits for one.
   */
  send(key: string, args: readonly (string | Uint8Array)[]): Promise<unknown>;
  /** Every primary, to look through all keys. */
  primaries(): Promise<readonly ((args: readonly string[]) => Promise<unknown>)[]>;
}

type Arguments = (string | Buffer)[];

interface WithErrors {
  on?(event: 'error', listener: (error: Error) => void): unknown;
}

/** What is used of a client of the package `redis`. */
export interface RedisClientLike extends WithErrors {
  sendCommand(args: Arguments, options?: { typeMapping?: Record<number, unknown> }): Promise<unknown>;
}

/** What is used of a cluster of the package `redis`. */
export interface RedisClusterLike extends WithErrors {
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: Arguments,
    options?: { typeMapping?: Record<number, unknown> },
  ): Promise<unknown>;
  readonly masters: readonly unknown[];
  nodeClient(node: never): unknown;
}

/** What is used of a client or a cluster of the package `ioredis`. */
export interface IoredisLike extends WithErrors {
  callBuffer(command: string, args: Arguments): Promise<unknown>;
  nodes?(role?: 'master'): readonly IoredisLike[];
}

export type ValkeyClient = RedisClientLike | RedisClusterLike | IoredisLike | ValkeyCommands;

/** node-redis: bulk strings ('$') come as Buffers. */
const AS_BYTES = { typeMapping: { 36: Buffer } };

/** @throws {TypeError} for what is none of the clients that are known here. */
export function commandsOf(client: ValkeyClient): ValkeyCommands {
  // Without a listener, the loss of a connection would end the process.
  (client as WithErrors).on?.('error', () => {});
  if ('primaries' in client) return client;
  if ('callBuffer' in client) return ioredisCommands(client);
  if ('nodeClient' in client) return clusterCommands(client);
  if ('sendCommand' in client) return clientCommands(client);
  throw new TypeError('not a client of the packages redis or ioredis');
}

function clientCommands(client: RedisClientLike): ValkeyCommands {
  const send = (args: readonly (string | Uint8Array)[]): Promise<unknown> =>
    client.sendCommand(asBuffers(args), AS_BYTES);
  return { send: (_, args) => send(args), primaries: async () => [send] };
}

function clusterCommands(cluster: RedisClusterLike): ValkeyCommands {
  return {
    send: (key, args) => cluster.sendCommand(key, false, asBuffers(args), AS_BYTES),
    primaries: () =>
      Promise.all(
        cluster.masters.map(async (node) => {
          const client = (await cluster.nodeClient(node as never)) as RedisClientLike;
          return (args: readonly string[]) => client.sendCommand([...args], AS_BYTES);
        }),
      ),
  };
}

function ioredisCommands(client: IoredisLike): ValkeyCommands {
  const sendTo = (node: IoredisLike, args: readonly (string | Uint8Array)[]): Promise<unknown> => {
    const [command, ...rest] = asBuffers(args);
    return node.callBuffer(String(command), rest);
  };
  return {
    send: (_, args) => sendTo(client, args),
    primaries: async () =>
      (client.nodes?.('master') ?? [client]).map((node) => (args: readonly string[]) => sendTo(node, args)),
  };
}

function asBuffers(args: readonly (string | Uint8Array)[]): Arguments {
  return args.map((arg) =>
    typeof arg === 'string' ? arg : Buffer.from(arg.buffer, arg.byteOffset, arg.byteLength),
  );
}
