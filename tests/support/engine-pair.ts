/** Two engines joined by memory, with every job answered by plain code that a test can change. */
import { Connection } from '../../src/connection/connection.ts';
import { clientConfig, serverConfig } from '../../src/connection/defaults.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { ClientConfig, Credential, ServerConfig } from '../../src/handshake/config.ts';
import type { ConnectionEvent } from '../../src/handshake/events.ts';
import type { Job, JobAnswer } from '../../src/handshake/jobs.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { equalBytes, toHex } from '../../src/util/bytes.ts';
import { type KeyKind, testChain } from './certs.ts';

const credentials = new Map<KeyKind, Promise<Credential>>();

/** A credential of the shared test chain, for the engine. */
export function engineCredential(kind: KeyKind = 'p256'): Promise<Credential> {
  let known = credentials.get(kind);
  if (known === undefined) {
    known = (async () => {
      const { leaf, intermediate } = await testChain(kind);
      const key = nodeProvider.importPrivateKey(leaf.keyPem);
      return {
        chain: [new Uint8Array(leaf.der), new Uint8Array(intermediate.der)],
        keyType: key.type,
        keyBits: key.bits,
        key,
      };
    })();
    credentials.set(kind, known);
  }
  return known;
}

/** An answerer gives this to leave a job open. */
export const OPEN: unique symbol = Symbol('open');
/** An answerer gives this to leave the answer to the usual code. */
export const USUAL: unique symbol = Symbol('usual');

/** What a job is answered with. */
export type Answerer = (job: Job, id: number, end: End) => JobAnswer | typeof OPEN | typeof USUAL;

/** One end of a pair: the connection and all that it said. */
export class End {
  readonly connection: Connection;
  readonly events: ConnectionEvent[] = [];
  readonly openJobs: { readonly id: number; readonly job: Job }[] = [];
  readonly answer: Answerer;
  /** Sessions that came as events; freed with the end. */
  readonly sessions: SessionCore[] = [];
  received = '';
  receivedEarly = '';
  readonly #fallback: Answerer;

  constructor(config: ClientConfig | ServerConfig, answer: Answerer, fallback: Answerer) {
    this.connection = new Connection(config);
    this.answer = answer;
    this.#fallback = fallback;
  }

  /** Takes every event and answers the jobs. */
  work(): void {
    for (;;) {
      const event = this.connection.nextEvent();
      if (event === null) return;
      this.events.push(event);
      if (event.type === 'session') this.sessions.push(event.session);
      if (event.type === 'data') {
        const text = new TextDecoder().decode(event.data);
        if (event.early) this.receivedEarly += text;
        else this.received += text;
      }
      if (event.type !== 'job') continue;
      let answer = this.answer(event.job, event.id, this);
      if (answer === USUAL) answer = this.#fallback(event.job, event.id, this);
      if (answer === OPEN || answer === USUAL) this.openJobs.push({ id: event.id, job: event.job });
      else this.connection.finishJob(event.id, answer);
    }
  }

  get error(): Error | null {
    return this.connection.error;
  }

  has(type: ConnectionEvent['type']): boolean {
    return this.events.some((event) => event.type === type);
  }

  destroy(): void {
    this.connection.destroy();
    for (const session of this.sessions) session.release('test');
    this.sessions.length = 0;
  }
}

/** Holds what a server remembers between connections: tickets, sessions by id, what was consumed. */
export class Memory implements Disposable {
  readonly #tickets = new Map<string, SessionCore>();
  readonly #byId = new Map<string, SessionCore>();

  readonly answer: Answerer = (job): JobAnswer => {
    switch (job.kind) {
      case 'sign':
        return (job.credential.key as NonNullable<Credential['key']>).sign(job.scheme, job.content);
      case 'verify-certificate':
        return { ok: true, verifyResult: 0 };
      case 'seal-ticket': {
        const ticket = nodeProvider.random(48);
        job.session.retain('test');
        this.#tickets.set(toHex(ticket), job.session);
        return ticket;
      }
      case 'open-ticket': {
        const session = this.#tickets.get(toHex(job.ticket));
        if (session === undefined) return { opened: false, reason: 'unknown-key' };
        session.retain('test');
        return { opened: true, session, renew: false };
      }
      case 'store-session': {
        job.session.retain('test');
        this.#byId.set(toHex(job.session.body('test').copy(1)), job.session);
        return undefined;
      }
      case 'find-session': {
        const session = this.#byId.get(toHex(job.id));
        if (session === undefined) return { found: false, reason: 'not-found' };
        session.retain('test');
        return { found: true, session };
      }
      case 'consume-session': {
        const id = toHex(job.session.body('test').copy(1));
        const session = this.#byId.get(id);
        this.#byId.delete(id);
        session?.release('test');
        return session !== undefined;
      }
      case 'replay':
        return { accept: true };
      case 'select':
        return {};
      case 'client-certificate':
      case 'offer-psk':
      case 'find-psk':
        return null;
    }
  };

  [Symbol.dispose](): void {
    for (const session of [...this.#tickets.values(), ...this.#byId.values()]) session.release('test');
    this.#tickets.clear();
    this.#byId.clear();
  }
}

export interface PairOptions {
  readonly client?: Partial<ClientConfig>;
  readonly server?: Partial<ServerConfig>;
  readonly clientAnswer?: Answerer;
  readonly serverAnswer?: Answerer;
  /** Bytes a read; everything at once when it is left out. */
  readonly chunk?: number;
  /** Somebody in between, who may change what passes. */
  readonly between?: Between;
}

export interface Between {
  readonly toServer?: (bytes: Uint8Array) => Uint8Array;
  readonly toClient?: (bytes: Uint8Array) => Uint8Array;
}

const PASS: Answerer = () => USUAL;

export class Pair implements Disposable {
  readonly client: End;
  readonly server: End;
  readonly #memory: Memory;
  readonly #ownMemory: boolean;
  readonly #chunk: number;
  readonly #between: Between;
  /** Everything that crossed, for tests that read the wire. */
  toServer: Uint8Array[] = [];
  toClient: Uint8Array[] = [];

  constructor(credential: Credential, options: PairOptions = {}, memory?: Memory) {
    this.#ownMemory = memory === undefined;
    this.#memory = memory ?? new Memory();
    this.#chunk = options.chunk ?? Number.POSITIVE_INFINITY;
    this.#between = options.between ?? {};
    this.client = new End(
      clientConfig(nodeProvider, { serverName: 'localhost', ...options.client }),
      options.clientAnswer ?? PASS,
      this.#memory.answer,
    );
    this.server = new End(
      serverConfig(nodeProvider, { credentials: [credential], ...options.server }),
      options.serverAnswer ?? PASS,
      this.#memory.answer,
    );
    this.server.connection.start();
    this.client.connection.start();
  }

  /** Moves bytes until both ends are quiet. */
  run(): this {
    for (let round = 0; round < 1000; round++) {
      this.client.work();
      const out = this.client.connection.takeOutput();
      if (out !== null) {
        this.toServer.push(out.slice());
        this.#deliver(this.server, this.#between.toServer?.(out) ?? out);
      }
      this.server.work();
      const back = this.server.connection.takeOutput();
      if (back !== null) {
        this.toClient.push(back.slice());
        this.#deliver(this.client, this.#between.toClient?.(back) ?? back);
      }
      if (out === null && back === null) {
        this.client.work();
        this.server.work();
        if (!this.client.connection.hasOutput && !this.server.connection.hasOutput) return this;
      }
    }
    throw new Error('the two ends never come to rest');
  }

  /** The input is poisoned after each call: whoever kept a view of it finds out. */
  #deliver(end: End, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#chunk) {
      const piece = bytes.slice(at, Math.min(bytes.length, at + this.#chunk));
      end.connection.receive(piece);
      piece.fill(0xa5);
      if (this.#chunk !== Number.POSITIVE_INFINITY) end.work();
    }
  }

  [Symbol.dispose](): void {
    this.client.destroy();
    this.server.destroy();
    if (this.#ownMemory) this.#memory[Symbol.dispose]();
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a !== null && b !== null && equalBytes(a, b);
}
