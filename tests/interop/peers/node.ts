/** Stock node:tls of some version, in a process of its own. */

import { until } from '../../support/until.ts';
import { NodePeer, type Seen } from '../node-peer.ts';
import type { Version } from '../table.ts';
import {
  CannotError,
  type ClientPeer,
  type ClientReport,
  type ClientWish,
  type CommonWish,
  cannot,
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

class NodeClient implements ClientPeer {
  readonly tellsEnd = false;
  readonly endsBy = 'close_notify';
  readonly #node: string;
  /** One process for all visits. */
  #peer: NodePeer | null = null;

  constructor(node: string) {
    this.#node = node;
  }

  async dispose(): Promise<void> {
    await this.#peer?.[Symbol.asyncDispose]();
  }

  async visit(wish: ClientWish): Promise<readonly ClientReport[]> {
    cannot('tls.connect', wish, ['early', 'compression', 'updateKeys']);
    const { identity, visits = 1, psk, exporter, keyLog, status, secondLine, endEarly, stay } = wish;
    this.#peer ??= new NodePeer(this.#node);
    const peer = this.#peer;
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
      ...(secondLine ? { secondLine: 'again\n' } : {}),
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
      // enableTrace would say, but a pipe that is full loses what it writes.
      keyUpdates: null,
      // It takes a cut for an end.
      end: null,
      output: one.error ?? '',
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
  /** One process for all servers, until one is to be killed. */
  #peer: NodePeer | null = null;

  constructor(node: string) {
    this.#node = node;
  }

  async dispose(): Promise<void> {
    await this.#peer?.[Symbol.asyncDispose]();
  }

  async serve(wish: ServerWish): Promise<ServingPeer> {
    cannot('tls.createServer', wish, ['early', 'compression']);
    if (wish.noTickets && wish.version === '1.3') cannot('tls.createServer', wish, ['noTickets']);
    const { identity, clientCertificate, psk, exporter, keyLog, status, noTickets, http } = wish;
    this.#peer ??= new NodePeer(this.#node);
    const peer = this.#peer;
    const port = await peer.listen(
      {
        ...commonOptions(wish),
        cert: identity.chain,
        key: identity.key,
        ...(clientCertificate === undefined
          ? {}
          : { requestCert: true, rejectUnauthorized: clientCertificate === 'required' }),
      },
      { psk, exporter, keyLog, status, noTickets, http },
    );
    return new NodeServing(port, peer, http === true, () => {
      this.#peer = null;
    });
  }
}

class NodeServing implements ServingPeer {
  readonly refusesEarlyBy = 'retry';
  readonly tellsEnd = false;
  readonly endsBy = 'close_notify';
  readonly oneLine = false;
  readonly refusesBy = 'hanging up';
  readonly early = { text: 'early bytes\n', answered: false };
  readonly port: number;
  readonly #peer: NodePeer;
  readonly line = 'hello\n';
  readonly answer: RegExp;
  readonly #waiting: Seen[] = [];
  readonly #doom: () => void;
  #doomed = false;

  /** `doom` is called when its process is to be killed. */
  constructor(port: number, peer: NodePeer, http: boolean, doom: () => void) {
    this.port = port;
    this.#peer = peer;
    this.#doom = doom;
    this.answer = http ? /^after the end$/m : /^hello$/m;
  }

  get pid(): number {
    this.#doomed = true;
    this.#doom();
    return this.#peer.pid;
  }

  async respond(): Promise<void> {}

  async report(): Promise<ServerReport> {
    const one = await until(async () => {
      if (this.#waiting.length === 0) this.#waiting.push(...(await this.#peer.seen(this.port, true)));
      return this.#waiting.shift();
    }, 'node:tls sees a connection end');
    const connected = one.protocol !== undefined;
    return {
      connected,
      reused: connected ? one.reused : null,
      protocol: connected ? protocolOf(one) : null,
      early: false,
      clientCertificate: connected ? one.certificate : null,
      alpn: one.alpn || null,
      exported: one.exported ?? null,
      keyUpdates: null,
      end: null,
      output: one.error ?? '',
    };
  }

  async updateKeys(): Promise<void> {
    throw new CannotError('tls.createServer', 'update keys');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#doomed) await this.#peer[Symbol.asyncDispose]();
  }
}

export function nodePeer(node: string): Peer {
  const client = new NodeClient(node);
  const server = new NodeServer(node);
  return {
    client,
    server,
    async dispose() {
      await client.dispose();
      await server.dispose();
    },
  };
}
