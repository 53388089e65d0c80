/** How much of a client's certificate a ticket carries, and what a resumed connection then says of its client. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type ConnectOptions, type ServerOptions, Session } from '../../src/entry/index.ts';
import { makeCertificate, testChain } from '../support/certs.ts';
import { TestClock } from '../support/sessions.ts';
import { listen, trusting, visit } from './pair.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const { caPem, keyPem, chainPem, leaf } = await testChain();
const fingerprint256 = new X509Certificate(leaf.der).fingerprint256;
const CLIENT = { key: keyPem, cert: chainPem };

async function site(version: string, options: ServerOptions): Promise<Awaited<ReturnType<typeof listen>>> {
  const versions = { minVersion: version, maxVersion: version };
  return listen({ requestCert: true, ca: caPem, ...versions, ...options });
}

/** The ticket's length in the bytes of a session that the client got. */
function ticketLength(bytes: Buffer): number {
  using session = Session.fromEnvelope(bytes);
  return session.ticket?.length ?? 0;
}

describe.each(VERSIONS)('%s', (version) => {
  test('chain, leaf and fingerprint: smaller each time, and the same client on resumption', async () => {
    const lengths: number[] = [];
    for (const ticketPeer of ['chain', undefined, 'fingerprint'] as const) {
      await using server = await site(version, { ticketPeer });
      const options: ConnectOptions = await trusting(server.port, CLIENT);
      const sockets = [];
      let session: Buffer | undefined;
      // Over a chain of resumptions, too.
      for (let i = 0; i < 3; i++) {
        const { sessions, socket } = await visit(
          { ...options, session },
          'hello',
          i > 0 && version === 'TLSv1.2' ? 0 : 1,
        );
        if (i === 0) lengths.push(ticketLength(sessions[0] as Buffer));
        session = sessions.at(-1) ?? session;
        sockets.push(socket);
      }
      expect(sockets.map((socket) => socket.isSessionReused())).toEqual([false, true, true]);
      for (const [i, socket] of server.sockets.entries()) {
        expect(socket.authorized).toBe(true);
        const certificate = socket.getPeerCertificate();
        expect(certificate.fingerprint256).toBe(fingerprint256);
        const whole = i === 0 || ticketPeer !== 'fingerprint';
        expect(certificate.raw !== undefined).toBe(whole);
        expect(socket.getPeerX509Certificate() !== undefined).toBe(whole);
        const chainLength = i === 0 || ticketPeer === 'chain' ? 2 : whole ? 1 : 0;
        expect(socket.info.peerChain.length).toBe(chainLength);
      }
    }
    const [chain, bare, fingerprint] = lengths as [number, number, number];
    expect(bare).toBeLessThan(chain - 300);
    expect(fingerprint).toBeLessThan(bare - leaf.der.length + 150);
    expect(fingerprint).toBeLessThan(500);
  });

  test('a certificate that has ended is asked for again, though only its dates are known', async () => {
    const clock = new TestClock(Date.now());
    const client = await makeCertificate({
      subject: 'CN=short',
      issuer: (await testChain()).intermediate,
      purposes: ['client'],
      notAfter: new Date(clock.wall + 60_000),
    });
    const cert = `${client.certPem}\n${(await testChain()).intermediate.certPem}`;
    await using server = await site(version, { ticketPeer: 'fingerprint', clock });
    const options = await trusting(server.port, { key: client.keyPem, cert });
    const { sessions } = await visit(options);
    clock.passSec(59);
    const second = await visit({ ...options, session: sessions[0] }, 'hello', version === 'TLSv1.2' ? 0 : 1);
    expect(second.socket.isSessionReused()).toBe(true);
    clock.passSec(2);
    await visit({ ...options, session: (second.sessions[0] ?? sessions[0]) as Buffer }, '', 0).catch(
      () => {},
    );
    const reasons = server.sockets.map(({ resumptionReason }) => resumptionReason);
    // The full handshake shows the same certificate, which is refused now as it should be.
    expect(reasons.slice(1)).toEqual([null]);
    expect(server.failures).toHaveLength(1);
  });

  test('a certificate that was only let through stays whole: it is judged again', async () => {
    const stranger = await makeCertificate({ subject: 'CN=stranger', purposes: ['client'] });
    await using server = await site(version, { ticketPeer: 'fingerprint', rejectUnauthorized: false });
    const options = await trusting(server.port, { key: stranger.keyPem, cert: stranger.certPem });
    const { sessions } = await visit(options);
    const { socket } = await visit(
      { ...options, session: sessions[0] },
      'hello',
      version === 'TLSv1.2' ? 0 : 1,
    );
    expect(socket.isSessionReused()).toBe(true);
    for (const peer of server.sockets) {
      expect([peer.authorized, peer.authorizationError]).toEqual([false, 'DEPTH_ZERO_SELF_SIGNED_CERT']);
      expect(peer.getPeerCertificate().raw?.equals(stranger.der)).toBe(true);
    }
  });
});
