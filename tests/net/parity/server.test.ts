/** A server, its sessions and its ticket keys, over node:tls and over this library. */

import { constants } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as netConnect } from 'node:net';
import type { ConnectionOptions, Server, TLSSocket, TlsOptions } from 'node:tls';
import { describe } from 'vitest';
import { heard, NODE, same, type World } from './harness.ts';

/** @types/node has it for TLSSocket alone. */
const WITH_OCSP = { requestOCSP: true } as ConnectionOptions;

/** Connects, waits for a session, and gives it. */
async function session(world: World, port: number, options: ConnectionOptions = {}): Promise<Buffer> {
  const socket = world.connect(port, options);
  const came = heard(socket, 'session') as Promise<[Buffer]>;
  socket.on('data', () => socket.end());
  socket.write('hello');
  const [bytes] = await came;
  await heard(socket, 'close');
  return bytes;
}

/** Whether that session is resumed. */
async function resumes(world: World, port: number, options: ConnectionOptions): Promise<boolean> {
  const socket = world.connect(port, options);
  socket.on('data', () => socket.end());
  socket.write('hello');
  await once(socket, 'secureConnect');
  const reused = socket.isSessionReused();
  await heard(socket, 'close');
  return reused;
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('sessions, %s', (version) => {
  const bound = { minVersion: version, maxVersion: version };

  same(
    `session and isSessionReused, ${version}`,
    async (world) => {
      const { server, port } = await world.listen(bound);
      const sockets: TLSSocket[] = [];
      server.on('secureConnection', (socket) => sockets.push(socket));
      const first = await session(world, port, bound);
      world.note('resumed', await resumes(world, port, { ...bound, session: first }));
      world.note(
        'names',
        sockets.map((socket) => socket.isSessionReused()),
      );
    },
    {
      // null of node:tls: the connection is over. Here what was agreed on stays known.
      names: { node: [null, null], ours: [false, true] },
    },
  );

  same(`ticketKeys: another server with the same, and one with others, ${version}`, async (world) => {
    const sessionIdContext = 'parity';
    for (const [name, ticketKeys] of [
      ['the same', Buffer.alloc(48, 3)],
      ['others', Buffer.alloc(48, 4)],
    ] as const) {
      const one = await world.listen({ ...bound, ticketKeys: Buffer.alloc(48, 3), sessionIdContext });
      world.note('getTicketKeys()', one.server.getTicketKeys().equals(Buffer.alloc(48, 3)));
      const given = await session(world, one.port, bound);
      await world.replace(one.server, { ...bound, ticketKeys, sessionIdContext });
      world.note(name, await resumes(world, one.port, { ...bound, session: given }));
    }
  });

  same(`sessionIdContext keeps servers apart, ${version}`, async (world) => {
    const ticketKeys = Buffer.alloc(48, 5);
    const { server, port } = await world.listen({ ...bound, ticketKeys, sessionIdContext: 'one' });
    const given = await session(world, port, bound);
    await world.replace(server, { ...bound, ticketKeys, sessionIdContext: 'two' });
    world.note('resumed', await resumes(world, port, { ...bound, session: given }));
  });

  same(
    `a session for another port, ${version}`,
    async (world) => {
      const ticketKeys = Buffer.alloc(48, 5);
      const one = await world.listen({ ...bound, ticketKeys, sessionIdContext: 'x' });
      const two = await world.listen({ ...bound, ticketKeys, sessionIdContext: 'x' });
      const given = await session(world, one.port, bound);
      world.note('resumed', await resumes(world, two.port, { ...bound, session: given }));
    },
    {
      // A session is for its host and port: what listens on the next port may be somebody else.
      resumed: { node: true, ours: false },
    },
  );

  same(
    `setTicketKeys: what was given before, ${version}`,
    async (world) => {
      const { server, port } = await world.listen(bound);
      const given = await session(world, port, bound);
      const keys = Buffer.alloc(48, 6);
      server.setTicketKeys(keys);
      world.note('getTicketKeys()', server.getTicketKeys().equals(keys));
      world.note('old', await resumes(world, port, { ...bound, session: given }));
      const later = await session(world, port, bound);
      world.note('new', await resumes(world, port, { ...bound, session: later }));
    },
    {
      // Old tickets open until they expire: the one key of node:tls forgets them.
      old: { node: false, ours: true },
    },
  );

  same(`setSecureContext, ${version}`, async (world) => {
    const { server, port } = await world.listen({
      ...bound,
      ticketKeys: Buffer.alloc(48, 7),
      sessionIdContext: 'x',
    });
    const given = await session(world, port, bound);
    const { keyPem: key, chainPem: cert } = world.chain;
    server.setSecureContext({ key, cert, ...bound, sessionIdContext: 'x' });
    world.note('the given keys stay', await resumes(world, port, { ...bound, session: given }));
  });

  if (version === 'TLSv1.2') {
    // In TLS 1.3 node:tls never asks (nodejs/node#60847); here it does: tests/net/options.test.ts.
    same('SSL_OP_NO_TICKET: newSession and resumeSession', async (world) => {
      const options = { ...bound, secureOptions: constants.SSL_OP_NO_TICKET, sessionIdContext: 'x' };
      const { server, port } = await world.listen(options);
      const store = new Map<string, Buffer>();
      const keep = (to: Server): void => {
        to.on('newSession', (id, data, done) => {
          world.note('newSession', [id.length, Buffer.isBuffer(data), typeof done]);
          store.set(id.toString('hex'), data);
          setTimeout(done, 5);
        });
        to.on('resumeSession', (id, done) => {
          world.note('asked', true);
          setTimeout(() => done(null, store.get(id.toString('hex')) ?? null), 5);
        });
      };
      keep(server);
      const given = await session(world, port, bound);
      // Another process, as far as sessions go.
      await new Promise((done) => server.close(done));
      const { server: next } = await world.listen(options, undefined, port);
      keep(next);
      world.note('resumed', await resumes(world, port, { ...bound, session: given }));
    });
  }
});

describe('events', () => {
  same(
    'OCSPRequest and OCSPResponse',
    async (world) => {
      const { server, port } = await world.listen();
      server.on('OCSPRequest', (certificate, issuer, done) => {
        world.note('request', [
          Buffer.isBuffer(certificate),
          issuer === null ? null : Buffer.isBuffer(issuer),
        ]);
        setTimeout(() => done(null, Buffer.from('no real response')), 5);
      });
      const socket = world.connect(port, { ...WITH_OCSP, rejectUnauthorized: false });
      world.watch('client', socket, ['OCSPResponse', 'secureConnect'], (_, args) => args.map(String));
      await once(socket, 'secureConnect');
      world.note('authorized', [socket.authorized, socket.authorizationError]);
    },
    {
      // node:tls hands the response out and leaves it at that.
      authorized: { node: [true, null], ours: [false, 'UNSPECIFIED'] },
    },
  );

  same('OCSPRequest is not asked by who does not want it; nothing comes of null', async (world) => {
    const { server, port } = await world.listen();
    server.on('OCSPRequest', (_certificate, _issuer, done) => {
      world.say('server', 'asked');
      done(null, null);
    });
    const socket = world.connect(port);
    await once(socket, 'secureConnect');
    const other = world.connect(port, WITH_OCSP);
    world.watch('client', other, ['OCSPResponse', 'secureConnect'], (_, args) => args);
    await once(other, 'secureConnect');
  });

  same('OCSPRequest: an error ends the connection', async (world) => {
    const { server, port } = await world.listen();
    server.on('OCSPRequest', (_certificate, _issuer, done) => done(new Error('no responder'), null));
    const failed = heard(server, 'tlsClientError') as Promise<[Error]>;
    const socket = world.connect(port, WITH_OCSP);
    socket.on('error', () => {});
    world.note('error', (await failed)[0].message);
  });

  same('drop and maxConnections', async (world) => {
    const { server, port } = await world.listen();
    server.maxConnections = 1;
    server.on('drop', (data) => world.say('server', 'drop', typeof data?.remotePort));
    const one = world.connect(port);
    await once(one, 'secureConnect');
    const dropped = heard(server, 'drop');
    const two = world.connect(port);
    world.watch('two', two, ['secureConnect', 'error', 'close'], (_, args) => args);
    await dropped;
    await heard(two, 'close');
  });

  same('getConnections, address, listening, close', async (world) => {
    const { server, port } = await world.listen();
    const one = world.connect(port);
    await once(one, 'secureConnect');
    const count = await new Promise((done) => server.getConnections((_, n) => done(n)));
    world.note('connections', count);
    const { address, family } = server.address() as AddressInfo;
    world.note('address', [address, family]);
    world.note('listening', server.listening);
    world.note('ref', server.unref() === server && server.ref() === server);
    const closed = new Promise((done) => server.close((error) => done(error === undefined)));
    one.destroy();
    world.note('closed', await closed);
    world.note('listening after', server.listening);
    world.note(
      'again',
      await new Promise((done) => server.close((error) => done((error as NodeJS.ErrnoException).code))),
    );
  });

  same('pauseOnConnect', async (world) => {
    const { port } = await world.listen({ pauseOnConnect: true } as TlsOptions, (socket) => {
      world.note('paused', socket.isPaused());
      socket.once('data', (chunk) => socket.end(chunk));
      setTimeout(() => {
        world.note('read before', socket.bytesRead);
        socket.resume();
      }, 50);
    });
    const socket = world.connect(port);
    socket.resume();
    socket.write('hello');
    await heard(socket, 'end');
  });

  same('a tlsClientError leaves the server as it was', async (world) => {
    const { server, port } = await world.listen();
    const failed = heard(server, 'tlsClientError');
    const raw = netConnect(port, '127.0.0.1', () => raw.end('nonsense, plainly'));
    raw.on('error', () => {}).resume();
    await failed;
    world.note('after', (await world.visit(port)).bytesRead);
  });
});

describe('a server by itself', () => {
  const shape = (server: Server): unknown => [server.listening, server.address(), server.maxConnections];
  same('createServer(listener), createServer(options, listener), new Server()', (world) => {
    const { tls } = world;
    const heardOf = (server: Server): number => server.listenerCount('secureConnection');
    world.note('(listener)', heardOf(tls.createServer(() => {})));
    world.note('(options, listener)', heardOf(tls.createServer({}, () => {})));
    world.note('new', heardOf(new tls.Server(() => {})));
    world.note('instanceof', tls.createServer() instanceof tls.Server);
    world.note('shape', shape(tls.createServer()));
  });
});

describe('the module', () => {
  same(
    'names and kinds',
    (world) => {
      const { tls } = world;
      world.note('limits', [tls.CLIENT_RENEG_LIMIT, tls.CLIENT_RENEG_WINDOW]);
      world.note('defaults', [
        tls.DEFAULT_CIPHERS,
        tls.DEFAULT_ECDH_CURVE,
        tls.DEFAULT_MIN_VERSION,
        tls.DEFAULT_MAX_VERSION,
      ]);
      world.note('rootCertificates', [tls.rootCertificates.length, Object.isFrozen(tls.rootCertificates)]);
      const known = new Set(tls.getCiphers());
      for (const name of [
        'tls_aes_128_gcm_sha256',
        'ecdhe-rsa-aes128-gcm-sha256',
        'ecdhe-ecdsa-chacha20-poly1305',
      ]) {
        world.note(name, known.has(name));
      }
      world.note('aes128-sha', known.has('aes128-sha'));
    },
    {
      // What the engine does not speak is not listed.
      'aes128-sha': { node: true, ours: false },
    },
  );

  same('checkServerIdentity', (world) => {
    const { tls } = world;
    const check = (host: string, subjectaltname: string | undefined, CN = 'x'): unknown => {
      const error = tls.checkServerIdentity(host, { subject: { CN }, subjectaltname } as never) as
        | (Error & { reason?: string; host?: string; cert?: unknown })
        | undefined;
      return error === undefined ? null : [error, error.reason, error.host, typeof error.cert];
    };
    world.note('a name', check('a.example', 'DNS:a.example'));
    world.note('a wildcard', check('a.example.org', 'DNS:*.example.org'));
    world.note('a wildcard too far', check('a.b.example.org', 'DNS:*.example.org'));
    world.note('another', check('b.example', 'DNS:a.example'));
    world.note('an address', check('127.0.0.1', 'IP Address:127.0.0.1'));
    world.note('another address', check('127.0.0.2', 'IP Address:127.0.0.1'));
    world.note('a common name', check('a.example', undefined, 'a.example'));
    world.note('none', check('a.example', undefined, ''));
  });

  same('checkServerIdentity: a list of names that is not to be read', (world) => {
    for (const subjectaltname of ['DNS:"a.example', 'DNS:"\\u00zz"', 'DNS:"a"b']) {
      try {
        const error = world.tls.checkServerIdentity('a', { subject: { CN: 'a' }, subjectaltname } as never);
        world.note(subjectaltname, error);
      } catch (error) {
        world.note(subjectaltname, [error]);
      }
    }
  });

  same('convertALPNProtocols', (world) => {
    for (const list of [['h2', 'http/1.1'], Buffer.from('\x02h2'), []]) {
      const out: { ALPNProtocols?: Uint8Array } = {};
      (
        world.tls as unknown as { convertALPNProtocols(list: unknown, out: unknown): void }
      ).convertALPNProtocols(list, out);
      world.say('out', Buffer.from(out.ALPNProtocols ?? []).toString('hex'));
    }
  });

  same('a default that is changed counts', async (world) => {
    const { port } = await world.listen();
    const tls = world.tls as { DEFAULT_MAX_VERSION: string };
    const before = tls.DEFAULT_MAX_VERSION;
    tls.DEFAULT_MAX_VERSION = 'TLSv1.2';
    try {
      const socket = world.connect(port);
      await once(socket, 'secureConnect');
      world.note('protocol', socket.getProtocol());
    } finally {
      tls.DEFAULT_MAX_VERSION = before;
    }
  });

  if (NODE >= 24) {
    same('getCACertificates and getCertificateCompressionAlgorithms', (world) => {
      const tls = world.tls as unknown as {
        getCACertificates(type?: string): string[];
        getCertificateCompressionAlgorithms?(): string[];
      };
      for (const type of ['default', 'bundled', 'extra', undefined]) {
        const list = tls.getCACertificates(type);
        world.note(`${type}`, [list.length, Object.isFrozen(list)]);
      }
      world.note('compression', tls.getCertificateCompressionAlgorithms?.().sort());
    });
  }
});
