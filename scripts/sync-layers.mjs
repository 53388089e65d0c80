// Writes the layer table into ARCHITECTURE.md; with --check only says whether it stands there.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layersAsMarkdown } from './lib/layers.mjs';

const path = join(import.meta.dirname, '../ARCHITECTURE.md');
const marks = /(<!-- layers -->\n)[\s\S]*?(<!-- \/layers -->)/;
const text = readFileSync(path, 'utf8');
if (!marks.test(text)) throw new Error('ARCHITECTURE.md has lost the marks of its layer table');
const wanted = text.replace(marks, (_, open, close) => `${open}${layersAsMarkdown()}\n${close}`);
if (!process.argv.includes('--check')) {
  writeFileSync(path, wanted);
} else if (wanted !== text) {
  console.error(
    'ARCHITECTURE.md does not quote the layer table: run `node scripts/sync-layers.mjs` and commit',
  );
  process.exitCode = 1;
}
