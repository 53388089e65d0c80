import { describe, expect, it } from 'vitest';
import { pem } from '../../tests/pki/der.ts';
import { DAY, ext, generalName, issue, issueCa, NOW } from '../../tests/pki/make.ts';
import { issueCrl, issueOcsp } from '../../tests/pki/make-status.ts';
import { utf8 } from '../util/bytes.ts';
import { CliError, type CliIo, type ExitCode } from './io.ts';
import { run } from './program.ts';

const root = issueCa('CN=root');
const ca = issueCa('CN=ca', { issuer: root });
const leaf = issue({ issuer: ca, names: [generalName.dns('example.com')] });
const expired = issueCa('CN=ca', { issuer: root, notAfter: NOW - DAY });

const files: Record<string, Uint8Array> = {
  root: utf8(pem(root.der)),
  'root.der': root.der,
  ca: utf8(pem(ca.der)),
  expired: utf8(pem(expired.der)),
  leaf: utf8(pem(leaf.der)),
  chain: utf8(`some text\n${pem(leaf.der)}${pem(ca.der)}`),
  roots: utf8(pem(issueCa('CN=other').der) + pem(root.der)),
  'client.der': issue({ issuer: ca, purposes: ['1.3.6.1.5.5.7.3.2'] }).der,
  revoked: utf8(pem(issueCrl({ issuer: ca, revoked: [{ serial: leaf.serial }] }), 'X509 CRL')),
  'list.der': issueCrl({ issuer: ca }),
  ocsp: issueOcsp({ certificate: leaf, issuer: ca, status: 'revoked' }),
  text: utf8('hello'),
  cut: leaf.der.slice(0, -5),
  odd: utf8(pem(issue({ issuer: ca, add: [ext.raw('2.5.29.17', false, Uint8Array.of(1))] }).der)),
};

interface Result {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

async function verify(...args: readonly string[]): Promise<Result> {
  let out = '';
  let err = '';
  const io: CliIo = {
    clock: { wallMs: () => NOW, monotonicMs: () => 0 },
    colors: false,
    out: (data) => {
      out += typeof data === 'string' ? data : new TextDecoder().decode(data);
    },
    err: (text) => {
      err += text;
    },
    read: async (path, limit) => {
      const bytes = files[path];
      if (bytes === undefined) throw new CliError(3, `${path}: there is no such file`);
      return bytes.slice(0, limit + 1);
    },
    writeSecret: async () => {},
  };
  const code = await run(['verify', ...args], io);
  return { code, out, err };
}

describe('a path', () => {
  it('is printed from the leaf to the anchor', async () => {
    const { code, out, err } = await verify(
      '--ca',
      'root',
      '--untrusted',
      'ca',
      '--name',
      'example.com',
      'leaf',
    );
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(
      /^a valid path\n +0 {2}CN=leaf\n.*DNS:example\.com\n.*\n +1 {2}CN=ca\n.*\n +\^ {2}CN=root {2}\(trusted\)\nfor DNS:example\.com\nvalid until 2026-03-16 12:00:00 UTC\n$/,
    );
  });

  it('is found from PEM and DER, several files and several certificates a file', async () => {
    for (const args of [
      ['--ca', 'root.der', 'chain'],
      ['--ca', 'roots', 'chain'],
      ['--ca', 'ca', '--ca', 'root', 'leaf'],
      ['--ca', 'root', '--untrusted', 'expired', '--untrusted', 'ca', 'leaf'],
    ]) {
      expect((await verify(...args)).code, args.join(' ')).toBe(0);
    }
  });

  it('is JSON for programs', async () => {
    const { code, out } = await verify('--json', '--ca', 'root', '--name', 'example.com', 'chain');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      path: [
        { subject: 'CN=leaf', issuer: 'CN=ca' },
        { subject: 'CN=ca', notBefore: '2024-12-11T12:00:00.000Z' },
      ],
      anchor: { subject: 'CN=root', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      matchedName: 'DNS:example.com',
    });
  });
});

describe('no path', () => {
  it('is explained with every path tried', async () => {
    const { code, out, err } = await verify('--ca', 'root', '--untrusted', 'expired', 'leaf');
    expect(code).toBe(1);
    expect(out).toContain('no valid path: expired: ');
    expect(out).toMatch(
      /tried:\n +0 {2}CN=leaf\n +1 {2}CN=ca\n +CN=ca: expired: valid until 2026-01-14T12:00:00Z/,
    );
    expect(err).toMatch(/^tlsession: leaf: no valid path: valid until/);
  });

  it.each([
    ['unknown-issuer', ['--ca', 'root', 'leaf']],
    ['name-mismatch', ['--ca', 'root', '--name', 'example.org', 'chain']],
    ['expired', ['--ca', 'root', '--at', '2030-01-01', 'chain']],
    ['not-yet-valid', ['--ca', 'root', '--at', '2020-01-01T00:00:00Z', 'chain']],
    ['not-yet-valid', ['--ca', 'root', '--at', '1577836800', 'chain']],
    ['path-too-long', ['--ca', 'root', '--max-depth', '0', 'chain']],
    ['extended-key-usage', ['--ca', 'root', '--purpose', 'client', 'chain']],
    ['extended-key-usage', ['--ca', 'root', '--untrusted', 'ca', 'client.der']],
    ['revoked', ['--ca', 'root', '--crl', 'revoked', 'chain']],
    ['revoked', ['--ca', 'root', '--crl', 'list.der', '--crl', 'revoked', 'chain']],
    ['revoked', ['--ca', 'root', '--ocsp', 'ocsp', 'chain']],
    ['malformed-extension', ['--ca', 'root', '--untrusted', 'ca', 'odd']],
  ])('%s: %j', async (reason, args) => {
    const json = await verify('--json', ...args);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, reason });
    expect((await verify(...args)).out).toContain(reason);
  });

  it('depends on the profile', async () => {
    files['bare'] = issue({ issuer: ca, omit: ['2.5.29.35'] }).der;
    expect((await verify('--ca', 'root', '--untrusted', 'ca', 'bare')).code).toBe(0);
    const strict = await verify(
      '--json',
      '--ca',
      'root',
      '--untrusted',
      'ca',
      '--profile',
      'rfc5280',
      'bare',
    );
    expect(JSON.parse(strict.out)).toMatchObject({
      reason: 'profile-violation',
      relaxation: 'authority-key-identifier',
    });
  });
});

it('is refused when called wrongly, with exit code 2', async () => {
  for (const args of [
    ['leaf'],
    ['--ca', 'root'],
    ['--ca', 'root', 'leaf', 'ca'],
    ['--ca', 'root', '--name', 'a b', 'leaf'],
    ['--ca', 'root', '--at', 'yesterday', 'leaf'],
    ['--ca', 'root', '--at', '2026-01-01T00:00:00', 'leaf'],
    ['--ca', 'root', '--at', '2026-13-01', 'leaf'],
    ['--ca', 'root', '--max-depth', '-1', 'leaf'],
    ['--ca', 'root', '--max-depth', '256', 'leaf'],
    ['--ca', 'root', '--profile', 'none', 'leaf'],
    ['--ca', 'root', '--purpose', 'mail', 'leaf'],
    ['--ca', 'root', '--nonsense', 'leaf'],
  ]) {
    const { code, err } = await verify(...args);
    expect(code, args.join(' ')).toBe(2);
    expect(err).not.toBe('');
  }
});

it('says which input cannot be read, with exit code 3', async () => {
  for (const [bad, args] of [
    ['missing', ['--ca', 'root', 'missing']],
    ['missing', ['--ca', 'missing', 'leaf']],
    ['text', ['--ca', 'text', 'leaf']],
    ['text', ['--ca', 'root', 'text']],
    ['cut', ['--ca', 'root', 'cut']],
    ['text', ['--ca', 'root', '--untrusted', 'text', 'leaf']],
    ['leaf', ['--ca', 'root', '--crl', 'leaf', 'leaf']],
  ] as const) {
    const { code, err } = await verify(...args);
    expect(code, args.join(' ')).toBe(3);
    expect(err).toMatch(new RegExp(`^tlsession: ${bad}: `));
  }
});
