/**
 * A server in a process of its own: it says in lines of JSON what its connections were. With `hellos` it is a
 * guard alone, which admits so many hellos in an order of its own as soon as it is told to begin.
 */
import type { AddressInfo } from 'node:net';
import {
  createFleet,
  createServer,
  type ServerOptions,
  type SessionStore,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { LmdbStore } from '../../src/entry/stores/lmdb.ts';
import { connectValkey } from '../../src/entry/stores/valkey.ts';
import { Random } from '../support/random.ts';

export interface ProcessOptions {
  readonly kind: 'lmdb' | 'redis';
  readonly place: string;
  readonly secret: string;
  readonly server?: ServerOptions;
  readonly hellos?: number;
  readonly seed?: number;
}

const options = JSON.parse(process.argv[2] as string) as ProcessOptions;
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const store: SessionStore =
  options.kind === 'lmdb'
    ? await LmdbStore.open({ path: options.place })
    : await connectValkey({ url: options.place });
const { hellos } = options;
// A store that answers late is as one that is silent: the machine's load would decide what is taken. The limits of a
// server are tested elsewhere.
const limits = { limitMs: 60_000, maxPending: 100_000 };
const fleet = createFleet({ store, secret: options.secret, limits });
await fleet.ready;

if (hellos !== undefined) {
  say({ ready: true });
  process.stdin.once('data', () => void admitAll(hellos));
} else {
  const server = createServer({ ...options.server, fleet }, (socket) => {
    socket.on('error', () => {});
    say({
      event: 'secure',
      reused: socket.isSessionReused(),
      reason: socket.resumptionReason,
      protocol: socket.getProtocol(),
    });
    socket.pipe(socket);
  });
  server.on('tlsClientError', (error: Error) => say({ event: 'failed', message: error.message }));
  server.on('earlyConnection', (socket: TLSSocket) => {
    // Who replays goes away in the middle of the handshake.
    socket.on('error', () => {});
    say({ event: 'early' });
  });
  server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }));
}
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();

async function admitAll(count: number): Promise<void> {
  // Each in an order of its own, so that any two meet at any hello.
  const order = new Random(options.seed ?? 1).shuffle(Array.from({ length: count }, (_, i) => i));
  const admitted: number[] = [];
  const verdicts: Record<string, number> = {};
  for (let at = 0; at < count; at += 100) {
    await Promise.all(
      order.slice(at, at + 100).map(async (hello) => {
        const binder = new Uint8Array(32);
        new DataView(binder.buffer).setUint32(0, hello);
        const verdict = await fleet.replayGuard.admit({ binder });
        verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
        if (verdict === 'admitted') admitted.push(hello);
      }),
    );
  }
  say({ admitted, verdicts });
}
