/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small assembler for ACPI Machine Language (ACPI 6.4, chapter 20).
 *
 * aml_put() takes text: ASL's operators in prefix form, without commas and
 * parentheses, `-` for an absent target.  Names are upper case, as in ASL:
 *
 *     Method _STA 0 { If LEqual VEND 0 { Return 0 } Return 0x0f }
 *     Device COM1 { Name _HID EisaId PNP0501
 *                   Name _CRS Resources { io 0x3f8 0x3f8 0 8 irq 4 } }
 *     Field PRST Byte:NoLock:Zeros { :32 CPEN:1 CINS:1 }
 *
 * A method's argument count ends in S when it is serialized; `Buffer N {` is
 * followed by #-tokens of hex digits.  Resource items: io MIN MAX ALIGN LEN,
 * irq N, dma N, mem32 ro|rw BASE LEN, intr COUNT N..., busno MIN MAX, wordio
 * MIN MAX, dwordmem cached|uncached MIN MAX, qwordmem the same.
 *
 * Text is ours, never a user's: a mistake in it is an assertion.
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

#include "osdep.h"

typedef struct Aml {
    GByteArray *buf;   /* owned */
    GArray *open;      /* braces not yet closed (aml.c); owned */
} Aml;

void aml_init(Aml *a);
void aml_free(Aml *a);
/* Appends; a `{` may be closed by a later call. */
void aml_put(Aml *a, const char *fmt, ...) PRINTF(2, 3);

#endif
