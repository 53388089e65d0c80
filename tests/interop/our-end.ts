/** Our end of the matrix: servers and clients as applications make them, with what they saw kept. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  type ConnectOptions,
  connect,
  createServer,
  type SecureContext,
  type ServerOptions,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { until } from '../support/until.ts';

/** What one connection of our server came to. */
export interface Served {
  readonly socket: TLSSocket;
  text: string;
  /** close_notify came. */
  ended: boolean;
  /** All is over. */
  closed: boolean;
}

export interface OurServer extends AsyncDisposable {
  readonly port: number;
  readonly context: SecureContext;
  readonly served: readonly Served[];
  /** The engine's errors, with their reasons. */
  readonly failures: readonly Error[];
  readonly keyLog: readonly string[];
  /** The nth connection, once it is there and over. */
  over(index: number): Promise<Served>;
}

export type Behaviour = (served: Served, chunk: Buffer) => void;

/** Gives back what came, or answers a request of HTTP with it. */
export const echo: Behaviour = ({ socket, text }, chunk) => {
  if (!text.startsWith('GET ')) {
    socket.write(chunk);
  } else if (text.endsWith('\r\n\r\n')) {
    const line = /^GET \/(\S*)/.exec(text)?.[1] ?? '';
    // Without a length: where it ends is for close_notify to say.
    socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n${line}\n`);
  }
};

export interface OurServerOptions extends ServerOptions {
  /** An OCSP response to staple. */
  readonly status?: Uint8Array;
  readonly onData?: Behaviour;
  readonly onEnd?: (served: Served) => void;
  readonly onSecure?: (socket: TLSSocket) => void;
}

export async function serve(options: OurServerOptions): Promise<OurServer> {
  const { onData = echo, onEnd, onSecure, status } = options;
  const served: Served[] = [];
  const failures: Error[] = [];
  const keyLog: string[] = [];
  const server = createServer({ ...options, allowHalfOpen: true }, (socket) => {
    const one: Served = { socket, text: '', ended: false, closed: false };
    served.push(one);
    onSecure?.(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      one.text += chunk.toString('latin1');
      onData(one, chunk);
    });
    socket.on('end', () => {
      one.ended = socket.engine.closeReceived;
      if (onEnd === undefined) socket.end();
      else onEnd(one);
    });
    socket.on('close', () => {
      one.closed = true;
    });
  });
  server.on('tlsClientError', (error: Error, socket: TLSSocket) =>
    failures.push(socket.engine.error ?? error),
  );
  server.on('keylog', (line: Buffer) => keyLog.push(line.toString('latin1').trim()));
  if (status !== undefined) {
    const answer = Buffer.from(status);
    server.on(
      'OCSPRequest',
      (_certificate: Buffer, _issuer: Buffer, done: (error: Error | null, response: Buffer) => void) =>
        done(null, answer),
    );
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    context: server.context,
    served,
    failures,
    keyLog,
    over: async (index) => {
      await until(() => served[index]?.closed === true, `connection ${index} of our server ends`);
      return served[index] as Served;
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of served) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
      server.context.destroy();
    },
  };
}

/** A connection of our client. */
export class OurClient implements AsyncDisposable {
  readonly socket: TLSSocket;
  readonly sessions: Buffer[] = [];
  readonly keyLog: string[] = [];
  text = '';
  error: Error | null = null;
  closed = false;
  /** The peer's close_notify came, and not the transport's end alone. */
  ended = false;
  /** Of the first session's ticket; 0 for none. */
  ticketLength = 0;

  constructor(options: OurClientOptions) {
    const { early } = options;
    const socket = connect({
      host: '127.0.0.1',
      servername: 'localhost',
      allowHalfOpen: true,
      ...options,
      earlyData: early !== undefined,
    });
    this.socket = socket;
    socket.on('keylog', (line: Buffer) => this.keyLog.push(line.toString('latin1').trim()));
    socket.on('session', (bytes: Buffer) => {
      if (this.sessions.length === 0) this.ticketLength = socket.getTLSTicket()?.length ?? 0;
      this.sessions.push(bytes);
    });
    socket.on('end', () => {
      this.ended = socket.engine.closeReceived;
    });
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
    });
    socket.on('error', (error: Error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
    });
    if (early !== undefined) socket.write(early);
  }

  get info(): TLSSocket['info'] {
    return this.socket.info;
  }

  /** The handshake is complete, or has failed. */
  async settled(): Promise<void> {
    await until(() => this.socket.isSecure || this.closed, 'the handshake of our client');
  }

  async secure(): Promise<void> {
    await this.settled();
    if (!this.socket.isSecure) throw this.error ?? new Error('closed before it was secure');
  }

  async hears(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.text) || this.closed, `our client hears ${pattern}`);
    if (!pattern.test(this.text)) {
      throw this.error ?? new Error(`closed, having heard ${JSON.stringify(this.text)}`);
    }
  }

  /** Waits for a session that can be resumed. */
  async session(): Promise<Buffer> {
    await until(() => this.sessions.length > 0 || this.closed, 'a session comes');
    const [session] = this.sessions;
    if (session === undefined) throw this.error ?? new Error('closed before a session came');
    return session;
  }

  async end(): Promise<void> {
    this.socket.end();
    await until(() => this.closed, 'the connection of our client ends');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await until(() => this.closed, 'the connection of our client ends');
  }
}

export interface OurClientOptions extends ConnectOptions {
  /** Written before anything else, to go out as early data. */
  readonly early?: string;
}
