/** Tickets: what OpenSSL's tests assert of them, through the C names. */
import { expect } from 'vitest';
import * as ssl from '../../../src/entry/openssl.ts';
import {
  bytes,
  type Ctx,
  connect,
  errors,
  Program,
  readText,
  type Session,
  type Ssl,
  TLS1_2,
  TLS1_3,
  text,
  writeText,
} from '../program.ts';
import { upstream } from './upstream.ts';

/** Counts what the new callback gets, and keeps it while told to. */
class Arrivals {
  count = 0;
  keeps = false;
  readonly kept: Session[] = [];
  readonly #program: Program;

  constructor(program: Program) {
    this.#program = program;
  }

  watch(ctx: Ctx): void {
    ssl.SSL_CTX_sess_set_new_cb(ctx, (_ssl, session) => {
      this.count++;
      if (!this.keeps) return 0;
      this.kept.push(this.#program.owned(session));
      return 1;
    });
  }

  take(): number {
    const { count } = this;
    this.count = 0;
    return count;
  }
}

interface TicketTest {
  readonly client: Ctx;
  readonly server: Ctx;
  readonly arrivals: Arrivals;
}

function ticketTest(program: Program, stateful: boolean, count: number): TicketTest {
  const client = program.client();
  const server = program.server();
  const arrivals = new Arrivals(program);
  expect(ssl.SSL_CTX_set_num_tickets(server, count)).toBe(1);
  expect(ssl.SSL_CTX_set_session_id_context(server, new Uint8Array([1]))).toBe(1);
  if (stateful) ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_TICKET);
  ssl.SSL_CTX_set_session_cache_mode(
    client,
    ssl.SSL_SESS_CACHE_CLIENT | ssl.SSL_SESS_CACHE_NO_INTERNAL_STORE,
  );
  arrivals.watch(client);
  return { client, server, arrivals };
}

/** The server asks for a certificate after the handshake; the client has none. */
function verifyAfterwards(c: Ssl, s: Ssl): void {
  ssl.SSL_set_verify(s, ssl.SSL_VERIFY_PEER, null);
  expect(ssl.SSL_verify_client_post_handshake(s)).toBe(1);
  expect(ssl.SSL_do_handshake(s)).toBe(1);
  expect(ssl.SSL_read(c, new Uint8Array(1))).toBe(-1);
  expect(ssl.SSL_read(s, new Uint8Array(1))).toBe(-1);
  expect(connect(c, s)).toBe(true);
}

function checkResumption(program: Program, set: TicketTest, sessions: Session[], count: number): void {
  const { client, server, arrivals } = set;
  for (const session of sessions) {
    arrivals.take();
    const { c, s } = program.pair(client, server, (c) => {
      ssl.SSL_set_session(c, session);
      ssl.SSL_set_post_handshake_auth(c, 1);
    });
    expect(connect(c, s)).toBe(true);
    const succeeds = count === 0;
    expect(ssl.SSL_session_reused(c)).toBe(succeeds ? 1 : 0);
    // One ticket after a resumption, all after a full handshake, and one more when a certificate was asked for.
    expect(arrivals.take()).toBe(succeeds ? 1 : count);
    if (succeeds) {
      verifyAfterwards(c, s);
      expect(arrivals.take()).toBe(1);
    }
    program.end(c, s);
  }
}

function tickets(stateful: boolean, count: number): void {
  using program = new Program();
  const first = ticketTest(program, stateful, count);
  first.arrivals.keeps = true;
  const one = program.pair(first.client, first.server);
  expect(connect(one.c, one.s)).toBe(true);
  expect(first.arrivals.take()).toBe(count);
  program.end(one.c, one.s);

  // Another context has other keys, and another cache.
  checkResumption(program, ticketTest(program, stateful, count), first.arrivals.kept, count);

  const second = ticketTest(program, stateful, count);
  second.arrivals.keeps = true;
  const two = program.pair(second.client, second.server, (c) => ssl.SSL_set_post_handshake_auth(c, 1));
  expect(connect(two.c, two.s)).toBe(true);
  expect(second.arrivals.take()).toBe(count);
  verifyAfterwards(two.c, two.s);
  expect(second.arrivals.take()).toBe(count);
  program.end(two.c, two.s);
  second.arrivals.keeps = false;
  expect(second.arrivals.kept).toHaveLength(2 * count);
  checkResumption(program, second, second.arrivals.kept, 0);
}

upstream('test_stateful_tickets', 3, (index) => tickets(true, index));
upstream('test_stateless_tickets', 3, (index) => tickets(false, index));

function externalKey(program: Program): Session {
  const session = program.owned(ssl.SSL_SESSION_new());
  ssl.SSL_SESSION_set1_master_key(
    session,
    Uint8Array.from({ length: 48 }, (_, i) => i),
  );
  ssl.SSL_SESSION_set_cipher(session, ssl.SSL_CIPHER_find(null, new Uint8Array([0x13, 0x02])));
  ssl.SSL_SESSION_set_protocol_version(session, TLS1_3);
  return session;
}

upstream('test_psk_tickets', 1, () => {
  using program = new Program();
  // No certificate: the key is all that the server has.
  const server = program.ctx(ssl.TLS_server_method());
  const client = program.client();
  const arrivals = new Arrivals(program);
  const key = externalKey(program);
  expect(ssl.SSL_CTX_set_session_id_context(server, new Uint8Array([1]))).toBe(1);
  ssl.SSL_CTX_set_session_cache_mode(
    client,
    ssl.SSL_SESS_CACHE_CLIENT | ssl.SSL_SESS_CACHE_NO_INTERNAL_STORE,
  );
  arrivals.watch(client);
  let used = 0;
  let found = 0;
  ssl.SSL_CTX_set_psk_use_session_callback(client, () => {
    used++;
    ssl.SSL_SESSION_up_ref(key);
    return { ret: 1, identity: bytes('Identity'), session: key };
  });
  ssl.SSL_CTX_set_psk_find_session_callback(server, (_ssl, identity) => {
    found++;
    if (text(identity) !== 'Identity') return { ret: 1, session: null };
    ssl.SSL_SESSION_up_ref(key);
    return { ret: 1, session: key };
  });
  const { c, s } = program.pair(client, server);
  expect(connect(c, s)).toBe(true);
  expect([used, found, ssl.SSL_session_reused(c)]).toEqual([1, 1, 1]);
  expect(arrivals.take()).toBe(1);
  program.end(c, s);
});

upstream('test_extra_tickets', 6, (index) => {
  using program = new Program();
  const count = index % 3;
  const { client, server, arrivals } = ticketTest(program, index >= 3, count);
  // Both ends count into one.
  arrivals.watch(server);
  const { c, s } = program.pair(client, server);
  expect(connect(c, s)).toBe(true);
  expect(arrivals.take()).toBe(2 * count);
  const ask = (tickets: number): void => {
    for (let i = 0; i < tickets; i++) expect(ssl.SSL_new_session_ticket(s)).toBe(1);
  };
  // Asking makes nothing yet; the next write does.
  ask(2);
  expect(arrivals.count).toBe(0);
  expect(writeText(s, '1')).toBe(true);
  expect(arrivals.take()).toBe(2);
  expect(readText(c)).toBe('1');
  expect(arrivals.take()).toBe(2);
  expect(readText(c)).toBe(`error ${ssl.SSL_ERROR_WANT_READ}`);
  ask(1);
  expect(writeText(s, '2')).toBe(true);
  expect(arrivals.take()).toBe(1);
  expect(readText(c)).toBe('2');
  expect(arrivals.take()).toBe(1);
  // A write of nothing, or SSL_do_handshake, will do.
  ask(2);
  expect(ssl.SSL_write_ex(s, new Uint8Array(0))).toEqual({ ret: 1, written: 0 });
  expect(arrivals.take()).toBe(2);
  expect(readText(c)).toBe(`error ${ssl.SSL_ERROR_WANT_READ}`);
  expect(arrivals.take()).toBe(2);
  ask(2);
  expect(ssl.SSL_do_handshake(s)).toBe(1);
  expect(arrivals.take()).toBe(2);
  expect(readText(c)).toBe(`error ${ssl.SSL_ERROR_WANT_READ}`);
  expect(arrivals.take()).toBe(2);

  // A record that is not out yet: tickets wait for its end, whatever is called in between.
  const good = ssl.SSL_get_wbio(s);
  if (good === null) throw new Error('no BIO');
  ssl.BIO_up_ref(good);
  const [full, other] = ssl.BIO_new_bio_pair(1, 1);
  expect(ssl.BIO_write(full, new Uint8Array(1))).toBe(1);
  ssl.SSL_set0_wbio(s, full);
  expect(writeText(s, '5')).toBe(false);
  expect(ssl.SSL_get_error(s, 0)).toBe(ssl.SSL_ERROR_WANT_WRITE);
  ssl.SSL_set0_wbio(s, good);
  ssl.BIO_free(other);
  ask(2);
  expect(ssl.SSL_do_handshake(s)).toBe(1);
  expect(arrivals.take()).toBe(0);
  expect(writeText(s, '5')).toBe(true);
  expect(arrivals.take()).toBe(0);
  expect(readText(c)).toBe('5');
  expect(readText(c)).toBe(`error ${ssl.SSL_ERROR_WANT_READ}`);
  expect(arrivals.take()).toBe(0);
  expect(ssl.SSL_do_handshake(s)).toBe(1);
  expect(arrivals.take()).toBe(0);
  expect(writeText(s, '6')).toBe(true);
  expect(arrivals.take()).toBe(2);
  expect(readText(c)).toBe('6');
  expect(arrivals.take()).toBe(2);
  program.end(c, s);
  expect(errors()).toEqual([]);
});

const APPDATA = 'appdata';

upstream('test_ticket_callbacks', 20, (index) => {
  using program = new Program();
  const version = index % 2 === 0 ? TLS1_2 : TLS1_3;
  const is = (...of: number[]): boolean => of.includes(index - (index % 2));
  const decision = is(0)
    ? ssl.SSL_TICKET_RETURN_IGNORE
    : is(2)
      ? ssl.SSL_TICKET_RETURN_IGNORE_RENEW
      : is(4)
        ? ssl.SSL_TICKET_RETURN_USE
        : is(6)
          ? ssl.SSL_TICKET_RETURN_USE_RENEW
          : ssl.SSL_TICKET_RETURN_ABORT;
  // What the key callback says: renew, no key at all, or just use.
  const renews = is(10, 16);
  const hasNoKey = is(12, 18);
  const client = program.client(version);
  const server = program.server(version);
  let generated = 0;
  let decrypted = 0;
  let hasKeyCallback = false;
  ssl.SSL_CTX_set_session_cache_mode(server, ssl.SSL_SESS_CACHE_OFF);
  expect(
    ssl.SSL_CTX_set_session_ticket_cb(
      server,
      (connection) => {
        generated++;
        const session = ssl.SSL_get_session(connection) as Session;
        return ssl.SSL_SESSION_set1_ticket_appdata(session, bytes(APPDATA));
      },
      (_ssl, session, _name, status) => {
        decrypted++;
        if (status === ssl.SSL_TICKET_EMPTY) return ssl.SSL_TICKET_RETURN_IGNORE_RENEW;
        expect([ssl.SSL_TICKET_SUCCESS, ssl.SSL_TICKET_SUCCESS_RENEW]).toContain(status);
        expect(text(ssl.SSL_SESSION_get0_ticket_appdata(session as Session) as Uint8Array)).toBe(APPDATA);
        if (!hasKeyCallback) return decision;
        return status === ssl.SSL_TICKET_SUCCESS
          ? ssl.SSL_TICKET_RETURN_USE
          : ssl.SSL_TICKET_RETURN_USE_RENEW;
      },
      null,
    ),
  ).toBe(1);
  const keys = {
    keyName: new Uint8Array(16),
    aesKey: bytes('0123456789abcdef'),
    hmacKey: bytes('0123456789abcdef'),
  };
  const onKey: ssl.SSL_ticket_key_cb = () => {
    hasKeyCallback = true;
    return hasNoKey ? { ret: 0 } : { ret: renews ? 2 : 1, ...keys };
  };
  if (index >= 14) expect(ssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(server, onKey)).toBe(1);
  else if (index >= 8) expect(ssl.SSL_CTX_set_tlsext_ticket_key_cb(server, onKey)).toBe(1);
  ssl.SSL_CTX_set_num_tickets(server, 1);

  const first = program.pair(client, server);
  expect(connect(first.c, first.s)).toBe(true);
  // A TLS 1.2 client that asks for a ticket sends an empty one, which the callback sees.
  expect([generated, decrypted]).toEqual([1, version === TLS1_2 ? 1 : 0]);
  generated = 0;
  decrypted = 0;
  const session = program.owned(ssl.SSL_get1_session(first.c));
  program.end(first.c, first.s);
  const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
  expect(connect(c, s)).toBe(true);
  const ignored =
    decision === ssl.SSL_TICKET_RETURN_IGNORE || decision === ssl.SSL_TICKET_RETURN_IGNORE_RENEW;
  expect(ssl.SSL_session_reused(c)).toBe(ignored || hasNoKey ? 0 : 1);
  const makesNew =
    renews ||
    hasNoKey ||
    decision === ssl.SSL_TICKET_RETURN_IGNORE_RENEW ||
    decision === ssl.SSL_TICKET_RETURN_USE_RENEW;
  // In TLS 1.3 there was no ticket to come back with when there was no key.
  expect([generated, decrypted]).toEqual([makesNew ? 1 : 0, hasNoKey && version === TLS1_3 ? 0 : 1]);
  program.end(c, s);
});

upstream('test_ticket_abort_session_leak', 1, () => {
  // The harness looks for sessions that are left when a test is over; here is what could leave one.
  for (const version of [TLS1_2, TLS1_3]) {
    for (const fault of ['abort', 'throw', 'generate'] as const) {
      using program = new Program();
      const client = program.client(version);
      const server = program.server(version);
      const { c, s } = program.pair(client, server);
      expect(connect(c, s)).toBe(true);
      const session = program.owned(ssl.SSL_get1_session(c));
      program.end(c, s);
      ssl.SSL_CTX_set_session_ticket_cb(
        server,
        () => (fault === 'generate' ? 0 : 1),
        (_ssl, opened) => {
          expect(opened).not.toBeNull();
          if (fault === 'throw') throw new Error('the callback fails');
          return fault === 'abort' ? ssl.SSL_TICKET_RETURN_ABORT : ssl.SSL_TICKET_RETURN_USE_RENEW;
        },
        null,
      );
      const again = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
      // A callback that throws is a ticket that nobody could open; one that says so ends the handshake.
      const isOver = fault === 'throw';
      expect(connect(again.c, again.s, isOver ? 0 : ssl.SSL_ERROR_SSL)).toBe(isOver);
      if (!isOver) {
        expect(ssl.SSL_get_error(again.s, -1)).toBe(ssl.SSL_ERROR_SSL);
        expect(errors()).toContain('callback failed');
      }
    }
  }
});

upstream('test_ticket_lifetime', 2, (index) => {
  using program = new Program();
  const version = index === 0 ? TLS1_2 : TLS1_3;
  const week = 7 * 24 * 60 * 60;
  const client = program.client(version);
  const server = program.server(version);
  const { c, s } = program.pair(client, server);
  expect(ssl.SSL_CTX_set_timeout(server, 2 * week)).toBe(ssl.SSL_get_default_timeout(s));
  expect(connect(c, s)).toBe(true);
  const hint = ssl.SSL_SESSION_get_ticket_lifetime_hint(ssl.SSL_get_session(c) as Session);
  if (index === 0) expect(hint).toBe(2 * week);
  else expect(hint).toBeLessThanOrEqual(week);
  program.end(c, s);
});

interface Counted {
  readonly stateful: boolean;
  readonly count: number;
  readonly resumes: boolean;
  readonly rotates: 'no' | 'keys' | 'callback';
}

const COUNTED: readonly Counted[] = [
  { stateful: false, count: 2, resumes: false, rotates: 'no' },
  { stateful: false, count: 0, resumes: false, rotates: 'no' },
  { stateful: false, count: 5, resumes: false, rotates: 'no' },
  { stateful: false, count: 3, resumes: true, rotates: 'no' },
  { stateful: true, count: 3, resumes: false, rotates: 'no' },
  { stateful: true, count: 3, resumes: true, rotates: 'no' },
  { stateful: false, count: 3, resumes: false, rotates: 'keys' },
  { stateful: false, count: 3, resumes: true, rotates: 'callback' },
];

/** Exact counts; a ticket of keys that are gone brings a full handshake with all its tickets. */
upstream('tls13tickettest', 8, (index) => {
  using program = new Program();
  const { stateful, count, resumes, rotates } = COUNTED[index] as Counted;
  const { client, server, arrivals } = ticketTest(program, stateful, count);
  const key = (n: number): Required<ssl.TicketKeyAnswer> => ({
    ret: 1,
    keyName: new Uint8Array(16).fill(n),
    aesKey: new Uint8Array(32).fill(n),
    hmacKey: new Uint8Array(32).fill(n),
  });
  let current = 1;
  const names: number[] = [];
  if (rotates === 'callback') {
    ssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(server, (_ssl, name, enc) => {
      const of = enc === 1 ? current : (name?.[0] as number);
      if (enc === 1) names.push(of);
      return { ...key(of), ret: of === current ? 1 : 2 };
    });
  }
  arrivals.keeps = true;
  const first = program.pair(client, server);
  expect(connect(first.c, first.s)).toBe(true);
  expect(arrivals.take()).toBe(count);
  program.end(first.c, first.s);
  const session = arrivals.kept.at(-1);
  if (session === undefined) return;
  if (rotates === 'keys') {
    expect(ssl.SSL_CTX_set_tlsext_ticket_keys(server, new Uint8Array(80).fill(9))).toBe(1);
  }
  if (rotates === 'callback') {
    expect(names).toEqual([1, 1, 1]);
    current = 2;
  }
  if (!resumes && rotates === 'no') return;
  const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
  expect(connect(c, s)).toBe(true);
  expect([ssl.SSL_session_reused(c), arrivals.take()]).toEqual(resumes ? [1, 1] : [0, count]);
  if (rotates === 'callback') expect(names.slice(3)).toEqual([2]);
  program.end(c, s);
});

// ssl-tests -------------------------------------------------------------------------------------------------

const CHOICES = [true, false];
const SNI = CHOICES.flatMap((client) =>
  CHOICES.flatMap((server1) =>
    CHOICES.flatMap((server2) => ['server1', 'server2'].map((name) => ({ client, server1, server2, name }))),
  ),
);

upstream('06-sni-ticket', 17, (index) => {
  using program = new Program();
  const client = program.client(TLS1_2);
  const [server1, server2] = [program.server(), program.server()];
  // The last case is one of a key that cannot be had.
  const isBroken = index === 16;
  const set = isBroken
    ? { client: true, server1: true, server2: true, name: 'server1' }
    : (SNI[index] as (typeof SNI)[number]);
  for (const [ctx, hasTickets] of [
    [client, set.client],
    [server1, set.server1],
    [server2, set.server2],
  ] as const) {
    if (!hasTickets) ssl.SSL_CTX_set_options(ctx, ssl.SSL_OP_NO_TICKET);
  }
  if (isBroken) ssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(server1, () => ({ ret: 0 }));
  ssl.SSL_CTX_set_tlsext_servername_callback(server1, (s) => {
    if (ssl.SSL_get_servername(s) === 'server2') {
      ssl.SSL_set_SSL_CTX(s, server2);
      // An SSL's options are its own from the beginning: the program brings the other context's over.
      ssl.SSL_clear_options(s, 0xffffffff);
      ssl.SSL_set_options(s, ssl.SSL_CTX_get_options(server2));
    }
    return ssl.SSL_TLSEXT_ERR_OK;
  });
  const { c, s } = program.pair(client, server1, (c) => ssl.SSL_set_tlsext_host_name(c, set.name));
  expect(connect(c, s)).toBe(true);
  expect(ssl.SSL_get_SSL_CTX(s)).toBe(set.name === 'server2' ? server2 : server1);
  expect(ssl.SSL_get_servername(s)).toBe(set.name);
  const session = ssl.SSL_get_session(c) as Session;
  const expected = !isBroken && set.client && set.server1 && (set.server2 || set.name === 'server1');
  expect(ssl.SSL_SESSION_has_ticket(session)).toBe(expected ? 1 : 0);
  if (!isBroken) expect(ssl.SSL_SESSION_get_id(session).length).toBeGreaterThan(0);
  program.end(c, s);
});

upstream('27-ticket-appdata', 4, (index) => {
  using program = new Program();
  const version = index < 2 ? TLS1_2 : TLS1_3;
  const data = index % 2 === 0 ? 'HelloWorld' : null;
  const client = program.client(version);
  const server = program.server(version);
  const seen: (string | null)[] = [];
  ssl.SSL_CTX_set_session_ticket_cb(
    server,
    (connection) => {
      if (data === null) return 1;
      return ssl.SSL_SESSION_set1_ticket_appdata(ssl.SSL_get_session(connection) as Session, bytes(data));
    },
    (_ssl, session, _name, status) => {
      if (status === ssl.SSL_TICKET_EMPTY) return ssl.SSL_TICKET_RETURN_IGNORE_RENEW;
      const appdata = ssl.SSL_SESSION_get0_ticket_appdata(session as Session);
      seen.push(appdata === null ? null : text(appdata));
      return status === ssl.SSL_TICKET_SUCCESS ? ssl.SSL_TICKET_RETURN_USE : ssl.SSL_TICKET_RETURN_USE_RENEW;
    },
    null,
  );
  const first = program.pair(client, server);
  expect(connect(first.c, first.s)).toBe(true);
  const session = program.owned(ssl.SSL_get1_session(first.c));
  expect(ssl.SSL_SESSION_has_ticket(session)).toBe(1);
  program.end(first.c, first.s);
  const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
  expect(connect(c, s)).toBe(true);
  expect(ssl.SSL_session_reused(c)).toBe(1);
  expect(seen).toEqual([data]);
  program.end(c, s);
});
