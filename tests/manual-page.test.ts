/**
 * SSL_SESSION_free(3) on live connections: every sentence about references, with the counts before and after.
 * "C" below is what the page's counter would show; the application's references are those that it may free.
 */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { connect, type TLSSocket } from '../src/entry/index.ts';
import {
  SSL_get_session,
  SSL_get1_session,
  type SSL_SESSION,
  SSL_SESSION_dup,
  SSL_SESSION_free,
  SSL_SESSION_get_id,
  SSL_SESSION_is_resumable,
  SSL_SESSION_up_ref,
  SSL_session_reused,
} from '../src/entry/openssl.ts';
import { SessionCore } from '../src/session/core.ts';
import { SessionError } from '../src/session/errors.ts';
import { listen, trusting, visit } from './net/pair.ts';

/** [what C's counter shows, of these the application's] */
function counts(session: SSL_SESSION | null): [number, number] {
  if (!(session instanceof SessionCore)) throw new Error('no session');
  return [session.references, session.applicationReferences];
}

function overFree(session: SSL_SESSION | null): void {
  const before = counts(session);
  expect(() => SSL_SESSION_free(session)).toThrow(SessionError);
  expect(counts(session)).toEqual(before);
}

async function gone(socket: TLSSocket): Promise<void> {
  if (!socket.closed) await once(socket, 'close');
}

test.each(['TLSv1.2', 'TLSv1.3'])('a server with a cache, %s', async (version) => {
  await using site = await listen(
    // Sessions live in the cache, not in tickets.
    { minVersion: version, maxVersion: version, statefulTickets: true, ticketCount: 1 },
    (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => {});
    },
  );
  const client = connect({ ...(await trusting(site.port)), minVersion: version, maxVersion: version });
  expect(SSL_get_session(client)).toBeNull();
  expect(SSL_get1_session(client)).toBeNull();
  await once(client, 'session');
  const server = site.sockets[0] as TLSSocket;
  const cache = site.server.context.sessions;

  // "Objects are allocated when a TLS/SSL handshake operation is successfully completed": the connection has
  // one reference, and "depending on the settings" the context has one, and links it into its cache.
  expect(cache.number).toBe(1);
  const borrowed = SSL_get_session(server);
  expect(counts(borrowed)).toEqual([2, 0]);
  // SSL_get_session borrows: the application has nothing to free, and is told so at that call.
  overFree(borrowed);

  // SSL_get1_session takes.
  const taken = SSL_get1_session(server);
  expect(taken).toBe(borrowed);
  expect(counts(taken)).toEqual([3, 1]);
  expect(SSL_SESSION_up_ref(taken as SSL_SESSION)).toBe(1);
  expect(counts(taken)).toEqual([4, 2]);
  SSL_SESSION_free(taken);
  expect(counts(taken)).toEqual([3, 1]);

  // A duplicate "is not a part of any cache" and has a count of its own.
  const copy = SSL_SESSION_dup(taken as SSL_SESSION);
  expect(counts(copy)).toEqual([1, 1]);
  expect((copy as unknown as SessionCore).owner).toBeNull();
  SSL_SESSION_free(copy);
  expect(counts(taken)).toEqual([3, 1]);

  // The cache lets go when it is flushed; "the session will not be resumed any more".
  expect(cache.flush(cache.clock.wallMs() + 7_201_000)).toBe(1);
  expect(cache.number).toBe(0);
  expect(counts(taken)).toEqual([2, 1]);
  expect(SSL_SESSION_is_resumable(taken as SSL_SESSION)).toBe(0);

  // The connection lets go when it is closed.
  client.end();
  await gone(client);
  server.end();
  await gone(server);
  expect(SSL_get_session(server)).toBeNull();
  expect(counts(taken)).toEqual([1, 1]);

  // The last free ends it: what C leaves undefined throws.
  SSL_SESSION_free(taken);
  expect(counts(taken)).toEqual([0, 0]);
  expect(() => SSL_SESSION_free(taken)).toThrow(/has ended/);
  expect(() => SSL_SESSION_get_id(taken as SSL_SESSION)).toThrow(/has ended/);
  // "If session is NULL, nothing is done."
  expect(() => SSL_SESSION_free(null)).not.toThrow();
});

test('an error while the cache still holds it is reported at the free, and not by a later flush', async () => {
  await using site = await listen({ statefulTickets: true, ticketCount: 1 });
  const { sessions } = await visit(await trusting(site.port));
  expect(sessions).toHaveLength(1);
  const cache = site.server.context.sessions;
  await gone(site.sockets[0] as TLSSocket);
  const cached = cache.sessions()[0] as SessionCore;
  expect(counts(cached)).toEqual([1, 0]);
  overFree(cached);
  expect(cache.flush(cache.clock.wallMs() + 7_201_000)).toBe(1);
  expect(cached.hasEnded).toBe(true);
});

test.each(['TLSv1.2', 'TLSv1.3'])('a client, %s: saved, offered, resumed, freed', async (version) => {
  await using site = await listen({ minVersion: version, maxVersion: version });
  const options = await trusting(site.port);
  const first = connect(options);
  first.resume();
  await once(first, 'session');
  const saved = SSL_get1_session(first) as SSL_SESSION;
  expect(SSL_session_reused(first)).toBe(0);
  const held = counts(saved);
  expect(held[1]).toBe(1);
  first.end();
  await gone(first);
  expect(counts(saved)).toEqual([1, 1]);

  // SSL_set_session: the next connection takes a reference of its own.
  const second = connect({ ...options, session: saved as SessionCore });
  second.resume();
  expect(counts(saved)).toEqual([2, 1]);
  await once(second, 'secureConnect');
  expect(SSL_session_reused(second)).toBe(1);
  second.end();
  await gone(second);
  expect(counts(saved)).toEqual([1, 1]);
  SSL_SESSION_free(saved);
  expect(counts(saved)).toEqual([0, 0]);
});
