/**
 * `tlsession demo`: real connections over loopback, full and resumed, among tlsession and stock node:tls,
 * with proof for every line: both ends' reports have to agree, and resumption is read off the wire.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nodeTls from 'node:tls';
import { connect } from '../net/connect.ts';
import { createServer, type Server, type ServerOptions } from '../net/server.ts';
import type { SessionInput } from '../net/session-input.ts';
import type { TLSSocket } from '../net/socket.ts';
import { resumptionReasonText } from '../session/resumption-reason.ts';
import { type Session, sessionCore } from '../session/session.ts';
import { systemClock } from '../util/clock.ts';
import { makeThrowaway, type Throwaway } from './throwaway.ts';
import { serverMessages, type Tap, tap } from './wire.ts';

/** One connection of the demo, as it was seen from everywhere. */
export interface DemoStep {
  readonly kind: string;
  readonly client: 'tlsession' | 'node:tls';
  readonly server: 'tlsession' | 'node:tls';
  readonly protocol: string;
  readonly cipher: string;
  readonly resumed: boolean;
  /** Why, in words. */
  readonly why: string;
  /** Both ends together, in milliseconds. */
  readonly cpuMs: number;
  /** On the wire, from the client and from the server, all of the connection. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /** The server's handshake messages, decrypted from the wire. */
  readonly serverMessages: readonly string[];
  /** References of the session that this connection is about, at each moment that changes them. */
  readonly references: readonly { readonly at: string; readonly count: number }[];
}

export interface DemoReport {
  readonly ok: boolean;
  /** Why not. */
  readonly reason: string | null;
  readonly node: string;
  readonly steps: readonly DemoStep[];
}

/** A step that did not do what it says. */
export class DemoFailure extends Error {}

/** For tests: what to change so that a step fails. */
export interface DemoOptions {
  readonly server?: ServerOptions;
  /** Handshakes before those that are measured, so that code is compiled. */
  readonly warmUps?: number;
}

/** What one end says of a connection. */
interface EndReport {
  readonly protocol: string | null;
  readonly cipher: string | undefined;
  readonly resumed: boolean;
}

interface NodeOrOurs {
  getProtocol(): string | null;
  getCipher(): { name: string } | undefined;
  isSessionReused(): boolean;
}

function report(socket: NodeOrOurs): EndReport {
  return {
    protocol: socket.getProtocol(),
    cipher: socket.getCipher()?.name,
    resumed: socket.isSessionReused(),
  };
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new DemoFailure(what);
}

const GREETING = 'hello over TLS\n';
/** A step takes milliseconds: this is for one that hangs. */
const STEP_LIMIT_MS = 5000;

/** Runs all steps. Never throws for a step that fails: the report says so. */
export async function runDemo(
  options: DemoOptions = {},
  onStep: (step: DemoStep) => void = () => {},
  onFile: (path: string, bytes: Uint8Array) => void = () => {},
): Promise<DemoReport> {
  const steps: DemoStep[] = [];
  let reason: string | null = null;
  const demo = new Demo(options, (step) => {
    steps.push(step);
    onStep(step);
  });
  try {
    await demo.open();
    await demo.run(onFile);
  } catch (error) {
    reason = error instanceof DemoFailure ? error.message : `${(error as Error).stack ?? error}`;
  } finally {
    await demo.close();
  }
  return { ok: reason === null, reason, node: process.version, steps };
}

class Demo {
  readonly #identity: Throwaway = makeThrowaway(systemClock.wallMs());
  readonly #ours: Server;
  readonly #stock: nodeTls.Server;
  readonly #emit: (step: DemoStep) => void;
  readonly #warmUps: number;
  /** What the servers saw, in order. */
  readonly #ourSockets: TLSSocket[] = [];
  readonly #ourTaps: Tap[] = [];
  readonly #stockSockets: nodeTls.TLSSocket[] = [];
  readonly #stockReports: EndReport[] = [];
  readonly #failures: Error[] = [];
  /** Every handle that was taken: what a step that fails leaves over is freed at the end. */
  readonly #handles: Session[] = [];
  #keyLog: string[] = [];

  constructor({ server, warmUps = 30 }: DemoOptions, emit: (step: DemoStep) => void) {
    const { key, cert } = this.#identity;
    this.#emit = emit;
    this.#warmUps = warmUps;
    this.#ours = createServer({ key, cert, ...server }, (socket) => {
      this.#ourSockets.push(socket);
      answer(socket);
    });
    this.#ours.prependListener('connection', (transport) => this.#ourTaps.push(tap(transport)));
    this.#ours.on('keylog', (line: Buffer) => this.#keyLog.push(line.toString()));
    this.#ours.on('tlsClientError', (error: Error) => this.#failures.push(error));
    this.#stock = nodeTls.createServer({ key, cert, minVersion: 'TLSv1.3' }, (socket) => {
      this.#stockSockets.push(socket);
      // Once it is closed it says nothing any more.
      this.#stockReports.push(report(socket));
      answer(socket);
    });
    this.#stock.on('tlsClientError', (error) => this.#failures.push(error));
  }

  async open(): Promise<void> {
    for (const server of [this.#ours, this.#stock]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
  }

  async close(): Promise<void> {
    for (const session of this.#handles) session[Symbol.dispose]();
    for (const socket of [...this.#ourSockets, ...this.#stockSockets]) socket.destroy();
    for (const server of [this.#ours, this.#stock]) {
      await new Promise<void>((done) => server.close(() => done()));
    }
  }

  async run(onFile: (path: string, bytes: Uint8Array) => void): Promise<void> {
    await this.#warmUp();

    const first = await this.#fromOurs('full', 'tlsession', null);
    const [one, two] = first.sessions;
    check(
      one !== undefined && two !== undefined,
      `a full handshake left ${first.sessions.length} sessions, not two`,
    );
    if (one === undefined || two === undefined) return;

    const second = await this.#fromOurs('resumed', 'tlsession', one);
    for (const session of second.sessions) session.free();

    // The other ticket goes through a file, as it would into the next process.
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-demo-'));
    try {
      const path = join(folder, 'session');
      writeFileSync(path, two.toEnvelope(), { mode: 0o600 });
      two.free();
      const bytes = readFileSync(path);
      onFile(path, bytes);
      const third = await this.#fromOurs('resumed from a file', 'tlsession', bytes);
      for (const session of third.sessions) session.free();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }

    const nodeSession = await this.#fromStock('full', null);
    await this.#fromStock('resumed', nodeSession);

    const toNode = await this.#fromOurs('full', 'node:tls', null);
    const [saved, ...others] = toNode.sessions;
    check(saved !== undefined, 'node:tls gave no session');
    for (const session of others) session.free();
    if (saved === undefined) return;
    const resumedThere = await this.#fromOurs('resumed', 'node:tls', saved);
    for (const session of resumedThere.sessions) session.free();
  }

  async #warmUp(): Promise<void> {
    const port = (this.#ours.address() as AddressInfo).port;
    let session: Buffer | null = null;
    for (let i = 0; i < this.#warmUps; i++) {
      const socket = connect({ ...this.#trust(), port, session: i % 2 === 0 ? null : session });
      socket.on('session', (fresh: Buffer) => {
        session = fresh;
        socket.end();
      });
      socket.resume();
      await once(socket, 'close');
    }
    for (let i = 0; i < this.#warmUps / 3; i++) {
      const socket = nodeTls.connect({ ...this.#trust(), port }, () => socket.end());
      socket.resume();
      await once(socket, 'close');
    }
    this.#forget();
  }

  #trust(): { host: string; servername: string; ca: string } {
    return { host: '127.0.0.1', servername: 'localhost', ca: this.#identity.ca };
  }

  #forget(): void {
    this.#ourSockets.length = 0;
    this.#ourTaps.length = 0;
    this.#stockSockets.length = 0;
    this.#stockReports.length = 0;
    this.#failures.length = 0;
    this.#keyLog = [];
  }

  /** A connection of this library's client. The sessions are the caller's to free; `offered` is freed here. */
  async #fromOurs(
    kind: string,
    server: 'tlsession' | 'node:tls',
    offered: Session | Uint8Array | null,
  ): Promise<{ sessions: Session[] }> {
    this.#forget();
    const wantsResumption = offered !== null;
    const { port } = (server === 'tlsession' ? this.#ours : this.#stock).address() as AddressInfo;
    const references: { at: string; count: number }[] = [];
    // The session of this line: what is resumed, or the last one that is made.
    let subject = offered !== null && !(offered instanceof Uint8Array) ? sessionCore(offered, 'demo') : null;
    const note = (at: string): void => {
      if (subject !== null) references.push({ at, count: subject.references });
    };
    if (subject !== null) note('saved');

    const cpu = process.cpuUsage();
    const raw = netConnect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const wire = tap(raw);
    const socket = connect({ ...this.#trust(), port, socket: raw, session: offered as SessionInput | null });
    if (subject !== null) note('offered');
    const keyLog: string[] = [];
    socket.on('keylog', (line: Buffer) => keyLog.push(line.toString()));
    const sessions: Session[] = [];
    // node:tls gives no ticket on a resumed connection.
    const wanted = wantsResumption ? (server === 'tlsession' ? 1 : 0) : 2;
    let echoed = '';
    const endWhenDone = (): void => {
      if (echoed === GREETING && sessions.length >= wanted) socket.end();
    };
    socket.on('secureConnect', () => {
      if (subject !== null) note('resumed');
      socket.write(GREETING);
    });
    socket.on('session', () => {
      const core = socket.borrowedSession;
      const session = socket.takeSession();
      if (session === null || core === null) return;
      if (offered === null && sessions.length === 0) {
        references.push(
          { at: 'borrowed', count: core.references - 1 },
          { at: 'taken', count: core.references },
        );
        subject = core;
      }
      sessions.push(session);
      this.#handles.push(session);
      endWhenDone();
    });
    socket.on('data', (chunk: Buffer) => {
      echoed += chunk.toString();
      endWhenDone();
    });
    const step = `${kind}, tlsession to ${server}`;
    await finished(socket, step, this.#failures);
    const spent = process.cpuUsage(cpu);
    const remote = server === 'tlsession' ? this.#ourSockets[0] : this.#stockSockets[0];
    check(remote !== undefined, `${step}: the server saw no connection`);
    if (remote === undefined) return { sessions };
    await closed(remote, step);
    note('closed');
    if (offered !== null && !(offered instanceof Uint8Array)) {
      offered.free();
      note('freed');
    }
    check(echoed === GREETING, `${step}: the server answered ${JSON.stringify(echoed)}`);
    const messages = serverMessages(wire.received, keyLog);
    const here = report(socket);
    const there = server === 'tlsession' ? report(remote) : this.#stockReports[0];
    check(there !== undefined, `${step}: the server says nothing`);
    if (there === undefined) return { sessions };
    this.#judge(step, wantsResumption, here, there, messages, socket);
    this.#emit({
      kind,
      client: 'tlsession',
      server,
      protocol: here.protocol ?? '',
      cipher: here.cipher ?? '',
      resumed: here.resumed,
      why: whyOf(socket),
      cpuMs: (spent.user + spent.system) / 1000,
      bytesUp: raw.bytesWritten,
      bytesDown: raw.bytesRead,
      serverMessages: messages,
      references,
    });
    return { sessions };
  }

  /** A connection of node:tls to this library's server. */
  async #fromStock(kind: string, session: Buffer | null): Promise<Buffer> {
    this.#forget();
    const { port } = this.#ours.address() as AddressInfo;
    const cpu = process.cpuUsage();
    const socket = nodeTls.connect({
      ...this.#trust(),
      port,
      minVersion: 'TLSv1.3',
      ...(session === null ? {} : { session }),
    });
    let latest: Buffer | null = null;
    let tickets = 0;
    let echoed = '';
    let here: EndReport | null = null;
    const wanted = session === null ? 2 : 1;
    const endWhenDone = (): void => {
      if (echoed !== GREETING || tickets < wanted) return;
      here = report(socket);
      socket.end();
    };
    const references: { at: string; count: number }[] = [];
    socket.on('secureConnect', () => socket.write(GREETING));
    socket.on('session', (fresh) => {
      latest = fresh;
      tickets++;
      endWhenDone();
    });
    socket.on('data', (chunk: Buffer) => {
      echoed += chunk.toString();
      const served = this.#ourSockets[0]?.borrowedSession;
      if (references.length === 0 && served) references.push({ at: 'borrowed', count: served.references });
      endWhenDone();
    });
    const step = `${kind}, node:tls to tlsession`;
    const served = (async () => {
      await once(this.#ours, 'secureConnection');
      return this.#ourSockets[0]?.borrowedSession ?? null;
    })();
    await finished(socket, step, this.#failures);
    const spent = process.cpuUsage(cpu);
    const remote = this.#ourSockets[0];
    check(remote !== undefined, `${step}: the server saw no connection`);
    await closed(remote as TLSSocket, step);
    const session13 = await served;
    if (session13 !== null) references.push({ at: 'closed', count: session13.references });
    const ours = remote as TLSSocket;
    const messages = serverMessages(this.#ourTaps[0]?.sent ?? [], this.#keyLog);
    check(here !== null, `${step}: the client ended before it was answered`);
    if (here === null || latest === null) throw new DemoFailure(`${step}: no session came`);
    const there = report(ours);
    this.#judge(step, session !== null, here, there, messages, ours);
    this.#emit({
      kind,
      client: 'node:tls',
      server: 'tlsession',
      protocol: there.protocol ?? '',
      cipher: there.cipher ?? '',
      resumed: there.resumed,
      why: whyOf(ours),
      cpuMs: (spent.user + spent.system) / 1000,
      bytesUp: length(this.#ourTaps[0]?.received),
      bytesDown: length(this.#ourTaps[0]?.sent),
      serverMessages: messages,
      references,
    });
    return latest;
  }

  /** What each end says, and what was on the wire, has to be the same, and what the step is called. */
  #judge(
    step: string,
    resumed: boolean,
    client: EndReport,
    server: EndReport,
    messages: readonly string[],
    ours: TLSSocket,
  ): void {
    check(
      messages.at(-1) === 'finished',
      `${step}: the wire shows no whole handshake: ${messages.join(', ')}`,
    );
    const onWire = !messages.includes('certificate');
    check(
      client.resumed === resumed && server.resumed === resumed && onWire === resumed,
      `${step}: the client says ${said(client.resumed)}, the server ${said(server.resumed)}, the wire ${said(onWire)}: ${whyOf(ours)}`,
    );
    check(
      client.protocol === 'TLSv1.3' && server.protocol === 'TLSv1.3' && client.cipher === server.cipher,
      `${step}: the client speaks ${client.protocol} with ${client.cipher}, the server ${server.protocol} with ${server.cipher}`,
    );
  }
}

function said(resumed: boolean): string {
  return resumed ? 'resumed' : 'not resumed';
}

function whyOf(socket: TLSSocket): string {
  const reason = socket.resumptionReason;
  return reason === null ? 'the session that was offered was taken' : resumptionReasonText(reason);
}

function length(chunks: readonly Uint8Array[] | undefined): number {
  return (chunks ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
}

interface Stream {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  once(event: 'close' | 'end', listener: () => void): unknown;
  write(data: Buffer): unknown;
  end(): unknown;
  destroy(): unknown;
  readonly closed: boolean;
}

/** A server's part: says the same. */
function answer(socket: Stream): void {
  socket.on('error', () => {});
  socket.on('data', (chunk) => socket.write(chunk));
  socket.once('end', () => socket.end());
}

function finished(socket: Stream, step: string, failures: readonly Error[]): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => {
      socket.destroy();
      fail(new DemoFailure(`${step}: not done after ${STEP_LIMIT_MS / 1000} s`));
    }, STEP_LIMIT_MS);
    socket.on('error', (error) => {
      clearTimeout(timer);
      const server = failures.map(({ message }) => `; the server says: ${message}`).join('');
      fail(new DemoFailure(`${step}: ${error.message}${server}`));
    });
    socket.once('close', () => {
      clearTimeout(timer);
      done();
    });
  });
}

async function closed(socket: Stream, step: string): Promise<void> {
  if (socket.closed) return;
  await new Promise<void>((done, fail) => {
    const timer = setTimeout(
      () => fail(new DemoFailure(`${step}: the server does not close`)),
      STEP_LIMIT_MS,
    );
    socket.once('close', () => {
      clearTimeout(timer);
      done();
    });
  });
}
