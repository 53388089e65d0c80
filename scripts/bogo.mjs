/**
 * `npm run bogo [-- pattern]`: runs BoringSSL's protocol suite against the engine.
 *
 * A pattern is the runner's: globs joined by semicolons, matched against whole names (`Resume-*;*Ticket*`).
 * Without one, every test of `tests/bogo/config.json` runs, and the figures must not be worse than those in
 * `tests/bogo/expected.json`; `--update` writes that file, `docs/bogo.md` and the README's figures. Results go to `.cache/bogo/results.json` (the
 * runner's own format), `.cache/bogo/summary.json` and `.cache/bogo/failures.txt`.
 *
 * BOGO_WORKERS sets how many tests run at once (three a core); BOGO_NO_FORWARD=1 starts a Node a test.
 */
import { fork, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { buildBogo } from './bogo-build.mjs';

const home = resolve(import.meta.dirname, '..');
const suite = join(home, 'tests/bogo');
const cache = join(home, '.cache/bogo');
const configFile = join(suite, 'config.json');
const expectedFile = join(suite, 'expected.json');
const documentFile = join(home, 'docs/bogo.md');
const readmeFile = join(home, 'README.md');
/** A worker that says nothing for so long is taken to loop forever. */
const SILENCE_MS = 20_000;
const PROGRESS_MS = 10_000;

const args = process.argv.slice(2);
const update = args.includes('--update');
const pattern = args.find((arg) => !arg.startsWith('--'));
const workers = Number(process.env.BOGO_WORKERS ?? 3 * availableParallelism());

/** @typedef {Record<string, string | undefined>} Env */
/** @typedef {{count: number, reason: string}} Unimplemented */
/** @typedef {{PASSED: string[], FAILED: string[], UNIMPLEMENTED: string[]}} Outcome */
/** @typedef {{passed: number, failed: number, unimplemented: number, sessions: number, earlyData: number, unimplementedByFlag: Record<string, Unimplemented>}} Summary */

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
    ...['-shim-config', configFile],
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
  /** @type {Record<string, Unimplemented>} */
  const flags = {};
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [flag = '', reason = ''] = line.split('\t');
    if (flag !== '') flags[flag] = { count: (flags[flag]?.count ?? 0) + 1, reason };
  }
  const byCount = Object.entries(flags).sort(([f, a], [g, b]) => b.count - a.count || (f < g ? -1 : 1));
  return Object.fromEntries(byCount);
}

/**
 * @param {Outcome} outcome
 * @param {Record<string, Unimplemented>} unimplementedByFlag
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

/**
 * The page that says what was reached and what was left out.
 * @param {Summary} summary
 */
function document(summary) {
  /** @type {Record<string, string>} */
  const disabled = JSON.parse(readFileSync(configFile, 'utf8')).DisabledTests;
  /** @type {Map<string, string[]>} */
  const byReason = new Map();
  for (const [name, reason] of Object.entries(disabled)) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), `\`${name}\``]);
  }
  const row = (/** @type {(string | number)[]} */ ...cells) => `| ${cells.join(' | ')} |`;
  const flags = Object.entries(summary.unimplementedByFlag);
  return [
    "# BoringSSL's protocol suite against this engine",
    '',
    'Written by `npm run bogo -- --update`; what the suite is and how it runs: `tests/bogo/README.md`.',
    '',
    row('date', 'passed', 'failed', 'unimplemented', 'passed, about sessions', 'passed, EarlyData'),
    '|---|---|---|---|---|---|',
    row(
      new Date().toISOString().slice(0, 10),
      summary.passed,
      summary.failed,
      summary.unimplemented,
      summary.sessions,
      summary.earlyData,
    ),
    '',
    'About sessions: the name speaks of resumption, sessions, tickets, PSK, extended master secret or early data.',
    'A test that expects a failure passes only with the alert that the runner wants to see and, where ours has one',
    'name for it, for that reason (`ErrorMap` in `tests/bogo/config.json`). In every test the input is overwritten',
    'after each read, and no session may be left over at the end.',
    '',
    '## Answered with "not implemented"',
    '',
    'The runner counts a test here when the shim does not do what a flag of it asks for.',
    '',
    row('flag', 'tests', 'why'),
    '|---|---|---|',
    ...flags.map(([flag, { count, reason }]) => row(`\`${flag}\``, count, reason)),
    '',
    '## Not run',
    '',
    'Globs over the names of the tests, by reason. An OpenSSL behaviour wins over what BoringSSL expects.',
    '',
    row('why', 'tests'),
    '|---|---|',
    ...[...byReason].map(([reason, names]) => row(reason, names.join(' '))),
    '',
  ].join('\n');
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
  for (const [flag, { count }] of Object.entries(summary.unimplementedByFlag)) {
    say(`unimplemented: ${flag} ${count}`);
  }
  say(`about sessions ${summary.sessions}, with EarlyData ${summary.earlyData}`);
  say(`${((Date.now() - began) / 1000).toFixed(0)} s`);
  say(line);
  if (process.env.TLSESSION_COUNTS !== undefined) {
    const { passed, failed, unimplemented } = summary;
    appendFileSync(
      process.env.TLSESSION_COUNTS,
      failures.map(({ name }) => `FAILED BoGo ${name}\n`).join('') +
        `${passed} passed, ${failed} failed, ${unimplemented} skipped\n`,
    );
  }
  if (pattern !== undefined) return summary.failed === 0;
  if (update) {
    const { passed, failed, sessions, earlyData } = summary;
    writeFileSync(expectedFile, `${JSON.stringify({ passed, sessions, earlyData }, null, 2)}\n`);
    writeFileSync(documentFile, document(summary));
    const date = new Date().toISOString().slice(0, 10);
    const figures = `${passed} passed, ${failed} failed (${date})`;
    const readme = readFileSync(readmeFile, 'utf8');
    writeFileSync(readmeFile, readme.replace(/\d+ passed, \d+ failed \([\d-]+\)/, figures));
  }
  const worse = compare(summary);
  for (const reason of worse) say(`WORSE: ${reason}`);
  return worse.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
