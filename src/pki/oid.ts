/**
 * Object identifiers as map keys: the contents octets, one character a byte. Comparing those is cheaper
 * than making the dotted form of every identifier that is met.
 */
import { latin1 } from '../util/bytes.ts';
import { oidToText } from '../util/der.ts';

/** The keys of 2.5.29.0 to 2.5.29.127, which most extensions have: made once. */
const CERTIFICATE_EXTENSIONS = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x55, 0x1d, i));

/** The key of an identifier's contents octets. */
export function oidKey(contents: Uint8Array): string {
  if (contents.length === 3 && contents[0] === 0x55 && contents[1] === 0x1d) {
    const known = CERTIFICATE_EXTENSIONS[contents[2] as number];
    if (known !== undefined) return known;
  }
  return latin1(contents);
}

/** The key of a dotted identifier. @throws {RangeError} if it is not one. */
export function oidFromText(dotted: string): string {
  if (!/^[0-2](\.(0|[1-9]\d*))+$/.test(dotted)) throw new RangeError(`not an object identifier: ${dotted}`);
  const arcs = dotted.split('.').map((arc) => BigInt(arc));
  const root = arcs[0] as bigint;
  const second = arcs[1] as bigint;
  if (root < 2n && second > 39n) throw new RangeError(`not an object identifier: ${dotted}`);
  let key = '';
  for (const arc of [root * 40n + second, ...arcs.slice(2)]) {
    let group = String.fromCharCode(Number(arc & 0x7fn));
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) {
      group = String.fromCharCode(Number(rest & 0x7fn) | 0x80) + group;
    }
    key += group;
  }
  return key;
}

/** The dotted form of a key. */
export function oidText(key: string): string {
  return oidToText(Uint8Array.from(key, (character) => character.charCodeAt(0)));
}

export type ExtensionName =
  | 'subjectKeyIdentifier'
  | 'keyUsage'
  | 'subjectAltName'
  | 'issuerAltName'
  | 'basicConstraints'
  | 'crlNumber'
  | 'crlReason'
  | 'invalidityDate'
  | 'deltaCrlIndicator'
  | 'issuingDistributionPoint'
  | 'certificateIssuer'
  | 'nameConstraints'
  | 'crlDistributionPoints'
  | 'certificatePolicies'
  | 'policyMappings'
  | 'authorityKeyIdentifier'
  | 'policyConstraints'
  | 'extendedKeyUsage'
  | 'freshestCrl'
  | 'inhibitAnyPolicy'
  | 'authorityInfoAccess'
  | 'subjectInfoAccess'
  | 'tlsFeature';

/** Certificate and list extensions (RFC 5280, 4.2 and 5.2; RFC 7633). */
export const ExtensionOid: Readonly<Record<ExtensionName, string>> = Object.freeze({
  subjectKeyIdentifier: oidFromText('2.5.29.14'),
  keyUsage: oidFromText('2.5.29.15'),
  subjectAltName: oidFromText('2.5.29.17'),
  issuerAltName: oidFromText('2.5.29.18'),
  basicConstraints: oidFromText('2.5.29.19'),
  crlNumber: oidFromText('2.5.29.20'),
  crlReason: oidFromText('2.5.29.21'),
  invalidityDate: oidFromText('2.5.29.24'),
  deltaCrlIndicator: oidFromText('2.5.29.27'),
  issuingDistributionPoint: oidFromText('2.5.29.28'),
  certificateIssuer: oidFromText('2.5.29.29'),
  nameConstraints: oidFromText('2.5.29.30'),
  crlDistributionPoints: oidFromText('2.5.29.31'),
  certificatePolicies: oidFromText('2.5.29.32'),
  policyMappings: oidFromText('2.5.29.33'),
  authorityKeyIdentifier: oidFromText('2.5.29.35'),
  policyConstraints: oidFromText('2.5.29.36'),
  extendedKeyUsage: oidFromText('2.5.29.37'),
  freshestCrl: oidFromText('2.5.29.46'),
  inhibitAnyPolicy: oidFromText('2.5.29.54'),
  authorityInfoAccess: oidFromText('1.3.6.1.5.5.7.1.1'),
  subjectInfoAccess: oidFromText('1.3.6.1.5.5.7.1.11'),
  tlsFeature: oidFromText('1.3.6.1.5.5.7.1.24'),
});

/** Purposes in an extended key usage extension (RFC 5280, 4.2.1.12). */
export const PurposeOid: Readonly<Record<'any' | 'serverAuth' | 'clientAuth' | 'ocspSigning', string>> =
  Object.freeze({
    any: oidFromText('2.5.29.37.0'),
    serverAuth: oidFromText('1.3.6.1.5.5.7.3.1'),
    clientAuth: oidFromText('1.3.6.1.5.5.7.3.2'),
    ocspSigning: oidFromText('1.3.6.1.5.5.7.3.9'),
  });

/** anyPolicy (RFC 5280, 4.2.1.4). */
export const ANY_POLICY: string = oidFromText('2.5.29.32.0');
