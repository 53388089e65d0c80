/** What an authentication above TLS binds itself to: this connection, or this server's certificate (RFC 5056). */
import type { CryptoProvider } from '../crypto/provider.ts';
import { endPointHash } from '../pki/algorithm.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { EMPTY } from '../util/bytes.ts';
import { DecodeError } from '../util/errors.ts';

/**
 * `tls-exporter` (RFC 9266): 32 bytes that are this connection's alone. `tls-server-end-point` (RFC 5929, 4): a hash of
 * the server's certificate. `tls-unique` (RFC 5929, 3): the first Finished of a TLS 1.2 handshake, for peers that know
 * nothing newer.
 */
export type ChannelBindingType = 'tls-exporter' | 'tls-server-end-point' | 'tls-unique';

/** RFC 9266, 2: this label, an empty context (which in TLS 1.2 is not the same as none), 32 bytes. */
export function exporterBinding(
  exporter: (label: string, context: Uint8Array, length: number) => Uint8Array,
): Uint8Array {
  return exporter('EXPORTER-Channel-Binding', EMPTY, 32);
}

/** Null where RFC 5929 defines none: a certificate that is signed by EdDSA, or by what is not known here. */
export function endPointBinding(provider: CryptoProvider, certificate: Uint8Array): Uint8Array | null {
  try {
    const hash = endPointHash(parseCertificate(certificate).signatureAlgorithm);
    return hash === null ? null : provider.digest(hash, certificate);
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
