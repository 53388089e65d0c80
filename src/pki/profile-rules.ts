/** The MUSTs of RFC 5280, section 4, that only the profile `rfc5280` holds a certificate to. */
import { equalBytes } from '../util/bytes.ts';
import { type Certificate, decodeValue } from './certificate.ts';
import {
  checkInfoAccess,
  decodeCrlDistributionPoints,
  decodeStrictKeyUsage,
  KeyUsage,
} from './extensions.ts';
import { type Fault, lapse } from './fault.ts';
import { guarded } from './guarded.ts';
import { isWellFormedName } from './name-constraints.ts';
import { ExtensionOid } from './oid.ts';
import type { Relaxation } from './relaxations.ts';

const EXT = ExtensionOid;

function strict(broken: boolean, relaxation: Relaxation, message: string): Fault | null {
  return broken ? lapse('rfc5280', relaxation, message) : null;
}

/** The MUSTs of section 4 that `compatible` tolerates, for a certificate in any place. */
export function checkProfile(certificate: Certificate): Fault | null {
  const serial = certificate.serialNumber;
  const zero = serial.every((byte) => byte === 0);
  const ca = certificate.isCa;
  const extensions = certificate.extensions;
  const critical = (oid: string): boolean | undefined => extensions.byOid.get(oid)?.critical;
  const usage = certificate.keyUsage;
  const signsCertificates = usage === null || (usage & KeyUsage.keyCertSign) !== 0;
  const constraints = certificate.basicConstraints;
  return (
    strict(certificate.version !== 3, 'version-1-leaf', `a certificate of version ${certificate.version}`) ??
    strict(
      zero || ((serial[0] as number) & 0x80) !== 0,
      'serial-number',
      'the serial number is not greater than zero',
    ) ??
    strict(serial.length > 20, 'serial-number', 'the serial number is longer than 20 bytes') ??
    strict(!certificate.hasCanonicalDates, 'date-form', 'a date in the wrong form for its year') ??
    strict(
      extensions.explicitDefault || certificate.explicitVersion || constraints?.explicitDefault === true,
      'explicit-default',
      'a default value is written out',
    ) ??
    strict(
      !certificate.subject.isOrdered || !certificate.issuer.isOrdered,
      'unsorted-name-part',
      'a multi-valued name part is not sorted',
    ) ??
    strict(certificate.hasUniqueIds, 'unique-identifiers', 'there are unique identifiers') ??
    strict(isOddModulus(certificate), 'modulus-bits', 'an RSA modulus that is no whole bytes') ??
    keyIdentifiers(certificate) ??
    strict(usage === 0, 'key-usage-without-bits', 'a key usage without a bit') ??
    keyUsageForm(certificate) ??
    strict(
      usage !== null && signsCertificates && !ca,
      'key-cert-sign-without-ca',
      'keyCertSign in a certificate that is no CA',
    ) ??
    strict(
      (ca && !signsCertificates) || (constraints?.pathLength != null && !(ca && signsCertificates)),
      'ca-without-key-cert-sign',
      'a CA, or a path length, without keyCertSign',
    ) ??
    strict(
      ca && critical(EXT.basicConstraints) === false,
      'basic-constraints-not-critical',
      'basic constraints of a CA are not critical',
    ) ??
    strict(
      critical(EXT.nameConstraints) === false,
      'name-constraints-not-critical',
      'name constraints are not critical',
    ) ??
    strict(
      critical(EXT.nameConstraints) !== undefined && !ca,
      'name-constraints-in-leaf',
      'name constraints in a certificate that is no CA',
    ) ??
    strict(
      critical(EXT.policyConstraints) === false || critical(EXT.inhibitAnyPolicy) === false,
      'policy-extensions-not-critical',
      'policy constraints or inhibitAnyPolicy are not critical',
    ) ??
    strict(
      certificate.subject.isEmpty && critical(EXT.subjectAltName) !== true,
      'subject-alt-name-not-critical',
      'the subject is empty and the alternative names are not critical',
    ) ??
    nameSyntax(certificate) ??
    unusedExtensions(certificate)
  );
}

function isOddModulus({ key }: Certificate): boolean {
  return typeof key !== 'string' && (key.type === 'rsa' || key.type === 'rsa-pss') && key.bits % 8 !== 0;
}

function keyUsageForm(certificate: Certificate): Fault | null {
  const extension = certificate.extension(EXT.keyUsage);
  if (extension === undefined) return null;
  const malformed = guarded(() => {
    decodeValue(extension, decodeStrictKeyUsage);
    return null;
  });
  return malformed && strict(true, 'key-usage-trailing-zeros', malformed.message);
}

/** 4.2.1.1 and 4.2.1.2. A self-issued certificate may lack the authority's identifier. */
function keyIdentifiers(certificate: Certificate): Fault | null {
  if (certificate.isCa && certificate.subjectKeyIdentifier === null) {
    return strict(true, 'subject-key-identifier', 'a CA without a subject key identifier');
  }
  const authority = certificate.authorityKeyIdentifier;
  if (authority === null) {
    if (certificate.isSelfIssued) return null;
    return strict(true, 'authority-key-identifier', 'no authority key identifier');
  }
  if (authority.keyIdentifier === null) {
    return strict(true, 'authority-key-identifier', 'an authority key identifier without the identifier');
  }
  if ((authority.issuer === null) !== (authority.serialNumber === null)) {
    return strict(
      true,
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

function nameSyntax(certificate: Certificate): Fault | null {
  const odd = certificate.subjectAltNames?.find((name) => !isWellFormedName(name));
  return strict(
    odd !== undefined,
    'alternative-name-syntax',
    'an alternative name breaks the syntax of its type',
  );
}

/** 4.2.1.1: what signed a self-signed certificate is its own key. */
export function checkOwnKeyIdentifier(certificate: Certificate): Fault | null {
  const claimed = certificate.authorityKeyIdentifier?.keyIdentifier ?? null;
  const own = certificate.subjectKeyIdentifier;
  if (!certificate.isSelfIssued || claimed === null || own === null || equalBytes(claimed, own)) return null;
  return strict(true, 'key-identifier-mismatch', 'a root whose authority key identifier is not its own');
}
