import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Session } from '../../src/session/session.ts';
import { toHex } from '../../src/util/bytes.ts';
import { type ChainFiles, testChain, writeChain } from '../support/certs.ts';
import { describeWithPeers, runPeer, spawnPeer, startOpensslServer } from '../support/peer.ts';

interface Scenario {
  readonly name: string;
  readonly kind: 'p256' | 'rsa2048';
  readonly server: readonly string[];
  readonly client: readonly string[];
  readonly protocol: string;
  /** Whether the server takes note of the name, so that the session does. */
  readonly named?: boolean;
  /** What the file must say, so that the scenario is what it says it is. */
  readonly check: (session: Session) => void;
}

const PSK = '00112233445566778899aabbccddeeff';

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'TLS 1.3, verified, with ALPN and early data',
    kind: 'p256',
    server: ['-tls1_3', '-alpn', 'h2,http/1.1', '-early_data', '-max_early_data', '16384'],
    client: ['-tls1_3', '-alpn', 'h2'],
    protocol: 'TLSv1.3',
    check: (session) => {
      expect(session.alpn).toBe('h2');
      expect(session.maxEarlyData).toBe(16_384);
      expect(session.verifyResult).toBe(0);
      // Early data makes the ticket a stateful one, for the sake of anti-replay.
      expect(session.ticket?.length).toBe(32);
      expect(session.group).toBe('X25519');
    },
  },
  {
    name: 'TLS 1.3 with SNI',
    kind: 'p256',
    server: ['-tls1_3'],
    client: ['-tls1_3', '-servername', 'localhost'],
    protocol: 'TLSv1.3',
    named: true,
    check: (session) => expect(session.hostname).toBe('localhost'),
  },
  {
    name: 'TLS 1.2 with SNI',
    kind: 'rsa2048',
    server: ['-tls1_2'],
    client: ['-tls1_2', '-servername', 'localhost'],
    protocol: 'TLSv1.2',
    named: true,
    check: (session) => expect(session.hostname).toBe('localhost'),
  },
  {
    name: 'TLS 1.3, RSA, not verified, stateful ticket, P-384',
    kind: 'rsa2048',
    server: ['-tls1_3', '-no_ticket', '-groups', 'P-384', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'],
    client: ['-tls1_3', '-noservername', '-no-CAfile', '-no-CApath', '-no-CAstore'],
    protocol: 'TLSv1.3',
    check: (session) => {
      expect(session.hostname).toBeNull();
      expect(session.ticket?.length).toBe(32);
      expect(session.group).toBe('P-384');
      expect(session.cipher).toBe('TLS_CHACHA20_POLY1305_SHA256');
      expect(session.verifyResult).not.toBe(0);
    },
  },
  {
    name: 'TLS 1.3 from an external PSK, without a certificate',
    kind: 'p256',
    server: ['-tls1_3', '-nocert', '-psk', PSK, '-ciphersuites', 'TLS_AES_128_GCM_SHA256'],
    client: ['-tls1_3', '-psk', PSK, '-noservername', '-ciphersuites', 'TLS_AES_128_GCM_SHA256'],
    protocol: 'TLSv1.3',
    check: (session) => expect(session.peerCertificate).toBeNull(),
  },
  {
    name: 'TLS 1.2 with a ticket and ALPN',
    kind: 'p256',
    server: ['-tls1_2', '-alpn', 'http/1.1'],
    client: ['-tls1_2', '-alpn', 'http/1.1'],
    protocol: 'TLSv1.2',
    check: (session) => {
      expect(session.alpn).toBe('http/1.1');
      expect(session.extendedMasterSecret).toBe(true);
      expect(session.ticket?.length).toBeGreaterThan(100);
    },
  },
  {
    name: 'TLS 1.2 by session id, with a maximum fragment length',
    kind: 'rsa2048',
    server: ['-tls1_2', '-no_ticket'],
    client: ['-tls1_2', '-no_ticket', '-maxfraglen', '1024', '-noservername'],
    protocol: 'TLSv1.2',
    check: (session) => {
      expect(session.ticket).toBeNull();
      expect(session.id.length).toBe(32);
      expect(session.maxFragmentLength).toBe(1024);
    },
  },
  {
    name: 'TLS 1.2 with a PSK, a hint and an identity',
    kind: 'p256',
    server: ['-tls1_2', '-nocert', '-psk', PSK, '-psk_hint', 'a hint', '-cipher', 'PSK-AES128-GCM-SHA256'],
    client: ['-tls1_2', '-psk', PSK, '-psk_identity', 'me', '-cipher', 'PSK-AES128-GCM-SHA256'],
    protocol: 'TLSv1.2',
    check: (session) => {
      const { pskIdentity, pskIdentityHint } = session.describe();
      expect([pskIdentity, pskIdentityHint]).toEqual(['me', 'a hint']);
      expect(session.peerCertificate).toBeNull();
    },
  },
  {
    name: 'TLS 1.1, from before all that',
    kind: 'rsa2048',
    server: ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
    client: ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'],
    protocol: 'TLSv1.1',
    check: (session) => expect(session.resumability(session.timeMs).reasons).toContain('unsupported-version'),
  },
  {
    name: 'DTLS 1.2',
    kind: 'p256',
    server: ['-dtls1_2'],
    client: ['-dtls1_2'],
    protocol: 'DTLSv1.2',
    check: (session) => expect(session.protocolVersion).toBe(0xfefd),
  },
];

describeWithPeers(['openssl'], 'session files of openssl s_client', ({ openssl }) => {
  let folder = '';
  const chains = new Map<string, ChainFiles>();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tlsession-files-'));
    for (const kind of ['p256', 'rsa2048'] as const) chains.set(kind, writeChain(await testChain(kind)));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    for (const chain of chains.values()) chain[Symbol.dispose]();
  });

  /** Runs one connection and returns the path of the session file that the client wrote. */
  async function connect({ kind, server, client, named }: Scenario, file: string): Promise<string> {
    const chain = chains.get(kind) as ChainFiles;
    const path = join(folder, file);
    const args = [...server];
    if (!server.includes('-nocert'))
      args.push('-cert', chain.leaf, '-cert_chain', chain.chain, '-key', chain.key);
    if (named) args.push('-servername', 'localhost', '-cert2', chain.leaf, '-key2', chain.key);
    const listening = await startOpensslServer(openssl, args);
    await using _server = listening;
    const trust = client.includes('-no-CAfile') ? [] : ['-CAfile', chain.ca];
    await using peer = spawnPeer(openssl, [
      ...['s_client', '-connect', `127.0.0.1:${listening.port}`, '-sess_out', path],
      ...trust,
      ...client,
    ]);
    // What it prints stays in its buffer until it ends: the file is what can be waited for.
    await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 15_000, interval: 20 });
    peer.stdin.end('Q\n');
    await peer.waitForExit();
    return path;
  }

  async function sessId(...args: string[]): Promise<Buffer> {
    const { code, stdoutBytes, stderr } = await runPeer(openssl, ['sess_id', ...args]);
    if (code !== 0) throw new Error(stderr);
    return stdoutBytes;
  }

  it.each(SCENARIOS.map((scenario, i) => [scenario.name, scenario, i] as const))(
    '%s',
    async (_, scenario, i) => {
      const path = await connect(scenario, `${i}.pem`);
      using session = Session.from(readFileSync(path));
      expect(session.protocol).toBe(scenario.protocol);
      scenario.check(session);

      expect(session.toPEM()).toBe(readFileSync(path, 'latin1'));
      const der = await sessId('-in', path, '-outform', 'DER');
      expect(toHex(session.toDER())).toBe(toHex(der));
      const text = await sessId('-in', path, '-noout', '-text');
      expect(session.toText()).toBe(text.toString('latin1'));
      if (session.id.length > 0) {
        const nss = await sessId('-in', path, '-outform', 'NSS');
        expect(session.toKeyLog()).toBe(nss.toString('latin1'));
      }

      // What this library writes itself, after a change, OpenSSL reads.
      session.timeoutSec = 123_456;
      session.ticketAppdata = new Uint8Array(300).fill(7);
      const ours = join(folder, `${i}.der`);
      writeFileSync(ours, session.toDER());
      const again = await sessId('-inform', 'DER', '-in', ours, '-noout', '-text');
      expect(session.toText()).toBe(again.toString('latin1'));
      expect(again.toString('latin1')).toContain('Timeout   : 123456 (sec)');
    },
  );
});
