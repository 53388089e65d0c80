/** What the tests of frameworks share: a certificate, a place for what is to be closed, and how text is read. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { afterEach } from 'vitest';
import type { TLSSocket } from '../../src/entry/index.ts';
import { testChain } from '../support/certs.ts';
import { endContext } from '../support/sessions.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Done after the test, the last first. */
export function later(close: () => unknown): void {
  closers.push(close);
}

/** Key and certificate of localhost, and the root that signed it. */
export async function identity(): Promise<{ key: string; cert: string; ca: string }> {
  const { keyPem: key, chainPem: cert, caPem: ca } = await testChain();
  return { key, cert, ca };
}

/** Listens on loopback until the test is over. What a context caches goes with it. */
export async function onLoopback(server: NetServer, port = 0): Promise<number> {
  const open = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  later(async () => {
    for (const socket of open) socket.destroy();
    if (server.listening) await new Promise<void>((done) => server.close(() => done()));
    endContext(server);
  });
  return (server.address() as AddressInfo).port;
}

/** Of a request that came to a server of ours: node:http knows its own sockets alone. */
export function tlsSocketOf({ socket }: IncomingMessage): TLSSocket {
  if (!('isSessionReused' in socket)) throw new Error('a request without TLS');
  return socket as unknown as TLSSocket;
}

export async function text(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk.toString();
  return all;
}
