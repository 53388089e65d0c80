/**
 * What every benchmark shares. Ours and the peers take turns within one run, in CPU time, so that a machine
 * that is busy or slow weighs on both alike; a figure is the median of the rounds.
 */

export interface Plan {
  /** Rounds that count; one more is run first to warm up. */
  readonly rounds: number;
  /** A few iterations only, to show that the benchmark runs: its figures say nothing. */
  readonly smoke: boolean;
  /** What a row's name must contain to be measured, where a benchmark can leave rows out; empty for all. */
  readonly only: string;
  /** Progress for a person, on stderr. */
  readonly say: (text: string) => void;
}

export interface Row {
  readonly what: string;
  /** The unit of the medians, e.g. `ns`. */
  readonly unit: string;
  /** Null where ours is not there yet. */
  readonly ours: number | null;
  readonly peer: string;
  readonly theirs: number;
  /** Ours ÷ theirs, of the medians. */
  readonly ratio: number | null;
  /** The lowest and highest ratio that any one round gave. */
  readonly spread: readonly [number, number] | null;
  /** The ratio to reach; null where it is only reported. */
  readonly target: number | null;
  /** A rate: more is better, and `target` is the least that the ratio may be. */
  readonly atLeast?: boolean;
}

export interface Report {
  readonly title: string;
  readonly rows: readonly Row[];
  /** Versions and circumstances that a reader of the figures needs. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** The figures as a picture (SVG), with a date to put on it. */
  readonly plot?: (date: string) => string;
}

export type Benchmark = (plan: Plan) => Promise<Report>;

/** One run of a subject, giving what one operation cost. */
export type Subject = () => number | Promise<number>;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new RangeError('the median of nothing');
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** Runs every subject once a round, in an order that turns round each time; the first round only warms up. */
export async function takeTurns<Name extends string>(
  plan: Plan,
  subjects: Readonly<Record<Name, Subject>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(subjects) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const rounds = plan.smoke ? 1 : plan.rounds;
  for (let round = plan.smoke ? 1 : 0; round <= rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const sample = await subjects[name]();
      if (round > 0) samples[name].push(sample);
    }
  }
  return samples;
}

/** The row of one comparison. The samples of a round stand at the same index in both. */
export function compare(
  what: string,
  unit: string,
  ours: readonly number[] | null,
  peer: string,
  theirs: readonly number[],
  target: number | null,
): Row {
  const theirMedian = median(theirs);
  if (!ours) return { what, unit, ours: null, peer, theirs: theirMedian, ratio: null, spread: null, target };
  const ratios = ours.map((value, round) => value / (theirs[round] ?? Number.NaN));
  const ourMedian = median(ours);
  return {
    what,
    unit,
    ours: ourMedian,
    peer,
    theirs: theirMedian,
    ratio: ourMedian / theirMedian,
    spread: [Math.min(...ratios), Math.max(...ratios)],
    target,
  };
}

/** CPU nanoseconds of this whole process, all threads: the collector's and the compiler's work counts too. */
export function cpuNs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** A subject that runs `body` (which loops by itself) and gives CPU nanoseconds an operation. */
export function timed(count: number, body: (count: number) => void): Subject {
  return () => {
    const began = cpuNs();
    body(count);
    return (cpuNs() - began) / count;
  };
}

function figure(value: number): string {
  if (value >= 1000) return value.toFixed(0);
  return value >= 100 ? value.toFixed(1) : value.toFixed(2);
}

/** Met or missed, or nothing to reach. */
export function verdict({ ratio, target, atLeast }: Row): string {
  if (ratio === null) return 'ours is not there yet';
  if (target === null) return 'report';
  const short = atLeast ? 1 - ratio / target : ratio / target - 1;
  return short <= 0 ? 'met' : `missed by ${(short * 100).toFixed(0)} %`;
}

/** A table in plain text. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(cell.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 || column === cells.length - 1
          ? cell.padEnd(widths[column] ?? 0)
          : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** The report as text. The figures of a smoke run are not judged. */
export function render({ title, rows, facts }: Report, smoke: boolean): string {
  const body = rows.map((row) => [
    row.what,
    row.unit,
    row.ours === null ? '–' : figure(row.ours),
    row.peer,
    figure(row.theirs),
    row.ratio === null ? '–' : row.ratio.toFixed(3),
    row.spread === null ? '–' : row.spread.map((value) => value.toFixed(2)).join('–'),
    row.target === null ? '–' : `${row.atLeast ? '≥' : '≤'} ${row.target}`,
    smoke ? '' : verdict(row),
  ]);
  const head = ['', 'unit', 'ours', 'peer', 'theirs', 'ratio', 'spread', 'target', ''];
  const about = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  return [title, ...about.map((line) => `  ${line}`), '', table(head, body)].join('\n');
}
