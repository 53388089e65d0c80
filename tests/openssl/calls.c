/* The scripts of calls.test.ts against libssl: one command a line on stdin, one answer a line on stdout. */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SSL_CTX *ctx[2];
static SSL *ssl[2];
static SSL_SESSION *slot;
static BIO *pair[2];

static void report(const char *cmd, int ret, int err)
{
    unsigned long e;
    printf("%s %d", cmd, ret);
    if (err >= 0)
        printf(" %d", err);
    while ((e = ERR_get_error()) != 0)
        printf(" [%s]", ERR_reason_error_string(e));
    printf("\n");
}

static void io(const char *cmd, SSL *s, int ret)
{
    report(cmd, ret, SSL_get_error(s, ret));
}

int main(int argc, char **argv)
{
    char line[4096], cmd[64], who[64], arg[3900];
    (void)argc;
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
    while (fgets(line, sizeof line, stdin) != NULL) {
        int n = sscanf(line, "%63s %63s %3899[^\n]", cmd, who, arg), i, size;
        char buffer[70000];
        SSL *s;
        if (n < 1)
            continue;
        if (n < 3)
            arg[0] = 0;
        i = n >= 2 && who[0] == 's';
        s = ssl[i];
        ERR_clear_error();
        if (!strcmp(cmd, "ctx")) {
            int version = atoi(who);
            for (i = 0; i < 2; i++) {
                ctx[i] = SSL_CTX_new(i ? TLS_server_method() : TLS_client_method());
                SSL_CTX_set_min_proto_version(ctx[i], version);
                SSL_CTX_set_max_proto_version(ctx[i], version);
            }
            SSL_CTX_use_certificate_chain_file(ctx[1], argv[1]);
            SSL_CTX_use_PrivateKey_file(ctx[1], argv[2], SSL_FILETYPE_PEM);
        } else if (!strcmp(cmd, "option")) {
            SSL_CTX_set_options(ctx[i], atol(arg));
        } else if (!strcmp(cmd, "unoption")) {
            SSL_CTX_clear_options(ctx[i], atol(arg));
        } else if (!strcmp(cmd, "hasticket")) {
            report(cmd, SSL_SESSION_has_ticket(SSL_get_session(s)), -1);
        } else if (!strcmp(cmd, "cache")) {
            report(cmd, (int)SSL_CTX_set_session_cache_mode(ctx[i], atol(arg)), -1);
        } else if (!strcmp(cmd, "early")) {
            SSL_CTX_set_max_early_data(ctx[1], (uint32_t)atol(who));
        } else if (!strcmp(cmd, "new")) {
            BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem());
            for (i = 0; i < 2; i++)
                if (ssl[i] == NULL)
                    ssl[i] = SSL_new(ctx[i]);
            BIO_up_ref(a);
            BIO_up_ref(b);
            SSL_set_bio(ssl[0], b, a);
            SSL_set_bio(ssl[1], a, b);
        } else if (!strcmp(cmd, "pair")) {
            /* Sizes of what either end may have written and the other not read. */
            for (i = 0; i < 2; i++)
                if (ssl[i] == NULL)
                    ssl[i] = SSL_new(ctx[i]);
            BIO_new_bio_pair(&pair[0], atol(who), &pair[1], atol(arg));
            SSL_set_bio(ssl[0], pair[0], pair[0]);
            SSL_set_bio(ssl[1], pair[1], pair[1]);
        } else if (!strcmp(cmd, "bare")) {
            ssl[i] = SSL_new(ctx[i]);
        } else if (!strcmp(cmd, "cut")) {
            BIO_shutdown_wr(pair[i]);
        } else if (!strcmp(cmd, "state")) {
            if (i)
                SSL_set_accept_state(s);
            else
                SSL_set_connect_state(s);
        } else if (!strcmp(cmd, "connect")) {
            io(cmd, s, SSL_connect(s));
        } else if (!strcmp(cmd, "accept")) {
            io(cmd, s, SSL_accept(s));
        } else if (!strcmp(cmd, "handshake")) {
            io(cmd, s, SSL_do_handshake(s));
        } else if (!strcmp(cmd, "read") || !strcmp(cmd, "peek")) {
            int ret = cmd[0] == 'r' ? SSL_read(s, buffer, atoi(arg)) : SSL_peek(s, buffer, atoi(arg));
            io(cmd, s, ret);
        } else if (!strcmp(cmd, "write")) {
            io(cmd, s, SSL_write(s, arg, (int)strlen(arg)));
        } else if (!strcmp(cmd, "fill")) {
            size = atoi(arg);
            memset(buffer, 'x', size);
            io(cmd, s, SSL_write(s, buffer, size));
        } else if (!strcmp(cmd, "shutdown")) {
            io(cmd, s, SSL_shutdown(s));
        } else if (!strcmp(cmd, "getshutdown")) {
            report(cmd, SSL_get_shutdown(s), -1);
        } else if (!strcmp(cmd, "setshutdown")) {
            SSL_set_shutdown(s, atoi(arg));
        } else if (!strcmp(cmd, "quiet")) {
            SSL_set_quiet_shutdown(s, 1);
        } else if (!strcmp(cmd, "clear")) {
            report(cmd, SSL_clear(s), -1);
        } else if (!strcmp(cmd, "free")) {
            SSL_free(s);
            ssl[i] = NULL;
        } else if (!strcmp(cmd, "dup")) {
            SSL *copy = SSL_dup(s);
            report(cmd, copy == s, -1);
            SSL_free(copy);
        } else if (!strcmp(cmd, "get1")) {
            SSL_SESSION_free(slot);
            slot = SSL_get1_session(s);
            report(cmd, slot != NULL, -1);
        } else if (!strcmp(cmd, "set")) {
            report(cmd, SSL_set_session(s, slot), -1);
        } else if (!strcmp(cmd, "setnull")) {
            report(cmd, SSL_set_session(s, NULL), -1);
        } else if (!strcmp(cmd, "same")) {
            report(cmd, SSL_get_session(s) == slot, -1);
        } else if (!strcmp(cmd, "resumable")) {
            report(cmd, SSL_SESSION_is_resumable(slot), -1);
        } else if (!strcmp(cmd, "reused")) {
            report(cmd, SSL_session_reused(s), -1);
        } else if (!strcmp(cmd, "finished")) {
            report(cmd, SSL_is_init_finished(s), -1);
        } else if (!strcmp(cmd, "pending")) {
            report(cmd, SSL_pending(s), -1);
        } else if (!strcmp(cmd, "number")) {
            report(cmd, (int)SSL_CTX_sess_number(ctx[i]), -1);
        } else if (!strcmp(cmd, "ticket")) {
            report(cmd, SSL_new_session_ticket(s), -1);
        } else if (!strcmp(cmd, "pha")) {
            report(cmd, SSL_verify_client_post_handshake(s), -1);
        } else if (!strcmp(cmd, "verify")) {
            SSL_set_verify(s, atoi(arg), NULL);
        } else if (!strcmp(cmd, "offerpha")) {
            SSL_set_post_handshake_auth(s, 1);
        } else if (!strcmp(cmd, "writeearly")) {
            size_t count;
            io(cmd, s, SSL_write_early_data(s, arg, strlen(arg), &count));
        } else if (!strcmp(cmd, "readearly")) {
            size_t count = 0;
            int ret = SSL_read_early_data(s, buffer, 1000, &count);
            /* SSL_get_error goes by SSL_read's results, where SUCCESS and FINISH are above zero. */
            io(cmd, s, ret);
        } else if (!strcmp(cmd, "status")) {
            report(cmd, SSL_get_early_data_status(s), -1);
        } else if (!strcmp(cmd, "inject")) {
            for (n = 0; arg[2 * n] != 0 && sscanf(arg + 2 * n, "%2x", (unsigned *)&size) == 1; n++)
                buffer[n] = (char)size;
            BIO_write(SSL_get_rbio(s), buffer, n);
        } else if (!strcmp(cmd, "drop")) {
            BIO_reset(SSL_get_rbio(s));
        } else {
            printf("%s?\n", cmd);
        }
        fflush(stdout);
    }
    return 0;
}
