/** Cipher suites as SSL_SESSION_get0_cipher and SSL_SESSION_set_cipher take them: SSL_CIPHER_get_name(3). */
import { cipherOf, type SSL_CIPHER } from './types.ts';

/** `ECDHE-RSA-AES128-GCM-SHA256`; `(NONE)` for null. */
export function SSL_CIPHER_get_name(cipher: SSL_CIPHER | null): string {
  return cipher === null ? '(NONE)' : cipher.name;
}

/** The number that OpenSSL has used since SSL 2: 0x03000000 above the two bytes of the wire. */
export function SSL_CIPHER_get_id(cipher: SSL_CIPHER): number {
  return 0x0300_0000 | cipher.id;
}

/** The two bytes of the wire, as a number. */
export function SSL_CIPHER_get_protocol_id(cipher: SSL_CIPHER): number {
  return cipher.id;
}

/** The suite with these two bytes, or null. `ssl` gives its method in C and is not looked at. */
export function SSL_CIPHER_find(_ssl: object | null, bytes: Uint8Array): SSL_CIPHER | null {
  return cipherOf(((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
}
