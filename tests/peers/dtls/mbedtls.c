// One connection of Mbed TLS over datagrams, which are of DTLS 1.2, built by ../fetch.sh. Its words are those of
// wolfssl.c.
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int result, const char *what)
{
    char text[200];
    if (!result)
        return;
    mbedtls_strerror(result, text, sizeof text);
    printf("FAILED %s: -0x%x %s\n", what, -result, text);
    exit(1);
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 7 || strcmp(words[3], "1.2"))
        return 2;
    int is_server = !strcmp(words[1], "server");
    size_t id_length = strcmp(words[4], "-") ? strlen(words[4]) : 0;
    mbedtls_net_context socket, bound;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_x509_crt root, chain;
    mbedtls_pk_context key;
    mbedtls_ssl_cookie_ctx cookies;
    mbedtls_timing_delay_context timer;
    psa_crypto_init();
    mbedtls_net_init(&socket);
    mbedtls_net_init(&bound);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random);
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_init(&config);
    mbedtls_x509_crt_init(&root);
    mbedtls_x509_crt_init(&chain);
    mbedtls_pk_init(&key);
    mbedtls_ssl_cookie_init(&cookies);
    must(mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0), "random bytes");
    must(mbedtls_ssl_config_defaults(&config, is_server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
             MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT), "the defaults");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
    mbedtls_ssl_conf_authmode(&config, is_server ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_read_timeout(&config, 10000);
    if (id_length)
        must(mbedtls_ssl_conf_cid(&config, id_length, MBEDTLS_SSL_UNEXPECTED_CID_IGNORE), "connection ids");
    if (is_server) {
        must(mbedtls_x509_crt_parse_file(&chain, words[6]), "the chain");
        must(mbedtls_pk_parse_keyfile(&key, words[7], NULL, mbedtls_ctr_drbg_random, &random), "the key");
        must(mbedtls_ssl_conf_own_cert(&config, &chain, &key), "the identity");
        must(mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &random), "cookies");
        mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
    } else {
        must(mbedtls_x509_crt_parse_file(&root, words[6]), "the root");
        mbedtls_ssl_conf_ca_chain(&config, &root, NULL);
    }
    must(mbedtls_ssl_setup(&ssl, &config), "the connection");
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    mbedtls_ssl_set_bio(&ssl, &socket, mbedtls_net_send, mbedtls_net_recv, mbedtls_net_recv_timeout);
    if (is_server) {
        must(mbedtls_net_bind(&bound, "127.0.0.1", words[2], MBEDTLS_NET_PROTO_UDP), "the socket");
        puts("READY");
    } else {
        must(mbedtls_ssl_set_hostname(&ssl, "localhost"), "the name");
        must(mbedtls_net_connect(&socket, "127.0.0.1", words[2], MBEDTLS_NET_PROTO_UDP), "the socket");
    }
    int result;
    do {
        if (is_server) {
            unsigned char peer[16];
            size_t length;
            mbedtls_net_free(&socket);
            must(mbedtls_ssl_session_reset(&ssl), "another try");
            must(mbedtls_net_accept(&bound, &socket, peer, sizeof peer, &length), "a client");
            must(mbedtls_ssl_set_client_transport_id(&ssl, peer, length), "its address");
        }
        if (id_length)
            must(mbedtls_ssl_set_cid(&ssl, MBEDTLS_SSL_CID_ENABLED, (unsigned char *)words[4], id_length), "the id");
        do
            result = mbedtls_ssl_handshake(&ssl);
        while (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE);
    } while (result == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    must(result, "the handshake");

    int is_enabled;
    unsigned char theirs[MBEDTLS_SSL_CID_OUT_LEN_MAX];
    size_t length = 0;
    must(mbedtls_ssl_get_peer_cid(&ssl, &is_enabled, theirs, &length), "the peer's id");
    printf("CONNECTED %s %s cid=%d:%zu\n", mbedtls_ssl_get_version(&ssl), mbedtls_ssl_get_ciphersuite(&ssl), is_enabled,
        is_enabled ? length : 0);
    unsigned char message[2048];
    const char *first = "from Mbed TLS";
    // A message and its answer may be lost, so a client says it again, and a server gives back what comes again.
    mbedtls_ssl_conf_read_timeout(&config, is_server ? 10000 : 500);
    int has_heard = 0;
    for (int tries = 0; tries < 40 && (is_server || !has_heard); tries++) {
        if (!is_server)
            mbedtls_ssl_write(&ssl, (const unsigned char *)first, strlen(first));
        do
            result = mbedtls_ssl_read(&ssl, message, sizeof message);
        while (result == MBEDTLS_ERR_SSL_WANT_READ);
        if (!is_server && result == MBEDTLS_ERR_SSL_TIMEOUT)
            continue;
        if (result <= 0)
            break;
        has_heard = 1;
        printf("HEARD %.*s\n", result, message);
        if (is_server)
            mbedtls_ssl_write(&ssl, message, result);
    }
    if (!has_heard)
        must(result < 0 ? result : -1, "a message");
    mbedtls_ssl_close_notify(&ssl);
    return 0;
}
