/**
 * Where the strict profile decides otherwise than x509-limbo, and why: the whole list. A case that is not
 * here must come out as the vectors say; one that is here must not.
 */
const COMMON_NAME =
  'accepted: a rule of the CA/Browser Forum (7.1.4.3) on how the common name repeats an alternative name; clients do not read the common name';
const CONFLICT = (other: string): string =>
  `accepted: the vectors themselves say both; RFC 5280 allows it, and ${other} expects so`;

export const deviations: ReadonlyMap<string, string> = new Map([
  // Accepted, and the vectors would refuse.
  ['webpki::cn::ipv4-hex-mismatch', COMMON_NAME],
  ['webpki::cn::ipv4-leading-zeros-mismatch', COMMON_NAME],
  ['webpki::cn::ipv6-uppercase-mismatch', COMMON_NAME],
  ['webpki::cn::ipv6-uncompressed-mismatch', COMMON_NAME],
  ['webpki::cn::ipv6-non-rfc5952-mismatch', COMMON_NAME],
  ['webpki::cn::punycode-not-in-san', COMMON_NAME],
  ['webpki::cn::utf8-vs-punycode-mismatch', COMMON_NAME],
  ['webpki::cn::not-in-san', COMMON_NAME],
  ['webpki::cn::case-mismatch', COMMON_NAME],
  [
    'webpki::aki::root-with-aki-all-fields',
    'accepted: RFC 5280, 4.2.1.1 allows issuer and serial number together; only the CA/Browser Forum (7.1.2.1.3) does not, on roots',
  ],
  [
    'webpki::eku::ee-anyeku',
    'accepted: anyExtendedKeyUsage beside serverAuth, which RFC 5280, 4.2.1.12 provides for; the CA/Browser Forum (7.1.2.7.10) forbids issuing it',
  ],
  [
    'webpki::eku::ee-critical-eku',
    'accepted: RFC 5280, 4.2.1.12 lets the extension be critical; the CA/Browser Forum (7.1.2.7.6) does not',
  ],
  ['webpki::eku::ee-without-eku', CONFLICT('rfc5280::eku::ee-without-eku')],
  [
    'webpki::eku::root-has-eku',
    'accepted: the CA/Browser Forum (7.1.2.1.2) forbids the extension in roots; here it is a constraint, and it allows TLS servers',
  ],
  [
    'webpki::san::public-suffix-multi-label-wildcard-san',
    'accepted: *.co.uk; needs the Public Suffix List, which changes daily and which RFC 9525 leaves to CAs',
  ],
  [
    'webpki::san::public-suffix-private-namespace-wildcard-san',
    'accepted: *.s3.amazonaws.com; needs the private part of the Public Suffix List',
  ],
  [
    'webpki::san::san-critical-with-nonempty-subject',
    'accepted: RFC 5280, 4.2.1.6 says SHOULD; the CA/Browser Forum says MUST NOT be critical',
  ],
  ['webpki::ca-as-leaf', CONFLICT('rfc5280::ca-as-leaf')],
  // Refused, and the vectors would accept.
  [
    'webpki::nc::permitted-dns-match-noncritical',
    'refused: RFC 5280, 4.2.1.10 wants name constraints critical, and rfc5280::nc::permitted-dns-match-noncritical expects the refusal; `compatible` accepts',
  ],
  [
    'cve::cve-2024-0567',
    'refused: the anchor is a cross-signed root without an authority key identifier, which rfc5280::aki::cross-signed-root-missing-aki wants refused; `compatible` accepts',
  ],
  ['online::fastly.com', 'refused: the root’s serial number is 0 (RFC 5280, 4.1.2.2); `compatible` accepts'],
]);
