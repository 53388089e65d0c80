import { afterEach, describe, expect, it } from 'vitest';
import { idOf, makeSession, NOON, type SessionSketch } from '../../tests/support/sessions.ts';
import type { SessionBindings } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { utf8 } from '../util/bytes.ts';
import { checkResumable, isExpired, type ResumptionExpectation } from './session-check.ts';

const made: SessionCore[] = [];

function session(sketch: SessionSketch = {}): SessionCore {
  const core = makeSession({ id: 1, sidCtx: utf8('app'), hostname: 'a.example', alpn: 'h2', ...sketch });
  made.push(core);
  return core;
}

afterEach(() => {
  for (const each of made.splice(0)) each.free();
});

const bindings: SessionBindings = {
  host: 'a.example',
  port: 443,
  trust: Uint8Array.of(1),
  clientAuth: Uint8Array.of(2),
  authenticatedAtMs: NOON - 1000,
};

/** A TLS 1.2 handshake that the session above fits. */
const tls12: ResumptionExpectation = {
  version: 0x0303,
  nowMs: NOON,
  idContext: utf8('app'),
  verifiesPeer: true,
  extendedMasterSecret: false,
  helloId: idOf(1),
  offeredCiphers: [0xc02b, 0xc02f],
  hostname: utf8('a.example'),
  alpn: utf8('h2'),
};

const tls13: ResumptionExpectation = {
  version: 0x0304,
  nowMs: NOON,
  idContext: utf8('app'),
  verifiesPeer: false,
  extendedMasterSecret: null,
  hash: 'sha256',
};

const EMS = { flags: 1 };

describe('checkResumable', () => {
  it('lets pass what fits', () => {
    expect(checkResumable(session(), tls12)).toBeNull();
    expect(checkResumable(session(EMS), { ...tls12, extendedMasterSecret: true })).toBeNull();
    expect(checkResumable(session({ version: 0x0304, cipher: 0x1301 }), tls13)).toBeNull();
    // The suite may differ within one hash.
    expect(checkResumable(session({ version: 0x0304, cipher: 0x1303 }), tls13)).toBeNull();
    const bound = { trust: Uint8Array.of(1), clientAuth: Uint8Array.of(2), maxChainAgeMs: 1000 };
    expect(checkResumable(session({ bindings }), { ...tls12, ...bound })).toBeNull();
    // Without an SNI then and now, by whichever word for nothing.
    const nameless = makeSession({ id: 1, sidCtx: utf8('app'), alpn: 'h2' });
    made.push(nameless);
    expect(checkResumable(nameless, { ...tls12, hostname: null })).toBeNull();
  });

  it.each<[string, SessionSketch, Partial<ResumptionExpectation>, string | null]>([
    ['other-version', {}, { version: 0x0304 }, null],
    ['other-context', {}, { idContext: utf8('App') }, null],
    ['other-context', { sidCtx: new Uint8Array(0) }, {}, null],
    [
      'other-context',
      { sidCtx: new Uint8Array(0) },
      { idContext: new Uint8Array(0) },
      'session-context-missing',
    ],
    ['other-name', {}, { hostname: utf8('b.example') }, null],
    ['other-name', {}, { hostname: null }, null],
    ['other-alpn', {}, { alpn: utf8('http/1.1') }, null],
    ['other-alpn', {}, { alpn: null }, null],
    ['unbound', {}, { trust: Uint8Array.of(1) }, null],
    ['unbound', {}, { clientAuth: new Uint8Array(0) }, null],
    ['other-trust', { bindings }, { trust: Uint8Array.of(9) }, null],
    ['other-client-auth', { bindings }, { clientAuth: new Uint8Array(0) }, null],
    ['keying-material-too-old', { bindings }, { maxChainAgeMs: 999 }, null],
    ['expired', { timeoutSec: 5 }, { nowMs: NOON + 5001 }, null],
    ['extended-master-secret', EMS, {}, 'extended-master-secret'],
    ['extended-master-secret', {}, { extendedMasterSecret: true }, null],
    ['other-id', {}, { helloId: idOf(2) }, null],
    ['other-cipher', {}, { offeredCiphers: [0xc02b] }, 'session-changed'],
  ])('%s: %j in %j', (reason, sketch, handshake, failure) => {
    expect(checkResumable(session(sketch), { ...tls12, ...handshake })).toEqual({ reason, failure });
  });

  it('other-hash, and a suite that nobody knows has none', () => {
    for (const cipher of [0x1302, 0x13ff]) {
      expect(checkResumable(session({ version: 0x0304, cipher }), tls13)?.reason).toBe('other-hash');
    }
  });

  it('not-resumable, before anything else', () => {
    const marked = session({ version: 0x0301 });
    marked.markNotResumable();
    expect(checkResumable(marked, tls12)?.reason).toBe('not-resumable');
  });

  it('asks in the order of OpenSSL: what is fatal later does not come first', () => {
    // An expired session with EMS dropped is a full handshake, and one of another context too.
    expect(
      checkResumable(session({ ...EMS, timeoutSec: 0 }), { ...tls12, nowMs: NOON + 1 })?.failure,
    ).toBeNull();
    expect(checkResumable(session(EMS), { ...tls12, idContext: utf8('other') })?.failure).toBeNull();
    expect(checkResumable(session(EMS), { ...tls12, version: 0x0302 })?.failure).toBeNull();
  });
});

describe('isExpired', () => {
  it('is strict, and knows times without end', () => {
    const one = session({ timeoutSec: 10 });
    expect([isExpired(one, NOON + 10_000), isExpired(one, NOON + 10_000.5)]).toEqual([false, true]);
    expect(isExpired(session({ timeoutSec: 2 ** 63 }), Number.MAX_SAFE_INTEGER)).toBe(false);
  });
});
