/**
 * The ticket keys of a fleet: all nodes seal with the same key at the same time, and all can open what any of
 * them sealed. The keys lie in one record of a store (`ring-record.ts`); each node reads it every `pollSec`.
 *
 * A key's times are fixed when it is made:
 *
 *     published ──publishSec──▶ start ──rotateEverySec──▶ ──extendSec──▶ seal_until ──ticket's life──▶ end
 *                                └── seals ──────────────┴─ only for want of the next ┘ └─── opens ────┘
 *
 * - As soon as a key's turn begins, some node makes the next one, under a lock in the store that expires.
 * - A node seals with a key only when it has read it from the store after the publishing time was over: whoever
 *   reached the store once meanwhile has it too.
 * - A node that cannot get the next key goes on with the last for `extendSec`, and then seals nothing. So no
 *   ticket is made that another node may not open, and every key's end is known from its beginning.
 * - A node that misses one of its keys in the store puts it back; so the store may forget everything. One that
 *   was lost before it was published for long enough is published anew.
 * - A ticket under a key that this node has not heard of makes it look in the store at once (`refresh`).
 *
 * Clocks may differ by `maxClockSkewSec` between any two nodes. A node may be cut off from the store for
 * `publishSec` less two polls, and the whole fleet for `extendSec`, and no ticket is lost.
 */
import type { Awaitable } from '../cache/awaitable.ts';
import type { SessionStore } from '../cache/store.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { TicketError } from '../ticket/errors.ts';
import {
  copyKeyMaterial,
  generateKeyMaterial,
  type TicketKeyMaterial,
  wipeKeyMaterial,
} from '../ticket/key-material.ts';
import type { TicketKeyRecord } from '../ticket/keyring.ts';
import {
  MAX_TICKET_PLAINTEXT,
  type SharedTicketSealer,
  type TicketFormat,
  type TicketOpenResult,
} from '../ticket/sealer.ts';
import { type TicketCipher, ticketCipher } from '../ticket/ticket-cipher.ts';
import { equalBytes, toHex } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { tell } from '../util/listeners.ts';
import type { Timer, Timers } from '../util/timers.ts';
import { decodeRing, encodeRing, MAX_RING_KEYS, type SharedKey } from './ring-record.ts';
import type { SealFault, SecretBox } from './secret-box.ts';

export interface FleetKeyringOptions {
  readonly provider: CryptoProvider;
  readonly store: SessionStore;
  readonly box: SecretBox;
  readonly timers: Timers;
  readonly clock?: Clock;
  /** Before the keys in the store. Default none. */
  readonly prefix?: string;
  /** Of the keys that are made here. Default `aead`. */
  readonly format?: TicketFormat;
  /** Bytes of each key in OpenSSL's format: 32 (default), or 16 to share them with stock node:tls servers. */
  readonly opensslKeyBytes?: 16 | 32;
  /** The longest life of a ticket, in seconds. Default 7,200. */
  readonly ticketLifetimeSec?: number;
  /** How long a key seals, in seconds. Default 43,200 (12 h). */
  readonly rotateEverySec?: number;
  /** How long a key lies in the store before it seals, in seconds. Default a quarter of `rotateEverySec`. */
  readonly publishSec?: number;
  /** How long a key seals beyond its time when the next is not there, in seconds. Default as `publishSec`. */
  readonly extendSec?: number;
  /** Seconds between two looks at the store. Default 60. */
  readonly pollSec?: number;
  /** How far the clocks of two nodes may be apart, in seconds. Default 60. */
  readonly maxClockSkewSec?: number;
  /**
   * How long the key waits that is made when none can seal, as by the first node ever, in seconds. Default 0:
   * other nodes then get it by looking it up when they first see it in a ticket.
   */
  readonly firstUseSec?: number;
  /** Seconds for which the lock holds a node that makes a key. Default 10. */
  readonly lockSec?: number;
  /** Tickets that this node seals with one key. Default 2^26: 64 nodes stay below NIST's 2^32. */
  readonly maxSeals?: number;
  /** What it throws comes out later (`uncaughtException`), and stops nothing. */
  readonly onEvent?: (event: FleetKeyEvent) => void;
}

export interface FleetKeyEvent {
  /**
   * `made` by this node; `learned` from the store; `sealing` this node seals with it from now on; `restored` to
   * the store, which had lost it; `wiped` at its end; `exhausted` it has sealed what it may;
   * `no-key` nothing can be sealed now; `store-failed` the store could not be read or written;
   * `bad-record` what lies in the store is not the fleet's, and is overwritten.
   */
  readonly kind:
    | 'made'
    | 'learned'
    | 'sealing'
    | 'restored'
    | 'wiped'
    | 'exhausted'
    | 'no-key'
    | 'store-failed'
    | 'bad-record';
  /** The key's name in hexadecimal, which stands in clear in every ticket; null where no key is meant. */
  readonly key: string | null;
  readonly atMs: number;
  /** Of `bad-record`. */
  readonly fault?: SealFault | 'no-ring';
  /** Of `store-failed`. */
  readonly error?: unknown;
}

/** What may be known of a key. */
export interface FleetKeyInfo {
  readonly name: string;
  readonly format: TicketFormat;
  readonly publishedMs: number;
  readonly startMs: number;
  readonly sealUntilMs: number;
  readonly endMs: number;
  /** Whether this node knows that all others have it. */
  readonly confirmed: boolean;
  /** Tickets that this node sealed with it. */
  readonly seals: number;
}

interface NodeKey {
  readonly name: string;
  readonly material: TicketKeyMaterial;
  readonly cipher: TicketCipher;
  readonly first: boolean;
  readonly startMs: number;
  readonly sealUntilMs: number;
  readonly endMs: number;
  publishedMs: number;
  /** The store had it after its publishing time was over. */
  confirmed: boolean;
  seals: number;
}

interface Rules {
  readonly lifetimeMs: number;
  readonly rotateEveryMs: number;
  readonly publishMs: number;
  readonly extendMs: number;
  readonly pollMs: number;
  readonly skewMs: number;
  readonly firstUseMs: number;
  readonly lockMs: number;
  readonly maxSeals: number;
}

/** Milliseconds between two looks at the store that tickets of unknown keys cause. */
const REFRESH_EVERY_MS = 1000;
/** Looks at the store, and milliseconds between them, while the first key is being made. */
const FIRST_LOOKS = 10;
const FIRST_LOOK_MS = 150;
const MAX_TIMER_MS = 2 ** 31 - 1;
const USE = 'ticket keys';

function rulesOf(options: FleetKeyringOptions): Rules {
  const ms = (value: number, what: string, least: number): number => {
    if (!(value >= least) || value > 1e9) {
      throw new TicketError(
        'ERR_TICKET_KEYRING',
        `${what} is ${value} seconds, and must be ${least} or more`,
      );
    }
    return value * 1000;
  };
  const rotate = options.rotateEverySec ?? 43_200;
  const poll = options.pollSec ?? Math.min(60, rotate / 16);
  const skew = options.maxClockSkewSec ?? Math.min(60, rotate / 16);
  const publish = options.publishSec ?? rotate / 4;
  const rules: Rules = {
    lifetimeMs: ms(options.ticketLifetimeSec ?? 7200, 'the life of a ticket', 1),
    rotateEveryMs: ms(rotate, 'the time between rotations', 1),
    publishMs: ms(publish, 'the time that a key is published', 0),
    extendMs: ms(options.extendSec ?? publish, 'the time that a key seals beyond its own', 0),
    pollMs: ms(poll, 'the time between polls', 0.001),
    skewMs: ms(skew, 'the difference of clocks', 0),
    firstUseMs: ms(options.firstUseSec ?? 0, 'the waiting time of a first key', 0),
    lockMs: ms(options.lockSec ?? 10, 'the life of a lock', 0.001),
    maxSeals: options.maxSeals ?? 2 ** 26,
  };
  const { rotateEveryMs, publishMs, pollMs, skewMs, lifetimeMs, extendMs } = rules;
  if (publishMs < 2 * pollMs) {
    throw new TicketError('ERR_TICKET_KEYRING', 'a key has to be published for two polls at least');
  }
  if (publishMs + 2 * skewMs + 2 * pollMs > rotateEveryMs) {
    throw new TicketError(
      'ERR_TICKET_KEYRING',
      'a key cannot be published in the time of its predecessor: rotate less often, or publish for less long',
    );
  }
  if ((lifetimeMs + extendMs + skewMs) / rotateEveryMs + 3 > MAX_RING_KEYS / 2) {
    throw new TicketError('ERR_TICKET_KEYRING', 'tickets would live through too many rotations');
  }
  if (!(rules.maxSeals >= 1 && rules.maxSeals <= 2 ** 32)) {
    throw new TicketError('ERR_TICKET_KEYRING', 'a key seals 1 to 2^32 tickets');
  }
  return rules;
}

export class FleetKeyring implements SharedTicketSealer {
  readonly format: TicketFormat;
  readonly ticketLifetimeSec: number;
  readonly #opensslKeyBytes: 16 | 32;
  readonly #provider: CryptoProvider;
  readonly #store: SessionStore;
  readonly #box: SecretBox;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #place: string;
  readonly #lockPlace: string;
  readonly #rules: Rules;
  readonly #onEvent: (event: FleetKeyEvent) => void;
  /** By name. */
  readonly #keys: Map<string, NodeKey> = new Map();
  #sealing: NodeKey | null = null;
  /** Nothing changes by time alone before this. */
  #dueMs: number = Number.NEGATIVE_INFINITY;
  /** What the store held last, to see at once that nothing changed, and the names of the keys in it. */
  #lastRead: Uint8Array | null = null;
  #inStore: Set<string> = new Set();
  #timer: Timer | null = null;
  #wake: Timer | null = null;
  #wakeMs = Number.NaN;
  #polling: Promise<boolean> | null = null;
  #refreshedMs: number = Number.NEGATIVE_INFINITY;
  /** Polls that failed in a row. */
  #failures = 0;
  #started = false;
  #ended = false;
  #saidNoKey = false;

  /** @throws {TicketError} `ERR_TICKET_KEYRING` for rules that contradict each other. */
  constructor(options: FleetKeyringOptions) {
    this.#rules = rulesOf(options);
    this.#provider = options.provider;
    this.#store = options.store;
    this.#box = options.box;
    this.#timers = options.timers;
    this.#clock = options.clock ?? systemClock;
    this.#place = `${options.prefix ?? ''}k:ring`;
    this.#lockPlace = `${options.prefix ?? ''}k:lock`;
    this.#onEvent = options.onEvent ?? (() => {});
    this.format = options.format ?? 'aead';
    this.#opensslKeyBytes = options.opensslKeyBytes ?? 32;
    this.ticketLifetimeSec = options.ticketLifetimeSec ?? 7200;
  }

  /**
   * Looks at the store, and from now on every `pollSec`. Resolves after the first look, or a second and a half
   * later while another node makes the first key, to whether tickets can be sealed: if not, the store did not
   * answer. Never rejects.
   */
  async start(): Promise<boolean> {
    this.#live();
    if (!this.#started) {
      this.#started = true;
      await this.#tick();
    } else await this.poll();
    // Another node may be making the first key at this moment.
    for (let i = 0; i < FIRST_LOOKS && this.#sealing === null && this.#failures === 0; i++) {
      await new Promise<void>((done) => this.#timers.after(FIRST_LOOK_MS, done));
      if (this.#ended) return false;
      await this.poll();
    }
    return this.#sealing !== null;
  }

  /** Looks at the store now. Resolves to whether it could be read. Never rejects. */
  poll(): Promise<boolean> {
    this.#live();
    this.#polling ??= this.#poll().finally(() => {
      this.#polling = null;
    });
    return this.#polling;
  }

  /**
   * Looks at the store, once a second at most: a ticket came whose key is not known here. Whether a key was
   * learned.
   */
  refresh(): Awaitable<boolean> {
    if (this.#ended) return false;
    const nowMs = this.#clock.monotonicMs();
    if (this.#polling === null) {
      if (nowMs - this.#refreshedMs < REFRESH_EVERY_MS) return false;
      this.#refreshedMs = nowMs;
    }
    const before = new Set(this.#keys.keys());
    return this.poll().then(() => [...this.#keys.keys()].some((name) => !before.has(name)));
  }

  seal(plaintext: Uint8Array, nowMs: number = this.#clock.wallMs()): Uint8Array | null {
    this.advance(nowMs);
    const key = this.#sealing;
    if (key === null || plaintext.length > MAX_TICKET_PLAINTEXT) return null;
    if (key.seals >= this.#rules.maxSeals) return null;
    if (++key.seals === this.#rules.maxSeals) this.#tell('exhausted', key.name);
    return key.cipher.seal(plaintext);
  }

  open(ticket: Uint8Array, nowMs: number = this.#clock.wallMs()): TicketOpenResult {
    this.advance(nowMs);
    if (ticket.length === 0) return { opened: false, reason: 'empty-ticket', fault: 'empty' };
    for (const key of this.#keys.values()) {
      if (!key.cipher.names(ticket)) continue;
      const opened = key.cipher.open(ticket);
      if (typeof opened === 'string') return { opened: false, reason: 'bad-ticket', fault: opened };
      const renew = this.#sealing !== null && key.startMs < this.#sealing.startMs;
      return { opened: true, plaintext: opened, renew, format: key.cipher.format };
    }
    return { opened: false, reason: 'unknown-key', fault: 'no-such-key' };
  }

  /** Does what is due by time: another key's turn, a key's end. `seal` and `open` do it first. */
  advance(nowMs: number = this.#clock.wallMs()): void {
    this.#live();
    if (nowMs >= this.#dueMs) this.#settle(nowMs);
  }

  /** Every key without its secrets, the latest first. */
  keys(): FleetKeyInfo[] {
    return this.#sorted().map((key) => {
      const { name, publishedMs, startMs, sealUntilMs, endMs, confirmed, seals } = key;
      return { name, format: key.cipher.format, publishedMs, startMs, sealUntilMs, endMs, confirmed, seals };
    });
  }

  /** The name of the key that tickets are sealed with now; null for none. */
  get sealingKey(): string | null {
    return this.#sealing?.name ?? null;
  }

  /**
   * Every key with its secrets, in copies, for servers that are not this library's: to be wiped by the caller.
   * `current` is the one that tickets are sealed with now, if there is one.
   */
  export(): TicketKeyRecord[] {
    const nowMs = this.#clock.wallMs();
    return this.#sorted().map((key) => ({
      role: key === this.#sealing ? 'current' : key.startMs > nowMs ? 'next' : 'previous',
      material: copyKeyMaterial(key.material),
      createdMs: key.publishedMs,
    }));
  }

  /** Stops looking at the store, and wipes every key here. What lies in the store stays. */
  destroy(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#wake?.cancel();
    this.#timer = null;
    this.#wake = null;
    for (const key of this.#keys.values()) wipe(key);
    this.#keys.clear();
    this.#sealing = null;
    this.#lastRead = null;
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  toJSON(): object {
    return { ticketLifetimeSec: this.ticketLifetimeSec, sealingKey: this.sealingKey, keys: this.keys() };
  }

  // The store ----------------------------------------------------------------------------------------

  async #tick(): Promise<void> {
    await this.poll();
    if (this.#ended) return;
    this.#timer?.cancel();
    this.#timer = this.#timers.after(this.#delayMs(), () => void this.#tick());
  }

  /** To the next poll: each node at its own time, and sooner while the store fails or nothing can be sealed. */
  #delayMs(): number {
    const [share = 0] = this.#provider.random(1);
    let pollMs = this.#rules.pollMs;
    if (this.#failures > 0 || this.#sealing === null) {
      pollMs = Math.min(pollMs / 8, 1000 * 2 ** Math.min(this.#failures, 20));
    }
    return Math.max(1, pollMs * (0.75 + share / 1024));
  }

  async #poll(): Promise<boolean> {
    try {
      const missing = await this.#read();
      if (this.#ended) return true;
      this.#settle(this.#clock.wallMs());
      if (missing || this.#wantsKey() !== null) await this.#write();
      this.#failures = 0;
      return true;
    } catch (error) {
      this.#failures++;
      if (!this.#ended) {
        this.#settle(this.#clock.wallMs());
        this.#tell('store-failed', null, { error });
      }
      return false;
    }
  }

  /** Takes over what the store has. Whether it lacks something that this node has. */
  async #read(): Promise<boolean> {
    // The answer may be as old as the question.
    const nowMs = this.#clock.wallMs();
    const bytes = await this.#store.get(this.#place);
    if (this.#ended) return false;
    if (bytes === null || this.#lastRead === null || !equalBytes(bytes, this.#lastRead)) {
      const shared = this.#decode(bytes, nowMs);
      this.#inStore = new Set(shared.map(({ material }) => toHex(material.name)));
      this.#lastRead = bytes;
      this.#merge(shared, nowMs);
    }
    let missing = false;
    for (const key of this.#keys.values()) {
      if (!this.#inStore.has(key.name)) missing = true;
      else if (!key.confirmed) key.confirmed = key.first || nowMs >= this.#usableMs(key);
    }
    return missing;
  }

  #decode(bytes: Uint8Array | null, nowMs: number): SharedKey[] {
    if (bytes === null) return [];
    const plaintext = this.#box.open(bytes, USE, this.#place);
    if (typeof plaintext === 'string') {
      this.#tell('bad-record', null, { fault: plaintext });
      return [];
    }
    const keys = decodeRing(plaintext);
    plaintext.fill(0);
    if (keys === null) {
      this.#tell('bad-record', null, { fault: 'no-ring' });
      return [];
    }
    return keys.filter((key) => {
      const lives = nowMs < key.endMs;
      if (!lives) wipeKeyMaterial(key.material);
      return lives;
    });
  }

  #merge(shared: readonly SharedKey[], nowMs: number): void {
    for (const { material, ...times } of shared) {
      const name = toHex(material.name);
      const known = this.#keys.get(name);
      if (known !== undefined) {
        wipeKeyMaterial(material);
        if (!known.confirmed) known.publishedMs = Math.max(known.publishedMs, times.publishedMs);
        continue;
      }
      this.#install(name, material, times);
      this.#tell('learned', name);
    }
    this.#dueMs = Math.min(this.#dueMs, nowMs);
  }

  #install(name: string, material: TicketKeyMaterial, times: Omit<SharedKey, 'material'>): NodeKey {
    const cipher = ticketCipher(this.#provider, (length) => this.#provider.random(length), material);
    const key: NodeKey = { name, material, cipher, ...times, confirmed: false, seals: 0 };
    this.#keys.set(name, key);
    return key;
  }

  /** From when a node that has read the key at that time or later may seal with it, but for its turn. */
  #usableMs({ first, startMs, publishedMs }: Pick<NodeKey, 'first' | 'startMs' | 'publishedMs'>): number {
    const { publishMs, skewMs } = this.#rules;
    // A first key is for now, by whatever clock.
    return first ? startMs - skewMs : publishedMs + publishMs + skewMs;
  }

  /** From when a node seals with a key that it has confirmed. */
  #fromMs(key: NodeKey): number {
    return key.first ? this.#usableMs(key) : Math.max(key.startMs, this.#usableMs(key));
  }

  /** Which key has to be made now, if any. */
  #wantsKey(): 'first' | 'next' | null {
    const nowMs = this.#clock.wallMs();
    const { rotateEveryMs, publishMs, skewMs } = this.#rules;
    const keys = [...this.#keys.values()];
    // A first key counts as soon as it is there: until it may seal there is nothing to do but wait.
    if (!keys.some((key) => nowMs < key.sealUntilMs && (key.startMs <= nowMs + skewMs || key.first))) {
      return 'first';
    }
    // What a node with a wrong clock made for the far future is not the next.
    const horizonMs = nowMs + rotateEveryMs + publishMs + 2 * skewMs;
    return keys.some(({ startMs }) => startMs > nowMs && startMs <= horizonMs) ? null : 'next';
  }

  /** Under the lock: reads again, makes what is wanted, puts all together, and reads back. */
  async #write(): Promise<void> {
    const { lockMs } = this.#rules;
    const began = this.#clock.monotonicMs();
    const held = await this.#store.add(this.#lockPlace, new Uint8Array(0), this.#clock.wallMs() + lockMs);
    // Another node is at it: the next poll shows what it did, or that it did not live to do it.
    if (!held || this.#ended) return;
    const inTime = (): boolean => this.#clock.monotonicMs() - began < lockMs / 2;
    const missing = await this.#read();
    if (this.#ended) return;
    this.#settle(this.#clock.wallMs());
    const wants = this.#wantsKey();
    // A node that was asleep is not the lock's holder any more: what it would write may be old.
    if ((wants !== null || missing) && inTime()) {
      await this.#putRing(wants);
      if (this.#ended) return;
      await this.#read();
      if (this.#ended) return;
      this.#settle(this.#clock.wallMs());
    }
    if (inTime()) await this.#store.delete(this.#lockPlace);
  }

  async #putRing(wants: 'first' | 'next' | null): Promise<void> {
    const nowMs = this.#clock.wallMs();
    const made: SharedKey[] = [];
    if (wants === 'first') made.push(this.#make(nowMs + this.#firstWaitMs(), nowMs, true));
    if (wants !== null && this.#keys.size + 2 <= MAX_RING_KEYS) made.push(this.#makeNext(nowMs, made[0]));
    const ring: SharedKey[] = [...made];
    for (const key of this.#sorted()) {
      if (nowMs >= key.endMs) continue;
      if (!this.#inStore.has(key.name)) {
        // Others may have missed it: its time to get about begins again.
        if (!key.confirmed) key.publishedMs = nowMs;
        this.#tell('restored', key.name);
      }
      ring.push(key);
    }
    const plaintext = encodeRing(ring.slice(0, MAX_RING_KEYS));
    const sealed = this.#box.seal(plaintext, USE, this.#place);
    plaintext.fill(0);
    const endMs = Math.max(...ring.map((key) => key.endMs));
    try {
      await this.#store.put(this.#place, sealed, endMs);
    } finally {
      // Whether it got there is seen by reading: only then are new keys this node's own.
      for (const { material } of made) wipeKeyMaterial(material);
    }
    for (const { material } of made) this.#tell('made', toHex(material.name));
  }

  #firstWaitMs(): number {
    const { firstUseMs, skewMs } = this.#rules;
    return firstUseMs === 0 ? 0 : firstUseMs + skewMs;
  }

  #makeNext(nowMs: number, first: SharedKey | undefined): SharedKey {
    const { rotateEveryMs, publishMs, skewMs } = this.#rules;
    let latestMs = first?.startMs ?? Number.NEGATIVE_INFINITY;
    for (const { startMs } of this.#keys.values())
      if (startMs <= nowMs) latestMs = Math.max(latestMs, startMs);
    return this.#make(Math.max(latestMs + rotateEveryMs, nowMs + publishMs + skewMs), nowMs, false);
  }

  #make(startMs: number, nowMs: number, first: boolean): SharedKey {
    const { rotateEveryMs, extendMs, lifetimeMs, skewMs } = this.#rules;
    const material = generateKeyMaterial(
      (length) => this.#provider.random(length),
      this.format,
      this.#opensslKeyBytes,
    );
    const sealUntilMs = startMs + rotateEveryMs + extendMs;
    return {
      material,
      first,
      publishedMs: nowMs,
      startMs,
      sealUntilMs,
      endMs: sealUntilMs + lifetimeMs + skewMs,
    };
  }

  // Time ---------------------------------------------------------------------------------------------

  /** Wipes what has ended, and chooses the key to seal with: the latest that may, of equals the first by name. */
  #settle(nowMs: number): void {
    let dueMs = Number.POSITIVE_INFINITY;
    let sealing: NodeKey | null = null;
    for (const key of this.#keys.values()) {
      if (nowMs >= key.endMs) {
        this.#keys.delete(key.name);
        wipe(key);
        this.#tell('wiped', key.name);
        continue;
      }
      const fromMs = this.#fromMs(key);
      for (const ms of [fromMs, key.sealUntilMs, key.endMs]) if (ms > nowMs) dueMs = Math.min(dueMs, ms);
      if (!key.confirmed || nowMs < fromMs || nowMs >= key.sealUntilMs) continue;
      if (sealing === null || isLater(key, sealing)) sealing = key;
    }
    this.#dueMs = dueMs;
    this.#wakeAt(dueMs, nowMs);
    const before = this.#sealing;
    this.#sealing = sealing;
    if (sealing !== null) {
      this.#saidNoKey = false;
      if (sealing !== before) this.#tell('sealing', sealing.name);
    } else if (!this.#saidNoKey && this.#started) {
      this.#saidNoKey = true;
      this.#tell('no-key', null);
    }
  }

  /** A key's end is kept to the millisecond, whether or not anybody calls or the store answers. */
  #wakeAt(dueMs: number, nowMs: number): void {
    if (!this.#started || dueMs === this.#wakeMs) return;
    this.#wake?.cancel();
    this.#wakeMs = dueMs;
    this.#wake = null;
    if (dueMs === Number.POSITIVE_INFINITY) return;
    // Timers of most platforms end at 2^31 ms.
    this.#wake = this.#timers.after(Math.min(dueMs - nowMs, MAX_TIMER_MS), () => {
      this.#wakeMs = Number.NaN;
      if (!this.#ended) this.#settle(this.#clock.wallMs());
    });
  }

  #sorted(): NodeKey[] {
    return [...this.#keys.values()].sort((a, b) => b.startMs - a.startMs);
  }

  #tell(kind: FleetKeyEvent['kind'], key: string | null, more: Partial<FleetKeyEvent> = {}): void {
    tell(this.#onEvent, { kind, key, atMs: this.#clock.wallMs(), ...more });
  }

  #live(): void {
    if (this.#ended)
      throw new TicketError('ERR_TICKET_KEYRING_DESTROYED', 'the ticket keyring was destroyed');
  }
}

function isLater(a: NodeKey, b: NodeKey): boolean {
  return a.startMs > b.startMs || (a.startMs === b.startMs && a.name < b.name);
}

function wipe(key: NodeKey): void {
  key.cipher.destroy();
  wipeKeyMaterial(key.material);
}
