/** The keyring of a fleet, one rule at a time: two or three nodes, and a store that does what it is told. */
import { describe, expect, it, vi } from 'vitest';
import { type FleetKeyEvent, FleetKeyring, type FleetKeyringOptions } from '../../src/fleet/keyring.ts';
import { decodeRing, encodeRing, type SharedKey } from '../../src/fleet/ring-record.ts';
import { SecretBox } from '../../src/fleet/secret-box.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { Central, clockOf, type Link, RemoteStore, timersOf, World } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const RULES = {
  ticketLifetimeSec: 2 * 3600,
  rotateEverySec: 4 * 3600,
  publishSec: 3600,
  extendSec: 3600,
  pollSec: 60,
  maxClockSkewSec: 60,
} as const;

class Two {
  readonly world: World = new World(7, Date.UTC(2026, 0, 1));
  readonly central: Central = new Central(this.world);
  readonly box: SecretBox = new SecretBox(this.world.provider, 'a secret of this fleet of two nodes');
  readonly events: FleetKeyEvent[] = [];

  node(aheadMs = 0, options: Partial<FleetKeyringOptions> = {}): { ring: FleetKeyring; link: Link } {
    const { world } = this;
    const clock = clockOf(world, aheadMs);
    const link: Link = { cutUntilMs: 0, dead: false };
    const ring = new FleetKeyring({
      ...RULES,
      provider: world.provider,
      store: new RemoteStore(this.central, clock, link, 0),
      box: this.box,
      timers: timersOf(world),
      clock,
      onEvent: (event) => void this.events.push(event),
      ...options,
    });
    void ring.start();
    return { ring, link };
  }

  pass(ms: number): Promise<void> {
    return this.world.runUntil(this.world.nowMs + ms);
  }
}

const opens = (ring: FleetKeyring, ticket: Uint8Array): boolean => ring.open(ticket).opened;

describe('FleetKeyring', () => {
  it('goes on when whoever is told throws, who hears of it later', async () => {
    const later: (() => void)[] = [];
    vi.stubGlobal('queueMicrotask', (run: () => void) => later.push(run));
    try {
      const two = new Two();
      const { ring } = two.node(0, {
        onEvent: () => {
          throw new Error('of the listener');
        },
      });
      await two.pass(2 * MINUTE);
      const first = ring.sealingKey;
      const ticket = ring.seal(utf8('a session'));
      expect(first).not.toBeNull();
      await two.pass(5 * HOUR);
      expect(ring.sealingKey).not.toBe(first);
      expect(opens(ring, ticket as Uint8Array)).toBe(true);
      expect(later[0]).toThrow('of the listener');
      ring.destroy();
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it('seals on every node with one key, which the others open, and rotates with all of them', async () => {
    const two = new Two();
    const nodes = [two.node(-20_000), two.node(30_000), two.node(10_000)];
    // Past the minute in which some are further than others.
    await two.pass(2 * MINUTE);
    const names = new Set<string>();
    for (let hour = 0; hour < 40; hour++) {
      const [a, b, c] = nodes.map(({ ring }) => ring) as [FleetKeyring, FleetKeyring, FleetKeyring];
      expect([a.sealingKey, b.sealingKey]).toEqual([c.sealingKey, c.sealingKey]);
      names.add(a.sealingKey as string);
      const ticket = a.seal(utf8('text')) as Uint8Array;
      expect([opens(b, ticket), opens(c, ticket), a.keys().length <= 3]).toEqual([true, true, true]);
      await two.pass(HOUR);
    }
    expect(names.size).toBe(10);
    for (const { ring } of nodes) ring.destroy();
    expect(() => nodes[0]?.ring.seal(utf8('x'))).toThrow(/destroyed/);
  });

  it('with firstUseSec the first key waits, and is everywhere before any node seals with it', async () => {
    const two = new Two();
    const firstUseSec = 300;
    const nodes = [30_000, -30_000, 0].map((aheadMs) => two.node(aheadMs, { firstUseSec }));
    // It does not reach the store for most of the time.
    (nodes[2] as (typeof nodes)[0]).link.cutUntilMs = two.world.nowMs + 180_000;
    const rings = nodes.map(({ ring }) => ring);
    const beganMs = two.world.nowMs;
    let sealed = 0;
    while (two.world.nowMs < beganMs + 10 * MINUTE) {
      await two.pass(1000);
      for (const ring of rings) {
        const ticket = ring.seal(utf8('text'));
        if (ticket === null) continue;
        if (sealed++ === 0) {
          // No sooner than by any clock, nor later.
          expect(two.world.nowMs - beganMs).toBeGreaterThanOrEqual((firstUseSec - 60) * 1000);
          expect(two.world.nowMs - beganMs).toBeLessThan((firstUseSec + 60 + 5) * 1000);
        }
        expect(rings.map((other) => opens(other, ticket))).toEqual([true, true, true]);
      }
    }
    expect(sealed).toBeGreaterThan(3 * 60);
    const made = two.events.filter(({ kind }) => kind === 'made');
    // The first, and the one after it.
    expect(new Set(made.map(({ key }) => key)).size).toBe(2);
    for (const ring of rings) ring.destroy();
  });

  it('a node that is cut off goes on for its time and then seals nothing; all its tickets open elsewhere', async () => {
    const two = new Two();
    const other = two.node(30_000);
    await two.pass(5_000);
    // A node as far behind as may be, which reads a ring that has the current key alone, and nothing after.
    const ring = two.box.open(two.central.get('k:ring') as Uint8Array, 'ticket keys', 'k:ring') as Uint8Array;
    const whole = two.central.get('k:ring') as Uint8Array;
    const current = (decodeRing(ring) as SharedKey[]).filter(({ first }) => first);
    two.central.set('k:ring', two.box.seal(encodeRing(current), 'ticket keys', 'k:ring'), HOUR);
    const lost = two.node(-30_000);
    await two.world.runUntil(two.world.nowMs + 45);
    lost.link.cutUntilMs = Number.POSITIVE_INFINITY;
    two.central.set('k:ring', whole, 24 * HOUR);
    await two.pass(1_000);
    expect(lost.ring.keys()).toHaveLength(1);
    const began = two.world.nowMs;
    const key = lost.ring.sealingKey as string;
    const until = lost.ring.keys().find(({ name }) => name === key)?.sealUntilMs as number;
    // The ticket's life, and the difference of clocks: not what the keyring says of itself.
    const end = until + 2 * HOUR + MINUTE;
    expect(until - began).toBeGreaterThan(4.9 * HOUR);
    await two.world.runUntil(until + 30_000 - 1);
    const last = lost.ring.seal(utf8('the last')) as Uint8Array;
    expect(last).not.toBeNull();
    await two.pass(1);
    expect([lost.ring.seal(utf8('too late')), lost.ring.sealingKey]).toEqual([null, null]);
    // To the last moment of its life by the clock of the other, which is a minute ahead.
    await two.world.runUntil(end - 30_000 - 1);
    expect(opens(other.ring, last)).toBe(true);
    await two.pass(1);
    expect(opens(other.ring, last)).toBe(false);
    expect(other.ring.keys().map(({ name }) => name)).not.toContain(key);
  });

  it('a key that was lost before all could read it is published anew, and waits as long again', async () => {
    const two = new Two();
    const one = two.node();
    await two.pass(5_000);
    const current = one.ring.sealingKey as string;
    const next = one.ring.keys().find(({ name }) => name !== current)?.name as string;
    const info = () => one.ring.keys().find(({ name }) => name === next);
    const before = info()?.publishedMs as number;
    await two.pass(30 * MINUTE);
    two.central.entries.clear();
    await two.pass(2 * MINUTE);
    expect((info()?.publishedMs as number) - before).toBeGreaterThan(29 * MINUTE);
    await two.pass(40 * MINUTE);
    expect(info()?.confirmed).toBe(false);
    await two.pass(25 * MINUTE);
    expect(info()?.confirmed).toBe(true);
    // And one that all have had the time to read is only put back.
    const at = info()?.publishedMs;
    two.central.entries.clear();
    await two.pass(2 * MINUTE);
    expect([info()?.publishedMs, two.central.get('k:ring') === null]).toEqual([at, false]);
  });

  it('seals with no key that it has not read after the publishing time', async () => {
    const two = new Two();
    const one = two.node();
    await two.pass(5_000);
    const first = one.ring.sealingKey;
    // Gone before the next key has lain there for long enough, until long after its turn.
    await two.pass(30 * MINUTE);
    two.central.down = true;
    await two.pass(4 * HOUR);
    expect(one.ring.sealingKey).toBe(first);
    two.central.down = false;
    await two.pass(2 * MINUTE);
    expect(one.ring.sealingKey).not.toBe(first);
  });

  it('finds a key that it had not heard of when a ticket comes, but looks once a second', async () => {
    const two = new Two();
    const one = two.node(0, { pollSec: 1000 });
    await two.pass(5_000);
    const late = two.node(0, { pollSec: 1000 });
    late.link.cutUntilMs = two.world.nowMs + 10_000;
    await two.pass(10_000);
    const ticket = one.ring.seal(utf8('text')) as Uint8Array;
    expect(late.ring.open(ticket)).toMatchObject({ reason: 'unknown-key' });
    const found = late.ring.refresh();
    expect(late.ring.refresh()).not.toBe(false);
    await two.pass(500);
    expect([await found, opens(late.ring, ticket), late.ring.refresh()]).toEqual([true, true, false]);
    await two.pass(1_000);
    const again = late.ring.refresh();
    await two.pass(500);
    expect(await again).toBe(false);
  });

  it('believes nothing in the store that the fleet did not seal, and writes over it', async () => {
    const two = new Two();
    const stranger = new SecretBox(two.world.provider, 'the secret of another fleet altogether');
    const alien: SharedKey = {
      material: { format: 'aead', name: new Uint8Array(16).fill(1), key: new Uint8Array(32).fill(2) },
      first: true,
      publishedMs: 0,
      startMs: 0,
      sealUntilMs: 2 ** 50,
      endMs: 2 ** 50,
    };
    two.central.set('k:ring', stranger.seal(encodeRing([alien]), 'ticket keys', 'k:ring'), HOUR);
    const one = two.node();
    await two.pass(5_000);
    expect(one.ring.keys().map(({ name }) => name)).not.toContain('01'.repeat(16));
    expect(one.ring.sealingKey).not.toBeNull();
    for (const bytes of [
      new Uint8Array(100),
      two.box.seal(encodeRing([alien]), 'ticket keys', 'k:other'),
      two.box.seal(utf8('no ring'), 'ticket keys', 'k:ring'),
    ]) {
      two.central.set('k:ring', bytes, HOUR);
      await two.pass(2 * MINUTE);
      expect(one.ring.keys()).toHaveLength(2);
      const now = two.box.open(
        two.central.get('k:ring') as Uint8Array,
        'ticket keys',
        'k:ring',
      ) as Uint8Array;
      expect(decodeRing(now)).toHaveLength(2);
    }
    expect(new Set(two.events.filter(({ kind }) => kind === 'bad-record').map(({ fault }) => fault))).toEqual(
      new Set(['stored-unknown-key', 'stored-other-version', 'stored-tampered', 'no-ring']),
    );
    expect(JSON.stringify([one.ring, two.events])).not.toMatch(/[0-9a-f]{64}/);
  });

  it('a node whose clock is a day ahead keeps nobody from rotating', async () => {
    const two = new Two();
    const one = two.node();
    await two.pass(5_000);
    const mad = two.node(24 * HOUR);
    await two.pass(10 * MINUTE);
    mad.ring.destroy();
    const names = new Set<string>();
    for (let hour = 0; hour < 24; hour++) {
      await two.pass(HOUR);
      if (one.ring.sealingKey !== null) names.add(one.ring.sealingKey);
      expect(one.ring.seal(utf8('x'))).not.toBeNull();
    }
    expect(names.size).toBeGreaterThanOrEqual(6);
  });

  it('seals no more with a key than it may', async () => {
    const two = new Two();
    const one = two.node(0, { maxSeals: 3 });
    await two.pass(5_000);
    const seals = Array.from({ length: 5 }, () => one.ring.seal(utf8('x')) !== null);
    expect(seals).toEqual([true, true, true, false, false]);
    expect(two.events.map(({ kind }) => kind)).toContain('exhausted');
    expect(one.ring.seal(new Uint8Array(0xff01))).toBeNull();
  });

  it('is not made with times that contradict each other', () => {
    const two = new Two();
    for (const options of [
      { publishSec: 10 },
      { publishSec: 4 * 3600 },
      { ticketLifetimeSec: 3600 * 24 * 30 },
      { maxSeals: 2 ** 33 },
      { rotateEverySec: 0 },
      { pollSec: Number.NaN },
    ]) {
      expect(() => two.node(0, options)).toThrow(expect.objectContaining({ code: 'ERR_TICKET_KEYRING' }));
    }
  });
});

describe('the record of a ring', () => {
  const key = (fill: number, format: 'aead' | 'openssl'): SharedKey => ({
    material:
      format === 'aead'
        ? { format, name: new Uint8Array(16).fill(fill), key: new Uint8Array(32).fill(fill) }
        : {
            format,
            name: new Uint8Array(16).fill(fill),
            hmacKey: new Uint8Array(fill > 9 ? 16 : 32).fill(1),
            aesKey: new Uint8Array(fill > 9 ? 16 : 32).fill(2),
          },
    first: fill % 2 === 1,
    publishedMs: 1_700_000_000_000 + fill,
    startMs: 1_700_000_000_001,
    sealUntilMs: 1_700_000_000_002,
    endMs: 1_700_000_000_003,
  });

  it('is read as it was written, and refused in every other length and of unknown forms', () => {
    const keys = [key(1, 'aead'), key(2, 'openssl'), key(10, 'openssl')];
    const bytes = encodeRing(keys);
    expect(decodeRing(bytes)).toEqual(keys);
    expect(decodeRing(encodeRing([]))).toEqual([]);
    for (let length = 0; length < bytes.length; length++)
      expect(decodeRing(bytes.slice(0, length))).toBeNull();
    expect(decodeRing(Uint8Array.of(...bytes, 0))).toBeNull();
    for (const [at, value] of [
      [0, 2],
      [1, 65],
      [2, 0],
      [2, 4],
      [3, 2],
      [4, 0xff],
    ] as const) {
      const changed = bytes.slice();
      changed[at] = value;
      expect(decodeRing(changed)).toBeNull();
    }
    expect(() => encodeRing(Array.from({ length: 65 }, () => key(1, 'aead')))).toThrow(RangeError);
  });
});
