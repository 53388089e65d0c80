/** A session as plain data for JSON, logs and pages: its facts, and its secrets only when asked for. */
import { latin1, toHex } from '../util/bytes.ts';
import { opensslCipherName } from '../util/cipher-names.ts';
import { groupName, ProtocolVersion, versionName } from '../util/registries.ts';
import { verifyResultText } from '../util/verify-result.ts';
import {
  Field,
  type FieldIndex,
  FLAG_EXTENDED_MASTER_SECRET,
  MFL_UNSPECIFIED,
  type SessionBody,
} from './body.ts';
import type { SessionCore } from './core.ts';
import { type NotResumableReason, resumability } from './resumability.ts';

export interface SessionDescription {
  readonly protocol: string;
  readonly protocolVersion: number;
  /** OpenSSL's name, null while there is none. */
  readonly cipher: string | null;
  readonly cipherId: number;
  readonly group: string | null;
  /** Hexadecimal: ids go over the wire in the clear, or name nothing but themselves. */
  readonly id: string;
  readonly idContext: string;
  readonly masterKeyLength: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly timeoutSec: number;
  readonly expiresAtMs: number;
  readonly hostname: string | null;
  readonly alpn: string | null;
  readonly ticketLength: number | null;
  readonly ticketLifetimeHintSec: number;
  readonly ticketAppdataLength: number | null;
  readonly maxEarlyData: number;
  readonly maxFragmentLength: number;
  readonly extendedMasterSecret: boolean;
  readonly compression: number;
  readonly verifyResult: number;
  readonly verifyResultText: string;
  readonly pskIdentity: string | null;
  readonly pskIdentityHint: string | null;
  readonly srpUsername: string | null;
  readonly peerCertificateLength: number | null;
  readonly peerChainLength: number | null;
  readonly peerRawPublicKeyLength: number | null;
  /** A client uses a session of TLS 1.3 once (RFC 8446, C.4). */
  readonly singleUse: boolean;
  /** A client has offered it before. */
  readonly wasOffered: boolean;
  readonly resumable: boolean;
  readonly notResumableReasons: readonly NotResumableReason[];
  /** Null: it came from a form that cannot say. Digests are hexadecimal. */
  readonly bindings: {
    readonly host: string | null;
    readonly port: number;
    readonly trust: string;
    readonly clientAuth: string;
    readonly authenticatedAtMs: number;
  } | null;
  /** Only when asked for; hexadecimal. */
  readonly secrets?: {
    readonly masterKey: string;
    readonly earlySecret: string;
    readonly ticket: string;
    readonly ticketAgeAdd: number;
    readonly ticketAppdata: string;
  };
}

export interface DescribeOptions {
  /** What resumability is judged against, in milliseconds since 1970. */
  readonly nowMs: number;
  /** **Shows the secrets.** Default false. */
  readonly secrets?: boolean;
}

/** @throws {SessionError} `ERR_SESSION_ENDED` */
export function describeSession(
  session: SessionCore,
  { nowMs, secrets = false }: DescribeOptions,
  call = 'describe',
): SessionDescription {
  const body = session.body(call);
  const { resumable, reasons } = resumability(session, nowMs, call);
  const bindings = body.bindings;
  const description: SessionDescription = {
    protocol: versionName(body.version),
    protocolVersion: body.version,
    cipher: opensslCipherName(body.cipher),
    cipherId: body.cipher,
    group: body.kexGroup === 0 ? null : groupName(body.kexGroup),
    id: toHex(body.view(Field.id)),
    idContext: toHex(body.view(Field.sidCtx)),
    masterKeyLength: body.length(Field.masterKey),
    timeMs: session.timeMs(call),
    timeoutSec: session.timeoutSec(call),
    expiresAtMs: session.expiresAtMs,
    hostname: text(body, Field.hostname),
    alpn: text(body, Field.alpn),
    ticketLength: length(body, Field.ticket),
    ticketLifetimeHintSec: body.ticketLifetimeHint,
    ticketAppdataLength: length(body, Field.ticketAppdata),
    maxEarlyData: body.maxEarlyData,
    maxFragmentLength: body.maxFragmentLength === MFL_UNSPECIFIED ? 0 : body.maxFragmentLength,
    extendedMasterSecret: (body.flags & FLAG_EXTENDED_MASTER_SECRET) !== 0,
    compression: body.compression,
    verifyResult: body.verifyResult,
    verifyResultText: verifyResultText(body.verifyResult),
    pskIdentity: text(body, Field.pskIdentity),
    pskIdentityHint: text(body, Field.pskHint),
    srpUsername: text(body, Field.srpUsername),
    peerCertificateLength: body.peer?.byteLength ?? null,
    peerChainLength: body.chain?.length ?? null,
    peerRawPublicKeyLength: length(body, Field.peerRpk),
    singleUse: isSingleUse(body),
    wasOffered: body.wasOffered,
    resumable,
    notResumableReasons: reasons,
    bindings: bindings && {
      host: bindings.host,
      port: bindings.port,
      trust: toHex(bindings.trust),
      clientAuth: toHex(bindings.clientAuth),
      authenticatedAtMs: bindings.authenticatedAtMs,
    },
  };
  if (!secrets) return description;
  return {
    ...description,
    secrets: {
      masterKey: toHex(body.view(Field.masterKey)),
      earlySecret: toHex(body.view(Field.earlySecret)),
      ticket: toHex(body.view(Field.ticket)),
      ticketAgeAdd: body.ticketAgeAdd,
      ticketAppdata: toHex(body.view(Field.ticketAppdata)),
    },
  };
}

export function isSingleUse(body: SessionBody): boolean {
  return body.version === ProtocolVersion.TLS1_3;
}

function length(body: SessionBody, field: FieldIndex): number | null {
  return body.has(field) ? body.length(field) : null;
}

function text(body: SessionBody, field: FieldIndex): string | null {
  return body.has(field) ? latin1(body.view(field)) : null;
}
