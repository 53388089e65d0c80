/**
 * A server and clients as the library puts them together: engines, the runner of their jobs, tickets, caches
 * and what is told of them, with memory in between. Every part may be told otherwise for one visit.
 */
import { SessionContext, type SessionContextOptions } from '../../src/cache/session-context.ts';
import { Connection } from '../../src/connection/connection.ts';
import { ContextTickets } from '../../src/connection/context-tickets.ts';
import { clientConfig, serverConfig } from '../../src/connection/defaults.ts';
import { JobRunner, type JobServices, NO_SERVICES } from '../../src/connection/job-runner.ts';
import { reportCompleted, reportFailed } from '../../src/connection/report.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type {
  CacheMessage,
  Channel,
  Diagnostics,
  HandshakeMessage,
  ResumptionMessage,
  Role,
  TicketKeyMessage,
} from '../../src/diagnostics/channels.ts';
import type { ClientConfig, Credential, ServerConfig } from '../../src/handshake/config.ts';
import type { ConnectionInfo } from '../../src/handshake/info.ts';
import type { SessionCore } from '../../src/session/core.ts';
import type { Timers } from '../../src/util/timers.ts';
import { engineCredential } from '../support/engine-pair.ts';
import { TestClock } from '../support/sessions.ts';

export class Tape<Message> implements Channel<Message> {
  readonly messages: Message[] = [];
  hasSubscribers = true;

  publish(message: Message): void {
    this.messages.push(message);
  }
}

export class Tapes implements Diagnostics {
  readonly handshake: Tape<HandshakeMessage> = new Tape();
  readonly resumption: Tape<ResumptionMessage> = new Tape();
  readonly cache: Tape<CacheMessage> = new Tape();
  readonly ticketKey: Tape<TicketKeyMessage> = new Tape();
}

export interface Visit {
  readonly client?: Partial<ClientConfig>;
  readonly server?: Partial<ServerConfig>;
  readonly clientServices?: Partial<JobServices>;
  readonly serverServices?: Partial<JobServices>;
  /** Written as early data as soon as it may be. */
  readonly early?: string;
  /** Bytes from the client, as they pass. */
  readonly toServer?: (bytes: Uint8Array) => Uint8Array;
}

export interface EndReport {
  readonly info: ConnectionInfo;
  readonly error: Error | null;
  readonly early: string;
}

export interface VisitReport {
  readonly client: EndReport;
  readonly server: EndReport;
  /** What the client got to resume from later; good as long as the world. */
  readonly sessions: readonly SessionCore[];
}

const realTimers: Timers = {
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

class End {
  readonly connection: Connection;
  readonly role: Role;
  readonly #world: World;
  readonly #runner: JobRunner;
  readonly #sessions: SessionContext;
  early = '';
  /** Early data that waits until some may be written. */
  toWrite = '';
  jobSettled: () => void = () => {};

  constructor(
    world: World,
    config: ClientConfig | ServerConfig,
    services: JobServices,
    sessions: SessionContext,
  ) {
    this.connection = new Connection(config);
    this.role = config.role;
    this.#world = world;
    this.#runner = new JobRunner(services);
    this.#sessions = sessions;
    sessions.handshakeStarted(config.role);
    this.connection.start();
  }

  work(): void {
    const { connection, role } = this;
    const { tapes } = this.#world;
    for (let event = connection.nextEvent(); event !== null; event = connection.nextEvent()) {
      if (event.type === 'job') this.#runner.run(connection, event.id, event.job, this);
      else if (event.type === 'handshake') reportCompleted(connection.info, role, this.#sessions, tapes, 0);
      else if (event.type === 'error')
        reportFailed(connection.info, role, event.error, this.#sessions, tapes, 0);
      else if (event.type === 'data' && event.early) this.early += new TextDecoder().decode(event.data);
      else if (event.type === 'session') {
        if (role === 'client') this.#world.keep(event.session);
        else event.session.release('test');
      }
    }
    if (this.toWrite !== '' && connection.earlyDataBudget > 0) {
      connection.writeEarly(new TextEncoder().encode(this.toWrite));
      this.toWrite = '';
    }
  }

  get report(): EndReport {
    return { info: this.connection.info, error: this.connection.error, early: this.early };
  }
}

export class World implements Disposable {
  readonly clock: TestClock;
  readonly tapes: Tapes = new Tapes();
  readonly credential: Credential;
  /** The server's. */
  readonly cache: SessionContext;
  readonly clientCache: SessionContext;
  readonly tickets: ContextTickets;
  readonly #kept: SessionCore[] = [];

  private constructor(credential: Credential, options: Partial<SessionContextOptions>) {
    this.credential = credential;
    // Within the life of the tests' certificates, with room on both sides.
    this.clock = new TestClock(Date.now() + 60_000);
    const { clock } = this;
    const make = (more: Partial<SessionContextOptions>): SessionContext =>
      new SessionContext({ seed: nodeProvider.random(16), clock, channel: this.tapes.cache, ...more });
    this.cache = make({ timers: realTimers, lookupLimitMs: 20, ...options });
    this.clientCache = make({ channel: undefined });
    this.tickets = new ContextTickets({
      provider: nodeProvider,
      clock,
      sessionTimeoutSec: 604_800,
      channel: this.tapes.ticketKey,
    });
  }

  static async create(options: Partial<SessionContextOptions> = {}): Promise<World> {
    return new World(await engineCredential(), options);
  }

  keep(session: SessionCore): void {
    this.#kept.push(session);
  }

  async visit(visit: Visit = {}): Promise<VisitReport> {
    const { clock } = this;
    const before = this.#kept.length;
    const verify: JobServices['verify'] = () => ({ ok: true, verifyResult: 0 });
    const server = new End(
      this,
      serverConfig(nodeProvider, {
        clock,
        credentials: [this.credential],
        sessionIds: true,
        ...visit.server,
      }),
      { ...NO_SERVICES, verify, tickets: this.tickets, sessions: this.cache, ...visit.serverServices },
      this.cache,
    );
    const client = new End(
      this,
      clientConfig(nodeProvider, { clock, serverName: 'localhost', ...visit.client }),
      { ...NO_SERVICES, verify, ...visit.clientServices },
      this.clientCache,
    );
    try {
      client.toWrite = visit.early ?? '';
      await this.#run(client, server, visit.toServer ?? ((bytes) => bytes));
      return { client: client.report, server: server.report, sessions: this.#kept.slice(before) };
    } finally {
      client.connection.destroy();
      server.connection.destroy();
    }
  }

  async #run(client: End, server: End, pass: (bytes: Uint8Array) => Uint8Array): Promise<void> {
    for (;;) {
      let settled: () => void = () => {};
      const answered = new Promise<void>((done) => {
        settled = done;
      });
      client.jobSettled = settled;
      server.jobSettled = settled;
      for (let moved = true; moved; ) {
        client.work();
        const out = client.connection.takeOutput();
        if (out !== null) server.connection.receive(pass(out));
        server.work();
        const back = server.connection.takeOutput();
        if (back !== null) client.connection.receive(back);
        moved = out !== null || back !== null;
      }
      if (!client.connection.isWaiting && !server.connection.isWaiting) return;
      await answered;
    }
  }

  /** A session that says something else: what a client may hold, by its own fault or another's. */
  changed(session: SessionCore, change: (copy: SessionCore) => void): SessionCore {
    const copy = session.dup('test');
    copy.takeFromApplication('test');
    this.#kept.push(copy);
    copy.ownBody('test').wasOffered = false;
    change(copy);
    return copy;
  }

  [Symbol.dispose](): void {
    for (const session of this.#kept.splice(0)) session.release('test');
    this.cache.clear();
    this.clientCache.clear();
    this.tickets.destroy();
  }
}
