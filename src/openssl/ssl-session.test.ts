import { afterEach, describe, expect, it } from 'vitest';
import { CERTIFICATE } from '../../tests/session/arbitrary.ts';
import { Field, makeBody, PeerCertificate } from '../session/body.ts';
import { liveSessionCount, SessionCore, type SessionOwner } from '../session/core.ts';
import { fromHex, toHex, utf8 } from '../util/bytes.ts';
import {
  ERR_clear_error,
  ERR_error_string,
  ERR_get_error,
  ERR_get_error_all,
  ERR_LIB_SSL,
  ERR_PACK,
  ERR_R_CRYPTO_LIB,
  ERR_R_PASSED_INVALID_ARGUMENT,
  SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG,
  SSL_R_SSL_SESSION_ID_TOO_LONG,
} from './err.ts';
import {
  SSL_CIPHER_find,
  SSL_CIPHER_get_id,
  SSL_CIPHER_get_name,
  SSL_CIPHER_get_protocol_id,
} from './ssl-cipher.ts';
import * as S from './ssl-session.ts';
import type { SSL_SESSION } from './types.ts';

/** Every failure's reason is taken off the queue by the test that caused it. */
afterEach(() => {
  const left = ERR_get_error();
  ERR_clear_error();
  expect(left).toBe(0);
});

function made(): SSL_SESSION {
  const session = S.SSL_SESSION_new();
  if (session === null) throw new Error('no session');
  return session;
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'nothing was thrown';
}

const NULL = null as unknown as SSL_SESSION;

describe('SSL_SESSION_new, SSL_SESSION_dup, SSL_SESSION_up_ref, SSL_SESSION_free', () => {
  it('walk the manual page', () => {
    const live = liveSessionCount();
    const session = made();
    expect(S.SSL_SESSION_up_ref(session)).toBe(1);
    const copy = S.SSL_SESSION_dup(session) as SSL_SESSION;
    expect(copy).not.toBe(session);
    expect(liveSessionCount()).toBe(live + 2);
    S.SSL_SESSION_free(session);
    S.SSL_SESSION_free(null);
    expect(S.SSL_SESSION_get_timeout(session)).toBe(304);
    S.SSL_SESSION_free(session);
    expect(codeOf(() => S.SSL_SESSION_free(session))).toBe('ERR_SESSION_OVER_FREE');
    expect(codeOf(() => S.SSL_SESSION_up_ref(session))).toBe('ERR_SESSION_ENDED');
    expect(codeOf(() => S.SSL_SESSION_dup(session))).toBe('ERR_SESSION_ENDED');
    S.SSL_SESSION_free(copy);
    expect(liveSessionCount()).toBe(live);
  });

  it('up_ref gives 0 at the largest count', () => {
    const session = made() as SessionCore;
    SessionCore.setApplicationReferencesForTest(session, 0x7fff_ffff);
    expect(S.SSL_SESSION_up_ref(session)).toBe(0);
    SessionCore.setApplicationReferencesForTest(session, 1);
    S.SSL_SESSION_free(session);
  });

  it('free throws while a cache holds the session and nobody else does', () => {
    const session = made() as SessionCore;
    session.retain('SSL_CTX_add_session');
    S.SSL_SESSION_free(session);
    expect(codeOf(() => S.SSL_SESSION_free(session))).toBe('ERR_SESSION_OVER_FREE');
    session.release('SSL_CTX_flush_sessions');
  });

  it('throw where C would follow a NULL, or take anything for a session', () => {
    const needing = Object.entries(S).filter(
      ([name, value]) =>
        typeof value === 'function' &&
        !/_new$|_free$|get_ex_new_index$|_(get|set)_time(out)?(_ex)?$/.test(name),
    );
    expect(needing.length).toBeGreaterThan(30);
    for (const [name, call] of needing) {
      const run = call as (session: unknown, ...rest: unknown[]) => unknown;
      expect(
        codeOf(() => run(null, new Uint8Array(1), 0)),
        name,
      ).toBe('ERR_OPENSSL_NULL');
      expect(
        codeOf(() => run({}, new Uint8Array(1), 0)),
        name,
      ).toBe('ERR_OPENSSL_NULL');
    }
    expect(codeOf(() => S.SSL_SESSION_free({} as SSL_SESSION))).toBe('ERR_OPENSSL_NULL');
  });
});

describe('times', () => {
  it('are seconds, and null is 0', () => {
    const session = made();
    expect(S.SSL_SESSION_get_time(session)).toBeCloseTo(Date.now() / 1000, -2);
    for (const [get, set] of [
      [S.SSL_SESSION_get_time, S.SSL_SESSION_set_time],
      [S.SSL_SESSION_get_time_ex, S.SSL_SESSION_set_time_ex],
      [S.SSL_get_time, S.SSL_set_time],
    ] as const) {
      for (const time of [0, 1, -5, 1_795_423_188, 2 ** 40]) {
        expect(set(session, time)).toBe(time);
        expect(get(session)).toBe(time);
      }
      expect([get(null), set(null, 5)]).toEqual([0, 0]);
    }
    for (const [get, set] of [
      [S.SSL_SESSION_get_timeout, S.SSL_SESSION_set_timeout],
      [S.SSL_get_timeout, S.SSL_set_timeout],
    ] as const) {
      expect([set(session, 60), get(session)]).toEqual([1, 60]);
      expect([set(session, -1), get(session)]).toEqual([0, 60]);
      expect([set(session, 2 ** 63), get(session)]).toEqual([1, 2 ** 63]);
      expect([set(session, 0), get(session)]).toEqual([1, 0]);
      expect([get(null), set(null, 5)]).toEqual([0, 0]);
    }
    S.SSL_SESSION_free(session);
  });

  it('may be set while a cache holds the session, which is told', () => {
    const session = made() as SessionCore;
    const told: unknown[] = [];
    const owner: SessionOwner = { sessionTimesChanged: (changed) => told.push(changed) };
    session.owner = owner;
    S.SSL_SESSION_set_time(session, 5);
    S.SSL_SESSION_set_timeout(session, 5);
    expect(S.SSL_SESSION_set_ex_data(session, 0, 'x')).toBe(1);
    expect(told).toEqual([session, session]);
    for (const set of [
      () => S.SSL_SESSION_set1_id(session, fromHex('01')),
      () => S.SSL_SESSION_set1_id_context(session, fromHex('01')),
      () => S.SSL_SESSION_set1_master_key(session, fromHex('01')),
      () => S.SSL_SESSION_set1_hostname(session, 'a'),
      () => S.SSL_SESSION_set1_alpn_selected(session, fromHex('01')),
      () => S.SSL_SESSION_set1_ticket_appdata(session, fromHex('01')),
      () => S.SSL_SESSION_set_protocol_version(session, 0x0304),
      () => S.SSL_SESSION_set_cipher(session, null),
      () => S.SSL_SESSION_set_max_early_data(session, 1),
    ]) {
      expect(codeOf(set)).toBe('ERR_SESSION_IN_CACHE');
    }
    session.owner = null;
    S.SSL_SESSION_free(session);
  });
});

describe('what was negotiated', () => {
  it('protocol versions are not looked at', () => {
    const session = made();
    expect(S.SSL_SESSION_get_protocol_version(session)).toBe(0);
    for (const version of [0x0304, 0x0303, 7, -1]) {
      expect(S.SSL_SESSION_set_protocol_version(session, version)).toBe(1);
      expect(S.SSL_SESSION_get_protocol_version(session)).toBe(version);
    }
    S.SSL_SESSION_free(session);
  });

  it('ciphers are objects, one each', () => {
    const session = made();
    expect(S.SSL_SESSION_get0_cipher(session)).toBeNull();
    const cipher = SSL_CIPHER_find(null, fromHex('c02b'));
    expect(S.SSL_SESSION_set_cipher(session, cipher)).toBe(1);
    expect(S.SSL_SESSION_get0_cipher(session)).toBe(cipher);
    if (cipher === null) throw new Error('no cipher');
    expect(SSL_CIPHER_get_name(cipher)).toBe('ECDHE-ECDSA-AES128-GCM-SHA256');
    expect(SSL_CIPHER_get_id(cipher)).toBe(0x0300_c02b);
    expect(SSL_CIPHER_get_protocol_id(cipher)).toBe(0xc02b);
    expect(SSL_CIPHER_find(null, fromHex('1399'))).toBeNull();
    expect(SSL_CIPHER_get_name(null)).toBe('(NONE)');
    expect(S.SSL_SESSION_set_cipher(session, null)).toBe(1);
    expect(S.SSL_SESSION_get0_cipher(session)).toBeNull();
    S.SSL_SESSION_free(session);
  });

  it('host names are strings, and null clears them', () => {
    const session = made();
    expect(S.SSL_SESSION_get0_hostname(session)).toBeNull();
    expect(S.SSL_SESSION_set1_hostname(session, 'bücher.example')).toBe(1);
    expect(S.SSL_SESSION_get0_hostname(session)).toBe('bücher.example');
    expect(S.SSL_SESSION_set1_hostname(session, utf8('a.example\0b.example'))).toBe(1);
    expect(S.SSL_SESSION_get0_hostname(session)).toBe('a.example');
    for (const empty of ['', '\0a']) {
      expect(S.SSL_SESSION_set1_hostname(session, empty)).toBe(1);
      expect(S.SSL_SESSION_get0_hostname(session)).toBe('');
    }
    expect(S.SSL_SESSION_set1_hostname(session, null)).toBe(1);
    expect(S.SSL_SESSION_get0_hostname(session)).toBeNull();
    expect(S.SSL_SESSION_set1_hostname(session, 'a'.repeat(0x1_0000))).toBe(0);
    expect(ERR_get_error()).toBe(ERR_PACK(ERR_LIB_SSL, 0, ERR_R_PASSED_INVALID_ARGUMENT));
    S.SSL_SESSION_free(session);
  });

  it('ALPN is one protocol without its length, and empty clears it', () => {
    const session = made();
    expect(S.SSL_SESSION_get0_alpn_selected(session).length).toBe(0);
    expect(S.SSL_SESSION_set1_alpn_selected(session, utf8('h2'))).toBe(1);
    expect(toHex(S.SSL_SESSION_get0_alpn_selected(session))).toBe('6832');
    for (const cleared of [new Uint8Array(0), null]) {
      expect(S.SSL_SESSION_set1_alpn_selected(session, utf8('h2'))).toBe(1);
      expect(S.SSL_SESSION_set1_alpn_selected(session, cleared)).toBe(1);
      expect(S.SSL_SESSION_get0_alpn_selected(session).length).toBe(0);
      expect((session as SessionCore).body('test').has(Field.alpn)).toBe(false);
    }
    S.SSL_SESSION_free(session);
  });

  it('an unspecified maximum fragment length is 0', () => {
    const session = made() as SessionCore;
    expect(S.SSL_SESSION_get_max_fragment_length(session)).toBe(0);
    session.ownBody('test').maxFragmentLength = 4;
    session.ownBody('test').compression = 1;
    expect(S.SSL_SESSION_get_max_fragment_length(session)).toBe(4);
    expect(S.SSL_SESSION_get_compress_id(session)).toBe(1);
    S.SSL_SESSION_free(session);
  });
});

describe('tickets and early data', () => {
  it('a ticket is there when it has a byte', () => {
    const session = made() as SessionCore;
    expect([S.SSL_SESSION_has_ticket(session), S.SSL_SESSION_get0_ticket(session)]).toEqual([0, null]);
    session.setField(Field.ticket, new Uint8Array(0), 'test');
    expect([S.SSL_SESSION_has_ticket(session), S.SSL_SESSION_get0_ticket(session)?.length]).toEqual([0, 0]);
    session.setField(Field.ticket, fromHex('0102'), 'test');
    session.ownBody('test').ticketLifetimeHint = 7200;
    expect(S.SSL_SESSION_has_ticket(session)).toBe(1);
    expect(S.SSL_SESSION_get_ticket_lifetime_hint(session)).toBe(7200);
    const ticket = S.SSL_SESSION_get0_ticket(session);
    ticket?.fill(0);
    expect(toHex(S.SSL_SESSION_get0_ticket(session) ?? new Uint8Array(0))).toBe('0102');
    S.SSL_SESSION_free(session);
  });

  it('appdata comes back, and empty clears it', () => {
    const session = made();
    expect(S.SSL_SESSION_get0_ticket_appdata(session)).toBeNull();
    expect(S.SSL_SESSION_set1_ticket_appdata(session, fromHex('0102'))).toBe(1);
    expect(S.SSL_SESSION_get0_ticket_appdata(session)).toEqual(fromHex('0102'));
    for (const cleared of [new Uint8Array(0), null]) {
      expect(S.SSL_SESSION_set1_ticket_appdata(session, fromHex('0102'))).toBe(1);
      expect(S.SSL_SESSION_set1_ticket_appdata(session, cleared)).toBe(1);
      expect(S.SSL_SESSION_get0_ticket_appdata(session)).toBeNull();
    }
    expect(S.SSL_SESSION_set1_ticket_appdata(session, new Uint8Array(0x10_0000))).toBe(1);
    expect(S.SSL_SESSION_set1_ticket_appdata(session, new Uint8Array(0x10_0001))).toBe(0);
    expect(ERR_get_error_all()).toEqual({
      error: ERR_PACK(ERR_LIB_SSL, 0, ERR_R_PASSED_INVALID_ARGUMENT),
      data: '1048577 bytes',
    });
    expect(S.SSL_SESSION_get0_ticket_appdata(session)?.length).toBe(0x10_0000);
    S.SSL_SESSION_free(session);
  });

  it('the early data limit has 32 bits', () => {
    const session = made();
    expect(S.SSL_SESSION_get_max_early_data(session)).toBe(0);
    expect(S.SSL_SESSION_set_max_early_data(session, 0xffff_ffff)).toBe(1);
    expect(S.SSL_SESSION_get_max_early_data(session)).toBe(0xffff_ffff);
    S.SSL_SESSION_free(session);
  });
});

describe('the peer', () => {
  it('is a certificate or a raw public key', () => {
    const bare = made() as SessionCore;
    expect([S.SSL_SESSION_get0_peer(bare), S.SSL_SESSION_get0_peer_rpk(bare)]).toEqual([null, null]);
    bare.setField(Field.peerRpk, fromHex('3000'), 'test');
    expect(S.SSL_SESSION_get0_peer_rpk(bare)).toEqual(fromHex('3000'));
    const body = makeBody([], {});
    body.peer = new PeerCertificate(CERTIFICATE);
    const session = SessionCore.fromBody(body, 0, 0, 'test');
    expect(S.SSL_SESSION_get0_peer(session)?.der).toEqual(CERTIFICATE);
    S.SSL_SESSION_free(session);
    S.SSL_SESSION_free(bare);
  });
});

describe('identity and secret', () => {
  it('an id has at most 32 bytes', () => {
    const session = made();
    expect(S.SSL_SESSION_get_id(session).length).toBe(0);
    const id = new Uint8Array(32).fill(7);
    expect(S.SSL_SESSION_set1_id(session, id)).toBe(1);
    expect(S.SSL_SESSION_set1_id(session, new Uint8Array(33))).toBe(0);
    expect(ERR_get_error()).toBe(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_SSL_SESSION_ID_TOO_LONG));
    expect(S.SSL_SESSION_get_id(session)).toEqual(id);
    expect(S.SSL_SESSION_set1_id(session, new Uint8Array(0))).toBe(1);
    expect(S.SSL_SESSION_get_id(session).length).toBe(0);
    S.SSL_SESSION_free(session);
  });

  it('an id context has at most 32 bytes', () => {
    const session = made();
    expect(S.SSL_SESSION_get0_id_context(session).length).toBe(0);
    const context = new Uint8Array(32).fill(7);
    expect(S.SSL_SESSION_set1_id_context(session, context)).toBe(1);
    expect(S.SSL_SESSION_set1_id_context(session, new Uint8Array(33))).toBe(0);
    expect(ERR_get_error()).toBe(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG));
    expect(S.SSL_SESSION_get0_id_context(session)).toEqual(context);
    S.SSL_SESSION_free(session);
  });

  it('is resumable when it has an id or a ticket and no mark', () => {
    const session = made() as SessionCore;
    expect(S.SSL_SESSION_is_resumable(session)).toBe(0);
    S.SSL_SESSION_set1_id(session, fromHex('01'));
    expect(S.SSL_SESSION_is_resumable(session)).toBe(1);
    session.markNotResumable();
    expect(S.SSL_SESSION_is_resumable(session)).toBe(0);
    S.SSL_SESSION_free(session);
  });

  it('a master key has at most 512 bytes, and its length is asked for with 0', () => {
    const session = made();
    expect(S.SSL_SESSION_get_master_key(session, 0)).toBe(0);
    const key = new Uint8Array(512).map((_, i) => i);
    expect(S.SSL_SESSION_set1_master_key(session, key)).toBe(1);
    expect(S.SSL_SESSION_set1_master_key(session, new Uint8Array(513))).toBe(0);
    expect(S.SSL_SESSION_get_master_key(session, 0)).toBe(512);
    expect(S.SSL_SESSION_get_master_key(session)).toEqual(key);
    expect(S.SSL_SESSION_get_master_key(session, 48)).toEqual(key.subarray(0, 48));
    expect(S.SSL_SESSION_get_master_key(session, 9999)).toEqual(key);
    S.SSL_SESSION_get_master_key(session).fill(0);
    expect(S.SSL_SESSION_get_master_key(session)).toEqual(key);
    S.SSL_SESSION_free(session);
  });
});

describe('ex_data', () => {
  it('has an index a program and a value a session', () => {
    const calls: unknown[][] = [];
    const index = S.SSL_SESSION_get_ex_new_index(
      5,
      'p',
      (_session, i, argl, argp) => void calls.push(['new', i, argl, argp]),
      (_to, _from, value, i) => {
        calls.push(['dup', value, i]);
        return `${value} again`;
      },
      (_session, value, i) => void calls.push(['free', value, i]),
    );
    expect(index).toBeGreaterThan(0);
    const session = made();
    expect(S.SSL_SESSION_get_ex_data(session, index)).toBeNull();
    expect(S.SSL_SESSION_set_ex_data(session, index, 'value')).toBe(1);
    const copy = S.SSL_SESSION_dup(session) as SSL_SESSION;
    expect(S.SSL_SESSION_get_ex_data(copy, index)).toBe('value again');
    S.SSL_SESSION_free(session);
    S.SSL_SESSION_free(copy);
    expect(calls).toEqual([
      ['new', index, 5, 'p'],
      ['new', index, 5, 'p'],
      ['dup', 'value', index],
      ['free', 'value', index],
      ['free', 'value again', index],
    ]);
    for (const bad of [-1, 500]) {
      const other = made();
      expect(S.SSL_SESSION_set_ex_data(other, bad, 'x')).toBe(0);
      expect(ERR_error_string(ERR_get_error())).toBe(
        'error:07880106:common libcrypto routines::passed invalid argument',
      );
      expect(S.SSL_SESSION_get_ex_data(other, bad)).toBeNull();
      S.SSL_SESSION_free(other);
    }
  });

  it('app data is index 0', () => {
    const session = made();
    expect(S.SSL_SESSION_get_app_data(session)).toBeNull();
    expect(S.SSL_SESSION_set_app_data(session, 'mine')).toBe(1);
    expect([S.SSL_SESSION_get_app_data(session), S.SSL_SESSION_get_ex_data(session, 0)]).toEqual([
      'mine',
      'mine',
    ]);
    S.SSL_SESSION_free(session);
  });

  it('a callback that throws makes new and dup give null, with the reason on the queue', () => {
    let fails: 'new' | 'dup' | null = null;
    const index = S.SSL_SESSION_get_ex_new_index(
      0,
      null,
      () => {
        if (fails === 'new') throw new Error('no new one');
      },
      () => {
        if (fails === 'dup') throw new Error('no other one');
      },
      null,
    );
    const session = made();
    S.SSL_SESSION_set_ex_data(session, index, 'value');
    const live = liveSessionCount();
    fails = 'new';
    expect(S.SSL_SESSION_new()).toBeNull();
    fails = 'dup';
    expect(S.SSL_SESSION_dup(session)).toBeNull();
    fails = null;
    const error = ERR_PACK(ERR_LIB_SSL, 0, ERR_R_CRYPTO_LIB);
    expect(ERR_get_error_all()).toEqual({ error, data: 'no new one' });
    expect(ERR_get_error_all()).toEqual({ error, data: 'no other one' });
    expect(liveSessionCount()).toBe(live);
    S.SSL_SESSION_free(session);
  });

  it('gives -1 when no index is left', () => {
    let last = 0;
    for (;;) {
      const index = S.SSL_SESSION_get_ex_new_index(0, null, null, null, null);
      if (index === -1) break;
      last = index;
    }
    expect(last).toBe(1023);
    expect(ERR_error_string(ERR_get_error())).toContain('malloc failure');
  });
});

it('null is told from a session in what TypeScript is not asked about', () => {
  expect(codeOf(() => S.SSL_SESSION_up_ref(NULL))).toBe('ERR_OPENSSL_NULL');
});
