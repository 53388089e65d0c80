/**
 * Runs around every test of the project: when a test is over, as many sessions live as when it began, and
 * none when its file is over. A reference that nobody gave back fails the test that took it.
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

let before = 0;
let complained = false;

beforeEach(() => {
  before = liveSessionCount();
});

afterEach(async ({ task }) => {
  // A test that failed half-way cannot be asked to have cleaned up.
  if (task.result?.state === 'fail') {
    complained = true;
    return;
  }
  const after = await settledCount(before);
  if (after !== before) complained = true;
  expect(after, 'live sessions after the test, against before it').toBe(before);
});

afterAll(async () => {
  if (complained) return;
  expect(await settledCount(0), 'live sessions when the file is over').toBe(0);
});
