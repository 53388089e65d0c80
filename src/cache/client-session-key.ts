/**
 * What a client's sessions are kept under. Two connections share sessions only if they go to the same
 * place, want the same name proved, by the same trust, offer the same protocols and would show the same
 * certificate: a session resumed across any of these skips a check that the second connection asks for
 * (the "session confusion" CVEs of nginx, Apache, Go, Traefik and Node).
 */
import { Field, type SessionBody } from '../session/body.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { equalBytes, latin1, toHex } from '../util/bytes.ts';

export interface ClientSessionKey {
  /** Where the connection goes: a host name or an address, as it was asked for. */
  readonly peer: string;
  readonly port: number;
  /** The name that the peer has to prove, null for none. */
  readonly serverName: string | null;
  /** The application protocols offered, in order. */
  readonly alpn: readonly Uint8Array[];
  /** Digests as in `SessionBindings`. */
  readonly trust: Uint8Array;
  readonly clientAuth: Uint8Array;
}

/** One text a key: equal exactly when the keys mean the same. Letter case of names and a last dot mean nothing. */
export function clientSessionKeyText(key: ClientSessionKey): string {
  return JSON.stringify([
    canonicalName(key.peer),
    key.port,
    key.serverName === null ? null : canonicalName(key.serverName),
    key.alpn.map(latin1),
    toHex(key.trust),
    toHex(key.clientAuth),
  ]);
}

function canonicalName(name: string): string {
  const lower = name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return lower.length > 1 && lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

/**
 * Why a session may not be kept or used under a key; null when it may. An unbound one, from plain DER, may:
 * whoever offers it has its peer checked again.
 */
export function fitsClientKey(body: SessionBody, key: ClientSessionKey): ResumptionReason | null {
  const { bindings } = body;
  if (bindings !== null) {
    const { host } = bindings;
    if ((host === null) !== (key.serverName === null)) return 'other-name';
    if (host !== null && key.serverName !== null && canonicalName(host) !== canonicalName(key.serverName)) {
      return 'other-name';
    }
    if (bindings.port !== key.port) return 'other-port';
    if (!equalBytes(bindings.trust, key.trust)) return 'other-trust';
    if (!equalBytes(bindings.clientAuth, key.clientAuth)) return 'other-client-auth';
  }
  const alpn = body.view(Field.alpn);
  if (alpn.length > 0 && !key.alpn.some((protocol) => equalBytes(protocol, alpn))) return 'other-alpn';
  return null;
}
