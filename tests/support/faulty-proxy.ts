/** A TCP proxy between a client and a server that does to the connection what networks and servers do. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `garbage` answers whatever comes with bytes of its own; `silent` takes it and says nothing. */
export type ProxyMode = 'pass' | 'slow' | 'garbage' | 'silent' | 'refuse';

export class FaultyProxy implements AsyncDisposable {
  mode: ProxyMode = 'pass';
  target: number;
  /** Milliseconds that answers take when `slow`. */
  delayMs = 500;
  readonly #server: Server;
  readonly #sockets: Set<Socket> = new Set();

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Ends every connection that there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    if (this.mode === 'refuse') {
      client.destroy();
      return;
    }
    const server = connect(this.target, '127.0.0.1');
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      if (this.mode === 'garbage') client.write(Buffer.from('\u0000!?garbage\r\n$-7\r\nxyz%\r\n', 'latin1'));
      else if (this.mode !== 'silent') server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => {
      if (this.mode === 'slow') setTimeout(() => client.write(chunk), this.delayMs);
      else if (this.mode !== 'silent' && this.mode !== 'garbage') client.write(chunk);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }
}
