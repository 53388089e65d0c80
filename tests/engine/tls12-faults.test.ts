/** What a peer of TLS 1.2 may not say, one alert each: every message of the handshake, changed on its way. */
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { CryptoProvider, KeyExchange } from '../../src/crypto/provider.ts';
import { concatBytes, fromHex } from '../../src/util/bytes.ts';
import type { FailureReason } from '../../src/util/errors.ts';
import { Alert, type AlertName, NamedGroup, ProtocolVersion } from '../../src/util/registries.ts';
import { ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { ext, issue, type KeyKind, keyFor } from '../pki/make.ts';
import { engineCredential, Pair, type PairOptions, text, USUAL } from '../support/engine-pair.ts';
import { fault, only12 } from '../support/tls12.ts';
import {
  type Edit,
  editExtensions,
  editing,
  flip,
  having,
  helloExtensions,
  message,
  only,
  without,
} from '../support/wire.ts';

const credential = await engineCredential();

interface Case {
  readonly what: string;
  readonly edit: Edit;
  readonly reason: FailureReason;
  readonly alert: AlertName;
  readonly options?: PairOptions;
}

function check(direction: 'toClient' | 'toServer', cases: readonly Case[]): void {
  for (const { what, edit, reason, alert, options } of cases) {
    test(what, () => {
      using pair = new Pair(credential, {
        ...options,
        client: { ...only12, ...options?.client },
        between: { [direction]: editing(edit) },
      }).run();
      const [finder, other] =
        direction === 'toClient' ? [pair.client, pair.server] : [pair.server, pair.client];
      expect(fault(finder.error)).toEqual({ reason, alert: Alert[alert], origin: 'local' });
      expect(fault(other.error)).toEqual({ reason: null, alert: Alert[alert], origin: 'peer' });
      expect(finder.has('handshake')).toBe(false);
    });
  }
}

const set =
  (at: number, ...bytes: number[]): ((body: Uint8Array) => Uint8Array) =>
  (body) => {
    const copy = body.slice();
    copy.set(bytes, at);
    return copy;
  };
const longer = (body: Uint8Array): Uint8Array => concatBytes(body, new Uint8Array(1));
const shorter = (body: Uint8Array): Uint8Array => body.slice(0, -1);
/** Where the suite of a ServerHello is, behind its session id. */
const suiteAt = (body: Uint8Array): number => 35 + (body[34] as number);
const extension = (type: number, hex: string): Edit =>
  only(HandshakeType.server_hello, (body) => editExtensions(body, 'server', having(type, fromHex(hex))));
const hello = (type: number, hex: string): Edit =>
  only(HandshakeType.client_hello, (body) => editExtensions(body, 'client', having(type, fromHex(hex))));
const both: PairOptions = {
  client: { minVersion: ProtocolVersion.TLS1_2, maxVersion: ProtocolVersion.TLS1_3 },
  server: { maxVersion: ProtocolVersion.TLS1_2 },
};

/** A certificate of another kind in the place of the server's. */
function otherCertificate(kind: KeyKind, usage?: 'keyEncipherment'): Edit {
  const { der } = issue({
    key: keyFor('faults', kind),
    add: usage === undefined ? [] : [ext.usage([usage])],
  });
  const vector = (bytes: Uint8Array): Uint8Array =>
    concatBytes(new Uint8Array([0, bytes.length >> 8, bytes.length & 0xff]), bytes);
  return only(HandshakeType.certificate, () => vector(vector(der)));
}

/** What a client draws whose random numbers are all sevens. */
const SAME_ID = new Uint8Array(32).fill(7);

describe('ServerHello', () => {
  const it = HandshakeType.server_hello;
  check('toClient', [
    {
      what: 'TLS 1.1',
      edit: only(it, set(0, 3, 2)),
      reason: 'no-common-version',
      alert: 'protocol_version',
    },
    {
      what: 'TLS 1.3 without its extension',
      edit: only(it, set(0, 3, 4)),
      reason: 'no-common-version',
      alert: 'protocol_version',
    },
    {
      what: 'the sentinel of a server that could do TLS 1.3',
      edit: only(it, set(26, ...fromHex('444f574e47524401'))),
      options: both,
      reason: 'downgrade-detected',
      alert: 'illegal_parameter',
    },
    {
      what: 'the sentinel of TLS 1.1',
      edit: only(it, set(26, ...fromHex('444f574e47524400'))),
      options: both,
      reason: 'downgrade-detected',
      alert: 'illegal_parameter',
    },
    {
      what: 'a session id of 33 bytes',
      edit: only(it, (body) =>
        concatBytes(
          body.subarray(0, 34),
          new Uint8Array([33]),
          new Uint8Array(33),
          body.subarray(35 + (body[34] as number)),
        ),
      ),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a suite that was not offered',
      edit: only(it, (body) => set(suiteAt(body), 0, 0x9c)(body)),
      reason: 'wrong-cipher',
      alert: 'illegal_parameter',
    },
    {
      what: 'a suite of TLS 1.3',
      edit: only(it, (body) => set(suiteAt(body), 0x13, 0x01)(body)),
      options: both,
      reason: 'wrong-cipher',
      alert: 'illegal_parameter',
    },
    {
      what: 'compression',
      edit: only(it, (body) => set(suiteAt(body) + 2, 1)(body)),
      reason: 'wrong-compression',
      alert: 'illegal_parameter',
    },
    {
      what: 'the id that a hello for TLS 1.3 has at random, as if there were a session',
      edit: only(it, (body) =>
        concatBytes(body.subarray(0, 34), new Uint8Array([32]), SAME_ID, body.subarray(35)),
      ),
      options: { ...both, client: { ...both.client, random: (length) => new Uint8Array(length).fill(7) } },
      reason: 'session-changed',
      alert: 'illegal_parameter',
    },
    { what: 'a byte too many', edit: only(it, longer), reason: 'decode-error', alert: 'decode_error' },
    { what: 'a byte too few', edit: only(it, shorter), reason: 'decode-error', alert: 'decode_error' },
    {
      what: 'an extension nobody asked for',
      edit: extension(0x1234, ''),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'ALPN that nobody asked for',
      edit: extension(ExtensionType.application_layer_protocol_negotiation, '0003026832'),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'an extension of TLS 1.3 alone',
      edit: extension(ExtensionType.key_share, '001d0001aa'),
      options: both,
      reason: 'forbidden-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'no renegotiation_info',
      edit: only(it, (body) => editExtensions(body, 'server', without(ExtensionType.renegotiation_info))),
      reason: 'renegotiation-info',
      alert: 'handshake_failure',
    },
    {
      what: 'a renegotiation_info that is not of a first handshake',
      edit: extension(ExtensionType.renegotiation_info, '0101'),
      reason: 'renegotiation-info',
      alert: 'handshake_failure',
    },
    ...[
      ExtensionType.extended_master_secret,
      ExtensionType.session_ticket,
      ExtensionType.server_name,
      ExtensionType.status_request,
    ].map((type) => ({
      what: `an empty extension (${type}) that is not empty`,
      edit: extension(type, '00'),
      options: { client: { requestOcsp: true } },
      reason: 'decode-error' as const,
      alert: 'decode_error' as const,
    })),
    {
      what: 'no uncompressed points',
      edit: extension(ExtensionType.ec_point_formats, '0101'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a protocol that was not offered',
      edit: extension(ExtensionType.application_layer_protocol_negotiation, '0003026833'),
      options: { client: { alpn: [text('h2')] } },
      reason: 'wrong-alpn',
      alert: 'illegal_parameter',
    },
    {
      what: 'two protocols',
      edit: extension(ExtensionType.application_layer_protocol_negotiation, '0006026832026832'),
      options: { client: { alpn: [text('h2')] } },
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a record size limit of 63',
      edit: extension(ExtensionType.record_size_limit, '003f'),
      options: { client: { recordSizeLimit: 100 } },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a list of no timestamps',
      edit: extension(ExtensionType.signed_certificate_timestamp, '0000'),
      options: { client: { requestSct: true } },
      reason: 'decode-error',
      alert: 'decode_error',
    },
  ]);

  test('TLS 1.2 where it was not offered', () => {
    using spoken = new Pair(credential, { client: only12, server: only12 }).run();
    using pair = new Pair(credential, { client: { minVersion: ProtocolVersion.TLS1_3 } });
    pair.client.connection.receive(spoken.toClient[0]?.slice() as Uint8Array);
    expect(fault(pair.client.error)).toMatchObject({
      reason: 'no-common-version',
      alert: Alert.protocol_version,
    });
  });

  test('groups in it are let be: there are servers that send them', () => {
    using pair = new Pair(credential, {
      client: only12,
      between: { toClient: editing(extension(ExtensionType.supported_groups, '0002001d')) },
    }).run();
    // It reaches the key exchange; only the two transcripts differ then.
    expect(fault(pair.server.error)).toMatchObject({ reason: 'bad-record-mac' });
  });

  test('a server without renegotiation_info is taken where that is said', () => {
    const edit = only(it, (body) =>
      editExtensions(body, 'server', without(ExtensionType.renegotiation_info)),
    );
    using pair = new Pair(credential, {
      client: { ...only12, requireSecureRenegotiation: false },
      between: { toClient: editing(edit) },
    }).run();
    expect(pair.client.connection.info.renegotiationInfo).toBe(false);
    expect(fault(pair.client.error)?.origin).toBe('peer');
  });
});

describe('the server’s flight', () => {
  const certificate = HandshakeType.certificate;
  const status = HandshakeType.certificate_status;
  const exchange = HandshakeType.server_key_exchange;
  const request = HandshakeType.certificate_request;
  const done = HandshakeType.server_hello_done;
  const stapling: PairOptions = {
    client: { requestOcsp: true },
    server: { credentials: [{ ...credential, ocspResponse: text('yes') }] },
  };
  const asking: PairOptions = { server: { clientCertificate: 'request', sessionIdContext: text('test') } };
  const decode = { reason: 'decode-error', alert: 'decode_error' } as const;
  const illegal = { reason: 'illegal-parameter', alert: 'illegal_parameter' } as const;

  check('toClient', [
    {
      what: 'no certificate',
      edit: only(certificate, () => new Uint8Array(3)),
      reason: 'no-certificate',
      alert: 'decode_error',
    },
    { what: 'an empty certificate', edit: only(certificate, () => fromHex('000003000000')), ...decode },
    { what: 'a certificate of garbage', edit: only(certificate, () => fromHex('00000400000141')), ...decode },
    { what: 'a byte behind the certificates', edit: only(certificate, longer), ...decode },
    { what: 'a certificate that the suite does not go with', edit: otherCertificate('rsa2048'), ...illegal },
    {
      what: 'a certificate on a curve that was not offered',
      edit: otherCertificate('p521'),
      options: { client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] } },
      ...illegal,
    },
    {
      what: 'a key of a kind that cannot sign here',
      edit: otherCertificate('secp256k1'),
      reason: 'unsupported-certificate',
      alert: 'unsupported_certificate',
    },
    {
      what: 'a certificate that may not sign handshakes',
      edit: otherCertificate('p256', 'keyEncipherment'),
      reason: 'wrong-key-usage',
      alert: 'illegal_parameter',
    },
    { what: 'a status that is not OCSP', edit: only(status, set(0, 2)), options: stapling, ...decode },
    {
      what: 'an empty status',
      edit: only(status, () => fromHex('01000000')),
      options: stapling,
      ...decode,
    },
    { what: 'a byte behind the status', edit: only(status, longer), options: stapling, ...decode },
    { what: 'explicit curve parameters', edit: only(exchange, set(0, 1)), ...illegal },
    {
      what: 'a group that was not offered',
      edit: only(exchange, set(1, 0, 24)),
      options: { client: { groups: [NamedGroup.x25519, NamedGroup.secp256r1] } },
      reason: 'wrong-group',
      alert: 'illegal_parameter',
    },
    {
      what: 'a group that TLS 1.2 does not have',
      edit: only(exchange, set(1, 0x11, 0xec)),
      options: { client: { groups: [NamedGroup.x25519mlkem768, NamedGroup.x25519, NamedGroup.secp256r1] } },
      reason: 'wrong-group',
      alert: 'illegal_parameter',
    },
    {
      what: 'a signature of a scheme that was not offered',
      edit: only(exchange, set(36, 0x02, 0x03)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a signature of a scheme that the key has not',
      edit: only(exchange, set(36, 0x08, 0x04)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a changed signature',
      edit: only(exchange, (body) => flip(body, -1)),
      reason: 'bad-signature',
      alert: 'decrypt_error',
    },
    {
      what: 'a changed public value',
      edit: only(exchange, (body) => flip(body, 10)),
      reason: 'bad-signature',
      alert: 'decrypt_error',
    },
    { what: 'a byte behind the signature', edit: only(exchange, longer), ...decode },
    { what: 'no public value', edit: only(exchange, () => fromHex('03001d000403000142')), ...decode },
    {
      what: 'a request for no type of certificate',
      edit: only(request, (body) => concatBytes(new Uint8Array(1), body.subarray(3))),
      options: asking,
      ...decode,
    },
    {
      what: 'a request with half a scheme',
      edit: only(request, () => fromHex('0140000304030400') as Uint8Array),
      options: asking,
      ...decode,
    },
    { what: 'a byte behind the request', edit: only(request, longer), options: asking, ...decode },
    { what: 'a ServerHelloDone that says something', edit: only(done, longer), ...decode },
    {
      what: 'something behind ServerHelloDone',
      edit: (body, type) =>
        type === done
          ? [message(done, body), message(HandshakeType.new_session_ticket, new Uint8Array(6))]
          : body,
      reason: 'message-across-key-change',
      alert: 'unexpected_message',
    },
    {
      what: 'half a message behind ServerHelloDone',
      edit: (body, type) => (type === done ? [message(done, body), new Uint8Array([4, 0])] : body),
      reason: 'message-across-key-change',
      alert: 'unexpected_message',
    },
    {
      what: 'a byte behind the ticket',
      edit: only(HandshakeType.new_session_ticket, longer),
      ...decode,
    },
    {
      what: 'half a ticket',
      edit: only(HandshakeType.new_session_ticket, (body) => body.slice(0, 5)),
      ...decode,
    },
    {
      what: 'no ticket where one was promised',
      edit: only(HandshakeType.new_session_ticket, () => []),
      reason: 'bad-change-cipher-spec',
      alert: 'unexpected_message',
    },
  ]);
});

describe('ClientHello', () => {
  const it = HandshakeType.client_hello;
  const decode = { reason: 'decode-error', alert: 'decode_error' } as const;
  check('toServer', [
    {
      what: 'TLS 1.1',
      edit: only(it, set(0, 3, 2)),
      reason: 'no-common-version',
      alert: 'protocol_version',
    },
    {
      what: 'no null compression',
      edit: only(it, (body) => {
        const { head } = helloExtensions(body, 'client');
        return set(head.length - 1, 1)(body);
      }),
      reason: 'wrong-compression',
      alert: 'illegal_parameter',
    },
    {
      what: 'a session id of 33 bytes',
      edit: only(it, (body) =>
        concatBytes(
          body.subarray(0, 34),
          new Uint8Array([33]),
          new Uint8Array(33),
          body.subarray(35 + (body[34] as number)),
        ),
      ),
      ...decode,
    },
    { what: 'a byte too many', edit: only(it, longer), ...decode },
    {
      what: 'a renegotiation_info that is not of a first handshake',
      edit: hello(ExtensionType.renegotiation_info, '0101'),
      reason: 'renegotiation-info',
      alert: 'handshake_failure',
    },
    {
      what: 'an extended_master_secret that is not empty',
      edit: hello(ExtensionType.extended_master_secret, '00'),
      ...decode,
    },
    {
      what: 'no uncompressed points',
      edit: hello(ExtensionType.ec_point_formats, '0101'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'something behind it',
      edit: (body, type) => (type === it ? [message(it, body), new Uint8Array([16, 0])] : body),
      reason: 'message-across-key-change',
      alert: 'unexpected_message',
    },
  ]);
});

describe('the client’s flight', () => {
  const exchange = HandshakeType.client_key_exchange;
  const certificate = HandshakeType.certificate;
  const verify = HandshakeType.certificate_verify;
  const decode = { reason: 'decode-error', alert: 'decode_error' } as const;
  const asking: PairOptions = {
    server: { clientCertificate: 'request', sessionIdContext: text('test') },
    clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
  };
  check('toServer', [
    { what: 'no public value', edit: only(exchange, () => new Uint8Array(1)), ...decode },
    { what: 'a byte behind the public value', edit: only(exchange, longer), ...decode },
    {
      what: 'a public value of no point',
      edit: only(exchange, (body) => set(1, ...new Uint8Array(body.length - 1))(body)),
      reason: 'bad-key-share',
      alert: 'illegal_parameter',
    },
    {
      what: 'a public value of another length',
      edit: only(exchange, (body) => concatBytes(new Uint8Array([body.length - 2]), body.subarray(2))),
      reason: 'bad-key-share',
      alert: 'illegal_parameter',
    },
    {
      what: 'a certificate of garbage',
      edit: only(certificate, () => fromHex('00000400000141')),
      options: asking,
      ...decode,
    },
    {
      what: 'a certificate that may not sign handshakes',
      edit: otherCertificate('p256', 'keyEncipherment'),
      options: asking,
      reason: 'wrong-key-usage',
      alert: 'illegal_parameter',
    },
    {
      what: 'a signature of a scheme that was not asked for',
      edit: only(verify, set(0, 0x02, 0x03)),
      options: asking,
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a signature of a scheme that the key has not',
      edit: only(verify, set(0, 0x08, 0x04)),
      options: asking,
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a changed signature',
      edit: only(verify, (body) => flip(body, -1)),
      options: asking,
      reason: 'bad-signature',
      alert: 'decrypt_error',
    },
    {
      what: 'the signature of somebody else’s certificate',
      edit: otherCertificate('p256'),
      options: asking,
      reason: 'bad-signature',
      alert: 'decrypt_error',
    },
    { what: 'a byte behind the signature', edit: only(verify, longer), options: asking, ...decode },
  ]);
});

describe('the server’s public value, rightly signed', () => {
  for (const [what, group, publicKey] of [
    ['is zero', NamedGroup.x25519, new Uint8Array(32)],
    ['is not on its curve', NamedGroup.secp256r1, new Uint8Array(65).fill(4)],
    ['is compressed', NamedGroup.secp256r1, new Uint8Array(33).fill(2)],
    ['is too short', NamedGroup.x25519, new Uint8Array(31).fill(9)],
  ] as const) {
    test(what, () => {
      const provider: CryptoProvider = {
        ...nodeProvider,
        generateKeyExchange: (id): KeyExchange => ({
          ...nodeProvider.generateKeyExchange(id),
          group: id,
          publicKey,
          derive: () => null,
          destroy: () => {},
        }),
      };
      using pair = new Pair(credential, { client: only12, server: { provider, groups: [group] } }).run();
      expect(fault(pair.client.error)).toMatchObject({
        reason: 'bad-key-share',
        alert: Alert.illegal_parameter,
      });
    });
  }
});
