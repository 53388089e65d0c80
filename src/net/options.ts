/** The words of node:tls's options, read into the engine's numbers. */
import { copyBytes } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import { cipherSuites, NamedGroup, ProtocolVersion, SignatureScheme } from '../util/registries.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

const VERSIONS: ReadonlyMap<string, number> = new Map([
  ['TLSv1', ProtocolVersion.TLS1_2],
  ['TLSv1.1', ProtocolVersion.TLS1_2],
  ['TLSv1.2', ProtocolVersion.TLS1_2],
  ['TLSv1.3', ProtocolVersion.TLS1_3],
]);

/** As a lower bound: what is older than TLS 1.2 becomes TLS 1.2. @throws {UsageError} for any other word. */
export function parseMinVersion(name: string): number {
  const version = VERSIONS.get(name);
  if (version === undefined) throw badVersion(name);
  return version;
}

/** @throws {UsageError} for what is not spoken here, as TLS 1.1. */
export function parseMaxVersion(name: string): number {
  if (name !== 'TLSv1.2' && name !== 'TLSv1.3') throw badVersion(name);
  return VERSIONS.get(name) as number;
}

function badVersion(name: string): UsageError {
  return new UsageError(
    'ERR_TLS_INVALID_PROTOCOL_VERSION',
    `${JSON.stringify(name)} is not a TLS protocol version that is spoken here: TLSv1.2, TLSv1.3`,
  );
}

export interface CipherChoice {
  readonly ids: readonly number[];
  readonly has12: boolean;
  readonly has13: boolean;
}

/**
 * An OpenSSL cipher list (ciphers(1)) over the suites that the engine speaks: names of either kind, DEFAULT,
 * ALL, HIGH, `!` and `-`. What names nothing that is spoken here is passed over, as OpenSSL does; as in
 * node:tls, TLS 1.3 is spoken only when the list names one of its suites.
 * @throws {UsageError} `ERR_SSL_NO_CIPHER_MATCH` when nothing is left.
 */
export function parseCiphers(list: string, available: readonly number[]): CipherChoice {
  let ids: number[] = [];
  const banned = new Set<number>();
  const of12 = available.filter((id) => cipherSuites.get(id)?.version === ProtocolVersion.TLS1_2);
  for (const word of list.split(/[:, ]+/)) {
    if (word === '' || word.startsWith('@')) continue;
    const sign = word.startsWith('!') || word.startsWith('-') || word.startsWith('+') ? word.charAt(0) : '';
    const chosen = select(sign === '' ? word : word.slice(1), available, of12);
    if (sign === '!') for (const id of chosen) banned.add(id);
    if (sign === '!' || sign === '-') ids = ids.filter((id) => !chosen.includes(id));
    else if (sign === '+')
      ids = [...ids.filter((id) => !chosen.includes(id)), ...ids.filter((id) => chosen.includes(id))];
    else for (const id of chosen) if (!ids.includes(id) && !banned.has(id)) ids.push(id);
  }
  if (ids.length === 0) {
    throw new UsageError(
      'ERR_SSL_NO_CIPHER_MATCH',
      `no cipher suite that is spoken here is in ${JSON.stringify(list)}`,
    );
  }
  const has13 = ids.some((id) => cipherSuites.get(id)?.version === ProtocolVersion.TLS1_3);
  const has12 = ids.some((id) => cipherSuites.get(id)?.version === ProtocolVersion.TLS1_2);
  return { ids, has12, has13 };
}

function select(word: string, available: readonly number[], of12: readonly number[]): readonly number[] {
  const named = available.filter((id) => {
    const suite = cipherSuites.get(id);
    return suite !== undefined && (suite.name === word || suite.opensslName === word);
  });
  if (named.length > 0) return named;
  // A word with `+` means all of its parts.
  return word.split('+').reduce<readonly number[]>((left, part) => left.filter(matcher(part)), of12);
}

function matcher(word: string): (id: number) => boolean {
  return (id) => {
    const suite = cipherSuites.get(id);
    if (suite === undefined) return false;
    switch (word) {
      case 'ALL':
      case 'DEFAULT':
      case 'COMPLEMENTOFDEFAULT':
      case 'HIGH':
      case 'TLSv1.2':
      case 'ECDH':
      case 'ECDHE':
      case 'EECDH':
      case 'kECDHE':
      case 'kEECDH':
      case 'AEAD':
        return word !== 'COMPLEMENTOFDEFAULT';
      case 'ECDSA':
      case 'aECDSA':
        return suite.auth === 'ecdsa';
      case 'RSA':
      case 'aRSA':
        return suite.auth === 'rsa';
      case 'AES':
      case 'AESGCM':
        return suite.aead !== 'chacha20-poly1305';
      case 'AES128':
        return suite.aead === 'aes-128-gcm';
      case 'AES256':
        return suite.aead === 'aes-256-gcm';
      case 'CHACHA20':
        return suite.aead === 'chacha20-poly1305';
      case 'SHA256':
        return suite.hash === 'sha256';
      case 'SHA384':
        return suite.hash === 'sha384';
      default:
        return false;
    }
  };
}

const GROUPS: ReadonlyMap<string, number> = new Map([
  ['x25519', NamedGroup.x25519],
  ['p-256', NamedGroup.secp256r1],
  ['prime256v1', NamedGroup.secp256r1],
  ['secp256r1', NamedGroup.secp256r1],
  ['p-384', NamedGroup.secp384r1],
  ['secp384r1', NamedGroup.secp384r1],
  ['p-521', NamedGroup.secp521r1],
  ['secp521r1', NamedGroup.secp521r1],
  ['x25519mlkem768', NamedGroup.x25519mlkem768],
]);

/** `auto` or names with colons between. @throws {UsageError} for a name that is not known or not there. */
export function parseGroups(list: string, available: readonly number[]): readonly number[] {
  if (list === 'auto') return available;
  return list.split(':').map((name) => {
    const group = GROUPS.get(name.toLowerCase());
    if (group === undefined || !available.includes(group)) {
      throw new UsageError(
        'ERR_CRYPTO_OPERATION_FAILED',
        `no key exchange group ${JSON.stringify(name)} here`,
      );
    }
    return group;
  });
}

const OLD_SCHEMES: ReadonlyMap<string, readonly number[]> = new Map([
  ['RSA+SHA256', [0x0401]],
  ['RSA+SHA384', [0x0501]],
  ['RSA+SHA512', [0x0601]],
  ['ECDSA+SHA256', [0x0403]],
  ['ECDSA+SHA384', [0x0503]],
  ['ECDSA+SHA512', [0x0603]],
  ['RSA-PSS+SHA256', [0x0804, 0x0809]],
  ['RSA-PSS+SHA384', [0x0805, 0x080a]],
  ['RSA-PSS+SHA512', [0x0806, 0x080b]],
  ['PSS+SHA256', [0x0804, 0x0809]],
  ['PSS+SHA384', [0x0805, 0x080a]],
  ['PSS+SHA512', [0x0806, 0x080b]],
]);

/** SSL_CTX_set1_sigalgs_list(3): names with colons between. @throws {UsageError} for a name not known. */
export function parseSignatureSchemes(list: string): readonly number[] {
  const schemes = list.split(':').flatMap((name) => {
    const known =
      OLD_SCHEMES.get(name.toUpperCase()) ??
      Object.entries(SignatureScheme)
        .filter(([key]) => key === name.toLowerCase())
        .map(([, scheme]) => scheme);
    if (known.length === 0) {
      throw new UsageError('ERR_CRYPTO_OPERATION_FAILED', `no signature scheme ${JSON.stringify(name)} here`);
    }
    return known;
  });
  return [...new Set(schemes)];
}

/** Names, or the wire form of one array. @throws {UsageError} for a name of 0 or over 255 bytes. */
export function parseAlpn(protocols: readonly (string | Uint8Array)[] | Uint8Array): readonly Uint8Array[] {
  if (protocols instanceof Uint8Array) {
    const names: Uint8Array[] = [];
    for (let at = 0; at < protocols.length; ) {
      const length = protocols[at] as number;
      const name = copyBytes(protocols.subarray(at + 1, at + 1 + length));
      if (length === 0 || name.length !== length) throw badAlpn();
      names.push(name);
      at += 1 + length;
    }
    return names;
  }
  return protocols.map((protocol) => {
    const name = typeof protocol === 'string' ? new TextEncoder().encode(protocol) : copyBytes(protocol);
    if (name.length === 0 || name.length > 255) throw badAlpn();
    return name;
  });
}

function badAlpn(): UsageError {
  return new UsageError('ERR_OUT_OF_RANGE', 'an ALPN protocol has 1 to 255 bytes');
}
