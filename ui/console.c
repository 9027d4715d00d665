/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Consoles and the timer that looks at them; include/ui/console.h. */
#include "osdep.h"
#include "ui/console.h"
#include "util/timer.h"

#define FIRST_WIDTH  720
#define FIRST_HEIGHT 400

struct Console {
    Object *device;        /* borrowed, may be NULL */
    unsigned head;
    char *label;           /* owned */
    const ConsoleOps *ops;
    void *opaque;
    pixman_image_t *image; /* owned; its pixels may be the device's */
    ListNode clients;      /* ConsoleClient.node */
    Timer timer;
    bool watched;          /* ops->watch(true) was called */
    bool changed;          /* something was published in this refresh */
    int idle_ms;           /* what the interval has grown by */
    int64_t looked;        /* when the last refresh began, ns */
};

typedef struct Watcher {
    ListNode node;
    void (*fn)(void *opaque);
    void *opaque;
} Watcher;

static GPtrArray *consoles; /* Console *, in order */
static ListNode watchers = LIST_INIT(watchers);

static void tell_watchers(void)
{
    Watcher *w, *next;

    list_foreach_safe(w, next, &watchers, node) {
        w->fn(w->opaque);
    }
}

void console_on_change(void (*fn)(void *opaque), void *opaque)
{
    Watcher *w = g_new0(Watcher, 1);

    w->fn = fn;
    w->opaque = opaque;
    list_append(&watchers, &w->node);
}

/* ---- looking ---- */

/* The shortest interval of those who look; 0: nobody. */
static int shortest_pace(const Console *c)
{
    const ConsoleClient *cl;
    int ms = 0;

    list_foreach(cl, &c->clients, node) {
        if (cl->interval_ms && (!ms || cl->interval_ms < ms)) {
            ms = cl->interval_ms;
        }
    }
    return ms;
}

static void arm(Console *c)
{
    int ms = shortest_pace(c);
    bool watch = ms != 0;

    if (watch != c->watched) {
        c->watched = watch;
        if (c->ops->watch) {
            c->ops->watch(c->opaque, watch);
        }
    }
    if (watch) {
        /* From look to look, however long drawing took. */
        timer_mod_at(&c->timer, MAX(c->looked + MAX(ms, c->idle_ms) *
                                                    NSEC_PER_MS,
                                    clock_ns(CLOCK_REALTIME_NS)));
    } else {
        timer_del(&c->timer);
    }
}

static void look(void *opaque)
{
    Console *c = opaque;

    ConsoleClient *cl, *next;

    c->looked = clock_ns(CLOCK_REALTIME_NS);
    c->changed = false;
    c->ops->refresh(c->opaque);
    list_foreach_safe(cl, next, &c->clients, node) {
        if (cl->ops->refreshed) {
            cl->ops->refreshed(cl);
        }
    }
    if (c->changed) {
        c->idle_ms = 0;
    } else {
        c->idle_ms = CLAMP(c->idle_ms * 3 / 2, CONSOLE_REFRESH_MS,
                           CONSOLE_IDLE_MS);
    }
    arm(c);
}

bool console_watched(const Console *c)
{
    return c->watched;
}

void console_wake(Console *c)
{
    if (c->watched && c->idle_ms > CONSOLE_REFRESH_MS) {
        c->idle_ms = 0;
        arm(c);
    }
}

void console_refresh(Console *c)
{
    c->ops->refresh(c->opaque);
}

/* ---- the surface ---- */

void console_set_surface(Console *c, int width, int height,
                         pixman_format_code_t format, void *data, int stride)
{
    ConsoleClient *cl, *next;

    assert(width > 0 && width <= CONSOLE_MAX_SIZE && height > 0 &&
           height <= CONSOLE_MAX_SIZE);
    if (c->image) {
        pixman_image_unref(c->image);
    }
    c->image = pixman_image_create_bits(format, width, height, data, stride);
    if (!c->image) {
        g_error("no memory for a screen of %dx%d", width, height);
    }
    c->changed = true;
    list_foreach_safe(cl, next, &c->clients, node) {
        cl->ops->resize(cl);
    }
}

pixman_image_t *console_surface(const Console *c)
{
    return c->image;
}

int console_width(const Console *c)
{
    return pixman_image_get_width(c->image);
}

int console_height(const Console *c)
{
    return pixman_image_get_height(c->image);
}

static bool clip(const Console *c, int *x, int *y, int *w, int *h)
{
    int64_t x1 = MAX(*x, 0), y1 = MAX(*y, 0);
    int64_t x2 = MIN((int64_t)*x + *w, console_width(c));
    int64_t y2 = MIN((int64_t)*y + *h, console_height(c));

    if (x2 <= x1 || y2 <= y1) {
        return false;
    }
    *x = x1;
    *y = y1;
    *w = x2 - x1;
    *h = y2 - y1;
    return true;
}

void console_update(Console *c, int x, int y, int width, int height)
{
    ConsoleClient *cl, *next;

    if (!clip(c, &x, &y, &width, &height)) {
        return;
    }
    c->changed = true;
    list_foreach_safe(cl, next, &c->clients, node) {
        cl->ops->update(cl, x, y, width, height);
    }
}

void console_copy(const Console *c, int x, int y, int width, int height,
                  uint8_t *dest, int stride)
{
    pixman_format_code_t format = pixman_image_get_format(c->image);
    pixman_image_t *to;

    if (!clip(c, &x, &y, &width, &height)) {
        return;
    }
    if (format == PIXMAN_x8r8g8b8) {
        int from_stride = pixman_image_get_stride(c->image);
        const uint8_t *from = (uint8_t *)pixman_image_get_data(c->image);

        for (int row = y; row < y + height; row++) {
            memcpy(dest + (size_t)row * stride + (size_t)x * 4,
                   from + (size_t)row * from_stride + (size_t)x * 4,
                   (size_t)width * 4);
        }
        return;
    }
    to = pixman_image_create_bits_no_clear(PIXMAN_x8r8g8b8, console_width(c),
                                           console_height(c),
                                           (uint32_t *)dest, stride);
    if (to) {
        pixman_image_composite32(PIXMAN_OP_SRC, c->image, NULL, to, x, y, 0,
                                 0, x, y, width, height);
        pixman_image_unref(to);
    }
}

/* ---- clients ---- */

void console_attach(Console *c, ConsoleClient *cl)
{
    assert(!cl->console);
    cl->console = c;
    cl->interval_ms = CONSOLE_REFRESH_MS;
    list_append(&c->clients, &cl->node);
    c->idle_ms = 0;
    cl->ops->resize(cl);
    if (c->ops->invalidate) {
        c->ops->invalidate(c->opaque);
    }
    arm(c);
}

void console_detach(ConsoleClient *cl)
{
    Console *c = cl->console;

    if (c) {
        list_remove(&cl->node);
        cl->console = NULL;
        arm(c);
    }
}

void console_client_pace(ConsoleClient *cl, int interval_ms)
{
    Console *c = cl->console;

    if (c && cl->interval_ms != interval_ms) {
        cl->interval_ms = interval_ms;
        arm(c);
    }
}

/* ---- the list ---- */

Console *console_new(Object *device, unsigned head, const char *label,
                     const ConsoleOps *ops, void *opaque)
{
    Console *c = g_new0(Console, 1);
    unsigned at = console_count();

    c->device = device;
    c->head = head;
    c->label = g_strdup(label);
    c->ops = ops;
    c->opaque = opaque;
    list_init(&c->clients);
    timer_init(&c->timer, loop_main(), CLOCK_REALTIME_NS, look, c);
    console_set_surface(c, FIRST_WIDTH, FIRST_HEIGHT, PIXMAN_x8r8g8b8, NULL,
                        0);
    if (!consoles) {
        consoles = g_ptr_array_new();
    }
    /* The guest's screens come before text consoles, whenever they come. */
    while (!ops->keysym && at > 0 &&
           !console_is_graphic(console_by_index(at - 1))) {
        at--;
    }
    g_ptr_array_insert(consoles, at, c);
    tell_watchers();
    return c;
}

void console_free(Console *c)
{
    if (!c) {
        return;
    }
    g_ptr_array_remove(consoles, c);
    while (!list_empty(&c->clients)) {
        ConsoleClient *cl = list_first(&c->clients, ConsoleClient, node);

        list_remove(&cl->node);
        cl->console = NULL;
        cl->ops->gone(cl);
    }
    timer_del(&c->timer);
    pixman_image_unref(c->image);
    g_free(c->label);
    g_free(c);
    tell_watchers();
}

unsigned console_count(void)
{
    return consoles ? consoles->len : 0;
}

Console *console_by_index(unsigned index)
{
    return index < console_count() ? g_ptr_array_index(consoles, index) : NULL;
}

unsigned console_index(const Console *c)
{
    guint i = 0;

    g_ptr_array_find(consoles, c, &i);
    return i;
}

const char *console_label(const Console *c)
{
    return c->label;
}

bool console_is_graphic(const Console *c)
{
    return !c->ops->keysym;
}

bool console_send_keysym(Console *c, uint32_t keysym)
{
    if (!c->ops->keysym) {
        return false;
    }
    c->ops->keysym(c->opaque, keysym);
    return true;
}

Console *console_default(void)
{
    for (unsigned i = 0; i < console_count(); i++) {
        if (console_is_graphic(console_by_index(i))) {
            return console_by_index(i);
        }
    }
    return console_by_index(0);
}

Console *console_find(const char *device, unsigned head, Error **errp)
{
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", device);
    Object *obj = object_resolve(*device == '/' ? device : path, NULL);
    bool draws = false;

    if (!obj) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", device);
        return NULL;
    }
    for (unsigned i = 0; i < console_count(); i++) {
        Console *c = console_by_index(i);

        draws |= c->device == obj;
        if (c->device == obj && c->head == head) {
            return c;
        }
    }
    if (draws) {
        error_setg(errp, "Device '%s' has no output %u", device, head);
    } else {
        error_setg(errp, "Device '%s' is no display", device);
    }
    return NULL;
}
