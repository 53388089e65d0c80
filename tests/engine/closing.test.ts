/** The end of writing: what waits for it, and that nothing comes behind it (RFC 8446, 6.1). */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { AeadKey, CryptoProvider } from '../../src/crypto/provider.ts';
import type { Job } from '../../src/handshake/jobs.ts';
import { UsageError } from '../../src/util/errors.ts';
import { Alert } from '../../src/util/registries.ts';
import { writeU16List } from '../../src/wire/extension/lists.ts';
import { ContentType, ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { Writer } from '../../src/wire/writer.ts';
import { Dissector, frame } from '../order/tap.ts';
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
import { fault } from '../support/tls12.ts';
import { message } from '../support/wire.ts';

const credential = await engineCredential();
const VERSIONS = [0x0303, 0x0304] as const;
const ROLES = ['client', 'server'] as const;
const other = (role: 'client' | 'server'): 'client' | 'server' => (role === 'client' ? 'server' : 'client');

/** Two ends that protect nothing. */
function openPair(options: PairOptions = {}): Pair {
  const common = { minVersion: 0x0304, cipherSuites: [0x1301] };
  return new Pair(credential, {
    ...options,
    client: { ...common, provider: openProvider(), groups: [0x1d, 0x17], ...options.client },
    server: { ...common, provider: openProvider(), groups: [0x1d], ...options.server },
  });
}

describe.each(VERSIONS)('version 0x%s', (version) => {
  test.each(ROLES)('a close before the handshake is over waits, behind what was written: %s', (role) => {
    using pair = new Pair(credential, { client: { maxVersion: version } });
    const { connection } = pair[role];
    connection.write(text('before the end'));
    connection.close();
    expect(connection.closeSent).toBe(false);
    expect(connection.canWrite).toBe(false);
    expect(() => connection.write(text('x'))).toThrow(expect.objectContaining({ code: 'ERR_TLS_CLOSED' }));
    pair.run();
    const reader = pair[other(role)];
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(reader.received).toBe('before the end');
    expect(reader.has('close-notify')).toBe(true);
    expect(connection.closeSent).toBe(true);
    // The other way is open.
    reader.connection.write(text('the answer'));
    pair.run();
    expect(pair[role].received).toBe('the answer');
  });

  test('a handshake that fails under a close that waits still has its alert', () => {
    using refused = new Pair(credential, {
      client: { maxVersion: version },
      clientAnswer: (job) =>
        job.kind === 'verify-certificate' ? { ok: false, reason: 'unknown-ca', verifyResult: 20 } : USUAL,
    });
    refused.client.connection.close();
    refused.run();
    expect(fault(refused.server.error)).toMatchObject({ alert: Alert.unknown_ca, origin: 'peer' });
    expect(refused.client.connection.closeSent).toBe(false);
  });

  test.each(ROLES)('behind close_notify there is nothing more, whatever is asked for: %s', (role) => {
    using pair = new Pair(credential, { client: { maxVersion: version } }).run();
    const { connection } = pair[role];
    connection.close();
    const last = connection.takeOutput();
    expect(last).not.toBeNull();
    connection.close();
    expect(() => connection.updateKeys(true)).toThrow(UsageError);
    expect(() => connection.write(text('x'))).toThrow(UsageError);
    expect(() => connection.writeEarly(text('x'))).toThrow(UsageError);
    expect(connection.issueTicket()).toBe(false);
    // What the peer asks for does not get an answer either.
    if (version === 0x0304) pair[other(role)].connection.updateKeys(true);
    pair[other(role)].connection.write(text('more'));
    pair.run();
    expect(pair[role].received).toBe('more');
    expect(connection.hasOutput).toBe(false);
    expect(connection.error).toBeNull();
  });
});

test('half-RTT data may end in close_notify: no ticket follows, and the handshake is completed', () => {
  using memory = new Memory();
  const server = { maxEarlyData: 100, replayGuard: true };
  using first = new Pair(credential, { client: { minVersion: 0x0304 }, server }, memory).run();
  using pair = new Pair(
    credential,
    {
      client: { minVersion: 0x0304, session: first.client.sessions[0] ?? null, earlyData: true },
      server,
    },
    memory,
  );
  pair.client.connection.writeEarly(text('question'));
  pair.server.connection.receive(pair.client.connection.takeOutput() as Uint8Array);
  pair.server.work();
  expect(pair.server.receivedEarly).toBe('question');
  pair.server.connection.write(text('answer'));
  pair.server.connection.close();
  pair.run();
  expect(pair.client.error ?? pair.server.error).toBeNull();
  expect(pair.client.received).toBe('answer');
  expect(pair.client.has('close-notify')).toBe(true);
  expect(pair.server.has('handshake')).toBe(true);
  expect(pair.client.sessions).toHaveLength(0);
  expect(pair.server.sessions).toHaveLength(0);
});

describe('a ticket that is sealed late', () => {
  const held: PairOptions = {
    client: { minVersion: 0x0304 },
    server: { ticketCount: 1 },
    serverAnswer: (job) => (job.kind === 'seal-ticket' ? OPEN : USUAL),
  };

  test('behind close_notify it stays here', () => {
    using pair = new Pair(credential, held).run();
    const { server } = pair;
    server.connection.close();
    pair.run();
    const [job] = server.openJobs.splice(0);
    expect(server.connection.finishJob(job?.id as number, new Uint8Array(20))).toBe(true);
    pair.run();
    expect(server.connection.hasOutput).toBe(false);
    expect(pair.client.sessions).toHaveLength(0);
    // The session is good all the same.
    expect(server.sessions).toHaveLength(1);
  });

  test.each(['finishJob', 'failJob'] as const)('behind a fault it is not taken: %s', (answer) => {
    using pair = new Pair(credential, held).run();
    const { server } = pair;
    server.connection.receive(new Uint8Array([23, 3, 3, 0, 17, ...new Uint8Array(17)]));
    server.work();
    expect(fault(server.error)).toMatchObject({ reason: 'bad-record-mac' });
    server.connection.takeOutput();
    const [job] = server.openJobs.splice(0);
    expect(server.connection[answer](job?.id as number, new Uint8Array(20))).toBe(false);
    expect(server.connection.hasOutput).toBe(false);
    expect(server.connection.nextEvent()).toBeNull();
    expect(server.events.at(-1)?.type).toBe('error');
  });
});

/** A CertificateRequest after the handshake (RFC 8446, 4.6.2). */
function lateRequest(): Uint8Array {
  const body = new Writer();
  body.vector8(new Uint8Array([7, 8, 9]));
  const extensions = body.open16();
  writeU16List(body, ExtensionType.signature_algorithms, [0x0403]);
  body.close16(extensions);
  return frame(0x0304, ContentType.handshake, message(HandshakeType.certificate_request, body.copy()), true);
}

describe('a certificate that is asked for after the handshake', () => {
  const isAsked = (job: Job): boolean => job.kind === 'client-certificate' || job.kind === 'sign';
  const asking = (): Pair =>
    openPair({
      client: { postHandshakeAuth: true },
      clientAnswer: (job) => (isAsked(job) ? OPEN : USUAL),
    }).run();
  const answerNext = ({ client }: Pair): void => {
    client.work();
    const [job] = client.openJobs.splice(0);
    const answer = job?.job.kind === 'sign' ? new Uint8Array(70) : credential;
    expect(client.connection.finishJob(job?.id as number, answer)).toBe(true);
    client.work();
  };

  test('the answer stands together, whatever is written while its parts are waited for', () => {
    using pair = asking();
    const { client } = pair;
    const dissector = new Dissector(0x0304);
    client.connection.receive(lateRequest());
    client.connection.write(text('one'));
    answerNext(pair);
    client.connection.write(text('two'));
    client.connection.updateKeys(false);
    client.connection.write(text('three'));
    answerNext(pair);
    client.connection.write(text('four'));
    const items = dissector.push(client.connection.takeOutput() as Uint8Array);
    expect(items.map((item) => item.arrival)).toEqual([
      'application_data',
      'key_update',
      'application_data',
      'certificate',
      'certificate_verify',
      'finished',
      'application_data',
    ]);
    // The context of the request comes back (4.4.2).
    expect(items[3]?.content.slice(4, 8)).toEqual(new Uint8Array([3, 7, 8, 9]));
    expect(client.error).toBeNull();
  });

  test('none is sent behind close_notify, however far the answer was', () => {
    for (const answers of [0, 1, 2]) {
      using pair = asking();
      const { client } = pair;
      if (answers > 0) client.connection.receive(lateRequest());
      if (answers > 1) answerNext(pair);
      client.connection.close();
      client.connection.takeOutput();
      if (answers === 0) client.connection.receive(lateRequest());
      if (answers === 1) answerNext(pair);
      if (answers > 0) answerNext(pair);
      client.work();
      expect(client.openJobs).toHaveLength(0);
      expect(client.connection.hasOutput).toBe(false);
      expect(client.error).toBeNull();
      expect(client.connection.stateName).toBe('established');
    }
  });

  test('it is unexpected where it was not offered, and illegal without a context', () => {
    using pair = openPair().run();
    pair.client.connection.receive(lateRequest());
    expect(fault(pair.client.error)).toMatchObject({ alert: Alert.unexpected_message });
    using offered = asking();
    const bare = new Uint8Array([0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    offered.client.connection.receive(
      frame(0x0304, ContentType.handshake, message(HandshakeType.certificate_request, bare), true),
    );
    expect(fault(offered.client.error)).toMatchObject({ alert: Alert.illegal_parameter });
  });
});

test('what a provider fails to protect never leaves', () => {
  let broken = false;
  const provider: CryptoProvider = {
    ...nodeProvider,
    aeadKey: (aead, bytes) => {
      const inner = nodeProvider.aeadKey(aead, bytes);
      const key: AeadKey = {
        sealInPlace: (nonce, aad, buffer, start, end) => {
          if (broken) throw new Error('the device is gone');
          inner.sealInPlace(nonce, aad, buffer, start, end);
        },
        open: (nonce, aad, sealed) => inner.open(nonce, aad, sealed),
        destroy: () => inner.destroy(),
      };
      return key;
    },
  };
  for (const version of VERSIONS) {
    broken = false;
    using pair = new Pair(credential, { client: { provider, maxVersion: version } }).run();
    const { connection } = pair.client;
    connection.write(text('good'));
    const good = connection.takeOutput() as Uint8Array;
    pair.server.connection.receive(good);
    broken = true;
    connection.write(text('a secret that nobody may see'));
    const sent = [connection.takeOutput(), connection.takeOutput()];
    expect(fault(connection.error)).toMatchObject({ reason: 'internal-error' });
    expect(connection.error?.cause).toMatchObject({ message: 'the device is gone' });
    expect(sent).toEqual([null, null]);
    connection.destroy();
  }
});

test('the master secret is gone with the first traffic keys', () => {
  for (const role of ROLES) {
    for (const updates of [false, true]) {
      const alive = new Set<string>();
      const provider: CryptoProvider = {
        ...nodeProvider,
        hmacKey: (hash, bytes) => {
          const name = Buffer.from(bytes).toString('hex');
          const inner = nodeProvider.hmacKey(hash, bytes);
          alive.add(name);
          return {
            sign: (data) => inner.sign(data),
            destroy: () => {
              alive.delete(name);
              inner.destroy();
            },
          };
        },
      };
      using pair = new Pair(credential, {
        client: { minVersion: 0x0304 },
        server: { ticketCount: 0 },
        [role]: { minVersion: 0x0304, ticketCount: 0, provider },
      }).run();
      const before = alive.size;
      if (updates) pair[other(role)].connection.updateKeys(false);
      pair.run();
      // The master secret goes, the exporter's and the resumption secret come.
      expect(alive.size - before).toBe(updates ? 1 : 0);
      const context = text('context');
      expect(pair.client.connection.exportKeyingMaterial('EXPORTER-x', context, 20)).toEqual(
        pair.server.connection.exportKeyingMaterial('EXPORTER-x', context, 20),
      );
      expect(pair.server.connection.issueTicket()).toBe(true);
      pair.run();
      expect(pair.client.sessions).toHaveLength(1);
      expect(pair.client.error ?? pair.server.error).toBeNull();
    }
  }
});
