/** The runner's flags in the engine's words. */
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type { ClientConfig, ServerConfig } from '../../src/handshake/config.ts';
import type { SessionCore } from '../../src/session/core.ts';
import { EMPTY, utf8 } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { DEFAULT_LIMITS } from '../../src/util/limits.ts';
import { cipherSuites, NamedGroup, ProtocolVersion, SignatureScheme } from '../../src/util/registries.ts';
import { compressorsOf, loadCredential } from './credentials.ts';
import { type ShimConfig, Unimplemented } from './flags.ts';

/** What BoringSSL takes of early data; the runner sends one byte more to see it refused. */
const MAX_EARLY_DATA = 14_336;
const SESSION_ID_CONTEXT = utf8('bogo');

/** What BoringSSL offers when nothing else is said: the runner's tests of defaults expect no Ed25519. */
const DEFAULT_VERIFY: readonly number[] = [
  SignatureScheme.ecdsa_secp256r1_sha256,
  SignatureScheme.rsa_pss_rsae_sha256,
  SignatureScheme.rsa_pkcs1_sha256,
  SignatureScheme.ecdsa_secp384r1_sha384,
  SignatureScheme.rsa_pss_rsae_sha384,
  SignatureScheme.rsa_pkcs1_sha384,
  SignatureScheme.rsa_pss_rsae_sha512,
  SignatureScheme.rsa_pkcs1_sha512,
];
const DEFAULT_GROUPS: readonly number[] = [NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1];
const GROUPS: ReadonlySet<number> = new Set([...DEFAULT_GROUPS, NamedGroup.secp521r1]);
/** AES first, as BoringSSL has it on a machine with AES instructions. */
const DEFAULT_CIPHERS: readonly number[] = [
  0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
];

function versionsOf(config: ShimConfig): { minVersion: number; maxVersion: number } {
  const excluded = new Map<number, boolean>([
    [ProtocolVersion.TLS1_0, config['no-tls1']],
    [ProtocolVersion.TLS1_1, config['no-tls11']],
    [ProtocolVersion.TLS1_2, config['no-tls12']],
    [ProtocolVersion.TLS1_3, config['no-tls13']],
  ]);
  const min = config['min-version'] ?? 0;
  const max = config['max-version'] ?? 0xffff;
  const enabled = [...excluded].flatMap(([version, no]) =>
    no || version < min || version > max ? [] : [version],
  );
  const spoken = enabled.filter((version) => version >= ProtocolVersion.TLS1_2);
  if (spoken.length === 0 && enabled.length > 0) {
    throw new Unimplemented(`-max-version ${max}`, 'TLS 1.0 and 1.1 are not goals');
  }
  // None at all is a setting that the engine must refuse, and not the shim.
  return { minVersion: Math.min(...spoken, 0xffff), maxVersion: Math.max(...spoken, 0) };
}

/** As much of BoringSSL's cipher strings as the tests in reach use. */
function ciphersOf(config: ShimConfig): readonly number[] {
  const text = config.cipher;
  if (text === null || text.startsWith('DEFAULT:NULL-')) return DEFAULT_CIPHERS;
  const suites = DEFAULT_CIPHERS.map((id) => cipherSuites.get(id)).filter((suite) => suite !== undefined);
  if (text === 'AES128') {
    return suites.filter((suite) => suite.aead === 'aes-128-gcm').map((suite) => suite.id);
  }
  if (text === 'DEFAULT:!AES') {
    return suites.filter((suite) => suite.aead === 'chacha20-poly1305').map((suite) => suite.id);
  }
  throw new Unimplemented(`-cipher ${text}`, 'an unknown cipher string');
}

function groupsOf(config: ShimConfig): readonly number[] {
  if (config.curves.length === 0) return DEFAULT_GROUPS;
  for (const curve of config.curves) {
    if (!GROUPS.has(curve)) throw new Unimplemented(`-curves ${curve}`, 'a group that is not a goal');
  }
  return config.curves;
}

/** A list of protocols in the form of the extension: each behind its length. */
export function readProtocols(list: string): Uint8Array[] {
  const bytes = Buffer.from(list, 'latin1');
  const protocols: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 1 + (bytes[at] as number)) {
    protocols.push(new Uint8Array(bytes.subarray(at + 1, at + 1 + (bytes[at] as number))));
  }
  return protocols;
}

/** What both roles are told. */
type CommonConfig = Pick<ClientConfig, Extract<keyof ClientConfig, Exclude<keyof ServerConfig, 'role'>>>;

function common(config: ShimConfig, clock: Clock): CommonConfig {
  if (config['permute-extensions']) {
    throw new Unimplemented('-permute-extensions', "BoringSSL's API");
  }
  return {
    provider: nodeProvider,
    clock,
    random: nodeProvider.random,
    limits: {
      ...DEFAULT_LIMITS,
      certificateMessageBytes: config['max-cert-list'] ?? DEFAULT_LIMITS.certificateMessageBytes,
      // BoringSSL counts only bytes.
      chainCertificates: 100,
      skippedEarlyDataBytes: MAX_EARLY_DATA,
    },
    ...versionsOf(config),
    cipherSuites: ciphersOf(config),
    groups: groupsOf(config),
    signatureSchemes: config['verify-prefs'].length > 0 ? config['verify-prefs'] : DEFAULT_VERIFY,
    alpn: [],
    keyLog: config['export-traffic-secrets'],
    tickets: !config['no-ticket'],
    recordSizeLimit: 0,
    maxSendFragment: config['max-send-fragment'] ?? 16_384,
    recordPadding: 0,
    certificateCompressors: compressorsOf(config),
    grease: config['enable-grease'],
    sessionTimeoutSec: 7200,
    maxKeyingMaterialAgeSec: 604_800,
    extendedMasterSecret: true,
    requireExtendedMasterSecret: false,
    allowPskKe: false,
    compatibilityMode: true,
    verifyOnResume: config['reverify-on-resume'],
    externalPsk: false,
    trust: EMPTY,
    // How much of a certificate is kept is part of the policy: a session that was made under another is none.
    clientAuth: config['retain-only-sha256-client-cert'] ? utf8('fingerprint') : EMPTY,
  };
}

export function clientConfig(config: ShimConfig, clock: Clock, session: SessionCore | null): ClientConfig {
  const hostName = config['host-name'];
  const alpn = config['advertise-alpn'];
  return {
    ...common(config, clock),
    role: 'client',
    serverName: hostName,
    sendServerName: hostName !== null,
    port: 0,
    session,
    // Which sessions are used once is BoringSSL's caller's to decide.
    tickets12: true,
    ticketReuse: true,
    noSessionReason: 'no-session-saved',
    keyShareCount: 1,
    alpn: alpn === null ? [] : readProtocols(alpn),
    requestOcsp: config['enable-ocsp-stapling'],
    requestSct: config['enable-signed-cert-timestamps'],
    postHandshakeAuth: false,
    earlyData: config['enable-early-data'],
    holdEarlyData: false,
    pskKeOnly: false,
    verifyPeer: config['verify-peer'],
    fallbackScsv: config['fallback-scsv'],
    // BoringSSL's own client takes servers without the extension.
    requireSecureRenegotiation: false,
    allowUnknownAlpn: config['allow-unknown-alpn-protos'],
    enforceKeyUsage: config['enforce-rsa-key-usage'],
  };
}

export function serverConfig(config: ShimConfig, clock: Clock): ServerConfig {
  const credential = loadCredential(config, config['ocsp-response']);
  const earlyData = config['enable-early-data'] ? MAX_EARLY_DATA : 0;
  return {
    ...common(config, clock),
    role: 'server',
    // BoringSSL's servers always put GREASE into tickets, and the runner looks for it.
    grease: true,
    credentials: credential === null ? [] : [credential],
    selectByJob: true,
    clientCertificate: config['require-any-client-certificate']
      ? 'require'
      : config['verify-peer']
        ? 'request'
        : 'none',
    clientCertificateAuthorities: authoritiesOf(config['use-client-ca-list']),
    sessionIdContext: SESSION_ID_CONTEXT,
    preferServerCiphers: config['server-preference'] || config.cipher !== null,
    ticketCount: 2,
    sessionIds: true,
    statefulTickets: false,
    singleUseTickets: true,
    openEmptyTickets: false,
    preferPskKe: false,
    cookies: null,
    maxEarlyData: earlyData,
    receiveMaxEarlyData: earlyData,
    skipMaxEarlyData: null,
    replayGuard: config['enable-early-data'],
    generateSessionId: null,
    advertiseGroups: false,
    bindServerName: false,
    bindAlpn: false,
  };
}

/** Hexadecimal names with commas between them; `<NULL>` and `<EMPTY>` are two ways to say none. */
export function authoritiesOf(list: string | null): Uint8Array[] {
  if (list === null || list.startsWith('<')) return [];
  return list.split(',').map((name) => new Uint8Array(Buffer.from(name, 'hex')));
}
