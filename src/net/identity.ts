/** tls.checkServerIdentity, by both rules: node:tls's, whose errors programs know, and RFC 9525. */
import * as nodeTls from 'node:tls';
import { type Certificate, parseCertificate } from '../pki/certificate.ts';
import { checkServerName } from '../pki/server-name.ts';
import { TlsessionError } from '../util/errors.ts';

/** As ERR_TLS_CERT_ALTNAME_INVALID of node:tls. */
export class ServerIdentityError extends TlsessionError {
  readonly reason: string;
  readonly host: string;
  readonly cert: nodeTls.PeerCertificate;

  constructor(reason: string, host: string, cert: nodeTls.PeerCertificate) {
    super('ERR_TLS_CERT_ALTNAME_INVALID', `Hostname/IP does not match certificate's altnames: ${reason}`);
    this.reason = reason;
    this.host = host;
    this.cert = cert;
  }

  override get name(): string {
    return 'Error';
  }
}

/**
 * Whether a certificate is for a host: undefined, or the error. What node:tls lets pass and RFC 9525 does not
 * (a name that is only a common name, a wildcard within a label) is refused as well, if `cert.raw` is there.
 */
export function checkServerIdentity(hostname: string, cert: nodeTls.PeerCertificate): Error | undefined {
  const error = nodeTls.checkServerIdentity(hostname, cert);
  if (error !== undefined) {
    const { reason, host } = error as Error & { reason?: string; host?: string };
    return reason === undefined ? error : new ServerIdentityError(reason, host ?? hostname, cert);
  }
  if (!(cert.raw instanceof Uint8Array)) return undefined;
  let certificate: Certificate;
  try {
    certificate = parseCertificate(cert.raw);
  } catch (failure) {
    return failure as Error;
  }
  const result = checkServerName(certificate, hostname);
  return result.ok ? undefined : new ServerIdentityError(result.message, hostname, cert);
}
