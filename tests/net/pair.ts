/** A server on loopback and clients of it, for tests of src/net. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  type ConnectOptions,
  connect,
  createServer,
  type Server,
  type ServerOptions,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { testChain } from '../support/certs.ts';

export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  /** Errors of connections that failed before they were secure. */
  readonly failures: Error[];
  /** Connections that became secure. */
  readonly sockets: TLSSocket[];
}

/** Listens on loopback with the usual chain, and echoes unless told otherwise. */
export async function listen(
  options: ServerOptions = {},
  onConnection: (socket: TLSSocket) => void = echo,
): Promise<TestServer> {
  const chain = await testChain();
  const failures: Error[] = [];
  const sockets: TLSSocket[] = [];
  const server = createServer({ key: chain.keyPem, cert: chain.chainPem, ...options }, (socket) => {
    sockets.push(socket);
    onConnection(socket);
  });
  server.on('tlsClientError', (error: Error) => failures.push(error));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    failures,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
      // What a context caches lives as long as it; here that is now over.
      server.context.destroy();
    },
  };
}

export function echo(socket: TLSSocket): void {
  socket.on('error', () => {});
  socket.pipe(socket);
}

/** Options of a client that trusts the usual root. */
export async function trusting(port: number, options: ConnectOptions = {}): Promise<ConnectOptions> {
  const { caPem } = await testChain();
  return { port, host: '127.0.0.1', servername: 'localhost', ca: caPem, ...options };
}

export interface Visit {
  readonly socket: TLSSocket;
  /** What the echo gave back. */
  readonly text: string;
  /** The sessions that came, as bytes. */
  readonly sessions: readonly Buffer[];
}

/** Connects, has `text` echoed, waits for `sessions` sessions and ends. */
export async function visit(options: ConnectOptions, text = 'hello', wanted = 1): Promise<Visit> {
  const socket = connect(options);
  const sessions: Buffer[] = [];
  let received = '';
  const finish = (): void => {
    if (received.length >= text.length && sessions.length >= wanted) socket.end();
  };
  socket.on('session', (session: Buffer) => {
    sessions.push(session);
    finish();
  });
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    finish();
  });
  socket.write(text);
  await once(socket, 'close');
  return { socket, text: received, sessions };
}
