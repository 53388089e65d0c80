/**
 * `npm run bogo [-- pattern]`: runs BoringSSL's protocol suite against the engine.
 *
 * A pattern is the runner's: globs joined by semicolons, matched against whole names (`Resume-*;*Ticket*`).
 * Without one, every test of `tests/bogo/config.json` runs, and the figures must not be worse than those in
 * `tests/bogo/expected.json`; `--update` writes that file. Results go to `.cache/bogo/results.json` (the
 * runner's own format), `.cache/bogo/summary.json` and `.cache/bogo/failures.txt`.
 *
 * BOGO_WORKERS sets how many tests run at once (three a core); BOGO_NO_FORWARD=1 starts a Node a test.
 */
import { fork, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { buildBogo } from './bogo-build.mjs';

const home = resolve(import.meta.dirname, '..');
const suite = join(home, 'tests/bogo');
const cache = join(home, '.cache/bogo');
const expectedFile = join(suite, 'expected.json');
/** A worker that says nothing for so long is taken to loop forever. */
const SILENCE_MS = 20_000;
const PROGRESS_MS = 10_000;

const args = process.argv.slice(2);
const update = args.includes('--update');
const pattern = args.find((arg) => !arg.startsWith('--'));
const workers = Number(process.env.BOGO_WORKERS ?? 3 * availableParallelism());

/** @typedef {Record<string, string | undefined>} Env */
/** @typedef {{PASSED: string[], FAILED: string[], UNIMPLEMENTED: string[]}} Outcome */
/** @typedef {{passed: number, failed: number, unimplemented: number, sessions: number, earlyData: number, unimplementedByFlag: Record<string, number>}} Summary */

const say = (/** @type {string} */ line) => console.log(line);

/** What a name tells of a test. */
const SESSIONS = /Resum|Session|Ticket|PSK|ExtendedMasterSecret|EMS|EarlyData|0RTT|0-RTT/i;
const isSessions = (/** @type {string} */ name) => SESSIONS.test(name);
const isEarlyData = (/** @type {string} */ name) => name.includes('EarlyData');

async function bundleShim() {
  const outfile = join(cache, 'shim.mjs');
  await build({
    entryPoints: [join(suite, 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'warning',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  return outfile;
}

/**
 * Long-lived shim processes; each is replaced when it ends or falls silent.
 * @param {string} bundle
 * @param {string} cwd
 * @param {Env} env
 */
function startPool(bundle, cwd, env) {
  const directory = mkdtempSync(join(tmpdir(), 'bogo-'));
  /** @type {Map<number, {child: import('node:child_process').ChildProcess, heard: number}>} */
  const running = new Map();
  let closing = false;
  const start = (/** @type {number} */ index) => {
    const socket = join(directory, `${index}.sock`);
    rmSync(socket, { force: true });
    const child = fork(bundle, ['--pool', socket], {
      cwd,
      env: { ...process.env, ...env },
      execArgv: ['--enable-source-maps'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const entry = { child, heard: Date.now() };
    running.set(index, entry);
    child.on('message', () => {
      entry.heard = Date.now();
    });
    child.on('exit', () => {
      if (!closing) start(index);
    });
  };
  for (let index = 0; index < workers; index++) start(index);
  const watch = setInterval(() => {
    for (const { child, heard } of running.values()) {
      if (Date.now() - heard > SILENCE_MS) child.kill('SIGKILL');
    }
  }, 1000);
  return {
    directory,
    close() {
      closing = true;
      clearInterval(watch);
      for (const { child } of running.values()) child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Runs the runner and gathers what it says.
 * @param {string} runner
 * @param {string} resources
 * @param {string} shimPath
 * @param {Env} env
 */
async function runSuite(runner, resources, shimPath, env) {
  /** @type {Outcome} */
  const outcome = { PASSED: [], FAILED: [], UNIMPLEMENTED: [] };
  /** @type {{name: string, lines: string[]}[]} */
  const failures = [];
  const runnerArgs = [
    ...['-shim-path', shimPath],
    ...['-shim-config', join(suite, 'config.json')],
    ...['-allow-unimplemented', '-loose-errors', '-pipe'],
    ...['-num-workers', String(workers)],
    // A loaded machine may stop a test for long; a shim that hangs is caught all the same.
    ...['-idle-timeout', '30s'],
    ...['-json-output', join(cache, 'results.json')],
    ...(pattern === undefined ? [] : ['-test', pattern]),
  ];
  const child = spawn(runner, runnerArgs, {
    cwd: resources,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.on('SIGINT', () => child.kill('SIGKILL'));
  const count = () =>
    `${outcome.PASSED.length} passed, ${outcome.FAILED.length} failed, ${outcome.UNIMPLEMENTED.length} unimplemented`;
  const progress = setInterval(() => say(`… ${count()}`), PROGRESS_MS);
  /** @type {{name: string, lines: string[]} | null} */
  let failure = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, status, name] = /^(PASSED|FAILED|UNIMPLEMENTED) \((.*)\)$/.exec(line) ?? [];
    if (status !== undefined && name !== undefined) {
      outcome[/** @type {keyof Outcome} */ (status)].push(name);
      failure = status === 'FAILED' ? { name, lines: [] } : null;
      if (failure !== null) failures.push(failure);
    } else if (failure !== null) failure.lines.push(line);
  }
  clearInterval(progress);
  return { outcome, failures, line: count() };
}

/** @param {string} file */
function countFlags(file) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const flag of readFileSync(file, 'utf8').split('\n')) {
    if (flag !== '') counts[flag] = (counts[flag] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a));
}

/**
 * @param {Outcome} outcome
 * @param {Record<string, number>} unimplementedByFlag
 * @returns {Summary}
 */
function summarise(outcome, unimplementedByFlag) {
  return {
    passed: outcome.PASSED.length,
    failed: outcome.FAILED.length,
    unimplemented: outcome.UNIMPLEMENTED.length,
    sessions: outcome.PASSED.filter(isSessions).length,
    earlyData: outcome.PASSED.filter(isEarlyData).length,
    unimplementedByFlag,
  };
}

/**
 * Says what is worse than the kept figures; empty when nothing is.
 * @param {Summary} summary
 */
function compare(summary) {
  const expected = JSON.parse(readFileSync(expectedFile, 'utf8'));
  const worse = [];
  if (summary.failed > 0) worse.push(`${summary.failed} failed`);
  for (const figure of /** @type {const} */ (['passed', 'sessions', 'earlyData'])) {
    if (summary[figure] < expected[figure]) {
      worse.push(`${figure}: ${summary[figure]}, expected at least ${expected[figure]}`);
    }
  }
  return worse;
}

async function main() {
  const { runner, resources, forwarder } = buildBogo(cache, join(suite, 'forward.c'), say);
  const bundle = await bundleShim();
  const unimplementedFile = join(cache, 'unimplemented.txt');
  writeFileSync(unimplementedFile, '');
  /** @type {Env} */
  const env = { BOGO_UNIMPLEMENTED: unimplementedFile };

  let shimPath = process.env.BOGO_NO_FORWARD === undefined ? forwarder : null;
  const pool = shimPath === null ? null : startPool(bundle, resources, env);
  if (shimPath === null) {
    shimPath = join(cache, 'shim.sh');
    writeFileSync(shimPath, `#!/bin/sh\nexec "${process.execPath}" "${bundle}" "$@"\n`);
    chmodSync(shimPath, 0o755);
  }
  if (pool !== null) Object.assign(env, { BOGO_POOL: pool.directory, BOGO_WORKERS: String(workers) });

  const began = Date.now();
  let result;
  try {
    result = await runSuite(runner, resources, shimPath, env);
  } finally {
    pool?.close();
  }
  const { outcome, failures, line } = result;
  const text = failures.map(({ name, lines }) => `FAILED ${name}\n${lines.join('\n').trim()}\n\n`).join('');
  writeFileSync(join(cache, 'failures.txt'), text);
  if (failures.length > 0) say(text);

  const summary = summarise(outcome, countFlags(unimplementedFile));
  writeFileSync(join(cache, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  for (const [flag, count] of Object.entries(summary.unimplementedByFlag)) {
    say(`unimplemented: ${flag} ${count}`);
  }
  say(`about sessions ${summary.sessions}, with EarlyData ${summary.earlyData}`);
  say(`${((Date.now() - began) / 1000).toFixed(0)} s`);
  say(line);
  if (pattern !== undefined) return summary.failed === 0;
  if (update) {
    const { passed, sessions, earlyData } = summary;
    writeFileSync(expectedFile, `${JSON.stringify({ passed, sessions, earlyData }, null, 2)}\n`);
  }
  const worse = compare(summary);
  for (const reason of worse) say(`WORSE: ${reason}`);
  return worse.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
