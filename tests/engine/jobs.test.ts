/**
 * Everything a TLS 1.3 handshake may have to wait for: answered late, with a failure, twice, and after the
 * connection is gone (TLS 1.2: tls12.test.ts).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Credential } from '../../src/handshake/config.ts';
import type { Job, JobAnswer, JobKind } from '../../src/handshake/jobs.ts';
import { Field, makeBody } from '../../src/session/body.ts';
import { SessionCore } from '../../src/session/core.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { Alert } from '../../src/util/registries.ts';
import {
  type Answerer,
  type End,
  engineCredential,
  Memory,
  OPEN,
  Pair,
  type PairOptions,
  text,
  USUAL,
} from '../support/engine-pair.ts';

let credential: Credential;
beforeAll(async () => {
  credential = await engineCredential();
});

const ONLY_13 = { minVersion: 0x0304 } as const;
const PSK_SECRET = new Uint8Array(32).fill(0x42);

function pskSession(): SessionCore {
  const fields = new Array<Uint8Array | null>(12).fill(null);
  fields[Field.masterKey] = PSK_SECRET;
  return SessionCore.fromBody(makeBody(fields, { version: 0x0304, cipher: 0x1301 }), 0, 1e9, 'test');
}

/** What a job that fails, fails. */
type Consequence =
  /** The connection, with this alert. */
  | { readonly alert: number }
  /** Nothing but a session that could have been resumed later. */
  | 'no ticket'
  /** The resumption: for this reason. */
  | { readonly full: string }
  /** The early data: for this reason. */
  | { readonly noEarlyData: string };

interface Scenario {
  readonly title: string;
  readonly kind: JobKind;
  readonly at: 'client' | 'server';
  readonly failure: Consequence;
  readonly client?: PairOptions['client'];
  readonly server?: PairOptions['server'];
  /** Needs a session of an earlier connection. */
  readonly resumes?: boolean;
  readonly earlyData?: boolean;
  /** Does not hold up the handshake. */
  readonly beside?: boolean;
}

const BROKEN: Consequence = { alert: Alert.internal_error };
const CLIENT_AUTH = { clientCertificate: 'require', sessionIdContext: text('test') } as const;
const STATEFUL = { statefulTickets: true } as const;
const scenarios: readonly Scenario[] = [
  { title: "the server's certificate", kind: 'verify-certificate', at: 'client', failure: BROKEN },
  {
    title: "the client's certificate",
    kind: 'verify-certificate',
    at: 'server',
    failure: BROKEN,
    server: CLIENT_AUTH,
  },
  { title: "the server's signature", kind: 'sign', at: 'server', failure: BROKEN },
  { title: "the client's signature", kind: 'sign', at: 'client', failure: BROKEN, server: CLIENT_AUTH },
  {
    title: 'the choice of settings',
    kind: 'select',
    at: 'server',
    failure: BROKEN,
    server: { selectByJob: true },
  },
  {
    title: 'the choice of a client certificate',
    kind: 'client-certificate',
    at: 'client',
    failure: BROKEN,
    server: CLIENT_AUTH,
  },
  { title: 'sealing a ticket', kind: 'seal-ticket', at: 'server', failure: 'no ticket', beside: true },
  {
    title: 'storing a session',
    kind: 'store-session',
    at: 'server',
    failure: 'no ticket',
    server: STATEFUL,
    beside: true,
  },
  {
    title: 'opening a ticket',
    kind: 'open-ticket',
    at: 'server',
    failure: { full: 'store-failed' },
    resumes: true,
  },
  {
    title: 'finding a session',
    kind: 'find-session',
    at: 'server',
    failure: { full: 'store-failed' },
    server: STATEFUL,
    resumes: true,
  },
  {
    title: 'using a session up',
    kind: 'consume-session',
    at: 'server',
    failure: { full: 'replayed' },
    server: STATEFUL,
    resumes: true,
  },
  {
    title: 'the replay guard',
    kind: 'replay',
    at: 'server',
    failure: { noEarlyData: 'early-data-guard-failed' },
    server: { maxEarlyData: 1000, replayGuard: true },
    resumes: true,
    earlyData: true,
  },
  {
    title: 'the choice of an external key',
    kind: 'offer-psk',
    at: 'client',
    failure: BROKEN,
    client: { externalPsk: true },
    server: { externalPsk: true },
  },
  {
    title: 'finding an external key',
    kind: 'find-psk',
    at: 'server',
    failure: BROKEN,
    client: { externalPsk: true },
    server: { externalPsk: true },
  },
];

/** A pair in which jobs of that kind are left open at that end; `memory` may remember an earlier connection. */
class Held implements Disposable {
  readonly memory: Memory = new Memory();
  readonly pair: Pair;
  readonly end: End;
  readonly #psk: SessionCore = pskSession();
  readonly #scenario: Scenario;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    const session = scenario.resumes ? this.#earlierSession() : null;
    const open =
      (at: 'client' | 'server'): Answerer =>
      (job) =>
        at === scenario.at && job.kind === scenario.kind ? OPEN : this.usual(job);
    this.pair = new Pair(
      credential,
      {
        client: { ...ONLY_13, ...scenario.client, session, earlyData: scenario.earlyData ?? false },
        ...(scenario.server === undefined ? {} : { server: scenario.server }),
        clientAnswer: open('client'),
        serverAnswer: open('server'),
      },
      this.memory,
    );
    session?.release('test');
    this.end = this.pair[scenario.at];
    if (scenario.earlyData) this.pair.client.connection.writeEarly(text('early'));
    this.pair.run();
  }

  #earlierSession(): SessionCore {
    const { server } = this.#scenario;
    using pair = new Pair(
      credential,
      { client: ONLY_13, ...(server === undefined ? {} : { server }) },
      this.memory,
    ).run();
    const session = pair.client.sessions[0];
    if (session === undefined) throw new Error('no session came');
    session.retain('test');
    return session;
  }

  usual(job: Job): JobAnswer | typeof USUAL {
    if (job.kind === 'client-certificate') return credential;
    if (job.kind === 'offer-psk') return { identity: text('name'), session: this.#psk };
    if (job.kind === 'find-psk') {
      const session = pskSession();
      session.takeFromApplication('test');
      return session;
    }
    return USUAL;
  }

  answer(job: Job, id: number): JobAnswer {
    const usual = this.usual(job);
    const answer = usual === USUAL ? this.memory.answer(job, id, this.end) : usual;
    if (answer === OPEN || answer === USUAL) throw new Error('no answer');
    return answer;
  }

  /** Hands every open job to `each`, lets the two ends go on, and again, until none is open. */
  settle(each: (id: number, job: Job) => void): number {
    let count = 0;
    for (;;) {
      const jobs = this.end.openJobs.splice(0);
      if (jobs.length === 0) return count;
      for (const { id, job } of jobs) {
        expect(job.kind).toBe(this.#scenario.kind);
        each(id, job);
        count++;
      }
      this.pair.run();
    }
  }

  [Symbol.dispose](): void {
    this.pair[Symbol.dispose]();
    this.#psk.free();
    this.memory[Symbol.dispose]();
  }
}

function complete({ client, server }: Pair): boolean {
  return client.has('handshake') && server.has('handshake');
}

/** Both ends are well, and data passes both ways. */
function expectAlive(pair: Pair, before = ''): void {
  expect(pair.client.error ?? pair.server.error).toBeNull();
  expect(complete(pair)).toBe(true);
  pair.client.connection.write(text('ping'));
  pair.server.connection.write(text('pong'));
  pair.run();
  expect(pair.server.received).toBe(`${before}ping`);
  expect(pair.client.received).toBe('pong');
}

/** A session that an answer brings, and that the connection did not take. */
function giveBack(answer: JobAnswer): void {
  if (answer instanceof SessionCore) answer.release('test');
  else if (
    answer !== null &&
    typeof answer === 'object' &&
    'session' in answer &&
    answer.session instanceof SessionCore &&
    !('identity' in answer)
  ) {
    answer.session.release('test');
  }
}

describe.each(scenarios)('$kind: $title', (scenario) => {
  test('late: the handshake waits, and goes on where it stopped', () => {
    using held = new Held(scenario);
    const { pair, end } = held;
    expect(end.openJobs.length).toBeGreaterThan(0);
    expect(complete(pair)).toBe(scenario.beside === true);
    expect(end.connection.isWaiting).toBe(scenario.beside !== true);
    // Nothing happens while it waits.
    const crossed = pair.toClient.length + pair.toServer.length;
    pair.run();
    expect(pair.toClient.length + pair.toServer.length).toBe(crossed);

    expect(
      held.settle((id, job) => expect(end.connection.finishJob(id, held.answer(job, id))).toBe(true)),
    ).toBeGreaterThan(0);
    expect(end.connection.isWaiting).toBe(false);
    expectAlive(pair);
    expect(pair.client.connection.info.resumed).toBe(
      scenario.resumes === true || scenario.client?.externalPsk === true,
    );
    if (scenario.earlyData) expect(pair.server.receivedEarly).toBe('early');
    if (scenario.beside) expect(pair.client.sessions).toHaveLength(2);
  });

  test('a second answer, and a failure after it, are ignored', () => {
    using held = new Held(scenario);
    const { pair, end } = held;
    held.settle((id, job) => {
      const answer = held.answer(job, id);
      expect(end.connection.finishJob(id, answer)).toBe(true);
      expect(end.connection.finishJob(id, answer)).toBe(false);
      expect(end.connection.failJob(id, new Error('too late'))).toBe(false);
      // As is one for a job that never was.
      expect(end.connection.finishJob(id + 1000, answer)).toBe(false);
      expect(end.connection.failJob(id + 1000, new Error('whose?'))).toBe(false);
    });
    expectAlive(pair);
  });

  test('a failure', () => {
    using held = new Held(scenario);
    const { pair, end } = held;
    const cause = new Error('the other side of it is out');
    held.settle((id) => {
      expect(end.connection.failJob(id, cause)).toBe(true);
      expect(end.connection.failJob(id, cause)).toBe(false);
    });
    const { failure } = scenario;
    if (failure === 'no ticket') {
      expectAlive(pair);
      expect(pair.client.sessions).toHaveLength(0);
    } else if ('alert' in failure) {
      expect(end.error).toMatchObject({ origin: 'local', alert: failure.alert, cause });
      const peer = end === pair.client ? pair.server : pair.client;
      // A client that fails before it has said anything has nobody to tell.
      if (scenario.kind !== 'offer-psk')
        expect(peer.error).toMatchObject({ origin: 'peer', alert: failure.alert });
    } else if ('full' in failure) {
      expectAlive(pair);
      expect(pair.server.connection.info).toMatchObject({ resumed: false, resumptionReason: failure.full });
      expect(pair.client.connection.info.resumed).toBe(false);
    } else {
      expectAlive(pair);
      expect(pair.server.connection.info).toMatchObject({
        resumed: true,
        earlyDataAccepted: false,
        earlyDataReason: failure.noEarlyData,
      });
      expect(pair.server.receivedEarly).toBe('');
    }
  });

  test('an answer, or a failure, after destroy', () => {
    using held = new Held(scenario);
    const { end } = held;
    const jobs = end.openJobs.splice(0).map(({ id, job }) => ({ id, answer: held.answer(job, id) }));
    end.destroy();
    for (const { id, answer } of jobs) {
      expect(end.connection.finishJob(id, answer)).toBe(false);
      expect(end.connection.failJob(id, new Error('too late'))).toBe(false);
      giveBack(answer);
    }
    expect(end.connection.nextEvent()).toBeNull();
    expect(end.connection.isWaiting).toBe(false);
  });
});

test('a ticket callback may end the handshake, and says so with its own alert', () => {
  const scenario = scenarios.find(({ kind }) => kind === 'open-ticket') as Scenario;
  using held = new Held(scenario);
  held.settle((id) => held.end.connection.failJob(id, TlsAlertError.local('ticket-callback-abort')));
  expect(held.end.error).toMatchObject({ reason: 'ticket-callback-abort', alert: Alert.internal_error });
});

test('what arrives while a job is open waits for its answer, within a bound', () => {
  using held = new Held(scenarios[0] as Scenario);
  const { client } = held.pair;
  // A record that is good in itself: 16 KiB of something that cannot be opened.
  const record = new Uint8Array(16_389).fill(0x17);
  record.set([0x17, 3, 3, 0x40, 0]);
  for (let i = 0; i < 100 && client.error === null; i++) client.connection.receive(record);
  expect(client.error).toMatchObject({ reason: 'too-much-input' });
});

test('input in a Buffer that is reused at once, and a Buffer written before the handshake is over', () => {
  const buffers = (bytes: Uint8Array): Uint8Array => Buffer.from(bytes);
  for (const version of [0x0303, 0x0304]) {
    const written = Buffer.from('early bird');
    using memory = new Memory();
    using pair = new Pair(
      credential,
      {
        client: { maxVersion: version, alpn: [text('one'), text('two')] },
        server: { alpn: [text('two')], selectByJob: true, groups: [0x18] },
        serverAnswer: (job) => (job.kind === 'select' ? OPEN : USUAL),
        between: { toServer: buffers, toClient: buffers },
      },
      memory,
    );
    pair.client.connection.write(written);
    pair.run();
    for (const { id } of pair.server.openJobs.splice(0)) pair.server.connection.finishJob(id, {});
    expectAlive(pair.run(), 'early bird');
    expect(pair.server.connection.info.serverName).toBe('localhost');
    expect(Buffer.from(pair.client.connection.info.alpn as Uint8Array).toString()).toBe('two');
    expect(written.toString()).toBe('early bird');
  }
});
