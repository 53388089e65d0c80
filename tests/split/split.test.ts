/**
 * Every handshake works with its bytes split at every boundary, and with one byte a read. A piece is overwritten
 * as soon as the engine has had it.
 */
import { describe, expect, it } from 'vitest';
import { prepare, type Setting } from '../order/flow-pair.ts';
import { type Flow, flows } from '../order/table.ts';
import { type End, engineCredential, text } from '../support/engine-pair.ts';

type Cut = (flight: Uint8Array) => Uint8Array[];

const whole: Cut = (flight) => [flight];
const singly: Cut = (flight) => Array.from(flight, (_, i) => flight.subarray(i, i + 1));
const inPieces =
  (size: number): Cut =>
  (flight) =>
    Array.from({ length: Math.ceil(flight.length / size) }, (_, i) =>
      flight.subarray(i * size, (i + 1) * size),
    );
const at =
  (boundary: number): Cut =>
  (flight) =>
    boundary < flight.length ? [flight.subarray(0, boundary), flight.subarray(boundary)] : [flight];

/** What one end has to say reaches the other in the pieces of `cut`. Returns the length of it. */
function pass(from: End, to: End, cut: Cut): number {
  from.work();
  const flight = from.connection.takeOutput();
  if (flight === null) return 0;
  for (const piece of cut(flight)) {
    const borrowed = piece.slice();
    to.connection.receive(borrowed);
    borrowed.fill(0xa5);
    to.work();
  }
  return flight.length;
}

interface Outcome {
  readonly longestFlight: number;
  readonly text: string;
}

/** A handshake, a question, an answer, and the end: what came of it, as text. */
function converse(setting: Setting, cut: Cut, takesEarlyData: boolean): Outcome {
  using pair = setting.pair();
  const { client, server } = pair;
  let longestFlight = 0;
  const settle = (): void => {
    for (let quiet = 0; quiet < 2; ) {
      const toServer = pass(client, server, cut);
      const toClient = pass(server, client, cut);
      longestFlight = Math.max(longestFlight, toServer, toClient);
      quiet = toServer + toClient === 0 ? quiet + 1 : 0;
    }
  };
  // Under keys that protect nothing a server cannot tell early data that it refused: only what is taken is sent.
  if (takesEarlyData && client.connection.earlyDataBudget > 0) client.connection.writeEarly(text('early'));
  settle();
  client.connection.write(text('question'));
  settle();
  server.connection.write(text('answer'));
  settle();
  client.connection.close();
  server.connection.close();
  settle();
  const told = [client, server].map((end) => {
    const { info } = end.connection;
    const events = end.events.map((event) => event.type).filter((type) => type !== 'data');
    return [
      end.receivedEarly,
      end.received,
      info.earlyDataAccepted,
      info.peerChain.length,
      info.resumed,
      info.helloRetryRequest,
      end.connection.error?.message,
      ...events,
    ].join();
  });
  return { longestFlight, text: told.join('; ') };
}

/** The two receivers of the table take part in the same handshakes. */
function setups(): { name: string; flow: Flow }[] {
  const known = new Map<string, Flow>();
  for (const flow of flows) known.set(JSON.stringify([flow.version, flow.setup]), flow);
  return [...known.values()].map((flow) => ({
    name: `${flow.version === 0x0304 ? 'TLS 1.3' : 'TLS 1.2'}: ${flow.name}`,
    flow,
  }));
}

describe.each(setups())('$name', ({ flow }) => {
  /** The leaf alone: what is long is only longer. */
  const credential = async () => {
    const { chain, ...rest } = await engineCredential();
    return { ...rest, chain: chain.slice(0, 1) };
  };

  const run = (setting: Setting, cut: Cut): Outcome => converse(setting, cut, flow.setup.earlyData === true);

  it('one byte a read', async () => {
    using setting = prepare(flow, await credential());
    const { text: expected } = run(setting, whole);
    expect(expected).toMatch(/answer.*question/);
    expect(expected).toMatch(/handshake.*handshake/);
    expect(run(setting, singly).text).toBe(expected);
  });

  it('messages spread over records of 61 bytes, one byte a read and in pieces of every length', async () => {
    using usual = prepare(flow, await credential());
    using setting = prepare(flow, await credential(), 61);
    const { text: expected } = run(usual, whole);
    expect(run(setting, singly).text).toBe(expected);
    for (let size = 2; size <= 61 + 5 + 17; size++) {
      expect(run(setting, inPieces(size)).text, `${size} bytes`).toBe(expected);
    }
  });

  it('split at every boundary', async () => {
    using setting = prepare(flow, await credential());
    const { text: expected, longestFlight } = run(setting, whole);
    expect(longestFlight).toBeGreaterThan(100);
    const wrong: string[] = [];
    for (let boundary = 1; boundary < longestFlight; boundary++) {
      const { text: told } = run(setting, at(boundary));
      if (told !== expected) wrong.push(`${boundary}: ${told}`);
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });
});
