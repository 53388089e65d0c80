/** What net.Socket gives beneath, and what a TLSSocket can be told, over node:tls and over this library. */
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import ours from '../../../src/entry/index.ts';
import { listen, trusting } from '../pair.ts';
import { type Differences, describe, heard, same, type World } from './harness.ts';

/** A scenario with a client whose handshake is over, and the server's end of it. */
function connected(
  title: string,
  scenario: (world: World, client: TLSSocket, server: TLSSocket) => Promise<void> | void,
  differences: Differences = {},
): void {
  same(
    title,
    async (world) => {
      const { server, port } = await world.listen({}, () => {});
      const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
      const client = world.connect(port);
      client.on('error', () => {});
      await once(client, 'secureConnect');
      const [far] = await accepted;
      await scenario(world, client, far);
    },
    differences,
  );
}

connected('methods that return the socket', (world, client) => {
  const methods = ['setNoDelay', 'setKeepAlive', 'ref', 'unref', 'pause', 'resume'] as const;
  for (const name of methods) world.note(name, client[name]() === client);
  world.note('setTimeout', client.setTimeout(1000) === client);
  world.note('timeout', client.timeout);
  client.setTimeout(0);
  world.note('timeout off', client.timeout);
  world.note('setEncoding', client.setEncoding('utf8') === client);
  world.note('setKeepAlive with a delay', client.setKeepAlive(true, 1000) === client);
});

connected('setTimeout is an event, and its listener is one for once', async (world, client) => {
  client.setTimeout(30, () => world.say('client', 'listener'));
  client.on('timeout', () => world.say('client', 'event'));
  await heard(client, 'timeout');
  world.note('alive', client.destroyed);
});

connected('cork and uncork; writableLength and bufferSize', async (world, client, far) => {
  client.cork();
  client.write('one ');
  client.write('two');
  world.note('corked', [client.writableCorked, client.writableLength, client.bufferSize]);
  client.uncork();
  const [chunk] = (await once(far, 'data')) as [Buffer];
  world.note('came', chunk.toString());
  world.note('bytes', [client.bytesWritten, far.bytesRead]);
});

connected('pause, resume, setEncoding', async (world, client, far) => {
  client.setEncoding('latin1');
  client.on('data', (text) => world.say('client', 'data', text));
  client.pause();
  world.note('paused', client.isPaused());
  far.write('\xe9', 'latin1');
  await new Promise((done) => setTimeout(done, 30));
  world.say('client', 'resumes');
  client.resume();
  await heard(client, 'data');
});

connected('end with data, and the callbacks of write and end', async (world, client, far) => {
  // Writes of one turn share a record here: where one ends does not show in a stream.
  let text = '';
  far.on('data', (chunk) => {
    text += chunk;
  });
  far.on('end', () => world.say('far', text, 'end'));
  client.write('one', () => world.say('client', 'written'));
  client.end('two', () => world.say('client', 'ended'));
  client.resume();
  await heard(client, 'close');
});

connected('write after end', async (world, client) => {
  client.end();
  const failed = heard(client, 'error') as Promise<[Error]>;
  client.write('x', () => {});
  world.note('error', describe((await failed)[0]));
});

connected('write after destroy', async (world, client) => {
  client.destroy();
  const error = await new Promise((done) => client.write('x', (failure) => done(failure)));
  world.note('error', error);
});

connected('destroy with an error', async (world, client) => {
  const reason = Object.assign(new Error('enough'), { code: 'ENOUGH' });
  client.removeAllListeners('error');
  world.watch('client', client, ['error', 'end', 'close'], (_, args) => args);
  client.destroy(reason);
  world.note('at once', [client.destroyed, client.readable, client.writable]);
  await heard(client, 'close');
});

connected('destroySoon: what was written leaves first', async (world, client, far) => {
  let text = '';
  far.on('data', (chunk) => {
    text += chunk;
  });
  client.write('x'.repeat(100_000));
  client.destroySoon();
  await heard(far, 'end');
  world.note('came', text.length);
  if (!client.closed) await heard(client, 'close');
});

connected(
  'resetAndDestroy',
  (world, client) => {
    try {
      client.resetAndDestroy();
      world.note('threw', null);
    } catch (error) {
      world.note('threw', (error as NodeJS.ErrnoException).code);
    }
  },
  {
    // node:tls cannot: its handle is not the one of TCP.
    threw: { node: 'ERR_INVALID_HANDLE_TYPE', ours: null },
  },
);

connected('for await over what comes', async (world, client, far) => {
  far.end('all of it');
  let text = '';
  for await (const chunk of client) text += chunk;
  world.note('text', text);
});

same('allowHalfOpen at both ends', async (world) => {
  const { server, port } = await world.listen({ allowHalfOpen: true } as never, (socket) => {
    socket.on('end', () => socket.end('late words'));
    socket.resume();
  });
  void server;
  const client = world.connect(port, { allowHalfOpen: true } as never);
  world.watch('client', client, ['secureConnect', 'data', 'end', 'finish', 'close'], (_, args) =>
    args.map(String),
  );
  client.end('bye');
  await heard(client, 'close');
});

connected('setMaxSendFragment', (world, client) => {
  for (const size of [512, 16_384, 511, 16_385, 0, -1])
    world.note(`${size}`, client.setMaxSendFragment(size));
});

connected(
  'renegotiate, disableRenegotiation and enableTrace in TLS 1.3',
  async (world, client) => {
    const error = await new Promise<Error & { code?: string }>((done) => {
      world.note(
        'returned',
        client.renegotiate({}, (failure) => done(failure as Error)),
      );
    });
    world.note('code', error.code);
    world.note('disableRenegotiation', client.disableRenegotiation());
  },
  {
    // There is none in TLS 1.3, and none here in TLS 1.2.
    code: { node: 'ERR_SSL_WRONG_SSL_VERSION', ours: 'ERR_TLS_RENEGOTIATION_UNSUPPORTED' },
  },
);

same('setServername and setSession before the handshake begins', async (world) => {
  const { server, port } = await world.listen({ sessionIdContext: 'x' });
  server.on('secureConnection', (socket) => world.say('server', socket.servername));
  const first = world.connect(port);
  const came = heard(first, 'session') as Promise<[Buffer]>;
  first.resume();
  const [session] = await came;
  first.destroy();
  const client = world.connect(port, { checkServerIdentity: () => undefined });
  (client as unknown as { setServername(name: string): void }).setServername('other.example');
  client.resume();
  await Promise.all([once(client, 'secureConnect'), heard(server, 'secureConnection')]);
  client.destroy();
  const again = world.connect(port);
  (again as unknown as { setSession(session: Buffer): void }).setSession(session);
  again.resume();
  await Promise.all([once(again, 'secureConnect'), heard(server, 'secureConnection')]);
  world.note('resumed', again.isSessionReused());
});

test('a TLSSocket without a socket: connect() makes the connection and the handshake', async () => {
  await using site = await listen();
  const { ca } = await trusting(site.port);
  const socket = new ours.TLSSocket(null, { ca, servername: 'localhost' });
  expect(socket.connecting || socket.pending).toBe(true);
  socket.connect(site.port, '127.0.0.1');
  await once(socket, 'secureConnect');
  expect(socket.authorized).toBe(true);
  expect(socket.remotePort).toBe(site.port);
  socket.destroy();
  await heard(socket, 'close');
});

test('a TLSSocket made by hand checks its server, and needs no listener for errors', async () => {
  await using site = await listen();
  const transport = new Socket().connect(site.port, '127.0.0.1');
  const socket = new ours.TLSSocket(transport, { ca: [] });
  await heard(socket, 'close');
  expect(socket.authorized).toBe(false);
  await expect.poll(() => site.failures.length).toBe(1);
});

test('setMaxSendFragment bounds the records from then on', async () => {
  await using site = await listen();
  const socket = ours.connect(await trusting(site.port));
  await once(socket, 'secureConnect');
  const sizes: number[] = [];
  const { transport } = socket;
  const write = transport.write.bind(transport);
  transport.write = ((chunk: Uint8Array, ...rest: never[]) => {
    for (
      let at = 0;
      at < chunk.length;
      at += 5 + (((chunk[at + 3] as number) << 8) | (chunk[at + 4] as number))
    ) {
      sizes.push(((chunk[at + 3] as number) << 8) | (chunk[at + 4] as number));
    }
    return write(chunk, ...rest);
  }) as typeof transport.write;
  socket.setMaxSendFragment(600);
  let echoed = 0;
  socket.on('data', (chunk: Buffer) => {
    echoed += chunk.length;
    if (echoed === 5000) socket.destroy();
  });
  socket.write(Buffer.alloc(5000));
  await heard(socket, 'close');
  expect(sizes.length).toBe(Math.ceil(5000 / 600));
  expect(Math.max(...sizes)).toBe(600 + 17);
});
