/** The largest count of references, lowered so that it can be reached; and how many issuers an envelope has. */
import { expect, test, vi } from 'vitest';
import { SESSION_LIMITS } from '../../src/util/limits.ts';
import { engineCredential } from '../support/engine-pair.ts';

vi.mock('../../src/util/limits.ts', async (original) => {
  const actual = await original<typeof import('../../src/util/limits.ts')>();
  return { ...actual, SESSION_LIMITS: { ...actual.SESSION_LIMITS, references: 4 } };
});

// The harness has loaded the session already, with the limits as they are.
vi.resetModules();
const { PeerCertificate } = await import('../../src/session/body.ts');
const { SessionCore } = await import('../../src/session/core.ts');
const { decodeEnvelope, encodeEnvelope } = await import('../../src/session/envelope.ts');

test('references: up_ref fails at the largest count, and the library’s own throws', () => {
  const session = SessionCore.create();
  expect([session.upRef(), session.upRef()]).toEqual([true, true]);
  session.retain('test');
  expect(session.references).toBe(4);
  expect(session.upRef()).toBe(false);
  expect(() => session.retain('test')).toThrow(expect.objectContaining({ code: expect.any(String) }));
  expect(session.references).toBe(4);
  session.release('test');
  for (let i = 0; i < 3; i++) session.free();
  expect(session.hasEnded).toBe(true);
});

test('issuers: a chain of as many comes back, and one more is refused', async () => {
  const [leaf, issuer] = (await engineCredential()).chain as [Uint8Array, Uint8Array];
  for (const over of [0, 1]) {
    const session = SessionCore.create();
    const body = session.ownBody('test');
    body.version = 0x0304;
    body.cipher = 0x1301;
    body.peer = new PeerCertificate(leaf);
    const issuers = SESSION_LIMITS.issuers + over;
    body.chain = [body.peer, ...Array.from({ length: issuers }, () => new PeerCertificate(issuer))];
    const envelope = encodeEnvelope(session);
    session.free();
    if (over === 1) expect(() => decodeEnvelope(envelope)).toThrow(/more than 32 certificates/);
    else {
      const back = decodeEnvelope(envelope);
      expect(back.body('test').chain).toHaveLength(33);
      back.free();
    }
  }
});
