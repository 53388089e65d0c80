/** OpenSSL 3.0's s_server and s_client at the other end, in both roles, full and resumed. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type TLSSocket } from '../../src/entry/index.ts';
import {
  PEM_write_SSL_SESSION,
  SSL_CIPHER_find,
  type SSL_SESSION,
  SSL_SESSION_free,
  SSL_SESSION_new,
  SSL_SESSION_set_cipher,
  SSL_SESSION_set_protocol_version,
  SSL_SESSION_set1_master_key,
} from '../../src/entry/openssl.ts';
import { Session } from '../../src/entry/session.ts';
import { echo, listen, trusting, visit } from '../net/pair.ts';
import { type ChainFiles, type KeyKind, testChain, writeChain } from '../support/certs.ts';
import { describeWithPeers, spawnPeer, startOpensslServer } from '../support/peer.ts';
import { authOf, CCM_SUITES, CURVES, KEYS, SUITES_12, SUITES_13, V12, V13 } from './matrix.ts';

/** s_server -rev gives each line back from its end. */
const SENT = 'hello\n';
const REVERSED = 'olleh\n';

describeWithPeers(['openssl'], 'openssl 3.0', ({ openssl }) => {
  const files = new Map<KeyKind, ChainFiles>();
  let folder = '';
  let names = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tlsession-openssl-'));
    for (const kind of KEYS) files.set(kind, writeChain(await testChain(kind)));
  });
  afterAll(() => {
    for (const chain of files.values()) chain[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  function serverArguments(kind: KeyKind, ...more: readonly string[]): string[] {
    const { leaf, intermediate, key } = files.get(kind) as ChainFiles;
    return ['-cert', leaf, '-cert_chain', intermediate, '-key', key, '-rev', ...more];
  }

  /** Eight bytes of tag are less than OpenSSL's least level of security. */
  const WITH_CCM = ['-ciphersuites', CCM_SUITES.join(':'), '-cipher', 'DEFAULT@SECLEVEL=0'];

  interface Reported {
    readonly reused: boolean;
    readonly protocol: string;
    readonly cipher: string;
    readonly output: string;
  }

  /** s_client visits a server that echoes, and says what it saw. */
  async function sClient(port: number, kind: KeyKind, ...more: readonly string[]): Promise<Reported> {
    const { ca } = files.get(kind) as ChainFiles;
    const connect = ['-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-CAfile', ca];
    await using peer = spawnPeer(openssl, ['s_client', ...connect, '-verify_return_error', ...more]);
    const [, how = '', protocol = '', cipher = ''] = await peer.waitFor(
      /^(New|Reused), (TLSv1\.[23]), Cipher is (\S+)$/m,
    );
    peer.stdin.write('echo me\n');
    await peer.waitFor(/^echo me$/m);
    peer.stdin.end();
    await peer.waitForExit();
    return { reused: how === 'Reused', protocol, cipher, output: peer.stdout };
  }

  function newFile(): string {
    return join(folder, `session-${++names}`);
  }

  /** A first and a second visit, the second with the session that the first saved. */
  async function twice(
    port: number,
    kind: KeyKind,
    ...more: readonly string[]
  ): Promise<[Reported, Reported]> {
    const file = newFile();
    const full = await sClient(port, kind, ...more, '-sess_out', file);
    return [full, await sClient(port, kind, ...more, '-sess_in', file)];
  }

  describe('s_server', () => {
    test('each suite with each group, full and resumed', async () => {
      await using site = await startOpensslServer(openssl, serverArguments('p256', '-tls1_3'));
      for (const ciphers of SUITES_13) {
        for (const { name: ecdhCurve } of CURVES) {
          const options = await trusting(site.port, { ciphers, ecdhCurve });
          const full = await visit(options, SENT, 2);
          const resumed = await visit({ ...options, session: full.sessions[1] }, SENT);
          const what = `${ciphers}, ${ecdhCurve}`;
          expect([full.text, resumed.text], what).toEqual([REVERSED, REVERSED]);
          expect(
            [full, resumed].map(({ socket }) => socket.isSessionReused()),
            what,
          ).toEqual([false, true]);
          for (const { socket } of [full, resumed]) {
            expect(socket.getProtocol()).toBe('TLSv1.3');
            expect(socket.getCipher()?.name, what).toBe(ciphers);
            expect(socket.getEphemeralKeyInfo(), what).toMatchObject({ name: ecdhCurve });
            expect(socket.authorized).toBe(true);
          }
        }
      }
    });

    test('AES-CCM, full and resumed', async () => {
      await using site = await startOpensslServer(openssl, serverArguments('p256', '-tls1_3', ...WITH_CCM));
      for (const ciphers of CCM_SUITES) {
        const options = await trusting(site.port, { ciphers });
        const full = await visit(options, SENT, 2);
        const resumed = await visit({ ...options, session: full.sessions[1] }, SENT);
        expect([full.text, resumed.text], ciphers).toEqual([REVERSED, REVERSED]);
        expect([full, resumed].map(({ socket }) => socket.isSessionReused())).toEqual([false, true]);
        expect([full, resumed].map(({ socket }) => socket.getCipher()?.name)).toEqual([ciphers, ciphers]);
      }
      // Who names no suites does not offer them.
      const { socket } = await visit(await trusting(site.port), SENT).catch((error: unknown) => ({
        socket: error as Error,
      }));
      expect(socket).toMatchObject({ code: 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE' });
    });

    test.each(KEYS)(
      'a %s certificate: TLS 1.3, and each suite of TLS 1.2, full and by ticket',
      async (kind) => {
        await using site = await startOpensslServer(openssl, serverArguments(kind));
        const { caPem: ca } = await testChain(kind);
        const options = { port: site.port, host: '127.0.0.1', servername: 'localhost', ca };
        const first = await visit({ ...options, ...V13 }, SENT);
        expect(first.text).toBe(REVERSED);
        expect(first.socket.authorized).toBe(true);
        for (const ciphers of SUITES_12[authOf(kind)]) {
          const full = await visit({ ...options, ciphers, ...V12 }, SENT);
          const resumed = await visit({ ...options, ciphers, ...V12, session: full.sessions[0] }, SENT, 0);
          expect(
            [full, resumed].map(({ socket }) => socket.isSessionReused()),
            ciphers,
          ).toEqual([false, true]);
          expect([full, resumed].map(({ socket }) => socket.getCipher()?.name)).toEqual([ciphers, ciphers]);
        }
      },
    );

    test.each([
      ['TLS 1.2 without tickets, by session id', ['-no_ticket', '-tls1_2'], V12],
      ['TLS 1.3 with tickets that are names in its cache', ['-no_ticket', '-tls1_3'], V13],
    ] as const)('%s', async (_, args, versions) => {
      await using site = await startOpensslServer(openssl, serverArguments('p256', ...args));
      const options = await trusting(site.port, versions);
      const full = await visit(options, SENT);
      const resumed = await visit({ ...options, session: full.sessions[0] }, SENT, 0);
      expect([full, resumed].map(({ socket }) => socket.isSessionReused())).toEqual([false, true]);
    });

    test('a HelloRetryRequest, full and resumed', async () => {
      await using site = await startOpensslServer(
        openssl,
        serverArguments('p256', '-tls1_3', '-groups', 'P-384'),
      );
      const options = await trusting(site.port, { ecdhCurve: 'X25519:P-384' });
      const full = await visit(options, SENT);
      // OpenSSL loses the resumption over a HelloRetryRequest only when it guards against replay.
      const resumed = await visit({ ...options, session: full.sessions[0] }, SENT);
      expect([full, resumed].map(({ socket }) => socket.info.helloRetryRequest)).toEqual([true, true]);
      expect([full, resumed].map(({ socket }) => socket.isSessionReused())).toEqual([false, true]);
    });

    test('a client certificate, in both versions', async () => {
      const { ca } = files.get('p256') as ChainFiles;
      const args = serverArguments('p256', '-Verify', '2', '-CAfile', ca, '-verify_return_error');
      await using site = await startOpensslServer(openssl, args);
      const { chainPem: cert, keyPem: key } = await testChain();
      for (const versions of [V12, V13]) {
        const { text } = await visit(await trusting(site.port, { cert, key, ...versions }), SENT);
        expect(text).toBe(REVERSED);
      }
    });
  });

  describe('s_client', () => {
    test('each suite with each group, full and resumed', async () => {
      await using site = await listen();
      for (const suite of SUITES_13) {
        for (const { openssl: group } of CURVES) {
          const [full, resumed] = await twice(
            site.port,
            'p256',
            '-tls1_3',
            '-ciphersuites',
            suite,
            '-groups',
            group,
          );
          const expected = { protocol: 'TLSv1.3', cipher: suite };
          expect(full, `${suite}, ${group}`).toMatchObject({ ...expected, reused: false });
          expect(resumed, `${suite}, ${group}`).toMatchObject({ ...expected, reused: true });
          expect(full.output).toContain('Verify return code: 0 (ok)');
        }
      }
      expect(site.failures).toEqual([]);
      expect(site.sockets.filter((socket) => socket.isSessionReused())).toHaveLength(9);
    });

    test('AES-CCM, full and resumed', async () => {
      for (const suite of CCM_SUITES) {
        await using site = await listen({ ciphers: suite });
        const [full, resumed] = await twice(site.port, 'p256', '-tls1_3', ...WITH_CCM);
        expect(full).toMatchObject({ cipher: suite, reused: false });
        expect(resumed).toMatchObject({ cipher: suite, reused: true });
        expect(site.failures).toEqual([]);
      }
    });

    test.each(KEYS)(
      'a %s certificate: TLS 1.3, and each suite of TLS 1.2, full and by ticket',
      async (kind) => {
        const { chainPem: cert, keyPem: key } = await testChain(kind);
        await using site = await listen({ cert, key });
        expect((await sClient(site.port, kind, '-tls1_3')).output).toContain('Verify return code: 0 (ok)');
        for (const suite of SUITES_12[authOf(kind)]) {
          const [full, resumed] = await twice(site.port, kind, '-tls1_2', '-cipher', suite);
          expect(full).toMatchObject({ protocol: 'TLSv1.2', cipher: suite, reused: false });
          expect(resumed).toMatchObject({ protocol: 'TLSv1.2', cipher: suite, reused: true });
          expect(full.output).toContain('Extended master secret: yes');
        }
      },
    );

    test('sessions in the cache: by id in TLS 1.2, by a name that is good once in TLS 1.3', async () => {
      await using site = await listen({ statefulTickets: true });
      for (const version of ['-tls1_2', '-tls1_3']) {
        const [full, resumed] = await twice(site.port, 'p256', version);
        expect([full.reused, resumed.reused], version).toEqual([false, true]);
      }
      const file = newFile();
      await sClient(site.port, 'p256', '-tls1_3', '-sess_out', file);
      expect((await sClient(site.port, 'p256', '-tls1_3', '-sess_in', file)).reused).toBe(true);
      expect((await sClient(site.port, 'p256', '-tls1_3', '-sess_in', file)).reused).toBe(false);
      expect(site.sockets.at(-1)?.resumptionReason).toBe('not-found');
      site.server.context.sessions.clear();
    });

    test('a HelloRetryRequest, full and resumed', async () => {
      await using site = await listen({ ecdhCurve: 'P-384' });
      const [full, resumed] = await twice(site.port, 'p256', '-tls1_3', '-groups', 'X25519:P-384');
      expect([full.reused, resumed.reused]).toEqual([false, true]);
      expect(site.sockets.map((socket) => socket.info.helloRetryRequest)).toEqual([true, true]);
    });

    test('ALPN, and the key material that both export', async () => {
      const exported: Buffer[] = [];
      await using site = await listen({ ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
        exported.push(socket.exportKeyingMaterial(24, 'tlsession test'));
        echo(socket);
      });
      const exporter = ['-keymatexport', 'tlsession test', '-keymatexportlen', '24'];
      const { output } = await sClient(site.port, 'p256', '-alpn', 'http/1.1', ...exporter);
      expect(output).toContain('ALPN protocol: http/1.1');
      const [, theirs] = /Keying material: ([0-9A-F]+)/.exec(output) ?? [];
      expect(exported.map((bytes) => bytes.toString('hex').toUpperCase())).toEqual([theirs]);
    });
  });

  describe('crossing over', () => {
    // OpenSSL's form has no room for the chain: the intermediate has to be known otherwise.
    async function anchors(): Promise<string[]> {
      const { root, intermediate } = await testChain();
      return [root.certPem, intermediate.certPem];
    }

    test.each([
      ['-tls1_2', V12],
      ['-tls1_3', V13],
    ] as const)('a session that s_client saved is resumed by our client, %s', async (version, versions) => {
      await using site = await startOpensslServer(openssl, serverArguments('p256'));
      const { ca } = files.get('p256') as ChainFiles;
      const file = newFile();
      await using peer = spawnPeer(openssl, [
        's_client',
        ...['-connect', `127.0.0.1:${site.port}`, '-servername', 'localhost', '-CAfile', ca, version],
        ...['-sess_out', file],
      ]);
      peer.stdin.write(SENT);
      await peer.waitFor(/^olleh$/m);
      peer.stdin.end();
      await peer.waitForExit();

      const saved = readFileSync(file);
      const { socket, text } = await visit(
        await trusting(site.port, { session: saved, ca: await anchors(), ...versions }),
        SENT,
        0,
      );
      expect([socket.isSessionReused(), socket.resumptionReason]).toEqual([true, null]);
      expect(text).toBe(REVERSED);
      // It was unbound: the certificate in it was verified again, for this name and these anchors.
      expect(socket.authorized).toBe(true);
      // A ticket of TLS 1.3 serves once; one of TLS 1.2 cannot be taken where TLS 1.3 is agreed on.
      const again = await visit(await trusting(site.port, { session: saved, ca: await anchors() }), SENT);
      expect(again.socket.resumptionReason).toBe(versions === V13 ? 'replayed' : 'other-version');
      // Without the intermediate there is no path from the certificate alone.
      const { socket: unknown } = await visit(
        await trusting(site.port, { session: saved, reuseTickets: true, ...versions }),
        SENT,
      );
      expect([unknown.isSessionReused(), unknown.resumptionReason]).toEqual([false, 'unbound']);
      // Nor is it offered under a name that its certificate is not for: then the handshake fails as any would.
      const misnamed = connect({
        ...(await trusting(site.port, {
          session: saved,
          ca: await anchors(),
          reuseTickets: true,
          ...versions,
        })),
        servername: 'example.org',
      });
      const [error] = (await once(misnamed, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
      expect(misnamed.resumptionReason).toBe('unbound');
    });

    test.each([
      ['-tls1_2', V12],
      ['-tls1_3', V13],
    ] as const)('a session that our client saved is resumed by s_client, %s', async (version, versions) => {
      await using site = await startOpensslServer(openssl, serverArguments('p256'));
      const { sessions } = await visit(await trusting(site.port, versions), SENT);
      const file = newFile();
      using session = Session.fromEnvelope(sessions[0] as Buffer);
      writeFileSync(file, session.toPEM());
      const { ca } = files.get('p256') as ChainFiles;
      await using peer = spawnPeer(openssl, [
        's_client',
        ...['-connect', `127.0.0.1:${site.port}`, '-servername', 'localhost', '-CAfile', ca, version],
        ...['-sess_in', file],
      ]);
      await peer.waitFor(/^Reused, TLSv1\.[23], Cipher is /m);
      peer.stdin.write(SENT);
      await peer.waitFor(/^olleh$/m);
      peer.stdin.end();
      await peer.waitForExit();
    });

    describe('-psk_session: a session file of ours as an external key', () => {
      const key = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
      const identity = 'a key of both';

      /** What SSL_SESSION_new and its setters make of it, as a file. */
      function keyFile(): string {
        const session = SSL_SESSION_new() as SSL_SESSION;
        SSL_SESSION_set_protocol_version(session, 0x0304);
        SSL_SESSION_set_cipher(session, SSL_CIPHER_find(null, Uint8Array.of(0x13, 0x01)));
        SSL_SESSION_set1_master_key(session, key);
        const parts: Uint8Array[] = [];
        expect(PEM_write_SSL_SESSION({ write: (part) => parts.push(Buffer.from(part)) }, session)).toBe(1);
        SSL_SESSION_free(session);
        const file = newFile();
        writeFileSync(file, Buffer.concat(parts));
        return file;
      }

      test('s_client', async () => {
        await using site = await listen({
          pskCallback: (_socket, name) => (name === identity ? key : null),
        });
        const args = ['-tls1_3', '-psk_session', keyFile(), '-psk_identity', identity];
        const report = await sClient(site.port, 'p256', ...args);
        expect(report.reused).toBe(true);
        // Any suite of the key's hash.
        expect(report.cipher).toMatch(/_SHA256$/);
        expect(site.sockets[0]?.info).toMatchObject({ externalPsk: true, resumed: true });
      });

      test('s_server', async () => {
        const args = ['-tls1_3', '-psk_session', keyFile(), '-psk_identity', identity];
        // By its own preference it would choose a suite of another hash, and so not the key.
        const suites = ['-ciphersuites', 'TLS_AES_128_GCM_SHA256'];
        await using site = await startOpensslServer(openssl, serverArguments('p256', ...args, ...suites));
        const callback = { pskCallback: () => ({ identity, psk: key }) };
        const { socket, text } = await visit(await trusting(site.port, callback), SENT, 0);
        expect(text).toBe(REVERSED);
        // No certificate was shown: the key is what proves the server.
        expect(socket.info).toMatchObject({ externalPsk: true, resumed: true, peerChain: [] });
      });
    });
  });

  test('s_server takes early data once: what comes a second time is refused, with a full handshake', async () => {
    const { leaf, intermediate, key } = files.get('p256') as ChainFiles;
    const identity = ['-cert', leaf, '-cert_chain', intermediate, '-key', key];
    await using site = await startOpensslServer(openssl, [
      ...identity,
      ...['-tls1_3', '-early_data', '-max_early_data', '16384'],
    ]);
    const { socket: first, session } = await early(site.port, undefined);
    expect(first.info.earlyDataOffered).toBe(false);
    for (const accepted of [true, false]) {
      const { socket } = await early(site.port, session);
      expect(socket.info).toMatchObject({ earlyDataAccepted: accepted, resumed: accepted });
    }
    // It says so when it next has something to say.
    await site.peer.waitFor(
      /No early data received[\s\S]*Early data received:[\s\S]*Early data was rejected/,
    );
    expect(site.peer.stdout.match(/^Early data received:$/gm)).toHaveLength(1);
    // Once early, and once behind the handshake, when it was refused.
    expect(site.peer.stdout.match(/early bytes/g)).toHaveLength(3);
  });

  /** Writes at once, and waits until the server has it and a session is there. */
  async function early(
    port: number,
    session: Buffer | undefined,
  ): Promise<{ socket: TLSSocket; session: Buffer }> {
    const socket = connect({
      ...(await trusting(port)),
      earlyData: true,
      reuseTickets: true,
      ...(session === undefined ? {} : { session }),
    });
    socket.resume();
    socket.write('early bytes\n');
    const fresh = socket.info.resumed ? [session] : ((await once(socket, 'session')) as [Buffer]);
    socket.end();
    await once(socket, 'close');
    return { socket, session: fresh[0] as Buffer };
  }
});
