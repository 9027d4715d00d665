/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sits on no bus of the PC: CPUs and DIMMs, those of the command line and
 * those that come and go while the guest runs.
 *
 * Device memory lies behind RAM, from the next GiB on, with room for maxmem
 * and a GiB a slot, so that any DIMM can be aligned to huge pages.
 */
#include "osdep.h"
#include "exec/accel.h"
#include "exec/runstate.h"
#include "hw/acpi/piix4.h"
#include "hw/i386/pc-int.h"
#include "qapi/qapi-commands.h"

#define DIMM_ALIGN (2 * MiB)

/* --- CPUs --- */

static unsigned bits_for(unsigned n)
{
    return n <= 1 ? 0 : 32 - __builtin_clz(n - 1);
}

/* CPU @i of the topology: threads vary fastest, then cores, dies, sockets. */
static void place_of(const CpuTopology *t, unsigned i, int32_t place[4])
{
    unsigned rest = i / t->threads;

    place[3] = i % t->threads;
    place[2] = rest % t->cores;
    place[1] = rest / t->cores % t->dies;
    place[0] = rest / t->cores / t->dies;
}

/* Intel SDM 3A, 10.9: each level has a field of the ID. */
void pc_init_topology(PCMachineState *pc)
{
    const CpuTopology *t = &pc->m.smp;
    unsigned tb = bits_for(t->threads), cb = bits_for(t->cores);
    unsigned db = bits_for(t->dies);
    int32_t p[4];

    x86_platform.threads = t->threads;
    x86_platform.cores = t->cores;
    x86_platform.dies = t->dies;
    pc->apic_ids = g_new(uint32_t, t->max_cpus);
    pc->cpus = g_new0(DeviceState *, t->max_cpus);
    for (unsigned i = 0; i < t->max_cpus; i++) {
        place_of(t, i, p);
        pc->apic_ids[i] = ((p[0] << db | p[1]) << cb | p[2]) << tb | p[3];
    }
}

static const char *const place_names[4] = { "socket-id", "die-id", "core-id",
                                            "thread-id" };

bool pc_init_cpus(PCMachineState *pc, Error **errp)
{
    for (unsigned i = 0; i < pc->m.smp.cpus; i++) {
        DeviceState *cpu = device_new(pc->m.cpu_type);
        int32_t p[4];

        place_of(&pc->m.smp, i, p);
        for (unsigned k = 0; k < 4; k++) {
            if (!object_set_int(&cpu->obj, place_names[k], p[k], errp)) {
                object_free(&cpu->obj);
                return false;
            }
        }
        if (!device_realize(cpu, NULL, errp)) {
            return false;
        }
    }
    return true;
}

static int64_t prop_of(DeviceState *dev, const char *name)
{
    g_autoptr(QObject) v = object_get(&dev->obj, name, NULL);
    int64_t n;

    return v && qint_try_i64(v, &n) ? n : -1;
}

/* The possible CPU that @cpu says it is, -1: an error. */
static int find_slot(PCMachineState *pc, DeviceState *cpu, Error **errp)
{
    const CpuTopology *t = &pc->m.smp;
    const unsigned max[4] = { t->sockets, t->dies, t->cores, t->threads };
    int64_t id = prop_of(cpu, "apic-id"), p[4];

    for (unsigned i = 0; id < UINT32_MAX && i < t->max_cpus; i++) {
        if (pc->apic_ids[i] == id) {
            return i;
        }
    }
    for (unsigned k = 0; k < 4; k++) {
        p[k] = prop_of(cpu, place_names[k]);
        if (p[k] < 0 && k == 1 && t->dies == 1) {
            p[k] = 0;
        }
        if (p[k] < 0) {
            error_setg(errp, "CPU %s is not set", place_names[k]);
            return -1;
        }
        if (p[k] >= max[k]) {
            error_setg(errp, "Invalid CPU %s: %" PRId64 " must be in range "
                             "0:%u", place_names[k], p[k], max[k] - 1);
            return -1;
        }
    }
    return ((p[0] * t->dies + p[1]) * t->cores + p[2]) * t->threads + p[3];
}

static bool cpu_pre_plug(PCMachineState *pc, DeviceState *cpu, Error **errp)
{
    const NumaState *numa = &pc->m.numa;
    int32_t p[4];
    int n;

    if (strcmp(cpu->info->name, pc->m.cpu_type)) {
        error_setg(errp, "Invalid CPU type, expected cpu type: '%s'",
                   pc->m.cpu_type);
        return false;
    }
    n = find_slot(pc, cpu, errp);
    if (n < 0) {
        return false;
    }
    if (pc->cpus[n]) {
        error_setg(errp, "CPU[%d] with APIC ID %u exists", n,
                   pc->apic_ids[n]);
        return false;
    }
    if (cpu->hotplugged && !pc_has_acpi(pc)) {
        error_setg(errp, "CPU hotplug is not possible without ACPI");
        return false;
    }
    place_of(&pc->m.smp, n, p);
    for (unsigned k = 0; k < 4; k++) {
        object_set_int(&cpu->obj, place_names[k], p[k], NULL);
    }
    object_set_int(&cpu->obj, "apic-id", pc->apic_ids[n], NULL);
    if (numa->count) {
        int64_t node = prop_of(cpu, "node-id");

        if (node >= 0 && node != numa->cpu_node[n]) {
            error_setg(errp, "invalid node-id, must be %d",
                       numa->cpu_node[n]);
            return false;
        }
        object_set_int(&cpu->obj, "node-id", numa->cpu_node[n], NULL);
    }
    return true;
}

static int slot_of(PCMachineState *pc, const DeviceState *cpu)
{
    for (unsigned i = 0; i < pc->m.smp.max_cpus; i++) {
        if (pc->cpus[i] == cpu) {
            return i;
        }
    }
    return -1;
}

static void update_cpu_count(PCMachineState *pc)
{
    /* CMOS 5Fh tells SeaBIOS how many CPUs to wait for. */
    fw_cfg_add_i16(pc->fw_cfg, FW_CFG_NB_CPUS, cpu_count());
    pc_init_cmos(pc);
}

static void cpu_plug(PCMachineState *pc, DeviceState *cpu)
{
    uint32_t id = x86_cpu_apic_id((CPUState *)cpu);

    /* Its own realize cannot fail. */
    apic_create((CPUState *)cpu, id, &error_fatal);
    for (unsigned i = 0; i < pc->m.smp.max_cpus; i++) {
        if (pc->apic_ids[i] == id) {
            pc->cpus[i] = cpu;
            if (piix4_cpuhp()) {
                cpuhp_plug(piix4_cpuhp(), i, cpu, cpu->hotplugged);
            }
        }
    }
    if (cpu->hotplugged) {
        update_cpu_count(pc);
    }
}

static bool cpu_unplug_request(PCMachineState *pc, DeviceState *cpu,
                               Error **errp)
{
    int n = slot_of(pc, cpu);

    if (!pc_has_acpi(pc)) {
        error_setg(errp, "CPU hot unplug not supported without ACPI");
        return false;
    }
    if (n <= 0) {
        error_setg(errp, "Boot CPU is unpluggable");
        return false;
    }
    cpuhp_unplug_request(piix4_cpuhp(), n);
    return true;
}

/* --- DIMMs --- */

bool pc_init_devmem(PCMachineState *pc, Error **errp)
{
    MachineState *m = &pc->m;

    pc->dimms = g_ptr_array_new();
    if (m->max_ram_size <= m->ram_size || !m->ram_slots) {
        return true;
    }
    if (m->max_ram_size % (8 * KiB)) {
        error_setg(errp, "maximum memory size must by aligned to multiple of "
                         "%d bytes", 8192);
        return false;
    }
    pc->devmem_base = ROUND_UP(4 * GiB + pc->high_size, GiB);
    pc->devmem_size = m->max_ram_size - m->ram_size + m->ram_slots * GiB;
    if (pc->devmem_size < m->max_ram_size - m->ram_size ||
        pc->devmem_base + pc->devmem_size < pc->devmem_size ||
        pc->devmem_base + pc->devmem_size > UINT64_C(1) << 52) {
        error_setg(errp, "unsupported amount of maximum memory: %" PRIu64,
                   m->max_ram_size);
        return false;
    }
    memory_region_init(&pc->devmem, &m->obj, "device-memory",
                       pc->devmem_size);
    memory_region_add_subregion(system_memory(), pc->devmem_base,
                                &pc->devmem);
    return true;
}

static bool pick_slot(PCMachineState *pc, PCDIMM *d, Error **errp)
{
    const MemHotplug *hp = piix4_memhp();

    if (!pc->m.ram_slots || !pc->devmem_size) {
        error_setg(errp, "no slots where allocated, please specify the "
                         "'slots' option");
        return false;
    }
    if (d->slot < -1 || d->slot >= (int64_t)pc->m.ram_slots) {
        error_setg(errp, "invalid slot number %d, valid range is [0-%" PRIu64
                         "]", d->slot, pc->m.ram_slots - 1);
        return false;
    }
    if (d->slot >= 0) {
        if (hp->slot[d->slot].dimm) {
            error_setg(errp, "slot %d is busy", d->slot);
        }
        return !hp->slot[d->slot].dimm;
    }
    for (unsigned i = 0; i < hp->slots; i++) {
        if (!hp->slot[i].dimm) {
            d->slot = i;
            return true;
        }
    }
    error_setg(errp, "no free slots available");
    return false;
}

static bool pick_address(PCMachineState *pc, PCDIMM *d, uint64_t size,
                         Error **errp)
{
    uint64_t end = pc->devmem_base + pc->devmem_size, at = pc->devmem_base;
    uint64_t room = pc->m.max_ram_size - pc->m.ram_size;

    if (size > room - pc->devmem_used) {
        error_setg(errp, "not enough space, currently 0x%" PRIx64 " in use of "
                         "total space for memory devices 0x%" PRIx64,
                   pc->devmem_used, room);
        return false;
    }
    if (d->addr % DIMM_ALIGN) {
        error_setg(errp, "address must be aligned to 0x%" PRIx64 " bytes",
                   DIMM_ALIGN);
        return false;
    }
    if (size % DIMM_ALIGN) {
        error_setg(errp, "backend memory size must be multiple of 0x%" PRIx64,
                   DIMM_ALIGN);
        return false;
    }
    if (d->addr && (d->addr < pc->devmem_base || d->addr > end ||
                    size > end - d->addr)) {
        error_setg(errp, "can't add memory device [0x%" PRIx64 ":0x%" PRIx64
                         "], usable range for memory devices [0x%" PRIx64
                         ":0x%" PRIx64 "]", d->addr, size, pc->devmem_base,
                   pc->devmem_size);
        return false;
    }
    for (guint i = 0; i < pc->dimms->len; i++) {
        const PCDIMM *o = g_ptr_array_index(pc->dimms, i);
        uint64_t o_end = ROUND_UP(o->addr + o->size, DIMM_ALIGN);

        if (!d->addr) {
            if (at + size <= o->addr) {
                break;
            }
            at = o_end;
        } else if (d->addr < o_end && o->addr < d->addr + size) {
            error_setg(errp, "address range conflicts with memory device "
                             "id='%s'", o->qdev.id ? o->qdev.id : "(unnamed)");
            return false;
        }
    }
    if (!d->addr && (at > end || size > end - at)) {
        error_setg(errp, "could not find position in guest address space for "
                         "memory device - memory fragmented due to alignments");
        return false;
    }
    d->addr = d->addr ? d->addr : at;
    return true;
}

static bool dimm_pre_plug(PCMachineState *pc, PCDIMM *d, Error **errp)
{
    unsigned nodes = MAX(pc->m.numa.count, 1u);
    uint64_t size;

    if (!pc_dimm_get_size(d, &size, errp)) {
        return false;
    }
    if (!pc_has_acpi(pc)) {
        error_setg(errp, "memory hotplug is not enabled: missing acpi device "
                         "or acpi disabled");
        return false;
    }
    if (d->node >= nodes) {
        error_setg(errp, "'DIMM property node has value %u' which exceeds the "
                         "number of numa nodes: %u", d->node, nodes);
        return false;
    }
    return pick_slot(pc, d, errp) && pick_address(pc, d, size, errp);
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const PCDIMM *x = *(PCDIMM *const *)a, *y = *(PCDIMM *const *)b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static void dimm_plug(PCMachineState *pc, PCDIMM *d)
{
    memory_region_add_subregion(&pc->devmem, d->addr - pc->devmem_base,
                                &d->mr);
    g_ptr_array_add(pc->dimms, d);
    g_ptr_array_sort(pc->dimms, by_address);
    pc->devmem_used += d->size;
    memhp_plug(piix4_memhp(), d->slot, &d->qdev, d->qdev.hotplugged);
}

static void dimm_unplug(PCMachineState *pc, PCDIMM *d)
{
    memory_region_del_subregion(&pc->devmem, &d->mr);
    g_ptr_array_remove(pc->dimms, d);
    pc->devmem_used -= d->size;
}

/* --- the handler --- */

static bool is_cpu(const DeviceState *dev)
{
    return device_is_a(dev, "x86_64-cpu");
}

static bool is_dimm(const DeviceState *dev)
{
    return device_is_a(dev, "pc-dimm");
}

static bool pre_plug(void *opaque, DeviceState *dev, Error **errp)
{
    return is_cpu(dev)    ? cpu_pre_plug(opaque, dev, errp)
           : is_dimm(dev) ? dimm_pre_plug(opaque, (PCDIMM *)dev, errp)
                          : true;
}

static void plug(void *opaque, DeviceState *dev)
{
    if (is_cpu(dev)) {
        cpu_plug(opaque, dev);
    } else if (is_dimm(dev)) {
        dimm_plug(opaque, (PCDIMM *)dev);
    }
}

static bool unplug_request(void *opaque, DeviceState *dev, Error **errp)
{
    if (is_cpu(dev)) {
        return cpu_unplug_request(opaque, dev, errp);
    }
    if (is_dimm(dev)) {
        memhp_unplug_request(piix4_memhp(), ((PCDIMM *)dev)->slot);
        return true;
    }
    error_setg(errp, "Device '%s' does not support hotplugging",
               dev->info->name);
    return false;
}

static void unplug(void *opaque, DeviceState *dev)
{
    PCMachineState *pc = opaque;

    if (is_cpu(dev)) {
        Object *apic = object_child(&dev->obj, "lapic");

        pc->cpus[slot_of(pc, dev)] = NULL;
        device_unrealize((DeviceState *)apic);
    } else if (is_dimm(dev)) {
        dimm_unplug(pc, (PCDIMM *)dev);
    }
}

void pc_init_hotplug(PCMachineState *pc)
{
    pc->hotplug = (HotplugHandler){
        .pre_plug = pre_plug, .plug = plug, .unplug_request = unplug_request,
        .unplug = unplug, .opaque = pc,
    };
    device_set_busless_hotplug(&pc->hotplug);
}

/* --- QMP --- */

ACPIOSTInfoList *qmp_query_acpi_ospm_status(Error **errp)
{
    const MemHotplug *mem = piix4_memhp();
    const CPUHotplug *cpus = piix4_cpuhp();
    ACPIOSTInfoList *list = NULL, **tail = &list;

    if (!mem) {
        error_setg(errp, "command is not supported, missing ACPI device");
        return NULL;
    }
    for (unsigned i = 0; i < cpus->possible; i++) {
        ACPIOSTInfo *info = cpuhp_ost(cpus, i);

        QAPI_LIST_APPEND(tail, info);
    }
    for (unsigned i = 0; i < mem->slots; i++) {
        ACPIOSTInfo *info = memhp_ost(mem, i);

        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}
