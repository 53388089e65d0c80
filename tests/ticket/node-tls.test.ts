/** Tickets crossing over between this keyring and stock node:tls, which share one key of 48 bytes. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { Field } from '../../src/session/body.ts';
import { encodeSession } from '../../src/session/der.ts';
import { readSession } from '../../src/session/forms.ts';
import { wrapNodeForm } from '../../src/session/node-form.ts';
import { readTicketKey } from '../../src/ticket/key-layouts.ts';
import { TicketKeyring } from '../../src/ticket/keyring.ts';
import { openSessionTicket, sealSessionTicket } from '../../src/ticket/session-ticket.ts';
import { toHex } from '../../src/util/bytes.ts';
import { testChain } from '../support/certs.ts';

const keyFile = nodeProvider.random(48);

function keyring(): TicketKeyring {
  const material = readTicketKey('node48', keyFile);
  return TicketKeyring.create({ provider: nodeProvider, keys: [{ role: 'current', material }] }, Date.now());
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('node:tls with our ticket key, %s', (version) => {
  let server: tls.Server;
  let ca: string;

  beforeAll(async () => {
    const chain = await testChain();
    ca = chain.caPem;
    server = tls.createServer(
      {
        cert: chain.chainPem,
        key: chain.keyPem,
        minVersion: version,
        maxVersion: version,
        ticketKeys: Buffer.from(keyFile),
      },
      (socket) => {
        socket.on('error', () => {});
        socket.end('hello');
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => void server.close());

  /** One connection to its end. The session is the last that node:tls handed out. */
  async function visit(session?: Uint8Array): Promise<{ reused: boolean; session: Uint8Array }> {
    const socket = tls.connect({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      ...(session === undefined ? {} : { session: Buffer.from(session) }),
    });
    let got: Uint8Array = new Uint8Array(0);
    socket.on('session', (saved) => {
      got = saved;
    });
    await once(socket, 'secureConnect');
    socket.resume();
    await once(socket, 'end');
    const reused = socket.isSessionReused();
    socket.destroy();
    return { reused, session: got };
  }

  it('opens its tickets, and is resumed by ours', async () => {
    const ring = keyring();
    const first = await visit();
    expect(first.reused).toBe(false);

    const client = readSession(first.session, null, Date.now());
    const ticket = client.session.field(Field.ticket, 'test');
    const opened = openSessionTicket(ring, ticket, Date.now());
    if (!opened.opened) throw new Error(opened.fault);
    const secret = (session: typeof opened.session) => toHex(session.field(Field.masterKey, 'test'));
    expect(secret(opened.session)).toBe(secret(client.session));
    expect(opened.session.body('test').version).toBe(version === 'TLSv1.3' ? 0x0304 : 0x0303);

    const own = sealSessionTicket(ring, opened.session, Date.now());
    if (own === null) throw new Error('no ticket');
    expect(toHex(own)).not.toBe(toHex(ticket));
    client.session.setField(Field.ticket, own, 'test');
    const der = encodeSession(client.session);
    const second = await visit(client.nodeHost === null ? der : wrapNodeForm(der, client.nodeHost));
    expect(second.reused).toBe(true);

    // The same once more with a ticket that was tampered with: a full handshake, and no error.
    own[40] = (own[40] as number) ^ 1;
    client.session.setField(Field.ticket, own, 'test');
    const bad = encodeSession(client.session);
    const third = await visit(client.nodeHost === null ? bad : wrapNodeForm(bad, client.nodeHost));
    expect(third.reused).toBe(false);
    client.session.free('test');
    opened.session.release('test');
  });
});
