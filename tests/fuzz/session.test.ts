/**
 * Session files that somebody broke. Whatever comes in, what comes out is a typed error or a whole session:
 * never another exception, a hang, a half-filled object or a reference too many.
 *
 * The seed is fixed, so that a run says the same everywhere; TLSESSION_FUZZ_SEED and TLSESSION_FUZZ_RUNS go
 * further by hand.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { BIO_new_mem_buf } from '../../src/openssl/bio.ts';
import { ERR_clear_error, ERR_get_error } from '../../src/openssl/err.ts';
import { SSL_SESSION_free } from '../../src/openssl/ssl-session.ts';
import { d2i_SSL_SESSION, PEM_read_bio_SSL_SESSION } from '../../src/openssl/ssl-session-io.ts';
import { liveSessionCount } from '../../src/session/core.ts';
import { encodedLength, encodeSession } from '../../src/session/der.ts';
import { describeSession } from '../../src/session/describe.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/session/envelope.ts';
import { readSession, type SessionForm } from '../../src/session/forms.ts';
import { unwrapNodeForm, wrapNodeForm } from '../../src/session/node-form.ts';
import { decodePem, encodePem } from '../../src/session/pem.ts';
import { printSession } from '../../src/session/text.ts';
import { equalBytes, latin1, utf8 } from '../../src/util/bytes.ts';
import { DecodeError } from '../../src/util/errors.ts';
import { makeSession, sessionValues } from '../session/arbitrary.ts';

const RUNS = Number(process.env['TLSESSION_FUZZ_RUNS'] ?? 100_000);
const SEED = Number(process.env['TLSESSION_FUZZ_SEED'] ?? 20_480);

/** Whole files to begin with: real ones, and generated ones that have every field. */
const corpus: Uint8Array[] = [];
const folder = join(import.meta.dirname, 'session-corpus');
for (const name of readdirSync(folder).sort()) corpus.push(new Uint8Array(readFileSync(join(folder, name))));
for (const values of fc.sample(sessionValues, { seed: 304, numRuns: 40 })) {
  const session = makeSession(values);
  const der = encodeSession(session);
  session.setBindings(
    {
      host: 'fuzz.example',
      port: 443,
      trust: new Uint8Array(32),
      clientAuth: new Uint8Array(0),
      authenticatedAtMs: 5,
    },
    'fuzz',
  );
  corpus.push(der, der, utf8(encodePem(der)), encodeEnvelope(session), wrapNodeForm(der, 'fuzz.example'));
  session.free();
}

type Mutation = (bytes: Uint8Array, at: number, length: number, value: number) => Uint8Array;

const splice = (bytes: Uint8Array, at: number, remove: number, insert: ArrayLike<number>): Uint8Array => {
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(Math.min(bytes.length, at + remove));
  const out = new Uint8Array(head.length + insert.length + tail.length);
  out.set(head);
  out.set(insert, at);
  out.set(tail, at + insert.length);
  return out;
};

const MUTATIONS: readonly Mutation[] = [
  // A bit, a byte, a byte by a little: what lengths and tags break on.
  (bytes, at, _, value) => splice(bytes, at, 1, [(bytes[at] ?? 0) ^ (1 << (value & 7))]),
  (bytes, at, _, value) => splice(bytes, at, 1, [value]),
  (bytes, at, length) => splice(bytes, at, 1, [(bytes[at] ?? 0) + (length % 5) - 2]),
  (bytes, at) => splice(bytes, at, 1, [[0x00, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xff][at % 7] as number]),
  // Cut off, cut out, put in, doubled, moved.
  (bytes, at) => bytes.slice(0, at),
  (bytes, at, length) => splice(bytes, at, length, []),
  (bytes, at, length, value) => splice(bytes, at, 0, new Uint8Array(length).fill(value)),
  (bytes, at, length) => splice(bytes, at, 0, bytes.slice(at, at + length)),
  (bytes, at, length) => splice(splice(bytes, at, length, []), 0, 0, bytes.slice(at, at + length)),
  (bytes, at, length) => splice(bytes, at, 0, bytes.slice(bytes.length - length)),
];

const broken = fc
  .record({
    base: fc.nat(corpus.length - 1),
    steps: fc.array(
      fc.record({
        how: fc.nat(MUTATIONS.length - 1),
        // Most of what matters is at the front.
        at: fc.oneof(fc.nat(60), fc.nat(1500)),
        length: fc.nat(40),
        value: fc.nat(255),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ base, steps }) => {
    let bytes = corpus[base] as Uint8Array;
    for (const { how, at, length, value } of steps) {
      bytes = (MUTATIONS[how] as Mutation)(bytes, Math.min(at, bytes.length), length, value);
    }
    return bytes;
  });

/** What came of each run: a test of which all inputs fail at their first byte would prove nothing. */
const outcomes = new Map<string, number>();
function count(outcome: string): void {
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
}

/** A whole session: it can be written, shown and read again, and it is what the input says. */
function checkWhole(bytes: Uint8Array, form: SessionForm): void {
  const { session } = readSession(bytes, form, 5);
  try {
    const der = encodeSession(session, { rawPublicKey: true });
    expect(encodedLength(session, { rawPublicKey: true })).toBe(der.length);
    printSession(session);
    JSON.stringify(describeSession(session, { nowMs: 5, secrets: true }));
    // DER has one way to say a thing: what is taken at all is written back as it was.
    switch (form) {
      case 'DER':
        if (!equalBytes(der, bytes)) throw new Error('the DER is not what it was');
        break;
      case 'PEM':
        if (!equalBytes(der, decodePem(latin1(bytes)))) throw new Error('the DER in PEM is not what it was');
        break;
      case 'node':
        if (!equalBytes(der, unwrapNodeForm(bytes).der))
          throw new Error("the DER in Node's form is not what it was");
        break;
      case 'envelope':
        if (!equalBytes(encodeEnvelope(session), bytes)) throw new Error('the envelope is not what it was');
    }
  } finally {
    session.free();
  }
}

describe('broken session files', () => {
  afterAll(() => {
    // Enough of everything came through: sessions in every form, and every kind of refusal.
    if (RUNS < 100_000) return;
    for (const outcome of [
      'DER',
      'PEM',
      'node',
      'envelope',
      'ERR_TLS_DER',
      'ERR_SESSION_ENVELOPE',
      'ERR_SESSION_PEM_BASE64',
      'ERR_SESSION_CIPHER_UNKNOWN',
      'ERR_SESSION_PROTOCOL_VERSION',
      'ERR_SESSION_CERTIFICATE',
      'ERR_SESSION_FIELD_LENGTH',
      'ERR_SESSION_TRAILING_BYTES',
      'ERR_SESSION_NODE_FORM',
      'ERR_SESSION_UNKNOWN_FORM',
    ]) {
      expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(50);
    }
  });

  it(`give a typed error or a whole session: ${RUNS} of them`, { timeout: 300_000 }, () => {
    const live = liveSessionCount();
    fc.assert(
      fc.property(broken, (bytes) => {
        const before = bytes.slice();
        try {
          const { session, form } = readSession(bytes, null, 5);
          session.free();
          checkWhole(bytes, form);
          count(form);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          if (!(error.offset >= 0 && error.offset <= bytes.length))
            throw new Error(`an offset of ${error.offset}`);
          count(error.code);
        }
        if (!equalBytes(bytes, before)) throw new Error('the input was changed');
        if (liveSessionCount() !== live) throw new Error('a session was left over');
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });

  it('give null and a reason, or a session, under the C names', { timeout: 120_000 }, () => {
    const live = liveSessionCount();
    fc.assert(
      fc.property(broken, (bytes) => {
        const cursor = { offset: 0 };
        const fromDer = d2i_SSL_SESSION(bytes, cursor);
        const fromPem = PEM_read_bio_SSL_SESSION(BIO_new_mem_buf(bytes));
        const failures = (fromDer === null ? 1 : 0) + (fromPem === null ? 1 : 0);
        let errors = 0;
        while (ERR_get_error() !== 0) errors++;
        if (errors < failures) throw new Error('a failure without a reason');
        if (failures === 0 && errors > 0) throw new Error('a reason without a failure');
        if ((fromDer === null) !== (cursor.offset === 0))
          throw new Error(`the cursor is at ${cursor.offset}`);
        SSL_SESSION_free(fromDer);
        SSL_SESSION_free(fromPem);
        if (liveSessionCount() !== live) throw new Error('a session was left over');
      }),
      { numRuns: RUNS / 5, seed: SEED },
    );
    ERR_clear_error();
  });

  it('are refused wherever they break off, in every form', () => {
    for (const bytes of corpus.slice(0, 24)) {
      const { session, form } = readSession(bytes, null, 5);
      session.free();
      // The end of a text has a line feed that nobody misses.
      const needed = form === 'PEM' ? bytes.length - 1 : bytes.length;
      for (let length = 0; length < needed; length++) {
        expect(() => readSession(bytes.subarray(0, length), form, 5), `${form}, ${length}`).toThrow(
          DecodeError,
        );
      }
    }
    expect(() => decodeEnvelope(new Uint8Array(0))).toThrow(DecodeError);
  });
});
