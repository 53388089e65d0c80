/**
 * The two profiles. `rfc5280` obeys every MUST of RFC 5280 that can be seen in a path. `compatible`, the
 * default, tolerates the closed list below: things that real roots and private authorities do, and that
 * give nobody a certificate or a name that the authority did not mean to give.
 */
export type Profile = 'compatible' | 'rfc5280';

export type Relaxation =
  | 'anchor-as-certificate'
  | 'leaf-is-anchor'
  | 'version-1-leaf'
  | 'serial-number'
  | 'date-form'
  | 'explicit-default'
  | 'unsorted-name-part'
  | 'unique-identifiers'
  | 'modulus-bits'
  | 'subject-key-identifier'
  | 'authority-key-identifier'
  | 'key-identifier-mismatch'
  | 'key-usage-without-bits'
  | 'key-usage-trailing-zeros'
  | 'key-cert-sign-without-ca'
  | 'ca-without-key-cert-sign'
  | 'basic-constraints-not-critical'
  | 'name-constraints-not-critical'
  | 'name-constraints-in-leaf'
  | 'dns-constraint-leading-period'
  | 'policy-extensions-not-critical'
  | 'subject-alt-name-not-critical'
  | 'alternative-name-syntax'
  | 'unused-extension'
  | 'crl-number';

const RELAXATIONS: Readonly<Record<Relaxation, string>> = {
  'anchor-as-certificate':
    'an anchor counts with its name, key and constraints alone; its dates, version, serial number, own signature algorithm and other fields do not matter (6.1.1 (d))',
  'leaf-is-anchor': 'a leaf that is itself an anchor, byte for byte, needs no path',
  'version-1-leaf': 'the leaf may be of version 1 or 2 and have no extensions (4.1.2.1)',
  'serial-number': 'serial numbers may be zero, negative or longer than 20 bytes (4.1.2.2)',
  'date-form': 'a date before 2050 may be a GeneralizedTime, and a later one is taken as written (4.1.2.5)',
  'explicit-default': 'a DEFAULT value may be written out: critical FALSE, cA FALSE, version 1 (X.690, 11.5)',
  'unsorted-name-part': 'the values of a multi-valued name part may be in any order (X.690, 11.6)',
  'unique-identifiers': 'issuer and subject unique identifiers may be there (4.1.2.8)',
  'modulus-bits':
    'an RSA modulus may be of any length that is allowed; a multiple of 8 bits is a rule of the CA/Browser Forum (6.1.6), which the strict profile takes over',
  'subject-key-identifier': 'a CA certificate may lack its subject key identifier (4.2.1.2)',
  'authority-key-identifier':
    'a certificate may lack its authority key identifier, or give only the issuer or only the serial number in it (4.2.1.1)',
  'key-identifier-mismatch':
    'the authority key identifier may differ from the subject key identifier of the issuer: it is a hint, the signature decides (4.2.1.1, 4.2.1.2)',
  'key-usage-without-bits': 'a leaf’s key usage may have no bit set when none is asked for (4.2.1.3)',
  'key-usage-trailing-zeros': 'bits of the key usage that are not set may be written out (X.690, 11.2.2)',
  'key-cert-sign-without-ca': 'a leaf that is no CA may carry keyCertSign: it cannot use it (4.2.1.3)',
  'ca-without-key-cert-sign': 'a leaf may be a CA without keyCertSign, or carry a path length (4.2.1.9)',
  'basic-constraints-not-critical': 'basic constraints may be non-critical (4.2.1.9)',
  'name-constraints-not-critical':
    'name constraints may be non-critical; they are enforced all the same (4.2.1.10)',
  'name-constraints-in-leaf': 'a leaf may carry name constraints; they constrain nothing (4.2.1.10)',
  'dns-constraint-leading-period':
    'a DNS constraint may begin with a period; it then covers the names below it and not itself (4.2.1.10)',
  'policy-extensions-not-critical':
    'policy constraints and inhibitAnyPolicy may be non-critical; they are enforced all the same (4.2.1.11, 4.2.1.14)',
  'subject-alt-name-not-critical':
    'the alternative names beside an empty subject may be non-critical (4.2.1.6)',
  'alternative-name-syntax':
    'an alternative name may break the syntax of its type, underscores in DNS names among them: it matches no constraint of a permitted kind, and only underscores may match a name (4.2.1.6)',
  'unused-extension':
    'non-critical extensions that validation does not use may be malformed: information access, distribution points without lists given (4.2.2)',
  'crl-number':
    'a revocation list may be of version 1, or lack its number or the date of the next (5.1.2.1, 5.1.2.5, 5.2.3)',
};

/** Every tolerance of the `compatible` profile, with the sentence that the documentation gives. */
export const relaxations: ReadonlyMap<Relaxation, string> = new Map(
  Object.entries(RELAXATIONS) as [Relaxation, string][],
);
