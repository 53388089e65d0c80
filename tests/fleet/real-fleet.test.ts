/**
 * A real fleet: four processes with two ports each, of this library and of stock node:tls, over one Redis, while
 * its keys rotate and a process is killed every second. Each run goes on until it has seen enough of both.
 */
import { expect, it } from 'vitest';
import { bundle } from '../support/bundle.ts';
import { type ChainFiles, testChain, writeChain } from '../support/certs.ts';
import { describeWithPeers, type RunningPeer, spawnPeer } from '../support/peer.ts';
import { Random } from '../support/random.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import type { FleetLine, FleetPlan, Ports } from './fixtures/fleet.fixture.ts';
import { type ClientKind, earlyLoad, load, newTally, pause, type Site, type Tally } from './harness.ts';

/** What a run has to have seen: sessions that could be resumed, processes killed, keys. */
const ENOUGH = { resumable: 400, kills: 6, keys: 3 };
/** A slow machine stops here with what it has. */
const LOAD_LIMIT_MS = 45_000;
const WORKERS = 4;
const LIFE_SEC = 8;
const ROTATE_SEC = 4;
const KILL_EVERY_MS = 1_000;
const CLIENTS = 6;

const program = await bundle('tests/fleet/fixtures/fleet.fixture.ts');

/** The processes as the harness sees them: which is up, and when each was killed. */
class Fleet implements AsyncDisposable {
  readonly #peer: RunningPeer;
  readonly #killedMs: number[] = Array(WORKERS).fill(Number.NEGATIVE_INFINITY);
  readonly #upAfter: number[] = Array(WORKERS).fill(0);
  kills = 0;

  constructor(plan: FleetPlan) {
    this.#peer = spawnPeer(process.execPath, [program], { env: { FLEET: JSON.stringify(plan) } });
  }

  lines(): FleetLine[] {
    return this.#peer.stdout
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as FleetLine);
  }

  /** Where a worker listens; null until it does after it was last killed. */
  #portsOf(worker: number, lines: readonly FleetLine[]): Ports | null {
    const up = lines.flatMap((line) =>
      line.event === 'listening' && line.worker === worker ? [line.ports] : [],
    );
    return up.slice(this.#upAfter[worker]).at(-1) ?? null;
  }

  sites = (): Site[] => {
    const lines = this.lines();
    return this.#upAfter.flatMap((_, worker) => {
      const ports = this.#portsOf(worker, lines);
      if (ports === null) return [];
      return [
        { worker, port: ports[0], kind: 'own' as const },
        { worker, port: ports[1], kind: 'stock' as const },
      ];
    });
  };

  killedMs = (worker: number): number => this.#killedMs[worker] as number;

  kill(worker: number): void {
    if (this.#portsOf(worker, this.lines()) === null) return;
    this.#upAfter[worker] = (this.#upAfter[worker] as number) + 1;
    this.#killedMs[worker] = Date.now();
    this.kills++;
    this.#peer.stdin.write(`kill ${worker}\n`);
  }

  /** When all of it is up. */
  async ready(): Promise<void> {
    const silence = (): string => `a fleet that is up\n${this.#peer.stdout}\n${this.#peer.stderr}`;
    await until(() => this.sites().length === WORKERS * 2, silence, 30_000);
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

/** A fleet that is up, and its CA. */
async function start(redis: RedisServer, files: ChainFiles, stateful: boolean): Promise<Fleet> {
  const fleet = new Fleet({
    redis: redis.url,
    cert: files.chain,
    key: files.key,
    workers: WORKERS,
    stateful,
    sessionTimeoutSec: LIFE_SEC,
    rotateEverySec: ROTATE_SEC,
    freshMs: 1_000,
    maxClockSkewSec: 0.1,
  });
  try {
    await fleet.ready();
  } catch (error) {
    await fleet[Symbol.asyncDispose]();
    throw error;
  }
  return fleet;
}

/** Kills one worker after the other, one a second. */
async function killOften(fleet: Fleet, over: () => boolean): Promise<void> {
  for (let i = 0; !over(); i = (i + 1) % WORKERS) {
    await pause(KILL_EVERY_MS);
    // As many as half may be on their way up.
    if (fleet.sites().length >= WORKERS) fleet.kill(i);
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
      const stateful = what !== 'tickets';
      await using fleet = await start(redis, files, stateful);

      const tally: Tally = newTally();
      const endMs = Date.now() + LOAD_LIMIT_MS;
      const over = (): boolean =>
        Date.now() >= endMs ||
        (tally.resumable >= ENOUGH.resumable &&
          fleet.kills >= ENOUGH.kills &&
          tally.over > 0 &&
          (stateful || tally.keys.size >= ENOUGH.keys));
      const random = new Random(1);
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
      const killer = killOften(fleet, over);
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

  it.each(['tickets', 'sessions in the store'])(
    'takes early data once, however often and wherever its flight is sent: %s',
    async (what) => {
      await using redis = await startRedis(peers['redis-server']);
      const chain = await testChain();
      using files = writeChain(chain);
      await using fleet = await start(redis, files, what !== 'tickets');
      const endMs = Date.now() + LOAD_LIMIT_MS;
      let sent = 0;
      const enough = (): boolean => Date.now() >= endMs || (sent >= 40 && fleet.kills >= 3);
      const options = {
        ca: chain.caPem,
        version: 'TLSv1.3',
        client: 'own',
        lifeMs: LIFE_SEC * 1000,
        stateless: what === 'tickets',
        sites: fleet.sites,
        killedMs: fleet.killedMs,
        random: new Random(1),
      } as const;
      const taken = (): string[] =>
        fleet.lines().flatMap((line) => (line.event === 'early' ? [line.text] : []));
      const counting = (async () => {
        while (!enough()) {
          await pause(100);
          sent = taken().length;
        }
      })();
      const [tallies] = await Promise.all([
        Promise.all(['a', 'b'].map((name) => earlyLoad(options, name, enough))),
        killOften(fleet, enough),
        counting,
      ]);
      await pause(300);
      const texts = taken();
      const replays = tallies.reduce((sum, tally) => sum + tally.replays, 0);
      console.log(`${what}: ${texts.length} flights taken, ${replays} replays, ${fleet.kills} kills`);
      expect(tallies.flatMap(({ failed }) => failed)).toEqual([]);
      expect(texts.length).toBeGreaterThan(5);
      expect(texts.filter((text, i) => texts.indexOf(text) !== i)).toEqual([]);
      // What a client was told is true.
      for (const { accepted } of tallies) {
        for (const text of accepted) expect(texts).toContain(text);
      }
      expect(replays).toBeGreaterThan(texts.length);
    },
    LOAD_LIMIT_MS + 60_000,
  );
});
