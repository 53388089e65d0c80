/**
 * Whether a host is an IP address literal: such a one is not sent in server_name (RFC 6066, 3) and is
 * checked against a certificate's iPAddress names (RFC 9525, 6.5). A colon is in no DNS name; four decimal
 * groups are no DNS name either, since no top-level domain is a number.
 */
export function isIpLiteral(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}
