import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSession } from '../../src/session/der.ts';
import { encodePem } from '../../src/session/pem.ts';
import { bundle } from '../support/bundle.ts';
import { describeWithPeers, type PeerResult, runPeer, spawnPeer } from '../support/peer.ts';
import { CERTIFICATE, makeSession } from './arbitrary.ts';

let folder = '';
const program = await bundle('src/cli/main.ts');
let session: Uint8Array = new Uint8Array(0);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tlsession-cli-'));
  const made = makeSession({
    version: 0x0304,
    cipher: 0x1302,
    fields: [
      new Uint8Array(48).fill(0x5a),
      new Uint8Array(32).fill(0xa5),
      null,
      null,
      null,
      new Uint8Array(200).fill(0x41),
    ],
    timeSec: Math.floor(Date.now() / 1000),
    timeoutSec: 7200,
    peer: CERTIFICATE,
    verifyResult: 0,
    ticketLifetimeHint: 7200,
    compression: 0,
    flags: 0,
    ticketAgeAdd: 7,
    maxEarlyData: 0,
    maxFragmentLength: 0,
    kexGroup: 0x1d,
  });
  session = encodeSession(made);
  made.free();
  writeFileSync(join(folder, 's.der'), session);
  writeFileSync(join(folder, 's.pem'), encodePem(session));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tlsession = (args: readonly string[], input?: Uint8Array): Promise<PeerResult> =>
  runPeer(process.execPath, [program, ...args], { cwd: folder, ...(input && { input }) });

describe('tlsession as a program', () => {
  it('reads a file and the standard input', async () => {
    const file = await tlsession(['inspect', 's.pem']);
    expect([file.code, file.stderr]).toEqual([0, '']);
    expect(file.stdout).toMatch(/^TLSv1\.3 session with peer\.example\ns\.pem: PEM, /);
    expect(file.stdout).toMatch(/\nResumable {7}yes, for another 1 h 59 min/);
    expect(file.stdout).not.toContain('\x1b');
    const stdin = await tlsession(['inspect', '-'], session);
    expect(stdin.code).toBe(0);
    expect(stdin.stdout).toMatch(/standard input: DER/);
  });

  it('writes a file that only its owner reads', async () => {
    const { code, stdout } = await tlsession(['inspect', 's.pem', '--outform', 'DER', '--out', 'again.der']);
    expect([code, stdout]).toEqual([0, '']);
    expect(new Uint8Array(readFileSync(join(folder, 'again.der')))).toEqual(session);
    expect(statSync(join(folder, 'again.der')).mode & 0o777).toBe(0o600);
    const piped = await tlsession(['inspect', 's.pem', '--outform', 'DER']);
    expect(new Uint8Array(piped.stdoutBytes)).toEqual(session);
  });

  it.each([
    [2, []],
    [2, ['inspect']],
    [2, ['inspect', 's.der', '--inform', 'XML']],
    [3, ['inspect', 'no-such-file']],
    [3, ['inspect', '.']],
    [3, ['inspect', '/dev/zero']],
    [3, ['inspect', 's.der', '--inform', 'PEM']],
    [3, ['inspect', 's.der', '--outform', 'DER', '--out', 'no-such-folder/x']],
    [3, ['inspect', '-']],
  ])('ends with %i for %j', async (code, args) => {
    const result = await tlsession(args);
    expect([result.code, result.stdout]).toEqual([code, '']);
    if (code === 3) expect(result.stderr).toMatch(/^tlsession: [^\n]+\n$/);
  });

  it('is not troubled by a reader that leaves', async () => {
    await using peer = spawnPeer(
      '/bin/sh',
      ['-c', `"${process.execPath}" "${program}" inspect s.pem --text 2>&1 | head -n 1`],
      { cwd: folder },
    );
    peer.stdin.end();
    await peer.waitForExit();
    expect(peer.stdout).toBe('SSL-Session:\n');
  });
});

describeWithPeers(['openssl'], 'tlsession inspect --text', ({ openssl }) => {
  it('is what openssl sess_id prints, to the byte', async () => {
    for (const [file, form] of [
      ['s.pem', 'PEM'],
      ['s.der', 'DER'],
    ] as const) {
      const ours = await tlsession(['inspect', file, '--text']);
      const theirs = await runPeer(openssl, ['sess_id', '-in', file, '-inform', form, '-noout', '-text'], {
        cwd: folder,
      });
      expect([ours.code, theirs.code]).toEqual([0, 0]);
      expect(ours.stdoutBytes.equals(theirs.stdoutBytes)).toBe(true);
      expect(ours.stdoutBytes.length).toBeGreaterThan(500);
    }
  });

  it('other forms are what openssl makes of the same file', async () => {
    for (const form of ['PEM', 'DER', 'NSS']) {
      const ours = await tlsession(['inspect', 's.pem', '--outform', form]);
      const theirs = await runPeer(openssl, ['sess_id', '-in', 's.pem', '-outform', form], { cwd: folder });
      expect(ours.stdoutBytes.equals(theirs.stdoutBytes), form).toBe(true);
    }
    const ours = await tlsession(['inspect', 's.pem', '--cert']);
    const theirs = await runPeer(openssl, ['sess_id', '-in', 's.pem', '-cert'], { cwd: folder });
    expect(ours.stdout).toBe(theirs.stdout);
  });
});
