/** The words of node:tls's options, read into the engine's numbers. */
import { createSecureContext } from 'node:tls';
import type { CryptoProvider } from '../crypto/provider.ts';
import { copyBytes } from '../util/bytes.ts';
import { UsageError } from '../util/errors.ts';
import {
  cipherSuites,
  DEFAULT_CIPHER_SUITES,
  NamedGroup,
  ProtocolVersion,
  SignatureScheme,
} from '../util/registries.ts';
import { CodedRangeError, CodedTypeError, invalidArgValue } from './node-errors.ts';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

const VERSIONS: ReadonlyMap<string, number> = new Map([
  ['TLSv1', ProtocolVersion.TLS1_2],
  ['TLSv1.1', ProtocolVersion.TLS1_2],
  ['TLSv1.2', ProtocolVersion.TLS1_2],
  ['TLSv1.3', ProtocolVersion.TLS1_3],
]);

/** As a lower bound: what is older than TLS 1.2 becomes TLS 1.2. @throws {CodedTypeError} for any other word. */
export function parseMinVersion(name: string): number {
  const version = VERSIONS.get(name);
  if (version === undefined) throw badVersion(name, 'minimum');
  return version;
}

/** @throws {CodedTypeError} for what is not spoken here, as TLS 1.1. */
export function parseMaxVersion(name: string): number {
  if (name !== 'TLSv1.2' && name !== 'TLSv1.3') throw badVersion(name, 'maximum');
  return VERSIONS.get(name) as number;
}

function badVersion(name: string, which: 'minimum' | 'maximum'): CodedTypeError {
  return new CodedTypeError(
    'ERR_TLS_INVALID_PROTOCOL_VERSION',
    `${JSON.stringify(name)} is not a valid ${which} TLS protocol version`,
  );
}

/** What is spoken with `provider`: the default ones in their order, then those that have to be named. */
export function spokenSuites(provider: CryptoProvider): number[] {
  return [...new Set([...DEFAULT_CIPHER_SUITES, ...cipherSuites.keys()])].filter((id) => {
    const suite = cipherSuites.get(id);
    return suite !== undefined && provider.supportsAead(suite.aead);
  });
}

export interface CipherChoice {
  readonly ids: readonly number[];
  readonly has12: boolean;
  readonly has13: boolean;
}

/**
 * An OpenSSL cipher list (ciphers(1)) over the suites that the engine speaks: names of either kind, DEFAULT,
 * ALL, HIGH, `!` and `-`. What names nothing that is spoken here is passed over, as OpenSSL does. As in
 * node:tls, the names of TLS 1.3 suites choose among those and the rest chooses among TLS 1.2's: a list with
 * none of the former leaves TLS 1.3 as it is, one with nothing else leaves out TLS 1.2.
 * @throws {UsageError} `ERR_SSL_NO_CIPHER_MATCH` for a list in which OpenSSL would find nothing either, or of
 * which nothing is left.
 */
export function parseCiphers(list: string, available: readonly number[]): CipherChoice {
  const words = list.split(/[:, ]+/).filter((word) => word !== '' && !word.startsWith('@'));
  const of13 = words.filter((word) => is13(word));
  const of12 = words.filter((word) => !is13(word));
  const suites13 = available.filter((id) => cipherSuites.get(id)?.version === ProtocolVersion.TLS1_3);
  const suites12 = available.filter((id) => cipherSuites.get(id)?.version === ProtocolVersion.TLS1_2);
  if (words.length === 0) throw invalidArgValue('options.ciphers', list.split(':'));
  const ids13 =
    of13.length === 0 ? suites13.filter((id) => DEFAULT_CIPHER_SUITES.includes(id)) : choose(of13, suites13);
  const ids12 = choose(of12, suites12);
  if (of13.length > 0 && ids13.length === 0) throw noMatch(list);
  if (of12.length > 0 && ids12.length === 0) {
    // Suites that OpenSSL has and this engine has not leave TLS 1.3; what nobody has is a mistake.
    try {
      createSecureContext({ ciphers: list });
    } catch {
      throw noMatch(list);
    }
  }
  return { ids: [...ids13, ...ids12], has12: ids12.length > 0, has13: ids13.length > 0 };
}

/** Whether a word is about the suites of TLS 1.3, which OpenSSL's lists name in full alone. */
function is13(word: string): boolean {
  return /^[!+-]?TLS_(?!.*_WITH_)/.test(word);
}

function noMatch(list: string): UsageError {
  return new UsageError(
    'ERR_SSL_NO_CIPHER_MATCH',
    `no cipher match: no cipher suite that is spoken here is in ${JSON.stringify(list)}`,
  );
}

function choose(words: readonly string[], available: readonly number[]): readonly number[] {
  let ids: number[] = [];
  const banned = new Set<number>();
  for (const word of words) {
    const sign = word.startsWith('!') || word.startsWith('-') || word.startsWith('+') ? word.charAt(0) : '';
    const chosen = select(sign === '' ? word : word.slice(1), available);
    if (sign === '!') for (const id of chosen) banned.add(id);
    if (sign === '!' || sign === '-') ids = ids.filter((id) => !chosen.includes(id));
    else if (sign === '+')
      ids = [...ids.filter((id) => !chosen.includes(id)), ...ids.filter((id) => chosen.includes(id))];
    else for (const id of chosen) if (!ids.includes(id) && !banned.has(id)) ids.push(id);
  }
  return ids;
}

function select(word: string, available: readonly number[]): readonly number[] {
  const named = available.filter((id) => {
    const suite = cipherSuites.get(id);
    return suite !== undefined && (suite.name === word || suite.opensslName === word);
  });
  if (named.length > 0) return named;
  // A word with `+` means all of its parts.
  return word.split('+').reduce<readonly number[]>((left, part) => left.filter(matcher(part)), available);
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

const NO_ML_KEM =
  'node:crypto has ML-KEM from Node 24.7 on; before that, `provider: withNobleMlKem(nodeProvider, ml_kem768)` takes it ' +
  'from the package @noble/post-quantum';

/** `auto` or names with colons between. @throws {UsageError} for a name that is not known or not there. */
export function parseGroups(list: string, available: readonly number[]): readonly number[] {
  if (list === 'auto') return available;
  return list.split(':').map((name) => {
    const group = GROUPS.get(name.toLowerCase());
    if (group === undefined || !available.includes(group)) {
      const why = group === NamedGroup.x25519mlkem768 ? `: ${NO_ML_KEM}` : '';
      throw new UsageError(
        'ERR_CRYPTO_OPERATION_FAILED',
        `no key exchange group ${JSON.stringify(name)} here${why}`,
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

/**
 * The wire form of names, or of an array that has it already; null for neither, which node:tls passes over.
 * @throws {CodedTypeError} or {CodedRangeError} for a name of 0 or over 255 bytes, and for bytes that break off.
 */
export function encodeAlpn(
  protocols: readonly (string | Uint8Array)[] | NodeJS.ArrayBufferView,
): Buffer | null {
  if (ArrayBuffer.isView(protocols)) {
    const bytes = Buffer.from(new Uint8Array(protocols.buffer, protocols.byteOffset, protocols.byteLength));
    for (let at = 0; at < bytes.length; ) {
      const length = bytes[at] as number;
      if (length === 0)
        throw invalidArgValue('ALPNProtocols', bytes, 'must not contain zero-length protocol');
      if (at + 1 + length > bytes.length) {
        throw invalidArgValue('ALPNProtocols', bytes, 'contains truncated protocol');
      }
      at += 1 + length;
    }
    return bytes;
  }
  if (!Array.isArray(protocols)) return null;
  return Buffer.concat(
    protocols.map((protocol: string | Uint8Array, i) => {
      const name = Buffer.from(protocol as Uint8Array);
      if (name.length === 0) throw invalidArgValue(`protocols[${i}]`, protocol, 'must be a non-empty string');
      if (name.length > 255) {
        throw new CodedRangeError(
          'ERR_OUT_OF_RANGE',
          `The byte length of the protocol at index ${i} exceeds the maximum length. It must be <= 255. Received ${name.length}`,
        );
      }
      return Buffer.concat([Buffer.of(name.length), name]);
    }),
  );
}

/** The names of the option `ALPNProtocols`. @throws as encodeAlpn() does. */
export function parseAlpn(
  protocols: readonly (string | Uint8Array)[] | NodeJS.ArrayBufferView,
): Uint8Array[] {
  const bytes = encodeAlpn(protocols) ?? Buffer.alloc(0);
  const names: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + (bytes[at] as number);
    names.push(copyBytes(bytes.subarray(at + 1, end)));
    at = end;
  }
  return names;
}
