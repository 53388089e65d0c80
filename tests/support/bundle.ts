/** A TypeScript file as one that any Node runs: for tests that need processes or threads of their own. */
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BuildOptions } from 'esbuild';
import { afterAll } from 'vitest';

const { bundle: bundleTo } = (await import(
  /* @vite-ignore */ join(import.meta.dirname, '../../scripts/lib/bundle.mjs')
)) as { bundle: (entry: string, outfile: string, more?: BuildOptions) => Promise<string> };

/**
 * Bundles a file, named from the root, with what it imports; packages stay outside. Returns the path, inside the
 * project, where the packages are found. Called at the top of a test's file, and there until that file is over.
 */
export async function bundle(file: string): Promise<string> {
  const outfile = `.cache/test-bundles/${basename(file, '.ts')}-${process.pid}.mjs`;
  const path = await bundleTo(file, outfile, { sourcemap: 'inline' });
  afterAll(() => rmSync(path, { force: true }));
  return path;
}
