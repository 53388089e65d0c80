/** What a handshake asks of its program, answered by the callbacks of an SSL and its context. */
import { checkCertificate } from '../connection/certificate-check.ts';
import { type JobServices, NO_SERVICES } from '../connection/job-runner.ts';
import type { ExternalPsk } from '../handshake/config.ts';
import type {
  OpenTicketAnswer,
  SelectAnswer,
  SelectJob,
  VerifyCertificateAnswer,
  VerifyCertificateJob,
} from '../handshake/jobs.ts';
import { Field, PeerCertificate } from '../session/body.ts';
import type { SessionCore } from '../session/core.ts';
import { externalKeySession } from '../session/external-key.ts';
import { copyBytes, equalBytes, latin1 } from '../util/bytes.ts';
import { TlsAlertError } from '../util/errors.ts';
import { ProtocolVersion } from '../util/registries.ts';
import type { Ssl } from './ssl.ts';
import { hasOption, SSL_OP_NO_TICKET, SSL_TLSEXT_ERR_ALERT_FATAL, SSL_VERIFY_PEER } from './ssl-ctx.ts';
import { SslFault } from './ssl-fault.ts';
import {
  SSL_R_BAD_PSK,
  SSL_R_INCONSISTENT_EARLY_DATA_ALPN,
  SSL_R_INCONSISTENT_EARLY_DATA_SNI,
  SSL_R_SSL_SESSION_ID_CALLBACK_FAILED,
  SSL_R_SSL_SESSION_ID_CONFLICT,
  SSL_R_SSL_SESSION_ID_HAS_BAD_LENGTH,
} from './ssl-reason-codes.ts';
import { sessionOf, type X509 } from './types.ts';

const MAX_ID = 32;

export function servicesOf(ssl: Ssl): JobServices {
  // The hello's extension is read before the servername callback may change the options.
  const hadTickets = !hasOption(ssl.settings.options, SSL_OP_NO_TICKET);
  return {
    ...NO_SERVICES,
    verify: (job) => verify(ssl, job),
    tickets: {
      seal: (session) => sealTicket(ssl, session),
      open: (ticket, version, sessionId): OpenTicketAnswer =>
        ssl.sessionCtx.tickets.open(ssl, ticket, version, sessionId),
    },
    sessions: ssl.sessionCtx.sessions,
    replayGuard: {
      scope: 'early-data',
      windowMs: Number.POSITIVE_INFINITY,
      admit: () => {
        // A program that never calls SSL_read_early_data takes none.
        if (!ssl.acceptsEarlyData) return 'early-data-disabled';
        const allow = ssl.settings.allowEarlyData;
        return allow === null || allow.cb(ssl, allow.arg) !== 0
          ? 'admitted'
          : 'early-data-refused-by-callback';
      },
    },
    select: (job) => select(ssl, job, hadTickets),
    clientCertificate: () => ssl.settings.credentials[0] ?? null,
    offerPsk: (job) => offerPsk(ssl, job.hash),
    findPsk: (job) => findPsk(ssl, job.identity),
    get verifiesPeer() {
      return (ssl.settings.verifyMode & SSL_VERIFY_PEER) !== 0;
    },
  };
}

function verify(ssl: Ssl, job: VerifyCertificateJob): VerifyCertificateAnswer {
  const { settings, ctx } = ssl;
  const answer = checkCertificate(job, {
    provider: ctx.provider,
    clock: ctx.clock,
    anchors: ctx.anchors,
    paths: ctx.paths,
    reject: (settings.verifyMode & SSL_VERIFY_PEER) !== 0,
    checkName: ssl.hostname !== null,
  });
  const callback = settings.verifyCallback;
  let decided = answer;
  if (callback !== null) {
    const passed = answer.ok && answer.verifyResult === 0 ? 1 : 0;
    const chain: X509[] = job.chain.map((der) => new PeerCertificate(der));
    decided =
      callback(passed, answer.verifyResult, chain) === 0
        ? answer.ok
          ? { ok: false, reason: 'certificate-unknown', verifyResult: answer.verifyResult }
          : answer
        : { ok: true, verifyResult: answer.verifyResult };
  }
  ssl.verifyResult = decided.verifyResult;
  return decided;
}

function select(ssl: Ssl, job: SelectJob, hadTickets: boolean): SelectAnswer {
  const before = ssl.ctx;
  const { servername } = before;
  if (servername !== null) {
    // Who does not look at the answer: NOACK and ALERT_WARNING only leave server_name unanswered.
    if (servername.cb(ssl, servername.arg) === SSL_TLSEXT_ERR_ALERT_FATAL) {
      throw TlsAlertError.local('unknown-name');
    }
  }
  const status = ssl.ctx.status;
  const ocspResponse = status === null ? null : status.cb(ssl, status.arg);
  const { settings } = ssl;
  const credentials =
    ocspResponse === null
      ? settings.credentials
      : settings.credentials.map((each) => ({ ...each, ocspResponse: copyBytes(ocspResponse) }));
  // The callbacks above may have changed any of these.
  const answer: SelectAnswer = {
    credentials,
    sessionIdContext: settings.sidCtx,
    tickets: hadTickets && !hasOption(settings.options, SSL_OP_NO_TICKET),
  };
  const { alpnSelect } = ssl.ctx;
  if (alpnSelect === null || job.alpn.length === 0) return answer;
  const chosen = alpnSelect.cb(ssl, job.alpn, alpnSelect.arg);
  if (chosen === 'fatal') return { ...answer, alpn: 'refuse' };
  if (chosen === null) return { ...answer, alpn: null };
  const protocol = job.alpn.find((each) => equalBytes(each, chosen));
  if (protocol === undefined) throw TlsAlertError.local('no-common-alpn');
  return { ...answer, alpn: protocol };
}

function sealTicket(ssl: Ssl, session: SessionCore): Uint8Array | null {
  if (!ssl.mayBeResumed) {
    session.markNotResumable();
    return null;
  }
  return ssl.sessionCtx.tickets.seal(ssl, session);
}

/** A callback that makes an id says how long it is; one that another session has is its fault, not ours. */
export function generateId(ssl: Ssl): Uint8Array {
  const generate = ssl.settings.generateId;
  const id = generate?.(ssl, MAX_ID) ?? null;
  if (id === null)
    throw new SslFault(SSL_R_SSL_SESSION_ID_CALLBACK_FAILED, 'the callback made no session id');
  if (id.length === 0 || id.length > MAX_ID) {
    throw new SslFault(SSL_R_SSL_SESSION_ID_HAS_BAD_LENGTH, `a session id of ${id.length} bytes`);
  }
  if (ssl.sessionCtx.sessions.has(ssl.version, id)) {
    throw new SslFault(SSL_R_SSL_SESSION_ID_CONFLICT, 'a session of that id is in the cache');
  }
  return copyBytes(id);
}

/** What early data was written for has to be what is asked for now, or nothing goes out (RFC 8446, 4.2.10). */
export function checkEarlySession(ssl: Ssl, session: SessionCore): void {
  const body = session.body('SSL_write_early_data');
  if (body.has(Field.hostname) && latin1(body.view(Field.hostname)) !== ssl.hostname) {
    throw new SslFault(SSL_R_INCONSISTENT_EARLY_DATA_SNI, 'early data for another server name');
  }
  const alpn = body.view(Field.alpn);
  if (alpn.length > 0 && !ssl.settings.alpn.some((protocol) => equalBytes(protocol, alpn))) {
    throw new SslFault(SSL_R_INCONSISTENT_EARLY_DATA_ALPN, 'early data for a protocol that is not offered');
  }
}

function offerPsk(ssl: Ssl, hash: 'sha256' | 'sha384' | null): ExternalPsk | null {
  const { pskUse, pskClient } = ssl.settings;
  if (pskUse !== null) {
    const { ret, identity, session } = pskUse(ssl, hash);
    if (ret === 0) {
      if (session !== null) sessionOf(session, 'psk_use_session').free('psk_use_session');
      throw new SslFault(SSL_R_BAD_PSK, 'psk_use_session returned 0');
    }
    if (session !== null) {
      const core = ssl.keep(session);
      if (core.body('psk_use_session').version !== ProtocolVersion.TLS1_3) {
        throw new SslFault(SSL_R_BAD_PSK, 'a pre-shared key that is not of TLS 1.3');
      }
      if (ssl.sendsEarlyData) checkEarlySession(ssl, core);
      return { identity: copyBytes(identity ?? new Uint8Array(0)), session: core };
    }
  }
  const old = pskClient?.(ssl, null) ?? null;
  if (old === null || old.psk.length === 0) return null;
  const session = externalKeySession(old.psk, 'psk_client');
  ssl.keepGiven(session);
  return { identity: copyBytes(old.identity), session };
}

function findPsk(ssl: Ssl, identity: Uint8Array): SessionCore | null {
  const { pskFind, pskServer } = ssl.settings;
  if (pskFind !== null) {
    const { ret, session } = pskFind(ssl, identity);
    if (ret === 0) {
      if (session !== null) sessionOf(session, 'psk_find_session').free('psk_find_session');
      throw new SslFault(SSL_R_BAD_PSK, 'psk_find_session returned 0');
    }
    if (session !== null) {
      const core = sessionOf(session, 'psk_find_session');
      core.takeFromApplication('psk_find_session');
      return core;
    }
  }
  const old = pskServer?.(ssl, identity) ?? null;
  if (old === null || old.length === 0) return null;
  return externalKeySession(old, 'psk_server');
}
