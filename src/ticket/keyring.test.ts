import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../crypto/node/index.ts';
import { toHex, utf8 } from '../util/bytes.ts';
import { TicketError } from './errors.ts';
import { generateKeyMaterial, type TicketKeyMaterial } from './key-material.ts';
import { type TicketKeyEvent, TicketKeyring, type TicketKeyringOptions } from './keyring.ts';

const T0 = Date.UTC(2026, 0, 1);
const SEC = 1000;
const HOUR = 3600 * SEC;
const TEXT = utf8('a session');

function ring(options: Partial<TicketKeyringOptions> = {}, nowMs = T0): TicketKeyring {
  return TicketKeyring.create({ provider: nodeProvider, ...options }, nowMs);
}

function sealed(keyring: TicketKeyring, nowMs: number): Uint8Array {
  const ticket = keyring.seal(TEXT, nowMs);
  if (ticket === null) throw new Error('no ticket');
  return ticket;
}

/** `opened`, `renew` or the fault. */
function outcome(keyring: TicketKeyring, ticket: Uint8Array, nowMs: number): string {
  const result = keyring.open(ticket, nowMs);
  if (!result.opened) return result.fault;
  expect(toHex(result.plaintext)).toBe(toHex(TEXT));
  return result.renew ? 'renew' : 'opened';
}

function material(fill: number, format: 'aead' | 'openssl' = 'openssl'): TicketKeyMaterial {
  const bytes = (length: number) => new Uint8Array(length).fill(fill);
  return format === 'aead'
    ? { format, name: bytes(16), key: bytes(32) }
    : { format, name: bytes(16), aesKey: bytes(32), hmacKey: bytes(32) };
}

function roles(keyring: TicketKeyring): string {
  return keyring
    .keys()
    .map(({ role, name }) => `${role}:${name.slice(0, 2)}`)
    .join(' ');
}

describe('a keyring that makes its own keys', () => {
  it('seals with the current key, and knows the next one already', () => {
    const keyring = ring();
    expect(keyring.format).toBe('aead');
    expect(keyring.keys().map(({ role }) => role)).toEqual(['next', 'current']);
    const ticket = sealed(keyring, T0);
    const current = keyring.keys()[1];
    expect(toHex(ticket.subarray(1, 17))).toBe(current?.name);
    expect(current?.seals).toBe(1);
    expect(outcome(keyring, ticket, T0)).toBe('opened');
  });

  it('makes keys of the size that the layouts of 48 bytes have, when asked to', () => {
    for (const bytes of [16, 32] as const) {
      const keyring = ring({ format: 'openssl', opensslKeyBytes: bytes });
      for (const { material: made } of keyring.export()) {
        if (made.format !== 'openssl') throw new Error(made.format);
        expect([made.aesKey.length, made.hmacKey.length]).toEqual([bytes, bytes]);
      }
      expect(outcome(keyring, sealed(keyring, T0), T0)).toBe('opened');
    }
    expect(() => ring({ format: 'openssl', opensslKeyBytes: 24 as 16 })).toThrow(TicketError);
  });

  it('rotates by time: what sealed opens until its tickets have expired, and is wiped then', () => {
    const keyring = ring({ ticketLifetimeSec: 7200, rotateEverySec: 12 * 3600 });
    const next = keyring.keys()[0]?.name;
    const ticket = sealed(keyring, T0 + 12 * HOUR - 1);
    expect(outcome(keyring, ticket, T0 + 12 * HOUR - 1)).toBe('opened');
    expect(outcome(keyring, ticket, T0 + 12 * HOUR)).toBe('renew');
    expect(keyring.keys().map(({ role }) => role)).toEqual(['next', 'current', 'previous']);
    expect(keyring.keys()[1]?.name).toBe(next);
    expect(outcome(keyring, ticket, T0 + 14 * HOUR - 1)).toBe('renew');
    expect(outcome(keyring, ticket, T0 + 14 * HOUR)).toBe('no-such-key');
    expect(keyring.keys()).toHaveLength(2);
    expect(outcome(keyring, sealed(keyring, T0 + 14 * HOUR), T0 + 14 * HOUR)).toBe('opened');
  });

  it('ends a key by its time even when nobody called for long', () => {
    const keyring = ring({ ticketLifetimeSec: 7200, rotateEverySec: 3600 * 12 });
    const ticket = sealed(keyring, T0);
    expect(outcome(keyring, ticket, T0 + 100 * HOUR)).toBe('no-such-key');
    expect(keyring.keys().map(({ role }) => role)).toEqual(['next', 'current']);
    expect(keyring.keys()[1]?.activeMs).toBe(T0 + 100 * HOUR);
  });

  it('does nothing when the clock goes back, or is no number', () => {
    const keyring = ring({ ticketLifetimeSec: 3600, rotateEverySec: 3600 });
    const ticket = sealed(keyring, T0 + HOUR);
    const before = roles(keyring);
    expect(outcome(keyring, ticket, T0 - 1000 * HOUR)).toBe('opened');
    expect(outcome(keyring, ticket, Number.NaN)).toBe('opened');
    expect(roles(keyring)).toBe(before);
  });

  it('rotates by seals a key', () => {
    const keyring = ring({ maxSeals: 3 });
    const names = Array.from({ length: 7 }, () => toHex(sealed(keyring, T0).subarray(1, 17)));
    expect(new Set(names.slice(0, 3)).size).toBe(1);
    expect(new Set(names.slice(3, 6)).size).toBe(1);
    expect(new Set(names).size).toBe(3);
    expect(keyring.keys().map(({ seals }) => seals)).toEqual([0, 1, 3, 3]);
  });

  it('seals nothing when all keys are used up, and says so once', () => {
    const events: TicketKeyEvent[] = [];
    const keyring = ring({
      maxSeals: 1,
      maxPrevious: 2,
      ticketLifetimeSec: 3600,
      rotateEverySec: 3600,
      onEvent: (event) => events.push(event),
    });
    const tickets = [1, 2, 3].map(() => sealed(keyring, T0));
    expect(keyring.seal(TEXT, T0)).toBeNull();
    expect(keyring.seal(TEXT, T0)).toBeNull();
    expect(events.filter(({ kind }) => kind === 'exhausted')).toHaveLength(1);
    for (const ticket of tickets) expect(outcome(keyring, ticket, T0 + HOUR - 1)).not.toBe('no-such-key');
    expect(keyring.seal(TEXT, T0 + HOUR)).not.toBeNull();
  });

  it('keeps its current key past its time while there is no room for another previous one', () => {
    const keyring = ring({ maxSeals: 2, maxPrevious: 1, ticketLifetimeSec: 100, rotateEverySec: 100 });
    for (let i = 0; i < 3; i++) sealed(keyring, T0 + 50 * SEC);
    const current = keyring.keys()[1]?.name;
    // Its time is over at 150 s; the previous key is needed until 150 s as well.
    sealed(keyring, T0 + 149 * SEC);
    expect(keyring.keys()[1]?.name).toBe(current);
    sealed(keyring, T0 + 150 * SEC);
    expect(keyring.keys()[1]?.name).not.toBe(current);
    expect(keyring.keys()[2]?.name).toBe(current);
  });

  it('does not use a key before it is published for long enough', () => {
    const keyring = ring({ maxSeals: 1, publishSec: 60 });
    sealed(keyring, T0);
    expect(keyring.seal(TEXT, T0 + 59 * SEC)).toBeNull();
    expect(() => keyring.rotate(T0 + 59 * SEC)).toThrow(/not published for long enough/);
    sealed(keyring, T0 + 60 * SEC);
    expect(keyring.seal(TEXT, T0 + 119 * SEC)).toBeNull();
    keyring.rotate(T0 + 120 * SEC);
    sealed(keyring, T0 + 120 * SEC);
  });

  it('rotates by hand', () => {
    const keyring = ring({ maxPrevious: 1, ticketLifetimeSec: 60, rotateEverySec: 3600 });
    const ticket = sealed(keyring, T0);
    keyring.rotate(T0);
    expect(outcome(keyring, ticket, T0)).toBe('renew');
    expect(() => keyring.rotate(T0 + SEC)).toThrow(/as many previous ticket keys/);
    keyring.rotate(T0 + 60 * SEC);
    expect(outcome(keyring, ticket, T0 + 60 * SEC)).toBe('no-such-key');
  });

  it("may make keys of OpenSSL's form", () => {
    const keyring = ring({ format: 'openssl' });
    expect(keyring.format).toBe('openssl');
    const ticket = sealed(keyring, T0);
    expect(toHex(ticket.subarray(0, 16))).toBe(keyring.keys()[1]?.name);
    const result = keyring.open(ticket, T0);
    expect(result.opened && result.format).toBe('openssl');
  });

  it('tells of every change, when it is done', () => {
    const seen: string[] = [];
    const keyring: TicketKeyring = ring({
      ticketLifetimeSec: 3600,
      rotateEverySec: 7200,
      onEvent: ({ kind, key, atMs }) => {
        seen.push(`${kind} ${key.role} ${(atMs - T0) / HOUR}`);
        // A listener may look at the ring, and send it to others.
        if (kind === 'current') expect(keyring.export().map(({ role }) => role)[0]).toBe('next');
      },
    });
    keyring.advance(T0 + 2 * HOUR);
    keyring.advance(T0 + 3 * HOUR);
    expect(seen).toEqual([
      'created next 0',
      'previous previous 2',
      'current current 2',
      'created next 2',
      'wiped previous 3',
    ]);
  });

  it('gives no ticket for what is too long', () => {
    const keyring = ring();
    expect(keyring.seal(new Uint8Array(0xff00), T0)).not.toBeNull();
    expect(keyring.seal(new Uint8Array(0xff01), T0)).toBeNull();
  });

  it('says why it does not open', () => {
    const keyring = ring();
    const fail = (ticket: Uint8Array) => {
      const result = keyring.open(ticket, T0);
      return result.opened ? null : [result.reason, result.fault];
    };
    expect(fail(new Uint8Array(0))).toEqual(['empty-ticket', 'empty']);
    expect(fail(new Uint8Array(200))).toEqual(['unknown-key', 'no-such-key']);
    const ticket = sealed(keyring, T0);
    expect(fail(ticket.subarray(0, 20))).toEqual(['bad-ticket', 'bad-length']);
    ticket[ticket.length - 1] = (ticket[ticket.length - 1] as number) ^ 1;
    expect(fail(ticket)).toEqual(['bad-ticket', 'bad-mac']);
    expect(fail(sealed(ring(), T0))).toEqual(['unknown-key', 'no-such-key']);
  });
});

describe('rules that contradict each other', () => {
  const refused = (options: Partial<TicketKeyringOptions>): string => {
    try {
      ring(options);
    } catch (error) {
      expect(error).toBeInstanceOf(TicketError);
      expect((error as TicketError).code).toBe('ERR_TICKET_KEYRING');
      return (error as TicketError).message;
    }
    return '';
  };

  it('are refused: previous keys that end before their tickets', () => {
    expect(refused({ ticketLifetimeSec: 7200, keepSec: 7199 })).toMatch(/before their tickets/);
    expect(refused({ ticketLifetimeSec: 7200, keepSec: 7200 })).toBe('');
    // By number too: at one rotation a minute, 120 keys have tickets that live two hours.
    expect(refused({ ticketLifetimeSec: 7200, rotateEverySec: 60 })).toMatch(/120 previous keys/);
    expect(refused({ ticketLifetimeSec: 7200, rotateEverySec: 60, maxPrevious: 120 })).toBe('');
    expect(refused({ ticketLifetimeSec: 604_800, rotateEverySec: 43_200, maxPrevious: 13 })).toMatch(/14/);
  });

  it('are refused: publishing for longer than a key seals, counts that are none', () => {
    expect(refused({ publishSec: 43_201 })).toMatch(/cannot be published/);
    for (const options of [
      { ticketLifetimeSec: 0 },
      { ticketLifetimeSec: Number.NaN },
      { rotateEverySec: 0 },
      { publishSec: -1 },
      { maxSeals: 0 },
      { maxSeals: 2 ** 32 + 1 },
      { maxSeals: 1.5 },
      { maxPrevious: -1 },
      { maxPrevious: 257 },
    ]) {
      expect(refused(options)).toMatch(/must be/);
    }
  });

  it('are refused: sets of keys that are none', () => {
    const current = { role: 'current', material: material(1) } as const;
    expect(refused({ keys: [] })).toMatch(/not 0 and 0/);
    expect(refused({ keys: [current, { role: 'current', material: material(2) }] })).toMatch(/not 2 and 0/);
    expect(
      refused({
        keys: [current, { role: 'next', material: material(2) }, { role: 'next', material: material(3) }],
      }),
    ).toMatch(/not 1 and 2/);
    expect(refused({ keys: [current, { role: 'previous', material: material(1) }] })).toMatch(
      /two ticket keys/,
    );
    expect(refused({ maxPrevious: 0, keys: [current, { role: 'previous', material: material(2) }] })).toMatch(
      /1 previous ticket keys are needed/,
    );
    const bad = { ...material(1), name: new Uint8Array(15) };
    expect(() => ring({ keys: [{ role: 'current', material: bad }] })).toThrow(/name is 16 bytes/);
    const mixed = { ...material(1), hmacKey: new Uint8Array(16) } as TicketKeyMaterial;
    expect(() => ring({ keys: [{ role: 'current', material: mixed }] })).toThrow(/16 or 32 bytes each/);
    const aead = { ...material(1, 'aead'), key: new Uint8Array(16) } as TicketKeyMaterial;
    expect(() => ring({ keys: [{ role: 'current', material: aead }] })).toThrow(/32 bytes, not 16/);
  });
});

describe('keys from outside', () => {
  it('stay until they are changed', () => {
    const keyring = ring({
      keys: [
        { role: 'current', material: material(1) },
        { role: 'previous', material: material(2) },
        { role: 'next', material: material(3, 'aead') },
      ],
    });
    expect(roles(keyring)).toBe('next:03 current:01 previous:02');
    const ticket = sealed(keyring, T0);
    expect(outcome(keyring, ticket, T0 + 10_000 * HOUR)).toBe('opened');
    expect(roles(keyring)).toBe('next:03 current:01 previous:02');
    keyring.rotate(T0);
    expect(keyring.format).toBe('aead');
    expect(() => keyring.rotate(T0)).toThrow(/there is no next/);
    expect(outcome(keyring, ticket, T0)).toBe('renew');
  });

  it('are copied, and the copies are wiped at the end', () => {
    const own = material(7);
    const given = { ...own } as TicketKeyMaterial & { format: 'openssl' };
    const keyring = ring({ keys: [{ role: 'current', material: given }] });
    given.aesKey.fill(0);
    const exported = keyring.export()[0]?.material;
    if (exported?.format !== 'openssl') throw new Error('no key');
    expect(exported.aesKey[0]).toBe(7);
    keyring.destroy();
    keyring.destroy();
    expect(exported.aesKey[0]).toBe(7);
    for (const call of [
      () => keyring.seal(TEXT, T0),
      () => keyring.open(TEXT, T0),
      () => keyring.advance(T0),
      () => keyring.rotate(T0),
      () => keyring.export(),
      () => keyring.format,
      () => keyring.install([], T0),
    ]) {
      expect(call).toThrow(/was destroyed/);
    }
    expect(keyring.keys()).toEqual([]);
  });

  it('replace each other with an overlap: what sealed before opens until its tickets expire', () => {
    const keyring = ring({ ticketLifetimeSec: 3600, keys: [{ role: 'current', material: material(1) }] });
    const ticket = sealed(keyring, T0);
    keyring.install([{ role: 'current', material: material(2) }], T0 + HOUR);
    expect(roles(keyring)).toBe('current:02 previous:01');
    expect(outcome(keyring, ticket, T0 + 2 * HOUR - 1)).toBe('renew');
    expect(outcome(keyring, ticket, T0 + 2 * HOUR)).toBe('no-such-key');
  });

  it('or without, where it is asked for', () => {
    const keyring = ring({ keys: [{ role: 'current', material: material(1) }] });
    const ticket = sealed(keyring, T0);
    keyring.install([{ role: 'current', material: material(2) }], T0, { forget: true });
    expect(outcome(keyring, ticket, T0)).toBe('no-such-key');
  });

  it('keep their count of seals when they stay', () => {
    const keyring = ring({ maxSeals: 2, keys: [{ role: 'current', material: material(1) }] });
    sealed(keyring, T0);
    keyring.install([{ role: 'current', material: material(1) }], T0);
    sealed(keyring, T0);
    expect(keyring.seal(TEXT, T0)).toBeNull();
  });

  it('change nothing when one of them is wrong', () => {
    const keyring = ring({ keys: [{ role: 'current', material: material(1) }] });
    const before = roles(keyring);
    const bad = { ...material(3), hmacKey: new Uint8Array(3) } as TicketKeyMaterial;
    expect(() =>
      keyring.install(
        [
          { role: 'current', material: material(2) },
          { role: 'previous', material: bad },
        ],
        T0,
      ),
    ).toThrow(TicketError);
    expect(() => keyring.install([], T0)).toThrow(TicketError);
    expect(roles(keyring)).toBe(before);
    expect(outcome(keyring, sealed(keyring, T0), T0)).toBe('opened');
  });

  it('carry a ring into another process, which follows it through rotations', () => {
    const rules = { ticketLifetimeSec: 3600, rotateEverySec: 7200, publishSec: 600 };
    const first = ring(rules);
    const second = ring({ ...rules, keys: first.export() }, T0 + HOUR);
    expect(second.keys()).toEqual(first.keys());
    const early = sealed(first, T0 + HOUR);
    expect(outcome(second, early, T0 + HOUR)).toBe('opened');
    // The clocks differ by some seconds: one rotates before the other, which knows the key already.
    const ahead = sealed(first, T0 + 2 * HOUR);
    expect(outcome(second, ahead, T0 + 2 * HOUR - 5 * SEC)).toBe('opened');
    expect(outcome(first, sealed(second, T0 + 2 * HOUR - SEC), T0 + 2 * HOUR)).toBe('renew');
    second.install(first.export(), T0 + 2 * HOUR + SEC);
    expect(second.keys().map(({ name }) => name)).toEqual(first.keys().map(({ name }) => name));
    expect(outcome(second, early, T0 + 3 * HOUR)).toBe('no-such-key');
  });
});

describe('secrets', () => {
  it('are in no text that a ring gives of itself', () => {
    const secret = generateKeyMaterial((length) => new Uint8Array(length).fill(0xc3), 'aead');
    const keyring = ring({ keys: [{ role: 'current', material: { ...secret, name: new Uint8Array(16) } }] });
    const texts = [inspect(keyring, { depth: 9, showHidden: true }), JSON.stringify(keyring)];
    for (const text of texts) expect(text).not.toMatch(/c3c3|195, ?195/i);
    expect(JSON.parse(texts[1] as string)).toMatchObject({
      ticketLifetimeSec: 7200,
      keys: [{ role: 'current' }],
    });
  });

  it('are wiped when a key ends', () => {
    const taken: Uint8Array[] = [];
    const random = (length: number) => {
      const bytes = nodeProvider.random(length);
      taken.push(bytes);
      return bytes;
    };
    const keyring = ring({ random, ticketLifetimeSec: 60, rotateEverySec: 60 });
    const [, currentKey, , nextKey] = taken as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    keyring.advance(T0 + 60 * SEC);
    expect(currentKey.some((byte) => byte !== 0)).toBe(true);
    keyring.advance(T0 + 120 * SEC);
    expect(currentKey.every((byte) => byte === 0)).toBe(true);
    expect(nextKey.some((byte) => byte !== 0)).toBe(true);
    keyring.destroy();
    expect(nextKey.every((byte) => byte === 0)).toBe(true);
  });
});
