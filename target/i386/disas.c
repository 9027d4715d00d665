/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AT&T text of decoded instructions: operands in reverse, sizes as suffixes
 * where no register tells them.  The text assembles back to the same
 * instruction (tests/cpu/test-disas).
 */
#include "osdep.h"
#include "decode-int.h"

struct out {
    char *p, *end;
};

static void PRINTF(2, 3) put(struct out *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = g_vsnprintf(o->p, o->end - o->p, fmt, ap);
    va_end(ap);
    o->p += MIN(n, o->end - o->p - 1);
}

static const char *const seg_names[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static void put_gpr(struct out *o, unsigned n, unsigned size)
{
    static const char legacy[][4] = { "ax", "cx", "dx", "bx",
                                      "sp", "bp", "si", "di" };

    if (n >= 8) {
        put(o, "%%r%u%s", n, size == 8 ? "" : size == 4 ? "d"
                             : size == 2 ? "w" : "b");
    } else if (size == 1) {
        if (n < 4) {
            put(o, "%%%cl", legacy[n][0]);
        } else {
            put(o, "%%%sl", legacy[n]);
        }
    } else {
        put(o, "%%%s%s", size == 8 ? "r" : size == 4 ? "e" : "", legacy[n]);
    }
}

static void put_hex(struct out *o, int64_t v, bool sign)
{
    if (sign && v < 0) {
        put(o, "-0x%" PRIx64, -(uint64_t)v);
    } else {
        put(o, "0x%" PRIx64, v);
    }
}

static void put_mem(struct out *o, const struct insn *i, bool m64)
{
    const struct x86_row *row = insn_row(i);
    /* A SIB byte that was not needed is shown, as riz or eiz. */
    bool riz = i->index == INSN_NO_REG && i->addrsize != 2 &&
               i->op != OP_MOVABS && (i->modrm & 7) == 4 &&
               (i->scale || (i->base & 7) != 4) &&
               (i->scale || i->base != INSN_NO_REG || !m64);
    bool none = i->base == INSN_NO_REG && i->index == INSN_NO_REG && !riz;

    if (i->prefix & PFX_SEG) {
        put(o, "%%%s:", seg_names[i->seg]);
    }
    if (i->op == OP_MOVABS) {
        put_hex(o, i->imm, false);
        return;
    }
    if (none || (i->base == INSN_RIP) || i->modrm >= 0x40 || i->disp) {
        uint64_t d = (int64_t)i->disp;

        if (none && i->addrsize == 4) {
            d = (uint32_t)d;
        } else if (none && i->addrsize == 2) {
            d = (int16_t)d;
        }
        put_hex(o, d, !none || i->addrsize == 2);
    }
    if (none) {
        return;
    }
    put(o, "(");
    if (i->base == INSN_RIP) {
        put(o, i->addrsize == 4 ? "%%eip" : "%%rip");
    } else if (i->base != INSN_NO_REG) {
        put_gpr(o, i->base, i->addrsize);
    }
    if (i->index != INSN_NO_REG) {
        put(o, ",");
        if (row->flags & ROW_VSIB) {
            /* By the index's width: that of the whole unless it is the dword
             * form of a gather of quadwords. */
            bool y = (i->vex & 4) && !(INSN_W(i) && !(i->opcode & 1));

            put(o, "%%%cmm%u", y ? 'y' : 'x', i->index);
        } else {
            put_gpr(o, i->index, i->addrsize);
        }
        if (i->addrsize != 2) {
            put(o, ",%u", 1u << i->scale);
        }
    }
    if (riz) {
        put(o, ",%%%ciz,%u", i->addrsize == 8 ? 'r' : 'e', 1u << i->scale);
    }
    put(o, ")");
}

static void put_opnd(struct out *o, const struct insn *i, unsigned n,
                     uint64_t pc, unsigned mode)
{
    unsigned x = i->opnd[n], num = OPND_NUM(x);
    unsigned size = insn_opnd_size(i, n);
    unsigned adr = i->addrsize;

    switch (OPND_FILE(x)) {
    case OPND_GPR:
        if (x86_opnd_specs[insn_row(i)->opnd[n]].fix == 2 &&
            (i->op == OP_IN || i->op == OP_OUT || i->op == OP_INS ||
             i->op == OP_OUTS)) {
            put(o, "(%%dx)");
            break;
        }
        switch (i->op) {
        /* As objdump prints them. */
        case OP_LAR:
        case OP_LSL:
            size = i->opsize;
            break;
        case OP_PINSRW:
        case OP_VPINSRW:
            size = 4;
            break;
        case OP_MOV_TO_SEG:
            size = (mode & DECODE_SIZE) == DECODE_16 ? 2 : 4;
            break;
        }
        put_gpr(o, num, size);
        break;
    case OPND_GPRH:
        put(o, "%%%ch", "acdb"[num]);
        break;
    case OPND_SEG:
        put(o, "%%%s", seg_names[num]);
        break;
    case OPND_CR:
        put(o, "%%cr%u", num);
        break;
    case OPND_DR:
        put(o, "%%db%u", num);
        break;
    case OPND_MMX:
        put(o, "%%mm%u", num);
        break;
    case OPND_ST:
        if (x86_opnd_specs[insn_row(i)->opnd[n]].kind == OK_FIX) {
            put(o, "%%st");
        } else {
            put(o, "%%st(%u)", num);
        }
        break;
    case OPND_XMM:
        put(o, "%%xmm%u", num);
        break;
    case OPND_YMM:
        put(o, "%%ymm%u", num);
        break;
    case OPND_MEM:
        put_mem(o, i, (mode & DECODE_SIZE) == DECODE_64);
        break;
    case OPND_IMM: {
        int64_t v = i->imm;

        /* Sign-extended ones as the operand they meet sees them. */
        if (v < 0 && i->opsize < 8) {
            v &= (INT64_C(1) << (8 * i->opsize)) - 1;
        }
        if (i->op == OP_ENTER) {
            v = n ? v >> 16 : v & 0xffff;
        }
        put(o, "$");
        put_hex(o, v, false);
        break;
    }
    case OPND_REL: {
        uint64_t t = pc + i->len + i->imm;

        if (i->opsize == 2) {
            t &= 0xffff;
        } else if ((mode & DECODE_SIZE) != DECODE_64) {
            t &= 0xffffffff;
        }
        put_hex(o, t, false);
        break;
    }
    case OPND_FAR:
        put(o, "$0x%x,$0x%" PRIx64, i->disp & 0xffff, (uint64_t)i->imm);
        break;
    case OPND_SRC:
        if (i->prefix & PFX_SEG) {
            put(o, "%%%s:", seg_names[i->seg]);
        } else {
            put(o, "%%ds:");
        }
        put(o, "(");
        put_gpr(o, 6, adr);
        put(o, ")");
        break;
    case OPND_DST:
        put(o, "%%es:(");
        put_gpr(o, 7, adr);
        put(o, ")");
        break;
    }
}

/* Names that depend on the size. */
static const char *sized_name(const struct insn *i, unsigned mode)
{
    unsigned lg = i->opsize == 8 ? 2 : i->opsize == 4 ? 1 : 0;
    bool w = INSN_W64(i);

    if (i->modrm >= 0xe0 && (i->opcode == 0xdc || i->opcode == 0xde) &&
        insn_row(i)->unit == UNIT_X87) {
        /* AT&T assemblers have these exchanged since ever. */
        static const char *const names[2][4] = {
            { "fsub", "fsubr", "fdiv", "fdivr" },
            { "fsubp", "fsubrp", "fdivp", "fdivrp" },
        };

        return names[i->opcode == 0xde][i->modrm >> 3 & 3];
    }
    switch (i->op) {
    case OP_MOVABS:
        return (mode & DECODE_SIZE) == DECODE_64 ? NULL : "mov";
    case OP_MOV:
        return i->opsize == 8 && (i->opcode & 0xf8) == 0xb8 ? "movabs" : NULL;
    case OP_CBW:
        return ((const char *[]){ "cbtw", "cwtl", "cltq" })[lg];
    case OP_CWD:
        return ((const char *[]){ "cwtd", "cltd", "cqto" })[lg];
    case OP_MOVSXD:
        return lg == 2 ? "movslq" : "movsxd";
    case OP_MOVZX:
        return i->opcode & 1 ? ((const char *[]){ "movzww", "movzwl",
                                                  "movzwq" })[lg]
                             : ((const char *[]){ "movzbw", "movzbl",
                                                  "movzbq" })[lg];
    case OP_MOVSX:
        return i->opcode & 1 ? ((const char *[]){ "movsww", "movswl",
                                                  "movswq" })[lg]
                             : ((const char *[]){ "movsbw", "movsbl",
                                                  "movsbq" })[lg];
    case OP_CMPXCHG8B:
        return w ? "cmpxchg16b" : "cmpxchg8b";
    case OP_MOVD:
        return w ? "movq" : "movd";
    case OP_VMOVD:
        return w ? "vmovq" : "vmovd";
    case OP_PEXTRD:
        return w ? "pextrq" : "pextrd";
    case OP_VPEXTRD:
        return w ? "vpextrq" : "vpextrd";
    case OP_PINSRD:
        return w ? "pinsrq" : "pinsrd";
    case OP_VPINSRD:
        return w ? "vpinsrq" : "vpinsrd";
    case OP_FXSAVE:
        return w ? "fxsave64" : "fxsave";
    case OP_FXRSTOR:
        return w ? "fxrstor64" : "fxrstor";
    case OP_XSAVE:
        return w ? "xsave64" : "xsave";
    case OP_XRSTOR:
        return w ? "xrstor64" : "xrstor";
    case OP_XSAVEOPT:
        return w ? "xsaveopt64" : "xsaveopt";
    case OP_XSAVEC:
        return w ? "xsavec64" : "xsavec";
    case OP_XSAVES:
        return w ? "xsaves64" : "xsaves";
    case OP_XRSTORS:
        return w ? "xrstors64" : "xrstors";
    case OP_JCXZ:
        return i->addrsize == 8 ? "jrcxz" : i->addrsize == 4 ? "jecxz"
                                                             : "jcxz";
    case OP_CALLF:
    case OP_CALLF_IND:
        return "lcall";
    case OP_JMPF:
    case OP_JMPF_IND:
        return "ljmp";
    case OP_RETF:
        return "lret";
    }
    return NULL;
}

/* The suffix where the mode gives the size: none if it is the usual one. */
static const char *size_letter(const struct insn *i, unsigned mode)
{
    unsigned usual = (mode & DECODE_SIZE) == DECODE_16 ? 2 : 4;

    if ((mode & DECODE_SIZE) == DECODE_64 &&
        (insn_row(i)->flags & (ROW_D64 | ROW_F64))) {
        usual = 8;
    }
    return i->opsize == usual ? ""
         : i->opsize == 8     ? "q"
         : i->opsize == 4     ? "l" : "w";
}

/* "b", "w", "l", "q" or "": what AT&T syntax puts after the mnemonic. */
static const char *suffix(const struct insn *i, unsigned mode)
{
    const struct x86_row *row = insn_row(i);
    bool mem = false, reg = false;
    unsigned size = i->msize;

    if (row->unit == UNIT_X87 || row->unit == UNIT_WAIT) {
        bool integer = row->name[1] == 'i' && i->op != OP_FINCSTP;

        if (i->opnd[0] != OPND_MEM || i->op == OP_FLDCW ||
            i->op == OP_FNSTCW || i->op == OP_FNSTSW || i->op == OP_FBLD ||
            i->op == OP_FBSTP) {
            return "";
        }
        switch (size) {
        case 2:
            return "s";
        case 4:
            return integer ? "l" : "s";
        case 8:
            return integer ? "ll" : "l";
        case 10:
            return "t";
        }
        return *size_letter(i, mode) == 'w' ? "s" : size_letter(i, mode);
    }
    switch (i->op) {
    case OP_CVTSI2SS:
    case OP_CVTSI2SD:
    case OP_VCVTSI2SS:
    case OP_VCVTSI2SD:
        return i->opnd[row->flags & ROW_VEX ? 2 : 1] != OPND_MEM
               || (mode & DECODE_SIZE) != DECODE_64              ? ""
             : size == 8                                         ? "q" : "l";
    case OP_CRC32:
        return i->opnd[1] != OPND_MEM ? "" : size == 1 ? "b" : size == 2 ? "w" : size == 4 ? "l" : "q";
    case OP_PUSH:
    case OP_POP:
        if (OPND_FILE(i->opnd[0]) == OPND_GPR) {
            return "";
        }
        return size_letter(i, mode);
    case OP_PUSHF:
    case OP_POPF:
    case OP_PUSHA:
    case OP_POPA:
    case OP_IRET:
    case OP_RET:
    case OP_RETF:
    case OP_CALL:
    case OP_JMP:
    case OP_CALLF:
    case OP_JMPF:
    case OP_CALLF_IND:
    case OP_JMPF_IND:
    case OP_ENTER:
    case OP_LEAVE:
        return size_letter(i, mode);
    case OP_SYSRET:
    case OP_SYSEXIT:
        return (mode & DECODE_SIZE) != DECODE_64 ? ""
             : i->opsize == 8                    ? "q" : "l";
    case OP_SGDT:
    case OP_SIDT:
    case OP_LGDT:
    case OP_LIDT:
        return (mode & DECODE_SIZE) == DECODE_64 ? ""
             : i->opsize == 2                    ? "w" : "l";
    case OP_VCVTPD2PS:
    case OP_VCVTPD2DQ:
    case OP_VCVTTPD2DQ:
        return i->opnd[1] != OPND_MEM ? "" : i->vex & 4 ? "y" : "x";
    case OP_CALL_IND:
    case OP_JMP_IND:
        return i->opnd[0] == OPND_MEM ? size_letter(i, mode) : "";
    case OP_MOVZX:
    case OP_MOVSX:
    case OP_MOVSXD:
    case OP_MOV_SEG:
    case OP_MOV_TO_SEG:
    case OP_LAR:
    case OP_LSL:
    case OP_PREFETCH:
    case OP_INVLPG:
    case OP_CLFLUSH:
    case OP_SETCC:
    case OP_ARPL:
    case OP_LLDT:
    case OP_LTR:
    case OP_VERR:
    case OP_VERW:
    case OP_LMSW:
    case OP_SLDT:
    case OP_STR:
    case OP_SMSW:
    case OP_MOVABS:
    case OP_CMPXCHG8B:
        return "";
    }
    if (row->unit != UNIT_INT || (row->flags & ROW_VEX)) {
        return "";
    }
    for (unsigned n = 0; n < 4 && i->opnd[n] != OPND_NONE; n++) {
        unsigned f = OPND_FILE(i->opnd[n]);

        if (f == OPND_MEM) {
            mem = true;
        } else if (f == OPND_SRC || f == OPND_DST) {
            mem = true;
            size = i->opsize;
        } else if ((f == OPND_GPR || f == OPND_GPRH) &&
                   (x86_opnd_specs[row->opnd[n]].kind != OK_FIX ||
                    i->opnd[n] == 0)) {
            reg = true;
        }
    }
    if (!mem || reg) {
        return "";
    }
    switch (size ? size : i->opsize) {
    case 1:
        return "b";
    case 2:
        return "w";
    case 4:
        return "l";
    case 8:
        return "q";
    }
    return "";
}

void disas_insn(char *buf, size_t size, const struct insn *i, uint64_t pc,
                unsigned mode)
{
    const struct x86_row *row = insn_row(i);
    struct out o = { buf, buf + size };
    const char *name = sized_name(i, mode);
    unsigned count = 0;
    char full[24];
    bool first = true;

    if (i->prefix & PFX_LOCK) {
        put(&o, "lock ");
    }
    if (row->flags & ROW_REP) {
        if (i->prefix & PFX_REPNE) {
            put(&o, "repnz ");
        } else if (i->prefix & PFX_REP) {
            put(&o, i->op == OP_CMPS || i->op == OP_SCAS ? "repz " : "rep ");
        }
    }
    if (i->op == OP_XLAT) {
        put(&o, "xlat   ");
        put(&o, "%%%s:(", i->prefix & PFX_SEG ? seg_names[i->seg] : "ds");
        put_gpr(&o, 3, i->addrsize);
        put(&o, ")");
        return;
    }
    g_snprintf(full, sizeof(full), "%s%s", name ? name : row->name,
               suffix(i, mode));
    while (count < 4 && i->opnd[count] != OPND_NONE) {
        count++;
    }
    if (!count) {
        put(&o, "%s", full);
        return;
    }
    /* st(i) against st: the second is understood. */
    bool one = i->op == OP_FCOM || i->op == OP_FCOMP || i->op == OP_FUCOM ||
               i->op == OP_FUCOMP;
    /* A shift by 1 does not show it. */
    bool by1 = row->opcode >= 0xd0 && row->opcode <= 0xd1 && !row->map;

    put(&o, "%-6s ", full);
    if (i->op == OP_CALL_IND || i->op == OP_JMP_IND ||
        i->op == OP_CALLF_IND || i->op == OP_JMPF_IND) {
        put(&o, "*");
    }
    /* enter and bound keep the manual's order. */
    for (unsigned n = 0; n < count; n++) {
        bool keep = i->op == OP_ENTER || i->op == OP_BOUND;

        unsigned k = keep ? n : count - 1 - n;

        if ((by1 && k == 1) || (one && count == 2 && k == 0)) {
            continue;
        }
        if (!first) {
            put(&o, ",");
        }
        first = false;
        put_opnd(&o, i, k, pc, mode);
    }
    if (i->base == INSN_RIP) {
        put(&o, "        # 0x%" PRIx64, pc + i->len + (int64_t)i->disp);
    }
}

int disas_bytes(char *buf, size_t size, const uint8_t *bytes, size_t avail,
                uint64_t pc, unsigned mode)
{
    struct insn i;
    int n = decode_insn(&i, bytes, avail, mode | DECODE_ANY_LOCK, XF_ALL);

    if (n > 0) {
        disas_insn(buf, size, &i, pc, mode);
        return n;
    }
    if (n == DECODE_MORE) {
        return 0;
    }
    g_strlcpy(buf, "(bad)", size);
    return 1;
}
