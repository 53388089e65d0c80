/** What a connection tells of its handshake, when it is over: to the cache that counts, and to whoever watches. */
import type { SessionContext } from '../cache/session-context.ts';
import type { Diagnostics, HandshakeMessage, ResumptionMessage, Role } from '../diagnostics/channels.ts';
import type { ConnectionInfo } from '../handshake/info.ts';
import { latin1 } from '../util/bytes.ts';
import { TlsAlertError, TlsessionError } from '../util/errors.ts';
import { alertName, cipherSuites, groupName, versionName } from '../util/registries.ts';

/** Counts a completed handshake, and publishes it. `beganMs`: on the monotonic clock; null when it was not noted. */
export function reportCompleted(
  info: ConnectionInfo,
  role: Role,
  sessions: SessionContext,
  diagnostics: Diagnostics,
  beganMs: number | null,
): void {
  sessions.handshakeFinished(role, info.resumed ? null : (info.resumptionReason ?? 'no-session-offered'));
  if (info.earlyDataOffered || info.earlyDataReason !== null) sessions.earlyDataDecided(info.earlyDataReason);
  if (diagnostics.handshake.hasSubscribers) {
    const durationMs = beganMs === null ? null : sessions.clock.monotonicMs() - beganMs;
    diagnostics.handshake.publish(handshakeMessage(sessions.id, info, role, null, durationMs));
  }
  if (diagnostics.resumption.hasSubscribers) {
    diagnostics.resumption.publish(resumptionMessage(sessions.id, info, role));
  }
}

/** Publishes a handshake that failed. */
export function reportFailed(
  info: ConnectionInfo,
  role: Role,
  error: Error,
  sessions: SessionContext,
  diagnostics: Diagnostics,
  beganMs: number | null,
): void {
  if (!diagnostics.handshake.hasSubscribers) return;
  const durationMs = beganMs === null ? null : sessions.clock.monotonicMs() - beganMs;
  diagnostics.handshake.publish(handshakeMessage(sessions.id, info, role, error, durationMs));
}

function handshakeMessage(
  context: number,
  info: ConnectionInfo,
  role: Role,
  error: Error | null,
  durationMs: number | null,
): HandshakeMessage {
  const alert = error instanceof TlsAlertError ? error : null;
  return {
    context,
    role,
    completed: error === null,
    protocol: info.version === 0 ? null : versionName(info.version),
    cipher: cipherSuites.get(info.cipherSuite)?.name ?? null,
    group: info.group === 0 ? null : groupName(info.group),
    serverName: info.serverName,
    alpn: info.alpn === null ? null : latin1(info.alpn),
    resumed: info.resumed,
    helloRetryRequest: info.helloRetryRequest,
    failure: error === null ? null : failureOf(error),
    alert: alert === null ? null : alertName(alert.alert),
    alertFrom: alert?.origin ?? null,
    durationMs,
  };
}

function failureOf(error: Error): string {
  if (error instanceof TlsAlertError) return error.reason ?? 'peer-alert';
  const code = (error as { code?: unknown }).code;
  if (TlsessionError.is(error)) return error.code;
  return typeof code === 'string' ? code : error.name;
}

function resumptionMessage(context: number, info: ConnectionInfo, role: Role): ResumptionMessage {
  const ticket = role === 'server' && info.resumedBy !== null && info.resumedBy !== 'external-psk';
  return {
    context,
    role,
    protocol: versionName(info.version),
    serverName: info.serverName,
    offered: info.offered,
    resumed: info.resumed,
    by: info.resumedBy,
    reason: info.resumptionReason,
    earlyDataOffered: info.earlyDataOffered,
    earlyDataAccepted: info.earlyDataAccepted,
    earlyDataReason: info.earlyDataReason,
    ticketAgeSkewMs: ticket && info.version === 0x0304 ? info.ticketAgeSkewMs : null,
  };
}
