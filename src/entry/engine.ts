/** The sans-IO engine: bytes in, bytes out, events. No `node:` import; the provider is given. */
export type { ChannelBindingType } from '../connection/channel-binding.ts';
export { Connection } from '../connection/connection.ts';
export { clientConfig, DEFAULT_SIGNATURE_SCHEMES, serverConfig } from '../connection/defaults.ts';
export type { CertificateCompressor } from '../crypto/certificate-compressor.ts';
export type { CryptoProvider } from '../crypto/provider.ts';
export type {
  ClientConfig,
  Credential,
  ExternalPsk,
  ServerConfig,
} from '../handshake/config.ts';
export type { ConnectionEvent } from '../handshake/events.ts';
export type { ConnectionInfo } from '../handshake/info.ts';
export type * from '../handshake/jobs.ts';
export { TlsAlertError, TlsessionError, UsageError } from '../util/errors.ts';
export { DEFAULT_LIMITS, type Limits } from '../util/limits.ts';
