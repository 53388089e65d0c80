/** Servers and clients of the web over these sockets, unchanged: express, fastify, axios, undici, fetch, ws. */
import { once } from 'node:events';
import http from 'node:http';
import stockHttps from 'node:https';
import { createRequire } from 'node:module';
import axios from 'axios';
import fastify from 'fastify';
import { Client, Pool, Agent as UndiciAgent, fetch as undiciFetch } from 'undici';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import https from '../../src/entry/https.ts';
import { ClientSessionCache, connect, createServer, type TLSSocket } from '../../src/entry/index.ts';
import { buildConnector } from '../../src/entry/undici.ts';
import { endContext } from '../support/sessions.ts';
import { identity, later, onLoopback, text, tlsSocketOf } from './site.ts';

/** What is used of express, which brings no types of its own. */
interface Express extends http.RequestListener {
  use(handler: unknown): void;
  get(path: string, handler: (request: ExpressRequest, response: ExpressResponse) => void): void;
  post(path: string, handler: (request: ExpressRequest, response: ExpressResponse) => void): void;
}
interface ExpressRequest {
  readonly params: Record<string, string>;
  readonly body: unknown;
  readonly secure: boolean;
  readonly protocol: string;
}
interface ExpressResponse {
  json(value: unknown): void;
}
const express = createRequire(import.meta.url)('express') as { (): Express; json(): unknown };

/** An https server of ours with `app` on it; `seen` are its connections. */
async function serve(
  app: http.RequestListener,
  options: Parameters<typeof https.createServer>[0] = {},
): Promise<{ port: number; url: string; seen: TLSSocket[] }> {
  const { key, cert } = await identity();
  const seen: TLSSocket[] = [];
  const server = https.createServer({ key, cert, ...(options as object) }, app);
  server.on('secureConnection', (socket: TLSSocket) => seen.push(socket));
  const port = await onLoopback(server);
  return { port, url: `https://localhost:${port}`, seen };
}

const hello: http.RequestListener = (request, response) => {
  const socket = tlsSocketOf(request);
  response.end(`${request.url} ${socket.getProtocol()} ${socket.isSessionReused() ? 'resumed' : 'full'}`);
};

/** An answer, and that its connection is closed. */
async function ask(
  url: string,
  options: Parameters<typeof https.get>[1],
): Promise<{ status: number | undefined; body: string }> {
  const request = https.get(url, options);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

test('https: server and client by the calls of node:https, kept alive, resumed, and against stock ones', async () => {
  const { ca } = await identity();
  const { url, port, seen } = await serve(hello);
  const sessionCache = new ClientSessionCache();
  later(() => sessionCache.clear());
  const first = new https.Agent({ ca, keepAlive: true, sessionCache });
  expect((await ask(`${url}/one`, { agent: first })).body).toBe('/one TLSv1.3 full');
  expect((await ask(`${url}/two`, { agent: first })).body).toBe('/two TLSv1.3 full');
  expect(seen).toHaveLength(1);
  first.destroy();
  const second = new https.Agent({ ca, sessionCache });
  later(() => second.destroy());
  expect((await ask(`${url}/three`, { agent: second })).body).toBe('/three TLSv1.3 resumed');

  // `agent: false`: a connection of its own. Options of TLS stand beside those of HTTP.
  expect((await ask(`${url}/four`, { ca, agent: false })).body).toBe('/four TLSv1.3 full');
  // Stock client, our server.
  const stock = stockHttps.get({
    host: '127.0.0.1',
    servername: 'localhost',
    port,
    ca,
    path: '/five',
    agent: false,
  });
  const [response] = (await once(stock, 'response')) as [http.IncomingMessage];
  expect(await text(response)).toBe('/five TLSv1.3 full');
  // Our client, stock server.
  const stockServer = stockHttps.createServer(await identity(), (_, answer) => answer.end('stock'));
  const stockPort = await onLoopback(stockServer);
  expect((await ask(`https://localhost:${stockPort}/`, { ca, agent: second })).body).toBe('stock');
  // Who is not trusted is not spoken to.
  const refused = https.get(url, { agent: false });
  expect(((await once(refused, 'error')) as [NodeJS.ErrnoException])[0].code).toMatch(
    /^UNABLE_TO_|^SELF_SIGNED/,
  );
});

test('https: what is no TLS and no HTTP is an error event of the server, as in node:https', async () => {
  const { ca } = await identity();
  const server = https.createServer(await identity(), hello);
  const port = await onLoopback(server);
  const events: string[] = [];
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => events.push(`tlsClientError ${error.code}`));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    events.push(`clientError ${error.code}`);
    socket.destroy();
  });
  const plain = http.get({ port, host: '127.0.0.1' });
  await once(plain, 'error');
  const noise = connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
  noise.on('error', () => {});
  noise.write('this is no HTTP\r\n\r\n');
  noise.resume();
  await once(noise, 'close');
  expect(events).toHaveLength(3);
  expect(events[0]).toMatch(/^tlsClientError ERR_/);
  expect(events[1]).toBe(events[0]?.replace('tls', '').replace('Client', 'client'));
  expect(events[2]).toBe('clientError HPE_INVALID_METHOD');
});

test('https: listeners for sessions are those of the TLS server, and stop being so', async () => {
  const { ca } = await identity();
  const options = { ...(await identity()), maxVersion: 'TLSv1.2' };
  const store = new Map<string, Buffer>();
  const one = https.createServer(options, hello);
  one.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
    store.set(id.toString('hex'), data);
    done();
  });
  one.on('resumeSession', (_: Buffer, done: (error: null, data: null) => void) => done(null, null));
  // Another process would do as well: what they share is the store.
  const two = https.createServer(options, hello);
  let asked = 0;
  const resume = (id: Buffer, done: (error: null, data: Buffer | null) => void): void => {
    asked++;
    setTimeout(() => done(null, store.get(id.toString('hex')) ?? null), 5);
  };
  two.on('resumeSession', resume);
  const sessions: Buffer[] = [];
  const visit = async (port: number, session?: Buffer): Promise<string> => {
    const agent = new https.Agent({ ca, maxCachedSessions: 0 });
    later(() => agent.destroy());
    const request = https.get(`https://localhost:${port}/`, { agent, session });
    request.on('socket', (socket) => socket.on('session', (fresh: Buffer) => sessions.push(fresh)));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return text(response);
  };
  const port = await onLoopback(one);
  expect(await visit(port)).toBe('/ TLSv1.2 full');
  expect([store.size, sessions.length]).toEqual([1, 1]);
  await new Promise((done) => one.close(done));
  one.context.destroy();
  await onLoopback(two, port);
  expect(await visit(port, sessions[0])).toBe('/ TLSv1.2 resumed');
  expect(asked).toBe(1);
  two.off('resumeSession', resume);
  expect(await visit(port, sessions[0])).toMatch(/^\/ TLSv1.2 /);
  expect(asked).toBe(1);
});

test('express, asked by axios', async () => {
  const app = express();
  app.use(express.json());
  app.get('/hello/:name', (request, response) => {
    response.json({ hello: request.params.name, secure: request.secure, protocol: request.protocol });
  });
  app.post('/echo', (request, response) => {
    response.json(request.body);
  });
  const { url, seen } = await serve(app);
  const { ca } = await identity();
  const httpsAgent = new https.Agent({ ca, keepAlive: true });
  later(() => httpsAgent.destroy());
  const client = axios.create({ baseURL: url, httpsAgent, proxy: false });
  expect((await client.get('/hello/world')).data).toEqual({
    hello: 'world',
    secure: true,
    protocol: 'https',
  });
  const body = { text: 'x'.repeat(50_000) };
  expect((await client.post('/echo', body)).data).toEqual(body);
  await expect(client.get('/nowhere')).rejects.toMatchObject({ response: { status: 404 } });
  const controller = new AbortController();
  const aborted = client.get('/hello/late', { signal: controller.signal });
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: 'ERR_CANCELED' });
  expect(seen.length).toBeLessThanOrEqual(2);
});

test('fastify, asked by undici and by fetch, over HTTP/1.1', async () => {
  const { ca, key, cert } = await identity();
  const app = fastify({ serverFactory: (handler) => https.createServer({ key, cert }, handler) });
  app.get('/hello/:name', (request) => ({
    hello: (request.params as { name: string }).name,
    protocol: request.protocol,
  }));
  app.post('/echo', (request) => request.body);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as { port: number };
  later(() => endContext(app.server));
  later(() => app.close());

  const sessionCache = new ClientSessionCache();
  later(() => sessionCache.clear());
  const connector = buildConnector({ ca, sessionCache });
  const dispatcher = new UndiciAgent({ connect: connector });
  const answer = await undiciFetch(`https://localhost:${port}/hello/fetch`, { dispatcher });
  expect(await answer.json()).toEqual({ hello: 'fetch', protocol: 'https' });
  const posted = await undiciFetch(`https://localhost:${port}/echo`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'y'.repeat(100_000) }),
  });
  expect(((await posted.json()) as { text: string }).text).toHaveLength(100_000);
  // Node's own fetch takes the same dispatcher.
  const own = await fetch(`https://localhost:${port}/hello/own`, { dispatcher } as unknown as RequestInit);
  expect(await own.json()).toEqual({ hello: 'own', protocol: 'https' });
  await dispatcher.close();

  const client = new Client(`https://localhost:${port}`, { connect: connector, pipelining: 4 });
  const answers = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const { body } = await client.request({ method: 'GET', path: `/hello/${name}` });
      return ((await body.json()) as { hello: string }).hello;
    }),
  );
  expect(answers).toEqual(['a', 'b', 'c']);
  await client.close();

  const refusing = new Pool(`https://localhost:${port}`, { connect: buildConnector({ ca: [] }) });
  await expect(refusing.request({ method: 'GET', path: '/' })).rejects.toMatchObject({
    code: expect.stringMatching(/^UNABLE_TO_|^SELF_SIGNED/),
  });
  await refusing.close();
});

test('undici over HTTP/2, by ALPN', async () => {
  const http2 = await import('node:http2');
  const { ca, key, cert } = await identity();
  const app = http2.createServer();
  app.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 });
    stream.end(`h2 ${headers[':path']}`);
  });
  const server = createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) =>
    app.emit('connection', socket),
  );
  const port = await onLoopback(server);
  const sessionCache = new ClientSessionCache();
  later(() => sessionCache.clear());
  const dispatcher = new UndiciAgent({
    allowH2: true,
    connect: buildConnector({ ca, sessionCache, allowH2: true }),
  });
  const answers = await Promise.all(
    ['/a', '/b'].map(async (path) =>
      (await undiciFetch(`https://localhost:${port}${path}`, { dispatcher })).text(),
    ),
  );
  expect(answers).toEqual(['h2 /a', 'h2 /b']);
  await dispatcher.close();
});

test('ws: server on an https server, client through createConnection, large and many messages', async () => {
  const { ca } = await identity();
  const { key, cert } = await identity();
  const server = https.createServer({ key, cert });
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  later(() => sockets.close());
  const port = await onLoopback(server);
  const client = new WebSocket(`wss://localhost:${port}/chat`, {
    createConnection: (() => connect({ host: '127.0.0.1', port, servername: 'localhost', ca })) as never,
  });
  await once(client, 'open');
  const got: Buffer[] = [];
  client.on('message', (data: Buffer) => got.push(data));
  const sent = [
    Buffer.from('first'),
    Buffer.alloc(3_000_000, 'z'),
    ...Array.from({ length: 200 }, (_, i) => Buffer.from(`${i}`)),
  ];
  for (const message of sent) client.send(message);
  await expect.poll(() => got.length, { timeout: 10_000 }).toBe(sent.length);
  expect(got.every((data, i) => data.equals(sent[i] as Buffer))).toBe(true);
  const closed = once(client, 'close');
  client.close(1000, 'enough');
  expect((await closed)[0]).toBe(1000);
  // And through an Agent.
  const agent = new https.Agent({ ca });
  later(() => agent.destroy());
  const other = new WebSocket(`wss://localhost:${port}/`, { agent });
  await once(other, 'open');
  other.send('x');
  expect(String((await once(other, 'message'))[0])).toBe('x');
  other.terminate();
  await once(other, 'close');
});
