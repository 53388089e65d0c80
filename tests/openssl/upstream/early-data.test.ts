/** Early data: what OpenSSL's sslapitest.c asserts of it, through the C names. */
import { expect } from 'vitest';
import * as ssl from '../../../src/entry/openssl.ts';
import { NamedGroup } from '../../../src/util/registries.ts';
import {
  bytes,
  type Ctx,
  connect,
  errors,
  Program,
  readText,
  type Session,
  type Ssl,
  TestClock,
  TLS1_2,
  text,
  writeText,
} from '../program.ts';
import { upstream } from './upstream.ts';

const { secp384r1: P384 } = NamedGroup;

const {
  SSL_READ_EARLY_DATA_ERROR: ERROR,
  SSL_READ_EARLY_DATA_SUCCESS: SUCCESS,
  SSL_READ_EARLY_DATA_FINISH: FINISH,
  SSL_EARLY_DATA_ACCEPTED: ACCEPTED,
  SSL_EARLY_DATA_NOT_SENT: NOT_SENT,
  SSL_EARLY_DATA_REJECTED: REJECTED,
} = ssl;
const SUITES = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
];

/** An external key that both ends have, and what they say it is called. */
class ExternalKey {
  client: Session;
  server: Session;
  serverName = 'Identity';
  used = 0;
  found = 0;

  constructor(program: Program, client: Ctx, server: Ctx, suite: string) {
    const sha384 = suite.endsWith('384');
    const session = program.owned(ssl.SSL_SESSION_new());
    const key = Uint8Array.from({ length: sha384 ? 48 : 32 }, (_, i) => i);
    expect(ssl.SSL_SESSION_set1_master_key(session, key)).toBe(1);
    expect(ssl.SSL_SESSION_set_cipher(session, suiteOf(suite))).toBe(1);
    expect(ssl.SSL_SESSION_set_protocol_version(session, 0x0304)).toBe(1);
    expect(ssl.SSL_SESSION_set_max_early_data(session, 0x100)).toBe(1);
    this.client = session;
    this.server = session;
    ssl.SSL_CTX_set_psk_use_session_callback(client, () => {
      this.used++;
      ssl.SSL_SESSION_up_ref(this.client);
      return { ret: 1, identity: bytes('Identity'), session: this.client };
    });
    ssl.SSL_CTX_set_psk_find_session_callback(server, (_ssl, identity) => {
      this.found++;
      if (text(identity) !== this.serverName) return { ret: 1, session: null };
      ssl.SSL_SESSION_up_ref(this.server);
      return { ret: 1, session: this.server };
    });
  }
}

function suiteOf(name: string): ssl.SSL_CIPHER {
  const id = 0x1301 + SUITES.indexOf(name);
  const suite = ssl.SSL_CIPHER_find(null, new Uint8Array([id >> 8, id & 0xff]));
  if (suite === null) throw new Error(name);
  return suite;
}

interface Early {
  readonly client: Ctx;
  readonly server: Ctx;
  readonly c: Ssl;
  readonly s: Ssl;
  readonly session: Session;
  readonly key: ExternalKey | null;
}

/**
 * Kind 0: a ticket. 1: a ticket of a connection with a server name. (OpenSSL drops the name in the second
 * connection, where it here binds the session.) 2: an external key.
 */
function setUp(
  program: Program,
  kind: number,
  suite = 'TLS_AES_256_GCM_SHA384',
  prepare?: (set: Ctx) => void,
  change?: (session: Session) => void,
): Early {
  const client = program.client();
  const server = program.server();
  expect(ssl.SSL_CTX_set_max_early_data(server, 16_384)).toBe(1);
  prepare?.(server);
  if (suite !== 'TLS_AES_256_GCM_SHA384') {
    for (const ctx of [client, server]) expect(ssl.SSL_CTX_set_ciphersuites(ctx, suite)).toBe(1);
  }
  const name = (c: Ssl): void => {
    if (kind === 1) expect(ssl.SSL_set_tlsext_host_name(c, 'localhost')).toBe(1);
  };
  if (kind === 2) {
    const key = new ExternalKey(program, client, server, suite);
    const { c, s } = program.pair(client, server);
    ready(c, s);
    return { client, server, c, s, session: key.client, key };
  }
  const first = program.pair(client, server, name);
  expect(connect(first.c, first.s)).toBe(true);
  const session = program.owned(ssl.SSL_get1_session(first.c));
  program.end(first.c, first.s);
  change?.(session);
  const { c, s } = program.pair(client, server, (c) => {
    name(c);
    expect(ssl.SSL_set_session(c, session)).toBe(1);
  });
  ready(c, s);
  return { client, server, c, s, session, key: null };
}

function ready(c: Ssl, s: Ssl): void {
  ssl.SSL_set_connect_state(c);
  ssl.SSL_set_accept_state(s);
}

const write = (connection: Ssl, message: string): number => {
  const { ret, written } = ssl.SSL_write_early_data(connection, bytes(message));
  expect(written).toBe(ret === 1 ? message.length : 0);
  return ret;
};

const read = (connection: Ssl): [number, string] => {
  const buffer = new Uint8Array(20);
  const { ret, readbytes } = ssl.SSL_read_early_data(connection, buffer);
  return [ret, text(buffer.subarray(0, readbytes))];
};

const status = (connection: Ssl): number => ssl.SSL_get_early_data_status(connection);

/** Takes all bytes off a BIO. */
function drain(connection: Ssl): Uint8Array {
  const bio = ssl.SSL_get_rbio(connection);
  if (bio === null) throw new Error('no BIO');
  return ssl.BIO_read(bio, 100_000) ?? new Uint8Array(0);
}

function refill(connection: Ssl, data: Uint8Array): void {
  const bio = ssl.SSL_get_rbio(connection);
  if (bio === null) throw new Error('no BIO');
  expect(ssl.BIO_write(bio, data)).toBe(data.length);
}

/** How old the tickets of a server are made by it when they are sealed, in seconds. */
const AGE = 10;

function ageTickets(server: Ctx, count: number): void {
  let left = count;
  ssl.SSL_CTX_set_session_ticket_cb(
    server,
    (s) => {
      const session = ssl.SSL_get0_session(s);
      if (session === null) return 0;
      if (left-- > 0) ssl.SSL_SESSION_set_time(session, ssl.SSL_SESSION_get_time(session) - AGE);
      return 1;
    },
    null,
    null,
  );
}

// 3, 4 and 5 do in OpenSSL's what 0 does.
upstream('test_early_data_read_write', 6, (index) => {
  const kind = index > 2 ? 0 : index;
  using program = new Program();
  // The first two tickets of the server are made older than they are, and the client's session with them.
  const { client, server, c, s } = setUp(
    program,
    kind,
    undefined,
    (server) => ageTickets(server, kind === 2 ? 0 : 2),
    (session) => {
      const made = ssl.SSL_SESSION_get_time(session) - AGE;
      expect(ssl.SSL_SESSION_set_time(session, made)).toBe(made);
    },
  );
  expect(write(c, 'Hello')).toBe(1);
  expect(read(s)).toEqual([SUCCESS, 'Hello']);
  expect(status(s)).toBe(ACCEPTED);
  // The server answers before the handshake is over, and the client, having read that, writes more.
  expect(write(s, 'World.')).toBe(1);
  expect(readText(c)).toBe('World.');
  expect(write(c, 'This')).toBe(1);
  expect(read(s)).toEqual([SUCCESS, 'This']);
  expect(write(s, 'is')).toBe(1);
  expect(readText(c)).toBe('is');
  // Normal data is the end of early data.
  expect(writeText(c, 'a')).toBe(true);
  expect(status(c)).toBe(ACCEPTED);
  const sent = drain(s);
  // Only EndOfEarlyData arrives at first, its record alone.
  const length = 5 + (((sent[3] as number) << 8) | (sent[4] as number));
  refill(s, sent.subarray(0, length));
  expect(read(s)).toEqual([FINISH, '']);
  expect(ssl.SSL_is_init_finished(s)).toBe(0);
  expect(write(s, 'test')).toBe(1);
  refill(s, sent.subarray(length));
  expect(readText(s)).toBe('a');
  // There is no early data any more, on either side.
  expect(write(c, 'test')).toBe(0);
  expect(read(s)[0]).toBe(ERROR);
  expect(errors()).toEqual([
    'called a function you should not call',
    'called a function you should not call',
  ]);
  expect(readText(c)).toBe('test');
  for (let i = 0; i < 2; i++) expect(readText(c)).toBe(`error ${ssl.SSL_ERROR_WANT_READ}`);
  expect(writeText(s, 'message.')).toBe(true);
  expect(readText(c)).toBe('message.');
  const session = program.owned(ssl.SSL_get1_session(c));
  program.end(c, s);

  const again = program.pair(client, server, (c) => {
    if (kind === 1) ssl.SSL_set_tlsext_host_name(c, 'localhost');
    expect(ssl.SSL_set_session(c, session)).toBe(1);
  });
  ready(again.c, again.s);
  expect(write(again.c, 'Hello')).toBe(1);
  expect(read(again.s)).toEqual([SUCCESS, 'Hello']);
  expect(ssl.SSL_connect(again.c)).toBe(1);
  expect(ssl.SSL_accept(again.s)).toBe(1);
  expect(write(again.c, 'test')).toBe(0);
  expect(read(again.s)[0]).toBe(ERROR);
  expect(errors()).toHaveLength(2);
  expect(writeText(again.c, 'a')).toBe(true);
  expect(readText(again.s)).toBe('a');
  program.end(again.c, again.s);
});

/** `callback`: 0 for none; 1: one that refuses, without anti-replay; 2: one that allows. */
function replay(kind: number, callback: 0 | 1 | 2): void {
  using program = new Program();
  let asked = 0;
  const { client, server, c, s, session } = setUp(program, kind, undefined, (server) => {
    if (callback === 0) return;
    ssl.SSL_CTX_set_options(server, ssl.SSL_OP_NO_ANTI_REPLAY);
    ssl.SSL_CTX_set_allow_early_data_cb(
      server,
      (_ssl, arg) => {
        asked++;
        return arg === 1 ? 0 : 1;
      },
      callback,
    );
  });
  // The ticket is used up by a connection without early data.
  expect(connect(c, s)).toBe(true);
  expect(ssl.SSL_session_reused(c)).toBe(1);
  program.end(c, s);
  const again = program.pair(client, server, (c) => {
    if (kind === 1) ssl.SSL_set_tlsext_host_name(c, 'localhost');
    ssl.SSL_set_session(c, session);
  });
  ready(again.c, again.s);
  expect(write(again.c, 'Hello')).toBe(1);
  if (callback <= 1) {
    expect(read(again.s)[0]).toBe(FINISH);
    expect(status(again.s)).toBe(REJECTED);
  } else {
    expect(read(again.s)).toEqual([SUCCESS, 'Hello']);
    expect(ssl.SSL_connect(again.c)).toBe(1);
    expect(read(again.s)[0]).toBe(FINISH);
    expect(status(again.s)).toBe(ACCEPTED);
  }
  expect(connect(again.c, again.s)).toBe(true);
  expect([ssl.SSL_session_reused(again.c), asked]).toEqual(callback > 0 ? [1, 1] : [0, 0]);
  program.end(again.c, again.s);
}

upstream('test_early_data_replay', 2, (kind) => {
  for (const callback of [0, 1, 2] as const) replay(kind, callback);
});

type Skip = 'plain' | 'hrr' | 'hrr-fail' | 'abort';

function skip(how: Skip, index: number): void {
  const clock = new TestClock();
  using program = new Program({ clock });
  const suite = SUITES[Math.floor(index / 3)] as string;
  const kind = index % 3;
  const { c, s, session, key } = setUp(program, kind, suite);
  if (how === 'hrr' || how === 'hrr-fail') expect(ssl.SSL_set1_groups(s, [P384])).toBe(1);
  else if (key !== null) key.serverName = 'Dummy Identity';
  else {
    // The client believes that its ticket is twenty seconds older than it is.
    const made = ssl.SSL_SESSION_get_time(session);
    expect(ssl.SSL_SESSION_set_time(session, made - 20)).toBe(made - 20);
  }
  if (how === 'abort') expect(ssl.SSL_set_recv_max_early_data(s, 0)).toBe(1);
  expect(write(c, 'Hello')).toBe(1);
  expect(read(s)).toEqual([FINISH, '']);
  expect(status(s)).toBe(REJECTED);
  if (how === 'hrr' || how === 'hrr-fail') {
    // The handshake is not over; this sends the second hello.
    expect(writeText(c, 'World.')).toBe(false);
  }
  if (how === 'hrr') {
    expect(readText(s)).toBe(`error ${ssl.SSL_ERROR_WANT_READ}`);
    expect(ssl.SSL_session_reused(s)).toBe(1);
  }
  if (how === 'hrr-fail') {
    // What looks like early data may not come behind the second hello.
    refill(s, new Uint8Array([0x17, 3, 3, 0, 1, 0]));
  }
  if (how === 'hrr-fail' || how === 'abort') {
    expect(readText(s)).toBe(`error ${ssl.SSL_ERROR_SSL}`);
    expect(errors().length).toBeGreaterThan(0);
    return;
  }
  expect(writeText(c, 'World.') || writeText(c, 'World.')).toBe(true);
  expect(status(c)).toBe(REJECTED);
  expect(readText(s)).toBe('World.');
  // Records that were skipped are nobody's error.
  expect(ssl.ERR_peek_error()).toBe(0);
  program.end(c, s);
}

upstream('test_early_data_skip', 15, (index) => skip('plain', index));
upstream('test_early_data_skip_hrr', 15, (index) => skip('hrr', index));
upstream('test_early_data_skip_hrr_fail', 15, (index) => skip('hrr-fail', index));
upstream('test_early_data_skip_abort', 15, (index) => skip('abort', index));

upstream('test_early_data_not_sent', 3, (kind) => {
  using program = new Program();
  const { c, s } = setUp(program, kind);
  expect(writeText(c, 'Hello')).toBe(false);
  expect(ssl.SSL_get_error(c, 0)).toBe(ssl.SSL_ERROR_WANT_READ);
  expect(read(s)).toEqual([FINISH, '']);
  expect([status(s), status(c)]).toEqual([NOT_SENT, NOT_SENT]);
  expect(writeText(c, 'Hello')).toBe(true);
  expect(readText(s)).toBe('Hello');
  expect(writeText(s, 'World.')).toBe(true);
  expect(readText(c)).toBe('World.');
  program.end(c, s);
});

/** Each with its length in front, as SSL_set_alpn_protos takes them. */
const GOOD_ALPN = bytes('\x08goodalpn');
const BAD_ALPN = bytes('\x07badalpn');

upstream('test_early_data_psk', 8, (index) => {
  using program = new Program();
  const { server, c, s, session, key } = setUp(program, 2);
  if (key === null) throw new Error('no key');
  let serverProtocol = 'goodalpn';
  const useAlpnCallback = (): void =>
    ssl.SSL_CTX_set_alpn_select_cb(
      server,
      (_ssl, offered) => offered.find((each) => text(each) === serverProtocol) ?? null,
    );
  const separate = (): void => {
    key.server = program.owned(ssl.SSL_SESSION_dup(key.client));
  };
  let refused = '';
  let accepted = true;
  let isLate = false;
  switch (index) {
    case 0:
      refused = 'inconsistent early data sni';
      ssl.SSL_SESSION_set1_hostname(session, 'goodhost');
      ssl.SSL_set_tlsext_host_name(c, 'badhost');
      break;
    case 1:
      refused = 'inconsistent early data alpn';
      ssl.SSL_SESSION_set1_alpn_selected(session, GOOD_ALPN.subarray(1));
      expect(ssl.SSL_set_alpn_protos(c, BAD_ALPN)).toBe(0);
      break;
    case 2:
      refused = 'bad psk';
      ssl.SSL_SESSION_set_protocol_version(session, TLS1_2);
      break;
    case 3:
      // The name at the server is each handshake's, not the key's.
      separate();
      ssl.SSL_SESSION_set1_hostname(key.server, 'badhost');
      ssl.SSL_SESSION_set1_hostname(session, 'goodhost');
      ssl.SSL_set_tlsext_host_name(c, 'goodhost');
      ssl.SSL_CTX_set_tlsext_servername_callback(server, () => ssl.SSL_TLSEXT_ERR_OK);
      break;
    case 4:
      ssl.SSL_SESSION_set1_hostname(session, 'goodhost');
      ssl.SSL_set_tlsext_host_name(c, 'goodhost');
      ssl.SSL_CTX_set_tlsext_servername_callback(server, () => ssl.SSL_TLSEXT_ERR_OK);
      break;
    case 5:
    case 6:
      ssl.SSL_SESSION_set1_alpn_selected(session, GOOD_ALPN.subarray(1));
      expect(ssl.SSL_set_alpn_protos(c, GOOD_ALPN)).toBe(0);
      if (index === 5) {
        serverProtocol = 'badalpn';
        accepted = false;
      }
      useAlpnCallback();
      break;
    default:
      // The server has another protocol for the key: early data is taken, and the client finds out.
      separate();
      ssl.SSL_SESSION_set1_alpn_selected(key.client, BAD_ALPN.subarray(1));
      ssl.SSL_SESSION_set1_alpn_selected(key.server, GOOD_ALPN.subarray(1));
      expect(ssl.SSL_set_alpn_protos(c, new Uint8Array([...GOOD_ALPN, ...BAD_ALPN]))).toBe(0);
      useAlpnCallback();
      isLate = true;
  }
  if (refused !== '') {
    expect(write(c, 'Hello')).toBe(0);
    expect(ssl.SSL_get_error(c, 0)).toBe(ssl.SSL_ERROR_SSL);
    expect(errors()).toEqual([refused]);
    return;
  }
  expect(write(c, 'Hello')).toBe(1);
  expect(read(s)).toEqual(accepted ? [SUCCESS, 'Hello'] : [FINISH, '']);
  expect(status(s)).toBe(accepted ? ACCEPTED : REJECTED);
  expect(ssl.SSL_connect(c)).toBe(isLate ? -1 : 1);
  if (!isLate) program.end(c, s);
});

upstream('test_early_data_psk_with_all_ciphers', 5, (index) => {
  using program = new Program();
  const { c, s } = setUp(program, 2, SUITES[index] as string);
  expect(write(c, 'Hello')).toBe(1);
  expect(read(s)).toEqual([SUCCESS, 'Hello']);
  expect(status(s)).toBe(ACCEPTED);
  expect(ssl.SSL_connect(c)).toBe(1);
  expect(ssl.SSL_accept(s)).toBe(1);
  expect(ssl.SSL_CIPHER_get_name(ssl.SSL_get_current_cipher(c))).toBe(SUITES[index]);
  expect(writeText(c, 'World.')).toBe(true);
  expect(readText(s)).toBe('World.');
  program.end(c, s);
});

upstream('test_early_data_not_expected', 3, (kind) => {
  using program = new Program();
  const { c, s } = setUp(program, kind);
  expect(write(c, 'Hello')).toBe(1);
  // A server that goes straight to SSL_accept takes none.
  expect(ssl.SSL_accept(s)).toBe(-1);
  expect(ssl.SSL_connect(c)).toBe(1);
  expect(status(s)).toBe(REJECTED);
  expect(ssl.SSL_accept(s)).toBe(1);
  expect(status(c)).toBe(REJECTED);
  expect(writeText(c, 'World.')).toBe(true);
  expect(readText(s)).toBe('World.');
  program.end(c, s);
});

upstream('test_early_data_tls1_2', 3, (kind) => {
  using program = new Program();
  const { client, server, c: unused, s: unusedToo } = setUp(program, kind);
  program.freeSsl(unused, unusedToo);
  const { c, s } = program.pair(client, server);
  ready(c, s);
  expect(ssl.SSL_set_max_proto_version(c, TLS1_2)).toBe(1);
  expect(writeText(c, 'Hello')).toBe(false);
  // The server's first flight is out, and it waits; then the handshake is over, without early data.
  expect(read(s)[0]).toBe(ERROR);
  expect(ssl.SSL_get_error(s, 0)).toBe(ssl.SSL_ERROR_WANT_READ);
  expect(writeText(c, 'Hello')).toBe(false);
  expect(read(s)).toEqual([FINISH, '']);
  expect(status(s)).toBe(NOT_SENT);
  expect(writeText(c, 'Hello')).toBe(true);
  expect(status(c)).toBe(NOT_SENT);
  expect(readText(s)).toBe('Hello');
  expect(writeText(s, 'World.')).toBe(true);
  expect(readText(c)).toBe('World.');
  program.end(c, s);
});
