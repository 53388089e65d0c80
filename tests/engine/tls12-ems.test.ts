/** The extended master secret in TLS 1.2 (RFC 7627): the whole matrix of session, hello, answer and policy. */
import { describe, expect, test } from 'vitest';
import { Alert } from '../../src/util/registries.ts';
import { ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { Memory } from '../support/engine-pair.ts';
import { byId, byTicket, expectSound, fault, firstSession, pairOf } from '../support/tls12.ts';
import { editExtensions, editing, having, only, without } from '../support/wire.ts';

const EMS = ExtensionType.extended_master_secret;

describe('the extended master secret', () => {
  const off = { extendedMasterSecret: false };
  const strip = (kind: 'client' | 'server'): ((bytes: Uint8Array) => Uint8Array) => {
    const type = kind === 'client' ? HandshakeType.client_hello : HandshakeType.server_hello;
    return editing(only(type, (body) => editExtensions(body, kind, without(EMS))));
  };

  for (const server of [byTicket, byId]) {
    const how = server === byTicket ? 'ticket' : 'id';

    test(`${how}: with and with it is resumed, without and without too`, () => {
      using memory = new Memory();
      for (const client of [{}, off]) {
        const session = firstSession(memory, { client, server });
        using pair = pairOf(memory, { client: { ...client, session }, server });
        expect(pair.server.connection.info).toMatchObject({
          resumed: true,
          extendedMasterSecret: client !== off,
        });
        expectSound(pair);
        session.release('test');
      }
    });

    test(`${how}: a session without it, a hello with it: full handshake`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { client: off, server });
      using pair = pairOf(memory, { client: { session }, server });
      expect(pair.server.connection.info).toMatchObject({
        resumed: false,
        resumptionReason: 'extended-master-secret',
        extendedMasterSecret: true,
      });
      expect(pair.client.connection.info.resumptionReason).toBe('declined');
      expectSound(pair);
      session.release('test');
    });

    test(`${how}: a session with it, a hello without it: handshake_failure`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { server });
      using pair = pairOf(memory, { client: { session }, server, between: { toServer: strip('client') } });
      expect(fault(pair.server.error)).toMatchObject({
        reason: 'extended-master-secret',
        alert: Alert.handshake_failure,
      });
      session.release('test');
    });

    test(`${how}: the answer to a resumption lacks it: illegal_parameter`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { server });
      using pair = pairOf(memory, { client: { session }, server, between: { toClient: strip('server') } });
      expect(fault(pair.client.error)).toMatchObject({
        reason: 'extended-master-secret-changed',
        alert: Alert.illegal_parameter,
      });
      session.release('test');
    });

    test(`${how}: the answer to a resumption has it, and the session had not: illegal_parameter`, () => {
      using memory = new Memory();
      const session = firstSession(memory, { client: off, server });
      const add = editing(
        only(HandshakeType.server_hello, (body) =>
          editExtensions(body, 'server', having(EMS, new Uint8Array(0))),
        ),
      );
      using pair = pairOf(memory, {
        client: { session },
        server: { ...server, ...off },
        between: { toClient: add },
      });
      expect(fault(pair.client.error)).toMatchObject({ reason: 'extended-master-secret-changed' });
      session.release('test');
    });
  }

  test('required: a peer without it is handshake_failure, and so is an answer without it', () => {
    const required = { requireExtendedMasterSecret: true };
    using memory = new Memory();
    using server = pairOf(memory, { client: off, server: required });
    expect(fault(server.server.error)).toMatchObject({
      reason: 'extended-master-secret',
      alert: Alert.handshake_failure,
    });
    using client = pairOf(memory, { client: required, server: off });
    expect(fault(client.client.error)).toMatchObject({ reason: 'extended-master-secret' });
    using both = pairOf(memory, { client: required, server: required });
    expectSound(both);
  });

  test('what the server could only refuse is not offered', () => {
    using memory = new Memory();
    for (const [first, then] of [
      [off, { requireExtendedMasterSecret: true }],
      [{}, off],
    ]) {
      const session = firstSession(memory, { client: first as object });
      using pair = pairOf(memory, { client: { ...then, session } });
      expect(pair.client.connection.info).toMatchObject({
        resumed: false,
        resumptionReason: 'extended-master-secret',
      });
      expect(pair.server.connection.info.resumptionReason).toBe('empty-ticket');
      expectSound(pair);
      session.release('test');
    }
  });
});
