/**
 * A store with a client of its own, of the package `redis`, set up for what TLS needs of it: no command waits
 * for a connection, none waits for one that is dead, and it is tried again for as long as it takes.
 */
import type { Clock } from '../../util/clock.ts';
import type { RedisClientLike, RedisClusterLike } from './commands.ts';
import { ValkeyStore } from './valkey-store.ts';

export interface ConnectValkeyOptions {
  /** `redis://user:password@host:6379`, or `rediss://`; several: nodes of a cluster to begin with. */
  readonly url: string | readonly string[];
  readonly prefix?: string;
  readonly spread?: number;
  readonly clock?: Clock;
  /** Milliseconds to wait for the first connection; the store is there without it. Default 1,000. */
  readonly waitMs?: number;
  /** Told of every error of a connection. Default: nobody is. */
  readonly onError?: (error: Error) => void;
  /** More options of `createClient`, or of `defaults` of `createCluster`; they go before those set here. */
  readonly client?: Readonly<Record<string, unknown>>;
}

/** Milliseconds between two times that a connection is given up for what came over it. */
const RENEW_EVERY_MS = 250;

type Owned = (RedisClientLike | RedisClusterLike) & {
  on(event: 'error', listener: (error: Error) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  /** Of a client, not of a cluster. */
  readonly isReady?: boolean;
};

/**
 * The package `redis` has to be installed. Resolves when the first connection is there, or when `waitMs` are
 * over. `close` of the store ends the connection.
 */
export async function connectValkey(options: ConnectValkeyOptions): Promise<ValkeyStore> {
  const { createClient, createCluster } = await import('redis');
  const settings = {
    disableOfflineQueue: true,
    commandsQueueMaxLength: 8192,
    // A peer that is gone without a word is found out by a ping that nobody answers.
    pingInterval: 1000,
    ...options.client,
    socket: {
      connectTimeout: 1000,
      socketTimeout: 3000,
      noDelay: true,
      reconnectStrategy: (retries: number): number => Math.min(1000, 25 * 2 ** Math.min(retries, 6)),
      ...(options.client?.['socket'] as object | undefined),
    },
  };
  const urls: readonly string[] = typeof options.url === 'string' ? [options.url] : options.url;
  const client = (urls.length === 1
    ? createClient({ url: urls[0] as string, ...settings })
    : createCluster({ rootNodes: urls.map((url) => ({ url })), defaults: settings })) as unknown as Owned;
  let closed = false;
  let renewing = false;
  /** What came over the connection was no reply: all that follows may be the answer to something else. */
  const renew = (): void => {
    if (closed || renewing) return;
    renewing = true;
    setTimeout(() => {
      renewing = false;
      if (closed) return;
      try {
        client.destroy();
      } catch {
        // It has gone by itself.
      }
      client.connect().catch(() => {});
    }, RENEW_EVERY_MS).unref();
  };
  client.on('error', (error) => {
    options.onError?.(error);
    // The connection stands, and yet there is an error: it was in what came.
    if (client.isReady === true) renew();
  });
  let timer: NodeJS.Timeout | undefined;
  const waited = new Promise<void>((done) => {
    timer = setTimeout(done, options.waitMs ?? 1000);
  });
  await Promise.race([client.connect().catch(() => {}), waited]);
  clearTimeout(timer);
  const { prefix, spread, clock } = options;
  return new ValkeyStore({
    client,
    ...(prefix === undefined ? {} : { prefix }),
    ...(spread === undefined ? {} : { spread }),
    ...(clock === undefined ? {} : { clock }),
    onUnexpected: renew,
    onClose: () => {
      closed = true;
      try {
        client.destroy();
      } catch {
        // It was not connected.
      }
    },
  });
}
