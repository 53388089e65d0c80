/** Options and events of node:tls, as this library means them. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import {
  type ConnectOptions,
  connect,
  createSecureContext,
  createServer,
  Session,
  TicketKeyring,
  type TLSSocket,
} from '../../src/entry/index.ts';
import { makeChain, testChain } from '../support/certs.ts';
import { listen, trusting, visit } from './pair.ts';

const V12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
const V13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

describe('names and contexts', () => {
  test('SNICallback and addContext choose the certificate', async () => {
    const [one, two, main] = await Promise.all([
      makeChain({ names: ['one.example'] }),
      makeChain({ names: ['two.example', 'sub.two.example'] }),
      testChain(),
    ]);
    const ca = [one.caPem, two.caPem, main.caPem];
    const contextOf = (chain: typeof one): ReturnType<typeof createSecureContext> =>
      createSecureContext({ key: chain.keyPem, cert: chain.chainPem });
    const asked: string[] = [];
    await using byCallback = await listen({
      SNICallback: (name, done) => {
        asked.push(name);
        if (name === 'bad.example') done(new Error('not here'));
        else if (name === 'one.example') setTimeout(() => done(null, contextOf(one)), 5);
        else done(null);
      },
    });
    await using byName = await listen();
    byName.server.addContext('one.example', contextOf(one));
    byName.server.addContext('*.two.example', { key: two.keyPem, cert: two.chainPem });

    const subject = async (port: number, servername: string): Promise<unknown> =>
      (await visit({ port, host: '127.0.0.1', servername, ca })).socket.getPeerCertificate().subject.CN;
    expect(await subject(byCallback.port, 'one.example')).toBe('one.example');
    expect(await subject(byCallback.port, 'localhost')).toBe('localhost');
    const refused = connect({ port: byCallback.port, host: '127.0.0.1', servername: 'bad.example', ca });
    await once(refused, 'error');
    expect(byCallback.failures).toMatchObject([{ message: 'not here' }]);
    expect(asked).toEqual(['one.example', 'localhost', 'bad.example']);
    expect(byCallback.sockets.map(({ servername }) => servername)).toEqual(['one.example', 'localhost']);

    expect(await subject(byName.port, 'one.example')).toBe('one.example');
    expect(await subject(byName.port, 'sub.two.example')).toBe('two.example');
    expect(await subject(byName.port, 'localhost')).toBe('localhost');
  });

  test('ALPNCallback chooses, or refuses', async () => {
    await using site = await listen({
      ALPNCallback: ({ servername, protocols }) => {
        expect(servername).toBe('localhost');
        return protocols.find((name) => name.startsWith('h'));
      },
    });
    const options = await trusting(site.port);
    const { socket } = await visit({ ...options, ALPNProtocols: ['spdy/3', 'h2'] });
    expect(socket.alpnProtocol).toBe('h2');
    const refused = connect({ ...options, ALPNProtocols: ['spdy/3'] });
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL');
    expect((await visit(options)).socket.alpnProtocol).toBe(false);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a resumed session is held against this connection’s own checkServerIdentity, %s',
    async (version) => {
      await using site = await listen();
      const trusted = await trusting(site.port, { minVersion: version, maxVersion: version });
      const first = await visit({ ...trusted, checkServerIdentity: () => undefined });
      const session = first.sessions[0];
      if (session === undefined) throw new Error('no session');
      let asked = 0;
      const refused = connect({
        ...trusted,
        session,
        checkServerIdentity: () => {
          asked++;
          return new Error('pinned to another');
        },
      });
      const [error] = (await once(refused, 'error')) as [Error];
      expect(error.message).toBe('pinned to another');
      expect(asked).toBeGreaterThan(0);
      const again = await visit({ ...trusted, checkServerIdentity: () => undefined });
      // TLS 1.2 sends no session with a resumption.
      const mine = { ...trusted, session: again.sessions[0], checkServerIdentity: () => undefined };
      const resumed = await visit(mine, 'hello', 0);
      expect(resumed.socket.isSessionReused()).toBe(true);
    },
  );

  test('checkServerIdentity replaces the check of the name, and sees the certificate', async () => {
    await using site = await listen();
    const seen: string[] = [];
    const options: ConnectOptions = {
      ...(await trusting(site.port)),
      servername: 'example.org',
      checkServerIdentity: (hostname, certificate) => {
        seen.push(`${hostname} ${certificate.subject.CN} ${certificate.subjectaltname}`);
        return seen.length > 1 ? Object.assign(new Error('not you again'), { code: 'MINE' }) : undefined;
      },
    };
    expect((await visit(options)).socket.authorized).toBe(true);
    const [error] = (await once(connect(options), 'error')) as [NodeJS.ErrnoException];
    expect(error).toMatchObject({ code: 'MINE', message: 'not you again' });
    expect(seen).toEqual(
      new Array(2).fill(
        'example.org localhost DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
      ),
    );
  });

  test('credentials that do not fit, and forms that are not read, are refused at once', async () => {
    const [one, two] = await Promise.all([makeChain(), testChain()]);
    expect(() => createSecureContext({ key: one.keyPem, cert: two.chainPem })).toThrow(
      expect.objectContaining({ code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH' }) as Error,
    );
    expect(() => createSecureContext({ pfx: Buffer.alloc(1) })).toThrow(/another type/);
    expect(() => createSecureContext({ key: 'nothing', cert: two.chainPem })).toThrow(
      expect.objectContaining({ code: 'ERR_OSSL_UNSUPPORTED' }) as Error,
    );
    expect(() => createSecureContext({ ticketKeys: Buffer.alloc(47) })).toThrow(/48 bytes/);
    expect(() => createSecureContext({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' })).toThrow(
      /no protocol version/,
    );
    expect(() => createSecureContext({ sessionIdContext: 'x'.repeat(33) })).toThrow(/32 bytes/);
    expect(() => createSecureContext({ sessionTimeout: -1 })).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }) as Error,
    );
    expect(() => connect({})).toThrow(/port/);
    expect(() => connect({ port: 1, session: Buffer.from('junk') })).toThrow(/not a session/);
  });

  test('several keys: the one that the client can verify', async () => {
    const [ec, rsa] = await Promise.all([testChain('p256'), testChain('rsa2048')]);
    await using site = await listen({ key: [ec.keyPem, rsa.keyPem], cert: [ec.chainPem, rsa.chainPem] });
    const ca = [ec.caPem, rsa.caPem];
    const typeOf = async (sigalgs?: string): Promise<string | undefined> =>
      (
        await visit({ port: site.port, host: '127.0.0.1', servername: 'localhost', ca, sigalgs })
      ).socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
    expect(await typeOf()).toBe('ec');
    expect(await typeOf('rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256')).toBe('ec');
    expect(await typeOf('RSA-PSS+SHA256')).toBe('rsa');
  });
});

describe('client certificates', () => {
  test('requestCert without rejectUnauthorized: whoever comes, and what is wrong with them', async () => {
    const [known, stranger] = await Promise.all([testChain(), makeChain()]);
    await using site = await listen({ requestCert: true, rejectUnauthorized: false, ca: known.caPem });
    const options = await trusting(site.port);
    await visit(options);
    await visit({ ...options, key: known.keyPem, cert: known.chainPem });
    await visit({ ...options, key: stranger.keyPem, cert: stranger.chainPem });
    expect(site.sockets.map((socket) => [socket.authorized, socket.authorizationError])).toEqual([
      [false, 'UNABLE_TO_GET_ISSUER_CERT'],
      [true, null],
      // Another root of the same name.
      [false, 'CERT_SIGNATURE_FAILURE'],
    ]);
    expect(site.sockets.map((socket) => Object.keys(socket.getPeerCertificate()).length > 0)).toEqual([
      false,
      true,
      true,
    ]);
  });

  test('a session made without a certificate is not resumed where one is required', async () => {
    const { caPem, keyPem, chainPem } = await testChain();
    const ticketKeys = Buffer.alloc(48, 3);
    await using open = await listen({ ticketKeys });
    await using strict = await listen({ ticketKeys, requestCert: true, ca: caPem });
    const { sessions } = await visit(await trusting(open.port));
    const identity = { key: keyPem, cert: chainPem };
    using session = Session.fromEnvelope(sessions[0] as Buffer);
    session.bindings = null;
    const { root, intermediate } = await testChain();
    const { socket } = await visit({
      ...(await trusting(strict.port, { ca: [root.certPem, intermediate.certPem] })),
      ...identity,
      session,
    });
    expect(socket.isSessionReused()).toBe(false);
    expect(strict.sockets[0]).toMatchObject({ authorized: true, resumptionReason: 'other-context' });
  });
});

describe('sessions kept elsewhere', () => {
  test.each([
    ['TLS 1.2', V12],
    ['TLS 1.3', V13],
  ] as const)('newSession and resumeSession: another server resumes, %s', async (_, versions) => {
    const store = new Map<string, Buffer>();
    const events: string[] = [];
    const { keyPem: key, chainPem: cert } = await testChain();
    const start = async (
      name: string,
    ): Promise<{ port: number; server: ReturnType<typeof createServer>; sockets: TLSSocket[] }> => {
      const sockets: TLSSocket[] = [];
      const server = createServer({ key, cert, ...versions }, (socket) => {
        sockets.push(socket);
        socket.on('error', () => {});
        socket.pipe(socket);
      });
      server.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
        events.push(`${name} new`);
        store.set(id.toString('hex'), data);
        done();
      });
      server.on('resumeSession', (id: Buffer, done: (error: Error | null, data: Buffer | null) => void) => {
        events.push(`${name} asks`);
        setTimeout(() => done(null, store.get(id.toString('hex')) ?? null), 5);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return { server, sockets, port: (server.address() as { port: number }).port };
    };
    const one = await start('one');
    const two = await start('two');
    const { sessions } = await visit({ ...(await trusting(one.port)), ...versions });
    using session = Session.fromEnvelope(sessions[0] as Buffer);
    // The same service behind another port.
    const { bindings } = session;
    session.bindings = bindings && { ...bindings, port: two.port };
    const { socket } = await visit({ ...(await trusting(two.port)), ...versions, session }, 'hello', 0);
    expect(socket.isSessionReused()).toBe(true);
    expect(two.sockets.map((served) => served.isSessionReused())).toEqual([true]);
    expect(events).toContain('one new');
    expect(events.indexOf('two asks')).toBeGreaterThan(0);
    for (const { server } of [one, two]) {
      await new Promise<void>((done) => server.close(() => done()));
      server.context.destroy();
    }
  });

  test('a resumeSession that fails, or gives junk, costs the resumption', async () => {
    await using site = await listen(V12);
    site.server.on('resumeSession', (_, done: (error: Error | null, data: Buffer | null) => void) =>
      answers.shift()?.(done),
    );
    const answers = [
      (done: (error: Error | null, data: Buffer | null) => void) => done(new Error('down'), null),
      (done: (error: Error | null, data: Buffer | null) => void) => done(null, Buffer.from('junk')),
      (done: (error: Error | null, data: Buffer | null) => void) => done(null, null),
    ];
    const options = await trusting(site.port, V12);
    const { sessions } = await visit(options);
    site.server.context.sessions.clear();
    for (const reason of ['store-failed', 'store-failed', 'not-found']) {
      const { socket, text } = await visit({ ...options, session: sessions[0] });
      expect([text, socket.isSessionReused()]).toEqual(['hello', false]);
      expect(site.sockets.at(-1)?.resumptionReason).toBe(reason);
      site.server.context.sessions.clear();
    }
  });
});

describe('ticket keys', () => {
  test('getTicketKeys opens the tickets elsewhere; after setTicketKeys the old ones still open', async () => {
    await using one = await listen();
    const keys = one.server.getTicketKeys();
    expect(keys).toHaveLength(48);
    expect(one.server.getTicketKeys()).toEqual(keys);
    const options = await trusting(one.port);
    const before = await visit(options, 'hello', 2);
    one.server.setTicketKeys(Buffer.alloc(48, 9));
    const after = await visit({ ...options, session: before.sessions[0] });
    expect(after.socket.isSessionReused()).toBe(true);
    using renewed = Session.fromEnvelope(after.sessions[0] as Buffer);
    expect(Buffer.from(renewed.ticket as Uint8Array).subarray(0, 16)).toEqual(Buffer.alloc(16, 9));

    await using two = await listen({ ticketKeys: keys });
    using session = Session.fromEnvelope(before.sessions[1] as Buffer);
    const { bindings } = session;
    session.bindings = bindings && { ...bindings, port: two.port };
    const there = await visit({ ...(await trusting(two.port)), session });
    expect(there.socket.isSessionReused()).toBe(true);
    expect(() => one.server.setTicketKeys(Buffer.alloc(80))).toThrow(/48 bytes/);
  });

  test('by default tickets are in OpenSSL’s form under keys of the context alone, and hold what they are bound to', async () => {
    await using one = await listen();
    await using two = await listen();
    const options = await trusting(one.port);
    const { sessions } = await visit(options, 'hello', 2);
    const [first, second] = sessions.map((bytes) => Session.fromEnvelope(bytes));
    const name = one.server.context.tickets.ring.keys().find(({ role }) => role === 'current')?.name;
    for (const session of [first, second]) {
      const ticket = session?.ticket as Uint8Array;
      // name ‖ IV ‖ blocks of AES-CBC ‖ HMAC-SHA256
      expect(Buffer.from(ticket.subarray(0, 16)).toString('hex')).toBe(name);
      expect((ticket.length - 16 - 16 - 32) % 16).toBe(0);
      expect(session?.ticketLifetimeHintSec).toBe(7200);
    }
    const { bindings } = first as Session;
    (first as Session).bindings = bindings && { ...bindings, port: two.port };
    await visit({ ...(await trusting(two.port)), session: first as Session });
    expect(two.sockets[0]?.resumptionReason).toBe('unknown-key');
    first?.free();
    second?.free();
  });

  test('a keyring of the caller’s is used and left alone', async () => {
    const ring = TicketKeyring.create({ provider: nodeProvider }, Date.now());
    await using site = await listen({ ticketKeyring: ring });
    const options = await trusting(site.port);
    const { sessions } = await visit(options);
    ring.rotate(Date.now());
    const { socket } = await visit({ ...options, session: sessions[0] });
    expect(socket.isSessionReused()).toBe(true);
    site.server.context.destroy();
    expect(ring.keys().length).toBeGreaterThan(1);
    ring.destroy();
  });

  test('sessionTimeout is what tickets promise, and sessionIdContext keeps contexts apart', async () => {
    const ticketKeys = Buffer.alloc(48, 5);
    await using one = await listen({ ticketKeys, sessionIdContext: 'one', sessionTimeout: 60 });
    const { sessions } = await visit(await trusting(one.port));
    using session = Session.fromEnvelope(sessions[0] as Buffer);
    expect([session.ticketLifetimeHintSec, session.timeoutSec]).toEqual([60, 60]);
    await using two = await listen({ ticketKeys, sessionIdContext: 'two' });
    const { bindings } = session;
    session.bindings = bindings && { ...bindings, port: two.port };
    await visit({ ...(await trusting(two.port)), session });
    expect(two.sockets[0]?.resumptionReason).toBe('other-context');
  });

  test('a new context of the server knows nothing of the old one', async () => {
    const { keyPem: key, chainPem: cert } = await testChain();
    await using site = await listen();
    const options = await trusting(site.port);
    const { sessions } = await visit(options);
    const old = site.server.context;
    site.server.setSecureContext({ key, cert });
    await visit({ ...options, session: sessions[0] });
    expect(site.sockets.at(-1)?.resumptionReason).toBe('unknown-key');
    old.destroy();
  });
});

describe('after the handshake', () => {
  test('new keys both ways while data passes, and one more ticket on demand', async () => {
    await using site = await listen();
    const socket = connect(await trusting(site.port));
    let received = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    let sessions = 0;
    socket.on('session', () => sessions++);
    await once(socket, 'secureConnect');
    for (let i = 0; i < 5; i++) {
      socket.write(`${i}`);
      socket.updateKeys(i % 2 === 0);
    }
    await expect.poll(() => received).toBe('01234');
    const served = site.sockets[0] as TLSSocket;
    expect(sessions).toBe(2);
    expect(served.issueTicket()).toBe(true);
    await expect.poll(() => sessions).toBe(3);
    expect(socket.issueTicket()).toBe(false);
    const { isSessionReused, resumptionReason } = socket;
    expect([isSessionReused.call(socket), resumptionReason]).toEqual([false, 'no-session-saved']);
    expect(socket.getFinished()).toEqual(served.getPeerFinished());
    expect(socket.getPeerFinished()).toEqual(served.getFinished());
    expect(served.getSharedSigalgs()).toContain('ECDSA+SHA256');
    expect(served.getEphemeralKeyInfo()).toBeNull();
    expect(served.getX509Certificate()?.subject).toBe('CN=localhost');
    expect(socket.exportKeyingMaterial(32, 'x', Buffer.from('y'))).toEqual(
      served.exportKeyingMaterial(32, 'x', Buffer.from('y')),
    );
    expect(socket.renegotiate({})).toBe(false);
    const end = once(socket, 'close');
    socket.end();
    await end;
  });
});

describe('secrets by demand', () => {
  test('keylog: both ends say the same lines, and only to who listens', async () => {
    const server: string[] = [];
    await using site = await listen();
    const options = await trusting(site.port);
    await visit(options);
    site.server.on('keylog', (line: Buffer, socket: TLSSocket) => {
      expect(socket.encrypted).toBe(true);
      server.push(line.toString());
    });
    const client: string[] = [];
    const socket = connect(options);
    socket.on('keylog', (line: Buffer) => client.push(line.toString()));
    await once(socket, 'session');
    socket.destroy();
    expect(client).toHaveLength(5);
    expect([...server].sort()).toEqual([...client].sort());
    expect(client.every((line) => /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{96}\n$/.test(line))).toBe(true);
  });

  test('no secret shows when a socket, a context or a server is inspected', async () => {
    const { inspect } = await import('node:util');
    await using site = await listen();
    const { socket, sessions } = await visit(await trusting(site.port));
    using session = Session.fromEnvelope(sessions[0] as Buffer);
    const secret = Buffer.from(session.masterKey);
    for (const thing of [socket, site.server.context, site.sockets[0]]) {
      const text = inspect(thing, { depth: 10, showHidden: true });
      expect(text.length).toBeLessThan(200);
      expect(text).not.toContain(secret.toString('hex'));
    }
  });
});

test('equal options share a context, and so a memory of verified paths; other options do not', async () => {
  const { sharedContext } = await import('../../src/net/shared-contexts.ts');
  const { caPem } = await testChain();
  const one = sharedContext({ ca: caPem });
  expect(sharedContext({ ca: caPem })).toBe(one);
  expect(sharedContext({ ca: Buffer.from(caPem) })).not.toBe(one);
  const bytes = Buffer.from(caPem);
  const two = sharedContext({ ca: [bytes] });
  expect(sharedContext({ ca: [Buffer.from(caPem)] })).toBe(two);
  // What the caller does to its bytes later does not matter.
  bytes.fill(0x20);
  expect(sharedContext({ ca: [Buffer.from(caPem)] })).toBe(two);
  expect(sharedContext({ ca: [bytes] })).not.toBe(two);
  expect(sharedContext({ ca: caPem, maxVersion: 'TLSv1.2' })).not.toBe(one);
});

test('SSLKEYLOGFILE', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tlsession-keylog-'));
  const file = join(folder, 'keys');
  const { vi } = await import('vitest');
  vi.stubEnv('SSLKEYLOGFILE', file);
  vi.resetModules();
  try {
    const { hasKeyLogFile, writeKeyLog } = await import('../../src/net/key-log-file.ts');
    expect(hasKeyLogFile()).toBe(true);
    writeKeyLog(Buffer.from('one\n'));
    writeKeyLog(Buffer.from('two\n'));
    expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  }
});
