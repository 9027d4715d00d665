/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU for monitors: registers as text and by name, page tables, memory at
 * virtual addresses, disassembly.  All on the vCPU's thread between two
 * instructions (cpu_run_on), with the state in the common format.
 */
#include "osdep.h"
#include "cpu.h"
#include "decode.h"
#include "exec/cpu-debug.h"

struct query {
    void (*fn)(CPUX86State *env, struct query *q);
    GString *out;
    const char *name;
    uint64_t val;
    vaddr addr;
    hwaddr phys;
    uint8_t *buf;
    size_t size;
    bool flag, ok;
};

static void query_run(CPUState *cs, void *opaque)
{
    struct query *q = opaque;

    if (accel && accel->get_state) {
        accel->get_state(cs);
    }
    q->fn(cpu_env(cs), q);
}

static bool query(CPUState *cs, struct query *q)
{
    cpu_run_on(cs, query_run, q);
    return q->ok;
}

/* ---- registers ---- */

static void q_dump(CPUX86State *env, struct query *q)
{
    x86_dump_regs(env, q->out, q->flag);
}

void cpu_dump(CPUState *cs, bool fpu, GString *out)
{
    struct query q = { .fn = q_dump, .out = out, .flag = fpu };

    query(cs, &q);
}

void cpu_dump_lapic(CPUState *cs, GString *out)
{
    if (X86_CPU(cs)->apic && x86_apic_ops) {
        x86_apic_ops->print(X86_CPU(cs)->apic, out);
    } else {
        g_string_append(out, "the CPU has no local APIC in user space\n");
    }
}

static const char *const gpr_names[16] = {
    "ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
    "8", "9", "10", "11", "12", "13", "14", "15",
};
static const char *const seg_names[6] = { "es", "cs", "ss", "ds", "fs", "gs" };

static bool find_seg(const struct x86_regs *x, const char *name, uint64_t *v)
{
    for (int i = 0; i < 6; i++) {
        if (strncmp(name, seg_names[i], 2)) {
            continue;
        }
        if (!name[2]) {
            *v = x->seg[i].sel;
        } else if (!strcmp(name + 2, ".base")) {
            *v = x->seg[i].base;
        } else if (!strcmp(name + 2, ".limit")) {
            *v = x->seg[i].limit;
        } else {
            return false;
        }
        return true;
    }
    return false;
}

static void q_register(CPUX86State *env, struct query *q)
{
    const struct x86_regs *x = &env->x;
    const char *name = q->name;
    const struct { const char *name; uint64_t val; } other[] = {
        { "pc", x->rip + (x->cr0 & CR0_PE && x->efer & EFER_LMA &&
                          x->seg[R_CS].attr & SEG_L ? 0
                                                    : x->seg[R_CS].base) },
        { "eip", x->rip }, { "rip", x->rip }, { "eflags", x->rflags },
        { "rflags", x->rflags }, { "cr0", x->cr0 }, { "cr2", x->cr2 },
        { "cr3", x->cr3 }, { "cr4", x->cr4 }, { "cr8", x->cr8 },
        { "efer", x->efer }, { "dr6", x->dr[6] }, { "dr7", x->dr[7] },
        { "gdt", x->gdt.base }, { "idt", x->idt.base },
        { "ldt", x->ldt.sel }, { "tr", x->tr.sel },
    };

    q->ok = true;
    if (find_seg(x, name, &q->val)) {
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(other); i++) {
        if (!strcmp(name, other[i].name)) {
            q->val = other[i].val;
            return;
        }
    }
    for (int i = 0; i < 16; i++) {
        bool wide = *name == 'r', cut = *name == 'e' && i < 8;

        if ((wide || cut) && !strcmp(name + 1, gpr_names[i])) {
            q->val = wide ? x->gpr[i] : (uint32_t)x->gpr[i];
            return;
        }
        if (i < 8 && !strcmp(name, gpr_names[i])) {
            q->val = (uint16_t)x->gpr[i];
            return;
        }
    }
    q->ok = false;
}

bool cpu_register(CPUState *cs, const char *name, uint64_t *val)
{
    struct query q = { .fn = q_register, .name = name };

    if (query(cs, &q)) {
        *val = q.val;
    }
    return q.ok;
}

/* ---- page tables ---- */

#define PTE_P   1u
#define PTE_W   2u
#define PTE_U   4u
#define PTE_PS  0x80u

struct tables {
    CPUX86State *env;
    GString *out;
    void (*leaf)(struct tables *t, vaddr at, uint64_t size, uint64_t pte,
                 uint64_t rights);
    bool pae, pse, la;       /* entries of 8 bytes; 4 MB pages; long mode */
    /* info mem: the range that grows. */
    vaddr start;
    uint64_t next;
    unsigned prot;           /* 0: none */
};

static uint64_t entry(struct tables *t, hwaddr pa)
{
    uint8_t b[8] = { 0 };
    uint64_t v;

    address_space_read(x86_cpu_as(t->env), pa & t->env->a20_mask,
                       MEMTXATTRS_UNSPECIFIED, b, t->pae ? 8 : 4);
    memcpy(&v, b, 8);
    return v;
}

static vaddr canonical(const struct tables *t, vaddr at)
{
    return t->la && (at & BIT(47)) ? at | ~(BIT(48) - 1) : at;
}

/* @rights: W and U of the levels above. */
static void table_walk(struct tables *t, hwaddr table, int level, vaddr base,
                       unsigned count, uint64_t rights)
{
    unsigned shift = t->pae ? 12 + 9 * (level - 1) : 12 + 10 * (level - 1);

    for (unsigned i = 0; i < count; i++) {
        uint64_t e = entry(t, table + i * (t->pae ? 8 : 4));
        vaddr at = base + ((uint64_t)i << shift);
        uint64_t r = rights & e;

        if (!(e & PTE_P)) {
            continue;
        }
        if (t->pae && !t->la && level == 3) {
            r = rights; /* a PDPTE has no rights */
        } else if (level == 1 ||
                   ((e & PTE_PS) && level < 4 && (t->pae || t->pse))) {
            t->leaf(t, canonical(t, at), BIT(shift), e, r);
            continue;
        }
        table_walk(t, t->pae ? e & t->env->phys_mask & ~UINT64_C(0xfff)
                             : e & 0xfffff000,
                   level - 1, at, t->pae ? 512 : 1024, r);
    }
}

static void walk_all(CPUX86State *env, struct tables *t)
{
    const struct x86_regs *x = &env->x;

    if (!(x->cr0 & CR0_PG)) {
        g_string_append(t->out, "PG disabled\n");
        return;
    }
    t->env = env;
    t->pae = x->cr4 & CR4_PAE;
    t->pse = x->cr4 & CR4_PSE;
    t->la = x->efer & EFER_LMA;
    if (t->la) {
        table_walk(t, x->cr3 & env->phys_mask & ~UINT64_C(0xfff), 4, 0, 512,
                   PTE_W | PTE_U);
    } else if (t->pae) {
        table_walk(t, x->cr3 & 0xffffffe0, 3, 0, 4, PTE_W | PTE_U);
    } else {
        table_walk(t, x->cr3 & 0xfffff000, 2, 0, 1024, PTE_W | PTE_U);
    }
}

static void print_leaf(struct tables *t, vaddr at, uint64_t size, uint64_t pte,
                       uint64_t rights)
{
    static const struct { uint64_t bit; char c; } flags[] = {
        { BIT(63), 'X' }, { BIT(8), 'G' }, { BIT(7), 'P' }, { BIT(6), 'D' },
        { BIT(5), 'A' }, { BIT(4), 'C' }, { BIT(3), 'T' }, { BIT(2), 'U' },
        { BIT(1), 'W' },
    };
    uint64_t frame = pte & t->env->phys_mask & ~(size - 1) &
                     ~UINT64_C(0xfff);

    if (!t->pae) {
        frame = (uint32_t)pte & ~(size - 1);
        frame |= size > 4096 ? (pte >> 13 & 0xff) << 32 : 0;
    }
    g_string_append_printf(t->out, "%016" PRIx64 ": %016" PRIx64 " ",
                           (uint64_t)at, frame);
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        g_string_append_c(t->out, pte & flags[i].bit ? flags[i].c : '-');
    }
    g_string_append_c(t->out, '\n');
}

static void q_tlb(CPUX86State *env, struct query *q)
{
    struct tables t = { .out = q->out, .leaf = print_leaf };

    walk_all(env, &t);
}

void cpu_dump_tlb(CPUState *cs, GString *out)
{
    struct query q = { .fn = q_tlb, .out = out };

    query(cs, &q);
}

static void end_range(struct tables *t)
{
    if (t->prot) {
        g_string_append_printf(t->out, "%016" PRIx64 "-%016" PRIx64 " %016"
                               PRIx64 " %cr%c\n", (uint64_t)t->start, t->next,
                               t->next - t->start,
                               t->prot & PTE_U ? 'u' : '-',
                               t->prot & PTE_W ? 'w' : '-');
    }
}

static void join_leaf(struct tables *t, vaddr at, uint64_t size, uint64_t pte,
                      uint64_t rights)
{
    unsigned prot = PTE_P | (rights & (PTE_W | PTE_U));

    if (at != t->next || prot != t->prot) {
        end_range(t);
        t->start = at;
        t->prot = prot;
    }
    t->next = at + size;
}

static void q_mem(CPUX86State *env, struct query *q)
{
    struct tables t = { .out = q->out, .leaf = join_leaf };

    walk_all(env, &t);
    end_range(&t);
}

void cpu_dump_mem(CPUState *cs, GString *out)
{
    struct query q = { .fn = q_mem, .out = out };

    query(cs, &q);
}

/* ---- memory ---- */

static void q_translate(CPUX86State *env, struct query *q)
{
    q->ok = x86_translate_debug(env, q->addr, &q->phys);
}

bool cpu_translate(CPUState *cs, vaddr addr, hwaddr *phys)
{
    struct query q = { .fn = q_translate, .addr = addr };

    if (query(cs, &q)) {
        *phys = q.phys;
    }
    return q.ok;
}

static void q_memory(CPUX86State *env, struct query *q)
{
    AddressSpace *as = x86_cpu_as(env);

    while (q->size) {
        size_t n = MIN(q->size, 4096 - (q->addr & 4095));
        hwaddr phys;

        if (!x86_translate_debug(env, q->addr, &phys)) {
            return;
        }
        if (!q->flag) {
            address_space_read(as, phys, MEMTXATTRS_UNSPECIFIED, q->buf, n);
        } else {
            address_space_write_rom(as, phys, q->buf, n);
        }
        q->addr += n;
        q->buf += n;
        q->size -= n;
    }
    q->ok = true;
}

bool cpu_memory_rw(CPUState *cs, vaddr addr, void *buf, size_t size,
                   bool write)
{
    struct query q = { .fn = q_memory, .addr = addr, .buf = buf, .size = size,
                       .flag = write };

    return query(cs, &q);
}

static void q_mode(CPUX86State *env, struct query *q)
{
    uint32_t attr = env->x.seg[R_CS].attr;

    q->val = (env->x.efer & EFER_LMA) && (attr & SEG_L) ? DECODE_64
             : attr & SEG_DB                            ? DECODE_32
                                                        : DECODE_16;
}

int cpu_disas(CPUState *cs, const uint8_t *bytes, size_t avail, vaddr pc,
              char *buf, size_t size)
{
    struct query q = { .fn = q_mode };

    query(cs, &q);
    return disas_bytes(buf, size, bytes, avail, pc, q.val);
}
