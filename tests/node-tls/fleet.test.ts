/** Servers of both kinds with one fleet: stock node:tls and this library's, over one store. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type * as tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import { createFleet } from '../../src/net/fleet.ts';
import { createServer } from '../../src/net/server.ts';
import { shareSessions } from '../../src/node-tls/share-sessions.ts';
import { STATEFUL_TICKETS } from '../../src/node-tls/store-sharing.ts';
import { testChain } from '../support/certs.ts';
import { listening, stockServer, visit } from './servers.ts';

const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

const secret = 'a secret of the fleet, 32 bytes or more';

async function node(store: MemoryStore, kind: 'stock' | 'own', stateful: boolean): Promise<number> {
  const fleet = createFleet({ store, secret, keys: { format: 'openssl', opensslKeyBytes: 16 } });
  closing.push(fleet);
  expect(await fleet.ready).toBe(true);
  if (kind === 'stock') {
    const server = await stockServer(stateful ? STATEFUL_TICKETS : {});
    const shared = shareSessions(server, { fleet, dangerouslyUseTicketKeyCallback: !stateful });
    closing.push(server, { close: shared.stop });
    return listening(server);
  }
  const { chainPem, keyPem } = await testChain();
  const server = createServer(
    {
      cert: chainPem,
      key: keyPem,
      fleet,
      sessionIdContext: 'the fleet',
      statefulTickets: stateful,
      // Plain tickets of node:tls do not say for which name they were made; its sessions in the store do.
      bindServerName: stateful,
    },
    (socket) => {
      socket.on('error', () => {});
      socket.end(`${socket.getProtocol()} ${socket.isSessionReused() ? 'resumed' : 'full'}`);
    },
  );
  closing.push({ close: () => server.context.destroy() }, server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a fleet of stock servers and ours, %s', (version) => {
  const only: tls.ConnectionOptions = { minVersion: version, maxVersion: version };

  it.each([
    ['by id or stateful ticket', true],
    ['by ticket', false],
  ])('resumes anywhere, %s', async (_how, stateful) => {
    const store = new MemoryStore();
    const ports = [
      await node(store, 'stock', stateful),
      await node(store, 'own', stateful),
      await node(store, 'stock', stateful),
      await node(store, 'own', stateful),
    ];
    let { session, text } = await visit(ports[0] as number, only);
    expect(text).toBe(`${version} full`);
    for (const to of [1, 2, 3, 0, 3, 1, 0]) {
      const next = await visit(ports[to] as number, { ...only, session });
      expect([to, next.text]).toEqual([to, `${version} resumed`]);
      session = next.session ?? session;
    }
  });
});
