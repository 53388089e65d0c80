/** A client's ClientHello: everything that is offered, so that the answers can be held against it. */
import type { KeyExchange } from '../../crypto/provider.ts';
import { isIpLiteral } from '../../util/ip-literal.ts';
import { cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import { writeAlpn } from '../../wire/extension/alpn.ts';
import { type KeyShareEntry, writeClientKeyShares } from '../../wire/extension/key-share.ts';
import { writeU8List, writeU16List, writeU16List8 } from '../../wire/extension/lists.ts';
import { type PskIdentity, writeOfferedPsks } from '../../wire/extension/pre-shared-key.ts';
import { writeServerName } from '../../wire/extension/server-name.ts';
import {
  writeCookie,
  writeRecordSizeLimit,
  writeRenegotiationInfo,
  writeStatusRequest,
} from '../../wire/extension/small.ts';
import { writeEmptyExtension } from '../../wire/extensions.ts';
import { ExtensionType, HandshakeType, PskMode } from '../../wire/numbers.ts';
import type { Writer } from '../../wire/writer.ts';
import type { ClientConfig } from '../config.ts';
import { expandable } from '../shared/certificates.ts';
import { isCurve } from '../shared/tls12.ts';

/** TLS_FALLBACK_SCSV (RFC 7507). */
const FALLBACK_SCSV = 0x5600;

/** GREASE values of one connection, chosen once so that both hellos agree (RFC 8701). */
export interface GreaseValues {
  readonly cipher: number;
  readonly group: number;
  readonly extension1: number;
  readonly extension2: number;
  readonly version: number;
}

export function chooseGrease(random: (length: number) => Uint8Array): GreaseValues {
  const bytes = random(5);
  const value = (i: number): number => (((bytes[i] as number) & 0xf0) | 0x0a) * 0x0101;
  const extension1 = value(2);
  const other = value(3);
  return {
    cipher: value(0),
    group: value(1),
    extension1,
    extension2: other === extension1 ? other ^ 0x1010 : other,
    version: value(4),
  };
}

/** What stays the same over a HelloRetryRequest. */
export interface HelloBase {
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  /** Versions offered, highest first; one or two. */
  readonly versions: readonly number[];
  readonly cipherSuites: readonly number[];
  readonly grease: GreaseValues | null;
  /** A TLS 1.2 ticket to resume with, an empty one to ask for one, null to say nothing. */
  readonly ticket12: Uint8Array | null;
}

/** What a HelloRetryRequest changes. */
export interface HelloVariable {
  readonly keyShares: readonly KeyExchange[];
  readonly cookie: Uint8Array | null;
  readonly earlyData: boolean;
  readonly identities: readonly PskIdentity[];
  readonly binderLengths: readonly number[];
}

export interface WrittenHello {
  /** Types of the extensions sent: what may be answered. */
  readonly sent: readonly number[];
  /** Bytes of the binders at the end; 0 without pre_shared_key. */
  readonly bindersLength: number;
}

/** Versions between the configured bounds that have a suite and, for TLS 1.3, a group. Highest first. */
export function offeredVersions(config: ClientConfig): number[] {
  return [ProtocolVersion.TLS1_3, ProtocolVersion.TLS1_2].filter(
    (version) =>
      version >= config.minVersion &&
      version <= config.maxVersion &&
      config.cipherSuites.some((id) => cipherSuites.get(id)?.version === version),
  );
}

export function writeClientHello(
  writer: Writer,
  config: ClientConfig,
  base: HelloBase,
  variable: HelloVariable,
): WrittenHello {
  const tls13 = base.versions.includes(ProtocolVersion.TLS1_3);
  const tls12 = base.versions.includes(ProtocolVersion.TLS1_2);
  const { grease } = base;
  const sent: number[] = [];
  const note = (type: number): void => {
    sent.push(type);
  };

  writer.reset();
  writer.u8(HandshakeType.client_hello);
  const message = writer.open24();
  writer.u16(ProtocolVersion.TLS1_2);
  writer.bytes(base.random);
  writer.vector8(base.sessionId);
  const suites = writer.open16();
  if (grease !== null) writer.u16(grease.cipher);
  for (const id of base.cipherSuites) writer.u16(id);
  if (config.fallbackScsv) writer.u16(FALLBACK_SCSV);
  writer.close16(suites);
  writer.u8(1);
  writer.u8(0);

  const extensions = writer.open16();
  if (grease !== null) writeEmptyExtension(writer, grease.extension1);
  if (config.sendServerName && config.serverName !== null && !isIpLiteral(config.serverName)) {
    writeServerName(writer, config.serverName);
    note(ExtensionType.server_name);
  }
  if (tls12) {
    if (config.extendedMasterSecret) {
      writeEmptyExtension(writer, ExtensionType.extended_master_secret);
      note(ExtensionType.extended_master_secret);
    }
    writeRenegotiationInfo(writer, new Uint8Array(0));
    note(ExtensionType.renegotiation_info);
  }
  const groups = tls13 ? config.groups : config.groups.filter(isCurve);
  writeU16List(writer, ExtensionType.supported_groups, grease === null ? groups : [grease.group, ...groups]);
  note(ExtensionType.supported_groups);
  if (tls12) {
    writeU8List(writer, ExtensionType.ec_point_formats, [0]);
    note(ExtensionType.ec_point_formats);
    if (base.ticket12 !== null) {
      writer.u16(ExtensionType.session_ticket);
      writer.vector16(base.ticket12);
      note(ExtensionType.session_ticket);
    }
  }
  if (config.alpn.length > 0) {
    writeAlpn(writer, config.alpn);
    note(ExtensionType.application_layer_protocol_negotiation);
  }
  if (config.requestOcsp) {
    writeStatusRequest(writer);
    note(ExtensionType.status_request);
  }
  writeU16List(writer, ExtensionType.signature_algorithms, config.signatureSchemes);
  note(ExtensionType.signature_algorithms);
  if (config.requestSct) {
    writeEmptyExtension(writer, ExtensionType.signed_certificate_timestamp);
    note(ExtensionType.signed_certificate_timestamp);
  }
  if (tls13) writeTls13(writer, config, base, variable, note);
  if (config.recordSizeLimit > 0) {
    writeRecordSizeLimit(writer, config.recordSizeLimit + (tls13 ? 1 : 0));
    note(ExtensionType.record_size_limit);
  }
  if (grease !== null) {
    writer.u16(grease.extension2);
    writer.vector16(new Uint8Array(1));
  }
  let bindersLength = 0;
  if (variable.identities.length > 0) {
    bindersLength = writeOfferedPsks(writer, variable.identities, variable.binderLengths);
    note(ExtensionType.pre_shared_key);
  }
  writer.close16(extensions);
  writer.close24(message);
  return { sent, bindersLength };
}

function writeTls13(
  writer: Writer,
  config: ClientConfig,
  base: HelloBase,
  variable: HelloVariable,
  note: (type: number) => void,
): void {
  const { grease } = base;
  const shares: KeyShareEntry[] = variable.keyShares.map(({ group, publicKey }) => ({
    group,
    keyExchange: publicKey,
  }));
  if (grease !== null) shares.unshift({ group: grease.group, keyExchange: new Uint8Array(1) });
  writeClientKeyShares(writer, shares);
  note(ExtensionType.key_share);
  const modes = !config.allowPskKe
    ? [PskMode.psk_dhe_ke]
    : config.pskKeOnly
      ? [PskMode.psk_ke]
      : [PskMode.psk_dhe_ke, PskMode.psk_ke];
  writeU8List(writer, ExtensionType.psk_key_exchange_modes, modes);
  note(ExtensionType.psk_key_exchange_modes);
  const versions = grease === null ? base.versions : [grease.version, ...base.versions];
  writeU16List8(writer, ExtensionType.supported_versions, versions);
  note(ExtensionType.supported_versions);
  if (variable.cookie !== null) {
    writeCookie(writer, variable.cookie);
    note(ExtensionType.cookie);
  }
  const algorithms = expandable(config.certificateCompressors);
  if (algorithms.length > 0) {
    writeU16List8(writer, ExtensionType.compress_certificate, algorithms);
    note(ExtensionType.compress_certificate);
  }
  if (config.postHandshakeAuth) {
    writeEmptyExtension(writer, ExtensionType.post_handshake_auth);
    note(ExtensionType.post_handshake_auth);
  }
  if (variable.earlyData) {
    writeEmptyExtension(writer, ExtensionType.early_data);
    note(ExtensionType.early_data);
  }
}
