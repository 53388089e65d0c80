/** The C names under programs that do what they should not: references, callbacks, buffers, ends in the middle. */
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import * as ssl from '../../src/entry/openssl.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { liveSessionCount } from '../../src/session/core.ts';
import {
  bytes,
  type Ctx,
  certificatePem,
  chain,
  connect,
  errors,
  memory,
  Program,
  readText,
  type Session,
  type Ssl,
  TLS1_2,
  TLS1_3,
  text,
  writeText,
} from './program.ts';

const VERSIONS = [
  ['TLS 1.2', TLS1_2],
  ['TLS 1.3', TLS1_3],
] as const;

/** Application's and library's references of a session. */
const counts = (session: Session): [number, number] => {
  const { applicationReferences, libraryReferences } = session as unknown as SessionCore;
  return [applicationReferences, libraryReferences];
};

describe('what there is beside sessions', () => {
  it('an error that is its own cause ends a handshake, and is told of', () => {
    using program = new Program();
    const server = program.server();
    ssl.SSL_CTX_set_client_hello_cb(server, () => {
      const error = new Error('of the program');
      error.cause = error;
      throw error;
    });
    const { c, s } = program.pair(program.client(), server);
    expect(connect(c, s, ssl.SSL_ERROR_SSL)).toBe(false);
    expect(errors().length).toBeGreaterThan(0);
  });

  it('names only suites that the provider has, each once', () => {
    const provider = { ...nodeProvider, supportsAead: (aead: string): boolean => !aead.includes('ccm') };
    using program = new Program({ provider });
    const client = program.client();
    expect(ssl.SSL_CTX_set_ciphersuites(client, 'TLS_AES_128_CCM_SHA256')).toBe(0);
    expect(errors()).toEqual(['no cipher match']);
    const list = 'TLS_AES_128_CCM_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA256';
    expect(ssl.SSL_CTX_set_ciphersuites(client, list)).toBe(1);
    expect(client.settings.cipherSuites).toEqual([0x1301]);
  });

  it('the client-hello callback sees the hello, may retry, and may refuse', () => {
    using program = new Program();
    const client = program.client();
    const server = program.server();
    const answers = [ssl.SSL_CLIENT_HELLO_RETRY, ssl.SSL_CLIENT_HELLO_SUCCESS];
    const args: unknown[] = [];
    ssl.SSL_CTX_set_client_hello_cb(
      server,
      (s, arg) => {
        args.push(arg);
        expect(ssl.SSL_client_hello_get0_session_id(s)).toHaveLength(32);
        expect(ssl.SSL_client_hello_get0_random(s)).toHaveLength(32);
        expect(ssl.SSL_client_hello_get0_legacy_version(s)).toBe(TLS1_2);
        expect(ssl.SSL_client_hello_get0_ciphers(s).length % 2).toBe(0);
        expect([...ssl.SSL_client_hello_get0_compression_methods(s)]).toEqual([0]);
        expect(ssl.SSL_client_hello_get1_extensions_present(s)).toContain(0);
        expect(text(ssl.SSL_client_hello_get0_ext(s, 0) as Uint8Array)).toContain('localhost');
        expect(ssl.SSL_client_hello_get0_ext(s, 0xfefe)).toBeNull();
        return answers.shift() ?? ssl.SSL_CLIENT_HELLO_ERROR;
      },
      'arg',
    );
    const name = (c: Ssl): void => void ssl.SSL_set_tlsext_host_name(c, 'localhost');
    const { c, s } = program.pair(client, server, name);
    ssl.SSL_connect(c);
    expect(ssl.SSL_accept(s)).toBe(-1);
    expect(ssl.SSL_get_error(s, -1)).toBe(ssl.SSL_ERROR_WANT_CLIENT_HELLO_CB);
    // There is no hello outside the callback.
    expect(ssl.SSL_client_hello_get0_session_id(s)).toHaveLength(0);
    expect(ssl.SSL_client_hello_get0_ext(s, 0)).toBeNull();
    expect(ssl.SSL_client_hello_get1_extensions_present(s)).toEqual([]);
    expect(connect(c, s)).toBe(true);
    expect(args).toEqual(['arg', 'arg']);
    const refused = program.pair(client, server, name);
    expect(connect(refused.c, refused.s)).toBe(false);
    expect(errors()).toContain('callback failed');
    ssl.SSL_CTX_set_client_hello_cb(server, null);
    const none = program.pair(client, server);
    expect(connect(none.c, none.s)).toBe(true);
  });

  it('the key log has a line for each secret', () => {
    for (const [, version] of VERSIONS) {
      using program = new Program();
      const client = program.client(version);
      const lines: string[] = [];
      const log = (_ssl: Ssl, line: string): void => void lines.push(line);
      ssl.SSL_CTX_set_keylog_callback(client, log);
      expect(ssl.SSL_CTX_get_keylog_callback(client)).toBe(log);
      const { c, s } = program.pair(client, program.server(version));
      expect(connect(c, s)).toBe(true);
      const labels = lines.map((line) => line.split(' ')[0]);
      expect(labels).toContain(version === TLS1_2 ? 'CLIENT_RANDOM' : 'SERVER_TRAFFIC_SECRET_0');
    }
  });

  it('settings of a context are its connections, and those of one connection its own', () => {
    using program = new Program();
    const ctx = program.client();
    ssl.SSL_CTX_set_quiet_shutdown(ctx, 1);
    ssl.SSL_CTX_set_post_handshake_auth(ctx, 1);
    const options = ssl.SSL_CTX_set_options(ctx, ssl.SSL_OP_PREFER_NO_DHE_KEX);
    // More bits than JavaScript's operators have.
    expect(options).toBe(2 ** 35 + ssl.SSL_OP_ENABLE_MIDDLEBOX_COMPAT + ssl.SSL_OP_NO_COMPRESSION);
    const one = program.ssl(ctx);
    expect(ssl.SSL_get_options(one)).toBe(options);
    expect(ssl.SSL_clear_options(one, ssl.SSL_OP_PREFER_NO_DHE_KEX | 0)).toBe(options);
    expect(ssl.SSL_clear_options(one, ssl.SSL_OP_PREFER_NO_DHE_KEX)).toBe(options - 2 ** 35);
    expect(ssl.SSL_CTX_get_options(ctx)).toBe(options);
    expect(ssl.SSL_set_ciphersuites(one, 'nothing')).toBe(0);
    expect(errors()).toEqual(['no cipher match']);
    expect(ssl.SSL_set_ciphersuites(one, 'TLS_AES_256_GCM_SHA384')).toBe(1);
    const server = program.server();
    wireTo(program, one, server);
    expect(one.settings.postHandshakeAuth).toBe(true);
    expect(ssl.SSL_CIPHER_get_name(ssl.SSL_get_current_cipher(one))).toBe('TLS_AES_256_GCM_SHA384');
    expect(ssl.SSL_shutdown(one)).toBe(1);
  });

  it('the _ex forms say how many bytes, and that there are none', () => {
    using program = new Program();
    const { c, s } = program.pair(program.client(), program.server());
    expect(connect(c, s)).toBe(true);
    const buffer = new Uint8Array(10);
    expect(ssl.SSL_write_ex(c, bytes('hello'))).toEqual({ ret: 1, written: 5 });
    expect(ssl.SSL_peek_ex(s, buffer)).toEqual({ ret: 1, readbytes: 5 });
    expect(ssl.SSL_read_ex(s, buffer)).toEqual({ ret: 1, readbytes: 5 });
    expect(ssl.SSL_read_ex(s, buffer)).toEqual({ ret: 0, readbytes: 0 });
    expect(ssl.SSL_get_error(s, 0)).toBe(ssl.SSL_ERROR_WANT_READ);
  });

  it('a certificate of one connection is not the next one’s', () => {
    using program = new Program();
    const server = program.ctx(ssl.TLS_server_method());
    const client = program.client();
    const s = program.ssl(server);
    expect(ssl.SSL_use_cert_and_key(s, certificatePem, chain.leaf.keyPem)).toBe(1);
    const first = program.pair(client, server, () => {}, { s });
    expect(connect(first.c, first.s)).toBe(true);
    const second = program.pair(client, server);
    expect(connect(second.c, second.s)).toBe(false);
    expect(errors()).toContain('no suitable signature algorithm');
  });
});

function wireTo(program: Program, c: Ssl, server: Ctx): void {
  const { s } = program.pair(server, server, () => {}, { c });
  expect(connect(c, s)).toBe(true);
}

describe('references', () => {
  it('SSL_dup of one that has begun is the same again, and lives until both are freed', () => {
    using program = new Program();
    const client = program.client();
    const fresh = program.ssl(client);
    const index = ssl.SSL_get_ex_new_index(0, null, null, null);
    ssl.SSL_set_ex_data(fresh, index, 'mine');
    const copy = ssl.SSL_dup(fresh);
    expect(copy).not.toBe(fresh);
    expect(ssl.SSL_get_ex_data(copy, index)).toBe('mine');
    ssl.SSL_free(copy);
    const { c, s } = program.pair(client, program.server());
    expect([ssl.SSL_in_init(c), ssl.SSL_is_server(s)]).toEqual([1, 0]);
    expect(connect(c, s)).toBe(true);
    expect([ssl.SSL_in_init(c), ssl.SSL_is_server(s), ssl.SSL_is_server(c)]).toEqual([0, 1, 0]);
    expect(ssl.SSL_dup(c)).toBe(c);
    expect(ssl.SSL_up_ref(c)).toBe(1);
    ssl.SSL_free(c);
    ssl.SSL_free(c);
    expect(writeText(c, 'still here')).toBe(true);
  });

  it('SSL_set_bio takes the references that C takes, case by case', () => {
    using program = new Program();
    const ctx = program.client();
    const isAlive = (bio: ReturnType<typeof memory>): boolean => {
      try {
        return ssl.BIO_pending(bio) >= 0;
      } catch {
        return false;
      }
    };
    const connection = ssl.SSL_new(ctx);
    const [a, b, d] = [memory(), memory(), memory()];
    ssl.SSL_set_bio(connection, a, a);
    // The same again takes nothing.
    ssl.SSL_set_bio(connection, a, a);
    expect([ssl.SSL_get_rbio(connection), ssl.SSL_get_wbio(connection)]).toEqual([a, a]);
    ssl.SSL_set_bio(connection, a, b);
    expect([isAlive(a), isAlive(b)]).toEqual([true, true]);
    ssl.SSL_set_bio(connection, d, b);
    expect([isAlive(a), isAlive(b), isAlive(d)]).toEqual([false, true, true]);
    ssl.BIO_up_ref(d);
    ssl.SSL_set0_wbio(connection, d);
    expect(isAlive(b)).toBe(false);
    ssl.SSL_set0_rbio(connection, null);
    expect(isAlive(d)).toBe(true);
    // What only an SSL holds the application cannot free.
    expect(() => ssl.BIO_free(d)).toThrow('the application does not');
    ssl.SSL_free(connection);
    expect(isAlive(d)).toBe(false);
    expect(() => ssl.SSL_set_bio(program.ssl(ctx), d, d)).toThrow('freed');
  });

  it('SSL_CTX_free too many is seen at once, while SSLs hold the context', () => {
    const ctx = ssl.SSL_CTX_new(ssl.TLS_method());
    const connection = ssl.SSL_new(ctx);
    ssl.SSL_CTX_free(ctx);
    expect(() => ssl.SSL_CTX_free(ctx)).toThrow('those of SSLs');
    expect(ssl.SSL_get_SSL_CTX(connection)).toBe(ctx);
    ssl.SSL_free(connection);
    expect(() => ssl.SSL_CTX_up_ref(ctx)).toThrow('ended');
  });

  it.each(VERSIONS)('counts of a session are exact at every step (%s)', (_name, version) => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    ssl.SSL_CTX_set_session_cache_mode(client, ssl.SSL_SESS_CACHE_CLIENT);
    const { c, s } = program.pair(client, server);
    expect(connect(c, s)).toBe(true);
    const session = ssl.SSL_get1_session(c) as Session;
    // Ours; the cache's, the engine's and the SSL's.
    expect(counts(session)).toEqual([1, 3]);
    ssl.SSL_get_session(c);
    ssl.SSL_get0_session(c);
    expect(counts(session)).toEqual([1, 3]);
    ssl.SSL_shutdown(c);
    program.freeSsl(c);
    expect(counts(session)).toEqual([1, 1]);
    const again = program.ssl(client);
    ssl.SSL_set_session(again, session);
    ssl.SSL_set_session(again, session);
    expect(counts(session)).toEqual([1, 2]);
    const copy = ssl.SSL_dup(again);
    expect(counts(session)).toEqual([1, 3]);
    ssl.SSL_copy_session_id(copy, again);
    expect(counts(session)).toEqual([1, 3]);
    ssl.SSL_free(copy);
    ssl.SSL_set_session(again, null);
    expect(counts(session)).toEqual([1, 1]);
    ssl.SSL_CTX_flush_sessions(client, 0);
    expect(counts(session)).toEqual([1, 0]);
    ssl.SSL_SESSION_free(session);
    expect(() => ssl.SSL_set_session(again, session)).toThrow('ended');
  });

  it.each(VERSIONS)('a handshake that is freed at any step leaves nothing (%s)', (_name, version) => {
    const before = liveSessionCount();
    for (let steps = 0; steps < 5; steps++) {
      using program = new Program();
      const client = program.client(version);
      const server = program.server(version);
      for (const stateful of [false, true]) {
        if (stateful) ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
        const first = program.pair(client, server);
        expect(connect(first.c, first.s)).toBe(true);
        const session = program.owned(ssl.SSL_get1_session(first.c));
        program.end(first.c, first.s);
        const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
        for (let i = 0; i < steps; i++) i % 2 === 0 ? ssl.SSL_connect(c) : ssl.SSL_accept(s);
        if (steps % 2 === 0) program.freeSsl(c, s);
        else {
          ssl.SSL_clear(s);
          ssl.SSL_clear(c);
          expect(connect(...freshly(c, s))).toBe(true);
          program.freeSsl(s, c);
        }
        // Nobody said that it went wrong: it may be resumed.
        if (steps === 0 || steps === 2) expect(ssl.SSL_SESSION_is_resumable(session)).toBe(1);
      }
    }
    expect(liveSessionCount()).toBe(before);
  });
});

/** The same SSLs over fresh BIOs. */
function freshly(c: Ssl, s: Ssl): [Ssl, Ssl] {
  const [there, back] = [memory(), memory()];
  ssl.BIO_up_ref(there);
  ssl.BIO_up_ref(back);
  ssl.SSL_set_bio(c, back, there);
  ssl.SSL_set_bio(s, there, back);
  return [c, s];
}

describe('callbacks that misbehave', () => {
  it.each(VERSIONS)(
    'may not free, clear or drive the SSL that they were called for (%s)',
    (_name, version) => {
      const forbidden: [string, (s: Ssl) => unknown][] = [
        ['SSL_free', (s) => ssl.SSL_free(s)],
        ['SSL_clear', (s) => ssl.SSL_clear(s)],
        ['SSL_do_handshake', (s) => ssl.SSL_do_handshake(s)],
        ['SSL_read', (s) => ssl.SSL_read(s, new Uint8Array(1))],
        ['SSL_write', (s) => ssl.SSL_write(s, bytes('x'))],
        ['SSL_shutdown', (s) => ssl.SSL_shutdown(s)],
      ];
      for (const [name, call] of forbidden) {
        using program = new Program();
        const server = program.server(version);
        let thrown = '';
        ssl.SSL_CTX_set_tlsext_servername_callback(server, (s) => {
          try {
            call(s);
          } catch (error) {
            thrown = `${error}`;
          }
          return ssl.SSL_TLSEXT_ERR_OK;
        });
        const { c, s } = program.pair(program.client(version), server);
        expect(connect(c, s)).toBe(true);
        expect(thrown).toContain(`${name}: called from a callback`);
      }
    },
  );

  it.each(VERSIONS)(
    'that throw end what they were asked for, and say so on the queue (%s)',
    (_name, version) => {
      const boom = (): never => {
        throw new Error('boom');
      };
      const set: [string, boolean, (server: Ctx, client: Ctx) => void][] = [
        ['servername', false, (server) => ssl.SSL_CTX_set_tlsext_servername_callback(server, boom)],
        ['verify', false, (_server, client) => ssl.SSL_CTX_set_verify(client, ssl.SSL_VERIFY_PEER, boom)],
        ['client hello', false, (server) => ssl.SSL_CTX_set_client_hello_cb(server, boom)],
        ['status', false, (server) => ssl.SSL_CTX_set_tlsext_status_cb(server, boom)],
        [
          'new session',
          true,
          (server) => {
            // With a ticket a TLS 1.2 session has no id, and nobody is told of it, as in C.
            ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
            ssl.SSL_CTX_sess_set_new_cb(server, boom);
          },
        ],
        [
          'new session at the client',
          true,
          (_server, client) => {
            ssl.SSL_CTX_set_session_cache_mode(client, ssl.SSL_SESS_CACHE_CLIENT);
            ssl.SSL_CTX_sess_set_new_cb(client, boom);
          },
        ],
        ['not resumable', true, (server) => ssl.SSL_CTX_set_not_resumable_session_callback(server, boom)],
      ];
      for (const [name, isDone, prepare] of set) {
        using program = new Program();
        const client = program.client(version);
        const server = program.server(version);
        prepare(server, client);
        const { c, s } = program.pair(client, server);
        expect([name, connect(c, s)]).toEqual([name, isDone]);
        if (name.startsWith('new session')) expect([name, ...errors()]).toContain('callback failed');
        else if (!isDone) expect(errors().length).toBeGreaterThan(0);
      }
    },
  );

  it('a get callback that throws, gives nothing or something dead is a miss', () => {
    for (const answer of ['throw', 'undefined', 'dead'] as const) {
      using program = new Program();
      const client = program.client(TLS1_2);
      const server = program.server(TLS1_2);
      ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
      const first = program.pair(client, server);
      expect(connect(first.c, first.s)).toBe(true);
      const session = program.owned(ssl.SSL_get1_session(first.c));
      program.end(first.c, first.s);
      ssl.SSL_CTX_flush_sessions(server, 0);
      ssl.SSL_CTX_sess_set_get_cb(server, () => {
        if (answer === 'throw') throw new Error('boom');
        if (answer === 'undefined') return undefined as never;
        const dead = ssl.SSL_SESSION_new() as Session;
        ssl.SSL_SESSION_free(dead);
        return dead;
      });
      const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
      expect(connect(c, s)).toBe(true);
      expect(ssl.SSL_session_reused(c)).toBe(0);
    }
  });

  it('a get callback that donates gives its reference, one that does not keeps it', () => {
    for (const copy of [0, 1]) {
      using program = new Program();
      const client = program.client(TLS1_2);
      const server = program.server(TLS1_2);
      ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
      ssl.SSL_CTX_set_session_cache_mode(server, ssl.SSL_SESS_CACHE_SERVER | ssl.SSL_SESS_CACHE_NO_INTERNAL);
      let kept: Session | null = null;
      ssl.SSL_CTX_sess_set_new_cb(server, (_ssl, made) => {
        kept = made;
        return 1;
      });
      ssl.SSL_CTX_sess_set_get_cb(server, () => ({ session: kept as unknown as Session, copy }));
      const first = program.pair(client, server);
      expect(connect(first.c, first.s)).toBe(true);
      const session = program.owned(ssl.SSL_get1_session(first.c));
      program.end(first.c, first.s);
      expect(counts(kept as unknown as Session)).toEqual([1, 0]);
      const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
      expect(connect(c, s)).toBe(true);
      expect(ssl.SSL_session_reused(s)).toBe(1);
      expect(counts(kept as unknown as Session)[0]).toBe(copy);
      program.end(c, s);
      if (copy === 1) ssl.SSL_SESSION_free(kept);
      else expect(() => ssl.SSL_SESSION_free(kept)).toThrow();
    }
  });

  it('ex_data callbacks that throw leave nothing undone', () => {
    const isOn = { value: true };
    const boom = (): void => {
      if (isOn.value) throw new Error('boom');
    };
    const before = liveSessionCount();
    const context = ssl.SSL_CTX_get_ex_new_index(0, null, null, boom);
    const connection = ssl.SSL_get_ex_new_index(0, null, null, boom);
    expect(Math.min(context, connection)).toBeGreaterThan(0);
    const program = new Program();
    const client = program.client();
    const server = program.server();
    const { c, s } = program.pair(client, server);
    expect(connect(c, s)).toBe(true);
    const bio = ssl.SSL_get_rbio(c) as ReturnType<typeof memory>;
    expect(() => program.freeSsl(c)).toThrow('boom');
    expect(() => ssl.SSL_free(c)).toThrow('freed');
    expect(() => program.freeSsl(s)).toThrow('boom');
    expect(() => ssl.BIO_pending(bio)).toThrow('freed');
    expect(() => program.freeCtx(client)).toThrow('boom');
    expect(() => ssl.SSL_CTX_free(client)).toThrow('ended');
    expect(() => program.freeCtx(server)).toThrow('boom');
    isOn.value = false;
    expect(liveSessionCount()).toBe(before);
  });

  it('a PSK callback passes its reference at each call, also where the handshake fails', () => {
    using program = new Program();
    const client = program.client(TLS1_3);
    const server = program.server(TLS1_3);
    const key = program.owned(ssl.SSL_SESSION_new());
    ssl.SSL_SESSION_set1_master_key(key, new Uint8Array(32).fill(1));
    ssl.SSL_SESSION_set_cipher(key, ssl.SSL_CIPHER_find(null, new Uint8Array([0x13, 0x01])));
    ssl.SSL_SESSION_set_protocol_version(key, TLS1_3);
    let serverRet = 1;
    ssl.SSL_CTX_set_psk_use_session_callback(client, () => {
      ssl.SSL_SESSION_up_ref(key);
      return { ret: 1, identity: Buffer.from('me'), session: key };
    });
    ssl.SSL_CTX_set_psk_find_session_callback(server, () => {
      ssl.SSL_SESSION_up_ref(key);
      return { ret: serverRet, session: key };
    });
    for (const [ret, group] of [
      [1, 0x1d],
      [1, 0x18],
      [0, 0x1d],
    ] as const) {
      serverRet = ret;
      const { c, s } = program.pair(client, server, (_c, s) => ssl.SSL_set1_groups(s, [group]));
      expect(connect(c, s)).toBe(ret === 1);
      program.freeSsl(c, s);
      expect(counts(key)).toEqual([1, 0]);
    }
    expect(errors()).toContain('bad psk');
  });
});

describe('buffers', () => {
  it('a view of a larger buffer is filled where it is, and its neighbours are left alone', () => {
    using program = new Program();
    const { c, s } = program.pair(program.client(), program.server());
    expect(connect(c, s)).toBe(true);
    const whole = Buffer.alloc(20, 0xee);
    expect(ssl.SSL_write(c, Buffer.from('..hello..').subarray(2, 7))).toBe(5);
    expect(ssl.SSL_read(s, whole.subarray(5, 8))).toBe(3);
    expect(ssl.SSL_pending(s)).toBe(2);
    expect(ssl.SSL_read(s, whole.subarray(8, 18))).toBe(2);
    expect(whole.subarray(4, 11).toString('latin1')).toBe('\xeehello\xee');
    // The bytes are taken before the call returns.
    const sent = Buffer.from('again');
    ssl.SSL_write(c, sent);
    sent.fill(0);
    expect(readText(s)).toBe('again');
    expect(ssl.SSL_read(s, new Uint8Array(0))).toBe(-1);
  });
});

describe('an SSL that was freed', () => {
  /** Those of an SSL: its first argument, whatever comes behind it. */
  const functions = Object.entries(ssl).filter(
    ([name, value]) =>
      typeof value === 'function' &&
      /^SSL_(?!CTX_|SESSION_|CIPHER_)/.test(name) &&
      // These take a session under an SSL's name, or no SSL at all.
      !/^SSL_(get|set)_time(out)?$|ex_new_index$|^SSL_new$|^SSL_get_default_timeout$/.test(name),
  ) as [string, (...args: unknown[]) => unknown][];

  it('is refused by every function that takes one', () => {
    const ctx = ssl.SSL_CTX_new(ssl.TLS_method());
    const freed = ssl.SSL_new(ctx);
    ssl.SSL_free(freed);
    expect(functions.length).toBeGreaterThan(80);
    const taken = functions.filter(([name, call]) => {
      try {
        const other: Record<string, unknown> = { SSL_set_SSL_CTX: ctx, SSL_copy_session_id: freed };
        call(freed, other[name] ?? new Uint8Array(1), 0);
        return true;
      } catch (error) {
        expect([name, `${error}`]).toEqual([name, expect.stringContaining('freed')]);
        return false;
      }
    });
    expect(taken.map(([name]) => name)).toEqual([]);
    ssl.SSL_CTX_free(ctx);
  });
});

describe('what callbacks answer wrongly', () => {
  it.each(VERSIONS)('an id that is none, too long, or taken ends the handshake (%s)', (_name, version) => {
    const cases: [string, () => Uint8Array | null][] = [
      ['ssl session id callback failed', () => null],
      ['ssl session id has bad length', () => new Uint8Array(0)],
      ['ssl session id has bad length', () => new Uint8Array(33)],
      ['ssl session id conflict', () => bytes('the same')],
    ];
    for (const [reason, generate] of cases) {
      using program = new Program();
      const client = program.client(version);
      const server = program.server(version);
      ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
      if (reason.endsWith('conflict')) {
        const there = program.owned(ssl.SSL_SESSION_new());
        ssl.SSL_SESSION_set1_id(there, bytes('the same'));
        ssl.SSL_SESSION_set_protocol_version(there, version);
        ssl.SSL_CTX_add_session(server, there);
      }
      ssl.SSL_CTX_set_generate_session_id(server, generate);
      const { c, s } = program.pair(client, server);
      connect(c, s);
      expect(ssl.SSL_get_error(s, -1)).toBe(ssl.SSL_ERROR_SSL);
      expect(errors()).toContain(reason);
    }
  });

  it('a server name is 1 to 255 bytes', () => {
    using program = new Program();
    const c = program.ssl(program.client());
    expect(ssl.SSL_set_tlsext_host_name(c, 'a'.repeat(255))).toBe(1);
    expect(ssl.SSL_set_tlsext_host_name(c, 'a'.repeat(256))).toBe(0);
    expect(ssl.SSL_get_servername(c)).toBeNull();
    expect(ssl.SSL_set_tlsext_host_name(c, '')).toBe(0);
    expect(ssl.SSL_set_tlsext_host_name(c, null)).toBe(1);
    expect(errors()).toEqual(['ssl3 ext invalid servername', 'ssl3 ext invalid servername']);
  });
});

describe('a certificate after the handshake', () => {
  it.each([
    ['that is good', true, true],
    ['that nobody trusts', true, false],
    ['that does not come', false, true],
  ] as const)('%s', (_name, hasOne, isTrusted) => {
    using program = new Program();
    const client = program.client(TLS1_3);
    const server = program.server(TLS1_3);
    ssl.SSL_CTX_set_session_id_context(server, bytes('late'));
    if (hasOne) expect(ssl.SSL_CTX_use_cert_and_key(client, certificatePem, chain.leaf.keyPem)).toBe(1);
    if (isTrusted) ssl.SSL_CTX_load_verify_certs(server, chain.root.certPem);
    const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_post_handshake_auth(c, 1));
    expect(connect(c, s)).toBe(true);
    expect(ssl.SSL_get0_peer_certificate(s)).toBeNull();
    ssl.SSL_set_verify(s, ssl.SSL_VERIFY_PEER | ssl.SSL_VERIFY_FAIL_IF_NO_PEER_CERT, null);
    expect(ssl.SSL_verify_client_post_handshake(s)).toBe(1);
    // Data on its way crosses the request, in both directions.
    expect(writeText(c, 'before')).toBe(true);
    expect(writeText(s, 'after the request')).toBe(true);
    expect(readText(c)).toBe('after the request');
    expect(writeText(c, 'and after')).toBe(true);
    expect(readText(s)).toBe('before');
    const passes = hasOne && isTrusted;
    expect(readText(s)).toBe(passes ? 'and after' : `error ${ssl.SSL_ERROR_SSL}`);
    if (!passes) {
      expect(errors()).toContain(hasOne ? 'certificate verify failed' : 'peer did not return a certificate');
      return;
    }
    expect(ssl.SSL_get0_peer_certificate(s)?.der).toEqual(new Uint8Array(chain.leaf.der));
    expect(ssl.SSL_get_verify_result(s)).toBe(0);
    expect(ssl.SSL_verify_client_post_handshake(s)).toBe(1);
    expect(ssl.SSL_shutdown(c)).toBe(0);
  });
});
