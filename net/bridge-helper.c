/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-bridge-helper: makes a tap interface, puts it on a bridge and hands its
 * descriptor over a socket.  Installed with CAP_NET_ADMIN (or set-user-ID), it
 * lets users do so for the bridges that /etc/qemu/bridge.conf allows:
 *
 *     allow BRIDGE | allow all | deny BRIDGE | deny all | include FILE
 *
 * The first rule that names the bridge, or `all`, decides; without one: no.
 * Files that the caller may not read (by group, say) can be included.
 */
#define OSDEP_NO_POISON
#include "osdep.h"
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifdef CONFIG_CAPNG
#include <cap-ng.h>
#endif

#define ACL_FILE  "/etc/qemu/bridge.conf"
#define MAX_DEPTH 8

static int fail(const char *fmt, ...) PRINTF(1, 2);
static int fail(const char *fmt, ...)
{
    va_list ap;

    fputs("qemu-bridge-helper: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return 1;
}

/* 1 allowed, 0 denied, -1 undecided, -2 a fault that was reported. */
static int ask_acl(const char *file, const char *bridge, unsigned depth)
{
    FILE *f;
    char *line = NULL;
    size_t size = 0;
    int answer = -1, number = 0;

    if (depth > MAX_DEPTH) {
        fail("%s: files include each other", file);
        return -2;
    }
    f = fopen(file, "re");
    if (!f) {
        if (depth == 0) {
            fail("cannot read %s: %s", file, strerror(errno));
            return -2;
        }
        return -1; /* an included file of others */
    }
    while (answer == -1 && getline(&line, &size, f) >= 0) {
        char *save = NULL;
        char *word = strtok_r(line, " \t\r\n", &save);
        char *arg = word ? strtok_r(NULL, " \t\r\n", &save) : NULL;

        number++;
        if (!word || *word == '#') {
            continue;
        }
        if (!arg || (strtok_r(NULL, " \t\r\n", &save))) {
            fail("%s:%d: expected a word and a name", file, number);
            answer = -2;
        } else if (!strcmp(word, "include")) {
            answer = ask_acl(arg, bridge, depth + 1);
        } else if (!strcmp(word, "allow") || !strcmp(word, "deny")) {
            if (!strcmp(arg, "all") || !strcmp(arg, bridge)) {
                answer = *word == 'a';
            }
        } else {
            fail("%s:%d: unknown word '%s'", file, number, word);
            answer = -2;
        }
    }
    free(line);
    fclose(f);
    return answer;
}

static bool send_fd(int sock, int fd)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .space = { 0 } };
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    return RETRY_ON_EINTR(sendmsg(sock, &msg, MSG_NOSIGNAL)) == 1;
}

/* Of all privileges only the one to configure interfaces stays. */
static bool drop_privileges(void)
{
#ifdef CONFIG_CAPNG
    if (geteuid() == 0 && getuid() != 0) {
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
                         CAP_NET_ADMIN) < 0 ||
            capng_change_id(getuid(), getgid(), CAPNG_CLEAR_BOUNDING)) {
            return false;
        }
    }
#endif
    return true;
}

/* A tap's address is below no other's, so that the bridge keeps its own
 * (it takes the lowest of its ports'). */
static bool raise_mac(int ctl, const char *ifname)
{
    struct ifreq ifr = { 0 };

    g_strlcpy(ifr.ifr_name, ifname, IFNAMSIZ);
    if (ioctl(ctl, SIOCGIFHWADDR, &ifr) < 0) {
        return false;
    }
    ifr.ifr_hwaddr.sa_data[0] = 0xfe;
    return ioctl(ctl, SIOCSIFHWADDR, &ifr) == 0;
}

static bool copy_mtu(int ctl, const char *from, const char *to)
{
    struct ifreq ifr = { 0 };

    g_strlcpy(ifr.ifr_name, from, IFNAMSIZ);
    if (ioctl(ctl, SIOCGIFMTU, &ifr) < 0) {
        return false;
    }
    g_strlcpy(ifr.ifr_name, to, IFNAMSIZ);
    return ioctl(ctl, SIOCSIFMTU, &ifr) == 0;
}

static bool set_up(int ctl, const char *ifname)
{
    struct ifreq ifr = { 0 };

    g_strlcpy(ifr.ifr_name, ifname, IFNAMSIZ);
    if (ioctl(ctl, SIOCGIFFLAGS, &ifr) < 0) {
        return false;
    }
    ifr.ifr_flags |= IFF_UP;
    return ioctl(ctl, SIOCSIFFLAGS, &ifr) == 0;
}

static bool add_to_bridge(int ctl, const char *bridge, const char *ifname)
{
    struct ifreq ifr = { 0 };

    g_strlcpy(ifr.ifr_name, ifname, IFNAMSIZ);
    if (ioctl(ctl, SIOCGIFINDEX, &ifr) < 0) {
        return false;
    }
    g_strlcpy(ifr.ifr_name, bridge, IFNAMSIZ);
    return ioctl(ctl, SIOCBRADDIF, &ifr) == 0;
}

int main(int argc, char **argv)
{
    const char *bridge = NULL;
    bool vnet = false;
    int sock = -1, ctl, tap, answer;
    unsigned features = 0;
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    struct stat st;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--use-vnet")) {
            vnet = true;
        } else if (!strncmp(argv[i], "--br=", 5)) {
            bridge = argv[i] + 5;
        } else if (!strncmp(argv[i], "--fd=", 5)) {
            char *end;
            long v = strtol(argv[i] + 5, &end, 10);

            sock = *end || v < 0 || v > INT_MAX || !argv[i][5] ? -1 : (int)v;
        } else {
            return fail("usage: [--use-vnet] --br=BRIDGE --fd=SOCKET");
        }
    }
    if (!bridge || sock < 0) {
        return fail("usage: [--use-vnet] --br=BRIDGE --fd=SOCKET");
    }
    if (!*bridge || strlen(bridge) >= IFNAMSIZ) {
        return fail("bridge name '%s': 1 to %d bytes are valid", bridge,
                    IFNAMSIZ - 1);
    }
    if (fstat(sock, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return fail("descriptor %d is not a socket", sock);
    }
    answer = ask_acl(ACL_FILE, bridge, 0);
    if (answer != 1) {
        return answer == -2 ? 1
                            : fail("access to bridge %s denied by %s", bridge,
                                   ACL_FILE);
    }
    if (!drop_privileges()) {
        return fail("cannot drop privileges");
    }
    ctl = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (ctl < 0 || tap < 0) {
        return fail("%s: %s", ctl < 0 ? "socket" : "/dev/net/tun",
                    strerror(errno));
    }
    if (vnet && ioctl(tap, TUNGETFEATURES, &features) == 0 &&
        features & IFF_VNET_HDR) {
        ifr.ifr_flags |= IFF_VNET_HDR;
    }
    g_strlcpy(ifr.ifr_name, "tap%d", IFNAMSIZ);
    if (ioctl(tap, TUNSETIFF, &ifr) < 0) {
        return fail("cannot make a tap interface: %s", strerror(errno));
    }
    if (!raise_mac(ctl, ifr.ifr_name)) {
        return fail("%s: cannot set its address: %s", ifr.ifr_name,
                    strerror(errno));
    }
    if (!copy_mtu(ctl, bridge, ifr.ifr_name)) {
        return fail("bridge %s: %s", bridge, strerror(errno));
    }
    if (!add_to_bridge(ctl, bridge, ifr.ifr_name)) {
        return fail("cannot add %s to bridge %s: %s", ifr.ifr_name, bridge,
                    strerror(errno));
    }
    if (!set_up(ctl, ifr.ifr_name)) {
        return fail("cannot bring %s up: %s", ifr.ifr_name, strerror(errno));
    }
    if (!send_fd(sock, tap)) {
        return fail("cannot hand the descriptor over: %s", strerror(errno));
    }
    return 0;
}
