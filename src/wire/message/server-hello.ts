import { equalBytes, fromHex } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { Extensions } from '../extensions.ts';
import { HandshakeType } from '../numbers.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** ServerHello or HelloRetryRequest (RFC 8446, 4.1.3 and 4.1.4). */
export interface ServerHello {
  readonly legacyVersion: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cipherSuite: number;
  readonly compressionMethod: number;
  readonly extensions: Extensions;
  readonly isHelloRetryRequest: boolean;
}

/** SHA-256 of "HelloRetryRequest": the random that tells one from a ServerHello (RFC 8446, 4.1.3). */
export const HELLO_RETRY_RANDOM: Uint8Array = fromHex(
  'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
);

/** The last eight bytes of the random when a server that knows better speaks TLS 1.2, or 1.1 and below. */
export const DOWNGRADE_TLS12: Uint8Array = fromHex('444f574e47524401');
export const DOWNGRADE_TLS11: Uint8Array = fromHex('444f574e47524400');

export function readServerHello(body: Uint8Array): ServerHello {
  const reader = new Reader(body);
  const legacyVersion = reader.u16();
  const random = reader.bytes(32);
  const sessionId = reader.vector8();
  if (sessionId.length > 32) throw TlsAlertError.local('decode-error', 'a session id longer than 32 bytes');
  const cipherSuite = reader.u16();
  const compressionMethod = reader.u8();
  const extensions = reader.remaining === 0 ? new Extensions() : Extensions.read(reader);
  reader.finish();
  const isHelloRetryRequest = equalBytes(random, HELLO_RETRY_RANDOM);
  return {
    legacyVersion,
    random,
    sessionId,
    cipherSuite,
    compressionMethod,
    extensions,
    isHelloRetryRequest,
  };
}

/** Writes header and fixed part, then what `writeExtensions` writes. No extensions: no block (TLS 1.2). */
export function writeServerHello(
  writer: Writer,
  random: Uint8Array,
  sessionId: Uint8Array,
  cipherSuite: number,
  writeExtensions: (writer: Writer) => void,
): void {
  writer.u8(HandshakeType.server_hello);
  const message = writer.open24();
  writer.u16(0x0303);
  writer.bytes(random);
  writer.vector8(sessionId);
  writer.u16(cipherSuite);
  writer.u8(0);
  const extensions = writer.open16();
  writeExtensions(writer);
  if (writer.length === extensions + 2) writer.length = extensions;
  else writer.close16(extensions);
  writer.close24(message);
}
