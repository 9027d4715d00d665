/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xHCI: interrupters and their event rings (4.9.4, 4.17), and the rings that
 * the guest fills.  At most LINKS links are followed in a row.
 */
#include "osdep.h"
#include "xhci-int.h"
#include "util/log.h"

#define LINKS      32

/* ---- memory -------------------------------------------------------------- */

void xhci_get(XHCIState *s, uint64_t addr, uint32_t *w, unsigned n)
{
    uint8_t b[64];

    pci_dma_read(&s->pci, addr, b, 4 * n);
    for (unsigned i = 0; i < n; i++) {
        w[i] = pci_get_long(b + 4 * i);
    }
}

void xhci_put(XHCIState *s, uint64_t addr, const uint32_t *w,
                      unsigned n)
{
    uint8_t b[64];

    for (unsigned i = 0; i < n; i++) {
        pci_set_long(b + 4 * i, w[i]);
    }
    pci_dma_write(&s->pci, addr, b, 4 * n);
}

/* ---- interrupts and events ----------------------------------------------- */

void xhci_update_irq(XHCIState *s)
{
    pci_set_irq(&s->pci, s->cmd & CMD_INTE &&
                (s->intr[0].iman & (IMAN_IP | IMAN_IE)) ==
                    (IMAN_IP | IMAN_IE));
}

void xhci_intr_raise(XHCIState *s, unsigned n)
{
    XHCIIntr *r = &s->intr[n];

    r->erdp |= ERDP_EHB;
    r->iman |= IMAN_IP;
    s->sts |= STS_EINT;
    if (!(r->iman & IMAN_IE) || !(s->cmd & CMD_INTE)) {
        return;
    }
    if (msix_enabled(&s->pci)) {
        r->iman &= ~IMAN_IP;
        msix_notify(&s->pci, n);
        return;
    }
    xhci_update_irq(s);
}

void xhci_event(XHCIState *s, unsigned n, uint64_t param, uint32_t status,
                  uint32_t control)
{
    XHCIIntr *r = &s->intr[n < INTRS ? n : 0];
    uint32_t seg[4], w[4], size, next_pos, next_seg;
    uint64_t at, next;

    if (!(s->cmd & CMD_RS) || !r->erstsz) {
        return;
    }
    xhci_get(s, r->erstba + 16 * r->seg, seg, 4);
    size = seg[2] & 0xffff;
    if (size < 16 || size > 4096) {
        s->sts |= STS_HCE;
        return;
    }
    if (r->pos >= size) {
        r->pos = 0;
    }
    at = (xhci_pair(seg) & ~UINT64_C(0x3f)) + 16 * r->pos;
    next_pos = r->pos + 1;
    next_seg = r->seg;
    if (next_pos == size) {
        next_pos = 0;
        next_seg = (r->seg + 1) % r->erstsz;
    }
    /* Full: the next one would stand where the guest reads. */
    next = at + 16;
    if (!next_pos) {
        xhci_get(s, r->erstba + 16 * next_seg, seg, 2);
        next = xhci_pair(seg) & ~UINT64_C(0x3f);
    }
    if (r->erdp >> 4 == next >> 4) {
        log_guest_error("xhci: event ring %u is full\n", n);
        return;
    }
    w[0] = param;
    w[1] = param >> 32;
    w[2] = status;
    w[3] = control | r->cycle;
    xhci_put(s, at, w, 3);
    xhci_put(s, at + 12, w + 3, 1); /* the cycle bit goes last */
    r->pos = next_pos;
    if (!next_pos && next_seg == 0) {
        r->cycle = !r->cycle;
    }
    r->seg = next_seg;
    if (!(r->erdp & ERDP_EHB)) {
        xhci_intr_raise(s, n < INTRS ? n : 0);
    }
}

/* Has the guest read all that was written? */
bool xhci_events_wait(XHCIState *s, const XHCIIntr *r)
{
    uint32_t seg[4];
    uint64_t at;

    if (!r->erstsz) {
        return false;
    }
    xhci_get(s, r->erstba + 16 * r->seg, seg, 4);
    at = (xhci_pair(seg) & ~UINT64_C(0x3f)) + 16 * r->pos;
    return r->erdp >> 4 != at >> 4;
}

/* ---- rings --------------------------------------------------------------- */

/* The next block; false: none there yet, or only links in a circle. */
bool xhci_ring_fetch(XHCIState *s, XHCIRing *r, XHCITrb *t)
{
    for (unsigned n = 0; n < LINKS; n++) {
        uint32_t w[4];

        xhci_get(s, r->dequeue, w, 4);
        if ((w[3] & TRB_C) != (r->cycle ? TRB_C : 0)) {
            return false;
        }
        t->addr = r->dequeue;
        t->param = xhci_pair(w);
        t->status = w[2];
        t->control = w[3];
        if ((w[3] >> 10 & 0x3f) != TRB_LINK) {
            r->dequeue += 16;
            return true;
        }
        r->dequeue = t->param & ~UINT64_C(15);
        if (w[3] & TRB_TC) {
            r->cycle = !r->cycle;
        }
    }
    log_guest_error("xhci: a ring of links only\n");
    return false;
}
