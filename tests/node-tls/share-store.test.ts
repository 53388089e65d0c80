/** Stock node:tls servers that share their sessions through a store, in TLS 1.2 and 1.3. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import * as https from 'node:https';
import * as net from 'node:net';
import type * as tls from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { plainSealer } from '../../src/cache/session-sealer.ts';
import type { SessionStore } from '../../src/cache/store.ts';
import { StoreSource } from '../../src/cache/store-source.ts';
import type { FirstHello } from '../../src/node-tls/first-hello.ts';
import {
  type SharedSessions,
  type ShareSessionsOptions,
  shareSessions,
} from '../../src/node-tls/share-sessions.ts';
import { STATEFUL_TICKETS } from '../../src/node-tls/store-sharing.ts';
import { type Credential, makeCertificate, makeChain, makeCrl, testChain } from '../support/certs.ts';
import { listening, stockServer, visit } from './servers.ts';

const servers: { server: tls.Server; shared: SharedSessions }[] = [];

function sourceOf(store: SessionStore): StoreSource {
  return new StoreSource({ store, sealer: plainSealer });
}

async function sharing(
  store: SessionStore,
  options: tls.TlsOptions = {},
  more: ShareSessionsOptions = {},
): Promise<{ port: number; server: tls.Server; shared: SharedSessions }> {
  const server = await stockServer({ ...STATEFUL_TICKETS, ...options });
  const shared = shareSessions(server, { source: sourceOf(store), ...more });
  servers.push({ server, shared });
  return { port: await listening(server), server, shared };
}

afterEach(async () => {
  for (const { server, shared } of servers.splice(0)) {
    await shared.settled();
    shared.stop();
    const closed = once(server, 'close');
    server.close();
    await closed;
  }
});

const both = ['TLSv1.2', 'TLSv1.3'] as const;
const only = (version: tls.SecureVersion): tls.ConnectionOptions => ({
  minVersion: version,
  maxVersion: version,
});

describe.each(both)('a store that stock servers share, %s', (version) => {
  it('resumes at one what was made at another, again and again', async () => {
    const store = new MemoryStore();
    const [one, two] = [await sharing(store), await sharing(store)];
    let { session, text } = await visit(one.port, only(version));
    expect(text).toBe(`${version} full`);
    for (const { port } of [two, one, two]) {
      const next = await visit(port, { ...only(version), session });
      expect(next.text).toBe(`${version} resumed`);
      expect(next.reused).toBe(true);
      // TLS 1.2 gives no new one where the old goes on.
      session = next.session ?? session;
    }
    expect(one.shared.stats?.hits).toBe(1);
    expect(two.shared.stats?.hits).toBe(2);
  });

  it('does not resume under another name, nor in another context', async () => {
    const store = new MemoryStore();
    const one = await sharing(store);
    const other = await sharing(store, { sessionIdContext: 'another fleet' });
    const { session } = await visit(one.port, only(version));
    // The client does not look, so that the server has to.
    const lax = { ...only(version), session, rejectUnauthorized: false };
    expect((await visit(one.port, { ...lax, servername: 'localhost' })).text).toContain('resumed');
    const { session: fresh } = await visit(one.port, only(version));
    const raw = fresh?.subarray(fresh.indexOf(Buffer.from([0x30, 0x82])));
    expect((await visit(one.port, { ...lax, servername: 'other.example', session: raw })).text).toContain(
      'full',
    );
    expect(one.shared.stats?.misses).toEqual({ 'other-name': 1 });
    expect((await visit(other.port, { ...only(version), session: fresh })).text).toContain('full');
    expect(other.shared.stats?.misses).toEqual({ 'other-context': 1 });
  });

  it('does not resume where client certificates are asked for what was made where they are not', async () => {
    const store = new MemoryStore();
    const chain = await makeChain();
    const open = await sharing(store);
    const closed = await sharing(store, { requestCert: true, ca: chain.caPem });
    const { session } = await visit(open.port, only(version));
    const shown = { cert: chain.chainPem, key: chain.keyPem };
    expect((await visit(closed.port, { ...only(version), ...shown, session })).text).toContain('full');
    expect(closed.shared.stats?.misses).toEqual({ 'other-trust': 1 });
    const { session: mine } = await visit(closed.port, { ...only(version), ...shown });
    expect((await visit(closed.port, { ...only(version), ...shown, session: mine })).text).toContain(
      'resumed',
    );
    expect((await visit(open.port, { ...only(version), ...shown, session: mine })).text).toContain('full');
  });

  it('does not resume a session whose client certificate has expired since', async () => {
    const store = new MemoryStore();
    const root = await makeCertificate({ subject: 'CN=Clients', pathLength: 0 });
    const leaf = await makeCertificate({
      subject: 'CN=short',
      issuer: root,
      purposes: ['client'],
      notAfter: new Date(Date.now() + 60_000),
    });
    let nowMs = Date.now();
    const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };
    const server = await sharing(store, { requestCert: true, ca: root.certPem }, { clock });
    const shown = { ...only(version), cert: leaf.certPem, key: leaf.keyPem };
    const { session } = await visit(server.port, shown);
    expect((await visit(server.port, { ...shown, session })).text).toContain('resumed');
    const { session: second } = await visit(server.port, shown);
    nowMs += 120_000;
    // Full, and then refused for the certificate if OpenSSL's clock were ours; its own still takes it.
    expect((await visit(server.port, { ...shown, session: second })).text).toContain('full');
    expect(server.shared.stats?.misses).toEqual({ 'peer-certificate-invalid': 1 });
  });

  it('does not resume for a client whose certificate has been revoked since', async () => {
    const store = new MemoryStore();
    const root = await makeCertificate({ subject: 'CN=Clients', pathLength: 0 });
    const [lost, kept] = await Promise.all(
      ['lost', 'kept'].map((name) =>
        makeCertificate({ subject: `CN=${name}`, issuer: root, purposes: ['client'] }),
      ),
    );
    const { port, server, shared } = await sharing(store, { requestCert: true, ca: root.certPem });
    const shown = (who = kept): tls.ConnectionOptions => ({
      ...only(version),
      cert: who?.certPem,
      key: who?.keyPem,
    });
    const { session: ofLost } = await visit(port, shown(lost));
    const { session: ofKept } = await visit(port, shown());
    const { chainPem: cert, keyPem: key } = await testChain();
    const policy = { cert, key, ca: root.certPem, sessionIdContext: 'the fleet', ...STATEFUL_TICKETS };
    server.setSecureContext({ ...policy, crl: await makeCrl(root, [lost as Credential]) } as tls.TlsOptions);
    // Refused by an alert, or by the end of the connection.
    const refused = await visit(port, { ...shown(lost), session: ofLost }).then(
      ({ text }) => text,
      () => '',
    );
    expect(refused).toBe('');
    const again = await visit(port, { ...shown(), session: ofKept });
    expect(again.text).toContain('full');
    expect(shared.stats?.misses).toEqual({ 'other-trust': 2 });
    const back = await visit(port, { ...shown(), session: again.session });
    expect(back.text).toContain('resumed');
  });

  it('does not resume for a client of a CA that was taken off the list, though the list is the same', async () => {
    const roots = await Promise.all(
      ['first', 'second'].map((name) => makeCertificate({ subject: `CN=${name}`, pathLength: 0 })),
    );
    const client = await makeCertificate({
      subject: 'CN=client',
      issuer: roots[0] as Credential,
      purposes: ['client'],
    });
    const ca = roots.map(({ certPem }) => certPem);
    const { port, server, shared } = await sharing(new MemoryStore(), { requestCert: true, ca });
    const shown = { ...only(version), cert: client.certPem, key: client.keyPem };
    const { session } = await visit(port, shown);
    ca.shift();
    const { chainPem: cert, keyPem: key } = await testChain();
    server.setSecureContext({ cert, key, ca, sessionIdContext: 'the fleet', ...STATEFUL_TICKETS });
    const after = await visit(port, { ...shown, session }).then(
      ({ text }) => text,
      () => '',
    );
    expect(after).toBe('');
    expect(shared.stats?.misses).toEqual({ 'other-trust': 1 });
  });

  it('binds to the CAs that node:tls has read, whatever becomes of their list since', async () => {
    const roots = await Promise.all(
      ['first', 'second'].map((name) => makeCertificate({ subject: `CN=${name}`, pathLength: 0 })),
    );
    const [first, second] = roots as [Credential, Credential];
    const client = await makeCertificate({ subject: 'CN=client', issuer: first, purposes: ['client'] });
    const ca = [first.certPem, second.certPem];
    const store = new MemoryStore();
    const { port } = await sharing(store, { requestCert: true, ca });
    const narrow = await sharing(store, {
      requestCert: true,
      rejectUnauthorized: false,
      ca: [second.certPem],
    });
    ca.shift();
    const shown = { ...only(version), cert: client.certPem, key: client.keyPem };
    const { session } = await visit(port, shown);
    expect((await visit(narrow.port, { ...shown, session })).reused).toBe(false);
    expect(narrow.shared.stats?.misses).toEqual({ 'other-trust': 1 });
  });

  it('shares under a list of CAs in which something is damaged, as node:tls serves under it', async () => {
    const { caPem, chainPem: cert, keyPem: key } = await testChain();
    const damaged = `${(await makeChain()).caPem.replace(/.{40}\n(-+END)/, '\n$1')}`;
    const options = { requestCert: true, rejectUnauthorized: false, ca: [caPem, damaged] };
    const store = new MemoryStore();
    const [one, two] = [await sharing(store, options), await sharing(store, options)];
    const other = await sharing(store, { ...options, ca: [caPem] });
    const shown = { ...only(version), cert, key };
    const { session } = await visit(one.port, shown);
    const second = await visit(two.port, { ...shown, session });
    expect(second.reused).toBe(true);
    expect((await visit(other.port, { ...shown, session: second.session })).reused).toBe(false);
  });

  it.each<[string, Partial<SessionStore>, string]>([
    [
      'throws',
      {
        get: () => {
          throw new Error('gone');
        },
      },
      'store-failed',
    ],
    ['rejects', { get: () => Promise.reject(new Error('gone')) }, 'store-failed'],
    ['is slow', { get: () => new Promise(() => {}) }, 'store-slow'],
    ['answers with noise', { get: () => new Uint8Array(100).fill(7) }, 'bad-stored-session'],
    ['has forgotten', { get: () => null }, 'not-found'],
  ])('makes a full handshake when the store %s', async (_what, faults, reason) => {
    const store = Object.assign(new MemoryStore(), faults);
    const server = await sharing(store, {}, { lookupLimitMs: 20 });
    const { session } = await visit(server.port, only(version));
    expect((await visit(server.port, { ...only(version), session })).text).toContain('full');
    expect(server.shared.stats?.misses).toEqual({ [reason]: 1 });
  });

  it('does not wait for a write that hangs, and bounds what is under way', async () => {
    const store = Object.assign(new MemoryStore(), { put: () => new Promise<void>(() => {}) });
    const server = await stockServer(STATEFUL_TICKETS);
    const shared = shareSessions(server, { source: sourceOf(store), saveWaitMs: 5 });
    const port = await listening(server);
    for (let i = 0; i < 3; i++) expect((await visit(port, only(version))).text).toContain('full');
    expect(shared.stats?.pendingWrites).toBe(version === 'TLSv1.3' ? 6 : 3);
    shared.stop();
    server.close();
  });

  it('never has more look-ups waiting than it may', async () => {
    const store = new MemoryStore();
    const server = await sharing(store, {}, { maxPendingLookups: 0 });
    const { session } = await visit(server.port, only(version));
    Object.assign(store, { get: () => Promise.resolve(null) });
    expect((await visit(server.port, { ...only(version), session })).text).toContain('full');
    expect(server.shared.stats?.misses).toEqual({ 'store-busy': 1 });
  });
});

describe('a shared server', () => {
  it('holds of a hello only the name while a connection lasts', async () => {
    const run = vi.spyOn(AsyncLocalStorage.prototype, 'run');
    try {
      const { port } = await sharing(new MemoryStore());
      const { session } = await visit(port);
      expect((await visit(port, { session })).text).toBe('TLSv1.3 resumed');
      const held = run.mock.calls
        .map(([store]) => store as { hello?: FirstHello })
        .filter((each) => each?.hello);
      expect(held.length).toBe(2);
      for (const { hello } of held) {
        expect(hello).toMatchObject({ serverName: 'localhost', pskIdentity: null, offeredCiphers: [] });
      }
    } finally {
      run.mockRestore();
    }
  });

  it('serves hundreds of clients at once, each with its own session', async () => {
    const store = new MemoryStore();
    const [one, two] = [await sharing(store), await sharing(store)];
    const first = await Promise.all(Array.from({ length: 60 }, () => visit(one.port)));
    const second = await Promise.all(first.map(({ session }) => visit(two.port, { session })));
    expect(second.filter(({ reused }) => reused).length).toBe(60);
  });

  it('is a stock https server', async () => {
    const chain = await testChain();
    const store = new MemoryStore();
    const make = () => {
      const server = https.createServer(
        { cert: chain.chainPem, key: chain.keyPem, sessionIdContext: 'https', ...STATEFUL_TICKETS },
        (request, response) => {
          response.setHeader('connection', 'close');
          response.end(String((request.socket as tls.TLSSocket).isSessionReused()));
        },
      );
      servers.push({ server, shared: shareSessions(server, { source: sourceOf(store) }) });
      return server;
    };
    const ports = [await listening(make()), await listening(make())];
    const agent = new https.Agent({ ca: chain.caPem, maxCachedSessions: 0 });
    let session: Buffer | undefined;
    const answers: string[] = [];
    for (const port of ports) {
      const request = https.get({ host: '127.0.0.1', servername: 'localhost', port, agent, ...{ session } });
      request.on('socket', (socket) =>
        socket.on('session', (bytes) => {
          session = bytes;
        }),
      );
      const [response] = await once(request, 'response');
      let text = '';
      for await (const chunk of response) text += chunk;
      answers.push(text);
    }
    expect(answers).toEqual(['false', 'true']);
    agent.destroy();
  });

  it('tells of clients that say something else, or nothing, as a stock server does', async () => {
    const { port, server } = await sharing(new MemoryStore(), {}, { helloLimitMs: 60 });
    const errors: string[] = [];
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => errors.push(error.code ?? error.message));
    const http = net.connect(port, '127.0.0.1');
    http.on('error', () => {});
    http.write('GET / HTTP/1.1\r\n\r\n');
    await once(http, 'close');
    const short = net.connect(port, '127.0.0.1');
    short.on('error', () => {});
    short.end(Buffer.from([22, 3, 1, 0]));
    await once(short, 'close');
    const silent = net.connect(port, '127.0.0.1');
    silent.on('error', () => {});
    await once(silent, 'close');
    expect(errors).toEqual(['ERR_SSL_HTTP_REQUEST', 'ECONNRESET', 'ERR_TLS_HANDSHAKE_TIMEOUT']);
    expect((await visit(port)).text).toBe('TLSv1.3 full');
  });

  it('is a stock server again when the sharing is stopped', async () => {
    const server = await stockServer(STATEFUL_TICKETS);
    const before = server.listeners('connection');
    const store = new MemoryStore();
    const shared = shareSessions(server, { source: sourceOf(store) });
    shared.stop();
    shared.stop();
    expect(server.listeners('connection')).toEqual(before);
    expect(server.listenerCount('newSession') + server.listenerCount('resumeSession')).toBe(0);
    const port = await listening(server);
    const { session } = await visit(port);
    expect((await visit(port, { session })).text).toBe('TLSv1.3 full');
    expect(store.size).toBe(0);
    server.close();
  });

  it('refuses options that cannot work, and says why', async () => {
    const store = new MemoryStore();
    const plain = await stockServer();
    expect(() => shareSessions(plain, {})).toThrow(/a fleet, a source, or a keyring/);
    expect(() => shareSessions(plain, { source: sourceOf(store) })).toThrow(/SSL_OP_NO_TICKET/);
    const stateful = await stockServer(STATEFUL_TICKETS);
    stateful.on('resumeSession', () => {});
    expect(() => shareSessions(stateful, { source: sourceOf(store) })).toThrow(/listeners/);
  });
});
