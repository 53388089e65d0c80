/**
 * The cache beside a plain model of it, command by command: what is in it and in which order, who holds how
 * many references, what is marked, what was counted. Callbacks misbehave on both sides in the same way.
 */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { LookupResult } from '../../src/cache/outside-lookup.ts';
import { type EstablishedSession, SessionContext } from '../../src/cache/session-context.ts';
import { liveSessionCount, type SessionCore } from '../../src/session/core.ts';
import { idOf, makeSession, NOON, TestClock } from '../support/sessions.ts';
import { drop, free, ModelCache, type ModelSession } from './model.ts';

/** Some four seconds; more by hand. */
const RUNS = Number(process.env['TLSESSION_MODEL_RUNS'] ?? 10_000);

const MISBEHAVIOURS = [
  'none',
  'watches',
  'throws',
  'frees what it was given',
  'takes a reference',
  'adds it again',
  'removes another',
  'flushes',
  'clears',
] as const;
type Misbehaviour = (typeof MISBEHAVIOURS)[number];

const ANSWERS = ['nothing', 'a session', 'gives it away'] as const;
type Answer = (typeof ANSWERS)[number];

/** What a callback does to its cache, and to the session that it was given. */
function act(
  cache: SessionContext,
  clock: TestClock,
  how: Misbehaviour,
  given: SessionCore | null,
  other: SessionCore | null,
): void {
  if (how === 'throws') throw new Error('misbehaves');
  if (how === 'frees what it was given') given?.free();
  if (how === 'takes a reference') given?.upRef();
  if (how === 'adds it again' && given !== null) cache.add(given);
  if (how === 'removes another' && other !== null) cache.remove(other);
  if (how === 'flushes') cache.flush(clock.wall);
  if (how === 'clears') cache.clear();
}

function actInModel(
  cache: ModelCache,
  clock: TestClock,
  how: Misbehaviour,
  given: ModelSession | null,
  other: ModelSession | null,
): void {
  if (how === 'throws') throw new Error('misbehaves');
  if (how === 'frees what it was given' && given !== null) free(given);
  if (how === 'takes a reference' && given !== null) given.app++;
  if (how === 'adds it again' && given !== null) cache.add(given);
  if (how === 'removes another' && other !== null) alive(other, () => cache.remove(other));
  if (how === 'flushes') cache.flush(clock.wall);
  if (how === 'clears') cache.flush(null);
}

interface Pair {
  readonly real: SessionCore;
  readonly model: ModelSession;
}

function same(what: string, real: unknown, model: unknown): void {
  if (!Object.is(real, model)) throw new Error(`${what}: ${String(real)}, and in the model ${String(model)}`);
}

class World {
  readonly clock: TestClock = new TestClock();
  readonly real: SessionContext[];
  readonly model: ModelCache[];
  /** Every session that was made, in both worlds; ended ones stay, to be tried. */
  readonly pairs: Pair[] = [];
  readonly realOf: Map<ModelSession, SessionCore> = new Map();
  readonly heard: SessionCore[] = [];
  readonly modelHeard: ModelSession[] = [];
  readonly before: number = liveSessionCount();
  #timeouts = 0;

  constructor() {
    const seed = new Uint8Array(8).fill(1);
    // Two contexts, so that one session meets both.
    this.real = [0, 1].map(
      () => new SessionContext({ seed, clock: this.clock, size: 0, mode: 3, reportError: () => {} }),
    );
    this.model = [0, 1].map(() => new ModelCache(() => this.clock.wall));
  }

  pair(which: number): Pair | null {
    return this.pairs.length === 0 ? null : (this.pairs[which % this.pairs.length] as Pair);
  }

  /** No two sessions expire together: in which order those would go is nobody's promise. */
  unlike(timeoutSec: number): number {
    return timeoutSec + ++this.#timeouts / 8192;
  }

  make(id: number, seconds: number): void {
    const timeoutSec = this.unlike(seconds);
    const emptyId = id === 0;
    // Ids share all but their last byte, and two versions share ids.
    const version = id % 2 === 0 ? 0x0303 : 0x0304;
    const bytes = emptyId ? new Uint8Array(0) : idOf(id >> 1);
    const real = makeSession({ id: bytes, version, timeMs: this.clock.wall, timeoutSec });
    this.meet(real, {
      label: `s${this.pairs.length}`,
      key: `${version}/${emptyId ? '' : id >> 1}`,
      emptyId,
      body: {},
      app: 1,
      lib: 0,
      timeMs: this.clock.wall,
      timeoutSec,
      marked: false,
      owner: null,
      ended: false,
    });
  }

  meet(real: SessionCore, model: ModelSession): void {
    this.pairs.push({ real, model });
    this.realOf.set(model, real);
  }

  /** Runs a step in both worlds: both return the same, or both throw. */
  both(what: string, real: () => unknown, model: () => unknown): void {
    same(what, outcome(real), outcome(model));
  }

  misbehave(at: number, how: Misbehaviour, other: number): void {
    const real = this.real[at] as SessionContext;
    const model = this.model[at] as ModelCache;
    const victim = this.pair(other);
    if (how === 'none') {
      real.callbacks.onRemove = null;
      model.onRemove = null;
      return;
    }
    real.callbacks.onRemove = (session) => {
      this.heard.push(session);
      // It has left, and is alive: what was promised to the callback.
      if (session.hasEnded) throw new Error('the callback was given a session that has ended');
      act(real, this.clock, how, session, victim?.real ?? null);
    };
    model.onRemove = (session) => {
      this.modelHeard.push(session);
      actInModel(model, this.clock, how, session, victim?.model ?? null);
    };
  }

  /** The new and the get callback, which keep, give back, free, throw and call the cache again. */
  misbehaveAsked(at: number, how: Misbehaviour, answers: Answer, other: number): void {
    const real = this.real[at] as SessionContext;
    const model = this.model[at] as ModelCache;
    const victim = this.pair(other);
    real.callbacks.onNew = (session) => {
      act(real, this.clock, how, session, victim?.real ?? null);
      return answers !== 'nothing';
    };
    model.onNew = (session) => {
      actInModel(model, this.clock, how, session, victim?.model ?? null);
      return answers !== 'nothing';
    };
    real.callbacks.onGet = () => {
      act(real, this.clock, how === 'frees what it was given' ? 'none' : how, null, victim?.real ?? null);
      if (victim === null || answers === 'nothing') return null;
      return answers === 'gives it away' ? { session: victim.real, copy: false } : victim.real;
    };
    model.onGet = () => {
      actInModel(
        model,
        this.clock,
        how === 'frees what it was given' ? 'none' : how,
        null,
        victim?.model ?? null,
      );
      if (victim === null || answers === 'nothing') return null;
      return { session: victim.model, copy: answers !== 'gives it away' };
    };
  }

  compare(): void {
    same('callbacks', this.heard.length, this.modelHeard.length);
    this.heard.forEach((session, i) => {
      const model = this.modelHeard[i] as ModelSession;
      // A duplicate that was made within, and may have ended there: this is the first that is seen of it.
      if (!this.realOf.has(model)) this.meet(session, model);
      same('the session that the callback was told of', session, this.realOf.get(model));
    });
    this.heard.length = 0;
    this.modelHeard.length = 0;
    this.model.forEach((model, at) => {
      const real = this.real[at] as SessionContext;
      const listed = [...real.sessions()].reverse();
      same('number', real.number, model.entries.length);
      same('listed', listed.length, model.entries.length);
      model.entries.forEach((entry, i) => {
        const session = listed[i] as SessionCore;
        if (!this.realOf.has(entry)) this.meet(session, entry);
        same('order of use', session, this.realOf.get(entry));
        same('owner', session.owner, real);
      });
      for (const name of Object.keys(model.stats) as (keyof ModelCache['stats'])[]) {
        same(name, real.stats[name], model.stats[name]);
      }
    });
    for (const { real, model } of this.pairs) {
      same(`${model.label} ended`, real.hasEnded, model.ended);
      same(`${model.label} application`, real.applicationReferences, model.app);
      same(`${model.label} library`, real.libraryReferences, model.lib);
      if (model.ended) continue;
      same(`${model.label} marked`, real.isMarkedNotResumable, model.marked);
      same(`${model.label} time`, real.timeMs('test'), model.timeMs);
      same(`${model.label} in a cache`, real.owner !== null, model.owner !== null);
    }
  }

  end(): void {
    for (const real of this.real) {
      Object.assign(real.callbacks, { onRemove: null, onNew: null, onGet: null });
      real.clear();
    }
    for (const { real } of this.pairs) while (real.applicationReferences > 0) real.free();
    same('sessions alive at the end', liveSessionCount(), this.before);
  }
}

function outcome(step: () => unknown): unknown {
  try {
    return step();
  } catch {
    return 'threw';
  }
}

type Step = (world: World) => void;

const HANDSHAKE: EstablishedSession = {
  role: 'server',
  resumed: false,
  verifiesPeer: false,
  singleUse: true,
  noTickets: true,
};

/** Commands as functions with a name, for the report of a failure. */
function command(name: string, run: Step): fc.Command<object, World> {
  return {
    check: () => true,
    run: (_, world) => {
      run(world);
      world.compare();
    },
    toString: () => name,
  };
}

const which = fc.nat(30);
const at = fc.nat(1);
const seconds = fc.constantFrom(0, 1, 5, 60, 300, 300, 7200, Number.MAX_SAFE_INTEGER);

/** A step on one session and one cache; skipped as long as there is no session. */
function onPair(
  name: string,
  step: (world: World, pair: Pair, real: SessionContext, model: ModelCache) => void,
): fc.Arbitrary<fc.Command<object, World>> {
  return fc.tuple(which, at).map(([i, c]) =>
    command(`${name} s${i} cache ${c}`, (world) => {
      const pair = world.pair(i);
      if (pair !== null) step(world, pair, world.real[c] as SessionContext, world.model[c] as ModelCache);
    }),
  );
}

/** The model does not say what happens to a session that ended: the real one refuses, and nothing changes. */
function alive<T>(session: ModelSession, step: () => T): T {
  if (session.ended) throw new Error('ended');
  return step();
}

const commands = [
  fc
    .tuple(fc.nat(12), seconds)
    .map(([id, timeout]) => command(`make id ${id} for ${timeout} s`, (world) => world.make(id, timeout))),
  onPair('add', (world, { real, model }, cache, modelCache) =>
    world.both(
      'add',
      () => cache.add(real),
      () => alive(model, () => modelCache.add(model)),
    ),
  ),
  onPair('add again', (world, { real, model }, cache, modelCache) => {
    world.both(
      'add',
      () => cache.add(real),
      () => alive(model, () => modelCache.add(model)),
    );
    world.both(
      'add',
      () => cache.add(real),
      () => alive(model, () => modelCache.add(model)),
    );
  }),
  onPair('remove', (world, { real, model }, cache, modelCache) =>
    world.both(
      'remove',
      () => cache.remove(real),
      () => alive(model, () => modelCache.remove(model)),
    ),
  ),
  onPair('acquire', (world, { model }, cache, modelCache) => {
    const [version, id] = model.key.split('/') as [string, string];
    const bytes = id === '' ? new Uint8Array(0) : idOf(Number(id));
    const there = modelCache.find(model.key) !== null;
    same('has', cache.has(Number(version), bytes), there);
    const found = cache.acquire(Number(version), bytes, 'test');
    const modelFound = modelCache.use(model.key);
    same('found', found, modelFound === null ? null : world.realOf.get(modelFound));
    found?.release('test');
  }),
  onPair('up_ref', (world, { real, model }) =>
    world.both(
      'up_ref',
      () => real.upRef(),
      () => alive(model, () => model.app++ >= 0),
    ),
  ),
  onPair('free', (world, { real, model }) =>
    world.both(
      'free',
      () => real.free(),
      () => free(model),
    ),
  ),
  onPair('dup', (world, { real, model }) => {
    if (model.ended) return;
    world.meet(real.dup(), { ...model, label: `${model.label}+`, app: 1, lib: 0, owner: null });
  }),
  fc.tuple(which, seconds).map(([i, timeout]) =>
    command(`set timeout s${i} ${timeout}`, (world) => {
      const pair = world.pair(i);
      if (pair === null || pair.model.ended) return;
      pair.model.timeoutSec = world.unlike(timeout);
      pair.real.setTimeoutSec(pair.model.timeoutSec, 'test');
    }),
  ),
  fc.tuple(which, fc.integer({ min: -10, max: 10 })).map(([i, off]) =>
    command(`set time s${i} ${off}`, (world) => {
      const pair = world.pair(i);
      if (pair === null || pair.model.ended) return;
      pair.real.setTimeMs(NOON + off * 1000, 'test');
      pair.model.timeMs = NOON + off * 1000;
    }),
  ),
  fc.nat(400).map((s) => command(`pass ${s} s`, (world) => world.clock.passSec(s))),
  fc.tuple(at, fc.nat(5)).map(([c, size]) =>
    command(`size ${size} cache ${c}`, (world) => {
      (world.real[c] as SessionContext).size = size;
      (world.model[c] as ModelCache).size = size;
    }),
  ),
  fc.tuple(at, fc.boolean()).map(([c, on]) =>
    command(`update time ${on} cache ${c}`, (world) => {
      (world.real[c] as SessionContext).mode = on ? 0x403 : 3;
      (world.model[c] as ModelCache).mode = on ? 0x400 : 0;
    }),
  ),
  fc.tuple(at, fc.integer({ min: -400, max: 400 })).map(([c, off]) =>
    command(`flush cache ${c} at ${off} s`, (world) => {
      const now = world.clock.wall + off * 1000;
      world.both(
        'flush',
        () => world.real[c]?.flush(now),
        () => world.model[c]?.flush(now),
      );
    }),
  ),
  at.map((c) =>
    command(`clear cache ${c}`, (world) =>
      world.both(
        'clear',
        () => world.real[c]?.clear(),
        () => world.model[c]?.flush(null),
      ),
    ),
  ),
  onPair('looked up', (world, { model }, cache, modelCache) => {
    const [version, id] = model.key.split('/') as [string, string];
    const bytes = id === '' ? new Uint8Array(0) : idOf(Number(id));
    const found = cache.lookup(Number(version), bytes) as LookupResult;
    const wanted = modelCache.lookup(model.key);
    if (typeof wanted === 'string') {
      same('look-up', found.session ?? found.reason, wanted);
      return;
    }
    // What the get callback gave may have been met nowhere else yet.
    same('look-up', found.session, world.realOf.get(wanted));
    found.session?.release('test');
    drop(wanted);
  }),
  onPair('made by a handshake', (world, { real, model }, cache, modelCache) =>
    world.both(
      'established',
      () => cache.established(real, HANDSHAKE),
      () => alive(model, () => modelCache.established(model)),
    ),
  ),
  fc
    .tuple(at, fc.constantFrom(...MISBEHAVIOURS), fc.constantFrom(...ANSWERS), which)
    .map(([c, how, answers, other]) =>
      command(`new and get callback of cache ${c} ${how}, ${answers}`, (world) =>
        world.misbehaveAsked(c, how, answers, other),
      ),
    ),
  fc
    .tuple(at, fc.constantFrom(...MISBEHAVIOURS), which)
    .map(([c, how, other]) =>
      command(`callback of cache ${c} ${how}`, (world) => world.misbehave(c, how, other)),
    ),
];

/** More sessions and more of them in a cache: programs get to the interesting states sooner. */
const weighted = [...commands, ...commands.slice(0, 2), ...commands.slice(0, 2), ...commands.slice(0, 2)];

describe('the cache and its model', () => {
  it(`agree over ${RUNS} programs`, { timeout: 300_000 }, () => {
    fc.assert(
      fc.property(fc.commands(weighted, { maxCommands: 60, size: 'max' }), (program) => {
        const world = new World();
        try {
          fc.modelRun(() => ({ model: {}, real: world }), program);
        } finally {
          world.end();
        }
      }),
      { numRuns: RUNS, ...(process.env['CI'] ? { seed: 20_261_123 } : {}) },
    );
  });

  it('compares references with a model that counts as it does', () => {
    // The model's own counting, so that a fault there does not hide one here.
    const world = new World();
    world.make(3, 300);
    const { model } = world.pair(0) as Pair;
    (world.model[0] as ModelCache).add(model);
    same('library', model.lib, 1);
    drop(model);
    free(model);
    same('ended', model.ended, true);
    world.end();
  });
});
