/** The two forms of a sealed ticket, each with one key. Which key, and for how long, is the keyring's matter. */
import type { AeadKey, CryptoProvider, HmacKey } from '../crypto/provider.ts';
import { equalSecret } from '../util/bytes.ts';
import {
  type AeadTicketKey,
  KEY_NAME_LENGTH,
  nameAt,
  type OpensslTicketKey,
  type TicketKeyMaterial,
} from './key-material.ts';
import type { TicketFault, TicketFormat } from './sealer.ts';

export interface TicketCipher {
  readonly format: TicketFormat;
  /** Whether a ticket names this key. Says nothing about who made it. */
  names(ticket: Uint8Array): boolean;
  seal(plaintext: Uint8Array): Uint8Array;
  /** Call only when the ticket names this key. */
  open(ticket: Uint8Array): Uint8Array | TicketFault;
  /** Forgets the imported keys. The material is wiped by its owner. */
  destroy(): void;
}

type Random = CryptoProvider['random'];

const IV_LENGTH = 16;
const MAC_LENGTH = 32;
const BLOCK = 16;

/**
 * OpenSSL's form: name16, IV16, AES-CBC, and HMAC-SHA256 over all of that. The MAC comes first: nothing is
 * decrypted before it is right, so the padding tells nobody anything.
 */
class OpensslTicketCipher implements TicketCipher {
  readonly format = 'openssl';
  readonly #provider: CryptoProvider;
  readonly #random: Random;
  readonly #key: OpensslTicketKey;
  readonly #hmac: HmacKey;

  constructor(provider: CryptoProvider, random: Random, key: OpensslTicketKey) {
    this.#provider = provider;
    this.#random = random;
    this.#key = key;
    this.#hmac = provider.hmacKey('sha256', key.hmacKey);
  }

  names(ticket: Uint8Array): boolean {
    return nameAt(ticket, 0, this.#key.name);
  }

  seal(plaintext: Uint8Array): Uint8Array {
    const iv = this.#random(IV_LENGTH);
    const encrypted = this.#provider.cbcEncrypt(this.#key.aesKey, iv, plaintext);
    const macAt = KEY_NAME_LENGTH + IV_LENGTH + encrypted.length;
    const ticket = new Uint8Array(macAt + MAC_LENGTH);
    ticket.set(this.#key.name);
    ticket.set(iv, KEY_NAME_LENGTH);
    ticket.set(encrypted, KEY_NAME_LENGTH + IV_LENGTH);
    ticket.set(this.#hmac.sign(ticket.subarray(0, macAt)), macAt);
    return ticket;
  }

  open(ticket: Uint8Array): Uint8Array | TicketFault {
    const macAt = ticket.length - MAC_LENGTH;
    const encryptedLength = macAt - KEY_NAME_LENGTH - IV_LENGTH;
    if (encryptedLength < BLOCK || encryptedLength % BLOCK !== 0) return 'bad-length';
    const mac = this.#hmac.sign(ticket.subarray(0, macAt));
    if (!equalSecret(mac, ticket.subarray(macAt))) return 'bad-mac';
    const iv = ticket.subarray(KEY_NAME_LENGTH, KEY_NAME_LENGTH + IV_LENGTH);
    const encrypted = ticket.subarray(KEY_NAME_LENGTH + IV_LENGTH, macAt);
    return this.#provider.cbcDecrypt(this.#key.aesKey, iv, encrypted) ?? 'bad-padding';
  }

  destroy(): void {
    this.#hmac.destroy();
  }
}

const VERSION = 1;
const HEADER_LENGTH = 1 + KEY_NAME_LENGTH;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;

/**
 * tlsession's own form:
 *
 *     struct {
 *         uint8  version = 1;
 *         opaque key_name[16];
 *         opaque nonce[12];
 *         opaque sealed[..];      // AES-256-GCM, tag at its end; version and key_name are additional data
 *     } AeadTicket;
 *
 * The nonce is random: NIST SP 800-38D, 8.3 allows 2^32 of them a key, which the keyring's cap on seals
 * keeps far away from.
 */
class AeadTicketCipher implements TicketCipher {
  readonly format = 'aead';
  readonly #random: Random;
  readonly #header: Uint8Array = new Uint8Array(HEADER_LENGTH);
  readonly #key: AeadKey;

  constructor(provider: CryptoProvider, random: Random, key: AeadTicketKey) {
    this.#random = random;
    this.#header[0] = VERSION;
    this.#header.set(key.name, 1);
    this.#key = provider.aeadKey('aes-256-gcm', key.key);
  }

  names(ticket: Uint8Array): boolean {
    return ticket[0] === VERSION && nameAt(ticket, 1, this.#header.subarray(1));
  }

  seal(plaintext: Uint8Array): Uint8Array {
    const start = HEADER_LENGTH + NONCE_LENGTH;
    const end = start + plaintext.length;
    const ticket = new Uint8Array(end + TAG_LENGTH);
    const nonce = this.#random(NONCE_LENGTH);
    ticket.set(this.#header);
    ticket.set(nonce, HEADER_LENGTH);
    ticket.set(plaintext, start);
    this.#key.sealInPlace(nonce, this.#header, ticket, start, end);
    return ticket;
  }

  open(ticket: Uint8Array): Uint8Array | TicketFault {
    const start = HEADER_LENGTH + NONCE_LENGTH;
    if (ticket.length < start + TAG_LENGTH) return 'bad-length';
    if (!this.names(ticket)) return 'bad-mac';
    const nonce = ticket.subarray(HEADER_LENGTH, start);
    return this.#key.open(nonce, this.#header, ticket.subarray(start)) ?? 'bad-mac';
  }

  destroy(): void {
    this.#key.destroy();
  }
}

/** `material` stays the caller's, to be wiped after `destroy`. */
export function ticketCipher(
  provider: CryptoProvider,
  random: Random,
  material: TicketKeyMaterial,
): TicketCipher {
  return material.format === 'aead'
    ? new AeadTicketCipher(provider, random, material)
    : new OpensslTicketCipher(provider, random, material);
}
