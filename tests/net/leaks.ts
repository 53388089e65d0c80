/**
 * Connections made, resumed and aborted at random points, by the ten thousand; what is left is counted while it runs:
 * sockets, timers, listeners, sessions, and memory after a collection. Most run over two Duplexes in memory, a share
 * over TCP. Run by `npm run leaks`, and for a short while by leaks.test.ts.
 */
import { once } from 'node:events';
import { type AddressInfo, connect as netConnect } from 'node:net';
import {
  ClientSessionCache,
  type ConnectOptions,
  connect,
  createServer,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { liveSessionCount } from '../../src/session/core.ts';
import { testChain } from '../support/certs.ts';
import { Random } from '../support/random.ts';
import { ABRUPT_WAYS, abort } from './abort.ts';
import { makeWire } from './wire.ts';

export interface Checkpoint {
  readonly connections: number;
  readonly heapBytes: number;
  /** Outside the heap: array buffers and what native objects own. */
  readonly externalBytes: number;
  readonly rssBytes: number;
  readonly sockets: number;
  readonly timers: number;
  readonly sessions: number;
}

export interface Outcome {
  readonly checkpoints: readonly Checkpoint[];
  readonly connections: number;
  readonly secure: number;
  readonly resumed: number;
  /** Ended before they were secure. */
  readonly aborted: number;
  readonly overTcp: number;
  /** Sockets of either end that never said `close`. */
  readonly unclosed: number;
  /** Listeners of ours on transports that were given up. */
  readonly listeners: number;
}

/** Open at once. */
const AT_ONCE = 40;
/** Some wait for what was cut off: they are given up after so many milliseconds. */
const LAST_MS = 1000;
const OURS = /^on(Data|End|Close|Drain|Connect)$|^over$/;
const collect = (globalThis as { gc?: () => void }).gc;

/** `collect()` must be there: node --expose-gc. */
export async function run(
  connections: number,
  checkpoints: number,
  seed = 20_261_125,
  say: (point: Checkpoint) => void = () => {},
): Promise<Outcome> {
  if (collect === undefined) throw new Error('run with node --expose-gc');
  const random = new Random(seed);
  const { keyPem: key, chainPem: cert, caPem: ca } = await testChain();
  const open = new Set<TLSSocket>();
  const watch = (socket: TLSSocket): void => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
  };
  const server = createServer({ key, cert, handshakeTimeout: 30_000 }, (socket) => {
    socket.on('end', () => {});
    socket.pipe(socket);
    if (random.below(5) === 0) abortAfter(random.below(3), socket, random.below(ABRUPT_WAYS));
  });
  server.on('tlsClientError', (_, socket: TLSSocket) => socket.on('error', () => {}));
  server.on('secureConnection', watch);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cache = new ClientSessionCache();
  const options: ConnectOptions = {
    servername: 'localhost',
    ca,
    sessionCache: cache,
    handshakeTimeout: 30_000,
    port,
  };
  let secure = 0;
  let resumed = 0;
  let aborted = 0;
  let overTcp = 0;
  let listeners = 0;

  const one = (): Promise<void> =>
    new Promise((over) => {
      const tcp = random.below(8) === 0;
      const versions =
        random.below(4) === 0 ? ({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const) : {};
      const chosen = random.below(3) === 0 ? { sessionCache: undefined } : {};
      const controller = random.below(6) === 0 ? new AbortController() : null;
      const signal = controller === null ? {} : { signal: controller.signal };
      let socket: TLSSocket;
      if (tcp) {
        overTcp++;
        const given =
          random.below(2) === 0 ? { socket: netConnect(port, '127.0.0.1') } : { host: '127.0.0.1' };
        socket = connect({ ...options, ...versions, ...chosen, ...signal, ...given } as ConnectOptions);
      } else {
        const [near, far] = makeWire();
        // About four in ten are cut somewhere: in the hello, the flights, the tickets or the data.
        const where = random.below(10);
        if (where < 2) near.cutAt = random.below(1200);
        else if (where < 4) far.cutAt = random.below(3500);
        const kinds = ['destroy', 'error', 'end'] as const;
        near.cutKind = far.cutKind = kinds[random.below(3)] as 'end';
        server.emit('connection', far);
        socket = connect({ ...options, ...versions, ...chosen, ...signal, socket: near } as ConnectOptions);
      }
      watch(socket);
      socket.resume();
      let wasSecure = false;
      socket.once('secureConnect', () => {
        wasSecure = true;
        secure++;
        if (socket.isSessionReused()) resumed++;
        if (random.below(2) === 0) socket.write(Buffer.alloc(random.below(40_000)));
        if (random.below(10) === 0) abortAfter(random.below(3), socket, random.below(ABRUPT_WAYS));
        // A ticket comes behind the handshake.
        else if (random.below(3) > 0 && versions.maxVersion === undefined)
          socket.once('session', () => socket.end('bye'));
        else socket.end('bye');
      });
      if (controller !== null) soon(random.below(12), () => controller.abort());
      else if (random.below(10) === 0) abortAfter(random.below(12), socket, random.below(ABRUPT_WAYS));
      if (random.below(20) === 0) socket.setTimeout(60_000);
      // Whatever was done to it, it ends.
      const last = setTimeout(() => socket.destroy(), LAST_MS);
      socket.once('close', () => {
        clearTimeout(last);
        if (!wasSecure) aborted++;
        for (const event of ['data', 'end', 'close', 'drain', 'connect', 'finish']) {
          listeners += socket.transport.listeners(event).filter(({ name }) => OURS.test(name)).length;
        }
        over();
      });
    });

  const points: Checkpoint[] = [];
  let made = 0;
  for (let point = 1; point <= checkpoints; point++) {
    const until = Math.round((connections * point) / checkpoints);
    const worker = async (): Promise<void> => {
      while (made < until) {
        made++;
        await one();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    // The other ends.
    for (let i = 0; i < 500 && open.size > 0; i++) await new Promise((done) => setTimeout(done, 10));
    // Of those that were given up before anybody knew of them, the kernel's side may take a moment.
    for (let i = 0; i < 500 && connectionsOpen() > 0; i++) await new Promise((done) => setTimeout(done, 10));
    cache.clear();
    server.context.sessions.flush(Number.MAX_SAFE_INTEGER);
    for (let i = 0; i < 3; i++) {
      await new Promise((done) => setTimeout(done, 20));
      collect();
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    const active = process.getActiveResourcesInfo();
    const found: Checkpoint = {
      connections: made,
      heapBytes: heapUsed,
      externalBytes: external,
      rssBytes: rss,
      sockets: connectionsOpen(),
      timers: active.filter((name) => name === 'Timeout').length,
      sessions: liveSessionCount(),
    };
    points.push(found);
    say(found);
  }
  const unclosed = open.size;
  await new Promise<void>((done) => server.close(() => done()));
  server.context.destroy();
  return { checkpoints: points, connections: made, secure, resumed, aborted, overTcp, unclosed, listeners };
}

/** The listening one is no connection. */
function connectionsOpen(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

/** After so many turns of the event loop. */
function soon(turns: number, what: () => void): void {
  if (turns === 0) what();
  else setImmediate(() => soon(turns - 1, what));
}

function abortAfter(turns: number, socket: TLSSocket, way: number): void {
  soon(turns, () => {
    if (!socket.destroyed) abort(socket, way);
  });
}

/**
 * Bytes a connection, by least squares over the checkpoints; those of the first third do not count: code is compiled
 * then and pools fill.
 */
export function slope<Of extends 'heapBytes' | 'externalBytes' | 'rssBytes'>(
  points: readonly Pick<Checkpoint, 'connections' | Of>[],
  of: Of,
): number {
  const late = points.slice(Math.ceil(points.length / 3));
  const x = late.map(({ connections }) => connections);
  const y = late.map((point) => point[of]);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const above = x.reduce((sum, value, i) => sum + (value - mx) * ((y[i] as number) - my), 0);
  const below = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  return above / below;
}
