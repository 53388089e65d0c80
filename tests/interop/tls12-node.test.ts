/** TLS 1.2 against the node:tls of the Node that runs this, in both roles. */
import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type ConnectOptions, connect, type TLSSocket } from '../../src/entry/index.ts';
import { listen, visit } from '../net/pair.ts';
import { testChain } from '../support/certs.ts';

const NO_TICKET = constants.SSL_OP_NO_TICKET;
const chain = await testChain();
const rsa = await testChain('rsa2048');

interface StockServer extends AsyncDisposable {
  readonly port: number;
  readonly sockets: tls.TLSSocket[];
  /** Whether each was resumed: it does not know any more once it is closed. */
  readonly reused: boolean[];
  readonly server: tls.Server;
}

/** A stock server of TLS 1.2 that echoes. Its sessions by id are kept here, as applications keep them. */
async function stock(options: tls.TlsOptions = {}): Promise<StockServer> {
  const kept = new Map<string, Buffer>();
  const sockets: tls.TLSSocket[] = [];
  const reused: boolean[] = [];
  const server = tls.createServer(
    { key: chain.keyPem, cert: chain.chainPem, maxVersion: 'TLSv1.2', ...options },
    (socket) => {
      sockets.push(socket);
      reused.push(socket.isSessionReused());
      socket.on('error', () => {});
      socket.pipe(socket);
    },
  );
  server.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
    kept.set(id.toString('hex'), data);
    done();
  });
  server.on('resumeSession', (id: Buffer, done: (error: Error | null, data: Buffer | null) => void) => {
    done(null, kept.get(id.toString('hex')) ?? null);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    reused,
    server,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

interface StockVisit {
  readonly text: string;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
  readonly cipher: string;
}

async function stockVisit(port: number, options: tls.ConnectionOptions = {}): Promise<StockVisit> {
  const socket = tls.connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: chain.caPem,
    ...options,
  });
  await once(socket, 'secureConnect');
  const reused = socket.isSessionReused();
  const cipher = socket.getCipher().name;
  socket.write('hello');
  const [data] = (await once(socket, 'data')) as [Buffer];
  const session = socket.getSession();
  socket.end();
  await once(socket, 'close');
  return { text: data.toString('latin1'), reused, session, cipher };
}

const ours = (port: number, more: ConnectOptions = {}): ConnectOptions => ({
  port,
  host: '127.0.0.1',
  servername: 'localhost',
  ca: chain.caPem,
  ...more,
});

describe('our client, node:tls', () => {
  for (const [how, secureOptions] of [
    ['ticket', 0],
    ['session id', NO_TICKET],
  ] as const) {
    test(`full, then resumed by ${how}`, async () => {
      await using server = await stock({ secureOptions });
      const first = await visit(ours(server.port));
      expect(first.text).toBe('hello');
      expect(first.socket.getProtocol()).toBe('TLSv1.2');
      expect(first.sessions).toHaveLength(1);
      const second = await visit(ours(server.port, { session: first.sessions[0] }), 'again', 0);
      expect(second.socket.isSessionReused()).toBe(true);
      expect(second.text).toBe('again');
      expect(server.reused).toEqual([false, true]);
    });
  }

  test('client certificates, exporters, Finished and ephemeral keys agree', async () => {
    await using server = await stock({ requestCert: true, ca: chain.caPem });
    const socket = connect(ours(server.port, { key: chain.keyPem, cert: chain.chainPem }));
    await once(socket, 'secureConnect');
    await expect.poll(() => server.sockets.length).toBe(1);
    const peer = server.sockets[0] as tls.TLSSocket;
    expect(peer.authorized).toBe(true);
    for (const context of [undefined, Buffer.from('context')]) {
      expect(socket.exportKeyingMaterial(40, 'EXPORTER-test', context)).toEqual(
        peer.exportKeyingMaterial(40, 'EXPORTER-test', context as Buffer),
      );
    }
    expect(socket.getFinished()).toEqual(peer.getPeerFinished());
    expect(socket.getPeerFinished()).toEqual(peer.getFinished());
    expect(socket.getCipher()).toEqual(peer.getCipher());
    socket.destroy();
  });

  test('a renegotiation that it asks for is refused', async () => {
    await using server = await stock();
    const socket = connect(ours(server.port));
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    await expect.poll(() => server.sockets.length).toBe(1);
    const peer = server.sockets[0] as tls.TLSSocket;
    const failed = once(peer, 'error');
    peer.renegotiate({}, () => {});
    const [error] = (await failed) as [Error];
    expect(error.message).toMatch(/no renegotiation/i);
    socket.destroy();
  });
});

describe('node:tls, our server', () => {
  for (const [how, secureOptions] of [
    ['ticket', 0],
    ['session id', NO_TICKET],
  ] as const) {
    test(`full, then resumed by ${how}`, async () => {
      await using server = await listen({ maxVersion: 'TLSv1.2' });
      const first = await stockVisit(server.port, { secureOptions });
      expect(first).toMatchObject({ text: 'hello', reused: false });
      const second = await stockVisit(server.port, { secureOptions, session: first.session });
      expect(second).toMatchObject({ text: 'hello', reused: true });
      expect(server.sockets.map((socket) => socket.isSessionReused())).toEqual([false, true]);
      expect(server.failures).toEqual([]);
    });
  }

  test('both kinds of certificate at one server', async () => {
    await using server = await listen({
      maxVersion: 'TLSv1.2',
      key: [rsa.keyPem, chain.keyPem],
      cert: [rsa.chainPem, chain.chainPem],
    });
    const suites = [
      ['ECDHE-RSA-AES128-GCM-SHA256', rsa.caPem],
      ['ECDHE-ECDSA-CHACHA20-POLY1305', chain.caPem],
    ] as const;
    for (const [ciphers, ca] of suites) {
      expect((await stockVisit(server.port, { ca, ciphers })).cipher).toBe(ciphers);
    }
  });

  test('client certificates, exporters and Finished agree', async () => {
    await using server = await listen({ maxVersion: 'TLSv1.2', requestCert: true, ca: chain.caPem });
    const socket = tls.connect({
      port: server.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: chain.caPem,
      key: chain.keyPem,
      cert: chain.chainPem,
    });
    await once(socket, 'secureConnect');
    await expect.poll(() => server.sockets.length).toBe(1);
    const peer = server.sockets[0] as TLSSocket;
    expect(peer.authorized).toBe(true);
    expect(socket.exportKeyingMaterial(40, 'EXPORTER-test', Buffer.from('context'))).toEqual(
      peer.exportKeyingMaterial(40, 'EXPORTER-test', Buffer.from('context')),
    );
    expect(socket.getFinished()).toEqual(peer.getPeerFinished());
    expect(socket.getPeerFinished()).toEqual(peer.getFinished());
    socket.destroy();
  });

  test('much data in small fragments, both ways', async () => {
    await using server = await listen({ maxVersion: 'TLSv1.2' });
    const socket = tls.connect({ ...(ours(server.port) as tls.ConnectionOptions) });
    await once(socket, 'secureConnect');
    socket.setMaxSendFragment(512);
    const sent = Buffer.alloc(300_000, 'abcdefg');
    socket.end(sent);
    const received: Buffer[] = [];
    for await (const chunk of socket) received.push(chunk as Buffer);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
  });

  test('a renegotiation that it begins is refused', async () => {
    const errors: Error[] = [];
    await using server = await listen({ maxVersion: 'TLSv1.2' }, (socket) =>
      socket.on('error', (error: Error) => errors.push(error)).resume(),
    );
    const socket = tls.connect({ ...(ours(server.port) as tls.ConnectionOptions) });
    await once(socket, 'secureConnect');
    const failed = once(socket, 'error');
    socket.renegotiate({}, () => {});
    await failed;
    await expect.poll(() => errors.length).toBe(1);
    expect(errors[0]).toMatchObject({ failure: 'renegotiation-refused' });
  });
});
