/** Workers of node:cluster whose stock servers have one ring of ticket keys, while it rotates and workers die. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusterKeyring } from '../../src/node-tls/cluster-keyring.ts';
import { bundle } from '../support/bundle.ts';
import { type ChainFiles, testChain, writeChain } from '../support/certs.ts';
import { type RunningPeer, spawnPeer } from '../support/peer.ts';
import { until } from '../support/until.ts';
import { visit } from './servers.ts';

interface Line {
  readonly id: number;
  readonly port: number;
  readonly current: string;
}

const program = await bundle('tests/node-tls/fixtures/cluster.fixture.ts');

describe('the workers of a cluster', () => {
  let files: ChainFiles;
  beforeAll(async () => {
    files = writeChain(await testChain());
  });
  afterAll(() => {
    files[Symbol.dispose]();
  });

  /** What each worker said last. */
  function latest(peer: RunningPeer): Line[] {
    const lines = peer.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
    return [...new Map(lines.map((line) => [line.id, line])).values()];
  }

  it('resume at each other through rotations, and a worker that comes in the place of a dead one does too', async () => {
    await using peer = spawnPeer(process.execPath, [program, files.chain, files.key]);
    const [one, two] = await until(() => {
      const lines = latest(peer);
      return lines.length === 2 && lines;
    }, 'two workers');
    if (one === undefined || two === undefined) throw new Error('no workers');
    const first = await visit(one.port);
    expect(first.text).toBe('full');
    expect((await visit(two.port, { session: first.session })).text).toBe('resumed');

    const { session } = await visit(one.port);
    // Both have another key than that ticket's, and the same.
    await until(() => {
      const [a, b] = latest(peer);
      return a?.current !== one.current && a?.current === b?.current;
    }, 'the workers have another key');
    expect((await visit(two.port, { session })).text).toBe('resumed');

    const { session: last } = await visit(two.port);
    peer.stdin.write('kill\n');
    const fresh = await until(
      () => latest(peer).find(({ id }) => id > 2),
      'a worker in the place of the dead one',
    );
    expect((await visit(fresh.port, { session: last })).text).toBe('resumed');
  });

  it('have the same getTicketKeys, before and after a rotation', async () => {
    await using peer = spawnPeer(process.execPath, [program, files.chain, files.key, '--one-key']);
    const same = (): Line | null => {
      const [a, b] = latest(peer);
      return a !== undefined && a.current === b?.current ? a : null;
    };
    const before = await until(same, 'two workers with one key');
    const after = await until(() => {
      const now = same();
      return now !== null && now.current !== before.current ? now : null;
    }, 'both have the next key');
    expect(after.current).toMatch(/^[0-9a-f]{32}$/);
  });

  it('say so when the primary has no ring', async () => {
    await using peer = spawnPeer(process.execPath, [program, files.chain, files.key, '--alone']);
    await peer.waitFor(/ERR_CLUSTER_KEYRING_SILENT/, 20_000);
  });
});

it('a primary without workers has a ring all the same', async () => {
  using shared = await clusterKeyring({ rotateEverySec: 3600 });
  expect(shared.keyring.keys().map(({ role }) => role)).toEqual(['next', 'current']);
  shared.stop();
  expect(() => shared.keyring.advance(0)).toThrow(/destroyed/);
});
