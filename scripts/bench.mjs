// Bundles bench/ (Node 20 does not read TypeScript) and runs it, under another Node with --node N.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './lib/bundle.mjs';
import { prepare, root } from './lib/prepare.mjs';

const args = process.argv.slice(2);
let node = process.execPath;
const at = args.findIndex((argument) => argument === '--node' || argument.startsWith('--node='));
if (at >= 0) {
  const [option = ''] = args.splice(at, 1);
  const major = option.includes('=') ? option.split('=')[1] : args.splice(at, 1)[0];
  if (major !== process.versions.node.split('.')[0]) {
    node = join(root, `.cache/node-${major}/bin/node`);
    if (!existsSync(node)) {
      console.error(`no Node ${major} here: run npm run node-versions (it fetches 24 and 26)`);
      process.exit(2);
    }
  }
}

prepare();
const program = await bundle('bench/run.ts', '.cache/bench/run.mjs');
const { status } = spawnSync(node, ['--expose-gc', program, ...args], {
  stdio: 'inherit',
  env: { ...process.env, TLSESSION_ROOT: root },
});
process.exit(status ?? 1);
