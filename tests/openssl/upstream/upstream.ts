/** A test of OpenSSL's own, under its name and with as many cases; docs/openssl-api.md lists them all. */
import { describe, test } from 'vitest';

/** `cases` is written as a number where it is called: a check of the list in the documentation reads it there. */
export function upstream(name: string, cases: number, run: (index: number) => void): void {
  describe(name, () => {
    for (let index = 0; index < cases; index++) test(`case ${index}`, () => run(index));
  });
}
