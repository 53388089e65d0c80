import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseTarget } from './connect-command.ts';
import { CliError, type ExitCode } from './io.ts';
import { processIo } from './node-io.ts';
import { run } from './program.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tlsession-connect-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Running {
  readonly code: Promise<ExitCode>;
  readonly text: { out: string; err: string };
}

function tlsession(...args: string[]): Running {
  const text = { out: '', err: '' };
  const io = {
    ...processIo(),
    colors: false,
    out: (data: string | Uint8Array) => {
      text.out += typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
    },
    err: (data: string) => {
      text.err += data;
    },
  };
  return { code: run(args, io), text };
}

async function portOf(server: Running): Promise<string> {
  await expect.poll(() => server.text.out).toMatch(/listening on 127\.0\.0\.1:\d+/);
  return /127\.0\.0\.1:\d+/.exec(server.text.out)?.[0] ?? '';
}

describe('tlsession serve and connect', () => {
  test('a session saved by one run is resumed by the next, and both ends say so', async () => {
    const ca = join(folder, 'ca.pem');
    const saved = join(folder, 'session');
    const server = tlsession('serve', '--ca-out', ca, '--alpn', 'h2,http/1.1', '--count', '3');
    const target = await portOf(server);
    const common = [target, '--servername', 'localhost', '--ca', ca, '--alpn', 'http/1.1', '--wait', '60'];

    const first = tlsession('connect', ...common, '--sess-out', saved, '--send', 'hello\\n');
    expect(await first.code).toBe(0);
    expect(first.text.out).toMatch(/^Protocol +TLSv1\.3\nCipher suite +TLS_AES_256_GCM_SHA384\n/);
    expect(first.text.out).toMatch(/^Verified +yes$/m);
    expect(first.text.out).toMatch(/^Resumed +no: no session was saved for this peer$/m);
    expect(first.text.out).toMatch(/^Sessions +2 came; the latest is in /m);
    expect(first.text.out.endsWith('\nhello\n\n')).toBe(true);
    expect((await stat(saved)).mode & 0o777).toBe(0o600);

    const second = tlsession('connect', ...common, '--sess-in', saved, '--json');
    expect(await second.code).toBe(0);
    expect(JSON.parse(second.text.out)).toMatchObject({
      resumed: true,
      resumptionReason: null,
      authorized: true,
      alpn: 'http/1.1',
      sessions: 1,
    });

    // The ticket is used up, and this process knows.
    const third = tlsession('connect', ...common, '--sess-in', saved);
    expect(await third.code).toBe(0);
    expect(third.text.out).toMatch(/^Resumed +no: the session may be used once, and was used before$/m);

    expect(await server.code).toBe(0);
    expect(server.text.out.match(/not resumed: the client offered no session/g)).toHaveLength(2);
    expect(server.text.out.match(/: resumed$/gm)).toHaveLength(1);
  });

  test('sessions in the cache, TLS 1.2, lines for programs', async () => {
    const ca = join(folder, 'ca12.pem');
    const saved = join(folder, 'session12');
    const server = tlsession('serve', '--ca-out', ca, '--no-tickets', '--count', '2', '--json');
    await expect.poll(() => server.text.out).toMatch(/"listening"/);
    const { port } = JSON.parse(server.text.out) as { port: number };
    const common = ['connect', `127.0.0.1:${port}`, '--ca', ca, '--tls1_2', '--wait', '30'];
    expect(await tlsession(...common, '--sess-out', saved).code).toBe(0);
    expect(await tlsession(...common, '--sess-in', saved).code).toBe(0);
    expect(await server.code).toBe(0);
    const lines = server.text.out.trim().split('\n').slice(1);
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { protocol: 'TLSv1.2', resumed: false },
      { protocol: 'TLSv1.2', resumed: true },
    ]);
  });

  test('a server that cannot be verified: exit code 1 and why; --insecure goes on', async () => {
    const server = tlsession('serve', '--count', '2');
    const target = await portOf(server);
    const refused = tlsession('connect', target, '--servername', 'localhost');
    expect(await refused.code).toBe(1);
    expect(refused.text.err).toMatch(/^tlsession: no issuer named .* is trusted .*\(UNABLE_TO_\w+\)\n$/);
    const lax = tlsession('connect', target, '--insecure', '--wait', '0');
    expect(await lax.code).toBe(0);
    expect(lax.text.out).toMatch(/^Verified +no: unable to /m);
    expect(await server.code).toBe(0);
  });

  test('bad usage is 2, input that cannot be read 3, nobody there 1', async () => {
    const junk = join(folder, 'junk');
    writeFileSync(junk, 'not a session');
    for (const [args, code, text] of [
      [['connect', 'nowhere'], 2, /"nowhere" is not HOST:PORT/],
      [['connect', 'host:70000'], 2, /is not HOST:PORT/],
      [['connect', 'a:1', '--tls1_2', '--tls1_3'], 2, /exclude each other/],
      [['connect', 'a:1', '--cert', junk], 2, /belong together/],
      [['connect', 'a:1', '--wait', 'long'], 2, /--wait/],
      [['connect', 'a:1', '--ciphers', 'NOTHING'], 2, /no cipher suite/],
      [['connect', 'a:1', '--sess-in', join(folder, 'none')], 3, /no such file/],
      [['connect', 'a:1', '--sess-in', junk], 3, /junk: not a session/],
      [['connect', '127.0.0.1:1'], 1, /ECONNREFUSED/],
      [['serve', '--port', '-1'], 2, /--port/],
      [['serve', '--key', junk], 2, /belong together/],
      [['serve', '--cert', junk, '--key', junk], 2, /private key|certificate/],
    ] as const) {
      const { code: exit, text: said } = tlsession(...args);
      expect(await exit, args.join(' ')).toBe(code);
      expect(said.err, args.join(' ')).toMatch(text);
      expect(said.err.trim().split('\n').length, said.err).toBeLessThanOrEqual(2);
    }
  });

  test('targets', () => {
    expect(parseTarget('example.org:443')).toEqual({ host: 'example.org', port: 443 });
    expect(parseTarget('[::1]:8443')).toEqual({ host: '::1', port: 8443 });
    for (const bad of ['', ':443', 'a:', 'a:0', '::1:443', 'a:b', '[::1]', 'a:65536']) {
      expect(() => parseTarget(bad), bad).toThrow(CliError);
    }
  });
});

test('the saved session is one that inspect reads', async () => {
  const saved = join(folder, 'session');
  const { code, text } = tlsession('inspect', saved, '--json');
  expect(await code).toBe(0);
  expect(JSON.parse(text.out)).toMatchObject({ form: 'envelope', protocol: 'TLSv1.3', resumable: true });
  expect((await readFile(saved)).length).toBeGreaterThan(300);
});
