/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic with checksums, for test guests; static, without a library of its
 * own.  Checksums are zlib's crc32.
 *
 *   nettool sink PORT             takes one connection, prints bytes and sum
 *   nettool source PORT BYTES     takes one connection, sends BYTES, prints
 *   nettool get HOST PORT         connects, reads to the end, prints
 *   nettool put HOST PORT BYTES   connects, sends, prints
 *   nettool echo PORT             sends back what it gets, for ever
 *   nettool udp-put HOST PORT COUNT SIZE
 *   nettool udp-sink PORT         until a datagram of one byte; prints count
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint32_t table[8][256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++) {
            c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
        }
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++) {
            uint32_t c = table[t - 1][i];

            table[t][i] = c >> 8 ^ table[0][c & 255];
        }
    }
}

static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t lo, hi;

        memcpy(&lo, p, 4);
        memcpy(&hi, p + 4, 4);
        lo ^= crc;
        crc = table[7][lo & 255] ^ table[6][lo >> 8 & 255] ^
              table[5][lo >> 16 & 255] ^ table[4][lo >> 24] ^
              table[3][hi & 255] ^ table[2][hi >> 8 & 255] ^
              table[1][hi >> 16 & 255] ^ table[0][hi >> 24];
    }
    while (n--) {
        crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    }
    return ~crc;
}

static uint8_t buf[256 * 1024];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int take(int type, int port)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6,
                              .sin6_port = htons(port) };
    int s = socket(AF_INET6, type, 0), on = 1;

    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0) {
        fail("bind");
    }
    if (type == SOCK_STREAM) {
        if (listen(s, 8) < 0) {
            fail("listen");
        }
        puts("listening");
        fflush(stdout);
    }
    return s;
}

static int reach(int type, const char *host, int port)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6,
                                .sin6_port = htons(port) };
    struct sockaddr_in four = { .sin_family = AF_INET,
                                .sin_port = htons(port) };
    int v4 = inet_pton(AF_INET, host, &four.sin_addr) == 1;
    int s = socket(v4 ? AF_INET : AF_INET6, type, 0);

    if (!v4 && inet_pton(AF_INET6, host, &six.sin6_addr) != 1) {
        fail(host);
    }
    if (connect(s, v4 ? (struct sockaddr *)&four : (struct sockaddr *)&six,
                v4 ? sizeof(four) : sizeof(six)) < 0) {
        fail("connect");
    }
    return s;
}

static void read_all(int s)
{
    uint64_t total = 0;
    uint32_t crc = 0;
    ssize_t n;

    while ((n = read(s, buf, sizeof(buf))) > 0) {
        crc = crc_add(crc, buf, n);
        total += n;
    }
    if (n < 0) {
        fail("read");
    }
    printf("bytes %llu crc %08x\n", (unsigned long long)total, crc);
}

static void write_all(int s, uint64_t left)
{
    uint64_t total = left, x = time(NULL) * 2654435761u | 1;
    uint32_t crc = 0;

    for (size_t i = 0; i < sizeof(buf); i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(buf + i, &x, 8);
    }
    while (left) {
        size_t want = left < sizeof(buf) ? left : sizeof(buf), off = 0;

        while (off < want) {
            ssize_t n = write(s, buf + off, want - off);

            if (n <= 0) {
                fail("write");
            }
            off += n;
        }
        crc = crc_add(crc, buf, want);
        left -= want;
        buf[0]++;
    }
    shutdown(s, SHUT_WR);
    while (read(s, buf, sizeof(buf)) > 0) {
    }
    printf("bytes %llu crc %08x\n", (unsigned long long)total, crc);
}

static void echo(int port)
{
    int l = take(SOCK_STREAM, port);

    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int s = accept(l, NULL, NULL);
        ssize_t n;

        if (s >= 0 && fork() == 0) {
            while ((n = read(s, buf, sizeof(buf))) > 0) {
                for (ssize_t off = 0, k; off < n; off += k) {
                    k = write(s, buf + off, n - off);
                    if (k <= 0) {
                        exit(1);
                    }
                }
            }
            exit(0);
        }
        close(s);
    }
}

static void udp_sink(int port)
{
    int s = take(SOCK_DGRAM, port), big = 4 << 20;
    unsigned long count = 0;
    ssize_t n;

    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
    puts("listening");
    fflush(stdout);
    while ((n = recv(s, buf, sizeof(buf), 0)) != 1) {
        count += n > 1;
    }
    printf("datagrams %lu\n", count);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    crc_init();
    if (!strcmp(what, "sink") && argc == 3) {
        int l = take(SOCK_STREAM, atoi(argv[2])), s = accept(l, NULL, NULL);

        read_all(s);
    } else if (!strcmp(what, "source") && argc == 4) {
        int l = take(SOCK_STREAM, atoi(argv[2])), s = accept(l, NULL, NULL);

        write_all(s, strtoull(argv[3], NULL, 0));
    } else if (!strcmp(what, "get") && argc == 4) {
        read_all(reach(SOCK_STREAM, argv[2], atoi(argv[3])));
    } else if (!strcmp(what, "put") && argc == 5) {
        write_all(reach(SOCK_STREAM, argv[2], atoi(argv[3])),
                  strtoull(argv[4], NULL, 0));
    } else if (!strcmp(what, "echo") && argc == 3) {
        echo(atoi(argv[2]));
    } else if (!strcmp(what, "udp-put") && argc == 6) {
        int s = reach(SOCK_DGRAM, argv[2], atoi(argv[3]));
        unsigned long sent = 0;

        for (long i = atol(argv[4]); i; i--) {
            sent += send(s, buf, atoi(argv[5]), 0) > 0;
        }
        printf("sent %lu\n", sent);
    } else if (!strcmp(what, "udp-sink") && argc == 3) {
        udp_sink(atoi(argv[2]));
    } else {
        fprintf(stderr, "usage: see nettool.c\n");
        return 2;
    }
    return 0;
}
