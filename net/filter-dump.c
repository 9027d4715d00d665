/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Object filter-dump: frames into a file of the pcap format (libpcap 2.4). */
#include "osdep.h"
#include "filter.h"
#include "util/fdset.h"
#include "util/module.h"
#include "util/timer.h"

#define PCAP_MAGIC   0xa1b2c3d4
#define DLT_EN10MB   1
#define MAXLEN       65536

typedef struct FilterDump {
    NetFilter filter;
    char *file;
    uint32_t maxlen;
    int fd;
} FilterDump;

typedef struct PcapFileHeader {
    uint32_t magic;
    uint16_t version_major, version_minor;
    int32_t zone;
    uint32_t accuracy, maxlen, linktype;
} PcapFileHeader;

typedef struct PcapFrameHeader {
    uint32_t sec, usec, captured, len;
} PcapFrameHeader;

static bool dump_frame(NetFilter *f, NetClient *sender, const struct iovec *iov,
                       int n)
{
    FilterDump *s = (FilterDump *)f;
    size_t skip = sender->vnet_hdr_len, total = iov_total(iov, n), len;
    int64_t now = clock_ns(CLOCK_HOST);
    PcapFrameHeader *h;
    g_autofree uint8_t *buf = NULL;

    if (s->fd < 0 || total <= skip) {
        return false;
    }
    len = MIN(total - skip, s->maxlen);
    buf = g_malloc(sizeof(*h) + len);
    h = (PcapFrameHeader *)buf;
    *h = (PcapFrameHeader){ now / 1000000000, now % 1000000000 / 1000, len,
                            total - skip };
    iov_copy_out(iov, n, skip, buf + sizeof(*h), len);
    /* In one piece: whoever reads along never sees half a record for long. */
    len += sizeof(*h);
    if (RETRY_ON_EINTR(write(s->fd, buf, len)) != (ssize_t)len) {
        warn_report("filter-dump %s: can't write to '%s', no more is dumped",
                    f->obj.name, s->file);
        close(s->fd);
        s->fd = -1;
    }
    return false;
}

static void dump_init(Object *obj)
{
    FilterDump *s = (FilterDump *)obj;

    s->fd = -1;
    s->filter.receive = dump_frame;
}

static bool dump_complete(Object *obj, Error **errp)
{
    FilterDump *s = (FilterDump *)obj;
    PcapFileHeader h = { PCAP_MAGIC, 2, 4, 0, 0, s->maxlen, DLT_EN10MB };

    if (!s->file) {
        error_setg(errp, "dump filter needs 'file' property set!");
        return false;
    }
    if (s->maxlen == 0) {
        error_setg(errp, "Property 'filter-dump.maxlen' doesn't take value "
                         "'0'");
        return false;
    }
    s->fd = open_path(s->file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (s->fd < 0) {
        error_setg_errno(errp, errno, "can't open '%s'", s->file);
        return false;
    }
    if (RETRY_ON_EINTR(write(s->fd, &h, sizeof(h))) != sizeof(h)) {
        error_setg_errno(errp, errno, "can't write to '%s'", s->file);
        return false;
    }
    return net_filter_attach(&s->filter, errp);
}

static void dump_finalize(Object *obj)
{
    FilterDump *s = (FilterDump *)obj;

    net_filter_detach(&s->filter);
    if (s->fd >= 0) {
        close(s->fd);
    }
}

static const Property dump_props[] = {
    PROP_STR("file", FilterDump, file),
    PROP_UINT32("maxlen", FilterDump, maxlen, MAXLEN),
    PROP_END(),
};

static const ObjectType dump_type = {
    .name = "filter-dump", .parent = FILTER_TYPE, .user_creatable = true,
    .size = sizeof(FilterDump), .props = dump_props, .init = dump_init,
    .complete = dump_complete, .finalize = dump_finalize,
};

static void dump_register(void)
{
    object_type_register(&dump_type);
}
object_init(dump_register)
