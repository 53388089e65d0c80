/** Who may be the client of a stock `tls.Server`, and by whose word: what its sessions are bound to. */
import type * as tls from 'node:tls';
import { SecureContext } from '../net/secure-context.ts';
import { clientBinding } from '../net/setup.ts';

export type ServerBinding = ReturnType<typeof clientBinding>;

/** What node:tls keeps on a server, beside what it declares. */
interface PolicyFields {
  readonly ca?: tls.SecureContextOptions['ca'];
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/** As `createServer` of this library binds its sessions: servers of both kinds may then share a store. */
export function serverBinding(server: tls.Server): ServerBinding {
  const { ca, requestCert, rejectUnauthorized } = server as PolicyFields;
  const context = new SecureContext({ ca: requestCert ? (ca as never) : undefined });
  return clientBinding(context, requestCert === true, rejectUnauthorized !== false);
}
