/**
 * Why a certificate path is refused: the closed list. A reason fixes the failure that the engine reports
 * (and with it the alert), the code that `node:tls` puts in `authorizationError`, and a sentence.
 */
import { DecodeError, type FailureReason } from '../util/errors.ts';

export type PathReason =
  | 'malformed-certificate'
  | 'malformed-extension'
  | 'duplicate-extension'
  | 'unknown-critical-extension'
  | 'unsupported-version'
  | 'algorithm-mismatch'
  | 'profile-violation'
  | 'key-not-allowed'
  | 'signature-algorithm-not-allowed'
  | 'bad-signature'
  | 'not-yet-valid'
  | 'expired'
  | 'not-a-ca'
  | 'path-length-exceeded'
  | 'key-usage'
  | 'issuer-key-usage'
  | 'extended-key-usage'
  | 'name-not-permitted'
  | 'name-excluded'
  | 'unsupported-name'
  | 'feature-missing'
  | 'policy-required'
  | 'self-signed-leaf'
  | 'self-signed-in-chain'
  | 'unknown-issuer'
  | 'path-too-long'
  | 'budget-exceeded'
  | 'name-mismatch'
  | 'revoked'
  | 'crl-missing'
  | 'crl-malformed'
  | 'crl-signature'
  | 'crl-not-yet-valid'
  | 'crl-expired'
  | 'ocsp-invalid'
  | 'ocsp-expired'
  | 'ocsp-unknown'
  | 'staple-required';

const REASONS: Readonly<Record<PathReason, readonly [FailureReason, nodeCode: string, text: string]>> = {
  // What the certificate is.
  'malformed-certificate': ['bad-certificate', 'UNSPECIFIED', 'the certificate is not well-formed DER'],
  'malformed-extension': ['bad-certificate', 'UNSPECIFIED', 'an extension is not what its type says'],
  'duplicate-extension': ['bad-certificate', 'UNSPECIFIED', 'an extension comes twice'],
  'unknown-critical-extension': [
    'unsupported-certificate',
    'UNSPECIFIED',
    'a critical extension is not understood',
  ],
  'unsupported-version': ['unsupported-certificate', 'INVALID_PURPOSE', 'the version may not be used here'],
  'algorithm-mismatch': ['bad-certificate', 'UNSPECIFIED', 'the two signature algorithms differ'],
  'profile-violation': ['bad-certificate', 'UNSPECIFIED', 'the certificate breaks a rule of RFC 5280'],
  // Keys and signatures.
  'key-not-allowed': [
    'unsupported-certificate',
    'UNSPECIFIED',
    'a key of a kind or size that is not allowed',
  ],
  'signature-algorithm-not-allowed': [
    'unsupported-certificate',
    'UNSPECIFIED',
    'a signature algorithm that is not allowed',
  ],
  'bad-signature': ['bad-certificate', 'CERT_SIGNATURE_FAILURE', 'a signature does not verify'],
  // Dates.
  'not-yet-valid': ['certificate-expired', 'CERT_NOT_YET_VALID', 'the certificate is not valid yet'],
  expired: ['certificate-expired', 'CERT_HAS_EXPIRED', 'the certificate has expired'],
  // What it may do.
  // OpenSSL says INVALID_CA and then, of the same certificate, this; Node reports the last word.
  'not-a-ca': ['unknown-ca', 'INVALID_PURPOSE', 'an issuer is not a certification authority'],
  'path-length-exceeded': ['unknown-ca', 'PATH_LENGTH_EXCEEDED', 'a path length constraint is exceeded'],
  'issuer-key-usage': ['unknown-ca', 'UNSPECIFIED', 'the key of an issuer may not sign certificates'],
  'key-usage': ['bad-certificate', 'INVALID_PURPOSE', 'the key may not be used for this'],
  'extended-key-usage': [
    'unsupported-certificate',
    'INVALID_PURPOSE',
    'the certificate may not be used for this purpose',
  ],
  'name-not-permitted': ['bad-certificate', 'UNSPECIFIED', 'a name lies outside of the permitted names'],
  'name-excluded': ['bad-certificate', 'UNSPECIFIED', 'a name is excluded by an issuer'],
  'unsupported-name': [
    'bad-certificate',
    'UNSPECIFIED',
    'a name is constrained that cannot be held against its constraint',
  ],
  'feature-missing': [
    'bad-certificate',
    'UNSPECIFIED',
    'a certificate lacks a TLS feature that its issuer demands',
  ],
  'policy-required': ['bad-certificate', 'UNSPECIFIED', 'no acceptable certificate policy'],
  // The path.
  'self-signed-leaf': [
    'unknown-ca',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'a self-signed certificate that is not trusted',
  ],
  'self-signed-in-chain': [
    'unknown-ca',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'the path ends in a self-signed certificate that is not trusted',
  ],
  'unknown-issuer': [
    'unknown-ca',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'the issuer is neither trusted nor among the certificates given',
  ],
  'path-too-long': ['unknown-ca', 'CERT_CHAIN_TOO_LONG', 'the path has more certificates than allowed'],
  'budget-exceeded': ['bad-certificate', 'CERT_CHAIN_TOO_LONG', 'looking for a path takes too much work'],
  // Names.
  'name-mismatch': [
    'bad-certificate',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'the certificate is not for that name',
  ],
  // Revocation.
  revoked: ['certificate-revoked', 'CERT_REVOKED', 'the certificate is revoked'],
  'crl-missing': ['certificate-unknown', 'UNABLE_TO_GET_CRL', 'no revocation list for the certificate'],
  'crl-malformed': [
    'certificate-unknown',
    'UNSPECIFIED',
    'a revocation list is not well-formed or not usable',
  ],
  'crl-signature': [
    'certificate-unknown',
    'CRL_SIGNATURE_FAILURE',
    'a revocation list is not signed by the issuer',
  ],
  'crl-not-yet-valid': ['certificate-unknown', 'CRL_NOT_YET_VALID', 'a revocation list is not valid yet'],
  'crl-expired': ['certificate-unknown', 'CRL_HAS_EXPIRED', 'a revocation list has expired'],
  'ocsp-invalid': ['bad-certificate-status', 'UNSPECIFIED', 'the stapled status cannot be believed'],
  'ocsp-expired': ['bad-certificate-status', 'UNSPECIFIED', 'the stapled status is out of date'],
  'ocsp-unknown': ['bad-certificate-status', 'UNSPECIFIED', 'the responder does not know the certificate'],
  'staple-required': [
    'bad-certificate-status',
    'UNSPECIFIED',
    'the certificate demands a stapled status, and none came',
  ],
};

export const pathReasons: readonly PathReason[] = Object.freeze(Object.keys(REASONS) as PathReason[]);

/** The engine's failure for a reason; it decides the alert. */
export function failureFor(reason: PathReason): FailureReason {
  return REASONS[reason][0];
}

/** What node:tls calls it in `authorizationError`; `UNSPECIFIED` is Node's own word for the rest. */
export function nodeCodeFor(reason: PathReason): string {
  return REASONS[reason][1];
}

export function pathReasonText(reason: PathReason): string {
  return REASONS[reason][2];
}

/** A certificate, list or status that cannot be read. `reason` is the path reason that it leads to. */
export class CertificateError extends DecodeError {
  readonly reason: PathReason;

  constructor(reason: PathReason, message: string, offset = 0) {
    super('ERR_TLS_CERTIFICATE', message, offset);
    this.reason = reason;
  }

  override get name(): string {
    return 'CertificateError';
  }
}
