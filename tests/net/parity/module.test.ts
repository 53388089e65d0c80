/** What this library has of node:tls on every version of Node, where node:tls has it on some or otherwise. */
import 'reflect-metadata';
import { once } from 'node:events';
import { BlockList } from 'node:net';
import { type X509Certificate, X509CrlGenerator, X509CrlReason } from '@peculiar/x509';
import { expect, test } from 'vitest';
import tls, { type ConnectOptions, connect, type TLSSocket } from '../../../src/entry/index.ts';
import { testChain } from '../../support/certs.ts';
import { testWhere } from '../../support/skip.ts';
import { listen, trusting, visit } from '../pair.ts';
import { heard, NODE } from './harness.ts';

test('setDefaultCACertificates replaces what is trusted', async () => {
  const before = tls.getCACertificates();
  await using site = await listen();
  const options = { port: site.port, host: '127.0.0.1', servername: 'localhost' };
  const chain = await testChain();
  try {
    tls.setDefaultCACertificates([chain.caPem]);
    const list = tls.getCACertificates();
    expect(list).toHaveLength(1);
    expect(Object.isFrozen(list)).toBe(true);
    expect((await visit(options)).socket.authorized).toBe(true);
    tls.setDefaultCACertificates([Buffer.from(chain.caPem)]);
    expect((await visit(options)).socket.authorized).toBe(true);
    expect(() => tls.setDefaultCACertificates(['nonsense'])).toThrow(/no certificate/);
  } finally {
    tls.setDefaultCACertificates(before);
  }
  const [error] = (await once(tls.connect(options), 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');
  expect(tls.getCACertificates('bundled')).toBe(tls.rootCertificates);
});

test('certificates are compressed where both ends want it', async () => {
  const sizes: number[] = [];
  const chain = await testChain();
  // A chain with much in common with itself.
  const cert = chain.chainPem + chain.intermediate.certPem.repeat(3);
  for (const [server, client] of [
    [undefined, undefined],
    [['zlib'], undefined],
    [['zlib'], ['zlib']],
    [
      ['brotli', 'zlib'],
      ['zlib', 'brotli'],
    ],
  ] as const) {
    await using site = await listen({ cert, certificateCompression: server });
    const { socket } = await visit(await trusting(site.port, { certificateCompression: client }));
    expect(socket.getPeerCertificate().subject.CN).toBe('localhost');
    sizes.push((socket.transport as { bytesRead?: number }).bytesRead ?? 0);
  }
  const [plain = 0, one = 0, zlib = 0, brotli = 0] = sizes;
  expect(Math.abs(plain - one)).toBeLessThan(100);
  expect(zlib).toBeLessThan(plain - 500);
  expect(brotli).toBeLessThan(plain - 500);
  for (const bad of [['nonsense'], ['zlib', 'zlib', 'zlib', 'zlib'], 'zlib']) {
    expect(() => tls.createSecureContext({ certificateCompression: bad as never })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_INVALID_ARG_/) }),
    );
  }
});

test('crl: a certificate that is revoked, and one without a list', async () => {
  const { root, intermediate, leaf } = await testChain();
  const list = async (issuer: typeof root, ...revoked: X509Certificate[]): Promise<string> => {
    const crl = await X509CrlGenerator.create({
      issuer: issuer.certificate.subject,
      thisUpdate: new Date(Date.now() - 3_600_000),
      nextUpdate: new Date(Date.now() + 86_400_000),
      signingKey: issuer.keys.privateKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      entries: revoked.map(({ serialNumber }) => ({
        serialNumber,
        revocationDate: new Date(Date.now() - 3_600_000),
        reason: X509CrlReason.keyCompromise,
      })),
    });
    return `${crl.toString('pem')}\n`;
  };
  await using site = await listen();
  const outcome = async (options: ConnectOptions): Promise<unknown> => {
    const socket = tls.connect(await trusting(site.port, options));
    socket.resume();
    const failed = heard(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code);
    const secure = heard(socket, 'secureConnect').then(() => 'authorized');
    const result = await Promise.race([failed, secure]);
    socket.destroy();
    await (socket.closed ? null : heard(socket, 'close'));
    return result;
  };
  const fine = await list(root);
  expect(await outcome({ crl: [fine, await list(intermediate)] })).toBe('authorized');
  expect(await outcome({ crl: [fine, await list(intermediate, leaf.certificate)] })).toBe('CERT_REVOKED');
  expect(await outcome({ crl: fine })).toBe('UNABLE_TO_GET_CRL');

  // A session from before the list is judged again.
  const { sessions } = await visit(await trusting(site.port), 'hello', 2);
  const revoked = [fine, await list(intermediate, leaf.certificate)];
  expect(await outcome({ crl: revoked, session: sessions[0] })).toBe('CERT_REVOKED');
});

test('highWaterMark is of both directions', async () => {
  await using site = await listen({ highWaterMark: 4096 });
  const { socket } = await visit(await trusting(site.port, { highWaterMark: 8192 }));
  expect([socket.readableHighWaterMark, socket.writableHighWaterMark]).toEqual([8192, 8192]);
  expect(site.sockets.map((each) => each.readableHighWaterMark)).toEqual([4096]);
});

/** Of a net.Socket: what it was told, by Node's own symbols; the delay in seconds. */
function told(socket: TLSSocket): unknown[] {
  const { transport } = socket;
  return ['kSetNoDelay', 'kSetKeepAlive', 'kSetKeepAliveInitialDelay'].map((name) => {
    const symbol = Object.getOwnPropertySymbols(transport).find(({ description }) => description === name);
    return (transport as unknown as Record<symbol, unknown>)[symbol as symbol];
  });
}

test('noDelay and keepAlive are the transport’s, at both ends', async () => {
  const keepAlive = { keepAlive: true, keepAliveInitialDelay: 7000 };
  for (const [options, expected] of [
    [{}, [true, false, 0]],
    [{ noDelay: false, ...keepAlive }, [false, true, 7]],
  ] as const) {
    await using site = await listen(options);
    const { socket } = await visit(await trusting(site.port, options));
    expect(told(socket)).toEqual(expected);
    expect(site.sockets.map(told)).toEqual([expected]);
  }
});

testWhere(
  NODE >= 24,
  'net.Server and net.connect have it from Node 22.13 on',
  'blockList: an address that may not connect, and one that may not be connected to',
  async () => {
    const blockList = new BlockList();
    blockList.addAddress('127.0.0.1');
    await using open = await listen();
    const [blocked] = await once(connect(await trusting(open.port, { blockList })), 'error');
    expect(blocked).toMatchObject({ code: 'ERR_IP_BLOCKED' });
    await using closed = await listen({ blockList });
    const [dropped] = await once(connect(await trusting(closed.port)), 'error');
    expect(dropped).toMatchObject({ code: 'ECONNRESET' });
    expect(closed.sockets).toEqual([]);
  },
);

test('options without effect are taken', async () => {
  await using site = await listen({
    allowPartialTrustChain: true,
    dhparam: 'auto',
    pskIdentityHint: 'hint',
    enableTrace: false,
  });
  const options = {
    allowPartialTrustChain: true,
    minDHSize: 2048,
    requestCert: true,
    SNICallback: () => {},
    ALPNCallback: () => undefined,
    enableTrace: false,
    onread: { buffer: Buffer.alloc(1), callback: () => true },
    singleUse: true,
    credentials: {},
  };
  const { socket, text } = await visit(await trusting(site.port, options as ConnectOptions));
  expect(text).toBe('hello');
  expect(socket.authorized).toBe(true);
  // NODE_TLS_REJECT_UNAUTHORIZED counts where the option does not say.
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  try {
    const lax = await visit(await trusting(site.port, { ca: [] }));
    expect(lax.socket.authorized).toBe(false);
  } finally {
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  }
});
