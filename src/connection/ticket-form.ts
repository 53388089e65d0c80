/**
 * How much of a client's certificate goes into a ticket that only this server reads. It was judged in the
 * handshake that the session comes from; a kilobyte or more of it in every ClientHello tells nobody anything new.
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import { parseCertificate } from '../pki/certificate.ts';
import { PeerCertificate, type PeerFingerprint } from '../session/body.ts';
import { SessionCore } from '../session/core.ts';
import { encodeEnvelope } from '../session/envelope.ts';

/**
 * `chain`: all that the client sent. `leaf`: its own certificate, as OpenSSL's tickets have it. `fingerprint`: the
 * SHA-256 of that and the time for which it is valid: the resumed connection knows who the client is by these.
 */
export type TicketPeer = 'chain' | 'leaf' | 'fingerprint';

/** The envelope to seal; `session` is only read. */
export function ticketEnvelope(provider: CryptoProvider, session: SessionCore, peer: TicketPeer): Uint8Array {
  const body = session.body('sealTicket');
  // One that was only let through is judged again where it is resumed: with all that the client sent.
  if (body.peer === null || body.verifyResult !== 0 || peer === 'chain') {
    return encodeEnvelope(session, 'sealTicket');
  }
  const slim = body.clone();
  slim.chain = null;
  if (peer === 'fingerprint') {
    slim.peerFingerprint = fingerprintOf(provider, body.peer);
    slim.peer = null;
  }
  const copy = SessionCore.fromBody(
    slim,
    session.timeMs('sealTicket'),
    session.timeoutSec('sealTicket'),
    'sealTicket',
  );
  try {
    if (session.isMarkedNotResumable) copy.markNotResumable();
    return encodeEnvelope(copy, 'sealTicket');
  } finally {
    copy.free('sealTicket');
  }
}

function fingerprintOf(provider: CryptoProvider, certificate: PeerCertificate): PeerFingerprint {
  const der = PeerCertificate.view(certificate);
  const { notBeforeMs, notAfterMs } = parseCertificate(der);
  return Object.freeze({ sha256: provider.digest('sha256', der), notBeforeMs, notAfterMs });
}
