/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "nic-lib.h"
#include <sys/socket.h>
#include <sys/un.h>

static uint32_t cfg(unsigned reg)
{
    return 0x80000000u | NIC_SLOT << 11 | reg;
}

uint32_t nic_cfg_read(Nic *n, unsigned reg)
{
    outl(n->qts, 0xcf8, cfg(reg));
    return inl(n->qts, 0xcfc);
}

Nic nic_start(const char *model)
{
    Nic n = { .dir = g_dir_make_tmp("nic-XXXXXX", NULL) };
    bool isa = g_str_has_suffix(model, "isa");
    g_autofree char *path = g_build_filename(n.dir, "s", NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct timeval limit = { .tv_sec = 20 };

    n.qts = qtest_init("-M pc -m 16M -nodefaults -display none "
                       "-netdev stream,id=n,server=on,addr.type=unix,"
                       "addr.path=%s -device %s,netdev=n,mac=52:54:00:12:34:56%s",
                       path, model, isa ? "" : ",addr=4,romfile=");
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    n.sock = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(n.sock, (struct sockaddr *)&un, sizeof(un)), ==,
                    0);
    setsockopt(n.sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    qobject_unref(qmp_wait_event(n.qts, "NETDEV_STREAM_CONNECTED"));
    return n;
}

void nic_enable(Nic *n, int mem_bar, int io_bar)
{
    if (mem_bar >= 0) {
        outl(n->qts, 0xcf8, cfg(0x10 + 4 * mem_bar));
        outl(n->qts, 0xcfc, NIC_MMIO);
    }
    if (io_bar >= 0) {
        outl(n->qts, 0xcf8, cfg(0x10 + 4 * io_bar));
        outl(n->qts, 0xcfc, NIC_PORT);
    }
    outl(n->qts, 0xcf8, cfg(4));
    outw(n->qts, 0xcfc, 7);
}

void nic_stop(Nic *n)
{
    close(n->sock);
    qtest_quit(n->qts);
    rmdir(n->dir);
    g_free(n->dir);
}

void wire_send(Nic *n, const uint8_t *f, uint32_t len)
{
    uint8_t hdr[4] = { len >> 24, len >> 16, len >> 8, len };

    g_assert_cmpint(send(n->sock, hdr, 4, 0), ==, 4);
    g_assert_cmpint(send(n->sock, f, len, 0), ==, len);
}

uint32_t wire_recv(Nic *n, uint8_t *f, uint32_t room)
{
    uint8_t hdr[4];
    uint32_t len;

    g_assert_cmpint(recv(n->sock, hdr, 4, MSG_WAITALL), ==, 4);
    len = (uint32_t)hdr[0] << 24 | hdr[1] << 16 | hdr[2] << 8 | hdr[3];
    g_assert_cmpuint(len, <=, room);
    g_assert_cmpint(recv(n->sock, f, len, MSG_WAITALL), ==, len);
    return len;
}

void make_frame(uint8_t *f, uint32_t len)
{
    static const uint8_t head[14] = {
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
    };

    memcpy(f, head, sizeof(head));
    for (uint32_t i = sizeof(head); i < len; i++) {
        f[i] = i * 7;
    }
}
