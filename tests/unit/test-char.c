/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character devices: what a front end may rely on. */
#include "osdep.h"
#include "chardev/char.h"
#include "util/loop.h"
#include "util/module.h"
#include <sys/socket.h>

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_CHARDEV);
    g_test_add_func("/char/watch-survives-hangup", test_watch_survives_hangup);
    return g_test_run();
}
