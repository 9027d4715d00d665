/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU hot plug by ACPI.
 *
 * At power-on the ports hold a bitmap of CPUs by APIC ID, as boards before had
 * it; writing 0 to the first switches to the registers, for good.
 *
 *     00h W select CPU (4 bytes)     00h R second command result
 *     04h R flags of the CPU         04h W acknowledge, eject
 *     05h W command                  08h RW command data
 */
#include "osdep.h"
#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/piix4.h"
#include "qapi/qapi-events.h"

#define GPE_CPU 2

enum { REG_SELECT = 0, REG_FLAGS = 4, REG_COMMAND = 5, REG_DATA = 8 };
enum { CMD_NEXT_EVENT, CMD_OST_EVENT, CMD_OST_STATUS, CMD_ARCH_ID, CMD_MAX };
#define FLAG_ENABLED 0x01
#define FLAG_INSERT  0x02
#define FLAG_REMOVE  0x04
#define FLAG_EJECT   0x08

static uint64_t bitmap_byte(const CPUHotplug *s, unsigned at)
{
    uint8_t v = 0;

    for (unsigned i = 0; i < s->possible; i++) {
        if (s->cpu[i] && s->arch_ids[i] / 8 == at) {
            v |= 1 << s->arch_ids[i] % 8;
        }
    }
    return v;
}

static uint64_t cpuhp_read(void *opaque, hwaddr addr, unsigned size)
{
    CPUHotplug *s = opaque;
    unsigned n = s->selector;
    uint32_t v = 0;

    if (!s->modern) {
        return bitmap_byte(s, addr);
    }
    if (n >= s->possible) {
        return 0;
    }
    if (addr == REG_FLAGS) {
        return (s->cpu[n] ? FLAG_ENABLED : 0) |
               (s->inserting[n] ? FLAG_INSERT : 0) |
               (s->removing[n] ? FLAG_REMOVE : 0);
    }
    if (addr >= REG_DATA) {
        v = s->command == CMD_NEXT_EVENT ? n
            : s->command == CMD_ARCH_ID  ? s->arch_ids[n]
                                         : 0;
        return v >> 8 * (addr - REG_DATA);
    }
    return 0; /* arch IDs have no upper half here */
}

/* The first CPU from the selected one on that has something to tell. */
static void next_event(CPUHotplug *s)
{
    for (unsigned i = 0; i < s->possible; i++) {
        unsigned n = (s->selector + i) % s->possible;

        if (s->inserting[n] || s->removing[n]) {
            s->selector = n;
            return;
        }
    }
}

ACPIOSTInfo *cpuhp_ost(const CPUHotplug *s, unsigned n)
{
    ACPIOSTInfo *info = g_new0(ACPIOSTInfo, 1);

    info->device = s->cpu[n] ? g_strdup(s->cpu[n]->id) : NULL;
    info->slot = g_strdup_printf("%u", n);
    info->slot_type = ACPI_SLOT_TYPE_CPU;
    info->source = s->ost_event[n];
    info->status = s->ost_status[n];
    return info;
}

static void send_ost(const CPUHotplug *s, unsigned n)
{
    ACPIOSTInfo *info = cpuhp_ost(s, n);

    qapi_event_send_acpi_device_ost(info);
    qapi_free_ACPIOSTInfo(info);
}

/* From the main loop: a CPU may eject itself, and cannot wait for its own
 * thread. */
static void remove_ejected(void *opaque)
{
    CPUHotplug *s = opaque;

    while (s->ejected->len) {
        DeviceState *cpu = g_ptr_array_steal_index(s->ejected, 0);

        device_unplugged(cpu);
    }
}

static void eject(CPUHotplug *s, unsigned n)
{
    DeviceState *cpu = s->cpu[n];

    /* The boot CPU stays. */
    if (n && cpu) {
        s->cpu[n] = NULL;
        s->removing[n] = s->inserting[n] = 0;
        g_ptr_array_add(s->ejected, cpu);
        bh_schedule(s->eject_bh);
    }
}

static void write_flags(CPUHotplug *s, unsigned n, uint8_t val)
{
    if (val & FLAG_INSERT) {
        s->inserting[n] = 0;
    } else if (val & FLAG_REMOVE) {
        s->removing[n] = 0;
    } else if (val & FLAG_EJECT) {
        eject(s, n);
    }
}

static void cpuhp_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    CPUHotplug *s = opaque;
    unsigned n = s->selector;

    if (!s->modern) {
        s->modern = addr == 0 && (uint8_t)val == 0;
        return;
    }
    if (addr == REG_SELECT && size == 4) {
        s->selector = val;
        return;
    }
    if (n >= s->possible) {
        return;
    }
    if (addr == REG_FLAGS) {
        write_flags(s, n, val);
    } else if (addr == REG_COMMAND && (uint8_t)val < CMD_MAX) {
        s->command = val;
        if (s->command == CMD_NEXT_EVENT) {
            next_event(s);
        }
    } else if (addr == REG_DATA && size == 4) {
        if (s->command == CMD_OST_EVENT) {
            s->ost_event[n] = val;
        } else if (s->command == CMD_OST_STATUS) {
            s->ost_status[n] = val;
            send_ost(s, n);
        }
    }
}

/* Reads are per byte, a 4-byte one is put together by the core; writes come
 * as they are. */
static uint64_t cpuhp_read_any(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++) {
        v |= (cpuhp_read(opaque, addr + i, 1) & 0xff) << 8 * i;
    }
    return v;
}

static const MemoryRegionOps cpuhp_ops = {
    .read = cpuhp_read_any,
    .write = cpuhp_write,
    .access = { .min = 1, .max = 4 },
};

void cpuhp_init(CPUHotplug *s, Object *owner, MemoryRegion *io,
                unsigned possible, const uint32_t *arch_ids)
{
    assert(possible <= CPU_HOTPLUG_MAX);
    s->possible = possible;
    s->arch_ids = arch_ids;
    s->ejected = g_ptr_array_new();
    s->eject_bh = bh_new(loop_main(), remove_ejected, s);
    /* The old bitmap is longer: what lies beyond reads as no CPU. */
    memory_region_init_io(&s->io, owner, &cpuhp_ops, s, "acpi-cpu-hotplug",
                          32);
    memory_region_add_subregion(io, CPU_HOTPLUG_PORT, &s->io);
}

void cpuhp_plug(CPUHotplug *s, unsigned n, DeviceState *cpu, bool late)
{
    s->cpu[n] = cpu;
    if (late) {
        s->inserting[n] = 1;
        piix4_pm_raise_gpe(GPE_CPU);
    }
}

void cpuhp_unplug_request(CPUHotplug *s, unsigned n)
{
    s->removing[n] = 1;
    piix4_pm_raise_gpe(GPE_CPU);
}

void cpuhp_reset(CPUHotplug *s)
{
    for (unsigned n = 0; n < s->possible; n++) {
        s->inserting[n] = 0;
        if (s->removing[n]) {
            eject(s, n);
        }
    }
    s->selector = 0;
    s->command = CMD_NEXT_EVENT;
    s->modern = false;
}

static bool cpuhp_post_load(void *opaque, int version, Error **errp)
{
    CPUHotplug *s = opaque;

    s->command = s->command < CMD_MAX ? s->command : CMD_NEXT_EVENT;
    return true;
}

static const VMStateField cpuhp_fields[] = {
    VMSTATE_BOOL(modern, CPUHotplug),
    VMSTATE_UINT32(selector, CPUHotplug),
    VMSTATE_UINT8(command, CPUHotplug),
    VMSTATE_UINT8_ARRAY(inserting, CPUHotplug, CPU_HOTPLUG_MAX),
    VMSTATE_UINT8_ARRAY(removing, CPUHotplug, CPU_HOTPLUG_MAX),
    VMSTATE_UINT32_ARRAY(ost_event, CPUHotplug, CPU_HOTPLUG_MAX),
    VMSTATE_UINT32_ARRAY(ost_status, CPUHotplug, CPU_HOTPLUG_MAX),
    VMSTATE_END(),
};

const VMStateDescription vmstate_cpuhp = {
    .name = "cpuhp",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = cpuhp_post_load,
    .fields = cpuhp_fields,
};
