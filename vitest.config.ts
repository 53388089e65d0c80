import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Fleets that lose a process each second, and browsers: they have a machine more to themselves, so that what they
 * wait for is not what a neighbour takes.
 */
const inRealTime = ['fleet', 'frameworks'].map((room) => `tests/${room}/**/*.test.ts`);

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    setupFiles: ['tests/support/live-sessions.ts'],
    reporters: ['default', './tests/support/counts-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'side by side',
          include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...inRealTime],
          maxWorkers: availableParallelism(),
        },
      },
      {
        extends: true,
        test: {
          name: 'in real time',
          include: inRealTime,
          maxWorkers: Math.max(1, Math.floor(availableParallelism() / 4)),
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
