/** node-peer.mjs as an object: stock node:tls of some version, asked over its standard input. */
import { join } from 'node:path';
import { type RunningPeer, spawnPeer } from '../support/peer.ts';

export interface Seen {
  readonly protocol: string;
  /** IANA's name. */
  readonly cipher: string;
  readonly reused: boolean;
  readonly group: string | null;
  readonly alpn: string | false;
  /** Whether the other end showed a certificate. */
  readonly certificate: boolean;
  /** Hexadecimal. */
  readonly exported: string | null;
  readonly stapled?: string | null;
  readonly text?: string;
  readonly error?: string | null;
  readonly ended?: boolean;
  readonly closed?: boolean;
}

export class NodePeer implements AsyncDisposable {
  readonly #peer: RunningPeer;
  #lastId = 0;

  constructor(node: string) {
    this.#peer = spawnPeer(node, [join(import.meta.dirname, 'node-peer.mjs')]);
  }

  get pid(): number {
    return this.#peer.pid;
  }

  /** Starts a server that echoes; the port. `more`: see node-peer.mjs. */
  async listen(options: object, more: object = {}): Promise<number> {
    const { port } = (await this.#ask({ do: 'listen', options, more })) as { port: number };
    return port;
  }

  /** Connects so many times, each with the session of the one before, and has `hello` echoed. */
  async visit(options: object, times = 2, more: object = {}): Promise<Seen[]> {
    const { visits } = (await this.#ask({ do: 'visit', options, times, more })) as { visits: Seen[] };
    return visits;
  }

  /** What the server on that port saw since the last question; with `over` only connections that are. */
  async seen(port: number, over = false): Promise<Seen[]> {
    const { seen } = (await this.#ask({ do: 'seen', port, more: { over } })) as { seen: Seen[] };
    return seen;
  }

  async #ask(question: object): Promise<object> {
    const id = ++this.#lastId;
    this.#peer.stdin.write(`${JSON.stringify({ id, ...question })}\n`);
    const [line] = await this.#peer.waitFor(new RegExp(`^\\{"id":${id},.*$`, 'm'));
    const answer = JSON.parse(line) as { error?: string };
    if (answer.error !== undefined) throw new Error(`node:tls says: ${answer.error}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.stop();
  }
}
