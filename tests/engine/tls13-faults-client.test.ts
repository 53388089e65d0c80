/** What a client of TLS 1.3 may not say, one alert each: every message of it, changed on its way. */
import { describe, expect, test } from 'vitest';
import type { ServerConfig } from '../../src/handshake/config.ts';
import { concatBytes, fromHex, utf8 } from '../../src/util/bytes.ts';
import { Alert } from '../../src/util/registries.ts';
import { ExtensionType, HandshakeType } from '../../src/wire/numbers.ts';
import { engineCredential, Pair, type PairOptions, text, USUAL } from '../support/engine-pair.ts';
import { type Edit13, editing13, only13, openPair } from '../support/open-pair.ts';
import { fault } from '../support/tls12.ts';
import {
  type Case,
  check,
  clientHello,
  clientWithout,
  retry,
  set,
  wrongFinished,
} from '../support/tls13-faults.ts';
import { editExtensions, flip, having, helloExtensions } from '../support/wire.ts';

const credential = await engineCredential();
const { client_hello, certificate, certificate_verify } = HandshakeType;

describe('ClientHello', () => {
  const psk = (body: Uint8Array): Uint8Array => {
    const found = helloExtensions(body, 'client').extensions.find(
      ({ type }) => type === ExtensionType.pre_shared_key,
    );
    return (found as { body: Uint8Array }).body;
  };
  check('toServer', [
    {
      what: 'no supported_groups',
      edit: clientWithout(ExtensionType.supported_groups),
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'no key_share',
      edit: clientWithout(ExtensionType.key_share),
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'no signature_algorithms',
      edit: clientWithout(ExtensionType.signature_algorithms),
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'no group in common',
      edit: clientHello(ExtensionType.supported_groups, '00020019'),
      options: { client: { keyShareCount: 0 } },
      reason: 'no-common-group',
      alert: 'handshake_failure',
    },
    {
      what: 'a share of a group that is not listed',
      edit: clientHello(ExtensionType.supported_groups, '00020018'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'two shares of one group',
      edit: clientHello(ExtensionType.key_share, '000a001d000109001d000109'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a share that is none',
      edit: clientHello(ExtensionType.key_share, '0005001d000109'),
      reason: 'bad-key-share',
      alert: 'illegal_parameter',
    },
    {
      what: 'an empty share',
      edit: clientHello(ExtensionType.key_share, '0004001d0000'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a legacy_version of TLS 1.1',
      edit: only13(client_hello, set(0, 3, 2)),
      reason: 'no-common-version',
      alert: 'protocol_version',
    },
    {
      what: 'versions that nobody speaks',
      edit: clientHello(ExtensionType.supported_versions, '020305'),
      reason: 'no-common-version',
      alert: 'protocol_version',
    },
    {
      what: 'an odd list of versions',
      edit: clientHello(ExtensionType.supported_versions, '03030403'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'two compression methods',
      edit: only13(client_hello, compressions),
      reason: 'wrong-compression',
      alert: 'illegal_parameter',
    },
    {
      what: 'a certificate compression twice',
      edit: clientHello(ExtensionType.compress_certificate, '0400010001'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'an extension twice',
      edit: only13(client_hello, (body) =>
        editExtensions(body, 'client', (all) => [...all, { type: 51, body: new Uint8Array(2) }]),
      ),
      reason: 'duplicate-extension',
      alert: 'illegal_parameter',
    },
    {
      what: 'a record size limit of 63',
      edit: clientHello(ExtensionType.record_size_limit, '003f'),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'early_data with something in it',
      edit: clientHello(ExtensionType.early_data, '00'),
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a cookie',
      edit: clientHello(ExtensionType.cookie, '0000'),
      options: { server: { cookies: { seal: () => new Uint8Array(1), open: () => null } } },
      reason: 'decode-error',
      alert: 'decode_error',
    },
    {
      what: 'a cookie of somebody else',
      edit: clientHello(ExtensionType.cookie, '000101'),
      options: { server: { cookies: { seal: () => new Uint8Array(1), open: () => null } } },
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a pre_shared_key that is not last',
      edit: only13(client_hello, (body) =>
        editExtensions(body, 'client', (all) => [...all, { type: 0xfafa, body: new Uint8Array(0) }]),
      ),
      resumed: {},
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a pre_shared_key without modes',
      edit: clientWithout(ExtensionType.psk_key_exchange_modes),
      resumed: {},
      reason: 'missing-extension',
      alert: 'missing_extension',
    },
    {
      what: 'a binder too many',
      edit: only13(client_hello, (body) =>
        editExtensions(body, 'client', having(ExtensionType.pre_shared_key, moreBinders(psk(body)))),
      ),
      resumed: {},
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'a wrong binder',
      edit: only13(client_hello, (body) => flip(body, -1)),
      resumed: {},
      reason: 'bad-binder',
      alert: 'decrypt_error',
    },
    {
      what: 'a hello that was changed under its binder',
      edit: only13(client_hello, (body) => flip(body, 2)),
      resumed: {},
      reason: 'bad-binder',
      alert: 'decrypt_error',
    },
  ]);

  function compressions(body: Uint8Array): Uint8Array {
    const { head, extensions } = helloExtensions(body, 'client');
    const longer = concatBytes(head.subarray(0, -2), new Uint8Array([2, 0, 1]), body.subarray(head.length));
    expect(extensions.length).toBeGreaterThan(0);
    return longer;
  }

  function moreBinders(body: Uint8Array): Uint8Array {
    const identities = 2 + (((body[0] as number) << 8) | (body[1] as number));
    const binders = concatBytes(body.subarray(identities + 2), new Uint8Array([32]), new Uint8Array(32));
    return concatBytes(body.subarray(0, identities), new Uint8Array([0, binders.length]), binders);
  }
});

describe('the second ClientHello', () => {
  const session = { server: { groups: [0x1d] } };
  const cases: readonly Case[] = [
    {
      what: 'another random',
      edit: only13(client_hello, (body) => flip(body, 2), 1),
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'another session id',
      edit: only13(client_hello, (body) => flip(body, 35), 1),
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'another name',
      edit: clientHello(ExtensionType.server_name, '0006000003616263', 1),
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'the share of the first',
      edit: clientHello(ExtensionType.key_share, `0024001d0020${'09'.repeat(32)}`, 1),
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'no share',
      edit: clientHello(ExtensionType.key_share, '0000', 1),
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'early data',
      edit: clientHello(ExtensionType.early_data, '', 1),
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'another version',
      edit: only13(
        client_hello,
        (body) => editExtensions(body, 'client', having(ExtensionType.supported_versions, fromHex('020303'))),
        1,
      ),
      options: { server: { groups: [0x18], minVersion: 0x0303, cipherSuites: [0x1301, 0xcca9] } },
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'other suites',
      edit: only13(client_hello, (body) => set(37 + (body[34] as number), 0x13, 3)(body), 1),
      options: { server: { groups: [0x18], cipherSuites: [0x1301, 0x1303] } },
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'the key taken back',
      edit: clientWithout(ExtensionType.pre_shared_key, 1),
      resumed: session,
      reason: 'second-hello-changed',
      alert: 'illegal_parameter',
    },
    {
      what: 'a wrong binder',
      edit: only13(client_hello, (body) => flip(body, -1), 1),
      resumed: session,
      reason: 'bad-binder',
      alert: 'decrypt_error',
    },
  ];
  check(
    'toServer',
    cases.map((each) => ({ options: retry, ...each })),
  );

  const COOKIE = new Uint8Array(40).fill(5);
  /** A server that asks for a cookie; `second` takes the hello that came back with it. */
  function withCookie(edit: Edit13, second: Partial<ServerConfig> = {}): ReturnType<typeof fault> {
    let state: Uint8Array | null = null;
    const cookies = {
      seal: (bytes: Uint8Array) => {
        state = bytes.slice();
        return COOKIE;
      },
      open: () => state,
    };
    using first = openPair({ server: { cookies, groups: [0x18] } }).run();
    const hello = first.toServer[1] as Uint8Array;
    using again = openPair({ server: { cookies, groups: [0x18], ...second } });
    again.server.connection.receive(editing13(edit)(hello));
    again.server.work();
    return fault(again.server.error);
  }

  test('with a cookie, to a server that remembers nothing', () => {
    const same: Edit13 = (body) => body;
    expect(withCookie(same)).toBeNull();
    const changed = { reason: 'second-hello-changed', alert: Alert.illegal_parameter };
    expect(withCookie(clientHello(ExtensionType.early_data, ''))).toMatchObject(changed);
    expect(
      withCookie(clientHello(ExtensionType.key_share, `0024001d0020${'09'.repeat(32)}`), { groups: [0x1d] }),
    ).toMatchObject(changed);
    expect(withCookie(clientHello(ExtensionType.key_share, '0000'))).toMatchObject(changed);
    expect(withCookie(same, { cipherSuites: [0x1303] })).toMatchObject({ reason: 'no-common-cipher' });
    expect(
      withCookie(clientHello(ExtensionType.supported_groups, '0002001e'), { groups: [0x17] }),
    ).toMatchObject({
      alert: Alert.illegal_parameter,
    });
  });

  test('a server that asks for cookies speaks no TLS 1.2, and asks nobody in vain', () => {
    const cookies = { seal: () => COOKIE, open: () => null };
    using nothing = openPair({ server: { cookies, groups: [0x19] } }).run();
    expect(fault(nothing.server.error)).toMatchObject({ reason: 'no-common-group' });
    using pair = new Pair(credential, { client: { maxVersion: 0x0303 }, server: { cookies } }).run();
    expect(fault(pair.server.error)).toMatchObject({ alert: Alert.protocol_version });
  });
});

describe('the client’s flight', () => {
  const asked: PairOptions = {
    server: { clientCertificate: 'require', sessionIdContext: text('x') },
    clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
  };
  const cases: readonly Case[] = [
    {
      what: 'a certificate with a context',
      edit: only13(certificate, (body) => concatBytes(new Uint8Array([1, 9]), body.subarray(1))),
      reason: 'illegal-parameter',
      alert: 'illegal_parameter',
    },
    {
      what: 'no certificate where one is required',
      edit: only13(certificate, () => new Uint8Array(4)),
      reason: 'certificate-required',
      alert: 'certificate_required',
    },
    {
      what: 'a scheme that was not offered',
      edit: only13(certificate_verify, set(0, 2, 3)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    {
      what: 'a scheme of another key',
      edit: only13(certificate_verify, set(0, 8, 7)),
      reason: 'wrong-signature-scheme',
      alert: 'illegal_parameter',
    },
    ...wrongFinished,
    {
      what: 'a message that was changed before it',
      edit: only13(certificate_verify, (body) => flip(body, -1)),
      reason: 'bad-finished',
      alert: 'decrypt_error',
    },
  ];
  // The client is done by then: it learns of the alert as one that comes after the handshake.
  test.each(cases)('$what', ({ edit, reason, alert }) => {
    using pair = openPair({ ...asked, between: { toServer: editing13(edit) } }).run();
    expect(fault(pair.server.error)).toEqual({ reason, alert: Alert[alert], origin: 'local' });
    expect(fault(pair.client.error)).toEqual({ reason: null, alert: Alert[alert], origin: 'peer' });
    expect(pair.server.has('handshake')).toBe(false);
  });
});

test('a signature that is somebody else’s is decrypt_error, at either end', () => {
  for (const liar of ['client', 'server'] as const) {
    using pair = new Pair(credential, {
      client: { minVersion: 0x0304 },
      server: { clientCertificate: 'require', sessionIdContext: text('x') },
      clientAnswer: (job) => {
        if (job.kind === 'client-certificate') return credential;
        return job.kind === 'sign' && liar === 'client' ? lie(job.scheme) : USUAL;
      },
      serverAnswer: (job) => (job.kind === 'sign' && liar === 'server' ? lie(job.scheme) : USUAL),
    }).run();
    const finder = liar === 'client' ? pair.server : pair.client;
    expect(fault(finder.error)).toMatchObject({ reason: 'bad-signature', alert: Alert.decrypt_error });
  }

  function lie(scheme: number): Uint8Array {
    return (credential.key as NonNullable<typeof credential.key>).sign(scheme, utf8('something else'));
  }
});
