/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 64 KiB ROM that goes from reset through real, 32-bit protected and long
 * mode with paging, takes an exception in each, and says a letter on port
 * E9h for every step: "RPLX".  Then a counted loop, and port F4h ends it.
 * Segment base F0000h.
 */
        .code16
start:  cli
        xor %ax, %ax
        mov %ax, %ds
        mov %ax, %ss
        mov $0x7000, %sp
        movw $real_ud, 4 * 6
        movw $0xf000, 4 * 6 + 2
        ud2
real_back:
        mov $'R', %al
        out %al, $0xe9
        lgdtl %cs:gdtr
        lidtl %cs:idtr32
        mov %cr0, %eax
        or $1, %al
        mov %eax, %cr0
        ljmpl $8, $(0xf0000 + prot)
real_ud:
        add $2, %sp
        push $real_back
        iret

        .code32
prot:   mov $16, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov $0x7000, %esp
        /* gate 0: divide error */
        movl $(0x00080000 + prot_de - start), 0x1000
        movl $0x000f8e00, 0x1004
        xor %ecx, %ecx
        div %ecx
prot_back:
        mov $'P', %al
        out %al, $0xe9
        /* What LAR and its like say of code (8), data (16), null, beyond. */
        mov $16, %ecx
        lar %ecx, %eax
        jnz fail32
        and $0xf0ff00, %eax /* the rest is undefined */
        cmp $0x00c09300, %eax
        jne fail32
        lsl %ecx, %eax
        jnz fail32
        cmp $-1, %eax
        jne fail32
        verr %cx
        jnz fail32
        verw %cx
        jnz fail32
        mov $8, %ecx
        lar %ecx, %eax
        jnz fail32
        and $0xf0ff00, %eax
        cmp $0x00c09b00, %eax
        jne fail32
        verr %cx
        jnz fail32
        verw %cx
        jz fail32
        xor %ecx, %ecx
        mov $0x55, %eax
        lar %ecx, %eax
        jz fail32
        verr %cx
        jz fail32
        mov $32, %cl
        lsl %ecx, %eax
        jz fail32
        cmp $0x55, %eax
        jne fail32
        /* Segment registers by far pointers and the stack; far transfers. */
        movl $0x12345678, 0x6000
        movw $16, 0x6004
        les 0x6000, %ebx
        lss 0x6010 - 0x10, %edx
        cmp %edx, %ebx
        jne fail32
        mov $0x7000, %esp
        lds 0x6000, %ebx
        lfs 0x6000, %ecx
        lgs 0x6000, %edx
        cmp %ebx, %ecx
        jne fail32
        cmp %ebx, %edx
        jne fail32
        push %fs
        pop %es
        mov %es, %eax
        cmp $16, %eax
        jne fail32
        push %cs
        call 5f
        lcall $8, $(0xf0000 + 6f)
        movl $(0xf0000 + 6f), 0x6000
        movw $8, 0x6004
        lcall *0x6000
        jmp 7f
5:      lret
6:      lret $0
fail32: hlt
        jmp fail32
7:
        /* page tables at 2000h: 1 GiB by 2 MiB pages */
        mov $0x2000, %edi
        xor %eax, %eax
        mov $0x1000, %ecx
        cld
        rep stosl
        movl $0x3003, 0x2000
        movl $0x4003, 0x3000
        mov $0x4000, %edi
        mov $0x83, %eax
        mov $512, %ecx
1:      mov %eax, (%edi)
        add $0x200000, %eax
        add $8, %edi
        loop 1b
        mov $0x20, %eax
        mov %eax, %cr4
        mov $0x2000, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx
        rdmsr
        or $0x100, %eax
        wrmsr
        mov %cr0, %eax
        or $0x80000000, %eax
        mov %eax, %cr0
        ljmpl $24, $(0xf0000 + long64)
prot_de:
        movl $(0xf0000 + prot_back), (%esp)
        iret

        .code64
long64: mov $'L', %al
        out %al, $0xe9
        lidt 0xf0000 + idtr64
        movl $(0x00180000 + long_pf - start), 0x10e0
        movl $0x000f8e00, 0x10e4
        movq $0, 0x10e8
        movabs $0x7fff00000000, %rbx
        mov (%rbx), %rax
long_back:
        cmp $0x5a, %eax
        jne fail
        mov $'X', %al
        out %al, $0xe9
        mov $LOOPS, %ecx
        xor %eax, %eax
2:      add %rcx, %rax
        mov %rax, 0x6000
        xor 0x6000, %rax
        lea 3(%rax, %rcx, 2), %rax
        dec %ecx
        jnz 2b
        xor %eax, %eax
        out %al, $0xf4
fail:   hlt
        jmp fail
long_pf:
        mov %cr2, %rax
        cmp %rbx, %rax
        jne fail
        mov $0x5a, %eax
        add $8, %rsp
        movq $(0xf0000 + long_back), (%rsp)
        iretq

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9b000000ffff
        .quad 0x00cf93000000ffff
        .quad 0x00af9b000000ffff
gdtr:   .word 31
        .long 0xf0000 + gdt
idtr32: .word 0x7ff
        .long 0x1000
idtr64: .word 0xfff
        .quad 0x1000
        .org 0xfff0
        .code16
        ljmp $0xf000, $start
        .org 0x10000
