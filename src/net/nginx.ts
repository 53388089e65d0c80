/** What nginx binds its sessions to, for a server that shares its ticket keys. */
import { nodeProvider } from '../crypto/node/index.ts';
import { certificateBytes } from '../pki/anchors.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { concatBytes, toHex, utf8 } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';

export interface NginxSessionIdContextOptions {
  /** What each `ssl_certificate` names, in the order of the directives: a chain's first certificate counts. */
  readonly cert: string | Uint8Array | readonly (string | Uint8Array)[];
  /** What `ssl_client_certificate` names: the CAs whose names nginx sends. Absent: there is no such directive. */
  readonly clientCa?: string | Uint8Array | undefined;
  /** Where the server stands: `http`, `stream` or `mail`. Default `http`. */
  readonly module?: 'http' | 'stream' | 'mail' | undefined;
}

/**
 * The session-id context of a server block of nginx, 20 bytes for the option `sessionIdContext`: SHA-1 over the
 * module's name, the SHA-1 of each certificate and the SHA-1 of each name of a client CA
 * (`ngx_ssl_session_id_context`). It changes with the certificate: read that again when nginx does.
 * @throws {UsageError} for no certificate; {CertificateError} for one that cannot be read.
 */
export function nginxSessionIdContext(options: NginxSessionIdContextOptions): Uint8Array {
  const { cert, clientCa, module = 'http' } = options;
  const leaves = (typeof cert === 'string' || cert instanceof Uint8Array ? [cert] : cert)
    .map((input) => certificateBytes(input)[0] as Uint8Array)
    // It keeps them in a list that grows at its head.
    .reverse();
  if (leaves.length === 0) throw new UsageError('ERR_INVALID_ARG_VALUE', 'nginx has a certificate');
  const names = clientCa === undefined ? [] : certificateBytes(clientCa).map(subjectOf);
  // SSL_load_client_CA_file(3) takes each name once.
  const distinct = [...new Map(names.map((name) => [toHex(name), name])).values()];
  const sha1 = (bytes: Uint8Array): Uint8Array => nodeProvider.digest('sha1', bytes);
  return sha1(concatBytes(utf8(module.toUpperCase()), ...leaves.map(sha1), ...distinct.map(sha1)));
}

function subjectOf(der: Uint8Array): Uint8Array {
  return parseCertificate(der).subject.der;
}
