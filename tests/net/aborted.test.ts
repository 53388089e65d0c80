/** Connections cut at random points by either end: nothing stays, nothing throws. The seed is fixed. */
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ClientSessionCache, connect, type TLSSocket } from '../../src/entry/index.ts';
import { liveSessionCount } from '../../src/session/core.ts';
import { listen, trusting } from './pair.ts';

const CONNECTIONS = 600;
const AT_ONCE = 20;

/** xorshift32: the same run every time, as far as the machine's timing allows. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function cut(socket: TLSSocket, how: number): void {
  const raw = socket.transport as Socket;
  switch (how) {
    case 0:
      socket.destroy();
      return;
    case 1:
      socket.destroy(new Error('cut'));
      return;
    case 2:
      raw.destroy();
      return;
    case 3:
      raw.resetAndDestroy();
      return;
    case 4:
      raw.end();
      return;
    case 5:
      socket.write(Buffer.alloc(100_000));
      socket.destroySoon();
      return;
    default:
      socket.end('bye');
  }
}

test(`${CONNECTIONS} connections, full and resumed, cut at random`, async () => {
  const random = randomFrom(20_261_123);
  const before = liveSessionCount();
  const served: TLSSocket[] = [];
  const site = await listen({ handshakeTimeout: 2000 }, (socket) => {
    served.push(socket);
    socket.on('error', () => {});
    socket.on('end', () => {});
    socket.pipe(socket);
    if (random(4) === 0) setTimeout(() => cut(socket, random(7)), random(4));
  });
  const sessionCache = new ClientSessionCache();
  const options = await trusting(site.port, { sessionCache, handshakeTimeout: 2000 });
  let done = 0;
  let resumed = 0;
  const one = (): Promise<void> =>
    new Promise((over) => {
      const socket = connect(
        random(5) === 0 ? { ...options, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } : options,
      );
      socket.on('error', () => {});
      socket.resume();
      socket.once('secureConnect', () => {
        if (socket.isSessionReused()) resumed++;
        if (random(2) === 0) socket.write('x'.repeat(random(50_000)));
      });
      socket.once('close', () => {
        done++;
        over();
      });
      const how = random(7);
      if (random(6) === 0) cut(socket, how);
      else setTimeout(() => cut(socket, how), random(8));
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
