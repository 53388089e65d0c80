/** Stock servers and clients of this very Node, for the tests of what shares their sessions. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { testChain } from '../support/certs.ts';

export interface Visit {
  readonly reused: boolean;
  /** The last session that node:tls gave. */
  readonly session: Buffer | undefined;
  readonly text: string;
}

export function portOf(server: tls.Server): number {
  return (server.address() as AddressInfo).port;
}

/** A server that says on each connection what it knows of it, and ends it. */
export async function stockServer(options: tls.TlsOptions = {}): Promise<tls.Server> {
  const chain = await testChain();
  const server = tls.createServer(
    { cert: chain.chainPem, key: chain.keyPem, sessionIdContext: 'the fleet', ...options },
    (socket) => {
      socket.on('error', () => {});
      socket.end(`${socket.getProtocol()} ${socket.isSessionReused() ? 'resumed' : 'full'}`);
    },
  );
  server.on('tlsClientError', () => {});
  return server;
}

export async function listening(server: tls.Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return portOf(server);
}

/** One connection to its end. */
export async function visit(port: number, options: tls.ConnectionOptions = {}): Promise<Visit> {
  const { caPem } = await testChain();
  const socket = tls.connect({ host: '127.0.0.1', servername: 'localhost', ca: caPem, ...options, port });
  let session: Buffer | undefined;
  let text = '';
  let reused = false;
  socket.on('session', (bytes) => {
    session = bytes;
  });
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('secureConnect', () => {
    reused = socket.isSessionReused();
    // node:tls does not announce a ticket that a TLS 1.2 server renewed.
    if (reused && socket.getProtocol() === 'TLSv1.2') session = socket.getSession();
  });
  await Promise.race([
    once(socket, 'end'),
    once(socket, 'error').then(([error]) => {
      throw error;
    }),
  ]);
  socket.destroy();
  return { reused, session, text };
}
