/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views: one copy of each console that a VNC client looks at, compared with
 * the console tile by tile whenever the console publishes something, so that
 * clients are told of what really changed.
 *
 * The main thread writes a view, the clients' writers copy from it; both hold
 * vnc_view_lock, for as long as a copy takes.  A view exists while a client
 * looks at it.  The console is looked at while a client of the view asked for
 * an update within WANT_NS (vnc_client_wants).
 */
#include "osdep.h"
#include "vnc-int.h"

struct VncView {
    ListNode node;
    ConsoleClient cl;
    ListNode looks;
    int width, height;
    uint32_t *pixels;   /* x8r8g8b8, rows of width */
    uint32_t *staging;  /* for surfaces of another format */
    uint64_t *marks;    /* tiles changed in one update() */
    int words, rows;
    bool news;          /* something changed in this refresh */
    bool paused;
    bool dying;         /* view_gone() frees it */
};

Mutex vnc_view_lock = MUTEX_INITIALIZER;
static ListNode views = LIST_INIT(views); /* main thread */

/* ---- damage -------------------------------------------------------------- */

static void damage_all(VncLook *look)
{
    memset(look->damage, 0xff,
           (size_t)look->words * look->rows * sizeof(uint64_t));
    look->any = true;
}

/* view_lock held. */
static void look_fit(VncLook *look)
{
    VncView *v = look->view;

    look->width = v->width;
    look->height = v->height;
    look->words = v->words;
    look->rows = v->rows;
    g_free(look->damage);
    look->damage = g_new0(uint64_t, (size_t)v->words * v->rows);
    damage_all(look);
}

/* The row of tiles @ty has new marks in words @from..@to. */
static void spread(VncView *v, int ty, int from, int to)
{
    uint64_t *marks = v->marks + (size_t)ty * v->words;
    VncLook *look;

    list_foreach(look, &v->looks, node) {
        uint64_t *d = look->damage + (size_t)ty * v->words;

        for (int i = from; i <= to; i++) {
            d[i] |= marks[i];
        }
        look->any = true;
    }
    memset(marks + from, 0, (to - from + 1) * sizeof(uint64_t));
}

/* One row of pixels; true: some differ, and their tiles are marked. */
static bool take_row(uint32_t *to, const uint32_t *from, int x1, int x2,
                     uint64_t *marks)
{
    bool changed = false;

    if (!memcmp(to + x1, from + x1, (size_t)(x2 - x1) * 4)) {
        return false;
    }
    for (int x = x1; x < x2;) {
        int tile = x / VNC_TILE, end = MIN((tile + 1) * VNC_TILE, x2);

        if (memcmp(to + x, from + x, (size_t)(end - x) * 4)) {
            memcpy(to + x, from + x, (size_t)(end - x) * 4);
            marks[tile / 64] |= BIT(tile % 64);
            changed = true;
        }
        x = end;
    }
    return changed;
}

static void view_update(ConsoleClient *cl, int x, int y, int w, int h)
{
    VncView *v = container_of(cl, VncView, cl);
    pixman_image_t *image = console_surface(cl->console);
    const uint8_t *from;
    int stride;

    if (pixman_image_get_format(image) == PIXMAN_x8r8g8b8) {
        from = (const uint8_t *)pixman_image_get_data(image);
        stride = pixman_image_get_stride(image);
    } else {
        if (!v->staging) {
            v->staging = g_new(uint32_t, (size_t)v->width * v->height);
        }
        stride = v->width * 4;
        console_copy(cl->console, x, y, w, h, (uint8_t *)v->staging, stride);
        from = (const uint8_t *)v->staging;
    }
    LOCK_GUARD(&vnc_view_lock);
    for (int ty = y / VNC_TILE; ty * VNC_TILE < y + h; ty++) {
        int y1 = MAX(y, ty * VNC_TILE), y2 = MIN(y + h, (ty + 1) * VNC_TILE);
        bool changed = false;

        for (int row = y1; row < y2; row++) {
            changed |= take_row(v->pixels + (size_t)row * v->width,
                                (const uint32_t *)(from + (size_t)row * stride),
                                x, x + w, v->marks + (size_t)ty * v->words);
        }
        if (changed) {
            spread(v, ty, x / VNC_TILE / 64, (x + w - 1) / VNC_TILE / 64);
            v->news = true;
        }
    }
}

static void view_resize(ConsoleClient *cl)
{
    VncView *v = container_of(cl, VncView, cl);
    int w = console_width(cl->console), h = console_height(cl->console);
    VncLook *look;

    LOCK_GUARD(&vnc_view_lock);
    if (w != v->width || h != v->height || !v->pixels) {
        v->width = w;
        v->height = h;
        v->words = DIV_ROUND_UP(DIV_ROUND_UP(w, VNC_TILE), 64);
        v->rows = DIV_ROUND_UP(h, VNC_TILE);
        g_free(v->pixels);
        v->pixels = g_new0(uint32_t, (size_t)w * h);
        g_clear_pointer(&v->staging, g_free);
        g_free(v->marks);
        v->marks = g_new0(uint64_t, (size_t)v->words * v->rows);
        list_foreach(look, &v->looks, node) {
            look_fit(look);
        }
        v->news = true;
    }
}

static void tell(VncView *v, VncLookEvent event)
{
    VncLook *look, *next;

    list_foreach_safe(look, next, &v->looks, node) {
        vnc_client_look_event(look, event);
    }
}

static void view_refreshed(ConsoleClient *cl)
{
    VncView *v = container_of(cl, VncView, cl);
    VncLook *look;
    bool wanted = false;

    if (v->news) {
        v->news = false;
        tell(v, VNC_LOOK_CHANGED);
    }
    list_foreach(look, &v->looks, node) {
        wanted |= vnc_client_wants(look);
    }
    if (!wanted) {
        v->paused = true;
        console_client_pace(&v->cl, 0);
    }
}

static void view_free(VncView *v)
{
    console_detach(&v->cl);
    list_remove(&v->node);
    g_free(v->pixels);
    g_free(v->staging);
    g_free(v->marks);
    g_free(v);
}

static void view_gone(ConsoleClient *cl)
{
    VncView *v = container_of(cl, VncView, cl);

    v->dying = true;
    tell(v, VNC_LOOK_GONE); /* each leaves */
    view_free(v);
}

static const ConsoleClientOps view_ops = {
    .resize = view_resize,
    .update = view_update,
    .refreshed = view_refreshed,
    .gone = view_gone,
};

/* ---- looks --------------------------------------------------------------- */

static VncView *view_of(Console *con)
{
    VncView *v;

    list_foreach(v, &views, node) {
        if (v->cl.console == con) {
            return v;
        }
    }
    v = g_new0(VncView, 1);
    v->cl.ops = &view_ops;
    list_init(&v->looks);
    list_append(&views, &v->node);
    console_attach(con, &v->cl);
    return v;
}

void vnc_view_join(VncLook *look, Console *con)
{
    VncView *v;

    vnc_view_leave(look);
    v = view_of(con);
    mutex_lock(&vnc_view_lock);
    look->view = v;
    list_append(&v->looks, &look->node);
    look_fit(look);
    mutex_unlock(&vnc_view_lock);
    vnc_view_resume(look);
}

void vnc_view_leave(VncLook *look)
{
    VncView *v = look->view;
    bool last;

    if (!v) {
        return;
    }
    mutex_lock(&vnc_view_lock);
    list_remove(&look->node);
    look->view = NULL;
    g_clear_pointer(&look->damage, g_free);
    look->words = look->rows = 0;
    look->any = false;
    last = list_empty(&v->looks);
    mutex_unlock(&vnc_view_lock);
    if (last && !v->dying) {
        view_free(v);
    }
}

Console *vnc_view_console(const VncLook *look)
{
    return look->view ? look->view->cl.console : NULL;
}

void vnc_view_resume(VncLook *look)
{
    VncView *v = look->view;

    if (v && v->paused) {
        v->paused = false;
        console_client_pace(&v->cl, CONSOLE_REFRESH_MS);
    }
}

void vnc_view_size(VncLook *look, int *w, int *h)
{
    LOCK_GUARD(&vnc_view_lock);
    *w = look->width ? look->width : 640;
    *h = look->height ? look->height : 480;
}

void vnc_view_damage_all(VncLook *look)
{
    LOCK_GUARD(&vnc_view_lock);
    if (look->view) {
        damage_all(look);
    }
}

/* ---- taking what changed ------------------------------------------------- */

static bool marked(const VncLook *look, int tx, int ty)
{
    return look->damage[(size_t)ty * look->words + tx / 64] >> (tx % 64) & 1;
}

static void unmark(VncLook *look, int tx, int ty)
{
    look->damage[(size_t)ty * look->words + tx / 64] &= ~BIT(tx % 64);
}

/* The tiles right of and below a marked one that make a rectangle. */
static void grow(VncLook *look, int tx, int ty, int columns, int rows, int *w,
                 int *h)
{
    for (*w = 1; tx + *w < columns && marked(look, tx + *w, ty); (*w)++) {
    }
    for (*h = 1; ty + *h < rows; (*h)++) {
        for (int i = 0; i < *w; i++) {
            if (!marked(look, tx + i, ty + *h)) {
                return;
            }
        }
    }
}

static void copy_rect(const VncView *v, uint32_t *fb, int fb_w, int x, int y,
                      int w, int h)
{
    for (int row = y; row < y + h; row++) {
        memcpy(fb + (size_t)row * fb_w + x,
               v->pixels + (size_t)row * v->width + x, (size_t)w * 4);
    }
}

void vnc_view_take(VncLook *look, uint32_t *fb, int w, int h,
                   void (*rect)(void *opaque, int x, int y, int w, int h),
                   void *opaque)
{
    int use_w, use_h, columns, rows;

    LOCK_GUARD(&vnc_view_lock);
    if (!look->view || !look->any) {
        return;
    }
    look->any = false;
    use_w = MIN(w, look->width);
    use_h = MIN(h, look->height);
    columns = DIV_ROUND_UP(use_w, VNC_TILE);
    rows = DIV_ROUND_UP(use_h, VNC_TILE);
    for (int ty = 0; ty < rows; ty++) {
        uint64_t *d = look->damage + (size_t)ty * look->words;

        for (int tx = 0; tx < columns; tx++) {
            int tw, th, x, y;

            if (!d[tx / 64]) {
                tx |= 63;
                continue;
            }
            if (!marked(look, tx, ty)) {
                continue;
            }
            grow(look, tx, ty, columns, rows, &tw, &th);
            for (int j = 0; j < th; j++) {
                for (int i = 0; i < tw; i++) {
                    unmark(look, tx + i, ty + j);
                }
            }
            x = tx * VNC_TILE;
            y = ty * VNC_TILE;
            tw = MIN(tw * VNC_TILE, use_w - x);
            th = MIN(th * VNC_TILE, use_h - y);
            copy_rect(look->view, fb, w, x, y, tw, th);
            rect(opaque, x, y, tw, th);
        }
    }
    /* Marks beyond what the client shows. */
    memset(look->damage, 0,
           (size_t)look->words * look->rows * sizeof(uint64_t));
}
