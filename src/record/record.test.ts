import { describe, expect, test } from 'vitest';
import type { AeadKey } from '../crypto/provider.ts';
import { TlsAlertError } from '../util/errors.ts';
import { DEFAULT_LIMITS } from '../util/limits.ts';
import { cipherSuites } from '../util/registries.ts';
import { ContentType } from '../wire/numbers.ts';
import { InputBuffer } from './input-buffer.ts';
import { MessageJoiner } from './message-joiner.ts';
import { RecordProtection } from './protection.ts';
import { RecordReader, readAlert } from './record-reader.ts';
import { RecordWriter } from './record-writer.ts';

/** Keeps what it was asked: ciphertext is plaintext XOR 0xff, and the tag says which nonce and data. */
function spyKey(log: { nonce: Uint8Array; aad: Uint8Array }[]): AeadKey {
  return {
    sealInPlace(nonce, aad, buffer, start, end) {
      log.push({ nonce: nonce.slice(), aad: aad.slice() });
      for (let i = start; i < end; i++) buffer[i] = (buffer[i] as number) ^ 0xff;
      buffer.fill(0, end, end + 16);
      buffer.set(nonce, end);
    },
    open(nonce, aad, sealed) {
      const end = sealed.length - 16;
      for (let i = 0; i < nonce.length; i++) if (sealed[end + i] !== nonce[i]) return null;
      log.push({ nonce: nonce.slice(), aad: aad.slice() });
      return sealed.slice(0, end).map((byte) => byte ^ 0xff);
    },
    destroy() {},
  };
}

function suite(id: number): NonNullable<ReturnType<typeof cipherSuites.get>> {
  const found = cipherSuites.get(id);
  if (found === undefined) throw new Error('no such suite');
  return found;
}

function protection(
  version: 0x0303 | 0x0304,
  id: number,
  log: { nonce: Uint8Array; aad: Uint8Array }[] = [],
) {
  const iv = version === 0x0303 && suite(id).aead !== 'chacha20-poly1305' ? 4 : 12;
  return new RecordProtection(version, suite(id), spyKey(log), new Uint8Array(iv).fill(0x10));
}

function reasonOf(action: () => unknown): string | null {
  try {
    action();
  } catch (error) {
    if (error instanceof TlsAlertError) return error.reason;
    throw error;
  }
  return null;
}

function record(type: number, body: Uint8Array, version = 0x0303): Uint8Array {
  return new Uint8Array([type, version >> 8, version & 0xff, body.length >> 8, body.length & 0xff, ...body]);
}

describe('protection', () => {
  test('TLS 1.3: the nonce is the IV XOR the sequence, the data is the header', () => {
    const log: { nonce: Uint8Array; aad: Uint8Array }[] = [];
    const out = protection(0x0304, 0x1301, log);
    const buffer = new Uint8Array(64);
    out.seal(23, buffer, 5, 8);
    out.seal(23, buffer, 5, 8);
    expect(log[0]?.nonce).toEqual(new Uint8Array(12).fill(0x10));
    expect(log[1]?.nonce[11]).toBe(0x11);
    expect(log[1]?.aad).toEqual(new Uint8Array([23, 3, 3, 0, 19]));
  });

  test('TLS 1.2 AES-GCM: salt and explicit nonce; the data has sequence, type and plain length', () => {
    const log: { nonce: Uint8Array; aad: Uint8Array }[] = [];
    const out = protection(0x0303, 0xc02b, log);
    const buffer = new Uint8Array(64);
    out.seal(22, buffer, 13, 16);
    out.seal(22, buffer, 13, 16);
    expect(log[1]?.nonce).toEqual(new Uint8Array([16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 1]));
    expect(buffer.subarray(5, 13)).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1]));
    expect(log[1]?.aad).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 1, 22, 3, 3, 0, 3]));
  });

  test('TLS 1.2 ChaCha20-Poly1305 has no explicit nonce (RFC 7905)', () => {
    expect(protection(0x0303, 0xcca8)).toMatchObject({ prefix: 0, overhead: 16 });
    expect(protection(0x0303, 0xc02f)).toMatchObject({ prefix: 8, overhead: 24 });
    expect(protection(0x0304, 0x1303)).toMatchObject({ prefix: 0, overhead: 17 });
  });

  test('what is too short for a tag does not open, and a failure does not count', () => {
    const log: { nonce: Uint8Array; aad: Uint8Array }[] = [];
    const key = protection(0x0304, 0x1301, log);
    expect(key.open(23, new Uint8Array(15))).toBeNull();
    expect(key.open(23, new Uint8Array(40))).toBeNull();
    expect(key.sequence).toBe(0);
  });
});

describe('writing', () => {
  test('what is written in one go shares a record; another type begins one of its own', () => {
    const writer = new RecordWriter();
    writer.append(ContentType.handshake, new Uint8Array([1]));
    writer.append(ContentType.handshake, new Uint8Array([2, 3]));
    writer.append(ContentType.alert, new Uint8Array([2, 40]));
    expect(writer.take()).toEqual(new Uint8Array([22, 3, 1, 0, 3, 1, 2, 3, 21, 3, 1, 0, 2, 2, 40]));
    expect(writer.take()).toBeNull();
  });

  test('no record carries more than the largest fragment', () => {
    const writer = new RecordWriter();
    writer.maxFragment = 10;
    writer.append(ContentType.application_data, new Uint8Array(25));
    const bytes = writer.take() as Uint8Array;
    expect(bytes.length).toBe(25 + 3 * 5);
    expect([bytes[4], bytes[19], bytes[34]]).toEqual([10, 10, 5]);
  });

  test('TLS 1.3 pads to a multiple', () => {
    const writer = new RecordWriter();
    writer.setProtection(protection(0x0304, 0x1301));
    writer.paddingBlock = 64;
    writer.append(ContentType.application_data, new Uint8Array(70));
    // 128 of content, the type, the tag.
    expect((writer.take() as Uint8Array).length).toBe(5 + 128 + 1 + 16);
  });

  test('a pending ChangeCipherSpec goes in front of the next record and never alone', () => {
    const writer = new RecordWriter();
    writer.changeCipherSpecPending = true;
    expect(writer.take()).toBeNull();
    writer.append(ContentType.handshake, new Uint8Array([9]));
    expect(writer.take()).toEqual(new Uint8Array([20, 3, 3, 0, 1, 1, 22, 3, 1, 0, 1, 9]));
  });
});

describe('reading', () => {
  function read(bytes: Uint8Array, prepare: (reader: RecordReader) => void = () => {}): RecordReader {
    const reader = new RecordReader(DEFAULT_LIMITS);
    prepare(reader);
    reader.push(bytes);
    return reader;
  }

  test('a record in any number of pieces', () => {
    const bytes = new Uint8Array([
      ...record(22, new Uint8Array([1, 2, 3])),
      ...record(22, new Uint8Array([4])),
    ]);
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new RecordReader(DEFAULT_LIMITS);
      const seen: number[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const piece = bytes.slice(at, at + size);
        reader.push(piece);
        while (reader.next()) seen.push(...reader.payload);
        reader.keepRest();
        piece.fill(0xa5);
      }
      expect(seen).toEqual([1, 2, 3, 4]);
      expect(reader.hasPartialRecord).toBe(false);
    }
  });

  const version13 = (reader: RecordReader): void => {
    reader.version = 0x0304;
  };
  const ignoring = (reader: RecordReader): void => {
    reader.ignoreChangeCipherSpec = true;
  };

  test('each fault of framing has its reason', () => {
    const cases: [string, Uint8Array, ((reader: RecordReader) => void)?][] = [
      ['not-tls', new TextEncoder().encode('GET / HTTP/1.1')],
      ['not-tls', new TextEncoder().encode('G')],
      ['bad-record-type', record(23, new Uint8Array(1))],
      ['bad-record-version', record(22, new Uint8Array(1), 0x0205)],
      ['bad-record-version', record(22, new Uint8Array(1), 0x0301), version13],
      ['record-too-long', new Uint8Array([22, 3, 3, 0x40, 1])],
      ['empty-record', record(22, new Uint8Array(0)), version13],
      ['bad-change-cipher-spec', record(20, new Uint8Array([2])), ignoring],
      [
        'record-too-long',
        new Uint8Array([23, 3, 3, 0x41, 1]),
        (r) => {
          r.version = 0x0304;
          r.setProtection(protection(0x0304, 0x1301));
          r.push(record(20, new Uint8Array([1])));
          r.ignoreChangeCipherSpec = true;
          r.next();
        },
      ],
    ];
    for (const [reason, bytes, prepare] of cases) {
      expect(
        reasonOf(() => read(bytes, prepare).next()),
        reason,
      ).toBe(reason);
    }
  });

  test('empty records: as many as the limit pass, one more does not', () => {
    const empty = record(22, new Uint8Array(0));
    const flood = (count: number): RecordReader =>
      read(new Uint8Array(Array.from({ length: count }, () => [...empty]).flat()));
    expect(flood(DEFAULT_LIMITS.emptyRecords).next()).toBe(false);
    expect(reasonOf(() => flood(DEFAULT_LIMITS.emptyRecords + 1).next())).toBe('too-many-empty-records');
  });

  function sealed13(type: number, content: number[], zeros = 0): Uint8Array {
    const writer = new RecordWriter();
    writer.setProtection(protection(0x0304, 0x1301));
    writer.append(type, new Uint8Array(content));
    if (zeros > 0) writer.paddingBlock = content.length + zeros;
    return writer.take() as Uint8Array;
  }

  function reader13(): RecordReader {
    const reader = new RecordReader(DEFAULT_LIMITS);
    reader.push(record(22, new Uint8Array([1])));
    reader.next();
    reader.version = 0x0304;
    reader.setProtection(protection(0x0304, 0x1301));
    return reader;
  }

  test('TLS 1.3: the inner type counts, padding goes', () => {
    const reader = reader13();
    reader.push(sealed13(22, [7, 8], 30));
    expect(reader.next()).toBe(true);
    expect([reader.type, ...reader.payload]).toEqual([22, 7, 8]);
  });

  test('TLS 1.3: nothing but zeros, a ChangeCipherSpec inside, a tampered record', () => {
    const zeros = sealed13(0, [0, 0]);
    const inner = sealed13(20, [1]);
    const tampered = sealed13(23, [1]);
    tampered[tampered.length - 16] = (tampered[tampered.length - 16] as number) ^ 1;
    for (const [bytes, reason] of [
      [zeros, 'bad-record-type'],
      [inner, 'bad-record-type'],
      [tampered, 'bad-record-mac'],
    ] as const) {
      const reader = reader13();
      reader.push(bytes);
      expect(reasonOf(() => reader.next())).toBe(reason);
    }
  });

  test('TLS 1.3: an alert in the clear is believed only before anything was opened', () => {
    const early = reader13();
    early.push(record(21, new Uint8Array([2, 40])));
    expect(early.next()).toBe(true);
    const late = reader13();
    late.push(sealed13(23, [1]));
    late.next();
    late.push(record(21, new Uint8Array([2, 40])));
    expect(reasonOf(() => late.next())).toBe('bad-record-type');
  });

  test('refused early data is skipped up to its limit, and no more after a record that opens', () => {
    const junk = (length: number): Uint8Array => record(23, new Uint8Array(length + 17));
    const within = reader13();
    within.skipEarlyData(100, false);
    within.push(new Uint8Array([...junk(60), ...junk(40), ...sealed13(22, [5])]));
    expect(within.next()).toBe(true);
    expect(within.payload).toEqual(new Uint8Array([5]));
    within.push(junk(1));
    expect(reasonOf(() => within.next())).toBe('bad-record-mac');
    const beyond = reader13();
    beyond.skipEarlyData(100, false);
    beyond.push(new Uint8Array([...junk(60), ...junk(41)]));
    expect(reasonOf(() => beyond.next())).toBe('too-much-skipped');
  });

  test('alerts are two bytes of a known level', () => {
    expect(readAlert(new Uint8Array([2, 40]))).toEqual({ fatal: true, description: 40 });
    expect(readAlert(new Uint8Array([2, 0]))).toEqual({ fatal: false, description: 0 });
    expect(reasonOf(() => readAlert(new Uint8Array([3, 40])))).toBe('alert-level');
    expect(reasonOf(() => readAlert(new Uint8Array([2])))).toBe('bad-alert');
  });
});

describe('joining messages', () => {
  test('several in a fragment, one over several', () => {
    const joiner = new MessageJoiner(DEFAULT_LIMITS);
    const bytes = [1, 0, 0, 2, 7, 8, 20, 0, 0, 0, 4, 0, 0, 1, 9];
    for (let size = 1; size <= bytes.length; size++) {
      const seen: number[][] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const piece = new Uint8Array(bytes.slice(at, at + size));
        joiner.push(piece);
        while (joiner.next()) seen.push([...joiner.message]);
        joiner.keepRest();
        piece.fill(0xa5);
      }
      expect(seen).toEqual([
        [1, 0, 0, 2, 7, 8],
        [20, 0, 0, 0],
        [4, 0, 0, 1, 9],
      ]);
      expect(joiner.isEmpty).toBe(true);
    }
  });

  test('a length over the limit is refused at the header', () => {
    const header = (type: number, length: number): Uint8Array =>
      new Uint8Array([type, length >> 16, (length >> 8) & 0xff, length & 0xff]);
    for (const [type, limit] of [
      [1, DEFAULT_LIMITS.handshakeMessageBytes],
      [11, DEFAULT_LIMITS.certificateMessageBytes],
      [25, DEFAULT_LIMITS.certificateMessageBytes],
    ] as const) {
      const joiner = new MessageJoiner(DEFAULT_LIMITS);
      joiner.push(header(type, limit + 1));
      expect(reasonOf(() => joiner.next())).toBe('message-too-long');
      const fits = new MessageJoiner(DEFAULT_LIMITS);
      fits.push(header(type, limit));
      expect(fits.next()).toBe(false);
    }
  });
});

test('an input buffer costs time in proportion to its bytes', () => {
  const buffer = new InputBuffer();
  let copies = 0;
  let data = buffer.data;
  for (let i = 0; i < 100_000; i++) {
    buffer.push(new Uint8Array([i & 0xff]));
    buffer.keep();
    if (buffer.data !== data) copies++;
    data = buffer.data;
  }
  expect(buffer.available).toBe(100_000);
  // Doubling: some twenty, not a hundred thousand.
  expect(copies).toBeLessThan(30);
  expect(buffer.data[buffer.position + 77_777]).toBe(77_777 & 0xff);
});
