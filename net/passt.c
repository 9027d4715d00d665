/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "passt": a user network by the program of that name, which we start and
 * speak to over a socket pair (frames as in net/stream.c).  It ends when its
 * socket closes.
 */
#include "osdep.h"
#include "sock-int.h"
#include "util/module.h"

/* In the child: its end of the pair stays open across exec. */
static void keep_socket(gpointer opaque)
{
    fcntl(GPOINTER_TO_INT(opaque), F_SETFD, 0);
}

static char **make_argv(const NetdevPasstOptions *o, int fd, Error **errp)
{
    g_auto(GStrv) more = NULL;
    g_autoptr(GError) gerr = NULL;
    GPtrArray *args;

    if (o->args && *o->args &&
        !g_shell_parse_argv(o->args, NULL, &more, &gerr)) {
        error_setg(errp, "args=%s: %s", o->args, gerr->message);
        return NULL;
    }
    args = g_ptr_array_new();
    g_ptr_array_add(args, g_strdup(o->path ? o->path : "passt"));
    g_ptr_array_add(args, g_strdup("--foreground"));
    g_ptr_array_add(args, g_strdup("--quiet"));
    g_ptr_array_add(args, g_strdup("--fd"));
    g_ptr_array_add(args, g_strdup_printf("%d", fd));
    for (int i = 0; more && more[i]; i++) {
        g_ptr_array_add(args, g_strdup(more[i]));
    }
    g_ptr_array_add(args, NULL);
    return (char **)g_ptr_array_free(args, FALSE);
}

static bool passt_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevPasstOptions *o = &opts->u.passt;
    NetStreamConf conf = { .id = opts->id, .model = "passt" };
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) gerr = NULL;
    NetClient *nc;
    int sv[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
        error_setg_errno(errp, errno, "passt: no socket pair");
        return false;
    }
    argv = make_argv(o, sv[1], errp);
    if (argv && !g_spawn_async(NULL, argv, NULL,
                               G_SPAWN_LEAVE_DESCRIPTORS_OPEN |
                                   G_SPAWN_SEARCH_PATH,
                               keep_socket, GINT_TO_POINTER(sv[1]), NULL,
                               &gerr)) {
        error_setg(errp, "could not start passt: %s", gerr->message);
        g_strfreev(g_steal_pointer(&argv));
    }
    close(sv[1]);
    if (!argv) {
        close(sv[0]);
        return false;
    }
    nc = net_stream_from_fd(&conf, sv[0], peer, errp);
    if (nc) {
        net_client_set_text(nc, "path=%s", argv[0]);
    }
    return nc != NULL;
}

static const NetdevDriver passt_driver = {
    .driver = NET_CLIENT_DRIVER_PASST,
    .open = passt_open,
};

static void passt_register(void)
{
    netdev_register(&passt_driver);
}
netdev_init(passt_register)
