/** Whether a session that a client named may be resumed in this handshake: of either version, by any kind of name. */
import { checkResumable, type ResumptionExpectation } from '../../cache/session-check.ts';
import type { SessionCore } from '../../session/core.ts';
import type { ResumptionReason } from '../../session/resumption-reason.ts';
import { utf8 } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { ProtocolVersion } from '../../util/registries.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import { isPeerValid } from '../shared/certificates.ts';
import type { ClientRequest } from './client-hello.ts';
import type { ServerSettings } from './start.ts';

/**
 * The checks of `cache/session-check` with what this handshake is, then those that only a handshake can make.
 * Null: it may be resumed. `own` adds what TLS 1.2 looks at besides.
 * @throws {TlsAlertError} where the client breaks a rule by asking.
 */
export function whyNotResumable(
  host: Host<ServerConfig>,
  settings: ServerSettings,
  request: ClientRequest,
  session: SessionCore,
  own: Pick<ResumptionExpectation, 'helloId' | 'offeredCiphers'> = {},
): ResumptionReason | null {
  const body = session.body('connection');
  const nowMs = host.nowMs();
  const asksClient = settings.clientCertificate !== 'none';
  // Plain DER says nothing of trust and policy: its id context has to, as in OpenSSL.
  const bound = body.bindings !== null;
  const { serverName, version } = request;
  const refusal = checkResumable(session, {
    version,
    nowMs,
    idContext: settings.sessionIdContext,
    verifiesPeer: asksClient && !bound,
    maxChainAgeMs: host.config.maxKeyingMaterialAgeSec * 1000,
    extendedMasterSecret: version === ProtocolVersion.TLS1_2 ? request.extendedMasterSecret : null,
    ...(host.config.bindServerName ? { hostname: serverName === null ? null : utf8(serverName) } : {}),
    ...(host.config.bindAlpn ? { alpn: settings.alpn } : {}),
    ...(bound ? { trust: settings.trust, clientAuth: settings.clientAuth } : {}),
    ...own,
  });
  if (refusal !== null) {
    if (refusal.failure !== null) throw TlsAlertError.local(refusal.failure);
    return refusal.reason;
  }
  if (asksClient) {
    const isKnown = body.peer !== null || body.peerFingerprint !== null;
    if (!isKnown && settings.clientCertificate === 'require') return 'other-client-auth';
    // Who wants to judge the certificate again has to be shown it again.
    if (body.peerFingerprint !== null && host.config.verifyOnResume) return 'other-client-auth';
    if (!isPeerValid(body, nowMs)) return 'peer-certificate-invalid';
  }
  return null;
}
