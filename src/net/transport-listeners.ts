/**
 * What a secure socket hears from the transport beneath. One set of listeners serves all sockets: each finds its
 * socket on the transport, so that a connection costs no closure.
 */
import type { Duplex } from 'node:stream';
import { notBytes } from './transport.ts';

const kSocket: unique symbol = Symbol('tlsession');
type Carrier<T> = Duplex & { [kSocket]?: T };

/** What is done with a socket when its transport has something to say. */
export interface TransportHooks<T> {
  /** It is connected. */
  connected(socket: T): void;
  received(socket: T, chunk: Uint8Array): void;
  ended(socket: T): void;
  closed(socket: T): void;
  drained(socket: T): void;
  broken(socket: T, error: Error): void;
  /** Something else that a net.Socket says on its way to being connected. */
  told(socket: T, event: string, args: unknown[]): void;
}

type Listener = (this: Duplex, ...args: unknown[]) => void;

/** Said by a net.Socket that connects. */
const ON_THE_WAY = [
  'lookup',
  'connectionAttempt',
  'connectionAttemptFailed',
  'connectionAttemptTimeout',
  'ready',
];

export class TransportListeners<T> {
  readonly #always: Readonly<Record<string, Listener>>;
  readonly #data: Listener;
  readonly #connect: Readonly<Record<string, Listener>>;
  /** For net.connect's `onread`: the bytes are good for this call. */
  readonly onRead: (this: unknown, length: number, buffer: Uint8Array) => boolean;

  constructor(hooks: TransportHooks<T>) {
    const of = (transport: Duplex): T => (transport as Carrier<T>)[kSocket] as T;
    this.#data = function (chunk): void {
      if (chunk instanceof Uint8Array) hooks.received(of(this), chunk);
      else hooks.broken(of(this), notBytes());
    };
    this.#always = {
      end() {
        hooks.ended(of(this));
      },
      close() {
        hooks.closed(of(this));
      },
      error(error) {
        hooks.broken(of(this), error as Error);
      },
      drain() {
        hooks.drained(of(this));
      },
    };
    const connect: Record<string, Listener> = {
      connect() {
        hooks.connected(of(this));
      },
    };
    for (const event of ON_THE_WAY) {
      connect[event] = function (...args): void {
        hooks.told(of(this), event, args);
      };
    }
    this.#connect = connect;
    this.onRead = function (length, buffer): boolean {
      // The first bytes may come before there is a socket to take them: then there is nobody who wants them.
      const socket = (this as Carrier<T>)[kSocket];
      if (socket !== undefined) hooks.received(socket, buffer.subarray(0, length));
      return true;
    };
  }

  /** `readsDirectly`: its bytes go to `onRead`, and not into `data` events. */
  attach(transport: Duplex, socket: T, readsDirectly: boolean, connecting: boolean): void {
    (transport as Carrier<T>)[kSocket] = socket;
    if (!readsDirectly) transport.on('data', this.#data);
    // Whoever spoke on it before (STARTTLS) may have paused it.
    if (transport.isPaused()) transport.resume();
    for (const event in this.#always) transport.on(event, this.#always[event] as Listener);
    if (!connecting) return;
    for (const event in this.#connect) transport.on(event, this.#connect[event] as Listener);
  }

  /** Whatever the transport says from now on is nobody's business. */
  letGo(transport: Duplex, connecting: boolean): void {
    transport.off('data', this.#data);
    for (const event in this.#always) transport.off(event, this.#always[event] as Listener);
    if (connecting) {
      for (const event in this.#connect) transport.off(event, this.#connect[event] as Listener);
    }
    transport.on('error', ignore);
  }
}

function ignore(): void {}
