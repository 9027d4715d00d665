/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostcmp's second engine: the whole software CPU.  A CPU of the type "max"
 * in a machine of RAM only runs one instruction at CPL 3 behind page tables
 * and an IDT of its own, and stands still after it or at the handler of the
 * exception.  For the rows that are no vector or x87 instructions.
 *
 *   guest memory, virtual = physical (4 KiB pages):
 *   1000h GDT, IDT at 1800h | 3000h TSS | 4000h handlers, 16 bytes each
 *   5000h stack of CPL 0 (top 6000h) | 10000h.. page tables
 *   HC_DATA, HC_CODE as on the host, for CPL 3
 */
#include "hostcmp.h"
#include "exec/runstate.h"
#include "util/module.h"
#include "util/qobject.h"

#define GDT 0x1000
#define IDT 0x1800
#define TSS 0x3000
#define HANDLERS 0x4000
#define STACK 0x6000
#define TABLES 0x10000
#define RAM_SIZE (HC_CODE + 0x1000ull)

static MemoryRegion ram;
static uint8_t *guest;       /* host address of guest memory */
static CPUX86State *env;
static struct x86_regs user; /* at CPL 3, mode as set_mode() said */

static void put64(hwaddr at, uint64_t v)
{
    memcpy(guest + at, &v, 8);
}

static hwaddr next_table = TABLES + 0x1000;

static void map(uint64_t at, unsigned bits)
{
    hwaddr table = TABLES;

    for (int level = 4; level > 1; level--) {
        hwaddr e = table + (at >> (12 + 9 * (level - 1)) & 511) * 8;
        uint64_t v;

        memcpy(&v, guest + e, 8);
        if (!v) {
            v = next_table | 7;
            next_table += 0x1000;
            put64(e, v);
        }
        table = v & ~UINT64_C(0xfff);
    }
    put64(table + (at >> 12 & 511) * 8, at | bits);
}

static uint64_t seg_desc(uint32_t base, uint32_t limit, unsigned attr)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 |
           (uint64_t)(attr & 0xf0ff) << 40 | (uint64_t)(limit >> 16 & 15) << 48 |
           (uint64_t)(base >> 24) << 56;
}

static void set_gate(unsigned n)
{
    uint64_t at = HANDLERS + 16 * n;

    put64(IDT + 16 * n, (at & 0xffff) | 0x8ull << 16 | 0xee00ull << 32 |
                            (at >> 16 & 0xffff) << 48);
}

static void build_tables(void)
{
    for (uint64_t at = 0x1000; at < STACK; at += 0x1000) {
        map(at, 0x63);
    }
    map(HC_DATA, 0x67);
    map(HC_DATA + 0x1000, 0x67);
    map(HC_CODE, 0x67);
    put64(GDT + 0x08, seg_desc(0, 0xfffff, 0xa09b)); /* code of CPL 0 */
    put64(GDT + 0x10, seg_desc(0, 0xfffff, 0xc093));
    put64(GDT + 0x18, seg_desc(TSS, 0x67, 0x008b));
    put64(GDT + 0x20, 0);
    put64(GDT + 0x28, seg_desc(0, 0xfffff, 0xa0fb)); /* CPL 3, 64-bit */
    put64(GDT + 0x30, seg_desc(0, 0xfffff, 0xc0f3));
    put64(GDT + 0x38, seg_desc(0, 0xfffff, 0xc0fb)); /* CPL 3, 32-bit */
    /* 16-bit, with the bases of the pages, as hostcmp's LDT has them. */
    put64(GDT + 0x40, seg_desc(HC_CODE, 0xfff, 0x00fb));
    put64(GDT + 0x48, seg_desc(HC_DATA, HC_DATA_SIZE - 1, 0x00f3));
    put64(TSS + 4, STACK - 16);
    put64(TSS + 0x60, 0x68ull << 48); /* no I/O bitmap */
    for (unsigned i = 0; i < 32; i++) {
        set_gate(i);
        guest[HANDLERS + 16 * i] = 0xf4; /* hlt */
    }
}

static void set_user_regs(void)
{
    struct x86_seg data = { 0, UINT32_MAX, 0xc0f3, 0x33 };

    user.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    user.cr3 = TABLES;
    user.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    user.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    user.xcr0 = 7;
    user.gdt.base = GDT;
    user.gdt.limit = 0x4f;
    user.idt.base = IDT;
    user.idt.limit = 16 * 32 - 1;
    user.tr = (struct x86_seg){ TSS, 0x67, 0x8b, 0x18 };
    user.ldt = (struct x86_seg){ 0, 0, SEG_UNUSABLE, 0 };
    for (int i = 0; i < 6; i++) {
        user.seg[i] = data;
    }
    user.seg[R_CS] = (struct x86_seg){ 0, UINT32_MAX, 0xa0fb, 0x2b };
}

static unsigned cur_mode;

static void set_mode(unsigned mode)
{
    struct x86_seg data = { 0, UINT32_MAX, 0xc0f3, 0x33 };

    cur_mode = mode;
    user.seg[R_CS] = (struct x86_seg){ 0, UINT32_MAX, 0xa0fb, 0x2b };
    if (mode == DECODE_32) {
        user.seg[R_CS] = (struct x86_seg){ 0, UINT32_MAX, 0xc0fb, 0x3b };
    } else if (mode == DECODE_16) {
        user.seg[R_CS] = (struct x86_seg){ HC_CODE, 0xfff, 0x00fb, 0x43 };
        data = (struct x86_seg){ HC_DATA, HC_DATA_SIZE - 1, 0x00f3, 0x4b };
    }
    user.seg[R_DS] = user.seg[R_ES] = user.seg[R_SS] = data;
    env->x = user;
    x86_regs_to_env(env);
}

/* Physical pages around the mapped ones: nothing may change them. */
static const uint32_t canaries[] = {
    HC_DATA - 0x1000, HC_DATA + HC_DATA_SIZE, HC_CODE - 0x1000,
};
#define CANARY 0x5a

static void check_canaries(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(canaries); i++) {
        const uint8_t *p = guest + canaries[i];

        if (p[0] != CANARY || memcmp(p, p + 1, 0xfff)) {
            printf("Bail out! a store has left its page: 0x%x\n", canaries[i]);
            abort();
        }
    }
}

static void setup(void)
{
    g_autoptr(QObject) list = qlist_new();
    QObject *opts = qdict_new();
    Error *err = NULL;
    g_autoptr(QObject) vendor = NULL;
    uint32_t v[3];
    Object *obj;

    for (int type = 0; type < MODULE_TYPES; type++) {
        module_call_init(type);
    }
    bql_lock();
    memory_map_init();
    qdict_put(opts, "accel", qstring_new("tcg"));
    qdict_put(opts, "x-jit-threshold", qstring_new(hc_jit ? "0" : "9999999"));
    qlist_append(list, opts);
    if (!accel_start(list, &err) ||
        !memory_region_init_ram(&ram, NULL, "hostcmp", RAM_SIZE, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    memory_region_add_subregion(system_memory(), 0, &ram);
    guest = memory_region_ram_ptr(&ram);
    obj = object_new("max-x86_64-cpu");
    /* The host's kind: Intel's and AMD's differ in a few instructions. */
    __asm__("cpuid" : "=b"(v[0]), "=d"(v[1]), "=c"(v[2]) : "a"(0), "2"(0));
    vendor = qstring_printf("%.12s", (char *)v);
    if (!object_set(obj, "vendor", vendor, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    if (!device_realize((DeviceState *)obj, NULL, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    current_cpu = (CPUState *)obj;
    env = cpu_env(current_cpu);
    build_tables();
    for (unsigned i = 0; i < ARRAY_SIZE(canaries); i++) {
        memset(guest + canaries[i], CANARY, 0x1000);
    }
    user = env->x;
    set_user_regs();
    set_mode(DECODE_64);
    bql_unlock();
}

/* What the handlers' HLT left: back to CPL 3. */
static void back_to_user(void)
{
    static const int segs[] = { R_CS, R_SS, R_DS, R_ES };

    current_cpu->halted = false;
    env->eflags_sys &= ~(FL_IOPL | FL_NT | FL_RF);
    for (unsigned i = 0; i < ARRAY_SIZE(segs); i++) {
        const struct x86_seg *s = &user.seg[segs[i]];

        x86_set_seg(env, segs[i], s->sel, s->base, s->limit, s->attr);
    }
    x86_set_cpl(env, 3);
    x86_update_mode(env);
}

/*
 * The instruction's successors are UD2, each handler is HLT: it runs as any
 * code does, in blocks, until it stands at a handler.
 */
static int engine(const struct host_regs *in, struct host_regs *out,
                  const struct insn *insn)
{
    uint8_t *mem = (uint8_t *)(uintptr_t)HC_DATA;
    uint64_t base = cur_mode == DECODE_16 ? HC_CODE : 0, rip, frame[5];
    int fault;

    memcpy(guest + HC_DATA, mem, HC_DATA_SIZE);
    memcpy(guest + HC_CODE, (void *)(uintptr_t)HC_CODE, insn->len);
    memcpy(guest + HC_CODE + insn->len, "\x0f\x0b", 2);
    memcpy(guest + HC_TAKEN, "\x0f\x0b", 2);
    x86_code_written(HC_CODE, 128);
    memcpy(env->regs, in->gpr, sizeof(in->gpr));
    memcpy(env->x.xsave, in->xsave, 832);
    env->rip = HC_CODE - base;
    x86_set_eflags(env, in->rflags);
    while (x86_interp_run(env) != VCPU_EXIT_HALTED) {
    }
    fault = (env->rip - HANDLERS) / 16;
    /* Less the error code. */
    memcpy(frame, guest + env->regs[R_SP] + (BIT(fault) & 0x27d00 ? 8 : 0),
           sizeof(frame));
    memcpy(out->gpr, env->regs, sizeof(out->gpr));
    out->gpr[R_SP] = frame[3];
    out->rflags = frame[2];
    rip = frame[0] + base;
    out->rip = 0;
    if (fault == EXCP_UD && rip == HC_CODE + insn->len) {
        fault = -1;
    } else if (fault == EXCP_UD && rip == HC_TAKEN) {
        out->rip = 1;
        fault = -1;
    }
    check_canaries();
    memcpy(out->xsave, env->x.xsave, 832);
    memcpy(mem, guest + HC_DATA, HC_DATA_SIZE);
    back_to_user();
    return fault + 1;
}

static bool has_name(const struct x86_row *row, const char *names)
{
    g_autofree char *word = g_strdup_printf(" %s ", row->name);

    return strstr(names, word) != NULL;
}

/*
 * Rows with other tests (hostcmp's names for them are in docs/cpu.md): what
 * they do depends on the system's tables and registers.  Privileged rows are
 * here for their fault.
 */
static bool is_system(const struct x86_row *row)
{
    static const char names[] =
        " cpuid rdtsc rdtscp rdpmc rdrand rdseed rdpid syscall sysenter int "
        "iret sgdt sidt sldt str smsw lar lsl verr verw "
        "lds les lss lfs lgs retf callf jmpf rdfsbase rdgsbase "
        "wrfsbase wrgsbase xabort xbegin xend xtest vmcall vmmcall umonitor "
        "umwait tpause ";
    const char *ops = strrchr(row->form, ' ');

    return has_name(row, names) || row->op == OP_MOV_SEG ||
           row->op == OP_MOV_TO_SEG ||
           ((has_name(row, " push pop ")) && strlen(ops) == 3 &&
            ops[2] == 'S');
}

static bool covers(const struct x86_row *row)
{
    return (row->unit == UNIT_INT && !is_system(row)) ||
           (hc_jit && row->unit != UNIT_INT && row->unit != UNIT_FXSR &&
            row->unit != UNIT_XSAVE && !has_name(row, " fnstenv fnsave "));
}

static uint64_t insn_ea(const struct insn *i, const struct host_regs *s,
                        unsigned mode)
{
    uint64_t ea = (uint64_t)(int64_t)i->disp;

    if (i->base == INSN_RIP) {
        ea += HC_CODE + i->len;
    } else if (i->base < 16) {
        ea += s->gpr[i->base];
    }
    if (i->index < 16) {
        ea += s->gpr[i->index] << i->scale;
    }
    ea = i->addrsize == 8 ? ea : i->addrsize == 4 ? (uint32_t)ea
                                                  : (uint16_t)ea;
    return mode == DECODE_16 ? HC_DATA + ea : ea;
}

static void poke(uint8_t *mem, uint64_t at, uint64_t v, unsigned size)
{
    if (at >= HC_DATA && at + size <= HC_DATA + HC_DATA_SIZE) {
        memcpy(mem + (at - HC_DATA), &v, size);
    }
}

static bool prepare(const struct insn *insn, uint8_t *code,
                    struct host_regs *s, uint8_t *mem, unsigned mode)
{
    const struct x86_row *row = insn_row(insn);
    unsigned word = mode == DECODE_64 ? 8 : mode == DECODE_32 ? 4 : 2;
    uint64_t sp = s->gpr[R_SP] + (mode == DECODE_16 ? HC_DATA : 0);
    uint64_t taken = mode == DECODE_16 ? HC_TAKEN - HC_CODE : HC_TAKEN;
    bool reg = OPND_FILE(insn->opnd[0]) == OPND_GPR;

    if (row->class_ == CLASS_BRANCH && insn->prefix & PFX_66) {
        return false; /* Intel and AMD differ */
    }
    if (mode == DECODE_16 && insn->seg == R_CS) {
        return false; /* would read the code, and behind it things differ */
    }
    if ((insn->prefix & PFX_67) && row->class_ == CLASS_STRING) {
        s->gpr[R_CX] = (uint32_t)s->gpr[R_CX]; /* cut or not if ECX is 0 */
    }
    if (has_name(row, " xlat ")) {
        /* Within the data: a stray address may be somebody's on the host. */
        s->gpr[R_BX] = (mode == DECODE_16 ? 0 : HC_DATA) +
                       s->gpr[R_BX] % (HC_DATA_SIZE - 256);
    }
    if (insn->addrsize == 4 && mode == DECODE_64 && row->opcode == 0xa3) {
        /* BT: a far bit may be in somebody's memory on the host. */
        s->gpr[insn->opnd[1] & 15] %= 1 << 20;
    }
    if (insn->op == OP_MOVDIR64B) {
        uint64_t *to = &s->gpr[insn->opnd[0] & 15];

        *to = (mode == DECODE_16 ? 0 : HC_DATA) + *to % HC_DATA_SIZE;
        *to &= *to & 0x800 ? ~UINT64_C(0) : ~UINT64_C(63);
    }
    if (row->priv == PRIV_IO) {
        s->gpr[R_CX] |= 1; /* REP of nothing: fault or not, by processor */
    }
    if (insn->op == OP_JCC || insn->op == OP_LOOP || insn->op == OP_LOOPE ||
        insn->op == OP_LOOPNE || insn->op == OP_JCXZ ||
        insn->op == OP_JMP || insn->op == OP_CALL) {
        int32_t d = (int32_t)(HC_TAKEN - HC_CODE) - insn->len;
        bool wide = row->opcode >= 0xe8 && row->opcode <= 0xe9;

        unsigned size;

        wide |= row->map == 1;
        size = !wide ? 1 : mode == DECODE_16 ? 2 : 4;
        memcpy(code + insn->len - size, &d, size);
        s->gpr[R_CX] = s->gpr[R_CX] % 3 ? s->gpr[R_CX] : s->gpr[R_CX] % 2;
        return true;
    }
    if (has_name(row, " jmp call ")) {
        if (insn->prefix & PFX_SEG) {
            return false;
        }
        if (reg && (insn->opnd[0] & 15) == R_SP) {
            return false;
        }
        if (reg) {
            s->gpr[insn->opnd[0] & 15] = taken;
        } else {
            poke(mem, insn_ea(insn, s, mode), taken, word);
        }
    } else if (has_name(row, " ret ")) {
        poke(mem, sp, taken, word);
    } else if (insn->op == OP_POPF) {
        uint64_t v = 0;

        memcpy(&v, mem + (sp - HC_DATA), 8);
        poke(mem, sp, (v & (FL_ARITH | FL_IOPL | FL_ID | FL_RF)) |
                                    FL_IF, 8);
    } else if (has_name(row, " shld shrd ") && insn->opsize == 2) {
        s->gpr[R_CX] &= ~UINT64_C(0x10); /* more than 16: undefined */
        if (insn->opnd[2] != R_CX && (insn->imm & 0x10)) {
            return false;
        }
    } else if (insn->op == OP_ENTER) {
        code[insn->len - 2] = 0; /* a small frame */
    }
    return true;
}

/* Flags a shift or rotate leaves undefined by its count. */
static uint32_t undefined(const struct insn *insn, const struct host_regs *s)
{
    const struct x86_row *row = insn_row(insn);
    unsigned count, bits = insn->opsize * 8, n;
    bool shift = has_name(row, " shl shr sar "), dbl;

    dbl = has_name(row, " shld shrd ");
    if (!shift && !dbl && !has_name(row, " rol ror rcl rcr ")) {
        return 0;
    }
    n = dbl ? 2 : 1;
    if (row->opcode == 0xd0 || row->opcode == 0xd1) {
        count = 1;
    } else if (OPND_FILE(insn->opnd[n]) == OPND_IMM) {
        count = insn->imm;
    } else {
        count = s->gpr[R_CX];
    }
    count &= bits == 64 ? 63 : 31;
    if (!count) {
        return 0;
    }
    return (count == 1 ? 0 : FL_OF) | (shift || dbl ? FL_AF : 0) |
           (count > bits - (dbl ? 0 : shift ? 0 : 64) ? FL_CF : 0);
}

static bool lacks(const struct x86_row *row)
{
    return !(env->cpu->decode_feat >> row->feat & 1);
}

const struct hc_side hc_side = {
    .setup = setup,
    .set_mode = set_mode,
    .covers = covers,
    .prepare = prepare,
    .undefined = undefined,
    .lacks = lacks,
    .engine = engine,
    .edges = true,
};
