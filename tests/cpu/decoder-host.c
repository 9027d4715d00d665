/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder against the processor it runs on.
 *
 *   decoder-host [COUNT [SEED [MODE]]]     MODE 64, 32 or 16
 *
 * Random bytes, biased to opcodes and prefixes, are placed so that their first
 * N bytes end a page and the next page is not accessible.  A child under
 * ptrace steps them.  An instruction of length L faults on its fetch (address
 * = start of the next page) while N < L; #UD and #GP of the decoder itself
 * come without that.  So the smallest N without a fetch fault is what the
 * processor reads, and the signal with all bytes there tells whether it is an
 * instruction.  Differences are counted by kind; those that the host's
 * features beyond the table explain are told apart, the others fail the test.
 *
 * Everything a random instruction can do must stay in the child: registers
 * are set to values that make memory operands fault harmlessly, and privileged
 * ones end in #GP.  System calls (syscall, sysenter, int 80h) are left out.
 */
#include "osdep.h"
#include <asm/ldt.h>
#include <cpuid.h>
#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include "target/i386/decode.h"

#define CODE_PAGE UINT64_C(0x20000000)
#define NEXT_PAGE (CODE_PAGE + 4096)
#define DATA_PAGE UINT64_C(0x30000000)

static uint8_t *shared; /* the code page, mapped by both */
static pid_t child;
static uint64_t rng;
static bool mode32; /* or 16 */
static bool mode16;
/* Linux' selectors for user code, and the first of the LDT. */
enum { CS32 = 0x23, CS64 = 0x33, CS16 = 0x07 };
/* Where the code segment begins. */
static uint64_t cs_base;
static unsigned data_at = 1024; /* where in the data page registers point */

static uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng * UINT64_C(0x2545f4914f6cdd1d);
}

static void start_child(void)
{
    child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
}

enum outcome { OUT_OK, OUT_FETCH, OUT_UD, OUT_GP, OUT_OTHER };

/* Steps the bytes whose first @n are there.  *@adv: how far it came. */
static enum outcome step(const uint8_t *bytes, unsigned n, unsigned *adv)
{
    struct user_regs_struct r = { 0 };
    uint64_t start = NEXT_PAGE - n;
    siginfo_t si;
    int status;

    memcpy(shared + 4096 - n, bytes, n);
    start -= cs_base;
    r.rip = start;
    r.cs = mode16 ? CS16 : mode32 ? CS32 : CS64;
    r.ss = 0x2b;
    r.ds = r.es = mode32 ? 0x2b : 0;
    r.eflags = 0x202;
    r.rsp = DATA_PAGE + 2048;
    r.rax = r.rbx = r.rdx = r.rsi = r.rdi = r.rbp =
        DATA_PAGE + data_at;
    r.rcx = 1;
    r.r8 = r.r9 = r.r10 = r.r11 = r.r12 = r.r13 = r.r14 = r.r15 = r.rax;
    r.orig_rax = -1;
    *adv = 0;
    if (ptrace(PTRACE_SETREGS, child, 0, &r) < 0 ||
        ptrace(PTRACE_SINGLESTEP, child, 0, 0) < 0 ||
        waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status)) {
        start_child();
        return OUT_OTHER;
    }
    ptrace(PTRACE_GETSIGINFO, child, 0, &si);
    ptrace(PTRACE_GETREGS, child, 0, &r);
    switch (WSTOPSIG(status)) {
    case SIGTRAP:
        *adv = r.rip - start;
        return OUT_OK;
    case SIGILL:
        return OUT_UD;
    case SIGSEGV:
        if (r.rip == start && si.si_code > 0 && si.si_code != SI_KERNEL &&
            (uint64_t)si.si_addr == NEXT_PAGE) {
            return OUT_FETCH;
        }
        *adv = r.rip - start;
        return si.si_code == SI_KERNEL ? OUT_GP : OUT_OTHER;
    }
    return OUT_OTHER;
}

/* Bytes the processor reads: the least n that does not fault on the fetch. */
static unsigned host_length(const uint8_t *bytes, enum outcome *out)
{
    unsigned adv;

    /* Twice: through CS an operand may itself run into the page behind. */
    for (data_at = 1024; data_at <= 2048; data_at += 1024) {
        for (unsigned n = 1; n <= 15; n++) {
            *out = step(bytes, n, &adv);
            if (*out != OUT_FETCH) {
                return n;
            }
        }
    }
    *out = OUT_GP;
    return 16;
}

static x86_feat_mask host_features(void)
{
    unsigned a, b, c, d, b7, c7, d7, a8, b8, c8, d8, x, y, z, ad;
    x86_feat_mask m = XF_BIT(XF_BASE);

#define HAVE(f, cond) (m |= (cond) ? XF_BIT(XF_##f) : 0)
    __cpuid_count(1, 0, a, b, c, d);
    __cpuid_count(7, 0, a, b7, c7, d7);
    __cpuid_count(0x80000001, 0, a8, b8, c8, d8);
    __cpuid_count(13, 1, ad, x, y, z);
    bool avx = c >> 28 & 1;
    HAVE(FPU, d & 1);
    HAVE(SEP, d >> 11 & 1);
    HAVE(CMOV, d >> 15 & 1);
    HAVE(CX8, d >> 8 & 1);
    HAVE(CLFLUSH, d >> 19 & 1);
    HAVE(MMX, d >> 23 & 1);
    HAVE(FXSR, d >> 24 & 1);
    HAVE(SSE, d >> 25 & 1);
    HAVE(SSE2, d >> 26 & 1);
    HAVE(SSE3, c & 1);
    HAVE(PCLMUL, c >> 1 & 1);
    HAVE(MONITOR, c >> 3 & 1);
    HAVE(SSSE3, c >> 9 & 1);
    HAVE(FMA, c >> 12 & 1);
    HAVE(SSE41, c >> 19 & 1);
    HAVE(SSE42, c >> 20 & 1);
    HAVE(MOVBE, c >> 22 & 1);
    HAVE(POPCNT, c >> 23 & 1);
    HAVE(AES, c >> 25 & 1);
    HAVE(XSAVE, c >> 26 & 1);
    HAVE(AVX, avx);
    HAVE(AVX_AES, avx && c >> 25 & 1);
    HAVE(AVX_PCLMUL, avx && c >> 1 & 1);
    HAVE(F16C, c >> 29 & 1);
    HAVE(RDRAND, c >> 30 & 1);
    HAVE(FSGSBASE, b7 & 1);
    HAVE(BMI1, b7 >> 3 & 1);
    HAVE(AVX2, b7 >> 5 & 1);
    HAVE(BMI2, b7 >> 8 & 1);
    HAVE(INVPCID, b7 >> 10 & 1);
    HAVE(RDSEED, b7 >> 18 & 1);
    HAVE(ADX, b7 >> 19 & 1);
    HAVE(SMAP, b7 >> 20 & 1);
    HAVE(CLFLUSHOPT, b7 >> 23 & 1);
    HAVE(CLWB, b7 >> 24 & 1);
    HAVE(SHA, b7 >> 29 & 1);
    HAVE(PKU, c7 >> 3 & 1);
    HAVE(GFNI, c7 >> 8 & 1);
    HAVE(AVX_GFNI, avx && c7 >> 8 & 1);
    HAVE(VAES, c7 >> 9 & 1);
    HAVE(VPCLMUL, c7 >> 10 & 1);
    HAVE(RDPID, c7 >> 22 & 1);
    HAVE(MOVDIRI, c7 >> 27 & 1);
    HAVE(MOVDIR64B, c7 >> 28 & 1);
    HAVE(SERIALIZE, d7 >> 14 & 1);
    HAVE(LAHF64, c8 & 1);
    HAVE(LZCNT, c8 >> 5 & 1);
    HAVE(SYSCALL, d8 >> 11 & 1);
    HAVE(RDTSCP, d8 >> 27 & 1);
    HAVE(WBNOINVD, 1);
    HAVE(XSAVEOPT, ad & 1);
    HAVE(XSAVEC, ad >> 1 & 1);
    HAVE(XSAVES, ad >> 3 & 1);
#undef HAVE
    return m;
}

/* Opcodes, prefixes and random ModRM bytes in useful shares. */
static void generate(uint8_t *b)
{
    static const uint8_t pfx[] = { 0x66, 0xf2, 0xf3, 0x67, 0x2e, 0x64, 0xf0,
                                   0x36 };
    unsigned n = 0, k;

    for (k = 0; k < 16; k++) {
        b[k] = rnd() >> 24;
    }
    k = rnd() >> 32 & 15;
    while (k >= 8 && n < 12) {
        b[n++] = pfx[rnd() >> 32 & 7];
        k = rnd() >> 32 & 15;
    }
    if (!mode32 && (rnd() >> 40 & 3) == 0) {
        b[n++] = 0x40 | (rnd() >> 32 & 15);
    }
    switch (rnd() >> 32 & 7) {
    case 0:
    case 1:
        break;
    case 2:
    case 3:
        b[n++] = 0x0f;
        break;
    case 4:
        b[n++] = 0x0f;
        b[n++] = rnd() >> 32 & 1 ? 0x38 : 0x3a;
        break;
    case 5:
        b[n++] = 0xc5;
        b[n] |= mode32 ? 0xc0 : 0;
        if (rnd() >> 33 & 1) {
            b[n] |= 0x78;
        }
        break;
    case 6:
        b[n++] = 0xc4;
        b[n] = (b[n] & 0xe0) | (1 + (rnd() >> 32) % 3);
        b[n] |= mode32 ? 0xc0 : 0;
        n++;
        if (rnd() >> 33 & 1) {
            b[n] |= 0x78;
        }
        break;
    case 7:
        b[n++] = 0xd8 | (rnd() >> 32 & 7);
        break;
    }
}

/* What must not run: it would leave the child's sandbox or block. */
static bool excluded(const uint8_t *b)
{
    struct insn i;
    int n = decode_insn(&i, b, 15,
                        mode16 ? DECODE_16 : mode32 ? DECODE_32 : DECODE_64,
                        XF_ALL);

    if (n < 0) {
        return false;
    }
    switch (i.op) {
    case OP_SYSCALL:
    case OP_SYSENTER:
    case OP_INT:
    case OP_INT3:
    case OP_INT1:
    case OP_INTO:
    case OP_MWAIT:
        return true;
    }
    return false;
}

static const char *out_names[] = { "runs", "fetch", "#UD", "#GP", "other" };

/*
 * What the host has and the table leaves out by decision (cpu-engine design,
 * section 9), by name.
 */
static const char *explain(const uint8_t *b)
{
    unsigned p = 0, map;

    while (p < 15 && (b[p] == 0x66 || b[p] == 0x67 || b[p] == 0xf0 ||
                      b[p] == 0xf2 || b[p] == 0xf3 || b[p] == 0x26 ||
                      b[p] == 0x2e || b[p] == 0x36 || b[p] == 0x3e ||
                      b[p] == 0x64 || b[p] == 0x65 ||
                      (!mode32 && (b[p] & 0xf0) == 0x40))) {
        p++;
    }
    b += p;
    if (b[0] == 0x0f && b[1] == 0x01 && b[2] >= 0xcc && b[2] <= 0xcf &&
        memchr(b - p, 0x66, p)) {
        return "TDX: tdcall, seamret, seamops, seamcall";
    }
    if (b[0] == 0x62) {
        return "EVEX";
    }
    if (b[0] == 0x0f && b[1] == 0x01 &&
        (b[2] == 0xd7 || b[2] == 0xc0 || b[2] == 0xc5 || b[2] == 0xcf)) {
        return "SGX, PCONFIG";
    }
    if (((b[0] == 0xc6 || b[0] == 0xc7) && b[1] == 0xf8) ||
        (b[0] == 0x0f && b[1] == 0x01 &&
         (b[2] == 0xd5 || b[2] == 0xd6 || b[2] == 0xe8 || b[2] == 0xe9))) {
        return "RTM";
    }
    if (b[0] == 0x0f && b[1] == 0x01 && (b[2] == 0xc1 || b[2] == 0xd9)) {
        return "vmcall, answered by the host's own hypervisor";
    }
    if (b[0] == 0x0f && b[1] == 0x38 && b[2] == 0xf8) {
        return "ENQCMD";
    }
    if (b[0] == 0x0f && b[1] == 0xae && (b[2] >> 3 & 7) == 4) {
        return "PTWRITE";
    }
    if (b[0] == 0xc4 || b[0] == 0xc5) {
        map = b[0] == 0xc5 ? 1 : b[1] & 31;
        b += b[0] == 0xc5 ? 2 : 3;
        if (map == 1 && ((b[0] >= 0x41 && b[0] <= 0x4b) ||
                         (b[0] >= 0x90 && b[0] <= 0x93) ||
                         b[0] == 0x98 || b[0] == 0x99)) {
            return "AVX-512 mask registers";
        }
        if (map == 3 && b[0] >= 0x30 && b[0] <= 0x33) {
            return "AVX-512 mask registers";
        }
        if (map == 2 && b[0] >= 0x50 && b[0] <= 0x53) {
            return "AVX-VNNI";
        }
    }
    return NULL;
}

struct kind {
    uint64_t count;
};

static void count_kind(GHashTable *kinds, char *key)
{
    struct kind *k = g_hash_table_lookup(kinds, key);

    if (!k) {
        k = g_new0(struct kind, 1);
        g_hash_table_insert(kinds, g_strdup(key), k);
    }
    k->count++;
    g_free(key);
}

static void print_kinds(GHashTable *kinds)
{
    GHashTableIter it;
    void *key, *val;

    g_hash_table_iter_init(&it, kinds);
    while (g_hash_table_iter_next(&it, &key, &val)) {
        printf("# %8" PRIu64 " %s\n", ((struct kind *)val)->count,
               (char *)key);
    }
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 0) : 100000;
    GHashTable *kinds = g_hash_table_new_full(g_str_hash, g_str_equal,
                                              g_free, g_free);
    uint64_t run = 0, same = 0, bad = 0, explained = 0;
    x86_feat_mask feat = host_features();
    unsigned mode;
    int fd;

    rng = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15;
    mode32 = argc > 3 && strcmp(argv[3], "32") == 0;
    mode = mode32 ? DECODE_32 : DECODE_64;
    mode16 = argc > 3 && strcmp(argv[3], "16") == 0;
    if (mode16) {
        struct user_desc desc = {
            .base_addr = CODE_PAGE, .limit = 0xfffff, .limit_in_pages = 1,
            .contents = MODIFY_LDT_CONTENTS_CODE,
        };

        mode32 = true; /* all but the operand size */
        mode = DECODE_16;
        cs_base = CODE_PAGE;
        if (syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)) != 0) {
            printf("1..0 # SKIP no 16-bit segments here\n");
            return 0;
        }
    }
    fd = memfd_create("code", 0);
    if (fd < 0 || ftruncate(fd, 4096) < 0) {
        perror("memfd");
        return 1;
    }
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mmap((void *)CODE_PAGE, 4096, PROT_READ | PROT_EXEC,
             MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
        mmap((void *)NEXT_PAGE, 4096, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ||
        mmap((void *)DATA_PAGE, 4096, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    start_child();
    while (run < count) {
        uint8_t b[16];
        struct insn i;
        enum outcome out, ours;
        unsigned hlen, n;
        const char *why;
        int len = 0;

        generate(b);
        if (excluded(b)) {
            continue;
        }
        run++;
        for (n = 1; n <= 15; n++) {
            len = decode_insn(&i, b, n, mode, feat);
            if (len != DECODE_MORE) {
                break;
            }
        }
        hlen = host_length(b, &out);
        /* rsm outside SMM is an undefined opcode too. */
        ours = len == DECODE_GP ? OUT_GP
             : len == DECODE_UD || i.op == OP_UD || i.op == OP_RSM ||
               insn_row(&i)->priv == PRIV_CPL0_UD ? OUT_UD : OUT_OK;
        if (n == MIN(hlen, 15) && (ours == OUT_UD) == (out == OUT_UD) &&
            (ours != OUT_GP || out == OUT_GP)) {
            same++;
            continue;
        }
        why = explain(b);
        if (why) {
            explained++;
            count_kind(kinds, g_strdup(why));
            continue;
        }
        bad++;
        if (bad <= 200) {
            printf("# ours %s %u (%s), host %s %u:", out_names[ours], n,
                   len > 0 ? insn_row(&i)->form : "-", out_names[out], hlen);
            for (n = 0; n < 15; n++) {
                printf(" %02x", b[n]);
            }
            printf("\n");
        }
    }
    kill(child, SIGKILL);
    print_kinds(kinds);
    printf("# %s-bit: %" PRIu64 " strings, %" PRIu64 " the same, %" PRIu64
           " explained, %" PRIu64 " different\n",
           mode16 ? "16" : mode32 ? "32" : "64", run, same, explained, bad);
    printf("1..1\n%s 1 - decoder equals the host\n", bad ? "not ok" : "ok");
    return bad != 0;
}
