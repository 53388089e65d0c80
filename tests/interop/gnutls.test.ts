/** GnuTLS at the other end, in both roles, full and resumed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listen, trusting, visit } from '../net/pair.ts';
import { type ChainFiles, type KeyKind, testChain, writeChain } from '../support/certs.ts';
import { describeWithPeers, type PeerServer, spawnPeer, startPeerServer } from '../support/peer.ts';
import { CURVES, KEYS, V12, V13 } from './matrix.ts';

const CIPHERS = [
  ['TLS_AES_128_GCM_SHA256', 'AES-128-GCM'],
  ['TLS_AES_256_GCM_SHA384', 'AES-256-GCM'],
  ['TLS_CHACHA20_POLY1305_SHA256', 'CHACHA20-POLY1305'],
  ['TLS_AES_128_CCM_SHA256', 'AES-128-CCM'],
  ['TLS_AES_128_CCM_8_SHA256', 'AES-128-CCM-8'],
] as const;
const TLS13 = 'NORMAL:-VERS-ALL:+VERS-TLS1.3';
const TLS12 = 'NORMAL:-VERS-ALL:+VERS-TLS1.2';

describeWithPeers(['gnutls-cli', 'gnutls-serv'], 'GnuTLS', (paths) => {
  const files = new Map<KeyKind, ChainFiles>();

  beforeAll(async () => {
    for (const kind of KEYS) files.set(kind, writeChain(await testChain(kind)));
  });
  afterAll(() => {
    for (const chain of files.values()) chain[Symbol.dispose]();
  });

  function serve(kind: KeyKind): Promise<PeerServer> {
    const { chain, key } = files.get(kind) as ChainFiles;
    return startPeerServer({
      path: paths['gnutls-serv'],
      args: (port) => [
        ...['--port', `${port}`, '--echo', '--disable-client-cert'],
        ...['--priority', 'NORMAL:+AES-128-CCM-8'],
        ...['--x509certfile', chain, '--x509keyfile', key],
      ],
      ready: /listening on IPv4 .*done/i,
    });
  }

  describe('gnutls-serv', () => {
    test('each suite with each group, full and resumed', async () => {
      await using site = await serve('p256');
      for (const [ciphers] of CIPHERS) {
        for (const { name: ecdhCurve } of CURVES) {
          const options = await trusting(site.port, { ciphers, ecdhCurve });
          const full = await visit(options, 'hello\n');
          const resumed = await visit({ ...options, session: full.sessions[0] }, 'hello\n');
          expect([full.text, resumed.text]).toEqual(['hello\n', 'hello\n']);
          const how = [full, resumed].map(({ socket }) => socket.isSessionReused());
          expect(how, `${ciphers}, ${ecdhCurve}`).toEqual([false, true]);
          expect(resumed.socket.getCipher()?.name).toBe(ciphers);
          expect(resumed.socket.getEphemeralKeyInfo()).toMatchObject({ name: ecdhCurve });
        }
      }
    });

    test.each(KEYS)('a %s certificate, in both versions, full and resumed', async (kind) => {
      await using site = await serve(kind);
      const { caPem: ca } = await testChain(kind);
      for (const versions of [V12, V13]) {
        const options = { port: site.port, host: '127.0.0.1', servername: 'localhost', ca, ...versions };
        const full = await visit(options, 'hello\n');
        const resumed = await visit({ ...options, session: full.sessions[0] }, 'hello\n', 0);
        expect([full, resumed].map(({ socket }) => socket.isSessionReused())).toEqual([false, true]);
        expect(full.socket.authorized).toBe(true);
      }
    });
  });

  describe('gnutls-cli', () => {
    /** Connects, then again with the session of the first time; what it said. */
    async function twice(port: number, kind: KeyKind, priority: string): Promise<string> {
      const { ca } = files.get(kind) as ChainFiles;
      await using peer = spawnPeer(paths['gnutls-cli'], [
        ...['--resume', '--port', `${port}`, '--x509cafile', ca, '--priority', priority],
        // So that a ticket has time to arrive before the first connection ends.
        ...['--waitresumption', '--verify-hostname', 'localhost', '--sni-hostname', 'localhost', '127.0.0.1'],
      ]);
      await peer.waitFor(/This is a resumed session[\s\S]*Simple Client Mode/);
      peer.stdin.write('echo me\n');
      await peer.waitFor(/^echo me$/m);
      peer.stdin.end();
      await peer.waitForExit();
      return peer.stdout;
    }

    test('each suite with each group, full and resumed', async () => {
      await using site = await listen({ ciphers: CIPHERS.map(([suite]) => suite).join(':') });
      for (const [suite, cipher] of CIPHERS) {
        for (const { gnutls: group } of CURVES) {
          const priority = `${TLS13}:-CIPHER-ALL:+${cipher}:-GROUP-ALL:+${group}`;
          await twice(site.port, 'p256', priority);
          const [full, resumed] = site.sockets.slice(-2);
          expect([full?.isSessionReused(), resumed?.isSessionReused()], priority).toEqual([false, true]);
          expect(resumed?.getCipher()?.name).toBe(suite);
        }
      }
      expect(site.failures).toEqual([]);
    });

    test.each(KEYS)('a %s certificate, in both versions, full and resumed', async (kind) => {
      const { chainPem: cert, keyPem: key } = await testChain(kind);
      await using site = await listen({ cert, key });
      for (const priority of [TLS12, TLS13]) {
        expect(await twice(site.port, kind, priority)).toContain('The certificate is trusted');
        expect(site.sockets.slice(-2).map((socket) => socket.isSessionReused())).toEqual([false, true]);
      }
    });
  });
});
