/** Channel bindings (RFC 9266, RFC 5929): both ends agree, and so does GnuTLS. */
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ChannelBindingType, endPointBinding } from '../../src/connection/channel-binding.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { connect, createServer, type TLSSocket } from '../../src/entry/index.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { fromHex } from '../../src/util/bytes.ts';
import { type ChainFiles, type KeyKind, testChain, writeChain } from '../support/certs.ts';
import { engineCredential, Memory, Pair } from '../support/engine-pair.ts';
import { describeWithPeers, spawnPeer } from '../support/peer.ts';

const HASHES: Readonly<Partial<Record<KeyKind, string>>> = {
  p256: 'sha256',
  p384: 'sha384',
  rsa2048: 'sha256',
};

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  test.each(Object.entries(HASHES) as [KeyKind, string][])('both ends, a %s certificate', async (kind) => {
    const chain = await testChain(kind);
    const server = createServer({ key: chain.keyPem, cert: chain.chainPem, maxVersion: version });
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: chain.caPem });
    expect(() => client.getChannelBinding('tls-exporter')).toThrow(
      expect.objectContaining({ code: 'ERR_TLS_NO_EXPORTER' }),
    );
    await once(client, 'secureConnect');
    const [socket] = await accepted;
    const exporter = client.getChannelBinding('tls-exporter');
    expect(exporter).toHaveLength(32);
    expect(socket.getChannelBinding('tls-exporter')).toEqual(exporter);
    expect(exporter).toEqual(client.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)));

    const { raw } = client.getPeerX509Certificate() as X509Certificate;
    const hash = signatureHash(raw);
    const endPoint = hash === null ? null : createHash(hash).update(raw).digest();
    expect(client.getChannelBinding('tls-server-end-point')).toEqual(endPoint);
    expect(socket.getChannelBinding('tls-server-end-point')).toEqual(endPoint);
    expect(() => client.getChannelBinding('tls-other' as 'tls-exporter')).toThrow(
      expect.objectContaining({ code: 'ERR_TLS_CHANNEL_BINDING' }),
    );
    client.destroy();
    socket.destroy();
    server.close();
    await once(server, 'close');
    // The certificate is known after the end, the keys are gone.
    expect(client.getChannelBinding('tls-server-end-point')).toEqual(endPoint);
    const gone = expect.objectContaining({ code: 'ERR_TLS_DESTROYED' });
    expect(() => client.getChannelBinding('tls-exporter')).toThrow(gone);
    expect(() => client.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding')).toThrow(gone);
  });
});

/** From the text that OpenSSL makes of it, and not by our parser. */
function signatureHash(der: Buffer): string | null {
  const text = new X509Certificate(der).toLegacyObject();
  expect(text.raw.length).toBe(der.length);
  for (const [oid, hash] of [
    ['06082a8648ce3d040302', 'sha256'],
    ['06082a8648ce3d040303', 'sha384'],
    ['06092a864886f70d01010b', 'sha256'],
  ] as const) {
    if (der.toString('hex').includes(oid)) return hash;
  }
  return null;
}

describe('a connection that resumes', () => {
  test.each([0x0303, 0x0304])(
    'version %i: the exporter is another, the certificate the client’s to know',
    async (version) => {
      const credential = await engineCredential();
      using memory = new Memory();
      const config = { client: { maxVersion: version }, server: { sessionIds: true } };
      using first = new Pair(credential, config, memory).run();
      const session = first.client.sessions[0] as SessionCore;
      using second = new Pair(credential, { ...config, client: { ...config.client, session } }, memory).run();
      expect(second.client.connection.info.resumed).toBe(true);
      const of = (pair: Pair, end: 'client' | 'server', type: ChannelBindingType) =>
        pair[end].connection.channelBinding(type);
      expect(of(second, 'client', 'tls-exporter')).toEqual(of(second, 'server', 'tls-exporter'));
      expect(of(second, 'client', 'tls-exporter')).not.toEqual(of(first, 'client', 'tls-exporter'));
      expect(of(second, 'client', 'tls-server-end-point')).toEqual(
        of(first, 'server', 'tls-server-end-point'),
      );
      expect(of(second, 'server', 'tls-server-end-point')).toBeNull();
      for (const pair of [first, second]) {
        const unique = of(pair, 'client', 'tls-unique');
        expect(of(pair, 'server', 'tls-unique')).toEqual(unique);
        const { finished, peerFinished } = pair.client.connection.info;
        // Who resumes hears the server's Finished first.
        expect(unique).toEqual(version === 0x0304 ? null : pair === first ? finished : peerFinished);
      }
    },
  );

  test('TLS 1.2 without the extended master secret has none but the certificate’s', async () => {
    using memory = new Memory();
    const config = { client: { maxVersion: 0x0303, extendedMasterSecret: false } };
    using pair = new Pair(await engineCredential(), config, memory).run();
    const unsafe = (of: Pair, type: ChannelBindingType) =>
      expect(() => of.client.connection.channelBinding(type)).toThrow(
        expect.objectContaining({ code: 'ERR_TLS_EXPORTER_UNSAFE' }),
      );
    unsafe(pair, 'tls-exporter');
    // A full handshake's Finished is over the certificate; a resumption's is not.
    expect(pair.client.connection.channelBinding('tls-unique')).toHaveLength(12);
    const session = pair.client.sessions[0] as SessionCore;
    using again = new Pair(await engineCredential(), { client: { ...config.client, session } }, memory).run();
    expect(again.client.connection.info.resumed).toBe(true);
    unsafe(again, 'tls-exporter');
    unsafe(again, 'tls-unique');
    expect(pair.client.connection.channelBinding('tls-server-end-point')).toHaveLength(32);
  });
});

/** A frame of a certificate with this AlgorithmIdentifier and nothing that matters else. */
function certificateSignedBy(algorithm: string): Uint8Array {
  const wrap = (tag: string, hex: string): string => {
    const length = hex.length / 2;
    const bytes = length.toString(16).padStart(2, '0');
    // No part of it is longer than 255 bytes.
    const size = length < 128 ? bytes : `81${bytes}`;
    return `${tag}${size}${hex}`;
  };
  const name = wrap('30', '');
  const time = wrap('17', Buffer.from('200101000000Z').toString('hex'));
  const spki = wrap('30', `${wrap('30', '06032b6570')}${wrap('03', '0000')}`);
  const body = ['a003020102', '020101', algorithm, name, wrap('30', time + time), name, spki].join('');
  return fromHex(wrap('30', `${wrap('30', body)}${algorithm}${wrap('03', '00')}`));
}

test('which hash: the signature’s, SHA-256 for weak ones, none where there is none', () => {
  const cases: readonly [string, string, string | null][] = [
    ['ECDSA with SHA-256', '300a06082a8648ce3d040302', 'sha256'],
    ['ECDSA with SHA-384', '300a06082a8648ce3d040303', 'sha384'],
    ['ECDSA with SHA-512', '300a06082a8648ce3d040304', 'sha512'],
    ['RSA with SHA-512', '300d06092a864886f70d01010d0500', 'sha512'],
    ['RSA with SHA-1', '300d06092a864886f70d0101050500', 'sha256'],
    ['RSA with MD5', '300d06092a864886f70d0101040500', 'sha256'],
    ['ECDSA with SHA-1', '300906072a8648ce3d0401', 'sha256'],
    ['Ed25519', '300506032b6570', null],
    ['Ed448', '300506032b6571', null],
    ['something else', '300506032a0304', null],
    [
      'RSA-PSS with SHA-384',
      '304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130',
      'sha384',
    ],
  ];
  for (const [what, algorithm, hash] of cases) {
    const der = certificateSignedBy(algorithm);
    const expected = hash === null ? null : new Uint8Array(createHash(hash).update(der).digest());
    expect(endPointBinding(nodeProvider, der), what).toEqual(expected);
  }
  expect(endPointBinding(nodeProvider, new Uint8Array([1, 2, 3]))).toBeNull();
});

describeWithPeers(['gnutls-cli', 'gnutls-serv'], 'GnuTLS', (paths) => {
  let files: ChainFiles;
  beforeAll(async () => {
    files = writeChain(await testChain('p256'));
  });
  afterAll(() => files[Symbol.dispose]());

  test.each([
    ['TLSv1.3', 'NORMAL:-VERS-ALL:+VERS-TLS1.3'],
    ['TLSv1.2', 'NORMAL:-VERS-ALL:+VERS-TLS1.2'],
  ] as const)('gnutls-cli says the same of %s', async (version, priority) => {
    const chain = await testChain('p256');
    const server = createServer({ key: chain.keyPem, cert: chain.chainPem });
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const peer = spawnPeer(paths['gnutls-cli'], [
      ...['--x509cafile', files.ca, '--verbose', '--priority', priority],
      ...['--sni-hostname', 'localhost', '--verify-hostname', 'localhost', '--port', `${port}`, '127.0.0.1'],
    ]);
    const [socket] = await accepted;
    socket.on('error', () => {});
    const types = ['tls-exporter', 'tls-server-end-point', 'tls-unique'] as const;
    for (const type of types.slice(0, version === 'TLSv1.2' ? 3 : 2)) {
      const hex = socket.getChannelBinding(type)?.toString('hex') ?? 'none';
      await peer.waitFor(new RegExp(`${type}.*${hex}`));
    }
    socket.destroy();
    await peer.stop();
    server.close();
    await once(server, 'close');
  });
});
