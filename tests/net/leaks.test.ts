/** `npm run leaks` for a short while: what it counts, and that it would see a leak. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { bundle } from '../support/bundle.ts';
import { slope } from './leaks.ts';

const program = await bundle('tests/net/leaks-main.ts');

test('the slope is that of the last two thirds', () => {
  const points = Array.from({ length: 9 }, (_, i) => ({
    connections: (i + 1) * 100,
    heapBytes: i < 3 ? 5_000_000 : 1_000_000 + (i + 1) * 100 * 7,
  }));
  expect(slope(points, 'heapBytes')).toBeCloseTo(7);
});

test('a thousand connections leave no socket, timer, listener or session', { timeout: 240_000 }, async () => {
  // So few say nothing of the slope: caches warm up and code is compiled. Megabytes would still be seen.
  const args = ['--expose-gc', program, '1000', '4', '6000'];
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
