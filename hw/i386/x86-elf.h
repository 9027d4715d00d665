/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot and PVH kernels.  Private to hw/i386. */
#ifndef HW_I386_X86_ELF_H
#define HW_I386_X86_ELF_H

#include "hw/boards.h"
#include "hw/nvram/fw_cfg.h"

/* Like x86_load_kernel(), of the contents of m->kernel.  *@known: it is such a
 * kernel; otherwise false is returned without an error. */
bool x86_load_elf(const MachineState *m, FWCfgState *fw, const char *file,
                  size_t size, uint64_t low_ram, bool *known,
                  const char **rom, Error **errp);

#endif
