/**
 * Hostile peers: recorded flights, changed in every way that fast-check thinks of, and noise. Whatever
 * comes, a connection goes on or fails with one alert for one reason, and never with an error of our own.
 * `FUZZ_RUNS` sets the number of runs, `FUZZ_SEED` the seed.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { clientConfig, serverConfig } from '../../src/connection/defaults.ts';
import type { ClientConfig, ServerConfig } from '../../src/handshake/config.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { TlsAlertError, TlsessionError } from '../../src/util/errors.ts';
import { engineCredential, Memory, OPEN, USUAL } from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 3000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 8446);
const credential = await engineCredential();
const clock = { wallMs: () => 1_800_000_000_000, monotonicMs: () => 0 };

/** One conversation: what is configured at either end. */
interface Scenario {
  readonly name: string;
  readonly client?: Partial<ClientConfig>;
  readonly server?: Partial<ServerConfig>;
}

const scenarios: Scenario[] = [
  {
    name: 'full',
    client: { alpn: [new Uint8Array([104, 50])] },
    server: { alpn: [new Uint8Array([104, 50])] },
  },
  { name: 'hello retry', client: { groups: [0x1d, 0x18] }, server: { groups: [0x18] } },
  { name: 'client certificate', server: { clientCertificate: 'request' } },
  { name: 'stateful tickets', server: { statefulTickets: true, maxEarlyData: 100, replayGuard: true } },
];

class Peer {
  readonly connection: Connection;
  readonly sessions: SessionCore[] = [];
  readonly #memory: Memory;

  constructor(config: ClientConfig | ServerConfig, memory: Memory) {
    this.connection = new Connection(config);
    this.#memory = memory;
    this.connection.start();
  }

  work(): void {
    for (let event = this.connection.nextEvent(); event !== null; event = this.connection.nextEvent()) {
      if (event.type === 'session') this.sessions.push(event.session);
      if (event.type !== 'job') continue;
      const { job } = event;
      const answer =
        job.kind === 'client-certificate' ? credential : this.#memory.answer(job, event.id, null as never);
      if (answer !== OPEN && answer !== USUAL) this.connection.finishJob(event.id, answer);
    }
  }

  destroy(): void {
    this.connection.destroy();
    for (const session of this.sessions) session.release('test');
  }
}

function makeEnds(scenario: Scenario, memory: Memory): { client: Peer; server: Peer } {
  const clientProvider = openProvider();
  const serverProvider = openProvider();
  return {
    client: new Peer(
      clientConfig(clientProvider, { clock, serverName: 'localhost', ...scenario.client }),
      memory,
    ),
    server: new Peer(
      serverConfig(serverProvider, {
        clock,
        credentials: [{ ...credential, key: { ...keyOf(), sign: () => new Uint8Array(70) } }],
        sessionIdContext: new Uint8Array([1]),
        ...scenario.server,
      }),
      memory,
    ),
  };
}

function keyOf(): NonNullable<typeof credential.key> {
  return credential.key as NonNullable<typeof credential.key>;
}

/** What either end sends in a conversation that nobody disturbs. */
function record(scenario: Scenario): { toServer: Uint8Array[]; toClient: Uint8Array[] } {
  using memory = new Memory();
  const { client, server } = makeEnds(scenario, memory);
  const toServer: Uint8Array[] = [];
  const toClient: Uint8Array[] = [];
  for (let round = 0; round < 10; round++) {
    client.work();
    const out = client.connection.takeOutput();
    if (out !== null) {
      toServer.push(out);
      server.connection.receive(out);
    }
    server.work();
    const back = server.connection.takeOutput();
    if (back !== null) {
      toClient.push(back);
      client.connection.receive(back);
    }
  }
  expect(client.connection.error ?? server.connection.error).toBeNull();
  expect(client.connection.isHandshaking).toBe(false);
  client.destroy();
  server.destroy();
  return { toServer, toClient };
}

type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'set'; readonly at: number; readonly value: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'remove'; readonly at: number; readonly length: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number };

const at = fc.nat({ max: 4000 });
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('set' as const), at, value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) }),
  fc.record({ kind: fc.constant('cut' as const), at }),
  fc.record({ kind: fc.constant('remove' as const), at, length: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    kind: fc.constant('insert' as const),
    at,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant('repeat' as const), at, length: fc.integer({ min: 1, max: 200 }) }),
);

function mutate(bytes: Uint8Array, change: Mutation): Uint8Array {
  const where = bytes.length === 0 ? 0 : change.at % bytes.length;
  const head = bytes.subarray(0, where);
  switch (change.kind) {
    case 'flip':
    case 'set': {
      const copy = bytes.slice();
      const before = copy[where] ?? 0;
      copy[where] = change.kind === 'flip' ? before ^ (1 << change.bit) : change.value;
      return copy;
    }
    case 'cut':
      return head.slice();
    case 'remove':
      return new Uint8Array([...head, ...bytes.subarray(where + change.length)]);
    case 'insert':
      return new Uint8Array([...head, ...change.bytes, ...bytes.subarray(where)]);
    case 'repeat':
      return new Uint8Array([
        ...head,
        ...bytes.subarray(where, where + change.length),
        ...bytes.subarray(where),
      ]);
  }
}

/** Mutates inside records and mends their headers, so that the change reaches the messages within. */
function mutateInside(flight: Uint8Array, change: Mutation): Uint8Array {
  const records: Uint8Array[] = [];
  for (let i = 0; i + 5 <= flight.length; ) {
    const length = ((flight[i + 3] as number) << 8) | (flight[i + 4] as number);
    records.push(flight.slice(i, i + 5 + length));
    i += 5 + length;
  }
  const index = change.at % records.length;
  const record = records[index] as Uint8Array;
  const body = mutate(record.subarray(5), change);
  records[index] = new Uint8Array([
    ...record.subarray(0, 3),
    (body.length >> 8) & 0xff,
    body.length & 0xff,
    ...body,
  ]);
  return new Uint8Array(records.flatMap((r) => [...r]));
}

/** The one thing that must hold. */
function checkOutcome(end: Peer): void {
  const { error } = end.connection;
  if (error === null) return;
  expect(error).toBeInstanceOf(TlsessionError);
  if (error instanceof TlsAlertError && error.reason === 'internal-error') throw error.cause ?? error;
}

describe.each(scenarios)('$name', (scenario) => {
  test.each(['client', 'server'] as const)(
    'a changed flight at the %s',
    (victim) => {
      const flights = record(scenario);
      const own = victim === 'client' ? flights.toClient : flights.toServer;
      fc.assert(
        fc.property(
          fc.nat({ max: 20 }),
          fc.array(mutation, { minLength: 1, maxLength: 3 }),
          fc.boolean(),
          (index, changes, inside) => {
            using memory = new Memory();
            const ends = makeEnds(scenario, memory);
            const target = ends[victim];
            target.work();
            const which = index % own.length;
            for (let i = 0; i < own.length; i++) {
              let flight = own[i] as Uint8Array;
              if (i === which) {
                for (const change of changes)
                  flight = inside ? mutateInside(flight, change) : mutate(flight, change);
              }
              const piece = flight.slice();
              target.connection.receive(piece);
              piece.fill(0xa5);
              target.work();
            }
            target.connection.receiveEnd();
            target.work();
            const output = target.connection.takeOutput();
            expect(output === null || output.length < 20_000).toBe(true);
            checkOutcome(target);
            ends.client.destroy();
            ends.server.destroy();
          },
        ),
        { numRuns: RUNS, seed: SEED },
      );
    },
    120_000,
  );
});

test('noise at either end', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), (pieces) => {
      using memory = new Memory();
      const ends = makeEnds({ name: 'noise' }, memory);
      for (const end of [ends.client, ends.server]) {
        end.work();
        for (const piece of pieces) {
          // Half the time as the body of a handshake record.
          const bytes =
            pieces.length % 2 === 0
              ? piece
              : new Uint8Array([22, 3, 3, piece.length >> 8, piece.length & 0xff, ...piece]);
          end.connection.receive(bytes.slice());
          end.work();
        }
        checkOutcome(end);
        end.destroy();
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
}, 120_000);
