/**
 * Clients of databases over these sockets, unchanged, against the real servers: PostgreSQL, and Redis on its TLS
 * port and behind a server of ours.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer, connect as netConnect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { Redis } from 'ioredis';
import { Client as PgClient } from 'pg';
import { createClient } from 'redis';
import { expect, test } from 'vitest';
import {
  ClientSessionCache,
  type ConnectOptions,
  connect,
  createServer,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { describeWithPeers, freePort, startPeerServer } from '../support/peer.ts';
import { identity, later, onLoopback } from './site.ts';

/** A folder with the certificate that is gone after the test; a server that will not run as root gets it. */
async function folder(owner?: { uid: number; gid: number }): Promise<string> {
  const { key, cert, ca } = await identity();
  const path = mkdtempSync(join(tmpdir(), 'tlsession-db-'));
  later(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries({ key, cert, ca })) {
    writeFileSync(join(path, `${name}.pem`), content, { mode: 0o600 });
    if (owner !== undefined) chownSync(join(path, `${name}.pem`), owner.uid, owner.gid);
  }
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
  chmodSync(path, 0o700);
  return path;
}

/** Joins two sockets until either is gone. */
function join2(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}

describeWithPeers(['redis-server'], 'Redis', ({ 'redis-server': program }) => {
  async function redisServer(): Promise<{ plain: number; secure: number }> {
    const path = await folder();
    const plain = await freePort();
    const peer = await startPeerServer({
      path: program,
      args: (port) => [
        ...['--port', String(plain), '--tls-port', String(port), '--bind', '127.0.0.1', '--save', ''],
        ...['--appendonly', 'no', '--dir', path, '--tls-auth-clients', 'no'],
        ...['--tls-cert-file', join(path, 'cert.pem'), '--tls-key-file', join(path, 'key.pem')],
        ...['--tls-ca-cert-file', join(path, 'ca.pem')],
      ],
    });
    later(() => peer[Symbol.asyncDispose]());
    return { plain, secure: peer.port };
  }

  const large = 'v'.repeat(2_000_000);

  test('ioredis over connect() to its TLS port, by a Connector; the second client resumes', async () => {
    const { secure } = await redisServer();
    const { ca } = await identity();
    const sessionCache = new ClientSessionCache();
    later(() => sessionCache.clear());
    const options: ConnectOptions = {
      host: '127.0.0.1',
      port: secure,
      servername: 'localhost',
      ca,
      sessionCache,
    };
    const seen: TLSSocket[] = [];
    class Connector {
      stream: TLSSocket | undefined;
      check(): boolean {
        return true;
      }
      connect(): Promise<TLSSocket> {
        this.stream = connect(options);
        seen.push(this.stream);
        return Promise.resolve(this.stream);
      }
      disconnect(): void {
        this.stream?.end();
      }
    }
    for (let i = 0; i < 2; i++) {
      const client = new Redis({ Connector: Connector as never, retryStrategy: () => null });
      expect(await client.set(`key${i}`, large)).toBe('OK');
      expect(await client.get(`key${i}`)).toBe(large);
      const pipeline = client.pipeline();
      for (let n = 0; n < 1000; n++) pipeline.incr('counter');
      expect((await pipeline.exec())?.at(-1)).toEqual([null, (i + 1) * 1000]);
      await client.quit();
    }
    expect(seen.map((socket) => socket.isSessionReused())).toEqual([false, true]);
  });

  test('redis through a loopback to connect(), as through stunnel: its client opens its own socket', async () => {
    const { secure } = await redisServer();
    const { ca } = await identity();
    const seen: TLSSocket[] = [];
    const tunnel = createNetServer((near) => {
      const far = connect({ host: '127.0.0.1', port: secure, servername: 'localhost', ca });
      seen.push(far);
      join2(near, far);
    });
    const port = await onLoopback(tunnel);
    const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } });
    client.on('error', () => {});
    await client.connect();
    await client.set('key', large);
    expect(await client.get('key')).toBe(large);
    expect(await Promise.all(Array.from({ length: 500 }, () => client.incr('n')))).toHaveLength(500);
    await client.close();
    expect(seen[0]?.authorized).toBe(true);
  });

  test("both, with the TLS of node:tls, to a server of ours in front of Redis's plain port", async () => {
    const { plain } = await redisServer();
    const { ca, key, cert } = await identity();
    const front = createServer({ key, cert }, (socket) => join2(socket, netConnect(plain, '127.0.0.1')));
    const port = await onLoopback(front);
    const stock = createClient({
      socket: { host: '127.0.0.1', port, tls: true, ca, servername: 'localhost', reconnectStrategy: false },
    });
    stock.on('error', () => {});
    await stock.connect();
    await stock.set('key', large);
    expect(await stock.get('key')).toBe(large);
    await stock.close();
    const io = new Redis({
      host: '127.0.0.1',
      port,
      tls: { ca, servername: 'localhost' },
      retryStrategy: () => null,
    });
    expect(await io.get('key')).toBe(large);
    await io.quit();
  });
});

/** What PostgreSQL wants in front of a ClientHello (its protocol, 55.2.10). */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** A transport to PostgreSQL that asks for TLS before anything else. */
class PostgresTransport extends Duplex {
  readonly #socket: Socket;

  constructor(port: number) {
    super();
    this.#socket = netConnect(port, '127.0.0.1');
    this.#socket.on('error', (error) => this.destroy(error));
    this.#socket.on('close', () => this.destroy());
    this.#socket.once('data', (answer: Buffer) => {
      if (answer.toString() !== 'S') {
        this.destroy(new Error(`no TLS: ${answer}`));
        return;
      }
      this.#socket.on('data', (data: Buffer) => {
        if (!this.push(data)) this.#socket.pause();
      });
      this.#socket.on('end', () => this.push(null));
      this.emit('ready');
    });
    this.#socket.write(SSL_REQUEST);
    this.cork();
    this.once('ready', () => this.uncork());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

describeWithPeers(['postgres', 'initdb'], 'PostgreSQL', ({ postgres, initdb }) => {
  async function postgresServer(): Promise<number> {
    // It does not run as root; `nobody` is on every Debian.
    const owner = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
    const path = await folder(owner);
    const data = join(path, 'data');
    const run = { ...owner, stdio: 'ignore' as const, env: { ...process.env, LC_ALL: 'C' } };
    execFileSync(initdb, ['--no-sync', '--username=test', '--auth=trust', '--encoding=UTF8', data], run);
    writeFileSync(join(data, 'pg_hba.conf'), 'hostssl all all 127.0.0.1/32 trust\n');
    const settings = {
      ...{ listen_addresses: '127.0.0.1', unix_socket_directories: path, fsync: 'off', ssl: 'on' },
      ...{ ssl_cert_file: join(path, 'cert.pem'), ssl_key_file: join(path, 'key.pem') },
    };
    const set = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const peer = await startPeerServer({
      path: postgres,
      args: (port) => ['-D', data, '-p', String(port), ...set],
      ready: /ready to accept connections/,
      ...owner,
    });
    later(() => peer[Symbol.asyncDispose]());
    return peer.port;
  }

  test('pg over a socket of ours that was handed to it: queries, a large result, an error, the end', async () => {
    const port = await postgresServer();
    const { ca } = await identity();
    let socket: TLSSocket | undefined;
    const stream = (): TLSSocket => {
      const made = connect({ socket: new PostgresTransport(port), servername: 'localhost', ca });
      socket = made;
      made.once('secureConnect', () => made.emit('connect'));
      // The connection is on its way already.
      return Object.assign(made, { connect: () => made });
    };
    const client = new PgClient({
      user: 'test',
      database: 'postgres',
      host: 'localhost',
      stream: stream as never,
    });
    await client.connect();
    const { rows } = await client.query('select ssl, version from pg_stat_ssl where pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: true, version: 'TLSv1.3' }]);
    const much = await client.query("select n, repeat('x', 1000) as text from generate_series(1, 3000) as n");
    expect(much.rows).toHaveLength(3000);
    const echoed = await client.query('select length($1::text) as length', ['y'.repeat(3_000_000)]);
    expect(echoed.rows).toEqual([{ length: 3_000_000 }]);
    await expect(client.query('select nothing from nowhere')).rejects.toMatchObject({ code: '42P01' });
    await client.end();
    expect(socket?.authorized).toBe(true);
    await expect.poll(() => socket?.closed).toBe(true);
  });

  test('pg with the TLS of node:tls, to a server of ours in front of PostgreSQL', async () => {
    const port = await postgresServer();
    const { ca, key, cert } = await identity();
    const inside = createServer({ key, cert }, (socket) => {
      join2(socket, connect({ socket: new PostgresTransport(port), servername: 'localhost', ca }));
    });
    later(() => inside.context.destroy());
    const front = createNetServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (request: Buffer) => {
        expect(request.equals(SSL_REQUEST)).toBe(true);
        socket.pause();
        socket.write('S');
        inside.emit('connection', socket);
      });
    });
    const frontPort = await onLoopback(front);
    const client = new PgClient({
      ...{ user: 'test', database: 'postgres', host: 'localhost', port: frontPort },
      ssl: { ca },
    });
    await client.connect();
    expect((await client.query('select 6 * 7 as answer')).rows).toEqual([{ answer: 42 }]);
    await client.end();
  });
});
