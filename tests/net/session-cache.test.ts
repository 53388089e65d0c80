/** `sessionCache`: connections that find each other's sessions, and only those that they may. */
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { Agent } from '../../src/entry/https.ts';
import {
  ClientSessionCache,
  type ClientSessions,
  type ConnectOptions,
  connect,
  MemoryStore,
  plainSealer,
  StoredClientSessions,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { buildConnector } from '../../src/entry/undici.ts';
import { makeChain, testChain } from '../support/certs.ts';
import { listen, type TestServer, trusting } from './pair.ts';

const V12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;

const caches: ClientSessionCache[] = [];
afterEach(() => {
  for (const cache of caches.splice(0)) cache.clear();
});
function newCache(): ClientSessionCache {
  const cache = new ClientSessionCache();
  caches.push(cache);
  return cache;
}

/** Connects, has a line echoed and ends once as many sessions as promised have come. */
async function visit(options: ConnectOptions, wanted = 1): Promise<TLSSocket> {
  const socket = connect(options);
  let sessions = 0;
  let text = '';
  const finish = (): void => {
    if (text === 'hello' && sessions >= wanted) socket.end();
  };
  socket.on('session', () => {
    sessions++;
    finish();
  });
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    finish();
  });
  socket.write('hello');
  await once(socket, 'close');
  expect(text).toBe('hello');
  return socket;
}

test.each([new Map(), {}, 'x', null, () => {}])('what is no cache is refused: %o', (value) => {
  const sessionCache = value as never;
  for (const use of [
    () => connect({ port: 1, sessionCache }),
    () => new Agent({ sessionCache }),
    () => buildConnector({ sessionCache }),
  ]) {
    expect(use).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
  }
});

test('TLS 1.3: each connection takes a ticket and leaves a new one', async () => {
  await using site = await listen();
  const sessionCache = newCache();
  const options = await trusting(site.port, { sessionCache });
  const first = await visit(options, 2);
  expect([first.isSessionReused(), first.resumptionReason]).toEqual([false, 'no-session-saved']);
  expect(sessionCache.stats).toMatchObject({ peers: 1, sessions: 2 });
  for (let i = 0; i < 5; i++) {
    expect((await visit(options)).isSessionReused()).toBe(true);
    expect(sessionCache.stats.sessions).toBe(2);
  }
  expect(site.sockets.map((socket) => socket.isSessionReused())).toEqual([
    false,
    true,
    true,
    true,
    true,
    true,
  ]);
});

test('TLS 1.3: connections at the same time never show one ticket twice', async () => {
  await using site = await listen({ ticketCount: 3 });
  const sessionCache = newCache();
  const options = await trusting(site.port, { sessionCache });
  await visit(options, 3);
  const tickets: string[] = [];
  site.server.context.tickets.open = ((open) =>
    function (this: unknown, ticket: Uint8Array) {
      tickets.push(Buffer.from(ticket).toString('hex'));
      return open.call(site.server.context.tickets, ticket);
    })(site.server.context.tickets.open);
  const together = await Promise.all([1, 2, 3, 4, 5].map(() => visit(options)));
  expect(together.filter((socket) => socket.isSessionReused())).toHaveLength(3);
  expect(tickets).toHaveLength(3);
  expect(new Set(tickets).size).toBe(3);
});

test('TLS 1.2: a session stays, and serves many', async () => {
  await using site = await listen(V12);
  const sessionCache = newCache();
  const options = await trusting(site.port, { sessionCache, ...V12 });
  await visit(options);
  const together = await Promise.all([1, 2, 3].map(() => visit(options, 0)));
  expect(together.map((socket) => socket.isSessionReused())).toEqual([true, true, true]);
  expect(sessionCache.stats.sessions).toBe(1);
});

test('what differs in name, protocols, trust or client certificate does not share', async () => {
  await using site = await listen({ ALPNProtocols: ['h2', 'http/1.1'] });
  const [known, other] = await Promise.all([testChain(), makeChain()]);
  const sessionCache = newCache();
  const base = await trusting(site.port, { sessionCache, ALPNProtocols: ['http/1.1'] });
  await visit(base, 2);
  const variants: ConnectOptions[] = [
    { servername: '127.0.0.1' },
    { ALPNProtocols: ['h2'] },
    { ca: [known.caPem, other.caPem] },
    { rejectUnauthorized: false },
    { key: known.keyPem, cert: known.chainPem },
  ];
  for (const variant of variants) {
    const socket = await visit({ ...base, ...variant }, 2);
    expect([socket.isSessionReused(), socket.resumptionReason], JSON.stringify(Object.keys(variant))).toEqual(
      [false, 'no-session-saved'],
    );
  }
  expect(sessionCache.stats.peers).toBe(1 + variants.length);
  expect((await visit(base)).isSessionReused()).toBe(true);
});

test('a version that is not spoken any more leaves the session where it is, and says why', async () => {
  await using site = await listen();
  const sessionCache = newCache();
  const options = await trusting(site.port, { sessionCache });
  await visit(options, 2);
  const socket = await visit({ ...options, ...V12 });
  expect(socket.resumptionReason).toBe('other-version');
  expect(sessionCache.stats.sessions).toBe(3);
  expect((await visit({ ...options, ...V12 }, 0)).getProtocol()).toBe('TLSv1.2');
  expect((await visit({ ...options, minVersion: 'TLSv1.3' })).isSessionReused()).toBe(true);
});

test('a store that answers later: the next process resumes', async () => {
  const store = new MemoryStore();
  const slow = {
    get: (key: string) => later(() => store.get(key)),
    put: (...args: Parameters<MemoryStore['put']>) => later(() => store.put(...args)),
    take: (key: string) => later(() => store.take(key)),
    delete: (key: string) => later(() => store.delete(key)),
    close: () => store.close(),
  };
  const process = (): ClientSessions =>
    new StoredClientSessions({
      store: slow as unknown as MemoryStore,
      sealer: plainSealer,
      digest: (bytes) => nodeProvider.digest('sha256', bytes),
    });
  await using site = await listen();
  const options = await trusting(site.port);
  await visit({ ...options, sessionCache: process() }, 2);
  await new Promise((done) => setTimeout(done, 30));
  const resumed = await visit({ ...options, sessionCache: process() });
  expect(resumed.isSessionReused()).toBe(true);
  expect(resumed.authorized).toBe(true);
});

function later<T>(call: () => T): Promise<Awaited<T>> {
  return new Promise((done, fail) => {
    setTimeout(() => {
      try {
        done(call() as Awaited<T>);
      } catch (error) {
        fail(error as Error);
      }
    }, 3);
  });
}

test('a cache that fails costs the resumption alone; one that answers after destroy gives its session back', async () => {
  await using site: TestServer = await listen();
  const options = await trusting(site.port);
  const failures: ClientSessions[] = [
    {
      take: () => {
        throw new Error('take');
      },
      put: () => {
        throw new Error('put');
      },
    },
    { take: () => Promise.reject(new Error('take')), put: () => Promise.reject(new Error('put')) },
  ];
  for (const sessionCache of failures) {
    const socket = await visit({ ...options, sessionCache });
    expect(socket.resumptionReason).toBe('store-failed');
  }

  const real = newCache();
  await visit({ ...options, sessionCache: real }, 2);
  let asked: () => void = () => {};
  const wasAsked = new Promise<void>((done) => {
    asked = done;
  });
  const late: ClientSessions = {
    take: async (key, fits) => {
      asked();
      await new Promise((done) => setTimeout(done, 20));
      return real.take(key, fits);
    },
    put: (key, session) => real.put(key, session),
  };
  const given = connect({ ...options, sessionCache: late });
  given.on('error', () => {});
  await wasAsked;
  given.destroy();
  await new Promise((done) => setTimeout(done, 40));
  // Taken, and given back: one of the two is left. That no session lives on, each test's end looks at.
  expect(real.stats.sessions).toBe(1);
});

test('an explicit session goes before the cache', async () => {
  await using site = await listen();
  const sessionCache = newCache();
  const options = await trusting(site.port, { sessionCache });
  const bytes: Buffer[] = [];
  const first = connect(await trusting(site.port));
  first.on('session', (session: Buffer) => bytes.push(session));
  first.resume();
  await once(first, 'session');
  first.destroy();
  const socket = await visit({ ...options, session: bytes[0] });
  expect(socket.isSessionReused()).toBe(true);
  expect(sessionCache.stats).toMatchObject({ hits: 0, misses: 0, sessions: 1 });
});
