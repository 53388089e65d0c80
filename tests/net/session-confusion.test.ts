/**
 * Sessions that were made under one policy and are offered under another, each as it once worked against a
 * server or client in production. A test is named for what was found there; `tests/mutants` puts the faults back.
 */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { ClientSessionCache, type ConnectOptions, connect, Session } from '../../src/entry/index.ts';
import { makeChain, testChain } from '../support/certs.ts';
import { listen, type TestServer, trusting, visit } from './pair.ts';

const versions = [
  ['TLSv1.2', { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
  ['TLSv1.3', { minVersion: 'TLSv1.3' }],
] as const;

/** A client of ill will offers what it has wherever it likes: its session says nothing of where it belongs. */
function unbound(from: Buffer): Session {
  const session = Session.fromEnvelope(from);
  session.bindings = null;
  session.hostname = null;
  return session;
}

/** How a server takes it: `full`, `resumed`, or null, not at all. */
async function intrude(site: TestServer, session: Buffer, options: ConnectOptions): Promise<string | null> {
  const before = site.sockets.length;
  using offered = unbound(session);
  const socket = connect({ ...options, port: site.port, session: offered });
  socket.on('error', () => {});
  socket.on('secureConnect', () => socket.write('x'));
  socket.on('data', () => socket.end());
  await new Promise<void>((done) => socket.once('close', () => done()));
  const [secured] = site.sockets.slice(before);
  return secured === undefined ? null : `${secured.isSessionReused() ? 'resumed' : 'full'}`;
}

describe.each(versions)('%s', (_, version) => {
  test('nginx CVE-2025-23419, Traefik GHSA-gv8r-9rw9-9697: from a server without client certificates to one with', async () => {
    const { caPem } = await testChain();
    const shared = { ticketKeys: Buffer.alloc(48, 7), sessionIdContext: 'shared' };
    await using open = await listen(shared);
    await using closed = await listen({ ...shared, requestCert: true, ca: caPem });
    const options = await trusting(open.port, version);
    const { sessions } = await visit(options);
    expect(await intrude(open, sessions[0] as Buffer, options)).toBe('resumed');
    expect(await intrude(closed, sessions[0] as Buffer, options)).toBe(null);
    expect(closed.failures.map((error) => (error as NodeJS.ErrnoException).code)).toEqual([
      'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
    ]);
  });

  test('Apache CVE-2025-23048, oven-sh/bun#42998: from one name of a server to another with other clients', async () => {
    const [ours, theirs] = await Promise.all([testChain(), makeChain()]);
    const { keyPem: key, chainPem: cert } = ours;
    await using site = await listen({ requestCert: true, ca: ours.caPem, ticketKeys: Buffer.alloc(48, 8) });
    site.server.addContext('private.test', { key, cert, ca: theirs.caPem, ticketKeys: Buffer.alloc(48, 8) });
    const options = await trusting(site.port, { ...version, key, cert, rejectUnauthorized: false });
    const { sessions } = await visit(options);
    expect(await intrude(site, sessions[0] as Buffer, options)).toBe('resumed');
    const other = { ...options, servername: 'private.test' };
    expect(await intrude(site, sessions[0] as Buffer, other)).toBe(null);
  });

  test('Go CVE-2025-68121: clients whose authority is trusted no more', async () => {
    const [ours, theirs] = await Promise.all([testChain(), makeChain()]);
    const { keyPem: key, chainPem: cert } = ours;
    const shared = { requestCert: true, ticketKeys: Buffer.alloc(48, 9), sessionIdContext: 'shared' };
    // A ticket under these keys holds the client's certificate and nothing above it.
    const both = [ours.caPem, ours.intermediate.certPem, theirs.caPem];
    await using before = await listen({ ...shared, ca: both });
    await using after = await listen({ ...shared, ca: theirs.caPem });
    const options = await trusting(before.port, { ...version, key, cert });
    const { sessions } = await visit(options);
    expect(await intrude(before, sessions[0] as Buffer, options)).toBe('resumed');
    expect(await intrude(after, sessions[0] as Buffer, options)).toBe(null);
    // What cannot be verified by the ticket alone costs the resumption, and no more.
    await using rooted = await listen({ ...shared, ca: ours.caPem });
    expect(await intrude(rooted, sessions[0] as Buffer, options)).toBe('full');
  });

  test('Go CVE-2025-68121: a server whose authority is trusted no more', async () => {
    const theirs = await makeChain();
    await using site = await listen();
    const options = await trusting(site.port, version);
    const { sessions } = await visit(options);
    const socket = connect({ ...options, ca: theirs.caPem, session: sessions[0] });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect([socket.isSessionReused(), error.code]).toEqual([false, 'CERT_SIGNATURE_FAILURE']);
  });

  test('Node CVE-2026-48934: a session of one host at another', async () => {
    await using site = await listen();
    const options = await trusting(site.port, version);
    const { sessions } = await visit(options);
    const { socket } = await visit({ ...options, servername: '127.0.0.1', session: sessions[0] });
    expect([socket.isSessionReused(), socket.resumptionReason]).toEqual([false, 'other-name']);
  });

  test('HAProxy #3195, Envoy: what one name left in a cache is not taken for another', async () => {
    await using site = await listen();
    const sessionCache = new ClientSessionCache();
    const options = await trusting(site.port, { ...version, sessionCache });
    await visit(options);
    const { socket } = await visit({ ...options, servername: '127.0.0.1' });
    expect([socket.isSessionReused(), socket.resumptionReason]).toEqual([false, 'no-session-saved']);
    // A resumed TLS 1.2 connection leaves no new session.
    expect((await visit(options, 'hello', 0)).socket.isSessionReused()).toBe(true);
    sessionCache.clear();
  });
});
