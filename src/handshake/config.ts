/**
 * What a handshake is told. Everything is given: keys, clocks, randomness, lists in order of preference.
 * `connection/defaults` fills in what most callers leave out.
 */
import type { CertificateCompressor } from '../crypto/certificate-compressor.ts';
import type { CryptoProvider, KeyType, PrivateKey } from '../crypto/provider.ts';
import type { SessionCore } from '../session/core.ts';
import type { ResumptionReason } from '../session/resumption-reason.ts';
import type { Clock } from '../util/clock.ts';
import type { Limits } from '../util/limits.ts';

/** A certificate chain with the key that signs for it. */
export interface Credential {
  /** DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** What the key can sign with. Signing itself is a job, so the key may live anywhere. */
  readonly keyType: KeyType;
  readonly keyBits: number;
  /** Absent when the key lives elsewhere and the caller answers sign jobs itself. */
  readonly key?: PrivateKey;
  /** Schemes to sign with, in order; absent: all that fit the key. */
  readonly signatureSchemes?: readonly number[];
  /** DER OCSPResponse to staple. */
  readonly ocspResponse?: Uint8Array;
  /** SignedCertificateTimestampList as it goes on the wire. */
  readonly sctList?: Uint8Array;
}

interface CommonConfig {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  /** Random bytes; the provider's unless a test injects its own. */
  readonly random: (length: number) => Uint8Array;
  readonly limits: Limits;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** Ids of both versions' suites, in order of preference. */
  readonly cipherSuites: readonly number[];
  /** NamedGroups, in order of preference. */
  readonly groups: readonly number[];
  /** SignatureSchemes that the peer may sign with, in order of preference. */
  readonly signatureSchemes: readonly number[];
  /** Application protocols, in order of preference. Empty: ALPN is not spoken. */
  readonly alpn: readonly Uint8Array[];
  /** Whether key log events are made (SSLKEYLOGFILE). */
  readonly keyLog: boolean;
  /** Whether tickets are sent or accepted (server), or wanted (client). */
  readonly tickets: boolean;
  /** Largest plaintext record this end takes (RFC 8449), 64 to 16384; 0: say nothing. */
  readonly recordSizeLimit: number;
  /** Largest plaintext record this end makes, 1 to 16384. */
  readonly maxSendFragment: number;
  /** Multiple that TLS 1.3 records are padded to; 0 for none. */
  readonly recordPadding: number;
  /** In order of preference (RFC 8879); TLS 1.3 alone compresses. Empty: none. */
  readonly certificateCompressors: readonly CertificateCompressor[];
  /** Send GREASE values where RFC 8701 has places for them. */
  readonly grease: boolean;
  /** How long new sessions may be resumed, in seconds (SSL_CTX_set_timeout; default 7200). */
  readonly sessionTimeoutSec: number;
  /**
   * How long, in seconds, one full handshake may be lived on: sessions that come from resuming others count
   * from there, over the whole chain. Default: 604,800 (7 days), or the session timeout if that is longer.
   */
  readonly maxKeyingMaterialAgeSec: number;
  /**
   * Whether the extended master secret is spoken in TLS 1.2 (RFC 7627). False is OpenSSL's
   * SSL_OP_NO_EXTENDED_MASTER_SECRET: for peers that fail over the extension, at the price of what it protects.
   */
  readonly extendedMasterSecret: boolean;
  /** TLS 1.2 without extended master secret is refused. */
  readonly requireExtendedMasterSecret: boolean;
  /**
   * Resumption without a new Diffie-Hellman exchange (psk_ke): no forward secrecy for what follows.
   * OpenSSL's SSL_OP_ALLOW_NO_DHE_KEX.
   */
  readonly allowPskKe: boolean;
  /** Middlebox compatibility (RFC 8446, D.4): ChangeCipherSpec and a legacy session id. */
  readonly compatibilityMode: boolean;
}

/** An external pre-shared key (RFC 8446, 4.2.11; RFC 9258 is not spoken). */
export interface ExternalPsk {
  readonly identity: Uint8Array;
  /** A session with version, cipher and master key: psk_use_session's form. Counted by who made it. */
  readonly session: SessionCore;
}

export interface ClientConfig extends CommonConfig {
  readonly role: 'client';
  /** For server_name and for the certificate's name; an IP literal is not sent. Null: neither. */
  readonly serverName: string | null;
  /** Whether server_name goes out. */
  readonly sendServerName: boolean;
  /** The port, for the session's binding; 0 when not known. */
  readonly port: number;
  /** The session to resume; the connection takes a reference of its own. */
  readonly session: SessionCore | null;
  /** What a connection without a session says of that. */
  readonly noSessionReason: ResumptionReason;
  /** TLS 1.2: whether tickets are asked for, where `tickets` are wanted at all. OpenSSL's SSL_OP_NO_TICKET at a client. */
  readonly tickets12: boolean;
  /** Offer a TLS 1.3 session that was offered before (RFC 8446, C.4 advises against it). */
  readonly ticketReuse: boolean;
  /** Digest of what decides about trust here; a session made under another is not offered. */
  readonly trust: Uint8Array;
  /** Digest of the client certificate and policy; likewise. */
  readonly clientAuth: Uint8Array;
  /** Groups to send key shares of in the first hello, as a count from the front of `groups`. */
  readonly keyShareCount: number;
  readonly requestOcsp: boolean;
  readonly requestSct: boolean;
  /** Send post_handshake_auth. */
  readonly postHandshakeAuth: boolean;
  /** Offer early data when the session allows it. */
  readonly earlyData: boolean;
  /**
   * Early data that is accepted ends when `Connection.endEarlyData` is called, and not as soon as the
   * server's Finished is there: until then more of it may be written.
   */
  readonly holdEarlyData: boolean;
  /** With `allowPskKe`: offer psk_ke alone. A server that does not speak it makes a full handshake. */
  readonly pskKeOnly: boolean;
  /** Ask by job for an external key (SSL_CTX_set_psk_use_session_callback). */
  readonly externalPsk: boolean;
  /** Whether a resumed session's certificate goes through the certificate job again. */
  readonly verifyOnResume: boolean;
  /** Whether the peer must be authenticated: decides if an unbound session may be offered unverified. */
  readonly verifyPeer: boolean;
  /** Send TLS_FALLBACK_SCSV (RFC 7507). */
  readonly fallbackScsv: boolean;
  /**
   * A TLS 1.2 server without renegotiation_info is refused: whoever sits in between may have spoken to it
   * first (RFC 5746, 4.1). OpenSSL's default, too.
   */
  readonly requireSecureRenegotiation: boolean;
  /** Take a protocol that was not offered as the answer (BoringSSL's SSL_set_allow_unknown_alpn_protos). */
  readonly allowUnknownAlpn: boolean;
  /** The leaf's keyUsage must allow signatures. */
  readonly enforceKeyUsage: boolean;
}

/** What seals the state of a HelloRetryRequest into a cookie (RFC 8446, 4.2.2), and opens it again. */
export interface RetryCookies {
  /** Null: there can be none, and the handshake ends. */
  seal(state: Uint8Array): Uint8Array | null;
  /** The state; 'stale' for a cookie that is too old; null for one that is not ours or was changed. */
  open(cookie: Uint8Array): Uint8Array | 'stale' | null;
}

export interface ServerConfig extends CommonConfig {
  readonly role: 'server';
  /** The default; a `select` job's answer may give another. In order of preference. */
  readonly credentials: readonly Credential[];
  /** Ask by job which credentials, ALPN and settings a ClientHello gets. */
  readonly selectByJob: boolean;
  readonly clientCertificate: 'none' | 'request' | 'require';
  /** DER names of the CAs that client certificates should come from. */
  readonly clientCertificateAuthorities: readonly Uint8Array[];
  /** SSL_CTX_set_session_id_context: at most 32 bytes. */
  readonly sessionIdContext: Uint8Array;
  readonly trust: Uint8Array;
  readonly clientAuth: Uint8Array;
  /** Of a client that offers both, take a key without a new exchange (SSL_OP_PREFER_NO_DHE_KEX). */
  readonly preferPskKe: boolean;
  /** Cipher suites in the server's order and not the client's. */
  readonly preferServerCiphers: boolean;
  /** TLS 1.3 tickets after a full handshake (SSL_CTX_set_num_tickets; default 2). 1 after a resumption. */
  readonly ticketCount: number;
  /** Whether a 1.2 session id is minted and looked up: a cache is there. */
  readonly sessionIds: boolean;
  /** Where ids of new sessions come from (SSL_CTX_set_generate_session_id): 1 to 32 bytes. Null: 32 random ones. */
  readonly generateSessionId: (() => Uint8Array) | null;
  /** TLS 1.3 tickets that are only names for sessions in a cache. */
  readonly statefulTickets: boolean;
  /** Whether a stateful ticket serves once: OpenSSL's anti-replay, when early data is offered. */
  readonly singleUseTickets: boolean;
  /** TLS 1.2: ask by job about an empty ticket too; OpenSSL's decrypt callback sees those. */
  readonly openEmptyTickets: boolean;
  /** Bytes of early data that tickets promise; 0: none. */
  readonly maxEarlyData: number;
  /** Bytes of early data that are taken at most (SSL_CTX_set_recv_max_early_data). */
  readonly receiveMaxEarlyData: number;
  /** Bytes of early data to skip where none is taken. Null: the limit for that, or what tickets promise if it is more. */
  readonly skipMaxEarlyData: number | null;
  /** Whether a replay guard answers replay jobs. Without one early data is never taken. */
  readonly replayGuard: boolean;
  /** Ask by job for external keys (SSL_CTX_set_psk_find_session_callback). */
  readonly externalPsk: boolean;
  /** Whether a resumed session's client certificate goes through the certificate job again. */
  readonly verifyOnResume: boolean;
  /** Tell clients in EncryptedExtensions which groups this server knows (RFC 8446, 4.2.7). */
  readonly advertiseGroups: boolean;
  /** Resume only when the name asked for is the one the session was made for. */
  readonly bindServerName: boolean;
  /**
   * Resume only under the application protocol that the session was made for. The protocol is the connection's
   * and not the session's (RFC 7301, 3.1), so this is for who decides by it, say about client certificates.
   */
  readonly bindAlpn: boolean;
  /**
   * SSL_stateless(3): every client is sent a HelloRetryRequest with a cookie first, and goes on only in a
   * connection that begins with that cookie. Null: no cookies.
   */
  readonly cookies: RetryCookies | null;
}
