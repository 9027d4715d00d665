/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to hw/core. */
#ifndef HW_CORE_QDEV_INT_H
#define HW_CORE_QDEV_INT_H

#include "hw/qdev.h"

/* A named group of lines, in DeviceState.ins or .outs. */
typedef struct LineGroup {
    ListNode node;
    char *name;      /* NULL: the unnamed one */
    int n;
    IRQ *in;         /* inputs: owned array */
    IRQ **slots;     /* outputs: the device's pointers */
    IRQ *taps;       /* outputs under interception */
} LineGroup;

#endif
