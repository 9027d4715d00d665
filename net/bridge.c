/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "bridge": a tap on a bridge of the host, made by a helper with privileges.
 *
 *     we fork HELPER --use-vnet --fd=N --br=BR --> it sends the tap's
 *     descriptor over socket N and exits with 0
 */
#include "osdep.h"
#include "tap-int.h"
#include "util/module.h"
#include <sys/socket.h>
#include <sys/wait.h>

#define DEFAULT_BRIDGE "br0"

const char *net_default_helper(void)
{
    static char *found;

    if (!found) {
        g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *dir = exe ? g_path_get_dirname(exe) : NULL;

        /* The build tree's, when we run from there. */
        found = g_build_filename(dir ? dir : "", "net", "qemu-bridge-helper",
                                 NULL);
        if (!g_file_test(found, G_FILE_TEST_IS_EXECUTABLE)) {
            g_free(found);
            found = g_strdup(CONFIG_LIBEXECDIR "/qemu-bridge-helper");
        }
    }
    return found;
}

static int receive_fd(int sock)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    struct cmsghdr *c;
    int fd = -1;

    if (RETRY_ON_EINTR(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) <= 0) {
        return -1;
    }
    for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len >= CMSG_LEN(sizeof(int))) {
            memcpy(&fd, CMSG_DATA(c), sizeof(int));
        }
    }
    return fd;
}

/* In the child: only the socket's end stays open across exec. */
static void keep_socket(gpointer opaque)
{
    fcntl(GPOINTER_TO_INT(opaque), F_SETFD, 0);
}

int net_bridge_helper(const char *helper, const char *br, Error **errp)
{
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) gerr = NULL;

    GPtrArray *args = g_ptr_array_new();
    int sv[2], fd, status = 0;
    bool own_args;
    GPid pid;

    if (!helper) {
        helper = net_default_helper();
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
        error_setg_errno(errp, errno, "bridge helper: no socket pair");
        g_ptr_array_free(args, TRUE);
        return -1;
    }
    /* With blanks it is a command line, which --br= is added to if it has
     * none. */
    own_args = strpbrk(helper, " \t") != NULL;
    if (own_args) {
        g_auto(GStrv) parts = NULL;

        if (!g_shell_parse_argv(helper, NULL, &parts, &gerr)) {
            error_setg(errp, "helper=%s: %s", helper, gerr->message);
            g_ptr_array_free(args, TRUE);
            close(sv[0]);
            close(sv[1]);
            return -1;
        }
        for (int i = 0; parts[i]; i++) {
            g_ptr_array_add(args, g_strdup(parts[i]));
        }
    } else {
        g_ptr_array_add(args, g_strdup(helper));
    }
    g_ptr_array_add(args, g_strdup("--use-vnet"));
    g_ptr_array_add(args, g_strdup_printf("--fd=%d", sv[1]));
    if (!own_args || !strstr(helper, "--br=")) {
        g_ptr_array_add(args, g_strdup_printf("--br=%s", br));
    }
    g_ptr_array_add(args, NULL);
    argv = (char **)g_ptr_array_free(args, FALSE);
    if (!g_spawn_async(NULL, argv, NULL,
                       G_SPAWN_DO_NOT_REAP_CHILD |
                           G_SPAWN_LEAVE_DESCRIPTORS_OPEN |
                           G_SPAWN_SEARCH_PATH,
                       keep_socket, GINT_TO_POINTER(sv[1]), &pid, &gerr)) {
        error_setg(errp, "bridge helper: %s", gerr->message);
        close(sv[0]);
        close(sv[1]);
        return -1;
    }
    close(sv[1]);
    fd = receive_fd(sv[0]);
    close(sv[0]);
    if (RETRY_ON_EINTR(waitpid(pid, &status, 0)) < 0 || !WIFEXITED(status) ||
        WEXITSTATUS(status) || fd < 0) {
        error_setg(errp, "bridge helper failed");
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

static bool bridge_open(const Netdev *opts, NetClient *peer, Error **errp)
{
    const NetdevBridgeOptions *o = &opts->u.bridge;
    const char *helper = o->helper ? o->helper : net_default_helper();
    const char *br = o->br ? o->br : DEFAULT_BRIDGE;
    int fd = net_bridge_helper(helper, br, errp);
    NetClient *nc;

    if (fd < 0) {
        return false;
    }
    nc = net_tap_new_fd(fd, "bridge", opts->id, peer, 0, 0, errp);
    if (!nc) {
        return false;
    }
    net_client_set_text(nc, "helper=%s,br=%s", helper, br);
    return true;
}

static const NetdevDriver bridge_driver = {
    .driver = NET_CLIENT_DRIVER_BRIDGE,
    .open = bridge_open,
};

static void bridge_register(void)
{
    netdev_register(&bridge_driver);
}
netdev_init(bridge_register)
