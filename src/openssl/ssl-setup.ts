/** What an SSL and its context say, as the engine's configuration. */
import { CacheMode } from '../cache/modes.ts';
import { clientConfig, serverConfig } from '../connection/defaults.ts';
import type { ClientConfig, RetryCookies, ServerConfig } from '../handshake/config.ts';
import type { SessionCore } from '../session/core.ts';
import { utf8 } from '../util/bytes.ts';
import type { Ssl } from './ssl.ts';
import {
  hasOption,
  SSL_OP_ALLOW_NO_DHE_KEX,
  SSL_OP_CIPHER_SERVER_PREFERENCE,
  SSL_OP_ENABLE_MIDDLEBOX_COMPAT,
  SSL_OP_NO_ANTI_REPLAY,
  SSL_OP_NO_EXTENDED_MASTER_SECRET,
  SSL_OP_NO_TICKET,
  SSL_OP_PREFER_NO_DHE_KEX,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
  SSL_VERIFY_PEER,
} from './ssl-ctx.ts';
import { generateId } from './ssl-services.ts';

/** What a client and a server have alike. */
type CommonConfig = Partial<Pick<ClientConfig, Exclude<keyof ClientConfig & keyof ServerConfig, 'role'>>>;

function common(ssl: Ssl): CommonConfig {
  const { settings, ctx, sessionCtx } = ssl;
  const { options } = settings;
  return {
    clock: ctx.clock,
    minVersion: settings.minVersion,
    maxVersion: settings.maxVersion,
    ...(settings.cipherSuites === null ? {} : { cipherSuites: settings.cipherSuites }),
    ...(settings.groups === null ? {} : { groups: settings.groups }),
    alpn: settings.alpn,
    sessionTimeoutSec: sessionCtx.sessions.timeoutSec,
    allowPskKe: hasOption(options, SSL_OP_ALLOW_NO_DHE_KEX),
    extendedMasterSecret: !hasOption(options, SSL_OP_NO_EXTENDED_MASTER_SECRET),
    compatibilityMode: hasOption(options, SSL_OP_ENABLE_MIDDLEBOX_COMPAT),
    keyLog: ctx.keyLog !== null,
    trust: utf8(`${settings.verifyMode} ${ctx.anchors.id}`),
  };
}

export function clientSetup(ssl: Ssl, session: SessionCore | null, earlyData: boolean): ClientConfig {
  const { settings, ctx } = ssl;
  return clientConfig(ctx.provider, {
    ...common(ssl),
    serverName: ssl.hostname,
    session,
    // In TLS 1.3 the option says nothing to a client.
    tickets12: !hasOption(settings.options, SSL_OP_NO_TICKET),
    // Which session goes with which connection is the program's to say, by SSL_set_session.
    ticketReuse: true,
    earlyData,
    holdEarlyData: true,
    externalPsk: settings.pskUse !== null || settings.pskClient !== null,
    requestOcsp: settings.statusType,
    verifyPeer: (settings.verifyMode & SSL_VERIFY_PEER) !== 0,
    postHandshakeAuth: settings.postHandshakeAuth,
  });
}

export function serverSetup(ssl: Ssl, cookies: RetryCookies | null): ServerConfig {
  const { settings, ctx, sessionCtx } = ssl;
  const noTickets = hasOption(settings.options, SSL_OP_NO_TICKET);
  const single = settings.maxEarlyData > 0 && !hasOption(settings.options, SSL_OP_NO_ANTI_REPLAY);
  const verify = settings.verifyMode;
  return serverConfig(ctx.provider, {
    ...common(ssl),
    credentials: settings.credentials,
    selectByJob: true,
    clientCertificate:
      (verify & SSL_VERIFY_PEER) === 0
        ? 'none'
        : (verify & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) === 0
          ? 'request'
          : 'require',
    sessionIdContext: settings.sidCtx,
    preferServerCiphers: hasOption(settings.options, SSL_OP_CIPHER_SERVER_PREFERENCE),
    preferPskKe: hasOption(settings.options, SSL_OP_PREFER_NO_DHE_KEX),
    ticketCount: noTickets && (sessionCtx.sessions.mode & CacheMode.SERVER) === 0 ? 0 : settings.numTickets,
    tickets: !noTickets,
    openEmptyTickets: sessionCtx.tickets.decrypt !== null,
    sessionIds: true,
    generateSessionId: settings.generateId === null ? null : () => generateId(ssl),
    // OpenSSL: without tickets, or with early data under its anti-replay, the ticket is only a name; in the
    // second case it serves once.
    statefulTickets: noTickets || single,
    singleUseTickets: single,
    maxEarlyData: settings.maxEarlyData,
    receiveMaxEarlyData: settings.recvMaxEarlyData,
    skipMaxEarlyData: settings.recvMaxEarlyData,
    replayGuard: settings.maxEarlyData > 0,
    externalPsk: settings.pskFind !== null || settings.pskServer !== null,
    cookies,
    // A name that differs is the servername callback's matter in OpenSSL, but a session made for one name
    // serves no other (RFC 6066, 3, for TLS 1.2; DESIGN rule 6 for both).
    bindServerName: true,
  });
}
