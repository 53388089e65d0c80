// `npm run limbo`: bundles tests/limbo (Node 20 does not read TypeScript) and runs it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root } from './lib/prepare.mjs';

prepare();
const { build } = await import('esbuild');
// Two folders deep like the sources, since the program finds the vectors from where it stands.
const bundle = join(root, '.cache/limbo/main.mjs');
await build({
  entryPoints: [join(root, 'tests/limbo/main.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  packages: 'external',
  logLevel: 'warning',
});
const { status } = spawnSync(process.execPath, [bundle], { stdio: 'inherit' });
process.exit(status ?? 1);
