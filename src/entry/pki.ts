/** `tlsession/pki`: certificate paths to RFC 5280 and names to RFC 9525, without any `node:` import. */
export {
  type AlgorithmPolicy,
  type CertificateKeyType,
  defaultAlgorithms,
  type SignatureHash,
} from '../pki/algorithm.ts';
export {
  type AnchorConstraints,
  type AnchorSource,
  TrustAnchor,
  type TrustAnchorInput,
  TrustAnchors,
} from '../pki/anchors.ts';
export { type Budget, defaultBudget } from '../pki/budget.ts';
export { Certificate, type Extension, type Extensions, parseCertificate } from '../pki/certificate.ts';
export { RevocationList, RevocationLists } from '../pki/crl.ts';
export {
  type AuthorityKeyIdentifier,
  type BasicConstraints,
  KeyUsage,
  type KeyUsageName,
  type NameConstraints,
} from '../pki/extensions.ts';
export { type GeneralName, generalNameText } from '../pki/general-name.ts';
export { DistinguishedName } from '../pki/name.ts';
export { oidFromText, oidText } from '../pki/oid.ts';
export { PathCache, type PathCacheOptions } from '../pki/path-cache.ts';
export type { PolicyOptions } from '../pki/policies.ts';
export {
  CertificateError,
  failureFor,
  nodeCodeFor,
  type PathReason,
  pathReasons,
  pathReasonText,
} from '../pki/reason.ts';
export { type Profile, type Relaxation, relaxations } from '../pki/relaxations.ts';
export {
  DEFAULT_MAX_DEPTH,
  type PathAttempt,
  type PathFailure,
  type PathOptions,
  type PathResult,
  type PathSuccess,
} from '../pki/result.ts';
export type { Purpose } from '../pki/rules.ts';
export { checkServerName, type ServerNameOptions, type ServerNameResult } from '../pki/server-name.ts';
export type { PathProvider } from '../pki/signatures.ts';
export { validateCertificatePath } from '../pki/validate.ts';
