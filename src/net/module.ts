/** The module itself: `import tls from 'tlsession'` in the place of `import tls from 'node:tls'`. */
import { nodeProvider } from '../crypto/node/index.ts';
import { cipherSuites } from '../util/registries.ts';
import { getCACertificates, rootCertificates, setDefaultCACertificates } from './ca-certificates.ts';
import { getCertificateCompressionAlgorithms } from './certificate-compression.ts';
import { connect } from './connect.ts';
import {
  DEFAULT_CIPHERS,
  DEFAULT_ECDH_CURVE,
  DEFAULT_MAX_VERSION,
  DEFAULT_MIN_VERSION,
  type SecureVersion,
  setDefault,
} from './defaults.ts';
import { checkServerIdentity } from './identity.ts';
import { encodeAlpn, spokenSuites } from './options.ts';
import { createSecureContext, SecureContext } from './secure-context.ts';
import { createServer, Server } from './server.ts';
import { TLSSocket } from './socket.ts';

/** How often a client may renegotiate in node:tls. Here it never may. */
export const CLIENT_RENEG_LIMIT: number = 3;
/** The seconds in which; likewise. */
export const CLIENT_RENEG_WINDOW: number = 600;

/** The suites that are spoken here, by OpenSSL's names in lower case. */
export function getCiphers(): string[] {
  return spokenSuites(nodeProvider).map((id) => cipherSuites.get(id)?.opensslName.toLowerCase() as string);
}

/** Puts the wire form of an ALPN list into `out.ALPNProtocols`. @throws as the option `ALPNProtocols` does. */
export function convertALPNProtocols(
  protocols: readonly string[] | NodeJS.ArrayBufferView,
  out: { ALPNProtocols?: Uint8Array | undefined },
): void {
  const encoded = encodeAlpn(protocols);
  if (encoded !== null) out.ALPNProtocols = encoded;
}

/** The shape of the default export: what node:tls has, less what docs/node-tls.md leaves out. */
export interface TlsModule {
  readonly CLIENT_RENEG_LIMIT: number;
  readonly CLIENT_RENEG_WINDOW: number;
  /** Each default counts for contexts that are made after it was set. */
  DEFAULT_CIPHERS: string;
  DEFAULT_ECDH_CURVE: string;
  DEFAULT_MIN_VERSION: SecureVersion;
  DEFAULT_MAX_VERSION: SecureVersion;
  readonly rootCertificates: readonly string[];
  readonly getCiphers: typeof getCiphers;
  readonly getCertificateCompressionAlgorithms: typeof getCertificateCompressionAlgorithms;
  readonly getCACertificates: typeof getCACertificates;
  readonly setDefaultCACertificates: typeof setDefaultCACertificates;
  readonly convertALPNProtocols: typeof convertALPNProtocols;
  readonly checkServerIdentity: typeof checkServerIdentity;
  readonly createSecureContext: typeof createSecureContext;
  readonly SecureContext: typeof SecureContext;
  readonly TLSSocket: typeof TLSSocket;
  readonly Server: typeof Server;
  readonly createServer: typeof createServer;
  readonly connect: typeof connect;
}

const tls: TlsModule = {
  CLIENT_RENEG_LIMIT,
  CLIENT_RENEG_WINDOW,
  get DEFAULT_CIPHERS() {
    return DEFAULT_CIPHERS;
  },
  set DEFAULT_CIPHERS(value) {
    setDefault('ciphers', value);
  },
  get DEFAULT_ECDH_CURVE() {
    return DEFAULT_ECDH_CURVE;
  },
  set DEFAULT_ECDH_CURVE(value) {
    setDefault('curve', value);
  },
  get DEFAULT_MIN_VERSION() {
    return DEFAULT_MIN_VERSION;
  },
  set DEFAULT_MIN_VERSION(value) {
    setDefault('min', value);
  },
  get DEFAULT_MAX_VERSION() {
    return DEFAULT_MAX_VERSION;
  },
  set DEFAULT_MAX_VERSION(value) {
    setDefault('max', value);
  },
  rootCertificates,
  getCiphers,
  getCertificateCompressionAlgorithms,
  getCACertificates,
  setDefaultCACertificates,
  convertALPNProtocols,
  checkServerIdentity,
  createSecureContext,
  SecureContext,
  TLSSocket,
  Server,
  createServer,
  connect,
};

export default tls;
