// Writes package.json "exports" from src/entry.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportsFromEntries } from './lib/exports.mjs';

const root = join(import.meta.dirname, '..');
const path = join(root, 'package.json');
const manifest = JSON.parse(readFileSync(path, 'utf8'));
manifest.exports = exportsFromEntries(root);
writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
