import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { equalBytes, fromHex, toHex, utf8 } from '../util/bytes.ts';
import { TlsessionError, UsageError } from '../util/errors.ts';
import {
  DEFAULT_BODY,
  FIELD_LIMITS,
  Field,
  type FieldIndex,
  makeBody,
  PeerCertificate,
  SessionBody,
} from './body.ts';
import { liveSessionCount, SessionCore, type SessionOwner } from './core.ts';
import { SessionError } from './errors.ts';

const clock = { wallMs: () => 1_795_423_188_777, monotonicMs: () => 0 };
const MAX = 0x7fff_ffff;

/** A session with something in every field, one reference and no owner. */
function full(): SessionCore {
  const fields = Object.values(Field).map((field) => new Uint8Array(20 + field).fill(0xa0 + field));
  const body = makeBody(fields, { version: 0x0304, cipher: 0x1301, ticketAgeAdd: 0xdead_beef });
  body.peer = new PeerCertificate(fromHex('30020500'));
  body.chain = [body.peer];
  return SessionCore.fromBody(body, 5000, 60, 'test');
}

/** A cache as far as a session sees it. */
class Owner implements SessionOwner {
  readonly changed: SessionCore[] = [];
  sessionTimesChanged(session: SessionCore): void {
    this.changed.push(session);
  }
  hold(session: SessionCore): void {
    session.retain('cache');
    session.owner = this;
  }
  drop(session: SessionCore): void {
    session.owner = null;
    session.release('cache');
  }
}

function failure(call: () => unknown): SessionError {
  try {
    call();
  } catch (error) {
    if (error instanceof SessionError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('SSL_SESSION_new', () => {
  it('gives one reference and the defaults of OpenSSL', () => {
    const session = SessionCore.create(clock);
    const body = session.body('test');
    expect([session.references, session.applicationReferences, session.libraryReferences]).toEqual([1, 1, 0]);
    expect(session.timeoutSec('test')).toBe(304);
    expect(session.timeMs('test')).toBe(1_795_423_188_777);
    expect(session.expiresAtMs).toBe(1_795_423_188_777 + 304_000);
    expect({ ...body }).toMatchObject({
      version: 0,
      cipher: 0,
      kexGroup: 0,
      verifyResult: 1,
      ticketLifetimeHint: 0,
      ageAddInt32: 0,
      maxEarlyData: 0,
      maxFragmentLength: 255,
      flags: 0,
      compression: 0,
      peer: null,
      chain: null,
      bindings: null,
      present: 0,
    });
    for (const field of Object.values(Field)) {
      expect(body.has(field)).toBe(false);
      expect(body.length(field)).toBe(0);
      expect(session.field(field, 'test').length).toBe(0);
    }
    expect(session.isResumable('test')).toBe(false);
    expect(session.isMarkedNotResumable).toBe(false);
    expect(session.owner).toBeNull();
    expect(session.getExData(0)).toBeNull();
    session.free();
  });

  it('takes the time of the machine when no clock is given', () => {
    const before = Date.now();
    const session = SessionCore.create();
    expect(session.timeMs('test')).toBeGreaterThanOrEqual(before);
    expect(session.timeMs('test')).toBeLessThanOrEqual(Date.now());
    session.free();
  });

  it('shares one body among fresh sessions, which no setter touches', () => {
    const [a, b] = [SessionCore.create(clock), SessionCore.create(clock)];
    expect(a.body('test')).toBe(DEFAULT_BODY);
    a.setField(Field.id, fromHex('01'), 'test');
    a.ownBody('test').version = 0x0303;
    b.ownBody('test').version = 0x0304;
    expect([a.body('test').version, b.body('test').version, DEFAULT_BODY.version]).toEqual([
      0x0303, 0x0304, 0,
    ]);
    a.free();
    b.free();
    const c = SessionCore.create(clock);
    expect([c.body('test').version, c.field(Field.id, 'test').length]).toEqual([0, 0]);
    expect(SessionBody.slabForTest(DEFAULT_BODY).length).toBe(36);
    c.free();
  });
});

describe('SSL_SESSION_up_ref and SSL_SESSION_free', () => {
  it('count, and end the session with the last', () => {
    const session = SessionCore.create(clock);
    const live = liveSessionCount();
    expect(session.upRef()).toBe(true);
    expect(session.upRef()).toBe(true);
    expect(session.references).toBe(3);
    session.free();
    session.free();
    expect([session.references, session.hasEnded, liveSessionCount()]).toEqual([1, false, live]);
    session.free();
    expect([session.references, session.hasEnded, liveSessionCount()]).toEqual([0, true, live - 1]);
  });

  it('fail at the largest count instead of wrapping', () => {
    const session = SessionCore.create(clock);
    SessionCore.setApplicationReferencesForTest(session, MAX);
    expect(session.upRef()).toBe(false);
    expect(failure(() => session.retain('cache')).code).toBe('ERR_SESSION_LIBRARY_COUNT');
    expect(session.references).toBe(MAX);
    session.free();
    expect(session.upRef()).toBe(true);
    expect(session.references).toBe(MAX);
    // The library's count towards the same number.
    SessionCore.setApplicationReferencesForTest(session, MAX - 1);
    session.retain('cache');
    expect(session.upRef()).toBe(false);
    session.release('cache');
    SessionCore.setApplicationReferencesForTest(session, 1);
    session.free();
  });

  it('throw at an over-free at once, also while the library holds the session', () => {
    const session = SessionCore.create(clock);
    const owner = new Owner();
    owner.hold(session);
    session.free();
    expect([session.hasEnded, session.applicationReferences, session.libraryReferences]).toEqual([
      false,
      0,
      1,
    ]);
    const error = failure(() => session.free('SSL_SESSION_free'));
    expect(error.code).toBe('ERR_SESSION_OVER_FREE');
    expect(error.message).toContain('SSL_SESSION_free');
    expect(error.message).toContain(session.label);
    expect(error.message).toContain('the one that is left belongs to the library');
    expect(session.references).toBe(1);
    session.retain('connection');
    expect(failure(() => session.free()).message).toContain('all 2 that are left belong to the library');
    session.release('connection');
    owner.drop(session);
    expect(session.hasEnded).toBe(true);
    const late = failure(() => session.free());
    expect(late.code).toBe('ERR_SESSION_OVER_FREE');
    expect(late.message).toContain('has ended already');
  });

  it('keep the session alive for whoever still holds it', () => {
    const session = SessionCore.create(clock);
    session.retain('connection');
    session.release('connection');
    expect(session.hasEnded).toBe(false);
    session.retain('connection');
    session.free();
    expect(session.hasEnded).toBe(false);
    expect(session.timeoutSec('test')).toBe(304);
    session.release('connection');
    expect(session.hasEnded).toBe(true);
  });

  it('say so when the library gives back more than it took', () => {
    const session = SessionCore.create(clock);
    for (const call of [() => session.release('cache'), () => session.giveToApplication('callback')]) {
      const error = failure(call);
      expect(error.code).toBe('ERR_SESSION_LIBRARY_COUNT');
      expect(error.message).toContain(session.label);
    }
    session.free();
  });

  it('move a reference between the two, in a callback that takes or donates one', () => {
    const session = SessionCore.create(clock);
    session.retain('callback');
    session.giveToApplication('new_session_cb');
    expect([session.applicationReferences, session.libraryReferences]).toEqual([2, 0]);
    session.takeFromApplication('get_session_cb');
    session.takeFromApplication('get_session_cb');
    expect([session.applicationReferences, session.libraryReferences]).toEqual([0, 2]);
    expect(failure(() => session.takeFromApplication('get_session_cb')).code).toBe('ERR_SESSION_OVER_FREE');
    session.release('test');
    session.release('test');
    expect(failure(() => session.takeFromApplication('get_session_cb')).code).toBe('ERR_SESSION_ENDED');
  });
});

describe('after the end', () => {
  it('every use throws, naming the session and the call', () => {
    const session = full();
    session.free();
    const uses: Record<string, (call: string) => unknown> = {
      upRef: (call) => session.upRef(call),
      retain: (call) => session.retain(call),
      dup: (call) => session.dup(call),
      body: (call) => session.body(call),
      ownBody: (call) => session.ownBody(call),
      setField: (call) => session.setField(Field.id, null, call),
      field: (call) => session.field(Field.id, call),
      setPeer: (call) => session.setPeer(null, null, call),
      setBindings: (call) => session.setBindings(null, call),
      timeMs: (call) => session.timeMs(call),
      setTimeMs: (call) => session.setTimeMs(1, call),
      timeoutSec: (call) => session.timeoutSec(call),
      setTimeoutSec: (call) => session.setTimeoutSec(1, call),
      isResumable: (call) => session.isResumable(call),
      setExData: (call) => session.setExData(0, 1, call),
      getExData: (call) => session.getExData(0, call),
      takeFromApplication: (call) => session.takeFromApplication(call),
    };
    for (const [name, use] of Object.entries(uses)) {
      const error = failure(() => use(`the call ${name}`));
      expect(error.code, name).toBe('ERR_SESSION_ENDED');
      expect(error.message).toContain(`the call ${name}`);
      expect(error.message).toContain(session.label);
      expect(error.message).toContain('TLSESSION_TRACE_REFS=1');
      expect(TlsessionError.is(error)).toBe(true);
    }
    expect(JSON.parse(JSON.stringify(session))).toEqual({ session: session.label, ended: true });
    expect(inspect(session)).toContain('"ended":true');
  });

  it('nothing is left of its bytes: the secret and the id first, then all the rest', () => {
    const session = full();
    const slab = SessionBody.slabForTest(session.body('test'));
    expect(slab.some((byte) => byte >= 0xa0)).toBe(true);
    session.free();
    expect(slab.every((byte) => byte === 0)).toBe(true);
    // They are wiped from front to back.
    expect([Field.masterKey, Field.id]).toEqual([0, 1]);
  });

  it('a body that others share is wiped with the last of them', () => {
    const session = full();
    const copy = session.dup();
    const body = session.body('test');
    const slab = SessionBody.slabForTest(body);
    session.free();
    expect(toHex(copy.field(Field.masterKey, 'test'))).toBe('a0'.repeat(20));
    copy.free();
    expect(slab.every((byte) => byte === 0)).toBe(true);
    expect([body.peer, body.chain, body.bindings, body.form, body.ticketAgeAdd]).toEqual([
      null,
      null,
      null,
      null,
      0,
    ]);
  });

  it('a setter wipes the body that it replaces, unless that is shared', () => {
    const session = full();
    const first = SessionBody.slabForTest(session.body('test'));
    session.setField(Field.id, fromHex('0102'), 'test');
    expect(first.every((byte) => byte === 0)).toBe(true);
    const copy = session.dup();
    const second = SessionBody.slabForTest(session.body('test'));
    session.setField(Field.id, fromHex('0304'), 'test');
    expect(second.some((byte) => byte !== 0)).toBe(true);
    expect(toHex(copy.field(Field.id, 'test'))).toBe('0102');
    session.free();
    copy.free();
  });
});

describe('SSL_SESSION_dup', () => {
  it('copies what OpenSSL copies and resets what it resets', () => {
    const session = full();
    session.setBindings(
      { host: 'a', port: 1, trust: fromHex('01'), clientAuth: fromHex('02'), authenticatedAtMs: 3 },
      'test',
    );
    session.markNotResumable();
    session.setTimeMs(7001, 'test');
    session.setTimeoutSec(61, 'test');
    session.upRef();
    const owner = new Owner();
    owner.hold(session);
    session.slot = 9;
    const copy = session.dup();
    expect([copy.applicationReferences, copy.libraryReferences]).toEqual([1, 0]);
    expect([copy.owner, copy.slot]).toEqual([null, -1]);
    expect(copy.isMarkedNotResumable).toBe(true);
    expect(copy.isResumable('test')).toBe(false);
    expect([copy.timeMs('test'), copy.timeoutSec('test')]).toEqual([7001, 61]);
    for (const field of Object.values(Field)) {
      expect(copy.field(field, 'test')).toEqual(session.field(field, 'test'));
    }
    expect(copy.body('test').peer).toBe(session.body('test').peer);
    expect(copy.body('test').bindings).toEqual(session.body('test').bindings);
    expect(copy.label).not.toBe(session.label);
    // The copy of a cached session may change, and neither sees the other's changes.
    copy.setField(Field.ticket, null, 'test');
    copy.ownBody('test').verifyResult = 0;
    copy.setTimeMs(1, 'test');
    copy.clearNotResumable();
    expect(session.body('test').has(Field.ticket)).toBe(true);
    expect(session.body('test').verifyResult).toBe(1);
    expect(session.timeMs('test')).toBe(7001);
    expect(session.isMarkedNotResumable).toBe(true);
    expect(owner.changed).toEqual([]);
    owner.drop(session);
    session.free();
    session.free();
    copy.free();
  });
});

describe('setters', () => {
  it('on a session that a cache holds throw, time, timeout and ex_data excepted', () => {
    const session = full();
    const owner = new Owner();
    owner.hold(session);
    const setters: Record<string, () => unknown> = {
      setField: () => session.setField(Field.id, fromHex('01'), 'SSL_SESSION_set1_id'),
      ownBody: () => session.ownBody('SSL_SESSION_set_cipher'),
      setPeer: () => session.setPeer(null, null, 'test'),
      setBindings: () => session.setBindings(null, 'test'),
    };
    for (const [name, set] of Object.entries(setters)) {
      const error = failure(set);
      expect(error.code, name).toBe('ERR_SESSION_IN_CACHE');
      expect(error.message).toContain(session.label);
    }
    expect(failure(setters['setField'] as () => unknown).message).toContain('SSL_SESSION_set1_id');
    session.setTimeMs(9000, 'test');
    session.setTimeoutSec(9, 'test');
    expect(owner.changed).toEqual([session, session]);
    expect(session.setExData(0, 'value')).toBe(true);
    expect(session.getExData(0)).toBe('value');
    owner.drop(session);
    session.setTimeMs(1, 'test');
    expect(owner.changed.length).toBe(2);
    session.setField(Field.id, fromHex('01'), 'test');
    session.free();
  });

  it('copy what they are given and hand out copies', () => {
    const session = SessionCore.create(clock);
    const id = fromHex('0102');
    session.setField(Field.id, id, 'test');
    id.fill(0xff);
    const out = session.field(Field.id, 'test');
    expect(toHex(out)).toBe('0102');
    out.fill(0xff);
    expect(toHex(session.field(Field.id, 'test'))).toBe('0102');
    const der = fromHex('30020500');
    const peer = new PeerCertificate(der);
    der.fill(0);
    peer.der.fill(0);
    expect([toHex(peer.der), peer.byteLength]).toEqual(['30020500', 4]);
    session.free();
  });

  it('tell empty from absent', () => {
    const session = full();
    session.setField(Field.hostname, new Uint8Array(0), 'test');
    expect([session.body('test').has(Field.hostname), session.body('test').length(Field.hostname)]).toEqual([
      true,
      0,
    ]);
    session.setField(Field.hostname, null, 'test');
    expect(session.body('test').has(Field.hostname)).toBe(false);
    expect(toHex(session.field(Field.alpn, 'test'))).toBe('a4'.repeat(24));
    session.free();
  });

  it('hold every field to its limit, and change nothing when they refuse', () => {
    const session = SessionCore.create(clock);
    for (const field of Object.values(Field) as FieldIndex[]) {
      const limit = FIELD_LIMITS[field] as number;
      const longest = new Uint8Array(limit).fill(field + 1);
      session.setField(field, longest, 'test');
      const error = failure(() => session.setField(field, new Uint8Array(limit + 1), 'test'));
      expect(error.code).toBe('ERR_SESSION_VALUE_TOO_LONG');
      expect(error.message).toContain(`${limit} bytes, not ${limit + 1}`);
      expect(equalBytes(session.field(field, 'test'), longest)).toBe(true);
    }
    // Offsets still fit when every field is as long as it may be.
    expect(session.field(Field.peerRpk, 'test').length).toBe(0xffff);
    session.free();
  });

  it('refuse times that are no times', () => {
    const session = SessionCore.create(clock);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      expect(() => session.setTimeMs(bad, 'test')).toThrow(UsageError);
      expect(() => session.setTimeoutSec(bad, 'test')).toThrow(UsageError);
    }
    expect(() => session.setTimeoutSec(-1, 'test')).toThrow(UsageError);
    session.setTimeMs(-1, 'test');
    session.setTimeoutSec(0, 'test');
    expect(session.expiresAtMs).toBe(-1);
    session.free();
  });

  it('take a chain only with its own first certificate', () => {
    const session = SessionCore.create(clock);
    const [leaf, other] = [new PeerCertificate(fromHex('3000')), new PeerCertificate(fromHex('3000'))];
    expect(() => session.setPeer(leaf, [other], 'test')).toThrow(UsageError);
    expect(() => session.setPeer(leaf, [], 'test')).toThrow(UsageError);
    expect(() => session.setPeer(null, [leaf], 'test')).toThrow(UsageError);
    const chain = [leaf, other];
    session.setPeer(leaf, chain, 'test');
    chain.pop();
    expect(session.body('test').chain).toEqual([leaf, other]);
    // What is changed elsewhere leaves it where it is.
    session.setField(Field.id, fromHex('01'), 'test');
    expect([session.body('test').peer, session.body('test').chain]).toEqual([leaf, [leaf, other]]);
    expect(Object.isFrozen(session.body('test').chain)).toBe(true);
    session.free();
  });
});

describe('resumable', () => {
  it('is what has an id or a ticket and is not marked', () => {
    const session = SessionCore.create(clock);
    expect(session.isResumable('test')).toBe(false);
    session.setField(Field.ticket, new Uint8Array(0), 'test');
    expect(session.isResumable('test')).toBe(false);
    session.setField(Field.ticket, fromHex('01'), 'test');
    expect(session.isResumable('test')).toBe(true);
    session.setField(Field.ticket, null, 'test');
    session.setField(Field.id, fromHex('01'), 'test');
    expect(session.isResumable('test')).toBe(true);
    session.markNotResumable();
    expect(session.isResumable('test')).toBe(false);
    session.free();
  });
});

describe('what is shown', () => {
  it('has lengths and public facts, and no byte of a secret', () => {
    const secret = utf8('sEcReT-kEy-MaTeRiAl!');
    const session = full();
    for (const field of [Field.masterKey, Field.ticket, Field.ticketAppdata, Field.earlySecret]) {
      session.setField(field, secret, 'test');
    }
    const owner = new Owner();
    owner.hold(session);
    const shown = [
      inspect(session, { depth: 9, showHidden: true }),
      inspect({ nested: [session] }, { depth: 9 }),
      JSON.stringify(session),
      String(failure(() => session.setField(Field.masterKey, secret, 'test'))),
      inspect(failure(() => session.setField(Field.ticket, new Uint8Array(70_000).fill(0x73), 'test'))),
    ];
    owner.drop(session);
    session.free();
    shown.push(
      inspect(failure(() => session.free())),
      inspect(failure(() => session.field(Field.masterKey, 'test'))),
    );
    const forms = [
      'sEcReT',
      toHex(secret).slice(0, 12),
      toHex(secret).slice(0, 12).toUpperCase(),
      Buffer.from(secret).toString('base64').slice(0, 10),
      [...secret.subarray(0, 5)].join(','),
      [...secret.subarray(0, 5)].join(', '),
    ];
    for (const text of shown) for (const form of forms) expect(text).not.toContain(form);
    expect(JSON.parse(shown[2] as string)).toMatchObject({
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      masterKeyLength: 20,
      ticketLength: 20,
      references: { application: 1, library: 1 },
    });
  });
});
