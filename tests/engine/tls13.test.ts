import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { Field, makeBody } from '../../src/session/body.ts';
import { SessionCore } from '../../src/session/core.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { DEFAULT_LIMITS } from '../../src/util/limits.ts';
import { Alert, NamedGroup, ProtocolVersion } from '../../src/util/registries.ts';
import type { Answerer } from '../support/engine-pair.ts';
import {
  engineCredential,
  Memory,
  OPEN,
  Pair,
  type PairOptions,
  text,
  USUAL,
} from '../support/engine-pair.ts';

const only13 = { minVersion: ProtocolVersion.TLS1_3 };
const credential = await engineCredential();

function alertOf(error: Error | null): { alert: number; reason: string | null; origin: string } | null {
  return error instanceof TlsAlertError
    ? { alert: error.alert, reason: error.reason, origin: error.origin }
    : null;
}

/** A full handshake whose client sessions outlive it. */
function firstSession(memory: Memory, options: PairOptions = {}): SessionCore {
  using pair = new Pair(credential, { ...options, client: { ...only13, ...options.client } }, memory).run();
  expect(pair.client.error).toBeNull();
  const session = pair.client.sessions[0];
  if (session === undefined) throw new Error('no session came');
  session.retain('test');
  return session;
}

describe('full handshakes', () => {
  for (const suite of [0x1301, 0x1302, 0x1303, 0x1304, 0x1305]) {
    for (const group of nodeProvider.groups) {
      test(`suite 0x${suite.toString(16)}, group 0x${group.toString(16)}`, () => {
        const common = { ...only13, cipherSuites: [suite], groups: [group] };
        using pair = new Pair(credential, { client: common, server: common }).run();
        expect(pair.client.error ?? pair.server.error).toBeNull();
        for (const end of [pair.client, pair.server]) {
          expect(end.has('handshake')).toBe(true);
          expect(end.connection.info).toMatchObject({
            version: 0x0304,
            cipherSuite: suite,
            group,
            resumed: false,
          });
        }
        pair.client.connection.write(text('to the server'));
        pair.server.connection.write(text('to the client'));
        pair.run();
        expect(pair.server.received).toBe('to the server');
        expect(pair.client.received).toBe('to the client');
      });
    }
  }

  for (const kind of ['p256', 'p384', 'p521', 'rsa2048', 'ed25519'] as const) {
    test(`a ${kind} certificate at both ends`, async () => {
      const own = await engineCredential(kind);
      const answer: Answerer = (job) => (job.kind === 'client-certificate' ? own : USUAL);
      using pair = new Pair(own, {
        client: only13,
        server: { clientCertificate: 'require', sessionIdContext: text('test') },
        clientAnswer: answer,
      }).run();
      expect(pair.client.error ?? pair.server.error).toBeNull();
      expect(pair.client.connection.info.peerChain[0]).toEqual(own.chain[0]);
      expect(pair.server.connection.info.peerChain[0]).toEqual(own.chain[0]);
      expect(pair.server.connection.info.peerSignatureScheme).toBe(
        pair.client.connection.info.signatureScheme,
      );
    });
  }

  test('a HelloRetryRequest when no share fits', () => {
    using pair = new Pair(credential, {
      client: { ...only13, groups: [NamedGroup.x25519, NamedGroup.secp384r1] },
      server: { groups: [NamedGroup.secp384r1] },
    }).run();
    expect(pair.client.error).toBeNull();
    for (const end of [pair.client, pair.server]) {
      expect(end.connection.info).toMatchObject({ helloRetryRequest: true, group: NamedGroup.secp384r1 });
    }
  });

  test('a flight is one write, and the handshake is two and one', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    // ClientHello; Finished.
    expect(pair.toServer).toHaveLength(2);
    // ServerHello to Finished; both tickets.
    expect(pair.toClient).toHaveLength(2);
  });

  test('both ends export the same', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    const at = (end: 'client' | 'server', label: string): Uint8Array =>
      pair[end].connection.exportKeyingMaterial(label, text('context'), 40);
    expect(at('client', 'EXPORTER-test')).toEqual(at('server', 'EXPORTER-test'));
    expect(at('client', 'EXPORTER-test')).not.toEqual(at('client', 'EXPORTER-other'));
  });

  test('ALPN is the server’s choice of what the client offers; nothing in common is refused', () => {
    using pair = new Pair(credential, {
      client: { ...only13, alpn: [text('h2'), text('http/1.1')] },
      server: { alpn: [text('http/1.1'), text('h2')] },
    }).run();
    expect(pair.client.connection.info.alpn).toEqual(text('http/1.1'));
    using none = new Pair(credential, {
      client: { ...only13, alpn: [text('h3')] },
      server: { alpn: [text('h2')] },
    }).run();
    expect(alertOf(none.server.error)).toMatchObject({ alert: Alert.no_application_protocol });
    expect(alertOf(none.client.error)).toMatchObject({
      alert: Alert.no_application_protocol,
      origin: 'peer',
    });
  });

  test('nothing in common: one exact alert each', () => {
    const cases: [PairOptions, keyof typeof Alert][] = [
      [{ client: { cipherSuites: [0x1301] }, server: { cipherSuites: [0x1303] } }, 'handshake_failure'],
      [
        { client: { groups: [NamedGroup.x25519] }, server: { groups: [NamedGroup.secp256r1] } },
        'handshake_failure',
      ],
      [{ client: { signatureSchemes: [0x0807] } }, 'handshake_failure'],
      [{ server: { maxVersion: ProtocolVersion.TLS1_2 } }, 'protocol_version'],
    ];
    for (const [options, alert] of cases) {
      using pair = new Pair(credential, { ...options, client: { ...only13, ...options.client } }).run();
      expect(alertOf(pair.server.error)).toMatchObject({ alert: Alert[alert], origin: 'local' });
      expect(alertOf(pair.client.error)).toMatchObject({ alert: Alert[alert], origin: 'peer' });
    }
  });

  test('a certificate that is refused ends with the reason’s alert', () => {
    const answer: Answerer = (job) =>
      job.kind === 'verify-certificate' ? { ok: false, reason: 'unknown-ca', verifyResult: 20 } : USUAL;
    using pair = new Pair(credential, { client: only13, clientAnswer: answer }).run();
    expect(alertOf(pair.client.error)).toMatchObject({ reason: 'unknown-ca', origin: 'local' });
    expect(alertOf(pair.server.error)).toMatchObject({ alert: Alert.unknown_ca, origin: 'peer' });
  });

  test('a missing client certificate: required fails, requested goes on', () => {
    using required = new Pair(credential, { client: only13, server: { clientCertificate: 'require' } }).run();
    expect(alertOf(required.server.error)).toMatchObject({ alert: Alert.certificate_required });
    using requested = new Pair(credential, {
      client: only13,
      server: { clientCertificate: 'request' },
    }).run();
    expect(requested.server.error).toBeNull();
    expect(requested.server.connection.info.peerChain).toEqual([]);
  });

  test('record_size_limit bounds what the peer sends', () => {
    using pair = new Pair(credential, {
      client: { ...only13, recordSizeLimit: 512 },
      server: { recordSizeLimit: 16_384 },
    }).run();
    pair.toClient = [];
    pair.server.connection.write(new Uint8Array(2000).fill(0x61));
    pair.run();
    expect(pair.client.received).toHaveLength(2000);
    // Four records: 512 bytes of content, type byte and tag, and the header.
    const lengths: number[] = [];
    const bytes = pair.toClient[0] as Uint8Array;
    for (let at = 0; at < bytes.length; ) {
      const length = ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number);
      lengths.push(length);
      at += 5 + length;
    }
    expect(lengths).toEqual([529, 529, 529, 481]);
  });
});

describe('resumption', () => {
  test('by ticket, with a key exchange, and one new ticket', () => {
    using memory = new Memory();
    const session = firstSession(memory);
    using pair = new Pair(credential, { client: { ...only13, session } }, memory).run();
    for (const end of [pair.client, pair.server]) {
      expect(end.error).toBeNull();
      expect(end.connection.info).toMatchObject({ resumed: true, resumptionReason: null });
    }
    expect(pair.client.sessions).toHaveLength(1);
    expect(pair.client.connection.info.peerChain[0]).toEqual(credential.chain[0]);
    session.release('test');
  });

  test('a full handshake makes two tickets, each with a key of its own', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    expect(pair.client.sessions).toHaveLength(2);
    const keys = pair.client.sessions.map((session) => session.field(Field.masterKey, 'test'));
    expect(keys[0]).not.toEqual(keys[1]);
  });

  test('over a HelloRetryRequest', () => {
    using memory = new Memory();
    const session = firstSession(memory);
    using pair = new Pair(
      credential,
      { client: { ...only13, session, groups: [0x1d, 0x18] }, server: { groups: [0x18] } },
      memory,
    ).run();
    expect(pair.client.connection.info).toMatchObject({ resumed: true, helloRetryRequest: true });
    session.release('test');
  });

  test('a ticket is offered once, also when it was declined, by whoever shares the session', () => {
    using memory = new Memory();
    const session = firstSession(memory);
    const copy = session.dup();
    for (const [offered, reason] of [
      [session, null],
      [session, 'replayed'],
      [copy, 'replayed'],
    ] as const) {
      using pair = new Pair(credential, { client: { ...only13, session: offered } }, memory).run();
      expect(pair.client.connection.info.resumptionReason).toBe(reason);
      expect(pair.server.connection.info.resumed).toBe(reason === null);
    }
    {
      using pair = new Pair(credential, { client: { ...only13, session, ticketReuse: true } }, memory).run();
      expect(pair.client.connection.info.resumed).toBe(true);
    }
    copy.free();
    session.release('test');

    const declined = firstSession(memory);
    {
      using pair = new Pair(
        credential,
        { client: { ...only13, session: declined }, server: { tickets: false } },
        memory,
      ).run();
      expect(pair.client.connection.info.resumptionReason).toBe('declined');
    }
    using pair = new Pair(credential, { client: { ...only13, session: declined } }, memory).run();
    expect(pair.client.connection.info.resumptionReason).toBe('replayed');
    declined.release('test');
  });

  test('why not: the reasons of either end', () => {
    using memory = new Memory();
    const session = firstSession(memory);
    const later = (ms: number): { wallMs: () => number; monotonicMs: () => number } => ({
      wallMs: () => Date.now() + ms,
      monotonicMs: () => performance.now(),
    });
    const cases: [PairOptions, string, string][] = [
      [{ client: { serverName: 'other.example' } }, 'other-name', 'no-session-offered'],
      [{ client: { port: 444 } }, 'other-port', 'no-session-offered'],
      [{ client: { trust: text('other') } }, 'other-trust', 'no-session-offered'],
      [{ client: { clientAuth: text('other') } }, 'other-client-auth', 'no-session-offered'],
      [{ client: { clock: later(8_000_000) } }, 'expired', 'no-session-offered'],
      [{ client: { cipherSuites: [0x1301] } }, 'other-hash', 'no-session-offered'],
      [{ server: { clock: later(8_000_000) } }, 'declined', 'expired'],
      [{ server: { sessionIdContext: text('other') } }, 'declined', 'other-context'],
      [{ server: { trust: text('other') } }, 'declined', 'other-trust'],
      [{ server: { clientAuth: text('other') } }, 'declined', 'other-client-auth'],
      [{ server: { cipherSuites: [0x1301], preferServerCiphers: true } }, 'declined', 'other-hash'],
      [{ server: { tickets: false } }, 'declined', 'resumption-disabled'],
    ];
    for (const [options, clientReason, serverReason] of cases) {
      using pair = new Pair(
        credential,
        { ...options, client: { ...only13, session, ticketReuse: true, ...options.client } },
        memory,
      ).run();
      expect(pair.client.error ?? pair.server.error).toBeNull();
      expect(pair.client.connection.info).toMatchObject({ resumed: false, resumptionReason: clientReason });
      expect(pair.server.connection.info).toMatchObject({ resumed: false, resumptionReason: serverReason });
    }
    session.release('test');
  });

  test('a stateful ticket is good once, and only for who has the key', () => {
    using memory = new Memory();
    const server = { statefulTickets: true };
    const session = firstSession(memory, { server });
    expect(session.field(Field.ticket, 'test')).toHaveLength(32);
    for (const resumed of [true, false]) {
      using pair = new Pair(credential, { client: { ...only13, session }, server }, memory).run();
      expect(pair.server.error).toBeNull();
      expect(pair.server.connection.info.resumed).toBe(resumed);
    }
    session.release('test');
  });

  test('a wrong binder is decrypt_error, and consumes nothing', () => {
    using memory = new Memory();
    const server = { statefulTickets: true };
    const session = firstSession(memory, { server });
    const forged = session.dup();
    forged.setField(Field.masterKey, nodeProvider.random(48), 'test');
    using attack = new Pair(credential, { client: { ...only13, session: forged }, server }, memory).run();
    expect(alertOf(attack.server.error)).toMatchObject({ alert: Alert.decrypt_error, reason: 'bad-binder' });
    using pair = new Pair(credential, { client: { ...only13, session }, server }, memory).run();
    expect(pair.server.connection.info.resumed).toBe(true);
    forged.free();
    session.release('test');
  });

  test('psk_ke only where both allow it', () => {
    using memory = new Memory();
    const session = firstSession(memory);
    using pair = new Pair(
      credential,
      { client: { ...only13, session, allowPskKe: true }, server: { allowPskKe: true } },
      memory,
    ).run();
    // A key exchange is taken where there is a choice.
    expect(pair.client.connection.info).toMatchObject({ resumed: true, group: nodeProvider.groups[0] });
    session.release('test');
  });

  test('an external key at both ends', () => {
    const master = nodeProvider.random(32);
    const make = (): SessionCore => {
      const fields = new Array(12).fill(null);
      fields[Field.masterKey] = master;
      const session = SessionCore.fromBody(
        makeBody(fields, { version: 0x0304, cipher: 0x1301 }),
        0,
        1e9,
        'test',
      );
      return session;
    };
    const clientKey = make();
    using pair = new Pair(credential, {
      client: { ...only13, externalPsk: true },
      // A key belongs to no context: it is not a session of one (openssl/openssl#31964).
      server: { externalPsk: true, sessionIdContext: text('context') },
      clientAnswer: (job) =>
        job.kind === 'offer-psk' ? { identity: text('name'), session: clientKey } : USUAL,
      serverAnswer: (job) => {
        if (job.kind !== 'find-psk') return USUAL;
        expect(job.identity).toEqual(text('name'));
        const session = make();
        session.takeFromApplication('test');
        return session;
      },
    }).run();
    expect(pair.server.error ?? pair.client.error).toBeNull();
    expect(pair.server.connection.info).toMatchObject({ resumed: true, externalPsk: true });
    expect(pair.client.connection.info.externalPsk).toBe(true);
    clientKey.free();
  });
});

describe('early data', () => {
  const server = { maxEarlyData: 1000, replayGuard: true };

  function start(memory: Memory, options: PairOptions = {}): Pair {
    const session = firstSession(memory, { server });
    const pair = new Pair(
      credential,
      {
        ...options,
        client: { ...only13, session, earlyData: true, ...options.client },
        server: { ...server, ...options.server },
      },
      memory,
    );
    session.release('test');
    return pair;
  }

  test('is taken, arrives marked, and is answered before the handshake ends', () => {
    using memory = new Memory();
    using pair = start(memory);
    expect(pair.client.connection.writeEarly(text('early '))).toBe(6);
    pair.run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.server.receivedEarly).toBe('early ');
    expect(pair.client.connection.info).toMatchObject({ earlyDataAccepted: true, resumed: true });
    pair.client.connection.write(text('late'));
    pair.run();
    expect(pair.server.received).toBe('late');
  });

  test('is refused without a replay guard, and skipped', () => {
    using memory = new Memory();
    using pair = start(memory, { server: { replayGuard: false } });
    pair.client.connection.writeEarly(text('lost'));
    pair.run();
    expect(pair.server.error).toBeNull();
    expect(pair.server.receivedEarly).toBe('');
    expect(pair.client.connection.info).toMatchObject({
      earlyDataAccepted: false,
      earlyDataReason: 'early-data-declined',
      resumed: true,
    });
    expect(pair.server.connection.info.earlyDataReason).toBe('early-data-disabled');
    pair.client.connection.write(text('again'));
    pair.run();
    expect(pair.server.received).toBe('again');
  });

  test('is refused when the guard has seen the hello', () => {
    using memory = new Memory();
    using pair = start(memory, {
      serverAnswer: (job) => (job.kind === 'replay' ? { accept: false } : USUAL),
    });
    pair.client.connection.writeEarly(text('twice'));
    pair.run();
    expect(pair.server.connection.info).toMatchObject({
      resumed: true,
      earlyDataReason: 'early-data-replayed',
    });
    expect(pair.server.receivedEarly).toBe('');
  });

  test('is refused over a HelloRetryRequest, and the resumption stays', () => {
    using memory = new Memory();
    using pair = start(memory, { client: { groups: [0x1d, 0x18] }, server: { groups: [0x18] } });
    pair.client.connection.writeEarly(text('lost'));
    pair.run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect(pair.server.connection.info).toMatchObject({
      resumed: true,
      helloRetryRequest: true,
      earlyDataReason: 'early-data-hello-retry',
    });
  });

  test('beyond what was allowed is an alert', () => {
    using memory = new Memory();
    using pair = start(memory, { server: { receiveMaxEarlyData: 10 } });
    pair.client.connection.writeEarly(new Uint8Array(11));
    pair.run();
    expect(alertOf(pair.server.error)).toMatchObject({ reason: 'early-data-too-long' });
  });

  test('the client keeps to the ticket’s limit', () => {
    using memory = new Memory();
    using pair = start(memory);
    expect(pair.client.connection.earlyDataBudget).toBe(1000);
    expect(pair.client.connection.writeEarly(new Uint8Array(1500))).toBe(1000);
    expect(pair.client.connection.writeEarly(new Uint8Array(1))).toBe(0);
  });

  test('an age that does not fit is refused', () => {
    using memory = new Memory();
    const slow = { wallMs: () => Date.now() + 60_000, monotonicMs: () => performance.now() };
    using pair = start(memory, { server: { clock: slow } });
    pair.client.connection.writeEarly(text('old'));
    pair.run();
    expect(pair.server.connection.info).toMatchObject({
      resumed: true,
      earlyDataReason: 'early-data-ticket-age',
    });
  });
});

describe('after the handshake', () => {
  test('key updates both ways, on request', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    for (const request of [true, false]) {
      pair.client.connection.updateKeys(request);
      pair.server.connection.updateKeys(request);
      pair.run();
      pair.client.connection.write(text('c'));
      pair.server.connection.write(text('s'));
      pair.run();
    }
    expect(pair.client.error ?? pair.server.error).toBeNull();
    expect([pair.server.received, pair.client.received]).toEqual(['cc', 'ss']);
  });

  test('a key is replaced before its limit', () => {
    const limits = { ...DEFAULT_LIMITS, recordsPerAesKey: 3 };
    using pair = new Pair(credential, { client: { ...only13, limits, cipherSuites: [0x1301] } }).run();
    for (let i = 0; i < 10; i++) {
      pair.client.connection.write(text(String(i)));
      pair.run();
    }
    expect(pair.server.error).toBeNull();
    expect(pair.server.received).toBe('0123456789');
  });

  test('a flood of key updates ends the connection', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    for (let i = 0; i < 40; i++) pair.client.connection.updateKeys(false);
    pair.run();
    expect(alertOf(pair.server.error)).toMatchObject({ reason: 'too-many-key-updates' });
  });

  test('a flood of tickets ends the connection', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    for (let i = 0; i < 70; i++) pair.server.connection.issueTicket();
    pair.run();
    expect(alertOf(pair.client.error)).toMatchObject({ reason: 'too-many-tickets' });
  });

  test('close_notify is one way; the other still writes', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    pair.client.connection.close();
    pair.run();
    expect(pair.server.has('close-notify')).toBe(true);
    pair.server.connection.write(text('still here'));
    pair.run();
    expect(pair.client.received).toBe('still here');
    pair.server.connection.close();
    pair.run();
    expect(pair.client.has('close-notify')).toBe(true);
    expect(pair.client.error ?? pair.server.error).toBeNull();
  });

  test('a changed byte is bad_record_mac', () => {
    using pair = new Pair(credential, { client: only13 }).run();
    pair.client.connection.write(text('secret'));
    const record = pair.client.connection.takeOutput() as Uint8Array;
    record[record.length - 1] = (record[record.length - 1] as number) ^ 1;
    pair.server.connection.receive(record);
    expect(alertOf(pair.server.error)).toMatchObject({ alert: Alert.bad_record_mac });
  });
});

describe('jobs', () => {
  const kinds = ['verify-certificate', 'sign', 'seal-ticket', 'open-ticket', 'select'] as const;

  for (const kind of kinds) {
    const open: Answerer = (job) => (job.kind === kind ? OPEN : USUAL);
    const options = (memory: Memory): PairOptions => {
      const session = kind === 'open-ticket' ? firstSession(memory) : null;
      return {
        client: { ...only13, session },
        server: { selectByJob: true },
        clientAnswer: open,
        serverAnswer: open,
      };
    };
    const finish = (pair: Pair, memory: Memory): { id: number; accepted: boolean }[] => {
      const done: { id: number; accepted: boolean }[] = [];
      for (const end of [pair.client, pair.server]) {
        for (const { id, job } of end.openJobs.splice(0)) {
          const answer = memory.answer(job, id, end);
          if (answer === OPEN || answer === USUAL) throw new Error('no answer');
          done.push({ id, accepted: end.connection.finishJob(id, answer) });
          expect(end.connection.finishJob(id, answer), 'a second answer').toBe(false);
          expect(end.connection.failJob(id, new Error('late')), 'a failure after the answer').toBe(false);
        }
      }
      return done;
    };

    test(`${kind}: late, then a second time`, () => {
      using memory = new Memory();
      const given = options(memory);
      using pair = new Pair(credential, given, memory).run();
      for (let i = 0; i < 4; i++) {
        finish(pair, memory);
        pair.run();
      }
      given.client?.session?.release('test');
      expect(pair.client.error ?? pair.server.error).toBeNull();
      expect(pair.client.has('handshake') && pair.server.has('handshake')).toBe(true);
      if (kind === 'open-ticket') expect(pair.server.connection.info.resumed).toBe(true);
    });

    test(`${kind}: a failure`, () => {
      using memory = new Memory();
      const given = options(memory);
      using pair = new Pair(credential, given, memory).run();
      for (let i = 0; i < 4; i++) {
        for (const end of [pair.client, pair.server]) {
          for (const { id } of end.openJobs.splice(0))
            end.connection.failJob(id, new Error('the HSM is out'));
        }
        pair.run();
      }
      given.client?.session?.release('test');
      if (kind === 'seal-ticket' || kind === 'open-ticket') {
        expect(pair.client.error ?? pair.server.error).toBeNull();
        expect(pair.server.connection.info.resumed).toBe(false);
      } else {
        const error = kind === 'verify-certificate' ? pair.client.error : pair.server.error;
        expect(alertOf(error)).toMatchObject({ alert: Alert.internal_error });
        expect(error?.cause).toMatchObject({ message: 'the HSM is out' });
      }
    });

    test(`${kind}: an answer after destroy`, () => {
      using memory = new Memory();
      const given = options(memory);
      using pair = new Pair(credential, given, memory).run();
      const jobs = [...pair.client.openJobs, ...pair.server.openJobs];
      expect(jobs.length).toBeGreaterThan(0);
      pair.client.destroy();
      pair.server.destroy();
      for (const { id } of jobs) {
        expect(pair.client.connection.finishJob(id, null)).toBe(false);
        expect(pair.server.connection.failJob(id, new Error('late'))).toBe(false);
      }
      given.client?.session?.release('test');
    });
  }
});

describe('bytes in pieces', () => {
  for (const chunk of [1, 2, 3, 7, 100]) {
    test(`${chunk} at a time`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { chunk });
      using pair = new Pair(credential, { client: { ...only13, session }, chunk }, memory).run();
      pair.client.connection.write(text('whole'));
      pair.run();
      expect(pair.server.received).toBe('whole');
      expect(pair.server.connection.info.resumed).toBe(true);
      session.release('test');
    });
  }
});
