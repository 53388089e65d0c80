/**
 * The keyring of a fleet through thousands of rotations: 50 nodes whose clocks differ by up to a minute, that
 * join, die (also with the lock in their hands) and are cut off; a store that loses what it acknowledged, is
 * emptied, or is gone for an hour. What is checked knows nothing of how the keyring works:
 *
 * - a ticket that lives opens on every node that reaches the store, or was cut off for less than is promised;
 * - no node seals with a key that such a node has not got (but for the first of a fleet, and of a store that was
 *   emptied while a node joined, for which the others look when they first see it);
 * - no key lives past its end, on any node or in the store.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { FleetKeyring } from '../../src/fleet/keyring.ts';
import { decodeRing } from '../../src/fleet/ring-record.ts';
import { SecretBox } from '../../src/fleet/secret-box.ts';
import { toHex, utf8 } from '../../src/util/bytes.ts';
import type { Random } from '../support/random.ts';
import { Central, clockOf, type Link, RemoteStore, timersOf, World } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 0, 1);
const SKEW = MINUTE;

/** Seconds, as the keyring takes them. */
const RULES = {
  ticketLifetimeSec: 2 * 3600,
  rotateEverySec: 4 * 3600,
  publishSec: 80 * 60,
  extendSec: 80 * 60,
  pollSec: 30 * 60,
  maxClockSkewSec: SKEW / 1000,
} as const;
const ROTATE = RULES.rotateEverySec * 1000;
const LIFE = RULES.ticketLifetimeSec * 1000;
/** How long all of them may be. */
const ALL_CUT_OFF = RULES.extendSec * 1000;
/** How long a node may be cut off and still have every key. */
const CUT_OFF = (RULES.publishSec - 2 * RULES.pollSec) * 1000;

interface Node {
  readonly id: number;
  readonly ring: FleetKeyring;
  readonly link: Link;
  readonly aheadMs: number;
  /** Keys that it has, by its own word. */
  readonly keys: Set<string>;
  ready: boolean;
  lastCutMs: number;
}

interface Ticket {
  readonly bytes: Uint8Array;
  readonly key: string;
  /** On the clock of the node that sealed it. */
  readonly sealedAtMs: number;
  readonly text: string;
}

interface Counts {
  sealed: number;
  noTicket: number;
  opened: number;
  afterRefresh: number;
  deaths: number;
  deathsWithLock: number;
  restored: number;
  /** Keys that were published too late for their turn, so that the key before sealed beyond its own. */
  late: number;
}

class Fleet {
  readonly world: World;
  readonly central: Central;
  readonly nodes: Node[] = [];
  readonly counts: Counts = {
    sealed: 0,
    noTicket: 0,
    opened: 0,
    afterRefresh: 0,
    deaths: 0,
    deathsWithLock: 0,
    restored: 0,
    late: 0,
  };
  /** Every key that sealed, and its end. */
  readonly sealingKeys: Map<string, number> = new Map();
  readonly #firsts: Set<string> = new Set();
  readonly faults: string[] = [];
  readonly #box: SecretBox;
  #ids = 0;
  #quietUntilMs = 0;
  /** Chance that a node dies when it gets the lock. */
  deadly = 0;
  loss = 0;

  constructor(seed: number) {
    this.world = new World(seed, T0);
    this.central = new Central(this.world);
    this.#box = new SecretBox(this.world.provider, 'the secret of the fleet that is simulated');
  }

  get random(): Random {
    return this.world.random;
  }

  join(): Node {
    const { world, random } = this;
    const aheadMs = Math.round(random.between(-SKEW / 2, SKEW / 2));
    const clock = clockOf(world, aheadMs);
    const link: Link = { cutUntilMs: 0, dead: false };
    const store = new RemoteStore(this.central, clock, link, this.loss);
    const keys = new Set<string>();
    const ring = new FleetKeyring({
      ...RULES,
      provider: world.provider,
      store,
      box: this.#box,
      timers: timersOf(world),
      clock,
      onEvent: (event) => {
        if (event.kind === 'learned') keys.add(event.key as string);
        else if (event.kind === 'wiped') keys.delete(event.key as string);
        else if (event.kind === 'restored') this.counts.restored++;
        else if (event.kind === 'sealing') this.#seals(node, event.key as string);
      },
    });
    const node: Node = { id: this.#ids++, ring, link, aheadMs, keys, ready: false, lastCutMs: 0 };
    this.nodes.push(node);
    store.onLock = () => {
      if (!random.chance(this.deadly)) return;
      this.counts.deathsWithLock++;
      // At once, or anywhere in what it does with the lock.
      world.after(random.chance(0.5) ? 0 : random.between(0, 300), () => this.die(node));
    };
    void ring.start();
    return node;
  }

  die(node: Node): void {
    const at = this.nodes.indexOf(node);
    if (at < 0) return;
    this.counts.deaths++;
    this.nodes.splice(at, 1);
    node.link.dead = true;
    node.ring.destroy();
  }

  cutOff(node: Node, ms: number): void {
    node.link.cutUntilMs = Math.max(node.link.cutUntilMs, this.world.nowMs + ms);
    node.lastCutMs = this.world.nowMs;
  }

  /** No node reaches the store; not if that was so a rotation ago, since nothing is promised for that. */
  outage(ms: number): boolean {
    const { world, central } = this;
    if (world.nowMs < this.#quietUntilMs) return false;
    this.#quietUntilMs = world.nowMs + ms + ROTATE;
    central.down = true;
    world.after(ms, () => {
      central.down = false;
    });
    return true;
  }

  /** The next key is lost again and again before all have it; in between the store is gone for as long as may be. */
  #loseNext(): void {
    const { world, central, random } = this;
    const lose = (): void => central.entries.clear();
    world.after(random.between(70, 78) * MINUTE, () => {
      if (!this.outage(ALL_CUT_OFF)) return;
      lose();
      world.after(ALL_CUT_OFF + random.between(30, 50) * MINUTE, lose);
    });
  }

  /** Whether a node has reached the store as it must, to be held to what is promised. */
  isHeld(node: Node): boolean {
    return node.ready && !node.link.dead;
  }

  #seals(node: Node, key: string): void {
    node.ready = true;
    const info = node.ring.keys().find(({ name }) => name === key);
    if (info === undefined) throw new Error('sealing with a key that is not there');
    if (!this.sealingKeys.has(key)) {
      this.sealingKeys.set(key, info.endMs);
      // A first key is used as soon as it is made.
      if (info.startMs === info.publishedMs) this.#firsts.add(key);
      else if (info.publishedMs + RULES.publishSec * 1000 + SKEW > info.startMs) this.counts.late++;
      this.world.at(info.endMs + SKEW / 2 + 1000, () => this.#checkGone(key));
      if (this.sealingKeys.size % 15 === 0) this.#loseNext();
    }
    if (this.#firsts.has(key)) return;
    for (const other of this.nodes) {
      if (this.isHeld(other) && !other.keys.has(key)) {
        this.faults.push(`node ${node.id} seals with ${key.slice(0, 8)}, which node ${other.id} has not got`);
      }
    }
  }

  #checkGone(key: string): void {
    for (const node of this.nodes) {
      if (node.keys.has(key) || node.ring.keys().some(({ name }) => name === key)) {
        this.faults.push(`node ${node.id} has ${key.slice(0, 8)} past its end`);
      }
    }
    const place = 'k:ring';
    const record = this.central.get(place);
    const bytes = record === null ? null : this.#box.open(record, 'ticket keys', place);
    if (bytes === null) return;
    const ring = typeof bytes === 'string' ? null : decodeRing(bytes);
    if (ring === null) this.faults.push('the store holds no ring');
    // A record that nobody has reason to rewrite keeps its bytes until the next rotation; what is opened by no
    // node seals and opens nothing, and is gone at the latest with the next key.
    const stale = ring?.some(({ material, endMs }) => {
      return toHex(material.name) === key && this.world.nowMs > endMs + ROTATE + HOUR;
    });
    if (stale === true) this.faults.push(`the store has ${key.slice(0, 8)} long past its end`);
  }

  seal(): Ticket | null {
    const ready = this.nodes.filter((node) => node.ready);
    if (ready.length === 0) return null;
    const node = this.random.pick(ready);
    const text = `ticket ${this.counts.sealed}`;
    const bytes = node.ring.seal(utf8(text));
    if (bytes === null) {
      this.counts.noTicket++;
      return null;
    }
    this.counts.sealed++;
    return {
      bytes,
      key: node.ring.sealingKey as string,
      sealedAtMs: this.world.nowMs + node.aheadMs,
      text,
    };
  }

  /** Opens a ticket as a server does, somewhere; what does not open and should is a fault. */
  open(ticket: Ticket): void {
    const held = this.nodes.filter((node) => this.isHeld(node));
    if (held.length === 0) return;
    const node = this.random.pick(held);
    const sealed = `${ticket.text}, sealed with ${ticket.key.slice(0, 8)}`;
    const lives = (): boolean => this.world.nowMs + node.aheadMs < ticket.sealedAtMs + LIFE;
    if (!lives()) return;
    const judge = (): boolean => {
      const result = node.ring.open(ticket.bytes);
      if (!result.opened) return false;
      if (new TextDecoder().decode(result.plaintext) !== ticket.text)
        this.faults.push(`${sealed}: another text`);
      this.counts.opened++;
      return true;
    };
    if (judge()) return;
    const refreshed = async (): Promise<void> => {
      // A server would ask once; here once more, where the network lost the question.
      for (let i = 0; i < 4; i++) {
        await new Promise<void>((done) => this.world.after(i === 0 ? 0 : 1500, done));
        if (node.link.dead) return;
        await node.ring.refresh();
        if (node.link.dead || !lives()) return;
        if (judge()) {
          this.counts.afterRefresh++;
          return;
        }
      }
      this.faults.push(`${sealed}: node ${node.id} does not open it`);
    };
    void refreshed();
  }

  destroy(): void {
    for (const node of this.nodes.splice(0)) node.ring.destroy();
  }
}

let fleet: Fleet | null = null;
afterEach(() => fleet?.destroy());

/** Tickets are made at random times, each opened a few times while it lives. */
function traffic(under: Fleet, count: number, fromMs: number, spanMs: number): void {
  const { world, random } = under;
  for (let i = 0; i < count; i++) {
    world.at(fromMs + random.between(0, spanMs), () => {
      const ticket = under.seal();
      if (ticket === null) return;
      for (let n = 0; n < 3; n++) world.after(random.between(0, LIFE), () => under.open(ticket));
    });
  }
}

async function grow(under: Fleet, count: number): Promise<void> {
  for (let i = 0; i < count; i++) under.world.after(under.random.between(0, 5_000), () => under.join());
  await under.world.runUntil(under.world.nowMs + 10 * MINUTE);
  expect(under.nodes.filter(({ ready }) => ready)).toHaveLength(count);
}

describe('a fleet of 50 nodes', () => {
  it('rotates 1,000 times through faults of every kind, loses no ticket, and keeps no key too long', {
    timeout: 300_000,
  }, async () => {
    fleet = new Fleet(20_261_125);
    const { world, random, central } = fleet;
    await grow(fleet, 50);
    fleet.loss = 0.01;
    fleet.deadly = 0.1;
    const rotations = 1020;
    for (let rotation = 0; rotation < rotations; rotation++) {
      const beganMs = world.nowMs;
      const under = fleet;
      const sometime = (run: () => void, spanMs = ROTATE): void => {
        world.at(beganMs + random.between(0, spanMs), run);
      };
      traffic(under, 20, beganMs, ROTATE);
      // Nodes come and go, and are cut off for as long as they may be.
      for (let i = 0; i < 2; i++) sometime(() => under.die(random.pick(under.nodes)));
      for (let i = 0; i < 4; i++) {
        sometime(() => under.cutOff(random.pick(under.nodes), random.between(0, CUT_OFF)));
      }
      sometime(() => {
        while (under.nodes.length < 50) under.join();
      });
      // A replica that is up to a minute behind takes over: what was acknowledged since is gone.
      if (rotation % 4 === 1) {
        sometime(() => {
          central.replicate();
          world.after(random.between(0, MINUTE), () => central.failOver());
        });
      }
      if (rotation % 25 === 7) sometime(() => central.entries.clear());
      if (rotation % 20 === 3) {
        sometime(() => under.outage(HOUR));
      }
      await world.runUntil(beganMs + ROTATE);
      expect(under.faults.slice(0, 5)).toEqual([]);
    }
    const { counts } = fleet;
    expect(fleet.sealingKeys.size).toBeGreaterThanOrEqual(1000);
    expect(counts.opened).toBeGreaterThan(50_000);
    // Hardly a moment without a key to seal with, and hardly a ticket for which a node had to look.
    expect(counts.noTicket).toBeLessThan(counts.sealed / 200);
    expect(counts.afterRefresh).toBeLessThan(counts.opened / 200);
    expect(counts.deathsWithLock).toBeGreaterThan(50);
    expect(counts.restored).toBeGreaterThan(20);
    expect(counts.late).toBeGreaterThan(20);
  });
});
