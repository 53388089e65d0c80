/** createSecureContext's options that are one value each: checked as node:tls checks them, and read. */
import { constants } from 'node:crypto';
import { UsageError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import { DEFAULT_MAX_VERSION, DEFAULT_MIN_VERSION } from './defaults.ts';
import {
  CodedTypeError,
  invalidArgType,
  invalidArgValue,
  requireBytes,
  requireInteger,
  requireObject,
  requireString,
  requireTextOrBytes,
} from './node-errors.ts';
import { parseMaxVersion, parseMinVersion } from './options.ts';
import type { SecureContextOptions } from './secure-context.ts';

const MAX_INT32 = 0x7fff_ffff;

/** @throws what node:tls throws for the same options. */
export function checkSecureContextOptions(options: SecureContextOptions): void {
  requireObject(options, 'options');
  const { ciphers, sigalgs, ecdhCurve, sessionIdContext, ticketKeys, sessionTimeout, dhparam } = options;
  if (ciphers != null) requireString(ciphers, 'options.ciphers');
  if (sigalgs != null) {
    requireString(sigalgs, 'options.sigalgs');
    if (sigalgs === '') throw invalidArgValue('options.sigalgs', sigalgs);
  }
  if (ecdhCurve !== undefined) requireString(ecdhCurve, 'options.ecdhCurve');
  if (dhparam != null) requireTextOrBytes(dhparam, 'options.dhparam');
  if (sessionIdContext != null && !(sessionIdContext instanceof Uint8Array)) {
    requireString(sessionIdContext, 'options.sessionIdContext');
  }
  checkEngines(options);
  if (ticketKeys != null) {
    requireBytes(ticketKeys, 'options.ticketKeys');
    if (ticketKeys.byteLength !== 48) {
      throw invalidArgValue('options.ticketKeys', ticketKeys.byteLength, 'must be exactly 48 bytes');
    }
  }
  if (sessionTimeout != null) requireInteger(sessionTimeout, 'options.sessionTimeout', 0, MAX_INT32);
}

/** OpenSSL's engines are not there: what asks for one is refused as by a Node without them. */
function checkEngines(options: SecureContextOptions): void {
  const { privateKeyIdentifier, privateKeyEngine, clientCertEngine } = options;
  const wrong = (name: string, value: unknown): CodedTypeError =>
    invalidArgType(name, 'of type string or one of null or undefined', value);
  if (privateKeyIdentifier != null) {
    if (privateKeyEngine == null) throw invalidArgValue('options.privateKeyEngine', privateKeyEngine);
    if (options.key) throw invalidArgValue('options.privateKeyIdentifier', privateKeyIdentifier);
    if (typeof privateKeyIdentifier !== 'string') {
      throw wrong('options.privateKeyIdentifier', privateKeyIdentifier);
    }
    if (typeof privateKeyEngine !== 'string') throw wrong('options.privateKeyEngine', privateKeyEngine);
    throw noEngines();
  }
  if (clientCertEngine == null) return;
  if (typeof clientCertEngine !== 'string') throw wrong('options.clientCertEngine', clientCertEngine);
  throw noEngines();
}

function noEngines(): UsageError {
  return new UsageError(
    'ERR_CRYPTO_CUSTOM_ENGINE_NOT_SUPPORTED',
    'Custom engines not supported by this OpenSSL: there is none beneath this library',
  );
}

/** What secureOptions decides beside versions. */
export interface SecureSettings {
  readonly versions: readonly number[];
  readonly tickets: boolean;
  readonly allowPskKe: boolean;
  readonly extendedMasterSecret: boolean;
  /** CIPHER_SERVER_PREFERENCE is set. */
  readonly serverOrder: boolean;
}

/** SSL_OP_NO_EXTENDED_MASTER_SECRET; node:crypto has no name for it. */
const NO_EXTENDED_MASTER_SECRET = 1;

/** Bits of SSL_CTX_set_options(3). @throws {CodedTypeError} or {CodedRangeError} for what is no whole number. */
export function readSecureOptions(bits: number | undefined): SecureSettings {
  const options = bits ?? 0;
  if (options !== 0)
    requireInteger(options, 'secureOptions', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const has = (bit: number): boolean => (options & bit) !== 0;
  return {
    versions: [
      ...(has(constants.SSL_OP_NO_TLSv1_2) ? [] : [ProtocolVersion.TLS1_2]),
      ...(has(constants.SSL_OP_NO_TLSv1_3) ? [] : [ProtocolVersion.TLS1_3]),
    ],
    tickets: !has(constants.SSL_OP_NO_TICKET),
    allowPskKe: has(constants.SSL_OP_ALLOW_NO_DHE_KEX),
    extendedMasterSecret: !has(NO_EXTENDED_MASTER_SECRET),
    serverOrder: has(constants.SSL_OP_CIPHER_SERVER_PREFERENCE),
  };
}

type Range = { readonly minVersion: number; readonly maxVersion: number };

/** @throws {CodedTypeError} for versions and methods that are not known, not spoken, or contradict each other. */
export function readVersions(options: SecureContextOptions, settings: SecureSettings): Range {
  const { secureProtocol } = options;
  let { minVersion, maxVersion } = secureProtocol
    ? methodRange(secureProtocol, options)
    : namedRange(options);
  const allowed = settings.versions.filter((version) => version >= minVersion && version <= maxVersion);
  // An empty range is told apart by its order: the caller knows what else may have emptied it.
  minVersion = allowed[0] ?? ProtocolVersion.TLS1_3;
  maxVersion = allowed.at(-1) ?? ProtocolVersion.TLS1_2;
  return { minVersion, maxVersion };
}

function namedRange(options: SecureContextOptions): Range {
  return {
    minVersion: parseMinVersion(options.minVersion ?? DEFAULT_MIN_VERSION),
    maxVersion: parseMaxVersion(options.maxVersion ?? DEFAULT_MAX_VERSION),
  };
}

function methodRange(method: string, options: SecureContextOptions): Range {
  for (const version of [options.minVersion, options.maxVersion]) {
    if (version != null) {
      throw new CodedTypeError(
        'ERR_TLS_PROTOCOL_VERSION_CONFLICT',
        `TLS protocol version ${JSON.stringify(version)} conflicts with secureProtocol ${JSON.stringify(method)}`,
      );
    }
  }
  requireString(method, 'secureProtocol');
  switch (method.replace(/_(client|server)_method$/, '_method')) {
    case 'TLS_method':
      return { minVersion: ProtocolVersion.TLS1_2, maxVersion: ProtocolVersion.TLS1_3 };
    case 'SSLv23_method':
    case 'TLSv1_2_method':
      return { minVersion: ProtocolVersion.TLS1_2, maxVersion: ProtocolVersion.TLS1_2 };
    case 'TLSv1_method':
    case 'TLSv1_1_method':
    case 'SSLv2_method':
    case 'SSLv3_method':
      throw new CodedTypeError(
        'ERR_TLS_INVALID_PROTOCOL_METHOD',
        `${method.replace(/_.*/, '')} methods disabled: TLS 1.2 and 1.3 are spoken here`,
      );
    default:
      throw new CodedTypeError('ERR_TLS_INVALID_PROTOCOL_METHOD', `Unknown method: ${method}`);
  }
}
