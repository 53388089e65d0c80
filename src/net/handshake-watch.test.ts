import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HandshakeWatch } from './handshake-watch.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const clock = { wallMs: (): number => 0, monotonicMs: (): number => performance.now() };

test('tells of each that is late, when it is, and of no other', () => {
  const late: string[] = [];
  const watch = new HandshakeWatch<string>(100, clock, (name) =>
    late.push(`${name} ${performance.now() - start}`),
  );
  const start = performance.now();
  watch.begin('one');
  vi.advanceTimersByTime(40);
  watch.begin('two');
  watch.begin('three');
  vi.advanceTimersByTime(30);
  watch.end('two');
  expect(late).toEqual([]);
  vi.advanceTimersByTime(30);
  expect(late).toEqual(['one 100']);
  watch.begin('four');
  vi.advanceTimersByTime(40);
  expect(late).toEqual(['one 100', 'three 140']);
  vi.advanceTimersByTime(60);
  expect(late).toEqual(['one 100', 'three 140', 'four 200']);
  expect(watch.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test('has one timer for all, and none when there is nothing to watch', () => {
  const watch = new HandshakeWatch<number>(100, clock, () => {
    throw new Error('nobody is late');
  });
  for (let i = 0; i < 1000; i++) watch.begin(i);
  expect(vi.getTimerCount()).toBe(1);
  for (let i = 0; i < 1000; i++) watch.end(i);
  vi.advanceTimersByTime(500);
  expect(vi.getTimerCount()).toBe(0);
});
