/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The notes of a vCPU in a memory dump: Linux's struct elf_prstatus (x86-64
 * in long mode, else i386) as debuggers read it, and one named "QEMU" with
 * what that does not hold (segments with their caches, control registers),
 * which the crash utility knows.
 */
#include "osdep.h"
#include "cpu.h"
#include "exec/accel.h"
#include <elf.h>

#define PRSTATUS64      336
#define PRSTATUS64_PID  32
#define PRSTATUS64_REGS 112
#define PRSTATUS32      144
#define PRSTATUS32_PID  24
#define PRSTATUS32_REGS 72

typedef struct __attribute__((packed)) DumpSegment {
    uint32_t selector, limit, flags, pad;
    uint64_t base;
} DumpSegment;

typedef struct __attribute__((packed)) DumpState {
    uint32_t version, size;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r[8], rip, rflags;
    DumpSegment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
    uint64_t cr[5];
    uint64_t kernel_gs_base;
} DumpState;

static void put_note(GByteArray *out, const char *name, uint32_t type,
                     const void *desc, uint32_t size)
{
    static const uint8_t zero[4];
    Elf64_Nhdr h = { .n_namesz = strlen(name) + 1, .n_descsz = size,
                     .n_type = type };

    g_byte_array_append(out, (const uint8_t *)&h, sizeof(h));
    g_byte_array_append(out, (const uint8_t *)name, h.n_namesz);
    g_byte_array_append(out, zero, -h.n_namesz & 3);
    g_byte_array_append(out, desc, size);
    g_byte_array_append(out, zero, -size & 3);
}

static DumpSegment segment(const struct x86_seg *s)
{
    return (DumpSegment){ .selector = s->sel, .limit = s->limit,
                          .flags = (uint32_t)s->attr << 8, .base = s->base };
}

static void put_state(GByteArray *out, const struct x86_regs *x)
{
    DumpState d = {
        .version = 1, .size = sizeof(d),
        .rax = x->gpr[0], .rcx = x->gpr[1], .rdx = x->gpr[2],
        .rbx = x->gpr[3], .rsp = x->gpr[4], .rbp = x->gpr[5],
        .rsi = x->gpr[6], .rdi = x->gpr[7], .rip = x->rip,
        .rflags = x->rflags,
        .es = segment(&x->seg[0]), .cs = segment(&x->seg[1]),
        .ss = segment(&x->seg[2]), .ds = segment(&x->seg[3]),
        .fs = segment(&x->seg[4]), .gs = segment(&x->seg[5]),
        .ldt = segment(&x->ldt), .tr = segment(&x->tr),
        .gdt = { .limit = x->gdt.limit, .base = x->gdt.base },
        .idt = { .limit = x->idt.limit, .base = x->idt.base },
        .cr = { x->cr0, 0, x->cr2, x->cr3, x->cr4 },
        .kernel_gs_base = x->kernelgsbase,
    };

    memcpy(d.r, &x->gpr[8], sizeof(d.r));
    put_note(out, "QEMU", 0, &d, sizeof(d));
}

static void put_prstatus64(GByteArray *out, const struct x86_regs *x,
                           uint32_t pid)
{
    const uint64_t *g = x->gpr;
    /* r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax ... */
    const uint64_t regs[27] = {
        g[15], g[14], g[13], g[12], g[5], g[3], g[11], g[10], g[9], g[8],
        g[0], g[1], g[2], g[6], g[7], 0, x->rip, x->seg[1].sel, x->rflags,
        g[4], x->seg[2].sel, x->seg[4].base, x->seg[5].base, x->seg[3].sel,
        x->seg[0].sel, x->seg[4].sel, x->seg[5].sel,
    };
    uint8_t d[PRSTATUS64] = { 0 };

    memcpy(d + PRSTATUS64_PID, &pid, 4);
    memcpy(d + PRSTATUS64_REGS, regs, sizeof(regs));
    put_note(out, "CORE", NT_PRSTATUS, d, sizeof(d));
}

static void put_prstatus32(GByteArray *out, const struct x86_regs *x,
                           uint32_t pid)
{
    const uint64_t *g = x->gpr;
    /* ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss */
    const uint32_t regs[17] = {
        g[3], g[1], g[2], g[6], g[7], g[5], g[0], x->seg[3].sel,
        x->seg[0].sel, x->seg[4].sel, x->seg[5].sel, 0, x->rip,
        x->seg[1].sel, x->rflags, g[4], x->seg[2].sel,
    };
    uint8_t d[PRSTATUS32] = { 0 };

    memcpy(d + PRSTATUS32_PID, &pid, 4);
    memcpy(d + PRSTATUS32_REGS, regs, sizeof(regs));
    put_note(out, "CORE", NT_PRSTATUS, d, sizeof(d));
}

uint16_t cpu_dump_notes(GByteArray *out)
{
    bool lm = false;
    CPUState *cpu;

    if (!cpu_first() || !accel->get_state) {
        return EM_X86_64;
    }
    cpus_synchronize_all();
    lm = cpu_env(cpu_first())->x.efer & EFER_LMA;
    CPU_FOREACH(cpu) {
        const struct x86_regs *x = &cpu_env(cpu)->x;

        if (lm) {
            put_prstatus64(out, x, cpu->cpu_index + 1);
        } else {
            put_prstatus32(out, x, cpu->cpu_index + 1);
        }
    }
    CPU_FOREACH(cpu) {
        put_state(out, &cpu_env(cpu)->x);
    }
    return lm ? EM_X86_64 : EM_386;
}
