/** What a client may offer of the session it was given: the checks of DESIGN rule 6, each with its reason. */
import { chainBeganMs } from '../../cache/session-check.ts';
import { Field, type SessionBody } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import type { ResumptionReason } from '../../session/resumption-reason.ts';
import { equalBytes, latin1 } from '../../util/bytes.ts';
import { cipherSuites, ProtocolVersion } from '../../util/registries.ts';
import type { ClientConfig } from '../config.ts';
import { isPeerValid } from '../shared/certificates.ts';
import { hasExtendedMasterSecret, MAX_TICKET_LIFETIME_SEC } from '../shared/sessions.ts';

/** Null: the session may be offered. `unbound` is left to the caller, who can have the peer checked again. */
export function whyNotOffer(
  config: ClientConfig,
  session: SessionCore,
  nowMs: number,
): ResumptionReason | null {
  const body = session.body('connection');
  if (!session.isResumable('connection')) return 'not-resumable';
  const version = body.version;
  if (version < config.minVersion || version > config.maxVersion) return 'other-version';
  if (version !== ProtocolVersion.TLS1_2 && version !== ProtocolVersion.TLS1_3) return 'other-version';
  if (nowMs > session.expiresAtMs) return 'expired';
  if (nowMs - chainBeganMs(session) > config.maxKeyingMaterialAgeSec * 1000) return 'keying-material-too-old';
  const suite = cipherSuites.get(body.cipher);
  if (suite === undefined || suite.version !== version) return 'other-cipher';
  if (version === ProtocolVersion.TLS1_3) {
    if (body.length(Field.ticket) === 0) return 'not-resumable';
    if (body.wasOffered && !config.ticketReuse) return 'replayed';
    const lifetimeSec = Math.min(body.ticketLifetimeHint, MAX_TICKET_LIFETIME_SEC);
    if ((nowMs - session.timeMs('connection')) / 1000 > lifetimeSec) return 'expired';
    // In TLS 1.3 any suite of the same hash will do (RFC 8446, 4.2.11).
    if (!config.cipherSuites.some((id) => sameHash(id, suite.hash))) return 'other-hash';
  } else {
    if (!config.cipherSuites.includes(body.cipher)) return 'other-cipher';
    // The id beside a ticket is only the ticket's digest: no server knows it (RFC 5077, 3.4).
    if (body.length(Field.ticket) > 0 && !(config.tickets && config.tickets12)) return 'resumption-disabled';
    // What the server must answer otherwise than the session had it, or refuse, is not offered (RFC 7627, 5.3).
    const extended = hasExtendedMasterSecret(session);
    if (extended ? !config.extendedMasterSecret : config.requireExtendedMasterSecret) {
      return 'extended-master-secret';
    }
  }
  return whyNotBound(config, body, nowMs);
}

function sameHash(id: number, hash: string): boolean {
  const suite = cipherSuites.get(id);
  return suite !== undefined && suite.version === ProtocolVersion.TLS1_3 && suite.hash === hash;
}

function whyNotBound(config: ClientConfig, body: SessionBody, nowMs: number): ResumptionReason | null {
  const name = body.has(Field.hostname) ? latin1(body.view(Field.hostname)) : null;
  const { bindings } = body;
  if (bindings === null) {
    if (name !== null && config.serverName !== null && name !== config.serverName) return 'other-name';
    return config.verifyPeer ? 'unbound' : null;
  }
  if (bindings.host !== config.serverName) return 'other-name';
  if (bindings.port !== config.port) return 'other-port';
  if (!equalBytes(bindings.trust, config.trust)) return 'other-trust';
  if (!equalBytes(bindings.clientAuth, config.clientAuth)) return 'other-client-auth';
  // A protocol this client does not speak now would be a promise it cannot keep.
  if (body.has(Field.alpn) && body.length(Field.alpn) > 0) {
    const alpn = body.view(Field.alpn);
    if (!config.alpn.some((protocol) => equalBytes(protocol, alpn))) return 'other-alpn';
  }
  return config.verifyPeer && !isPeerValid(body, nowMs) ? 'peer-certificate-invalid' : null;
}
