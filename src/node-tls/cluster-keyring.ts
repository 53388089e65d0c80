/**
 * One ring of ticket keys for the workers of node:cluster. Node hands its own keys to new workers, but a later
 * `setTicketKeys` stays in the worker that called it. Here the primary keeps the ring, rotates it, and tells
 * every worker; the next key is everywhere before any worker seals with it.
 */
import cluster, { type Worker } from 'node:cluster';
import { nodeProvider } from '../crypto/node/index.ts';
import { wipeKeyMaterial } from '../ticket/key-material.ts';
import { decodeKeyRecords, encodeKeyRecords } from '../ticket/key-records.ts';
import { type TicketKeyRecord, TicketKeyring, type TicketKeyringOptions } from '../ticket/keyring.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { TlsessionError, UsageError } from '../util/errors.ts';

/** Seconds that a next key is known to all before it seals. */
export const CLUSTER_PUBLISH_SEC = 10;
const CHECK_EVERY_MS = 1000;
const DEFAULT_ANSWER_LIMIT_MS = 10_000;

const ASK = 'tlsession:ticket-keys?';
const TELL = 'tlsession:ticket-keys';

interface Told {
  readonly type: typeof TELL;
  /** Base64 of `encodeKeyRecords`. It goes through a pipe between a process and its own child. */
  readonly keys: string;
}

/** Of the primary's ring; by default its keys are of 48 bytes, as node:tls takes them. */
export type ClusterKeyringOptions = Partial<
  Pick<
    TicketKeyringOptions,
    | 'format'
    | 'opensslKeyBytes'
    | 'ticketLifetimeSec'
    | 'rotateEverySec'
    | 'keepSec'
    | 'publishSec'
    | 'maxSeals'
    | 'maxPrevious'
    | 'onEvent'
  >
> & {
  readonly clock?: Clock | undefined;
  /** Milliseconds that a worker waits for the primary's keys. Default 10,000. */
  readonly answerLimitMs?: number | undefined;
};

export interface ClusterKeyring extends Disposable {
  readonly keyring: TicketKeyring;
  /** Ends the telling or the listening, and destroys the ring. */
  stop(): void;
}

/**
 * Call it in the primary before it forks, with the ring's options, and in each worker before it listens, with
 * the same. Give `keyring` to `shareSessions`, or as `ticketKeyring` to a server of this library.
 * @throws {UsageError} `ERR_CLUSTER_KEYRING` in a process without a primary; {TlsessionError}
 * `ERR_CLUSTER_KEYRING_SILENT` (rejects) when the primary does not answer in time.
 */
export async function clusterKeyring(options: ClusterKeyringOptions = {}): Promise<ClusterKeyring> {
  if (cluster.isPrimary) return primary(options);
  if (process.send === undefined) {
    throw new UsageError('ERR_CLUSTER_KEYRING', 'this process is no worker of node:cluster');
  }
  return worker(options);
}

const COMMON = { provider: nodeProvider, format: 'openssl', opensslKeyBytes: 16 } as const;

function primary({ clock = systemClock, onEvent, ...options }: ClusterKeyringOptions): ClusterKeyring {
  const keyring = TicketKeyring.create(
    { ...COMMON, publishSec: CLUSTER_PUBLISH_SEC, ...options, onEvent: onEvent ?? (() => {}) },
    clock.wallMs(),
  );
  let told = namesOf(keyring);
  const send = (to: readonly Worker[]): void => {
    const message = tellOf(keyring);
    for (const each of to) if (each.isConnected()) each.send(message, undefined, ignore);
  };
  const onMessage = (from: Worker, message: unknown): void => {
    if (typeOf(message) === ASK) send([from]);
  };
  const timer = setInterval(() => {
    keyring.advance(clock.wallMs());
    const names = namesOf(keyring);
    if (names === told) return;
    told = names;
    send(Object.values(cluster.workers ?? {}).filter((each) => each !== undefined));
  }, CHECK_EVERY_MS);
  timer.unref();
  cluster.on('message', onMessage);
  return made(keyring, () => {
    clearInterval(timer);
    cluster.off('message', onMessage);
  });
}

async function worker({
  clock = systemClock,
  answerLimitMs = DEFAULT_ANSWER_LIMIT_MS,
  ...options
}: ClusterKeyringOptions): Promise<ClusterKeyring> {
  const first = await firstKeys(answerLimitMs);
  // The primary rotates; what it does not send any more is kept until its tickets end.
  const keyring = TicketKeyring.create(
    { ...COMMON, ...options, rotateEverySec: null, publishSec: 0, keys: first },
    clock.wallMs(),
  );
  wipe(first);
  const onMessage = (message: unknown): void => {
    const keys = keysOf(message);
    if (keys === null) return;
    keyring.install(keys, clock.wallMs());
    wipe(keys);
  };
  process.on('message', onMessage);
  return made(keyring, () => void process.off('message', onMessage));
}

function firstKeys(limitMs: number): Promise<TicketKeyRecord[]> {
  return new Promise((done, fail) => {
    const onMessage = (message: unknown): void => {
      const keys = keysOf(message);
      if (keys === null) return;
      stop();
      done(keys);
    };
    const stop = (): void => {
      clearTimeout(timer);
      process.off('message', onMessage);
    };
    const timer = setTimeout(() => {
      stop();
      fail(
        new TlsessionError(
          'ERR_CLUSTER_KEYRING_SILENT',
          'the primary sends no ticket keys: it has to call clusterKeyring too',
        ),
      );
    }, limitMs);
    process.on('message', onMessage);
    process.send?.({ type: ASK }, undefined, undefined, ignore);
  });
}

function made(keyring: TicketKeyring, end: () => void): ClusterKeyring {
  let over = false;
  const stop = (): void => {
    if (over) return;
    over = true;
    end();
    keyring.destroy();
  };
  return { keyring, stop, [Symbol.dispose]: stop };
}

function tellOf(keyring: TicketKeyring): Told {
  const records = keyring.export();
  const bytes = encodeKeyRecords(records);
  wipe(records);
  const keys = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  bytes.fill(0);
  return { type: TELL, keys };
}

function keysOf(message: unknown): TicketKeyRecord[] | null {
  if (typeOf(message) !== TELL) return null;
  const bytes = Buffer.from((message as Told).keys, 'base64');
  try {
    return decodeKeyRecords(bytes);
  } finally {
    bytes.fill(0);
  }
}

function typeOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null ? (message as { type?: unknown }).type : null;
}

function namesOf(keyring: TicketKeyring): string {
  return keyring
    .keys()
    .map(({ role, name }) => `${role} ${name}`)
    .join();
}

function wipe(records: readonly TicketKeyRecord[]): void {
  for (const { material } of records) wipeKeyMaterial(material);
}

/** A worker that goes away meanwhile is told nothing. */
function ignore(): void {}
