/**
 * Application data: bulk one way in either direction, and echo. Both ends in one process a stack, over TCP on
 * loopback; the stacks take turns. Rates are by CPU time of the process, so that a busy machine weighs on nobody;
 * where one end would wait for the other (delayed acknowledgements, timers) the rows by the wall clock show it.
 */
import type { AddressInfo } from 'node:net';
import nodeTls from 'node:tls';
import * as tlsession from '../src/entry/index.ts';
import { compare, cpuNs, type Plan, type Report, type Row, takeTurns } from './harness.ts';
import { type Identity, makeIdentity, type Stack, StackProcess } from './stack-process.ts';

type Suite = 'AES-256-GCM' | 'AES-128-GCM' | 'ChaCha20';
type Version = 'TLSv1.3' | 'TLSv1.2';

interface Order {
  readonly kind: 'up' | 'down' | 'echo';
  readonly version: Version;
  readonly suite: Suite;
  /** Bytes of a write. */
  readonly chunk: number;
  /** Bytes one way in all; for an echo, messages. */
  readonly amount: number;
  readonly by: 'cpu' | 'wall';
}

/** The part of a TLS socket that both stacks share. */
interface Socket {
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: (...args: never[]) => void): unknown;
  removeAllListeners(event: string): unknown;
  write(data: Uint8Array): boolean;
  resume(): unknown;
  destroy(): unknown;
  getCipher(): { standardName: string } | undefined;
}

interface Server {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
  close(done: () => void): unknown;
}

interface Module {
  createServer(options: Record<string, unknown>, onConnection: (socket: Socket) => void): Server;
  connect(options: Record<string, unknown>, onSecure: () => void): Socket;
}

const SUITES: Record<Version, Record<Suite, string>> = {
  'TLSv1.3': {
    'AES-256-GCM': 'TLS_AES_256_GCM_SHA384',
    'AES-128-GCM': 'TLS_AES_128_GCM_SHA256',
    ChaCha20: 'TLS_CHACHA20_POLY1305_SHA256',
  },
  'TLSv1.2': {
    'AES-256-GCM': 'ECDHE-ECDSA-AES256-GCM-SHA384',
    'AES-128-GCM': 'ECDHE-ECDSA-AES128-GCM-SHA256',
    ChaCha20: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  },
};

/** Writes `amount` bytes in chunks, as far as the socket takes them. */
function pour(socket: Socket, chunk: Uint8Array, amount: number): void {
  let left = amount;
  const more = (): void => {
    while (left > 0) {
      const piece = left >= chunk.length ? chunk : chunk.subarray(0, left);
      left -= piece.length;
      if (!socket.write(piece) && left > 0) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

/** Takes in `amount` bytes. */
function drain(socket: Socket, amount: number): Promise<void> {
  return new Promise((done) => {
    let left = amount;
    socket.removeAllListeners('data');
    socket.on('data', (data: Uint8Array) => {
      left -= data.length;
      if (left === 0) done();
    });
    socket.resume();
  });
}

async function echo(near: Socket, far: Socket, message: Uint8Array, count: number): Promise<void> {
  far.removeAllListeners('data');
  far.on('data', (data: Uint8Array) => far.write(data));
  await new Promise<void>((done) => {
    let left = count;
    let missing = message.length;
    near.removeAllListeners('data');
    near.on('data', (data: Uint8Array) => {
      missing -= data.length;
      if (missing > 0) return;
      missing = message.length;
      if (--left === 0) done();
      else near.write(message);
    });
    near.resume();
    far.resume();
    near.write(message);
  });
}

class Streams implements Stack<Order> {
  readonly #module: Module;
  readonly #identity: Identity;
  /** One connection a version and suite, which lives as long as the process. */
  readonly #pairs: Map<string, Promise<{ near: Socket; far: Socket; server: Server }>> = new Map();

  constructor(module: Module, identity: Identity) {
    this.#module = module;
    this.#identity = identity;
  }

  async measure({ kind, version, suite, chunk, amount, by }: Order): Promise<number> {
    const { near, far } = await this.#pair(version, suite);
    const bytes = new Uint8Array(chunk).fill(0x61);
    const began = by === 'cpu' ? cpuNs() : performance.now() * 1e6;
    if (kind === 'echo') await echo(near, far, bytes, amount);
    else {
      const [from, to] = kind === 'up' ? [near, far] : [far, near];
      const arrived = drain(to, amount);
      pour(from, bytes, amount);
      await arrived;
    }
    const ns = (by === 'cpu' ? cpuNs() : performance.now() * 1e6) - began;
    // Bytes a microsecond are megabytes a second; echoes a millisecond are thousands.
    return kind === 'echo' ? amount / (ns / 1e9) : amount / (ns / 1e3);
  }

  #pair(version: Version, suite: Suite): Promise<{ near: Socket; far: Socket; server: Server }> {
    const name = `${version} ${suite}`;
    let pair = this.#pairs.get(name);
    if (pair === undefined) {
      pair = this.#open(version, suite);
      this.#pairs.set(name, pair);
    }
    return pair;
  }

  async #open(version: Version, suite: Suite): Promise<{ near: Socket; far: Socket; server: Server }> {
    const { ca, cert, key } = this.#identity;
    const common = { minVersion: version, maxVersion: version, ciphers: SUITES[version][suite] };
    let accepted: (socket: Socket) => void;
    const atServer = new Promise<Socket>((done) => {
      accepted = done;
    });
    const server = this.#module.createServer({ ...common, cert, key }, (socket) => accepted(socket));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const options = { ...common, ca, host: '127.0.0.1', port, servername: 'localhost' };
    const near = await new Promise<Socket>((done) => {
      const socket = this.#module.connect(options, () => done(socket));
    });
    const far = await atServer;
    const agreed = near.getCipher()?.standardName ?? 'nothing';
    const wanted = suite === 'ChaCha20' ? 'CHACHA20' : suite.replaceAll('-', '_');
    if (!agreed.includes(wanted)) throw new Error(`${version}: wanted ${suite}, got ${agreed}`);
    return { near, far, server };
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs.values()) {
      const { near, far, server } = await pair;
      near.destroy();
      far.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    }
  }
}

/** One stack, to be asked for figures from another process. */
export async function streamStack(name: string): Promise<Stack<Order>> {
  const module = name === 'tlsession' ? tlsession : nodeTls;
  return new Streams(module as unknown as Module, await makeIdentity());
}

const KIB = 1024;
const MIB = 1024 * KIB;

function size(bytes: number): string {
  return bytes >= MIB ? `${bytes / MIB} MiB` : bytes >= KIB ? `${bytes / KIB} KiB` : `${bytes} B`;
}

type Case = Order & { readonly target: number | null };

function cases(smoke: boolean): Case[] {
  const list: Case[] = [];
  const add = (
    kind: Order['kind'],
    version: Version,
    suite: Suite,
    chunk: number,
    target: number | null = null,
    by: Order['by'] = 'cpu',
  ): void => {
    const usual = kind === 'echo' ? 4096 : chunk < KIB ? 4 * MIB : 64 * MIB;
    list.push({ kind, version, suite, chunk, amount: smoke ? usual >> 10 : usual, by, target });
  };
  const TARGET = 0.6;
  for (const kind of ['up', 'down'] as const) {
    for (const chunk of [64, KIB, 16 * KIB, MIB]) add(kind, 'TLSv1.3', 'AES-256-GCM', chunk, TARGET);
  }
  add('down', 'TLSv1.3', 'AES-256-GCM', 16 * KIB, TARGET, 'wall');
  add('down', 'TLSv1.3', 'AES-128-GCM', 16 * KIB, TARGET);
  add('down', 'TLSv1.3', 'ChaCha20', 16 * KIB, TARGET);
  for (const chunk of [64, KIB, 16 * KIB, MIB]) add('down', 'TLSv1.2', 'AES-256-GCM', chunk, TARGET);
  add('up', 'TLSv1.2', 'AES-256-GCM', 16 * KIB, TARGET);
  add('down', 'TLSv1.2', 'ChaCha20', 16 * KIB, TARGET);
  for (const chunk of [64, KIB, 16 * KIB]) add('echo', 'TLSv1.3', 'AES-256-GCM', chunk, TARGET);
  add('echo', 'TLSv1.3', 'AES-256-GCM', 64, TARGET, 'wall');
  add('echo', 'TLSv1.3', 'ChaCha20', 64, TARGET);
  add('echo', 'TLSv1.2', 'AES-256-GCM', 64, TARGET);
  return list;
}

function named({ kind, version, suite, chunk, by }: Case): string {
  const way: string = { up: 'client to server', down: 'server to client', echo: 'echo' }[kind];
  return `${way}, ${version.slice(4)} ${suite}, ${size(chunk)}${by === 'wall' ? ', by the wall clock' : ''}`;
}

export async function stream(plan: Plan): Promise<Report> {
  using ours = new StackProcess<Order>('stream', 'tlsession');
  using node = new StackProcess<Order>('stream', 'node:tls');
  const rows: Row[] = [];
  for (const each of cases(plan.smoke)) {
    if (!named(each).includes(plan.only)) continue;
    plan.say(named(each));
    const samples = await takeTurns(plan, {
      tlsession: () => ours.measure(each),
      'node:tls': () => node.measure(each),
    });
    const unit = each.kind === 'echo' ? '1/s' : 'MB/s';
    rows.push({
      ...compare(named(each), unit, samples.tlsession, 'node:tls', samples['node:tls'], each.target),
      atLeast: true,
    });
  }
  return {
    title: 'stream: application data by CPU time, both ends in one process a stack, TCP on loopback',
    rows,
    facts: { node: process.version, OpenSSL: process.versions.openssl },
  };
}
