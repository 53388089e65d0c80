/** TypeScript as one file that any Node runs: Node 20 does not read it. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './prepare.mjs';

/**
 * Bundles a file with what it imports; packages stay outside. esbuild is loaded here and not before, since
 * `prepare` may have to install it.
 * @param {string} entry named from the root
 * @param {string} outfile named from the root
 * @param {import('esbuild').BuildOptions} [more]
 * @returns {Promise<string>} the path of what was made
 */
export async function bundle(entry, outfile, more = {}) {
  const path = join(root, outfile);
  mkdirSync(dirname(path), { recursive: true });
  const { build } = await import('esbuild');
  await build({
    entryPoints: [join(root, entry)],
    outfile: path,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
    ...more,
  });
  return path;
}
