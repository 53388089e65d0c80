import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as openssl from '../../src/entry/openssl.ts';

const root = join(import.meta.dirname, '../..');
const text = readFileSync(join(root, 'docs/openssl-api.md'), 'utf8');

const tables = text.slice(0, text.indexOf("## OpenSSL's own tests"));

/** | `name` | what | `file`: part of a test's title | */
const rows = [...tables.matchAll(/^\| `(\w+)` +\|([^|]*)\| (.*?) *\|$/gm)].map(
  ([, name = '', , where = '']) => ({ name, where }),
);

describe('docs/openssl-api.md', () => {
  it('has one row for every function that there is, and none for any other', () => {
    const functions = Object.entries(openssl)
      .filter(([, value]) => typeof value === 'function')
      .map(([name]) => name);
    expect(functions.length).toBeGreaterThan(70);
    expect(rows.map(({ name }) => name).sort()).toEqual(functions.sort());
    // Nothing in the tables escaped the pattern above.
    const lines = tables.split('\n').filter((line) => line.startsWith('| `'));
    expect(rows.length).toBe(lines.length);
  });

  it('names a test that exists, for every row', () => {
    for (const { name, where } of rows) {
      const [, file = '', title = ''] = /^`([^`]+)`: (.+)$/.exec(where) ?? [];
      expect(existsSync(join(root, file)), `${name}: ${where}`).toBe(true);
      expect(title.length, name).toBeGreaterThan(5);
      expect(readFileSync(join(root, file), 'utf8'), `${name}: ${title}`).toContain(title);
    }
  });
});
