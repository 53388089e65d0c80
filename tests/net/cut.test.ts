/**
 * Connections cut at every point of the handshake, and a little behind it: each role, each version, full and resumed,
 * in every way that a transport can end; and given up by the application while something is waited for. Nothing
 * stays: no socket, no timer, no listener, no session.
 */
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ClientSessionCache,
  type ConnectOptions,
  connect,
  createServer,
  type Server,
  type ServerOptions,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { liveSessionCount } from '../../src/session/core.ts';
import { testChain } from '../support/certs.ts';
import { type CutKind, makeWire, type WireEnd } from './wire.ts';

const EVENTS = ['data', 'end', 'close', 'drain', 'connect', 'finish', 'readable', 'timeout'] as const;

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
}

let server: Server | null = null;
afterEach(() => {
  server?.context.destroy();
  server = null;
});

interface Encounter {
  readonly near: WireEnd;
  readonly far: WireEnd;
  readonly client: TLSSocket;
  /** The server's socket, as soon as anybody was told of it. */
  served: TLSSocket | null;
  /** Errors that somebody was told of. */
  readonly errors: Error[];
  readonly over: Promise<void>;
}

async function makeServer(options: ServerOptions = {}): Promise<Server> {
  const { keyPem: key, chainPem: cert } = await testChain();
  // Long: a timer that stays would still be there at the end.
  server = createServer({ key, cert, handshakeTimeout: 60_000, ...options });
  return server;
}

/** A client and a server on one wire. Both say something, the client ends. */
function meet(at: Server, options: ConnectOptions, set: (near: WireEnd, far: WireEnd) => void): Encounter {
  const [near, far] = makeWire();
  set(near, far);
  const errors: Error[] = [];
  const encounter: { served: TLSSocket | null } = { served: null };
  at.removeAllListeners('secureConnection').removeAllListeners('tlsClientError');
  at.on('secureConnection', (socket: TLSSocket) => {
    encounter.served = socket;
    socket.on('error', (error) => errors.push(error));
    socket.resume();
    socket.end('from the server');
  });
  at.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    encounter.served = socket;
    errors.push(error);
  });
  at.emit('connection', far);
  const client = connect({ handshakeTimeout: 60_000, ...options, socket: near });
  client.setTimeout(60_000);
  client.on('error', (error) => errors.push(error));
  client.resume();
  client.end('from the client');
  const over = (async () => {
    if (!client.closed) await new Promise((done) => client.once('close', done));
    // The wire's other end goes with it.
    while (!(near.closed && far.closed)) await new Promise((done) => setImmediate(done));
    for (let i = 0; i < 20 && encounter.served !== null && !encounter.served.closed; i++) {
      await new Promise((done) => setImmediate(done));
    }
  })();
  return Object.assign(encounter, { near, far, client, errors, over });
}

function expectNothingLeft({ near, far, client, served }: Encounter, where: string): void {
  expect(client.closed, where).toBe(true);
  if (served !== null) expect(served.closed, where).toBe(true);
  for (const end of [near, far]) {
    expect(end.destroyed, where).toBe(true);
    for (const event of EVENTS) {
      const ours = end
        .listeners(event)
        .filter(({ name }) => /^on(Data|End|Close|Drain|Connect)$|^over$/.test(name));
      expect(ours, `${where}: ${event}`).toEqual([]);
    }
  }
}

describe.each(['TLSv1.3', 'TLSv1.2'] as const)('%s', (version) => {
  const versions = { minVersion: version, maxVersion: version };

  test.each([
    ['full', 'destroy'],
    ['full', 'error'],
    ['full', 'end'],
    ['resumed', 'destroy'],
    ['resumed', 'end'],
  ] as const)(
    'a %s handshake, at every byte either way: %s',
    { timeout: 120_000 },
    async (kind, how: CutKind) => {
      const at = await makeServer(versions);
      const { caPem: ca } = await testChain();
      const cache = new ClientSessionCache();
      const options: ConnectOptions = { ...versions, servername: 'localhost', ca, port: 443 };
      const take = { ...options, sessionCache: cache, reuseTickets: true };
      const seed = async (): Promise<void> => {
        if (kind === 'resumed') await meet(at, take, () => {}).over;
      };
      await seed();
      const whole = meet(at, kind === 'full' ? options : take, () => {});
      await whole.over;
      expect(whole.client.isSessionReused()).toBe(kind === 'resumed');
      expect(whole.errors).toEqual([]);
      expectNothingLeft(whole, 'whole');
      const timersBefore = timers();
      const sizes = { near: whole.near.carried, far: whole.far.carried };
      let told = 0;
      let cuts = 0;
      for (const side of ['near', 'far'] as const) {
        // Every byte of the first record's header and a little more; of the rest, steps that fall everywhere.
        for (let byte = 0; byte < sizes[side] + 3; byte += byte < 40 ? 1 : 23) {
          if (kind === 'resumed') await seed();
          const before = liveSessionCount();
          const encounter = meet(at, kind === 'full' ? options : take, (near, far) => {
            const end = side === 'near' ? near : far;
            end.cutAt = byte;
            end.cutKind = how;
            if (byte === 0) queueMicrotask(() => end.cut());
          });
          await encounter.over;
          const where = `${side}, byte ${byte}`;
          expectNothingLeft(encounter, where);
          cuts++;
          if (encounter.errors.length > 0) told++;
          // What the caches keep of whole connections is theirs; nothing else may live on.
          if (kind === 'full') expect(liveSessionCount() - before, where).toBeLessThanOrEqual(4);
        }
      }
      expect(cuts).toBeGreaterThan(90);
      expect(told).toBeGreaterThan(cuts / 3);
      cache.clear();
      at.context.destroy();
      await expect.poll(() => liveSessionCount()).toBe(0);
      expect(timers()).toBeLessThanOrEqual(timersBefore + 1);
    },
  );

  test.each([
    ['the server chooses its certificate', 'SNICallback'],
    ['the server asks for a session elsewhere', 'resumeSession'],
    ['the client asks for a session elsewhere', 'take'],
  ] as const)('given up while %s', async (_, waits) => {
    let answer: (() => void) | null = null;
    const at = await makeServer({
      ...versions,
      ...(waits === 'SNICallback' && {
        SNICallback: (_name, done) => {
          answer = () => done(null);
        },
      }),
    });
    const { caPem: ca } = await testChain();
    const cache = new ClientSessionCache();
    const options: ConnectOptions = {
      ...versions,
      servername: 'localhost',
      ca,
      port: 443,
      sessionCache: cache,
    };
    if (waits === 'resumeSession') {
      at.on('newSession', (_id: Buffer, _data: Buffer, done: () => void) => done());
      let first = true;
      at.on('resumeSession', (_id: Buffer, done: (error: null, data: null) => void) => {
        if (first) answer = () => done(null, null);
        else done(null, null);
        first = false;
      });
      await meet(at, { ...options, reuseTickets: true }, () => {}).over;
    }
    const slow = {
      take: () =>
        new Promise<{ session: null; reason: 'no-session-saved' }>((done) => {
          answer = () => done({ session: null, reason: 'no-session-saved' });
        }),
      put: () => {},
    };
    for (const who of ['client', 'server', 'both', 'wire'] as const) {
      answer = null;
      const encounter = meet(
        at,
        waits === 'take' ? { ...options, sessionCache: slow as never } : { ...options, reuseTickets: true },
        () => {},
      );
      for (let i = 0; i < 50 && answer === null; i++) await new Promise((done) => setImmediate(done));
      if (who === 'client' || who === 'both') encounter.client.destroy();
      if (who === 'server' || who === 'both') encounter.far.destroy();
      if (who === 'wire') encounter.near.destroy(new Error('cut'));
      if (waits !== 'SNICallback') await encounter.over;
      await new Promise((done) => setImmediate(done));
      // The answer comes when nobody is there any more. A server that waits does not read, and so learns only now
      // that its client has gone (or by handshakeTimeout).
      (answer as (() => void) | null)?.();
      await encounter.over;
      await new Promise((done) => setImmediate(done));
      expectNothingLeft(encounter, who);
    }
    cache.clear();
    at.context.destroy();
    await expect.poll(() => liveSessionCount()).toBe(0);
  });
});

test('an abort signal at every turn of a handshake: AbortError, and nothing stays', async () => {
  const at = await makeServer();
  const { caPem: ca } = await testChain();
  let aborted = 0;
  for (let turns = 0; turns < 40; turns++) {
    const controller = new AbortController();
    const encounter = meet(at, { servername: 'localhost', ca, signal: controller.signal }, () => {});
    for (let i = 0; i < turns; i++) await Promise.resolve();
    if (turns % 2 === 1) await new Promise((done) => setImmediate(done));
    controller.abort();
    await encounter.over;
    expectNothingLeft(encounter, `turn ${turns}`);
    if (encounter.errors.some(({ name }) => name === 'AbortError')) aborted++;
  }
  expect(aborted).toBeGreaterThan(10);
  at.context.destroy();
  await expect.poll(() => liveSessionCount()).toBe(0);
});

test('half-open, and then the transport is gone: a write that waits is told, one that nobody made is not missed', async () => {
  const { caPem: ca } = await testChain();
  for (const writes of [true, false]) {
    const at = await makeServer({ allowHalfOpen: true });
    const [near, far] = makeWire();
    const served = once(at, 'secureConnection') as Promise<[TLSSocket]>;
    at.emit('connection', far);
    const client = connect({ socket: near, servername: 'localhost', ca });
    client.on('error', () => {});
    client.resume();
    client.end();
    const [socket] = await served;
    const errors: NodeJS.ErrnoException[] = [];
    socket.on('error', (error) => errors.push(error));
    socket.resume();
    if (!socket.readableEnded) await once(socket, 'end');
    expect(socket.destroyed).toBe(false);
    let told: Error | null | undefined;
    near.pause();
    if (writes) {
      socket.write(Buffer.alloc(5_000_000), (error) => {
        told = error;
      });
    }
    await new Promise((done) => setTimeout(done, 10));
    far.destroy();
    await new Promise((done) => socket.once('close', done));
    if (writes) expect(told).toBeInstanceOf(Error);
    expect(socket.closed).toBe(true);
    client.destroy();
    if (!client.closed) await new Promise((done) => client.once('close', done));
    at.context.destroy();
  }
});
