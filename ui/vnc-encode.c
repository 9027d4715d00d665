/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VNC client's writer: waits for something to do, brings the client's own
 * frame buffer up to date and lets libvncserver encode and send what changed.
 *
 * Each client has a screen of the library for itself, so that nothing in the
 * library is shared between threads.  Screens are copies of one template:
 * making one through rfbGetScreen() would initialise a mutex of the whole
 * process again.  The library sees only numbers that were checked
 * (vnc-msg.c), and writes to a blocking descriptor; when that fails it closes
 * it and sets cl->sock to -1.
 */
#include "osdep.h"
#include "vnc-int.h"
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>
#include <sys/socket.h>

#define ENC_LEDS         -261
#define ENC_EXT_KEY      -258
#define ENC_POINTER_TYPE -257
/* Between two answers to non-incremental requests. */
#define FULL_NS (15 * NSEC_PER_MS)

typedef struct Writer {
    VncClient *c;
    rfbScreenInfoPtr screen;
    rfbClientPtr cl;
    uint32_t *fb;
    int width, height;            /* of fb */
    int view_width, view_height;  /* last seen */
    VncEncodings enc;
    bool ext_size_told;
    int64_t last_full;
} Writer;

/* ---- the library --------------------------------------------------------- */

static void no_log(const char *format, ...)
{
}

static pthread_once_t template_once = PTHREAD_ONCE_INIT;
static rfbScreenInfoPtr template;

static void make_template(void)
{
    int argc = 0;

    rfbLog = rfbErr = no_log;
    template = rfbGetScreen(&argc, NULL, 640, 480, 8, 3, 4);
    if (!template) {
        return;
    }
    template->cursor = NULL;
    template->alwaysShared = true;
    template->maxRectsPerUpdate = 1000;
    template->serverFormat.redShift = 16;
    template->serverFormat.greenShift = 8;
    template->serverFormat.blueShift = 0;
    template->serverFormat.depth = 24;
}

/*
 * The library greets whom it takes for a new client and waits to see whether
 * it is a browser.  Here that is one end of a socket pair which has said
 * "RFB " already; the client proper comes in afterwards.
 */
static bool make_client(Writer *w, int fd)
{
    int pair[2];

    pthread_once(&template_once, make_template);
    if (!template ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        return false;
    }
    if (MAX(pair[0], fd) >= FD_SETSIZE || write(pair[1], "RFB ", 4) != 4) {
        warn_report("VNC: too many open files for another client");
        close(pair[0]);
        close(pair[1]);
        return false;
    }
    w->screen = g_memdup2(template, sizeof(*template));
    pthread_mutex_init(&w->screen->cursorMutex, NULL);
    w->screen->frameBuffer = (char *)w->fb;
    w->screen->width = w->width;
    w->screen->height = w->height;
    w->screen->paddedWidthInBytes = w->width * 4;
    w->cl = rfbNewClient(w->screen, pair[0]);
    close(pair[1]);
    if (!w->cl) {
        return false;
    }
    close(pair[0]);
    w->cl->sock = fd;
    w->cl->state = RFB_NORMAL;
    w->cl->protocolMinorVersion = 8;
    w->cl->readyForSetColourMapEntries = true;
    /* Cursors are drawn by nobody here. */
    w->cl->enableCursorShapeUpdates = true;
    w->cl->cursorWasChanged = false;
    w->cl->preferredEncoding = rfbEncodingRaw;
    return true;
}

static void mark(void *opaque, int x, int y, int w, int h)
{
    Writer *wr = opaque;
    sraRegionPtr r = sraRgnCreateRect(x, y, x + w, y + h);

    sraRgnOr(wr->cl->modifiedRegion, r);
    sraRgnDestroy(r);
}

/* ---- sizes --------------------------------------------------------------- */

static void fit(Writer *w)
{
    bool follows = w->enc.resize || w->enc.ext_resize;
    int vw, vh;

    vnc_view_size(&w->c->look, &vw, &vh);
    vw = MIN(vw, VNC_MAX_WIDTH);
    if (follows ? vw == w->width && vh == w->height
                : vw == w->view_width && vh == w->view_height) {
        return;
    }
    w->view_width = vw;
    w->view_height = vh;
    if (follows) {
        g_free(w->fb);
        w->fb = g_new0(uint32_t, (size_t)vw * vh);
        w->width = w->screen->width = vw;
        w->height = w->screen->height = vh;
        w->screen->paddedWidthInBytes = vw * 4;
        w->screen->frameBuffer = (char *)w->fb;
        w->cl->newFBSizePending = true;
    } else {
        /* Its window stays as it was; what is too much is cut off. */
        memset(w->fb, 0, (size_t)w->width * w->height * 4);
    }
    vnc_view_damage_all(&w->c->look);
    sraRgnMakeEmpty(w->cl->modifiedRegion);
    mark(w, 0, 0, w->width, w->height);
}

/* ---- messages of ours ---------------------------------------------------- */

/* An update with one pseudo rectangle. */
static void send_pseudo(Writer *w, unsigned x, unsigned y, int32_t encoding,
                        const void *data, size_t len)
{
    uint8_t b[24] = { 0, 0, 0, 1, x >> 8, x, y >> 8, y,
                      w->width >> 8, w->width, w->height >> 8, w->height,
                      (uint32_t)encoding >> 24, (uint32_t)encoding >> 16,
                      (uint32_t)encoding >> 8, (uint32_t)encoding };

    if (w->cl->sock >= 0) {
        for (size_t i = 0; i < len; i++) {
            b[16 + i] = ((const uint8_t *)data)[i];
        }
        if (rfbWriteExact(w->cl, (char *)b, 16 + len) < 0) {
            rfbCloseClient(w->cl);
        }
    }
}

static void send_cut(Writer *w, unsigned say, GBytes *text)
{
    g_autoptr(GByteArray) m = g_byte_array_new();

    vnc_cut_put(m, say, text);
    if (m->len && w->cl->sock >= 0 &&
        rfbWriteExact(w->cl, (char *)m->data, m->len) < 0) {
        rfbCloseClient(w->cl);
    }
}

/* ---- what the client asked for ------------------------------------------- */

static void set_format(Writer *w, const VncPixelFormat *f)
{
    rfbPixelFormat *to = &w->cl->format;

    to->bitsPerPixel = f->bpp;
    to->depth = f->depth;
    to->bigEndian = f->big_endian;
    to->trueColour = f->true_colour;
    to->redMax = f->red_max;
    to->greenMax = f->green_max;
    to->blueMax = f->blue_max;
    to->redShift = f->red_shift;
    to->greenShift = f->green_shift;
    to->blueShift = f->blue_shift;
    w->screen->setTranslateFunction(w->cl);
}

static void set_encodings(Writer *w, const VncEncodings *e)
{
    rfbClientPtr cl = w->cl;

    w->enc = *e;
    cl->preferredEncoding = e->preferred;
    cl->useNewFBSize = e->resize || e->ext_resize;
    cl->useExtDesktopSize = e->ext_resize;
    cl->enableLastRectEncoding = e->last_rect;
    cl->zlibCompressLevel = e->compress < 0 ? 1 : e->compress;
    cl->tightCompressLevel = e->compress < 0 ? 1 : e->compress;
    cl->tightQualityLevel = e->quality;
    /* JPEG's own scale; the lower half goes without half of the colour. */
    cl->turboQualityLevel = e->quality < 0 ? -1 : 10 + e->quality * 10;
    cl->turboSubsampLevel = e->quality < 0   ? 0
                            : e->quality < 5 ? 1
                            : e->quality < 8 ? 2
                                             : 0;
    if (e->ext_key) {
        send_pseudo(w, 0, 0, ENC_EXT_KEY, NULL, 0);
    }
    if (e->xvp && w->c->server->power_control) {
        static const char hello[4] = { (char)250, 0, 1, 1 };

        if (w->cl->sock >= 0 && rfbWriteExact(w->cl, hello, 4) < 0) {
            rfbCloseClient(w->cl);
        }
    }
    if (e->ext_resize && !w->ext_size_told) {
        /* The community's text: the first update says what there is. */
        w->ext_size_told = true;
        cl->newFBSizePending = true;
    }
}

static void clip_to(sraRegionPtr to, const Writer *w, int x1, int y1, int x2,
                    int y2)
{
    x1 = MAX(x1, 0);
    y1 = MAX(y1, 0);
    x2 = MIN(x2, w->width);
    y2 = MIN(y2, w->height);
    if (x1 < x2 && y1 < y2) {
        sraRegionPtr r = sraRgnCreateRect(x1, y1, x2, y2);

        sraRgnOr(to, r);
        sraRgnDestroy(r);
    }
}

static void do_todo(Writer *w, const VncTodo *t)
{
    rfbClientPtr cl = w->cl;

    if (t->format_set) {
        set_format(w, &t->format);
    }
    if (t->encodings_set) {
        set_encodings(w, &t->encodings);
    }
    if (t->size_reply && w->enc.ext_resize) {
        cl->requestedDesktopSizeChange = rfbExtDesktopSize_ClientRequestedChange;
        cl->lastDesktopSizeChangeError = rfbExtDesktopSize_ResizeProhibited;
        cl->newFBSizePending = true;
    }
    if (t->leds && w->enc.leds) {
        uint8_t state = t->led_state;

        send_pseudo(w, 0, 0, ENC_LEDS, &state, 1);
    }
    if (t->pointer_type && w->enc.pointer_type) {
        send_pseudo(w, t->is_absolute, 0, ENC_POINTER_TYPE, NULL, 0);
    }
    if (t->cut_say) {
        send_cut(w, t->cut_say, t->cut);
    }
    fit(w);
    if (t->want) {
        clip_to(cl->requestedRegion, w, t->x1, t->y1, t->x2, t->y2);
    }
    if (t->want_full) {
        clip_to(cl->modifiedRegion, w, t->fx1, t->fy1, t->fx2, t->fy2);
        w->last_full = clock_ns(CLOCK_REALTIME_NS);
    }
    if (!sraRgnEmpty(cl->requestedRegion)) {
        vnc_view_take(&w->c->look, w->fb, w->width, w->height, mark, w);
        if (FB_UPDATE_PENDING(cl) && cl->sock >= 0) {
            rfbSendFramebufferUpdate(cl, cl->modifiedRegion);
        }
    }
}

/* ---- the thread ---------------------------------------------------------- */

static bool has_work(const VncClient *c)
{
    const VncTodo *t = &c->todo;

    return t->closing || t->format_set || t->encodings_set || t->size_reply ||
           t->leds || t->pointer_type || t->cut_say || t->want ||
           (t->changed && c->outstanding);
}

/* False: the client goes. */
static bool wait_for_work(Writer *w, VncTodo *t)
{
    VncClient *c = w->c;

    LOCK_GUARD(&c->lock);
    c->outstanding = !sraRgnEmpty(w->cl->requestedRegion);
    for (;;) {
        int64_t wait = w->last_full + FULL_NS - clock_ns(CLOCK_REALTIME_NS);

        if (c->todo.closing) {
            return false;
        }
        if (c->todo.want_full && wait > 0) {
            cond_wait_ns(&c->todo_cond, &c->lock, wait);
            continue;
        }
        if (has_work(c)) {
            break;
        }
        cond_wait(&c->todo_cond, &c->lock);
    }
    *t = c->todo;
    memset(&c->todo, 0, sizeof(c->todo));
    return true;
}

void *vnc_writer(void *opaque)
{
    VncClient *c = opaque;
    Writer w = { .c = c, .width = c->first_width, .height = c->first_height,
                 .view_width = c->first_width,
                 .view_height = c->first_height }; /* what ServerInit said */
    int fd = vnc_io_output(c->io);

    w.fb = g_new0(uint32_t, (size_t)w.width * w.height);
    if (fd >= 0 && make_client(&w, fd)) {
        VncTodo t;

        while (w.cl->sock >= 0 && wait_for_work(&w, &t)) {
            do_todo(&w, &t);
            g_clear_pointer(&t.cut, g_bytes_unref);
        }
        if (w.cl->sock >= 0) {
            rfbCloseClient(w.cl);
        }
        rfbClientConnectionGone(w.cl);
    } else if (fd >= 0) {
        close(fd);
    }
    if (w.screen) {
        rfbScreenCleanup(w.screen);
    }
    g_free(w.fb);
    /* Whatever it was, the reader ends now too. */
    vnc_io_abort(c->io);
    return NULL;
}
