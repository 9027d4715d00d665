/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option ROM that boots the kernel which the machine was given (-kernel).
 *
 * The firmware calls BEV (Plug and Play BIOS Specification 1.0a, section 3)
 * when this is the boot device.  All parts come through fw_cfg by DMA straight
 * to where the machine wants them; then the kernel's real-mode setup code is
 * entered as the Linux/x86 boot protocol says.
 */
#define FW_CFG_SEL   0x510
#define FW_CFG_DMA   0x514

#define KERNEL_ADDR  0x07
#define KERNEL_SIZE  0x08
#define INITRD_ADDR  0x0a
#define INITRD_SIZE  0x0b
#define KERNEL_DATA  0x11
#define INITRD_DATA  0x12
#define CMDLINE_ADDR 0x13
#define CMDLINE_SIZE 0x14
#define CMDLINE_DATA 0x15
#define SETUP_ADDR   0x16
#define SETUP_SIZE   0x17
#define SETUP_DATA   0x18

#define DMA_SELECT_READ 0x0a
#define DMA_BLOCK  0x7e00 /* control, length, address: free low memory */

        .code16
        .text
        .globl _start
_start:
        .short  0xaa55
        .byte   2               /* 512-byte units; the build checks it */
        lret                    /* initialisation: nothing to do */
        .org    0x18
        .short  0               /* no PCI data structure */
        .short  pnp

        .balign 4
pnp:
        .ascii  "$PnP"
        .byte   0x01            /* structure revision */
        .byte   2               /* length, 16-byte units */
        .short  0               /* next header */
        .byte   0
        .byte   0               /* checksum: set by the build */
        .long   0               /* device identifier */
        .short  vendor
        .short  product
        .byte   0x02, 0, 0      /* device type: mass storage */
        .byte   0xe4            /* indicators: IPL device */
        .short  0               /* BCV */
        .short  0               /* disconnect vector */
        .short  boot            /* BEV */
        .short  0
        .short  0

vendor: .asciz  "qemu-kvm"
product:
        .asciz  "Linux kernel"

        /* eax = 32-bit item %bx.  Clobbers dx. */
read_item:
        movw    $FW_CFG_SEL, %dx
        movw    %bx, %ax
        outw    %ax, %dx
        incw    %dx
        inb     %dx, %al
        shll    $8, %eax
        inb     %dx, %al
        shll    $8, %eax
        inb     %dx, %al
        shll    $8, %eax
        inb     %dx, %al
        bswapl  %eax            /* first byte read is the lowest */
        ret

        /* Item %bx of %ecx bytes to physical address %edi. */
fetch:
        testl   %ecx, %ecx
        jz      1f
        movzwl  %bx, %eax
        shll    $16, %eax
        orl     $DMA_SELECT_READ, %eax
        bswapl  %eax
        movl    %eax, %es:DMA_BLOCK
        movl    %ecx, %eax
        bswapl  %eax
        movl    %eax, %es:DMA_BLOCK+4
        movl    $0, %es:DMA_BLOCK+8
        movl    %edi, %eax
        bswapl  %eax
        movl    %eax, %es:DMA_BLOCK+12
        movw    $FW_CFG_DMA, %dx
        xorl    %eax, %eax
        outl    %eax, %dx
        movl    $DMA_BLOCK, %eax
        bswapl  %eax
        addw    $4, %dx
        outl    %eax, %dx
0:      movl    %es:DMA_BLOCK, %eax
        bswapl  %eax
        testl   $1, %eax        /* error: give up, the firmware goes on */
        jnz     failed
        testl   $0x0a, %eax
        jnz     0b
1:      ret

        .macro  load size, addr, data
        movw    $\size, %bx
        call    read_item
        movl    %eax, %ecx
        movw    $\addr, %bx
        call    read_item
        movl    %eax, %edi
        movw    $\data, %bx
        call    fetch
        .endm

boot:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        load    SETUP_SIZE, SETUP_ADDR, SETUP_DATA
        load    CMDLINE_SIZE, CMDLINE_ADDR, CMDLINE_DATA
        load    KERNEL_SIZE, KERNEL_ADDR, KERNEL_DATA
        load    INITRD_SIZE, INITRD_ADDR, INITRD_DATA

        movw    $CMDLINE_ADDR, %bx
        call    read_item
        movl    %eax, %ecx
        movw    $SETUP_ADDR, %bx
        call    read_item
        subl    %eax, %ecx      /* stack and heap end at the command line */
        subl    $16, %ecx
        shrl    $4, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    %ax, %ss
        movl    %ecx, %esp
        addw    $0x20, %ax      /* setup's entry is 512 bytes in */
        pushw   %ax
        pushw   $0
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        lretw

failed:
        sti
        int     $0x18
1:      hlt
        jmp     1b
