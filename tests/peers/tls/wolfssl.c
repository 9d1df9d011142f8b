// wolfSSL over TCP, built by ../fetch.sh. Words and output: words.h.
#include <wolfssl/ssl.h>

#include "words.h"

static WOLFSSL_CTX *context;
static WOLFSSL_SESSION *session;
static int version;

static void must(int result, const char *what)
{
    if (result == WOLFSSL_SUCCESS)
        return;
    fprintf(stderr, "%s: %d\n", what, result);
    exit(2);
}

static void configure(int is_server)
{
    wolfSSL_Init();
    version = is("version", "1.3") ? 13 : 12;
    WOLFSSL_METHOD *method;
    if (is_server)
        method = version == 13 ? wolfTLSv1_3_server_method() : wolfTLSv1_2_server_method();
    else
        method = version == 13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method();
    context = wolfSSL_CTX_new(method);
    if (*word("chain")) {
        must(wolfSSL_CTX_use_certificate_chain_file(context, word("chain")), "the chain");
        must(wolfSSL_CTX_use_PrivateKey_file(context, word("key"), WOLFSSL_FILETYPE_PEM), "the key");
    }
    int mode = is_server ? WOLFSSL_VERIFY_NONE : WOLFSSL_VERIFY_PEER;
    if (*word("root")) {
        must(wolfSSL_CTX_load_verify_locations(context, word("root"), NULL), "the root");
        mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    wolfSSL_CTX_set_verify(context, mode, NULL);
    if (version == 12)
        must(wolfSSL_CTX_UseSecureRenegotiation(context), "renegotiation");
    if (is("tickets", "no"))
        must(wolfSSL_CTX_NoTicketTLSv12(context), "no tickets");
    else if (!is_server && version == 12)
        must(wolfSSL_CTX_UseSessionTicket(context), "tickets");
}

static WOLFSSL *connection(int fd)
{
    WOLFSSL *ssl = wolfSSL_new(context);
    must(wolfSSL_set_fd(ssl, fd), "the socket");
    if (*word("alpn"))
        must(wolfSSL_UseALPN(ssl, (char *)word("alpn"), strlen(word("alpn")), WOLFSSL_ALPN_FAILED_ON_MISMATCH), "ALPN");
    return ssl;
}

static void fail(WOLFSSL *ssl, int result, char *text, const char *what)
{
    int error = wolfSSL_get_error(ssl, result);
    snprintf(text, 256, "%s: %d %s", what, error, wolfSSL_ERR_reason_error_string(error));
}

static void describe(WOLFSSL *ssl, struct report *report)
{
    char *protocol;
    unsigned short length;
    snprintf(report->version, sizeof report->version, "%s", wolfSSL_get_version(ssl));
    snprintf(report->suite, sizeof report->suite, "%s", wolfSSL_get_cipher(ssl));
    if (wolfSSL_ALPN_GetProtocol(ssl, &protocol, &length) == WOLFSSL_SUCCESS)
        snprintf(report->alpn, sizeof report->alpn, "%.*s", length, protocol);
    report->resumed = wolfSSL_session_reused(ssl);
}

static void serve(int fd)
{
    static char data[PIECE];
    struct report report = {0};
    WOLFSSL *ssl = connection(fd);
    int result = wolfSSL_accept(ssl), is_asked = !*word("renegotiate");
    if (result != WOLFSSL_SUCCESS)
        fail(ssl, result, report.error, "accept");
    else
        describe(ssl, &report);
    print(&report, "");
    while (result > 0 && (result = wolfSSL_read(ssl, data, sizeof data)) > 0) {
        // HelloRequest, and the handshake to its end, meanwhile it takes no data: the client waits for the answer.
        if (!is_asked && wolfSSL_Rehandshake(ssl) != WOLFSSL_SUCCESS)
            break;
        is_asked = 1;
        result = wolfSSL_write(ssl, data, result);
    }
    wolfSSL_shutdown(ssl);
    wolfSSL_free(ssl);
    close(fd);
}

static int go_through(WOLFSSL *ssl, struct report *report, const char *sent, char *reply, size_t length)
{
    for (size_t at = 0; at < length;) {
        int piece = length - at < PIECE ? length - at : PIECE, result = wolfSSL_write(ssl, sent + at, piece);
        for (int got = 0; result > 0 && got < piece; got += result)
            if ((result = wolfSSL_read(ssl, reply + at + got, piece - got)) <= 0)
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
    WOLFSSL *ssl = connection(fd);
    const char *name = word("server_name");
    must(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name, strlen(name)), "the name");
    must(wolfSSL_check_domain_name(ssl, name), "the name");
    if (session)
        must(wolfSSL_set_session(ssl, session), "the session");
    int result = wolfSSL_connect(ssl);
    if (result != WOLFSSL_SUCCESS) {
        fail(ssl, result, report->error, "connect");
    } else {
        describe(ssl, report);
        int is_whole = go_through(ssl, report, sent, reply, length);
        if (is_whole && is("renegotiate", "yes")) {
            if ((result = wolfSSL_Rehandshake(ssl)) != WOLFSSL_SUCCESS)
                fail(ssl, result, report->error, "renegotiation");
            else
                is_whole = go_through(ssl, report, sent, reply, length);
        }
        // A ticket of TLS 1.3 has come with the answer.
        wolfSSL_SESSION_free(session);
        session = wolfSSL_get1_session(ssl);
        if (is_whole && !report->error[0]) {
            result = wolfSSL_shutdown(ssl);
            if (result == WOLFSSL_SHUTDOWN_NOT_DONE)
                result = wolfSSL_shutdown(ssl);
            if (result == WOLFSSL_SUCCESS)
                strcpy(report->close, "ok");
            else
                fail(ssl, result, report->close, "the end");
        }
    }
    wolfSSL_free(ssl);
    close(fd);
}
