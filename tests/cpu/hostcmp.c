/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For each unprivileged row of opcodes.def: random encodings of it on random
 * registers, flags and memory, on the host CPU (in place, under signal
 * handlers) and on the engine under test.
 *
 *   hostcmp [-n STATES] [-s SEED] [-r NAME] [-m BITS] [-v] [-l] [-j]
 *
 * hostcmp has the vector and x87 rows on the units alone, hostcmp-int the
 * others on the whole CPU, in 64-bit mode and on 32- and 16-bit segments;
 * with -j both, in generated code.
 * STATES per row and mode; NAME limits to rows of that mnemonic; -l lists the
 * rows no state is made for.  Compared: general
 * registers, flags but those the row calls undefined, x87, MXCSR, vector
 * registers, memory, and the exception.  Not compared: FIP, FDP and FOP,
 * which differ between processors, and what the two leave in a fault's wake
 * in memory (it must be nothing).
 */
#include "hostcmp.h"
#include <getopt.h>
#include <asm/ldt.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

void host_run(struct host_regs *in, struct host_regs *out, void *code);
extern const char host_exit[], host_abort[];
extern struct { uint32_t offset; uint16_t sel, pad; } host_far;
extern uint16_t host_sels; /* DS, ES, SS */

bool hc_jit;

static uint64_t rng_state;

static uint64_t rnd(void)
{
    /* xorshift64*, Marsaglia and Vigna */
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * UINT64_C(0x2545f4914f6cdd1d);
}

static unsigned below(unsigned n)
{
    return (rnd() >> 33) % n;
}

/* ---- the host's side ------------------------------------------------------ */

static volatile sig_atomic_t host_fault;
static struct host_regs *fault_out;
static volatile bool host_running;

static void on_signal(int sig, siginfo_t *info, void *opaque)
{
    ucontext_t *uc = opaque;
    greg_t *g = uc->uc_mcontext.gregs;
    static const uint8_t order[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
        REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
        REG_R14, REG_R15,
    };

    if (!host_running) {
        signal(sig, SIG_DFL);
        return;
    }
    host_fault = (int)g[REG_TRAPNO] + 1;
    for (int i = 0; i < 16; i++) {
        fault_out->gpr[i] = (uint64_t)g[order[i]];
    }
    fault_out->rflags = (uint64_t)g[REG_EFL];
    memcpy(fault_out->xsave, uc->uc_mcontext.fpregs, 832);
    g[REG_RIP] = (greg_t)(uintptr_t)host_abort;
    /* CS and, in bits 63:48, SS: back to 64-bit mode. */
    g[REG_CSGSFS] = (greg_t)((g[REG_CSGSFS] & 0xffffffff0000) | 0x33 |
                             UINT64_C(0x2b) << 48);
}

static int run_host(const struct host_regs *in, struct host_regs *out)
{
    host_fault = 0;
    fault_out = out;
    memset(out, 0, sizeof(*out));
    host_running = true;
    host_run((struct host_regs *)in, out, (void *)(uintptr_t)HC_CODE);
    host_running = false;
    return host_fault;
}

/*
 * 16-bit code and data come from the LDT, with the bases of the pages.  False:
 * the kernel has none.
 */
static bool host_mode(unsigned mode)
{
    struct user_desc code = {
        .entry_number = 0, .base_addr = HC_CODE, .limit = 0xfff,
        .contents = 2, /* code */
    };
    struct user_desc data = {
        .entry_number = 1, .base_addr = HC_DATA, .limit = HC_DATA_SIZE - 1,
    };

    host_far.sel = mode == DECODE_64 ? 0 : mode == DECODE_32 ? 0x23 : 7;
    host_far.offset = mode == DECODE_16 ? 0 : HC_CODE;
    host_sels = mode == DECODE_16 ? 0xf : 0x2b;
    return mode != DECODE_16 ||
           (syscall(SYS_modify_ldt, 1, &code, sizeof(code)) == 0 &&
            syscall(SYS_modify_ldt, 1, &data, sizeof(data)) == 0);
}

static void host_setup(void)
{
    static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    struct sigaction sa = { .sa_sigaction = on_signal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    static uint8_t stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

    sigaltstack(&ss, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(sigs); i++) {
        sigaction(sigs[i], &sa, NULL);
    }
    if (mmap((void *)(uintptr_t)(HC_DATA - 0x1000), HC_DATA_SIZE + 0x2000,
             PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) == MAP_FAILED ||
        mprotect((void *)(uintptr_t)HC_DATA, HC_DATA_SIZE,
                 PROT_READ | PROT_WRITE) ||
        mmap((void *)(uintptr_t)HC_CODE, 0x1000,
             PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) == MAP_FAILED) {
        printf("1..0 # SKIP no memory that can be written and executed\n");
        exit(0);
    }
}

/* ---- states --------------------------------------------------------------- */

static uint64_t rnd_int(void)
{
    switch (below(6)) {
    case 0:
        return rnd();
    case 1:
        return below(256);
    case 2:
        return (uint64_t)0 - below(256);
    case 3:
        return BIT(below(64)) - below(2);
    case 4:
        return (uint64_t)(int64_t)(int32_t)rnd();
    default:
        return rnd() >> below(64);
    }
}

static uint64_t rnd_double(void)
{
    static const uint64_t special[] = {
        0, 0x8000000000000000, 0x7ff0000000000000, 0xfff0000000000000,
        0x7ff8000000000001, 0x7ff0000000000001, 1, 0x000fffffffffffff,
        0x0010000000000000, 0x7fefffffffffffff, 0x3ff0000000000000,
        0xbff0000000000000, 0x41dfffffffc00000, 0xc1e0000000000000,
        0x43e0000000000000, 0xc3e0000000000000, 0x3fe0000000000000,
    };

    switch (below(4)) {
    case 0:
        return special[below(ARRAY_SIZE(special))];
    case 1:
        return rnd();
    default: { /* near one another, so that sums and integers come out */
        uint64_t e = 1023 - 40 + below(110);

        return (rnd() & 0x800fffffffffffff) | e << 52;
    }
    }
}

static uint32_t rnd_float(void)
{
    static const uint32_t special[] = {
        0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 1,
        0x007fffff, 0x00800000, 0x7f7fffff, 0x3f800000, 0xbf800000,
        0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000,
    };

    switch (below(4)) {
    case 0:
        return special[below(ARRAY_SIZE(special))];
    case 1:
        return (uint32_t)rnd();
    default: {
        uint32_t e = 127 - 30 + below(70);

        return ((uint32_t)rnd() & 0x807fffff) | e << 23;
    }
    }
}

static void rnd_vector(uint8_t *p, unsigned size)
{
    unsigned kind = below(4);

    for (unsigned i = 0; i < size; i += 8) {
        uint64_t v;

        switch (kind) {
        case 0:
            v = rnd_double();
            break;
        case 1:
            v = rnd_float() | (uint64_t)rnd_float() << 32;
            break;
        case 2:
            v = rnd();
            break;
        default:
            v = rnd_int();
        }
        memcpy(p + i, &v, 8);
    }
}

static void rnd_st(uint8_t *p)
{
    uint64_t m = rnd() | BIT(63);
    uint16_t se = (uint16_t)((rnd() & 0x8000) | (16383 - 60 + below(140)));

    switch (below(8)) {
    case 0: { /* zero, infinity, NaNs, denormals, unsupported */
        static const uint64_t mant[] = {
            0, BIT(63), 3 * BIT(62), BIT(63) | 1, 1, BIT(62),
        };
        static const uint16_t exps[] = { 0, 0x7fff, 1, 0x7ffe, 0x3fff };

        m = mant[below(ARRAY_SIZE(mant))];
        se = (se & 0x8000) | exps[below(ARRAY_SIZE(exps))];
        break;
    }
    case 1:
        m = rnd();
        se = (uint16_t)rnd();
        break;
    case 2: { /* integers */
        uint64_t v = (rnd_int() & INT64_MAX) | 1;
        int sh = __builtin_clzll(v);

        m = v << sh;
        se = (se & 0x8000) | (16383 + 63 - sh);
        break;
    }
    }
    memcpy(p, &m, 8);
    memcpy(p + 8, &se, 2);
    memset(p + 10, 0, 6);
}

static void narrow(struct host_regs *s, unsigned mode)
{
    for (int i = 0; i < 16; i++) {
        s->gpr[i] = i < 8 ? (uint32_t)s->gpr[i] : 0;
    }
    for (int i = 4; mode == DECODE_16 && i < 8; i++) {
        s->gpr[i] -= HC_DATA; /* segment offsets */
    }
}

static void rnd_state(struct host_regs *s)
{
    uint16_t fcw = 0x37f, fsw, *p16 = (uint16_t *)s->xsave;
    uint32_t mxcsr = 0x1f80;

    for (int i = 0; i < 16; i++) {
        s->gpr[i] = rnd_int();
    }
    s->gpr[R_SP] = HC_DATA + 0x1000 + 8 * below(64);
    s->gpr[R_BP] = HC_DATA + 0x1000 + 8 * below(64);
    s->gpr[R_SI] = HC_DATA + 0x800 + below(512);
    s->gpr[R_DI] = HC_DATA + 0x1000 + below(512);
    s->gpr[R_CX] = below(4) ? below(64) : s->gpr[R_CX];
    s->rflags = 0x202 | (rnd() & FL_ARITH);

    memset(s->xsave, 0, sizeof(s->xsave));
    fcw = (uint16_t)((below(4) ? 0x7f : 0x40 | below(64)) |
                     (below(4) ? 3 : below(4)) << 8 | below(4) << 10);
    fsw = (uint16_t)((below(3) ? 0 : below(8)) << 11 | (rnd() & 0x4700));
    fsw |= below(3) ? 0 : (below(64) & fcw & 0x3f);
    p16[0] = fcw;
    p16[1] = fsw;
    p16[2] = below(3) ? 0xff : (uint8_t)rnd();
    mxcsr = (uint32_t)((below(8) ? 0x1f80 : below(64) << 7) | below(4) << 13 |
                       (below(4) ? 0 : 0x8000) | (below(4) ? 0 : 0x40) |
                       (below(2) ? 0 : below(64)));
    memcpy(s->xsave + XS_MXCSR, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        rnd_st(s->xsave + XS_ST(i));
    }
    for (int i = 0; i < 16; i++) {
        rnd_vector(s->xsave + XS_XMM(i), 16);
        rnd_vector(s->xsave + XS_YMMH(i), 16);
    }
    *(uint64_t *)(s->xsave + XS_XSTATE_BV) = 7;
}

static void rnd_data(uint8_t *p)
{
    for (unsigned i = 0; i < HC_DATA_SIZE; i += 64) {
        rnd_vector(p + i, 32);
        rnd_vector(p + i + 32, 16);
        rnd_st(p + i + 48);
    }
}

/* ---- encodings ------------------------------------------------------------ */

/* Gather by quadword indexes. */
static bool wide_index(const struct x86_row *row)
{
    const char *g = strstr(row->name, "gather");

    return g && g[6] == 'q';
}

/* Where an access crosses something: pages, 4 GiB, the canonical halves. */
static uint64_t edge(void)
{
    static const uint64_t at[] = {
        HC_DATA, HC_DATA + 0x1000, HC_DATA + 0x2000, BIT(32), BIT(47), BIT(31),
        0xffff800000000000, 0xffffffff80000000, 0, 0x10000,
    };

    return at[below(ARRAY_SIZE(at))] - below(40);
}

/*
 * A random encoding of @row at @buf, with registers in @s such that its
 * memory operand is in the data pages (nearly always).  False: none found.
 */
static bool encode(unsigned nrow, uint8_t *buf, struct insn *insn,
                   struct host_regs *s, unsigned mode)
{
    uint64_t data = mode == DECODE_16 ? 0 : HC_DATA;
    const struct x86_row *row = &x86_rows[nrow];
    static const uint8_t pp[] = { 0, 0, 0x66, 0xf3, 0xf2 };

    for (int tries = 0; tries < 4000; tries++) {
        unsigned n = 0, pfx = row->pfx ? row->pfx - 1u : 0;
        unsigned modrm_at;

        if (row->flags & ROW_VEX) {
            buf[n++] = 0xc4;
            buf[n++] = (uint8_t)((rnd() & 0xe0) | row->map);
            buf[n++] = (uint8_t)((rnd() & 0x80) | (rnd() & 0x04) | pfx |
                                 (row->flags & ROW_VVVV ? rnd() & 0x78 : 0x78));
        } else {
            if (row->unit == UNIT_INT && below(8) == 0) {
                buf[n++] = 0x67;
            }
            if (row->unit == UNIT_INT && below(8) == 0) {
                buf[n++] = (uint8_t)(0x26 | below(4) << 3); /* segments */
            }
            if ((row->flags & ROW_REP) && below(2)) {
                buf[n++] = (uint8_t)(0xf2 | below(2));
            }
            if (row->unit == UNIT_INT && below(8) == 0) {
                buf[n++] = 0xf0;
            }
            if (!row->pfx && below(4) == 0) {
                buf[n++] = 0x66;
            }
            if (pfx) {
                buf[n++] = pp[pfx + 1];
            }
            if (mode == DECODE_64 && below(2)) {
                buf[n++] = (uint8_t)(0x40 | below(16));
            }
            if (row->map) {
                buf[n++] = 0x0f;
            }
            if (row->map > 1) {
                buf[n++] = row->map == 2 ? 0x38 : 0x3a;
            }
        }
        buf[n] = row->opcode;
        n++;
        modrm_at = n;
        for (unsigned i = n; i < n + 16; i++) {
            buf[i] = (uint8_t)rnd();
        }
        if (row->modrm && tries < 3000) {
            /* Small displacements keep the base register in sight. */
            buf[n] = (buf[n] & 0x3f) | (below(3) ? 0xc0 : 0x40);
        }
        if (decode_insn(insn, buf, 15, mode, XF_ALL) < 0 ||
            insn->row != nrow) {
            continue;
        }
        if (insn->base == INSN_RIP) {
            int32_t disp = (int32_t)(HC_DATA + 64 + below(4096) - HC_CODE);

            memcpy(buf + modrm_at + 1, &disp, 4);
            decode_insn(insn, buf, 15, mode, XF_ALL);
            return true;
        }
        bool mem = false;
        if (insn->op == OP_MOVABS) {
            uint64_t at = data + below(HC_DATA_SIZE);
            unsigned size = insn->addrsize;

            memcpy(buf + insn->len - size, &at, size);
            decode_insn(insn, buf, 15, mode, XF_ALL);
            return true;
        }
        for (int i = 0; i < 4; i++) {
            mem |= OPND_FILE(insn->opnd[i]) == OPND_MEM;
        }
        if (mem && !(row->flags & ROW_NOMEM)) {
            uint64_t t = data + 0x400 + below(0x1000);

            if (below(4)) {
                t &= ~UINT64_C(63);
            } else if (below(16) == 0) {
                t = data + HC_DATA_SIZE - below(64);
            }
            /* Several accesses: their order is the processor's own. */
            if (hc_side.edges && mode == DECODE_64 && below(8) == 0 &&
                !strstr(row->name, "maskmov") && row->name[0] != 'f') {
                t = edge();
            }
            if (insn->base == INSN_NO_REG || insn->base == insn->index) {
                continue;
            }
            if (row->flags & ROW_VSIB) {
                for (int i = 0; i < 8; i++) {
                    uint8_t *p = (i < 4 ? s->xsave + XS_XMM(insn->index) :
                                      s->xsave + XS_YMMH(insn->index) - 16) +
                                 4 * i;
                    uint32_t v = below(64);

                    v = wide_index(row) && (i & 1) ? 0 : v;
                    memcpy(p, &v, 4);
                }
            } else if (insn->index < 16) {
                s->gpr[insn->index] = below(16);
            }
            s->gpr[insn->base] =
                t - (uint64_t)(int64_t)insn->disp -
                (insn->index < 16 && !(row->flags & ROW_VSIB) ?
                     s->gpr[insn->index] << insn->scale : 0);
            if (mode != DECODE_64) {
                s->gpr[insn->base] = (uint32_t)s->gpr[insn->base];
            }
        }
        return true;
    }
    return false;
}

/* ---- comparison ----------------------------------------------------------- */

struct outcome {
    unsigned ran, faults, bad;
    unsigned lacks; /* #UD of ours, and the table has no such feature */
    GString *first;
};

static uint8_t mem_in[HC_DATA_SIZE], mem_host[HC_DATA_SIZE];

static bool row_is_control(const struct x86_row *row)
{
    return row->unit == UNIT_FXSR ||
           (row->unit == UNIT_XSAVE && row->opnd[0]);
}

static void diff_bytes(GString *why, const char *what, const uint8_t *in,
                       const uint8_t *h, const uint8_t *e, unsigned n)
{
    if (memcmp(h, e, n) == 0) {
        return;
    }
    g_string_append_printf(why, " %s in ", what);
    for (unsigned i = n; i-- > 0;) {
        g_string_append_printf(why, "%02x", in[i]);
    }
    g_string_append(why, " host ");
    for (unsigned i = n; i-- > 0;) {
        g_string_append_printf(why, "%02x", h[i]);
    }
    g_string_append(why, " ours ");
    for (unsigned i = n; i-- > 0;) {
        g_string_append_printf(why, "%02x", e[i]);
    }
}

static uint32_t undefined_flags(const struct x86_row *row)
{
    uint32_t m = 0;

    m |= row->fl_u & FL_C ? FL_CF : 0;
    m |= row->fl_u & FL_P ? FL_PF : 0;
    m |= row->fl_u & FL_A ? FL_AF : 0;
    m |= row->fl_u & FL_Z ? FL_ZF : 0;
    m |= row->fl_u & FL_S ? FL_SF : 0;
    m |= row->fl_u & FL_O ? FL_OF : 0;
    return m;
}

/* Pointers to the last x87 instruction, wherever an instruction stores them. */
static void mask_pointers(const struct x86_row *row, const struct insn *insn,
                          const struct host_regs *in, uint8_t *mem)
{
    uint64_t ea = (int64_t)insn->disp;
    unsigned from, to;

    if (strcmp(row->name, "fnstenv") == 0 || strcmp(row->name, "fnsave") == 0) {
        bool is16 = insn->prefix & PFX_66;

        from = is16 ? 6 : 12;
        to = is16 ? 14 : 28;
    } else if (row_is_control(row)) {
        from = 6;
        to = 24;
    } else {
        return;
    }
    if (insn->base == INSN_RIP) {
        ea += HC_CODE + insn->len;
    } else if (insn->base < 16) {
        ea += in->gpr[insn->base];
    }
    if (insn->index < 16) {
        ea += in->gpr[insn->index] << insn->scale;
    }
    ea -= HC_DATA;
    for (unsigned i = from; i < to; i++) {
        if (ea + i < HC_DATA_SIZE) {
            mem[ea + i] = 0;
        }
    }
}

static void compare(unsigned nrow, const struct insn *insn,
                    const uint8_t *code, const struct host_regs *in,
                    const struct host_regs *h, int hf,
                    const struct host_regs *e, int ef, struct outcome *o)
{
    const struct x86_row *row = &x86_rows[nrow];
    g_autoptr(GString) why = g_string_new(NULL);
    uint32_t fmask = FL_ARITH & ~undefined_flags(row);

    if (hc_side.undefined) {
        fmask &= ~hc_side.undefined(insn, in);
    }
    uint8_t *mem = (uint8_t *)(uintptr_t)HC_DATA;
    bool store_fault = hf && row->unit != UNIT_INT && OPND_FILE(insn->opnd[0]) == OPND_MEM;

    if (hf != ef) {
        g_string_append_printf(why, " exception host %d ours %d", hf - 1,
                               ef - 1);
    } else {
        for (int i = 0; i < 16; i++) {
            if (h->gpr[i] != e->gpr[i]) {
                g_string_append_printf(why,
                                       " r%d in %" PRIx64 " host %" PRIx64
                                       " ours %" PRIx64,
                                       i, in->gpr[i], h->gpr[i], e->gpr[i]);
            }
        }
        if (h->rip != e->rip) {
            g_string_append_printf(why, " branch host %" PRIx64 " ours %"
                                   PRIx64, h->rip, e->rip);
        }
        if ((h->rflags ^ e->rflags) & fmask) {
            g_string_append_printf(why, " flags in %x host %x ours %x",
                                   (unsigned)in->rflags & 0xcd5,
                                   (unsigned)h->rflags & 0xcd5,
                                   (unsigned)e->rflags & 0xcd5);
        }
        /* A store that faults: the flags of VCVTPS2PH, and TOP zeroed by an
         * MMX one, may be there already; ours comes back to it clean. */
        if (!store_fault) {
            diff_bytes(why, "mxcsr", in->xsave + 24, h->xsave + 24,
                       e->xsave + 24, 4);
            diff_bytes(why, "fcw..ftw", in->xsave, h->xsave, e->xsave, 5);
        }
        for (int i = 0; i < 8 && !(store_fault && row->unit == UNIT_MMX);
             i++) {
            g_autofree char *n = g_strdup_printf("st%d", i);

            diff_bytes(why, n, in->xsave + XS_ST(i), h->xsave + XS_ST(i),
                       e->xsave + XS_ST(i), 10);
        }
        for (int i = 0; i < 16; i++) {
            g_autofree char *n = g_strdup_printf("xmm%d", i);
            g_autofree char *u = g_strdup_printf("ymmh%d", i);

            diff_bytes(why, n, in->xsave + XS_XMM(i), h->xsave + XS_XMM(i),
                       e->xsave + XS_XMM(i), 16);
            diff_bytes(why, u, in->xsave + XS_YMMH(i), h->xsave + XS_YMMH(i),
                       e->xsave + XS_YMMH(i), 16);
        }
        mask_pointers(row, insn, in, mem);
        mask_pointers(row, insn, in, mem_host);
        for (unsigned i = 0; i < HC_DATA_SIZE; i += 8) {
            /* The host may store ten bytes in two parts, and fault between. */
            if (hf && insn->msize == 10) {
                break;
            }
            if (memcmp(mem + i, mem_host + i, 8)) {
                g_autofree char *n = g_strdup_printf("mem+%x", i);

                diff_bytes(why, n, mem_in + i, mem_host + i, mem + i, 8);
                break;
            }
        }
    }
    o->ran++;
    o->faults += hf != 0;
    if (why->len) {
        o->lacks += ef == EXCP_UD + 1 && row->feat && hc_side.lacks &&
                    hc_side.lacks(row);
        o->bad++;
        if (!o->first) {
            o->first = g_string_new("");
            for (unsigned i = 0; i < insn->len; i++) {
                g_string_append_printf(o->first, "%02x", code[i]);
            }
            g_string_append_printf(o->first, ":%s", why->str);
        }
    }
}

/*
 * Behind the instruction and where branches go: to host_exit, which no
 * register is needed for; after a branch a byte is set.  Out of compatibility
 * mode a far jump does it, to 64-bit code in the same page.
 */
#define EXIT64 0x100
#define TAKEN64 0x140
#define TAKEN_BYTE 0x80

static void put_exit64(uint8_t *at, bool taken)
{
    uint64_t exit_at = (uint64_t)(uintptr_t)host_exit;
    int32_t disp = (int32_t)(HC_CODE + TAKEN_BYTE -
                             ((uint32_t)(uintptr_t)at + 7));

    if (taken) {
        memcpy(at, "\xc6\x05", 2); /* movb $1,disp(%rip) */
        memcpy(at + 2, &disp, 4);
        at[6] = 1;
        at += 7;
    }
    memcpy(at, "\xff\x25\0\0\0\0", 6); /* jmp *0(%rip) */
    memcpy(at + 6, &exit_at, 8);
}

static void put_exit(uint8_t *at, bool taken, unsigned mode)
{
    uint32_t to = HC_CODE + (taken ? TAKEN64 : EXIT64);

    if (mode == DECODE_64) {
        put_exit64(at, taken);
        return;
    }
    if (mode == DECODE_16) {
        *at++ = 0x66;
    }
    *at++ = 0xea; /* ljmp $33h,$to */
    memcpy(at, &to, 4);
    memcpy(at + 4, "\x33\0", 2);
}

static void one(unsigned nrow, unsigned mode, struct outcome *o)
{
    uint8_t *code = (uint8_t *)(uintptr_t)HC_CODE;
    uint8_t *mem = (uint8_t *)(uintptr_t)HC_DATA;
    static struct host_regs in, h, e;
    uint8_t bytes[64];
    struct insn insn;
    int hf, ef;

    rnd_state(&in);
    if (mode != DECODE_64) {
        narrow(&in, mode);
    }
    rnd_data(mem_in);
    if (!encode(nrow, bytes, &insn, &in, mode) ||
        (hc_side.prepare &&
         !hc_side.prepare(&insn, bytes, &in, mem_in, mode))) {
        return;
    }
    if (row_is_control(&x86_rows[nrow])) {
        in.gpr[R_AX] &= UINT64_C(0xffffffff00000007);
        in.gpr[R_DX] &= UINT64_C(0xffffffff00000000);
    }
    memcpy(code, bytes, insn.len);
    put_exit(code + insn.len, false, mode);
    put_exit(code + (HC_TAKEN - HC_CODE), true, mode);
    put_exit64(code + EXIT64, false);
    put_exit64(code + TAKEN64, true);
    code[TAKEN_BYTE] = 0;
    memcpy(mem, mem_in, HC_DATA_SIZE);
    hf = run_host(&in, &h);
    h.rip = code[TAKEN_BYTE];
    memcpy(mem_host, mem, HC_DATA_SIZE);
    memcpy(mem, mem_in, HC_DATA_SIZE);
    ef = hc_side.engine(&in, &e, &insn);
    if (!hf && strcmp(x86_rows[nrow].name, "xgetbv") == 0) {
        h.gpr[R_AX] &= 7; /* the components the engine has */
    }
    compare(nrow, &insn, bytes, &in, &h, hf, &e, ef, o);
}

struct totals {
    unsigned tested, untested, bad, lacking;
    uint64_t states, faults;
};

/* Rows by number: a bit for each mode a state was made in. */
static uint8_t *row_seen;

static void all_rows(unsigned mode, unsigned states, uint64_t seed,
                     const char *only, bool verbose, struct totals *t)
{
    for (unsigned row = 0; row < x86_row_count; row++) {
        const struct x86_row *r = &x86_rows[row];
        struct outcome o = { 0 };

        if (!hc_side.covers(r) || (only && strcmp(only, r->name))) {
            continue;
        }
        rng_state = (seed * 1000003 + row + mode * 7919) | 1;
        for (unsigned i = 0; i < states; i++) {
            one(row, mode, &o);
            if (!o.ran && i == 8) {
                break; /* not in this mode */
            }
        }
        t->states += o.ran;
        t->faults += o.faults;
        if (!o.ran) {
            continue;
        }
        row_seen[row] |= 1 << mode;
        t->tested++;
        if (o.bad && o.bad == o.lacks) {
            t->lacking++;
            printf("# %s: the engine lacks it\n", r->form);
        } else if (o.bad) {
            t->bad++;
            printf("# %s: %u of %u differ; %s\n", r->form, o.bad, o.ran,
                   o.first->str);
        } else if (verbose) {
            printf("# %s: %u equal, %u faults\n", r->form, o.ran, o.faults);
        }
        if (o.first) {
            g_string_free(o.first, TRUE);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct { unsigned mode, bits; } modes[] = {
        { DECODE_64, 64 }, { DECODE_32, 32 }, { DECODE_16, 16 },
    };
    unsigned states = 300, bits = 0;
    struct totals t = { 0 };
    const char *only = NULL;
    bool verbose = false;
    uint64_t seed = 1;
    int c;

    while ((c = getopt(argc, argv, "n:s:r:m:vlj")) != -1) {
        switch (c) {
        case 'n':
            states = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 's':
            seed = strtoull(optarg, NULL, 0);
            break;
        case 'r':
            only = optarg;
            break;
        case 'm':
            bits = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case 'v':
            verbose = true;
            break;
        case 'j':
            hc_jit = true;
            break;
        case 'l':
            for (unsigned row = 0; row < x86_row_count; row++) {
                if (!hc_side.covers(&x86_rows[row])) {
                    printf("%s\n", x86_rows[row].form);
                }
            }
            return 0;
        default:
            return 2;
        }
    }
    if (!__builtin_cpu_supports("avx2")) {
        printf("1..0 # SKIP the host has no AVX2\n");
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    host_setup();
    row_seen = g_malloc0(x86_row_count);
    if (hc_side.setup) {
        hc_side.setup();
    }
    for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
        if ((bits && bits != modes[i].bits) ||
            (modes[i].mode != DECODE_64 && !hc_side.set_mode)) {
            continue;
        }
        if (!host_mode(modes[i].mode)) {
            printf("# the kernel has no %u-bit segments\n", modes[i].bits);
            continue;
        }
        if (hc_side.set_mode) {
            hc_side.set_mode(modes[i].mode);
        }
        printf("# %u-bit\n", modes[i].bits);
        all_rows(modes[i].mode, states, seed, only, verbose, &t);
    }
    for (unsigned row = 0; row < x86_row_count; row++) {
        if (!row_seen[row] && hc_side.covers(&x86_rows[row]) && !only &&
            !bits) {
            t.untested++;
            printf("# no encoding found: %s\n", x86_rows[row].form);
        }
    }
    printf("# %u rows, %" PRIu64 " states, %" PRIu64 " of them faults, %u "
           "rows the engine lacks\n", t.tested, t.states, t.faults,
           t.lacking);
    printf("1..1\n%sok 1 - %u rows differ, %u rows untested\n",
           t.bad || t.untested ? "not " : "", t.bad, t.untested);
    return t.bad || t.untested;
}
