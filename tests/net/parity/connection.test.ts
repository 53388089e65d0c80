/** A connection from its beginning to its end, over node:tls and over this library. */
import { once } from 'node:events';
import { Duplex, PassThrough } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { describe } from 'vitest';
import { endContext } from '../../support/sessions.ts';
import { heard, same } from './harness.ts';

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  const bound = { minVersion: version, maxVersion: version };

  same(`events of both ends, in order, ${version}`, async (world) => {
    const { server, port } = await world.listen(bound, (socket) => {
      world.watch('server socket', socket, ['data', 'end', 'finish', 'close'], (_, args) => args);
      socket.once('data', (chunk) => socket.write(chunk));
      socket.once('end', () => socket.end());
    });
    world.watch('server', server, ['connection', 'secureConnection', 'keylog', 'tlsClientError', 'close']);
    const client = world.connect(port, bound);
    // Node 20 looks a literal address up as well, later versions do not.
    const events = ['connect', 'ready', 'secureConnect', 'secure', 'data', 'end', 'finish', 'error', 'close'];
    world.watch('client', client, events, (_, args) => args);
    client.write('ping');
    client.once('data', () => client.end());
    await heard(client, 'close');
    await world.end();
  });

  same(
    `a client certificate, ${version}`,
    async (world) => {
      const { keyPem: key, chainPem: cert, caPem: ca } = world.chain;
      const { server, port } = await world.listen({ ...bound, requestCert: true, ca });
      const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
      const client = world.connect(port, { ...bound, key, cert });
      client.resume();
      const [socket] = await accepted;
      world.note('authorized', [socket.authorized, socket.authorizationError]);
      world.note('peer', socket.getPeerCertificate().subject);
      client.end();
      await heard(client, 'close');
      world.note('own', client.getCertificate() === null ? 'forgotten' : 'known');
    },
    {
      own: { node: 'forgotten', ours: 'known' },
    },
  );

  for (const [title, rejectUnauthorized] of [
    ['requestCert and nobody minds', false],
    ['requestCert, anonymous', false],
  ] as const) {
    same(`${title}, ${version}`, async (world) => {
      const { server, port } = await world.listen({ ...bound, requestCert: true, rejectUnauthorized });
      const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
      const { keyPem: key, chainPem: cert } = world.chain;
      const client = world.connect(port, { ...bound, ...(title.endsWith('minds') ? { key, cert } : {}) });
      client.resume();
      const [socket] = await accepted;
      world.note('authorized', [socket.authorized, socket.authorizationError]);
      client.end();
      await heard(client, 'close');
    });
  }

  same(`rejectUnauthorized: false says what is wrong, ${version}`, async (world) => {
    const { port } = await world.listen(bound);
    for (const options of [{ ca: [] }, { servername: 'example.org' }]) {
      const client = world.connect(port, { ...bound, ...options, rejectUnauthorized: false });
      await once(client, 'secureConnect');
      world.say('client', client.authorized, client.authorizationError);
      client.end();
      await heard(client, 'close');
    }
  });
});

same('keylog, at both ends', async (world) => {
  const { server, port } = await world.listen();
  const labels = (line: Buffer): string => line.toString('latin1').split(' ')[0] ?? '';
  server.on('keylog', (line: Buffer) => world.say('server', labels(line), line.at(-1)));
  const client = world.connect(port);
  client.on('keylog', (line) => world.say('client', labels(line), line.at(-1)));
  client.resume();
  await once(client, 'secureConnect');
  client.end();
  await heard(client, 'close');
  for (const who of ['server events', 'client events']) (world.recorded[who] as unknown[]).sort();
});

same('session events and getSession(), TLS 1.3', async (world) => {
  const { port } = await world.listen();
  const client = world.connect(port);
  let sessions = 0;
  client.on('session', (session) => {
    world.note('a session is', Buffer.isBuffer(session));
    sessions++;
  });
  await once(client, 'secureConnect');
  client.write('ping');
  await once(client, 'data');
  world.note('sessions', sessions);
  world.note('getSession() is a Buffer', Buffer.isBuffer(client.getSession()));
  world.note('getTLSTicket() is a Buffer', Buffer.isBuffer(client.getTLSTicket()));
  client.end();
  await heard(client, 'close');
});

same('over any Duplex', async (world) => {
  const [near, far] = pipes();
  const { keyPem: key, chainPem: cert, caPem: ca } = world.chain;
  const server = world.tls.createServer({ key, cert }, (socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.emit('connection', far);
  const client = world.own(world.tls.connect({ socket: near, ca, servername: 'localhost' }));
  world.watch('client', client, ['connect', 'secureConnect', 'data', 'end', 'close'], (_, args) => args);
  client.write('ping');
  client.once('data', () => client.end());
  await heard(client, 'close');
  world.note('remoteAddress', client.remoteAddress);
  endContext(server);
});

function pipes(): [Duplex, Duplex] {
  const [a, b] = [new PassThrough(), new PassThrough()];
  return [Duplex.from({ readable: a, writable: b }), Duplex.from({ readable: b, writable: a })];
}

same('TLS in TLS', async (world) => {
  const { server: inner } = await world.listen();
  const { port } = await world.listen({}, (socket) => void inner.emit('connection', socket));
  const outer = world.connect(port);
  await once(outer, 'secureConnect');
  const { caPem: ca } = world.chain;
  const client = world.own(world.tls.connect({ socket: outer, ca, servername: 'localhost' }));
  world.watch('client', client, ['secureConnect', 'data', 'end', 'close'], (_, args) => args);
  client.write('ping');
  client.once('data', () => client.end());
  await heard(client, 'close');
});

same('a TLSSocket made by hand, as server and as client', async (world) => {
  const { keyPem: key, chainPem: cert, caPem: ca } = world.chain;
  const [near, far] = pipes();
  const server = world.own(new world.tls.TLSSocket(far, { isServer: true, key, cert }));
  server.on('secure', () => world.say('server', 'secure'));
  server.on('data', (chunk) => server.write(chunk));
  const client = world.own(
    new world.tls.TLSSocket(near, { ca } as ConstructorParameters<typeof world.tls.TLSSocket>[1]),
  );
  client.on('secure', () => world.say('client', 'secure', client.getProtocol()));
  client.write('ping');
  const [chunk] = (await once(client, 'data')) as [Buffer];
  world.note('echo', chunk.toString());
});
