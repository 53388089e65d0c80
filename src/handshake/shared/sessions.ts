/** Sessions as handshakes make them. */
import {
  FIELD_COUNT,
  Field,
  FLAG_EXTENDED_MASTER_SECRET,
  makeBody,
  type PeerCertificate,
  type PeerFingerprint,
  type SessionBindings,
} from '../../session/body.ts';
import { SessionCore } from '../../session/core.ts';
import { copyBytes, utf8 } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';

/** What a completed handshake knows about its session. Byte strings are copied. */
export interface SessionFacts {
  readonly version: number;
  readonly cipherSuite: number;
  readonly group: number;
  readonly masterKey: Uint8Array | null;
  readonly id: Uint8Array | null;
  readonly sidCtx: Uint8Array;
  readonly serverName: string | null;
  readonly alpn: Uint8Array | null;
  readonly ticket: Uint8Array | null;
  readonly ticketAppdata: Uint8Array | null;
  readonly ticketLifetimeHint: number;
  readonly ticketAgeAdd: number;
  readonly maxEarlyData: number;
  readonly extendedMasterSecret: boolean;
  readonly verifyResult: number;
  readonly peer: PeerCertificate | null;
  readonly chain: readonly PeerCertificate[] | null;
  readonly bindings: SessionBindings | null;
  /** Of a resumed session that has it in place of the certificate. */
  readonly peerFingerprint?: PeerFingerprint | null;
}

/** A session with one reference, the library's: the connection's own. */
export function makeSession(facts: SessionFacts, timeMs: number, timeoutSec: number): SessionCore {
  const fields: (Uint8Array | null)[] = new Array(FIELD_COUNT).fill(null);
  fields[Field.masterKey] = facts.masterKey;
  fields[Field.id] = facts.id;
  fields[Field.sidCtx] = facts.sidCtx;
  fields[Field.hostname] = facts.serverName === null ? null : utf8(facts.serverName);
  fields[Field.alpn] = facts.alpn;
  fields[Field.ticket] = facts.ticket;
  fields[Field.ticketAppdata] = facts.ticketAppdata;
  const body = makeBody(fields, {
    version: facts.version,
    cipher: facts.cipherSuite,
    kexGroup: facts.group,
    verifyResult: facts.verifyResult,
    ticketLifetimeHint: facts.ticketLifetimeHint,
    ticketAgeAdd: facts.ticketAgeAdd,
    maxEarlyData: facts.maxEarlyData,
    flags: facts.extendedMasterSecret ? FLAG_EXTENDED_MASTER_SECRET : 0,
  });
  body.peer = facts.peer;
  body.chain = facts.chain;
  body.bindings = facts.bindings;
  body.peerFingerprint = facts.peerFingerprint ?? null;
  const session = SessionCore.fromBody(body, timeMs, timeoutSec, 'handshake');
  session.takeFromApplication('handshake');
  return session;
}

/** The longest life of a TLS 1.3 ticket: seven days (RFC 8446, 4.6.1). */
export const MAX_TICKET_LIFETIME_SEC = 604_800;

/** Whether the session's master secret is an extended one (RFC 7627): TLS 1.2 alone has others. */
export function hasExtendedMasterSecret(session: SessionCore): boolean {
  return (session.body('connection').flags & FLAG_EXTENDED_MASTER_SECRET) !== 0;
}

/** The certificates of a session's peer, leaf first; copies. Empty when there are none. */
export function chainOf(session: SessionCore): readonly Uint8Array[] {
  const body = session.body('connection');
  if (body.chain !== null) return body.chain.map((certificate) => certificate.der);
  return body.peer === null ? [] : [body.peer.der];
}

/** The id of a new session at a server. */
export function newSessionId(host: Host<ServerConfig>): Uint8Array {
  const { generateSessionId } = host.config;
  if (generateSessionId === null) return host.random(32);
  const id = generateSessionId();
  if (id.length === 0 || id.length > 32) {
    throw TlsAlertError.local('internal-error', `a session id of ${id.length} bytes`);
  }
  return copyBytes(id);
}
