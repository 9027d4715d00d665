/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order in which firmware is to try devices, from their bootindex.  BQL. */
#ifndef HW_BOOTDEVICE_H
#define HW_BOOTDEVICE_H

#include "hw/qdev.h"

/* A thing without a device, such as an option ROM file, before devices of the
 * same index; @path is copied. */
void boot_path_add(int32_t bootindex, const char *path);
/* Has every device another bootindex?  The error names the one that does not. */
bool boot_order_is_unique(Error **errp);
/* Firmware paths by bootindex, a line each; g_free.  *@len counts the final
 * NUL, 0 when nothing has an index. */
char *boot_order_list(size_t *len);

#endif
