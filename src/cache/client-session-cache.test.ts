import { afterEach, describe, expect, it } from 'vitest';
import { makeSession, NOON, type SessionSketch, TestClock } from '../../tests/support/sessions.ts';
import type { SessionBindings } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { newExIndex } from '../session/ex-data.ts';
import { utf8 } from '../util/bytes.ts';
import { ClientSessionCache, type ClientSessionCacheOptions } from './client-session-cache.ts';
import { type ClientSessionKey, clientSessionKeyText } from './client-session-key.ts';

const KEY: ClientSessionKey = {
  peer: 'api.example',
  port: 443,
  serverName: 'api.example',
  alpn: [utf8('h2'), utf8('http/1.1')],
  trust: Uint8Array.of(1, 2),
  clientAuth: new Uint8Array(0),
};
const BOUND: SessionBindings = {
  host: 'api.example',
  port: 443,
  trust: Uint8Array.of(1, 2),
  clientAuth: new Uint8Array(0),
  authenticatedAtMs: NOON,
};

const made: SessionCore[] = [];
const caches: ClientSessionCache[] = [];

function ticket(sketch: SessionSketch = {}): SessionCore {
  const session = makeSession({
    id: made.length + 1,
    version: 0x0304,
    cipher: 0x1301,
    ticket: Uint8Array.of(7),
    lifetimeHint: 300,
    bindings: BOUND,
    ...sketch,
  });
  made.push(session);
  return session;
}

const tls12 = (sketch: SessionSketch = {}): SessionCore => ticket({ version: 0x0303, ...sketch });

function open(options: ClientSessionCacheOptions = {}): ClientSessionCache {
  const cache = new ClientSessionCache({ clock: new TestClock(), ...options });
  caches.push(cache);
  return cache;
}

/** Takes and gives the reference back at once. */
function take(
  cache: ClientSessionCache,
  key = KEY,
  fits?: Parameters<ClientSessionCache['take']>[1],
): unknown {
  const taken = cache.take(key, fits);
  taken.session?.release('test');
  return taken.session ?? taken.reason;
}

afterEach(() => {
  for (const cache of caches.splice(0)) cache.clear();
  for (const session of made.splice(0)) while (session.applicationReferences > 0) session.free();
});

describe('TLS 1.3 tickets', () => {
  it('are taken once each, newest first', () => {
    const cache = open();
    const tickets = [ticket(), ticket(), ticket()];
    for (const each of tickets) expect(cache.put(KEY, each)).toBeNull();
    expect([take(cache), take(cache), take(cache)]).toEqual([...tickets].reverse());
    expect(take(cache)).toBe('no-session-saved');
    expect(cache.stats).toMatchObject({ peers: 0, sessions: 0, puts: 3, hits: 3, misses: 1 });
    for (const each of tickets) expect([each.owner, each.libraryReferences]).toEqual([null, 0]);
  });

  it('end with the session, with the lifetime that the server gave, with a week, and at once with 0', () => {
    const clock = new TestClock();
    const cache = open({ clock });
    const week = 604_800;
    expect(cache.put(KEY, ticket({ lifetimeHint: 0 }))).toBe('expired');
    cache.put(KEY, ticket({ timeoutSec: 10, lifetimeHint: week }));
    cache.put(KEY, ticket({ timeoutSec: week, lifetimeHint: 20 }));
    const long = ticket({ timeoutSec: 10 * week, lifetimeHint: 10 * week });
    cache.put(KEY, long);
    clock.passSec(10);
    expect(cache.sweep()).toBe(0);
    clock.passSec(0.001);
    expect([cache.sweep(), cache.count(KEY)]).toEqual([1, 2]);
    clock.passSec(10);
    expect([cache.sweep(), cache.count(KEY)]).toEqual([1, 1]);
    clock.passSec(week);
    expect(take(cache)).toBe('expired');
    expect([long.libraryReferences, cache.stats.expired, cache.stats.peers]).toEqual([0, 3, 0]);
  });

  it('do not serve when they were marked, have no ticket, or do not fit', () => {
    const cache = open();
    const marked = ticket();
    marked.markNotResumable();
    expect(cache.put(KEY, marked)).toBe('not-resumable');
    expect(cache.put(KEY, makeAndNote({ version: 0x0304, id: 1, lifetimeHint: 300 }))).toBe('not-resumable');
    const [old, young] = [ticket(), ticket()];
    cache.put(KEY, old);
    cache.put(KEY, young);
    expect(take(cache, KEY, (each) => (each === young ? 'other-hash' : null))).toBe(old);
    expect(take(cache, KEY, () => 'other-hash')).toBe('other-hash');
    young.markNotResumable();
    expect(take(cache)).toBe('not-resumable');
    expect(cache.count(KEY)).toBe(0);
  });

  it('change nothing when the question throws', () => {
    const clock = new TestClock();
    const cache = open({ clock });
    cache.put(KEY, ticket({ timeoutSec: 1 }));
    cache.put(KEY, ticket());
    clock.passSec(2);
    expect(() =>
      cache.take(KEY, () => {
        throw new Error('misbehaves');
      }),
    ).toThrow('misbehaves');
    expect(cache.stats).toMatchObject({ sessions: 2, hits: 0, expired: 0 });
  });
});

function makeAndNote(sketch: SessionSketch): SessionCore {
  const session = makeSession(sketch);
  made.push(session);
  return session;
}

describe('TLS 1.2 sessions', () => {
  it('are lent, and stay; a newer one takes the place of the old', () => {
    const cache = open();
    const [old, young] = [tls12(), tls12()];
    cache.put(KEY, old);
    expect([take(cache), take(cache)]).toEqual([old, old]);
    cache.put(KEY, young);
    expect([take(cache), cache.count(KEY), old.libraryReferences]).toEqual([young, 1, 0]);
    // And may have no lifetime hint: there 0 means that nothing is said (RFC 5077, 3.3).
    expect(cache.put(KEY, tls12({ lifetimeHint: 0 }))).toBeNull();
  });

  it('stand beside tickets; what came last is given first', () => {
    const cache = open();
    const [lent, single] = [tls12(), ticket()];
    cache.put(KEY, lent);
    cache.put(KEY, single);
    expect([take(cache), take(cache), take(cache)]).toEqual([single, lent, lent]);
  });
});

describe('the key', () => {
  it.each<[string, Partial<ClientSessionKey>]>([
    ['peer', { peer: '192.0.2.1' }],
    ['port', { port: 8443 }],
    ['name', { serverName: 'b.example' }],
    ['no name', { serverName: null }],
    ['protocols', { alpn: [utf8('h2')] }],
    ['order of protocols', { alpn: [utf8('http/1.1'), utf8('h2')] }],
    ['cut of protocols', { alpn: [utf8('h2http/1.1')] }],
    ['trust', { trust: Uint8Array.of(1, 3) }],
    ['client certificate', { clientAuth: Uint8Array.of(1) }],
  ])('keeps connections with another %s apart', (_, other) => {
    const cache = open();
    cache.put(KEY, ticket());
    expect(take(cache, { ...KEY, ...other })).toBe('no-session-saved');
    expect(cache.count(KEY)).toBe(1);
  });

  it('does not mind letter case and a last dot', () => {
    expect(clientSessionKeyText({ ...KEY, peer: 'API.example.', serverName: 'Api.Example' })).toBe(
      clientSessionKeyText(KEY),
    );
    expect(clientSessionKeyText({ ...KEY, peer: '.' })).not.toBe(clientSessionKeyText({ ...KEY, peer: '' }));
  });

  it.each<[string, Partial<SessionBindings>]>([
    ['other-name', { host: 'b.example' }],
    ['other-name', { host: null }],
    ['other-port', { port: 444 }],
    ['other-trust', { trust: Uint8Array.of(9) }],
    ['other-client-auth', { clientAuth: Uint8Array.of(9) }],
  ])('does not take a session that is bound to something else: %s', (reason, other) => {
    const cache = open();
    expect(cache.put(KEY, ticket({ bindings: { ...BOUND, ...other } }))).toBe(reason);
    expect(cache.stats.sessions).toBe(0);
  });

  it('does not take a session whose protocol is not offered, and takes an unbound one', () => {
    const cache = open();
    expect(cache.put(KEY, ticket({ alpn: 'ftp' }))).toBe('other-alpn');
    expect(cache.put(KEY, ticket({ alpn: 'h2' }))).toBeNull();
    expect(cache.put(KEY, makeAndNote({ id: 1 }))).toBeNull();
  });

  it('is copied: what the caller does to it later changes nothing', () => {
    const cache = open();
    const key = { ...KEY, port: 443 };
    cache.put(key, ticket());
    key.port = 1;
    expect([cache.list()[0]?.key.port, take(cache) !== null]).toEqual([443, true]);
  });
});

describe('bounds', () => {
  it('drops the oldest of a peer, and the peer that was used longest ago', () => {
    const cache = open({ maxPeers: 2, maxSessionsPerPeer: 2 });
    const first = [ticket(), ticket(), ticket()];
    for (const each of first) cache.put(KEY, each);
    expect([first[0]?.libraryReferences, cache.count(KEY)]).toEqual([0, 2]);
    const at = (port: number): ClientSessionKey => ({ ...KEY, port });
    const bound = (port: number): SessionCore => ticket({ bindings: { ...BOUND, port } });
    cache.put(at(1), bound(1));
    take(cache);
    cache.put(at(2), bound(2));
    expect([cache.count(KEY), cache.count(at(1)), cache.count(at(2))]).toEqual([1, 0, 1]);
    expect(cache.stats).toMatchObject({ peers: 2, sessions: 2, overflowed: 1, evicted: 1 });
    for (const wrong of [0, 1.5, Number.NaN]) expect(() => open({ maxPeers: wrong })).toThrow(RangeError);
  });
});

describe('references', () => {
  it('is one for each, and keeping twice is keeping once', () => {
    const cache = open();
    const one = ticket();
    cache.put(KEY, one);
    expect(cache.put(KEY, one)).toBeNull();
    expect([one.libraryReferences, cache.count(KEY)]).toEqual([1, 1]);
    expect(() => one.setField(1, null, 'test')).toThrow(/is in a cache/);
    expect([cache.remove(one), cache.remove(one), one.owner]).toEqual([true, false, null]);
  });

  it('holds a duplicate of what another cache holds', () => {
    const [cache, other] = [open(), open()];
    const one = ticket();
    other.put(KEY, one);
    cache.put(KEY, one);
    const taken = cache.take(KEY).session;
    expect(taken).not.toBe(one);
    expect([one.owner, one.libraryReferences, taken?.libraryReferences]).toEqual([other, 1, 1]);
    taken?.release('test');
    expect(taken?.hasEnded).toBe(true);
  });

  it('forgets a peer whole, also when an ex_data callback throws', () => {
    const index = newExIndex(0, null, null, null, (_session, value) => {
      if (value === 'explosive') throw new Error('free callback');
    });
    const cache = open();
    for (let i = 0; i < 3; i++) {
      const one = ticket();
      one.setExData(index, 'explosive');
      cache.put(KEY, one);
      one.free();
    }
    expect(() => cache.forget(KEY)).toThrow(AggregateError);
    expect([cache.stats.sessions, cache.forget(KEY)]).toEqual([0, 0]);
  });
});
