/**
 * The keys that tickets are sealed with, in the order of their lives:
 *
 *     next       known, opens tickets, seals none yet: other processes get to know it before it is used
 *     current    seals and opens
 *     previous   opens what it sealed, until the last of those tickets has expired; then it is wiped
 *
 * Time is an argument of every call. A keyring never rotates by itself: what is due happens first in the next
 * `seal` or `open`, or in `advance`.
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Channel, TicketKeyMessage } from '../diagnostics/channels.ts';
import { toHex } from '../util/bytes.ts';
import { TicketError } from './errors.ts';
import {
  checkKeyMaterial,
  copyKeyMaterial,
  generateKeyMaterial,
  sameKeyMaterial,
  type TicketKeyMaterial,
  wipeKeyMaterial,
} from './key-material.ts';
import {
  MAX_TICKET_PLAINTEXT,
  type TicketFormat,
  type TicketOpenResult,
  type TicketSealer,
} from './sealer.ts';
import { type TicketCipher, ticketCipher } from './ticket-cipher.ts';

export type TicketKeyRole = 'next' | 'current' | 'previous';

/** A key with its place in a ring: what processes that share keys send each other. Holds secrets. */
export interface TicketKeyRecord {
  readonly role: TicketKeyRole;
  readonly material: TicketKeyMaterial;
  /** When the key became known, in milliseconds since 1970. Left out: when it is given to the ring. */
  readonly createdMs?: number;
  /** When it became the current one. Left out for a current key: when it is given to the ring. */
  readonly activeMs?: number;
  /** When it stopped being that. Left out for a previous key: when it is given to the ring. */
  readonly retiredMs?: number;
}

/** What may be known of a key. */
export interface TicketKeyInfo {
  readonly role: TicketKeyRole;
  /** Its name in hexadecimal: it stands in clear in every ticket. */
  readonly name: string;
  readonly format: TicketFormat;
  readonly createdMs: number;
  readonly activeMs: number | null;
  readonly retiredMs: number | null;
  /** When it will be wiped; null while that is not known. */
  readonly endMs: number | null;
  /** Tickets that this keyring sealed with it. */
  readonly seals: number;
}

export interface TicketKeyEvent {
  /**
   * `created` a next key was made, which others that share the ring should be told of; `current`, `previous`
   * it took that role; `wiped` it is gone; `exhausted` it has sealed what it may, and no other can follow yet.
   */
  readonly kind: 'created' | 'current' | 'previous' | 'wiped' | 'exhausted';
  readonly key: TicketKeyInfo;
  readonly atMs: number;
}

export interface TicketKeyringOptions {
  readonly provider: CryptoProvider;
  /** Where names, IVs, nonces and new keys come from; the provider's randomness by default. */
  readonly random?: CryptoProvider['random'];
  /** What keys are made here. Default `aead`. Keys that are given may be of either format, also mixed. */
  readonly format?: TicketFormat;
  /**
   * Length in bytes of the AES key and of the HMAC key of keys made here in OpenSSL's format: 32 (default),
   * or 16 for rings that node:tls, or nginx with files of 48 bytes, share.
   */
  readonly opensslKeyBytes?: 16 | 32;
  /** The longest life of a ticket, in seconds. Default 7200, OpenSSL's session timeout. */
  readonly ticketLifetimeSec?: number;
  /**
   * How long a key seals, in seconds. Default 43200 (12 h) for a ring that makes its own keys. Null: keys are
   * only changed from outside, and previous ones stay until then: the default when `keys` are given.
   */
  readonly rotateEverySec?: number | null;
  /** How long a key opens tickets after it sealed its last, in seconds. Default and least: the tickets' life. */
  readonly keepSec?: number;
  /** How long a next key has to be known before it may seal, in seconds. Default 0. */
  readonly publishSec?: number;
  /** Tickets a key may seal. Default 2^30, at most 2^32 (NIST SP 800-38D, 8.3). */
  readonly maxSeals?: number;
  /** Previous keys kept at most. Default 16. */
  readonly maxPrevious?: number;
  /** Keys from outside: exactly one `current`, at most one `next`. */
  readonly keys?: readonly TicketKeyRecord[];
  /** Told after each change, with the ring in its new state. */
  readonly onEvent?: (event: TicketKeyEvent) => void;
}

interface RingKey {
  role: TicketKeyRole;
  readonly material: TicketKeyMaterial;
  readonly cipher: TicketCipher;
  readonly createdMs: number;
  activeMs: number | null;
  retiredMs: number | null;
  seals: number;
  /** Said already that it is exhausted. */
  exhausted: boolean;
}

interface Rules {
  readonly rotateEveryMs: number | null;
  readonly keepMs: number;
  readonly publishMs: number;
  readonly maxSeals: number;
  readonly maxPrevious: number;
}

const MAX_SEALS = 2 ** 32;

function seconds(value: number, what: string, least: number): number {
  if (!(value >= least) || value > Number.MAX_SAFE_INTEGER / 1000) {
    throw new TicketError('ERR_TICKET_KEYRING', `${what} is ${value} seconds, and must be ${least} or more`);
  }
  return value * 1000;
}

function whole(value: number, what: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new TicketError('ERR_TICKET_KEYRING', `${what} is ${value}, and must be ${least} to ${most}`);
  }
  return value;
}

function rulesOf(options: TicketKeyringOptions, ticketLifetimeSec: number): Rules {
  const lifetimeMs = seconds(ticketLifetimeSec, 'the life of a ticket', 1);
  const keepMs = seconds(options.keepSec ?? ticketLifetimeSec, 'the keeping of previous keys', 0);
  if (keepMs < lifetimeMs) {
    throw new TicketError(
      'ERR_TICKET_KEYRING',
      `previous keys would end after ${keepMs / 1000} s, before their tickets, which live ${ticketLifetimeSec} s`,
    );
  }
  const everySec =
    options.rotateEverySec === undefined ? (options.keys ? null : 43_200) : options.rotateEverySec;
  const rotateEveryMs = everySec === null ? null : seconds(everySec, 'the time between rotations', 1);
  const publishMs = seconds(options.publishSec ?? 0, 'the time that a next key is published', 0);
  const maxPrevious = whole(options.maxPrevious ?? 16, 'the number of previous keys', 0, 256);
  if (rotateEveryMs !== null) {
    if (publishMs > rotateEveryMs) {
      throw new TicketError(
        'ERR_TICKET_KEYRING',
        'a next key is made when its predecessor starts to seal: it cannot be published for longer than that seals',
      );
    }
    const needed = Math.ceil(keepMs / rotateEveryMs);
    if (needed > maxPrevious) {
      throw new TicketError(
        'ERR_TICKET_KEYRING',
        `with this rotation ${needed} previous keys have tickets that still live, and only ${maxPrevious} are kept`,
      );
    }
  }
  return {
    rotateEveryMs,
    keepMs,
    publishMs,
    maxSeals: whole(options.maxSeals ?? 2 ** 30, 'the number of seals a key', 1, MAX_SEALS),
    maxPrevious,
  };
}

export class TicketKeyring implements TicketSealer {
  /** The longest life of a ticket that this ring was made for, in seconds. */
  readonly ticketLifetimeSec: number;
  readonly #provider: CryptoProvider;
  readonly #random: CryptoProvider['random'];
  readonly #made: TicketFormat;
  readonly #opensslKeyBytes: 16 | 32;
  readonly #rules: Rules;
  readonly #onEvent: ((event: TicketKeyEvent) => void) | null;
  #current: RingKey | null = null;
  #next: RingKey | null = null;
  /** Latest first. */
  #previous: RingKey[] = [];
  /** Nothing changes by time alone before this. */
  #dueMs: number = Number.NEGATIVE_INFINITY;
  #events: TicketKeyEvent[] = [];
  #channel: Channel<TicketKeyMessage> | null = null;

  private constructor(options: TicketKeyringOptions) {
    const lifetime = options.ticketLifetimeSec ?? 7200;
    this.#rules = rulesOf(options, lifetime);
    this.ticketLifetimeSec = lifetime;
    const { provider } = options;
    this.#provider = provider;
    this.#random = options.random ?? ((length: number) => provider.random(length));
    this.#made = options.format ?? 'aead';
    this.#opensslKeyBytes = options.opensslKeyBytes ?? 32;
    if (this.#opensslKeyBytes !== 16 && this.#opensslKeyBytes !== 32) {
      throw new TicketError('ERR_TICKET_KEYRING', 'the keys of the OpenSSL format have 16 or 32 bytes');
    }
    this.#onEvent = options.onEvent ?? null;
  }

  /**
   * @param nowMs milliseconds since 1970.
   * @throws {TicketError} `ERR_TICKET_KEYRING` for rules that contradict each other, among them previous keys
   * that end before their tickets do; `ERR_TICKET_KEY` for keys that are malformed.
   */
  static create(options: TicketKeyringOptions, nowMs: number): TicketKeyring {
    const ring = new TicketKeyring(options);
    if (options.keys === undefined) {
      ring.#current = ring.#generate('current', nowMs);
      ring.#current.activeMs = nowMs;
    } else {
      ring.#take(options.keys, nowMs);
    }
    ring.#ensureNext(nowMs);
    ring.#schedule();
    ring.#tell();
    return ring;
  }

  /** From now on also this channel is told of every change: what a context does with the ring that it uses. */
  reportTo(channel: Channel<TicketKeyMessage>): void {
    this.#channel = channel;
  }

  get format(): TicketFormat {
    return this.#live().cipher.format;
  }

  #live(): RingKey {
    if (this.#current === null) {
      throw new TicketError('ERR_TICKET_KEYRING_DESTROYED', 'the ticket keyring was destroyed');
    }
    return this.#current;
  }

  seal(plaintext: Uint8Array, nowMs: number): Uint8Array | null {
    this.advance(nowMs);
    if (plaintext.length > MAX_TICKET_PLAINTEXT) return null;
    let key = this.#live();
    if (key.seals >= this.#rules.maxSeals) {
      if (!this.#mayPromote(nowMs)) {
        if (!key.exhausted) {
          key.exhausted = true;
          this.#note('exhausted', key, nowMs);
          this.#tell();
        }
        return null;
      }
      key = this.#promote(nowMs, nowMs);
      this.#tell();
    }
    key.seals++;
    return key.cipher.seal(plaintext);
  }

  open(ticket: Uint8Array, nowMs: number): TicketOpenResult {
    this.advance(nowMs);
    if (ticket.length === 0) return { opened: false, reason: 'empty-ticket', fault: 'empty' };
    const key = this.#named(ticket);
    if (key === null) return { opened: false, reason: 'unknown-key', fault: 'no-such-key' };
    const opened = key.cipher.open(ticket);
    if (typeof opened === 'string') return { opened: false, reason: 'bad-ticket', fault: opened };
    return {
      opened: true,
      plaintext: opened,
      renew: key.role === 'previous',
      format: key.cipher.format,
    };
  }

  #named(ticket: Uint8Array): RingKey | null {
    const current = this.#live();
    if (current.cipher.names(ticket)) return current;
    if (this.#next?.cipher.names(ticket)) return this.#next;
    for (const key of this.#previous) if (key.cipher.names(ticket)) return key;
    return null;
  }

  /** Does what is due: rotates by time, wipes keys at their end. `seal` and `open` do it first. */
  advance(nowMs: number): void {
    const current = this.#live();
    // Written so that a time that is no number changes nothing.
    if (!(nowMs >= this.#dueMs)) return;
    // Wiped first: that may be what makes room for a rotation.
    this.#wipeEnded(nowMs);
    const { rotateEveryMs } = this.#rules;
    if (rotateEveryMs !== null && current.activeMs !== null && this.#mayPromote(nowMs)) {
      // It sealed nothing after its time, however late this call comes: it ends by its time too.
      const overMs = current.activeMs + rotateEveryMs;
      if (nowMs >= overMs) {
        this.#promote(nowMs, overMs);
        this.#wipeEnded(nowMs);
      }
    }
    this.#schedule();
    this.#tell();
  }

  /**
   * The next key becomes the current one now.
   * @throws {TicketError} `ERR_TICKET_ROTATION` when there is none, when it is not published for long enough, or
   * when as many previous keys as may be are still needed.
   */
  rotate(nowMs: number): void {
    this.advance(nowMs);
    if (this.#next === null) throw new TicketError('ERR_TICKET_ROTATION', 'there is no next ticket key');
    if (!this.#published(this.#next, nowMs)) {
      throw new TicketError('ERR_TICKET_ROTATION', 'the next ticket key is not published for long enough');
    }
    if (!this.#mayPromote(nowMs)) {
      throw new TicketError('ERR_TICKET_ROTATION', 'as many previous ticket keys as may be are still needed');
    }
    this.#promote(nowMs, nowMs);
    this.#tell();
  }

  /**
   * Puts keys from outside in the place of the ring's. A key that the ring has already stays with its count of
   * seals. What sealed tickets before and is not among them becomes a previous key, so that those tickets open
   * until they expire; with `forget` it is wiped at once.
   * @throws {TicketError} `ERR_TICKET_KEY`, `ERR_TICKET_KEYRING`; the ring is as it was then.
   */
  install(records: readonly TicketKeyRecord[], nowMs: number, options: { forget?: boolean } = {}): void {
    this.advance(nowMs);
    this.#take(records, nowMs, options.forget ?? false);
    this.#ensureNext(nowMs);
    this.#schedule();
    this.#tell();
  }

  /** Every key with its secrets, in copies: to be wiped by the caller when they are sent. */
  export(): TicketKeyRecord[] {
    this.#live();
    return this.#all().map(({ role, material, createdMs, activeMs, retiredMs }) => ({
      role,
      material: copyKeyMaterial(material),
      createdMs,
      ...(activeMs === null ? {} : { activeMs }),
      ...(retiredMs === null ? {} : { retiredMs }),
    }));
  }

  /** Every key without its secrets: next, current, then previous ones, the latest first. */
  keys(): TicketKeyInfo[] {
    return this.#all().map((key) => this.#info(key));
  }

  /** Wipes every key. The ring cannot be used after. */
  destroy(): void {
    for (const key of this.#all()) this.#wipe(key);
    this.#current = null;
    this.#next = null;
    this.#previous = [];
    this.#events = [];
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  toJSON(): object {
    return { ticketLifetimeSec: this.ticketLifetimeSec, keys: this.keys() };
  }

  #all(): RingKey[] {
    const all = [...this.#previous];
    if (this.#current !== null) all.unshift(this.#current);
    if (this.#next !== null) all.unshift(this.#next);
    return all;
  }

  #endMs(key: RingKey): number | null {
    if (key.role !== 'previous' || key.retiredMs === null) return null;
    return key.retiredMs + this.#rules.keepMs;
  }

  #info(key: RingKey): TicketKeyInfo {
    const { role, createdMs, activeMs, retiredMs, seals } = key;
    const name = toHex(key.material.name);
    const { format } = key.cipher;
    return { role, name, format, createdMs, activeMs, retiredMs, endMs: this.#endMs(key), seals };
  }

  #note(kind: TicketKeyEvent['kind'], key: RingKey, atMs: number): void {
    if (this.#onEvent !== null || this.#channel?.hasSubscribers) {
      this.#events.push({ kind, key: this.#info(key), atMs });
    }
  }

  /** Hands out what was noted, once the ring is whole again: a listener may use it. */
  #tell(): void {
    if (this.#events.length === 0) return;
    const events = this.#events;
    this.#events = [];
    for (const { kind, key, atMs } of events) {
      const { role, name, format, seals, endMs } = key;
      this.#channel?.publish({ kind, role, name, format, seals, endMs, atMs });
    }
    const errors: unknown[] = [];
    for (const event of events) {
      try {
        this.#onEvent?.(event);
      } catch (error) {
        errors.push(error);
      }
    }
    // All is done, and everybody told: now it may come out.
    if (errors.length > 0) throw errors[0];
  }

  #ringKey(role: TicketKeyRole, material: TicketKeyMaterial, createdMs: number): RingKey {
    const cipher = ticketCipher(this.#provider, this.#random, material);
    return { role, material, cipher, createdMs, activeMs: null, retiredMs: null, seals: 0, exhausted: false };
  }

  #generate(role: TicketKeyRole, nowMs: number): RingKey {
    return this.#ringKey(role, generateKeyMaterial(this.#random, this.#made, this.#opensslKeyBytes), nowMs);
  }

  /** A ring that rotates has a next key at all times. */
  #ensureNext(nowMs: number): void {
    if (this.#rules.rotateEveryMs === null || this.#next !== null) return;
    this.#next = this.#generate('next', nowMs);
    this.#note('created', this.#next, nowMs);
  }

  #published(next: RingKey, nowMs: number): boolean {
    return nowMs - next.createdMs >= this.#rules.publishMs;
  }

  #mayPromote(nowMs: number): boolean {
    return (
      this.#next !== null &&
      this.#published(this.#next, nowMs) &&
      this.#previous.length < this.#rules.maxPrevious
    );
  }

  #promote(nowMs: number, retiredMs: number): RingKey {
    const old = this.#live();
    const next = this.#next as RingKey;
    old.role = 'previous';
    old.retiredMs = retiredMs;
    this.#previous.unshift(old);
    next.role = 'current';
    next.activeMs = nowMs;
    this.#current = next;
    this.#next = null;
    this.#note('previous', old, nowMs);
    this.#note('current', next, nowMs);
    this.#ensureNext(nowMs);
    this.#schedule();
    return next;
  }

  #wipe(key: RingKey): void {
    key.cipher.destroy();
    wipeKeyMaterial(key.material);
  }

  #wipeEnded(nowMs: number): void {
    const kept: RingKey[] = [];
    for (const key of this.#previous) {
      const endMs = this.#endMs(key);
      if (endMs === null || nowMs < endMs) {
        kept.push(key);
        continue;
      }
      this.#note('wiped', key, nowMs);
      this.#wipe(key);
    }
    this.#previous = kept;
  }

  #schedule(): void {
    let due = Number.POSITIVE_INFINITY;
    const { rotateEveryMs, publishMs } = this.#rules;
    const current = this.#live();
    if (rotateEveryMs !== null && current.activeMs !== null) {
      const published = this.#next === null ? 0 : this.#next.createdMs + publishMs;
      due = Math.max(current.activeMs + rotateEveryMs, published);
    }
    for (const key of this.#previous) due = Math.min(due, this.#endMs(key) ?? due);
    this.#dueMs = due;
  }

  /** Checks all of `records` before anything changes. */
  #take(records: readonly TicketKeyRecord[], nowMs: number, forget: boolean = false): void {
    let currents = 0;
    let nexts = 0;
    const names = new Set<string>();
    for (const { role, material } of records) {
      checkKeyMaterial(material);
      const name = toHex(material.name);
      if (names.has(name)) throw new TicketError('ERR_TICKET_KEYRING', `two ticket keys are named ${name}`);
      names.add(name);
      if (role === 'current') currents++;
      else if (role === 'next') nexts++;
    }
    if (currents !== 1 || nexts > 1) {
      throw new TicketError(
        'ERR_TICKET_KEYRING',
        `a keyring has one current key and at most one next, not ${currents} and ${nexts}`,
      );
    }
    const before = this.#all();
    const left = forget
      ? []
      : before.filter((key) => key.role !== 'next' && !names.has(toHex(key.material.name)));
    const previous = records.length - currents - nexts + left.length;
    if (previous > this.#rules.maxPrevious) {
      throw new TicketError(
        'ERR_TICKET_KEYRING',
        `${previous} previous ticket keys are needed, and only ${this.#rules.maxPrevious} are kept`,
      );
    }

    const kept = new Set<RingKey>(left);
    this.#current = null;
    this.#next = null;
    this.#previous = [];
    for (const record of records) {
      const known = before.find((key) => sameKeyMaterial(key.material, record.material)) ?? null;
      const key =
        known ?? this.#ringKey(record.role, copyKeyMaterial(record.material), record.createdMs ?? nowMs);
      if (known !== null) kept.add(known);
      this.#place(key, record, nowMs);
    }
    for (const key of left) {
      if (key.role === 'current') {
        key.role = 'previous';
        key.retiredMs = nowMs;
        this.#note('previous', key, nowMs);
      }
      this.#previous.push(key);
    }
    for (const key of before) {
      if (kept.has(key)) continue;
      this.#note('wiped', key, nowMs);
      this.#wipe(key);
    }
    this.#previous.sort((a, b) => (b.retiredMs ?? nowMs) - (a.retiredMs ?? nowMs));
  }

  #place(key: RingKey, record: TicketKeyRecord, nowMs: number): void {
    key.role = record.role;
    switch (record.role) {
      case 'next':
        this.#next = key;
        return;
      case 'current':
        key.activeMs = record.activeMs ?? key.activeMs ?? nowMs;
        key.retiredMs = null;
        this.#current = key;
        this.#note('current', key, nowMs);
        return;
      default:
        key.activeMs = record.activeMs ?? key.activeMs;
        // Without a rotation of its own the ring does not know when others stopped sealing with the key.
        key.retiredMs =
          record.retiredMs ?? key.retiredMs ?? (this.#rules.rotateEveryMs === null ? null : nowMs);
        this.#previous.push(key);
    }
  }
}
