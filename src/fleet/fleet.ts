/**
 * All that processes share through a store, made of one store and one secret: sessions, ticket keys, the
 * register of hellos with early data. `createServer({ fleet })` uses it; each part stands for itself too.
 */
import { GuardedStore, type GuardedStoreOptions } from '../cache/guarded-store.ts';
import type { SessionStore } from '../cache/store.ts';
import { StoreSource } from '../cache/store-source.ts';
import { StoredClientSessions } from '../cache/stored-client-sessions.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { inspectAs } from '../util/inspect.ts';
import type { Timers } from '../util/timers.ts';
import { FleetKeyring, type FleetKeyringOptions } from './keyring.ts';
import { StoreReplayGuard } from './replay-guard.ts';
import { SealedSessions } from './sealed-sessions.ts';
import { type FleetSecret, SecretBox } from './secret-box.ts';

type Given = 'provider' | 'store' | 'box' | 'timers' | 'clock' | 'prefix';

export interface FleetOptions {
  readonly store: SessionStore;
  /** 32 random bytes or more, the same in all processes; the first of several seals, all open. */
  readonly secret: FleetSecret | readonly FleetSecret[];
  readonly provider: CryptoProvider;
  readonly timers: Timers;
  readonly clock?: Clock;
  /** Before every key in the store: two fleets on one store have different ones. Default none. */
  readonly prefix?: string;
  /** Limits on the store: see `GuardedStore`. */
  readonly limits?: Omit<GuardedStoreOptions, 'store' | 'timers' | 'clock'>;
  /** Times of ticket keys: see `FleetKeyring`. */
  readonly keys?: Omit<FleetKeyringOptions, Given>;
  /** See `StoreReplayGuard`. */
  readonly freshMs?: number;
}

export class Fleet {
  /** The store with its limits: everything below goes through it. */
  readonly store: GuardedStore;
  /** Servers' sessions: TLS 1.2 session ids and stateful TLS 1.3 tickets. */
  readonly sessions: StoreSource;
  /** The keys of stateless tickets. */
  readonly tickets: FleetKeyring;
  /** For early data. */
  readonly replayGuard: StoreReplayGuard;
  /** Resolves after the first look at the store, to whether tickets can be sealed. Never rejects. */
  readonly ready: Promise<boolean>;
  readonly #options: FleetOptions;
  readonly #box: SecretBox;

  /**
   * @throws {CacheError} `ERR_FLEET_SECRET` for secrets that are none; {TicketError} `ERR_TICKET_KEYRING` for
   * times that contradict each other.
   */
  constructor(options: FleetOptions) {
    const { provider, timers } = options;
    const clock = options.clock ?? systemClock;
    const prefix = options.prefix ?? '';
    this.#options = options;
    this.#box = new SecretBox(provider, options.secret);
    this.store = new GuardedStore({ ...options.limits, store: options.store, timers, clock });
    const { store } = this;
    const sealer = new SealedSessions(provider, this.#box, 'server');
    this.sessions = new StoreSource({ store, sealer, clock, prefix });
    this.tickets = new FleetKeyring({
      ...options.keys,
      provider,
      store,
      box: this.#box,
      timers,
      clock,
      prefix,
    });
    const skewSec = options.keys?.maxClockSkewSec;
    this.replayGuard = new StoreReplayGuard({
      provider,
      store,
      clock,
      prefix,
      ...(skewSec === undefined ? {} : { maxClockSkewMs: skewSec * 1000 }),
      ...(options.freshMs === undefined ? {} : { freshMs: options.freshMs }),
    });
    this.ready = this.tickets.start();
  }

  static {
    inspectAs(Fleet, (fleet) => `Fleet { sealing key ${fleet.tickets.sealingKey ?? 'none'} }`);
  }

  /** A client's sessions in the same store, for `connect({ sessionCache })`. */
  clientSessions(options: { readonly ticketsPerPeer?: number } = {}): StoredClientSessions {
    const { provider, timers, clock = systemClock, prefix = '' } = this.#options;
    return new StoredClientSessions({
      store: this.store,
      sealer: new SealedSessions(provider, this.#box, 'client'),
      digest: (bytes) => provider.digest('sha256', bytes),
      random: (length) => provider.random(length),
      timers,
      clock,
      prefix,
      ...options,
    });
  }

  /** Waits for writes under way, and wipes the keys here. The store is the caller's, and stays open. */
  async close(): Promise<void> {
    await this.sessions.settled();
    if (this.#closed) return;
    this.#closed = true;
    this.tickets.destroy();
  }

  #closed = false;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  toJSON(): object {
    return { store: this.store.stats, sessions: this.sessions.stats, tickets: this.tickets.toJSON() };
  }
}
