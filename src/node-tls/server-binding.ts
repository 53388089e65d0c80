/** Who may be the client of a stock `tls.Server`, and by whose word: what its sessions are bound to. */
import type * as tls from 'node:tls';
import { SecureContext } from '../net/secure-context.ts';
import { clientBinding } from '../net/setup.ts';
import { digest } from './options-digest.ts';

export type ServerBinding = ReturnType<typeof clientBinding>;

/** What node:tls keeps on a server, beside what it declares; `setSecureContext` sets the first three anew. */
interface PolicyFields {
  readonly ca?: tls.SecureContextOptions['ca'];
  readonly crl?: tls.SecureContextOptions['crl'];
  readonly pfx?: tls.SecureContextOptions['pfx'];
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/** A server's binding, which is another as soon as the server has another policy. */
export class BindingOf {
  readonly #server: PolicyFields;
  #of: readonly unknown[] = [];
  #value: ServerBinding | null = null;

  constructor(server: tls.Server) {
    this.#server = server as PolicyFields;
  }

  /** The same object for as long as nothing has changed. */
  get current(): ServerBinding {
    const { ca, crl, pfx } = this.#server;
    const of = [ca, crl, pfx];
    if (this.#value === null || of.some((option, i) => option !== this.#of[i])) {
      this.#value = bindingOf(this.#server);
      this.#of = of;
    }
    return this.#value;
  }
}

/** As `createServer` of this library binds its sessions: servers of both kinds may then share a store. */
function bindingOf({ ca, crl, pfx, requestCert = false, rejectUnauthorized }: PolicyFields): ServerBinding {
  const context = new SecureContext({ ca: requestCert ? (ca as never) : undefined });
  const binding = clientBinding(context, requestCert, rejectUnauthorized !== false);
  if (!requestCert || (crl === undefined && pfx === undefined)) return binding;
  // Node trusts what a PFX brings along; and it looks into no revocation list when it resumes, as we do.
  return { ...binding, trust: digest('tlsession node:tls server trust', [binding.trust, crl, pfx]) };
}
