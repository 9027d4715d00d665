/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events find their device; include/ui/input.h. */
#include "osdep.h"
#include "exec/runstate.h"
#include "input-int.h"
#include "util/timer.h"

#define QUEUE_MAX 65536 /* keys that wait: a long text (input-send-text) */
#define PATIENCE_MS 5000 /* with a keyboard that has no room */

struct InputHandler {
    ListNode node;
    const InputHandlerOps *ops;
    void *opaque;
    Console *console;  /* bound to it, NULL: any */
    int id;
    unsigned leds;
    bool events;       /* got some since the last sync */
};

typedef struct Queued {
    ListNode node;
    Console *console;
    QKeyCode code;
    bool down;
    int delay_ms;      /* to the next one */
} Queued;

typedef struct Watcher {
    ListNode node;
    void (*fn)(void *opaque);
    void *opaque;
} Watcher;

static ListNode handlers = LIST_INIT(handlers); /* first: most current */
static ListNode watchers = LIST_INIT(watchers);
static ListNode queue = LIST_INIT(queue);
static unsigned queue_len;
static Timer queue_timer;
static InputHandler *queue_waits; /* for room in it */
static int next_id = 1;

/* ---- handlers ---- */

static void tell_watchers(void)
{
    Watcher *w, *next;

    list_foreach_safe(w, next, &watchers, node) {
        w->fn(w->opaque);
    }
}

void input_on_change(void (*fn)(void *opaque), void *opaque)
{
    Watcher *w = g_new0(Watcher, 1);

    w->fn = fn;
    w->opaque = opaque;
    list_append(&watchers, &w->node);
}

void input_off_change(void (*fn)(void *opaque), void *opaque)
{
    Watcher *w, *next;

    list_foreach_safe(w, next, &watchers, node) {
        if (w->fn == fn && w->opaque == opaque) {
            list_remove(&w->node);
            g_free(w);
        }
    }
}

InputHandler *input_handler_new(const InputHandlerOps *ops, void *opaque)
{
    InputHandler *h = g_new0(InputHandler, 1);

    h->ops = ops;
    h->opaque = opaque;
    h->id = next_id++;
    list_append(&handlers, &h->node);
    tell_watchers();
    return h;
}

void input_handler_free(InputHandler *h)
{
    if (h) {
        input_handler_ready(h); /* what waits for it goes elsewhere */
        list_remove(&h->node);
        g_free(h);
        tell_watchers();
    }
}

void input_handler_bind(InputHandler *h, Console *c)
{
    h->console = c;
    tell_watchers();
}

void input_handler_activate(InputHandler *h)
{
    list_remove(&h->node);
    list_prepend(&handlers, &h->node);
    tell_watchers();
}

void input_handler_set_leds(InputHandler *h, unsigned leds)
{
    if (h->leds != leds) {
        h->leds = leds;
        tell_watchers();
    }
}

static InputHandler *find_handler(const Console *c, unsigned mask)
{
    InputHandler *h;

    if (c) {
        list_foreach(h, &handlers, node) {
            if (h->console == c && (h->ops->mask & mask)) {
                return h;
            }
        }
    }
    list_foreach(h, &handlers, node) {
        if (!h->console && (h->ops->mask & mask)) {
            return h;
        }
    }
    return NULL;
}

bool input_is_absolute(Console *c)
{
    const InputHandler *h = find_handler(c, INPUT_REL | INPUT_ABS);

    return h && (h->ops->mask & INPUT_ABS);
}

unsigned input_leds(void)
{
    const InputHandler *h = find_handler(NULL, INPUT_KEY);

    return h ? h->leds : 0;
}

bool input_has_keyboard(void)
{
    return find_handler(NULL, INPUT_KEY) != NULL;
}

bool input_console_takes(Console *c, unsigned mask)
{
    return find_handler(c, mask) != NULL;
}

MouseInfoList *input_list_mice(void)
{
    MouseInfoList *list = NULL, **tail = &list;
    InputHandler *h;
    bool current = true;

    list_foreach(h, &handlers, node) {
        MouseInfo *info;

        if (!(h->ops->mask & (INPUT_REL | INPUT_ABS))) {
            continue;
        }
        info = g_new0(MouseInfo, 1);
        info->name = g_strdup(h->ops->name);
        info->index = h->id;
        info->current = current;
        info->absolute = h->ops->mask & INPUT_ABS;
        current = false;
        QAPI_LIST_APPEND(tail, info);
    }
    return list;
}

bool input_choose_mouse(int index)
{
    InputHandler *h;

    list_foreach(h, &handlers, node) {
        if (h->id == index && (h->ops->mask & (INPUT_REL | INPUT_ABS))) {
            input_handler_activate(h);
            return true;
        }
    }
    return false;
}

/* ---- events ---- */

/* Whom an event of kind @mask reaches now; NULL: nobody. */
static InputHandler *receiver(Console *c, unsigned mask, bool press)
{
    InputHandler *h;

    if (!runstate_is_running() && !runstate_check(RUN_STATE_SUSPENDED)) {
        return NULL;
    }
    h = find_handler(c, mask);
    if (h) {
        h->events = true;
        if (press && runstate_check(RUN_STATE_SUSPENDED)) {
            system_wakeup_request("other", NULL);
        }
    }
    if (c) {
        console_wake(c);
    }
    return h;
}

void input_send_button(Console *c, InputButton button, bool down)
{
    InputHandler *h = receiver(c, INPUT_BUTTON, down);

    if (h) {
        h->ops->button(h->opaque, button, down);
    }
}

void input_send_buttons(Console *c, unsigned *last, unsigned now)
{
    for (unsigned n = 0; n < INPUT_BUTTON__MAX; n++) {
        if ((*last ^ now) >> n & 1) {
            input_send_button(c, n, now >> n & 1);
        }
    }
    *last = now;
}

void input_send_rel(Console *c, InputAxis axis, int value)
{
    InputHandler *h = receiver(c, INPUT_REL, false);

    if (h) {
        h->ops->rel(h->opaque, axis, value);
    }
}

void input_send_abs(Console *c, InputAxis axis, int value, int size)
{
    InputHandler *h = receiver(c, INPUT_ABS, false);

    if (h) {
        int64_t v = size > 1 ? (int64_t)value * INPUT_ABS_MAX / (size - 1) : 0;

        h->ops->abs(h->opaque, axis, CLAMP(v, 0, INPUT_ABS_MAX));
    }
}

void input_sync(Console *c)
{
    InputHandler *h;

    list_foreach(h, &handlers, node) {
        if (h->events) {
            h->events = false;
            if (h->ops->sync) {
                h->ops->sync(h->opaque);
            }
        }
    }
}

/* ---- keys at a pace ---- */

static void queue_drop(void)
{
    Queued *q, *next;

    list_foreach_safe(q, next, &queue, node) {
        list_remove(&q->node);
        g_free(q);
    }
    queue_len = 0;
}

static void queue_run(void *opaque)
{
    if (queue_waits) { /* for PATIENCE_MS */
        queue_waits = NULL;
        queue_drop();
    }
    while (!list_empty(&queue)) {
        Queued *q = list_first(&queue, Queued, node);
        InputHandler *h = receiver(q->console, INPUT_KEY, q->down);
        int delay = q->delay_ms;

        if (h && h->ops->key_room && !h->ops->key_room(h->opaque)) {
            queue_waits = h;
            timer_mod_ms(&queue_timer, PATIENCE_MS);
            return;
        }
        list_remove(&q->node);
        queue_len--;
        if (h) {
            h->ops->key(h->opaque, q->code, q->down);
            input_sync(q->console);
        }
        g_free(q);
        if (delay) {
            timer_mod_ms(&queue_timer, delay);
            return;
        }
    }
}

void input_handler_ready(InputHandler *h)
{
    if (queue_waits == h) {
        queue_waits = NULL;
        timer_mod_ms(&queue_timer, 0);
    }
}

static void console_gone(void *opaque)
{
    Queued *q;

    /* Consoles came or went: keys for one that is no more go to any. */
    list_foreach(q, &queue, node) {
        bool found = false;

        for (unsigned i = 0; i < console_count(); i++) {
            found |= console_by_index(i) == q->console;
        }
        q->console = found ? q->console : NULL;
    }
}

bool input_queue_busy(void)
{
    return queue_len > INPUT_BUSY;
}

bool input_queue_key(Console *c, QKeyCode code, bool down, int delay_ms)
{
    Queued *q;

    if (queue_len == QUEUE_MAX) {
        return false;
    }
    if (!queue_timer.loop) {
        timer_init_virtual(&queue_timer, queue_run, NULL);
        console_on_change(console_gone, NULL);
    }
    q = g_new0(Queued, 1);
    q->console = c;
    q->code = code;
    q->down = down;
    q->delay_ms = delay_ms;
    list_append(&queue, &q->node);
    queue_len++;
    if (!timer_pending(&queue_timer)) {
        queue_run(NULL);
    }
    return true;
}
