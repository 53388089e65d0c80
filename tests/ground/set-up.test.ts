import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/**
 * What `npm start` does before the job, on a small project with the real scripts, and an npm and a build
 * that leave a trace of being called.
 */
const scripts = join(import.meta.dirname, '../../scripts');
let root = '';

const lock = (version: string): unknown => ({
  lockfileVersion: 3,
  packages: {
    '': { name: 'small' },
    'node_modules/tool': { version, dev: true },
    'node_modules/tool-for-nowhere': { version, dev: true, optional: true, os: ['nowhere'] },
    'node_modules/child-of-that': { version, dev: true, optional: true },
    [`node_modules/tool-for-${process.platform}`]: {
      version,
      dev: true,
      optional: true,
      os: [process.platform],
      cpu: [process.arch],
    },
  },
});

const fakeNpm = `
  const fs = require('node:fs');
  fs.appendFileSync('npm-calls', process.argv.slice(2).join(' ') + '\\n');
  const { packages } = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
  const here = {};
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || (entry.optional && entry.os?.[0] !== process.platform)) continue;
    here[path] = entry;
    fs.mkdirSync(path, { recursive: true });
    fs.writeFileSync(path + '/package.json', JSON.stringify({ version: entry.version }));
  }
  fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: here }));
`;
const fakeBuild = `
  import fs from 'node:fs';
  fs.appendFileSync('build-calls', 'built\\n');
  fs.mkdirSync('dist/cli', { recursive: true });
  fs.copyFileSync('src/cli.js', 'dist/cli/tlsession.js');
`;
const cli = `
  console.log(JSON.stringify(process.argv.slice(2)));
  if (process.argv[3] === 'wait') { console.log('waiting'); setInterval(() => {}, 1000); }
  else process.exit(Number(process.argv[3] ?? 0));
`;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const calls = (of: 'npm' | 'build'): string[] =>
  existsSync(join(root, `${of}-calls`))
    ? readFileSync(join(root, `${of}-calls`), 'utf8')
        .trim()
        .split('\n')
    : [];

function start(...args: string[]): { code: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/run.mjs', 'start', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: join(root, 'npm-cli.js'), NODE_ENV: 'production' },
  });
  return { code: status, out: stdout, err: stderr };
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'a folder with spaces '));
  cpSync(join(scripts, 'run.mjs'), join(root, 'scripts/run.mjs'));
  cpSync(join(scripts, 'lib/prepare.mjs'), join(root, 'scripts/lib/prepare.mjs'));
  write('scripts/build.mjs', fakeBuild);
  write('npm-cli.js', fakeNpm);
  write('src/cli.js', cli);
  write('src/cli.test.ts', '');
  write('package.json', '{ "type": "commonjs" }');
  write('package-lock.json', JSON.stringify(lock('1.0.0')));
  write('tsconfig.json', '{}');
  write('tsconfig.build.json', '{}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('the set-up before npm start and npm test', () => {
  test('on a fresh clone installs and builds, saying so; the next time does neither and is silent', () => {
    const first = start();
    expect(first.err).toMatch(/installing .*tool is missing[\s\S]*building/);
    expect(first.out).toBe('["demo"]\n');
    expect(first.code).toBe(0);
    expect(calls('npm')).toHaveLength(1);
    // The compiler is a development package, also where NODE_ENV=production.
    expect(calls('npm')[0]).toMatch(/^install .*--no-save.*--include=dev/);

    const second = start();
    expect(second.err).toBe('');
    expect(second.out).toBe('["demo"]\n');
    expect([calls('npm').length, calls('build').length]).toEqual([1, 1]);
  });

  test('installs again when the lock file moves on or a package is gone, and when only this machine’s binary is', () => {
    start();
    write('package-lock.json', JSON.stringify(lock('1.0.1')));
    expect(start().err).toContain('installing');
    rmSync(join(root, 'node_modules/tool'), { recursive: true });
    expect(start().err).toContain('(tool is missing)');
    rmSync(join(root, `node_modules/tool-for-${process.platform}`), { recursive: true });
    expect(start().err).toContain(`(tool-for-${process.platform} is missing)`);
    expect(calls('npm')).toHaveLength(4);
    expect(start().err).toBe('');
  });

  test('builds again when a source or its name changes, also back, and not for a test', () => {
    start();
    write('src/cli.test.ts', 'changed');
    expect(start().err).toBe('');
    write('src/cli.js', `${cli}// changed\n`);
    expect(start().err).toContain('building');
    write('src/cli.js', cli);
    expect(start().err).toContain('building');
    write('src/more.js', '');
    expect(start().err).toContain('building');
    rmSync(join(root, 'dist'), { recursive: true });
    expect(start().err).toContain('building');
    expect([calls('npm').length, calls('build').length]).toEqual([1, 5]);
  });

  test('a set-up that fails ends with what failed, and is tried again the next time', () => {
    write('scripts/build.mjs', 'console.error("no luck"); process.exit(3);');
    const { code, err } = start();
    expect(err).toMatch(/no luck[\s\S]*the build failed \(exit 3\)/);
    expect(code).toBe(1);
    write('scripts/build.mjs', fakeBuild);
    expect(start().code).toBe(0);
  });

  test('arguments go in, the exit code comes out', () => {
    expect(start('7')).toMatchObject({ code: 7, out: '["demo","7"]\n' });
  });

  test('a signal reaches the job, and its end is the command’s', async () => {
    start();
    const child = spawn(process.execPath, ['scripts/run.mjs', 'start', 'wait'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise((done) => child.once('exit', done));
    await new Promise<void>((done) => {
      child.stdout.on('data', (text: Buffer) => {
        if (text.includes('waiting')) done();
      });
    });
    child.kill('SIGTERM');
    expect(await ended).toBe(128 + 15);
  });

  test('an unknown job is refused before anything is set up', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/run.mjs', 'strat'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toContain("unknown job 'strat'");
    expect(calls('npm')).toEqual([]);
  });
});
