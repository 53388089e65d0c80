/** The context's cache beside libssl's, at four sizes. The C half is bench/c/cache.c, which says what is done. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { CacheMode } from '../src/cache/modes.ts';
import { SessionContext } from '../src/cache/session-context.ts';
import { Field } from '../src/session/body.ts';
import type { SessionCore } from '../src/session/core.ts';
import { decodeSession } from '../src/session/der.ts';
import { compileC } from './compile.ts';
import { compare, cpuNs, median, type Plan, type Report, type Row } from './harness.ts';
import { logLogPlot, type Series } from './plot.ts';
import { root } from './root.ts';

const FIGURES = ['bytes', 'add', 'add-mixed', 'find', 'remove', 'flush', 'life'] as const;
type Figure = (typeof FIGURES)[number];
type Figures = Record<Figure, number>;

const WHAT: Record<Figure, string> = {
  bytes: 'bytes an entry, session included, certificate shared',
  add: 'add, one timeout for all',
  'add-mixed': 'add, two timeouts mixed',
  find: 'find, against SSL_has_matching_session_id',
  remove: 'remove',
  flush: 'flush of half, an entry that only the cache holds',
  life: 'a whole life: made, added, flushed; and collected',
};

interface Size {
  readonly entries: number;
  /** Caches measured one after the other, so that a figure is of some milliseconds at least. */
  readonly contexts: number;
  /** Sessions added to the full cache, where libssl takes its time. */
  readonly probes: { readonly ours: number; readonly theirs: number };
  /** No more rounds than this, however many are asked for. */
  readonly maxRounds: number;
  readonly targets: Partial<Figures>;
}

const TARGETS = { add: 3, find: 3, remove: 3, flush: 1, bytes: 1 };
const SIZES: readonly Size[] = [
  { entries: 1_000, contexts: 60, probes: { ours: 400, theirs: 400 }, maxRounds: 99, targets: TARGETS },
  {
    entries: 20_480,
    contexts: 4,
    probes: { ours: 10_000, theirs: 400 },
    maxRounds: 99,
    targets: { ...TARGETS, 'add-mixed': 0.1 },
  },
  {
    entries: 200_000,
    contexts: 1,
    probes: { ours: 20_000, theirs: 100 },
    maxRounds: 5,
    targets: { ...TARGETS, 'add-mixed': 0.01 },
  },
  {
    entries: 1_000_000,
    contexts: 1,
    probes: { ours: 20_000, theirs: 20 },
    maxRounds: 3,
    targets: TARGETS,
  },
];

/** Rounds before the first size, which is small: until the compiler has seen all. */
const WARM_UP = 3;

const NOW_MS = 1_700_000_000_000;
const SHORT_SEC = 300;
const LONG_SEC = 7200;
const ID_WORDS = 8;
const VERSION = 0x0304;
const clock = { wallMs: (): number => NOW_MS, monotonicMs: (): number => 0 };

function collect(): void {
  if (globalThis.gc === undefined) throw new Error('run with --expose-gc');
  globalThis.gc();
}

/** Waits until the collector's and the compiler's threads have nothing left to do: on a busy machine that is a while. */
function rest(): void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let quiet = 0, turns = 0; quiet < 3 && turns < 500; turns++) {
    const began = cpuNs();
    Atomics.wait(never, 0, 0, 10);
    quiet = cpuNs() - began < 100_000 ? quiet + 1 : 0;
  }
}

/**
 * CPU nanoseconds of a step, begun with a clean heap and the collector's threads at rest. What the collector
 * does afterwards with what a step let go is not in it: libssl frees at once, and so the figure `life` goes
 * from the first byte to the last.
 */
function timed(step: () => void): number {
  collect();
  rest();
  const began = cpuNs();
  step();
  return cpuNs() - began;
}

/** What the process has taken from the system for data: V8's heap and what lies outside it. */
function heldBytes(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

class Ours {
  readonly #template: SessionCore;
  /**
   * Stands through all rounds, as in a program that lives. When the last object of a shape is collected, V8
   * throws away the code that was compiled for it.
   */
  readonly #standing: SessionContext;
  #state = 0x9e3779b9;

  constructor(der: Uint8Array) {
    this.#template = decodeSession(der, NOW_MS);
    this.#standing = this.#context();
    this.#addGivenAway(this.#standing, LONG_SEC);
  }

  [Symbol.dispose](): void {
    this.#standing.clear();
    this.#template.free();
  }

  #random(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }

  #make(timeoutSec: number): SessionCore {
    const session = this.#template.dup();
    const id = new Uint8Array(32);
    const view = new DataView(id.buffer);
    for (let i = 0; i < 32; i += 4) view.setUint32(i, this.#random());
    session.setField(Field.id, id, 'bench');
    session.setTimeMs(NOW_MS, 'bench');
    session.setTimeoutSec(timeoutSec, 'bench');
    return session;
  }

  #context(): SessionContext {
    const seed = new Uint8Array(8).map(() => this.#random());
    return new SessionContext({ seed, clock, size: 0, mode: CacheMode.BOTH | CacheMode.NO_AUTO_CLEAR });
  }

  #addGivenAway(context: SessionContext, timeoutSec: number): void {
    const session = this.#make(timeoutSec);
    context.add(session);
    session.free();
  }

  #shuffle(sessions: SessionCore[]): void {
    for (let i = sessions.length - 1; i > 0; i--) {
      const j = this.#random() % (i + 1);
      [sessions[i], sessions[j]] = [sessions[j] as SessionCore, sessions[i] as SessionCore];
    }
  }

  run(entries: number, count: number, probes: number): Figures {
    const before = heldBytes();
    const kept = this.#context();
    for (let i = 0; i < entries; i++) this.#addGivenAway(kept, SHORT_SEC);
    const bytes = (heldBytes() - before) / entries;
    kept.clear();

    const batch = (size: number, make: () => SessionCore): SessionCore[] =>
      Array.from({ length: size }, make);
    const batches = Array.from({ length: count }, () => ({
      context: this.#context(),
      sessions: batch(entries, () => this.#make(SHORT_SEC)),
      // One after the other in memory, as the C half has them.
      ids: new Int32Array(entries * ID_WORDS),
    }));
    const add =
      timed(() => {
        for (const { context, sessions } of batches) for (const session of sessions) context.add(session);
      }) /
      (entries * count);

    for (const each of batches) {
      this.#shuffle(each.sessions);
      const bytes = new Uint8Array(each.ids.buffer);
      each.sessions.forEach((session, i) => {
        bytes.set(session.field(Field.id, 'bench'), i * 32);
      });
    }
    const words = new Int32Array(ID_WORDS);
    const id = new Uint8Array(words.buffer);
    const passes = entries < 20_000 ? Math.floor(20_000 / entries) : 1;
    let found = 0;
    const find =
      timed(() => {
        for (const { context, ids } of batches) {
          for (let pass = 0; pass < passes; pass++) {
            for (let at = 0; at < ids.length; at += ID_WORDS) {
              for (let i = 0; i < ID_WORDS; i++) words[i] = ids[at + i] as number;
              if (context.has(VERSION, id)) found++;
            }
          }
        }
      }) /
      (entries * count * passes);
    if (found !== entries * count * passes) throw new Error('not every session was found');

    for (const { sessions } of batches) this.#shuffle(sessions);
    const remove =
      timed(() => {
        for (const { context, sessions } of batches) for (const session of sessions) context.remove(session);
      }) /
      (entries * count);
    for (const { context, sessions } of batches) {
      if (context.number !== 0) throw new Error('not every session was removed');
      for (const session of sessions) session.free();
    }
    batches.length = 0;

    const mixed = Array.from({ length: count }, () => {
      const context = this.#context();
      for (let i = 0; i < entries; i++) this.#addGivenAway(context, i < entries / 2 ? SHORT_SEC : LONG_SEC);
      let made = 0;
      return { context, sessions: batch(probes, () => this.#make(made++ % 2 === 0 ? SHORT_SEC : LONG_SEC)) };
    });
    const addMixed =
      timed(() => {
        for (const { context, sessions } of mixed) for (const session of sessions) context.add(session);
      }) /
      (probes * count);
    for (const { context, sessions } of mixed) {
      for (const session of sessions) {
        context.remove(session);
        session.free();
      }
    }
    let flushed = 0;
    const flushing = timed(() => {
      for (const { context } of mixed) flushed += context.flush(NOW_MS + (LONG_SEC - 1) * 1000);
    });
    for (const { context } of mixed) context.clear();
    mixed.length = 0;

    const life =
      timed(() => {
        for (let i = 0; i < count; i++) {
          const context = this.#context();
          for (let j = 0; j < entries; j++) this.#addGivenAway(context, SHORT_SEC);
          context.flush(NOW_MS + (LONG_SEC - 1) * 1000);
        }
        collect();
      }) /
      (entries * count);
    return { bytes, add, 'add-mixed': addMixed, find, remove, flush: flushing / flushed, life };
  }
}

/** libssl's figures, and its version. */
function theirs(derFile: string, entries: number, contexts: number, probes: number): [Figures, string] {
  const program = compileC('cache');
  const lines = execFileSync(program, [derFile, entries, contexts, probes].map(String), { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, string]);
  const figures = Object.fromEntries(lines.map(([name, figure]) => [name, Number(figure)])) as Figures;
  return [figures, (lines.at(-1) as [string, string])[0]];
}

/** A session that libssl made, as the other benchmark's C half hands it out. */
function templateDer(): Uint8Array {
  const hex = execFileSync(compileC('session'), { input: 'der\n', encoding: 'utf8' }).trim();
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

export async function cache(plan: Plan): Promise<Report> {
  // Code that has not run for a few collections is thrown away, and here each step begins with one: without
  // this it would begin with the compiler too.
  setFlagsFromString('--no-flush-bytecode');
  const der = templateDer();
  const derFile = join(root, '.cache/bench/session.der');
  writeFileSync(derFile, der);
  using ours = new Ours(der);
  const rows: Row[] = [];
  const growth: { entries: number; ours: Figures; theirs: Figures }[] = [];
  let version = '';

  for (const size of plan.smoke ? SIZES.slice(0, 1) : SIZES) {
    const entries = plan.smoke ? 100 : size.entries;
    const contexts = plan.smoke ? 1 : size.contexts;
    const rounds = plan.smoke ? 1 : Math.min(plan.rounds, size.maxRounds);
    const samples: { ours: Figures[]; theirs: Figures[] } = { ours: [], theirs: [] };
    // The first round only warms up; before all others, so does the compiler.
    const first = plan.smoke ? 1 : growth.length === 0 ? -WARM_UP : 0;
    for (let round = first; round <= rounds; round++) {
      plan.say(`${entries} sessions, ${round <= 0 ? 'warming up' : `round ${round} of ${rounds}`}`);
      const turns = [
        () => samples.ours.push(ours.run(entries, contexts, size.probes.ours)),
        () => {
          const [figures, which] = theirs(derFile, entries, contexts, size.probes.theirs);
          samples.theirs.push(figures);
          version = which;
        },
      ];
      for (const turn of round % 2 === 0 ? turns : turns.reverse()) turn();
      if (round <= 0) {
        samples.ours.length = 0;
        samples.theirs.length = 0;
      }
    }
    const medians = (all: readonly Figures[]): Figures =>
      Object.fromEntries(
        FIGURES.map((figure) => [figure, median(all.map((each) => each[figure]))]),
      ) as Figures;
    growth.push({ entries, ours: medians(samples.ours), theirs: medians(samples.theirs) });
    for (const figure of FIGURES) {
      rows.push(
        compare(
          `${entries.toLocaleString('en')}: ${WHAT[figure]}`,
          figure === 'bytes' ? 'B' : 'ns',
          samples.ours.map((each) => each[figure]),
          'libssl',
          samples.theirs.map((each) => each[figure]),
          size.targets[figure] ?? null,
        ),
      );
    }
  }
  if (!plan.smoke) rows.push(...growthRows(growth));

  return {
    title: "cache: the context's cache beside libssl's",
    rows,
    facts: { libssl: version, 'DER bytes of a session': der.length },
    plot: (date) =>
      logLogPlot(
        `An operation on a full cache (${date.slice(0, 10)})`,
        'sessions',
        'CPU ns',
        seriesOf(growth),
      ),
  };
}

/**
 * From 1,000 to 1,000,000 entries any structure leaves the processor's caches. What that alone costs is measured
 * by libssl's same operation, which takes the same few steps at any size; insertion out of order does not, and
 * stands beside its insertion at the end of the list. A structure that is logarithmic takes log 1,000,000 ÷
 * log 1,000 = 2 times as many steps on top of it.
 */
function growthRows(growth: readonly { entries: number; ours: Figures; theirs: Figures }[]): Row[] {
  const first = growth[0];
  const last = growth.at(-1);
  if (first === undefined || last === undefined) return [];
  return (['add', 'add-mixed', 'find', 'remove', 'flush', 'life'] as const).map((figure) => {
    const beside = figure === 'add-mixed' ? 'add' : figure;
    return compare(
      `growth to ${last.entries.toLocaleString('en')}: ${WHAT[figure]}`,
      '×',
      [last.ours[figure] / first.ours[figure]],
      'libssl, constant time',
      [last.theirs[beside] / first.theirs[beside]],
      2,
    );
  });
}

function seriesOf(growth: readonly { entries: number; ours: Figures; theirs: Figures }[]): Series[] {
  const colours: [Exclude<Figure, 'bytes'>, string][] = [
    ['add', '#1b6ca8'],
    ['add-mixed', '#c0392b'],
    ['find', '#27ae60'],
    ['remove', '#8e44ad'],
    ['flush', '#d68910'],
    ['life', '#7f8c8d'],
  ];
  return colours.flatMap(([figure, colour]) => [
    {
      name: `${figure}, tlsession`,
      colour,
      points: growth.map((each) => [each.entries, each.ours[figure]] as const),
    },
    {
      name: `${figure}, libssl`,
      colour,
      dashed: true,
      points: growth.map((each) => [each.entries, each.theirs[figure]] as const),
    },
  ]);
}
