/** Who may be the client of a stock `tls.Server`, and by whose word: what its sessions are bound to. */
import type * as tls from 'node:tls';
import { SecureContext } from '../net/secure-context.ts';
import { clientBinding } from '../net/setup.ts';
import { TlsessionError } from '../util/errors.ts';
import { digest } from './options-digest.ts';

export type ServerBinding = ReturnType<typeof clientBinding>;

/**
 * What node:tls keeps on a server, beside what it declares. `setSecureContext` sets the first four anew; of these the
 * context is another each time, where a list may be the same one with other contents.
 */
interface PolicyFields {
  readonly _sharedCreds?: unknown;
  readonly ca?: tls.SecureContextOptions['ca'];
  readonly crl?: tls.SecureContextOptions['crl'];
  readonly pfx?: tls.SecureContextOptions['pfx'];
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/** A server's binding, which is another as soon as the server has another policy. */
export class BindingOf {
  readonly #server: PolicyFields;
  #of: readonly unknown[];
  #value: ServerBinding;

  constructor(server: tls.Server) {
    this.#server = server as PolicyFields;
    this.#of = optionsOf(this.#server);
    // At once, for node:tls has read its lists: what becomes of them later is not its policy.
    this.#value = bindingOf(this.#server);
  }

  /** The same object for as long as nothing has changed. Never throws for what node:tls has taken. */
  get current(): ServerBinding {
    const of = optionsOf(this.#server);
    if (of.some((option, i) => option !== this.#of[i])) {
      this.#value = bindingOf(this.#server);
      this.#of = of;
    }
    return this.#value;
  }
}

function optionsOf({ _sharedCreds, ca, crl, pfx }: PolicyFields): readonly unknown[] {
  return [_sharedCreds, ca, crl, pfx];
}

/** As `createServer` of this library binds its sessions: servers of both kinds may then share a store. */
function bindingOf({ ca, crl, pfx, requestCert = false, rejectUnauthorized }: PolicyFields): ServerBinding {
  const asks = (context: SecureContext): ServerBinding =>
    clientBinding(context, requestCert, rejectUnauthorized !== false);
  if (!requestCert) return asks(new SecureContext({}));
  const read = ifRead(() => asks(new SecureContext({ ca })));
  if (read !== null && crl === undefined && pfx === undefined) return read;
  // Node trusts what a PFX brings along; and it looks into no revocation list when it resumes, as we do.
  const trust =
    read === null
      ? digest('tlsession node:tls unread trust', [ca, crl, pfx])
      : digest('tlsession node:tls server trust', [read.trust, crl, pfx]);
  return { ...(read ?? asks(new SecureContext({}))), trust };
}

/** Null for certificates that node:tls takes and this library does not: damaged ones, which it passes over. */
function ifRead(read: () => ServerBinding): ServerBinding | null {
  try {
    return read();
  } catch (error) {
    if (TlsessionError.is(error)) return null;
    throw error;
  }
}
