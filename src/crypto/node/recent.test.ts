import { expect, it } from 'vitest';
import { Recent } from './recent.ts';

it('keeps what was used last', () => {
  const recent = new Recent<number>(2);
  recent.set('a', 1);
  recent.set('b', 2);
  expect(recent.get('a')).toBe(1);
  recent.set('c', 3);
  expect([recent.get('a'), recent.get('b'), recent.get('c'), recent.size]).toEqual([1, undefined, 3, 2]);
  recent.set('a', 4);
  expect([recent.get('a'), recent.size]).toEqual([4, 2]);
});
