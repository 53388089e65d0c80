// Holds src/ to the layer table, and package.json "exports" to src/entry. `--root DIR` checks another tree.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkBoundaries } from './lib/boundaries.mjs';
import { exportsDiffer } from './lib/exports.mjs';

const { values } = parseArgs({ options: { root: { type: 'string' } } });
const root = values.root ?? join(import.meta.dirname, '..');
const violations = checkBoundaries(root);
for (const { file, line, rule, text } of violations) console.error(`${file}:${line}: [${rule}] ${text}`);
const exportsProblem = exportsDiffer(root);
if (exportsProblem) console.error(`package.json: [exports] ${exportsProblem}`);
if (violations.length > 0 || exportsProblem) process.exitCode = 1;
else console.log('boundaries: src/ keeps to the layer table');
