/** Calls that are wrong: what each function throws, over node:tls and over this library. */
import { once } from 'node:events';
import * as nodeTls from 'node:tls';
import { describe, expect, test } from 'vitest';
import ours from '../../../src/entry/index.ts';
import { makeCertificate, testChain } from '../../support/certs.ts';
import { type Differences, heard, describe as inWords, NODE, same, type Tls } from './harness.ts';

// biome-ignore lint/suspicious/noExplicitAny: the point is to call with what the types refuse
type Any = any;
const chain = await testChain();

function thrown(call: () => unknown): unknown {
  try {
    call();
    return null;
  } catch (error) {
    return inWords(error as Error);
  }
}

interface Differs {
  /** Since which Node node:tls throws it: before, only this library is asked. */
  readonly since?: number;
  readonly node?: unknown;
  readonly ours?: unknown;
}

/** A call with wrong arguments: the same class, code and words. */
function throws(title: string, call: (tls: Any) => unknown, differs: Differs = {}): void {
  test(title, () => {
    const own = thrown(() => call(ours));
    if (NODE < (differs.since ?? 0)) {
      expect(own).toEqual(expect.arrayContaining([expect.stringMatching(/^ERR_/)]));
      return;
    }
    const node = thrown(() => call(nodeTls));
    if (!('ours' in differs)) {
      expect(node, 'node:tls throws nothing').not.toBeNull();
      expect(own).toEqual(node);
      return;
    }
    expect(node).toEqual(differs.node);
    expect(own).toEqual(differs.ours);
    expect(node).not.toEqual(own);
  });
}

describe('createSecureContext', () => {
  const context = (options: Any) => (tls: Any) => tls.createSecureContext(options);
  throws('ciphers: a number', context({ ciphers: 1 }));
  throws('ciphers: nothing in it', context({ ciphers: ':' }));
  throws('ciphers: nothing that is known', context({ ciphers: 'nonsense' }));
  throws('sigalgs: an object', context({ sigalgs: {} }));
  throws('sigalgs: nothing in it', context({ sigalgs: '' }));
  throws('ecdhCurve: null', context({ ecdhCurve: null }));
  throws('ecdhCurve: not known', context({ ecdhCurve: 'nonsense' }));
  throws('dhparam: a number', context({ dhparam: 1 }));
  throws('ca: a number', context({ ca: 1 }));
  throws('ca: a list with a number', context({ ca: [1] }));
  throws('cert: a boolean', context({ cert: true }));
  throws('key: a boolean', context({ key: true, cert: chain.chainPem }));
  throws('key: no PEM', context({ key: 'nothing', cert: chain.chainPem }));
  throws('cert: no PEM', context({ cert: 'nothing', key: chain.keyPem }), {
    node: ['Error', 'ERR_OSSL_PEM_NO_START_LINE'],
    ours: ['Error', 'ERR_TLS_BAD_PEM', 'no certificate in the text'],
  });
  throws('crl: a number', context({ crl: 1 }));
  throws('passphrase: a number', context({ key: chain.keyPem, cert: chain.chainPem, passphrase: 1 }));
  throws('sessionIdContext: a number', context({ sessionIdContext: 1 }));
  throws('sessionTimeout: a text', context({ sessionTimeout: '1' }));
  throws('sessionTimeout: below zero', context({ sessionTimeout: -1 }));
  throws('sessionTimeout: a fraction', context({ sessionTimeout: 1.5 }));
  throws('sessionTimeout: more than fits', context({ sessionTimeout: 2 ** 31 }));
  throws('ticketKeys: a text', context({ ticketKeys: 'x'.repeat(48) }));
  throws('ticketKeys: 47 bytes', context({ ticketKeys: Buffer.alloc(47) }));
  throws('minVersion: not known', context({ minVersion: 'SSLv3' }));
  throws('maxVersion: not known', context({ maxVersion: 'TLSv2' }));
  throws('secureProtocol: not known', context({ secureProtocol: 'nonsense' }));
  throws(
    'secureProtocol beside minVersion',
    context({ secureProtocol: 'TLS_method', minVersion: 'TLSv1.2' }),
  );
  throws(
    'secureProtocol beside maxVersion',
    context({ secureProtocol: 'TLS_method', maxVersion: 'TLSv1.2' }),
  );
  throws('secureOptions: a text', context({ secureOptions: 'x' }));
  throws('privateKeyIdentifier alone', context({ privateKeyIdentifier: 'x' }));
  throws(
    'privateKeyIdentifier beside a key',
    context({ key: chain.keyPem, privateKeyIdentifier: 'x', privateKeyEngine: 'y' }),
  );
  throws('privateKeyIdentifier: a number', context({ privateKeyIdentifier: 1, privateKeyEngine: 'y' }));
  throws('privateKeyEngine: a number', context({ privateKeyIdentifier: 'x', privateKeyEngine: 1 }));
  throws('clientCertEngine: a number', context({ clientCertEngine: 1 }));
  throws('options: a text', context('x'));
  throws('TLS 1.1 as the newest version', context({ maxVersion: 'TLSv1.1' }), {
    node: null,
    ours: [
      'TypeError',
      'ERR_TLS_INVALID_PROTOCOL_VERSION',
      '"TLSv1.1" is not a valid maximum TLS protocol version',
    ],
  });
  throws('a method of TLS 1.1', context({ secureProtocol: 'TLSv1_1_method' }), {
    node: null,
    ours: [
      'TypeError',
      'ERR_TLS_INVALID_PROTOCOL_METHOD',
      'TLSv1 methods disabled: TLS 1.2 and 1.3 are spoken here',
    ],
  });

  throws('versions that leave none', context({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }), {
    node: null,
    ours: ['Error', 'ERR_SSL_NO_PROTOCOLS_AVAILABLE'],
  });

  test('a key that is not the certificate’s', async () => {
    const other = await makeCertificate({ subject: 'CN=other' });
    const [node, own] = [nodeTls, ours].map((tls: Tls) =>
      thrown(() => tls.createSecureContext({ key: other.keyPem, cert: chain.chainPem })),
    );
    expect(own).toEqual(node);
    expect(own).toEqual(['Error', 'ERR_OSSL_X509_KEY_VALUES_MISMATCH']);
  });
});

describe('createServer', () => {
  const server = (options: Any, listener?: Any) => (tls: Any) => tls.createServer(options, listener);
  throws('options: a text', server('x'));
  throws('handshakeTimeout: a text', server({ handshakeTimeout: 'x' }));
  throws('SNICallback: a text', server({ SNICallback: 'x' }));
  throws('pskCallback: a text', server({ pskCallback: 'x' }));
  throws('pskIdentityHint: a number', server({ pskIdentityHint: 1 }));
  throws('ALPNCallback beside ALPNProtocols', server({ ALPNCallback: () => 'h2', ALPNProtocols: ['h2'] }));
  throws('addContext without a name', (tls) => tls.createServer().addContext('', {}));
  throws('setTicketKeys: a text', (tls) => tls.createServer().setTicketKeys('x'));
  throws('setTicketKeys: 47 bytes', (tls) => tls.createServer().setTicketKeys(Buffer.alloc(47)), {
    // An assertion of node:tls.
    node: ['Error', 'ERR_INTERNAL_ASSERTION'],
    ours: ['TypeError', 'ERR_INVALID_ARG_VALUE', "The argument 'keys' must be exactly 48 bytes. Received 47"],
  });
  throws('setSecureContext: a text', (tls) => tls.createServer().setSecureContext('x'));
});

describe('connect', () => {
  const connect =
    (...args: Any[]) =>
    (tls: Any) =>
      tls.connect(...args);
  throws('checkServerIdentity: a text', connect({ port: 1, checkServerIdentity: 'x' }), { since: 24 });
  throws('minDHSize: a text', connect({ port: 1, minDHSize: 'x' }), { since: 24 });
  throws('minDHSize: zero', connect({ port: 1, minDHSize: 0 }), { since: 24 });
  throws('pskCallback: a text', connect({ port: 1, pskCallback: 'x' }));
  throws('enableTrace: a number', connect({ port: 1, enableTrace: 1 }));
  throws('neither port nor path nor socket', connect({}));
  throws('secureContext: none of this module', connect({ port: 1, secureContext: { context: {} } }));
  throws('a port that is none', connect({ port: 65_536 }));
  // Node 20 ends the process.
  throws('ALPNProtocols with an empty name', connect({ port: 1, ALPNProtocols: [''] }), { since: 24 });
  throws('lookup: a text', connect({ port: 1, host: 'localhost', lookup: 'x' }));
});

describe('the functions of the module', () => {
  throws('convertALPNProtocols: a name of 256 bytes', (tls) =>
    tls.convertALPNProtocols(['x'.repeat(256)], {}),
  );
  if (NODE >= 24) {
    throws('getCACertificates: a number', (tls) => tls.getCACertificates(1));
    throws('getCACertificates: not known', (tls) => tls.getCACertificates('nonsense'));
    throws('setDefaultCACertificates: a text', (tls) => tls.setDefaultCACertificates('x'));
    throws('setDefaultCACertificates: a list with a number', (tls) => tls.setDefaultCACertificates([1]));
  }
});

/** Calls on a socket whose handshake is over. */
function calls(title: string, call: (socket: Any) => unknown, differences: Differences = {}): void {
  same(
    title,
    async (world) => {
      const { port } = await world.listen();
      const socket = world.connect(port);
      socket.resume();
      await once(socket, 'secureConnect');
      world.note(
        'threw',
        thrown(() => call(socket)),
      );
      socket.destroy();
      await heard(socket, 'close');
    },
    differences,
  );
}

describe('TLSSocket', () => {
  calls('exportKeyingMaterial: no length', (socket) => socket.exportKeyingMaterial());
  calls('exportKeyingMaterial: length zero', (socket) => socket.exportKeyingMaterial(0, 'x'));
  calls('exportKeyingMaterial: no label', (socket) => socket.exportKeyingMaterial(32));
  calls('exportKeyingMaterial: a context that is a text', (socket) =>
    socket.exportKeyingMaterial(32, 'x', 'y'),
  );
  calls('renegotiate: no options', (socket) => socket.renegotiate());
  calls('renegotiate: a callback that is a text', (socket) => socket.renegotiate({}, 'x'));
  calls('setMaxSendFragment: a text', (socket) => socket.setMaxSendFragment('x'));
  calls('setServername: a number', (socket) => socket.setServername(1));
  calls('setTimeout: a text', (socket) => socket.setTimeout('x'));
  calls('setTimeout: below zero', (socket) => socket.setTimeout(-1));
  calls('setTimeout: a callback that is a text', (socket) => socket.setTimeout(1, 'x'));
  calls('write: a number', (socket) => socket.write(1));
  calls('write: null', (socket) => socket.write(null));
  calls('setEncoding: not known', (socket) => socket.setEncoding('nonsense'));

  same('before the handshake is over', async (world) => {
    const { port } = await world.listen();
    const socket = world.connect(port) as Any;
    world.note(
      'exportKeyingMaterial',
      thrown(() => socket.exportKeyingMaterial(32, 'x')),
    );
    await once(socket, 'secureConnect');
    socket.destroy();
    await heard(socket, 'close');
  });

  same('setServername at a server', async (world) => {
    const { server, port } = await world.listen();
    const accepted = once(server, 'secureConnection');
    world.connect(port).resume();
    const [socket] = (await accepted) as Any[];
    world.note(
      'threw',
      thrown(() => socket.setServername('x')),
    );
  });
});
