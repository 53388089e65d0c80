/** What most callers leave out of a configuration. */
import type { CryptoProvider } from '../crypto/provider.ts';
import type { ClientConfig, ServerConfig } from '../handshake/config.ts';
import { systemClock } from '../util/clock.ts';
import { DEFAULT_LIMITS } from '../util/limits.ts';
import { cipherSuites, DEFAULT_CIPHER_SUITES, ProtocolVersion } from '../util/registries.ts';

/** What a peer may sign with, in order of preference. Neither SHA-1 nor, in TLS 1.3, PKCS#1. */
export const DEFAULT_SIGNATURE_SCHEMES: readonly number[] = Object.freeze([
  0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501,
  0x0601,
]);

const NOTHING: Uint8Array = new Uint8Array(0);

/** OpenSSL's default session timeout, in seconds. */
export const DEFAULT_SESSION_TIMEOUT_SEC = 7200;
/** Seconds that a chain of resumptions may last, unless single sessions live longer. */
export const DEFAULT_MAX_KEYING_MATERIAL_AGE_SEC = 604_800;

/** A session's own life is never cut short by the default. */
function keyingMaterialAge(sessionTimeoutSec: number = DEFAULT_SESSION_TIMEOUT_SEC): number {
  return Math.max(DEFAULT_MAX_KEYING_MATERIAL_AGE_SEC, sessionTimeoutSec);
}

function common(
  provider: CryptoProvider,
  { clock = systemClock, sessionTimeoutSec }: Partial<Pick<ClientConfig, 'clock' | 'sessionTimeoutSec'>>,
): Omit<ClientConfig, ClientOnly> {
  return {
    provider,
    clock,
    random: (length) => provider.random(length),
    limits: DEFAULT_LIMITS,
    minVersion: ProtocolVersion.TLS1_2,
    maxVersion: ProtocolVersion.TLS1_3,
    cipherSuites: DEFAULT_CIPHER_SUITES.filter((id) => {
      const suite = cipherSuites.get(id);
      return suite !== undefined && provider.supportsAead(suite.aead);
    }),
    groups: provider.groups,
    signatureSchemes: DEFAULT_SIGNATURE_SCHEMES,
    alpn: [],
    keyLog: false,
    tickets: true,
    recordSizeLimit: 0,
    maxSendFragment: 16_384,
    recordPadding: 0,
    certificateCompressors: [],
    grease: false,
    sessionTimeoutSec: DEFAULT_SESSION_TIMEOUT_SEC,
    maxKeyingMaterialAgeSec: keyingMaterialAge(sessionTimeoutSec),
    extendedMasterSecret: true,
    requireExtendedMasterSecret: false,
    allowPskKe: false,
    compatibilityMode: true,
  };
}

type ClientOnly =
  | 'role'
  | 'serverName'
  | 'sendServerName'
  | 'port'
  | 'session'
  | 'noSessionReason'
  | 'tickets12'
  | 'ticketReuse'
  | 'trust'
  | 'clientAuth'
  | 'keyShareCount'
  | 'requestOcsp'
  | 'requestSct'
  | 'postHandshakeAuth'
  | 'earlyData'
  | 'holdEarlyData'
  | 'pskKeOnly'
  | 'externalPsk'
  | 'verifyOnResume'
  | 'verifyPeer'
  | 'fallbackScsv'
  | 'requireSecureRenegotiation'
  | 'allowUnknownAlpn'
  | 'enforceKeyUsage';

/** A client's configuration with everything that `options` leaves out. */
export function clientConfig(
  provider: CryptoProvider,
  options: Partial<Omit<ClientConfig, 'role' | 'provider'>>,
): ClientConfig {
  return {
    ...common(provider, options),
    role: 'client',
    serverName: null,
    sendServerName: true,
    port: 0,
    session: null,
    noSessionReason: 'no-session-saved',
    tickets12: true,
    ticketReuse: false,
    trust: NOTHING,
    clientAuth: NOTHING,
    keyShareCount: 1,
    requestOcsp: false,
    requestSct: false,
    postHandshakeAuth: false,
    earlyData: false,
    holdEarlyData: false,
    pskKeOnly: false,
    externalPsk: false,
    verifyOnResume: false,
    verifyPeer: true,
    fallbackScsv: false,
    requireSecureRenegotiation: true,
    allowUnknownAlpn: false,
    enforceKeyUsage: true,
    ...options,
  };
}

/** A server's configuration with everything that `options` leaves out. */
export function serverConfig(
  provider: CryptoProvider,
  options: Partial<Omit<ServerConfig, 'role' | 'provider'>>,
): ServerConfig {
  return {
    ...common(provider, options),
    role: 'server',
    credentials: [],
    selectByJob: false,
    clientCertificate: 'none',
    clientCertificateAuthorities: [],
    sessionIdContext: NOTHING,
    trust: NOTHING,
    clientAuth: NOTHING,
    preferServerCiphers: false,
    preferPskKe: false,
    ticketCount: 2,
    sessionIds: false,
    generateSessionId: null,
    statefulTickets: false,
    singleUseTickets: true,
    openEmptyTickets: false,
    maxEarlyData: 0,
    receiveMaxEarlyData: 16_384,
    skipMaxEarlyData: null,
    replayGuard: false,
    externalPsk: false,
    verifyOnResume: false,
    advertiseGroups: false,
    bindServerName: true,
    bindAlpn: false,
    cookies: null,
    ...options,
  };
}
