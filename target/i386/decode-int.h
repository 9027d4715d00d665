/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generated tables, for decode.c and disas.c. */
#ifndef TARGET_I386_DECODE_INT_H
#define TARGET_I386_DECODE_INT_H

#include "decode.h"

struct opnd_spec {
    uint8_t kind; /* enum opnd_kind */
    uint8_t size; /* enum opnd_size */
    uint8_t fix;  /* OK_FIX: the operand as in insn.opnd[] */
};

/* Questions of the decision tree, in the generator's order. */
enum { DIM_MODE, DIM_PFX, DIM_MOD, DIM_REG, DIM_RM, DIM_REXB, DIM_L, DIM_W,
       DIM_FEAT };

extern const struct opnd_spec x86_opnd_specs[];
extern const uint16_t x86_nodes[];
extern const uint16_t x86_maps[8][256]; /* 0-3 legacy, 5-7 VEX */
/* Bit 0: ModRM follows.  Bits 2:1, for undefined opcodes only: an immediate,
 * 1 a byte, 2 by operand size, 3 a far pointer. */
extern const uint8_t x86_follow[8][256];

#endif
