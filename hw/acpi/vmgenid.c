/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VM generation ID: Microsoft, "Virtual Machine Generation ID"; QEMU's
 * documentation of the same name for the fw_cfg files.
 *
 * Firmware puts the page of etc/vmgenid_guid into memory and writes its
 * address to etc/vmgenid_addr; the guest finds it by \_SB.VGEN.ADDR.  When a
 * state is loaded by a VM with another GUID, the one in memory is replaced and
 * GPE 5 raised.
 */
#include "osdep.h"

#include <sys/random.h>

#include "exec/memory.h"
#include "hw/acpi/piix4.h"
#include "hw/acpi/vmgenid.h"
#include "hw/nvram/fw_cfg.h"
#include "qapi/qapi-commands.h"

#define GPE_VMGENID 5

typedef struct VMGenID {
    DeviceState qdev;
    /* Properties. */
    char *text; /* "auto" or a UUID */
    /* Guest-visible state. */
    uint8_t addr[8]; /* little endian, from firmware; 0: not yet */
    uint8_t told[16]; /* the GUID that the guest knows of */
    /* Host side. */
    UUID guid;
} VMGenID;

static VMGenID *the_vmgenid;

bool vmgenid_present(void)
{
    return the_vmgenid != NULL;
}

/* In memory the first three fields are little endian. */
static void encode(const VMGenID *s, uint8_t out[16])
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6,
                                       8, 9, 10, 11, 12, 13, 14, 15 };

    for (unsigned i = 0; i < 16; i++) {
        out[i] = s->guid.b[order[i]];
    }
}

static uint64_t guest_address(const VMGenID *s)
{
    uint64_t v = 0;

    for (unsigned i = 8; i-- > 0;) {
        v = v << 8 | s->addr[i];
    }
    return v;
}

static void update_guest(VMGenID *s)
{
    uint64_t addr = guest_address(s);
    uint8_t guid[16];

    if (addr) {
        encode(s, guid);
        address_space_write(&address_space_memory, addr,
                            MEMTXATTRS_UNSPECIFIED, guid, sizeof(guid));
        piix4_pm_raise_gpe(GPE_VMGENID);
    }
}

static void addr_written(void *opaque, uint32_t offset, uint32_t len)
{
    VMGenID *s = opaque;
    size_t n;
    const uint8_t *p = fw_cfg_file_data(fw_cfg_find(), VMGENID_ADDR_FILE, &n);

    memcpy(s->addr, p, sizeof(s->addr));
}

static void vmgenid_reset(DeviceState *dev)
{
    VMGenID *s = (VMGenID *)dev;
    size_t n;
    uint8_t *p = fw_cfg_file_data(fw_cfg_find(), VMGENID_ADDR_FILE, &n);

    memset(s->addr, 0, sizeof(s->addr));
    memset(p, 0, sizeof(s->addr));
}

static bool parse_guid(VMGenID *s, Error **errp)
{
    if (!strcmp(s->text, "auto")) {
        if (getrandom(s->guid.b, sizeof(s->guid.b), 0) < 0) {
            error_setg_errno(errp, errno, "vmgenid: no random numbers");
            return false;
        }
        s->guid.b[6] = (s->guid.b[6] & 0x0f) | 0x40; /* RFC 4122, version 4 */
        s->guid.b[8] = (s->guid.b[8] & 0x3f) | 0x80;
        return true;
    }
    if (!g_uuid_string_is_valid(s->text)) {
        error_setg(errp, "Property 'vmgenid.guid' doesn't take value '%s'",
                   s->text);
        return false;
    }
    for (unsigned i = 0, k = 0; i < 16; k++) {
        if (s->text[k] != '-') {
            s->guid.b[i++] = g_ascii_xdigit_value(s->text[k]) << 4 |
                             g_ascii_xdigit_value(s->text[k + 1]);
            k++;
        }
    }
    return true;
}

static bool vmgenid_realize(DeviceState *dev, Error **errp)
{
    VMGenID *s = (VMGenID *)dev;
    FWCfgState *fw = fw_cfg_find();
    uint8_t page[4096] = { 0 }, zero[8] = { 0 };

    if (!fw || !piix4_cpuhp()) {
        error_setg(errp, "vmgenid requires a machine with ACPI and DMA in "
                         "fw_cfg");
        return false;
    }
    if (the_vmgenid) {
        error_setg(errp, "at most one vmgenid device is permitted");
        return false;
    }
    if (!parse_guid(s, errp)) {
        return false;
    }
    encode(s, page + VMGENID_OFFSET);
    if (!fw_cfg_add_file(fw, VMGENID_GUID_FILE, page, sizeof(page), errp) ||
        !fw_cfg_add_file_callback(fw, VMGENID_ADDR_FILE, NULL, addr_written, s,
                                  zero, sizeof(zero), true, errp)) {
        return false;
    }
    memcpy(s->told, s->guid.b, sizeof(s->told));
    the_vmgenid = s;
    return true;
}

static bool vmgenid_post_load(void *opaque, int version, Error **errp)
{
    VMGenID *s = opaque;

    if (memcmp(s->told, s->guid.b, sizeof(s->told))) {
        memcpy(s->told, s->guid.b, sizeof(s->told));
        update_guest(s);
    }
    return true;
}

static const Property vmgenid_props[] = {
    PROP_STR_DEF("guid", VMGenID, text, "auto"),
    PROP_END(),
};

static const VMStateField vmgenid_fields[] = {
    VMSTATE_UINT8_ARRAY(addr, VMGenID, 8),
    VMSTATE_UINT8_ARRAY(told, VMGenID, 16),
    VMSTATE_END(),
};

static const VMStateDescription vmstate_vmgenid = {
    .name = "vmgenid",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = vmgenid_post_load,
    .fields = vmgenid_fields,
};

static const DeviceInfo vmgenid_info = {
    .name = "vmgenid",
    .bus = BUS_NONE,
    .no_hotplug = true,
    .size = sizeof(VMGenID),
    .props = vmgenid_props,
    .vmsd = &vmstate_vmgenid,
    .realize = vmgenid_realize,
    .reset = vmgenid_reset,
};

GuidInfo *qmp_query_vm_generation_id(Error **errp)
{
    const uint8_t *b;
    GuidInfo *info;

    if (!the_vmgenid) {
        error_setg(errp, "VM Generation ID device not found");
        return NULL;
    }
    b = the_vmgenid->guid.b;
    info = g_new0(GuidInfo, 1);
    info->guid = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
        "%02x%02x%02x%02x%02x%02x",
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10],
        b[11], b[12], b[13], b[14], b[15]);
    return info;
}

static void vmgenid_register(void)
{
    device_register(&vmgenid_info);
}
device_init(vmgenid_register)
