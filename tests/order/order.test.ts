/**
 * Every illegal order of messages ends in `unexpected_message`: for both roles and versions, at every point of
 * every handshake of the table, everything that the table does not allow there.
 */
import { describe, expect, it } from 'vitest';
import { TlsAlertError } from '../../src/util/errors.ts';
import { Alert } from '../../src/util/registries.ts';
import { ContentType, HandshakeType } from '../../src/wire/numbers.ts';
import { engineCredential, type Pair } from '../support/engine-pair.ts';
import { prepare, type Setting } from './flow-pair.ts';
import { type Arrival, arrivals, type Flow, flows } from './table.ts';
import { deliver, type Item, runTapped } from './tap.ts';

const HANDSHAKE_TYPES: ReadonlyMap<string, number> = new Map(Object.entries(HandshakeType));
const UNKNOWN_TYPE = 99;

const ends = (pair: Pair, flow: Flow): { sender: Pair['client']; receiver: Pair['client'] } =>
  flow.receiver === 'client'
    ? { sender: pair.server, receiver: pair.client }
    : { sender: pair.client, receiver: pair.server };

/** A ChangeCipherSpec of TLS 1.3 means nothing and is no step. */
const counts = (item: Item, flow: Flow): boolean =>
  item.arrival !== 'change_cipher_spec' || flow.version === 0x0303;

function good(flow: Flow, setting: Setting): Arrival[] {
  using pair = setting.pair();
  const { sender, receiver } = ends(pair, flow);
  const order: Arrival[] = [];
  runTapped(sender, receiver, flow.version, (item) => {
    if (counts(item, flow)) order.push(item.arrival);
    deliver(receiver.connection, flow.version, item);
    return order.length < flow.steps.length;
  });
  receiver.work();
  expect(receiver.error, receiver.error?.message).toBeNull();
  expect(receiver.has('handshake')).toBe(true);
  return order;
}

/** Whether the receiver expects protected records when so many steps are done. */
function isProtected(flow: Flow, position: number): boolean {
  const done = flow.steps.slice(0, position).map((step) => step.arrival);
  if (flow.version === 0x0303) return done.includes('change_cipher_spec');
  if (flow.receiver === 'client') return done.includes('server_hello');
  const hellos = flow.setup.helloRetry === true ? 2 : 1;
  return done.filter((arrival) => arrival === 'client_hello').length === hellos;
}

/** `seen`: messages that came before, for what is only itself with its content. */
function make(arrival: Arrival, protection: boolean, seen: ReadonlyMap<Arrival, Uint8Array>): Item {
  const item = { arrival, isProtected: protection };
  if (arrival === 'change_cipher_spec') {
    return { ...item, type: ContentType.change_cipher_spec, content: new Uint8Array([1]) };
  }
  if (arrival === 'application_data') {
    return { ...item, type: ContentType.application_data, content: new Uint8Array([1]) };
  }
  // With nothing in it a message that may not come is still refused for that, and not for what it lacks.
  const type = HANDSHAKE_TYPES.get(arrival) ?? UNKNOWN_TYPE;
  const empty = new Uint8Array([type, 0, 0, 0]);
  const content = arrival === 'hello_retry_request' ? (seen.get(arrival) ?? empty) : empty;
  return { ...item, type: ContentType.handshake, content };
}

/** Runs to a position, lets something arrive there, and says which alert went out. */
function alertAt(flow: Flow, setting: Setting, position: number, arrival: Arrival): string {
  using pair = setting.pair();
  const { sender, receiver } = ends(pair, flow);
  const seen = new Map<Arrival, Uint8Array>();
  let done = 0;
  if (position > 0) {
    runTapped(sender, receiver, flow.version, (item) => {
      deliver(receiver.connection, flow.version, item);
      seen.set(item.arrival, item.content);
      if (counts(item, flow)) done++;
      return done < position;
    });
  }
  receiver.work();
  expect(receiver.error, `before: ${receiver.error?.message}`).toBeNull();
  deliver(receiver.connection, flow.version, make(arrival, isProtected(flow, position), seen));
  receiver.work();
  const { error } = receiver;
  if (error === null) return 'none';
  if (!(error instanceof TlsAlertError) || error.origin !== 'local') return String(error);
  return error.alert === Alert.unexpected_message ? 'unexpected_message' : `${error.alert}: ${error.message}`;
}

describe.each(
  flows.map((flow) => ({
    flow,
    name: `${flow.version === 0x0304 ? 'TLS 1.3' : 'TLS 1.2'}, ${flow.receiver}: ${flow.name}`,
  })),
)('$name', ({ flow }) => {
  it('goes as the table says', async () => {
    using setting = prepare(flow, await engineCredential());
    expect(good(flow, setting)).toEqual(flow.steps.map((step) => step.arrival));
  });

  it('ends in unexpected_message wherever anything else comes', async () => {
    using setting = prepare(flow, await engineCredential());
    good(flow, setting);
    const wrong: string[] = [];
    let tried = 0;
    for (let position = 0; position <= flow.steps.length; position++) {
      const step = flow.steps[position];
      const legal = step === undefined ? flow.after : [step.arrival, ...(step.or ?? [])];
      for (const arrival of arrivals) {
        if (legal.includes(arrival)) continue;
        tried++;
        const alert = alertAt(flow, setting, position, arrival);
        const where = step === undefined ? 'after the handshake' : `for ${step.arrival}`;
        if (alert !== 'unexpected_message') wrong.push(`${arrival} ${where}: ${alert}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThan(arrivals.length);
  });
});
