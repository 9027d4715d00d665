/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers as gdb numbers them: the features org.gnu.gdb.i386.core, .sse and
 * .segments of the GDB manual ("i386 Features"), then the system registers.
 * CPUs without long mode show eight general and vector registers.
 */
#include "osdep.h"
#include "cpu.h"
#include "exec/cpu-debug.h"

enum kind { GPR, PC, FLAGS, SEL, BASE, ST, X87, XMM, MXCSR, SYS };
struct reg {
    enum kind kind;
    uint8_t index, size;
    const char *name, *type, *group;
};
enum { SYS_CR0, SYS_CR2, SYS_CR3, SYS_CR4, SYS_CR8, SYS_EFER, SYS_KGS };

struct layout {
    GArray *regs;    /* struct reg */
    unsigned g;      /* how many stand in `g` */
    char *xml;
};
static struct layout layouts[2]; /* without and with long mode */

static void add(struct layout *l, enum kind kind, unsigned index,
                unsigned size, const char *name, const char *type,
                const char *group)
{
    struct reg r = { kind, index, size, g_intern_string(name), type, group };

    g_array_append_val(l->regs, r);
}

static void add_core(struct layout *l, bool lm)
{
    static const char *const low[] = { "ax", "bx", "cx", "dx", "si", "di",
                                       "bp", "sp" };
    static const char *const low32[] = { "ax", "cx", "dx", "bx", "sp", "bp",
                                         "si", "di" };
    static const uint8_t order[] = { R_AX, R_BX, R_CX, R_DX, R_SI, R_DI, R_BP,
                                     R_SP };
    static const uint8_t segs[] = { R_CS, R_SS, R_DS, R_ES, R_FS, R_GS };
    static const char *const seg[] = { "cs", "ss", "ds", "es", "fs", "gs" };
    static const char *const x87[] = { "fctrl", "fstat", "ftag", "fiseg",
                                       "fioff", "foseg", "fooff", "fop" };
    unsigned word = lm ? 8 : 4;
    char name[8];

    for (unsigned i = 0; i < (lm ? 16u : 8u); i++) {
        unsigned r = i >= 8 ? i : lm ? order[i] : i;
        bool ptr = r == R_SP || r == R_BP;

        if (i < 8) {
            snprintf(name, sizeof(name), "%c%s", lm ? 'r' : 'e',
                     lm ? low[i] : low32[i]);
        } else {
            snprintf(name, sizeof(name), "r%u", i);
        }
        add(l, GPR, r, word, name,
            ptr ? "data_ptr" : lm ? "int64" : "int32", NULL);
    }
    add(l, PC, 0, word, lm ? "rip" : "eip", "code_ptr", NULL);
    add(l, FLAGS, 0, 4, "eflags", "x86_eflags", NULL);
    for (int i = 0; i < 6; i++) {
        add(l, SEL, segs[i], 4, seg[i], "int32", NULL);
    }
    for (unsigned i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "st%u", i);
        add(l, ST, i, 10, name, "i387_ext", NULL);
    }
    for (unsigned i = 0; i < 8; i++) {
        add(l, X87, i, 4, x87[i], "int", "float");
    }
}

static const char flags_xml[] =
    "<flags id=\"x86_eflags\" size=\"4\">"
    "<field name=\"CF\" start=\"0\" end=\"0\"/>"
    "<field name=\"\" start=\"1\" end=\"1\"/>"
    "<field name=\"PF\" start=\"2\" end=\"2\"/>"
    "<field name=\"AF\" start=\"4\" end=\"4\"/>"
    "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
    "<field name=\"SF\" start=\"7\" end=\"7\"/>"
    "<field name=\"TF\" start=\"8\" end=\"8\"/>"
    "<field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/>"
    "<field name=\"OF\" start=\"11\" end=\"11\"/>"
    "<field name=\"IOPL\" start=\"12\" end=\"13\"/>"
    "<field name=\"NT\" start=\"14\" end=\"14\"/>"
    "<field name=\"RF\" start=\"16\" end=\"16\"/>"
    "<field name=\"VM\" start=\"17\" end=\"17\"/>"
    "<field name=\"AC\" start=\"18\" end=\"18\"/>"
    "<field name=\"VIF\" start=\"19\" end=\"19\"/>"
    "<field name=\"VIP\" start=\"20\" end=\"20\"/>"
    "<field name=\"ID\" start=\"21\" end=\"21\"/></flags>";
static const char vec_xml[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
    "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
    "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
    "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
    "<field name=\"v2_double\" type=\"v2d\"/>"
    "<field name=\"v16_int8\" type=\"v16i8\"/>"
    "<field name=\"v8_int16\" type=\"v8i16\"/>"
    "<field name=\"v4_int32\" type=\"v4i32\"/>"
    "<field name=\"v2_int64\" type=\"v2i64\"/>"
    "<field name=\"uint128\" type=\"uint128\"/></union>"
    "<flags id=\"x86_mxcsr\" size=\"4\">"
    "<field name=\"IE\" start=\"0\" end=\"0\"/>"
    "<field name=\"DE\" start=\"1\" end=\"1\"/>"
    "<field name=\"ZE\" start=\"2\" end=\"2\"/>"
    "<field name=\"OE\" start=\"3\" end=\"3\"/>"
    "<field name=\"UE\" start=\"4\" end=\"4\"/>"
    "<field name=\"PE\" start=\"5\" end=\"5\"/>"
    "<field name=\"DAZ\" start=\"6\" end=\"6\"/>"
    "<field name=\"IM\" start=\"7\" end=\"7\"/>"
    "<field name=\"DM\" start=\"8\" end=\"8\"/>"
    "<field name=\"ZM\" start=\"9\" end=\"9\"/>"
    "<field name=\"OM\" start=\"10\" end=\"10\"/>"
    "<field name=\"UM\" start=\"11\" end=\"11\"/>"
    "<field name=\"PM\" start=\"12\" end=\"12\"/>"
    "<field name=\"RC\" start=\"13\" end=\"14\"/>"
    "<field name=\"FZ\" start=\"15\" end=\"15\"/></flags>";

static void begin_feature(GString *s, const char *name, const char *types)
{
    g_string_append_printf(s, "<feature name=\"%s\">%s", name, types);
}

static void put_regs(GString *s, const struct layout *l, unsigned from)
{
    for (unsigned i = from; i < l->regs->len; i++) {
        const struct reg *r = &g_array_index(l->regs, struct reg, i);

        g_string_append_printf(s, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\""
                               " regnum=\"%u\"%s%s%s/>", r->name, r->size * 8,
                               r->type, i, r->group ? " group=\"" : "",
                               r->group ? r->group : "",
                               r->group ? "\"" : "");
    }
    g_string_append(s, "</feature>");
}

static const struct layout *layout_of(CPUState *cs)
{
    static const struct { const char *name; uint8_t index; } sys[] = {
        { "k_gs_base", SYS_KGS }, { "cr0", SYS_CR0 }, { "cr2", SYS_CR2 },
        { "cr3", SYS_CR3 }, { "cr4", SYS_CR4 }, { "cr8", SYS_CR8 },
        { "efer", SYS_EFER },
    };
    bool lm = X86_CPU(cs)->features[FW_8_1_EDX] >> 29 & 1;
    struct layout *l = &layouts[lm];
    unsigned from = 0;
    GString *s;
    char name[8];

    if (l->regs) {
        return l;
    }
    l->regs = g_array_new(FALSE, FALSE, sizeof(struct reg));
    s = g_string_new("<?xml version=\"1.0\"?>"
                     "<!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>");
    g_string_append_printf(s, "<architecture>%s</architecture>",
                           lm ? "i386:x86-64" : "i386");
    add_core(l, lm);
    begin_feature(s, "org.gnu.gdb.i386.core", flags_xml);
    put_regs(s, l, from);
    from = l->regs->len;
    for (unsigned i = 0; i < (lm ? 16u : 8u); i++) {
        snprintf(name, sizeof(name), "xmm%u", i);
        add(l, XMM, i, 16, name, "vec128", NULL);
    }
    add(l, MXCSR, 0, 4, "mxcsr", "x86_mxcsr", "vector");
    begin_feature(s, "org.gnu.gdb.i386.sse", vec_xml);
    put_regs(s, l, from);
    from = l->regs->len;
    if (lm) {
        add(l, BASE, R_FS, 8, "fs_base", "int64", NULL);
        add(l, BASE, R_GS, 8, "gs_base", "int64", NULL);
        begin_feature(s, "org.gnu.gdb.i386.segments", "");
        put_regs(s, l, from);
        from = l->regs->len;
    }
    for (unsigned i = lm ? 0 : 1; i < ARRAY_SIZE(sys); i++) {
        add(l, SYS, sys[i].index, 8, sys[i].name, "int64", "system");
    }
    begin_feature(s, "org.qemu.gdb.i386.sys", "");
    put_regs(s, l, from);
    g_string_append(s, "</target>");
    l->g = l->regs->len;
    l->xml = g_string_free(s, FALSE);
    return l;
}

const char *cpu_gdb_xml(CPUState *cs)
{
    return layout_of(cs)->xml;
}

const char *cpu_gdb_arch(CPUState *cs)
{
    return layout_of(cs) == &layouts[1] ? "i386:x86-64" : "i386";
}

unsigned cpu_gdb_core_regs(CPUState *cs)
{
    return layout_of(cs)->g;
}

struct access {
    const struct reg *reg;
    uint8_t *buf;
    bool write;
};

/* The full tag word: 11 for empty; gdb tells valid from zero itself. */
static uint32_t full_tags(uint8_t abridged)
{
    uint32_t v = 0;

    for (int i = 0; i < 8; i++) {
        v |= abridged >> i & 1 ? 0 : 3u << 2 * i;
    }
    return v;
}

static uint8_t abridged_tags(uint32_t full)
{
    uint8_t v = 0;

    for (int i = 0; i < 8; i++) {
        v |= (full >> 2 * i & 3) == 3 ? 0 : 1 << i;
    }
    return v;
}

static void access_x87(struct x86_regs *x, unsigned n, uint8_t *buf,
                       bool write)
{
    static const struct { uint8_t at, size; } place[8] = {
        { XS_FCW, 2 }, { XS_FSW, 2 }, { XS_FTW, 1 }, { XS_FIP + 4, 2 },
        { XS_FIP, 4 }, { XS_FDP + 4, 2 }, { XS_FDP, 4 }, { XS_FOP, 2 },
    };
    uint32_t v = 0;

    if (write) {
        memcpy(&v, buf, 4);
        v = n == 2 ? abridged_tags(v) : v;
        memcpy(x->xsave + place[n].at, &v, place[n].size);
        return;
    }
    memcpy(&v, x->xsave + place[n].at, place[n].size);
    v = n == 2 ? full_tags(v) : v;
    memcpy(buf, &v, 4);
}

static uint64_t *sys_place(struct x86_regs *x, unsigned n)
{
    uint64_t *const place[] = {
        [SYS_CR0] = &x->cr0, [SYS_CR2] = &x->cr2, [SYS_CR3] = &x->cr3,
        [SYS_CR4] = &x->cr4, [SYS_CR8] = &x->cr8, [SYS_EFER] = &x->efer,
        [SYS_KGS] = &x->kernelgsbase,
    };

    return place[n];
}

/* A selector: its segment too where loading it cannot fault. */
static void write_sel(struct x86_regs *x, unsigned seg, uint16_t sel)
{
    struct x86_seg *s = &x->seg[seg];

    s->sel = sel;
    if (!(x->cr0 & CR0_PE) || (x->rflags & FL_VM)) {
        s->base = (uint64_t)sel << 4;
    }
}

static void write_reg(struct x86_regs *x, const struct reg *r, uint8_t *buf)
{
    uint64_t v = 0;

    memcpy(&v, buf, MIN(r->size, 8));
    switch (r->kind) {
    case GPR:
        x->gpr[r->index] = v;
        break;
    case PC:
        x->rip = v;
        break;
    case FLAGS:
        x->rflags = (v & 0x3f7fd5) | FL_1;
        break;
    case SEL:
        if ((uint16_t)v != x->seg[r->index].sel) {
            write_sel(x, r->index, v);
        }
        break;
    case BASE:
        x->seg[r->index].base = v;
        break;
    case ST:
        memcpy(x->xsave + XS_ST(r->index), buf, 10);
        break;
    case X87:
        access_x87(x, r->index, buf, true);
        break;
    case XMM:
        memcpy(x->xsave + XS_XMM(r->index), buf, 16);
        x->xsave[XS_XSTATE_BV] |= 2;
        break;
    case MXCSR:
        v &= 0xffff;
        memcpy(x->xsave + XS_MXCSR, &v, 4);
        break;
    case SYS:
        *sys_place(x, r->index) = v;
        break;
    }
}

static void read_reg(struct x86_regs *x, const struct reg *r, uint8_t *buf)
{
    uint64_t v = 0;

    switch (r->kind) {
    case GPR:
        v = x->gpr[r->index];
        break;
    case PC:
        v = x->rip;
        break;
    case FLAGS:
        v = x->rflags;
        break;
    case SEL:
        v = x->seg[r->index].sel;
        break;
    case BASE:
        v = x->seg[r->index].base;
        break;
    case ST:
        memcpy(buf, x->xsave + XS_ST(r->index), 10);
        return;
    case X87:
        access_x87(x, r->index, buf, false);
        return;
    case XMM:
        memcpy(buf, x->xsave + XS_XMM(r->index), 16);
        return;
    case MXCSR:
        memcpy(&v, x->xsave + XS_MXCSR, 4);
        break;
    case SYS:
        v = *sys_place(x, r->index);
        break;
    }
    memcpy(buf, &v, r->size);
}

static void do_access(CPUState *cs, void *opaque)
{
    struct access *a = opaque;
    CPUX86State *env = cpu_env(cs);

    if (accel->get_state) {
        accel->get_state(cs);
    }
    if (!a->write) {
        read_reg(&env->x, a->reg, a->buf);
    } else {
        write_reg(&env->x, a->reg, a->buf);
        accel->put_state(cs);
    }
}

static const struct reg *reg_of(CPUState *cs, unsigned n)
{
    const struct layout *l = layout_of(cs);

    return n < l->regs->len ? &g_array_index(l->regs, struct reg, n) : NULL;
}

size_t cpu_gdb_read(CPUState *cs, unsigned n, uint8_t buf[16])
{
    struct access a = { reg_of(cs, n), buf, false };

    if (!a.reg) {
        return 0;
    }
    memset(buf, 0, 16);
    cpu_run_on(cs, do_access, &a);
    return a.reg->size;
}

size_t cpu_gdb_write(CPUState *cs, unsigned n, const uint8_t *buf,
                     size_t avail)
{
    uint8_t copy[16] = { 0 };
    struct access a = { reg_of(cs, n), copy, true };

    if (!a.reg || avail < a.reg->size) {
        return 0;
    }
    memcpy(copy, buf, a.reg->size);
    cpu_run_on(cs, do_access, &a);
    return a.reg->size;
}

static void do_set_pc(CPUState *cs, void *opaque)
{
    accel->get_state(cs);
    cpu_env(cs)->x.rip = *(vaddr *)opaque;
    accel->put_state(cs);
}

void cpu_gdb_set_pc(CPUState *cs, vaddr pc)
{
    cpu_run_on(cs, do_set_pc, &pc);
}

bool cpu_gdb_watch_hit(CPUState *cs, vaddr *addr, int *type)
{
    CPUX86State *env = cpu_env(cs);

    *addr = env->gdb_watch_addr;
    *type = env->gdb_watch_type;
    env->gdb_watch_type = 0;
    return *type != 0;
}

static void do_step(CPUState *cs, void *opaque)
{
    x86_update_debug(cpu_env(cs));
}

void cpu_gdb_single_step(CPUState *cs, bool on, bool no_irq)
{
    if (cs->singlestep == on && cs->step_no_irq == (on && no_irq)) {
        return;
    }
    cs->singlestep = on;
    cs->step_no_irq = on && no_irq;
    cpu_run_on(cs, do_step, NULL);
}
