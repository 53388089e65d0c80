import { describe, expect, it } from 'vitest';
import { fromHex } from '../util/bytes.ts';
import { Field, makeBody } from './body.ts';
import { SessionCore } from './core.ts';
import { notResumableReasons, notResumableText, resumability } from './resumability.ts';

const MADE = 1_000_000;

function session(change: (session: SessionCore) => void = () => {}): SessionCore {
  const body = makeBody([fromHex('01'), fromHex('02')], { version: 0x0304, cipher: 0x1301 });
  const made = SessionCore.fromBody(body, MADE, 60, 'test');
  change(made);
  return made;
}

function reasons(nowMs: number, change?: (session: SessionCore) => void): readonly string[] {
  const made = session(change);
  const result = resumability(made, nowMs);
  made.free();
  expect(result.resumable).toBe(result.reasons.length === 0);
  return result.reasons;
}

describe('resumability', () => {
  it('lasts to the last millisecond of the timeout', () => {
    expect(reasons(MADE)).toEqual([]);
    expect(reasons(MADE + 60_000)).toEqual([]);
    expect(reasons(MADE + 60_001)).toEqual(['expired']);
    expect(reasons(MADE, (s) => s.setTimeoutSec(0, 'test'))).toEqual([]);
    expect(reasons(MADE + 1, (s) => s.setTimeoutSec(0, 'test'))).toEqual(['expired']);
  });

  it.each([
    ['not-resumable', (s: SessionCore) => s.markNotResumable()],
    ['already-offered', (s: SessionCore) => void Object.assign(s.ownBody('test'), { wasOffered: true })],
    ['no-id-or-ticket', (s: SessionCore) => s.setField(Field.id, null, 'test')],
    ['no-secret', (s: SessionCore) => s.setField(Field.masterKey, null, 'test')],
    ['no-cipher', (s: SessionCore) => void Object.assign(s.ownBody('test'), { cipher: 0 })],
    ['unsupported-version', (s: SessionCore) => void Object.assign(s.ownBody('test'), { version: 0x0302 })],
    ['unsupported-cipher', (s: SessionCore) => void Object.assign(s.ownBody('test'), { cipher: 0x002f })],
  ])('says %s', (reason, change) => {
    expect(reasons(MADE, change)).toEqual([reason]);
  });

  it('holds a ticket of TLS 1.3 to its lifetime, to a week, and to zero', () => {
    const ticket = (version: number, hint: number, timeoutSec: number) => (s: SessionCore) => {
      s.setField(Field.ticket, fromHex('03'), 'test');
      s.setTimeoutSec(timeoutSec, 'test');
      Object.assign(s.ownBody('test'), {
        version,
        ticketLifetimeHint: hint,
        cipher: version === 0x0303 ? 0xc02b : 0x1301,
      });
    };
    expect(reasons(MADE + 30_000, ticket(0x0304, 30, 60))).toEqual([]);
    expect(reasons(MADE + 30_001, ticket(0x0304, 30, 60))).toEqual(['ticket-expired']);
    expect(reasons(MADE + 60_001, ticket(0x0304, 30, 60))).toEqual(['expired', 'ticket-expired']);
    expect(reasons(MADE, ticket(0x0304, 0, 60))).toEqual(['ticket-expired']);
    expect(reasons(MADE + 604_800_000, ticket(0x0304, 0xffff_ffff, 2 ** 40))).toEqual([]);
    expect(reasons(MADE + 604_800_001, ticket(0x0304, 0xffff_ffff, 2 ** 40))).toEqual(['ticket-expired']);
    // In TLS 1.2 it is a hint, and 0 says nothing.
    expect(reasons(MADE + 60_000, ticket(0x0303, 30, 60))).toEqual([]);
    expect(reasons(MADE + 60_000, ticket(0x0303, 0, 60))).toEqual([]);
  });

  it('lets a session of TLS 1.2 be offered again', () => {
    expect(
      reasons(
        MADE,
        (s) => void Object.assign(s.ownBody('test'), { wasOffered: true, version: 0x0303, cipher: 0xc02b }),
      ),
    ).toEqual([]);
  });

  it('says until when', () => {
    const made = session();
    expect(resumability(made, 0).untilMs).toBe(MADE + 60_000);
    made.setField(Field.ticket, fromHex('03'), 'test');
    made.ownBody('test').ticketLifetimeHint = 7;
    expect(resumability(made, 0).untilMs).toBe(MADE + 7000);
    made.free();
  });

  it('gives every reason that holds, in the order of the list, each with a sentence', () => {
    const all = reasons(MADE + 1e9, (s) => {
      s.markNotResumable();
      for (const field of [Field.id, Field.masterKey]) s.setField(field, null, 'test');
      Object.assign(s.ownBody('test'), { version: 0x0300, cipher: 0 });
    });
    expect(all).toEqual(notResumableReasons.filter((reason) => all.includes(reason)));
    expect(all.length).toBe(6);
    for (const reason of notResumableReasons) expect(notResumableText(reason)).toMatch(/^it|^the/);
  });
});
