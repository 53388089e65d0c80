/** examples/nginx-shared-tickets, run as its README says, over the built package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeWithPeers, freePort, runPeer } from '../support/peer.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'examples/nginx-shared-tickets');

describeWithPeers(['nginx', 'openssl'], 'examples/nginx-shared-tickets', () => {
  test('prints what its README says', async () => {
    const built = await runPeer(process.execPath, [join(root, 'scripts/run.mjs'), 'prepare'], {
      limitMs: 120_000,
    });
    expect(built.code, built.stderr).toBe(0);
    const env = {
      NGINX_PORT: `${await freePort()}`,
      NODE_PORT: `${await freePort()}`,
      NODE: process.execPath,
    };
    const run = await runPeer('/bin/bash', [join(folder, 'run.sh')], { env, limitMs: 60_000 });
    const [, expected] =
      /\n```\n(TLS 1\.2[\s\S]*?)```/.exec(readFileSync(join(folder, 'README.md'), 'utf8')) ?? [];
    expect(expected?.split('\n')).toHaveLength(5);
    expect(run.stdout, run.stderr).toBe(expected);
    expect(run.code).toBe(0);
  }, 200_000);
});
