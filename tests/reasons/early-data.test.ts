/**
 * A connection for each reason why early data was not taken, at each end where docs/diagnostics.md says that it
 * can occur, and one for early data that was.
 */
import { describe, expect, test } from 'vitest';
import { limitedGuard, type ReplayVerdict, singleUseGuard } from '../../src/cache/replay-guard.ts';
import { ReplayRegister } from '../../src/cache/replay-register.ts';
import type { JobServices } from '../../src/connection/job-runner.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { Role } from '../../src/diagnostics/channels.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/session/envelope.ts';
import { type EarlyDataReason, earlyDataReasons } from '../../src/session/resumption-reason.ts';
import { toHex } from '../../src/util/bytes.ts';
import { text } from '../support/engine-pair.ts';
import { documentedEnds } from './page.ts';
import { type Visit, type VisitReport, World } from './world.ts';

type Run = (world: World) => Promise<VisitReport>;

const AES128 = 0x1301;

function guard(admit: () => ReplayVerdict | Promise<ReplayVerdict>): Partial<JobServices> {
  return { replayGuard: { scope: 'early-data', windowMs: 20_000, admit } };
}

const EARLY: Visit = {
  client: { earlyData: true },
  server: { maxEarlyData: 100, replayGuard: true },
  serverServices: guard(() => 'admitted'),
  early: 'hello',
};

const merged = (...visits: Visit[]): Visit => ({
  ...Object.assign({}, ...visits),
  client: Object.assign({}, ...visits.map(({ client }) => client)),
  server: Object.assign({}, ...visits.map(({ server }) => server)),
  clientServices: Object.assign({}, ...visits.map(({ clientServices }) => clientServices)),
  serverServices: Object.assign({}, ...visits.map(({ serverServices }) => serverServices)),
});

/** A visit that gets a ticket with early data, and one that sends some. */
function twice(first: Visit, then: Visit | ((session: SessionCore, world: World) => Visit) = {}): Run {
  return async (world) => {
    const { sessions } = await world.visit(merged({ server: EARLY.server as object }, first));
    const session = sessions.at(-1) as SessionCore;
    const second = typeof then === 'function' ? then(session, world) : then;
    return world.visit(merged(EARLY, { client: { session } }, first, second));
  };
}

function register(world: World, capacity: number): ReplayRegister {
  return new ReplayRegister({
    seed: nodeProvider.random(16),
    clock: world.clock,
    windowMs: 20_000,
    capacity,
  });
}

/** Another key, which the server knows, behind a ticket that it does not. */
const behindAnother: Run = twice({}, (session, world) => {
  const key = world.changed(session, () => {});
  return {
    client: {
      externalPsk: true,
      session: world.changed(session, (copy) => copy.setField(Field.ticket, new Uint8Array(80), 'test')),
    },
    server: { externalPsk: true },
    clientServices: { offerPsk: () => ({ identity: text('key'), session: key }) },
    serverServices: {
      ...EARLY.serverServices,
      findPsk: ({ identity }) => {
        if (identity.length !== 3) return null;
        key.retain('test');
        return key;
      },
    },
  };
});

const TWO_PROTOCOLS: Visit = {
  client: { alpn: [text('a'), text('b')] },
  server: { alpn: [text('a'), text('b')] },
};

const server: Partial<Record<EarlyDataReason, Run>> = {
  'early-data-not-offered': (world) => world.visit(),
  'early-data-disabled': twice({}, { server: { replayGuard: false } }),
  'early-data-not-allowed': async (world) => {
    const { sessions } = await world.visit({});
    const session = world.changed(sessions.at(-1) as SessionCore, (copy) => {
      copy.ownBody('test').maxEarlyData = 100;
    });
    return world.visit(merged(EARLY, { client: { session } }));
  },
  'early-data-not-resumed': twice({}, { server: { sessionIdContext: text('another') } }),
  'early-data-not-first': behindAnother,
  'early-data-hello-retry': twice({}, { server: { groups: [0x0018] } }),
  'early-data-ticket-age': twice({}, (session, world) => ({
    client: {
      session: world.changed(session, (copy) => copy.setTimeMs(copy.timeMs('test') - 11_000, 'test')),
    },
  })),
  'early-data-other-version': twice({}, { server: { maxVersion: 0x0303 } }),
  'early-data-other-cipher': twice(
    { client: { cipherSuites: [0x1301, 0x1303] }, server: { cipherSuites: [AES128] } },
    { server: { cipherSuites: [0x1303] } },
  ),
  'early-data-other-alpn': twice(TWO_PROTOCOLS, { server: { alpn: [text('b')] } }),
  'early-data-other-name': twice({}, (session, world) => ({
    client: {
      session: world.changed(session, (copy) => {
        const body = copy.ownBody('test');
        if (body.bindings !== null) body.bindings = { ...body.bindings, host: 'other.example' };
      }),
      serverName: 'other.example',
    },
    server: { bindServerName: false },
  })),
  'early-data-replayed': async (world) => {
    const guarding: Visit = { serverServices: { replayGuard: register(world, 10) } };
    world.clock.passSec(21);
    const { sessions } = await world.visit(merged({ server: EARLY.server as object }, guarding));
    // A hello that is recorded, and sent to the server again.
    const recorded: Uint8Array[] = [];
    const session = sessions.at(-1) as SessionCore;
    await world.visit(
      merged(EARLY, guarding, {
        client: { session },
        toServer: (bytes) => {
          recorded.push(bytes.slice());
          return bytes;
        },
      }),
    );
    let first = true;
    const client = { session: world.changed(session, () => {}) };
    const report = await world.visit(
      merged(EARLY, guarding, {
        client,
        toServer: (bytes) => {
          const replayed = first ? (recorded[0] as Uint8Array) : bytes;
          first = false;
          return replayed;
        },
      }),
    );
    // Whoever replays it cannot finish the handshake; that the register saw it is all there is to see.
    expect(report.server.info.resumed).toBe(true);
    return report;
  },
  'early-data-guard-starting': twice({}, (_session, world) => ({
    serverServices: { replayGuard: register(world, 10) },
  })),
  'early-data-guard-full': async (world) => {
    const guarding: Visit = { serverServices: { replayGuard: register(world, 1) } };
    world.clock.passSec(21);
    await twice({}, guarding)(world);
    return twice({}, guarding)(world);
  },
  'early-data-guard-slow': twice(
    {},
    {
      serverServices: {
        replayGuard: limitedGuard(
          { scope: 'early-data', windowMs: 1, admit: () => new Promise(() => {}) },
          { after: (delayMs, run) => ({ cancel: clearTimeout.bind(null, setTimeout(run, delayMs)) }) },
          5,
        ),
      },
    },
  ),
  'early-data-guard-failed': twice({}, { serverServices: guard(() => Promise.reject(new Error('gone'))) }),
  'early-data-refused-by-callback': twice(
    {},
    { serverServices: guard(() => 'early-data-refused-by-callback') },
  ),
};

const client: Partial<Record<EarlyDataReason, Run>> = {
  'early-data-not-offered': (world) => world.visit(),
  'early-data-not-allowed': async (world) => {
    const { sessions } = await world.visit({});
    return world.visit(merged(EARLY, { client: { session: sessions.at(-1) as SessionCore } }));
  },
  'early-data-not-resumed': server['early-data-not-resumed'] as Run,
  'early-data-not-first': behindAnother,
  'early-data-hello-retry': server['early-data-hello-retry'] as Run,
  'early-data-other-version': server['early-data-other-version'] as Run,
  'early-data-other-cipher': twice(
    { server: { cipherSuites: [AES128, 0x1303] }, client: { cipherSuites: [AES128, 0x1303] } },
    { client: { cipherSuites: [0x1303] } },
  ),
  'early-data-other-alpn': async (world) => {
    // An unbound session, whose protocols the connection does not compare.
    const { sessions } = await world.visit(merged({ server: EARLY.server as object }, TWO_PROTOCOLS));
    const session = world.changed(sessions.at(-1) as SessionCore, (copy) => {
      copy.ownBody('test').bindings = null;
    });
    return world.visit(
      merged(EARLY, TWO_PROTOCOLS, { client: { session, alpn: [text('b')], verifyPeer: false } }),
    );
  },
  'early-data-declined': twice({}, { server: { replayGuard: false } }),
};

const ends: Record<Role, Partial<Record<EarlyDataReason, Run>>> = { server, client };
/** These handshakes do not end well, as the RFC has it: nothing counts them. */
const FAILING = ['early-data-other-version', 'early-data-replayed'];

test('every reason of the list has a connection at each end where it can occur', () => {
  const documented = documentedEnds('Why early data was not taken');
  expect([...documented.keys()]).toEqual(earlyDataReasons);
  for (const reason of earlyDataReasons) {
    const here = (['server', 'client'] as const).filter((end) => ends[end][reason] !== undefined);
    expect(here, reason).toEqual(documented.get(reason));
  }
});

describe.each(['server', 'client'] as const)('at the %s', (end) => {
  test.each(Object.entries(ends[end]))('%s', async (reason, run) => {
    using world = await World.create();
    const { stats } = end === 'server' ? world.cache : world.clientCache;
    const report = await run(world);
    const failed = FAILING.includes(reason);
    expect(report.client.error === null && report.server.error === null).toBe(!failed);
    const { info } = report[end];
    expect([info.earlyDataReason, info.earlyDataAccepted, report.server.early]).toEqual([reason, false, '']);
    if (failed) return;
    expect(stats.earlyDataRefused[reason as EarlyDataReason]).toBeGreaterThan(0);
    const told = world.tapes.resumption.messages.filter((message) => message.role === end).at(-1);
    expect(told).toMatchObject({ earlyDataAccepted: false, earlyDataReason: reason });
    expect(told?.earlyDataOffered).toBe(info.earlyDataOffered);
  });
});

test('early data that was taken arrives marked, and counts at both ends', async () => {
  using world = await World.create();
  const report = await twice({})(world);
  expect(report.server.early).toBe('hello');
  for (const [{ info }, cache] of [
    [report.client, world.clientCache],
    [report.server, world.cache],
  ] as const) {
    expect([info.earlyDataOffered, info.earlyDataAccepted, info.earlyDataReason]).toEqual([true, true, null]);
    expect(cache.stats.earlyDataAccepted).toBe(1);
  }
});

/** Stateful tickets alone, whose early data the cache takes once. */
const once = (world: World): Visit => ({
  server: { statefulTickets: true, tickets: false },
  serverServices: { replayGuard: singleUseGuard(world.cache) },
});

test('single use through the cache: early data of a stateful ticket is taken once', async () => {
  using world = await World.create();
  const guarding = once(world);
  const { sessions } = await world.visit(merged({ server: EARLY.server as object }, guarding));
  const session = sessions.at(-1) as SessionCore;
  const again = world.changed(session, () => {});
  const first = await world.visit(merged(EARLY, guarding, { client: { session } }));
  expect([first.server.info.resumed, first.server.early]).toEqual([true, 'hello']);
  const second = await world.visit(merged(EARLY, guarding, { client: { session: again } }));
  expect([second.server.info.resumptionReason, second.server.early]).toEqual(['not-found', '']);
  expect(second.client.error).toBeNull();
});

test('a session that the get callback gives may come twice: it is resumed, and no early data rests on it', async () => {
  // With and without a copy in the cache itself.
  for (const mode of [0x302, 0x002]) {
    using world = await World.create({ mode });
    const kept = new Map<string, Uint8Array>();
    world.cache.callbacks.onNew = (session) => {
      kept.set(toHex(session.field(Field.id, 'test')), encodeEnvelope(session));
      return false;
    };
    world.cache.callbacks.onGet = (id) => {
      const bytes = kept.get(toHex(id));
      return bytes === undefined ? null : { session: decodeEnvelope(bytes), copy: false };
    };
    const guarding = once(world);
    const { sessions } = await world.visit(merged({ server: EARLY.server as object }, guarding));
    const session = sessions.at(-1) as SessionCore;
    const again = world.changed(session, () => {});
    world.cache.clear();
    for (const each of [session, again]) {
      const { server } = await world.visit(merged(EARLY, guarding, { client: { session: each } }));
      expect([server.info.resumed, server.early]).toEqual([true, '']);
      expect(server.info.earlyDataReason).toBe('early-data-guard-failed');
    }
  }
});

test('a register guards external keys, whose early data comes once as that of tickets', async () => {
  using world = await World.create();
  const replayGuard = register(world, 10);
  world.clock.passSec(21);
  const { sessions } = await world.visit(merged({ server: EARLY.server as object }));
  const key = world.changed(sessions.at(-1) as SessionCore, () => {});
  const external: Visit = {
    client: { externalPsk: true },
    server: { externalPsk: true },
    clientServices: { offerPsk: () => ({ identity: text('key'), session: key }) },
    serverServices: {
      replayGuard,
      findPsk: () => {
        key.retain('test');
        return key;
      },
    },
  };
  const recorded: Uint8Array[] = [];
  const toServer = (bytes: Uint8Array): Uint8Array => {
    recorded.push(bytes.slice());
    return bytes;
  };
  const honest = await world.visit(merged(EARLY, external, { toServer }));
  expect([honest.server.info.resumedBy, honest.server.early]).toEqual(['external-psk', 'hello']);
  const replayed = await world.visit(
    merged(EARLY, external, { toServer: () => recorded.shift() ?? new Uint8Array(0) }),
  );
  expect([replayed.server.info.earlyDataReason, replayed.server.early]).toEqual(['early-data-replayed', '']);
});
