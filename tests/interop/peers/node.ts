/** Stock node:tls of some version, in a process of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import { NodePeer, type Seen } from '../node-peer.ts';
import type { Version } from '../table.ts';
import {
  CannotError,
  type ClientPeer,
  type ClientReport,
  type ClientWish,
  type CommonWish,
  cannot,
  count,
  type Peer,
  type ServerPeer,
  type ServerReport,
  type ServerWish,
  type ServingPeer,
} from './contract.ts';

function commonOptions({ version, trust, groups, alpn }: CommonWish): Record<string, unknown> {
  return {
    ca: trust,
    minVersion: `TLSv${version}`,
    maxVersion: `TLSv${version}`,
    ...(groups === undefined ? {} : { ecdhCurve: groups.join(':') }),
    ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
  };
}

function protocolOf(seen: Seen): Version | null {
  return (/^TLSv(1\.[23])$/.exec(seen.protocol)?.[1] as Version | undefined) ?? null;
}

/** Of SSL_trace(3). It never asks for an update by itself: what is asked for is ours, what is not its answer. */
function updatesIn(text: string): readonly [number, number] {
  return [count(text, /update_not_requested \(0\)/g), count(text, /update_requested \(1\)/g)];
}

class NodeClient implements ClientPeer {
  readonly endsBy = 'close_notify';
  readonly #node: string;

  constructor(node: string) {
    this.#node = node;
  }

  async visit(wish: ClientWish): Promise<readonly ClientReport[]> {
    cannot('tls.connect', wish, ['early', 'compression', 'updateKeys']);
    const { identity, visits = 1, psk, exporter, keyLog, status, secondLine, endEarly, stay } = wish;
    await using peer = new NodePeer(this.#node);
    const options = {
      ...commonOptions(wish),
      port: wish.port,
      ...(identity === undefined ? {} : { cert: identity.chain, key: identity.key }),
      ...(status ? { requestOCSP: true } : {}),
    };
    const more = {
      line: 'hello\n',
      noSession: visits === 1,
      mayFail: true,
      ...{ psk, exporter, keyLog, endEarly, stay },
      ...(secondLine ? { secondLine: 'again\n', trace: true } : {}),
    };
    let seen: Seen[];
    try {
      seen = await peer.visit(options, visits, more);
    } catch (error) {
      return [failed((error as Error).message)];
    }
    return seen.map((one) => ({
      connected: one.text !== undefined && one.text !== '',
      reused: one.reused,
      protocol: protocolOf(one),
      heard: one.text ?? '',
      early: 'none',
      group: one.group,
      alpn: one.alpn || null,
      exported: one.exported,
      stapled: typeof one.stapled === 'string',
      keyUpdates: updatesIn(peer.trace),
      // It takes a cut for an end.
      end: null,
      output: `${one.error ?? ''}\n${peer.trace}`,
    }));
  }
}

function failed(output: string): ClientReport {
  return {
    connected: false,
    reused: false,
    protocol: null,
    heard: '',
    early: 'none',
    group: null,
    alpn: null,
    exported: null,
    stapled: false,
    keyUpdates: null,
    end: null,
    output,
  };
}

class NodeServer implements ServerPeer {
  readonly #node: string;

  constructor(node: string) {
    this.#node = node;
  }

  async serve(wish: ServerWish): Promise<ServingPeer> {
    cannot('tls.createServer', wish, ['early', 'compression']);
    if (wish.noTickets && wish.version === '1.3') cannot('tls.createServer', wish, ['noTickets']);
    const { identity, clientCertificate, psk, exporter, keyLog, status, noTickets, http } = wish;
    const peer = new NodePeer(this.#node);
    try {
      const port = await peer.listen(
        {
          ...commonOptions(wish),
          cert: identity.chain,
          key: identity.key,
          ...(clientCertificate === undefined
            ? {}
            : { requestCert: true, rejectUnauthorized: clientCertificate === 'required' }),
        },
        { psk, exporter, keyLog, status, noTickets, http, trace: http !== true },
      );
      return new NodeServing(port, peer, http === true);
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
  }
}

class NodeServing implements ServingPeer {
  readonly refusesEarlyBy = 'retry';
  readonly endsBy = 'close_notify';
  readonly oneLine = false;
  readonly refusesBy = 'hanging up';
  readonly early = { text: 'early bytes\n', answered: false };
  readonly port: number;
  readonly #peer: NodePeer;
  readonly line = 'hello\n';
  readonly answer: RegExp;
  readonly #waiting: Seen[] = [];
  #traced = 0;

  constructor(port: number, peer: NodePeer, http: boolean) {
    this.port = port;
    this.#peer = peer;
    this.answer = http ? /^after the end$/m : /^hello$/m;
  }

  get pid(): number {
    return this.#peer.pid;
  }

  async respond(): Promise<void> {}

  async report(): Promise<ServerReport> {
    const end = performance.now() + 15_000;
    while (this.#waiting[0] === undefined) {
      this.#waiting.push(...(await this.#peer.seen(this.port, true)));
      if (performance.now() > end) throw new Error('node:tls saw no connection end');
      await delay(10);
    }
    const one = this.#waiting.shift() as Seen;
    const trace = this.#peer.trace.slice(this.#traced);
    this.#traced += trace.length;
    const connected = one.protocol !== undefined;
    return {
      connected,
      reused: connected ? one.reused : null,
      protocol: connected ? protocolOf(one) : null,
      early: false,
      clientCertificate: connected ? one.certificate : null,
      alpn: one.alpn || null,
      exported: one.exported ?? null,
      keyUpdates: updatesIn(trace),
      end: null,
      output: `${one.error ?? ''}\n${trace}`,
    };
  }

  async updateKeys(): Promise<void> {
    throw new CannotError('tls.createServer', 'update keys');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer[Symbol.asyncDispose]();
  }
}

export function nodePeer(node: string): Peer {
  return { client: new NodeClient(node), server: new NodeServer(node) };
}
