/* TLS 1.2 or 1.3 over wolfSSL, as a client or as an echo server; see tests/src/peers/wolfssl.rs.
 *
 *   peer client VERSION SUITES GROUP PORT ROOT NAME LINE
 *   peer server VERSION SUITES GROUP CHAIN KEY
 *
 * VERSION is 1.2 or 1.3 and the only one; SUITES is a list of wolfSSL's names, or empty for its own.
 * A client of TLS 1.3 has a share of GROUP, and can also do P-384; else GROUP is the only one, but a
 * server of TLS 1.2 has what it was built with: nothing limits it.
 *
 * The client prints what came back, `REPLY ...`, and both print `CONNECTED version suite group`. */

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int group_of(const char *name)
{
    if (strcmp(name, "x25519") == 0) return WOLFSSL_ECC_X25519;
    if (strcmp(name, "secp256r1") == 0) return WOLFSSL_ECC_SECP256R1;
    if (strcmp(name, "secp384r1") == 0) return WOLFSSL_ECC_SECP384R1;
    fprintf(stderr, "no such group: %s\n", name);
    exit(2);
}

static void fail(WOLFSSL *ssl, const char *what, int result)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    printf("FAILED %s: %s\n", what, wolfSSL_ERR_error_string(wolfSSL_get_error(ssl, result), text));
    fflush(stdout);
}

static void connected(WOLFSSL *ssl)
{
    printf("CONNECTED %s %s %s\n", wolfSSL_get_version(ssl), wolfSSL_get_cipher_name(ssl),
           wolfSSL_get_curve_name(ssl));
    fflush(stdout);
}

static void set_suites(WOLFSSL_CTX *context, const char *suites)
{
    if (*suites != 0 && wolfSSL_CTX_set_cipher_list(context, suites) != WOLFSSL_SUCCESS) {
        fprintf(stderr, "no such suites: %s\n", suites);
        exit(2);
    }
}

static int client(int is_tls13, const char *suites, int group, int port, const char *root,
                  const char *name, const char *line)
{
    int groups[] = { group, WOLFSSL_ECC_SECP384R1 };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    WOLFSSL_CTX *context =
        wolfSSL_CTX_new(is_tls13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
    WOLFSSL *ssl;
    char reply[1024];
    int fd = socket(AF_INET, SOCK_STREAM, 0), length = 0, result;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        return 1;
    }
    if (wolfSSL_CTX_load_verify_locations(context, root, NULL) != WOLFSSL_SUCCESS) return 2;
    set_suites(context, suites);
    if (is_tls13) {
        if (wolfSSL_CTX_set_groups(context, groups, 2) != WOLFSSL_SUCCESS) return 2;
    } else {
        if (wolfSSL_CTX_UseSupportedCurve(context, group) != WOLFSSL_SUCCESS) return 2;
    }
    ssl = wolfSSL_new(context);
    wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name, strlen(name));
    wolfSSL_check_domain_name(ssl, name);
    if (is_tls13) wolfSSL_UseKeyShare(ssl, group);
    wolfSSL_set_fd(ssl, fd);
    if ((result = wolfSSL_connect(ssl)) != WOLFSSL_SUCCESS) {
        fail(ssl, "connect", result);
        return 1;
    }
    connected(ssl);
    wolfSSL_write(ssl, line, strlen(line));
    while (length < (int)strlen(line)) {
        result = wolfSSL_read(ssl, reply + length, sizeof reply - 1 - length);
        if (result <= 0) {
            fail(ssl, "read", result);
            return 1;
        }
        length += result;
    }
    printf("REPLY %.*s\n", length, reply);
    wolfSSL_shutdown(ssl);
    close(fd);
    return 0;
}

static int server(int is_tls13, const char *suites, int group, const char *chain, const char *key)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    WOLFSSL_CTX *context =
        wolfSSL_CTX_new(is_tls13 ? wolfTLSv1_3_server_method() : wolfTLSv1_2_server_method());
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (wolfSSL_CTX_use_certificate_chain_file(context, chain) != WOLFSSL_SUCCESS) return 2;
    if (wolfSSL_CTX_use_PrivateKey_file(context, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
        return 2;
    set_suites(context, suites);
    if (is_tls13 && wolfSSL_CTX_set_groups(context, &group, 1) != WOLFSSL_SUCCESS) return 2;
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 8) != 0) {
        perror("listen");
        return 1;
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    printf("READY %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        char data[16384];
        int fd = accept(listener, NULL, NULL), result;
        WOLFSSL *ssl = wolfSSL_new(context);
        wolfSSL_set_fd(ssl, fd);
        if ((result = wolfSSL_accept(ssl)) != WOLFSSL_SUCCESS) {
            fail(ssl, "accept", result);
        } else {
            connected(ssl);
            while ((result = wolfSSL_read(ssl, data, sizeof data)) > 0)
                wolfSSL_write(ssl, data, result);
            wolfSSL_shutdown(ssl);
        }
        wolfSSL_free(ssl);
        close(fd);
    }
}

int main(int count, char **words)
{
    int is_tls13 = count > 2 && strcmp(words[2], "1.3") == 0;

    wolfSSL_Init();
    if (count == 9 && strcmp(words[1], "client") == 0)
        return client(is_tls13, words[3], group_of(words[4]), atoi(words[5]), words[6], words[7],
                      words[8]);
    if (count == 7 && strcmp(words[1], "server") == 0)
        return server(is_tls13, words[3], group_of(words[4]), words[5], words[6]);
    fprintf(stderr, "see the head of the source\n");
    return 2;
}
