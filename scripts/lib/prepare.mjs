/**
 * Set-up that costs nothing when there is nothing to do: installs when node_modules does not hold what the
 * lock file says, builds when dist/ was made from other bytes than src/ has now. Imports Node's own modules
 * only, since it runs before anything is installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const stampPath = join(root, 'dist/.built-from');

/** @param {string} path @returns {any} the parsed file, or null when it is missing or damaged */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** @param {string[] | undefined} allowed as in package.json "os" and "cpu" @param {string} value */
function admits(allowed, value) {
  if (!allowed || allowed.length === 0) return true;
  if (allowed.includes(`!${value}`)) return false;
  return allowed.includes(value) || allowed.every((name) => name.startsWith('!'));
}

/** Whether an optional package is this machine's own binary, and so must be there. @param {any} entry */
function fitsThisMachine(entry) {
  if (!entry.os && !entry.cpu) return false;
  if (!admits(entry.os, process.platform) || !admits(entry.cpu, process.arch)) return false;
  if (!entry.libc) return true;
  const report = /** @type {any} */ (process.report.getReport());
  return entry.libc.includes(report.header.glibcVersionRuntime ? 'glibc' : 'musl');
}

/** What node_modules lacks of the lock file, as one package's name; null when it is complete. */
export function missingPackage() {
  const lock = readJson(join(root, 'package-lock.json'));
  const installed = readJson(join(root, 'node_modules/.package-lock.json'));
  if (!lock) throw new Error('package-lock.json is missing or damaged');
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '' || entry.link) continue;
    const there = installed?.packages?.[path];
    if (!there && entry.optional && !fitsThisMachine(entry)) continue;
    if (there?.version !== entry.version || !existsSync(join(root, path, 'package.json'))) {
      return path.replace(/^.*node_modules\//, '');
    }
  }
  return null;
}

/** A digest of everything that dist/ is made from. */
export function sourceDigest() {
  const hash = createHash('sha256');
  const files = readdirSync(join(root, 'src'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  const configs = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/build.mjs',
  ];
  for (const path of [...files, ...configs.map((name) => join(root, name))]) {
    const bytes = readFileSync(path);
    hash.update(`${relative(root, path)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/** @param {string} digest from before the build, so that an edit during it is not lost */
export function stampBuild(digest) {
  writeFileSync(stampPath, digest);
}

function isBuilt(/** @type {string} */ digest) {
  return existsSync(stampPath) && readFileSync(stampPath, 'utf8') === digest;
}

/** @param {string} command @param {string[]} args @param {string} step for the error's text */
function runStep(command, args, step) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) throw new Error(`${step} could not start: ${error.message}`);
  if (status !== 0)
    throw new Error(`${step} failed (exit ${status ?? 'by a signal'}); what it said stands above`);
}

function install() {
  // Not `npm ci`: it insists that the lock file has the binaries of every platform, and a registry mirror
  // need not have them all. `--no-save` keeps to the lock file and leaves it as it is. No package here needs
  // an install script. NODE_ENV=production or omit=dev in the environment must not leave the compiler out.
  const flags = [
    '--no-save',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
  ];
  const args = ['install', ...flags];
  const npm = process.env['npm_execpath'];
  if (npm?.endsWith('.js')) runStep(process.execPath, [npm, ...args], 'npm install');
  else if (process.platform === 'win32') runStep('cmd.exe', ['/c', 'npm', ...args], 'npm install');
  else runStep('npm', args, 'npm install');
}

/** Installs and builds what is missing; says on stderr what it does, and nothing when there is nothing to do. */
export function prepare() {
  const missing = missingPackage();
  if (missing) {
    console.error(`tlsession: installing the development packages (${missing} is missing) …`);
    install();
  }
  const digest = sourceDigest();
  if (!isBuilt(digest)) {
    console.error('tlsession: building dist/ …');
    runStep(process.execPath, [join(root, 'scripts/build.mjs')], 'the build');
    stampBuild(digest);
  }
}
