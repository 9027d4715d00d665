/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Direct boot of kernels (-kernel, -initrd, -append). */
#ifndef HW_I386_X86_BOOT_H
#define HW_I386_X86_BOOT_H

#include "hw/boards.h"
#include "hw/nvram/fw_cfg.h"

/*
 * Hands m->kernel and company to our option ROM through fw_cfg.  @low_ram:
 * bytes of RAM below 4 GiB.  *@rom gets the boot order entry ("/rom@...",
 * static).  False: an error that names the file and what is wrong with it.
 */
bool x86_load_kernel(const MachineState *m, FWCfgState *fw, uint64_t low_ram,
                     const char **rom, Error **errp);

#endif
