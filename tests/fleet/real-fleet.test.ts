/**
 * A real fleet: four processes with two ports each, of this library and of stock node:tls, over one Redis, while
 * its keys rotate and a process is killed every second. Each run goes on until it has seen enough of both.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testChain, writeChain } from '../support/certs.ts';
import { describeWithPeers, freePort, type RunningPeer, spawnPeer } from '../support/peer.ts';
import { startRedis } from '../support/redis.ts';
import type { FleetLine, FleetPlan } from './fixtures/fleet.fixture.ts';
import { type ClientKind, load, newTally, pause, type Site, type Tally } from './harness.ts';

/** What a run has to have seen: sessions that could be resumed, processes killed, keys. */
const ENOUGH = { resumable: 400, kills: 6, keys: 3 };
/** A slow machine stops here with what it has. */
const LOAD_LIMIT_MS = 45_000;
const WORKERS = 4;
const LIFE_SEC = 8;
const ROTATE_SEC = 4;
const KILL_EVERY_MS = 1_000;
const CLIENTS = 6;

const root = join(import.meta.dirname, '../..');
const cache = join(root, '.cache');
let folder = '';
let program = '';

beforeAll(async () => {
  // Inside the project, where the client of Redis is found.
  folder = mkdtempSync(join(cache, 'fleet-'));
  program = join(folder, 'fleet.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, 'fixtures/fleet.fixture.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The processes as the harness sees them: which is up, and when each was killed. */
class Fleet implements AsyncDisposable {
  readonly #peer: RunningPeer;
  readonly #ports: FleetPlan['ports'];
  readonly #killedMs: number[] = Array(WORKERS).fill(Number.NEGATIVE_INFINITY);
  readonly #upAfter: number[] = Array(WORKERS).fill(0);
  kills = 0;

  constructor(plan: FleetPlan) {
    this.#ports = plan.ports;
    this.#peer = spawnPeer(process.execPath, [program], { env: { FLEET: JSON.stringify(plan) } });
  }

  lines(): FleetLine[] {
    return this.#peer.stdout
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as FleetLine);
  }

  #isUp(worker: number): boolean {
    let up = 0;
    for (const line of this.lines()) if (line.event === 'listening' && line.worker === worker) up++;
    return up > (this.#upAfter[worker] as number);
  }

  sites = (): Site[] =>
    this.#ports.flatMap(([own, stock], worker) =>
      this.#isUp(worker)
        ? [
            { worker, port: own, kind: 'own' as const },
            { worker, port: stock, kind: 'stock' as const },
          ]
        : [],
    );

  killedMs = (worker: number): number => this.#killedMs[worker] as number;

  kill(worker: number): void {
    if (!this.#isUp(worker)) return;
    this.#upAfter[worker] = (this.#upAfter[worker] as number) + 1;
    this.#killedMs[worker] = Date.now();
    this.kills++;
    this.#peer.stdin.write(`kill ${worker}\n`);
  }

  async counters(): Promise<string> {
    this.#peer.stdin.write('count\n');
    await pause(500);
    const counts = this.lines().filter(({ event }) => event === 'count');
    return `${JSON.stringify(counts, null, 1)}\n${this.#peer.stderr}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer.stop();
  }
}

describeWithPeers(['redis-server'], 'a fleet of four processes over Redis', (peers) => {
  it.each([
    ['tickets', 'TLSv1.3', 'stock'],
    ['tickets', 'TLSv1.2', 'own'],
    ['sessions in the store', 'TLSv1.3', 'own'],
    ['sessions in the store', 'TLSv1.2', 'stock'],
  ] as const)(
    'resumes what is resumable and fails nobody: %s, %s, clients of %s',
    async (what, version, client: ClientKind) => {
      await using redis = await startRedis(peers['redis-server']);
      const chain = await testChain();
      using files = writeChain(chain);
      const ports: (readonly [number, number])[] = [];
      for (let i = 0; i < WORKERS; i++) ports.push([await freePort(), await freePort()]);
      const stateful = what !== 'tickets';
      await using fleet = new Fleet({
        redis: redis.url,
        cert: files.chain,
        key: files.key,
        ports,
        stateful,
        sessionTimeoutSec: LIFE_SEC,
        rotateEverySec: ROTATE_SEC,
        freshMs: 1_000,
        maxClockSkewSec: 0.1,
      });
      while (fleet.sites().length < WORKERS * 2) await pause(20);

      const tally: Tally = newTally();
      const endMs = Date.now() + LOAD_LIMIT_MS;
      const over = (): boolean =>
        Date.now() >= endMs ||
        (tally.resumable >= ENOUGH.resumable &&
          fleet.kills >= ENOUGH.kills &&
          tally.over > 0 &&
          (stateful || tally.keys.size >= ENOUGH.keys));
      let seed = 1;
      const random = (): number => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return seed / 2 ** 32;
      };
      const clients = Array.from({ length: CLIENTS }, () =>
        load(
          {
            ca: chain.caPem,
            version,
            client,
            lifeMs: LIFE_SEC * 1000,
            stateless: !stateful,
            sites: fleet.sites,
            killedMs: fleet.killedMs,
            random,
          },
          tally,
          over,
        ),
      );
      const killer = (async () => {
        for (let i = 0; !over(); i = (i + 1) % WORKERS) {
          await pause(KILL_EVERY_MS);
          // One at a time: as many as half may be on their way up.
          if (fleet.sites().length >= WORKERS) fleet.kill(i);
        }
      })();
      await Promise.all([...clients, killer]);

      const rate = tally.resumed / tally.resumable;
      const told = `${JSON.stringify({ ...tally, keys: tally.keys.size, crossings: [...tally.crossings] }, null, 1)}`;
      if (rate < 0.99 || tally.failed.length > 0) console.log(told, await fleet.counters());
      console.log(
        `${what}, ${version}, ${client} clients: ${tally.connections} connections, ${fleet.kills} kills, ` +
          `${tally.resumed} of ${tally.resumable} resumed, ${tally.keys.size} keys`,
      );
      expect(tally.failed).toEqual([]);
      expect(tally.resumable).toBeGreaterThan(50);
      expect(rate).toBeGreaterThanOrEqual(0.99);
      expect(tally.overResumed).toBe(0);
      expect(fleet.kills).toBeGreaterThan(2);
      // All four ways: made by either kind of server, resumed at either.
      expect([...tally.crossings.keys()].sort()).toEqual([
        'own at own',
        'own at stock',
        'stock at own',
        'stock at stock',
      ]);
      for (const [way, [, resumed]] of tally.crossings) expect([way, resumed > 0]).toEqual([way, true]);
      if (!stateful) expect(tally.keys.size).toBeGreaterThan(1);
    },
    LOAD_LIMIT_MS + 60_000,
  );
});
