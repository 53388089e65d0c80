/** `npm run leaks` for a short while: what it counts, and that it would see a leak. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { type Checkpoint, slope } from './leaks.ts';

test('the slope is that of the last two thirds', () => {
  const points = Array.from({ length: 9 }, (_, i) => ({
    connections: (i + 1) * 100,
    heapBytes: i < 3 ? 5_000_000 : 1_000_000 + (i + 1) * 100 * 7,
  })) as unknown as Checkpoint[];
  expect(slope(points, 'heapBytes')).toBeCloseTo(7);
});

test('a thousand connections leave no socket, timer, listener or session', { timeout: 240_000 }, async () => {
  const outfile = join(import.meta.dirname, '../../.cache/leaks', `short-${process.pid}.mjs`);
  await build({
    entryPoints: [join(import.meta.dirname, 'leaks-main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  // So few say nothing of the slope: caches warm up and code is compiled. Megabytes would still be seen.
  const args = ['--expose-gc', outfile, '1000', '4', '6000'];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    timeout: 200_000,
  });
  expect(status, stdout + stderr).toBe(0);
  const outcome = JSON.parse(stdout) as Record<'secure' | 'resumed' | 'aborted' | 'overTcp', number>;
  expect(outcome.secure).toBeGreaterThan(500);
  expect(outcome.resumed).toBeGreaterThan(100);
  expect(outcome.aborted).toBeGreaterThan(50);
  expect(outcome.overTcp).toBeGreaterThan(50);
});
