/**
 * Session confusion: a session that was made under one policy must not stand for another. The cases that a
 * context's own bindings cannot see, since both servers name the same context and the same policy digest.
 */
import { describe, expect, test } from 'vitest';
import type { TlsAlertError } from '../../src/util/errors.ts';
import { engineCredential, Memory, Pair, type PairOptions, text, USUAL } from '../support/engine-pair.ts';

const credential = await engineCredential();
const SELF_SIGNED = 18;

describe.each([
  ['TLS 1.2', 0x0303],
  ['TLS 1.3', 0x0304],
])('%s', (_name, version) => {
  const client = { minVersion: version, maxVersion: version };
  /** A server that asks for a certificate and judges it by `answer`; `asked` counts how often. */
  function visit(
    memory: Memory,
    clientCertificate: 'request' | 'require',
    verdict: 'trusted' | 'tolerated' | 'refused',
    session: PairOptions['client'],
  ): Pair & { asked: number } {
    let asked = 0;
    const pair = new Pair(
      credential,
      {
        client: { ...client, ...session },
        server: { clientCertificate, sessionIdContext: text('one context') },
        clientAnswer: (job) => (job.kind === 'client-certificate' ? credential : USUAL),
        serverAnswer: (job) => {
          if (job.kind !== 'verify-certificate') return USUAL;
          asked++;
          if (verdict === 'refused') {
            return { ok: false, reason: 'unknown-ca', verifyResult: SELF_SIGNED };
          }
          return { ok: true, verifyResult: verdict === 'tolerated' ? SELF_SIGNED : 0 };
        },
      },
      memory,
    ).run();
    return Object.assign(pair, { asked });
  }

  test('a client certificate that was only tolerated is judged again where it is resumed', () => {
    for (const [then, resumed] of [
      ['refused', false],
      ['tolerated', true],
    ] as const) {
      using memory = new Memory();
      using first = visit(memory, 'request', 'tolerated', {});
      const session = first.client.sessions[0];
      if (session === undefined) throw new Error('no session');
      using second = visit(memory, 'require', then, { session });
      expect(second.asked).toBe(1);
      const { error } = second.server;
      expect(error === null).toBe(resumed);
      if (resumed)
        expect(second.server.connection.info).toMatchObject({ resumed, verifyResult: SELF_SIGNED });
      else expect((error as TlsAlertError).reason).toBe('unknown-ca');
    }
  });

  test('one that was trusted is not judged again', () => {
    using memory = new Memory();
    using first = visit(memory, 'require', 'trusted', {});
    const session = first.client.sessions[0];
    if (session === undefined) throw new Error('no session');
    using second = visit(memory, 'require', 'trusted', { session });
    expect(second.asked).toBe(0);
    expect(second.server.connection.info.resumed).toBe(true);
  });
});
