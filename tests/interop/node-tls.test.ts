/** Stock node:tls of Node 20, 24 and 26 at the other end, in both roles, full and resumed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Session } from '../../src/entry/session.ts';
import { listen, trusting, visit } from '../net/pair.ts';
import { type ChainFiles, type KeyKind, testChain, writeChain } from '../support/certs.ts';
import { describeOnNodes } from '../support/node-versions.ts';
import { authOf, CURVES, hasMlKem, KEYS, SUITES_12, SUITES_13, V12, V13 } from './matrix.ts';
import { NodePeer } from './node-peer.ts';

describeOnNodes('stock node:tls', (node, major) => {
  let peer: NodePeer;
  const files = new Map<KeyKind, ChainFiles>();
  const groups = [...CURVES.map(({ name }) => name), ...(hasMlKem && major >= 24 ? ['X25519MLKEM768'] : [])];

  beforeAll(async () => {
    peer = new NodePeer(node);
    for (const kind of KEYS) files.set(kind, writeChain(await testChain(kind)));
  });
  afterAll(async () => {
    await peer[Symbol.asyncDispose]();
    for (const folder of files.values()) folder[Symbol.dispose]();
  });

  function pathsOf(kind: KeyKind): ChainFiles {
    return files.get(kind) as ChainFiles;
  }

  describe('as a server', () => {
    for (const ciphers of SUITES_13) {
      for (const ecdhCurve of groups) {
        test(`${ciphers}, ${ecdhCurve}`, async () => {
          const { chain: cert, key } = pathsOf('p256');
          const port = await peer.listen({ cert, key, ciphers, ecdhCurve, ...V13 });
          const options = await trusting(port, { ciphers, ecdhCurve });
          const full = await visit(options, 'hello', 2);
          expect(full.text).toBe('hello');
          const resumed = await visit({ ...options, session: full.sessions[0] }, 'hello', 0);
          expect(resumed.text).toBe('hello');
          expect(resumed.socket.isSessionReused()).toBe(true);
          expect(await peer.seen(port)).toMatchObject([
            { protocol: 'TLSv1.3', cipher: ciphers, reused: false },
            { protocol: 'TLSv1.3', cipher: ciphers, reused: true },
          ]);
          expect(full.socket.getCipher()?.standardName).toBe(ciphers);
          expect(full.socket.getEphemeralKeyInfo()).toMatchObject({ name: ecdhCurve });
        });
      }
    }

    test.each(KEYS)('a %s certificate', async (kind) => {
      const { chain: cert, key } = pathsOf(kind);
      const port = await peer.listen({ cert, key, ...V13 });
      const { caPem: ca } = await testChain(kind);
      const { socket, text } = await visit({ port, host: '127.0.0.1', servername: 'localhost', ca });
      expect(text).toBe('hello');
      expect(socket.authorized).toBe(true);
    });

    test.each(KEYS)('TLS 1.2 with a %s certificate: each suite, full and by ticket', async (kind) => {
      const { chain: cert, key } = pathsOf(kind);
      const { caPem: ca } = await testChain(kind);
      for (const ciphers of SUITES_12[authOf(kind)]) {
        const port = await peer.listen({ cert, key, ciphers, ...V12 });
        const options = { port, host: '127.0.0.1', servername: 'localhost', ca };
        const full = await visit(options);
        const resumed = await visit({ ...options, session: full.sessions[0] }, 'hello', 0);
        expect([full.text, resumed.text]).toEqual(['hello', 'hello']);
        expect([full, resumed].map(({ socket }) => socket.isSessionReused())).toEqual([false, true]);
        expect(resumed.socket.getCipher()?.name).toBe(ciphers);
        expect(await peer.seen(port)).toMatchObject([{ reused: false }, { reused: true }]);
      }
    });

    test('a HelloRetryRequest, full and resumed', async () => {
      const { chain: cert, key } = pathsOf('p256');
      const port = await peer.listen({ cert, key, ecdhCurve: 'P-384', ...V13 });
      const options = await trusting(port, { ecdhCurve: 'X25519:P-384' });
      const full = await visit(options);
      const resumed = await visit({ ...options, session: full.sessions[0] }, 'hello', 0);
      expect([full, resumed].map(({ socket }) => socket.info.helloRetryRequest)).toEqual([true, true]);
      expect(await peer.seen(port)).toMatchObject([{ reused: false }, { reused: true }]);
    });

    test('ALPN, and a client certificate that it asks for', async () => {
      const { chain: cert, key, ca } = pathsOf('p256');
      const port = await peer.listen({
        cert,
        key,
        ca,
        requestCert: true,
        ALPNProtocols: ['h2', 'http/1.1'],
        ...V13,
      });
      const { chainPem, keyPem } = await testChain();
      const identity = { cert: chainPem, key: keyPem };
      const options = await trusting(port, { ...identity, ALPNProtocols: ['http/1.1', 'h2'] });
      const { socket, text } = await visit(options);
      expect(text).toBe('hello');
      expect(socket.alpnProtocol).toBe('h2');
      expect(await peer.seen(port)).toMatchObject([{ alpn: 'h2' }]);
    });
  });

  describe('as a client', () => {
    for (const ciphers of SUITES_13) {
      for (const ecdhCurve of groups) {
        test(`${ciphers}, ${ecdhCurve}`, async () => {
          await using site = await listen();
          const { ca } = pathsOf('p256');
          const visits = await peer.visit({ port: site.port, ca, ciphers, ecdhCurve, ...V13 });
          expect(visits).toMatchObject([
            { protocol: 'TLSv1.3', cipher: ciphers, reused: false, text: 'hello' },
            { protocol: 'TLSv1.3', cipher: ciphers, reused: true, text: 'hello' },
          ]);
          expect(site.sockets.map((socket) => socket.isSessionReused())).toEqual([false, true]);
          expect(site.sockets.map((socket) => socket.getCipher()?.standardName)).toEqual([ciphers, ciphers]);
        });
      }
    }

    test.each(KEYS)('a %s certificate, TLS 1.3 and each suite of TLS 1.2, full and resumed', async (kind) => {
      const { chainPem: cert, keyPem: key } = await testChain(kind);
      await using site = await listen({ cert, key });
      const options = { port: site.port, ca: pathsOf(kind).ca };
      expect(await peer.visit({ ...options, ...V13 })).toMatchObject([{ reused: false }, { reused: true }]);
      for (const ciphers of SUITES_12[authOf(kind)]) {
        expect(await peer.visit({ ...options, ciphers, ...V12 })).toMatchObject([
          { protocol: 'TLSv1.2', reused: false },
          { protocol: 'TLSv1.2', reused: true },
        ]);
        expect(site.sockets.at(-1)?.getCipher()?.name).toBe(ciphers);
      }
      expect(site.failures).toEqual([]);
    });

    test('sessions kept in the cache and not in tickets: by id, and by a ticket that is only a name', async () => {
      await using site = await listen({ statefulTickets: true });
      const options = { port: site.port, ca: pathsOf('p256').ca };
      expect(await peer.visit({ ...options, ...V12 })).toMatchObject([{ reused: false }, { reused: true }]);
      expect(await peer.visit({ ...options, ...V13 })).toMatchObject([{ reused: false }, { reused: true }]);
      site.server.context.sessions.clear();
    });

    test('a HelloRetryRequest, full and resumed', async () => {
      await using site = await listen({ ecdhCurve: 'P-384' });
      const { ca } = pathsOf('p256');
      const visits = await peer.visit({ port: site.port, ca, ecdhCurve: 'X25519:P-384', ...V13 });
      expect(visits).toMatchObject([{ reused: false }, { reused: true }]);
      expect(site.sockets.map((socket) => socket.info.helloRetryRequest)).toEqual([true, true]);
    });

    test('a client certificate is asked for, and proven', async () => {
      const { caPem } = await testChain();
      await using site = await listen({ requestCert: true, ca: caPem });
      const { chain: cert, key, ca } = pathsOf('p256');
      const visits = await peer.visit({ port: site.port, ca, cert, key, ...V13 });
      expect(visits).toMatchObject([{ reused: false }, { reused: true }]);
      expect(site.sockets.map((socket) => socket.authorized)).toEqual([true, true]);
      const names = site.sockets.map((socket) => socket.getPeerCertificate().subject.CN);
      expect(names).toEqual(['localhost', 'localhost']);
      await expect(peer.visit({ port: site.port, ca, ...V13 })).rejects.toThrow(
        /certificate.required|closed after/i,
      );
      expect(site.failures.at(-1)).toMatchObject({ failure: 'certificate-required' });
    });
  });

  test('one ticket key and one context in both: each resumes what the other made', async () => {
    const ticketKeys = Buffer.alloc(48, 7);
    const sessionIdContext = 'both';
    await using site = await listen({ ticketKeys, sessionIdContext });
    const { chain: cert, key } = pathsOf('p256');
    const ticketKeysHex = ticketKeys.toString('hex');
    const port = await peer.listen({ cert, key, ticketKeysHex, sessionIdContext, ...V13 });
    // OpenSSL's form has no room for the chain: the intermediate has to be known otherwise.
    const { root, intermediate } = await testChain();
    const ca = [root.certPem, intermediate.certPem];
    const options = await trusting(site.port, { ca });
    const ours = await visit(options);
    const theirs = await visit({ ...options, port }, 'hello', 2);
    const there = await visit({ ...options, port, session: asDer(ours.sessions[0]) }, 'hello', 0);
    expect(there.socket.isSessionReused()).toBe(true);
    // node:tls does not write down which name a session was made for: that has to be waived.
    await visit({ ...options, session: asDer(theirs.sessions[0]) });
    expect(site.sockets.at(-1)?.resumptionReason).toBe('other-name');
    await using lax = await listen({ ticketKeys, sessionIdContext, bindServerName: false });
    const here = await visit({ ...options, port: lax.port, session: asDer(theirs.sessions[1]) });
    expect(here.socket.isSessionReused()).toBe(true);
  });
});

/** What is left of a session in OpenSSL's form: not what it is bound to, as the port. */
function asDer(envelope: Buffer | undefined): Uint8Array {
  using session = Session.fromEnvelope(envelope as Buffer);
  return session.toDER();
}
