import { TlsAlertError } from '../../util/errors.ts';
import { Extensions } from '../extensions.ts';
import { Reader, readU16s } from '../reader.ts';

/** ClientHello (RFC 8446, 4.1.2; RFC 5246, 7.4.1.2), as views into its message. */
export interface ClientHello {
  readonly legacyVersion: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: Uint8Array;
  readonly extensions: Extensions;
}

/** `body` is the message without its four-byte header. */
export function readClientHello(body: Uint8Array): ClientHello {
  const reader = new Reader(body);
  const legacyVersion = reader.u16();
  const random = reader.bytes(32);
  const sessionId = reader.vector8();
  if (sessionId.length > 32) throw TlsAlertError.local('decode-error', 'a session id longer than 32 bytes');
  const cipherSuites = readU16s(reader.sub16(2));
  const compressionMethods = reader.vector8(1);
  // TLS 1.2 allows a hello that ends here (RFC 5246, 7.4.1.2).
  const extensions = reader.remaining === 0 ? new Extensions() : Extensions.read(reader);
  reader.finish();
  return { legacyVersion, random, sessionId, cipherSuites, compressionMethods, extensions };
}
