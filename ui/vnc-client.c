/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VNC client's life, its reader thread and what it hands to the main
 * thread.
 *
 *   vnc_client_new   main    socket accepted; reader starts; VNC_CONNECTED
 *   reader           own     handshake, starts the writer, parses messages
 *   client_bh        main    INITIALIZED, input, requests, finally GONE:
 *                            joins the reader and frees
 *
 * What a client can make us do is bounded: at most VNC_QUEUE input events
 * wait, and the reader waits until the main thread has taken them, which it
 * does at most every DRAIN_NS; at most BURST messages are read in BURST_NS.
 */
#include "osdep.h"
#include "vnc-int.h"
#include "vnc-io.h"
#include <sys/socket.h>

#define DRAIN_NS (4 * NSEC_PER_MS)
#define BURST    256
#define BURST_NS (5 * NSEC_PER_MS)
/* A client that asked so long ago and still has its answer to read does not
 * keep us looking at the console. */
#define WANT_NS  (2 * NSEC_PER_SEC)

/* ---- reader's side ------------------------------------------------------- */

void vnc_client_kick(VncClient *c)
{
    bh_schedule(c->bh);
}

void vnc_client_wake(VncClient *c)
{
    cond_signal(&c->todo_cond);
}

static void put_request(VncClient *c, const VncMsg *m)
{
    VncTodo *t = &c->todo;
    int x2 = m->request.x + m->request.w, y2 = m->request.y + m->request.h;

    LOCK_GUARD(&c->lock);
    if (!t->want) {
        t->x1 = t->y1 = INT_MAX;
        t->x2 = t->y2 = 0;
        t->want = true;
    }
    t->x1 = MIN(t->x1, m->request.x);
    t->y1 = MIN(t->y1, m->request.y);
    t->x2 = MAX(t->x2, x2);
    t->y2 = MAX(t->y2, y2);
    if (!m->request.incremental) {
        if (!t->want_full) {
            t->fx1 = t->fy1 = INT_MAX;
            t->fx2 = t->fy2 = 0;
            t->want_full = true;
        }
        t->fx1 = MIN(t->fx1, m->request.x);
        t->fy1 = MIN(t->fy1, m->request.y);
        t->fx2 = MAX(t->fx2, x2);
        t->fy2 = MAX(t->fy2, y2);
    }
    c->asked = clock_ns(CLOCK_REALTIME_NS);
    if (c->idle) {
        c->idle = false;
        c->resume = true;
        vnc_client_kick(c);
    }
    vnc_client_wake(c);
}

/* The last two events are moves with the same buttons: only the place
 * matters. */
static bool replaces_last(const VncClient *c, const VncInputEvent *e)
{
    const VncInputEvent *a, *b;

    if (e->is_key || c->queued < 2) {
        return false;
    }
    a = &c->queue[c->queued - 1];
    b = &c->queue[c->queued - 2];
    return !a->is_key && !b->is_key && a->buttons == e->buttons &&
           b->buttons == e->buttons;
}

static void put_input(VncClient *c, const VncInputEvent *e)
{
    LOCK_GUARD(&c->lock);
    while (c->counted >= VNC_QUEUE && !c->todo.closing) {
        cond_wait(&c->room_cond, &c->lock);
    }
    if (c->todo.closing) {
        return;
    }
    if (replaces_last(c, e)) {
        VncInputEvent *last = &c->queue[c->queued - 1];

        last->x = c->relative ? last->x + e->x - VNC_REL_ZERO : e->x;
        last->y = c->relative ? last->y + e->y - VNC_REL_ZERO : e->y;
    } else {
        c->queue[c->queued++] = *e;
    }
    c->counted++;
    vnc_client_kick(c);
}

static void take_encodings(VncClient *c, const VncEncodings *e)
{
    LOCK_GUARD(&c->lock);
    c->todo.encodings = *e;
    if (!c->server->lossy) {
        c->todo.encodings.quality = -1;
    }
    c->todo.encodings_set = true;
    c->ext_key = e->ext_key;
    if (e->ext_cut && !c->cut_extended) {
        c->todo.cut_say |= VNC_CUT_CAPS;
    }
    c->cut_extended = e->ext_cut;
    c->pointer_type_on = e->pointer_type;
    c->tell = true;
    vnc_client_kick(c);
    vnc_client_wake(c);
}

static void take_message(VncClient *c, const VncMsg *m)
{
    VncInputEvent e = { 0 };

    switch (m->type) {
    case VNC_MSG_PIXEL_FORMAT:
        mutex_lock(&c->lock);
        c->todo.format = m->format;
        c->todo.format_set = true;
        vnc_client_wake(c);
        mutex_unlock(&c->lock);
        break;
    case VNC_MSG_ENCODINGS:
        take_encodings(c, &m->encodings);
        break;
    case VNC_MSG_UPDATE_REQUEST:
        put_request(c, m);
        break;
    case VNC_MSG_KEY:
        e.is_key = true;
        e.down = m->key.down;
        e.keysym = m->key.keysym;
        e.code = m->key.code;
        put_input(c, &e);
        break;
    case VNC_MSG_POINTER:
        e.buttons = m->pointer.buttons;
        e.x = m->pointer.x;
        e.y = m->pointer.y;
        put_input(c, &e);
        break;
    case VNC_MSG_CUT_TEXT:
        vnc_cut_received(c, m);
        break;
    case VNC_MSG_SET_SIZE:
        mutex_lock(&c->lock);
        c->todo.size_reply = true;
        vnc_client_wake(c);
        mutex_unlock(&c->lock);
        break;
    case VNC_MSG_XVP:
        mutex_lock(&c->lock);
        c->power = m->xvp;
        vnc_client_kick(c);
        mutex_unlock(&c->lock);
        break;
    case VNC_MSG_IGNORE:
        break;
    }
}

/* A client that talks without end gets its share and no more. */
static void pace(VncClient *c, unsigned *burst, int64_t *began)
{
    int64_t now;

    if (++*burst < BURST) {
        return;
    }
    *burst = 0;
    now = clock_ns(CLOCK_REALTIME_NS);
    if (now < *began + BURST_NS) {
        LOCK_GUARD(&c->lock);
        while (!c->todo.closing && now < *began + BURST_NS) {
            cond_wait_ns(&c->room_cond, &c->lock, *began + BURST_NS - now);
            now = clock_ns(CLOCK_REALTIME_NS);
        }
    }
    *began = now;
}

static void read_messages(VncClient *c)
{
    g_autoptr(GByteArray) in = g_byte_array_new();
    unsigned burst = 0;
    uint64_t skip = 0;
    int64_t began = 0;

    for (;;) {
        uint8_t chunk[4096];
        size_t used = 0, n = vnc_io_read(c->io, chunk, sizeof(chunk)), cut;

        if (n == 0) {
            return;
        }
        cut = MIN(skip, n);
        skip -= cut;
        g_byte_array_append(in, chunk + cut, n - cut);
        for (;;) {
            VncMsg m;
            int len = vnc_msg_parse(in->data + used, in->len - used, &m);

            if (len < 0) {
                return;
            }
            if (len == 0) {
                break;
            }
            used += len;
            take_message(c, &m);
            cut = MIN(m.skip, in->len - used);
            used += cut;
            skip = m.skip - cut;
            pace(c, &burst, &began);
            if (skip) {
                break;
            }
        }
        g_byte_array_remove_range(in, 0, used);
        if (in->len == 0 && in->len + sizeof(chunk) < VNC_MSG_MAX) {
            /* A long text does not stay in memory. */
            g_byte_array_set_size(in, 0);
        }
    }
}

/* The main thread decides: another client may be there that shares with
 * nobody.  Until then nothing is shown. */
static bool wait_admitted(VncClient *c)
{
    LOCK_GUARD(&c->lock);
    c->initialized = true;
    vnc_client_kick(c);
    while (!c->admitted && !c->todo.closing) {
        cond_wait(&c->room_cond, &c->lock);
    }
    return !c->todo.closing;
}

static void *reader_run(void *opaque)
{
    VncClient *c = opaque;

    if (vnc_handshake(c) && wait_admitted(c) &&
        thread_try_create(&c->writer, "vnc_writer", vnc_writer, c) == 0) {
        c->writing = true;
        read_messages(c);
    }
    mutex_lock(&c->lock);
    c->todo.closing = true;
    cond_broadcast(&c->todo_cond);
    mutex_unlock(&c->lock);
    vnc_io_abort(c->io);
    if (c->writing) {
        thread_join(&c->writer);
    }
    mutex_lock(&c->lock);
    c->gone = true;
    vnc_client_kick(c);
    mutex_unlock(&c->lock);
    return NULL;
}

/* ---- main thread's side -------------------------------------------------- */

static void drain(VncClient *c)
{
    VncInputEvent events[VNC_QUEUE];
    unsigned n;

    if (input_queue_busy()) {
        /* A long text is being typed: the rest of it waits at the client. */
        timer_mod_ns(&c->timer, DRAIN_NS);
        return;
    }
    mutex_lock(&c->lock);
    n = c->queued;
    memcpy(events, c->queue, n * sizeof(events[0]));
    c->queued = c->counted = 0;
    cond_signal(&c->room_cond);
    mutex_unlock(&c->lock);
    if (n) {
        c->drained = clock_ns(CLOCK_REALTIME_NS);
    }
    for (unsigned i = 0; i < n; i++) {
        vnc_input_event(c, &events[i]);
    }
}

static void timer_expired(void *opaque)
{
    drain(opaque);
}

static void client_bh(void *opaque)
{
    VncClient *c = opaque;
    bool opened, initialized, gone, resume, waiting, told;
    GBytes *cut;
    unsigned cut_asked;
    int power;

    mutex_lock(&c->lock);
    opened = c->opened;
    initialized = c->initialized;
    gone = c->gone;
    resume = c->resume;
    told = c->tell;
    power = c->power;
    cut = c->cut;
    cut_asked = c->cut_asked;
    c->cut_asked = 0;
    waiting = c->queued > 0;
    c->opened = c->initialized = c->resume = c->tell = false;
    c->cut = NULL;
    c->power = 0;
    mutex_unlock(&c->lock);
    if (opened) {
        vnc_server_opened(c);
    }
    if (initialized) {
        vnc_server_initialized(c);
    }
    if (resume) {
        vnc_view_resume(&c->look);
    }
    if (waiting && !timer_pending(&c->timer)) {
        int64_t since = clock_ns(CLOCK_REALTIME_NS) - c->drained;

        if (since >= DRAIN_NS || gone) {
            drain(c);
        } else {
            timer_mod_ns(&c->timer, DRAIN_NS - since);
        }
    }
    if (told) {
        vnc_client_tell(c);
    }
    if (power) {
        vnc_server_power(c, power);
    }
    if (cut || cut_asked) {
        vnc_cut_news(c, cut, cut_asked);
        g_clear_pointer(&cut, g_bytes_unref);
    }
    if (gone) {
        vnc_server_gone(c);
    }
}

VncClient *vnc_client_new(VncServer *s, int fd, VncBasicInfo *peer,
                          VncServerInfo *local, bool skip_auth)
{
    VncClient *c = g_new0(VncClient, 1);
    Console *con = vnc_server_console(s);
    int ret;

    c->server = s;
    c->io = vnc_io_new(fd);
    c->peer = peer;
    c->local = local;
    c->websocket = peer->websocket;
    c->skip_auth = skip_auth;
    c->last_x = c->last_y = -1;
    mutex_init(&c->lock);
    cond_init(&c->todo_cond);
    cond_init(&c->room_cond);
    c->bh = bh_new(loop_main(), client_bh, c);
    timer_init(&c->timer, loop_main(), CLOCK_REALTIME_NS, timer_expired, c);
    c->idle = true;
    if (con) {
        vnc_view_join(&c->look, con);
    }
    ret = thread_try_create(&c->reader, "vnc_client", reader_run, c);
    if (ret < 0) {
        warn_report("VNC: no thread for a client: %s", strerror(-ret));
        c->no_reader = true;
        vnc_client_free(c);
        return NULL;
    }
    list_append(&s->clients, &c->node);
    return c;
}

void vnc_client_admit(VncClient *c)
{
    LOCK_GUARD(&c->lock);
    c->admitted = true;
    cond_broadcast(&c->room_cond);
}

void vnc_client_drop(VncClient *c)
{
    mutex_lock(&c->lock);
    c->todo.closing = true;
    cond_broadcast(&c->todo_cond);
    cond_broadcast(&c->room_cond);
    mutex_unlock(&c->lock);
    vnc_io_abort(c->io);
}

void vnc_client_free(VncClient *c)
{
    if (!c->no_reader) {
        thread_join(&c->reader);
        list_remove(&c->node);
    }
    vnc_input_release_all(c);
    clipboard_leave(&c->clip);
    bh_delete(c->bh);
    timer_del(&c->timer);
    vnc_view_leave(&c->look);
    vnc_io_free(c->io);
    g_clear_pointer(&c->cut, g_bytes_unref);
    g_clear_pointer(&c->todo.cut, g_bytes_unref);
    qapi_free_VncBasicInfo(c->peer);
    qapi_free_VncServerInfo(c->local);
    g_free(c->dname);
    g_free(c->sasl_user);
    mutex_destroy(&c->lock);
    cond_destroy(&c->todo_cond);
    cond_destroy(&c->room_cond);
    g_free(c);
}

void vnc_client_look_event(VncLook *look, VncLookEvent event)
{
    VncClient *c = container_of(look, VncClient, look);
    Console *con;

    if (event == VNC_LOOK_GONE) {
        vnc_view_leave(look);
        con = vnc_server_console(c->server);
        if (con) {
            vnc_view_join(look, con);
        }
    }
    LOCK_GUARD(&c->lock);
    c->todo.changed = true;
    if (c->outstanding || c->todo.want) {
        vnc_client_wake(c);
    }
}

bool vnc_client_wants(VncLook *look)
{
    VncClient *c = container_of(look, VncClient, look);

    LOCK_GUARD(&c->lock);
    if (c->outstanding || c->todo.want ||
        (c->asked && clock_ns(CLOCK_REALTIME_NS) - c->asked < WANT_NS)) {
        return true;
    }
    c->idle = true;
    return false;
}

void vnc_client_show(VncClient *c, Console *con)
{
    vnc_view_join(&c->look, con);
    vnc_client_look_event(&c->look, VNC_LOOK_CHANGED);
    vnc_client_tell(c);
}

void vnc_client_tell(VncClient *c)
{
    Console *con = vnc_view_console(&c->look);
    bool absolute = input_is_absolute(con);
    unsigned leds = input_leds();

    LOCK_GUARD(&c->lock);
    c->todo.led_state = leds;
    c->todo.leds = true;
    c->todo.is_absolute = absolute;
    c->relative = c->pointer_type_on && !absolute;
    c->todo.pointer_type = true;
    vnc_client_wake(c);
}

VncClientInfo *vnc_client_info(VncClient *c)
{
    VncClientInfo *i = g_new0(VncClientInfo, 1);

    i->host = g_strdup(c->peer->host);
    i->service = g_strdup(c->peer->service);
    i->family = c->peer->family;
    i->websocket = c->peer->websocket;
    LOCK_GUARD(&c->lock);
    i->x509_dname = g_strdup(c->dname);
    i->sasl_username = g_strdup(c->sasl_user);
    return i;
}
