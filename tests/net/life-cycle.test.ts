/** Ends of all kinds, at every point: nothing is left behind, and nothing that was sent is lost. */
import { once } from 'node:events';
import {
  type AddressInfo,
  createServer as createNetServer,
  connect as netConnect,
  type Socket,
} from 'node:net';
import { Duplex, duplexPair as maybePair } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { connect, createServer, type TLSSocket } from '../../src/entry/index.ts';
import { testChain } from '../support/certs.ts';
import { echo, listen, trusting, visit } from './pair.ts';

/** What keeps a process up, of these kinds. */
function active(kind: RegExp): number {
  return process.getActiveResourcesInfo().filter((name) => kind.test(name)).length;
}

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') return;
  await expect.poll(() => active(/^TCP/), { timeout: 3000 }).toBe(0);
});

/**
 * The fewest timers that are seen within `ms`, or as soon as there are no more than `enough`. The runner's own come and
 * go; the waiting is done without one.
 */
async function fewestTimers(ms: number, enough = -1): Promise<number> {
  const end = performance.now() + ms;
  let fewest = active(/^Timeout$/);
  while (fewest > enough && performance.now() < end) {
    await new Promise((done) => setImmediate(done));
    fewest = Math.min(fewest, active(/^Timeout$/));
  }
  return fewest;
}

const TRANSPORT_EVENTS = ['data', 'end', 'close', 'drain', 'connect'] as const;

/** A transport that was given up has no listener of ours, and cannot bring the process down. */
function expectLetGo(socket: TLSSocket): void {
  expect(socket.transport.destroyed).toBe(true);
  for (const event of TRANSPORT_EVENTS) {
    const own = socket.transport
      .listeners(event)
      .filter((listener) => /^on(Data|End|Close|Drain|Connect)$/.test(listener.name));
    expect(own, event).toEqual([]);
  }
}

async function gone(socket: TLSSocket): Promise<void> {
  if (!socket.closed) await new Promise((done) => socket.once('close', done));
}

describe('the end of a connection', () => {
  test('what was written before end() arrives whole, then the end', async () => {
    const sent = Buffer.alloc(3_000_000, 'x');
    let received = 0;
    let closed = false;
    await using site = await listen({}, (socket) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      socket.on('end', () => {
        closed = true;
      });
    });
    const client = connect(await trusting(site.port));
    client.end(sent);
    client.resume();
    await gone(client);
    await gone(site.sockets[0] as TLSSocket);
    expect(received).toBe(sent.length);
    expect(closed).toBe(true);
    expect(site.sockets[0]?.info).toBeDefined();
    expect(client.bytesWritten).toBe(sent.length);
    expect(site.sockets[0]?.bytesRead).toBe(sent.length);
    expectLetGo(client);
  });

  test('half-open: who has said the end still hears the other', async () => {
    await using site = await listen({ allowHalfOpen: true }, (socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('end', () => setTimeout(() => socket.end(`you said ${text}`), 20));
    });
    const client = connect({ ...(await trusting(site.port)), allowHalfOpen: true });
    let answer = '';
    client.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    client.end('all of it');
    await gone(client);
    expect(answer).toBe('you said all of it');
  });

  test('a close_notify ends reading, though the transport stays', async () => {
    await using site = await listen({ allowHalfOpen: true }, (socket) =>
      socket.on('end', () => socket.write('still here')).resume(),
    );
    const client = connect({ ...(await trusting(site.port)), allowHalfOpen: true });
    await once(client, 'secureConnect');
    client.end();
    const [chunk] = (await once(client, 'data')) as [Buffer];
    expect(chunk.toString()).toBe('still here');
    expect(client.destroyed).toBe(false);
    client.destroy();
    await gone(client);
  });

  test('a transport that ends without close_notify is an end, as in node:tls', async () => {
    await using site = await listen({}, (socket) => {
      socket.on('error', () => {});
      socket.resume();
      socket.write('cut', () => (socket.transport as Socket).destroySoon());
    });
    const client = connect(await trusting(site.port));
    let text = '';
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    await once(client, 'end');
    expect(text).toBe('cut');
    await gone(client);
  });

  test('destroy() at once, with and without an error', async () => {
    await using site = await listen();
    const options = await trusting(site.port);
    const silent = connect(options);
    silent.destroy();
    await gone(silent);
    expectLetGo(silent);

    const loud = connect(options);
    const errors: Error[] = [];
    loud.on('error', (error) => errors.push(error));
    const mine = new Error('enough');
    loud.destroy(mine);
    await gone(loud);
    await new Promise((done) => setImmediate(done));
    expect(errors).toEqual([mine]);
    expect(() => loud.write('x')).not.toThrow();
  });

  test('an abort signal', async () => {
    await using site = await listen();
    const controller = new AbortController();
    const client = connect({ ...(await trusting(site.port)), signal: controller.signal });
    const failed = once(client, 'error');
    controller.abort();
    const [error] = (await failed) as [Error];
    expect(error.name).toBe('AbortError');
    await expect.poll(() => client.closed).toBe(true);
  });

  test('a callback of write() hears of the end, whatever it waited for', async () => {
    await using site = await listen();
    const client = connect(await trusting(site.port));
    client.on('error', () => {});
    const heard = new Promise<Error | null | undefined>((done) => client.write('before the handshake', done));
    client.destroy();
    expect(await heard).toMatchObject({ code: 'ERR_STREAM_DESTROYED' });
  });
});

describe('a handshake that does not come to its end', () => {
  test('nobody listens', async () => {
    const server = createNetServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    const client = connect(await trusting(port));
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    expectLetGo(client);
  });

  test('the peer closes before a byte, in the middle of a record, and after its hello', async () => {
    const chain = await testChain();
    const real = createServer({ key: chain.keyPem, cert: chain.chainPem }, (socket) =>
      socket.on('error', () => {}).resume(),
    );
    real.on('tlsClientError', () => {});
    real.listen(0, '127.0.0.1');
    await once(real, 'listening');
    const { port: realPort } = real.address() as AddressInfo;
    for (const limit of [0, 3, 90, 600]) {
      // Passes so many bytes of the server's on, then closes.
      const middle = createNetServer((near) => {
        near.on('error', () => {});
        if (limit === 0) {
          near.destroy();
          return;
        }
        const far = netConnect(realPort, '127.0.0.1');
        far.on('error', () => {});
        near.pipe(far);
        far.once('data', (chunk: Buffer) => {
          near.end(chunk.subarray(0, limit));
          far.destroy();
        });
      }).listen(0, '127.0.0.1');
      await once(middle, 'listening');
      const client = connect(await trusting((middle.address() as AddressInfo).port));
      const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
      expect(error.code, `${limit} bytes`).toBe('ECONNRESET');
      await gone(client);
      expectLetGo(client);
      await new Promise((done) => middle.close(done));
    }
    await new Promise<void>((done) => real.close(() => done()));
  });

  test.each([
    ['nothing', ''],
    ['a port scan', 'GET / HTTP/1.0\r\n\r\n'],
    ['half a hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('a client that sends %s and goes', async (_, text) => {
    await using site = await listen();
    const raw = netConnect(site.port, '127.0.0.1');
    raw.on('error', () => {});
    raw.resume();
    raw.end(Buffer.from(text, 'latin1'));
    await expect.poll(() => site.failures.length).toBe(1);
    expect(site.sockets).toHaveLength(0);
    if (!raw.closed) await once(raw, 'close');
  });

  test('a client that resets the connection in the handshake is an event of the server, and no error of nobody', async () => {
    await using site = await listen({ SNICallback: (_, done) => void setTimeout(() => done(null), 30) });
    const client = connect(await trusting(site.port));
    client.on('error', () => {});
    await once(client, 'connect');
    await new Promise((done) => setTimeout(done, 10));
    (client.transport as Socket).resetAndDestroy();
    await expect.poll(() => site.failures).toMatchObject([{ code: 'ECONNRESET' }]);
    await gone(client);
  });

  test('a reset while the end is on its way out closes the socket all the same', async () => {
    await using site = await listen();
    const client = connect(await trusting(site.port));
    await once(client, 'secureConnect');
    client.transport.end();
    client.resetAndDestroy();
    await gone(client);
  });

  test('a client that says nothing is let go after handshakeTimeout', async () => {
    await using site = await listen({ handshakeTimeout: 50 });
    const raw = netConnect(site.port, '127.0.0.1');
    raw.on('error', () => {});
    raw.resume();
    await once(raw, 'close');
    expect(site.failures).toMatchObject([{ code: 'ERR_TLS_HANDSHAKE_TIMEOUT' }]);
  });

  test('a server that says nothing, too', async () => {
    const silent = createNetServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const client = connect({
      ...(await trusting((silent.address() as AddressInfo).port)),
      handshakeTimeout: 50,
    });
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ERR_TLS_HANDSHAKE_TIMEOUT');
    await gone(client);
    await new Promise((done) => silent.close(done));
  });

  test('the server is told by alert what the client found, and the other way round', async () => {
    await using site = await listen({ ALPNProtocols: ['h2'] });
    const client = connect({ ...(await trusting(site.port)), ALPNProtocols: ['http/1.1'] });
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error).toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', origin: 'peer' });
    expect(site.failures).toMatchObject([{ failure: 'no-common-alpn' }]);
  });

  test('a client that is destroyed while its certificate is judged elsewhere', async () => {
    await using site = await listen({
      SNICallback: (_, done) => void setTimeout(() => done(null), 50),
    });
    const client = connect(await trusting(site.port));
    client.on('error', () => {});
    await new Promise((done) => setTimeout(done, 20));
    client.destroy();
    await gone(client);
    await expect.poll(() => site.failures.length).toBe(1);
  });
});

test('no timer stays: of handshakes that ended well, failed, were given up or came too late', async () => {
  await using site = await listen({ handshakeTimeout: 60_000 });
  const silent = createNetServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const options = await trusting(site.port, { handshakeTimeout: 60_000, timeout: 60_000 });
  const mute = { ...options, port: (silent.address() as AddressInfo).port };
  const timers = await fewestTimers(300);
  const sockets: TLSSocket[] = [];
  for (const each of [
    options,
    { ...options, ca: [] },
    { ...mute, handshakeTimeout: 20 },
    mute,
    { ...options, servername: 'example.org' },
  ]) {
    const socket = connect(each);
    socket.on('error', () => {});
    socket.resume();
    sockets.push(socket);
  }
  expect(active(/^Timeout$/)).toBeGreaterThan(timers);
  // Listened for together: on a slow machine the time limit comes before the handshake.
  const secure = once(sockets[0] as TLSSocket, 'secureConnect');
  const late = new Promise((done) => sockets[2]?.once('error', done));
  await secure;
  sockets[0]?.end();
  await late;
  sockets[3]?.destroy();
  for (const socket of sockets) await gone(socket);
  for (const socket of site.sockets) await gone(socket);
  await new Promise((done) => silent.close(done));
  while (site.failures.length < 2) await new Promise((done) => setImmediate(done));
  // Ours last for a minute: one that stayed would still be there.
  expect(await fewestTimers(2000, timers)).toBe(timers);
});

describe('back-pressure', () => {
  test('a reader that does not read stops the writer', async () => {
    let written = 0;
    let stopped = false;
    await using site = await listen({}, (socket) => {
      socket.on('error', () => {});
      const chunk = Buffer.alloc(65_536, 'y');
      const more = (): void => {
        while (written < 200_000_000) {
          written += chunk.length;
          if (!socket.write(chunk)) {
            stopped = true;
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
    });
    const client = connect(await trusting(site.port));
    await once(client, 'secureConnect');
    client.pause();
    await new Promise((done) => setTimeout(done, 300));
    expect(stopped).toBe(true);
    const held = written;
    await new Promise((done) => setTimeout(done, 100));
    expect(written).toBe(held);
    // Bounded by what the kernel's buffers hold, and little more here.
    expect(held).toBeLessThan(20_000_000);
    expect(client.readableLength).toBeLessThan(200_000);
    // It goes on when somebody reads.
    let received = 0;
    client.on('data', (data: Buffer) => {
      received += data.length;
    });
    client.resume();
    await expect.poll(() => received > held, { timeout: 5000 }).toBe(true);
    client.destroy();
    await gone(client);
  });

  test('megabytes both ways at once, in pieces of any size, arrive as they were', async () => {
    await using site = await listen();
    const client = connect(await trusting(site.port));
    const sent: Buffer[] = [];
    for (let i = 0; i < 400; i++) sent.push(Buffer.alloc((i * 7919) % 40_000, i & 0xff));
    const received: Buffer[] = [];
    client.on('data', (chunk: Buffer) => received.push(chunk));
    for (const chunk of sent) if (!client.write(chunk)) await once(client, 'drain');
    client.end();
    await gone(client);
    expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
  });

  test('writes of one turn share a record; cork does, too', async () => {
    await using site = await listen({}, (socket) => socket.on('error', () => {}).resume());
    const client = connect(await trusting(site.port));
    await once(client, 'session');
    client.resume();
    const raw = client.transport as Socket;
    const start = raw.bytesWritten;
    for (let i = 0; i < 16; i++)
      client.write('sixty-four bytes of text, more or less, in one record with others');
    await new Promise((done) => setImmediate(done));
    const apart = raw.bytesWritten - start;
    expect(apart - 16 * 65).toBe(22);
    client.destroy();
    await gone(client);
  });
});

describe('as a socket', () => {
  test('an idle timeout is an event, and bytes put it off', async () => {
    await using site = await listen();
    const client = connect({ ...(await trusting(site.port)), timeout: 80 });
    let idle = 0;
    client.on('timeout', () => idle++);
    client.resume();
    await once(client, 'secureConnect');
    const began = performance.now();
    while (performance.now() - began < 200) {
      client.write('tick');
      await new Promise((done) => setTimeout(done, 10));
    }
    expect(idle).toBe(0);
    await once(client, 'timeout');
    expect(client.timeout).toBe(80);
    client.setTimeout(0);
    expect(client.timeout).toBe(0);
    client.end();
    await gone(client);
  });

  test('it says where it is, and what state it is in', async () => {
    await using site = await listen();
    const client = connect(await trusting(site.port));
    expect(client.connecting).toBe(true);
    expect(client.readyState).toBe('opening');
    expect(client.secureConnecting).toBe(true);
    expect(client.encrypted).toBe(true);
    await once(client, 'secureConnect');
    expect(client).toMatchObject({
      connecting: false,
      readyState: 'open',
      secureConnecting: false,
      remoteAddress: '127.0.0.1',
      remotePort: site.port,
      remoteFamily: 'IPv4',
      localAddress: '127.0.0.1',
    });
    expect(client.address()).toMatchObject({ address: '127.0.0.1', port: client.localPort });
    expect(client.setNoDelay().setKeepAlive(true).ref().unref()).toBe(client);
    client.resume();
    client.end();
    await gone(client);
    expect(client.readyState).toBe('closed');
  });

  test('over any Duplex, on either side', async () => {
    const chain = await testChain();
    const [near, far] = pair();
    const server = createServer({ key: chain.keyPem, cert: chain.chainPem }, echo);
    server.emit('connection', far);
    const client = connect({ socket: near, servername: 'localhost', ca: chain.caPem });
    let text = '';
    client.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text === 'over memory') client.end();
    });
    client.write('over memory');
    await gone(client);
    expect(text).toBe('over memory');
    expect(client.getProtocol()).toBe('TLSv1.3');
  });

  test('TLS in TLS', async () => {
    const chain = await testChain();
    const inner = createServer({ key: chain.keyPem, cert: chain.chainPem }, echo);
    await using site = await listen({}, (socket) => {
      socket.on('error', () => {});
      inner.emit('connection', socket);
    });
    const outer = connect(await trusting(site.port));
    const { text, socket } = await visit({ ...(await trusting(site.port)), socket: outer });
    expect(text).toBe('hello');
    expect(socket.transport).toBe(outer);
    await gone(outer);
  });
});

/** Two Duplexes, each of which gives what the other is given. */
function pair(): [Duplex, Duplex] {
  if (typeof maybePair === 'function') return maybePair();
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _, done) {
        other().push(chunk);
        done();
      },
      final(done) {
        other().push(null);
        done();
      },
    });
  const a: Duplex = make(() => b);
  const b: Duplex = make(() => a);
  return [a, b];
}
