// `npm run leaks [-- CONNECTIONS [CHECKPOINTS [BYTES]]]`: connections made, resumed and aborted by the ten thousand
// (default 100,000), half of them in each of two processes; what is left of them is counted (tests/net/leaks.ts).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { bundle } from './lib/bundle.mjs';
import { prepare } from './lib/prepare.mjs';

prepare();
const program = await bundle('tests/net/leaks-main.ts', '.cache/leaks/main.mjs');
const [connections = '100000', checkpoints = '20', bytes = '100'] = process.argv.slice(2);
const half = String(Math.ceil(Number(connections) / 2));
const codes = await Promise.all(
  ['1', '2'].map(async (seed) => {
    const args = ['--expose-gc', program, half, checkpoints, bytes, seed];
    const [code] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit');
    return code;
  }),
);
process.exit(codes.every((code) => code === 0) ? 0 : 1);
