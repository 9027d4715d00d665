/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside the floppy controller: drives, and what one command has under way. */
#ifndef HW_BLOCK_FDC_INT_H
#define HW_BLOCK_FDC_INT_H

#include "block/block.h"
#include "hw/fdc.h"

#define FD_SECTOR 512
#define FD_DRIVES 2
/* A track of the largest format has 48 sectors. */
#define FD_BUFFER (48 * FD_SECTOR)

/* Data rates as DSR and CCR code them. */
enum { FD_RATE_500K, FD_RATE_300K, FD_RATE_250K, FD_RATE_1M };

typedef struct FloppyBus {
    BusState bus;
    struct FDController *fdc;
} FloppyBus;

typedef struct FloppyDrive {
    DeviceState qdev;
    /* Properties. */
    BlockConf conf;
    uint32_t unit;
    int32_t type_prop;     /* index in fd_type_names */
    /* Guest-visible. */
    bool media_changed;    /* DIR's DSKCHG */
    /* From the medium. */
    FloppyType type;
    uint8_t cyls, heads, secs, rate;
    bool inserted, read_only;
    struct FDController *fdc;
} FloppyDrive;

extern const PropertyInfo prop_fd_type;
FloppyType fd_type_of(int32_t prop_value);
/* Looks at the medium again. */
void fd_revalidate(FloppyDrive *d);

/* The controller tells the kind of an empty drive and its own override. */
FloppyType fdc_fallback_type(const struct FDController *s);
FloppyType fdc_forced_type(const struct FDController *s, unsigned unit);
bool fdc_attach(struct FDController *s, FloppyDrive *d, Error **errp);

#endif
