/** The scenarios in which the peer is the client, and our server the other end. */
import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { ReplayGuard } from '../../src/cache/replay-guard.ts';
import { until } from '../support/until.ts';
import { echo, type OurServerOptions, serve } from './our-end.ts';
import type { ClientReport, ClientWish } from './peers/contract.ts';
import type { ScenarioId } from './table.ts';
import { keyLogLines, PSK, versionOptions, type World } from './world.ts';

export type Scenario = (world: World) => Promise<void>;

const EARLY = 'early bytes\n';

function options({ version, material }: World, more: OurServerOptions = {}): OurServerOptions {
  const { chainPem: cert, keyPem: key } = material.chain;
  return { cert, key, ...versionOptions(version), ...more };
}

async function visit(
  world: World,
  port: number,
  more: Partial<ClientWish> = {},
): Promise<readonly ClientReport[]> {
  const { peer, version, material } = world;
  if (peer.client === null) throw new Error('no client');
  return peer.client.visit({ port, version, trust: material.files.ca, ...more });
}

/** Twice, the second time with the session of the first; both ends say so. */
async function resume(
  world: World,
  server: OurServerOptions,
  more: Partial<ClientWish> = {},
  by: 'ticket' | 'cache' | null = null,
): Promise<void> {
  await using site = await serve(options(world, server));
  const reports = await visit(world, site.port, { visits: 2, ...more });
  expect(reports.map(({ reused }) => reused)).toEqual([false, true]);
  const served = [await site.over(0), await site.over(1)];
  expect(served.map(({ socket }) => socket.isSessionReused())).toEqual([false, true]);
  expect(reports.map(({ protocol }) => protocol)).toEqual([world.version, world.version]);
  expect(reports[1]?.heard).toContain('hello');
  expect(site.failures).toEqual([]);
  const requested = server.requestCert === true;
  expect(served.map(({ socket }) => socket.authorized)).toEqual([requested, requested]);
  if (server.ecdhCurve !== undefined) {
    expect(served.map(({ socket }) => socket.info.helloRetryRequest)).toEqual([true, true]);
  }
  const seals = site.context.tickets.ring.keys().reduce((sum, key) => sum + key.seals, 0);
  if (by === 'cache') expect(seals).toBe(0);
  if (by === 'ticket') expect(seals).toBeGreaterThan(0);
}

/** A refusal: the peer's own words for the alert, and our reason for it. */
async function refused(
  world: World,
  reason: string,
  alert: RegExp,
  more: Partial<ClientWish> = {},
): Promise<void> {
  const { chain, namesake } = world.material;
  // Some show only what comes from an authority that the server names.
  const ca = world.peer.client?.showsOnlyNamed ? [chain.caPem, namesake.certPem] : chain.caPem;
  await using site = await serve(options(world, { requestCert: true, ca }));
  const [report] = await visit(world, site.port, more);
  await until(() => site.failures.length > 0, 'our server refuses');
  expect(site.failures).toMatchObject([{ reason }]);
  expect(report?.connected ?? false).toBe(false);
  expect(report?.output).toMatch(alert);
}

const guard = (verdict: 'admitted' | 'early-data-replayed'): ReplayGuard => ({
  scope: 'early-data',
  windowMs: 60_000,
  admit: () => verdict,
});

export const CLIENT_SCENARIOS: Readonly<Record<ScenarioId, Scenario>> = {
  full: async (world) => {
    await using site = await serve(options(world));
    const [report] = await visit(world, site.port);
    const { socket, text } = await site.over(0);
    expect(report).toMatchObject({ connected: true, reused: false, protocol: world.version });
    expect(report?.heard).toContain('hello');
    expect(text).toContain('hello');
    expect(socket.isSessionReused()).toBe(false);
    expect(socket.servername).toBe('localhost');
    expect(site.failures).toEqual([]);
  },

  ticket: async (world) => {
    await resume(world, {}, {}, 'ticket');
  },

  cache: async (world) => {
    await resume(world, { statefulTickets: true }, {}, 'cache');
  },

  'hello-retry': async (world) => {
    await resume(world, { ecdhCurve: 'P-384' }, { groups: ['X25519', 'P-384'] });
  },

  'early-data': async (world) => {
    await using site = await serve(options(world, { maxEarlyData: 16_384, replayGuard: guard('admitted') }));
    const reports = await visit(world, site.port, { visits: 2, early: EARLY });
    const { socket, text } = await site.over(1);
    // Apart from the rest, and not a second time among it.
    expect(socket.earlyData.toString('latin1')).toBe(EARLY);
    expect(text).toBe('hello\n');
    expect(socket.info.earlyDataAccepted).toBe(true);
    expect(reports[1]).toMatchObject({ connected: true, reused: true, early: 'accepted' });
  },

  'early-data-refused': async (world) => {
    await using site = await serve(
      options(world, { maxEarlyData: 16_384, replayGuard: guard('early-data-replayed') }),
    );
    const reports = await visit(world, site.port, { visits: 2, early: EARLY });
    const { socket } = await site.over(1);
    expect(socket.earlyData).toHaveLength(0);
    expect(socket.earlyDataReason).toBe('early-data-replayed');
    expect(socket.isSessionReused()).toBe(true);
    expect(reports[1]).toMatchObject({ connected: true, reused: true, early: 'rejected' });
    expect(reports[1]?.heard).toContain('hello');
  },

  'certificate-required': async (world) => {
    const { chain, files } = world.material;
    await using site = await serve(options(world, { requestCert: true, ca: chain.caPem }));
    const [report] = await visit(world, site.port, { identity: files });
    const { socket } = await site.over(0);
    expect(report?.connected).toBe(true);
    expect(socket.authorized).toBe(true);
    expect(Buffer.from(socket.info.peerChain[0] ?? []).equals(chain.leaf.der)).toBe(true);
  },

  'certificate-resumed': async (world) => {
    const { chain, files } = world.material;
    await resume(world, { requestCert: true, ca: chain.caPem }, { identity: files });
  },

  'certificate-optional': async (world) => {
    const ca = world.material.chain.caPem;
    await using site = await serve(options(world, { requestCert: true, rejectUnauthorized: false, ca }));
    const [report] = await visit(world, site.port);
    const { socket } = await site.over(0);
    expect(report?.connected).toBe(true);
    expect(socket.authorized).toBe(false);
    expect(socket.info.peerChain).toEqual([]);
  },

  'certificate-absent': async (world) => {
    // RFC 8446, 4.4.2.4; RFC 5246, 7.4.6.
    if (world.version === '1.3') {
      await refused(world, 'certificate-required', /certificate.?(is.)?required/i);
    } else {
      await refused(world, 'no-client-certificate', /handshake.?fail/i);
    }
  },

  'certificate-wrong': async (world) => {
    const identity = world.material.strangerFiles;
    if (world.peer.client?.showsOnlyNamed) {
      await refused(world, 'bad-certificate', /Certificate is bad/, { identity });
    } else {
      await refused(world, 'unknown-ca', /unknown.?ca/i, { identity });
    }
  },

  'key-update-theirs': async (world) => {
    await using site = await serve(options(world));
    const [report] = await visit(world, site.port, { updateKeys: true });
    const { text } = await site.over(0);
    expect(text).toBe('hello\nagain\n');
    expect(report?.heard).toContain('again');
    // It has new keys, and so have we, since it asked.
    expect(report?.keyUpdates).toEqual([1, 1]);
  },

  'key-update-ours': async (world) => {
    await using site = await serve(
      options(world, {
        onData: (served, chunk) => {
          // Before the first echo: all that follows is under other keys, both ways.
          if (served.text.length === chunk.length) served.socket.updateKeys(true);
          echo(served, chunk);
        },
      }),
    );
    const [report] = await visit(world, site.port, { secondLine: true });
    const { text } = await site.over(0);
    expect(report?.heard).toContain('hello');
    if (text.startsWith('GET ')) {
      // It asks for one page, and its own update would go before what it writes next: nothing.
      expect(report?.keyUpdates).toEqual([0, 1]);
      return;
    }
    expect(text).toBe('hello\nagain\n');
    expect(report?.heard).toContain('again');
    // What does not say so could not have read the echo without.
    if (report?.keyUpdates !== null) expect(report?.keyUpdates).toEqual([1, 1]);
  },

  'external-psk': async (world) => {
    const psk = Buffer.from(PSK.keyHex, 'hex');
    const pskCallback = (_socket: unknown, identity: string): Buffer | null =>
      identity === PSK.identity ? psk : null;
    await using site = await serve(options(world, { pskCallback }));
    const [report] = await visit(world, site.port, { psk: PSK });
    const { socket } = await site.over(0);
    expect(socket.info).toMatchObject({ externalPsk: true, resumed: true });
    expect(report).toMatchObject({ connected: true, reused: true });
    expect(report?.heard).toContain('hello');
  },

  'ml-kem': async (world) => {
    await using site = await serve(options(world, { ecdhCurve: 'X25519MLKEM768' }));
    const [report] = await visit(world, site.port, { groups: ['X25519MLKEM768'] });
    await site.over(0);
    expect(report?.connected).toBe(true);
    expect(report?.group).toMatch(/X25519MLKEM768/i);
  },

  alpn: async (world) => {
    await using site = await serve(options(world, { ALPNProtocols: ['spdy/1', 'http/1.1'] }));
    const [report] = await visit(world, site.port, { alpn: ['http/1.1'] });
    const { socket } = await site.over(0);
    expect([socket.alpnProtocol, report?.alpn]).toEqual(['http/1.1', 'http/1.1']);
  },

  exporter: async (world) => {
    const exporter = { label: 'EXPORTER-matrix', length: 24 };
    let ours = '';
    await using site = await serve(
      options(world, {
        onSecure: (socket) => {
          ours = socket.exportKeyingMaterial(exporter.length, exporter.label).toString('hex');
        },
      }),
    );
    const [report] = await visit(world, site.port, { exporter });
    expect(ours).toHaveLength(48);
    expect(report?.exported).toBe(ours);
  },

  status: async (world) => {
    const { der } = await world.material.status();
    await using site = await serve(options(world, { status: der }));
    const [report] = await visit(world, site.port, { status: true });
    expect(report).toMatchObject({ connected: true, stapled: true });
  },

  compression: async (world) => {
    await using site = await serve(options(world, { certificateCompression: ['zlib', 'brotli'] }));
    const [report] = await visit(world, site.port, { compression: true });
    expect(report?.connected).toBe(true);
    expect(report?.output).toMatch(/COMPRESSED.?CERTIFICATE/i);
  },

  'key-log': async (world) => {
    const keyLog = world.material.newPath('keys.log');
    await using site = await serve(options(world));
    const [report] = await visit(world, site.port, { keyLog });
    await site.over(0);
    expect(report?.connected).toBe(true);
    compareKeyLogs(world, keyLog, site.keyLog);
  },

  'close-notify': async (world) => {
    const stays = { stay: true };
    {
      // Theirs: our server sees it; or that it was none, where the transport alone ended.
      await using site = await serve(options(world));
      await visit(world, site.port);
      expect((await site.over(0)).ended).toBe(world.peer.client?.endsBy === 'close_notify');
    }
    {
      // Ours.
      await using site = await serve(
        options(world, {
          onData: (served, chunk) => {
            echo(served, chunk);
            if (served.text === 'hello\n') served.socket.end();
          },
        }),
      );
      const [report] = await visit(world, site.port, stays);
      expect(report?.heard).toContain('hello');
      expect(report?.end).toBe(world.peer.client?.tellsEnd ? 'clean' : null);
      await site.over(0);
    }
    {
      // A cut, which must not look the same where it says either.
      await using site = await serve(
        options(world, {
          onData: ({ socket, text }, chunk) => {
            socket.write(
              text.startsWith('GET ') ? 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello\n' : chunk,
            );
            setImmediate(() => socket.transport.end());
          },
        }),
      );
      const [report] = await visit(world, site.port, stays);
      expect(report?.heard).toContain('hello');
      expect(report?.end).toBe(world.peer.client?.tellsEnd ? 'cut' : null);
      await site.over(0);
    }
  },

  'half-close': async (world) => {
    await using site = await serve(
      options(world, {
        onData: () => {},
        onEnd: ({ socket }) => socket.end('after the end\n'),
      }),
    );
    const [report] = await visit(world, site.port, { endEarly: true });
    const { text, ended } = await site.over(0);
    expect(text).toBe('hello\n');
    expect(ended).toBe(world.peer.client?.endsBy === 'close_notify');
    expect(report?.heard).toContain('after the end');
  },
};

/** Both logs have each secret of the connection, the same ones. */
export function compareKeyLogs(world: World, path: string, ours: readonly string[]): void {
  expect(existsSync(path), 'the peer wrote a key log').toBe(true);
  const theirs = keyLogLines(readFileSync(path, 'latin1'));
  const own = keyLogLines(ours.join('\n'));
  const labels =
    world.version === '1.2'
      ? ['CLIENT_RANDOM']
      : [
          'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
          'SERVER_HANDSHAKE_TRAFFIC_SECRET',
          'CLIENT_TRAFFIC_SECRET_0',
          'SERVER_TRAFFIC_SECRET_0',
        ];
  for (const label of labels) {
    expect(own.get(label)?.size, label).toBe(1);
    expect(theirs.get(label), label).toEqual(own.get(label));
  }
}
