/** What the command line says of a certificate. */

import { parseCertificate } from '../pki/certificate.ts';
import { generalNameText } from '../pki/general-name.ts';
import { toBase64 } from '../util/base64.ts';
import { DecodeError } from '../util/errors.ts';

export interface CertificateSummary {
  readonly subject: string;
  readonly issuer: string;
  /** As `DNS:example.org`. */
  readonly names: readonly string[];
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Null when it cannot be read: a session keeps whatever the peer sent. */
export function summarize(der: Uint8Array): CertificateSummary | null {
  try {
    const certificate = parseCertificate(der);
    return {
      subject: certificate.subject.toString(),
      issuer: certificate.issuer.toString(),
      names: (certificate.subjectAltNames ?? []).map(generalNameText),
      notBeforeMs: certificate.notBeforeMs,
      notAfterMs: certificate.notAfterMs,
    };
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}

export function certificatePem(der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
