/** What TLS 1.3 has besides: GREASE, padding, stapling, exporters of early data, the key log, psk_ke, cookies. */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import { readClientKeyShares } from '../../src/wire/extension/key-share.ts';
import { readU16List8 } from '../../src/wire/extension/lists.ts';
import { readClientHello } from '../../src/wire/message/client-hello.ts';
import { ExtensionType } from '../../src/wire/numbers.ts';
import { readU16List } from '../../src/wire/reader.ts';
import { engineCredential, Memory, Pair, type PairOptions, text } from '../support/engine-pair.ts';
import { openPair } from '../support/open-pair.ts';
import { testWhere } from '../support/skip.ts';
import { readMessages, readRecords } from '../support/wire.ts';

const credential = await engineCredential();
const only13 = { minVersion: 0x0304 };

/** A GREASE value (RFC 8701, 2). */
const isGrease = (value: number): boolean => (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);

interface Greased {
  readonly suites: number[];
  readonly groups: number[];
  readonly shares: number[];
  readonly versions: number[];
  readonly extensions: number[];
}

/** The reserved values in the hellos of a client. */
function greaseOf(pair: Pair): Greased[] {
  const hellos = pair.toServer
    .flatMap((flight) => readRecords(flight))
    .filter(({ type }) => type === 22)
    .flatMap(({ payload }) => readMessages(payload))
    .map((message) => readClientHello(message.subarray(4)));
  return hellos.map(({ cipherSuites, extensions }) => {
    const body = (type: number): Uint8Array => extensions.get(type) as Uint8Array;
    return {
      suites: cipherSuites.filter(isGrease),
      groups: readU16List(body(ExtensionType.supported_groups)).filter(isGrease),
      shares: readClientKeyShares(body(ExtensionType.key_share))
        .map(({ group }) => group)
        .filter(isGrease),
      versions: readU16List8(body(ExtensionType.supported_versions)).filter(isGrease),
      extensions: extensions.types.filter(isGrease),
    };
  });
}

describe('GREASE (RFC 8701)', () => {
  const options: PairOptions = { client: { grease: true }, server: { grease: true } };

  test('is sent in every place that it has, and taken', () => {
    using memory = new Memory();
    using pair = new Pair(credential, options, memory).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    const [hello] = greaseOf(pair) as [Greased];
    for (const place of [hello.suites, hello.groups, hello.shares, hello.versions])
      expect(place).toHaveLength(1);
    // A share of the group that is listed, and two extensions that differ.
    expect(hello.shares).toEqual(hello.groups);
    expect(new Set(hello.extensions).size).toBe(2);
    expect(pair.client.sessions).toHaveLength(2);
    const session = pair.client.sessions[0] ?? null;
    using again = new Pair(credential, { ...options, client: { grease: true, session } }, memory).run();
    expect(again.client.connection.info.resumed).toBe(true);
  });

  test('is the same in both hellos, and another in another connection', () => {
    const retried = {
      ...options,
      client: { grease: true, groups: [0x1d, 0x18] },
      server: { groups: [0x18] },
    };
    const drawn = new Set<string>();
    for (let i = 0; i < 8; i++) {
      using pair = new Pair(credential, retried).run();
      expect(pair.client.connection.info.helloRetryRequest).toBe(true);
      const [first, second] = greaseOf(pair) as [Greased, Greased];
      // The second hello has the one share that was asked for, and GREASE beside it.
      expect(second).toEqual(first);
      drawn.add(JSON.stringify(first));
    }
    expect(drawn.size).toBeGreaterThan(1);
  });

  test('is not sent where nobody wants it', () => {
    using pair = new Pair(credential).run();
    const none = { suites: [], groups: [], shares: [], versions: [], extensions: [] };
    expect(greaseOf(pair)).toEqual([none]);
  });

  test('a server that chooses it is refused', () => {
    using pair = new Pair(credential, {
      ...options,
      between: {
        toClient: (bytes) => {
          const changed = bytes.slice();
          // The suite of the ServerHello, behind record and message headers, version, random and session id.
          if (changed[0] === 22) changed.set([0x0a, 0x0a], 5 + 4 + 2 + 32 + 33);
          return changed;
        },
      },
    }).run();
    expect(pair.client.error).toMatchObject({ reason: 'wrong-cipher' });
  });
});

describe('padding (RFC 8446, 5.4)', () => {
  test.each([16, 64, 1000])('to a multiple of %i, handshake and data, both ways', (recordPadding) => {
    using pair = new Pair(credential, { client: { recordPadding }, server: { recordPadding } }).run();
    for (const length of [1, 15, 16, 63, 64, 999, 1000, 1001, 16_384]) {
      pair.client.connection.write(new Uint8Array(length).fill(65));
      pair.server.connection.write(new Uint8Array(length).fill(66));
      pair.run();
    }
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.server.received).toHaveLength(1 + 15 + 16 + 63 + 64 + 999 + 1000 + 1001 + 16_384);
    expect(pair.client.received).toHaveLength(pair.server.received.length);
    const sealed = [...pair.toServer, ...pair.toClient].flatMap((flight) => readRecords(flight));
    const lengths = sealed.filter(({ type }) => type === 23).map(({ payload }) => payload.length - 17);
    expect(lengths.length).toBeGreaterThan(18);
    for (const length of lengths)
      expect(length % recordPadding === 0 || length === 16_384, `${length}`).toBe(true);
  });

  test('keeps to the record size limit of the peer', () => {
    using pair = new Pair(credential, {
      client: { ...only13, recordPadding: 512, recordSizeLimit: 16_384 },
      server: { recordSizeLimit: 300 },
    }).run();
    pair.client.connection.write(new Uint8Array(700));
    pair.run();
    expect(pair.server.error).toBeNull();
    expect(pair.server.received).toHaveLength(700);
  });
});

describe('stapled to a certificate (RFC 8446, 4.4.2.1)', () => {
  const sctList = new Uint8Array([0, 5, 0, 3, 1, 2, 3]);
  const stapling = { ...credential, ocspResponse: new Uint8Array([4, 5, 6]), sctList };

  test('OCSP and timestamps, each to who asks for it', () => {
    for (const requestOcsp of [false, true]) {
      for (const requestSct of [false, true]) {
        using pair = new Pair(stapling, { client: { ...only13, requestOcsp, requestSct } }).run();
        expect(pair.client.error ?? pair.server.error).toBeNull();
        const { info } = pair.client.connection;
        expect(info.ocspResponse).toEqual(requestOcsp ? stapling.ocspResponse : null);
        expect(info.sctList).toEqual(requestSct ? sctList : null);
        const job = pair.client.events.find((event) => event.type === 'job');
        expect(job).toMatchObject({ job: { kind: 'verify-certificate', ocspRequested: requestOcsp } });
      }
    }
  });

  test('a list of timestamps that is none is refused before anybody connects', () => {
    const make = () => new Pair({ ...credential, sctList: new Uint8Array([0, 1, 0]) });
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_TLS_SCT_LIST' }));
  });
});

describe('early data', () => {
  const server = { maxEarlyData: 1000, replayGuard: true, keyLog: true };

  function early(memory: Memory): Pair {
    using first = new Pair(credential, { client: only13, server }, memory).run();
    const session = first.client.sessions[0] ?? null;
    const pair = new Pair(
      credential,
      { client: { ...only13, session, earlyData: true, keyLog: true }, server },
      memory,
    );
    expect(pair.client.connection.writeEarly(text('early'))).toBe(5);
    return pair;
  }

  test('has an exporter of its own, the same at both ends and for as long as they live', () => {
    using memory = new Memory();
    using pair = early(memory);
    const of = (end: 'client' | 'server', label: string, context: Uint8Array | null, length: number) =>
      pair[end].connection.exportEarlyKeyingMaterial(label, context, length);
    // Before a byte has come back.
    const atOnce = of('client', 'EXPORTER-early', text('context'), 40);
    pair.run();
    expect(of('client', 'EXPORTER-early', text('context'), 40)).toEqual(atOnce);
    expect(of('server', 'EXPORTER-early', text('context'), 40)).toEqual(atOnce);
    expect(of('server', 'EXPORTER-early', null, 40)).toEqual(
      of('client', 'EXPORTER-early', new Uint8Array(0), 40),
    );
    expect(of('client', 'EXPORTER-other', text('context'), 40)).not.toEqual(atOnce);
    expect(pair.client.connection.exportKeyingMaterial('EXPORTER-early', text('context'), 40)).not.toEqual(
      atOnce,
    );
  });

  test('the key log has each secret once, the same at both ends', () => {
    using memory = new Memory();
    using pair = early(memory);
    pair.run();
    const log = (end: 'client' | 'server') =>
      pair[end].events.flatMap((event) => (event.type === 'keylog' ? [event.line] : [])).sort();
    const labels = log('client').map((line) => line.split(' ')[0]);
    expect(labels).toEqual([
      'CLIENT_EARLY_TRAFFIC_SECRET',
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
      'CLIENT_TRAFFIC_SECRET_0',
      'EARLY_EXPORTER_SECRET',
      'EXPORTER_SECRET',
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
      'SERVER_TRAFFIC_SECRET_0',
    ]);
    expect(log('server')).toEqual(log('client'));
  });
});

test('psk_ke: a resumption without a key exchange, where both ends allow it and the client offers nothing else', () => {
  for (const [server, resumed] of [
    [true, true],
    [false, false],
  ] as const) {
    using memory = new Memory();
    const config = {
      client: { ...only13, allowPskKe: true, pskKeOnly: true },
      server: { allowPskKe: server },
    };
    using first = new Pair(credential, { client: only13, server: {} }, memory).run();
    const session = first.client.sessions[0] ?? null;
    using pair = new Pair(credential, { ...config, client: { ...config.client, session } }, memory).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    for (const end of [pair.client, pair.server]) {
      expect(end.connection.info.resumed).toBe(resumed);
      expect(end.connection.info.group === 0).toBe(resumed);
    }
    pair.client.connection.write(text('hello'));
    pair.run();
    expect(pair.server.received).toBe('hello');
  }
});

test('a cookie comes back in the second hello as it was', () => {
  const cookie = new Uint8Array(500).map((_, i) => i);
  let state: Uint8Array | null = null;
  const cookies = {
    seal: (bytes: Uint8Array) => {
      state = bytes.slice();
      return cookie;
    },
    open: (bytes: Uint8Array) => {
      expect(bytes).toEqual(cookie);
      return state;
    },
  };
  for (const groups of [[0x1d], [0x18]]) {
    // The first server is gone when the second hello comes: that one goes to another.
    using first = new Pair(credential, { client: { groups: [0x1d, 0x18] }, server: { cookies, groups } });
    first.server.connection.receive(first.client.connection.takeOutput() as Uint8Array);
    first.server.work();
    const retry = first.server.connection.takeOutput() as Uint8Array;
    using second = new Pair(credential, { server: { cookies, groups } });
    const { server } = second;
    const { client } = first;
    const pass = (from: typeof client, to: typeof server): void => {
      from.work();
      const bytes = from.connection.takeOutput();
      if (bytes !== null) to.connection.receive(bytes);
      to.work();
    };
    client.connection.receive(retry);
    for (let i = 0; i < 3; i++) {
      pass(client, server);
      pass(server, client);
    }
    expect(client.error ?? server.error).toBeNull();
    expect(client.has('handshake') && server.has('handshake')).toBe(true);
    expect(server.connection.info).toMatchObject({ helloRetryRequest: true, group: groups[0] });
  }
});

test('compatibility mode: a session id and ChangeCipherSpec with it, neither without', () => {
  for (const compatibilityMode of [true, false]) {
    using pair = openPair({ client: { compatibilityMode }, server: { compatibilityMode } }).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    const types = (flights: Uint8Array[]) =>
      flights.flatMap((flight) => readRecords(flight)).map(({ type }) => type);
    const count = (flights: Uint8Array[]) => types(flights).filter((type) => type === 20).length;
    expect([count(pair.toServer), count(pair.toClient)]).toEqual(compatibilityMode ? [1, 1] : [0, 0]);
    const hello = readMessages(
      (readRecords(pair.toServer[0] as Uint8Array)[0] as { payload: Uint8Array }).payload,
    )[0];
    expect(hello?.[38]).toBe(compatibilityMode ? 32 : 0);
  }
});

describe('X25519MLKEM768', () => {
  const native = nodeProvider.groups.includes(NamedGroup.x25519mlkem768);

  testWhere(
    native,
    'this Node has no ML-KEM',
    'is the first of what is offered where Node has ML-KEM',
    () => {
      expect(nodeProvider.groups[0]).toBe(NamedGroup.x25519mlkem768);
      using pair = new Pair(credential).run();
      expect(pair.client.connection.info.group).toBe(NamedGroup.x25519mlkem768);
    },
  );

  testWhere(!native, 'this Node has ML-KEM', 'is not offered where Node has none', () => {
    expect(nodeProvider.groups[0]).toBe(NamedGroup.x25519);
    expect(() => nodeProvider.generateKeyExchange(NamedGroup.x25519mlkem768)).toThrow(/X25519MLKEM768/);
  });
});
