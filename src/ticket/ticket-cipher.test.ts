import * as crypto from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../crypto/node/index.ts';
import { concatBytes, toHex } from '../util/bytes.ts';
import { readTicketKey } from './key-layouts.ts';
import type { AeadTicketKey, OpensslTicketKey, TicketKeyMaterial } from './key-material.ts';
import { ticketCipher } from './ticket-cipher.ts';

const random = (length: number) => nodeProvider.random(length);
const name = new Uint8Array(16).fill(0x4e);
const AEAD: AeadTicketKey = { format: 'aead', name, key: new Uint8Array(32).fill(1) };
const LONG: OpensslTicketKey = {
  format: 'openssl',
  name,
  aesKey: new Uint8Array(32).fill(2),
  hmacKey: new Uint8Array(32).fill(3),
};
const SHORT: OpensslTicketKey = {
  format: 'openssl',
  name,
  aesKey: new Uint8Array(16).fill(4),
  hmacKey: new Uint8Array(16).fill(5),
};
const KEYS: readonly (readonly [string, TicketKeyMaterial])[] = [
  ['AEAD', AEAD],
  ["OpenSSL's with 32-byte keys", LONG],
  ["OpenSSL's with 16-byte keys", SHORT],
];

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 5 + length) & 0xff);
}

describe.each(KEYS)('the ticket form %s', (_, material) => {
  const cipher = ticketCipher(nodeProvider, random, material);

  it('opens what it sealed, of every length', () => {
    for (const length of [0, 1, 15, 16, 17, 100, 1000, 0xff00]) {
      const plaintext = pattern(length);
      const ticket = cipher.seal(plaintext);
      expect(cipher.names(ticket)).toBe(true);
      expect(ticket.length).toBeLessThan(0x10000);
      const opened = cipher.open(ticket);
      expect(typeof opened === 'string' ? opened : toHex(opened)).toBe(toHex(plaintext));
    }
  });

  it('never seals alike twice', () => {
    const tickets = new Set(Array.from({ length: 100 }, () => toHex(cipher.seal(pattern(50)))));
    expect(tickets.size).toBe(100);
  });

  it('refuses every byte that is changed, in every bit', () => {
    const ticket = cipher.seal(pattern(60));
    for (let i = 0; i < ticket.length; i++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = ticket.slice();
        changed[i] = (changed[i] as number) ^ (1 << bit);
        // The head says whose ticket it is; the rest is authenticated.
        const head = material.format === 'aead' ? 17 : 16;
        if (i < head) expect(cipher.names(changed)).toBe(false);
        expect(cipher.open(changed)).toBe('bad-mac');
      }
    }
  });

  it('refuses every length but its own', () => {
    const ticket = cipher.seal(pattern(60));
    for (let length = 0; length < ticket.length; length++) {
      expect(cipher.open(ticket.subarray(0, length))).toMatch(/^bad-(length|mac)$/);
    }
    expect(cipher.open(concatBytes(ticket, pattern(1)))).toMatch(/^bad-(length|mac)$/);
    expect(cipher.open(concatBytes(ticket, pattern(16)))).toBe('bad-mac');
    expect(cipher.names(new Uint8Array(0))).toBe(false);
  });
});

describe("OpenSSL's form", () => {
  it.each([
    ['openssl80', 'aes-256-cbc'],
    ['haproxy80', 'aes-256-cbc'],
    ['nginx48', 'aes-128-cbc'],
    ['node48', 'aes-128-cbc'],
  ] as const)('is opened and made by hand with a key in %s', (layout, algorithm) => {
    const file = crypto.randomBytes(algorithm === 'aes-256-cbc' ? 80 : 48);
    const size = algorithm === 'aes-256-cbc' ? 32 : 16;
    const [first, second] = [file.subarray(16, 16 + size), file.subarray(16 + size)];
    const hmacFirst = layout === 'openssl80' || layout === 'node48';
    const [aes, hmac] = hmacFirst ? [second, first] : [first, second];
    const cipher = ticketCipher(nodeProvider, random, readTicketKey(layout, file));

    const plaintext = pattern(333);
    const ticket = cipher.seal(plaintext);
    const macAt = ticket.length - 32;
    const mac = crypto.createHmac('sha256', hmac).update(ticket.subarray(0, macAt)).digest();
    expect(toHex(ticket.subarray(macAt))).toBe(toHex(mac));
    const decipher = crypto.createDecipheriv(algorithm, aes, ticket.subarray(16, 32));
    expect(
      Buffer.compare(
        Buffer.concat([decipher.update(ticket.subarray(32, macAt)), decipher.final()]),
        plaintext,
      ),
    ).toBe(0);

    const iv = crypto.randomBytes(16);
    const encryptor = crypto.createCipheriv(algorithm, aes, iv);
    const body = Buffer.concat([file.subarray(0, 16), iv, encryptor.update(plaintext), encryptor.final()]);
    const made = concatBytes(body, crypto.createHmac('sha256', hmac).update(body).digest());
    const opened = cipher.open(made);
    expect(typeof opened === 'string' ? opened : toHex(opened)).toBe(toHex(plaintext));
  });

  it('says so when what authenticates has no padding', () => {
    const cipher = ticketCipher(nodeProvider, random, LONG);
    const body = concatBytes(name, pattern(16), pattern(32));
    const ticket = concatBytes(body, nodeProvider.hmac('sha256', LONG.hmacKey, body));
    expect(cipher.open(ticket)).toBe('bad-padding');
  });

  it('authenticates before it decrypts', () => {
    let decrypted = 0;
    const provider = {
      ...nodeProvider,
      cbcDecrypt: (...args: Parameters<typeof nodeProvider.cbcDecrypt>) => {
        decrypted++;
        return nodeProvider.cbcDecrypt(...args);
      },
    };
    const cipher = ticketCipher(provider, random, LONG);
    const ticket = cipher.seal(pattern(40));
    ticket[40] = (ticket[40] as number) ^ 1;
    expect(cipher.open(ticket)).toBe('bad-mac');
    expect(decrypted).toBe(0);
  });
});

describe('the AEAD form', () => {
  it('is version, name, nonce and what AES-256-GCM makes, with the first two as additional data', () => {
    const cipher = ticketCipher(nodeProvider, random, AEAD);
    const ticket = cipher.seal(pattern(70));
    expect(ticket[0]).toBe(1);
    expect(toHex(ticket.subarray(1, 17))).toBe(toHex(name));
    const decipher = crypto.createDecipheriv('aes-256-gcm', AEAD.key, ticket.subarray(17, 29));
    decipher.setAAD(ticket.subarray(0, 17));
    decipher.setAuthTag(ticket.subarray(ticket.length - 16));
    const opened = Buffer.concat([decipher.update(ticket.subarray(29, -16)), decipher.final()]);
    expect(toHex(opened)).toBe(toHex(pattern(70)));
  });

  it('is not opened by a key of the same bytes under another name', () => {
    const other = ticketCipher(nodeProvider, random, { ...AEAD, name: new Uint8Array(16) });
    expect(other.open(ticketCipher(nodeProvider, random, AEAD).seal(pattern(5)))).toBe('bad-mac');
  });
});
