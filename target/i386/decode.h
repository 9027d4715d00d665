/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 instruction decoder: the one description of instructions that the
 * interpreter, the JIT, KVM's emulation assist and the disassembler share.
 *
 * opcodes.def is the table in the manual's notation; scripts/gen-opcodes.py
 * turns it at build time into opcodes.h (enum op_id: OP_ADD, OP_VADDPS, ...
 * one for each meaning; enum x86_feat) and opcodes-table.c (the rows and the
 * decision tree that decode.c walks).
 *
 * Pure functions, no state, any thread, no libc, no vector code.
 */
#ifndef TARGET_I386_DECODE_H
#define TARGET_I386_DECODE_H

#include "osdep.h"
#include "opcodes.h" /* generated: enum op_id, enum x86_feat (XF_*) */

/*
 * One operand in one byte: register file in the high nibble, number in the
 * low one.  Numbers are the architecture's: 0 rax, 1 rcx, ... 15 r15.
 */
enum opnd_file {
    OPND_GPR = 0x00,  /* 0-15; size: insn_opnd_size() */
    OPND_GPRH = 0x10, /* 0-3: AH CH DH BH */
    OPND_SEG = 0x20,  /* 0-5: ES CS SS DS FS GS */
    OPND_CR = 0x30,
    OPND_DR = 0x40,
    OPND_MMX = 0x50,
    OPND_ST = 0x60,   /* 0-7: st(i) */
    OPND_XMM = 0x70,
    OPND_YMM = 0x80,
    OPND_MEM = 0x90,  /* at seg:base+index*scale+disp, see insn_ea rules */
    OPND_IMM = 0xa0,  /* insn.imm */
    OPND_REL = 0xb0,  /* branch: insn.imm is relative to the next insn */
    OPND_FAR = 0xc0,  /* far pointer: offset in imm, selector in disp */
    OPND_SRC = 0xd0,  /* string: [seg:rSI] */
    OPND_DST = 0xe0,  /* string: [es:rDI] */
    OPND_NONE = 0xf0,
};
#define OPND_FILE(o) ((o) & 0xf0)
#define OPND_NUM(o)  ((o) & 0x0f)

/* insn.base and insn.index beside 0-15.  A register array with [16] = 0 makes
 * the absent ones free. */
enum { INSN_NO_REG = 16, INSN_RIP = 17 };

/* insn.prefix */
enum {
    PFX_LOCK = 0x01,  /* only where it is allowed */
    PFX_REP = 0x02,   /* F3, whichever of F2/F3 came last */
    PFX_REPNE = 0x04, /* F2 */
    PFX_66 = 0x08,
    PFX_67 = 0x10,
    PFX_SEG = 0x20,   /* a segment override that counts in this mode */
    PFX_REX = 0x40,   /* a REX that counts (last prefix) */
    PFX_VEX = 0x80,
};

/*
 * Effective address: (base + index << scale + disp) truncated to addrsize,
 * then + seg base (ES, CS, SS, DS only outside 64-bit mode, where the linear
 * address is cut to 32 bits).  base INSN_RIP: address of the next insn.
 * PFX_67 changes addrsize; 16-bit forms are given in the same fields.
 * Exception: OP_MOVABS (moffs forms) has its address in imm, base and index
 * absent.  Bit-offset instructions (bt m,r), push/pop and strings add their
 * own part.
 */
struct insn {
    /* Not the decoder's: zeroed by it, for the interpreter. */
    const void *handler;
    uint64_t aux;

    int64_t imm;      /* sign- or zero-extended as the opcode says */
    int32_t disp;
    uint16_t op;      /* enum op_id */
    uint16_t row;     /* index into x86_rows[] */

    uint8_t len;      /* bytes, 1-15 */
    uint8_t opsize;   /* 1 2 4 8: operand size; 16 32: vector length */
    uint8_t addrsize; /* 2 4 8 */
    uint8_t prefix;   /* PFX_* */

    uint8_t seg;      /* effective segment of the memory operand, 0-5 */
    uint8_t base, index;
    uint8_t scale;    /* shift count, 0-3 */

    uint8_t opnd[4];  /* destination first, as in the Intel manual */
    uint8_t msize;    /* bytes of the E/M/W/Q operand (in memory or not);
                       * 0: not one plain access */
    uint8_t opcode;   /* last opcode byte; low bits: condition of jcc etc. */
    uint8_t modrm;    /* 0 if none */
    uint8_t vex;      /* bit 7 W (REX.W too), bit 2 L; bits 6:3 vvvv, plain;
                       * bit 0: W and 64-bit mode (general registers) */
};
_Static_assert(sizeof(struct insn) == 48, "struct insn is in every block");

#define INSN_W(i)  ((i)->vex >> 7)
#define INSN_W64(i) ((i)->vex & 1)
#define INSN_L(i)  ((i)->vex >> 2 & 1)
#define INSN_CC(i) ((i)->opcode & 15) /* jcc, setcc, cmovcc */

/* What decode_insn() must know of the CPU. */
enum {
    DECODE_16 = 0,
    DECODE_32 = 1,
    DECODE_64 = 2,
    DECODE_SIZE = 3,
    DECODE_REAL = 4, /* CR0.PE = 0 or EFLAGS.VM = 1: VEX, ARPL... are #UD */
    DECODE_VENDOR_AMD = 8, /* 66h cuts near branches to 16 bits, ... */
    DECODE_ANY_LOCK = 16,  /* accept a wrong LOCK (the disassembler) */
};

/* Set of XF_*: bit n of the mask is feature n.  XF_BASE is always in it. */
typedef uint64_t x86_feat_mask;
#define XF_BIT(f) (UINT64_C(1) << (f))
#define XF_ALL    (~UINT64_C(0))

enum {
    DECODE_MORE = -1, /* @avail bytes are the beginning of an insn */
    DECODE_UD = -2,
    DECODE_GP = -3,   /* longer than 15 bytes */
};

/*
 * Decodes the instruction at @bytes, of which @avail can be read.  Returns
 * its length, or one of DECODE_*.  With DECODE_MORE the caller fetches more
 * (a fetch fault is then the guest's) and calls again; never with avail >=
 * 15.  Says nothing about CR0, CR4, CPL, or the address: privilege and
 * device-not-available checks are the row's `priv` and `unit`, made by the
 * one who executes.
 */
int decode_insn(struct insn *out, const uint8_t *bytes, size_t avail,
                unsigned mode, x86_feat_mask feat);

/* How an instruction may be executed (cpu-engine design, section 2). */
enum op_class {
    CLASS_HELPER,  /* interpreted */
    CLASS_COPY,    /* JIT: copied with registers and memory replaced */
    CLASS_SPECIAL, /* JIT has own code */
    CLASS_BRANCH,  /* ends a block: direct or indirect near transfer */
    CLASS_STRING,
    CLASS_END,     /* ends a block: changes more than registers */
};

/* Which unit's state it uses: for #NM and #UD by CR0, CR4 and XCR0. */
enum op_unit {
    UNIT_INT,
    UNIT_X87,  /* #NM if CR0.EM or TS */
    UNIT_WAIT, /* FWAIT: #NM if CR0.MP and TS */
    UNIT_MMX,  /* #UD if EM, #NM if TS, pending x87 exception */
    UNIT_SSE,  /* #UD if EM or !CR4.OSFXSR, #NM if TS */
    UNIT_AVX,  /* #UD if !CR4.OSXSAVE or XCR0 lacks SSE|AVX, #NM if TS */
    UNIT_FXSR, /* fxsave/fxrstor: #NM if EM or TS */
    UNIT_XSAVE,/* #UD if !CR4.OSXSAVE; the save forms #NM if TS */
};

enum op_priv {
    PRIV_ANY,
    PRIV_CPL0, /* #GP if CPL != 0 */
    PRIV_IOPL, /* #GP if CPL > IOPL (cli, sti), VM86 rules apart */
    PRIV_IO,   /* IOPL or the I/O bitmap */
    PRIV_VM,   /* pushf/popf/iret/int n: VM86 needs IOPL 3 */
    PRIV_TSD,  /* rdtsc, rdpmc: CR4 says */
    PRIV_CPL0_UD, /* #UD if CPL != 0 (stac, clac, monitor, mwait) */
};

/* Access to the first operand (the others are read, except ROW_RW2). */
enum op_access { ACC_R, ACC_W, ACC_RW, ACC_NONE };

enum {
    ROW_LOCK = 1 << 0,    /* LOCK allowed with a memory destination */
    ROW_D64 = 1 << 1,     /* operand size 64 by default in 64-bit mode */
    ROW_F64 = 1 << 2,     /* always 64 there (Intel: near branches) */
    ROW_RW2 = 1 << 3,     /* second operand is written too (xchg, xadd) */
    ROW_ALIGN = 1 << 4,   /* m128/m256 must be aligned: #GP(0) */
    ROW_VEX = 1 << 5,
    ROW_VVVV = 1 << 6,    /* uses vvvv */
    ROW_NOMEM = 1 << 7,   /* M operand is an address only (lea, nop, ...) */
    ROW_MANDATORY66 = 1 << 8, /* 66h chose the row, it is no size prefix */
    ROW_VSIB = 1 << 9,    /* gather: index is a vector register */
    ROW_REP = 1 << 10,    /* REP/REPNE repeat it */
    ROW_NOREAL = 1 << 11, /* #UD in real and VM86 mode */
};

/* Arithmetic flags, for the masks below. */
enum { FL_C = 1, FL_P = 2, FL_A = 4, FL_Z = 8, FL_S = 16, FL_O = 32 };

struct x86_row {
    const char *name;  /* "add": Intel mnemonic, lower case */
    const char *form;  /* "00 add Eb,Gb": as in opcodes.def */
    uint16_t op;
    uint16_t flags;    /* ROW_* */
    uint8_t opnd[4];   /* enum opnd_spec (generated) */
    uint8_t opcode;
    uint8_t map;       /* 0 one-byte, 1 0F, 2 0F38, 3 0F3A */
    uint8_t pfx;       /* mandatory: 0 any, 1 none, 2 66, 3 F3, 4 F2 */
    uint8_t modrm;     /* 1: has one */
    uint8_t feat;      /* XF_* */
    uint8_t class_;    /* enum op_class */
    uint8_t unit;      /* enum op_unit */
    uint8_t priv;      /* enum op_priv */
    uint8_t access;    /* enum op_access */
    /* FL_*: read; always written; written perhaps (shift by 0); undefined. */
    uint8_t fl_r, fl_w, fl_m, fl_u;
    uint8_t osz;       /* enum opnd_size: what gives insn.opsize */
};
extern const struct x86_row x86_rows[];
extern const unsigned x86_row_count;
extern const char *const x86_op_names[]; /* by enum op_id: "add" */

static inline const struct x86_row *insn_row(const struct insn *i)
{
    return &x86_rows[i->row];
}

/* Bytes of the general register or memory operand @n (0-3): movzx, crc32 and
 * such mix sizes. */
unsigned insn_opnd_size(const struct insn *i, unsigned n);
/* W only chooses the size of general registers: without effect outside 64-bit
 * mode. */
bool insn_w_is_size(const struct insn *i);

/*
 * AT&T text as binutils prints it ("mov    %rax,0x8(%rbx)"), into @buf.
 * @pc: address of the insn; branch targets are printed from it.
 */
void disas_insn(char *buf, size_t size, const struct insn *i, uint64_t pc,
                unsigned mode);
/* Decodes and prints the one at @bytes; "(bad)" and 1 if it is none.  Returns
 * the length, 0 if @avail ends within it. */
int disas_bytes(char *buf, size_t size, const uint8_t *bytes, size_t avail,
                uint64_t pc, unsigned mode);

#endif
