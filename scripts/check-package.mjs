// Packs the package and looks at what users would get: publint, attw, no dependencies, nothing in it that
// does not belong; every entry loads in this Node and type-checks with skipLibCheck off; and those that are
// to run anywhere do so where there is no Node, neither in the types nor at run time.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { nodeFreeEntries } from './lib/layers.mjs';
import { prepare, root } from './lib/prepare.mjs';

/** @type {string[]} */
const problems = [];

/** @param {string} what @param {string[]} args of a program in node_modules, run by this Node */
function runNode(what, args, cwd = root) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  if (status !== 0) problems.push(`${what}:\n${stdout}${stderr}`);
}

prepare();
mkdirSync(join(root, '.cache'), { recursive: true });
const work = mkdtempSync(join(root, '.cache/package-'));
try {
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', work];
  const archive = join(work, execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }).trim());
  const home = join(work, 'node_modules/tlsession');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '-C', home, '--strip-components=1']);
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));

  const lint = await publint({ pkgDir: home, pack: false, strict: true });
  for (const message of lint.messages) problems.push(`publint: ${formatMessage(message, manifest)}`);

  const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  runNode('attw', [attw, archive, '--profile', 'esm-only', '--format', 'ascii', '--no-definitely-typed']);

  for (const field of ['dependencies', 'bundleDependencies', 'optionalDependencies']) {
    if (manifest[field]) problems.push(`package.json has ${field}; the package needs nothing but Node`);
  }
  const files = readdirSync(home, { recursive: true, encoding: 'utf8' });
  for (const file of files) {
    if (/\.test\.|\.built-from$|(^|\/)(tests|bench|scripts|src)\//.test(file))
      problems.push(`packed: ${file}`);
  }

  const names = Object.keys(manifest.exports).filter((name) => name !== './package.json');
  const specifiers = names.map((name) => `tlsession${name.slice(1)}`);
  for (const specifier of specifiers) {
    runNode(`import '${specifier}'`, ['--input-type=module', '-e', `await import('${specifier}')`], work);
  }
  writeFileSync(join(work, 'package.json'), '{ "type": "module" }');

  /** @param {string} file @param {string[]} list @param {string[]} types */
  const typeCheck = (file, list, types) => {
    writeFileSync(
      join(work, file),
      list.map((name, index) => `export * as m${index} from '${name}';\n`).join(''),
    );
    const compilerOptions = {
      target: 'es2023',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      types,
    };
    const config = join(work, `${file}.json`);
    writeFileSync(config, JSON.stringify({ compilerOptions, files: [file] }));
    runNode(
      `types of ${list.join(', ')}`,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', config],
      work,
    );
  };
  mkdirSync(join(work, 'node_modules/@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(work, 'node_modules/@types/node'));
  symlinkSync(join(root, 'node_modules/undici-types'), join(work, 'node_modules/undici-types'));
  typeCheck('everywhere.ts', specifiers, ['node']);

  const nodeFree = nodeFreeEntries.filter((name) => names.includes(`./${name}`));
  rmSync(join(work, 'node_modules/@types'), { recursive: true });
  for (const name of nodeFree) {
    typeCheck(`${name}.ts`, [`tlsession/${name}`], []);
    const { outputFiles } = await build({
      stdin: { contents: `export * from 'tlsession/${name}';`, resolveDir: work },
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'tlsession',
      platform: 'neutral',
      target: 'es2023',
      logLevel: 'silent',
    });
    // What browsers, workers and Node all have; not Buffer, not process.
    const context = vm.createContext({ TextEncoder, TextDecoder, performance, crypto });
    try {
      const exported = vm.runInContext(`${outputFiles[0]?.text}; Object.keys(tlsession).length`, context);
      if (exported === 0) problems.push(`tlsession/${name} exports nothing`);
    } catch (error) {
      problems.push(`tlsession/${name} without Node: ${error}`);
    }
  }

  if (manifest.bin) {
    const bin = join(home, manifest.bin.tlsession);
    runNode('tlsession --help', [bin, '--help'], work);
  }
  const size = Math.round(readFileSync(archive).length / 1024);
  if (problems.length === 0) {
    console.log(
      `package: ${size} KiB, ${files.length} files; ${specifiers.join(', ')}; without Node: ${nodeFree.join(', ')}`,
    );
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
