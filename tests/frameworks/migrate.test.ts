/** docs/migrate.md: every program there, before and after, does the same; and they differ in one import. */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { expect, test } from 'vitest';
import https from '../../src/entry/https.ts';
import { ClientSessionCache } from '../../src/entry/index.ts';
import * as undici from '../../src/entry/undici.ts';
import { endContext } from '../support/sessions.ts';
import { identity, later } from './site.ts';

const doc = readFileSync(new URL('../../docs/migrate.md', import.meta.url), 'utf8');
const blocks = new Map(
  [...doc.matchAll(/```js (\S+)\n([\s\S]*?)```/g)].map(([, name, code]) => [name as string, code as string]),
);

/** The programs' own would live as long as they. */
const sessionCache = new ClientSessionCache();
const ours: Record<string, unknown> = {
  'tlsession/https': { default: https },
  'tlsession/undici': {
    buildConnector: (options: undici.ConnectorOptions) => undici.buildConnector({ sessionCache, ...options }),
  },
};

/** Runs a block as a module: imports are looked up, exports are given back. */
async function run(name: string, variables: Record<string, unknown>): Promise<Record<string, unknown>> {
  const code = blocks.get(name);
  if (code === undefined) throw new Error(`docs/migrate.md has no block ${name}`);
  const exported: string[] = [];
  const body = code
    .replace(/^import (\w+) from '([^']+)';$/gm, "const { default: $1 } = await load('$2');")
    .replace(/^import (\{[^}]+\}) from '([^']+)';$/gm, "const $1 = await load('$2');")
    .replace(/^export const (\{ )?(\w+)( \})?/gm, (_, open = '', name: string, close = '') => {
      exported.push(name);
      return `const ${open}${name}${close}`;
    });
  const AsyncFunction = (async () => {}).constructor as new (
    ...args: string[]
  ) => (...args: unknown[]) => Promise<Record<string, unknown>>;
  const load = async (from: string): Promise<unknown> => ours[from] ?? (await import(from));
  const names = Object.keys(variables);
  const module = new AsyncFunction('load', ...names, `${body}\nreturn { ${exported.join(', ')} };`);
  return module(load, ...names.map((each) => variables[each]));
}

/** The port that a server of a block listens on. */
async function portOf(server: Server): Promise<number> {
  if (!server.listening) await new Promise((done) => server.once('listening', done));
  later(() => {
    server.closeAllConnections();
    return new Promise<void>((done) =>
      server.close(() => {
        endContext(server);
        done();
      }),
    );
  });
  return (server.address() as { port: number }).port;
}

test('each pair differs in one import and in nothing else', () => {
  const pairs = [...blocks.keys()]
    .filter((name) => name.endsWith('-before'))
    .map((name) => name.slice(0, -7));
  expect(pairs).toEqual(['express', 'fastify', 'axios', 'fetch']);
  for (const name of pairs) {
    const before = (blocks.get(`${name}-before`) as string).split('\n');
    const after = (blocks.get(`${name}-after`) as string).split('\n');
    const changed = before.filter((line, i) => line !== after[i]);
    expect(changed, name).toHaveLength(1);
    expect(changed[0]).toMatch(/^import /);
    expect(after).toHaveLength(before.length);
  }
});

test.each(['express', 'fastify'])(
  'a server of %s, before and after, asked by every client of the page',
  async (name) => {
    const { key, cert, ca } = await identity();
    later(() => sessionCache.clear());
    for (const when of ['before', 'after']) {
      const { server } = (await run(`${name}-${when}`, { key, cert, port: 0 })) as { server: Server };
      const url = `https://localhost:${await portOf(server)}/`;
      expect(server instanceof https.Server).toBe(when === 'after');
      for (const client of ['axios', 'fetch']) {
        for (const side of ['before', 'after']) {
          const { answer } = await run(`${client}-${side}`, { ca, url });
          expect(answer, `${name}-${when}, ${client}-${side}`).toBe('hello over TLSv1.3');
        }
      }
    }
  },
);
