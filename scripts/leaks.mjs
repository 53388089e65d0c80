// `npm run leaks [-- CONNECTIONS [CHECKPOINTS [BYTES]]]`: connections made, resumed and aborted by the ten thousand
// (default 100,000), half of them in each of two processes; what is left of them is counted (tests/net/leaks.ts).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { prepare, root } from './lib/prepare.mjs';

prepare();
const { build } = await import('esbuild');
const bundle = join(root, '.cache/leaks/main.mjs');
await build({
  entryPoints: [join(root, 'tests/net/leaks-main.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  packages: 'external',
  logLevel: 'warning',
});
const [connections = '100000', checkpoints = '20', bytes = '100'] = process.argv.slice(2);
const half = String(Math.ceil(Number(connections) / 2));
const codes = await Promise.all(
  ['1', '2'].map(async (seed) => {
    const args = ['--expose-gc', bundle, half, checkpoints, bytes, seed];
    const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit');
    return code;
  }),
);
process.exit(codes.every((code) => code === 0) ? 0 : 1);
