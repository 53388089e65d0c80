/**
 * Our end of the matrix: servers and clients of src/net, made by their parts, so that what is not an option of
 * theirs (early data of a client, and who hears a server's) can be put in beneath them.
 */
import { once } from 'node:events';
import { type AddressInfo, connect as netConnect, createServer as netServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ConnectOptions,
  createSecureContext,
  type SecureContext,
  type ServerOptions,
  type TLSSocket,
} from '../../src/entry/index.ts';
import type { ClientConfig, ServerConfig } from '../../src/handshake/config.ts';
import { takeSessionInput } from '../../src/net/session-input.ts';
import { clientSetup, serverSetup } from '../../src/net/setup.ts';
import { TLSSocket as Secure, type SocketListener } from '../../src/net/socket.ts';
import { NamedGroup } from '../../src/util/registries.ts';

/** What goes in beneath a socket, and is no option of it. */
export interface Beneath<Config> {
  readonly config?: Partial<Config>;
}

/** What one connection of our server came to. */
export interface Served {
  readonly socket: TLSSocket;
  early: string;
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
  readonly beneath?: Beneath<ServerConfig>;
  /** An OCSP response to staple. */
  readonly status?: Uint8Array;
  readonly onData?: Behaviour;
  readonly onEnd?: (served: Served) => void;
  readonly onSecure?: (socket: TLSSocket) => void;
}

export async function serve(options: OurServerOptions): Promise<OurServer> {
  const { beneath, onData = echo, onEnd, onSecure } = options;
  const context = createSecureContext(options);
  const { status } = options;
  const setup = serverSetup(context, options, {
    keyLog: true,
    statefulTickets: options.statefulTickets ?? false,
    stored: () => undefined,
    ocsp: status === undefined ? null : (_certificate, _issuer, done) => done(null, Buffer.from(status)),
  });
  const config: ServerConfig = { ...setup.config, ...beneath?.config };
  const served: Served[] = [];
  const failures: Error[] = [];
  const keyLog: string[] = [];
  const sockets = new Set<Secure>();
  const listener: SocketListener = {
    secure(socket) {
      const one = served.find((other) => other.socket === socket) as Served;
      onSecure?.(socket);
      socket.on('data', (chunk: Buffer) => {
        one.text += chunk.toString('latin1');
        onData(one, chunk);
      });
      socket.on('end', () => {
        one.ended = socket.engine.closeReceived;
        if (onEnd === undefined) socket.end();
        else onEnd(one);
      });
    },
    settled() {},
    failed(socket, error) {
      // The engine's own, with its reason: the socket's has the words of node:tls.
      failures.push(socket.engine.error ?? error);
    },
    keylog(line) {
      keyLog.push(line.toString('latin1').trim());
    },
  };
  const server = netServer({ allowHalfOpen: true, noDelay: true }, (tcp) => {
    const socket = new Secure(tcp, {
      setup,
      config,
      listener,
      session: null,
      sessions: null,
      allowHalfOpen: true,
      handshakeTimeoutMs: 0,
      readsDirectly: false,
      connecting: false,
      target: null,
    });
    const one: Served = { socket, early: '', text: '', ended: false, closed: false };
    served.push(one);
    sockets.add(socket);
    socket.on('error', () => {});
    // Before the handshake is complete: there is no other moment for it.
    socket.on('earlyData', (chunk: Buffer) => {
      one.early += chunk.toString('latin1');
    });
    socket.on('close', () => {
      one.closed = true;
      sockets.delete(socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    context,
    served,
    failures,
    keyLog,
    over: async (index) => {
      await until(() => served[index]?.closed === true, `connection ${index} of our server ends`);
      return served[index] as Served;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
      context.destroy();
    },
  };
}

/** Waits until something holds, which it must within 15 s. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 15_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await delay(5);
  }
}

/** A connection of our client. */
export class OurClient implements AsyncDisposable {
  readonly socket: Secure;
  readonly sessions: Buffer[] = [];
  readonly keyLog: string[] = [];
  text = '';
  error: Error | null = null;
  closed = false;
  /** Bytes of early data that went out. */
  earlySent = 0;
  /** The peer's close_notify came, and not the transport's end alone. */
  ended = false;
  /** Of the first session's ticket; 0 for none. */
  ticketLength = 0;

  constructor(options: OurClientOptions) {
    const { beneath, early } = options;
    const context = createSecureContext(options);
    const setup = clientSetup(context, options);
    const session =
      options.session === undefined || options.session === null
        ? null
        : takeSessionInput(options.session, context.clock.wallMs());
    const config: ClientConfig = {
      ...setup.config,
      serverName: options.servername ?? 'localhost',
      port: Number(options.port),
      session,
      ticketReuse: options.reuseTickets ?? false,
      keyLog: true,
      // As connect() does: who knows no ML-KEM must not have to ask again.
      keyShareCount: setup.config.groups[0] === NamedGroup.x25519mlkem768 ? 2 : 1,
      earlyData: early !== undefined,
      ...beneath?.config,
    };
    const tcp: Socket = netConnect({ port: Number(options.port), host: '127.0.0.1', allowHalfOpen: true });
    const socket = new Secure(tcp, {
      setup,
      config,
      listener: null,
      session,
      sessions: null,
      allowHalfOpen: true,
      handshakeTimeoutMs: 0,
      readsDirectly: false,
      connecting: true,
      target: null,
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
      context.destroy();
    });
    if (early !== undefined) {
      socket.once('connect', () => {
        // The hello has been made by then, and the first flight leaves with what is written now.
        process.nextTick(() => {
          this.earlySent = socket.engine.writeEarly(Buffer.from(early));
          socket.jobSettled();
        });
      });
    }
  }

  get info(): Secure['info'] {
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
  readonly beneath?: Beneath<ClientConfig>;
  readonly early?: string;
}
