/** Reasons that connections leave on the error queue (SSL_R_*), with OpenSSL 3.0's numbers and texts. */
export const SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY = 291;
export const SSL_R_BAD_CHANGE_CIPHER_SPEC = 103;
export const SSL_R_BAD_EXTENSION = 110;
export const SSL_R_BAD_KEY_SHARE = 108;
export const SSL_R_BAD_PSK = 219;
export const SSL_R_BAD_RECORD_TYPE = 443;
export const SSL_R_BAD_SIGNATURE = 123;
export const SSL_R_BAD_WRITE_RETRY = 127;
export const SSL_R_BINDER_DOES_NOT_VERIFY = 253;
export const SSL_R_BIO_NOT_SET = 128;
export const SSL_R_CALLBACK_FAILED = 234;
export const SSL_R_CERTIFICATE_VERIFY_FAILED = 134;
export const SSL_R_CERT_CB_ERROR = 377;
export const SSL_R_CIPHERSUITE_DIGEST_HAS_CHANGED = 218;
export const SSL_R_CLIENTHELLO_TLSEXT = 226;
export const SSL_R_CONNECTION_TYPE_NOT_SET = 144;
export const SSL_R_COOKIE_GEN_CALLBACK_FAILURE = 400;
export const SSL_R_COOKIE_MISMATCH = 308;
export const SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC = 281;
export const SSL_R_DIGEST_CHECK_FAILED = 149;
export const SSL_R_EXCESSIVE_MESSAGE_SIZE = 152;
export const SSL_R_EXTENSION_NOT_RECEIVED = 279;
export const SSL_R_INAPPROPRIATE_FALLBACK = 373;
export const SSL_R_INCONSISTENT_EARLY_DATA_ALPN = 222;
export const SSL_R_INCONSISTENT_EARLY_DATA_SNI = 231;
export const SSL_R_INCONSISTENT_EXTMS = 104;
export const SSL_R_INVALID_ALERT = 205;
export const SSL_R_INVALID_COMPRESSION_ALGORITHM = 341;
export const SSL_R_INVALID_CONFIG = 283;
export const SSL_R_INVALID_TICKET_KEYS_LENGTH = 325;
export const SSL_R_LENGTH_MISMATCH = 159;
export const SSL_R_NOT_ON_RECORD_BOUNDARY = 182;
export const SSL_R_NOT_SERVER = 284;
export const SSL_R_NO_APPLICATION_PROTOCOL = 235;
export const SSL_R_NO_CERTIFICATES_RETURNED = 176;
export const SSL_R_NO_CIPHER_MATCH = 185;
export const SSL_R_NO_COOKIE_CALLBACK_SET = 287;
export const SSL_R_NO_RENEGOTIATION = 339;
export const SSL_R_NO_SHARED_CIPHER = 193;
export const SSL_R_NO_SHARED_GROUPS = 410;
export const SSL_R_NO_SUITABLE_KEY_SHARE = 101;
export const SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM = 118;
export const SSL_R_PACKET_LENGTH_TOO_LONG = 198;
export const SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE = 199;
export const SSL_R_PROTOCOL_IS_SHUTDOWN = 207;
export const SSL_R_READ_BIO_NOT_SET = 211;
export const SSL_R_RENEGOTIATION_MISMATCH = 337;
export const SSL_R_REQUEST_SENT = 286;
export const SSL_R_SESSION_ID_CONTEXT_UNINITIALIZED = 277;
export const SSL_R_SHUTDOWN_WHILE_IN_INIT = 407;
export const SSL_R_SSL3_EXT_INVALID_SERVERNAME = 319;
export const SSL_R_SSLV3_ALERT_BAD_CERTIFICATE = 1042;
export const SSL_R_SSLV3_ALERT_BAD_RECORD_MAC = 1020;
export const SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED = 1045;
export const SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED = 1044;
export const SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN = 1046;
export const SSL_R_SSLV3_ALERT_DECOMPRESSION_FAILURE = 1030;
export const SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE = 1040;
export const SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER = 1047;
export const SSL_R_SSLV3_ALERT_NO_CERTIFICATE = 1041;
export const SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE = 1010;
export const SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE = 1043;
export const SSL_R_SSL_HANDSHAKE_FAILURE = 229;
export const SSL_R_SSL_SESSION_ID_CALLBACK_FAILED = 301;
export const SSL_R_SSL_SESSION_ID_CONFLICT = 302;
export const SSL_R_SSL_SESSION_ID_HAS_BAD_LENGTH = 303;
export const SSL_R_STILL_IN_INIT = 121;
export const SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED = 1116;
export const SSL_R_TLSV13_ALERT_MISSING_EXTENSION = 1109;
export const SSL_R_TLSV1_ALERT_ACCESS_DENIED = 1049;
export const SSL_R_TLSV1_ALERT_DECODE_ERROR = 1050;
export const SSL_R_TLSV1_ALERT_DECRYPTION_FAILED = 1021;
export const SSL_R_TLSV1_ALERT_DECRYPT_ERROR = 1051;
export const SSL_R_TLSV1_ALERT_EXPORT_RESTRICTION = 1060;
export const SSL_R_TLSV1_ALERT_INAPPROPRIATE_FALLBACK = 1086;
export const SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY = 1071;
export const SSL_R_TLSV1_ALERT_INTERNAL_ERROR = 1080;
export const SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL = 1120;
export const SSL_R_TLSV1_ALERT_NO_RENEGOTIATION = 1100;
export const SSL_R_TLSV1_ALERT_PROTOCOL_VERSION = 1070;
export const SSL_R_TLSV1_ALERT_RECORD_OVERFLOW = 1022;
export const SSL_R_TLSV1_ALERT_UNKNOWN_CA = 1048;
export const SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY = 1115;
export const SSL_R_TLSV1_ALERT_USER_CANCELLED = 1090;
export const SSL_R_TLSV1_BAD_CERTIFICATE_HASH_VALUE = 1114;
export const SSL_R_TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE = 1113;
export const SSL_R_TLSV1_CERTIFICATE_UNOBTAINABLE = 1111;
export const SSL_R_TLSV1_UNRECOGNIZED_NAME = 1112;
export const SSL_R_TLSV1_UNSUPPORTED_EXTENSION = 1110;
export const SSL_R_TOO_MANY_KEY_UPDATES = 132;
export const SSL_R_TOO_MANY_WARN_ALERTS = 409;
export const SSL_R_TOO_MUCH_EARLY_DATA = 164;
export const SSL_R_UNEXPECTED_EOF_WHILE_READING = 294;
export const SSL_R_UNEXPECTED_MESSAGE = 244;
export const SSL_R_UNEXPECTED_RECORD = 245;
export const SSL_R_UNINITIALIZED = 276;
export const SSL_R_UNSOLICITED_EXTENSION = 217;
export const SSL_R_UNSUPPORTED_PROTOCOL = 258;
export const SSL_R_WRONG_CERTIFICATE_TYPE = 383;
export const SSL_R_WRONG_CIPHER_RETURNED = 261;
export const SSL_R_WRONG_CURVE = 378;
export const SSL_R_WRONG_SIGNATURE_TYPE = 370;
export const SSL_R_WRONG_SSL_VERSION = 266;
export const SSL_R_WRONG_VERSION_NUMBER = 267;

/** Texts by number. */
export const SSL_REASON_TEXTS: ReadonlyMap<number, string> = new Map([
  [SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY, 'application data after close notify'],
  [SSL_R_BAD_CHANGE_CIPHER_SPEC, 'bad change cipher spec'],
  [SSL_R_BAD_EXTENSION, 'bad extension'],
  [SSL_R_BAD_KEY_SHARE, 'bad key share'],
  [SSL_R_BAD_PSK, 'bad psk'],
  [SSL_R_BAD_RECORD_TYPE, 'bad record type'],
  [SSL_R_BAD_SIGNATURE, 'bad signature'],
  [SSL_R_BAD_WRITE_RETRY, 'bad write retry'],
  [SSL_R_BINDER_DOES_NOT_VERIFY, 'binder does not verify'],
  [SSL_R_BIO_NOT_SET, 'bio not set'],
  [SSL_R_CALLBACK_FAILED, 'callback failed'],
  [SSL_R_CERTIFICATE_VERIFY_FAILED, 'certificate verify failed'],
  [SSL_R_CERT_CB_ERROR, 'cert cb error'],
  [SSL_R_CIPHERSUITE_DIGEST_HAS_CHANGED, 'ciphersuite digest has changed'],
  [SSL_R_CLIENTHELLO_TLSEXT, 'clienthello tlsext'],
  [SSL_R_CONNECTION_TYPE_NOT_SET, 'connection type not set'],
  [SSL_R_COOKIE_GEN_CALLBACK_FAILURE, 'cookie gen callback failure'],
  [SSL_R_COOKIE_MISMATCH, 'cookie mismatch'],
  [SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, 'decryption failed or bad record mac'],
  [SSL_R_DIGEST_CHECK_FAILED, 'digest check failed'],
  [SSL_R_EXCESSIVE_MESSAGE_SIZE, 'excessive message size'],
  [SSL_R_EXTENSION_NOT_RECEIVED, 'extension not received'],
  [SSL_R_INAPPROPRIATE_FALLBACK, 'inappropriate fallback'],
  [SSL_R_INCONSISTENT_EARLY_DATA_ALPN, 'inconsistent early data alpn'],
  [SSL_R_INCONSISTENT_EARLY_DATA_SNI, 'inconsistent early data sni'],
  [SSL_R_INCONSISTENT_EXTMS, 'inconsistent extms'],
  [SSL_R_INVALID_ALERT, 'invalid alert'],
  [SSL_R_INVALID_COMPRESSION_ALGORITHM, 'invalid compression algorithm'],
  [SSL_R_INVALID_CONFIG, 'invalid config'],
  [SSL_R_INVALID_TICKET_KEYS_LENGTH, 'invalid ticket keys length'],
  [SSL_R_LENGTH_MISMATCH, 'length mismatch'],
  [SSL_R_NOT_ON_RECORD_BOUNDARY, 'not on record boundary'],
  [SSL_R_NOT_SERVER, 'not server'],
  [SSL_R_NO_APPLICATION_PROTOCOL, 'no application protocol'],
  [SSL_R_NO_CERTIFICATES_RETURNED, 'no certificates returned'],
  [SSL_R_NO_CIPHER_MATCH, 'no cipher match'],
  [SSL_R_NO_COOKIE_CALLBACK_SET, 'no cookie callback set'],
  [SSL_R_NO_RENEGOTIATION, 'no renegotiation'],
  [SSL_R_NO_SHARED_CIPHER, 'no shared cipher'],
  [SSL_R_NO_SHARED_GROUPS, 'no shared groups'],
  [SSL_R_NO_SUITABLE_KEY_SHARE, 'no suitable key share'],
  [SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, 'no suitable signature algorithm'],
  [SSL_R_PACKET_LENGTH_TOO_LONG, 'packet length too long'],
  [SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, 'peer did not return a certificate'],
  [SSL_R_PROTOCOL_IS_SHUTDOWN, 'protocol is shutdown'],
  [SSL_R_READ_BIO_NOT_SET, 'read bio not set'],
  [SSL_R_RENEGOTIATION_MISMATCH, 'renegotiation mismatch'],
  [SSL_R_REQUEST_SENT, 'request sent'],
  [SSL_R_SESSION_ID_CONTEXT_UNINITIALIZED, 'session id context uninitialized'],
  [SSL_R_SHUTDOWN_WHILE_IN_INIT, 'shutdown while in init'],
  [SSL_R_SSL3_EXT_INVALID_SERVERNAME, 'ssl3 ext invalid servername'],
  [SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, 'sslv3 alert bad certificate'],
  [SSL_R_SSLV3_ALERT_BAD_RECORD_MAC, 'sslv3 alert bad record mac'],
  [SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, 'sslv3 alert certificate expired'],
  [SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, 'sslv3 alert certificate revoked'],
  [SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, 'sslv3 alert certificate unknown'],
  [SSL_R_SSLV3_ALERT_DECOMPRESSION_FAILURE, 'sslv3 alert decompression failure'],
  [SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, 'sslv3 alert handshake failure'],
  [SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER, 'sslv3 alert illegal parameter'],
  [SSL_R_SSLV3_ALERT_NO_CERTIFICATE, 'sslv3 alert no certificate'],
  [SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE, 'sslv3 alert unexpected message'],
  [SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, 'sslv3 alert unsupported certificate'],
  [SSL_R_SSL_HANDSHAKE_FAILURE, 'ssl handshake failure'],
  [SSL_R_SSL_SESSION_ID_CALLBACK_FAILED, 'ssl session id callback failed'],
  [SSL_R_SSL_SESSION_ID_CONFLICT, 'ssl session id conflict'],
  [SSL_R_SSL_SESSION_ID_HAS_BAD_LENGTH, 'ssl session id has bad length'],
  [SSL_R_STILL_IN_INIT, 'still in init'],
  [SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, 'tlsv13 alert certificate required'],
  [SSL_R_TLSV13_ALERT_MISSING_EXTENSION, 'tlsv13 alert missing extension'],
  [SSL_R_TLSV1_ALERT_ACCESS_DENIED, 'tlsv1 alert access denied'],
  [SSL_R_TLSV1_ALERT_DECODE_ERROR, 'tlsv1 alert decode error'],
  [SSL_R_TLSV1_ALERT_DECRYPTION_FAILED, 'tlsv1 alert decryption failed'],
  [SSL_R_TLSV1_ALERT_DECRYPT_ERROR, 'tlsv1 alert decrypt error'],
  [SSL_R_TLSV1_ALERT_EXPORT_RESTRICTION, 'tlsv1 alert export restriction'],
  [SSL_R_TLSV1_ALERT_INAPPROPRIATE_FALLBACK, 'tlsv1 alert inappropriate fallback'],
  [SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, 'tlsv1 alert insufficient security'],
  [SSL_R_TLSV1_ALERT_INTERNAL_ERROR, 'tlsv1 alert internal error'],
  [SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, 'tlsv1 alert no application protocol'],
  [SSL_R_TLSV1_ALERT_NO_RENEGOTIATION, 'tlsv1 alert no renegotiation'],
  [SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, 'tlsv1 alert protocol version'],
  [SSL_R_TLSV1_ALERT_RECORD_OVERFLOW, 'tlsv1 alert record overflow'],
  [SSL_R_TLSV1_ALERT_UNKNOWN_CA, 'tlsv1 alert unknown ca'],
  [SSL_R_TLSV1_ALERT_UNKNOWN_PSK_IDENTITY, 'tlsv1 alert unknown psk identity'],
  [SSL_R_TLSV1_ALERT_USER_CANCELLED, 'tlsv1 alert user cancelled'],
  [SSL_R_TLSV1_BAD_CERTIFICATE_HASH_VALUE, 'tlsv1 bad certificate hash value'],
  [SSL_R_TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE, 'tlsv1 bad certificate status response'],
  [SSL_R_TLSV1_CERTIFICATE_UNOBTAINABLE, 'tlsv1 certificate unobtainable'],
  [SSL_R_TLSV1_UNRECOGNIZED_NAME, 'tlsv1 unrecognized name'],
  [SSL_R_TLSV1_UNSUPPORTED_EXTENSION, 'tlsv1 unsupported extension'],
  [SSL_R_TOO_MANY_KEY_UPDATES, 'too many key updates'],
  [SSL_R_TOO_MANY_WARN_ALERTS, 'too many warn alerts'],
  [SSL_R_TOO_MUCH_EARLY_DATA, 'too much early data'],
  [SSL_R_UNEXPECTED_EOF_WHILE_READING, 'unexpected eof while reading'],
  [SSL_R_UNEXPECTED_MESSAGE, 'unexpected message'],
  [SSL_R_UNEXPECTED_RECORD, 'unexpected record'],
  [SSL_R_UNINITIALIZED, 'uninitialized'],
  [SSL_R_UNSOLICITED_EXTENSION, 'unsolicited extension'],
  [SSL_R_UNSUPPORTED_PROTOCOL, 'unsupported protocol'],
  [SSL_R_WRONG_CERTIFICATE_TYPE, 'wrong certificate type'],
  [SSL_R_WRONG_CIPHER_RETURNED, 'wrong cipher returned'],
  [SSL_R_WRONG_CURVE, 'wrong curve'],
  [SSL_R_WRONG_SIGNATURE_TYPE, 'wrong signature type'],
  [SSL_R_WRONG_SSL_VERSION, 'wrong ssl version'],
  [SSL_R_WRONG_VERSION_NUMBER, 'wrong version number'],
]);
