/** Server processes of `server-process.fixture.ts`, and what they say. */

import { nodeProvider } from '../../src/crypto/node/index.ts';
import { type SessionStore, StoreReplayGuard } from '../../src/entry/index.ts';
import { systemClock } from '../../src/util/clock.ts';
import { type RunningPeer, spawnPeer } from '../support/peer.ts';
import type { ProcessOptions } from './server-process.fixture.ts';

export interface Said {
  readonly port?: number;
  readonly ready?: boolean;
  readonly event?: 'secure' | 'early' | 'failed';
  readonly reused?: boolean;
  readonly reason?: string | null;
  readonly protocol?: string;
  readonly message?: string;
  readonly admitted?: readonly number[];
  readonly verdicts?: Readonly<Record<string, number>>;
}

export class ServerProcess implements AsyncDisposable {
  readonly peer: RunningPeer;
  port = 0;

  private constructor(peer: RunningPeer) {
    this.peer = peer;
  }

  static async start(file: string, options: ProcessOptions): Promise<ServerProcess> {
    const peer = spawnPeer(process.execPath, ['--enable-source-maps', file, JSON.stringify(options)]);
    const started = new ServerProcess(peer);
    await peer.waitFor(/"port":|"ready":/, 90_000);
    started.port = started.said().find(({ port }) => port !== undefined)?.port ?? 0;
    return started;
  }

  said(): Said[] {
    const lines = this.peer.stdout.split('\n');
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Said);
  }

  events(event: Said['event']): Said[] {
    return this.said().filter((line) => line.event === event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer.stop();
  }
}

/** Marks the store as one that has been there for an hour, as it is for servers that join a fleet. */
export async function age(store: SessionStore, prefix = ''): Promise<void> {
  const ago = 3_600_000;
  // The guard of then lived by the clock of then; what it put there is to last from now.
  const then: Pick<SessionStore, 'add' | 'addWitnessed' | 'get'> = {
    get: (key) => store.get(key),
    add: (key, value, untilMs) => store.add(key, value, untilMs + ago),
    ...(store.addWitnessed === undefined
      ? {}
      : {
          addWitnessed: (key, value, untilMs) =>
            (store.addWitnessed as NonNullable<SessionStore['addWitnessed']>)(key, value, untilMs + ago),
        }),
  };
  const clock = { ...systemClock, wallMs: () => Date.now() - ago };
  const guard = new StoreReplayGuard({ provider: nodeProvider, store: then as SessionStore, clock, prefix });
  const verdict = await guard.admit({ binder: nodeProvider.random(32) });
  if (verdict !== 'early-data-guard-starting') throw new Error(`the store is not new: ${verdict}`);
}
