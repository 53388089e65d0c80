import { beforeAll, describe, expect, test } from 'vitest';
import { engineCredential } from '../../tests/support/engine-pair.ts';
import { SessionContext } from '../cache/session-context.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import type { ClientConfig, Credential, ServerConfig } from '../handshake/config.ts';
import type { ConnectionEvent } from '../handshake/events.ts';
import { SessionCore } from '../session/core.ts';
import { systemClock } from '../util/clock.ts';
import { Connection } from './connection.ts';
import { ContextTickets } from './context-tickets.ts';
import { clientConfig, serverConfig } from './defaults.ts';
import {
  type JobOwner,
  JobRunner,
  type JobServices,
  NO_SERVICES,
  type SessionTickets,
} from './job-runner.ts';

let credential: Credential;
beforeAll(async () => {
  credential = await engineCredential();
});

/** One end: works off its events with a runner, again whenever a job is settled late. */
class End implements JobOwner {
  readonly connection: Connection;
  readonly runner: JobRunner;
  readonly events: ConnectionEvent['type'][] = [];
  readonly sessions: SessionCore[] = [];
  /** What `run` returned: true for an answer at once. */
  readonly atOnce: boolean[] = [];
  settled = 0;
  peer: End | null = null;

  constructor(config: ClientConfig | ServerConfig, services: Partial<JobServices>) {
    this.connection = new Connection(config);
    this.runner = new JobRunner({ ...NO_SERVICES, ...services });
  }

  jobSettled(): void {
    this.settled++;
    this.work();
  }

  work(): void {
    for (let event = this.connection.nextEvent(); event !== null; event = this.connection.nextEvent()) {
      this.events.push(event.type);
      if (event.type === 'session') this.sessions.push(event.session);
      if (event.type === 'job') {
        this.atOnce.push(this.runner.run(this.connection, event.id, event.job, this));
      }
    }
    const output = this.connection.takeOutput();
    if (output === null || this.peer === null) return;
    this.peer.connection.receive(output);
    this.peer.work();
  }

  get isDone(): boolean {
    return this.events.includes('handshake') || this.connection.error !== null;
  }

  destroy(): void {
    this.connection.destroy();
    for (const session of this.sessions) session.release('test');
  }
}

interface Options {
  readonly client?: Partial<ClientConfig>;
  readonly server?: Partial<ServerConfig>;
  readonly clientServices?: Partial<JobServices>;
  readonly serverServices?: Partial<JobServices>;
}

const TRUSTING: Partial<JobServices> = { verify: () => ({ ok: true, verifyResult: 0 }) };

class Pair implements Disposable {
  readonly client: End;
  readonly server: End;

  constructor(options: Options) {
    this.client = new End(clientConfig(nodeProvider, { serverName: 'localhost', ...options.client }), {
      ...TRUSTING,
      ...options.clientServices,
    });
    this.server = new End(
      serverConfig(nodeProvider, { credentials: [credential], ...options.server }),
      options.serverServices ?? {},
    );
    this.client.peer = this.server;
    this.server.peer = this.client;
    this.server.connection.start();
    this.client.connection.start();
    this.client.work();
  }

  /** Until nothing happens any more, also later. */
  async rest(): Promise<this> {
    for (let quiet = 0, last = -1; quiet < 3; ) {
      await new Promise((done) => setImmediate(done));
      const now = this.client.events.length + this.server.events.length;
      quiet = now === last ? quiet + 1 : 0;
      last = now;
    }
    return this;
  }

  [Symbol.dispose](): void {
    this.client.destroy();
    this.server.destroy();
  }
}

function newTickets(): ContextTickets {
  return new ContextTickets({ provider: nodeProvider, clock: systemClock, sessionTimeoutSec: 7200 });
}

function newContext(): SessionContext {
  return new SessionContext({ seed: nodeProvider.random(16) });
}

/** The same answers, a turn later. */
function later<T>(value: T): Promise<T> {
  return new Promise((done) => setImmediate(done, value));
}

function slow(tickets: SessionTickets): SessionTickets {
  return {
    seal: (session, lifetimeSec) => later(tickets.seal(session, lifetimeSec)).then((ticket) => ticket),
    open: (ticket, version) => later(null).then(() => tickets.open(ticket, version, new Uint8Array(0))),
  };
}

/** A session of a connection to `services`, with one library reference. */
async function sessionFrom(options: Options): Promise<SessionCore> {
  using pair = await new Pair(options).rest();
  const session = pair.client.sessions[0];
  if (session === undefined)
    throw new Error(`no session: ${pair.client.connection.error ?? pair.server.connection.error}`);
  session.retain('test');
  return session;
}

describe('what answers at once', () => {
  test('runs a full and a resumed handshake in the call that brought the bytes, without a promise', async () => {
    const options: Options = { serverServices: { tickets: newTickets(), sessions: newContext() } };
    const session = await sessionFrom(options);
    // No turn of the event loop passes here.
    using pair = new Pair({ ...options, client: { session } });
    expect(pair.client.isDone && pair.server.isDone).toBe(true);
    expect(pair.client.connection.info.resumed).toBe(true);
    expect([...pair.client.atOnce, ...pair.server.atOnce].every(Boolean)).toBe(true);
    expect(pair.server.settled).toBe(0);
    session.release('test');
  });

  test('stateful tickets live in the cache, and serve once', async () => {
    const sessions = newContext();
    const options: Options = {
      server: { statefulTickets: true, ticketCount: 1 },
      serverServices: { sessions },
    };
    const session = await sessionFrom(options);
    expect(sessions.number).toBe(1);
    for (const resumed of [true, false]) {
      using pair = new Pair({ ...options, client: { session, ticketReuse: true } });
      expect(pair.client.connection.info.resumed).toBe(resumed);
      expect(pair.server.connection.info.resumptionReason).toBe(resumed ? null : 'not-found');
    }
    session.release('test');
    sessions.clear();
  });

  test('without anybody to check a certificate the handshake fails; without tickets there are none', async () => {
    using unchecked = new Pair({ clientServices: { verify: null } });
    expect(unchecked.client.connection.error).toMatchObject({
      reason: 'job-failed',
      cause: { code: 'ERR_TLS_NO_VERIFIER' },
    });

    using plain = await new Pair({}).rest();
    expect(plain.client.isDone && plain.client.connection.error).toBeNull();
    expect(plain.client.sessions).toHaveLength(0);
  });

  test('a service that throws fails its job', () => {
    using pair = new Pair({
      serverServices: {
        sign: () => {
          throw new Error('no such slot');
        },
      },
    });
    expect(pair.server.connection.error).toMatchObject({
      reason: 'sign-failed',
      cause: { message: 'no such slot' },
    });
  });

  test('a credential without a key, and nobody who signs for it', () => {
    const { key: _, ...elsewhere } = credential;
    using pair = new Pair({ server: { credentials: [elsewhere] } });
    expect(pair.server.connection.error).toMatchObject({
      reason: 'sign-failed',
      cause: { code: 'ERR_TLS_NO_KEY' },
    });
  });
});

describe('what answers later', () => {
  test('gives the same handshakes, and each owner is told once a job', async () => {
    const tickets = slow(newTickets());
    const services: Options = {
      clientServices: { verify: () => later({ ok: true, verifyResult: 0 } as const) },
      serverServices: {
        tickets,
        sign: ({ credential: { key }, scheme, content }) => later(key?.sign(scheme, content) as Uint8Array),
        select: () => later({}),
      },
      server: { selectByJob: true },
    };
    const session = await sessionFrom(services);
    using pair = new Pair({ ...services, client: { session } });
    expect(pair.client.isDone).toBe(false);
    await pair.rest();
    expect(pair.client.connection.error ?? pair.server.connection.error).toBeNull();
    expect(pair.client.connection.info.resumed).toBe(true);
    expect(pair.server.settled).toBe(pair.server.atOnce.filter((atOnce) => !atOnce).length);
    expect(pair.server.settled).toBe(3);
    expect(pair.client.sessions).toHaveLength(1);
    session.release('test');
  });

  test('a rejection is the failure of its job, and the owner is told', async () => {
    const refused = new Error('the responder is down');
    using pair = await new Pair({
      clientServices: { verify: () => later(null).then(() => Promise.reject(refused)) },
    }).rest();
    expect(pair.client.connection.error).toMatchObject({ reason: 'job-failed', cause: refused });
    expect(pair.client.settled).toBe(1);
  });

  test('a ticket that cannot be sealed costs a resumption, and its session is given back', async () => {
    const tickets: SessionTickets = {
      seal: () => later(null).then(() => Promise.reject(new Error('no key'))),
      open: () => ({ opened: false, reason: 'unknown-key' }),
    };
    using pair = await new Pair({ serverServices: { tickets } }).rest();
    expect(pair.client.connection.error ?? pair.server.connection.error).toBeNull();
    expect(pair.client.sessions).toHaveLength(0);
  });
});

describe('an answer that nobody takes any more', () => {
  test('gives back the session that it brings, and tells nobody', async () => {
    const real = newTickets();
    const session = await sessionFrom({ serverServices: { tickets: real } });
    let release: () => void = () => {};
    const gate = new Promise<void>((done) => {
      release = done;
    });
    let opened: SessionCore | null = null;
    const tickets: SessionTickets = {
      seal: (made) => real.seal(made),
      open: async (ticket) => {
        await gate;
        const answer = await real.open(ticket);
        if (answer.opened) opened = answer.session;
        return answer;
      },
    };
    const pair = new Pair({ client: { session }, serverServices: { tickets } });
    expect(pair.server.connection.isWaiting).toBe(true);
    pair.server.destroy();
    release();
    await pair.rest();
    expect(opened).toMatchObject({ hasEnded: true });
    expect(pair.server.settled).toBe(0);
    pair.client.destroy();
    session.release('test');
  });

  test('a session that was found, or an external key', async () => {
    const sessions = newContext();
    const stateful: Options = {
      server: { statefulTickets: true, ticketCount: 1 },
      serverServices: { sessions },
    };
    const session = await sessionFrom(stateful);
    const kept = sessions.sessions()[0] as SessionCore;
    kept.retain('test');
    sessions.remove(kept);
    kept.clearNotResumable();
    sessions.callbacks.onGet = () => later(null).then(() => ({ session: kept, copy: true }) as const);
    const pair = new Pair({ ...stateful, client: { session } });
    expect(pair.server.connection.isWaiting).toBe(true);
    pair.server.destroy();
    await pair.rest();
    pair.client.destroy();
    sessions.clear();
    // Its reference for this test, and none of a connection's.
    expect(kept.references).toBe(1);
    kept.release('test');
    session.release('test');

    const key = SessionCore.create();
    key.takeFromApplication('test');
    const external = new Pair({
      client: { externalPsk: true, session: null },
      clientServices: { offerPsk: () => null },
    });
    const owner: JobOwner = { jobSettled: () => {} };
    const runner = new JobRunner({ ...NO_SERVICES, findPsk: () => key });
    // A job that the connection never had.
    runner.run(external.server.connection, 99, { kind: 'find-psk', identity: new Uint8Array(1) }, owner);
    expect(key.hasEnded).toBe(true);
    external.client.destroy();
    external.server.destroy();
  });

  test('sealing that ends after the connection still reads its session', async () => {
    let sealed: number | null = null;
    const real = newTickets();
    const tickets: SessionTickets = {
      seal: (session) =>
        later(null).then(() => {
          const ticket = real.seal(session);
          sealed = ticket?.length ?? 0;
          return ticket;
        }),
      open: (ticket) => real.open(ticket),
    };
    const pair = new Pair({ server: { ticketCount: 1 }, serverServices: { tickets } });
    expect(pair.server.isDone).toBe(true);
    pair.server.destroy();
    pair.client.destroy();
    await pair.rest();
    expect(sealed).toBeGreaterThan(100);
  });
});
