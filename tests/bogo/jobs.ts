/** What the shim answers when the engine asks. */
import type { Connection } from '../../src/connection/connection.ts';
import { ticketEnvelope } from '../../src/connection/ticket-form.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import type {
  ClientCertificateJob,
  FindSessionJob,
  Job,
  JobAnswer,
  OpenTicketJob,
  SealTicketJob,
  SelectAnswer,
  SelectJob,
  SignJob,
  StoreSessionJob,
  VerifyCertificateAnswer,
  VerifyCertificateJob,
} from '../../src/handshake/jobs.ts';
import type { TicketKeyring } from '../../src/ticket/keyring.ts';
import { openSessionTicket, sealSessionTicket } from '../../src/ticket/session-ticket.ts';
import { concatBytes, EMPTY, equalBytes } from '../../src/util/bytes.ts';
import type { Clock } from '../../src/util/clock.ts';
import { Alert } from '../../src/util/registries.ts';
import { loadCredential } from './credentials.ts';
import { Expectation, REFUSED_BY_APPLICATION } from './expectations.ts';
import type { ShimConfig } from './flags.ts';
import { authoritiesOf } from './settings.ts';
import type { SessionShelf } from './tickets.ts';

/** X509_V_ERR_CERT_HAS_EXPIRED: all of the runner's have, and are let through. */
const EXPIRED = 10;

/** An answer that is no answer: the handshake is to end with this alert. */
class Refuse {
  readonly alert: number;

  constructor(alert: number) {
    this.alert = alert;
  }
}

/** What the connections of a process share, and what this one saw. */
export interface JobContext {
  /** Another one from the moment that early data is rejected. */
  config: ShimConfig;
  readonly clock: Clock;
  readonly tickets: TicketKeyring;
  readonly sessions: SessionShelf;
  /** Which certificates were verified: the one of the session offered, the one that came. */
  readonly verified: Set<'session' | 'handshake'>;
  storedSessions: number;
  helloSeen: boolean;
}

export function answerJob(connection: Connection, id: number, job: Job, context: JobContext): void {
  let answer: JobAnswer | Refuse;
  try {
    answer = answerOf(job, context);
  } catch (error) {
    if (error instanceof Expectation) throw error;
    connection.failJob(id, error);
    return;
  }
  if (answer instanceof Refuse) connection.abort(answer.alert);
  else connection.finishJob(id, answer);
}

function answerOf(job: Job, context: JobContext): JobAnswer | Refuse {
  switch (job.kind) {
    case 'verify-certificate':
      return verify(job, context);
    case 'sign':
      return sign(job);
    case 'select':
      return select(job, context);
    case 'client-certificate':
      return clientCertificate(job, context.config);
    case 'find-session':
      return findSession(job, context);
    case 'store-session':
      return storeSession(job, context);
    case 'open-ticket':
      return openTicket(job, context);
    case 'seal-ticket':
      return sealTicket(job, context);
    case 'replay':
      return { accept: true };
    case 'offer-psk':
    case 'find-psk':
      return null;
  }
}

function verify(job: VerifyCertificateJob, context: JobContext): VerifyCertificateAnswer {
  const { config } = context;
  // The engine has a certificate judged again that was only let through. BoringSSL asks nobody then, so its
  // application is taken at its word of before, unless the test wants it asked.
  if (job.resumption && !config['reverify-on-resume']) return { ok: true, verifyResult: EXPIRED };
  const verified = job.resumption ? 'session' : 'handshake';
  if (context.verified.has(verified)) throw new Expectation('the certificate is verified twice');
  context.verified.add(verified);
  if (config['expect-ocsp-response'] !== null && job.ocspResponse === null && !job.resumption) {
    throw new Expectation('no OCSP response to verify with');
  }
  if (config['verify-fail']) {
    // Without -verify-peer and its like the answer is noted and nothing else (SSL_VERIFY_NONE).
    const binding = config['verify-peer'] || config['require-any-client-certificate'];
    if (!binding) return { ok: true, verifyResult: REFUSED_BY_APPLICATION };
    return {
      ok: false,
      reason: 'certificate-unknown',
      verifyResult: REFUSED_BY_APPLICATION,
      // BoringSSL's two kinds of callback end in two alerts.
      alert: config['use-custom-verify-callback'] ? Alert.certificate_unknown : Alert.handshake_failure,
    };
  }
  if (
    job.peer === 'server' &&
    config['use-ocsp-callback'] &&
    config['fail-ocsp-callback'] &&
    !job.resumption
  ) {
    return { ok: false, reason: 'bad-certificate-status', verifyResult: REFUSED_BY_APPLICATION };
  }
  // Only of a certificate that was found good a fingerprint is enough.
  return { ok: true, verifyResult: config['retain-only-sha256-client-cert'] ? 0 : EXPIRED };
}

function sign(job: SignJob): Uint8Array {
  const { key } = job.credential;
  if (key === undefined) throw new TypeError('a credential without a key');
  return key.sign(job.scheme, job.content);
}

function select(job: SelectJob, context: JobContext): SelectAnswer | Refuse {
  const { config } = context;
  context.helloSeen = true;
  const expectedName = config['expect-server-name'];
  if (expectedName !== null && job.serverName !== expectedName) {
    throw new Expectation(`the hello is for ${job.serverName}, not for ${expectedName}`);
  }
  if (config['fail-early-callback']) return new Refuse(Alert.handshake_failure);
  if (config['install-ddos-callback'] && config['fail-ddos-callback']) throw new Error('refused by the shim');
  if (config['fail-cert-callback']) throw new Error('refused by the shim');
  const ocsp = ocspToStaple(config);
  if (ocsp === 'fail') throw new Error('refused by the shim');
  const credential = loadCredential(config, ocsp);
  const alpn = selectAlpn(job, config);
  return {
    ...(credential === null ? {} : { credentials: [credential] }),
    ...(alpn === undefined ? {} : { alpn }),
  };
}

function ocspToStaple(config: ShimConfig): Uint8Array | null | 'fail' {
  const response = config['ocsp-response'];
  if (!config['use-ocsp-callback']) return response;
  if (config['fail-ocsp-callback']) return 'fail';
  if (config['decline-ocsp-callback']) return null;
  return response;
}

function selectAlpn(job: SelectJob, config: ShimConfig): Uint8Array | null | 'refuse' | undefined {
  if (job.alpn.length === 0) return undefined;
  const expected = config['expect-advertised-alpn'];
  if (expected !== null) {
    const advertised = concatBytes(
      ...job.alpn.flatMap((protocol) => [new Uint8Array([protocol.length]), protocol]),
    );
    if (!equalBytes(advertised, Buffer.from(expected, 'latin1'))) {
      throw new Expectation('the protocols advertised are others than expected');
    }
  }
  if (config['reject-alpn']) return 'refuse';
  if (config['decline-alpn']) return null;
  if (config['select-empty-alpn']) return EMPTY;
  const selected = config['select-alpn'];
  // BoringSSL's shim installs no callback for an empty name: no answer then.
  return selected === null || selected === '' ? undefined : new Uint8Array(Buffer.from(selected, 'latin1'));
}

function clientCertificate(job: ClientCertificateJob, config: ShimConfig): JobAnswer {
  const types = config['expect-certificate-types'];
  if (types !== null && !equalBytes(types, job.certificateTypes)) {
    throw new Expectation('the certificate types asked for are others than expected');
  }
  const expectedAuthorities = config['expect-client-ca-list'];
  if (expectedAuthorities !== null) {
    const expected = authoritiesOf(expectedAuthorities);
    const same =
      expected.length === job.authorities.length &&
      expected.every((name, i) => equalBytes(name, job.authorities[i] as Uint8Array));
    if (!same) throw new Expectation('the authorities asked for are others than expected');
  }
  const schemes = config['expect-peer-verify-pref'];
  if (schemes.length > 0 && schemes.join() !== job.signatureSchemes.join()) {
    throw new Expectation(`the signature schemes asked for are ${job.signatureSchemes.join()}`);
  }
  if (config['fail-cert-callback']) throw new Error('refused by the shim');
  return loadCredential(config, null);
}

function findSession(job: FindSessionJob, context: JobContext): JobAnswer {
  const session = context.sessions.get(job.id);
  return session === null ? { found: false, reason: 'not-found' } : { found: true, session };
}

function storeSession(job: StoreSessionJob, context: JobContext): JobAnswer {
  context.sessions.put(job.session);
  context.storedSessions++;
  return undefined;
}

function sealTicket({ session }: SealTicketJob, { config, tickets, clock }: JobContext): JobAnswer {
  if (!config['retain-only-sha256-client-cert']) return sealSessionTicket(tickets, session, clock.wallMs());
  return tickets.seal(ticketEnvelope(nodeProvider, session, 'fingerprint'), clock.wallMs());
}

function openTicket(job: OpenTicketJob, context: JobContext): JobAnswer {
  const result = openSessionTicket(context.tickets, job.ticket, context.clock.wallMs());
  return result.opened ? { ...result, renew: context.config['renew-ticket'] } : result;
}
