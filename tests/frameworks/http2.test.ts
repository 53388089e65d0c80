/** Node's own http and http2 over these sockets, unchanged. */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import {
  ClientSessionCache,
  type ConnectOptions,
  connect,
  createServer,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { testChain } from '../support/certs.ts';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listen(
  onConnection: (socket: TLSSocket) => void,
  alpn?: string[],
): Promise<{ port: number; seen: TLSSocket[] }> {
  const { keyPem: key, chainPem: cert } = await testChain();
  const seen: TLSSocket[] = [];
  const server = createServer({ key, cert, ALPNProtocols: alpn }, (socket) => {
    seen.push(socket);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    for (const socket of seen) socket.destroy();
    await new Promise<void>((done) => server.close(() => done()));
    server.context.destroy();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

async function text(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk.toString();
  return all;
}

test('an http.Server, asked by stock https and by an Agent over connect(), kept alive and resumed', async () => {
  const app = http.createServer((request, response) => {
    void text(request).then((body) => response.end(`${request.method} ${request.url} ${body}`));
  });
  const { port, seen } = await listen((socket) => app.emit('connection', socket));
  const { caPem: ca } = await testChain();

  const stock = https.request({
    host: '127.0.0.1',
    servername: 'localhost',
    port,
    ca,
    method: 'POST',
    path: '/stock',
    agent: false,
  });
  stock.end('x'.repeat(100_000));
  const [answer] = (await once(stock, 'response')) as [http.IncomingMessage];
  expect(await text(answer)).toBe(`POST /stock ${'x'.repeat(100_000)}`);

  const sessionCache = new ClientSessionCache();
  closers.push(() => sessionCache.clear());
  const options: ConnectOptions = { host: '127.0.0.1', port, servername: 'localhost', ca, sessionCache };
  const get = async (agent: http.Agent, path: string): Promise<string> => {
    const request = http.get({ agent, host: '127.0.0.1', port, path });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return text(response);
  };
  const makeAgent = (): http.Agent => {
    const agent = new http.Agent({ keepAlive: true });
    (agent as unknown as { createConnection: () => TLSSocket }).createConnection = () => connect(options);
    closers.push(() => agent.destroy());
    return agent;
  };
  const one = makeAgent();
  expect(await get(one, '/one')).toBe('GET /one ');
  expect(await get(one, '/two')).toBe('GET /two ');
  const two = makeAgent();
  expect(await get(two, '/three')).toBe('GET /three ');
  // Three connections: the stock one, one for two requests, and one that resumed.
  expect(seen.map((socket) => socket.isSessionReused())).toEqual([false, false, true]);
});

test('http2 in both roles, also against stock http2', async () => {
  const app = http2.createServer();
  app.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(`${headers[':path']} over ${stream.session?.alpnProtocol ?? 'nothing'}`);
  });
  const { port } = await listen((socket) => app.emit('connection', socket), ['h2']);
  const { caPem: ca, keyPem: key, chainPem: cert } = await testChain();
  const ask = async (session: http2.ClientHttp2Session): Promise<string> => {
    const bodies = await Promise.all(
      ['/a', '/b', '/c'].map((path) => text(session.request({ ':path': path }).setEncoding('utf8'))),
    );
    await new Promise<void>((done) => session.close(done));
    return bodies.join('; ');
  };
  expect(await ask(http2.connect(`https://127.0.0.1:${port}`, { ca, servername: 'localhost' }))).toMatch(
    /^\/a .*; \/b .*; \/c /,
  );

  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ALPNProtocols: ['h2'] });
  await once(socket, 'secureConnect');
  expect(await ask(http2.connect('https://localhost', { createConnection: () => socket }))).toMatch(
    /^\/a .*; \/b .*; \/c /,
  );

  const stock = http2.createSecureServer({ key, cert });
  stock.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('stock');
  });
  stock.listen(0, '127.0.0.1');
  await once(stock, 'listening');
  closers.push(() => new Promise<void>((done) => stock.close(() => done())));
  const there = connect({
    host: '127.0.0.1',
    port: (stock.address() as AddressInfo).port,
    servername: 'localhost',
    ca,
    ALPNProtocols: ['h2'],
  });
  await once(there, 'secureConnect');
  expect(await ask(http2.connect('https://localhost', { createConnection: () => there }))).toBe(
    'stock; stock; stock',
  );
});

test('http2.performServerHandshake on a socket handed over, with a body larger than every window', async () => {
  const body = Buffer.alloc(5_000_000, 'w');
  const sessions: http2.Http2Session[] = [];
  const { port } = await listen(
    (socket) => {
      const session = http2.performServerHandshake(socket);
      sessions.push(session);
      session.on('error', () => {});
      session.on('stream', (stream, headers) => {
        stream.on('error', () => {});
        if (headers[':method'] === 'POST') {
          let length = 0;
          stream.on('data', (chunk: Buffer) => {
            length += chunk.length;
          });
          stream.on('end', () => {
            stream.respond({ ':status': 200 });
            stream.end(String(length));
          });
          return;
        }
        stream.respond({ ':status': 200 });
        stream.end(body);
      });
    },
    ['h2'],
  );
  const { caPem: ca } = await testChain();
  const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', ca, ALPNProtocols: ['h2'] });
  const session = http2.connect('https://localhost', { createConnection: () => socket });
  const down = await text(session.request({ ':path': '/' }).setEncoding('latin1'));
  expect(down).toHaveLength(body.length);
  const up = session.request({ ':method': 'POST', ':path': '/' }).setEncoding('utf8');
  up.end(body);
  expect(await text(up)).toBe(String(body.length));
  // Cut in the middle of an answer: an error of the stream, and nothing else.
  const cut = session.request({ ':path': '/' });
  cut.on('error', () => {});
  session.on('error', () => {});
  cut.once('data', () => socket.destroy());
  let got = 0;
  cut.on('data', (chunk: Buffer) => {
    got += chunk.length;
  });
  await new Promise((done) => cut.once('close', done));
  expect(got).toBeLessThan(body.length);
  await expect
    .poll(() => [session.destroyed, ...sessions.map((each) => each.destroyed)])
    .toEqual([true, true]);
});
