/** What is signed in a handshake, and which scheme fits which key. */
import type { KeyType } from '../../crypto/provider.ts';
import { concatBytes, utf8 } from '../../util/bytes.ts';
import { ProtocolVersion, SignatureScheme } from '../../util/registries.ts';
import type { Credential } from '../config.ts';

const PREFIX: Uint8Array = new Uint8Array(64).fill(0x20);
const SERVER_CONTEXT: Uint8Array = utf8('TLS 1.3, server CertificateVerify\0');
const CLIENT_CONTEXT: Uint8Array = utf8('TLS 1.3, client CertificateVerify\0');

/** The content of a TLS 1.3 CertificateVerify (RFC 8446, 4.4.3). */
export function certificateVerifyContent(
  signer: 'server' | 'client',
  transcriptHash: Uint8Array,
): Uint8Array {
  return concatBytes(PREFIX, signer === 'server' ? SERVER_CONTEXT : CLIENT_CONTEXT, transcriptHash);
}

const RSA_PSS_RSAE: readonly number[] = [0x0804, 0x0805, 0x0806];
const RSA_PSS_PSS: readonly number[] = [0x0809, 0x080a, 0x080b];
const RSA_PKCS1: readonly number[] = [0x0401, 0x0501, 0x0601];

/** The schemes a key of this type can sign with, in our order of preference. */
export function schemesFor(type: KeyType, version: number): readonly number[] {
  switch (type) {
    // TLS 1.2's code points name only the hash: any curve may sign with any of them (RFC 8422, 5.4).
    case 'ec-p256':
      return version >= ProtocolVersion.TLS1_3 ? [0x0403] : [0x0403, 0x0503, 0x0603];
    case 'ec-p384':
      return version >= ProtocolVersion.TLS1_3 ? [0x0503] : [0x0503, 0x0403, 0x0603];
    case 'ec-p521':
      return version >= ProtocolVersion.TLS1_3 ? [0x0603] : [0x0603, 0x0503, 0x0403];
    case 'rsa':
      return version >= ProtocolVersion.TLS1_3 ? RSA_PSS_RSAE : [...RSA_PSS_RSAE, ...RSA_PKCS1];
    case 'rsa-pss':
      return RSA_PSS_PSS;
    case 'ed25519':
      return [SignatureScheme.ed25519];
    case 'ed448':
      return [SignatureScheme.ed448];
  }
}

/** Whether a peer with a key of this type may sign with `scheme` in `version`. */
export function schemeFits(scheme: number, type: KeyType, version: number): boolean {
  return schemesFor(type, version).includes(scheme);
}

/** RSA-PSS needs two hashes and two bytes: a 1024-bit key cannot carry SHA-512 (RFC 8017, 9.1.1). */
function fitsModulus(scheme: number, bits: number): boolean {
  if (scheme === 0x0806 || scheme === 0x080b) return Math.ceil((bits - 1) / 8) >= 130;
  if (scheme === 0x0805 || scheme === 0x080a) return Math.ceil((bits - 1) / 8) >= 98;
  return true;
}

/** The first scheme of ours that the peer takes; null when there is none. */
export function chooseScheme(
  credential: Credential,
  peerSchemes: readonly number[],
  version: number,
): number | null {
  const possible = schemesFor(credential.keyType, version);
  for (const scheme of credential.signatureSchemes ?? possible) {
    if (
      possible.includes(scheme) &&
      peerSchemes.includes(scheme) &&
      fitsModulus(scheme, credential.keyBits)
    ) {
      return scheme;
    }
  }
  return null;
}
