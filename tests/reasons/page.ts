/** docs/diagnostics.md, as the tests hold it to the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const page: string = readFileSync(join(import.meta.dirname, '../../docs/diagnostics.md'), 'utf8');

export interface ReasonRow {
  readonly reason: string;
  readonly text: string;
  /** The ends at which it can occur. */
  readonly at: readonly string[];
  readonly todo: string;
}

/** The text under a heading of the second level. */
export function section(heading: string): string {
  const start = page.indexOf(`\n## ${heading}\n`);
  if (start < 0) throw new Error(`docs/diagnostics.md has no heading ${heading}`);
  return page.slice(start + 1).split('\n## ')[0] as string;
}

/** Rows of a table of reasons: reason, sentence, ends, what to do. */
export function reasonRows(heading: string): ReasonRow[] {
  const rows = [...section(heading).matchAll(/^\| `([\w-]+)` \| ([^|]*) \| ([\w, ]+) \| ([^|]*) \|$/gm)];
  return rows.map(([, reason = '', text = '', at = '', todo = '']) => ({
    reason,
    text,
    at: at.split(', '),
    todo,
  }));
}

export function documentedEnds(heading: string): Map<string, readonly string[]> {
  return new Map(reasonRows(heading).map(({ reason, at }) => [reason, at]));
}
