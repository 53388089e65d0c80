/** gRPC over these sockets, unchanged: a server that sockets are injected into, a client by credentials of its own. */
import type { Duplex } from 'node:stream';
import {
  ChannelCredentials,
  Client,
  credentials as grpcCredentials,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import {
  ClientSessionCache,
  type ConnectOptions,
  connect,
  createServer,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { identity, later, onLoopback } from './site.ts';

const bytes = { serialize: (value: Buffer): Buffer => value, deserialize: (value: Buffer): Buffer => value };
const method = (path: string, stream: boolean): ServiceDefinition[string] => ({
  path,
  requestStream: stream,
  responseStream: stream,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});
const service: ServiceDefinition = {
  shout: method('/test.Echo/Shout', false),
  chat: method('/test.Echo/Chat', true),
};

function grpcServer(): Server {
  const server = new Server();
  server.addService(service, {
    shout: (call: { request: Buffer }, done: requestCallback<Buffer>) => {
      if (call.request.length === 0) done({ code: status.INVALID_ARGUMENT, details: 'nothing' } as never);
      else done(null, Buffer.from(call.request.toString().toUpperCase()));
    },
    chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
      call.on('data', (data: Buffer) => call.write(data));
      call.on('end', () => call.end());
    },
  });
  later(() => server.forceShutdown());
  return server;
}

/** Credentials of a channel that make its TCP connections secure with this library. */
class Credentials extends ChannelCredentials {
  readonly #options: ConnectOptions;
  readonly sockets: TLSSocket[] = [];

  constructor(options: ConnectOptions) {
    super();
    this.#options = options;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector(
    ...[, , callCredentials]: Parameters<ChannelCredentials['_createSecureConnector']>
  ): ReturnType<ChannelCredentials['_createSecureConnector']> {
    const made = grpcCredentials
      .createInsecure()
      ._createSecureConnector({ scheme: 'dns', path: 'localhost' }, {}, callCredentials);
    return {
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => made.getCallCredentials(),
      destroy: () => {},
      connect: (transport: Duplex) =>
        new Promise((done, fail) => {
          const socket = connect({ ...this.#options, socket: transport, ALPNProtocols: ['h2'] }, () => {
            done({ socket: socket as never, secure: true });
          });
          this.sockets.push(socket);
          socket.on('error', fail);
        }),
    };
  }
}

function shout(client: Client, text: string): Promise<string> {
  return new Promise((done, fail) => {
    client.makeUnaryRequest(
      '/test.Echo/Shout',
      bytes.serialize,
      bytes.deserialize,
      Buffer.from(text),
      (error, answer) => {
        if (error !== null) fail(error);
        else done(String(answer));
      },
    );
  });
}

function chat(client: Client, messages: readonly Buffer[]): Promise<number> {
  return new Promise((done, fail) => {
    const call = client.makeBidiStreamRequest('/test.Echo/Chat', bytes.serialize, bytes.deserialize);
    let length = 0;
    call.on('data', (data: Buffer) => {
      length += data.length;
    });
    call.on('error', fail);
    call.on('end', () => done(length));
    for (const message of messages) call.write(message);
    call.end();
  });
}

test('server and client of ours: unary calls, errors and streams; the second channel resumes', async () => {
  const { key, cert, ca } = await identity();
  const injector = grpcServer().createConnectionInjector(ServerCredentials.createInsecure());
  const seen: TLSSocket[] = [];
  const server = createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    seen.push(socket);
    socket.on('error', () => {});
    injector.injectConnection(socket);
  });
  const port = await onLoopback(server);
  const sessionCache = new ClientSessionCache();
  later(() => sessionCache.clear());
  for (const resumed of [false, true]) {
    const credentials = new Credentials({ ca, servername: 'localhost', sessionCache, port });
    const client = new Client(`localhost:${port}`, credentials, { 'grpc.use_local_subchannel_pool': 1 });
    expect(await shout(client, 'hello')).toBe('HELLO');
    await expect(shout(client, '')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    const messages = Array.from({ length: 100 }, (_, i) => Buffer.alloc(i * 997, i));
    expect(await chat(client, messages)).toBe(messages.reduce((sum, { length }) => sum + length, 0));
    expect(seen.at(-1)?.isSessionReused()).toBe(resumed);
    client.close();
    await expect.poll(() => credentials.sockets.every((socket) => socket.closed)).toBe(true);
  }
});

test("a stock client, and a stock server: what one end speaks the other's own TLS understands", async () => {
  const { key, cert, ca } = await identity();
  const injector = grpcServer().createConnectionInjector(ServerCredentials.createInsecure());
  const server = createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => {});
    injector.injectConnection(socket);
  });
  const port = await onLoopback(server);
  const stock = new Client(`localhost:${port}`, grpcCredentials.createSsl(Buffer.from(ca)));
  expect(await shout(stock, 'stock client')).toBe('STOCK CLIENT');
  stock.close();

  const there = grpcServer();
  const stockPort = await new Promise<number>((done, fail) => {
    const pairs = [{ private_key: Buffer.from(key), cert_chain: Buffer.from(cert) }];
    there.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, pairs), (error, bound) =>
      error === null ? done(bound) : fail(error),
    );
  });
  const client = new Client(`localhost:${stockPort}`, new Credentials({ ca, servername: 'localhost' }));
  expect(await shout(client, 'stock server')).toBe('STOCK SERVER');
  client.close();

  // Who is not trusted is an error of the call.
  const wary = new Client(`localhost:${stockPort}`, new Credentials({ ca: [], servername: 'localhost' }));
  await expect(shout(wary, 'x')).rejects.toMatchObject({ code: status.UNAVAILABLE });
  wary.close();
});
