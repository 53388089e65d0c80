/**
 * Whether a certificate is for a name (RFC 9525): DNS names with a wildcard as the whole left-most label,
 * IP addresses byte for byte. The common name counts only when it is asked for.
 */
import { equalBytes } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import type { Certificate } from './certificate.ts';
import { type GeneralName, generalNameText } from './general-name.ts';
import { ipAddressText, parseIpAddress } from './ip.ts';
import { COMMON_NAME, directoryText } from './name.ts';

/** What a client means to reach: an address, or a DNS name in lower-case A-labels without a final period. */
export type ReferenceName =
  | { readonly type: 'ip'; readonly bytes: Uint8Array }
  | { readonly type: 'dns'; readonly name: string };

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/**
 * Reads a reference name. U-labels are turned into A-labels (UTS 46, by the platform's `URL`); one final
 * period is dropped. @throws {UsageError} `ERR_TLS_BAD_NAME` for what is neither address nor DNS name.
 */
export function parseReferenceName(name: string): ReferenceName {
  const bytes = parseIpAddress(name);
  if (bytes !== null) return { type: 'ip', bytes };
  const bad = (): never => {
    throw new UsageError('ERR_TLS_BAD_NAME', `not a DNS name or an IP address: ${JSON.stringify(name)}`);
  };
  if (name.length > 1024) bad();
  let ascii = name;
  if (/[^\0-\x7f]/.test(name)) {
    // Nothing but letters, digits, hyphens, periods and what is beyond ASCII may reach the URL parser.
    if (/[\0-,/:-@[-^`{-\x7f]/.test(name)) bad();
    try {
      ascii = new URL(`https://${name}/`).hostname;
    } catch {
      bad();
    }
  }
  ascii = ascii.toLowerCase();
  if (ascii.endsWith('.')) ascii = ascii.slice(0, -1);
  const labels = ascii.split('.');
  // A last label of digits alone is an address that somebody mistyped, never a domain (RFC 3696, 2).
  if (
    ascii.length > 253 ||
    !labels.every((label) => LABEL.test(label)) ||
    /^\d+$/.test(labels.at(-1) ?? '')
  ) {
    bad();
  }
  return { type: 'dns', name: ascii };
}

/**
 * Whether a presented DNS name is for a well-formed reference name, both in lower case. The wildcard stands for exactly
 * one label, and at least two labels must follow it: `*.com` is nobody's.
 */
export function matchDnsName(presented: string, reference: string): boolean {
  // A reference is well-formed, so what is equal to it, or to its end, is too.
  if (!presented.startsWith('*.')) return presented === reference;
  const dot = reference.indexOf('.');
  return dot > 0 && reference.includes('.', dot + 1) && reference.slice(dot + 1) === presented.slice(2);
}

/** Letters, digits, hyphens and underscores in labels of 1 to 63, at most 253 in all; lower case; no wildcard. */
export function isDnsName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => LABEL.test(label));
}

export interface ServerNameOptions {
  /**
   * Lets the subject's most specific common name stand in when the certificate has no alternative name of
   * type DNS, IP or URI (RFC 6125, 6.4.4; forbidden by RFC 9525). Never for addresses. Default false.
   */
  readonly commonNameFallback?: boolean;
}

export type ServerNameResult =
  | { readonly ok: true /** The name in the certificate that matched. */; readonly matched: string }
  | {
      readonly ok: false;
      readonly message: string /** All names in the certificate. */;
      readonly presented: string;
    };

/** The common name that may stand in for a DNS name, in lower case, or null. */
export function fallbackCommonName(certificate: Certificate): string | null {
  const names = certificate.subjectAltNames ?? [];
  if (names.some(({ type }) => type === 'dns' || type === 'ip' || type === 'uri')) return null;
  const attribute = certificate.subject.attributes(COMMON_NAME).at(-1);
  if (attribute === undefined) return null;
  const text = directoryText(attribute.tag, attribute.value)?.toLowerCase() ?? null;
  return text !== null && isDnsName(text.startsWith('*.') ? text.slice(2) : text) ? text : null;
}

const MAX_LISTED = 20;

function listed(names: readonly GeneralName[]): string {
  const texts = names.slice(0, MAX_LISTED).map(generalNameText);
  if (names.length > MAX_LISTED) texts.push(`and ${names.length - MAX_LISTED} more`);
  return texts.join(', ');
}

/**
 * Holds a certificate's names against `name`, a DNS name or an IP address. @throws {UsageError} when `name`
 * is neither; {@link DecodeError} when the certificate's names are malformed.
 */
export function checkServerName(
  certificate: Certificate,
  name: string | ReferenceName,
  options: ServerNameOptions = {},
): ServerNameResult {
  const reference = typeof name === 'string' ? parseReferenceName(name) : name;
  const names = certificate.subjectAltNames ?? [];
  for (const presented of names) {
    const matches =
      reference.type === 'ip'
        ? presented.type === 'ip' && equalBytes(presented.value, reference.bytes)
        : presented.type === 'dns' && matchDnsName(presented.value.toLowerCase(), reference.name);
    if (matches) return { ok: true, matched: generalNameText(presented) };
  }
  if (reference.type === 'dns' && options.commonNameFallback === true) {
    const common = fallbackCommonName(certificate);
    if (common !== null && matchDnsName(common, reference.name)) return { ok: true, matched: `CN:${common}` };
  }
  const presented = listed(names);
  const wanted =
    reference.type === 'ip' ? `IP: ${ipAddressText(reference.bytes)}` : `Host: ${reference.name}.`;
  const message =
    presented === ''
      ? `${wanted} is not in the certificate, which has no alternative names`
      : `${wanted} is not in the certificate's alternative names: ${presented}`;
  return { ok: false, message, presented };
}
