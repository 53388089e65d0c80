import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decodeSession, encodeSession } from '../../src/session/der.ts';
import { printKeyLog, printSession } from '../../src/session/text.ts';
import { opensslCipherName } from '../../src/util/cipher-names.ts';
import { describeWithPeers } from '../support/peer.ts';
import { makeSession, sessionValues } from './arbitrary.ts';
import { buildOracle, type Oracle } from './oracle.ts';

describeWithPeers(['gcc'], 'the text of a session against OpenSSL', ({ gcc }) => {
  let oracle: Oracle;
  beforeAll(() => {
    oracle = buildOracle(gcc);
  });
  afterAll(() => oracle[Symbol.dispose]());

  async function compare(ders: readonly Uint8Array[]): Promise<string[]> {
    const opinions = await oracle.ask(ders);
    return opinions.map(({ der, text, keylog }, i) => {
      if (der === null) throw new Error('OpenSSL refused a session of ours');
      const session = decodeSession(ders[i] as Uint8Array, 0);
      const printed = printSession(session);
      expect(printed.text).toBe(text);
      // OpenSSL stops in the middle of a session exactly when it says so by returning 0.
      expect(printed.complete).toBe(text.includes('Extended master secret'));
      expect(printKeyLog(session) ?? '').toBe(keylog);
      session.free();
      return text;
    });
  }

  it('is the same to the byte, for any values', async () => {
    const samples = fc.sample(
      sessionValues.filter(({ timeSec, timeoutSec }) => timeSec !== 0 && timeoutSec !== 0),
      { seed: 7200, numRuns: 3000 },
    );
    const texts = await compare(
      samples.map((values) => {
        const session = makeSession(values);
        const der = encodeSession(session);
        session.free();
        return der;
      }),
    );
    // The odd cases are among them.
    expect(texts.some((text) => text.endsWith('TLS session ticket:\n'))).toBe(true);
    expect(texts.some((text) => /Compression: \d/.test(text))).toBe(true);
    expect(texts.some((text) => text.endsWith('PSK identity: '))).toBe(true);
    expect(texts.some((text) => text.endsWith('SRP username: '))).toBe(true);
    expect(texts.some((text) => /Verify return code: -/.test(text))).toBe(true);
  });

  const MIDDLE = '02 02 03 03 04 02 c0 2b 04 01 aa 04 01 bb';
  const der = (...parts: string[]): Uint8Array => {
    const contents = Buffer.from(['02 01 01', ...parts].join('').replaceAll(' ', ''), 'hex');
    return Uint8Array.of(0x30, contents.length, ...contents);
  };

  it('knows every cipher suite and every verify result', async () => {
    const suites = Array.from({ length: 0x1_0000 }, (_, id) => id);
    const bytes = suites.map((id) =>
      der(
        '02 02 03 03 04 02',
        id.toString(16).padStart(4, '0'),
        '04 01 aa 04 01 bb a1 03 02 01 05 a2 03 02 01 05',
      ),
    );
    const accepted = await oracle.ask(bytes);
    const known = suites.filter((_, i) => accepted[i]?.der !== null);
    expect(suites.filter((id) => opensslCipherName(id) !== null)).toEqual(known);
    await compare(known.map((id) => bytes[id] as Uint8Array));
    const codes = Array.from({ length: 128 }, (_, code) => code.toString(16).padStart(2, '0'));
    await compare(codes.map((code) => der(MIDDLE, 'a1 03 02 01 05 a2 03 02 01 05 a5 03 02 01', code)));
  });

  it('keeps 64-bit numbers exact', async () => {
    const max = '7f ff ff ff ff ff ff ff';
    const min = '80 00 00 00 00 00 00 00';
    const texts = await compare([
      der(MIDDLE, 'a1 0a 02 08', max, 'a2 0a 02 08', max, 'a9 0a 02 08', max),
      der(
        MIDDLE,
        'a1 0a 02 08',
        min,
        'a2 09 02 07 20 00 00 00 00 00 01 a9 0b 02 09 00 ff ff ff ff ff ff ff ff',
      ),
      der(MIDDLE, 'a1 09 02 07 20 00 00 00 00 00 01 a2 03 02 01 ff a9 0b 02 09 00', min),
    ]);
    expect(texts[0]).toContain('Start Time: 9223372036854775807\n');
    expect(texts[1]).toContain('lifetime hint: -1 (seconds)');
  });

  it('ends names at a zero byte', async () => {
    const [text] = await compare([
      der(MIDDLE, 'a1 03 02 01 05 a2 03 02 01 05 a7 05 04 03 61 00 62 a8 03 04 01 ff ac 02 04 00'),
    ]);
    expect(text).toContain('PSK identity: \xff\n    PSK identity hint: a\n    SRP username: ');
  });
});
