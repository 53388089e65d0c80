/** What a socket is made with: a configuration for the engine and a runner for its jobs, shared where they can be. */
import type { PeerCertificate as NodePeerCertificate } from 'node:tls';
import type { ReplayGuard } from '../cache/replay-guard.ts';
import { type CertificatePolicy, checkCertificate } from '../connection/certificate-check.ts';
import { clientConfig, serverConfig } from '../connection/defaults.ts';
import { type JobOwner, JobRunner, type JobServices, NO_SERVICES } from '../connection/job-runner.ts';
import type { ClientConfig, Credential, ServerConfig } from '../handshake/config.ts';
import type { ConnectionInfo } from '../handshake/info.ts';
import type {
  ClientCertificateJob,
  SelectAnswer,
  SelectJob,
  VerifyCertificateAnswer,
  VerifyCertificateJob,
} from '../handshake/jobs.ts';
import { chooseScheme } from '../handshake/shared/signatures.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { equalBytes, latin1, utf8 } from '../util/bytes.ts';
import { legacyCertificate } from './certificate-view.ts';
import { parseAlpn } from './options.ts';
import type { SecureContext } from './secure-context.ts';

const EMPTY = new Uint8Array(0);
const X509_V_ERR_HOSTNAME_MISMATCH = 62;

/** A socket as the services see it. */
export interface SocketOwner extends JobOwner {
  /** Why the peer's certificate was refused: the error that the application gets. */
  refusal: Error | null;
  readonly info: ConnectionInfo;
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
  readonly ALPNProtocols?: readonly (string | Uint8Array)[] | Uint8Array | undefined;
  readonly requestOCSP?: boolean | undefined;
}

/** All of a client's setup but what differs from one connection to the next: name, port, session. */
export function clientSetup(
  context: SecureContext,
  policy: ClientPolicy,
): SocketSetup & { config: ClientConfig } {
  const reject = policy.rejectUnauthorized ?? process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0';
  const { checkServerIdentity, ALPNProtocols } = policy;
  const plain = checkServerIdentity === undefined && ALPNProtocols === undefined;
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
  };
  const config = clientConfig(provider, {
    clock,
    minVersion: context.minVersion,
    maxVersion: context.maxVersion,
    cipherSuites: context.cipherSuites,
    groups: context.groups,
    signatureSchemes: context.signatureSchemes,
    sessionTimeoutSec: context.sessionTimeoutSec,
    alpn: ALPNProtocols === undefined ? [] : parseAlpn(ALPNProtocols),
    trust: context.digest(
      `trust ${reject} ${checkServerIdentity === undefined ? 'RFC 9525' : 'own check'}`,
      context.anchorDigest,
    ),
    clientAuth: context.credentialDigest,
    verifyPeer: reject,
    // A function cannot be told from another by the session: this one sees the certificate again.
    verifyOnResume: checkServerIdentity !== undefined,
    requestOcsp: policy.requestOCSP === true,
  });
  const services: JobServices = {
    ...NO_SERVICES,
    verify: (job, owner) => verifyServer(job, owner as SocketOwner, certificates, checkServerIdentity),
    clientCertificate: (job, owner) =>
      chooseClientCredential(context.credentials, job, (owner as SocketOwner).info.version),
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

function verifyServer(
  job: VerifyCertificateJob,
  owner: SocketOwner,
  policy: CertificatePolicy,
  checkServerIdentity: CheckServerIdentity | undefined,
): VerifyCertificateAnswer {
  const answer = checkCertificate(job, policy);
  if (!answer.ok) {
    if (!job.resumption) owner.refusal = answer.cause as Error;
    return answer;
  }
  if (checkServerIdentity === undefined || answer.verifyResult !== 0 || job.serverName === null)
    return answer;
  const refusal = checkServerIdentity(job.serverName, legacyCertificate(job.chain, false));
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

export type SniCallback = (
  servername: string,
  done: (error: Error | null, context?: SecureContext) => void,
) => void;
export type AlpnCallback = (hello: { servername: string; protocols: string[] }) => string | undefined;

export interface ServerPolicy {
  readonly requestCert?: boolean | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
  readonly ALPNProtocols?: readonly (string | Uint8Array)[] | Uint8Array | undefined;
  readonly ALPNCallback?: AlpnCallback | undefined;
  readonly SNICallback?: SniCallback | undefined;
  /** TLS 1.3 tickets after a full handshake (SSL_CTX_set_num_tickets(3)). Default 2. */
  readonly ticketCount?: number | undefined;
  /** Sessions are kept in this context's cache (SSL_OP_NO_TICKET): a TLS 1.3 ticket is only a name, good once. */
  readonly statefulTickets?: boolean | undefined;
  /**
   * Resume only under the name that the session was made for. Default true; false lets sessions in that do
   * not say, as those of programs that share ticket keys.
   */
  readonly bindServerName?: boolean | undefined;
  /** Early data that tickets promise, in bytes. Only with a `replayGuard`. */
  readonly maxEarlyData?: number | undefined;
  readonly replayGuard?: ReplayGuard | undefined;
}

/** What differs between the connections of one server. */
export interface ServerVariant {
  readonly keyLog: boolean;
  readonly statefulTickets: boolean;
}

export function serverSetup(
  context: SecureContext,
  policy: ServerPolicy,
  variant: ServerVariant,
): SocketSetup & { config: ServerConfig } {
  const { provider, clock } = context;
  const reject = policy.rejectUnauthorized ?? true;
  const requestCert = policy.requestCert ?? false;
  const binding = clientBinding(context, requestCert, reject);
  const certificates: CertificatePolicy | null = requestCert
    ? {
        provider,
        clock,
        anchors: context.anchors,
        paths: context.paths,
        reject,
        checkName: false,
        requestsOcsp: false,
      }
    : null;
  const config = serverConfig(provider, {
    clock,
    credentials: context.credentials,
    minVersion: context.minVersion,
    maxVersion: context.maxVersion,
    cipherSuites: context.cipherSuites,
    groups: context.groups,
    signatureSchemes: context.signatureSchemes,
    sessionTimeoutSec: context.sessionTimeoutSec,
    alpn: policy.ALPNProtocols === undefined ? [] : parseAlpn(policy.ALPNProtocols),
    preferServerCiphers: context.preferServerCiphers,
    ...binding,
    clientCertificateAuthorities: requestCert ? context.authorities : [],
    ticketCount: policy.ticketCount ?? 2,
    sessionIds: true,
    // As with SSL_OP_NO_TICKET: TLS 1.2 then resumes by session id.
    tickets: !variant.statefulTickets,
    statefulTickets: variant.statefulTickets,
    keyLog: variant.keyLog,
    bindServerName: policy.bindServerName ?? true,
    maxEarlyData: policy.maxEarlyData ?? 0,
    replayGuard: policy.replayGuard !== undefined,
    selectByJob: policy.SNICallback !== undefined || policy.ALPNCallback !== undefined,
  });
  const services: JobServices = {
    ...NO_SERVICES,
    verify:
      certificates === null
        ? null
        : (job, owner): VerifyCertificateAnswer => {
            const answer = checkCertificate(job, certificates);
            if (!answer.ok) (owner as SocketOwner).refusal = answer.cause as Error;
            return answer;
          },
    tickets: context.tickets,
    sessions: context.sessions,
    replayGuard: policy.replayGuard ?? null,
    select: config.selectByJob
      ? (job): Promise<SelectAnswer> | SelectAnswer => select(job, policy, requestCert, reject)
      : null,
    verifiesPeer: requestCert,
  };
  return { config, runner: new JobRunner(services), context, rejectUnauthorized: reject, requestCert };
}

/** What a server's sessions are bound to: who may be the client, and by whose word. */
function clientBinding(
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

function select(
  job: SelectJob,
  policy: ServerPolicy,
  requestCert: boolean,
  reject: boolean,
): Promise<SelectAnswer> | SelectAnswer {
  const { SNICallback, ALPNCallback } = policy;
  let alpn: Uint8Array | null | 'refuse' | undefined;
  if (ALPNCallback !== undefined && job.alpn.length > 0) {
    const protocols = job.alpn.map(latin1);
    const chosen = ALPNCallback({ servername: job.serverName ?? '', protocols });
    if (chosen === undefined) alpn = 'refuse';
    else if (protocols.includes(chosen)) alpn = job.alpn[protocols.indexOf(chosen)] ?? utf8(chosen);
    else {
      throw new TypeError(`ALPNCallback chose ${JSON.stringify(chosen)}, which the client did not offer`);
    }
  }
  const withAlpn = alpn === undefined ? {} : { alpn };
  if (SNICallback === undefined || job.serverName === null) return withAlpn;
  const { serverName } = job;
  // Answered at once if the callback does so.
  let answer: SelectAnswer | null = null;
  let failure: Error | null = null;
  let resolve: ((answer: SelectAnswer) => void) | null = null;
  let fail: ((error: Error) => void) | null = null;
  SNICallback(serverName, (error, context) => {
    if (error !== null && error !== undefined) {
      failure ??= error;
      fail?.(error);
      return;
    }
    answer ??=
      context === undefined || context === null
        ? withAlpn
        : { ...withAlpn, ...answerFor(context, requestCert, reject) };
    resolve?.(answer);
  });
  if (failure !== null) throw failure;
  if (answer !== null) return answer;
  return new Promise((done, failed) => {
    resolve = done;
    fail = failed;
  });
}

function answerFor(context: SecureContext, requestCert: boolean, reject: boolean): SelectAnswer {
  return { credentials: context.credentials, ...clientBinding(context, requestCert, reject) };
}
