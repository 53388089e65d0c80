import { connect, type Socket } from 'node:net';

/** A socket as a queue of bytes to be taken, in which nothing happens between two `await`s. */
export class SocketQueue {
  readonly #socket: Socket;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.wake();
    };
    socket.on('end', end);
    socket.on('close', end);
    // A runner that is content closes without reading all: what matters has arrived before.
    socket.on('error', end);
  }

  /** No more bytes will come. Those that came before may still wait to be taken. */
  get hasEnded(): boolean {
    return this.#ended && this.#chunks.length === 0;
  }

  /** At most `limit` bytes, or null when none are there. */
  take(limit: number): Uint8Array | null {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return null;
    if (chunk.length <= limit) {
      this.#chunks.shift();
      return chunk;
    }
    this.#chunks[0] = chunk.subarray(limit);
    return chunk.subarray(0, limit);
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes);
  }

  /** Until more bytes, the end, or a call of `wake`: whoever waits has looked at what is there before. */
  async wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Half-closes and drains: a peer that is still writing must see our last bytes and no reset. */
  async close(): Promise<void> {
    if (!this.#socket.destroyed) this.#socket.end();
    while (!this.#ended) {
      this.#chunks = [];
      await this.wait();
    }
    this.#chunks = [];
    this.#socket.destroy();
  }
}

/** Connects to the runner. The address is a number: resolving a name could give the other family first. */
export async function dial(port: number, gone: AbortSignal): Promise<SocketQueue> {
  let failure: unknown = null;
  for (const host of ['::1', '127.0.0.1']) {
    try {
      const socket = connect({ host, port, noDelay: true });
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
      });
      const queue = new SocketQueue(socket);
      gone.addEventListener('abort', () => socket.destroy(), { once: true });
      return queue;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
