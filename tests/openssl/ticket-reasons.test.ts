/** Why a ticket was not resumed from, where the keys or the word are a callback's. */
import { describe, expect, test } from 'vitest';
import * as ssl from '../../src/entry/openssl.ts';
import { sessionOf } from '../../src/openssl/types.ts';
import { Field } from '../../src/session/body.ts';
import { type Ctx, connect, Program, type Session, TLS1_2, TLS1_3 } from './program.ts';

const NAME = new Uint8Array(16).fill(7);
const AES = new Uint8Array(32).fill(8);
const HMAC = new Uint8Array(32).fill(9);

interface Case {
  readonly what: string;
  /** Changes the ticket of the second connection. */
  readonly ticket?: (ticket: Uint8Array) => Uint8Array;
  /** Before the first connection, or between the two. */
  readonly first?: (server: Ctx) => void;
  readonly second?: (server: Ctx) => void;
  readonly reason: string;
}

const flip =
  (at: number) =>
  (ticket: Uint8Array): Uint8Array => {
    ticket[at < 0 ? ticket.length + at : at] = (ticket.at(at) as number) ^ 1;
    return ticket;
  };
const keys = (ret: number, hmacKey: Uint8Array) => (server: Ctx) =>
  ssl.SSL_CTX_set_tlsext_ticket_key_evp_cb(server, (_ssl, _name, enc) => ({
    ret: enc === 1 ? 1 : ret,
    keyName: NAME,
    aesKey: AES,
    hmacKey,
  }));
const word = (answer: number) => (server: Ctx) =>
  ssl.SSL_CTX_set_session_ticket_cb(server, null, () => answer);
const foreign = (length: number) => () => new Uint8Array(length).fill(0x55);

const CASES: readonly Case[] = [
  { what: 'another key name', ticket: flip(0), reason: 'unknown-key' },
  { what: 'a changed MAC', ticket: flip(-1), reason: 'bad-ticket' },
  { what: 'a changed ciphertext', ticket: flip(40), reason: 'bad-ticket' },
  { what: 'a ticket that breaks off', ticket: (ticket) => ticket.subarray(0, 40), reason: 'bad-ticket' },
  { what: 'a short one of nobody', ticket: foreign(3), reason: 'unknown-key' },
  {
    what: 'new keys',
    second: (server) => ssl.SSL_CTX_set_tlsext_ticket_keys(server, new Uint8Array(80).fill(1)),
    reason: 'unknown-key',
  },
  {
    what: 'a key callback without the key',
    first: keys(1, HMAC),
    second: keys(0, HMAC),
    reason: 'unknown-key',
  },
  {
    what: 'a key callback with a wrong key',
    first: keys(1, HMAC),
    second: keys(1, AES),
    reason: 'bad-ticket',
  },
  { what: 'a key callback and a changed MAC', first: keys(1, HMAC), ticket: flip(-1), reason: 'bad-ticket' },
  {
    what: 'a key callback and a short one',
    first: keys(1, HMAC),
    ticket: foreign(63),
    reason: 'unknown-key',
  },
  {
    what: 'a callback that ignores it',
    second: word(ssl.SSL_TICKET_RETURN_IGNORE),
    reason: 'refused-by-callback',
  },
  {
    what: 'a callback that ignores what is damaged',
    second: word(ssl.SSL_TICKET_RETURN_IGNORE_RENEW),
    ticket: flip(-1),
    reason: 'bad-ticket',
  },
];

describe.each([TLS1_2, TLS1_3])('version 0x%s', (version) => {
  test.each(CASES)('$what: $reason', ({ ticket, first, second, reason }) => {
    using program = new Program();
    const client = program.client(version);
    const server = program.server(version);
    first?.(server);
    const full = program.pair(client, server);
    expect(connect(full.c, full.s)).toBe(true);
    const session: Session = program.owned(ssl.SSL_get1_session(full.c));
    program.end(full.c, full.s);
    second?.(server);
    const changed: Session = program.owned(ssl.SSL_SESSION_dup(session));
    if (ticket !== undefined) {
      const core = sessionOf(changed, 'test');
      core.setField(Field.ticket, ticket(core.field(Field.ticket, 'test')), 'test');
    }
    const { c, s } = program.pair(client, server, (c) => ssl.SSL_set_session(c, changed));
    expect(connect(c, s)).toBe(true);
    expect([ssl.SSL_session_reused(s), s.engine.info.resumptionReason]).toEqual([0, reason]);
    program.end(c, s);
  });
});
