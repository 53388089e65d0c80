/**
 * How the scenarios of the matrix ask another program to play its part. A part that a program cannot play
 * throws, so that the cell fails unless table.ts excuses it. What a report says comes from the program's own
 * output, never from our end.
 */
import type { ChainFiles } from '../../support/certs.ts';
import type { RunningPeer } from '../../support/peer.ts';
import type { Version } from '../table.ts';

export interface Psk {
  readonly identity: string;
  readonly keyHex: string;
}

export interface ExporterWish {
  readonly label: string;
  readonly length: number;
}

export interface CommonWish {
  readonly version: Version;
  /** A CA to trust: a path. */
  readonly trust: string;
  /** Names as in IANA's registry or OpenSSL's: X25519, P-384, X25519MLKEM768. */
  readonly groups?: readonly string[];
  readonly alpn?: readonly string[];
  readonly exporter?: ExporterWish;
  readonly psk?: Psk;
  /** Whether certificates may be compressed with zlib (RFC 8879). */
  readonly compression?: boolean;
  /** Where to write the key log. */
  readonly keyLog?: string;
}

export interface ClientWish extends CommonWish {
  readonly port: number;
  /** Connections, each but the first with the session of the first. Default 1. */
  readonly visits?: 1 | 2;
  readonly identity?: ChainFiles;
  /** Sent early by the last visit. A line. */
  readonly early?: string;
  readonly status?: boolean;
  /** New keys, with a request for the server's, and then a second line to be echoed. */
  readonly updateKeys?: boolean;
  /** A second line to be echoed, once the first was. */
  readonly secondLine?: boolean;
  /** It ends its side as soon as it has written, and then reads. */
  readonly endEarly?: boolean;
  /** It stays until the server ends the connection. */
  readonly stay?: boolean;
}

export interface ClientReport {
  /** Whether the handshake was completed. */
  readonly connected: boolean;
  readonly reused: boolean;
  readonly protocol: Version | null;
  /** What the server's application said to it. */
  readonly heard: string;
  readonly early: 'accepted' | 'rejected' | 'none';
  /** The group of the key exchange, in the program's words; null when it does not say. */
  readonly group: string | null;
  readonly alpn: string | null;
  /** Hexadecimal, lower case. */
  readonly exported: string | null;
  readonly stapled: boolean;
  /** KeyUpdate messages [sent, received]; null when it does not say. */
  readonly keyUpdates: readonly [number, number] | null;
  /** How the server's end was seen; null when it does not say. */
  readonly end: 'clean' | 'cut' | null;
  /** Everything that it wrote, both ways: where an alert's name is looked for. */
  readonly output: string;
}

export interface ClientPeer {
  /** How it ends a connection: `transport` is without a close_notify. */
  readonly endsBy: 'close_notify' | 'transport';
  /** Whether its output tells a close_notify from a cut. */
  readonly tellsEnd: boolean;
  /** It shows no certificate of an authority that the server does not name. */
  readonly showsOnlyNamed?: boolean;
  visit(wish: ClientWish): Promise<readonly ClientReport[]>;
}

export interface ServerWish extends CommonWish {
  /** Absent: any that is free. */
  readonly port?: number;
  readonly identity: ChainFiles;
  readonly noTickets?: boolean;
  /** Tickets promise early data. */
  readonly early?: boolean;
  readonly clientCertificate?: 'optional' | 'required';
  /** A DER file to staple. */
  readonly status?: string;
  /** It answers an HTTP request, though the client has ended its side. */
  readonly http?: boolean;
}

export interface ServerReport {
  readonly connected: boolean;
  readonly reused: boolean | null;
  readonly protocol: Version | null;
  /** Whether early data came and was taken. */
  readonly early: boolean;
  /** Whether it has a certificate of the client's; null when it does not say. */
  readonly clientCertificate: boolean | null;
  readonly alpn: string | null;
  readonly exported: string | null;
  readonly keyUpdates: readonly [number, number] | null;
  readonly end: 'clean' | 'cut' | null;
  readonly output: string;
}

export interface ServingPeer extends AsyncDisposable {
  readonly port: number;
  /** Its process, to cut its connections with. */
  readonly pid: number;
  /** How it ends a connection by itself. */
  readonly endsBy: 'close_notify' | 'transport';
  /** Whether its output tells a close_notify from a cut. */
  readonly tellsEnd: boolean;
  /** It answers one line and ends. */
  readonly oneLine: boolean;
  /** How it refuses a client's certificate: after the handshake some only hang up. */
  readonly refusesBy: 'alert' | 'hanging up';
  /** How it is brought to refuse early data: by a HelloRetryRequest, or by another process in its place. */
  readonly refusesEarlyBy: 'retry' | 'forgetting';
  /** What to send as early data, and whether that is answered as the line is. */
  readonly early: { readonly text: string; readonly answered: boolean };
  /** A line that the client's application sends, and what comes back must then match. */
  readonly line: string;
  readonly answer: RegExp;
  /** Has the program answer the line where it does not by itself: called once the line was sent. */
  respond(): Promise<void>;
  /** What it says of the connection since the last report: waits until that is over. */
  report(): Promise<ServerReport>;
  /** New keys, with a request for ours. */
  updateKeys(): Promise<void>;
}

export interface ServerPeer {
  serve(wish: ServerWish): Promise<ServingPeer>;
}

export interface Peer {
  readonly client: ClientPeer | null;
  readonly server: ServerPeer | null;
  /** Ends what it keeps running. */
  dispose?(): Promise<void>;
}

export class CannotError extends Error {
  constructor(program: string, what: string) {
    super(`${program} cannot: ${what}`);
  }
}

/** Refuses what a program has no option for. */
export function cannot(program: string, wish: object, names: readonly string[]): void {
  const values = wish as Record<string, unknown>;
  for (const name of names) {
    if (values[name] !== undefined && values[name] !== false) throw new CannotError(program, name);
  }
}

/** Counts what a pattern finds. */
export function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** Where programs that take the key log's path from their environment find it. */
export function keyLogEnvironment({ keyLog }: CommonWish): { env?: NodeJS.ProcessEnv } {
  return keyLog === undefined ? {} : { env: { SSLKEYLOGFILE: keyLog } };
}

/** Waits until the program says it. False when it ends before: it was refused, and has said why. */
export async function says(peer: RunningPeer, pattern: RegExp): Promise<boolean> {
  try {
    await peer.waitFor(pattern);
    return true;
  } catch (error) {
    if (/ended \(/.test((error as Error).message)) return false;
    throw error;
  }
}
