/** What a ClientHello asks for, read once and checked as far as one message alone can be. */
import { TlsAlertError } from '../../util/errors.ts';
import { cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import { readAlpnOffer } from '../../wire/extension/alpn.ts';
import { type KeyShareEntry, readClientKeyShares } from '../../wire/extension/key-share.ts';
import { checkPointFormats, readU8List, readU16List8 } from '../../wire/extension/lists.ts';
import { type OfferedPsks, readOfferedPsks } from '../../wire/extension/pre-shared-key.ts';
import { readServerName } from '../../wire/extension/server-name.ts';
import { readRecordSizeLimit, readRenegotiationInfo, readStatusRequest } from '../../wire/extension/small.ts';
import { expectEmpty } from '../../wire/extensions.ts';
import { type ClientHello, readClientHello } from '../../wire/message/client-hello.ts';
import { ExtensionType, PskMode } from '../../wire/numbers.ts';
import { readU16List } from '../../wire/reader.ts';
import type { ServerConfig } from '../config.ts';

/** TLS_FALLBACK_SCSV (RFC 7507) and TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746). */
const FALLBACK_SCSV = 0x5600;
const RENEGOTIATION_SCSV = 0x00ff;

/** A hello with its extensions decoded. Everything in it is a copy or a number. */
export interface ClientRequest {
  readonly hello: ClientHello;
  /** The message with its header; a copy. */
  readonly message: Uint8Array;
  readonly version: number;
  readonly offeredVersions: readonly number[];
  readonly serverName: string | null;
  readonly alpn: readonly Uint8Array[] | null;
  readonly groups: readonly number[] | null;
  readonly signatureSchemes: readonly number[] | null;
  readonly keyShares: readonly KeyShareEntry[] | null;
  readonly pskModes: { readonly dhe: boolean; readonly plain: boolean } | null;
  readonly psks: OfferedPsks | null;
  readonly earlyData: boolean;
  readonly wantsOcsp: boolean;
  readonly wantsSct: boolean;
  /** CertificateCompressionAlgorithm ids. */
  readonly compression: readonly number[];
  readonly recordSizeLimit: number | null;
  /** TLS 1.2's ticket: empty to ask for one, null when the extension is not there. */
  readonly ticket: Uint8Array | null;
  /** The client offers it, and it is spoken here. */
  readonly extendedMasterSecret: boolean;
  readonly secureRenegotiation: boolean;
}

export function readRequest(message: Uint8Array, config: ServerConfig): ClientRequest {
  // A copy: jobs may take long, and the input is only borrowed.
  const copy = message.slice();
  const hello = readClientHello(copy.subarray(4));
  const { extensions } = hello;
  const offeredVersions = versionsOf(hello);
  const version = chooseVersion(offeredVersions, config);
  if (hello.cipherSuites.includes(FALLBACK_SCSV) && version < config.maxVersion) {
    throw TlsAlertError.local('inappropriate-fallback');
  }
  const methods = hello.compressionMethods;
  if (version === ProtocolVersion.TLS1_3 ? methods.length !== 1 || methods[0] !== 0 : !methods.includes(0)) {
    throw TlsAlertError.local('wrong-compression');
  }
  const name = extensions.get(ExtensionType.server_name);
  const alpn = extensions.get(ExtensionType.application_layer_protocol_negotiation);
  const groups = extensions.get(ExtensionType.supported_groups);
  const schemes = extensions.get(ExtensionType.signature_algorithms);
  const pointFormats = extensions.get(ExtensionType.ec_point_formats);
  const status = extensions.get(ExtensionType.status_request);
  const limit = extensions.get(ExtensionType.record_size_limit);
  const sct = extensions.get(ExtensionType.signed_certificate_timestamp);
  const compression = extensions.get(ExtensionType.compress_certificate);
  if (sct !== undefined) expectEmpty(sct, ExtensionType.signed_certificate_timestamp);
  if (pointFormats !== undefined && version === ProtocolVersion.TLS1_2) checkPointFormats(pointFormats);
  const common = {
    hello,
    message: copy,
    version,
    offeredVersions,
    serverName: name === undefined ? null : readServerName(name),
    alpn: alpn === undefined ? null : readAlpnOffer(alpn),
    groups: groups === undefined ? null : readU16List(groups),
    signatureSchemes: schemes === undefined ? null : readU16List(schemes),
    wantsOcsp: status !== undefined && readStatusRequest(status),
    wantsSct: sct !== undefined,
    // Checked whatever the version; only TLS 1.3 compresses.
    compression: compression === undefined ? [] : readCompression(compression),
    recordSizeLimit: limit === undefined ? null : readRecordSizeLimit(limit),
  };
  return version === ProtocolVersion.TLS1_3
    ? { ...common, ...read13(hello, copy), ...NOT_12 }
    : { ...common, ...NOT_13, ...read12(hello, config) };
}

const NOT_13 = { keyShares: null, pskModes: null, psks: null, earlyData: false } as const;
const NOT_12 = { ticket: null, extendedMasterSecret: false, secureRenegotiation: false } as const;

function read13(
  hello: ClientHello,
  message: Uint8Array,
): Pick<ClientRequest, 'keyShares' | 'pskModes' | 'psks' | 'earlyData'> {
  const { extensions } = hello;
  const shares = extensions.get(ExtensionType.key_share);
  const modes = extensions.get(ExtensionType.psk_key_exchange_modes);
  const psk = extensions.get(ExtensionType.pre_shared_key);
  const early = extensions.get(ExtensionType.early_data);
  if (early !== undefined) expectEmpty(early, ExtensionType.early_data);
  let psks: OfferedPsks | null = null;
  if (psk !== undefined) {
    // Last, since the binders cover everything before them (RFC 8446, 4.2.11).
    if (extensions.last !== ExtensionType.pre_shared_key) {
      throw TlsAlertError.local('illegal-parameter', 'pre_shared_key is not the last extension');
    }
    if (modes === undefined) throw TlsAlertError.local('missing-extension', 'psk_key_exchange_modes');
    psks = readOfferedPsks(psk);
    if (psks.bindersLength > message.length) throw TlsAlertError.local('decode-error');
  }
  const modeList = modes === undefined ? null : readU8List(modes);
  return {
    keyShares: shares === undefined ? null : readClientKeyShares(shares),
    pskModes:
      modeList === null
        ? null
        : { dhe: modeList.includes(PskMode.psk_dhe_ke), plain: modeList.includes(PskMode.psk_ke) },
    psks,
    earlyData: early !== undefined,
  };
}

function readCompression(body: Uint8Array): number[] {
  const ids = readU16List8(body);
  if (new Set(ids).size !== ids.length) {
    throw TlsAlertError.local('illegal-parameter', 'a certificate compression that is named twice');
  }
  return ids;
}

function read12(
  hello: ClientHello,
  config: ServerConfig,
): Pick<ClientRequest, 'ticket' | 'extendedMasterSecret' | 'secureRenegotiation'> {
  const { extensions } = hello;
  const ems = extensions.get(ExtensionType.extended_master_secret);
  if (ems !== undefined) expectEmpty(ems, ExtensionType.extended_master_secret);
  const renegotiation = extensions.get(ExtensionType.renegotiation_info);
  // A first handshake has nothing to renegotiate (RFC 5746, 3.6).
  if (renegotiation !== undefined && readRenegotiationInfo(renegotiation).length !== 0) {
    throw TlsAlertError.local('renegotiation-info');
  }
  return {
    ticket: extensions.get(ExtensionType.session_ticket) ?? null,
    extendedMasterSecret: ems !== undefined && config.extendedMasterSecret,
    secureRenegotiation: renegotiation !== undefined || hello.cipherSuites.includes(RENEGOTIATION_SCSV),
  };
}

function versionsOf(hello: ClientHello): readonly number[] {
  const body = hello.extensions.get(ExtensionType.supported_versions);
  if (body !== undefined) return readU16List8(body);
  // Without the extension the version field says the highest (RFC 8446, 4.2.1), never TLS 1.3.
  // A version that is not known yet is answered with the highest that is (RFC 5246, E.1).
  if (hello.legacyVersion < ProtocolVersion.SSL3) return [];
  return hello.legacyVersion >= ProtocolVersion.TLS1_2 ? [ProtocolVersion.TLS1_2] : [hello.legacyVersion];
}

function chooseVersion(offered: readonly number[], config: ServerConfig): number {
  for (const version of [ProtocolVersion.TLS1_3, ProtocolVersion.TLS1_2]) {
    if (version <= config.maxVersion && version >= config.minVersion && offered.includes(version)) {
      return version;
    }
  }
  throw TlsAlertError.local('no-common-version');
}

/** The suite both sides speak, in the preferred side's order; null when there is none. */
export function chooseSuite(
  config: ServerConfig,
  request: ClientRequest,
  accept: (id: number) => boolean,
): number | null {
  const client = request.hello.cipherSuites;
  const [first, second] = config.preferServerCiphers
    ? [config.cipherSuites, client]
    : [client, config.cipherSuites];
  for (const id of first) {
    if (second.includes(id) && cipherSuites.get(id)?.version === request.version && accept(id)) return id;
  }
  return null;
}

/** Which protocol a server answers with: the first of its own that the client offers (RFC 7301, 3.2). */
export function chooseAlpn(config: ServerConfig, request: ClientRequest): Uint8Array | null {
  if (config.alpn.length === 0 || request.alpn === null) return null;
  for (const ours of config.alpn) {
    for (const theirs of request.alpn) {
      if (ours.length === theirs.length && ours.every((byte, i) => byte === theirs[i])) return ours;
    }
  }
  throw TlsAlertError.local('no-common-alpn');
}
