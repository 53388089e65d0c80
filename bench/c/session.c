/*
 * The C half of `npm run bench -- session`: libssl's own functions, timed in CPU nanoseconds. Reads commands
 * from stdin, one a line, so that the other half can take turns with it:
 *
 *   version     prints libssl's version
 *   der         prints, in hex, the session that all operations work on
 *   OP COUNT    runs OP that many times and prints the CPU nanoseconds that it took
 *
 * The session is a client's TLS 1.3 session with a P-256 peer certificate, from a handshake in memory.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static SSL_SESSION *session;

static void must(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "session.c: %s failed\n", what);
    exit(1);
  }
}

static int on_new_session(SSL *ssl, SSL_SESSION *fresh) {
  (void)ssl;
  SSL_SESSION_free(session);
  session = fresh;
  return 1; /* the reference is ours now */
}

static X509 *self_signed(EVP_PKEY *key) {
  X509 *certificate = X509_new();
  X509_NAME *name = X509_get_subject_name(certificate);
  X509V3_CTX context;
  X509_EXTENSION *names;

  must(X509_set_version(certificate, X509_VERSION_3), "X509_set_version");
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 0x1234567);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400 * 30);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
  X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"tlsession, for its benchmarks", -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_set_pubkey(certificate, key);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  names = X509V3_EXT_conf_nid(NULL, &context, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  must(names != NULL && X509_add_ext(certificate, names, -1), "X509_add_ext");
  X509_EXTENSION_free(names);
  must(X509_sign(certificate, key, EVP_sha256()) > 0, "X509_sign");
  return certificate;
}

static void make_session(void) {
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *certificate = self_signed(key);
  SSL_CTX *server_context = SSL_CTX_new(TLS_server_method());
  SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
  BIO *server_bio, *client_bio;
  SSL *server, *client;
  char byte;
  int turn;

  must(SSL_CTX_use_certificate(server_context, certificate), "SSL_CTX_use_certificate");
  must(SSL_CTX_use_PrivateKey(server_context, key), "SSL_CTX_use_PrivateKey");
  SSL_CTX_set_session_cache_mode(client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(client_context, on_new_session);
  must(BIO_new_bio_pair(&server_bio, 1 << 16, &client_bio, 1 << 16), "BIO_new_bio_pair");
  server = SSL_new(server_context);
  client = SSL_new(client_context);
  SSL_set_bio(server, server_bio, server_bio);
  SSL_set_bio(client, client_bio, client_bio);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  SSL_set_tlsext_host_name(client, "localhost");
  for (turn = 0; turn < 10; turn++) {
    SSL_do_handshake(client);
    SSL_do_handshake(server);
  }
  must(SSL_is_init_finished(client) && SSL_is_init_finished(server), "the handshake");
  SSL_read(client, &byte, 1); /* takes in the tickets */
  must(session != NULL && SSL_SESSION_get0_peer(session) != NULL, "getting a session");
  SSL_free(server);
  SSL_free(client);
  SSL_CTX_free(server_context);
  SSL_CTX_free(client_context);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(void) {
  char line[128], operation[64];
  unsigned char *der = NULL, *given;
  long count, i;
  int length;

  setvbuf(stdout, NULL, _IOLBF, 0);
  make_session();
  length = i2d_SSL_SESSION(session, &der);
  must(length > 0, "i2d_SSL_SESSION");
  given = malloc((size_t)length);

  while (fgets(line, sizeof line, stdin) != NULL) {
    double began;
    int fields = sscanf(line, "%63s %ld", operation, &count);

    if (fields == 1 && strcmp(operation, "version") == 0) {
      printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
      continue;
    }
    if (fields == 1 && strcmp(operation, "der") == 0) {
      for (i = 0; i < length; i++) printf("%02x", der[i]);
      printf("\n");
      continue;
    }
    must(fields == 2, "reading a command");
    began = cpu_ns();
    if (strcmp(operation, "new+free") == 0) {
      for (i = 0; i < count; i++) SSL_SESSION_free(SSL_SESSION_new());
    } else if (strcmp(operation, "up_ref+free") == 0) {
      for (i = 0; i < count; i++) {
        SSL_SESSION_up_ref(session);
        SSL_SESSION_free(session);
      }
    } else if (strcmp(operation, "dup+free") == 0) {
      for (i = 0; i < count; i++) SSL_SESSION_free(SSL_SESSION_dup(session));
    } else if (strcmp(operation, "i2d-fresh") == 0) {
      for (i = 0; i < count; i++) {
        unsigned char *fresh = NULL;
        must(i2d_SSL_SESSION(session, &fresh) == length, "i2d_SSL_SESSION");
        OPENSSL_free(fresh);
      }
    } else if (strcmp(operation, "i2d-given") == 0) {
      for (i = 0; i < count; i++) {
        unsigned char *at = given;
        must(i2d_SSL_SESSION(session, &at) == length, "i2d_SSL_SESSION");
      }
    } else if (strcmp(operation, "d2i+free") == 0) {
      for (i = 0; i < count; i++) {
        const unsigned char *at = der;
        SSL_SESSION *copy = d2i_SSL_SESSION(NULL, &at, length);
        must(copy != NULL, "d2i_SSL_SESSION");
        SSL_SESSION_free(copy);
      }
    } else {
      must(0, operation);
    }
    printf("%.0f\n", cpu_ns() - began);
  }
  return 0;
}
