import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TicketError } from './errors.ts';
import { decodeKeyRecords, encodeKeyRecords } from './key-records.ts';
import type { TicketKeyRecord } from './keyring.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const time = fc.option(fc.nat(2 ** 40), { nil: undefined });
const material = fc.oneof(
  fc.record({ format: fc.constant('aead' as const), name: bytes(16), key: bytes(32) }),
  fc.constantFrom(16, 32).chain((length) =>
    fc.record({
      format: fc.constant('openssl' as const),
      name: bytes(16),
      aesKey: bytes(length),
      hmacKey: bytes(length),
    }),
  ),
);
const record = fc
  .record({
    role: fc.constantFrom('next' as const, 'current' as const, 'previous' as const),
    material,
    createdMs: time,
    activeMs: time,
    retiredMs: time,
  })
  .map(
    (each) =>
      Object.fromEntries(Object.entries(each).filter(([, v]) => v !== undefined)) as never as TicketKeyRecord,
  );
const records = fc.uniqueArray(record, { maxLength: 6, selector: ({ material: { name } }) => String(name) });

describe('records of ticket keys', () => {
  it('come back as they were, in memory of their own', () => {
    fc.assert(
      fc.property(records, (list) => {
        const encoded = encodeKeyRecords(list);
        const decoded = decodeKeyRecords(Buffer.from(encoded));
        encoded.fill(0xee);
        expect(decoded).toEqual(list);
      }),
      { seed: 1 },
    );
  });

  it('are refused where they break off, have more, or are changed in what is not key or time', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(record, { minLength: 1, maxLength: 2, selector: (r) => String(r.material.name) }),
        (list) => {
          const encoded = encodeKeyRecords(list);
          for (let i = 0; i < encoded.length; i++) {
            expect(() => decodeKeyRecords(encoded.subarray(0, i))).toThrow(TicketError);
          }
          expect(() => decodeKeyRecords(Uint8Array.from([...encoded, 0]))).toThrow(TicketError);
          for (const at of [0, 1, 2, 3, 4, 5, 46]) {
            const changed = encoded.slice();
            changed[at] = (changed[at] as number) ^ 0x80;
            expect(() => decodeKeyRecords(changed)).toThrow(TicketError);
          }
        },
      ),
      { seed: 2, numRuns: 30 },
    );
  });

  it('are refused when two have one name, or when they are too many', () => {
    const one = {
      role: 'previous' as const,
      material: { format: 'aead' as const, name: new Uint8Array(16), key: new Uint8Array(32) },
    };
    expect(() => decodeKeyRecords(encodeKeyRecords([one, one]))).toThrow(/one name/);
    expect(() => encodeKeyRecords(Array(259).fill(one))).toThrow(TicketError);
    expect(() => encodeKeyRecords([{ ...one, createdMs: -1 }])).toThrow(TicketError);
  });

  it('never throw anything else at whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const framed = Uint8Array.from([1, noise.length >> 8, noise.length & 0xff, ...noise]);
        for (const input of [noise, framed]) {
          try {
            decodeKeyRecords(input);
          } catch (error) {
            if (!(error instanceof TicketError)) throw error;
          }
        }
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
