/**
 * The layer table: one row a room (a folder under src/), in order. A room imports only from rows above its
 * own, and `node:` modules and Node's globals only where `node` says so. `scripts/check-boundaries.mjs`
 * enforces it; ARCHITECTURE.md quotes it, and a test keeps the two in step.
 *
 * @typedef {object} Room
 * @property {string} room folder under src/; the longest match wins, so `crypto/node` is apart from `crypto`
 * @property {string} what one line for ARCHITECTURE.md
 * @property {boolean} [node] may import `node:*` and use Buffer, process and timers
 * @property {string[]} [only] imports from these rooms alone, and not from all above
 * @property {string[]} [importedBy] rooms that may import this one; without it, every row below may
 * @property {string[]} [packages] npm packages that it may import (optional peers, or bundled into the CLI)
 */

/** Those that choose a platform, and so may name a provider or a store. */
const platform = ['net', 'node-tls', 'openssl', 'cli', 'entry'];

/** @type {Room[]} */
export const layers = [
  { room: 'util', what: 'bytes, registries of names, errors, the clock' },
  { room: 'wire', what: 'reader, writer; one file a handshake message, one an extension' },
  {
    room: 'session',
    only: ['util'],
    what: 'the SSL_SESSION object, its reference counts and its serialised forms',
  },
  { room: 'crypto', what: "the crypto provider's interface; short inputs by WebAssembly of our own" },
  { room: 'diagnostics', what: 'the channels and messages by which the library tells what it does' },
  { room: 'ticket', what: 'the keyring; sealing and opening tickets; ticket age' },
  { room: 'cache', what: "the context's cache, the client cache, the store contract, the replay register" },
  {
    room: 'fleet',
    what: 'what many processes share through a store: sealing, the keyring, the replay register',
  },
  { room: 'schedule', what: 'key schedule and transcript' },
  { room: 'pki', what: 'X.509: path building, validation, names' },
  { room: 'record', what: 'record protection, deframing, alerts' },
  { room: 'handshake', what: 'client and server, 1.3 and 1.2: one function a state' },
  { room: 'connection', what: 'the sans-IO connection: bytes in, bytes out, events and jobs' },
  {
    room: 'crypto/node',
    node: true,
    only: ['util', 'wire', 'crypto'],
    importedBy: platform,
    packages: ['@noble/post-quantum'],
    what: 'the default provider, over node:crypto',
  },
  {
    room: 'crypto/noble',
    only: ['util', 'wire', 'crypto'],
    importedBy: platform,
    packages: ['@noble/ciphers', '@noble/curves', '@noble/hashes', '@noble/post-quantum'],
    what: 'a provider in plain JavaScript',
  },
  {
    room: 'stores/lmdb',
    node: true,
    importedBy: ['cli', 'entry'],
    packages: ['lmdb'],
    what: 'the store contract over LMDB: processes of one host',
  },
  {
    room: 'stores/shared-memory',
    importedBy: ['cli', 'entry'],
    what: 'the store contract over a SharedArrayBuffer: worker threads of one process',
  },
  {
    room: 'stores/valkey',
    node: true,
    importedBy: ['cli', 'entry'],
    packages: ['redis', 'ioredis'],
    what: 'the store contract over Valkey or Redis: many hosts',
  },
  { room: 'net', node: true, what: 'connect, createServer, TLSSocket: the shape of node:tls' },
  { room: 'node-tls', node: true, what: 'the same caches and keyring for stock node:tls' },
  {
    room: 'http',
    node: true,
    importedBy: ['entry'],
    what: 'early data under HTTP: marks, status 425, Early-Data',
  },
  {
    room: 'metrics',
    node: true,
    importedBy: ['entry'],
    packages: ['prom-client'],
    what: 'what is counted, as metrics of prom-client',
  },
  { room: 'openssl', what: 'the C names' },
  { room: 'cli', node: true, packages: ['commander'], what: 'the command line' },
  { room: 'entry', what: 'one file a public entry: package.json "exports" follows this folder' },
];

/** Entries that load where there is no Node: nothing that they reach may lie in a room marked `node`. */
export const nodeFreeEntries = ['session', 'engine', 'pki'];

/** The only file that reads the machine's clock. */
export const clockFile = 'util/clock.ts';

/** The table as ARCHITECTURE.md quotes it. @returns {string} */
export function layersAsMarkdown() {
  const rows = layers.map(({ room, what, node, only, importedBy, packages }) => {
    const imports = only ? only.map((name) => `\`${name}\``).join(', ') : 'rows above';
    const by = importedBy ? importedBy.map((name) => `\`${name}\``).join(', ') : 'rows below';
    const outside = [...(node ? ['`node:`'] : []), ...(packages ?? []).map((name) => `\`${name}\``)].join(
      ', ',
    );
    return `| \`${room}/\` | ${what} | ${imports} | ${by} | ${outside || '–'} |`;
  });
  return [
    '| room | what lives there | imports | imported by | from outside |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
