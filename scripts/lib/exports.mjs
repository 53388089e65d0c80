/** package.json "exports" follows src/entry: one file there, one public entry. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/** @param {string} root @returns {Record<string, string | { types: string, default: string }>} */
export function exportsFromEntries(root) {
  const folder = join(root, 'src/entry');
  const names = existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
        .map((entry) =>
          relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/').slice(0, -3),
        )
    : [];
  names.sort((a, b) => (a === 'index' ? -1 : b === 'index' ? 1 : a < b ? -1 : 1));
  /** @type {ReturnType<typeof exportsFromEntries>} */
  const result = {};
  for (const name of names) {
    result[name === 'index' ? '.' : `./${name}`] = {
      types: `./dist/entry/${name}.d.ts`,
      default: `./dist/entry/${name}.js`,
    };
  }
  result['./package.json'] = './package.json';
  return result;
}

/** What differs between package.json and src/entry, in words; empty when they agree. @param {string} root */
export function exportsDiffer(root) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const wanted = JSON.stringify(exportsFromEntries(root));
  const found = JSON.stringify(manifest.exports);
  return wanted === found
    ? ''
    : 'package.json "exports" does not follow src/entry: run `node scripts/sync-exports.mjs` and commit';
}
