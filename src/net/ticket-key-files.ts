/**
 * Ticket keys in files that other servers read too, watched: when a file changes, its keys are taken over for
 * new tickets and old ones, without a restart. A file that cannot be read, is half written or holds something
 * else changes nothing: the keys before stay, and `onEvent` is told once.
 *
 * Files are looked at when their folder says that something happened, and every `pollMs` besides, since not
 * every file system says so. What is read counts once it has been the same for `settleMs`: a writer that does
 * not put a new file in the place of the old one may be in the middle of it.
 */
import { type FSWatcher, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { nodeProvider } from '../crypto/node/index.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import { TicketError } from '../ticket/errors.ts';
import { readTicketKey, readTicketKeyLines, type TicketKeyLayout } from '../ticket/key-layouts.ts';
import { type OpensslTicketKey, wipeKeyMaterial } from '../ticket/key-material.ts';
import { type TicketKeyRecord, TicketKeyring } from '../ticket/keyring.ts';
import { roleOfLine } from '../ticket/shared-keys.ts';
import { equalSecret, latin1, toHex } from '../util/bytes.ts';
import { type Clock, systemClock } from '../util/clock.ts';

export interface TicketKeyFilesOptions {
  /**
   * As nginx has them, one key a file: the first seals, all open. With `lines` one file, as HAProxy has it: a
   * key in base64 a line, the last but one seals, all open.
   */
  readonly files: string | readonly string[];
  /** Which bytes are which key: never guessed. */
  readonly layout: TicketKeyLayout;
  readonly lines?: boolean;
  /** The longest life of a ticket, in seconds. Default 7,200. */
  readonly ticketLifetimeSec?: number;
  /** Milliseconds between looks at the files. Default 2,000. */
  readonly pollMs?: number;
  /** Milliseconds for which a file has to stay as it is. Default 100. */
  readonly settleMs?: number;
  readonly provider?: CryptoProvider;
  readonly clock?: Clock;
  readonly onEvent?: (event: TicketKeyFileEvent) => void;
}

export type TicketKeyFileEvent =
  /** The names of the keys in hexadecimal, the sealing one first. */
  | { readonly kind: 'loaded'; readonly names: readonly string[] }
  /** The keys before stay. The error holds no byte of a key. */
  | { readonly kind: 'rejected'; readonly error: Error };

/** More than any file with ticket keys has: 64 lines of the longest key. */
const MAX_FILE_BYTES = 16_384;

export class TicketKeyFiles {
  /** For `createServer({ ticketKeyring })`. */
  readonly keyring: TicketKeyring;
  readonly #options: TicketKeyFilesOptions;
  readonly #files: readonly string[];
  readonly #watchers: FSWatcher[] = [];
  readonly #clock: Clock;
  #timer: NodeJS.Timeout | null = null;
  /** What was last taken over, or last refused. */
  #seen: string | null;
  #checking: Promise<void> | null = null;
  #again = false;
  #closed = false;

  private constructor(
    options: TicketKeyFilesOptions,
    files: readonly string[],
    keys: readonly OpensslTicketKey[],
  ) {
    this.#options = options;
    this.#files = files;
    this.#clock = options.clock ?? systemClock;
    this.keyring = TicketKeyring.create(
      {
        provider: options.provider ?? nodeProvider,
        format: 'openssl',
        keys: recordsOf(keys, options.lines ?? false),
        ...(options.ticketLifetimeSec === undefined ? {} : { ticketLifetimeSec: options.ticketLifetimeSec }),
        maxPrevious: 64,
      },
      this.#clock.wallMs(),
    );
    this.#seen = null;
  }

  /**
   * Reads the files, and watches them from then on.
   * @throws {TicketError} `ERR_TICKET_KEY` for keys that are none, and whatever reading a file throws.
   */
  static async open(options: TicketKeyFilesOptions): Promise<TicketKeyFiles> {
    const files = typeof options.files === 'string' ? [options.files] : [...options.files];
    if (files.length === 0 || (options.lines === true && files.length > 1)) {
      throw new TicketError('ERR_TICKET_KEY', 'ticket keys lie in one file or more, and with lines in one');
    }
    const contents = await readAll(files);
    const keys = parse(contents, options);
    const opened = new TicketKeyFiles(options, files, keys);
    opened.#seen = fingerprint(contents, opened.#provider);
    wipe(contents, keys);
    opened.#watch();
    opened.#tellLoaded();
    return opened;
  }

  /** Looks at the files now. Resolves when what they hold is taken over or refused. Never rejects. */
  check(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    if (this.#checking !== null) this.#again = true;
    this.#checking ??= this.#check().finally(() => {
      this.#checking = null;
    });
    return this.#checking;
  }

  /** Looks no more, and wipes the keys. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.keyring.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #provider(): CryptoProvider {
    return this.#options.provider ?? nodeProvider;
  }

  #watch(): void {
    const changed = (): void => void this.check();
    for (const folder of new Set(this.#files.map((file) => dirname(file)))) {
      try {
        const watcher = watch(folder, { persistent: false }, changed);
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // The timer looks all the same.
      }
    }
    this.#timer = setInterval(changed, this.#options.pollMs ?? 2000);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    do {
      this.#again = false;
      try {
        await this.#look();
      } catch (error) {
        // What cannot be read now is told of once, until it reads otherwise.
        const seen = `error: ${(error as NodeJS.ErrnoException).code ?? 'ERR'}`;
        if (!this.#closed && this.#seen !== seen) {
          this.#seen = seen;
          this.#options.onEvent?.({ kind: 'rejected', error: error as Error });
        }
      }
    } while (this.#again && !this.#closed);
  }

  async #look(): Promise<void> {
    let contents = await readAll(this.#files);
    let found = fingerprint(contents, this.#provider);
    while (found !== this.#seen && !this.#closed) {
      wipe(contents, []);
      await new Promise((done) => setTimeout(done, this.#options.settleMs ?? 100).unref());
      contents = await readAll(this.#files);
      const after = fingerprint(contents, this.#provider);
      if (after === found) break;
      found = after;
    }
    try {
      if (!this.#closed && found !== this.#seen) this.#takeOver(contents, found);
    } finally {
      wipe(contents, []);
    }
  }

  #takeOver(contents: readonly Uint8Array[], found: string): void {
    this.#seen = found;
    let keys: readonly OpensslTicketKey[] = [];
    try {
      keys = parse(contents, this.#options);
      // A key that is in no file any more was taken out, as by nginx and HAProxy: it opens nothing from now on.
      const records = recordsOf(keys, this.#options.lines ?? false);
      this.keyring.install(records, this.#clock.wallMs(), { forget: true });
    } catch (error) {
      this.#options.onEvent?.({ kind: 'rejected', error: error as Error });
      return;
    } finally {
      wipe([], keys);
    }
    this.#tellLoaded();
  }

  #tellLoaded(): void {
    const keys = this.keyring.keys();
    const sealing = keys.filter(({ role }) => role === 'current');
    const rest = keys.filter(({ role }) => role !== 'current');
    this.#options.onEvent?.({ kind: 'loaded', names: [...sealing, ...rest].map(({ name }) => name) });
  }
}

async function readAll(files: readonly string[]): Promise<Uint8Array[]> {
  return Promise.all(
    files.map(async (file) => {
      const handle = await open(file, 'r');
      // One byte more than may be there shows what is too long, without reading all of it.
      const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
      try {
        let length = 0;
        for (;;) {
          const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
          if (bytesRead === 0) break;
          length += bytesRead;
        }
        if (length > MAX_FILE_BYTES) {
          throw new TicketError(
            'ERR_TICKET_KEY',
            `a file of ticket keys has at most ${MAX_FILE_BYTES} bytes`,
          );
        }
        return new Uint8Array(buffer.subarray(0, length));
      } finally {
        buffer.fill(0);
        await handle.close();
      }
    }),
  );
}

/** @throws {TicketError} `ERR_TICKET_KEY` */
function parse(contents: readonly Uint8Array[], options: TicketKeyFilesOptions): OpensslTicketKey[] {
  const { layout } = options;
  const keys =
    options.lines === true
      ? readTicketKeyLines(layout, latin1(contents[0] as Uint8Array))
      : contents.map((bytes) => readTicketKey(layout, bytes));
  const twice = keys.find((key, i) => keys.slice(0, i).some(({ name }) => equalSecret(name, key.name)));
  if (twice !== undefined) {
    throw new TicketError('ERR_TICKET_KEY', `two ticket keys are named ${toHex(twice.name)}`);
  }
  return keys;
}

/** In the order of nginx the first seals; in that of HAProxy the last but one, or the only one. */
function recordsOf(keys: readonly OpensslTicketKey[], lines: boolean): TicketKeyRecord[] {
  const sealing = Math.max(0, keys.length - 2);
  return keys.map((material, i) => ({
    role: lines ? roleOfLine(i, sealing) : i === 0 ? 'current' : 'previous',
    material,
  }));
}

/** Tells contents apart without keeping them. */
function fingerprint(contents: readonly Uint8Array[], provider: CryptoProvider): string {
  return contents.map((bytes) => toHex(provider.digest('sha256', bytes))).join();
}

function wipe(contents: readonly Uint8Array[], keys: readonly OpensslTicketKey[]): void {
  for (const bytes of contents) bytes.fill(0);
  for (const key of keys) wipeKeyMaterial(key);
}
