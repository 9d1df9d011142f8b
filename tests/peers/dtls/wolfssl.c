// One connection of wolfSSL over datagrams, built by ../fetch.sh.
//
//   client PORT 1.3|1.2 CID GROUP ROOT [CHAIN KEY]  says "from wolfSSL", and what it is answered
//   server PORT 1.3|1.2 CID GROUP CHAIN KEY [ROOT]  gives back what it hears
//
// With a chain the client may be asked for it after the handshake; with a root the server asks, after the first message,
// and gives back the next one that comes behind the answer.
// CID is the connection id that it wants, "-" for none; GROUP is "any" or "hybrid", or "early": two connections, the second of
// which resumes the first, with "early from wolfSSL" before the handshake, or what the client has said then, which a server
// gives back at once.
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

static WOLFSSL *ssl;
static int shown;

static int judge(int is_good, WOLFSSL_X509_STORE_CTX *chain)
{
    if (chain->error_depth == 0) {
        printf("SHOWN %d\n", is_good);
        shown = 1;
    }
    return is_good;
}

static void must(int result, const char *what)
{
    if (result == WOLFSSL_SUCCESS)
        return;
    int error = ssl ? wolfSSL_get_error(ssl, result) : result;
    printf("FAILED %s: %d %s\n", what, error, wolfSSL_ERR_reason_error_string(error));
    exit(1);
}

// What comes, or 0 where the other side has closed, or says nothing for 20 seconds. `again` is said twice a second until then.
static int hear(int fd, int is_13, char *message, int size, const char *again)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    for (int tries = 0; tries < 40;) {
        int length = wolfSSL_read(ssl, message, size), error;
        if (length > 0)
            return length;
        error = wolfSSL_get_error(ssl, length);
        if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE) {
            if (error != WOLFSSL_ERROR_ZERO_RETURN)
                must(length, "a message");
            return 0;
        }
        struct pollfd wanted = {.fd = fd, .events = POLLIN};
        if (poll(&wanted, 1, 500))
            continue;
        tries++;
        // What is not acknowledged yet: a Finished, a ticket (RFC 9147 5.8).
        if (is_13 && wolfSSL_dtls_got_timeout(ssl) != WOLFSSL_SUCCESS)
            must(0, "a repetition");
        if (again && wolfSSL_write(ssl, again, strlen(again)) <= 0)
            must(0, "a message");
    }
    return 0;
}

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count < 7)
        return 2;
    int is_server = !strcmp(words[1], "server"), is_13 = !strcmp(words[3], "1.3");
    WOLFSSL_METHOD *method;
    if (is_server)
        method = is_13 ? wolfDTLSv1_3_server_method() : wolfDTLSv1_2_server_method();
    else
        method = is_13 ? wolfDTLSv1_3_client_method() : wolfDTLSv1_2_client_method();
    wolfSSL_Init();
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);
    if (is_server) {
        must(wolfSSL_CTX_use_certificate_chain_file(ctx, words[6]), "the chain");
        must(wolfSSL_CTX_use_PrivateKey_file(ctx, words[7], WOLFSSL_FILETYPE_PEM), "the key");
    } else {
        must(wolfSSL_CTX_load_verify_locations(ctx, words[6], NULL), "the root");
        wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
    }
    int asks = is_server && count > 8;
    if (!is_server && count > 8) {
        must(wolfSSL_CTX_use_certificate_chain_file(ctx, words[7]), "the chain");
        must(wolfSSL_CTX_use_PrivateKey_file(ctx, words[8], WOLFSSL_FILETYPE_PEM), "the key");
        if (wolfSSL_CTX_allow_post_handshake_auth(ctx))
            must(0, "authentication");
    }
    if (asks) {
        must(wolfSSL_CTX_load_verify_locations(ctx, words[8], NULL), "the root");
        wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    }
    int is_early = !strcmp(words[5], "early");
    WOLFSSL_SESSION *session = NULL;
    if (is_early && is_server)
        wolfSSL_CTX_set_max_early_data(ctx, 4096);
next:
    ssl = wolfSSL_new(ctx);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0), reuse = 1;
    setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    if (is_server) {
        if (bind(socket_, (struct sockaddr *)&address, sizeof address))
            return 3;
        puts("READY");
        char first[1];
        socklen_t length = sizeof address;
        recvfrom(socket_, first, sizeof first, MSG_PEEK, (struct sockaddr *)&address, &length);
    }
    if (connect(socket_, (struct sockaddr *)&address, sizeof address))
        return 3;
    must(wolfSSL_dtls_set_peer(ssl, &address, sizeof address), "the peer");
    must(wolfSSL_set_fd(ssl, socket_), "the socket");

    if (strcmp(words[4], "-")) {
        must(wolfSSL_dtls_cid_use(ssl), "connection ids");
        must(wolfSSL_dtls_cid_set(ssl, (unsigned char *)words[4], strlen(words[4])), "the connection id");
    }
    if (!strcmp(words[5], "hybrid")) {
        int group = WOLFSSL_X25519MLKEM768;
        if (!is_server)
            must(wolfSSL_UseKeyShare(ssl, group), "the share");
        must(wolfSSL_set_groups(ssl, &group, 1), "the group");
    }
    if (is_server && is_13) {
        must(wolfSSL_send_hrr_cookie(ssl, NULL, 0), "cookies");
        must(wolfSSL_dtls13_allow_ch_frag(ssl, 1), "hellos in pieces");
        if (is_early)
            must(wolfSSL_dtls13_no_hrr_on_resume(ssl, 1), "no cookies");
    }
    if (!is_server)
        must(wolfSSL_check_domain_name(ssl, "localhost"), "the name");
    char message[2048];
    int early = 0;
    if (session && is_server) {
        while (wolfSSL_read_early_data(ssl, message, sizeof message, &early) > 0 && early > 0) {
            printf("EARLY %.*s\n", early, message);
            // Its flight is out, and the client's Finished is not here yet.
            if (wolfSSL_write(ssl, message, early) <= 0)
                must(0, "an early answer");
        }
    } else if (session) {
        const char *said = "early from wolfSSL";
        must(wolfSSL_set_session(ssl, session), "the session");
        if (wolfSSL_write_early_data(ssl, said, strlen(said), &early) <= 0)
            must(0, "early data");
    }
    int result;
    while ((result = is_server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl)) != WOLFSSL_SUCCESS) {
        // Data that has come while it waits for the end of the handshake.
        int heard = -1;
        if (wolfSSL_get_error(ssl, result) == APP_DATA_READY)
            heard = wolfSSL_read(ssl, message, sizeof message);
        if (heard <= 0)
            must(result, "the handshake");
        printf("HEARD %.*s\n", heard, message);
    }
    if (session && !is_server)
        printf("EARLY accepted=%d\n", wolfSSL_get_early_data_status(ssl) == WOLFSSL_EARLY_DATA_ACCEPTED);

    unsigned int theirs = 0;
    if (wolfSSL_dtls_cid_is_enabled(ssl))
        wolfSSL_dtls_cid_get_tx_size(ssl, &theirs);
    printf("CONNECTED %s %s cid=%d:%u\n", wolfSSL_get_version(ssl), wolfSSL_get_cipher(ssl),
        wolfSSL_dtls_cid_is_enabled(ssl), theirs);
    const char *first = "from wolfSSL";
    if (!is_server && wolfSSL_write(ssl, first, strlen(first)) <= 0)
        must(0, "a message");
    int length;
again:
    length = hear(socket_, is_13, message, sizeof message, is_server ? NULL : first);
    if (!length)
        must(0, "a message");
    printf("HEARD %.*s\n", length, message);
    if (asks == 1) {
        asks = 2;
        wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT, judge);
        must(wolfSSL_request_certificate(ssl), "a request");
    }
    if (asks && !shown)
        goto again;
    if (is_server && wolfSSL_write(ssl, message, length) <= 0)
        must(0, "the answer");
    // Where the answer is lost, what it answers comes again.
    while (is_server && !is_early && (length = hear(socket_, is_13, message, sizeof message, NULL)) > 0)
        if (wolfSSL_write(ssl, message, length) <= 0)
            must(0, "the answer");
    wolfSSL_shutdown(ssl);
    if (is_early && !session) {
        session = wolfSSL_get1_session(ssl);
        if (!session)
            must(0, "a session");
        wolfSSL_free(ssl);
        close(socket_);
        goto next;
    }
    return 0;
}
