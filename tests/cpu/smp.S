/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 64 KiB ROM for two CPUs, in 32-bit protected mode without paging: litmus
 * tests of the memory order (Intel SDM vol. 3, 9.2.3; each over 4096 cells that
 * both walk at the same time), atomic operations, one that crosses pages, and
 * code that the other CPU changes.  On port E9h a letter for every test that
 * held, a small one for one that did not; port F4h ends it.
 */
#define CELLS  4096
#define X      0x100000         /* x of cell i: + 128 i; y: + 64 */
#define RES    0x200000         /* results of cell i: + 16 i */
#define BAR    0x9000           /* both: barrier */
#define IDS    0x9040
#define COUNT  0x9080
#define SPLIT  0xaffe           /* 4 bytes over a page's end */
#define FUNC   0xc000           /* mov $imm32,%eax; ret; the imm at + 4 */
#define FLAG   0xd000
#define SEEN   0xe000
        .code16
start:  cli
        xor %ax, %ax
        mov %ax, %ds
        /* Where the other one starts: ljmp to start, by SIPI vector 8. */
        mov %ax, %es
        movl $0x000000ea | (start - start) << 8, 0x8000
        movw $0xf000, 0x8003
        lgdtl %cs:gdtr
        mov %cr0, %eax
        or $1, %al
        and $0x9fffffff, %eax
        mov %eax, %cr0
        ljmpl $8, $(0xf0000 + prot)

        .code32
/* Both come by; edi is the number that was reached last. */
        .macro barrier
        add $2, %edi
        lock incl BAR
9:      pause
        mov BAR, %eax
        cmp %edi, %eax
        jb 9b
        .endm

/* \a by CPU 0, \b by CPU 1, over all cells; ebx: cell, ebp: its results. */
        .macro litmus a, b
        call clear
        barrier
        mov $X, %ebx
        mov $RES, %ebp
        mov $CELLS, %ecx
        test %esi, %esi
        jnz 2f
1:      \a
        add $128, %ebx
        add $16, %ebp
        dec %ecx
        jnz 1b
        jmp 3f
2:      \b
        add $128, %ebx
        add $16, %ebp
        dec %ecx
        jnz 2b
3:      barrier
        .endm

/* CPU 0 looks whether some cell has \r0 and \r1; says \letter. */
        .macro forbid r0, r1, letter
        test %esi, %esi
        jnz 5f
        mov $RES, %ebp
        mov $CELLS, %ecx
        mov $\letter, %al
4:      cmpl $\r0, (%ebp)
        jne 6f
        cmpl $\r1, 4(%ebp)
        jne 6f
        or $0x20, %al
6:      add $16, %ebp
        dec %ecx
        jnz 4b
        cmp $\letter, %al
        je 5f
        out %al, $0xe9
5:      barrier
        .endm

        .macro say letter
        test %esi, %esi
        jnz 5f
        mov $\letter, %al
        out %al, $0xe9
5:
        .endm

/* COUNT must be \n now. */
        .macro counted at, n, letter
        barrier
        test %esi, %esi
        jnz 5f
        mov $\letter, %al
        cmpl $\n, \at
        je 6f
        or $0x20, %al
6:      out %al, $0xe9
        movl $0, \at
5:      barrier
        .endm

        .macro sb_a
        movl $1, (%ebx)
        mov 64(%ebx), %eax
        mov %eax, (%ebp)
        .endm
        .macro sb_b
        movl $1, 64(%ebx)
        mov (%ebx), %eax
        mov %eax, 4(%ebp)
        .endm
        .macro sbf_a
        movl $1, (%ebx)
        mfence
        mov 64(%ebx), %eax
        mov %eax, (%ebp)
        .endm
        .macro sbf_b
        movl $1, 64(%ebx)
        lock orl $0, (%esp)
        mov (%ebx), %eax
        mov %eax, 4(%ebp)
        .endm
        .macro sbx_a
        mov $1, %eax
        xchg %eax, (%ebx)
        mov 64(%ebx), %eax
        mov %eax, (%ebp)
        .endm
        .macro sbx_b
        mov $1, %eax
        xchg %eax, 64(%ebx)
        mov (%ebx), %eax
        mov %eax, 4(%ebp)
        .endm
        .macro mp_a
        movl $1, (%ebx)
        movl $1, 64(%ebx)
        .endm
        .macro mp_b
        mov 64(%ebx), %eax
        mov (%ebx), %edx
        mov %eax, (%ebp)
        mov %edx, 4(%ebp)
        .endm
        .macro lb_a
        mov (%ebx), %eax
        movl $1, 64(%ebx)
        mov %eax, (%ebp)
        .endm
        .macro lb_b
        mov 64(%ebx), %eax
        movl $1, (%ebx)
        mov %eax, 4(%ebp)
        .endm
        .macro co_a
        movl $1, (%ebx)
        movl $2, (%ebx)
        .endm
        .macro co_b
        mov (%ebx), %eax
        mov (%ebx), %edx
        mov %eax, (%ebp)
        mov %edx, 4(%ebp)
        .endm

/* Clears cells and results: half by each. */
clear:  barrier
        mov $X, %ebx
        mov $RES, %ebp
        mov $CELLS, %ecx
        test %esi, %esi
        jnz 2f
1:      movl $0, (%ebx)
        movl $0, 64(%ebx)
        add $128, %ebx
        dec %ecx
        jnz 1b
        ret
2:      movl $0, (%ebp)
        movl $0, 4(%ebp)
        add $16, %ebp
        dec %ecx
        jnz 2b
        ret

prot:   mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $0x600, %eax        /* CR4: OSFXSR, OSXMMEXCPT */
        mov %eax, %cr4
        mov $1, %esi
        lock xadd %esi, IDS     /* 0: the first */
        mov $0x7000, %esp
        xor %edi, %edi
        test %esi, %esi
        jnz both
        mov $0xfee00000, %ebx
        orl $0x100, 0xf0(%ebx)
        movl $0xc4500, 0x300(%ebx)
1:      testl $0x1000, 0x300(%ebx)
        jnz 1b
        movl $0xc4608, 0x300(%ebx)
both:   mov %esi, %eax
        shl $10, %eax
        sub %eax, %esp
        movl $PASSES, -4(%esp)
        sub $4, %esp

pass:   litmus sb_a, sb_b
        litmus sbf_a, sbf_b
        forbid 0, 0, 'S'
        litmus sbx_a, sbx_b
        forbid 0, 0, 'X'
        litmus mp_a, mp_b
        forbid 1, 0, 'M'
        litmus lb_a, lb_b
        forbid 1, 1, 'L'
        litmus co_a, co_b
        forbid 2, 1, 'C'
        forbid 1, 0, 'C'
        forbid 2, 0, 'C'
        decl (%esp)
        jnz pass
        say 'T'

        /* Atomic additions in all forms. */
        mov $ATOMS, %ecx
1:      lock incl COUNT
        mov $1, %eax
        lock xadd %eax, COUNT
        lock addl $1, COUNT
2:      mov COUNT, %eax
        lea 1(%eax), %edx
        lock cmpxchg %edx, COUNT
        jne 2b
3:      lock btsl $0, COUNT+16  /* a spin lock */
        pause
        jc 3b
        incl COUNT+32          /* nobody else's now */
        movl $0, COUNT+16
        dec %ecx
        jnz 1b
        counted COUNT, (8*ATOMS), 'A'
        counted COUNT+32, (2*ATOMS), 'L'

        /* Across pages. */
        mov $ATOMS / 16, %ecx
1:      lock incl SPLIT
        dec %ecx
        jnz 1b
        counted SPLIT, (ATOMS/8), 'P'

        /* Code that changes: CPU 0 writes the immediate, then the flag; CPU 1
         * serializes and must run what was written, or later. */
        test %esi, %esi
        jnz 2f
        movl $0xb8909090, FUNC          /* nop; nop; nop; mov $imm, %eax */
        movl $0, FUNC + 4
        movl $0x000000c3, FUNC + 8
2:      barrier
        mov $CHANGES, %ebp
        xor %ebx, %ebx
        test %esi, %esi
        jnz 3f
1:      inc %ebx
        mov %ebx, FUNC + 4
        mov %ebx, FLAG
        mov $50, %ecx
4:      dec %ecx
        jnz 4b
        cmp %ebx, %ebp
        jne 1b
        jmp 8f
3:      mov FLAG, %edx
        push %edx
        push %ebx
        xor %eax, %eax
        xor %ecx, %ecx
        cpuid
        pop %ebx
        mov $FUNC, %eax
        call *%eax
        pop %edx
        cmp %edx, %eax          /* older than the flag said */
        jb 7f
        cmp %ebx, %eax          /* older than what ran before */
        jb 7f
        mov %eax, %ebx
        cmp %ebp, %edx
        jne 3b
        jmp 8f
7:      movl $1, SEEN
8:      barrier
        test %esi, %esi
        jnz 9f
        mov $'Z', %al
        cmpl $0, SEEN
        je 5f
        mov $'z', %al
5:      out %al, $0xe9
        xor %eax, %eax
        out %al, $0xf4
9:      hlt
        jmp 9b

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9b000000ffff
        .quad 0x00cf93000000ffff
gdtr:   .word 23
        .long 0xf0000 + gdt
        .org 0xfff0
        .code16
        ljmp $0xf000, $start
        .org 0x10000
