// Builds dist/: the library by tsc, file by file with declarations; the command line by esbuild into one
// file with what it uses, since the package has no dependencies.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root, sourceDigest, stampBuild } from './lib/prepare.mjs';

const digest = sourceDigest();
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

const tsc = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

const main = join(root, 'src/cli/main.ts');
if (existsSync(main)) {
  const outfile = join(dist, 'cli/tlsession.js');
  await build({
    entryPoints: [main],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    // Bundled CommonJS (commander) asks for Node's modules by require().
    banner: {
      js: "#!/usr/bin/env node\nimport { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    // Optional peers are looked up on the user's machine.
    external: ['@noble/*', 'lmdb', 'redis', 'ioredis'],
    legalComments: 'eof',
    logLevel: 'warning',
  });
  chmodSync(outfile, 0o755);
}
stampBuild(digest);
