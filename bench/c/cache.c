/*
 * The C half of `npm run bench -- cache`: libssl's cache, put through what bench/cache.ts puts ours through.
 *
 *     cache SESSION.der ENTRIES CONTEXTS PROBES
 *
 * prints one figure a line, `NAME NUMBER`: bytes an entry, and CPU nanoseconds an operation. Small caches are
 * measured several at once, one after the other, so that each figure is of some milliseconds at least.
 *
 * libssl keeps its list in order of expiry: a session is inserted by walking from the end that expires last.
 * Filling a cache with two timeouts mixed would take hours at a million entries, so it is filled in order of
 * expiry, which takes constant time, and is then as it would be; PROBES more, of both kinds by turns, are timed.
 */
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHORT = 300, LONG = 7200 };
static const long NOW = 1700000000;

static SSL_SESSION *template;
static uint32_t state = 0x9e3779b9;

static void must(int ok, const char *what) {
  if (!ok) {
    fprintf(stderr, "cache.c: %s failed\n", what);
    exit(1);
  }
}

static uint32_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static SSL_SESSION *make(long timeout) {
  SSL_SESSION *session = SSL_SESSION_dup(template);
  unsigned char id[32];
  int i;

  for (i = 0; i < 32; i += 4) {
    uint32_t word = next_random();
    memcpy(id + i, &word, 4);
  }
  must(session != NULL && SSL_SESSION_set1_id(session, id, 32), "making a session");
  SSL_SESSION_set_time(session, NOW);
  SSL_SESSION_set_timeout(session, timeout);
  return session;
}

static SSL_CTX *make_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_method());
  must(context != NULL, "SSL_CTX_new");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_BOTH | SSL_SESS_CACHE_NO_AUTO_CLEAR);
  SSL_CTX_sess_set_cache_size(context, 0);
  return context;
}

static void add_given_away(SSL_CTX *context, long timeout) {
  SSL_SESSION *session = make(timeout);
  must(SSL_CTX_add_session(context, session), "SSL_CTX_add_session");
  SSL_SESSION_free(session);
}

static void say(const char *name, double figure) {
  printf("%s %.3f\n", name, figure);
  fflush(stdout);
}

static void shuffle(SSL_SESSION **sessions, long n) {
  long i, j;

  for (i = n - 1; i > 0; i--) {
    SSL_SESSION *swap = sessions[i];
    j = next_random() % (uint32_t)(i + 1);
    sessions[i] = sessions[j];
    sessions[j] = swap;
  }
}

int main(int argc, char **argv) {
  static unsigned char der[1 << 16];
  const unsigned char *at = der;
  long n, contexts, probes, passes, held, found = 0, c, i, pass;
  double began;
  size_t before;
  SSL_SESSION **all;
  SSL_CTX **context;
  unsigned char(*ids)[32];
  SSL *ssl;
  FILE *file;

  must(argc == 5, "reading the arguments");
  file = fopen(argv[1], "rb");
  must(file != NULL, "opening the session");
  template = d2i_SSL_SESSION(NULL, &at, (long)fread(der, 1, sizeof der, file));
  fclose(file);
  must(template != NULL, "d2i_SSL_SESSION");
  n = atol(argv[2]);
  contexts = atol(argv[3]);
  probes = atol(argv[4]);
  passes = n < 20000 ? 20000 / n : 1;
  all = malloc(sizeof *all * (size_t)((n > probes ? n : probes) * contexts));
  context = malloc(sizeof *context * (size_t)contexts);
  ids = malloc(32 * (size_t)(n * contexts));
  must(all != NULL && context != NULL && ids != NULL, "malloc");

  context[0] = make_context();
  before = mallinfo2().uordblks;
  for (i = 0; i < n; i++) add_given_away(context[0], SHORT);
  say("bytes", (double)(mallinfo2().uordblks - before) / (double)n);
  SSL_CTX_free(context[0]);

  /* One timeout for all: every insertion is at the end of the list. */
  for (c = 0; c < contexts; c++) context[c] = make_context();
  for (i = 0; i < n * contexts; i++) all[i] = make(SHORT);
  began = cpu_ns();
  for (c = 0; c < contexts; c++)
    for (i = 0; i < n; i++) SSL_CTX_add_session(context[c], all[c * n + i]);
  say("add", (cpu_ns() - began) / (double)(n * contexts));

  /* In another order than they were made in. */
  for (c = 0; c < contexts; c++) shuffle(all + c * n, n);
  for (i = 0; i < n * contexts; i++) {
    unsigned int length;
    memcpy(ids[i], SSL_SESSION_get_id(all[i], &length), 32);
  }
  began = cpu_ns();
  for (c = 0; c < contexts; c++) {
    ssl = SSL_new(context[c]);
    SSL_set_session(ssl, template); /* the version to look under */
    for (pass = 0; pass < passes; pass++)
      for (i = 0; i < n; i++) found += SSL_has_matching_session_id(ssl, ids[c * n + i], 32);
    SSL_free(ssl);
  }
  say("find", (cpu_ns() - began) / (double)(n * contexts * passes));
  must(found == n * contexts * passes, "finding every session");

  for (c = 0; c < contexts; c++) shuffle(all + c * n, n);
  began = cpu_ns();
  for (c = 0; c < contexts; c++)
    for (i = 0; i < n; i++) SSL_CTX_remove_session(context[c], all[c * n + i]);
  say("remove", (cpu_ns() - began) / (double)(n * contexts));
  must(SSL_CTX_sess_number(context[0]) == 0, "removing every session");
  for (i = 0; i < n * contexts; i++) SSL_SESSION_free(all[i]);
  for (c = 0; c < contexts; c++) SSL_CTX_free(context[c]);

  for (c = 0; c < contexts; c++) {
    context[c] = make_context();
    for (i = 0; i < n; i++) add_given_away(context[c], i < n / 2 ? SHORT : LONG);
  }
  for (i = 0; i < probes * contexts; i++) all[i] = make(i % 2 == 0 ? SHORT : LONG);
  began = cpu_ns();
  for (c = 0; c < contexts; c++)
    for (i = 0; i < probes; i++) SSL_CTX_add_session(context[c], all[c * probes + i]);
  say("add-mixed", (cpu_ns() - began) / (double)(probes * contexts));
  for (c = 0; c < contexts; c++) {
    for (i = 0; i < probes; i++) {
      SSL_CTX_remove_session(context[c], all[c * probes + i]);
      SSL_SESSION_free(all[c * probes + i]);
    }
  }

  held = SSL_CTX_sess_number(context[0]);
  began = cpu_ns();
  for (c = 0; c < contexts; c++) SSL_CTX_flush_sessions(context[c], NOW + LONG - 1);
  say("flush", (cpu_ns() - began) / (double)((held - SSL_CTX_sess_number(context[0])) * contexts));
  for (c = 0; c < contexts; c++) SSL_CTX_free(context[c]);

  for (c = 0; c < contexts; c++) context[c] = make_context();
  began = cpu_ns();
  for (c = 0; c < contexts; c++) {
    for (i = 0; i < n; i++) add_given_away(context[c], SHORT);
    SSL_CTX_flush_sessions(context[c], NOW + LONG - 1);
  }
  say("life", (cpu_ns() - began) / (double)(n * contexts));
  for (c = 0; c < contexts; c++) SSL_CTX_free(context[c]);

  say(OpenSSL_version(OPENSSL_VERSION_STRING), 0);
  SSL_SESSION_free(template);
  return 0;
}
