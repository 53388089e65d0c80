// Puts the other Node versions that the tests run on into .cache/node-24 and .cache/node-26: the binaries
// that the npm packages node-linux-* ship, at pinned versions and digests. Does nothing when they are there.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './lib/prepare.mjs';

/** @type {{ major: number, version: string, digests: Record<string, string> }[]} */
const pinned = [
  {
    major: 24,
    version: '24.21.0',
    digests: {
      'linux-x64': '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
      'linux-arm64':
        'FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    },
  },
  {
    major: 26,
    version: '26.10.0',
    digests: {
      'linux-x64': 'OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
    },
  },
];

const platform = `${process.platform}-${process.arch}`;
const cache = join(root, '.cache');
mkdirSync(cache, { recursive: true });

for (const { major, version, digests } of pinned) {
  const home = join(cache, `node-${major}`);
  const binary = join(home, 'bin/node');
  if (existsSync(binary)) {
    const found = execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim();
    if (found === `v${version}`) {
      console.log(`node ${major}: ${binary} (${found})`);
      continue;
    }
  }
  const wanted = digests[platform];
  if (!wanted) {
    console.error(`node ${major}: no package is pinned for ${platform}`);
    process.exitCode = 1;
    continue;
  }
  console.error(`node ${major}: fetching node-${platform}@${version} …`);
  const work = mkdtempSync(join(cache, 'fetch-'));
  try {
    const pack = ['pack', `node-${platform}@${version}`, '--silent', '--pack-destination', work];
    const archive = join(work, execFileSync('npm', pack, { encoding: 'utf8' }).trim());
    const digest = createHash('sha512').update(readFileSync(archive)).digest('base64');
    if (digest !== wanted) throw new Error(`node-${platform}@${version}: its SHA-512 is ${digest}`);
    execFileSync('tar', ['-xzf', archive, '-C', work, 'package/bin', 'package/LICENSE']);
    rmSync(home, { recursive: true, force: true });
    renameSync(join(work, 'package'), home);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.log(`node ${major}: ${binary} (v${version})`);
}
