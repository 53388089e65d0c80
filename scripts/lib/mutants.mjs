/**
 * The form of `tests/mutants/*.mutant`, and how one is put into a source. A mutant names the exact text that it
 * replaces, so that it fails loudly when that text is gone; how the text is broken into lines does not matter,
 * since the formatter decides that.
 *
 *     lesson: openssl/openssl#20848
 *     fault: dup keeps the owner
 *     red: src/session/core.test.ts > copies what OpenSSL copies
 *     file: src/session/core.ts
 *     <<<<
 *     the text, which is there exactly once
 *     ====
 *     what takes its place
 *     >>>>
 *
 * `lesson`, `red` and `file` with its text may come several times: each test named has to fail.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @typedef {{ file: string, find: string, put: string }} Change
 * @typedef {{ file: string, name: string }} NamedTest a file, and a part of the full name of a test in it
 * @typedef {{ name: string, lessons: string[], fault: string, red: NamedTest[], changes: Change[] }} Mutant
 */

/** @param {string} folder @returns {Mutant[]} by name */
export function readMutants(folder) {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.mutant'))
    .sort()
    .map((file) => parseMutant(file.replace(/\.mutant$/, ''), readFileSync(join(folder, file), 'utf8')));
}

/** @param {string} name @param {string} text @returns {Mutant} */
export function parseMutant(name, text) {
  /** @type {Mutant} */
  const mutant = { name, lessons: [], fault: '', red: [], changes: [] };
  const bad = (/** @type {string} */ what) => new Error(`tests/mutants/${name}.mutant: ${what}`);
  const lines = text.split('\n');
  let file = '';
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (line === '<<<<') {
      const middle = lines.indexOf('====', i);
      const end = lines.indexOf('>>>>', i);
      if (file === '' || middle < 0 || end < middle)
        throw bad(`line ${i + 1}: a change is file, <<<<, ====, >>>>`);
      mutant.changes.push({
        file,
        find: lines.slice(i + 1, middle).join('\n'),
        put: lines.slice(middle + 1, end).join('\n'),
      });
      i = end;
      continue;
    }
    const [, key, value = ''] = /^(\w+): (.+)$/.exec(line) ?? [];
    if (key === 'lesson') mutant.lessons.push(value);
    else if (key === 'fault') mutant.fault = value;
    else if (key === 'file') file = value;
    else if (key === 'red') {
      const at = value.indexOf(' > ');
      if (at < 0) throw bad(`line ${i + 1}: red is FILE > NAME`);
      mutant.red.push({ file: value.slice(0, at), name: value.slice(at + 3) });
    } else throw bad(`line ${i + 1} is not understood`);
  }
  const { lessons, fault, red, changes } = mutant;
  if (lessons.length * fault.length * red.length * changes.length === 0) {
    throw bad('it takes a lesson, a fault, a test that turns red, and a change');
  }
  return mutant;
}

/** @param {Change} change @param {string} source @returns {string} @throws when the text is not there exactly once */
export function applyChange({ file, find, put }, source) {
  const pattern = find
    .trim()
    .split(/\s+/)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('\\s+');
  const found = [...source.matchAll(new RegExp(pattern, 'g'))];
  const [first] = found;
  if (found.length !== 1 || first === undefined) {
    const times = found.length === 0 ? 'no longer' : `${found.length} times`;
    throw new Error(`${file} holds this ${times}:\n${find}`);
  }
  const end = first.index + first[0].length;
  return source.slice(0, first.index) + put.trim() + source.slice(end);
}

/** The table of tests/mutants/README.md. @param {Mutant[]} mutants */
export function mutantTable(mutants) {
  const rows = mutants.map(({ name, lessons, fault, red }) => {
    const tests = red.map(({ file, name }) => `\`${file}\`: ${name}`).join('<br>');
    return `| ${lessons.join('; ')} | \`${name}\`: ${fault} | ${tests} |`;
  });
  return ['| lesson | mutant: the fault | tests that turn red |', '|---|---|---|', ...rows.sort()].join('\n');
}

/** @param {string} readme @param {Mutant[]} mutants @returns {string} the text with the table as it should be */
export function withMutantTable(readme, mutants) {
  return readme.replace(
    /(<!-- mutants -->\n)[\s\S]*?(<!-- \/mutants -->)/,
    (_, before, after) => `${before}${mutantTable(mutants)}\n${after}`,
  );
}
