// Connections of BoringSSL over datagrams, built by ../fetch.sh.
//
//   client PORT 1.3|1.2 - WHAT ROOT [CHAIN KEY]  says "from BoringSSL" until it is answered
//   server PORT 1.3|1.2 - WHAT CHAIN KEY [ROOT]  gives back what it hears, until it hears close_notify
//
// With a chain the client shows it where it is asked; with a root the server asks, and takes no client without a
// certificate. WHAT has words in it:
//
//   hybrid  X25519MLKEM768 and no other group
//   retry   a server with P-384 alone, a client whose first hello has no share of it
//   twice   two connections, of which the second offers to resume the first
//   update  it asks for new keys behind the first message; a client goes on until both sides have asked
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { LIMIT = 20000, AGAIN = 500 }; // milliseconds

static SSL *ssl;
static SSL_SESSION *session;
static int fd;

static void fail(const char *what, int error)
{
    char reason[256];
    ERR_error_string_n(ERR_peek_error(), reason, sizeof reason);
    printf("FAILED %s: %d %s\n", what, error, reason);
    exit(1);
}

static void must(int is_good, const char *what)
{
    if (!is_good)
        fail(what, 0);
}

static long now(void)
{
    struct timeval time;
    gettimeofday(&time, NULL);
    return time.tv_sec * 1000 + time.tv_usec / 1000;
}

// Waits for what this result wants. False when the time is over, or the peer has closed.
static int waits(int result, long until, const char *what)
{
    int error = SSL_get_error(ssl, result), is_written = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error != SSL_ERROR_WANT_READ && !is_written)
        fail(what, error);
    long left = until - now();
    if (left <= 0)
        return 0;
    struct timeval due;
    if (DTLSv1_get_timeout(ssl, &due) && due.tv_sec * 1000 + due.tv_usec / 1000 < left)
        left = due.tv_sec * 1000 + due.tv_usec / 1000;
    struct pollfd wanted = {.fd = fd, .events = is_written ? POLLOUT : POLLIN};
    poll(&wanted, 1, left);
    ERR_clear_error();
    if (DTLSv1_handle_timeout(ssl) < 0)
        fail(what, SSL_get_error(ssl, -1));
    return 1;
}

// The next message; nothing if there is none in time, or never will be.
static int heard(char *message, size_t length, long until)
{
    int result;
    while ((result = SSL_read(ssl, message, length)) <= 0)
        if (!waits(result, until, "a message"))
            return 0;
    printf("HEARD %.*s\n", result, message);
    printf("EPOCHS %d %d\n", SSL_get_dtls_read_epoch(ssl), SSL_get_dtls_write_epoch(ssl));
    return result;
}

static int has_closed(void)
{
    return SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN;
}

static void say(const char *message, int length)
{
    int result;
    while ((result = SSL_write(ssl, message, length)) <= 0)
        if (!waits(result, now() + LIMIT, "a message to the peer"))
            must(0, "a message to the peer");
}

// A message may be lost, and the answer.
static void exchange(const char *message)
{
    char answer[2048];
    for (int tries = 0; tries < LIMIT / AGAIN; tries++) {
        say(message, strlen(message));
        if (heard(answer, sizeof answer, now() + AGAIN))
            return;
    }
    must(0, "an answer");
}

// New keys of both sides, once. While a flight of its own is under way it would be asked for later, and then of this side
// alone: QueuedKeyUpdate has three values in two bits with a sign.
static void ask_for_keys(int *is_asked)
{
    if (!*is_asked && SSL_is_dtls_handshake_idle(ssl))
        must(*is_asked = SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), "new keys");
}

static int keep(SSL *of, SSL_SESSION *given)
{
    SSL_SESSION_free(session);
    session = given;
    return 1;
}

// A hello is in the clear. What a client before says yet is none.
static void wait_for_hello(struct sockaddr_in *from)
{
    unsigned char start[14];
    for (;;) {
        socklen_t length = sizeof *from;
        int read = recvfrom(fd, start, sizeof start, MSG_PEEK, (struct sockaddr *)from, &length);
        if (read == sizeof start && start[0] == 22 && !start[3] && !start[4] && start[13] == 1)
            return;
        recv(fd, start, sizeof start, 0);
    }
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 7 || strcmp(words[4], "-"))
        return 2;
    int is_server = !strcmp(words[1], "server"), is_twice = !!strstr(words[5], "twice");
    int is_update = !!strstr(words[5], "update"), is_retry = !!strstr(words[5], "retry");
    int version = strcmp(words[3], "1.3") ? DTLS1_2_VERSION : DTLS1_3_VERSION;
    SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
    must(SSL_CTX_set_min_proto_version(ctx, version) && SSL_CTX_set_max_proto_version(ctx, version), "the version");
    const char *chain = words[is_server ? 6 : 7], *key = words[is_server ? 7 : 8];
    const char *root = is_server ? words[8] : words[6];
    if (is_server || count > 8) {
        must(SSL_CTX_use_certificate_chain_file(ctx, chain), "the chain");
        must(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), "the key");
    }
    if (!is_server || count > 8) {
        must(SSL_CTX_load_verify_locations(ctx, root, NULL), "the root");
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (is_server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    }
    if (is_server)
        must(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"peer", 4), "the context of sessions");
    SSL_CTX_set_session_cache_mode(ctx, is_server ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_CLIENT);
    if (!is_server)
        SSL_CTX_sess_set_new_cb(ctx, keep);
    const uint16_t hybrid = SSL_GROUP_X25519_MLKEM768, p384 = SSL_GROUP_SECP384R1;
    const uint16_t any[] = {SSL_GROUP_X25519, SSL_GROUP_SECP256R1, SSL_GROUP_SECP384R1};
    if (strstr(words[5], "hybrid"))
        must(SSL_CTX_set1_group_ids(ctx, &hybrid, 1), "the group");
    else if (is_retry && is_server)
        must(SSL_CTX_set1_group_ids(ctx, &p384, 1), "the group");
    else
        must(SSL_CTX_set1_group_ids(ctx, any, 3), "the groups");

    for (int number = 0; number <= is_twice; number++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int reuse = 1;
        fd = socket(AF_INET, SOCK_DGRAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
        if (is_server) {
            if (bind(fd, (struct sockaddr *)&address, sizeof address))
                return 3;
            puts("READY");
            wait_for_hello(&address);
        }
        if (connect(fd, (struct sockaddr *)&address, sizeof address))
            return 3;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        ssl = SSL_new(ctx);
        BIO *bio = BIO_new_socket(fd, BIO_CLOSE);
        SSL_set_bio(ssl, bio, bio);
        // A hello with a share of ML-KEM does not fit, nor does a certificate.
        SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
        must(SSL_set_mtu(ssl, 700), "the size of datagrams");
        if (!is_server)
            must(SSL_set_tlsext_host_name(ssl, "localhost") && SSL_set1_host(ssl, "localhost"), "the name");
        if (session)
            must(SSL_set_session(ssl, session), "the session");
        int result;
        while ((result = is_server ? SSL_accept(ssl) : SSL_connect(ssl)) <= 0)
            if (!waits(result, now() + LIMIT, "the handshake"))
                must(0, "the handshake");
        STACK_OF(X509) *shown = SSL_get_peer_full_cert_chain(ssl);
        printf("CONNECTED %s %s group=%s resumed=%d retried=%d certificates=%zu\n", SSL_get_version(ssl),
            SSL_get_cipher_name(ssl), SSL_get_group_name(SSL_get_group_id(ssl)), SSL_session_reused(ssl),
            SSL_used_hello_retry_request(ssl), shown ? sk_X509_num(shown) : 0);

        char message[2048];
        int is_asked = !is_update;
        if (!is_server) {
            exchange("from BoringSSL");
            // With the first keys for data both are 3.
            for (int tries = 0; is_update && (SSL_get_dtls_read_epoch(ssl) < 5 || SSL_get_dtls_write_epoch(ssl) < 5); tries++) {
                must(tries < LIMIT / AGAIN, "new keys of both");
                ask_for_keys(&is_asked);
                exchange("from BoringSSL with new keys");
                usleep(AGAIN * 1000 / 5);
            }
        } else {
            for (int length; (length = heard(message, sizeof message, now() + LIMIT)); say(message, length))
                ask_for_keys(&is_asked);
        }
        SSL_shutdown(ssl);
        // What the peer says yet, with its close_notify.
        while (!has_closed() && heard(message, sizeof message, now() + AGAIN))
            ;
        if (has_closed())
            puts("CLOSED");
        SSL_free(ssl);
    }
    return 0;
}
