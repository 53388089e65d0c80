import { describe, expect, it } from 'vitest';
import { makeSession } from '../../tests/support/sessions.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import { encodeSession } from '../session/der.ts';
import { encodeEnvelope } from '../session/envelope.ts';
import { concatBytes, equalBytes, toHex, utf8 } from '../util/bytes.ts';
import { TicketKeyring } from './keyring.ts';
import type { TicketFormat } from './sealer.ts';
import { openSessionTicket, sealSessionTicket } from './session-ticket.ts';

const NOW = Date.UTC(2026, 0, 1);

function ring(format: TicketFormat): TicketKeyring {
  return TicketKeyring.create({ provider: nodeProvider, format }, NOW);
}

const bindings = {
  host: 'example.org',
  port: 443,
  trust: new Uint8Array(32).fill(1),
  clientAuth: new Uint8Array(0),
  authenticatedAtMs: NOW - 5,
};

describe('a session in a ticket', () => {
  it.each(['aead', 'openssl'] as const)('comes back out of the form %s', (format) => {
    const keyring = ring(format);
    const session = makeSession({ id: 5, hostname: 'example.org', alpn: 'h2', bindings, timeMs: NOW });
    const ticket = sealSessionTicket(keyring, session, NOW);
    if (ticket === null) throw new Error('no ticket');
    const result = openSessionTicket(keyring, ticket, NOW);
    if (!result.opened) throw new Error(result.fault);
    expect([result.renew, result.format]).toEqual([false, format]);
    expect([result.session.libraryReferences, result.session.applicationReferences]).toEqual([1, 0]);
    expect(toHex(encodeSession(result.session))).toBe(toHex(encodeSession(session)));
    // What it is bound to is only in our own form: the other is for programs that know plain DER.
    if (format === 'aead') expect(toHex(encodeEnvelope(result.session))).toBe(toHex(encodeEnvelope(session)));
    else expect(result.session.body('test').bindings).toBeNull();
    result.session.release('test');
    session.free('test');
  });

  it('holds plain DER where a key is shared with OpenSSL', () => {
    const keyring = ring('openssl');
    const session = makeSession({ id: 6, timeMs: NOW });
    const ticket = sealSessionTicket(keyring, session, NOW) as Uint8Array;
    const opened = keyring.open(ticket, NOW);
    expect(opened.opened && equalBytes(opened.plaintext, encodeSession(session))).toBe(true);
    session.free('test');
  });

  it('is refused when what is in it is no session, or more than one', () => {
    const keyring = ring('aead');
    const session = makeSession({ id: 7, timeMs: NOW });
    const der = encodeSession(session);
    const envelope = encodeEnvelope(session);
    session.free('test');
    for (const plaintext of [
      new Uint8Array(0),
      utf8('no session'),
      der.subarray(0, 20),
      concatBytes(der, Uint8Array.of(0)),
      envelope.subarray(0, 30),
      concatBytes(envelope, Uint8Array.of(0)),
    ]) {
      const ticket = keyring.seal(plaintext, NOW) as Uint8Array;
      expect(openSessionTicket(keyring, ticket, NOW)).toEqual({
        opened: false,
        reason: 'bad-ticket',
        fault: 'bad-session',
      });
    }
    expect(openSessionTicket(keyring, new Uint8Array(0), NOW)).toMatchObject({ reason: 'empty-ticket' });
    expect(openSessionTicket(keyring, utf8('whatever it is'), NOW)).toMatchObject({ reason: 'unknown-key' });
  });

  it('leaves no plaintext behind', () => {
    const keyring = ring('aead');
    const session = makeSession({ id: 8, timeMs: NOW });
    const seen: Uint8Array[] = [];
    const sealer = {
      format: 'aead' as const,
      seal: (plaintext: Uint8Array, nowMs: number) => {
        seen.push(plaintext);
        return keyring.seal(plaintext, nowMs);
      },
      open: (ticket: Uint8Array, nowMs: number) => {
        const result = keyring.open(ticket, nowMs);
        if (result.opened) seen.push(result.plaintext);
        return result;
      },
    };
    const ticket = sealSessionTicket(sealer, session, NOW) as Uint8Array;
    const result = openSessionTicket(sealer, ticket, NOW);
    if (result.opened) result.session.release('test');
    session.free('test');
    expect(seen).toHaveLength(2);
    for (const plaintext of seen) expect(plaintext.every((byte) => byte === 0)).toBe(true);
  });
});
