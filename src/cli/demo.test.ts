import { expect, test } from 'vitest';
import { systemClock } from '../util/clock.ts';
import { type DemoOptions, runDemo } from './demo.ts';
import type { CliIo, ExitCode } from './io.ts';
import { run } from './program.ts';

async function tlsession(...args: string[]): Promise<{ code: ExitCode; out: string; err: string }> {
  let out = '';
  let err = '';
  const io: CliIo = {
    clock: systemClock,
    colors: false,
    out: (data) => {
      out += typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
    },
    err: (text) => {
      err += text;
    },
    read: () => Promise.reject(new Error('nothing to read')),
    writeSecret: () => Promise.reject(new Error('nothing to write')),
  };
  const code = await run(args, io);
  return { code, out, err };
}

const quick: DemoOptions = { warmUps: 0 };
const FULL = ['server_hello', 'encrypted_extensions', 'certificate', 'certificate_verify', 'finished'];
const RESUMED = ['server_hello', 'encrypted_extensions', 'finished'];

test('every step of the demo does what it says', async () => {
  const files: Uint8Array[] = [];
  const { ok, reason, steps } = await runDemo(
    quick,
    () => {},
    (_, bytes) => files.push(bytes),
  );
  expect(reason).toBeNull();
  expect(ok).toBe(true);
  expect(steps.map(({ client, server, kind, resumed }) => [client, server, kind, resumed])).toEqual([
    ['tlsession', 'tlsession', 'full', false],
    ['tlsession', 'tlsession', 'resumed', true],
    ['tlsession', 'tlsession', 'resumed from a file', true],
    ['node:tls', 'tlsession', 'full', false],
    ['node:tls', 'tlsession', 'resumed', true],
    ['tlsession', 'node:tls', 'full', false],
    ['tlsession', 'node:tls', 'resumed', true],
  ]);
  for (const step of steps) {
    expect(step.serverMessages).toEqual(step.resumed ? RESUMED : FULL);
    expect(step.protocol).toBe('TLSv1.3');
    expect(step.bytesUp).toBeGreaterThan(300);
    expect(step.bytesDown).toBeGreaterThan(300);
  }
  expect(steps[0]?.references.map(({ at, count }) => `${at} ${count}`)).toEqual([
    'borrowed 1',
    'taken 2',
    'closed 1',
  ]);
  expect(steps[1]?.references.map(({ at, count }) => `${at} ${count}`)).toEqual([
    'saved 1',
    'offered 2',
    'resumed 1',
    'closed 1',
    'freed 0',
  ]);
  expect(steps[3]?.references.map(({ at, count }) => `${at} ${count}`)).toEqual(['borrowed 1', 'closed 0']);
  expect(files).toHaveLength(1);
});

test('a step that does not do what it says ends the demo with the reason', async () => {
  let wallMs = systemClock.wallMs();
  // Three hours between any two looks at the clock: every ticket has expired when it comes back.
  const clock = {
    wallMs: (): number => {
      wallMs += 10_800_000;
      return wallMs;
    },
    monotonicMs: (): number => 0,
  };
  const { ok, reason, steps } = await runDemo({ ...quick, server: { clock } });
  expect(ok).toBe(false);
  expect(reason).toBe(
    'resumed, tlsession to tlsession: the client says not resumed, the server not resumed, the wire not resumed: ' +
      'the server did not take the session that was offered, and does not say why',
  );
  expect(steps).toHaveLength(1);
});

test('the command prints the table, the references and the page, and exits with 0', async () => {
  const { code, out, err } = await tlsession('demo');
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(out).toMatch(/tlsession → node:tls +resumed +TLSv1\.3 +TLS_AES_256_GCM_SHA384 +yes +[\d.]+ ms/);
  expect(out).toMatch(/saved 1, offered 2, resumed 1, closed 1, freed 0/);
  expect(out).toMatch(/Resumable +yes, for another 1 h 59 min/);
  expect(out).not.toMatch(/undefined|NaN|\[object/);
});

test('--json gives the same for programs', async () => {
  const { code, out } = await tlsession('demo', '--json');
  expect(code).toBe(0);
  const report = JSON.parse(out) as { ok: boolean; steps: unknown[] };
  expect(report.ok).toBe(true);
  expect(report.steps).toHaveLength(7);
});
