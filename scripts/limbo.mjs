// `npm run limbo`: bundles tests/limbo (Node 20 does not read TypeScript) and runs it.
import { spawnSync } from 'node:child_process';
import { bundle } from './lib/bundle.mjs';
import { prepare } from './lib/prepare.mjs';

prepare();
// Two folders deep like the sources, since the program finds the vectors from where it stands.
const program = await bundle('tests/limbo/main.ts', '.cache/limbo/main.mjs');
const { status } = spawnSync(process.execPath, [program], { stdio: 'inherit' });
process.exit(status ?? 1);
