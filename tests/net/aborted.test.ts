/** Connections cut at random points by either end: nothing stays, nothing throws. The seed is fixed. */
import { expect, test } from 'vitest';
import { ClientSessionCache, connect, type TLSSocket } from '../../src/entry/index.ts';
import { liveSessionCount } from '../../src/session/core.ts';
import { Random } from '../support/random.ts';
import { abort, WAYS } from './abort.ts';
import { listen, trusting } from './pair.ts';

const CONNECTIONS = 600;
const AT_ONCE = 20;

test(`${CONNECTIONS} connections, full and resumed, cut at random`, async () => {
  const random = new Random(20_261_123);
  const before = liveSessionCount();
  const served: TLSSocket[] = [];
  const site = await listen({ handshakeTimeout: 2000 }, (socket) => {
    served.push(socket);
    socket.on('error', () => {});
    socket.on('end', () => {});
    socket.pipe(socket);
    if (random.below(4) === 0) setTimeout(() => abort(socket, random.below(WAYS)), random.below(4));
  });
  const sessionCache = new ClientSessionCache();
  const options = await trusting(site.port, { sessionCache, handshakeTimeout: 2000 });
  let done = 0;
  let resumed = 0;
  const one = (): Promise<void> =>
    new Promise((over) => {
      const socket = connect(
        random.below(5) === 0 ? { ...options, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } : options,
      );
      socket.on('error', () => {});
      socket.resume();
      socket.once('secureConnect', () => {
        if (socket.isSessionReused()) resumed++;
        if (random.below(2) === 0) socket.write('x'.repeat(random.below(50_000)));
      });
      socket.once('close', () => {
        done++;
        over();
      });
      const how = random.below(WAYS);
      if (random.below(6) === 0) abort(socket, how);
      else setTimeout(() => abort(socket, how), random.below(8));
      // Whatever was done to it, it ends.
      setTimeout(() => socket.destroy(), 3000).unref();
    });
  for (let i = 0; i < CONNECTIONS; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }
  expect(done).toBe(CONNECTIONS);
  expect(resumed).toBeGreaterThan(20);
  await site[Symbol.asyncDispose]();
  await expect.poll(() => served.every((socket) => socket.closed)).toBe(true);
  sessionCache.clear();
  await expect.poll(() => liveSessionCount()).toBe(before);
  await expect
    .poll(() => process.getActiveResourcesInfo().filter((name) => /^TCP/.test(name)).length)
    .toBe(0);
});
