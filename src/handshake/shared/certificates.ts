/** The peer's certificate as a handshake needs it: the key that signs, and what it may be used for. */
import type { CertificateCompressor } from '../../crypto/certificate-compressor.ts';
import type { PublicKey } from '../../crypto/provider.ts';
import { parseCertificate } from '../../pki/certificate.ts';
import { KeyUsage } from '../../pki/extensions.ts';
import { PeerCertificate, type SessionBody } from '../../session/body.ts';
import { DecodeError, TlsAlertError } from '../../util/errors.ts';
import {
  type CompressedCertificate,
  readCompressedCertificate,
  writeCertificate13Body,
} from '../../wire/message/certificate.ts';
import type { Credential } from '../config.ts';
import type { Host } from '../host.ts';

/**
 * The leaf's public key. Its keyUsage is looked at in any case but for an RSA key with `enforceKeyUsage` off,
 * which is for TLS 1.2 servers whose certificates say only keyEncipherment.
 * @throws {TlsAlertError} for a certificate that cannot be used at all.
 */
export function leafKey(host: Host, der: Uint8Array, enforceKeyUsage: boolean): PublicKey {
  try {
    const certificate = parseCertificate(der);
    const key = host.provider.importPublicKey(certificate.spki);
    if (key === null) throw TlsAlertError.local('unsupported-certificate', 'a key of an unknown kind');
    const usage = enforceKeyUsage || key.type !== 'rsa' ? certificate.keyUsage : null;
    if (usage !== null && (usage & KeyUsage.digitalSignature) === 0) {
      throw TlsAlertError.local('wrong-key-usage');
    }
    return key;
  } catch (error) {
    if (error instanceof DecodeError) {
      throw TlsAlertError.local('decode-error', 'a malformed certificate', { cause: error });
    }
    throw error;
  }
}

/** X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED. */
const LET_THROUGH: readonly number[] = [9, 10];

/**
 * Whether the certificate that a session's peer showed is valid now (DESIGN rule 6). True also without one,
 * and where the verifier knew that it was not and let it through: then its dates decide nothing.
 */
export function isPeerValid(body: SessionBody, nowMs: number): boolean {
  const { peerFingerprint } = body;
  if (peerFingerprint !== null)
    return nowMs >= peerFingerprint.notBeforeMs && nowMs <= peerFingerprint.notAfterMs;
  if (body.peer === null || LET_THROUGH.includes(body.verifyResult)) return true;
  try {
    const { notBeforeMs, notAfterMs } = parseCertificate(PeerCertificate.view(body.peer));
    return nowMs >= notBeforeMs && nowMs <= notAfterMs;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

/** Copies of a chain to keep in sessions, and to hand to jobs. */
export function keepChain(chain: readonly Uint8Array[]): PeerCertificate[] {
  return chain.map((der) => new PeerCertificate(der));
}

/** CertificateCompressionAlgorithms to offer: those that can be expanded here. */
export function expandable(compressors: readonly CertificateCompressor[]): number[] {
  return compressors.filter(({ decompress }) => decompress !== null).map(({ id }) => id);
}

/** CertificateCompressionAlgorithm chosen for sending: the first of ours that the peer takes. */
export function chooseCompressor(
  compressors: readonly CertificateCompressor[],
  peer: readonly number[],
): CertificateCompressor | null {
  return compressors.find(({ id, compress }) => compress !== null && peer.includes(id)) ?? null;
}

/** Our Certificate message compressed (RFC 8879); null when it cannot be. */
export function compressCertificate(
  host: Host,
  compressor: CertificateCompressor,
  context: Uint8Array,
  credential: Credential,
  ocsp: Uint8Array | null,
  sct: Uint8Array | null,
): CompressedCertificate | null {
  const { scratch } = host;
  scratch.reset();
  writeCertificate13Body(scratch, context, credential.chain, ocsp, sct);
  const body = scratch.copy();
  const compressed = compressor.compress?.(body) ?? null;
  if (compressed === null) return null;
  return { algorithm: compressor.id, uncompressedLength: body.length, compressed };
}

/** The body of the Certificate message inside a CompressedCertificate (RFC 8879, 4). `body` is that one's. */
export function expandCertificate(host: Host, body: Uint8Array): Uint8Array {
  const message = readCompressedCertificate(body);
  const compressor = host.config.certificateCompressors.find(({ id }) => id === message.algorithm);
  if (compressor === undefined || compressor.decompress === null) {
    throw TlsAlertError.local('illegal-parameter', 'a certificate compression that was not offered');
  }
  const limit = host.limits.certificateMessageBytes;
  if (message.uncompressedLength === 0 || message.uncompressedLength > limit) {
    throw TlsAlertError.local('certificate-decompression', 'the expanded length is out of bounds');
  }
  const expanded = compressor.decompress(message.compressed, message.uncompressedLength);
  if (expanded === null || expanded.length !== message.uncompressedLength) {
    throw TlsAlertError.local('certificate-decompression');
  }
  return expanded;
}
