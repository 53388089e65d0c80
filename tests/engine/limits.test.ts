/**
 * Every limit of the engine, by its name in `util/limits.ts`: what is just within it is taken, and one more is not.
 * `docs/limits.md` is made of the same table.
 */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import type { Credential, ServerConfig } from '../../src/handshake/config.ts';
import { Field, makeBody } from '../../src/session/body.ts';
import { SessionCore } from '../../src/session/core.ts';
import { concatBytes, utf8 } from '../../src/util/bytes.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/util/limits.ts';
import { writeU16List } from '../../src/wire/extension/lists.ts';
import { ContentType, ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { Writer } from '../../src/wire/writer.ts';
import { frame } from '../order/tap.ts';
import {
  engineCredential,
  Memory,
  OPEN,
  Pair,
  type PairOptions,
  text,
  USUAL,
} from '../support/engine-pair.ts';
import { openProvider } from '../support/open-provider.ts';
import { message, readRecords, record } from '../support/wire.ts';

const credential = await engineCredential();
const VERSIONS = [0x0303, 0x0304] as const;
const ROLES = ['client', 'server'] as const;
type Role = (typeof ROLES)[number];

const only = (version: number): { minVersion: number; maxVersion: number } => ({
  minVersion: version,
  maxVersion: version,
});
const withLimit = (name: keyof Limits, value: number): { limits: Limits } => ({
  limits: { ...DEFAULT_LIMITS, [name]: value },
});
const other = (role: Role): Role => (role === 'client' ? 'server' : 'client');

function reasonOf(error: Error | null): string | null {
  return error instanceof TlsAlertError && error.origin === 'local' ? error.reason : null;
}

/** Both ends protect nothing, so that anything can be put between them. */
function openPair(version: 0x0303 | 0x0304, options: PairOptions = {}): Pair {
  const common = { ...only(version), cipherSuites: [0x1301, 0xcca9] };
  return new Pair(credential, {
    ...options,
    client: { ...common, provider: openProvider(), groups: [0x1d, 0x17], ...options.client },
    server: { ...common, provider: openProvider(), groups: [0x1d], ...options.server },
  });
}

/** A server that nobody has spoken to yet. */
function freshServer(name: keyof Limits, value: number): Pair {
  return new Pair(credential, { server: withLimit(name, value) });
}

/** node's provider, counting how many records each traffic key has sealed. */
function countingProvider(): { provider: CryptoProvider; sealed: number[] } {
  const sealed: number[] = [];
  const provider: CryptoProvider = {
    ...nodeProvider,
    aeadKey: (aead, bytes) => {
      const inner = nodeProvider.aeadKey(aead, bytes);
      const at = sealed.push(0) - 1;
      return {
        sealInPlace: (nonce, aad, buffer, start, end) => {
          sealed[at] = (sealed[at] as number) + 1;
          inner.sealInPlace(nonce, aad, buffer, start, end);
        },
        open: (nonce, aad, bytes) => inner.open(nonce, aad, bytes),
        destroy: () => inner.destroy(),
      };
    },
  };
  return { provider, sealed };
}

/** In TLS 1.3 a key is replaced in time, whoever writes; in TLS 1.2 there is no other, and the connection ends. */
function keyEndsAt(
  name: 'recordsPerAesKey' | 'recordsPerChachaKey' | 'recordsPerCcmKey',
  suites: readonly [number, number?],
): void {
  const limit = 5;
  for (const version of VERSIONS.slice(-suites.length)) {
    for (const role of ROLES) {
      for (const write of [1, 12]) {
        const { provider, sealed } = countingProvider();
        const own = { ...only(version), ...withLimit(name, limit), provider, maxSendFragment: 100 };
        const suite = [suites[version === 0x0304 ? 0 : 1] as number];
        using pair = new Pair(credential, {
          client: { cipherSuites: suite, ...(role === 'client' ? own : only(version)) },
          server: { cipherSuites: suite, ...(role === 'server' ? { ...own, ticketCount: 0 } : {}) },
        }).run();
        expect(pair.client.error ?? pair.server.error).toBeNull();
        // The handshake's own keys are not asked: no flight of it comes near a limit.
        if (version === 0x0304) sealed.fill(0);
        const writer = pair[role];
        const reader = pair[other(role)];
        for (let i = 0; i < 12 && writer.error === null; i += write) {
          writer.connection.write(new Uint8Array(100 * write).fill(0x41 + i));
          pair.run();
        }
        // The KeyUpdate itself is the one record that goes beyond the limit.
        expect(Math.max(...sealed)).toBeLessThanOrEqual(limit + 1);
        if (version === 0x0304) {
          expect(pair.client.error ?? pair.server.error).toBeNull();
          expect(reader.received).toHaveLength(1200);
          expect(sealed.filter((records) => records > 0).length).toBeGreaterThanOrEqual(3);
        } else {
          expect(reasonOf(writer.error)).toBe('record-limit');
          // Finished was the first record.
          expect(reader.received).toHaveLength(100 * (limit - 1));
        }
      }
    }
  }
}

function certificateChain(certificates: number): Credential {
  const [leaf, issuer] = credential.chain as [Uint8Array, Uint8Array];
  return { ...credential, chain: [leaf, ...new Array<Uint8Array>(certificates - 1).fill(issuer)] };
}

/** The peer of `role` shows `shown`; what `role` says of it under a limit. */
function shownTo(
  role: Role,
  version: number,
  shown: Credential,
  config: { readonly limits: Limits },
): string | null {
  using pair = new Pair(role === 'client' ? shown : credential, {
    client: { ...only(version), ...(role === 'client' ? config : {}) },
    server: role === 'server' ? { ...config, clientCertificate: 'request', sessionIdContext: text('x') } : {},
    clientAnswer: (job) => (job.kind === 'client-certificate' ? shown : USUAL),
  }).run();
  if (pair[role].error === null) expect(pair[role].has('handshake')).toBe(true);
  return reasonOf(pair[role].error);
}

/** The length of a Certificate message's body. */
function certificateLength(version: number, { chain }: Credential): number {
  const each = version === 0x0304 ? 5 : 3;
  return chain.reduce((sum, der) => sum + der.length + each, version === 0x0304 ? 4 : 3);
}

/** A session that allows early data, and the pair in which it is offered to a server that takes none. */
function refusedEarlyData(bytes: number, server: Partial<ServerConfig>): string | null {
  using memory = new Memory();
  const generous = { maxEarlyData: 1000, replayGuard: true };
  using first = new Pair(credential, { client: only(0x0304), server: generous }, memory).run();
  using second = new Pair(
    credential,
    {
      client: { ...only(0x0304), session: first.client.sessions[0] as SessionCore, earlyData: true },
      server,
    },
    memory,
  );
  expect(second.client.connection.writeEarly(new Uint8Array(bytes))).toBe(bytes);
  second.run();
  expect(second.server.receivedEarly).toBe('');
  if (second.server.error === null) expect(second.server.has('handshake')).toBe(true);
  return reasonOf(second.server.error);
}

function externalKey(): SessionCore {
  const fields = new Array(12).fill(null);
  fields[Field.masterKey] = new Uint8Array(32).fill(1);
  const session = SessionCore.fromBody(makeBody(fields, { version: 0x0304, cipher: 0x1301 }), 0, 1e9, 'test');
  session.takeFromApplication('test');
  return session;
}

/** A CertificateRequest after the handshake (RFC 8446, 4.6.2). */
function lateRequest(): Uint8Array {
  const body = new Writer();
  body.vector8(new Uint8Array([1]));
  const extensions = body.open16();
  writeU16List(body, ExtensionType.signature_algorithms, [0x0403]);
  body.close16(extensions);
  return frame(0x0304, ContentType.handshake, message(HandshakeType.certificate_request, body.copy()), true);
}

const holds: { readonly [Name in keyof Limits]: (limit: Name) => void } = {
  handshakeMessageBytes: (name) => {
    for (const over of [0, 1]) {
      using pair = freshServer(name, 300);
      const length = 300 + over;
      const header = new Uint8Array([HandshakeType.client_hello, 0, length >> 8, length & 0xff]);
      pair.server.connection.receive(record(ContentType.handshake, header));
      expect(reasonOf(pair.server.error)).toBe(over === 1 ? 'message-too-long' : null);
    }
  },

  certificateMessageBytes: (name) => {
    for (const version of VERSIONS) {
      const length = certificateLength(version, credential);
      for (const role of ROLES) {
        expect(shownTo(role, version, credential, withLimit(name, length))).toBeNull();
        expect(shownTo(role, version, credential, withLimit(name, length - 1))).toBe('message-too-long');
      }
    }
    // What a compressed one says of its length before anything is expanded.
    const length = certificateLength(0x0304, credential);
    const certificateCompressors = [{ id: 7, compress: () => new Uint8Array(1), decompress: () => null }];
    for (const over of [0, 1]) {
      using pair = new Pair(credential, {
        client: { ...only(0x0304), ...withLimit(name, length - over), certificateCompressors },
        server: { certificateCompressors },
      }).run();
      expect(pair.client.error?.message).toMatch(over === 1 ? /out of bounds/ : /cannot be expanded$/);
    }
  },

  chainCertificates: (name) => {
    for (const version of VERSIONS) {
      for (const role of ROLES) {
        expect(shownTo(role, version, certificateChain(3), withLimit(name, 3))).toBeNull();
        expect(shownTo(role, version, certificateChain(4), withLimit(name, 3))).toBe('bad-certificate');
      }
    }
  },

  emptyRecords: (name) => {
    const empty = [record(ContentType.handshake, new Uint8Array(0)), record(20, new Uint8Array([1]))];
    // In TLS 1.2 a handshake record without content; in TLS 1.3 a ChangeCipherSpec that means nothing.
    for (const [which, kind] of empty.entries()) {
      for (const over of [0, 1]) {
        using pair = freshServer(name, 5);
        const { server } = pair;
        if (which === 1) {
          // Only between hello and Finished is it ignored.
          server.connection.receive(pair.client.connection.takeOutput() as Uint8Array);
          server.work();
          expect(server.connection.info.version).toBe(0x0304);
        }
        for (let i = 0; i < 5 + over; i++) server.connection.receive(kind.slice());
        expect(reasonOf(server.error)).toBe(over === 1 ? 'too-many-empty-records' : null);
      }
    }
    // Application data, and content in between makes them legitimate.
    for (const version of VERSIONS) {
      using pair = openPair(version, { server: withLimit(name, 5) }).run();
      const data = (content: Uint8Array): void =>
        pair.server.connection.receive(frame(version, ContentType.application_data, content, true));
      for (let i = 0; i < 5; i++) data(new Uint8Array(0));
      data(text('x'));
      for (let i = 0; i < 5; i++) data(new Uint8Array(0));
      expect(pair.server.error).toBeNull();
      data(new Uint8Array(0));
      expect(reasonOf(pair.server.error)).toBe('too-many-empty-records');
    }
  },

  tinyRecords: (name) => {
    // A hello of which every record has one byte: all but the last leave it unfinished.
    using source = new Pair(credential);
    const hello = concatBytes(
      ...readRecords(source.client.connection.takeOutput() as Uint8Array).map(({ payload }) => payload),
    );
    for (const over of [0, 1]) {
      using pair = freshServer(name, hello.length - 1 - over);
      for (const byte of hello) {
        pair.server.connection.receive(record(ContentType.handshake, new Uint8Array([byte]), 0x0301));
      }
      pair.server.work();
      expect(reasonOf(pair.server.error)).toBe(over === 1 ? 'too-many-tiny-records' : null);
    }
    // Records of sixteen bytes are none.
    using pair = freshServer(name, 0);
    for (let at = 0; at < hello.length; at += 16) {
      const piece = hello.slice(Math.max(0, Math.min(at, hello.length - 16)), at + 16);
      const rest = at + 16 > hello.length ? hello.slice(at) : piece;
      pair.server.connection.receive(record(ContentType.handshake, rest, 0x0301));
    }
    expect(pair.server.error).toBeNull();
  },

  warningAlerts: (name) => {
    const warning = new Uint8Array([1, 90]);
    for (const version of VERSIONS) {
      for (const role of ROLES) {
        using pair = openPair(version, { client: withLimit(name, 3), server: withLimit(name, 3) }).run();
        const end = pair[role];
        const warn = (): void =>
          end.connection.receive(frame(version, ContentType.alert, warning.slice(), true));
        for (let i = 0; i < 3; i++) warn();
        end.connection.receive(frame(version, ContentType.application_data, text('x'), true));
        for (let i = 0; i < 3; i++) warn();
        end.work();
        expect(end.error).toBeNull();
        warn();
        expect(reasonOf(end.error)).toBe('too-many-warnings');
      }
    }
  },

  helloRequests: (name) => {
    using pair = openPair(0x0303, { client: withLimit(name, 3) }).run();
    const { client } = pair;
    const ask = (): void => {
      const request = message(HandshakeType.hello_request, new Uint8Array(0));
      client.connection.receive(frame(0x0303, ContentType.handshake, request, true));
    };
    for (let i = 0; i < 3; i++) ask();
    client.connection.receive(frame(0x0303, ContentType.application_data, text('x'), true));
    for (let i = 0; i < 3; i++) ask();
    expect(client.error).toBeNull();
    ask();
    expect(reasonOf(client.error)).toBe('too-many-hello-requests');
  },

  keyUpdates: (name) => {
    for (const role of ROLES) {
      using pair = new Pair(credential, { client: withLimit(name, 3), server: withLimit(name, 3) }).run();
      const { connection } = pair[role];
      const receiver = pair[other(role)];
      const update = (times: number): void => {
        for (let i = 0; i < times; i++) connection.updateKeys(true);
        pair.run();
      };
      update(3);
      connection.write(text('x'));
      update(3);
      expect(receiver.error).toBeNull();
      update(1);
      expect(reasonOf(receiver.error)).toBe('too-many-key-updates');
    }
  },

  certificateRequests: (name) => {
    using pair = openPair(0x0304, { client: { ...withLimit(name, 3), postHandshakeAuth: true } }).run();
    const { client } = pair;
    const ask = (times: number): void => {
      for (let i = 0; i < times; i++) {
        client.connection.receive(lateRequest());
        client.work();
      }
    };
    ask(3);
    client.connection.receive(frame(0x0304, ContentType.application_data, text('x'), true));
    ask(3);
    expect(client.error).toBeNull();
    ask(1);
    expect(reasonOf(client.error)).toBe('too-many-certificate-requests');
  },

  tickets: (name) => {
    using pair = new Pair(credential, {
      client: { ...only(0x0304), ...withLimit(name, 3) },
      server: { ticketCount: 2 },
    }).run();
    pair.server.connection.issueTicket();
    pair.run();
    expect(pair.client.error).toBeNull();
    expect(pair.client.sessions).toHaveLength(3);
    pair.server.connection.issueTicket();
    pair.run();
    expect(reasonOf(pair.client.error)).toBe('too-many-tickets');
    expect(pair.client.sessions).toHaveLength(3);
  },

  skippedEarlyDataBytes: (name) => {
    for (const server of [{}, { groups: [0x18] }]) {
      const config = { ...withLimit(name, 50), ...server };
      expect(refusedEarlyData(50, config)).toBeNull();
      expect(refusedEarlyData(51, config)).toBe('too-much-skipped');
    }
    // What this server's own tickets promised may be on its way, whatever the limit.
    const promising = { ...withLimit(name, 50), maxEarlyData: 200, replayGuard: false };
    expect(refusedEarlyData(200, promising)).toBeNull();
    expect(refusedEarlyData(201, promising)).toBe('too-much-skipped');
    // Records of nothing are not for nothing.
    using memory = new Memory();
    const generous = { maxEarlyData: 1000, replayGuard: true };
    using first = new Pair(credential, { client: only(0x0304), server: generous }, memory).run();
    const session = first.client.sessions[0] as SessionCore;
    using second = new Pair(
      credential,
      { client: { ...only(0x0304), session, earlyData: true }, server: withLimit(name, 5) },
      memory,
    );
    const { server } = second;
    server.connection.receive(second.client.connection.takeOutput() as Uint8Array);
    server.work();
    for (let i = 0; i < 6; i++) {
      expect(server.error).toBeNull();
      server.connection.receive(record(ContentType.application_data, new Uint8Array(17)));
    }
    expect(reasonOf(server.error)).toBe('too-much-skipped');
  },

  pskIdentities: (name) => {
    for (const [most, resumed] of [
      [2, true],
      [1, false],
    ] as const) {
      using memory = new Memory();
      using elsewhere = new Memory();
      using first = new Pair(credential, { client: only(0x0304) }, elsewhere).run();
      const key = externalKey();
      using pair = new Pair(
        credential,
        {
          client: { ...only(0x0304), session: first.client.sessions[0] as SessionCore, externalPsk: true },
          server: { ...withLimit(name, most), externalPsk: true, cipherSuites: [0x1301, 0x1302] },
          clientAnswer: (job) =>
            job.kind === 'offer-psk' ? { identity: utf8('name'), session: key } : USUAL,
          // The ticket is another server's; the key is the second identity.
          serverAnswer: (job) =>
            job.kind === 'find-psk' && job.identity.length === 4 ? externalKey() : USUAL,
        },
        memory,
      ).run();
      expect(pair.client.error ?? pair.server.error).toBeNull();
      expect(pair.server.connection.info.resumed).toBe(resumed);
      const jobs = pair.server.events.filter((event) => event.type === 'job');
      expect(jobs.filter(({ job }) => job.kind === 'open-ticket')).toHaveLength(1);
      expect(jobs.filter(({ job }) => job.kind === 'find-psk')).toHaveLength(most);
      key.release('test');
    }
  },

  pendingInputBytes: (name) => {
    using pair = new Pair(credential, {
      server: { ...withLimit(name, 1000), selectByJob: true },
      serverAnswer: (job) => (job.kind === 'select' ? OPEN : USUAL),
    });
    const { server } = pair;
    server.connection.receive(pair.client.connection.takeOutput() as Uint8Array);
    server.work();
    expect(server.connection.isWaiting).toBe(true);
    for (let i = 0; i < 10; i++) server.connection.receive(new Uint8Array(100).fill(23));
    expect(server.error).toBeNull();
    server.connection.receive(new Uint8Array(1).fill(23));
    expect(reasonOf(server.error)).toBe('too-much-input');
  },

  pendingOutputBytes: (name) => {
    for (const role of ROLES) {
      using pair = new Pair(credential, { client: withLimit(name, 1000), server: withLimit(name, 1000) });
      const { connection } = pair[role];
      connection.write(new Uint8Array(999));
      connection.write(new Uint8Array(1));
      expect(() => connection.write(new Uint8Array(1))).toThrow(
        expect.objectContaining({ code: 'ERR_TLS_BUFFER_FULL' }),
      );
      pair.run();
      expect(pair[other(role)].received).toHaveLength(1000);
    }
  },

  recordsPerAesKey: (name) => keyEndsAt(name, [0x1301, 0xc02b]),
  recordsPerChachaKey: (name) => keyEndsAt(name, [0x1303, 0xcca9]),
  recordsPerCcmKey: (name) => {
    for (const suite of [0x1304, 0x1305]) keyEndsAt(name, [suite]);
  },
};

describe('the limit', () => {
  test.each(Object.keys(DEFAULT_LIMITS) as (keyof Limits)[])('%s holds', (name) => {
    const hold = holds[name] as ((limit: keyof Limits) => void) | undefined;
    if (hold === undefined) throw new Error(`nothing shows that ${name} holds`);
    hold(name);
  });
});
