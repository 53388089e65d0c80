/**
 * The keyring against a model that knows nothing of keys, only of tickets: whatever happens to the ring, a
 * ticket opens to what was sealed for as long as it lives, a key seals no more than it may, and a key is gone
 * when it has to be.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { TicketError } from '../../src/ticket/errors.ts';
import { generateKeyMaterial } from '../../src/ticket/key-material.ts';
import { type TicketKeyEvent, TicketKeyring } from '../../src/ticket/keyring.ts';
import type { TicketFormat } from '../../src/ticket/sealer.ts';
import { toHex } from '../../src/util/bytes.ts';

interface Rules {
  readonly format: TicketFormat;
  readonly ticketLifetimeSec: number;
  readonly extraKeepSec: number;
  readonly rotateEverySec: number;
  readonly publishShare: number;
  readonly maxSeals: number;
  readonly sparePrevious: number;
}

type Step =
  | { readonly kind: 'seal'; readonly length: number }
  | { readonly kind: 'open'; readonly which: number }
  | { readonly kind: 'tamper'; readonly which: number; readonly at: number; readonly bit: number }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'rotate' }
  | { readonly kind: 'install'; readonly format: TicketFormat }
  | { readonly kind: 'carry' };

interface Ticket {
  readonly bytes: Uint8Array;
  readonly plaintext: string;
  readonly sealedMs: number;
  readonly key: string;
}

const rules: fc.Arbitrary<Rules> = fc.record({
  format: fc.constantFrom('aead', 'openssl'),
  ticketLifetimeSec: fc.integer({ min: 1, max: 500 }),
  extraKeepSec: fc.integer({ min: 0, max: 100 }),
  rotateEverySec: fc.integer({ min: 60, max: 1000 }),
  publishShare: fc.constantFrom(0, 0, 0.1, 1),
  maxSeals: fc.constantFrom(1, 2, 5, 1000),
  sparePrevious: fc.integer({ min: 0, max: 4 }),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('seal' as const), length: fc.nat({ max: 40 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('tamper' as const),
      which: fc.nat(),
      at: fc.nat(),
      bit: fc.integer({ min: 0, max: 7 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 0, max: 400 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('install' as const),
      format: fc.constantFrom('aead' as const, 'openssl' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('carry' as const) }) },
);

class Run {
  nowMs = 1_700_000_000_000;
  ring: TicketKeyring;
  readonly #options;
  readonly #tickets: Ticket[] = [];
  readonly #seals = new Map<string, number>();
  /** When a key became known, for what may seal. The first key of all is exempt. */
  readonly #known = new Map<string, number>();
  readonly #rules: Rules;
  readonly #keepSec: number;

  constructor(given: Rules) {
    this.#rules = given;
    this.#keepSec = given.ticketLifetimeSec + given.extraKeepSec;
    this.#options = {
      provider: nodeProvider,
      format: given.format,
      ticketLifetimeSec: given.ticketLifetimeSec,
      keepSec: this.#keepSec,
      rotateEverySec: given.rotateEverySec,
      publishSec: given.rotateEverySec * given.publishShare,
      maxSeals: given.maxSeals,
      maxPrevious: Math.ceil(this.#keepSec / given.rotateEverySec) + given.sparePrevious,
      onEvent: (event: TicketKeyEvent) => {
        if (event.kind === 'created') this.#known.set(event.key.name, event.atMs);
      },
    };
    this.ring = TicketKeyring.create(this.#options, this.nowMs);
  }

  #alive({ sealedMs }: Ticket): boolean {
    return this.nowMs - sealedMs < this.#rules.ticketLifetimeSec * 1000;
  }

  do(step: Step): void {
    switch (step.kind) {
      case 'wait':
        this.nowMs += step.seconds * 1000;
        break;
      case 'seal':
        this.#seal(step.length);
        break;
      case 'open':
        this.#open(step.which);
        break;
      case 'tamper':
        this.#tamper(step.which, step.at, step.bit);
        break;
      case 'rotate':
        this.#mayRefuse(() => this.ring.rotate(this.nowMs));
        break;
      case 'install': {
        const random = (length: number) => nodeProvider.random(length);
        const material = generateKeyMaterial(random, step.format);
        this.#mayRefuse(() => this.ring.install([{ role: 'current', material }], this.nowMs));
        break;
      }
      case 'carry': {
        // The ring goes on in another process: all tickets with it.
        const records = this.ring.export();
        const seals = new Map(this.ring.keys().map(({ name, seals }) => [name, seals]));
        this.ring.destroy();
        this.ring = TicketKeyring.create({ ...this.#options, keys: records }, this.nowMs);
        // Each process counts its own seals.
        for (const name of seals.keys()) this.#seals.delete(name);
        break;
      }
    }
    this.#invariants();
  }

  #mayRefuse(change: () => void): void {
    const before = JSON.stringify(this.ring.keys());
    this.ring.advance(this.nowMs);
    const advanced = JSON.stringify(this.ring.keys());
    try {
      change();
    } catch (error) {
      if (!(error instanceof TicketError)) throw error;
      expect([before, advanced]).toContain(JSON.stringify(this.ring.keys()));
    }
  }

  #seal(length: number): void {
    const plaintext = nodeProvider.random(length);
    const bytes = this.ring.seal(plaintext, this.nowMs);
    if (bytes === null) {
      // Only for want of a key that may seal.
      const current = this.ring.keys().find(({ role }) => role === 'current');
      expect(current?.seals).toBe(this.#rules.maxSeals);
      return;
    }
    const key = this.ring.keys().find(({ role }) => role === 'current')?.name ?? '';
    const seals = (this.#seals.get(key) ?? 0) + 1;
    this.#seals.set(key, seals);
    expect(seals).toBeLessThanOrEqual(this.#rules.maxSeals);
    const known = this.#known.get(key);
    if (known !== undefined) {
      const publishMs = this.#rules.rotateEverySec * this.#rules.publishShare * 1000;
      expect(this.nowMs - known).toBeGreaterThanOrEqual(publishMs);
    }
    this.#tickets.push({ bytes, plaintext: toHex(plaintext), sealedMs: this.nowMs, key });
  }

  #open(which: number): void {
    const ticket = this.#tickets[which % (this.#tickets.length || 1)];
    if (ticket === undefined) return;
    const result = this.ring.open(ticket.bytes, this.nowMs);
    if (result.opened) {
      expect(toHex(result.plaintext)).toBe(ticket.plaintext);
      const role = this.ring.keys().find(({ name }) => name === ticket.key)?.role;
      expect(result.renew).toBe(role === 'previous');
    } else {
      expect(result.fault).toBe('no-such-key');
      expect(this.#alive(ticket)).toBe(false);
    }
  }

  #tamper(which: number, at: number, bit: number): void {
    const ticket = this.#tickets[which % (this.#tickets.length || 1)];
    if (ticket === undefined) return;
    const changed = ticket.bytes.slice();
    const index = at % changed.length;
    changed[index] = (changed[index] as number) ^ (1 << bit);
    expect(this.ring.open(changed, this.nowMs).opened).toBe(false);
  }

  #invariants(): void {
    this.ring.advance(this.nowMs);
    const keys = this.ring.keys();
    expect(keys.filter(({ role }) => role === 'current')).toHaveLength(1);
    expect(keys.filter(({ role }) => role === 'next')).toHaveLength(1);
    expect(new Set(keys.map(({ name }) => name)).size).toBe(keys.length);
    expect(keys.filter(({ role }) => role === 'previous').length).toBeLessThanOrEqual(
      this.#options.maxPrevious,
    );
    for (const { role, endMs } of keys) if (role === 'previous') expect(endMs).toBeGreaterThan(this.nowMs);
    // No ticket that lives has lost its key.
    const names = new Set(keys.map(({ name }) => name));
    for (const ticket of this.#tickets) if (this.#alive(ticket)) expect(names).toContain(ticket.key);
  }
}

describe('a keyring, whatever happens to it', () => {
  it('opens every ticket that lives, and keeps its own rules', () => {
    fc.assert(
      fc.property(rules, fc.array(step, { minLength: 5, maxLength: 60 }), (given, steps) => {
        const run = new Run(given);
        for (const each of steps) run.do(each);
        run.ring.destroy();
      }),
      { numRuns: 400, seed: 20_261_123 },
    );
  });
});
