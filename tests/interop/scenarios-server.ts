/** The scenarios in which the peer is the server, and our client the other end. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { TlsAlertError } from '../../src/util/errors.ts';
import { Alert } from '../../src/util/registries.ts';
import { until } from '../support/until.ts';
import { OurClient, type OurClientOptions } from './our-end.ts';
import type { ServerReport, ServerWish, ServingPeer } from './peers/contract.ts';
import { compareKeyLogs, type Scenario } from './scenarios-client.ts';
import type { ScenarioId } from './table.ts';
import { PSK, versionOptions, type World } from './world.ts';

function serve(world: World, more: Partial<ServerWish> = {}): Promise<ServingPeer> {
  const { peer, version, material } = world;
  if (peer.server === null) throw new Error('no server');
  const { files } = material;
  return peer.server.serve({ version, identity: files, trust: files.ca, ...more });
}

function client(world: World, { port }: ServingPeer, more: OurClientOptions = {}): OurClient {
  const { version, material } = world;
  return new OurClient({ port, ca: material.chain.caPem, ...versionOptions(version), ...more });
}

/** Sends a line and hears the answer. */
async function talk(serving: ServingPeer, one: OurClient): Promise<void> {
  one.text = '';
  one.socket.write(serving.line);
  await serving.respond();
  await one.hears(serving.answer);
}

interface Told {
  readonly one: OurClient;
  readonly report: ServerReport;
}

/** A whole visit: the handshake, a line and its answer, and the end. */
async function visit(world: World, serving: ServingPeer, more: OurClientOptions = {}): Promise<Told> {
  await using one = client(world, serving, more);
  await one.secure();
  await talk(serving, one);
  // Not every server follows a resumption by another ticket.
  if (world.version === '1.3' && !one.info.resumed) await one.session();
  // Who ends first would be reset by our end.
  if (serving.oneLine) await until(() => one.socket.readableEnded, 'the server ends');
  await one.end();
  return { one, report: await serving.report() };
}

/** Twice, the second time with the session of the first; both ends say so. */
async function resume(
  world: World,
  wish: Partial<ServerWish>,
  more: OurClientOptions = {},
): Promise<{ first: Told; second: Told }> {
  await using serving = await serve(world, wish);
  const first = await visit(world, serving, more);
  const [session] = first.one.sessions;
  expect(session).toBeDefined();
  const second = await visit(world, serving, { ...more, session: session as Buffer });
  const both = [first, second];
  expect(both.map(({ one }) => one.socket.isSessionReused())).toEqual([false, true]);
  expect(both.map(({ report }) => report.reused)).toEqual([false, true]);
  expect(second.one.socket.getProtocol()).toBe(`TLSv${world.version}`);
  expect(second.one.socket.authorized).toBe(true);
  return { first, second };
}

/** Our client is refused: by an alert, or by the end of the connection. */
async function refused(world: World, alerts: readonly number[], more: OurClientOptions): Promise<void> {
  await using serving = await serve(world, { clientCertificate: 'required' });
  await using one = client(world, serving, more);
  await one.settled();
  if (!one.closed) one.socket.write(serving.line);
  await until(() => one.closed || one.socket.readableEnded, 'our client is refused');
  expect(one.text).toBe('');
  if (serving.refusesBy === 'hanging up') return;
  expect(one.error).not.toBe(null);
  expect(one.socket.engine.error).toBeInstanceOf(TlsAlertError);
  const { alert, origin } = one.socket.engine.error as TlsAlertError;
  expect(origin).toBe('peer');
  expect(alerts).toContain(alert);
}

export const SERVER_SCENARIOS: Readonly<Record<ScenarioId, Scenario>> = {
  full: async (world) => {
    await using serving = await serve(world);
    const { one, report } = await visit(world, serving);
    expect(report).toMatchObject({ connected: true, reused: false });
    expect(report.protocol).toBe(world.version);
    expect(one.socket.isSessionReused()).toBe(false);
    expect(one.socket.authorized).toBe(true);
    expect(one.error).toBe(null);
  },

  ticket: async (world) => {
    const { first } = await resume(world, {});
    expect(first.one.ticketLength).toBeGreaterThan(32);
  },

  cache: async (world) => {
    const { first } = await resume(world, { noTickets: true });
    expect(first.one.ticketLength).toBe(world.version === '1.2' ? 0 : 32);
  },

  'hello-retry': async (world) => {
    const { first, second } = await resume(world, { groups: ['P-384'] }, { ecdhCurve: 'X25519:P-384' });
    expect([first, second].map(({ one }) => one.info.helloRetryRequest)).toEqual([true, true]);
  },

  'early-data': async (world) => {
    await using serving = await serve(world, { early: true });
    const first = await visit(world, serving);
    const { text, answered } = serving.early;
    await using second = client(world, serving, { session: first.one.sessions[0] as Buffer, early: text });
    await second.secure();
    if (answered) await second.hears(serving.answer);
    else await talk(serving, second);
    await second.end();
    expect(second.socket.earlyBytes).toBe(text.length);
    expect(second.info).toMatchObject({ earlyDataAccepted: true, earlyDataReason: null, resumed: true });
    const report = await serving.report();
    expect(report).toMatchObject({ connected: true, reused: true, early: true });
    // What prints what it gets has got it once.
    const got = report.output.split(text.trim()).length - 1;
    expect(got).toBeLessThan(2);
    if (world.id === 'openssl') expect(got).toBe(1);
  },

  'early-data-refused': async (world) => {
    const wish = { early: true, groups: ['P-384'] };
    const known = await serve(world, wish);
    const retry = known.refusesEarlyBy === 'retry';
    let session: Buffer | undefined;
    try {
      session = (await visit(world, known, { ecdhCurve: 'P-384' })).one.sessions[0];
    } finally {
      if (!retry) await known[Symbol.asyncDispose]();
    }
    await using serving = retry ? known : await serve(world, { ...wish, port: known.port });
    await using second = client(world, serving, {
      // A HelloRetryRequest refuses early data (RFC 8446, 4.2.10), and so does who does not know the ticket.
      ecdhCurve: retry ? 'X25519:P-384' : 'P-384',
      session: session as Buffer,
      early: serving.early.text,
    });
    await second.secure();
    expect(second.info).toMatchObject({ earlyDataAccepted: false, helloRetryRequest: retry });
    expect(second.info).toMatchObject({ earlyDataOffered: true });
    expect(second.info.earlyDataReason).not.toBe(null);
    // What was refused is sent once more, as the rest is.
    if (serving.early.answered) await second.hears(serving.answer);
    else await talk(serving, second);
    await second.end();
    const report = await serving.report();
    expect(report).toMatchObject({ connected: true, early: false, reused: second.info.resumed });
  },

  'certificate-required': async (world) => {
    const { chainPem: cert, keyPem: key } = world.material.chain;
    await using serving = await serve(world, { clientCertificate: 'required' });
    const { one, report } = await visit(world, serving, { cert, key });
    expect(one.info.certificateRequested).toBe(true);
    expect(report).toMatchObject({ connected: true, clientCertificate: true });
  },

  'certificate-resumed': async (world) => {
    const { chainPem: cert, keyPem: key } = world.material.chain;
    const { second } = await resume(world, { clientCertificate: 'required' }, { cert, key });
    expect(second.one.info.certificateRequested).toBe(false);
    if (second.report.clientCertificate !== null) expect(second.report.clientCertificate).toBe(true);
  },

  'certificate-optional': async (world) => {
    await using serving = await serve(world, { clientCertificate: 'optional' });
    const { one, report } = await visit(world, serving);
    expect(one.info.certificateRequested).toBe(true);
    expect(report).toMatchObject({ connected: true, clientCertificate: false });
  },

  'certificate-absent': async (world) => {
    // GnuTLS takes an empty list of TLS 1.2 for a message that it cannot decode.
    await refused(world, [Alert.certificate_required, Alert.handshake_failure, Alert.decode_error], {});
  },

  'certificate-wrong': async (world) => {
    const { certPem: cert, keyPem: key } = world.material.stranger;
    await refused(world, [Alert.unknown_ca, Alert.access_denied], { cert, key });
  },

  'key-update-theirs': async (world) => {
    await using serving = await serve(world);
    await using one = client(world, serving);
    await one.secure();
    await talk(serving, one);
    await serving.updateKeys();
    await talk(serving, one);
    await talk(serving, one);
    await one.end();
    expect((await serving.report()).keyUpdates).toEqual([1, 1]);
  },

  'key-update-ours': async (world) => {
    await using serving = await serve(world);
    await using one = client(world, serving);
    await one.secure();
    if (!serving.oneLine) await talk(serving, one);
    one.socket.updateKeys(true);
    await talk(serving, one);
    if (!serving.oneLine) await talk(serving, one);
    await one.end();
    const { keyUpdates } = await serving.report();
    // What does not say so could not have read the lines without.
    if (keyUpdates !== null) expect(keyUpdates).toEqual([1, 1]);
  },

  'external-psk': async (world) => {
    const psk = Buffer.from(PSK.keyHex, 'hex');
    await using serving = await serve(world, { psk: PSK });
    const { one, report } = await visit(world, serving, {
      pskCallback: () => ({ identity: PSK.identity, psk }),
    });
    expect(one.info).toMatchObject({ externalPsk: true, resumed: true });
    expect(one.info.peerChain).toEqual([]);
    expect(report).toMatchObject({ connected: true, reused: true });
  },

  'ml-kem': async (world) => {
    await using serving = await serve(world, { groups: ['X25519MLKEM768'] });
    const { one, report } = await visit(world, serving, { ecdhCurve: 'X25519MLKEM768' });
    // It has no other: that it answered says that it was this one.
    expect(report.connected).toBe(true);
    expect(one.socket.getEphemeralKeyInfo()).toMatchObject({ name: 'X25519MLKEM768' });
  },

  alpn: async (world) => {
    await using serving = await serve(world, { alpn: ['http/1.1'] });
    const { one, report } = await visit(world, serving, { ALPNProtocols: ['spdy/1', 'http/1.1'] });
    expect([one.socket.alpnProtocol, report.alpn]).toEqual(['http/1.1', 'http/1.1']);
  },

  exporter: async (world) => {
    const exporter = { label: 'EXPORTER-matrix', length: 24 };
    await using serving = await serve(world, { exporter });
    await using one = client(world, serving);
    await one.secure();
    const ours = one.socket.exportKeyingMaterial(exporter.length, exporter.label).toString('hex');
    await talk(serving, one);
    await one.end();
    expect(ours).toHaveLength(48);
    expect((await serving.report()).exported).toBe(ours);
  },

  status: async (world) => {
    const { path, der } = await world.material.status();
    await using serving = await serve(world, { status: path });
    const { one } = await visit(world, serving, { requestOCSP: true });
    expect(one.socket.authorized).toBe(true);
    expect(Buffer.from(one.info.ocspResponse ?? []).equals(der)).toBe(true);
    expect(readFileSync(path).equals(der)).toBe(true);
  },

  compression: async (world) => {
    await using serving = await serve(world, { compression: true });
    const { one, report } = await visit(world, serving, { certificateCompression: ['zlib', 'brotli'] });
    expect(one.socket.authorized).toBe(true);
    expect(report.output).toMatch(/COMPRESSED.?CERTIFICATE/i);
  },

  'key-log': async (world) => {
    const keyLog = world.material.newPath('keys.log');
    await using serving = await serve(world, { keyLog });
    const { one } = await visit(world, serving);
    compareKeyLogs(world, keyLog, one.keyLog);
  },

  'close-notify': async (world) => {
    {
      // Ours, and then a cut, which must not look the same where it says either.
      await using serving = await serve(world);
      const { report } = await visit(world, serving);
      expect(report.end).toBe(serving.tellsEnd ? 'clean' : null);
      await using one = client(world, serving);
      await one.secure();
      await talk(serving, one);
      // With its end alone: a socket that is given up with something unread resets the connection.
      one.socket.transport.end();
      expect((await serving.report()).end).toBe(serving.tellsEnd ? 'cut' : null);
    }
    {
      // Theirs.
      await using serving = await serve(world, { http: true });
      await using one = client(world, serving);
      await one.secure();
      one.socket.write(serving.line);
      // node:tls has nothing to end for but our end.
      if (world.id.startsWith('node')) one.socket.end();
      await one.hears(serving.answer);
      await until(() => one.socket.readableEnded, 'the peer ends');
      expect(one.ended).toBe(serving.endsBy === 'close_notify');
    }
    {
      // Its process is killed: the system ends the transport.
      await using serving = await serve(world);
      await using one = client(world, serving);
      await one.secure();
      await talk(serving, one);
      process.kill(serving.pid, 'SIGKILL');
      await until(() => one.socket.readableEnded || one.closed, 'the transport ends');
      expect(one.ended).toBe(false);
    }
  },

  'half-close': async (world) => {
    await using serving = await serve(world, { http: true });
    await using one = client(world, serving);
    one.socket.end(serving.line);
    await one.hears(serving.answer);
    await until(() => one.closed || one.socket.readableEnded, 'the peer ends, too');
    expect(one.ended).toBe(serving.endsBy === 'close_notify');
    // Who closes without having read our close_notify may reset the transport, after its answer.
    if (serving.endsBy === 'close_notify') expect(one.error).toBe(null);
  },
};
