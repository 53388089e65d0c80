import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { CERTIFICATE } from '../../tests/session/arbitrary.ts';
import { fromHex, toHex, utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { makeBody, PeerCertificate } from './body.ts';
import { liveSessionCount, SessionCore } from './core.ts';
import { SessionError } from './errors.ts';
import { Session, sessionCore, sessionHandle } from './session.ts';

const clock = { wallMs: () => 1_795_423_188_777, monotonicMs: () => 0 };

function made(): Session {
  const body = makeBody(
    [
      utf8('sEcReT-kEy-MaTeRiAl!'),
      fromHex('aabb'),
      null,
      utf8('example.org'),
      utf8('h2'),
      utf8('sEcReT-tIcKeT'),
    ],
    {
      version: 0x0304,
      cipher: 0x1301,
      kexGroup: 0x1d,
      verifyResult: 0,
      ticketLifetimeHint: 100,
      maxEarlyData: 16_384,
    },
  );
  const peer = new PeerCertificate(CERTIFICATE);
  body.peer = peer;
  body.chain = [peer];
  return sessionHandle(SessionCore.fromBody(body, clock.wallMs(), 7200, 'test'), 'test');
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

describe('a handle', () => {
  it('stands for one reference; each owner has its own', () => {
    const session = Session.create({ clock });
    const core = sessionCore(session, 'test');
    expect([core.applicationReferences, core.libraryReferences]).toEqual([1, 0]);
    const other = session.ref();
    expect(core.references).toBe(2);
    expect([session.isSame(other), session === other]).toEqual([true, false]);
    session.free();
    expect([session.isFreed, other.isFreed, core.references]).toEqual([true, false, 1]);
    expect(other.timeoutSec).toBe(304);
    other.free();
    expect(core.hasEnded).toBe(true);
  });

  it('throws when it is used or freed after its end, though others live', () => {
    const session = made();
    const other = session.ref();
    session.free();
    const uses: Record<string, () => unknown> = {
      free: () => session.free(),
      ref: () => session.ref(),
      dup: () => session.dup(),
      isSame: () => session.isSame(other),
      resumability: () => session.resumability(0),
      toDER: () => session.toDER(),
      encodeInto: () => session.encodeInto(new Uint8Array(5000)),
      toPEM: () => session.toPEM(),
      toEnvelope: () => session.toEnvelope(),
      toKeyLog: () => session.toKeyLog(),
      toText: () => session.toText(),
      describe: () => session.describe(),
      id: () => {
        session.id = fromHex('01');
      },
    };
    const getters = Object.entries(Object.getOwnPropertyDescriptors(Session.prototype))
      .filter(([name, { get }]) => get !== undefined && name !== 'isFreed')
      .map(([name]) => name as keyof Session);
    expect(getters.length).toBeGreaterThan(20);
    for (const name of getters) uses[`get ${String(name)}`] = () => session[name];
    for (const [name, use] of Object.entries(uses)) {
      const error = failure(use);
      expect(error.code, name).toBe('ERR_SESSION_HANDLE_FREED');
      expect(error.message, name).toMatch(/^Session\.\w+: this handle on session #\d+ was freed before/);
    }
    expect(JSON.parse(JSON.stringify(session))).toEqual({ session: expect.any(String), freed: true });
    expect(inspect(session)).toContain('"freed":true');
    expect(toHex(other.id)).toBe('aabb');
    other.free();
  });

  it('ends with its block under `using`, and is not troubled by a free before', () => {
    const live = liveSessionCount();
    {
      using session = Session.create();
      using copy = session.dup();
      expect(liveSessionCount()).toBe(live + 2);
      copy.free();
      session.timeoutSec = 5;
    }
    expect(liveSessionCount()).toBe(live);
  });

  it('tells when no more references can be counted', () => {
    const session = Session.create();
    const core = sessionCore(session, 'test');
    SessionCore.setApplicationReferencesForTest(core, 0x7fff_ffff);
    expect(failure(() => session.ref()).code).toBe('ERR_SESSION_LIBRARY_COUNT');
    SessionCore.setApplicationReferencesForTest(core, 1);
    session.free();
  });

  it('cannot be made by hand', () => {
    const ByHand = Session as unknown as new (core: unknown) => Session;
    expect(() => new ByHand({})).toThrow();
  });

  it('gives a duplicate that is another session', () => {
    using session = made();
    using copy = session.dup();
    expect(session.isSame(copy)).toBe(false);
    copy.id = fromHex('01');
    expect([toHex(session.id), toHex(copy.id)]).toEqual(['aabb', '01']);
    expect(copy.peerCertificate).toBe(session.peerCertificate);
  });
});

describe('what a session says', () => {
  it('is typed, and a copy', () => {
    using session = made();
    expect({
      id: toHex(session.id),
      idContext: toHex(session.idContext),
      masterKey: Buffer.from(session.masterKey).toString(),
      ticket: Buffer.from(session.ticket ?? []).toString(),
      ticketAppdata: session.ticketAppdata,
      protocolVersion: session.protocolVersion,
      protocol: session.protocol,
      cipherId: session.cipherId,
      cipher: session.cipher,
      group: session.group,
      hostname: session.hostname,
      alpn: session.alpn,
      extendedMasterSecret: session.extendedMasterSecret,
      maxFragmentLength: session.maxFragmentLength,
      peer: session.peerCertificate?.byteLength,
      chain: session.peerChain?.length,
      peerRawPublicKey: session.peerRawPublicKey,
      verifyResult: session.verifyResult,
      bindings: session.bindings,
      timeMs: session.timeMs,
      timeoutSec: session.timeoutSec,
      ticketLifetimeHintSec: session.ticketLifetimeHintSec,
      maxEarlyData: session.maxEarlyData,
      isSingleUse: session.isSingleUse,
      wasOffered: session.wasOffered,
      isResumable: session.isResumable,
    }).toEqual({
      id: 'aabb',
      idContext: '',
      masterKey: 'sEcReT-kEy-MaTeRiAl!',
      ticket: 'sEcReT-tIcKeT',
      ticketAppdata: null,
      protocolVersion: 0x0304,
      protocol: 'TLSv1.3',
      cipherId: 0x1301,
      cipher: 'TLS_AES_128_GCM_SHA256',
      group: 'X25519',
      hostname: 'example.org',
      alpn: 'h2',
      extendedMasterSecret: false,
      maxFragmentLength: null,
      peer: CERTIFICATE.length,
      chain: 1,
      peerRawPublicKey: null,
      verifyResult: 0,
      bindings: null,
      timeMs: clock.wallMs(),
      timeoutSec: 7200,
      ticketLifetimeHintSec: 100,
      maxEarlyData: 16_384,
      isSingleUse: true,
      wasOffered: false,
      isResumable: true,
    });
    for (const name of ['id', 'masterKey', 'ticket'] as const) {
      session[name]?.fill(0);
      expect(
        session[name]?.some((byte) => byte !== 0),
        name,
      ).toBe(true);
    }
  });

  it('is what was set', () => {
    using session = Session.create({ clock });
    session.id = fromHex('01');
    session.idContext = fromHex('02');
    session.masterKey = fromHex('03');
    session.ticket = fromHex('04');
    session.ticketAppdata = fromHex('05');
    session.protocolVersion = 0x0303;
    session.cipherId = 0xc02b;
    session.hostname = 'a.example';
    session.alpn = '\xff';
    session.timeMs = 12;
    session.timeoutSec = 34;
    session.maxEarlyData = 0xffff_ffff;
    session.bindings = {
      host: 'a',
      port: 1,
      trust: fromHex('0a'),
      clientAuth: fromHex('0b'),
      authenticatedAtMs: 2,
    };
    session.bindings.trust.fill(0xff);
    using again = Session.fromEnvelope(session.toEnvelope());
    for (const one of [session, again]) {
      expect(
        [one.id, one.idContext, one.masterKey, one.ticket, one.ticketAppdata].map((b) =>
          toHex(b ?? fromHex('')),
        ),
      ).toEqual(['01', '02', '03', '04', '05']);
      expect([one.protocol, one.cipher, one.hostname, one.alpn]).toEqual([
        'TLSv1.2',
        'ECDHE-ECDSA-AES128-GCM-SHA256',
        'a.example',
        '\xff',
      ]);
      expect([one.timeMs, one.timeoutSec, one.maxEarlyData, one.isSingleUse]).toEqual([
        12,
        34,
        0xffff_ffff,
        false,
      ]);
      expect(one.bindings).toEqual({
        host: 'a',
        port: 1,
        trust: fromHex('0a'),
        clientAuth: fromHex('0b'),
        authenticatedAtMs: 2,
      });
    }
    session.ticket = null;
    session.hostname = null;
    session.bindings = null;
    expect([session.ticket, session.hostname, session.bindings]).toEqual([null, null, null]);
  });

  it('refuses what has no place in it', () => {
    using session = Session.create();
    for (const whole of [0xffff, 0]) {
      session.protocolVersion = whole;
      session.cipherId = whole;
      session.maxEarlyData = whole;
      expect([session.protocolVersion, session.cipherId, session.maxEarlyData]).toEqual([
        whole,
        whole,
        whole,
      ]);
    }
    for (const bad of [-1, 0.5, 0x1_0000, Number.NaN]) {
      expect(() => {
        session.protocolVersion = bad;
      }).toThrow(UsageError);
      expect(() => {
        session.cipherId = bad;
      }).toThrow(UsageError);
    }
    expect(() => {
      session.maxEarlyData = 2 ** 32;
    }).toThrow(UsageError);
    expect(() => {
      session.hostname = 'ž.example';
    }).toThrow(UsageError);
    expect(() => {
      session.timeoutSec = -1;
    }).toThrow(UsageError);
    expect(() => session.toDER()).toThrow(expect.objectContaining({ code: 'ERR_SESSION_NO_CIPHER' }));
  });

  it('knows the maximum fragment lengths', () => {
    using session = Session.create();
    for (const [mode, length] of [
      [0, null],
      [1, 512],
      [2, 1024],
      [3, 2048],
      [4, 4096],
      [5, null],
      [255, null],
    ]) {
      sessionCore(session, 'test').ownBody('test').maxFragmentLength = mode as number;
      expect(session.maxFragmentLength).toBe(length);
    }
  });
});

describe('the forms of a session', () => {
  it('all come back, by name and by how they begin', () => {
    using session = made();
    session.bindings = {
      host: 'b.example',
      port: 443,
      trust: fromHex(''),
      clientAuth: fromHex(''),
      authenticatedAtMs: 5,
    };
    const der = session.toDER();
    const room = new Uint8Array(der.length + 1);
    expect(session.encodeInto(room, 1)).toBe(der.length + 1);
    expect(toHex(room.subarray(1))).toBe(toHex(der));
    const forms = [
      Session.fromDER(der),
      Session.fromPEM(session.toPEM()),
      Session.fromEnvelope(session.toEnvelope()),
      Session.from(der),
      Session.from(utf8(`some text\n${session.toPEM()}`)),
      Session.from(session.toEnvelope()),
      Session.from(session.toNode()),
    ];
    for (const form of forms) expect(toHex(form.toDER())).toBe(toHex(der));
    expect(forms.map((form) => form.bindings?.host ?? null)).toEqual([
      null,
      null,
      'b.example',
      null,
      null,
      'b.example',
      null,
    ]);
    expect(session.toText()).toContain('    Protocol  : TLSv1.3\n');
    expect(session.toKeyLog()).toBe(
      `RSA Session-ID:AABB Master-Key:${Buffer.from('sEcReT-kEy-MaTeRiAl!').toString('hex').toUpperCase()}\n`,
    );
    for (const form of forms) form.free();
  });

  it('take the time of reading from the clock that is given', () => {
    const bare = fromHex('300f020101020203030402c02b04000400');
    using fromDer = Session.fromDER(bare, { clock });
    using fromPem = Session.fromPEM(
      `-----BEGIN SSL SESSION PARAMETERS-----\n${Buffer.from(bare).toString('base64')}\n-----END SSL SESSION PARAMETERS-----\n`,
      { clock },
    );
    using any = Session.from(bare, { clock });
    for (const one of [fromDer, fromPem, any])
      expect([one.timeMs, one.timeoutSec]).toEqual([clock.wallMs(), 3]);
  });

  it('name the host for Node: the bound one, else the SNI, else the one given', () => {
    using session = made();
    const host = (bytes: Uint8Array): string =>
      Buffer.from(bytes.subarray(24, 24 + (bytes[23] as number))).toString();
    expect(host(session.toNode())).toBe('example.org');
    expect(host(session.toNode('c.example'))).toBe('c.example');
    session.bindings = {
      host: 'b.example',
      port: 443,
      trust: fromHex(''),
      clientAuth: fromHex(''),
      authenticatedAtMs: 5,
    };
    expect(host(session.toNode())).toBe('b.example');
    session.bindings = null;
    session.hostname = null;
    expect(() => session.toNode()).toThrow(expect.objectContaining({ code: 'ERR_SESSION_NODE_HOST' }));
  });

  it('show secrets in JSON when asked, and otherwise nowhere', () => {
    using session = made();
    session.ticketAppdata = utf8('sEcReT-aPpDaTa');
    expect(session.describe({ secrets: true, clock }).secrets).toEqual({
      masterKey: toHex(utf8('sEcReT-kEy-MaTeRiAl!')),
      earlySecret: '',
      ticket: toHex(utf8('sEcReT-tIcKeT')),
      ticketAgeAdd: 0,
      ticketAppdata: toHex(utf8('sEcReT-aPpDaTa')),
    });
    const described = session.describe({ clock });
    expect(described).toMatchObject({
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      id: 'aabb',
      masterKeyLength: 20,
      ticketLength: 13,
      hostname: 'example.org',
      singleUse: true,
      resumable: true,
      notResumableReasons: [],
      bindings: null,
    });
    const secret = utf8('sEcReT');
    const shown = [
      JSON.stringify(described),
      JSON.stringify(session),
      inspect(session, { depth: 9, showHidden: true }),
    ];
    for (const text of shown) {
      for (const form of [
        'sEcReT',
        toHex(secret),
        toHex(secret).toUpperCase(),
        Buffer.from(secret).toString('base64'),
        [...secret].join(','),
        [...secret].join(', '),
      ]) {
        expect(text).not.toContain(form);
      }
    }
  });
});
