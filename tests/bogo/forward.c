/*
 * The program that BoringSSL's runner starts once for every test. It hands its arguments to one of a pool
 * of long-lived Node processes and passes on what that process prints and how it ends: starting Node for
 * every test would cost more than the tests themselves.
 *
 * The pool is a directory (BOGO_POOL) with a socket <i>.sock and a lock file <i>.lock for each of BOGO_WORKERS
 * workers. A worker serves one test at a time; the lock says who has it, and goes with this process
 * however it ends. When the connection to the worker closes early, the worker gives its test up.
 *
 * To the worker: uint32 count, then for each argument uint32 length and its bytes.
 * From the worker: frames of uint8 type, uint32 length and bytes; types 'o' stdout, 'e' stderr, 'x' the
 * one-byte exit status, which is the last frame. Integers are in the byte order of the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what) {
  fprintf(stderr, "forward: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void write_all(int fd, const void *data, size_t length) {
  const char *at = data;
  while (length > 0) {
    ssize_t wrote = write(fd, at, length);
    if (wrote < 0) {
      if (errno == EINTR) continue;
      fail("write");
    }
    at += wrote;
    length -= (size_t)wrote;
  }
}

/* Returns 0 at an end of the stream before the first byte. */
static int read_all(int fd, void *data, size_t length) {
  char *at = data;
  while (length > 0) {
    ssize_t got = read(fd, at, length);
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return 0;
    }
    if (got == 0) return 0;
    at += got;
    length -= (size_t)got;
  }
  return 1;
}

static int open_lock(const char *pool, long worker) {
  char path[512];
  snprintf(path, sizeof path, "%s/%ld.lock", pool, worker);
  int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) fail(path);
  return fd;
}

static long take_worker(const char *pool, long workers) {
  long first = (long)getpid() % workers;
  for (long i = 0; i < workers; i++) {
    long worker = (first + i) % workers;
    int fd = open_lock(pool, worker);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return worker;
    close(fd);
  }
  int fd = open_lock(pool, first);
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) fail("flock");
  }
  return first;
}

static int connect_worker(const char *pool, long worker) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int written = snprintf(address.sun_path, sizeof address.sun_path, "%s/%ld.sock", pool, worker);
  if (written < 0 || (size_t)written >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(pool);
  }
  /* A worker that was replaced takes a moment to listen again. */
  for (int attempt = 0; attempt < 500; attempt++) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    usleep(20000);
  }
  fail("connect");
  return -1;
}

int main(int argc, char **argv) {
  const char *pool = getenv("BOGO_POOL");
  const char *count = getenv("BOGO_WORKERS");
  long workers = count == NULL ? 0 : strtol(count, NULL, 10);
  if (pool == NULL || workers < 1) {
    fprintf(stderr, "forward: BOGO_POOL and BOGO_WORKERS must be set\n");
    return 1;
  }
  int fd = connect_worker(pool, take_worker(pool, workers));

  uint32_t arguments = (uint32_t)(argc - 1);
  write_all(fd, &arguments, sizeof arguments);
  for (int i = 1; i < argc; i++) {
    uint32_t length = (uint32_t)strlen(argv[i]);
    write_all(fd, &length, sizeof length);
    write_all(fd, argv[i], length);
  }

  for (;;) {
    uint8_t type;
    uint32_t length;
    if (!read_all(fd, &type, sizeof type) || !read_all(fd, &length, sizeof length)) break;
    if (length > 1 << 24) break;
    char *data = malloc(length + 1);
    if (data == NULL || !read_all(fd, data, length)) break;
    if (type == 'x' && length == 1) return (unsigned char)data[0];
    write_all(type == 'o' ? STDOUT_FILENO : STDERR_FILENO, data, length);
    free(data);
  }
  fprintf(stderr, "forward: the worker ended without a status\n");
  return 1;
}
