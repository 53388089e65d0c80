/** TLS 1.2 sessions: by ticket and by id, what is checked before one is resumed, and when one falls. */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { SealTicketJob } from '../../src/handshake/jobs.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import type { ResumptionReason } from '../../src/session/resumption-reason.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { Alert, ProtocolVersion } from '../../src/util/registries.ts';
import { HandshakeType } from '../../src/wire/numbers.ts';
import {
  type Answerer,
  engineCredential,
  Memory,
  Pair,
  type PairOptions,
  text,
  USUAL,
} from '../support/engine-pair.ts';
import {
  byId,
  byTicket,
  expectSound,
  fault,
  firstSession,
  fromServer,
  jobsOf,
  only12,
  pairOf,
} from '../support/tls12.ts';
import { editing, only, readMessages, readRecords } from '../support/wire.ts';

const credential = await engineCredential();

describe('by ticket', () => {
  test('a session is resumed without a certificate, as often as one likes', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byTicket });
    expect(session.field(Field.id, 'test')).toEqual(
      nodeProvider.digest('sha256', session.field(Field.ticket, 'test')),
    );
    for (let i = 0; i < 2; i++) {
      using pair = pairOf(memory, { client: { session }, server: byTicket });
      expect(fromServer(pair)).toEqual([HandshakeType.server_hello]);
      expect([pair.toServer.length, pair.toClient.length]).toEqual([2, 1]);
      for (const end of [pair.client, pair.server]) {
        expect(end.connection.info).toMatchObject({
          resumed: true,
          resumptionReason: null,
          cipherSuite: session.body('test').cipher,
          group: session.body('test').kexGroup,
          extendedMasterSecret: true,
          signatureScheme: 0,
          peerSignatureScheme: 0,
        });
        expect(end.has('session'), 'nothing new').toBe(false);
      }
      expect(pair.client.connection.info.peerChain).toEqual(credential.chain);
      expect(pair.client.connection.session, 'the very same').toBe(session);
      expectSound(pair);
    }
    session.release('test');
  });

  test('the full handshake has a ticket and no id, and stores nothing', () => {
    using memory = new Memory();
    using pair = pairOf(memory, { server: byTicket });
    const serverSession = pair.server.sessions[0];
    expect(serverSession?.field(Field.id, 'test')).toHaveLength(0);
    expect(jobsOf(pair, 'server').map((job) => job.kind)).toEqual(['sign', 'seal-ticket']);
    const hello = readMessages(readRecords(pair.toClient[0] as Uint8Array)[0]?.payload as Uint8Array)[0];
    expect(hello?.[38], 'an empty id').toBe(0);
  });

  test('the lifetime is the timeout, also of two weeks; the client keeps to the smaller of both', () => {
    using memory = new Memory();
    const twoWeeks = 1_209_600;
    const session = firstSession(memory, {
      client: { sessionTimeoutSec: 2 * twoWeeks },
      server: { sessionTimeoutSec: twoWeeks },
    });
    expect(session.body('test').ticketLifetimeHint).toBe(twoWeeks);
    expect(session.timeoutSec('test')).toBe(twoWeeks);
    session.release('test');
    const shorter = firstSession(memory, { client: { sessionTimeoutSec: 60 } });
    expect(shorter.body('test').ticketLifetimeHint).toBe(7200);
    expect(shorter.timeoutSec('test')).toBe(60);
    shorter.release('test');
  });

  test('a renewed ticket makes a new session of the same secret; the old one stays', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byTicket });
    const renewing: Answerer = (job, id, end) => {
      if (job.kind !== 'open-ticket') return USUAL;
      const answer = memory.answer(job, id, end) as object;
      return { ...answer, renew: true } as never;
    };
    using pair = pairOf(memory, { client: { session }, server: byTicket, serverAnswer: renewing });
    expect(fromServer(pair)).toEqual([HandshakeType.server_hello, HandshakeType.new_session_ticket]);
    expectSound(pair);
    const renewed = pair.client.sessions[0] as SessionCore;
    expect(renewed).not.toBe(session);
    expect(pair.client.connection.session).toBe(renewed);
    for (const same of [Field.masterKey, Field.hostname] as const) {
      expect(renewed.field(same, 'test')).toEqual(session.field(same, 'test'));
    }
    expect(renewed.field(Field.ticket, 'test')).not.toEqual(session.field(Field.ticket, 'test'));
    expect(renewed.field(Field.id, 'test')).toEqual(
      nodeProvider.digest('sha256', renewed.field(Field.ticket, 'test')),
    );
    // Zero: the lifetime is what it was (openssl-sessions.md, 4).
    expect(renewed.body('test').ticketLifetimeHint).toBe(0);
    expect(renewed.body('test').bindings).toEqual(session.body('test').bindings);
    expect(pair.server.has('session'), 'nothing new was made').toBe(false);
    const seal = jobsOf(pair, 'server').find((job) => job.kind === 'seal-ticket') as SealTicketJob;
    expect(seal.lifetimeSec).toBeLessThanOrEqual(7200);
    expect(seal.lifetimeSec).toBeGreaterThan(7100);
    for (const one of [renewed, session]) {
      using again = pairOf(memory, { client: { session: one }, server: byTicket });
      expect(again.server.connection.info.resumed).toBe(true);
    }
    session.release('test');
  });

  test('an empty ticket: no session from a full handshake, and the old one after a resumption', () => {
    using memory = new Memory();
    const empty: Answerer = (job, id, end) => {
      if (job.kind === 'seal-ticket') return null;
      if (job.kind !== 'open-ticket') return USUAL;
      return { ...(memory.answer(job, id, end) as object), renew: true } as never;
    };
    using full = pairOf(memory, { server: byTicket, serverAnswer: empty });
    expect(fromServer(full)).toContain(HandshakeType.new_session_ticket);
    expectSound(full);
    for (const end of [full.client, full.server]) {
      expect(end.has('session')).toBe(false);
      expect(end.connection.session?.isResumable('test')).toBe(false);
    }
    const session = firstSession(memory, { server: byTicket });
    using pair = pairOf(memory, { client: { session }, server: byTicket, serverAnswer: empty });
    expectSound(pair);
    expect(pair.client.connection.session).toBe(session);
    expect(pair.client.has('session')).toBe(false);
    session.release('test');
  });

  test('one that does not open does not fall back to the id, and the full handshake brings another', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byId });
    const both = session.dup();
    both.setField(Field.ticket, text('of another server'), 'test');
    using pair = pairOf(memory, { client: { session: both }, server: byTicket });
    expect(jobsOf(pair, 'server').map((job) => job.kind)).toEqual(['open-ticket', 'sign', 'seal-ticket']);
    expect(pair.server.connection.info).toMatchObject({ resumed: false, resumptionReason: 'unknown-key' });
    expect(pair.client.sessions[0]?.field(Field.ticket, 'test').length).toBeGreaterThan(0);
    // Where tickets are off they are not looked at, and the id counts.
    using off = pairOf(memory, { client: { session: both }, server: byId });
    expect(off.server.connection.info.resumed).toBe(true);
    both.free();
    session.release('test');
  });

  test('the job says which id the hello had, and an empty one is no obstacle', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byTicket });
    const ids: Uint8Array[] = [];
    const noting: Answerer = (job) => {
      if (job.kind === 'open-ticket') ids.push(job.sessionId);
      return USUAL;
    };
    using pair = pairOf(memory, { client: { session }, server: byTicket, serverAnswer: noting });
    expect(pair.server.connection.info.resumed).toBe(true);
    expect(ids).toEqual([session.field(Field.id, 'test')]);
    session.release('test');
  });
});

test('a session with a ticket is not offered where tickets are turned off', () => {
  using memory = new Memory();
  const session = firstSession(memory, { server: byTicket });
  using pair = pairOf(memory, { client: { session, tickets: false }, server: byTicket });
  expect(pair.client.connection.info.resumptionReason).toBe('resumption-disabled');
  expect(jobsOf(pair, 'server').map((job) => job.kind)).toEqual(['sign', 'store-session']);
  session.release('test');
});

describe('by id', () => {
  test('a session is resumed that the server stored before it said Finished', () => {
    using memory = new Memory();
    const order: string[] = [];
    using full = pairOf(memory, {
      server: byId,
      serverAnswer: (job, _id, end) => {
        if (job.kind === 'store-session')
          order.push(end.connection.info.finished === null ? 'before' : 'after');
        return USUAL;
      },
    });
    expect(order).toEqual(['before']);
    const session = full.client.sessions[0] as SessionCore;
    expect(session.field(Field.id, 'test')).toHaveLength(32);
    expect(session.field(Field.ticket, 'test')).toHaveLength(0);
    expect(full.server.sessions[0]?.field(Field.id, 'test')).toEqual(session.field(Field.id, 'test'));
    using pair = pairOf(memory, { client: { session }, server: byId });
    expect(fromServer(pair)).toEqual([HandshakeType.server_hello]);
    expect(pair.client.connection.session).toBe(session);
    expect(pair.server.connection.session).toBe(full.server.sessions[0]);
    expectSound(pair);
  });

  test('an id is minted only where there is a cache, and for a client without tickets', () => {
    using memory = new Memory();
    using none = pairOf(memory, { server: { tickets: false } });
    expectSound(none);
    expect(none.client.has('session') || none.server.has('session')).toBe(false);
    expect(none.client.connection.session?.isResumable('test')).toBe(false);
    using noTickets = pairOf(memory, { client: { tickets: false }, server: byTicket });
    expect(noTickets.client.sessions[0]?.field(Field.id, 'test')).toHaveLength(32);
    using again = pairOf(memory, {
      client: { tickets: false, session: noTickets.client.sessions[0] as SessionCore },
      server: byTicket,
    });
    expect(again.server.connection.info.resumed).toBe(true);
  });

  test('who resumes by id and asks for tickets gets one', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byId });
    using pair = pairOf(memory, { client: { session }, server: byTicket });
    expect(pair.server.connection.info.resumed).toBe(true);
    expect(fromServer(pair)).toEqual([HandshakeType.server_hello, HandshakeType.new_session_ticket]);
    const renewed = pair.client.sessions[0] as SessionCore;
    expect(renewed.field(Field.ticket, 'test').length).toBeGreaterThan(0);
    using again = pairOf(memory, { client: { session: renewed }, server: byTicket });
    expect(again.server.connection.info.resumed).toBe(true);
    session.release('test');
  });

  test('a lookup that gives another session is no resumption', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byId });
    using other = pairOf(memory, { server: byId });
    const wrong = other.server.sessions[0] as SessionCore;
    const held = wrong.libraryReferences;
    using pair = pairOf(memory, {
      client: { session },
      server: byId,
      serverAnswer: (job) => {
        if (job.kind !== 'find-session') return USUAL;
        wrong.retain('test');
        return { found: true, session: wrong };
      },
    });
    expect(pair.server.connection.info).toMatchObject({ resumed: false, resumptionReason: 'other-id' });
    expect(wrong.libraryReferences, 'given back at once').toBe(held);
    expectSound(pair);
    session.release('test');
  });

  test('the random id of a client of both versions is not looked for where no ids are given', () => {
    using memory = new Memory();
    const server = { maxVersion: ProtocolVersion.TLS1_2 };
    using pair = new Pair(credential, { server }, memory).run();
    expect(pair.server.connection.info.resumptionReason).toBe('empty-ticket');
    expect(jobsOf(pair, 'server').map((job) => job.kind)).not.toContain('find-session');
    using looked = new Pair(credential, { server: { ...server, ...byTicket } }, memory).run();
    expect(looked.server.connection.info.resumptionReason).toBe('not-found');
    expectSound(looked);
  });
});

describe('a session is resumed as it was, or not at all', () => {
  const later = (sec: number): { wallMs: () => number; monotonicMs: () => number } => ({
    wallMs: () => Date.now() + sec * 1000,
    monotonicMs: () => performance.now(),
  });

  for (const server of [byTicket, byId]) {
    const how = server === byTicket ? 'ticket' : 'id';
    const none = 'empty-ticket';
    const cases: [string, PairOptions, ResumptionReason, ResumptionReason][] = [
      ['another name', { client: { serverName: 'other' } }, 'other-name', none],
      ['another port', { client: { port: 9 } }, 'other-port', none],
      ['another trust', { client: { trust: text('other') } }, 'other-trust', none],
      ['another client certificate', { client: { clientAuth: text('other') } }, 'other-client-auth', none],
      ['the client’s time is over', { client: { clock: later(7201) } }, 'expired', none],
      ['another suite', { client: { cipherSuites: [0xcca9] } }, 'other-cipher', none],
      ['the server’s time is over', { server: { clock: later(7201) } }, 'declined', 'expired'],
      ['another context', { server: { sessionIdContext: text('other') } }, 'declined', 'other-context'],
      ['another trust at the server', { server: { trust: text('other') } }, 'declined', 'other-trust'],
      [
        'another policy at the server',
        { server: { clientAuth: text('other') } },
        'declined',
        'other-client-auth',
      ],
      ['a suite the server gave up', { server: { cipherSuites: [0xcca9] } }, 'declined', 'other-cipher'],
    ];
    for (const [what, options, clientReason, serverReason] of cases) {
      test(`${how}: ${what}`, () => {
        using memory = new Memory();
        const session = firstSession(memory, { client: { cipherSuites: [0xc02b, 0xcca9] }, server });
        using pair = pairOf(memory, {
          client: { cipherSuites: [0xc02b, 0xcca9], session, ...options.client },
          server: { ...server, ...options.server },
        });
        expect(pair.client.connection.info).toMatchObject({
          resumed: false,
          resumptionReason: clientReason,
        });
        expect(pair.server.connection.info).toMatchObject({
          resumed: false,
          resumptionReason: serverReason,
        });
        expectSound(pair);
        session.release('test');
      });
    }

    test(`${how}: a hello without the session’s suite is illegal_parameter, as from OpenSSL`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { client: { cipherSuites: [0xc02b] }, server });
      const swap = editing(
        only(HandshakeType.client_hello, (body) => {
          const copy = body.slice();
          const suites = 35 + (body[34] as number) + 2;
          copy.set([0xcc, 0xa9], suites);
          return copy;
        }),
      );
      using pair = pairOf(memory, {
        client: { session, cipherSuites: [0xc02b] },
        server,
        between: { toServer: swap },
      });
      expect(fault(pair.server.error)).toMatchObject({
        reason: 'session-changed',
        alert: Alert.illegal_parameter,
      });
      session.release('test');
    });

    test(`${how}: an answer with another suite is illegal_parameter`, () => {
      using memory = new Memory();
      const cipherSuites = [0xc02b, 0xcca9];
      const session = firstSession(memory, { client: { cipherSuites }, server });
      expect(session.body('test').cipher).toBe(0xc02b);
      const swap = editing(
        only(HandshakeType.server_hello, (body) => {
          const copy = body.slice();
          copy.set([0xcc, 0xa9], 35 + (body[34] as number));
          return copy;
        }),
      );
      using pair = pairOf(memory, {
        client: { session, cipherSuites },
        server,
        between: { toClient: swap },
      });
      expect(fault(pair.client.error)).toMatchObject({
        reason: 'session-changed',
        alert: Alert.illegal_parameter,
      });
      session.release('test');
    });

    test(`${how}: a store that fails costs the resumption`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { server });
      const kind = server === byTicket ? 'open-ticket' : 'find-session';
      const thrown: [Error, boolean][] = [
        [new Error('gone'), false],
        [TlsAlertError.local('ticket-callback-abort'), true],
      ];
      for (const [error, isFatal] of thrown) {
        using pair = new Pair(
          credential,
          {
            client: { ...only12, session },
            server,
            serverAnswer: (job, id, end) => {
              if (job.kind !== kind) return USUAL;
              end.connection.failJob(id, error);
              return null;
            },
          },
          memory,
        ).run();
        if (isFatal) expect(fault(pair.server.error)?.reason).toBe('ticket-callback-abort');
        else {
          expect(pair.server.connection.info).toMatchObject({
            resumed: false,
            resumptionReason: 'store-failed',
          });
          expectSound(pair);
        }
      }
      session.release('test');
    });
  }

  test('a session of TLS 1.3 is none for a server of TLS 1.2', () => {
    using memory = new Memory();
    using first = new Pair(credential, {}, memory).run();
    const session = first.client.sessions[0] as SessionCore;
    using pair = new Pair(
      credential,
      { client: { session }, server: { maxVersion: ProtocolVersion.TLS1_2, ...byTicket } },
      memory,
    ).run();
    expectSound(pair);
    expect(pair.client.connection.info).toMatchObject({ version: 0x0303, resumptionReason: 'other-version' });
  });

  test('a session of TLS 1.2 is none for a server of TLS 1.3', () => {
    using memory = new Memory();
    const session = firstSession(memory, { server: byTicket });
    using pair = new Pair(credential, { client: { session } }, memory).run();
    expectSound(pair);
    expect(pair.server.connection.info).toMatchObject({ version: 0x0304, resumed: false });
    session.release('test');
  });

  test('after early data an answer of TLS 1.2 is protocol_version', () => {
    using memory = new Memory();
    using first = new Pair(credential, { server: { maxEarlyData: 100, replayGuard: true } }, memory).run();
    const session = first.client.sessions[0] as SessionCore;
    using pair = new Pair(
      credential,
      { client: { session, earlyData: true }, server: { maxVersion: ProtocolVersion.TLS1_2 } },
      memory,
    ).run();
    expect(fault(pair.client.error)).toMatchObject({ alert: Alert.protocol_version });
    expect(pair.client.connection.info.earlyDataReason).toBe('early-data-other-version');
    expect(session.isResumable('test'), 'a TLS 1.3 session outlives an alert').toBe(true);
  });

  test('the client certificate comes from the session', () => {
    using memory = new Memory();
    const server = { ...byTicket, clientCertificate: 'require', sessionIdContext: text('test') } as const;
    const clientAnswer: Answerer = (job) => (job.kind === 'client-certificate' ? credential : USUAL);
    const session = firstSession(memory, { server, clientAnswer });
    using pair = pairOf(memory, { client: { session }, server, clientAnswer });
    expect(pair.server.connection.info).toMatchObject({ resumed: true, peerChain: credential.chain });
    expect(jobsOf(pair, 'client')).toEqual([]);
    session.release('test');
  });

  test('a session without a client certificate is none where one is required', () => {
    using memory = new Memory();
    const server = { ...byTicket, sessionIdContext: text('test') };
    const session = firstSession(memory, { server });
    using pair = pairOf(memory, {
      client: { session },
      server: { ...server, clientCertificate: 'require' },
      clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
    });
    expect(pair.server.connection.info).toMatchObject({
      resumed: false,
      resumptionReason: 'other-client-auth',
    });
    expectSound(pair);
    session.release('test');
  });

  test('certificates are judged again where that is asked for', () => {
    using memory = new Memory();
    const server = {
      ...byTicket,
      clientCertificate: 'require',
      sessionIdContext: text('test'),
      verifyOnResume: true,
    } as const;
    const clientAnswer: Answerer = (job) => (job.kind === 'client-certificate' ? credential : USUAL);
    const session = firstSession(memory, { server, clientAnswer });
    const seen: boolean[] = [];
    using good = pairOf(memory, {
      client: { session, verifyOnResume: true },
      server,
      clientAnswer,
      serverAnswer: (job) => {
        if (job.kind === 'verify-certificate') seen.push(job.resumption);
        return USUAL;
      },
    });
    expect(good.server.connection.info.resumed).toBe(true);
    expect(seen).toEqual([true]);
    using bad = pairOf(memory, {
      client: { session },
      server,
      clientAnswer,
      serverAnswer: (job) =>
        job.kind === 'verify-certificate'
          ? { ok: false, reason: 'certificate-revoked', verifyResult: 23 }
          : USUAL,
    });
    expect(fault(bad.server.error)).toMatchObject({ alert: Alert.certificate_revoked });
    session.release('test');
  });
});

describe('the end of a session (RFC 5246, 7.2.2)', () => {
  const spoil = (pair: Pair, which: 'client' | 'server'): void => {
    const from = which === 'client' ? pair.server : pair.client;
    from.connection.write(text('x'));
    const bytes = from.connection.takeOutput() as Uint8Array;
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
    pair[which].connection.receive(bytes);
    pair.run();
  };

  for (const server of [byTicket, byId]) {
    const how = server === byTicket ? 'ticket' : 'id';

    for (const which of ['client', 'server'] as const) {
      test(`${how}: a fatal alert ends it at both ends, found by the ${which}`, () => {
        using memory = new Memory();
        using pair = pairOf(memory, { server });
        const sessions = [...pair.client.sessions, ...pair.server.sessions];
        expect(sessions.map((session) => session.isResumable('test')).filter(Boolean).length).toBeGreaterThan(
          0,
        );
        spoil(pair, which);
        expect(fault(pair[which].error)).toMatchObject({ alert: Alert.bad_record_mac });
        for (const session of sessions) expect(session.isMarkedNotResumable).toBe(true);
        const session = pair.client.sessions[0] as SessionCore;
        using again = pairOf(memory, { client: { session }, server });
        expect(again.client.connection.info).toMatchObject({
          resumed: false,
          resumptionReason: 'not-resumable',
        });
        expectSound(again);
      });
    }

    test(`${how}: a fatal alert in a handshake that resumes it ends it, too`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { server });
      using pair = pairOf(memory, {
        client: { session },
        server,
        between: { toClient: (bytes) => bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)) },
      });
      expect(fault(pair.client.error)).toMatchObject({ alert: Alert.bad_record_mac });
      expect(session.isMarkedNotResumable).toBe(true);
      session.release('test');
    });

    test(`${how}: neither close_notify nor a connection that is cut ends it`, () => {
      using memory = new Memory();
      using closed = pairOf(memory, { server });
      closed.client.connection.close();
      closed.run();
      closed.server.connection.close();
      closed.run();
      using cut = pairOf(memory, { server });
      for (const end of [cut.client, cut.server]) end.connection.receiveEnd();
      for (const pair of [closed, cut]) {
        const session = pair.client.sessions[0] as SessionCore;
        pair.client.connection.destroy();
        using again = pairOf(memory, { client: { session }, server });
        expect(again.server.connection.info.resumed).toBe(true);
      }
    });
  }
});
