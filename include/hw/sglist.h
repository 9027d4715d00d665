/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scatter-gather DMA: a list of guest addresses, and its mapping as iovecs for
 * the block layer.  RAM is mapped as it is; anything else goes through bounce
 * buffers.  BQL.
 */
#ifndef HW_SGLIST_H
#define HW_SGLIST_H

#include <sys/uio.h>
#include "exec/memory.h"

typedef struct SGEntry {
    hwaddr addr, len;
} SGEntry;

typedef struct SGList {
    AddressSpace *as;
    SGEntry *entries;
    int n, room;
    uint64_t size; /* bytes in all */
} SGList;

void sglist_init(SGList *sg, AddressSpace *as);
void sglist_add(SGList *sg, hwaddr addr, hwaddr len);
void sglist_clear(SGList *sg); /* frees; may be filled again */

typedef struct SGMap {
    AddressSpace *as;
    struct iovec *iov;
    hwaddr *bounce; /* guest address of a bounce buffer, or SG_DIRECT */
    int n;
    bool to_guest;
} SGMap;
#define SG_DIRECT UINT64_MAX

/* Maps the first @bytes of @sg.  @to_guest: it will be written to. */
void sgmap_begin(SGMap *m, const SGList *sg, uint64_t bytes, bool to_guest);
/* Ends it; the first @bytes were transferred. */
void sgmap_end(SGMap *m, uint64_t bytes);

/* Copies without a mapping; bytes copied. */
uint64_t sglist_write(const SGList *sg, uint64_t offset, const void *buf,
                      uint64_t len);
uint64_t sglist_read(const SGList *sg, uint64_t offset, void *buf,
                     uint64_t len);

#endif
