/**
 * Load on a fleet, and a judge of what it did that asks the fleet nothing: which session was resumable is told by
 * its ticket's age and life as the client saw them, which key sealed it by the name in front of the ticket, and
 * whether a connection had to fail by when its server was killed.
 */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import * as tls from 'node:tls';
import { connect } from '../../src/net/connect.ts';
import { Field } from '../../src/session/body.ts';
import { readSession } from '../../src/session/forms.ts';
import type { Random } from '../support/random.ts';

export interface Site {
  /** The worker that serves it. */
  readonly worker: number;
  readonly port: number;
  readonly kind: 'own' | 'stock';
}

/** Which client made a session: node:tls's and this library's are not exchanged, since their forms differ. */
export type ClientKind = 'own' | 'stock';

interface Saved {
  readonly bytes: Buffer;
  /** When the connection that brought it began, and when it was over. */
  readonly broughtMs: readonly [began: number, over: number];
  /** Its life counts from some time between these two: the server's clock said it while they spoke. */
  readonly bornMs: readonly [earliest: number, latest: number];
  readonly worker: number;
  readonly keyName: string | null;
  readonly kind: Site['kind'];
}

export interface Tally {
  connections: number;
  failed: string[];
  /** Connections whose server was killed meanwhile, and so are nobody's fault. */
  killed: number;
  /** Offers of sessions that were resumable, and those that were resumed. */
  resumable: number;
  resumed: number;
  /** Offers of sessions whose life was over, and those that were resumed all the same. */
  over: number;
  overResumed: number;
  /** Offers at which neither is certain: in the last second of a life, or saved as its server was killed. */
  unclear: number;
  /** Names of ticket keys that were seen. */
  readonly keys: Set<string>;
  /** By kind of server that made the session and that was asked: resumable and resumed. */
  readonly crossings: Map<string, [number, number]>;
  /** Why resumable sessions were not resumed, as far as the client knows: for the message of a failure. */
  readonly misses: string[];
}

export function newTally(): Tally {
  return {
    connections: 0,
    failed: [],
    killed: 0,
    resumable: 0,
    resumed: 0,
    over: 0,
    overResumed: 0,
    unclear: 0,
    keys: new Set(),
    crossings: new Map(),
    misses: [],
  };
}

export interface LoadOptions {
  readonly ca: string;
  readonly version: 'TLSv1.2' | 'TLSv1.3';
  readonly client: ClientKind;
  readonly lifeMs: number;
  /** Whether tickets carry a key's name. */
  readonly stateless: boolean;
  /** Sites that are up now. */
  readonly sites: () => readonly Site[];
  /** When a worker was last killed; −Infinity for never. */
  readonly killedMs: (worker: number) => number;
  readonly random: Random;
}

/** Clocks of sessions have seconds, and two of them are compared. */
const GREY_MS = 1_500;
/** What a server was about to save when it was killed may not have left it. */
const SAVE_MS = 500;

/** One client that connects again and again, with what it has, until `until` says stop. */
export async function load(options: LoadOptions, tally: Tally, until: () => boolean): Promise<void> {
  const held: Saved[] = [];
  // Kept until their life is over: they must not be resumed then.
  const old: Saved[] = [];
  while (!until()) {
    const sites = options.sites();
    const site = sites[options.random.below(sites.length)];
    if (site === undefined) {
      await pause(10);
      continue;
    }
    const began = Date.now();
    const isOver = old[0] !== undefined && began - old[0].bornMs[1] > options.lifeMs + GREY_MS;
    // TLS 1.3 shows a ticket once.
    const offer = isOver ? old.shift() : options.random.chance(0.1) ? undefined : held.shift();
    let outcome: Outcome;
    try {
      outcome = await visit(site, options, offer?.bytes);
    } catch (error) {
      // A worker that was killed takes its connections along, and its port is shut until the next one is up.
      if (options.killedMs(site.worker) >= began - 1_000) tally.killed++;
      else tally.failed.push(`${site.kind} ${site.worker}: ${String(error)}`);
      continue;
    }
    tally.connections++;
    const spoke = [began, Date.now()] as const;
    if (offer !== undefined) judge(offer, site, outcome.resumed, spoke, options, tally);
    for (const bytes of outcome.sessions) {
      const keyName = options.stateless ? keyNameOf(bytes) : null;
      // A server of TLS 1.2 renews a ticket, and not its session's life; the client is not told of that.
      const goesOn = options.version === 'TLSv1.2' && outcome.resumed && offer !== undefined;
      const bornMs = goesOn ? offer.bornMs : spoke;
      if (keyName !== null) tally.keys.add(keyName);
      const saved = { bytes, broughtMs: spoke, bornMs, worker: site.worker, keyName, kind: site.kind };
      if (old.length < 2 && options.random.chance(0.3)) old.push(saved);
      else held.push(saved);
    }
    if (options.version === 'TLSv1.2' && offer !== undefined && outcome.resumed && !isOver) held.push(offer);
    while (held.length > 40) held.shift();
  }
}

function judge(
  offer: Saved,
  site: Site,
  resumed: boolean,
  [began, ended]: readonly [number, number],
  { lifeMs, killedMs, stateless }: LoadOptions,
  tally: Tally,
): void {
  const least = began - offer.bornMs[1];
  const most = ended - offer.bornMs[0];
  const killed = killedMs(offer.worker);
  const lost = !stateless && killed >= offer.broughtMs[0] && killed <= offer.broughtMs[1] + SAVE_MS;
  if (lost || (most > lifeMs - GREY_MS && least < lifeMs + GREY_MS)) {
    tally.unclear++;
    return;
  }
  if (least >= lifeMs + GREY_MS) {
    tally.over++;
    if (resumed) tally.overResumed++;
    return;
  }
  const way = `${offer.kind} at ${site.kind}`;
  const crossing = tally.crossings.get(way) ?? [0, 0];
  crossing[0]++;
  tally.resumable++;
  if (resumed) {
    crossing[1]++;
    tally.resumed++;
  } else tally.misses.push(`${way}, ${most} ms old, key ${offer.keyName?.slice(0, 8) ?? '-'}`);
  tally.crossings.set(way, crossing);
}

interface Outcome {
  readonly resumed: boolean;
  readonly sessions: readonly Buffer[];
}

async function visit(site: Site, options: LoadOptions, session: Buffer | undefined): Promise<Outcome> {
  const { ca, version } = options;
  const common = { ca, minVersion: version, maxVersion: version, servername: 'localhost', host: 'localhost' };
  // As through a balancer: to the client all sites are one.
  const transport = connectTcp(site.port, '127.0.0.1');
  const socket =
    options.client === 'own'
      ? connect({ ...common, port: 443, socket: transport, session: session ?? null })
      : tls.connect({
          ...common,
          port: 443,
          socket: transport,
          ...(session === undefined ? {} : { session }),
        });
  const sessions: Buffer[] = [];
  let text = '';
  let secure = false;
  socket.on('session', (bytes: Buffer) => sessions.push(bytes));
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.once('secureConnect', () => {
    secure = true;
    socket.write('?');
  });
  const timer = setTimeout(() => socket.destroy(new Error('nothing for ten seconds')), 10_000);
  try {
    await Promise.race([once(socket, 'end'), once(socket, 'close')]);
  } finally {
    clearTimeout(timer);
    socket.destroy();
    transport.destroy();
  }
  if (!secure || (text !== 'full' && text !== 'resumed')) {
    throw new Error(`the connection ended with ${JSON.stringify(text)}`);
  }
  return { resumed: text === 'resumed', sessions };
}

/** The name of the key that sealed a session's ticket: its first 16 bytes in OpenSSL's form. */
function keyNameOf(bytes: Buffer): string | null {
  const { session } = readSession(bytes, null, Date.now());
  const ticket = session.field(Field.ticket, 'test');
  session.free('test');
  return ticket.length >= 80 ? Buffer.from(ticket.subarray(0, 16)).toString('hex') : null;
}

export function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** What became of early data, as the client and whoever recorded it see it. */
export interface EarlyTally {
  /** Texts that were sent early, and those that the client was told were taken. */
  sent: number;
  readonly accepted: Set<string>;
  /** First flights that were sent again. */
  replays: number;
  failed: string[];
}

/**
 * Sends early data in `count` connections, each with a text of its own, and each first flight again to every
 * site of this library's at once, also while the client itself is still at it.
 */
export async function earlyLoad(
  options: LoadOptions,
  name: string,
  until: () => boolean,
): Promise<EarlyTally> {
  const tally: EarlyTally = { sent: 0, accepted: new Set(), replays: 0, failed: [] };
  const sessions: Buffer[] = [];
  const own = (): Site[] => options.sites().filter(({ kind }) => kind === 'own');
  while (!until()) {
    const sites = own();
    const site = sites[options.random.below(sites.length)];
    if (site === undefined) {
      await pause(10);
      continue;
    }
    const began = Date.now();
    const session = sessions.shift();
    try {
      if (session === undefined) {
        sessions.push(...(await visit(site, options, undefined)).sessions);
        continue;
      }
      const text = `early ${name} ${tally.sent++}`;
      const replays: Promise<void>[] = [];
      const replay = (flight: Buffer): void => {
        for (const { port } of own()) replays.push(sendFlight(port, flight));
        tally.replays += replays.length;
      };
      if (await sendEarly(site, options, session, text, replay)) tally.accepted.add(text);
      await Promise.all(replays);
    } catch (error) {
      if (options.killedMs(site.worker) < began - 1_000) tally.failed.push(String(error));
    }
  }
  return tally;
}

/** Whether the early data was taken. `seen` gets the first flight as it leaves. */
async function sendEarly(
  site: Site,
  { ca }: LoadOptions,
  session: Buffer,
  text: string,
  seen: (flight: Buffer) => void,
): Promise<boolean> {
  const transport = connectTcp(site.port, '127.0.0.1');
  await once(transport, 'connect');
  const flight: Buffer[] = [];
  const write = transport.write.bind(transport);
  transport.write = ((chunk: Buffer, ...rest: []) => {
    if (flight.length === 0) setImmediate(() => seen(Buffer.concat(flight)));
    if (flight.length < 8) flight.push(Buffer.from(chunk));
    return write(chunk, ...rest);
  }) as typeof transport.write;
  const socket = connect({
    ca,
    minVersion: 'TLSv1.3',
    servername: 'localhost',
    host: 'localhost',
    port: 443,
    socket: transport,
    session,
    earlyData: true,
  });
  let accepted = false;
  socket.once('earlyDataStatus', (taken: boolean) => {
    accepted = taken;
  });
  socket.on('error', () => {});
  socket.write(text);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), 10_000);
  await once(socket, 'close');
  clearTimeout(timer);
  transport.destroy();
  return accepted;
}

/** Sends what was recorded, and waits for whatever the server makes of it. */
async function sendFlight(port: number, flight: Buffer): Promise<void> {
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(flight);
  const timer = setTimeout(() => socket.destroy(), 500);
  await new Promise((done) => socket.once('close', done));
  clearTimeout(timer);
}
