/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio driver over qtest: modern PCI, split and packed rings. */
#ifndef VIRTIO_LIB_H
#define VIRTIO_LIB_H

#include "libqtest.h"

#define VT_MODERN 0xe0000000u /* BAR 4 of slot n: + n * 0x800000 */
#define VT_PORTS  0xc000      /* BAR 0 of slot n: + n * 0x100 */
#define VT_RINGS  0x100000    /* guest memory for rings and buffers */

enum { VT_COMMON = 0, VT_ISR = 0x1000, VT_DEVICE = 0x2000, VT_NOTIFY = 0x3000 };
enum { VTF_VERSION_1 = 32, VTF_PACKED = 34, VTF_INDIRECT = 28,
       VTF_EVENT_IDX = 29, VTF_RING_RESET = 40 };
enum { VT_S_NEEDS_RESET = 0x40 };
enum { VTD_NEXT = 1, VTD_WRITE = 2, VTD_INDIRECT = 4 };

typedef struct VtDev {
    QTestState *qts;
    unsigned slot;
    uint64_t bar;      /* of the modern structures */
    uint16_t io;
    uint64_t features; /* agreed */
} VtDev;

typedef struct VtQueue {
    VtDev *d;
    unsigned index, size;
    uint64_t desc, driver, device;
    uint16_t avail, used; /* next index */
    bool avail_wrap, used_wrap;
} VtQueue;

typedef struct VtBuf {
    uint64_t addr;
    uint32_t len;
    bool write;
} VtBuf;

uint32_t vt_cfg_read(QTestState *s, unsigned slot, unsigned reg);
void vt_cfg_write(QTestState *s, unsigned slot, unsigned reg, uint32_t v);
/* Maps the device at @slot and lets it master the bus. */
void vt_open(VtDev *d, QTestState *s, unsigned slot);
/* Reset, then features (of those offered) up to FEATURES_OK. */
void vt_negotiate(VtDev *d, uint64_t want);
void vt_driver_ok(VtDev *d);
uint8_t vt_status(VtDev *d);
void vt_reset(VtDev *d);
/* Queue @n with @size slots, rings from guest address @at on (3 pages). */
void vt_queue(VtQueue *q, VtDev *d, unsigned n, unsigned size, uint64_t at);
void vt_add(VtQueue *q, const VtBuf *bufs, unsigned n);
void vt_kick(VtQueue *q);
/* Waits for the next used entry; the written length. */
uint32_t vt_wait(VtQueue *q);

#endif
