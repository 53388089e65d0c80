/*
 * What OpenSSL makes of sessions: reads frames from stdin (a 32-bit big-endian length, then that many bytes
 * of DER), and answers each with three frames: what i2d_SSL_SESSION gives for what d2i_SSL_SESSION read
 * (empty when it refuses), what SSL_SESSION_print says, and what SSL_SESSION_print_keylog says.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

static int read_frame(unsigned char **bytes, long *length)
{
    unsigned char head[4];
    if (fread(head, 1, 4, stdin) != 4)
        return 0;
    *length = ((long)head[0] << 24) | (head[1] << 16) | (head[2] << 8) | head[3];
    *bytes = malloc(*length + 1);
    return *bytes != NULL && fread(*bytes, 1, *length, stdin) == (size_t)*length;
}

static void write_frame(const void *bytes, long length)
{
    unsigned char head[4] = { length >> 24, length >> 16, length >> 8, length };
    fwrite(head, 1, 4, stdout);
    if (length > 0)
        fwrite(bytes, 1, length, stdout);
}

static void write_bio(BIO *bio)
{
    char *text;
    long length = BIO_get_mem_data(bio, &text);
    write_frame(text, length);
    BIO_free(bio);
}

int main(void)
{
    unsigned char *bytes;
    long length;

    while (read_frame(&bytes, &length)) {
        const unsigned char *at = bytes;
        unsigned char *der = NULL;
        SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, length);
        /* Bytes after the session are the caller's affair in C, and a refusal here. */
        if (session != NULL && at != bytes + length) {
            SSL_SESSION_free(session);
            session = NULL;
        }
        BIO *text = BIO_new(BIO_s_mem());
        BIO *keylog = BIO_new(BIO_s_mem());
        int written = session == NULL ? 0 : i2d_SSL_SESSION(session, &der);
        write_frame(der, written < 0 ? 0 : written);
        if (session != NULL) {
            SSL_SESSION_print(text, session);
            SSL_SESSION_print_keylog(keylog, session);
        }
        write_bio(text);
        write_bio(keylog);
        fflush(stdout);
        OPENSSL_free(der);
        SSL_SESSION_free(session);
        ERR_clear_error();
        free(bytes);
    }
    return 0;
}
