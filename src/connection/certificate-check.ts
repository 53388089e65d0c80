/**
 * The answer to a certificate job: src/pki's verdict under a policy, with the X509_V_* code that OpenSSL
 * would remember in the session for it.
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import type { VerifyCertificateAnswer, VerifyCertificateJob } from '../handshake/jobs.ts';
import type { TrustAnchors } from '../pki/anchors.ts';
import type { PathCache } from '../pki/path-cache.ts';
import type { PathReason } from '../pki/reason.ts';
import type { PathFailure, PathOptions } from '../pki/result.ts';
import { parseReferenceName } from '../pki/server-name.ts';
import { validateCertificatePath } from '../pki/validate.ts';
import type { Clock } from '../util/clock.ts';
import { TlsessionError } from '../util/errors.ts';

/** X509_V_* (X509_STORE_CTX_get_error(3)) by reason; what OpenSSL has no code for is 1, unspecified. */
const CODES: Readonly<Partial<Record<PathReason, number>>> = {
  'malformed-certificate': 1,
  'malformed-extension': 41,
  'unknown-critical-extension': 34,
  'key-not-allowed': 66,
  'signature-algorithm-not-allowed': 68,
  'bad-signature': 7,
  'not-yet-valid': 9,
  expired: 10,
  // As SSL_get_verify_result(3) has it after all checks: INVALID_CA (79) is followed by INVALID_PURPOSE.
  'not-a-ca': 26,
  'unsupported-version': 26,
  'issuer-key-usage': 32,
  'path-length-exceeded': 25,
  'key-usage': 26,
  'extended-key-usage': 26,
  'name-not-permitted': 47,
  'name-excluded': 48,
  'unsupported-name': 51,
  'policy-required': 43,
  'self-signed-leaf': 18,
  'self-signed-in-chain': 19,
  'unknown-issuer': 20,
  'path-too-long': 22,
  'budget-exceeded': 22,
  'name-mismatch': 62,
  revoked: 23,
  'crl-missing': 3,
  'crl-malformed': 54,
  'crl-signature': 8,
  'crl-not-yet-valid': 11,
  'crl-expired': 12,
  'ocsp-invalid': 74,
  'ocsp-expired': 74,
  'ocsp-unknown': 75,
  'staple-required': 73,
};
/** The code for a reason. @internal */
export function verifyResultCode(reason: PathReason): number {
  return CODES[reason] ?? UNSPECIFIED;
}

const IP_ADDRESS_MISMATCH = 64;
const UNABLE_TO_VERIFY_LEAF_SIGNATURE = 21;
const UNSPECIFIED = 1;

/** What node:tls has in `authorizationError` for an X509_V_* code; null for 0. */
export function nodeCodeForVerifyResult(verifyResult: number): string | null {
  if (verifyResult === 0) return null;
  return NODE_CODES.get(verifyResult) ?? 'UNSPECIFIED';
}
const NODE_CODES: ReadonlyMap<number, string> = new Map([
  [2, 'UNABLE_TO_GET_ISSUER_CERT'],
  [3, 'UNABLE_TO_GET_CRL'],
  [7, 'CERT_SIGNATURE_FAILURE'],
  [8, 'CRL_SIGNATURE_FAILURE'],
  [9, 'CERT_NOT_YET_VALID'],
  [10, 'CERT_HAS_EXPIRED'],
  [11, 'CRL_NOT_YET_VALID'],
  [12, 'CRL_HAS_EXPIRED'],
  [18, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [19, 'SELF_SIGNED_CERT_IN_CHAIN'],
  [20, 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  [21, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [22, 'CERT_CHAIN_TOO_LONG'],
  [23, 'CERT_REVOKED'],
  [25, 'PATH_LENGTH_EXCEEDED'],
  [26, 'INVALID_PURPOSE'],
  [27, 'CERT_UNTRUSTED'],
  [28, 'CERT_REJECTED'],
  [62, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  [64, 'ERR_TLS_CERT_ALTNAME_INVALID'],
]);

/** A certificate that was refused. `code` is Node's word for it, `verifyResult` OpenSSL's number. */
export class CertificateRefusedError extends TlsessionError {
  readonly verifyResult: number;
  readonly reason: PathReason;
  /** Where in the chain: 0 is the leaf. */
  readonly depth: number;

  constructor(failure: PathFailure, verifyResult: number) {
    super(failure.nodeCode, failure.message);
    this.verifyResult = verifyResult;
    this.reason = failure.reason;
    this.depth = failure.depth;
  }

  override get name(): string {
    return 'CertificateRefusedError';
  }
}

/** By what a peer's certificate is judged. */
export interface CertificatePolicy {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly anchors: TrustAnchors;
  /** Remembers verified paths; shared by all connections of a context. */
  readonly paths: PathCache | null;
  /** False: a fault is remembered and let through (`rejectUnauthorized: false`). */
  readonly reject: boolean;
  /** False: the caller holds the name against the certificate itself. */
  readonly checkName: boolean;
  /** Whether a stapled status was asked for: a certificate that demands one is refused without. */
  readonly requestsOcsp?: boolean;
  /** Everything else that validation takes. */
  readonly options?: Partial<PathOptions>;
}

export function checkCertificate(
  job: VerifyCertificateJob,
  policy: CertificatePolicy,
): VerifyCertificateAnswer {
  const name = policy.checkName && job.peer === 'server' ? (job.serverName ?? undefined) : undefined;
  const result = validateCertificatePath({
    ...policy.options,
    provider: policy.provider,
    chain: job.chain,
    anchors: policy.anchors,
    purpose: job.peer,
    name,
    atMs: policy.clock.wallMs(),
    cache: policy.paths ?? undefined,
    ocsp: job.ocspResponse ?? (job.ocspRequested ? null : undefined),
  });
  if (result.ok) return ACCEPTED;
  const verifyResult = verifyResultFor(result, name);
  if (!policy.reject) return { ok: true, verifyResult };
  return {
    ok: false,
    reason: result.alert,
    verifyResult,
    detail: result.message,
    cause: new CertificateRefusedError(result, verifyResult),
  };
}

const ACCEPTED: VerifyCertificateAnswer = Object.freeze({ ok: true, verifyResult: 0 });

function verifyResultFor(failure: PathFailure, name: string | undefined): number {
  if (failure.reason === 'name-mismatch' && name !== undefined && parseReferenceName(name).type === 'ip') {
    return IP_ADDRESS_MISMATCH;
  }
  if (failure.nodeCode === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE') return UNABLE_TO_VERIFY_LEAF_SIGNATURE;
  return verifyResultCode(failure.reason);
}
