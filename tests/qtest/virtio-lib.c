/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "virtio-lib.h"

uint32_t vt_cfg_read(QTestState *s, unsigned slot, unsigned reg)
{
    outl(s, 0xcf8, 0x80000000 | slot << 11 | (reg & ~3u));
    return inl(s, 0xcfc);
}

void vt_cfg_write(QTestState *s, unsigned slot, unsigned reg, uint32_t v)
{
    outl(s, 0xcf8, 0x80000000 | slot << 11 | reg);
    outl(s, 0xcfc, v);
}

void vt_open(VtDev *d, QTestState *s, unsigned slot)
{
    *d = (VtDev){ .qts = s, .slot = slot, .io = VT_PORTS + slot * 0x100,
                  .bar = VT_MODERN + slot * 0x800000 };
    vt_cfg_write(s, slot, 0x10, d->io);
    vt_cfg_write(s, slot, 0x14, 0xd0000000 + slot * 0x10000);
    vt_cfg_write(s, slot, 0x20, d->bar);
    vt_cfg_write(s, slot, 0x24, 0);
    vt_cfg_write(s, slot, 0x04, 7);
}

uint8_t vt_status(VtDev *d)
{
    return readb(d->qts, d->bar + 20);
}

void vt_reset(VtDev *d)
{
    writeb(d->qts, d->bar + 20, 0);
    for (unsigned i = 0; vt_status(d) != 0; i++) {
        if (i == 100000) {
            g_error("slot %u: status 0x%x after the reset", d->slot,
                    vt_status(d));
        }
    }
}

void vt_negotiate(VtDev *d, uint64_t want)
{
    uint64_t f = 0;

    vt_reset(d);
    writeb(d->qts, d->bar + 20, 1);
    writeb(d->qts, d->bar + 20, 3);
    for (unsigned i = 0; i < 2; i++) {
        writel(d->qts, d->bar + 0, i);
        f |= (uint64_t)readl(d->qts, d->bar + 4) << 32 * i;
    }
    d->features = f & (want | BIT(VTF_VERSION_1));
    for (unsigned i = 0; i < 2; i++) {
        writel(d->qts, d->bar + 8, i);
        writel(d->qts, d->bar + 12, d->features >> 32 * i);
    }
    writeb(d->qts, d->bar + 20, 11);
    g_assert_cmphex(vt_status(d), ==, 11);
}

void vt_driver_ok(VtDev *d)
{
    writeb(d->qts, d->bar + 20, 15);
}

void vt_queue(VtQueue *q, VtDev *d, unsigned n, unsigned size, uint64_t at)
{
    *q = (VtQueue){ .d = d, .index = n, .size = size, .desc = at,
                    .driver = at + 0x1000, .device = at + 0x2000,
                    .avail_wrap = true, .used_wrap = true };
    qmemset(d->qts, at, 0, 0x3000);
    writew(d->qts, d->bar + 22, n);
    writew(d->qts, d->bar + 24, size);
    writew(d->qts, d->bar + 26, 0xffff);
    writel(d->qts, d->bar + 32, q->desc);
    writel(d->qts, d->bar + 36, q->desc >> 32);
    writel(d->qts, d->bar + 40, q->driver);
    writel(d->qts, d->bar + 44, q->driver >> 32);
    writel(d->qts, d->bar + 48, q->device);
    writel(d->qts, d->bar + 52, q->device >> 32);
    writew(d->qts, d->bar + 28, 1);
}

static void put_desc(uint8_t *p, uint64_t addr, uint32_t len, uint16_t a,
                     uint16_t b)
{
    memcpy(p, &addr, 8);
    memcpy(p + 8, &len, 4);
    memcpy(p + 12, &a, 2);
    memcpy(p + 14, &b, 2);
}

static void add_packed(VtQueue *q, const VtBuf *bufs, unsigned n)
{
    unsigned head = q->avail;
    uint16_t head_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        uint8_t d[16];
        uint16_t flags = (i + 1 < n ? VTD_NEXT : 0) |
                         (bufs[i].write ? VTD_WRITE : 0) |
                         (q->avail_wrap ? 0x80 : 0x8000);

        put_desc(d, bufs[i].addr, bufs[i].len, head, i ? flags : 0);
        if (i == 0) {
            head_flags = flags;
        }
        memwrite(q->d->qts, q->desc + q->avail * 16, d, i ? 16 : 14);
        if (++q->avail == q->size) {
            q->avail = 0;
            q->avail_wrap ^= true;
        }
    }
    writew(q->d->qts, q->desc + head * 16 + 14, head_flags);
}

/* One request at a time: chains begin at the index's slot. */
void vt_add(VtQueue *q, const VtBuf *bufs, unsigned n)
{
    unsigned at = q->avail * n % q->size, head = at;

    if (q->d->features & BIT(VTF_PACKED)) {
        add_packed(q, bufs, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned next = (at + 1) % q->size;
        uint8_t d[16];

        put_desc(d, bufs[i].addr, bufs[i].len,
                 (i + 1 < n ? VTD_NEXT : 0) | (bufs[i].write ? VTD_WRITE : 0),
                 next);
        memwrite(q->d->qts, q->desc + at * 16, d, 16);
        at = next;
    }
    writew(q->d->qts, q->driver + 4 + q->avail % q->size * 2, head);
    q->avail++;
    writew(q->d->qts, q->driver + 2, q->avail);
}

void vt_kick(VtQueue *q)
{
    writew(q->d->qts, q->d->bar + VT_NOTIFY + q->index * 4, q->index);
}

static bool used_packed(VtQueue *q)
{
    uint16_t f = readw(q->d->qts, q->desc + q->used * 16 + 14);

    return !!(f & 0x80) == q->used_wrap && !!(f & 0x8000) == q->used_wrap;
}

uint32_t vt_wait(VtQueue *q)
{
    QTestState *s = q->d->qts;
    uint32_t len;
    unsigned polls = 0;

    if (q->d->features & BIT(VTF_PACKED)) {
        unsigned n;

        while (!used_packed(q)) {
            g_assert_cmphex(vt_status(q->d) & VT_S_NEEDS_RESET, ==, 0);
            g_assert_cmpuint(polls++, <, 1000000);
        }
        len = readl(s, q->desc + q->used * 16 + 8);
        n = (q->avail + q->size - q->used) % q->size;
        q->used += n ? n : q->size;
        if (q->used >= q->size) {
            q->used -= q->size;
            q->used_wrap ^= true;
        }
        return len;
    }
    while (readw(s, q->device + 2) == q->used) {
        g_assert_cmphex(vt_status(q->d) & VT_S_NEEDS_RESET, ==, 0);
        g_assert_cmpuint(polls++, <, 1000000);
    }
    len = readl(s, q->device + 4 + q->used % q->size * 8 + 4);
    q->used++;
    return len;
}
