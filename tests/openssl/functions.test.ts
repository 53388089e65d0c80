import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as openssl from '../../src/entry/openssl.ts';
import { SESSION_FUNCTIONS, UPSTREAM_TESTS } from './functions.ts';

const root = join(import.meta.dirname, '../..');
const documentation = readFileSync(join(root, 'docs/openssl-api.md'), 'utf8');

describe("OpenSSL's session functions", () => {
  const functions = Object.values(SESSION_FUNCTIONS).flat();

  it('are all there, each once in the list, and none is a stub', () => {
    expect(new Set(functions).size).toBe(functions.length);
    expect(functions.length).toBeGreaterThan(150);
    const there = new Map(Object.entries(openssl));
    for (const name of functions) {
      const value = there.get(name);
      expect(typeof value, name).toBe('function');
      expect(`${value}`, name).not.toMatch(/not implemented|not there yet/i);
    }
  });

  it('have their rows in the documentation', () => {
    for (const name of functions) expect(documentation, name).toContain(`| \`${name}\` |`);
  });
});

describe("OpenSSL's own tests", () => {
  const folder = join(import.meta.dirname, 'upstream');
  const there = readdirSync(folder)
    .filter((file) => file.endsWith('.test.ts'))
    .flatMap((file) =>
      [...readFileSync(join(folder, file), 'utf8').matchAll(/^upstream\('([^']+)', (\d+),/gm)].map(
        ([, name, cases]) => ({ name, cases: Number(cases), file }),
      ),
    );
  const documented = [
    ...documentation.matchAll(/^\| `([\w-]+)` \| (\d+) \| `tests\/openssl\/upstream\/([\w.-]+)` \|/gm),
  ].map(([, name, cases, file]) => ({ name, cases: Number(cases), file }));

  it('are all here under their names', () => {
    expect(there.map(({ name }) => name).sort()).toEqual([...UPSTREAM_TESTS].sort());
  });

  it('are in the documentation with the counts of cases that there are', () => {
    const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }): number =>
      (a.name ?? '') < (b.name ?? '') ? -1 : 1;
    expect(documented.sort(byName)).toEqual(there.sort(byName));
  });
});
