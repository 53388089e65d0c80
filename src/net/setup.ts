/** What a socket is made with: a configuration for the engine and a runner for its jobs, shared where they can be. */
import type { PeerCertificate as NodePeerCertificate } from 'node:tls';
import { limitedGuard, type ReplayGuard } from '../cache/replay-guard.ts';
import { type CertificatePolicy, checkCertificate } from '../connection/certificate-check.ts';
import { clientConfig, serverConfig } from '../connection/defaults.ts';
import { type JobOwner, JobRunner, type JobServices, NO_SERVICES } from '../connection/job-runner.ts';
import { type OnTicket, PolicyTickets } from '../connection/ticket-policy.ts';
import type { ClientConfig, Credential, ServerConfig } from '../handshake/config.ts';
import type { ConnectionInfo } from '../handshake/info.ts';
import type {
  ClientCertificateJob,
  VerifyCertificateAnswer,
  VerifyCertificateJob,
} from '../handshake/jobs.ts';
import { chooseScheme } from '../handshake/shared/signatures.ts';
import { parseCertificate } from '../pki/certificate.ts';
import type { PathOptions } from '../pki/result.ts';
import type { SessionCore } from '../session/core.ts';
import { EMPTY, equalBytes } from '../util/bytes.ts';
import { legacyCertificate } from './certificate-view.ts';
import { checkServerIdentity as defaultIdentityCheck } from './identity.ts';
import { parseAlpn } from './options.ts';
import { type ClientPskCallback, findPsk, offerPsk, type ServerPskCallback } from './psk.ts';
import { nodeTimers, type SecureContext } from './secure-context.ts';
import {
  type AlpnCallback,
  type OcspCallback,
  type SelectOwner,
  type ServerCallbacks,
  type SniCallback,
  select,
} from './server-callbacks.ts';
import type { TLSSocket } from './socket.ts';

const X509_V_ERR_HOSTNAME_MISMATCH = 62;

/** A socket as the services see it. */
export interface SocketOwner extends JobOwner, SelectOwner {
  readonly info: ConnectionInfo;
  /** A session that a callback made, to give back when the handshake is over. */
  keep(session: SessionCore): void;
}

/** Everything that decides how a socket speaks. */
export interface SocketSetup {
  readonly config: ClientConfig | ServerConfig;
  readonly runner: JobRunner;
  readonly context: SecureContext;
  readonly rejectUnauthorized: boolean;
  /** Server: whether client certificates are asked for. */
  readonly requestCert: boolean;
}

export type CheckServerIdentity = (hostname: string, certificate: NodePeerCertificate) => Error | undefined;

// Clients ------------------------------------------------------------------------------------------------

export interface ClientPolicy {
  readonly rejectUnauthorized?: boolean | undefined;
  readonly checkServerIdentity?: CheckServerIdentity | undefined;
  readonly ALPNProtocols?: readonly (string | Uint8Array)[] | NodeJS.ArrayBufferView | undefined;
  readonly requestOCSP?: boolean | undefined;
  /** A pre-shared key to offer, in TLS 1.3. */
  readonly pskCallback?: ClientPskCallback | undefined;
}

/** All of a client's setup but what differs from one connection to the next: name, port, session. */
export function clientSetup(
  context: SecureContext,
  policy: ClientPolicy,
): SocketSetup & { config: ClientConfig } {
  const reject = policy.rejectUnauthorized ?? process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0';
  const { checkServerIdentity, ALPNProtocols, pskCallback } = policy;
  const plain = checkServerIdentity === undefined && ALPNProtocols === undefined && pskCallback === undefined;
  const key = (reject ? 1 : 0) | (policy.requestOCSP === true ? 2 : 0);
  if (plain) {
    const known = context.clientSetups[key];
    if (known !== undefined) return known as SocketSetup & { config: ClientConfig };
  }
  const { provider, clock } = context;
  const certificates: CertificatePolicy = {
    provider,
    clock,
    anchors: context.anchors,
    paths: context.paths,
    reject,
    checkName: checkServerIdentity === undefined,
    requestsOcsp: policy.requestOCSP === true,
    options: revocation(context),
  };
  const config = clientConfig(provider, {
    clock,
    minVersion: context.minVersion,
    maxVersion: context.maxVersion,
    cipherSuites: context.cipherSuites,
    groups: context.groups,
    signatureSchemes: context.signatureSchemes,
    ...context.engineSettings,
    alpn: ALPNProtocols === undefined ? [] : parseAlpn(ALPNProtocols),
    trust: context.digest(
      `trust ${reject} ${checkServerIdentity === undefined ? 'RFC 9525' : 'own check'}`,
      context.anchorDigest,
    ),
    clientAuth: context.credentialDigest,
    verifyPeer: reject,
    // A function cannot be told from another by the session, nor one list of the revoked from the next: the
    // certificate is seen again.
    verifyOnResume: checkServerIdentity !== undefined || context.crls !== null,
    requestOcsp: policy.requestOCSP === true,
    externalPsk: pskCallback !== undefined,
  });
  const services: JobServices = {
    ...NO_SERVICES,
    verify: (job, owner) => verifyServer(job, owner as SocketOwner, certificates, checkServerIdentity),
    clientCertificate: (job, owner) =>
      chooseClientCredential(context.credentials, job, (owner as SocketOwner).info.version),
    offerPsk:
      pskCallback === undefined
        ? null
        : (job, owner) =>
            telling(owner as SocketOwner, () =>
              offerPsk(pskCallback, job, (session) => (owner as SocketOwner).keep(session)),
            ),
  };
  const setup = {
    config,
    runner: new JobRunner(services),
    context,
    rejectUnauthorized: reject,
    requestCert: true,
  };
  if (plain) context.clientSetups[key] = setup;
  return setup;
}

function revocation({ crls }: SecureContext): Partial<PathOptions> {
  return crls === null ? {} : { crls, requireCrl: 'chain' };
}

/** What a callback throws is the error that the application gets. */
function telling<T>(owner: SocketOwner, call: () => T): T {
  try {
    return call();
  } catch (error) {
    owner.refusal ??= error instanceof Error ? error : new Error(String(error));
    throw error;
  }
}

function verifyServer(
  job: VerifyCertificateJob,
  owner: SocketOwner,
  policy: CertificatePolicy,
  checkServerIdentity: CheckServerIdentity | undefined,
): VerifyCertificateAnswer {
  const answer = checkCertificate(job, policy);
  if (!answer.ok) {
    if (!job.resumption) owner.refusal = explainRefusal(answer.cause as Error, job, policy);
    return answer;
  }
  if (checkServerIdentity === undefined || answer.verifyResult !== 0 || job.serverName === null)
    return answer;
  const refusal = checkServerIdentity(job.serverName, legacyCertificate(job.chain, policy.anchors));
  if (refusal === undefined) return answer;
  if (!policy.reject) return { ok: true, verifyResult: X509_V_ERR_HOSTNAME_MISMATCH };
  if (!job.resumption) owner.refusal = refusal;
  return {
    ok: false,
    reason: 'bad-certificate',
    verifyResult: X509_V_ERR_HOSTNAME_MISMATCH,
    detail: 'checkServerIdentity refused it',
    cause: refusal,
  };
}

/** A name that does not fit is told of as node:tls does: with the host, the certificate and all its names. */
function explainRefusal(
  cause: Error & { readonly code?: string },
  job: VerifyCertificateJob,
  policy: CertificatePolicy,
): Error {
  if (cause.code !== 'ERR_TLS_CERT_ALTNAME_INVALID' || job.serverName === null) return cause;
  return defaultIdentityCheck(job.serverName, legacyCertificate(job.chain, policy.anchors)) ?? cause;
}

/** The first whose issuer the server names, or else the first; of those that can sign what the server takes. */
function chooseClientCredential(
  credentials: readonly Credential[],
  { signatureSchemes, authorities }: ClientCertificateJob,
  version: number,
): Credential | null {
  const able = credentials.filter(
    (credential) => chooseScheme(credential, signatureSchemes, version) !== null,
  );
  return able.find((credential) => isIssuedByOne(credential, authorities)) ?? able[0] ?? null;
}

function isIssuedByOne({ chain }: Credential, authorities: readonly Uint8Array[]): boolean {
  return chain.some((der) => {
    const issuer = parseCertificate(der).issuer.der;
    return authorities.some((name) => equalBytes(name, issuer));
  });
}

// Servers ------------------------------------------------------------------------------------------------

export interface ServerPolicy {
  readonly requestCert?: boolean | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
  readonly ALPNProtocols?: readonly (string | Uint8Array)[] | NodeJS.ArrayBufferView | undefined;
  readonly ALPNCallback?: AlpnCallback | undefined;
  readonly SNICallback?: SniCallback | undefined;
  /** The key of an identity, in TLS 1.3. */
  readonly pskCallback?: ServerPskCallback<TLSSocket> | undefined;
  /** TLS 1.3 tickets after a full handshake (SSL_CTX_set_num_tickets(3)). Default 2. */
  readonly ticketCount?: number | undefined;
  /** Sessions are kept in this context's cache (SSL_OP_NO_TICKET): a TLS 1.3 ticket is only a name, good once. */
  readonly statefulTickets?: boolean | undefined;
  /**
   * Resume only under the name that the session was made for. Default true; false lets sessions in that do
   * not say, as those of programs that share ticket keys.
   */
  readonly bindServerName?: boolean | undefined;
  /** Resume only under the application protocol that the session was made for. Default false (RFC 7301, 3.1). */
  readonly bindAlpn?: boolean | undefined;
  /** False: no tickets, no session ids, every handshake a full one. Default true. */
  readonly resumption?: boolean | undefined;
  /** The application's word on tickets that come back; asked for each before anything else is checked. */
  readonly onTicket?: OnTicket | undefined;
  /** Early data that tickets promise, in bytes. Only with a `replayGuard`, or a fleet, which has one. */
  readonly maxEarlyData?: number | undefined;
  readonly replayGuard?: ReplayGuard | undefined;
}

/** What differs between the connections of one server. */
export interface ServerVariant {
  readonly keyLog: boolean;
  readonly statefulTickets: boolean;
  /** Where OCSP responses come from; null: none are stapled. */
  readonly ocsp: OcspCallback | null;
  /** What a new session waits for before its peer may come back with it. */
  readonly stored: (session: SessionCore) => Promise<undefined> | undefined;
}

export function serverSetup(
  context: SecureContext,
  policy: ServerPolicy,
  variant: ServerVariant,
): SocketSetup & { config: ServerConfig } {
  const { provider, clock } = context;
  const reject = policy.rejectUnauthorized ?? true;
  const requestCert = policy.requestCert ?? false;
  const resumption = policy.resumption ?? true;
  const binding = clientBinding(context, requestCert, reject);
  // Clients are judged by whom the context trusts that their connection got.
  const policyOf = (chosen: SecureContext): CertificatePolicy => ({
    provider,
    clock,
    anchors: chosen.anchors,
    paths: chosen.paths,
    reject,
    checkName: false,
    requestsOcsp: false,
    options: revocation(chosen),
  });
  const certificates = requestCert ? policyOf(context) : null;
  const { pskCallback } = policy;
  const replayGuard = policy.replayGuard ?? context.fleet?.replayGuard ?? null;
  const config = serverConfig(provider, {
    clock,
    credentials: context.credentials,
    minVersion: context.minVersion,
    maxVersion: context.maxVersion,
    cipherSuites: context.cipherSuites,
    groups: context.groups,
    signatureSchemes: context.signatureSchemes,
    ...context.engineSettings,
    alpn: policy.ALPNProtocols === undefined ? [] : parseAlpn(policy.ALPNProtocols),
    preferServerCiphers: context.preferServerCiphers,
    ...binding,
    clientCertificateAuthorities: requestCert ? context.authorities : [],
    ticketCount: policy.ticketCount ?? 2,
    sessionIds: resumption,
    // As with SSL_OP_NO_TICKET: TLS 1.2 then resumes by session id.
    tickets: resumption && !variant.statefulTickets,
    statefulTickets: resumption && variant.statefulTickets,
    keyLog: variant.keyLog,
    verifyOnResume: requestCert && context.crls !== null,
    bindServerName: policy.bindServerName ?? true,
    bindAlpn: policy.bindAlpn ?? false,
    maxEarlyData: policy.maxEarlyData ?? 0,
    // What tickets promise is taken, and what those of before may have promised.
    receiveMaxEarlyData: Math.max(16_384, policy.maxEarlyData ?? 0),
    replayGuard: replayGuard !== null,
    externalPsk: pskCallback !== undefined,
    selectByJob:
      policy.SNICallback !== undefined || policy.ALPNCallback !== undefined || variant.ocsp !== null,
  });
  const callbacks: ServerCallbacks = {
    sni: policy.SNICallback ?? null,
    ocsp: variant.ocsp,
    alpn: policy.ALPNCallback ?? null,
    context,
    answerFor: (chosen) => ({
      ...clientBinding(chosen, requestCert, reject),
      clientCertificateAuthorities: requestCert ? chosen.authorities : [],
    }),
  };
  const services: JobServices = {
    ...NO_SERVICES,
    verify:
      certificates === null
        ? null
        : (job, owner): VerifyCertificateAnswer => {
            const { chosenContext } = owner as SocketOwner;
            const answer = checkCertificate(
              job,
              chosenContext === null ? certificates : policyOf(chosenContext),
            );
            if (!answer.ok) (owner as SocketOwner).refusal = answer.cause as Error;
            return answer;
          },
    tickets:
      policy.onTicket === undefined ? context.tickets : new PolicyTickets(context.tickets, policy.onTicket),
    sessions: context.sessions,
    stored: variant.stored,
    // Longer than this a client is not kept waiting: its early data is refused.
    replayGuard: replayGuard === null ? null : limitedGuard(replayGuard, nodeTimers),
    select: config.selectByJob ? (job, owner) => select(job, owner as SocketOwner, callbacks) : null,
    findPsk:
      pskCallback === undefined
        ? null
        : (job, owner) => telling(owner as SocketOwner, () => findPsk(pskCallback, job, owner as TLSSocket)),
    verifiesPeer: requestCert,
  };
  return { config, runner: new JobRunner(services), context, rejectUnauthorized: reject, requestCert };
}

/** What a server's sessions are bound to: who may be the client, and by whose word. */
export function clientBinding(
  context: SecureContext,
  requestCert: boolean,
  reject: boolean,
): Pick<ServerConfig, 'clientCertificate' | 'trust' | 'clientAuth' | 'sessionIdContext'> {
  const { sessionIdContext } = context;
  if (!requestCert) return { clientCertificate: 'none', trust: EMPTY, clientAuth: EMPTY, sessionIdContext };
  const clientCertificate = reject ? 'require' : 'request';
  const trust = context.digest('client trust', context.anchorDigest);
  return {
    clientCertificate,
    trust,
    clientAuth: context.digest(`client certificate ${clientCertificate}`),
    // Without one of its own, sessions of this policy are kept apart by the policy itself.
    sessionIdContext: sessionIdContext.length > 0 ? sessionIdContext : trust,
  };
}
