/** The types of the C names. What a program may do with them, the functions say. */
import type { PeerCertificate } from '../session/body.ts';
import { SessionCore } from '../session/core.ts';
import { opensslCipherName } from '../util/cipher-names.ts';
import { UsageError } from '../util/errors.ts';

/**
 * A session, held by pointer in C. Count its references: whoever takes one gives it back with
 * SSL_SESSION_free, and nobody else does.
 */
export interface SSL_SESSION {
  /** How messages name it, e.g. `session #12`. */
  readonly label: string;
  /** Public facts and lengths. */
  toJSON(): Record<string, unknown>;
}

/** A certificate: its DER and nothing more. */
export type X509 = PeerCertificate;

/** A cipher suite. There is one object for each. */
export interface SSL_CIPHER {
  /** The two bytes on the wire, as a number. */
  readonly id: number;
  /** OpenSSL's name. */
  readonly name: string;
}

/**
 * A stdio stream, for the functions that end in _fp and for PEM_read and PEM_write: anything with `write`
 * (`process.stdout`) or with a `read` that gives what there is, or null (a Node stream that is paused).
 */
export interface FILE {
  write?(bytes: Uint8Array): unknown;
  read?(): Uint8Array | string | null;
}

/**
 * @internal What the functions work on.
 * @throws {UsageError} `ERR_OPENSSL_NULL` where C would follow a NULL, or something else, to its end.
 */
export function sessionOf(session: SSL_SESSION | null, call: string): SessionCore {
  if (session instanceof SessionCore) return session;
  throw new UsageError(
    'ERR_OPENSSL_NULL',
    `${call}: ${session === null ? 'NULL' : 'this'} is not an SSL_SESSION`,
  );
}

const ciphers = new Map<number, SSL_CIPHER>();

/** @internal The object for a cipher suite, or null for a number that OpenSSL does not know. */
export function cipherOf(id: number): SSL_CIPHER | null {
  const known = ciphers.get(id);
  if (known !== undefined) return known;
  const name = opensslCipherName(id);
  if (name === null) return null;
  const cipher = Object.freeze({ id, name });
  ciphers.set(id, cipher);
  return cipher;
}
