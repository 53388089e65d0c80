import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { inspectAs } from './inspect.ts';

test('util.inspect shows the given text, also inside other objects and for a subclass', () => {
  class Held {
    readonly bytes = new Uint8Array([1, 2, 3]);
    static {
      inspectAs(Held, (held) => `Held(${held.bytes.length} bytes)`);
    }
  }
  class Sub extends Held {}
  expect(inspect(new Held())).toBe('Held(3 bytes)');
  expect(inspect({ deep: [new Sub()] })).toBe('{ deep: [ Held(3 bytes) ] }');
  expect(Object.keys(new Held())).toEqual(['bytes']);
});
