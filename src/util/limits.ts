/**
 * Every bound of the engine, in one table. A number here is what a peer can make this end spend; each is
 * checked where it is used, and tested. All may be given per connection.
 */
export interface Limits {
  /** Largest handshake message in bytes, of any type but those with a limit of their own below. */
  readonly handshakeMessageBytes: number;
  /** Largest Certificate or CompressedCertificate message in bytes, before and after expansion. */
  readonly certificateMessageBytes: number;
  /** Certificates in a chain: the peer's own and as many issuers as an envelope keeps. */
  readonly chainCertificates: number;
  /** Records in a row that carry nothing (no plaintext, or a ChangeCipherSpec that is ignored). */
  readonly emptyRecords: number;
  /** Records of fewer than 16 bytes that leave a handshake message unfinished, over a whole connection. */
  readonly tinyRecords: number;
  /** Warning alerts in a row without application data between them. */
  readonly warningAlerts: number;
  /** HelloRequest messages in a row without application data between them (TLS 1.2). */
  readonly helloRequests: number;
  /** KeyUpdate messages in a row without application data between them. */
  readonly keyUpdates: number;
  /** CertificateRequest messages after the handshake, in a row without application data between them. */
  readonly certificateRequests: number;
  /** NewSessionTicket messages that a client takes from one connection. */
  readonly tickets: number;
  /** Bytes of refused early data that a server skips, where its tickets did not allow more (RFC 8446, 4.2.10). */
  readonly skippedEarlyDataBytes: number;
  /** Pre-shared key identities that a server tries from one ClientHello. */
  readonly pskIdentities: number;
  /** Bytes kept while the handshake waits for a job. The transport should stop reading long before. */
  readonly pendingInputBytes: number;
  /** Application bytes buffered while they cannot be sent yet (before the handshake is done). */
  readonly pendingOutputBytes: number;
  /**
   * Records under one AES-GCM key (RFC 8446, 5.5: 2^24.5 full-sized). TLS 1.3 then changes the key; TLS 1.2 has no
   * other, and ends.
   */
  readonly recordsPerAesKey: number;
  /** Records under one ChaCha20-Poly1305 key, which wears out only with its sequence numbers (RFC 8446, 5.5). */
  readonly recordsPerChachaKey: number;
  /**
   * Records under one AES-CCM key, of either tag (RFC 9147, 4.5.3 and B.3; RFC 8446 names no limit). Forgeries need
   * none: the first record that does not authenticate ends a connection.
   */
  readonly recordsPerCcmKey: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  handshakeMessageBytes: 65_536,
  certificateMessageBytes: 102_400,
  chainCertificates: 33,
  emptyRecords: 32,
  tinyRecords: 16_384,
  warningAlerts: 4,
  helloRequests: 32,
  keyUpdates: 32,
  certificateRequests: 4,
  tickets: 64,
  skippedEarlyDataBytes: 16_384,
  pskIdentities: 4,
  pendingInputBytes: 1_048_576,
  pendingOutputBytes: 1_048_576,
  recordsPerAesKey: 2 ** 24,
  recordsPerChachaKey: 2 ** 47,
  recordsPerCcmKey: 2 ** 23,
});

/** The bounds of session objects and of the files that hold them. They are fixed: what fits one fits all. */
export const SESSION_LIMITS = {
  /** Bytes of a session id and of a session id context: OpenSSL's. */
  idBytes: 32,
  /** Bytes of a master key or resumption secret: OpenSSL's. */
  masterKeyBytes: 512,
  /** Bytes of an early secret: the longest hash. */
  earlySecretBytes: 64,
  /** Bytes of a ticket, host name, ALPN protocol, PSK or SRP name, or raw public key, each. */
  stringBytes: 65_535,
  /** Bytes of the application's data in a ticket. */
  ticketAppdataBytes: 1_048_576,
  /** Bytes of a file that is looked at as a session at all. */
  fileBytes: 8_388_608,
  /** Certificates of a chain in an envelope, beyond the peer's own. */
  issuers: 32,
  /** References to one session: C's INT_MAX. */
  references: 0x7fff_ffff,
  /** ex_data indexes in a program. */
  exDataIndexes: 1024,
  /** Events kept of a session whose references are traced; the first stays, then the oldest go. */
  tracedEvents: 64,
  /** Leaks kept until someone asks for the report. */
  leaks: 10_000,
  /** Errors in the queue of ERR_get_error; the oldest go. */
  errors: 16,
} as const;
