/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scatter-gather DMA lists. */
#include "osdep.h"
#include "hw/sglist.h"

void sglist_init(SGList *sg, AddressSpace *as)
{
    *sg = (SGList){ .as = as };
}

void sglist_add(SGList *sg, hwaddr addr, hwaddr len)
{
    if (len == 0) {
        return;
    }
    sg->size += len;
    if (sg->n && sg->entries[sg->n - 1].addr + sg->entries[sg->n - 1].len ==
                     addr) {
        sg->entries[sg->n - 1].len += len;
        return;
    }
    if (sg->n == sg->room) {
        sg->room = MAX(16, sg->room * 2);
        sg->entries = g_renew(SGEntry, sg->entries, sg->room);
    }
    sg->entries[sg->n++] = (SGEntry){ addr, len };
}

void sglist_clear(SGList *sg)
{
    g_free(sg->entries);
    *sg = (SGList){ .as = sg->as };
}

static void add_piece(SGMap *m, int *room, void *base, size_t len,
                      hwaddr bounce)
{
    if (m->n == *room) {
        *room = MAX(16, *room * 2);
        m->iov = g_renew(struct iovec, m->iov, *room);
        m->bounce = g_renew(hwaddr, m->bounce, *room);
    }
    m->iov[m->n] = (struct iovec){ .iov_base = base, .iov_len = len };
    m->bounce[m->n++] = bounce;
}

void sgmap_begin(SGMap *m, const SGList *sg, uint64_t bytes, bool to_guest)
{
    int room = 0;

    *m = (SGMap){ .as = sg->as, .to_guest = to_guest };
    for (int i = 0; i < sg->n && bytes > 0; i++) {
        hwaddr addr = sg->entries[i].addr;
        hwaddr left = MIN(sg->entries[i].len, bytes);

        bytes -= left;
        while (left > 0) {
            hwaddr len = left;
            void *p = address_space_map(sg->as, addr, &len, to_guest,
                                        MEMTXATTRS_UNSPECIFIED);

            if (p) {
                add_piece(m, &room, p, len, SG_DIRECT);
            } else {
                /* A device's registers, or nothing: by the page. */
                len = MIN(left, 4096 - (addr & 4095));
                p = g_malloc(len);
                if (!to_guest) {
                    address_space_read(sg->as, addr, MEMTXATTRS_UNSPECIFIED, p,
                                       len);
                }
                add_piece(m, &room, p, len, addr);
            }
            addr += len;
            left -= len;
        }
    }
}

void sgmap_end(SGMap *m, uint64_t bytes)
{
    for (int i = 0; i < m->n; i++) {
        uint64_t used = MIN(m->iov[i].iov_len, bytes);

        bytes -= used;
        if (m->bounce[i] == SG_DIRECT) {
            address_space_unmap(m->as, m->iov[i].iov_base, m->iov[i].iov_len,
                                m->to_guest, used);
        } else {
            if (m->to_guest && used) {
                address_space_write(m->as, m->bounce[i],
                                    MEMTXATTRS_UNSPECIFIED, m->iov[i].iov_base,
                                    used);
            }
            g_free(m->iov[i].iov_base);
        }
    }
    g_free(m->iov);
    g_free(m->bounce);
    *m = (SGMap){ 0 };
}

static uint64_t copy(const SGList *sg, uint64_t offset, void *buf,
                     uint64_t len, bool write)
{
    uint8_t *p = buf;
    uint64_t done = 0;

    for (int i = 0; i < sg->n && len > 0; i++) {
        hwaddr n = sg->entries[i].len;

        if (offset >= n) {
            offset -= n;
            continue;
        }
        n = MIN(n - offset, len);
        address_space_rw(sg->as, sg->entries[i].addr + offset,
                         MEMTXATTRS_UNSPECIFIED, p, n, write);
        p += n;
        len -= n;
        done += n;
        offset = 0;
    }
    return done;
}

uint64_t sglist_write(const SGList *sg, uint64_t offset, const void *buf,
                      uint64_t len)
{
    return copy(sg, offset, (void *)buf, len, true);
}

uint64_t sglist_read(const SGList *sg, uint64_t offset, void *buf, uint64_t len)
{
    return copy(sg, offset, buf, len, false);
}
