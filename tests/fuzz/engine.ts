/**
 * Hostile peers: every handshake of the table of orders, in both versions and with early data and certificates, of which
 * one flight is changed in ways that fast-check thinks of, behind the encryption too; and noise. Whatever comes, a
 * connection goes on or fails with one alert for one reason, and never with an error of our own.
 * `FUZZ_RUNS` sets the number of runs, `FUZZ_SEED` the seed. Each end has a file of tests of its own, so that two
 * cores share the work.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TlsAlertError, TlsessionError } from '../../src/util/errors.ts';
import { prepare } from '../order/flow-pair.ts';
import { type Flow, flows } from '../order/table.ts';
import { type End, engineCredential, text } from '../support/engine-pair.ts';

export const RUNS: number = Number(process.env['FUZZ_RUNS'] ?? 150);
export const SEED: number = Number(process.env['FUZZ_SEED'] ?? 8446);
const whole = await engineCredential();
export const credential: Awaited<ReturnType<typeof engineCredential>> = {
  ...whole,
  chain: whole.chain.slice(0, 1),
};

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

/** More than any handshake of the table says at one end, however often a fault makes it start again. */
const MOST_BYTES = 50_000;
const MOST_EVENTS = 200;

/** The one thing that must hold. */
export function checkOutcome(end: End): void {
  const { error } = end.connection;
  expect(end.events.length).toBeLessThan(MOST_EVENTS);
  if (error === null) return;
  expect(error).toBeInstanceOf(TlsessionError);
  if (error instanceof TlsAlertError && error.reason === 'internal-error') throw error.cause ?? error;
  expect(end.events.filter(({ type }) => type === 'error')).toHaveLength(1);
  expect(end.events.at(-1)?.type).toBe('error');
}

/** The two receivers of the table take part in the same handshakes. */
function handshakes(): { name: string; flow: Flow }[] {
  const known = new Map<string, Flow>();
  for (const flow of flows) known.set(JSON.stringify([flow.version, flow.setup]), flow);
  return [...known.values()].map((flow) => ({
    name: `${flow.version === 0x0304 ? 'TLS 1.3' : 'TLS 1.2'}, ${flow.name}`,
    flow,
  }));
}

/** The flights that come to `victim`, changed. */
export function fuzzFlights(victim: 'client' | 'server'): void {
  describe.each(handshakes())('$name', ({ flow }) => {
    test(`a changed flight at the ${victim}`, () => {
      using setting = prepare(flow, credential);
      fc.assert(
        fc.property(
          fc.nat({ max: 3 }),
          fc.array(mutation, { minLength: 1, maxLength: 3 }),
          fc.boolean(),
          (which, changes, inside) => {
            let flights = 0;
            const change = (flight: Uint8Array): Uint8Array => {
              if (flights++ !== which) return flight;
              let changed = flight;
              for (const each of changes)
                changed = inside ? mutateInside(changed, each) : mutate(changed, each);
              return changed;
            };
            using pair = setting.pair({ [victim === 'client' ? 'toClient' : 'toServer']: change });
            const { client, server } = pair;
            if (client.connection.earlyDataBudget > 0) client.connection.writeEarly(text('early'));
            client.connection.write(text('question'));
            server.connection.write(text('answer'));
            pair.run();
            for (const end of [client, server]) {
              end.connection.receiveEnd();
              end.work();
              checkOutcome(end);
            }
            for (const sent of [pair.toClient, pair.toServer]) {
              expect(sent.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(MOST_BYTES);
            }
          },
        ),
        { numRuns: RUNS, seed: SEED },
      );
    }, 120_000);
  });
}
