/**
 * What the library counts, as metrics of prom-client, which is given: an optional peer. Counters of contexts,
 * caches and keyrings are read when somebody scrapes; handshakes come over diagnostics_channel.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type * as PromClient from 'prom-client';
import type { CacheStats } from '../cache/cache-stats.ts';
import type { ClientCacheStats } from '../cache/client-session-cache.ts';
import type { HandshakeMessage } from '../diagnostics/channels.ts';
import type { TicketKeyInfo } from '../ticket/keyring.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { UsageError } from '../util/errors.ts';

/** What of prom-client is used: the module itself is one. */
export type PromClientModule = Pick<typeof PromClient, 'Counter' | 'Gauge' | 'Histogram' | 'register'>;

export interface MetricsOptions {
  /** Default: the module's own registry. */
  readonly register?: PromClient.Registry | undefined;
  /** Before every name. Default `tlsession_`. */
  readonly prefix?: string | undefined;
  /** Of handshakes, in seconds. */
  readonly buckets?: readonly number[] | undefined;
  readonly clock?: Clock | undefined;
}

/** What is watched under one name: all of it, or some. */
export interface Watched {
  /** A `SessionCache`, or the `SessionContext` of a server or client (`context.sessions`). */
  readonly sessions?: { readonly stats: Readonly<CacheStats> } | undefined;
  readonly keyring?: { keys(): readonly TicketKeyInfo[] } | undefined;
  /** A `ClientSessionCache`. */
  readonly clientCache?: { readonly stats: ClientCacheStats } | undefined;
}

/** Counters of contexts: the metric's name without prefix, its help, what it counts. */
const SESSIONS: readonly (readonly [string, string, (stats: Readonly<CacheStats>) => number])[] = [
  ['sess_connect_total', 'Handshakes begun as a client', (stats) => stats.connect],
  ['sess_connect_good_total', 'Handshakes completed as a client', (stats) => stats.connectGood],
  ['sess_accept_total', 'Handshakes begun as a server', (stats) => stats.accept],
  ['sess_accept_good_total', 'Handshakes completed as a server', (stats) => stats.acceptGood],
  ['sess_hits_total', 'Connections that were resumed', (stats) => stats.hits],
  ['sess_cb_hits_total', 'Sessions that the get callback found', (stats) => stats.cbHits],
  ['sess_misses_total', 'Look-ups that the internal cache could not answer', (stats) => stats.misses],
  ['sess_timeouts_total', 'Sessions shown to servers that had expired', (stats) => stats.timeouts],
  ['sess_cache_full_total', 'Sessions that made way in a full cache', (stats) => stats.cacheFull],
  ['cache_added_total', 'Sessions put into the cache', (stats) => stats.added],
  ['cache_replaced_total', 'Sessions that made way for another with their id', (stats) => stats.replaced],
  ['cache_removed_total', 'Sessions removed by name', (stats) => stats.removed],
  ['cache_flushed_total', 'Sessions flushed', (stats) => stats.flushed],
  ['cache_evicted_expired_total', 'Of those that made way: had expired', (stats) => stats.evictedExpired],
  ['cache_evicted_live_total', 'Of those that made way: still lived', (stats) => stats.evictedLeastRecent],
  ['callback_errors_total', 'Exceptions of callbacks', (stats) => stats.callbackErrors],
  ['early_data_accepted_total', 'Early data taken', (stats) => stats.earlyDataAccepted],
];

const CLIENT: readonly (readonly [string, string, keyof ClientCacheStats])[] = [
  ['client_cache_puts_total', "Sessions put into a client's cache", 'puts'],
  ['client_cache_hits_total', 'Connections that got a session from it', 'hits'],
  ['client_cache_misses_total', 'Connections that got none', 'misses'],
  ['client_cache_expired_total', 'Sessions dropped from it because they had expired', 'expired'],
  ['client_cache_overflowed_total', 'Sessions dropped to make room at a peer', 'overflowed'],
  ['client_cache_evicted_total', 'Sessions dropped with a peer that made room', 'evicted'],
];

const BUCKETS: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ROLES = ['next', 'current', 'previous'] as const;

export class Metrics {
  readonly #client: PromClientModule;
  readonly #register: PromClient.Registry;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #watched: Map<string, Watched> = new Map();
  readonly #names: string[] = [];
  readonly #onHandshake: (message: unknown) => void;
  readonly #onTicketKey: (message: unknown) => void;

  /** Use `collectMetrics`. */
  constructor(client: PromClientModule, options: MetricsOptions) {
    this.#client = client;
    this.#register = options.register ?? client.register;
    this.#prefix = options.prefix ?? 'tlsession_';
    this.#clock = options.clock ?? systemClock;
    this.#contexts();
    this.#keyrings();
    this.#clientCaches();

    const handshakes = new client.Counter({
      ...this.#named('handshakes_total', 'Handshakes that were completed or failed'),
      labelNames: ['role', 'protocol', 'result', 'failure'],
    });
    const durations = new client.Histogram({
      ...this.#named('handshake_duration_seconds', 'How long handshakes took that were completed'),
      labelNames: ['role', 'resumed'],
      buckets: [...(options.buckets ?? BUCKETS)],
    });
    const exhausted = new client.Counter(
      this.#named(
        'ticket_key_exhausted_total',
        'Keys that have sealed what they may, and no other can follow yet',
      ),
    );
    this.#onHandshake = (message): void => {
      const { role, protocol, completed, failure, resumed, durationMs } = message as HandshakeMessage;
      const result = completed ? 'completed' : 'failed';
      handshakes.inc({ role, protocol: protocol ?? 'none', result, failure: failure ?? '' });
      if (completed && durationMs !== null)
        durations.observe({ role, resumed: String(resumed) }, durationMs / 1000);
    };
    this.#onTicketKey = (message): void => {
      if ((message as { kind: string }).kind === 'exhausted') exhausted.inc();
    };
    subscribe('tlsession:handshake', this.#onHandshake);
    subscribe('tlsession:ticket-key', this.#onTicketKey);
  }

  /**
   * From now on scrapes show this under the label `context`; returns what ends that.
   * @throws {UsageError} `ERR_METRICS_NAME` for a name that is watched already.
   */
  watch(name: string, watched: Watched): () => void {
    if (this.#watched.has(name)) {
      throw new UsageError('ERR_METRICS_NAME', `${JSON.stringify(name)} is watched already`);
    }
    this.#watched.set(name, watched);
    return () => {
      if (this.#watched.get(name) === watched) this.#watched.delete(name);
    };
  }

  /** Takes the metrics out of the registry, and listens no more. */
  stop(): void {
    unsubscribe('tlsession:handshake', this.#onHandshake);
    unsubscribe('tlsession:ticket-key', this.#onTicketKey);
    for (const name of this.#names) this.#register.removeSingleMetric(name);
    this.#watched.clear();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #contexts(): void {
    for (const [name, help, value] of SESSIONS) {
      this.#counter(name, help, [], ({ sessions }, add) => {
        if (sessions !== undefined) add({}, value(sessions.stats));
      });
    }
    this.#gauge('sess_number', 'Sessions kept now', [], ({ sessions }, set) => {
      if (sessions !== undefined) set({}, sessions.stats.number);
    });
    for (const [name, help, field] of [
      ['not_resumed_total', 'Completed handshakes that were full ones', 'notResumed'],
      ['early_data_refused_total', 'Completed handshakes without early data', 'earlyDataRefused'],
    ] as const) {
      this.#counter(name, help, ['reason'], ({ sessions }, add) => {
        for (const [reason, count] of Object.entries(sessions?.stats[field] ?? {})) add({ reason }, count);
      });
    }
  }

  #keyrings(): void {
    const keysOf = ({ keyring }: Watched): readonly TicketKeyInfo[] => {
      try {
        return keyring?.keys() ?? [];
      } catch {
        // Its keys are wiped: there is nothing to say of it any more.
        return [];
      }
    };
    this.#gauge('ticket_keys', 'Ticket keys by their role', ['role'], (watched, set) => {
      if (watched.keyring === undefined) return;
      const keys = keysOf(watched);
      for (const role of ROLES) set({ role }, keys.filter((key) => key.role === role).length);
    });
    const current = (watched: Watched): TicketKeyInfo | undefined =>
      keysOf(watched).find(({ role }) => role === 'current');
    this.#gauge('ticket_key_seals', 'Tickets that the current key has sealed here', [], (watched, set) => {
      const key = current(watched);
      if (key !== undefined) set({}, key.seals);
    });
    this.#gauge('ticket_key_age_seconds', 'Since when the current key seals', [], (watched, set) => {
      const since = current(watched)?.activeMs ?? null;
      if (since !== null) set({}, (this.#clock.wallMs() - since) / 1000);
    });
  }

  #clientCaches(): void {
    for (const [name, help, field] of CLIENT) {
      this.#counter(name, help, [], ({ clientCache }, add) => {
        if (clientCache !== undefined) add({}, clientCache.stats[field]);
      });
    }
    for (const field of ['peers', 'sessions'] as const) {
      this.#gauge(
        `client_cache_${field}`,
        `In a client's cache now: ${field}`,
        [],
        ({ clientCache }, set) => {
          if (clientCache !== undefined) set({}, clientCache.stats[field]);
        },
      );
    }
  }

  #counter(name: string, help: string, labels: readonly string[], read: Read): void {
    const watched = this.#watched;
    new this.#client.Counter({
      ...this.#named(name, help),
      labelNames: ['context', ...labels],
      collect(): void {
        // The totals are kept where they are counted; here they are only shown.
        this.reset();
        for (const [context, each] of watched)
          read(each, (more, value) => this.inc({ context, ...more }, value));
      },
    });
  }

  #gauge(name: string, help: string, labels: readonly string[], read: Read): void {
    const watched = this.#watched;
    new this.#client.Gauge({
      ...this.#named(name, help),
      labelNames: ['context', ...labels],
      collect(): void {
        this.reset();
        for (const [context, each] of watched)
          read(each, (more, value) => this.set({ context, ...more }, value));
      },
    });
  }

  #named(name: string, help: string): { name: string; help: string; registers: PromClient.Registry[] } {
    const full = `${this.#prefix}${name}`;
    this.#names.push(full);
    return { name: full, help, registers: [this.#register] };
  }
}

type Read = (watched: Watched, put: (labels: Record<string, string>, value: number) => void) => void;

/**
 * Registers the metrics. Give `watch` what is to be seen:
 *
 *     import * as promClient from 'prom-client';
 *     const metrics = collectMetrics(promClient);
 *     metrics.watch('web', { sessions: server.context.sessions });
 */
export function collectMetrics(client: PromClientModule, options: MetricsOptions = {}): Metrics {
  return new Metrics(client, options);
}
