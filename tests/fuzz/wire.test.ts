/**
 * Every parser of the wire, and the deframer below them, on bytes that nobody means well with: typed errors and no
 * others, input left alone, no more made of it than was in it. `corpus/wire.json` has what is right for each parser;
 * from there fast-check goes astray. A parser that is not in the list fails here.
 * `FUZZ_RUNS` sets the number of runs, `FUZZ_SEED` the seed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MessageJoiner } from '../../src/record/message-joiner.ts';
import { RecordReader, readAlert } from '../../src/record/record-reader.ts';
import { fromHex, toHex } from '../../src/util/bytes.ts';
import { TlsAlertError } from '../../src/util/errors.ts';
import { DEFAULT_LIMITS } from '../../src/util/limits.ts';
import { readAlpnAnswer, readAlpnOffer } from '../../src/wire/extension/alpn.ts';
import {
  readClientKeyShares,
  readRetryGroup,
  readServerKeyShare,
} from '../../src/wire/extension/key-share.ts';
import {
  checkPointFormats,
  readSelectedVersion,
  readU8List,
  readU16List8,
} from '../../src/wire/extension/lists.ts';
import { readOfferedPsks, readSelectedPsk } from '../../src/wire/extension/pre-shared-key.ts';
import { readServerName } from '../../src/wire/extension/server-name.ts';
import {
  readCertificateStatus,
  readCookie,
  readMaxEarlyData,
  readRecordSizeLimit,
  readRenegotiationInfo,
  readSctList,
  readStatusRequest,
} from '../../src/wire/extension/small.ts';
import {
  readCertificate12,
  readCertificate13,
  readCompressedCertificate,
} from '../../src/wire/message/certificate.ts';
import {
  readCertificateRequest12,
  readCertificateRequest13,
} from '../../src/wire/message/certificate-request.ts';
import { readCertificateVerify } from '../../src/wire/message/certificate-verify.ts';
import { readClientHello } from '../../src/wire/message/client-hello.ts';
import { readClientKeyExchange, readServerKeyExchange } from '../../src/wire/message/key-exchange.ts';
import { readNewSessionTicket12, readNewSessionTicket13 } from '../../src/wire/message/new-session-ticket.ts';
import { readServerHello } from '../../src/wire/message/server-hello.ts';
import { expectEmptyMessage, readKeyUpdate } from '../../src/wire/message/small.ts';
import { ExtensionType } from '../../src/wire/numbers.ts';
import { Reader, readU16List } from '../../src/wire/reader.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 1000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 8446);
const wire = join(import.meta.dirname, '../../src/wire');
const corpus: Readonly<Record<string, readonly string[]>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'corpus/wire.json'), 'utf8'),
);

const OFFERED = [ExtensionType.status_request, ExtensionType.signed_certificate_timestamp];

const parsers: Readonly<Record<string, (body: Uint8Array) => unknown>> = {
  checkPointFormats,
  expectEmptyMessage: (body) => expectEmptyMessage(14, body),
  readAlpnAnswer,
  readAlpnOffer,
  readCertificate12: (body) => readCertificate12(body, 33),
  readCertificate13: (body) => readCertificate13(body, OFFERED, 33),
  readCertificateRequest12,
  readCertificateRequest13,
  readCertificateStatus,
  readCertificateVerify,
  readClientHello,
  readClientKeyExchange,
  readClientKeyShares,
  readCompressedCertificate,
  readCookie,
  readKeyUpdate,
  readMaxEarlyData,
  readNewSessionTicket12,
  readNewSessionTicket13,
  readOfferedPsks,
  readRecordSizeLimit,
  readRenegotiationInfo,
  readRetryGroup,
  readSctList,
  readSelectedPsk,
  readSelectedVersion,
  readServerHello,
  readServerKeyExchange,
  readServerKeyShare,
  readServerName,
  readStatusRequest,
  readU16List,
  readU16List8,
  readU8List,
};

/** What a parser may say. Anything else, of whatever class, is a fault of ours. */
function refusalOf(parse: (body: Uint8Array) => unknown, body: Uint8Array): string | null {
  const before = toHex(body);
  let result: unknown;
  try {
    result = parse(body);
  } catch (error) {
    if (!(error instanceof TlsAlertError) || error.origin !== 'local') throw error;
    if (error.reason === 'internal-error' || error.reason === null) throw error;
    expect(toHex(body)).toBe(before);
    return error.reason;
  }
  expect(toHex(body)).toBe(before);
  expect(sizeOf(result)).toBeLessThanOrEqual(16 * body.length + 64);
  return null;
}

/** How much there is of what was made: bytes, numbers and strings, however deep. */
function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array || typeof value === 'string') return value.length;
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + 1 + sizeOf(each), 0);
  if (typeof value === 'object' && value !== null) {
    return Object.values(value).reduce((sum: number, each) => sum + sizeOf(each), 0);
  }
  return 1;
}

/** A right message with a few bytes set, cut out, put in or repeated, or its lengths changed. */
function astray(seeds: readonly string[]): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    kind: fc.constantFrom('set', 'remove', 'insert', 'repeat', 'count'),
    at: fc.nat({ max: 600 }),
    value: fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff), fc.nat({ max: 255 })),
    length: fc.integer({ min: 1, max: 40 }),
  });
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([hex, edits]) => {
      let bytes = [...fromHex(hex)];
      for (const { kind, at, value, length } of edits) {
        const where = bytes.length === 0 ? 0 : at % bytes.length;
        if (kind === 'set') bytes[where] = value;
        else if (kind === 'count') bytes[where] = ((bytes[where] ?? 0) + (value & 1 ? 1 : 255)) & 0xff;
        else if (kind === 'remove') bytes.splice(where, length);
        else if (kind === 'insert') bytes.splice(where, 0, ...new Array<number>(length).fill(value));
        else bytes = [...bytes.slice(0, where + length), ...bytes.slice(where)];
      }
      return new Uint8Array(bytes);
    });
}

test('every parser of src/wire is here, with something that is right', async () => {
  const found: string[] = [];
  for (const folder of ['extension', 'message']) {
    for (const file of readdirSync(join(wire, folder)).filter((name) => name.endsWith('.ts'))) {
      const module = (await import(join(wire, folder, file))) as Record<string, unknown>;
      found.push(...Object.keys(module).filter((name) => /^(read|check|expect)/.test(name)));
    }
  }
  const known = Object.keys(parsers).filter((name) => name !== 'readU16List');
  expect(known.sort()).toEqual(found.sort());
  expect(Object.keys(corpus).sort()).toEqual(Object.keys(parsers).sort());
});

/** Where less, or more, is right as well. */
const MAY_END_EARLIER: Readonly<Record<string, readonly number[]>> = {
  // TLS 1.2's hellos may end before their extensions: behind the compression methods, or the one method.
  readClientHello: [],
  readServerHello: [],
};

describe.each(Object.entries(parsers))('%s', (name, parse) => {
  const seeds = corpus[name] ?? [];

  test('takes what is right, and none of it cut or with something behind', () => {
    for (const hex of seeds) {
      const whole = fromHex(hex);
      expect(refusalOf(parse, whole)).toBeNull();
      expect(refusalOf(parse, new Uint8Array([...whole, 0])), `one byte more than ${hex}`).not.toBeNull();
      const taken: number[] = [];
      for (let end = 0; end < whole.length; end++) {
        if (refusalOf(parse, whole.slice(0, end)) === null) taken.push(end);
      }
      // One place at most: where a hello of TLS 1.2 may end, in front of its extensions.
      expect(taken.length, `${name}: ${taken}`).toBeLessThanOrEqual(name in MAY_END_EARLIER ? 1 : 0);
    }
  });

  test('says so when it is not, with a typed error', () => {
    fc.assert(
      fc.property(fc.oneof(astray(seeds), fc.uint8Array({ maxLength: 300 })), (body) => {
        refusalOf(parse, body);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
});

test('a hello of thousands: as many extensions, shares, groups, suites and keys as 64 KiB hold', () => {
  const vector = (bytes: number[]): number[] => [bytes.length >> 8, bytes.length & 0xff, ...bytes];
  const many = (count: number, each: (i: number) => number[]): number[] =>
    Array.from({ length: count }, (_, i) => each(i)).flat();
  const u16 = (value: number): number[] => [value >> 8, value & 0xff];
  const shares = new Uint8Array(vector(many(13_000, (i) => [...u16(i), 0, 1, 9])));
  expect(readClientKeyShares(shares)).toHaveLength(13_000);
  const again = new Uint8Array(vector(many(13_000, (i) => [...u16(i % 12_999), 0, 1, 9])));
  expect(refusalOf(readClientKeyShares, again)).toBe('illegal-parameter');
  const extensions = vector(many(16_000, (i) => [...u16(i + 100), 0, 0]));
  const hello = new Uint8Array([3, 3, ...new Array<number>(33).fill(0), 0, 2, 19, 1, 1, 0, ...extensions]);
  expect(readClientHello(hello).extensions.types).toHaveLength(16_000);
});

describe('the deframer', () => {
  /** What a reader and a joiner make of pieces: records, messages, and the fault at the end. */
  function deframe(pieces: readonly Uint8Array[]): string {
    const reader = new RecordReader(DEFAULT_LIMITS);
    const joiner = new MessageJoiner(DEFAULT_LIMITS);
    const told: string[] = [];
    try {
      for (const piece of pieces) {
        const borrowed = piece.slice();
        reader.push(borrowed);
        while (reader.next()) {
          told.push(`${reader.type}:${toHex(reader.payload)}`);
          if (reader.type === 21) told.push(`alert ${readAlert(reader.payload).description}`);
          if (reader.type !== 22) continue;
          joiner.push(reader.payload);
          while (joiner.next()) told.push(`message ${toHex(joiner.message)}`);
          joiner.keepRest();
        }
        reader.keepRest();
        borrowed.fill(0xa5);
      }
    } catch (error) {
      if (!(error instanceof TlsAlertError) || error.reason === 'internal-error') throw error;
      told.push(`fault ${error.reason}`);
    }
    return told.join('\n');
  }

  const record = fc
    .tuple(
      fc.oneof(fc.constantFrom(20, 21, 22, 23), fc.nat({ max: 255 })),
      fc.constantFrom(0x0301, 0x0303, 0x0303, 0x0303, 0x0200),
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom(0, 0, 0, 0, 1, -1, 20_000),
    )
    .map(([type, version, body, lie]) => {
      const length = Math.max(0, body.length + lie);
      return new Uint8Array([type, version >> 8, version & 0xff, length >> 8, length & 0xff, ...body]);
    });
  const stream = fc.oneof(
    fc.array(record, { maxLength: 8 }).map((records) => new Uint8Array(records.flatMap((each) => [...each]))),
    fc.uint8Array({ maxLength: 200 }),
  );

  test('says the same however the stream is cut, and of noise what it is', () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 400 }), { maxLength: 6 }), (bytes, cuts) => {
        const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
        const pieces = [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
        const whole = deframe([bytes]);
        expect(deframe(pieces.filter((piece) => piece.length > 0))).toBe(whole);
        expect(deframe(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)))).toBe(whole);
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
});

test('a reader never reads over its end', () => {
  const calls = [
    'u8',
    'u16',
    'u24',
    'u32',
    'vector8',
    'vector16',
    'vector24',
    'sub16',
    'sub24',
    'rest',
  ] as const;
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.constantFrom(...calls), { maxLength: 12 }),
      (bytes, order) => {
        // It lies inside of something larger, which is none of its business.
        const around = new Uint8Array(bytes.length + 20).fill(0xee);
        around.set(bytes, 10);
        const inside = new Reader(around, 10, 10 + bytes.length);
        const alone = new Reader(bytes);
        const read = (reader: Reader): string => {
          const told: string[] = [];
          try {
            for (const call of order) {
              const got = reader[call]();
              told.push(
                got instanceof Uint8Array
                  ? toHex(got)
                  : got instanceof Reader
                    ? `${got.remaining}`
                    : `${got}`,
              );
            }
            reader.finish();
          } catch (error) {
            if (!(error instanceof TlsAlertError)) throw error;
            told.push(error.message);
          }
          return told.join();
        };
        expect(read(inside)).toBe(read(alone));
      },
    ),
    { numRuns: RUNS, seed: SEED },
  );
});
