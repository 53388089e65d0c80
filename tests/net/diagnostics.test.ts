/** The four channels of node:diagnostics_channel, over sockets and under the C names. */

import diagnosticsChannel from 'node:diagnostics_channel';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import {
  type CacheMessage,
  connect,
  type HandshakeMessage,
  type ResumptionMessage,
  type TicketKeyMessage,
  TicketKeyring,
} from '../../src/entry/index.ts';
import * as ssl from '../../src/entry/openssl.ts';
import { listen, trusting, visit } from './pair.ts';

const open: [string, (message: unknown) => void][] = [];
afterEach(() => {
  for (const [name, listener] of open.splice(0)) diagnosticsChannel.unsubscribe(name, listener);
});

function listenTo<Message>(name: string): Message[] {
  const messages: Message[] = [];
  const listener = (message: unknown): void => void messages.push(message as Message);
  diagnosticsChannel.subscribe(name, listener);
  open.push([name, listener]);
  return messages;
}

test('sockets: what both ends tell of a full handshake, a resumed one, and one that fails', async () => {
  const handshakes = listenTo<HandshakeMessage>('tlsession:handshake');
  const resumptions = listenTo<ResumptionMessage>('tlsession:resumption');
  const cache = listenTo<CacheMessage>('tlsession:cache');
  const keys = listenTo<TicketKeyMessage>('tlsession:ticket-key');
  using keyring = TicketKeyring.create({ provider: nodeProvider, rotateEverySec: 3600 }, Date.now());
  await using site = await listen({ statefulTickets: true, ticketKeyring: keyring, ALPNProtocols: ['x'] });
  const options = await trusting(site.port, { ALPNProtocols: ['x'] });
  const { sessions } = await visit(options, 'hello', 2);
  await visit({ ...options, session: sessions[0] });
  const failing = connect({ ...options, ca: [] });
  await once(failing, 'error');
  while (handshakes.length < 6) await new Promise((done) => setTimeout(done, 5));

  // Each message says of which context it is.
  const ofServer = site.server.context.sessions.id;
  for (const { role, context } of [...handshakes, ...resumptions]) {
    expect(context === ofServer).toBe(role === 'server');
  }
  expect(new Set(cache.map(({ context }) => context))).toEqual(new Set([ofServer]));

  const common = { protocol: 'TLSv1.3', serverName: 'localhost' };
  for (const role of ['client', 'server'] as const) {
    const own = handshakes.filter((message) => message.role === role);
    expect(own.map(({ completed, resumed }) => [completed, resumed])).toEqual([
      [true, false],
      [true, true],
      [false, false],
    ]);
    expect(own[0]).toMatchObject({
      ...common,
      alpn: 'x',
      helloRetryRequest: false,
      failure: null,
      alert: null,
    });
    expect(own[0]?.cipher).toMatch(/^TLS_/);
    expect(own[0]?.durationMs).toBeGreaterThan(0);
    const failure = role === 'client' ? 'unknown-ca' : 'peer-alert';
    const alertFrom = role === 'client' ? 'local' : 'peer';
    expect(own[2]).toMatchObject({ failure, alert: 'unknown_ca', alertFrom });
    const [first, second] = resumptions.filter((message) => message.role === role);
    expect(first).toMatchObject({
      ...common,
      offered: 'none',
      resumed: false,
      reason: role === 'client' ? 'no-session-saved' : 'no-session-offered',
      earlyDataReason: 'early-data-not-offered',
    });
    expect(second).toMatchObject({
      offered: 'psk',
      resumed: true,
      by: role === 'client' ? 'ticket' : 'stateful-ticket',
      reason: null,
    });
  }
  expect(cache.map(({ kind, number }) => [kind, number])).toEqual([
    ['add', 1],
    ['add', 2],
    ['hit', 2],
    ['remove', 1],
    ['add', 2],
  ]);
  keyring.rotate(Date.now());
  expect(keys.map(({ kind, role }) => [kind, role])).toEqual([
    ['previous', 'previous'],
    ['current', 'current'],
    ['created', 'next'],
  ]);

  // Nothing of it could be used by whoever reads the logs.
  const told = JSON.stringify([handshakes, resumptions, cache, keys]);
  for (const { material } of keyring.export()) {
    if (material.format === 'aead') expect(told).not.toContain(Buffer.from(material.key).toString('hex'));
  }
  expect(told.length).toBeLessThan(20_000);
  expect(told).not.toMatch(/[0-9a-f]{33}/);
});

test('a connection that is given up in its handshake is told of, at both ends', async () => {
  const handshakes = listenTo<HandshakeMessage>('tlsession:handshake');
  await using site = await listen();
  const socket = connect(await trusting(site.port));
  await once(socket, 'connect');
  await new Promise((done) => setImmediate(done));
  socket.destroy();
  while (handshakes.length < 2) await new Promise((done) => setTimeout(done, 5));
  expect(handshakes.map(({ role, completed, failure }) => [role, completed, failure]).sort()).toEqual([
    ['client', false, 'ERR_TLS_DESTROYED'],
    ['server', false, 'ECONNRESET'],
  ]);
});

test('under the C names, too', () => {
  const handshakes = listenTo<HandshakeMessage>('tlsession:handshake');
  const resumptions = listenTo<ResumptionMessage>('tlsession:resumption');
  const contexts = [
    ssl.SSL_CTX_new(ssl.TLS_client_method()),
    ssl.SSL_CTX_new(ssl.TLS_server_method()),
  ] as const;
  const c = ssl.SSL_new(contexts[0]);
  const s = ssl.SSL_new(contexts[1]);
  const [one, two] = ssl.BIO_new_bio_pair(0, 0);
  ssl.SSL_set_bio(c, one, one);
  ssl.SSL_set_bio(s, two, two);
  // A server without a certificate: its handshake fails, and it says so.
  for (let i = 0; i < 4; i++) {
    ssl.SSL_connect(c);
    ssl.SSL_accept(s);
  }
  expect(handshakes.map(({ role, completed }) => [role, completed]).sort()).toEqual([
    ['client', false],
    ['server', false],
  ]);
  const idOf = { client: contexts[0].sessions.id, server: contexts[1].sessions.id };
  expect(handshakes.every(({ role, context }) => context === idOf[role])).toBe(true);
  expect(resumptions).toEqual([]);
  for (const each of [c, s]) ssl.SSL_free(each);
  for (const context of contexts) ssl.SSL_CTX_free(context);
  while (ssl.ERR_get_error() !== 0);
});

test('where nobody subscribes nothing is made', async () => {
  const names = ['handshake', 'resumption', 'cache', 'ticket-key'].map((name) => `tlsession:${name}`);
  expect(names.map((name) => diagnosticsChannel.hasSubscribers(name))).toEqual([false, false, false, false]);
  const published: string[] = [];
  const restore = names.map((name) => {
    const channel = diagnosticsChannel.channel(name);
    channel.publish = () => void published.push(name);
    return () => Reflect.deleteProperty(channel, 'publish');
  });
  try {
    await using site = await listen({ statefulTickets: true });
    const options = await trusting(site.port);
    const { sessions } = await visit(options, 'hello', 2);
    await visit({ ...options, session: sessions[0] });
    site.server.context.sessions.clear();
    expect(published).toEqual([]);
  } finally {
    for (const each of restore) each();
  }
});
