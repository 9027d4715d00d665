/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg: how the machine tells firmware about itself, ports 510h-51Bh.
 * QEMU's documentation "QEMU Firmware Configuration (fw_cfg) Device".  BQL.
 */
#ifndef HW_NVRAM_FW_CFG_H
#define HW_NVRAM_FW_CFG_H

#include "exec/memory.h"
#include "hw/qdev.h"

/* Items by number; the rest are files. */
enum {
    FW_CFG_SIGNATURE = 0x00, FW_CFG_ID = 0x01, FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03, FW_CFG_NOGRAPHIC = 0x04, FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_ADDR = 0x07, FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_ADDR = 0x0a, FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_NUMA = 0x0d, FW_CFG_BOOT_MENU = 0x0e, FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_ENTRY = 0x10, FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12, FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14, FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16, FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18, FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20, FW_CFG_FILE_SLOTS = 0x40,
    FW_CFG_IRQ0_OVERRIDE = 0x8002, FW_CFG_HPET = 0x8004,
};

typedef struct FWCfgState FWCfgState;

FWCfgState *fw_cfg_create(MemoryRegion *io, Error **errp);
FWCfgState *fw_cfg_find(void); /* NULL: the machine has none */

/* @data is copied. */
void fw_cfg_add_bytes(FWCfgState *s, uint16_t key, const void *data,
                      size_t len);
void fw_cfg_add_i16(FWCfgState *s, uint16_t key, uint16_t v);
void fw_cfg_add_i32(FWCfgState *s, uint16_t key, uint32_t v);
void fw_cfg_add_i64(FWCfgState *s, uint16_t key, uint64_t v);
/* A file; one of that name is replaced.  False: no slot left or a bad name. */
bool fw_cfg_add_file(FWCfgState *s, const char *name, const void *data,
                     size_t len, Error **errp);
/* The guest may write it by DMA; @written (may be NULL) is told.  @select is
 * called when the guest selects the file, to bring it up to date. */
bool fw_cfg_add_file_callback(FWCfgState *s, const char *name,
                              void (*select)(void *opaque),
                              void (*written)(void *opaque, uint32_t offset,
                                              uint32_t len),
                              void *opaque, const void *data, size_t len,
                              bool writable, Error **errp);
/* The current contents; NULL if there is no such file. */
uint8_t *fw_cfg_file_data(FWCfgState *s, const char *name, size_t *len);

#endif
