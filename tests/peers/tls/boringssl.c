// BoringSSL over TCP, built by ../fetch.sh. Words and output: words.h.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "words.h"

static SSL_CTX *context;
static SSL_SESSION *session;

static void must(int is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "%s: ", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static int keep(SSL *ssl, SSL_SESSION *given)
{
    SSL_SESSION_free(session);
    session = given;
    return 1;
}

static int choose(SSL *ssl, const uint8_t **chosen, uint8_t *length, const uint8_t *offered, unsigned int offered_length,
    void *list)
{
    for (const char **next = list; *next; next++)
        for (unsigned int at = 0; at < offered_length; at += 1 + offered[at])
            if (offered[at] == strlen(*next) && !memcmp(offered + at + 1, *next, offered[at])) {
                *chosen = offered + at + 1;
                *length = offered[at];
                return SSL_TLSEXT_ERR_OK;
            }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void configure(int is_server)
{
    int version = is("version", "1.3") ? TLS1_3_VERSION : TLS1_2_VERSION;
    context = SSL_CTX_new(TLS_method());
    must(SSL_CTX_set_min_proto_version(context, version), "the version");
    must(SSL_CTX_set_max_proto_version(context, version), "the version");
    must(SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521"), "groups");
    // By itself it has neither Ed25519 nor P-521.
    must(SSL_CTX_set1_sigalgs_list(context, "ed25519:ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:"
        "RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512"), "signatures");
    if (*word("chain")) {
        must(SSL_CTX_use_certificate_chain_file(context, word("chain")), "the chain");
        must(SSL_CTX_use_PrivateKey_file(context, word("key"), SSL_FILETYPE_PEM), "the key");
    }
    if (*word("root")) {
        must(SSL_CTX_load_verify_locations(context, word("root"), NULL), "the root");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (is("tickets", "no"))
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    must(SSL_CTX_set_session_id_context(context, (const uint8_t *)"peer", 4), "sessions");
    if (is_server) {
        if (*word("alpn"))
            SSL_CTX_set_alpn_select_cb(context, choose, protocols());
    } else {
        uint8_t list[256], *end = list;
        for (const char **next = protocols(); *next; next++)
            end += sprintf((char *)end, "%c%s", (int)strlen(*next), *next);
        must(!SSL_CTX_set_alpn_protos(context, list, end - list), "ALPN");
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(context, keep);
    }
}

static void fail(SSL *ssl, int result, char *text, const char *what)
{
    char reason[200];
    int error = SSL_get_error(ssl, result);
    ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
    snprintf(text, 256, "%s: %d %s", what, error, reason);
}

static void describe(SSL *ssl, struct report *report)
{
    const uint8_t *protocol;
    unsigned int length;
    snprintf(report->version, sizeof report->version, "%s", SSL_get_version(ssl));
    snprintf(report->suite, sizeof report->suite, "%s", SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
    SSL_get0_alpn_selected(ssl, &protocol, &length);
    snprintf(report->alpn, sizeof report->alpn, "%.*s", (int)length, (const char *)protocol);
    report->resumed = SSL_session_reused(ssl);
}

static void serve(int fd)
{
    static char data[PIECE];
    struct report report = {0};
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    int result = SSL_accept(ssl);
    if (result != 1)
        fail(ssl, result, report.error, "accept");
    else
        describe(ssl, &report);
    print(&report, "");
    while (result > 0 && (result = SSL_read(ssl, data, sizeof data)) > 0)
        result = SSL_write(ssl, data, result);
    ERR_clear_error();
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static int go_through(SSL *ssl, struct report *report, const char *sent, char *reply, size_t length)
{
    for (size_t at = 0; at < length;) {
        int piece = length - at < PIECE ? length - at : PIECE, result = SSL_write(ssl, sent + at, piece);
        for (int got = 0; result > 0 && got < piece; got += result)
            if ((result = SSL_read(ssl, reply + at + got, piece - got)) <= 0)
                break;
        if (result <= 0) {
            fail(ssl, result, report->error, "the message");
            return 0;
        }
        at += piece;
    }
    return 1;
}

static void talk(int fd, struct report *report, const char *sent, char *reply, size_t length)
{
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    must(SSL_set_tlsext_host_name(ssl, word("server_name")), "the name");
    must(SSL_set1_host(ssl, word("server_name")), "the name");
    if (session)
        must(SSL_set_session(ssl, session), "the session");
    int result = SSL_connect(ssl);
    if (result != 1) {
        fail(ssl, result, report->error, "connect");
    } else {
        describe(ssl, report);
        if (go_through(ssl, report, sent, reply, length)) {
            result = SSL_shutdown(ssl);
            if (!result)
                result = SSL_shutdown(ssl);
            if (result == 1)
                strcpy(report->close, "ok");
            else
                fail(ssl, result, report->close, "the end");
        }
    }
    SSL_free(ssl);
    close(fd);
}
