import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeSession, encodedLength, encodeSession, encodeSessionInto } from '../../src/session/der.ts';
import { toHex } from '../../src/util/bytes.ts';
import { describeWithPeers } from '../support/peer.ts';
import { makeSession, sessionValues } from './arbitrary.ts';
import { buildOracle, type Oracle } from './oracle.ts';

describeWithPeers(['gcc'], 'the DER form against OpenSSL', ({ gcc }) => {
  let oracle: Oracle;
  beforeAll(() => {
    oracle = buildOracle(gcc);
  });
  afterAll(() => oracle[Symbol.dispose]());

  it('is written as OpenSSL writes it, for any values', async () => {
    const samples = fc.sample(sessionValues, { seed: 20_480, numRuns: 3000 });
    const ours = samples.map((values) => {
      const session = makeSession(values);
      const der = encodeSession(session);
      session.free();
      return der;
    });
    const opinions = await oracle.ask(ours);
    opinions.forEach((opinion, i) => {
      // A time or a timeout of 0 is not written, and what OpenSSL takes for it when reading it does write.
      const { timeSec, timeoutSec } = samples[i] as (typeof samples)[number];
      if (timeSec === 0 || timeoutSec === 0) return;
      expect(opinion.der && toHex(opinion.der), JSON.stringify(samples[i])).toBe(
        toHex(ours[i] as Uint8Array),
      );
    });
  });

  it('is read and written back byte for byte, whatever OpenSSL wrote', async () => {
    const samples = fc.sample(sessionValues, { seed: 304, numRuns: 2000 });
    const seeds = samples.map((values) => {
      const session = makeSession(values);
      const der = encodeSession(session);
      session.free();
      return der;
    });
    for (const { der } of await oracle.ask(seeds)) {
      if (der === null) throw new Error('OpenSSL refused a session of ours');
      const session = decodeSession(der, 1_000_000_000_123);
      expect(toHex(encodeSession(session))).toBe(toHex(der));
      const room = new Uint8Array(der.length + 20).fill(0xee);
      expect(encodeSessionInto(session, room, 10)).toBe(10 + der.length);
      expect(encodedLength(session)).toBe(der.length);
      expect(toHex(room)).toBe(`${'ee'.repeat(10)}${toHex(der)}${'ee'.repeat(10)}`);
      session.free();
    }
  });
});
