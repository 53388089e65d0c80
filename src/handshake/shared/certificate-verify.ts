/** A peer's CertificateVerify in TLS 1.3, the same from a server, from a client, and from one that was asked later. */
import type { PublicKey } from '../../crypto/provider.ts';
import type { Transcript } from '../../schedule/transcript.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import { readCertificateVerify } from '../../wire/message/certificate-verify.ts';
import type { Host } from '../host.ts';
import { certificateVerifyContent, schemeFits } from './signatures.ts';

/**
 * Throws unless `message` proves that the signer holds `key` (RFC 8446, 4.4.3): by a scheme that we offered and that
 * fits the key, over the transcript as it stands. Then the message joins the transcript.
 */
export function acceptCertificateVerify(
  host: Host,
  signer: 'server' | 'client',
  key: PublicKey,
  transcript: Transcript,
  message: Uint8Array,
): void {
  const { scheme, signature } = readCertificateVerify(message.subarray(4));
  if (
    !host.config.signatureSchemes.includes(scheme) ||
    !schemeFits(scheme, key.type, ProtocolVersion.TLS1_3)
  ) {
    throw TlsAlertError.local('wrong-signature-scheme');
  }
  const content = certificateVerifyContent(signer, transcript.peek());
  if (!key.verify(scheme, content, signature)) throw TlsAlertError.local('bad-signature');
  host.info.peerSignatureScheme = scheme;
  transcript.update(message);
}
