/** Handshakes that fail: the error of each end, over node:tls and over this library. */
import { type AddressInfo, createServer as createNetServer, connect as netConnect } from 'node:net';
import type { ConnectionOptions, TlsOptions } from 'node:tls';
import { describe } from 'vitest';
import { makeCertificate } from '../../support/certs.ts';
import { type Differences, heard, same, type World } from './harness.ts';

const stranger = {
  root: await makeCertificate({ subject: 'CN=Somebody else', pathLength: Infinity }),
};
const selfSigned = await makeCertificate({
  subject: 'CN=localhost',
  names: [{ type: 'dns', value: 'localhost' }],
});

const HANG_UP = ['Error', 'ECONNRESET', 'socket hang up'];
const DISCONNECTED = 'Client network socket disconnected before secure TLS connection was established';
const CERTIFICATE_REQUIRED = ['Error', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'];

/** Both ends of a handshake that fails at the server, the client or both. */
async function fails(world: World, server: TlsOptions, client: ConnectionOptions): Promise<void> {
  const { server: site, port } = await world.listen(server, (socket) => {
    world.watch('server', socket, ['error', 'close'], (_, args) => args);
  });
  world.watch('server', site, ['tlsClientError', 'secureConnection'], () => []);
  const failed = Promise.race([heard(site, 'tlsClientError'), heard(site, 'secureConnection')]);
  const socket = world.connect(port, client);
  world.watch('client', socket, ['secureConnect', 'error', 'close'], (_, args) => args);
  socket.resume();
  await heard(socket, 'close');
  await failed;
}

function failing(
  title: string,
  server: TlsOptions,
  client: ConnectionOptions,
  differences: Differences = {},
): void {
  same(title, (world) => fails(world, server, client), differences);
}

const V12 = { maxVersion: 'TLSv1.2' } as const;
const V13 = { minVersion: 'TLSv1.3' } as const;

describe('the server refuses', () => {
  failing(
    'no cipher suite in common, TLS 1.2',
    { ...V12, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
    { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
  );
  failing(
    'no cipher suite in common, TLS 1.3',
    { ciphers: 'TLS_AES_128_GCM_SHA256' },
    { ciphers: 'TLS_AES_256_GCM_SHA384' },
  );
  failing('no version in common: the client is newer', V12, V13);
  failing('no version in common: the client is older', V13, V12);
  failing('no application protocol in common', { ALPNProtocols: ['h2'] }, { ALPNProtocols: ['http/1.1'] });
  failing('no group in common', { ecdhCurve: 'P-384' }, { ecdhCurve: 'P-256' });
  failing('no signature scheme in common', {}, { sigalgs: 'RSA-PSS+SHA256' });
  failing('a server without a certificate', { key: undefined, cert: undefined }, {});
  failing('a client without a certificate, TLS 1.2', { requestCert: true, ...V12 }, {});
  failing(
    'a client without a certificate, TLS 1.3',
    { requestCert: true },
    {},
    {
      // An error after the handshake is the end here: node:tls emits it and closes without.
      'client events': {
        node: ['secureConnect', ['error', CERTIFICATE_REQUIRED], ['close', false]],
        ours: ['secureConnect', ['error', CERTIFICATE_REQUIRED], ['close', true]],
      },
    },
  );
  failing(
    'a client certificate that is not trusted',
    { requestCert: true, ca: stranger.root.certPem, ...V12 },
    { key: selfSigned.keyPem, cert: selfSigned.certPem },
    // node:tls destroys the socket: neither end learns why.
    {
      'server events': {
        node: [['tlsClientError', HANG_UP]],
        ours: [['tlsClientError', ['Error', 'DEPTH_ZERO_SELF_SIGNED_CERT']]],
      },
      'client events': {
        node: [
          ['error', ['Error', 'ECONNRESET', DISCONNECTED]],
          ['close', true],
        ],
        ours: [
          ['error', ['Error', 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA']],
          ['close', true],
        ],
      },
    },
  );
});

/**
 * node:tls judges when the handshake is over: by then a TLS 1.2 server has a connection, and no server is told
 * why it ends. Here the certificate is judged within the handshake, and the alert says it.
 */
function told(version: string, alert: string): Differences {
  return {
    'server events': {
      node: version === 'TLSv1.2' ? ['secureConnection'] : [['tlsClientError', HANG_UP]],
      ours: [['tlsClientError', ['Error', `ERR_SSL_${alert}`]]],
    },
  };
}

describe('the client refuses', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const bound = { minVersion: version, maxVersion: version };
    failing(
      `a certificate of an authority that it does not know, ${version}`,
      bound,
      { ca: stranger.root.certPem },
      told(version, 'TLSV1_ALERT_UNKNOWN_CA'),
    );
    failing(
      `a certificate that signs itself, ${version}`,
      { ...bound, key: selfSigned.keyPem, cert: selfSigned.certPem },
      {},
      told(version, 'TLSV1_ALERT_UNKNOWN_CA'),
    );
    failing(
      `another name, ${version}`,
      bound,
      { servername: 'example.org' },
      told(version, 'SSLV3_ALERT_BAD_CERTIFICATE'),
    );
    failing(
      `by its own checkServerIdentity, ${version}`,
      bound,
      { checkServerIdentity: () => Object.assign(new Error('not that one'), { code: 'MINE' }) },
      told(version, 'SSLV3_ALERT_BAD_CERTIFICATE'),
    );
  }
});

describe('what is no TLS', () => {
  for (const [title, text] of [
    ['an HTTP request', 'GET / HTTP/1.1\r\n\r\n'],
    ['a request to a proxy', 'CONNECT example.org:443 HTTP/1.1\r\n\r\n'],
    ['something else', 'EHLO example.org\r\n'],
    ['the beginning of a hello, then an end', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['nothing, then an end', ''],
  ] as const) {
    same(`a server that reads ${title}`, async (world) => {
      const { server, port } = await world.listen();
      world.watch('server', server, ['tlsClientError']);
      const failed = heard(server, 'tlsClientError');
      const raw = netConnect(port, '127.0.0.1');
      raw.on('error', () => {}).resume();
      raw.end(Buffer.from(text, 'latin1'));
      await failed;
      raw.destroy();
    });
  }

  for (const [title, text] of [
    ['an HTTP response', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['an end', ''],
    ['an alert, then an end', '\x15\x03\x03\x00\x02\x02\x28'],
  ] as const) {
    same(`a client that reads ${title}`, async (world) => {
      const raw = createNetServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.end(Buffer.from(text, 'latin1')));
      }).listen(0, '127.0.0.1');
      await heard(raw, 'listening');
      const { port } = raw.address() as AddressInfo;
      const socket = world.connect(port);
      world.watch('client', socket, ['secureConnect', 'error', 'close'], (_, args) => args);
      socket.on('error', (error: NodeJS.ErrnoException & { port?: number; host?: string; path?: string }) => {
        world.note('where', [error.host, error.port === port, error.path]);
      });
      await heard(socket, 'close');
      await new Promise((done) => raw.close(done));
    });
  }
});

same('nobody listens', async (world) => {
  const raw = createNetServer().listen(0, '127.0.0.1');
  await heard(raw, 'listening');
  const { port } = raw.address() as AddressInfo;
  await new Promise((done) => raw.close(done));
  const socket = world.connect(port);
  world.watch('client', socket, ['error', 'close'], (_, args) => args);
  socket.on('error', (error: NodeJS.ErrnoException) => world.note('syscall', error.syscall));
  await heard(socket, 'close');
});

same('a connection that is reset in the middle of the handshake', async (world) => {
  const { server, port } = await world.listen();
  world.watch('server', server, ['tlsClientError']);
  const failed = heard(server, 'tlsClientError');
  const raw = netConnect(port, '127.0.0.1', () => {
    raw.write('\x16\x03\x01', () => raw.resetAndDestroy());
  });
  raw.on('error', () => {});
  await failed;
});

same('handshakeTimeout', async (world) => {
  const { server, port } = await world.listen({ handshakeTimeout: 50 });
  world.watch('server', server, ['tlsClientError']);
  const failed = heard(server, 'tlsClientError') as Promise<[Error, { destroy(): void }]>;
  const raw = netConnect(port, '127.0.0.1');
  raw.on('error', () => {}).resume();
  const [, socket] = await failed;
  socket.destroy();
  raw.destroy();
});
