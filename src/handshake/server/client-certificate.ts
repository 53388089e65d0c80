/** The client's certificate as a server has it judged: when it arrives, and when a session brings it back. */
import type { PeerCertificate } from '../../session/body.ts';
import type { SessionCore } from '../../session/core.ts';
import { equalBytes } from '../../util/bytes.ts';
import { TlsAlertError } from '../../util/errors.ts';
import { HandshakeType } from '../../wire/numbers.ts';
import type { ServerConfig } from '../config.ts';
import type { Host } from '../host.ts';
import type { VerifyCertificateAnswer } from '../jobs.ts';
import { expandable, expandCertificate } from '../shared/certificates.ts';
import type { State } from '../state.ts';
import type { ServerSettings } from './start.ts';

/** What came with a certificate in TLS 1.3. */
interface Stapled {
  readonly ocspResponse: Uint8Array | null;
  readonly sctList: Uint8Array | null;
}

const NOTHING: Stapled = Object.freeze({ ocspResponse: null, sctList: null });

/** The body of the client's Certificate, expanded where compression was offered. Null for another message. */
export function clientCertificateBody(
  host: Host<ServerConfig>,
  type: number,
  message: Uint8Array,
): Uint8Array | null {
  const body = message.subarray(4);
  if (type === HandshakeType.certificate) return body;
  const isOffered = expandable(host.config.certificateCompressors).length > 0;
  if (type !== HandshakeType.compressed_certificate || !isOffered) return null;
  return expandCertificate(host, body);
}

/** A chain that the client sent. `next` gets the X509_V_* code that the session will remember. */
export function verifyClient(
  host: Host<ServerConfig>,
  chain: readonly PeerCertificate[],
  stapled: Stapled | null,
  next: (verifyResult: number) => State,
): State {
  return ask(host, chain, stapled ?? NOTHING, false, next);
}

/**
 * A session that is about to be resumed. What was found good stays good as long as the session lives; a
 * certificate that was only let through was let through by the policy of that day, and is judged by this one.
 */
export function verifyResumedClient(
  host: Host<ServerConfig>,
  session: SessionCore,
  next: () => State,
): State {
  const body = session.body('connection');
  const chain = body.chain ?? (body.peer === null ? [] : [body.peer]);
  host.info.verifyResult = body.verifyResult;
  host.info.peerChain = chain.map((certificate) => certificate.der);
  host.info.peerFingerprint = body.peerFingerprint;
  if (chain.length === 0 || (body.verifyResult === 0 && !host.config.verifyOnResume)) return next();
  return ask(host, chain, NOTHING, true, next);
}

/**
 * A session that cannot say by whose word its client was accepted, as none can that comes from plain DER: its
 * certificate is judged before the session is taken, as if it had just arrived (DESIGN rule 6). One that is not
 * found good costs the resumption and no more, since DER has the chain's first certificate alone.
 */
export function verifyUnboundClient(
  host: Host<ServerConfig>,
  settings: ServerSettings,
  session: SessionCore,
  accept: () => State,
  refuse: () => State,
): State {
  const { bindings, peer, chain } = session.body('connection');
  if (settings.clientCertificate === 'none' || bindings !== null || peer === null) return accept();
  // An id context that is the trust itself was compared already.
  if (equalBytes(settings.sessionIdContext, settings.trust)) return accept();
  return host.wait<'verify-certificate'>(
    {
      kind: 'verify-certificate',
      peer: 'client',
      chain: (chain ?? [peer]).map((certificate) => certificate.der),
      serverName: null,
      ocspRequested: false,
      ocspResponse: null,
      sctList: null,
      resumption: true,
    },
    // Let through is less than found good, which the session says it was.
    (answer) => (answer.ok && answer.verifyResult === 0 ? accept() : refuse()),
    refuse,
  );
}

function ask(
  host: Host<ServerConfig>,
  chain: readonly PeerCertificate[],
  stapled: Stapled,
  resumption: boolean,
  next: (verifyResult: number) => State,
): State {
  host.info.peerChain = chain.map((certificate) => certificate.der);
  return host.wait<'verify-certificate'>(
    {
      kind: 'verify-certificate',
      peer: 'client',
      chain: host.info.peerChain,
      serverName: null,
      ocspRequested: false,
      ocspResponse: stapled.ocspResponse?.slice() ?? null,
      sctList: stapled.sctList?.slice() ?? null,
      resumption,
    },
    (answer: VerifyCertificateAnswer) => {
      host.info.verifyResult = answer.verifyResult;
      if (answer.ok) return next(answer.verifyResult);
      const { reason, detail, cause, alert } = answer;
      throw TlsAlertError.local(reason, detail, { cause, alert });
    },
  );
}
