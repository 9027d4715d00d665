/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices: what a front end may rely on. */
#include "osdep.h"
#include "chardev/char.h"
#include "util/loop.h"
#include "util/module.h"
#include "util/option.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static void note(void *opaque)
{
    ++*(int *)opaque;
}

static int can_read(void *opaque)
{
    return 1;
}

static void do_read(void *opaque, const uint8_t *buf, int len)
{
}

/* A front end that waits for room goes on when the peer leaves instead. */
static void test_watch_survives_hangup(void)
{
    static const uint8_t data[4096];
    g_autoptr(QObject) opts = qdict_new();
    g_autofree char *fd = NULL;
    CharFrontend fe = { 0 };
    int sv[2], called = 0;
    Chardev *chr;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    fd = g_strdup_printf("%d", sv[0]);
    qdict_put_str(opts, "backend", "socket");
    qdict_put_str(opts, "id", "c");
    qdict_put_str(opts, "fd", fd);
    qdict_put_bool(opts, "websocket", false);
    chr = chr_new_from_opts(opts, &error_abort);
    g_assert_true(chr_fe_init(&fe, chr, &error_abort));
    chr_fe_set_handlers(&fe, can_read, do_read, NULL, NULL);
    while (chr_fe_write(&fe, data, sizeof(data)) > 0) {
    }
    chr_fe_add_watch(&fe, note, &called);
    close(sv[1]);
    for (int i = 0; i < 10 && !called; i++) {
        loop_run_once(loop_main(), false);
    }
    g_assert_cmpint(called, ==, 1);
    g_assert_cmpint(chr_fe_write(&fe, data, 1), ==, 1);
    chr_fe_deinit(&fe);
    g_assert_true(chr_remove("c", &error_abort));
}

/* --- helpers --- */

typedef struct Sink {
    CharFrontend fe;
    int room;           /* what can_read() says */
    GString *got;
    int opened, closed, breaks, woken;
} Sink;

static int sink_can_read(void *opaque)
{
    return ((Sink *)opaque)->room;
}

static void sink_read(void *opaque, const uint8_t *buf, int len)
{
    g_string_append_len(((Sink *)opaque)->got, (const char *)buf, len);
}

static void sink_event(void *opaque, ChrEvent ev)
{
    Sink *s = opaque;

    s->opened += ev == CHR_EVENT_OPENED;
    s->closed += ev == CHR_EVENT_CLOSED;
    s->breaks += ev == CHR_EVENT_BREAK;
}

static void sink_woken(void *opaque)
{
    ((Sink *)opaque)->woken++;
}

static void sink_attach(Sink *s, Chardev *chr, int room)
{
    s->room = room;
    s->got = g_string_new(NULL);
    g_assert_true(chr_fe_init(&s->fe, chr, &error_abort));
    chr_fe_set_handlers(&s->fe, sink_can_read, sink_read, sink_event, s);
}

static void sink_detach(Sink *s)
{
    chr_fe_deinit(&s->fe);
    g_string_free(s->got, TRUE);
}

static Chardev *make(const char *text)
{
    g_autoptr(QObject) opts = keyval_parse(text, "backend", NULL,
                                           &error_abort);

    return chr_new_from_opts(opts, &error_abort);
}

/* A socket back end "c" on one end of a pair; the other end. */
static int make_pair(Chardev **chr, const char *more)
{
    g_autofree char *text = NULL;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    text = g_strdup_printf("socket,id=c,fd=%d%s", sv[0], more);
    *chr = make(text);
    return sv[1];
}

static void run_loop(void)
{
    for (int i = 0; i < 20; i++) {
        loop_run_once(loop_main(), false);
    }
}

static int connect_unix(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

/* --- sockets --- */

/* The front end takes nothing: the peer's end is still noticed. */
static void test_hangup_while_paused(void)
{
    Sink s = { 0 };
    Chardev *chr;
    int peer = make_pair(&chr, "");

    sink_attach(&s, chr, 0);
    run_loop();
    close(peer);
    run_loop();
    g_assert_cmpint(s.closed, ==, 1);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
}

/* What the peer sent before it left is delivered before the end is. */
static void test_last_words(void)
{
    Sink s = { 0 };
    Chardev *chr;
    int peer = make_pair(&chr, "");

    sink_attach(&s, chr, 0);
    run_loop();
    g_assert_cmpint(write(peer, "bye", 3), ==, 3);
    close(peer);
    run_loop();
    g_assert_cmpint(s.closed, ==, 0);
    s.room = 1;
    chr_fe_accept_input(&s.fe);
    run_loop();
    g_assert_cmpstr(s.got->str, ==, "bye");
    g_assert_cmpint(s.closed, ==, 1);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
}

/* A new client does not wait for what an old one left unread. */
static void test_next_client(void)
{
    g_autofree char *dir = g_dir_make_tmp("char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *text = g_strdup_printf(
        "socket,id=c,path=%s,server=on,wait=off", path);
    Chardev *chr = make(text);
    Sink s = { 0 };
    int a, b;

    sink_attach(&s, chr, 0);
    a = connect_unix(path);
    run_loop();
    g_assert_cmpint(s.opened, ==, 1);
    g_assert_cmpint(write(a, "lost", 4), ==, 4);
    run_loop();
    close(a);
    run_loop();
    b = connect_unix(path);
    run_loop();
    g_assert_cmpint(s.closed, ==, 1);
    g_assert_cmpint(s.opened, ==, 2);
    g_assert_cmpint(write(b, "new", 3), ==, 3);
    s.room = 10;
    chr_fe_accept_input(&s.fe);
    run_loop();
    g_assert_cmpstr(s.got->str, ==, "new");
    close(b);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
    g_assert_cmpint(rmdir(dir), ==, 0); /* the socket went too */
}

static void test_telnet(void)
{
    static const uint8_t sent[] = { 'a', 255, 255, 255, 251, 1, 255, 243,
                                    'b' };
    uint8_t back[64];
    Sink s = { 0 };
    Chardev *chr;
    int peer = make_pair(&chr, ",telnet=on");

    g_assert_cmpint(read(peer, back, sizeof(back)), ==, 12);
    sink_attach(&s, chr, 100);
    g_assert_cmpint(write(peer, sent, sizeof(sent)), ==, sizeof(sent));
    run_loop();
    g_assert_cmpstr(s.got->str, ==, "a\377b");
    g_assert_cmpint(s.breaks, ==, 1);
    g_assert_cmpint(chr_fe_write(&s.fe, (const uint8_t *)"x\377", 2), ==, 2);
    g_assert_cmpint(read(peer, back, sizeof(back)), ==, 3);
    g_assert_cmpmem(back, 3, "x\377\377", 3);
    close(peer);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
}

/* The handshake is RFC 6455's example. */
static void test_websocket(void)
{
    static const char request[] =
        "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    static const uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                     0x7f, 0x9f, 0x4d, 0x51, 0x58 };
    static const uint8_t ping[] = { 0x89, 0x81, 0, 0, 0, 0, 'p' };
    g_autofree char *dir = g_dir_make_tmp("char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *text = g_strdup_printf(
        "socket,id=c,path=%s,server=on,wait=off,websocket=on", path);
    Chardev *chr = make(text);
    char back[512] = { 0 };
    Sink s = { 0 };
    int fd;

    sink_attach(&s, chr, 100);
    fd = connect_unix(path);
    run_loop();
    g_assert_cmpint(s.opened, ==, 0);
    for (size_t i = 0; request[i]; i++) {
        g_assert_cmpint(write(fd, &request[i], 1), ==, 1);
        run_loop();
    }
    g_assert_cmpint(s.opened, ==, 1);
    g_assert_cmpint(read(fd, back, sizeof(back) - 1), >, 0);
    g_assert_true(g_str_has_prefix(back, "HTTP/1.1 101 "));
    g_assert_nonnull(strstr(back, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    g_assert_cmpint(write(fd, hello, sizeof(hello)), ==, sizeof(hello));
    g_assert_cmpint(write(fd, ping, sizeof(ping)), ==, sizeof(ping));
    run_loop();
    g_assert_cmpstr(s.got->str, ==, "Hello");
    g_assert_cmpint(read(fd, back, sizeof(back)), ==, 3);
    g_assert_cmpmem(back, 3, "\x8a\x01p", 3);
    g_assert_cmpint(chr_fe_write(&s.fe, (const uint8_t *)"ok", 2), ==, 2);
    g_assert_cmpint(read(fd, back, sizeof(back)), ==, 4);
    g_assert_cmpmem(back, 4, "\x82\x02ok", 4);
    g_assert_cmpint(write(fd, "\x01\x01", 2), ==, 2); /* not masked */
    run_loop();
    g_assert_cmpint(s.closed, ==, 1);
    close(fd);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
    rmdir(dir);
}

/* --- mux --- */

static void test_mux(void)
{
    static const uint8_t data[65536];
    Sink a = { 0 }, b = { 0 }, c = { 0 };
    Chardev *chr, *mux;
    int peer = make_pair(&chr, ",mux=on");
    g_autofree char *drain = g_malloc(sizeof(data));

    mux = chr_find("c");
    g_assert_nonnull(chr_find("c-base"));
    sink_attach(&a, mux, 10);
    sink_attach(&b, mux, 10);
    /* Both wait for room, both are woken. */
    while (chr_fe_write(&a.fe, data, sizeof(data)) > 0) {
    }
    chr_fe_add_watch(&a.fe, sink_woken, &a);
    chr_fe_add_watch(&b.fe, sink_woken, &b);
    fcntl(peer, F_SETFL, O_NONBLOCK);
    while (read(peer, drain, sizeof(data)) > 0) {
    }
    run_loop();
    g_assert_cmpint(a.woken, ==, 1);
    g_assert_cmpint(b.woken, ==, 1);
    /* Input goes to the one in focus; Ctrl-A c moves it. */
    g_assert_cmpint(write(peer, "1\001c2", 4), ==, 4);
    run_loop();
    g_assert_cmpstr(a.got->str, ==, "1");
    g_assert_cmpstr(b.got->str, ==, "2");
    /* A slot that is given back is used again; focus moves on. */
    sink_detach(&b);
    for (int i = 0; i < 20; i++) {
        Sink d = { 0 };

        sink_attach(&d, mux, 10);
        sink_detach(&d);
    }
    sink_attach(&c, mux, 10);
    g_assert_cmpint(write(peer, "3\001c4", 4), ==, 4);
    run_loop();
    g_assert_cmpstr(a.got->str, ==, "13");
    g_assert_cmpstr(c.got->str, ==, "4");
    g_assert_false(chr_remove("c", NULL));
    sink_detach(&a);
    sink_detach(&c);
    g_assert_true(chr_remove("c", &error_abort));
    g_assert_null(chr_find("c-base"));
    close(peer);
}

/* --- the others --- */

/* The end of a file that is read comes once. */
static void test_eof_once(void)
{
    g_autofree char *text = g_strdup(
        "file,id=c,path=/dev/null,input-path=/dev/null");
    Chardev *chr = make(text);
    Sink s = { 0 };

    sink_attach(&s, chr, 10);
    run_loop();
    chr_fe_accept_input(&s.fe);
    run_loop();
    g_assert_cmpint(s.closed, ==, 1);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
}

static void test_ringbuf(void)
{
    Chardev *chr = make("ringbuf,id=c,size=8");
    g_autoptr(GByteArray) got = NULL;
    Error *err = NULL;
    Sink s = { 0 };

    sink_attach(&s, chr, 10);
    g_assert_cmpint(chr_fe_write(&s.fe, (const uint8_t *)"0123456789", 10),
                    ==, 10);
    got = chr_ringbuf_read("c", 3, &error_abort);
    g_assert_cmpmem(got->data, got->len, "234", 3);
    g_byte_array_unref(got);
    got = chr_ringbuf_read("c", 100, &error_abort);
    g_assert_cmpmem(got->data, got->len, "56789", 5);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
    g_assert_null(chr_ringbuf_read("c", 1, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Device 'c' not found");
    error_free(err);
}

static void test_udp(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    socklen_t len = sizeof(in);
    g_autofree char *text = NULL;
    struct sockaddr_in from;
    Sink s = { 0 };
    char buf[16];
    Chardev *chr;

    g_assert_cmpint(bind(fd, (struct sockaddr *)&in, len), ==, 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    text = g_strdup_printf("udp,id=c,host=127.0.0.1,port=%u",
                           ntohs(in.sin_port));
    chr = make(text);
    sink_attach(&s, chr, 2);
    g_assert_cmpint(chr_fe_write(&s.fe, (const uint8_t *)"ping", 4), ==, 4);
    len = sizeof(from);
    g_assert_cmpint(recvfrom(fd, buf, sizeof(buf), 0,
                             (struct sockaddr *)&from, &len), ==, 4);
    g_assert_cmpint(sendto(fd, "pong", 4, 0, (struct sockaddr *)&from, len),
                    ==, 4);
    run_loop();
    g_assert_cmpstr(s.got->str, ==, "pong");
    close(fd);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
}

static bool agree(void *opaque)
{
    return true;
}

static void test_change(void)
{
    g_autoptr(QObject) bad = keyval_parse("file,id=c,path=/nonexistent/x",
                                          "backend", NULL, &error_abort);
    g_autoptr(QObject) ring = keyval_parse("ringbuf,id=c", "backend", NULL,
                                           &error_abort);
    g_autoptr(GByteArray) got = NULL;
    Chardev *chr = make("null,id=c");
    Error *err = NULL;
    Sink s = { 0 };

    sink_attach(&s, chr, 10);
    g_assert_null(chr_change("c", ring, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Chardev user does not support chardev hotswap");
    error_free(err);
    s.fe.changed = agree;
    /* The old one stays when the new one does not open. */
    g_assert_null(chr_change("c", bad, NULL));
    g_assert_true(chr_find("c") == chr && s.fe.chr == chr);
    g_assert_nonnull(chr_change("c", ring, &error_abort));
    chr_fe_write_all(&s.fe, (const uint8_t *)"hi", 2);
    got = chr_ringbuf_read("c", 10, &error_abort);
    g_assert_cmpmem(got->data, got->len, "hi", 2);
    g_assert_true(chr_send_break("c", &error_abort));
    g_assert_cmpint(s.breaks, ==, 1);
    sink_detach(&s);
    g_assert_true(chr_remove("c", &error_abort));
}

static void test_refused(void)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        { "spicevmc,id=c",
          "chardev backend 'spicevmc' is not supported: there is no SPICE" },
        { "braille,id=c", "chardev backend 'braille' is not supported: there "
                          "are no Braille displays" },
        { "ringbuf,id=c,size=1000", "size of ringbuf chardev must be power of "
                                    "two, at most 1 GiB" },
        { "sokcet,id=c", "'sokcet' is not a valid char driver name (did you "
                         "mean 'socket'?)" },
        { "udp,id=c", "chardev: udp: remote port not specified" },
        { "parallel,id=c,path=/dev/null",
          "not a parallel port: Inappropriate ioctl for device" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(QObject) opts = keyval_parse(rows[i].text, "backend", NULL,
                                               &error_abort);
        Error *err = NULL;

        g_assert_null(chr_new_from_opts(opts, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, rows[i].error);
        error_free(err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_CHARDEV);
    g_test_add_func("/char/watch-survives-hangup", test_watch_survives_hangup);
    g_test_add_func("/char/hangup-while-paused", test_hangup_while_paused);
    g_test_add_func("/char/last-words", test_last_words);
    g_test_add_func("/char/next-client", test_next_client);
    g_test_add_func("/char/telnet", test_telnet);
    g_test_add_func("/char/websocket", test_websocket);
    g_test_add_func("/char/mux", test_mux);
    g_test_add_func("/char/eof-once", test_eof_once);
    g_test_add_func("/char/ringbuf", test_ringbuf);
    g_test_add_func("/char/udp", test_udp);
    g_test_add_func("/char/change", test_change);
    g_test_add_func("/char/refused", test_refused);
    return g_test_run();
}
