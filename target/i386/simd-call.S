/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way from C to a thunk and back (simd-int.h: struct simd_call).  A thunk
 * is one vector or x87 instruction with fixed registers, and ret:
 *
 *   ModRM.reg  xmm1 mm1 ecx     VEX.vvvv  xmm2     implied  xmm0 eax edx
 *   ModRM.rm   xmm3 mm3 ebx     is4       xmm4     x87 memory  [rsi]
 *
 * rdi holds the struct throughout.  If the instruction traps, the signal
 * handler continues at simd_trap_*, which return to here with all registers
 * as they were, so that the outputs are the inputs.
 */
        .set C_REG, 0
        .set C_VVVV, 8
        .set C_RM, 16
        .set C_IS4, 24
        .set C_X0, 32
        .set C_OUT_REG, 40
        .set C_OUT_RM, 48
        .set C_OUT_X0, 56
        .set C_RAX, 64
        .set C_RCX, 72
        .set C_RDX, 80
        .set C_RBX, 88
        .set C_FLAGS, 96
        .set C_MXCSR, 100
        .set C_TRAP, 104
        .set C_MMREG, 112
        .set C_MMRM, 120

        .section .rodata
        .align 4
host_mxcsr:
        .long 0x1f80

        .text
        .macro GLOBAL name
        .globl \name
        .hidden \name
        .type \name, @function
\name:
        .endm

        .macro LOAD mov, x
        mov C_REG(%rdi), %r8
        mov C_VVVV(%rdi), %r9
        mov C_RM(%rdi), %r10
        mov C_IS4(%rdi), %r11
        mov C_X0(%rdi), %rax
        \mov (%r8), %\x\()mm1
        \mov (%r9), %\x\()mm2
        \mov (%r10), %\x\()mm3
        \mov (%r11), %\x\()mm4
        \mov (%rax), %\x\()mm0
        mov C_RAX(%rdi), %rax
        mov C_RCX(%rdi), %rcx
        mov C_RDX(%rdi), %rdx
        mov C_RBX(%rdi), %rbx
        .endm

        .macro STORE mov, x
        lahf
        seto %al
        mov %ax, C_FLAGS(%rdi)
        mov %rcx, C_RCX(%rdi)
        mov %rbx, C_RBX(%rdi)
        mov C_OUT_REG(%rdi), %r8
        mov C_OUT_RM(%rdi), %r9
        mov C_OUT_X0(%rdi), %r10
        \mov %\x\()mm3, (%r9)
        \mov %\x\()mm1, (%r8)
        \mov %\x\()mm0, (%r10)
        .endm

/* void simd_call_int(struct simd_call *, const void *thunk) */
GLOBAL simd_call_int
        push %rbx
        LOAD movups, x
        call *%rsi
        STORE movups, x
        pop %rbx
        ret

/* With the guest's MXCSR. */
GLOBAL simd_call_fp
        push %rbx
        LOAD movups, x
        ldmxcsr C_MXCSR(%rdi)
        call *%rsi
        stmxcsr C_MXCSR(%rdi)
        ldmxcsr host_mxcsr(%rip)
        STORE movups, x
        pop %rbx
        ret

/* 32-byte operands. */
GLOBAL simd_call_ymm
        push %rbx
        LOAD vmovups, y
        ldmxcsr C_MXCSR(%rdi)
        call *%rsi
        stmxcsr C_MXCSR(%rdi)
        ldmxcsr host_mxcsr(%rip)
        STORE vmovups, y
        vzeroupper
        pop %rbx
        ret

/* MMX operands beside the XMM ones. */
GLOBAL simd_call_mmx
        push %rbx
        LOAD movups, x
        mov C_MMREG(%rdi), %r8
        mov C_MMRM(%rdi), %r9
        movq (%r8), %mm1
        movq (%r9), %mm3
        ldmxcsr C_MXCSR(%rdi)
        call *%rsi
        stmxcsr C_MXCSR(%rdi)
        ldmxcsr host_mxcsr(%rip)
        STORE movups, x
        mov C_MMREG(%rdi), %r8
        mov C_MMRM(%rdi), %r9
        movq %mm3, (%r9)
        movq %mm1, (%r8)
        emms
        pop %rbx
        ret

/*
 * void x87_call(struct simd_call *c, const void *thunk, void *img, void *mem)
 * img: the FXSAVE image.  C_FLAGS: ZF, PF, CF in and out as lahf's AH.
 */
GLOBAL x87_call
        push %rbx
        mov %rdx, %rbx
        mov %rsi, %r8
        mov %rcx, %rsi
        fxrstor64 (%rbx)
        mov C_FLAGS(%rdi), %ax
        sahf
        call *%r8
        lahf
        mov %ax, C_FLAGS(%rdi)
        fxsave64 (%rbx)
        fninit
        ldmxcsr host_mxcsr(%rip)
        pop %rbx
        ret

GLOBAL simd_trap_fpe
        movl $19, C_TRAP(%rdi)
        ret
GLOBAL simd_trap_ill
        movl $6, C_TRAP(%rdi)
        ret

        .section .note.GNU-stack, "", @progbits
