/**
 * The store contract over Valkey or Redis (6.2 or newer, for GETDEL): many hosts. A key lies under a prefix
 * that is a hash tag, so that a cluster keeps all of them on one primary; `spread` makes that several.
 *
 * Times are sent as milliseconds from now (PX), and not as dates: the clock of the server does not matter.
 *
 * Replication is asynchronous: a primary that fails may take with it what it acknowledged. `addWitnessed` says
 * which process answered and which history it continues, in the same step as it adds.
 */
import { CacheError } from '../../cache/errors.ts';
import {
  checkStoreKey,
  checkStoreValue,
  type SessionStore,
  type StoreEntry,
  type WitnessedAdd,
} from '../../cache/store.ts';
import { copyBytes } from '../../util/bytes.ts';
import { type Clock, systemClock } from '../../util/clock.ts';
import { commandsOf, type ValkeyClient, type ValkeyCommands } from './commands.ts';

export interface ValkeyStoreOptions {
  /** A client or a cluster of the package `redis` or `ioredis`; connecting it is its owner's affair. */
  readonly client: ValkeyClient;
  /** The hash tag of the keys, 1 to 64 printable ASCII characters without braces. Default `tlsession`. */
  readonly prefix?: string;
  /** Hash tags that keys are spread over, 1 to 1,024: so many primaries of a cluster have work. Default 1. */
  readonly spread?: number;
  readonly clock?: Clock;
  /** Called by `close`, for whoever gives the client away. */
  readonly onClose?: () => unknown;
  /**
   * Called after a reply that no such server gives: the stream may have lost its place, and every later reply
   * be another's. Whoever owns the client closes that connection.
   */
  readonly onUnexpected?: () => unknown;
}

/** What the primary says of itself, and whether the key was added, in one step. */
const WITNESSED_ADD = `
local server = redis.call('INFO', 'server')
local replication = redis.call('INFO', 'replication')
local run = string.match(server, 'run_id:(%w+)') or ''
local history = string.match(replication, 'master_replid:(%w+)') or ''
local added = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return { KEYS[1], added and 1 or 0, run, history }`;

/** Ten years in milliseconds: a time that every server takes. */
const MAX_TTL_MS = 315_360_000_000;
const SCAN_COUNT = '500';

export class ValkeyStore implements SessionStore {
  readonly #commands: ValkeyCommands;
  readonly #prefix: string;
  readonly #spread: number;
  readonly #clock: Clock;
  readonly #onClose: () => unknown;
  readonly #onUnexpected: () => unknown;
  #closed = false;

  /** @throws {RangeError} for a prefix or a number of tags that cannot be. */
  constructor(options: ValkeyStoreOptions) {
    this.#prefix = options.prefix ?? 'tlsession';
    this.#spread = options.spread ?? 1;
    if (!/^[\x21-\x7a|~]{1,64}$/.test(this.#prefix)) {
      throw new RangeError('the prefix of a store is 1 to 64 printable ASCII characters without braces');
    }
    if (!Number.isInteger(this.#spread) || this.#spread < 1 || this.#spread > 1024) {
      throw new RangeError('keys are spread over 1 to 1,024 hash tags');
    }
    this.#commands = commandsOf(options.client);
    this.#clock = options.clock ?? systemClock;
    this.#onClose = options.onClose ?? (() => {});
    this.#onUnexpected = options.onUnexpected ?? (() => {});
  }

  async get(key: string): Promise<Uint8Array | null> {
    return this.#send(key, (place) => ['GET', place], bytesOrNull);
  }

  async put(key: string, value: Uint8Array, expiresAtMs: number): Promise<void> {
    checkStoreValue(value, expiresAtMs);
    const ttlMs = this.#ttl(expiresAtMs);
    if (ttlMs === null) await this.delete(key);
    else await this.#send(key, (place) => ['SET', place, value, 'PX', ttlMs], isOk);
  }

  async add(key: string, value: Uint8Array, expiresAtMs: number): Promise<boolean> {
    checkStoreValue(value, expiresAtMs);
    const ttlMs = this.#ttl(expiresAtMs);
    if (ttlMs === null) {
      this.#use(key);
      return false;
    }
    const command = (place: string) => ['SET', place, value, 'NX', 'PX', ttlMs];
    return this.#send(key, command, (reply) => reply !== null && isOk(reply));
  }

  async addWitnessed(key: string, value: Uint8Array, expiresAtMs: number): Promise<WitnessedAdd> {
    checkStoreValue(value, expiresAtMs);
    const ttlMs = this.#ttl(expiresAtMs);
    if (ttlMs === null) {
      this.#use(key);
      return { added: false, witness: '' };
    }
    return this.#send(
      key,
      (place) => ['EVAL', WITNESSED_ADD, '1', place, value, ttlMs],
      (reply, place) => {
        if (!Array.isArray(reply) || reply.length !== 4) throw new UnexpectedReply();
        const [there, added, run, history] = reply as unknown[];
        // The answer to another question, from a stream that has lost its place, is not believed.
        if (text(there) !== place || (added !== 0 && added !== 1)) throw new UnexpectedReply();
        const witness = `${text(run)}:${text(history)}`;
        if (!/^\w{40}:\w{40}$/.test(witness)) throw new UnexpectedReply();
        return { added: added === 1, witness };
      },
    );
  }

  async take(key: string): Promise<Uint8Array | null> {
    return this.#send(key, (place) => ['GETDEL', place], bytesOrNull);
  }

  async delete(key: string): Promise<boolean> {
    const command = (place: string) => ['DEL', place];
    return this.#send(key, command, (reply) => {
      if (typeof reply !== 'number') throw new UnexpectedReply();
      return reply > 0;
    });
  }

  /** The client stays open, unless `onClose` closes it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#onClose();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoreEntry, void, undefined> {
    this.#checkOpen();
    const match = `{${this.#prefix.replace(/[\\*?[\]^]/g, '\\$&')}*`;
    // SCAN may name a key twice, while the table of the server grows or shrinks.
    const seen = new Set<string>();
    for (const send of await wrapped(this.#commands.primaries())) {
      let cursor = '0';
      const cursors = new Set<string>();
      do {
        const reply = await this.#ask(send(['SCAN', cursor, 'MATCH', match, 'COUNT', SCAN_COUNT]));
        if (!Array.isArray(reply) || !Array.isArray(reply[1])) throw new UnexpectedReply();
        cursor = text(reply[0]);
        // One that comes again never ends.
        if (!/^\d+$/.test(cursor) || cursors.has(cursor)) throw new UnexpectedReply();
        cursors.add(cursor);
        for (const name of reply[1] as unknown[]) {
          const place = text(name);
          const key = this.#keyOf(place);
          if (key === null || seen.has(key)) continue;
          seen.add(key);
          const [value, ttlMs] = await this.#ask(
            Promise.all([
              this.#commands.send(place, ['GET', place]),
              this.#commands.send(place, ['PTTL', place]),
            ]),
          );
          const bytes = bytesOrNull(value);
          if (bytes === null || typeof ttlMs !== 'number' || ttlMs < 0) continue;
          yield { key, value: bytes, expiresAtMs: this.#clock.wallMs() + ttlMs };
        }
      } while (cursor !== '0');
    }
  }

  #ttl(expiresAtMs: number): string | null {
    const ttlMs = Math.ceil(expiresAtMs - this.#clock.wallMs());
    return ttlMs < 1 ? null : String(Math.min(ttlMs, MAX_TTL_MS));
  }

  #place(key: string): string {
    if (this.#spread === 1) return `{${this.#prefix}}:${key}`;
    let hash = 0x811c9dc5;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    return `{${this.#prefix}.${(hash >>> 0) % this.#spread}}:${key}`;
  }

  #keyOf(place: string): string | null {
    const at = place.indexOf('}:');
    if (at < 0) return null;
    const key = place.slice(at + 2);
    // Another prefix may begin as this one does.
    return this.#place(key) === place ? key : null;
  }

  #checkOpen(): void {
    if (this.#closed) throw new CacheError('ERR_STORE_CLOSED', 'the store is closed');
  }

  #use(key: string): void {
    this.#checkOpen();
    checkStoreKey(key);
  }

  async #send<T>(
    key: string,
    command: (place: string) => readonly (string | Uint8Array)[],
    read: (reply: unknown, place: string) => T,
  ): Promise<T> {
    this.#use(key);
    const place = this.#place(key);
    const reply = await this.#ask(this.#commands.send(place, command(place)));
    try {
      return read(reply, place);
    } catch (error) {
      if (error instanceof UnexpectedReply) this.#onUnexpected();
      throw error;
    }
  }

  async #ask<T>(reply: Promise<T>): Promise<T> {
    const answer = await wrapped(reply);
    this.#checkOpen();
    return answer;
  }
}

class UnexpectedReply extends CacheError {
  constructor() {
    super('ERR_STORE_FAILED', 'the Valkey store answered what no such server does');
  }
}

async function wrapped<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply;
  } catch (cause) {
    // The server's words say what is wrong (OOM, READONLY, CLUSTERDOWN), and hold no value.
    const words = cause instanceof Error ? cause.message.slice(0, 200) : 'no reply';
    throw new CacheError('ERR_STORE_FAILED', `the Valkey store: ${words}`, { cause });
  }
}

function bytesOrNull(reply: unknown): Uint8Array | null {
  if (reply === null) return null;
  if (!(reply instanceof Uint8Array)) throw new UnexpectedReply();
  // Of a pool that others share: a copy can be wiped.
  const bytes = copyBytes(reply);
  reply.fill(0);
  return bytes;
}

function isOk(reply: unknown): true {
  if (text(reply) !== 'OK') throw new UnexpectedReply();
  return true;
}

function text(reply: unknown): string {
  if (typeof reply === 'string') return reply;
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString('latin1');
  throw new UnexpectedReply();
}
