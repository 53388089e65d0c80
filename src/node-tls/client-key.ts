/**
 * What a connection of stock node:tls is, for the cache of its sessions: where it goes, which name has to be
 * proved, by whose word, and which certificate would be shown. Two connections with another of these never
 * share a session.
 */
import { createHash } from 'node:crypto';
import * as tls from 'node:tls';
import type { ClientSessionKey } from '../cache/client-session-key.ts';
import { nodeProvider } from '../crypto/node/index.ts';
import { toHex, utf8 } from '../util/bytes.ts';

/** Of `tls.connect`, as far as it says what a session is good for. */
export type NodeConnectOptions = tls.ConnectionOptions & {
  readonly host?: string | undefined;
  readonly hostname?: string | undefined;
  readonly port?: number | string | undefined;
};

/** A part of the text that is hashed: no two lists of parts give the same. */
function part(value: unknown): Uint8Array {
  const bytes = value instanceof Uint8Array ? value : utf8(String(value));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setFloat64(0, bytes.length);
  return Buffer.concat([length, bytes]);
}

function digest(purpose: string, values: readonly unknown[]): Uint8Array {
  const hash = createHash('sha256').update(part(purpose));
  for (const value of values) {
    const list = [value].flat(3);
    hash.update(part(list.length));
    for (const each of list) hash.update(part(describe(each)));
  }
  return new Uint8Array(hash.digest());
}

/** Key and certificate objects of `key`, `cert` and `pfx` that wrap their bytes. */
function describe(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value ?? '';
  const { pem, buf } = value as { pem?: unknown; buf?: unknown };
  return pem ?? buf ?? identityOf(value);
}

const identities = new WeakMap<object, string>();

/** For what has no contents to compare: the same object is the same in this process, and in no other. */
function identityOf(object: object): string {
  let identity = identities.get(object);
  if (identity === undefined) {
    identity = toHex(nodeProvider.random(16));
    identities.set(object, identity);
  }
  return identity;
}

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
