/** What goes over the wire: OpenSSL's TLSProxy tests of tickets, extended master secret and sequences of messages. */
import { expect } from 'vitest';
import * as ssl from '../../../src/entry/openssl.ts';
import { Alert, NamedGroup } from '../../../src/util/registries.ts';
import { ExtensionType } from '../../../src/wire/numbers.ts';
import {
  bytes,
  type Ctx,
  certificatePem,
  chain,
  Program,
  type Session,
  type Ssl,
  TLS1_2,
  TLS1_3,
} from '../program.ts';
import {
  blindProvider,
  encryptedExtensionsOf,
  type Filter,
  handshake,
  hasExtension,
  Tap,
  withExtension,
} from './tap.ts';
import { upstream } from './upstream.ts';

const {
  server_name: SERVER_NAME,
  status_request: STATUS_REQUEST,
  application_layer_protocol_negotiation: ALPN,
  extended_master_secret: EXTENDED_MASTER_SECRET,
  session_ticket: TICKET,
  key_share: KEY_SHARE,
} = ExtensionType;
const { secp384r1: P384 } = NamedGroup;

/** Its records have no explicit nonce, which the tap would have to take off. */
const SUITE12 = 'ECDHE-ECDSA-CHACHA20-POLY1305';

interface Ends {
  readonly client: Ctx;
  readonly server: Ctx;
}

function ends(program: Program, version: number): Ends {
  const client = program.client(version);
  const server = program.server(version);
  if (version === TLS1_2) {
    for (const ctx of [client, server]) expect(ssl.SSL_CTX_set_ciphersuites(ctx, SUITE12)).toBe(1);
  }
  return { client, server };
}

function proxy(
  program: Program,
  { client, server }: Ends,
  version: number,
  how: { session?: Session; filter?: Filter; prepare?: (c: Ssl, s: Ssl) => void } = {},
): Tap {
  const c = program.ssl(client);
  const s = program.ssl(server);
  if (how.session !== undefined) expect(ssl.SSL_set_session(c, how.session)).toBe(1);
  how.prepare?.(c, s);
  return new Tap(c, s, version, how.filter);
}

/** The session of a connection that went well, which is over. */
function sessionOf(program: Program, tap: Tap): Session {
  expect(tap.run()).toBe(true);
  const session = program.owned(ssl.SSL_get1_session(tap.c));
  program.end(tap.c, tap.s);
  return session;
}

// 70-test_sslsessiontick ------------------------------------------------------------------------------------

/** ClientHello has the extension, ServerHello has it, NewSessionTicket comes, the handshake is a full one. */
function ticketFacts(tap: Tap): boolean[] {
  return [
    hasExtension(tap.find('client_hello')?.content, TICKET),
    hasExtension(tap.find('server_hello')?.content, TICKET),
    tap.find('new_session_ticket') !== undefined,
    tap.find('certificate') !== undefined,
  ];
}

const EMPTY_TICKET = handshake(4, new Uint8Array(6));
/** A promise in the ServerHello, and an empty ticket right behind it. */
const injectEmptyTicket: Filter = ({ arrival, content }) =>
  arrival === 'server_hello' ? [withExtension(content, TICKET, new Uint8Array(0)), EMPTY_TICKET] : undefined;

upstream('70-test_sslsessiontick', 10, (index) => {
  using program = new Program({ provider: blindProvider() });
  const set = ends(program, TLS1_2);
  const run = (how: Parameters<typeof proxy>[3] = {}): Tap => {
    const tap = proxy(program, set, TLS1_2, how);
    tap.run();
    return tap;
  };
  const first = (): Session => sessionOf(program, proxy(program, set, TLS1_2));
  switch (index) {
    case 0:
      expect(ticketFacts(run())).toEqual([true, true, true, true]);
      return;
    case 1:
      ssl.SSL_CTX_set_options(set.server, ssl.SSL_OP_NO_TICKET);
      expect(ticketFacts(run())).toEqual([true, false, false, true]);
      return;
    case 2:
      ssl.SSL_CTX_set_options(set.client, ssl.SSL_OP_NO_TICKET);
      expect(ticketFacts(run())).toEqual([false, false, false, true]);
      return;
    case 3: {
      const tap = run({ session: first() });
      expect([tap.clientResult, ...ticketFacts(tap)]).toEqual([1, true, false, false, false]);
      return;
    }
    case 4: {
      // A session of an id, and now a client that would take tickets.
      ssl.SSL_CTX_set_options(set.client, ssl.SSL_OP_NO_TICKET);
      const session = first();
      ssl.SSL_CTX_clear_options(set.client, ssl.SSL_OP_NO_TICKET);
      const tap = run({ session });
      expect([tap.clientResult, ...ticketFacts(tap)]).toEqual([1, true, true, true, false]);
      return;
    }
    case 5: {
      const tap = run({
        filter: ({ arrival }) => (arrival === 'new_session_ticket' ? EMPTY_TICKET : undefined),
      });
      expect([tap.clientResult, ...ticketFacts(tap)]).toEqual([1, true, true, true, true]);
      return;
    }
    case 6:
    case 7: {
      // An empty ticket on resumption leaves the old one in force.
      const session = first();
      const tap = run({ session, filter: injectEmptyTicket });
      expect(tap.clientResult).toBe(1);
      // The tap's own message was not among those that it saw.
      expect(ticketFacts(tap)).toEqual([true, false, false, false]);
      const kept = program.owned(ssl.SSL_get1_session(tap.c));
      expect(ssl.SSL_SESSION_get0_ticket(kept)).toEqual(ssl.SSL_SESSION_get0_ticket(session));
      program.end(tap.c, tap.s);
      if (index === 6) return;
      const again = run({ session: kept });
      expect([again.clientResult, ...ticketFacts(again)]).toEqual([1, true, false, false, false]);
      return;
    }
    case 8: {
      // A ticket that was promised has to come.
      ssl.SSL_CTX_set_options(set.server, ssl.SSL_OP_NO_TICKET);
      const tap = run({
        filter: ({ arrival, content }) =>
          arrival === 'server_hello' ? withExtension(content, TICKET, new Uint8Array(0)) : undefined,
      });
      expect([tap.clientResult, tap.alert]).toEqual([
        -1,
        { from: 'client', description: Alert.unexpected_message },
      ]);
      return;
    }
    default: {
      ssl.SSL_CTX_set_options(set.server, ssl.SSL_OP_NO_TICKET);
      const tap = run({
        filter: ({ arrival, content }) => (arrival === 'server_hello' ? [content, EMPTY_TICKET] : undefined),
      });
      expect([tap.clientResult, tap.alert]).toEqual([
        -1,
        { from: 'client', description: Alert.unexpected_message },
      ]);
    }
  }
});

// 70-test_tlsextms ------------------------------------------------------------------------------------------

const drop =
  (arrival: 'client_hello' | 'server_hello'): Filter =>
  (seen) =>
    seen.arrival === arrival ? withExtension(seen.content, EXTENDED_MASTER_SECRET, null) : undefined;

/** ClientHello has the extension as it arrives, ServerHello has it, the handshake is a full one. */
const emsFacts = (tap: Tap): boolean[] => [
  hasExtension(tap.find('client_hello')?.content, EXTENDED_MASTER_SECRET),
  hasExtension(tap.find('server_hello')?.content, EXTENDED_MASTER_SECRET),
  tap.find('client_key_exchange') !== undefined,
];

upstream('70-test_tlsextms', 10, (index) => {
  using program = new Program({ provider: blindProvider() });
  const version = index === 9 ? TLS1_3 : TLS1_2;
  const set = ends(program, version);
  const run = (how: Parameters<typeof proxy>[3] = {}): Tap => {
    const tap = proxy(program, set, version, how);
    tap.run();
    return tap;
  };
  const first = (filter?: Filter): Session =>
    sessionOf(program, proxy(program, set, version, filter === undefined ? {} : { filter }));
  /** Both ends make a master secret of their own kind: their keys differ, but nothing is encrypted here. */
  const silence = (client: boolean): void => {
    const ctx = client ? set.client : set.server;
    ssl.SSL_CTX_set_options(ctx, ssl.SSL_OP_NO_EXTENDED_MASTER_SECRET);
  };
  const speak = (): void => {
    for (const ctx of [set.client, set.server]) {
      ssl.SSL_CTX_clear_options(ctx, ssl.SSL_OP_NO_EXTENDED_MASTER_SECRET);
    }
  };
  switch (index) {
    case 0:
    case 2:
      if (index === 2) ssl.SSL_CTX_set_options(set.client, ssl.SSL_OP_NO_TICKET);
      expect(emsFacts(run())).toEqual([true, true, true]);
      return;
    case 1:
    case 3: {
      if (index === 3) ssl.SSL_CTX_set_options(set.client, ssl.SSL_OP_NO_TICKET);
      silence(true);
      const tap = run();
      expect([tap.clientResult, ...emsFacts(tap)]).toEqual([1, false, false, true]);
      return;
    }
    case 4: {
      const tap = run({ session: first() });
      expect([tap.clientResult, ...emsFacts(tap)]).toEqual([1, true, true, false]);
      return;
    }
    case 5: {
      // The session was made without it: it is not resumed with it.
      silence(true);
      const session = first();
      speak();
      const tap = run({ session });
      expect([tap.clientResult, ...emsFacts(tap)]).toEqual([1, true, true, true]);
      return;
    }
    case 6: {
      // The session has it and the hello does not: the server ends the handshake (RFC 7627, 5.3).
      const tap = run({ session: first(), filter: drop('client_hello') });
      expect([tap.serverResult, tap.alert]).toEqual([
        -1,
        { from: 'server', description: Alert.handshake_failure },
      ]);
      return;
    }
    case 7: {
      // The session has it and the server's answer does not: the client ends it.
      const tap = run({ session: first(), filter: drop('server_hello') });
      expect([tap.clientResult, tap.alert?.from]).toEqual([-1, 'client']);
      return;
    }
    case 8: {
      // The client's session is without it, the server's answer has it. The server's own memory decides there.
      ssl.SSL_CTX_set_options(set.server, ssl.SSL_OP_NO_TICKET);
      ssl.SSL_CTX_set_options(set.client, ssl.SSL_OP_NO_TICKET);
      const withIt = first();
      const without = withoutEms(program, withIt);
      const tap = run({ session: without });
      expect([tap.clientResult, tap.alert?.from]).toEqual([-1, 'client']);
      return;
    }
    default: {
      // TLS 1.3 has no such thing to agree on. (A client of TLS 1.3 alone does not offer it, either.)
      const tap = run();
      expect([tap.clientResult, ...emsFacts(tap)]).toEqual([1, false, false, false]);
      program.end(tap.c, tap.s);
      ssl.SSL_CTX_set_min_proto_version(set.client, 0);
      const both = run();
      expect([both.clientResult, ...emsFacts(both)]).toEqual([1, true, false, false]);
    }
  }
});

/** The same session without the flag: field [13] of the DER form. */
function withoutEms(program: Program, session: Session): Session {
  const der = ssl.i2d_SSL_SESSION(session) as Uint8Array;
  // [13] EXPLICIT INTEGER 1.
  const at = der.findIndex(
    (byte, i) => byte === 0xad && der[i + 1] === 3 && der[i + 2] === 2 && der[i + 4] === 1,
  );
  expect(at).toBeGreaterThan(0);
  const changed = der.slice();
  changed[at + 4] = 0;
  return program.owned(ssl.d2i_SSL_SESSION(changed));
}

// Sequences -------------------------------------------------------------------------------------------------

const CLIENT_FLIGHT_12 = ['> client_key_exchange', '> finished'];
const FULL_12 = ['server_hello', 'certificate', 'server_key_exchange', 'server_hello_done'];
const FULL_13 = ['server_hello', 'encrypted_extensions', 'certificate', 'certificate_verify', 'finished'];
const RESUMED_13 = ['server_hello', 'encrypted_extensions', 'finished'];

interface Sequence {
  readonly version: number;
  readonly prepare?: (set: Ends, program: Program) => void;
  readonly ssl?: (c: Ssl, s: Ssl) => void;
  readonly resumes?: boolean;
  readonly messages: string[];
  /** Extensions of the ServerHello in TLS 1.2, of EncryptedExtensions in 1.3, that are or are not there. */
  readonly answers?: readonly (readonly [type: number, isThere: boolean])[];
  readonly check?: (tap: Tap) => void;
}

const PROTOCOL = bytes('\x04test');
const STAPLE = new Uint8Array([1, 2, 3]);

/** The variants that both versions have: who names a server, who speaks ALPN, who staples, who is asked. */
function variants(version: number): Sequence[] {
  const full =
    version === TLS1_2
      ? ['> client_hello', ...FULL_12, ...CLIENT_FLIGHT_12, 'new_session_ticket', 'finished']
      : ['> client_hello', ...FULL_13, '> finished', 'new_session_ticket', 'new_session_ticket'];
  const stapled =
    version === TLS1_2
      ? full.flatMap((each) => (each === 'certificate' ? [each, 'certificate_status'] : [each]))
      : full;
  const asked =
    version === TLS1_2
      ? [
          '> client_hello',
          'server_hello',
          'certificate',
          'server_key_exchange',
          'certificate_request',
          'server_hello_done',
          '> certificate',
          '> client_key_exchange',
          '> certificate_verify',
          '> finished',
          'new_session_ticket',
          'finished',
        ]
      : [
          '> client_hello',
          'server_hello',
          'encrypted_extensions',
          'certificate_request',
          'certificate',
          'certificate_verify',
          'finished',
          '> certificate',
          '> certificate_verify',
          '> finished',
          'new_session_ticket',
          'new_session_ticket',
        ];
  const asks = (c: Ssl): void =>
    expect(ssl.SSL_set_tlsext_status_type(c, ssl.TLSEXT_STATUSTYPE_ocsp)).toBe(1);
  const staples = ({ server }: Ends): void => void ssl.SSL_CTX_set_tlsext_status_cb(server, () => STAPLE);
  const select = ({ server }: Ends): void =>
    ssl.SSL_CTX_set_alpn_select_cb(server, (_ssl, offered) => offered[0] ?? null);
  const offer = (c: Ssl): void => expect(ssl.SSL_set_alpn_protos(c, PROTOCOL)).toBe(0);
  const name = (c: Ssl): void => expect(ssl.SSL_set_tlsext_host_name(c, 'testhost')).toBe(1);
  const serves = ({ server }: Ends): void =>
    ssl.SSL_CTX_set_tlsext_servername_callback(server, () => ssl.SSL_TLSEXT_ERR_OK);
  const gotStaple =
    (staple: Uint8Array | null) =>
    ({ c }: Tap): void =>
      expect(ssl.SSL_get_tlsext_status_ocsp_resp(c)).toEqual(staple);
  return [
    { version, messages: full },
    { version, ssl: asks, messages: full, check: gotStaple(null) },
    { version, prepare: staples, messages: full, check: gotStaple(null) },
    { version, ssl: asks, prepare: staples, messages: stapled, check: gotStaple(STAPLE) },
    {
      version,
      prepare: ({ server, client }) => {
        ssl.SSL_CTX_set_verify(server, ssl.SSL_VERIFY_PEER, () => 1);
        ssl.SSL_CTX_set_session_id_context(server, new Uint8Array([1]));
        expect(ssl.SSL_CTX_use_cert_and_key(client, certificatePem, chain.leaf.keyPem)).toBe(1);
      },
      messages: asked,
      check: ({ s }) => expect(ssl.SSL_get0_peer_certificate(s)?.der).toEqual(new Uint8Array(chain.leaf.der)),
    },
    { version, prepare: serves, messages: full, answers: [[SERVER_NAME, false]] },
    { version, ssl: name, prepare: serves, messages: full, answers: [[SERVER_NAME, true]] },
    { version, ssl: offer, messages: full, answers: [[ALPN, false]] },
    { version, prepare: select, messages: full, answers: [[ALPN, false]] },
    { version, ssl: offer, prepare: select, messages: full, answers: [[ALPN, true]] },
  ];
}

const SEQUENCES_12: readonly Sequence[] = [
  ...variants(TLS1_2),
  {
    version: TLS1_2,
    resumes: true,
    messages: ['> client_hello', 'server_hello', 'finished', '> finished'],
    answers: [
      [TICKET, false],
      [STATUS_REQUEST, false],
    ],
  },
];

const SEQUENCES_13: readonly Sequence[] = [
  ...variants(TLS1_3),
  {
    version: TLS1_3,
    resumes: true,
    messages: ['> client_hello', ...RESUMED_13, '> finished', 'new_session_ticket'],
  },
  {
    version: TLS1_3,
    prepare: ({ server }) => void ssl.SSL_CTX_set1_groups(server, [P384]),
    messages: [
      '> client_hello',
      'hello_retry_request',
      '> client_hello',
      ...FULL_13,
      '> finished',
      'new_session_ticket',
      'new_session_ticket',
    ],
    check: (tap) =>
      expect([
        hasExtension(tap.find('hello_retry_request')?.content, KEY_SHARE),
        hasExtension(tap.find('server_hello')?.content, KEY_SHARE),
      ]).toEqual([true, true]),
  },
  {
    version: TLS1_3,
    resumes: true,
    prepare: ({ server }) => void ssl.SSL_CTX_set1_groups(server, [P384]),
    messages: [
      '> client_hello',
      'hello_retry_request',
      '> client_hello',
      ...RESUMED_13,
      '> finished',
      'new_session_ticket',
    ],
  },
];

function sequence({ version, prepare, ssl: set, resumes, messages, answers, check }: Sequence): void {
  using program = new Program({ provider: blindProvider() });
  const both = ends(program, version);
  const how: Parameters<typeof proxy>[3] = set === undefined ? {} : { prepare: set };
  const session = resumes === true ? sessionOf(program, proxy(program, both, version)) : undefined;
  prepare?.(both, program);
  const tap = proxy(program, both, version, session === undefined ? how : { ...how, session });
  expect(tap.run()).toBe(true);
  expect(ssl.SSL_session_reused(tap.c)).toBe(resumes === true ? 1 : 0);
  expect(tap.messages).toEqual(messages);
  for (const [type, isThere] of answers ?? []) {
    const has =
      version === TLS1_2
        ? hasExtension(tap.find('server_hello')?.content, type)
        : encryptedExtensionsOf(tap.find('encrypted_extensions')?.content as Uint8Array).includes(type);
    expect([type, has]).toEqual([type, isThere]);
  }
  check?.(tap);
  program.end(tap.c, tap.s);
}

upstream('70-test_sslmessages', 11, (index) => sequence(SEQUENCES_12[index] as Sequence));
upstream('70-test_tls13messages', 13, (index) => sequence(SEQUENCES_13[index] as Sequence));
