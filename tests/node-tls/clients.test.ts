/** Stock clients (node:https, undici, node:http2) with sessions from a cache of ours, against stock servers. */
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import * as tls from 'node:tls';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { ClientSessionCache, type ClientSessions } from '../../src/cache/client-session-cache.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { plainSealer } from '../../src/cache/session-sealer.ts';
import { StoreSource } from '../../src/cache/store-source.ts';
import { StoredClientSessions } from '../../src/cache/stored-client-sessions.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { ResumptionReport } from '../../src/node-tls/client-sessions.ts';
import { nodeWrapsSessions, sessionForNode, sessionFromNode } from '../../src/node-tls/node-session.ts';
import {
  http2Connect,
  type SessionAgentOptions,
  sessionAgent,
  undiciConnect,
} from '../../src/node-tls/session-agent.ts';
import { shareSessions } from '../../src/node-tls/share-sessions.ts';
import { STATEFUL_TICKETS } from '../../src/node-tls/store-sharing.ts';
import { makeChain, testChain } from '../support/certs.ts';
import { listening, stockServer, visit } from './servers.ts';

const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

/** Says whether the connection of a request was resumed, and ends it. */
async function httpsServer(options: https.ServerOptions = {}): Promise<number> {
  const { chainPem, keyPem } = await testChain();
  const server = https.createServer({ cert: chainPem, key: keyPem, ...options }, (incoming, response) => {
    response.setHeader('connection', 'close');
    response.end((incoming.socket as tls.TLSSocket).isSessionReused() ? 'resumed' : 'full');
  });
  closing.push({
    close: () => {
      (server as HttpServer).closeAllConnections();
      server.close();
    },
  });
  // With tickets of its own node:tls gives two, and none for those that are used up.
  if (options.secureOptions === STATEFUL_TICKETS.secureOptions) {
    const shared = shareSessions(server, {
      source: new StoreSource({ store: new MemoryStore(), sealer: plainSealer }),
    });
    closing.push({ close: shared.stop });
  }
  return listening(server);
}

async function get(port: number, options: https.RequestOptions): Promise<string> {
  const asked = https.get({ host: '127.0.0.1', servername: 'localhost', port, ...options });
  const [response] = await once(asked, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

async function agent(
  options: SessionAgentOptions = {},
): Promise<{ agent: https.Agent; reports: ResumptionReport[] }> {
  const { caPem } = await testChain();
  const reports: ResumptionReport[] = [];
  const made = sessionAgent({ ca: caPem, onResumption: (report) => reports.push(report), ...options });
  closing.push({ close: () => made.destroy() });
  return { agent: made, reports };
}

const caches: [string, () => ClientSessions & { clear?(): void }][] = [
  ['in memory', () => new ClientSessionCache()],
  [
    'over a store',
    () =>
      new StoredClientSessions({
        store: new MemoryStore(),
        sealer: plainSealer,
        digest: (bytes) => nodeProvider.digest('sha256', bytes),
      }),
  ],
];

describe.each(caches)('clients with sessions %s', (_where, make) => {
  function cache(): ClientSessions {
    const sessions = make();
    closing.push({ close: () => sessions.clear?.() });
    return sessions;
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('an https agent resumes, %s', async (version) => {
    const port = await httpsServer({ maxVersion: version, ...STATEFUL_TICKETS });
    const { agent: own, reports } = await agent({ sessions: cache() });
    const answers: string[] = [];
    for (let i = 0; i < 4; i++) answers.push(await get(port, { agent: own }));
    expect(answers).toEqual(['full', 'resumed', 'resumed', 'resumed']);
    expect(reports.map(({ reason }) => reason)).toEqual(['no-session-saved', null, null, null]);
  });

  it('an https agent shows a ticket of TLS 1.3 once, however many connections it makes at a time', async () => {
    const { chainPem, keyPem } = await testChain();
    const server = tls.createServer({ cert: chainPem, key: keyPem }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok'),
      );
    });
    closing.push(server);
    const port = await listening(server);
    const { agent: own, reports } = await agent({ sessions: cache() });
    await get(port, { agent: own });
    const many = await Promise.all(Array.from({ length: 5 }, () => get(port, { agent: own })));
    expect(many).toEqual(Array(5).fill('ok'));
    // Two tickets came with the first connection: no more than two connections could resume.
    expect(reports.filter(({ resumed }) => resumed).length).toBeLessThanOrEqual(2);
    expect(reports.filter(({ offered, resumed }) => offered && !resumed)).toEqual([]);
  });

  it('undici resumes', async () => {
    const port = await httpsServer();
    const { caPem } = await testChain();
    const reports: ResumptionReport[] = [];
    const dispatcher = new Agent({
      connect: undiciConnect({
        ca: caPem,
        sessions: cache(),
        onResumption: (report) => reports.push(report),
      }),
    });
    closing.push({ close: () => dispatcher.destroy() });
    const answers: string[] = [];
    for (let i = 0; i < 3; i++) {
      const { body } = await request(`https://localhost:${port}/`, { dispatcher });
      answers.push(await body.text());
    }
    expect(answers).toEqual(['full', 'resumed', 'resumed']);
    expect(reports.map(({ resumed }) => resumed)).toEqual([false, true, true]);
  });

  it('http2 resumes', async () => {
    const { chainPem, keyPem, caPem } = await testChain();
    const server = http2.createSecureServer({ cert: chainPem, key: keyPem });
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 });
      const socket = stream.session?.socket as tls.TLSSocket | undefined;
      stream.end(socket?.isSessionReused() ? 'resumed' : 'full');
    });
    closing.push(server);
    const port = await listening(server);
    const connect = http2Connect({ ca: caPem, sessions: cache() });
    const answers: string[] = [];
    for (let i = 0; i < 3; i++) {
      const session = await connect(`https://localhost:${port}`);
      const stream = session.request({ ':path': '/' });
      let text = '';
      for await (const chunk of stream) text += chunk;
      answers.push(text);
      session.close();
      await once(session, 'close');
    }
    expect(answers).toEqual(['full', 'resumed', 'resumed']);
  });

  it('sessions go to the name, port, trust and certificate that they were made for, and nowhere else', async () => {
    const sessions = cache();
    const port = await httpsServer();
    const other = await httpsServer();
    const { caPem } = await testChain();
    const chain = await makeChain();
    const base = { host: '127.0.0.1', sessions };
    const { agent: first } = await agent(base);
    expect(await get(port, { agent: first })).toBe('full');
    const cases: [string, SessionAgentOptions, https.RequestOptions, number][] = [
      ['another port', {}, {}, other],
      ['another name', {}, { servername: 'other.example', checkServerIdentity: () => undefined }, port],
      ['another trust', { ca: [caPem, chain.caPem] }, {}, port],
      ['no trust', { rejectUnauthorized: false }, {}, port],
      ['other cipher suites', { ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384:TLS_AES_256_GCM_SHA384' }, {}, port],
      ['other signatures', { sigalgs: 'ecdsa_secp256r1_sha256' }, {}, port],
      ['a pre-shared key', { pskCallback: () => null } as SessionAgentOptions, {}, port],
      ['a client certificate', { cert: chain.chainPem, key: chain.keyPem }, {}, port],
    ];
    for (const [what, options, more, to] of cases) {
      const { agent: next, reports } = await agent({ ...base, ...options });
      expect([what, await get(to, { agent: next, ...more })]).toEqual([what, 'full']);
      expect([what, reports[0]?.offered]).toEqual([what, false]);
    }
    const { agent: again } = await agent(base);
    expect(await get(port, { agent: again })).toBe('resumed');
  });

  it("a resumed connection's name is checked again", async () => {
    const sessions = cache();
    const port = await httpsServer();
    let checks = 0;
    let allowed = true;
    const checkServerIdentity = (): Error | undefined => {
      checks++;
      return allowed ? undefined : new Error('not that one');
    };
    const { agent: own, reports } = await agent({ sessions });
    expect(await get(port, { agent: own, checkServerIdentity })).toBe('full');
    expect(await get(port, { agent: own, checkServerIdentity })).toBe('resumed');
    expect(checks).toBe(2);
    allowed = false;
    // A session is no way past the check: the full handshake that follows meets it too.
    await expect(get(port, { agent: own, checkServerIdentity })).rejects.toThrow('not that one');
    expect(reports.length).toBe(2);
    allowed = true;
    expect(await get(port, { agent: own, checkServerIdentity })).toBe('resumed');
  });

  it('nothing is kept of a connection whose certificate was refused', async () => {
    const sessions = cache();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const port = await httpsServer({ maxVersion: version });
      const { agent: own, reports } = await agent({ sessions, ca: (await makeChain()).caPem });
      await expect(get(port, { agent: own })).rejects.toThrow();
      await expect(get(port, { agent: own })).rejects.toThrow();
      expect(reports).toEqual([]);
    }
  });
});

it('http2 without TLS is connected as node:http2 does', async () => {
  const server = http2.createServer();
  server.on('stream', (stream) => void stream.end('plain'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(server);
  const session = await http2Connect()(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  let text = '';
  for await (const chunk of session.request({ ':path': '/' })) text += chunk;
  expect(text).toBe('plain');
  session.close();
  await once(session, 'close');
});

it('an https agent behind a proxy makes its requests', async () => {
  const port = await httpsServer();
  // Nodes that know of no proxies go straight to the peer.
  const proxy = createHttpServer();
  proxy.on('connect', (_request, client) => {
    const onward = connectTcp({ host: '127.0.0.1', port });
    client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    for (const each of [client, onward]) each.on('error', () => {});
    client.pipe(onward).pipe(client);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  closing.push(proxy);
  const { port: at } = proxy.address() as AddressInfo;
  const { agent: own } = await agent({
    proxyEnv: { HTTPS_PROXY: `http://127.0.0.1:${at}` },
  } as SessionAgentOptions);
  expect(await get(port, { agent: own, timeout: 5000 })).toBe('full');
  expect(await get(port, { agent: own, timeout: 5000 })).toBe('full');
});

it('sessions outlive the process where their store does', async () => {
  const port = await httpsServer();
  const store = new MemoryStore();
  const open = (): ClientSessions =>
    new StoredClientSessions({
      store,
      sealer: plainSealer,
      digest: (bytes) => nodeProvider.digest('sha256', bytes),
    });
  const { agent: before } = await agent({ sessions: open() });
  expect(await get(port, { agent: before })).toBe('full');
  before.destroy();
  const { agent: after } = await agent({ sessions: open() });
  expect(await get(port, { agent: after })).toBe('resumed');
});

it('a cache that fails costs the resumption and nothing else', async () => {
  const port = await httpsServer();
  const faults: ClientSessions[] = [
    {
      take: () => {
        throw new Error('gone');
      },
      put: () => {
        throw new Error('gone');
      },
    },
    { take: () => Promise.reject(new Error('gone')), put: () => Promise.reject(new Error('gone')) },
  ];
  for (const sessions of faults) {
    const { agent: own, reports } = await agent({ sessions });
    expect(await get(port, { agent: own })).toBe('full');
    expect(reports[0]?.reason).toBe('store-failed');
  }
});

it('a session of node:tls becomes a Session, is saved, read and resumed', async () => {
  const server = await stockServer();
  closing.push(server);
  const port = await listening(server);
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const only = { minVersion: version, maxVersion: version };
    const { session: bytes } = await visit(port, only);
    using session = sessionFromNode(bytes as Buffer);
    expect(session?.protocol).toBe(version);
    expect(session?.peerCertificate).not.toBeNull();
    const saved = session?.toEnvelope() as Uint8Array;
    using loaded = sessionFromNode(saved);
    if (loaded === null) throw new Error('no session');
    expect((await visit(port, { ...only, session: sessionForNode(loaded, 'localhost') })).reused).toBe(true);
    if (nodeWrapsSessions()) {
      expect((await visit(port, { ...only, session: Buffer.from(loaded.toDER()) })).reused).toBe(false);
    }
  }
  const fresh = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  expect(sessionFromNode(fresh)).toBeNull();
  fresh.destroy();
});

it('knows which versions of Node wrap their sessions', () => {
  expect(['20.20.2', '22.22.9', '22.23.0', '24.16.0', '24.17.0', '26.0.0'].map(nodeWrapsSessions)).toEqual([
    false,
    false,
    true,
    false,
    true,
    true,
  ]);
});
