import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import tls, { type Server, type TLSSocket } from '../../src/entry/index.ts';
import { testChain } from '../support/certs.ts';
import { freePort } from '../support/peer.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  readonly exports: Record<string, unknown>;
  readonly scripts: Record<string, string>;
  readonly [field: string]: unknown;
};
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...(existsSync(join(root, 'docs')) ? readdirSync(join(root, 'docs')) : [])
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Rooms of the table that may still be empty. */
const layerRooms = /^(stores|crypto\/noble|crypto\/node|node-tls|net|openssl|cli|ticket)\b/;

test('ARCHITECTURE.md quotes the layer table that the check enforces', () => {
  const script = join(root, 'scripts/sync-layers.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

test('the README gives exactly two commands first, npm start and npm test', () => {
  const block = /```sh\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
  const commands = block
    .trim()
    .split('\n')
    .map((line) => line.replace(/\s*#.*/, ''));
  expect(commands).toEqual(['npm start', 'npm test']);
});

test("the README's imports are package.json's exports", () => {
  const listed = [...read('README.md').matchAll(/^\| `tlsession(\/[\w/-]+)?` \|/gm)].map(
    (row) => `.${row[1] ?? ''}`,
  );
  const exported = Object.keys(manifest.exports).filter((name) => name !== './package.json');
  expect(listed.sort()).toEqual(exported.sort());
});

test("the README's example does what its comments say, to the throw at its end", async () => {
  const code = /```ts\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '';
  const folder = join(root, '.cache');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `readme-${process.pid}.ts`);
  writeFileSync(
    file,
    code.replace(/'tlsession\/([\w-]+)'/g, (_, entry) => `'../src/entry/${entry}.ts'`),
  );
  try {
    await expect(import(/* @vite-ignore */ file)).rejects.toThrow(/no reference left to give back/);
  } finally {
    rmSync(file);
  }
});

test("the README's server and client run as they stand there, and what is kept resumes", async () => {
  const code = [...read('README.md').matchAll(/```ts\n([\s\S]*?)```/g)][1]?.[1] ?? '';
  const port = await freePort();
  const body = code.replace("import tls from 'tlsession';\n", '').replaceAll('8443', String(port));
  const names = ['tls', 'key', 'cert', 'ca', 'session', 'keep', 'console'];
  const run = new Function(...names, `${body}; return server`);
  const { keyPem, chainPem, caPem } = await testChain();
  const said: unknown[] = [];
  const kept: Buffer[] = [];
  const keep = (session: Buffer): void => void kept.push(session);
  const log = (...words: unknown[]): void => void said.push(...words);
  const server = run(tls, keyPem, chainPem, caPem, undefined, keep, { log }) as Server;
  const [first] = (await once(server, 'secureConnection')) as [TLSSocket];
  await once(first, 'close');
  expect(said).toEqual([false, 'no-session-saved', 'hello']);
  const socket = tls.connect({ port, host: 'localhost', ca: caPem, session: kept[0] as Buffer });
  await once(socket, 'secureConnect');
  expect(socket.isSessionReused()).toBe(true);
  socket.destroy();
  server.close();
  await once(server, 'close');
  server.context.destroy();
});

test.each(pages)('%s: links lead somewhere, and npm scripts exist', (page) => {
  const text = read(page);
  for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
    expect(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`).toBe(true);
  }
  for (const [, script = ''] of text.matchAll(/`npm run ([\w-]+)/g)) {
    expect(Object.keys(manifest.scripts), `${page} names npm run ${script}`).toContain(script);
  }
});

test('the files that ARCHITECTURE.md and CONTRIBUTING.md name are there', () => {
  for (const page of ['ARCHITECTURE.md', 'CONTRIBUTING.md']) {
    const named = [...read(page).matchAll(/`((?:[\w-]+\/)+[\w.-]*)`/g)].map(([, path = '']) => path);
    expect(named.length).toBeGreaterThan(5);
    for (const path of named.filter((name) => !layerRooms.test(name) && !name.startsWith('@'))) {
      const found = [path, `src/${path}`].some((candidate) => existsSync(join(root, candidate)));
      expect(found, `${page} names ${path}`).toBe(true);
    }
  }
});

test('the package needs nothing but Node, and says what it is', () => {
  for (const field of ['dependencies', 'optionalDependencies', 'bundleDependencies']) {
    expect(manifest[field], field).toBeUndefined();
  }
  expect(manifest['type']).toBe('module');
  expect(manifest['license']).toBe('Apache-2.0');
  expect(manifest['engines']).toEqual({ node: '>=20.19' });
});

test('LICENSE is the text of Apache-2.0', () => {
  const digest = createHash('sha256').update(read('LICENSE')).digest('hex');
  expect(digest).toBe('cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30');
});
