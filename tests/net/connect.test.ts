import { once } from 'node:events';
import { expect, test } from 'vitest';
import { connect } from '../../src/entry/index.ts';
import { makeCertificate } from '../support/certs.ts';
import { listen, trusting, visit } from './pair.ts';

test('a full handshake over TCP, then resumed, by the names of node:tls', async () => {
  await using site = await listen({ ALPNProtocols: ['h2', 'http/1.1'] });
  const options = await trusting(site.port, { ALPNProtocols: ['http/1.1'] });
  const first = await visit(options, 'one', 2);
  expect(first.text).toBe('one');
  expect(first.socket.getProtocol()).toBe('TLSv1.3');
  expect(first.socket.alpnProtocol).toBe('http/1.1');
  expect(first.socket.authorized).toBe(true);
  expect(first.socket.isSessionReused()).toBe(false);
  expect(first.socket.resumptionReason).toBe('no-session-saved');
  expect(first.sessions).toHaveLength(2);

  const second = await visit({ ...options, session: first.sessions[1] }, 'two');
  expect(second.socket.isSessionReused()).toBe(true);
  expect(second.socket.resumptionReason).toBeNull();
  expect(second.socket.authorized).toBe(true);
  expect(second.text).toBe('two');
  expect(site.sockets.map((socket) => socket.isSessionReused())).toEqual([false, true]);
  expect(site.sockets.map((socket) => socket.servername)).toEqual(['localhost', 'localhost']);
  expect(site.failures).toEqual([]);
});

test('a peer that cannot be verified is refused, with the code of node:tls, unless told otherwise', async () => {
  await using site = await listen();
  const { certPem: ca } = await makeCertificate({ subject: 'CN=Somebody else', pathLength: Infinity });
  const other = connect({ ...(await trusting(site.port)), ca });
  const [error] = (await once(other, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('UNABLE_TO_GET_ISSUER_CERT_LOCALLY');

  const misnamed = connect({ ...(await trusting(site.port)), servername: 'example.org' });
  const [mismatch] = (await once(misnamed, 'error')) as [NodeJS.ErrnoException];
  expect(mismatch.code).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  // The server is told why: bad_certificate and unknown_ca.
  await expect.poll(() => site.failures.length).toBe(2);
  expect([other.closed, misnamed.closed]).toEqual([true, true]);

  const lax = await visit({
    ...(await trusting(site.port)),
    servername: 'example.org',
    rejectUnauthorized: false,
  });
  expect(lax.socket.authorized).toBe(false);
  expect(lax.socket.authorizationError).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
});
