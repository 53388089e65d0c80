import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as err from '../../src/openssl/err.ts';
import * as reasonNumbers from '../../src/openssl/ssl-reason-codes.ts';
import { describeWithPeers } from '../support/peer.ts';

/** Which library each family of reasons belongs to. */
const OWNERS: readonly (readonly [RegExp, number])[] = [
  [/^SSL_R_/, err.ERR_LIB_SSL],
  [/^PEM_R_/, err.ERR_LIB_PEM],
  [/^ASN1_R_/, err.ERR_LIB_ASN1],
  [/^ERR_R_/, err.ERR_LIB_CRYPTO],
];

describeWithPeers(['gcc'], 'the error queue against OpenSSL', ({ gcc }) => {
  it("has OpenSSL's numbers and texts", () => {
    const constants = Object.entries({ ...err, ...reasonNumbers }).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number' && !entry[0].startsWith('SSL_AD_'),
    );
    const libraries = constants.filter(([name]) => name.startsWith('ERR_LIB_'));
    const reasons = constants.filter(([name]) => !name.startsWith('ERR_LIB_'));
    expect(libraries.length).toBeGreaterThan(4);
    expect(reasons.length).toBeGreaterThan(15);
    const errors = [
      ...libraries.map(([name, lib]) => ({ name, value: lib, error: err.ERR_PACK(lib, 0, 0x7fff) })),
      ...reasons.map(([name, value]) => {
        const owner = OWNERS.find(([family]) => family.test(name));
        if (owner === undefined) throw new Error(`whose is ${name}?`);
        return { name, value, error: err.ERR_PACK(owner[1], 0, value) };
      }),
    ];
    const lines = errors.map(
      ({ name, error }) =>
        `ERR_error_string_n(${error}UL, text, sizeof text); printf("%s %ld %s\\n", "${name}", (long)${name}, text);`,
    );
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-errors-'));
    try {
      const source = join(folder, 'errors.c');
      writeFileSync(
        source,
        `#include <openssl/err.h>\n#include <openssl/ssl.h>\n#include <stdio.h>\n` +
          `int main(void) { char text[256]; OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);\n${lines.join('\n')}\nreturn 0; }\n`,
      );
      const program = join(folder, 'errors');
      execFileSync(gcc, ['-o', program, source, '-lssl', '-lcrypto']);
      const theirs = execFileSync(program, { encoding: 'utf8' }).trim().split('\n');
      expect(
        errors.map(({ name, value, error }) => `${name} ${value} ${err.ERR_error_string(error)}`),
      ).toEqual(theirs);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
