/**
 * What sockets and servers say, with types: @types/node's declarations know the events of node:tls alone, and of a
 * Duplex. Any other event is still taken, as there.
 */
import type { EventEmitter } from 'node:events';
import { Server as NetServer, type ServerOpts, type Socket } from 'node:net';
import { Duplex, type DuplexOptions } from 'node:stream';
import type { EarlyDataReason } from '../session/resumption-reason.ts';
import type { TLSSocket } from './socket.ts';

/** By name, with the arguments of their listeners. */
export interface TLSSocketEvents {
  close: [hadError: boolean];
  connect: [];
  connectionAttempt: [ip: string, port: number, family: number];
  connectionAttemptFailed: [ip: string, port: number, family: number, error: Error];
  connectionAttemptTimeout: [ip: string, port: number, family: number];
  data: [data: Buffer];
  drain: [];
  /** Server: early data that nobody takes in the stream. */
  earlyData: [data: Buffer];
  /** Whether early data is taken, and why not. */
  earlyDataStatus: [accepted: boolean, reason: EarlyDataReason | null];
  end: [];
  error: [error: Error];
  finish: [];
  keylog: [line: Buffer];
  lookup: [error: Error, address: string, family: string | number, host: string];
  OCSPResponse: [response: Buffer | null];
  ready: [];
  secure: [];
  secureConnect: [];
  session: [session: Buffer];
  timeout: [];
}

/** By name, with the arguments of their listeners. */
export interface ServerEvents {
  close: [];
  connection: [socket: Socket];
  /** Early data of a client is taken: its first bytes are in the stream. */
  earlyConnection: [socket: TLSSocket];
  error: [error: Error];
  keylog: [line: Buffer, socket: TLSSocket];
  listening: [];
  newSession: [id: Buffer, session: Buffer, done: () => void];
  OCSPRequest: [
    certificate: Buffer,
    issuer: Buffer,
    done: (error: Error | null, response?: Uint8Array | null) => void,
  ];
  resumeSession: [id: Buffer, done: (error: Error | null, session?: Uint8Array | null) => void];
  secureConnection: [socket: TLSSocket];
  tlsClientError: [error: Error, socket: TLSSocket];
}

type Name = string | symbol;
/** Of any arguments. */
type Listener = Parameters<EventEmitter['on']>[1];

export interface TypedDuplex extends Duplex {
  on<E extends keyof TLSSocketEvents>(event: E, listener: (...args: TLSSocketEvents[E]) => void): this;
  on(event: Name, listener: Listener): this;
  once<E extends keyof TLSSocketEvents>(event: E, listener: (...args: TLSSocketEvents[E]) => void): this;
  once(event: Name, listener: Listener): this;
}

export interface TypedServer extends NetServer {
  on<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): this;
  on(event: Name, listener: Listener): this;
  once<E extends keyof ServerEvents>(event: E, listener: (...args: ServerEvents[E]) => void): this;
  once(event: Name, listener: Listener): this;
}

type Statics<T> = Omit<T, 'prototype'>;

/** Duplex itself. */
export const SocketBase: Statics<typeof Duplex> & (new (options?: DuplexOptions) => TypedDuplex) = Duplex;
/** net.Server itself. */
export const ServerBase: Statics<typeof NetServer> & (new (options?: ServerOpts) => TypedServer) = NetServer;
