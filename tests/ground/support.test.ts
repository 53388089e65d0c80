import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type KeyKind, makeChain, writeChain } from '../support/certs.ts';
import {
  describeWithPeers,
  runPeer,
  spawnPeer,
  startOpensslServer,
  startPeerServer,
} from '../support/peer.ts';

const root = join(import.meta.dirname, '../..');

describe('the hooks around every test', () => {
  function runFixtures(env: NodeJS.ProcessEnv): { code: number | null; said: string; counts: string } {
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-counts-'));
    try {
      const counts = join(folder, 'counts');
      const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config'];
      args.push(join(import.meta.dirname, 'fixtures/vitest.config.ts'));
      const inherited = { ...process.env };
      delete inherited['TLSESSION_REQUIRE_PEERS'];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        env: { ...inherited, TLSESSION_COUNTS: counts, TLSESSION_SETTLE_MS: '100', ...env },
      });
      return {
        code: status,
        said: stdout + stderr,
        counts: existsSync(counts) ? readFileSync(counts, 'utf8') : '',
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  test('a missing peer is skipped aloud, a leaked session fails the test that leaked it, and counts add up', () => {
    const { code, said, counts } = runFixtures({});
    expect(code).toBe(1);
    expect(said).toMatch(/^SKIPPED 1: not on this machine: nothing$/m);
    expect(said).toMatch(/^not ok \d+ - .*sessions > leaks one/m);
    expect(said).toMatch(/live sessions after the test: expected 1 to be (\+)?0/);
    expect(said).toMatch(/^ok \d+ - .*is not blamed for the one before/m);
    expect(said).toMatch(/^not ok \d+ - .*runs while its file holds a session/m);
    // The leak, the session held and the file that does not load; `is skipped` and the missing peer.
    expect(counts.split('\n').sort()).toEqual([
      '',
      '3 passed, 3 failed, 2 skipped',
      expect.stringMatching(/^FAILED broken\.fixture\.ts: .+/),
      expect.stringMatching(/^FAILED held\.fixture\.ts: runs while its file holds a session: .+/),
      expect.stringMatching(
        /^FAILED hooks\.fixture\.ts: sessions > leaks one: live sessions after the test: /,
      ),
    ]);
  });

  test('where peers are required a missing one fails', () => {
    const { code, said, counts } = runFixtures({ TLSESSION_REQUIRE_PEERS: '1' });
    expect(code).toBe(1);
    expect(said).toMatch(/TLSESSION_REQUIRE_PEERS=1, but not on this machine: nothing/);
    expect(counts).toMatch(/^3 passed, 4 failed, 1 skipped\n$/m);
  });
});

describe('peers', () => {
  // The connection that finds out whether it answers hangs up on its greeting: an error of that socket.
  const server = `
    const greet = (socket) => socket.on('error', () => {}).end('hello');
    const server = require('node:net').createServer(greet);
    server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log('READY', process.argv[1]));
  `;

  function read(port: number): Promise<string> {
    return new Promise((done, fail) => {
      let text = '';
      connect(port, '127.0.0.1')
        .on('data', (chunk) => {
          text += chunk;
        })
        .on('end', () => done(text))
        .on('error', fail);
    });
  }

  test.each([/^READY (\d+)/m, undefined])(
    'a server is up when it is handed over (ready: %s), and gone when stopped',
    async (ready) => {
      const { port, peer } = await startPeerServer({
        path: process.execPath,
        args: (port) => ['-e', server, String(port)],
        ...(ready && { ready }),
      });
      expect(await read(port)).toBe('hello');
      expect(await peer.stop()).toEqual({ code: null, signal: 'SIGTERM' });
      await expect(read(port)).rejects.toThrow(/ECONNREFUSED/);
      expect(() => process.kill(peer.pid, 0)).toThrow(/ESRCH/);
    },
  );

  test('one that ends early says so at once, with its output', async () => {
    await using peer = spawnPeer(process.execPath, ['-e', 'console.error("no way"); process.exit(3)']);
    await expect(peer.waitFor(/never/)).rejects.toThrow(/ended \(3\) before it said.*no way/s);
  });

  test('one that is not there is an error and not a hang', async () => {
    await using peer = spawnPeer('/nonexistent/program', []);
    await expect(peer.waitFor(/never/)).rejects.toThrow(/ENOENT/);
  });

  test('input goes in, output and exit code come out', async () => {
    const echo = 'process.stdin.on("data", (d) => process.stdout.write(d)).on("end", () => process.exit(7))';
    const input = Uint8Array.from([0, 255, 10, 128]);
    const result = await runPeer(process.execPath, ['-e', echo], { input });
    expect(result.code).toBe(7);
    expect([...result.stdoutBytes]).toEqual([...input]);
  });
});

describeWithPeers(['openssl'], 'certificates and peers together', ({ openssl }) => {
  test('openssl s_server serves a chain that node:tls trusts', async () => {
    const chain = await makeChain({ kind: 'p384' });
    using files = writeChain(chain);
    const args = ['-cert', files.leaf, '-cert_chain', files.intermediate, '-key', files.key];
    await using server = await startOpensslServer(openssl, args);
    const text = await new Promise<string>((done, fail) => {
      const socket = tlsConnect({
        port: server.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: chain.caPem,
      });
      socket.once('secureConnect', () => server.peer.stdin.write('hello\n'));
      socket.once('data', (data: Buffer) => {
        socket.end();
        done(data.toString());
      });
      socket.once('error', fail);
    });
    expect(text).toBe('hello\n');
  });
});

describe('certificates', () => {
  const kinds: [KeyKind, string, string | undefined][] = [
    ['p256', 'ec', 'prime256v1'],
    ['p384', 'ec', 'secp384r1'],
    ['p521', 'ec', 'secp521r1'],
    ['rsa2048', 'rsa', undefined],
    ['ed25519', 'ed25519', undefined],
  ];

  test.each(kinds)('a chain with a %s leaf verifies link by link', async (kind, type, curve) => {
    const chain = await makeChain({ kind });
    const [leaf, intermediate, ca] = [chain.leaf, chain.intermediate, chain.root].map(
      ({ certPem }) => new X509Certificate(certPem),
    ) as [X509Certificate, X509Certificate, X509Certificate];
    expect(leaf.publicKey.asymmetricKeyType).toBe(type);
    expect(leaf.publicKey.asymmetricKeyDetails?.namedCurve).toBe(curve);
    expect(leaf.verify(intermediate.publicKey)).toBe(true);
    expect(leaf.checkIssued(intermediate)).toBe(true);
    expect(intermediate.verify(ca.publicKey)).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
    expect([leaf.ca, intermediate.ca, ca.ca]).toEqual([false, true, true]);
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(leaf.checkIP('::1')).toBe('::1');
    expect(leaf.checkHost('example.org')).toBeUndefined();
  });

  test('files are there while they are used, and gone after', async () => {
    const chain = await makeChain();
    let folder = '';
    {
      using files = writeChain(chain);
      folder = files.folder;
      expect(readFileSync(files.chain, 'utf8')).toBe(chain.chainPem);
      expect(readFileSync(files.key, 'utf8')).toBe(chain.keyPem);
    }
    expect(existsSync(folder)).toBe(false);
  });
});
