/**
 * What a connection of stock node:tls is, for the cache of its sessions: where it goes, which name has to be
 * proved, by whose word, and which certificate would be shown. Two connections with another of these never
 * share a session.
 */
import * as tls from 'node:tls';
import type { ClientSessionKey } from '../cache/client-session-key.ts';
import { utf8 } from '../util/bytes.ts';
import { digest, identityOf } from './options-digest.ts';

/** Of `tls.connect`, as far as it says what a session is good for. */
export type NodeConnectOptions = tls.ConnectionOptions & {
  readonly host?: string | undefined;
  readonly hostname?: string | undefined;
  readonly port?: number | string | undefined;
};

/** The name that has to be proved, as node:tls asks for it. */
export function nameOf(options: NodeConnectOptions): string {
  return options.servername || options.host || options.hostname || 'localhost';
}

/** @param reject what `rejectUnauthorized` comes to. */
export function clientKeyOf(options: NodeConnectOptions, reject: boolean): ClientSessionKey {
  const { secureContext } = options;
  const context = secureContext === undefined ? [] : [identityOf(secureContext)];
  return {
    peer: options.host ?? options.hostname ?? 'localhost',
    port: Number(options.port ?? 443),
    serverName: nameOf(options),
    alpn: protocolsOf(options.ALPNProtocols),
    trust: digest('tlsession node:tls trust', [
      reject,
      options.ca === undefined ? defaultTrust() : options.ca,
      options.crl,
      options.allowPartialTrustChain,
      // What a full handshake must not use, a resumption would bring back; and a TLS 1.2 server ends a
      // handshake that offers a session without its cipher suite (RFC 5246, 7.4.1.2).
      options.ciphers ?? tls.DEFAULT_CIPHERS,
      options.sigalgs,
      options.ecdhCurve ?? tls.DEFAULT_ECDH_CURVE,
      options.minDHSize,
      options.secureProtocol,
      options.secureOptions,
      ...context,
    ]),
    clientAuth: digest('tlsession node:tls client certificate', [
      options.cert,
      options.pfx,
      options.pskCallback === undefined ? undefined : identityOf(options.pskCallback),
      ...context,
    ]),
  };
}

/** All that decides whom Node trusts by itself. */
function defaultTrust(): unknown[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: string) => string[] };
  if (getCACertificates !== undefined) return [digestOf(getCACertificates('default'))];
  const { NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, SSL_CERT_DIR, NODE_OPTIONS } = process.env;
  return [process.versions.node, NODE_EXTRA_CA_CERTS, SSL_CERT_FILE, SSL_CERT_DIR, NODE_OPTIONS];
}

/** Node answers with one array as long as nothing changes. */
const listDigests = new WeakMap<object, Uint8Array>();

function digestOf(list: readonly string[]): Uint8Array {
  let known = listDigests.get(list);
  if (known === undefined) {
    known = digest('tlsession node:tls default trust', list);
    listDigests.set(list, known);
  }
  return known;
}

function protocolsOf(list: tls.ConnectionOptions['ALPNProtocols']): Uint8Array[] {
  if (list === undefined || list === null) return [];
  if (Array.isArray(list)) {
    return (list as readonly (string | Uint8Array)[]).map((each) =>
      typeof each === 'string' ? utf8(each) : new Uint8Array(each),
    );
  }
  const bytes = list as Uint8Array;
  const protocols: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at] as number;
    protocols.push(new Uint8Array(bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return protocols;
}
