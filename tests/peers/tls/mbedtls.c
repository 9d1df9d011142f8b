// Mbed TLS over TCP, built by ../fetch.sh. Words and output: words.h.
#define MBEDTLS_ALLOW_PRIVATE_ACCESS // states of a handshake
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <psa/crypto.h>

#include "words.h"

static mbedtls_ssl_config config;
static mbedtls_ctr_drbg_context random_bytes;
static mbedtls_ssl_session session;
static int has_session;

static void fail(int result, char *text, const char *what)
{
    char reason[200];
    mbedtls_strerror(result, reason, sizeof reason);
    snprintf(text, 256, "%s: -0x%x %s", what, -result, reason);
}

static void must(int result, const char *what)
{
    char text[256];
    if (!result)
        return;
    fail(result, text, what);
    fprintf(stderr, "%s\n", text);
    exit(2);
}

static void configure(int is_server)
{
    static mbedtls_entropy_context entropy;
    static mbedtls_x509_crt root, chain;
    static mbedtls_pk_context key;
    static mbedtls_ssl_cache_context cache;
    static mbedtls_ssl_ticket_context tickets;
    int is_13 = is("version", "1.3");
    psa_crypto_init();
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random_bytes);
    mbedtls_ssl_config_init(&config);
    mbedtls_x509_crt_init(&root);
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&key);
    must(mbedtls_ctr_drbg_seed(&random_bytes, mbedtls_entropy_func, &entropy, NULL, 0), "random bytes");
    must(mbedtls_ssl_config_defaults(&config, is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
             MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT), "the defaults");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_bytes);
    mbedtls_ssl_protocol_version version = is_13 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2;
    mbedtls_ssl_conf_min_tls_version(&config, version);
    mbedtls_ssl_conf_max_tls_version(&config, version);
    mbedtls_ssl_conf_renegotiation(&config, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
    if (*word("chain")) {
        must(mbedtls_x509_crt_parse_file(&chain, word("chain")), "the chain");
        must(mbedtls_pk_parse_keyfile(&key, word("key"), NULL, mbedtls_ctr_drbg_random, &random_bytes), "the key");
        must(mbedtls_ssl_conf_own_cert(&config, &chain, &key), "the identity");
    }
    mbedtls_ssl_conf_authmode(&config, *word("root") ? MBEDTLS_SSL_VERIFY_REQUIRED : MBEDTLS_SSL_VERIFY_NONE);
    if (*word("root")) {
        must(mbedtls_x509_crt_parse_file(&root, word("root")), "the root");
        mbedtls_ssl_conf_ca_chain(&config, &root, NULL);
    }
    if (*word("alpn"))
        must(mbedtls_ssl_conf_alpn_protocols(&config, protocols()), "ALPN");
    if (!is_server) {
        mbedtls_ssl_conf_session_tickets(&config,
            is("tickets", "no") ? MBEDTLS_SSL_SESSION_TICKETS_DISABLED : MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&config,
            MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    } else if (is("tickets", "no")) {
        mbedtls_ssl_cache_init(&cache);
        mbedtls_ssl_conf_session_cache(&config, &cache, mbedtls_ssl_cache_get, mbedtls_ssl_cache_set);
    } else {
        mbedtls_ssl_ticket_init(&tickets);
        must(mbedtls_ssl_ticket_setup(&tickets, mbedtls_ctr_drbg_random, &random_bytes,
                 MBEDTLS_CIPHER_AES_256_GCM, 7200), "tickets");
        mbedtls_ssl_conf_session_tickets_cb(&config, mbedtls_ssl_ticket_write, mbedtls_ssl_ticket_parse, &tickets);
    }
}

static void describe(mbedtls_ssl_context *ssl, struct report *report)
{
    const char *name = mbedtls_ssl_get_ciphersuite(ssl), *protocol = mbedtls_ssl_get_alpn_protocol(ssl);
    snprintf(report->version, sizeof report->version, "%s", mbedtls_ssl_get_version(ssl));
    // Its own name: TLS1-3-AES-128-GCM-SHA256.
    int is_13 = !strncmp(name, "TLS1-3", 6);
    snprintf(report->suite, sizeof report->suite, "TLS%s", name + (is_13 ? 6 : 3));
    for (char *next = report->suite; *next; next++)
        if (*next == '-')
            *next = '_';
    if (protocol)
        snprintf(report->alpn, sizeof report->alpn, "%s", protocol);
}

// It has no word for a session that was resumed: then no certificate of the server's was due.
static int shake_hands(mbedtls_ssl_context *ssl, struct report *report)
{
    int result = 0;
    report->resumed = 1;
    while (!result && !mbedtls_ssl_is_handshake_over(ssl)) {
        if (ssl->state == MBEDTLS_SSL_SERVER_CERTIFICATE)
            report->resumed = 0;
        result = mbedtls_ssl_handshake_step(ssl);
    }
    return result;
}

static int read_some(mbedtls_ssl_context *ssl, char *to, size_t length)
{
    for (;;) {
        int result = mbedtls_ssl_read(ssl, (unsigned char *)to, length);
        if (result == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            mbedtls_ssl_session_free(&session);
            must(mbedtls_ssl_get_session(ssl, &session), "the session");
            has_session = 1;
        } else if (result != MBEDTLS_ERR_SSL_WANT_READ && result != MBEDTLS_ERR_SSL_WANT_WRITE) {
            return result;
        }
    }
}

static int write_all(mbedtls_ssl_context *ssl, const char *from, int length)
{
    for (int at = 0; at < length;) {
        int result = mbedtls_ssl_write(ssl, (const unsigned char *)from + at, length - at);
        if (result <= 0)
            return result;
        at += result;
    }
    return length;
}

static void serve(int fd)
{
    static char data[PIECE];
    struct report report = {0};
    mbedtls_net_context socket = {.fd = fd};
    mbedtls_ssl_context ssl;
    mbedtls_ssl_init(&ssl);
    must(mbedtls_ssl_setup(&ssl, &config), "the connection");
    mbedtls_ssl_set_bio(&ssl, &socket, mbedtls_net_send, mbedtls_net_recv, NULL);
    int result = shake_hands(&ssl, &report), is_asked = !*word("renegotiate");
    if (result)
        fail(result, report.error, "accept");
    else
        describe(&ssl, &report);
    print(&report, "");
    if (!result)
        while ((result = read_some(&ssl, data, sizeof data)) > 0 && (result = write_all(&ssl, data, result)) > 0) {
            // HelloRequest; what the client says to it is read with its next data.
            if (!is_asked && mbedtls_ssl_renegotiate(&ssl))
                break;
            is_asked = 1;
        }
    mbedtls_ssl_close_notify(&ssl);
    mbedtls_ssl_free(&ssl);
    mbedtls_net_free(&socket);
}

static int go_through(mbedtls_ssl_context *ssl, struct report *report, const char *sent, char *reply, size_t length)
{
    for (size_t at = 0; at < length;) {
        int piece = length - at < PIECE ? length - at : PIECE, result = write_all(ssl, sent + at, piece);
        for (int got = 0; result > 0 && got < piece; got += result)
            if ((result = read_some(ssl, reply + at + got, piece - got)) <= 0)
                break;
        if (result <= 0) {
            fail(result, report->error, "the message");
            return 0;
        }
        at += piece;
    }
    return 1;
}

static void talk(int fd, struct report *report, const char *sent, char *reply, size_t length)
{
    mbedtls_net_context socket = {.fd = fd};
    mbedtls_ssl_context ssl;
    mbedtls_ssl_init(&ssl);
    must(mbedtls_ssl_setup(&ssl, &config), "the connection");
    must(mbedtls_ssl_set_hostname(&ssl, word("server_name")), "the name");
    mbedtls_ssl_set_bio(&ssl, &socket, mbedtls_net_send, mbedtls_net_recv, NULL);
    if (has_session)
        must(mbedtls_ssl_set_session(&ssl, &session), "the session");
    int result = shake_hands(&ssl, report);
    if (result) {
        fail(result, report->error, "connect");
    } else {
        describe(&ssl, report);
        int is_whole = go_through(&ssl, report, sent, reply, length);
        if (is_whole && is("renegotiate", "yes")) {
            if ((result = mbedtls_ssl_renegotiate(&ssl)))
                fail(result, report->error, "renegotiation");
            else
                is_whole = go_through(&ssl, report, sent, reply, length);
        }
        // That of TLS 1.3 was taken as its ticket came.
        if (is_whole && is("version", "1.2")) {
            mbedtls_ssl_session_free(&session);
            must(mbedtls_ssl_get_session(&ssl, &session), "the session");
            has_session = 1;
        }
        if (is_whole && !report->error[0]) {
            char rest;
            mbedtls_ssl_close_notify(&ssl);
            if ((result = read_some(&ssl, &rest, 1)) == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
                strcpy(report->close, "ok");
            else
                fail(result, report->close, "the end");
        }
    }
    mbedtls_ssl_free(&ssl);
    mbedtls_net_free(&socket);
}
