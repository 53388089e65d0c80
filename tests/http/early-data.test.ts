/** Early data under HTTP, end to end: stock node:http over sockets of this library, with real early data. */
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import {
  type AddressInfo,
  createServer as createNetServer,
  connect as netConnect,
  type Socket,
} from 'node:net';
import { expect, test } from 'vitest';
import {
  earlyDataHeaders,
  earlyDataRisk,
  guardEarlyData,
  retryTooEarly,
  serveEarlyData,
} from '../../src/entry/http.ts';
import {
  ClientSessionCache,
  type ConnectOptions,
  connect,
  createSecureContext,
  createServer,
  type ServerOptions,
  singleUseGuard,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { cameEarly } from '../../src/http/early-marks.ts';
import { testChain } from '../support/certs.ts';

/** Somebody in between, who can hold the client back behind its first flight. */
class Gate implements AsyncDisposable {
  readonly #server = createNetServer((client) => this.#join(client));
  readonly #sockets: Socket[] = [];
  readonly #target: number;
  holds = false;
  #open: () => void = () => {};

  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  #join(client: Socket): void {
    const server = netConnect(this.#target, '127.0.0.1');
    this.#sockets.push(client, server);
    for (const socket of [client, server]) socket.on('error', () => {});
    server.pipe(client);
    let answered = false;
    const waiting: Buffer[] = [];
    server.once('data', () => {
      answered = true;
    });
    client.on('data', (chunk: Buffer) => {
      // What comes after the server's first bytes is the second flight.
      if (answered && this.holds) waiting.push(chunk);
      else server.write(chunk);
    });
    client.on('end', () => server.end());
    this.#open = () => {
      for (const chunk of waiting.splice(0)) server.write(chunk);
    };
  }

  release(): void {
    this.holds = false;
    this.#open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }
}

class Site implements AsyncDisposable {
  readonly context;
  readonly app: http.Server;
  readonly tls;
  readonly cache: ClientSessionCache = new ClientSessionCache();
  readonly gate: Gate;
  readonly #sockets: Set<TLSSocket> = new Set();
  options: ConnectOptions;

  private constructor(
    listener: RequestListener,
    chain: Awaited<ReturnType<typeof testChain>>,
    options: ServerOptions,
    serves: boolean,
  ) {
    this.context = createSecureContext({ key: chain.keyPem, cert: chain.chainPem });
    this.app = http.createServer({ keepAliveTimeout: 1000 }, listener);
    this.tls = createServer({
      secureContext: this.context,
      statefulTickets: true,
      maxEarlyData: 16_384,
      replayGuard: singleUseGuard(this.context.sessions),
      ...options,
    });
    if (serves) serveEarlyData(this.tls, this.app);
    for (const event of ['secureConnection', 'earlyConnection']) {
      if (event === 'earlyConnection' && !serves) continue;
      this.tls.on(event, (socket: TLSSocket) => this.#sockets.add(socket.on('error', () => {})));
    }
    this.gate = new Gate(0);
    this.options = { servername: 'localhost', ca: chain.caPem, host: '127.0.0.1', sessionCache: this.cache };
  }

  static async open(
    listener: RequestListener,
    options: ServerOptions = {},
    serves = true,
  ): Promise<Site & { port: number }> {
    const site = new Site(listener, await testChain(), options, serves);
    site.tls.listen(0, '127.0.0.1');
    await once(site.tls, 'listening');
    const gate = new Gate((site.tls.address() as AddressInfo).port);
    const port = await gate.listen();
    site.options = { ...site.options, port };
    return Object.assign(site, { gate, port });
  }

  connect(early: boolean): TLSSocket {
    const socket = connect({ ...this.options, earlyData: early });
    this.#sockets.add(socket);
    return socket.on('error', () => {});
  }

  /** A request by node:http on a connection of its own. */
  async request(method: string, path: string, early = true): Promise<{ statusCode: number; text: string }> {
    const request = http.request({
      method,
      path,
      headers: { connection: 'close' },
      createConnection: () => this.connect(early),
    });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += chunk;
    await once(request.socket as TLSSocket, 'close');
    return { statusCode: response.statusCode as number, text };
  }

  /** Visits, so that there are tickets. */
  async prime(): Promise<void> {
    const before = this.cache.stats.sessions;
    await this.request('GET', '/prime', false);
    expect(this.cache.stats.sessions).toBeGreaterThan(before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.gate[Symbol.asyncDispose]();
    await new Promise<void>((done) => this.tls.close(() => done()));
    this.app.close();
    this.cache.clear();
    this.context.destroy();
  }
}

/** Says of each request what is known as it arrives. */
const describeRequest: RequestListener = (request, response) => {
  const socket = request.socket as TLSSocket;
  response.end(
    JSON.stringify({ risk: earlyDataRisk(request), early: cameEarly(request), bytes: socket.earlyBytes > 0 }),
  );
};

test('a request that came early is marked, and answered before the handshake is complete', async () => {
  await using site = await Site.open(describeRequest);
  await site.prime();
  site.gate.holds = true;
  const answer = await Promise.race([
    site.request('GET', '/'),
    new Promise((done) => setTimeout(done, 5000, 'no answer while the Finished is held back')),
  ]);
  expect(answer).toEqual({
    statusCode: 200,
    text: JSON.stringify({ risk: 'connection', early: true, bytes: true }),
  });
});

test('by default a guarded request waits for the handshake, and is then no risk any more', async () => {
  const heard: string[] = [];
  await using site = await Site.open(
    guardEarlyData((request, response) => {
      heard.push(request.url ?? '');
      describeRequest(request, response);
    }),
  );
  await site.prime();
  site.gate.holds = true;
  const answer = site.request('POST', '/pay');
  await new Promise((done) => setTimeout(done, 100));
  expect(heard).toEqual(['/prime']);
  site.gate.release();
  expect(await answer).toEqual({
    statusCode: 200,
    text: JSON.stringify({ risk: null, early: true, bytes: true }),
  });
  expect(heard).toEqual(['/prime', '/pay']);
});

test('a refused one gets 425, and a client that knows that sends it again, not early', async () => {
  const heard: boolean[] = [];
  await using site = await Site.open(
    guardEarlyData(
      (request, response) => {
        heard.push(cameEarly(request));
        describeRequest(request, response);
      },
      { choose: () => 'refuse' },
    ),
  );
  await site.prime();
  expect((await site.request('GET', '/')).statusCode).toBe(425);
  const discarded: number[] = [];
  const answer = await retryTooEarly(
    (early) => site.request('GET', '/', early),
    ({ statusCode }) => discarded.push(statusCode),
  );
  expect(answer).toEqual({
    statusCode: 200,
    text: JSON.stringify({ risk: null, early: false, bytes: false }),
  });
  expect(discarded).toEqual([425]);
  expect(heard).toEqual([false, false]);
});

test('an upgrade that came early is refused as well', async () => {
  await using site = await Site.open(describeRequest);
  site.app.on(
    'upgrade',
    guardEarlyData((_request: IncomingMessage, socket: TLSSocket) => socket.end('HTTP/1.1 101 Yes\r\n\r\n'), {
      choose: () => 'refuse',
    }),
  );
  await site.prime();
  const ask = async (early: boolean): Promise<string> => {
    const socket = site.connect(early);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: none\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    return text.split('\r\n')[0] as string;
  };
  expect([await ask(true), await ask(false)]).toEqual(['HTTP/1.1 425 Too Early', 'HTTP/1.1 101 Yes']);
});

/** Pieces of requests: those before the handshake, and those behind it. */
async function marksOf(before: string, after: string): Promise<boolean[]> {
  const marks: boolean[] = [];
  await using site = await Site.open((request, response) => {
    if (request.url !== '/prime') marks.push(cameEarly(request));
    request.resume();
    response.end();
  });
  await site.prime();
  const socket = site.connect(true);
  socket.write(before);
  await once(socket, 'secureConnect');
  expect(socket.earlyBytes).toBe(before.length);
  socket.write(after);
  socket.resume();
  const wanted = (before + after).match(/HTTP\/1\.1/g)?.length ?? 0;
  while (marks.length < wanted) await new Promise((done) => setTimeout(done, 5));
  return marks;
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n';

test.each([
  ['whole, and another one behind the handshake', GET, GET, [true, false]],
  ['two of them, and one behind', GET + GET, GET + GET, [true, true, false, false]],
  ['its header half', GET.slice(0, 20), GET.slice(20) + GET, [true, false]],
  ['one and the half of another', GET + GET.slice(0, 20), GET.slice(20) + GET, [true, true, false]],
  ['its header, and its body behind', POST, `0123456789${GET}`, [true, false]],
  ['its header and half its body', `${POST}01234`, `56789${GET}`, [true, false]],
  // Whether a header began behind the body nobody can say without reading along: then it counts as early.
  ['header and body', `${POST}0123456789`, GET + GET, [true, true, false]],
  [
    'body and the half of another',
    `${POST}0123456789${GET.slice(0, 9)}`,
    GET.slice(9) + GET,
    [true, true, false],
  ],
])('marks: %s', async (_name, before, after, wanted) => {
  expect(await marksOf(before, after)).toEqual(wanted);
});

test('an intermediary says Early-Data: 1 upstream, and the origin decides', async () => {
  const origin = http.createServer(
    guardEarlyData((request, response) => {
      response.end(`${request.method} ${request.headers['early-data'] ?? 'none'}`);
    }),
  );
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const { port } = origin.address() as AddressInfo;
  const gateway: RequestListener = (request, response) => {
    const { method, url } = request;
    const headers = { ...earlyDataHeaders(request), connection: 'close' };
    http
      .request({ port, host: '127.0.0.1', method, path: url, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, { 'content-length': answer.headers['content-length'] });
        answer.pipe(response);
      })
      .end();
  };
  try {
    await using site = await Site.open(gateway);
    await site.prime();
    site.gate.holds = true;
    expect(await site.request('GET', '/')).toEqual({ statusCode: 200, text: 'GET 1' });
    expect((await site.request('POST', '/')).statusCode).toBe(425);
    site.gate.release();
    expect(await site.request('POST', '/', false)).toEqual({ statusCode: 200, text: 'POST none' });
  } finally {
    origin.close();
  }
});

test('refused early data goes out again behind the handshake, in order with the rest', async () => {
  await using site = await Site.open(describeRequest);
  await site.prime();
  // Its sessions are gone: the next handshake is a full one.
  site.context.sessions.clear();
  expect(await site.request('GET', '/')).toEqual({
    statusCode: 200,
    text: JSON.stringify({ risk: null, early: false, bytes: false }),
  });
});

test('refused early data does not go out under another application protocol', async () => {
  let protocol = 'a';
  await using site = await Site.open(describeRequest, { ALPNCallback: () => protocol });
  site.options = { ...site.options, ALPNProtocols: ['a', 'b'] };
  await site.prime();
  protocol = 'b';
  const socket = site.connect(true);
  socket.write('hello');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ERR_TLS_EARLY_DATA_PROTOCOL');
});

test('without a listener of earlyConnection early bytes stay apart from the stream', async () => {
  let early = '';
  let stream = '';
  await using site = await Site.open(describeRequest, {}, false);
  site.tls.on('secureConnection', (socket: TLSSocket) => {
    early += socket.earlyData.toString();
    socket.on('data', (chunk: Buffer) => {
      stream += chunk.toString();
      socket.end('done');
    });
  });
  for (const text of ['one', 'two']) {
    const socket = site.connect(true);
    socket.write(text);
    await once(socket, 'secureConnect');
    socket.write('!');
    socket.resume();
    await once(socket, 'end');
  }
  expect([early, stream]).toEqual(['two', 'one!!']);
});

test('early data is no larger than the ticket allows; the rest follows', async () => {
  await using site = await Site.open(
    (request, response) => {
      let length = 0;
      request.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      request.on('end', () => response.end(String(length)));
    },
    { maxEarlyData: 1000 },
  );
  await site.prime();
  const socket = site.connect(true);
  const body = 'x'.repeat(100_000);
  socket.write(
    `POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n${body}`,
  );
  let text = '';
  for await (const chunk of socket) text += chunk;
  expect(text).toContain('100000');
  expect(socket.earlyBytes).toBe(1000);
});
