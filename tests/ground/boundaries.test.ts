import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const script = join(import.meta.dirname, '../../scripts/check-boundaries.mjs');
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'boundaries-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Violation {
  readonly file: string;
  readonly line: number;
  readonly rule: string;
  readonly text: string;
}

const { checkBoundaries } = (await import(
  /* @vite-ignore */ join(import.meta.dirname, '../../scripts/lib/boundaries.mjs')
)) as { checkBoundaries: (root: string) => Violation[] };

function plant(files: Record<string, string>, exportsField: object = {}): void {
  const all: Record<string, string> = {
    'package.json': JSON.stringify({ exports: { ...exportsField, './package.json': './package.json' } }),
    'src/util/bytes.ts': 'export const EMPTY: Uint8Array = new Uint8Array(0);\n',
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** What the check says of a tree that has these files. */
function complaints(files: Record<string, string>): string[] {
  plant(files);
  return checkBoundaries(root).map(({ file, line, rule, text }) => `${file}:${line}: [${rule}] ${text}`);
}

/** Runs the check as CI does. */
function run(): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--root', root], {
    encoding: 'utf8',
  });
  return { code: status, said: stdout + stderr };
}

test('a tree that keeps to the table passes', () => {
  plant({
    'src/session/core.ts':
      "import { EMPTY } from '../util/bytes.ts';\n// a comment: import x from 'node:fs'; Buffer\nexport const text = 'Buffer process Date.now()';\nexport function process(Buffer: Uint8Array): number { return Buffer.length + EMPTY.length; }\nexport const key = { process: 1 }.process;\n",
    'src/net/socket.ts':
      "import { Socket } from 'node:net';\nimport type { Anything } from '../session/core.ts';\nexport const size = (socket: Socket, _: Anything): number => Buffer.byteLength(String(socket.localPort));\n",
    'src/util/clock.ts': 'export const now = (): number => Date.now() + performance.now();\n',
    'src/session/core.test.ts': "import 'node:fs';\nimport '../net/socket.ts';\nimport 'vitest';\n",
  });
  expect(run()).toEqual({ code: 0, said: 'boundaries: src/ keeps to the layer table\n' });
});

const bad: [name: string, files: Record<string, string>, expected: RegExp][] = [
  [
    'node: in a room without Node',
    { 'src/wire/reader.ts': "import { readFileSync } from 'node:fs';\nexport { readFileSync };\n" },
    /src\/wire\/reader\.ts:1: \[node\] imports node:fs/,
  ],
  [
    'node: by export … from',
    { 'src/record/x.ts': "\nexport { Socket } from 'node:net';\n" },
    /src\/record\/x\.ts:2: \[node\] imports node:net/,
  ],
  [
    'node: by import()',
    { 'src/handshake/x.ts': "export const load = (): Promise<unknown> => import('node:net');\n" },
    /\[node\] imports node:net/,
  ],
  [
    'node: by a type',
    { 'src/cache/x.ts': "export type S = import('node:net').Socket;\n" },
    /\[node\] imports node:net/,
  ],
  [
    'an import() that cannot be read',
    { 'src/cli/x.ts': 'export const load = (name: string): Promise<unknown> => import(name);\n' },
    /\[import\] import\(\) of something other than a literal/,
  ],
  [
    'Buffer in a room without Node',
    { 'src/session/x.ts': "export const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');\n" },
    /src\/session\/x\.ts:1: \[node\] uses the global Buffer/,
  ],
  [
    'Buffer as a type',
    { 'src/pki/x.ts': 'export const size = (b: Buffer): number => b.length;\n' },
    /\[node\] uses the global Buffer/,
  ],
  [
    'process in a room without Node',
    { 'src/openssl/x.ts': "export const on = (): boolean => process.env['X'] === '1';\n" },
    /\[node\] uses the global process/,
  ],
  [
    'a global by globalThis',
    { 'src/ticket/x.ts': 'export const p: unknown = globalThis.process;\n' },
    /\[node\] uses a global of Node's/,
  ],
  [
    'a timer in the engine',
    { 'src/connection/x.ts': 'export const later = (f: () => void): unknown => setTimeout(f, 1);\n' },
    /\[node\] uses the global setTimeout/,
  ],
  [
    'a reference directive',
    { 'src/wire/x.ts': '/// <reference types="node" />\nexport const x = 1;\n' },
    /\[node\] a reference directive/,
  ],
  [
    'session/ imports anything but util/',
    { 'src/wire/reader.ts': 'export const x = 1;\n', 'src/session/x.ts': "import '../wire/reader.ts';\n" },
    /\[layer\] session\/ imports from wire\/; it may import only util/,
  ],
  [
    'a layer imports from one above it',
    {
      'src/wire/reader.ts': "import '../record/deframe.ts';\n",
      'src/record/deframe.ts': "import '../wire/reader.ts';\n",
    },
    /src\/wire\/reader\.ts:1: \[layer\] wire\/ imports from record\//,
  ],
  [
    'the engine names a provider',
    {
      'src/crypto/node/x.ts': 'export const x = 1;\n',
      'src/handshake/x.ts': "import '../crypto/node/x.ts';\n",
    },
    /\[layer\] .*crypto\/node/,
  ],
  [
    'something below imports a store',
    { 'src/stores/lmdb/x.ts': 'export const x = 1;\n', 'src/net/x.ts': "import '../stores/lmdb/x.ts';\n" },
    /\[layer\] stores\/lmdb\/ may be imported only by/,
  ],
  [
    'a package that the room was not given',
    { 'src/net/x.ts': "import 'commander';\n" },
    /\[package\] imports the package commander/,
  ],
  [
    'a helper of the tests',
    { 'tests/support/x.ts': 'export const x = 1;\n', 'src/net/x.ts': "import '../../tests/support/x.ts';\n" },
    /\[outside\]/,
  ],
  [
    'a test',
    { 'src/net/y.test.ts': 'export const x = 1;\n', 'src/net/x.ts': "import './y.test.ts';\n" },
    /\[outside\] imports the test/,
  ],
  ['a file in no room', { 'src/stray.ts': 'export const x = 1;\n' }, /\[room\]/],
  ['a missing file', { 'src/net/x.ts': "import './gone.ts';\n" }, /\[import\] .*not there/],
  [
    'the clock read outside the clock',
    { 'src/net/x.ts': 'export const t = (): number => Date.now();\n' },
    /src\/net\/x\.ts:1: \[clock\]/,
  ],
  ['new Date() of now', { 'src/cli/x.ts': 'export const t = (): Date => new Date();\n' }, /\[clock\]/],
  ['Math.random', { 'src/net/x.ts': 'export const r = (): number => Math.random();\n' }, /\[random\]/],
  [
    'randomness not from the provider',
    { 'src/ticket/x.ts': 'export const r = (b: Uint8Array): void => void crypto.getRandomValues(b);\n' },
    /\[random\]/,
  ],
  [
    'an entry without Node that reaches Node',
    {
      'src/entry/engine.ts': "export * from '../openssl/x.ts';\n",
      'src/openssl/x.ts': "export * from '../net/y.ts';\n",
      'src/net/y.ts': 'export const y = 1;\n',
    },
    /src\/entry\/engine\.ts:1: \[node\] .*entry\/engine\.ts → openssl\/x\.ts → net\/y\.ts/,
  ],
  ['what does not parse', { 'src/net/x.ts': 'export const = 1;\n' }, /\[syntax\]/],
];

test.each(bad)('refuses %s', (_, files, expected) => {
  const said = complaints(files);
  expect(said, 'one complaint, and no false one beside it').toHaveLength(1);
  expect(said[0]).toMatch(expected);
});

test('the command fails on a bad example, and says where', () => {
  plant({ 'src/wire/reader.ts': "\nimport 'node:fs';\n" });
  const { code, said } = run();
  expect(said).toMatch(/^src\/wire\/reader\.ts:2: \[node\] imports node:fs/);
  expect(code).toBe(1);
});

test('package.json exports what src/entry has, no more and no less', () => {
  const pki = { './pki': { types: './dist/entry/pki.d.ts', default: './dist/entry/pki.js' } };
  plant({ 'src/entry/pki.ts': 'export const x = 1;\n' });
  expect(run()).toMatchObject({
    code: 1,
    said: expect.stringContaining('package.json: [exports]') as string,
  });
  plant({}, pki);
  expect(run().code).toBe(0);
  rmSync(join(root, 'src/entry/pki.ts'));
  expect(run()).toMatchObject({
    code: 1,
    said: expect.stringContaining('package.json: [exports]') as string,
  });
});
