/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of -acpitable.  BQL. */
#ifndef HW_ACPI_USER_TABLES_H
#define HW_ACPI_USER_TABLES_H

#include "osdep.h"
#include "util/error.h"

/* One option's text. */
bool acpi_user_table_add(const char *text, Error **errp);
/* GBytes, whole tables in their order; NULL: none.  Not the caller's. */
GPtrArray *acpi_user_tables(void);

#endif
