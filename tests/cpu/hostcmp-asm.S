/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * void host_run(struct host_regs *in, struct host_regs *out, void *code)
 * Loads everything, jumps to @code, which ends in a jump to host_exit; that
 * stores everything and returns from host_run.  struct host_regs: 16 GPRs,
 * rflags at 128, XSAVE image at 192.
 */
        .text
        .globl host_run, host_exit, host_abort, host_far, host_sels
        .hidden host_run, host_exit, host_abort, host_far, host_sels
host_run:
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        mov %rsp, saved_rsp(%rip)
        mov %rsi, saved_out(%rip)
        mov %rdx, saved_code(%rip)
        mov $7, %eax
        xor %edx, %edx
        xrstor64 192(%rdi)
        mov %rdi, %rax
        mov 8(%rax), %rcx
        mov 16(%rax), %rdx
        mov 24(%rax), %rbx
        mov 32(%rax), %rsp
        mov 40(%rax), %rbp
        mov 48(%rax), %rsi
        mov 56(%rax), %rdi
        mov 64(%rax), %r8
        mov 72(%rax), %r9
        mov 80(%rax), %r10
        mov 88(%rax), %r11
        mov 96(%rax), %r12
        mov 104(%rax), %r13
        mov 112(%rax), %r14
        mov 120(%rax), %r15
        cmpw $0, 4+host_far(%rip)
        jne 1f
        mov saved_rsp(%rip), %rsp
        push 128(%rax)
        popf
        mov 32(%rax), %rsp
        mov 0(%rax), %rax
        jmp *saved_code(%rip)
1:      /* Compatibility mode: DS, ES and SS, then CS with a far jump. */
        mov host_sels(%rip), %ds
        mov host_sels(%rip), %es
        mov saved_rsp(%rip), %rsp
        push 128(%rax)
        popf
        mov 32(%rax), %rsp
        mov host_sels(%rip), %ss
        mov 0(%rax), %rax
        ljmpl *host_far(%rip)

host_exit:
        mov %rax, saved_rax(%rip)
        mov saved_out(%rip), %rax
        mov %rsp, 32(%rax)
        mov saved_rsp(%rip), %rsp
        pushf
        pop 128(%rax)
        cld
        mov %rcx, 8(%rax)
        mov %rdx, 16(%rax)
        mov %rbx, 24(%rax)
        mov %rbp, 40(%rax)
        mov %rsi, 48(%rax)
        mov %rdi, 56(%rax)
        mov %r8, 64(%rax)
        mov %r9, 72(%rax)
        mov %r10, 80(%rax)
        mov %r11, 88(%rax)
        mov %r12, 96(%rax)
        mov %r13, 104(%rax)
        mov %r14, 112(%rax)
        mov %r15, 120(%rax)
        mov %rax, %rdi
        mov saved_rax(%rip), %rax
        mov %rax, 0(%rdi)
        mov $0x2b, %eax
        mov %eax, %ss
        mov $7, %eax
        xor %edx, %edx
        xsave64 192(%rdi)
host_abort:
        /* Also the way out of a trap: nothing is stored. */
        mov saved_rsp(%rip), %rsp
        cld
        fninit
        ldmxcsr initial_mxcsr(%rip)
        vzeroupper
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        ret

        .section .rodata
        .align 4
initial_mxcsr:
        .long 0x1f80
        .data
        .align 8
/* Where a run in compatibility mode goes; selector 0: 64-bit mode. */
host_far:       .long 0
                .word 0, 0
host_sels:      .word 0x2b, 0
        .bss
        .align 8
saved_rsp:      .skip 8
saved_out:      .skip 8
saved_code:     .skip 8
saved_rax:      .skip 8
        .section .note.GNU-stack, "", @progbits
