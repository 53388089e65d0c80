/** TLS 1.2 where its keys change, and behind it: ChangeCipherSpec, Finished, and no renegotiation. */
import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../src/util/bytes.ts';
import type { FailureReason } from '../../src/util/errors.ts';
import { DEFAULT_LIMITS } from '../../src/util/limits.ts';
import { Alert, type AlertName, NamedGroup } from '../../src/util/registries.ts';
import { HandshakeType } from '../../src/wire/numbers.ts';
import { Dissector, frame, type Item } from '../order/tap.ts';
import { engineCredential, Pair, type PairOptions, text } from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';
import { fault, only12 } from '../support/tls12.ts';
import { type Edit, editing, flip, message, readRecords, record } from '../support/wire.ts';

const credential = await engineCredential();

/** Two ends that protect nothing, so that what they say under their keys can be changed. */
function openPair(options: PairOptions = {}): Pair {
  const common = { ...only12, cipherSuites: [0xcca9], groups: [NamedGroup.x25519, NamedGroup.secp256r1] };
  return new Pair(credential, {
    ...options,
    client: { ...common, provider: openProvider(), ...options.client },
    server: { ...common, provider: openProvider(), groups: [NamedGroup.x25519], ...options.server },
  });
}

/** Takes every item of one direction apart and sends on what `edit` makes of it. */
function tapping(edit: (item: Item) => Item[]): (bytes: Uint8Array) => Uint8Array {
  const dissector = new Dissector(0x0303);
  return (bytes) => {
    const items = dissector.push(bytes).flatMap(edit);
    return concatBytes(...items.map((item) => frame(0x0303, item.type, item.content, item.isProtected)));
  };
}

describe('ChangeCipherSpec and Finished', () => {
  for (const [direction, finder] of [
    ['toClient', 'client'],
    ['toServer', 'server'],
  ] as const) {
    const cases: [string, (item: Item) => Item[], FailureReason, AlertName][] = [
      [
        'a wrong Finished',
        (item) => [{ ...item, content: item.arrival === 'finished' ? flip(item.content, -1) : item.content }],
        'bad-finished',
        'decrypt_error',
      ],
      [
        'a Finished of another length',
        (item) => [
          item.arrival === 'finished'
            ? { ...item, content: message(HandshakeType.finished, new Uint8Array(13)) }
            : item,
        ],
        'decode-error',
        'decode_error',
      ],
      [
        'something behind Finished',
        (item) => [
          item.arrival === 'finished'
            ? { ...item, content: concatBytes(item.content, new Uint8Array([20])) }
            : item,
        ],
        'message-across-key-change',
        'unexpected_message',
      ],
      [
        'a ChangeCipherSpec of two bytes',
        (item) => [
          item.arrival === 'change_cipher_spec' ? { ...item, content: new Uint8Array([1, 1]) } : item,
        ],
        'bad-change-cipher-spec',
        'unexpected_message',
      ],
      [
        'a ChangeCipherSpec of another value',
        (item) => [item.arrival === 'change_cipher_spec' ? { ...item, content: new Uint8Array([2]) } : item],
        'bad-change-cipher-spec',
        'unexpected_message',
      ],
      [
        'two of them',
        (item) => (item.arrival === 'change_cipher_spec' ? [item, { ...item, isProtected: true }] : [item]),
        'bad-change-cipher-spec',
        'unexpected_message',
      ],
      [
        'a message that lies across it',
        (item) =>
          item.arrival === 'change_cipher_spec'
            ? [{ ...item, type: 22, content: new Uint8Array([20, 0]) }, item]
            : [item],
        'interleaved-record',
        'unexpected_message',
      ],
    ];
    for (const [what, edit, reason, alert] of cases) {
      test(`${finder}: ${what}`, () => {
        using pair = openPair({ between: { [direction]: tapping(edit) } }).run();
        expect(fault(pair[finder].error)).toEqual({ reason, alert: Alert[alert], origin: 'local' });
      });
    }
  }

  test('a Finished in the clear does not authenticate', () => {
    using pair = new Pair(credential, {
      client: only12,
      between: {
        toServer: (bytes) =>
          concatBytes(
            ...readRecords(bytes).map(({ type, payload, version }, i, all) =>
              i > 0 && all[i - 1]?.type === 20
                ? record(22, message(HandshakeType.finished, new Uint8Array(12)))
                : record(type, payload, version),
            ),
          ),
      },
    }).run();
    expect(fault(pair.server.error)).toMatchObject({ reason: 'bad-record-mac' });
  });
});

describe('renegotiation', () => {
  const request = frame(0x0303, 22, message(HandshakeType.hello_request, new Uint8Array(0)), true);

  test('a HelloRequest is answered with a warning, and the connection goes on', () => {
    using pair = openPair().run();
    pair.client.connection.receive(request.slice());
    pair.run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.server.events.filter((event) => event.type === 'warning')).toEqual([
      { type: 'warning', alert: Alert.no_renegotiation },
    ]);
    pair.client.connection.write(text('still here'));
    pair.run();
    expect(pair.server.received).toBe('still here');
  });

  test('one during the handshake is ignored, and is no part of what is signed and hashed', () => {
    const ask: Edit = (body, type) => [
      message(HandshakeType.hello_request, new Uint8Array(0)),
      message(type, body),
    ];
    using pair = new Pair(credential, {
      client: only12,
      between: {
        toClient: editing((body, type) => (type === HandshakeType.server_hello ? body : ask(body, type))),
      },
    }).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.client.has('handshake') && pair.server.has('handshake')).toBe(true);
  });

  test('a flood of them ends the connection, and data in between makes them legitimate', () => {
    using pair = openPair().run();
    for (let i = 0; i < 2; i++) {
      for (let k = 0; k < DEFAULT_LIMITS.helloRequests; k++) pair.client.connection.receive(request.slice());
      pair.client.connection.receive(frame(0x0303, 23, text('x'), true));
    }
    expect(pair.client.error).toBeNull();
    for (let k = 0; k <= DEFAULT_LIMITS.helloRequests; k++) pair.client.connection.receive(request.slice());
    expect(fault(pair.client.error)).toMatchObject({
      reason: 'too-many-hello-requests',
      alert: Alert.unexpected_message,
    });
  });

  test('the output of a client that is only asked does not grow without bound', () => {
    using pair = openPair({
      client: { limits: { ...DEFAULT_LIMITS, helloRequests: 1_000_000 } },
    }).run();
    for (let i = 0; i < 5000; i++) pair.client.connection.receive(request.slice());
    expect(pair.client.connection.takeOutput()?.length).toBeLessThan(17_000);
  });

  test('after our close_notify there is no answer', () => {
    using pair = openPair().run();
    pair.client.connection.close();
    pair.client.connection.takeOutput();
    pair.client.connection.receive(request.slice());
    expect(pair.client.connection.takeOutput()).toBeNull();
  });

  test('one that says something is decode_error', () => {
    using pair = openPair().run();
    const long = message(HandshakeType.hello_request, new Uint8Array(1));
    pair.client.connection.receive(frame(0x0303, 22, long, true));
    expect(fault(pair.client.error)).toMatchObject({ alert: Alert.decode_error });
  });

  test('a client that begins to renegotiate is refused with no_renegotiation', () => {
    using pair = openPair().run();
    const hello = readRecords(pair.toServer[0] as Uint8Array)[0] as { payload: Uint8Array };
    pair.server.connection.receive(frame(0x0303, 22, hello.payload, true));
    expect(fault(pair.server.error)).toMatchObject({
      reason: 'renegotiation-refused',
      alert: Alert.no_renegotiation,
    });
  });
});
