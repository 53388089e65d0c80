/**
 * May this session be resumed in this handshake? Asked by a server of every session that it found or that
 * a ticket held, before anything is consumed. The order of the checks is OpenSSL's (ssl_get_prev_session);
 * what a session is bound to beyond OpenSSL's fields comes after its context, before its age.
 */
import { Field, FLAG_EXTENDED_MASTER_SECRET } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import { equalBytes } from '../util/bytes.ts';
import type { FailureReason } from '../util/errors.ts';
import { cipherSuites, type HashName, ProtocolVersion } from '../util/registries.ts';

/** What the handshake is. Fields that may be left out are then not checked. */
export interface ResumptionExpectation {
  /** The version negotiated. */
  readonly version: number;
  readonly nowMs: number;
  /** The session-id context of this server; empty for none. */
  readonly idContext: Uint8Array;
  /** Whether client certificates are asked for. */
  readonly verifiesPeer: boolean;
  /** TLS 1.2: whether the hello has the extension. Null in TLS 1.3. */
  readonly extendedMasterSecret: boolean | null;
  /** TLS 1.2: the session id of the hello. */
  readonly helloId?: Uint8Array;
  /** TLS 1.2: the cipher suites of the hello. */
  readonly offeredCiphers?: readonly number[];
  /** TLS 1.3: the hash of the suite that was chosen. */
  readonly hash?: HashName;
  /** The name that the client asked for, as the session's hostname field has it; null for none. */
  readonly hostname?: Uint8Array | null;
  /** The application protocol chosen; null for none. */
  readonly alpn?: Uint8Array | null;
  /** Digests as in `SessionBindings`. A session without bindings fails these. */
  readonly trust?: Uint8Array;
  readonly clientAuth?: Uint8Array;
  /** How long, in milliseconds, a chain of resumptions may go on after its full handshake. */
  readonly maxChainAgeMs?: number;
}

export interface ResumptionRefusal {
  readonly reason: ResumptionReason;
  /** Null: a full handshake follows. Otherwise the handshake ends, with this failure's alert. */
  readonly failure: FailureReason | null;
}

/** Null when the session may be resumed. Changes nothing. */
export function checkResumable(
  session: SessionCore,
  handshake: ResumptionExpectation,
): ResumptionRefusal | null {
  const body = session.body('resumption');
  if (session.isMarkedNotResumable) return full('not-resumable');
  if (body.version !== handshake.version) return full('other-version');
  if (!equalBytes(body.view(Field.sidCtx), handshake.idContext)) return full('other-context');
  // Without a context of its own, a session in which no certificate was asked for could be resumed here.
  if (handshake.verifiesPeer && handshake.idContext.length === 0) {
    return { reason: 'other-context', failure: 'session-context-missing' };
  }

  if (handshake.hostname !== undefined && !sameField(session, Field.hostname, handshake.hostname)) {
    return full('other-name');
  }
  if (handshake.alpn !== undefined && !sameField(session, Field.alpn, handshake.alpn))
    return full('other-alpn');
  const { trust, clientAuth, maxChainAgeMs } = handshake;
  const bindings = body.bindings;
  if (bindings === null) {
    if (trust !== undefined || clientAuth !== undefined) return full('unbound');
  } else {
    if (trust !== undefined && !equalBytes(bindings.trust, trust)) return full('other-trust');
    if (clientAuth !== undefined && !equalBytes(bindings.clientAuth, clientAuth))
      return full('other-client-auth');
  }
  if (maxChainAgeMs !== undefined && handshake.nowMs - chainBeganMs(session) > maxChainAgeMs) {
    return full('keying-material-too-old');
  }

  if (isExpired(session, handshake.nowMs)) return full('expired');

  if (handshake.extendedMasterSecret !== null) {
    // RFC 7627, 5.3.
    const had = (body.flags & FLAG_EXTENDED_MASTER_SECRET) !== 0;
    if (had && !handshake.extendedMasterSecret) {
      return { reason: 'extended-master-secret', failure: 'extended-master-secret' };
    }
    if (!had && handshake.extendedMasterSecret) return full('extended-master-secret');
  }
  if (handshake.helloId !== undefined && !equalBytes(body.view(Field.id), handshake.helloId)) {
    return full('other-id');
  }
  // RFC 5246, 7.4.1.2: the list must include the suite of the session that the client wants to resume.
  if (handshake.offeredCiphers !== undefined && !handshake.offeredCiphers.includes(body.cipher)) {
    return {
      reason: 'other-cipher',
      failure: body.version <= ProtocolVersion.TLS1_2 ? 'session-changed' : null,
    };
  }
  // RFC 8446, 4.2.11: a pre-shared key belongs to one hash.
  if (handshake.hash !== undefined && cipherSuites.get(body.cipher)?.hash !== handshake.hash) {
    return full('other-hash');
  }
  return null;
}

/**
 * When the full handshake was that a session goes back to, in milliseconds since 1970. Plain DER does not say:
 * then it was at the latest when the session was made.
 */
export function chainBeganMs(session: SessionCore): number {
  return session.body('resumption').bindings?.authenticatedAtMs ?? session.timeMs('resumption');
}

/** Strict, as in OpenSSL: a session lives through the very millisecond of its time and timeout. */
export function isExpired(session: SessionCore, nowMs: number): boolean {
  return nowMs > session.expiresAtMs;
}

function full(reason: ResumptionReason): ResumptionRefusal {
  return { reason, failure: null };
}

function sameField(session: SessionCore, field: 3 | 4, wanted: Uint8Array | null): boolean {
  const body = session.body('resumption');
  // An empty value and none are the same here: neither names anything.
  return equalBytes(body.view(field), wanted ?? new Uint8Array(0));
}
