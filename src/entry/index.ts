/** `tlsession`: connections and servers in the shape of node:tls. */
export type { CacheStats } from '../cache/cache-stats.ts';
export {
  ClientSessionCache,
  type ClientSessionCacheOptions,
  type ClientSessions,
  type TakenSession,
} from '../cache/client-session-cache.ts';
export type { ClientSessionKey } from '../cache/client-session-key.ts';
export { GuardedStore, type GuardedStoreOptions, type GuardedStoreStats } from '../cache/guarded-store.ts';
export { MemoryStore, type MemoryStoreOptions } from '../cache/memory-store.ts';
export type { SessionSource } from '../cache/outside-lookup.ts';
export {
  type ReplayAttempt,
  type ReplayGuard,
  type ReplayVerdict,
  singleUseGuard,
} from '../cache/replay-guard.ts';
export { ReplayRegister, type ReplayRegisterOptions } from '../cache/replay-register.ts';
export { SessionCache } from '../cache/session-cache.ts';
export { SessionContext, type SessionContextOptions } from '../cache/session-context.ts';
export { plainSealer, type SessionSealer } from '../cache/session-sealer.ts';
export type { SessionStore, StoreEntry, WitnessedAdd } from '../cache/store.ts';
export { StoreSource, type StoreSourceOptions } from '../cache/store-source.ts';
export { StoredClientSessions, type StoredClientSessionsOptions } from '../cache/stored-client-sessions.ts';
export { CertificateRefusedError } from '../connection/certificate-check.ts';
export type { ChannelBindingType } from '../connection/channel-binding.ts';
export type { OnTicket, ShownTicket, TicketDecision } from '../connection/ticket-policy.ts';
export { type NobleMlKem768, withNobleMlKem } from '../crypto/ml-kem.ts';
export { nodeProvider } from '../crypto/node/index.ts';
export type { CryptoProvider } from '../crypto/provider.ts';
export type {
  CacheMessage,
  HandshakeMessage,
  ResumptionMessage,
  ResumptionMethod,
  ResumptionOffer,
  TicketKeyMessage,
} from '../diagnostics/channels.ts';
export { Fleet, type FleetOptions } from '../fleet/fleet.ts';
export {
  type FleetKeyEvent,
  type FleetKeyInfo,
  FleetKeyring,
  type FleetKeyringOptions,
} from '../fleet/keyring.ts';
export { StoreReplayGuard, type StoreReplayGuardOptions } from '../fleet/replay-guard.ts';
export { SealedSessions } from '../fleet/sealed-sessions.ts';
export { type FleetSecret, SecretBox } from '../fleet/secret-box.ts';
export {
  type CaCertificateType,
  getCACertificates,
  rootCertificates,
  setDefaultCACertificates,
} from '../net/ca-certificates.ts';
export {
  type CertificateCompressionAlgorithm,
  getCertificateCompressionAlgorithms,
} from '../net/certificate-compression.ts';
export { type ConnectOptions, connect } from '../net/connect.ts';
export type { CertificateInput, KeyInput, PfxInput } from '../net/credentials.ts';
export {
  DEFAULT_CIPHERS,
  DEFAULT_ECDH_CURVE,
  DEFAULT_MAX_VERSION,
  DEFAULT_MIN_VERSION,
  type SecureVersion,
} from '../net/defaults.ts';
export type { ServerEvents, TLSSocketEvents } from '../net/events.ts';
export { type CreateFleetOptions, createFleet } from '../net/fleet.ts';
export { checkServerIdentity } from '../net/identity.ts';
export {
  CLIENT_RENEG_LIMIT,
  CLIENT_RENEG_WINDOW,
  convertALPNProtocols,
  default,
  getCiphers,
} from '../net/module.ts';
export { type NginxSessionIdContextOptions, nginxSessionIdContext } from '../net/nginx.ts';
export type { ClientPskCallback, PskNegotiation, ServerPskCallback } from '../net/psk.ts';
export {
  createSecureContext,
  SecureContext,
  type SecureContextOptions,
} from '../net/secure-context.ts';
export { createServer, Server, type ServerOptions } from '../net/server.ts';
export type { AlpnCallback, SniCallback } from '../net/server-callbacks.ts';
export type { SessionInput } from '../net/session-input.ts';
export type { CheckServerIdentity } from '../net/setup.ts';
export { type AuthorizationError, TLSSocket } from '../net/socket.ts';
export type { TLSSocketOptions } from '../net/socket-parts.ts';
export { SslError } from '../net/ssl-error.ts';
export {
  type TicketKeyFileEvent,
  TicketKeyFiles,
  type TicketKeyFilesOptions,
} from '../net/ticket-key-files.ts';
export { Session } from '../session/session.ts';
export { type TicketKeyRecord, TicketKeyring, type TicketKeyringOptions } from '../ticket/keyring.ts';
export { haproxyTicketKeys, nginxTicketKeys } from '../ticket/shared-keys.ts';
export { TlsAlertError, TlsessionError, UsageError } from '../util/errors.ts';
