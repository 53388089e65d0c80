/**
 * The serialised form that OpenSSL gives a session, i2d_SSL_SESSION(3) and d2i_SSL_SESSION(3):
 *
 *     SSLSession ::= SEQUENCE {
 *       structureVersion   INTEGER (1),
 *       sslVersion         INTEGER,              -- ProtocolVersion, 0x0304 for TLS 1.3
 *       cipher             OCTET STRING,         -- two bytes
 *       sessionID          OCTET STRING,         -- at most 32
 *       masterKey          OCTET STRING,         -- in TLS 1.3 the resumption PSK; at most 512
 *       keyArg         [0] IMPLICIT OCTET STRING OPTIONAL,  -- of SSL 2: never written, ignored
 *       time           [1] INTEGER OPTIONAL,     -- seconds since 1970, 64 bits
 *       timeout        [2] INTEGER OPTIONAL,     -- seconds, 64 bits
 *       peer           [3] Certificate OPTIONAL,
 *       sessionIDCtx   [4] OCTET STRING OPTIONAL,           -- always written, even when empty
 *       verifyResult   [5] INTEGER OPTIONAL,     -- X509_V_*, 32 bits
 *       hostname       [6] OCTET STRING OPTIONAL,
 *       pskHint        [7] OCTET STRING OPTIONAL,
 *       pskIdentity    [8] OCTET STRING OPTIONAL,
 *       lifetimeHint   [9] INTEGER OPTIONAL,     -- seconds, 64 bits unsigned
 *       ticket        [10] OCTET STRING OPTIONAL,
 *       compression   [11] OCTET STRING OPTIONAL,           -- one byte
 *       srpUsername   [12] OCTET STRING OPTIONAL,
 *       flags         [13] INTEGER OPTIONAL,     -- 64 bits unsigned; 1: extended master secret
 *       ageAdd        [14] INTEGER OPTIONAL,     -- 32 bits unsigned, and so the rest
 *       maxEarlyData  [15] INTEGER OPTIONAL,
 *       alpn          [16] OCTET STRING OPTIONAL,
 *       maxFragment   [17] INTEGER OPTIONAL,
 *       ticketAppdata [18] OCTET STRING OPTIONAL,
 *       kexGroup      [19] INTEGER OPTIONAL,     -- since 3.0: always written, even when 0
 *       peerRPK       [20] OCTET STRING OPTIONAL -- since 3.2: SubjectPublicKeyInfo
 *     }
 *
 * All tags but [0] are EXPLICIT. An INTEGER that is OPTIONAL is left out when it is 0, unless a line says
 * otherwise. What a file did differently is remembered (`DerForm`), so that a session that was read and not
 * changed is written back byte for byte.
 */
export {
  ABSENT_TIMEOUT_SEC,
  type AbsentTimes,
  type DecodedSession,
  decodeRange,
  decodeSession,
  decodeSessionAt,
} from './der-read.ts';
export {
  type EncodeOptions,
  encodedLength,
  encodeSession,
  encodeSessionInto,
  encodeWith,
  exactInteger,
  wholeSeconds,
} from './der-write.ts';
