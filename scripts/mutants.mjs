// `npm run mutants [-- NAME…]`: puts the faults of tests/mutants back, one at a time, in a copy of the sources,
// and requires that the tests named for each then fail. A test that stays green, or a text that is not there any
// more, fails the run. `--sync` writes the table of their README.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyChange, readMutants, withMutantTable } from './lib/mutants.mjs';
import { prepare, root } from './lib/prepare.mjs';

/** @typedef {import('./lib/mutants.mjs').Mutant} Mutant @typedef {import('./lib/mutants.mjs').NamedTest} NamedTest */

/** At once; each is a process or two. */
const LANES = 2;
const LIMIT_MS = 180_000;
/** What has no place in the copy, or is linked to it. */
const LEFT_OUT = ['.git', '.cache', 'node_modules', 'dist'];

/**
 * @typedef {{ fullName: string, status: string, failureMessages: string[] }} TestResult
 * @typedef {{ name: string, message: string, assertionResults: TestResult[] }} FileResult
 */

/** @param {string} folder */
function copyInto(folder) {
  for (const name of readdirSync(root)) {
    if (!LEFT_OUT.includes(name)) cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  for (const name of ['node_modules', 'dist', '.cache']) {
    if (existsSync(join(root, name))) symlinkSync(join(root, name), join(folder, name));
  }
}

/**
 * Runs the tests and returns what each file says; null when the runner did not get to its end.
 * @param {string} folder @param {NamedTest[]} tests @returns {Promise<FileResult[] | null>}
 */
async function runTests(folder, tests) {
  const report = join(folder, 'mutant-report.json');
  rmSync(report, { force: true });
  const names = tests.map(({ name }) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const files = [...new Set(tests.map(({ file }) => file))];
  const args = [
    'run',
    ...files,
    '--cache=false',
    '-t',
    names.join('|'),
    '--reporter=json',
    `--outputFile=${report}`,
  ];
  const child = spawn(process.execPath, [join(root, 'node_modules/vitest/vitest.mjs'), ...args], {
    cwd: folder,
    stdio: 'ignore',
    // As in CI, where tests with random programs have a fixed seed.
    env: { ...process.env, CI: 'true', TLSESSION_COUNTS: join(folder, 'mutant-counts') },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  await new Promise((done) => {
    child.on('close', done);
    child.on('error', done);
  });
  clearTimeout(timer);
  if (!existsSync(report)) return null;
  return JSON.parse(readFileSync(report, 'utf8')).testResults;
}

/** The runs of that test: one that is written once may run with several inputs. @param {FileResult[] | null} results @param {NamedTest} test */
function runsOf(results, { file, name }) {
  const result = results?.find((each) => each.name.endsWith(`/${file}`));
  return (result?.assertionResults ?? []).filter(
    ({ fullName, status }) => fullName.includes(name) && status !== 'skipped' && status !== 'pending',
  );
}

/** Whether a test failed at what it says, and not because the source is broken or nothing came. @param {TestResult} run */
function isRed({ status, failureMessages }) {
  const [first = ''] = failureMessages;
  return status === 'failed' && !/^(SyntaxError|ReferenceError|Error: (Test|Hook) timed out)/.test(first);
}

/** @param {Mutant} mutant @param {string} folder @returns {Promise<string | null>} what is wrong; null when all is red */
async function put(mutant, folder) {
  const files = [...new Set(mutant.changes.map(({ file }) => file))];
  try {
    for (const change of mutant.changes) {
      const path = join(folder, change.file);
      writeFileSync(path, applyChange(change, readFileSync(path, 'utf8')));
    }
    const results = await runTests(folder, mutant.red);
    if (results === null) return 'the test runner did not come to its end';
    for (const test of mutant.red) {
      const runs = runsOf(results, test);
      if (runs.some(isRed)) continue;
      const failed = runs.find(({ status }) => status === 'failed');
      const why = failed?.failureMessages[0] ?? results.map(({ message }) => message).join(' ');
      return `${runs.length === 0 || failed ? 'no assertion of it failed' : 'stays green'}: ${test.name} ${why.slice(0, 300)}`;
    }
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const file of files) cpSync(join(root, file), join(folder, file));
  }
}

async function main() {
  const all = readMutants(join(root, 'tests/mutants'));
  const args = process.argv.slice(2);
  if (args.includes('--sync')) {
    const readme = join(root, 'tests/mutants/README.md');
    writeFileSync(readme, withMutantTable(readFileSync(readme, 'utf8'), all));
    return 0;
  }
  const unknown = args.find((arg) => !all.some(({ name }) => name === arg));
  if (unknown !== undefined) {
    console.error(`there is no mutant '${unknown}': tests/mutants/README.md lists them`);
    return 2;
  }
  const mutants = args.length === 0 ? all : all.filter(({ name }) => args.includes(name));
  prepare();

  const folder = mkdtempSync(join(tmpdir(), 'tlsession-mutants-'));
  /** @type {[Mutant, string | null][]} */
  const outcomes = [];
  try {
    const lanes = Array.from({ length: LANES }, (_, i) => join(folder, String(i)));
    for (const lane of lanes) copyInto(lane);

    // A test that is red already shows nothing.
    const tests = mutants.flatMap(({ red }) => red);
    console.error(`mutants: ${new Set(tests.map(({ file }) => file)).size} test files without any …`);
    const sound = await runTests(/** @type {string} */ (lanes[0]), tests);
    const queue = mutants.filter((mutant) => {
      const unsound = mutant.red.find((test) => {
        const runs = runsOf(sound, test);
        return runs.length === 0 || runs.some(({ status }) => status !== 'passed');
      });
      if (unsound === undefined) return true;
      outcomes.push([
        mutant,
        `fails, or is not there, without the mutant: ${unsound.file} > ${unsound.name}`,
      ]);
      return false;
    });

    let done = 0;
    await Promise.all(
      lanes.map(async (lane) => {
        for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
          const wrong = await put(mutant, lane);
          outcomes.push([mutant, wrong]);
          console.error(`mutants: ${++done} ${mutant.name}: ${wrong ?? 'red'}`);
        }
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }

  outcomes.sort(([a], [b]) => (a.name < b.name ? -1 : 1));
  const width = Math.max(...outcomes.map(([{ name }]) => name.length));
  console.log();
  for (const [{ name, lessons, fault }, wrong] of outcomes) {
    console.log(
      `${wrong === null ? 'red    ' : 'MISSED '} ${name.padEnd(width)}  ${fault} [${lessons.join('; ')}]`,
    );
    if (wrong !== null) console.log(`         ${wrong.replaceAll('\n', '\n         ')}`);
  }
  const missed = outcomes.filter(([, wrong]) => wrong !== null).map(([{ name }]) => name);
  const counts = `${outcomes.length - missed.length} passed, ${missed.length} failed, 0 skipped\n`;
  const file = process.env['TLSESSION_COUNTS'];
  if (file) appendFileSync(file, missed.map((name) => `FAILED mutant ${name}\n`).join('') + counts);
  else process.stdout.write(counts);
  return missed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
