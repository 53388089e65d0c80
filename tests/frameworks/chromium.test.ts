/**
 * A browser: Chromium, headless, fetches a page twice from a server of ours, over HTTP/1.1 and HTTP/2. It trusts the
 * root by its certificate database, and nothing is told to look away.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import https from '../../src/entry/https.ts';
import { createServer, type TLSSocket } from '../../src/entry/index.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import { describeWithPeers, runPeer } from '../support/peer.ts';
import { identity, later, onLoopback, tlsSocketOf } from './site.ts';

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--disable-dev-shm-usage', '--no-default-browser-check', '--no-proxy-server'],
];

/**
 * The page asks again by itself, on connections of their own, and says what it was told. The second may have been
 * opened ahead, along with the first and before there was a ticket; not so the third.
 */
const PAGE = `<!doctype html><title>waiting</title><body><script>
(async () => {
  const first = await (await fetch('/first', { cache: 'no-store' })).text();
  // The server closes each connection after one answer; the ticket is there by then.
  const second = await (await fetch('/second', { cache: 'no-store' })).text();
  const third = await (await fetch('/third', { cache: 'no-store' })).text();
  document.body.textContent = 'page: ' + [first, second, third].join(' | ');
  document.title = 'done';
})();
</script>`;

describeWithPeers(['chromium', 'certutil'], 'Chromium', ({ chromium, certutil }) => {
  /** What the page is when its scripts are done. `netLog`: where to write what the browser's network saw. */
  async function visit(url: string, netLog: string | null = null): Promise<string> {
    const { ca } = await identity();
    const home = mkdtempSync(join(tmpdir(), 'tlsession-chromium-'));
    later(() => rmSync(home, { recursive: true, force: true }));
    const database = join(home, '.pki/nssdb');
    mkdirSync(database, { recursive: true });
    writeFileSync(join(home, 'ca.pem'), ca);
    const made = await runPeer(certutil, ['-d', `sql:${database}`, '-N', '--empty-password']);
    expect(made.code, made.stderr).toBe(0);
    const added = await runPeer(certutil, [
      ...['-d', `sql:${database}`, '-A', '-t', 'C,,', '-n', 'tlsession test', '-i', join(home, 'ca.pem')],
    ]);
    expect(added.code, added.stderr).toBe(0);
    const { stdout, stderr } = await runPeer(
      chromium,
      [
        ...FLAGS,
        `--user-data-dir=${join(home, 'profile')}`,
        '--virtual-time-budget=20000',
        ...(netLog === null ? [] : [`--log-net-log=${netLog}`]),
        '--dump-dom',
        url,
      ],
      { env: { HOME: home }, limitMs: 60_000 },
    );
    expect(stdout, stderr).toContain('page: ');
    return /page: ([^<]*)/.exec(stdout)?.[1] ?? '';
  }

  test('https: the second connection is resumed, by the word of the server', {
    timeout: 90_000,
  }, async () => {
    const { key, cert } = await identity();
    const seen: TLSSocket[] = [];
    const answer: http.RequestListener = (request, response) => {
      const socket = tlsSocketOf(request);
      response.setHeader('connection', 'close');
      if (request.url !== '/')
        response.end(`${socket.getProtocol()} ${socket.isSessionReused() ? 'resumed' : 'full'}`);
      else {
        response.setHeader('content-type', 'text/html');
        response.end(PAGE);
      }
    };
    const server = https.createServer({ key, cert }, answer);
    server.on('secureConnection', (socket: TLSSocket) => seen.push(socket));
    const port = await onLoopback(server);
    expect(await visit(`https://localhost:${port}/`)).toMatch(/TLSv1.3 resumed$/);
    expect(seen[0]?.isSessionReused()).toBe(false);
    expect(seen.some((socket) => socket.isSessionReused())).toBe(true);
  });

  test('https in TLS 1.2 as well', { timeout: 90_000 }, async () => {
    const { key, cert } = await identity();
    const server = https.createServer({ key, cert, maxVersion: 'TLSv1.2' }, (request, response) => {
      const socket = tlsSocketOf(request);
      response.setHeader('connection', 'close');
      if (request.url === '/') response.setHeader('content-type', 'text/html');
      response.end(
        request.url === '/'
          ? PAGE
          : `${socket.getProtocol()} ${socket.isSessionReused() ? 'resumed' : 'full'}`,
      );
    });
    const port = await onLoopback(server);
    expect(await visit(`https://localhost:${port}/`)).toMatch(/TLSv1.2 resumed$/);
  });

  test('http2: one connection for the page and what it fetches, then a resumed one', {
    timeout: 90_000,
  }, async () => {
    const { key, cert } = await identity();
    const seen: TLSSocket[] = [];
    const app = http2.createServer();
    const beneath = new Map<unknown, TLSSocket>();
    app.on('session', (session) => beneath.set(session, seen.at(-1) as TLSSocket));
    app.on('stream', (stream, headers) => {
      const socket = beneath.get(stream.session) as TLSSocket;
      const answer = `${socket.alpnProtocol} ${socket.isSessionReused() ? 'resumed' : 'full'}`;
      const path = headers[':path'];
      // GOAWAY in front of the answer: the next request comes on a connection of its own.
      if (path !== '/') stream.session?.close();
      stream.respond({ ':status': 200, 'content-type': path === '/' ? 'text/html' : 'text/plain' });
      stream.end(path === '/' ? PAGE : answer);
    });
    const server = createServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
      seen.push(socket);
      app.emit('connection', socket);
    });
    const port = await onLoopback(server);
    expect(await visit(`https://localhost:${port}/`)).toMatch(
      /^h2 (full|resumed) \| h2 (full|resumed) \| h2 resumed$/,
    );
    expect(seen[0]?.isSessionReused()).toBe(false);
  });

  test('a compressed certificate, and X25519MLKEM768 where there is ML-KEM, by the word of the browser', {
    timeout: 90_000,
  }, async () => {
    const { key, cert } = await identity();
    const groups = new Set<number>();
    const server = https.createServer(
      { key, cert, certificateCompression: ['brotli'] },
      (request, response) => {
        groups.add(tlsSocketOf(request).info.group);
        response.setHeader('connection', 'close');
        if (request.url === '/') response.setHeader('content-type', 'text/html');
        response.end(request.url === '/' ? PAGE : 'ok');
      },
    );
    const port = await onLoopback(server);
    const folder = mkdtempSync(join(tmpdir(), 'tlsession-netlog-'));
    later(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'netlog.json');
    expect(await visit(`https://localhost:${port}/`, path)).toBe('ok | ok | ok');
    const log = readNetLog(path);
    // CompressedCertificate, and never Certificate (RFC 8879, 4).
    expect(log.handshakeMessages).toContain(25);
    expect(log.handshakeMessages).not.toContain(11);
    expect(log.groups).toEqual(groups);
    if (nodeProvider.groups.includes(NamedGroup.x25519mlkem768)) {
      expect(log.groups).toEqual(new Set([NamedGroup.x25519mlkem768]));
    }
  });
});

interface NetLog {
  /** HandshakeTypes that the browser received. */
  readonly handshakeMessages: ReadonlySet<number>;
  /** NamedGroups of its connections. */
  readonly groups: ReadonlySet<number>;
}

/** Chromium's own account of its TLS connections. */
function readNetLog(path: string): NetLog {
  const { constants, events } = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly constants: { readonly logEventTypes: Readonly<Record<string, number>> };
    readonly events: readonly {
      readonly type: number;
      readonly params?: { readonly type?: number; readonly key_exchange_group?: number };
    }[];
  };
  const types = constants.logEventTypes;
  const of = (name: string): typeof events => events.filter(({ type }) => type === types[name]);
  return {
    handshakeMessages: new Set(of('SSL_HANDSHAKE_MESSAGE_RECEIVED').map(({ params }) => params?.type ?? -1)),
    groups: new Set(
      of('SSL_CONNECT')
        .map(({ params }) => params?.key_exchange_group ?? 0)
        .filter((group) => group !== 0),
    ),
  };
}
