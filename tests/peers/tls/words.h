// What the programs beside this have in common. Each is an echo server or its client over TCP, with words NAME=VALUE (see
// tests/src/peers/scripted.rs), and prints `READY <port>` and JSON objects.
#pragma once
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

// So much is written before it is read again, so that neither side waits for the other.
#define PIECE 16384

static char **words;

// What stands behind `NAME=`; nothing if it is not there.
static const char *word(const char *name)
{
    size_t length = strlen(name);
    for (char **next = words; *next; next++)
        if (!strncmp(*next, name, length) && (*next)[length] == '=')
            return *next + length + 1;
    return "";
}

static int is(const char *name, const char *value)
{
    return !strcmp(word(name), value);
}

// The application protocols that were named, in a list that ends; at most seven.
static const char **protocols(void)
{
    static const char *list[8];
    static char text[256];
    int count = 0;
    snprintf(text, sizeof text, "%s", word("alpn"));
    for (char *next = strtok(text, ","); next && count < 7; next = strtok(NULL, ","))
        list[count++] = next;
    return list;
}

// The line, or numbered lines.
static char *message(size_t *length)
{
    int count = atoi(word("count"));
    const char *line = word("line");
    char *text = malloc((strlen(line) + 16) * (count > 1 ? count : 1)), *end = text;
    if (count > 1)
        for (int number = 0; number < count; number++)
            end += sprintf(end, "%s %07d\n", line, number);
    else
        end += sprintf(end, "%s\n", line);
    *length = end - text;
    return text;
}

static int connected_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(word("port")))};
    struct timeval limit = {.tv_sec = 15};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_pton(AF_INET, word("host"), &address.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        perror("connect");
        exit(2);
    }
    return fd;
}

static int listening_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 8)) {
        perror("listen");
        exit(2);
    }
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("READY %d\n", ntohs(address.sin_port));
    return fd;
}

static int accepted_socket(int listener)
{
    struct timeval limit = {.tv_sec = 20};
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

// What there is to say of a connection. No text has a quotation mark.
struct report {
    char version[16], suite[64], alpn[64], error[256], close[256];
    int resumed;
};

static void print(const struct report *report, const char *reply)
{
    printf("{\"resumed\":%s", report->resumed ? "true" : "false");
    const char *names[] = {"version", "suite", "alpn", "error", "close", "reply"};
    const char *texts[] = {report->version, report->suite, report->alpn, report->error, report->close, reply};
    for (int at = 0; at < 6; at++)
        if (texts[at][0])
            printf(",\"%s\":\"%s\"", names[at], texts[at]);
    puts("}");
}

// What each has of its own.
static void configure(int is_server);
static void serve(int fd);
// Gives the last bytes of the message back, or says an error.
static void talk(int fd, struct report *report, const char *sent, char *reply, size_t length);

int main(int count, char **all)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (count < 2)
        return 2;
    words = all + 2;
    int is_server = !strcmp(all[1], "server");
    configure(is_server);
    if (is_server)
        for (int listener = listening_socket();;)
            serve(accepted_socket(listener));
    size_t length;
    char *sent = message(&length), *reply = malloc(length);
    struct report report;
    for (int left = atoi(word("connections")); left > 0; left--) {
        memset(&report, 0, sizeof report);
        memset(reply, 0, length);
        talk(connected_socket(), &report, sent, reply, length);
        if (report.error[0])
            break;
    }
    int is_same = !report.error[0] && !memcmp(sent, reply, length);
    print(&report, report.error[0] ? "" : is_same ? word("line") : "something else");
    return is_same ? 0 : 1;
}
