/** docs/node-tls.md has a row for each name of node:tls, and each row says what is so. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import ours, * as named from '../../../src/entry/index.ts';
import { describeOnNodes } from '../../support/node-versions.ts';
import { runPeer } from '../../support/peer.ts';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/node-tls.md'), 'utf8');

interface Row {
  readonly section: string;
  readonly name: string;
  readonly verdict: string;
  readonly text: string;
  readonly file: string;
  readonly title: string;
}

const rows: readonly Row[] = page.split(/^## /m).flatMap((part) => {
  const section = part.slice(0, part.indexOf('\n'));
  return [...part.matchAll(/^\| `([\w-]+)` \| ([^|]+) \| ([^|]*) \| `([^`]+)`: ([^|]+) \|$/gm)].map(
    ([, name = '', verdict = '', text = '', file = '', title = '']) => ({
      section,
      name,
      verdict: verdict.replaceAll('*', ''),
      text,
      file,
      title,
    }),
  );
});

function rowsOf(...sections: readonly string[]): readonly Row[] {
  const found = rows.filter(({ section }) => sections.includes(section));
  if (found.length === 0) throw new Error(`no rows in ${sections.join(', ')}`);
  return found;
}

const CONTEXT = 'Options of contexts';
const CONNECT = 'Options of connect';
const SERVER = 'Options of createServer';
const OPTIONS = [CONTEXT, CONNECT, SERVER];
const EVENTS = ['Events of a client', 'Events of a server'];
const SOCKET = 'Methods and properties of TLSSocket';
const NET_SOCKET = 'Beneath a TLSSocket: net.Socket';
const SERVER_MEMBERS = 'Methods and properties of Server';

/** Which of the names have no row in these sections. Those with an underscore have one section for all. */
function without(names: readonly string[], ...sections: readonly string[]): string[] {
  const known = new Set(rowsOf(...sections).map(({ name }) => name));
  return names.filter((name) => !name.startsWith('_') && !known.has(name));
}

type Names = Record<
  | 'exports'
  | 'socket'
  | 'server'
  | 'netSocket'
  | 'netServer'
  | 'contextOptions'
  | 'serverOptions'
  | 'connectOptions'
  | 'socketOptions'
  | 'events'
  | 'errors',
  readonly string[]
>;

describeOnNodes('the page has a row for', (node) => {
  test('each name of node:tls, as the program itself lists them', async () => {
    const script = join(import.meta.dirname, 'list-names.mjs');
    const { code, stdout, stderr } = await runPeer(node, ['--no-deprecation', script]);
    expect(code, stderr).toBe(0);
    const names = JSON.parse(stdout) as Names;
    // That the listing lists: fewer would be a listing that broke.
    const least = { exports: 16, socket: 25, server: 5, netSocket: 30, contextOptions: 20, errors: 12 };
    for (const [key, count] of Object.entries(least)) {
      expect(names[key as keyof Names].length, key).toBeGreaterThanOrEqual(count);
    }
    expect(without(names.exports, 'Exports')).toEqual([]);
    expect(without(names.socket, SOCKET)).toEqual([]);
    expect(without(names.netSocket, NET_SOCKET)).toEqual([]);
    expect(without([...names.server, ...names.netServer], SERVER_MEMBERS)).toEqual([]);
    expect(without(names.contextOptions, CONTEXT)).toEqual([]);
    expect(without(names.serverOptions, CONTEXT, SERVER)).toEqual([]);
    expect(without([...names.connectOptions, ...names.socketOptions], ...OPTIONS)).toEqual([]);
    expect(without(names.events, ...EVENTS)).toEqual([]);
    expect(without(names.errors, 'Error codes')).toEqual([]);
  });
});

describe('@types/node', () => {
  const path = createRequire(import.meta.url)
    .resolve('@types/node/package.json')
    .replace('package.json', 'tls.d.ts');
  const declarations = readFileSync(path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');

  /** The members of an interface or class, as it is written there. */
  function membersOf(kind: string): string[] {
    const body =
      new RegExp(`(?:interface|class) ${kind} [^{]*\\{\\n([\\s\\S]*?)\\n    \\}`).exec(declarations)?.[1] ??
      '';
    return [
      ...new Set([...body.matchAll(/^ {8}(?:readonly )?(\w+)\??[:(<]/gm)].map(([, name = '']) => name)),
    ];
  }

  /** What an EventEmitter has. */
  const EMITTER = [
    'addListener',
    'emit',
    'on',
    'once',
    'prependListener',
    'prependOnceListener',
    'constructor',
  ];

  test('each member of its classes and interfaces has a row', () => {
    const sections: Record<string, readonly string[]> = {
      TLSSocket: [SOCKET],
      Server: [SERVER_MEMBERS],
      TLSSocketOptions: OPTIONS,
      CommonConnectionOptions: OPTIONS,
      TlsOptions: [CONTEXT, SERVER],
      ConnectionOptions: OPTIONS,
      SecureContextOptions: OPTIONS,
      PeerCertificate: ['Certificates'],
      DetailedPeerCertificate: ['Certificates'],
    };
    for (const [kind, where] of Object.entries(sections)) {
      const members = membersOf(kind).filter((name) => !EMITTER.includes(name));
      expect(members.length, kind).toBeGreaterThan(0);
      expect(without(members, ...where), kind).toEqual([]);
    }
    for (const { name, text } of rowsOf('Shapes')) {
      const members = membersOf(name);
      expect(members.length, name).toBeGreaterThan(0);
      for (const member of members) expect(text, name).toContain(`\`${member}\``);
    }
    const known = new Set([...Object.keys(sections), ...rowsOf('Shapes').map(({ name }) => name)]);
    const kinds = [...declarations.matchAll(/^ {4}(?:interface|class) (\w+)/gm)].map(([, name = '']) => name);
    expect(kinds.filter((kind) => !known.has(kind))).toEqual([]);
    const events = [...declarations.matchAll(/\((?:event): "(\w+)"/g)].map(([, name = '']) => name);
    expect(events.length).toBeGreaterThan(20);
    expect(without(events, ...EVENTS)).toEqual([]);
    const functions = [...declarations.matchAll(/^ {4}(?:function|const|let|class) (\w+)/gm)].map(
      ([, name = '']) => name,
    );
    expect(without(functions, 'Exports')).toEqual([]);
  });
});

describe('the rows', () => {
  test('none escaped the pattern, and none is there twice', () => {
    expect(rows.length).toBe(page.split('\n').filter((line) => line.startsWith('| `')).length);
    const keys = rows.map(({ section, name }) => `${section}: ${name}`);
    expect(keys.filter((key, at) => keys.indexOf(key) !== at)).toEqual([]);
    expect(new Set(rows.map(({ verdict }) => verdict))).toEqual(new Set(['same', 'better', 'left out']));
  });

  test('each names a test that is there', () => {
    for (const { name, file, title } of rows) {
      expect(existsSync(join(root, file)), `${name}: ${file}`).toBe(true);
      expect(readFileSync(join(root, file), 'utf8'), `${name}: ${title}`).toContain(title);
    }
  });

  test('what is better or left out says how', () => {
    for (const { name, verdict, text } of rows) {
      if (verdict !== 'same') expect(text.length, name).toBeGreaterThan(5);
    }
  });

  test('what is not left out is there', () => {
    for (const { name, verdict } of rowsOf('Exports')) {
      expect(name in ours, name).toBe(verdict !== 'left out');
      expect(name in named, name).toBe(verdict !== 'left out');
    }
    const { TLSSocket, Server } = named;
    const fields = ['authorized', 'authorizationError', 'alpnProtocol', 'servername', 'encrypted'];
    for (const { name } of rowsOf(SOCKET, NET_SOCKET)) {
      expect(name in TLSSocket.prototype || fields.includes(name), name).toBe(true);
    }
    for (const { name, verdict } of rowsOf(SERVER_MEMBERS)) {
      if (verdict !== 'left out' && name !== 'maxConnections')
        expect(name in Server.prototype, name).toBe(true);
    }
    // Nothing of net.Socket’s own state is asked for by way of its prototype.
    expect(Reflect.get(TLSSocket.prototype, '_handle')).toBeUndefined();
  });
});
