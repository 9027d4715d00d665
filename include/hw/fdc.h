/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller, for boards. */
#ifndef HW_FDC_H
#define HW_FDC_H

#include "hw/isa.h"

/* Kinds of drives; the numbers are what CMOS byte 10h says of them. */
typedef enum FloppyType {
    FLOPPY_AUTO = -1, FLOPPY_NONE = 0, FLOPPY_120 = 2, FLOPPY_144 = 4,
    FLOPPY_288 = 5,
} FloppyType;

ISADevice *isa_fdc_create(ISABus *bus, Error **errp);
/* The drives of -drive if=floppy. */
bool isa_fdc_add_drives(ISADevice *fdc, Error **errp);
/* FLOPPY_NONE: no drive there.  @unit: 0 or 1. */
FloppyType isa_fdc_drive_type(ISADevice *fdc, int unit);

#endif
