/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "vmport": VMware's back door, as Linux's arch/x86/include/asm/vmware.h and
 * open-vm-tools describe it.  Version 6, product "VMware Workstation".
 */
#include "osdep.h"
#include "exec/x86.h"
#include "hw/boards.h"
#include "hw/i386/vmport.h"
#include "util/log.h"

#define VMPORT_PORT    0x5658
#define VMPORT_MAGIC   0x564d5868
#define VMPORT_PRODUCT 2
#define VMPORT_VERSION 6

/* Numbers of general registers. */
enum { GPR_EAX = 0, GPR_ECX = 1, GPR_EDX = 2, GPR_EBX = 3, GPR_ESI = 6,
       GPR_EDI = 7 };

typedef struct VMPort {
    ISADevice isa;
    /* Host side. */
    struct {
        VMPortFn fn;
        void *opaque;
    } commands[VMPORT_COMMANDS];
    MemoryRegion io;
} VMPort;

static VMPort *the_vmport;

void vmport_register(unsigned command, VMPortFn fn, void *opaque)
{
    assert(command < VMPORT_COMMANDS);
    if (the_vmport) {
        the_vmport->commands[command].fn = fn;
        the_vmport->commands[command].opaque = opaque;
    }
}

static uint64_t vmport_read(void *opaque, hwaddr addr, unsigned size)
{
    VMPort *s = opaque;
    CPUState *cpu = current_cpu;
    VMPortRegs r;
    uint8_t cmd;

    if (!cpu) {
        return UINT32_MAX; /* DMA, the monitor */
    }
    r = (VMPortRegs){
        x86_cpu_get_gpr(cpu, GPR_EAX), x86_cpu_get_gpr(cpu, GPR_EBX),
        x86_cpu_get_gpr(cpu, GPR_ECX), x86_cpu_get_gpr(cpu, GPR_EDX),
        x86_cpu_get_gpr(cpu, GPR_ESI), x86_cpu_get_gpr(cpu, GPR_EDI),
    };
    if (r.eax != VMPORT_MAGIC) {
        return r.eax;
    }
    cmd = r.ecx;
    if (cmd >= VMPORT_COMMANDS || !s->commands[cmd].fn) {
        log_mask(LOG_UNIMP, "vmport: command 0x%02x\n", cmd);
        return UINT32_MAX;
    }
    s->commands[cmd].fn(s->commands[cmd].opaque, &r);
    x86_cpu_set_gpr(cpu, GPR_EBX, r.ebx);
    x86_cpu_set_gpr(cpu, GPR_ECX, r.ecx);
    x86_cpu_set_gpr(cpu, GPR_EDX, r.edx);
    x86_cpu_set_gpr(cpu, GPR_ESI, r.esi);
    x86_cpu_set_gpr(cpu, GPR_EDI, r.edi);
    return r.eax;
}

/* OUT runs the command as well; its EAX is lost. */
static void vmport_write(void *opaque, hwaddr addr, uint64_t val,
                         unsigned size)
{
    vmport_read(opaque, addr, size);
}

static const MemoryRegionOps vmport_ops = {
    .read = vmport_read,
    .write = vmport_write,
    .access = { .min = 4, .max = 4 },
};

static void get_version(void *opaque, VMPortRegs *r)
{
    r->eax = VMPORT_VERSION;
    r->ebx = VMPORT_MAGIC;
    r->ecx = VMPORT_PRODUCT;
}

static void get_ram_size(void *opaque, VMPortRegs *r)
{
    r->eax = MIN(current_machine->ram_size, (uint64_t)UINT32_MAX);
    r->ebx = 0x1177;
}

static bool vmport_realize(DeviceState *dev, Error **errp)
{
    VMPort *s = (VMPort *)dev;

    the_vmport = s;
    vmport_register(VMPORT_GET_VERSION, get_version, s);
    vmport_register(VMPORT_GET_RAM_SIZE, get_ram_size, s);
    return isa_add_io(&s->isa, &s->io, &vmport_ops, s, VMPORT_PORT, 4, errp);
}

static const DeviceInfo vmport_info = {
    .name = "vmport",
    .bus = BUS_ISA,
    .internal = true,
    .no_hotplug = true,
    .size = sizeof(VMPort),
    .realize = vmport_realize,
};

bool vmport_create(ISABus *bus, Error **errp)
{
    return device_realize(device_new("vmport"), &bus->bus, errp);
}

static void vmport_type_register(void)
{
    device_register(&vmport_info);
}
device_init(vmport_type_register)
