/** TLS 1.2 against the openssl program, in both roles: every suite, curve and kind of key, full and resumed. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ConnectOptions, connect, type ServerOptions } from '../../src/entry/index.ts';
import { encodeSession } from '../../src/session/der.ts';
import { Alert } from '../../src/util/registries.ts';
import { listen, type TestServer, visit } from '../net/pair.ts';
import { type Chain, type ChainFiles, type KeyKind, testChain, writeChain } from '../support/certs.ts';
import {
  describeWithPeers,
  type PeerResult,
  type PeerServer,
  runPeer,
  spawnPeer,
  startOpensslServer,
} from '../support/peer.ts';

const KINDS: readonly KeyKind[] = ['p256', 'p384', 'p521', 'rsa2048', 'ed25519'];
const CURVES = ['X25519', 'P-256', 'P-384', 'P-521'];
const SUITES: readonly [string, KeyKind][] = [
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'p256'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384', 'p256'],
  ['ECDHE-ECDSA-CHACHA20-POLY1305', 'p256'],
  ['ECDHE-RSA-AES128-GCM-SHA256', 'rsa2048'],
  ['ECDHE-RSA-AES256-GCM-SHA384', 'rsa2048'],
  ['ECDHE-RSA-CHACHA20-POLY1305', 'rsa2048'],
];
const WITHOUT_EMS = `openssl_conf = conf
[conf]
ssl_conf = ssl
[ssl]
system_default = all
[all]
Options = -ExtendedMasterSecret
`;

const chains = new Map<KeyKind, { chain: Chain; files: ChainFiles }>();
let folder = '';
let noEms = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tlsession-interop-'));
  noEms = join(folder, 'no-ems.cnf');
  writeFileSync(noEms, WITHOUT_EMS);
  for (const kind of KINDS) {
    const chain = await testChain(kind);
    chains.set(kind, { chain, files: writeChain(chain) });
  }
});

afterAll(() => {
  for (const { files } of chains.values()) files[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function of(kind: KeyKind): { chain: Chain; files: ChainFiles } {
  const found = chains.get(kind);
  if (found === undefined) throw new Error(`no chain of ${kind}`);
  return found;
}

describeWithPeers(['openssl'], 'our client, openssl s_server', ({ openssl }) => {
  function serve(kind: KeyKind, ...args: string[]): Promise<PeerServer> {
    const { files } = of(kind);
    const common = ['-tls1_2', '-cert', files.leaf, '-cert_chain', files.intermediate, '-key', files.key];
    return startOpensslServer(openssl, [...common, '-rev', ...args]);
  }

  function options(server: PeerServer, kind: KeyKind, more: ConnectOptions = {}): ConnectOptions {
    const { caPem } = of(kind).chain;
    return { port: server.port, host: '127.0.0.1', servername: 'localhost', ca: caPem, ...more };
  }

  for (const [suite, kind] of SUITES) {
    test(`${suite}: full, then resumed`, async () => {
      await using server = await serve(kind, '-cipher', suite);
      const first = await visit(options(server, kind), 'hello\n');
      expect(first.text).toBe('olleh\n');
      expect(first.socket.getProtocol()).toBe('TLSv1.2');
      expect(first.socket.getCipher()?.name).toBe(suite);
      expect(first.socket.info.extendedMasterSecret).toBe(true);
      const second = await visit(options(server, kind, { session: first.sessions[0] }), 'again\n', 0);
      expect(second.socket.isSessionReused()).toBe(true);
      expect(second.text).toBe('niaga\n');
    });
  }

  test.each(KINDS)('a %s certificate, with one of our own', async (kind) => {
    const { files, chain } = of(kind);
    await using server = await serve(kind, '-Verify', '3', '-verify_return_error', '-CAfile', files.ca);
    const seen = await visit(options(server, kind, { key: chain.keyPem, cert: chain.chainPem }), 'hello\n');
    expect(seen.text).toBe('olleh\n');
    expect(seen.socket.info.certificateRequested).toBe(true);
    await server.peer.waitFor(/verify return:1/);
  });

  test('every scheme of an RSA key', async () => {
    for (const scheme of [
      'rsa_pss_rsae_sha256',
      'rsa_pss_rsae_sha512',
      'rsa_pkcs1_sha256',
      'rsa_pkcs1_sha384',
    ]) {
      await using server = await serve('rsa2048', '-sigalgs', scheme);
      const seen = await visit(options(server, 'rsa2048'), 'hello\n');
      expect(seen.text, scheme).toBe('olleh\n');
    }
  });

  test.each(CURVES)('the curve %s', async (curve) => {
    await using server = await serve('rsa2048', '-groups', curve);
    const seen = await visit(options(server, 'rsa2048'), 'hello\n');
    expect(seen.text).toBe('olleh\n');
    expect(seen.socket.getEphemeralKeyInfo()).toMatchObject({ type: 'ECDH' });
  });

  test('by session id, where there are no tickets', async () => {
    await using server = await serve('p256', '-no_ticket');
    const first = await visit(options(server, 'p256'), 'hello\n');
    expect(first.socket.getTLSTicket()).toBeUndefined();
    for (let i = 0; i < 2; i++) {
      const again = await visit(options(server, 'p256', { session: first.sessions[0] }), 'again\n', 0);
      expect(again.socket.isSessionReused()).toBe(true);
    }
  });

  test('a server that forgot says so by a full handshake', async () => {
    await using one = await serve('p256', '-no_ticket');
    const first = await visit(options(one, 'p256'), 'hello\n');
    await using other = await serve('p256', '-no_ticket');
    const second = await visit(options(other, 'p256', { session: first.sessions[0] }), 'again\n');
    expect(second.socket.isSessionReused()).toBe(false);
  });

  test('no extended master secret: taken, resumed, and not resumed where the server has learnt it', async () => {
    const { files } = of('p256');
    const args = [
      '-cert',
      files.leaf,
      '-cert_chain',
      files.intermediate,
      '-key',
      files.key,
      '-no_ticket',
      '-rev',
    ];
    const previous = process.env['OPENSSL_CONF'];
    process.env['OPENSSL_CONF'] = noEms;
    let server: PeerServer;
    try {
      server = await startOpensslServer(openssl, ['-tls1_2', ...args]);
    } finally {
      if (previous === undefined) delete process.env['OPENSSL_CONF'];
      else process.env['OPENSSL_CONF'] = previous;
    }
    await using running = server;
    const first = await visit(options(running, 'p256'), 'hello\n');
    expect(first.socket.info.extendedMasterSecret).toBe(false);
    const second = await visit(options(running, 'p256', { session: first.sessions[0] }), 'again\n', 0);
    expect(second.socket.isSessionReused()).toBe(true);
    const third = connect(options(running, 'p256', { session: first.sessions[0] }));
    await once(third, 'secureConnect');
    expect(() => third.exportKeyingMaterial(32, 'EXPORTER-test')).toThrow(/RFC 7627/);
    third.destroy();
  });

  test('a stapled answer is carried', async () => {
    const status = join(folder, 'status.der');
    // An OCSPResponse that says tryLater (RFC 6960, 4.2.1): s_server sends whatever parses.
    writeFileSync(status, Buffer.from('30030a0103', 'hex'));
    await using server = await serve('p256', '-status_file', status);
    const seen = await visit(
      options(server, 'p256', { requestOCSP: true, rejectUnauthorized: false }),
      'hello\n',
    );
    expect(Buffer.from(seen.socket.info.ocspResponse ?? []).toString('hex')).toBe('30030a0103');
  });

  test('ALPN is agreed on', async () => {
    await using server = await serve('p256', '-alpn', 'h2,http/1.1');
    const seen = await visit(options(server, 'p256', { ALPNProtocols: ['http/1.1'] }), 'hello\n');
    expect(seen.socket.alpnProtocol).toBe('http/1.1');
  });

  test('a renegotiation that it asks for is refused', async () => {
    const { files } = of('p256');
    const args = ['-cert', files.leaf, '-cert_chain', files.intermediate, '-key', files.key];
    await using server = await startOpensslServer(openssl, ['-tls1_2', ...args]);
    const socket = connect(options(server, 'p256'));
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write('hello\n');
    await server.peer.waitFor(/hello/);
    server.peer.stdin.write('r\n');
    // OpenSSL itself takes a refusal for a failure.
    await server.peer.waitFor(/no renegotiation/i);
    expect(socket.getProtocol()).toBe('TLSv1.2');
    socket.destroy();
  });

  test('a session that s_client saved is resumed against the same server', async () => {
    await using server = await serve('p256');
    const { files, chain } = of('p256');
    const path = join(folder, 'client.pem');
    const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-tls1_2', '-CAfile', files.ca];
    await runPeer(openssl, [...args, '-servername', 'localhost', '-sess_out', path], { input: 'Q\n' });
    const socket = connect(
      options(server, 'p256', {
        session: readFileSync(path),
        // The file holds the leaf alone, and its peer is checked anew.
        ca: [chain.caPem, chain.intermediate.certPem],
      }),
    );
    await once(socket, 'secureConnect');
    expect(socket.resumptionReason).toBeNull();
    expect(socket.isSessionReused()).toBe(true);
    socket.destroy();
  });

  test('a session that we saved is resumed by s_client against the same server', async () => {
    await using server = await serve('p256');
    const { files } = of('p256');
    const socket = connect(options(server, 'p256'));
    await once(socket, 'session');
    const path = join(folder, 'ours.der');
    const session = socket.borrowedSession;
    if (session === null) throw new Error('no session');
    const pem = Buffer.from(encodeSession(session)).toString('base64').replace(/.{64}/g, '$&\n');
    writeFileSync(
      path,
      `-----BEGIN SSL SESSION PARAMETERS-----\n${pem}\n-----END SSL SESSION PARAMETERS-----\n`,
    );
    socket.destroy();
    const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-tls1_2', '-CAfile', files.ca];
    const result = await runPeer(openssl, [...args, '-sess_in', path], { input: 'Q\n' });
    expect(result.stdout).toMatch(/^Reused, TLSv1\.2/m);
  });
});

describeWithPeers(['openssl'], 'openssl s_client, our server', ({ openssl }) => {
  function serve(kind: KeyKind, more: ServerOptions = {}): Promise<TestServer> {
    const { chain } = of(kind);
    return listen({ key: chain.keyPem, cert: chain.chainPem, maxVersion: 'TLSv1.2', ...more }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', (data: Buffer) => socket.end(data));
    });
  }

  function visitBy(server: TestServer, kind: KeyKind, ...args: string[]): Promise<PeerResult> {
    const { files } = of(kind);
    const common = [
      's_client',
      '-connect',
      `127.0.0.1:${server.port}`,
      '-tls1_2',
      '-servername',
      'localhost',
    ];
    const verify = ['-CAfile', files.ca, '-verify_return_error', '-ign_eof'];
    return runPeer(openssl, [...common, ...verify, ...args], { input: 'hello\n' });
  }

  for (const [suite, kind] of SUITES) {
    test(`${suite}: full, then resumed`, async () => {
      await using server = await serve(kind);
      const path = join(folder, `${suite}.pem`);
      const first = await visitBy(server, kind, '-cipher', suite, '-sess_out', path);
      expect(first.stdout).toContain(`New, TLSv1.2, Cipher is ${suite}`);
      expect(first.stdout).toMatch(/^hello$/m);
      expect(first.stdout).toMatch(/Extended master secret: yes/);
      expect(first.stdout).toMatch(/Verify return code: 0 \(ok\)/);
      expect(first.stdout).toMatch(/TLS session ticket lifetime hint: 7200 \(seconds\)/);
      expect(first.stdout).toMatch(/Secure Renegotiation IS supported/);
      const second = await visitBy(server, kind, '-cipher', suite, '-sess_in', path);
      expect(second.stdout).toContain(`Reused, TLSv1.2, Cipher is ${suite}`);
      expect(second.stdout).toMatch(/^hello$/m);
      expect(server.sockets.map((socket) => socket.isSessionReused())).toEqual([false, true]);
      expect(server.failures).toEqual([]);
    });
  }

  test.each(KINDS)('a %s certificate, with one of its own', async (kind) => {
    const { files, chain } = of(kind);
    await using server = await serve(kind, { requestCert: true, ca: chain.caPem });
    const path = join(folder, `${kind}-client.pem`);
    const own = ['-cert', files.leaf, '-cert_chain', files.intermediate, '-key', files.key];
    const first = await visitBy(server, kind, ...own, '-sess_out', path);
    expect(first.stdout).toMatch(/^hello$/m);
    const second = await visitBy(server, kind, ...own, '-sess_in', path);
    expect(second.stdout).toMatch(/^Reused/m);
    for (const socket of server.sockets) {
      expect(socket.authorized).toBe(true);
      expect(socket.info.peerChain[0]).toEqual(chain.leaf.der);
    }
  });

  test('a client without a certificate is told', async () => {
    const { chain } = of('p256');
    await using server = await serve('p256', { requestCert: true, ca: chain.caPem });
    const result = await visitBy(server, 'p256');
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/alert handshake failure/);
    expect(server.failures).toHaveLength(1);
  });

  test.each(CURVES)('the curve %s', async (curve) => {
    await using server = await serve('rsa2048');
    const result = await visitBy(server, 'rsa2048', '-groups', curve);
    expect(result.stdout).toMatch(/^hello$/m);
    const name =
      curve === 'X25519'
        ? 'X25519, 253 bits'
        : `ECDH, ${{ 'P-256': 'prime256v1' }[curve] ?? `${curve.replace('P-', 'secp')}r1`}`;
    expect(result.stdout).toContain(`Server Temp Key: ${name}`);
  });

  test('-reconnect resumes five times, by ticket and by id', async () => {
    const { files } = of('p256');
    for (const more of [[], ['-no_ticket']]) {
      const { chain } = of('p256');
      await using server = await listen(
        { key: chain.keyPem, cert: chain.chainPem, maxVersion: 'TLSv1.2' },
        (socket) => socket.on('error', () => {}).resume(),
      );
      const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-tls1_2', '-CAfile', files.ca];
      const result = await runPeer(openssl, [...args, '-reconnect', ...more], { input: 'Q\n' });
      expect(result.stdout.match(/^Reused, TLSv1\.2/gm)).toHaveLength(5);
      await expect.poll(() => server.sockets.length).toBe(6);
    }
  });

  test('no extended master secret: taken, and resumed by who has none again', async () => {
    await using server = await serve('p256');
    const { files } = of('p256');
    const path = join(folder, 'no-ems.pem');
    const run = (...args: string[]): Promise<PeerResult> =>
      runPeer(
        openssl,
        [
          's_client',
          '-connect',
          `127.0.0.1:${server.port}`,
          '-tls1_2',
          '-servername',
          'localhost',
          '-CAfile',
          files.ca,
          '-ign_eof',
          ...args,
        ],
        { input: 'hello\n', env: { OPENSSL_CONF: noEms } },
      );
    const first = await run('-sess_out', path);
    expect(first.stdout).toMatch(/Extended master secret: no/);
    const second = await run('-sess_in', path);
    expect(second.stdout).toMatch(/^Reused/m);
    // With the extension again it is a full handshake, and no failure (RFC 7627, 5.3).
    const third = await visitBy(server, 'p256', '-sess_in', path);
    expect(third.stdout).toMatch(/^New/m);
    expect(third.stdout).toMatch(/Extended master secret: yes/);
    expect(server.sockets.map((socket) => socket.resumptionReason).at(-1)).toBe('extended-master-secret');
  });

  test('a renegotiation that it begins is refused with no_renegotiation', async () => {
    const { chain, files } = of('p256');
    await using server = await listen(
      { key: chain.keyPem, cert: chain.chainPem, maxVersion: 'TLSv1.2' },
      (socket) => socket.on('error', (error) => errors.push(error)).resume(),
    );
    const errors: Error[] = [];
    const args = ['s_client', '-connect', `127.0.0.1:${server.port}`, '-tls1_2', '-CAfile', files.ca];
    await using client = spawnPeer(openssl, args);
    await client.waitFor(/Verify return code/);
    client.stdin.write('R\n');
    await client.waitFor(/no renegotiation|alert/i);
    await expect.poll(() => errors.length).toBe(1);
    expect(errors[0]).toMatchObject({ alert: Alert.no_renegotiation, failure: 'renegotiation-refused' });
  });

  test('the key log is the one that s_client writes', async () => {
    await using server = await serve('p256');
    const lines: string[] = [];
    server.server.on('keylog', (line: Buffer) => lines.push(line.toString('latin1').trim()));
    const path = join(folder, 'keys.log');
    await visitBy(server, 'p256', '-keylogfile', path);
    expect(lines).toHaveLength(1);
    const theirs = readFileSync(path, 'latin1')
      .split('\n')
      .filter((line) => line.startsWith('CLIENT_RANDOM'));
    expect(lines.map((line) => line.toLowerCase())).toEqual(theirs.map((line) => line.toLowerCase()));
  });
});
