// `npm run fuzz [-- RUNS [SEED]]`: tests/fuzz at length. The seed is fixed in CI; elsewhere it is drawn and said,
// so that what was found can be found again.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { prepare, root } from './lib/prepare.mjs';

const [runs = '20000', given] = process.argv.slice(2);
const seed = given ?? (process.env['CI'] ? '8446' : String(randomInt(2 ** 31)));
if (!/^\d+$/.test(runs) || !/^\d+$/.test(seed)) {
  console.error('npm run fuzz -- RUNS [SEED]');
  process.exit(2);
}
prepare();
console.log(`fuzz: ${runs} runs a property, seed ${seed}`);
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const { status } = spawnSync(
  process.execPath,
  [vitest, 'run', 'tests/fuzz/', '--testTimeout', String(15 * 60_000)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, FUZZ_RUNS: runs, FUZZ_SEED: seed, TLSESSION_FUZZ_SEED: seed },
  },
);
process.exit(status ?? 1);
