/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "osdep.h"
#include "hw/irq.h"

void irq_set(IRQ *irq, int level)
{
    if (!irq) {
        return;
    }
    if (unlikely(irq->tap)) {
        irq->tap(irq->tap_opaque, irq->n, level);
    }
    irq->handler(irq->opaque, irq->n, level);
}

IRQ *irq_array_new(IRQHandler handler, void *opaque, int n)
{
    IRQ *irqs = g_new0(IRQ, n);

    for (int i = 0; i < n; i++) {
        irqs[i] = (IRQ){ .handler = handler, .opaque = opaque, .n = i };
    }
    return irqs;
}

struct IRQOr {
    IRQ *out;
    unsigned up; /* inputs that are up */
    int n;
    bool *level;
    IRQ inputs[];
};

static void irq_or_set(void *opaque, int n, int level)
{
    IRQOr *o = opaque;
    bool on = level != 0;

    if (o->level[n] != on) {
        o->level[n] = on;
        o->up += on ? 1 : -1;
        irq_set(o->out, o->up > 0);
    }
}

IRQOr *irq_or_new(IRQ *out, int n)
{
    IRQOr *o = g_malloc0(sizeof(*o) + n * (sizeof(IRQ) + sizeof(bool)));

    o->out = out;
    o->n = n;
    o->level = (bool *)&o->inputs[n];
    for (int i = 0; i < n; i++) {
        o->inputs[i] = (IRQ){ .handler = irq_or_set, .opaque = o, .n = i };
    }
    return o;
}

IRQ *irq_or_input(IRQOr *o, int n)
{
    assert(n >= 0 && n < o->n);
    return &o->inputs[n];
}
