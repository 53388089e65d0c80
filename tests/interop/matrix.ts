/** What there is to combine: suites and groups by the names of each side, and kinds of keys. */
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { NamedGroup } from '../../src/util/registries.ts';
import type { KeyKind } from '../support/certs.ts';

export const SUITES_13 = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
] as const;

/** Those that each side speaks only when they are named. */
export const CCM_SUITES = ['TLS_AES_128_CCM_SHA256', 'TLS_AES_128_CCM_8_SHA256'] as const;

/** OpenSSL's names of TLS 1.2's suites, by what the certificate signs with. */
export const SUITES_12 = {
  ecdsa: ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  rsa: ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305'],
} as const;

export interface Group {
  /** As getEphemeralKeyInfo and ecdhCurve have it. */
  readonly name: string;
  readonly openssl: string;
  readonly gnutls: string;
}

export const CURVES: readonly Group[] = [
  { name: 'X25519', openssl: 'X25519', gnutls: 'GROUP-X25519' },
  { name: 'prime256v1', openssl: 'P-256', gnutls: 'GROUP-SECP256R1' },
  { name: 'secp384r1', openssl: 'P-384', gnutls: 'GROUP-SECP384R1' },
];

/** Whether this process can exchange keys by ML-KEM: on Node 24 and 26. */
export const hasMlKem: boolean = nodeProvider.groups.includes(NamedGroup.x25519mlkem768);

/** ECDSA P-256 and P-384, RSA-PSS by an RSA key, Ed25519. */
export const KEYS: readonly KeyKind[] = ['p256', 'p384', 'rsa2048', 'ed25519'];

export function authOf(kind: KeyKind): 'ecdsa' | 'rsa' {
  return kind === 'rsa2048' ? 'rsa' : 'ecdsa';
}

export const V13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
export const V12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
