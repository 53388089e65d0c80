/** Sessions that are kept elsewhere: the handshake waits for them, but not for ever, and never for too many. */
import { describe, expect, test } from 'vitest';
import { connect, type ServerOptions, type TLSSocket } from '../../src/entry/index.ts';
import { echo, listen, type TestServer, trusting, visit } from './pair.ts';

type Answer = (error: Error | null, data?: Uint8Array | null) => void;
type Store = (id: Buffer, done: Answer) => void;

interface Site extends TestServer {
  /** What newSession gave to keep. */
  readonly kept: Map<string, Buffer>;
}

/** A server that keeps its sessions outside, as by the events of node:tls. */
async function site(version: string, find: Store, options: ServerOptions = {}): Promise<Site> {
  const kept = new Map<string, Buffer>();
  const found = await listen({ minVersion: version, maxVersion: version, ...options }, echo);
  // Nothing is kept here: every session has to be found.
  found.server.context.sessions.mode |= 0x300;
  found.server.on('newSession', (id: Buffer, data: Buffer, done: () => void) => {
    kept.set(id.toString('hex'), data);
    done();
  });
  found.server.on('resumeSession', find);
  return Object.assign(found, { kept });
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

describe.each(VERSIONS)('%s', (version) => {
  const wanted = version === 'TLSv1.2' ? 0 : 1;

  test('an answer that comes later is waited for', async () => {
    let kept: Map<string, Buffer> = new Map();
    await using server = await site(version, (id, done) => {
      setTimeout(() => done(null, kept.get(id.toString('hex')) ?? null), 30);
    });
    kept = server.kept;
    const options = await trusting(server.port, { minVersion: version, maxVersion: version });
    const { sessions } = await visit(options);
    const { socket, text } = await visit({ ...options, session: sessions[0] }, 'hello', wanted);
    expect([socket.isSessionReused(), text]).toEqual([true, 'hello']);
    expect(server.sockets.map(({ info }) => info.resumedBy)).toEqual([
      null,
      version === 'TLSv1.2' ? 'session-id' : 'stateful-ticket',
    ]);
  });

  test.each([
    ['that never answers', () => {}, 'store-slow'],
    ['that fails', (_id: Buffer, done: Answer) => done(new Error('gone')), 'store-failed'],
    ['that throws', throwing, 'store-failed'],
    [
      'that answers garbage',
      (_id: Buffer, done: Answer) => done(null, Buffer.from('garbage')),
      'store-failed',
    ],
    ['that answers twice, with nothing first', twice, 'not-found'],
  ] as const)('a store %s costs the resumption and nothing else', async (_name, find, reason) => {
    await using server = await site(version, find as Store, { sessionLookupTimeout: 40 });
    const options = await trusting(server.port, { minVersion: version, maxVersion: version });
    const { sessions } = await visit(options);
    const { socket, text } = await visit({ ...options, session: sessions[0] }, 'hello', wanted);
    expect([socket.isSessionReused(), text, server.failures]).toEqual([false, 'hello', []]);
    expect(server.sockets.at(-1)?.resumptionReason).toBe(reason);
    expect(server.server.context.sessions.stats.notResumed[reason]).toBe(1);
  });

  test('an answer after the limit is given back, and changes nothing', async () => {
    const late: (() => void)[] = [];
    await using server = await site(
      version,
      (id, done) => late.push(() => done(null, server.kept.get(id.toString('hex')))),
      { sessionLookupTimeout: 20 },
    );
    const options = await trusting(server.port, { minVersion: version, maxVersion: version });
    const { sessions } = await visit(options);
    const { socket } = await visit({ ...options, session: sessions[0] }, 'hello', wanted);
    expect(socket.resumptionReason).toBe('declined');
    expect(late).toHaveLength(1);
    // That its session does not live on, the end of each test looks at.
    for (const answer of late) answer();
    await new Promise((done) => setTimeout(done, 10));
    expect(server.server.context.sessions.number).toBe(0);
  });

  test('no more look-ups wait than may; those beyond are full handshakes at once', async () => {
    const waiting: (() => void)[] = [];
    await using server = await site(
      version,
      (id, done) => waiting.push(() => done(null, server.kept.get(id.toString('hex')) ?? null)),
      { maxPendingLookups: 2, sessionLookupTimeout: 10_000, ticketCount: 5 },
    );
    const options = await trusting(server.port, { minVersion: version, maxVersion: version });
    const { sessions } = await visit(options, 'hello', version === 'TLSv1.2' ? 1 : 5);
    const sockets = [0, 1, 2, 3, 4].map((i): TLSSocket => {
      const session = sessions[version === 'TLSv1.2' ? 0 : i];
      return connect({ ...options, session }).on('error', () => {});
    });
    const secured = sockets.map(
      (socket) => new Promise<void>((done) => socket.once('secureConnect', () => done())),
    );
    while (server.sockets.length < 4) await new Promise((done) => setTimeout(done, 5));
    expect(server.sockets.slice(1).map(({ resumptionReason }) => resumptionReason)).toEqual([
      'store-busy',
      'store-busy',
      'store-busy',
    ]);
    expect(waiting).toHaveLength(2);
    for (const answer of waiting) answer();
    await Promise.all(secured);
    expect(sockets.filter((socket) => socket.isSessionReused())).toHaveLength(2);
    for (const socket of sockets) socket.destroy();
  });

  test('a client that goes away while its session is looked for leaves nothing behind', async () => {
    const waiting: (() => void)[] = [];
    await using server = await site(version, (id, done) => {
      waiting.push(() => done(null, server.kept.get(id.toString('hex'))));
    });
    const options = await trusting(server.port, { minVersion: version, maxVersion: version });
    const { sessions } = await visit(options);
    const socket = connect({ ...options, session: sessions[0] }).on('error', () => {});
    while (waiting.length === 0) await new Promise((done) => setTimeout(done, 5));
    socket.destroy();
    await new Promise((done) => setTimeout(done, 20));
    for (const answer of waiting) answer();
  });
});

function throwing(): never {
  throw new Error('thrown');
}

function twice(_id: Buffer, done: Answer): void {
  done(null, null);
  done(null, Buffer.from('garbage'));
}
