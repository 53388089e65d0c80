/**
 * What a single certificate must be like in its place, whatever stands around it in the path. Everything
 * here is decided without a signature.
 */
import { equalBytes } from '../util/bytes.ts';
import { DecodeError } from '../util/errors.ts';
import { type AlgorithmPolicy, readKey, readSignatureAlgorithm, refuseKey } from './algorithm.ts';
import { type Certificate, decodeValue } from './certificate.ts';
import {
  checkInfoAccess,
  decodeCertificatePolicies,
  decodeCrlDistributionPoints,
  decodeInhibitAnyPolicy,
  decodePolicyConstraints,
  decodePolicyMappings,
  decodeStrictKeyUsage,
  decodeTlsFeature,
  KeyUsage,
} from './extensions.ts';
import { type Fault, fault, lapse } from './fault.ts';
import { isWellFormedName } from './name-constraints.ts';
import { ExtensionOid, oidText, PurposeOid } from './oid.ts';
import { CertificateError } from './reason.ts';
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

/** Runs the checks in order and stops at the first fault. What cannot be decoded becomes a fault too. */
function first(...checks: readonly (() => Fault | null)[]): Fault | null {
  for (const check of checks) {
    const problem = guarded(check);
    if (problem !== null) return problem;
  }
  return null;
}

/** Runs a check; what it cannot decode becomes its fault. */
export function guarded(check: () => Fault | null): Fault | null {
  try {
    return check();
  } catch (error) {
    if (error instanceof CertificateError) return fault(error.reason, error.message);
    if (error instanceof DecodeError) return fault('malformed-certificate', error.message);
    throw error;
  }
}

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
export function checkKey(spki: Uint8Array, allowed: AlgorithmPolicy): Fault | null {
  const key = readKey(spki);
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
  const { signatureAlgorithm, innerSignatureAlgorithm, spki } = certificate;
  return (
    checkSignatureAlgorithm(signatureAlgorithm, innerSignatureAlgorithm, allowed) ?? checkKey(spki, allowed)
  );
}

function checkNames(certificate: Certificate): Fault | null {
  // Reading them finds what is malformed in them.
  void certificate.subject.key;
  if (certificate.issuer.isEmpty) return fault('malformed-certificate', 'the issuer’s name is empty');
  void certificate.issuer.key;
  return null;
}

/** Decodes what a path may depend on, so that a malformed extension is found wherever it stands. */
function decodeUsed(certificate: Certificate): Fault | null {
  void certificate.basicConstraints;
  void certificate.keyUsage;
  void certificate.extendedKeyUsage;
  void certificate.subjectAltNames;
  void certificate.nameConstraints;
  const decoders: [string, (value: Uint8Array) => unknown][] = [
    [EXT.certificatePolicies, decodeCertificatePolicies],
    [EXT.policyConstraints, decodePolicyConstraints],
    [EXT.policyMappings, decodePolicyMappings],
    [EXT.inhibitAnyPolicy, decodeInhibitAnyPolicy],
    [EXT.tlsFeature, decodeTlsFeature],
  ];
  for (const [oid, decode] of decoders) {
    const extension = certificate.extension(oid);
    if (extension !== undefined) decodeValue(extension, decode);
  }
  const points = certificate.extension(EXT.crlDistributionPoints);
  if (points?.critical === true) decodeValue(points, decodeCrlDistributionPoints);
  return null;
}

/** The MUSTs of section 4 that `compatible` tolerates, for a certificate in any place. */
function profileRules(certificate: Certificate, profile: Profile): Fault | null {
  if (profile === 'compatible') return null;
  const strict = (broken: boolean, relaxation: Parameters<typeof lapse>[1], message: string): Fault | null =>
    broken ? lapse(profile, relaxation, message) : null;
  const serial = certificate.serialNumber;
  const zero = serial.every((byte) => byte === 0);
  const ca = certificate.isCa;
  const extensions = certificate.extensions;
  const critical = (oid: string): boolean | undefined => extensions.byOid.get(oid)?.critical;
  const usage = certificate.keyUsage;
  const signsCertificates = usage === null || (usage & KeyUsage.keyCertSign) !== 0;
  const constraints = certificate.basicConstraints;
  return first(
    () =>
      strict(certificate.version !== 3, 'version-1-leaf', `a certificate of version ${certificate.version}`),
    () =>
      strict(
        zero || ((serial[0] as number) & 0x80) !== 0,
        'serial-number',
        'the serial number is not greater than zero',
      ),
    () => strict(serial.length > 20, 'serial-number', 'the serial number is longer than 20 bytes'),
    () => strict(!certificate.hasCanonicalDates, 'date-form', 'a date in the wrong form for its year'),
    () =>
      strict(
        extensions.explicitDefault || certificate.explicitVersion || constraints?.explicitDefault === true,
        'explicit-default',
        'a default value is written out',
      ),
    () =>
      strict(
        !certificate.subject.isOrdered || !certificate.issuer.isOrdered,
        'unsorted-name-part',
        'a multi-valued name part is not sorted',
      ),
    () => strict(certificate.hasUniqueIds, 'unique-identifiers', 'there are unique identifiers'),
    () => keyIdentifiers(certificate, profile),
    () => strict(usage === 0, 'key-usage-without-bits', 'a key usage without a bit'),
    () => keyUsageForm(certificate, profile),
    () =>
      strict(
        usage !== null && signsCertificates && !ca,
        'key-cert-sign-without-ca',
        'keyCertSign in a certificate that is no CA',
      ),
    () =>
      strict(
        (ca && !signsCertificates) || (constraints?.pathLength != null && !(ca && signsCertificates)),
        'ca-without-key-cert-sign',
        'a CA, or a path length, without keyCertSign',
      ),
    () =>
      strict(
        ca && critical(EXT.basicConstraints) === false,
        'basic-constraints-not-critical',
        'basic constraints of a CA are not critical',
      ),
    () =>
      strict(
        critical(EXT.nameConstraints) === false,
        'name-constraints-not-critical',
        'name constraints are not critical',
      ),
    () =>
      strict(
        critical(EXT.nameConstraints) !== undefined && !ca,
        'name-constraints-in-leaf',
        'name constraints in a certificate that is no CA',
      ),
    () =>
      strict(
        critical(EXT.policyConstraints) === false || critical(EXT.inhibitAnyPolicy) === false,
        'policy-extensions-not-critical',
        'policy constraints or inhibitAnyPolicy are not critical',
      ),
    () =>
      strict(
        certificate.subject.isEmpty && critical(EXT.subjectAltName) !== true,
        'subject-alt-name-not-critical',
        'the subject is empty and the alternative names are not critical',
      ),
    () => {
      const odd = certificate.subjectAltNames?.find((name) => !isWellFormedName(name));
      return strict(
        odd !== undefined,
        'alternative-name-syntax',
        'an alternative name breaks the syntax of its type',
      );
    },
    () => unusedExtensions(certificate),
  );
}

function keyUsageForm(certificate: Certificate, profile: Profile): Fault | null {
  const extension = certificate.extension(EXT.keyUsage);
  if (extension === undefined) return null;
  const malformed = guarded(() => {
    decodeValue(extension, decodeStrictKeyUsage);
    return null;
  });
  return malformed && lapse(profile, 'key-usage-trailing-zeros', malformed.message);
}

/** 4.2.1.1 and 4.2.1.2. A self-issued certificate may lack the authority's identifier. */
function keyIdentifiers(certificate: Certificate, profile: Profile): Fault | null {
  if (certificate.isCa && certificate.subjectKeyIdentifier === null) {
    return lapse(profile, 'subject-key-identifier', 'a CA without a subject key identifier');
  }
  const authority = certificate.authorityKeyIdentifier;
  if (authority === null) {
    if (certificate.isSelfIssued) return null;
    return lapse(profile, 'authority-key-identifier', 'no authority key identifier');
  }
  if (authority.keyIdentifier === null) {
    return lapse(profile, 'authority-key-identifier', 'an authority key identifier without the identifier');
  }
  if ((authority.issuer === null) !== (authority.serialNumber === null)) {
    return lapse(
      profile,
      'authority-key-identifier',
      'an authority key identifier with only one of issuer and serial number',
    );
  }
  return null;
}

function unusedExtensions(certificate: Certificate): Fault | null {
  for (const [oid, decode] of [
    [EXT.authorityInfoAccess, checkInfoAccess],
    [EXT.subjectInfoAccess, checkInfoAccess],
    [EXT.crlDistributionPoints, decodeCrlDistributionPoints],
  ] as const) {
    const extension = certificate.extension(oid);
    if (extension !== undefined) decodeValue<unknown>(extension, decode);
  }
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
    return fault('key-usage', 'an issuer whose key usage leaves out keyCertSign');
  }
  return null;
}

/** A certificate between leaf and anchor. */
export function checkIntermediate(certificate: Certificate, context: RuleContext): Fault | null {
  const { purpose, atMs, profile } = context;
  return first(
    () => checkNames(certificate),
    () => (certificate.subject.isEmpty ? fault('malformed-certificate', 'a CA without a name') : null),
    () => checkDates(certificate, atMs),
    () =>
      certificate.version === 3
        ? null
        : fault('unsupported-version', `an issuer with a certificate of version ${certificate.version}`),
    () => checkCriticalExtensions(certificate),
    () => issuerRights(certificate),
    () => issuerPurpose(certificate, purpose),
    () => decodeUsed(certificate),
    () => checkAlgorithms(certificate, context.algorithms),
    () => profileRules(certificate, profile),
  );
}

/** The end of the path. `keyUsage` are the bits that the key must have when it has any said of it. */
export function checkLeaf(certificate: Certificate, context: RuleContext, keyUsage: number): Fault | null {
  const { purpose, atMs, profile } = context;
  return first(
    () => checkNames(certificate),
    () => checkDates(certificate, atMs),
    () => checkCriticalExtensions(certificate),
    () => {
      const usage = certificate.keyUsage;
      if (usage === null || (usage & keyUsage) === keyUsage) return null;
      return fault('key-usage', 'the key usage leaves out what the protocol needs');
    },
    () => {
      // RFC 5280, 4.2.1.12 lets an application refuse anyExtendedKeyUsage alone; OpenSSL does, and so TLS peers expect.
      const usages = certificate.extendedKeyUsage;
      if (usages === null) return null;
      if (usages.includes(purpose === 'server' ? PurposeOid.serverAuth : PurposeOid.clientAuth)) return null;
      return fault('extended-key-usage', `the extended key usage leaves out TLS ${purpose}s`);
    },
    () => decodeUsed(certificate),
    () => checkAlgorithms(certificate, context.algorithms),
    () => profileRules(certificate, profile),
  );
}

/**
 * An anchor's certificate as the issuer of a path: its constraints alone, and under `rfc5280` all that any
 * other CA certificate must be.
 */
export function checkAnchor(
  certificate: Certificate,
  context: RuleContext,
  checkAnchorDates: boolean,
): Fault | null {
  const { purpose, atMs, profile } = context;
  return first(
    () => (certificate.subject.isEmpty ? fault('malformed-certificate', 'a CA without a name') : null),
    // A critical extension that is not understood may be a constraint.
    () => checkCriticalExtensions(certificate),
    // Version 1 has no way to say what a key is for.
    () => (certificate.version === 3 ? issuerRights(certificate) : null),
    () => issuerPurpose(certificate, purpose),
    () => decodeUsed(certificate),
    () => (checkAnchorDates ? checkDates(certificate, atMs) : null),
    () => {
      if (profile === 'compatible') return null;
      return first(
        () => checkNames(certificate),
        () => checkAlgorithms(certificate, context.algorithms),
        () => profileRules(certificate, profile),
        () => anchorKeyIdentifiers(certificate),
      );
    },
  );
}

/** 4.2.1.1: what signed a self-signed certificate is its own key. */
function anchorKeyIdentifiers(certificate: Certificate): Fault | null {
  const claimed = certificate.authorityKeyIdentifier?.keyIdentifier ?? null;
  const own = certificate.subjectKeyIdentifier;
  if (!certificate.isSelfIssued || claimed === null || own === null || equalBytes(claimed, own)) return null;
  return lapse('rfc5280', 'key-identifier-mismatch', 'a root whose authority key identifier is not its own');
}
