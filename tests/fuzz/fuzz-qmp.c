/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random and mutated QMP lines, N of them (first argument), from a fixed seed
 * (second).  After every 1000 the session must still answer.
 */
#include "osdep.h"
#include "tests/unit/qmp/harness.h"
#include "util/thread.h"

#define HELLO "{\"execute\":\"qmp_capabilities\",\"arguments\":" \
              "{\"enable\":[\"oob\"]}}\n"
#define PROBE "{\"execute\":\"nothing\",\"id\":\"probe\"}\n"

static const char *const seeds[] = {
    "{\"execute\":\"query-version\"}",
    "{\"execute\":\"query-commands\",\"id\":[1,{\"a\":null}]}",
    "{\"execute\":\"echo\",\"arguments\":{\"name\":\"n\",\"size\":12,"
    "\"any\":[1,2.5e3,null,true,\"\\u00e4\\n\"],\"u8\":255,\"u64\":"
    "18446744073709551615,\"ref\":{\"kind\":\"with-dash\",\"list-of\":"
    "[{\"name\":\"x\"},{\"name\":\"y\",\"size\":1}],\"next\":{\"kind\":"
    "\"plain\",\"value\":-128}},\"kinds\":[\"3d\",\"empty\"],\"num\":1.5,"
    "\"flag\":false},\"id\":\"e\"}",
    "{\"execute\":\"echo\",\"arguments\":{\"name\":\"\",\"any\":{},"
    "\"u8\":0,\"u64\":-1,\"ref\":null,\"flag\":true}}",
    "{\"exec-oob\":\"add-one\",\"arguments\":{\"n\":-9223372036854775808,"
    "\"by\":7},\"id\":3}",
    "{\"execute\":\"raw\",\"arguments\":{\"x\":{\"y\":{\"z\":[[[]]]}}}}",
    "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}",
    "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":1}}",
    "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":1,\"fd\":2}}",
    "{\"execute\":\"query-fdsets\"}",
    "{\"execute\":\"human-monitor-command\",\"arguments\":"
    "{\"command-line\":\"info status\",\"cpu-index\":0}}",
    "{\"execute\":\"qmp_capabilities\"}",
};
static const char *const bits[] = {
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud800", "null",
    "true", "-", "1e999", "99999999999999999999", "0.1", "\n", "\xff", "\x1e",
    "\"execute\":", "\"exec-oob\":", "\"id\":1,", "\"arguments\":{},", "'",
    "%s", "\xc3\xa4", "[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":",
};

/* xorshift64*: the same sequence everywhere. */
static uint64_t state;

static uint32_t pick(uint32_t n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static void mutate(GString *s)
{
    size_t at = pick(s->len + 1), len;
    const char *bit;

    switch (pick(6)) {
    case 0:
        if (at < s->len) {
            s->str[at] = pick(256);
        }
        break;
    case 1:
        bit = bits[pick(ARRAY_SIZE(bits))];
        g_string_insert(s, at, bit);
        break;
    case 2:
        g_string_erase(s, at, pick(MIN(s->len - at, 16) + 1));
        break;
    case 3: /* say it again */
        len = pick(MIN(s->len - at, 64) + 1);
        {
            g_autofree char *copy = g_strndup(s->str + at, len);

            g_string_insert(s, pick(s->len + 1), copy);
        }
        break;
    case 4: /* one value for another */
        bit = seeds[pick(ARRAY_SIZE(seeds))];
        len = strlen(bit);
        at = pick(len);
        g_string_append_len(s, bit + at, pick(len - at) + 1);
        break;
    default:
        if (at < s->len) {
            s->str[at] ^= 1 << pick(8);
        }
        break;
    }
}

static void feed(const char *bytes, size_t len)
{
    if (harness_feed(bytes, len) != len) {
        g_error("the session stopped reading");
    }
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;

    state = argc > 2 ? strtoull(argv[2], NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
    bql_lock();
    harness_start(false);
    harness_connect();
    feed(HELLO, strlen(HELLO));
    for (long i = 1; i <= n; i++) {
        GString *s = g_string_new(seeds[pick(ARRAY_SIZE(seeds))]);

        for (uint32_t k = pick(6); k > 0; k--) {
            mutate(s);
        }
        if (pick(2)) { /* mends what an unclosed bracket or quote spoilt */
            g_string_prepend(s, "\xff\n");
        }
        g_string_append_c(s, '\n');
        feed(s->str, s->len);
        g_string_free(s, TRUE);
        if (i % 1000 == 0 || i == n) {
            g_autofree char *out = NULL;

            g_free(harness_output());
            if (pick(4) == 0) { /* a new session, in the middle of anything */
                harness_disconnect();
                harness_connect();
                feed(HELLO, strlen(HELLO));
            }
            /* 0xff is no part of UTF-8: the parser starts afresh. */
            feed("\xff\n", 2);
            feed(PROBE, strlen(PROBE));
            out = harness_output();
            if (!strstr(out, "\"id\": \"probe\"}")) {
                g_error("no answer after %ld lines: %s", i, out);
            }
        }
    }
    harness_stop();
    printf("%ld lines\n", n);
    return 0;
}
