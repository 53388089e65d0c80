/**
 * What a single certificate must be like in its place, whatever stands around it in the path. Everything
 * here is decided without a signature.
 */
import { equalBytes } from '../util/bytes.ts';
import { type AlgorithmPolicy, type CertificateKey, readSignatureAlgorithm, refuseKey } from './algorithm.ts';
import { type Certificate, decodeValue } from './certificate.ts';
import {
  decodeCertificatePolicies,
  decodeCrlDistributionPoints,
  decodeInhibitAnyPolicy,
  decodePolicyConstraints,
  decodePolicyMappings,
  decodeTlsFeature,
  KeyUsage,
} from './extensions.ts';
import { type Fault, fault } from './fault.ts';
import { guarded } from './guarded.ts';
import { ExtensionOid, oidText, PurposeOid } from './oid.ts';
import { checkOwnKeyIdentifier, checkProfile } from './profile-rules.ts';
import type { Profile } from './relaxations.ts';
import { timeText } from './time.ts';

export type Purpose = 'server' | 'client';

/** What every certificate of a path is judged by. */
export interface RuleContext {
  readonly purpose: Purpose;
  readonly atMs: number;
  readonly profile: Profile;
  readonly algorithms: AlgorithmPolicy;
}

const EXT = ExtensionOid;

/** Extensions that may be critical: their meaning is obeyed (RFC 5280, 4.2; RFC 7633). */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  EXT.keyUsage,
  EXT.subjectAltName,
  EXT.basicConstraints,
  EXT.nameConstraints,
  EXT.crlDistributionPoints,
  EXT.certificatePolicies,
  EXT.policyMappings,
  EXT.policyConstraints,
  EXT.extendedKeyUsage,
  EXT.inhibitAnyPolicy,
  EXT.tlsFeature,
]);

/** 4.2: no critical extension that is not understood. */
export function checkCriticalExtensions(certificate: Certificate): Fault | null {
  for (const { oid, critical } of certificate.extensions.byOid.values()) {
    if (critical && !UNDERSTOOD.has(oid)) {
      return fault('unknown-critical-extension', `the critical extension ${oidText(oid)} is not understood`);
    }
  }
  return null;
}

/** 4.1.2.5, the dates at whole seconds, both inclusive. */
export function checkDates(certificate: Certificate, atMs: number): Fault | null {
  const second = Math.floor(atMs / 1000) * 1000;
  if (second < certificate.notBeforeMs) {
    return fault(
      'not-yet-valid',
      `valid from ${timeText(certificate.notBeforeMs)}, and it is ${timeText(second)}`,
    );
  }
  if (second > certificate.notAfterMs) {
    return fault('expired', `valid until ${timeText(certificate.notAfterMs)}, and it is ${timeText(second)}`);
  }
  return null;
}

/** A key's kind and size by the policy. */
export function checkKey(key: CertificateKey | string, allowed: AlgorithmPolicy): Fault | null {
  const refused = typeof key === 'string' ? key : refuseKey(key, allowed);
  return refused === null ? null : fault('key-not-allowed', refused);
}

/** 4.1.1.2, and the policy. Shared with revocation lists. */
export function checkSignatureAlgorithm(
  outer: Uint8Array,
  inner: Uint8Array,
  allowed: AlgorithmPolicy,
): Fault | null {
  if (!equalBytes(outer, inner)) {
    return fault('algorithm-mismatch', 'the signature algorithm inside differs from the one outside');
  }
  const algorithm = readSignatureAlgorithm(outer);
  if (typeof algorithm === 'string') return fault('signature-algorithm-not-allowed', algorithm);
  if (allowed.hashes.includes(algorithm.hash)) return null;
  return fault('signature-algorithm-not-allowed', `a signature with ${algorithm.hash}`);
}

function checkAlgorithms(certificate: Certificate, allowed: AlgorithmPolicy): Fault | null {
  const { signatureAlgorithm, innerSignatureAlgorithm, key } = certificate;
  return (
    checkSignatureAlgorithm(signatureAlgorithm, innerSignatureAlgorithm, allowed) ?? checkKey(key, allowed)
  );
}

function checkNames(certificate: Certificate): Fault | null {
  // Reading them finds what is malformed in them.
  void certificate.subject.key;
  // Since an issuer is found by this name, none of a path is without one.
  if (certificate.issuer.isEmpty) return fault('malformed-certificate', 'the issuer’s name is empty');
  void certificate.issuer.key;
  return null;
}

/** Extensions whose values are read where they are used; a malformed one is found wherever it stands. */
const USED: readonly (readonly [oid: string, decode: (value: Uint8Array) => unknown])[] = [
  [EXT.certificatePolicies, decodeCertificatePolicies],
  [EXT.policyConstraints, decodePolicyConstraints],
  [EXT.policyMappings, decodePolicyMappings],
  [EXT.inhibitAnyPolicy, decodeInhibitAnyPolicy],
  [EXT.tlsFeature, decodeTlsFeature],
];

/** Decodes what a path may depend on, so that a malformed extension is found wherever it stands. */
function decodeUsed(certificate: Certificate): Fault | null {
  void certificate.basicConstraints;
  void certificate.keyUsage;
  void certificate.extendedKeyUsage;
  void certificate.subjectAltNames;
  void certificate.nameConstraints;
  for (const [oid, decode] of USED) {
    const extension = certificate.extension(oid);
    if (extension !== undefined) decodeValue(extension, decode);
  }
  const points = certificate.extension(EXT.crlDistributionPoints);
  if (points?.critical === true) decodeValue(points, decodeCrlDistributionPoints);
  return null;
}

/** EKU of an issuer: without the extension, or with anyExtendedKeyUsage, it may issue for every purpose. */
function issuerPurpose(certificate: Certificate, purpose: Purpose): Fault | null {
  const usages = certificate.extendedKeyUsage;
  if (usages === null || usages.includes(PurposeOid.any)) return null;
  if (usages.includes(purpose === 'server' ? PurposeOid.serverAuth : PurposeOid.clientAuth)) return null;
  return fault('extended-key-usage', `an issuer whose extended key usage leaves out TLS ${purpose}s`);
}

/** 6.1.4 (k), (n): what makes a certificate's key one that may sign certificates. */
function issuerRights(certificate: Certificate): Fault | null {
  if (!certificate.isCa) {
    return fault(
      'not-a-ca',
      certificate.basicConstraints === null
        ? 'an issuer without basic constraints'
        : 'an issuer whose basic constraints say that it is no CA',
    );
  }
  const usage = certificate.keyUsage;
  if (usage !== null && (usage & KeyUsage.keyCertSign) === 0) {
    return fault('issuer-key-usage', 'an issuer whose key usage leaves out keyCertSign');
  }
  return null;
}

/** A certificate between leaf and anchor. */
export function checkIntermediate(certificate: Certificate, context: RuleContext): Fault | null {
  const { purpose, atMs, profile } = context;
  return guarded(
    () =>
      checkNames(certificate) ??
      checkDates(certificate, atMs) ??
      (certificate.version === 3
        ? null
        : fault('unsupported-version', `an issuer with a certificate of version ${certificate.version}`)) ??
      checkCriticalExtensions(certificate) ??
      issuerRights(certificate) ??
      issuerPurpose(certificate, purpose) ??
      decodeUsed(certificate) ??
      checkAlgorithms(certificate, context.algorithms) ??
      (profile === 'compatible' ? null : checkProfile(certificate)),
  );
}

/** The end of the path. `keyUsage` are the bits that the key must have when it has any said of it. */
export function checkLeaf(certificate: Certificate, context: RuleContext, keyUsage: number): Fault | null {
  const { purpose, atMs, profile } = context;
  return guarded(
    () =>
      checkNames(certificate) ??
      checkDates(certificate, atMs) ??
      checkCriticalExtensions(certificate) ??
      leafUsage(certificate, keyUsage) ??
      leafPurpose(certificate, purpose) ??
      decodeUsed(certificate) ??
      checkAlgorithms(certificate, context.algorithms) ??
      (profile === 'compatible' ? null : checkProfile(certificate)),
  );
}

function leafUsage(certificate: Certificate, wanted: number): Fault | null {
  const usage = certificate.keyUsage;
  if (usage === null || (usage & wanted) === wanted) return null;
  return fault('key-usage', 'the key usage leaves out what the protocol needs');
}

function leafPurpose(certificate: Certificate, purpose: Purpose): Fault | null {
  // RFC 5280, 4.2.1.12 lets an application refuse anyExtendedKeyUsage alone; OpenSSL does, and so TLS peers expect.
  const usages = certificate.extendedKeyUsage;
  if (usages === null) return null;
  if (usages.includes(purpose === 'server' ? PurposeOid.serverAuth : PurposeOid.clientAuth)) return null;
  return fault('extended-key-usage', `the extended key usage leaves out TLS ${purpose}s`);
}

/**
 * An anchor's certificate as the issuer of a path: its constraints alone, and under `rfc5280` all that any
 * other CA certificate must be, but for its dates.
 */
export function checkAnchor(certificate: Certificate, context: RuleContext): Fault | null {
  const { purpose, profile } = context;
  return guarded(
    () =>
      // A critical extension that is not understood may be a constraint.
      checkCriticalExtensions(certificate) ??
      // Version 1 has no way to say what a key is for.
      (certificate.version === 3 ? issuerRights(certificate) : null) ??
      issuerPurpose(certificate, purpose) ??
      decodeUsed(certificate) ??
      (profile === 'compatible'
        ? null
        : (checkNames(certificate) ??
          checkAlgorithms(certificate, context.algorithms) ??
          checkProfile(certificate) ??
          checkOwnKeyIdentifier(certificate))),
  );
}
