/** Stock node:tls servers whose ticket keys come from a keyring, together with servers of this library. */
import { once } from 'node:events';
import type * as tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { createServer } from '../../src/net/server.ts';
import { shareSessions } from '../../src/node-tls/share-sessions.ts';
import { STATEFUL_TICKETS } from '../../src/node-tls/store-sharing.ts';
import { TicketKeyring, type TicketKeyringOptions } from '../../src/ticket/keyring.ts';
import { toHex } from '../../src/util/bytes.ts';
import { makeCertificate, makeChain, makeCrl, testChain } from '../support/certs.ts';
import { listening, stockServer, visit } from './servers.ts';

const T0 = Date.now();
const HOUR = 3_600_000;
let nowMs = T0;
const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };

function ring(options: Partial<TicketKeyringOptions> = {}): TicketKeyring {
  return TicketKeyring.create(
    { provider: nodeProvider, format: 'openssl', opensslKeyBytes: 16, rotateEverySec: 3600, ...options },
    nowMs,
  );
}

const closing: { close(): void }[] = [];
afterEach(() => {
  for (const each of closing.splice(0).reverse()) each.close();
  nowMs = T0;
});

async function sharing(
  keyring: TicketKeyring,
  several: boolean,
  onError?: (error: unknown) => void,
  options: tls.TlsOptions = {},
): Promise<{ port: number; server: tls.Server }> {
  const server = await stockServer(options);
  const shared = shareSessions(server, {
    keyring,
    clock,
    checkEveryMs: 5,
    onError,
    dangerouslyUseTicketKeyCallback: several,
  });
  closing.push(server, { close: shared.stop });
  return { port: await listening(server), server };
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('ticket keys from a ring, %s', (version) => {
  const only = { minVersion: version, maxVersion: version };

  it.each([false, true])('resume at every server that has the ring (several keys: %s)', async (several) => {
    const keyring = ring();
    const [one, two] = [await sharing(keyring, several), await sharing(keyring, several)];
    const { session } = await visit(one.port, only);
    expect((await visit(two.port, { ...only, session })).reused).toBe(true);
    const stranger = await sharing(ring(), several);
    expect((await visit(stranger.port, { ...only, session })).text).toBe(`${version} full`);
  });

  it.each([false, true])('are no way past a client certificate (several keys: %s)', async (several) => {
    const keyring = ring();
    const chain = await testChain();
    // A server that refuses says so by an alert, or by the end of the connection.
    const heard = (port: number, options: tls.ConnectionOptions): Promise<string> =>
      visit(port, options).then(
        ({ text }) => text,
        () => '',
      );
    const open = await sharing(keyring, several);
    const closing = { requestCert: true, rejectUnauthorized: true, ca: chain.caPem };
    const asking = [
      await sharing(keyring, several, undefined, closing),
      await sharing(keyring, several, undefined, closing),
    ] as const;
    const others = await sharing(keyring, several, undefined, { ...closing, ca: (await makeChain()).caPem });
    const { session } = await visit(open.port, only);
    expect(await heard(asking[0].port, { ...only, session })).toBe('');
    const shown = { ...only, cert: chain.chainPem, key: chain.keyPem };
    const mine = await visit(asking[0].port, { ...shown, session });
    expect(mine.text).toBe(`${version} full`);
    expect((await visit(asking[1].port, { ...shown, session: mine.session })).reused).toBe(true);
    expect((await visit(open.port, { ...shown, session: mine.session })).reused).toBe(false);
    expect(await heard(others.port, { ...shown, session: mine.session })).toBe('');
  });

  it.each([false, true])('resume nobody past a new revocation list (several keys: %s)', async (several) => {
    const keyring = ring();
    const root = await makeCertificate({ subject: 'CN=Clients', pathLength: 0 });
    const client = await makeCertificate({ subject: 'CN=lost', issuer: root, purposes: ['client'] });
    const { chainPem: cert, keyPem: key } = await testChain();
    const policy = { cert, key, ca: root.certPem, requestCert: true, rejectUnauthorized: true };
    const { port, server } = await sharing(keyring, several, undefined, policy);
    const shown = { ...only, cert: client.certPem, key: client.keyPem };
    const first = await visit(port, shown);
    const second = await visit(port, { ...shown, session: first.session });
    expect(second.reused).toBe(true);
    const crl = await makeCrl(root, [client]);
    server.setSecureContext({ ...policy, crl, sessionIdContext: 'the fleet' } as tls.TlsOptions);
    const refused = (): Promise<string> =>
      visit(port, { ...shown, session: second.session }).then(
        ({ text }) => text,
        () => '',
      );
    // As soon as the server has been looked at.
    await expect.poll(refused).toBe('');
  });

  it.each([false, true])('resume nobody of a CA that left the list (several keys: %s)', async (several) => {
    const root = await makeCertificate({ subject: 'CN=Clients', pathLength: 0 });
    const client = await makeCertificate({ subject: 'CN=client', issuer: root, purposes: ['client'] });
    const { caPem, chainPem: cert, keyPem: key } = await testChain();
    const ca = [root.certPem, caPem];
    const policy = { cert, key, ca, requestCert: true, rejectUnauthorized: true };
    const { port, server } = await sharing(ring(), several, undefined, policy);
    const shown = { ...only, cert: client.certPem, key: client.keyPem };
    const first = await visit(port, shown);
    const second = await visit(port, { ...shown, session: first.session });
    expect(second.reused).toBe(true);
    ca.shift();
    server.setSecureContext({ ...policy, sessionIdContext: 'the fleet' } as tls.TlsOptions);
    const refused = (): Promise<string> =>
      visit(port, { ...shown, session: second.session }).then(
        ({ text }) => text,
        () => '',
      );
    await expect.poll(refused).toBe('');
  });

  it('resume across this library and node:tls, both ways', async () => {
    const keyring = ring();
    const stock = await sharing(keyring, true);
    const { chainPem, keyPem } = await testChain();
    const own = createServer(
      {
        cert: chainPem,
        key: keyPem,
        ticketKeyring: keyring,
        sessionIdContext: 'the fleet',
        bindServerName: false,
      },
      (socket) => {
        socket.on('error', () => {});
        socket.end(socket.isSessionReused() ? 'resumed' : 'full');
      },
    );
    own.listen(0, '127.0.0.1');
    await once(own, 'listening');
    closing.push(own);
    const { port } = own.address() as { port: number };
    const fromStock = await visit(stock.port, only);
    expect((await visit(port, { ...only, session: fromStock.session })).text).toBe('resumed');
    const fromOwn = await visit(port, only);
    expect((await visit(stock.port, { ...only, session: fromOwn.session })).reused).toBe(true);
  });

  it('with several keys a ticket outlives the rotation, and no key its end', async () => {
    const keyring = ring({ ticketLifetimeSec: 5400 });
    const { port } = await sharing(keyring, true);
    const first = await visit(port, only);
    nowMs += HOUR;
    const second = await visit(port, { ...only, session: first.session });
    expect(second.reused).toBe(true);
    // Renewed under the new key, also in TLS 1.2.
    expect(second.session?.equals(first.session as Buffer)).toBe(false);
    nowMs += 5000 * 1000;
    expect((await visit(port, { ...only, session: second.session })).reused).toBe(true);
    expect((await visit(port, { ...only, session: first.session })).reused).toBe(true);
    nowMs += 1000 * 1000;
    expect((await visit(port, { ...only, session: first.session })).reused).toBe(false);
  });

  it('with one key a rotation reaches the server, and tickets of the key before are lost', async () => {
    const keyring = ring();
    const { port, server } = await sharing(keyring, false);
    const before = toHex(server.getTicketKeys());
    const { session } = await visit(port, only);
    nowMs += HOUR;
    while (toHex(server.getTicketKeys()) === before) await new Promise((done) => setTimeout(done, 5));
    expect(toHex(server.getTicketKeys().subarray(0, 16))).toBe(
      keyring.keys().find(({ role }) => role === 'current')?.name,
    );
    expect((await visit(port, { ...only, session })).reused).toBe(false);
  });

  it('with several keys refuses what is not a ticket of the ring, and lives', async () => {
    const keyring = ring();
    const errors: unknown[] = [];
    const { port } = await sharing(keyring, true, (error) => errors.push(error));
    const { session } = await visit(port, only);
    const strange = await sharing(ring(), true);
    for (let i = 0; i < 3; i++) expect((await visit(strange.port, { ...only, session })).reused).toBe(false);
    const { port: other } = await sharing(keyring, true, (error) => errors.push(error));
    keyring.destroy();
    expect((await visit(port, { ...only, session })).reused).toBe(false);
    expect((await visit(port, only)).text).toBe(`${version} full`);
    while (errors.length < 2) await new Promise((done) => setTimeout(done, 5));
    expect((await visit(other, { ...only, session })).reused).toBe(false);
    expect(errors.map((error) => (error as { code: string }).code)).toEqual(
      Array(2).fill('ERR_TICKET_KEYRING_DESTROYED'),
    );
  });
});

it('a new secure context gets the keys too', async () => {
  const keyring = ring();
  const { chainPem, keyPem } = await testChain();
  for (const several of [true, false]) {
    const { port, server } = await sharing(keyring, several);
    const { session } = await visit(port);
    server.setSecureContext({ cert: chainPem, key: keyPem, sessionIdContext: 'the fleet' });
    await new Promise((done) => setTimeout(done, 30));
    expect((await visit(port, { session })).reused).toBe(true);
  }
});

it('keys of another size or form are refused with what to do', async () => {
  const server = await stockServer();
  expect(() => shareSessions(server, { keyring: ring({ opensslKeyBytes: 32 }) })).toThrow(
    /opensslKeyBytes 16/,
  );
  expect(() => shareSessions(server, { keyring: ring({ format: 'aead' }) })).toThrow(/48 bytes/);
  const stateful = await stockServer(STATEFUL_TICKETS);
  expect(() => shareSessions(stateful, { keyring: ring() })).toThrow(/SSL_OP_NO_TICKET/);
});
