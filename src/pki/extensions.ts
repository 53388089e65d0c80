/**
 * Decoders of the certificate extensions that validation understands (RFC 5280, 4.2.1; RFC 7633). Each
 * takes the contents of `extnValue`, reads it to the end, and throws `CertificateError` with reason
 * `malformed-extension`, or `DecodeError` for broken DER.
 */
import { contextConstructed, contextPrimitive, DerReader, DerTag } from '../util/der.ts';
import { type GeneralName, readGeneralName, readGeneralNames } from './general-name.ts';
import { oidKey } from './oid.ts';
import { CertificateError } from './reason.ts';

function malformed(what: string, reader: DerReader): never {
  throw new CertificateError('malformed-extension', what, reader.at);
}

function single<T>(bytes: Uint8Array, read: (reader: DerReader) => T): T {
  const reader = new DerReader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}

export type KeyUsageName =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** Bits of KeyUsage (4.2.1.3), as `DerReader.readNamedBits` numbers them. */
export const KeyUsage: Readonly<Record<KeyUsageName, number>> = Object.freeze({
  digitalSignature: 0x1,
  nonRepudiation: 0x2,
  keyEncipherment: 0x4,
  dataEncipherment: 0x8,
  keyAgreement: 0x10,
  keyCertSign: 0x20,
  cRLSign: 0x40,
  encipherOnly: 0x80,
  decipherOnly: 0x100,
});

export function keyUsageNames(bits: number): KeyUsageName[] {
  return (Object.keys(KeyUsage) as KeyUsageName[]).filter((name) => (bits & KeyUsage[name]) !== 0);
}

/** The bits, possibly none. Trailing zeros, which DER forbids and old roots have, are taken. */
export function decodeKeyUsage(bytes: Uint8Array): number {
  return single(bytes, (reader) => reader.readNamedBits(DerTag.bitString, true));
}

/** The same in DER alone. */
export function decodeStrictKeyUsage(bytes: Uint8Array): number {
  return single(bytes, (reader) => reader.readNamedBits());
}

export interface BasicConstraints {
  readonly ca: boolean;
  readonly pathLength: number | null;
  /** `cA FALSE` was written out, which DER forbids and many certificates do. */
  readonly explicitDefault: boolean;
}

/** Larger counts of certificates are refused: no path comes near. */
const MAX_PATH_LENGTH = 2 ** 31 - 1;

export function decodeBasicConstraints(bytes: Uint8Array): BasicConstraints {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    let ca = false;
    let explicitDefault = false;
    if (reader.peekTag() === DerTag.boolean) {
      ca = reader.readBoolean();
      explicitDefault = !ca;
    }
    let pathLength: number | null = null;
    if (reader.peekTag() === DerTag.integer) pathLength = reader.readInteger(0, MAX_PATH_LENGTH);
    reader.end();
    return { ca, pathLength, explicitDefault };
  });
}

/** Purposes as keys; at least one. */
export function decodeExtendedKeyUsage(bytes: Uint8Array): readonly string[] {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const purposes: string[] = [];
    while (!reader.done) purposes.push(oidKey(reader.readOid()));
    if (purposes.length === 0) malformed('an extended key usage without a purpose', reader);
    return purposes;
  });
}

export function decodeSubjectKeyIdentifier(bytes: Uint8Array): Uint8Array {
  return single(bytes, (reader) => reader.readOctetString());
}

export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | null;
  readonly issuer: readonly GeneralName[] | null;
  readonly serialNumber: Uint8Array | null;
}

export function decodeAuthorityKeyIdentifier(bytes: Uint8Array): AuthorityKeyIdentifier {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const keyIdentifier =
      reader.peekTag() === contextPrimitive(0) ? reader.readContents(contextPrimitive(0)) : null;
    const names = reader.readOptional(contextConstructed(1));
    const issuer = names === null ? null : readGeneralNames(names);
    const serialNumber =
      reader.peekTag() === contextPrimitive(2) ? reader.readIntegerBytes(contextPrimitive(2)) : null;
    reader.end();
    return { keyIdentifier, issuer, serialNumber };
  });
}

/** At least one name. */
export function decodeAltNames(bytes: Uint8Array): readonly GeneralName[] {
  return single(bytes, (outer) => readGeneralNames(outer.readSequence()));
}

export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

function readSubtrees(reader: DerReader): GeneralName[] {
  const bases: GeneralName[] = [];
  while (!reader.done) {
    const subtree = reader.readSequence();
    bases.push(readGeneralName(subtree));
    // minimum DEFAULT 0 and maximum are not used with any name form (4.2.1.10), and 0 is not encoded in DER.
    if (!subtree.done) malformed('a name constraint with a minimum or maximum', subtree);
  }
  if (bases.length === 0) malformed('an empty list of name constraints', reader);
  return bases;
}

export function decodeNameConstraints(bytes: Uint8Array): NameConstraints {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const permitted = reader.readOptional(contextConstructed(0));
    const excluded = reader.readOptional(contextConstructed(1));
    reader.end();
    if (permitted === null && excluded === null) malformed('name constraints without a constraint', reader);
    return {
      permitted: permitted === null ? [] : readSubtrees(permitted),
      excluded: excluded === null ? [] : readSubtrees(excluded),
    };
  });
}

/** Policy identifiers as keys, each once (4.2.1.4); qualifiers are checked for their shape alone. */
export function decodeCertificatePolicies(bytes: Uint8Array): readonly string[] {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const policies = new Set<string>();
    while (!reader.done) {
      const information = reader.readSequence();
      const policy = oidKey(information.readOid());
      if (policies.has(policy)) malformed('a certificate policy that comes twice', information);
      policies.add(policy);
      if (!information.done) {
        const qualifiers = information.readSequence();
        if (qualifiers.done) malformed('an empty list of policy qualifiers', qualifiers);
        while (!qualifiers.done) {
          const qualifier = qualifiers.readSequence();
          qualifier.readOid();
          qualifier.skip();
          qualifier.end();
        }
      }
      information.end();
    }
    if (policies.size === 0) malformed('certificate policies without a policy', reader);
    return [...policies];
  });
}

export interface PolicyMapping {
  readonly issuerDomain: string;
  readonly subjectDomain: string;
}

export function decodePolicyMappings(bytes: Uint8Array): readonly PolicyMapping[] {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const mappings: PolicyMapping[] = [];
    while (!reader.done) {
      const pair = reader.readSequence();
      mappings.push({ issuerDomain: oidKey(pair.readOid()), subjectDomain: oidKey(pair.readOid()) });
      pair.end();
    }
    if (mappings.length === 0) malformed('policy mappings without a mapping', reader);
    return mappings;
  });
}

export interface PolicyConstraints {
  readonly requireExplicitPolicy: number | null;
  readonly inhibitPolicyMapping: number | null;
}

export function decodePolicyConstraints(bytes: Uint8Array): PolicyConstraints {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const optional = (number: number): number | null =>
      reader.peekTag() === contextPrimitive(number)
        ? reader.readInteger(0, MAX_PATH_LENGTH, contextPrimitive(number))
        : null;
    const requireExplicitPolicy = optional(0);
    const inhibitPolicyMapping = optional(1);
    reader.end();
    if (requireExplicitPolicy === null && inhibitPolicyMapping === null) {
      malformed('policy constraints without a constraint', reader);
    }
    return { requireExplicitPolicy, inhibitPolicyMapping };
  });
}

/** SkipCerts. */
export function decodeInhibitAnyPolicy(bytes: Uint8Array): number {
  return single(bytes, (reader) => reader.readInteger(0, MAX_PATH_LENGTH));
}

/** IANA knows fewer TLS extensions than this; lists are held against each other. */
const MAX_FEATURES = 64;

/** TLS extension numbers (RFC 7633, 4.1). */
export function decodeTlsFeature(bytes: Uint8Array): readonly number[] {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const features: number[] = [];
    while (!reader.done) {
      if (features.length === MAX_FEATURES) malformed(`more than ${MAX_FEATURES} TLS features`, reader);
      features.push(reader.readInteger(0, 0xffff));
    }
    return features;
  });
}

/** Checks AuthorityInfoAccessSyntax and SubjectInfoAccessSyntax (4.2.2.1, 4.2.2.2); nothing of it is used. */
export function checkInfoAccess(bytes: Uint8Array): void {
  single(bytes, (outer) => {
    const reader = outer.readSequence();
    if (reader.done) malformed('information access without an entry', reader);
    while (!reader.done) {
      const description = reader.readSequence();
      description.readOid();
      readGeneralName(description);
      description.end();
    }
  });
}

export interface DistributionPoint {
  /** `fullName`; null when the point has none. */
  readonly fullName: readonly GeneralName[] | null;
  /** `nameRelativeToCRLIssuer` is there; such points match no list here. */
  readonly relativeName: boolean;
  /** Bits of ReasonFlags; null means all reasons. */
  readonly reasons: number | null;
  readonly crlIssuer: readonly GeneralName[] | null;
}

/** DistributionPointName, EXPLICIT since it is a CHOICE. Shared with the issuing distribution point of a list. */
export function readDistributionPointName(explicit: DerReader): {
  fullName: readonly GeneralName[] | null;
  relativeName: boolean;
} {
  const full = explicit.readOptional(contextConstructed(0));
  if (full !== null) {
    explicit.end();
    return { fullName: readGeneralNames(full), relativeName: false };
  }
  explicit.readConstructed(contextConstructed(1));
  explicit.end();
  return { fullName: null, relativeName: true };
}

export function decodeCrlDistributionPoints(bytes: Uint8Array): readonly DistributionPoint[] {
  return single(bytes, (outer) => {
    const reader = outer.readSequence();
    const points: DistributionPoint[] = [];
    while (!reader.done) {
      const point = reader.readSequence();
      const name = point.readOptional(contextConstructed(0));
      const { fullName, relativeName } =
        name === null ? { fullName: null, relativeName: false } : readDistributionPointName(name);
      const reasons =
        point.peekTag() === contextPrimitive(1) ? point.readNamedBits(contextPrimitive(1)) : null;
      const issuer = point.readOptional(contextConstructed(2));
      const crlIssuer = issuer === null ? null : readGeneralNames(issuer);
      point.end();
      if (name === null && crlIssuer === null) malformed('an empty distribution point', point);
      points.push({ fullName, relativeName, reasons, crlIssuer });
    }
    if (points.length === 0) malformed('distribution points without a point', reader);
    return points;
  });
}
