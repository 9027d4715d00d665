/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ROM that tries what an accelerator must do for a guest and says so on port
 * E9h, one letter a feature:
 *   P  port I/O        M  MMIO (HPET id)     R  ROM stays as it is
 *   T  HLT woken by the PIT through the 8259 (three ticks)
 *   A  HLT woken by the local APIC's timer
 *   S  a second CPU started by INIT and SIPI
 * then digits 0-9 round and round, a HLT for a tick between two of them, until
 * port E8h reads other than FFh (nobody there).
 */
        .set    PRINT, 0xe9
        .set    HPET, 0xfed00000
        .set    APIC, 0xfee00000
        .set    TICKS, 0x2000
        .set    ALIVE, 0x2004
        .set    AP_CODE, 0x8000

        .macro  say c
        movb    $\c, %al
        outb    %al, $PRINT
        .endm

        .macro  store value, addr       /* 32 bits, anywhere below 4 GiB */
        movl    $\addr, %esi
        movl    $\value, (%esi)
        .endm

        .code16
        .text
        .globl  _start
_start:
        cli
        xorw    %ax, %ax
        movw    %ax, %ss
        movw    $0x7000, %sp
        movw    $0xf000, %ax
        movw    %ax, %ds
        /* Data segments of 4 GiB: they stay so in real mode.  Kernels that
         * emulate guests know no IRET but that one's. */
        lgdtl   gdt_desc - _start
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        jmp     1f
1:      movw    $8, %bx
        movw    %bx, %ds
        movw    %bx, %es
        andb    $0xfe, %al
        movl    %eax, %cr0
        jmp     1f
1:      xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es

        /* P: many port writes; POST code port. */
        movw    $1000, %cx
1:      outb    %al, $0x80
        loop    1b
        say     'P'

        /* M: 8086h in the HPET's capabilities. */
        movl    $HPET, %esi
        movl    (%esi), %eax
        shrl    $16, %eax
        cmpw    $0x8086, %ax
        jne     fail
        say     'M'

        /* R: a store to the BIOS changes nothing. */
        movl    $0xf0000, %esi
        movl    (%esi), %eax
        notl    %eax
        movl    %eax, (%esi)
        cmpl    %eax, (%esi)
        je      fail
        say     'R'

        /* Vectors 20h (PIT), 30h (APIC timer), 3Fh. */
        movw    $(pit_irq - _start), 0x20 * 4
        movw    $0xf000, 0x20 * 4 + 2
        movw    $(apic_irq - _start), 0x30 * 4
        movw    $0xf000, 0x30 * 4 + 2
        movw    $(spurious - _start), 0x3f * 4
        movw    $0xf000, 0x3f * 4 + 2

        /* 8259 pair at 20h and 28h, IRQ 0 alone open; PIT at 100 Hz. */
        movb    $0x11, %al
        outb    %al, $0x20
        outb    %al, $0xa0
        movb    $0x20, %al
        outb    %al, $0x21
        movb    $0x28, %al
        outb    %al, $0xa1
        movb    $4, %al
        outb    %al, $0x21
        movb    $2, %al
        outb    %al, $0xa1
        movb    $1, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movb    $0xfe, %al
        outb    %al, $0x21
        movb    $0xff, %al
        outb    %al, $0xa1
        movb    $0x34, %al
        outb    %al, $0x43
        movb    $0x9c, %al
        outb    %al, $0x40
        movb    $0x2e, %al
        outb    %al, $0x40

        /* T */
        movl    $0, TICKS
2:      sti
        hlt
        cli
        cmpl    $3, TICKS
        jb      2b
        say     'T'
        movb    $0xff, %al
        outb    %al, $0x21

        /* A: one shot of the local APIC's timer. */
        store   0x13f, APIC + 0xf0
        store   0x0b, APIC + 0x3e0
        store   0x30, APIC + 0x320
        movl    $0, TICKS
        store   1000000, APIC + 0x380
3:      sti
        hlt
        cli
        cmpl    $1, TICKS
        jb      3b
        say     'A'

        /* S: code for the other CPU at 8000h, INIT, SIPI to all others. */
        movw    $(ap - _start), %si
        movw    $AP_CODE, %di
        movw    $(ap_end - ap), %cx
        cld
        rep movsb %cs:(%si), %es:(%di)
        movl    $0, ALIVE
        store   0xc4500, APIC + 0x300
        store   0xc4608, APIC + 0x300
4:      pause
        cmpl    $0x51, ALIVE
        jne     4b
        say     'S'

        /* Digits, one a tick. */
        movb    $0xfe, %al
        outb    %al, $0x21
        movb    $'0', %bl
5:      sti
        hlt
        cli
        movb    %bl, %al
        outb    %al, $PRINT
        incb    %bl
        cmpb    $'9' + 1, %bl
        jne     6f
        movb    $'0', %bl
6:      inb     $0xe8, %al
        cmpb    $0xff, %al
        je      5b
        jmp     7f
fail:
        say     '!'
7:      movb    $0, %al
        outb    %al, $0xf4
        cli
        hlt

        .balign 8
gdt:    .quad   0
        .quad   0x008f93000000ffff      /* accessed: it lies in ROM */
gdt_desc:
        .word   15
        .long   0xf0000 + gdt - _start

pit_irq:
        incl    TICKS
        pushl   %eax
        movb    $0x20, %al
        outb    %al, $0x20
        popl    %eax
        iret

apic_irq:
        incl    TICKS
        pushl   %esi
        store   0, APIC + 0xb0
        popl    %esi
spurious:
        iret

ap:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    $0x51, ALIVE
8:      cli
        hlt
        jmp     8b
ap_end:

        .org    0xfff0
        ljmp    $0xf000, $0
        .org    0x10000
