/** Pre-shared keys, cookies and key exchange modes: what OpenSSL's tests assert, through the C names. */
import { expect } from 'vitest';
import * as ssl from '../../../src/entry/openssl.ts';
import { Alert, NamedGroup } from '../../../src/util/registries.ts';
import { ExtensionType } from '../../../src/wire/numbers.ts';
import {
  bytes,
  type Ctx,
  connect,
  errors,
  memory,
  Program,
  type Session,
  type Ssl,
  TestClock,
  TLS1_3,
  text,
} from '../program.ts';
import {
  blindProvider,
  extensionsOf,
  type Filter,
  hasExtension,
  Tap,
  withExtension,
  withExtensions,
} from './tap.ts';
import { upstream } from './upstream.ts';

const {
  key_share: KEY_SHARE,
  pre_shared_key: PSK,
  psk_key_exchange_modes: PSK_MODES,
  signature_algorithms: SIGNATURE_ALGORITHMS,
  supported_groups: SUPPORTED_GROUPS,
} = ExtensionType;
const { x25519: X25519, secp384r1: P384 } = NamedGroup;

const CCM_SUITE = 'TLS_AES_128_CCM_SHA256';
const SHA256_SUITE = 'TLS_AES_128_GCM_SHA256';
const SHA384_SUITE = 'TLS_AES_256_GCM_SHA384';

// sslapitest.c ----------------------------------------------------------------------------------------------

/** The four callbacks, with how often each was called. */
class Callbacks {
  key: Session | null = null;
  serverName = 'Identity';
  use = 0;
  find = 0;
  client = 0;
  server = 0;

  take(): number[] {
    const counts = [this.use, this.find, this.client, this.server];
    this.use = 0;
    this.find = 0;
    this.client = 0;
    this.server = 0;
    return counts;
  }

  /** The new callbacks. Each call passes a reference. */
  setNew(client: Ctx, server: Ctx): void {
    ssl.SSL_CTX_set_psk_use_session_callback(client, (_ssl, hash) => {
      this.use++;
      // After a HelloRetryRequest the hash is fixed.
      expect(hash).toBe(this.use === 1 ? null : 'sha256');
      if (this.key !== null) ssl.SSL_SESSION_up_ref(this.key);
      return { ret: 1, identity: bytes('Identity'), session: this.key };
    });
    ssl.SSL_CTX_set_psk_find_session_callback(server, (_ssl, identity) => {
      this.find++;
      if (this.key === null || text(identity) !== this.serverName) return { ret: 1, session: null };
      ssl.SSL_SESSION_up_ref(this.key);
      return { ret: 1, session: this.key };
    });
  }

  setOld(client: Ctx, server: Ctx): void {
    const secret = (): Uint8Array => ssl.SSL_SESSION_get_master_key(this.key as Session, 64) as Uint8Array;
    ssl.SSL_CTX_set_psk_client_callback(client, () => {
      this.client++;
      return this.key === null ? null : { identity: bytes('Identity'), psk: secret() };
    });
    ssl.SSL_CTX_set_psk_server_callback(server, (_ssl, identity) => {
      this.server++;
      return this.key === null || text(identity) !== this.serverName ? null : secret();
    });
  }
}

/** Case 0: the new callbacks; 1: new and old, of which the new come first; 2: the old; 3: those, without a certificate. */
upstream('test_tls13_psk', 4, (index) => {
  using program = new Program();
  const client = program.client();
  const server = index === 3 ? program.ctx(ssl.TLS_server_method()) : program.server();
  const isNew = index <= 1;
  expect(
    ssl.SSL_CTX_set_ciphersuites(client, index === 3 ? `${SHA384_SUITE}:${SHA256_SUITE}` : SHA256_SUITE),
  ).toBe(1);
  const callbacks = new Callbacks();
  if (isNew) callbacks.setNew(client, server);
  if (index >= 1) callbacks.setOld(client, server);
  const run = (expected: number, prepare: (c: Ssl, s: Ssl) => void = () => {}): number[] => {
    callbacks.take();
    const { c, s } = program.pair(client, server, prepare);
    expect(connect(c, s)).toBe(true);
    expect([ssl.SSL_session_reused(c), ssl.SSL_session_reused(s)]).toEqual([expected, expected]);
    program.end(c, s);
    return callbacks.take();
  };
  if (index !== 3) {
    // Nobody has a key: a full handshake. The old callback is asked where the new one gives none.
    expect(run(0)).toEqual(isNew ? [1, 0, index, 0] : [0, 0, 1, 0]);
  }
  const key = program.owned(ssl.SSL_SESSION_new());
  ssl.SSL_SESSION_set1_master_key(
    key,
    Uint8Array.from({ length: 48 }, (_, i) => i),
  );
  ssl.SSL_SESSION_set_cipher(key, ssl.SSL_CIPHER_find(null, new Uint8Array([0x13, 0x01])));
  ssl.SSL_SESSION_set_protocol_version(key, TLS1_3);
  callbacks.key = key;
  expect(run(1)).toEqual(isNew ? [1, 1, 0, 0] : [0, 0, 1, 1]);
  // A HelloRetryRequest: everybody is asked twice, and each time a reference passes.
  expect(run(1, (_c, s) => ssl.SSL_set1_groups(s, [P384]))).toEqual(isNew ? [2, 2, 0, 0] : [0, 0, 2, 2]);
  if (index !== 3) {
    callbacks.serverName = 'Dummy Identity';
    expect(run(0)).toEqual(isNew ? [1, 1, 0, index] : [0, 0, 1, 1]);
  }
});

/** Bit 0: the server allows psk_ke; 1: it prefers it; 2: the client allows it. */
upstream('test_tls13_no_dhe_kex', 8, (index) => {
  using program = new Program();
  const client = program.client();
  const server = program.server();
  const serverAllows = (index & 1) !== 0;
  const serverPrefers = (index & 2) !== 0;
  const clientAllows = (index & 4) !== 0;
  if (serverAllows) ssl.SSL_CTX_set_options(server, ssl.SSL_OP_ALLOW_NO_DHE_KEX);
  if (serverPrefers) ssl.SSL_CTX_set_options(server, ssl.SSL_OP_PREFER_NO_DHE_KEX);
  if (clientAllows) ssl.SSL_CTX_set_options(client, ssl.SSL_OP_ALLOW_NO_DHE_KEX);
  const session = program.firstSession(client, server);
  const { c, s } = program.pair(client, server);
  ssl.SSL_set_bio(c, memory(), memory());
  ssl.SSL_set_bio(s, memory(), memory());
  ssl.SSL_set_session(c, session);
  const hello = connectSeeing(c, s);
  expect([ssl.SSL_session_reused(c), ssl.SSL_session_reused(s)]).toEqual([1, 1]);
  // Without a new exchange only where both allow it and the server prefers it.
  const isPlain = serverAllows && serverPrefers && clientAllows;
  expect(hello.includes(KEY_SHARE)).toBe(!isPlain);
  expect(hello.includes(PSK)).toBe(true);
  program.end(c, s);
});

/** Hellos are in the clear and can be seen under real keys, too: the extensions of the ServerHello. */
function connectSeeing(c: Ssl, s: Ssl): number[] {
  ssl.SSL_connect(c);
  move(c, s);
  ssl.SSL_accept(s);
  const flight = move(s, c);
  const length = 5 + (((flight[3] as number) << 8) | (flight[4] as number));
  expect(ssl.SSL_connect(c)).toBe(1);
  move(c, s);
  expect(ssl.SSL_accept(s)).toBe(1);
  return extensionsOf(flight.slice(5, length)).map(([type]) => type);
}

function move(from: Ssl, to: Ssl): Uint8Array {
  const [out, into] = [ssl.SSL_get_wbio(from), ssl.SSL_get_rbio(to)];
  if (out === null || into === null) throw new Error('no BIO');
  const data = ssl.BIO_read(out, 1_000_000) ?? new Uint8Array(0);
  ssl.BIO_write(into, data);
  return data;
}

upstream('test_stateless', 1, () => {
  const clock = new TestClock();
  using program = new Program({ clock });
  const client = program.client();
  const server = program.server();
  const pair = (s?: Ssl): { c: Ssl; s: Ssl } =>
    program.pair(client, server, () => {}, s === undefined ? {} : { s });
  const helloOf = (c: Ssl): void => {
    expect(ssl.SSL_connect(c)).toBe(-1);
    expect(ssl.SSL_get_error(c, -1)).toBe(ssl.SSL_ERROR_WANT_READ);
  };
  const first = pair();
  helloOf(first.c);
  // Nobody makes cookies.
  expect(ssl.SSL_stateless(first.s)).toBe(-1);
  expect(errors()).toEqual(['no cookie callback set']);
  program.freeSsl(first.c);
  let made = 0;
  ssl.SSL_CTX_set_stateless_cookie_generate_cb(server, () => bytes(`cookie ${++made}`));
  ssl.SSL_CTX_set_stateless_cookie_verify_cb(server, (_ssl, cookie) =>
    text(cookie).startsWith('cookie ') ? 1 : 0,
  );
  // A client without a cookie gets one; the same SSL may then serve somebody else.
  const second = pair(first.s);
  helloOf(second.c);
  expect(ssl.SSL_stateless(second.s)).toBe(0);
  program.freeSsl(second.c);
  const third = pair(first.s);
  helloOf(third.c);
  expect(ssl.SSL_stateless(third.s)).toBe(0);
  expect(made).toBe(2);
  helloOf(third.c);
  // Any server of this context may take the client that comes back.
  const other = program.ssl(server);
  const rbio = ssl.SSL_get_rbio(third.s);
  const wbio = ssl.SSL_get_wbio(third.s);
  if (rbio === null || wbio === null) throw new Error('no BIO');
  ssl.BIO_up_ref(rbio);
  ssl.BIO_up_ref(wbio);
  ssl.SSL_set_bio(other, rbio, wbio);
  expect(ssl.SSL_stateless(other)).toBe(1);
  expect(connect(third.c, other)).toBe(true);
  program.end(third.c, other);

  // Ten minutes later the cookie is none, and there is another; one that was changed ends the handshake.
  for (const [laterSec, isChanged, result] of [
    [600, false, 1],
    [601, false, 0],
    [0, true, -1],
  ] as const) {
    const { c, s } = pair(first.s);
    helloOf(c);
    expect(ssl.SSL_stateless(s)).toBe(0);
    helloOf(c);
    clock.ms += 1000 * laterSec;
    if (isChanged) flipCookie(s);
    expect(ssl.SSL_stateless(s)).toBe(result);
    program.freeSsl(c);
  }
  ssl.ERR_clear_error();
});

/** Changes a bit of the cookie in the hello that waits to be read. */
function flipCookie(s: Ssl): void {
  const bio = ssl.SSL_get_rbio(s);
  if (bio === null) throw new Error('no BIO');
  const data = ssl.BIO_read(bio, 100_000) as Uint8Array;
  const needle = bytes('cookie ');
  const at = data.findIndex((_, i) => needle.every((byte, k) => data[i + k] === byte));
  expect(at).toBeGreaterThan(0);
  data[at] = (data[at] as number) ^ 1;
  ssl.BIO_write(bio, data);
}

upstream('test_ciphersuite_change', 1, () => {
  using program = new Program();
  const client = program.client();
  const server = program.server();
  const suites = (ctx: Ctx, list: string): void => expect(ssl.SSL_CTX_set_ciphersuites(ctx, list)).toBe(1);
  const resume = (session: Session): { c: Ssl; s: Ssl } =>
    program.pair(client, server, (c) => ssl.SSL_set_session(c, session));
  suites(server, `${SHA256_SUITE}:${SHA384_SUITE}:${CCM_SUITE}`);
  suites(client, SHA256_SUITE);
  const first = program.firstSession(client, server);
  // Another suite of the same hash resumes.
  suites(client, CCM_SUITE);
  const second = resume(first);
  expect(connect(second.c, second.s)).toBe(true);
  expect(ssl.SSL_session_reused(second.c)).toBe(1);
  const session = program.owned(ssl.SSL_get1_session(second.c));
  program.end(second.c, second.s);
  // Without one of that hash the handshake is a full one.
  suites(client, SHA384_SUITE);
  const third = resume(session);
  expect(connect(third.c, third.s)).toBe(true);
  expect(ssl.SSL_session_reused(third.c)).toBe(0);
  program.end(third.c, third.s);

  const ofSha384 = program.firstSession(client, server);
  suites(client, `${SHA256_SUITE}:${SHA384_SUITE}`);
  suites(server, SHA384_SUITE);
  // OpenSSL's client notices that the session changed under it. Here it cannot: what was offered is fixed.
  const fourth = resume(ofSha384);
  expect(connect(fourth.c, fourth.s, ssl.SSL_ERROR_WANT_READ)).toBe(false);
  const copy = program.owned(ssl.SSL_SESSION_dup(ofSha384));
  ssl.SSL_SESSION_set_cipher(ofSha384, ssl.SSL_SESSION_get0_cipher(first));
  expect(connect(fourth.c, fourth.s)).toBe(true);
  expect(ssl.SSL_session_reused(fourth.c)).toBe(1);
  program.end(fourth.c, fourth.s);
  // A server that takes the key under a suite of another hash is turned away.
  const fifth = program.pair(client, server);
  ssl.SSL_set_session(fifth.c, copy);
  const tap = new Tap(fifth.c, fifth.s, TLS1_3, (seen) => {
    if (seen.arrival !== 'server_hello') return undefined;
    const changed = seen.content.slice();
    changed[4 + 2 + 32 + 1 + 32 + 1] = 0x01;
    return changed;
  });
  tap.run();
  expect(tap.clientResult).toBe(-1);
  expect(tap.alert).toEqual({ from: 'client', description: Alert.illegal_parameter });
  expect(errors()).toContain('bad psk');
});

// TLSProxy --------------------------------------------------------------------------------------------------

interface Proxied {
  readonly client: Ctx;
  readonly server: Ctx;
  readonly session: Session;
}

function proxied(program: Program, suites = SHA256_SUITE): Proxied {
  const client = program.client(TLS1_3);
  const server = program.server(TLS1_3);
  for (const ctx of [client, server]) expect(ssl.SSL_CTX_set_ciphersuites(ctx, suites)).toBe(1);
  return { client, server, session: program.firstSession(client, server) };
}

function resumeThrough(program: Program, set: Proxied, filter?: Filter): Tap {
  const c = program.ssl(set.client);
  const s = program.ssl(set.server);
  expect(ssl.SSL_set_session(c, set.session)).toBe(1);
  return new Tap(c, s, TLS1_3, filter);
}

/** Changes the client's first hello, or its second. */
const onHello =
  (n: number, change: (hello: Uint8Array) => Uint8Array): Filter =>
  (seen) => {
    if (seen.arrival !== 'client_hello' || n-- !== 0) return undefined;
    return change(seen.content);
  };

upstream('70-test_tls13psk', 7, (index) => {
  using program = new Program({ provider: blindProvider() });
  const both = `${SHA256_SUITE}:${SHA384_SUITE}`;
  const set = proxied(program);
  switch (index) {
    case 0: {
      expect(ssl.SSL_SESSION_is_resumable(set.session)).toBe(1);
      return;
    }
    case 1: {
      // The extension has to be the last.
      const tap = resumeThrough(
        program,
        set,
        onHello(0, (hello) => withExtensions(hello, (list) => [...list, [0xffff, new Uint8Array(0)]])),
      );
      expect(tap.run()).toBe(false);
      expect(tap.alert).toEqual({ from: 'server', description: Alert.illegal_parameter });
      return;
    }
    case 2: {
      // The key is of the chosen suite's hash: it is in the second hello, too.
      ssl.SSL_CTX_set1_groups(set.server, [P384]);
      const tap = resumeThrough(program, set);
      expect(tap.run()).toBe(true);
      expect(hasExtension(tap.find('client_hello', 1)?.content, PSK)).toBe(true);
      expect(ssl.SSL_session_reused(tap.c)).toBe(1);
      return;
    }
    case 3: {
      // It is not: it is gone from the second hello. (What breaks that hello is only to end the test.)
      ssl.SSL_CTX_set1_groups(set.server, [P384]);
      ssl.SSL_CTX_set_ciphersuites(set.client, both);
      ssl.SSL_CTX_set_ciphersuites(set.server, SHA384_SUITE);
      const tap = resumeThrough(
        program,
        set,
        onHello(1, (hello) => withExtension(hello, SUPPORTED_GROUPS, new Uint8Array(0))),
      );
      expect(tap.run()).toBe(false);
      expect(hasExtension(tap.find('client_hello', 0)?.content, PSK)).toBe(true);
      expect(hasExtension(tap.find('client_hello', 1)?.content, PSK)).toBe(false);
      return;
    }
    case 4: {
      // Who resumes signs nothing.
      const tap = resumeThrough(
        program,
        set,
        onHello(0, (hello) => withExtension(hello, SIGNATURE_ALGORITHMS, null)),
      );
      expect(tap.run()).toBe(true);
      expect(ssl.SSL_session_reused(tap.s)).toBe(1);
      return;
    }
    case 5: {
      // Seventeen keys that nobody knows are no keys.
      const identity = [0, 1, 1, 0, 0, 0, 0];
      const body = [0, 17 * 7, ...new Array(17).fill(identity).flat(), 0, 17 * 33].concat(
        new Array(17).fill([32, ...new Array(32).fill(1)]).flat(),
      );
      body[2 + 17 * 7] = (17 * 33) >> 8;
      body[3 + 17 * 7] = (17 * 33) & 0xff;
      const tap = resumeThrough(
        program,
        set,
        onHello(0, (hello) => withExtension(hello, PSK, new Uint8Array(body))),
      );
      expect(tap.run()).toBe(true);
      expect(ssl.SSL_session_reused(tap.s)).toBe(0);
      return;
    }
    default: {
      const tap = resumeThrough(
        program,
        set,
        onHello(0, (hello) =>
          withExtensions(hello, (list) =>
            list.map(([type, data]) => [type, type === PSK ? new Uint8Array([...data, 0]) : data]),
          ),
        ),
      );
      expect(tap.run()).toBe(false);
      expect(tap.alert).toEqual({ from: 'server', description: Alert.decode_error });
    }
  }
});

interface KexCase {
  /** psk_key_exchange_modes in the first hello; null takes it away, undefined leaves it. */
  readonly modes?: number[] | null;
  readonly allow?: boolean;
  readonly prefer?: boolean;
  readonly clientGroups?: number[];
  readonly serverGroups?: number[];
  readonly result: 'fails' | 'full' | 'resumed';
  readonly keyShare?: boolean;
  readonly retry?: boolean;
}

const KEX: readonly KexCase[] = [
  { result: 'resumed', keyShare: true },
  { modes: null, result: 'fails' },
  { modes: [], result: 'fails' },
  { modes: [0], allow: true, result: 'resumed', keyShare: false },
  { modes: [1], result: 'resumed', keyShare: true },
  { modes: [0xfe, 0xff], result: 'full', keyShare: true },
  { modes: [0, 1], result: 'resumed', keyShare: true },
  { modes: [0, 1], serverGroups: [P384], result: 'resumed', keyShare: true, retry: true },
  { modes: [1], serverGroups: [P384], result: 'resumed', keyShare: true, retry: true },
  {
    modes: [0, 1],
    allow: true,
    clientGroups: [X25519],
    serverGroups: [P384],
    result: 'resumed',
    keyShare: false,
  },
  { modes: [1], clientGroups: [X25519], serverGroups: [P384], result: 'fails' },
  // A server that would rather do without a new exchange, and one whose client does not offer that.
  { modes: [0, 1], allow: true, prefer: true, result: 'resumed', keyShare: false },
  { modes: [1], allow: true, prefer: true, result: 'resumed', keyShare: true },
];

upstream('70-test_tls13kexmodes', 13, (index) => {
  using program = new Program({ provider: blindProvider() });
  const { modes, allow, prefer, clientGroups, serverGroups, result, keyShare, retry } = KEX[index] as KexCase;
  const set = proxied(program);
  if (allow === true) {
    for (const ctx of [set.client, set.server]) ssl.SSL_CTX_set_options(ctx, ssl.SSL_OP_ALLOW_NO_DHE_KEX);
  }
  if (prefer === true) ssl.SSL_CTX_set_options(set.server, ssl.SSL_OP_PREFER_NO_DHE_KEX);
  if (clientGroups !== undefined) ssl.SSL_CTX_set1_groups(set.client, clientGroups);
  if (serverGroups !== undefined) ssl.SSL_CTX_set1_groups(set.server, serverGroups);
  const body = modes === undefined || modes === null ? null : new Uint8Array([modes.length, ...modes]);
  const tap = resumeThrough(
    program,
    set,
    // Both hellos: a client that changed its mind in between would be turned away for that.
    (seen) =>
      modes === undefined || seen.arrival !== 'client_hello'
        ? undefined
        : withExtension(seen.content, PSK_MODES, body),
  );
  expect(tap.run()).toBe(result !== 'fails');
  if (result === 'fails') {
    expect(tap.alert?.from).toBe('server');
    return;
  }
  const hello = tap.find('server_hello')?.content;
  expect(hasExtension(hello, PSK)).toBe(result === 'resumed');
  expect(hasExtension(hello, KEY_SHARE)).toBe(keyShare);
  expect(tap.find('hello_retry_request') !== undefined).toBe(retry === true);
  expect(tap.find('certificate') !== undefined).toBe(result === 'full');
  expect(ssl.SSL_session_reused(tap.c)).toBe(result === 'resumed' ? 1 : 0);
});
