/** Options of contexts, servers and clients, over node:tls and over this library. */
import { constants, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { describe, expect, test } from 'vitest';
import ours from '../../../src/entry/index.ts';
import { makeCertificate, testChain, writeChain } from '../../support/certs.ts';
import { describeWithPeers, runPeer } from '../../support/peer.ts';
import { endContext } from '../../support/sessions.ts';
import { heard, NODE, same, type World } from './harness.ts';

/** A chain of another authority, for other.example. */
const second = (async () => {
  const root = await makeCertificate({ subject: 'CN=Another Root', pathLength: Infinity });
  const leaf = await makeCertificate({
    subject: 'CN=other.example',
    issuer: root,
    names: [{ type: 'dns', value: 'other.example' }],
  });
  return { keyPem: leaf.keyPem, chainPem: leaf.certPem, caPem: root.certPem };
})();

/** What is agreed on under these options, or the error of the client. */
async function outcome(world: World, server: TlsOptions, client: ConnectionOptions): Promise<unknown> {
  const { port } = await world.listen(server);
  return meet(world, port, client);
}

async function meet(world: World, port: number, client: ConnectionOptions): Promise<unknown> {
  const socket = world.connect(port, client);
  socket.resume();
  const failed = world.failure(socket);
  const secure = heard(socket, 'secureConnect').then(() => [
    socket.getProtocol(),
    socket.getCipher().name,
    socket.alpnProtocol,
    socket.getPeerCertificate().subject.CN,
  ]);
  const result = await Promise.race([failed, secure]);
  socket.destroy();
  failed.catch(() => {});
  return result;
}

const V12 = { maxVersion: 'TLSv1.2' } as const;

describe('ciphers', () => {
  for (const list of [
    undefined,
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384',
    'HIGH:!aNULL',
    'ECDHE+AESGCM:!AES128',
    'ECDHE+CHACHA20',
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384',
    'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384',
    'AESGCM:-AES256:!kRSA:!PSK:!DHE',
  ]) {
    for (const bound of [{}, V12]) {
      same(
        `${list ?? 'the default'}, up to ${'maxVersion' in bound ? 'TLS 1.2' : 'TLS 1.3'}`,
        async (world) => {
          const ciphers = list === undefined ? {} : { ciphers: list };
          world.note('client', await outcome(world, bound, ciphers));
          // A server with suites of TLS 1.3 and no TLS 1.3 is refused here at once: see arguments.test.ts.
          if ('maxVersion' in bound && /^(TLS_\w+:?)+$/.test(list ?? '')) return;
          world.note('server', await outcome(world, { ...bound, ...ciphers }, {}));
        },
      );
    }
  }

  same('honorCipherOrder', async (world) => {
    const server = { ...V12, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256' };
    const client = { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384' };
    for (const honorCipherOrder of [undefined, true, false]) {
      world.note(String(honorCipherOrder), await outcome(world, { ...server, honorCipherOrder }, client));
    }
  });
});

describe('versions', () => {
  for (const [server, client] of [
    [{ minVersion: 'TLSv1.3' }, {}],
    [{ maxVersion: 'TLSv1.2' }, {}],
    [{}, { maxVersion: 'TLSv1.2' }],
    [{ minVersion: 'TLSv1' }, { minVersion: 'TLSv1' }],
    [{ secureProtocol: 'TLSv1_2_method' }, {}],
    [{ secureProtocol: 'TLS_method' }, { secureProtocol: 'TLSv1_2_client_method' }],
    [{ secureOptions: constants.SSL_OP_NO_TLSv1_3 }, {}],
    [{}, { secureOptions: constants.SSL_OP_NO_TLSv1_2 }],
  ] as const) {
    same(`${JSON.stringify(server)} meets ${JSON.stringify(client)}`, async (world) => {
      world.note('outcome', await outcome(world, server, client));
    });
  }
});

describe('ecdhCurve and sigalgs', () => {
  for (const options of [
    { ecdhCurve: 'P-256' },
    { ecdhCurve: 'P-384' },
    { ecdhCurve: 'prime256v1' },
    { sigalgs: 'ECDSA+SHA256' },
    { sigalgs: 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256' },
  ]) {
    same(JSON.stringify(options), async (world) => {
      // In TLS 1.2 OpenSSL wants the curve of the certificate among the client's.
      const versions = options.ecdhCurve?.startsWith('P-384') ? [{}] : [{}, V12];
      for (const bound of versions) {
        const { port } = await world.listen({ ...bound });
        const socket = world.connect(port, options);
        await once(socket, 'secureConnect');
        world.say('client', socket.getEphemeralKeyInfo(), socket.getCipher().name);
        socket.destroy();
      }
    });
  }
});

describe('application protocols', () => {
  for (const [server, client] of [
    [
      ['h2', 'http/1.1'],
      ['http/1.1', 'h2'],
    ],
    [['h2'], undefined],
    [undefined, ['h2']],
    [Buffer.from('\x02h2\x03foo'), ['foo']],
  ] as const) {
    same(`ALPNProtocols: ${server ?? 'none'} meets ${client ?? 'none'}`, async (world) => {
      const of = (list: unknown): object => (list === undefined ? {} : { ALPNProtocols: list });
      world.note('outcome', await outcome(world, of(server), of(client)));
    });
  }

  same('ALPNCallback chooses, refuses, and errs', async (world) => {
    for (const answer of ['foo', undefined, 'nonsense']) {
      const { server, port } = await world.listen({
        ALPNCallback: ({ servername, protocols }) => {
          world.note('asked', [servername, protocols]);
          return answer;
        },
      });
      world.watch(`server, ${answer}`, server, ['tlsClientError', 'secureConnection'], () => []);
      const socket = world.connect(port, { ALPNProtocols: ['bar', 'foo'] });
      socket.on('error', () => {});
      const over = Promise.race([heard(socket, 'secureConnect'), heard(socket, 'close')]);
      await Promise.race([heard(server, 'tlsClientError'), heard(server, 'secureConnection')]);
      await over;
      world.note(`agreed, ${answer}`, socket.alpnProtocol);
    }
  });

  same(
    'ALPNCallback without a name in the hello',
    async (world) => {
      const { port } = await world.listen({
        ALPNCallback: ({ servername, protocols }) => {
          world.note('servername', servername);
          return protocols[0];
        },
      });
      const socket = world.connect(port, {
        ALPNProtocols: ['h2'],
        servername: '',
        checkServerIdentity: () => undefined,
      });
      await once(socket, 'secureConnect');
    },
    {
      // Of the type that is declared, and safe to call a method of.
      servername: { node: false, ours: '' },
    },
  );

  if (NODE >= 24) {
    same('setKeyCert in an ALPNCallback', async (world) => {
      const other = await second;
      const { port } = await world.listen({
        ALPNCallback(this: TLSSocket, { protocols }: { protocols: string[] }) {
          this.setKeyCert({ key: other.keyPem, cert: other.chainPem });
          return protocols[0];
        },
      } as TlsOptions);
      const ca = [world.chain.caPem, other.caPem];
      world.note(
        'outcome',
        await meet(world, port, { ca, ALPNProtocols: ['x'], servername: 'other.example' }),
      );
    });
  }
});

describe('names', () => {
  same('SNICallback: another context, none, an error', async (world) => {
    const other = await second;
    const { server, port } = await world.listen({
      SNICallback: (name, done) => {
        world.say('asked', name);
        if (name === 'bad.example') done(new Error('no such name'));
        else if (name !== 'other.example') done(null);
        else done(null, world.tls.createSecureContext({ key: other.keyPem, cert: other.chainPem }));
      },
    });
    const ca = [world.chain.caPem, other.caPem];
    world.note('other', await meet(world, port, { ca, servername: 'other.example' }));
    world.note('default', await meet(world, port, { ca }));
    const refused = new Promise<void>((done) => {
      server.on('tlsClientError', (error) => {
        // node:tls tells of clients that go at once as well.
        if (error.message === 'no such name') done(world.note('refused', error.message));
      });
    });
    const socket = world.connect(port, { ca, servername: 'bad.example' });
    socket.on('error', () => {});
    await refused;
  });

  same('addContext: the last that matches, with a wildcard', async (world) => {
    const other = await second;
    const { server, port } = await world.listen();
    const { keyPem: key, chainPem: cert } = other;
    server.addContext('*.example', { key, cert });
    const ca = [world.chain.caPem, other.caPem];
    world.note('matches', await meet(world, port, { ca, servername: 'other.example' }));
    world.note('does not', await meet(world, port, { ca, servername: 'localhost' }));
    server.addContext(
      'other.example',
      world.tls.createSecureContext({ key: world.chain.keyPem, cert: world.chain.chainPem }),
    );
    world.note('the last', await meet(world, port, { ca, servername: 'other.example' }));
  });

  same('checkServerIdentity is asked for the name, with the certificate', async (world) => {
    const { port } = await world.listen();
    const socket = world.connect(port, {
      servername: 'example.org',
      checkServerIdentity: (host, certificate) => {
        world.say('asked', host, certificate.subject, certificate.subjectaltname);
        return undefined;
      },
    });
    await once(socket, 'secureConnect');
    world.note('authorized', socket.authorized);
  });

  same('an address as the name', async (world) => {
    const { port } = await world.listen();
    world.note('with host alone', await meet(world, port, { servername: undefined }));
  });
});

/**
 * A key under the passphrase `secret`. With another one the padding comes out right once in 256 times, and what is
 * wrong is said of what follows it: such a key is made anew.
 */
function encrypted(keyPem: string): string {
  for (;;) {
    const key = createPrivateKey(keyPem)
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
      .toString();
    const codes = ['x', ''].map((passphrase) => {
      try {
        return createPrivateKey({ key, passphrase }).type;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    });
    if (codes.every((code) => code?.endsWith('BAD_DECRYPT'))) return key;
  }
}

describe('credentials', () => {
  same('an encrypted key, its passphrase beside it, within it, and wrong', async (world) => {
    const key = encrypted(world.chain.keyPem);
    const cert = world.chain.chainPem;
    world.note('beside', await outcome(world, { key, cert, passphrase: 'secret' }, {}));
    world.note('within', await outcome(world, { key: [{ pem: key, passphrase: 'secret' }], cert }, {}));
    world.note(
      'wrong',
      await world.failure(() => world.tls.createSecureContext({ key, cert, passphrase: 'x' })),
    );
    world.note('none', await world.failure(() => world.tls.createSecureContext({ key, cert })));
  });

  same('keys of two kinds: each client gets what it can verify', async (world) => {
    const rsa = await testChain('rsa2048');
    const both = { key: [world.chain.keyPem, rsa.keyPem], cert: [world.chain.chainPem, rsa.chainPem] };
    const { port } = await world.listen(both);
    for (const [sigalgs, ca] of [
      ['ECDSA+SHA256', world.chain.caPem],
      ['RSA-PSS+SHA256:ECDSA+SHA256', rsa.caPem],
    ] as const) {
      const socket = world.connect(port, { sigalgs, ca, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      world.say('client', socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType);
      socket.destroy();
    }
  });

  same('cert and key as bytes of any kind', async (world) => {
    const bytes = Buffer.from(world.chain.keyPem);
    const key = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const cert = new Uint8Array(Buffer.from(world.chain.chainPem));
    world.note('outcome', await outcome(world, { key: key as unknown as Buffer, cert: cert as Buffer }, {}));
  });
});

describeWithPeers(['openssl'], 'PKCS#12', ({ openssl }) => {
  for (const [title, args] of [
    ['as OpenSSL makes it now', []],
    ['with triple DES', ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['with AES-128 and SHA-512', ['-certpbe', 'AES-128-CBC', '-keypbe', 'AES-128-CBC', '-macalg', 'sha512']],
    ['with nothing encrypted but the key', ['-certpbe', 'NONE']],
  ] as const) {
    same(`pfx, ${title}`, async (world) => {
      const pfx = await makePfx(openssl, [...args], 'sécret');
      world.note(
        'outcome',
        await outcome(world, { key: undefined, cert: undefined, pfx, passphrase: 'sécret' }, {}),
      );
      const listed = { pfx: [{ buf: pfx, passphrase: 'sécret' }] };
      world.note('in a list', await outcome(world, { key: undefined, cert: undefined, ...listed }, {}));
      // Its other certificates are trusted.
      world.note('trusted', await outcome(world, {}, { ca: undefined, pfx, passphrase: 'sécret' }));
    });
  }

  test('pfx: the wrong passphrase, and bytes that are none', async () => {
    const pfx = await makePfx(openssl, [], 'secret');
    for (const [options, code] of [
      [{ pfx, passphrase: 'wrong' }, 'ERR_TLS_PFX_MAC'],
      [{ pfx }, 'ERR_TLS_PFX_MAC'],
      [{ pfx: pfx.subarray(0, 100), passphrase: 'secret' }, 'ERR_TLS_DER'],
      [{ pfx: Buffer.alloc(0), passphrase: 'secret' }, 'ERR_TLS_DER'],
    ] as const) {
      expect(() => ours.createSecureContext(options)).toThrow(expect.objectContaining({ code }));
    }
    // Every byte counts: whatever is changed is found by the MAC, or breaks the form.
    for (let at = 0; at < pfx.length; at += 41) {
      const changed = Buffer.from(pfx);
      changed[at] = (changed[at] as number) ^ 1;
      expect(() => ours.createSecureContext({ pfx: changed, passphrase: 'secret' }), `byte ${at}`).toThrow();
    }
  });

  async function makePfx(program: string, args: string[], password: string): Promise<Buffer> {
    const chain = await testChain();
    using files = writeChain(chain);
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-pfx-'));
    try {
      const out = join(folder, 'out.pfx');
      const certificates = join(folder, 'others.pem');
      const { writeFileSync } = await import('node:fs');
      writeFileSync(certificates, chain.intermediate.certPem + chain.root.certPem);
      const { code, stderr } = await runPeer(program, [
        'pkcs12',
        '-export',
        '-inkey',
        files.key,
        '-in',
        files.leaf,
        '-certfile',
        certificates,
        '-out',
        out,
        '-passout',
        `pass:${password}`,
        ...args,
      ]);
      expect(code, stderr).toBe(0);
      return readFileSync(out);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
});

describe('pre-shared keys', () => {
  const key = Buffer.alloc(32, 7);
  // In TLS 1.3, which is where this library has them.
  const V13 = { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' } as const;

  same('pskCallback at both ends, without certificates', async (world) => {
    const { server, port } = await world.listen({
      ...V13,
      key: undefined,
      cert: undefined,
      pskCallback: (socket, identity) => {
        world.note('server', [identity, socket instanceof world.tls.TLSSocket]);
        return key;
      },
    });
    const accepted = once(server, 'secureConnection');
    const client = world.connect(port, {
      ...V13,
      pskCallback: (hint) => {
        world.note('hint', hint);
        return { psk: key, identity: 'somebody' };
      },
    });
    client.resume();
    await once(client, 'secureConnect');
    await accepted;
    world.note('client', [client.authorized, client.isSessionReused(), client.getCipher().name]);
    world.note('certificate', client.getPeerCertificate());
  });

  same('an identity that is not known is a handshake with certificates', async (world) => {
    const { port } = await world.listen({ ...V13, pskCallback: () => null });
    const client = world.connect(port, { ...V13, pskCallback: () => ({ psk: key, identity: 'nobody' }) });
    client.resume();
    await once(client, 'secureConnect');
    world.note('client', [
      client.authorized,
      client.isSessionReused(),
      client.getPeerCertificate().subject.CN,
    ]);
  });

  same(
    'a key that differs',
    async (world) => {
      const { server, port } = await world.listen({ ...V13, pskCallback: () => Buffer.alloc(32, 8) });
      world.watch('server', server, ['tlsClientError'], () => []);
      const failed = heard(server, 'tlsClientError');
      const client = world.connect(port, { ...V13, pskCallback: () => ({ psk: key, identity: 'x' }) });
      world.watch('client', client, ['error', 'close'], (_, args) => args);
      await heard(client, 'close');
      await failed;
    },
    // RFC 8446, 6.2: a binder that does not validate is a decrypt_error, as later versions of OpenSSL have it.
    NODE >= 24
      ? {}
      : {
          'client events': {
            node: [
              ['error', ['Error', 'ERR_SSL_SSLV3_ALERT_ILLEGAL_PARAMETER']],
              ['close', true],
            ],
            ours: [
              ['error', ['Error', 'ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR']],
              ['close', true],
            ],
          },
        },
  );

  for (const [title, answer] of [
    ['a text', 'x'],
    ['no key', { identity: 'x' }],
    ['no identity', { psk: key }],
    ['an identity that is too long', { psk: key, identity: 'x'.repeat(257) }],
  ] as const) {
    same(`pskCallback of a client answers with ${title}`, async (world) => {
      const { port } = await world.listen(V13);
      const client = world.connect(port, { ...V13, pskCallback: () => answer as never });
      world.note('error', await world.failure(client));
    });
  }
});

describe('transports', () => {
  same('path: a Unix domain socket', async (world) => {
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-path-'));
    try {
      const path = join(folder, 's');
      const { keyPem: key, chainPem: cert, caPem: ca } = world.chain;
      const server = world.tls.createServer(
        { key, cert },
        (socket) => void socket.on('error', () => {}).end('hi'),
      );
      server.listen(path);
      await once(server, 'listening');
      const socket = world.own(world.tls.connect({ path, ca, servername: 'localhost' }));
      world.watch('client', socket, ['connect', 'secureConnect', 'data', 'end', 'close'], (_, args) => args);
      socket.resume();
      await heard(socket, 'close');
      await new Promise((done) => server.close(done));
      endContext(server);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  same('(port, host, options, listener), (port, options) and (port)', async (world) => {
    const { port } = await world.listen();
    const { caPem: ca } = world.chain;
    const options = { ca, servername: 'localhost' };
    const one = world.own(world.tls.connect(port, '127.0.0.1', options, () => world.say('one', 'listener')));
    await once(one, 'secureConnect');
    const two = world.own(
      world.tls.connect(port, { ...options, host: '127.0.0.1' }, () => world.say('two', 'listener')),
    );
    await once(two, 'secureConnect');
    const three = world.own(world.tls.connect(port, '127.0.0.1'));
    world.note('three', await world.failure(three));
  });

  same('lookup is asked', async (world) => {
    const { port } = await world.listen();
    const { caPem: ca } = world.chain;
    const socket = world.own(
      world.tls.connect({
        port,
        host: 'localhost',
        ca,
        lookup: (host, options, done) => {
          world.say('lookup', host);
          if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
          else done(null, '127.0.0.1', 4);
        },
      }),
    );
    socket.on('lookup', (error: Error | null, address: string, family: number, host: string) =>
      world.say('event', error, address, Number(family), host),
    );
    await once(socket, 'secureConnect');
  });

  same('a signal that aborts', async (world) => {
    const { port } = await world.listen();
    const controller = new AbortController();
    const socket = world.connect(port, { signal: controller.signal } as ConnectionOptions);
    world.watch('client', socket, ['secureConnect', 'close'], (_, args) => args);
    socket.on('error', (error) => world.note('error', [error.name, (error as NodeJS.ErrnoException).code]));
    await once(socket, 'secureConnect');
    controller.abort();
    await heard(socket, 'close');
  });

  same('timeout', async (world) => {
    const { port } = await world.listen();
    const socket = world.connect(port, { timeout: 40 });
    socket.on('timeout', () => socket.destroy());
    world.watch('client', socket, ['timeout', 'close'], (_, args) => args);
    world.note('timeout', socket.timeout);
    await heard(socket, 'close');
  });

  same('a net.Socket that is connected, and one that is on its way', async (world) => {
    const { port } = await world.listen();
    const { caPem: ca } = world.chain;
    for (const wait of [true, false]) {
      const socket = new Socket().connect(port, '127.0.0.1');
      if (wait) await once(socket, 'connect');
      const secure = world.own(world.tls.connect({ socket, ca, servername: 'localhost' }));
      world.note(`connecting ${wait}`, secure.connecting);
      world.watch(`client ${wait}`, secure, ['connect', 'secureConnect'], () => []);
      await once(secure, 'secureConnect');
    }
  });
});
