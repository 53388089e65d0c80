import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A number as the modules' files have it. @param {number} value */
export const address = (value) => `0x${value.toString(16).padStart(3, '0')}`;

/**
 * Writes a module and its layout to src/crypto/`room`/module.ts; with the argument `--check` it only compares, and has
 * the process fail if they are not what is there.
 * @param {string} script the name of the file that asks
 * @param {string} room @param {string} layout TypeScript that exports it @param {Uint8Array} module
 */
export function writeModule(script, room, layout, module) {
  const lines =
    Buffer.from(module)
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  const text = `// Written by scripts/${script}, where the functions and the layout are explained: do not edit.

${layout}
/** The module, ${module.length} bytes, in base64. */
export const MODULE: string =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;
  const path = `src/crypto/${room}/module.ts`;
  const file = join(import.meta.dirname, '../..', path);
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (readFileSync(file, 'utf8') !== text) {
    console.error(`${path} is not what scripts/${script} makes`);
    process.exitCode = 1;
  }
}
