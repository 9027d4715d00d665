/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt (and other one-bit) lines.  An IRQ is one input pin of somebody;
 * a device that drives it holds a borrowed pointer, NULL when nothing is
 * connected.  BQL.
 */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include "osdep.h"
#include "util/thread.h"

typedef void (*IRQHandler)(void *opaque, int n, int level);

typedef struct IRQ {
    IRQHandler handler;
    void *opaque;
    int n;
    /* Set by qtest interception: sees the level first. */
    IRQHandler tap;
    void *tap_opaque;
} IRQ;

/* @level: 0 or 1 (a few lines carry more).  NULL is fine. */
void irq_set(IRQ *irq, int level);
static inline void irq_raise(IRQ *irq)
{
    irq_set(irq, 1);
}
static inline void irq_lower(IRQ *irq)
{
    irq_set(irq, 0);
}
static inline void irq_pulse(IRQ *irq)
{
    irq_set(irq, 1);
    irq_set(irq, 0);
}

/* @n lines with numbers 0..n-1; g_free the array. */
IRQ *irq_array_new(IRQHandler handler, void *opaque, int n);
/* One line that is up when any of its @n inputs is: free with g_free. */
typedef struct IRQOr IRQOr;
IRQOr *irq_or_new(IRQ *out, int n);
IRQ *irq_or_input(IRQOr *o, int n);

#endif
