/**
 * The names of numbers, from IANA's "TLS Parameters" registries and, for the names that OpenSSL prints,
 * from its manual. Only what a goal of the project can meet on the wire or in a file.
 */

/** ProtocolVersion (RFC 8446, 4.1.2 and 4.2.1). */
export const ProtocolVersion = {
  SSL3: 0x0300,
  TLS1_0: 0x0301,
  TLS1_1: 0x0302,
  TLS1_2: 0x0303,
  TLS1_3: 0x0304,
  DTLS1_0: 0xfeff,
  DTLS1_2: 0xfefd,
  DTLS1_BAD: 0x0100,
} as const;

const VERSION_NAMES: ReadonlyMap<number, string> = new Map([
  [0x0300, 'SSLv3'],
  [0x0301, 'TLSv1'],
  [0x0302, 'TLSv1.1'],
  [0x0303, 'TLSv1.2'],
  [0x0304, 'TLSv1.3'],
  [0x0100, 'DTLSv0.9'],
  [0xfeff, 'DTLSv1'],
  [0xfefd, 'DTLSv1.2'],
]);

/** What OpenSSL and node:tls call a version: `TLSv1.3`; `unknown` for any other number. */
export function versionName(version: number): string {
  return VERSION_NAMES.get(version) ?? 'unknown';
}

export type HashName = 'sha1' | 'sha256' | 'sha384' | 'sha512';
export type AeadName =
  | 'aes-128-gcm'
  | 'aes-256-gcm'
  | 'chacha20-poly1305'
  | 'aes-128-ccm'
  /** AES-CCM with a tag of 8 bytes (RFC 6655, 4). */
  | 'aes-128-ccm-8';

/** Bytes of a key. */
export function aeadKeyLength(aead: AeadName): number {
  return aead === 'aes-256-gcm' || aead === 'chacha20-poly1305' ? 32 : 16;
}

/** Bytes of a tag. */
export function aeadTagLength(aead: AeadName): number {
  return aead === 'aes-128-ccm-8' ? 8 : 16;
}

/** A cipher suite that the engine negotiates. */
export interface CipherSuite {
  readonly id: number;
  /** IANA's name. */
  readonly name: string;
  /** OpenSSL's name, as `SSL_SESSION_print` and `getCipher()` give it. */
  readonly opensslName: string;
  /** The only protocol version it belongs to. */
  readonly version: 0x0303 | 0x0304;
  readonly aead: AeadName;
  readonly hash: 'sha256' | 'sha384';
  /** What the certificate's key signs with; null in TLS 1.3, where the suite does not say. */
  readonly auth: 'ecdsa' | 'rsa' | null;
}

function suite(
  id: number,
  name: string,
  opensslName: string,
  version: 0x0303 | 0x0304,
  aead: AeadName,
  hash: 'sha256' | 'sha384',
  auth: 'ecdsa' | 'rsa' | null,
): [number, CipherSuite] {
  return [id, Object.freeze({ id, name, opensslName, version, aead, hash, auth })];
}

export const TLS_AES_128_GCM_SHA256 = 0x1301;
export const TLS_AES_256_GCM_SHA384 = 0x1302;
export const TLS_CHACHA20_POLY1305_SHA256 = 0x1303;

/** The suites that the engine speaks (RFC 8446 B.4; RFC 5289; RFC 7905). */
export const cipherSuites: ReadonlyMap<number, CipherSuite> = new Map([
  suite(0x1301, 'TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256', 0x0304, 'aes-128-gcm', 'sha256', null),
  suite(0x1302, 'TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384', 0x0304, 'aes-256-gcm', 'sha384', null),
  suite(
    0x1303,
    'TLS_CHACHA20_POLY1305_SHA256',
    'TLS_CHACHA20_POLY1305_SHA256',
    0x0304,
    'chacha20-poly1305',
    'sha256',
    null,
  ),
  suite(0x1304, 'TLS_AES_128_CCM_SHA256', 'TLS_AES_128_CCM_SHA256', 0x0304, 'aes-128-ccm', 'sha256', null),
  suite(
    0x1305,
    'TLS_AES_128_CCM_8_SHA256',
    'TLS_AES_128_CCM_8_SHA256',
    0x0304,
    'aes-128-ccm-8',
    'sha256',
    null,
  ),
  suite(
    0xc02b,
    'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    0x0303,
    'aes-128-gcm',
    'sha256',
    'ecdsa',
  ),
  suite(
    0xc02c,
    'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    0x0303,
    'aes-256-gcm',
    'sha384',
    'ecdsa',
  ),
  suite(
    0xc02f,
    'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    0x0303,
    'aes-128-gcm',
    'sha256',
    'rsa',
  ),
  suite(
    0xc030,
    'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    0x0303,
    'aes-256-gcm',
    'sha384',
    'rsa',
  ),
  suite(
    0xcca8,
    'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
    'ECDHE-RSA-CHACHA20-POLY1305',
    0x0303,
    'chacha20-poly1305',
    'sha256',
    'rsa',
  ),
  suite(
    0xcca9,
    'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
    0x0303,
    'chacha20-poly1305',
    'sha256',
    'ecdsa',
  ),
]);

/**
 * Those that are offered and taken where nobody names any, in order of preference: TLS 1.3 first, and those
 * without a hardware-friendly cipher last, as OpenSSL has it. AES-CCM is for those who ask for it.
 */
export const DEFAULT_CIPHER_SUITES: readonly number[] = Object.freeze([
  0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc02b, 0xc02f,
]);

/** NamedGroup (RFC 8446, 4.2.7; draft-ietf-tls-ecdhe-mlkem for 0x11ec). */
export const NamedGroup = {
  secp256r1: 0x0017,
  secp384r1: 0x0018,
  secp521r1: 0x0019,
  x25519: 0x001d,
  x25519mlkem768: 0x11ec,
} as const;

const GROUP_NAMES: ReadonlyMap<number, string> = new Map([
  [0x0017, 'P-256'],
  [0x0018, 'P-384'],
  [0x0019, 'P-521'],
  [0x001d, 'X25519'],
  [0x11ec, 'X25519MLKEM768'],
]);

export function groupName(group: number): string {
  return GROUP_NAMES.get(group) ?? `0x${group.toString(16).padStart(4, '0')}`;
}

/** SignatureScheme (RFC 8446, 4.2.3). */
export const SignatureScheme = {
  rsa_pkcs1_sha1: 0x0201,
  ecdsa_sha1: 0x0203,
  rsa_pkcs1_sha256: 0x0401,
  ecdsa_secp256r1_sha256: 0x0403,
  rsa_pkcs1_sha384: 0x0501,
  ecdsa_secp384r1_sha384: 0x0503,
  rsa_pkcs1_sha512: 0x0601,
  ecdsa_secp521r1_sha512: 0x0603,
  rsa_pss_rsae_sha256: 0x0804,
  rsa_pss_rsae_sha384: 0x0805,
  rsa_pss_rsae_sha512: 0x0806,
  ed25519: 0x0807,
  ed448: 0x0808,
  rsa_pss_pss_sha256: 0x0809,
  rsa_pss_pss_sha384: 0x080a,
  rsa_pss_pss_sha512: 0x080b,
} as const;

const SCHEME_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(SignatureScheme).map(([name, value]) => [value, name]),
);

export function signatureSchemeName(scheme: number): string {
  return SCHEME_NAMES.get(scheme) ?? `0x${scheme.toString(16).padStart(4, '0')}`;
}

/** AlertDescription (RFC 8446, 6; RFC 5246, 7.2; RFC 7507; RFC 7301; RFC 8740 does not apply). */
export const Alert = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  decompression_failure: 30,
  handshake_failure: 40,
  bad_certificate: 42,
  unsupported_certificate: 43,
  certificate_revoked: 44,
  certificate_expired: 45,
  certificate_unknown: 46,
  illegal_parameter: 47,
  unknown_ca: 48,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  no_renegotiation: 100,
  missing_extension: 109,
  unsupported_extension: 110,
  certificate_unobtainable: 111,
  unrecognized_name: 112,
  bad_certificate_status_response: 113,
  unknown_psk_identity: 115,
  certificate_required: 116,
  no_application_protocol: 120,
} as const;
export type AlertName = keyof typeof Alert;

const ALERT_NAMES: ReadonlyMap<number, AlertName> = new Map(
  (Object.entries(Alert) as [AlertName, number][]).map(([name, value]) => [value, name]),
);

export function alertName(description: number): string {
  return ALERT_NAMES.get(description) ?? `alert ${description}`;
}
