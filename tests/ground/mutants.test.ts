/** The mutants of tests/mutants have their place in the sources; `npm run mutants` shows that each is noticed. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Change {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}
interface Mutant {
  readonly name: string;
  readonly lessons: readonly string[];
  readonly red: readonly { readonly file: string; readonly name: string }[];
  readonly changes: readonly Change[];
}

const root = join(import.meta.dirname, '../..');
const { applyChange, parseMutant, readMutants, withMutantTable } = (await import(
  /* @vite-ignore */ join(root, 'scripts/lib/mutants.mjs')
)) as {
  applyChange: (change: Change, source: string) => string;
  parseMutant: (name: string, text: string) => Mutant;
  readMutants: (folder: string) => readonly Mutant[];
  withMutantTable: (readme: string, mutants: readonly Mutant[]) => string;
};
const mutants = readMutants(join(root, 'tests/mutants'));

/** What users of OpenSSL ran into, and the CVEs of session confusion. */
const LESSONS = [
  ...[12814, 12898, 15288, 6222, 31540, 28632, 20848, 24629, 6561, 10441, 24042, 18690, 18810, 18905],
  ...[2361, 3761, 5932, 19687, 30456, 20286, 23388, 1550, 4720, 11378, 6342, 6904, 7948, 6313, 6389, 16598],
  ...[10714, 8517, 17964, 17948, 32226, 32240, 32808, 31395, 32227, 28267, 29771, 31964, 13673, 13745, 17822],
  'apache/trafficserver#8330',
  'curl/curl#14751',
  'nodejs/node#1465',
  'golang/go#25256',
  'nginx/nginx#493',
  'oven-sh/bun#42998',
  'nginx CVE-2025-23419',
  'Apache CVE-2025-23048',
  'Go CVE-2025-68121',
  'GHSA-gv8r-9rw9-9697',
  'HAProxy #3195',
  'Node CVE-2026-48934',
  'CVE-2024-2511',
].map((lesson) => (typeof lesson === 'number' ? `#${lesson}` : lesson));

describe('a mutant', () => {
  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s has its place', (_, mutant) => {
    for (const file of new Set(mutant.changes.map((change) => change.file))) {
      const source = readFileSync(join(root, file), 'utf8');
      const changed = mutant.changes
        .filter((change) => change.file === file)
        .reduce((text, change) => applyChange(change, text), source);
      expect(changed).not.toBe(source);
    }
    for (const { file } of mutant.red) expect(existsSync(join(root, file)), file).toBe(true);
  });

  it('is there for every lesson', () => {
    const lessons = mutants.flatMap((mutant) => mutant.lessons).join('; ');
    const missing = LESSONS.filter((lesson) => !new RegExp(`${lesson}(?!\\d)`).test(lessons));
    expect(missing).toEqual([]);
  });

  it('stands in the table of the README', () => {
    const readme = readFileSync(join(root, 'tests/mutants/README.md'), 'utf8');
    expect(readme).toBe(withMutantTable(readme, mutants));
  });

  it('finds its text however that is broken into lines, and exactly once', () => {
    const change = { file: 'f.ts', find: 'if (a.b) return [1];', put: '' };
    expect(applyChange(change, 'x;\nif (a.b)\n  return [1];\ny;')).toBe('x;\n\ny;');
    expect(() => applyChange(change, 'if (aXb) return [1];')).toThrow('f.ts holds this no longer');
    expect(() => applyChange(change, 'if (a.b) return [1]; if (a.b) return [1];')).toThrow('2 times');
  });

  it.each([
    ['nothing to break', 'lesson: a\nfault: b\nred: c > d\n'],
    ['a change without a file', 'lesson: a\nfault: b\nred: c > d\n<<<<\nx\n====\n>>>>\n'],
    ['a change without an end', 'lesson: a\nfault: b\nred: c > d\nfile: e\n<<<<\nx\n====\n'],
    ['a test without a file', 'lesson: a\nfault: b\nred: c\nfile: e\n<<<<\nx\n====\n>>>>\n'],
    ['a line of another kind', 'lesson: a\nfault: b\nhello\n'],
  ])('is refused with %s', (_, text) => {
    expect(() => parseMutant('one', text)).toThrow('tests/mutants/one.mutant');
  });
});
