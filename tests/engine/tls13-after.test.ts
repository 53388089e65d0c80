/** What comes behind the handshake of TLS 1.3, in its records, and what an application does wrong. */
import { describe, expect, test } from 'vitest';
import { Field, makeBody } from '../../src/session/body.ts';
import { SessionCore } from '../../src/session/core.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { Alert } from '../../src/util/registries.ts';
import { ContentType, HandshakeType } from '../../src/wire/numbers.ts';
import { frame } from '../order/tap.ts';
import { engineCredential, OPEN, Pair, type PairOptions, text, USUAL } from '../support/engine-pair.ts';
import { type Edit13, editing13, only13, openPair } from '../support/open-pair.ts';
import { fault } from '../support/tls12.ts';
import { set, shorter } from '../support/tls13-faults.ts';
import { flip, message } from '../support/wire.ts';

const credential = await engineCredential();
const { certificate, certificate_verify, finished } = HandshakeType;

describe('what is asked for after the handshake', () => {
  const asked: PairOptions = {
    client: { postHandshakeAuth: true },
    server: { sessionIdContext: text('x') },
    clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
  };
  const run = (edit: Edit13, required = true, options: PairOptions = asked) => {
    using pair = openPair({ ...options, between: { toServer: editing13(edit) } }).run();
    expect(pair.server.connection.requestCertificate(required)).toBe(true);
    pair.run();
    return { fault: fault(pair.server.error), chain: pair.server.connection.info.peerChain.length };
  };

  test('comes, and nothing else does', () => {
    expect(run((body) => body)).toEqual({ fault: null, chain: 2 });
    const wrong = (edit: Edit13) => run(edit).fault;
    expect(wrong(only13(certificate, (body) => flip(body, 1)))).toMatchObject({
      alert: Alert.illegal_parameter,
    });
    expect(wrong(only13(certificate_verify, set(0, 2, 3)))).toMatchObject({
      reason: 'wrong-signature-scheme',
    });
    expect(wrong(only13(certificate_verify, () => []))).toMatchObject({ alert: Alert.unexpected_message });
    // The handshake's own Finished is the first.
    expect(wrong(only13(finished, shorter, 1))).toMatchObject({ alert: Alert.decode_error });
    expect(wrong(only13(finished, (body) => flip(body, 0), 1))).toMatchObject({ reason: 'bad-finished' });
    const again = only13(finished, () => [message(HandshakeType.key_update, new Uint8Array(1))], 1);
    expect(wrong(again)).toMatchObject({ alert: Alert.unexpected_message });
  });

  test('a client without one: certificate_required, or let be', () => {
    const without = { ...asked, clientAnswer: () => USUAL } as PairOptions;
    expect(run((body) => body, true, without).fault).toMatchObject({ alert: Alert.certificate_required });
    expect(run((body) => body, false, without).fault).toBeNull();
  });

  test('asking again while the answer is on its way changes nothing', () => {
    const held: Uint8Array[] = [];
    let hold = false;
    using pair = openPair({
      ...asked,
      between: {
        toServer: (bytes) => {
          const out = editing13((body) => body)(bytes);
          if (!hold) return out;
          held.push(out);
          return new Uint8Array(0);
        },
      },
    }).run();
    const { server } = pair;
    server.connection.requestCertificate(true);
    hold = true;
    pair.run();
    // One record a message: between Certificate and CertificateVerify the application asks once more.
    const answer = held[0] as Uint8Array;
    const end = 5 + (((answer[3] as number) << 8) | (answer[4] as number));
    server.connection.receive(answer.slice(0, end));
    server.work();
    expect(server.connection.stateName).toBe('expectLateCertificateVerify');
    expect(server.connection.requestCertificate(true)).toBe(true);
    expect(server.connection.hasOutput).toBe(false);
    server.connection.receive(answer.slice(end));
    server.work();
    expect(server.error).toBeNull();
    expect(server.connection.stateName).toBe('established');
  });

  test('a signature over something else', () => {
    const options: PairOptions = {
      client: { minVersion: 0x0304, postHandshakeAuth: true },
      server: { sessionIdContext: text('x') },
      clientAnswer: (job) => {
        if (job.kind === 'client-certificate') return credential;
        if (job.kind !== 'sign') return USUAL;
        return (credential.key as NonNullable<typeof credential.key>).sign(job.scheme, utf8('other'));
      },
    };
    using pair = new Pair(credential, options).run();
    pair.server.connection.requestCertificate(true);
    pair.run();
    expect(fault(pair.server.error)).toMatchObject({ reason: 'bad-signature', alert: Alert.decrypt_error });
  });
});

describe('records and alerts of TLS 1.3', () => {
  const at = (type: number, content: Uint8Array, isProtected = true) => {
    using pair = openPair().run();
    pair.client.connection.receive(frame(0x0304, type, content, isProtected));
    pair.client.work();
    return fault(pair.client.error);
  };

  test('a record that is not of a known kind, outside or inside', () => {
    expect(at(24, new Uint8Array(1), false)).toMatchObject({ alert: Alert.unexpected_message });
    expect(at(24, new Uint8Array(1))).toMatchObject({ alert: Alert.unexpected_message });
    expect(at(0, new Uint8Array(10))).toMatchObject({ alert: Alert.unexpected_message });
    expect(at(ContentType.handshake, new Uint8Array(1), false)).toMatchObject({
      alert: Alert.unexpected_message,
    });
    expect(at(ContentType.handshake, new Uint8Array(0))).toMatchObject({ reason: 'empty-record' });
  });

  test('more than was allowed in one', () => {
    const limited = (length: number) => {
      using pair = openPair({ client: { recordSizeLimit: 100 }, server: { recordSizeLimit: 16_384 } }).run();
      pair.client.connection.receive(
        frame(0x0304, ContentType.application_data, new Uint8Array(length), true),
      );
      return fault(pair.client.error);
    };
    expect(limited(100)).toBeNull();
    expect(limited(101)).toMatchObject({ alert: Alert.record_overflow });
    expect(at(ContentType.application_data, new Uint8Array(16_384))).toBeNull();
    expect(at(ContentType.application_data, new Uint8Array(16_385))).toMatchObject({
      alert: Alert.record_overflow,
    });
  });

  test('a warning that is none in TLS 1.3 ends it, and is not answered; user_canceled is let be', () => {
    const warn = (description: number) => {
      using pair = openPair().run();
      pair.client.connection.receive(
        frame(0x0304, ContentType.alert, new Uint8Array([1, description]), true),
      );
      pair.client.work();
      expect(pair.client.connection.hasOutput).toBe(false);
      return fault(pair.client.error);
    };
    expect(warn(Alert.no_renegotiation)).toEqual({
      alert: Alert.no_renegotiation,
      reason: null,
      origin: 'peer',
    });
    expect(warn(Alert.user_canceled)).toBeNull();
  });

  test('an alert of three bytes, of one, or of an impossible level', () => {
    expect(at(ContentType.alert, new Uint8Array([2, 40, 0]))).toMatchObject({ alert: Alert.decode_error });
    expect(at(ContentType.alert, new Uint8Array([2]))).toMatchObject({ alert: Alert.decode_error });
    expect(at(ContentType.alert, new Uint8Array([3, 40]))).toMatchObject({ alert: Alert.illegal_parameter });
  });

  test('close_notify, or an end, in the handshake is no handshake; nothing is answered', () => {
    for (const version of [0x0303, 0x0304]) {
      for (const how of ['alert', 'end'] as const) {
        using pair = new Pair(credential, { client: { maxVersion: version } });
        pair.client.connection.takeOutput();
        if (how === 'end') pair.client.connection.receiveEnd();
        else pair.client.connection.receive(new Uint8Array([21, 3, 3, 0, 2, 1, 0]));
        expect(pair.client.error).toMatchObject({ code: 'ECONNRESET' });
        expect(pair.client.connection.hasOutput).toBe(false);
      }
    }
  });
});

describe('what a client cannot do itself', () => {
  const key = (cipher: number): SessionCore => {
    const fields = new Array(12).fill(null);
    fields[Field.masterKey] = new Uint8Array(32);
    return SessionCore.fromBody(makeBody(fields, { version: 0x0304, cipher }), 0, 1e9, 'test');
  };

  test('an external key without a name, with one that is too long, or without a suite', () => {
    for (const [identity, cipher] of [
      [new Uint8Array(0), 0x1301],
      [new Uint8Array(65_536), 0x1301],
      [text('name'), 0xc02b],
    ] as const) {
      const session = key(cipher);
      using pair = openPair({
        client: { externalPsk: true },
        clientAnswer: (job) => (job.kind === 'offer-psk' ? { identity, session } : USUAL),
      }).run();
      expect(fault(pair.client.error)).toMatchObject({ alert: Alert.internal_error });
      expect(pair.client.error?.cause).toMatchObject({ code: expect.stringMatching(/^ERR_TLS_PSK_/) });
      session.free();
    }
  });

  test('nothing to offer', () => {
    for (const client of [{ minVersion: 0x0304, maxVersion: 0x0303 }, { cipherSuites: [] }]) {
      using pair = new Pair(credential, { client });
      expect(fault(pair.client.error)).toMatchObject({ reason: 'no-common-version' });
    }
  });

  test('a key that the server takes no signature of is handshake_failure before anything is sent', () => {
    using pair = openPair({
      server: { clientCertificate: 'request', signatureSchemes: [0x0804], sessionIdContext: text('x') },
      clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
    }).run();
    expect(fault(pair.client.error)).toMatchObject({ alert: Alert.handshake_failure, origin: 'local' });
  });
});

describe('what a server’s application refuses', () => {
  test('every protocol', () => {
    using pair = openPair({
      client: { alpn: [text('h2')] },
      server: { selectByJob: true },
      serverAnswer: (job) => (job.kind === 'select' ? { alpn: 'refuse' } : USUAL),
    }).run();
    expect(fault(pair.server.error)).toMatchObject({ alert: Alert.no_application_protocol });
  });

  test('a hello, by an error with an alert of its own; a session that is stored, likewise', () => {
    const refusal = TlsAlertError.local('unknown-name');
    for (const kind of ['select', 'store-session'] as const) {
      using pair = new Pair(credential, {
        client: { maxVersion: 0x0303 },
        server: { selectByJob: true, sessionIds: true, tickets: false },
        serverAnswer: (job) => (job.kind === kind ? OPEN : USUAL),
      }).run();
      pair.server.connection.failJob(pair.server.openJobs[0]?.id as number, refusal);
      pair.run();
      expect(pair.server.error).toBe(refusal);
      expect(fault(pair.client.error)).toMatchObject({ alert: Alert.unrecognized_name, origin: 'peer' });
    }
  });

  test('a credential without a certificate is refused before anything is made of it', () => {
    const make = () => new Pair({ ...credential, chain: [] });
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_TLS_NO_CERTIFICATE' }));
  });

  test('an id for sessions of no bytes, or of 33', () => {
    for (const length of [0, 33]) {
      using pair = openPair({ server: { generateSessionId: () => new Uint8Array(length) } }).run();
      expect(fault(pair.server.error)).toMatchObject({ alert: Alert.internal_error });
    }
  });

  test('a ticket callback that ends the connection does so with its alert, in either version', () => {
    const refusal = TlsAlertError.local('ticket-callback-abort');
    for (const version of [0x0303, 0x0304]) {
      using pair = new Pair(credential, {
        client: { maxVersion: version },
        serverAnswer: (job) => (job.kind === 'seal-ticket' ? OPEN : USUAL),
      }).run();
      pair.server.connection.failJob(pair.server.openJobs[0]?.id as number, refusal);
      pair.run();
      expect(fault(pair.server.error)).toMatchObject({ reason: 'ticket-callback-abort' });
      expect(fault(pair.client.error)).toMatchObject({ alert: Alert.internal_error, origin: 'peer' });
    }
  });
});

test('calls at a wrong time say so', () => {
  using pair = new Pair(credential);
  const { connection } = pair.client;
  const refused = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return 'nothing';
  };
  expect(refused(() => connection.start())).toBe('ERR_TLS_STARTED');
  expect(refused(() => connection.exportKeyingMaterial('x', null, 1))).toBe('ERR_TLS_NO_EXPORTER');
  expect(refused(() => connection.exportEarlyKeyingMaterial('x', null, 1))).toBe('ERR_TLS_NO_EXPORTER');
  expect(refused(() => connection.updateKeys(false))).toBe('ERR_TLS_NO_KEY_UPDATE');
  connection.receive(new Uint8Array([1]));
  expect(refused(() => connection.write(text('x')))).toBe('ERR_TLS_FAILED');
  connection.destroy();
  expect(refused(() => connection.write(text('x')))).toBe('ERR_TLS_DESTROYED');
});
