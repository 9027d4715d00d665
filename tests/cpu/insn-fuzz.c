/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random instructions with random operands, executed by the processor it runs
 * on; prints a hash of all results for each batch.  A static program without
 * needs: test-jit.py runs it on the host and inside guests and compares.
 *
 *   insn-fuzz FIRST COUNT [v|r]   sequences FIRST.. ; v: one line a sequence;
 *                                 r: with all registers and the code
 *   insn-fuzz N,N,... 1 r         these
 *
 * Everything lies at fixed addresses, so that results do not depend on where
 * the loader puts things.  Faults count as results: registers, signal, place.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x10000000ul  /* 1 page */
#define DATA 0x20001000ul  /* 3 pages, nothing around them */
#define DSIZE 0x3000ul

struct state {
    uint64_t r[16], flags;
    uint8_t fx[512] __attribute__((aligned(64)));
    uint8_t yh[256];
};
static struct state in, out __attribute__((used));
static uint64_t save_sp __attribute__((used));
static int use_avx;
void enter(void);
void leave(void);

/* r15 goes through a fixed place: all registers are the test's. */
__asm__(
    ".globl enter, leave\n"
    "enter:\n push %rbx; push %rbp; push %r12; push %r13; push %r14;"
    " push %r15\n mov %rsp, save_sp\n"
    " fxrstor64 in+192\n"
    " cmpl $0, use_avx\n je 1f\n"
    " .irp k,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    " vinsertf128 $1, in+704+16*\\k, %ymm\\k, %ymm\\k\n .endr\n"
    "1: mov in+0,%rax; mov in+8,%rcx; mov in+16,%rdx; mov in+24,%rbx\n"
    " mov in+40,%rbp; mov in+48,%rsi; mov in+56,%rdi; mov in+64,%r8\n"
    " mov in+72,%r9; mov in+80,%r10; mov in+88,%r11; mov in+96,%r12\n"
    " mov in+104,%r13; mov in+112,%r14; mov in+120,%r15\n"
    " pushq in+128; popfq\n mov in+32,%rsp\n jmp 0x10000000\n"
    "leave:\n mov %rsp,out+32\n mov save_sp,%rsp\n pushfq; popq out+128\n"
    " mov %rax,out+0; mov %rcx,out+8; mov %rdx,out+16; mov %rbx,out+24\n"
    " mov %rbp,out+40; mov %rsi,out+48; mov %rdi,out+56; mov %r8,out+64\n"
    " mov %r9,out+72; mov %r10,out+80; mov %r11,out+88; mov %r12,out+96\n"
    " mov %r13,out+104; mov %r14,out+112; mov %r15,out+120\n"
    " fxsave64 out+192\n"
    " cmpl $0, use_avx\n je 1f\n"
    " .irp k,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
    " vextractf128 $1, %ymm\\k, out+704+16*\\k\n .endr\n vzeroupper\n"
    "1: cld; fninit; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp;"
    " pop %rbx; ret\n");
_Static_assert(__builtin_offsetof(struct state, fx) == 192, "");
_Static_assert(__builtin_offsetof(struct state, yh) == 704, "");

static uint64_t seed;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dull;
}
static unsigned below(unsigned n)
{
    return (unsigned)(rnd() >> 33) % n;
}

static uint64_t hash;
static void mix(const void *p, size_t n)
{
    const uint8_t *b = p;
    while (n--) {
        hash = (hash ^ *b++) * 0x100000001b3ull;
    }
}

static struct { int sig, code; uint64_t rip, addr; } fault;

static void on_signal(int sig, siginfo_t *si, void *opaque)
{
    ucontext_t *uc = opaque;
    greg_t *g = uc->uc_mcontext.gregs;
    static const int map[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
        REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
        REG_R15 };

    if ((uint64_t)g[REG_RIP] < CODE - 16 || (uint64_t)g[REG_RIP] > CODE + 4096) {
        /* Jumped away, or a bug here. */
        fault.rip = 1;
    } else {
        fault.rip = g[REG_RIP];
    }
    fault.sig = sig;
    fault.code = si->si_code;
    fault.addr = sig == SIGSEGV ? (uint64_t)si->si_addr : 0;
    for (int i = 0; i < 16; i++) {
        out.r[i] = g[map[i]];
    }
    out.flags = g[REG_EFL];
    memcpy(out.fx, uc->uc_mcontext.fpregs, 416);
    /* Back to the end of run(), with sane registers. */
    g[REG_RIP] = (greg_t)(uintptr_t)leave;
    g[REG_EFL] &= ~0x400;
}

/*
 * What processors leave in a fault's wake where the manual promises nothing;
 * each of these was seen to differ between the host and a processor that
 * checks all of an operand before it touches anything.
 */
static void mask_fault_wake(void)
{
    const uint8_t *c = (const uint8_t *)fault.rip;
    uint8_t *mem = (uint8_t *)DATA, st[8][16];
    unsigned top;

    if (fault.sig != SIGSEGV && fault.sig != SIGBUS) {
        return;
    }
    if (fault.rip < CODE || fault.rip >= CODE + 4096) {
        return;
    }
    while (*c == 0x66 || *c == 0xf2 || *c == 0xf3 || (*c & 0xf0) == 0x40) {
        c++;
    }
    if ((c[0] == 0xdb && (c[1] >> 3 & 7) == 7) ||
        (c[0] == 0xdf && (c[1] >> 3 & 7) == 6)) {
        /* FSTP of 80 bits and FBSTP store in two pieces: one may be there
         * though the other faulted. */
        memset(mem, 0, 9);
        memset(mem + DSIZE - 9, 0, 9);
    } else if (c[0] == 0xc4 && (c[1] & 31) == 2 && c[3] >= 0x2c &&
               c[3] <= 0x2f) {
        fault.addr = 0; /* VMASKMOV: any byte of the element */
    } else if (c[0] == 0xc4 && (c[1] & 31) == 3 && c[3] == 0x1d) {
        out.fx[24] &= 0xc0; /* VCVTPS2PH: exceptions before the store's fault */
    } else if (c[0] == 0x0f) {
        /* MMX sets TOP to 0 before it faults: physical registers. */
        top = out.fx[3] >> 3 & 7;
        memcpy(st, out.fx + 32, sizeof(st));
        for (unsigned i = 0; i < 8; i++) {
            memcpy(out.fx + 32 + 16 * ((i + top) & 7), st[i], 16);
        }
        out.fx[3] &= 0xc7;
    }
}

static uint8_t *p;
static void b(unsigned v)
{
    *p++ = (uint8_t)v;
}

/* ModRM and what follows; @reg 0-7 given or -1; @rex bits are returned. */
static void modrm(uint8_t *rex, int reg, int mem, unsigned immlen)
{
    unsigned r = reg >= 0 ? (unsigned)reg : below(8), rm = below(8);

    (void)immlen;
    if (!mem) {
        b(0xc0 | r << 3 | rm);
        return;
    }
    unsigned base = below(16), mod = below(3);
    *rex = (uint8_t)((*rex & ~3u) | (base >= 8 ? 1 : 0));
    if (below(3) == 0) {        /* with an index */
        unsigned index = below(16);
        *rex |= index >= 8 ? 2 : 0;
        if ((base & 7) == 5 && mod == 0) {
            mod = 1;
        }
        b(mod << 6 | r << 3 | 4);
        b(below(4) << 6 | (index & 7) << 3 | (base & 7));
    } else {
        if ((base & 7) == 5 && mod == 0) {
            mod = 1;
        }
        b(mod << 6 | r << 3 | (base & 7));
        if ((base & 7) == 4) {
            b(0x24);
        }
    }
    if (mod == 1) {
        b(below(256));
    } else if (mod == 2) {
        int32_t d = (int32_t)(rnd() & 0x1fff) - 0x1000;
        memcpy(p, &d, 4);
        p += 4;
    }
}

/* op: opcode; imm: 0 none, 1 byte, 4 by operand size. */
static void integer(unsigned map, unsigned op, int reg, int only, int imm,
                    int bytes, int pfx)
{
    uint8_t rex = (uint8_t)(below(4) ? 0x40 | below(16) : 0);
    int mem = only == 1 ? 1 : only == 2 ? 0 : (int)below(2);
    int p66 = !bytes && below(6) == 0;
    uint8_t body[16], *start = p;

    p = body;
    modrm(&rex, reg, mem, 0);
    if ((rex & 15) && !(rex & 0x40)) {
        rex |= 0x40;
    }
    size_t n = (size_t)(p - body);
    p = start;
    if (p66) {
        b(0x66);
    }
    if (pfx) {
        b((unsigned)pfx);
    }
    if (rex) {
        b(rex);
    }
    if (map) {
        b(0x0f);
    }
    if (map > 1) {
        b(map == 2 ? 0x38 : 0x3a);
    }
    b(op);
    memcpy(p, body, n);
    p += n;
    if (imm == 4) {
        imm = p66 && !(rex & 8) ? 2 : 4;
    }
    while (imm-- > 0) {
        b(below(3) ? below(256) : below(2) * 255);
    }
}

/* The bit offset is a register; in memory it reaches far, so it is cut to 16
 * bits: BTS would find the program's own heap, whose place is random. */
static void bit_test(unsigned op)
{
    uint8_t *start = p, *c = p, rex = 0;

    integer(1, op, -1, 0, 0, 0, 0);
    if (*c == 0x66) {
        return;
    }
    if ((*c & 0xf0) == 0x40) {
        rex = *c++;
    }
    if (c[2] >> 6 == 3) {
        return;
    }
    unsigned reg = (c[2] >> 3 & 7) | (rex & 4 ? 8 : 0);
    size_t n = (size_t)(p - start);
    memmove(start + 4, start, n);
    p = start;
    b(0x48 | (reg >> 3) * 5); /* movswq */
    b(0x0f);
    b(0xbf);
    b(0xc0 | (reg & 7) * 9);
    p += n;
}

static void one_integer(void)
{
    static const uint8_t alu[] = { 0, 8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38 };
    unsigned k = below(44), x;

    switch (k) {
    case 0 ... 7:
        x = below(4);
        integer(0, alu[below(8)] + x, -1, 0, 0, !(x & 1), 0);
        break;
    case 8:
        x = below(3);
        integer(0, x == 0 ? 0x80 : x == 1 ? 0x81 : 0x83, -1, 0,
                x == 1 ? 4 : 1, x == 0, 0);
        break;
    case 9:
        integer(0, 0x63, -1, 0, 0, 1, 0);
        break;
    case 10:
        x = below(2);
        integer(0, x ? 0x69 : 0x6b, -1, 0, x ? 4 : 1, 0, 0);
        break;
    case 11 ... 16:
        x = 0x84 + below(8);
        integer(0, x, -1, 0, 0, !(x & 1), 0);
        break;
    case 17:
        integer(0, 0x8d, -1, 1, 0, 0, 0);
        break;
    case 18:
        if (below(2)) {
            b(0x48 | below(8));
        }
        b(below(2) ? 0x98 : 0x99);
        break;
    case 19:
        if (below(2)) {
            b(0x41);
        }
        b(0xb8 + below(8));
        for (int i = 0; i < 4; i++) {
            b(below(256));
        }
        break;
    case 20 ... 21:
        x = below(2);
        integer(0, 0xc0 + x, -1, 0, 1, !x, 0);
        break;
    case 22 ... 23:
        x = below(4);
        integer(0, 0xd0 + x, -1, 0, 0, !(x & 1), 0);
        break;
    case 24:
        x = below(2);
        integer(0, 0xc6 + x, 0, 0, x ? 4 : 1, !x, 0);
        break;
    case 25:
        x = below(2);
        integer(0, 0xf6 + x, (int)below(2), 0, x ? 4 : 1, !x, 0);
        break;
    case 26 ... 27:
        x = below(2);
        integer(0, 0xf6 + x, 2 + (int)below(below(4) ? 4 : 6), 0, 0, !x, 0);
        break;
    case 28:
        x = below(2);
        integer(0, 0xfe + x, (int)below(2), 0, 0, !x, 0);
        break;
    case 29:
        if (below(2)) {
            b(0x41);
        }
        b(0x50 + below(16));
        break;
    case 30:
        b("\xf5\xf8\xf9\x9e\x9f\x90"[below(6)]);
        break;
    case 31:
        integer(1, 0x40 + below(16), -1, 0, 0, 0, 0);
        break;
    case 32:
        integer(1, 0x90 + below(16), -1, 0, 0, 1, 0);
        break;
    case 33 ... 34:
        bit_test("\xa3\xab\xb3\xbb"[below(4)] & 0xff);
        break;
    case 35:
        integer(1, 0xba, 4 + (int)below(4), 0, 1, 0, 0);
        break;
    case 36:
        x = below(4);
        integer(1, "\xa4\xa5\xac\xad"[x] & 0xff, -1, 0, !(x & 1), 0, 0);
        break;
    case 37:
        integer(1, 0xaf, -1, 0, 0, 0, 0);
        break;
    case 38:
        x = "\xb0\xb1\xc0\xc1"[below(4)] & 0xff;
        integer(1, x, -1, 0, 0, !(x & 1), 0);
        break;
    case 39:
        if (below(2)) {
            b(0x48 | below(2));
        } else if (below(2)) {
            b(0x41);
        }
        b(0x0f);
        b(0xc8 + below(8));
        break;
    case 40:
        integer(1, "\xb6\xb7\xbe\xbf"[below(4)] & 0xff, -1, 0, 0, 0, 0);
        break;
    case 41:
        x = below(5);
        integer(1, x < 3 ? 0xbc + below(2) : 0xb8, -1, 0, 0, 0,
                x == 0 ? 0 : 0xf3);
        break;
    case 42:
        x = below(5);
        if (x == 0) {
            integer(1, 0xc7, 1, 1, 0, 1, 0);
        } else if (x == 1) {
            integer(2, 0xf0 + below(2), -1, 1, 0, 0, 0);
        } else if (x == 2) {
            integer(2, 0xf0 + below(2), -1, 0, 0, 0, 0xf2);
        } else if (x == 3) {
            integer(1, 0xc3, -1, 1, 0, 1, 0);
        } else {
            /* lock */
            integer(0, alu[below(7)] + 1, -1, 1, 0, 0, 0xf0);
        }
        break;
    default:
        /* pushf; pop: all flags become a result */
        b(0x9c);
        b(0x58 + (below(2) ? 0 : 7));
        break;
    }
}

static void one_sse(void)
{
    static const uint8_t ops[] = {
        0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x28, 0x29, 0x2a,
        0x2c, 0x2d, 0x2e, 0x2f, 0x50, 0x51, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63,
        0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e,
        0x6f, 0x70, 0x74, 0x75, 0x76, 0x7c, 0x7d, 0x7e, 0x7f, 0xc2, 0xc4,
        0xc5, 0xc6, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8,
        0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3,
        0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee,
        0xef, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa,
        0xfb, 0xfc, 0xfd, 0xfe };
    static const uint8_t pf[] = { 0, 0x66, 0xf3, 0xf2, 0x66 };
    unsigned op, map = 1, pfx = pf[below(5)];
    int imm = 0;
    uint8_t rex = (uint8_t)(below(3) ? 0x40 | below(16) : 0), body[16],
            *start = p;

    if (below(5) == 0) {
        map = 2;
        op = below(2) ? below(12) : 0x17 + below(41);
        pfx = 0x66;
    } else if (below(8) == 0) {
        map = 3;
        op = below(2) ? 8 + below(8) : 0x14 + below(15);
        imm = 1;
        pfx = 0x66;
    } else {
        op = ops[below(sizeof(ops))];
        imm = op == 0x70 || op == 0xc2 || (op >= 0xc4 && op <= 0xc6);
    }
    p = body;
    int mem = (int)below(2);
    modrm(&rex, -1, mem, 0);
    rex |= rex & 15 ? 0x40 : 0;
    size_t n = (size_t)(p - body);
    p = start;
    if (use_avx && below(3) == 0) {
        unsigned pp = pfx == 0x66 ? 1 : pfx == 0xf3 ? 2 : pfx ? 3 : 0;
        b(0xc4);
        b((~(unsigned)rex & 7) << 5 | map);
        b((rex & 8) << 4 | (below(16) << 3) | below(2) << 2 | pp);
    } else {
        if (pfx) {
            b(pfx);
        }
        if (rex) {
            b(rex);
        }
        b(0x0f);
        if (map > 1) {
            b(map == 2 ? 0x38 : 0x3a);
        }
    }
    b(op);
    memcpy(p, body, n);
    p += n;
    if (imm) {
        b(below(256));
    }
}

static void one_x87(void)
{
    unsigned op = 0xd8 + below(8), reg = below(8);
    uint8_t rex = (uint8_t)(below(2) ? 0x40 : 0), body[16], *start = p;

    if (below(2)) {
        b(op);
        b(0xc0 | below(64));
        return;
    }
    if ((op == 0xd9 || op == 0xdd) && (reg == 4 || reg == 6)) {
        reg = 7; /* not the environment: it holds addresses */
    }
    p = body;
    modrm(&rex, (int)reg, 1, 0);
    rex |= rex & 15 ? 0x40 : 0;
    size_t n = (size_t)(p - body);
    p = start;
    if (rex) {
        b(rex);
    }
    b(op);
    memcpy(p, body, n);
    p += n;
}

static void fill(void)
{
    for (int i = 0; i < 16; i++) {
        unsigned k = below(8);
        in.r[i] = k == 0 ? rnd() : k == 1 ? below(256) : k == 2 ? -(uint64_t)below(64)
                : k == 3 ? DATA + 4096 * below(4) - below(20)
                : DATA + below(DSIZE);
    }
    in.r[4] = DATA + 0x1000 + 8 * below(512);
    in.flags = 0x202 | (rnd() & 0x8d5);
    for (unsigned i = 0; i < 256; i++) {
        in.fx[160 + i] = below(4) ? (uint8_t)rnd() : 0;
        in.yh[i] = (uint8_t)rnd();
    }
    memset(in.fx, 0, 160);
    *(uint16_t *)in.fx = 0x37f;
    *(uint32_t *)(in.fx + 24) = 0x1f80 | (below(4) ? 0 : below(4) << 13);
    if (below(2)) {
        in.fx[4] = (uint8_t)rnd();
        for (int i = 0; i < 8; i++) {
            double d = (double)(int64_t)rnd() / (1ull << below(60));
            long double l = d;
            memcpy(in.fx + 32 + 16 * i, &l, 10);
        }
    }
    uint64_t *m = (uint64_t *)DATA;
    for (unsigned i = 0; i < DSIZE / 8; i++) {
        m[i] = i % 7 ? rnd() : below(3);
    }
}

int main(int argc, char **argv)
{
    char *list = NULL;
    unsigned first = argc > 1 ? (unsigned)strtoul(argv[1], &list, 10) : 0;
    unsigned count = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
    int verbose = argc > 3, ints = argc > 4 && argv[4][0] == 'i';
    static uint8_t stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction sa = { .sa_sigaction = on_signal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK };
    uint64_t total = 0xcbf29ce484222325ull;

    sigaltstack(&ss, NULL);
    for (int s = 0; s < 5; s++) {
        static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
        sigaction(sigs[s], &sa, NULL);
    }
    use_avx = __builtin_cpu_supports("avx2") && !getenv("NOAVX");
    uint8_t *code = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    mmap((void *)DATA, DSIZE, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("avx %d\n", use_avx);
    for (unsigned q = first, done = 0; done < count; done++, q++) {
        seed = 0x9e3779b97f4a7c15ull * (q + 1);
        rnd();
        p = code;
        unsigned n = 1 + below(10), kind = ints ? 0 : below(8);
        uint8_t *jump = NULL;
        for (unsigned i = 0; i < n; i++) {
            if (jump) {
                jump[-1] = (uint8_t)(p - jump);
                jump = NULL;
            }
            if (below(6) == 0) {
                b(0x70 + below(16));
                b(0);
                jump = p;
            }
            if (kind < 4) {
                one_integer();
            } else if (kind < 6) {
                below(3) ? one_sse() : one_integer();
            } else if (kind < 7) {
                below(3) ? one_x87() : one_integer();
            } else {
                unsigned k = below(3);
                k == 0 ? one_x87() : k == 1 ? one_sse() : one_integer();
            }
        }
        if (jump) {
            jump[-1] = (uint8_t)(p - jump);
        }
        /* jmp *leave */
        b(0xff), b(0x25), b(0), b(0), b(0), b(0);
        uint64_t to = (uint64_t)(uintptr_t)leave;
        memcpy(p, &to, 8);
        hash = 0xcbf29ce484222325ull;
        for (int run = 0; run < 12; run++) {
            fill();
            memset(&fault, 0, sizeof(fault));
            memset(&out, 0, sizeof(out));
            enter();
            /* leave() has stored over the handler's copy.  At a fault, flags
             * that nothing reads any more may be old ones. */
            mask_fault_wake();
            mix(&fault, sizeof(fault));
            out.flags &= fault.sig ? 0 : 0x8d5;
            *(uint16_t *)(out.fx + 6) = 0; /* FOP, FIP, FDP */
            memset(out.fx + 8, 0, 16);
            mix(&out.r, sizeof(out.r));
            mix(&out.flags, 8);
            mix(out.fx, 416);
            mix(out.yh, 256);
            mix((void *)DATA, DSIZE);
            if (verbose > 0 && argc > 3 && argv[3][0] == 'r') {
                printf("run %d sig %d code %d rip %lx addr %lx fl %lx hash %lx\n",
                       run, fault.sig, fault.code, fault.rip, fault.addr,
                       out.flags, hash);
                for (int i = 0; i < 16; i++) {
                    printf(" %lx", out.r[i]);
                }
                for (int i = 0; i < 416; i++) {
                    printf("%s%02x", i % 16 ? "" : "\n  ", out.fx[i]);
                }
                printf("\n");
            }
        }
        if (verbose && (argv[3][0] == 'v' || argv[3][0] == 'r')) {
            printf("%u %016lx ", q, hash);
            for (uint8_t *c = code; argv[3][0] == 'r' && c < p; c++) {
                printf("%02x", *c);
            }
            printf("\n");
        }
        total = (total ^ hash) * 0x100000001b3ull;
        if ((q + 1) % 500 == 0 && !verbose) {
            printf("batch %u %016lx\n", q + 1, total);
        }
        if (list && *list == ',') {
            q = (unsigned)strtoul(list + 1, &list, 10) - 1;
            done--;
        }
    }
    printf("total %016lx\n", total);
    return 0;
}
