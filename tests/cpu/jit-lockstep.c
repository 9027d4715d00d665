/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lockstep (target/i386/jit-check.c) over a program with what is hard for the
 * JIT: flags across memory accesses, groups of pushes that fault, two addresses
 * of one page of code, code that changes itself.  No difference may be seen;
 * and with each of the errors that PLANT() puts into the translator, some.
 */
#include "bare.h"
#include "target/i386/jit-int.h"
#include <sys/wait.h>

unsigned jit_plant;

/* Loaded at BARE_CODE; rsi: data, r15: counts down, rdx: sum of results. */
__asm__(
    ".pushsection .rodata\n"
    "prog:\n"
    " mov $0x201000, %esi\n mov $300, %r15d\n xor %edx, %edx\n"
    " mov $0x1234567, %r14d\n"
    "1: imul $1103515245, %r14, %r14\n add $12345, %r14\n"
    /* CF over a load and an INC. */
    " cmp $150, %r15\n mov (%rsi), %rdi\n inc %rbx\n adc $0, %rdx\n"
    /* CF alone over a load, read by a jump. */
    " mov %r14d, %eax\n cmp $0x40000000, %eax\n mov 8(%rsi), %rdi\n"
    " jc 2f\n add $3, %rdx\n"
    /* OF over a load. */
    "2: mov %r14d, %eax\n add $0x60000000, %eax\n mov 8(%rsi), %rdi\n"
    " jo 3f\n add $5, %rdx\n"
    /* A shift by 32, which is none, keeps the flags; a load between. */
    "3: cmp %r15d, %r14d\n mov (%rsi), %rdi\n .byte 0xc1, 0xe1, 0x20\n"
    " setc %al\n movzbl %al, %eax\n add %rax, %rdx\n"
    /* Pushes and pops over a page's end; one alone. */
    " mov %rsp, %rbp\n mov $0x202010, %esp\n"
    " push %r15\n push %r14\n push %rdx\n push %rbx\n"
    " pop %rax\n pop %r9\n pop %r10\n pop %r11\n add %r10, %rdx\n"
    " mov $0x202004, %esp\n push %r15\n mov (%rsp), %rax\n"
    " lea 8(%rsp), %rsp\n sub %rax, %rdx\n mov %rbp, %rsp\n"
    /* A load over the end of a page whose neighbour is elsewhere. */
    " mov 0xffc(%rsi), %rax\n add %rax, %rdx\n"
    /* One page of code at two addresses. */
    " call where\n lea where(%rip), %rax\n add $0x40000000, %rax\n"
    " call *%rax\n"
    /* A backward jump with flags live at its target. */
    " mov $9, %ecx\n mov $0x55556b3d, %r8d\n stc\n"
    "4: adc $0, %rdx\n ror %r8d\n dec %ecx\n jnz 4b\n"
    /* Code of another page is changed, then called. */
    " mov %r15d, 0x40000001+changed\n call 7f\n add %rax, %rdx\n"
    /* The next instruction is changed. */
    " mov %r15d, 5f+1(%rip)\n"
    "5: mov $0x11111111, %eax\n add %rax, %rdx\n"
    /* Half of an instruction, in the page behind, is changed. */
    " mov %r15w, 8f+3(%rip)\n call 8f\n add %rax, %rdx\n"
    " shr $16, %eax\n cmp %ax, %r15w\n je 9f\n ud2\n9: call 8f\n"
    " sub %rax, %rdx\n"
    " dec %r15\n jnz 1b\n hlt\n"
    " .balign 4096\n"
    "where: mov $2, %ecx\n"
    "6: lea 6b(%rip), %rax\n add %rax, %rdx\n dec %ecx\n jnz 6b\n ret\n"
    " .balign 4096\n"
    ".equ changed, 0x100000 + (7f - prog)\n"
    "7: mov $0, %eax\n ret\n"
    " .balign 4096\n .skip 4093\n"
    "8: mov $0, %eax\n ret\n"
    "prog_end:\n .popsection\n");
extern const uint8_t prog[], prog_end[];

struct result {
    uint64_t sum, checked, unknown, differ;
    int end;
};

static void run(const char *props, unsigned plant, struct result *r)
{
    bare_init(props);
    jit_plant = plant;
    memcpy(bare_mem + BARE_CODE, prog, (size_t)(prog_end - prog));
    for (unsigned i = 0; i < 0x20000; i++) {
        bare_mem[BARE_DATA + i] = (uint8_t)(i * 7 + (i >> 12) * 13);
    }
    bare_reset(BARE_CODE);
    r->end = bare_run(20000);
    r->sum = bare_env->regs[R_DX];
    if (bare_env->jit) {
        r->checked = bare_env->jit->n_checked;
        r->unknown = bare_env->jit->n_unknown;
        r->differ = bare_env->jit->n_differ;
    }
}

/* In a process of its own; false: it died. */
static bool child(const char *props, unsigned plant, struct result *r)
{
    int fd[2], status;

    memset(r, 0, sizeof(*r));
    if (pipe(fd) < 0) {
        g_error("pipe");
    }
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        if (plant) { /* the report is not wanted */
            freopen("/dev/null", "w", stderr);
        }
        run(props, plant, r);
        _exit(write(fd[1], r, sizeof(*r)) != sizeof(*r));
    }
    close(fd[1]);
    bool ok = read(fd[0], r, sizeof(*r)) == sizeof(*r);
    close(fd[0]);
    waitpid(pid, &status, 0);
    return ok && WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_clean(void)
{
    struct result a, b, c;

    g_assert_true(child("engine=interp", 0, &a));
    g_assert_true(child("x-jit-threshold=0", 0, &b));
    g_assert_true(child("x-jit-threshold=0,x-jit-check=on", 0, &c));
    g_assert_cmpint(a.end, ==, BARE_HLT);
    g_assert_cmpint(b.end, ==, BARE_HLT);
    g_assert_cmpint(c.end, ==, BARE_HLT);
    g_assert_cmphex(b.sum, ==, a.sum);
    g_assert_cmphex(c.sum, ==, a.sum);
    g_assert_cmpuint(c.differ, ==, 0);
    g_assert_cmpuint(c.checked, >, 5000);
    g_test_message("%" PRIu64 " compared, %" PRIu64 " not foretold",
                   c.checked, c.unknown);
}

/* Parts of the translator left out change no result. */
static void test_off(void)
{
    struct result a, b;

    g_assert_true(child("engine=interp", 0, &a));
    for (unsigned off = 1; off <= JIT_NO_SLOTS; off *= 2) {
        g_autofree char *p = g_strdup_printf(
            "x-jit-threshold=0,x-jit-check=on,x-jit-off=%u", off);

        g_assert_true(child(p, 0, &b));
        g_assert_cmphex(b.sum, ==, a.sum);
        g_assert_cmpuint(b.differ, ==, 0);
    }
}

static void test_plant(gconstpointer n)
{
    struct result r;
    bool ok = child("x-jit-threshold=0,x-jit-check=on", GPOINTER_TO_UINT(n),
                    &r);

    g_test_message("%s, %" PRIu64 " differ of %" PRIu64, ok ? "ran" : "died",
                   r.differ, r.checked);
    g_assert_cmpuint(r.differ, >, 0);
}

int main(int argc, char **argv)
{
    static const char *const names[PLANTS] = {
        [PLANT_INC_CF] = "inc-cf", [PLANT_SAVE_CF] = "save-cf",
        [PLANT_LOAD_OF] = "load-of", [PLANT_SHIFT_0] = "shift-0",
        [PLANT_GROUP_SITE] = "group-site", [PLANT_CHECK_SIZE] = "check-size",
        [PLANT_PUSH_EARLY] = "push-early", [PLANT_CHAIN_VA] = "chain-va",
        [PLANT_CHAIN_ENTRY] = "chain-entry",
        [PLANT_STALE_JUMPS] = "stale-jumps",
        [PLANT_SMC_GOES_ON] = "smc-goes-on",
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lockstep/clean", test_clean);
    g_test_add_func("/lockstep/parts-off", test_off);
    for (unsigned i = 1; i < PLANTS; i++) {
        g_autofree char *path = g_strdup_printf("/lockstep/plant/%s",
                                                names[i]);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_plant);
    }
    return g_test_run();
}
