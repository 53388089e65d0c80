/**
 * CPU a handshake, client and server in one process, over TCP on loopback. Each stack has a process of its own,
 * so that none runs in the heap and with the compiled code of another; they take turns. The same for every stack:
 * TLS 1.3, X25519 and TLS_AES_256_GCM_SHA384 on both sides, a P-256 certificate under a P-256 root that the
 * client verifies, one byte from the server and at least one ticket taken in (node:tls gives none on a
 * resumed connection), and an orderly close.
 */
import type { AddressInfo } from 'node:net';
import nodeTls from 'node:tls';
import * as tlsession from '../src/entry/index.ts';
import { compare, cpuNs, type Plan, type Report, type Row, takeTurns } from './harness.ts';
import { type Identity, makeIdentity, type Stack, StackProcess } from './stack-process.ts';

interface Outcome {
  readonly resumed: boolean;
  /** What the next connection may offer. */
  readonly session: unknown;
}

/** One implementation with a server up. */
interface Handshakes {
  connect(session: unknown): Promise<Outcome>;
  close(): Promise<void>;
}

/** The part of a TLS socket that all the stacks share with node:tls. */
interface Socket {
  on(event: string, listener: (...args: never[]) => void): unknown;
  write(data: string): unknown;
  end(): unknown;
  resume(): unknown;
  destroy(): unknown;
  isSessionReused(): boolean;
}

interface Server {
  on(event: string, listener: (...args: never[]) => void): unknown;
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
  close(done: () => void): unknown;
}

/** An implementation in the shape of node:tls. */
interface Module {
  createServer(options: Record<string, unknown>, onConnection: (socket: Socket) => void): Server;
  connect(options: Record<string, unknown>): Socket;
}

const both = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' };
interface Dialect {
  /** What pins group and suite. */
  readonly options: Record<string, unknown>;
  /** Whether its server gives a ticket on a resumed connection too. */
  readonly renews: boolean;
}

const dialects: Record<'ours' | 'node' | 'lemon', Dialect> = {
  node: { options: { ecdhCurve: 'X25519', ciphers: 'TLS_AES_256_GCM_SHA384' }, renews: false },
  ours: { options: { ecdhCurve: 'X25519', ciphers: 'TLS_AES_256_GCM_SHA384' }, renews: true },
  lemon: { options: { groups: [0x001d], allowedCipherSuites: [0x1302] }, renews: true },
};

async function start(
  module: Module,
  { options, renews }: Dialect,
  { ca, cert, key }: Identity,
): Promise<Handshakes> {
  const ignore = (): void => {};
  const server = module.createServer({ ...both, ...options, cert, key }, (socket) => {
    socket.on('error', ignore);
    socket.resume();
    socket.write('!');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const common = { ...both, ...options, host: '127.0.0.1', port, servername: 'localhost', ca };
  return {
    connect: (session) =>
      new Promise((done, fail) => {
        let latest: unknown = renews ? null : session;
        let resumed: boolean | null = null;
        const socket = module.connect(session === null ? common : { ...common, session });
        const finish = (): void => {
          if (resumed !== null && latest !== null) socket.end();
        };
        socket.on('session', (fresh: unknown) => {
          latest = fresh;
          finish();
        });
        socket.on('error', (error: Error) => {
          socket.destroy();
          fail(error);
        });
        socket.on('data', () => {
          resumed = socket.isSessionReused();
          finish();
        });
        socket.on('close', () => {
          if (resumed !== null && latest !== null) done({ resumed, session: latest });
          else fail(new Error('the connection closed before a byte and a ticket came'));
        });
      }),
    close: () => new Promise((done) => server.close(() => done())),
  };
}

/** Runs `count` handshakes one after the other and gives CPU microseconds a handshake. */
async function measure(stack: Handshakes, { count, resume }: Order): Promise<number> {
  let session: unknown = null;
  if (resume) ({ session } = await stack.connect(null));
  const began = cpuNs();
  for (let index = 0; index < count; index += 1) {
    const outcome = await stack.connect(resume ? session : null);
    if (outcome.resumed !== resume) throw new Error(resume ? 'not resumed' : 'resumed');
    session = outcome.session;
  }
  return (cpuNs() - began) / 1000 / count;
}

async function startHandshakes(name: string): Promise<Handshakes> {
  const identity = await makeIdentity();
  switch (name) {
    case 'tlsession':
      return start(tlsession as unknown as Module, dialects.ours, identity);
    case 'node:tls':
      return start(nodeTls as unknown as Module, dialects.node, identity);
    case 'lemon-tls':
      return start((await import('lemon-tls')).default as unknown as Module, dialects.lemon, identity);
    default:
      throw new Error(`there is no stack '${name}'`);
  }
}

interface Order {
  readonly count: number;
  readonly resume: boolean;
}

/** One stack, to be asked for figures from another process. */
export async function handshakeStack(name: string): Promise<Stack<Order>> {
  const stack = await startHandshakes(name);
  return { measure: (order) => measure(stack, order), close: () => stack.close() };
}

export async function handshake(plan: Plan): Promise<Report> {
  using ours = new StackProcess<Order>('handshake', 'tlsession');
  using node = new StackProcess<Order>('handshake', 'node:tls');
  using lemon = new StackProcess<Order>('handshake', 'lemon-tls');
  // lemon-tls waits for delayed acknowledgements: some 20 handshakes a second.
  const counts = plan.smoke ? { usual: 3, lemon: 1 } : { usual: 300, lemon: 20 };
  // What is compiled while it runs takes some thousands of handshakes to be compiled well.
  const warmUp = plan.smoke ? 1 : 3000;
  plan.say('warming up');
  for (const resume of [false, true]) {
    await ours.measure({ count: warmUp, resume });
    await node.measure({ count: warmUp, resume });
  }
  const rows: Row[] = [];
  const old = process.versions.node.startsWith('20.');
  for (const resume of [false, true]) {
    const what = `TLS 1.3 ${resume ? 'resumed' : 'full'}`;
    plan.say(what);
    const samples = await takeTurns(plan, {
      tlsession: () => ours.measure({ count: counts.usual, resume }),
      'node:tls': () => node.measure({ count: counts.usual, resume }),
      'lemon-tls': () => lemon.measure({ count: counts.lemon, resume }),
    });
    const target = old ? (resume ? 0.75 : 0.85) : null;
    rows.push(compare(what, 'µs', samples.tlsession, 'node:tls', samples['node:tls'], target));
    rows.push(compare(what, 'µs', samples.tlsession, 'lemon-tls', samples['lemon-tls'], null));
  }
  return {
    title: 'handshake: CPU a handshake, both ends in one process a stack, TCP on loopback',
    rows,
    facts: { node: process.version, OpenSSL: process.versions.openssl, 'lemon-tls': '0.7.0' },
  };
}
