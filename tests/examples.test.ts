/** Each example does what its README shows. They import the package by its name: what was built. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testChain, writeChain } from './support/certs.ts';
import { describeWithPeers, freePort, type RunningPeer, refuse, runPeer, spawnPeer } from './support/peer.ts';
import { startRedis } from './support/redis.ts';

const root = join(import.meta.dirname, '..');
const example = (path: string): string => join(root, 'examples', path);
const built = existsSync(join(root, 'dist/entry/node-tls.js'));

const title = 'examples (of the package as it was built last)';
if (!built) refuse(title, 'the package is not built');
else describe(title, examples);

function examples(): void {
  describeWithPeers(['redis-server'], 'https-fleet', (peers) => {
    it('resumes on every node, and goes on without Redis', async () => {
      await using redis = await startRedis(peers['redis-server']);
      using files = writeChain(await testChain());
      const node = async (port: number): Promise<RunningPeer> => {
        const peer = spawnPeer(process.execPath, [example('https-fleet/server.mjs')], {
          env: {
            PORT: String(port),
            REDIS_URL: redis.url,
            FLEET_SECRET: 'a secret for one test, of 32 bytes or more',
            CERT: files.chain,
            KEY: files.key,
          },
        });
        await peer.waitFor(/listening/);
        return peer;
      };
      const ports = [await freePort(), await freePort()] as const;
      await using one = await node(ports[0]);
      await using two = await node(ports[1]);
      const visit = async (...order: (0 | 1)[]): Promise<string[]> => {
        const args = [example('https-fleet/client.mjs'), ...order.map((i) => String(ports[i]))];
        const { stdout, stderr } = await runPeer(process.execPath, args, { env: { CA: files.ca } });
        expect(stderr).toBe('');
        return stdout.trim().split('\n');
      };
      expect(await visit(0, 1, 0, 1)).toEqual([
        `node ${ports[0]}: TLSv1.3, full handshake`,
        `node ${ports[1]}: TLSv1.3, resumed`,
        `node ${ports[0]}: TLSv1.3, resumed`,
        `node ${ports[1]}: TLSv1.3, resumed`,
      ]);
      await redis.peer.stop();
      expect(await visit(0, 1)).toEqual([
        `node ${ports[0]}: TLSv1.3, full handshake`,
        `node ${ports[1]}: TLSv1.3, full handshake`,
      ]);
      expect(one.stdout + two.stdout).toContain('listening');
    });
  });

  it('cold-start: the second start resumes', async () => {
    const chain = await testChain();
    using files = writeChain(chain);
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-cold-'));
    const server = https.createServer({ cert: chain.chainPem, key: chain.keyPem }, (_request, response) => {
      response.end('hello');
    });
    await new Promise<void>((done) => void server.listen(0, '127.0.0.1', () => done()));
    const { port } = server.address() as { port: number };
    const start = async (): Promise<string> => {
      const { stdout, stderr } = await runPeer(
        process.execPath,
        [example('cold-start/function.mjs'), `https://localhost:${port}/`],
        {
          env: {
            SESSIONS: join(folder, 'sessions'),
            SESSIONS_SECRET: 'a secret for one test, of 32 bytes or more',
            CA: files.ca,
          },
        },
      );
      expect(stderr).toBe('');
      return stdout.trim();
    };
    expect(await start()).toBe('localhost: full handshake, no-session-saved');
    expect(await start()).toBe('localhost: resumed');
    expect(await start()).toBe('localhost: resumed');
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
}
