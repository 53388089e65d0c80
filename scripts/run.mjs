// `npm start` and `npm test`: installs and builds what is missing, then becomes the job asked for.
//   node scripts/run.mjs start [ARGS]   tlsession demo ARGS
//   node scripts/run.mjs test [ARGS]    the test runner with ARGS
//   node scripts/run.mjs cli ARGS       tlsession ARGS
//   node scripts/run.mjs prepare        the set-up alone
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `tlsession needs Node 20.19 or newer; this is ${process.versions.node} (${process.execPath})`,
  );
  process.exit(1);
}

const { prepare, root } = await import('./lib/prepare.mjs');
const [job = '', ...rest] = process.argv.slice(2);

/** @type {Record<string, string[]>} */
const jobs = {
  start: ['dist/cli/tlsession.js', 'demo', ...rest],
  cli: ['dist/cli/tlsession.js', ...rest],
  test: ['node_modules/vitest/vitest.mjs', 'run', ...rest],
};
const command = jobs[job];
if (!command && job !== 'prepare') {
  console.error(`unknown job '${job}'; there are: ${Object.keys(jobs).join(', ')}, prepare`);
  process.exit(2);
}

try {
  prepare();
} catch (error) {
  console.error(`tlsession: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}

if (command) {
  const [script = '', ...args] = command;
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: job === 'cli' ? callersFolder() : root,
    stdio: 'inherit',
  });
  // A terminal's ^C reaches the child by itself; this passes on what was sent to this process alone.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`tlsession: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0));
  });
}

/** npm changes to the package's own folder; files are named from where it was called. */
function callersFolder() {
  const { npm_lifecycle_event: script, INIT_CWD: folder } = process.env;
  return script === 'cli' && folder !== undefined ? folder : process.cwd();
}
