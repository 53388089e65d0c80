import type { ResumptionMethod, ResumptionOffer } from '../diagnostics/channels.ts';
import type { PeerFingerprint } from '../session/body.ts';
import type { EarlyDataReason, ResumptionReason } from '../session/resumption-reason.ts';

/**
 * What this connection agreed on, filled in as the handshake goes. Read it at any time; a field keeps its
 * initial value until the message that decides it.
 */
export class ConnectionInfo {
  /** ProtocolVersion, 0 before it is negotiated. */
  version = 0;
  cipherSuite = 0;
  /** NamedGroup of the key exchange; of the original handshake for a resumed TLS 1.2 session. */
  group = 0;
  /** Server: the name in the client's hello. Client: the name that was sent. */
  serverName: string | null = null;
  /** The application protocol agreed on. */
  alpn: Uint8Array | null = null;
  /** The peer's chain as sent, leaf first; of the resumed session when it was resumed. Copies. */
  peerChain: readonly Uint8Array[] = [];
  /** The leaf that this end showed in this connection; null when it showed none, as where it resumed. */
  ownCertificate: Uint8Array | null = null;
  /** Server: what the ticket that was resumed had in place of the client's certificate (`ticketPeer`). */
  peerFingerprint: PeerFingerprint | null = null;
  /** SignatureScheme of the peer's CertificateVerify or ServerKeyExchange; 0 when resumed. */
  peerSignatureScheme = 0;
  /** SignatureScheme that this end signed with; 0 when it did not. */
  signatureScheme = 0;
  ocspResponse: Uint8Array | null = null;
  sctList: Uint8Array | null = null;
  /** What the client showed to be resumed. */
  offered: ResumptionOffer = 'none';
  /** A resumption PSK, an external PSK or a session id was used. */
  resumed = false;
  /** By what; null when it was not. */
  resumedBy: ResumptionMethod | null = null;
  /** Why not, when it was not; null when it was. */
  resumptionReason: ResumptionReason | null = null;
  externalPsk = false;
  helloRetryRequest = false;
  extendedMasterSecret = false;
  /** X509_V_* code of the peer's certificate. */
  verifyResult = 0;
  earlyDataOffered = false;
  earlyDataAccepted = false;
  earlyDataReason: EarlyDataReason | null = null;
  /** Server: EndOfEarlyData is here. */
  earlyDataEnded = false;
  /** Server: how much older the client says the ticket is than this clock does, in milliseconds. */
  ticketAgeSkewMs = 0;
  /** Server: what the client's hello listed. */
  peerSignatureSchemes: readonly number[] = [];
  /** Client: a server asked for a certificate. */
  certificateRequested = false;
  /** The peer's Finished and ours, for getPeerFinished and getFinished. */
  finished: Uint8Array | null = null;
  peerFinished: Uint8Array | null = null;
  renegotiationInfo = false;
  /** Server: the hello came with a cookie of ours. */
  cookieVerified = false;
}
