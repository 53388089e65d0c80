/**
 * `tlsession/openssl`: OpenSSL's functions under OpenSSL's names. `docs/openssl-api.md` has a row for each.
 *
 * `NULL` is `null`; numbers that C returns are returned; what C fills in through a pointer is the result; a
 * call that fails leaves its reason for `ERR_get_error`; what C leaves undefined throws.
 */
export {
  type BIO,
  BIO_eof,
  BIO_free,
  BIO_get_mem_data,
  type BIO_METHOD,
  BIO_new,
  BIO_new_mem_buf,
  BIO_pending,
  BIO_puts,
  BIO_read,
  BIO_reset,
  BIO_s_mem,
  BIO_up_ref,
  BIO_write,
} from '../openssl/bio.ts';
export {
  type SSL,
  SSL_get_session,
  SSL_get0_session,
  SSL_get1_session,
  SSL_session_reused,
} from '../openssl/connection.ts';
export {
  ASN1_R_DECODE_ERROR,
  ERR_clear_error,
  ERR_error_string,
  ERR_GET_LIB,
  ERR_GET_REASON,
  ERR_get_error,
  ERR_get_error_all,
  ERR_LIB_ASN1,
  ERR_LIB_BIO,
  ERR_LIB_CRYPTO,
  ERR_LIB_PEM,
  ERR_LIB_SSL,
  ERR_LIB_SYS,
  ERR_lib_error_string,
  ERR_PACK,
  ERR_peek_error,
  ERR_peek_last_error,
  ERR_R_ASN1_LIB,
  ERR_R_CRYPTO_LIB,
  ERR_R_INTERNAL_ERROR,
  ERR_R_MALLOC_FAILURE,
  ERR_R_NESTED_ASN1_ERROR,
  ERR_R_PASSED_INVALID_ARGUMENT,
  ERR_R_PASSED_NULL_PARAMETER,
  ERR_reason_error_string,
  type ErrorEntry,
  PEM_R_BAD_BASE64_DECODE,
  PEM_R_BAD_END_LINE,
  PEM_R_NO_START_LINE,
  PEM_R_UNSUPPORTED_ENCRYPTION,
  SSL_R_BAD_LENGTH,
  SSL_R_CIPHER_CODE_WRONG_LENGTH,
  SSL_R_SSL_SESSION_ID_CONTEXT_TOO_LONG,
  SSL_R_SSL_SESSION_ID_TOO_LONG,
  SSL_R_UNKNOWN_CIPHER_TYPE,
  SSL_R_UNKNOWN_SSL_VERSION,
  SSL_R_UNSUPPORTED_SSL_VERSION,
} from '../openssl/err.ts';
export {
  SSL_CIPHER_find,
  SSL_CIPHER_get_id,
  SSL_CIPHER_get_name,
  SSL_CIPHER_get_protocol_id,
} from '../openssl/ssl-cipher.ts';
export * from '../openssl/ssl-session.ts';
export * from '../openssl/ssl-session-io.ts';
export type { FILE, SSL_CIPHER, SSL_SESSION, X509 } from '../openssl/types.ts';
export type { ExDupCallback, ExFreeCallback, ExNewCallback } from '../session/ex-data.ts';
export {
  isReferenceTracing,
  type Leak,
  leakReport,
  type ReferenceEvent,
  type ReferenceOwner,
  setReferenceTracing,
  type TracedReference,
} from '../session/tracing.ts';
