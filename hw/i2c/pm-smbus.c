/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBus host controller of the 82371AB (PIIX4): data sheet 290562, 7.1.31 and
 * on; System Management Bus specification 2.0, 5.5 for the protocols.
 *
 * Eight EEPROMs of 256 bytes sit on the bus where memory modules have theirs
 * (SPD); they are empty at power-on and can be written.  A transaction is done
 * within the write that starts it.
 */
#include "osdep.h"
#include "hw/i2c/pm-smbus.h"

enum { SMBHSTSTS = 0, SMBHSTCNT = 2, SMBHSTCMD = 3, SMBHSTADD = 4,
       SMBHSTDAT0 = 5, SMBHSTDAT1 = 6, SMBBLKDAT = 7 };
#define STS_INTR    0x02
#define STS_DEV_ERR 0x04
#define STS_W1C     0x1e
#define CNT_START   0x40
#define CNT_PROTOCOL(v) ((v) >> 2 & 7)
enum { PROT_QUICK, PROT_BYTE, PROT_BYTE_DATA, PROT_WORD_DATA, PROT_RESERVED,
       PROT_BLOCK };
#define EEPROM_BASE 0x50

static uint8_t *cell(PMSMBus *s, unsigned n)
{
    return &s->eeprom[n * 256 + s->eeprom_at[n]++];
}

static void run_read(PMSMBus *s, unsigned n, unsigned protocol)
{
    switch (protocol) {
    case PROT_BYTE:
        s->data0 = *cell(s, n);
        break;
    case PROT_BYTE_DATA:
        s->eeprom_at[n] = s->cmd;
        s->data0 = *cell(s, n);
        break;
    case PROT_WORD_DATA:
        s->eeprom_at[n] = s->cmd;
        s->data0 = *cell(s, n);
        s->data1 = *cell(s, n);
        break;
    case PROT_BLOCK:
        /* The first byte is the count, 1 to 32 (5.5.7). */
        s->eeprom_at[n] = s->cmd;
        s->data0 = *cell(s, n);
        if (s->data0 == 0 || s->data0 > SMBUS_BLOCK) {
            s->sts |= STS_DEV_ERR;
            return;
        }
        for (unsigned i = 0; i < s->data0; i++) {
            s->block[i] = *cell(s, n);
        }
        break;
    }
}

static void run_write(PMSMBus *s, unsigned n, unsigned protocol)
{
    s->eeprom_at[n] = s->cmd; /* of a lone byte, too: where to go on */
    switch (protocol) {
    case PROT_BYTE_DATA:
        *cell(s, n) = s->data0;
        break;
    case PROT_WORD_DATA:
        *cell(s, n) = s->data0;
        *cell(s, n) = s->data1;
        break;
    case PROT_BLOCK:
        if (s->data0 == 0 || s->data0 > SMBUS_BLOCK) {
            s->sts |= STS_DEV_ERR;
            return;
        }
        for (unsigned i = 0; i < s->data0; i++) {
            *cell(s, n) = s->block[i];
        }
        break;
    }
}

static void run(PMSMBus *s)
{
    unsigned protocol = CNT_PROTOCOL(s->cnt), slave = s->addr >> 1;

    if (slave < EEPROM_BASE || slave >= EEPROM_BASE + SMBUS_EEPROMS ||
        protocol == PROT_RESERVED || protocol > PROT_BLOCK) {
        s->sts |= STS_DEV_ERR; /* nobody acknowledges */
        return;
    }
    if (protocol != PROT_QUICK) {
        (s->addr & 1 ? run_read : run_write)(s, slave - EEPROM_BASE, protocol);
    }
    if (!(s->sts & STS_DEV_ERR)) {
        s->sts |= STS_INTR;
    }
}

static uint64_t smbus_read(void *opaque, hwaddr addr, unsigned size)
{
    PMSMBus *s = opaque;
    uint8_t v;

    switch (addr) {
    case SMBHSTSTS:
        return s->sts;
    case SMBHSTCNT:
        s->block_index = 0;
        return s->cnt & ~CNT_START;
    case SMBHSTCMD:
        return s->cmd;
    case SMBHSTADD:
        return s->addr;
    case SMBHSTDAT0:
        return s->data0;
    case SMBHSTDAT1:
        return s->data1;
    case SMBBLKDAT:
        v = s->block[s->block_index];
        s->block_index = (s->block_index + 1) % SMBUS_BLOCK;
        return v;
    default:
        return 0;
    }
}

static void smbus_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    PMSMBus *s = opaque;

    switch (addr) {
    case SMBHSTSTS:
        s->sts &= ~(val & STS_W1C);
        break;
    case SMBHSTCNT:
        s->cnt = val;
        if (val & CNT_START) {
            s->sts &= ~(STS_INTR | STS_DEV_ERR);
            run(s);
            s->block_index = 0;
        }
        break;
    case SMBHSTCMD:
        s->cmd = val;
        break;
    case SMBHSTADD:
        s->addr = val;
        break;
    case SMBHSTDAT0:
        s->data0 = val;
        break;
    case SMBHSTDAT1:
        s->data1 = val;
        break;
    case SMBBLKDAT:
        s->block[s->block_index] = val;
        s->block_index = (s->block_index + 1) % SMBUS_BLOCK;
        break;
    }
}

static const MemoryRegionOps smbus_ops = {
    .read = smbus_read,
    .write = smbus_write,
    .impl = { .min = 1, .max = 1 },
};

void pm_smbus_init(PMSMBus *s, Object *owner)
{
    memory_region_init_io(&s->io, owner, &smbus_ops, s, "pm-smbus", 64);
}

/* The EEPROMs keep what they hold. */
void pm_smbus_reset(PMSMBus *s)
{
    s->sts = s->cnt = s->cmd = s->addr = s->data0 = s->data1 = 0;
    s->block_index = 0;
    memset(s->block, 0, sizeof(s->block));
}

static bool smbus_post_load(void *opaque, int version, Error **errp)
{
    PMSMBus *s = opaque;

    s->block_index %= SMBUS_BLOCK;
    return true;
}

static const VMStateField smbus_fields[] = {
    VMSTATE_UINT8(sts, PMSMBus),
    VMSTATE_UINT8(cnt, PMSMBus),
    VMSTATE_UINT8(cmd, PMSMBus),
    VMSTATE_UINT8(addr, PMSMBus),
    VMSTATE_UINT8(data0, PMSMBus),
    VMSTATE_UINT8(data1, PMSMBus),
    VMSTATE_BUFFER(block, PMSMBus),
    VMSTATE_UINT8(block_index, PMSMBus),
    VMSTATE_BUFFER(eeprom, PMSMBus),
    VMSTATE_BUFFER(eeprom_at, PMSMBus),
    VMSTATE_END(),
};

const VMStateDescription vmstate_pm_smbus = {
    .name = "pm-smbus",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = smbus_post_load,
    .fields = smbus_fields,
};
