/**
 * One scenario over node:tls and over this library: what each end says, in order, and what was found out are
 * recorded and compared. Where the two differ on purpose the test says so as data, with both values: a
 * difference that is not there any more fails as one that nobody wrote down.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import nodeTls from 'node:tls';
import { expect, test } from 'vitest';
import ours from '../../../src/entry/index.ts';
import { type Chain, testChain } from '../../support/certs.ts';
import { endContext } from '../../support/sessions.ts';

export type Tls = Omit<typeof nodeTls, 'createSecurePair'>;

export const IMPLEMENTATIONS: readonly (readonly [string, Tls])[] = [
  ['node:tls', nodeTls],
  ['tlsession', ours],
];

/** The major version of the Node that runs the tests. */
export const NODE: number = Number(process.versions.node.split('.')[0]);

export type Recorded = Record<string, unknown>;

/** Where the two differ: for a name that was noted, or `NAME events`, what each says. */
export type Differences = Record<string, { readonly node: unknown; readonly ours: unknown }>;

export class World {
  readonly tls: Tls;
  readonly chain: Chain;
  readonly recorded: Recorded = {};
  readonly #servers: nodeTls.Server[] = [];
  readonly #sockets: nodeTls.TLSSocket[] = [];

  constructor(tls: Tls, chain: Chain) {
    this.tls = tls;
    this.chain = chain;
  }

  /** Whether this is the library and not node:tls. */
  get isOurs(): boolean {
    return this.tls === ours;
  }

  note(name: string, value: unknown): void {
    this.recorded[name] = plain(value);
  }

  /** Adds to the list of what one end said. */
  say(who: string, ...what: readonly unknown[]): void {
    const name = `${who} events`;
    this.recorded[name] ??= [];
    const list = this.recorded[name] as unknown[];
    list.push(what.length === 1 ? plain(what[0]) : what.map(plain));
  }

  /** Records these events of an emitter with what `details` makes of their arguments. */
  watch(
    who: string,
    emitter: NodeJS.EventEmitter,
    events: readonly string[],
    details: (event: string, args: readonly unknown[]) => readonly unknown[] = () => [],
  ): void {
    for (const event of events) {
      emitter.on(event, (...args: unknown[]) => {
        const error = args.find((arg) => arg instanceof Error);
        this.say(who, event, ...(error === undefined ? details(event, args) : [describe(error as Error)]));
      });
    }
  }

  /** A server with the usual chain on a free port of loopback. */
  async listen(
    options: nodeTls.TlsOptions = {},
    onConnection: (socket: nodeTls.TLSSocket) => void = (socket) => void socket.pipe(socket),
    at = 0,
  ): Promise<{ server: nodeTls.Server; port: number }> {
    const { keyPem, chainPem } = this.chain;
    const server = this.tls.createServer({ key: keyPem, cert: chainPem, ...options }, (socket) => {
      this.#sockets.push(socket);
      socket.on('error', () => {});
      onConnection(socket);
    });
    this.#servers.push(server);
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
    return { server, port: (server.address() as AddressInfo).port };
  }

  /** Another server in the place of one: sessions of this library's clients are for their port. */
  async replace(server: nodeTls.Server, options: nodeTls.TlsOptions): Promise<void> {
    const { port } = server.address() as AddressInfo;
    await new Promise((done) => server.close(done));
    await this.listen(options, undefined, port);
  }

  /** A client that trusts the usual root. */
  connect(port: number, options: nodeTls.ConnectionOptions = {}, onSecure?: () => void): nodeTls.TLSSocket {
    const socket = this.tls.connect(
      { port, host: '127.0.0.1', servername: 'localhost', ca: this.chain.caPem, ...options },
      onSecure,
    );
    this.#sockets.push(socket);
    return socket;
  }

  own(socket: nodeTls.TLSSocket): nodeTls.TLSSocket {
    this.#sockets.push(socket);
    return socket;
  }

  /** Connects, has a word echoed, and ends when the other end has. */
  async visit(port: number, options: nodeTls.ConnectionOptions = {}): Promise<nodeTls.TLSSocket> {
    const socket = this.connect(port, options);
    socket.on('data', () => socket.end());
    socket.write('hello');
    await new Promise<void>((done, failed) => {
      socket.once('close', () => done());
      socket.once('error', failed);
    });
    return socket;
  }

  /** The error of a call that throws, or of a connection; null for none. */
  async failure(of: (() => unknown) | NodeJS.EventEmitter): Promise<unknown> {
    if (typeof of !== 'function') {
      const [error] = (await once(of, 'error')) as [Error];
      return describe(error);
    }
    try {
      await of();
      return null;
    } catch (error) {
      return describe(error as Error);
    }
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.on('error', () => {});
      if (!socket.closed) {
        socket.destroy();
        await new Promise((done) => (socket.closed ? done(undefined) : socket.once('close', done)));
      }
    }
    for (const server of this.#servers) {
      if (server.listening) await new Promise((done) => server.close(done));
      endContext(server);
    }
  }
}

/** An error as programs tell it apart. OpenSSL 3.2 and later write SSL/TLS for SSLV3 in the names of alerts. */
export function describe(error: Error & { code?: string; reason?: unknown; library?: unknown }): unknown {
  const code = error.code?.replace('ERR_SSL_SSL/TLS_', 'ERR_SSL_SSLV3_');
  const name =
    error instanceof TypeError ? 'TypeError' : error instanceof RangeError ? 'RangeError' : 'Error';
  const words =
    code !== undefined && /^(ERR_(?!SSL_|OSSL_|CRYPTO|INTERNAL)|ECONNRESET)/.test(code)
      ? error.message
      : null;
  return [name, code, ...(words === null ? [] : [words])];
}

/** What can be compared: bytes and functions by their kind, since no two handshakes have the same. */
function plain(value: unknown): unknown {
  if (value instanceof Error) return describe(value);
  if (Buffer.isBuffer(value)) return `Buffer of ${value.length}`;
  if (value instanceof Uint8Array) return `Uint8Array of ${value.length}`;
  if (typeof value === 'function') return 'function';
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
  }
  return value;
}

/** The next event of that name, whatever else happens. */
export function heard(emitter: NodeJS.EventEmitter, event: string): Promise<unknown[]> {
  return new Promise((done) => emitter.once(event, (...args: unknown[]) => done(args)));
}

export type Scenario = (world: World) => Promise<void> | void;

/** A test that runs a scenario over both and compares. */
export function same(title: string, scenario: Scenario, differences: Differences = {}): void {
  test(title, async () => {
    const chain = await testChain();
    const [node, own] = (await Promise.all(
      IMPLEMENTATIONS.map(async ([, tls]) => {
        const world = new World(tls, chain);
        try {
          await scenario(world);
        } finally {
          await world.end();
        }
        return world.recorded;
      }),
    )) as [Recorded, Recorded];
    const expectedNode = { ...node };
    const expectedOurs = { ...node };
    for (const [name, difference] of Object.entries(differences)) {
      expectedNode[name] = difference.node;
      expectedOurs[name] = difference.ours;
      expect(difference.node, `${name} is no difference`).not.toEqual(difference.ours);
    }
    for (const recorded of [expectedNode, expectedOurs]) {
      for (const name in recorded) if (recorded[name] === undefined) delete recorded[name];
    }
    expect(Object.keys(node).length, 'nothing was recorded').toBeGreaterThan(0);
    expect(defined(node), 'node:tls').toEqual(expectedNode);
    expect(defined(own), 'tlsession').toEqual(expectedOurs);
  });
}

function defined(recorded: Recorded): Recorded {
  return Object.fromEntries(Object.entries(recorded).filter(([, value]) => value !== undefined));
}
