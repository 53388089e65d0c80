/**
 * Obtains and builds what `npm run bogo` needs, once, into `.cache/bogo`, from Debian packages alone and
 * without installing any: BoringSSL's test runner (from the source package
 * `android-platform-external-boringssl`), the Go compiler and its two libraries, and the forwarder (`tests/bogo/forward.c`).
 * Nothing outside the cache is changed and no rights of root are needed.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const RELEASE = 'bookworm';
const MIRROR = 'http://deb.debian.org/debian';
const SOURCE_PACKAGE = 'android-platform-external-boringssl';
const BINARY_PACKAGES = [
  'golang-1.19-go',
  'golang-1.19-src',
  'golang-golang-x-crypto-dev',
  'golang-golang-x-sys-dev',
];
const GO_ROOT = 'usr/lib/go-1.19';
const GO_LIBRARIES = 'usr/share/gocode/src/golang.org/x';

/** @typedef {(line: string) => void} Say */

/**
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').ExecFileSyncOptions} options
 */
function run(program, args, options = {}) {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
}

/**
 * apt with lists and a cache of its own, so that the system's configuration is neither needed nor changed.
 * @param {string} cache
 * @returns {(args: string[], cwd: string) => void}
 */
function privateApt(cache) {
  const state = join(cache, 'apt');
  mkdirSync(join(state, 'lists/partial'), { recursive: true });
  mkdirSync(join(state, 'archives/partial'), { recursive: true });
  const list = join(state, 'sources.list');
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  const from = `${signed}${MIRROR} ${RELEASE} main`;
  writeFileSync(list, `deb ${from}\ndeb-src ${from}\n`);
  const options = [
    `Dir::Etc::sourcelist=${list}`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::lists=${join(state, 'lists')}`,
    `Dir::Cache=${state}`,
    'Debug::NoLocking=1',
    'APT::Sandbox::User=',
  ].flatMap((option) => ['-o', option]);
  return (args, cwd) => run('apt-get', [...options, '-qq', ...args], { cwd });
}

/**
 * @param {string} cache
 * @param {Say} say
 */
function fetchPackages(cache, say) {
  const packages = join(cache, 'packages');
  if (existsSync(packages)) return packages;
  say('fetching the packages');
  const partial = `${packages}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial);
  const apt = privateApt(cache);
  apt(['update'], cache);
  apt(['download', ...BINARY_PACKAGES], partial);
  apt(['source', '--download-only', SOURCE_PACKAGE], partial);
  renameSync(partial, packages);
  return packages;
}

/**
 * @param {string} cache
 * @param {string} packages
 * @param {Say} say
 */
function unpack(cache, packages, say) {
  const unpacked = join(cache, 'unpacked');
  if (existsSync(unpacked)) return unpacked;
  say('unpacking');
  const partial = `${unpacked}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(partial, 'src'), { recursive: true });
  const files = readdirSync(packages);
  for (const file of files) {
    if (file.endsWith('.deb')) run('dpkg-deb', ['--extract', join(packages, file), join(partial, 'root')]);
  }
  const source = files.find((file) => file.endsWith('.orig.tar.xz'));
  if (source === undefined) throw new Error(`no source archive in ${packages}`);
  const wanted = ['*/src/ssl/test', '*/src/util/testresult'];
  const strip = ['--strip-components=2', '--wildcards'];
  run('tar', [
    '--extract',
    '--file',
    join(packages, source),
    '--directory',
    join(partial, 'src'),
    ...strip,
    ...wanted,
  ]);
  renameSync(partial, unpacked);
  return unpacked;
}

/** @param {string} root */
function goModule(root) {
  const libraries = ['crypto', 'sys'];
  const requires = libraries.map((name) => `require golang.org/x/${name} v0.0.0`);
  const replaces = libraries.map(
    (name) => `replace golang.org/x/${name} => ${join(root, GO_LIBRARIES, name)}`,
  );
  return ['module boringssl.googlesource.com/boringssl', 'go 1.19', ...requires, ...replaces, ''].join(
    '\n\n',
  );
}

/**
 * @param {string} cache
 * @param {string} unpacked
 * @param {Say} say
 */
function buildRunner(cache, unpacked, say) {
  const runner = join(cache, 'runner.test');
  if (existsSync(runner)) return runner;
  say('building the runner');
  const root = join(unpacked, 'root');
  const source = join(unpacked, 'src');
  writeFileSync(join(source, 'go.mod'), goModule(root));
  const go = join(root, GO_ROOT, 'bin/go');
  const partial = `${runner}.partial`;
  run(go, ['test', '-c', '-o', partial, '.'], {
    cwd: join(source, 'ssl/test/runner'),
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      GOROOT: join(root, GO_ROOT),
      GOPATH: join(cache, 'go'),
      GOCACHE: join(cache, 'go-build'),
      GOFLAGS: '-mod=mod',
      GOPROXY: 'off',
      CGO_ENABLED: '0',
    },
  });
  renameSync(partial, runner);
  return runner;
}

/**
 * The compiled forwarder, or null where there is no C compiler.
 * @param {string} cache
 * @param {string} source
 * @param {Say} say
 */
function buildForwarder(cache, source, say) {
  const forwarder = join(cache, 'forward');
  if (existsSync(forwarder) && statSync(forwarder).mtimeMs > statSync(source).mtimeMs) return forwarder;
  try {
    run('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', forwarder, source]);
    return forwarder;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    say('no C compiler: every test starts a Node process of its own');
    return null;
  }
}

/**
 * @param {string} cache a directory of its own
 * @param {string} forwarderSource
 * @param {Say} say
 * @returns {{runner: string, resources: string, forwarder: string | null}} paths: the runner, the
 *   directory that it runs in (its certificates), the forwarder
 */
export function buildBogo(cache, forwarderSource, say) {
  const home = resolve(cache);
  mkdirSync(home, { recursive: true });
  const runner = join(home, 'runner.test');
  const unpacked = existsSync(runner) ? join(home, 'unpacked') : unpack(home, fetchPackages(home, say), say);
  return {
    runner: buildRunner(home, unpacked, say),
    resources: join(unpacked, 'src/ssl/test/runner'),
    forwarder: buildForwarder(home, forwarderSource, say),
  };
}
