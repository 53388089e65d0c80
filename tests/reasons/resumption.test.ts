/**
 * A connection for each reason of the closed list, at each end where docs/diagnostics.md says that it can
 * occur. Both ends say it, the context counts it, and the channel tells it.
 */
import { describe, expect, test } from 'vitest';
import { newCacheStats } from '../../src/cache/cache-stats.ts';
import { ClientSessionCache } from '../../src/cache/client-session-cache.ts';
import type { ClientSessionKey } from '../../src/cache/client-session-key.ts';
import { GuardedStore } from '../../src/cache/guarded-store.ts';
import { MemoryStore } from '../../src/cache/memory-store.ts';
import type { SessionContextOptions } from '../../src/cache/session-context.ts';
import { plainSealer, type SessionSealer } from '../../src/cache/session-sealer.ts';
import type { SessionStore } from '../../src/cache/store.ts';
import { StoreSource } from '../../src/cache/store-source.ts';
import { StoredClientSessions } from '../../src/cache/stored-client-sessions.ts';
import { PolicyTickets } from '../../src/connection/ticket-policy.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { Role } from '../../src/diagnostics/channels.ts';
import { SealedSessions } from '../../src/fleet/sealed-sessions.ts';
import { SecretBox } from '../../src/fleet/secret-box.ts';
import { Field, type SessionBindings } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import {
  earlyDataReasons,
  earlyDataReasonText,
  type ResumptionReason,
  resumptionReasons,
  resumptionReasonText,
} from '../../src/session/resumption-reason.ts';
import { DEFAULT_LIMITS } from '../../src/util/limits.ts';
import { ProtocolVersion } from '../../src/util/registries.ts';
import { text } from '../support/engine-pair.ts';
import { makeSession } from '../support/sessions.ts';
import { documentedEnds, reasonRows, section } from './page.ts';
import { type Visit, type VisitReport, World } from './world.ts';

type Run = (world: World) => Promise<VisitReport>;
interface Case {
  readonly run: Run;
  readonly context?: Partial<SessionContextOptions>;
}

const V12 = { minVersion: ProtocolVersion.TLS1_2, maxVersion: ProtocolVersion.TLS1_2 };
const V13 = { minVersion: ProtocolVersion.TLS1_3, maxVersion: ProtocolVersion.TLS1_3 };
const IDS = { client: V12, server: { tickets: false } } satisfies Visit;
const STATEFUL = { server: { statefulTickets: true, tickets: false } } satisfies Visit;
const AES128 = 0x1301;
const AES256 = 0x1302;
const MONTH_MS = 28 * 86_400_000;

/** A visit and another that resumes from it, with what is different then. */
function twice(
  first: Visit,
  then: Visit | ((session: SessionCore, world: World) => Visit | Promise<Visit>),
): Run {
  return async (world) => {
    const before = await world.visit(first);
    const session = before.sessions.at(-1) as SessionCore;
    const second = typeof then === 'function' ? await then(session, world) : then;
    return world.visit({
      ...first,
      ...second,
      client: { session, ...first.client, ...second.client },
      server: { ...first.server, ...second.server },
    });
  };
}

const rebound = (world: World, session: SessionCore, change: Partial<SessionBindings>): SessionCore =>
  world.changed(session, (copy) => {
    const body = copy.ownBody('test');
    body.bindings = { ...(body.bindings as SessionBindings), ...change };
  });

const unbound = (world: World, session: SessionCore): SessionCore =>
  world.changed(session, (copy) => {
    copy.ownBody('test').bindings = null;
  });

/** What a get callback answers: the session that it was given to keep. */
function outside(answer: (session: SessionCore) => unknown): Run {
  return async (world) => {
    const { callbacks } = world.cache;
    const kept: SessionCore[] = [];
    callbacks.onNew = (session) => {
      kept.push(session);
      return true;
    };
    callbacks.onGet = () => answer(kept.at(-1) as SessionCore) as null;
    world.cache.mode |= 0x300;
    try {
      const before = await world.visit(STATEFUL);
      const session = before.sessions.at(-1) as SessionCore;
      callbacks.onNew = null;
      return await world.visit({ ...STATEFUL, client: { session } });
    } finally {
      for (const session of kept) session.free();
    }
  };
}

/** A client whose sessions come from somewhere, as a socket takes them. */
function from(take: (key: ClientSessionKey) => ReturnType<StoredClientSessions['take']>): Run {
  return async (world) => {
    const key = { peer: 'localhost', port: 0, serverName: 'localhost', alpn: [] };
    const taken = await take({ ...key, trust: new Uint8Array(0), clientAuth: new Uint8Array(0) });
    taken.session?.release('test');
    return world.visit({ client: { noSessionReason: taken.reason ?? 'no-session-saved' } });
  };
}

const stored = (store: object, more: object = {}): Run =>
  from((key) =>
    new StoredClientSessions({
      store: store as MemoryStore,
      sealer: plainSealer,
      digest: (bytes) => nodeProvider.digest('sha256', bytes),
      ...more,
    }).take(key),
  );

const never = new Promise<never>(() => {});

function box(secret = 's'.repeat(32)): SessionSealer {
  return new SealedSessions(nodeProvider, new SecretBox(nodeProvider, secret), 'server');
}

type Damage = (bytes: Uint8Array) => Uint8Array;
const damaged =
  (damage: Damage) =>
  (store: MemoryStore): SessionStore => {
    const { get } = store;
    store.get = (key) => {
      const bytes = get.call(store, key);
      return bytes === null ? null : damage(bytes);
    };
    return store;
  };

/** A store that has just failed as often as it may. */
function guarded(store: SessionStore): SessionStore {
  const guard = new GuardedStore({ store, timers: { after: runSoon }, failures: 1, restMs: 3_600_000 });
  const { get } = store;
  store.get = () => {
    throw new Error('gone');
  };
  void Promise.resolve()
    .then(() => guard.get('key'))
    .catch(() => {});
  try {
    guard.get('key');
  } catch {}
  store.get = get;
  return guard;
}

/** A client's store with one session in it for whatever peer is asked for. */
function holding(sealer: SessionSealer, damage: Damage = (bytes) => bytes): object {
  const session = makeSession({
    version: ProtocolVersion.TLS1_3,
    ticket: new Uint8Array(32),
    cipher: AES128,
  });
  const sealed = damage(sealer.seal(session, 'place'));
  session.free();
  const bytes = new Uint8Array(8 + sealed.length);
  bytes.set(sealed, 8);
  return { get: (): Uint8Array => bytes.slice() };
}

/** A server whose sessions lie in a store, which `spoil` changes before the client comes back. */
function served(
  spoil: (store: MemoryStore) => SessionStore,
  sealer: SessionSealer = plainSealer,
  later: SessionSealer = sealer,
): Run {
  return async (world) => {
    const store = new MemoryStore({ clock: world.clock });
    world.cache.mode |= 0x300;
    world.cache.source = new StoreSource({ store, sealer, clock: world.clock });
    const { sessions } = await world.visit(STATEFUL);
    world.cache.source = new StoreSource({ store: spoil(store), sealer: later, clock: world.clock });
    return world.visit({ ...STATEFUL, client: { session: sessions.at(-1) as SessionCore } });
  };
}

const server: Partial<Record<ResumptionReason, Case>> = {
  'no-session-offered': { run: (world) => world.visit() },
  'empty-ticket': { run: (world) => world.visit({ client: V12 }) },
  'resumption-disabled': {
    run: twice({}, { server: { tickets: false, sessionIds: false } }),
  },
  'unknown-key': {
    run: twice({}, (session, world) => ({
      client: {
        session: world.changed(session, (copy) => {
          const ticket = copy.field(Field.ticket, 'test');
          ticket[0] = (ticket[0] as number) ^ 1;
          copy.setField(Field.ticket, ticket, 'test');
        }),
      },
    })),
  },
  'bad-ticket': {
    run: twice({}, (session, world) => ({
      client: {
        session: world.changed(session, (copy) => {
          const ticket = copy.field(Field.ticket, 'test');
          ticket[40] = (ticket[40] as number) ^ 1;
          copy.setField(Field.ticket, ticket, 'test');
        }),
      },
    })),
  },
  'not-found': {
    run: twice(STATEFUL, (_session, world) => {
      world.cache.clear();
      return {};
    }),
  },
  replayed: {
    // Two hellos with one ticket are looked up before either is resumed, as from a store that two servers share.
    run: async (world) => {
      const store = new MemoryStore({ clock: world.clock });
      world.cache.source = new StoreSource({ store, sealer: plainSealer, clock: world.clock });
      world.cache.mode |= 0x300;
      const { sessions } = await world.visit(STATEFUL);
      const session = sessions.at(-1) as SessionCore;
      const { take } = store;
      store.take = (key) => {
        take.call(store, key);
        return take.call(store, key);
      };
      return world.visit({ ...STATEFUL, client: { session } });
    },
  },
  'store-slow': { run: outside(() => never) },
  'store-busy': {
    run: async (world) => {
      let settle: (value: null) => void = () => {};
      const open = new Promise<null>((done) => {
        settle = done;
      });
      // One look-up waits for `open`; the next finds no room.
      let asked = 0;
      const first = outside(() => {
        asked++;
        return open;
      })(world);
      while (asked === 0) await new Promise((done) => setTimeout(done, 1));
      const report = await outside(() => open)(world);
      settle(null);
      await first;
      return report;
    },
    context: { maxPendingLookups: 1, lookupLimitMs: 10_000 },
  },
  'store-failed': {
    run: outside(() => Promise.reject(new Error('gone'))),
    context: { reportError: () => {} },
  },
  'bad-stored-session': { run: served(damaged((bytes) => bytes.fill(0, 20, 30))) },
  'store-down': { run: served((store) => guarded(store)) },
  'stored-unknown-key': { run: served((store) => store, box('b'.repeat(32)), box('a'.repeat(32))) },
  'stored-other-version': {
    run: served(
      damaged((bytes) => bytes.fill(9, 0, 1)),
      box(),
    ),
  },
  'stored-truncated': {
    run: served(
      damaged((bytes) => bytes.subarray(0, 40)),
      box(),
    ),
  },
  'stored-tampered': {
    run: served(
      damaged((bytes) => bytes.fill(0, 40, 60)),
      box(),
    ),
  },
  'refused-by-callback': {
    run: twice({}, (_session, world) => ({
      serverServices: { tickets: new PolicyTickets(world.tickets, () => 'ignore') },
    })),
  },
  'not-resumable': {
    run: outside((session) => {
      session.markNotResumable();
      return session;
    }),
  },
  expired: {
    run: twice({}, (session, world) => {
      // The server's clock goes right; the client's session says that it lives longer.
      world.clock.passSec(7201);
      const patient = world.changed(session, (copy) => {
        copy.setTimeoutSec(86_400, 'test');
        copy.ownBody('test').ticketLifetimeHint = 86_400;
      });
      return { client: { session: patient } };
    }),
  },
  'keying-material-too-old': {
    run: twice({}, (_session, world) => {
      world.clock.passSec(61);
      return { server: { maxKeyingMaterialAgeSec: 60 } };
    }),
  },
  'peer-certificate-invalid': {
    run: async (world) => {
      // The client's certificate ends while the session still lives.
      world.clock.wall += MONTH_MS;
      const asking: Visit = {
        client: { verifyPeer: false },
        server: { clientCertificate: 'request', sessionIdContext: text('one'), sessionTimeoutSec: 604_800 },
        clientServices: { clientCertificate: () => world.credential },
      };
      const { sessions } = await world.visit(asking);
      world.clock.wall += 3 * 86_400_000;
      const session = world.changed(sessions.at(-1) as SessionCore, (copy) => {
        copy.setTimeoutSec(604_800, 'test');
      });
      return world.visit({ ...asking, client: { ...asking.client, session } });
    },
  },
  'other-version': { run: twice({ server: V12 }, { server: { minVersion: 0x0303, maxVersion: 0x0304 } }) },
  'other-context': {
    run: twice({}, { server: { sessionIdContext: text('another') } }),
  },
  'other-name': {
    run: twice({}, (session, world) => ({
      client: {
        serverName: 'other.example',
        session: world.changed(rebound(world, session, { host: 'other.example' }), (copy) =>
          copy.setField(Field.hostname, text('other.example'), 'test'),
        ),
      },
    })),
  },
  'other-alpn': {
    run: twice(
      { client: { alpn: [text('a'), text('b')] }, server: { alpn: [text('a')], bindAlpn: true } },
      { server: { alpn: [text('b')] } },
    ),
  },
  'other-trust': {
    run: twice(
      { server: { trust: text('these'), sessionIdContext: text('one') } },
      { server: { trust: text('those') } },
    ),
  },
  'other-client-auth': {
    run: twice(
      { server: { clientAuth: text('these'), sessionIdContext: text('one') } },
      { server: { clientAuth: text('those') } },
    ),
  },
  'extended-master-secret': {
    run: twice(
      { client: V12, server: { extendedMasterSecret: false } },
      { server: { extendedMasterSecret: true } },
    ),
  },
  'other-hash': {
    run: twice(
      { client: { ...V13, cipherSuites: [AES128, AES256] }, server: { cipherSuites: [AES128] } },
      { server: { cipherSuites: [AES256] } },
    ),
  },
  'other-cipher': {
    run: twice({ client: V12, server: { cipherSuites: [0xc02b] } }, { server: { cipherSuites: [0xc02c] } }),
  },
  'other-id': {
    run: async (world) => {
      const { callbacks } = world.cache;
      const kept: SessionCore[] = [];
      callbacks.onNew = (session) => {
        kept.push(session);
        return true;
      };
      callbacks.onGet = () => kept[0] ?? null;
      world.cache.mode |= 0x300;
      try {
        await world.visit(IDS);
        const { sessions } = await world.visit(IDS);
        return await world.visit({ ...IDS, client: { ...V12, session: sessions.at(-1) as SessionCore } });
      } finally {
        for (const session of kept) session.free();
      }
    },
  },
  'psk-mode': { run: twice({}, { client: { allowPskKe: true, pskKeOnly: true } }) },
  'too-many-identities': {
    run: twice(STATEFUL, (session, world) => {
      world.cache.clear();
      const external = world.changed(session, () => {});
      return {
        client: { externalPsk: true },
        clientServices: { offerPsk: () => ({ identity: text('key'), session: external }) },
        server: { limits: { ...DEFAULT_LIMITS, pskIdentities: 1 } },
      };
    }),
  },
};

const client: Partial<Record<ResumptionReason, Case>> = {
  'no-session-saved': { run: (world) => world.visit() },
  'resumption-disabled': { run: twice({ client: V12 }, { client: { tickets: false } }) },
  declined: { run: twice({}, { server: { tickets: false, sessionIds: false } }) },
  replayed: {
    run: async (world) => {
      const { sessions } = await world.visit();
      const session = sessions.at(-1) as SessionCore;
      await world.visit({ client: { session } });
      return world.visit({ client: { session } });
    },
  },
  'store-slow': { run: stored({ get: () => never }, { timers: { after: runSoon }, limitMs: 5 }) },
  'store-failed': { run: stored({ get: () => Promise.reject(new Error('gone')) }) },
  'store-down': { run: stored(guarded(new MemoryStore())) },
  'bad-stored-session': { run: stored({ get: () => new Uint8Array(100) }) },
  'stored-unknown-key': { run: stored(holding(box('b'.repeat(32))), { sealer: box('a'.repeat(32)) }) },
  'stored-other-version': {
    run: stored(
      holding(box(), (bytes) => bytes.fill(9, 0, 1)),
      { sealer: box() },
    ),
  },
  'stored-truncated': {
    run: stored(
      holding(box(), (bytes) => bytes.subarray(0, 40)),
      { sealer: box() },
    ),
  },
  'stored-tampered': {
    run: stored(
      holding(box(), (bytes) => bytes.fill(0, 40, 60)),
      { sealer: box() },
    ),
  },
  'not-resumable': {
    run: twice({}, (session) => {
      session.markNotResumable();
      return {};
    }),
  },
  expired: {
    run: twice({}, (_session, world) => {
      world.clock.passSec(7201);
      return {};
    }),
  },
  'keying-material-too-old': {
    run: twice({}, (_session, world) => {
      world.clock.passSec(61);
      return { client: { maxKeyingMaterialAgeSec: 60 } };
    }),
  },
  'peer-certificate-invalid': {
    run: async (world) => {
      world.clock.wall += MONTH_MS;
      const long = { sessionTimeoutSec: 604_800 };
      const { sessions } = await world.visit({ client: long, server: long });
      world.clock.wall += 3 * 86_400_000;
      return world.visit({ client: { ...long, session: sessions.at(-1) as SessionCore }, server: long });
    },
  },
  'other-version': { run: twice({ client: V12 }, { client: V13 }) },
  'other-name': { run: twice({}, { client: { serverName: 'other.example' } }) },
  'other-port': { run: twice({ client: { port: 443 } }, { client: { port: 8443 } }) },
  'other-alpn': {
    run: twice(
      { client: { alpn: [text('a')] }, server: { alpn: [text('a'), text('b')] } },
      { client: { alpn: [text('b')] } },
    ),
  },
  'other-trust': { run: twice({}, { client: { trust: text('those') } }) },
  'other-client-auth': { run: twice({}, { client: { clientAuth: text('those') } }) },
  unbound: {
    run: twice({}, (session, world) => {
      const bare = unbound(world, session);
      bare.setPeer(null, null, 'test');
      return { client: { session: bare } };
    }),
  },
  'extended-master-secret': { run: twice({ client: V12 }, { client: { extendedMasterSecret: false } }) },
  'other-hash': {
    run: twice({ client: { ...V13, cipherSuites: [AES128] } }, { client: { cipherSuites: [AES256] } }),
  },
  'other-cipher': {
    run: twice({ client: { ...V12, cipherSuites: [0xc02b] } }, { client: { cipherSuites: [0xc02c] } }),
  },
};

function runSoon(delayMs: number, run: () => void): { cancel(): void } {
  const timer = setTimeout(run, delayMs);
  return { cancel: () => clearTimeout(timer) };
}

const ends: Record<Role, Partial<Record<ResumptionReason, Case>>> = { server, client };

test('every reason of the list has a connection at each end where it can occur', () => {
  const documented = documentedEnds('Why a session was not resumed');
  expect([...documented.keys()]).toEqual(resumptionReasons);
  for (const reason of resumptionReasons) {
    const here = (['server', 'client'] as const).filter((end) => ends[end][reason] !== undefined);
    expect(here, reason).toEqual(documented.get(reason));
  }
});

describe.each(['server', 'client'] as const)('at the %s', (end) => {
  test.each(Object.entries(ends[end]))('%s', async (reason, { run, context }) => {
    using world = await World.create(context);
    const stats = (end === 'server' ? world.cache : world.clientCache).stats;
    const report = await run(world);
    expect([report.client.error, report.server.error]).toEqual([null, null]);
    const { info } = report[end];
    expect([info.resumed, info.resumedBy, info.resumptionReason]).toEqual([false, null, reason]);
    expect(stats.notResumed[reason as ResumptionReason]).toBe(1);
    if (end === 'server') expect(stats.timeouts).toBe(reason === 'expired' ? 1 : 0);
    const told = world.tapes.resumption.messages.filter((message) => message.role === end);
    expect(told.find((message) => message.reason === reason)).toMatchObject({
      resumed: false,
      by: null,
      offered: info.offered,
    });
    // Whoever says that something was offered has seen it, and nobody says so of nothing.
    const nothing = end === 'server' ? ['no-session-offered', 'empty-ticket'] : null;
    if (nothing !== null) expect(info.offered === 'none', info.offered).toBe(nothing.includes(reason));
    else expect(info.offered === 'none', info.offered).toBe(reason !== 'declined');
  });
});

describe('what was offered, and by what it was resumed', () => {
  const PSK = ['psk', 'ticket'] as const;
  test.each([
    ['TLS 1.3 ticket', {}, PSK, PSK],
    ['TLS 1.3 stateful ticket', STATEFUL, ['psk', 'stateful-ticket'], PSK],
    ['TLS 1.2 ticket', { client: V12 }, ['ticket', 'ticket'], ['ticket', 'ticket']],
    ['TLS 1.2 id', IDS, ['session-id', 'session-id'], ['session-id', 'session-id']],
  ] as const)('%s', async (_name, visit, atServer, atClient) => {
    using world = await World.create();
    const { client, server } = await twice(visit, {})(world);
    for (const [report, wanted, cache] of [
      [server, atServer, world.cache],
      [client, atClient, world.clientCache],
    ] as const) {
      const { resumed, resumptionReason, offered, resumedBy } = report.info;
      expect([resumed, resumptionReason, offered, resumedBy]).toEqual([true, null, ...wanted]);
      expect(cache.stats.hits).toBe(1);
    }
    expect(
      world.tapes.resumption.messages.slice(-2).map(({ resumed, by, reason }) => [resumed, by, reason]),
    ).toEqual(
      expect.arrayContaining([
        [true, atServer[1], null],
        [true, atClient[1], null],
      ]),
    );
  });

  test('an external key', async () => {
    using world = await World.create();
    const { sessions } = await world.visit();
    const key = world.changed(sessions[0] as SessionCore, () => {});
    const { client, server } = await world.visit({
      client: { externalPsk: true },
      server: { externalPsk: true },
      clientServices: { offerPsk: () => ({ identity: text('key'), session: key }) },
      serverServices: {
        findPsk: () => {
          key.retain('test');
          return key;
        },
      },
    });
    for (const { info } of [client, server]) {
      expect([info.offered, info.resumedBy]).toEqual(['psk', 'external-psk']);
    }
    // One that the server does not know is declined, and the server knows no reason but that.
    const other = await world.visit({
      client: { externalPsk: true },
      clientServices: { offerPsk: () => ({ identity: text('key'), session: key }) },
    });
    expect([other.client.info.resumptionReason, other.server.info.resumptionReason]).toEqual([
      'declined',
      'unknown-key',
    ]);
  });

  test('a hello that is retried for another hash says so at the client', async () => {
    using world = await World.create();
    const report = await twice(
      { client: { ...V13, cipherSuites: [AES128, AES256] }, server: { cipherSuites: [AES128] } },
      { server: { cipherSuites: [AES256], groups: [0x0018] } },
    )(world);
    expect(report.client.info).toMatchObject({ helloRetryRequest: true, resumptionReason: 'other-hash' });
  });
});

test('a client cache says why it gave nothing, by the same reasons', async () => {
  using world = await World.create();
  const cache = new ClientSessionCache({ clock: world.clock });
  const run = from(async (key) => cache.take(key));
  expect((await run(world)).client.info.resumptionReason).toBe('no-session-saved');
});

test('docs/diagnostics.md has every reason with its sentence, and something to do about it', () => {
  for (const [heading, reasons, sentence] of [
    ['Why a session was not resumed', resumptionReasons, resumptionReasonText],
    ['Why early data was not taken', earlyDataReasons, earlyDataReasonText],
  ] as const) {
    const rows = reasonRows(heading);
    expect(rows.map(({ reason }) => reason)).toEqual(reasons);
    for (const { reason, text, todo } of rows) {
      expect(text).toBe(sentence(reason as never));
      expect(todo.length, reason).toBeGreaterThan(5);
    }
  }
});

test('docs/diagnostics.md names every counter, and every field of every message', async () => {
  const counters = [...section('The counters').matchAll(/^\| ([^|]*) \|/gm)]
    .map(([, cell]) => cell)
    .join(' ');
  for (const name of Object.keys(newCacheStats())) expect(counters, name).toMatch(new RegExp(`\`${name}\\b`));
  using world = await World.create();
  await twice({}, {})(world);
  const { handshake, resumption, cache, ticketKey } = world.tapes;
  world.cache.flush(Number.POSITIVE_INFINITY);
  world.cache.lookup(0x0303, new Uint8Array(32));
  world.tickets.shareKeys();
  const page = section('The channels');
  for (const { messages } of [handshake, resumption, cache, ticketKey]) {
    expect(messages.length).toBeGreaterThan(0);
    for (const field of Object.keys(messages[0] as object)) expect(page).toContain(`\`${field}\``);
  }
});
