/** A C program's connections in TypeScript: two SSLs over memory BIOs, for TLS 1.2 and 1.3. */
import { describe, expect, test } from 'vitest';
import * as ssl from '../../src/entry/openssl.ts';
import { bytes, chain, Program, type Ssl, text } from './program.ts';

/** Both sides in turn until both are done; then the client reads what came after. */
function shake(c: Ssl, s: Ssl): [number, number] {
  let client = 0;
  let server = 0;
  for (let i = 0; i < 10 && !(client === 1 && server === 1); i++) {
    client = ssl.SSL_connect(c);
    server = ssl.SSL_accept(s);
    if (client === -1) expect([1, 2]).toContain(ssl.SSL_get_error(c, client));
  }
  if (client === 1) ssl.SSL_read(c, new Uint8Array(1));
  return [client, server];
}

function close(c: Ssl, s: Ssl): void {
  ssl.SSL_shutdown(c);
  ssl.SSL_shutdown(s);
  ssl.SSL_shutdown(c);
}

describe.each([
  ['TLS 1.2', 0x0303],
  ['TLS 1.3', 0x0304],
])('%s', (_name, version) => {
  test('handshake, data both ways and shutdown over memory BIOs, with WANT_READ on the way', () => {
    using program = new Program();
    const { c, s } = program.pair(program.client(version), program.server(version));
    expect(ssl.SSL_connect(c)).toBe(-1);
    expect(ssl.SSL_get_error(c, -1)).toBe(ssl.SSL_ERROR_WANT_READ);
    expect(ssl.SSL_is_init_finished(c)).toBe(0);
    expect(shake(c, s)).toEqual([1, 1]);
    expect(ssl.SSL_is_init_finished(c)).toBe(1);
    expect(ssl.SSL_version(c)).toBe(version);
    expect(ssl.SSL_get_version(s)).toBe(version === 0x0304 ? 'TLSv1.3' : 'TLSv1.2');
    const buffer = new Uint8Array(100);
    expect(ssl.SSL_write(c, bytes('to the server'))).toBe(13);
    expect(ssl.SSL_peek(s, buffer)).toBe(13);
    expect(ssl.SSL_pending(s)).toBe(13);
    expect(ssl.SSL_read(s, buffer)).toBe(13);
    expect(text(buffer.subarray(0, 13))).toBe('to the server');
    expect(ssl.SSL_write(s, bytes('back'))).toBe(4);
    expect(ssl.SSL_read(c, buffer)).toBe(4);
    expect(ssl.SSL_shutdown(c)).toBe(0);
    expect(ssl.SSL_get_shutdown(c)).toBe(ssl.SSL_SENT_SHUTDOWN);
    expect(ssl.SSL_read(s, buffer)).toBe(0);
    expect(ssl.SSL_get_error(s, 0)).toBe(ssl.SSL_ERROR_ZERO_RETURN);
    expect(ssl.SSL_shutdown(s)).toBe(1);
    expect(ssl.SSL_shutdown(c)).toBe(1);
    const material = ssl.SSL_export_keying_material(c, 20, 'EXPORTER-test', null);
    expect(material).toEqual(ssl.SSL_export_keying_material(s, 20, 'EXPORTER-test', null));
  });

  test('a session is set, resumed and counted', () => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    const session = program.firstSession(client, server);
    const { c, s } = program.pair(client, server, (c) => expect(ssl.SSL_set_session(c, session)).toBe(1));
    expect(ssl.SSL_get_session(c)).toBe(session);
    expect(shake(c, s)).toEqual([1, 1]);
    expect([ssl.SSL_session_reused(c), ssl.SSL_cache_hit(s)]).toEqual([1, 1]);
    expect(ssl.SSL_CTX_sess_connect(client)).toBe(2);
    expect(ssl.SSL_CTX_sess_connect_good(client)).toBe(2);
    expect(ssl.SSL_CTX_sess_accept(server)).toBe(2);
    expect(ssl.SSL_CTX_sess_accept_good(server)).toBe(2);
    expect(ssl.SSL_CTX_sess_hits(server)).toBe(1);
    expect(ssl.SSL_CTX_sess_connect_renegotiate(client) + ssl.SSL_CTX_sess_accept_renegotiate(server)).toBe(
      0,
    );
    close(c, s);
  });

  test('a session that has expired is counted, and makes way for a full handshake', () => {
    using program = new Program();
    let late = 0;
    const client = program.client(version);
    const clock = { wallMs: () => Date.now() + late, monotonicMs: () => 0 };
    const server = program.server(version, clock);
    for (const options of [0, ssl.SSL_OP_NO_TICKET]) {
      ssl.SSL_CTX_set_options(server, options);
      const before = ssl.SSL_CTX_sess_timeouts(server);
      const session = program.firstSession(client, server);
      late += 7_300_000;
      const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
      expect(shake(c, s)).toEqual([1, 1]);
      expect([ssl.SSL_session_reused(c), ssl.SSL_session_reused(s)]).toEqual([0, 0]);
      expect(ssl.SSL_CTX_sess_timeouts(server) - before).toBe(1);
      close(c, s);
    }
  });

  test('a connection that ends without close_notify takes its session away', () => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    const { c, s } = program.pair(client, server);
    shake(c, s);
    const session = ssl.SSL_get1_session(c) as ssl.SSL_SESSION;
    expect(ssl.SSL_SESSION_is_resumable(session)).toBe(1);
    ssl.SSL_clear(c);
    expect(ssl.SSL_SESSION_is_resumable(session)).toBe(0);
    ssl.SSL_SESSION_free(session);
  });

  test('stateful sessions: the new, get and remove callbacks and who owns the reference', () => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
    ssl.SSL_CTX_set_session_cache_mode(server, ssl.SSL_SESS_CACHE_SERVER | ssl.SSL_SESS_CACHE_NO_INTERNAL);
    const external = new Map<string, ssl.SSL_SESSION>();
    const key = (id: Uint8Array): string => [...id].join();
    let removed = 0;
    ssl.SSL_CTX_sess_set_new_cb(server, (_ssl, made) => {
      external.set(key(ssl.SSL_SESSION_get_id(made)), made);
      return 1;
    });
    ssl.SSL_CTX_sess_set_get_cb(server, (_ssl, id) => external.get(key(id)) ?? null);
    ssl.SSL_CTX_sess_set_remove_cb(server, () => {
      removed++;
    });
    expect(ssl.SSL_CTX_sess_get_new_cb(server)).not.toBeNull();
    expect(ssl.SSL_CTX_sess_get_get_cb(server)).not.toBeNull();
    expect(ssl.SSL_CTX_sess_get_remove_cb(server)).not.toBeNull();
    const session = program.firstSession(client, server);
    expect(external.size).toBeGreaterThan(0);
    expect(ssl.SSL_CTX_sess_number(server)).toBe(0);
    const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
    expect(shake(c, s)).toEqual([1, 1]);
    expect(ssl.SSL_session_reused(s)).toBe(1);
    expect(ssl.SSL_CTX_sess_cb_hits(server)).toBe(1);
    const [any] = external.values();
    if (any === undefined) throw new Error('no session');
    expect(ssl.SSL_CTX_remove_session(server, any)).toBe(0);
    expect(removed).toBeGreaterThan(0);
    close(c, s);
    for (const made of external.values()) ssl.SSL_SESSION_free(made);
  });

  test('ticket keys: shared by two contexts they resume, changed they do not', () => {
    using program = new Program();
    const client = program.client(version);
    const [first, second] = [program.server(version), program.server(version)];
    expect(ssl.SSL_CTX_set_tlsext_ticket_keys(first, null)).toBe(80);
    expect(ssl.SSL_CTX_set_tlsext_ticket_keys(first, new Uint8Array(48))).toBe(0);
    expect(ssl.ERR_get_error()).not.toBe(0);
    const keys = ssl.SSL_CTX_get_tlsext_ticket_keys(first);
    expect(keys).toHaveLength(80);
    for (const same of [false, true]) {
      const session = program.firstSession(client, first);
      if (same) expect(ssl.SSL_CTX_set_tlsext_ticket_keys(second, keys)).toBe(1);
      const { c, s } = program.pair(client, second, (c) => ssl.SSL_set_session(c, session));
      expect(shake(c, s)).toEqual([1, 1]);
      expect(ssl.SSL_session_reused(c)).toBe(same ? 1 : 0);
      close(c, s);
    }
  });

  test('the ticket callbacks: appdata goes in and comes out; every answer of the matrix', () => {
    const { SSL_TICKET_RETURN_USE: USE, SSL_TICKET_RETURN_USE_RENEW: USE_RENEW } = ssl;
    const cases: [number, [number, number], number][] = [
      [USE, [1, 1], 1],
      [USE_RENEW, [1, 1], 1],
      [ssl.SSL_TICKET_RETURN_IGNORE, [1, 1], 0],
      [ssl.SSL_TICKET_RETURN_IGNORE_RENEW, [1, 1], 0],
      [ssl.SSL_TICKET_RETURN_ABORT, [-1, -1], 0],
    ];
    for (const [answer, result, reused] of cases) {
      using program = new Program();
      const client = program.client(version);
      const server = program.server(version);
      const seen: [number, string][] = [];
      ssl.SSL_CTX_set_session_ticket_cb(
        server,
        (connection, arg) => {
          const session = ssl.SSL_get_session(connection) as ssl.SSL_SESSION;
          return ssl.SSL_SESSION_set1_ticket_appdata(session, bytes(String(arg)));
        },
        (_connection, session, _name, status) => {
          if (session === null) return ssl.SSL_TICKET_RETURN_IGNORE_RENEW;
          seen.push([status, text(ssl.SSL_SESSION_get0_ticket_appdata(session) as Uint8Array)]);
          return answer;
        },
        'appdata',
      );
      const session = program.firstSession(client, server);
      const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
      expect(shake(c, s)).toEqual(result);
      const success = version === 0x0304 ? ssl.SSL_TICKET_SUCCESS_RENEW : ssl.SSL_TICKET_SUCCESS;
      expect(seen).toEqual([[success, 'appdata']]);
      expect(ssl.SSL_session_reused(s)).toBe(reused);
      if (result[0] === 1) close(c, s);
    }
  });

  test('the ticket key callback: use, renew, none, fatal', () => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    const keys = {
      keyName: bytes('0123456789abcdef'),
      aesKey: new Uint8Array(32).fill(1),
      hmacKey: new Uint8Array(32).fill(2),
    };
    let decrypt = 1;
    expect(
      ssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(server, (_ssl, name, enc) => {
        if (enc === 1) return { ret: 1, ...keys };
        expect(name).toEqual(keys.keyName);
        return { ret: decrypt, ...keys };
      }),
    ).toBe(1);
    for (const [ret, reused] of [
      [1, 1],
      [2, 1],
      [0, 0],
    ] as const) {
      const session = program.firstSession(client, server);
      decrypt = ret;
      const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
      expect(shake(c, s)).toEqual([1, 1]);
      expect(ssl.SSL_session_reused(c)).toBe(reused);
      close(c, s);
    }
    const session = program.firstSession(client, server);
    decrypt = -1;
    const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
    expect(shake(c, s)).toEqual([-1, -1]);
    expect(ssl.SSL_get_error(s, -1)).toBe(ssl.SSL_ERROR_SSL);
  });

  test('a certificate is verified when it is asked for, and the callback has the last word', () => {
    for (const [trusted, callback, result] of [
      [true, null, 1],
      [false, null, -1],
      [false, 1, 1],
      [true, 0, -1],
    ] as const) {
      using program = new Program();
      const client = program.client(version);
      if (trusted) expect(ssl.SSL_CTX_load_verify_certs(client, chain.root.certPem)).toBe(1);
      ssl.SSL_CTX_set_verify(client, ssl.SSL_VERIFY_PEER, callback === null ? null : () => callback);
      const { c, s } = program.pair(client, program.server(version), (c) =>
        ssl.SSL_set_tlsext_host_name(c, 'localhost'),
      );
      expect(shake(c, s)[0]).toBe(result);
      expect(ssl.SSL_get_verify_result(c) === 0).toBe(trusted);
      if (result === 1) {
        expect(ssl.SSL_get_servername(s)).toBe('localhost');
        expect(ssl.SSL_get0_peer_certificate(c)?.der).toEqual(new Uint8Array(chain.leaf.der));
        close(c, s);
      }
    }
  });

  test('ALPN and server name callbacks choose', () => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    const other = program.server(version);
    expect(ssl.SSL_CTX_set_alpn_protos(client, bytes('\x02h2\x08http/1.1'))).toBe(0);
    expect(ssl.SSL_CTX_set_alpn_protos(client, bytes('\x09h2'))).toBe(1);
    ssl.SSL_CTX_set_alpn_select_cb(other, (_ssl, offered) => offered[1] ?? null);
    ssl.SSL_CTX_set_tlsext_servername_callback(server, (connection) => {
      expect(ssl.SSL_set_SSL_CTX(connection, other)).toBe(other);
      return 0;
    });
    const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_tlsext_host_name(c, 'localhost'));
    expect(shake(c, s)).toEqual([1, 1]);
    expect(text(ssl.SSL_get0_alpn_selected(c))).toBe('http/1.1');
    expect(ssl.SSL_get_SSL_CTX(s)).toBe(other);
    close(c, s);
  });

  test('session ids of the application, and none that is not resumable', () => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
    let count = 0;
    ssl.SSL_CTX_set_generate_session_id(server, () => bytes(`id number ${++count}`));
    const { c, s } = program.pair(client, server);
    expect(shake(c, s)).toEqual([1, 1]);
    expect(text(ssl.SSL_SESSION_get_id(ssl.SSL_get_session(s) as ssl.SSL_SESSION))).toBe(
      `id number ${count}`,
    );
    expect(ssl.SSL_has_matching_session_id(s, bytes(`id number ${count}`))).toBe(1);
    expect(ssl.SSL_has_matching_session_id(s, bytes('another'))).toBe(0);
    expect(ssl.SSL_has_matching_session_id(s, new Uint8Array(33))).toBe(0);
    close(c, s);
    const tickets = program.server(version);
    ssl.SSL_CTX_set_not_resumable_session_callback(tickets, () => 1);
    const none = program.pair(client, tickets);
    expect(shake(none.c, none.s)).toEqual([1, 1]);
    expect(ssl.SSL_SESSION_has_ticket(ssl.SSL_get_session(none.c) as ssl.SSL_SESSION)).toBe(0);
    close(none.c, none.s);
  });
});

test('a context: modes, sizes, timeouts, sessions by hand, flush', () => {
  using program = new Program();
  const ctx = program.server();
  expect(ssl.SSL_CTX_get_session_cache_mode(ctx)).toBe(ssl.SSL_SESS_CACHE_SERVER);
  expect(ssl.SSL_CTX_sess_get_cache_size(ctx)).toBe(20480);
  expect(ssl.SSL_CTX_sess_set_cache_size(ctx, -1)).toBe(0);
  expect(ssl.SSL_CTX_sess_set_cache_size(ctx, 2)).toBe(20480);
  expect(ssl.SSL_CTX_get_timeout(ctx)).toBe(7200);
  expect(ssl.SSL_CTX_set_timeout(ctx, 60)).toBe(7200);
  expect(ssl.SSL_CTX_set_session_id_context(ctx, new Uint8Array(33))).toBe(0);
  expect(ssl.ERR_get_error()).not.toBe(0);
  expect(ssl.SSL_CTX_set_session_id_context(ctx, bytes('here'))).toBe(1);
  const sessions = [1, 2, 3].map((n) => {
    const session = ssl.SSL_SESSION_new() as ssl.SSL_SESSION;
    ssl.SSL_SESSION_set1_id(session, new Uint8Array(32).fill(n));
    ssl.SSL_SESSION_set_time_ex(session, 1000 * n);
    return session;
  });
  const [one, two, three] = sessions as [ssl.SSL_SESSION, ssl.SSL_SESSION, ssl.SSL_SESSION];
  expect(ssl.SSL_CTX_add_session(ctx, one)).toBe(1);
  expect(ssl.SSL_CTX_add_session(ctx, one)).toBe(0);
  expect(ssl.SSL_CTX_add_session(ctx, two)).toBe(1);
  expect(ssl.SSL_CTX_add_session(ctx, three)).toBe(1);
  expect(ssl.SSL_CTX_sess_number(ctx)).toBe(2);
  expect(ssl.SSL_CTX_sess_cache_full(ctx)).toBe(1);
  expect(ssl.SSL_CTX_sessions(ctx)).toHaveLength(2);
  ssl.SSL_CTX_flush_sessions_ex(ctx, 2305);
  expect(ssl.SSL_CTX_sess_number(ctx)).toBe(1);
  expect(ssl.SSL_CTX_remove_session(ctx, three)).toBe(1);
  expect(ssl.SSL_CTX_remove_session(ctx, three)).toBe(0);
  ssl.SSL_CTX_add_session(ctx, two);
  ssl.SSL_CTX_flush_sessions(ctx, 0);
  expect(ssl.SSL_CTX_sess_number(ctx)).toBe(0);
  expect(ssl.SSL_CTX_sess_misses(ctx) + ssl.SSL_CTX_sess_timeouts(ctx)).toBe(0);
  for (const session of sessions) ssl.SSL_SESSION_free(session);
});

test('references of contexts, their options, versions and lists', () => {
  const ctx = ssl.SSL_CTX_new(ssl.TLS_method());
  expect(ssl.SSL_CTX_up_ref(ctx)).toBe(1);
  ssl.SSL_CTX_free(ctx);
  // What a context begins with, as in C.
  const begins = ssl.SSL_OP_NO_COMPRESSION + ssl.SSL_OP_ENABLE_MIDDLEBOX_COMPAT;
  expect(ssl.SSL_CTX_set_options(ctx, ssl.SSL_OP_NO_TICKET)).toBe(begins + ssl.SSL_OP_NO_TICKET);
  expect(ssl.SSL_CTX_clear_options(ctx, ssl.SSL_OP_NO_TICKET)).toBe(begins);
  expect(ssl.SSL_CTX_get_options(ctx)).toBe(begins);
  expect(ssl.SSL_CTX_set_min_proto_version(ctx, 0x0301)).toBe(0);
  expect(ssl.SSL_CTX_set_ciphersuites(ctx, 'TLS_AES_128_GCM_SHA256')).toBe(1);
  expect(ssl.SSL_CTX_set_ciphersuites(ctx, 'NULL-MD5')).toBe(0);
  expect(ssl.SSL_CTX_set1_groups(ctx, [0x1d])).toBe(1);
  expect(ssl.SSL_CTX_set1_groups(ctx, [0xfe])).toBe(0);
  expect(ssl.SSL_CTX_use_cert_and_key(ctx, 'no', 'key')).toBe(0);
  expect(ssl.SSL_CTX_set_num_tickets(ctx, 4)).toBe(1);
  expect(ssl.SSL_CTX_set_num_tickets(ctx, -1)).toBe(0);
  expect(ssl.SSL_CTX_get_num_tickets(ctx)).toBe(4);
  expect([ssl.SSL_CTX_set_max_early_data(ctx, 5), ssl.SSL_CTX_get_max_early_data(ctx)]).toEqual([1, 5]);
  expect(ssl.SSL_CTX_get_recv_max_early_data(ctx)).toBe(16384);
  expect(ssl.SSL_CTX_set_recv_max_early_data(ctx, 6)).toBe(1);
  const freed: unknown[] = [];
  const index = ssl.SSL_CTX_get_ex_new_index(0, null, null, (_ctx, value) => freed.push(value));
  expect(ssl.SSL_CTX_set_ex_data(ctx, index, 'mine')).toBe(1);
  expect(ssl.SSL_CTX_set_ex_data(ctx, index + 1, 'nobody')).toBe(0);
  expect(ssl.SSL_CTX_get_ex_data(ctx, index)).toBe('mine');
  // What an SSL begins with is its context's, and what it changes is its own.
  const connection = ssl.SSL_new(ctx);
  expect(ssl.SSL_get_num_tickets(connection)).toBe(4);
  expect(ssl.SSL_set_num_tickets(connection, 1)).toBe(1);
  expect([ssl.SSL_set_max_early_data(connection, 7), ssl.SSL_get_max_early_data(connection)]).toEqual([1, 7]);
  expect([
    ssl.SSL_set_recv_max_early_data(connection, 8),
    ssl.SSL_get_recv_max_early_data(connection),
  ]).toEqual([1, 8]);
  expect(ssl.SSL_set_min_proto_version(connection, 0x0304)).toBe(1);
  expect(ssl.SSL_set_max_proto_version(connection, 0x0304)).toBe(1);
  expect(ssl.SSL_set_options(connection, 1)).toBe(begins + 1);
  expect(ssl.SSL_set_alpn_protos(connection, bytes('\x02h2'))).toBe(0);
  expect(ssl.SSL_set_session_id_context(connection, bytes('x'))).toBe(1);
  expect(ssl.SSL_set_generate_session_id(connection, null)).toBe(1);
  ssl.SSL_set_not_resumable_session_callback(connection, null);
  ssl.SSL_set_allow_early_data_cb(connection, null);
  expect(ssl.SSL_get_default_timeout(connection)).toBe(7200);
  expect(ssl.SSL_new_session_ticket(connection)).toBe(0);
  const mine = ssl.SSL_get_ex_new_index(0, null, null, (_ssl, value) => freed.push(value));
  expect(ssl.SSL_set_ex_data(connection, mine, 'ssl')).toBe(1);
  expect(ssl.SSL_get_ex_data(connection, mine)).toBe('ssl');
  const copy = ssl.SSL_dup(connection);
  expect(ssl.SSL_copy_session_id(copy, connection)).toBe(1);
  expect(ssl.SSL_get_num_tickets(copy)).toBe(1);
  ssl.SSL_free(copy);
  ssl.SSL_free(connection);
  ssl.SSL_free(null);
  expect(() => ssl.SSL_free(connection)).toThrow('freed');
  ssl.SSL_CTX_free(ctx);
  // The duplicate has the value, too.
  expect(freed).toEqual(['ssl', 'ssl', 'mine']);
  expect(() => ssl.SSL_CTX_free(ctx)).toThrow('ended');
  ssl.SSL_CTX_free(null);
});

test('early data: written first, read first, taken once, and the callback may refuse', () => {
  using program = new Program();
  const client = program.client(0x0304);
  const server = program.server(0x0304);
  ssl.SSL_CTX_set_max_early_data(server, 1000);
  let allowed = 1;
  ssl.SSL_CTX_set_allow_early_data_cb(server, () => allowed);
  const early = (session: ssl.SSL_SESSION): { c: Ssl; s: Ssl; reads: number[]; got: string } => {
    const { c, s } = program.pair(client, server, (c, s) => {
      ssl.SSL_set_connect_state(c);
      ssl.SSL_set_accept_state(s);
      ssl.SSL_set_session(c, session);
    });
    expect(ssl.SSL_write_early_data(c, bytes('early'))).toEqual({ ret: 1, written: 5 });
    const buffer = new Uint8Array(100);
    const reads: number[] = [];
    let got = '';
    for (let i = 0; i < 3; i++) {
      const { ret, readbytes } = ssl.SSL_read_early_data(s, buffer);
      reads.push(ret);
      if (ret !== ssl.SSL_READ_EARLY_DATA_SUCCESS) break;
      got += text(buffer.subarray(0, readbytes));
      expect(ssl.SSL_write_early_data(s, bytes('answer')).ret).toBe(1);
    }
    expect(shake(c, s)).toEqual([1, 1]);
    return { c, s, reads, got };
  };
  const first = program.firstSession(client, server);
  // The client's session object is used up by its connection; this is another of the same.
  const twin = ssl.d2i_SSL_SESSION(ssl.i2d_SSL_SESSION(first) as Uint8Array) as ssl.SSL_SESSION;
  program.later(() => ssl.SSL_SESSION_free(twin));
  const taken = early(first);
  expect(taken.got).toBe('early');
  expect(taken.reads[0]).toBe(ssl.SSL_READ_EARLY_DATA_SUCCESS);
  expect(ssl.SSL_get_early_data_status(taken.c)).toBe(ssl.SSL_EARLY_DATA_ACCEPTED);
  close(taken.c, taken.s);
  // The ticket was consumed: the same session again is a full handshake, and its early data is lost.
  const again = early(twin);
  expect([again.got, ssl.SSL_session_reused(again.s)]).toEqual(['', 0]);
  expect(ssl.SSL_get_early_data_status(again.c)).toBe(ssl.SSL_EARLY_DATA_REJECTED);
  close(again.c, again.s);
  allowed = 0;
  const refused = early(program.firstSession(client, server));
  expect([refused.got, ssl.SSL_session_reused(refused.s)]).toEqual(['', 1]);
  expect(refused.s.engine.info.earlyDataReason).toBe('early-data-refused-by-callback');
  close(refused.c, refused.s);
  const none = program.pair(client, server, (c) => ssl.SSL_set_connect_state(c));
  expect(ssl.SSL_write_early_data(none.c, bytes('x')).ret).toBe(0);
  expect(ssl.SSL_get_early_data_status(none.c)).toBe(ssl.SSL_EARLY_DATA_NOT_SENT);
});

test('what is given in a Buffer is copied: the caller may use it again', () => {
  using program = new Program();
  const server = program.server(0x0303);
  const client = program.client(0x0303);
  ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
  const context = Buffer.from('context');
  const protocols = Buffer.from('\x02h2');
  const keys = Buffer.alloc(80, 7);
  const id = Buffer.from('one id of mine');
  expect(ssl.SSL_CTX_set_session_id_context(server, context)).toBe(1);
  expect(ssl.SSL_CTX_set_alpn_protos(client, protocols)).toBe(0);
  expect(ssl.SSL_CTX_set_tlsext_ticket_keys(server, keys)).toBe(1);
  ssl.SSL_CTX_set_generate_session_id(server, () => id);
  ssl.SSL_CTX_set_alpn_select_cb(server, (_ssl, offered) => offered[0] ?? null);
  for (const given of [context, protocols, keys]) given.fill(0);
  expect(ssl.SSL_CTX_get_tlsext_ticket_keys(server)).toEqual(new Uint8Array(80).fill(7));
  const { c, s } = program.pair(client, server);
  expect(shake(c, s)).toEqual([1, 1]);
  id.fill(0);
  const session = ssl.SSL_get_session(s) as ssl.SSL_SESSION;
  expect(text(ssl.SSL_SESSION_get_id(session))).toBe('one id of mine');
  expect(text(ssl.SSL_SESSION_get0_id_context(session))).toBe('context');
  expect(text(ssl.SSL_get0_alpn_selected(c))).toBe('h2');
  close(c, s);
});

test('more tickets on demand', () => {
  using program = new Program();
  const client = program.client(0x0304);
  let made = 0;
  ssl.SSL_CTX_set_session_cache_mode(client, ssl.SSL_SESS_CACHE_CLIENT);
  ssl.SSL_CTX_sess_set_new_cb(client, () => {
    made++;
    return 0;
  });
  const { c, s } = program.pair(client, program.server(0x0304));
  expect(shake(c, s)).toEqual([1, 1]);
  expect(made).toBe(2);
  expect(ssl.SSL_new_session_ticket(s)).toBe(1);
  ssl.SSL_write(s, bytes('x'));
  ssl.SSL_read(c, new Uint8Array(1));
  expect(made).toBe(3);
  close(c, s);
});

test('pre-shared keys by the session callbacks and by the older ones, with ownership', () => {
  const key = new Uint8Array(32).fill(3);
  const make = (): ssl.SSL_SESSION => {
    const session = ssl.SSL_SESSION_new() as ssl.SSL_SESSION;
    ssl.SSL_SESSION_set1_master_key(session, key);
    ssl.SSL_SESSION_set_protocol_version(session, 0x0304);
    ssl.SSL_SESSION_set_cipher(session, { id: 0x1301, name: 'TLS_AES_128_GCM_SHA256' });
    return session;
  };
  for (const older of [false, true]) {
    using program = new Program();
    const client = program.client(0x0304);
    const server = program.server(0x0304);
    if (older) {
      ssl.SSL_CTX_set_psk_client_callback(client, () => ({ identity: bytes('me'), psk: key }));
      ssl.SSL_CTX_set_psk_server_callback(server, (_ssl, id) => (text(id) === 'me' ? key : null));
    } else {
      ssl.SSL_CTX_set_psk_use_session_callback(client, () => ({
        ret: 1,
        identity: bytes('me'),
        session: make(),
      }));
      ssl.SSL_CTX_set_psk_find_session_callback(server, (_ssl, id) => ({
        ret: 1,
        session: text(id) === 'me' ? make() : null,
      }));
    }
    const { c, s } = program.pair(client, server, (c, s) => {
      // Callbacks of one connection: none here, so the context's stay.
      const own = { c: c.settings, s: s.settings };
      ssl.SSL_set_psk_use_session_callback(c, own.c.pskUse);
      ssl.SSL_set_psk_find_session_callback(s, own.s.pskFind);
      ssl.SSL_set_psk_client_callback(c, own.c.pskClient);
      ssl.SSL_set_psk_server_callback(s, own.s.pskServer);
    });
    expect(shake(c, s)).toEqual([1, 1]);
    expect([ssl.SSL_session_reused(c), ssl.SSL_session_reused(s)]).toEqual([1, 1]);
    close(c, s);
  }
});
