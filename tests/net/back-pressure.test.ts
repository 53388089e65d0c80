/**
 * Who writes more than the other reads is held up: in either direction, whatever the size of the writes, before the
 * handshake is complete as after it. What is counted are bytes that lie somewhere in this process.
 */
import { once } from 'node:events';
import { connect as netConnect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { connect, createServer, type Server, type TLSSocket } from '../../src/entry/index.ts';
import { testChain } from '../support/certs.ts';
import { listen, trusting } from './pair.ts';
import { makeWire, type WireEnd } from './wire.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
let server: Server | null = null;
afterEach(() => {
  server?.context.destroy();
  server = null;
});

/** All application bytes between a writer and the other's reader, sealed ones too. */
function inFlight(from: TLSSocket, near: WireEnd, far: WireEnd, to: TLSSocket): number {
  return (
    from.writableLength +
    near.writableLength +
    near.readableLength +
    far.writableLength +
    far.readableLength +
    to.readableLength
  );
}

async function pairOf(
  options: object,
): Promise<{ client: TLSSocket; far: WireEnd; near: WireEnd; served: TLSSocket }> {
  const { keyPem: key, chainPem: cert, caPem: ca } = await testChain();
  server = createServer({ key, cert, ...options });
  const [near, far] = makeWire();
  const secure = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  server.emit('connection', far);
  const client = connect({ socket: near, servername: 'localhost', ca, ...options });
  const [served] = await secure;
  if (client.secureConnecting) await once(client, 'secureConnect');
  // Tickets have passed.
  await new Promise((done) => setTimeout(done, 5));
  for (const socket of [client, served]) socket.on('error', () => {});
  return { client, near, far, served };
}

describe.each(['TLSv1.3', 'TLSv1.2'])('%s', (version) => {
  test.each([64, KIB, 16 * KIB, 64 * KIB, MIB, 8 * MIB])(
    'nobody reads: a writer in chunks of %i bytes stops, either way, and what it wrote lies in few places',
    async (size) => {
      const pair = await pairOf({ minVersion: version, maxVersion: version });
      for (const way of ['up', 'down'] as const) {
        const [from, to] = way === 'up' ? [pair.client, pair.served] : [pair.served, pair.client];
        const [near, far] = way === 'up' ? [pair.near, pair.far] : [pair.far, pair.near];
        to.pause();
        const chunk = Buffer.alloc(size, 'b');
        let written = 0;
        let drains = 0;
        const more = (): void => {
          while (written < 200 * MIB) {
            written += size;
            if (!from.write(chunk)) return;
          }
        };
        from.on('drain', () => {
          drains++;
          more();
        });
        more();
        // It comes to rest by itself.
        let before = -1;
        while (before !== written + drains) {
          before = written + drains;
          await new Promise((done) => setTimeout(done, 20));
        }
        expect(written, way).toBeLessThan(size + 512 * KIB);
        // One chunk is the application's own, kept by reference; beside it there is a flush, and what streams hold.
        const held = inFlight(from, near, far, to);
        expect(held, way).toBeLessThan(size + 400 * KIB);
        expect(near.writableLength, way).toBeLessThan(160 * KIB);
        expect(to.readableLength, way).toBeLessThan(160 * KIB);
        // And all of it arrives when somebody reads.
        from.removeAllListeners('drain');
        let received = 0;
        to.on('data', (data: Buffer) => {
          received += data.length;
        });
        to.resume();
        await expect.poll(() => received, { timeout: 20_000 }).toBe(written);
        to.removeAllListeners('data');
      }
      pair.client.destroy();
      pair.served.destroy();
    },
  );
});

test('a large write is sealed only as far as it is taken', async () => {
  const { client, near, served } = await pairOf({});
  served.pause();
  const chunk = Buffer.alloc(100 * MIB);
  const before = process.memoryUsage().arrayBuffers;
  let told = false;
  client.write(chunk, () => {
    told = true;
  });
  await new Promise((done) => setTimeout(done, 100));
  expect(told).toBe(false);
  expect(near.writableLength).toBeLessThan(160 * KIB);
  // Sealed whole it would be another hundred megabytes.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * MIB);
  client.destroy();
  served.destroy();
});

test('before the handshake: a client that is not answered holds what it was given, and no more is asked for', async () => {
  const { caPem: ca } = await testChain();
  const [near] = makeWire();
  const client = connect({ socket: near, servername: 'localhost', ca });
  client.on('error', () => {});
  let written = 0;
  while (written < 200 * MIB && client.write(Buffer.alloc(64 * KIB))) written += 64 * KIB;
  await new Promise((done) => setTimeout(done, 30));
  expect(client.writableLength).toBeLessThan(256 * KIB);
  // A ClientHello, and not one byte of what waits for the keys.
  expect(near.writableLength).toBeLessThan(4 * KIB);
  client.destroy();
});

test('while the server waits in the handshake it does not read what a client floods it with', async () => {
  let answer: (() => void) | undefined;
  await using site = await listen({
    SNICallback: (_, done) => {
      answer = () => done(null);
    },
  });
  const accepted = once(site.server, 'connection') as Promise<[Socket]>;
  const client = connect(await trusting(site.port));
  client.on('error', () => {});
  const [transport] = await accepted;
  await expect.poll(() => answer !== undefined).toBe(true);
  const raw = client.transport as Socket;
  const flood = Buffer.alloc(64 * KIB, 0x17);
  for (let sent = 0; sent < 100 * MIB; sent += flood.length) raw.write(flood);
  await new Promise((done) => setTimeout(done, 200));
  expect(transport.bytesRead).toBeLessThan(512 * KIB);
  expect(transport.readableLength).toBeLessThan(256 * KIB);
  answer?.();
  // What it read then is no TLS: refused, and gone.
  await expect.poll(() => site.failures.length, { timeout: 5000 }).toBe(1);
  await expect.poll(() => transport.destroyed).toBe(true);
  client.destroy();
});

test('a reader that pauses now and then gets every byte, and memory stays flat meanwhile', async () => {
  const total = 60 * MIB;
  await using site = await listen({}, (socket) => {
    socket.on('error', () => {});
    const chunk = Buffer.alloc(100_003, 'm');
    let sent = 0;
    const more = (): void => {
      while (sent < total) {
        const piece = chunk.subarray(0, Math.min(chunk.length, total - sent));
        sent += piece.length;
        if (!socket.write(piece)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    more();
  });
  const client = connect(await trusting(site.port));
  let received = 0;
  let pauses = 0;
  let most = 0;
  client.on('data', (data: Buffer) => {
    received += data.length;
    most = Math.max(most, client.readableLength);
    if (received / MIB > pauses) {
      pauses++;
      client.pause();
      setTimeout(() => client.resume(), 1);
    }
  });
  await once(client, 'end');
  expect(received).toBe(total);
  expect(pauses).toBeGreaterThan(40);
  expect(most).toBeLessThan(256 * KIB);
  client.destroy();
});

test('a transport of objects or of text is refused by the code of node:tls', async () => {
  const { caPem: ca } = await testChain();
  const [near, far] = makeWire();
  near.setEncoding('latin1');
  const client = connect({ socket: near, servername: 'localhost', ca });
  far.resume();
  far.write('anything');
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ERR_STREAM_WRAP');
  expect(near.destroyed).toBe(true);
  far.destroy();
});

test('writes after the end, in a data handler, in a callback, corked: each as streams have it', async () => {
  await using site = await listen({}, (socket) => {
    socket.on('error', () => {});
    // Destroyed in the middle of what arrives.
    socket.once('data', () => socket.destroy());
  });
  const client = connect(await trusting(site.port));
  const errors: NodeJS.ErrnoException[] = [];
  client.on('error', (error) => errors.push(error));
  client.resume();
  await once(client, 'secureConnect');
  const order: string[] = [];
  client.cork();
  client.write('a', () => order.push('a'));
  client.write('', () => order.push('empty'));
  client.write('b', () => {
    order.push('b');
    client.write('c', () => order.push('c'));
  });
  expect(order).toEqual([]);
  client.uncork();
  await new Promise((done) => client.once('close', done));
  expect(order.slice(0, 3)).toEqual(['a', 'empty', 'b']);
  let late: NodeJS.ErrnoException | null | undefined;
  client.write('late', (error) => {
    late = error as NodeJS.ErrnoException;
  });
  await new Promise((done) => setImmediate(done));
  expect(late?.code).toMatch(/^ERR_STREAM_(DESTROYED|WRITE_AFTER_END)$/);

  const other = connect(await trusting(site.port));
  const seen: NodeJS.ErrnoException[] = [];
  other.on('error', (error) => seen.push(error));
  other.resume();
  other.end('x');
  other.write('after the end');
  await new Promise((done) => other.once('close', done));
  expect(seen[0]?.code).toBe('ERR_STREAM_WRITE_AFTER_END');
  const raw = netConnect(site.port, '127.0.0.1');
  raw.destroy();
});
