/** How long one full handshake may be lived on: over chains of resumptions, of both versions, at both ends. */
import { describe, expect, test } from 'vitest';
import { clientConfig, serverConfig } from '../../src/connection/defaults.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { ClientConfig, ServerConfig } from '../../src/handshake/config.ts';
import { Field } from '../../src/session/body.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { ProtocolVersion } from '../../src/util/registries.ts';
import { engineCredential, Memory, Pair, USUAL } from '../support/engine-pair.ts';

const credential = await engineCredential();
const DAY_MS = 86_400_000;
const START = Date.UTC(2026, 10, 1);

/** One visit after another, each resuming from the session of the one before. */
class Chain implements Disposable {
  readonly memory: Memory = new Memory();
  nowMs: number = START;
  readonly clock = { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs - START };
  readonly client: Partial<ClientConfig>;
  readonly server: Partial<ServerConfig>;
  #session: SessionCore | null = null;

  constructor(client: Partial<ClientConfig>, server: Partial<ServerConfig>) {
    // The certificate of the tests is not valid for as long as these chains last.
    this.client = { clock: this.clock, verifyPeer: false, ...client };
    this.server = { clock: this.clock, ...server };
  }

  visit(): { client: string; server: string; lifetimeSec: number | null } {
    using pair = new Pair(
      credential,
      { client: { ...this.client, session: this.#session }, server: this.server },
      this.memory,
    ).run();
    expect(pair.client.error ?? pair.server.error).toBeNull();
    const session = pair.client.sessions.at(-1);
    if (session !== undefined) {
      session.retain('test');
      this.#session?.release('test');
      this.#session = session;
    }
    const [client, server] = [pair.client, pair.server].map(({ connection: { info } }) =>
      info.resumed ? 'resumed' : String(info.resumptionReason),
    ) as [string, string];
    return {
      client,
      server,
      lifetimeSec: session === undefined ? null : session.body('test').ticketLifetimeHint,
    };
  }

  [Symbol.dispose](): void {
    this.#session?.release('test');
    this.memory[Symbol.dispose]();
  }
}

const NO_BOUND = { maxKeyingMaterialAgeSec: Number.POSITIVE_INFINITY };
const V12 = { minVersion: ProtocolVersion.TLS1_2, maxVersion: ProtocolVersion.TLS1_2 };
const V13 = { minVersion: ProtocolVersion.TLS1_3, maxVersion: ProtocolVersion.TLS1_3 };
const LIFE = { sessionTimeoutSec: 2 * 86_400 };

test('the default is seven days, or the life of single sessions where that is longer', () => {
  for (const make of [clientConfig, serverConfig]) {
    expect(make(nodeProvider, {}).maxKeyingMaterialAgeSec).toBe(7 * 86_400);
    expect(make(nodeProvider, { sessionTimeoutSec: 14 * 86_400 }).maxKeyingMaterialAgeSec).toBe(14 * 86_400);
    expect(make(nodeProvider, { maxKeyingMaterialAgeSec: 60 }).maxKeyingMaterialAgeSec).toBe(60);
  }
});

describe.each([
  ['stateless tickets', {}],
  ['stateful tickets', { statefulTickets: true }],
])('TLS 1.3, %s', (_name, server) => {
  test('a chain of resumptions ends seven days after its full handshake, at the server', () => {
    using chain = new Chain({ ...V13, ...LIFE, ...NO_BOUND }, { ...V13, ...LIFE, ...server });
    expect(chain.visit()).toEqual({
      client: 'no-session-saved',
      server: 'no-session-offered',
      lifetimeSec: 172_800,
    });
    for (let day = 1; day <= 6; day++) {
      chain.nowMs += DAY_MS;
      // The last tickets are promised no more than what is left of the seven days.
      expect(chain.visit(), `day ${day}`).toEqual({
        client: 'resumed',
        server: 'resumed',
        lifetimeSec: Math.min(2, 7 - day) * 86_400,
      });
    }
    chain.nowMs = START + 7 * DAY_MS;
    expect(chain.visit()).toMatchObject({ server: 'resumed', lifetimeSec: null });
  });

  test('a server whose bound was lowered refuses what it gave out before, with the reason', () => {
    using chain = new Chain({ ...V13, ...LIFE, ...NO_BOUND }, { ...V13, ...LIFE, ...server });
    chain.visit();
    chain.nowMs += DAY_MS;
    chain.visit();
    Object.assign(chain.server, { maxKeyingMaterialAgeSec: 86_400 });
    chain.nowMs += 1;
    expect(chain.visit()).toEqual({
      client: 'declined',
      server: 'keying-material-too-old',
      lifetimeSec: 86_400,
    });
    chain.nowMs += DAY_MS;
    expect(chain.visit()).toMatchObject({ server: 'resumed' });
  });
});

test('TLS 1.3: a client offers nothing older than its own bound, and says why', () => {
  using chain = new Chain({ ...V13, ...LIFE, maxKeyingMaterialAgeSec: 86_400 }, { ...V13, ...LIFE });
  chain.visit();
  chain.nowMs += DAY_MS / 2;
  expect(chain.visit()).toMatchObject({ client: 'resumed' });
  chain.nowMs += DAY_MS / 2;
  expect(chain.visit()).toMatchObject({ client: 'resumed' });
  chain.nowMs += 1;
  expect(chain.visit()).toMatchObject({ client: 'keying-material-too-old', server: 'no-session-offered' });
  chain.nowMs += 1;
  expect(chain.visit()).toMatchObject({ client: 'resumed' });
});

describe.each([
  ['tickets', {}, 'empty-ticket'],
  ['session ids', { sessionIds: true, tickets: false }, 'keying-material-too-old'],
])('TLS 1.2, %s', (_name, server, ended) => {
  const LONG = { sessionTimeoutSec: 30 * 86_400 };

  test('a session ends with its keys, at the server', () => {
    using chain = new Chain({ ...V12, ...LONG, ...NO_BOUND }, { ...V12, ...LONG, ...server });
    chain.visit();
    chain.nowMs += 2 * DAY_MS;
    expect(chain.visit()).toMatchObject({ client: 'resumed', server: 'resumed' });
    Object.assign(chain.server, { maxKeyingMaterialAgeSec: 86_400 });
    expect(chain.visit()).toMatchObject({ client: 'declined', server: 'keying-material-too-old' });
  });

  test('and is promised no longer life than they have', () => {
    using chain = new Chain({ ...V12, ...LONG }, { ...V12, ...LONG, ...server, maxKeyingMaterialAgeSec: 60 });
    expect([0, 60]).toContain(chain.visit().lifetimeSec);
    chain.nowMs += 60_000;
    expect(chain.visit()).toMatchObject({ server: 'resumed' });
    chain.nowMs += 1;
    expect(chain.visit().server).toBe(ended);
  });

  test('at the client', () => {
    using chain = new Chain({ ...V12, ...LONG, maxKeyingMaterialAgeSec: 60 }, { ...V12, ...LONG, ...server });
    chain.visit();
    chain.nowMs += 60_001;
    expect(chain.visit()).toMatchObject({ client: 'keying-material-too-old', server: 'empty-ticket' });
  });
});

test('psk_ke renews no key: what comes of it lives no longer than the ticket that it was resumed from', () => {
  const plain = { allowPskKe: true };
  using chain = new Chain({ ...V13, ...LIFE, ...plain, pskKeOnly: true }, { ...V13, ...LIFE, ...plain });
  expect(chain.visit()).toMatchObject({ lifetimeSec: 172_800 });
  chain.nowMs += DAY_MS;
  expect(chain.visit()).toEqual({ client: 'resumed', server: 'resumed', lifetimeSec: 86_400 });
  chain.nowMs += DAY_MS;
  expect(chain.visit()).toMatchObject({ server: 'resumed', lifetimeSec: null });
});

test('an external key is no session: its handshake begins a chain', () => {
  const days = 100 * DAY_MS;
  using chain = new Chain({ ...V13, ...LIFE, externalPsk: true }, { ...V13, ...LIFE, externalPsk: true });
  const make = (): SessionCore => {
    using source = new Pair(credential).run();
    const session = source.client.sessions[0] as SessionCore;
    session.retain('test');
    return session;
  };
  const key = make();
  const identity = new Uint8Array([1, 2, 3]);
  chain.nowMs = key.timeMs('test') + days;
  try {
    using pair = new Pair(
      credential,
      {
        client: chain.client,
        server: chain.server,
        clientAnswer: (job) => (job.kind === 'offer-psk' ? { identity, session: key } : USUAL),
        serverAnswer: (job) => {
          if (job.kind !== 'find-psk') return USUAL;
          key.retain('test');
          return key;
        },
      },
      chain.memory,
    ).run();
    expect(pair.server.connection.info).toMatchObject({ resumed: true, resumedBy: 'external-psk' });
    const ticket = pair.client.sessions[0] as SessionCore;
    expect(ticket.body('test').bindings?.authenticatedAtMs).toBe(chain.nowMs);
    expect(ticket.body('test').length(Field.ticket)).toBeGreaterThan(0);
  } finally {
    key.release('test');
  }
});
