/** Tests that cannot run everywhere: the reason stands in the title, and counts-reporter.ts says it after the run. */
import { describe, test } from 'vitest';

type Body = () => void | Promise<void>;

/** In the place of a test or of many. */
export function skipped(title: string, why: string): void {
  test.skip(`${title} [skipped: ${why}]`, () => {});
}

/** `test` where `holds`. */
export function testWhere(holds: boolean, why: string, title: string, body: Body): void {
  if (holds) test(title, body);
  else skipped(title, why);
}

/** `describe` where `holds`. */
export function describeWhere(holds: boolean, why: string, title: string, body: () => void): void {
  if (holds) describe(title, body);
  else skipped(title, why);
}
