/**
 * The form in which Node hands out client sessions since 22.23 and 24.17 (CVE-2026-48934): OpenSSL's DER
 * behind the name that the session was authenticated for, so that it is not offered to another.
 *
 *     struct {
 *         opaque prefix[22] = "\0nodejs:tls:session:1\0";
 *         opaque host<0..2^16-1>;     // UTF-8
 *         opaque session[rest];       // SSLSession, DER
 *     } NodeSession;
 */

import { concatBytes, utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { SessionFormatError } from './errors.ts';

const PREFIX: Uint8Array = utf8('\0nodejs:tls:session:1\0');
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface NodeForm {
  /** What Node was told as `servername`, or else as `host`. */
  readonly host: string;
  readonly der: Uint8Array;
}

/** Whether bytes begin as this form does. */
export function isNodeForm(bytes: Uint8Array): boolean {
  return bytes.length >= PREFIX.length && PREFIX.every((byte, i) => bytes[i] === byte);
}

/** @throws {UsageError} `ERR_SESSION_NODE_HOST` for a name that Node would not compare with: none, or too long. */
export function wrapNodeForm(der: Uint8Array, host: string): Uint8Array {
  const name = utf8(host);
  if (name.length === 0 || name.length > 0xffff) {
    throw new UsageError(
      'ERR_SESSION_NODE_HOST',
      'the form of newer Node versions needs the host name that the session was authenticated for',
    );
  }
  return concatBytes(PREFIX, Uint8Array.of(name.length >> 8, name.length), name, der);
}

/** The DER is a view. @throws {SessionFormatError} `ERR_SESSION_NODE_FORM` */
export function unwrapNodeForm(bytes: Uint8Array): NodeForm {
  if (!isNodeForm(bytes)) throw bad('not a session in the form of newer Node versions', 0);
  const start = PREFIX.length + 2;
  if (bytes.length < start) throw bad('the session breaks off', bytes.length);
  const length = ((bytes[start - 2] as number) << 8) | (bytes[start - 1] as number);
  if (length > bytes.length - start) throw bad('the host name is longer than the session', start - 2);
  const der = bytes.subarray(start + length);
  try {
    return { host: strictUtf8.decode(bytes.subarray(start, start + length)), der };
  } catch {
    throw bad('a host name that is not UTF-8', start);
  }
}

function bad(what: string, offset: number): SessionFormatError {
  return new SessionFormatError('ERR_SESSION_NODE_FORM', what, offset);
}
