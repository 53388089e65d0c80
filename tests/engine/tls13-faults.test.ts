/** What a server of TLS 1.3 may not say, one alert each: every message of its flight, changed on its way. */
import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex } from '../../src/util/bytes.ts';
import { Alert } from '../../src/util/registries.ts';
import { HELLO_RETRY_RANDOM } from '../../src/wire/message/server-hello.ts';
import { ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { engineCredential, Pair, text, USUAL } from '../support/engine-pair.ts';
import { editing13, only13 } from '../support/open-pair.ts';
import { fault } from '../support/tls12.ts';
import {
  type Case,
  check,
  earlyServer,
  encrypted,
  longer,
  retry,
  serverHello,
  serverWithout,
  set,
  shorter,
  suiteAt,
  wrongFinished,
} from '../support/tls13-faults.ts';
import { editExtensions, flip, without } from '../support/wire.ts';

const credential = await engineCredential();
const { server_hello, encrypted_extensions, certificate, certificate_verify } = HandshakeType;

describe('ServerHello', () => {
  check('toClient', [
    {
      what: 'a session id that is not the hello’s',
      edit: only13(server_hello, (body) => flip(body, 35)),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'no session id',
      edit: only13(server_hello, (body) =>
        concatBytes(body.subarray(0, 34), new Uint8Array(1), body.subarray(67)),
      ),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a legacy_version of 1.3',
      edit: only13(server_hello, set(0, 3, 4)),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a selected version of 1.2',
      edit: serverHello(ExtensionType.supported_versions, '0303'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a selected version of three bytes',
      edit: serverHello(ExtensionType.supported_versions, '030400'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'TLS 1.2 where only 1.3 was offered',
      edit: serverWithout(ExtensionType.supported_versions),
      reason: 'no-common-version',
      alert: 'protocol_version',
    },
    {
      what: 'a suite that was not offered',
      edit: only13(server_hello, (body) => set(suiteAt(body), 0x13, 2)(body)),
      reason: 'wrong-cipher',
      alert: 'illegal_parameter',
    },
    {
      what: 'a suite of TLS 1.2',
      edit: only13(server_hello, (body) => set(suiteAt(body), 0xc0, 0x2b)(body)),
      options: { client: { cipherSuites: [0x1301, 0xc02b] } },
      reason: 'wrong-cipher',
      alert: 'illegal_parameter',
    },
    {
      what: 'compression',
      edit: only13(server_hello, (body) => set(suiteAt(body) + 2, 1)(body)),
      reason: 'wrong-compression',
      alert: 'illegal_parameter',
    },
    {
      what: 'no key_share',
      edit: serverWithout(ExtensionType.key_share),
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'a share of a group that none was sent of',
      edit: serverHello(ExtensionType.key_share, `00180061${'04'.repeat(97)}`),
      reason: 'wrong-group',
      alert: 'illegal_parameter',
    },
    {
      what: 'a share that is none',
      edit: serverHello(ExtensionType.key_share, `001d0003${'04'.repeat(3)}`),
      reason: 'bad-key-share',
      alert: 'illegal_parameter',
    },
    {
      what: 'an empty share',
      edit: serverHello(ExtensionType.key_share, '001d0000'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'bytes behind a share',
      edit: serverHello(ExtensionType.key_share, `001d0020${'09'.repeat(33)}`),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a key that was not offered',
      edit: serverHello(ExtensionType.pre_shared_key, '0000'),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'an extension that belongs elsewhere',
      edit: serverHello(ExtensionType.server_name, ''),
      reason: 'forbidden-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'a cookie',
      edit: serverHello(ExtensionType.cookie, '000101'),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'bytes behind the extensions',
      edit: only13(server_hello, longer),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a cut message',
      edit: only13(server_hello, shorter),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'the second key of one',
      edit: serverHello(ExtensionType.pre_shared_key, '0001'),
      resumed: {},
      reason: 'wrong-psk',
      alert: 'illegal_parameter',
    },
    {
      what: 'a suite of another hash than the key’s',
      edit: only13(server_hello, (body) => set(suiteAt(body), 0x13, 2)(body)),
      resumed: {},
      options: { client: { cipherSuites: [0x1301, 0x1302] } },
      reason: 'wrong-psk',
      alert: 'illegal_parameter',
    },
    {
      what: 'a key exchange where only psk_ke was offered',
      edit: serverHello(ExtensionType.key_share, `001d0020${'09'.repeat(32)}`),
      resumed: {},
      options: { client: { allowPskKe: true, pskKeOnly: true }, server: { allowPskKe: true } },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'no key exchange where psk_ke was not offered',
      edit: serverWithout(ExtensionType.key_share),
      resumed: {},
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
  ]);

  test('supported_versions where only TLS 1.2 was offered', () => {
    const answer = (bytes: Uint8Array): Uint8Array =>
      editing13(serverHello(ExtensionType.supported_versions, '0304'))(bytes);
    using pair = new Pair(credential, {
      client: { maxVersion: 0x0303 },
      between: { toClient: answer },
    }).run();
    expect(fault(pair.client.error)).toMatchObject({ alert: Alert.unsupported_extension });
  });
});

describe('HelloRetryRequest', () => {
  const cases: readonly Case[] = [
    {
      what: 'without supported_versions',
      edit: serverWithout(ExtensionType.supported_versions),
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'that asks for nothing',
      edit: serverWithout(ExtensionType.key_share),
      reason: 'useless-hello-retry',
      alert: 'illegal_parameter',
    },
    {
      what: 'for a group whose share was sent',
      edit: serverHello(ExtensionType.key_share, '001d'),
      reason: 'useless-hello-retry',
      alert: 'illegal_parameter',
    },
    {
      what: 'for a group that was not offered',
      edit: serverHello(ExtensionType.key_share, '0019'),
      reason: 'wrong-group',
      alert: 'illegal_parameter',
    },
    {
      what: 'with a share in the place of a group',
      edit: serverHello(ExtensionType.key_share, '0018000109'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'with an empty cookie',
      edit: serverHello(ExtensionType.cookie, '0000'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'with a key',
      edit: serverHello(ExtensionType.pre_shared_key, '0000'),
      resumed: {},
      reason: 'forbidden-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'with another session id',
      edit: only13(server_hello, (body) => flip(body, 35)),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'twice',
      edit: only13(
        server_hello,
        (body) => concatBytes(body.subarray(0, 2), HELLO_RETRY_RANDOM, body.subarray(34)),
        1,
      ),
      reason: 'second-hello-retry',
      alert: 'unexpected_message',
    },
    {
      what: 'and then another suite',
      edit: only13(server_hello, (body) => set(suiteAt(body), 0x13, 3)(body), 1),
      options: { ...retry, client: { cipherSuites: [0x1301, 0x1303] } },
      reason: 'wrong-cipher',
      alert: 'illegal_parameter',
    },
    {
      what: 'and then TLS 1.2',
      edit: only13(
        server_hello,
        (body) =>
          set(
            suiteAt(body),
            0xcc,
            0xa9,
          )(editExtensions(body, 'server', without(ExtensionType.supported_versions))),
        1,
      ),
      options: { ...retry, client: { cipherSuites: [0x1301, 0xcca9], minVersion: 0x0303 } },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'and then a share of the first group',
      edit: serverHello(ExtensionType.key_share, `001d0020${'09'.repeat(32)}`, 1),
      reason: 'wrong-group',
      alert: 'illegal_parameter',
    },
  ];
  check(
    'toClient',
    cases.map((each) => ({ options: retry, ...each })),
  );
});

describe('EncryptedExtensions', () => {
  check('toClient', [
    {
      what: 'an answer to what was not asked',
      edit: encrypted(ExtensionType.record_size_limit, '4000'),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'key_share',
      edit: encrypted(ExtensionType.key_share, '001d'),
      reason: 'forbidden-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'an extension twice',
      edit: only13(encrypted_extensions, () => fromHex('00080000000000000000')),
      reason: 'duplicate-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'a name in the answer',
      edit: only13(encrypted_extensions, () => fromHex('00050000000100')),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a protocol that was not offered',
      edit: encrypted(ExtensionType.application_layer_protocol_negotiation, '0003026833'),
      options: { client: { alpn: [text('h2')] } },
      reason: 'wrong-alpn',
      alert: 'illegal_parameter',
    },
    {
      what: 'two protocols',
      edit: encrypted(ExtensionType.application_layer_protocol_negotiation, '0006026832026832'),
      options: { client: { alpn: [text('h2')] } },
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a record size limit of 63',
      edit: encrypted(ExtensionType.record_size_limit, '003f'),
      options: { client: { recordSizeLimit: 100 } },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'early data that was not sent',
      edit: encrypted(ExtensionType.early_data, ''),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'bytes behind the extensions',
      edit: only13(encrypted_extensions, longer),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'early data taken with the key declined',
      edit: encrypted(ExtensionType.early_data, ''),
      resumed: { server: earlyServer },
      options: { client: { earlyData: true }, server: { tickets: false } },
      reason: 'early-data-unexpected',
      alert: 'unsupported_extension',
    },
    {
      what: 'early data taken under another suite of the hash',
      edit: (body, type) => {
        if (type === server_hello) return set(suiteAt(body), 0x13, 3)(body);
        return type === encrypted_extensions ? encrypted(ExtensionType.early_data, '')(body, type, 0) : body;
      },
      resumed: { server: earlyServer },
      options: { client: { earlyData: true, cipherSuites: [0x1301, 0x1303] } },
      reason: 'session-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'early data taken under another protocol',
      edit: (body, type, nth) => {
        if (type !== encrypted_extensions) return body;
        const other = encrypted(ExtensionType.application_layer_protocol_negotiation, '0003026833');
        return encrypted(ExtensionType.early_data, '')(other(body, type, nth) as Uint8Array, type, nth);
      },
      resumed: { server: { ...earlyServer, alpn: [text('h2')] }, client: { alpn: [text('h2')] } },
      options: {
        client: { earlyData: true, alpn: [text('h2'), text('h3')] },
        // A server that leaves the protocol out of its answer; another stands there when it arrives.
        server: { ...earlyServer, selectByJob: true },
        serverAnswer: (job) => (job.kind === 'select' ? { alpn: null } : USUAL),
      },
      reason: 'session-changed',
      alert: 'illegal_parameter',
    },
  ]);
});

const COMPRESSORS = [{ id: 7, compress: (bytes: Uint8Array) => bytes.slice(1), decompress: () => null }];
describe('the server’s certificate', () => {
  const it = HandshakeType;
  check('toClient', [
    {
      what: 'a request with a context',
      edit: only13(it.certificate_request, (body) => concatBytes(new Uint8Array([1, 9]), body.subarray(1))),
      options: { server: { clientCertificate: 'request' } },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a request without schemes',
      edit: only13(it.certificate_request, () => fromHex('000000')),
      options: { server: { clientCertificate: 'request' } },
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'a request whose compressions do not end',
      edit: only13(it.certificate_request, () => fromHex('000012000d000400020403001b000602000100ffff')),
      options: { server: { clientCertificate: 'request' } },
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a request with something in status_request',
      edit: only13(it.certificate_request, () => fromHex('00000d000d0004000204030005000101')),
      options: { server: { clientCertificate: 'request' } },
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a certificate with a context',
      edit: only13(certificate, (body) => concatBytes(new Uint8Array([1, 9]), body.subarray(1))),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'no certificate',
      edit: only13(certificate, () => new Uint8Array(4)),
      reason: 'no-certificate',
      alert: 'decode_error',
    },
    {
      what: 'an empty certificate',
      edit: only13(certificate, () => fromHex('000000050000000000')),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a status that was not asked for',
      edit: only13(certificate, (body) => stapled(body, fromHex('000500050100000101'))),
      reason: 'unsolicited-extension',
      alert: 'unsupported_extension',
    },
    {
      what: 'an extension that has no place there',
      edit: only13(certificate, (body) => stapled(body, fromHex('00330000'))),
      reason: 'forbidden-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'a compression that was not offered',
      edit: only13(HandshakeType.compressed_certificate, set(0, 0, 9)),
      options: {
        client: { certificateCompressors: COMPRESSORS },
        server: { certificateCompressors: COMPRESSORS },
      },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'noise in the place of DER',
      edit: only13(certificate, () => fromHex('000000080000033003010000')),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a scheme that was not offered',
      edit: only13(certificate_verify, set(0, 2, 3)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a scheme of another key',
      edit: only13(certificate_verify, set(0, 8, 4)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a scheme of another curve',
      edit: only13(certificate_verify, set(0, 5, 3)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'bytes behind the signature',
      edit: only13(certificate_verify, longer),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    ...wrongFinished,
    {
      what: 'a message that was changed before it',
      edit: only13(encrypted_extensions, () => new Uint8Array(2)),
      reason: 'bad-finished',
      alert: 'decrypt_error',
    },
  ]);

  /** A Certificate whose first entry has these extensions. */
  function stapled(body: Uint8Array, extensions: Uint8Array): Uint8Array {
    const length = ((body[4] as number) << 16) | ((body[5] as number) << 8) | (body[6] as number);
    const entry = concatBytes(
      body.subarray(4, 7 + length),
      new Uint8Array([0, extensions.length]),
      extensions,
    );
    return concatBytes(new Uint8Array([0, 0, entry.length >> 8, entry.length & 0xff]), entry);
  }
});
