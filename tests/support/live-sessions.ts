/**
 * Runs around every test of the project: when a test is over, no session lives, and none when its file is over,
 * hooks and all. A reference that nobody gave back fails the test that took it.
 */
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import { liveSessionCount } from '../../src/session/core.ts';

// Kept here, since a test may have put a fake clock in their place.
const { setTimeout } = globalThis;
const { now } = performance;

/** Connections give their sessions back when their sockets close, which may be a turn or two after the test. */
const SETTLE_MS = Number(process.env['TLSESSION_SETTLE_MS'] ?? 2_000);

async function settledCount(wanted: number): Promise<number> {
  const end = now.call(performance) + SETTLE_MS;
  while (liveSessionCount() !== wanted && now.call(performance) < end) {
    await new Promise((done) => setTimeout(done, 5));
  }
  return liveSessionCount();
}

/** What a test that failed may have left behind; 0 as long as none did. */
let leftOver = 0;
let complained = false;

beforeEach(() => {
  leftOver = complained ? liveSessionCount() : 0;
});

afterEach(async ({ task }) => {
  // A test that failed half-way cannot be asked to have cleaned up.
  if (task.result?.state === 'fail') {
    complained = true;
    return;
  }
  const after = await settledCount(leftOver);
  if (after !== leftOver) complained = true;
  expect(after, 'live sessions after the test').toBe(leftOver);
});

afterAll(async () => {
  if (complained) return;
  expect(await settledCount(0), 'live sessions when the file is over').toBe(0);
});
