/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM generation ID.  BQL. */
#ifndef HW_ACPI_VMGENID_H
#define HW_ACPI_VMGENID_H

#include "osdep.h"
#include "util/error.h"

/* The files that the loader's script names (VMGENID_OFFSET of acpi-build.h:
 * where the GUID is in its page). */
#define VMGENID_GUID_FILE "etc/vmgenid_guid"
#define VMGENID_ADDR_FILE "etc/vmgenid_addr"
#define VMGENID_OFFSET    40

/* Is there such a device?  Once all devices are there. */
bool vmgenid_present(void);

#endif
